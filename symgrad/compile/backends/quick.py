"""What numpy programs call where the quicker of two ways depends on the lengths, which only a run
can tell."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np


@cache
def _fblas():
    """SciPy's wrapper of BLAS.  Its file is loaded by itself where that works: 15 ms, against 150
    for all of ``scipy.linalg``, and the first function of a process waits for it."""
    found = importlib.util.find_spec("scipy")
    folder = Path(found.origin).parent / "linalg" if found and found.origin else Path()
    for file in sorted(folder.glob("_fblas*.so")) + sorted(folder.glob("_fblas*.pyd")):
        try:
            spec = importlib.util.spec_from_file_location("_fblas", file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        except ImportError:
            break
        return module
    from scipy.linalg import blas as routines

    return routines


def blas(name, dtype):
    """A BLAS routine by its name without the letter of the dtype: ``blas("gemm", "float32")``."""
    return getattr(_fblas(), {"float32": "s", "float64": "d"}[dtype] + name)

_ones = {}


def _ones_like(n, dtype):
    ones = _ones.get((n, dtype))
    if ones is None:
        ones = _ones[n, dtype] = np.ones(n, dtype)
    return ones


def sum_of(x):
    """The sum of a vector: of a short one by a product with ones, which starts sooner."""
    n = len(x)
    if 0 < n <= 1024:
        return np.dot(x, _ones_like(n, x.dtype))
    return np.add.reduce(x)


def sum_along(x, axis, out):
    """Sums of a matrix along an axis: a product with ones is up to six times as fast as reduce."""
    n = x.shape[axis]
    if 0 < n <= 1024 and x.flags.c_contiguous:
        ones = _ones_like(n, x.dtype)
        return np.dot(x, ones, out) if axis else np.dot(ones, x, out)
    return np.add.reduce(x, axis=axis, out=out)


def max_along(x, axis, out):
    """Greatest elements of short rows: NumPy is up to nine times as fast down the columns of a
    copy."""
    if x.shape[0] >= 16 and x.shape[1] <= 64:
        return np.maximum.reduce(x.T.copy(), axis=0, out=out)
    return np.maximum.reduce(x, axis=axis, out=out)


def add_product(out, a, b, alpha, beta, flip_a, flip_b, gemm):
    """out = beta * out + alpha * A @ B, where `a` and `b` are A and B transposed (or, flipped, as
    they are).

    BLAS does it in one pass over `out`, which wins but for long thin products into something small.
    """
    if (a.shape[1] if flip_a else a.shape[0]) > 96 and out.size <= 65536:
        t = np.dot(a if flip_a else a.T, b if flip_b else b.T)
        t *= alpha
        if beta != 1:
            out *= beta
        out += t
    else:
        gemm(alpha, b, a, beta, out.T, overwrite_c=1, trans_a=flip_b, trans_b=flip_a)
