"""What numpy programs call where the quicker of two ways depends on the lengths, which only a run
can tell."""

from __future__ import annotations

import importlib.util
from functools import cache, partial
from pathlib import Path

import numpy as np

from symgrad.types import BYTES

BLAS_DTYPES = ("float32", "float64")


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


def routine(env, name, dtype):
    """Bind a BLAS routine in a program's namespace; the name it has there: ``dgemm``."""
    short = {"float32": "s", "float64": "d"}[dtype] + name
    env[short] = blas(name, dtype)
    return short


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


def supremum_along(x, axis, out):
    """``max_along``, or -inf where there is nothing."""
    if x.shape[axis]:
        max_along(x, axis, out)
    else:
        out.fill(-np.inf)


def summing(x, axis=0, out=None):
    """A function without arguments that does ``sum_along(x, axis, out)``, of a vector
    ``sum_of(x)``: for arrays that stay, the way is chosen once."""
    n = x.shape[axis]
    if 0 < n <= 1024 and x.flags.c_contiguous:
        ones = _ones_like(n, x.dtype)
        if x.ndim == 1:
            return partial(x.dot, ones)
        return partial(x.dot, ones, out) if axis else partial(ones.dot, x, out)
    return partial(np.add.reduce, x, axis, None, out)


def maximising(x, axis, out):
    """A function without arguments that does ``max_along(x, axis, out)``."""
    if len(x) == 1:
        row = x[0]

        def maximum():
            out[0] = row[row.argmax()]

    elif len(x) >= 16 and x.shape[1] <= 64:
        turned, columns, reduce = x.T, np.empty(x.shape[::-1], x.dtype), np.maximum.reduce

        def maximum():
            columns[...] = turned
            reduce(columns, 0, None, out)

    else:
        return partial(np.maximum.reduce, x, axis, None, out)
    return maximum


def suprema(x, axis, out):
    """A function without arguments that does ``supremum_along(x, axis, out)``."""
    return maximising(x, axis, out) if x.shape[axis] else partial(out.fill, -np.inf)


def adding_rows(x, gemv):
    """A function ``add(out, alpha)`` that adds alpha times the sum of the rows of x."""
    turned, ones = x.T, _ones_like(len(x), x.dtype) if x.size and len(x) <= 1024 else None

    def add(out, alpha):
        if ones is None:
            out += alpha * np.add.reduce(x, axis=0)
        else:
            gemv(alpha, turned, ones, 1.0, out, 0, 1, 0, 1, 0, 1)

    return add


LONG, SMALL = 96, 65536  # `add_product`: inner lengths above the one, results up to the other


def _long_and_thin(inner, size):
    return inner > LONG and size <= SMALL


def apart(node, lengths):
    """Bytes of the product that `add_product` makes apart from its result, given `Lengths`."""
    if node.op.name != "gemm":
        return 0
    inner, size = lengths.of(node.inputs[1].type.shape[1]), lengths.bytes(node.type)
    return size * _long_and_thin(inner, size // BYTES[node.type.dtype])


def add_product(out, a, b, alpha, beta, flip_a, flip_b, gemm):
    """out = beta * out + alpha * A @ B, where `a` and `b` are A and B transposed (or, flipped, as
    they are).

    BLAS does it in one pass over `out`, which wins but for long thin products into something small.
    """
    inner = a.shape[1] if flip_a else a.shape[0]
    if _long_and_thin(inner, out.size) or not inner or not out.size:
        t = np.dot(a if flip_a else a.T, b if flip_b else b.T)
        t *= alpha
        if beta != 1:
            out *= beta
        out += t
    else:
        gemm(alpha, b, a, beta, out.T, flip_b, flip_a, 1)
