"""Kernels of complex numbers: what NumPy computes, without Python."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import symgrad as sg  # noqa: E402
import symgrad.tensor as T  # noqa: E402
from symgrad.compile.backends.llvm import engine  # noqa: E402
from symgrad.errors import IndexingError  # noqa: E402
from symgrad.interpret import run  # noqa: E402

DTYPES = ["complex64", "complex128"]
LANES = [None, (32, False), (16, False), (8, False)]


def compiled(inputs, outputs, **options):
    f = sg.function(inputs, outputs, backend="llvm", on_unused_input="ignore", **options)
    if "mode" not in options:
        assert not f.report.account.python
    return f


def close(got, want, dtype):
    assert got.dtype == want.dtype and got.shape == want.shape
    near = 2e-5 if dtype == "complex64" else 1e-12
    np.testing.assert_allclose(got, want, near, near)


def draw(rng, shape, dtype):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


def every(x, y, r):
    """What has a form in real numbers, of two complex matrices and a real one."""
    where, real, conj = T.switch, T.real, T.conj
    return [x + y, x - r, x * y, x / (y * y + 2), 1 / (x + 3), -x, conj(x) * y, abs(x - y),
            T.sqr(x) * T.imag(y), real(x * y).T, T.eq(x, x), T.neq(x, y), where(r > 0, x, y * 2),
            where(T.eq(x, where(r > 0, x, y)), x, r), x.T + 1j, T.angle(x), T.isnan(x),
            T.cast(r, x.dtype), x.sum(), x.sum(axis=0), (x * conj(y)).sum(axis=1), (x * r).mean(),
            x * x.sum(axis=0), x[::-1] * x[:, ::-1], x * x * x * x * x * x * x, real(x).sum(axis=1),
            abs(x).max(axis=0), T.argmax(abs(x), axis=1), T.all(x, axis=0), T.zeros_like(x)]


@pytest.mark.parametrize("lanes", LANES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_form(dtype, lanes, monkeypatch):
    if lanes:
        monkeypatch.setattr(engine, "lanes", lambda: lanes)
    real = {"complex64": "float32", "complex128": "float64"}[dtype]
    x, y, r = T.matrix(dtype=dtype), T.matrix(dtype=dtype), T.matrix(dtype=real)
    e = every(x, y, r)
    f = compiled([x, y, r], e)
    rng = np.random.default_rng(0)
    for shape in ((3, 4), (1, 1), (2, 33), (19, 3)):
        a, b, c = draw(rng, shape, dtype), draw(rng, shape, dtype), rng.normal(size=shape)
        c = c.astype(real)
        for layout in (np.asarray, np.asfortranarray, lambda z: z[::-1]):
            given = [layout(z) for z in (a, b, c)]
            want = run(e, dict(zip([x, y, r], given, strict=True)))
            for got, value in zip(f(*given), want, strict=True):
                close(got, value, dtype)


def grid(special):
    """All pairs of complex numbers with these parts."""
    a = np.array([complex(re, im) for re in special for im in special])
    return a.repeat(len(a)), np.tile(a, len(a))


def test_numbers_that_are_infinite_or_none():
    """Products of numbers that overflow are not the same on all machines that NumPy runs on."""
    special = [0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan]
    x, y = T.zvector("x"), T.zvector("y")
    f = compiled([x, y], [x / y, 1 / y, abs(x), T.eq(x, y), T.cast(x, "bool"), x - y])
    a, b = grid([*special, 1e200, 1e-200])
    with np.errstate(all="ignore"):
        want = [a / b, 1 / b, abs(a), a == b, a.astype(bool), a - b]
    for got, value in zip(f(a, b), want, strict=True):
        np.testing.assert_allclose(got, value, 1e-12)
    a, b = grid(special)
    with np.errstate(all="ignore"):
        want = a * b
    np.testing.assert_array_equal(compiled([x, y], x * y)(a, b), want)


@pytest.mark.parametrize("mode", ["", "debug"])
def test_elements_and_variables(mode):
    """Gathers and scatters, an update next to a result, an index out of range before anything is
    changed."""
    x, k, v = T.zmatrix("x"), T.lvector("k"), sg.shared(np.zeros((4, 3), complex), "v")
    outputs = [x[k] * 2, T.inc_subtensor(x[k], 1.5 - 1j), T.set_subtensor(x[k, 0], 2j), v * v,
               x[:, k % 3].sum(axis=0)]
    f = compiled([x, k], outputs, updates=[(v, v * v + T.inc_subtensor(x[k], 1j))],
                 **({"mode": mode} if mode else {}))
    rng, now = np.random.default_rng(1), np.zeros((4, 3), complex)
    for _ in range(3):
        a, n = draw(rng, (4, 3), complex), np.array([1, -1, 1, 0])
        more, put, other = a.copy(), a.copy(), a.copy()
        np.add.at(more, n, 1.5 - 1j)
        put[n, 0] = 2j
        np.add.at(other, n, 1j)
        want = [a[n] * 2, more, put, now * now, a[:, n % 3].sum(0)]
        for got, value in zip(f(a, n), want, strict=True):
            close(got, value, "complex128")
        now = now * now + other
        close(v.get_value(), now, "complex128")
        with pytest.raises(IndexingError):
            f(a, n + 4)
        close(v.get_value(), now, "complex128")


def test_a_long_product_is_not_long_code():
    x, y = T.zvector("x"), T.zvector("y")
    e = x
    for _ in range(40):
        e = e * (e + y)
    f = compiled([x, y], e)
    assert len(f.ir) < 200_000
    a, want = np.array([0.1 + 0.2j, -0.3j]), np.array([0.1 + 0.2j, -0.3j])
    for _ in range(40):
        want = want * (want + a)
    np.testing.assert_allclose(f(a, a), want, 1e-12)


def test_gradients():
    x = T.zvector("x")
    a = draw(np.random.default_rng(2), 7, "complex128")
    loss = T.sqr(abs(x * x + 1)).sum()
    both = [sg.function([x], sg.grad(loss, x), backend=b)(a) for b in ("llvm", "numpy")]
    np.testing.assert_allclose(*both, 1e-12)
