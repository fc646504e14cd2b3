"""Rows of the families of exp and log, in float and double, without branches.

Polynomials are from `fits`.  Where a function of float is computed in double, "short" ones do.
"""

from __future__ import annotations

from math import log

import numpy as np

from symgrad.compile.backends.llvm.fits import FITS
from symgrad.compile.backends.llvm.vector import FLOAT, INTEGER

ROWS = {}
INFINITY, NAN = float("inf"), float("nan")
MANTISSA = {"float": 23, "double": 52}
BIAS = {"float": 127, "double": 1023}
MAGIC = {"float": 1.5 * 2.0**23, "double": 1.5 * 2.0**52}  # x + MAGIC is rounded to whole numbers
# ln 2 = high + low; whole numbers up to the greatest exponent times high are exact
LN2 = {"float": (0.6931304931640625, log(2) - 0.6931304931640625),
       "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10)}
# the same, but high to all its digits: exact only with an fma
NEAR = {"float": (float(np.float32(log(2))), -1.904654299957768e-09),
        "double": (log(2), 2.319046813846299558e-17)}
LOG10_2 = {"float": (0.301025390625, 4.605038981195214e-06),
           "double": (0.3010299950838089, 5.801722962879576e-10)}


def row(function):
    ROWS[function.__name__.rstrip("_")] = function
    return function


def widen(x):
    """A float as a double."""
    if x.literal is not None:
        return x.like("", "double").constant(x.literal)
    return x.convert("fpext", "double")


def through(function, *args):
    """A function of floats computed in double."""
    return function(*[widen(a) for a in args]).convert("fptrunc", "float")


def bits_of(number, scalar):
    """The bits of a float as a Python integer."""
    return int(np.float32(number).view("i4") if scalar == "float" else
               np.float64(number).view("i8"))


def fit(name, x, short=False):
    return FITS[name, "short" if short else x.scalar]


def power_of_two(k):
    """2.0**k of integers; only the low bits of k count."""
    scalar = FLOAT[k.scalar]
    return ((k << MANTISSA[scalar]) + (BIAS[scalar] << MANTISSA[scalar])).floats()


def rounded(x, factor):
    """(the nearest whole number to x * factor as a float, and a value whose low bits are it)."""
    magic = MAGIC[x.scalar]
    t = x.fma(factor, x.constant(magic))
    return t - magic, t.bits()


def reduced(x):
    """(n, r): x = n ln 2 + r, n as low bits."""
    high, low = NEAR[x.scalar]
    n, bits = rounded(x, 1 / log(2))
    return bits, n.fma(-low, n.fma(-high, x))


def reduced_twice(x):
    """(n, r before its last rounding in two parts, high - low, and r)."""
    high, low = NEAR[x.scalar]
    n, bits = rounded(x, 1 / log(2))
    near, low = n.fma(-high, x), n * low
    return bits, near, low, near - low


def grown(r, short=False):
    """exp(r) - 1 for |r| <= ln(2) / 2."""
    terms = fit("exp", r, short)
    quick = r.quick_polynomial if r.scalar == "double" else r.polynomial
    return (r * r).fma(quick(terms), r)


def scaled(q, bits):
    """(1 + q) 2**n, where the power alone might overflow, in two steps."""
    half = bits >> 1
    first, second = power_of_two(half), power_of_two(bits - half)
    return q.fma(first, first) * second


def limits(x):
    """Beyond these exp overflows, or rounds to 0."""
    return (-104.5, 89.0) if x.scalar == "float" else (-746.0, 710.0)


# -- exp


@row
def exp(x, short=False, tail=None):
    """exp(x + tail)."""
    low, high = limits(x)
    bits, r = reduced(x.at_most(high).at_least(low))
    return scaled(grown(r if tail is None else r + tail, short), bits)


@row
def exp2(x):
    low, high = (-152.0, 129.0) if x.scalar == "float" else (-1077.0, 1025.0)
    x = x.at_most(high).at_least(low)
    n, bits = rounded(x, 1.0)
    return scaled(grown((x - n) * log(2)), bits)


@row
def expm1(x):
    low, high = (-17.5, 89.0) if x.scalar == "float" else (-38.0, 710.0)
    bits, near, low, r = reduced_twice(x.at_most(high).at_least(low))
    power = power_of_two(bits - 1)  # half of it, which does not overflow
    rest = (r * r).fma(r.polynomial(fit("exp", r)), -low)
    out = rest.fma(power, near.fma(power, power - 0.5)) * 2.0
    return (abs(x) < 2.0**-60).choose(x, out)  # there is a sign of 0, and no half of the least


@row
def tanh(x):
    """Where |x| < 0.55 a polynomial, else 1 - 2 / (exp(2 |x|) + 1)."""
    z, a = x * x, abs(x).at_most(9.2 if x.scalar == "float" else 19.2)
    small = (a * z).fma(z.polynomial(fit("tanh", x)), a)
    bits, r = reduced(a + a)
    power = power_of_two(bits)
    below = grown(r).fma(power, power + 1.0)
    return (a < 0.55).choose(small, (below - 2.0) / below).copysign(x)


@row
def sinh(x):
    if x.scalar == "float":
        return through(sinh, x)
    ch, sh, less, more = halves(x)
    out = (more.fma(sh, less * ch) + less) * 2.0
    return (abs(x) < 2.0**-30).choose(x, out)


@row
def cosh(x):
    if x.scalar == "float":
        return through(cosh, x)
    ch, sh, less, more = halves(abs(x))
    return (less.fma(sh, more * ch) + more) * 2.0


def halves(x):
    """cosh(r) - 1, sinh(r), and (2**n -+ 2**-n) / 4, for x = n ln 2 + r."""
    bits, r = reduced(x.at_most(710.5).at_least(-710.5))
    n = bits - bits_of(MAGIC["double"], "double")
    z = r * r
    ch = z * z.polynomial(fit("cosh", r))
    sh = (r * z).fma(z.polynomial(fit("sinh", r)), r)
    up = power_of_two(n.call("smax", -1000) - 2)
    down = power_of_two(-2 - n.call("smin", 1000))
    return ch, sh, up - down, up + down


# -- log


def split(x):
    """(-e as a float, f): x = 2**e (1 + f), 3/4 < 1 + f <= 3/2, for finite x > 0."""
    mantissa = MANTISSA[x.scalar]
    small = x < 2.0 ** (1 - BIAS[x.scalar])
    x = small.choose(x * 2.0**mantissa, x)
    bits = x.bits()
    e = (bits_of(1.5, x.scalar) - bits) >> mantissa
    f = (bits + (e << mantissa)).floats() - 1.0
    shift = small.choose(x.like("", INTEGER[x.scalar]).constant(mantissa), 0)
    return whole(e + shift, x.scalar), f


def whole(e, scalar):
    """Small integers as floats; those of 64 bits by way of MAGIC: few machines convert them."""
    if scalar == "float":
        return e.convert("sitofp", "float")
    return (e + bits_of(MAGIC["double"], scalar)).floats() - MAGIC["double"]


def log_of(f, short=False):
    """(z, w): log(1 + f) = f + z w, for -1/4 < f <= 1/2."""
    w = f.fma(f.polynomial(fit("log1p", f, short)), f.constant(-0.5))
    return f * f, w


def proper(x, out):
    """The logarithm `out`, or what it is where x is not a positive number."""
    good = (x.bits() - 1).compare("ult", bits_of(INFINITY, x.scalar) - 1)
    other = x.equals(0.0).choose(x.constant(-INFINITY), (x < 0.0).choose(x.constant(NAN), x))
    return good.choose(out, other)


@row
def log_(x, short=False):
    minus, f = split(x)
    return proper(x, joined(minus, f, short))


def joined(minus, f, short=False):
    """e ln 2 + log(1 + f); `minus` is -e."""
    high, low = LN2[f.scalar]
    z, w = log_of(f, short)
    return minus.fma(-high, z.fma(w, minus * -low) + f)


@row
def log1p(x, short=False):
    u, mantissa = x + 1.0, MANTISSA[x.scalar]
    minus = (bits_of(1.5, x.scalar) - u.bits()) >> mantissa
    # 2**-e would be too small for the largest e: 4 2**-e times a quarter
    power = power_of_two(minus + 2)
    f = (x * 0.25).fma(power, power.fma(0.25, x.constant(-1.0)))
    f = minus.equals(0).choose(x, f)  # a quarter of a small number may be too small
    out = joined(whole(minus, x.scalar), f, short)
    return proper(u, out)


@row
def log2_(x):
    """The whole part is exact; the rest is log(1 + f) / ln 2 with 1 / ln 2 in two parts."""
    minus, f = split(x)
    z, w = log_of(f)
    return proper(x, based(minus, f, z * w, 1.0, 0.0, 1 / log(2)))


@row
def log10(x):
    minus, f = split(x)
    z, w = log_of(f)
    return proper(x, based(minus, f, z * w, *LOG10_2[x.scalar], 1 / log(10)))


def based(minus, f, rest, high, low, factor):
    """e (high + low) + (f + rest) factor, the first factor with more digits."""
    kind = np.float32 if f.scalar == "float" else np.float64
    exact = PARTS[factor]
    coarse = float(kind(exact[0]))
    fine = float(kind(exact[0] - coarse + exact[1]))
    small = f.fma(fine, minus.fma(-low, rest * coarse)) if low else f.fma(fine, rest * coarse)
    product = f * coarse
    small = small + f.fma(coarse, -product)
    base = minus * -high
    total = base + product
    return total + (small + (product - (total - base)))


PARTS = {1 / log(2): (1.4426950408889634, 2.0355273740931033e-17),
         1 / log(10): (0.4342944819032518, 1.098319650216765e-17)}


@row
def logaddexp(x, y):
    """The larger one, and log1p of exp of minus the difference."""
    larger = (x < y).choose(y, x)
    distance = x.equals(y).choose(x.constant(0.0), abs(x - y))
    return larger + log1p(exp(-distance))

