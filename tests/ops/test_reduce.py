"""Reductions and running sums: values, dtypes and types against NumPy, edges, messages."""

import warnings

import numpy as np
import pytest
import scipy.special
from differences import check_derivatives
from test_shape import fits, normal

import symgrad.tensor as T
from symgrad.derive import backward
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.interpret import run
from symgrad.types import Type

DTYPES = ("bool", "int8", "int32", "int64", "uint8", "uint64", "float16", "float32", "float64",
          "complex64", "complex128")
SHAPES = ((), (5,), (3, 4), (2, 3, 4), (0,), (3, 0), (0, 3))
NAMES = ("sum", "prod", "mean", "var", "std", "max", "min", "ptp", "argmax", "argmin", "any", "all",
         "count_nonzero")


def axes_of(ndim):
    yield None
    yield ()
    yield from range(-ndim, ndim)
    if ndim > 1:
        yield (0, -1)
        yield tuple(range(ndim))


def sample(shape, dtype):
    if dtype == "bool":
        return normal(*shape) > 0
    scale = 1 if dtype.startswith(("float", "complex")) else 3
    a = np.round(np.abs(normal(*shape)) * scale * 4) / 4
    return a.astype(dtype) + (np.asarray(0.25j, dtype) if dtype.startswith("complex") else 0)


def wanted_dtype(name, dtype):
    if name in ("argmax", "argmin", "count_nonzero"):
        return "int64"
    if name in ("any", "all"):
        return "bool"
    kind = np.dtype(dtype).kind
    if name in ("sum", "prod"):
        return {"b": "int64", "i": "int64", "u": "uint64"}.get(kind, dtype)
    if name in ("mean", "var", "std"):
        out = dtype if kind in "fc" else "float64"
        real = {"complex64": "float32", "complex128": "float64"}.get(out, out)
        return out if name == "mean" else real
    return dtype


def reference(name, a, axis):
    out = wanted_dtype(name, a.dtype.name)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in ("sum", "prod", "mean"):
            wide = "float32" if out == "float16" else out
            return getattr(np, name)(a.astype(wide), axis).astype(out)
        if name in ("argmax", "argmin") and isinstance(axis, tuple):
            if axis == ():
                return np.zeros(a.shape, "int64")
            rest = [k for k in range(a.ndim) if k not in [b % a.ndim for b in axis]]
            order = (*rest, *sorted(b % a.ndim for b in axis))
            flat = np.transpose(a, order).reshape(*[a.shape[k] for k in rest], -1)
            return getattr(np, name)(flat, -1)
        return np.asarray(getattr(np, name)(a, axis)).astype(out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_against_numpy(name, dtype):
    ordering = name in ("max", "min", "ptp", "argmax", "argmin")
    if dtype.startswith("complex") and ordering:
        with pytest.raises(DtypeError, match="complex numbers have no order"):
            getattr(T, name)(T.tensor(dtype, (3,)))
        return
    if dtype == "bool" and name == "ptp":
        return
    tolerance = {"float16": 2e-3, "float32": 1e-5, "complex64": 1e-5}.get(dtype, 1e-13)
    for shape in SHAPES:
        a = sample(shape, dtype)
        for axis in axes_of(a.ndim):
            axes = range(a.ndim) if axis is None else np.atleast_1d(axis).astype(int)
            if ordering and any(a.shape[k] == 0 for k in axes):
                continue
            wanted = reference(name, a, axis)
            for lengths in (a.shape, (None,) * a.ndim):
                x = T.tensor(dtype, lengths)
                y = getattr(T, name)(x, axis=axis)
                found = run([y], {x: a})[0]
                fits(y, found)
                assert found.dtype == wanted_dtype(name, dtype)
                np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)
            kept = getattr(T, name)(x, axis, keepdims=True)
            if name != "ptp":
                shape_kept = tuple(1 if k in [b % a.ndim for b in axes] else n
                                   for k, n in enumerate(a.shape))
                assert run([kept], {x: a})[0].shape == shape_kept
                assert all(kept.type.shape[k] == 1 for k in axes)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_empty_extremes(name):
    x, y = T.tensor("float64", (3, 0), "x"), T.matrix("y")
    for axis in (1, None):
        with pytest.raises(ShapeError, match=rf"(?s){name}: has no value over an axis of length 0, "
                                             r"f64\[3,0\].*test_reduce.py"):
            getattr(T, name)(x, axis=axis)
        with pytest.raises(ShapeError, match=r"(?s)has no value over .*\(3, 0\).*test_reduce.py"):
            getattr(T, name)(y, axis=axis).eval({y: np.zeros((3, 0))})
    assert getattr(T, name)(x, axis=0).type.shape == (0,)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_wins(dtype):
    a = np.array([[1, np.nan, 3, np.nan], [2, 5, -np.inf, np.inf]], dtype)
    for name in ("max", "min", "argmax", "argmin", "sum", "any"):
        with np.errstate(all="ignore"):
            wanted = getattr(np, name)(a, axis=1)
        np.testing.assert_array_equal(getattr(T, name)(a, axis=1).eval(), wanted)
    assert T.argmax(a).eval() == 1 and T.argmin(a).eval() == 1


def test_float16_is_added_up_in_float32():
    ones = np.ones((5000, 3), "float16")
    for axis in (0, (0, 1)):
        wanted = ones.astype("float32").sum(axis).astype("float16")
        assert np.all(T.sum(ones, axis).eval() == wanted)
    assert np.all(T.mean(ones, 0).eval() == 1)
    many = np.full(100_000, 0.5, "float16")
    assert T.mean(many).eval() == 0.5 and T.var(many).eval() == 0 and T.std(many).eval() == 0


def test_dtype_arguments():
    x, i = T.fmatrix("x"), T.bmatrix("i")
    assert T.sum(x, dtype="float64").dtype == "float64" and x.sum(acc_dtype=float).dtype == x.dtype
    assert T.sum(i, dtype="int16").dtype == "int16" and T.prod(i, dtype=float).dtype == "float64"
    assert T.mean(i, dtype="float32").dtype == "float32" and T.mean(i).dtype == "float64"
    assert T.mean(x, dtype="floatX").dtype == "float64" and x.mean(acc_dtype=float).dtype == x.dtype
    big = np.array([1e8, 1, -1e8], "float32")
    assert T.sum(big, acc_dtype="float64").eval() == 1
    assert T.sum(np.array([200, 100], "uint8"), dtype="uint8").eval() == 44
    with pytest.raises(DtypeError, match="sum: unknown dtype 'flot32': did you mean float32"):
        T.sum(x, dtype="flot32")


def test_arguments():
    x = T.matrix("x")
    assert T.max(x, 1, True).type.shape == (None, 1) and x.sum(axis=[0, 1]).ndim == 0
    assert x.any(axis=0, keepdims=True).type == Type("bool", (1, None))
    assert np.sum(x, axis=0).ndim == np.max(x, axis=0).ndim == np.mean(x, 0).ndim == 1
    for name in NAMES:
        with pytest.raises(ShapeError, match="axis 2 is out of range for 2 dimensions"):
            getattr(T, name)(x, axis=2)
    with pytest.raises(ShapeError, match=r"(?s)sum: axis \(0, -2\) names one axis twice.*test_"):
        T.sum(x, axis=(0, -2))
    with pytest.raises(ArgumentError, match="sum: out= has no meaning"):
        np.sum(x, out=np.zeros(2))
    high, where = T.max_and_argmax(x, axis=1, keepdims=True)
    assert high.type.shape == where.type.shape == (None, 1) and where.dtype == "int64"
    assert T.var(x, ddof=1).eval({x: [[1, 2], [3, 4]]}) == np.var([1, 2, 3, 4], ddof=1)
    assert np.isnan(T.var(x, ddof=9).eval({x: [[1, 2], [3, 4]]})) == np.isnan(np.inf)


# -- derivatives


@pytest.mark.parametrize("axis", [None, 0, (1, 2), ()])
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "var", "std", "max", "min", "logsumexp",
                                  "norm"])
def test_derivatives(name, axis):
    a = np.random.default_rng(1).permutation(24).reshape(2, 3, 4) / 8 - 1.3
    smooth = () if name in ("std", "norm") and axis == () else (a,)
    for x in smooth:
        check_derivatives(lambda v: T.sqr(getattr(T, name)(v, axis=axis)), x, rtol=1e-6, atol=1e-6)


def gradient(cost, x, at):
    return run(backward([cost], [T.ones(())], [x]), {x: np.asarray(at, x.dtype)})[0]


@pytest.mark.parametrize("at", [[2, 3, 5], [0, 3, 5], [2, 0, 0], [0, 0, 0]])
def test_prod_with_zeros(at):
    """First, second and third derivatives of x y z."""
    x, a, b, c = T.vector("x"), *map(float, at)
    first = backward([T.prod(x)], [T.ones(())], [x])[0]
    value = {x: np.array(at, float)}
    np.testing.assert_array_equal(run([first], value)[0], [b * c, a * c, a * b])
    rows = [backward([first[k]], [T.ones(())], [x])[0] for k in range(3)]
    np.testing.assert_array_equal(run(rows, value), [[0, c, b], [c, 0, a], [b, a, 0]])
    third = backward([rows[0][1]], [T.ones(())], [x])[0]
    np.testing.assert_array_equal(run([third], value)[0], [0, 0, 1])


def test_prod_and_cumprod_with_zeros_against_quotients():
    a = normal(3, 4)
    a[0, 1] = a[1, 2] = a[2, 1] = a[2, 3] = 0
    for axis in (0, 1, (0, 1)):
        check_derivatives(lambda v, k=axis: T.sqr(T.prod(v, axis=k)) + T.prod(v, axis=k), a)
    both = {"exclusive": True, "reverse": True}
    for options in ({}, {"exclusive": True}, {"reverse": True}, both):
        check_derivatives(lambda v, o=options: T.cumprod(v, axis=1, **o), a)
        check_derivatives(lambda v, o=options: T.sqr(T.cumprod(v, axis=0, **o)), a)


def test_complex_derivatives():
    z = normal(2, 3) + 1j * normal(2, 3)
    for build in (lambda v: T.sum(v, 1), lambda v: T.prod(v, 1), lambda v: T.cumprod(v, axis=1),
                  lambda v: T.cumsum(v, axis=0), lambda v: T.mean(v), lambda v: T.var(v, axis=0),
                  lambda v: T.std(v), lambda v: T.norm(v)):
        check_derivatives(build, z)


def test_ties_share_the_gradient():
    x = T.vector("x")
    np.testing.assert_array_equal(gradient(T.max(x), x, [3, 1, 3, 3]), np.array([1, 0, 1, 1]) / 3)
    np.testing.assert_array_equal(gradient(T.min(x), x, [3, 1, 1, 3]), [0, 0.5, 0.5, 0])
    assert np.isnan(gradient(T.max(x), x, [3, np.nan])).all()


def test_gradients_at_edges():
    x = T.vector("x")
    np.testing.assert_array_equal(gradient(T.std(x), x, [2, 2, 2]), 0)
    np.testing.assert_array_equal(gradient(T.norm(x), x, [0, 0, 0]), 0)
    np.testing.assert_array_equal(gradient(T.logsumexp(x), x, [-np.inf, -np.inf]), 0)
    np.testing.assert_array_equal(gradient(T.logsumexp(x), x, [1000, -np.inf]), [1, 0])


# -- logsumexp, norms


def test_logsumexp():
    rows = np.array([[1000, 1000, 999], [-1000, -1000, -np.inf], [-np.inf] * 3, [np.inf, 1, 900],
                     [-np.inf, np.inf, 0], [np.nan, 0, 1]])
    for dtype in ("float32", "float64"):
        a = rows.astype(dtype)
        with np.errstate(all="ignore"):
            wanted = scipy.special.logsumexp(a, axis=1)
        found = T.logsumexp(a, axis=1).eval()
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert T.logsumexp(T.lmatrix(), axis=0, keepdims=True).type == Type("float64", (1, None))
    np.testing.assert_allclose(T.logsumexp([[0, 1], [2, 3]]).eval(), 3.4401896)


@pytest.mark.parametrize("ord", [0, 1, 2, 3, 0.5, np.inf, -np.inf])
def test_norm(ord):
    a = normal(3, 4)
    for axis in (0, -1):
        wanted = np.linalg.norm(a, ord, axis)
        np.testing.assert_allclose(T.norm(a, ord, axis).eval(), wanted, rtol=1e-13)
        assert T.norm(a, ord, axis, True).type.shape == np.sum(a, axis, keepdims=True).shape
    x = T.matrix("x")
    np.testing.assert_allclose(x.norm(ord).eval({x: a}), np.linalg.norm(a.ravel(), ord), rtol=1e-13)
    with pytest.raises(ArgumentError, match="norm: ord must be a number, not 'fro'"):
        x.norm("fro")


# -- running sums


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, axis", [((5,), 0), ((3, 4), 1), ((3, 4), None), ((0, 3), 0),
                                         ((), None)])
def test_running_sums(dtype, shape, axis):
    a = sample(shape, dtype)
    out = wanted_dtype("sum", dtype)
    for name in ("cumsum", "cumprod"):
        x = T.tensor(dtype, (None,) * a.ndim)
        y = getattr(T, name)(x, axis=axis)
        found = run([y], {x: a})[0]
        fits(y, found)
        assert found.dtype == out
        wide = "float32" if out == "float16" else out
        wanted = getattr(np, name)(a.astype(wide), axis=axis)
        np.testing.assert_allclose(found, wanted, rtol=2e-3 if out == "float16" else 1e-5)
    if a.ndim:
        sums = T.cumsum(x, axis=0, reverse=True), T.cumsum(x[::-1], axis=0)[::-1]
        np.testing.assert_allclose(*run(sums, {x: a}), rtol=1e-3)


def test_recurrence():
    x, g = normal(2, 4), normal(2, 4)
    for reverse in (False, True):
        wanted = np.zeros((2, 4))
        order = range(3, -1, -1) if reverse else range(4)
        r = np.zeros(2)
        for k in order:
            wanted[:, k] = r
            r = g[:, k] + x[:, k] * r
        found = T.recurrence(x, g, axis=1, reverse=reverse).eval()
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
    with pytest.raises(ShapeError, match="recurrence: takes two tensors of one shape"):
        T.recurrence(x, g[0])
