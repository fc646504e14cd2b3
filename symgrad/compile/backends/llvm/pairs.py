"""Complex numbers as pairs of real ones: a loop nest of the ones becomes one of the others.

An array ``x`` becomes two, ``x.re`` and ``x.im``: the same memory, every second number of it.  The
formulas are NumPy's, so that what is infinite or not a number is so there and here; but products
are rounded before they are added, which NumPy's are not on machines that can do both at once.
"""

from __future__ import annotations

import itertools

from symgrad.compile.backends.llvm.ir import MEMORY
from symgrad.compile.backends.llvm.values import Value
from symgrad.compile.kernel import Apply, Lit, Load, walk
from symgrad.compile.nest import Assign, Buffer, Fold, For, Local, Nonempty
from symgrad.records import replace
from symgrad.types import is_complex, real_of

PARTS = ("re", "im")


class Unpaired(Exception):
    """A complex operation, (its name, its dtype), that has no form in real numbers here."""


def paired(nest):
    """The nest in real numbers: itself if it is, None if something in it has no such form."""
    try:
        return real(nest)
    except Unpaired:
        return None


def real(nest):
    """`paired`, but that it raises `Unpaired`."""
    arrays = (*nest.params, *nest.results, *nest.buffers)
    if not any(is_complex(getattr(a, "dtype", "") or a.type.dtype) for a in arrays):
        return nest
    body = _body(nest.body, itertools.count())
    return replace(nest, body=body, params=_halves(nest.params), results=_halves(nest.results),
                   buffers=_halves(nest.buffers))


def owner(name):
    """The array that a name of a nest of pairs is, or is part of."""
    return name.partition(".")[0]


def half(lengths, value, name):
    """What a name of a nest of pairs is of an array (a `Value`; `lengths`: its `Lengths`)."""
    part = name.partition(".")[2]
    if not part:
        return value
    dtype = real_of(value.dtype)
    strides = tuple([lengths.mul(s, "2") for s in value.strides])
    pointer = value.pointer if part == "re" else lengths.w.cell(MEMORY[dtype], value.pointer, 1)
    return Value(pointer, dtype, strides, value.lengths)


def _halves(arrays):
    out = []
    for a in arrays:
        dtype = a.dtype if type(a) is Buffer else a.type.dtype
        if not is_complex(dtype):
            out.append(a)
        elif type(a) is Buffer:
            out += [Buffer(f"{a.name}.{p}", real_of(dtype), a.lengths) for p in PARTS]
        else:
            real = a.type.with_dtype(real_of(dtype))
            out += [a._replace(name=f"{a.name}.{p}", type=real) for p in PARTS]
    return tuple(out)


# -- statements


def _body(body, numbers):
    out = []
    for s in body:
        if type(s) is For:
            out.append(For(s.letter, s.length, _body(s.body, numbers)))
        elif type(s) is Nonempty or not any(is_complex(x.dtype) for e in _read(s)
                                            for x in walk(e) if hasattr(x, "dtype")):
            out.append(s)
        else:
            _statement(s, Spelling(out, numbers))
    return out


def _read(s):
    return [e for e in (s.cell, s.expr, getattr(s, "best", None)) if e is not None]


def _statement(s, spell):
    if not is_complex(s.cell.dtype):
        if is_complex(s.expr.dtype):
            raise Unpaired(s.combine, s.expr.dtype)
        spell.out.append(replace(s, expr=spell.real(s.expr)))
        return
    if type(s) is Fold and s.combine != "sum":
        raise Unpaired(s.combine, s.expr.dtype)
    for cell, e in zip(_cell(s.cell), spell.pair(s.expr), strict=True):
        spell.out.append(replace(s, cell=cell, expr=e))


def _cell(e):
    """The two parts of a `Load` or a `Local`."""
    dtype = real_of(e.dtype)
    if type(e) is Local:
        return tuple([Local(f"{e.name}.{p}", dtype) for p in PARTS])
    return tuple([Load(f"{e.source}.{p}", e.at, dtype) for p in PARTS])


# -- expressions


class Spelling:
    """Expressions of a statement in real numbers.  What is computed is kept in locals, assigned in
    `out` before it, so that a long product is not written out twice for each of its factors.
    `numbers` are for their names."""

    def __init__(self, out, numbers):
        self.out, self.numbers, self.made = out, numbers, {}

    def real(self, e):
        """An expression of a real dtype, which may have complex ones in it."""
        if type(e) is not Apply:
            return e
        (*_, last) = e.args
        if not is_complex(last.dtype):
            return replace(e, args=tuple([self.real(a) for a in e.args]))
        pairs = [self.pair(a) for a in e.args]
        re, im = pairs[0]
        if e.row == "cast":
            return differs(re, im) if e.dtype == "bool" else cast(re, e.dtype)
        if e.row in TRUTH:
            parts = [truth(e.row, *operands) for operands in zip(*pairs, strict=True)]
            return truth(TRUTH[e.row], *parts)
        if e.row not in REAL:
            raise Unpaired(e.row, last.dtype)
        return REAL[e.row](re, im)

    def pair(self, e):
        """The real and the imaginary part of a complex expression."""
        if e not in self.made:
            self.made[e] = self.parts(e)
        return self.made[e]

    def parts(self, e):
        dtype = real_of(e.dtype)
        if type(e) in (Load, Local):
            return _cell(e)
        if type(e) is Lit:
            value = complex(e.value)
            return Lit(value.real, dtype), Lit(value.imag, dtype)
        if e.row == "cast":
            (x,) = e.args
            if not is_complex(x.dtype):
                return cast(self.real(x), dtype), Lit(0.0, dtype)
            return tuple([cast(p, dtype) for p in self.pair(x)])
        if e.row == "where":
            hit = self.keep(self.real(e.args[0]))
            yes, no = (self.pair(a) for a in e.args[1:])
            return tuple([self.keep(where(hit, y, n)) for y, n in zip(yes, no, strict=True)])
        if e.row not in COMPLEX:
            raise Unpaired(e.row, e.dtype)
        made = COMPLEX[e.row](self.keep, *[self.pair(a) for a in e.args])
        return tuple([self.keep(p) for p in made])

    def keep(self, e):
        """The value of an expression under a name."""
        if type(e) is not Apply:
            return e
        made = Local(f"part.{next(self.numbers)}", e.dtype)
        self.out.append(Assign(made, e))
        return made


def cast(e, dtype):
    if e.dtype == dtype:
        return e
    return Apply("cast", (e,), dtype)


def row(name, *args):
    return Apply(name, args, args[-1].dtype)


def truth(name, *args):
    return Apply(name, args, "bool")


def where(hit, yes, no):
    return Apply("where", (hit, yes, no), no.dtype)


def differs(re, im):
    zero = Lit(0.0, re.dtype)
    return truth("or", truth("ne", re, zero), truth("ne", im, zero))


def add(a, b):
    return row("add", a, b)


def sub(a, b):
    return row("sub", a, b)


def mul(a, b):
    return row("mul", a, b)


def div(a, b):
    return row("div", a, b)


REAL = {  # of a pair, to one real value
    "abs": lambda re, im: row("hypot", re, im),
    "real": lambda re, im: re,
    "imag": lambda re, im: im,
    "angle": lambda re, im: row("atan2", im, re),
}
# Of pairs, to a truth: asked of either part, and how the two answers are one.
TRUTH = {"eq": "and", "ne": "or", "isnan": "or", "isinf": "or", "isfinite": "and"}


def product(keep, x, y):
    (a, b), (c, d) = x, y
    return sub(mul(a, c), mul(b, d)), add(mul(a, d), mul(b, c))


def quotient(keep, x, y):
    """Smith's: nothing overflows on the way if the quotient does not."""
    (a, b), (c, d) = x, y
    zero, one = Lit(0.0, c.dtype), Lit(1.0, c.dtype)
    size = keep(row("abs", c))
    steep = keep(truth("ge", size, row("abs", d)))
    large, small = keep(where(steep, c, d)), keep(where(steep, d, c))
    ratio = keep(div(small, large))
    scale = keep(div(one, add(large, mul(small, ratio))))
    re = mul(where(steep, add(a, mul(b, ratio)), add(mul(a, ratio), b)), scale)
    im = mul(where(steep, sub(b, mul(a, ratio)), sub(mul(b, ratio), a)), scale)
    none = keep(truth("and", truth("eq", c, zero), truth("eq", d, zero)))
    return where(none, div(a, size), re), where(none, div(b, size), im)


def reciprocal(keep, x):
    re, im = x
    one = Lit(1.0, re.dtype)
    steep = keep(truth("le", row("abs", im), row("abs", re)))
    large, small = keep(where(steep, re, im)), keep(where(steep, im, re))
    ratio = keep(div(small, large))
    scale = keep(add(large, mul(small, ratio)))
    first, second = keep(div(one, scale)), keep(div(ratio, scale))
    return where(steep, first, second), row("neg", where(steep, second, first))


COMPLEX = {  # of pairs, to a pair; `keep` names a value that is used more than once
    "add": lambda keep, x, y: (add(x[0], y[0]), add(x[1], y[1])),
    "sub": lambda keep, x, y: (sub(x[0], y[0]), sub(x[1], y[1])),
    "neg": lambda keep, x: (row("neg", x[0]), row("neg", x[1])),
    "conj": lambda keep, x: (x[0], row("neg", x[1])),
    "square": lambda keep, x: product(keep, x, x),
    "mul": product,
    "div": quotient,
    "reciprocal": reciprocal,
}
