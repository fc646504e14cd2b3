"""Moves of shape ops: indexing (see parts.py), and reductions of what was stretched, moved, scaled.

The rules of views.py and the sign rules run along.
"""

from __future__ import annotations

import numpy as np

from symgrad.compile.pattern import exact, rounding, rule_on, ruleset
from symgrad.compile.rules import parts, views
from symgrad.compile.rules.canonicalise import SIGNS
from symgrad.compile.rules.common import finite, given, mat, num, orders, sizes, var, vec
from symgrad.derive import expansion
from symgrad.node import CONST, constant
from symgrad.op import cast_node
from symgrad.ops.lengths import lengths, product
from symgrad.ops.logic import eq, where
from symgrad.ops.math import mul, strong_mul, true_div
from symgrad.ops.reduce import all_, any_, max_, min_, prod, sum_, supremum
from symgrad.ops.shape import broadcast_to, reshape, squeeze, transpose, unsqueeze
from symgrad.ops.stats import mean

FOLDS = (sum_, prod, max_, min_, supremum, any_, all_)  # reductions that may be done axis by axis


@rule_on("mean", mean, kind=exact, samples=lambda: [mean.of(mat(), axis=(0,))])
def MEAN(node, pool):
    """A mean is a sum over a count."""
    return expansion(node)


@rule_on("fold_of_nothing", *FOLDS, kind=rounding, samples=lambda: [
    sum_.of(mat(), axis=()), max_.of(unsqueeze.of(vec(), axes=(0,)), axis=(0, 1)),
    sum_.of(var("float64", None, 1), axis=(1,)),
    all_.of(unsqueeze.of(vec("bool"), axes=(0,)), axis=(0,))])
def FOLD_OF_NOTHING(node, pool):
    """Axes of length one are dropped, not summed."""
    base, axes = node.inputs[0], node.attrs[0]
    thin = tuple([k for k in axes if base.type.shape[k] == 1])
    made = pool.make(squeeze, (base,), (thin,), node.origin) if thin else base
    kept = [k for k in range(base.type.ndim) if k not in thin]
    rest = tuple([kept.index(k) for k in axes if k not in thin])
    return pool.make(node.op, (made,), (rest,), node.origin, node.type) if rest else made


@rule_on("fold_of_fold", *FOLDS, kind=rounding, samples=lambda: [
    sum_.of(sum_.of(mat(), axis=(0,)), axis=(0,)), max_.of(max_.of(mat(), axis=(1,)), axis=(0,))])
def FOLD_OF_FOLD(node, pool):
    """A sum of sums is one sum, a maximum of maxima one maximum."""
    inner = node.inputs[0]
    if inner.op is not node.op:
        return None
    left = [k for k in range(inner.inputs[0].type.ndim) if k not in inner.attrs[0]]
    axes = tuple(sorted([*inner.attrs[0], *(left[k] for k in node.attrs[0])]))
    return pool.make(node.op, inner.inputs, (axes,), node.origin, node.type)


@rule_on("fold_of_moved", *FOLDS, kind=rounding, samples=lambda: [
    sum_.of(transpose.of(mat()), axis=(0,)),
    sum_.of(reshape.of(var("float64", 3, 4), 12), axis=(0,)),
    sum_.of(transpose.of(var("float64", 2, 3, 4), axes=(2, 0, 1)), axis=(0,)),
    max_.of(transpose.of(var("float64", 2, 3, 4), axes=(2, 1, 0)), axis=(1,))])
def FOLD_OF_MOVED(node, pool):
    """The axes of a transposed value are found where they were; and all elements are all elements,
    whatever the shape."""
    moved, axes = node.inputs[0], node.attrs[0]
    if moved.op is reshape and len(axes) == moved.type.ndim:
        base = moved.inputs[0]
        every = tuple(range(base.type.ndim))
        return pool.make(node.op, (base,), (every,), node.origin, node.type)
    if moved.op is not transpose:
        return None
    order = moved.attrs[0]
    found = tuple(sorted(order[k] for k in axes))
    made = pool.make(node.op, moved.inputs, (found,), node.origin)
    kept = [p for k, p in enumerate(order) if k not in axes]
    ranks = tuple([sorted(kept).index(p) for p in kept])
    if list(ranks) == sorted(ranks):
        return made
    return pool.make(transpose, (made,), (ranks,), node.origin)


@rule_on("fold_of_stretched", sum_, max_, min_, any_, all_, kind=rounding, samples=lambda: [
    given(mat(), lambda m: sum_.of(broadcast_to.of(num(), *sizes(m)), axis=(0,))),
    sum_.of(broadcast_to.of(var("float64", 3), 4, 3), axis=(0, 1)),
    sum_.of(broadcast_to.of(var("float64", 3, 1), 3, 4), axis=(1,)),
    max_.of(broadcast_to.of(num(), 3, 4), axis=(0, 1)),
    sum_.of(broadcast_to.of(num("int64"), 3, 4), axis=(0,))])
def FOLD_OF_STRETCHED(node, pool):
    """The sum along an axis that was stretched is a product with its length."""
    wide, axes = node.inputs[0], node.attrs[0]
    if wide.op is not broadcast_to:
        return None
    base, shape = wide.inputs[0], wide.type.shape
    lead = len(shape) - base.type.ndim
    thin = [k for k in axes if k < lead or base.type.shape[k - lead] == 1 != shape[k]]
    if not thin or node.op is not sum_ and not all(shape[k] and isinstance(shape[k], int)
                                                   for k in thin):
        return None  # of nothing there is no maximum
    dropped = tuple([k - lead for k in thin if k >= lead])
    value = squeeze.of(base, axes=dropped) if dropped else base
    if node.op is sum_:
        count = cast_node(product([wide.inputs[1 + k] for k in thin]), value.type.dtype)
        there = finite(value) or count.op is CONST and bool(count.data)
        value = mul.of(value, count) if there else strong_mul.of(count, value)  # of nothing, zero
    kept = [k for k in range(len(shape)) if k not in thin]
    value = broadcast_to.of(value, *[wide.inputs[1 + k] for k in kept]) if kept else value
    rest = tuple([kept.index(k) for k in axes if k not in thin])
    return node.op.of(value, axis=rest) if rest else value


@rule_on("sum_of_scaled", sum_, kind=rounding, samples=lambda: [
    sum_.of(mat() * num(), axis=(0, 1)), sum_.of(mat() / num(), axis=(0,)),
    sum_.of(mat() * 3.0, axis=(1,)), sum_.of(mat("int64") * num("int64"), axis=(1,)),
    sum_.of(var("float64", 3) / num(), axis=(0,)),
    sum_.of(mat() * unsqueeze.of(vec(), axes=(1,)), axis=(1,))])
def SUM_OF_SCALED(node, pool):
    """A factor that is the same for all terms stands before the sum; without terms there is
    none."""
    scaled, axes = node.inputs[0], node.attrs[0]
    if scaled.op is not mul and scaled.op is not true_div or scaled.type.dtype == "float16":
        return None
    for other, factor in orders(scaled):
        if other.type.shape != scaled.type.shape:
            continue
        if factor.type.ndim:
            thin = factor.type.ndim == scaled.type.ndim and all(
                factor.type.shape[a] == 1 for a in axes)
            if not thin:
                continue
            factor = pool.make(squeeze, (factor,), (axes,), node.origin)
        plain = finite(factor) and (scaled.op is mul or factor.op is CONST and factor.data.all())
        terms = product([lengths(other)[a] for a in axes])
        if not plain and not (terms.op is CONST and terms.data):
            factor = where.of(eq.of(terms, 0), constant(np.asarray(1, factor.type.dtype)), factor)
        return scaled.op.of(sum_.of(other, axis=axes), factor)
    return None


RULES = ruleset("shapes", *parts.RULES, MEAN, FOLD_OF_NOTHING, FOLD_OF_FOLD, FOLD_OF_MOVED,
                FOLD_OF_STRETCHED, SUM_OF_SCALED, *SIGNS, *views.RULES)
