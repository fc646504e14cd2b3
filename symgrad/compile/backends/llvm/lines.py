"""Products of a vector: with a vector, with a matrix, and the matrix of all products of two.

Each number of the matrix is used once, so these wait for memory and not for multipliers.
"""

from __future__ import annotations

from symgrad.compile.backends.llvm.ir import constant, wide
from symgrad.compile.backends.llvm.tiles import Shape, kept, lanes_below, scaled

CHAINS = 8  # sums that do not wait for one another: two multipliers, four steps each


def sweep(w, s, n, body, carried=(), start="0"):
    """Run through ``start … n - 1`` by vectors: ``body(index, lanes, mask, values)`` returns the
    next values of what is carried, a list of (vector type, first value).

    The lanes of the last vector are masked.  Where they cannot be, the numbers behind the last
    whole vector are left out.  Returns (what is carried, where it stopped).
    """
    stop = n
    if not s.maskable:
        left = w.let(f"sub i64 {n}, {start}")
        whole = w.op("and", "i64", left, str(-s.lanes))
        stop = w.op("add", "i64", start, whole)
    with w.loop(stop, start, str(s.lanes), carried) as at:
        mask = None
        if s.maskable:
            left = w.let(f"sub i64 {n}, {at.index}")
            w.module.declare("declare i64 @llvm.smin.i64(i64, i64)")
            left = w.let(f"call i64 @llvm.smin.i64(i64 {left}, i64 {s.lanes})")
            mask = lanes_below(w, w.let(f"trunc i64 {left} to i32"), 0, s.lanes)
        at.next = body(at.index, s.lanes, mask, at.values)
    return at.out, stop


def outer(module, dtype):
    """``outer(c, c0, a, a0, b, m, n, alpha, beta)``: c = beta c + alpha a b for the numbers of a
    and the row b; the rows of c have no gaps."""
    s = Shape.of(dtype)
    name, t = f"@gemm_outer_{s.suffix}", s.scalar
    if name in module.functions:
        return name
    w = module.function(f"define internal void {name}(ptr %c, i64 %c0, ptr %a, i64 %a0, ptr %b, "
                        f"i64 %m, i64 %n, {t} %alpha, {t} %beta)")
    keep, beta = kept(w, s)
    alone = w.let(f"fcmp une {t} %beta, {constant(0, t)}")

    def factor(index):
        p = w.cell(t, "%a", w.let(f"mul i64 {index}, %a0"))
        return w.op("fmul", t, w.let(f"load {t}, ptr {p}"), "%alpha")

    if s.maskable:
        slim, broad = w.label("slim"), w.label("broad")
        w.branch(w.let(f"icmp sle i64 %n, {s.lanes}"), slim, broad)
        w.block(slim)
        mask = lanes_below(w, w.let("trunc i64 %n to i32"), 0, s.lanes)
        line = w.load(t, "%b", s.lanes, mask, s.size)
        read = w.op("and", wide("i1", s.lanes), mask, keep)
        with w.loop("%m", carried=[("ptr", "%c"), ("ptr", "%a")]) as i:
            p, q = i.values
            x = w.op("fmul", t, w.let(f"load {t}, ptr {q}"), "%alpha")
            old = w.op("fmul", s.kind, w.load(t, p, s.lanes, read, s.size), beta)
            x = w.intrinsic("fma", s.kind, w.splat(x, t, s.lanes), line, old)
            w.store(t, x, p, s.lanes, mask, s.size)
            i.next = [w.cell(t, p, "%c0"), w.cell(t, q, "%a0")]
        w.do("ret void")
        w.block(broad)
    with w.loop("%m") as i:
        x = factor(i.index)
        many = w.splat(x, t, s.lanes)
        row = w.cell(t, "%c", w.let(f"mul i64 {i.index}, %c0"))

        def body(index, lanes, mask, values):
            p = w.cell(t, row, index)
            old = scaled(w, s, p, mask, keep, beta)
            line = w.load(t, w.cell(t, "%b", index), lanes, mask, s.size)
            w.store(t, w.intrinsic("fma", s.kind, many, line, old), p, lanes, mask, s.size)
            return []

        _, end = sweep(w, s, "%n", body)
        if not s.maskable:
            with w.loop("%n", end) as j:
                p = w.cell(t, row, j.index)
                old = w.op("fmul", t, w.let(f"load {t}, ptr {p}"), "%beta")
                old = w.select(alone, t, old, constant(0, t))
                one = w.let(f"load {t}, ptr {w.cell(t, '%b', j.index)}")
                w.do(f"store {t} {w.intrinsic('fma', t, x, one, old)}, ptr {p}")
    w.do("ret void")
    module.add(name, w)
    return name


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
    with w.loop("%n") as j:
        line = w.cell(t, "%b", w.let(f"mul i64 {j.index}, %b1"))

        def body(index, lanes, mask, values):
            x = w.load(t, w.cell(t, "%a", index), lanes, mask, s.size)
            y = w.load(t, w.cell(t, line, index), lanes, mask, s.size)
            return [w.intrinsic("fma", s.kind, x, y, values[0])]

        zero = (s.kind, "zeroinitializer")
        with w.loop(four, step=str(4 * s.lanes), carried=[zero] * 4) as z:
            ahead = [z.index, *[w.op("add", "i64", z.index, str(r * s.lanes)) for r in (1, 2, 3)]]
            z.next = [body(at, s.lanes, None, [v])[0]
                      for at, v in zip(ahead, z.values, strict=True)]
        p, q, x, y = z.out
        both = w.op("fadd", s.kind, w.op("fadd", s.kind, p, q), w.op("fadd", s.kind, x, y))
        (total,), end = sweep(w, s, "%k", body, [(s.kind, both)], four)
        total = summed(w, s, total)
        if not s.maskable:
            with w.loop("%k", end, carried=[(t, total)]) as z:
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
