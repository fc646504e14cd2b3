"""Arithmetic, rounding, powers, exponentials and logarithms, one block an op.

Slopes are written to be right at the edges, and in terms of `out` where that is as accurate.
"""

from __future__ import annotations

import numpy as np

from symgrad.config import config
from symgrad.domains import anything, integer, positive, real
from symgrad.errors import ArgumentError, DtypeError
from symgrad.families import arithmetic, counting, elementwise, floating, real_floating
from symgrad.node import CONST, TABLE, as_node, constant
from symgrad.op import as_nodes, cast_node
from symgrad.ops.logic import eq, shifting, where
from symgrad.types import is_complex, is_discrete, is_float, kind_of, promote, real_of

LN2, LN10 = float(np.log(2)), float(np.log(10))

# -- arithmetic


@elementwise(scalar="add", slopes=lambda x, y, out: (1, 1), commutative=True, associative=True,
             identity=0)
def add(x, y):
    """x + y, elementwise (``np.add``); for bools, their disjunction.  Takes more operands, too."""
    return np.add(x, y)


@elementwise(scalar="sub", slopes=lambda x, y, out: (1, -1), dtype=arithmetic, right_identity=0)
def sub(x, y):
    """x - y, elementwise (``np.subtract``); bools count as int8."""
    return np.subtract(x, y)


@elementwise(scalar="mul", slopes=lambda x, y, out: (y, x), commutative=True, associative=True,
             identity=1, zero=0)
def mul(x, y):
    """x * y, elementwise (``np.multiply``); of bools, the conjunction.  Takes more operands."""
    return np.multiply(x, y)


@elementwise(scalar=lambda s, x, y: s.where(s.eq(x, 0), 0, x * y), dtype=arithmetic,
             masks=True)
def strong_mul(x, y):
    """x * y, but 0 wherever x is 0, even if y is NaN or infinite.

    It carries on the cotangents that a `where` has masked: nothing comes from the dead branch.

    >>> strong_mul([0.0, 2.0], [np.inf, 3.0]).eval()
    array([0., 6.], dtype=float32)
    """
    return np.where(np.equal(x, 0), np.zeros((), np.asarray(x).dtype), np.multiply(x, y))


def _conjugate(x):
    return TABLE["conj"](x) if is_complex(x.dtype) else x


@strong_mul.vjp
def _(h, out, x, y):
    return [strong_mul(h, _conjugate(y)), strong_mul(_conjugate(x), h)]


@strong_mul.jvp
def _(tangents, out, x, y):
    tx, ty = tangents
    parts = [strong_mul(tx, y)] if tx is not None else []
    parts += [strong_mul(x, ty)] if ty is not None else []
    return add(*parts) if len(parts) == 2 else parts[0]


def dividing(*dtypes):
    """The common dtype, which is `config.floatX` for integers (Theano's rule)."""
    d = promote(*dtypes)
    d = config.floatX if is_discrete(d) else d
    return (d,) * len(dtypes), d


@elementwise(scalar="div", slopes=lambda x, y, out: (1 / y, -out / y), dtype=dividing,
             domain=(anything, real(0.5, 3)), right_identity=1)
def true_div(x, y):
    """x / y, elementwise (``np.true_divide``); of integers in ``config.floatX``; x / 0 as IEEE."""
    return np.true_divide(x, y)


@elementwise(scalar="floordiv", slopes=lambda x, y, out: (0, 0), dtype=counting,
             domain=(anything, real(1, 3)))
def int_div(x, y):
    """``x // y``: the quotient rounded down (``np.floor_divide``); the slope is 0 for floats, too.

    >>> int_div([7, -7], 2).eval()
    array([ 3, -4])
    """
    return np.floor_divide(x, y)


@elementwise(scalar="mod", slopes=lambda x, y, out: (1, -(x // y)), dtype=counting,
             domain=(anything, real(1, 3)))
def mod(x, y):
    """``x % y``: what `int_div` leaves, with the sign of y as in Python (``np.remainder``).

    >>> mod([7, -7], 3).eval()
    array([1, 2])
    """
    return np.remainder(x, y)


def _power_slopes(x, y, out):
    """y x**(y-1), but 0 where y is 0; and out log(x), but 0 where x is 0."""
    if y.op is CONST:
        base = y * x ** constant(y.data - 1)
        safe = np.all(y.data != 0)
    else:
        base, safe = y * x ** (y - 1), False
    return base if safe else where(eq(y, 0), 0, base), out * log(where(eq(x, 0), 1, x))


@elementwise(scalar="pow", slopes=_power_slopes, dtype=arithmetic, right_identity=1,
             domain=(real(0.1, 3, near=(0.0,)), real(0, 3)))
def pow_(x, y):
    """``x ** y``, elementwise (``np.power``).

    ``x ** 0.5`` is ``sqrt(x)``, as for NumPy's arrays (``np.power(-inf, 0.5)`` is inf).  At x = 0
    the slope along x is right for every y >= 0, and that along y is 0.  DtypeError for an integer
    raised to a negative integer, here if it is known, else when it is computed.

    >>> pow_([1.0, 2.0, 3.0], 2).eval()
    array([1., 4., 9.], dtype=float32)
    """
    return np.power(x, y)


@pow_.public
def _(x, y):
    x, y = as_nodes((x, y))
    if is_discrete(x.dtype) and kind_of(y.dtype) == "i":
        if y.op is not CONST:
            return int_pow.of(x, y)
        _nonnegative(y.data)
    if is_float(x.dtype) and y.op is CONST and not y.ndim and y.data == 0.5:
        return sqrt.of(cast_node(x, promote(x.dtype, y.dtype)))
    return pow_.of(x, y)


def _nonnegative(y):
    if np.any(y < 0):
        error = DtypeError(f"an integer cannot be raised to the negative integer {np.min(y)}")
        error.hint = "cast the base to a float: x.astype('floatX')"
        raise error


@elementwise(dtype=shifting, domain=(integer(-9, 9), integer(0, 3)))
def int_pow(x, y):
    """``x ** y`` of integers, where y might be negative: an op of its own, so that every backend
    refuses it (DtypeError).

    >>> int_pow([2, 3], [3, 0]).eval()
    array([8, 1])
    """
    _nonnegative(y)
    return np.power(x, y)


@elementwise(scalar="neg", slopes=lambda x, out: (-1,), dtype=arithmetic, inverse="neg", odd=True,
             monotone=-1)
def neg(x):
    """-x (``np.negative``); bools count as int8."""
    return np.negative(x)


def magnitude(dtype):
    """The dtype itself in, that of its real part out."""
    return (dtype,), real_of(dtype)


def _abs_slope(x, out):
    return (out / where(eq(x, 0), 1, x) if is_complex(x.dtype) else sign(x),)


@elementwise(scalar="abs", slopes=_abs_slope, dtype=magnitude, domain=real(-3, 3, avoid=(0.0,)),
             even=True, idempotent=True, nonnegative=True)
def abs_(x):
    """The absolute value, real for complex numbers (``np.abs``); its slope at 0 is 0."""
    return np.abs(x)


@elementwise(scalar="reciprocal", slopes=lambda x, out: (-(out * out),), dtype=floating,
             domain=real(0.5, 3), inverse="reciprocal")
def reciprocal(x):
    """1 / x (``np.reciprocal``; Theano's ``inv``), in floats for integers, too."""
    return np.reciprocal(x)


# -- rounding: slopes are 0


def _whole(op):
    """Integers and bools are whole already: the op gives them back."""

    def front(x):
        x = as_node(x)
        return x if is_discrete(x.dtype) else op.of(x)

    op.front = front
    return op


@elementwise(scalar="sign", slopes=lambda x, out: (0,), dtype=counting, odd=True, idempotent=True,
             domain=real(-3, 3, avoid=(0.0,)))
def sign(x):
    """-1, 0 or 1 as x is negative, zero or positive (``np.sign``; Theano's ``sgn``)."""
    return np.sign(x)


@_whole
@elementwise(scalar="floor", slopes=lambda x, out: (0,), dtype=real_floating, idempotent=True)
def floor(x):
    """The largest whole number not above x (``np.floor``); integers stay integers."""
    return np.floor(x)


@_whole
@elementwise(scalar="ceil", slopes=lambda x, out: (0,), dtype=real_floating, idempotent=True)
def ceil(x):
    """The smallest whole number not below x (``np.ceil``); integers stay integers."""
    return np.ceil(x)


@_whole
@elementwise(scalar="trunc", slopes=lambda x, out: (0,), dtype=real_floating, idempotent=True,
             odd=True)
def trunc(x):
    """x without its fraction, rounded towards 0 (``np.trunc``); integers stay integers."""
    return np.trunc(x)


@elementwise(scalar="rint", slopes=lambda x, out: (0,), dtype=real_floating, idempotent=True,
             odd=True)
def round_(x):
    """x rounded to the nearest whole number; integers stay integers (``np.rint``).

    A half goes to the even neighbour, or away from zero with ``mode='half_away_from_zero'``.

    >>> round_([0.5, 1.5, 2.5]).eval()
    array([0., 2., 2.], dtype=float32)
    """
    return np.rint(x)


@round_.public
def _(x, mode=None):
    if mode not in (None, "half_to_even", "half_away_from_zero"):
        raise ArgumentError(f"round: unknown mode {mode!r}: half_to_even or half_away_from_zero")
    if mode == "half_away_from_zero":
        return round_half_away_from_zero(x)
    x = as_node(x)
    return x if is_discrete(x.dtype) else round_.of(x)


@_whole
@elementwise(scalar=lambda s, x: s.where(s.abs(x - s.trunc(x)) >= 0.5,
                                         s.trunc(x) + s.sign(x), s.trunc(x)),
             slopes=lambda x, out: (0,), dtype=real_floating, idempotent=True, odd=True)
def round_half_away_from_zero(x):
    """x rounded to the nearest whole number, a half away from zero."""
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole)


def iround(x, mode=None):
    """x rounded as `round` does, as int64 (Theano).

    >>> iround([0.6, -1.4]).eval()
    array([ 1, -1])
    """
    return cast_node(round_(x, mode), "int64")


# -- powers and roots


@elementwise(scalar="square", slopes=lambda x, out: (2 * x,), dtype=arithmetic, even=True)
def sqr(x):
    """x * x (``np.square``)."""
    return np.square(x)


@elementwise(scalar="sqrt", slopes=lambda x, out: (0.5 / out,), dtype=floating, domain=positive,
             monotone=1, undone_by="sqr")
def sqrt(x):
    """The square root (``np.sqrt``); NaN for negative reals."""
    return np.sqrt(x)


@elementwise(scalar="cbrt", slopes=lambda x, out: (1 / (3 * sqr(out)),), dtype=real_floating,
             domain=positive, monotone=1, odd=True)
def cbrt(x):
    """The real cube root, of negative numbers, too (``np.cbrt``)."""
    return np.cbrt(x)


def _hypot_slopes(x, y, out):
    length = where(eq(out, 0), 1, out)
    return x / length, y / length


@elementwise(scalar="hypot", slopes=_hypot_slopes, dtype=real_floating, commutative=True)
def hypot(x, y):
    """sqrt(x² + y²) without needless overflow (``np.hypot``); its slopes at the origin are 0."""
    return np.hypot(x, y)


# -- exponentials and logarithms


@elementwise(scalar="exp", slopes=lambda x, out: (out,), dtype=floating, domain=real(-5, 5),
             inverse="log", monotone=1, nonnegative=True)
def exp(x):
    """e raised to x (``np.exp``).

    >>> exp([0.0, -np.inf]).eval()
    array([1., 0.], dtype=float32)
    """
    return np.exp(x)


@elementwise(scalar="exp2", slopes=lambda x, out: (out * LN2,), dtype=floating, domain=real(-5, 5),
             inverse="log2", monotone=1, nonnegative=True)
def exp2(x):
    """2 raised to x (``np.exp2``)."""
    return np.exp2(x)


@elementwise(scalar="expm1", slopes=lambda x, out: (exp(x),), dtype=floating,
             domain=real(-5, 5, near=(0.0,)), inverse="log1p", monotone=1)
def expm1(x):
    """exp(x) - 1, accurate when x is near zero (``np.expm1``)."""
    return np.expm1(x)


@elementwise(scalar="log", slopes=lambda x, out: (1 / x,), dtype=floating, domain=positive,
             inverse="exp", monotone=1)
def log(x):
    """The natural logarithm of x (``np.log``); -inf at 0, NaN for negative reals."""
    return np.log(x)


@elementwise(scalar="log2", slopes=lambda x, out: (1 / (x * LN2),), dtype=floating,
             domain=positive, inverse="exp2", monotone=1)
def log2(x):
    """The logarithm of x to base 2 (``np.log2``)."""
    return np.log2(x)


@elementwise(scalar="log10", slopes=lambda x, out: (1 / (x * LN10),), dtype=floating,
             domain=positive, monotone=1)
def log10(x):
    """The logarithm of x to base 10 (``np.log10``)."""
    return np.log10(x)


@elementwise(scalar="log1p", slopes=lambda x, out: (1 / (1 + x),), dtype=floating,
             domain=real(-0.9, 9, near=(0.0,)), inverse="expm1", monotone=1)
def log1p(x):
    """The natural logarithm of 1 + x, accurate when x is near zero (``np.log1p``)."""
    return np.log1p(x)


@elementwise(scalar="logaddexp", slopes=lambda x, y, out: (sigmoid(x - y), sigmoid(y - x)),
             dtype=real_floating, commutative=True, associative=True)
def logaddexp(x, y):
    """log(exp(x) + exp(y)) without overflow (``np.logaddexp``)."""
    return np.logaddexp(x, y)


@elementwise(scalar=lambda s, x: 1 / (1 + s.exp(-x)), slopes=lambda x, out: (out * (1 - out),),
             dtype=real_floating, monotone=1, nonnegative=True)
def sigmoid(x):
    """1 / (1 + exp(-x)), between 0 and 1; its tails are accurate (``scipy.special.expit``).

    >>> sigmoid([-1000.0, 0.0, 1000.0]).eval()
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return np.reciprocal(1 + np.exp(-x))


@elementwise(scalar=lambda s, x: s.max(x, 0) + s.log1p(s.exp(-s.abs(x))),
             slopes=lambda x, out: (sigmoid(x),), dtype=real_floating, monotone=1, nonnegative=True)
def softplus(x):
    """log(1 + exp(x)), a smooth `relu`, accurate for large x of either sign."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


FUNCTIONS = (iround,)
