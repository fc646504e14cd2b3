"""Joining, splitting, repeating, rolling: against NumPy."""

import numpy as np
import pytest
from differences import check_derivatives
from test_shape import compare, normal

import symgrad.tensor as T
from symgrad.errors import ArgumentError, ShapeError
from symgrad.types import Type

VECTOR, MATRIX = normal(5), normal(4, 3)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenate(axis):
    shapes = [[2, 3], [2, 3], [2, 3]]
    shapes[0][axis], shapes[2][axis] = 5, 0
    arrays = [normal(*s) for s in shapes]
    compare(lambda *x: T.concatenate(x, axis), lambda *a: np.concatenate(a, axis), *arrays)
    compare(lambda *x: T.join(axis, *x), lambda *a: np.concatenate(a, axis), *arrays)
    compare(lambda x: T.concatenate([x], axis), lambda a: a, arrays[0])


def test_dtypes_and_types_of_join():
    x, y = T.tensor("float32", (None, 3)), T.tensor("int32", (2, None))
    assert T.concatenate([x, y]).type == Type("float64", (None, 3))
    assert T.concatenate([x, y], axis=1).type == Type("float64", (2, None))
    assert T.concatenate([T.vector(), [1.0, 2]]).type == Type("float64", (None,))
    assert T.join(np.int64(1), x, x).ndim == 2 and T.join(T.constant(0), x, x).ndim == 2


def test_wrong_join():
    x, y = T.tensor("float64", (2, 3), "x"), T.tensor("float64", (2, 4), "y")
    with pytest.raises(ShapeError, match=r"(?s)join: f64\[2,3\] and f64\[2,4\] differ along axis "
                                         "1; only axis 0 may differ.*test_join.py"):
        T.concatenate([x, y])
    with pytest.raises(ShapeError, match="different numbers of dimensions"):
        T.concatenate([x, T.vector()])
    with pytest.raises(ShapeError, match="scalars cannot be joined; stack them"):
        T.concatenate([T.scalar(), T.scalar()])
    with pytest.raises(ArgumentError, match="needs one tensor at least"):
        T.concatenate([])
    with pytest.raises(ArgumentError, match="concatenate: takes a list of tensors"):
        T.concatenate(x)
    a, b = T.matrix("a"), T.matrix("b")
    with pytest.raises(ShapeError, match=r"(?s)join: .*\(2, 3\).*\(2, 4\).*test_join.py"):
        T.concatenate([a, b]).eval({a: np.zeros((2, 3)), b: np.zeros((2, 4))})


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_stack(axis):
    arrays = normal(2, 3), normal(2, 3)
    compare(lambda *x: T.stack(x, axis), lambda *a: np.stack(a, axis), *arrays)
    compare(lambda *x: T.stack(list(x), axis=axis), lambda *a: np.stack(a, axis), *arrays)


def test_forms_of_stack():
    compare(lambda a, b: T.stack(a, b), lambda a, b: np.stack([a, b]), VECTOR, VECTOR)
    compare(lambda a, b: T.stack([a, b, 1]), lambda a, b: np.stack([a, b, 1]), normal(), normal())
    compare(lambda a, b: T.stacklists([[a, b], [b, a]]), lambda a, b: np.array([[a, b], [b, a]]),
            normal(), normal())
    assert (T.scalar("x") + [1, T.scalar("y")]).type == Type("float64", (2,))
    with pytest.raises(ShapeError, match="stack: all tensors must have the same number"):
        T.stack([T.vector(), T.matrix()])
    with pytest.raises(ArgumentError, match="stack: needs one"):
        T.stack([])


def test_other_stacks():
    compare(lambda *x: T.hstack(x), lambda *a: np.hstack(a), MATRIX, MATRIX)
    compare(lambda *x: T.hstack(x), lambda *a: np.hstack(a), VECTOR, VECTOR)
    compare(lambda *x: T.vstack(x), lambda *a: np.vstack(a), VECTOR, VECTOR)
    compare(T.horizontal_stack, lambda *a: np.hstack(a), MATRIX, MATRIX)
    compare(T.vertical_stack, lambda *a: np.vstack(a), MATRIX, MATRIX)


@pytest.mark.parametrize("axis", [0, -1])
def test_split(axis):
    a = normal(6, 6)
    for k in range(3):
        compare(lambda x, k=k: T.split(x, [1, 0, 5], 3, axis)[k],
                lambda x, k=k: np.split(x, [1, 1], axis)[k], a)
    x, sizes = T.matrix("x"), T.lvector("sizes")
    parts = T.split(x, sizes, 2, axis)
    assert [p.eval({x: a, sizes: [4, 2]}).shape[axis] for p in parts] == [4, 2]


def test_wrong_split():
    x, y = T.tensor("float64", (5,)), T.vector()
    with pytest.raises(ShapeError, match="lengths 5 and 6 differ"):
        T.split(x, [2, 4], 2)
    with pytest.raises(ShapeError, match=r"the shape is \(5,\), not \(6,\)"):
        T.split(y, [2, 4], 2)[0].eval({y: np.zeros(5)})
    with pytest.raises(ShapeError, match="split: the shape has 2 lengths, but ndim is 3"):
        T.split(y, [2, 4], 3)
    with pytest.raises(ArgumentError, match="split: .*pass ndim="):
        T.split(y, T.lvector())


@pytest.mark.parametrize("reps", [2, (2,), (3, 2), (2, 1, 3), (0, 1)])
def test_tile(reps):
    for a in (MATRIX, VECTOR, normal()):
        compare(lambda x: T.tile(x, reps), lambda x: np.tile(x, reps), a)


def test_symbolic_tile():
    n = T.lscalar("n")
    assert T.tile(MATRIX, (n, 2)).eval({n: 3}).shape == (12, 6)
    assert T.tile(T.vector(), 2, ndim=3).ndim == 3


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_repeat(axis, count):
    compare(lambda x: T.repeat(x, count, axis), lambda x: np.repeat(x, count, axis), MATRIX)


def test_repeat_by_a_vector():
    x, n, v = T.matrix("x"), T.lscalar("n"), T.ivector("v")
    np.testing.assert_array_equal(T.repeat(x, v, 1).eval({x: MATRIX, v: [1, 0, 2]}),
                                  np.repeat(MATRIX, [1, 0, 2], 1))
    np.testing.assert_array_equal(x.repeat(n).eval({x: MATRIX, n: 2}), np.repeat(MATRIX, 2))
    np.testing.assert_array_equal(T.repeat(x, [2], 0).eval({x: MATRIX}), np.repeat(MATRIX, 2, 0))
    with pytest.raises(ShapeError, match=r"the shape is \(2,\), not \(3,\)"):
        T.repeat(x, v, 1).eval({x: MATRIX, v: [1, 2]})
    with pytest.raises(ShapeError, match="repeat: a number of repetitions is negative"):
        T.repeat(x, v, 1).eval({x: MATRIX, v: [1, 2, -1]})


@pytest.mark.parametrize("shift", [0, 1, -1, 7, -12])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_roll(shift, axis):
    compare(lambda x: T.roll(x, shift, axis), lambda x: np.roll(x, shift, axis), MATRIX)
    n = T.lscalar("n")
    np.testing.assert_array_equal(T.roll(MATRIX, n, axis).eval({n: shift}),
                                  np.roll(MATRIX, shift, axis))


def test_roll_of_several_axes_and_of_nothing():
    compare(lambda x: T.roll(x, (1, -2), (0, 1)), lambda x: np.roll(x, (1, -2), (0, 1)), MATRIX)
    compare(lambda x: T.roll(x, 1, (0, 1)), lambda x: np.roll(x, 1, (0, 1)), MATRIX)
    compare(lambda x: T.roll(x, 1, 0), lambda x: x, normal(0, 3))


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1), ()])
def test_flip(axis):
    compare(lambda x: T.flip(x, axis), lambda x: np.flip(x, axis), MATRIX)


def test_derivatives():
    check_derivatives(lambda a, b: T.sqr(T.concatenate([a, b, a], 1)), normal(2, 3), normal(2, 2))
    check_derivatives(lambda a, b: T.sqr(T.stack([a, a * b], 1)), normal(2, 3), normal(2, 3))
    check_derivatives(lambda x: T.sqr(T.split(x, [1, 3], 2)[1]), normal(4))
    check_derivatives(lambda x: T.sqr(T.tile(x, (2, 3))), normal(2))
    check_derivatives(lambda x: T.sqr(T.repeat(x, 3, 1)), normal(2, 3))
    check_derivatives(lambda x: T.sqr(T.repeat(x, [0, 2, 3], 0)), normal(3, 2))
    check_derivatives(lambda x: T.sqr(T.roll(x, 2) + T.flip(x)), normal(5))
