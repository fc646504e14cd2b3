"""One spelling for one meaning: constants folded, signs and casts in one place, nothing idle.

The spellings: ``x - c`` is ``x + (-c)``; ``-x`` stands as far outside of products as it can;
``1 / x`` for the reciprocal, ``sqr`` and ``sqrt`` for the powers 2 and 1/2.
"""

from __future__ import annotations

import numpy as np

from symgrad.compile.pattern import assumes, exact, holes, rounding, rule, rule_on, ruleset
from symgrad.compile.rules import branches, facts, views
from symgrad.compile.rules.common import (
    full,
    inexact,
    is_constant,
    known,
    mat,
    num,
    on,
    real,
    rooted,
    said,
    same_shape,
    spread,
    vec,
)
from symgrad.node import CONST, constant
from symgrad.op import Pattern
from symgrad.ops.control import grad_clip, grad_scale, stop_gradient, undefined_grad, zero_grad
from symgrad.ops.logic import cast, copy, logical_not, where
from symgrad.ops.math import add, mul, neg, reciprocal, sqr, sqrt, true_div
from symgrad.ops.trig import conj, imag, real_
from symgrad.types import is_float

x, y, z, c = holes("x y z c")


REAL_CONSTANT = said("c constant, and real", lambda m: real(m.node) and m.c.op is CONST)


def minus(n):
    """The constant -n."""
    return constant(np.asarray(np.negative(n.data)))


SIGNS = (
    rule("mul_minus_one", x * -1, -x, on(real, "x"), exact),
    rule("sub_constant", x - c, lambda x, c: add.of(x, minus(c)),
         on(is_constant, "c"), exact,
         lambda: [mat() - 3.0, mat("int64") - 3, mat("complex128") - 2j,
                  vec("float32") - np.asarray([1, 2, 0], "float32")]),
    rule("negated_product", neg(mul.of(x, c)), lambda x, c: mul.of(x, minus(c)), REAL_CONSTANT,
         exact, lambda: [-(mat() * 3.0), -(mat("int64") * 3)]),
    rule("negated_constant_over", neg(true_div.of(c, x)), lambda x, c: true_div.of(minus(c), x),
         REAL_CONSTANT, exact, lambda: [-(3.0 / mat())]),
    rule("neg_product", neg(x) * y, neg(x * y), on(real, "x"), exact),
    rule("neg_over", neg(x) / y, neg(x / y), on(real, "x"), exact),
    rule("over_neg", x / neg(y), neg(x / y), on(real, "x"), exact),
    rule("add_neg", x + neg(y), x - y, None, exact),
    rule("sub_neg", x - neg(y), x + y, None, exact),
    rule("neg_minus", neg(x) - y, neg(x + y), None, rounding),
    rule("negated_difference", neg(x - y), y - x, None, rounding),
)

POWERS = (
    rule("pow_two", x ** 2, sqr(x), on(real, "x"), exact),
    rule("pow_minus_one", x ** -1, 1 / x, on(inexact, "x"), rounding),
    rule("pow_minus_two", x ** -2, 1 / sqr(x), on(inexact, "x"), rounding),
    rule("pow_minus_half", x ** -0.5, 1 / sqrt(x), on(rooted, "x"), rounding,
         lambda: [sqr(mat()) ** -0.5]),
    rule("square", x * x, sqr(x), lambda m: real(m.x) and m.x.type.dtype != "bool", exact),
    rule("sqr_abs", sqr(abs(x)), sqr(x), on(real, "x"), exact),
    rule("reciprocal", reciprocal(x), 1 / x, on(real, "x"), exact),
    rule("times_reciprocal", x * (1 / y), x / y, same_shape("y"), rounding),
    rule("over_reciprocal", x / (1 / y), x * y, None, rounding),
    rule("cancel", x / x, lambda x, node: full(1, node), None, assumes),
    rule("cancel_factor", (x * y) / y, x, None, assumes),
    rule("difference_of_equals", x - x, lambda x, node: full(0, node), on(inexact, "x"), assumes),
    rule("mul_zero", x * 0, lambda x, node: full(0, node), on(inexact, "x"), assumes),
)


def holds_all(narrow, wide):
    """Whether every value of one dtype has its own value in the other."""
    rounded = narrow in ("int64", "uint64") and is_float(wide)  # NumPy calls that safe
    return np.can_cast(narrow, wide, "safe") and not rounded


@rule_on("cast_of_cast", cast, kind=exact, samples=lambda: [
    cast(cast(mat("float32"), "float64"), "int32"), cast(cast(mat("int32"), "float64"), "float32"),
    cast(cast(mat("float32"), "float64"), "float32")])
def CAST_OF_CAST(node, pool):
    """A cast through a dtype that loses nothing goes straight; one to its own dtype is nothing."""
    inner = node.inputs[0]
    if inner.type.dtype == node.attrs[0]:
        return inner
    if inner.op is cast:
        first = inner.inputs[0]
        if holds_all(first.type.dtype, inner.type.dtype):
            return first if first.type.dtype == node.attrs[0] else cast.of(first,
                                                                           dtype=node.attrs[0])
    return None


def _branch(name, value):
    return rule(f"where_{name}", where.of(c, x, y), lambda c, x, y, node: spread(x if value else y,
                                                                                 node),
                lambda m: known(m.c) is value, exact, lambda: [where.of(value, mat(), mat()),
                                                               where.of(value, num(), mat())])


CHOICES = (
    _branch("true", True),
    _branch("false", False),
    rule("where_same", where.of(c, x, x), lambda c, x, node: spread(x, node), None, exact),
    rule("where_not", where.of(logical_not.of(c), x, y), where.of(c, y, x), None, exact,
         lambda: [where.of(logical_not.of(mat("bool")), mat(), mat())]),
    rule("where_again", where.of(c, where.of(c, x, y), z), where.of(c, x, z), None, exact,
         lambda: [(lambda m: where.of(m, where.of(m, mat(), mat()), mat()))(mat("bool"))]),
    rule("where_otherwise", where.of(c, x, where.of(c, y, z)), where.of(c, x, z), None, exact,
         lambda: [(lambda m: where.of(m, mat(), where.of(m, mat(), mat())))(mat("bool"))]),
    rule("conj_real", conj.of(x), x, on(real, "x"), exact, lambda: [conj.of(mat()),
                                                                    conj.of(mat("int64"))]),
    rule("real_real", real_.of(x), x, on(real, "x"), exact, lambda: [real_.of(mat())]),
    rule("imag_real", imag.of(x), lambda x, node: full(0, node), on(real, "x"), exact,
         lambda: [imag.of(mat())]),
    rule("copy", copy.of(x), x, None, exact),
)

FORWARD = ruleset(
    "forward",
    *(rule(op.name, op.of(x, **{p: Pattern(hole=p) for p in op.params}), x, None, exact,
           lambda op=op: [op.of(mat(), **dict.fromkeys(op.params, 2.0))])
      for op in (stop_gradient, zero_grad, undefined_grad, grad_clip, grad_scale)))

RULES = ruleset("canonicalise", facts.FOLD, CAST_OF_CAST, *SIGNS, *POWERS, *CHOICES,
                *branches.RULES, *facts.RULES, *views.RULES)
