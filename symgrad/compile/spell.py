"""One element of a node: which nodes a kernel can compute, and how their elements are written.

An elementwise node is its op's ``scalar`` with the operands put in.  `LOWERED` says how ops that
move elements are written, as index forms; it is the only place that knows them by name.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from symgrad.compile.kernel import Apply, Index, Lit, Size, affine, as_value
from symgrad.ops.conv import shape_of_windows
from symgrad.ops.index import FULL, Slice, inside, layout, region, slots
from symgrad.ops.lengths import known
from symgrad.scalars import Apply as Application
from symgrad.scalars import Arg, expression, parts
from symgrad.scalars import Lit as Number
from symgrad.types import is_complex, promote, real_of

COMBINE = {"add": "sum", "mul": "prod"}  # a reduction's scalar -> the stage's word, if another
FOLDS = ("sum", "prod", "max", "min", "and", "or", "argmax", "argmin")
DEAR = 5  # what a row costs that is more than an instruction or two


# -- what can be lowered


class Lowered(NamedTuple):
    """How an op is written: ``spell(n, at, read)``, where ``read(k, at)`` is one of input k.

    `reads(n)`: inputs whose elements are read (of others only the shape matters); `rows(n)`: those
    of which row r of n reads row r alone; `able(n)`: whether this node can be written so.
    `part(n)`, for an op that writes into its first input: the shape of what it writes; then `spell`
    gives the cell and the value for an index into that.
    """

    spell: object
    reads: object
    rows: object
    able: object
    part: object


LOWERED = {}


def lowers(name, reads=lambda n: (0,), rows=lambda n: (), able=lambda n: True, part=None):
    """Decorator: put a spelling into `LOWERED`."""

    def put(spell):
        LOWERED[name] = Lowered(spell, reads, rows, able, part)
        return spell

    return put


def combine(n):
    """The word for what a reduction does, or None if no stage can say it."""
    word = n.op.scalar
    word = COMBINE.get(word, word) if isinstance(word, str) else None
    return word if word in FOLDS else None


def fusible(n):
    """Whether a node can be part of a kernel."""
    kind = n.op.kind
    if kind == "elementwise":
        return n.op.scalar is not None
    if kind == "reduction":
        return combine(n) is not None and n.inputs[0].type.ndim > 0
    row = LOWERED.get(n.op.name)
    return row is not None and row.able(n)


def read_inputs(n):
    """Which inputs a kernel reads for a fusible node, as often as it reads them."""
    if n.op.kind == "elementwise":
        return _taken(n.op, n.attrs, len(n.inputs))
    return (0,) if n.op.kind == "reduction" else LOWERED[n.op.name].reads(n)


def row_inputs(n):
    """Which inputs a fusible node reads row by row: its row r needs only their row r."""
    if n.op.kind == "elementwise":
        return [k for k, i in enumerate(n.inputs) if i.type.ndim == n.type.ndim]
    return (0,) if n.op.kind == "reduction" else LOWERED[n.op.name].rows(n)


def whole(n):
    """Whether no row of a fusible node is complete before all are."""
    if n.op.kind == "reduction":
        return 0 in n.attrs[0]
    return n.op.kind == "scatter" and LOWERED[n.op.name].part is not None


def domain(n):
    """The length of the outermost axis that a node loops over; 1 for a scalar."""
    shape = n.inputs[0].type.shape if n.op.kind == "reduction" else n.type.shape
    return shape[0] if shape else 1


def space(n):
    """Over how many axes a value varies."""
    return sum([d != 1 for d in n.type.shape])


def moves(n):
    """Whether a node only says where to read."""
    if n.op.kind == "elementwise":
        return isinstance(tree(n), Arg)
    return n.op.kind in ("view", "source")


def price(n):
    """How many rows an element costs, `DEAR` for those that are more than an instruction."""
    if n.op.kind == "elementwise":
        return _price(n.op, n.attrs, len(n.inputs))
    return DEAR if n.op.kind == "reduction" else 0 if moves(n) else 2


# -- scalar expressions


def tree(n):
    """The scalar expression of an elementwise node, in terms of `Arg`."""
    return _tree(n.op, n.attrs, len(n.inputs))


@lru_cache(4096)
def _tree(op, attrs, arity):
    return expression(op.scalar, arity, **dict(zip(op.params, attrs, strict=True)))


def _parts(op, attrs, arity):
    return parts(_tree(op, attrs, arity))


@lru_cache(4096)
def _taken(op, attrs, arity):
    return tuple([e.k for e in _parts(op, attrs, arity) if isinstance(e, Arg)])


@lru_cache(4096)
def _price(op, attrs, arity):
    rows = [e.row for e in _parts(op, attrs, arity) if isinstance(e, Application)]
    return sum([1 if r.quick else DEAR for r in rows])


def cast(e, dtype):
    """An expression in another dtype; literals are remade."""
    if e.dtype == dtype:
        return e
    return literal(e.value, dtype, e.dtype) if isinstance(e, Lit) else Apply("cast", (e,), dtype)


def literal(value, dtype, was=None):
    """A `Lit` of a number, as NumPy casts it."""
    with np.errstate(all="ignore"):
        array = np.asarray(value, was)
        if is_complex(array.dtype.name) and not is_complex(dtype) and dtype != "bool":
            array = array.real
        return Lit(array.astype(dtype).item(), dtype)


def typed(e, args, dtype):
    """A scalar expression with its arguments put in, operands in the dtype they are computed in."""

    def visit(e):
        if isinstance(e, Arg):
            return args[e.k]
        if isinstance(e, Number):
            return e.value
        parts, name, row = [visit(a) for a in e.args], e.row.name, e.row
        if name == "cast":
            return literal(parts[0], e.dtype) if number(parts[0]) else cast(parts[0], e.dtype)
        if name == "where":
            parts[0] = literal(parts[0], "bool") if number(parts[0]) else cast(parts[0], "bool")
        values = parts[1:] if name == "where" else parts
        if name in row.text.split():  # and, or, xor, not
            common = "bool"
        else:
            dtypes = [p.dtype for p in values if not number(p)]
            common = promote(*dtypes) if dtypes else dtype
        values = [literal(p, common) if number(p) else cast(p, common) for p in values]
        parts[len(parts) - len(values):] = values
        to_real = name in ("abs", "real", "imag", "angle")
        out = "bool" if row.boolean else real_of(common) if to_real else common
        return Apply(name, tuple(parts), out)

    root = visit(e)
    return literal(root, dtype) if number(root) else cast(root, dtype)


def number(value):
    return isinstance(value, bool | int | float | complex)


# -- the ops that have a spelling of their own


def _keeps_first(n):
    return () if 0 in n.attrs[0] else (0,)


@lowers("unsqueeze", rows=_keeps_first)
def _(n, at, read):
    return read(0, [a for k, a in enumerate(at) if k not in n.attrs[0]])


@lowers("squeeze", rows=_keeps_first)
def _(n, at, read):
    rest = iter(at)
    ndim = n.inputs[0].type.ndim
    return read(0, [0 if k in n.attrs[0] else next(rest) for k in range(ndim)])


@lowers("transpose", rows=lambda n: (0,) if n.attrs[0][:1] == (0,) else ())
def _(n, at, read):
    where = dict(zip(n.attrs[0], at, strict=True))
    return read(0, [where[k] for k in range(len(at))])


def _fits_evidently(n):
    """Whether the lengths that are asked for need no check."""
    lead = n.type.ndim - n.inputs[0].type.ndim
    asked = [known(w) == d for w, d in zip(n.inputs[1:], n.type.shape, strict=True)]
    kept = [d == 1 or d == n.type.shape[lead + k] for k, d in enumerate(n.inputs[0].type.shape)]
    return all(asked) and all(kept)


def _aligned(n):
    return (0,) if n.inputs[0].type.ndim == n.type.ndim else ()


@lowers("alloc", rows=_aligned, able=_fits_evidently)
@lowers("broadcast_to", rows=_aligned, able=_fits_evidently)
def _(n, at, read):
    return read(0, at[len(at) - n.inputs[0].type.ndim:])


@lowers("length", reads=lambda n: ())
def _(n, at, read):
    d = n.inputs[0].type.shape[n.attrs[0]]
    return Lit(d, "int64") if isinstance(d, int) else Size(d)


def _whole_steps(n):
    return isinstance(known(n.inputs[0]), int) and isinstance(known(n.inputs[2]), int)


@lowers("arange", reads=lambda n: (), able=_whole_steps)
def _(n, at, read):
    return as_value(affine([(known(n.inputs[2]), at[0])], known(n.inputs[0])))


@lowers("pick", reads=lambda n: (0, 1), rows=lambda n: (0, 1))
def _(n, at, read):
    row = at[0]
    if n.inputs[0].type.shape[0] != n.type.shape[0]:
        row = checked(n, as_value(row), 0)
    return read(0, [row, checked(n, read(1, at), 1)])


def _one_in_each_row(n):
    return n.inputs[0].type.shape[0] == n.inputs[1].type.shape[0] == n.type.shape[0]


@lowers("place", reads=lambda n: (0, 1), rows=lambda n: (0, 1), able=_one_in_each_row)
def _(n, at, read):
    column = Index(read(1, at[:1]), n.type.shape[1], 1, n.op.name, n)
    hit = Apply("eq", (as_value(at[1]), column), "bool")
    return Apply("where", (hit, read(0, at[:1]), literal(0, n.type.dtype)), n.type.dtype)


def _plain(n):
    """Whether each entry of an index is an integer, an array, a whole axis, or a slice of known
    cells."""
    return all([e in (FULL, BACKWARD, "#", "@") or isinstance(e, int)
                or "@" not in e and isinstance(d, int)
                for e, d in zip(n.attrs[0], n.inputs[0].type.shape, strict=True)])


BACKWARD = Slice(None, None, -1)


@lowers("subtensor", reads=lambda n: range(len(n.inputs)), able=_plain,
        rows=lambda n: (0,) if n.attrs[0][:1] == (FULL,) else ())
def _(n, at, read):
    return _indexed(n, at, read, 0)


def _gathered_rows(n):
    idx, width = n.attrs[0], max(i.type.ndim for i in n.inputs[1:])
    kind, first = layout(idx, width)[0] if n.type.ndim else ("x", None)
    if kind == "#":
        return [k for k, i in enumerate(n.inputs) if k and i.type.ndim == width]
    return (0,) if first == 0 and idx[0] == FULL else ()


@lowers("gather", reads=lambda n: range(len(n.inputs)), rows=_gathered_rows, able=_plain)
def _(n, at, read):
    return _indexed(n, at, read, max(i.type.ndim for i in n.inputs[1:]))


def _indexed(n, at, read, width):
    return read(0, _cell(n, at, read, width))


def _cell(n, at, read, width, first=1):
    """Where in its first input an element of ``x[idx]`` is: each axis is at a number, at an axis of
    the part, or computed.  `first`: the input that the indices begin with."""
    where = {place: at[k] for k, place in enumerate(layout(n.attrs[0], width))}
    out, nth = [], itertools.count(first)
    for axis, (entry, d) in enumerate(zip(n.attrs[0], n.inputs[0].type.shape, strict=True)):
        if entry == "#":
            k = next(nth)
            ndim = n.inputs[k].type.ndim
            e = read(k, [where["#", width - ndim + j] for j in range(ndim)])
            out.append(checked(n, e, axis))
        elif entry == "@":
            out.append(checked(n, read(next(nth), []), axis))
        elif isinstance(entry, int):
            out.append(entry if inside(entry, d) else checked(n, Lit(entry, "int64"), axis))
        elif entry == FULL:
            out.append(where["x", axis])
        elif isinstance(d, int):
            start, _, step = slice(*entry).indices(d)
            out.append(affine([(step, where["x", axis])], start))
        else:
            out.append(affine([(1, d), (-1, where["x", axis])], -1))
    return out


def checked(n, e, axis):
    """A computed index into an axis of a node's first input."""
    return Index(e, n.inputs[0].type.shape[axis], axis, n.op.name, n)


def _arrays(n):
    return [i for slot, i in zip(slots(n.attrs[0]), n.inputs[2:], strict=True) if slot == "#"]


def _part(n):
    return region(n.inputs[0].type.shape, n.attrs[0], [i.type.shape for i in _arrays(n)])


def _fits_its_part(n):
    y = n.inputs[1].type
    return _plain(n) and (not y.ndim or y.shape == _part(n))


@lowers("inc_subtensor", reads=lambda n: range(len(n.inputs)), rows=lambda n: (0,),
        able=_fits_its_part, part=_part)
def _(n, at, read):
    width = max([i.type.ndim for i in _arrays(n)], default=0)
    return _cell(n, at, read, width, first=2), read(1, at[len(at) - n.inputs[1].type.ndim:])


def _all_known(n):
    return all([isinstance(d, int) for d in (*n.inputs[0].type.shape[-2:], *n.type.shape[-2:])])


def _first_axis(n):
    """Both keep the first axis, if windows have it, too, and their own axes stand behind it."""
    return range(len(n.inputs)) if n.attrs[2] and n.inputs[0].type.ndim > 2 else ()


@lowers("windows", rows=_first_axis, able=_all_known)
def _(n, at, read):
    return read(0, _slid(n, at))


def _slid(n, at):
    """Where in its first input a cell of the windows is."""
    step, dilation, k = n.attrs
    return [*at[:k], *at[k + 2:-2], *[affine([(s, first), (d, cell)]) for s, first, d, cell in
                                      zip(step, at[-2:], dilation, at[k:k + 2], strict=True)]]


def _windows_of_it(n):
    x, y = [i.type.shape for i in n.inputs]
    size = y[n.attrs[2]:n.attrs[2] + 2]
    return _all_known(n) and y == shape_of_windows(x, size, *n.attrs)


@lowers("windows_add", reads=lambda n: (0, 1), rows=_first_axis, able=_windows_of_it,
        part=lambda n: n.inputs[1].type.shape)
def _(n, at, read):
    return _slid(n, at), read(1, at)
