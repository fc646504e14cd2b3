"""Pictures: what the SVG holds, that boxes keep apart, that large graphs are drawn in time."""

import time
import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError
from symgrad.graph import to_networkx
from symgrad.tools.draw import Picture, draw
from symgrad.tools.layout import layout

NS = {"svg": "http://www.w3.org/2000/svg"}


def logistic():
    x, y = T.fmatrix("x"), T.ivector("y")
    W = sg.shared(np.zeros((784, 10), "float32"), name="W")
    b = sg.shared(np.zeros(10, "float32"), name="b")
    loss = -T.mean(T.log(T.nnet.softmax(T.dot(x, W) + b))[T.arange(y.shape[0]), y])
    loss.name = "loss"
    return x, y, W, b, loss


def trained():
    x, y, W, b, loss = logistic()
    return sg.function([x, y], loss, updates=sg.updates.sgd(loss, [W, b], 0.1))


def words(svg):
    return [t.text for t in xml.fromstring(svg).iterfind(".//svg:text", NS)]


def test_an_svg_shows_ops_names_types_and_lines():
    svg = draw(logistic()[-1], file=None)
    found = words(svg)
    assert found[0].startswith("expression: ")
    for word in ("x", "W", "f32[?,?]", "softmax{axis=(1,)}", "loss = neg", "contract", "shared"):
        assert word in found
    titles = [t.text for t in xml.fromstring(svg).iterfind(".//svg:title", NS)]
    assert any("test_draw.py:" in t and "loss = -T.mean(" in t for t in titles)


def test_numbers_are_shown_where_they_are_used():
    x = T.dvector("x")
    found = words(draw(2 / T.exp(x), file=None))
    assert "true_div(2.0, ·)" in found
    assert "2.0" not in found


def test_text_is_escaped():
    x = T.dvector("<&>")
    assert "<&>" in words(draw(T.exp(x), file=None))


def test_there_is_an_arrow_for_every_edge():
    *_, loss = logistic()
    graph = to_networkx(loss)
    picture = Picture.of(graph)
    numbers = [v for v in graph if graph.nodes[v]["kind"] == "const" and not v.ndim]
    assert len(picture.boxes) == len(graph) - len(numbers)
    assert len(picture.lines) == graph.number_of_edges() - sum(graph.out_degree(v) for v in numbers)
    for line in picture.lines:
        assert all(a[1] < b[1] for a, b in zip(line[:-1], line[1:], strict=True))  # downwards


@pytest.mark.parametrize("stage", ["expression", "rewritten", "plan"])
def test_boxes_keep_apart(stage):
    picture = Picture.of(to_networkx(trained(), stage))
    boxes = picture.boxes
    for k, a in enumerate(boxes):
        assert 0 < a.x - a.width / 2 and a.x + a.width / 2 < picture.width
        assert 0 < a.y - a.height / 2 and a.y + a.height / 2 < picture.height
        for b in boxes[:k]:
            beside = abs(a.x - b.x) > (a.width + b.width) / 2
            assert beside or abs(a.y - b.y) > (a.height + b.height) / 2


def test_operands_arrive_in_order():
    x, y = T.dvector("x"), T.dvector("y")
    a, b = T.exp(x), T.exp(y)
    for u, v in ((a, b), (b, a)):
        picture = Picture.of(to_networkx([a, b, u - v]))
        (minus,) = [box for box in picture.boxes if box.lines[0] == "sub"]
        ends = {line[-1][0]: line[0][0] for line in picture.lines if line[-1][1] > minus.y - 30}
        boxes = [box for box in picture.boxes if box.lines[0] == "exp"]
        assert len(ends) == 2 and sorted(ends.values()) == sorted(b.x for b in boxes)


@pytest.mark.parametrize("stage", ["expression", "rewritten", "plan"])
def test_files(tmp_path, stage):
    f = trained()
    svg = draw(f, tmp_path / "g.svg", stage=stage)
    assert svg == tmp_path / "g.svg"
    assert words(svg.read_text("utf-8"))[0].startswith(stage)
    png = draw(f, str(tmp_path / "g.png"), stage=stage)
    assert isinstance(png, Path) and png.read_bytes().startswith(b"\x89PNG")


def test_a_graph_of_networkx_can_be_drawn():
    x, *_, loss = logistic()
    graph = to_networkx(loss)
    graph.remove_node(x)
    assert "x" not in words(draw(graph, file=None))


def test_updates_are_named():
    f = trained()
    for stage in ("expression", "rewritten", "plan"):
        found = " ".join(words(draw(f, None, stage)))
        assert "W ← " in found and "b ← " in found


def test_unknown_endings():
    with pytest.raises(ArgumentError, match="'graph.gif' must end in .svg or .png"):
        draw(T.dvector("x"), "graph.gif")


def test_drawings_are_repeatable():
    assert draw(trained(), None, "plan") == draw(trained(), None, "plan")


def test_nothing_to_draw():
    assert "0 nodes" in words(draw([], file=None))[0]


def random_graph(size, reach=30):
    rng = np.random.default_rng(1)
    nodes = [T.dmatrix(f"x{k}") for k in range(4)]
    for _ in range(size):
        a, b = rng.integers(max(0, len(nodes) - reach), len(nodes), size=2)
        kind = rng.integers(3)
        nodes.append([nodes[a] + nodes[b], T.exp(nodes[a]), T.dot(nodes[a], nodes[b])][kind])
    return nodes[-10:]


def deep_graph(size):
    x, w = T.dmatrix("x"), T.dmatrix("w")
    for _ in range(size):
        x = x * w
    return x


def wide_graph(size):
    x = T.dvector("x")
    return [T.exp(x * float(k)) for k in range(size)]


@pytest.mark.parametrize("make", [random_graph, deep_graph, wide_graph])
def test_large_graphs(make):
    start = time.process_time()
    svg = draw(make(1500), file=None)
    assert time.process_time() - start < 15
    assert svg.count("<title>") > 1000


def test_layout_of_a_diamond_is_symmetric():
    places = layout([60.0] * 4, [(0, 1), (0, 2), (1, 3), (2, 3)])
    assert places.row == [0, 1, 1, 2] and places.rows == 3
    middle = (places.x[1] + places.x[2]) / 2
    assert places.x[0] == pytest.approx(middle, abs=1)
    assert places.x[3] == pytest.approx(middle, abs=1)


def test_layout_leads_long_edges_around_boxes():
    places = layout([60.0] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    bends = places.bends[0, 3]
    assert [row for _, row in bends] == [1, 2]
    assert all(abs(x - places.x[row]) >= 30 for x, row in bends)


def test_what_hangs_on_one_place_stands_near_it():
    places = layout([60.0] * 5, [(0, 1), (1, 2), (3, 4), (2, 4)])
    assert places.row == [0, 1, 2, 2, 3]


def test_layout_unravels_crossings():
    edges = [(k, 4 + j) for k, j in ((0, 3), (1, 2), (2, 1), (3, 0))]
    places = layout([60.0] * 8, edges)
    order = sorted(range(4), key=places.x.__getitem__)
    below = sorted(range(4, 8), key=places.x.__getitem__)
    assert [dict(edges)[k] for k in order] == below
