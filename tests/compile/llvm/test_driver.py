"""The native function of a plan: views, copies, results, what runs in Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import IndexingError

pytest.importorskip("llvmlite")

BOUND = st.one_of(st.none(), st.integers(-7, 7))
STEP = st.sampled_from([None, 1, -1, 2, -2, 3, -4])


def compiled(inputs, outputs, **options):
    return sg.function(inputs, outputs, backend="llvm", on_unused_input="ignore", **options)


# -- views


@settings(max_examples=60, deadline=None)
@given(st.tuples(BOUND, BOUND, STEP), st.tuples(BOUND, BOUND, STEP),
       st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_slices_are_pythons(one, two, shape):
    x, z = T.dmatrix("x"), T.zmatrix("z")
    key = slice(*one), slice(*two)
    a = np.arange(30.0).reshape(5, 6)[:shape[0], :shape[1]]
    f = compiled([x, z], [x[key], x[key] * 2, x[key].T[key[:1]], T.sum(x[key]), z[key]])
    want = [a[key], a[key] * 2, a[key].T[key[:1]], a[key].sum(), (a + 1j)[key]]
    for got, value in zip(f(a, a + 1j), want, strict=True):
        np.testing.assert_array_equal(got, value)


def slicing():
    x, i, j, k = T.dmatrix("x"), T.lscalar("i"), T.iscalar("j"), T.bscalar("k")
    return compiled([x, i, j, k], [x[i:j], x[i:j:-1] + 1, x[:, k:] * 2, x[j:, :i].sum(axis=0)])


sliced = slicing()


@settings(max_examples=150, deadline=None)
@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 6))
def test_slices_with_bounds_that_are_arguments(i, j, k, n):
    a = np.arange(30.0).reshape(6, 5)[:n]
    want = [a[i:j], a[i:j:-1] + 1, a[:, k:] * 2, a[j:, :i].sum(axis=0)]
    for got, value in zip(sliced(a, i, np.int32(j), np.int8(k)), want, strict=True):
        np.testing.assert_array_equal(got, value)


def test_elements_by_indices_that_are_arguments():
    x, i, j = T.dtensor3("x"), T.lscalar("i"), T.lscalar("j")
    f = compiled([x, i, j], [x[i], x[:, j], x[i, ::-1, j] * 2, x[-1, i:][:, j]])
    a = np.arange(24.0).reshape(2, 3, 4)
    for i in range(-2, 2):
        for j in range(-3, 3):
            want = [a[i], a[:, j], a[i, ::-1, j] * 2, a[-1, i:][:, j]]
            for got, value in zip(f(a, i, j), want, strict=True):
                np.testing.assert_array_equal(got, value)
    for i, j in ((2, 0), (-3, 0), (0, 3), (0, -4), (2**62, 0), (0, -2**63)):
        with pytest.raises(IndexingError, match="is out of range for axis"):
            f(a, i, j)


@pytest.mark.parametrize("layout", [np.asarray, np.asfortranarray, lambda a: a[::-1],
                                    lambda a: np.broadcast_to(a[:1], a.shape)])
def test_views_of_views(layout):
    x = T.dtensor3("x")
    outputs = [x.transpose(2, 0, 1), x.reshape((-1,)), x.transpose(1, 0, 2).reshape((-1, 2)),
               x[:, ::-1].reshape((x.shape[0], -1)), x.dimshuffle(0, "x", 2, 1)[:, 0],
               x.reshape((-1,))[::2].reshape((2, -1)).T, x[1:2].sum(axis=0).T]
    a = layout(np.arange(24.0).reshape(2, 3, 4))
    want = [a.transpose(2, 0, 1), a.reshape(-1), a.transpose(1, 0, 2).reshape(-1, 2),
            a[:, ::-1].reshape(2, -1), a.transpose(0, 2, 1), a.reshape(-1)[::2].reshape(2, -1).T,
            a[1:2].sum(0).T]
    for got, value in zip(compiled([x], outputs)(a), want, strict=True):
        np.testing.assert_array_equal(got, value)


# -- results


def test_results_are_the_callers_own():
    x, W = T.dmatrix("x"), sg.shared(np.ones((2, 2)))
    y, ones = x * 2, T.as_tensor_variable(np.ones(2))
    f = compiled([x], [x, x.T, y, y, y[0], W, ones, ones, T.cumsum(x, axis=0)],
                 updates=[(W, y + W)])
    a = np.eye(2)
    for k in (1, 3, 5):
        outputs = f(a)
        np.testing.assert_array_equal(outputs[5], np.full((2, 2), 1.0) + np.eye(2) * (k - 1))
        for one in range(len(outputs)):
            for two in range(one):
                assert not np.shares_memory(outputs[one], outputs[two])
        for out in outputs:
            assert not np.shares_memory(out, W.get_value(borrow=True))
            out[...] = 7
        np.testing.assert_array_equal(a, np.eye(2))


def test_steps_in_python_in_the_midst_of_native_ones():
    """Their operands have any layout, their lengths are bound by them, their errors are told."""
    x, y = T.dmatrix("x"), T.dvector("y")
    some = x[T.sum(x, axis=1) > 0]
    f = compiled([x, y], [T.exp(some).sum(axis=0) + y, T.cumsum(x.T[::-1], axis=0) * 2,
                          T.nonzero_values(y) * 3, some[0]])
    assert f.code.python
    a, b = np.array([[1.0, 2], [-3, 1], [0, 4]]), np.array([0.0, 5])
    chosen = a[a.sum(1) > 0]
    want = [np.exp(chosen).sum(0) + b, np.cumsum(a.T[::-1], 0) * 2, [15], chosen[0]]
    for got, value in zip(f(a, b), want, strict=True):
        np.testing.assert_allclose(got, value)
    with pytest.raises(IndexingError, match=r"(?s)subtensor: index 0 .*test_driver\.py"):
        f(a * 0, b)


def test_arguments_of_any_length_in_turn():
    """The arena grows and is kept; nothing of an earlier call is left in a later one."""
    x = T.dmatrix("x")
    e = T.exp(x - T.max(x, axis=1, keepdims=True))
    f = compiled([x], [T.dot(e, e.T).sum(axis=0), T.dot(T.tanh(x), x.T)])
    rng = np.random.default_rng(0)
    for n, m in ((3, 4), (50, 7), (1, 1), (0, 3), (50, 7), (200, 30), (2, 1)):
        a = rng.normal(size=(n, m))
        p = np.exp(a - a.max(1, keepdims=True))
        for got, want in zip(f(a), ((p @ p.T).sum(0), np.tanh(a) @ a.T), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
