"""Branches of a plan, in machine code: a jump around the steps of either side's own plan.

Both sides write into one place where the lengths of a result are known before; else the side that
is run makes an array for it, and where that is and how long is known behind the jump.  Memory that
steps of a side need is a room of the outer arena, which both sides may use.
"""

from __future__ import annotations

from symgrad.compile.backends.llvm.repeat import Repeated
from symgrad.compile.backends.llvm.values import Value
from symgrad.types import BYTES


class Fork:
    """The two sides of a branch, `then` and `other`.  `buffers`: what memory they need; `rooms`:
    for each side the number of the buffer of each of its slots."""

    def __init__(self, sides):
        self.sides, self.buffers, self.rooms = sides, [], []
        for side in sides:
            free = list(range(len(self.buffers)))
            mine = []
            for room in side.slots():
                k = next((k for k in free if self.same(self.buffers[k], room)), None)
                if k is None:
                    k = len(self.buffers)
                    self.buffers.append(room)
                else:
                    free.remove(k)
                mine.append(k)
            self.rooms.append(mine)

    @staticmethod
    def same(a, b):
        return BYTES[a.dtype] == BYTES[b.dtype] and a.lengths == b.lengths


class Chosen:
    """One branch on its way into a driver's function."""

    deliver, move = Repeated.deliver, Repeated.move

    def __init__(self, driver, p, operands, addresses):
        self.d, self.w, self.node = driver, driver.w, p.step.body[0]
        self.fork, self.operands, self.addresses = p.inner, operands, addresses
        self.items = {i.attrs[0]: i for i in p.step.outputs}
        self.inner = None

    def write(self):
        d, w = self.d, self.w
        known = {k: d.home(i) for k, i in self.items.items() if all(
            isinstance(n, int) or n in d.lengths.of for n in i.type.shape)}
        late = {k: d.reserve(i, i.type.dtype, i.type.ndim) for k, i in self.items.items()
                if k not in known}
        flag = d.integer(self.node.inputs[0])
        labels = [w.label(word) for word in ("then", "other")]
        after = w.label("after")
        w.branch(w.let(f"icmp ne i64 {flag}, 0"), *labels)
        ends = []
        for side, label in enumerate(labels):
            w.block(label)
            found = self.side(side, known, late)
            ends.append((w.at, found))
            w.jump(after)
        w.block(after)
        met = {k: self.meet(k, ends) for k in late}
        for k, i in self.items.items():
            d.values[i] = known[k] if k in known else Value(
                met[k][0], i.type.dtype, d.lengths.dense(met[k][1]), met[k][1])
            d.bind(i, d.values[i].lengths)

    def side(self, side, known, late):
        """The steps of one side; {number of a result: what it made} for `late` results."""
        inner = self.inner = self.fork.sides[side]
        idle = () if self.d.complete else [k for s, k in self.node.attrs[3] if s == side]
        slots = [self.addresses[k] for k in self.fork.rooms[side]]
        inner.enter(self.d, self.operands, slots)
        targets = []
        for k, root in enumerate(inner.roots):
            target = known.get(k) if k not in idle else None
            targets.append(target)
            if target is not None:
                inner.targets.setdefault(root, target)
        for k, root in enumerate(inner.roots):
            if k in late and root not in inner.targets:  # which is where it is made, else
                inner.numbers.setdefault(root, late[k])
        for p, buffers in zip(inner.pieces, inner.arena.buffers, strict=True):
            inner.step(p, buffers)
        self.deliver(targets)
        return {k: self.late(inner.roots[k], number) for k, number in late.items()}

    def late(self, root, number):
        """A result whose lengths this side tells, in an array that is made for it."""
        inner = self.inner
        x = inner.value(root)
        home = inner.arena.homes.get(root)
        if inner.numbers.get(root) == number and home is not None and home.kind == "fresh":
            return x
        made = Value(self.d.allocate(number, x.lengths), x.dtype, inner.lengths.dense(x.lengths),
                     x.lengths)
        self.move(x, made)
        return made

    def meet(self, k, ends):
        """One name for where a result is, and for its lengths."""
        def phi(kind, words):
            then, other = words
            if then == other:
                return then
            pairs = [f"[{word}, %{at}]" for word, (at, _) in zip(words, ends, strict=True)]
            return self.w.let(f"phi {kind} {', '.join(pairs)}")

        values = [found[k] for _, found in ends]
        pointer = phi("ptr", [v.pointer for v in values])
        lengths = tuple([phi("i64", words) for words in zip(*[v.lengths for v in values],
                                                            strict=True)])
        return pointer, lengths
