"""Which nodes are computed together."""

import time

import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.fuse import fuse
from symgrad.compile.pool import absorb


def groups(plan):
    """The names of the ops in each kernel of more than scalars."""
    return [[n.op.name for n in s.body] for s in plan.steps if s.kind == "kernel"
            and any([n.type.ndim or n.op.kind == "reduction" for n in s.body])]


def calls(plan):
    return [s.body[0].op.name for s in plan.steps if s.kind == "call"]


def test_a_row_wise_chain_is_one_kernel(planned):
    x = T.matrix("x")
    p = planned([x], [T.softmax(T.tanh(x), axis=1).sum(axis=1)])
    assert groups(p) == [["tanh", "supremum", "unsqueeze", "sub", "exp", "sum", "unsqueeze",
                          "true_div", "sum"]]


def test_a_sum_over_rows_ends_a_kernel(planned):
    x = T.matrix("x")
    mean = T.exp(x).sum(axis=0)
    p = planned([x], [x - mean])
    assert groups(p) == [["exp", "sum"], ["sub"]]


def test_rows_and_columns_are_told_apart_where_they_are_equally_long(planned):
    x = T.tensor("float64", (3, 3), "x")
    y = T.exp(x)
    p = planned([x], [y + y.T])
    assert groups(p) == [["exp"], ["transpose", "add"]]
    p = planned([x], [T.exp(x.sum(axis=1)) + y])  # a row vector
    assert groups(p)[-1][-1] == "add" and len(groups(p)) == 2


def test_library_calls_stand_alone_and_their_views_between_levels(planned):
    x, w = T.matrix("x"), T.matrix("w")
    h = T.tanh(T.dot(x, w))
    p = planned([x, w], [T.dot(h.T, x)])
    assert calls(p) == ["dot", "transpose", "dot"] and groups(p) == [["tanh"]]
    assert [s.body[0].op.name for s in p.steps] == ["dot", "tanh", "transpose", "dot"]


def test_scalars_raise_no_level(planned):
    x, lr = T.matrix("x"), T.scalar("lr")
    n = x.shape[0]
    p = planned([x, lr], [T.exp(x) * (lr / n) + T.sqr(x)])
    assert groups(p) == [["exp", "mul", "sqr", "add"]]
    total = T.exp(x).sum()
    p = planned([x, lr], [x / (total * 2 + 1) * T.sqr(total * 3)])
    assert groups(p) == [["exp", "sum"], ["true_div", "mul"]]


def test_a_node_sinks_where_its_operands_are_kept_anyway(planned):
    x, w, g = T.matrix("x"), T.matrix("w"), T.matrix("g")
    h = T.tanh(x)
    late = T.dot(T.dot(h, w), g)
    p = planned([x, w, g], [h, late * (1 - T.sqr(h))])
    assert groups(p) == [["tanh"], ["sqr", "sub", "mul"]]


def test_nodes_fed_by_leaves_sink(planned):
    x, w = T.matrix("x"), T.matrix("w")
    p = planned([x, w], [T.exp(x) * T.dot(x, w)])
    assert groups(p) == [["exp", "mul"]]


def test_unrelated_nodes_of_a_level_are_steps_of_their_own(planned):
    a, b, s = T.tensor("float64", (4, 5), "a"), T.tensor("float64", (4, 5), "b"), T.scalar("s")
    p = planned([a, b, s], [a * s, b * s])
    assert groups(p) == [["mul"], ["mul"]]
    p = planned([a, b, s], [a * s, a + b])
    assert sorted(map(sorted, groups(p))) == [["add", "mul"]]


def test_views_of_stored_values_are_not_copied(planned):
    x, w = T.matrix("x"), T.matrix("w")
    t = T.exp(x).T
    p = planned([x, w], [t, t + w])
    assert calls(p) == ["transpose"] and groups(p) == [["exp"], ["add"]]


def test_off_is_one_step_a_node(planned):
    x = T.matrix("x")
    p = planned([x], [T.tanh(x.T).sum()], "none")
    assert [len(s.body) for s in p.steps] == [1, 1, 1]
    assert [s.kind for s in p.steps] == ["call", "kernel", "kernel"]


def test_ops_that_decide_a_length_are_calls(planned):
    x = T.vector("x")
    p = planned([x], [T.exp(T.nonzero_values(T.tanh(x)))])
    assert calls(p)[0] == "nonzero" and groups(p)[-1][-1] == "exp"


def test_the_same_plan_every_time(planned):
    x, w = T.matrix("x"), T.matrix("w")
    cost = T.softmax(T.dot(x, w), axis=1).sum() + T.sqr(w).sum()
    plans = [planned([x, w], [cost, *sg.grad(cost, [x, w])], "") for _ in range(2)]
    a, b = ([(s.kind, [n.op.name for n in s.body]) for s in p.steps] for p in plans)
    assert a == b


@pytest.mark.parametrize("shape", ["deep", "wide"])
def test_time_per_node_does_not_grow(shape):
    def seconds(n):
        x, s = T.matrix("x"), T.scalar("s")
        outputs = [x]
        for _ in range(n // 2):
            outputs = [T.tanh(outputs[-1]) * s] if shape == "deep" else [*outputs, T.exp(x * s)]
            x = outputs[-1] if shape == "deep" else T.matrix()
        graph = absorb(outputs)[1]
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            steps = fuse(graph)
            best = min(best, time.perf_counter() - start)
        assert len(steps) == (1 if shape == "deep" else n // 2)
        return best / n

    assert seconds(20_000) < 3 * seconds(2_000)
