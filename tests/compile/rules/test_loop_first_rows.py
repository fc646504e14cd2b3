"""What a loop's first step alone is given, and what all steps are: rows taken apart, one by one."""

from types import SimpleNamespace

import numpy as np
import pytest
from loops_rewritten import f64, numbers, ops, rewritten, same

import symgrad.tensor as T
from symgrad.compile.pool import absorb, export
from symgrad.compile.rewrite import Log
from symgrad.compile.rules.loop_ends import parts, row
from symgrad.compile.rules.loop_work import House
from symgrad.errors import ShapeError
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.scatter import inc_subtensor
from symgrad.types import Type

Y, V, E, G = f64(None, 3)("Y"), f64(3)("V"), f64(None, 3)("E"), f64(None, 3)("G")
R, C, F, J = f64(1, 3)("R"), f64(None, 1)("C"), f64(None, 2, 3)("F"), Type("int64")("J")
N, Z = Y.shape[0], T.zeros_like(Y)
VALUES = {Y: numbers(4, 3), V: numbers(3), E: numbers(4, 3), G: numbers(6, 3), R: numbers(1, 3),
          C: numbers(4, 1), F: numbers(4, 2, 3), J: np.array(2)}


def first(rows=Z, at=0):
    return T.inc_subtensor(rows[at], V)


def plus(k, rows):
    """A sum of so many terms more."""
    for j in range(k):
        rows = rows + T.exp(Y * (j + 2.0))
    return rows


def cut(k, rows):
    for _ in range(k):
        rows = rows[:9]
    return rows


def written(k):
    rows = first()
    for j in range(k):
        rows = T.inc_subtensor(rows[0], V * (j + 2.0))
    return rows


PARTS = {  # rows: how many are for the first step, and terms for all; the same of one backwards
    "Y": "01 01", "Z": "00 00", "first()": "10 01", "first(at=-1)": "01 10", "first(Y)": "11 01",
    "first(Y, -1)": "01 11", "first() + Y": "11 02", "Y + first()": "11 02",
    "first() + first(at=-1)": "11 11", "first() + first(Y)": "21 02", "first() + Y + E": "12 03",
    "first() + R": "01 01", "first() + C": "01 01", "first() + V": "01 01", "R + C": "01 01",
    "T.inc_subtensor(Z[:1], V)": "10 01", "T.inc_subtensor(Z[-1:], V)": "01 10",
    "T.inc_subtensor(Z[:1], V[:1])": "10 01", "T.inc_subtensor(Z[:1, 1:], V[1:])": "10 01",
    "T.inc_subtensor(Z[N - 1], V)": "01 10", "T.inc_subtensor(Z[J], V)": "01 01",
    "T.inc_subtensor(Z[-1:J], V)": "01 01", "T.inc_subtensor(Z[J:1], V)": "01 01",
    "T.inc_subtensor(Z[:1:2], V)": "01 01", "T.inc_subtensor(Z[:], V)": "01 01",
    "T.set_subtensor(Z[0], V)": "10 01", "T.set_subtensor(Y[0], V)": "01 01",
    "T.inc_subtensor(F[0], V)": "11 01", "T.inc_subtensor(F[0, :, 1:], 2.0)": "11 01",
    "T.inc_subtensor(F[0, 1], V)": "11 01", "T.inc_subtensor(F[0, J - 1], V)": "11 01",
    "T.inc_subtensor(F[-1, J - 1:], V)": "01 11",
    "T.inc_subtensor(T.zeros((N, 2, 3))[N - 1, J - 1], V)": "01 10",
    "T.inc_subtensor(Y[0, 0], 2.0)": "11 01", "T.inc_subtensor(Y[:, 0][0], V[0])": "11 01",
    "first(G)[J:]": "01 01", "first(G, -1)[J:]": "01 11", "T.inc_subtensor(G[J], V)[J:]": "01 01",
    "first(G)[:J]": "11 01", "first(G, 3)[J:]": "01 01", "first() + (E + Y)[:4]": "11 02",
    "plus(5, first())": "15 06", "plus(6, first())": "07 07", "cut(5, first())": "10 01",
    "cut(6, first())": "01 01", "written(5)": "60 01", "written(6)": "61 01",
    "plus(5, Z)": "05 05", "cut(2, plus(3, first()))": "13 01", "cut(2, plus(4, first()))": "01 01",
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("text", PARTS)
def test_rows_taken_apart(text, reverse):
    whole = eval(text)
    pool, (x, n) = absorb([whole, N])
    house = House(pool, Log(), frozenset())
    ends, others = parts(house, x, SimpleNamespace(n=n, reverse=reverse))
    assert f"{len(ends)}{len(others)}" == PARTS[text].split()[reverse]
    rows = [row(house, e) for e in ends]
    want, *found = run(export([x, *rows, *others], pool), VALUES)
    have = sum(found[len(ends):], np.zeros(want.shape))
    have[-1 if reverse else 0] += sum(found[:len(ends)], np.zeros(want.shape[1:]))
    np.testing.assert_allclose(have, want)
    if ", 0]" in text:  # a row that is a number
        assert not [n for n in toposort(rows) if n.op is inc_subtensor and n.type.ndim == 0]


def sum_of(rows, n=N, like=R, beside=None, **more):
    """All rows of a state that adds up rows."""
    y, s, x = (f64(*like.type.shape[1:])(k) for k in "ysx")
    seqs, new = {y: rows}, T.tanh(s + y)
    if beside is not None:
        seqs, new = seqs | {x: beside}, new + x
    return Draft(n, seqs, [Rows([s], (1,), like, new)], **more).build()[0]


@pytest.mark.parametrize("rows,beside,inside,fixed", [
    ("T.broadcast_to(V, Y.shape)", None, 0, 1), ("T.broadcast_to(V[:1], Y.shape)", None, 0, 1),
    ("T.broadcast_to(V[:1], (N, 3))", None, 1, 1),
    ("T.broadcast_to(V[0], (N, J))", None, 0, 1), ("T.broadcast_to(V[0], T.shape(E))", "E", 1, 1),
    ("T.broadcast_to(E[0], T.shape(E))", "E", 0, 1), ("Y", None, 0, 0),
])
def test_rows_that_are_the_same_are_stretched_in_the_step_if_it_has_the_lengths(
        rows, beside, inside, fixed):
    Y, E = f64(None, None)("Y"), f64(None, None)("E")
    scope = {"T": T, "V": V, "Y": Y, "E": E, "J": J, "N": Y.shape[0]}
    whole = eval(rows, scope)
    made = sum_of(whole, Y.shape[0] if beside is None else E.shape[0], whole[:1] * 1.0,
                  beside=beside and E)
    given = VALUES | {Y: numbers(4, 3), E: numbers(4, 3), J: np.array(2)}
    left, = same(made, given)
    assert (ops(left).count("broadcast_to"), left.attrs[0].fixed) == (inside, fixed)


@pytest.mark.parametrize("rows", ["first(Y)", "Z + V", "first()", "first(at=-1)", "first() + Y"])
@pytest.mark.parametrize("reverse", [False, True])
def test_more_steps_than_rows_are_an_error(rows, reverse):
    n = Type("int64")("n")
    last = sum_of(eval(rows), n, reverse=reverse)[0 if reverse else -1]
    for steps in (0, 1, 3, 4):
        same(last, VALUES | {n: np.array(steps)})
    for steps in (-1, 5):
        with pytest.raises((ShapeError, ValueError)):
            run(rewritten(last)[0], VALUES | {n: np.array(steps)})


@pytest.mark.parametrize("rows", ["first(Y)", "first()", "first() + Y"])
@pytest.mark.parametrize("read", ["h", "h[:1]", "h[1:]", "h[0]"])
def test_how_a_state_begins_is_not_changed_where_it_is_read(rows, read):
    h = sum_of(eval(rows))
    value = eval(read, {"h": h})
    same(value, VALUES)
    assert "ends" not in rewritten(value)[1]


@pytest.mark.parametrize("steps", [0, 1, 6])
def test_the_first_of_so_many_steps(steps):
    rows, off = first(T.zeros((8, 3), "float64"))[:steps], "-loops.unroll -canonicalise -shapes"
    made = sum_of(rows, T.constant(steps, dtype="int64"))[-1]
    same(made, VALUES, passes=off)
    assert bool(rewritten(made, off)[1].get("ends")) is (steps > 0)


@pytest.mark.parametrize("like,fixed", [("Y[:1]", 0), ("T.sin(V)[None, :J]", 1)])
def test_lengths_of_a_state_are_told_by_what_is_there(like, fixed):
    x, s = f64(None)("x"), f64(None)("s")
    Y = f64(None, None)("Y")
    made = Draft(Y.shape[0], {x: Y}, [Rows([s], (1,), eval(like, {"T": T, "V": V, "J": J, "Y": Y}),
                                           T.tanh(s * s.shape[0]))], {},
                 [Mapped(x.sum() * s.shape[0])]).build()
    left, = same(made, VALUES | {Y: numbers(4, 3)}, passes="-loops.invariant -loops.hoist")
    assert left.attrs[0].fixed == fixed
