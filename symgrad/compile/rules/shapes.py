"""Moves of shape ops: indexing of what is made of parts, reductions of what was stretched, moved
or scaled."""

from __future__ import annotations

import numpy as np

from symgrad.compile.pattern import exact, rounding, rule_on, ruleset
from symgrad.compile.rules.canonicalise import SIGNS
from symgrad.compile.rules.common import given, mat, num, sizes, spread, var, vec
from symgrad.compile.rules.views import RULES as VIEWS
from symgrad.derive import expansion
from symgrad.node import CONST, constant
from symgrad.op import cast_node
from symgrad.ops.index import FULL, Slice, gather, subtensor
from symgrad.ops.lengths import length
from symgrad.ops.logic import cast
from symgrad.ops.math import add, mul, true_div
from symgrad.ops.reduce import all_, any_, max_, min_, prod, sum_
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import broadcast_to, reshape, squeeze, transpose, unsqueeze
from symgrad.ops.source import arange
from symgrad.ops.stats import mean

FOLDS = (sum_, prod, max_, min_, any_, all_)  # reductions that may be done axis by axis

# -- parts


@rule_on("whole", subtensor, kind=exact, samples=lambda: [subtensor.of(mat(), idx=(FULL, FULL))])
def WHOLE(node, pool):
    """x[:, :] is x."""
    return node.inputs[0] if node.inputs[0].type is node.type and all(e == FULL for e in node.attrs[0]) else None


def compose(outer, inner, n):
    """The entry for ``x[inner][outer]``, inner a slice, along an axis of length n; None if it is
    not evident."""
    if "@" in inner or outer == "@" or isinstance(outer, Slice) and "@" in outer:
        return outer if inner == FULL else inner if outer == FULL else None
    if outer == FULL or inner == FULL:
        return inner if outer == FULL else outer
    if isinstance(n, int):
        cells = range(n)[slice(*inner)]
        if isinstance(outer, int):
            return cells[outer] if -len(cells) <= outer < len(cells) else None
        found = cells[slice(*outer)]
        return Slice(found.start, found.stop if found.stop >= 0 else None, found.step)
    start, step = inner.start or 0, inner.step or 1
    if start < 0 or step < 0 or inner.stop is not None:
        return None
    if isinstance(outer, int):
        return start + step * outer if outer >= 0 else None
    first, last, stride = outer.start or 0, outer.stop, outer.step or 1
    if first < 0 or stride < 0 or last is not None and last < 0:
        return None
    return Slice(start + step * first, None if last is None else start + step * last, step * stride)


@rule_on("part_of_part", subtensor, kind=exact, samples=lambda: [
    mat()[1:][2:], mat()[:, 1:][0], var("float64", 9, None)[8:2:-1][1], var("float64", 9)[::2][1:3],
    mat()[0][1:]])
def PART_OF_PART(node, pool):
    """An index of an index is one index."""
    inner = node.inputs[0]
    if inner.op is not subtensor:
        return None
    base, idx, rest = inner.inputs[0], [], iter(node.attrs[0])
    mine, theirs = iter(node.inputs[1:]), iter(inner.inputs[1:])
    scalars = []
    for entry, n in zip(inner.attrs[0], base.type.shape, strict=True):
        if isinstance(entry, Slice):
            outer = next(rest)
            made = compose(outer, entry, n)
            if made is None:
                return None
            count = [sum(p == "@" for p in e) if isinstance(e,
                                                            Slice) else int(e == "@") for e in (outer, entry)]
            scalars += [next(mine) for _ in range(count[0])] + [next(theirs) for _ in range(count[1])]
        else:
            made = entry
            scalars += [next(theirs)] if entry == "@" else []
        idx.append(made)
    return subtensor.of(base, *scalars, idx=tuple(idx))


@rule_on("part_of_transposed", subtensor, kind=exact, samples=lambda: [transpose.of(mat())[0],
                                                                       transpose.of(mat())[1:, 0]])
def PART_OF_TRANSPOSED(node, pool):
    """Index first, move axes afterwards."""
    moved = node.inputs[0]
    if moved.op is not transpose or len(node.inputs) > 1:
        return None
    order, idx = moved.attrs[0], node.attrs[0]
    entries = dict(zip(order, idx, strict=True))
    part = subtensor.of(moved.inputs[0], idx=tuple([entries[k] for k in range(len(order))]))
    kept = [a for a, e in zip(order, idx, strict=True) if isinstance(e, Slice)]
    ranks = tuple([sorted(kept).index(a) for a in kept])
    return part if list(ranks) == sorted(ranks) else transpose.of(part, axes=ranks)


@rule_on("part_of_unsqueezed", subtensor, kind=exact, samples=lambda: [
    subtensor.of(unsqueeze.of(mat(), axes=(1,)), idx=(0, FULL, FULL)),
    subtensor.of(unsqueeze.of(mat(), axes=(0,)), idx=(0, FULL, 1))])
def PART_OF_UNSQUEEZED(node, pool):
    """New axes come after indexing."""
    wide = node.inputs[0]
    if wide.op is not unsqueeze or len(node.inputs) > 1:
        return None
    new, idx = wide.attrs[0], node.attrs[0]
    if any(idx[k] not in (0, FULL) for k in new):
        return None
    part = subtensor.of(wide.inputs[0], idx=tuple([e for k, e in enumerate(idx) if k not in new]))
    places = [k for k, e in enumerate(idx) if isinstance(e, Slice)]
    axes = tuple([places.index(k) for k in new if k in places])
    return unsqueeze.of(part, axes=axes) if axes else part


@rule_on("all_rows", gather, kind=exact, samples=lambda: [given(mat(),
                                                                lambda m: m[arange(length.of(m,
                                                                                             axis=0))])])
def ALL_ROWS(node, pool):
    """x[arange(len(x))] is x."""
    base, idx = node.inputs[0], node.attrs[0]
    if len(node.inputs) != 2 or idx.count("#") != 1 or idx.count(FULL) != len(idx) - 1:
        return None
    return base if counts(node.inputs[1], base.type.shape[idx.index("#")]) else None


def counts(n, d):
    """Whether a vector is evidently 0, 1, 2 … up to a length d."""
    if n.type.shape[0] is not d and n.type.shape[0] != d:
        return False
    if n.op is CONST:
        return bool((n.data == np.arange(len(n.data))).all())
    while n.op is cast:
        n = n.inputs[0]
    return n.op is arange and all(k.op is CONST and k.data == v for k, v in zip(n.inputs[::2],
                                                                                (0,
                                                                                 1), strict=True))


# -- writing

@rule_on("idle_write", inc_subtensor, kind=rounding, samples=lambda: [
    inc_subtensor.of(mat(), 0.0, idx=(0, FULL)),
    given(mat(), lambda m: inc_subtensor.of(m, mat(), idx=(FULL, FULL), set=True)),
    inc_subtensor.of(mat(), mat(), idx=(FULL, FULL)),
    inc_subtensor.of(mat(), num(), idx=(FULL, FULL), set=True)])
def IDLE_WRITE(node, pool):
    """Adding zeros somewhere is nothing; writing everywhere is y, or x + y."""
    base, part = node.inputs[:2]
    idx, set = node.attrs
    if not set and part.op is CONST and not part.type.ndim and part.data == 0 and "#" not in idx and "@" not in idx:
        return base
    if all(e == FULL for e in idx):
        return spread(part, node) if set else add.of(base, part)
    return None


@rule_on("read_of_write", subtensor, kind=rounding, samples=lambda: [
    inc_subtensor.of(mat(), vec(), idx=(0, FULL), set=True)[0], inc_subtensor.of(mat(), vec(),
                                                                                 idx=(0, FULL))[0],
    inc_subtensor.of(mat(), num(), idx=(0, FULL), set=True)[0]])
def READ_OF_WRITE(node, pool):
    """What was written is read back."""
    written = node.inputs[0]
    if written.op is not inc_subtensor or written.attrs[0] != node.attrs[0] or written.inputs[2:] != node.inputs[1:]:
        return None
    base, part = written.inputs[:2]
    if written.attrs[1]:
        return spread(part, node, *node.inputs)
    return add.of(subtensor.of(base, *node.inputs[1:], idx=node.attrs[0]), part)


@rule_on("write_over_write", inc_subtensor, kind=exact, samples=lambda: [
    inc_subtensor.of(inc_subtensor.of(mat(), num(), idx=(0, FULL)), vec(), idx=(0, FULL),
                     set=True)])
def WRITE_OVER_WRITE(node, pool):
    """What is written over need not be written."""
    first = node.inputs[0]
    if first.op is not inc_subtensor or not node.attrs[1] or first.attrs[0] != node.attrs[0] or "#" in node.attrs[0]:
        return None
    if first.inputs[2:] != node.inputs[2:]:
        return None
    return pool.make(inc_subtensor, (first.inputs[0], *node.inputs[1:]), node.attrs, node.origin,
                     node.type)


# -- reductions


@rule_on("fold_of_nothing", *FOLDS, kind=rounding, samples=lambda: [
    sum_.of(mat(), axis=()), max_.of(unsqueeze.of(vec(), axes=(0,)), axis=(0, 1)),
    sum_.of(var("float64", None, 1), axis=(1,)),
    all_.of(unsqueeze.of(vec("bool"), axes=(0,)), axis=(0,))])
def FOLD_OF_NOTHING(node, pool):
    """Axes of length one are dropped, not summed."""
    base, axes = node.inputs[0], node.attrs[0]
    if base.type.dtype != node.type.dtype:
        return None
    thin = tuple([k for k in axes if base.type.shape[k] == 1])
    if axes and not thin:
        return None
    made = pool.make(squeeze, (base,), (thin,), node.origin) if thin else base
    rest = tuple([k - sum(t < k for t in thin) for k in axes if k not in thin])
    return pool.make(node.op, (made,), (rest,), node.origin, node.type) if rest else made


@rule_on("fold_of_fold", *FOLDS, kind=rounding, samples=lambda: [
    sum_.of(sum_.of(mat(), axis=(0,)), axis=(0,)), max_.of(max_.of(mat(), axis=(1,)), axis=(0,))])
def FOLD_OF_FOLD(node, pool):
    """A sum of sums is one sum, a maximum of maxima one maximum."""
    inner = node.inputs[0]
    if inner.op is not node.op or inner.type.dtype != inner.inputs[0].type.dtype:
        return None
    left = [k for k in range(inner.inputs[0].type.ndim) if k not in inner.attrs[0]]
    axes = tuple(sorted([*inner.attrs[0], *(left[k] for k in node.attrs[0])]))
    return pool.make(node.op, inner.inputs, (axes,), node.origin, node.type)


@rule_on("fold_of_moved", *FOLDS, kind=rounding, samples=lambda: [
    sum_.of(transpose.of(mat()), axis=(0,)), sum_.of(reshape.of(var("float64", 3, 4), 12),
                                                     axis=(0,)),
    sum_.of(transpose.of(var("float64", 2, 3, 4), axes=(2, 0, 1)), axis=(0,))])
def FOLD_OF_MOVED(node, pool):
    """The axes of a transposed value are found where they were; the order of all elements does not
    matter."""
    moved, axes = node.inputs[0], node.attrs[0]
    if moved.op is reshape and len(axes) == moved.type.ndim:
        base = moved.inputs[0]
        return pool.make(node.op, (base,), (tuple(range(base.type.ndim)),), node.origin, node.type)
    if moved.op is not transpose:
        return None
    order = moved.attrs[0]
    made = pool.make(node.op, moved.inputs, (tuple(sorted(order[k] for k in axes)),), node.origin)
    kept = [p for k, p in enumerate(order) if k not in axes]
    ranks = tuple([sorted(kept).index(p) for p in kept])
    return made if list(ranks) == sorted(ranks) else pool.make(transpose, (made,), (ranks,),
                                                               node.origin)


@rule_on("fold_of_stretched", sum_, max_, min_, any_, all_, kind=rounding, samples=lambda: [
    given(mat(), lambda m: sum_.of(broadcast_to.of(num(), *sizes(m)), axis=(0,))),
    sum_.of(broadcast_to.of(var("float64", 3), 4, 3), axis=(0, 1)),
    max_.of(broadcast_to.of(num(), 3, 4), axis=(0, 1)), sum_.of(broadcast_to.of(num("int64"), 3, 4),
                                                                axis=(0,))])
def FOLD_OF_STRETCHED(node, pool):
    """The sum along an axis that was stretched is a product with its length."""
    wide, axes = node.inputs[0], node.attrs[0]
    if wide.op is not broadcast_to:
        return None
    base = wide.inputs[0]
    lead = wide.type.ndim - base.type.ndim
    thin = [k for k in axes if k < lead or base.type.shape[k - lead] == 1 and wide.type.shape[k] != 1]
    if not thin:
        return None
    if node.op is not sum_ and not all(isinstance(wide.type.shape[k],
                                                  int) and wide.type.shape[k] for k in thin):
        return None  # of nothing there is no maximum
    dropped = tuple([k - lead for k in thin if k >= lead])
    value = squeeze.of(base, axes=dropped) if dropped else base
    kept = [k for k in range(wide.type.ndim) if k not in thin]
    if node.op is sum_:
        count = constant(np.asarray(1, "int64"))
        for n in [wide.inputs[1 + k] for k in thin]:
            count = n if count.op is CONST and count.data == 1 else count * n
        value = mul.of(value, cast_node(count, value.type.dtype))
    if kept:
        value = broadcast_to.of(value, *[wide.inputs[1 + k] for k in kept])
    rest = tuple([kept.index(k) for k in axes if k not in thin])
    return node.op.of(value, axis=rest) if rest else value


@rule_on("sum_of_scaled", sum_, kind=rounding, samples=lambda: [
    sum_.of(mat() * num(), axis=(0, 1)), sum_.of(mat() / num(), axis=(0,)), sum_.of(mat() * 3.0,
                                                                                    axis=(1,)),
    sum_.of(mat() * unsqueeze.of(vec(), axes=(1,)), axis=(1,))])
def SUM_OF_SCALED(node, pool):
    """A factor that is the same for all terms stands before the sum."""
    product, axes = node.inputs[0], node.attrs[0]
    if product.op is not mul and product.op is not true_div or product.type.dtype == "bool":
        return None
    for k in (1, 0) if product.op is mul else (1,):
        factor, other = product.inputs[k], product.inputs[1 - k]
        if other.type.shape != product.type.shape:
            continue
        at = [p - product.type.ndim + factor.type.ndim for p in axes]
        if factor.type.ndim and not all(p < 0 or factor.type.shape[p] == 1 for p in at):
            continue
        thin = tuple([p for p in at if p >= 0])
        if any(p < 0 for p in at) and factor.type.ndim - len(thin) > node.type.ndim:
            continue
        total = pool.make(sum_, (other,), (axes,), node.origin)
        if factor.type.ndim:
            if factor.type.ndim != product.type.ndim:
                continue
            factor = pool.make(squeeze, (factor,), (thin,), node.origin)
        return pool.make(product.op, (total, factor), (), node.origin)
    return None


@rule_on("mean", mean, kind=exact, samples=lambda: [mean.of(mat(), axis=(0,))])
def MEAN(node, pool):
    """A mean is a sum over a count."""
    return expansion(node)

RULES = ruleset("shapes", WHOLE, PART_OF_PART, PART_OF_TRANSPOSED, PART_OF_UNSQUEEZED, ALL_ROWS,
                IDLE_WRITE, READ_OF_WRITE,
                WRITE_OVER_WRITE, MEAN, FOLD_OF_NOTHING, FOLD_OF_FOLD, FOLD_OF_MOVED,
                FOLD_OF_STRETCHED, SUM_OF_SCALED,
                *SIGNS, *VIEWS)
