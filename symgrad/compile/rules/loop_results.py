"""One loop in the course of its rewriting: each form says of a `Work` what becomes of the loop's
results, and here it is done."""

from __future__ import annotations

from symgrad.compile.rules.common import measure
from symgrad.node import CONST, Node, toposort
from symgrad.ops.draft import Mapped, Rows
from symgrad.ops.lengths import length
from symgrad.ops.scan import item, loop


class Work:
    """One loop in the course of its rewriting.

    results : for each result of the old loop what it is: a state or mapped value of the draft,
        ("written", state), a node outside, or None for the number of steps
    """

    def __init__(self, house, node, inputs):
        self.house, self.node, self.inputs = house, node, inputs
        self.d = d = house.enter(node.attrs[0], inputs)
        self.results = [*d.states, *d.maps, *[None] * (d.until is not None)]
        self.told, self.changed = {}, False
        self.finals, self.stacks = {}, {}  # what `after` needs: see `stack`
        self.later = {}  # a stand-in: the rows that are computed after the loop
        for r, t in zip(self.results, node.type.items, strict=True):
            if r is not None:
                if r.keep:
                    rows = house.span(d.n, r.depth if type(r) is Rows else 0)
                    house.unite(t, t.with_shape((rows, *t.shape[1:])), node)
                self.told[r] = house.settled(t)

    def note(self, name, new=None):
        self.changed = True
        self.house.note(name, self.node, new)

    def become(self, r, node):
        """A state or mapped value is from now on a node outside."""
        d = self.d
        self.results = [node if x is r else x for x in self.results]
        (d.states if r in d.states else d.maps).remove(r)

    def order(self):
        return toposort(self.house.outputs(self.d))

    def levels(self):
        """{node of the step: 0 if it is the same in all of them, 1 if it needs only sequences, 2 if
        it needs states}."""
        level = dict.fromkeys(self.d.seqs, 1)
        level.update(dict.fromkeys([v for s in self.d.states for v in s.reads], 2))
        for n in self.order():
            if n not in level:
                level[n] = max([level[i] for i in n.inputs], default=0)
        return level

    def outside(self):
        """{leaf: (operand, whether it has rows)} for what does not depend on states."""
        rows, n = self.house.rows, self.d.n
        origin = self.node.origin
        return {v: (rows(x, n, origin), True) for v, x in self.d.seqs.items()} | {
            v: (x, False) for v, x in self.d.fixed.items()}

    def fix(self, x, name=None):
        """A variable of the step for a node outside that is the same in all steps."""
        if x.op is CONST:
            return x
        for v, old in self.d.fixed.items():
            if old is x:
                return v
        v = self.house.leaf(x.type, name)
        self.d.fixed[v] = x
        return v

    def emit(self):
        """The nodes of the old loop's results."""
        house, d = self.house, self.d
        if not self.changed:
            whole = house.pool.make(loop, self.inputs, self.node.attrs, self.node.origin,
                                    house.settled(self.node.type))
            return [house.pool.make(item, (whole,), (k,), self.node.origin)
                    for k in range(len(whole.type.items))]
        made = self.made()
        return [house.written(made[r[1]], d.n, r[1].depth, d.reverse) if type(r) is tuple else
                r if isinstance(r, Node) else made[r] for r in self.results]

    def made(self):
        """{state, mapped value or None: its node}, of the finished loop."""
        d = self.d
        if not d.states and not d.maps and d.until is None:
            return {}
        found = self.house.leave(d, self.told, self.node.origin)
        return dict(zip([*d.states, *d.maps, None], found, strict=False))

    # -- what is computed after the loop

    def stack(self, x):
        """The rows of a step's value, for use after the loop: a node that stands for them until
        there is the loop."""
        house, d = self.house, self.d
        if x in d.seqs:
            return house.rows(d.seqs[x], d.n, self.node.origin)
        if x not in self.stacks:
            stands = house.leaf(x.type.with_shape((house.span(d.n), *x.type.shape)))
            self.stacks[x] = stands, self.source(x)
        return self.stacks[x][0]

    def stacked(self, x):
        """Whether the rows of a value are there without a new result, or asked for already."""
        return x in self.d.seqs or x in self.stacks or any([m.value is x for m in self.d.maps])

    def source(self, x):
        for s in self.d.states:
            if s.keep and x in s.reads:
                return s, s.taps[s.reads.index(x)]
        for m in self.d.maps:
            if m.value is x and m.keep:
                return m, None
        for s in self.d.states:
            if s.keep and s.next is x:
                return s, 0  # a tap of the rows that steps write
        m = Mapped(x)
        self.d.maps.append(m)
        return m, None

    def settle(self, made):
        """{stand-in: node} when the loop is there."""
        house, d, found = self.house, self.d, {}
        for stands, (r, tap) in self.stacks.values():
            found[stands] = made[r] if tap is None else house.read(
                made[r], d.n, r.depth, tap, d.reverse)
        for stands, rows in self.later.items():
            found[stands], = house.mapped([rows], found)
        return found


def measured(house, n, x):
    """The length of a loop's result, told by what the loop was given."""
    axis = n.attrs[0]
    d = house.pool.find(x.type.shape[axis])
    told = house.told.get(d)
    if told is not None and x.inputs:
        return house.steps(*told)
    if x.op is item:
        found = measure((d,), *x.inputs[0].inputs)
        if found is not None:
            return house.intern(found[0])
    return house.pool.make(length, (x,), n.attrs, n.origin)
