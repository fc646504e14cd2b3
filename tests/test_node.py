"""Nodes: identity, operators, Python's protocols, copies, pickles, order (symgrad/node.py)."""

import copy
import gc
import pickle

import numpy as np
import pytest

import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError
from symgrad.interpret import evaluate, run
from symgrad.node import CONST, INPUT, Node, as_node, constant, leaves, rebuild, toposort, variable
from symgrad.op import remake
from symgrad.origin import line
from symgrad.shared import shared
from symgrad.types import Type


def vector(name=None, dtype="float64"):
    return variable(Type(dtype, (None,)), name)


def chain(length, start=None):
    x = node = start or vector("x")
    for _ in range(length):
        node = node * 1.5
    return x, node


# -- truth, equality, hash (B1, B2)


def test_variables_are_true_but_comparisons_have_no_truth():
    x = vector("x")
    assert x and x + 1 and constant(0) and T.eq(x, x)
    for compared in (x < 1, x <= 1, x > 1, x >= 1):
        with pytest.raises(TypeError, match="not known when the graph is built; use T.switch"):
            bool(compared)


def test_equality_and_hash_are_by_identity():
    x, y = vector("x"), vector("x")
    assert (x == x) is True and (x == y) is False and (x != y) is True
    assert len({x, y, x + 1, x + 1}) == 4 and [x, y].index(y) == 1 and y not in [x]
    assert {x: 1}[x] == 1


def test_ops_compare_by_identity():
    x = vector("x")
    assert (x + 1).op is (x + 2).op is T.add and T.add != T.sub


# -- operators (B3, B4)


@pytest.mark.parametrize("other", [np.array([1.0, 2.0]), [1.0, 2.0], 2.0, 2, np.float64(2)],
                         ids=repr)
def test_operators_with_arrays_lists_and_numbers_on_either_side(other):
    x = vector("x")
    value = np.array([3.0, 5.0])
    for symbol in ("+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">="):
        for text in (f"a {symbol} b", f"b {symbol} a"):
            node = eval(text, {"a": x, "b": other})  # noqa: S307
            assert isinstance(node, Node), text
            want = eval(text, {"a": value, "b": np.asarray(other)})  # noqa: S307
            np.testing.assert_allclose(evaluate(node, {x: value}), want)


def test_unary_operators_divmod_and_bits():
    x, i = vector("x"), vector("i", "int32")
    assert evaluate(-x, {x: [1.0]}) == [-1] and evaluate(abs(x), {x: [-1.0]}) == [1]
    q, r = divmod(7, x)
    assert evaluate(q, {x: [2.0]}) == [3] and evaluate(r, {x: [2.0]}) == [1]
    q, r = divmod(x, 2)
    assert evaluate(q, {x: [-3.0]}) == [-2] and evaluate(r, {x: [-3.0]}) == [1]
    given = {i: np.int32([6])}
    found = (i & 3, 3 & i, i | 1, 1 | i, i ^ 2, 2 ^ i, i << 1, 1 << i, i >> 1, 100 >> i, ~i)
    want = [2, 2, 7, 7, 4, 4, 12, 64, 3, 1, -7]
    assert [evaluate(n, given).item() for n in found] == want


def test_dtypes_of_operators_follow_autocast():
    x, b = vector("x", "float32"), vector("b", "int8")
    assert (x + 1).dtype == (x * 0.5).dtype == (2 - x).dtype == "float32"
    assert (x + 0.1).dtype == (x + np.float64(1)).dtype == (b / 2).dtype == "float64"
    assert (b + 1).dtype == "int8" and (b + 300).dtype == "int16" and (b * 0.5).dtype == "float32"


def test_what_no_operator_takes():
    x = vector("x")
    for bad in ("a", None, {1: 2}, print):
        with pytest.raises(DtypeError, match="in a symbolic expression"):
            x + bad


@pytest.mark.parametrize(
    "ask, says",
    [
        (iter, "its length is not known"),
        (lambda x: iter(x.sum()), "scalar cannot be iterated"),
        (len, r"use x.shape\[0\]"),
        (lambda x: range(3)[x], r"x is symbolic and cannot be a Python integer; .* x.eval"),
        (lambda x: range(3)[constant(1.0)], "cannot be a Python integer"),
        (int, "cannot be a Python integer"),
        (float, "cannot be a Python float"),
        (complex, "cannot be a Python complex"),
        (lambda x: 1 in x, "T.any"),
        (lambda x: bool(x < 1), "use T.switch"),
        (np.asarray, "x is symbolic and cannot be an array"),
        (lambda x: np.array([x, x]), "T.stack makes a tensor of several"),
        (lambda x: np.dot(x, x), "the functions of symgrad.tensor take it as it is"),
        (lambda x: np.zeros(3)[x], "cannot be an array"),
    ],
)
def test_python_protocols_that_need_a_value_refuse(ask, says):
    with pytest.raises(ArgumentError, match=says) as error:
        ask(vector("x"))
    assert isinstance(error.value, TypeError)


def test_constants_of_integers_are_indices():
    assert list(range(3))[constant(1)] == 1 and int(constant(7)) == 7


@pytest.mark.parametrize(
    "key, written",
    [
        (0, "0"),
        (slice(1, None), "1:"),
        ((slice(None), slice(None, None, -1)), ":, ::-1"),
        ((Ellipsis, None), "..., None"),
        (constant(2), "2"),
    ],
)
def test_a_variable_cannot_be_written_into(key, written):
    x = variable(Type("float64", (None, None)), "x")
    with pytest.raises(ArgumentError) as error:
        x[key] = 1
    says = f"x[{written}] = 1: a variable cannot be changed\n  hint: T.set_subtensor(x[{written}], "
    assert str(error.value).startswith(says)
    with pytest.raises(ArgumentError, match="T.inc_subtensor adds to it"):
        x[key] += 1
    changed = T.set_subtensor(x[0], 1)  # as the hint says
    assert evaluate(changed, {x: np.zeros((2, 1))}).tolist() == [[1], [0]]


# -- NumPy's functions


UNARY = ("exp", "log", "sqrt", "tanh", "arccosh", "negative", "abs", "absolute", "rint", "square",
         "conj", "conjugate", "floor", "isnan", "logical_not", "reciprocal", "deg2rad", "sign")
BINARY = ("add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "power", "mod",
          "remainder", "arctan2", "hypot", "maximum", "fmin", "logaddexp", "less", "greater_equal",
          "logical_and", "matmul", "copysign")


@pytest.mark.parametrize("name", UNARY + BINARY)
def test_numpy_functions_of_variables_are_expressions(name):
    function, x = getattr(np, name), vector("x")
    value, other = np.array([1.5, 2.5]), np.array([2.0, 4.0])
    if name in UNARY:
        node, want = function(x), function(value)
    else:
        node, want = function(x, other), function(value, other)
        swapped = function(other, x)
        np.testing.assert_allclose(evaluate(swapped, {x: value}), function(other, value))
    assert isinstance(node, Node) and node.type.dtype == want.dtype.name
    np.testing.assert_allclose(evaluate(node, {x: value}), want)


@pytest.mark.parametrize(
    "ask, says",
    [
        (lambda x, a: np.equal(x, 1), r"compare identities; elementwise it is T.eq\(a, x\)"),
        (lambda x, a: a == x, "T.eq"),
        (lambda x, a: a != x, "T.neq"),
        (lambda x, a: np.add.reduce(x), "np.add.reduce takes no variable: did you mean"),
        (lambda x, a: np.heaviside(x, 1), "np.heaviside takes no variable"),
        (lambda x, a: np.exp(x, out=a), "np.exp of a variable takes no out"),
        (lambda x, a: np.add(a, x, where=a > 0), "takes no where"),
        (lambda x, a: a.__iadd__(x), r"takes no out.*write a = a \+ x for a \+= x"),
    ],
)
def test_what_numpy_functions_refuse(ask, says):
    with pytest.raises(ArgumentError, match=says):
        ask(vector("x"), np.ones(2))


def test_shapes_can_be_unpacked_and_vectors_of_known_length_iterated():
    """B25."""
    x = variable(Type("float32", (None, None, 4)), "x")
    a, b, c = x.shape
    assert len(tuple(x.shape)) == 3 and [d.dtype for d in (a, b, c)] == ["int64"] * 3
    value = np.zeros((2, 3, 4), "float32")
    assert [int(evaluate(d, {x: value})) for d in (a, b)] == [2, 3]
    assert evaluate(c, {x: value}) == 4 and len(list(x.shape[1:])) == 2
    known = constant(np.array([5.0, 6.0]))
    assert [float(evaluate(v)) for v in known] == [5, 6]


def test_a_list_of_slices_indexes_like_a_tuple():
    """B24."""
    x = variable(Type("float64", (None, None)), "x")
    value = np.arange(12.0).reshape(3, 4)
    got = evaluate(x[[slice(None), slice(-2, None)]], {x: value})
    np.testing.assert_array_equal(got, value[:, -2:])


# -- what Theano programs read


def test_the_view_of_theano():
    x = vector("x")
    y = x + 1
    assert x.owner is None and y.owner.op is T.add
    assert y.owner.inputs[0] is x and y.owner.outputs == [y]
    assert x.type("z").type is x.type and x.type("z").name == "z" and x.broadcastable == (False,)
    y.tag.note = 1
    assert y.tag.note == 1 and not hasattr(x.tag, "note")
    assert str(x) == "x" and repr(y) == "add:f64[?]"
    y.name = "y"
    assert str(y) == "y"


def test_names_are_strings():
    with pytest.raises(ArgumentError, match="name must be a string, not 3"):
        variable(Type("float64"), 3)


def test_nodes_know_the_line_that_made_them():
    x = vector("x")
    y = x * 2
    assert y.origin[0] == __file__ and "y = x * 2" in line(y.origin)


# -- constants


def test_constants_are_keyed_by_exact_bits():
    def key(value, dtype="float64"):
        return constant(value, dtype=dtype).attrs

    nan = float("nan")
    assert key(0.0) != key(-0.0) and key(nan) == key(nan) and key(1, "int8") != key(1, "float32")
    assert hash(key(2.0)[0]) == hash(key(2.0)[0]) and key([1.0, 2.0]) != key([[1.0, 2.0]])


def test_a_constant_cannot_be_changed_from_outside():
    array = np.zeros(3)
    node = constant(array)
    array[0] = 1
    assert node.data[0] == 0 and not node.data.flags.writeable and node.op is CONST


def test_lists_with_nodes_are_stacked():
    x = variable(Type("float64"), "x")
    assert as_node([x, 1.0]).type.shape == (2,)
    assert evaluate(as_node([[x, 1.0], [2.0, x]]), {x: 3.0}).tolist() == [[3, 1], [2, 3]]


# -- order


def test_toposort_has_inputs_first_once_and_is_repeatable():
    x, y = vector("x"), vector("y")
    a = x + y
    b = T.exp(a) * a
    order = toposort([b, a])
    assert len(set(order)) == len(order) == 5 and order[-1] is b and order == toposort([b, a])
    assert all(order.index(i) < order.index(n) for n in order for i in n.inputs)
    assert [n.name for n in leaves([b])] == ["x", "y"]
    assert toposort([b], stop={a: None})[0].op is T.exp


def test_deep_and_wide_graphs_need_no_recursion_and_no_square_time():
    _, deep = chain(50_000)
    assert len(toposort([deep])) == 100_001 and deep.height == 50_000
    shared_leaf = vector("x")
    wide = [shared_leaf + 1 for _ in range(20_000)]
    assert len(toposort(wide)) == 40_001
    doubling = shared_leaf
    for _ in range(200):
        doubling = doubling + doubling
    assert len(toposort([doubling])) == 201


def test_deep_graphs_are_freed_without_recursion():
    import weakref

    x, deep = chain(100_000)
    gone = weakref.ref(x)
    del x, deep
    gc.collect()
    assert gone() is None


def test_rebuild_replaces_and_keeps_the_rest():
    x, y = vector("x"), vector("y")
    kept, moved = T.exp(y), T.exp(x)
    moved.name = "moved"
    z = variable(Type("float32", (None,)), "z")
    (new,) = rebuild([kept + moved], {x: z}, remake)
    assert new.inputs[0] is kept
    assert new.dtype == "float64" and x not in toposort([new])
    assert rebuild([kept], {x: z}, remake) == [kept] and rebuild([x], {x: z}, remake) == [z]


# -- copies and pickles (B19)


def test_copy_is_a_new_node_with_its_own_name():
    x = vector("x")
    y = copy.copy(x)
    assert y is not x and y.type is x.type and y.name == "x" and y.op is INPUT
    z = x.copy()
    assert z is not x and z.op.name == "copy" and x.copy() is not z
    c = constant(2.0, "two")
    assert type(copy.copy(c)) is type(c) and copy.copy(c).data == 2


@pytest.mark.parametrize("carry", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g)),
                                   lambda g: pickle.loads(pickle._dumps(g))],
                         ids=["deepcopy", "pickle", "pickle in Python"])
def test_graphs_survive_deepcopy_and_pickle(carry):
    x, deep = chain(5_000)
    deep.tag.note = "kept"
    deep.name = "deep"
    w = shared(np.arange(3.0), "w")
    graph = {"x": x, "outs": [deep + w, deep], "w": w, "op": deep.op}
    new = carry(graph)
    assert new["x"] is not x and new["op"] is deep.op and new["outs"][1].name == "deep"
    assert new["outs"][0].inputs[0] is new["outs"][1] and new["outs"][0].inputs[1] is new["w"]
    assert leaves([new["outs"][1]])[0] is new["x"] and new["outs"][1].tag.note == "kept"
    new["w"].set_value(np.ones(3))
    assert w.get_value().tolist() == [0, 1, 2]
    small = run([new["outs"][0]], {new["x"]: np.zeros(3)})[0]
    assert small.tolist() == [1, 1, 1]


def test_wide_and_shared_graphs_pickle_in_linear_size():
    x = vector("x")
    node = x
    for _ in range(2_000):
        node = node + node
    sizes = [len(pickle.dumps(node))]
    for _ in range(2_000):
        node = node + node
    sizes.append(len(pickle.dumps(node)))
    assert sizes[1] < 2.5 * sizes[0]


def test_a_failed_pickle_leaves_the_next_one_alone():
    _, deep = chain(5_000)
    deep.tag.bad = lambda: None
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(deep)
    del deep.tag.bad
    assert pickle.loads(pickle.dumps(deep)).height == 5_000


def test_clones_of_shared_variables_share_their_value():
    """B9."""
    w = shared(np.zeros(2), "w")
    v = copy.copy(w)
    assert v is not w and v.container is w.container
    v.set_value(np.ones(2))
    assert w.get_value().tolist() == [1, 1]
