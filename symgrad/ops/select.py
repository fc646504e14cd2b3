"""Functions made of indexing: `take`, `compress`, `choose`, diagonals, what is not zero."""

from __future__ import annotations

from symgrad.errors import ArgumentError, ShapeError
from symgrad.node import TABLE, as_node, constant
from symgrad.op import cast_node
from symgrad.ops.index import FULL, gather, nonzero, vectors
from symgrad.ops.keys import getitem
from symgrad.ops.lengths import length
from symgrad.ops.logic import clip, maximum, minimum
from symgrad.ops.math import mod
from symgrad.ops.reduce import sum_
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import reshape, transpose, unsqueeze
from symgrad.ops.source import arange
from symgrad.types import plain_axis, plain_int


def nonzero_values(a):
    """The elements of `a` that are not zero, as a vector: ``a[np.nonzero(a)]``.

    >>> nonzero_values([[0, 3], [5, 0]]).eval()
    array([3, 5])
    """
    a = as_node(a)
    return getitem(a, nonzero(a))


def flatnonzero(a):
    """Where the flattened `a` is not zero (``np.flatnonzero``): an int64 vector.

    >>> flatnonzero([[0, 3], [5, 0]]).eval()
    array([1, 2])
    """
    return vectors(nonzero.of(_flat(as_node(a))))[0]


def _flat(x):
    return x if x.type.ndim == 1 else reshape(x, (-1,))


def in_range(op, indices, n, mode):
    """Indices treated as NumPy's `mode` says, for an axis of length n."""
    if mode == "raise":
        return indices
    if mode == "wrap":
        return mod(cast_node(indices, "int64"), n)
    if mode == "clip":
        return clip.of(cast_node(indices, "int64"), constant(0, dtype="int64"), n - 1)
    raise ArgumentError(f"{op}: mode must be 'raise', 'wrap' or 'clip', not {mode!r}")


def take(a, indices, axis=None, mode="raise"):
    """The elements of `a` at `indices` along an axis, or of the flattened `a` (``np.take``).

    The axes of `indices` stand in the result where `axis` stood.  `mode` says what happens to an
    index out of range: 'raise' (IndexingError), 'wrap', or 'clip' (then negative ones count as 0).

    >>> take([[1, 2], [3, 4], [5, 6]], [2, 0], axis=0).eval()
    array([[5, 6],
           [1, 2]])
    """
    a, indices = as_node(a), as_node(indices)
    if axis is None:
        a, axis = _flat(a), 0
    axis = plain_axis(axis, a.type.ndim)
    indices = in_range("take", indices, length.of(a, axis=axis), mode)
    return getitem(a, (slice(None),) * axis + (indices,))


def compress(condition, x, axis=None):
    """The parts of x along an axis (or elements of the flattened x) where `condition` is not zero.

    `condition` is a vector, perhaps shorter than the axis (``np.compress``).

    >>> compress([0, 1, 1], [5, 6, 7, 8]).eval()
    array([6, 7])
    """
    condition = as_node(condition)
    if condition.type.ndim != 1:
        raise ShapeError(f"compress: the condition must be a vector, not {condition.type!r}")
    return take(x, vectors(nonzero.of(condition))[0], axis=axis)


def choose(a, choices, out=None, mode="raise"):
    """At each place, the element of ``choices[a]`` there, for integers `a` (``np.choose``).

    `choices` is a list of tensors, or a tensor that has them along its first axis; they broadcast
    with `a` and with each other.  `mode` is as in `take`.

    >>> choose([0, 1, 0], [[1, 2, 3], [10, 20, 30]]).eval()
    array([ 1, 20,  3])
    """
    if out is not None:
        raise ArgumentError("choose: out= has no meaning for a symbolic expression")
    a = as_node(a)
    if isinstance(choices, list | tuple):
        nodes = [as_node(c) for c in choices]
        if any(c.type.shape != nodes[0].type.shape for c in nodes):
            nodes = TABLE["broadcast_arrays"](*nodes)
        choices = TABLE["stack"](list(nodes))
    choices = as_node(choices)
    if not choices.type.ndim:
        raise ShapeError("choose: the choices need an axis to choose along")
    key, ndim = [in_range("choose", a, length.of(choices, axis=0), mode)], choices.type.ndim
    for axis in range(1, ndim):
        if choices.type.shape[axis] == 1:
            key.append(constant(0, dtype="int64"))
            continue
        i = arange(length.of(choices, axis=axis))
        after = tuple(range(1, ndim - axis))
        key.append(unsqueeze.of(i, axes=after) if after else i)
    y = gather.of(choices, *key, idx=("#",) * ndim)
    missing = max(ndim - 1, a.type.ndim) - y.type.ndim  # axes of length 1 that no index had
    return unsqueeze.of(y, axes=tuple(range(missing))) if missing else y


# -- diagonals


def diagonal(a, offset=0, axis1=0, axis2=1):
    """The diagonal of `a` along two axes, as a new last axis (``np.diagonal``).

    It lies above the main diagonal for positive `offset`.  ShapeError for fewer than two axes.

    >>> diagonal([[1, 2], [3, 4], [5, 6]], offset=-1).eval()
    array([3, 6])
    """
    a, offset = as_node(a), plain_int(offset, "offset")
    ndim = a.type.ndim
    if ndim < 2:
        raise ShapeError(f"diagonal: takes two dimensions or more, not {a.type!r}")
    axis1, axis2 = plain_axis(axis1, ndim, "axis1"), plain_axis(axis2, ndim, "axis2")
    if axis1 == axis2:
        raise ShapeError(f"diagonal: axis1 and axis2 are both {axis1}")
    order = (*[k for k in range(ndim) if k not in (axis1, axis2)], axis1, axis2)
    if order != tuple(range(ndim)):
        a = transpose.of(a, axes=order)
    i, j = _diagonal_cells(_diagonal_length(a, offset), offset)
    return gather.of(a, i, j, idx=(*[FULL] * (ndim - 2), "#", "#"))


def _diagonal_length(a, offset):
    """How many cells a diagonal through the last two axes has."""
    n, k = a.type.shape[-2:]
    down, right = max(0, -offset), max(0, offset)
    if isinstance(n, int) and isinstance(k, int):
        return constant(max(0, min(n - down, k - right)), dtype="int64")
    rows, columns = length.of(a, axis=a.type.ndim - 2), length.of(a, axis=a.type.ndim - 1)
    if not offset:
        return rows if n is k and n is not None else minimum(rows, columns)
    return maximum(minimum(rows - down, columns - right), constant(0, dtype="int64"))


def _diagonal_cells(count, offset):
    i = arange(count)
    return (i - offset, i) if offset < 0 else (i, i + offset) if offset else (i, i)


def diag(v, k=0):
    """The k-th diagonal of a matrix, or the matrix that has the vector v there (``np.diag``).

    >>> diag([1, 2], k=1).eval()
    array([[0, 1, 0],
           [0, 0, 2],
           [0, 0, 0]])
    """
    v, k = as_node(v), plain_int(k, "k")
    if v.type.ndim == 2:
        return diagonal(v, k)
    if v.type.ndim != 1:
        raise ShapeError(f"diag: takes a vector or a matrix, not {v.type!r}")
    count = length.of(v, axis=0)
    side = count + abs(k) if k else count
    i, j = _diagonal_cells(count, k)
    empty = TABLE["zeros"]((side, side), dtype=v.type.dtype)
    return inc_subtensor.of(empty, v, i, j, idx=("#", "#"), set=True)


def trace(a, offset=0, axis1=0, axis2=1):
    """The sum along a diagonal (``np.trace``).

    >>> trace([[1, 2], [3, 4]]).eval()
    array(5)
    """
    d = diagonal(a, offset, axis1, axis2)
    return sum_(d, axis=d.type.ndim - 1)


FUNCTIONS = (nonzero_values, flatnonzero, take, compress, choose, diagonal, diag, trace)
