"""Kernels, one by one, as machine code: for tests."""

import ctypes

import numpy as np

from symgrad.compile.backends.llvm import engine, kernels
from symgrad.compile.backends.llvm.ir import Module
from symgrad.compile.backends.llvm.moves import out_of_range
from symgrad.compile.backends.llvm.pieces import privately
from symgrad.compile.loops import loops
from symgrad.compile.nest import Nonempty
from symgrad.errors import ShapeError
from symgrad.types import BYTES, Dim

CALL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)


def native(kernel, dense=None):
    """``f(*params, *results, lengths)`` of a kernel.  `dense`: for each array, whether its last
    axis is surely without gaps (all)."""
    nest, module = privately(loops(kernel)), Module()
    arrays = (*nest.params, *nest.results)
    layouts = tuple([tuple([k == a.type.ndim - 1 and (dense is None or dense[n])
                            for k in range(a.type.ndim)]) for n, a in enumerate(arrays)])
    made = kernels.emit(module, nest, "kernel", layouts)
    w = module.function("define i64 @run(ptr %words)")
    count = 0

    def word(kind="i64"):
        nonlocal count
        count += 1
        place = w.cell("i64", "%words", count - 1)
        return f"{kind} " + w.let(f"load {kind}, ptr {place}")

    args = [word("ptr")]  # where an index that is out of range is put
    for layout in layouts:
        args += [word("ptr"), *[word() for one in layout if not one]]
    args += [word("ptr") for _ in nest.buffers] + [word() for _ in nest.lengths]
    status = w.let(f"call i64 @{made.name}({', '.join(args)})")
    w.do(f"ret i64 {status}")
    module.add("run", w)
    code = engine.code([(module.text, 2)], ["run"])
    entry = CALL(code["run"])

    def function(*given, **lengths):
        size = {d: d if isinstance(d, int) else lengths[d.name] for d in (
            *nest.lengths, *[d for b in nest.buffers for d in b.lengths])}
        for s in nest.body:
            if type(s) is Nonempty and 0 in [lengths[d.name] if isinstance(d, Dim) else d
                                             for d in s.over]:
                raise ShapeError(f"{s.op}: has no value over an axis of length 0")
        bad = np.zeros(4, np.int64)
        words, held = [bad.ctypes.data], [bad, code]
        for a, layout in zip(given, layouts, strict=True):
            assert not layout or not layout[-1] or a.size < 2 or a.strides[-1] == a.itemsize
            words += [a.ctypes.data, *[s // a.itemsize for s, one in zip(a.strides, layout,
                                                                         strict=True) if not one]]
        for b in nest.buffers:  # with room for whole vectors
            held.append(np.full(int(np.prod([size[d] for d in b.lengths])) * BYTES[b.dtype] + 64,
                                255, np.uint8))
            words.append(held[-1].ctypes.data)
        words = np.array([*words, *[size[d] for d in nest.lengths]], np.int64)
        status = entry(words.ctypes.data)
        if status:
            raise out_of_range(kernels.checks(nest)[status - 1], *bad[:2].tolist())

    return function
