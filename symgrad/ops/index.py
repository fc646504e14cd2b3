"""Indexing by position: the raw ops that read parts of a tensor, and the one spelling of an index.

`subtensor` takes integers and slices and is a view; `gather` also takes integer arrays and copies.
Their one attribute ``idx`` has an entry for each axis of x: an int, a `Slice`, ``"@"`` (the next
input is the integer) or ``"#"`` (the next input is an integer array); parts of a `Slice` may be
``"@"`` as well.  `x[key]` is made of them in keys.py, writing into parts in scatter.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symgrad.errors import DtypeError, IndexingError, ShapeError
from symgrad.families import define
from symgrad.node import TABLE
from symgrad.op import cast_node
from symgrad.ops.source import zeros_like
from symgrad.types import Type, broadcast, kind_of


class Slice(NamedTuple):
    """A hashable slice; its parts are None, an int or ``"@"`` (the next input)."""

    start: object = None
    stop: object = None
    step: object = None


FULL = Slice()


# -- one spelling of an index


def tidy_index(types, idx, *rest):
    """An entry for every axis; where the length is known, integers are non-negative and slices
    have their shortest form."""
    shape = types[0].shape
    if len(idx) > len(shape):
        plural = "s" * (len(shape) != 1)
        raise IndexingError(f"too many indices: {len(idx)} for {len(shape)} dimension{plural}")
    out = []
    for axis, n in enumerate(shape):
        entry = idx[axis] if axis < len(idx) else FULL
        if isinstance(entry, int):
            entry = tidy_integer(entry, axis, n)
        elif isinstance(entry, Slice):
            entry = tidy_slice(entry, n)
        out.append(entry)
    return (tuple(out), *rest)


def tidy_integer(k, axis, n):
    """k counted from the front, if the length n is known; IndexingError if it is out of range."""
    if not isinstance(n, int):
        return k
    if not -n <= k < n:
        raise IndexingError(outside(k, axis, n))
    return k % n


def tidy_slice(s, n):
    """The one slice that stands for all that mean the same along an axis of length n."""
    if s.step == 0:
        raise IndexingError("a slice's step cannot be zero")
    if "@" in s or not isinstance(n, int):
        forward = s.step is None or s.step != "@" and s.step > 0
        idle = forward and s.start == 0 or s.step == -1 and s.start == -1
        return Slice(None if idle else s.start, s.stop, None if s.step == 1 else s.step)
    start, stop, step = slice(*s).indices(n)
    count = len(range(start, stop, step))
    if count == 0:
        return Slice(0, 0)
    if count == 1:
        return Slice(start or None, None if start == n - 1 else start + 1)
    last = start + (count - 1) * step
    if step > 0:
        stop = None if last + step >= n else last + 1
        return Slice(start or None, stop, None if step == 1 else step)
    return Slice(None if start == n - 1 else start, None if last + step < 0 else last - 1, step)


def inside(k, n):
    """Whether an index is known to count from the front, and not beyond a length."""
    return isinstance(k, int) and isinstance(n, int) and 0 <= k < n


def outside(k, axis, n):
    return f"index {k} is out of range for axis {axis} of length {n}"


def slice_length(s, n):
    """The length of x[s] along an axis of length n, where it can be known."""
    if s == FULL or s == Slice(None, None, -1):
        return n
    if "@" in s or not isinstance(n, int):
        return 0 if s == Slice(0, 0) else None
    return len(range(*slice(*s).indices(n)))


def layout(idx, width):
    """Where each axis of x[idx] comes from: ``("x", axis)``, or ``("#", axis)`` of the index arrays
    broadcast together (to `width` axes).

    NumPy's rule: the axes of the arrays stand together where the first array stood; or in front, if
    something stands between the arrays.
    """
    kept = [("x", k) for k, entry in enumerate(idx) if isinstance(entry, Slice)]
    arrays = [k for k, entry in enumerate(idx) if entry == "#"]
    if not arrays:
        return kept
    together = arrays[-1] - arrays[0] + 1 == len(arrays)
    at = sum(k < arrays[0] for _, k in kept) if together else 0
    return kept[:at] + [("#", d) for d in range(width)] + kept[at:]


def slots(idx):
    """What the further inputs are, in order: ``"@"`` a scalar, ``"#"`` an index array."""
    out = []
    for entry in idx:
        out += [p for p in (entry if isinstance(entry, Slice) else (entry,)) if p in ("@", "#")]
    return out


def region(shape, idx, arrays):
    """The shape of x[idx], from the shapes of x and of the index arrays."""
    block = broadcast(arrays)
    return tuple([slice_length(idx[k], shape[k]) if kind == "x" else block[k]
                  for kind, k in layout(idx, len(block))])


def index_type(types, idx):
    """The type of x[idx]."""
    x, rest = types[0], types[1:]
    wanted = slots(idx)
    if len(rest) != len(wanted):
        raise IndexingError(f"{idx} stands for {len(wanted)} inputs, got {len(rest)}")
    for slot, t in zip(wanted, rest, strict=True):
        if slot == "@" and t.ndim:
            raise IndexingError(f"an integer or a slice's bound must be a scalar, not {t!r}")
    arrays = [t.shape for slot, t in zip(wanted, rest, strict=True) if slot == "#"]
    return x.with_shape(region(x.shape, idx, arrays))


def integral(inputs, first=1):
    """The indices, which begin at input `first`, are integers; those that are scalars int64."""
    out = list(inputs[:first])
    for i in inputs[first:]:
        if kind_of(i.type.dtype) not in "iu":
            raise DtypeError(f"an index must be an integer, not {i.type!r}")
        out.append(i if i.type.ndim else cast_node(i, "int64"))
    return out


def agreeing(types, idx, *rest, first=1):
    """Lengths of the index arrays that must be equal, as pairs of (input, axis)."""
    arrays = [first + k for k, slot in enumerate(slots(idx)) if slot == "#"]
    ndim = max([types[k].ndim for k in arrays], default=0)
    for axis in range(ndim):
        found = [(k, axis - ndim + types[k].ndim) for k in arrays]
        found = [(k, at) for k, at in found if at >= 0 and types[k].shape[at] != 1]
        for other in found[1:]:
            yield found[0], other


# -- the raw ops


def numpy_key(idx, inputs):
    """The key that NumPy understands, with an entry for each axis."""
    inputs = iter(inputs)
    out = []
    for entry in idx:
        if isinstance(entry, Slice):
            out.append(slice(*[int(next(inputs)) if p == "@" else p for p in entry]))
        elif entry == "#":
            i = np.asarray(next(inputs))
            out.append(i.astype("int64") if i.dtype == "uint64" else i)
        else:
            out.append(int(next(inputs)) if entry == "@" else entry)
    return out


def out_of_range(op, shape, key):
    """The IndexingError for a key that NumPy refused."""
    for axis, (k, n) in enumerate(zip(key, shape, strict=True)):
        if not isinstance(k, slice):
            k = np.atleast_1d(k)
            bad = k[(k >= n) | (k < -n)]
            if bad.size:
                return IndexingError(f"{op}: {outside(bad.flat[0], axis, n)}")
    shapes = ", ".join(str(np.shape(k)) for k in key if not isinstance(k, slice))
    return IndexingError(f"{op}: index arrays of shapes {shapes} do not broadcast together")


def _subtensor_samples(rng):
    x, two = rng.normal(size=(4, 5, 3)), np.asarray(2)
    return [((x,), {"idx": (1, Slice(1, -1), Slice(None, None, -1))}),
            ((x, two), {"idx": ("@", FULL, -1)}),
            ((x, np.asarray(0), two, np.asarray(-1)),
             {"idx": (Slice("@", "@"), Slice(None, None, "@"), FULL)}),
            ((x,), {"idx": (Slice(2, 2), Slice(4, None, -2), FULL)})]


@define("view", infer=index_type, tidy=tidy_index, prepare=integral, linear="jointly",
        samples=_subtensor_samples)
def subtensor(x, *scalars, idx=()):
    """x indexed by integers and slices: a view.  `scalars` are what ``"@"`` in `idx` stands for."""
    return _read("subtensor", x, numpy_key(idx, scalars))


def _read(op, x, key, axis=None):
    """x[key], or the elements of x that the array of the key takes along one axis; IndexingError
    for a key that does not fit."""
    try:
        return x[(*key, ...)] if axis is None else x.take(key[axis], axis=axis)
    except IndexError:
        raise out_of_range(op, x.shape, key) from None
    except ValueError:
        raise IndexingError(f"{op}: a slice's step cannot be zero") from None


def _put_back(g, out, x, *rest):
    """What was read from a place flows back to it, zeros to all others."""
    *indices, idx = rest
    return [TABLE["inc_subtensor"].of(zeros_like(x), g, *indices, idx=idx), *[None] * len(indices)]


def _gather_samples(rng):
    x, one = rng.normal(size=(4, 5, 3)), np.asarray(1)
    i, j, k = rng.integers(-4, 4, 6), rng.integers(0, 3, (2, 1)), rng.integers(0, 4, (2, 2))
    return [((x, i), {"idx": ("#", FULL, FULL)}),
            ((x, i, j), {"idx": ("#", FULL, "#")}),
            ((x, i, one), {"idx": (FULL, "#", Slice("@"))}),
            ((x, k, j, np.asarray(0)), {"idx": ("#", "#", "#")})]


@define("gather", infer=index_type, tidy=tidy_index, prepare=integral, linear="jointly",
        same=agreeing, samples=_gather_samples)
def gather(x, *indices, idx=()):
    """x indexed by integer arrays, which broadcast together, and slices: a copy.

    `indices` are what ``"#"`` (and ``"@"`` in slices) stand for.  The axes of the arrays come where
    NumPy puts them (`layout`).
    """
    rows = idx.count("#") == 1 and idx.count(FULL) == len(idx) - 1
    axis = idx.index("#") if rows else None
    return np.asarray(_read("gather", x, numpy_key(idx, indices), axis))


subtensor.vjp(_put_back)
gather.vjp(_put_back)


# -- where something holds


def _nonzero_type(types, *_):
    if not types[0].ndim:
        raise ShapeError("a scalar has no axes to index; use T.switch or T.neq(x, 0)")
    return Type("int64", (types[0].ndim, None))


@define("opaque", infer=_nonzero_type, samples=lambda rng: [
    ((rng.integers(0, 2, (3, 4)),), {}), ((rng.random(5) < 0.5, np.asarray(5)), {})])
def nonzero(x, *lengths):
    """Where x is not zero: an int64 matrix with a row for each axis of x.

    `lengths`, if given, are what the lengths of x must be: those of the axes that a mask indexes.
    """
    for axis, n in enumerate(lengths):
        if x.shape[axis] != n:
            raise IndexingError(f"nonzero: a boolean mask of length {x.shape[axis]} (its axis "
                                f"{axis}) cannot index an axis of length {n}")
    return np.asarray(np.nonzero(x), "int64").reshape(x.ndim, -1)


@nonzero.public
def _(x, return_matrix=False):
    """The indices of the elements that are not zero (``np.nonzero``).

    A tuple with an int64 vector for each axis; with ``return_matrix=True`` a matrix with a row for
    each.  ShapeError for a scalar.

    >>> nonzero([[0, 3], [5, 0]], return_matrix=True).eval()
    array([[0, 1],
           [1, 0]])
    """
    found = nonzero.of(x)
    return found if return_matrix else vectors(found)


def vectors(matrix):
    """The rows of a matrix with a known number of them."""
    return tuple([subtensor.of(matrix, idx=(k,)) for k in range(matrix.type.shape[0])])
