"""Loops over the same steps become one, and what is in a loop twice is there once.

The forward loop of a gradient is the most common case: there it is with more mapped values.  This
is done before sums and products are collected, which depends on who reads them: afterwards equal
steps may look different.
"""

from __future__ import annotations

import itertools

from symgrad.compile.pattern import exact
from symgrad.compile.rules.loop_results import Work
from symgrad.compile.rules.loop_work import House
from symgrad.node import CONST, toposort
from symgrad.ops.scan import item, loop

KINDS = {"merge": exact}
DOCS = {"merge": "loops over the same steps are one"}
ROUNDS = 8  # how often classes of states are told apart before they are all taken for different


def run(outputs, pool, log, off=()):
    """The pass `merge`."""
    return merged(House(pool, log, frozenset(off)), outputs)


def several(outputs):
    """Whether there are loops over the same steps."""
    steps = [n.inputs[0] for n in toposort(outputs) if n.op is loop]
    return len(set(steps)) < len(steps)


def merged(house, outputs):
    """The graph with loops merged that have the same number of steps and something in common.

    Of two loops as deep in the graph, counted in loops, neither is below the other, and no merging
    of others changes that.
    """
    if "merge" in house.off:
        return outputs
    depth = {}
    for n in toposort(outputs):
        depth[n] = max([depth[i] for i in n.inputs], default=0) + (n.op is loop)
    order = sorted(depth, key=lambda n: (depth[n], n.op is not loop))
    new = {}
    for loops, members in itertools.groupby(order, lambda n: n.op is loop):
        if loops:
            together(house, list(members), new)
            continue
        for n in members:
            inputs = tuple([new[i] for i in n.inputs])
            if n.op is item and type(inputs[0]) is list:
                new[n] = inputs[0][n.attrs[0]]
                house.unite(n.type, new[n].type, new[n])
            else:
                new[n] = house.remade(n, inputs) if inputs else n
    return [new[o] for o in outputs]


def together(house, loops, new):
    """Merge loops of one depth, by group; what others become is remade as any node."""
    groups = {}
    for n in loops:
        inputs = tuple([new[i] for i in n.inputs])
        new[n] = house.remade(n, inputs)
        body = n.attrs[0]
        groups.setdefault((inputs[0], body.reverse, body.until, body.save), []).append(n)
    for members in groups.values():
        for part in connected(members, new):
            if len(part) > 1:
                merge(house, [(n, new[n]) for n in part], new)


def connected(members, new):
    """The loops in parts that have something in common: all operands, or a sequence or a fixed
    operand that is more than a number.  Others gain nothing from each other, and take each other's
    cache."""
    owner, part = {}, {n: n for n in members}

    def find(n):
        while part[n] is not n:
            n = part[n]
        return n

    for n in members:
        body, inputs = n.attrs[0], new[n].inputs[1:]
        states = body.seqs + len(body.states)
        for k, x in enumerate(inputs):
            if body.seqs <= k < states or not x.type.ndim or x.op is CONST:
                continue
            part[find(owner.setdefault(x, n))] = find(n)
        part[find(owner.setdefault(inputs, n))] = find(n)
    groups = {}
    for n in members:
        groups.setdefault(find(n), []).append(n)
    return groups.values()


def merge(house, pairs, new):
    """One loop for several: `pairs` of the old node and it over its new operands."""
    first, *others = [Work(house, now, now.inputs) for _, now in pairs]
    d = first.d
    ends = [w.d.until for w in (first, *others)]
    for w in others:
        d.seqs.update(w.d.seqs)
        d.states += w.d.states
        d.fixed.update(w.d.fixed)
        d.maps += w.d.maps
        first.results += w.results
        first.told.update(w.told)
    if d.until is not None and not one_end(house, d, ends):
        return
    first.note("merge", pairs[0][1])
    share(first)
    made, at = first.emit(), 0
    for old, _ in pairs:
        count = len(old.type.items)
        new[old] = made[at:at + count]
        at += count


def one_end(house, d, ends):
    """Whether until-loops stop at the same step: taken together, their conditions are equal."""
    same = shared(d)
    same.update(equal_states(house, d, same)[0])
    return len(set(house.mapped(ends, same))) == 1


# -- what is there twice


def duplicates(work):
    """Operands, states and mapped values that are there twice."""
    if "duplicates" not in work.house.off and share(work):
        work.note("duplicates")


def shared(d):
    """{variable: another that stands for it} for operands that are the same node."""
    same = {}
    for group in (d.seqs, d.fixed):
        first = {}
        for v, x in group.items():
            if first.setdefault(x, v) is not v:
                same[v] = first[x]
    return same


def share(work):
    """Keep one of each; whether there was anything twice."""
    d, house = work.d, work.house
    same = shared(d)
    more, instead = equal_states(house, d, same)
    same.update(more)
    house.substitute(d, same)
    d.seqs = {v: x for v, x in d.seqs.items() if v not in same}
    d.fixed = {v: x for v, x in d.fixed.items() if v not in same}
    d.states = [s for s in d.states if s not in instead]
    rows = {}
    for s in d.states:
        if s.keep and s.next.inputs:
            rows.setdefault(s.next, ("written", s))
    maps = []
    for m in d.maps:
        if m.keep and m.value in rows:
            instead[m] = rows[m.value]
        else:
            maps.append(m)
            if m.keep:
                rows[m.value] = m
    d.maps = maps
    work.results = [instead.get(r, r) for r in work.results]
    return bool(same or instead)


def equal_states(house, d, same):
    """({variable: one that stands for it}, {state: the equal one}): states that begin alike are
    taken for equal until they are seen to differ."""
    classes = {}
    for s in d.states:
        classes.setdefault((s.init, s.taps, s.keep), []).append(s)
    groups = list(classes.values())
    for _ in range(ROUNDS):
        trial = dict(same)
        for g in groups:
            for s in g[1:]:
                trial.update(zip(s.reads, g[0].reads, strict=True))
        states = [s for g in groups for s in g]
        nexts = dict(zip(states, house.mapped([s.next for s in states], trial), strict=True))
        finer = []
        for g in groups:
            parts = {}
            for s in g:
                parts.setdefault(nexts[s], []).append(s)
            finer += parts.values()
        if finer == groups:
            break
        groups = finer
    else:
        groups = []
    variables, instead = {}, {}
    for g in groups:
        for s in g[1:]:
            variables.update(zip(s.reads, g[0].reads, strict=True))
            instead[s] = g[0]
    return variables, instead


DECIDERS = {"merge": ((merge, object),)}
