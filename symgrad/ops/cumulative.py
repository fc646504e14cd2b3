"""Running sums and products along an axis, and the recurrence that is their derivative."""

from __future__ import annotations

import numpy as np

from symgrad.domains import anything
from symgrad.errors import ShapeError
from symgrad.families import define
from symgrad.node import as_node
from symgrad.op import cast_node
from symgrad.ops.axes import flatten
from symgrad.ops.lengths import one_dtype
from symgrad.ops.trig import conj
from symgrad.types import is_complex, join_lengths, plain_axis, wider_int


def conjugate(x):
    """x, conjugated where that means something."""
    return conj(x) if is_complex(x.type.dtype) else x


def _wide(inputs):
    return [cast_node(i, wider_int(i.type.dtype)) for i in inputs]


def _one_axis(types, axis, *rest):
    return (plain_axis(axis, types[0].ndim), *[bool(r) for r in rest])


def _samples(*attrs):
    def samples(rng):
        x = anything.sample(rng, (3, 4))
        x[1, 1] = x[0, 2] = x[2, 2] = 0
        return [((x,), a) for a in ({"axis": 0}, {"axis": 1, **dict.fromkeys(attrs, True)})]

    return samples


def _flat(x, axis):
    """The operand and the axis, of which None means the flattened operand."""
    x = as_node(x)
    return (flatten(x), 0) if axis is None else (x, axis)


@define("opaque", infer=lambda types, *_: types[0], prepare=_wide, tidy=_one_axis, linear="jointly",
        samples=_samples("reverse"))
def cumsum(x, *, axis=0, reverse=False):
    """The sums of all elements up to each one along an axis, or in the flattened x (``np.cumsum``).

    Integers are summed in 64 bits.  With ``reverse=True`` the sums run from each element to the
    end.

    >>> T.cumsum([1.0, 2.0, 3.0]).eval()
    array([1., 3., 6.], dtype=float32)
    """
    return _accumulate(np.add, x, axis, reverse)


def _accumulate(ufunc, x, axis, reverse):
    x = np.flip(x, axis) if reverse else x
    wide = "float32" if x.dtype == "float16" else x.dtype
    out = ufunc.accumulate(x, axis, dtype=wide).astype(x.dtype, copy=False)
    return np.flip(out, axis) if reverse else out


@cumsum.public
def _(x, axis=None, reverse=False):
    x, axis = _flat(x, axis)
    return cumsum.of(x, axis=axis, reverse=reverse)


@cumsum.vjp
def _(g, out, x, axis, reverse):
    return [cumsum.of(g, axis=axis, reverse=not reverse)]


@define("opaque", infer=lambda types, *_: types[0], prepare=_wide, tidy=_one_axis,
        samples=_samples("exclusive", "reverse"))
def cumprod(x, *, axis=0, exclusive=False, reverse=False):
    """The products of all elements up to each one along an axis, or in the flattened x.

    See ``np.cumprod``.  Integers are multiplied in 64 bits.  With ``exclusive=True`` the element
    itself is left out, with ``reverse=True`` the products run from each element to the end.
    Derivatives are right where elements are zero.

    >>> T.cumprod([2.0, 3.0, 4.0]).eval(), T.cumprod([2.0, 3.0, 4.0], exclusive=True).eval()
    (array([ 2.,  6., 24.], dtype=float32), array([1., 2., 6.], dtype=float32))
    """
    if not exclusive:
        return _accumulate(np.multiply, x, axis, reverse)
    out = np.ones(x.shape, x.dtype)
    front, back = [slice(None)] * axis + [slice(0, -1)], [slice(None)] * axis + [slice(1, None)]
    into, of = (front, back) if reverse else (back, front)
    out[tuple(into)] = _accumulate(np.multiply, x[tuple(of)], axis, reverse)
    return out


@cumprod.public
def _(x, axis=None, exclusive=False, reverse=False):
    x, axis = _flat(x, axis)
    return cumprod.of(x, axis=axis, exclusive=exclusive, reverse=reverse)


@cumprod.vjp
def _(g, out, x, axis, exclusive, reverse):
    z, back = conjugate(x), not reverse
    if exclusive:
        return [conjugate(out) * recurrence.of(z, g, axis=axis, reverse=back)]
    before = cumprod.of(z, axis=axis, exclusive=True, reverse=reverse)
    return [before * (g + recurrence.of(z, z * g, axis=axis, reverse=back))]


def _recurrence_type(types, axis, reverse):
    x, g = types
    if x.ndim != g.ndim:
        raise ShapeError(f"takes two tensors of one shape, not {x!r} and {g!r}")
    return x.with_shape([join_lengths(a, b) for a, b in zip(x.shape, g.shape, strict=True)])


def _all_axes(types, *_):
    return [((0, k), (1, k)) for k in range(types[0].ndim)]


def _recurrence_samples(rng):
    x, g = rng.normal(size=(2, 3, 4))
    return [((x, g), {"axis": 0}), ((x, g), {"axis": 1, "reverse": True})]


@define("opaque", infer=_recurrence_type, prepare=one_dtype, tidy=_one_axis, same=_all_axes,
        samples=_recurrence_samples)
def recurrence(x, g, *, axis=0, reverse=False):
    """What r is before each element along an axis, where r is 0 at first and then g + x r.

    x and g have one shape.  The derivative is the same recurrence run the other way, so that
    `cumprod` and `prod` have derivatives of every order without a division.

    >>> T.recurrence([2.0, 3.0, 4.0], [1.0, 1.0, 1.0]).eval()
    array([0., 1., 4.], dtype=float32)
    """
    out = np.zeros(x.shape, x.dtype)
    x, g, r = [np.moveaxis(a, axis, 0) for a in (x, g, out)]
    if reverse:
        x, g, r = x[::-1], g[::-1], r[::-1]
    for k in range(1, len(r)):
        r[k] = g[k - 1] + x[k - 1] * r[k - 1]
    return out


@recurrence.vjp
def _(h, out, x, g, axis, reverse):
    back = recurrence.of(conjugate(x), h, axis=axis, reverse=not reverse)
    return [conjugate(out) * back, back]
