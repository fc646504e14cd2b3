"""Text of LLVM IR to machine code in this process: parse, generate, link.

What LLVM made once is kept on disk (`compile/cache.py`), found by all that decides it: the text,
the options, the processor's features and which LLVM it is.  llvmlite is imported only when there is
something to compile: it takes longer to load than a program to run.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import time
from functools import lru_cache
from pathlib import Path

from symgrad.compile import cache
from symgrad.compile.backends.llvm import loader
from symgrad.compile.backends.llvm.ir import INLINED
from symgrad.errors import MissingPackage

_serial = itertools.count()
PASSES = "always_inliner", "sroa"  # of LLVM, for text in which something is `INLINED`
ADDRESS = re.compile(r"inttoptr[ (]+i64 -?\d")  # of this process: not for another
FLAGS = ("vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "flags",
         "cpuid level", "bugs")  # what /proc/cpuinfo tells of a processor


# -- which machine


def host():
    """(name of the processor, its features as text), as LLVM calls them."""
    return asked() if binding.cache_info().currsize else remembered()


@lru_cache(1)
def remembered():
    """The same without LLVM, where an earlier process kept it."""
    facts = processor()
    known = facts and cache.load(facts)
    if not known:
        return asked()
    name, _, features = known.decode().partition("\n")
    return name, features


@lru_cache(1)
def asked():
    """The same from LLVM itself."""
    llvm = binding()
    found = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    facts, text = processor(), "\n".join(found).encode()
    if facts and cache.load(facts) != text:
        cache.save(facts, text)
    return found


def processor():
    """All that is known of the processor without LLVM, since the machine was started; None where
    the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot = file.read()
        with open("/proc/cpuinfo", "rb", buffering=0) as file:  # the first processor will do
            text, end, _ = file.read(16384).decode().partition("\n\n")
    except (OSError, ValueError):
        return None
    rows = [row.partition(":") for row in text.split("\n")]
    facts = [f"{key.strip()}={value.strip()}" for key, _, value in rows if key.strip() in FLAGS]
    if not boot or not end or not any(f.startswith("flags=") for f in facts):
        return None
    return "\n".join(["host", build(), boot.decode(), *os.uname()[2:], *facts]).encode()


@lru_cache(1)
def build():
    """Which LLVM this is: llvmlite's version, and the size and time of its library."""
    found = importlib.util.find_spec("llvmlite")
    if found is None or not found.origin:
        raise MissingPackage("llvmlite is not installed; get it with: pip install llvmlite")
    folder = Path(found.origin).parent
    rows = [(folder / "_version.py").read_text()]
    for file in sorted((folder / "binding").glob("*llvmlite*")):
        info = file.stat()
        rows.append(f"{file.name} {info.st_size} {info.st_mtime_ns}")
    return "\n".join(rows)


@lru_cache(1)
def binding():
    """llvmlite's module, ready for this machine."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def lanes():
    """Bytes of a vector register, and whether its lanes can be masked."""
    return lanes_of(host()[1])


@lru_cache(4)
def lanes_of(features):
    features = features.split(",")
    if "+avx512vl" in features and "+avx512bw" in features:
        return 64, True
    return (32, False) if "+avx2" in features else (16, False)


# -- compiling


def options(effort):
    """LLVM's options; `effort` is 0 … 3."""
    name, features = host()
    if lanes()[0] == 64:
        features += ",-prefer-256-bit"
    return {"cpu": name, "features": features, "opt": effort, "jit": True, "reloc": "pic",
            "codemodel": "small"}


@lru_cache(4)
def machine(effort):
    """LLVM's target machine."""
    asked()
    return binding().Target.from_default_triple().create_target_machine(**options(effort))


def assemble(text, effort=2):
    """The object file of a module, as bytes."""
    return machine(effort).emit_object(parsed(text, effort))


def assembly(text, effort=2):
    """The same as text, to be read."""
    return machine(effort).emit_assembly(parsed(text, effort))


def parsed(text, effort):
    """LLVM's module.  Text that asks for functions to be inlined is for its sake alone optimised:
    what these keep on the stack goes into registers."""
    llvm = binding()
    module = llvm.parse_assembly(text)
    if INLINED in text:
        builder = llvm.create_pass_builder(machine(effort), llvm.create_pipeline_tuning_options())
        passes = llvm.create_new_module_pass_manager()
        for name in PASSES:
            getattr(passes, f"add_{name}_pass")()
        passes.run(module, builder)
    return module


def kept(text, effort=2):
    """The same object file, from the cache if it is there."""
    if ADDRESS.search(text):
        return assemble(text, effort)
    image = cache.load(recipe(text, effort))
    if image is None:
        asked()  # from here on what LLVM says of the processor counts, not what was remembered
        image = assemble(text, effort)
        cache.save(recipe(text, effort), image)
    return image


def recipe(text, effort):
    """All that decides an object file."""
    passes = PASSES if INLINED in text else ()
    return "\n".join(["object", build(), repr(options(effort)), *passes, text]).encode()


# -- in memory


@lru_cache(1)
def _linker():
    return binding().create_lljit_compiler(machine(2))


def code(units, names, spent=None):
    """The functions `names` of modules, given as (text, effort): ``[name]`` is an address.
    `spent`: a dict for the seconds it took to make the object files and to link them."""
    start = time.perf_counter()
    images = [kept(*unit) for unit in units]
    middle = time.perf_counter()
    made = linked(images, names)
    if spent is not None:
        spent["object"], spent["link"] = middle - start, time.perf_counter() - middle
    return made


def linked(images, names):
    """The same of object files."""
    if loader.works():
        try:
            return loader.Image(images)
        except loader.Unknown:
            pass
    return Code(images, names)


class Code:
    """Object files in memory, by LLVM's linker; ``code[name]`` is the address of one of their
    functions.

    The memory is freed with the `Code`.
    """

    def __init__(self, images, names):
        builder = binding().JITLibraryBuilder().add_current_process()
        for image in images:
            builder.add_object_img(image)
        for name in names:
            builder.export_symbol(name)
        self._tracker = builder.link(_linker(), f"symgrad{next(_serial)}")

    def __getitem__(self, name):
        return self._tracker[name]
