"""Parts that are written one behind the other are a join."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T

X, Y = T.dmatrix("x"), T.tensor("float64", (None, 5), "y")
GIVEN = {X: np.arange(20.0).reshape(4, 5), Y: np.arange(20.0).reshape(4, 5) + 1}


def written(like, *parts):
    """Zeros like a matrix, with its own columns, negative, written into ranges."""
    out = T.zeros_like(like)
    for a, b in parts:
        out = T.inc_subtensor(out[:, a:b], -like[:, a:b])
    return out


@pytest.mark.parametrize("like,parts,joined", [
    (X, [(0, 2), (2, None)], True), (X, [(2, None), (0, 2)], True), (Y, [(0, 2), (2, 5)], True),
    (X, [(0, 1), (1, 3), (3, None)], True), (X, [(3, None), (0, 1), (1, 3)], True),
    (X, [(0, 2)], False), (X, [(0, 2), (3, None)], False), (X, [(0, 3), (2, None)], False),
    (X, [(0, 2), (2, 4)], False), (X, [(1, 2), (2, None)], False),
    (X, [(0, 2), (2, None), (0, 2)], True), (X, [(2, None), (3, None), (0, 2)], False),
])
def test_parts_of_zeros(like, parts, joined):
    out = written(like, *parts)
    f = sg.function([like], out)
    assert ("specialise.writes_as_join" in f.report.fired) is joined
    np.testing.assert_array_equal(f(GIVEN[like]), out.eval({like: GIVEN[like]}))


def test_other_writes_are_left_alone():
    for out in (T.inc_subtensor(written(X, (0, 2))[0], 1.0),
                T.inc_subtensor(T.inc_subtensor((X * 1.0)[:, :2], 1.0)[:, 2:], 2.0),
                T.inc_subtensor(T.inc_subtensor(T.zeros_like(X)[:, :2], X[:, :2])[:, 2::1],
                                X[:, 2:] * 2), T.inc_subtensor(
                    T.inc_subtensor(T.zeros_like(X)[:2], X[:2])[:, 2:], X[:, 2:])):
        np.testing.assert_array_equal(sg.function([X], out)(GIVEN[X]), out.eval({X: GIVEN[X]}))
