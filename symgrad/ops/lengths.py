"""Lengths as symbolic integers: `length`, `shape`, `size`, and what is known of them.

Lengths never stand in attributes.  Ops that need them take int64 scalars as inputs, and `known`
says what is known of such a scalar when the graph is built.
"""

from __future__ import annotations

import operator
from functools import reduce

import numpy as np

from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.families import define
from symgrad.node import CONST, TABLE, as_node, constant
from symgrad.op import as_nodes, cast_node
from symgrad.types import Type, kind_of, plain_axis, promote


@define("source", infer=lambda types, axis: Type("int64"),
        tidy=lambda types, axis: (plain_axis(axis, types[0].ndim),),
        samples=lambda rng: [((rng.normal(size=(3, 4)),), {"axis": 1})])
def length(x, *, axis=0):
    """How long x is along an axis, an int64 scalar: what ``x.shape[axis]`` gives.

    It reads only the shape of x, so nothing flows back to x through it.
    """
    return np.int64(np.shape(x)[axis])


@length.vjp
def _(g, out, x, axis):
    return [None]


def one_dtype(inputs):
    """A `prepare`: all inputs in their common dtype."""
    if not inputs:
        return inputs
    dtype = promote(*[i.type.dtype for i in inputs])
    return [cast_node(i, dtype) for i in inputs]


def _vector_type(types):
    for t in types:
        if t.ndim:
            raise ShapeError(f"takes scalars, not {t!r}")
    return Type(types[0].dtype if types else "int64", (len(types),))


@define("opaque", infer=_vector_type, prepare=one_dtype, linear="jointly",
        samples=lambda rng: [(tuple(rng.normal(size=3)), {}), ((np.int64(2), 0.5), {}), ((), {})])
def make_vector(*scalars):
    """The vector of these scalars, in their common dtype; an empty one is int64.

    >>> make_vector(1, 2.5).eval()
    array([1. , 2.5], dtype=float32)
    """
    return np.array(scalars) if scalars else np.zeros(0, "int64")


@make_vector.vjp
def _(g, out, *scalars):
    return [TABLE["getitem"](g, k) for k in range(len(scalars))]


# -- what is known of integer scalars

_FOLDED = {"add": operator.add, "sub": operator.sub, "mul": operator.mul,
           "int_div": operator.floordiv, "mod": operator.mod, "maximum": max, "minimum": min}


def known(node, depth=6):
    """What is known of an integer scalar: an int, a Dim (it is that length) or None."""
    if not depth or kind_of(node.type.dtype) not in "iu":
        return None
    if node.op is CONST:
        return int(node.data)
    if node.op is length:
        return node.inputs[0].type.shape[node.attrs[0]]
    if node.op.name == "cast":
        return known(node.inputs[0], depth - 1)
    if node.op.name in _FOLDED:
        values = [known(i, depth - 1) for i in node.inputs]
        dividing = node.op.name in ("int_div", "mod")
        if all(isinstance(v, int) for v in values) and not (dividing and values[1] == 0):
            return _FOLDED[node.op.name](*values)
    return None


def static_length(node, what="a length"):
    """`known`, of something that must not be negative."""
    n = known(node)
    if isinstance(n, int) and n < 0:
        raise ShapeError(f"{what} cannot be negative: {n}")
    return n


def lengths(x):
    """The lengths of x as int64 scalars: constants where known."""
    return [constant(d, dtype="int64") if isinstance(d, int) else length.of(x, axis=k)
            for k, d in enumerate(x.type.shape)]


def read_lengths(x):
    """The lengths of x as they are read from it, known or not: what is made of them depends on x,
    so that x still counts as used."""
    return [length.of(x, axis=k) for k in range(x.type.ndim)]


def product(nodes):
    """The product of int64 scalars, as one; known factors are multiplied at once."""
    values = [known(n) for n in nodes]
    number = reduce(operator.mul, [v for v in values if isinstance(v, int)], 1)
    rest = [n for n, v in zip(nodes, values, strict=True) if not isinstance(v, int)]
    if not rest or number == 0:
        return constant(number, dtype="int64")
    total = reduce(operator.mul, rest)
    return total if number == 1 else total * constant(number, dtype="int64")


# -- shape arguments


def integers(first=0, what="a length"):
    """A `prepare`: inputs from `first` on as int64 scalars."""

    def prepare(inputs):
        out = list(inputs[:first])
        for i in inputs[first:]:
            if kind_of(i.type.dtype) not in "iu":
                raise DtypeError(f"{what} must be an integer, not {i.type!r}")
            if i.type.ndim:
                raise ShapeError(f"{what} must be a scalar, not {i.type!r}")
            out.append(cast_node(i, "int64"))
        return out

    return prepare


def scalars(shape, ndim=None, what="a length"):
    """The lengths that a shape argument holds, as int64 scalars.

    `shape` is an integer or a scalar, a list of those, or an integer vector, whose number of
    elements must be known (as that of ``x.shape`` is) or given as `ndim`.  `what` they are is said
    in messages.
    """
    if isinstance(shape, list | tuple):
        out = as_nodes(shape)
    else:
        shape = as_node(shape)
        if shape.type.ndim == 0:
            out = [shape]
        elif shape.type.ndim > 1:
            raise ShapeError(f"a shape is a list of integers or an integer vector, "
                             f"not {shape.type!r}")
        elif shape.op is make_vector:
            out = list(shape.inputs)
        elif shape.op is CONST:
            out = [constant(n) for n in shape.data]
        else:
            n = shape.type.shape[0] if isinstance(shape.type.shape[0], int) else ndim
            if n is None:
                raise ArgumentError(f"the number of elements of the shape {shape!r} is not known; "
                                    "pass ndim=, or a list of scalars")
            out = [TABLE["getitem"](shape, k) for k in range(n)]
    if ndim is not None and ndim != len(out):
        raise ShapeError(f"the shape has {len(out)} lengths, but ndim is {ndim}")
    return integers(what=what)(out)


def arguments(args):
    """``(2, 3)`` of either ``f((2, 3))`` or ``f(2, 3)``."""
    return args[0] if len(args) == 1 else args


# -- functions


def shape(x):
    """The lengths of x as an int64 vector (``np.shape``); also ``x.shape``.

    Its own length is known, so that it can be unpacked, sliced and iterated; ``x.shape[0]`` is a
    scalar that does not depend on the values of x.

    >>> x = T.matrix("x"); rows, columns = x.shape; rows, T.zeros(x.shape)
    (length:i64[], alloc:f64[?,?])
    """
    x = as_node(x)
    return make_vector.of(*read_lengths(x))


def size(x):
    """The number of elements of x, an int64 scalar (``np.size``); also ``x.size``."""
    x = as_node(x)
    return reduce(operator.mul, read_lengths(x)) if x.type.ndim else constant(1, dtype="int64")


def get_vector_length(v):
    """The length of a vector as a Python int, where the graph tells it; else ShapeError."""
    v = as_node(v)
    if v.type.ndim != 1 or not isinstance(v.type.shape[0], int):
        raise ShapeError(f"the length of {v!r} is not known when the graph is built")
    return v.type.shape[0]


FUNCTIONS = (shape, size, get_vector_length)
