"""What there is to tell of a native program: each step's loops, vectors, work and memory, what
Python runs and why, and how much memory a call takes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain

from symgrad import origin
from symgrad.compile.backends.llvm import kernels, pairs
from symgrad.compile.backends.llvm.arena import LINE, without_copy
from symgrad.compile.backends.llvm.blocks import block, uses
from symgrad.compile.backends.llvm.ir import REGISTER
from symgrad.compile.backends.llvm.pieces import multiplies
from symgrad.compile.backends.llvm.values import VIEWS
from symgrad.compile.kernel import Apply, Lit, Load, body_key, walk
from symgrad.compile.loops import loops as nested
from symgrad.compile.lower import lower
from symgrad.compile.nest import Assign, Fold, For, Local, expressions, statements
from symgrad.types import BYTES

VECTOR = re.compile(r"(?:load|store|fadd|fmul|select|add|and) <(\d+) x (float|double|half|i\d+)>"
                    r"|masked\.\w+\.v(\d+)([fi]\d+)")
SPELLING = {"f16": "half", "f32": "float", "f64": "double"}


class Terms(Counter):
    """A sum of products of lengths: {lengths in order of their names: factor}."""

    @classmethod
    def of(cls, factor, lengths=()):
        number, dims = factor, []
        for d in lengths:
            if isinstance(d, int):
                number *= d
            else:
                dims.append(d)
        return cls({tuple(sorted(dims, key=str)): number} if number else {})

    def __add__(self, other):
        return Terms(Counter.__add__(self, other))

    def __str__(self):
        parts = []
        for dims, factor in sorted(self.items(), key=lambda kv: (-len(kv[0]), str(kv[0]))):
            words = [str(d) for d in dims]
            parts.append("*".join([f"{factor:,}"] * (factor != 1 or not words) + words))
        return " + ".join(parts) or "0"

    def value(self, lengths):
        """The number, given ``{Dim: length}``."""
        total = 0
        for dims, factor in self.items():
            for d in dims:
                factor *= lengths[d]
            total += factor
        return total


@dataclass
class Line:
    """One step: `kind` is 'kernel', 'product', 'join', 'view', 'loop' or 'python'; `read`,
    `written` (bytes) and `flops` are `Terms`; `body`: the machine code's function; `why`: why it
    runs in Python."""

    number: int
    kind: str
    name: str
    ops: tuple
    lines: tuple
    loops: str = ""
    vector: str = ""
    read: Terms | None = None
    written: Terms | None = None
    flops: Terms | None = None
    body: str = ""
    why: str = ""
    inside: tuple = ()  # of a loop: the lines of one step

    def __str__(self):
        head = f"{self.number:4} {self.kind:7} {self.name}: {_counted(self.ops)}"
        head += f"   [{', '.join(self.lines)}]" if self.lines else ""
        if self.kind == "python":
            return f"{head}\n{'':13}runs in Python: {self.why}"
        if self.kind == "view":
            return head
        if self.kind in ("loop", "branch"):
            rows = [f"    {row}" for line in self.inside for row in str(line).split("\n")]
            return "\n".join([f"{head}; {self.loops}", *rows])
        facts = [self.loops, self.vector, f"reads {self.read} B", f"writes {self.written} B",
                 f"{self.flops} flops", self.body]
        return f"{head}\n{'':13}{'; '.join([f for f in facts if f])}"


PLURAL = {"python": "python", "branch": "branches"}


@dataclass
class Account:
    """All of a program: `steps` (a `Line` each), `bodies`: how many distinct kernels there are,
    `times`: seconds for writing IR, making object files (or finding them in the cache), linking;
    `arena`: bytes kept between calls, but for what fills the last cache line of each slot."""

    steps: list
    bodies: int
    times: dict
    arena: Terms

    def __str__(self):
        kinds = Counter([s.kind for s in self.steps])
        words = [f"{n} {PLURAL.get(k, k + 's') if n > 1 else k}" for k, n in kinds.items()]
        times = ", ".join([f"{k} {t * 1e3:.1f} ms" for k, t in self.times.items()])
        lines = [f"  native steps: {', '.join(words)}; {self.bodies} distinct kernels; {times}",
                 f"  memory kept between calls: {self.arena} B"]
        lines += [f"  {line}" for s in self.steps for line in str(s).split("\n")]
        return "\n".join(lines)

    @property
    def python(self):
        """{name of a step that runs in Python: why}."""
        return {s.name: s.why for top in self.steps for s in (top, *top.inside)
                if s.kind == "python"}


def account(program):
    """The `Account` of a `program.Program`."""
    driver = program.driver
    steps = [_line(driver, k, p) for k, p in enumerate(driver.pieces)]
    arena = Terms()
    for slot in driver.arena.slots:
        arena.update(Terms.of(BYTES[slot.dtype], slot.shape))
    return Account(steps, len(driver.emitted), dict(getattr(program, "times", {})), arena)


def _line(driver, k, p):
    body = p.step.body
    outputs = ", ".join([driver.names[n] for n in p.step.outputs])
    lines = dict.fromkeys([origin.where(n.origin) for n in body if n.origin])
    made = Line(k, p.kind, outputs, tuple([n.op.name for n in body]), tuple(lines))
    if p.kind == "python":
        made.why = why(p)
    elif p.kind == "kernel":
        nest = _written(driver, p)
        key = body_key(p.kernel)
        emitted = [e.name for (found, *_), e in driver.emitted.items() if found == key]
        made.body = ", ".join(emitted)
        made.loops = loops(nest.body, uses(nest))
        made.vector = vector("".join([driver.module.functions[name] for name in emitted]))
        made.read, made.written, made.flops = traffic(nest, False), traffic(nest, True), flops(nest)
    elif p.kind == "loop":
        inner = p.inner
        made.loops = f"{len(inner.pieces)} steps inside"
        made.inside = tuple([_line(inner, j, q) for j, q in enumerate(inner.pieces)])
    elif p.kind == "branch":
        sides = p.inner.sides
        made.loops = " or ".join([f"{len(side.pieces)} steps" for side in sides])
        made.inside = tuple([_line(side, j, q) for side in sides
                             for j, q in enumerate(side.pieces)])
    elif p.kind == "product":
        _product(made, body[0])
    elif p.kind == "join":
        parts = 1 if body[0].op.name == "windows" else len(body[0].inputs)
        made.loops, made.flops = f"{parts} copied", Terms()
        made.written = Terms.of(BYTES[body[0].type.dtype], body[0].type.shape)
        made.read = made.written
    return made


def _written(driver, p):
    """The nest of a step without the copying that its memory spares."""
    nest, values = p.nest, driver.values
    for n in p.step.outputs:
        for i in p.step.inputs:
            if i.type is n.type and i in values and values[i].pointer == values[n].pointer:
                nest = without_copy(nest, p.names[i], p.names[n]) or nest
    return nest


def _product(made, node):
    operands = [i for i in node.inputs if i.type.ndim]
    a, b = operands[-2:]
    inner = a.type.shape[-1] if node.op.name != "ger" else 1
    out = node.type
    made.loops = f"{a.type!r} by {b.type!r}"
    made.flops = Terms.of(2, (*out.shape, inner))
    made.read = Terms()
    for i in operands:
        made.read.update(Terms.of(BYTES[i.type.dtype], i.type.shape))
    made.written = Terms.of(BYTES[out.dtype], out.shape)


def _counted(ops):
    return ", ".join([f"{op} {n}" if n > 1 else op for op, n in Counter(ops).items()])


# -- of loops


def loops(body, buffers):
    """``i<d0(j<10, j<10)``: which loops there are, and in which; whether they go in blocks."""
    found = []
    for s in body:
        if type(s) is For:
            inner = loops(s.body, buffers)
            way = " in blocks" if inner and block(s, buffers) else ""
            found.append(f"{s.letter}<{s.length}{way}" + (f"({inner})" if inner else ""))
    return ", ".join(found)


def vector(text):
    """``16 x float``: the vectors that most instructions of some IR work on."""
    found = Counter()
    for width, kind, other, short in VECTOR.findall(text):
        kind = kind or SPELLING.get(short, short)
        found[int(width or other), kind] += kind != "i1"
    floats = [c for c in found if c[1] in SPELLING.values()] or list(found)
    if not floats:
        return "single lanes" if text else ""
    width, kind = max(floats, key=lambda c: found[c])
    return f"vectors of {width} x {kind}"


def _walk(body, around=()):
    """(statement, lengths of the loops around it)."""
    for s in body:
        if type(s) is For:
            yield from _walk(s.body, (*around, s.length))
        else:
            yield s, around


def flops(nest):
    """How many rows of the scalar vocabulary a nest computes; casts are not counted."""
    total = Terms()
    for s, around in _walk(nest.body):
        if type(s) in (Assign, Fold):
            rows = [e for e in walk(s.expr) if type(e) is Apply and e.row != "cast"]
            total.update(Terms.of(len(rows) + (type(s) is Fold), around))
    return total


def traffic(nest, written):
    """Bytes of arrays that a nest reads, or writes: each element once, but those at computed
    indices as often as they are met."""
    arrays = {a.name: a.type for a in (*nest.params, *nest.results)}
    whole, total = {}, Terms()
    for s, around in _walk(nest.body):
        if type(s) not in (Assign, Fold):
            continue
        cell = [s.cell] if type(s.cell) is Load else []
        reads = [e for e in walk(s.expr) if type(e) is Load]
        for e in cell if written else reads:
            if e.source not in arrays:
                continue
            if any(type(a) is Local for a in e.at):
                total.update(Terms.of(BYTES[e.dtype], around))
            else:
                whole[e.source] = arrays[e.source]
    for t in whole.values():
        total.update(Terms.of(BYTES[t.dtype], t.shape))
    return total


# -- why Python


def why(p):
    """Which scalar row, dtype or op of a step has no native form."""
    n = p.step.body[0]
    if p.step.kind != "kernel":
        if n.type.dtype not in REGISTER and n.op.kind == "contract":
            return f"{n.op.name} of {n.type.dtype} has no native form"
        if n.op.name in VIEWS:
            return f"{n.op.name}: whether it is a view depends on the call"
        return f"{n.op.name} has no native form" + (
            " for these operands" if n.op.kind == "contract" and not multiplies(n) else "")
    try:
        nest = pairs.real(nested(lower(p.step, p.names)))
    except pairs.Unpaired as lacking:
        return "{} of {} has no native form".format(*lacking.args)
    for t in chain(nest.params, nest.results):
        if t.type.dtype not in REGISTER:
            return f"dtype {t.type.dtype} has no native form"
    for s in statements(nest.body):
        for e in expressions(s):
            for x in walk(e):
                if type(x) is Apply and not kernels.supported(x):
                    return f"{x.row} of {x.args[-1].dtype} has no native form"
                if type(x) in (Load, Lit, Local) and x.dtype not in REGISTER:
                    return f"dtype {x.dtype} has no native form"
    return "it has no native form"


# -- memory


def needs(program, lengths):
    """(bytes of the arena, bytes in arrays that a call makes), given `need.Lengths`; exact but for
    copies of inputs with gaps that are reshaped."""
    driver, arena = program.driver, program.arena
    made = [n for n, home in arena.homes.items() if home.kind == "made"]
    made += [n for n, _, _ in driver.results if n is not None]
    return max(LINE, arena.bytes(lengths)), sum([lengths.bytes(n.type) for n in made])
