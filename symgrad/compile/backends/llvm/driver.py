"""The native function that runs a plan: lengths, the arena, kernels, products, calls back, results.

``i64 run(ptr state, ptr table)``: the table has, for each input and shared variable, the address of
its elements, its lengths and its strides in bytes; `state` is described by `STATE`.  It returns 0,
or the number of what went wrong (`errors`).
"""

from __future__ import annotations

from symgrad.compile.backends.llvm.arena import LATE, LINE
from symgrad.compile.backends.llvm.control import FAILED, WORD
from symgrad.compile.backends.llvm.ir import Module
from symgrad.compile.backends.llvm.moves import Moves
from symgrad.compile.backends.llvm.steps import Loops
from symgrad.compile.backends.llvm.values import Lengths, Value
from symgrad.records import replace
from symgrad.types import BYTES


class Driver(Loops, Moves):
    """Writes the module of a plan.  `module`: its text; `errors`: number - 1 -> function of the
    state's words that makes the error; `calls`: steps that run in Python; `constants`: arrays."""

    shares = True  # kernels among steps of one pattern

    def __init__(self, plan, on):
        self.plan, self.module = plan, Module()
        self.lay_out(plan, on)
        self.errors, self.calls, self.constants, self.values = [], [], [], {}
        self.usual = {}  # the text of a length -> what it will probably be
        self.emitted, self.results, self.offsets = {}, [], {}
        self.w = self.module.function("define i64 @run(ptr %state, ptr %table)")
        self.lengths = Lengths(self.w)
        self.write()

    @property
    def in_place(self):
        """Shared leaves whose memory is written."""
        return [h.what for h in self.arena.homes.values() if h.kind == "leaf"]

    # -- the function

    def write(self):
        w = self.w
        self.blas = self.word("blas")
        self.bad = w.let(f"getelementptr i64, ptr %state, i64 {WORD['bad']}")
        self.enter()
        self.small = self.word("arena")
        self.place([s for s in self.arena.slots if not s.shape], "0")
        self.guarded = False
        for k, p in enumerate(self.pieces):
            if k == self.front:
                self.expect(self.pieces[k:])
                self.take()
            if not self.guarded and any(
                    self.arena.homes[n].kind == "leaf" for n in p.step.outputs):
                self.guards(self.pieces[k:])
            self.step(p, self.arena.buffers[k])
        if self.front == len(self.pieces):
            self.take()
        self.finish()
        w.do("ret i64 0")
        self.module.add("run", w)

    def guards(self, pieces):
        """Check all indices of steps that write into shared variables before the first of them
        does, so that a call that fails leaves the variables as they were."""
        self.guarded = True
        for p in pieces:
            if p.guard is not None:
                self.kernel(p, [], p.guard)

    def enter(self):
        """Leaves: addresses, lengths, strides; then the checks of their lengths."""
        w, at = self.w, 0
        leaves = (*self.plan.inputs, *self.plan.shared)
        for leaf in leaves:
            ndim, size = leaf.type.ndim, BYTES[leaf.type.dtype]
            read = []
            for k in range(1 + 2 * ndim):
                p = w.let(f"getelementptr i64, ptr %table, i64 {at + k}")
                read.append(w.let(f"load {'i64' if k else 'ptr'}, ptr {p}"))
            lengths, strides = read[1:1 + ndim], read[1 + ndim:]
            known = self.plan.pool.source[leaf].type.shape
            lengths = [str(d) if isinstance(d, int) else n
                       for d, n in zip(known, lengths, strict=True)]
            strides = [w.let(f"sdiv exact i64 {s}, {size}") for s in strides[:-1]]
            strides += ["1"] * bool(ndim)
            self.values[leaf] = Value(read[0], leaf.type.dtype, tuple(strides), tuple(lengths))
            at += 1 + 2 * ndim
        for leaf in leaves:
            self.bind(leaf, self.values[leaf].lengths)
        for leaf in leaves:  # equal lengths by one name
            held = self.values[leaf]
            self.values[leaf] = replace(held, lengths=self.lengths.shape(leaf.type))
        for leaf in self.plan.shared:  # code for what they hold now is quicker, other is right
            now = self.plan.pool.source[leaf].container.cell[0].shape
            for d, n in zip(leaf.type.shape, now, strict=True):
                self.usual[self.lengths.length(d)] = n

    # -- the arena

    def place(self, slots, start):
        """Offsets of slots, one after another."""
        for slot in slots:
            self.offsets[slot] = start
            size = self.lengths.product([self.lengths.length(d) for d in slot.shape])
            size = self.lengths.mul(size, str(BYTES[slot.dtype]))
            if size[0] == "%":
                size = self.w.let(f"and i64 {self.lengths.add(size, str(LINE - 1))}, -{LINE}")
            else:
                size = str(-(-int(size) // LINE) * LINE)
            start = self.lengths.add(start, size)
        return start

    def take(self):
        """Make room for all slots.  What the small ones hold already stays where it is."""
        w = self.w
        small = [s for s in self.arena.slots if not s.shape]
        total = self.place([s for s in self.arena.slots if s.shape], str(LINE * len(small)))
        self.space = self.small
        if total == str(LINE * len(small)):
            return
        p = w.let(f"getelementptr i64, ptr %state, i64 {WORD['room']}")
        room = w.let(f"load i64, ptr {p}")
        before, more, go = w.at, w.label("more"), w.label("go")
        w.branch(w.let(f"icmp sgt i64 {total}, {room}"), more, go)
        w.block(more)
        got = w.let(f"call ptr {self.word('grow')}(ptr %state, i64 {total})")
        none, some = w.label("none"), w.label("some")
        w.branch(w.let(f"icmp eq ptr {got}, null"), none, some)
        w.block(none)
        w.do(f"ret i64 {FAILED}")
        w.block(some)
        w.jump(go)
        w.block(go)
        self.space = w.let(f"phi ptr [{self.small}, %{before}], [{got}, %{some}]")

    def address(self, slot):
        if slot.number == LATE:
            return self.apart(slot)
        base = self.small if not hasattr(self, "space") else self.space
        offset = self.offsets[slot]
        if offset == "0":
            return base
        key = "cell", base, offset
        if key not in self.lengths.memo:
            self.lengths.memo[key] = self.w.cell("i8", base, offset)
        return self.lengths.memo[key]

    def fresh(self, node):
        """Memory of an array that is made in this call."""
        return self.made(node, node.type.dtype, self.lengths.shape(node.type))

    def home(self, node):
        """The `Value` that a step shall write a node into."""
        home = self.arena.homes[node]
        if home.kind == "leaf":
            return self.values[home.what]
        lengths = self.lengths.shape(node.type)
        pointer = self.address(home.what) if home.kind == "slot" else self.fresh(node)
        return Value(pointer, node.type.dtype, self.lengths.dense(lengths), lengths)

    # -- what comes out

    def finish(self):
        """Outputs and updates that are not where they belong are copied there: `returned` has, for
        each root, the number of its array, the leaf whose memory it is in, or the node itself
        where Python made it."""
        self.returned, taken = [], set()
        number = {n: k for k, (n, _, _) in enumerate(self.results) if n is not None}
        leaves = [None] * len(self.plan.outputs) + [leaf for leaf, _ in self.plan.updates]
        for k, root in enumerate(self.plan.roots):
            home = self.arena.homes.get(root)
            if home is not None and home.kind == "leaf" and home.what is leaves[k]:
                self.returned.append(home.what)
                continue
            if home is not None and home.kind in ("fresh", "made") and root not in taken:
                taken.add(root)
                self.returned.append(number[root] if home.kind == "fresh" else root)
                continue
            x = self.value(root)
            self.returned.append(len(self.results))
            pointer = self.made(root, x.dtype, x.lengths)
            self.copy(x, Value(pointer, x.dtype, self.lengths.dense(x.lengths), x.lengths))
