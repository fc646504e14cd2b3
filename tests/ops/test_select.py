"""Functions made of indexing against NumPy: take, compress, choose, diagonals, nonzero."""

import numpy as np
import pytest
from differences import check_derivatives, variables

import symgrad.tensor as T
from symgrad.errors import ArgumentError, ShapeError

X = np.random.default_rng(0).normal(size=(4, 5, 3))


def check_function(build, wanted, *arrays):
    xs = variables([np.asarray(a) for a in arrays])
    found = build(*xs).eval(dict(zip(xs, arrays, strict=True)))
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(build(*[T.constant(a) for a in arrays]).eval(), wanted)


@pytest.mark.parametrize("mode, low, high", [("raise", -4, 4), ("wrap", -9, 9), ("clip", -9, 9)])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_take(mode, low, high, axis):
    k = np.random.default_rng(2).integers(max(low, -3) if mode == "raise" else low,
                                          min(high, 3) if mode == "raise" else high, (2, 3))
    wanted = np.take(X, k, axis, mode=mode)
    check_function(lambda x, k: T.take(x, k, axis=axis, mode=mode), wanted, X, k)


def test_take_refuses():
    with pytest.raises(ArgumentError, match="mode must be 'raise', 'wrap' or 'clip', not 'x'"):
        T.take(T.vector(), 0, mode="x")
    assert T.matrix().take([0, 1], axis=1).type.shape == (None, 2)


def test_nonzero():
    a = X > 0.3
    x = T.tensor("bool", (None,) * 3)
    for found, wanted in zip(x.nonzero(), a.nonzero(), strict=True):
        np.testing.assert_array_equal(found.eval({x: a}), wanted)
    check_function(lambda x: T.nonzero(x, return_matrix=True), np.array(a.nonzero()), a)
    check_function(T.flatnonzero, np.flatnonzero(a), a)
    check_function(T.nonzero_values, X[X != 0], X)
    check_function(T.flatnonzero, [0], np.float32(3))
    with pytest.raises(ShapeError, match="nonzero: a scalar has no axes"):
        T.nonzero(T.scalar())


def test_compress():
    c = np.array([0, 1, 1, 0])
    check_function(lambda c, x: T.compress(c, x, axis=0), np.compress(c, X, axis=0), c, X)
    check_function(lambda c, x: T.compress(c, x), np.compress(c, X), c, X)
    with pytest.raises(ShapeError, match="the condition must be a vector"):
        T.compress(T.matrix(), T.matrix())


def test_choose():
    a, c = np.array([[0, 1, 2], [2, 0, 1]]), np.arange(18).reshape(3, 2, 3)
    check_function(T.choose, np.choose(a, c), a, c)
    check_function(T.choose, np.choose(a[0], c), a[0], c)
    check_function(T.choose, np.choose(a, c[:, 0, 0]), a, c[:, 0, 0])
    far = a * 5 - 4
    for mode in ("wrap", "clip"):
        wanted = np.choose(far, c, mode=mode)
        check_function(lambda a, c, m=mode: T.choose(a, c, mode=m), wanted, far, c)
    found = T.choose(T.constant(a), [T.constant(c[0]), 7, T.constant(c[2, :1])])
    np.testing.assert_array_equal(found.eval(), np.choose(a, [c[0], 7, c[2, :1]]))
    check_derivatives(lambda x: T.choose([[0, 1]], [x ** 2, x]), X[0, :2, :2])


@pytest.mark.parametrize("offset", [0, 1, -2, 9, -9])
def test_diagonals(offset):
    check_function(lambda x: T.diagonal(x, offset), X.diagonal(offset), X)
    check_function(lambda x: T.diagonal(x, offset, -1, 0), X.diagonal(offset, -1, 0), X)
    check_function(lambda x: T.diag(x, offset), np.diag(X[0], offset), X[0])
    check_function(lambda x: T.diag(x, offset), np.diag(X[0, 0], offset), X[0, 0])
    np.testing.assert_allclose(T.trace(T.constant(X), offset).eval(), np.trace(X, offset))
    check_derivatives(lambda x: T.diagonal(x ** 2, offset), X)
    check_derivatives(lambda x: T.diag(x ** 2, offset), X[0, 0])


def test_diagonals_refuse():
    n = T.Dim("n")
    assert T.tensor("float64", (n, n)).diagonal().type.shape == (n,)
    assert T.tensor("float64", (4, 2)).diagonal(-1).type.shape == (2,)
    for bad, says in [(lambda: T.diagonal(T.vector()), "two dimensions or more"),
                      (lambda: T.diagonal(T.matrix(), 0, 1, -1), "axis1 and axis2 are both 1"),
                      (lambda: T.diagonal(T.matrix(), axis1=2), "axis1 2 is out of range"),
                      (lambda: T.diag(T.tensor3()), "a vector or a matrix")]:
        with pytest.raises(ShapeError, match=says):
            bad()
