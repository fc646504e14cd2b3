"""Kernels as vectors: every length, layout and width of registers gives what the loops mean."""

import ctypes
import mmap

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from natively import native  # noqa: E402

import symgrad as sg  # noqa: E402
import symgrad.tensor as T  # noqa: E402
from symgrad.compile.backends.llvm import engine  # noqa: E402
from symgrad.compile.backends.llvm.program import fit  # noqa: E402
from symgrad.compile.kernel import Apply, Axis, Kernel, Lit, Load, Param, Stage  # noqa: E402
from symgrad.errors import IndexingError  # noqa: E402
from symgrad.interpret import run  # noqa: E402
from symgrad.types import Dim, Type  # noqa: E402

LANES = [None, (32, False), (16, False), (8, False)]  # this machine's; AVX2, NEON, none
LENGTHS = [(0, 3), (3, 0), (1, 1), (2, 15), (3, 16), (2, 17), (1, 33), (5, 130), (18, 7)]


def graphs():
    """Inputs and outputs: all that is written differently."""
    x, y, v, k = T.dmatrix("x"), T.fmatrix("y"), T.dvector("v"), T.lvector("k")
    h, i, m = T.matrix("h", dtype="float16"), T.matrix("i", dtype="int8"), T.bmatrix("m")
    flag = i > 0
    top = T.max(x, axis=1, keepdims=True)
    e = T.exp(x - top)
    outputs = [
        x * v + 1, x * x.sum(), (x - v).T, abs(x[:, ::-1]) - x, x[::-1] + v[::-1],  # elements
        T.switch(x > 0, x, v), T.maximum(x, v), T.minimum(x, 0.25), T.sqr(x) / (1 + abs(x)),
        x.sum(), x.sum(axis=0), x.sum(axis=1), (x * v).sum(axis=1), x.prod(axis=0), T.sqr(x).mean(),
        y.sum(), y.sum(axis=0), y.sum(axis=1), (y * y).sum(), T.cast(y, "float64").sum(),  # singles
        T.cast(x * 100, "int32"), T.cast(x, "float32") * y, y[:, ::2] * 2, T.cast(y, "float16"),
        h + h, h.sum(axis=1), (h * 2).sum(), T.cast(h, "float64") + x, T.maximum(h, 0),  # halves
        i + i, i * 3, i.sum(axis=0), i.sum(), i.prod(axis=1), T.cast(i, "float64") * x, -i,
        i % 3, i // 2, flag & (x > 0), flag | (i < -1), ~flag, T.any(flag, axis=0), T.all(flag),
        T.any(flag, axis=1), flag.sum(axis=1), m + 1, T.cast(m, "bool"),
        x + T.arange(x.shape[0]).dimshuffle(0, "x"), T.arange(x.shape[1]) * v, T.tril(x),
    ]
    full = [  # they need a row, or an element to take
        e / e.sum(axis=1, keepdims=True), top + T.log(e.sum(axis=1, keepdims=True)),  # fused
        x.max(axis=1), x.min(axis=0), y.max(axis=0), y.min(axis=1), i.max(axis=1), h.max(axis=0),
        T.argmax(x, axis=1), T.argmax(x, axis=0), T.argmin(y, axis=1), T.argmin(i, axis=0),
        T.argmax(h, axis=1), T.argmax(x), T.argmin(x * 2), x.max(), y.min(), flag.max(axis=0),
        x[k], x[:, k % x.shape[1]], v[k % v.shape[0]] * 2, x[k, k % x.shape[1]], x[k][:, ::-1],
        T.inc_subtensor(x[k], 1.5), T.set_subtensor(x[k], 0), T.inc_subtensor(x[k, 0], x[k, 0]),
        T.inc_subtensor(v[k % v.shape[0]], x[k, 0]), T.inc_subtensor(y[k], y[k] * 2),
        T.inc_subtensor(i[k], 1), sg.grad(T.sqr(x[k]).sum(), x),
    ]
    return [x, y, v, k, h, i, m], outputs, full


def arrays(n, m, seed=0, odd=False):
    rng = np.random.default_rng(seed)
    x, y, v = rng.normal(size=(n, m)), rng.normal(size=(n, m)), rng.normal(size=m)
    if odd:  # NaN, infinities, equal elements
        for a in (x, y):
            a[rng.random(a.shape) < 0.1] = np.nan
            a[rng.random(a.shape) < 0.05] = -np.inf
            a[rng.random(a.shape) < 0.2] = 1.0
    k = rng.integers(-n, n, 2 * n + 1) if n else np.zeros(0, int)  # some of them twice
    return [x, y.astype("f4"), v, k, rng.normal(size=(n, m)).astype("f2"),
            rng.integers(-5, 6, (n, m)).astype("i1"), rng.integers(-5, 6, (n, m)).astype("i1")]


def apart(a):
    """The same in memory with gaps between rows that run backwards."""
    if a.ndim < 2:
        return a
    wide = np.full((2 * a.shape[0] + 3, a.shape[1] + 5), 77).astype(a.dtype)
    view = wide[2 * a.shape[0]:0:-2, 2:2 + a.shape[1]]
    view[...] = a
    return view


LAYOUTS = {"dense": lambda a: a, "apart": apart, "columns": np.asfortranarray,
           "strided": lambda a: np.repeat(a, 2, -1)[..., ::2] if a.ndim else a,
           "backwards": lambda a: a[..., ::-1].copy()[..., ::-1]}


@pytest.fixture(scope="module", params=LANES, ids=str)
def functions(request):
    with pytest.MonkeyPatch.context() as patch:
        if request.param:
            patch.setattr(engine, "lanes", lambda: request.param)
        inputs, some, full = graphs()
        made = [sg.function(inputs, outputs, backend="llvm", passes="none +fuse",
                            on_unused_input="ignore") for outputs in (some, full)]
    return inputs, (some, full), made


def compared(functions, given, which):
    inputs, graph, made = functions
    for kind in which:
        want = run(graph[kind], dict(zip(inputs, given, strict=True)))
        for k, (got, w) in enumerate(zip(made[kind](*given), want, strict=True)):
            assert got.dtype == w.dtype and got.shape == w.shape, k
            close = {"float16": 4e-3, "float32": 1e-5}.get(w.dtype.name, 1e-12)
            np.testing.assert_allclose(got, w, rtol=close, atol=close, err_msg=f"{kind}, {k}")


@pytest.mark.parametrize("shape", LENGTHS, ids=str)
def test_every_length(functions, shape):
    compared(functions, arrays(*shape), (0, 1) if 0 not in shape else (0,))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(functions, layout):
    given = [LAYOUTS[layout](a) for a in arrays(5, 19, seed=1)]
    before = [a.copy() for a in given]
    compared(functions, given, (0, 1))
    for a, b in zip(given, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_extremes_of_nan_and_ties(functions):
    for seed in range(4):
        compared(functions, arrays(6, 21, seed, odd=True), (1,))


def test_rows_with_gaps_are_read_where_they_are():
    a = np.arange(24.0).reshape(4, 6)
    for view in (a, a[::2], a[::-1], a[:, 1:4], a[1:, :1], np.broadcast_to(a[0], (3, 6)),
                 np.asfortranarray(a)[:1].reshape(6)[:1]):
        assert fit(view, np.dtype("float64")) is view
    for view in (a.T, a[:, ::2], a[:, ::-1], a.astype(">f8")):
        assert fit(view, np.dtype("float64")) is not view
        np.testing.assert_array_equal(fit(view, np.dtype("float64")), view)


N, K = Dim("n"), Dim("k")
i, j = Axis("i"), Axis("j")


def stepped(a, steps):
    """An array like this one whose axes take steps of so many elements in memory."""
    for axis, step in enumerate(steps):
        a = np.repeat(a, max(abs(step), 1), axis)
        a = np.flip(np.flip(a, axis).copy(), axis) if step < 0 else a
        key = [slice(None)] * a.ndim
        key[axis] = slice(None, None, max(abs(step), 1))
        a = a[tuple(key)]
        if not step and a.shape[axis]:
            a = np.broadcast_to(a.take([0], axis), a.shape)
    return a


@pytest.mark.parametrize("steps", [(1, 1), (3, 1), (-1, -1), (2, -3), (0, 1)], ids=str)
@pytest.mark.parametrize("lanes", LANES, ids=str)
def test_strides_of_every_axis(lanes, steps, monkeypatch):
    """y[i,j] = x[i,j] * z[j,i] + 1, and the sums of its rows; also where nothing is dense."""
    if lanes:
        monkeypatch.setattr(engine, "lanes", lambda: lanes)
    for dtype in ("float64", "float32", "int32", "uint8"):
        cell = Apply("mul", (Load("x", (i, j), dtype), Load("z", (j, i), dtype)), dtype)
        cell = Apply("add", (cell, Lit(1, dtype)), dtype)
        order = "pairwise" if dtype[0] == "f" else "free"
        kernel = Kernel(
            "k", (Param("x", Type(dtype, (N, K))), Param("z", Type(dtype, (K, N)))),
            (Param("y", Type(dtype, (N, K))), Param("s", Type(dtype, (N,)))),
            (Stage("y", (i, j), cell, dtype),
             Stage("s", (i,), Load("y", (i, j), dtype), dtype, "sum", ("j",), Lit(0, dtype),
                   order)),
            (("i", N), ("j", K)))
        f = native(kernel, (False, False, False, True))
        for n, k in ((0, 5), (3, 1), (4, 15), (3, 17), (2, 66)):
            rng = np.random.default_rng(n)
            x = stepped(rng.integers(0, 9, (n, k)).astype(dtype), steps)
            z = stepped(rng.integers(0, 9, (k, n)).astype(dtype), steps[::-1])
            wide = np.full((n, 3 * k + 1), 77).astype(dtype)
            y, s = wide[:, 1::3], np.zeros(n, dtype)
            with np.errstate(over="ignore"):
                want = (x * z.T + np.ones((), dtype)).astype(dtype)
            f(x, z, y, s, n=n, k=k)
            np.testing.assert_array_equal(y, want)
            np.testing.assert_array_equal(s, want.sum(1, dtype=dtype))
            np.testing.assert_array_equal(wide[:, ::3], 77)
            np.testing.assert_array_equal(wide[:, 2::3], 77)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_long_sums_are_accurate(dtype):
    """As good as NumPy's pairwise sums: the error does not grow with the length.  Along columns
    NumPy adds row after row, and so do we."""
    x, m = T.vector("x", dtype=dtype), T.matrix("m", dtype=dtype)
    f = sg.function([x, m], [x.sum(), T.sum(x * x), m.mean(), m.sum(axis=0)], backend="llvm")
    rng = np.random.default_rng(0)
    n, eps = 2_000_000 if dtype != "float16" else 2000, float(np.finfo(dtype).eps)
    a = rng.uniform(0.5, 1, n).astype(dtype)
    exact = a.astype("float64")
    rows, wide = a.reshape(-1, 20), exact.reshape(-1, 20)
    *some, columns = f(a, rows)
    for got, want in zip(some, [exact.sum(), (exact * exact).sum(), exact.mean()], strict=True):
        assert abs(float(got) - want) <= 4 * eps * want
    want = wide.sum(0)
    worst = abs(rows.sum(0).astype("float64") - want).max()
    assert abs(columns.astype("float64") - want).max() <= 1.5 * worst + eps * want.max()


@pytest.mark.parametrize("lanes", LANES, ids=str)
def test_the_first_index_that_is_out_of_range_is_told(lanes, monkeypatch):
    if lanes:
        monkeypatch.setattr(engine, "lanes", lambda: lanes)
    x, k = T.dmatrix("x"), T.lvector("k")
    f = sg.function([x, k], T.exp(x)[:, k] * 2, backend="llvm")
    g = sg.function([x, k], T.inc_subtensor(x[k], 1.0), backend="llvm")
    a = np.ones((3, 5))
    for bad in (5, -6, 2**40, -2**62):
        for place in (0, 1, 15, 16, 40):
            rows = np.zeros(41, int)
            rows[place] = bad
            with pytest.raises(IndexingError, match=f"index {bad} is out of range for axis 1 of "):
                f(a, rows)
            with pytest.raises(IndexingError, match=f"index {bad} is out of range for axis 0 of "):
                g(a, rows)
        np.testing.assert_allclose(f(a, np.full(17, -5)), 2 * np.e)


def test_what_is_not_read_is_not_touched():
    """Masked lanes: memory behind the last element may be another's, or none at all."""
    page = mmap.PAGESIZE
    room = mmap.mmap(-1, 2 * page)
    libc = ctypes.CDLL(None)
    address = np.frombuffer(room, np.uint8).ctypes.data
    assert libc.mprotect(ctypes.c_void_p(address + page), page, 0) == 0
    x, k = T.fvector("x"), T.lvector("k")
    f = sg.function([x, k], [x + 1, x.sum(), T.argmax(x), x[k].sum()], backend="llvm")
    for n in (1, 7, 15, 16, 17, 33, 63, 65):
        a = np.frombuffer(room, "f4", n, page - 4 * n)
        one, total, top, picked = f(a, np.full(n, n - 1))
        assert (one == 1).all() and total == picked == top == 0


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int8"])
def test_short_rows_of_known_length_and_elements_a_few_apart(lanes, dtype, monkeypatch):
    """Lanes that just suffice, halves of a vector that leave none over; every 2nd … 5th element
    read, and written."""
    if lanes:
        monkeypatch.setattr(engine, "lanes", lambda: lanes)
    inputs, outputs, values = [], [], []
    rng = np.random.default_rng(3)
    for n, step in zip((1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 33, 48), (2, 3, 4, 5) * 4,
                       strict=True):
        x, y = T.tensor(dtype, (3, step * n - 1)), T.tensor(dtype, (3, n))
        inputs += [x, y]
        values += [rng.integers(-9, 9, (3, k)).astype(dtype) for k in (step * n - 1, n)]
        both = T.join(0, x, x)  # an array whose layout is known
        outputs += [y * 2 + 1, both[3:, ::step] * y, T.set_subtensor(both[:3, ::step], y),
                    T.inc_subtensor(both[3:, ::step], y * y), T.sum(both[:, ::step], axis=1)]
    f = sg.function(inputs, outputs, backend="llvm")
    want = run(outputs, dict(zip(inputs, values, strict=True)))
    for a, b in zip(f(*values), want, strict=True):
        np.testing.assert_array_equal(a, b)
