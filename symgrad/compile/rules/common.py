"""Words that several rule sets use: conditions on types and constants, fills, and samples for the generated tests."""

from __future__ import annotations

import numpy as np

from symgrad.node import CONST, TABLE, variable
from symgrad.types import Type, is_complex, is_float

# -- conditions


def discrete(*nodes):
    """Whether all are integers or bools: arithmetic on them is exact."""
    return not any(is_float(n.type.dtype) for n in nodes)


def inexact(*nodes):
    """Whether all are real or complex floats."""
    return all(is_float(n.type.dtype) for n in nodes)


def real(*nodes):
    """Whether none is complex."""
    return not any(is_complex(n.type.dtype) for n in nodes)


def on(condition, *names):
    """A rule's `where`: the condition holds for the nodes in these holes."""
    return lambda m: condition(*[getattr(m, n) for n in names])


def is_constant(n):
    return n.op is CONST


def uniform(n):
    """The one value of a constant that has the same bits everywhere, as a 0-d array; None for anything else."""
    if n.op is not CONST:
        return None
    array = n.attrs[0].array
    if not array.ndim:
        return array
    if not array.size:
        return None
    first = array.flat[0]
    same = array == first
    if not same.all() or first == 0 and is_float(array.dtype.name) and (np.signbit(array.real) != np.signbit(first.real)).any():
        return None
    return np.asarray(first)


def known(n):
    """The Python number of a constant that is the same everywhere; None for anything else."""
    value = uniform(n)
    return None if value is None else value.item()


def nonnegative(n):
    """Whether it is evident that no element is below zero (NaN may be)."""
    name = n.op.name
    if name in ("exp", "exp2", "sigmoid", "softmax", "softplus", "abs", "cosh", "relu"):
        return real(n)
    if name in ("sqr", "sqrt"):
        return real(n, *n.inputs)
    if n.op is CONST:
        return real(n) and bool((n.attrs[0].array >= 0).all())
    return False


# -- building


def lengths(n):
    """The lengths of a node as scalar nodes, constants where they are known."""
    return [TABLE["length"].of(n, axis=axis) for axis in range(n.type.ndim)]


def full(value, like):
    """A number everywhere, in the type of a node."""
    fill = TABLE["constant_like"](value, like) if False else _number(value, like.type.dtype)
    return TABLE["broadcast_to"].of(fill, *lengths(like)) if like.type.ndim else fill


def _number(value, dtype):
    from symgrad.node import constant

    return constant(np.asarray(value, dtype))


def same_type(a, b):
    """Whether two types are the same, lengths by identity."""
    return a is b


# -- samples for the generated tests


def var(dtype="float64", *shape):
    """A variable for a sample; lengths are ints or None."""
    return variable(Type(dtype, shape))


def mat(dtype="float64"):
    return var(dtype, None, None)


def vec(dtype="float64"):
    return var(dtype, None)


def num(dtype="float64"):
    return var(dtype)
