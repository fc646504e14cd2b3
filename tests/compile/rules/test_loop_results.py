"""What becomes of a loop's results and operands: what is read of all rows that there are, operands
that are there once, mapped values that are states' rows."""

import numpy as np
import pytest
from loops_rewritten import agree, f64, numbers, ops, rewritten, same

import symgrad.tensor as T
from symgrad.compile.passes import apply, select
from symgrad.compile.pool import absorb, export
from symgrad.errors import ShapeError
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.index import subtensor
from symgrad.ops.shape import broadcast_to
from symgrad.types import Type

X, Y, W, J = f64(None, 3)("X"), f64(None, 3)("Y"), f64(None, None)("W"), Type("int64")("J")
GIVEN = {X: numbers(4, 3), Y: numbers(4, 3), W: numbers(2, 3), J: np.array(1)}


@pytest.mark.parametrize("read,left", [
    ("m[:N]", []), ("m[:N] * 2", ["mul"]), ("m[:N, 1:]", ["subtensor"]), ("m[:J]", ["subtensor"]),
    ("m[:N, J]", ["subtensor"]), ("m[:N - 1]", ["add", "subtensor"]), ("h[:N]", ["subtensor"]),
    ("T.set_subtensor(m[:N], Y[:N])", ["subtensor", "inc_subtensor"]),
    ("T.set_subtensor(m[:N], m * 2)", ["mul"]),
    ("T.set_subtensor(m[:N], Y)", ["inc_subtensor"]), ("T.set_subtensor(m[:J], Y[:J])", [
        "subtensor", "inc_subtensor"]), ("T.set_subtensor(m[:N], J)", ["cast", "inc_subtensor"]),
    ("T.inc_subtensor(m[:N], m * 2)", ["mul", "inc_subtensor"]),
    ("T.set_subtensor(m[:N, :2], Y[:N, :2])", ["subtensor", "inc_subtensor"]),
    ("T.set_subtensor(h[:N], m)", ["inc_subtensor"]), ("h[1:][:N]", ["subtensor"]),
])
def test_all_rows_that_there_are(read, left):
    x, h = f64(3)("x"), f64(3)("h")
    found = Draft(X.shape[0], {x: X}, [Rows([h], (1,), T.ones((1, 3), "float64"), T.tanh(h + x))],
                  {}, [Mapped(T.cumsum(h, axis=0))]).build()
    value = eval(read, {"T": T, "h": found[0], "m": found[1], "N": X.shape[0], "Y": Y, "J": J})
    same(value, GIVEN)
    new, _ = rewritten(value)
    names = [n.op.name for n in toposort(new)]
    assert [n for n in names if n in ("cast", "add", "sub", "mul", "subtensor",
                                      "inc_subtensor")] == left
    if "Y" in read and "Y[" not in read:
        with pytest.raises(ShapeError):
            run(new, GIVEN | {Y: numbers(5, 3)})


def test_an_operand_is_there_once():
    """Both lengths of a state that nothing else has are read of one row."""
    s = f64(None, None)("s")
    made = Draft(X.shape[0], {}, [Rows([s], (1,), W[None], T.tanh(
        s * T.shape(s)[0] + T.shape(s)[1]))]).build()
    left, = same(made, GIVEN, passes="-loops.invariant")
    assert left.attrs[0].fixed == 1


def test_what_is_computed_before_the_loop_may_be_there():
    x, h, c, e, C = (f64(3)(k) for k in "xhceC")
    left, = same(Draft(X.shape[0], {x: X}, [Rows([h], (1,), X[:1], T.tanh(h * e + x * T.exp(c)))],
                       {c: C, e: T.exp(C)}).build(), GIVEN | {C: numbers(3)}, "invariant")
    assert left.attrs[0].fixed == 1


def test_a_number_has_no_rows():
    c, h = f64()("c"), f64()("h")
    number = subtensor.of(broadcast_to.of(c), idx=())
    rows = Draft(X.shape[0], {}, [Rows([h], (1,), T.ones((1,), "float64"), T.tanh(h))]).build()[0]
    pool, graph = absorb([rows * number])
    new = export(apply(["loops"], graph, pool, select("")), pool)
    agree(run([rows * c], GIVEN | {c: np.array(0.5)}), run(new, GIVEN | {c: np.array(0.5)}))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("until", [False, True])
def test_a_mapped_value_that_is_what_a_state_becomes(reverse, depth, until):
    """Its rows are those that steps wrote; other values and states of the loop may go."""
    if until and reverse:
        return
    x, h, r, w = (f64(3)(k) for k in "xhrw")
    new = T.tanh(h + x * r)
    made = Draft(X.shape[0], {x: X}, [
        Rows([r], (1,), T.ones((1, 3), "float64"), r),
        Rows([h], (depth,), T.as_tensor(numbers(depth, 3)), new)], {w: X[0]},
        [Mapped(T.exp(w)), Mapped(new), Mapped(h * r), Mapped(T.sin(x))],
        T.gt(T.sum(h), 1.0) if until else None, reverse).build()
    left, = same(made, GIVEN, "duplicates")
    assert not until or left.attrs[0].until
    body = left.attrs[0]
    assert (len(body.states), len(body.maps)) == ((2, 3) if until else (1, 1))
    assert ops(left).count("tanh") == 1


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 4])
def test_a_state_that_never_changes(reverse, keep, rows):
    x, h, r = f64(3)("x"), f64(3)("h"), f64(3)("r")
    made = Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), T.ones((1, 3), "float64"), T.tanh(h + x * r)),
        Rows([r], (1,), T.exp(Y[:1]), r, keep)], {}, [], None, reverse).build()
    left, = same(made, GIVEN | {X: numbers(rows, 3)}, "steady")
    assert len(left.attrs[0].states) == 1
