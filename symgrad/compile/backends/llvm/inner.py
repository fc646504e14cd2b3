"""Loops without loops in them, as vectors along their letter.

A lane is one value of the letter.  What does not depend on the letter is computed once, before the
loop.  Where lanes can be masked the last, shorter step is a masked one; elsewhere it is a loop of
single lanes.  Reductions have one accumulator a lane (several vectors of them where the body is
light), and long sums of floats are taken in pieces, so that their error does not grow with the
length.
"""

from __future__ import annotations

from symgrad.compile.backends.llvm import engine
from symgrad.compile.backends.llvm.fold import beats, combined, neutral, to_one
from symgrad.compile.backends.llvm.ir import REGISTER, constant, count, vector, wide
from symgrad.compile.backends.llvm.lanes import Lane, Lanes
from symgrad.compile.kernel import Apply, Index, Load, walk
from symgrad.compile.nest import Assign, Fold, For, Local
from symgrad.scalars import ROWS
from symgrad.types import BYTES

PIECE = 4096  # how many terms of a sum share their accumulators
LIGHT = 6  # operations in a body that is light enough for several accumulators
COPIES = 4
# What costs no more than an instruction or two.
CHEAP = {"cast", *[name for name, row in ROWS.items() if row.quick]}


def innermost(loop):
    return not any(type(s) is For for s in loop.body)


def vectors(kernel, loop):
    """Write an innermost loop of a kernel (a `kernels.Body`)."""
    _Inner(kernel, loop).write()


class _Inner(Lanes):
    def __init__(self, kernel, loop):
        super().__init__(kernel, loop)
        self.folds = [s for s in self.body if type(s) is Fold and not self.bound(s.cell)]

    def serial(self):
        """Whether the lanes must go one after another: where they share a cell that is stored
        into, or read what another lane writes."""
        stores, folds = {}, {c for s in self.folds for c in (s.cell, s.best) if c is not None}
        for s in self.body:
            for c in (s.cell, getattr(s, "best", None)):
                if type(c) is Load:
                    stores.setdefault(c.source, set()).add(c.at)
                    if any(type(a) is Local and a in self.assigned for a in c.at):
                        return True
            if type(s) is Assign and not self.bound(s.cell):
                return True
            if type(s) is Fold and s.index is not None and self.bound(s.cell) != self.bound(s.best):
                return True
        if any(len(at) > 1 for at in stores.values()):
            return True
        for s in self.body:
            for e in (s.expr, getattr(s, "index", None)):
                for x in walk(e) if e is not None else ():
                    if x in folds or type(x) is Load and x.at not in stores.get(x.source, (x.at,)):
                        return True
        return False

    def width(self):
        """How many lanes: as many of the widest float (or of anything, up to int32) as fit."""
        size, found = engine.lanes()[0], []
        for s in self.body:
            for e in (s.cell, s.expr):
                found += [x.dtype for x in walk(e) if type(x) in (Load, Apply, Local)]
        floats = [BYTES[d] for d in found if d[:5] == "float"]
        most = size // max([4, *floats] if floats else [4, *[BYTES[d] for d in found]])
        return most if self.folds else self.fitting(most)

    def fitting(self, most):
        """No more lanes than it takes for a short loop of known length; half of them where that
        leaves none over, as processors are slow to read what was stored under a mask."""
        n = self.k.extent[self.letter]
        if n[0] == "%" or self.letter in self.k.start or int(n) % most == 0:
            return most
        while most > 2 and (int(n) <= most // 2 or int(n) == most // 2 * 3):
            most //= 2
        return most

    # -- the loop

    def write(self):
        width = 1 if self.serial() else self.width()
        start, n = self.k.start.get(self.letter, "0"), self.k.extent[self.letter]
        self.hoist()
        if width == 1:
            self.one_by_one(start, n)
            return
        masked = engine.lanes()[1] and not self.even(start, n, width)
        block = self.letter in self.k.start  # of a few rows
        if block or not any(s.order == "pairwise" for s in self.folds):
            self.run(start, n, width, masked, [self.first(s, width) for s in self.folds])
            return
        with self.w.pieces(start, n, PIECE) as (start, stop):
            self.run(start, stop, width, masked, [self.first(s, width) for s in self.folds])

    def run(self, start, stop, width, masked, first):
        """Lanes from start to stop, then the accumulators to their cells."""
        w, sums, at = self.w, first, start
        if self.folds and self.light():
            at, sums = self.unrolled(start, stop, width, first)
        if masked:
            with w.loop(stop, at, str(width), self.phis(sums, width)) as loop:
                left = w.let(f"sub nsw i64 {stop}, {loop.index}")
                lane = Lane(width, loop.index)
                lane.mask = self.mask(left, width)
                loop.next = self.flat(self.step(lane, self.nested(loop.values)))
            sums = self.nested(loop.out)
            self.finish(sums, width)
            return
        whole = w.let(f"sub nsw i64 {stop}, {width - 1}")
        with w.loop(whole, at, str(width), self.phis(sums, width)) as loop:
            loop.next = self.flat(self.step(Lane(width, loop.index), self.nested(loop.values)))
        self.finish(self.nested(loop.out), width)
        if not self.even(start, stop, width):
            self.one_by_one(loop.end, stop)

    def even(self, start, stop, width):
        """Whether it is known that no lanes are left over."""
        return stop[0] != "%" and start == "0" and int(stop) % width == 0

    def unrolled(self, start, stop, width, first):
        """Several vectors at a time, if there are so many; where it stopped, the accumulators."""
        w, each = self.w, len(self.flat(first))
        whole = w.let(f"sub nsw i64 {stop}, {width * COPIES - 1}")
        carried = [p for _ in range(COPIES) for p in self.phis(first, width)]
        before, many, after = w.at, w.label("many"), w.label("few")
        w.branch(w.let(f"icmp slt i64 {start}, {whole}"), many, after)
        w.block(many)
        with w.loop(whole, start, str(width * COPIES), carried) as loop:
            following = []
            for c in range(COPIES):
                index = loop.index if not c else w.let(f"add nsw i64 {loop.index}, {c * width}")
                sums = self.nested(loop.values[c * each:(c + 1) * each])
                following += self.flat(self.step(Lane(width, index), sums))
            loop.next = following
        groups = [self.nested(loop.out[c * each:(c + 1) * each]) for c in range(COPIES)]
        sums = [self.joined(s, [g[k] for g in groups], width) for k, s in enumerate(self.folds)]
        latch = w.at
        w.jump(after)
        w.block(after)
        begun = [("i64", start), *self.phis(first, width)]
        at, *sums = [w.let(f"phi {kind} [{value}, %{before}], [{last}, %{latch}]")
                     for (kind, value), last in zip(
                         begun, [loop.end, *self.flat(sums)], strict=True)]
        return at, self.nested(sums)

    def light(self):
        count = 0
        for s in self.body:
            if type(s) is not Fold or s.index is not None or self.bound(s.cell):
                return False
            for x in walk(s.expr):
                count += type(x) is Apply
                if type(x) is Apply and x.row not in CHEAP or type(x) is Index:
                    return False
        return count <= LIGHT

    def one_by_one(self, start, stop):
        """A loop of single lanes, folding straight into the cells."""
        with self.w.loop(stop, start) as loop:
            lane = Lane(1, loop.index)
            self.k.index[self.letter] = loop.index
            for s in self.body:
                self.single(s, lane)

    def single(self, s, lane):
        k = self.k
        value = self.value(s.expr, lane)
        if type(s) is Assign:
            self.put(s.cell, value, lane)
        elif not self.bound(s.cell):
            k.fold(s, value, None if s.index is None else self.value(s.index, lane))
            if type(s.cell) is Load:
                self.forget(s.cell, lane)
        else:
            self.change(s, value, lane)

    # -- accumulators: a value a fold, or (best, index) for argmax and argmin

    def first(self, s, width):
        kind = REGISTER[s.expr.dtype]
        if s.index is not None:
            return (constant(neutral(s.combine, s.expr.dtype), kind, width),
                    constant(0, "i64", width))
        return (constant(neutral(s.combine, s.expr.dtype), kind, width),)

    def phis(self, sums, width):
        pairs = []
        for s, values in zip(self.folds, sums, strict=True):
            kinds = (vector(s.expr.dtype, width), wide("i64", width))
            pairs += list(zip(kinds, values, strict=False))
        return pairs

    def flat(self, sums):
        return [v for values in sums for v in values]

    def nested(self, values):
        out, rest = [], list(values)
        for s in self.folds:
            n = 1 if s.index is None else 2
            out.append(tuple(rest[:n]))
            rest = rest[n:]
        return out

    def joined(self, s, parts, width):
        total = parts[0]
        for p in parts[1:]:
            total = (combined(self.w, s, total[0], p[0], width),)
        return total

    def finish(self, sums, width):
        """Lanes to one, and that into the cell."""
        for s, values in zip(self.folds, sums, strict=True):
            self.k.fold(s, *to_one(self.w, s, values, width))

    def step(self, lane, sums):
        """The body once, for the lanes of a place; the accumulators after it."""
        sums, out = dict(zip(map(id, self.folds), sums, strict=True)), []
        for s in self.body:
            value = self.value(s.expr, lane)
            if id(s) in sums:
                out.append(self.gathered(s, sums[id(s)], value, lane))
            elif type(s) is Assign:
                self.put(s.cell, value, lane)
            else:
                self.change(s, value, lane)
        return out

    def change(self, s, value, lane):
        """A fold into a cell that each lane has for itself."""
        w, width, kind = self.w, lane.width, vector(s.expr.dtype, lane.width)
        old = self.value(s.cell, lane)
        if s.index is None:
            self.put(s.cell, combined(w, s, old, value, width), lane)
            return
        best, index = self.value(s.best, lane), self.value(s.index, lane)
        wins = beats(w, s.combine, s.expr.dtype, value, best, width)
        self.put(s.best, w.select(wins, kind, value, best, width), lane)
        self.put(s.cell, w.select(wins, wide("i64", width), index, old, width), lane)

    def gathered(self, s, held, value, lane):
        w, kind, width = self.w, vector(s.expr.dtype, lane.width), lane.width
        if s.index is None:
            new = combined(w, s, held[0], value, width)
            return (w.select(lane.mask, kind, new, held[0], width) if lane.mask else new,)
        wins = beats(w, s.combine, s.expr.dtype, value, held[0], width)
        if lane.mask:
            wins = w.let(f"and {wide('i1', width)} {wins}, {lane.mask}")
        index = self.value(s.index, lane)
        return (w.select(wins, kind, value, held[0], width),
                w.select(wins, wide("i64", width), index, held[1], width))

    def mask(self, left, width):
        """Lanes below a count."""
        w = self.w
        few = w.intrinsic("smin", "i64", left, str(width))
        short = w.splat(w.let(f"trunc i64 {few} to i32"), "i32", width)
        return w.let(f"icmp slt {wide('i32', width)} {count('i32', width)}, {short}")
