"""What can be made for all steps at once: a map of it needs no loop, and has the same values.

In each expression x (3), m (2, 3), q (2, 3, 4), i, ids (2) and s () change from step to step; w
(3, 4), t (3), c (2, 3, 4), j and l (2) do not.
"""

import pytest
from loops_rewritten import RNG, f64, numbers, rewritten, same

import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules.loop_batch import Batch
from symgrad.compile.rules.loop_work import House
from symgrad.families import axis_attr, composite
from symgrad.node import toposort
from symgrad.ops import OPS
from symgrad.ops.draft import Draft, Mapped
from symgrad.types import Type

MOVING = {"x": ("float64", (3,)), "m": ("float64", (2, 3)), "q": ("float64", (2, 3, 4)),
          "i": ("int64", ()), "ids": ("int64", (2,)), "s": ("float64", ())}
FIXED = {"w": ("float64", (3, 4)), "t": ("float64", (3,)), "c": ("float64", (2, 3, 4)),
         "j": ("int64", ()), "l": ("int64", (2,))}


@composite()
def along(x, *, axis=0):
    return T.exp(x).sum(axis=axis)


@composite(tidy=axis_attr)
def both(x, y, *, axis=None):
    return T.sum(x * y, axis=axis)


@composite()
def by(x, *, factors=(2, 3)):
    return x * factors[0] - factors[1]


@composite(dtype=None)
def rows(x):
    return x.shape[0] + x.shape[-1]


@composite()
def running(x):
    return T.cumsum(x, axis=0)


SCOPE = {"T": T, "BATCHED": OPS["batched_dot"].of, "DOT": OPS["tensordot"].of,
         "ALLOC": OPS["alloc"].of, **{op.name: op.of for op in (along, both, by, rows, running)}}
AT_ONCE = [
    "x + t", "x * s", "m - x", "m * t + s", "T.exp(s) * w", "x.sum()", "m.sum(axis=0)",
    "m.max(axis=(0, 1)) - t", "T.argmax(m, axis=1) + l", "T.softmax(m, axis=1)",
    "T.softmax(m, axis=0) * t", "T.logsumexp(m, axis=0)", "T.outer(x, t)",
    "along(m, axis=1)", "both(m, t, axis=1)", "both(m, m * s, axis=(0, 1))", "by(x)",
    "rows(m) * t", "rows(w) * x", "T.tril(m)", "T.tril(w, i)", "T.triu(q, j)",
    "m.T + s", "q.dimshuffle(2, 0, 1)", "x.dimshuffle('x', 0) + m", "x.dimshuffle(0, 'x') * w",
    "x[1]", "m[1]", "m[:, 1]", "x[::-1] + t", "m[:, ::-1]", "q[1, :, 2] + t", "w[i]", "t[i] * x",
    "x[j]", "m[j] + t", "m.reshape((3, 2))", "m.reshape((6,)) * s",
    "ALLOC(s, 2, 3)", "ALLOC(x, 2, 3)", "T.broadcast_to(m, (4, 2, 3))",
    "T.join(0, x, t)", "T.join(0, t, t, x)", "T.join(1, m, m * s)", "T.stack([x, t])",
    "T.stack([s, s * 2.0])", "T.stack([s, t[0]])",
    "T.dot(x, t)", "T.dot(x, x)", "T.dot(x, w)", "T.dot(m, w)", "T.dot(m, t)", "T.dot(m, x)",
    "T.dot(ids, ids)", "T.dot(T.cast(ids, 'int8'), T.cast(ids * 99, 'int8'))",
    "T.dot(T.cast(ids, 'bool'), T.cast(ids, 'bool'))",
    "T.dot(x, m.T)", "T.dot(m.T, m)", "T.dot(w.T, x)", "T.dot(t, x)",
    "DOT(m, w, axes=((1,), (0,)))", "DOT(q, w, axes=((1, 2), (0, 1)))",
    "BATCHED(q, q.dimshuffle(0, 2, 1))", "BATCHED(q.dimshuffle(0, 2, 1), q * s)",
    "m[l]", "m[:, l]", "q[l, l]", "q[:, l, l]", "x[l]", "q[l] * s",
    "t[ids]", "w[ids]", "w[i + 0 * ids]", "w[ids, ids]", "w[ids, l]", "w[l, ids]", "x[ids]",
    "w[ids, l.dimshuffle(0, 'x')]", "m[ids, l.dimshuffle(0, 'x')]",
    "m[ids]", "m[ids, l]", "m[l, ids]", "q[ids, ids, l]", "w[ids.dimshuffle(0, 'x'), l]",
    "m[ids.dimshuffle(0, 'x'), l]", "w[j, ids]", "q[j, ids]", "q[ids, j]", "q[ids, :, j]",
    "T.pick(m, l)", "T.pick(w, ids)", "T.pick(m, ids)",
    "T.set_subtensor(x[1], 2.0)", "T.inc_subtensor(m[1], x)", "T.inc_subtensor(m[:, 1], s * l)",
    "T.set_subtensor(m[1], t)", "T.set_subtensor(t[1:], x[1:])", "T.inc_subtensor(w[1], 1.0) * s",
    "T.inc_subtensor(t[i], s)", "T.set_subtensor(x[i], 3.0)", "T.inc_subtensor(m[i], x)",
    "T.inc_subtensor(m[i], t)", "T.inc_subtensor(t[ids], x[:2])", "T.inc_subtensor(w[ids], 1.0)",
    "T.set_subtensor(m[ids], t)", "T.inc_subtensor(w[ids, l], 2.0)",
    "T.inc_subtensor(w[l, ids], x[:2])", "T.inc_subtensor(m[l], x)",
    "T.inc_subtensor(m[l, l], x[:2])", "T.inc_subtensor(q[:, l], 1.0)",
    "T.inc_subtensor(w[ids.dimshuffle(0, 'x'), l], 1.0)",
    "T.inc_subtensor(w[l, ids.dimshuffle(0, 'x')], m[:, :2])",
    "T.inc_subtensor(x[1], s)", "T.inc_subtensor(x[j], s)", "T.set_subtensor(m[1, j], s)",
    "T.inc_subtensor(w[ids, 1], x[:2])", "T.inc_subtensor(w[i, ids], 1.0)",
]
STEP_BY_STEP = [
    "T.dot(w.T, m.T)", "x[i]", "m[:, i]", "T.cumsum(x, axis=0)", "T.dot(t, m.T)",
    "w[:, i]", "w[:, ids]", "m[:, ids]",
    "w[i, ids]", "DOT(w, m, axes=((0,), (1,)))", "DOT(m, m, axes=((1,), (1,)))",
    "BATCHED(q, c.dimshuffle(0, 2, 1))", "BATCHED(c, q.dimshuffle(0, 2, 1))",
    "T.inc_subtensor(m[:, i], s)", "T.inc_subtensor(m[1], s)", "T.inc_subtensor(w[:, ids], 1.0)",
    "t.reshape((i + 3 - i, 1)) * s", "m.reshape((i + 2 - i, 3))", "m.reshape((3, i + 2 - i))",
    "q[l, :, l]", "T.inc_subtensor(q[l, :, l], 1.0)", "running(x)", "w[i, j]", "x[i:].sum()",
    "T.inc_subtensor(t[ids], s)", "T.inc_subtensor(t[1:], s)", "T.inc_subtensor(x[l], s)",
    "T.inc_subtensor(w[i, j], s)", "T.inc_subtensor(w[i, 1:], x)", "T.inc_subtensor(w[i], s)",
    "T.inc_subtensor(m[i, i], s)", "T.inc_subtensor(m[1, i], s)",
]


def mapped(text, rows, known=True):
    """The loop's rows, and values for what it reads, whose lengths are `known`."""
    scope, given, seqs, fixed = dict(SCOPE), {}, {}, {}
    for name, (dtype, shape) in {**MOVING, **FIXED}.items():
        told = shape if known else (None,) * len(shape)
        inside = scope[name] = Type(dtype, told)(name)
        moving = name in MOVING
        size = (rows, *shape) if moving else shape
        outside = Type(dtype, (None, *told) if moving else told)(name.upper())
        (seqs if moving else fixed)[inside] = outside
        given[outside] = RNG.integers(0, 2, size) if dtype == "int64" else numbers(*size)
    steps = seqs[scope["x"]].shape[0]
    return Draft(steps, seqs, [], fixed, [Mapped(eval(text, scope))]).build()[0], given


@pytest.mark.parametrize("text", AT_ONCE)
def test_made_for_all_steps_at_once(text):
    for rows in (4, 1):
        assert not same(*mapped(text, rows)), "a loop is left"


@pytest.mark.parametrize("text", AT_ONCE)
def test_lengths_that_are_not_known_are_those_of_the_operands(text):
    assert not same(*mapped(text, 3, False)), "a loop is left"


@pytest.mark.parametrize("text", STEP_BY_STEP)
def test_made_step_by_step(text):
    left = same(*mapped(text, 3))
    assert len(left) == 1


OUTSIDE = {  # the ops that there are then, but for those that check lengths
    "T.softmax(m, axis=1)": ["softmax"], "T.logsumexp(m, axis=0)": ["logsumexp"],
    "T.dot(x, x)": ["mul", "sum"], "T.dot(x, m.T)": ["unsqueeze", "transpose", "batched_dot",
                                                     "reshape"],
    "T.dot(x, w)": ["dot"], "T.dot(t, x)": ["dot"], "m.reshape((6,))": ["reshape"],
    "w[i]": ["gather"], "m + x": ["unsqueeze", "add"], "x.T + t": ["add"],
}


@pytest.mark.parametrize("text", OUTSIDE)
def test_which_ops_there_are_then(text):
    made, _ = mapped(text, 3)
    names = [n.op.name for n in toposort(rewritten(made)[0]) if n.inputs]
    assert [k for k in names if k not in ("length", "subtensor", "specify_shape")] == OUTSIDE[text]


def test_what_has_no_rows_and_what_is_not_given():
    (v, u, w, W), X = (f64(3)(k) for k in "vuwW"), f64(5, 3)("X")
    pool, (v, u, w, whole, both, n, W, X) = absorb([
        v, u, w, T.exp(w) + v, T.exp(w) + u, T.constant(5), W, X])
    batch = Batch(House(pool, Log(), frozenset()), n, {v: (X, True), w: (W, False)})
    assert batch(v) == (X, True) and batch(w) == (W, False)
    assert batch(u) is batch(both) is batch(T.exp(u)) is None
    made, varies = batch(whole)
    assert varies and made.type.shape == (5, 3) and X in made.inputs
    exp, = [i for i in whole.inputs if i is not v]
    made, varies = batch(exp)
    assert not varies and made.inputs == (W,)
    assert batch(n) == (n, False)
