"""Graphs as networkx graphs, their measures, and estimates of cost."""

import io

import networkx as nx
import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.costs import Costs
from symgrad.errors import ArgumentError, UnknownName
from symgrad.graph import metrics, to_networkx
from symgrad.node import toposort


def layered():
    """Logistic regression with known lengths: x, W, b -> loss."""
    x, W, b = T.tensor("float32", (6, 4)), T.tensor("float32", (4, 3)), T.tensor("float32", (3,))
    x.name, W.name, b.name = "x", "W", "b"
    loss = T.sum(T.tanh(T.dot(x, W) + b))
    loss.name = "loss"
    return x, W, b, loss


def trained():
    x, t = T.fmatrix("x"), T.fmatrix("t")
    w = sg.shared(np.ones((4, 3), "float32"), name="w")
    cost = T.sum((T.tanh(T.dot(x, w)) - t) ** 2)
    return sg.function([x, t], cost, updates=sg.updates.sgd(cost, [w], 0.1))


def test_nodes_and_edges_are_those_of_the_graph():
    *_, loss = layered()
    graph = to_networkx(loss)
    assert list(graph) == toposort([loss])
    assert set(graph.edges) == {(i, n) for n in graph for i in n.inputs}
    assert nx.is_directed_acyclic_graph(graph)


def test_attributes():
    x, _, _, loss = layered()
    graph = to_networkx(loss)
    row = graph.nodes[loss]
    assert row["op"] == "sum" and row["kind"] == "reduction" and row["type"] == "f32[]"
    assert row["name"] == "loss" and row["output"] and row["line"].startswith("test_graph.py:")
    assert row["code"] == "loss = T.sum(T.tanh(T.dot(x, W) + b))"
    assert graph.nodes[x]["kind"] == graph.nodes[x]["op"] == "input"
    assert not graph.nodes[x]["output"]


def test_an_edge_knows_its_place():
    x, y = T.dvector("x"), T.dvector("y")
    graph = to_networkx(x - y)
    assert [graph.edges[i, n]["index"] for i, n in graph.edges] == [0, 1]
    square = x * x
    assert to_networkx(square).edges[x, square] == {"index": 0, "count": 2}


def test_lists_and_dicts_of_variables():
    x = T.dvector("x")
    a, b = T.exp(x), T.log(x)
    graph = to_networkx({"a": a, "b": [b, (x,)]})
    assert [n for n in graph if graph.nodes[n]["output"]] == [x, a, b]


def test_a_graph_can_be_written():
    graph = nx.convert_node_labels_to_integers(to_networkx(layered()[-1]))
    buffer = io.BytesIO()
    nx.write_graphml(graph, buffer)
    again = nx.read_graphml(io.BytesIO(buffer.getvalue()), node_type=int)
    assert again.nodes[5]["op"] == graph.nodes[5]["op"]


def test_stages_of_a_function():
    f = trained()
    for stage in ("expression", "rewritten", "plan"):
        graph = to_networkx(f, stage=stage)
        assert graph.graph["stage"] == stage
        assert nx.is_directed_acyclic_graph(graph)
        assert any(graph.nodes[v]["output"] for v in graph)
    assert {"power", "pow"} & {to_networkx(f).nodes[v]["op"] for v in to_networkx(f)}


def test_a_plan_runs_in_order():
    graph = to_networkx(trained(), stage="plan")
    steps = [v for v in graph if "step" in graph.nodes[v]]
    assert steps == list(range(len(steps))) and steps
    assert all(u < v for u, v in graph.edges if u in steps and v in steps)
    assert all(graph.nodes[v]["nodes"] >= 1 and graph.nodes[v]["kernel"] for v in steps)
    assert {graph.nodes[v]["name"] for v in graph if v not in steps} >= {"x", "t", "w"}


def test_unknown_stages():
    with pytest.raises(UnknownName, match="no stage 'rewriten': did you mean rewritten"):
        to_networkx(T.dvector("x"), stage="rewriten")
    with pytest.raises(ArgumentError, match="an expression has no stage 'plan'"):
        to_networkx(T.dvector("x"), stage="plan")
    with pytest.raises(ArgumentError, match="wants a variable"):
        to_networkx(3)


def test_depth_and_paths_agree_with_networkx():
    rng = np.random.default_rng(0)
    nodes = [T.dvector(), T.dvector()]
    for _ in range(60):
        a, b = rng.integers(len(nodes), size=2)
        nodes.append(nodes[a] * nodes[b] if rng.random() < 0.7 else T.exp(nodes[a]))
    graph = to_networkx(nodes[-9:], unknown=10)
    found = metrics(graph)
    inner = graph.subgraph([v for v in graph if v.inputs])
    assert found.nodes == len(graph) and found.edges == graph.number_of_edges()
    assert found.leaves == len(graph) - len(inner)
    assert found.depth == nx.dag_longest_path_length(inner) + 1 == len(found.path)
    assert nx.is_path(graph, found.path)
    assert found.width == max(map(len, nx.topological_generations(inner)))
    weighted = nx.DiGraph()
    for v in inner:
        cost = max(graph.nodes[v]["flops"], graph.nodes[v]["bytes"])
        weighted.add_edge((v, 0), (v, 1), weight=cost)
    weighted.add_edges_from([((u, 1), (v, 0), {"weight": 0}) for u, v in inner.edges])
    assert found.cost == nx.dag_longest_path_length(weighted)
    assert nx.is_path(graph, found.costly_path)


def test_measures_of_small_graphs():
    x = T.dvector("x")
    assert metrics(x)[:5] == (1, 0, 1, 0, 0)
    assert metrics(T.sum(T.exp(x) * x))[:5] == (4, 4, 1, 3, 1)
    assert metrics([T.exp(x), T.log(x), T.sin(x)]).width == 3
    assert metrics([])[:5] == (0, 0, 0, 0, 0)
    assert str(metrics(T.exp(x))) == "2 nodes (1 leaves), 1 edges, depth 1, width 1"


def test_unknown_lengths_leave_the_cost_open():
    y = T.exp(T.fvector("x"))
    assert metrics(y).flops is metrics(y).cost is None
    assert metrics(y, unknown=5).flops == 5
    assert metrics(y, unknown=5).bytes == 40


def test_costs():
    x, W, b, loss = layered()
    costs = Costs()
    product = T.dot(x, W)
    assert costs.flops(product) == 2 * 6 * 4 * 3
    assert costs.traffic(product) == 4 * (24 + 12 + 18)
    assert costs.flops(T.exp(x)) == 24
    assert costs.flops(T.sum(x, axis=0)) == 24
    assert costs.flops(x.T) == costs.traffic(x.T) == 0
    assert costs.flops(T.nnet.softmax(x)) > 4 * 24
    many = T.tensor("float32", (5, 6, 4))
    assert costs.flops(T.matmul(many, T.tensor("float32", (5, 4, 3)))) == 5 * 2 * 6 * 4 * 3
    assert costs.flops(T.dot(x[0], W)) == 2 * 4 * 3


def test_a_large_graph_takes_linear_time():
    x = y = T.dvector("x")
    for _ in range(20_000):
        y = y * x
    assert metrics(y).depth == 20_000


def test_a_report_says_how_much_memory_the_buffers_take():
    x, y = T.tensor("float32", (100, 50)), T.fmatrix()
    known = sg.function([x], T.exp(T.tanh(x)).sum(), backend="numpy")
    assert "1 buffers of 20,000 bytes together" in str(known.report)
    told = sg.function([y], T.exp(T.tanh(y)).sum(), backend="numpy")
    assert "1 buffers\n" in str(told.report)  # it depends on the call


def test_a_loop_costs_what_its_steps_cost():
    h, k = T.tensor("float64", (5,), name="h"), T.lscalar("k")
    for steps, unknown, want in ((10, None, 100), (k, None, None), (k, 3, 30)):
        o, _ = sg.scan(lambda s: T.sin(s) * 2, outputs_info=h, n_steps=steps)
        item = o.owner.inputs[0]
        loop = item.owner.inputs[0]
        costs = Costs(unknown)
        assert costs.flops(loop) == want
        assert costs.traffic(item) == costs.flops(item) == 0
        if steps == 10:
            assert costs.traffic(loop) == 8 * (1 + 5 + 11 * 5)
        f = sg.function([h, k], o, on_unused_input="ignore")
        assert "loop" in str(f.report)
