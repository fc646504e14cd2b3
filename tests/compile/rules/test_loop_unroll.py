"""Few steps are no loop; which are few."""

import numpy as np
import pytest
from loops_rewritten import rewritten, same

import symgrad.tensor as T
from symgrad.errors import IndexingError
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.types import Type

X = Type("float64", (None, 3))("X")
GIVEN = {X: np.arange(24.0).reshape(8, 3) / 24}


def made(steps, states=True, maps=True, until=None, deep=1, reverse=False):
    """The rows of a loop over so many steps."""
    x, s = Type("float64", (3,))("x"), Type("float64", (3,))("s")
    new = T.tanh(s + x)
    for _ in range(deep - 1):
        new = T.tanh(new * x)
    state = [Rows([s], (1,), T.zeros((1, 3), "float64"), new)]
    mapped = [Mapped(T.cumsum(new if states else T.exp(x), axis=0))]
    return Draft(T.constant(steps, dtype="int64"), {x: X}, state if states else [], {},
                 mapped if maps else [], until and T.gt(T.sum(new), until), reverse).build()


@pytest.mark.parametrize("steps", range(7))
@pytest.mark.parametrize("states,maps", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("reverse", [False, True])
def test_up_to_four_steps(steps, states, maps, reverse):
    outputs = made(steps, states, maps, reverse=reverse)
    left = same(outputs, GIVEN, *["unroll"] * (steps <= 4))
    assert len(left) == (steps > 4)


@pytest.mark.parametrize("steps,deep,maps,left", [
    (2, 20, 0, 0), (2, 60, 0, 1), (1, 110, 0, 0), (4, 20, 0, 0), (4, 24, 0, 0), (3, 32, 1, 1),
    (4, 30, 0, 1)])
def test_not_many_nodes(steps, deep, maps, left):
    """Of 201 nodes the code is longer than it is quick; one step is no loop however long it is."""
    assert len(same(made(steps, maps=maps, deep=deep), GIVEN)) == left


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_rows_of_a_length_that_nothing_tells(steps):
    """Of no steps it is not known how long a row would be."""
    x, j, J = Type("float64", (3,))("x"), Type("int64")("j"), Type("int64")("J")
    made = Draft(T.constant(steps, dtype="int64"), {x: X}, [], {j: J}, [Mapped(x[j:])]).build()
    left = same(made, GIVEN | {J: np.array(1)}, passes="-loops.hoist")
    assert len(left) == (not steps)


@pytest.mark.parametrize("steps,left", [(0, 0), (1, 0), (2, 1), (4, 1)])
def test_until(steps, left):
    """Whether there is a second step is told by the first."""
    for limit in (-10.0, 0.5, 1e9):
        assert len(same(made(steps, maps=False, until=limit), GIVEN)) == left


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("keep", [(False, False), (False, True), (True, False), (True, True)])
def test_all_rows_or_the_last_ones(steps, depth, reverse, keep):
    x, s, w = (Type("float64", (3,))(k) for k in "xsw")
    new = T.tanh(s + x)
    maps = [Mapped(s * x, keep[1]), Mapped(T.exp(w), keep[1])]
    if keep[0]:
        maps.append(Mapped(new, keep[1]))
    outputs = Draft(T.constant(steps, dtype="int64"), {x: X}, [
        Rows([s], (depth,), X[2:2 + depth], new, keep[0])], {w: X[0]}, maps, None, reverse).build()
    assert not same(outputs, GIVEN, "unroll")
    assert not same(outputs, GIVEN, "unroll", passes="-loops.invariant -loops.duplicates")


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("read", ["h[J]", "h[J:]", "h[:J]", "h[1:, 1:]", "h[0, J]", "h[0, 1:]",
                                  "h[-1]", "h[::-1]", "h[1:2]", "h[1:][1:]", "h[1:, J]", "h[J, 0]",
                                  "h[1:] * 2", "h[:0]", "h[1:1 + J]"])
def test_parts_of_rows_that_are_known_one_by_one(steps, read):
    """Where the place of a row is known it is read itself, else they are put together."""
    h, J = made(steps, maps=False)[0], Type("int64")("J")
    new, _ = rewritten([eval(read, {"h": h, "J": J})])
    for j in (0, 1):
        try:
            same(eval(read, {"h": h, "J": J}), GIVEN | {J: np.array(j)})
        except IndexingError:
            with pytest.raises(IndexingError):
                run(new, GIVEN | {J: np.array(j)})
    kept = read in ("h[J]", "h[J:]", "h[:J]", "h[1:, 1:]", "h[::-1]", "h[1:, J]", "h[J, 0]",
                    "h[1:1 + J]")
    joined = [n for n in toposort(new) if n.op.name == "join"]
    if read in ("h[0, J]", "h[0, 1:]", "h[-1]", "h[1:2]"):
        assert not joined
    elif kept and steps > 1:
        assert [len(n.inputs) for n in joined] == [steps + 1]


@pytest.mark.parametrize("steps", [0, 2, 5])
@pytest.mark.parametrize("read,more", [
    ("m[0]", 0), ("m[J]", 0), ("m[1]", 1), ("m[-2]", 1), ("m[-3]", 2), ("h[1:][0]", 0),
    ("h[1:][J]", 0), ("h[0]", -1), ("h[1]", 0), ("h[2]", 1), ("h[3]", 2), ("h[-1]", -1),
    ("h[-3]", 1), ("h[-4]", 2), ("h[5]", 4), ("h[:7][-2]", 0), ("h[4:][-1]", 3),
])
def test_rows_out_of_range(read, more, steps):
    """Of a number of steps that only the compiler knows; a read needs more than `more`."""
    s, x, n = Type("float64", (3,))("s"), Type("float64", (3,))("x"), X.shape[0] * 0 + steps
    h, m = Draft(n, {x: X}, [Rows([s], (1,), X[:1], s + x)], {}, [Mapped(s * x)]).build()
    J = Type("int64")("J")
    value, given = eval(read, {"h": h, "m": m, "J": J}), GIVEN | {J: np.array(0)}
    if steps > more:
        left = same(value, given)
        if ":" not in read and "J" not in read:  # the row itself
            assert left or "join" not in [n.op.name for n in toposort(rewritten(value)[0])]
    else:
        with pytest.raises(IndexingError):
            run(rewritten(value)[0], given)
