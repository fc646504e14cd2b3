"""A long chain of conditionals, each in the other side of the one before, as a tree.

The chain asks one condition after another, and would be as many bodies in one another.  If its
conditions are numbers that cost next to nothing, they are all computed, and the number of the first
that holds is looked for by halves: a thousand alternatives are ten jumps, ten bodies deep.

What an alternative made and its derivative reads is found by equal conditions.  So all chains that
begin alike get the tree of the longest, and where a condition of it is asked for otherwise, too,
or costs something where a shorter one is, they all stay as they are.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from symgrad.node import toposort
from symgrad.ops.ifelse import ifelse
from symgrad.ops.logic import lt, where

LONG = 12  # conditions of a chain that is worth it


def treed(outputs, order, pool, light):
    """`outputs` with trees in the place of long chains.  ``light(node, asker)``: whether a value
    costs nothing where `asker` is computed."""
    chains = _chains(outputs, order, light)
    # first condition -> conditions of its longest chain
    longest = {c[0]: c for c in sorted([c for c, _ in chains.values()], key=len)}
    good = {first: len(c) >= LONG for first, c in longest.items()}
    if True not in good.values():  # no chain has len(c) >= LONG
        return outputs
    behind = set()  # what reads a shorter one, which therefore cannot ask for it
    for n in order:
        c = chains[n][0] if n in chains else ()
        if c and len(c) < len(longest[c[0]]) or any([i in behind for i in n.inputs]):
            behind.add(n)
    asked = {}  # condition -> the first ones of chains that it is in
    for head, (conditions, _) in chains.items():
        first = conditions[0]
        like, more = longest[first][:len(conditions)], longest[first][len(conditions):]
        good[first] &= conditions == like and all([
            c not in behind and light(c, head) for c in more])
        for c in conditions:
            asked.setdefault(c, {})[first] = None
    for firsts in asked.values():
        if len(firsts) > 1:
            good.update(dict.fromkeys(firsts, False))
    trees = {head: (longest[c[0]], sides) for head, (c, sides) in chains.items() if good[c[0]]}
    return _rebuilt(outputs, pool, trees) if trees else outputs


def _chains(outputs, order, light):
    """{first conditional: (conditions, the value for each, and for none of them)}."""
    users = Counter([*outputs, *[i for n in order for i in n.inputs]])
    after, before = {}, set()
    for n in order:
        if n.op is ifelse:
            following = n.inputs[2]
            if following.op is ifelse and users[following] == 1 and light(following.inputs[0], n):
                after[n] = following
                before.add(following)
    found = {}
    for n in order:
        if n.op is not ifelse or n in before:
            continue
        conditions, sides, last = [n.inputs[0]], [n.inputs[1]], n
        while last in after:
            last = after[last]
            conditions.append(last.inputs[0])
            sides.append(last.inputs[1])
        found[n] = tuple(conditions), [*sides, last.inputs[2]]
    return found


def _rebuilt(outputs, pool, chains):
    new = {}
    asked = [c for conditions, _ in chains.values() for c in conditions]  # a shorter one asks more

    def number(k):
        return pool.constant(np.asarray(k, "int64"))

    def choice(which, sides, origin):
        """The tree of the values for each number."""
        level = [(k, s) for k, s in enumerate(sides)]  # (where it begins, value)
        while len(level) > 1:
            pairs, rest = zip(level[::2], level[1::2], strict=False), level[len(level) & ~1:]
            level = []
            for (low, a), (high, b) in pairs:
                level.append((low, a if a is b else pool.make(
                    ifelse, (pool.make(lt, (which, number(high)), ()), a, b), (), origin)))
            level += rest
        return level[0][1]

    for n in toposort([*asked, *outputs]):
        if n not in chains:
            inputs = tuple([new[i] for i in n.inputs])
            new[n] = n if inputs == n.inputs else pool.make(n.op, inputs, n.attrs, n.origin, n.type,
                                                            n.name)
            continue
        conditions, sides = chains[n]
        which = number(len(conditions))
        for k in range(len(conditions) - 1, -1, -1):
            which = pool.make(where, (new[conditions[k]], number(k), which), ())
        sides = [new[s] for s in sides]
        sides += sides[-1:] * (len(conditions) + 1 - len(sides))
        new[n] = choice(which, sides, n.origin)
    return [new[o] for o in outputs]

