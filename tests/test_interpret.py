"""The interpreter: values, checks, messages, and what ``.eval()`` does."""

import numpy as np
import pytest

import symgrad.tensor as T
from symgrad.config import options
from symgrad.errors import (
    ArgumentError,
    DtypeError,
    IndexingError,
    MissingInputError,
    ShapeError,
    SymgradError,
    UnusedInputError,
)
from symgrad.families import composite, elementwise
from symgrad.interpret import default_updates, evaluate, run
from symgrad.node import constant, variable
from symgrad.shared import shared
from symgrad.types import Dim, Type


def test_a_graph_is_computed_and_shared_variables_are_read():
    x, w = T.dvector("x"), shared(np.array([1.0, 2.0]), "w")
    assert evaluate((x * w).sum(), {x: [3.0, 4.0]}) == 11
    w.set_value(np.zeros(2))
    assert evaluate((x * w).sum(), {x: [3.0, 4.0]}) == 0
    a, b = run([x + 1, x * 2], {x: np.array([1.0])})
    assert a == [2] and b == [2]


def test_values_may_stand_for_any_node_on_the_way():
    x = T.dvector("x")
    y = T.exp(x)
    assert run([y + 1], {y: np.array([1.0])})[0] == [2]


def test_numbers_lists_names_and_lists_of_outputs():
    x, n = T.fvector("x"), T.iscalar("n")
    got = evaluate([x * 2, n + 1], {"x": [1, 2], "n": 3})
    assert got[0].tolist() == [2, 4] and got[0].dtype == "float32" and got[1] == 4
    assert evaluate(constant(3)) == 3 and type(evaluate(constant(3))) is np.ndarray


def test_eval_is_a_method():
    x = T.dscalar("x")
    assert (x + 1).eval({x: 1.0}) == 2 and (x + 1).eval({"x": 1}) == 2


def test_values_are_filtered_as_by_a_function():
    x = T.fvector("x")
    with pytest.raises(DtypeError, match=r"x: got float64\[2\], wants f32\[\?\]"):
        evaluate(x, {x: np.zeros(2)})
    assert evaluate(x, {x: np.zeros(2)}, allow_input_downcast=True).dtype == "float32"
    with pytest.raises(ShapeError, match="2 dimensions"):
        evaluate(x, {x: np.zeros((2, 2), "float32")})


def test_missing_unused_and_unknown_inputs():
    x, y = T.dvector("x"), T.dvector("y")
    with pytest.raises(MissingInputError, match=r"(?s)x: no value.*made at test_inter.*   x, y ="):
        evaluate(x + y, {y: [1.0]})
    with pytest.raises(UnusedInputError, match="does not depend on y"):
        evaluate(x + 1, {x: [1.0], y: [1.0]})
    with options(on_unused_input="ignore"):
        assert evaluate(x + 1, {x: [1.0], y: [1.0]}) == [2]
    with pytest.raises(ArgumentError, match="no input is called 'xx': did you mean x"):
        evaluate(x + 1, {"xx": [1.0]})
    with pytest.raises(ArgumentError, match="unknown option 'downcast'"):
        evaluate(x + 1, {x: [1.0]}, downcast=True)


def test_the_result_is_the_callers_own():
    w = shared(np.zeros(2), "w")
    x, given = T.dvector("x"), np.ones(2)
    for graph, inputs in ((w, None), (w[:1], None), (constant(np.zeros(2)), None), (x, {x: given}),
                          (x.dimshuffle(0, "x"), {x: given})):
        got = evaluate(graph, inputs)
        got += 5
    assert w.get_value().tolist() == [0, 0] and given.tolist() == [1, 1]


def test_lengths_that_differ_at_run_time():
    x, y = T.dvector("x"), T.dvector("y")
    z = x + y
    with pytest.raises(ShapeError, match=r"(?s)add: lengths differ, \(3,\) and \(2,\).*z = x \+ y"):
        evaluate(z, {x: np.zeros(3), y: np.zeros(2)})
    with pytest.raises(ShapeError, match=r"(?s)stretches only if known when the graph is built"):
        evaluate(z, {x: np.zeros(3), y: np.zeros(1)})
    row = T.drow("row")
    assert evaluate(row + T.ones((2, 1)), {row: np.zeros((1, 3))}).shape == (2, 3)


def test_one_dim_is_one_length():
    n = Dim("n")
    x, y = variable(Type("float64", (n,)), "x"), variable(Type("float64", (n,)), "y")
    with pytest.raises(ShapeError, match=r"(?s)shape \(3,\) does not fit the type f64\[n\].*y"):
        run([T.sum(x) + T.sum(y)], {x: np.zeros(2), y: np.zeros(3)})


def test_numpys_errors_have_the_op_and_the_line():
    x, i = T.dvector("x"), T.lscalar("i")
    with pytest.raises(IndexingError, match=r"(?s)test_interpret.py"):
        evaluate(x[i], {x: np.zeros(3), i: 7})

    @elementwise()
    def picky(x):
        """Says no with NumPy's class."""
        raise ValueError("no good")

    n = T.lvector("n")
    with pytest.raises(ShapeError, match=r"(?s)picky: no good.*int64\[1\].*picky\(n\)"):
        evaluate(picky(n), {n: [-1]})


def test_a_value_of_another_type_is_a_fault_of_the_op():
    @elementwise()
    def widens(x):
        """Wrong on purpose."""
        return np.asarray(x, "float64")

    x = T.fvector("x")
    with pytest.raises(SymgradError, match=r"widens: got float64\[2\] as the value .* f32"):
        run([widens(x)], {x: np.zeros(2, "float32")})


def test_composites_are_computed_through_their_definition():
    @composite()
    def outside(x, *, k=2):
        """Through another composite."""
        return inside(x) ** k

    @composite()
    def inside(x):
        """x + 1, halved."""
        return (x + 1) * 0.5

    x = T.fvector("x")
    y = outside(x, k=3)
    assert y.dtype == "float32"
    for _ in range(2):
        assert evaluate(y, {x: [3.0]}) == [8]


def test_deep_graphs_run_without_recursion():
    x = node = T.dscalar("x")
    for _ in range(20_000):
        node = node + 1
    assert evaluate(node, {x: 0.0}) == 20_000


def test_numpy_does_not_warn(recwarn):
    assert np.isinf(evaluate(T.log(constant(0.0)))) and np.isnan(evaluate(T.sqrt(constant(-1.0))))
    assert not recwarn.list


def test_default_updates_are_applied_once_each():
    """B10: also by eval, transitively, and only for what is reached."""
    a, b, c = (shared(np.float64(0), name) for name in "abc")
    a.default_update = a + 1
    b.default_update = b + a
    c.default_update = c + 1
    assert evaluate(b) == 0 and [s.get_value() for s in (a, b, c)] == [1, 0, 0]
    assert evaluate(b) == 0 and [s.get_value() for s in (a, b, c)] == [2, 1, 0]
    assert list(default_updates([b * 2])) == [b, a] and list(default_updates([b], given=[b])) == []


def test_a_failing_eval_changes_nothing():
    a, x = shared(np.float64(0), "a"), T.dvector("x")
    a.default_update = a + x[3]
    with pytest.raises(IndexingError):
        evaluate(a + x[0], {x: np.zeros(1)})
    assert a.get_value() == 0
