"""Rules read off the op table: constant folding, and what the facts of a record say.

Nothing is listed twice: how an op and its inverse behave is found out by trying them on numbers.
"""

from __future__ import annotations

import numpy as np

from symgrad.compile.pattern import assumes, exact, holes, rounding, rule, rule_on, stable
from symgrad.compile.rules.common import (
    discrete,
    full,
    inexact,
    known,
    mat,
    on,
    real,
    signed,
    uniform,
)
from symgrad.node import CONST
from symgrad.ops import OPS
from symgrad.ops.math import add, mul, neg, sub
from symgrad.ops.shape import broadcast_to

x, y = holes("x y")

# -- constants

LARGEST = 4096  # elements of a folded constant, unless its inputs were larger
FOLDABLE = [op for op in OPS.values() if op is not broadcast_to
            and (op.kind in ("elementwise", "reduction", "view", "gather", "scatter",
                             "contract") or op.name == "make_vector")]


@rule_on("fold", *FOLDABLE, kind=exact, samples=lambda: [
    OPS["exp"].of(0.5), OPS["sum"].of(np.ones((3, 4)), axis=(0,)),
    OPS["transpose"].of(np.ones((2, 3))), add.of(2, 3)])
def FOLD(node, pool):
    """An op on constants is a constant, unless that would be large."""
    for i in node.inputs:
        if i.op is not CONST:
            return None
    if not node.inputs or not all(isinstance(d, int) for d in node.type.shape):
        return None
    size = int(np.prod(node.type.shape))
    if size > LARGEST and size > sum(i.data.size for i in node.inputs):
        return None
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(node.op.numpy(*[i.data for i in node.inputs],
                                             **dict(zip(node.op.params, node.attrs, strict=True))))
    except Exception:  # noqa: BLE001  (whatever it is, it is reported when the function runs)
        return None
    return pool.constant(np.ascontiguousarray(value).reshape(value.shape))


ELEMENTWISE = [op for op in OPS.values() if op.kind == "elementwise" and op.arity != 1]


@rule_on("scalar_constant", *ELEMENTWISE, kind=exact, samples=lambda: [mat() * np.full((1, 1),
                                                                                       2.0)])
def SCALAR(node, pool):
    """A constant with the same bits everywhere is a single number, where the other operands give
    the shape."""
    inputs = list(node.inputs)
    for k, i in enumerate(inputs):
        if i.type.ndim and (value := uniform(i)) is not None:
            trial = (*inputs[:k], pool.constant(value), *inputs[k + 1:])
            if pool.infer(node.op, trial, node.attrs).shape == node.type.shape:
                inputs[k] = trial[k]
    if tuple(inputs) == node.inputs:
        return None
    return pool.make(node.op, tuple(inputs), node.attrs, node.origin, node.type)


# -- identity and zero


def positive_zero(c):
    """Whether a constant is zero everywhere, and nowhere -0.0."""
    return known(c) == 0 and not np.signbit(c.data.real).any()


def neutral(op, value):
    """Rules that drop an operand which changes nothing."""
    name, left = f"{op.name}_{int(value)}", op.of(x, value)
    if op is sub:  # x - 0.0 keeps the sign of zero, x - (-0.0) and x + 0.0 do not
        where = on(positive_zero, "y")
        yield rule(name, sub.of(x, y), x, where, exact, lambda: [mat() - 0.0, mat("int64") - 0])
    elif op is add:
        yield rule(name, left, x, on(discrete, "x"), exact)
        yield rule(f"{name}_float", left, x, on(inexact, "x"), rounding)
    else:
        yield rule(name, left, x, on(real, "x"), exact)


def absorbing(op, value):
    """A rule for an operand that decides alone; not for floats, where it may meet NaN."""
    dtype = "int64" if op is mul else "bool"
    return rule(f"{op.name}_by_{int(value)}", op.of(x, y), lambda x, y, node: full(value, node),
                lambda m: discrete(m.x) and known(m.y) == value, exact,
                lambda: [op.of(mat(dtype), value)])


def _identities():
    for op in OPS.values():
        if op.kind == "elementwise":
            for fact in ("identity", "right_identity"):
                if fact in op.facts:
                    yield from neutral(op, op.facts[fact])
            if "zero" in op.facts:
                yield absorbing(op, op.facts["zero"])


# -- an op and its inverse

PROBES = np.array([-20.0, -2.5, -0.75, -0.25, 0.25, 0.75, 2.5, 20.0])
EXTREMES = np.array([-1e30, 1e30])


def undoing(outer, inner):
    """The rule outer(inner(x)) -> x, of the kind that trying it suggests; None if it does not
    hold."""
    with np.errstate(all="ignore"):
        try:
            once, far = outer.numpy(inner.numpy(PROBES)), outer.numpy(inner.numpy(EXTREMES))
        except TypeError:  # bits and truths
            return rule(f"{outer.name}_{inner.name}", outer.of(inner.of(x)), x, None, exact)
    if once.dtype == bool:
        return rule(f"{outer.name}_{inner.name}", outer.of(inner.of(x)), x, None, exact)
    held = ~np.isnan(once)
    if not held.any() or not np.allclose(once[held], PROBES[held]):
        return None
    if _exactly(outer):  # what it undoes can be nothing but itself
        return rule(f"{outer.name}_{inner.name}", outer.of(inner.of(x)), x, None, exact)
    kind = assumes if not held.all() else rounding if np.allclose(far, EXTREMES) else stable
    return rule(f"{outer.name}_{inner.name}", outer.of(inner.of(x)), x, on(real, "x"), kind)


def _exactly(op):
    """Whether doing an op twice gives back the very bits."""
    values = np.array([*np.sqrt(np.arange(400.0)), *EXTREMES, -0.0, np.inf])
    with np.errstate(all="ignore"):
        twice = op.numpy(op.numpy(values))
    return twice.tobytes() == values.tobytes()


def _inverses():
    for inner in OPS.values():
        for fact in ("inverse", "undone_by"):
            outer = OPS.get(inner.facts.get(fact))
            if outer is not None:
                found = undoing(outer, inner)
                if found is not None:
                    yield found


# -- parity and idempotence


def _takes_floats(op):
    """Whether floats give a float."""
    try:
        return op.numpy(PROBES, PROBES).dtype == PROBES.dtype
    except TypeError:
        return False


def _others():
    for op in OPS.values():
        if op.kind != "elementwise":
            continue
        if "even" in op.facts:
            yield rule(f"{op.name}_neg", op.of(neg(x)), op.of(x), on(signed, "x"), rounding)
        if "odd" in op.facts and op is not neg:
            # not of integers, the least of which is its own negative
            yield rule(f"{op.name}_neg", op.of(neg(x)), neg(op.of(x)), on(inexact, "x"), rounding)
        if "idempotent" in op.facts:
            twice = op.of(op.of(x)) if op.arity == 1 else op.of(x, x)
            yield rule(f"{op.name}_twice", twice, op.of(x) if op.arity == 1 else x, None, exact)
        if "idempotent" in op.facts and "associative" in op.facts:
            yield rule(f"{op.name}_again", op.of(op.of(x, y), y), op.of(x, y), None,
                       rounding if _takes_floats(op) else exact)  # either zero may be the larger


RULES = (SCALAR, *_identities(), *_inverses(), *_others())
