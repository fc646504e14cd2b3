"""Products of tensors against NumPy, their derivatives, and what is said of lengths that differ."""

import re

import numpy as np
import pytest
from differences import check_derivatives, variables

import symgrad.tensor as T
from symgrad.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def check(build, wanted, *arrays, derivatives=True):
    """The value with unknown and with known lengths; derivatives with unknown ones."""
    xs = variables(arrays)
    y = build(*xs)
    found = y.eval(dict(zip(xs, arrays, strict=True)))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert found.dtype == wanted.dtype == y.dtype
    known = build(*[T.constant(a) for a in arrays])
    assert known.type.shape == wanted.shape
    np.testing.assert_allclose(known.eval(), wanted, rtol=1e-12)
    if derivatives:
        check_derivatives(build, *arrays)


DOTS = [((), ()), ((), (3,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3,)), ((5, 2, 3), (3, 4)), ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)),
        ((2, 2, 3), (5, 3, 4)), ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((1, 3), (3, 1))]


@pytest.mark.parametrize("left, right", DOTS)
def test_dot(left, right):
    x, y = normal(*left), normal(*right)
    check(T.dot, np.asarray(np.dot(x, y)), x, y)


@pytest.mark.parametrize("left, right", [(a, b) for a, b in DOTS if a and b and a != (2, 2, 3)] + [
    ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((2, 3), (6, 5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((6, 5, 2, 3), (6, 5, 3, 4)), ((6, 1, 2, 3), (1, 5, 3, 4)), ((1, 1, 2, 3), (1, 1, 3, 4)),
    ((3,), (6, 5, 3, 4)), ((6, 5, 2, 3), (3,)), ((1, 5, 2, 3), (3, 4)), ((2, 3), (1, 1, 3, 4))])
def test_matmul(left, right):
    x, y = normal(*left), normal(*right)
    check(lambda x, y: x @ y, np.asarray(x @ y), x, y)


def test_operators_with_arrays():
    x, a = T.dmatrix(), normal(2, 3)
    np.testing.assert_allclose((a.T @ x).eval({x: a}), a.T @ a)
    np.testing.assert_allclose((x @ a.T).eval({x: a}), a @ a.T)
    np.testing.assert_allclose(x.dot(a.T).eval({x: a}), a @ a.T)


def test_complex():
    x, y = normal(2, 3) + 1j * normal(2, 3), normal(3, 4) + 1j * normal(3, 4)
    check(T.dot, x @ y, x, y)
    check(T.dot, x[0] @ y, x[0], y)
    check(T.dot, np.asarray(x[0] @ y[:, 0]), x[0], y[:, 0])
    check(T.dot, x.real @ y, x.real, y)
    wanted = np.asarray(np.tensordot(x, x.T, ([0, 1], [1, 0])))
    check(lambda x, y: T.tensordot(x, y, ([0, 1], [1, 0])), wanted, x, x.T.copy())
    check(T.batched_dot, np.stack([x @ y, x @ -y]), np.stack([x, x]), np.stack([y, -y]))


@pytest.mark.parametrize("left, right, out", [
    ("float32", "float64", "float64"), ("int8", "float32", "float32"),
    ("int32", "float32", "float64"),
    ("int8", "int8", "int8"), ("uint8", "int8", "int16"), ("bool", "bool", "bool"),
    ("float16", "float32", "float32"), ("float32", "complex64", "complex64")])
def test_dtypes(left, right, out):
    x, y = T.tensor(left, (None, None)), T.tensor(right, (None, None))
    for z in (T.dot(x, y), T.tensordot(x, y, 1), T.batched_dot(x[None], y[None])):
        assert z.dtype == out
        a = np.ones((2, 2))
        found = z.eval({x: a.astype(left), y: a.astype(right)})
        assert found.dtype == out and found.any()


AXES = [((4, 3, 2), (2, 5, 3), ([1, 2], [2, 0])), ((4, 3, 2), (2, 5, 3), (2, 0)),
        ((4, 3), (3, 4), ([1, 0], [0, 1])),
        ((4, 3), (4, 3), 2), ((4, 3), (3, 5), 1), ((4, 3), (2, 5), 0), ((4, 3, 2), (3,), (1, 0)),
        ((2, 3, 4), (4, 3, 2), ([0, 1, 2], [2, 1, 0])),
        ((2, 3, 4), (3, 5, 2), ([-3, -2], [-1, -3])),
        ((3,), (3,), 1), ((2, 3, 4), (2, 3, 4), 3), ((0, 3), (3, 2), 1)]


@pytest.mark.parametrize("left, right, axes", AXES)
def test_tensordot(left, right, axes):
    x, y = normal(*left), normal(*right)
    check(lambda x, y: T.tensordot(x, y, axes), np.asarray(np.tensordot(x, y, axes)), x, y)


@pytest.mark.parametrize("left, right", [
    ((5,), (5,)), ((5,), (5, 2)), ((5, 2, 3), (5,)), ((5, 3), (5, 3)), ((5, 2, 3), (5, 3)),
    ((5, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)), ((5, 6, 2, 3), (5, 3)), ((5, 6, 2, 3), (5, 7, 3, 4)),
    ((0, 2, 3), (0, 3, 4))])
def test_batched_dot(left, right):
    x, y = normal(*left), normal(*right)
    wanted = np.array([np.dot(a, b) for a, b in zip(x, y, strict=True)])
    if not len(x):
        wanted = np.zeros((0, 2, 4))
    check(T.batched_dot, wanted, x, y)


@pytest.mark.parametrize("left, right, axes, inside", [
    ((5, 2, 3), (5, 3, 4), 1, 1), ((5, 2, 3), (5, 2, 3), 2, 2), ((5, 2, 3), (5, 4), 0, 0),
    ((5, 2, 3, 4), (5, 4, 6, 2), ([1, 3], [3, 1]), ([0, 2], [2, 0])),
    ((5, 2), (5, 2), (1, 1), (0, 0))])
def test_batched_tensordot(left, right, axes, inside):
    x, y = normal(*left), normal(*right)
    wanted = np.array([np.tensordot(a, b, inside) for a, b in zip(x, y, strict=True)])
    check(lambda x, y: T.batched_tensordot(x, y, axes), wanted, x, y)


def test_outer_inner_kron():
    x, y, v = normal(2, 3), normal(4, 3), normal(3)
    check(T.outer, np.outer(x, v), x, v)
    check(T.outer, np.outer(v, v), v, v)
    check(T.inner, np.asarray(np.inner(v, v)), v, v)
    check(T.inner, np.inner(x, y), x, y)
    check(T.inner, np.inner(x, v), x, v)
    check(T.inner, np.inner(x, 2.0), x, np.asarray(2.0))
    check(T.kron, np.kron(x, y), x, y)
    check(T.kron, np.kron(v, y), v, y)
    check(T.kron, np.kron(x, v), x, v)


@pytest.mark.parametrize("build, says", [
    (lambda t: T.dot(t(3, 4), t(5, 6)), "dot: inner lengths differ, f64[3,4] and f64[5,6]: "
                                        "axis 1 of the first has length 4, axis 0 of the second 5"),
    (lambda t: t(2, 3, 4) @ t(3, 4), "inner lengths differ, f64[2,3,4] and f64[3,4]"),
    (lambda t: t(2, 3, 4) @ t(2, 3, 4), "inner lengths differ"),
    (lambda t: t(7, 2, 3, 4) @ t(2, 5, 4), "matmul: inner lengths differ"),
    (lambda t: t(2, 3, 4) @ t(3, 4, 5), "differ"),
    (lambda t: t(3) @ t(), "matmul: takes no scalars"),
    (lambda t: T.tensordot(t(2, 3), t(3, 2), 2), "tensordot: inner lengths differ"),
    (lambda t: T.batched_dot(t(2, 3, 4), t(3, 4, 5)), "batched_dot: "),
    (lambda t: T.batched_dot(t(2, 3, 4), t()), "batched_dot: each needs an axis"),
    (lambda t: T.batched_tensordot(t(2, 3), t(3, 3), 1),
     "batched_tensordot: lengths 2 and 3 differ"),
])
def test_known_lengths_that_differ(build, says):
    with pytest.raises(ShapeError, match=re.escape(says)) as caught:
        build(lambda *shape: T.tensor("float64", shape))
    assert "test_linalg.py" in str(caught.value)


@pytest.mark.parametrize("build, left, right, says", [
    (T.dot, (2, 3), (4, 5), "dot: lengths differ, (2, 3) and (4, 5)"),
    (T.dot, (3,), (1,), "dot: lengths differ"),
    (T.dot, (2, 2, 3), (4, 5), "tensordot: lengths differ"),
    (T.matmul, (2, 2, 3), (2, 4, 5), "batched_dot: lengths differ"),
    (T.matmul, (2, 2, 3), (3, 3, 5), "batched_dot: lengths differ"),
    (lambda x, y: T.tensordot(x, y, 2), (2, 3), (3, 2), "tensordot: lengths differ"),
    (lambda x, y: T.batched_tensordot(x, y, ((1, 2), (1, 2))), (5, 2, 3), (5, 3, 2), "differ"),
])
def test_lengths_that_differ_when_run(build, left, right, says):
    x, y = T.tensor("float64", (None,) * len(left)), T.tensor("float64", (None,) * len(right))
    with pytest.raises(ShapeError, match=re.escape(says)) as caught:
        build(x, y).eval({x: np.ones(left), y: np.ones(right)})
    assert "test_linalg.py" in str(caught.value)


@pytest.mark.parametrize("axes, says", [
    (3, "cannot sum over 3 axes"), (-1, "cannot sum over -1 axes"),
    ("ab", "out of range|must be an int"),
    (([0], [0, 1]), "must pair different axes"), (([0, 0], [0, 1]), "must pair different axes"),
    ((0, 5), "axis 5 is out of range"), ([[0]], "an int or two lists")])
def test_axes_that_make_no_sense(axes, says):
    with pytest.raises((ArgumentError, ShapeError), match=says):
        T.tensordot(T.dmatrix(), T.dmatrix(), axes)


def test_batch_axis_cannot_be_summed():
    with pytest.raises(ArgumentError, match="must not contain axis 0"):
        T.batched_tensordot(T.dmatrix(), T.dmatrix(), ((0,), (1,)))
