"""Rewrites of loops that merge, trim and unroll them: each fires where it should, keeps values and
errors, and can be off."""

import numpy as np
import pytest
from loops_rewritten import GIVEN, B, U, W, X, agree, f64, numbers, ops, recurrent, rewritten, same

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.rules import loops
from symgrad.errors import IndexingError
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.scan import loop

# -- merge, duplicates


def test_a_loop_and_the_gradients_copy_of_it_are_one():
    h = recurrent()
    cost = T.sqr(h[1:]).sum()
    outputs = [cost, *sg.grad(cost, [X, W, U, B])]
    assert len(same(outputs, GIVEN, "merge", "hoist", "sink", "trim")) == 2
    new, _ = rewritten(outputs)
    forward, backward = [n for n in toposort(new) if n.op is loop]
    assert ops(forward).count("dot") == ops(backward).count("dot") == 1
    assert len(toposort(new)) < 90


STEPS = {
    "quotient": lambda x, s: (x / (1 + s * s)) * 3 / 2,
    "root": lambda x, s: 2 * T.sqrt(1 + s * s) * x * 3,
    "product": lambda x, s: T.sigmoid(s + x) * 2 * T.exp(s) * 0.5,
    "difference": lambda x, s: (s - T.tanh(s)) * 0.1 + x / 3 - s / 7,
    "stable form": lambda x, s: T.log(1 + T.exp(s + x)) / 2 + T.log(T.softmax(T.stack([x, s])))[0],
}


@pytest.mark.parametrize("how", STEPS)
def test_what_the_gradient_keeps_of_a_step_does_not_make_another_step_of_it(how):
    """Sums and products are collected by who reads them; merging comes first."""
    y = f64(None)("y")
    rows, _ = sg.scan(STEPS[how], y, T.constant(0.5))
    cost = T.sqr(rows).sum()
    given = {y: np.linspace(-1, 0, 5)}  # with larger ones the product overflows
    forward, _ = same([cost, sg.grad(cost, y)], given, "merge")
    assert len(forward.attrs[0].states) == 1


def test_a_tangent_runs_in_the_loop_it_is_of():
    h = recurrent()
    v = f64(None, None)("v")
    moved = sg.Rop(h, [U], [v])[0]
    assert len(same([h, moved], GIVEN | {v: numbers(4, 4)}, "merge")) == 1


def test_loops_with_nothing_in_common_stay_apart():
    h = recurrent()
    y, v = f64(None)("y"), f64()("v")
    s = f64()("s")
    other = Draft(X.shape[0], {v: y}, [Rows([s], (1,), T.zeros((1,), "float64"), s + v)]).build()[0]
    assert len(same([h, T.tanh(other)], GIVEN | {y: numbers(5)})) == 2


def test_loops_that_share_a_sequence_are_one():
    x, s = f64(None)("x"), f64(None)("s")
    z = T.zeros((1, 3), "float64")
    total = Draft(X.shape[0], {x: X}, [Rows([s], (1,), z, s + T.tanh(x * s))]).build()[0]
    x2, s2 = f64(None)("x"), f64(None)("s")
    most = Draft(X.shape[0], {x2: X}, [Rows([s2], (1,), z, T.maximum(s2, x2))]).build()[0]
    assert len(same([total, most], GIVEN, "merge")) == 1


def test_a_loop_that_reads_another_stays_behind_it():
    h = recurrent()
    g = recurrent(seqs={(x := f64(None)("x")): h[1:]}, fixed={(u := f64(None, None)("u")): U},
                  states=[Rows([s := f64(None)("s")], (1,), T.zeros((1, 4), "float64"),
                               T.tanh(x + T.dot(s, u)))])
    assert len(same([h, g], GIVEN)) == 2


def test_until_loops_are_one_if_they_end_alike():
    def counted(limit, factor):
        s, w = f64()("s"), f64()("w")
        return Draft(T.constant(9, dtype="int64"), {}, [Rows([s], (1,), T.ones((1,), "float64"),
                                                             s * w)], {w: a},
                     [Mapped(T.sin(T.exp(s * factor)))],
                     T.gt(s * w, limit)).build()

    a = f64()("a")
    one, two, three = counted(10.0, 2.0), counted(10.0, 3.0), counted(20.0, 2.0)
    assert len(same([one[1], two[1], one[2], two[2]], {a: np.array(2.0)}, "merge")) == 1
    assert len(same([one[1], three[1], three[2]], {a: np.array(2.0)})) == 2
    cost = one[1].sum()
    assert len(same([cost, sg.grad(cost, a)], {a: np.array(1.5)}, "merge")) == 2


def test_what_is_there_twice_is_there_once():
    x, y, s, r, w, v = (f64(None)(k) for k in "xysrwv")
    z = T.zeros((1, 3), "float64")
    W0 = W[:, 0]
    made = Draft(X.shape[0], {x: X, y: X},
                 [Rows([s], (1,), z, T.tanh(s + x * w)), Rows([r], (1,), z, T.tanh(r + y * v))],
                 {w: W0, v: W0}, [Mapped(s * y), Mapped(r * x), Mapped(T.tanh(r + y * w))]).build()
    left, = same(made, GIVEN, "duplicates")
    body = left.attrs[0]
    assert (body.seqs, len(body.states), len(body.maps), body.fixed) == (1, 1, 1, 1)


def test_states_that_only_begin_alike_stay_two():
    x, s, r = (f64(None)(k) for k in "xsr")
    z = T.zeros((1, 3), "float64")
    made = Draft(X.shape[0], {x: X}, [Rows([s], (1,), z, T.tanh(s + x)),
                                      Rows([r], (1,), z, T.tanh(r + s))]).build()
    left, = same(made, GIVEN)
    assert len(left.attrs[0].states) == 2


# -- trim


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("taps", [(1,), (2,), (1, 3)])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_only_the_last_rows_are_kept(reverse, taps, rows):
    x, reads = f64(None)("x"), [f64(None)(f"s{k}") for k in taps]
    depth = max(taps)
    n = X.shape[0]
    buffer, out = Draft(n, {x: X}, [Rows(reads, taps, T.zeros((depth, 3), "float64"),
                                         T.tanh(sum(reads) + x))], {}, [Mapped(x * reads[0])],
                        None, reverse).build()
    last = buffer[0] if reverse else buffer[-1]
    given = {X: numbers(rows, 3)}
    left, = same(last, given, "trim", passes="-loops.hoist")
    assert not left.attrs[0].states[0].keep and not left.attrs[0].maps
    if not reverse:
        left, = same([buffer[n + depth - 1], buffer[-1, 1:]], given, "trim")
        assert not left.attrs[0].states[0].keep
    wrote = buffer[:n][0] if reverse else buffer[depth:][-1]
    row = out[0] if reverse else out[-1]
    if rows:
        left, = same([wrote, row], given, "trim")
        assert not left.attrs[0].states[0].keep and not left.attrs[0].maps[0]
    else:
        for lost in (wrote, row):
            with pytest.raises(IndexingError):
                run(rewritten(lost)[0], given)
    ends = [buffer[:depth]] if reverse else [buffer[-depth:], buffer[n:], buffer[n:n + 1]]
    left, = same([*ends, last], given, "trim")
    assert not left.attrs[0].states[0].keep
    left, = same([buffer[1:], last], given)
    assert left.attrs[0].states[0].keep


def test_what_nobody_reads_goes():
    x, y, s, r, w = (f64(None)(k) for k in "xysrw")
    z = T.zeros((1, 3), "float64")
    made = Draft(X.shape[0], {x: X, y: T.exp(X)}, [Rows([s], (1,), z, T.tanh(s + x)),
                                                   Rows([r], (1,), z, T.tanh(r * y + w))],
                 {w: W[:, 0]}, [Mapped(s + x), Mapped(r * x)]).build()
    left, = same(made[0], GIVEN, "trim")
    body = left.attrs[0]
    assert (body.seqs, len(body.states), len(body.maps), body.fixed) == (1, 1, 0, 0)


@pytest.mark.parametrize("limit", [-1.0, 2.0, 1e9])
def test_the_last_row_of_an_until_loop(limit):
    x, s = f64()("x"), f64()("s")
    y = f64(None)("y")
    total, rows, count = Draft(y.shape[0], {x: y}, [Rows([s], (1,), T.ones((1,), "float64"),
                                                         s + x)], {}, [Mapped(s * x)],
                               T.gt(s, limit)).build()
    given = {y: numbers(6) + 1}
    left, = same([total[count], rows[:count][-1], total[1:1 + count][-1], total[count:count + 1]],
                 given)
    left, = same([total[count], rows[:count][-1], total[1:1 + count][-1]], given, "trim")
    assert not left.attrs[0].states[0].keep and not left.attrs[0].maps[0]
    with pytest.raises(IndexingError):
        run(rewritten(total[1:1 + count][-1])[0], {y: numbers(0)})


# -- steady, ends


def test_a_state_that_never_changes_is_fixed():
    x, s, r = (f64(None)(k) for k in "xsr")
    made = Draft(X.shape[0], {x: X}, [Rows([s], (1,), T.tanh(X[:1]), s),
                                      Rows([r], (1,), X[:1], T.tanh(r + s * x))]).build()
    left, = same(made, GIVEN, "steady")
    assert len(left.attrs[0].states) == 1


def test_rows_that_are_all_the_same_are_fixed():
    x, y, s = (f64(None)(k) for k in "xys")
    rows = T.zeros_like(X) + T.broadcast_to(T.tanh(W[:, 0]), X.shape)
    made = Draft(X.shape[0], {x: X, y: rows}, [Rows([s], (1,), X[:1], T.tanh(s * x + y))]).build()
    left, = same(made, GIVEN, "steady")
    assert left.attrs[0].seqs == 1


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
@pytest.mark.parametrize("read", ["h[-1]", "h[-1, 1:]", "h[-1] * 2 + h[1:].sum(0)",
                                  "h[h.shape[0] - 1]"])
def test_the_cotangent_of_the_last_row_is_how_the_gradient_begins(rows, read):
    h = recurrent()
    cost = T.tanh(eval(read, {"h": h})).sum()
    outputs = [cost, *sg.grad(cost, [X, W, U, B])]
    for left in same(outputs, GIVEN | {X: numbers(rows, 3)}, "ends"):
        if left.attrs[0].reverse:
            assert not any([k.name == "g" for k in left.attrs[0].inputs[:left.attrs[0].seqs]])


# -- unroll


@pytest.mark.parametrize("n", [0, 1, 2, 4])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("taps", [(1,), (1, 2)])
def test_few_steps_are_no_loop(n, reverse, taps):
    x, w = f64(None)("x"), f64(None, None)("w")
    reads = [f64(None)(f"s{k}") for k in taps]
    many = T.constant(n, dtype="int64")
    buffer, out = Draft(many, {x: X}, [Rows(reads, taps, X[:max(taps)], T.tanh(sum(reads) + x))],
                        {w: W}, [Mapped(T.dot(x * reads[0], w))], None, reverse).build()
    cost = T.sqr(buffer).sum() + T.tanh(out).sum() + buffer[-1].sum() + buffer[1:].prod()
    outputs = [buffer, out, buffer[0], cost, *sg.grad(cost, [X, W])]
    assert not same(outputs, GIVEN, "unroll")


def test_more_steps_are_a_loop():
    h = recurrent(n=T.constant(5, dtype="int64"))
    assert len(same(h, GIVEN)) == 1


def test_an_until_loop_of_one_step_is_none():
    s, w = f64()("s"), f64()("w")
    a = f64()("a")
    for n in (0, 1, 2):
        made = Draft(T.constant(n, dtype="int64"), {}, [Rows([s], (1,), T.ones((1,), "float64"),
                                                             s * w)], {w: a}, [Mapped(s - w)],
                     T.gt(s, 0.0)).build()
        assert len(same(made, {a: np.array(2.0)})) == (n == 2)



# -- names


def test_forms_are_named_and_can_be_off():
    h = recurrent()
    cost = T.sqr(h[-1]).sum()
    outputs = [cost, *sg.grad(cost, [X, W, U, B])]
    everything = " ".join(["-merge.merge", *[f"-loops.{name}" for name in loops.KINDS]])
    new, fired = rewritten(outputs, everything)
    assert not fired
    agree(run(outputs, GIVEN), run(new, GIVEN))
    _, fired = rewritten(outputs, "exact")
    assert fired and not {"hoist", "sink", "ends"} & set(fired)
