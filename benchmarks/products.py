"""Matrix products of the native backend, against SciPy's BLAS and NumPy: microseconds, one core.

    python benchmarks/products.py [float32|float64] [seconds a line]

own: what the native backend does; tiles: its own tiles, whatever the sizes; blas: SciPy's BLAS by
address; numpy: ``np.matmul``.  The cost of an empty call through ctypes is taken off all but NumPy.
"""

import sys

from timing import interleave, one_core

one_core()

import ctypes  # noqa: E402
import time  # noqa: E402
from functools import partial  # noqa: E402

import numpy as np  # noqa: E402

from symgrad.compile.backends.llvm import blas, engine, products, tiles  # noqa: E402
from symgrad.compile.backends.llvm.ir import MEMORY, Module  # noqa: E402

# m, k, n; whether a and b are views of transposed matrices; what it is.
SHAPES = [
    (1, 784, 10, 0, 0, "x W"),
    (784, 1, 10, 0, 0, "W += x d"),
    (10, 784, 1, 1, 0, "W' x"),
    (1, 10, 784, 0, 1, "d W'"),
    (1, 784, 1, 0, 0, "dot"),
    (20, 784, 10, 0, 0, "x W"),
    (784, 20, 10, 1, 0, "x' d"),
    (600, 784, 10, 0, 0, "x W"),
    (784, 600, 10, 1, 0, "x' d"),
    (20, 784, 500, 0, 0, "x W"),
    (784, 20, 500, 1, 0, "x' d"),
    (20, 500, 10, 0, 0, "h V"),
    (500, 20, 10, 1, 0, "h' d"),
    (20, 10, 500, 0, 1, "d V'"),
    (128, 784, 500, 0, 0, "x W"),
    (784, 128, 500, 1, 0, "x' d"),
    (128, 500, 10, 0, 0, "h V"),
    (500, 128, 10, 1, 0, "h' d"),
    (128, 10, 500, 0, 1, "d V'"),
    (1, 784, 500, 0, 0, "x W"),
    (1, 500, 784, 0, 1, "d W'"),
    (16, 128, 512, 0, 0, "h U"),
    (128, 16, 512, 1, 0, "h' d"),
    (16, 512, 128, 0, 1, "d U'"),
    (16, 32, 32, 0, 0, "h W"),
    (32, 16, 32, 1, 0, "h' d"),
    (16, 32, 32, 0, 1, "d W'"),
    (2, 784, 500, 0, 0, "x W"),
    (4, 784, 500, 0, 0, "x W"),
    (8, 784, 500, 0, 0, "x W"),
    (2, 784, 10, 0, 0, "x W"),
    (4, 784, 10, 0, 0, "x W"),
    (784, 2, 500, 1, 0, "x' d"),
    (784, 4, 500, 1, 0, "x' d"),
    (784, 2, 10, 1, 0, "x' d"),
    (4, 4, 4, 0, 0, ""),
    (8, 8, 8, 0, 0, ""),
    (20, 20, 20, 0, 0, ""),
    (64, 64, 64, 0, 0, ""),
    (64, 64, 64, 1, 0, ""),
    (100, 100, 100, 0, 0, ""),
    (100, 100, 100, 1, 0, ""),
    (784, 1, 500, 0, 0, "W += x d"),
    (784, 200, 10, 1, 0, "x' d"),
    (784, 300, 10, 1, 0, "x' d"),
    (784, 50, 500, 1, 0, "x' d"),
    (600, 784, 20, 0, 0, "x W"),
    (784, 600, 20, 1, 0, "x' d"),
    (600, 784, 32, 0, 0, "x W"),
    (784, 600, 32, 1, 0, "x' d"),
    (256, 256, 256, 0, 0, ""),
    (256, 256, 256, 0, 1, ""),
    (512, 512, 512, 0, 0, ""),
    (1024, 1024, 1024, 0, 0, ""),
]


def compiled(dtype):
    """The ways as functions of `products.signature`, and the milliseconds they take LLVM."""
    module = Module()
    name = products.gemm(module, dtype)
    engine.assemble("")  # LLVM itself starts
    start = time.process_time()
    for part in module.parts.values():
        engine.assemble(part.text, part.effort)
    cost = time.process_time() - start
    signature, t = products.signature(dtype), MEMORY[dtype]
    suffix = products.suffix(dtype)
    part = module.part(name[1:])
    plain = signature.removeprefix("ptr %blas, ")
    calls = {"own": f"call void {name}({signature})", "empty": "",
             "blas": f"call i1 @gemm_blas_{suffix}({signature})",
             "tiles": f"call void @gemm_blocked_{suffix}({plain})"}
    for word, call in calls.items():
        w = part.function(f"define void @{word}({signature})")
        if call:
            w.do(call)
        w.do("ret void")
        part.add(f"@{word}", w)
    images = [engine.assemble(part.text, part.effort) for part in module.parts.values()]
    code = engine.Code(images, list(calls))
    number = ctypes.c_float if t == "float" else ctypes.c_double
    kinds = [ctypes.c_void_p if word.startswith("ptr") else
             ctypes.c_int64 if word.startswith("i64") else number
             for word in signature.split(", ")]
    functions = {word: ctypes.CFUNCTYPE(None, *kinds)(code[word]) for word in calls}
    functions["own"].code = code
    return functions, cost * 1e3


def main(dtype="float32", seconds="0.3"):
    functions, cost = compiled(dtype)
    print(f"{dtype}: compiled in {cost:.1f} ms (tiles of {tiles.Shape.of(dtype)})")
    print(f"{'m':>5}{'k':>5}{'n':>5} {'':9}{'own':>8}{'tiles':>8}{'blas':>8}{'numpy':>8}"
          f"{'blas/own':>10}{'numpy/own':>10}{'GF/s':>7}")
    rng = np.random.default_rng(0)
    table = blas.addresses()
    for m, k, n, turned_a, turned_b, word in SHAPES:
        a = rng.random((k, m) if turned_a else (m, k)).astype(dtype)
        b = rng.random((n, k) if turned_b else (k, n)).astype(dtype)
        a, b = a.T if turned_a else a, b.T if turned_b else b
        c = np.zeros((m, n), dtype)
        words = [table.ctypes.data]
        for x in (c, a, b):
            words += [x.ctypes.data, *[step // x.itemsize for step in x.strides]]
        words += [m, n, k, 1.0, 0.0]
        sides = {name: partial(f, *words) for name, f in functions.items()}
        sides["numpy"] = partial(np.matmul, a, b, out=c)
        functions["own"](*words)
        assert np.allclose(c, a @ b, rtol=1e-3)
        times = interleave(sides, calls=1, seconds=float(seconds), least_ms=2.0)
        best = {name: min(t) * 1e6 for name, t in times.items()}
        empty = best.pop("empty")
        best = {name: t - empty * (name != "numpy") for name, t in best.items()}
        own = best["own"]
        print(f"{m:5}{k:5}{n:5} {word:9}" + "".join([f"{best[name]:8.2f}" for name in
              ("own", "tiles", "blas", "numpy")]) + f"{best['blas'] / own:10.2f}"
              f"{best['numpy'] / own:10.2f}{2e-3 * m * n * k / own:7.0f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
