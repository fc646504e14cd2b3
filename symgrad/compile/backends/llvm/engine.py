"""Text of LLVM IR to machine code in this process: parse, generate, link."""

from __future__ import annotations

import itertools
from functools import lru_cache

import llvmlite.binding as llvm

_serial = itertools.count()


@lru_cache(1)
def host():
    """(name of the processor, its features as text)."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@lru_cache(1)
def lanes():
    """Bytes of a vector register, and whether its lanes can be masked."""
    features = host()[1].split(",")
    if "+avx512vl" in features and "+avx512bw" in features:
        return 64, True
    return (32, False) if "+avx2" in features else (16, False)


@lru_cache(4)
def machine(effort):
    """LLVM's target machine; `effort` is 0 … 3."""
    name, features = host()
    if lanes()[0] == 64:
        features += ",-prefer-256-bit"
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=name, features=features, opt=effort, jit=True, reloc="pic", codemodel="small")


@lru_cache(1)
def _linker():
    return llvm.create_lljit_compiler(machine(2))


def assemble(text, effort=2):
    """The object file of a module, as bytes."""
    module = llvm.parse_assembly(text)
    return machine(effort).emit_object(module)


def assembly(text, effort=2):
    """The same as text, to be read."""
    return machine(effort).emit_assembly(llvm.parse_assembly(text))


class Code:
    """Object files in memory; ``code[name]`` is the address of one of their functions.

    The memory is freed with the `Code`.
    """

    def __init__(self, images, names):
        builder = llvm.JITLibraryBuilder().add_current_process()
        for image in images:
            builder.add_object_img(image)
        for name in names:
            builder.export_symbol(name)
        self._tracker = builder.link(_linker(), f"symgrad{next(_serial)}")

    def __getitem__(self, name):
        return self._tracker[name]
