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
from symgrad.ops.conv import windows
from symgrad.types import Dim, Type

X, Y, N, NAMELESS = T.dmatrix("x"), T.dvector("y"), T.lscalar("n"), T.dvector()
M = T.lscalar("m")


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
            ({None: (3,)}, ArgumentError, "no input None"),
            ([(3, 4, 5), (4,)], ShapeError, "has 2 axes, not 3"),
            ([(3, 4), (5,)], ShapeError, "lengths differ")):
        with pytest.raises(error, match=match):
            memory(X * Y, said, inputs=(X, Y))
    with pytest.raises(ArgumentError, match="no input None"):  # not the one that has no name
        memory(T.exp(NAMELESS), {None: (3,)}, inputs=(NAMELESS,))
    with pytest.raises(ShapeError, match="n has 0 axes, not 1"):
        memory(X[:N], [(3, 4), (2,)], inputs=(X, N))
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


def test_lengths_that_numbers_tell():
    assert memory(X.reshape((N, M)) * 2.0, [(3, 4), 2, 6], inputs=(X, N, M))[1] == 3 * 4 * 8
    assert memory(X.reshape((N,)) * 2.0, [(3, 4), -1], inputs=(X, N))[1] == 3 * 4 * 8
    assert memory(X.reshape((N, 0)) * 2.0, [(3, 0), -1], inputs=(X, N)) == (0, 0)
    cut = windows(X, N, M, step=(1, 2))
    assert memory(cut, [(5, 7), 3, 2], inputs=(X, N, M)) == (0, 3 * 3 * 3 * 2 * 8)
    three = T.tensor("float64", (3,), "three")
    out, inputs = Y.reshape((N,)) + three, (Y, N, three)
    assert memory(out, [(3,), None, (3,)], inputs=inputs) == (0, 3 * 8)
    for wrong, match in ((out, r"is f64\[3\], not \(4,\)"), (Y + three, "length 4, but 3")):
        with pytest.raises(ShapeError, match=match):
            memory(wrong, [(4,), 4, (3,)], inputs=inputs)
    with pytest.raises(ArgumentError, match="depends on values"):  # not that of an array of zeros
        memory(T.alloc(0.0, T.cast(X.sum(), "int64")), [(3, 4)])
    assert memory(T.exp(X), [(1 << 20, 1 << 20)]) == (0, 1 << 43)  # which is never made
    assert memory(T.exp(X), [(0, 4)]) == (0, 0)


@pytest.mark.parametrize("shared", [False, True])
def test_arrays_of_all_inputs_tell_lengths_that_are_only_compared(shared):
    other = sg.shared(np.zeros(3), "w") if shared else T.dvector("w")
    inputs, zeros = ((Y,), ()) if shared else ((Y, other), (np.zeros(3),))
    out = T.nonzero_values(Y) + other
    assert memory(out, [np.ones(3), *zeros], inputs=inputs)[1] >= 3 * 8
    with pytest.raises(ShapeError, match="does not fit"):
        memory(out, [np.array([1.0, 0, 2]), *zeros], inputs=inputs)


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


C = T.bscalar("c")
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


def test_a_side_that_is_not_taken_need_not_fit():
    for side in (Y[5], Y.reshape((2, N)).sum()):
        out = sg.ifelse(C, side, Y.sum())
        assert memory(out, [0, (3,), 2], inputs=(C, Y, N))[0] == 0


# -- loops and branches: what is kept, and what is there at once


A, B = T.dvector("a"), T.dvector("b")


def scanned(step, **given):
    return sg.scan(step, non_sequences=A, **given)[0]


def grown(b, a):
    return T.tanh(a * b + 1)


ALL = scanned(grown, outputs_info=B, n_steps=N)
BOTH = scanned(lambda b, a: (grown(b, a), b.sum()), outputs_info=[B, None], n_steps=N)
MAP = scanned(lambda r, a: T.cumsum(r * a)[::2] + 1, sequences=X)
UNTIL = scanned(lambda b, a: (grown(b, a), sg.until(b.sum() > 99)), outputs_info=B, n_steps=N)
FOUND = scanned(lambda r, a: T.exp(T.cumsum(T.nonzero_values(r))).sum(), sequences=X)
WAYS = T.cumsum(T.exp(A) + 1)[1:], T.concatenate([A, A, A])
ROW = 10 * 8  # bytes of ten numbers
LOOPED = {  # (inputs, outputs, what is said of them, needs on numpy, needs on python)
    # seven rows; at last six of them are copied
    "state": ((A, B, N), ALL, [(10,), (10,), 6], (ROW, 13 * ROW), (0, 13 * ROW)),
    # one row, and in a step the next; python has a mask for the case of no steps
    "last": ((A, B, N), ALL[-1], [(10,), (10,), 6], (ROW, 2 * ROW), (0, 3 * ROW + 8)),
    # four rows of five, the row before, and in a step ten sums and its row (python: the number of
    # steps, and ten products and a copy of the row, too)
    "map": ((A, X), MAP, [np.ones(10), np.ones((4, 10))], (ROW, 4 * ROW), (0, 8 + 5.5 * ROW)),
    "state and map": ((A, B, N), BOTH, [(10,), (10,), 6], (ROW, 13 * ROW + 6 * 8),
                      (0, 13 * ROW + 2 * 6 * 8)),
    # as the first, and how many steps there were
    "until": ((A, B, N), UNTIL, [np.ones(10), np.ones(10), 6], (ROW, 13 * ROW + 8),
              (0, 13 * ROW + 2 * 8)),
    # what a step makes counts as nothing, if only the step can tell how long it is
    "found": ((A, X), FOUND, [(10,), (4, 10)], (0, 6 * 8), (0, 9 * 8)),
    # the side that makes more, whether or not it runs; at last the result and twice that
    "branch, short": ((A, C), sg.ifelse(C, *WAYS) * 2, [(10,), 1], (ROW, 3 * ROW),
                      (0, 1 + 6 * ROW)),
    "branch, long": ((A, C), sg.ifelse(C, *WAYS) * 2, [(10,), 0], (ROW, 6 * ROW),
                     (0, 1 + 9 * ROW)),
    # of beta c + alpha a @ b python makes a summand and the product apart
    "product": ((X,), T.dot(X, X) + X, [(10, 10)], (0, 10 * ROW), (0, 30 * ROW)),
}


@pytest.mark.parametrize("backend", ["numpy", "python"])
@pytest.mark.parametrize("which", LOOPED)
def test_what_loops_and_branches_take(which, backend):
    inputs, outputs, said, *needs = LOOPED[which]
    assert memory(outputs, said, inputs=inputs, backend=backend) == needs[backend == "python"]


def test_there_is_no_machine_code_for_numpy():
    f = sg.function([X], X * 2, backend="numpy", name="twice")
    for word in ("ir", "asm"):
        with pytest.raises(AttributeError, match=f"twice.{word}: there is no machine code"):
            getattr(f, word)
