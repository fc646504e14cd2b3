"""Few steps are no loop; which are few."""

import numpy as np
import pytest
from loops_rewritten import same

import symgrad.tensor as T
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


@pytest.mark.parametrize("steps,deep,left", [(2, 20, 0), (2, 60, 1), (1, 60, 0), (4, 20, 0),
                                             (4, 30, 1)])
def test_not_many_nodes(steps, deep, left):
    """Of 200 nodes the code is longer than it is quick; one step is no loop however long it is."""
    assert len(same(made(steps, maps=False, deep=deep), GIVEN)) == left


@pytest.mark.parametrize("steps,left", [(0, 0), (1, 0), (2, 1), (4, 1)])
def test_until(steps, left):
    """Whether there is a second step is told by the first."""
    for limit in (-10.0, 0.5, 1e9):
        assert len(same(made(steps, maps=False, until=limit), GIVEN)) == left
