"""Filled tensors, ranges and masks: values, dtypes and static types against NumPy."""

import numpy as np
import pytest
from differences import check_derivatives
from test_shape import fits, normal

import symgrad.tensor as T
from symgrad.config import config
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.types import Dim, Type


def same(node, wanted, given=None):
    """The value of a node is this array, dtype and all, and fits the node's type."""
    found = node.eval(given or {})
    fits(node, found)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)


# -- filled


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 1)])
def test_filled(shape):
    for name in ("zeros", "ones"):
        same(getattr(T, name)(shape), getattr(np, name)(shape, config.floatX))
        same(getattr(T, name)(shape, "int16"), getattr(np, name)(shape, "int16"))
        assert getattr(T, name)(shape).type.shape == shape
    same(T.empty(shape, bool), np.zeros(shape, bool))
    same(T.full(shape, 3), np.full(shape, 3, "int8"))
    same(T.full(shape, 3, dtype="float32"), np.full(shape, 3, "float32"))


def test_symbolic_shapes():
    x, n, v = T.matrix("x"), T.iscalar("n"), T.lvector("v")
    a = normal(2, 3)
    same(T.zeros((x.shape[0], 5), "int32"), np.zeros((2, 5), "int32"), {x: a})
    same(T.ones((n, 2)), np.ones((4, 2)), {n: 4})
    same(T.zeros(x.shape), np.zeros((2, 3)), {x: a})
    same(T.zeros(n), np.zeros(3), {n: 3})
    same(T.zeros(shape=4), np.zeros(4))
    same(T.alloc(n, n, 2), np.full((3, 2), 3, "int32"), {n: 3})
    same(T.alloc(1.5, n), np.full(3, 1.5, "float32"), {n: 3})
    same(T.alloc(x[0], 4, x.shape[1]), np.tile(a[0], (4, 1)), {x: a})
    same(T.alloc(0.5), np.array(0.5, "float32"))
    assert T.zeros(T.tensor("int8", (Dim("k"), 7)).shape[1:]).type.shape == (7,)
    with pytest.raises(ArgumentError, match="zeros: .*pass ndim="):
        T.zeros(v)
    with pytest.raises(ShapeError, match="(?s)a length cannot be negative: -2.*test_source.py"):
        T.zeros((2, -2))
    with pytest.raises(ShapeError, match=r"alloc: cannot stretch axis 0 of f64\[3\]"):
        T.alloc(normal(3), 2)
    with pytest.raises(ShapeError, match="more dimensions than the shape"):
        T.alloc(x, n)
    with pytest.raises(ShapeError, match=r"(?s)alloc: cannot fill shape \(4, 2\).*test_source.py"):
        T.alloc(x, n, 2).eval({x: a, n: 4})


@pytest.mark.parametrize("shape", [(), (4,), (2, 0)])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float16", "complex64"])
def test_filled_like(shape, dtype):
    for array in (np.zeros(shape, dtype), np.zeros(shape, dtype).T):
        for known in (array.shape, (None,) * array.ndim):
            x = T.tensor(dtype, known)
            given = {x: array} if shape else {}
            same(T.zeros_like(x), np.zeros_like(array), given)
            same(T.ones_like(x), np.ones_like(array), given)
            same(x.ones_like("float32"), np.ones_like(array, "float32"), given)
            same(T.full_like(x, 1), np.full_like(array, 1), given)
            same(T.fill(x, 2.5), np.full(array.shape, 2.5, "float32"), given)


# -- ranges


@pytest.mark.parametrize("args, dtype", [
    ((5,), "int64"), ((0,), "int64"), ((-3,), "int64"), ((2, 9), "int64"), ((9, 2, -2), "int64"),
    ((0, 10, 3), "int64"), ((np.uint8(4),), "int64"), ((2.5,), "float32"),
    ((0.0, 1.0, 0.1), "float64"),
    ((1, 2, 0.25), "float32"), ((np.float64(3),), "float64"), ((0, -1, 0.5), "float32"),
    ((10, 0, -2.5), "float32"),
])
def test_arange(args, dtype):
    wanted = np.arange(*[float(a) if dtype.startswith("f") else int(a) for a in args]).astype(dtype)
    same(T.arange(*args), wanted)
    assert T.arange(*args).type == Type(dtype, wanted.shape)
    variables = [T.as_tensor_variable(a).type() for a in args]
    y = T.arange(*variables)
    assert y.type == Type(dtype, (None,))
    same(y, wanted, dict(zip(variables, args, strict=True)))
    same(T.arange(*args, dtype="int16"), np.arange(*args, dtype="int16"))


def test_unsigned_arange():
    n = T.tensor("uint32", ())
    same(T.arange(n, n, n), np.arange(0, dtype="uint64"), {n: 3})


def test_arange_knows_its_length():
    k = Dim("k")
    x = T.tensor("float32", (k, 6))
    assert T.arange(x.shape[0]).type.shape == (k,) and T.arange(x.shape[1]).type.shape == (6,)
    assert T.arange(2, x.shape[1]).type.shape == (4,)
    assert T.arange(1, x.shape[0]).type.shape == T.arange(T.lscalar()).type.shape == (None,)


def test_wrong_arange():
    n, x = T.lscalar("n"), T.vector()
    with pytest.raises(ArgumentError, match="arange: the step cannot be 0"):
        T.arange(1, 2, 0)
    with pytest.raises(ArgumentError, match="(?s)arange: the step cannot be 0.*test_source.py"):
        T.arange(1, 2, n).eval({n: 0})
    with pytest.raises(ShapeError, match="arange: takes scalars, not f64"):
        T.arange(x)
    with pytest.raises(DtypeError, match="arange: complex"):
        T.arange(1j)


@pytest.mark.parametrize("num", [0, 1, 2, 5])
@pytest.mark.parametrize("endpoint", [True, False])
def test_linspace(num, endpoint):
    n = T.lscalar("n")
    for count, given in ((num, {}), (n, {n: num})):
        y = T.linspace(-1, 2, count, endpoint).eval(given)
        np.testing.assert_allclose(y, np.linspace(-1, 2, num, endpoint), rtol=1e-15)
    assert T.linspace(np.float32(0), 1, 3).dtype == "float32"
    assert T.linspace(0, 1, 3, dtype="int32").dtype == "int32"


# -- masks


@pytest.mark.parametrize("n, m", [(3, None), (2, 4), (4, 2), (0, 3)])
@pytest.mark.parametrize("k", [0, 1, -2, 9])
def test_eye_and_tri(n, m, k):
    same(T.eye(n, m, k), np.eye(n, m, k))
    same(T.eye(n, m, k, "int8"), np.eye(n, m, k, "int8"))
    same(T.tri(n, m, k), np.tri(n, m, k))
    i, j = T.lscalar("i"), T.lscalar("j")
    same(T.tri(i, m, j), np.tri(n, m, k), {i: n, j: k})


def test_identity_like():
    x = T.fmatrix("x")
    same(T.identity_like(x), np.eye(2, 3, dtype="float32"), {x: np.zeros((2, 3), "float32")})
    with pytest.raises(ShapeError, match="identity_like: takes a matrix"):
        T.identity_like(T.vector())


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (2, 3, 4), (0, 3)])
@pytest.mark.parametrize("k", [0, 1, -1, 5])
@pytest.mark.parametrize("dtype", ["float64", "bool", "uint8", "complex64"])
def test_triangles(shape, k, dtype):
    a = (9 * normal(*shape)).astype("int64").astype(dtype)
    x, n = T.tensor(dtype, (None,) * a.ndim), T.lscalar("n")
    for mine, numpys in ((T.tril, np.tril), (T.triu, np.triu)):
        same(mine(x, k), numpys(a, k), {x: a})
        same(mine(x, n), numpys(a, k), {x: a, n: k})
        assert mine(a, k).type.shape == shape


def test_wrong_triangles():
    with pytest.raises(ShapeError, match="tril: takes two dimensions or more, not f64"):
        T.tril(T.vector())
    with pytest.raises(DtypeError, match="triu: a length must be an integer"):
        T.triu(T.matrix(), 0.5)


def test_derivatives():
    check_derivatives(lambda v: T.sqr(T.alloc(v, 3, 2)), normal(1, 2))
    check_derivatives(lambda x: T.sqr(T.tril(x, 1) + T.triu(x, -1)), normal(2, 3, 4))
    check_derivatives(lambda a, h: T.sqr(T.arange(a, a + 2.25 * h, h)), normal(), np.array(0.5))
    check_derivatives(lambda a, b: T.sqr(T.linspace(a, b, 4)), normal(), normal())
    check_derivatives(lambda a: T.sqr(T.fill(T.zeros((2, 3)), a)), normal())
