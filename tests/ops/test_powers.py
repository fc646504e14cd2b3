"""``x ** c`` at infinity, zero and below: as NumPy's arrays have it, whatever computes it."""

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.interpret import run

EDGES = [-np.inf, np.inf, -0.0, 0.0, -2.0, 4.0, 100.0, np.nan]


def powers(value, c):
    with np.errstate(all="ignore"):
        return value ** c


@pytest.mark.parametrize("passes", ["", "none", "none +fuse", "-specialise"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
def test_a_square_root_is_that_of_numpy(dtype, backend, passes):
    """NumPy's array ** 0.5 is sqrt: NaN of -inf, -0.0 of -0.0."""
    x, value = T.tensor(dtype, (None,), "x"), np.array(EDGES, dtype)
    f = sg.function([x], x ** 0.5, backend=backend, passes=passes)
    want = powers(value, 0.5)
    for got in (f(value), run([x ** 0.5], {x: value})[0]):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(np.signbit(got.real), np.signbit(want.real))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("c", [-0.5, 1.5, -1.5, 2.5, -2.5, 8.5])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rules_for_powers_keep_infinities(dtype, c, backend):
    """x ** -0.5 at -inf is 0, and x ** 1.5 is inf; both were NaN by the square root of -inf."""
    x, value = T.tensor(dtype, (None,), "x"), np.array(EDGES, dtype)
    f = sg.function([x], [x ** c, T.sqr(x) ** c], backend=backend)
    for got, base in zip(f(value), (value, value * value), strict=True):
        want = powers(base, np.asarray(c, dtype))
        some = base != 0  # the sign of zero is a rule's to lose
        close = 2e-6 if dtype == "float32" else 1e-14
        np.testing.assert_allclose(got[some], want[some], rtol=close)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_half_that_comes_later_is_a_power(backend):
    x, y = T.vector("x"), T.scalar("y")
    f = sg.function([x], x ** y, givens={y: 0.5}, backend=backend)
    value = np.array([4.0, 9.0, 0.0, np.inf])
    np.testing.assert_array_equal(f(value), np.sqrt(value))


def test_sums_of_squares_need_no_care():
    """What is evidently not negative has no guard in its root."""
    x = T.matrix("x")
    f = sg.function([x], (T.mean(T.sqr(x), axis=0) + 1e-6) ** -0.5)
    assert "inf" not in f.source and "sqrt" in f.source
    assert "inf" in sg.function([x], x ** -0.5).source
