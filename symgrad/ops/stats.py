"""What is made of reductions: mean, var, std, logsumexp, norm.

All are composites: rules know them by name, and then their definitions fuse with what surrounds
them.  float16 is computed in float32.
"""

from __future__ import annotations

from numbers import Real

import numpy as np

from symgrad.errors import ArgumentError
from symgrad.families import axis_attr, composite, kept, no_out, real_floating, reduced
from symgrad.node import as_node, constant
from symgrad.op import cast_node
from symgrad.ops.control import stop_gradient
from symgrad.ops.lengths import lengths, product
from symgrad.ops.logic import eq, isinf, maximum, neq, where
from symgrad.ops.math import abs_, exp, log, pow_, sqr, sqrt
from symgrad.ops.reduce import max_, min_, spread, sum_, supremum
from symgrad.ops.shape import unsqueeze
from symgrad.ops.trig import conj, real_
from symgrad.types import is_complex, is_float, named_dtype, real_of


def averaging(dtype):
    """Floats as they are, anything else float64: B5 of the behaviours that old programs rely on."""
    d = dtype if is_float(dtype) else "float64"
    return (d,), d


def _wide(x):
    return cast_node(x, "float32") if x.type.dtype == "float16" else x


def count(x, axis, ddof=0):
    """How many elements are reduced, less `ddof`, in the real dtype of x."""
    all_lengths = lengths(x)
    n = product([all_lengths[a] for a in axis])
    if ddof:
        n = maximum(n - constant(ddof, dtype="int64"), constant(0, dtype="int64"))
    return cast_node(n, real_of(x.type.dtype))


def outer(x, axis, dtype, acc_dtype):
    """What an averaging op computes on, and the dtype of its result."""
    x = as_node(x)
    wanted = named_dtype(dtype) if dtype is not None else averaging(x.type.dtype)[1]
    wanted = averaging(wanted)[1]
    return cast_node(x, named_dtype(acc_dtype, wanted)), wanted


@composite(dtype=averaging, infer=reduced, tidy=axis_attr)
def mean(x, *, axis=None):
    """The mean over axes (``np.mean``); of nothing, NaN.

    bool and integers give float64, floats keep their dtype, unless `dtype` says otherwise;
    `acc_dtype` is the dtype to compute in.

    >>> T.mean(T.neq(T.ivector("y_pred"), T.ivector("y")))
    mean:f64[]
    """
    y = _wide(x)
    return cast_node(sum_.of(y, axis=axis) / count(y, axis), x.type.dtype)


@mean.vjp
def _(g, out, x, axis):
    y = _wide(g)
    return [spread(cast_node(y / count(cast_node(x, y.type.dtype), axis), g.type.dtype), x, axis)]


@mean.public
def _(x, axis=None, dtype=None, op=False, keepdims=False, acc_dtype=None, out=None):
    no_out(out)
    x, wanted = outer(x, axis, dtype, acc_dtype)
    return cast_node(kept(mean.of(x, axis=axis), x, axis, keepdims), wanted)


def _real_type(types, axis, *_):
    t = reduced(types, axis)
    return t.with_dtype(real_of(t.dtype))


def deviation(x, axis):
    """x less its mean."""
    return x - kept(mean.of(x, axis=axis), x, axis)


@composite(dtype=averaging, infer=_real_type, tidy=axis_attr)
def var(x, *, axis=None, ddof=0):
    """The variance over axes: the mean square of ``x - mean(x)`` (``np.var``), real.

    The divisor is the number of elements less `ddof`.  dtypes as in `mean`.

    >>> T.var([1.0, 2.0, 3.0, 4.0]).eval()
    array(1.25, dtype=float32)
    """
    y = _wide(x)
    d = deviation(y, axis)
    square = real_(d * conj(d)) if is_complex(y.type.dtype) else sqr(d)
    return cast_node(sum_.of(square, axis=axis) / count(y, axis, ddof), real_of(x.type.dtype))


@var.vjp
def _(g, out, x, axis, ddof):
    y = _wide(x)
    scale = cast_node(g, real_of(y.type.dtype)) * 2 / count(y, axis, ddof)
    return [unsqueeze.of(scale, axes=axis) * deviation(y, axis)]


def _measure(op):
    """The signature of `var` and `std`."""

    def public(x, axis=None, ddof=0, keepdims=False, corrected=False, dtype=None, out=None):
        no_out(out)
        if not isinstance(ddof, Real):
            raise ArgumentError(f"ddof must be a number, not {ddof!r:.60}")
        x, wanted = outer(x, axis, dtype, None)
        return cast_node(kept(op.of(x, axis=axis, ddof=ddof), x, axis, keepdims), real_of(wanted))

    return public


var.public(_measure(var))


@composite(dtype=averaging, infer=_real_type, tidy=axis_attr)
def std(x, *, axis=None, ddof=0):
    """The standard deviation over axes, the root of `var` (``np.std``).

    Its gradient is 0 where all elements are equal.

    >>> T.std([1.0, 2.0, 3.0, 4.0], ddof=1).eval()
    array(1.2909944, dtype=float32)
    """
    return sqrt(var.of(x, axis=axis, ddof=ddof))


@std.vjp
def _(g, out, x, axis, ddof):
    y = _wide(x)
    out = cast_node(where(eq(out, 0), 1, out), real_of(y.type.dtype))
    scale = cast_node(g, out.type.dtype) / (out * count(y, axis, ddof))
    return [unsqueeze.of(scale, axes=axis) * deviation(y, axis)]


std.public(_measure(std))


# -- log of a sum of exponentials


@composite(dtype=real_floating, infer=reduced, tidy=axis_attr)
def logsumexp(x, *, axis=None):
    """``log(sum(exp(x)))`` over axes without overflow (``scipy.special.logsumexp``).

    It is -inf where all elements are, or there is none, with gradient 0; inf where one is.

    >>> T.logsumexp([1000.0, 1000.0]).eval()
    array(1000.6932, dtype=float32)
    """
    top = _finite_top(x, axis)
    return top + log(sum_.of(exp(x - kept(top, x, axis)), axis=axis))


def _finite_top(x, axis):
    top = supremum.of(x, axis=axis)
    return where(isinf(top), 0, top)


@logsumexp.vjp
def _(g, out, x, axis):
    # Not exp(x - out): out is rounded, by as much as 3e-5 in single precision near 1000.
    weights = exp(x - kept(stop_gradient(_finite_top(x, axis)), x, axis))
    total = sum_.of(weights, axis=axis)
    return [unsqueeze.of(g / where(eq(total, 0), 1, total), axes=axis) * weights]


@logsumexp.public
def _(x, axis=None, keepdims=False):
    x = as_node(x)
    return kept(logsumexp.of(x, axis=axis), x, axis, keepdims)


# -- norms


@composite(dtype=averaging, infer=_real_type, tidy=axis_attr)
def euclidean(x, *, axis=None):
    """The root of the sum of squares over axes; its gradient at zero is 0."""
    y = _wide(x)
    square = real_(y * conj(y)) if is_complex(y.type.dtype) else sqr(y)
    return cast_node(sqrt(sum_.of(square, axis=axis)), real_of(x.type.dtype))


@euclidean.vjp
def _(g, out, x, axis):
    return [unsqueeze.of(g / where(eq(out, 0), 1, out), axes=axis) * x]


def norm(x, ord=2, axis=None, keepdims=False):
    """The norm of the elements of x over axes: ``sum(|x|**ord)**(1/ord)``.

    `ord` is a number: 2 is the Euclidean norm, `np.inf` and `-np.inf` the largest and the smallest
    absolute value, 0 the number of elements that are not 0.  For matrix norms see `T.nlinalg`.

    >>> T.vector("x").norm(2), T.norm([[3.0, 4.0], [0.0, 1.0]], axis=1).eval()
    (euclidean:f64[], array([5., 1.], dtype=float32))
    """
    x = as_node(x)
    if not isinstance(ord, Real):
        raise ArgumentError(f"ord must be a number, not {ord!r}")
    if ord == 2:
        y = euclidean.of(x, axis=axis)
    elif ord == 0:
        y = cast_node(sum_(neq(x, 0), axis), real_of(averaging(x.type.dtype)[1]))
    elif np.isinf(ord):
        y = (max_ if ord > 0 else min_)(abs_(x), axis)
    elif ord == 1:
        y = sum_(abs_(x), axis)
    else:
        y = pow_(sum_(pow_(abs_(x), ord), axis), 1 / ord)
    return kept(y, x, axis, keepdims)


FUNCTIONS = (norm,)
