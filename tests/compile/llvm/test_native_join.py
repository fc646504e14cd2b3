"""Arrays and scalars put side by side without Python."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import symgrad as sg  # noqa: E402
import symgrad.tensor as T  # noqa: E402
from symgrad.errors import ShapeError  # noqa: E402

DTYPES = ["bool", "int8", "uint64", "float16", "float32", "float64", "complex64", "complex128"]


def compiled(inputs, outputs, **options):
    f = sg.function(inputs, outputs, backend="llvm", **options)
    if "mode" not in options:
        assert not f.report.account.python
    return f


@pytest.mark.parametrize("mode", ["", "debug"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_side_by_side(dtype, mode):
    x, y, v = (make(dtype=dtype) for make in (T.matrix, T.matrix, T.vector))
    ones = np.ones((2, 3), dtype)
    outputs = [T.join(0, x, y), T.join(0, x, x[:0], x[::-2]), T.join(1, x, x[:, 1:], x[:, ::-1]),
               T.stack([x, x], axis=1), T.stack([v[0], v[1], v[0]]), T.join(0, x.T, y.T[:, :4]),
               T.join(0, x), T.join(0, x, ones), T.join(0, v[:0], v[:0])]
    f = compiled([x, y, v], outputs, **({"mode": mode} if mode else {}))
    rng = np.random.default_rng(0)
    for layout in (np.asarray, np.asfortranarray):
        a, b = (layout((5 * rng.random((4, 3))).astype(dtype)) for _ in range(2))
        c = a[0]
        want = [np.r_[a, b], np.r_[a, a[::-2]], np.c_[a, a[:, 1:], a[:, ::-1]],
                np.stack([a, a], 1), np.array([c[0], c[1], c[0]]), np.r_[a.T, b.T], a,
                np.r_[a, ones], c[:0]]
        for got, value in zip(f(a, b, c), want, strict=True):
            assert got.dtype == value.dtype and not np.shares_memory(got, a)
            np.testing.assert_array_equal(got, value)


def test_lengths_that_a_join_decides():
    """Known before there is an arena where only arguments are joined, in the course of the call
    where computed values are; and no two lengths of one call are mixed up."""
    x, y, z = T.dmatrix("x"), T.dmatrix("y"), T.dmatrix("z")
    early, late = T.join(0, x, y), T.join(0, T.exp(x[x[:, 0] > 0]), y)
    f = sg.function([x, y, z], [T.exp(early).sum(axis=1) * 2, (late * 2 + 1).T, early * 2 + z],
                    backend="llvm")
    for n in (3, 0, 7, 1):
        a, b = np.linspace(-1, 2, 2 * n).reshape(n, 2), np.ones((n + 2, 2))
        j, k = np.r_[a, b], np.r_[np.exp(a[a[:, 0] > 0]), b]
        for got, want in zip(f(a, b, j), [np.exp(j).sum(1) * 2, (k * 2 + 1).T, 3 * j], strict=True):
            np.testing.assert_allclose(got, want)
        with pytest.raises(ShapeError):
            f(a, b, j[1:])
        with pytest.raises(ShapeError):
            f(a, b[:, :1], j)


def test_joined_values_of_variables():
    """A variable updated with a join of itself; one written in place next to a join of it."""
    x, w = T.dvector("x"), sg.shared(np.zeros(0), "w")
    u = sg.shared(np.zeros(2), "u")
    f = compiled([x], [T.join(0, u, u * 2), T.stack([x[0], u[1]])],
                 updates=[(w, T.join(0, w, x)), (u, u + x)])
    for k in range(3):
        a, b = f([1.0, 2.0])
        np.testing.assert_array_equal(a, [k, 2 * k, 2 * k, 4 * k])
        np.testing.assert_array_equal(b, [1, 2 * k])
    np.testing.assert_array_equal(w.get_value(), [1, 2] * 3)
    np.testing.assert_array_equal(u.get_value(), [3, 6])


def test_the_report_tells_what_is_copied():
    x, y = T.fmatrix("x"), T.fmatrix("y")
    f = compiled([x, y], T.join(1, x, y))
    (step,) = f.report.account.steps
    assert step.kind == "join" and step.loops == "2 copied" and str(step.flops) == "0"
    assert "1 join;" in str(f.report)
