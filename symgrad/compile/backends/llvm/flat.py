"""Products of one row, or one column, with a matrix of a few columns whose number is known.

Such a matrix without gaps is one long line: some whole rows of it are some whole vectors, and the
row's numbers (or the sums over them) are vectors with a pattern that is known.  So every lane
works, where row by row most would idle, and nothing is stored under a mask.
"""

from __future__ import annotations

from math import gcd

from symgrad.compile.backends.llvm.ir import MEMORY, constant
from symgrad.compile.backends.llvm.products import REAL, gemm, signature
from symgrad.compile.backends.llvm.tiles import Shape

MOST = 16  # vectors of a pattern: they stay in registers


def worth(dtype, n):
    """Whether a flat form for n columns is there, and better than rows of whole vectors."""
    lanes = Shape.of(dtype).lanes
    return n > 1 and n % lanes != 0 and n // gcd(n, lanes) <= MOST


def narrow(module, dtype, n):
    """The product, for matrices that usually have n columns: those of one row or one column are
    done here.  Other numbers of columns are right, too."""
    general = gemm(module, dtype)
    if dtype not in REAL or not worth(dtype, n):
        return general
    name = f"{general}_n{n}"
    part = module.part(name[1:])
    if name not in part.functions:
        part.borrow(module.part(general[1:], 0), general)
        column, row = outer(part, dtype, n), combine(part, dtype, n)
        w, t = part.function(f"define internal void {name}({signature(dtype)})"), MEMORY[dtype]
        zero = constant(0, t)

        def all_of(**lengths):
            found = w.let(f"icmp eq i64 %n, {n}")
            for x, value in lengths.items():
                found = w.op("and", "i1", found, w.let(f"icmp eq i64 %{x}, {value}"))
            return found

        read = w.let(f"fcmp une {t} %beta, {zero}")
        tall = all_of(k=1, c0=n, c1=1, a0=1, b1=1)
        with w.when(w.op("and", "i1", read, tall)):
            w.do(f"call void {column}(ptr %c, ptr %a, ptr %b, i64 %m, {t} %alpha, {t} %beta)")
            w.do("ret void")
            w.block(w.label("never"))
        with w.when(all_of(m=1, c1=1, a1=1, b0=n, b1=1)):
            w.do(f"call void {row}(ptr %c, ptr %a, ptr %b, i64 %k, {t} %alpha, {t} %beta)")
            w.do("ret void")
            w.block(w.label("never"))
        w.do(f"call void {general}({signature(dtype)})")
        w.do("ret void")
        part.add(name, w)
    return module.borrow(part, name)


class Pattern:
    """`rows` whole rows of n numbers are `count` whole vectors."""

    def __init__(self, dtype, n):
        self.s, self.n = Shape.of(dtype), n
        common = gcd(n, self.s.lanes)
        self.rows, self.count = self.s.lanes // common, n // common

    def places(self, v):
        """(row, column) of each lane of vector v."""
        return [divmod(v * self.s.lanes + k, self.n) for k in range(self.s.lanes)]

    def spread(self, w, values, v):
        """A vector with the number of its row in each lane; `values` has `rows` numbers."""
        if self.rows == 1:
            return w.splat(values, self.s.scalar, self.s.lanes)
        order = ", ".join([f"i32 {row}" for row, _ in self.places(v)])
        kind = f"<{self.rows} x {self.s.scalar}>"
        return w.let(f"shufflevector {kind} {values}, {kind} poison, "
                     f"<{self.s.lanes} x i32> <{order}>")

    def tiled(self, w, pointer, v):
        """A vector of the numbers at `pointer`, one for each column."""
        s, made = self.s, "poison"
        for lane, (_, column) in enumerate(self.places(v)):
            x = w.let(f"load {s.scalar}, ptr {w.cell(s.scalar, pointer, column)}")
            made = w.let(f"insertelement {s.kind} {made}, {s.scalar} {x}, i64 {lane}")
        return made


def outer(module, dtype, n):
    """``outer(c, a, b, m, alpha, beta)``: c = beta c + alpha a b' for c[m, n], a[m] and b[n], all
    without gaps; c is read."""
    p = Pattern(dtype, n)
    s, t = p.s, p.s.scalar
    name = f"@outer_{s.suffix}_{n}"
    w = module.function(f"define internal void {name}(ptr %c, ptr %a, ptr %b, i64 %m, "
                        f"{t} %alpha, {t} %beta)")
    every = w.splat("%alpha", t, s.lanes)
    kept = w.splat("%beta", t, s.lanes)
    columns = [w.op("fmul", s.kind, p.tiled(w, "%b", v), every) for v in range(p.count)]
    whole = w.let(f"sub i64 %m, {p.rows - 1}")
    with w.loop(whole, step=str(p.rows)) as at:
        values = w.load(t, w.cell(t, "%a", at.index), p.rows, None, s.size)
        start = w.cell(t, "%c", w.let(f"mul i64 {at.index}, {n}"))
        for v in range(p.count):
            q = w.cell(t, start, v * s.lanes)
            old = w.op("fmul", s.kind, w.load(t, q, s.lanes, None, s.size), kept)
            new = w.intrinsic("fma", s.kind, p.spread(w, values, v), columns[v], old)
            w.store(t, new, q, s.lanes, None, s.size)
    with w.loop("%m", at.end) as i:
        x = w.op("fmul", t, w.let(f"load {t}, ptr {w.cell(t, '%a', i.index)}"), "%alpha")
        with w.loop(str(n)) as j:
            q = w.cell(t, "%c", w.op("add", "i64", w.let(f"mul i64 {i.index}, {n}"), j.index))
            y = w.let(f"load {t}, ptr {w.cell(t, '%b', j.index)}")
            old = w.op("fmul", t, w.let(f"load {t}, ptr {q}"), "%beta")
            w.do(f"store {t} {w.intrinsic('fma', t, x, y, old)}, ptr {q}")
    w.do("ret void")
    module.add(name, w)
    return name


def combine(module, dtype, n):
    """``combine(c, a, b, k, alpha, beta)``: c = beta c + alpha a b for c[n], a[k] and b[k, n], all
    without gaps; c is not read where beta is 0."""
    p = Pattern(dtype, n)
    s, t = p.s, p.s.scalar
    name = f"@combine_{s.suffix}_{n}"
    w = module.function(f"define internal void {name}(ptr %c, ptr %a, ptr %b, i64 %k, "
                        f"{t} %alpha, {t} %beta)")
    sums = w.alloca(f"[{(p.count + 1) * s.lanes} x {t}]")  # with room for a vector from any row on
    whole = w.let(f"sub i64 %k, {p.rows - 1}")
    with w.loop(whole, step=str(p.rows), carried=[(s.kind, "zeroinitializer")] * p.count) as at:
        values = w.load(t, w.cell(t, "%a", at.index), p.rows, None, s.size)
        start = w.cell(t, "%b", w.let(f"mul i64 {at.index}, {n}"))
        at.next = [w.intrinsic("fma", s.kind, p.spread(w, values, v),
                               w.load(t, w.cell(t, start, v * s.lanes), s.lanes, None, s.size),
                               at.values[v]) for v in range(p.count)]
    for v in range(p.count):
        w.store(t, at.out[v], w.cell(t, sums, v * s.lanes), s.lanes, None, s.size)
    with w.loop("%k", at.end) as i, w.loop(str(n)) as j:  # rows that are left over
        x = w.let(f"load {t}, ptr {w.cell(t, '%a', i.index)}")
        q = w.cell(t, "%b", w.op("add", "i64", w.let(f"mul i64 {i.index}, {n}"), j.index))
        here = w.cell(t, sums, j.index)
        old = w.let(f"load {t}, ptr {here}")
        new = w.intrinsic("fma", t, x, w.let(f"load {t}, ptr {q}"), old)
        w.do(f"store {t} {new}, ptr {here}")
    with w.loop(str(n), step=str(s.lanes)) as j:  # the sums of all rows, in the first one
        here = w.cell(t, sums, j.index)
        first = w.load(t, here, s.lanes, None, s.size)
        with w.loop(str(p.rows), "1", carried=[(s.kind, first)]) as row:
            q = w.cell(t, here, w.let(f"mul i64 {row.index}, {n}"))
            more = w.load(t, q, s.lanes, None, s.size)
            row.next = [w.op("fadd", s.kind, row.values[0], more)]
        w.store(t, row.out[0], here, s.lanes, None, s.size)
    fresh = w.let(f"fcmp oeq {t} %beta, {constant(0, t)}")
    with w.loop(str(n)) as j:
        q = w.cell(t, "%c", j.index)
        old = w.op("fmul", t, w.let(f"load {t}, ptr {q}"), "%beta")
        old = w.select(fresh, t, constant(0, t), old)
        total = w.let(f"load {t}, ptr {w.cell(t, sums, j.index)}")
        w.do(f"store {t} {w.intrinsic('fma', t, total, '%alpha', old)}, ptr {q}")
    w.do("ret void")
    module.add(name, w)
    return name
