"""Values and memory inside a loop that is written as vectors: what is the same for every lane is
computed before the loop, the rest lane by lane."""

from __future__ import annotations

from dataclasses import dataclass, field

from symgrad.compile.backends.llvm import engine, rows
from symgrad.compile.backends.llvm.ir import MEMORY, REGISTER, constant, count, wide
from symgrad.compile.kernel import Affine, Apply, Axis, Index, Lit, Load, walk
from symgrad.compile.nest import Assign, Fold, Local
from symgrad.types import BYTES, Dim


@dataclass
class Array:
    """Memory with strides: `strides` are values, '1' where the layout promises it."""

    pointer: str
    dtype: str
    strides: tuple


@dataclass(frozen=True)
class Way:
    """How a cell is reached from the letter: at `pointer` (step None), or `step` elements further
    for each next lane."""

    pointer: str
    step: object


@dataclass
class Lane:
    """A place in the loop: `width` lanes from letter = `index` on, `mask` those that count."""

    width: int
    index: str
    mask: object = None
    made: dict = field(default_factory=dict)  # expression -> value
    locals: dict = field(default_factory=dict)
    numbers: object = None


NEAR = ("2", "3", "4")  # steps between elements for which rows are loaded, not elements


def near(step, cell):
    return step in NEAR and engine.lanes()[1] and BYTES[cell.dtype] >= 4


class Lanes:
    """The body of an innermost loop of a kernel (`kernels.Body`)."""

    def __init__(self, kernel, loop):
        self.k, self.w = kernel, kernel.w
        self.letter, self.body = loop.letter, loop.body
        self.assigned = {s.cell for s in self.body if type(s) is Assign and type(s.cell) is Local}
        cells = [c for s in self.body for c in (s.cell, getattr(s, "best", None)) if c is not None]
        self.folded = {c for c in cells if type(c) is Local} - self.assigned
        self.written = {c.source for c in cells if type(c) is Load}
        self.ways, self.still = {}, {}  # cell -> Way; expression -> scalar

    # -- what depends on the letter

    def varies(self, e):
        """Whether the value of an expression may differ from lane to lane."""
        kind = type(e)
        if kind is Axis:
            return e.letter == self.letter
        if kind is Affine:
            return any(x == self.letter for _, x in e.terms)
        if kind is Apply:
            return any(self.varies(a) for a in e.args)
        if kind is Index:
            return True  # it is checked where it stands
        if kind is Load:
            return e.source in self.written or any(self.varies(a) for a in e.at)
        return kind is Local and (e in self.assigned or e in self.folded)

    def bound(self, cell):
        """Whether every lane has a cell of its own."""
        if type(cell) is Local:
            return cell in self.assigned
        return any(self.varies(a) for a in cell.at)

    # -- before the loop

    def hoist(self):
        """Compute all that is the same for every lane, and how cells are reached."""
        for s in self.body:
            for e in (s.expr, s.index, s.cell, s.best) if type(s) is Fold else (s.expr, s.cell):
                if e is not None:
                    self.prepare(e)

    def prepare(self, e):
        kind = type(e)
        if kind is Load:
            for a in e.at:
                self.prepare(a)
            if not any(type(a) in (Local, Load) and self.varies(a) for a in e.at):
                self.way(e)
        if not self.varies(e):
            if kind not in (Lit, int) and e not in self.still and not (
                    kind is Load and e.source in self.written):
                self.still[e] = self.k.value(e)
        elif kind is Apply:
            for a in e.args:
                self.prepare(a)
        elif kind is Index:
            self.prepare(e.expr)

    def way(self, cell):
        if cell in self.ways:
            return
        k, fixed, step = self.k, "0", "0"
        array = k.arrays[cell.source]
        for a, stride in zip(cell.at, array.strides, strict=True):
            if isinstance(a, int):
                fixed = k.plus(fixed, k.times(str(a), stride))
            elif type(a) is Affine:
                fixed = k.plus(fixed, k.times(str(a.offset), stride))
                for factor, x in a.terms:
                    if x == self.letter:
                        step = k.plus(step, k.times(str(factor), stride))
                    else:
                        value = k.length(x) if isinstance(x, Dim) else k.index[x]
                        fixed = k.plus(fixed, k.times(k.times(str(factor), value), stride))
            elif type(a) is Axis and a.letter == self.letter:
                step = k.plus(step, stride)
            else:
                fixed = k.plus(fixed, k.times(k.value(a), stride))
        pointer = self.w.cell(MEMORY[array.dtype], array.pointer, fixed) if fixed != "0" else (
            array.pointer)
        varying = any(self.varies(a) for a in cell.at)
        self.ways[cell] = Way(pointer, step if varying else None)

    # -- values

    def value(self, e, lane):
        """The value of an expression for all lanes of a place."""
        kind = type(e)
        if kind is Lit:
            return constant(e.value, REGISTER[e.dtype], lane.width)
        if e in self.still:
            return self.w.splat(self.still[e], REGISTER[e.dtype], lane.width)
        if kind is Local:
            return lane.locals[e] if e in lane.locals else self.k.value(e)
        if e in lane.made:
            return lane.made[e]
        if kind is Apply:
            args = [self.value(a, lane) for a in e.args]
            if e.row == "cast":
                made = rows.cast(self.w, args[0], e.args[0].dtype, e.dtype, lane.width)
            else:
                made = self.k.applied(e, lane.width, args)
        elif kind is Load:
            made = self.read(e, lane)
        elif kind is Index:
            made = self.checked(e, lane)
        else:
            made = self.counted(e, lane)
        lane.made[e] = made
        return made

    def counted(self, e, lane):
        """The letter, or a form that is affine in it."""
        w, width = self.w, lane.width
        if lane.numbers is None:
            first = w.splat(lane.index, "i64", width)
            lane.numbers = first if width == 1 else w.op(
                "add", wide("i64", width), count("i64", width), first)
        if type(e) is Axis:
            return lane.numbers
        kind, total = wide("i64", width), constant(e.offset, "i64", width)
        for factor, x in e.terms:
            if x == self.letter:
                value = lane.numbers
            else:
                value = self.k.length(x) if isinstance(x, Dim) else self.k.index[x]
                value = w.splat(value, "i64", width)
            part = w.op("mul", kind, value, constant(factor, "i64", width))
            total = w.op("add", kind, total, part)
        return total

    def checked(self, e, lane):
        """Computed indices from the front; the kernel ends here if one is out of range."""
        w, width = self.w, lane.width
        value = rows.cast(w, self.value(e.expr, lane), e.expr.dtype, "int64", width)
        if e.length is None:
            return value
        kind, bits = wide("i64", width), wide("i1", width)
        n = w.splat(self.k.length(e.length), "i64", width)
        front = w.op("add", kind, value, n)
        negative = w.let(f"icmp slt {kind} {value}, {constant(0, 'i64', width)}")
        place = w.select(negative, kind, front, value, width)
        wrong = w.let(f"icmp uge {kind} {place}, {n}")
        if width == 1:
            self.k.refuse(e, wrong, lambda: value)
            return place
        if lane.mask:
            wrong = w.let(f"and {bits} {wrong}, {lane.mask}")
        marks = w.let(f"bitcast {bits} {wrong} to i{width}")
        some = w.let(f"icmp ne i{width} {marks}, 0")
        self.k.refuse(e, some, lambda: self.guilty(marks, value, width))
        return place

    def guilty(self, marks, value, width):
        """The value of the first marked lane."""
        w = self.w
        w.module.declare(f"declare i{width} @llvm.cttz.i{width}(i{width}, i1)")
        first = w.let(f"call i{width} @llvm.cttz.i{width}(i{width} {marks}, i1 true)")
        where = first if width == 64 else w.let(f"zext i{width} {first} to i64")
        return w.let(f"extractelement {wide('i64', width)} {value}, i64 {where}")

    # -- memory

    def pointer(self, cell, lane):
        """(address of the first lane, elements to the next), or (addresses of all lanes, "any");
        the second is None where all lanes have one address."""
        w, way = self.w, self.ways.get(cell)
        memory = MEMORY[cell.dtype]
        if way is None:  # a place that is computed in the loop
            return self.scattered(cell, lane, memory)
        if way.step is None:
            return way.pointer, None
        where = lane.index
        if way.step != "1":
            where = w.let(f"mul nsw i64 {where}, {way.step}")
        return w.cell(memory, way.pointer, where), way.step

    def scattered(self, cell, lane, memory):
        w, width, total = self.w, lane.width, None
        array, kind = self.k.arrays[cell.source], wide("i64", width)
        for a, stride in zip(cell.at, array.strides, strict=True):
            part = constant(a, "i64", width) if isinstance(a, int) else self.value(a, lane)
            if stride != "1":
                part = w.op("mul", kind, part, w.splat(stride, "i64", width))
            total = part if total is None else w.op("add", kind, total, part)
        pointers = w.let(f"getelementptr {memory}, ptr {array.pointer}, {kind} {total}")
        return pointers, "any" if width > 1 else None

    def read(self, cell, lane):
        w, width, memory = self.w, lane.width, MEMORY[cell.dtype]
        pointer, step = self.pointer(cell, lane)
        if width == 1 or step is None:
            return w.splat(self.k.read(pointer, cell.dtype), REGISTER[cell.dtype], width)
        if step == "1":
            value = w.load(memory, pointer, width, self.mask_for(cell, lane), BYTES[cell.dtype])
        elif near(step, cell):
            value = w.load_every(memory, pointer, int(step), width, lane.mask, BYTES[cell.dtype])
        else:
            if step != "any":
                pointer = w.apart(memory, pointer, step, width)
            value = w.gather(memory, pointer, width, lane.mask, BYTES[cell.dtype])
        if cell.dtype == "bool":
            return w.let(f"icmp ne {wide(memory, width)} {value}, zeroinitializer")
        return value

    def put(self, cell, value, lane):
        """Store into a cell; later reads of it in this place see the value."""
        w, width = self.w, lane.width
        if type(cell) is Local:
            lane.locals[cell] = value
            return
        self.forget(cell, lane)
        lane.made[cell] = value
        memory, size = MEMORY[cell.dtype], BYTES[cell.dtype]
        if cell.dtype == "bool":
            value = w.let(f"zext {wide('i1', width)} {value} to {wide(memory, width)}")
        pointer, step = self.pointer(cell, lane)
        if width == 1 or step == "1":
            w.store(memory, value, pointer, width, self.mask_for(cell, lane), size)
            return
        if near(step, cell):
            w.store_every(memory, value, pointer, int(step), width, lane.mask, size)
            return
        if step != "any":
            pointer = w.apart(memory, pointer, step, width)
        w.scatter(memory, value, pointer, width, lane.mask, size)

    def mask_for(self, cell, lane):
        """The mask of a load or store.  Row buffers have room for whole vectors, and processors are
        slow to read what was stored under a mask."""
        return None if cell.source in self.k.roomy and cell.at[-1] == Axis(self.letter) else (
            lane.mask)

    def forget(self, cell, lane):
        """Values made of what a store changes must be made again."""
        lane.made = {e: v for e, v in lane.made.items()
                     if not any(type(x) is Load and x.source == cell.source for x in walk(e))}
