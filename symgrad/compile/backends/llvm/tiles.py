"""Products of matrices by tiles: a block of c in registers, b read by rows, a one number at a time.

`blocked` takes any strides.  Its inner function, `panel`, wants rows of b and c without gaps; what
lies otherwise goes through small copies on the stack.  The loop over k holds ``rows x vectors``
sums: enough of them to keep two multipliers busy, few enough for the registers.
"""

from __future__ import annotations

from symgrad.compile.backends.llvm import engine
from symgrad.compile.backends.llvm.ir import MEMORY, SUFFIX, constant, count, wide
from symgrad.records import dataclass
from symgrad.types import BYTES

STACK = 24_576  # bytes of a piece of b: half of a first-level cache
COLUMNS = 128  # steps of k at a time, where those of a lie in different lines
TALL = 64  # rows of a piece of c that is put together on the stack


@dataclass(frozen=True)
class Shape:
    """What the vector registers of this machine hold of a dtype: `lanes` numbers, in tiles of
    `rows` times `vectors`."""

    scalar: str
    size: int
    lanes: int
    maskable: bool

    @classmethod
    def of(cls, dtype):
        register, maskable = engine.lanes()
        size = BYTES[dtype]
        return cls(MEMORY[dtype], size, register // size, maskable)

    @property
    def kind(self):
        return wide(self.scalar, self.lanes)

    @property
    def suffix(self):
        return SUFFIX[self.scalar]

    @property
    def rows(self):
        return 8 if self.maskable else 4  # of 32 registers or of 16

    vectors = 3


def least(w, *values):
    """The least of 64-bit integers."""
    first, *others = values
    w.module.declare("declare i64 @llvm.smin.i64(i64, i64)")
    for x in others:
        first = w.let(f"call i64 @llvm.smin.i64(i64 {first}, i64 {x})")
    return first


def lanes_below(w, n, first, lanes):
    """The mask of the lanes ``first + lane < n``; n is an i32."""
    left = w.let(f"sub i32 {n}, {first}")
    kind = wide("i32", lanes)
    return w.let(f"icmp slt {kind} {count('i32', lanes)}, {w.splat(left, 'i32', lanes)}")


def prefetch(w, pointer, write=0):
    w.module.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    w.do(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 {write}, i32 3, i32 1)")


def panel_signature(scalar):
    return ("ptr %c, i64 %c0, ptr %a, i64 %a0, i64 %a1, ptr %b, i64 %b0, i64 %m, i64 %n, i64 %k, "
            f"{scalar} %alpha, {scalar} %beta")


def panel(module, dtype, vectors):
    """``panel(c, c0, a, a0, a1, b, b0, m, n, k, alpha, beta)``: at most `vectors` registers of
    columns, any number of rows; b and c have no gaps in their rows.

    Where lanes cannot be masked, there must be exactly as many columns as lanes.
    """
    s = Shape.of(dtype)
    name = f"@gemm_panel{vectors}_{s.suffix}"
    if name in module.functions:
        return name
    tall = s.rows if vectors > 1 else 8
    w = module.function(f"define internal void {name}({panel_signature(s.scalar)})")
    masks = [None] * vectors
    if s.maskable:
        n = w.let("trunc i64 %n to i32")
        masks = [lanes_below(w, n, v * s.lanes, s.lanes) for v in range(vectors)]
    keep, beta = kept(w, s)
    alpha = w.splat("%alpha", s.scalar, s.lanes)
    last = w.let("sub i64 %m, 1")
    # Rows of b that are far apart are nothing a processor foresees, nor is a column of a.
    far_b, far_a = w.let("mul i64 %b0, 8"), w.let("mul i64 %a1, 16")

    def columns(row):
        return [row, *[w.cell(s.scalar, row, str(v * s.lanes)) for v in range(1, vectors)]]

    with w.loop("%m", step=str(tall)) as at:
        # Rows behind the last one are computed like the last one and not stored.
        numbers = [at.index]
        numbers += [least(w, w.let(f"add i64 {at.index}, {r}"), last) for r in range(1, tall)]
        rows = [w.cell(s.scalar, "%a", w.let(f"mul i64 {i}, %a0")) for i in numbers]
        cells = [columns(w.cell(s.scalar, "%c", w.let(f"mul i64 {i}, %c0"))) for i in numbers]
        if vectors > 1:
            for cell in sum(cells, []):
                prefetch(w, cell, write=1)
        zeros = [(s.kind, "zeroinitializer")] * (tall * vectors)
        with w.loop("%k", carried=[("i64", "0"), ("i64", "0"), *zeros]) as step:
            x, y, *sums = step.values
            row = w.cell(s.scalar, "%b", y)
            line = [w.load(s.scalar, p, s.lanes, mask, s.size)
                    for p, mask in zip(columns(row), masks, strict=True)]
            if vectors > 1:
                for p in columns(w.cell(s.scalar, row, far_b)):
                    prefetch(w, p)
            else:
                prefetch(w, w.cell(s.scalar, rows[0], w.let(f"add i64 {x}, {far_a}")))
            following = []
            for r in range(tall):
                p = w.cell(s.scalar, rows[r], x)
                one = w.splat(w.let(f"load {s.scalar}, ptr {p}"), s.scalar, s.lanes)
                following += [w.intrinsic("fma", s.kind, one, part, total) for part, total
                              in zip(line, sums[r * vectors:][:vectors], strict=True)]
            step.next = [w.op("add", "i64", x, "%a1"), w.op("add", "i64", y, "%b0"), *following]
        # All of c is read before any of it is written: the last row may be there twice.
        done = []
        for total, p, mask in zip(step.out[2:], sum(cells, []), masks * tall, strict=True):
            old = scaled(w, s, p, mask, keep, beta)
            done.append((w.intrinsic("fma", s.kind, total, alpha, old), p, mask))
        for value, p, mask in done:
            w.store(s.scalar, value, p, s.lanes, mask, s.size)
    w.do("ret void")
    module.add(name, w)
    return name


def kept(w, s):
    """(whether ``%beta`` is not 0, in every lane; beta in every lane)."""
    keep = w.let(f"fcmp une {s.scalar} %beta, {constant(0, s.scalar)}")
    return w.splat(keep, "i1", s.lanes), w.splat("%beta", s.scalar, s.lanes)


def scaled(w, s, pointer, mask, keep, beta):
    """beta times a vector of c; 0 where beta is 0, whatever c holds."""
    if s.maskable:
        keep = keep if mask is None else w.op("and", wide("i1", s.lanes), mask, keep)
        return w.op("fmul", s.kind, w.load(s.scalar, pointer, s.lanes, keep, s.size), beta)
    old = w.op("fmul", s.kind, w.load(s.scalar, pointer, s.lanes, None, s.size), beta)
    return w.select(keep, s.kind, old, "zeroinitializer", s.lanes)


def blocked(module, inner, dtype):
    """The name of a function with the signature of `products.gemm` without `blas`; the loops that
    take its time are in the module `inner`."""
    s = Shape.of(dtype)
    name = f"@gemm_blocked_{s.suffix}"
    if name in module.functions:
        return name
    made = panel(inner, dtype, 1), panel(inner, dtype, s.vectors), pack(inner, s), unpack(inner, s)
    slim, broad, copy, put = [module.borrow(inner, name) for name in made]
    t = s.scalar
    w = module.function(
        f"define internal void {name}(ptr %c, i64 %c0, i64 %c1, ptr %a, i64 %a0, i64 %a1, ptr %b, "
        f"i64 %b0, i64 %b1, i64 %m, i64 %n, i64 %k, {t} %alpha, {t} %beta)")
    space = w.let(f"alloca [{STACK} x i8], align 64")
    piece = w.let(f"alloca [{TALL * s.lanes * s.vectors} x {t}], align 64")
    # A row of a narrow tile costs 9 reads for 8 products; a broad tile may have idle vectors.
    slims, broads = [w.let(f"udiv i64 {w.let(f'add i64 %n, {x - 1}')}, {x}")
                     for x in (s.lanes, s.lanes * s.vectors)]
    few = w.let(f"icmp ult i64 {w.let(f'mul i64 {slims}, 3')}, {w.let(f'mul i64 {broads}, 8')}")
    width = w.select(few, "i64", str(s.lanes), str(s.lanes * s.vectors))

    def work(words):  # two calls: the address of a function elsewhere is not for every loader
        one, other, after = w.label("slim"), w.label("broad"), w.label("after")
        w.branch(few, one, other)
        for label, name in ((one, slim), (other, broad)):
            w.block(label)
            w.do(f"call void {name}({words})")
            w.jump(after)
        w.block(after)

    gaps_b, gaps_c = w.let("icmp ne i64 %b1, 1"), w.let("icmp ne i64 %c1, 1")
    # A packed piece must fit its place.  A narrow b that needs no packing is read in one go, but
    # where a lies by columns: one line of each is in use, and they had better stay in the cache.
    packs = gaps_b if s.maskable else w.op("or", "i1", gaps_b, few)
    module.declare("declare i64 @llvm.smax.i64(i64, i64)")
    steps = w.let("call i64 @llvm.smax.i64(i64 %k, i64 1)")  # an empty k: c is scaled all the same
    free = w.select(w.let("icmp eq i64 %a1, 1"), "i64", steps, str(COLUMNS))
    room = w.select(packs, "i64", str(STACK // s.size // s.lanes), free)
    deep = w.select(few, "i64", room, str(STACK // s.size // s.lanes // s.vectors))
    with w.loop(steps, step=deep) as z:
        depth = least(w, w.let(f"sub i64 %k, {z.index}"), deep)
        first = w.let(f"icmp eq i64 {z.index}, 0")
        beta = w.select(first, t, "%beta", constant(1, t))
        left = w.cell(t, "%a", w.let(f"mul i64 {z.index}, %a1"))
        below = w.cell(t, "%b", w.let(f"mul i64 {z.index}, %b0"))
        with w.loop("%n", step=width) as j:
            n = least(w, w.let(f"sub i64 %n, {j.index}"), width)
            right = w.cell(t, below, w.let(f"mul i64 {j.index}, %b1"))
            target = w.cell(t, "%c", w.let(f"mul i64 {j.index}, %c1"))
            packs, loose = gaps_b, gaps_c
            if not s.maskable:
                part = w.let(f"icmp ne i64 {n}, {width}")
                packs, loose = w.op("or", "i1", gaps_b, part), w.op("or", "i1", gaps_c, part)
            with w.when(packs):
                w.do(f"call void {copy}(ptr {space}, ptr {right}, i64 %b0, i64 %b1, i64 {depth}, "
                     f"i64 {n}, i64 {width})")
            source = w.select(packs, "ptr", space, right)
            apart = w.select(packs, "i64", width, "%b0")
            whole = f"i64 %a0, i64 %a1, ptr {source}, i64 {apart}"
            pieces, straight, after = w.label("pieces"), w.label("straight"), w.label("after")
            w.branch(loose, pieces, straight)
            w.block(straight)
            work(f"ptr {target}, i64 %c0, ptr {left}, {whole}, i64 %m, i64 {n}, i64 {depth}, "
                 f"{t} %alpha, {t} {beta}")
            w.jump(after)
            w.block(pieces)
            with w.loop("%m", step=str(TALL)) as i:
                m = least(w, w.let(f"sub i64 %m, {i.index}"), str(TALL))
                top = w.cell(t, left, w.let(f"mul i64 {i.index}, %a0"))
                work(f"ptr {piece}, i64 {width}, ptr {top}, {whole}, i64 {m}, i64 {n}, "
                     f"i64 {depth}, {t} %alpha, {t} {constant(0, t)}")
                top = w.cell(t, target, w.let(f"mul i64 {i.index}, %c0"))
                w.do(f"call void {put}(ptr {top}, i64 %c0, i64 %c1, ptr {piece}, i64 {width}, "
                     f"i64 {m}, i64 {n}, {t} {beta})")
            w.jump(after)
            w.block(after)
    w.do("ret void")
    module.add(name, w)
    return name


def pack(module, s):
    """``pack(space, b, b0, b1, k, n, width)``: b[k,n] as rows of `width` numbers, zeros behind."""
    name = f"@gemm_pack_{s.suffix}"
    if name in module.functions:
        return name
    t, lanes = s.scalar, s.lanes
    w = module.function(f"define internal void {name}(ptr %space, ptr %b, i64 %b0, i64 %b1, "
                        "i64 %k, i64 %n, i64 %width)")
    n = w.let("trunc i64 %n to i32")
    if s.maskable:
        kind = wide("i64", lanes)
        steps = w.op("mul", kind, count("i64", lanes), w.splat("%b1", "i64", lanes))
    with w.loop("%width", step=str(lanes) if s.maskable else "1") as j:
        column = w.cell(t, "%b", w.let(f"mul i64 {j.index}, %b1"))
        target = w.cell(t, "%space", j.index)
        if s.maskable:
            mask = lanes_below(w, n, w.let(f"trunc i64 {j.index} to i32"), lanes)
        else:
            stop = w.select(w.let(f"icmp slt i64 {j.index}, %n"), "i64", "%k", "0")
        with w.loop("%k", carried=[("i64", "0"), ("i64", "0")]) as z:
            here, there = z.values
            p = w.cell(t, column, here)
            q = w.cell(t, target, there)
            if s.maskable:
                many = w.let(f"getelementptr {t}, ptr {p}, {kind} {steps}")
                x = w.gather(t, many, lanes, mask, s.size)
                w.store(t, x, q, lanes, None, s.size)
            else:
                inside = w.let(f"icmp slt i64 {z.index}, {stop}")
                p = w.select(inside, "ptr", p, "%b")
                x = w.select(inside, t, w.let(f"load {t}, ptr {p}"), constant(0, t))
                w.do(f"store {t} {x}, ptr {q}")
            z.next = [w.op("add", "i64", here, "%b0"), w.op("add", "i64", there, "%width")]
    w.do("ret void")
    module.add(name, w)
    return name


def unpack(module, s):
    """``unpack(c, c0, c1, piece, width, m, n, beta)``: c[m,n] = beta c + a piece of `width`."""
    name = f"@gemm_unpack_{s.suffix}"
    if name in module.functions:
        return name
    t = s.scalar
    w = module.function(f"define internal void {name}(ptr %c, i64 %c0, i64 %c1, ptr %piece, "
                        f"i64 %width, i64 %m, i64 %n, {t} %beta)")
    keep = w.let(f"fcmp une {t} %beta, {constant(0, t)}")
    with w.loop("%m") as i:
        row = w.cell(t, "%c", w.let(f"mul i64 {i.index}, %c0"))
        line = w.cell(t, "%piece", w.let(f"mul i64 {i.index}, %width"))
        with w.loop("%n") as j:
            p = w.cell(t, row, w.let(f"mul i64 {j.index}, %c1"))
            old = w.op("fmul", t, w.let(f"load {t}, ptr {p}"), "%beta")
            x = w.let(f"load {t}, ptr {w.cell(t, line, j.index)}")
            x = w.op("fadd", t, x, w.select(keep, t, old, constant(0, t)))
            w.do(f"store {t} {x}, ptr {p}")
    w.do("ret void")
    module.add(name, w)
    return name
