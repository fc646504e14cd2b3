"""Rules that resolve conditionals."""

from __future__ import annotations

from symgrad.compile.pattern import exact, holes, rounding, rule
from symgrad.compile.rules.common import known, mat, num, sizes, zeros
from symgrad.node import constant
from symgrad.ops.ifelse import ifelse
from symgrad.ops.logic import logical_not
from symgrad.ops.math import add
from symgrad.ops.source import alloc

c, x, y, z, w = holes("c x y z w")


def _constant(value):
    return rule(f"ifelse_{str(value).lower()}", ifelse.of(c, x, y),
                lambda c, x, y: x if value else y, lambda m: known(m.c) is value, exact,
                lambda: [ifelse.of(value, mat(), mat()), ifelse.of(value, num(), num())])


def _with(make):
    """A sample with a condition, which may occur twice, and matrices."""
    return lambda: [make(num("bool"), mat(), mat(), mat())]


def _parts(condition, p, q, _):
    """What one side adds and what the other adds, as derivatives are put together."""
    nothing = alloc.of(constant(0, dtype="float64"), *sizes(p))
    return add.of(ifelse.of(condition, p, nothing), ifelse.of(condition, nothing, p * q))


RULES = (
    _constant(True),
    _constant(False),
    rule("ifelse_same", ifelse.of(c, x, x), x, None, exact,
         _with(lambda c, x, y, z: ifelse.of(c, x, x))),
    rule("ifelse_not", ifelse.of(logical_not.of(c), x, y), ifelse.of(c, y, x), None, exact,
         _with(lambda c, x, y, z: ifelse.of(logical_not.of(c), x, y))),
    rule("ifelse_again", ifelse.of(c, ifelse.of(c, x, y), z), ifelse.of(c, x, z), None, exact,
         _with(lambda c, x, y, z: ifelse.of(c, ifelse.of(c, x, y), z))),
    rule("ifelse_otherwise", ifelse.of(c, x, ifelse.of(c, y, z)), ifelse.of(c, x, z), None, exact,
         _with(lambda c, x, y, z: ifelse.of(c, x, ifelse.of(c, y, z)))),
    rule("ifelse_or_ifelse", add.of(ifelse.of(c, x, y), ifelse.of(c, z, w)),
         lambda c, x, y, z, w: ifelse.of(c, x, w), lambda m: zeros(m.y) and zeros(m.z), rounding,
         _with(_parts)),
)
