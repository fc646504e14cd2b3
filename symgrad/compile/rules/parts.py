"""Moves of indexing: parts of parts, of joined tensors, of what was just written.

A rule never drops an index that may be out of range, so that the error is not lost (`sure`).
"""

from __future__ import annotations

import numpy as np

from symgrad.compile.pattern import exact, rounding, rule_on
from symgrad.compile.rules.common import given, known, mat, num, spread, var, vec, zeros
from symgrad.node import CONST
from symgrad.ops.index import FULL, Slice, gather, inside, slots, subtensor
from symgrad.ops.join import join
from symgrad.ops.lengths import length
from symgrad.ops.logic import cast
from symgrad.ops.math import add
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import squeeze, transpose, unsqueeze
from symgrad.ops.source import arange, zeros_like


def sure(idx, shape):
    """Whether no entry of an index can be out of range."""
    return all(isinstance(e, Slice) or inside(e, d) for e, d in zip(idx, shape, strict=True))


def backward(entry):
    """Whether a slice with a known step goes from the end to the front."""
    return (entry.step or 0) < 0


# -- parts


@rule_on("whole", subtensor, kind=exact, samples=lambda: [subtensor.of(mat(), idx=(FULL, FULL))])
def WHOLE(node, pool):
    """x[:, :] is x."""
    same = node.inputs[0].type is node.type and all(e == FULL for e in node.attrs[0])
    return node.inputs[0] if same else None


def compose(outer, inner, n):
    """The entry for ``x[inner][outer]`` along an axis of length n, where `inner` is a slice; None
    if it is not evident."""
    if outer == FULL or inner == FULL:
        return inner if outer == FULL else outer
    if "@" in inner or outer == "@" or isinstance(outer, Slice) and "@" in outer:
        return None
    if isinstance(n, int):
        cells = range(n)[slice(*inner)]
        if isinstance(outer, int):
            return cells[outer]
        found = cells[slice(*outer)]
        return Slice(found.start, found.stop if found.stop >= 0 else None, found.step)
    start, step = inner.start or 0, inner.step or 1
    if start < 0 or backward(inner) or inner.stop is not None:
        return None
    if isinstance(outer, int):
        return start + step * outer if outer >= 0 else None
    first, last, stride = outer.start or 0, outer.stop, outer.step or 1
    if first < 0 or backward(outer) or last is not None and last < 0:
        return None
    return Slice(start + step * first, None if last is None else start + step * last, step * stride)


@rule_on("part_of_part", subtensor, kind=exact, samples=lambda: [
    mat()[1:][2:], mat()[:, 1:][0], var("float64", 9, None)[8:2:-1][1], var("float64", 9)[::2][1:3],
    mat()[0][1:], var("float64", 9)[2:7][-1], mat()[:, num("int64")][1:]])
def PART_OF_PART(node, pool):
    """An index of an index is one index."""
    inner = node.inputs[0]
    if inner.op is not subtensor:
        return None
    base, idx, scalars = inner.inputs[0], [], []
    rest, mine, theirs = iter(node.attrs[0]), iter(node.inputs[1:]), iter(inner.inputs[1:])
    for entry, n in zip(inner.attrs[0], base.type.shape, strict=True):
        made = entry
        if isinstance(entry, Slice):
            outer = next(rest)
            made = compose(outer, entry, n)
            if made is None:
                return None
            scalars += [next(mine) for _ in slots((outer,))]
        scalars += [next(theirs) for _ in slots((entry,))]
        idx.append(made)
    return subtensor.of(base, *scalars, idx=tuple(idx))


@rule_on("part_of_transposed", subtensor, kind=exact, samples=lambda: [
    transpose.of(mat())[0], transpose.of(mat())[1:, 0]])
def PART_OF_TRANSPOSED(node, pool):
    """Index first, move axes afterwards."""
    moved = node.inputs[0]
    if moved.op is not transpose or len(node.inputs) > 1:
        return None
    order, idx = moved.attrs[0], node.attrs[0]
    entries = {k: idx[at] for at, k in enumerate(order)}
    part = subtensor.of(moved.inputs[0], idx=tuple([entries[k] for k in range(len(order))]))
    kept = [a for a, e in entries.items() if isinstance(e, Slice)]
    ranks = tuple([sorted(kept).index(a) for a in kept])
    return part if list(ranks) == sorted(ranks) else transpose.of(part, axes=ranks)


@rule_on("part_of_unsqueezed", subtensor, kind=exact, samples=lambda: [
    subtensor.of(unsqueeze.of(mat(), axes=(1,)), idx=(0, FULL, FULL)),
    subtensor.of(unsqueeze.of(mat(), axes=(0,)), idx=(0, FULL, 1)),
    subtensor.of(unsqueeze.of(vec(), axes=(0,)), num("int64"), idx=(0, "@"))])
def PART_OF_UNSQUEEZED(node, pool):
    """New axes come after indexing."""
    wide = node.inputs[0]
    if wide.op is not unsqueeze:
        return None
    new, idx = wide.attrs[0], node.attrs[0]
    if any(idx[k] not in (0, FULL) for k in new):
        return None
    kept = tuple([e for k, e in enumerate(idx) if k not in new])
    part = subtensor.of(wide.inputs[0], *node.inputs[1:], idx=kept)
    places = [k for k, e in enumerate(idx) if isinstance(e, Slice)]
    axes = tuple([places.index(k) for k in new if k in places])
    return unsqueeze.of(part, axes=axes) if axes else part


@rule_on("all_rows", gather, kind=exact, samples=lambda: [
    given(mat(), lambda m: m[arange(length.of(m, axis=0))])])
def ALL_ROWS(node, pool):
    """x[arange(len(x))] is x."""
    base, idx = node.inputs[0], node.attrs[0]
    if idx.count(FULL) != len(idx) - 1:
        return None
    return base if counts(node.inputs[1], base.type.shape[idx.index("#")]) else None


LARGE = ("int32", "int64", "uint32", "uint64")  # others have not enough numbers for all rows


def counts(n, d):
    """Whether a vector is evidently 0, 1, 2 … up to a length d."""
    if n.type.shape != (d,):
        return False
    if n.op is CONST:
        return bool((n.data == np.arange(len(n.data))).all())
    while n.op is cast and n.type.dtype in LARGE:
        n = n.inputs[0]
    return n.op is arange and n.type.dtype in LARGE and [known(k) for k in n.inputs[::2]] == [0, 1]


# -- joined tensors


@rule_on("join_of_joined", join, kind=exact, samples=lambda: [
    join.of(mat(), axis=0), join.of(join.of(mat(), mat(), axis=1), mat(), axis=1)])
def JOIN_OF_JOINED(node, pool):
    """Joined tensors that are joined are joined at once."""
    if len(node.inputs) == 1:
        return node.inputs[0]
    parts = []
    for i in node.inputs:
        parts += i.inputs if i.op is join and i.attrs == node.attrs else [i]
    return pool.make(join, tuple(parts), node.attrs, node.origin, node.type)


@rule_on("join_of_parts", join, kind=exact, samples=lambda: [
    given(mat(), lambda m: join.of(m[:2], m[2:5], m[5:], axis=0)),
    given(var("float64", None, 5), lambda m: join.of(m[:, :2], m[:, 2:], axis=1))])
def JOIN_OF_PARTS(node, pool):
    """A tensor cut into slices and put together again is that tensor."""
    axis, at = node.attrs[0], None
    base = node.inputs[0].inputs[0] if node.inputs[0].inputs else None
    for k, i in enumerate(node.inputs):
        if i.op is not subtensor or i.inputs != (base,):
            return None
        entry = i.attrs[0][axis]
        others = [e for a, e in enumerate(i.attrs[0]) if a != axis]
        last = k == len(node.inputs) - 1
        if not isinstance(entry, Slice) or entry.step is not None or entry.start != at:
            return None
        if any(e != FULL for e in others) or (entry.stop is None) != last:
            return None
        at = entry.stop
        if not last and at <= (entry.start or 0):
            return None  # it begins again where others were before
    return base


@rule_on("part_of_joined", subtensor, kind=exact, samples=lambda: [
    join.of(var("float64", 2, None), mat(), axis=0)[1],
    join.of(var("float64", 2), var("float64", 3), vec(), axis=0)[2:5:2],
    join.of(var("float64", None, 2), var("float64", None, 3), axis=1)[0, 3:]])
def PART_OF_JOINED(node, pool):
    """A part that lies in one of the joined tensors is a part of that one."""
    joined, idx = node.inputs[0], node.attrs[0]
    if joined.op is not join or len(node.inputs) > 1:
        return None
    axis = joined.attrs[0]
    entry, total = idx[axis], joined.type.shape[axis]
    if isinstance(entry, int):
        first, last = entry, entry
    else:
        first, stop = entry.start or 0, total if entry.stop is None else entry.stop
        if backward(entry) or not isinstance(stop, int) or stop < 0:
            return None
        last = max(first, stop - 1)
    start = 0
    for part in joined.inputs:
        n = part.type.shape[axis]
        if not isinstance(n, int):
            return None
        if start <= first and last < start + n:
            moved = first - start if isinstance(entry, int) else (
                Slice(first - start, stop - start, entry.step))
            return subtensor.of(part, idx=(*idx[:axis], moved, *idx[axis + 1:]))
        start += n
    return None


# -- writing


@rule_on("idle_write", inc_subtensor, kind=rounding, samples=lambda: [
    inc_subtensor.of(var("float64", 3, None), 0.0, idx=(0, FULL)),
    inc_subtensor.of(mat(), mat(), idx=(FULL, FULL), set=True),
    inc_subtensor.of(mat(), mat(), idx=(FULL, FULL)),
    inc_subtensor.of(mat(), num(), idx=(FULL, FULL), set=True)])
def IDLE_WRITE(node, pool):
    """Adding zero somewhere is nothing; writing everywhere is y, or x + y."""
    base, part = node.inputs[:2]
    idx, set = node.attrs
    if all(e == FULL for e in idx):
        return spread(part, node) if set else add.of(base, part)
    return base if known(part) == 0 and not set and sure(idx, base.type.shape) else None


@rule_on("write_into_thin", inc_subtensor, kind=exact, samples=lambda: [
    inc_subtensor.of(var("float64", 1, None), num(), num("int64"), idx=(0, "@")),
    inc_subtensor.of(var("float64", None, 1), num(), idx=(FULL, 0), set=True),
    inc_subtensor.of(var("float64", 1, None, 1), num(), vec("int64"), idx=(0, "#", FULL))])
def WRITE_INTO_THIN(node, pool):
    """An axis of length one is no matter to what is written at its only place."""
    base, idx = node.inputs[0], node.attrs[0]
    if node.inputs[1].type.ndim and "#" in idx:
        return None  # where the axes of the arrays stand depends on what is between them
    thin = tuple([k for k, d in enumerate(base.type.shape) if d == 1 and (
        idx[k] == 0 or idx[k] == FULL and not node.inputs[1].type.ndim)])
    if not thin:
        return None
    kept = tuple([e for k, e in enumerate(idx) if k not in thin])
    return unsqueeze.of(inc_subtensor.of(squeeze.of(base, axes=thin), *node.inputs[1:], idx=kept,
                                         set=node.attrs[1]), axes=thin)


@rule_on("read_of_write", subtensor, kind=rounding, samples=lambda: [
    inc_subtensor.of(var("float64", 3, None), vec(), idx=(0, FULL), set=True)[0],
    inc_subtensor.of(mat(), vec(), idx=(0, FULL))[0],
    inc_subtensor.of(var("float64", 3, None), num(), idx=(0, FULL), set=True)[0]])
def READ_OF_WRITE(node, pool):
    """What was written is read back."""
    written, idx = node.inputs[0], node.attrs[0]
    if written.op is not inc_subtensor or written.attrs[0] != idx:
        return None
    if written.inputs[2:] != node.inputs[1:]:
        return None
    base, part = written.inputs[:2]
    if written.attrs[1]:
        return spread(part, node) if sure(idx, base.type.shape) else None
    return add.of(subtensor.of(base, *node.inputs[1:], idx=idx), part)


def apart(read, write):
    """Whether two entries of an index on one axis evidently have no place in common: one ends where
    the other begins, or before.  Entries are as in an index, their scalars in place of ``"@"``."""
    for low, high in ((read, write), (write, read)):
        if not isinstance(high, Slice) or high.step is not None or high.stop is not None:
            continue
        start = high.start
        if isinstance(low, Slice):
            if low.start is not None or low.step is not None or low.stop is None:
                continue
            stop = low.stop
        elif isinstance(low, int) and low >= 0:
            stop = low + 1
        else:
            continue
        if stop is start:  # one and the same scalar
            return True
        if isinstance(stop, int) and isinstance(start, int) and 0 <= stop <= start:
            return True
    return False


def filled(idx, scalars):
    """An index with its scalars where ``"@"`` stands."""
    rest = iter(scalars)
    return [Slice(*[next(rest) if p == "@" else p for p in e]) if isinstance(e, Slice) else
            next(rest) if e == "@" else e for e in idx]


@rule_on("read_beside_write", subtensor, kind=exact, samples=lambda: [
    inc_subtensor.of(mat(), mat(), idx=(Slice(2), FULL))[:2],
    inc_subtensor.of(mat(), mat(), idx=(Slice(2), FULL))[1],
    given((mat(), mat(), num("int64")), lambda p: inc_subtensor.of(
        p[0], p[1], p[2], idx=(Slice(None, "@"), FULL))[p[2]:]),
    inc_subtensor.of(vec(), vec(), idx=(Slice(None, 1),))[1:]])
def READ_BESIDE_WRITE(node, pool):
    """What was written elsewhere does not matter."""
    written = node.inputs[0]
    if written.op is not inc_subtensor or not sure(written.attrs[0], written.type.shape):
        return None
    reads = filled(node.attrs[0], node.inputs[1:])
    writes = filled(written.attrs[0], written.inputs[2:])
    if not any(map(apart, reads, writes)):
        return None
    return pool.make(subtensor, (written.inputs[0], *node.inputs[1:]), node.attrs, node.origin,
                     node.type)


@rule_on("part_of_writes", subtensor, kind=exact, samples=lambda: [
    add.of(inc_subtensor.of(zeros_like(m), mat(), idx=(Slice(2), FULL)), m)[:2]
    for m in [mat()]])
def PART_OF_WRITES(node, pool):
    """A part of a sum, where one of the terms is zero but for what was written into it."""
    total = node.inputs[0]
    if total.op is not add or not any(
            i.op is inc_subtensor and zeros(i.inputs[0]) for i in total.inputs):
        return None
    if any(i.type.shape != total.type.shape for i in total.inputs):
        return None
    return add.of(*[pool.make(subtensor, (i, *node.inputs[1:]), node.attrs, node.origin)
                    for i in total.inputs])


@rule_on("write_over_write", inc_subtensor, kind=exact, samples=lambda: [
    inc_subtensor.of(inc_subtensor.of(mat(), num(), idx=(0, FULL)), vec(), idx=(0, FULL),
                     set=True)])
def WRITE_OVER_WRITE(node, pool):
    """What is written over need not be written."""
    first, idx = node.inputs[0], node.attrs[0]
    if first.op is not inc_subtensor or not node.attrs[1] or "#" in idx:
        return None
    if first.attrs[0] != idx or first.inputs[2:] != node.inputs[2:]:
        return None
    return pool.make(inc_subtensor, (first.inputs[0], *node.inputs[1:]), node.attrs, node.origin,
                     node.type)


RULES = (WHOLE, PART_OF_PART, PART_OF_TRANSPOSED, PART_OF_UNSQUEEZED, ALL_ROWS, JOIN_OF_JOINED,
         JOIN_OF_PARTS, PART_OF_JOINED, IDLE_WRITE, WRITE_INTO_THIN, READ_OF_WRITE,
         READ_BESIDE_WRITE, PART_OF_WRITES, WRITE_OVER_WRITE)
