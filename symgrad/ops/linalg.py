"""Products of vectors, matrices and stacks of matrices.

Three raw ops: `dot` for vectors and matrices, `batched_dot` for two stacks of matrices, `tensordot`
for sums over any axes.  Everything else is made of them.
"""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError, ShapeError
from symgrad.families import casting, composite, define, upcast
from symgrad.node import as_node, constant
from symgrad.ops.lengths import length, lengths, product
from symgrad.ops.math import mul
from symgrad.ops.shape import broadcast_to, reshape, squeeze, transpose, unsqueeze
from symgrad.ops.trig import conj
from symgrad.types import Type, broadcast, clash, join_lengths, plain_axis


def check_inner(types, j, k):
    """The lengths that a product sums over, axis j of the first and k of the second, must agree."""
    x, y = types
    a, b = x.shape[j], y.shape[k]
    if clash(a, b):
        raise ShapeError(f"inner lengths differ, {x!r} and {y!r}: axis {j % x.ndim} of the first "
                         f"has length {a}, axis {k % y.ndim} of the second {b}")


def flip(x):
    """x with its last two axes exchanged."""
    axes = tuple(range(x.type.ndim))
    return transpose.of(x, axes=(*axes[:-2], axes[-1], axes[-2]))


def column(x):
    return unsqueeze.of(x, axes=(1,))


def row(x):
    return unsqueeze.of(x, axes=(0,))


# -- vectors and matrices


def _dot_type(types):
    x, y = types
    if x.ndim not in (1, 2) or y.ndim not in (1, 2):
        raise ShapeError(f"takes vectors and matrices, not {x!r} and {y!r}")
    check_inner(types, -1, 0)
    return Type(x.dtype, (*x.shape[:-1], *y.shape[1:]))


def _dot_samples(rng):
    m, n, v = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=3)
    pairs = [(m, n), (m, v), (v, n), (v, v[::-1]), (n.T, m.T), (m + 1j, n * 2j), (v + 1j, v * 1j),
             (m * 1j, v + 2j), (v - 1j, n + 1j * n[::-1])]
    return [(pair, {}) for pair in pairs]


@define("contract", infer=_dot_type, prepare=casting(upcast), linear="each", samples=_dot_samples,
        same=lambda types: [((0, types[0].ndim - 1), (1, 0))])
def dot(x, y):
    """The product of two matrices, of a matrix and a vector, or of two vectors: the plain op."""
    return np.asarray(np.dot(x, y))


@dot.vjp
def _(g, out, x, y):
    ranks = x.type.ndim, y.type.ndim
    x, y = conj(x), conj(y)
    if ranks == (2, 2):
        return [dot.of(g, flip(y)), dot.of(flip(x), g)]
    if ranks == (2, 1):
        return [column(g) * row(y), dot.of(flip(x), g)]
    if ranks == (1, 2):
        return [dot.of(y, g), column(x) * row(g)]
    return [g * y, g * x]


@dot.public
def _(x, y):
    """The product (``np.dot``) of x and y: sums over the last axis of x and the last but one of y.

    A scalar multiplies.  The result has the common dtype of both.  Complex numbers are not
    conjugated.  ShapeError if the lengths summed over differ: here if they are known, else when the
    product is computed.

    >>> dot([[1, 2], [3, 4]], [1, 1]).eval()
    array([3, 7])
    """
    x, y = as_node(x), as_node(y)
    if not x.type.ndim or not y.type.ndim:
        return mul(x, y)
    if x.type.ndim <= 2 and y.type.ndim <= 2:
        return dot.of(x, y)
    return tensordot.of(x, y, axes=((x.type.ndim - 1,), (max(0, y.type.ndim - 2),)))


# -- stacks of matrices


def _batched_type(types):
    x, y = types
    if x.ndim != 3 or y.ndim != 3:
        raise ShapeError(f"takes two stacks of matrices, not {x!r} and {y!r}")
    check_inner(types, 2, 1)
    return Type(x.dtype, (*broadcast([x.shape[:1], y.shape[:1]]), x.shape[1], y.shape[2]))


def _batched_same(types):
    yield (0, 2), (1, 1)
    if types[0].shape[0] != 1 and types[1].shape[0] != 1:
        yield (0, 0), (1, 0)


def _batched_samples(rng):
    x, y = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 3, 5))
    return [((x, y), {}), ((x[:1], y), {}), ((x, y[:1]), {}), ((x + 1j, y * 1j), {})]


@define("contract", infer=_batched_type, prepare=casting(upcast), linear="each", same=_batched_same,
        samples=_batched_samples)
def batched_dot(x, y):
    """The products of two stacks of matrices, [b,n,k] and [b,k,m], where b may be 1 in either."""
    return np.matmul(x, y)


@batched_dot.vjp
def _(g, out, x, y):
    return [batched_dot.of(g, flip(conj(y))), batched_dot.of(flip(conj(x)), g)]


@batched_dot.public
def _(a, b):
    """``dot(a[i], b[i])`` for every i, stacked: Theano's ``batched_dot``.

    ShapeError if there are not as many of one as of the other, or the lengths summed over differ.

    >>> batched_dot([[1, 2], [3, 4]], [[1, 1], [10, 1]]).eval()
    array([ 3, 34])
    """
    a, b = as_node(a), as_node(b)
    if not a.type.ndim or not b.type.ndim:
        raise ShapeError(f"batched_dot: each needs an axis to go along, got {a.type!r}, {b.type!r}")
    ndim = max(a.type.ndim, b.type.ndim)
    if a.type.ndim == 1 or b.type.ndim == 1:
        scale = tuple(range(1, ndim))
        a, b = [unsqueeze.of(z, axes=scale) if z.type.ndim < ndim else z for z in (a, b)]
        return mul(a, b)
    if ndim > 3:
        return batched_tensordot(a, b, axes=((a.type.ndim - 1,), (max(1, b.type.ndim - 2),)))
    y = batched_dot.of(a if a.type.ndim == 3 else unsqueeze.of(a, axes=(1,)),
                       b if b.type.ndim == 3 else unsqueeze.of(b, axes=(2,)))
    thin = (1,) * (a.type.ndim == 2) + (2,) * (b.type.ndim == 2)
    return squeeze.of(y, axes=thin) if thin else y


def matmul(x, y):
    """``x @ y`` (``np.matmul``): products of vectors, matrices, or broadcast stacks of matrices.

    ShapeError for scalars, if the lengths summed over differ, or if the stacks do not broadcast.

    >>> matmul(np.ones((5, 2, 3)), np.ones((3, 4))).type
    f64[5,2,4]
    """
    x, y = as_node(x), as_node(y)
    if not x.type.ndim or not y.type.ndim:
        raise ShapeError(f"matmul: takes no scalars, got {x.type!r} and {y.type!r}; use *")
    if x.type.ndim <= 2 and y.type.ndim <= 2:
        return dot.of(x, y)
    if y.type.ndim <= 2:
        return tensordot.of(x, y, axes=((x.type.ndim - 1,), (0,)))
    if x.type.ndim == 1:
        return squeeze.of(matmul(row(x), y), axes=(y.type.ndim - 2,))
    check_inner((x.type, y.type), -1, -2)
    stacks = broadcast([x.type.shape[:-2], y.type.shape[:-2]])
    if len(stacks) == 1:
        return batched_dot.of(*[row(z) if z.type.ndim == 2 else z for z in (x, y)])
    axes = range(-len(stacks) - 2, -2)
    owners = [next((z for z in (x, y) if z.type.ndim >= -k and z.type.shape[k] != 1), None)
              for k in axes]
    counts = [constant(1, dtype="int64") if z is None else length.of(z, axis=k)
              for z, k in zip(owners, axes, strict=True)]
    left, right = [_one_stack(z, counts, owners) for z in (x, y)]
    return reshape.of(batched_dot.of(left, right), *counts, lengths(x)[-2], lengths(y)[-1])


def _one_stack(x, counts, owners):
    """A stack with several axes as a stack with one; what is a single matrix stays single."""
    ends = lengths(x)[-2:]
    if all(n == 1 for n in x.type.shape[:-2]):
        return reshape.of(x, 1, *ends)
    if any(z is not x for z in owners):
        x = broadcast_to.of(x, *counts, *ends)
    return reshape.of(x, product(counts), *ends)


# -- any axes


def read_axes(types, axes, batch=0):
    """The ``axes`` of tensordot as two tuples of non-negative axes, those of the first in order.

    An int n means the last n axes of the first, the first n of the second after `batch` ones.
    """
    ranks = types[0].ndim, types[1].ndim
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= min(ranks) - batch:
            raise ArgumentError(f"cannot sum over {axes} axes of {types[0]!r} and {types[1]!r}")
        return (tuple(range(ranks[0] - axes, ranks[0])), tuple(range(batch, batch + axes))),
    if not isinstance(axes, list | tuple | np.ndarray) or len(axes) != 2:
        raise ArgumentError(f"axes must be an int or two lists of axes, not {axes!r}")
    pair = []
    for given, ndim in zip(axes, ranks, strict=True):
        given = given if isinstance(given, list | tuple | np.ndarray) else (given,)
        pair.append([plain_axis(a, ndim) for a in given])
    if len(pair[0]) != len(pair[1]) or any(len(set(p)) < len(p) for p in pair):
        raise ArgumentError(f"axes {axes!r} must pair different axes, as many of each tensor")
    if batch and any(0 in p for p in pair):
        raise ArgumentError(f"axes {axes!r} must not contain axis 0, the one of the batch")
    order = sorted(range(len(pair[0])), key=pair[0].__getitem__)
    return tuple([tuple([p[k] for k in order]) for p in pair]),


def _others(ndim, axes):
    return [k for k in range(ndim) if k not in axes]


def _pairs(types, axes):
    return [((0, j), (1, k)) for j, k in zip(*axes, strict=True)]


def _tensordot_type(types, axes):
    x, y = types
    for j, k in zip(*axes, strict=True):
        check_inner(types, j, k)
    return Type(x.dtype, (*[x.shape[k] for k in _others(x.ndim, axes[0])],
                          *[y.shape[k] for k in _others(y.ndim, axes[1])]))


def _tensordot_samples(rng):
    x, y = rng.normal(size=(4, 3, 2)), rng.normal(size=(2, 5, 3))
    return [((x, y), {"axes": ((1, 2), (2, 0))}), ((x, y), {"axes": ((2,), (0,))}),
            ((x, y[0]), {"axes": ((1,), (1,))}), ((x + 1j, y * 1j), {"axes": 1}),
            ((x[0], y[0]), {"axes": 0})]


@define("contract", infer=_tensordot_type, prepare=casting(upcast), linear="each", same=_pairs,
        tidy=read_axes, samples=_tensordot_samples)
def tensordot(x, y, *, axes=2):
    """The sum of products of x and y over pairs of axes (``np.tensordot``).

    `axes` is two lists, axes of x and the axes of y that go with them, or a number n: the last n of
    x and the first n of y.  The result has the other axes of x, then those of y.  ArgumentError for
    axes that make no pairs, ShapeError if the lengths of a pair differ.

    >>> tensordot(np.ones((4, 3, 2)), np.ones((2, 5, 3)), axes=([1, 2], [2, 0])).type
    f64[4,5]
    """
    return np.asarray(np.tensordot(x, y, axes))


@tensordot.vjp
def _(g, out, x, y, axes):
    mine, theirs = _others(x.type.ndim, axes[0]), _others(y.type.ndim, axes[1])
    split, end = len(mine), g.type.ndim
    gx = tensordot.of(g, conj(y), axes=(tuple(range(split, end)), tuple(theirs)))
    gy = tensordot.of(conj(x), g, axes=(tuple(mine), tuple(range(split))))
    of_x, of_y = dict(zip(axes[1], axes[0], strict=True)), dict(zip(*axes, strict=True))
    return [_ordered(gx, mine + [of_x[k] for k in sorted(axes[1])]),
            _ordered(gy, [of_y[k] for k in sorted(axes[0])] + theirs)]


def _ordered(x, numbers):
    """x, whose axes bear these numbers, with its axes in the order of their numbers."""
    order = tuple(sorted(range(len(numbers)), key=numbers.__getitem__))
    return x if order == tuple(range(len(numbers))) else transpose.of(x, axes=order)


def _batched_tensordot_type(types, axes):
    x, y = types
    batch = join_lengths(x.shape[0], y.shape[0])
    rest = _tensordot_type(types, ((0, *axes[0]), (0, *axes[1])))
    return rest.with_shape((batch, *rest.shape))


@composite(dtype=upcast, infer=_batched_tensordot_type, tidy=lambda t, axes: read_axes(t, axes, 1),
           same=lambda types, axes: [((0, 0), (1, 0)), *_pairs(types, axes)], samples=lambda rng: [
               ((rng.normal(size=(2, 4, 3, 5)), rng.normal(size=(2, 5, 6, 3))),
                {"axes": ((2, 3), (3, 1))}),
               ((rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 2, 2))), {"axes": 1})])
def batched_tensordot(x, y, *, axes=2):
    """``tensordot(x[i], y[i])`` for every i, stacked: Theano's ``batched_tensordot``.

    `axes` is as in `tensordot`, but counts in x and y themselves; the first axis of both is i.

    >>> batched_tensordot(np.ones((5, 2, 3)), np.ones((5, 3, 4)), axes=1).type
    f64[5,2,4]
    """
    mine = _others(x.type.ndim, (0, *axes[0]))
    theirs = _others(y.type.ndim, (0, *axes[1]))
    of_x, of_y = lengths(x), lengths(y)
    batch, inner = of_x[0], product([of_x[k] for k in axes[0]])
    n, m = [of_x[k] for k in mine], [of_y[k] for k in theirs]
    left = reshape.of(transpose.of(x, axes=(0, *mine, *axes[0])), batch, product(n), inner)
    right = reshape.of(transpose.of(y, axes=(0, *axes[1], *theirs)), batch, inner, product(m))
    return reshape.of(batched_dot.of(left, right), batch, *n, *m)


def outer(x, y):
    """The products of each element of x with each of y, a matrix (``np.outer``).

    >>> outer([1, 2], [3, 4]).eval()
    array([[3, 4],
           [6, 8]])
    """
    x, y = [z if z.type.ndim == 1 else reshape(z, (-1,)) for z in (as_node(x), as_node(y))]
    return mul(column(x), row(y))


def inner(x, y):
    """The sum of products over the last axes of x and y (``np.inner``); a scalar multiplies.

    >>> inner([[1, 2], [3, 4]], [1, 1]).eval()
    array([3, 7])
    """
    x, y = as_node(x), as_node(y)
    if not x.type.ndim or not y.type.ndim:
        return mul(x, y)
    if y.type.ndim == 1:
        return dot(x, y)
    return tensordot.of(x, y, axes=((x.type.ndim - 1,), (y.type.ndim - 1,)))


def kron(a, b):
    """The Kronecker product: b scaled by every element of a, in a block for each (``np.kron``).

    >>> kron([1, 10], [1, 2]).eval()
    array([ 1,  2, 10, 20])
    """
    a, b = as_node(a), as_node(b)
    ndim = max(a.type.ndim, b.type.ndim)
    a, b = [unsqueeze.of(z, axes=tuple(range(ndim - z.type.ndim))) if z.type.ndim < ndim else z
            for z in (a, b)]
    if not ndim:
        return mul(a, b)
    blocks = mul(unsqueeze.of(a, axes=tuple(range(1, 2 * ndim, 2))),
                 unsqueeze.of(b, axes=tuple(range(0, 2 * ndim, 2))))
    sides = zip(lengths(a), lengths(b), strict=True)
    return reshape.of(blocks, *[product(pair) for pair in sides])


FUNCTIONS = (matmul, outer, inner, kron)
