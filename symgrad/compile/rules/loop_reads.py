"""What is read of loops' results, row by row where it can be told, and the graph in which other
nodes have taken their place."""

from __future__ import annotations

from typing import NamedTuple

from symgrad.node import CONST, Node
from symgrad.ops.draft import Rows
from symgrad.ops.index import FULL, Slice, subtensor
from symgrad.ops.lengths import length
from symgrad.ops.logic import ge, where
from symgrad.ops.scan import item
from symgrad.ops.shape import unsqueeze


class Read(NamedTuple):
    """One row that is read: row n + `row` of a buffer, or row `row` if the loop goes backwards;
    `least` steps are needed for there to be such a row, if any."""

    node: Node
    row: int
    least: int | None
    stop: int | None = None  # if it is several rows: the row behind them


class Span(NamedTuple):
    """Rows of a buffer: all that are at none of `lows` or behind, and before each of `highs`.

    A place is (number, whether counted from the number of steps).
    """

    lows: list
    highs: list

    @property
    def first(self):
        """The place that is evidently the last of `lows`; None if it depends."""
        return next((p for p in self.lows if all([steps(p, q) == 0 for q in self.lows])), None)

    @property
    def end(self):
        return next((p for p in self.highs if all([steps(q, p) == 0 for q in self.highs])), None)

    def least(self, p):
        """From how many steps on a row is one of these; None if more steps may be too many."""
        needed = [steps(p, q) for q in self.lows] + [
            steps(q, (p[0] + 1, p[1])) for q in self.highs]
        return None if None in needed else max(needed)


def steps(p, q):
    """From how many steps on a place does not come before another; None if more may be too
    many."""
    if p[1] == q[1]:
        return 0 if p[0] >= q[0] else None
    return max(q[0] - p[0], 0) if p[1] else None


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
        if node not in self.wanted:
            return []
        r, d = work.results[k], work.d
        if not r.keep:
            return None
        depth = r.depth if type(r) is Rows else 0
        count, fixed = d.n, None
        if d.until is not None:
            count = self.items[work.node].get(len(work.results) - 1, work.node)
        elif d.n.op is CONST:
            fixed = int(d.n.data)

        def last(place):
            """Which of the last rows a place is; None if it may be another."""
            number, counted = place
            if fixed is None:
                return number if counted != d.reverse else None
            return number if d.reverse else number - fixed

        ends = [] if d.until is not None else [
            (depth, True) if fixed is None else (depth + fixed, False)]
        found, stack = [], [(node, Span([(0, False)], ends))]
        while stack:
            x, span = stack.pop()
            if x in self.outputs:
                return None
            for u in self.users.get(x, ()):
                if u not in self.wanted:
                    continue
                part = u.op is subtensor and self.part(u, span, count, depth)
                if not part:
                    return None
                if type(part) is Span:
                    a, b = [p and last(p) for p in (part.first, part.end)]
                    if depth and a is not None and b is not None and 0 <= a <= b <= depth:
                        found.append(Read(u, a, None, b))
                    else:
                        stack.append((u, part))
                    continue
                row, least = last(part), span.least(part)
                if row is None or least is None:
                    return None
                row += not depth and not d.reverse
                if not 0 <= row < max(depth, 1):
                    return None
                found.append(Read(u, row, least if depth or least > 1 else 0))
        return found

    def part(self, u, span, count, depth):
        """The row, or the `Span`, to which an index of rows leads; None if that is not evident."""
        entry, scalars, first = u.attrs[0][0], list(u.inputs[1:]), span.first

        def at(e):
            if e == "@":
                c = self.house.offset(scalars.pop(0), count)
                if c is None or first is None or first[1] or count.op is CONST:
                    return None
                behind = c >= 0 or c == -1 and first[0] == depth  # else it may count from the end
                return (first[0] + c, True) if behind else None
            base = first if e >= 0 else span.end
            return None if base is None else (base[0] + e, base[1])

        if not isinstance(entry, Slice):
            return at(entry)
        if entry.step is not None:
            return None
        lows, highs = [[] if e is None else [at(e)] for e in entry[:2]]
        return None if None in lows + highs else Span(span.lows + lows, span.highs + highs)

    def guarded(self, work, read):
        """The index of a row, out of range where there are too few steps."""
        n = work.d.n if work.d.until is None else self.items[work.node][len(work.results) - 1]
        return n if read.least else None

    def row(self, work, rows, read):
        """The read of these rows, which are all that is left of a result."""
        idx = read.node.attrs[0]
        first = (idx[0] == "@") + (list(idx[0]).count("@") if isinstance(idx[0], Slice) else 0)
        rest = read.node.inputs[1 + first:]
        if read.stop is not None:
            part = Slice(read.row, read.stop)
            return self.house.build(lambda: subtensor.of(rows, *rest, idx=(part, *idx[1:])))
        n, number = self.guarded(work, read), self.house.number
        if n is None and rows.op is unsqueeze:
            rows, idx = rows.inputs[0], idx[1:]
            if all([e == FULL for e in idx]):
                return rows
            return self.house.build(lambda: subtensor.of(rows, *rest, idx=idx))
        if n is None:
            return self.house.build(lambda: subtensor.of(rows, *rest, idx=(read.row, *idx[1:])))
        return self.house.build(lambda: subtensor.of(
            rows, where.of(ge.of(n, number(read.least)), number(read.row), length.of(rows, axis=0)),
            *rest, idx=("@", *idx[1:])))

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
            if r in work.finals:
                reads, rows = work.finals[r]
                rows = made[r] if rows is None else self.house.mapped([rows], stands)[0]
                for read in reads:
                    new[read.node] = self.row(work, rows, read)
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
