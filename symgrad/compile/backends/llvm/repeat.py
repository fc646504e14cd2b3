"""One loop on its way into a native function: see `steps.py`.

Where a step is nothing but a few numbers (`Inner.numbers_only`), its states are cells on the stack
and its kernels are inlined, so that LLVM keeps the states in registers: a step then takes as long
as its arithmetic, not as long as to store a number and load it again.
"""

from __future__ import annotations

from dataclasses import replace

from symgrad.compile.backends.llvm.ir import MEMORY
from symgrad.compile.backends.llvm.values import Value
from symgrad.errors import ShapeError
from symgrad.node import constant
from symgrad.op import explain


class Repeated:
    """One loop on its way into a driver's function."""

    def __init__(self, driver, p, n, operands, addresses):
        self.d, self.p, self.n, self.operands = driver, p, n, operands
        self.w, self.inner, self.node = driver.w, p.inner, p.step.body[0]
        self.body, self.lengths = p.inner.body, driver.lengths
        self.items = {i.attrs[0]: driver.values[i] for i in p.step.outputs}
        slots = len(p.inner.arena.slots)
        if p.inner.numbers_only:
            addresses = [address if room.lengths else self.w.alloca(MEMORY[room.dtype])
                         for room, address in zip(p.inner.buffers, addresses, strict=True)]
        self.slots, rest = addresses[:slots], iter(addresses[slots:])
        self.scratch = {}  # number of a result -> memory of rows that are not kept
        self.rings = {}  # state not read in its result -> its rows, oldest first, then a free one
        count = len(self.body.states)
        for j in range(count):
            if not p.inner.filled[j]:
                self.scratch[j] = next(rest)
        for k in range(count, count + len(self.body.maps)):
            if k not in self.items:
                self.scratch[k] = next(rest)
        self.stop = next(rest) if self.body.until else None
        self.rooms = list(rest)

    def write(self):
        body, w = self.body, self.w
        self.check()
        self.inner.enter(self.d, self.n, self.operands, self.slots, self.rooms)
        self.start()
        starts = [x for j in self.turning() for x in self.rings[j]]
        known = dict(self.inner.lengths.memo)
        with w.loop(self.n, carried=[("ptr", p) for p in starts], early=body.until) as loop:
            t = loop.index
            if body.reverse:
                t = w.let(f"sub i64 {w.let(f'sub i64 {self.n}, 1')}, {loop.index}")
            rings = self.turned(loop.values)
            self.enter_step(t, rings)
            targets = self.targets(t, rings)
            self.inner.targets = {}
            for root, target in zip(self.inner.roots, targets, strict=True):
                if target is not None:
                    self.inner.targets.setdefault(root, target)
            for p, buffers in zip(self.inner.pieces, self.inner.arena.buffers, strict=True):
                self.inner.step(p, buffers)
            self.deliver(targets)
            if self.inner.numbers_only:
                self.shift(t)
            loop.next = [x for j in self.turning() for x in (*rings[j][1:], rings[j][0])]
            if body.until:
                flag = w.let(f"load i8, ptr {self.stop}")
                on = w.let(f"icmp eq i8 {flag}, 0")
                after = w.let(f"add i64 {loop.index}, 1")
                loop.stop = w.select(on, "i64", loop.stop, after)
        self.inner.lengths.memo = known  # what a step computed is not there after the loop
        self.finish(self.turned(loop.out), loop.end)

    # -- before the loop

    def check(self):
        """Enough rows of sequences, the right number of first rows."""
        d, w, node = self.d, self.w, self.node

        def error(sentence):
            return lambda bad: explain(ShapeError(sentence.format(*bad)), node.op, node.inputs,
                                       node.origin)

        for k in range(self.body.seqs):
            have, name = self.operands[k].lengths[0], node.inputs[1 + k].name
            if have != self.n:
                d.refuse(w.let(f"icmp slt i64 {have}, {self.n}"),
                         error(f"sequence {name or k} has {{0}} rows, too few for {{1}} steps"),
                         have, self.n)
        for j, s in enumerate(self.body.states):
            have = self.operands[self.body.seqs + j].lengths[0]
            if have != str(s.depth):
                d.refuse(w.let(f"icmp ne i64 {have}, {s.depth}"),
                         error(f"a state needs {s.depth} rows to begin with, not {{0}}"), have)

    def row(self, value, t):
        """Row t of an array."""
        offset = self.lengths_of().mul(t, value.strides[0])
        pointer = value.pointer if offset == "0" else self.w.cell(
            MEMORY[value.dtype], value.pointer, offset)
        return Value(pointer, value.dtype, value.strides[1:], value.lengths[1:])

    def lengths_of(self):
        """Arithmetic that holds where the function is written now."""
        return self.inner.lengths

    def init(self, j):
        return self.operands[self.body.seqs + j]

    def single(self, j, pointer):
        """A row of a state in a ring."""
        lengths = self.init(j).lengths[1:]
        return Value(pointer, self.init(j).dtype, self.lengths_of().dense(lengths), lengths)

    def start(self):
        """Put the first rows where they are read."""
        for j, s in enumerate(self.body.states):
            init = self.init(j)
            if self.inner.filled[j]:
                whole = self.items[j]
                part = self.row(whole, self.n if self.body.reverse else "0")
                rows = Value(part.pointer, whole.dtype, whole.strides,
                             (str(s.depth), *whole.lengths[1:]))
                self.move(Value(init.pointer, init.dtype, init.strides, rows.lengths), rows)
            if not self.inner.filled[j] or self.inner.numbers_only:
                self.rings[j] = self.ring(j)
                for row, at in zip(self.rings[j], self.oldest_first(j), strict=False):
                    self.move(self.row(init, at), self.single(j, row))

    def ring(self, j):
        """Memory for the rows of a state, and for one more; for one alone if it is written over."""
        init, many = self.init(j), self.body.states[j].depth + 1
        kind = MEMORY[init.dtype]
        if self.inner.over[j]:
            return [self.scratch[j]]
        if self.inner.numbers_only:
            return [self.w.alloca(kind) for _ in range(many)]
        size = self.lengths_of().product(init.lengths[1:])
        return [self.w.cell(kind, self.scratch[j], self.lengths_of().mul(str(k), size))
                for k in range(many)]

    def oldest_first(self, j):
        """Where each row of a state is among its first, or last, rows."""
        places = [str(k) for k in range(self.body.states[j].depth)]
        return places[::-1] if self.body.reverse else places

    def turning(self):
        """States whose rows go round by their addresses; of numbers the values do, see `shift`."""
        return [j for j, ring in self.rings.items() if len(ring) > 1
                and not self.inner.numbers_only]

    def turned(self, pointers):
        """The rings, with the addresses that they have now."""
        rest = iter(pointers)
        return self.rings | {j: [next(rest) for _ in self.rings[j]] for j in self.turning()}

    # -- one step

    def enter_step(self, t, rings):
        """Where the inputs of this step are."""
        body, inner = self.body, self.inner
        values = [self.row(self.operands[k], t) for k in range(body.seqs)]
        for j, s in enumerate(body.states):
            for tap in s.taps:
                if j not in rings:
                    back = tap if body.reverse else s.depth - tap
                    values.append(self.row(self.items[j], self.lengths_of().add(t, str(back))))
                else:
                    values.append(self.single(j, rings[j][s.depth - tap]))
        values += self.operands[body.seqs + len(body.states):]
        for leaf, v in zip(inner.plan.inputs, values, strict=True):
            inner.values[leaf] = replace(v, lengths=inner.lengths.shape(leaf.type))

    def targets(self, t, rings):
        """Where the outputs of this step belong."""
        body, inner, found = self.body, self.inner, []
        for j in range(len(body.states)):
            if j not in rings:
                found.append(self.made(j, t))
            else:
                found.append(None if inner.over[j] else self.single(j, rings[j][-1]))
        count = len(body.states)
        for k, keep in enumerate(body.maps):
            if count + k in self.items:
                found.append(self.row(self.items[count + k], t if keep else "0"))
            else:
                lengths = tuple([self.lengths.length(d)
                                 for d in self.node.type.items[count + k].shape[1:]])
                dtype = self.node.type.items[count + k].dtype
                found.append(Value(self.scratch[count + k], dtype,
                                   self.lengths_of().dense(lengths), lengths))
        if body.until:
            found.append(Value(self.stop, "bool", (), ()))
        return found

    def made(self, j, t):
        """The row of a state's result that step t makes."""
        depth = str(self.body.states[j].depth)
        return self.row(self.items[j], t if self.body.reverse else self.lengths_of().add(t, depth))

    def deliver(self, targets):
        """Bring outputs that were made elsewhere to where they belong."""
        inner = self.inner
        for root, target in zip(inner.roots, targets, strict=True):
            if target is None:
                continue
            home = inner.arena.homes.get(root)
            made = inner.values.get(root)
            if home is not None and home.kind == "fresh" and inner.targets[root] is target and (
                    made is not None and made.pointer == target.pointer):
                continue
            value = inner.value(root)
            inner.fits(root, value.lengths, target)
            self.move(value, target)

    def shift(self, t):
        """After a step of numbers: each cell of a state takes what the next one holds, and a result
        its row."""
        for j, cells in self.rings.items():
            for old, new in zip(cells, cells[1:], strict=False):
                self.move(self.single(j, new), self.single(j, old))
            if self.inner.filled[j]:
                self.move(self.single(j, cells[-1]), self.made(j, t))

    def move(self, x, out):
        """Copy elements; both have the same lengths."""
        if not x.lengths and x.dtype[:1] != "c":
            kind = MEMORY[x.dtype]
            self.w.do(f"store {kind} {self.w.let(f'load {kind}, ptr {x.pointer}')}, "
                      f"ptr {out.pointer}")
            return
        self.inner.copy(x, replace(out, lengths=x.lengths))

    # -- after the loop

    def finish(self, rings, done):
        body = self.body
        for j, s in enumerate(body.states):
            if j not in self.items:
                continue
            if self.inner.filled[j]:
                if body.until:
                    self.clear(self.items[j], self.lengths_of().add(done, str(s.depth)))
                continue
            for row, at in zip(rings[j], self.oldest_first(j), strict=False):
                self.move(self.single(j, row), self.row(self.items[j], at))
        count = len(body.states)
        if body.until:
            for k, keep in enumerate(body.maps):
                if keep and count + k in self.items:
                    self.clear(self.items[count + k], done)
            last = count + len(body.maps)
            if last in self.items:
                self.w.do(f"store i64 {done}, ptr {self.items[last].pointer}")

    def clear(self, whole, start):
        """Zeros from a row on."""
        first = self.row(whole, start)
        left = self.lengths_of().binary("sub", whole.lengths[0], start)
        out = replace(first, strides=whole.strides, lengths=(left, *whole.lengths[1:]))
        zero = self.inner.value(constant(0, dtype=whole.dtype))
        self.inner.copy(replace(zero, strides=("0",) * len(out.lengths), lengths=out.lengths), out)
