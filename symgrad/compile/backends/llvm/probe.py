"""Rows on whole arrays, without a kernel around them: for tests, and to measure."""

from __future__ import annotations

import ctypes

import numpy as np

from symgrad.compile.backends.llvm import rows
from symgrad.compile.backends.llvm.engine import Code, assemble
from symgrad.compile.backends.llvm.ir import MEMORY, Module, wide


class Row:
    """``Row(function, ["float32"], "float32", 16)``: an array function, written 16 lanes wide.

    `function(w, width, texts)` writes the lanes and returns the text of the result.  Lengths
    must be multiples of the width.
    """

    def __init__(self, function, dtypes, out, width):
        self.function, self.dtypes, self.out, self.width = function, dtypes, out, width
        self.address, self.code = None, None

    def write(self, module, name):
        """Add the loop to a module, as a function ``name(n, arrays…, result)``."""
        pointers = [f"ptr %a{k}" for k in range(len(self.dtypes))]
        w = module.function(f"define void @{name}({', '.join(['i64 %n', *pointers, 'ptr %out'])})")
        with w.loop("%n", step=str(self.width)) as loop:
            texts = [self.load(w, d, f"%a{k}", loop.index) for k, d in enumerate(self.dtypes)]
            result = self.function(w, self.width, texts)
            at = w.cell(MEMORY[self.out], "%out", loop.index)
            kind = wide(MEMORY[self.out], self.width)
            if self.out == "bool":
                result = w.let(f"zext {wide('i1', self.width)} {result} to {kind}")
            w.do(f"store {kind} {result}, ptr {at}, align 1")
        w.do("ret void")
        module.add(name, w)

    def load(self, w, dtype, pointer, index):
        kind = wide(MEMORY[dtype], self.width)
        at = w.cell(MEMORY[dtype], pointer, index)
        value = w.let(f"load {kind}, ptr {at}, align 1")
        if dtype == "bool":
            return w.let(f"trunc {kind} {value} to {wide('i1', self.width)}")
        return value

    def __call__(self, *arrays):
        """The result for flat arrays of one length, which is padded to a multiple of the width."""
        n = len(arrays[0])
        arrays = [np.concatenate([np.asarray(a, d), np.ones(-n % self.width, d)])
                  for a, d in zip(arrays, self.dtypes, strict=True)]
        out = np.empty(len(arrays[0]), self.out)
        self.run(*arrays, out)
        return out[:n]

    def run(self, *arrays):
        """Fill the last of these flat arrays, all in their dtypes, from the others."""
        self.address(len(arrays[0]), *[a.ctypes.data for a in arrays])


def link(found):
    """Compile {name: Row}, all in one module; returns its text."""
    module = Module()
    for name, r in found.items():
        r.write(module, name)
    text = module.text
    code = Code([assemble(text)], list(found))
    for name, r in found.items():
        kinds = [ctypes.c_int64, *[ctypes.c_void_p] * (len(r.dtypes) + 1)]
        r.address, r.code = ctypes.CFUNCTYPE(None, *kinds)(code[name]), code
    return text


def row(name, dtype, out, width, arity):
    """A row of the vocabulary as a `Row`, not yet linked."""
    dtypes = [dtype] * arity if name != "where" else ["bool", dtype, dtype]

    def function(w, width, texts):
        return rows.apply(w, name, dtype, out, width, texts)

    return Row(function, dtypes, out, width)


def cast(source, target, width):
    """A cast as a `Row`, not yet linked."""

    def function(w, width, texts):
        return rows.cast(w, texts[0], source, target, width)

    return Row(function, [source], target, width)
