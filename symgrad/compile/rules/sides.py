"""The pass that brings together what is computed in each side of a conditional.

All conditionals on one condition that do not need one another become one `branch`.  What only one
of its sides asks for moves into the body of that side; conditionals in there move along as they
are, and are taken apart when the body is compiled.  What a side makes and the same side of a later
`branch` reads (a derivative does that) is one more result; the other side gives zeros in its
place, which nobody reads.  A conditional between values that are there anyway, or that cost next to
nothing, becomes a `where`.
"""

from __future__ import annotations

import numpy as np

from symgrad.compile.pattern import exact
from symgrad.node import CONST, Constant, constant, toposort, variable
from symgrad.op import make
from symgrad.ops.body import Body
from symgrad.ops.branch import branch
from symgrad.ops.ifelse import ifelse, needs
from symgrad.ops.lengths import length
from symgrad.ops.logic import where
from symgrad.ops.scan import item
from symgrad.ops.scan_grad import cheap
from symgrad.ops.shape import broadcast_to
from symgrad.types import Dim, Tuple, Type

KINDS = {"where": exact}
DOCS = {"where": "both sides are there anyway, or cost next to nothing: no jump",
        "branch": "what only one side needs is computed in it, behind a jump"}
FEW = 8  # operations on numbers that are done in any case rather than behind a jump


def run(outputs, pool, log, off=()):
    """`outputs` with a `branch` or a `where` in the place of every `ifelse`."""
    order = toposort(outputs)
    asked = needs(outputs, order)
    if asked is None:
        return outputs
    if "where" not in off:
        found = _chosen(outputs, order, asked, pool, log)
        if found is not outputs:
            outputs, order = found, toposort(found)
            asked = needs(outputs, order)
    return outputs if asked is None else _Sides(outputs, order, asked, pool, log).run()


# -- conditionals that need no jump


def _chosen(outputs, order, asked, pool, log):
    light = {}
    for n in order:
        if n.op is ifelse and asked.get(n) is not None and _light(n, asked, light):
            light[n] = True
    if not light:
        return outputs
    new = {}
    for n in order:
        inputs = tuple([new[i] for i in n.inputs])
        if n in light:
            new[n] = pool.make(where, inputs, (), n.origin, n.type, n.name)
            log.note("where", n, new[n])
        else:
            new[n] = n if inputs == n.inputs else pool.make(n.op, inputs, n.attrs, n.origin,
                                                            n.type, n.name)
    return [new[o] for o in outputs]


def _light(n, asked, light):
    """Whether both sides of a conditional are there anyway, but for a few numbers."""
    there, stack, few = set(asked[n]), list(n.inputs[1:]), 0
    if n.inputs[1].type is not n.type or n.inputs[2].type is not n.type:
        return False
    while stack:
        i = stack.pop()
        if i.op.kind == "leaf" or there.issuperset(asked.get(i, (None,))):
            continue
        few += 1
        if few > FEW or i.type.__class__ is Tuple or i.type.ndim or i.op.kind == "view" or not (
                i in light or cheap(i)):
            return False
        if i.op is not length:
            stack += i.inputs
    return True


# -- the others


class _Sides:
    """`new`: what each node outside of all branches has become; `given`: what a branch has made in
    one of its sides and hands out, {node: result}."""

    def __init__(self, outputs, order, asked, pool, log):
        self.outputs, self.order, self.pool, self.log = outputs, order, pool, log
        for n in order:  # an op with several results is computed with them
            if n.op is item and asked.get(n):
                asked[n] = asked[n.inputs[0]]
        self.asked = asked
        self.new, self.given = {}, {}
        self.users = {}
        for n in order:
            if n in asked:
                for i in dict.fromkeys(n.inputs):
                    self.users.setdefault(i, []).append(n)

    def run(self):
        level, groups, plain = {}, {}, {}
        for n in self.order:
            if n not in self.asked:
                continue
            level[n] = max([level.get(i, 0) for i in n.inputs], default=0)
            if self.asked[n]:
                continue
            if n.op is ifelse:
                level[n] += 1
                groups.setdefault(level[n], {}).setdefault(n.inputs[0], []).append(n)
            else:
                plain.setdefault(level[n], []).append(n)
        for k in range(max(level.values()) + 1):
            for condition, group in groups.get(k, {}).items():
                self.branch(condition, group)
            for n in plain.get(k, ()):
                inputs = tuple([self.new[i] for i in n.inputs])
                self.new[n] = n if inputs == n.inputs else self.pool.make(
                    n.op, inputs, n.attrs, n.origin, n.type, n.name)
        return [self.new[o] for o in self.outputs]

    def cone(self, targets, condition, taken):
        """What a side computes, operands first, and the operands; an inner conditional on the same
        condition asks for one of its sides only."""
        inside, read, stack = {}, {}, [(t, False) for t in reversed(targets)]
        while stack:
            n, done = stack.pop()
            if done:
                inside[n] = None
                continue
            if n in inside:
                continue
            there = n.op.kind == "leaf" or n in self.new or n in self.given
            if there and n.op is not length:  # a length is known by what it is the length of
                if n.op is not CONST and n is not condition:
                    read[n] = None
                continue
            stack.append((n, True))
            stack += [(i, False) for i in reversed(self.below(n, condition, taken))]
        return inside, read

    @staticmethod
    def below(n, condition, taken):
        same = n.op is ifelse and n.inputs[0] is condition
        return (n.inputs[1 if taken else 2],) if same else n.inputs

    def branch(self, condition, group):
        """The `branch` of conditionals on one condition."""
        pool, sides = self.pool, (True, False)
        targets = {t: [n.inputs[1 if t else 2] for n in group] for t in sides}
        cones = {t: self.cone(targets[t], condition, t)[0] for t in sides}
        extra = {t: self.handed_out(cones[t], (condition, t), group) for t in sides}
        results = {t: {n: k for k, n in enumerate(targets[t])} for t in sides}  # handed out anyway
        twice = {n: results[t][n] for t in sides for n in extra[t] if n in results[t]}
        extra = {t: [n for n in extra[t] if n not in twice] for t in sides}
        read = [n for t in sides for n in self.cone([*targets[t], *extra[t]], condition, t)[1]]
        for t in sides:
            for n in extra[t]:
                own = self.guarded(n, (condition, t), read)
                targets[t].append(own)
                targets[not t].append(self.nothing(n.type, read))
        inside, operands = {}, {}
        for t in sides:
            inside[t], seen = self.cone(targets[t], condition, t)
            operands.update(seen)
        bodies = [self.body(condition, t, targets[t], inside[t], operands) for t in sides]
        inputs = (self.new[condition], *[self.value(n) for n in operands])
        k = len(group)
        idle = (*[(1, k + j) for j in range(len(extra[True]))],
                *[(0, k + len(extra[True]) + j) for j in range(len(extra[False]))])
        made = pool.make(branch, inputs, (*bodies, idle), group[0].origin)
        self.log.note("branch", group[0], made)
        for k, n in enumerate([*group, *extra[True], *extra[False]]):
            node = pool.make(item, (made,), (k,), n.origin, n.type, n.name)
            (self.new if k < len(group) else self.given)[n] = node
        self.given.update({n: self.new[group[k]] for n, k in twice.items()})

    def value(self, n):
        return self.new.get(n, self.given.get(n, n))

    def handed_out(self, cone, side, group):
        """What a side computes that the same side of a later branch reads, but for what is made
        again at no cost."""
        found, later = [], set()
        for n in reversed(cone):
            mine = [u for u in self.users[n] if u not in later and u not in cone]
            needed = any([u in later for u in self.users[n]]) or any(
                [u not in group for u in mine])
            if not needed or side not in self.asked[n]:
                continue
            if n.type.__class__ is Tuple:
                found += [u for u in self.users[n] if u not in found]
            elif cheap(n) and n.op is not length:
                later.add(n)
            elif n not in found:
                found.append(n)
        return [n for n in cone if n in set(found)] + [n for n in found if n not in cone]

    def guarded(self, n, side, read):
        """A value to be handed out, only asked for where it is."""
        value = n
        for condition, taken in reversed(self.asked[n]):
            if (condition, taken) != side:
                both = value, self.nothing(n.type, read)
                value = self.pool.make(ifelse, (condition, *(both if taken else both[::-1])), (),
                                       n.origin, n.type)
        return value

    def nothing(self, type, read):
        """Something of a type that is not read."""
        pool, lengths = self.pool, []
        for d in type.shape:
            if isinstance(d, Dim):
                found = pool.home.get(d) or next(
                    ((i, k) for i in read for k, own in enumerate(i.type.shape) if own is d), None)
                lengths.append(pool.make(length, found[:1], found[1:]) if found else
                               pool.constant(np.asarray(0, "int64")))
            else:
                lengths.append(pool.constant(np.asarray(d, "int64")))
        zero = pool.constant(np.asarray(0, type.dtype))
        return pool.make(broadcast_to, (zero, *lengths)) if lengths else zero

    def body(self, condition, taken, targets, inside, operands):
        """One side as a graph over the operands."""
        new = {condition: constant(taken, dtype="bool")}
        inputs = []
        for n in operands:
            shape = [d if isinstance(d, int) else None for d in n.type.shape]
            new[n] = variable(Type(n.type.dtype, tuple(shape)), n.name)
            new[n].origin = n.origin
            inputs.append(new[n])

        def there(i):
            if i.op is CONST and i not in new:
                new[i] = Constant(CONST, (), i.attrs, i.type, i.origin, i.name)
            return new[i]

        for n in inside:
            below = self.below(n, condition, taken)
            if len(below) == 1 and n.op is ifelse:
                new[n] = there(below[0])
            elif n not in new:
                new[n] = make(n.op, tuple([there(i) for i in below]), n.attrs, n.origin)
                new[n].name = n.name
        return Body(inputs, [there(t) for t in targets])
