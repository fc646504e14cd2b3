"""Reductions: sum, prod, max, min, argmax, argmin, any, all over any axes; `ptp`, `count_nonzero`.

``axis`` is an int, several of them, or None for all; ``keepdims=True`` leaves the reduced axes in
the result with length one.
"""

from __future__ import annotations

import numpy as np

from symgrad.domains import anything, distinct, truth
from symgrad.errors import ShapeError
from symgrad.families import kept, no_out, ordered, real_floating, reduced, reduction
from symgrad.node import as_node
from symgrad.op import cast_node
from symgrad.ops.cumulative import conjugate, cumprod
from symgrad.ops.lengths import lengths, product
from symgrad.ops.logic import eq, neq
from symgrad.ops.shape import broadcast_to, reshape, transpose, unsqueeze
from symgrad.types import named_dtype, wider_int


def comparable(dtype):
    """The dtype; refuses complex numbers."""
    return ordered(dtype)[1]


def nonempty(name, x, axis):
    """Refuse to take a maximum of nothing."""
    if x.size == 0 and any(x.shape[a] == 0 for a in axis):
        raise ShapeError(f"{name}: has no value over an axis of length 0, shape {x.shape}")
    return x


# -- sums and products


def accumulated(op, x, axis, dtype, keepdims, acc_dtype, out):
    """NumPy's and Theano's signature of sums: `dtype` of the result, `acc_dtype` to compute in."""
    no_out(out)
    x = as_node(x)
    wanted = named_dtype(dtype, wider_int(x.type.dtype))
    y = op.of(cast_node(x, named_dtype(acc_dtype, wanted)), axis=axis)
    return cast_node(kept(y, x, axis, keepdims), wanted)


def through_single(ufunc, x, axis):
    """A ufunc's reduction; float16 is computed in float32."""
    if x.dtype == "float16":
        return ufunc.reduce(x, axis, dtype="float32").astype("float16")
    return ufunc.reduce(x, axis)


@reduction("add", identity=lambda dtype: 0, dtype=wider_int, linear="jointly")
def sum_(x, *, axis=None):
    """The sum over axes (``np.sum``); of nothing, 0.

    bool and integers give int64, unsigned integers uint64, floats keep their dtype (float16 is
    added up in float32), unless `dtype` says otherwise; `acc_dtype` is the dtype to compute in.

    >>> T.sum(T.imatrix("x"), axis=0), T.fmatrix("x").sum(axis=(0, 1), keepdims=True)
    (sum:i64[?], unsqueeze:f32[1,1])
    """
    return through_single(np.add, x, axis)


@sum_.vjp
def _(g, out, x, axis):
    return [spread(g, x, axis)]


def spread(g, x, axis):
    """The cotangent of a reduction, stretched over the axes that it reduced."""
    return broadcast_to.of(unsqueeze.of(g, axes=axis), *lengths(x)) if axis else g


@sum_.public
def _(x, axis=None, dtype=None, keepdims=False, acc_dtype=None, out=None):
    return accumulated(sum_, x, axis, dtype, keepdims, acc_dtype, out)


def _product_samples(rng):
    x = anything.sample(rng, (2, 3, 4))
    zeros = x.copy()
    zeros[0, 1, 2] = zeros[1, 0, :2] = 0
    return [((y,), {"axis": a}) for y in (x, zeros) for a in (None, (2,), (0, 2), ())]


@reduction("mul", identity=lambda dtype: 1, dtype=wider_int, samples=_product_samples)
def prod(x, *, axis=None):
    """The product over axes (``np.prod``); of nothing, 1.  dtypes as in `sum`.

    Derivatives are right, at every order, where elements are zero.

    >>> T.prod([2.0, 3.0]).eval()
    array(6., dtype=float32)
    """
    return through_single(np.multiply, x, axis)


@prod.vjp
def _(g, out, x, axis):
    return [unsqueeze.of(g, axes=axis) * conjugate(_others(x, axis)) if axis else g]


def _others(x, axis):
    """For each element of x, the product over `axis` of all others: no division, so no 0 / 0."""
    if len(axis) == 1:
        before = cumprod.of(x, axis=axis[0], exclusive=True)
        return before * cumprod.of(x, axis=axis[0], exclusive=True, reverse=True)
    rest = [a for a in range(x.type.ndim) if a not in axis]
    order = (*rest, *axis)
    y = transpose.of(x, axes=order)
    flat = reshape.of(y, *lengths(y)[:len(rest)], product(lengths(y)[len(rest):]))
    others = reshape.of(_others(flat, (len(rest),)), *lengths(y))
    return transpose.of(others, axes=[order.index(a) for a in range(x.type.ndim)])


@prod.public
def _(x, axis=None, dtype=None, keepdims=False, acc_dtype=None, no_zeros_in_input=False, out=None):
    return accumulated(prod, x, axis, dtype, keepdims, acc_dtype, out)


# -- extremes


@reduction("max", dtype=comparable, domain=distinct(-3, 3))
def max_(x, *, axis=None):
    """The largest element over axes (``np.max``); NaN if there is one.

    ShapeError for an empty axis, DtypeError for complex numbers.  Where several elements are the
    largest, the gradient is divided among them equally.

    >>> T.max([[1, 5], [7, 3]], axis=1).eval()
    array([5, 7])
    """
    return np.maximum.reduce(nonempty("max", x, axis), axis)


@reduction("min", dtype=comparable, domain=distinct(-3, 3))
def min_(x, *, axis=None):
    """The smallest element over axes (``np.min``); otherwise as `max`.

    >>> T.min([[1, 5], [7, 3]], axis=1).eval()
    array([1, 3])
    """
    return np.minimum.reduce(nonempty("min", x, axis), axis)


@reduction("max", identity=lambda dtype: -np.inf, dtype=lambda dtype: real_floating(dtype)[1],
           domain=distinct(-3, 3))
def supremum(x, *, axis=None):
    """The largest element over axes, as `max`, and of nothing -inf: always a float.

    >>> supremum(np.zeros((2, 0)), axis=1).eval()
    array([-inf, -inf])
    """
    return np.maximum.reduce(x, axis, initial=-np.inf)


def _shared_equally(g, out, x, axis):
    hit = cast_node(eq.of(x, unsqueeze.of(out, axes=axis)), x.type.dtype)
    return [unsqueeze.of(g / sum_.of(hit, axis=axis), axes=axis) * hit]


max_.vjp(_shared_equally)
min_.vjp(_shared_equally)
supremum.vjp(_shared_equally)


def _places(types, axis):
    return reduced(types, axis).with_dtype("int64")


def place(name, find, x, axis):
    """np.argmax or np.argmin over several axes: the index counts through them in C order."""
    nonempty(name, x, axis)
    if len(axis) == 1:
        return np.asarray(find(x, axis=axis[0]), "int64")
    rest = [a for a in range(x.ndim) if a not in axis]
    flat = np.transpose(x, (*rest, *axis)).reshape(*[x.shape[a] for a in rest],
                                                   int(np.prod([x.shape[a] for a in axis])))
    return np.asarray(find(flat, axis=-1), "int64")


@reduction("argmax", dtype=comparable, infer=_places, domain=distinct(-3, 3))
def argmax(x, *, axis=None):
    """Where the largest element is, the first of several (``np.argmax``); an int64.

    Over all or several axes it is the index into the elements counted through those axes.  A NaN
    counts as the largest.  ShapeError for an empty axis.

    >>> T.argmax([[1, 5], [7, 3]], axis=1).eval(), T.argmax([[1, 5], [7, 3]]).eval()
    (array([1, 0]), array(2))
    """
    return place("argmax", np.argmax, x, axis)


@reduction("argmin", dtype=comparable, infer=_places, domain=distinct(-3, 3))
def argmin(x, *, axis=None):
    """Where the smallest element is, the first of several (``np.argmin``); as `argmax`.

    >>> T.argmin([[1, 5], [7, 3]], axis=1).eval()
    array([0, 1])
    """
    return place("argmin", np.argmin, x, axis)


def max_and_argmax(a, axis=None, keepdims=False):
    """``[max(a), argmax(a)]`` over the same axes (Theano)."""
    return [max_(a, axis, keepdims), argmax(a, axis, keepdims)]


def ptp(a, axis=None, keepdims=False):
    """The largest minus the smallest element over axes (``np.ptp``)."""
    return max_(a, axis, keepdims) - min_(a, axis, keepdims)


# -- truth


def _truths(inputs):
    return [cast_node(inputs[0], "bool")]


@reduction("or", identity=lambda dtype: False, prepare=_truths, domain=truth)
def any_(x, *, axis=None):
    """Whether any element over axes is true, that is, not 0 (``np.any``); a bool.

    >>> T.any([[0, 0], [0, 2]], axis=1).eval()
    array([False,  True])
    """
    return np.logical_or.reduce(x, axis)


@reduction("and", identity=lambda dtype: True, prepare=_truths, domain=truth)
def all_(x, *, axis=None):
    """Whether all elements over axes are true, that is, not 0 (``np.all``); a bool.

    >>> T.all([[1, 0], [1, 2]], axis=1).eval()
    array([False,  True])
    """
    return np.logical_and.reduce(x, axis)


def count_nonzero(a, axis=None, keepdims=False):
    """How many elements over axes are not 0, an int64 (``np.count_nonzero``)."""
    return sum_(neq(a, 0), axis, keepdims=keepdims)


FUNCTIONS = (max_and_argmax, ptp, count_nonzero)
