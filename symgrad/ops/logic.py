"""Comparisons, logic, bits, choices, casts: ops that answer, pick one operand, or change dtype."""

from __future__ import annotations

import numpy as np

from symgrad import scalars
from symgrad.domains import anything, integer, real, truth
from symgrad.errors import DtypeError
from symgrad.families import (
    casting,
    comparing,
    counting,
    elementwise,
    floating,
    integral,
    logical,
    ordered,
    upcast,
)
from symgrad.node import TABLE, as_node
from symgrad.op import as_nodes, cast_node, weak_numbers
from symgrad.types import is_complex, is_float, named_dtype

# -- comparisons: no slopes are needed, a bool has none


def ordering(*dtypes):
    """As `comparing`, but refuses complex numbers."""
    wanted, _ = ordered(*dtypes)
    return wanted, "bool"


@elementwise(scalar="lt", dtype=ordering)
def lt(x, y):
    """Whether x < y, elementwise, as bool (``np.less``); false where either is NaN."""
    return np.less(x, y)


@elementwise(scalar="le", dtype=ordering)
def le(x, y):
    """Whether x <= y, elementwise, as bool (``np.less_equal``); false where either is NaN."""
    return np.less_equal(x, y)


@elementwise(scalar="gt", dtype=ordering)
def gt(x, y):
    """Whether x > y, elementwise, as bool (``np.greater``); false where either is NaN."""
    return np.greater(x, y)


@elementwise(scalar="ge", dtype=ordering)
def ge(x, y):
    """Whether x >= y, elementwise, as bool (``np.greater_equal``); false where either is NaN."""
    return np.greater_equal(x, y)


@elementwise(scalar="eq", dtype=comparing, domain=integer(-2, 2), commutative=True)
def eq(x, y):
    """Whether x equals y, elementwise, as bool (``np.equal``).  ``x == y`` compares identity.

    >>> eq([1, 2], [1, 3]).eval()
    array([ True, False])
    """
    return np.equal(x, y)


@elementwise(scalar="ne", dtype=comparing, domain=integer(-2, 2), commutative=True)
def neq(x, y):
    """Whether x differs from y, elementwise (``np.not_equal``); true where either is NaN."""
    return np.not_equal(x, y)


# -- logic and bits


@elementwise(scalar="and", dtype=logical, commutative=True, associative=True, idempotent=True,
             identity=True, zero=False)
def logical_and(x, y):
    """x and y, elementwise, as bool; any number but 0 is true (``np.logical_and``)."""
    return np.logical_and(x, y)


@elementwise(scalar="or", dtype=logical, commutative=True, associative=True, idempotent=True,
             identity=False, zero=True)
def logical_or(x, y):
    """x or y, elementwise, as bool; any number but 0 is true (``np.logical_or``)."""
    return np.logical_or(x, y)


@elementwise(scalar="xor", dtype=logical, commutative=True, associative=True, identity=False)
def logical_xor(x, y):
    """Whether exactly one of x and y is true, elementwise (``np.logical_xor``)."""
    return np.logical_xor(x, y)


@elementwise(scalar="not", dtype=logical, inverse="logical_not")
def logical_not(x):
    """Whether x is 0 or False, elementwise (``np.logical_not``)."""
    return np.logical_not(x)


@elementwise(scalar="bitand", dtype=integral, domain=integer(-9, 9), commutative=True,
             associative=True, idempotent=True)
def bitwise_and(x, y):
    """``x & y`` of integers bit by bit, of bools their conjunction (``np.bitwise_and``)."""
    return np.bitwise_and(x, y)


@elementwise(scalar="bitor", dtype=integral, domain=integer(-9, 9), commutative=True,
             associative=True, idempotent=True, identity=0)
def bitwise_or(x, y):
    """``x | y`` of integers bit by bit, of bools their disjunction (``np.bitwise_or``)."""
    return np.bitwise_or(x, y)


@elementwise(scalar="bitxor", dtype=integral, domain=integer(-9, 9), commutative=True,
             associative=True, identity=0)
def bitwise_xor(x, y):
    """``x ^ y`` of integers bit by bit, of bools whether they differ (``np.bitwise_xor``)."""
    return np.bitwise_xor(x, y)


@elementwise(scalar="invert", dtype=integral, domain=integer(-9, 9), inverse="invert")
def invert(x):
    """``~x``: all bits of an integer flipped; of a bool, its opposite (``np.invert``)."""
    return np.invert(x)


def shifting(*dtypes):
    """Integers of the common dtype; bools are taken as int8."""
    wanted, out = integral(*dtypes)
    return (("int8",) * len(dtypes), "int8") if out == "bool" else (wanted, out)


@elementwise(scalar="shl", dtype=shifting, domain=(integer(-9, 9), integer(0, 3)),
             right_identity=0)
def left_shift(x, y):
    """``x << y``: x times 2**y, overflowing bits dropped (``np.left_shift``)."""
    return np.left_shift(x, y)


@elementwise(scalar="shr", dtype=shifting, domain=(integer(-9, 9), integer(0, 3)),
             right_identity=0)
def right_shift(x, y):
    """``x >> y``: x over 2**y, rounded down (``np.right_shift``)."""
    return np.right_shift(x, y)


@elementwise(scalar="isnan", dtype=comparing)
def isnan(x):
    """Whether x is not a number (``np.isnan``)."""
    return np.isnan(x)


@elementwise(scalar="isinf", dtype=comparing)
def isinf(x):
    """Whether x is an infinity of either sign (``np.isinf``)."""
    return np.isinf(x)


@elementwise(scalar="isfinite", dtype=comparing)
def isfinite(x):
    """Whether x is neither NaN nor infinite (``np.isfinite``)."""
    return np.isfinite(x)


# -- choice


def choosing(condition, *dtypes):
    """bool for the condition, the common dtype for the others."""
    wanted, out = upcast(*dtypes)
    return ("bool", *wanted), out


@elementwise(scalar="where", dtype=choosing, domain=(truth, anything, anything), masks=True)
def where(condition, x, y):
    """x where the condition holds, else y; all three broadcast (``np.where``, Theano's ``switch``).

    Any number but 0 counts as true.  In a gradient, NaN and infinity of the branch that is not
    taken do not reach the inputs (``config.strong_zeros``).

    >>> where([True, False], 1, [10, 20]).eval()
    array([ 1, 20])
    """
    return np.where(condition, x, y)


@where.vjp
def _(g, out, condition, x, y):
    return [0, where(condition, g, 0), where(condition, 0, g)]


@where.jvp
def _(tangents, out, condition, x, y):
    _, tx, ty = tangents
    return where(condition, 0 if tx is None else tx, 0 if ty is None else ty)


def switch(condition, x, y):
    """x where the condition holds, else y: Theano's name of `where`."""
    return where(condition, x, y)


# -- choices by size


@elementwise(scalar=lambda s, x: s.max(x, 0), slopes=lambda x, out: (gt(x, 0),), dtype=counting,
             domain=real(-3, 3, avoid=(0.0,)), idempotent=True, monotone=1, nonnegative=True)
def relu(x):
    """x where it is positive, else 0, or alpha x if `alpha` (a number or a tensor) is given.

    The slope at 0 is 0 (or alpha), as in most libraries; Theano's is the mean of both sides, 0.5.
    NaN stays NaN.

    >>> relu([-2.0, 3.0]).eval(), relu([-2.0, 3.0], alpha=0.5).eval()
    (array([0., 3.], dtype=float32), array([-1.,  3.], dtype=float32))
    """
    return np.maximum(x, 0)


@relu.public
def _(x, alpha=0):
    if isinstance(alpha, int | float) and alpha == 0:
        return relu.of(x)
    with weak_numbers():
        x = as_node(x)
        return where(gt(x, 0), x, x * alpha)


@elementwise(scalar="max", slopes=lambda x, y, out: (ge(x, y), lt(x, y)), dtype=ordered,
             commutative=True, associative=True, idempotent=True)
def maximum(x, y):
    """The larger of x and y; NaN if either is (``np.maximum``).

    Where they tie, the slope is x's, as in Theano.
    """
    return np.maximum(x, y)


@elementwise(scalar="min", slopes=lambda x, y, out: (le(x, y), gt(x, y)), dtype=ordered,
             commutative=True, associative=True, idempotent=True)
def minimum(x, y):
    """The smaller of x and y; NaN if either is (``np.minimum``).

    Where they tie, the slope is x's, as in Theano.
    """
    return np.minimum(x, y)


@elementwise(scalar="fmax", slopes=lambda x, y, out: (eq(out, x), neq(out, x)), dtype=ordered,
             commutative=True, associative=True, idempotent=True)
def fmax(x, y):
    """The larger of x and y; where one is NaN, the other (``np.fmax``).  x's slope wins a tie."""
    return np.fmax(x, y)


@elementwise(scalar="fmin", slopes=lambda x, y, out: (eq(out, x), neq(out, x)), dtype=ordered,
             commutative=True, associative=True, idempotent=True)
def fmin(x, y):
    """The smaller of x and y; where one is NaN, the other (``np.fmin``).  x's slope wins a tie."""
    return np.fmin(x, y)


def _clip_slopes(x, low, high, out):
    return (logical_and(ge(x, low), le(x, high)), logical_and(lt(x, low), le(low, high)),
            gt(maximum(x, low), high))


@elementwise(scalar=lambda s, x, low, high: s.min(s.max(x, low), high), slopes=_clip_slopes,
             dtype=ordered, domain=(anything, real(-2, -1), real(1, 2)))
def clip(x, low, high):
    """x, but `low` where it is below and `high` where it is above (``np.clip``).

    Either bound may be a number, tensor or None.  The slope is x's between the bounds and at them,
    a bound's beyond it.  Where low > high the result is high.

    >>> clip([-2.0, 0.5, 3.0], 0, 1).eval()
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return np.minimum(np.maximum(x, low), high)


@clip.public
def _(x, min=None, max=None, a_min=None, a_max=None):
    low, high = a_min if min is None else min, a_max if max is None else max
    if low is None or high is None:
        x = as_node(x) if low is None else maximum(x, low)
        return x if high is None else minimum(x, high)
    return clip.of(x, low, high)


def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether ``|a - b| <= atol + rtol |b|`` (``np.isclose``); equal infinities are close.

    >>> isclose([1.0, 2.0], [1.000001, 2.1]).eval()
    array([ True, False])
    """
    with weak_numbers():
        a, b = casting(floating)(as_nodes((a, b)))
        near = abs(a - b) <= atol + rtol * abs(b)
        out = where(logical_and(isfinite(a), isfinite(b)), near, eq(a, b))
        return logical_or(out, logical_and(isnan(a), isnan(b))) if equal_nan else out


def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements of a and b are close, as `isclose` says (``np.allclose``)."""
    return TABLE["all"](isclose(a, b, rtol, atol, equal_nan))


# -- casts


def _cast_type(types, dtype):
    x = types[0]
    if is_complex(x.dtype) and not is_complex(dtype) and dtype != "bool":
        raise DtypeError(f"cannot cast {x.dtype} to {dtype}; take T.real, T.imag or abs first")
    return x.with_dtype(dtype)


def _cast_slope(x, out, dtype):
    """1 from float to float; a whole number does not move with what it was cast from."""
    return (1 if is_float(dtype) else 0,)


@elementwise(scalar=lambda s, x, dtype: scalars.cast(x, dtype), slopes=_cast_slope,
             infer=_cast_type,
             tidy=lambda types, dtype: (named_dtype(dtype),), samples=lambda rng: [
                 ([rng.uniform(-3, 3, (3, 4)).astype(a)], {"dtype": b}) for a, b in (
                     ("float64", "float64"), ("float64", "float32"), ("float32", "int8"),
                     ("int64", "bool"), ("bool", "float16"), ("float64", "complex128"))])
def cast(x, *, dtype):
    """x in another dtype, as its method ``x.astype``; x itself if it has that dtype already.

    `dtype` is anything NumPy takes for one, or ``'floatX'``.  From float to integer the fraction is
    dropped; to bool all but 0 is True.  Complex to real is refused: `DtypeError`.

    >>> cast([1.7, -1.7], "int32").eval()
    array([ 1, -1], dtype=int32)
    """
    return np.asarray(x).astype(dtype)


@cast.public
def _(x, dtype):
    return cast_node(as_node(x), named_dtype(dtype))


@elementwise(scalar=lambda s, x: x, slopes=lambda x, out: (1,))
def copy(x):
    """A new variable with the value of x, to be named and tagged on its own (``ndarray.copy``)."""
    return np.array(x)


FUNCTIONS = (switch, isclose, allclose)
