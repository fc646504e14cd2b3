"""Lengths, reshape, order of axes, stretching: values and static types against NumPy, messages."""

import numpy as np
import pytest
from differences import check_derivatives

import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.interpret import run
from symgrad.node import CONST
from symgrad.ops.lengths import known, length, scalars
from symgrad.types import Dim, Type

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def fits(node, array):
    """That an array is of its node's type: dtype, rank, and lengths where known."""
    assert node.dtype == array.dtype.name
    assert node.ndim == array.ndim
    assert all(d in (None, n) or isinstance(d, Dim)
               for d, n in zip(node.type.shape, array.shape, strict=True))


def compare(build, reference, *arrays, one=True):
    """build(variables) against reference(arrays), with known lengths and with unknown ones."""
    wanted = np.asarray(reference(*arrays))
    for static in (True, False):
        xs = [T.tensor(a.dtype.name, [n if static or one and n == 1 else None for n in a.shape])
              for a in arrays]
        y = build(*xs)
        found = run([y], dict(zip(xs, arrays, strict=True)))[0]
        fits(y, found)
        if static:
            assert None not in y.type.shape
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


# -- lengths


def test_shape_of_a_tensor():
    x = T.tensor3("x")
    a, b, c = x.shape
    assert [n.op for n in (a, b, c)] == [length] * 3 and len(tuple(x.shape)) == 3
    assert x.shape[1].op is length and x.shape[1].attrs == (1,)
    assert x.shape[2:].type == Type("int64", (1,)) and x.shape.type == Type("int64", (3,))
    assert list(zip(x.shape, "abc", strict=True))[2][0].attrs == (2,)
    np.testing.assert_array_equal(x.shape.eval({x: np.zeros((2, 0, 5))}), [2, 0, 5])
    assert x.size.eval({x: np.zeros((2, 3, 5))}) == 30
    assert T.scalar("s").shape.eval({}).dtype == "int64" and T.scalar().size.eval() == 1
    assert T.shape([[1, 2, 3]]).eval().tolist() == [1, 3] and T.get_vector_length(x.shape) == 3
    with pytest.raises(ShapeError, match="axis 3 is out of range"):
        length(x, axis=3)


def test_nothing_flows_through_a_length():
    x = T.vector("x")
    check_derivatives(lambda v: v.sum() / v.shape[0], normal(4))
    from symgrad.derive import backward

    assert backward([T.cast(x.shape[0], "float64")], [T.ones(())], [x]) == [None]


def test_what_is_known_of_integers():
    n = Dim("n")
    x = T.tensor("float32", (n, 6, None))
    a, b, c = x.shape
    assert known(a) is n and known(b) == 6 and known(c) is None
    assert known(b * 2 // 4 - 1) == 2 and known(T.maximum(b, 9)) == 9 and known(a * 2) is None
    assert known(T.cast(b, "int32")) == 6 and known(T.constant(2.0)) is None
    assert [known(s) for s in scalars([3, b, np.int32(4)])] == [3, 6, 4]
    assert [known(s) for s in scalars(x.shape[:2])] == [n, 6]
    assert [s.op is CONST for s in scalars(np.array([2, 3]))] == [True] * 2 and scalars(()) == []
    assert len(scalars(T.lvector("v"), 4)) == 4
    with pytest.raises(ArgumentError, match="pass ndim="):
        scalars(T.lvector("v"))
    with pytest.raises(DtypeError, match="must be an integer, not f32"):
        scalars([2.5])
    with pytest.raises(ShapeError, match="must be a scalar"):
        scalars([T.lvector()])


def test_vector_of_scalars():
    a, b = T.iscalar("a"), T.scalar("b")
    v = T.make_vector(a, b, 1)
    assert v.type == Type("float64", (3,))
    np.testing.assert_array_equal(v.eval({a: 2, b: 0.5}), [2, 0.5, 1])
    assert T.make_vector().type == Type("int64", (0,))
    with pytest.raises(ShapeError, match="make_vector: takes scalars, not f64"):
        T.make_vector(a, T.vector())


# -- reshape


@pytest.mark.parametrize("old, new", [
    ((3, 4), (12,)), ((3, 4), (2, 6)), ((3, 4), (-1,)), ((3, 4), (2, -1, 2)), ((12,), (3, 4)),
    ((1,), ()), ((), (1, 1)), ((), (-1,)), ((0, 3), (0,)), ((0, 3), (-1, 3)), ((2, 0), (0, 7)),
    ((0, 4), (5, 0)), ((2, 3, 4), (2, -1)),
])
def test_reshape(old, new):
    a = normal(*old)
    compare(lambda x: x.reshape(new), lambda x: x.reshape(new), a)
    compare(lambda x: T.reshape(x, T.constant(np.array(new, "int64"))), lambda x: x.reshape(new), a)
    if new:
        compare(lambda x: x.reshape(*new), lambda x: x.reshape(new), a)


def test_reshape_forms():
    x, v, n = T.matrix("x"), T.lvector("v"), T.lscalar("n")
    a = np.arange(12.0).reshape(3, 4)
    assert x.reshape(v, ndim=3).ndim == 3 and T.reshape(x, v, 2).ndim == 2
    assert x.reshape(v, ndim=3).eval({x: a, v: [2, 3, 2]}).shape == (2, 3, 2)
    assert x.reshape((n, -1)).eval({x: a, n: 6}).shape == (6, 2)
    assert x.reshape(T.tensor3("y").shape[:2]).ndim == 2
    assert x.reshape(n).ndim == 1
    assert x.reshape([x.shape[1], x.shape[0]]).eval({x: a}).shape == (4, 3)
    assert T.reshape([1, 2, 3, 4], (2, 2)).eval().tolist() == [[1, 2], [3, 4]]


def test_reshape_knows_lengths():
    n = Dim("n")
    for first in (n, None):
        x = T.tensor("float32", (first, 4, 6))
        b, c, d = x.shape
        assert x.reshape((b, -1)).type.shape == (first, 24)
        assert x.reshape((-1, d)).type.shape == (None, 6)
        assert x.reshape((-1, 24)).type.shape == (first, 24)
        assert x.reshape((b, c * d)).type.shape == (first, 24)
        assert x.reshape((b, 2, -1, 3)).type.shape == (first, 2, 4, 3)
        assert x.flatten(2).type.shape == (first, 24) and x.flatten().type.shape == (None,)
        empty = np.zeros((0, 4, 6), "float32")  # NumPy itself could not tell what -1 is
        assert x.reshape((b, -1)).eval({x: empty}).shape == (0, 24)
        assert x.flatten(2).eval({x: empty}).shape == (0, 24)


@pytest.mark.parametrize("new, says", [
    ((5, 2), r"cannot reshape f64\[3,4\], 12 elements, to \(5, 2\)"), ((5, -1), "12 elements"),
    ((-1, -1), "but for one -1"), ((-2, 6), "but for one -1"), ((0, -1), "12 elements"),
])
def test_wrong_reshape(new, says):
    x = T.tensor("float64", (3, 4), "x")
    with pytest.raises(ShapeError, match=f"(?s)reshape: .*{says}.*test_shape.py"):
        x.reshape(new)
    y = T.matrix("y")
    with pytest.raises(ShapeError, match="(?s)reshape.*test_shape.py|but for one -1"):
        y.reshape(new).eval({y: np.zeros((3, 4))})


def test_wrong_reshape_arguments():
    x = T.matrix("x")
    with pytest.raises(DtypeError, match="reshape: a length must be an integer"):
        x.reshape((2.0, 3))
    with pytest.raises(ArgumentError, match="reshape: .*pass ndim="):
        x.reshape(T.lvector())
    with pytest.raises(ArgumentError, match="the new shape is missing"):
        x.reshape()
    with pytest.raises(ShapeError, match="cannot flatten"):
        x.flatten(3)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (0, 3)])
def test_flatten(shape):
    a = normal(*shape)
    compare(lambda x: x.flatten(), np.ravel, a)
    compare(T.ravel, np.ravel, a)
    for ndim in range(1, len(shape) + 1):
        wanted = a.reshape(*shape[:ndim - 1], int(np.prod(shape[ndim - 1:])))
        compare(lambda x, n=ndim: T.flatten(x, outdim=n), lambda x, w=wanted: w, a)


# -- axes


@pytest.mark.parametrize("axes", [(0,), (1,), (-1,), (0, 2), (3, 1), ()])
def test_unsqueeze_and_expand_dims(axes):
    compare(lambda x: T.expand_dims(x, axes), lambda x: np.expand_dims(x, axes), normal(2, 3))


@pytest.mark.parametrize("axis", [None, 0, -2, (0, 2), ()])
def test_squeeze(axis):
    compare(lambda x: x.squeeze(axis), lambda x: x.squeeze(axis), normal(1, 3, 1, 4))


def test_wrong_squeeze():
    x, y = T.tensor("float64", (3, 1), "x"), T.matrix("y")
    with pytest.raises(ShapeError, match="squeeze: axis 0 has length 3; only axes of length 1"):
        x.squeeze(0)
    with pytest.raises(ShapeError, match="(?s)not known to have length 1.*hint: .*addbroadcast"):
        y.squeeze(0)
    with pytest.raises(ShapeError, match="(?s)dimshuffle: .* axis 1 of .*y .*test_shape"):
        y.dimshuffle(0)
    with pytest.raises(ShapeError, match="axis 2 is out of range for 2 dimensions"):
        x.squeeze(2)


@pytest.mark.parametrize("axes", [None, (0, 1, 2), (2, 0, 1), (-1, 0, 1)])
def test_transpose(axes):
    a = normal(2, 3, 4)
    compare(lambda x: T.transpose(x, axes), lambda x: np.transpose(x, axes), a)
    if axes:
        compare(lambda x: x.transpose(*axes), lambda x: np.transpose(x, axes), a)
    compare(lambda x: x.T, lambda x: x.T, a[0])


def test_wrong_transpose():
    for axes in ((0,), (0, 0), (0, 1, 2)):
        with pytest.raises(ShapeError, match="transpose: "):
            T.matrix().transpose(axes)


@pytest.mark.parametrize("pattern, reference", [
    ((1, 0), lambda x: x.T), (("x", 0, 1), lambda x: x[None]), ((0, "x", 1), lambda x: x[:, None]),
    ((1, "x", 0, "x"), lambda x: x.T[:, None, :, None]), ((0, 1), lambda x: x),
    ((-1, 0), lambda x: x.T),
])
def test_dimshuffle(pattern, reference):
    compare(lambda x: x.dimshuffle(*pattern), reference, normal(2, 3))
    compare(lambda x: x.dimshuffle(list(pattern)), reference, normal(2, 0))


def test_dimshuffle_drops_axes():
    compare(lambda x: x.dimshuffle(1), lambda x: x[0], normal(1, 3))
    compare(lambda x: x.dimshuffle("x", 3, 1), lambda x: x[0, :, 0].T[None], normal(1, 2, 1, 3))
    compare(lambda x: x.dimshuffle(()), lambda x: x[0], normal(1))
    x = T.matrix("x")
    assert x.dimshuffle(0, 1) is not x  # it may be named on its own
    with pytest.raises(ShapeError, match="dimshuffle: pattern .* names an axis twice"):
        x.dimshuffle(0, 0)
    with pytest.raises(ShapeError, match="dimshuffle: axis 2 is out of range"):
        x.dimshuffle(0, 2)


def test_swapped_and_moved_axes():
    a = normal(2, 3, 4, 5)
    for i, j in [(0, 1), (-1, 1), (2, 2)]:
        compare(lambda x, i=i, j=j: x.swapaxes(i, j), lambda x, i=i, j=j: x.swapaxes(i, j), a)
    for s, d in [(0, -1), (3, 0), ((0, 1), (-1, 0)), ([2, 0], [1, 3])]:
        compare(lambda x, s=s, d=d: T.moveaxis(x, s, d),
                lambda x, s=s, d=d: np.moveaxis(x, s, d), a)
    with pytest.raises(ArgumentError, match="moveaxis: 2 axes cannot move to 1 places"):
        T.moveaxis(T.tensor4(), (0, 1), 0)


def test_new_axes():
    a = normal(2, 3)
    compare(T.shape_padleft, lambda x: x[None], a)
    compare(lambda x: T.shape_padright(x, 2), lambda x: x[..., None, None], a)
    compare(lambda x: T.shape_padaxis(x, -1), lambda x: x[..., None], a)
    compare(lambda x: T.shape_padaxis(x, -2), lambda x: x[:, None], a)
    for rank in range(4):
        for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
            compare(getattr(T, name), getattr(np, name), normal(*(2, 3, 4)[:rank]))


# -- stretching


@pytest.mark.parametrize("old, new", [
    ((3, 1), (3, 4)), ((4,), (3, 4)), ((), (2, 0)), ((1, 1), (1, 1)), ((2, 3), (2, 3)),
    ((1,), (0,)),
])
def test_broadcast_to(old, new):
    a = normal(*old)
    compare(lambda x: T.broadcast_to(x, new), lambda x: np.broadcast_to(x, new), a)
    compare(lambda x: T.alloc(x, *new), lambda x: np.broadcast_to(x, new), a)


def test_wrong_broadcast():
    x = T.tensor("float64", (3, 1), "x")
    with pytest.raises(ShapeError, match=r"broadcast_to: cannot stretch axis 0 of f64\[3,1\], of "
                                         r"length 3, to shape \(2, 4\)"):
        T.broadcast_to(x, (2, 4))
    with pytest.raises(ShapeError, match="more dimensions than the shape"):
        T.broadcast_to(x, (3,))
    with pytest.raises(ShapeError, match="alloc: a length cannot be negative: -1"):
        T.alloc(x, 3, -1)
    y, n = T.matrix("y"), T.lscalar("n")
    with pytest.raises(ShapeError, match=r"(?s)cannot stretch \(2, 3\) to \(4, 3\).*test_shape.py"):
        T.broadcast_to(y, (n, 3)).eval({y: np.zeros((2, 3)), n: 4})


def test_broadcast_arrays():
    arrays = normal(3, 1), normal(4), normal()
    for k in range(3):
        compare(lambda *x, k=k: T.broadcast_arrays(*x)[k],
                lambda *a, k=k: np.broadcast_arrays(*a)[k], *arrays)


def test_specified_shapes():
    x, n = T.matrix("x"), T.lscalar("n")
    y = T.specify_shape(x, (None, 4))
    assert y.type.shape == (None, 4) and T.specify_shape(x, (n, 4)).type.shape == (None, 4)
    assert T.specify_shape(x, 3, 4).type.shape == (3, 4)
    assert y.eval({x: np.zeros((3, 4))}).shape == (3, 4)
    with pytest.raises(ShapeError, match=r"(?s)the shape is \(3, 5\), not \(3, 4\).*test_shape.py"):
        y.eval({x: np.zeros((3, 5))})
    with pytest.raises(ShapeError, match="specify_shape: lengths 4 and 5 differ"):
        T.specify_shape(y, (None, 5))
    with pytest.raises(ShapeError, match="has 2 dimensions, the shape has 1"):
        T.specify_shape(x, (3,))


def test_which_axes_stretch():
    x, r = T.matrix("x"), T.row("r")
    assert T.addbroadcast(x, 0).broadcastable == (True, False) and T.addbroadcast(x) is x
    assert T.unbroadcast(r, 0).broadcastable == (False, False)
    assert T.patternbroadcast(r, (False, True)).broadcastable == (False, True)
    assert (x + T.addbroadcast(x, -1)).broadcastable == (False, False)
    with pytest.raises(ShapeError, match="the shape is"):
        T.addbroadcast(x, 0).eval({x: np.zeros((2, 3))})
    with pytest.raises(ShapeError, match="patternbroadcast: .* has 2 dimensions"):
        T.patternbroadcast(x, (True,))


def test_derivatives():
    check_derivatives(lambda x: x.reshape((x.shape[1], -1)) ** 2, normal(3, 4))
    check_derivatives(lambda x: T.sqr(x.dimshuffle(1, "x", 0)), normal(3, 4))
    check_derivatives(lambda x: T.sqr(x.squeeze()), normal(1, 4))
    check_derivatives(lambda x: T.sqr(T.broadcast_to(x, (2, 3, 4))), normal(3, 1))
    check_derivatives(lambda x: T.sqr(T.alloc(x, 2, 4)), normal(4))
    check_derivatives(lambda x: T.sqr(T.specify_shape(x, (3, None))), normal(3, 2))
    check_derivatives(lambda x: T.sqr(T.unbroadcast(x, 0)), normal(1, 2))
    check_derivatives(lambda a, b: T.sqr(T.make_vector(a, a * b, b)), normal(), normal())
