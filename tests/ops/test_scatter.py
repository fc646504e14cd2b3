"""Writing into parts of tensors against NumPy; `pick` and `place`."""


import numpy as np
import pytest
from differences import check_derivatives

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import DtypeError, IndexingError, ShapeError
from symgrad.node import leaves
from symgrad.types import Type

N = None
X = np.random.default_rng(0).normal(size=(4, 5, 3))


def test_set_and_inc_peel_what_stands_around():
    x = T.dmatrix()
    a = np.arange(12.0).reshape(3, 4)
    wanted = a.copy()
    wanted[:, 1:3] = [[1, 2], [3, 4], [5, 6]]
    y = np.array([[1.0, 3, 5], [2, 4, 6]])
    for target, value in [(x[:, 1:3].T, y), (x[:, 1:3].dimshuffle(1, "x", 0), y[:, N]),
                          (x[:, 1:3].flatten(), y.T.ravel()), (x[:, N, [1, 2]], y.T[:, N])]:
        np.testing.assert_array_equal(T.set_subtensor(target, value).eval({x: a}), wanted)
    z = x[1:]
    np.testing.assert_array_equal(T.inc_subtensor(z[0], 1).eval({x: a}), a[1:] + [[1], [0]])


def test_values_broadcast():
    x, row, v = T.dmatrix(), T.drow(), T.dvector()
    a = np.zeros((3, 4))
    at = {row: [[1.0, 2, 3, 4]], v: [1.0, 2, 3, 4]}
    for build in [lambda: T.set_subtensor(x[1:], row), lambda: T.set_subtensor(x[1:], v),
                  lambda: T.inc_subtensor(x[[1, 2]], v), lambda: T.inc_subtensor(x[1:], row[N])]:
        y = build()
        found = y.eval({x: a} | {k: w for k, w in at.items() if k in leaves([y])})
        np.testing.assert_array_equal(found, [[0] * 4, [1, 2, 3, 4], [1, 2, 3, 4]])
    check_derivatives(lambda x, r: T.set_subtensor((x ** 2)[1:], r ** 2), X[0], X[:1, 0])
    check_derivatives(lambda x, r: T.inc_subtensor((x ** 2)[[0, 0, 1]], r ** 2), X[0], X[:1, 0])


def test_repeats_add_and_the_last_wins():
    x, y, i = T.dvector(), T.dvector(), T.lvector()
    at = {x: np.zeros(4), y: [1.0, 2, 3, 4], i: [1, 1, -3, 0]}
    np.testing.assert_array_equal(T.inc_subtensor(x[i], y).eval(at), [4, 6, 0, 0])
    np.testing.assert_array_equal(T.set_subtensor(x[i], y).eval(at), [4, 3, 0, 0])
    for index in ([1, 1, -3, 0], [3, 2, 1, 0], [3, 2, -3, 1]):
        check_derivatives(lambda x, y, i: T.set_subtensor((x ** 2)[i], y ** 2), X[:, 2, 1],
                          X[:, 0, 0], fixed=(index,))
        check_derivatives(lambda x, y, i=index: T.set_subtensor((x ** 2)[i], y ** 2), X[:, 1, 1],
                          X[:, 0, 0])
        check_derivatives(lambda x, y, i: T.set_subtensor((x ** 2)[i], y ** 2), X[:, 1, 1],
                          np.asarray(0.7), fixed=(index,))


def test_dtypes_of_values():
    x, k = T.fvector("x"), T.ivector("k")
    assert T.set_subtensor(x[0], 0.1).dtype == "float32"
    assert T.set_subtensor(x[:2], T.bvector()).dtype == "float32"
    with pytest.raises(DtypeError, match="cannot store float64 in float32 without loss") as caught:
        T.set_subtensor(x[0], T.dscalar("y"))
    assert "y.astype('float32')" in str(caught.value)
    with pytest.raises(DtypeError, match="cannot store float"):
        T.inc_subtensor(k[1:], 0.5)


def test_first_argument_must_be_a_part():
    x = T.dvector("x")
    for bad in (x, x + 1, x.reshape((2, 2)), x.dimshuffle("x", 0)):
        with pytest.raises(IndexingError, match="set_subtensor.*result of indexing") as caught:
            T.set_subtensor(bad, 1)
        assert "x[...]" in str(caught.value)
    np.testing.assert_array_equal(T.set_subtensor(x[...], 1).eval({x: [1.0, 2.0]}), [1, 1])
    with pytest.raises(ShapeError, match="more axes than the part"):
        T.set_subtensor(x[1:], T.dmatrix())
    with pytest.raises(ShapeError, match="does not fit"):
        T.set_subtensor(T.tensor("float64", (4,))[1:], np.zeros(2))


def test_the_original_stays():
    x, a = T.dmatrix(), np.zeros((2, 2))
    T.inc_subtensor(x[0], 1).eval({x: a})
    assert not a.any()


def test_pick_and_place():
    x, y = T.dmatrix(), T.ivector()
    labels = np.array([2, -1, 0], "int32")
    picked = T.pick(x, y)
    np.testing.assert_array_equal(picked.eval({x: X[0], y: labels}), X[0][np.arange(3), labels])
    check_derivatives(lambda x, y: T.pick(x ** 2, y), X[0], fixed=(labels,))
    check_derivatives(lambda x, y: (x ** 2)[T.arange(y.shape[0]), y], X[0], fixed=(labels,))
    check_derivatives(lambda g, y: T.place(g ** 2, y, 5, 3), X[0, :3, 0], fixed=(labels,))
    assert T.place(T.fvector(), y, x.shape[0], 10).type == Type("float32", (None, 10))
    with pytest.raises(ShapeError, match="a matrix and a vector"):
        T.pick(y, y)
    with pytest.raises(DtypeError, match="an index must be an integer, not f64"):
        T.pick(x, x)


def test_one_hot():
    y = T.bvector()
    found = T.to_one_hot(y, 4)
    assert found.dtype == "float64" and found.type.shape == (None, 4)
    np.testing.assert_array_equal(found.eval({y: [3, 0]}), np.eye(4)[[3, 0]])
    assert T.to_one_hot(y, T.lscalar(), dtype="int32").dtype == "int32"
    with pytest.raises(ShapeError, match="a vector of integers"):
        T.to_one_hot(T.dvector(), 3)


def test_many_rows():
    """The way of adding that is taken for many elements gives what ``np.add.at`` gives."""
    rng = np.random.default_rng(1)
    x, i, j = T.tensor("float32", (None,) * 3), T.lvector("i"), T.lmatrix("j")
    a, k = rng.normal(size=(9, 8, 50)).astype("float32"), rng.integers(-9, 9, 300)
    m = rng.integers(-8, 8, (4, 300))
    for index, key, shape in [(i, k, (300, 8, 50)), ((i, j), (k, m), (4, 300, 50))]:
        y, wanted = rng.normal(size=shape).astype("float32"), a.copy()
        np.add.at(wanted, key, y)
        found = T.inc_subtensor(x[index], y)
        at = {n: v for n, v in {x: a, i: k, j: m}.items() if n in leaves([found])}
        np.testing.assert_array_equal(found.eval(at), wanted)
        at[i] = k + 9
        with pytest.raises(IndexingError, match="index [0-9]+ is out of range for axis 0"):
            found.eval(at)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint64", "int32"])
def test_narrow_indices_of_long_axes(dtype):
    x, i = T.tensor("float32", (200, 3)), T.tensor(dtype, (None,))
    places = np.array([1, 100, 1, 127], dtype)
    if dtype.startswith("i"):
        places[1] = -1
    wanted = np.zeros((200, 3), "float32")
    np.add.at(wanted, places, 1)
    at = {x: np.zeros((200, 3), "float32"), i: places}
    np.testing.assert_array_equal(T.inc_subtensor(x[i], 1).eval(at), wanted)
    np.testing.assert_array_equal(T.set_subtensor(x[i], 1).eval(at), wanted > 0)


def test_the_slope_of_a_store_at_symbolic_places_keeps_its_dtype():
    """A zero beside single precision and int64 indices is no double."""
    x, n = T.fvector("x"), T.lscalar("n")
    slope = sg.grad(T.sum(T.set_subtensor(x[:n], 0) ** 2), x)
    assert slope.dtype == "float32"
    np.testing.assert_array_equal(slope.eval({x: np.ones(3, "float32"), n: 1}), [0, 2, 2])
