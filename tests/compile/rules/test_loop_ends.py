"""Operands of loops that are evidently the same in all steps, or come to one step alone."""

import numpy as np
import pytest
from loops_rewritten import GIVEN, RNG, W, X, f64, numbers, ops, same

import symgrad.tensor as T
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.types import Type

Y, V = Type("float64", (None, 3))("Y"), f64(3)("V")
N = Y.shape[0]


def zeros():
    return T.zeros_like(Y)


SEQUENCES = {  # what a state adds up: the text, and what fires
    "T.inc_subtensor(zeros()[-1], V)": "ends", "T.inc_subtensor(zeros()[0], V)": "ends",
    "T.set_subtensor(zeros()[0], V)": "ends", "T.set_subtensor(zeros()[-1], V)": "ends",
    "T.inc_subtensor(zeros()[0:1], V)": "ends", "T.inc_subtensor(zeros()[:1], V)": "ends",
    "T.inc_subtensor(zeros()[-1:], V)": "ends", "T.inc_subtensor(zeros()[0, 1], V[2])": "ends",
    "T.inc_subtensor(zeros()[0, 1:], V[1:])": "ends",
    "T.inc_subtensor(zeros()[-1, ::-1], V)": "ends",
    "T.inc_subtensor(zeros()[N - 1], V)": "ends", "T.inc_subtensor(Y[0], V)": "ends",
    "T.inc_subtensor(Y[-1], V)": "ends", "T.inc_subtensor(zeros()[0], V) + Y": "ends",
    "Y + T.inc_subtensor(zeros()[-1], V)": "ends",
    "T.inc_subtensor(zeros()[0], V) + T.inc_subtensor(zeros()[0, 1], V[2])": "ends",
    "T.inc_subtensor(zeros()[1:2], V)": "", "T.inc_subtensor(zeros()[1], V)": "",
    "T.inc_subtensor(zeros()[-2], V)": "", "T.inc_subtensor(zeros()[0:2], V)": "",
    "T.inc_subtensor(zeros()[::2], V)": "", "T.inc_subtensor(zeros()[:-1], V)": "",
    "T.inc_subtensor(zeros()[:, 1], V[2])": "", "T.set_subtensor(Y[0], V)": "",
    "T.inc_subtensor(zeros()[N - 2], V)": "", "T.inc_subtensor(zeros()[1:], V)": "",
    "zeros() + V": "steady", "zeros() + 2.0": "steady", "T.exp(zeros() + V) * 2.0": "steady",
    "(zeros() + V)[::-1]": "", "T.stack([V] * 4)": "", "Y * V": "", "Y": "",
    "T.join(0, V.dimshuffle('x', 0), Y[1:])": "",
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("text", SEQUENCES)
def test_what_comes_to_a_state(text, reverse):
    """A row for the step that is first belongs to how the state begins; the same row in each is
    fixed."""
    y, s, x = f64(3)("y"), f64(3)("s"), f64(3)("x")
    made = Draft(N, {y: eval(text), x: Y}, [Rows([s], (1,), T.zeros((1, 3), "float64"),
                                                T.tanh(s + y) + x)], {}, [], None,
                 reverse).build()[0]
    outputs = made[0 if reverse else -1]
    given = {Y: numbers(4, 3), V: numbers(3)}
    what = SEQUENCES[text]
    if what == "ends":  # where the step that is first reads it
        first = "-1" in text or "N - 1" in text
        what = "ends" if first is reverse else ""
    left = same(outputs, given, *[what] * bool(what))
    assert [len(n.attrs[0].outputs) for n in left] == [1]


@pytest.mark.parametrize("text", [t for t in SEQUENCES if SEQUENCES[t] == "ends"])
def test_no_steps_no_rows(text):
    y, s = f64(3)("y"), f64(3)("s")
    n = Type("int64")("n")
    made = Draft(n, {y: eval(text)}, [Rows([s], (1,), T.ones((1, 3), "float64"), T.tanh(s + y))]
                 ).build()[0][-1]
    for steps in (0, 1, 3):
        same(made, {Y: numbers(3, 3), V: numbers(3), n: np.array(steps)})


def test_a_long_sum_is_not_looked_through_to_its_end():
    """Nothing recurs as deep as a user's sum is long."""
    rows = T.tanh(Y)
    for k in range(1500):
        rows = rows + T.exp(Y * (k + 0.5))
    y, s = f64(3)("y"), f64(3)("s")
    made = Draft(N, {y: rows}, [Rows([s], (1,), T.zeros((1, 3), "float64"), T.tanh(s + y))]
                 ).build()[0][-1]
    same(made, {Y: numbers(2, 3)}, passes="-collect")


@pytest.mark.parametrize("steps", [None, 12])
@pytest.mark.parametrize("read", ["r", "r[-1]", "r[1:]", "r.sum(0)"])
def test_a_state_that_never_changes(steps, read):
    """It has as many rows as there are steps, and one more."""
    x, s, r = f64(3)("x"), f64(3)("s"), f64(3)("r")
    n = N if steps is None else T.constant(steps, dtype="int64")
    made = Draft(n, {x: Y}, [Rows([s], (1,), T.zeros((1, 3), "float64"), T.tanh(s + x * r)),
                             Rows([r], (1,), V.dimshuffle("x", 0), r)]).build()
    left, = same([made[0], eval(read, {"r": made[1]})], {Y: numbers(12, 3), V: numbers(3)},
                 "steady")
    assert len(left.attrs[0].states) == 1


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("value", ["s", "n", "T.exp(x)", "x"])
def test_a_map_of_what_a_state_writes(value, kept):
    """Values that are written as rows of a state are not kept twice."""
    x, s = f64(3)("x"), f64(3)("s")
    new = T.tanh(s + x)
    mapped = eval(value, {"s": s, "n": new, "x": x, "T": T})
    made = Draft(N, {x: Y}, [Rows([s], (1,), T.zeros((1, 3), "float64"), new)], {},
                 [Mapped(mapped)]).build()
    left, = same([made[0] if kept else made[0][-1], made[1]], {Y: numbers(4, 3)})
    assert len(left.attrs[0].maps) == 0 or not kept or value in ("T.exp(x)", "x", "s")


def test_indices_keep_their_step():
    """A loop over ids and rows of a table, ids alike and not."""
    ids = Type("int64", (None,))("ids")
    i, j, s = Type("int64")("i"), Type("int64")("j"), f64(4)("s")
    w = f64(None, None)("w")
    made = Draft(ids.shape[0], {i: ids, j: ids[::-1]},
                 [Rows([s], (1,), T.zeros((1, 4), "float64"), T.tanh(s + w[i] * w[j]))],
                 {w: W}).build()[0]
    left, = same(made, GIVEN | {ids: RNG.integers(0, 3, 5), X: numbers(5, 3)})
    assert "gather" not in ops(left)
