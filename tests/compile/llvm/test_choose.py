"""Branches in machine code: what memory their sides share, and what comes behind the jump."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.backends.llvm.choose import Chosen

pytest.importorskip("llvmlite")

x, X, c, n = T.dvector("x"), T.dmatrix("X"), T.bscalar("c"), T.lscalar("n")
late = T.nonzero_values(x)


def deep(v):
    """Two buffers: a matrix, and a row that it is made of."""
    return T.dot(T.outer(T.exp(v), v), v)


def branch(then, other, *more):
    """(the piece, what it gives on either side, what it should give)."""
    inputs, arrays = [c, x, X, n], ([1.0, 3.0, 2.0, 0.0], np.arange(16.0).reshape(4, 4) / 16, 2)
    outputs = [sg.ifelse(c, then, other), *more]
    f, g = (sg.function(inputs, outputs, backend=b, on_unused_input="ignore")
            for b in ("llvm", "python"))
    piece = next(p for p in f.code.driver.pieces if p.step.body[0].op.name in ("branch", "ifelse"))
    for flag in (1, 0, 1):
        for have, want in zip(*[h(flag, *arrays) for h in (f, g)], strict=True):
            assert have.dtype == want.dtype
            np.testing.assert_allclose(have, want)
    return piece


@pytest.mark.parametrize("then, other, rooms", [
    (deep(x), T.tanh(T.dot(T.outer(x, x), x)), [[0], [0, 1]]),
    (T.tanh(T.dot(T.outer(x, x), x)), deep(x), [[0, 1], [0]]),
    (deep(x).sum(), x[0], [[0, 1], []]), (x[0], deep(x).sum(), [[], [0, 1]]),
    (T.exp(T.dot(X, X)), T.dot(T.tanh(X), X), [[0], [0]]),
    (T.dot(T.exp(X), X), T.dot(T.exp(T.cast(X, "float32")), T.cast(X, "float32")),
     [[0], [1, 2, 3]]),
    (T.dot(T.exp(X), x), T.dot(X, T.exp(x)), [[0], [1]]),
    (x + 1, x * 2, [[], []]),
])
def test_the_sides_share_their_buffers(then, other, rooms):
    """Where these are as long, and their elements as wide."""
    piece = branch(then, other)
    fork = piece.inner
    assert piece.kind == "branch" and fork.rooms == rooms
    assert len(fork.buffers) == 1 + max([k for side in rooms for k in side], default=-1)
    for side, mine in zip(fork.sides, fork.rooms, strict=True):
        for k, slot in zip(mine, side.slots(), strict=True):
            assert fork.same(fork.buffers[k], slot)


@pytest.mark.parametrize("then, other", [
    (x[1:], x), (x[:n] * 2, x[1:] + 1), (x, x[::-1]), (T.exp(x)[n:], T.exp(x)[:n]),
    (X[:n, 1:], X[1:, :n] * 2), (x[:n].sum(), x[1]),
    (late * 2, x), (X[n:], X), (X[n:], X[n:] * 2), (deep(late), x),
])
def test_lengths_that_the_side_tells(then, other):
    assert branch(then, other).kind == "branch"


def test_one_in_another_with_a_loop_that_keeps_its_first_row():
    """A buffer of the inner one is one longer than what the outer one knows."""
    rows = sg.scan(lambda v, s: T.tanh(s * v), sequences=[x], outputs_info=[X[0, 1]],
                   return_updates=False)
    inside = sg.ifelse(T.gt(n, 1), T.dot(rows, T.cumsum(rows)), x[0])
    piece = branch(inside * 2, x.sum())
    assert piece.kind == "branch" and [p.kind for p in piece.inner.sides[0].pieces].count("branch")


fixed = T.tensor("float64", (4,), name="fixed")


@pytest.mark.parametrize("then, other, made, moved", [
    (x * 2, T.exp(x), 0, 0), (X[:, 0] * fixed, T.exp(fixed), 0, 0), (x[1:], x, 1, 2),
    (X[1:], X * 2, 1, 1),
], ids=str)
def test_which_results_are_made_in_the_call(then, other, made, moved, monkeypatch):
    """Those whose lengths only a side can tell; what reads them finds them.  What a side computes
    is written there at once."""
    moves, move = [], Chosen.move
    monkeypatch.setattr(Chosen, "move", lambda *args: moves.append(args) or move(*args))
    inputs, arrays = [x, X, fixed], (np.array([1.0, 3.0, 2.0, 0.0]), np.eye(4), np.arange(4.0) / 4)
    y = T.tanh(sg.ifelse(c, then, other)).sum()
    f, g = (sg.function([c, *inputs], y, backend=b, on_unused_input="ignore")
            for b in ("llvm", "python"))
    assert len(f.code.driver.results) == 1 + made and len(moves) == moved
    for flag in (1, 0):
        np.testing.assert_allclose(f(flag, *arrays), g(flag, *arrays))


def test_one_value_for_two_results():
    """Each of which has an array of its own."""
    then = T.exp(late)
    assert branch(then, x, sg.ifelse(c, then, x * 2)).kind == "branch"


def test_a_length_that_both_sides_have_is_known(monkeypatch):
    met, meet = [], Chosen.meet
    monkeypatch.setattr(Chosen, "meet", lambda self, k, ends: met.append(
        (ends, meet(self, k, ends))) or met[-1][1])
    sg.function([c, X], T.tanh(sg.ifelse(c, X[1:], X * 2)).sum(), backend="llvm")
    (ends, (_, lengths)), = met
    then, other = (made[0].lengths for _, made in ends)
    assert then[0] != other[0] and then[1] == other[1] == lengths[1]


@pytest.mark.parametrize("mode, idle", [(None, [1]), ("debug", [])])
def test_what_nobody_reads_is_written_for_checks_alone(mode, idle, monkeypatch):
    seen, deliver = [], Chosen.deliver
    monkeypatch.setattr(Chosen, "deliver", lambda self, targets: seen.append(
        [k for k, t in enumerate(targets) if t is None]) or deliver(self, targets))
    product = T.dot(X, x)
    first = sg.ifelse(c, product.sum(), x[0])
    f = sg.function([c, x, X], [first, sg.ifelse(c, product * first, x)], backend="llvm", mode=mode)
    assert seen == [[], idle, [], []]
    np.testing.assert_allclose(f(1, [1.0, 2.0], np.eye(2))[1], [3.0, 6.0])
