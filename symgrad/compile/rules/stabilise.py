"""Forms that are nearer the true value, or finite where the expression as written overflows.

The sign rules of `canonicalise` run along, so that ``-(-x)`` and the like do not hide a pattern.
"""

from __future__ import annotations

from symgrad.compile.pattern import holes, rounding, rule, rule_on, ruleset, stable
from symgrad.compile.rules.canonicalise import SIGNS
from symgrad.compile.rules.common import mat, negated, on, real, vec
from symgrad.ops.index import FULL, Slice, gather, subtensor
from symgrad.ops.logic import relu
from symgrad.ops.math import (
    abs_,
    exp,
    expm1,
    log,
    log1p,
    logaddexp,
    neg,
    sigmoid,
    softplus,
    sqr,
    sqrt,
)
from symgrad.ops.nn import log_softmax, sigmoid_binary_crossentropy, softmax
from symgrad.ops.reduce import max_, sum_
from symgrad.ops.shape import transpose, unsqueeze
from symgrad.ops.stats import logsumexp

x, y, z, h, s, m, t = holes("x y z h s m t")
a, b = holes("a b")  # stand for axes


def keep(reduce, value, axes=a):
    """A reduction whose axes stay, with length one."""
    return unsqueeze.of(reduce.of(value, axis=axes), axes=axes)


def _all_of_softmax(f):
    """Whether s is a softmax and h is not stretched over it: the sums count each h once."""
    return f.s.op is softmax and f.h.type.shape == f.s.type.shape


SOFTMAX = (
    rule("log_softmax", log(softmax(x, axis=a)), log_softmax(x, axis=a), kind=stable),
    rule("exp_log_softmax", exp(log_softmax(x, axis=a)), softmax(x, axis=a), kind=rounding),
    rule("softmax", exp(x) / keep(sum_, exp(x)), softmax(x, axis=a), on(real, "x"), stable),
    rule("softmax_shift", softmax(x - keep(max_, x), axis=a), softmax(x, axis=a), kind=rounding),
    rule("log_softmax_shift", log_softmax(x - keep(max_, x), axis=a), log_softmax(x, axis=a),
         kind=rounding),
    rule("logsumexp", log(sum_.of(exp(x), axis=a)), logsumexp.of(x, axis=a), on(real, "x"), stable),
    rule("logsumexp_kept", log(unsqueeze.of(sum_.of(exp(x), axis=a), axes=b)),
         unsqueeze.of(logsumexp.of(x, axis=a), axes=b),
         on(real, "x"), stable),
    rule("logsumexp_shift", logsumexp.of(x - keep(max_, x), axis=a) + max_.of(x, axis=a),
         logsumexp.of(x, axis=a), kind=rounding),
    rule("logsumexp_shift_kept", keep(logsumexp, x - keep(max_, x)) + keep(max_, x), keep(logsumexp,
                                                                                          x),
    kind=rounding),
    rule("minus_logsumexp", x - keep(logsumexp, x), log_softmax(x, axis=a), kind=stable),
    # what softmax's derivative makes of g = h / s, the derivative of log at s = softmax(x)
    rule("cross_entropy_slope", (h / s - keep(sum_, (h / s) * s)) * s, h - keep(sum_, h) * s,
         _all_of_softmax, stable, lambda: [_slope(mat(), softmax(mat(), axis=(1,)), (1,), False)]),
    rule("cross_entropy_slope_negated", (keep(sum_, (h / s) * s) - h / s) * s,
         keep(sum_, h) * s - h,
         _all_of_softmax, stable, lambda: [_slope(mat(), softmax(mat(), axis=(1,)), (1,), True)]),
)


def _slope(h, s, axes, minus):
    kept = unsqueeze.of(sum_.of((h / s) * s, axis=axes), axes=axes)
    return (kept - h / s if minus else h / s - kept) * s


EXPONENTIALS = (
    rule("log1p", log(1 + x), log1p(x), kind=stable),
    rule("log1p_minus", log(1 - x), lambda x: log1p(negated(x)), kind=stable),
    rule("expm1", exp(x) + -1, expm1(x), kind=stable),
    rule("expm1_minus", 1 - exp(x), neg(expm1(x)), kind=stable),
    rule("softplus", log1p(exp(x)), softplus(x), on(real, "x"), stable),
    rule("log_sigmoid", log(sigmoid(x)), lambda x: neg(softplus(negated(x))), kind=stable),
    rule("log1p_sigmoid", log1p(neg(sigmoid(x))), neg(softplus(x)), kind=stable),
    rule("sigmoid", 1 / (1 + exp(x)), lambda x: sigmoid(negated(x)), on(real, "x"), rounding),
    rule("sigmoid_exp", exp(x) / (1 + exp(x)), sigmoid(x), on(real, "x"), stable),
    rule("one_minus_sigmoid", 1 - sigmoid(x), lambda x: sigmoid(negated(x)), kind=stable),
    rule("sqrt_sqr", sqrt(sqr(x)), abs_(x), on(real, "x"), stable),
    rule("logaddexp", log(exp(x) + exp(y)), logaddexp(x, y), on(real, "x", "y"), stable),
    rule("log_sqr", log(sqr(x)), 2 * log(abs_(x)), on(real, "x"), stable),
    rule("log_sqrt", log(sqrt(x)), 0.5 * log(x), on(real, "x"), rounding),
    rule("relu_log1p", relu(x) + log1p(exp(neg(abs_(x)))), softplus(x), on(real, "x"), rounding),
    rule("crossentropy_of_logits", t * softplus(neg(x)) + (1 - t) * softplus(x),
         sigmoid_binary_crossentropy.of(x, t),
         lambda f: f.x.type.shape == f.node.type.shape, stable),
)

MOVES = "view", "gather"  # kinds of ops that hand on elements of their first input
LOOK = 8  # ops that `log` looks through


@rule_on("log_of_part", log, kind=stable, samples=lambda: [
    log(softmax(mat(), axis=(1,))[1:]), log(gather.of(softmax(mat(), axis=(1,)), vec("int64"),
                                                      vec("int64"), idx=("#", "#"))),
    log(transpose.of(softmax(mat(), axis=(0,)))), log(unsqueeze.of(sigmoid(vec()), axes=(0,))),
    log(subtensor.of(softmax(mat(), axis=(1,)), idx=(FULL, Slice(1))))])
def LOG_OF_PART(node, pool):
    """The logarithm of a part of a softmax is that part of the log_softmax; likewise for
    sigmoid."""
    chain, n = [], node.inputs[0]
    while n.op.kind in MOVES and len(chain) < LOOK:
        chain.append(n)
        n = n.inputs[0]
    if not chain or n.op is not softmax and n.op is not sigmoid:
        return None
    if n.op is softmax:
        moved = pool.make(log_softmax, n.inputs, n.attrs, n.origin)
    else:
        moved = pool.make(softplus, (pool.intern([negated(n.inputs[0])])[0],), (), n.origin)
    for step in reversed(chain):
        moved = pool.make(step.op, (moved, *step.inputs[1:]), step.attrs, step.origin, step.type)
    return moved if n.op is softmax else pool.make(neg, (moved,), (), node.origin)


RULES = ruleset("stabilise", *SOFTMAX, *EXPONENTIALS, LOG_OF_PART, *SIGNS)
