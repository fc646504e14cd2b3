"""Parts that are written one behind the other are a join: where that is so, and the values."""

import numpy as np
import pytest
from test_rules import fires

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.rules import written
from symgrad.compile.rules.common import given, mat, num, var, vec
from symgrad.errors import ShapeError
from symgrad.interpret import run
from symgrad.node import INPUT, toposort
from symgrad.ops.index import FULL, Slice, tidy_index
from symgrad.ops.math import exp, neg
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import transpose
from symgrad.ops.source import zeros_like
from symgrad.types import Dim

X, Y = T.dmatrix("x"), T.tensor("float64", (None, 5), "y")
GIVEN = {X: np.arange(20.0).reshape(4, 5), Y: np.arange(20.0).reshape(4, 5) + 1}


def write(x, y, *scalars, idx):
    return inc_subtensor.of(x, y, *scalars, idx=idx, set=False)


def rows(*bounds, like=None, y=None):
    """Zeros like a vector (or the rows of something else) in which its ranges are written."""
    like = vec() if like is None else like
    whole = zeros_like(like)
    for b in bounds:
        idx = tidy_index([like.type], (Slice(*b), *[FULL] * (like.type.ndim - 1)))[0]
        whole = write(whole, neg(like[slice(*b)]) if y is None else y, idx=idx)
    return whole


def columns(*bounds, like=None, y=None):
    """The same of the columns of a matrix; `y` makes what is written of what there was."""
    like = mat() if like is None else like
    whole = zeros_like(like)
    for b in bounds:
        part = like[:, slice(*b)]
        whole = write(whole, neg(part) if y is None else y(part), idx=(FULL, Slice(*b)))
    return whole


def ones(k):
    """k rows one by one, and what is left."""
    return rows(*[(j, j + 1) for j in range(k)], (k, None))


def parted(*sizes, like=None, stops=(2, None), whole=None):
    """Ranges up to these stops, in which vectors of these sizes are written."""
    whole, start = zeros_like(vec() if like is None else like) if whole is None else whole, None
    for stop, n in zip(stops, sizes, strict=True):
        whole = write(whole, var("float64", n), idx=(Slice(start, stop),))
        start = stop
    return whole


def tangled(x):
    """A value to which there are more ways than can be gone one by one."""
    a, b = x, exp(x)
    for _ in range(60):
        a, b = b, a * b
    return b


FIVE = var("float64", 5)
CASES = [
    (rows((0, 2), (2, None)), True), (rows((2, None), (0, 2)), True),
    (rows((0, 2), (2, None), like=mat()), True), (rows((0, 2), (2, 5), like=FIVE), True),
    (rows((0, 5), (5, 2), (2, None)), False), (rows((0, 0), (0, None)), False),
    (rows((0, 2), (2, 5)), False), (rows((0, 2), (2, -1), (-1, None)), False),
    (rows((0, -2), (-2, None)), False), (rows((0, 2), (3, None)), False),
    (rows((0, 2), (0, None)), False), (rows((1, None)), False),
    (rows((0, 2), (2, None), y=num()), False), (rows((0, 2), (2, None, 2)), False),
    (ones(written.MOST_PARTS - 1), True), (ones(written.MOST_PARTS), False),
    (columns((None, 2), (2, None)), True),
    (columns((None, 2), (2, 5), like=var("float64", None, 5)), True),
    (columns((None, 2), (2, None), (None, 2)), False),
    (columns((None, 2), (2, 4), like=var("float64", None, 5)), False),
    (columns((None, 2), (2, 2), (2, None)), False), (columns((None, 3), (3, 1), (1, None)), False),
    (given(vec(), lambda v: write(write(zeros_like(v), num(), idx=(0,)), v[1:],
                                  idx=(Slice(1),))), False),
    (given((vec(), num("int64")), lambda p: write(
        write(zeros_like(p[0]), p[0][:p[1]], p[1], idx=(Slice(None, "@"),)), p[0][p[1]:], p[1],
        idx=(Slice("@"),))), False),
    # what is written is as long as the range: known, read from such a range, or not for sure
    (parted(2, None), True), (parted(3, None), False), (parted(1, None), False),
    (parted(None, None), False), (parted(2, 3, like=FIVE), True),
    (parted(2, 2, None, stops=(2, 4, None)), True), (parted(2, 4, None, stops=(2, 4, None)), False),
    (parted(None, 2, None, stops=(2, 4, None)), False), (parted(2, None, whole=vec()), False),
    (columns((None, 2), (2, None), y=lambda part: exp(part * part)), True),
    (columns((None, 2), (2, None), y=lambda part: exp(part + mat())), True),
    (given(vec(), lambda v: write(rows((None, 2), like=v, y=v[1:3]), v[2:], idx=(Slice(2),))),
     False),
    (given(vec(), lambda v: write(rows((None, 2), like=v, y=vec()[:2]), v[2:], idx=(Slice(2),))),
     False),
    (given(mat(), lambda m: write(columns((None, 2), like=m, y=lambda part: m[:2]), m[:, 2:],
                                  idx=(FULL, Slice(2)))), False),
    (given(mat(), lambda m: write(columns((None, 2), like=m, y=lambda part: transpose.of(
        transpose.of(m)[:2])), m[:, 2:], idx=(FULL, Slice(2)))), True),
    (given(var("float64", 3, None), lambda m: write(
        rows((None, 2), like=m[0], y=m[1, :2]), m[1, 2:], idx=(Slice(2),))), True),
    (given(var("float64", None, 3), lambda m: write(
        rows((None, 2), like=mat()[0], y=m[:2, 1]), mat()[1, 2:], idx=(Slice(2),))), False),
    (given(vec(), lambda v: write(rows((None, 2), like=v, y=tangled(v[1:])), v[2:],
                                  idx=(Slice(2),))), False),
]


@pytest.mark.parametrize("graph,yes", CASES, ids=[str(k) for k in range(len(CASES))])
def test_it_fires(graph, yes):
    hit = fires(written.WRITES_AS_JOIN, graph)
    assert (hit is not None) is yes
    x, *more = [n for n in toposort(list(hit or ())) if n.op is INPUT] or [None]
    for length in () if x is None or more else (0, 1, 3, 7):
        shape = [length if isinstance(d, Dim) else d for d in x.type.shape]
        want, have = run(list(hit), {x: np.arange(float(np.prod(shape))).reshape(shape) + 1})
        np.testing.assert_array_equal(have, want, strict=True)


def test_there_are_as_many_parts_as_that():
    assert written.MOST_PARTS == 64


@pytest.mark.parametrize("like,parts,joined", [
    (X, [(None, 1), (1, 3), (3, None)], True), (X, [(3, None), (None, 1), (1, 3)], True),
    (X, [(None, 2), (2, None), (None, 2)], True), (X, [(2, None), (3, None), (None, 2)], False),
    (X, [(None, 3), (2, None)], False), (X, [(1, 2), (2, None)], False), (X, [(None, 2)], False),
])
def test_parts_of_zeros(like, parts, joined):
    out = columns(*parts, like=like)
    f = sg.function([like], out)
    assert ("specialise.writes_as_join" in f.report.fired) is joined
    np.testing.assert_array_equal(f(GIVEN[like]), out.eval({like: GIVEN[like]}))


def test_other_writes_are_left_alone():
    for out in (T.inc_subtensor(columns((None, 2), like=X)[0], 1.0),
                T.inc_subtensor(T.inc_subtensor((X * 1.0)[:, :2], 1.0)[:, 2:], 2.0),
                T.inc_subtensor(T.inc_subtensor(T.zeros_like(X)[:, :2], X[:, :2])[:, 2::1],
                                X[:, 2:] * 2), T.inc_subtensor(
                    T.inc_subtensor(T.zeros_like(X)[:2], X[:2])[:, 2:], X[:, 2:])):
        np.testing.assert_array_equal(sg.function([X], out)(GIVEN[X]), out.eval({X: GIVEN[X]}))


@pytest.mark.parametrize("first,second", [(3, 2), (1, 4), (2, 2)])
def test_parts_that_do_not_fit_are_refused(first, second):
    v, a, b = T.vectors("v", "a", "b")
    whole = T.set_subtensor(T.set_subtensor(T.zeros_like(v)[:2], a)[2:], b)
    f = sg.function([v, a, b], whole, backend="numpy")
    with pytest.raises(ShapeError):
        f(np.ones(5), np.ones(first), np.ones(second))
