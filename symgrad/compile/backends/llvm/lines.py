"""Products of a vector with a vector or a matrix.

Each number of the matrix is used once, so these wait for memory and not for multipliers.
"""

from __future__ import annotations

from symgrad.compile.backends.llvm.ir import constant
from symgrad.compile.backends.llvm.tiles import Shape, kept, lanes_below, least, scaled

SHORT = 2**13  # numbers of a matrix that take less time than the choice of a way
CHAINS = 8  # sums that do not wait for one another: two multipliers, four steps each


def dots(module, dtype):
    """``dots(c, c1, a, b, b1, n, k, alpha, beta)``: products of the vector a[k] with n others, each
    `b1` after the one before; none of them has gaps."""
    s = Shape.of(dtype)
    name, t = f"@gemm_dots_{s.suffix}", s.scalar
    if name in module.functions:
        return name
    w = module.function(f"define internal void {name}(ptr %c, i64 %c1, ptr %a, ptr %b, i64 %b1, "
                        f"i64 %n, i64 %k, {t} %alpha, {t} %beta)")
    alone = w.let(f"fcmp une {t} %beta, {constant(0, t)}")
    four = w.op("and", "i64", "%k", str(-4 * s.lanes))
    whole = "%k" if s.maskable else w.op("and", "i64", "%k", str(-s.lanes))
    with w.loop("%n") as j:
        line = w.cell(t, "%b", w.let(f"mul i64 {j.index}, %b1"))

        def times(index, mask, total):
            x, y = [w.load(t, w.cell(t, p, index), s.lanes, mask, s.size) for p in ("%a", line)]
            return w.intrinsic("fma", s.kind, x, y, total)

        zero = (s.kind, "zeroinitializer")
        with w.loop(four, step=str(4 * s.lanes), carried=[zero] * 4) as z:
            ahead = [z.index, *[w.op("add", "i64", z.index, str(r * s.lanes)) for r in (1, 2, 3)]]
            z.next = [times(at, None, v) for at, v in zip(ahead, z.values, strict=True)]
        p, q, x, y = z.out
        both = w.op("fadd", s.kind, w.op("fadd", s.kind, p, q), w.op("fadd", s.kind, x, y))
        with w.loop(whole, four, str(s.lanes), [(s.kind, both)]) as z:
            mask = None
            if s.maskable:
                left = least(w, w.let(f"sub i64 %k, {z.index}"), str(s.lanes))
                mask = lanes_below(w, w.let(f"trunc i64 {left} to i32"), 0, s.lanes)
            z.next = [times(z.index, mask, z.values[0])]
        total = summed(w, s, z.out[0])
        if not s.maskable:
            with w.loop("%k", whole, carried=[(t, total)]) as z:
                x, y = [w.let(f"load {t}, ptr {w.cell(t, p, z.index)}") for p in ("%a", line)]
                z.next = [w.intrinsic("fma", t, x, y, z.values[0])]
            total = z.out[0]
        p = w.cell(t, "%c", w.let(f"mul i64 {j.index}, %c1"))
        old = w.op("fmul", t, w.let(f"load {t}, ptr {p}"), "%beta")
        old = w.select(alone, t, old, constant(0, t))
        w.do(f"store {t} {w.intrinsic('fma', t, total, '%alpha', old)}, ptr {p}")
    w.do("ret void")
    module.add(name, w)
    return name


def direct(driver, ways, dtype, c, a, b, columns):
    """For a product of one row that can be had without asking which way is best, most of the time
    of a short one: (when that is so, as an i1; the function; its arguments but for alpha and beta).
    None if layouts are not known.  `columns`: see `products.quick`."""
    s, w, lengths = Shape.of(dtype), driver.w, driver.lengths
    n, k = c.lengths[1], a.lengths[1]
    if a.strides[1] != "1":
        return None
    if columns:
        return columns[0], narrow(ways, dtype), (
            f"ptr {c.pointer}, ptr {a.pointer}, ptr {columns[1]}, i64 {n}, i64 {n}, i64 {k}")
    if b.strides[0] == "1":
        few = w.let(f"icmp sle i64 {lengths.mul(n, k)}, {SHORT}")
        return few, dots(ways, dtype), (
            f"ptr {c.pointer}, i64 {c.strides[1]}, ptr {a.pointer}, ptr {b.pointer}, "
            f"i64 {b.strides[1]}, i64 {n}, i64 {k}")
    if s.maskable and b.strides[1] == c.strides[1] == "1":
        few = w.let(f"icmp sle i64 {n}, {s.lanes}")
        return few, narrow(ways, dtype), (
            f"ptr {c.pointer}, ptr {a.pointer}, ptr {b.pointer}, i64 {b.strides[0]}, i64 {n}, "
            f"i64 {k}")
    return None


def summed(w, s, x):
    """The sum of the lanes of a vector."""
    name = f"@llvm.vector.reduce.fadd.v{s.lanes}{s.suffix}"
    w.module.declare(f"declare {s.scalar} {name}({s.scalar}, {s.kind})")
    zero = constant(0, s.scalar)
    return w.let(f"call reassoc {s.scalar} {name}({s.scalar} {zero}, {s.kind} {x})")


def narrow(module, dtype):
    """``narrow(c, a, b, b0, n, k, alpha, beta)``: the vector a[k] by a matrix b[k,n] of no more
    columns than lanes; no gaps in a, in c, or in the rows of b.  Lanes must be maskable."""
    s = Shape.of(dtype)
    name, t = f"@gemm_narrow_{s.suffix}", s.scalar
    if name in module.functions:
        return name
    w = module.function(f"define internal void {name}(ptr %c, ptr %a, ptr %b, i64 %b0, i64 %n, "
                        f"i64 %k, {t} %alpha, {t} %beta)")
    keep, beta = kept(w, s)
    mask = lanes_below(w, w.let("trunc i64 %n to i32"), 0, s.lanes)
    rows = ["0", "%b0", *[w.let(f"mul i64 %b0, {r}") for r in range(2, CHAINS)]]
    step = w.let(f"mul i64 %b0, {CHAINS}")
    most = w.op("and", "i64", "%k", str(-CHAINS))

    def times(p, q, total):
        x = w.splat(w.let(f"load {t}, ptr {p}"), t, s.lanes)
        return w.intrinsic("fma", s.kind, x, w.load(t, q, s.lanes, mask, s.size), total)

    zero = (s.kind, "zeroinitializer")
    with w.loop(most, step=str(CHAINS), carried=[("ptr", "%b"), *[zero] * CHAINS]) as z:
        p = w.cell(t, "%a", z.index)
        q, *sums = z.values
        z.next = [w.cell(t, q, step), *[
            times(w.cell(t, p, str(r)), w.cell(t, q, rows[r]), sums[r]) for r in range(CHAINS)]]
    q, *sums = z.out
    with w.loop("%k", most, carried=[("ptr", q), (s.kind, sums[0])]) as z:
        q, total = z.values
        z.next = [w.cell(t, q, "%b0"), times(w.cell(t, "%a", z.index), q, total)]
    sums[0] = z.out[1]
    while len(sums) > 1:
        half = len(sums) // 2
        sums = [w.op("fadd", s.kind, x, y) for x, y in zip(sums[:half], sums[half:], strict=True)]
    old = scaled(w, s, "%c", mask, keep, beta)
    total = w.intrinsic("fma", s.kind, sums[0], w.splat("%alpha", t, s.lanes), old)
    w.store(t, total, "%c", s.lanes, mask, s.size)
    w.do("ret void")
    module.add(name, w)
    return name
