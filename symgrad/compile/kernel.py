"""The kernel IR: a fused step as a short list of indexed equations, which kernel backends read.

::

    kernel = (name, params, results, stages, axes)
    stage  = target[at] = expr                            one value for every index
           | target[at] = sum | max | ... over: expr      a reduction
           | target[at] += over: expr                     onto an earlier stage of that target
           | target[at] := expr                           a name for an expression, no storage
    expr   = source[at]  |  scalar(expr, ...)  |  literal  |  axis  |  length  |  index
    at     = 0  |  axis  |  2*axis+axis-1 (affine)  |  index (computed: a gather)
    axes   = letter < length, ...

A letter is bound by its stage: by `at` on the left, or by `over`.  An `Index` counts from the end
if negative, and is checked, as NumPy does with index arrays.  Expressions are typed: nothing is
cast unless a ``cast`` says so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symgrad.records import dataclass, field
from symgrad.scalars import ROWS
from symgrad.types import SHORT, Dim, Type


@dataclass(frozen=True, slots=True)
class Axis:
    """The running index of an axis; as a value an int64."""

    letter: str
    dtype = "int64"


@dataclass(frozen=True, slots=True)
class Affine:
    """``2*i+p-1``: axes and lengths times whole numbers, and an offset.  It is not checked."""

    terms: tuple  # ((factor, letter or Dim), …)
    offset: int = 0
    dtype = "int64"


@dataclass(frozen=True, slots=True)
class Index:
    """A computed index into an axis of some length (None: surely inside, not checked).

    `axis`, `op` and `node`, the application it belongs to, are for messages and not compared.
    """

    expr: object
    length: object
    axis: int = field(default=0, compare=False)
    op: str = field(default="", compare=False)
    node: object = field(default=None, compare=False, repr=False)
    dtype = "int64"


@dataclass(frozen=True, slots=True)
class Load:
    """One element of a parameter, a result or an earlier stage."""

    source: str
    at: tuple
    dtype: str


@dataclass(frozen=True, slots=True)
class Size:
    """A length as a value."""

    length: object
    dtype = "int64"


@dataclass(frozen=True, slots=True)
class Lit:
    """A literal.  Compared by its text: 0.0 is not -0.0, nan is nan."""

    value: object = field(compare=False)
    dtype: str
    key: str = field(default="", repr=False)

    def __post_init__(self):
        object.__setattr__(self, "key", repr(self.value))


@dataclass(frozen=True, slots=True)
class Apply:
    """A row of the scalar vocabulary, or ``cast``, on operands of one dtype."""

    row: str
    args: tuple
    dtype: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One equation.

    `combine`: None or sum, prod, max, min, and, or, argmax, argmin.  `start`: the `Lit` that an
    empty reduction gives, None if that is an error.  `order`: 'pairwise' for sums of floats (add in
    blocks, so that the error grows with the logarithm of the length), 'free' where no order is
    better than another.  `onto`: combine with what the target holds (without `combine`, store over
    it); then `over` has all letters, in order.  `inline`: only a name.
    """

    target: str
    at: tuple
    expr: object
    dtype: str
    combine: str | None = None
    over: tuple = ()
    start: Lit | None = None
    order: str | None = None
    inline: bool = False
    onto: bool = False
    node: object = field(default=None, compare=False, repr=False)


class Param(NamedTuple):
    """An array that goes in or comes out."""

    name: str
    type: Type


@dataclass(frozen=True)
class Kernel:
    """Stages in an order in which they may run; `axes`: how far letters run, the leading first."""

    name: str
    params: tuple
    results: tuple
    stages: tuple
    axes: tuple  # ((letter, length), …)

    @property
    def lengths(self):
        """The Dims that the kernel needs to be told, in order of first use."""
        found = [d for _, d in self.axes]
        found += [d for p in (*self.params, *self.results) for d in p.type.shape]
        for s in self.stages:
            for e in walk(s.expr, *s.at):
                found += [e.length] if type(e) in (Index, Size) else []
                found += [d for _, d in e.terms] if type(e) is Affine else []
        return tuple(dict.fromkeys([d for d in found if isinstance(d, Dim)]))

    @property
    def checks(self):
        """The distinct computed indices, in order of first use."""
        found = [e for s in self.stages for e in walk(s.expr, *s.at) if type(e) is Index]
        return tuple(dict.fromkeys(found))


def walk(*expressions):
    """Every expression in these, from the outside in, from left to right."""
    stack = list(expressions[::-1])
    while stack:
        e = stack.pop()
        yield e
        if type(e) is Apply:
            stack.extend(e.args[::-1])
        elif type(e) is Load:
            stack.extend(e.at[::-1])
        elif type(e) is Index:
            stack.append(e.expr)


def substitute(e, at):
    """The expression with other index forms for its letters: ``at`` is {letter: form}."""
    kind = type(e)
    if kind is Axis:
        return at.get(e.letter, e)
    if kind is Load:
        return Load(e.source, tuple([substitute(a, at) for a in e.at]), e.dtype)
    if kind is Apply:
        return Apply(e.row, tuple([substitute(a, at) for a in e.args]), e.dtype)
    if kind is Index:
        return Index(substitute(e.expr, at), e.length, e.axis, e.op, e.node)
    if kind is Affine:
        return affine([(f, at.get(x, x)) for f, x in e.terms], e.offset)
    return e


def affine(terms, offset=0):
    """An index form in its simplest spelling; terms are (factor, index form, letter or length)."""
    total, computed = {}, []
    stack = list(terms)[::-1]
    while stack:
        factor, x = stack.pop()
        if type(x) is Affine:
            offset += factor * x.offset
            stack.extend([(factor * f, y) for f, y in x.terms[::-1]])
        elif isinstance(x, int):
            offset += factor * x
        elif type(x) is Index:
            computed.append((factor, x))
        else:
            x = x.letter if type(x) is Axis else x
            total[x] = total.get(x, 0) + factor
    total = tuple([(f, x) for x, f in total.items() if f])
    if computed:
        return Index(_sum([*[(f, x) for f, x in computed], *total], offset), None)
    if not total:
        return offset
    if offset == 0 and len(total) == 1 and total[0][0] == 1 and isinstance(total[0][1], str):
        return Axis(total[0][1])
    return Affine(total, offset)


def as_value(form):
    """An index form as an int64 value."""
    if isinstance(form, int):
        return Lit(form, "int64")
    return _sum(form.terms, form.offset) if type(form) is Affine else form


def _sum(terms, offset):
    total = Lit(offset, "int64") if offset or not terms else None
    for factor, x in terms[::-1]:
        x = Axis(x) if isinstance(x, str) else Size(x) if isinstance(x, Dim) else x
        x = x if factor == 1 else Apply("mul", (Lit(factor, "int64"), x), "int64")
        total = x if total is None else Apply("add", (x, total), "int64")
    return total


# -- text


def show(kernel):
    """The kernel as text, one line an equation."""
    head = ", ".join([f"{p.name}: {p.type!r}" for p in kernel.params])
    tail = ", ".join([f"{r.name}: {r.type!r}" for r in kernel.results])
    lines = [f"kernel {kernel.name}({head}) -> {tail}"]
    if kernel.axes:
        lines.append("  axes " + "  ".join([f"{x}<{length}" for x, length in kernel.axes]))
    for s in kernel.stages:
        sign = ":=" if s.inline else "+=" if s.onto and s.combine else " ="
        over = ",".join(s.over)
        fold = "" if not s.over else f"{over}: " if s.onto else f"{s.combine} {over}: "
        lines.append(f"  {cell(s.target, s.at, plain):9} {sign} {fold}{text(s.expr, plain)}")
    return "\n".join(lines)


def cell(name, at, leaf):
    """``t[i,j]``, or the bare name of a scalar."""
    return f"{name}[{','.join([leaf(a) for a in at])}]" if at else name


def plain(e):
    """How a leaf of an expression is printed for people."""
    kind = type(e)
    if kind is Axis:
        return e.letter
    if kind is Load:
        return cell(e.source, e.at, plain)
    if kind is Index:
        return text(e.expr, plain)
    if kind is Lit:
        return number(e)
    if kind is Affine:
        return affine_text(e, str)
    return str(e.length if kind is Size else e)


def number(lit):
    """A literal in the shortest form that its dtype tells apart."""
    return str(np.dtype(lit.dtype).type(lit.value))


def affine_text(e, name):
    """``2*i+p-1``; `name` spells letters and lengths."""
    out = ""
    for factor, x in e.terms:
        sign = "-" if factor < 0 else "+" if out else ""
        out += sign + (f"{abs(factor)}*" if abs(factor) != 1 else "") + name(x)
    return out + (f"{e.offset:+d}" if e.offset else "")


def text(e, leaf, typed=False):
    """An expression, with `leaf` for all but `Apply`; `typed`: Python for NumPy's scalars."""
    if type(e) is not Apply:
        return leaf(e)
    inner = [text(a, leaf, typed) for a in e.args]
    if e.row == "cast":
        if typed:
            return f"({inner[0]}).astype({type_name(e.dtype)})"
        return f"{SHORT[e.dtype]}({inner[0]})"
    row = ROWS[e.row]
    if row.text.startswith(f"{row.name}("):
        return row.text.format(*inner)
    if typed and row.name in row.text.split():  # and, or, xor, not
        return f"{row.numpy}({', '.join(inner)})"
    inner = [f"({t})" if open_ended(a) and (e.row != "where" or a.row == "where") else t
             for t, a in zip(inner, e.args, strict=True)]
    return row.text.format(*inner)


def type_name(dtype):
    """NumPy's name for the type of a scalar."""
    return "bool_" if dtype == "bool" else dtype


def open_ended(e):
    """Whether the text of an expression needs brackets inside another one."""
    return type(e) is Apply and e.row != "cast" and not ROWS[e.row].text.startswith(f"{e.row}(")


# -- sameness up to names


def body_key(kernel):
    """A text that kernels share if they differ in names alone: only one of them is compiled."""
    names, dims = {}, {}
    letters = {letter: f"@{k}" for k, (letter, _) in enumerate(kernel.axes)}

    def length(d):
        return str(d) if isinstance(d, int) else dims.setdefault(d, f"#{len(dims)}")

    def name(source):
        return names.setdefault(source, f"v{len(names)}")

    def spell(e):
        kind = type(e)
        if kind is Apply:
            return f"{e.row}.{SHORT[e.dtype]}({','.join([spell(a) for a in e.args])})"
        if kind is Load:
            return f"{name(e.source)}[{','.join([spell(a) for a in e.at])}]"
        if kind is Lit:
            return f"{e.key}:{SHORT[e.dtype]}"
        if kind is Index:
            return f"<{spell(e.expr)}|{'' if e.length is None else length(e.length)}>"
        if kind is Axis:
            return letters[e.letter]
        if kind is Affine:
            return affine_text(e, lambda x: letters[x] if isinstance(x, str) else length(x))
        return length(e.length) if kind is Size else str(e)

    parts = []
    for group in (kernel.params, kernel.results):
        parts.append(";".join([f"{cell(name(p.name), p.type.shape, length)}:{p.type.dtype}"
                               for p in group]))
    parts.append(",".join([length(d) for _, d in kernel.axes]))
    for s in kernel.stages:
        start = spell(s.start) if s.start else ""
        over = ",".join([letters[x] for x in s.over])
        parts.append(f"{cell(name(s.target), s.at, spell)}:{s.dtype} {s.combine} {over} {start} "
                     f"{s.order} {s.inline:d}{s.onto:d} {spell(s.expr)}")
    return "\n".join(parts)
