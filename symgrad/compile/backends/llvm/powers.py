"""Rows made of logarithms, exponentials and roots: pow, cbrt, hypot, the inverse hyperbolics."""

from __future__ import annotations

from math import log

from symgrad.compile.backends.llvm import explog
from symgrad.compile.backends.llvm.explog import INFINITY, LN2, NAN, bits_of, fit, through

ROWS = {}


def row(function):
    ROWS[function.__name__.rstrip("_")] = function
    return function


# -- pow


@row
def pow_(x, y):
    """exp(y log |x|) with the logarithm in two parts, and C's answers at the edges."""
    simple = {1.0: lambda: x, 2.0: lambda: x * x, -1.0: lambda: 1.0 / x}.get(y.literal)
    if simple:
        return simple()
    if x.scalar == "float":
        wide = [explog.widen(v) for v in (x, y)]
        return edges(*wide, raised_short(*wide)).convert("fptrunc", "float")
    return edges(x, y, raised(x, y))


def raised_short(x, y):
    """|x| ** y in double, with the digits of a float."""
    a = abs(x)
    minus, f = explog.split(a)
    out = explog.joined(minus, f)
    out = a.equals(0.0).choose(a.constant(-INFINITY), (a < INFINITY).choose(out, a))
    return explog.exp(y * out, short=True)


def raised(x, y):
    a = abs(x)
    minus, f = explog.split(a)
    # log(1 + f) = 2 s + s**3 (2 / 3 + s**2 P), s = f / (2 + f), each in two parts
    g = f + 2.0
    lost = f - (g - 2.0)
    s = f / g
    rest = (s.fma(-g, f) - s * lost) / g
    z = s * s
    z_rest = s.fma(s, -z) + (s + s) * rest
    p = z.polynomial(fit("pow", x))
    two_thirds, little = 2 / 3, 3.7007434154171886e-17
    c = z.fma(p, z.constant(two_thirds))
    c_rest = z.fma(p, two_thirds - c) + little
    t = s * z
    t_rest = s.fma(z, -t) + s.fma(z_rest, rest * z)
    u = t * c
    u_rest = t.fma(c, -u) + t.fma(c_rest, t_rest * c)
    twice = s + s
    high, low = LN2[x.scalar]
    base = minus * -high
    # the sums, from the largest to the smallest, and what they lose
    first = base + twice
    lost_first = twice - (first - base)
    lost_first = minus.equals(0.0).choose(0.0, lost_first)
    total = first + u
    lost_total = u - (total - first)
    small = minus.fma(-low, u_rest + (rest + rest)) + (lost_first + lost_total)
    log_high = total + small
    log_low = small - (log_high - total)
    log_high = a.equals(0.0).choose(a.constant(-INFINITY), (a < INFINITY).choose(log_high, a))
    product = y * log_high
    tail = y.fma(log_high, -product) + y * log_low
    tail = (abs(product) < 2000.0).choose(tail, 0.0)
    return explog.exp(product, tail=tail)


def edges(x, y, out):
    """`out`, |x| ** y, with its sign, and what x ** y is where there is none."""
    half = y * 0.5
    whole = y.call("trunc").equals(y)
    odd = whole & half.call("trunc").differs(half)
    negative = x.bits() < 0
    out = (odd & negative).choose(-out, out)
    none = (x < 0.0) & (x > -INFINITY) & ~whole
    out = none.choose(out.constant(NAN), out)
    one = y.equals(0.0) | x.equals(1.0) | (x.equals(-1.0) & abs(y).equals(INFINITY))
    return one.choose(out.constant(1.0), out)


# -- roots


@row
def cbrt(x):
    """A third of the exponent, a polynomial, and a step of Newton's."""
    if x.scalar == "float":
        return through(cbrt, x)
    a = abs(x)
    small = a < 2.0**-1000
    a = small.choose(a * 2.0**90, a)
    high = (a.bits() >> 32).convert("trunc", "i32")
    first = (high.op("udiv", 3) + 715094163).convert("zext", "i64") << 32
    t = first.floats()
    r = (t * t) * (t / a)
    t = t * r.polynomial(fit("cbrt", x))
    t = ((t.bits() + (1 << 31)) & -(1 << 32)).floats()  # so that t * t is exact
    r = a / (t * t)
    t = t.fma((r - t) / (t + t + r), t)
    t = small.choose(t * 2.0**-30, t)
    good = (a > 0.0) & (a < INFINITY)
    return good.choose(t.copysign(x), x)


@row
def hypot(x, y):
    if x.scalar == "float":
        a, b = [explog.widen(v) for v in (x, y)]
        out = a.fma(a, b * b).sqrt().convert("fptrunc", "float")
    else:
        a, b = abs(x), abs(y)
        larger, less = (a < b).choose(b, a), (a < b).choose(a, b)
        exponent = larger.bits() & bits_of(INFINITY, "double")
        exponent = exponent.call("smax", 1 << 54).call("smin", 2043 << 52)
        scale = (-exponent + (2046 << 52)).floats()
        larger, less = larger * scale, less * scale
        square = larger * larger
        rest = larger.fma(larger, -square)
        total = less.fma(less, square)
        lost = less.fma(less, square - total) + rest
        root = total.sqrt()
        lost = (-root).fma(root, total) + lost
        root = total.equals(0.0).choose(root, (lost / (root + root)) + root)
        out = root * exponent.floats()
    infinite = abs(x).equals(INFINITY) | abs(y).equals(INFINITY)
    return infinite.choose(out.constant(INFINITY), out)


# -- inverse hyperbolics


def far_log(a, u):
    """log1p(u), or log(2 a) where a is large."""
    far = a > 2.0**28
    u = far.choose(a - 1.0, u)
    return explog.log1p(u) + far.choose(a.constant(log(2)), 0.0)


@row
def asinh(x):
    if x.scalar == "float":
        return through(asinh, x)
    a = abs(x)
    z = a * a
    return far_log(a, z / ((z + 1.0).sqrt() + 1.0) + a).copysign(x)


@row
def acosh(x):
    if x.scalar == "float":
        return through(acosh, x)
    t = x - 1.0
    out = far_log(x, t + (t + t).fma(1.0, t * t).sqrt())
    return (x < 1.0).choose(out.constant(NAN), out)


@row
def atanh(x):
    if x.scalar == "float":
        return through(atanh, x)
    a = abs(x)
    twice = a + a
    out = 0.5 * explog.log1p(twice + twice * a / (1.0 - a))
    return (a > 1.0).choose(x.constant(NAN), out).copysign(x)


