"""Matrix products in IR: `gemm` for each dtype, which chooses at run time who computes it.

``gemm(blas, c, c0, c1, a, a0, a1, b, b0, b1, m, n, k, alpha, beta)`` sets
``c = beta c + alpha a b`` for c[m,n], a[m,k] and b[k,n] whose strides are any number of elements.
`blas` points to `blas.addresses`.  Where beta is 0, c is not read.  alpha and beta are numbers of
the dtype; those of complex products are pointers to two.  c must not overlap a or b.
"""

from __future__ import annotations

from contextlib import contextmanager

from symgrad.compile.backends.llvm import along, blas, lines, tiles
from symgrad.compile.backends.llvm.ir import MEMORY, REGISTER, SUFFIX, constant, number
from symgrad.compile.backends.llvm.tiles import Shape

COMPLEX = {"complex64": ("c32", "float", "cgemm"), "complex128": ("c64", "double", "zgemm")}
REAL = {"float32": "sgemm", "float64": "dgemm"}
MATRIX = ("c", "a", "b")
LONGEST = 2**31 - 1  # what BLAS's integers hold
# Where our tiles beat BLAS (measured with OpenBLAS, which is best at what is nearly square): few
# columns, but long sums; no more than so many rows or terms, but much work; tiny ones.
LONG, THIN, SMALL, FEW, SMALLEST = 128, 32, 2**18, 3, 8


def suffix(dtype):
    """How the names of a dtype's functions end: ``f32``."""
    if dtype in COMPLEX:
        return COMPLEX[dtype][0]
    return SUFFIX[MEMORY[dtype]] if dtype != "bool" else "b8"


def signature(dtype, batch=False):
    """The parameters of a product, with their types."""
    words = ["ptr %blas"] + ["i64 %batch"] * batch
    for x in MATRIX:
        words += [f"ptr %{x}"] + [f"i64 %{x}b"] * batch + [f"i64 %{x}0", f"i64 %{x}1"]
    kind = "ptr" if dtype in COMPLEX else REGISTER[dtype]
    return ", ".join([*words, "i64 %m", "i64 %n", "i64 %k", f"{kind} %alpha", f"{kind} %beta"])


def gemm(module, dtype):
    """Add the product of a dtype to a module where it is not there yet; its name, ``@gemm_f32``.

    It is a part of its own.  The choice is made of few instructions for the processor but many for
    LLVM, and is compiled with little effort; what it chooses from, with care.
    """
    name = f"@gemm_{suffix(dtype)}"
    choice, ways = module.part(name[1:], 0), module.part(f"{name[1:]}_ways")
    if name not in choice.functions:
        library = _blas(choice, dtype) if dtype in REAL or dtype in COMPLEX else None
        w = choice.function(f"define internal void {name}({signature(dtype)})")
        if dtype in REAL:
            _choose(w, ways, dtype, library)
        else:
            loops, after = choice.borrow(ways, _loops(ways, dtype)), w.label("after")
            if library:
                missed = w.label("missed")
                w.branch(w.let(f"call i1 {library}({signature(dtype)})"), after, missed)
                w.block(missed)
            w.do(f"call void {loops}({signature(dtype)})")
            w.jump(after)
            w.block(after)
        w.do("ret void")
        choice.add(name, w)
    return module.borrow(choice, name)


def quick(driver, dtype, c, a, b, columns=None):
    """`lines.direct` for a product of one row, `along.direct` for others, of this dtype in a
    driver's function; `columns`: (whether, and where, b lies row by row, too)."""
    if dtype not in REAL:
        return None
    if c.lengths[0] != "1":
        return along.direct(driver, dtype, c, a, b)
    ways = driver.module.part(f"gemm_{suffix(dtype)}_ways")
    found = lines.direct(driver, ways, dtype, c, a, b, columns)
    return found and (found[0], driver.module.borrow(ways, found[1]), found[2])


def batched(module, dtype):
    """The same for stacks: ``(blas, batch, c, cb, c0, c1, a, ab, …)`` with strides from one matrix
    to the next."""
    name = f"@gemms_{suffix(dtype)}"
    if name in module.functions:
        return name
    one = gemm(module, dtype)
    w = module.function(f"define internal void {name}({signature(dtype, batch=True)})")
    kind = "{ float, float }" if dtype == "complex64" else "{ double, double }"
    kind = kind if dtype in COMPLEX else MEMORY[dtype]
    with w.loop("%batch") as at:
        here = {}
        for x in MATRIX:
            here[f"%{x}"] = w.cell(kind, f"%{x}", w.op("mul", "i64", at.index, f"%{x}b"))
        words = [word.split() for word in signature(dtype).split(", ")]
        w.do(f"call void {one}({', '.join([f'{t} {here.get(x, x)}' for t, x in words])})")
    w.do("ret void")
    module.add(name, w)
    return name


# -- who does it


def _choose(w, ways, dtype, library):
    """The product of real matrices: what touches every number once by lines, the rest by tiles or
    by BLAS."""
    s, t = Shape.of(dtype), MEMORY[dtype]

    def test(text):
        return w.let(f"icmp {text}")

    def both(*conditions):
        first, *others = conditions
        for x in others:
            first = w.op("and", "i1", first, x)
        return first

    def either(*conditions):
        first, *others = conditions
        for x in others:
            first = w.op("or", "i1", first, x)
        return first

    @contextmanager
    def way(condition):
        """The inside does the whole product where the condition holds."""
        yes, no = w.label("way"), w.label("on")
        w.branch(condition, yes, no)
        w.block(yes)
        yield
        w.do("ret void")
        w.block(no)

    with way(either(test("sle i64 %m, 0"), test("sle i64 %n, 0"))):
        pass
    # Turned about, c' = b' a', where that makes a vector a row or c lie by rows.
    tall = test("ne i64 %m, 1")
    flip = both(tall, either(test("eq i64 %n, 1"),
                             both(test("ne i64 %c1, 1"), test("eq i64 %c0, 1"))))
    x = {"c": "%c", "k": "%k"}
    for here, there in (("c0", "c1"), ("a0", "b1"), ("a1", "b0"), ("m", "n")):
        for one, other in ((here, there), (there, here)):
            x[one] = w.select(flip, "i64", f"%{other}", f"%{one}")
    for one, other in ("ab", "ba"):
        x[one] = w.select(flip, "ptr", f"%{other}", f"%{one}")
    alone = test(f"eq i64 {x['n']}, 1")
    lines_c = either(alone, test(f"eq i64 {x['c1']}, 1"))
    lines_b = either(alone, test(f"eq i64 {x['b1']}, 1"))
    few = test(f"sle i64 {x['n']}, {s.lanes}")

    def call(name, *words):
        kinds = ["ptr" if word in "abc" else "i64" for word in words]
        words = [f"{kind} {x[word]}" for kind, word in zip(kinds, words, strict=True)]
        w.do(f"call void {name}({', '.join([*words, f'{t} %alpha', f'{t} %beta'])})")

    solid = both(test(f"eq i64 {x['m']}, 1"), test(f"eq i64 {x['a1']}, 1"))
    size = w.op("mul", "i64", w.op("mul", "i64", x["m"], x["n"]), "%k")
    with way(both(solid, test(f"eq i64 {x['b0']}, 1"),
                  either(alone, test(f"sle i64 {size}, {lines.SHORT}")))):
        call(w.module.borrow(ways, lines.dots(ways, dtype)), "c", "c1", "a", "b", "b1", "n", "k")
    if s.maskable:
        with way(both(solid, few, lines_c, lines_b)):
            call(w.module.borrow(ways, lines.narrow(ways, dtype)), "c", "a", "b", "b0", "n", "k")
        small = both(test(f"sle i64 {x['m']}, {SMALLEST}"),
                     test(f"sle i64 {size}, {SMALLEST ** 3}"))
        with way(both(small, test(f"eq i64 {x['a1']}, 1"), few, lines_c, lines_b)):
            with w.loop(x["m"]) as i:  # row by row
                row = {y: w.cell(t, x[y], w.op("mul", "i64", i.index, x[f"{y}0"])) for y in "ca"}
                w.do(f"call void {lines.narrow(ways, dtype)}(ptr {row['c']}, ptr {row['a']}, "
                     f"ptr {x['b']}, i64 {x['b0']}, i64 {x['n']}, i64 %k, {t} %alpha, {t} %beta)")
    skinny = both(either(test(f"sle i64 {x['m']}, {THIN}"), test(f"sle i64 %k, {THIN}")),
                  either(test(f"sgt i64 {size}, {SMALL}"), w.op("xor", "i1", lines_b, "true")))
    slim = few
    if s.size == 8:  # BLAS is slower here in double precision, but not with little to do
        slim = both(test(f"sle i64 {x['n']}, {3 * s.lanes}"), test(f"sgt i64 {size}, {4 * SMALL}"))
        slim = either(few, slim)
    slim = both(slim, lines_b, test(f"sgt i64 %k, {LONG}"))
    own = either(slim, both(skinny, w.op("xor", "i1", both(few, lines_b), "true")))
    # rows of a with columns of b are nothing to lay out anew
    along_k = both(test(f"eq i64 {x['a1']}, 1"), test(f"eq i64 {x['b0']}, 1"),
                   test(f"sgt i64 %k, {LONG}"))
    own = both(own, lines_c, test(f"sgt i64 {x['m']}, {FEW}"), w.op("xor", "i1", along_k, "true"))
    ask, done, tiles_ = w.label("ask"), w.label("done"), w.label("tiles")
    w.branch(own, tiles_, ask)
    w.block(ask)
    w.branch(w.let(f"call i1 {library}({signature(dtype)})"), done, tiles_)
    w.block(tiles_)
    call(tiles.blocked(w.module, ways, dtype), *"c c0 c1 a a0 a1 b b0 b1 m n k".split())
    w.jump(done)
    w.block(done)


# -- by BLAS


def _blas(module, dtype):
    """The product by BLAS: true if it is done, false if BLAS cannot do it."""
    scalar, routine = COMPLEX[dtype][1:] if dtype in COMPLEX else (REGISTER[dtype], REAL[dtype])
    name = f"@gemm_blas_{suffix(dtype)}"
    side = _side(module)
    w = module.function(f"define internal i1 {name}({signature(dtype)})")
    done, other = w.label("done"), w.label("other")
    slot = w.cell("i64", "%blas", str(list(blas.ROUTINES).index(routine)))
    routine = w.let(f"load ptr, ptr {slot}, align 8")
    # c by rows is its transpose by columns: c' = b' a'.  If c goes by columns: c = a b.
    rows = w.let(f"call i64 {side}(i64 %c0, i64 %c1, i64 %m, i64 %n)")
    flip = w.let(f"icmp eq i64 {rows}, 0")
    columns = w.let(f"call i64 {side}(i64 %c1, i64 %c0, i64 %n, i64 %m)")
    leading = {"c": w.select(flip, "i64", columns, rows)}
    letter = {}
    for x, length, across in (("a", "%m", "%k"), ("b", "%k", "%n")):
        straight = w.let(f"call i64 {side}(i64 %{x}0, i64 %{x}1, i64 {length}, i64 {across})")
        turned = w.let(f"call i64 {side}(i64 %{x}1, i64 %{x}0, i64 {across}, i64 {length})")
        lies = w.let(f"icmp ne i64 {straight}, 0")
        leading[x] = w.select(lies, "i64", straight, turned)
        # By rows means N where c goes by rows, T where it goes by columns.
        same = w.op("xor", "i1", lies, flip)
        letter[x] = w.select(same, "i8", str(ord("N")), str(ord("T")))
    good = w.let(f"icmp ne ptr {routine}, null")
    for x in MATRIX:
        good = w.op("and", "i1", good, w.let(f"icmp ne i64 {leading[x]}, 0"))
    w.branch(good, done, other)
    w.block(other)
    w.do("ret i1 false")
    w.block(done)
    first, second = [[w.select(flip, "ptr", f"%{x}", f"%{y}"),
                      w.select(flip, "i64", leading[x], leading[y]),
                      w.select(flip, "i8", letter[x], letter[y])] for x, y in ("ab", "ba")]
    lengths = [w.select(flip, "i64", "%m", "%n"), w.select(flip, "i64", "%n", "%m"), "%k"]
    numbers = [_integer(w, x) for x in (*lengths, first[1], second[1], leading["c"])]
    letters = [_slot(w, "i8", x[2]) for x in (first, second)]
    if dtype in COMPLEX:
        alpha, beta = "%alpha", "%beta"
    else:
        alpha, beta = [_slot(w, scalar, x) for x in ("%alpha", "%beta")]
    m, n, k, one, two, three = numbers
    words = [*letters, m, n, k, alpha, first[0], one, second[0], two, beta, "%c", three]
    w.do(f"call void {routine}({', '.join([f'ptr {x}' for x in words])})")
    w.do("ret i1 true")
    module.add(name, w)
    return name


def _slot(w, scalar, value):
    """Memory that holds a number, for a callee that wants its address."""
    slot = w.let(f"alloca {scalar}")
    w.do(f"store {scalar} {value}, ptr {slot}")
    return slot


def _integer(w, value):
    if blas.INTEGER == "i32":
        value = w.let(f"trunc i64 {value} to i32")
    return _slot(w, blas.INTEGER, value)


def _side(module):
    """``side(far, near, along, across)``: the distance of the rows of a matrix that lies by rows,
    as BLAS wants it, or 0 if it does not lie so, or is empty, or too long for BLAS."""
    name = "@gemm_side"
    if name in module.functions:
        return name
    w = module.function(
        f"define internal i64 {name}(i64 %far, i64 %near, i64 %along, i64 %across)")
    unit = w.op("or", "i1", w.let("icmp eq i64 %near, 1"), w.let("icmp eq i64 %across, 1"))
    single = w.let("icmp eq i64 %along, 1")
    far = w.select(single, "i64", "%across", "%far")
    fits = w.let("icmp sge i64 %far, %across")
    good = w.op("and", "i1", unit, w.op("or", "i1", single, fits))
    for x in (far, "%along"):
        # 1 … LONGEST, in one comparison.
        good = w.op("and", "i1", good, w.let(f"icmp ult i64 {w.let(f'sub i64 {x}, 1')}, {LONGEST}"))
    w.do(f"ret i64 {w.select(good, 'i64', far, '0')}")
    module.add(name, w)
    return name


# -- by plain loops


def _loops(module, dtype):
    """The product by three loops: for what has no better way."""
    name = f"@gemm_loops_{suffix(dtype)}"
    if name in module.functions:
        return name
    w = module.function(f"define internal void {name}({signature(dtype)})")
    number = Complex(w, dtype) if dtype in COMPLEX else Number(w, dtype)
    alpha, beta = number.given("%alpha"), number.given("%beta")
    keeps = number.differs(beta)
    with w.loop("%m") as i, w.loop("%n") as j:
        row = w.op("mul", "i64", i.index, "%a0")
        column = w.op("mul", "i64", j.index, "%b1")
        with w.loop("%k", carried=number.zeros) as at:
            x = w.op("add", "i64", row, w.op("mul", "i64", at.index, "%a1"))
            y = w.op("add", "i64", column, w.op("mul", "i64", at.index, "%b0"))
            product = number.times(number.load("%a", x), number.load("%b", y))
            at.next = number.plus(at.values, product)
        total = number.times(alpha, at.out)
        cell = w.op("add", "i64", w.op("mul", "i64", i.index, "%c0"),
                    w.op("mul", "i64", j.index, "%c1"))
        old, new, before = w.label("old"), w.label("new"), w.at
        w.branch(keeps, old, new)
        w.block(old)
        more = number.plus(total, number.times(beta, number.load("%c", cell)))
        w.jump(new)
        w.block(new)
        sums = [w.let(f"phi {kind} [{x}, %{before}], [{y}, %{old}]")
                for (kind, _), x, y in zip(number.zeros, total, more, strict=True)]
        number.store(sums, "%c", cell)
    w.do("ret void")
    module.add(name, w)
    return name


class Number:
    """Arithmetic of a dtype on lists of one register; half precision is summed in single."""

    def __init__(self, w, dtype):
        self.w, self.memory, self.register = w, MEMORY[dtype], REGISTER[dtype]
        self.half = self.register == "half"
        self.kind = "float" if self.half else self.register
        self.zeros = [(self.kind, number(0, self.kind))]
        floating = self.kind in ("float", "double")
        self.words = ("fmul", "fadd", "fcmp une") if floating else ("mul", "add", "icmp ne")
        if self.register == "i1":
            self.words = ("and", "or", "icmp ne")

    def given(self, name):
        return [self.w.let(f"fpext half {name} to float") if self.half else name]

    def differs(self, x):
        """Whether a number is not 0."""
        return self.w.let(f"{self.words[2]} {self.kind} {x[0]}, {constant(0, self.kind)}")

    def times(self, x, y):
        return [self.w.op(self.words[0], self.kind, x[0], y[0])]

    def plus(self, x, y):
        return [self.w.op(self.words[1], self.kind, x[0], y[0])]

    def load(self, pointer, index):
        x = self.w.let(f"load {self.memory}, ptr {self.w.cell(self.memory, pointer, index)}")
        if self.register == "i1":
            return [self.w.let(f"icmp ne i8 {x}, 0")]
        return self.given(x)

    def store(self, x, pointer, index):
        x = x[0]
        if self.half:
            x = self.w.let(f"fptrunc float {x} to half")
        elif self.register == "i1":
            x = self.w.let(f"zext i1 {x} to i8")
        cell = self.w.cell(self.memory, pointer, index)
        self.w.do(f"store {self.memory} {x}, ptr {cell}")


class Complex:
    """The same for pairs of registers."""

    def __init__(self, w, dtype):
        self.w, self.kind = w, COMPLEX[dtype][1]
        self.zeros = [(self.kind, number(0, self.kind))] * 2

    def given(self, name):
        return self.load(name, "0")

    def differs(self, x):
        parts = [self.w.let(f"fcmp une {self.kind} {p}, {constant(0, self.kind)}") for p in x]
        return self.w.op("or", "i1", *parts)

    def times(self, x, y):
        def f(p, q):
            return self.w.op("fmul", self.kind, p, q)

        return [self.w.op("fsub", self.kind, f(x[0], y[0]), f(x[1], y[1])),
                self.w.op("fadd", self.kind, f(x[0], y[1]), f(x[1], y[0]))]

    def plus(self, x, y):
        return [self.w.op("fadd", self.kind, p, q) for p, q in zip(x, y, strict=True)]

    def _cells(self, pointer, index):
        first = self.w.op("shl", "i64", index, "1")
        return [self.w.cell(self.kind, pointer, first),
                self.w.cell(self.kind, pointer, self.w.op("or", "i64", first, "1"))]

    def load(self, pointer, index):
        return [self.w.let(f"load {self.kind}, ptr {p}") for p in self._cells(pointer, index)]

    def store(self, x, pointer, index):
        for value, cell in zip(x, self._cells(pointer, index), strict=True):
            self.w.do(f"store {self.kind} {value}, ptr {cell}")
