"""A loop nest as a function in LLVM IR.

Its arguments: for every array a pointer and the strides of its axes in elements (none where the
layout says 1); a pointer for every buffer; the lengths; and a pointer to where an index that is
out of range is put.  It returns 0, or the number (from 1) of the check that failed.  Loops without
loops in them are vectors (`inner.py`); what stands around them is scalar.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from symgrad.compile.backends.llvm import blocks, rows
from symgrad.compile.backends.llvm.fold import beats, combined
from symgrad.compile.backends.llvm.inner import CHEAP, innermost, vectors
from symgrad.compile.backends.llvm.ir import INLINED, MEMORY, REGISTER, constant, vector
from symgrad.compile.backends.llvm.lanes import Array
from symgrad.compile.kernel import Affine, Apply, Axis, Index, Lit, Load, Size, walk
from symgrad.compile.nest import (
    Assign,
    Fold,
    For,
    Local,
    Nonempty,
    expressions,
    statements,
)
from symgrad.types import Dim

MANY = 48  # costly rows in one kernel, from which on they are called
SUMMED = ("float32", "float64")  # dtypes whose long sums are kept in doubles


@dataclass
class Emitted:
    """A kernel's function.  `layouts`: for every array of `arrays`, for each axis whether its
    stride is 1."""

    name: str
    arrays: tuple
    layouts: tuple
    buffers: tuple
    lengths: tuple


def able(nest):
    """Whether all scalars of a nest have a native form."""
    for s in statements(nest.body):
        for e in expressions(s):
            for x in walk(e):
                if type(x) is Apply and not supported(x) or x.__class__ in (Load, Lit, Local) and (
                        x.dtype not in REGISTER):
                    return False
    return all(p.type.dtype in REGISTER for p in (*nest.params, *nest.results))


def supported(e):
    if e.row == "cast":
        return e.dtype in REGISTER and e.args[0].dtype in REGISTER
    return e.dtype in REGISTER and rows.supports(e.row, e.args[-1].dtype)


def checks(nest):
    """The computed indices of a nest that are checked; their numbers count from 1."""
    return [x for s in statements(nest.body) for e in expressions(s) for x in walk(e)
            if type(x) is Index and x.length is not None]


def emit(module, nest, name, layouts, inlined=False):
    """Write the function of a nest into a module.  `layouts`: see `Emitted`; `inlined`: it becomes
    a part of what calls it."""
    return Body(module, nest, name, layouts, f" {INLINED}" * inlined).function()


class Body:
    """One kernel on its way.  `w` writes; `index` has the value of each letter of a scalar loop;
    loops run from `start`, where it is not 0, to `extent`."""

    def __init__(self, module, nest, name, layouts, how=""):
        self.nest, self.index = nest, {}
        arrays = (*nest.params, *nest.results)
        self.made = Emitted(name, tuple([a.name for a in arrays]), layouts, nest.buffers,
                            nest.lengths)
        head, self.arrays = ["ptr %bad"], {}
        for k, (a, layout) in enumerate(zip(arrays, layouts, strict=True)):
            head.append(f"ptr %a{k}")
            strides = ["1" if one else f"%a{k}s{axis}" for axis, one in enumerate(layout)]
            head += [f"i64 {s}" for s in strides if s != "1"]
            self.arrays[a.name] = Array(f"%a{k}", a.type.dtype, tuple(strides))
        head += [f"ptr %b{k}" for k in range(len(nest.buffers))]
        self.dims = {d: f"%n{k}" for k, d in enumerate(nest.lengths)}
        head += [f"i64 {n}" for n in self.dims.values()]
        self.module = module
        self.w = module.function(f"define internal i64 @{name}({', '.join(head)}){how}")
        self.uses = blocks.uses(nest)
        self.roomy = {b.name for b in nest.buffers if len(b.lengths) == 1}
        dear = [x for s in statements(nest.body) for e in expressions(s) for x in walk(e)
                if type(x) is Apply and x.row not in CHEAP]
        self.long = len(dear) > MANY
        self.locals, self.sums, self.start, self.extent = {}, {}, {}, {}
        self.numbers, self.respelled = {id(e): k for k, e in enumerate(checks(nest), 1)}, []

    def function(self):
        self.allocate()
        self.flatten()
        for s in self.nest.body:
            self.statement(s)
            if type(s) is For:
                self.settle()
        self.w.do("ret i64 0")
        self.module.add(self.made.name, self.w)
        return self.made

    # -- memory

    def allocate(self):
        """Locals on the stack, strides of buffers, and wide sums for single numbers: a double and,
        for sums of doubles, what was lost in adding to it."""
        w, starts = self.w, [s.cell for s in self.nest.body if type(s) is Assign]
        for k, b in enumerate(self.nest.buffers):
            strides = ["1"]
            for d in b.lengths[:0:-1]:
                strides.append(self.times(strides[-1], self.length(d)))
            self.arrays[b.name] = Array(f"%b{k}", b.dtype, tuple(strides[::-1]))
        for s in statements(self.nest.body):
            cells = () if type(s) is Nonempty else (s.cell, getattr(s, "best", None))
            for c in cells:
                if type(c) is Local and c.name not in self.locals:
                    self.locals[c.name] = w.alloca(REGISTER[c.dtype])
            if type(s) is Fold and s.order == "pairwise" and s.combine == "sum" and (
                    s.cell.dtype in SUMMED and s.cell not in self.sums and s.cell in starts):
                lost = w.alloca("double") if s.cell.dtype == "float64" else None
                self.sums[s.cell] = w.alloca("double"), lost

    def settle(self):
        """Put the wide sums where their numbers belong, after a loop that added to them."""
        w = self.w
        for cell, (wide, lost) in self.sums.items():
            value = w.let(f"load double, ptr {wide}")
            if lost:  # which is NaN if the sum is infinite
                more = w.let(f"fadd double {value}, {w.let(f'load double, ptr {lost}')}")
                odd = w.let(f"fcmp uno double {more}, {more}")
                value = w.let(f"select i1 {odd}, double {value}, double {more}")
            self.store(cell, rows.cast(w, value, "float64", cell.dtype, 1))

    def length(self, d):
        return str(d) if isinstance(d, int) else self.dims[d]

    def times(self, a, b):
        if "0" in (a, b):
            return "0"
        return b if a == "1" else a if b == "1" else self.w.let(f"mul nsw i64 {a}, {b}")

    def plus(self, a, b):
        return b if a == "0" else a if b == "0" else self.w.let(f"add nsw i64 {a}, {b}")

    # -- one long loop instead of nested ones, where memory has no gaps

    def flatten(self):
        """The lengths of loops; if all arrays are read in step and dense, one loop runs over all
        elements and the ones around it once."""
        loops, body = [], [s for s in self.nest.body if type(s) is For]
        while len(body) == 1 and type(body[0]) is For:
            loops.append(body[0])
            body = body[0].body
        for s in self.nest.body:
            self.spread(s)
        at = tuple([Axis(f.letter) for f in loops])
        if len(loops) < 2 or not all(self.in_step(s, at) for s in body):
            return
        w, dense = self.w, "true"
        for k in range(len(loops) - 1):
            inner = self.length(loops[k + 1].length)
            for a in self.arrays.values():
                if len(a.strides) == len(loops):  # others are read outside of the loops
                    want = self.times(a.strides[k + 1], inner)
                    same = w.let(f"icmp eq i64 {a.strides[k]}, {want}")
                    dense = w.let(f"and i1 {dense}, {same}")
        total = "1"
        for f in loops:
            total = self.times(total, self.length(f.length))
        for f in loops:
            whole = total if f is loops[-1] else "1"
            n = self.length(f.length)
            self.extent[f.letter] = w.let(f"select i1 {dense}, i64 {whole}, i64 {n}")

    def spread(self, s):
        if type(s) is For:
            self.extent[s.letter] = self.length(s.length)
            for inner in s.body:
                self.spread(inner)

    def in_step(self, s, at):
        """Whether a statement does the same for every element, whatever its place."""
        total = type(s) is Fold and s.index is None and not getattr(s.cell, "at", ())
        if type(s) is not Assign and not total:
            return False
        for e in expressions(s):
            for x in walk(e):
                if type(x) in (Axis, Affine, Index, Size) and x not in at:
                    return False
                if type(x) is Load and x.at != at and x.at != ():
                    return False
        # `walk` also meets the letters inside brackets: as values of their own they would count
        return not any(self.bare_axis(e) for e in expressions(s))

    def bare_axis(self, e):
        if type(e) is Apply:
            return any(self.bare_axis(a) for a in e.args)
        return type(e) is Axis

    # -- statements

    def statement(self, s):
        if type(s) is For:
            if innermost(s):
                vectors(self, s)
                return
            found = blocks.block(s, self.uses)
            if found:
                blocks.write(self, s, found)
            else:
                self.passes(s)
        elif type(s) is Assign:
            self.store(s.cell, self.value(s.expr))
            if s.cell in self.sums:
                wide, lost = self.sums[s.cell]
                value = rows.cast(self.w, self.value(s.expr), s.cell.dtype, "float64", 1)
                self.w.do(f"store double {value}, ptr {wide}")
                if lost:
                    self.w.do(f"store double 0.0, ptr {lost}")
        elif type(s) is Fold:
            best = None if s.index is None else self.value(s.index)
            self.fold(s, self.value(s.expr), best)

    def passes(self, loop):
        """A loop of scalar passes."""
        first = self.start.get(loop.letter, "0")
        with self.w.loop(self.extent[loop.letter], first) as at:
            self.index[loop.letter] = at.index
            for s in loop.body:
                self.statement(s)

    def fold(self, s, value, index=None):
        """Combine the cell of a fold with a scalar; for argmax, with the place of that as well."""
        w, dtype = self.w, s.expr.dtype
        if index is not None:
            best = self.value(s.best)
            better = beats(w, s.combine, dtype, value, best, 1)
            kind = REGISTER[dtype]
            self.store(s.best, w.let(f"select i1 {better}, {kind} {value}, {kind} {best}"))
            kept = w.let(f"select i1 {better}, i64 {index}, i64 {self.value(s.cell)}")
            self.store(s.cell, kept)
            return
        if s.cell in self.sums:
            wide, lost = self.sums[s.cell]
            if dtype != "float64":
                value = rows.cast(w, value, dtype, "float64", 1)
            old = w.let(f"load double, ptr {wide}")
            new = w.let(f"fadd double {old}, {value}")
            w.do(f"store double {new}, ptr {wide}")
            if lost:
                part = w.let(f"fsub double {new}, {old}")
                one = w.let(f"fsub double {old}, {w.let(f'fsub double {new}, {part}')}")
                two = w.let(f"fsub double {value}, {part}")
                more = w.let(f"fadd double {one}, {two}")
                before = w.let(f"load double, ptr {lost}")
                w.do(f"store double {w.let(f'fadd double {before}, {more}')}, ptr {lost}")
            return
        self.store(s.cell, combined(w, s, self.value(s.cell), value, 1))

    # -- values

    def value(self, e):
        """The scalar value of an expression."""
        kind = type(e)
        if kind is Apply:
            args = [self.value(a) for a in e.args]
            if e.row == "cast":
                return rows.cast(self.w, args[0], e.args[0].dtype, e.dtype, 1)
            return self.applied(e, 1, args)
        if kind is Load:
            a = self.arrays[e.source]
            return self.read(self.address(e), a.dtype)
        if kind is Local:
            return self.w.let(f"load {REGISTER[e.dtype]}, ptr {self.locals[e.name]}")
        if kind is Lit:
            return constant(e.value, REGISTER[e.dtype])
        if kind is Axis:
            return self.index[e.letter]
        if kind is Size:
            return self.length(e.length)
        if kind is Affine:
            return self.affine(e)
        return self.checked(e)

    def applied(self, e, width, args):
        """A row of the vocabulary on values; in a kernel with very many of them, such as take more
        than an instruction or two are functions, for LLVM's sake."""
        row, dtype = e.row, e.args[-1].dtype
        if not self.long or row in CHEAP:
            return rows.apply(self.w, row, dtype, e.dtype, width, args)
        kinds = [vector(a.dtype, width) for a in e.args]
        name = f"row_{row}_{dtype}_{width}"
        if name not in self.module.functions:
            mine = [f"%x{k}" for k in range(len(args))]
            head = ", ".join([f"{kind} {x}" for kind, x in zip(kinds, mine, strict=True)])
            w = self.module.function(
                f"define internal {vector(e.dtype, width)} @{name}({head}) noinline")
            w.do(f"ret {vector(e.dtype, width)} "
                 f"{rows.apply(w, row, dtype, e.dtype, width, mine)}")
            self.module.add(name, w)
        given = ", ".join([f"{kind} {x}" for kind, x in zip(kinds, args, strict=True)])
        return self.w.let(f"call {vector(e.dtype, width)} @{name}({given})")

    def affine(self, e):
        total = str(e.offset)
        for factor, x in e.terms:
            value = self.length(x) if isinstance(x, Dim) else self.index[x]
            total = self.plus(total, self.times(str(factor), value))
        return total

    def checked(self, e):
        """A computed index, from the front; the kernel ends here if it is out of range."""
        w = self.w
        value = rows.cast(w, self.value(e.expr), e.expr.dtype, "int64", 1)
        if e.length is None:
            return value
        n = self.length(e.length)
        front = w.let(f"add i64 {value}, {n}")
        negative = w.let(f"icmp slt i64 {value}, 0")
        place = w.let(f"select i1 {negative}, i64 {front}, i64 {value}")
        self.refuse(e, w.let(f"icmp uge i64 {place}, {n}"), lambda: value)
        return place

    def refuse(self, e, wrong, value):
        """Leave the kernel with the number of a check where `wrong` holds; `value()` is written
        down there."""
        w = self.w
        bad, fine = w.label("bad"), w.label("fine")
        w.branch(wrong, bad, fine)
        w.block(bad)
        w.do(f"store i64 {value()}, ptr %bad")
        w.do(f"store i64 {self.length(e.length)}, ptr {w.cell('i64', '%bad', 1)}")
        w.do(f"ret i64 {self.numbers[id(e)]}")
        w.block(fine)

    def check(self, e, expr):
        """An index with its expression in other words, and with its number."""
        new = replace(e, expr=expr)
        self.respelled.append(new)  # that no other index can have its id
        self.numbers[id(new)] = self.numbers.get(id(e))
        return new

    def offset(self, load):
        """How many elements from the start of its array a cell is."""
        total = "0"
        for a, stride in zip(load.at, self.arrays[load.source].strides, strict=True):
            value = str(a) if isinstance(a, int) else self.value(a)
            total = self.plus(total, self.times(value, stride))
        return total

    def address(self, load):
        a = self.arrays[load.source]
        offset = self.offset(load)
        return a.pointer if offset == "0" else self.w.cell(MEMORY[a.dtype], a.pointer, offset)

    def read(self, pointer, dtype):
        value = self.w.let(f"load {MEMORY[dtype]}, ptr {pointer}")
        return self.w.let(f"icmp ne i8 {value}, 0") if dtype == "bool" else value

    def store(self, cell, value):
        if type(cell) is Local:
            self.w.do(f"store {REGISTER[cell.dtype]} {value}, ptr {self.locals[cell.name]}")
            return
        if cell.dtype == "bool":
            value = self.w.let(f"zext i1 {value} to i8")
        self.w.do(f"store {MEMORY[cell.dtype]} {value}, ptr {self.address(cell)}")

