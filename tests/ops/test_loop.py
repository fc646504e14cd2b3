"""The op `loop`: its meaning, its derivatives and its backends, over directions, taps, bodies that
keep nothing, and numbers of steps."""

from itertools import product

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.interpret import run
from symgrad.node import constant
from symgrad.ops.body import Body, State
from symgrad.ops.lengths import length
from symgrad.ops.scan import results
from symgrad.types import Type

VECTOR, MATRIX, SCALAR = Type("float64", (None,)), Type("float64", (None, None)), Type("float64")
KINDS = list(product((False, True), ((1,), (1, 2), (2,), (1, 3)), (True, False)))
NAMES = [f"{'down' if r else 'up'}-{'-'.join(map(str, taps))}-{'kept' if save else 'again'}"
         for r, taps, save in KINDS]


class Example:
    """A recurrence with one sequence, one state, a matrix and a mapped value, as a loop and in
    plain NumPy."""

    def __init__(self, reverse=False, taps=(1,), save=True, keep=True):
        self.reverse, self.taps, self.depth = reverse, taps, max(taps)
        self.X, self.H, self.W = MATRIX("X"), MATRIX("H"), MATRIX("W")
        x, w = VECTOR("x"), MATRIX("w")
        reads = [VECTOR(f"h{k}") for k in taps]
        step = T.tanh(T.dot(reads[-1], w) + x * T.sigmoid(reads[0]))
        self.body = Body((x, *reads, w), (step, T.exp(-step) * x), 1, (State(taps, keep),), (keep,),
                         reverse=reverse, save=save)
        self.inputs = [self.X, self.H, self.W]
        self.S, self.Y = results(length(self.X, axis=0), [self.X], [self.H], [self.W], self.body)

    def values(self, n, seed=0, wide=3):
        rng = np.random.default_rng(seed)
        return [rng.normal(size=s) for s in ((n, wide), (self.depth, wide), (wide, wide))]

    def by_hand(self, X, H, W):
        rows = [*H[::-1]] if self.reverse else [*H]
        mapped = []
        for x in X[::-1] if self.reverse else X:
            h = np.tanh(rows[-self.taps[-1]] @ W + x / (1 + np.exp(-rows[-self.taps[0]])))
            rows.append(h)
            mapped.append(np.exp(-h) * x)
        order = slice(None, None, -1) if self.reverse else slice(None)
        return np.array(rows)[order], np.array(mapped).reshape(len(X), X.shape[1])[order]

    @property
    def cost(self):
        return (self.S ** 2).sum() + (self.Y * T.arange(self.Y.shape[1])).sum()


@pytest.mark.parametrize("n", (0, 1, 5))
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_a_loop_is_what_it_says(kind, n):
    loop = Example(*kind)
    values = loop.values(n)
    for have, want in zip(run([loop.S, loop.Y], dict(zip(loop.inputs, values, strict=True))),
                          loop.by_hand(*values), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_derivatives_of_first_and_second_order_in_both_modes(kind):
    loop, rng = Example(*kind), np.random.default_rng(1)
    values = loop.values(4)
    way = [rng.normal(size=v.shape) for v in values]
    first = sg.grad(loop.cost, loop.inputs)
    directions = [constant(d) for d in way]
    moved = sg.Rop(loop.cost, loop.inputs, directions)
    second = sg.Rop(first, loop.inputs, directions)
    along = sum([(g * d).sum() for g, d in zip(first, directions, strict=True)])
    again = sg.grad(along, loop.inputs)

    def at(graphs, step):
        here = [v + step * d for v, d in zip(values, way, strict=True)]
        return run(graphs, dict(zip(loop.inputs, here, strict=True)))

    gradient, step = at(first, 0), 1e-6
    slope = (at([loop.cost], step)[0] - at([loop.cost], -step)[0]) / (2 * step)
    total = sum([(g * d).sum() for g, d in zip(gradient, way, strict=True)])
    np.testing.assert_allclose(total, slope, rtol=1e-6)
    np.testing.assert_allclose(at([moved], 0)[0], total, rtol=1e-10)
    for up, down, h, hh in zip(at(first, step), at(first, -step), at(second, 0), at(again, 0),
                               strict=True):
        np.testing.assert_allclose(h, (up - down) / (2 * step), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(h, hh, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_every_backend_agrees_with_the_interpreter(kind, backend):
    loop = Example(*kind)
    wanted = [loop.cost, loop.S, loop.Y, *sg.grad(loop.cost, loop.inputs)]
    f = sg.function(loop.inputs, wanted, backend=backend)
    for n in (4, 1, 0):
        values = loop.values(n)
        for have, want in zip(f(*values), run(wanted, dict(zip(loop.inputs, values, strict=True))),
                              strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS[::2], ids=NAMES[::2])
def test_last_rows_only(kind, backend):
    whole, last = Example(*kind), Example(*kind, keep=False)
    f = sg.function(last.inputs, [last.S, last.Y], backend=backend)
    for n in (4, 1, 0):
        values = last.values(n)
        S, Y = whole.by_hand(*values)
        s, y = f(*values)
        np.testing.assert_allclose(s, S[:last.depth] if kind[0] else S[n:], rtol=1e-12)
        np.testing.assert_allclose(y, Y[:1] if kind[0] else Y[max(n - 1, 0):], rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_that_stops(backend):
    """Rows that were not reached are zeros, and the count says how many were."""
    n, s, a = Type("int64")("n"), SCALAR("s"), SCALAR("a")
    body = Body((s, a), (s * a, s + a, s * a > 100), 0, (State((1,)),), (True,), until=True)
    first, A = VECTOR("first"), SCALAR("A")
    S, Y, count = results(n, [], [first], [A], body)
    f = sg.function([n, first, A], [S, Y, count], backend=backend)
    for steps, stopped in ((10, 7), (7, 7), (3, 3), (0, 0)):
        S, Y, count = f(steps, [1.0], 2.0)
        assert count == stopped and len(S) == steps + 1 and len(Y) == steps
        np.testing.assert_array_equal(S[:stopped + 1], 2.0 ** np.arange(stopped + 1))
        np.testing.assert_array_equal(Y[:stopped], 2.0 ** np.arange(stopped) + 2)
        assert not S[stopped + 1:].any() and not Y[stopped:].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_states_that_change_places(backend):
    """What a step reads is what the step before made, also where one state becomes another."""
    a, b, x = VECTOR("a"), VECTOR("b"), VECTOR("x")
    body = Body((x, a, b), (b, a + x, a), 1, (State((1,)), State((1,))), (True,))
    X, A, B = MATRIX("X"), MATRIX("A"), MATRIX("B")
    S, R, Y = results(length(X, axis=0), [X], [A, B], [], body)
    f = sg.function([X, A, B], [S[-1], R[-1], Y], backend=backend)
    x = np.arange(6.0).reshape(3, 2)
    s, r, y = f(x, [[1.0, 2.0]], [[3.0, 4.0]])
    np.testing.assert_array_equal(y, [[1, 2], [3, 4], [1, 3]])
    np.testing.assert_array_equal([s, r], [[5, 7], [5, 8]])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_in_a_loop(backend):
    x, s, w = SCALAR("x"), SCALAR("s"), SCALAR("w")
    inner = Body((x, s, w), (s * w + x,), 1, (State((1,)),))
    row, total = VECTOR("row"), SCALAR("total")
    last = results(length(row, axis=0), [row], [T.zeros((1,))], [w], inner)[0][-1]
    outer = Body((row, total, w), (total + last ** 2,), 1, (State((1,)),))
    X, W = MATRIX("X"), SCALAR("W")
    S, = results(length(X, axis=0), [X], [T.zeros((1,))], [W], outer)
    f = sg.function([X, W], [S[-1], *sg.grad(S[-1], [X, W])], backend=backend)
    x, w = np.random.default_rng(0).normal(size=(4, 3)), 0.7
    powers = w ** np.arange(2, -1, -1)
    inside = x @ powers
    value, gx, gw = f(x, w)
    np.testing.assert_allclose(value, (inside ** 2).sum())
    np.testing.assert_allclose(gx, 2 * inside[:, None] * powers)
    np.testing.assert_allclose(gw, (2 * inside * (x @ [2 * w, 1, 0])).sum())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shapes, message", [
    (((4, 3), (1, 4), (3, 3)), r"loop: lengths differ, axis 1 of H"),
    (((4, 3), (1, 3), (3, 5)), r"loop: lengths differ, axis 1 of W"),
    (((4, 3), (2, 3), (3, 3)), r"loop: a state needs 1 rows to begin with, not 2"),
])
def test_lengths_that_do_not_fit(backend, shapes, message):
    loop = Example()
    f = sg.function(loop.inputs, loop.S, backend=backend)
    with pytest.raises(sg.errors.ShapeError, match=message):
        f(*[np.ones(s) for s in shapes])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_number_of_steps_that_cannot_be(backend):
    n, x, s = Type("int64")("n"), SCALAR("x"), SCALAR("s")
    X = VECTOR("X")
    S, = results(n, [X], [T.zeros((1,))], [], Body((x, s), (s + x,), 1, (State((1,)),)))
    f = sg.function([n, X], S, backend=backend)
    np.testing.assert_array_equal(f(2, [1.0, 2.0, 4.0]), [0, 1, 3])
    with pytest.raises(sg.errors.ShapeError, match="loop: the number of steps is negative: -1"):
        f(-1, [1.0, 2.0])
    with pytest.raises(sg.errors.ShapeError, match="loop: sequence .* has 2 rows, too few for"):
        f(3, [1.0, 2.0])


def test_bodies_of_one_structure_are_equal():
    assert Example().body == Example().body and hash(Example().body) == hash(Example().body)
    assert Example().body != Example(taps=(2,)).body
    assert Example().body != Example(save=False).body
