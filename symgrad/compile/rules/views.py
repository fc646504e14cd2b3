"""One spelling for ops that move no elements: axes, lengths, stretched numbers.  Part of the pass
`canonicalise`.

A chain of `squeeze`, `transpose` and `unsqueeze` has one normal form, at most one of each in this
order.  Zeros, ones and other fills are a number that is stretched by `broadcast_to`; arithmetic on
them is arithmetic on the number.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from symgrad.compile.pattern import exact, rounding, rule_on
from symgrad.compile.rules.common import given, mat, measure, num, sizes, spread, uniform, var, vec
from symgrad.compile.rules.parts import backward, sure
from symgrad.ops import OPS
from symgrad.ops.ifelse import ifelse
from symgrad.ops.index import FULL, Slice, gather, subtensor
from symgrad.ops.join import continued
from symgrad.ops.lengths import known, length, make_vector
from symgrad.ops.math import exp, mul, neg, sub
from symgrad.ops.nn import log_softmax, softmax
from symgrad.ops.reduce import sum_
from symgrad.ops.shape import broadcast_to, reshape, specify_shape, squeeze, transpose, unsqueeze
from symgrad.ops.source import alloc

ELEMENTWISE = [op for op in OPS.values() if op.kind == "elementwise"]

# -- axes

SHUFFLES = (squeeze, transpose, unsqueeze)


@rule_on("axes", *SHUFFLES, kind=exact, samples=lambda: [
    transpose.of(transpose.of(mat())), unsqueeze.of(unsqueeze.of(vec(), axes=(0,)), axes=(2,)),
    unsqueeze.of(mat(), axes=()), transpose.of(mat(), axes=(0, 1)),
    squeeze.of(unsqueeze.of(transpose.of(mat()), axes=(0, 2)), axes=(2,)),
    transpose.of(unsqueeze.of(vec(), axes=(0,))),
    unsqueeze.of(squeeze.of(var("float64", 1, None), axes=(0,)), axes=(0,))])
def AXES(node, pool):
    """squeeze, transpose, unsqueeze: at most one of each, in this order."""
    chain, base = [], node
    while base.op in SHUFFLES:
        chain.append(base)
        base = base.inputs[0]
    pattern = list(range(base.type.ndim))
    for n in reversed(chain):
        axes = n.attrs[0]
        if n.op is transpose:
            pattern = [pattern[a] for a in axes]
        elif n.op is squeeze:
            pattern = [p for k, p in enumerate(pattern) if k not in axes]
        else:
            for a in axes:
                pattern.insert(a, None)
    kept = [p for p in pattern if p is not None]
    if kept == sorted(kept) and node.type is base.type:
        return base
    dropped = tuple([a for a in range(base.type.ndim) if a not in kept])
    ranks = tuple([sorted(kept).index(a) for a in kept])
    new = tuple([k for k, p in enumerate(pattern) if p is None])
    made = pool.make(squeeze, (base,), (dropped,), node.origin) if dropped else base
    if list(ranks) != sorted(ranks):
        made = pool.make(transpose, (made,), (ranks,), node.origin)
    return pool.make(unsqueeze, (made,), (new,), node.origin) if new else made


@rule_on("softmax_of_unsqueezed", softmax, log_softmax, kind=exact, samples=lambda: [
    softmax.of(unsqueeze.of(vec(), axes=(0,)), axis=(1,)),
    log_softmax.of(unsqueeze.of(mat(), axes=(1,)), axis=(0,)),
    softmax.of(unsqueeze.of(mat(), axes=(0, 2)), axis=(1, 2))])
def SOFTMAX_OF_UNSQUEEZED(node, pool):
    """New axes come after a softmax along others."""
    wide, axes = node.inputs[0], node.attrs[0]
    if wide.op is not unsqueeze:
        return None
    new = wide.attrs[0]
    old = [k for k in range(wide.type.ndim) if k not in new]
    along = tuple([old.index(k) for k in axes if k not in new])
    if not along:
        return None
    made = pool.make(node.op, wide.inputs, (along,), node.origin)
    return pool.make(unsqueeze, (made,), (new,), node.origin)


@rule_on("reshape", reshape, kind=exact, samples=lambda: [
    reshape.of(reshape.of(var("float64", 3, 4), 2, 6), 12), reshape.of(var("float64", 3, 4), 3, 4),
    reshape.of(unsqueeze.of(var("float64", 3, 4), axes=(0,)), 6, 2),
    reshape.of(var("float64", 3, 1, 4), 3, 4, 1)])
def RESHAPE(node, pool):
    """A reshape takes its elements from where they first were; one that adds or drops axes of
    length 1 is no reshape."""
    base = node.inputs[0]
    while base.op is reshape or base.op is unsqueeze or base.op is squeeze:
        base = base.inputs[0]
    if node.type is base.type:
        return base
    if [d for d in base.type.shape if d != 1] == [d for d in node.type.shape if d != 1]:
        dropped = tuple([k for k, d in enumerate(base.type.shape) if d == 1])
        new = tuple([k for k, d in enumerate(node.type.shape) if d == 1])
        made = pool.make(squeeze, (base,), (dropped,), node.origin) if dropped else base
        return pool.make(unsqueeze, (made,), (new,), node.origin) if new else made
    return pool.make(node.op, (base, *node.inputs[1:]), node.attrs, node.origin, node.type)


# -- lengths


@rule_on("length", length, kind=exact, samples=lambda: [
    length.of(var("float64", 3, None), axis=0), length.of(exp(mat() + mat()), axis=1),
    length.of(transpose.of(mat()), axis=0),
    length.of(broadcast_to.of(num(), num("int64"), 3), axis=0)])
def LENGTH(node, pool):
    """A length is a constant, or is read off the input that first has it, so that nothing is kept
    for its length."""
    owner, axis = node.inputs[0], node.attrs[0]
    d = owner.type.shape[axis]
    if isinstance(d, int):
        return pool.constant(np.asarray(d, "int64"))
    if owner.op is broadcast_to:
        return owner.inputs[1 + axis]
    inputs = () if owner.op is ifelse else owner.inputs  # it may be that of either side
    found = pool.home.get(d) or next(
        ((i, k) for i in inputs for k, own in enumerate(i.type.shape) if own is d), None)
    return found and pool.make(length, found[:1], found[1:], node.origin)


@rule_on("specify_shape", specify_shape, kind=exact,
         samples=lambda: [specify_shape.of(var("float64", 3, 4), 3, 4)])
def SPECIFY(node, pool):
    """What is known of a shape need not be asserted."""
    return node.inputs[0] if node.type is node.inputs[0].type else None


@rule_on("vector_part", subtensor, kind=exact, samples=lambda: [
    subtensor.of(make_vector.of(num(), num(), num()), idx=(1,)),
    subtensor.of(make_vector.of(num(), num(), num()), idx=(Slice(1),))])
def VECTOR_PART(node, pool):
    """A part of a vector made of scalars is the scalar, or a vector of fewer."""
    vector = node.inputs[0]
    if vector.op is not make_vector or len(node.inputs) > 1:
        return None
    entry, = node.attrs[0]          # of anything else there may be none: x[()]
    if isinstance(entry, int):
        return vector.inputs[entry]
    return pool.make(make_vector, vector.inputs[slice(*entry)], (), node.origin)


# -- stretched values


@rule_on("alloc", alloc, kind=exact, samples=lambda: [
    alloc.of(num(), 3, 4), alloc.of(0.0, length.of(vec(), axis=0), 3)])
def ALLOC(node, pool):
    """A filled tensor is a stretched number."""
    return pool.make(broadcast_to, node.inputs, (), node.origin, node.type)


@rule_on("broadcast_to", broadcast_to, kind=exact, samples=lambda: [
    broadcast_to.of(var("float64", 3, 4), 3, 4), broadcast_to.of(broadcast_to.of(num(), 3), 2, 3),
    broadcast_to.of(unsqueeze.of(var("float64", 4), axes=(0,)), 3, 4)])
def STRETCH(node, pool):
    """A value is stretched once, and only if that changes its type; a uniform constant as a
    number."""
    base = node.inputs[0]
    if node.type is base.type:
        return base
    while base.op is broadcast_to or base.op is unsqueeze and leading(base.attrs[0]):
        base = base.inputs[0]
    if (value := uniform(base)) is not None:
        base = pool.constant(value)
    return pool.make(node.op, (base, *node.inputs[1:]), node.attrs, node.origin, node.type)


def leading(axes):
    return axes == tuple(range(len(axes)))


@rule_on("view_of_fill", transpose, reshape, squeeze, unsqueeze, subtensor, kind=exact,
         samples=lambda: [
             unsqueeze.of(broadcast_to.of(num(), length.of(vec(), axis=0)), axes=(0,)),
             subtensor.of(broadcast_to.of(num(), 3, 4), idx=(Slice(1), 2)),
             transpose.of(broadcast_to.of(num(), 3, 4))])
def VIEW_OF_FILL(node, pool):
    """A view of a number everywhere is that number everywhere; not where the call may have to
    refuse it: an index out of range, a reshape to more or fewer elements."""
    wide = node.inputs[0]
    if wide.op is not broadcast_to or wide.inputs[0].type.ndim:
        return None
    if node.op is subtensor and not (sure(node.attrs[0], wide.type.shape) and counted(node)):
        return None
    if node.op is reshape:
        new = node.inputs[1:]
        if elements(new) != elements(wide.inputs[1:]):
            return None
    else:
        new = measure(node.type.shape, wide)
        if new is None:
            return None
    return broadcast_to.of(wide.inputs[0], *new) if new else wide.inputs[0]


def counted(part):
    """Whether the length of each range is a number: a Dim may be another's on trial only."""
    ranges = [e for e in part.attrs[0] if isinstance(e, Slice)]
    return all([e == FULL or isinstance(d, int)
                for e, d in zip(ranges, part.type.shape, strict=True)])


def elements(lengths):
    """The product of lengths as far as it is known: whether one is left open, a number, and how
    often there is which Dim or scalar.  A reshaped tensor has as many as what it is made of."""
    told = tuple([known(n) for n in lengths])
    for n in lengths:
        if n.op is length and n.inputs[0].op is reshape and n.inputs[0].type.shape == told:
            told = n.inputs[0].inputs[0].type.shape
            break
    else:
        told = [n if d is None else d for n in factors(lengths) for d in [known(n)]]
    numbers = [d for d in told if isinstance(d, int)]
    return -1 in numbers, math.prod(numbers), Counter([d for d in told if not isinstance(d, int)])


def factors(scalars):
    """What scalars are products of."""
    for n in scalars:
        yield from factors(n.inputs) if n.op is mul else [n]


@rule_on("stretched_operand", *ELEMENTWISE, kind=exact, samples=lambda: [
    given(mat(), lambda m: m + broadcast_to.of(num(), *sizes(m))),
    given(mat(), lambda m: exp(broadcast_to.of(num(), *sizes(m)))),
    given(mat(), lambda m: broadcast_to.of(num(), *sizes(m)) * broadcast_to.of(num(), *sizes(m)))])
def STRETCHED(node, pool):
    """Arithmetic stretches by itself; and a stretched value is computed before it is stretched."""
    inputs = node.inputs
    if all(i.op is broadcast_to or not i.type.ndim for i in inputs):
        inner = tuple([i.inputs[0] if i.op is broadcast_to else i for i in inputs])
        return spread(pool.make(node.op, inner, node.attrs, node.origin), node)
    trial = list(inputs)
    for k, i in enumerate(inputs):
        if i.op is broadcast_to:
            trial[k] = i.inputs[0]
            if pool.infer(node.op, tuple(trial), node.attrs).shape != node.type.shape:
                trial[k] = i
    return pool.make(node.op, tuple(trial), node.attrs, node.origin, node.type)


# -- signs


@rule_on("sum_of_negated", sum_, kind=rounding, samples=lambda: [sum_.of(-mat(), axis=(0,))])
def SUM_OF_NEGATED(node, pool):
    """The sign stands before the sum."""
    inner = node.inputs[0]
    if inner.op is not neg:
        return None
    total = pool.make(sum_, inner.inputs, node.attrs, node.origin)
    return pool.make(neg, (total,), (), node.origin)


@rule_on("negated_sum_of_difference", neg, kind=rounding,
         samples=lambda: [neg(sum_.of(mat() - mat(), axis=(0,)))])
def NEGATED_SUM(node, pool):
    """-sum(x - y) is sum(y - x)."""
    total = node.inputs[0]
    if total.op is not sum_ or total.inputs[0].op is not sub:
        return None
    swapped = pool.make(sub, total.inputs[0].inputs[::-1], (), node.origin)
    return pool.make(sum_, (swapped,), total.attrs, node.origin)


@rule_on("neg_through_view", unsqueeze, squeeze, transpose, reshape, subtensor, gather, kind=exact,
         samples=lambda: [unsqueeze.of(-vec(), axes=(0,)), transpose.of(-mat()), (-mat())[0]])
def NEG_THROUGH_VIEW(node, pool):
    """The sign stands before ops that move elements."""
    inner = node.inputs[0]
    if inner.op is not neg:
        return None
    moved = pool.make(node.op, (inner.inputs[0], *node.inputs[1:]), node.attrs, node.origin,
                      node.type)
    return pool.make(neg, (moved,), (), node.origin)


def _behind(entry, first, rest):
    """The entry of an index into `rest` that means the same of rows of which `first` come before;
    None if it is not known to."""
    if entry == "@":
        return None
    if isinstance(entry, int):
        if entry < 0:
            return entry if entry >= -(rest if isinstance(rest, int) else 1) else None
        return entry - first if isinstance(first, int) and entry >= first else None
    start, stop = entry.start, entry.stop
    if "@" in entry or start is None or backward(entry):
        return None
    if start < 0:
        fits = start >= -(rest if isinstance(rest, int) else 1)
        return entry if fits and (stop is None or stop < 0) else None
    if not isinstance(first, int) or start < first or stop is not None and stop < first:
        return None
    return Slice(start - first, stop if stop is None else stop - first, entry.step)


@rule_on("part_of_continued", subtensor, kind=exact, samples=lambda: [
    continued.of(vec(), vec())[-1], continued.of(vec(), var("float64", 4))[-3:],
    continued.of(var("float64", 2), vec())[2:],
    continued.of(var("float64", None, 3), var("float64", None, 3))[-1:, 0]])
def PART_OF_CONTINUED(node, pool):
    """The last rows of a loop in parts are those of the last part."""
    whole, idx = node.inputs[0], node.attrs[0]
    if whole.op is not continued:
        return None
    first, rest = whole.inputs
    entry = _behind(idx[0], first.type.shape[0], rest.type.shape[0])
    if entry is None:
        return None
    return subtensor.of(rest, *node.inputs[1:], idx=(entry, *idx[1:]))


RULES = (AXES, SOFTMAX_OF_UNSQUEEZED, RESHAPE, LENGTH, SPECIFY, VECTOR_PART, ALLOC, STRETCH,
         VIEW_OF_FILL, STRETCHED, SUM_OF_NEGATED, NEGATED_SUM, NEG_THROUGH_VIEW,
         PART_OF_CONTINUED)
