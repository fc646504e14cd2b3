"""Functions made of the ops of shape.py: dimshuffle, flatten and other ways to arrange axes."""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError, ShapeError
from symgrad.node import as_node, constant
from symgrad.op import as_nodes
from symgrad.ops.lengths import length, lengths, product
from symgrad.ops.shape import (
    broadcast_to,
    reshape,
    specify_shape,
    squeeze,
    transpose,
    unbroadcast,
    unsqueeze,
)
from symgrad.types import broadcast, plain_axes, plain_axis, plain_int


def dimshuffle(x, *pattern):
    """x with its axes in another order, with new axes of length one, or without some of its axes.

    `pattern` has for each axis of the result the axis of x, or ``'x'`` for a new one (Theano's
    method).  ShapeError for an axis that is named twice, or that is left out without being known
    to have length one; ArgumentError for what is neither an axis nor ``'x'``.

    >>> T.matrix("x").dimshuffle(1, "x", 0)
    unsqueeze:f64[?,1,?]
    """
    x = as_node(x)
    if len(pattern) == 1 and isinstance(pattern[0], list | tuple | np.ndarray):
        pattern = pattern[0]
    for p in pattern:
        if isinstance(p, bool) or not (isinstance(p, int | np.integer) or _is_new(p)):
            raise ArgumentError(f"an entry of its pattern is the number of an axis, or 'x' for a "
                                f"new one, not {p!r:.60}")
    order = [plain_axis(p, x.type.ndim) for p in pattern if not _is_new(p)]
    if len(set(order)) != len(order):
        raise ShapeError(f"pattern {tuple(pattern)} names an axis twice")
    dropped = tuple([a for a in range(x.type.ndim) if a not in order])
    for a in dropped:
        if x.type.shape[a] != 1:
            error = ShapeError(f"pattern {tuple(pattern)} leaves out axis {a} of {x.type!r}, "
                               "which is not known to have length 1")
            error.hint = f"name it in the pattern, or say that it is 1: T.addbroadcast(x, {a})"
            raise error
    y = squeeze.of(x, axes=dropped) if dropped else x
    ranks = [sorted(order).index(a) for a in order]
    new = tuple([k for k, p in enumerate(pattern) if _is_new(p)])
    if ranks != sorted(ranks) or not (dropped or new):
        y = transpose.of(y, axes=ranks)
    return unsqueeze.of(y, axes=new) if new else y


def _is_new(entry):
    return isinstance(entry, str) and entry == "x"


def swapaxes(x, axis1, axis2):
    """x with two axes exchanged (``np.swapaxes``)."""
    x = as_node(x)
    order = list(range(x.type.ndim))
    a, b = plain_axis(axis1, x.type.ndim), plain_axis(axis2, x.type.ndim)
    order[a], order[b] = b, a
    return transpose.of(x, axes=order)


def moveaxis(x, source, destination):
    """x with an axis, or several, at other places; the others keep their order (``np.moveaxis``).

    >>> T.moveaxis(T.tensor("float32", (2, 3, 4)), 0, -1)
    transpose:f32[3,4,2]
    """
    x = as_node(x)
    source, destination = [list(a) if isinstance(a, list | tuple) else [a]
                           for a in (source, destination)]
    if len(source) != len(destination):
        raise ArgumentError(f"{len(source)} axes cannot move to {len(destination)} places")
    source, destination = [[plain_axis(a, x.type.ndim) for a in axes]
                           for axes in (source, destination)]
    if len(set(source)) != len(source) or len(set(destination)) != len(destination):
        raise ShapeError("an axis is named twice")
    order = [a for a in range(x.type.ndim) if a not in source]
    for d, s in sorted(zip(destination, source, strict=True)):
        order.insert(d, s)
    return transpose.of(x, axes=order)


def flatten(x, ndim=1, outdim=None):
    """x with its last axes merged into one, so that `ndim` axes are left; also ``x.flatten``.

    ShapeError if x has fewer.  `outdim` is an old name of `ndim`.

    >>> T.tensor4("x").flatten(2)
    reshape:f64[?,?]
    """
    x = as_node(x)
    ndim = ndim if outdim is None else outdim
    if not isinstance(ndim, int) or not 1 <= ndim <= max(x.type.ndim, 1):
        raise ShapeError(f"cannot flatten {x.type!r} to {ndim!r} dimensions")
    new = lengths(x)
    return reshape.of(x, *new[:ndim - 1], product(new[ndim - 1:]))


def ravel(x):
    """x as a vector (``np.ravel``)."""
    return flatten(x)


# -- new axes


def expand_dims(x, axis):
    """x with a new axis of length one at `axis` of the result, or several (``np.expand_dims``)."""
    return unsqueeze.of(x, axes=axis)


def shape_padleft(x, n_ones=1):
    """x with `n_ones` new axes of length one in front (Theano)."""
    return unsqueeze.of(x, axes=tuple(range(plain_int(n_ones, "n_ones"))))


def shape_padright(x, n_ones=1):
    """x with `n_ones` new axes of length one at the end (Theano)."""
    x, n = as_node(x), plain_int(n_ones, "n_ones")
    return unsqueeze.of(x, axes=tuple(range(x.type.ndim, x.type.ndim + n)))


def shape_padaxis(x, axis):
    """x with one new axis of length one at `axis` of the result (Theano)."""
    return unsqueeze.of(x, axes=axis)


def atleast_1d(x):
    """x, as a vector if it is a scalar (``np.atleast_1d``)."""
    x = as_node(x)
    return x if x.type.ndim else unsqueeze.of(x, axes=(0,))


def atleast_2d(x):
    """x with new axes in front, so that it has two at least (``np.atleast_2d``)."""
    x = as_node(x)
    return x if x.type.ndim >= 2 else unsqueeze.of(x, axes=tuple(range(2 - x.type.ndim)))


def atleast_3d(x):
    """x with new axes where NumPy puts them, so that it has three at least (``np.atleast_3d``)."""
    x = as_node(x)
    axes = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}.get(x.type.ndim)
    return x if axes is None else unsqueeze.of(x, axes=axes)


# -- which axes stretch


def addbroadcast(x, *axes):
    """x with axes that are said to have length one, and so stretch (Theano).

    That is checked when x is computed; ShapeError.

    >>> T.matrix("m") + T.addbroadcast(T.matrix("row"), 0)
    add:f64[?,?]
    """
    x = as_node(x)
    axes = plain_axes(axes, x.type.ndim)
    return specify_shape(x, [1 if k in axes else None for k in range(x.type.ndim)]) if axes else x


def patternbroadcast(x, broadcastable):
    """x with a boolean for each axis, whether it stretches (Theano).

    It is `addbroadcast` and `unbroadcast` at once.
    """
    x = as_node(x)
    if not isinstance(broadcastable, list | tuple):
        raise ArgumentError(f"the pattern must be a list of bools, not {broadcastable!r:.60}")
    if len(broadcastable) != x.type.ndim:
        raise ShapeError(f"{x.type!r} has {x.type.ndim} dimensions, "
                         f"the pattern has {len(broadcastable)}")
    add = [k for k, b in enumerate(broadcastable) if b and x.type.shape[k] != 1]
    remove = [k for k, b in enumerate(broadcastable) if not b and x.type.shape[k] == 1]
    x = addbroadcast(x, *add)
    return unbroadcast(x, *remove) if remove else x


def broadcast_arrays(*tensors):
    """The tensors, all stretched to their common shape, as a list (``np.broadcast_arrays``).

    ShapeError where known lengths clash.
    """
    tensors = as_nodes(tensors)
    ndim = len(broadcast([t.type.shape for t in tensors]))
    target = []
    for axis in range(-ndim, 0):
        owner = next((t for t in tensors if t.type.ndim >= -axis and t.type.shape[axis] != 1), None)
        target.append(constant(1, dtype="int64") if owner is None else length.of(owner, axis=axis))
    return [broadcast_to.of(t, *target) for t in tensors]


FUNCTIONS = (dimshuffle, swapaxes, moveaxis, flatten, ravel, expand_dims, shape_padleft,
             shape_padright, shape_padaxis, atleast_1d, atleast_2d, atleast_3d, addbroadcast,
             patternbroadcast, broadcast_arrays)
