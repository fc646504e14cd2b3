"""Windows that slide over the last two axes, what adds them back, and what is made of them:
correlation and convolution of images, in ``T.nnet``, and pooling, in ``T.signal``.

Two raw ops, `windows` and its transpose `windows_add`.  A convolution is one product of matrices,
the filters' rows with the windows' columns: the windows are laid out channel by channel, so that
neither that product nor those of its derivatives need anything transposed.
"""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError, ShapeError
from symgrad.families import casting, composite, define, upcast
from symgrad.node import as_node, constant
from symgrad.op import explained
from symgrad.ops.join import bound, plus
from symgrad.ops.lengths import (
    integers,
    length,
    lengths,
    one_dtype,
    product,
    static_length,
)
from symgrad.ops.linalg import batched_dot, dot
from symgrad.ops.scatter import set_subtensor
from symgrad.ops.shape import reshape, specify_shape, transpose
from symgrad.ops.source import alloc, zeros_like
from symgrad.types import Type, clash, plain_axis, plain_int

# -- windows


def count(n, size, step, dilation):
    """How many windows fit into a length, an int; None if it or the window's is not known."""
    if not isinstance(n, int) or not isinstance(size, int):
        return None
    return max(0, n - dilation * (size - 1) - 1 + step) // step


def pair(value, what, least=1):
    """Two whole numbers for the last two axes, of which one number may stand for both."""
    both = value if isinstance(value, list | tuple | np.ndarray) else (value, value)
    if len(both) != 2:
        raise ArgumentError(f"{what} has a number for each of the last two axes, not {value!r:.60}")
    both = tuple([plain_int(v, what) for v in both])
    if min(both) < least:
        raise ArgumentError(f"{what} must be {least} at least, not {value!r}")
    return both


def _tidy(types, step, dilation, at):
    ndim = types[0].ndim
    if ndim < 2:
        raise ShapeError(f"windows slide over two axes, {types[0]!r} has {ndim}")
    at = ndim - 2 if at is None else plain_axis(at, ndim - 1)
    return pair(step, "step"), pair(dilation, "dilation"), at


def _tidy_added(types, step, dilation, at):
    x, y = types
    if y.ndim != x.ndim + 2:
        raise ShapeError(f"the windows of {x!r} have {x.ndim + 2} axes, not those of {y!r}")
    return _tidy(types, step, dilation, at)


def shape_of_windows(shape, size, step, dilation, at):
    """The shape of the windows of this size of an array of this shape; None where not known."""
    *lead, rows, columns = shape
    counts = [count(n, k, s, d) for n, k, s, d in
              zip((rows, columns), size, step, dilation, strict=True)]
    return (*lead[:at], *size, *lead[at:], *counts)


def _windows_type(inputs, step, dilation, at):
    x, *size = inputs
    size = [static_length(k, "a window's length") for k in size]
    if 0 in size:
        raise ShapeError("a window must be 1 long at least")
    return x.type.with_shape(shape_of_windows(x.type.shape, size, step, dilation, at))


def _windows_samples(rng):
    x, flat = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 5))
    return [((x, 3, 2), {}), ((x, 2, 3), {"step": (2, 1), "dilation": (1, 2), "at": 1}),
            ((flat, 2, 2), {"step": 2}), ((flat, 5, 1), {}), ((x[:0], 2, 2), {"at": 0})]


@define("gather", infer_from=_windows_type, tidy=_tidy, prepare=integers(1, "a window's length"),
        linear="jointly", samples=_windows_samples)
def windows(x, height, width, *, step=(1, 1), dilation=(1, 1), at=None):
    """The windows of a size that fit into the last two axes of x: a copy.

    They begin every `step` rows and columns, and take every `dilation`-th of both.  The result has
    the axes of x, its last two being the numbers of windows, and the two of a window inserted at
    `at`, by default right before those.  ShapeError for less than two axes or an empty window;
    where no window fits there are none.

    >>> T.windows(T.tensor("float32", (None, 5, 6)), 3, 2, step=2)
    windows:f32[?,3,2,2,3]
    """
    size = int(height), int(width)
    if min(size) < 1:
        raise ShapeError(f"windows: a window must be 1 long at least, not {size}")
    shape = shape_of_windows(x.shape, size, step, dilation, at)
    out = np.empty(shape, x.dtype)
    for (i, j), cells in _cells(x, size, shape, step, dilation):
        out[(slice(None),) * at + (i, j)] = cells
    return out


def _cells(x, size, shape, step, dilation):
    """For each place in a window, the view of x that has its cell of all windows."""
    for i in range(size[0]):
        for j in range(size[1]):
            key = [slice(k * d, k * d + s * n if n else k * d, s) for k, d, s, n in
                   zip((i, j), dilation, step, shape[-2:], strict=True)]
            yield (i, j), x[(..., *key)]


@windows.vjp
def _(g, out, x, height, width, step, dilation, at):
    return [windows_add.of(zeros_like(x), g, step=step, dilation=dilation, at=at), None, None]


def _added_type(types, step, dilation, at):
    x, y = types
    want = shape_of_windows(x.shape, y.shape[at:at + 2], step, dilation, at)
    if any(clash(a, b) for a, b in zip(want, y.shape, strict=True)):
        raise ShapeError(f"{y!r} are not the windows of {x!r}: those are {y.with_shape(want)!r}")
    return x


def _same_lead(types, step, dilation, at):
    return [((0, k), (1, k if k < at else k + 2)) for k in range(types[0].ndim - 2)]


def _added_samples(rng):
    found = []
    for (x, *size), attrs in _windows_samples(rng):
        types = [Type("float64", x.shape)]
        plain = _tidy(types, *({"step": 1, "dilation": 1, "at": None} | attrs).values())
        y = rng.normal(size=shape_of_windows(x.shape, size, *plain))
        found.append(((x, y), attrs))
    return found


@define("scatter", infer=_added_type, tidy=_tidy_added, prepare=one_dtype, linear="jointly",
        same=_same_lead, samples=_added_samples)
def windows_add(x, y, *, step=(1, 1), dilation=(1, 1), at=None):
    """x with the windows y added to where `windows` of these attributes takes them from.

    ShapeError if y has not the shape of these windows.

    >>> windows_add(np.zeros((2, 3)), np.ones((2, 2, 1, 2))).eval()
    array([[1., 2., 1.],
           [1., 2., 1.]])
    """
    size = y.shape[at:at + 2]
    shape = shape_of_windows(x.shape, size, step, dilation, at)
    if min(size) < 1 or y.shape != shape:
        raise ShapeError(f"windows_add: the windows have shape {y.shape}, those of the array "
                         f"{shape}")
    out = x.copy()
    for (i, j), cells in _cells(out, size, shape, step, dilation):
        np.add(cells, y[(slice(None),) * at + (i, j)], out=cells)
    return out


@windows_add.vjp
def _(g, out, x, y, step, dilation, at):
    size = [length.of(y, axis=k) for k in (at, at + 1)]
    return [g, windows.of(g, *size, step=step, dilation=dilation, at=at)]


# -- borders


def bordered(x, borders, fill):
    """x with a border of one number around its last two axes; `borders` has (before, after) for
    both, whole numbers or int64 scalars."""
    if all([isinstance(b, int) and b == 0 for both in borders for b in both]):
        return x
    *lead, rows, columns = lengths(x)
    wide, inside = [], [...]
    for n, (before, after) in zip((rows, columns), borders, strict=True):
        first = as_node(before, "int64")
        wide.append(plus(plus(n, first), as_node(after, "int64")))
        inside.append(slice(bound(first), bound(plus(first, n))))
    base = alloc.of(constant(fill, dtype=x.type.dtype), *lead, *wide)
    return set_subtensor(base[tuple(inside)], x)


# -- correlation


def _correlated_type(types, step, dilation, groups):
    x, w = types
    if x.ndim != 4 or w.ndim != 4:
        error = ShapeError(f"takes images [batch, channels, rows, columns] and filters [filters, "
                           f"channels, rows, columns], not {x!r} and {w!r}")
        error.hint = "give what lacks axes new ones: x.dimshuffle(0, 'x', 1, 2)"
        raise error
    have, want = x.shape[1], w.shape[1]
    if isinstance(want, int) and clash(have, want * groups):
        each = f"{groups} groups of {want}" if groups > 1 else f"{want}"
        error = ShapeError(f"the images {x!r} have {have} channels, the filters {w!r} want {each}")
        error.hint = "axis 1 of the images is as long as that of the filters, times the groups"
        raise error
    if isinstance(w.shape[0], int) and w.shape[0] % groups:
        raise ShapeError(f"{w.shape[0]} filters, {w!r}, do not make {groups} equal groups")
    counts = [count(n, k, s, d) for n, k, s, d in
              zip(x.shape[2:], w.shape[2:], step, dilation, strict=True)]
    if 0 in counts:
        error = ShapeError(f"no filter of {w!r} fits into an image of {x!r}")
        error.hint = "a border gives them room: border_mode='half' or 'full'"
        raise error
    return Type(x.dtype, (x.shape[0], w.shape[0], *counts))


def _tidy_correlation(types, step, dilation, groups):
    return pair(step, "step"), pair(dilation, "dilation"), plain_int(groups, "groups")


def _correlation_samples(rng):
    x, w = rng.normal(size=(2, 4, 5, 6)), rng.normal(size=(6, 4, 3, 2))
    return [((x, w), {}), ((x, w), {"step": (2, 1), "dilation": (1, 2)}),
            ((x, w[:, :2]), {"groups": 2, "step": 2}), ((x[:0], w), {})]


@composite(dtype=upcast, infer=_correlated_type, tidy=_tidy_correlation,
           same=lambda types, step, dilation, groups: [((0, 1), (1, 1))] * (groups == 1),
           samples=_correlation_samples)
def correlate2d(x, w, *, step=(1, 1), dilation=(1, 1), groups=1):
    """The sums of products of images x with filters w, wherever these fit whole.

    x has the axes [batch, channels, rows, columns], w [filters, channels, rows, columns], the
    result [batch, filters, rows, columns].  The filters are not turned about (what
    ``T.nnet.conv2d`` calls ``filter_flip=False``).  With `groups` the channels and the filters fall
    into so many groups, and those of each see only one another.  ShapeError if lengths do not fit.

    >>> correlate2d(np.ones((10, 3, 28, 28)), np.ones((20, 3, 5, 5)), step=2).type
    f64[10,20,12,12]
    """
    batch = lengths(x)[0]
    filters, _, height, width = lengths(w)
    columns = windows.of(transpose.of(x, axes=(1, 0, 2, 3)), height, width, step=step,
                         dilation=dilation, at=1)
    counts, each = lengths(columns)[4:], product(lengths(w)[1:])
    if groups == 1:
        out = dot.of(reshape.of(w, filters, each),
                     reshape.of(columns, each, product([batch, *counts])))
    else:
        many = constant(groups, dtype="int64")
        out = batched_dot.of(reshape.of(w, many, filters // many, each),
                             reshape.of(columns, many, each, product([batch, *counts])))
    return transpose.of(reshape.of(out, filters, batch, *counts), axes=(1, 0, 2, 3))


# -- convolution


def _shaped(x, shape, name):
    """x with the lengths that the user says it has."""
    if shape is None:
        return x
    if not isinstance(shape, list | tuple | np.ndarray) or len(shape) != x.type.ndim:
        raise ShapeError(f"{name} must have a length, or None, for each of the {x.type.ndim} axes "
                         f"of {x.type!r}, not {shape!r:.60}")
    return specify_shape(x, list(shape))


def _borders(mode, filters, dilation):
    """(before, after) for rows and columns."""
    if isinstance(mode, str):
        if mode not in ("valid", "full", "half"):
            raise ArgumentError(f"border_mode {mode!r}: it is 'valid', 'full', 'half', a number of "
                                "cells, or one for rows and one for columns")
        if mode == "valid":
            return ((0, 0), (0, 0))
        reach = [_reach(filters, axis, d) for axis, d in zip((2, 3), dilation, strict=True)]
        return tuple([(n, n) if mode == "full" else ((n + 1) // 2,) * 2 for n in reach])
    several = isinstance(mode, list | tuple) and len(mode) == 2
    if several and any(isinstance(m, list | tuple) for m in mode):
        return tuple([pair(m, "border_mode", 0) for m in mode])
    return tuple([(n, n) for n in pair(mode, "border_mode", 0)])


def _reach(filters, axis, dilation):
    """How far a filter reaches beyond its first cell."""
    n = filters.type.shape[axis]
    if isinstance(n, int):
        return dilation * (n - 1)
    return dilation * (length.of(filters, axis=axis) - 1)


@explained
def conv2d(input, filters, input_shape=None, filter_shape=None, border_mode="valid",
           subsample=(1, 1), filter_flip=True, image_shape=None, filter_dilation=(1, 1),
           num_groups=1, unshared=False):
    """The convolution of images with filters (Theano's ``T.nnet.conv2d``).

    `input` has the axes [batch, channels, rows, columns], `filters` [filters, channels, rows,
    columns], the result [batch, filters, rows, columns], in the common dtype of both.

    * `input_shape` (an old name is `image_shape`) and `filter_shape` say what lengths both have,
      None where it is not known; it is checked, and makes the program quicker.
    * `border_mode`: ``'valid'``, filters stay inside of the image; ``'full'``, every overlap;
      ``'half'``, a border of half the filter, which keeps the lengths if they are odd; a number of
      zeros around the image, two for rows and columns, or two pairs (before, after).
    * `subsample`: filters move by so many rows and columns.
    * `filter_flip`: turn the filters about, as a convolution does; else it is a correlation.
    * `filter_dilation`: how far the cells of a filter are apart.
    * `num_groups`: channels and filters fall into groups; each filter sees its group's channels.

    ShapeError for wrong ranks, for channels that differ and images that are smaller than the
    filters; ArgumentError for what is not offered (`unshared`).

    >>> x = T.tensor("float32", (None, 1, 28, 28)); w = np.ones((20, 1, 5, 5), "float32")
    >>> conv2d(x, w), conv2d(x, w, border_mode="half", subsample=(2, 2)).type
    (correlate2d:f32[?,20,24,24], f32[?,20,14,14])
    """
    if unshared:
        raise ArgumentError("unshared=True is not offered: filters are the same everywhere")
    if input_shape is not None and image_shape is not None:
        raise ArgumentError("image_shape is an old name of input_shape: give one of them")
    x, w = casting(upcast)([as_node(input), as_node(filters)])
    step, dilation = pair(subsample, "subsample"), pair(filter_dilation, "filter_dilation")
    groups = pair(num_groups, "num_groups")[0]
    if x.type.ndim == w.type.ndim == 4:
        x = _shaped(x, image_shape if input_shape is None else input_shape, "input_shape")
        w = _shaped(w, filter_shape, "filter_shape")
        x = bordered(x, _borders(border_mode, w, dilation), 0)
        w = w[:, :, ::-1, ::-1] if filter_flip else w
    _correlated_type((x.type, w.type), step, dilation, groups)  # says what is wrong in our name
    return correlate2d.of(x, w, step=step, dilation=dilation, groups=groups)
