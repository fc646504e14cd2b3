"""Ops that move axes and lengths but no elements: reshape, transpose, squeeze, broadcast_to …"""

from __future__ import annotations

import operator
from functools import reduce

import numpy as np

from symgrad.errors import ArgumentError, ShapeError
from symgrad.families import define
from symgrad.node import TABLE, Node, as_node, constant
from symgrad.ops.lengths import (
    arguments,
    integers,
    known,
    length,
    lengths,
    product,
    scalars,
    static_length,
)
from symgrad.types import Dim, clash, join_lengths, plain_axes, plain_axis


def along(*cases, shape=(3, 4)):
    """Samples of one array with these values of ``axes``."""
    return lambda rng: [((rng.normal(size=shape),), {"axes": a}) for a in cases]


def axes_attr(types, axes):
    return (plain_axes(axes, types[0].ndim),)


# -- reshape


def _factors(x):
    """The lengths of x as things that can cancel: ints, Dims, or (x, axis)."""
    return [(x, k) if d is None else d for k, d in enumerate(x.type.shape)]


def _wanted(node):
    """A wanted length in the same terms."""
    n = known(node)
    if n is not None:
        return n
    return (node.inputs[0], node.attrs[0]) if node.op is length else node


def _left(x, wanted):
    """Check a reshape as far as can be known.

    Returns the factors of x that the wanted lengths do not cancel, and the quotient of the known
    ones: None if it is not whole, or if other factors are left among the wanted ones.
    """
    signs = [w for w in wanted if isinstance(w, int) and w < 0]
    if any(w < -1 for w in signs) or len(signs) > 1:
        raise ShapeError(f"lengths cannot be negative, but for one -1: ({_listed(wanted)})")
    have = _factors(x)
    exact = all(isinstance(f, int) for f in (*have, *wanted))
    above = reduce(operator.mul, [f for f in have if isinstance(f, int)], 1)
    below = reduce(operator.mul, [f for f in wanted if isinstance(f, int) and f >= 0], 1)
    left, rest = [f for f in have if not isinstance(f, int)], []
    for w in wanted:
        if not isinstance(w, int):
            left.remove(w) if w in left else rest.append(w)
    quotient = None if rest or below == 0 or above % below else above // below
    if exact and (quotient is None if signs else above != below):
        raise ShapeError(f"cannot reshape {x.type!r}, {above} elements, to ({_listed(wanted)})")
    return left, quotient


def _listed(wanted):
    return ", ".join(str(w) if isinstance(w, int | Dim) else "?" for w in wanted)


def _reshaped(inputs):
    x, *new = inputs
    wanted = [_wanted(n) for n in new]
    left, quotient = _left(x, wanted)
    rest = None
    if quotient is not None and not left:
        rest = quotient
    elif quotient == 1 and len(left) == 1 and isinstance(left[0], Dim):
        rest = left[0]
    return x.type.with_shape([rest if w == -1 else w if isinstance(w, int | Dim) else None
                              for w in wanted])


def _reshape_samples(rng):
    x = rng.normal(size=(3, 4))
    return [((x, 2, 6), {}), ((x, 2, -1, 2), {}), ((x[:1, :1],), {}), ((x[:0], 0), {})]


@define("view", infer_from=_reshaped, prepare=integers(1), linear="jointly",
        samples=_reshape_samples)
def reshape(x, *lengths):
    """The elements of x, in the same order, in another shape (``np.reshape``); also ``x.reshape``.

    `newshape` is a list of integers and symbolic scalars, or a vector such as ``y.shape``; of a
    vector whose length is not known, `ndim` must say it.  One length may be -1: it is what is
    left.  ShapeError if the number of elements differs, at once where it is known.

    >>> x = T.tensor("float32", (None, 28, 28)); x.reshape((x.shape[0], -1))
    reshape:f32[?,784]
    """
    new = tuple([int(n) for n in lengths])
    try:
        return np.reshape(x, new)
    except ValueError:
        raise ShapeError(f"reshape: cannot reshape {np.shape(x)}, {np.size(x)} elements, "
                         f"to {new}") from None


@reshape.vjp
def _(g, out, x, *new):
    return [reshape.of(g, *lengths(x)), *[None] * len(new)]


@reshape.public
def _(x, *newshape, ndim=None):
    x = as_node(x)
    if not newshape:
        raise ArgumentError("the new shape is missing")
    if len(newshape) == 2 and not _is_scalar(newshape[0]):  # Theano's reshape(x, shape, ndim)
        *newshape, ndim = newshape
    new = scalars(arguments(newshape), ndim)
    wanted = [_wanted(n) for n in new]
    if -1 in wanted:
        left, quotient = _left(x, wanted)
        if quotient is not None:  # write out what -1 stands for: right for empty x, too
            mine = _factors(x)
            parts = [length.of(x, axis=mine.index(f)) for f in left]
            new[wanted.index(-1)] = product([*parts, constant(quotient, dtype="int64")])
    return reshape.of(x, *new)


def _is_scalar(value):
    return value.type.ndim == 0 if isinstance(value, Node) else np.ndim(value) == 0


# -- axes of length one


def _unsqueezed(types, axes):
    shape = list(types[0].shape)
    for a in axes:
        shape.insert(a, 1)
    return types[0].with_shape(shape)


def _new_axes(types, axes):
    more = len(axes) if isinstance(axes, list | tuple) else 1
    return (plain_axes(axes, types[0].ndim + more),)


@define("view", infer=_unsqueezed, tidy=_new_axes, linear="jointly",
        samples=along((0,), (1, 3), ()))
def unsqueeze(x, *, axes=()):
    """x with new axes of length one; `axes` say where they stand in the result.

    See ``np.expand_dims``.  ShapeError for an axis that the result does not have.

    >>> unsqueeze(T.vector("x"), axes=(0,))
    unsqueeze:f64[1,?]
    """
    return np.expand_dims(x, axes)


@unsqueeze.vjp
def _(g, out, x, axes):
    return [TABLE["sum"].of(g, axis=axes)]


def _squeezed(types, axes):
    shape = types[0].shape
    for a in axes:
        if shape[a] != 1:
            found = (f"has length {shape[a]}; only axes of length 1 can be dropped"
                     if isinstance(shape[a], int) else
                     "is not known to have length 1, so it cannot be dropped")
            error = ShapeError(f"axis {a} {found}")
            error.hint = f"say that it is 1: T.addbroadcast(x, {a})"
            raise error
    return types[0].with_shape([d for k, d in enumerate(shape) if k not in axes])


@define("view", infer=_squeezed, tidy=axes_attr, linear="jointly",
        samples=along((1,), (1, 3), (), shape=(3, 1, 4, 1)))
def squeeze(x, *, axes=()):
    """x without axes of length one (``np.squeeze``): all known to have it, or those in `axis`.

    ShapeError for an axis that is not known to have length one.

    >>> squeeze(T.tensor("float32", (1, None, 1)))
    squeeze:f32[?]
    """
    return np.squeeze(x, axes)


@squeeze.vjp
def _(g, out, x, axes):
    return [unsqueeze.of(g, axes=axes)]


@squeeze.public
def _(x, axis=None, axes=None):
    x = as_node(x)
    axes = axis if axes is None else axes
    if axes is None:
        axes = tuple([k for k, d in enumerate(x.type.shape) if d == 1])
    return squeeze.of(x, axes=axes)


# -- order of axes


def _order(types, axes):
    ndim = types[0].ndim
    if axes is None:
        return (tuple(range(ndim))[::-1],)
    if not isinstance(axes, list | tuple | np.ndarray):
        raise ArgumentError(f"axes must be a list of integers, not {axes!r:.60}")
    order = tuple([plain_axis(a, ndim) for a in axes])
    if len(order) != ndim or len(set(order)) != ndim:
        raise ShapeError(f"axes {tuple(axes)} are no order of the {ndim} axes of {types[0]!r}")
    return (order,)


def _transposed(types, axes):
    return types[0].with_shape([types[0].shape[a] for a in axes])


@define("view", infer=_transposed, tidy=_order, linear="jointly",
        samples=along(None, (1, 2, 0), (0, 1, 2), shape=(2, 3, 4)))
def transpose(x, *, axes=None):
    """x with its axes in another order, by default reversed (``np.transpose``); also ``x.T``.

    ShapeError unless `axes` names each axis once.

    >>> T.tensor3("x").transpose(1, 0, 2)
    transpose:f64[?,?,?]
    """
    return np.transpose(x, axes)


@transpose.vjp
def _(g, out, x, axes):
    return [transpose.of(g, axes=tuple(sorted(range(len(axes)), key=axes.__getitem__)))]


@transpose.public
def _(x, *order, axes=None):
    if order:
        axes = order if isinstance(order[0], int | np.integer) else order[0]
    return transpose.of(x, axes=axes)


# -- stretching, and what is known of lengths


def stretched(inputs):
    """The type of a value stretched to lengths."""
    x, *new = inputs
    shape = [static_length(n) for n in new]
    lead = len(shape) - x.type.ndim
    if lead < 0:
        raise ShapeError(f"{x.type!r} has more dimensions than the shape ({_listed(shape)})")
    for k, d in enumerate(x.type.shape):
        if d != 1:
            if clash(d, shape[lead + k]):
                raise ShapeError(f"cannot stretch axis {k} of {x.type!r}, of length {d}, "
                                 f"to shape ({_listed(shape)})")
            shape[lead + k] = join_lengths(d, shape[lead + k])
    return x.type.with_shape(shape)


def _stretch_samples(rng):
    x = rng.normal(size=(3, 1))
    return [((x, 2, 3, 4), {}), ((x[:, 0], 0, 3), {}), ((x[0, 0],), {}), ((x, 3, 1), {})]


@define("view", infer_from=stretched, prepare=integers(1), linear="jointly",
        samples=_stretch_samples)
def broadcast_to(x, *lengths):
    """x stretched to a shape, as arithmetic stretches it (``np.broadcast_to``).

    New axes come in front; axes that are known to have length one take the new length.  The shape
    is given as to `reshape`, without -1.  ShapeError if x does not fit.

    >>> x = T.matrix("x"); T.broadcast_to(T.row("b"), x.shape)
    broadcast_to:f64[?,?]
    """
    new = tuple([int(n) for n in lengths])
    try:
        return np.broadcast_to(x, new)
    except ValueError:
        raise ShapeError(f"broadcast_to: cannot stretch {np.shape(x)} to {new}") from None


@broadcast_to.vjp
def _(g, out, x, *new):
    return [g, *[None] * len(new)]  # the sum over the stretched axes is taken in derive.fit


@broadcast_to.public
def _(x, *shape):
    return broadcast_to.of(x, *scalars(arguments(shape)))


def _specified(inputs):
    x, *new = inputs
    if len(new) != x.type.ndim:
        raise ShapeError(f"{x.type!r} has {x.type.ndim} dimensions, the shape has {len(new)}")
    return x.type.with_shape([join_lengths(d, static_length(n))
                              for d, n in zip(x.type.shape, new, strict=True)])


@define("view", infer_from=_specified, prepare=integers(1), linear="jointly",
        samples=lambda rng: [((rng.normal(size=(3, 4)), 3, 4), {})])
def specify_shape(x, *lengths):
    """x, whose shape is asserted: the graph then knows it, and it is checked when x is computed.

    Lengths may be None (not asserted).  ShapeError if they do not agree.

    >>> T.specify_shape(T.matrix("x"), (None, 784))
    specify_shape:f64[?,784]
    """
    new = tuple([int(n) for n in lengths])
    if np.shape(x) != new:
        raise ShapeError(f"specify_shape: the shape is {np.shape(x)}, not {new} as specified")
    return x


@specify_shape.vjp
def _(g, out, x, *new):
    return [g, *[None] * len(new)]


@specify_shape.public
def _(x, *shape):
    x, shape = as_node(x), arguments(shape)
    if isinstance(shape, list | tuple):
        if len(shape) != x.type.ndim:
            raise ShapeError(f"{x.type!r} has {x.type.ndim} dimensions, "
                             f"the shape has {len(shape)}")
        shape = [length.of(x, axis=k) if n is None else n for k, n in enumerate(shape)]
    return specify_shape.of(x, *scalars(shape))


def _unbroadcast(types, axes):
    return types[0].with_shape([None if d == 1 and k in axes else d
                                for k, d in enumerate(types[0].shape)])


@define("view", infer=_unbroadcast, tidy=axes_attr, linear="jointly",
        samples=along((0,), (), shape=(1, 4)))
def unbroadcast(x, *, axes=()):
    """x with axes that do not stretch even if their length is one (``T.unbroadcast(x, *axes)``).

    >>> T.unbroadcast(T.row("x"), 0)
    unbroadcast:f64[?,?]
    """
    return x


@unbroadcast.vjp
def _(g, out, x, axes):
    return [g]


@unbroadcast.public
def _(x, *axes):
    return unbroadcast.of(x, axes=axes)

