"""What is read of loops' results, row by row where it can be told, and the graph in which other
nodes have taken their place."""

from __future__ import annotations

from typing import NamedTuple

from symgrad.node import CONST, Node
from symgrad.ops.draft import Mapped, Rows
from symgrad.ops.index import FULL, Slice, subtensor
from symgrad.ops.logic import ge, where
from symgrad.ops.scan import item
from symgrad.ops.shape import unsqueeze


class Read(NamedTuple):
    """One row that is read: row n + `row` of a buffer, or row `row` if the loop goes backwards;
    `least` steps are needed for there to be such a row."""

    node: Node
    row: int
    least: int
    stop: int | None = None  # if it is several rows: the row behind them


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
                    rows = self.several(part, low, high, d, depth)
                    if rows is None:
                        stack.append((u, *part))
                    else:
                        found.append(Read(u, rows[0], 0, rows[1]))
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

        def at(e, default):
            if e is None:
                return default
            if e == "@":
                c = self.house.offset(scalars.pop(0), count)
                return None if c is None or low[1] else (low[0] + c, True)
            base = low if e >= 0 else high
            short = base is low and low[1] and low[0] < 0  # it may begin later
            return None if base is UNKNOWN or short else (base[0] + e, base[1])

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

    @staticmethod
    def several(part, low, high, d, depth):
        """Rows ``(a, b)`` that are evidently among the last of a state, if rows from `low` to
        `high` are cut to `part`; else None."""
        fixed = int(d.n.data) if d.n.op is CONST and d.until is None else 0
        (a, counted), (b, to_end) = part
        if b is None or not depth or d.reverse and d.until is not None:
            return None
        if d.reverse:
            a, b = a + fixed * counted, b + fixed * to_end
            beyond = high[0] + fixed if high[1] else high[0]
            known = fixed or not (counted or to_end)
            return (a, b) if known and 0 <= a <= b <= min(depth, beyond) else None
        a, b = a - fixed * (not counted), b - fixed * (not to_end)
        least = low[0] - fixed * (not low[1])
        known = fixed or counted and to_end
        return (a, b) if known and max(least, 0) <= a <= b <= depth else None

    def guarded(self, work, read):
        """The index of a row, out of range where there are too few steps."""
        n = work.d.n if work.d.until is None else self.items[work.node][len(work.results) - 1]
        if not read.least or n.op is CONST and int(n.data) >= read.least:
            return None
        return n

    def row(self, work, rows, read, k=None):
        """The read of these rows, which are all that is left of a result."""
        idx = read.node.attrs[0]
        first = (idx[0] == "@") + (list(idx[0]).count("@") if isinstance(idx[0], Slice) else 0)
        rest = read.node.inputs[1 + first:]
        if read.stop is not None:
            part = Slice(read.row or None, None if read.stop == rows.type.shape[0] else read.stop)
            return self.house.build(lambda: subtensor.of(rows, *rest, idx=(part, *idx[1:])))
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
