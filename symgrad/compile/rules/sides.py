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
from symgrad.compile.rules.switches import treed
from symgrad.node import CONST, Constant, toposort, variable
from symgrad.op import make
from symgrad.ops.body import Body
from symgrad.ops.branch import Told, branch
from symgrad.ops.ifelse import ifelse, needs
from symgrad.ops.lengths import length
from symgrad.ops.logic import where
from symgrad.ops.scan import item
from symgrad.ops.scan_grad import cheap
from symgrad.ops.shape import broadcast_to
from symgrad.types import Dim, Tuple, Type

KINDS = {"where": exact, "tree": exact}
DOCS = {"where": "both sides are there anyway, or cost next to nothing: no jump",
        "tree": "long chains of conditionals, each in the else of another, are trees",
        "branch": "what only one side needs is computed in it, behind a jump"}
FEW = 8  # operations on numbers that are done in any case rather than behind a jump


def run(outputs, pool, log, off=()):
    """`outputs` with a `branch` or a `where` in the place of every `ifelse`."""
    order = toposort(outputs)
    asked = needs(outputs, order)
    if asked is None:
        return outputs
    if "where" not in off:
        outputs = _chosen(outputs, order, asked, pool, log)
        order = toposort(outputs)
        asked = needs(outputs, order)
    if "tree" not in off:
        found = treed(outputs, order, pool, lambda i, n: n in asked and _free([i], asked[n], asked))
        if found is not outputs:
            changed = [p for p in zip(outputs, found, strict=True) if p[0] is not p[1]]
            log.note("tree", *changed[0])
            outputs, order = found, toposort(found)
            asked = needs(outputs, order)
    return outputs if asked is None else _Sides(outputs, order, asked, pool, log).run()


# -- conditionals that need no jump


def _chosen(outputs, order, asked, pool, log):
    light, new = set(), {}
    for n in order:
        inputs = tuple([new[i] for i in n.inputs])
        if n.op is ifelse and n in asked and _light(n, asked, light):
            light.add(n)
            new[n] = pool.make(where, inputs, (), n.origin, n.type, n.name)
            log.note("where", n, new[n])
        else:
            new[n] = n if inputs == n.inputs else pool.make(n.op, inputs, n.attrs, n.origin,
                                                            n.type, n.name)
    return [new[o] for o in outputs]


def _light(n, asked, light):
    """Whether both sides of a conditional are there anyway, but for a few numbers."""
    return all([i.type is n.type for i in n.inputs[1:]]) and _free(
        n.inputs[1:], asked[n], asked, light)


def _free(nodes, when, asked, light=()):
    """Whether values cost next to nothing where what is asked for `when` is there."""
    there, stack, few = set(when), list(nodes), 0
    while stack:
        i = stack.pop()
        if i.op.kind == "leaf" or there.issuperset(asked.get(i, (None,))):
            continue
        few += 1
        if few > FEW or i.type.ndim or i.op.kind == "view" or not (i in light or cheap(i)):
            return False
        if i.op is not length:
            stack += i.inputs
    return True


# -- the others


class _Sides:
    """A region: the whole graph, or what a side computes.  `new`: what each node that is computed
    there whatever the conditions are has become; `given`: what a branch has made in one of its
    sides and hands out, {node: result}; `assumed`: {condition: whether it holds here}; `done`:
    what branches have made inside so far; `operands`: what is there before."""

    def __init__(self, outputs, order, asked, pool, log, assumed=None, operands=()):
        self.outputs, self.order, self.pool, self.log = outputs, order, pool, log
        self.asked, self.given, self.assumed, self.done = asked, {}, assumed or {}, set()
        self.new = {n: n for n in operands}
        self.new.update([(c, pool.constant(np.asarray(t))) for c, t in self.assumed.items()])
        for n in asked:  # an op with several results is computed with them
            if n.op is item:
                asked[n] = asked[n.inputs[0]]
        self.users = {}
        for n in order:
            if n in asked:
                for i in dict.fromkeys(n.inputs):
                    self.users.setdefault(i, []).append(n)

    def run(self):
        """The outputs, with a `branch` and its results in place of conditionals."""
        level, groups, plain = {}, {}, {}  # level: how many conditionals are below one another
        for n in self.order:
            if n not in self.asked:
                continue
            level[n] = max([level[i] for i in _below(n, self.assumed) if i in level], default=0)
            if self.asked[n]:
                continue
            if n.op is ifelse and n.inputs[0] not in self.assumed:
                level[n] += 1
                groups.setdefault(level[n], {}).setdefault(n.inputs[0], []).append(n)
            else:
                plain.setdefault(level[n], []).append(n)
        for k in sorted({*groups, *plain}):
            for condition, group in groups.get(k, {}).items():
                self.branch(condition, group)
            for n in plain.get(k, ()):
                inputs = tuple([self.value(i) for i in _below(n, self.assumed)])
                self.new[n] = (n if inputs == n.inputs else inputs[0] if n.op is ifelse else
                               self.pool.make(n.op, inputs, n.attrs, n.origin, n.type, n.name))
        return [self.value(o) for o in self.outputs]

    def value(self, n):
        return self.new.get(n, self.given.get(n, n))

    def there(self, n):
        return n.op.kind == "leaf" or n in self.new or n in self.given

    def cone(self, targets, assumed):
        """What a side computes, operands first, and the operands."""
        inside, read, stack = {}, {}, [(t, False) for t in reversed(targets)]
        while stack:
            n, done = stack.pop()
            if done:
                inside[n] = None
                continue
            if n in inside:
                continue
            # a length is known by what it is the length of
            if self.there(n) and not (n.op is length and self.there(n.inputs[0])):
                if n.op is not CONST and n not in assumed:
                    read[n] = None
                continue
            stack.append((n, True))
            stack += [(i, False) for i in reversed(_below(n, assumed))]
        return inside, read

    def branch(self, condition, group):
        """The `branch` of conditionals on one condition."""
        pool, sides = self.pool, (True, False)
        assumed = {t: {**self.assumed, condition: t} for t in sides}
        targets = {t: [n.inputs[1 if t else 2] for n in group] for t in sides}
        cones = {t: self.cone(targets[t], assumed[t])[0] for t in sides}
        self.done.update(group, *cones.values())
        extra = {t: self.handed_out(cones[t], (condition, t)) for t in sides}
        results = {t: {n: k for k, n in enumerate(targets[t])} for t in sides}  # handed out anyway
        twice = {n: results[t][n] for t in sides for n in extra[t] if n in results[t]}
        extra = {t: [n for n in extra[t] if n not in twice] for t in sides}
        read = [n for t in sides for n in self.cone([*targets[t], *extra[t]], assumed[t])[1]]
        for t in sides:
            for n in extra[t]:
                targets[t].append(self.guarded(n, (condition, t), read))
                targets[not t].append(self.nothing(n.type, read))
        inside, operands = {}, {}
        for t in sides:
            inside[t], seen = self.cone(targets[t], assumed[t])
            operands.update(seen)
        bodies = []
        for t in sides:
            asked = {n: tuple([w for w in self.asked.get(n, ()) if w[0] is not condition])
                     for n in inside[t]}
            side = _Sides(targets[t], list(inside[t]), asked, pool, self.log, assumed[t], operands)
            bodies.append(_body(side.run(), operands))
        count = len(group)
        idle = (*[(1, count + j) for j in range(len(extra[True]))],
                *[(0, count + len(extra[True]) + j) for j in range(len(extra[False]))])
        made_of = [*group, *extra[True], *extra[False]]
        told = tuple([Told.of(n.type, operands) for n in made_of])
        inputs = (self.value(condition), *[self.value(n) for n in operands])
        made = pool.make(branch, inputs, (*bodies, told, idle), group[0].origin)
        self.log.note("branch", group[0], made)
        for k, n in enumerate(made_of):
            node = pool.make(item, (made,), (k,), n.origin, n.type, n.name)
            (self.new if k < count else self.given)[n] = node
        self.given.update({n: self.new[group[k]] for n, k in twice.items()})

    def handed_out(self, cone, side):
        """What a side computes that the same side of a later branch reads, but for what is made
        again at no cost."""
        found, later = {}, set()
        for n in reversed(cone):
            users = self.users.get(n, ())
            if side not in self.asked.get(n, ()) or not any(
                    [u in later or u not in self.done for u in users]):
                continue
            if n.type.__class__ is Tuple:
                found.update(dict.fromkeys(users))
            elif cheap(n) and n.op is not length:
                later.add(n)
            else:
                found[n] = None
        return [n for n in cone if n in found] + [n for n in found if n not in cone]

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


def _below(n, assumed):
    """What a node asks for; of a conditional, one side if its condition is `assumed`."""
    taken = assumed.get(n.inputs[0]) if n.op is ifelse else None
    return n.inputs if taken is None else (n.inputs[1 if taken else 2],)


def _body(outputs, operands):
    """One side as a graph over the operands."""
    new = {}
    for n in operands:
        shape = [d if isinstance(d, int) else None for d in n.type.shape]
        new[n] = variable(Type(n.type.dtype, tuple(shape)), n.name)
        new[n].origin = n.origin
    inputs = tuple(new.values())
    for n in toposort(outputs, stop=frozenset(operands)):
        if n.op is CONST:
            new[n] = Constant(CONST, (), n.attrs, n.type, n.origin, n.name)
        else:
            new[n] = make(n.op, tuple([new[i] for i in n.inputs]), n.attrs, n.origin)
            new[n].name = n.name
    return Body(inputs, [new[o] for o in outputs])


DECIDERS = {"where": ((_light, object), (_free, object)), "tree": ((treed, object),)}
