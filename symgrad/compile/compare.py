"""Whether compiled results are what the interpreter computes, and where NaN comes from.

A result is right if it differs from NumPy's by no more than `NEAR` of it.  Where it differs by
more, the nodes are run again with each rounding replaced by a random one (`SHAKEN` times, by up to
`ULPS` units): what the results then differ by is what rounding can do here, and as much times
`SAFE` is allowed.  Whole numbers and booleans must be equal, but where such runs differ, too.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from symgrad import origin
from symgrad.errors import ShapeError
from symgrad.node import CONST
from symgrad.op import apply
from symgrad.ops.body import run
from symgrad.ops.ifelse import needs, wanted
from symgrad.types import BYTES, real_of

NEAR = {"float16": 4e-3, "float32": 4e-6, "float64": 1e-13}  # of the value
SHAKEN, ULPS, SAFE = 8, 4, 8
EXACT = ("floor", "ceil", "trunc", "round", "sign", "neg", "cast")


class Difference(NamedTuple):
    """The first element of a node's value that is wrong."""

    node: object
    at: tuple
    have: object
    want: object
    count: int  # how many are
    size: int

    def __str__(self):
        at = f" at [{', '.join([str(int(k)) for k in self.at])}]" if self.at else ""
        more = f" ({self.count} of {self.size} elements are wrong)" if self.size > 1 else ""
        return f"{self.have!r}{at}, the interpreter has {self.want!r}{more}"


def evaluate(nodes, arrays, shake=None, asked=None):
    """The values of nodes, one by one with NumPy: {node: array}; `arrays` has what they read.
    `shake`: a random generator that replaces each rounding; `asked`: see `ifelse.needs`."""
    values = dict(arrays)
    for n in nodes:
        if asked and not wanted(asked.get(n), values):
            continue
        args = [i.attrs[0].array if i.op is CONST else values.get(i) for i in n.inputs]
        if shake is not None and n.op.kind in ("reduction", "contract"):
            args = [shaken(a, shake) for a in args]
        if n.op.kind in ("loop", "branch"):
            values[n] = _inside(n, args, partial(evaluate, shake=shake))
            continue
        value = np.asarray(apply(n, args), n.type.dtype)
        if shake is not None and n.op.name not in EXACT and n.op.kind not in MOVES:
            value = shaken(value, shake, args)
        values[n] = value
    return values


def _inside(node, args, values):
    """The results of a loop or branch; ``values(nodes, arrays, asked=…)`` are those of the nodes of
    a body."""
    def step(body, rows):
        order, outputs = body.order()
        arrays = dict(zip(body.inputs, rows, strict=True))
        arrays.update([(x, x.attrs[0].array) for x in order if x.op is CONST])
        found = values([x for x in order if x.op is not CONST], arrays,
                       asked=needs(outputs, order))
        return [found[o] for o in outputs]

    number, *operands = args
    if node.op.kind == "branch":
        return step(node.attrs[0] if number else node.attrs[1], operands)
    return run(int(number), operands, node.attrs[0], partial(step, node.attrs[0]))


MOVES = ("view", "item", "gather", "source", "opaque")  # kinds of ops that round nothing


def shaken(value, rng, sources=()):
    """The value with each element moved by some units in the last place, but for those that are
    an element of the sources as it was."""
    if value.dtype.kind not in "fc":
        return value
    unit = np.finfo(value.dtype).eps * ULPS
    with np.errstate(all="ignore"):
        moved = value * (1 + unit * rng.uniform(-1, 1, value.shape)).astype(real_of(
            value.dtype.name))
        for x in sources:
            if x.dtype == value.dtype and fits(x.shape, value.shape):
                moved = np.where(x == value, value, moved)
    return np.where(np.isfinite(value), moved, value).astype(value.dtype)


def fits(shape, other):
    """Whether a shape stretches to another."""
    return len(shape) <= len(other) and all(
        a in (1, b) for a, b in zip(shape[::-1], other[::-1], strict=False))


def wrong(have, want, room=0.0):
    """Where values are not near enough; `room`: how far apart they may be besides."""
    if have.dtype.kind not in "fc":
        return have != want
    with np.errstate(all="ignore"):
        near = np.abs(have - want) <= NEAR[real_of(have.dtype.name)] * np.abs(want) + room
    near &= np.isfinite(want)  # all is near to infinity
    if have.dtype.kind == "c":  # of complex numbers there are many that are infinite
        near |= ~np.isfinite(have) & ~np.isfinite(want)
    return ~(near | (have == want) | (np.isnan(have) & np.isnan(want)))


def difference(nodes, arrays, results):
    """The first `Difference` between results, {node: array}, and what the interpreter makes of the
    arrays that the nodes read; None if there is none."""
    truth, again = evaluate(nodes, arrays), None
    for n, have in results.items():
        want = truth[n]
        if have.shape != want.shape:
            raise ShapeError(f"{n.op.name}: shape {have.shape}, the interpreter has {want.shape}")
        bad = wrong(have, want)
        if not bad.any():
            continue
        if again is None:
            again = [evaluate(nodes, arrays, np.random.default_rng(k)) for k in range(SHAKEN)]
        bad &= doubtless(have, want, [run[n] for run in again])
        if bad.any():
            at = tuple(np.argwhere(bad)[0])
            return Difference(n, at, have[at], want[at], int(bad.sum()), bad.size)
    return None


def doubtless(have, want, runs):
    """Where values are wrong although rounding may do what it did in the runs."""
    if have.dtype.kind not in "fc":
        unsure = np.zeros(want.shape, bool)
        for run in runs:
            unsure |= run != want
        return (have != want) & ~unsure
    room, endless = np.zeros(want.shape), np.zeros(want.shape, bool)
    with np.errstate(all="ignore"):
        for run in runs:
            apart = np.abs(run.astype(complex) - want)
            endless |= ~((run == want) | np.isfinite(apart) | (np.isnan(run) & np.isnan(want)))
            room = np.maximum(room, apart)
        tiny = np.finfo(have.dtype).smallest_subnormal
        return wrong(have, want, SAFE * room + SAFE * float(tiny)) & ~endless


# -- NaN and infinity


def finite(array):
    return bool(np.isfinite(array).all())


def introduced(nodes, arrays, asked=None):
    """The first node with a value that is not finite although all that it reads is: (node, place,
    value, operands' elements there); None if there is none.  In a loop, of the first step where
    that happens."""
    values = evaluate(nodes, arrays, asked=asked)
    for n in nodes:
        value = values.get(n)
        if value is None or n.op.kind == "item":
            continue
        args = [i.attrs[0].array if i.op is CONST else values.get(i) for i in n.inputs]
        if n.op.kind in ("loop", "branch"):
            try:
                _inside(n, args, _finite)
            except _Introduced as found:
                return found.args[0]
        elif not finite(value) and all([finite(a) for a in args if a is not None]):
            at = tuple(np.argwhere(~np.isfinite(value))[0])
            met = [a[at] if a.shape == value.shape else a[()] for a in args
                   if a.shape in (value.shape, ())]
            return n, at, value[at], met
    return None


def _finite(nodes, arrays, asked):
    found = introduced(nodes, arrays, asked)
    if found is not None:
        raise _Introduced(found)
    return evaluate(nodes, arrays, asked=asked)


class _Introduced(Exception):
    """What `introduced` has found in the body of a loop or branch."""


def non_finite(found):
    """What to say of what `introduced` has found."""
    n, at, value, met = found
    place = f" at [{', '.join([str(int(k)) for k in at])}]" if at else ""
    whence = f"; its operands there are {', '.join([str(m) for m in met])}" if met else ""
    return origin.report(f"{n.op.name}: {value}{place} from finite values{whence}",
                         n.inputs, n.origin)


# -- patterns that say: nothing was written here

PATTERN = {"float16": 0x7D01, "float32": 0x7FA0_BEEF, "float64": 0x7FF4_DEAD_BEEF_0001}


def poison(array, dtype):
    """Fill bytes (uint8) with signalling NaNs of a float dtype, with 0xA5 for others."""
    word = PATTERN.get(real_of(dtype))
    if word is None:
        array[:] = 0xA5
        return
    size = BYTES[real_of(dtype)]
    array[:] = np.resize(np.frombuffer(word.to_bytes(size, "little"), np.uint8), array.size)


def poisoned(raw, dtype):
    """Whether the bytes of an element are what `poison` puts there."""
    clean = np.empty(len(raw), np.uint8)
    poison(clean, dtype)
    return raw == clean.tobytes()
