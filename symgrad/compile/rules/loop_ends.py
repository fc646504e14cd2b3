"""Operands whose rows are evidently all the same, or zero but for the one that is read first; and
states that never change."""

from __future__ import annotations

from functools import reduce

from symgrad.compile.rules.common import measure, zeros
from symgrad.compile.rules.loop_sink import thin
from symgrad.node import CONST
from symgrad.ops.index import FULL, Slice, slots, subtensor
from symgrad.ops.lengths import length
from symgrad.ops.logic import gt, where
from symgrad.ops.math import add
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import broadcast_to, squeeze, unsqueeze
from symgrad.ops.source import alloc

DEEP = 6  # how far down an operand is looked through

# -- rows that are all the same


def steady(work):
    """What does not change from step to step is fixed."""
    d, house = work.d, work.house
    if "steady" in house.off:
        return
    lengths_of_states(work)
    for s in list(d.states):
        if s.taps == (1,) and s.next is s.reads[0] and d.until is None:
            row = house.build(lambda s=s: s.init[0])
            work.become(s, house.stretched(row, d.n, 1) if s.keep else s.init)
            house.substitute(d, {s.reads[0]: work.fix(row, s.reads[0].name)})
            work.note("steady", row)
    for v, x in list(d.seqs.items()):
        found = same_rows(house, x)
        if found is not None and house.beyond(x.type.shape[0], d.n) == 0:
            del d.seqs[v]
            house.substitute(d, {v: inside(work, v, *found)})
            work.note("steady", found[0])


def same_rows(house, x, deep=DEEP):
    """(value, lengths) if all rows are the value, stretched to these lengths; else None."""
    if not deep:
        return None
    if x.op is broadcast_to or x.op is alloc:
        base = x.inputs[0]
        if base.type.ndim == x.type.ndim:
            if base.type.shape[0] != 1:
                return None
            base = house.pool.make(squeeze, (base,), ((0,),))
        return base, x.inputs[2:]
    if x.op is subtensor:
        return same_rows(house, x.inputs[0], deep - 1) if rows_only(x) else None
    if x.op.kind != "elementwise":
        return None
    values, sizes = [], None
    for i in x.inputs:
        if i.type.ndim < x.type.ndim:
            values.append(i)
            continue
        found = same_rows(house, i, deep - 1)
        if found is None:
            return None
        values.append(found[0])
        if i.type.shape[1:] == x.type.shape[1:]:
            sizes = found[1]
    if sizes is None:
        return None
    return house.pool.make(x.op, tuple(values), x.attrs, x.origin), sizes


def rows_only(x):
    """Whether an index takes a range of rows, each of them whole."""
    entry, *rest = x.attrs[0]
    return isinstance(entry, Slice) and entry.step is None and all([e == FULL for e in rest])


def inside(work, v, value, sizes):
    """A value stretched to lengths, as a node of the step in place of the variable v."""
    house, t = work.house, v.type
    if value.type.shape == t.shape:
        return work.fix(value, v.name)
    found = [told(work, d) for d in t.shape]
    if None in found:
        return work.fix(house.pool.make(broadcast_to, (value, *sizes), (), None, t), v.name)
    return house.pool.make(broadcast_to, (work.fix(value, v.name), *found), (), None, t)


def told(work, d):
    """A length as a node of the step, read off a sequence or a fixed operand; None if none has it.

    States are not read for their lengths, so that they may go.
    """
    found = measure((d,), *work.d.seqs, *work.d.fixed)
    return None if found is None else work.house.intern(found[0])


def lengths_of_states(work):
    """Have a step read lengths off other operands than its states."""
    d, house, new = work.d, work.house, {}
    inits = {v: s.init for s in d.states for v in s.reads}
    for n in work.order():
        if n.op is length and n.inputs[0] in inits:
            init = inits[n.inputs[0]]
            new[n] = told(work, n.inputs[0].type.shape[n.attrs[0]]) or house.pool.make(
                length, (work.fix(house.build(lambda x=init: x[0])),), n.attrs)
    if new:
        house.substitute(d, new)
        work.changed = True


# -- a row for the first step


def folded(work, reads):
    """What comes to a state in the first step only, and is added to it, belongs to how it begins.

    Such is the cotangent of a loop's last row.
    """
    d, house = work.d, work.house
    if "ends" in house.off or house.span(d.n) == 0:
        return
    for v, x in list(d.seqs.items()):
        if house.beyond(x.type.shape[0], d.n) != 0:
            continue
        ends, others = parts(house, x, d)
        if not ends:
            continue
        s, new = meeting(work, v)
        if s is None or reads.of(work, work.results.index(s)) is None:
            continue
        s.init = house.build(begun, s.init, [row(house, e) for e in ends], d.n)
        if not others:
            del d.seqs[v]
            house.substitute(d, new)
        else:
            d.seqs[v] = house.build(lambda others=others: reduce(add.of, others))
        work.note("ends", s.init)
        if others and "steady" not in house.off and (found := same_rows(house, d.seqs[v])):
            del d.seqs[v]
            house.substitute(d, {v: inside(work, v, *found)})


def begun(init, rows, n):
    """The first row of a state with more added to it, if there are any steps."""
    for r in rows:
        if n.op is not CONST:
            r = where.of(gt.of(n, 0), r, 0)
        r = unsqueeze.of(r, axes=(0,)) if r.type.ndim else r
        init = add.of(init, r)
    return init


def parts(house, x, d, deep=DEEP):
    """(what is written to the row read first, terms for the other rows) of a sum."""
    if zeros(x):
        return [], []
    if deep:
        if x.op is add and all([thin(i) == thin(x) for i in x.inputs]):
            found = [parts(house, i, d, deep - 1) for i in x.inputs]
            return found[0][0] + found[1][0], found[0][1] + found[1][1]
        if x.op is subtensor and rows_only(x) and not first_cut(x.attrs[0][0], d):
            ends, others = parts(house, x.inputs[0], d, deep - 1)
            if ends:
                return ends, [house.remade(x, (o, *x.inputs[1:])) for o in others]
        if x.op is inc_subtensor and first_read(house, x, d) and (
                not x.attrs[1] or zeros(x.inputs[0])):
            ends, others = parts(house, x.inputs[0], d, deep - 1)
            return [*ends, x], others
    return [], [x]


def first_cut(part, d):
    """Whether a range of rows may leave out the one that the first step reads."""
    return part.stop is not None if d.reverse else part.start


def first_read(house, x, d):
    """Whether a write goes to the row that the first step reads: the last one or the first."""
    k, length = x.attrs[0][0], x.type.shape[0]
    if isinstance(k, Slice):
        if k.step is not None or k.stop != (None if d.reverse else 1):
            return False
        k = k.start or 0
    if not d.reverse:
        return k == 0
    if k == "@":
        more = house.beyond(length, d.n)
        return more is not None and house.offset(x.inputs[2], d.n) == more - 1
    return k == -1 or isinstance(length, int) and k == length - 1


def row(house, x):
    """What a write puts into its row."""
    idx, y = x.attrs[0], x.inputs[1]
    rest, scalars = idx[1:], x.inputs[2 + len(slots(idx[:1])):]
    if isinstance(idx[0], Slice) and y.type.ndim:
        y = house.build(lambda: y[0])
    if all([e == FULL for e in rest]):
        return y
    base = broadcast_to.of(house.zero(x.type.dtype), *house.sizes(x.inputs[0])[1:])
    return house.build(lambda: inc_subtensor.of(base, y, *scalars, idx=rest))


def meeting(work, v):
    """(state, {node: what it is without v}) if a variable is read only where it is added to a
    state, which is read nowhere else; else (None, None)."""
    users = {}
    for n in work.order():
        for i in n.inputs:
            users.setdefault(i, []).append(n)
    for o in work.house.outputs(work.d):
        users.setdefault(o, []).append(None)

    def up(x):
        path = [x]
        while len(users.get(x, ())) == 1 and users[x][0] is not None and users[x][0].op is add:
            x = users[x][0]
            path.append(x)
        return path

    path = up(v)
    for s in work.d.states:
        if s.taps != (1,) or thin(s.reads[0]) != thin(v):
            continue
        if not set(path).isdisjoint(up(s.reads[0])):
            first = path[1]
            other = first.inputs[1] if first.inputs[0] is v else first.inputs[0]
            return s, {first: other}
    return None, None
