"""Words that several rule sets use: conditions on types and constants, fills, and samples for the
generated tests."""

from __future__ import annotations

import numpy as np

from symgrad.node import CONST, constant, variable
from symgrad.ops.lengths import length
from symgrad.ops.logic import cast
from symgrad.ops.math import neg
from symgrad.ops.shape import broadcast_to, transpose, unsqueeze
from symgrad.ops.source import alloc
from symgrad.types import Type, is_complex, is_discrete, is_float, kind_of

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


def signed(*nodes):
    """Whether all have negative numbers: floats, complex numbers and signed integers."""
    return all(kind_of(n.type.dtype) in "ifc" for n in nodes)


def on(condition, *names):
    """A rule's `where`: the condition holds for the nodes in these holes."""
    return said(f"{condition.__name__}({', '.join(names)})",
                lambda m: condition(*[getattr(m, n) for n in names]))


def said(text, condition):
    """A rule's `where` with words for it, where its own text would not tell much."""
    condition.says = text
    return condition


def same_shape(name):
    """A rule's `where`: the node in this hole has the shape of the whole, it is not stretched."""
    return said(f"{name} of the shape of the whole",
                lambda m: getattr(m, name).type.shape == m.node.type.shape)


def is_constant(n):
    return n.op is CONST


def uniform(n):
    """The one value of a constant that has the same bits everywhere, as a 0-d array; None for
    anything else."""
    if n.op is not CONST:
        return None
    array = n.attrs[0].array
    if not array.ndim:
        return array
    if not array.size:
        return None
    first = array.flat[0]
    if first != first or np.full_like(array, first).tobytes() != array.tobytes():  # a NaN, others
        return None
    return np.asarray(first)


def known(n):
    """The Python number of a constant that is the same everywhere; None for anything else."""
    value = uniform(n)
    return None if value is None else value.item()


def zeros(n):
    """Whether a node is evidently a tensor of positive zeros."""
    if n.op is not broadcast_to and n.op is not alloc or n.inputs[0].type.ndim:
        return False
    value = known(n.inputs[0])
    return value == 0 and not np.signbit(n.inputs[0].data.real)


def nonnegative(n, depth=6):
    """Whether it is evident that no element is below zero (NaN may be)."""
    if n.op is CONST:
        return real(n) and bool((n.attrs[0].array >= 0).all())
    if n.op.kind == "leaf":
        return False
    if "nonnegative" in n.op.facts:
        return real(n)
    if n.op.name in ("sqr", "sqrt"):
        return real(n, *n.inputs)
    if depth and n.op.name in ("add", "mul", "sum", "mean", "unsqueeze", "broadcast_to"):
        values = n.inputs[:1] if n.op is broadcast_to else n.inputs
        return is_float(n.type.dtype) and all([nonnegative(i, depth - 1) for i in values])
    return False


def finite(n, depth=6):
    """Whether it is evident that no element is NaN or infinite, whatever the inputs of the graph
    are."""
    while depth:
        if is_discrete(n.type.dtype):
            return True
        if n.op is CONST:
            return bool(np.isfinite(n.data).all())
        if n.op is cast and is_discrete(n.inputs[0].type.dtype):
            return n.type.dtype != "float16"
        if n.op not in (neg, broadcast_to, unsqueeze, transpose):
            return False
        n, depth = n.inputs[0], depth - 1
    return False


def rooted(n):
    """Whether square roots make the powers 1/2, 3/2, … of a node: not where it may be -inf, whose
    root is NaN and whose powers are those of inf."""
    return inexact(n) and (not real(n) or nonnegative(n))


# -- building


def orders(node):
    """The two operands of a node: in both orders, if its op is commutative."""
    return (node.inputs, node.inputs[::-1]) if "commutative" in node.op.facts else (node.inputs,)


def measure(shape, *sources):
    """The lengths of a shape as scalar nodes: constants, or read off a node that has the same one;
    None if none has.

    A rule must not measure the node that it replaces: that would be its own ancestor.
    """
    out = []
    for d in shape:
        if isinstance(d, int):
            out.append(constant(np.asarray(d, "int64")))
            continue
        found = next((length.of(s, axis=k) for s in sources for k,
                      own in enumerate(s.type.shape) if own is d), None)
        if found is None:
            return None
        out.append(found)
    return out


def full(value, like, *sources):
    """A number everywhere, in the type of `like`; its lengths are read off `sources` (default: its
    inputs)."""
    return spread(constant(np.asarray(value, like.type.dtype)), like, *sources)


def spread(x, like, *sources):
    """x stretched to the shape of `like`, if it has another one; lengths are read off `sources`
    (default: its inputs)."""
    if x.type.shape == like.type.shape:
        return x
    new = measure(like.type.shape, *(sources or like.inputs))
    return None if new is None else broadcast_to.of(x, *new)


def negated(x):
    """-x, without a double negation."""
    if x.op is CONST and x.type.dtype != "bool":
        return constant(np.asarray(np.negative(x.data)))
    return x.inputs[0] if x.op is neg else neg.of(x)


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


def sizes(m):
    """The lengths of a variable, for samples."""
    return [length.of(m, axis=k) for k in range(m.type.ndim)]


def given(value, make):
    """``make(value)``: a sample in which something occurs twice."""
    return make(value)
