"""One element of each row of a matrix, what classifiers need: `pick` reads it, `place` writes it.

They need no index array for the rows, and kernels compute them inside their loops.
"""

from __future__ import annotations

import numpy as np

from symgrad.errors import IndexingError, ShapeError
from symgrad.families import define
from symgrad.node import TABLE, as_node
from symgrad.ops.index import integral
from symgrad.ops.lengths import length, static_length
from symgrad.types import Type, join_lengths, kind_of, named_dtype


def _pick_type(types):
    x, y = types
    if x.ndim != 2 or y.ndim != 1:
        raise ShapeError(f"takes a matrix and a vector of integers, not {x!r} and {y!r}")
    if isinstance(x.shape[0], int) and isinstance(y.shape[0], int) and y.shape[0] > x.shape[0]:
        raise ShapeError(f"{y.shape[0]} indices for {x.shape[0]} rows")
    return Type(x.dtype, y.shape)


def _one_per_row(op, y, n, k):
    """The row numbers for y; IndexingError where y asks for what a matrix [n, k] does not have."""
    if len(y) > n:
        raise IndexingError(f"{op}: {len(y)} indices for {n} rows")
    bad = y[(y >= k) | (y < -k)]
    if bad.size:
        raise IndexingError(f"{op}: index {bad[0]} is out of range for an axis of length {k}")
    return np.arange(len(y))


@define("gather", infer=_pick_type, prepare=integral, linear="jointly", samples=lambda rng: [
    ((rng.normal(size=(4, 3)), rng.integers(-3, 3, 4)), {}),
    ((rng.normal(size=(4, 3)), rng.integers(0, 3, 2).astype("int32")), {})])
def pick(x, y):
    """``x[arange(len(y)), y]``: one element of each row of a matrix, for as many rows as y is long.

    >>> pick([[1, 2], [3, 4]], [1, 0]).eval()
    array([2, 3])
    """
    return x[_one_per_row("pick", y, *x.shape), y]


@pick.vjp
def _(g, out, x, y):
    return [place.of(g, y, length.of(x, axis=0), length.of(x, axis=1)), None]


def _place_type(inputs):
    g, y, rows, width = inputs
    if g.type.ndim != 1 or y.type.ndim != 1 or rows.type.ndim or width.type.ndim:
        raise ShapeError(f"takes two vectors and two lengths, not "
                         f"{', '.join(repr(i.type) for i in inputs)}")
    join_lengths(g.type.shape[0], y.type.shape[0])
    return Type(g.type.dtype, (static_length(rows), static_length(width)))


@define("scatter", infer_from=_place_type, prepare=integral, linear="jointly",
        same=lambda types: [((0, 0), (1, 0))], samples=lambda rng: [
            ((rng.normal(size=4), rng.integers(-3, 3, 4), np.asarray(4), np.asarray(3)), {}),
            ((rng.normal(size=2), rng.integers(0, 3, 2), np.asarray(4), np.asarray(3)), {})])
def place(g, y, rows, width):
    """The transpose of `pick`: a matrix [rows, width] of zeros, but g[i] at (i, y[i]).

    >>> place([5, 6], [1, 0], 3, 2).eval()
    array([[0, 5],
           [6, 0],
           [0, 0]])
    """
    out = np.zeros((int(rows), int(width)), g.dtype)
    out[_one_per_row("place", y, *out.shape), y] = g
    return out


@place.vjp
def _(g, out, x, y, rows, width):
    return [pick.of(g, y), None, None, None]


def to_one_hot(y, nb_class, dtype=None):
    """A row for each label in the vector y of integers: zeros, but 1 in the column y[i].

    `nb_class` is the number of columns, an integer or a symbolic one; `dtype` is ``floatX`` if it
    is not given.  IndexingError for a label that has no column.

    >>> to_one_hot([2, 0], 3, dtype="int8").eval()
    array([[0, 0, 1],
           [1, 0, 0]], dtype=int8)
    """
    y = as_node(y)
    if y.type.ndim != 1 or kind_of(y.type.dtype) not in "iu":
        raise ShapeError(f"to_one_hot: takes a vector of integers, not {y.type!r}")
    ones = TABLE["ones_like"](y, named_dtype("floatX" if dtype is None else dtype))
    return place.of(ones, y, length.of(y, axis=0), nb_class)


FUNCTIONS = (to_one_hot,)
