"""What becomes of a loop's results: each form says it of a `Work`, and here it is done.

`Reads` knows what is read of results, row by row where it can tell.
"""

from __future__ import annotations

from typing import NamedTuple

from symgrad.compile.rules.common import measure
from symgrad.node import CONST, Node, toposort
from symgrad.ops.draft import Mapped, Rows
from symgrad.ops.index import FULL, Slice, subtensor
from symgrad.ops.lengths import length
from symgrad.ops.logic import ge, where
from symgrad.ops.scan import item, loop
from symgrad.ops.shape import unsqueeze
from symgrad.types import Tuple


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
        for r, t in zip(self.results, node.type.items, strict=True):
            if r is not None:
                if r.keep:
                    rows = house.span(d.n, r.depth if type(r) is Rows else 0)
                    house.unite(t, t.with_shape((rows, *t.shape[1:])), node)
                self.told[r] = house.settled(t)

    def note(self, name, new=None):
        self.changed = True
        self.house.note(name, self.node, new)

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
        return {v: (rows(x, n), True) for v, x in self.d.seqs.items()} | {
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
            types = tuple([self.told.get(r) or t for r, t in
                           zip(self.results, self.node.type.items, strict=True)])
            whole = house.pool.make(loop, self.inputs, self.node.attrs, self.node.origin,
                                    Tuple(types))
            return [house.pool.make(item, (whole,), (k,), self.node.origin)
                    for k in range(len(types))]
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
            return house.rows(d.seqs[x], d.n)
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
            if s.keep and s.next is x and x.inputs:
                return s, 0
        m = Mapped(x)
        self.d.maps.append(m)
        return m, None

    def settle(self, made):
        """{stand-in: node} when the loop is there."""
        house, d, found = self.house, self.d, {}
        for stands, (r, tap) in self.stacks.values():
            if tap is None:
                found[stands] = made[r]
            elif tap:
                found[stands] = house.read(made[r], d.n, r.depth, tap, d.reverse)
            else:
                found[stands] = house.written(made[r], d.n, r.depth, d.reverse)
        return found


class Read(NamedTuple):
    """One row that is read: row n + `row` of a buffer, or row `row` if the loop goes backwards;
    `least` steps are needed for there to be such a row."""

    node: Node
    row: int
    least: int


UNKNOWN = (None, True)  # the place of a row that is not known


class Reads:
    """What is needed of a graph, users first, and what parts of it become."""

    def __init__(self, house, order, outputs):
        self.house, self.order = house, order
        self.place = {n: k for k, n in enumerate(order)}
        self.now = len(order)
        self.wanted, self.becomes = set(), {}
        self.users, self.items = {}, {}
        for n in order:
            if n.op is item:
                self.items.setdefault(n.inputs[0], {})[n.attrs[0]] = n
            for i in n.inputs:
                self.users.setdefault(i, []).append(n)
        self.outputs = set(outputs)
        self.need(outputs)

    def needed(self, n):
        """Whether a node is needed; it is now the turn of those before it."""
        self.now = self.place[n]
        return n in self.wanted

    def need(self, nodes):
        stack = list(nodes)
        while stack:
            x = stack.pop()
            if x not in self.wanted:
                self.wanted.add(x)
                if self.place.get(x, self.now) >= self.now:  # its turn has been, or it is new
                    stack.extend(x.inputs)

    def of(self, work, k):
        """What is read of the k-th result: a list of `Read`s, or None if it is needed whole."""
        node = self.items.get(work.node, {}).get(k)
        if node is None or node not in self.wanted:
            return []
        r, d = work.results[k], work.d
        if r is None or not r.keep:
            return None
        depth = r.depth if type(r) is Rows else 0
        count = d.n
        if d.until is not None:
            count = self.items[work.node].get(len(work.results) - 1, work.node)
        end = (depth, True) if d.until is None else UNKNOWN
        found, stack = [], [(node, (0, False), end)]
        while stack:
            x, low, high = stack.pop()
            if x in self.outputs:
                return None
            for u in self.users.get(x, ()):
                if u not in self.wanted:
                    continue
                part = u.op is subtensor and u.inputs[0] is x and self.part(u, low, high, count)
                if not part:
                    return None
                if type(part) is list:
                    stack.append((u, *part))
                    continue
                read = self.read(u, part, low, high, d, depth)
                if read is None:
                    return None
                found.append(read)
        return found

    def part(self, u, low, high, count):
        """Where an index of rows from `low` to `high` leads: the row, or a list of two; None if
        that is not evident.  A place is (number, whether counted from the number of steps)."""
        entry, scalars = u.attrs[0][0], list(u.inputs[1:])

        def at(e, default, forward=True):
            if e is None:
                return default
            if e == "@":
                c = self.house.offset(scalars.pop(0), count)
                return None if c is None or low[1] else (low[0] + c, True)
            base = low if e >= 0 else high
            return None if base is UNKNOWN else (base[0] + e, base[1])

        if not isinstance(entry, Slice):
            return at(entry, None)
        if entry.step is not None:
            return None
        ends = [at(entry.start, low), at(entry.stop, high)]
        return None if None in ends else ends

    def read(self, u, row, low, high, d, depth):
        """A `Read`, if the row is one of the last that steps made."""
        fixed = int(d.n.data) if d.n.op is CONST and d.until is None else None
        (r, counted), last = row, max(depth, 1)
        if d.reverse:
            if counted:
                if fixed is None:
                    return None
                r += fixed
            if not 0 <= r < last or d.until is not None:
                return None
            return Read(u, r, max(0, r + 1 - high[0]) if high[1] and depth else 0)
        if not counted:
            if fixed is None:
                return None
            r -= fixed
        r += not depth
        if not 0 <= r < last:
            return None
        return Read(u, r, 0 if low[1] or fixed is not None or not depth else max(0, low[0] - r))

    def guarded(self, work, read):
        """The index of a row, out of range where there are too few steps."""
        n = work.d.n if work.d.until is None else self.items[work.node][len(work.results) - 1]
        if not read.least or n.op is CONST and int(n.data) >= read.least:
            return None
        return n

    def row(self, work, rows, read, k=None):
        """The read of these rows, which are all that is left of a result."""
        idx = read.node.attrs[0]
        rest = [i for i in read.node.inputs[1 + (idx[0] == "@"):]]
        n, number = self.guarded(work, read), self.house.number
        at = read.row if k is None else k
        if n is None and rows.op is unsqueeze:
            rows, idx = rows.inputs[0], idx[1:]
            if all([e == FULL for e in idx]):
                return rows
            return self.house.build(lambda: subtensor.of(rows, *rest, idx=idx))
        if n is None:
            return self.house.build(lambda: subtensor.of(rows, *rest, idx=(at, *idx[1:])))
        beyond = number(rows.type.shape[0])
        return self.house.build(lambda: subtensor.of(
            rows, where.of(ge.of(n, number(read.least)), number(at), beyond), *rest,
            idx=("@", *idx[1:])))

    # -- the new graph

    def replace(self, node, work):
        """Have users of an old loop read the new one."""
        if not work.changed:
            self.need(node.inputs)
            return
        made = work.made()
        stands = work.settle(made)
        new = {}
        for k, old in self.items.get(node, {}).items():
            r = work.results[k]
            if old not in self.wanted:
                continue
            if r in work.finals:
                reads, rows = work.finals[r]
                rows = made[r] if rows is None else self.house.mapped([rows], stands)[0]
                shift = -1 if type(r) is Mapped and not work.d.reverse else None
                for read in reads:
                    new[read.node] = self.row(work, rows, read, shift)
            elif isinstance(r, Node):
                new[old] = self.house.mapped([r], stands)[0]
            elif r in made:
                new[old] = made[r]
        self.becomes.update({a: b for a, b in new.items() if a is not b})
        self.need(new.values())

    def rebuilt(self, outputs):
        """The graph with nodes in place of what they become."""
        house, done, stack = self.house, {}, list(outputs)
        while stack:
            n = stack[-1]
            if n in done:
                stack.pop()
                continue
            target = self.becomes.get(n)
            waiting = [i for i in (n.inputs if target is None else (target,)) if i not in done]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            if target is not None:
                done[n] = done[target]
                house.unite(n.type, done[n].type, done[n])
            else:
                inputs = tuple([done[i] for i in n.inputs])
                done[n] = house.remade(n, inputs) if inputs else n
        return [done[o] for o in outputs]


def measured(house, n, x):
    """The length of a loop's result, told by what the loop was given."""
    axis = n.attrs[0]
    d = house.pool.find(x.type.shape[axis])
    told = house.told.get(d)
    if told is not None and x.inputs:
        return house.steps(*told)
    if x.op is item and axis:
        found = measure((d,), *x.inputs[0].inputs)
        if found is not None:
            return house.intern(found[0])
    return house.pool.make(length, (x,), n.attrs, n.origin)
