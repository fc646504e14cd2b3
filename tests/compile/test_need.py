"""How many bytes a call takes, said beforehand: what is kept between calls, what is made anew."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, ShapeError

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
