"""Text of graphs: the tree, its ids, types and lines, and the line of mathematics."""

import inspect
import io
import re

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError
from symgrad.show import debugprint, letters, pprint


def tree(obj, **options):
    return debugprint(obj, file="str", **{"lines": False, **options})


def test_a_tree():
    x, y = T.dmatrix("x"), T.dvector("y")
    z = T.exp(x) * y
    z.name = "z"
    assert tree(T.sum(z, axis=0)) == (
        "sum{axis=(0,)} [id A] f64[?]\n"
        "└─ mul [id B] f64[?,?] 'z'\n"
        "   ├─ exp [id C] f64[?,?]\n"
        "   │  └─ x [id D] f64[?,?]\n"
        "   └─ y [id E] f64[?]\n"
    )


def test_what_is_shared_is_printed_once():
    x = T.dvector("x")
    e = T.exp(x)
    assert tree(e * e) == (
        "mul [id A] f64[?]\n"
        "├─ exp [id B] f64[?]\n"
        "│  └─ x [id C] f64[?]\n"
        "└─ exp [id B] f64[?] ···\n"
    )


def test_leaves_say_what_they_are():
    w = sg.shared(np.zeros(3, "float32"), name="w")
    text = tree(w * T.constant(np.arange(4000, dtype="float32").reshape(2, -1))[0, :3] + 2)
    assert re.search(r"w \[id \w\] f32\[\?\] shared\n", text)
    assert re.search(r"2\.0 \[id \w\] f32\[\]\n", text)
    assert all(len(row) < 120 for row in text.splitlines())  # no value fills the screen


def test_several_roots_share_their_ids():
    x = T.dvector("x")
    e = T.exp(x)
    assert tree([e, -e]).splitlines()[2:] == ["neg [id C] f64[?]", "└─ exp [id A] f64[?] ···"]


@pytest.mark.parametrize(
    "ids, first", [("char", "[id A]"), ("CHAR", "[id A]"), ("int", "[id 0]"), ("id", "[id 0x")]
)
def test_ids(ids, first):
    assert tree(T.exp(T.dvector("x")), ids=ids).startswith(f"exp {first}")


def test_no_ids_no_types():
    text = tree(T.exp(T.dvector("x")), ids="", print_type=False)
    assert text == "exp\n└─ x\n"


def test_unknown_ids():
    with pytest.raises(ArgumentError, match="ids='char1' is none of 'char'"):
        debugprint(T.dvector("x"), ids="char1")


def test_letters():
    assert [letters(n) for n in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_depth():
    x = T.dvector("x")
    e = T.exp(x)
    text = tree(T.log(e) + e, depth=2)
    assert text.splitlines() == [
        "add [id A] f64[?]",
        "├─ log [id B] f64[?] ···",
        "└─ exp [id C] f64[?] ···",
    ]
    assert "x" in tree(T.log(e) + e, depth=3)  # where `e` is met again, above the cut


def test_lines_are_the_users():
    x = T.dvector("x")
    y = T.exp(x)  # the line
    here = inspect.currentframe().f_lineno - 1
    rows = debugprint(T.sum(y), file="str").splitlines()
    assert rows[1].endswith(f"test_show.py:{here}   y = T.exp(x)  # the line")


def test_a_line_is_quoted_once():
    x = T.dvector("x")
    y = T.exp(T.exp(T.exp(x)))
    text = debugprint(y, file="str")
    assert text.count("y = T.exp(T.exp(T.exp(x)))") == 1
    assert text.count("test_show.py:") == 4


def test_where_the_text_goes(capsys):
    x = T.dvector("x")
    assert debugprint(x) is None
    assert capsys.readouterr().out.startswith("x [id A] f64[?]")
    buffer = io.StringIO()
    assert debugprint(x, file=buffer) is buffer
    assert buffer.getvalue().startswith("x [id A] f64[?]")


@pytest.mark.parametrize("wrong", [3, "x", [1], np.zeros(2)])
def test_what_is_no_graph(wrong):
    with pytest.raises(ArgumentError, match="wants a variable, a list of variables or a compiled"):
        debugprint(wrong)


def test_a_function_prints_its_rewritten_graph_and_its_steps():
    x = T.dvector("x")
    f = sg.function([x], T.sum(T.exp(x) * 1 + 0))
    text = tree(f)
    assert re.search(r"^sum.* #\d+\n", text)
    assert re.search(r"exp .* #\d+\n", text)
    assert "mul" not in text


def test_updates_say_which_variable_they_are_for():
    w = sg.shared(np.zeros(3), name="w")
    rows = tree(sg.function([], [], updates=[(w, w + 1)])).splitlines()
    assert re.match(r"add \[id A\] f64\[\w+\] #0 → w", rows[0])


def test_two_runs_print_the_same():
    def text():
        x = T.dvector("x")
        cost = T.sum(T.tanh(x) ** 2)
        return tree(sg.function([x], sg.grad(cost, x)))

    assert text() == text()


def test_an_exponential_tree_has_linear_text():
    y = T.dvector("x")
    for _ in range(500):
        y = y * y
    assert len(tree(y).splitlines()) == 1001
    assert len(pprint(y)) < 5000


def test_a_deep_graph_has_linear_text():
    y = T.dvector("x")
    for _ in range(20_000):
        y = T.exp(y)
    assert len(tree(y)) < 100 * 20_000
    assert pprint(y).startswith("exp(exp(")
    assert "…" in pprint(y)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda x, y: x + 2, "(x + 2.0)"),
        (lambda x, y: ((x + 2) + 3) + 5, "(((x + 2.0) + 3.0) + 5.0)"),
        (lambda x, y: -x / y, "((-x) / y)"),
        (lambda x, y: T.exp(-x) * y, "(exp(-x) * y)"),
        (lambda x, y: T.switch(x < y, x, y), "where(x < y, x, y)"),
        (lambda x, y: T.maximum(x, y), "maximum(x, y)"),
        (lambda x, y: T.sum(x * y, axis=0), "sum(x * y, axis=(0,))"),
        (lambda x, y: [x, x - y], "[x, (x - y)]"),
    ],
)
def test_a_line_of_mathematics(make, text):
    assert pprint(make(T.dvector("x"), T.dvector("y"))) == text


def test_integers_stay_integers():
    assert pprint(T.lscalar("n") + 2) == "(n + 2)"


def test_what_a_step_computes_comes_below():
    x, w = T.dvector("x"), T.dscalar("w")
    sums, _ = sg.scan(lambda a, s: s * w + a, x, 0.0, name="decay")
    text = sg.debugprint(sums, file="str", lines=False)
    whole, step = text.split("\n\n")
    assert "loop{body=2 nodes} [id C] (f64[?]) 'decay'" in whole
    assert step.splitlines() == [
        "loop [id C], body:", "add [id I] f64[]", "├─ mul [id J] f64[]", "│  ├─ input [id K] f64[]",
        "│  └─ w [id L] f64[]", "└─ x[t] [id M] f64[]"]
