"""Writing into parts of tensors: `set_subtensor` and `inc_subtensor`, indexing transposed."""

from __future__ import annotations

import numpy as np

from symgrad.errors import DtypeError, IndexingError, ShapeError
from symgrad.families import define
from symgrad.node import CONST, TABLE, as_node, constant
from symgrad.op import cast_node
from symgrad.ops.axes import addbroadcast
from symgrad.ops.index import (
    FULL,
    Slice,
    agreeing,
    gather,
    integral,
    layout,
    numpy_key,
    out_of_range,
    region,
    slots,
    subtensor,
    tidy_index,
)
from symgrad.ops.lengths import lengths
from symgrad.ops.logic import eq, where
from symgrad.ops.shape import (
    broadcast_to,
    reshape,
    specify_shape,
    squeeze,
    transpose,
    unsqueeze,
)
from symgrad.ops.source import arange, zeros_like
from symgrad.types import join_lengths, promote

# -- the raw op


def _prepare(inputs):
    x, y = inputs[:2]
    if promote(x.type.dtype, y.type.dtype) != x.type.dtype:
        error = DtypeError(f"cannot store {y.type.dtype} in {x.type.dtype} without loss")
        error.hint = f"cast it: y.astype({x.type.dtype!r})"
        raise error
    return integral([x, cast_node(y, x.type.dtype), *inputs[2:]], first=2)


def _part(types, idx):
    arrays = [t.shape for slot, t in zip(slots(idx), types[2:], strict=True) if slot == "#"]
    return region(types[0].shape, idx, arrays)


def _written_type(types, idx, set):
    x, y = types[:2]
    part = _part(types, idx)
    if y.ndim:
        if y.ndim != len(part):
            raise ShapeError(f"{y!r} is to be stored in a part of shape {x.with_shape(part)!r}")
        for a, b in zip(y.shape, part, strict=True):
            join_lengths(a, b)
    return x


def _same(types, idx, set):
    """The index arrays agree; y is as long as the whole axes and the arrays that it goes to."""
    yield from agreeing(types, idx, first=2)
    if not types[1].ndim:
        return
    arrays = [2 + k for k, slot in enumerate(slots(idx)) if slot == "#"]
    width = max([types[k].ndim for k in arrays], default=0)
    for axis, (kind, at) in enumerate(layout(idx, width)):
        if kind == "x":
            if idx[at] == FULL:
                yield (0, at), (1, axis)
            continue
        for k in arrays:
            own = at - width + types[k].ndim
            if own >= 0 and types[k].shape[own] != 1:
                yield (k, own), (1, axis)
                break


MANY = 4096  # elements from which flat memory pays


def write_into(out, y, *indices, idx, set=False):
    """Store or add y at ``out[idx]``, in place: the work of `inc_subtensor`."""
    key, count = numpy_key(idx, indices), idx.count("#")
    try:
        if not count:
            part = out[(*key, ...)]
            _check_part(y, part.shape)
            if set:
                part[...] = y
            else:
                np.add(part, y, out=part)
            return out
        if np.ndim(y):
            plain = tuple([Slice(k.start, k.stop, k.step) if isinstance(k, slice) else "#"
                           for k in key])
            arrays = [np.shape(k) for k in key if not isinstance(k, slice)]
            _check_part(y, region(out.shape, plain, arrays))
        rows = idx == ("#",) * count + (FULL,) * (out.ndim - count)
        if set:
            out[tuple(key)] = y
        elif rows and out.flags.c_contiguous and np.size(y) > MANY:
            _add_rows(out, y, key[:count])
        else:
            np.add.at(out, tuple(key), y)
        return out
    except IndexError as error:
        if isinstance(error, IndexingError):
            raise
        raise out_of_range("inc_subtensor", out.shape, key) from None


def _add_rows(out, y, arrays):
    """``np.add.at`` with arrays for the first axes, on flat memory: several times faster."""
    lead, rest = out.shape[:len(arrays)], out.shape[len(arrays):]
    cells = np.int64(0)
    for i, n in zip(arrays, lead, strict=True):
        i = i.astype("int64")
        if i.size and (i.min() < -n or i.max() >= n):
            raise IndexError
        cells = cells * n + np.where(i < 0, i + n, i)
    width = int(np.prod(rest))
    places = cells[..., None] * width + np.arange(width)
    np.add.at(out.reshape(-1), places.ravel(), np.broadcast_to(y, cells.shape + rest).ravel())


def _check_part(y, shape):
    if np.ndim(y) and np.shape(y) != shape:
        raise ShapeError(f"inc_subtensor: a value of shape {np.shape(y)} is to be stored in a part "
                         f"of shape {shape}")


def _samples(rng):
    x, i = rng.normal(size=(4, 5, 3)), np.asarray([1, -1, 1, 3])
    j, two = rng.integers(0, 3, (2, 1)), np.asarray(2)
    return [((x, rng.normal(size=(5,)), two), {"idx": ("@", FULL, -1)}),
            ((x, rng.normal(size=(2, 5, 3)), two),
             {"idx": (Slice(None, "@"), FULL, Slice(None, None, -1)), "set": True}),
            ((x, np.asarray(0.5)), {"idx": (1,), "set": True}),
            ((x, rng.normal(size=(4, 5, 3)), i), {"idx": ("#",)}),
            ((x, rng.normal(size=(4, 5, 3)), i), {"idx": ("#",), "set": True}),
            ((x, np.asarray(1.5), i), {"idx": (FULL, "#", Slice(1)), "set": True}),
            ((x, rng.normal(size=(2, 4, 5)), i, j), {"idx": ("#", FULL, "#")})]


@define("scatter", infer=_written_type, tidy=tidy_index, prepare=_prepare, same=_same,
        linear="jointly", samples=_samples)
def inc_subtensor(x, y, *indices, idx=(), set=False):
    """A copy of x with y, a scalar or of the shape of x[idx], added there (or stored: `set`).

    `indices` and `idx` are as in `gather`.  Repeated indices add up; the last one stored wins.
    """
    return write_into(np.array(x, order="C"), y, *indices, idx=idx, set=set)


@inc_subtensor.vjp
def _(g, out, x, y, *rest):
    *indices, idx, set = rest
    read = gather if "#" in idx else subtensor
    gy = read.of(g, *indices, idx=idx)
    if any(a is not None and b is None for a, b in zip(y.type.shape, gy.type.shape, strict=False)):
        gy = specify_shape.of(gy, *lengths(y))
    none = [None] * len(indices)
    if not set:
        return [g, gy, *none]
    if not distinct(indices, idx):
        gy = where(lasting(x, gy, indices, idx), gy, 0)
    zero = constant(0, dtype=g.type.dtype)  # no number: it would be promoted by the indices
    return [inc_subtensor.of(g, zero, *indices, idx=idx, set=True), gy, *none]


def distinct(indices, idx):
    """Whether it is evident that no cell is written twice."""
    arrays = [i for slot, i in zip(slots(idx), indices, strict=True) if slot == "#"]
    if not arrays:
        return True
    if all(i.op is CONST for i in arrays):
        cells = np.stack([i.ravel() for i in np.broadcast_arrays(*[i.data for i in arrays])])
        return bool((cells >= 0).all()) and np.unique(cells, axis=1).shape[1] == cells.shape[1]
    if any(i.type.ndim != 1 for i in arrays if i.type.ndim):
        return False
    found = arrays[0].inputs[0] if arrays[0].op is subtensor else None
    if found is not None and found.op.name == "nonzero":  # all rows of one `nonzero`
        rows = [i.attrs[0][0] for i in arrays if i.op is subtensor and i.inputs == (found,)]
        return len(rows) == len(arrays) and sorted(rows) == list(range(found.type.shape[0]))
    return any(i.op.name == "arange" and len(i.inputs) == 1 for i in arrays)


def lasting(x, part, indices, idx):
    """A mask over x[idx]: whether the value stored there is the last one stored in its cell."""
    cells = arange(TABLE["size"](part))
    cells = reshape.of(cells, *lengths(part))
    board = zeros_like(x, "int64")
    board = inc_subtensor.of(board, cells, *indices, idx=idx, set=True)
    return eq(gather.of(board, *indices, idx=idx), cells)


# -- the functions


@inc_subtensor.public
def _(x, y, inplace=False, set_instead_of_inc=False, tolerate_inplace_aliasing=False):
    """The tensor that ``x`` is a part of, with y added to that part.

    The first argument is an indexing expression, which says where: ``inc_subtensor(v[1:3], y)`` is
    v with y added to v[1:3].  y broadcasts.  Where indices repeat, all their values are added
    (``np.add.at``).  v itself does not change; `inplace` is for Theano's programs and ignored.
    DtypeError if y would lose something in v's dtype, ShapeError if it does not fit the part.

    >>> v = as_node(np.zeros(4))
    >>> inc_subtensor(v[[0, 0, 3]], 1).eval()
    array([2., 0., 0., 1.])
    """
    return write(x, y, bool(set_instead_of_inc), "inc_subtensor")


def set_subtensor(x, y, inplace=False, tolerate_inplace_aliasing=False):
    """The tensor that ``x`` is a part of, with y stored in that part: `inc_subtensor`'s sister.

    Where indices repeat, the last value stays.

    >>> v = as_node(np.zeros(4))
    >>> set_subtensor(v[1:3], [5, 6]).eval()
    array([0., 5., 6., 0.])
    """
    return write(x, y, True, "set_subtensor")


def write(target, y, set, name):
    """`set_subtensor` and `inc_subtensor`: peel from the target what stands around the indexing."""
    target = as_node(target)
    y = stretch(as_node(y, weak_for=target.type.dtype), target)
    part = target
    while part.op in UNDO:
        if y.type.ndim:
            y = UNDO[part.op](y, part)
        part = part.inputs[0]
    if part.op is not subtensor and part.op is not gather:
        error = IndexingError(f"its first argument must be the result of indexing, as in "
                              f"{name}(x[2:4], y); {target!r} is not")
        error.hint = "to replace all of x, index it with x[...]"
        raise error
    return inc_subtensor.of(part.inputs[0], y, *part.inputs[1:], idx=part.attrs[0], set=set)


def stretch(y, target):
    """y broadcast to the shape of the target, unless it is a scalar or has that shape."""
    want = target.type
    if not y.type.ndim:
        return y
    extra = y.type.ndim - want.ndim
    if extra > 0 and all(d == 1 for d in y.type.shape[:extra]):
        y = squeeze.of(y, axes=tuple(range(extra)))
    elif extra > 0:
        raise ShapeError(f"{y.type!r} has more axes than the part it is stored in, {want!r}")
    if not y.type.ndim:
        return y
    thin = False
    for a, b in zip(y.type.shape[::-1], want.shape[::-1], strict=False):
        if a == 1 and b != 1:
            thin = True
        elif isinstance(a, int) and isinstance(b, int) and a != b:
            raise ShapeError(f"{y.type!r} does not fit the part it is stored in, {want!r}")
    if not thin and y.type.ndim == want.ndim:
        return y
    return broadcast_to.of(y, *lengths(target))


UNDO = {  # op of a view -> (y, the view) -> y as seen from the view's input
    unsqueeze: lambda y, part: squeeze.of(addbroadcast(y, *part.attrs[0]), axes=part.attrs[0]),
    squeeze: lambda y, part: unsqueeze.of(y, axes=part.attrs[0]),
    transpose: lambda y, part: transpose.of(y, axes=tuple(np.argsort(part.attrs[0]).tolist())),
    reshape: lambda y, part: reshape.of(y, *lengths(part.inputs[0])),
}


FUNCTIONS = (set_subtensor,)
