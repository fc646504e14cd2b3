"""The driver of a watched program (`checked.py`): it calls back after each step, its slots lie
apart, and its kernels check every computed index."""

from __future__ import annotations

from symgrad.compile.backends.llvm.arena import LATE
from symgrad.compile.backends.llvm.driver import Driver
from symgrad.compile.kernel import Index, Load, walk
from symgrad.compile.nest import Assign, For, Local, expressions, statements
from symgrad.records import replace
from symgrad.types import BYTES


def uses(driver):
    """{node: (the step that makes it, -1 for leaves; the last one that needs its memory)}."""
    plan, base, made, last = driver.plan, {}, {}, {}
    for k, p in enumerate(driver.pieces):
        for n in p.step.outputs:
            made[n] = k
            base[n] = base.get(n.inputs[0], n.inputs[0]) if p.kind == "view" else n
    for k, p in enumerate(driver.pieces):
        for n in (*p.step.inputs, *p.step.outputs):
            last[base.get(n, n)] = k
    for r in plan.roots:
        last[base.get(r, r)] = len(driver.pieces)
    met = dict.fromkeys([*plan.inputs, *plan.shared, *made])
    return {n: (made.get(n, -1), last.get(base.get(n, n), -1)) for n in met}


class WatchedDriver(Driver):
    """A driver with a call back after each step, and an arena whose slots lie apart."""

    shares = False  # what it says names the step's own arrays
    complete = True

    def __init__(self, plan, on):
        self.pointers, self.done = {}, 0
        super().__init__(plan, on)

    def hook(self, what, words):
        """Call `Watch.call` with words that it may change; their address."""
        block = self.block([*words, "0"])
        self.ask(what, block)
        return block

    def place(self, slots, start):
        if not slots:
            return start
        sizes = []
        for slot in slots:
            size = self.lengths.product([self.lengths.length(d) for d in slot.shape])
            sizes.append(self.lengths.mul(size, str(BYTES[slot.dtype])))
        block = self.hook(Slots(tuple(slots)), sizes)
        for k, slot in enumerate(slots):
            self.pointers[slot] = self.w.let(f"load ptr, ptr {self.w.cell('i64', block, k)}")
        return start

    def take(self):
        self.place([s for s in self.arena.slots if s.shape], "0")

    def address(self, slot):
        return self.apart(slot) if slot.number == LATE else self.pointers[slot]

    def step(self, p, buffers):
        super().step(p, buffers)
        words = []
        for n in p.step.outputs:
            v = self.values[n]
            words += [self.w.let(f"ptrtoint ptr {v.pointer} to i64"), *v.lengths, *v.strides]
        dims = p.nest.lengths if p.nest else ()
        words += [self.lengths.length(d) for d in dims]
        self.hook(Done(self.done, p, buffers, dims), words)
        self.done += 1

    def kernel(self, p, buffers, guard=None):
        super().kernel(p._replace(nest=strict(p.nest)), buffers, guard)


def strict(nest):
    """The nest with a check for every computed index, also for those that the plan proves."""
    shapes = {a.name: a.type.shape for a in (*nest.params, *nest.results)}
    lengths = {}
    for s in statements(nest.body):
        for e in walk(*expressions(s)):
            if type(e) is Load and e.source in shapes:
                lengths.update([(a, d) for a, d in zip(e.at, shapes[e.source], strict=True)
                                if type(a) is Local])

    def visit(s):
        if type(s) is For:
            return For(s.letter, s.length, [visit(x) for x in s.body])
        if type(s) is not Assign or s.cell not in lengths:
            return s
        e = s.expr if type(s.expr) is Index else Index(s.expr, None, 0, "index")
        if e.length is None:
            e = Index(e.expr, lengths[s.cell], e.axis, e.op or "index", e.node)
        return Assign(s.cell, e)

    return replace(nest, body=[visit(s) for s in nest.body])


class Slots:
    """The call back that makes slots: sizes come, addresses go."""

    def __init__(self, slots):
        self.slots = slots


class Done:
    """The call back behind a step."""

    def __init__(self, number, piece, buffers, dims):
        self.number, self.piece, self.dims = number, piece, dims
        self.buffers = tuple([b for b in buffers if b.number != LATE])
