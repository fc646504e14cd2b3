"""Tensors made from lengths and scalars: filled ones, ranges, and the masks made of ranges."""

from __future__ import annotations

import math

import numpy as np

from symgrad.config import config
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.families import composite, define
from symgrad.node import CONST, TABLE, as_node, constant
from symgrad.op import as_nodes, cast_node
from symgrad.ops.lengths import (
    arguments,
    integers,
    known,
    length,
    lengths,
    read_lengths,
    scalars,
    static_length,
)
from symgrad.ops.logic import eq, ge, gt, lt, where
from symgrad.ops.shape import stretched, unsqueeze
from symgrad.types import Type, is_complex, is_float, kind_of, named_dtype, promote

# -- one value everywhere


@define("source", infer_from=stretched, prepare=integers(1), linear="jointly",
        samples=lambda rng: [((rng.normal(size=(3, 1)), 2, 3, 4), {}), ((rng.normal(), 0, 3), {}),
                             ((rng.normal(),), {})])
def alloc(value, *lengths):
    """A new tensor of a shape, filled with `value`, which may be any tensor that stretches to it.

    The shape is a list, a vector or several arguments, of integers and symbolic ones.  The dtype
    is the value's.  ShapeError if the value does not fit.

    >>> n = T.lscalar("n"); T.alloc(0.5, n, 3).eval({n: 2})
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]], dtype=float32)
    """
    new = tuple([int(n) for n in lengths])
    try:
        return np.array(np.broadcast_to(value, new))
    except ValueError:
        raise ShapeError(f"alloc: cannot fill shape {new} with a value of shape "
                         f"{np.shape(value)}") from None


@alloc.vjp
def _(g, out, value, *new):
    return [g, *[None] * len(new)]  # the sum over the stretched axes is taken in derive.fit


@alloc.public
def _(value, *shape):
    return alloc.of(value, *scalars(arguments(shape)))


def full(shape, fill_value, dtype=None):
    """A tensor of a shape, filled with a value (``np.full``); its dtype is the value's by default.

    >>> T.full((2, 3), 7)
    alloc:i8[2,3]
    """
    value = as_node(fill_value)
    if dtype is not None:
        value = cast_node(value, named_dtype(dtype))
    return alloc.of(value, *scalars(shape))


def zeros(shape, dtype=None):
    """Zeros of a shape (``np.zeros``), in ``config.floatX`` by default.

    >>> x = T.matrix("x"); T.zeros((x.shape[0], 5), "int32")
    alloc:i32[?,5]
    """
    return full(shape, 0, named_dtype(dtype, "floatX"))


def ones(shape, dtype=None):
    """Ones of a shape (``np.ones``), in ``config.floatX`` by default."""
    return full(shape, 1, named_dtype(dtype, "floatX"))


def empty(shape, dtype=None):
    """A tensor of a shape whose values do not matter (``np.empty``); here they are zeros."""
    return zeros(shape, dtype)


def full_like(a, fill_value, dtype=None):
    """A tensor of the shape of `a`, filled with a value (``np.full_like``).

    It has the dtype of `a` by default, and depends on the shape of `a` only.
    """
    a = as_node(a)
    value = cast_node(as_node(fill_value), named_dtype(dtype, a.type.dtype))
    return alloc.of(value, *read_lengths(a)) if a.type.ndim or value.type.ndim else value


def zeros_like(a, dtype=None, opt=False):
    """Zeros of the shape of `a`, and of its dtype by default (``np.zeros_like``).

    They depend on the shape of `a` only.  `opt` is there for old programs and has no effect.

    >>> T.zeros_like(T.matrix("x"))
    alloc:f64[?,?]
    """
    return full_like(a, 0, dtype)


def ones_like(a, dtype=None, opt=False):
    """Ones of the shape of `a`, of its dtype by default (``np.ones_like``); see `zeros_like`."""
    return full_like(a, 1, dtype)


def fill(a, b):
    """b, stretched to the shape of `a` (Theano); only the shape of `a` is used."""
    return alloc.of(b, *read_lengths(as_node(a)))


# -- ranges


def _range_inputs(inputs):
    for i in inputs:
        if i.type.ndim:
            raise ShapeError(f"takes scalars, not {i.type!r}")
        if is_complex(i.type.dtype):
            raise DtypeError("complex numbers have no order")
    return inputs


def range_dtype(*dtypes):
    """Theano's: 64-bit integers, or the common dtype of the floats."""
    d = promote(*dtypes)
    return d if is_float(d) else "uint64" if kind_of(d) == "u" else "int64"


def _range_type(inputs, dtype):
    parts = [float(i.data) if i.op is CONST and is_float(i.type.dtype) else known(i)
             for i in inputs]
    start, stop, step = parts
    if step == 0:
        raise ArgumentError("the step cannot be 0")
    n = None
    if all(isinstance(p, int) for p in parts):
        n = len(range(*parts))
    elif not all(math.isfinite(p) for p in parts if isinstance(p, float)):
        raise ArgumentError(f"its ends and its step must be finite, not {parts}")
    elif all(isinstance(p, int | float) for p in parts):
        n = max(0, math.ceil((stop - start) / step))
    elif start == 0 and step == 1:
        n = static_length(inputs[1])
    return Type(dtype, (n,))


def _range_attr(types, dtype):
    return (named_dtype(dtype, range_dtype(*[t.dtype for t in types])),)


def _range_samples(rng):
    return [((0, 5, 1), {}), ((7, -3, -2), {}), ((3, 3, 1), {}),
            ((0.5, 6.1, 1.5), {"dtype": "float64"}), ((0, 4, 1), {"dtype": "float32"})]


@define("source", infer_from=_range_type, prepare=_range_inputs, tidy=_range_attr,
        samples=_range_samples)
def arange(start, stop, step, *, dtype=None):
    """start, start + step, … up to but not including stop (``np.arange``).

    ``arange(n)`` starts at 0.  The arguments are numbers or symbolic scalars.  Integers give int64
    (uint64 if all are unsigned), floats their common dtype, unless `dtype` says otherwise.
    ArgumentError for a step of 0.

    >>> y = T.ivector("y"); T.arange(y.shape[0]), T.arange(1, 10, 2).eval()
    (arange:i64[?], array([1, 3, 5, 7, 9]))
    """
    start, stop, step = [np.asarray(v).item() for v in (start, stop, step)]
    if step == 0:
        raise ArgumentError("arange: the step cannot be 0")
    return np.arange(start, stop, step, dtype)


@arange.vjp
def _(g, out, start, stop, step, dtype):
    if not is_float(dtype):
        return [0, 0, 0]
    total = TABLE["sum"]
    return [total.of(g), 0, total.of(g * arange.of(0, length.of(out, axis=0), 1, dtype=dtype))]


@arange.public
def _(start, stop=None, step=1, dtype=None):
    if stop is None:
        start, stop = 0, start
    return arange.of(start, stop, step, dtype=dtype)


def linspace(start, stop, num=50, endpoint=True, dtype=None):
    """`num` evenly spaced scalars from start to stop, both included (``np.linspace``).

    With ``endpoint=False`` stop is left out.  Floats; ``config.floatX`` for integers.  ShapeError
    for ends that are no scalars, or a negative `num`.

    >>> T.linspace(0, 1, 5).eval()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    start, stop = as_nodes([start, stop])
    for end in (start, stop):
        if end.type.ndim:
            raise ShapeError(f"its ends are scalars, not {end.type!r}")
    given = promote(start.type.dtype, stop.type.dtype)
    inner = given if is_float(given) else config.floatX
    start, stop = cast_node(start, inner), cast_node(stop, inner)
    n, = scalars([num], what="num")
    static_length(n, "num")
    i = arange.of(0, n, 1)
    steps = cast_node(n - 1 if endpoint else n, inner)
    step = (stop - start) / where(eq(steps, 0), constant(1, dtype=inner), steps)
    out = start + cast_node(i, inner) * step
    if endpoint:
        out = where(eq(i, n - 1) & ge(n, 2), stop, out)
    return cast_node(out, named_dtype(dtype, out.type.dtype))


# -- masks: comparisons of ranges, so that they fuse with what they mask


def _indices(n, m, k):
    """Row numbers plus k as a column, and column numbers as a row."""
    static_length(n), static_length(m)
    row, column = arange.of(0, n, 1), arange.of(0, m, 1)
    k = as_node(k)
    if not (k.op is CONST and k.data == 0):
        row = row + k
    return unsqueeze.of(row, axes=(1,)), unsqueeze.of(column, axes=(0,))


def eye(n, m=None, k=0, dtype=None):
    """A matrix with ones on a diagonal, the k-th above the main one, and zeros elsewhere.

    n rows and m columns (n by default), in ``config.floatX`` by default; n, m and k may be
    symbolic.  See ``np.eye``.

    >>> T.eye(2, 3, k=1, dtype="int8").eval()
    array([[0, 1, 0],
           [0, 0, 1]], dtype=int8)
    """
    n, m = scalars([n, n if m is None else m])
    return cast_node(eq(*_indices(n, m, k)), named_dtype(dtype, "floatX"))


def identity_like(x, dtype=None):
    """The identity matrix of the shape and (by default) dtype of the matrix x (Theano)."""
    x = as_node(x)
    if x.type.ndim != 2:
        raise ShapeError(f"takes a matrix, not {x.type!r}")
    return eye(*read_lengths(x), dtype=named_dtype(dtype, x.type.dtype))


def tri(n, m=None, k=0, dtype=None):
    """A matrix with ones at and below a diagonal, zeros above (``np.tri``); arguments as `eye`."""
    n, m = scalars([n, n if m is None else m])
    return cast_node(ge(*_indices(n, m, k)), named_dtype(dtype, "floatX"))


def _triangle_type(types, *_):
    if types[0].ndim < 2:
        raise ShapeError(f"takes two dimensions or more, not {types[0]!r}")
    return types[0]


def _triangle_samples(rng):
    x = rng.normal(size=(2, 3, 4))
    return [((x, 0), {}), ((x[0], 1), {}), ((x[0], -1), {})]


def _triangle(x, k, beyond):
    zero = constant(0, dtype=x.type.dtype)
    return where(beyond(*_indices(*lengths(x)[-2:], k)), zero, x)


@composite(prepare=integers(1), infer=_triangle_type, linear="jointly", samples=_triangle_samples)
def tril(x, k):
    """x with zeros above a diagonal of its last two axes, k above the main one (``np.tril``).

    k is an integer, 0 by default, or symbolic.  ShapeError for less than two dimensions.

    >>> T.tril([[1, 2], [3, 4]]).eval()
    array([[1, 0],
           [3, 4]])
    """
    return _triangle(x, k, lt)


@tril.vjp
def _(g, out, x, k):
    return [tril.of(g, k), None]


@composite(prepare=integers(1), infer=_triangle_type, linear="jointly", samples=_triangle_samples)
def triu(x, k):
    """x with zeros below a diagonal of its last two axes, k above the main one (``np.triu``).

    k is an integer, 0 by default, or symbolic.  ShapeError for less than two dimensions.

    >>> T.triu([[1, 2], [3, 4]], k=1).eval()
    array([[0, 2],
           [0, 0]])
    """
    return _triangle(x, k, gt)


@triu.vjp
def _(g, out, x, k):
    return [triu.of(g, k), None]


@tril.public
def _(x, k=0):
    return tril.of(x, k)


@triu.public
def _(x, k=0):
    return triu.of(x, k)


FUNCTIONS = (full, zeros, ones, empty, full_like, zeros_like, ones_like, fill, linspace, eye,
             identity_like, tri)
