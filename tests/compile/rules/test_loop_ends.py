"""Operands of loops that are evidently the same in all steps, or come to one step alone."""

import numpy as np
import pytest
from loops_rewritten import GIVEN, RNG, W, X, f64, numbers, ops, rewritten, same

import symgrad.tensor as T
from symgrad.compile.pool import absorb, export
from symgrad.compile.rewrite import Log
from symgrad.compile.rules.loop_ends import same_rows
from symgrad.compile.rules.loop_results import Work
from symgrad.compile.rules.loop_work import House
from symgrad.compile.rules.loops import BEFORE
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.types import Type

Y, V = Type("float64", (None, 3))("Y"), f64(3)("V")
R, C, J = f64(1, 3)("R"), f64(None, 1)("C"), Type("int64")("J")
N = Y.shape[0]
VALUES = {Y: numbers(4, 3), V: numbers(3), R: numbers(1, 3), C: numbers(4, 1), J: np.array(1)}


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
    "T.inc_subtensor(zeros()[0, J], V[2])": "ends",
    "T.inc_subtensor(zeros()[0, J:], V[1:])": "ends",
    "T.inc_subtensor(zeros()[-1, J], V[2])": "ends",
    "T.inc_subtensor(zeros()[N - 1, J:], V[J:])": "ends",
    "T.inc_subtensor(zeros()[N - 1:, J:], V[1:])": "ends",
    "T.inc_subtensor(zeros()[N - 1:], V)": "ends", "T.inc_subtensor(zeros()[:1], 2.0)": "ends",
    "T.inc_subtensor(zeros()[0], V) + R": "", "T.inc_subtensor(zeros()[0], V) + C": "",
    "T.inc_subtensor(zeros()[-1:, 1:], 2.0)": "ends", "T.inc_subtensor(zeros()[0], 2.0)": "ends",
    "T.inc_subtensor(zeros()[J:], V)": "", "T.inc_subtensor(zeros()[:J], V)": "",
    "T.inc_subtensor(zeros()[J], V)": "", "T.inc_subtensor(zeros()[J - 1:J], V)": "",
    "T.broadcast_to(R, Y.shape)": "steady", "T.broadcast_to(C, Y.shape)": "",
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
    what = SEQUENCES[text]
    if what == "ends":  # where the step that is first reads it
        first = "-1" in text or "N - 1" in text
        what = "ends" if first is reverse else ""
    left = same(outputs, VALUES, *[what] * bool(what))
    assert [len(n.attrs[0].outputs) for n in left] == [1]
    assert set(rewritten(outputs)[1]) & {"ends", "steady"} == {what} - {""}


@pytest.mark.parametrize("text", [t for t in SEQUENCES if SEQUENCES[t] == "ends"])
def test_no_steps_no_rows(text):
    y, s = f64(3)("y"), f64(3)("s")
    n = Type("int64")("n")
    made = Draft(n, {y: eval(text)}, [Rows([s], (1,), T.ones((1, 3), "float64"), T.tanh(s + y))]
                 ).build()[0][-1]
    for steps in (0, 1, 3):
        same(made, VALUES | {Y: numbers(3, 3), n: np.array(steps)})


@pytest.mark.parametrize("part, reverse", [("[:1]", False), ("[-1:]", True), ("[:1, 1:]", False)])
def test_where_there_are_no_steps_nothing_is_added(part, reverse):
    y, s = f64(3)("y"), f64(3)("s")
    rows = eval(f"T.inc_subtensor(zeros(){part}, 2.0)")
    made = Draft(N, {y: rows}, [Rows([s], (1,), R, T.tanh(s + y))], {}, [], None,
                 reverse).build()[0]
    for count in (0, 1, 3):
        same(made[0 if reverse else -1], VALUES | {Y: numbers(count, 3)}, "ends")


def test_no_question_is_asked_where_the_steps_are_known():
    y, s = f64(3)("y"), f64(3)("s")
    rows = T.inc_subtensor(T.zeros((7, 3), "float64")[0], V)
    made = Draft(T.constant(7, dtype="int64"), {y: rows}, [
        Rows([s], (1,), R, T.tanh(s + y))]).build()[0][-1]
    same(made, VALUES, "ends")
    assert "where" not in [n.op.name for n in toposort(rewritten(made)[0])]


def test_a_loop_with_nothing_to_do_is_left_alone():
    x, s = f64(3)("x"), f64(3)("s")
    made = Draft(N, {x: Y}, [Rows([s], (1,), R, T.tanh(s * x.shape[0] + x))], {},
                 [Mapped(s * x)]).build()
    pool, graph = absorb(made)
    house, node = House(pool, Log(), frozenset()), graph[0].inputs[0]
    for form in BEFORE:
        work = Work(house, node, node.inputs)
        form(work)
        assert not work.changed, form
        assert [r.inputs[0] is node for r in work.emit()] == [True, True]


CUT = {  # what is read of 8 rows in 7 steps: whether a row is the first one's, and backwards
    "T.inc_subtensor(Z[-1], V)[1:]": (False, True),
    "T.inc_subtensor(Z[-1], V)[:-1]": (False, False),
    "T.inc_subtensor(Z[0], V)[1:]": (False, False), "T.inc_subtensor(Z[0], V)[:-1]": (True, False),
    "T.inc_subtensor(Z[0], V)[:7]": (True, False), "T.inc_subtensor(Z[7], V)[1:]": (False, True),
    "T.inc_subtensor(Z[6], V)[:7]": (False, False), "T.inc_subtensor(Z[6], V)[1:]": (False, False),
    "(T.inc_subtensor(Z[-1], V) + E)[1:]": (False, True),
    "(T.inc_subtensor(Z[0], V) + E)[:-1]": (True, False),
    "(T.inc_subtensor(Z[7], V) + E)[:-1]": (False, False),
    "(T.inc_subtensor(Z[0], V) + E)[1:]": (False, False),
    "(T.inc_subtensor(Z[-1], V) + E)[::-1][1:]": (False, False),
    "(T.inc_subtensor(Z[0], V)[:, ::-1] + E)[:-1]": (False, False),
    "(T.inc_subtensor(T.zeros_like(H)[0], V) + T.exp(H))[:N]": (True, False),
    "(T.inc_subtensor(T.zeros_like(H)[-1], V) + T.exp(H))[1:]": (False, True),
    "(T.inc_subtensor(T.zeros_like(H)[N], V) + T.exp(H))[1:]": (False, True),
    "(T.inc_subtensor(T.zeros_like(H)[N - 1], V) + T.exp(H))[1:]": (False, False),
    "(T.inc_subtensor(T.zeros_like(H)[-1], V) + T.exp(H))[:N]": (False, False),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("text", CUT)
def test_a_row_of_a_part(text, reverse):
    """A write to more rows than are read counts if it is the row that the first step reads."""
    y, s, x = f64(3)("y"), f64(3)("s"), f64(3)("x")
    seen = f64(8, 3)("E")
    long = Draft(N, {x: Y}, [Rows([s], (1,), R, T.tanh(s + x))]).build()[0]
    rows = eval(text, globals() | {"Z": T.zeros((8, 3), "float64"), "E": seen, "H": long})
    n = N if "H" in text else T.constant(7, dtype="int64")
    made = Draft(n, {y: rows}, [Rows([s], (1,), R, T.tanh(s + y))], {}, [], None,
                 reverse).build()[0][0 if reverse else -1]
    for passes in ("", "-shapes -canonicalise"):
        same(made, VALUES | {seen: numbers(8, 3)}, passes=passes)
        assert bool(rewritten(made, passes)[1].get("ends")) is CUT[text][reverse]


def test_rows_that_are_the_same_once_the_first_has_gone():
    """They are fixed, unless that form is off."""
    y, s = f64(3)("y"), f64(3)("s")
    rows = T.inc_subtensor(zeros()[0], V) + T.exp(zeros() + V)
    made = Draft(N, {y: rows}, [Rows([s], (1,), R, T.tanh(s + y))]).build()[0][-1]
    assert [n.attrs[0].seqs for n in same(made, VALUES, "ends")] == [0]
    assert [n.attrs[0].seqs for n in same(made, VALUES, "ends", passes="-loops.steady")] == [1]


MEETINGS = {  # the next state, of it (s), its sequence (y), another (x) and a number (c)
    "s + y": True, "T.tanh((y + x) + s)": True, "T.tanh(y + (x + s))": True,
    "T.tanh((x + y) + (s + x * c))": True, "T.tanh((y + c) + s)": True, "T.tanh((c + y) + s)": True,
    "(T.stack([x, x * 2]) + y + s).sum(0)": True, "T.tanh((y + 0.5) + s)": True,
    "T.tanh(s + y) * y": False, "T.tanh(s + y) + s": False, "T.tanh(s * 2 + y)": False,
    "T.tanh(y + y + s)": False, "T.tanh(s * y)": False, "T.tanh(s - y)": False, "x + y": False,
    "T.tanh(T.tanh(y) + s)": False, "T.tanh(T.tanh(y + x) + s)": False,
}


@pytest.mark.parametrize("shape", [(3,), ()])
@pytest.mark.parametrize("text", MEETINGS)
def test_where_a_row_meets_the_state(text, shape):
    if not shape and "stack" in text:
        return
    rows = f64(None, *shape)("rows")
    y, s, x, c, f = (f64(*t)(k) for t, k in zip([shape] * 3 + [()] * 2, "ysxcf", strict=True))
    first = T.inc_subtensor(T.zeros_like(rows)[0], rows[1])
    new = eval(text, {"T": T, "s": s, "x": x, "y": y, "c": c})
    given = {rows: numbers(4, *shape), f: np.array(0.3)}
    for seqs, passes in (({y: first, x: rows}, ""), ({x: rows, y: first}, "-collect")):
        made = Draft(rows.shape[0], seqs, [Rows([s], (1,), rows[:1], new)], {c: f}).build()[0][-1]
        same(made, given, passes=passes)
        fired = rewritten(made, f"{passes} -loops.hoist -loops.invariant")[1]
        assert bool(fired.get("ends")) is MEETINGS[text], passes


@pytest.mark.parametrize("taps", [(2,), (1, 2), (3,)])
def test_a_row_does_not_meet_a_state_of_several_rows(taps):
    y, reads = f64(3)("y"), [f64(3)("s") for _ in taps]
    made = Draft(N, {y: T.inc_subtensor(zeros()[0], V)}, [
        Rows(reads, taps, Y[:max(taps)], T.tanh(reads[0] + y) + sum(reads[1:]))]).build()[0][-1]
    same(made, VALUES)
    assert "ends" not in rewritten(made)[1]


def test_a_row_that_is_stretched_is_not_added_to_a_state():
    y, s = f64(1)("y"), f64(3)("s")
    rows = T.inc_subtensor(T.zeros((N, 1), "float64")[0], V[:1])
    made = Draft(N, {y: rows}, [Rows([s], (1,), R, T.tanh(s + y))]).build()[0][-1]
    same(made, VALUES)
    assert "ends" not in rewritten(made)[1]


def deep(k):
    rows = T.broadcast_to(V, (N + 2, 3))
    for _ in range(k):
        rows = T.sin(rows)
    return rows


ALIKE = {  # rows, and whether it is evident that they are all the same
    "zeros() + V": True, "V + zeros()": True, "T.broadcast_to(R, Y.shape)": True,
    "T.alloc(V, N, 3)": True, "T.broadcast_to(R[:, :1], Y.shape)": True,
    "T.broadcast_to(V[:1], (N, 1)) * T.broadcast_to(V, Y.shape)": True,
    "T.broadcast_to(V, Y.shape) * T.broadcast_to(V[:1], (N, 1))": True,
    "T.broadcast_to(V, Y.shape) * T.alloc(V[:1], N, 1)": True,
    "deep(0)[2:]": True, "deep(0)[:N]": True, "deep(5)": True, "deep(6)": False,
    "deep(4)[1:]": True, "deep(5)[1:]": False, "deep(0)[::2]": False, "deep(0)[:, 1:]": False,
    "deep(0)[:, :]": True, "deep(0)[0]": False, "T.broadcast_to(V, (2, N, 3))[0]": False,
    "T.broadcast_to(V[0], (N,))[1:]": True, "T.broadcast_to(V, (N, 2, 3))[1:, :, 1:]": False,
    "Y": False, "zeros() + Y": False, "Y + zeros()": False,
    "T.broadcast_to(C, Y.shape)": False, "T.broadcast_to(V.dimshuffle('x', 0), Y.shape)": True,
    "zeros() + C": False, "T.stack([V] * 4)": False, "T.cumsum(zeros(), axis=0)": False,
    "T.alloc(V[:1].dimshuffle(0, 'x'), N, 1, 3) + T.alloc(V.dimshuffle(0, 'x'), N, 3, 1)": False,
}


@pytest.mark.parametrize("text", ALIKE)
def test_rows_that_are_evidently_the_same(text):
    pool, (x,) = absorb([eval(text)])
    found = same_rows(House(pool, Log(), frozenset()), x)
    assert (found is not None) is ALIKE[text]
    if found is not None:
        row, *sizes = run(export([found[0], *found[1]], pool), VALUES)
        rows, = run(export([x], pool), VALUES)
        assert rows.shape[1:] == tuple(sizes)
        for r in rows:
            np.testing.assert_array_equal(np.broadcast_to(row, sizes), r)


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


STEADY = {  # taps of a state, what it goes on as, whether it is kept, whether it never changes
    "never": ((1,), "r", True, True), "never, and its last row": ((1,), "r", False, True),
    "every other": ((2,), "r", True, False), "one of two": ((1, 2), "r", True, False),
    "the other of two": ((1, 2), "q", True, False), "another state": ((1,), "s", True, False),
    "a little": ((1,), "r + 0.1", True, False),
}


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("how", STEADY)
def test_which_states_never_change(how, ends):
    """Where a loop may end it is not known how many rows there are."""
    taps, new, keep, steady = STEADY[how]
    x, s, r, q = (f64(3)(k) for k in "xsrq")
    init = T.stack([V] * max(taps))
    made = Draft(N, {x: Y}, [
        Rows([s], (1,), R, T.tanh(s + x * r)),
        Rows([r, q][:len(taps)], taps, init, eval(new, {"s": s, "r": r, "q": q}), keep)], {}, [],
        T.gt(s.sum(), 99.0) if ends else None).build()
    left, = same(made, VALUES, passes="-loops.trim")
    assert len(left.attrs[0].states) == (1 if steady and not ends else 2)


@pytest.mark.parametrize("ends", [False, True])
def test_a_map_of_a_fixed_operand(ends):
    x, s, v = (f64(3)(k) for k in "xsv")
    made = Draft(N, {x: Y}, [Rows([s], (1,), R, T.tanh(s + x))], {v: V}, [Mapped(v)],
                 T.gt(s.sum(), 99.0) if ends else None).build()
    left, = same(made, VALUES)
    assert len(left.attrs[0].maps) == ends


@pytest.mark.parametrize("like", ["Y[:1]", "T.sin(F).dimshuffle('x', 0)"])
def test_lengths_are_not_read_off_states(like):
    """So that a state may go that only its length is needed of."""
    x, s, F = f64(None)("x"), f64(None)("s"), f64(None)("F")
    made = Draft(N, {x: Y}, [Rows([s], (1,), eval(like, globals() | {"F": F}), T.tanh(s))], {},
                 [Mapped(x * s.shape[0])]).build()
    assert not same(made[1], VALUES | {F: numbers(2)})


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
