"""The generator MRG31k3p, many streams side by side, and choices made of uniform numbers: what
Theano's ``MRG_RandomStreams`` draws with, number for number.

L'Ecuyer and Touzin, "Fast combined multiple recursive generators with multipliers of the form
a = ±2^q ±2^r", Winter Simulation Conference 2000.  A state is an int32 matrix, a stream a row: the
last three values of either recurrence, the newest first.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.families import define
from symgrad.node import TABLE, constant, variable
from symgrad.op import cast_node, weak_numbers
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.lengths import integers, known, length, product
from symgrad.ops.logic import maximum, minimum, where
from symgrad.ops.shape import reshape
from symgrad.ops.source import arange
from symgrad.types import Type, is_complex, is_float, named_dtype

M1, M2 = 2147483647, 2147462579
# One step of either recurrence, x[n] = a x[n-2] + b x[n-3] and y[n] = c y[n-1] + d y[n-3].
STEPS = ((0, 2**22, 2**7 + 1), (1, 0, 0), (0, 1, 0)), ((2**15, 0, 2**15 + 1), (1, 0, 0), (0, 1, 0))
# float32 as Theano's compiled code has it: the integer is rounded first, and this is not 2**-31.
NORM = {"float16": np.float16(3.0458e-05), "float32": np.float32(4.6566126e-10),
        "float64": 2.0**-31}


@lru_cache(256)
def power(n):
    """The matrices that are n steps of the two recurrences."""
    out = []
    for step, m in zip(STEPS, (M1, M2), strict=True):
        total, base, left = np.eye(3, dtype=object), np.array(step, dtype=object), n
        while left:
            if left & 1:
                total = total @ base % m
            base, left = base @ base % m, left >> 1
        out.append(total.astype("int64"))
    return tuple(out)


def moved(states, n):
    """Every stream n steps on."""
    out = np.empty(states.shape, "int32")
    for k, (matrix, m) in enumerate(zip(power(n), (M1, M2), strict=True)):
        part = states[:, 3 * k:3 * k + 3].astype("int64")
        out[:, 3 * k:3 * k + 3] = ((part[:, None, :] * matrix % m).sum(-1)) % m
    return out


def _checked(states, lengths):
    count = int(np.prod([int(n) for n in lengths], dtype="int64"))
    if any(n < 0 for n in lengths):
        raise ShapeError(f"a length cannot be negative: {min(lengths)}")
    if count > M1:
        raise ArgumentError(f"draws at most 2**31 - 1 numbers at once, not {count}")
    if states.shape[1] != 6 or not len(states):
        raise ShapeError(f"takes a row of 6 numbers a stream, not {states.shape}")
    return count


def _state_type(t):
    if t.dtype != "int32" or t.ndim != 2 or isinstance(t.shape[1], int) and t.shape[1] != 6:
        raise DtypeError(f"a state is an int32 matrix of 6 columns, not {t!r}")
    return t


def _uniform_type(inputs, dtype):
    _state_type(inputs[0].type)
    shape = [known(n) for n in inputs[1:]]
    if any(isinstance(n, int) and n < 0 for n in shape):
        raise ShapeError("a length cannot be negative")
    return Type(dtype, tuple(shape))


def _norm_dtype(types, dtype):
    dtype = named_dtype(dtype)
    if dtype not in NORM:
        raise DtypeError(f"draws float16, float32 or float64, not {dtype}")
    return (dtype,)


def _samples(*attrs):
    def samples(rng):
        states = rng.integers(1, M2, (3, 6)).astype("int32")
        return [((states, np.int64(4), np.int64(2)), a) for a in (attrs or ({},))]

    return samples


def turned(states, wanted):
    """The loop that draws: (the states after it, the whole numbers of all turns, how many count).

    Every turn takes a number of each stream; in the last one streams whose number is not wanted
    stay where they are.
    """
    count = product(wanted)
    streams = minimum(length.of(states, axis=0), maximum(count, 1))
    turns = (count + streams - 1) // streams
    turn, first = (variable(Type("int64", ())) for _ in "tf")
    row = Type("int64", (None,))
    index, total = variable(row), variable(Type("int64", ()))
    reads = [variable(row) for _ in range(6)]
    x1, x2, x3, y1, y2, y3 = reads
    with weak_numbers():
        x = below(x2 * STEPS[0][0][1] + x3 * STEPS[0][0][2], M1)
        y = below(y1 * STEPS[1][0][0] + y3 * STEPS[1][0][2], M2)
        found = where(x <= y, x - y + M1, x - y)
        drawn = index + turn * first < total
        moved_on = [where(drawn, new, old)
                    for new, old in zip((x, x1, x2, y, y1, y2), reads, strict=True)]
        columns = [cast_node(states[:streams, k], "int64")[None] for k in range(6)]
    loop = Draft(turns, seqs={turn: arange.of(0, turns, 1)},
                 states=[Rows([v], (1,), init, new)
                         for v, init, new in zip(reads, columns, moved_on, strict=True)],
                 fixed={index: arange.of(0, streams, 1), first: streams, total: count},
                 maps=[Mapped(found)])
    *after, numbers = loop.build()
    return [b[-1] for b in after], numbers, count, streams


def below(x, m):
    """x modulo m = 2**31 - c, for 0 <= x < 2**54, without a division."""
    c = (1 << 31) - m
    for _ in range(2):
        high = x >> 31
        x = (x & 0x7FFFFFFF) + (high * c if c > 1 else high)
    return where(x >= m, x - m, x)


def _uniform(states, *lengths, dtype):
    _, numbers, count, _ = turned(states, lengths)
    with weak_numbers():
        found = numbers.flatten()[:count]
        if dtype == "float16":
            out = ((found & 0x7FFF) + 1).astype("float64") * constant(np.float64(NORM[dtype]))
        else:
            out = found.astype(dtype) * constant(np.asarray(NORM[dtype], dtype))
    return reshape.of(cast_node(out, dtype), *lengths)


def _following(states, *lengths):
    after, _, _, streams = turned(states, lengths)
    new = TABLE["stack"]([cast_node(x, "int32") for x in after], axis=1)
    return TABLE["join"](0, new, states[streams:])


@define("composite", infer_from=_uniform_type, prepare=integers(1), tidy=_norm_dtype,
        expand=_uniform,
        samples=_samples({"dtype": "float64"}, {"dtype": "float32"}, {"dtype": "float16"}))
def mrg_uniform(states, *lengths, dtype="float64"):
    """Numbers between 0 and 1 of these lengths: the k-th of stream ``k % number of streams``.

    >>> T.mrg_uniform(np.full((1, 6), 12345, "int32"), 2, dtype="float64").eval().round(8)
    array([0.72955784, 0.10133967])
    """
    count = _checked(states, lengths)
    streams = min(len(states), max(count, 1))  # a draw of few numbers leaves most streams alone
    states = states[:streams]
    x1, x2, x3, y1, y2, y3 = states.astype("int64").T
    turns = -(-count // streams)
    found = np.empty((turns, streams), "int64")
    for turn in range(turns):
        x1, x2, x3 = (x2 * STEPS[0][0][1] + x3 * STEPS[0][0][2]) % M1, x1, x2
        y1, y2, y3 = (y1 * STEPS[1][0][0] + y3 * STEPS[1][0][2]) % M2, y1, y2
        found[turn] = np.where(x1 <= y1, x1 - y1 + M1, x1 - y1)
    found = found.reshape(-1)[:count]
    if dtype == "float16":
        out = ((found & 0x7FFF) + 1) * np.float64(NORM[dtype])
    else:
        out = found.astype(dtype) * NORM[dtype]
    return out.astype(dtype).reshape([int(n) for n in lengths])


@mrg_uniform.vjp
def _(g, out, states, *rest):
    return [None] * (1 + len(rest[:-1]))


@define("composite", infer_from=lambda inputs: _state_type(inputs[0].type), prepare=integers(1),
        expand=_following, samples=_samples())
def mrg_next(states, *lengths):
    """The states after `mrg_uniform` with these lengths: streams jump on, they are not drawn from.
    """
    count = _checked(states, lengths)
    turns, more = divmod(count, len(states))
    out = moved(states, turns) if turns else states.copy()
    if more:
        out[:more] = moved(states[:more], turns + 1)
    return out


@mrg_next.vjp
def _(g, out, states, *lengths):
    return [None] * (1 + len(lengths))


# -- choices


def _choice_inputs(inputs):
    p, u, n = inputs
    if p.type.ndim != 2 or u.type.ndim != 1:
        raise ShapeError(f"takes a matrix of probabilities and a vector of uniform numbers, not "
                         f"{p.type!r} and {u.type!r}")
    if not all(is_float(x.type.dtype) and not is_complex(x.type.dtype) for x in (p, u)):
        raise DtypeError(f"takes floats, not {p.type!r} and {u.type!r}")
    return [p, u, *integers()([n])]


def _any_dtype(types, dtype):
    return (named_dtype(dtype),)


def _count_samples(rng):
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    return [((p, rng.random(2 * n), np.int64(n)), {"dtype": d}) for n, d in ((1, "int64"),
                                                                           (2, "float32"))]


def _enough(p, u, n):
    if len(u) != len(p) * n:
        raise ShapeError(f"{len(p)} rows and {n} numbers a row take {len(p) * n} uniform numbers, "
                         f"not {len(u)}")


@define("opaque", infer_from=lambda inputs, dtype: inputs[0].type.with_dtype(dtype),
        prepare=_choice_inputs, tidy=_any_dtype, samples=_count_samples)
def counts_by_uniform(p, u, n, *, dtype="int64"):
    """How often each column of a row of p comes in n trials, where trial j of row i takes the first
    column up to which the probabilities sum to more than ``u[i + j len(p)]``.

    >>> T.counts_by_uniform([[0.5, 0.5]], [0.1, 0.6, 0.7], 3).eval()
    array([[1, 2]])
    """
    n = int(n)
    _enough(p, u, n)
    out = np.zeros(p.shape, dtype)
    steps = np.cumsum(p, 1, dtype="float64")
    rows = np.arange(len(p))
    for k in range(n):
        part = u[k * len(p):(k + 1) * len(p)]
        hit = steps > part[:, None]
        found = hit.any(1)
        np.add.at(out, (rows[found], hit.argmax(1)[found]), 1)
    return out


@counts_by_uniform.vjp
def _(g, out, p, u, n, dtype):
    return [0, 0, None]


def _picked_type(inputs, dtype):
    return Type(dtype, (inputs[0].type.shape[0], known(inputs[2])))


@define("opaque", infer_from=_picked_type, prepare=_choice_inputs, tidy=_any_dtype,
        samples=_count_samples)
def picks_by_uniform(p, u, n, *, dtype="int64"):
    """n different columns of every row of p, chosen as by `counts_by_uniform`; one that is taken
    has no probability left, and the others are scaled to sum to one again.

    >>> T.picks_by_uniform([[0.5, 0.25, 0.25]], [0.1, 0.6], 2).eval()
    array([[0, 2]])
    """
    n = int(n)
    if n > p.shape[1]:
        raise ArgumentError(f"cannot choose {n} of {p.shape[1]} without replacement")
    _enough(p, u, n)
    p, out = np.array(p), np.full((len(p), n), -1).astype(dtype)
    for k in range(n):
        for i, row in enumerate(p):
            steps = np.cumsum(row, dtype="float64")
            hit = steps > u[k * len(p) + i]
            if hit.any():
                out[i, k] = at = hit.argmax()
                total = row.dtype.type(steps[at] - row[at])
                row[at] = 0  # the sum of the others, in the order and precision of Theano's
                row /= np.add.accumulate(np.append(total, row[at:]))[-1]
    return out


@picks_by_uniform.vjp
def _(g, out, p, u, n, dtype):
    return [0, 0, None]
