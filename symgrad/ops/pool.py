"""Pooling: one value of each window over the last two axes.  `pool_2d` is ``T.signal.pool``'s."""

from __future__ import annotations

import numpy as np

from symgrad.domains import distinct
from symgrad.errors import ArgumentError, ShapeError
from symgrad.families import composite, ordered
from symgrad.node import as_node, constant
from symgrad.op import cast_node, explained, weak_numbers
from symgrad.ops.conv import bordered, pair, windows, windows_add
from symgrad.ops.lengths import known, lengths
from symgrad.ops.logic import eq, maximum, minimum, where
from symgrad.ops.reduce import max_, sum_
from symgrad.ops.shape import transpose, unsqueeze
from symgrad.ops.source import arange, zeros_like
from symgrad.types import is_discrete, to_float

MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


# -- the largest of each window


def _tidy(types, size, step):
    if types[0].ndim < 2:
        raise ShapeError(f"windows slide over two axes, {types[0]!r} has {types[0].ndim}")
    return pair(size, "size"), pair(step, "step")


def _samples(rng):
    x = distinct(-3, 3).sample(rng, (2, 3, 6, 5))
    return [((x,), {"size": 2, "step": 2}), ((x,), {"size": (3, 2), "step": (2, 1)}),
            ((x[0, 0],), {"size": (6, 1), "step": 1}), ((x[:0],), {"size": 2, "step": 3})]


@composite(dtype=ordered, tidy=_tidy, samples=_samples)
def max_pool(x, *, size, step):
    """The largest element of each window of a size over the last two axes of x; NaN if it has one.

    Windows begin every `step` rows and columns and stay inside of x.  Where several elements of a
    window are the largest, each of them has the whole slope, as in Theano's pooling (`max` divides
    it).  ShapeError for less than two axes.

    >>> max_pool(np.arange(8.0).reshape(2, 4), size=(2, 2), step=(2, 2)).eval()
    array([[5., 7.]])
    """
    x = turned(x)
    return turned(max_.of(_all(x, size, step), axis=_inside(x)))


def turned(x):
    """Of images, [channels, batch, rows, columns]: the order in which a convolution makes them, so
    that its product and what is pooled of it lie alike; and back."""
    return transpose.of(x, axes=(1, 0, 2, 3)) if x.type.ndim == 4 else x


def _all(x, size, step):
    size = [constant(k, dtype="int64") for k in size]
    return windows.of(x, *size, step=step, dilation=(1, 1), at=None)


def _inside(x):
    """The axes of a window in the windows of x."""
    return (x.type.ndim - 2, x.type.ndim - 1)


@max_pool.vjp
def _(g, out, x, size, step):
    g, out, x = turned(g), turned(out), turned(x)
    wide, axes = _all(x, size, step), _inside(x)
    taken = where(eq.of(wide, unsqueeze.of(out, axes=axes)), unsqueeze.of(g, axes=axes), 0)
    return [turned(windows_add.of(zeros_like(x), taken, step=step))]


# -- with borders, and means


@explained
def pool_2d(input, ws=None, ignore_border=None, stride=None, pad=(0, 0), mode="max", ds=None,
            st=None, padding=None):
    """The largest element, sum or mean of each window over the last two axes (Theano's).

    * `ws`: rows and columns of a window; `stride`: how far the next one begins, by default `ws`.
    * `ignore_border`: leave out windows that would reach beyond the end (else, the default, they
      are cut there).
    * `pad`: cells of border before and after rows, and columns; it wants ``ignore_border=True``
      and must be less than `ws`.  Its cells are never the largest and count as zeros.
    * `mode`: ``'max'``, ``'sum'``, or a mean: ``'average_inc_pad'``, that of a window with its
      cells of the border, ``'average_exc_pad'``, without.  What was cut off is never counted.
    * `ds`, `st`, `padding` are old names of `ws`, `stride`, `pad`.

    Where several elements of a window are the largest, each of them has the whole slope (as in
    Theano; that of ``T.max`` is divided).  ShapeError for less than two axes, ArgumentError for
    other values.

    >>> x = np.arange(12.0).reshape(3, 4)
    >>> pool_2d(x, (2, 2), ignore_border=True).eval(), pool_2d(x, (2, 2)).eval()
    (array([[5., 7.]]), array([[ 5.,  7.],
           [ 9., 11.]]))
    >>> pool_2d(x, (2, 2), True, mode="average_exc_pad", pad=(1, 1)).eval()
    array([[0. , 1.5, 3. ],
           [6. , 7.5, 9. ]])
    """
    size = pair(_named(ws, ds, "ws", "ds"), "ws")
    step = _named(stride, st, "stride", "st", False)
    step = size if step is None else pair(step, "stride")
    if padding is not None and tuple(np.ravel(pad)) != (0, 0):
        raise ArgumentError("padding is an old name of pad: give one of them")
    pad = pair(pad if padding is None else padding, "pad", 0)
    if mode not in MODES:
        raise ArgumentError(f"mode {mode!r}: it is one of {', '.join(map(repr, MODES))}")
    if any(pad) and not ignore_border:
        raise ArgumentError("a border, pad, wants ignore_border=True")
    if any([p >= n for p, n in zip(pad, size, strict=True)]):
        raise ArgumentError(f"pad {pad} must be less than the window, ws {size}")
    x = as_node(input)
    if x.type.ndim < 2:
        raise ShapeError(f"windows slide over two axes, {x.type!r} has {x.type.ndim}")
    if mode.startswith("average") and is_discrete(x.dtype):
        x = cast_node(x, to_float(x.dtype))
    borders = tuple([(p, p if ignore_border else _cut(n, k, s)) for n, k, s, p in
                     zip(lengths(x)[-2:], size, step, pad, strict=True)])
    if mode == "max":
        return max_pool.of(bordered(x, borders, _least(x.dtype)), size=size, step=step)
    wide = turned(bordered(x, borders, 0))
    total = cast_node(turned(sum_.of(_all(wide, size, step), axis=_inside(x))), x.dtype)
    if mode == "sum":
        return total
    with weak_numbers():
        if mode == "average_inc_pad" and ignore_border:
            return total / float(size[0] * size[1])
        rows, columns = [_counts(x, total, axis, size[axis], step[axis], pad[axis])
                         for axis in (-2, -1)]
        return total / (unsqueeze.of(rows, axes=(1,)) * columns)


def _named(value, old, name, old_name, needed=True):
    """The argument under its name or its old one."""
    if value is not None and old is not None:
        raise ArgumentError(f"{old_name} is an old name of {name}: give one of them")
    if value is None and old is None and needed:
        raise ArgumentError(f"{name}, the rows and columns of a window, is missing")
    return old if value is None else value


def _least(dtype):
    """What no element is smaller than."""
    if dtype == "bool":
        return False
    return np.iinfo(dtype).min if is_discrete(dtype) else -np.inf


def _cut(n, size, step):
    """How many cells the last window lacks, n being a length, an int64 scalar.  As in Theano none
    begins where all cells belong to a window already, unless windows do not overlap."""
    have = known(n)
    with weak_numbers():
        n, most = (have, max) if isinstance(have, int) else (n, maximum)
        last = (most(n - size, 0) + step - 1) // step if size > step else (n - 1) // step
        return most(last * step + size - n, 0)


def _counts(x, total, axis, size, step, pad):
    """How many cells of each window along an axis are those of x."""
    n, many = lengths(x)[axis], lengths(total)[axis]
    first = arange(many) * step - pad
    inside = minimum(first + size, n) - maximum(first, 0)
    return cast_node(inside, total.dtype)
