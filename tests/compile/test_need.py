"""How many bytes a call takes, said beforehand: what is kept between calls, what is made anew."""

from types import SimpleNamespace

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.memory import Rows
from symgrad.compile.need import Lengths
from symgrad.config import options
from symgrad.errors import ArgumentError, ShapeError
from symgrad.types import Dim, Type

X, Y, N = T.dmatrix("x"), T.dvector("y"), T.lscalar("n")


def memory(outputs, *said, backend="numpy", inputs=(X,), **named):
    need = sg.function(list(inputs), outputs, backend=backend, on_unused_input="ignore").memory(
        *said, **named)
    assert need.total == need.arena + need.fresh
    return need.arena, need.fresh


def test_shapes_are_said_by_place_name_or_variable():
    out, want = X * Y, (0, 3 * 4 * 8)
    for said, named in (([(3, 4), (4,)], {}), ([(3, 4)], {"y": (4,)}), ((), {"x": (3, 4),
                                                                           "y": (4,)}),
                        ({X: (3, 4), "y": (4,)}, {}), ({0: (3, 4), 1: (4,)}, {}),
                        ([np.ones((3, 4)), np.ones(4)], {})):
        assert memory(out, said, inputs=(X, Y), **named) == want


def test_what_is_missing_or_wrong_is_told():
    for said, error, match in (
            ([(3, 4)], ArgumentError, "shape of y is missing"),
            ([(3, 4), (4,), (1,)], ArgumentError, "3 shapes for 2 inputs"),
            ({"z": (3,)}, ArgumentError, "no input 'z'"), ({2: (3,)}, ArgumentError, "no input 2"),
            ({-1: (3,)}, ArgumentError, "no input -1"),
            ([(3, 4, 5), (4,)], ShapeError, "has 2 axes, not 3"),
            ([(3, 4), (5,)], ShapeError, "lengths differ")):
        with pytest.raises(error, match=match):
            memory(X * Y, said, inputs=(X, Y))
    known = T.tensor("float64", (None, 3), "k")
    with pytest.raises(ShapeError, match="k is"):
        memory(known * 2, [(2, 4)], inputs=(known,))


def test_lengths_that_other_lengths_tell():
    assert memory(T.join(0, X, X[1:]), [(3, 4)]) == (0, 5 * 4 * 8)
    assert memory(X.reshape((-1, 2)), [(3, 4)])[1] == 3 * 4 * 8
    assert memory(X.reshape((-1, 2)) * 2.0, [(3, 4)])[1] == 3 * 4 * 8
    assert memory(X.reshape((2, -1, 2)) * 2.0, [(3, 4)])[1] == 3 * 4 * 8
    assert memory(X[:N] * 2.0, [(3, 4), 2], inputs=(X, N)) == (0, 2 * 4 * 8)
    with pytest.raises(ArgumentError, match="depends on values"):
        memory(T.nonzero_values(Y), [(3,)], inputs=(Y,))
    assert memory(T.nonzero_values(Y) * 2.0, [np.array([1.0, 0, 2])], inputs=(Y,))[1] >= 2 * 8


def test_rows_of_a_block_and_lengths_that_are_more():
    n, k = Dim("n"), Dim("k")
    known = Lengths({n: 1000, k: 5})
    more = SimpleNamespace(base=n, more=2)
    known_more = known.__missing__(more)
    assert known_more == 1002 and known.of(7) == 7 and known.of(n) == 1000
    assert known.bytes(Type("float32", (n, 3))) == 12_000
    for block, inner, rows in ((800, (), 100), (800, (k,), 20), (80_000, (k,), 1000), (8, (k,), 1),
                               (800, (k, 2), 10)):
        with options(block_bytes=block):
            assert known[Rows(n, inner, 8)] == rows
    with options(block_bytes=100):  # of nothing there is room for as many as it has bytes
        assert known[Rows(n, (0,), 8)] == 100
    with pytest.raises(KeyError):
        known[Dim("other")]


C, M = T.bscalar("c"), T.lscalar("m")
SIDES = {"cut": (Y[1:], T.concatenate([Y, Y])), "found": (T.nonzero_values(Y), Y),
         "rows": (X[X[:, 0] > 0], X)}


@pytest.mark.parametrize("sides, said, fresh", [
    ("cut", (1, (3,)), 48), ("cut", (0, (3,)), 96), ("cut", (None, (3,)), None),
    ("found", (1, (3,)), None), ("found", (0, (3,)), 48), ("rows", (1, (3, 2)), None),
    ("rows", (1, np.ones((3, 2))), 96), ("rows", (0, (3, 2)), 96)])
def test_lengths_that_a_side_tells(sides, said, fresh):
    chosen = sg.ifelse(C, *SIDES[sides]) * 2
    inputs = C, X if sides == "rows" else Y
    if fresh is None:
        with pytest.raises(ArgumentError, match="depends on values"):
            memory(chosen, said, inputs=inputs)
    else:
        assert memory(chosen, said, inputs=inputs)[1] == fresh


def test_one_length_of_several_is_missing():
    out = T.alloc(0.0, N, M) + Y
    assert memory(out, [4, 3, (3,)], inputs=(N, M, Y)) == (0, 4 * 3 * 8)
    for said in ([None, None, (3,)], [4, None, (3,)]):
        with pytest.raises(ArgumentError, match="depends on values"):
            memory(out, said, inputs=(N, M, Y))
