"""Rows of floats that are exact or rounded once: NumPy's answers bit for bit."""

from __future__ import annotations

from math import pi

import numpy as np

ROWS = {}  # {name of a row: function of `Value`}
INFINITY, NAN = float("inf"), float("nan")
KIND = {"float": np.float32, "double": np.float64}


def row(function):
    ROWS[function.__name__.rstrip("_")] = function
    return function


for _name in ("add", "sub", "mul", "div"):
    ROWS[_name] = lambda x, y, _word="f" + _name: x.op(_word, y)
for _name in ("lt", "le", "gt", "ge", "eq"):
    ROWS[_name] = lambda x, y, _how="o" + _name: x.compare(_how, y)
for _name in ("floor", "ceil", "trunc", "rint", "sqrt"):
    ROWS[_name] = lambda x, _name=_name: x.call(_name)
ROWS["conj"] = ROWS["real"] = lambda x: x


@row
def ne(x, y):
    return x.differs(y)


@row
def isnan(x):
    return x.isnan()


@row
def isinf(x):
    return abs(x).equals(INFINITY)


@row
def isfinite(x):
    return abs(x) < INFINITY


@row
def signbit(x):
    return x.bits() < 0


@row
def neg(x):
    return -x


@row
def abs_(x):
    return abs(x)


@row
def square(x):
    return x * x


@row
def reciprocal(x):
    return 1 / x


@row
def copysign(x, y):
    return x.copysign(y)


@row
def imag(x):
    return x.constant(0.0)


@row
def angle(x):
    turned = (x.bits() < 0).choose(x.constant(pi), 0.0)
    return x.isnan().choose(x, turned)


@row
def sign(x):
    one = x.constant(1.0).copysign(x)
    return (abs(x) > 0).choose(one, x + 0.0)  # NaN stays; 0.0 + -0.0 is 0.0


@row
def deg2rad(x):
    kind = KIND[x.scalar]
    return x * float(kind(pi) / kind(180))


@row
def rad2deg(x):
    kind = KIND[x.scalar]
    return x * float(kind(180) / kind(pi))


def number(x):
    """Whether it is a literal that is not a NaN."""
    return x.literal is not None and x.literal == x.literal


@row
def max_(x, y):
    """A NaN wins; of equals the first."""
    if number(x):
        return (x >= y).choose(x, y)
    larger = (y > x).choose(y, x)
    return larger if number(y) else y.isnan().choose(y, larger)


@row
def min_(x, y):
    if number(x):
        return (x <= y).choose(x, y)
    less = (y < x).choose(y, x)
    return less if number(y) else y.isnan().choose(y, less)


@row
def fmax(x, y):
    """A NaN loses."""
    if number(y):
        return (x >= y).choose(x, y)
    larger = (x >= y).choose(x, y)
    return y.isnan().choose(x, larger)


@row
def fmin(x, y):
    if number(y):
        return (x <= y).choose(x, y)
    less = (x <= y).choose(x, y)
    return y.isnan().choose(x, less)


# -- division with a rest


def fmod(x, y):
    """What is left of x after taking y from it until less is left: exact, with the sign of x.

    Where the quotient is small, by one division; else by long division, which takes as many
    steps as the quotient has bits, and is taken only if a lane needs it.
    """
    a, b = abs(x), abs(y)
    quotient = (a / b).call("trunc")
    rest = (-quotient).fma(b, a)  # exact: at most one step too far
    rest = (rest < 0).choose(rest + b, rest)
    w = x.w
    large = quotient >= 2.0**21
    before, slow, after = w.at, w.label("slow"), w.label("done")
    w.branch(large.any(), slow, after)
    w.block(slow)
    proper = (a < INFINITY) & (b > 0)
    needed = large & proper
    left, unit = needed.choose(a, 0.0), needed.choose(b, 1.0)
    half = left * 0.5
    (step,) = x.repeat(
        lambda s: s <= half, lambda s: ((s <= half).choose(s + s, s),), unit)
    left, _ = x.repeat(
        lambda r, s: s >= unit,
        lambda r, s: (((r >= s) & (s >= unit)).choose(r - s, r), s * 0.5), left, step)
    long = large.choose(left, rest)
    long = proper.choose(long, NAN)
    slow = w.at
    w.jump(after)
    w.block(after)
    rest = x.like(w.let(f"phi {x.kind} [{rest.text}, %{before}], [{long.text}, %{slow}]"))
    rest = (a < b).choose(a, rest)  # y may be infinite
    return rest.copysign(x)


def divmod_(x, y):
    """NumPy's quotient, not yet rounded, and its rest, both wrong where y is 0."""
    rest = fmod(x, y)
    quotient = (x - rest) / y
    low = rest.differs(0) & ((rest.bits() ^ y.bits()) < 0)
    return low.choose(quotient - 1.0, quotient), rest, low


@row
def floordiv(x, y):
    quotient, _, _ = divmod_(x, y)
    floor = quotient.call("floor")
    floor = ((quotient - floor) > 0.5).choose(floor + 1.0, floor)
    plain = x / y
    whole = quotient.equals(0).choose(quotient.constant(0.0).copysign(plain), floor)
    return y.equals(0).choose(plain, whole)


@row
def mod(x, y):
    _, rest, low = divmod_(x, y)
    signed = rest.equals(0).choose(rest.copysign(y), low.choose(rest + y, rest))
    return y.equals(0).choose(NAN, signed)

