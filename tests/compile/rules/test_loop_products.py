"""Rewrites of loops that move work out of them, and all together: each fires where it should, keeps
values and errors; random loops compute what they did."""


import numpy as np
import pytest
from helpers import BACKENDS, calls
from loops_drawn import program
from loops_rewritten import (
    GIVEN,
    RNG,
    B,
    U,
    W,
    X,
    agree,
    f64,
    numbers,
    ops,
    recurrent,
    rewritten,
    same,
)

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.passes import apply, select
from symgrad.compile.pool import absorb
from symgrad.errors import ShapeError, SymgradError
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.random import RandomStream
from symgrad.types import Type

# -- invariant, hoist


def test_what_is_the_same_in_all_steps_is_computed_once():
    x, s, w = f64(None)("x"), f64(None)("s"), f64(None, None)("w")
    made = Draft(X.shape[0], {x: X}, [Rows([s], (1,), X[:1], T.tanh(s + x) * T.exp(w).sum())],
                 {w: W}, [Mapped(T.exp(w))]).build()
    left, = same(made, GIVEN, "invariant")
    assert "exp" not in ops(left) and not left.attrs[0].maps


HOISTED = {
    "vector by matrix": lambda x, m, i, w: T.dot(x, w),
    "matrix by matrix": lambda x, m, i, w: T.dot(m, w).sum(0),
    "matrix by vector": lambda x, m, i, w: T.dot(T.dot(m, w), w[0]).sum() * w[0],
    "matrix by a row": lambda x, m, i, w: T.dot(w.T, x),
    "two layers": lambda x, m, i, w: T.dot(T.tanh(T.dot(T.tanh(x), w)), T.dot(w.T, w)),
    "through views": lambda x, m, i, w: T.dot(m.T[::-1][:, :2], T.outer(w[0], w[0])[:2]).max(0),
    "normalised": lambda x, m, i, w: T.dot(T.softmax(m, axis=1), w).mean(0),
    "reshaped": lambda x, m, i, w: T.dot(m.reshape((2, 3)).dimshuffle(1, 0).T, w).sum(0),
    "joined": lambda x, m, i, w: T.dot(T.join(0, m, w[:1, :3] * 0 + x, T.stack([x, x])), w).sum(0),
    "a row of a table": lambda x, m, i, w: T.dot(w[i], T.dot(w.T, w)),
    "rows of a table": lambda x, m, i, w: w[T.stack([i, -1 - i])].sum(0),
    "rows of a table by index arrays": lambda x, m, i, w: w[T.stack([i, i * 0]), [[0], [1]]].sum(),
    "tensordot": lambda x, m, i, w: T.tensordot(m, w, axes=((1,), (0,))).sum(0),
    "written": lambda x, m, i, w: T.dot(T.inc_subtensor(m[1:], x), w).sum(0),
}


@pytest.mark.parametrize("how", HOISTED)
@pytest.mark.parametrize("rows, longer", [(0, 0), (1, 0), (5, 0), (3, 2)])
def test_products_without_states_are_made_for_all_steps(how, rows, longer):
    M, ids = f64(None, 2, 3)("M"), Type("int64", (None,))("ids")
    n = Type("int64")("n")
    x, m, i, w, s = f64(None)("x"), f64(2, 3)("m"), Type("int64")("i"), f64(None, None)("w"), f64(
        None)("s")
    value = HOISTED[how](x, m, i, w)
    made = Draft(n, {x: X, m: M, i: ids}, [Rows([s], (1,), T.zeros((1, 4), "float64"),
                                              T.tanh(s + value))], {w: W}).build()
    many = rows + longer
    given = GIVEN | {X: numbers(many, 3), M: numbers(many, 2, 3),
                     ids: RNG.integers(-3, 3, many), n: np.array(rows)}
    left, = same(made, given, "hoist")
    assert not {"dot", "gather", "tensordot"} & set(ops(left))
    if rows:
        given[n] = np.array(many + 1)
        with pytest.raises(SymgradError):
            run(rewritten(made)[0], given)


def test_a_map_without_states_needs_no_loop():
    x, w = f64(None)("x"), f64(None, None)("w")
    made = Draft(X.shape[0], {x: X}, [], {w: W},
                 [Mapped(T.tanh(T.dot(x, w))), Mapped(w[0])]).build()
    assert not same(made, GIVEN, "hoist")
    cost = T.tanh(made[0]).sum()
    assert not same([cost, *sg.grad(cost, [X, W])], GIVEN)


def test_few_rows_are_an_error_though_products_left_the_loop():
    n = Type("int64")("n")
    h = recurrent(n=n)
    for rows, steps in ((3, 5), (0, 1)):
        with pytest.raises(ShapeError):
            run(rewritten(h)[0], GIVEN | {X: numbers(rows, 3), n: np.array(steps)})
    same(h, GIVEN | {n: np.array(2)})


def test_a_negative_number_of_steps_is_an_error_though_the_loop_is_gone():
    n, s, w, x = Type("int64")("n"), f64(None)("s"), f64(None)("w"), f64(None)("x")
    rows = Draft(n, {}, [Rows([s], (1,), X[:1], s + w)], {w: W[:, 0]}).build()[0]
    mapped = Draft(n, {x: X}, [], {}, [Mapped(T.tanh(x))]).build()[0]
    summed = Draft(n, {x: X}, [Rows([s], (1,), X[:1], s + x)]).build()[0]
    for value in (rows[-1], mapped, mapped.sum(), summed[-1]):
        same(value, GIVEN | {n: np.array(2)})
        for steps in (-1, -3):
            with pytest.raises(SymgradError):
                run(rewritten(value)[0], GIVEN | {n: np.array(steps)})


def test_until_loops_and_those_that_save_memory_keep_their_work():
    x, s, w = f64(None)("x"), f64(None)("s"), f64(None, None)("w")
    parts = {"n": X.shape[0], "seqs": {x: X}, "fixed": {w: W},
             "states": [Rows([s], (1,), T.zeros((1, 4), "float64"), T.tanh(s + T.dot(x, w)))]}
    for more in ({"save": False}, {"until": T.gt(s.sum(), 1.0)}):
        left, = same(Draft(**parts, **more).build()[0], GIVEN)
        assert "dot" in ops(left)


def test_what_only_a_side_of_a_conditional_needs_stays_there():
    chosen = Type("bool", (None,))("chosen")
    rows, _ = sg.scan(lambda x, c, s, W: s + sg.ifelse(c, T.dot(T.exp(x), T.tanh(W)), s * 0),
                      [X, chosen], T.zeros(4, dtype="float64"), W)
    given = GIVEN | {chosen: np.array([True, False, True, True, False])}
    left, = same(rows, given)
    assert {"dot", "exp"} <= set(ops(left))
    same([rows, sg.grad(rows.sum(), W)], given)


# -- sink


SUNK = {
    "matrices": lambda x, m, i, h, w: (T.dot(m.T, T.stack([h, h * 2])), w),
    "a matrix and a transposed one": lambda x, m, i, h, w: (
        T.dot(T.stack([x, x]).T, T.stack([h, h]) * 2), w),
    "no transposed ones": lambda x, m, i, h, w: (
        T.dot(T.outer(x, h), T.outer(h, h)), w),
    "by a transposed one": lambda x, m, i, h, w: (T.dot(T.outer(x, x), T.outer(h, x).T), w),
    "outer": lambda x, m, i, h, w: (T.outer(x, h), w),
    "less an outer one": lambda x, m, i, h, w: (-T.outer(x, h) * 2.0, w),
    "a vector": lambda x, m, i, h, w: (T.dot(h[:3] * x, T.dot(T.outer(x, h), w.T * 2).dot(w)), h),
    "two terms": lambda x, m, i, h, w: (T.outer(x, h) - T.outer(x * 2, T.sin(h)), w),
    "one more": lambda x, m, i, h, w: (T.outer(x, h) + T.tanh(w * h), w),
    "rows of a table": lambda x, m, i, h, w: (T.inc_subtensor(T.zeros_like(w)[i], h), w),
    "a row of a table": lambda x, m, i, h, w: (T.inc_subtensor(
        T.zeros_like(w)[T.stack([i, i])], T.stack([h, h])), w),
    "a part": lambda x, m, i, h, w: (T.inc_subtensor(T.zeros_like(w)[:2], T.outer(x[:2], h)), w),
    "tensordot": lambda x, m, i, h, w: (T.tensordot(m, T.stack([h, h]), axes=((0,), (0,))), w),
}


@pytest.mark.parametrize("how", SUNK)
@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("reverse", [False, True])
def test_sums_of_products_are_taken_after_the_loop(how, rows, reverse):
    M, ids = f64(None, 2, 3)("M"), Type("int64", (None,))("ids")
    x, m, i = f64(None)("x"), f64(2, 3)("m"), Type("int64")("i")
    h, w = f64(None)("h"), f64(None, None)("w")
    term, like = SUNK[how](x, m, i, h, w)
    like = {w: W, h: B}.get(like)
    total = like.type("total")
    buffers = Draft(X.shape[0], {x: X, m: M, i: ids}, [
        Rows([h], (1,), T.ones((1, 4), "float64"), T.tanh(h * x.sum() + m.sum())),
        Rows([total], (1,), like[None] * 1.0, total + term)], {w: W}, [], None, reverse).build()
    last = buffers[1][0 if reverse else -1]
    given = GIVEN | {X: numbers(rows, 3), M: numbers(rows, 2, 3), ids: RNG.integers(-3, 3, rows)}
    left, = same([buffers[0], last], given, "sink")
    assert not {"tensordot", "inc_subtensor"} & set(ops(left))
    left, = same(buffers, given)
    assert len(left.attrs[0].states) == 2


def test_products_that_only_results_need_are_made_after_the_loop():
    x, h, u, w = f64(None)("x"), f64(None)("h"), f64(None, None)("u"), f64(None, None)("w")
    made = Draft(X.shape[0], {x: X}, [Rows([h], (1,), T.zeros((1, 4), "float64"),
                                           T.tanh(T.dot(h, u) + x.sum()))], {u: U, w: W},
                 [Mapped(T.softmax(T.dot(h * 2, w.T)))]).build()
    left, = same(made, GIVEN, "sink")
    assert ops(left).count("dot") == 1
    cost = T.log(made[1]).sum()
    outputs = [cost, *sg.grad(cost, [X, W, U])]
    for left in same(outputs, GIVEN, "sink"):
        assert ops(left).count("dot") == 1


def test_small_sums_stay():
    x, s = f64(None)("x"), f64()("s")
    h = f64(None)("h")
    made = Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), X[:1], T.tanh(h + x)),
        Rows([s], (1,), T.zeros((1,), "float64"), s + T.dot(x, h))]).build()
    left, = same([made[0], made[1][-1]], GIVEN)
    assert len(left.attrs[0].states) == 2


# -- everything together


def test_an_embedding_costs_what_it_reads():
    """A table's gradient is one sum over all its rows that were read, after the loop."""
    E, ids, V = f64(None, None)("E"), Type("int64", (None, None))("ids"), f64(None, None)("V")
    i, h, e, v = Type("int64", (None,))("i"), f64(None, None)("h"), E.type("e"), V.type("v")
    h0 = T.zeros((1, ids.shape[1], 3), "float64")
    rows = Draft(ids.shape[0], {i: ids}, [Rows([h], (1,), h0, T.tanh(e[i] + T.dot(h, v)))],
                 {e: E, v: V}).build()[0]
    cost = T.sqr(rows[-1]).sum()
    given = {E: numbers(7, 3), ids: RNG.integers(0, 7, (4, 2)), V: numbers(3, 3)}
    for left in same([cost, *sg.grad(cost, [E, V])], given, "hoist", "sink", "ends"):
        assert not {"gather", "inc_subtensor"} & set(ops(left))


def test_a_language_model_multiplies_but_its_state_in_the_loops():
    """The loss is computed in the step, as it is often written."""
    E, V = f64(None, None)("E"), f64(None, None)("V")
    ids = Type("int64", (None, None))("ids")

    def step(i, y, h):
        h = T.tanh(T.dot(E[i], W) + T.dot(h, U))
        return h, -T.log(T.softmax(T.dot(h, V)))[T.arange(y.shape[0]), y].mean()

    (_, losses), _ = sg.scan(step, [ids[:-1], ids[1:]],
                             [T.zeros((ids.shape[1], 4), dtype="float64"), None])
    cost = losses.mean()
    given = GIVEN | {E: numbers(7, 3), V: numbers(4, 7), ids: RNG.integers(0, 7, (5, 2))}
    found = same([cost, *sg.grad(cost, [E, V, W, U])], given, "merge", "hoist", "sink")
    assert [ops(n).count("dot") for n in found] == [1, 1]
    for left in found:
        assert not {"gather", "inc_subtensor", "softmax"} & set(ops(left))


def test_an_lstm_is_two_loops_of_one_product_and_large_products_outside():
    x, y = f64(None, None, 3)("x"), Type("int64", (None,))("y")
    params = W, U, b, V = f64(3, 16)("W"), f64(4, 16)("U"), f64(16)("b"), f64(4, 5)("V")

    def step(x, h, cell, W, U, b):
        z = T.dot(x, W) + T.dot(h, U) + b
        o, i, f = (T.sigmoid(z[:, 4 * k:4 * k + 4]) for k in range(3))
        cell = f * cell + i * T.tanh(z[:, 12:])
        return o * T.tanh(cell), cell

    zeros = T.zeros((x.shape[1], 4), dtype="float64")
    (states, _), _ = sg.scan(step, x, [zeros, zeros], [W, U, b])
    logits = T.dot(states.mean(axis=0), V)
    cost = -T.log(T.softmax(logits))[T.arange(y.shape[0]), y].mean()
    outputs = [cost, *sg.grad(cost, params)]
    given = {x: numbers(6, 2, 3), y: np.array([1, 3]), W: numbers(3, 16), U: numbers(4, 16),
             b: numbers(16), V: numbers(4, 5)}
    forward, backward = same(outputs, given, "merge", "hoist", "sink", "steady", "trim")
    for left, seqs, maps in ((forward, 1, 5), (backward, 6, 1)):
        body = left.attrs[0]
        assert ops(left).count("dot") == 1 and not {"sum", "gather"} & set(ops(left))
        assert (len(body.states), len(body.maps)) == (2, maps) and body.seqs <= seqs + 1
    assert not any([s.keep for s in backward.attrs[0].states])
    outside = [n.op.name for n in toposort(rewritten(outputs)[0])]
    assert outside.count("dot") == 1 + 2 + 3  # x W; those of W and U; those with V


def test_a_hessian_row_by_row_is_made_at_once():
    v = f64(None)("v")
    slope = sg.grad(T.sqr(T.tanh(T.dot(v, W))).sum(), v)
    rows, _ = sg.scan(lambda i, g, v: sg.grad(g[i], v), T.arange(slope.shape[0]), None, [slope, v])
    assert not same(rows, GIVEN | {v: numbers(3)}, "hoist")


def test_draws_of_different_streams_stay_apart_and_keep_their_numbers():
    streams = RandomStream(1), RandomStream(2)

    def walk(stream):
        return sg.scan(lambda x, s: T.tanh(s + x * stream.normal((3,), dtype="float64")),
                       sequences=X, outputs_info=X[0] * 0)[0]

    made = [walk(s) for s in streams]
    found = same(made, GIVEN)
    kinds = [len(n.attrs[0].states) for n in found]
    assert sum(kinds) == 4, "a draw was taken for another's"
    a, b = run(rewritten(made)[0], GIVEN)
    assert not np.allclose(a, b)
    outside = streams[0].normal((3,), dtype="float64")
    once = sg.scan(lambda x, s: T.tanh(s + x * outside), sequences=X, outputs_info=X[0] * 0)[0]
    masks = streams[1].normal(X.shape, dtype="float64")
    rows = sg.scan(lambda x, m, w: T.dot(x * m, w), sequences=[X, masks], non_sequences=W)[0]
    same([once, rows], GIVEN)


def test_work_is_linear_in_the_number_of_loops():
    def work(count):
        costs = []
        for k in range(count):
            w = f64(None, None)(f"W{k}")
            s, u = f64(None)("s"), f64(None, None)("u")
            rows = Draft(X.shape[0], {}, [Rows([s], (1,), X[:1], T.tanh(T.dot(s, u)))],
                         {u: w}).build()[0]
            costs.append(rows[-1].sum())
        pool, graph = absorb(costs)
        return calls(lambda: apply(["loops"], graph, pool, select("")))

    work(5)
    assert work(200) < 4.6 * work(50)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(2))
def test_a_random_loop_compiled(block, backend):
    for seed in range(10 * block, 10 * block + 10):
        inputs, outputs, arrays, text = program(seed)
        try:
            want = run(outputs, dict(zip(inputs, arrays, strict=True)))
        except SymgradError:
            continue
        if not np.isfinite(want[0]):
            continue  # a mean of no rows
        with sg.options(backend=backend):
            found = sg.function(inputs, outputs, on_unused_input="ignore")(*arrays)
        try:
            agree(want, found)
        except AssertionError as error:
            error.add_note(f"reproduce with:\n\n{text}\n")
            raise


def check(seed):
    inputs, outputs, arrays, text = program(seed)
    values = dict(zip(inputs, arrays, strict=True))
    try:
        try:
            want = run(outputs, values)
        except SymgradError as error:
            if "too few for" in str(error):
                return  # rows that nobody reads are not counted
            with pytest.raises(SymgradError):
                run(rewritten(outputs)[0], values)
            return
        if not np.isfinite(want[0]):
            return  # a mean of no rows
        agree(want, run(rewritten(outputs)[0], values))
    except Exception as error:
        error.add_note(f"reproduce with:\n\n{text}\n")
        raise


@pytest.mark.parametrize("block", range(6))
def test_a_random_loop_computes_what_it_did(block):
    for seed in range(10 * block, 10 * block + 10):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_many_random_loops(block):
    for seed in range(1000 + 10 * block, 1010 + 10 * block):
        check(seed)
