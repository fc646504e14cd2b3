"""Few steps, known how many: no loop."""

from __future__ import annotations

from symgrad.compile.rules.common import measure
from symgrad.node import CONST
from symgrad.ops.draft import Rows
from symgrad.ops.index import FULL, Slice, subtensor
from symgrad.ops.join import join
from symgrad.ops.shape import broadcast_to, unsqueeze

MOST_STEPS = 4
MOST_NODES = 200  # of all steps together


def unrolled(work):
    """The steps of a short loop one after the other."""
    d, house = work.d, work.house
    if "unroll" in house.off or d.n.op is not CONST or not (d.states or d.maps):
        return
    n = int(d.n.data)
    if not 0 <= n <= MOST_STEPS or d.until is not None and n > 1:
        return
    if n > 1 and n * len(work.order()) > MOST_NODES:
        return
    nothing = {}
    for m in d.maps if not n else ():
        sizes = measure(m.value.type.shape, *d.operands())
        if sizes is None:
            return
        nothing[m] = house.build(broadcast_to.of, house.zero(m.value.type.dtype),
                                 house.number(0), *sizes)
    order = -1 if d.reverse else 1  # a state's rows are listed as they are made
    rows = {s: [row(house, s.init, k) for k in range(s.depth)][::order] for s in d.states}
    rows.update((m, []) for m in d.maps)
    for t in range(n - 1, -1, -1) if d.reverse else range(n):
        now = {v: row(house, x, t) for v, x in d.seqs.items()} | d.fixed
        for s in d.states:
            now.update((v, rows[s][-k]) for v, k in zip(s.reads, s.taps, strict=True))
        made = house.mapped(house.outputs(d), now)
        for r, x in zip([*d.states, *d.maps], made, strict=False):
            if type(r) is Rows and house.settled(x.type).shape != house.settled(
                    rows[r][0].type).shape:
                return  # the loop will say that a state must keep its lengths
            rows[r].append(x) if not d.reverse or type(r) is Rows else rows[r].insert(0, x)
    for k, r in enumerate(work.results):
        if r is None:
            work.results[k] = house.number(n)
        elif type(r) is Rows or type(r) is tuple:
            s = r[1] if type(r) is tuple else r
            work.results[k] = whole(house, wanted(r, rows[s][::order], s.depth, d.reverse), s.init)
        elif r in rows:
            work.results[k] = nothing[r] if not n else whole(
                house, rows[r] if r.keep else rows[r][:1] if d.reverse else rows[r][-1:])
    d.states, d.maps, d.until = [], [], None
    work.note("unroll")


def wanted(r, rows, depth, reverse):
    """Of the rows of a state's buffer those that steps wrote, all, or the last ones."""
    if type(r) is tuple:
        return rows[:-depth] if reverse else rows[depth:]
    if r.keep:
        return rows
    return rows[:depth] if reverse else rows[-depth:]


def whole(house, rows, init=None):
    """Rows as one node; where there are none, none of `init`."""
    made = house.build(lambda: stacked(rows) if rows else init[:0])
    house.pieces[made] = rows
    return made


def stacked(rows):
    rows = [unsqueeze.of(x, axes=(0,)) for x in rows]
    return rows[0] if len(rows) == 1 else join.of(*rows, axis=0)


def row(house, x, k):
    """Row k of an operand."""
    if x in house.pieces:
        return house.pieces[x][k]
    return house.build(lambda: x[k])


def of_pieces(house, n, x):
    """An index into rows that are known one by one: `n` with x in place of its operand."""
    rows, (entry, *rest) = house.pieces[x], n.attrs[0]
    if entry == "@" or isinstance(entry, Slice) and "@" in entry:
        return None
    if isinstance(entry, Slice):
        kept = rows[slice(*entry)]
        if not kept or any([e != FULL for e in rest]):
            return None
        return whole(house, kept)
    if not -len(rows) <= entry < len(rows):
        return None
    scalars = n.inputs[1:]
    return house.build(lambda: subtensor.of(rows[entry], *scalars, idx=tuple(rest)))
