"""Products of matrices whose terms lie together in both: a by rows, b by columns.

Such is a weight's slope of many examples laid side by side, as convolutions have them.  A tile of c
is so many sums along vectors of k, which nothing needs to be copied for; BLAS and `tiles` first lay
out b anew.  The sums are folded, each into one number, after a piece of k that the rows of a tile
have room for in a first-level cache.
"""

from __future__ import annotations

import operator

from symgrad.compile.backends.llvm.ir import constant, wide
from symgrad.compile.backends.llvm.tiles import Shape, lanes_below, least, scaled

ROWS, COLUMNS = 6, 4  # of a tile: 24 sums, 4 vectors of b and one of a, of 32 registers
PIECE = 4096  # bytes of a row of a or a column of b at a time
# Where it beats BLAS and `tiles` (measured with OpenBLAS, which is best at what is nearly square or
# fits a first-level cache): long sums, more than a few rows and columns, not too many numbers of c
# (by their bytes), and much work.
LONG, FEW, WIDEST, MUCH = 128, 3, {4: 2**18, 8: 2**14}, 2**20
KNOWN = {"sgt": operator.gt, "sge": operator.ge, "slt": operator.lt}


def direct(driver, dtype, c, a, b):
    """For a product whose terms are known to lie together: (an i1, whether this is the best way;
    the function; its arguments but for alpha and beta), else None.  The function takes LLVM its
    time: it is a part of its own, and only of programs that may need it."""
    s, w, mul = Shape.of(dtype), driver.w, driver.lengths.mul
    (m, n), k = c.lengths, a.lengths[1]
    if not s.maskable or not a.strides[1] == b.strides[0] == c.strides[1] == "1":
        return None
    area, best = mul(m, n), "true"
    for x, how, bound in ((k, "sgt", LONG), (m, "sgt", FEW), (n, "sgt", FEW),
                          (area, "slt", WIDEST[s.size]), (mul(area, k), "sge", MUCH)):
        if x[0] == "%":
            best = w.op("and", "i1", best, w.let(f"icmp {how} i64 {x}, {bound}"))
        elif not KNOWN[how](int(x), bound):
            return None
    own = driver.module.part(f"gemm_along_{s.suffix}")
    return best, driver.module.borrow(own, along(own, dtype)), (
        f"ptr {c.pointer}, i64 {c.strides[0]}, ptr {a.pointer}, i64 {a.strides[0]}, "
        f"ptr {b.pointer}, i64 {b.strides[1]}, i64 {m}, i64 {n}, i64 {k}")


def along(module, dtype):
    """``along(c, c0, a, a0, b, b1, m, n, k, alpha, beta)``: c = beta c + alpha a b, where the terms
    in rows of a and in columns of b have no gaps, nor have rows of c.  Lanes must be maskable."""
    s = Shape.of(dtype)
    t, name = s.scalar, f"@gemm_along_{s.suffix}"
    if name in module.functions:
        return name
    w = module.function(
        f"define internal void {name}(ptr %c, i64 %c0, ptr %a, i64 %a0, ptr %b, i64 %b1, i64 %m, "
        f"i64 %n, i64 %k, {t} %alpha, {t} %beta)")
    space = w.alloca(f"[{ROWS * COLUMNS} x {s.kind}], align 64")
    few = Few(s)
    alpha = w.splat("%alpha", t, COLUMNS)
    columns, piece = w.let("trunc i64 %n to i32"), str(PIECE // s.size)
    with w.loop("%k", step=piece) as z:
        depth = least(w, w.let(f"sub i64 %k, {z.index}"), piece)
        first = w.let(f"icmp eq i64 {z.index}, 0")
        keep, beta = few.kept(w, w.select(first, t, "%beta", constant(1, t)))
        with w.loop("%n", step=str(COLUMNS)) as j:
            mask = lanes_below(w, columns, w.let(f"trunc i64 {j.index} to i32"), COLUMNS)
            right = near(w, t, "%b", "%b1", j.index, COLUMNS, "%n", z.index)
            with w.loop("%m", step=str(ROWS)) as i:
                left = near(w, t, "%a", "%a0", i.index, ROWS, "%m", z.index)
                for k, x in enumerate(products(w, s, left, right, depth)):
                    w.do(f"store {s.kind} {x}, ptr {w.cell(s.kind, space, k)}")
                rows = least(w, w.let(f"sub i64 %m, {i.index}"), str(ROWS))
                with w.loop(rows) as r:
                    mine = w.cell(s.kind, space, w.let(f"mul i64 {r.index}, {COLUMNS}"))
                    total = together(w, s, [w.let(f"load {s.kind}, ptr {w.cell(s.kind, mine, k)}")
                                            for k in range(COLUMNS)])
                    row = w.let(f"mul i64 {w.op('add', 'i64', i.index, r.index)}, %c0")
                    cell = w.cell(t, w.cell(t, "%c", row), j.index)
                    old = scaled(w, few, cell, mask, keep, beta)
                    value = w.intrinsic("fma", few.kind, total, alpha, old)
                    w.store(t, value, cell, COLUMNS, mask, s.size)
    w.do("ret void")
    module.add(name, w)
    return name


class Few:
    """The `Shape` of a row of a tile."""

    maskable, lanes = True, COLUMNS

    def __init__(self, shape):
        self.scalar, self.size = shape.scalar, shape.size
        self.kind = wide(shape.scalar, COLUMNS)

    def kept(self, w, beta):
        keep = w.let(f"fcmp une {self.scalar} {beta}, {constant(0, self.scalar)}")
        return w.splat(keep, "i1", COLUMNS), w.splat(beta, self.scalar, COLUMNS)


def near(w, t, pointer, stride, first, many, stop, offset):
    """Where `many` rows begin from `first` on, at an offset; those behind the last are the last."""
    last = w.let(f"sub i64 {stop}, 1")
    numbers = [first, *[least(w, w.let(f"add i64 {first}, {r}"), last) for r in range(1, many)]]
    return [w.cell(t, w.cell(t, pointer, w.let(f"mul i64 {x}, {stride}")), offset)
            for x in numbers]


def products(w, s, left, right, depth):
    """The sums of products of rows with columns: for each pair a vector of sums."""
    def step(index, mask):
        return [[w.load(s.scalar, w.cell(s.scalar, p, index), s.lanes, mask, s.size) for p in side]
                for side in (left, right)]

    # What no whole vector is left for comes first: so the loop has no masks.
    whole = w.op("and", "i64", w.let(f"sub i64 {depth}, 1"), str(-s.lanes))
    mask = lanes_below(w, w.let(f"trunc i64 {depth} to i32"),
                       w.let(f"trunc i64 {whole} to i32"), s.lanes)
    rows, columns = step(whole, mask)
    sums = [(s.kind, w.op("fmul", s.kind, x, y)) for x in rows for y in columns]
    with w.loop(whole, step=str(s.lanes), carried=sums) as at:
        rows, columns = step(at.index, None)
        at.next = [w.intrinsic("fma", s.kind, x, y, at.values[k * len(right) + q])
                   for k, x in enumerate(rows) for q, y in enumerate(columns)]
    return at.out


def together(w, s, vectors):
    """The sums of some vectors, side by side, in a vector with a lane for each."""
    def folded(one, other, lanes):
        """The sums of neighbours in two vectors, or in one (`other` is poison)."""
        kind, count = wide(s.scalar, lanes), lanes if other != "poison" else lanes // 2
        halves = []
        for odd in (0, 1):
            picked = ", ".join([f"i32 {k}" for k in range(odd, 2 * count, 2)])
            halves.append(w.let(f"shufflevector {kind} {one}, {kind} {other}, "
                                f"<{count} x i32> <{picked}>"))
        return w.op("fadd", wide(s.scalar, count), *halves)

    while len(vectors) > 1:
        vectors = [folded(one, other, s.lanes) for one, other in
                   zip(vectors[::2], vectors[1::2], strict=True)]
    made, lanes = vectors[0], s.lanes
    while lanes > COLUMNS:
        made, lanes = folded(made, "poison", lanes), lanes // 2
    return made
