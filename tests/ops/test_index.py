"""Indexing against NumPy: a table of keys, random keys, writing into parts, errors."""

import re

import hypothesis.strategies as st
import numpy as np
import pytest
from differences import check_derivatives
from hypothesis import given, settings

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import IndexingError, ShapeError
from symgrad.node import leaves

N, D = None, Ellipsis
X = np.random.default_rng(0).normal(size=(4, 5, 3))
ROWS, ROW_MASK = [0, -1, 2, 2], [True, False, True, True]

KEYS = [
    0, -1, (1, 2), (1, 2, 0), (1, D, 2), (), D, N, (N, 0, N, D, N), np.int32(2), np.array(1),
    slice(1, 3), (slice(None, None, -1), slice(4, N, -2)), (slice(5, 2), slice(N, N, 2)),
    (slice(-3, -1), slice(10, -10, -3)), (slice(2, 3), D, slice(-1, N)), (slice(0), 1),
    (slice(1, 2, 7), slice(-100, 100)), (D, slice(0, 2)), [slice(N), slice(0, 2)], [0, D], [N, 0],
    ROWS, (ROWS,), (slice(N), ROWS), (ROWS, slice(N), [0, 1, 2, 0]), [], [[0, 1], [1, 3]],
    (0, slice(N), [0, 1]), ([0, 1], slice(N), 0), (0, [0, 1]), (slice(N), 0, [0, 1]),
    (D, 0, [0, 1]), (slice(N), 0, D, [0, 1]), (0, D, [0, 1, 2]), (0, 1, D, [0, 1]),
    (ROWS, N, [0, 1, 2, 0]), (ROWS, N, slice(N), [0, 1, 2, 0]), (N, ROWS, [0, 1, 2, 0]),
    (0, N, [0, 1]), (slice(0, 2), 1, N, [0, 1]), (1, slice(N), N, 2), (N, slice(N), ROWS),
    (slice(1, 3), [0, -1], [[1], [0]]), ([[1], [0]], [0, -1, 2], 0), (slice(1, 2), N, [[0, 1]]),
    ([0, 2], [1, 1], [0, 0]), np.uint8([1, 2]), np.int8([-1]), (slice(N, N, -2), [1]),
    X > 0, ROW_MASK, (ROW_MASK, slice(N), 1), X[:, :, 0] > 0, (X[:, :, 0] > 0, 0), (D, X[0, 0] > 0),
    (slice(N), [True, False, True, False, True]), (ROW_MASK, [0, 1, 2]), (X > 9,), ([False] * 4, 1),
    (ROW_MASK, N, 0), (slice(N, N, 2), X[0] > 0),
]


def numpy_key(key):
    """NumPy no longer takes a list for a tuple."""
    if isinstance(key, list) and any(k is N or k is D or isinstance(k, slice) for k in key):
        return tuple(key)
    return key


def as_input(array, static):
    return T.tensor(array.dtype.name, array.shape if static else (N,) * array.ndim, "x")


def check_type(node, value):
    assert node.dtype == value.dtype and node.ndim == value.ndim
    for known, n in zip(node.type.shape, value.shape, strict=True):
        assert known is None or known == n


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("key", KEYS, ids=lambda k: re.sub(r"\s+", "", repr(k))[:50])
def test_key(key, static):
    x, k = as_input(X, static), numpy_key(key)
    y, wanted = x[key], X[k]
    found = y.eval({x: X})
    check_type(y, found)
    np.testing.assert_array_equal(found, wanted)
    values = np.random.default_rng(1).normal(size=wanted.shape)
    stored, added, flooded = X.copy(), X.copy(), X.copy()
    stored[k], flooded[k] = values, 7
    np.add.at(added, k, values)
    np.testing.assert_array_equal(T.set_subtensor(y, values).eval({x: X}), stored)
    np.testing.assert_array_equal(T.set_subtensor(y, 7).eval({x: X}), flooded)
    np.testing.assert_allclose(T.inc_subtensor(y, values).eval({x: X}), added, rtol=1e-15)


@pytest.mark.parametrize("key", KEYS[::3], ids=lambda k: re.sub(r"\s+", "", repr(k))[:50])
def test_derivatives(key):
    check_derivatives(lambda x: x[key], X, twice=False)
    check_derivatives(lambda x, y: T.inc_subtensor((x ** 2)[key], y), X, X[numpy_key(key)])
    check_derivatives(lambda x, y: T.set_subtensor((x ** 2)[key], y * y), X, X[numpy_key(key)])
    check_derivatives(lambda x, y: T.set_subtensor((x ** 2)[key], y * y), X, np.asarray(0.5))


def bounds(n):
    return st.one_of(st.none(), st.integers(-n - 2, n + 2))


def slices(n):
    steps = st.integers(-3, 3).filter(bool) | st.none()
    return st.builds(slice, bounds(n), bounds(n), steps)


@st.composite
def shapes_and_keys(draw):
    """A shape and a key for it; index arrays broadcast together, a mask comes without others."""
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)))
    block = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    items, axis, dots = [], 0, draw(st.integers(0, 2 * len(shape)))

    def array(elements, size):
        n = int(np.prod(size))
        return np.array(draw(st.lists(elements, min_size=n, max_size=n)), "int64").reshape(size)

    while axis < len(shape):
        n = shape[axis]
        if axis == dots:
            items.append(D)
            axis, dots = draw(st.integers(axis, len(shape))), -1
            continue
        kind = draw(st.sampled_from("slice slice int array mask new".split()))
        if kind == "new":
            items.append(N)
            continue
        if kind == "int" and n:
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "array" and n and block:
            size = block[draw(st.integers(0, len(block) - 1)):]
            items.append(array(st.integers(-n, n - 1), size))
        elif kind == "mask" and block == ():
            end = draw(st.integers(axis + 1, len(shape)))
            items.append(array(st.booleans(), shape[axis:end]).astype(bool))
            axis, block = end - 1, None
        else:
            items.append(draw(slices(n)))
        axis += 1
    return shape, tuple(items)


@settings(max_examples=300, deadline=None)
@given(shapes_and_keys(), st.booleans(), st.booleans())
def test_random_key(case, static, symbolic):
    """Any key gives what NumPy gives, whether its parts are numbers or inputs."""
    shape, key = case
    array = np.arange(np.prod(shape)).reshape(shape)
    x, values = as_input(array, static), {}

    def part(value):
        if not symbolic or value is N:
            return value
        node = T.constant(value).type()
        values[node] = np.asarray(value, node.dtype)
        return node

    def item(k):
        if isinstance(k, slice):
            return slice(part(k.start), part(k.stop), part(k.step))
        return k if k is D else part(k)

    y = x[tuple([item(k) for k in key])]
    found = y.eval({x: array, **values})
    check_type(y, found)
    np.testing.assert_array_equal(found, array[key])
    written = T.set_subtensor(y, -1).eval({x: array, **values})
    array[key] = -1
    np.testing.assert_array_equal(written, array)


def test_symbolic_parts():
    x, i, j, v, m = T.dmatrix(), T.iscalar(), T.lscalar(), T.ivector(), T.tensor("bool", (N,))
    a = np.arange(20.0).reshape(4, 5)
    at = {x: a, i: 1, j: 3, v: [3, 0], m: [True, False, True, True]}
    for build, wanted in [
        (lambda: x[i], a[1]), (lambda: x[i:j], a[1:3]), (lambda: x[j:i:-1, -i], a[3:1:-1, -1]),
        (lambda: x[::j], a[::3]), (lambda: x[v], a[[3, 0]]), (lambda: x[i, v], a[1, [3, 0]]),
        (lambda: x[v, [i, j]], a[[3, 0], [1, 3]]), (lambda: x[m], a[[0, 2, 3]]),
        (lambda: x[x > 7], a[a > 7]), (lambda: x[i * 2:, v], a[2:, [3, 0]]),
        (lambda: x[[i, j]], a[[1, 3]]), (lambda: x[T.constant(2)], a[2]),
        (lambda: x[v - 1, N, i], a[[2, -1], N, 1]),
    ]:
        used = {k: w for k, w in at.items() if k in leaves([build()])}
        np.testing.assert_array_equal(build().eval(used), wanted)


@pytest.mark.parametrize("key", [(), N, (N, D, N)])
def test_a_number_has_no_axis_to_index(key):
    x = T.dscalar("x")
    np.testing.assert_array_equal(sg.function([x], T.exp(x)[key])(0.0), np.float64(1)[key])


def test_lengths_are_known():
    x, n = T.tensor("float32", (4, 5)), T.Dim("n")
    y = T.tensor("float32", (n, 3))
    assert x[1:, ::-2].type.shape == (3, 3)
    assert x[[0, 1, 1]].type.shape == (3, 5)
    assert y[::-1, 0].type.shape == (n,)
    assert y[:, [0, 1]].type.shape == (n, 2)
    assert y[T.tensor("int64", (n,))].type.shape == (n, 3)
    assert y[1:].type.shape == (None, 3)


def test_one_spelling():
    x, y = T.tensor("float32", (5,)), T.vector()
    for a, b in [(x[-1], x[4]), (x[1:], x[1:5:1]), (x[-2:9], x[3:]), (x[3:1], x[0:0]),
                 (x[::2], x[0:5:2]), (x[4::-1], x[::-1]), (x[2:3:5], x[2:3]),
                 (x[::-4], x[4:None:-4]),
                 (y[0:], y[:]), (y[0:3:1], y[:3]), (y[-1::-1], y[::-1])]:
        assert a.attrs == b.attrs


def test_shape_vectors():
    x = T.tensor3("x")
    assert x.shape[1].op.name == "length"
    assert x.shape[-1] is not None and x.shape[-1].attrs == (2,)
    assert x.shape[1:].op.name == "make_vector" and len(x.shape[1:].inputs) == 2
    n, k, m = x.shape
    assert (n.op.name, k.attrs, m.attrs) == ("length", (1,), (2,))
    assert len(tuple(x.shape[:2])) == 2
    assert x.shape[5:].eval().shape == (0,)
    np.testing.assert_array_equal(x.shape[[2, 0]].eval({x: X}), [3, 4])
    with pytest.raises(IndexingError, match="index 3 is out of range for axis 0 of length 3"):
        x.shape[3]


@pytest.mark.parametrize("build, says", [
    (lambda x: x[4], "subtensor: index 4 is out of range for axis 0 of length 4"),
    (lambda x: x[:, -6], "index -6 is out of range for axis 1 of length 5"),
    (lambda x: x[[0, 4]], "index 4 is out of range for axis 0 of length 4"),
    (lambda x: x[5, [0]], "index 5 is out of range for axis 0 of length 4"),
    (lambda x: x[0, 0, 0, 0], "too many indices: 4 for 3 dimensions"),
    (lambda x: x[[[True] * 5] * 4, 0, 0], "too many indices: 4 for 3 dimensions"),
    (lambda x: x[D, D], "only one '...'"),
    (lambda x: x[1.0], "1.0 is no index"),
    (lambda x: x["a"], "'a' is no index"),
    (lambda x: x[True], "True is no index"),
    (lambda x: x[[1.5]], "is no index"),
    (lambda x: x[[[1], [1, 2]]], "is no index"),
    (lambda x: x[T.dscalar("d")], "must be an integer or a bool, not f64[]"),
    (lambda x: x[T.tensor("bool", ())], "a bool without axes"),
    (lambda x: x[::0], "step cannot be zero"),
    (lambda x: x[:1.5], "1.5 is no index"),
    (lambda x: x[:T.ivector()], "bound must be an integer scalar"),
    (lambda x: x[[True, False]],
     "a boolean mask of length 2 (its axis 0) cannot index an axis of length 4"),
    (lambda x: x[[0, 1], [0, 1, 2]], "differ"),
])
def test_errors_when_built(build, says):
    x = T.tensor("float64", (4, 5, 3), "x")
    with pytest.raises((IndexingError, ShapeError), match=re.escape(says)) as caught:
        build(x)
    assert "test_index.py" in str(caught.value)


def test_errors_when_run():
    x, i, v = T.dmatrix("x"), T.lscalar("i"), T.lvector("v")
    a = X[0]
    for build, at, says in [
        (lambda: x[i], {i: 7}, "subtensor: index 7 is out of range for axis 0 of length 5"),
        (lambda: x[:, v], {v: [0, -4]}, "gather: index -4 is out of range for axis 1 of length 3"),
        (lambda: x[v, i], {v: [0], i: 3}, "gather: index 3 is out of range for axis 1 of length 3"),
        (lambda: x[::i], {i: 0}, "subtensor: a slice's step cannot be zero"),
        (lambda: x[v > 0], {v: [1, 0]}, "a boolean mask of length 2 (its axis 0) cannot index an "
                                        "axis of length 5"),
        (lambda: x[v, v[:1]], {v: [0, 1]}, "lengths differ"),
        (lambda: T.set_subtensor(x[v], 1), {v: [9]}, "index 9 is out of range for axis 0"),
        (lambda: T.set_subtensor(x[1:], x), {},
         "a value of shape (5, 3) is to be stored in a part of shape (4, 3)"),
        (lambda: T.inc_subtensor(x[i:, 0], v), {i: 1, v: [1]}, "a value of shape (1,)"),
        (lambda: T.pick(x, v), {v: [0, 3]},
         "pick: index 3 is out of range for an axis of length 3"),
        (lambda: T.pick(x, v), {v: [0] * 6}, "pick: 6 indices for 5 rows"),
        (lambda: T.to_one_hot(v, 3), {v: [5]},
         "place: index 5 is out of range for an axis of length 3"),
    ]:
        y = build()
        used = {k: w for k, w in {x: a, **at}.items() if k in leaves([y])}
        with pytest.raises((IndexingError, ShapeError), match=re.escape(says)) as caught:
            y.eval(used)
        assert "test_index.py" in str(caught.value)
