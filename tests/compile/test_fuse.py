"""Which nodes are computed together."""

import time

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.fuse import fuse
from symgrad.compile.pool import absorb
from symgrad.ops.body import Body, State
from symgrad.ops.scan import results


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
    p = planned([x], [y + y.T, y - y.sum(axis=0)])  # one level above
    assert groups(p) == [["exp", "sum"], ["transpose", "add", "sub"]]
    p = planned([x], [T.tanh(x.sum(axis=0))])
    assert groups(p) == [["sum"], ["tanh"]]
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


def test_what_may_sink(planned):
    """What is added to a late value, and made of h or of what h is made of: it need not be stored
    if its operands are, or can move with it."""
    x, w, v, k = T.matrix("x"), T.matrix("w"), T.matrix("v"), T.lvector("k")
    d, late = T.dot(v, w), T.dot(T.dot(T.dot(x, w), w), w)
    e = T.exp(d)
    h, stays = T.tanh(e), e.sum(axis=1)  # e has two users, and neither is elsewhere
    for outputs, want in (
            ([h, stays, late + T.sqr(h)], [["exp", "tanh", "sum"], ["sqr", "add"]]),
            ([T.dot(h.T, w), stays, late + T.sqr(h)], [["exp", "tanh", "sum"], ["sqr", "add"]]),
            ([stays, late + T.sqr(h)], [["exp", "sum", "tanh", "sqr"], ["add"]]),
            ([stays, T.dot(T.dot(x, w), w) + h, late + T.sqr(h)],
             [["exp", "sum", "tanh"], ["add"], ["sqr", "add"]]),
            ([stays, late + h * d], [["exp", "sum", "tanh", "mul"], ["add"]]),
            ([h, stays, T.dot(late, T.sqr(h))], [["exp", "tanh", "sum", "sqr"]]),
            ([late + T.sqr(T.tanh(d))], [["tanh", "sqr", "add"]]),
            ([late + T.sqr(e), late * h], [["exp", "sqr", "tanh"], ["add", "mul"]]),
            ([h, late + h[k]], [["exp", "tanh"], ["gather"], ["add"]]),
            ([h, late[0] + T.sqr(h[0])], [["exp", "tanh"], ["subtensor", "sqr"],
                                                ["subtensor", "add"]])):
        p = planned([x, w, v, k], outputs)
        assert groups(p) == want, p.steps


def test_nodes_fed_by_leaves_sink(planned):
    x, w = T.matrix("x"), T.matrix("w")
    p = planned([x, w], [T.exp(x) * T.dot(x, w)])
    assert groups(p) == [["exp", "mul"]]
    p = planned([x, w], [T.tanh(T.exp(x)) * T.dot(x, w)])
    assert groups(p) == [["exp", "tanh", "mul"]]
    for factor in (w, w * (T.exp(x).sum() * 2.0)):  # also if it must be stored, and by scalars
        p = planned([x, w], [T.dot(T.dot(T.dot(T.dot(x, w), w), w), T.tanh(factor))])
        assert [n.op.name for n in p.steps[-2].body][-1] == "tanh"


def test_unrelated_nodes_of_a_level_are_steps_of_their_own(planned):
    a, b, s = T.tensor("float64", (4, 5), "a"), T.tensor("float64", (4, 5), "b"), T.scalar("s")
    p = planned([a, b, s], [a * s, b * s])
    assert groups(p) == [["mul"], ["mul"]]
    p = planned([a, b, s], [a * s, a + b])
    assert sorted(map(sorted, groups(p))) == [["add", "mul"]]
    row = T.tensor("float64", (1, 5), "row")
    for shared in (row, T.as_tensor_variable(np.arange(20.0).reshape(4, 5))):
        p = planned([a, b, row], [a * shared, b * shared])
        assert groups(p) == [["mul"], ["mul"]]


def test_views_of_stored_values_are_not_copied(planned):
    x, w = T.matrix("x"), T.matrix("w")
    t = T.exp(x).T
    p = planned([x, w], [t, t + w])
    assert calls(p) == ["transpose"] and groups(p) == [["exp"], ["add"]]


def names(steps):
    return [" ".join([n.op.name for n in s.body]) for s in steps]


def test_scalars_stay_where_they_can_be_computed(planned):
    x, w, lr = T.matrix("x"), T.matrix("w"), T.scalar("lr")
    p = planned([x, w, lr], [T.exp(x) * (lr * 2.0), T.dot(T.dot(x, w), w) * (lr * 3.0)])
    assert names(p.steps)[0] == "mul mul"
    p = planned([x, lr], [x * (lr * 2.0), T.sqr(x)])
    assert names(p.steps) == ["mul", "mul sqr"]


def test_views_that_calls_read_raise_no_level(planned):
    """Nor do those that no kernel can compute; those that decide a length do."""
    x, w = T.matrix("x"), T.matrix("w")
    t = T.exp(x).T
    p = planned([x, w], [T.dot(t, x), t + w, T.tanh(w)])
    assert names(p.steps) == ["exp", "tanh", "transpose", "dot", "add"]
    p = planned([x, w], [T.dot(x.T, w), x.T + w, T.tanh(w)])
    assert names(p.steps) == ["transpose", "dot", "add tanh"]
    k = T.lscalar("k")
    p = planned([x, w, k], [T.exp(T.dot(x, w))[k * 2]])
    assert names(p.steps) == ["mul", "dot", "exp", "subtensor"]
    a, b = T.tensor("float64", (4, 6), "a"), T.tensor("float64", (6, 4), "b")
    late = b - T.exp(b).sum(axis=0)
    for view, fresh, want in (
            (T.exp(a).reshape((6, 4)), False, ["exp sum", "exp", "reshape", "sub mul add"]),
            (T.exp(a).T, False, ["exp sum", "exp", "sub transpose mul add"]),
            (T.exp(a).T, True, ["exp sum", "exp", "sub", "transpose", "mul add"])):
        graph = absorb([late, view * 2.0 + late, view])[1]
        assert names(fuse(graph[:2], {graph[2]: (0,)} if fresh else ())) == want


def test_a_view_that_later_steps_read_is_a_call_if_it_is_of_a_stored_value():
    x, w = T.matrix("x"), T.matrix("w")
    v, h = x.T, T.exp(x).dimshuffle(0, "x", 1)
    first = v + w
    for outputs, want in (
            ([first, v - first.sum(axis=0)], ["transpose", "add sum", "sub"]),
            ([(h * 2.0).sum(axis=1), h - h.sum(axis=0)], ["exp unsqueeze mul sum sum", "sub"])):
        steps = fuse(absorb(outputs)[1])
        assert names(steps) == want
        assert steps[0].kind == ("call" if want[0] == "transpose" else "kernel")


def test_off_is_one_step_a_node(planned):
    x = T.matrix("x")
    p = planned([x], [T.tanh(x.T).sum()], "none")
    assert [len(s.body) for s in p.steps] == [1, 1, 1]
    assert [s.kind for s in p.steps] == ["call", "kernel", "kernel"]


@pytest.mark.parametrize("fusing", [False, True])
def test_results_of_one_op_come_together(fusing):
    """And views are calls if nothing is fused, as are always ops that no kernel can compute."""
    a, b = T.dvector("a"), T.dvector("b")
    body = Body((a, b), (a * b, a + b), 0, (State((1,)),), (True,))
    x, w = T.dmatrix("x"), T.dvector("w")
    kept, mapped = results(T.lscalar("n"), [], [T.exp(x)], [w], body)
    graph = absorb([kept + 1.0, T.cumsum(mapped.T, axis=0), T.tanh(T.exp(w))])[1]
    loop = "call loop item item"
    steps = fuse(graph, (), fusing)
    assert [" ".join([s.kind, *[n.op.name for n in s.body]]) for s in steps] == (
        ["kernel exp", "kernel exp tanh", loop, "call transpose", "kernel add", "call cumsum"]
        if fusing else ["kernel exp", loop, "kernel add", "call transpose", "call cumsum",
                        "kernel exp", "kernel tanh"])
    assert [len(s.outputs) for s in steps] == ([1, 1, 2, 1, 1, 1] if fusing else
                                               [1, 2, 1, 1, 1, 1, 1])
    assert len(fuse(graph)) == 6


def test_what_a_step_reads_and_leaves(planned):
    """All but numbers, each once; what others or the user need."""
    x, w = T.tensor("float64", (None, 3), "x"), T.tensor("float64", (3, 3), "w")
    e = T.exp(x)
    h = T.tanh(e) * 2.0 + T.as_tensor_variable(np.arange(3.0)) + e
    p = planned([x, w], [h, T.dot(h, w) * T.sqr(e).sum(axis=1, keepdims=True)])
    for fusing, want in ((True, "x const > exp add | add w > dot | exp dot > mul"), (False, (
            "x > exp | exp > tanh | tanh > mul | mul const > add | exp add > add | add w > dot | "
            "exp > sqr | sqr > sum | sum > unsqueeze | dot unsqueeze > mul"))):
        steps = [[" ".join([n.name or n.op.name for n in nodes]) for nodes in s[1:3]]
                 for s in fuse(p.outputs, (), fusing)]
        assert " | ".join([f"{reads} > {leaves}" for reads, leaves in steps]) == want


def test_ops_that_decide_a_length_are_calls(planned):
    x = T.vector("x")
    p = planned([x], [T.exp(T.nonzero_values(T.tanh(x)))])
    assert calls(p)[0] == "nonzero" and groups(p)[-1][-1] == "exp"
    pool, graph = absorb([T.tanh(T.exp(x)), T.exp(x)[::-1] * 2.0])
    for node, want in ((graph[0].inputs[0], ["exp", "tanh", "subtensor mul"]),
                       (graph[1].inputs[0], ["exp tanh", "subtensor", "mul"])):
        steps = [(" ".join([n.op.name for n in s.body]), s.kind) for s in fuse(graph, {node: (0,)})]
        assert sorted([ops for ops, _ in steps]) == sorted(want)
        assert [ops for ops, kind in steps if kind == "call"] == [node.op.name]


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
