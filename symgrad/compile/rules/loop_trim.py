"""What nobody reads is left out of loops; and what only results need is computed after them, if it
is a product: for all steps at once."""

from __future__ import annotations

from symgrad.compile.rules.loop_batch import Batch
from symgrad.compile.rules.loop_hoist import heavy
from symgrad.compile.rules.loop_work import prune
from symgrad.node import toposort
from symgrad.types import Tuple


def used(work, reads):
    """{state or mapped value: what is read of it}: a list of `Read`s, or None for all of it."""
    found = {}
    for k, r in enumerate(work.results):
        if r in work.d.states or r in work.d.maps:
            what = reads.of(work, k)
            if what != []:
                found[r] = what
    found.update([(r, None) for _, (r, _) in work.stacks.values()])
    return found


def alive(d, wanted):
    """The states that these results need, in their order."""
    owner = {v: s for s in d.states for v in s.reads}
    roots = [s.next for s in d.states if s in wanted] + [m.value for m in d.maps if m in wanted]
    roots += [] if d.until is None else [d.until]
    seen = set()
    while roots:
        order = toposort(roots, stop=seen)
        seen.update(order)
        roots = [owner[n].next for n in order if n in owner]
    return [s for s in d.states if s in wanted or seen.intersection(s.reads)]


def trimmed(work, reads):
    """Results, states and operands that nobody needs, and rows but the last."""
    d = work.d
    if "trim" in work.house.off:
        return
    wanted = used(work, reads)
    states = alive(d, wanted)
    maps = [m for m in d.maps if m in wanted]
    less = len(states) + len(maps) < len(d.states) + len(d.maps)
    d.states, d.maps = states, maps
    less |= prune(d)
    for r in [*states, *maps]:
        what = wanted.get(r, [])
        if what is not None and r.keep:
            r.keep, less = False, True
            work.told.pop(r, None)
            work.finals.setdefault(r, (what, None))
    if less:
        work.note("trim")


def postponed(work, reads):
    """Mapped values that no state needs and that take a product are computed after the loop from
    rows of what they are made of."""
    d, house = work.d, work.house
    if "sink" in house.off or d.until is not None or not d.save:
        return
    wanted = used(work, reads)
    asked = {r: x for x, (_, (r, _)) in work.stacks.items()}
    later = [m for m in d.maps if m in wanted and wanted[m] is None]
    if not later:
        return
    inside = set(toposort([*[s.next for s in alive(d, wanted)],
                           *[m.value for m in d.maps if m in wanted and m not in later]]))
    level = work.levels()
    for m in later:
        own = toposort([m.value], stop=frozenset(inside))
        if not any([level[n] and heavy(n, level) for n in own]):
            continue
        edge = dict.fromkeys([i for n in own for i in n.inputs if level[i] and (
            i in inside or not i.inputs)])
        if sum([not ready(work, i) for i in edge]) > 1 or any([type(i.type) is Tuple
                                                               for i in edge]):
            continue
        stands = {i: house.leaf(i.type.with_shape((house.span(d.n), *i.type.shape)))
                  for i in edge}
        given = {v: (x, False) for v, x in d.fixed.items()}
        given |= {i: (x, True) for i, x in stands.items()}
        found = Batch(house, d.n, given)(m.value)
        if found is None or not found[1]:
            continue
        rows, = house.mapped([found[0]], {x: work.stack(i) for i, x in stands.items()})
        if m in asked:
            stand, _ = work.stacks.pop(asked[m])
            work.later[stand] = rows
        work.become(m, rows)
        work.note("sink", rows)


def ready(work, x):
    """Whether the rows of a value are there after the loop without a new result."""
    states = [s for s in work.d.states if s.keep]
    return work.stacked(x) or any([x in s.reads or s.next is x for s in states])

