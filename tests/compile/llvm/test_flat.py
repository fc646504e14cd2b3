"""Products with a matrix of a few columns, whose number is known beforehand."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.backends.llvm import engine, flat

COLUMNS = (2, 3, 8, 10, 16, 17, 20, 31, 48, 64, 100)


def close(got, want, dtype):
    np.testing.assert_allclose(got, want, rtol=2e-5 if dtype == "float32" else 1e-12, atol=1e-6)


@pytest.fixture(params=[None, (32, False), (16, False)], ids=["here", "32 bytes", "16 bytes"])
def lanes(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(engine, "lanes", lambda: request.param)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", COLUMNS)
def test_one_row_and_one_column(lanes, columns, dtype):
    """x W and W - a x' d for one example, as rows and as vectors, for all remainders of rows; and
    after the variable has got another number of columns."""
    rng = np.random.default_rng(columns)
    W = sg.shared(rng.normal(size=(5, columns)).astype(dtype), name="W")
    x, d = T.matrix("x", dtype), T.matrix("d", dtype)
    u, v = T.vector("u", dtype), T.vector("v", dtype)
    step = np.asarray(0.5, dtype)
    forward = sg.function([x, u], [T.dot(x, W), T.dot(u, W)], backend="llvm")
    rows = sg.function([x, d], [], updates=[(W, W - step * T.dot(x.T, d))], backend="llvm")
    vectors = sg.function([u, v], [], updates=[(W, W - step * T.outer(u, v))], backend="llvm")
    for m in (1, 5, 15, 16, 17, 33):
        for n in (columns, columns + 1):
            start = rng.normal(size=(m, n)).astype(dtype)
            a, b = rng.normal(size=m).astype(dtype), rng.normal(size=n).astype(dtype)
            W.set_value(start)
            for got in forward(a[None], a):
                close(np.ravel(got), a @ start, dtype)
            rows(a[None], b[None])
            close(W.get_value(), start - 0.5 * np.outer(a, b), dtype)
            vectors(a, b)
            close(W.get_value(), start - np.outer(a, b), dtype)


def test_it_is_used_where_it_pays():
    """Few vectors make a pattern; one column is a dot product, and many columns are long rows."""
    assert flat.worth("float32", 10) and flat.worth("float64", 10)
    assert not flat.worth("float32", 1) and not flat.worth("float32", 101)
    W = sg.shared(np.ones((784, 10), "float32"))
    x = T.matrix("x", "float32")
    f = sg.function([x], T.dot(x, W), backend="llvm")
    assert "@gemm_f32_n10(" in f.ir
