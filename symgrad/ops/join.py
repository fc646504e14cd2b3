"""Joining, splitting, repeating: concatenate, stack, split, tile, repeat, roll, flip."""

from __future__ import annotations

from functools import reduce

import numpy as np

from symgrad.errors import ArgumentError, ShapeError
from symgrad.families import composite, define
from symgrad.node import CONST, TABLE, Node, as_node, constant
from symgrad.op import as_nodes
from symgrad.ops.axes import atleast_1d, atleast_2d, flatten
from symgrad.ops.lengths import (
    known,
    lengths,
    make_vector,
    one_dtype,
    product,
    scalars,
    static_length,
)
from symgrad.ops.logic import maximum
from symgrad.ops.shape import broadcast_to, reshape, specify_shape, unsqueeze
from symgrad.types import Type, clash, join_lengths, kind_of, plain_axes, plain_axis, plain_int

# -- join


def _joined(types, axis):
    first, shape, total = types[0], list(types[0].shape), 0
    for t in types:
        if t.ndim != first.ndim:
            raise ShapeError(f"{first!r} and {t!r} have different numbers of dimensions")
        for k, d in enumerate(t.shape):
            if k != axis:
                if clash(shape[k], d):
                    raise ShapeError(f"{first!r} and {t!r} differ along axis {k}; only axis "
                                     f"{axis} may differ")
                shape[k] = join_lengths(shape[k], d)
        d = t.shape[axis]
        total = total + d if isinstance(d, int) and isinstance(total, int) else None
    shape[axis] = total if len(types) > 1 else first.shape[axis]
    return first.with_shape(shape)


def _join_axis(types, axis):
    if not types:
        raise ArgumentError("needs one tensor at least")
    if not types[0].ndim:
        raise ShapeError("scalars cannot be joined; stack them")
    return (plain_axis(axis, types[0].ndim),)


def _agreeing(types, axis):
    return [((0, k), (i, k)) for i in range(1, len(types)) for k in range(types[0].ndim)
            if k != axis]


def _join_samples(rng):
    x = rng.normal(size=(2, 3))
    return [((x, x[:1], x[:0]), {"axis": 0}), ((x, x[:, 1:]), {"axis": 1}), ((x,), {"axis": 1})]


@define("opaque", infer=_joined, prepare=one_dtype, tidy=_join_axis, same=_agreeing,
        linear="jointly", samples=_join_samples)
def join(*tensors, axis=0):
    """Tensors one after the other along an axis: ``T.join(axis, a, b, …)`` (Theano).

    Their other lengths must be equal (ShapeError); the dtype is the common one.

    >>> T.join(1, T.matrix("a"), T.ones((2, 3)))
    join:f64[2,?]
    """
    try:
        return np.concatenate(tensors, axis)
    except ValueError:
        raise ShapeError(f"join: only axis {axis} may differ among the shapes "
                         f"{', '.join(str(np.shape(t)) for t in tensors)}") from None


@join.public
def _(axis, *tensors):
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tensors[0]
    if isinstance(axis, Node):
        if axis.op is not CONST:
            raise ArgumentError("the axis must be known when the graph is built")
        axis = int(axis.data)
    return join.of(*tensors, axis=axis)


@join.vjp
def _(g, out, *rest):
    *tensors, axis = rest
    return pieces(g, [lengths(t)[axis] for t in tensors], axis)


def _continued_samples(rng):
    x = rng.normal(size=(5, 3))
    return [((x[:2], x[2:]), {}), ((x[:0], x), {}), ((x[:0], x[:0]), {})]


@composite(dtype=None, samples=_continued_samples)
def continued(first, rest):
    """The rows of `first`, then those of `rest`, which has none only if `first` has none.

    So the last row is one of `rest`, and of a loop in parts only the last part needs to keep its
    rows where nothing else is read.

    >>> continued(T.matrix("a"), T.matrix("b"))[-1]
    subtensor:f64[?]
    """
    return join.of(first, rest, axis=0)


def pieces(x, sizes, axis):
    """x cut along an axis into slices of these sizes (int64 scalars)."""
    out, start = [], constant(0, dtype="int64")
    for n in sizes:
        stop = plus(start, n)
        out.append(part(x, axis, bound(start), bound(stop)))
        start = stop
    return out


def plus(a, b):
    """The sum of two int64 scalars, folded if both are known."""
    x, y = known(a), known(b)
    if x == 0:
        return b
    known_both = isinstance(x, int) and isinstance(y, int)
    return constant(x + y, dtype="int64") if known_both else a + b


def bound(n):
    """An int64 scalar as the bound of a slice."""
    value = known(n)
    return value if isinstance(value, int) else n


def part(x, axis, start=None, stop=None, step=None):
    """x[start:stop:step] along one axis."""
    return TABLE["getitem"](x, (slice(None),) * axis + (slice(start, stop, step),))


def concatenate(tensor_list, axis=0):
    """Tensors one after the other along an axis (``np.concatenate``); see `join`.

    >>> T.concatenate([T.vector("a"), [1.0, 2.0]])
    join:f64[?]
    """
    return join(axis, *_listed(tensor_list))


def _listed(tensors):
    if not isinstance(tensors, list | tuple):
        raise ArgumentError(f"takes a list of tensors, not {tensors!r}")
    return tensors


def stack(*tensors, axis=0):
    """Tensors of one shape, next to one another along a new axis (``np.stack``).

    ``T.stack([a, b], axis=1)``; ``T.stack(a, b)`` is an old form.  Scalars give a vector.

    >>> T.stack([T.matrix("a"), T.matrix("b")], axis=1)
    join:f64[?,2,?]
    """
    if tensors and isinstance(tensors[0], list | tuple):
        tensors, *more = tensors
        axis = more[0] if more else axis
    tensors = as_nodes(tensors)
    if not tensors:
        raise ArgumentError("needs one tensor at least")
    ndims = {t.type.ndim for t in tensors}
    if len(ndims) > 1:
        raise ShapeError("all tensors must have the same number of dimensions, "
                         f"not {', '.join(repr(t.type) for t in tensors)}")
    axis = plain_axis(axis, ndims.pop() + 1)
    if not tensors[0].type.ndim:
        return make_vector.of(*tensors)
    return join.of(*[unsqueeze.of(t, axes=(axis,)) for t in tensors], axis=axis)


def stacklists(arg):
    """Nested lists of tensors as one tensor, each level a new first axis (Theano)."""
    return as_node(arg)


def hstack(tensors):
    """Tensors side by side: along axis 1, or 0 for vectors (``np.hstack``)."""
    tensors = [atleast_1d(t) for t in as_nodes(_listed(tensors))]
    return join.of(*tensors, axis=min(1, tensors[0].type.ndim - 1) if tensors else 0)


def vstack(tensors):
    """Tensors below one another, vectors being rows (``np.vstack``)."""
    return join.of(*[atleast_2d(t) for t in as_nodes(_listed(tensors))], axis=0)


def horizontal_stack(*matrices):
    """Matrices side by side (Theano)."""
    return join.of(*matrices, axis=1)


def vertical_stack(*matrices):
    """Matrices below one another (Theano)."""
    return join.of(*matrices, axis=0)


def split(x, splits_size, n_splits=None, axis=0):
    """x cut along an axis into a list of slices of given sizes (Theano).

    `splits_size` is a list of integers and symbolic scalars, or an integer vector, whose number of
    elements `n_splits` must say if it is not known.  ShapeError if the sizes do not add up to the
    length, when x is computed if that is not known before.

    >>> a, b = T.split(T.matrix("x"), [2, 3], axis=1); a, b
    (subtensor:f64[?,2], subtensor:f64[?,3])
    """
    x = as_node(x)
    axis = plain_axis(axis, x.type.ndim)
    sizes = scalars(splits_size, n_splits)
    total = reduce(plus, sizes, constant(0, dtype="int64"))
    checked = specify_shape(x, [total if k == axis else None for k in range(x.type.ndim)])
    return pieces(x if isinstance(x.type.shape[axis], int) else checked, sizes, axis)


# -- repetition


def tile(x, reps, ndim=None):
    """x repeated as a whole along its axes (``np.tile``).

    `reps` has an integer, or a symbolic one, for each of the last axes; missing axes of x count as
    new ones in front.  `ndim` is the number of axes of the result, if more.  ShapeError for a
    negative number, or an `ndim` that is too small.

    >>> T.tile([[1, 2]], (2, 2)).eval()
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    x = as_node(x)
    ndim = None if ndim is None else plain_int(ndim, "ndim")
    symbolic = isinstance(reps, Node) and reps.type.shape == (None,)
    reps = scalars(reps, ndim if symbolic else None, what="a number of repetitions")
    for n in reps:
        static_length(n, "a number of repetitions")
    least = max(x.type.ndim, len(reps))
    width = least if ndim is None else ndim
    if width < least:
        raise ShapeError(f"ndim is {ndim}, but {x.type!r} repeated by {len(reps)} numbers has "
                         f"{least} dimensions")
    one = constant(1, dtype="int64")
    reps = [one] * (width - len(reps)) + reps
    x = unsqueeze.of(x, axes=tuple(range(width - x.type.ndim)))
    mine = lengths(x)
    y = unsqueeze.of(x, axes=tuple(range(0, 2 * width, 2)))
    y = broadcast_to.of(y, *[n for pair in zip(reps, mine, strict=True) for n in pair])
    return reshape.of(y, *[product(pair) for pair in zip(reps, mine, strict=True)])


def _counts_type(types):
    if types[0].ndim != 1 or kind_of(types[0].dtype) not in "biu":
        raise ShapeError(f"takes an integer or an integer vector, not {types[0]!r}")
    return Type("int64", (None,))


@define("opaque", infer=_counts_type, samples=lambda rng: [((np.array([2, 0, 3]),), {})])
def repeat_index(counts):
    """0 as often as ``counts[0]`` says, then 1 as often as ``counts[1]`` says, and so on."""
    if np.any(counts < 0):
        raise ShapeError("repeat: a number of repetitions is negative")
    return np.repeat(np.arange(len(counts)), counts)


def repeat(x, repeats, axis=None):
    """Each element of x repeated along an axis, or in the flattened x (``np.repeat``).

    `repeats` is an integer, or an integer vector with one for each; both may be symbolic.

    >>> T.repeat([1, 2], 2).eval(), T.repeat([1, 2], [1, 3]).eval()
    (array([1, 1, 2, 2]), array([1, 2, 2, 2]))
    """
    x, repeats = as_node(x), as_node(repeats)
    x, axis = (flatten(x), 0) if axis is None else (x, plain_axis(axis, x.type.ndim))
    if repeats.type.ndim == 1 and repeats.type.shape[0] == 1:
        repeats = TABLE["getitem"](repeats, 0)
    mine = lengths(x)
    if repeats.type.ndim:
        counts = specify_shape.of(repeats, mine[axis])
        return TABLE["getitem"](x, (slice(None),) * axis + (repeat_index.of(counts),))
    n, = scalars(repeats, what="a number of repetitions")
    y = unsqueeze.of(x, axes=(axis + 1,))
    y = broadcast_to.of(y, *mine[:axis + 1], n, *mine[axis + 1:])
    return reshape.of(y, *mine[:axis], product([mine[axis], n]), *mine[axis + 1:])


# -- order of elements


def roll(x, shift, axis=None):
    """The elements of x moved along an axis, those beyond the end coming in at the other end.

    See ``np.roll``: with ``axis=None`` x is rolled as if it were flat; several axes take as many
    shifts, or one.  `shift` is an integer, which may be symbolic.

    >>> T.roll([1, 2, 3, 4], 1).eval()
    array([4, 1, 2, 3])
    """
    x = as_node(x)
    if axis is None:
        return reshape.of(roll(flatten(x), shift, 0), *lengths(x))
    if isinstance(axis, list | tuple) or isinstance(shift, list | tuple):
        shifts, axes = [list(a) if isinstance(a, list | tuple) else [a] for a in (shift, axis)]
        if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
            raise ArgumentError(f"{len(shifts)} shifts do not fit {len(axes)} axes")
        count = max(len(shifts), len(axes)) if shifts and axes else 0
        moves = zip(shifts * (count // max(1, len(shifts))), axes * (count // max(1, len(axes))),
                    strict=False)
        return reduce(lambda y, move: roll(y, *move), moves, x)
    axis = plain_axis(axis, x.type.ndim)
    shift, = scalars([shift], what="a shift")
    n = lengths(x)[axis]
    cut = n - shift % maximum(n, constant(1, dtype="int64"))
    return join.of(part(x, axis, bound(cut)), part(x, axis, None, bound(cut)), axis=axis)


def flip(x, axis=None):
    """x with the order along its axes, or the given ones, reversed (``np.flip``).

    >>> T.flip([[1, 2], [3, 4]], axis=1).eval()
    array([[2, 1],
           [4, 3]])
    """
    x = as_node(x)
    axes = plain_axes(axis, x.type.ndim)
    return TABLE["getitem"](x, tuple([slice(None, None, -1) if k in axes else slice(None)
                                      for k in range(x.type.ndim)]))


FUNCTIONS = (concatenate, stack, stacklists, hstack, vstack, horizontal_stack, vertical_stack,
             split, tile, repeat, roll, flip)
