"""Rows in blocks: kernels whose parts go through some rows each, beside the interpreter."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.kernel import Apply, Axis, Lit, Load
from symgrad.compile.nest import Assign, Fold, For, Local
from symgrad.errors import IndexingError, ShapeError
from symgrad.interpret import run

pytest.importorskip("llvmlite")
from symgrad.compile.backends.llvm import blocks, engine, threads  # noqa: E402

ROWS = (0, 1, 2, 3, 7, 8, 9, 16, 17, 33, 70)
COLUMNS = (0, 1, 2, 3, 5, 8, 10, 15, 16, 17, 20, 31, 32, 33, 40)
LANES = [None, (32, False), (16, False), (8, False)]  # this machine's; AVX2, NEON, none


def softmax(x, b, k):
    e = T.exp(x - T.max(x, axis=1, keepdims=True))
    return [e / T.sum(e, axis=1, keepdims=True)]


def log_sum(x, b, k):
    top = T.max(x, axis=1, keepdims=True)
    return [T.log(T.sum(T.exp(x - top), axis=1)) + top[:, 0]]


def normal(x, b, k):
    d = x - T.mean(x, axis=1, keepdims=True)
    return [d / T.sqrt(T.mean(d * d, axis=1, keepdims=True) + 1e-5)]


def length(x, b, k):  # a single loop along a row, and a root
    return [T.sqrt(T.sum(x * x, axis=1))]


def cost(x, b, k):  # rows, sums of all rows, of columns, and checked indices
    p = T.nnet.softmax(x + b)
    total = -T.mean(T.log(p)[T.arange(k.shape[0]), k])
    return [total, *sg.grad(total, [x, b])]


def every(x, b, k):  # every reduction along a row in one kernel
    low, high = T.min(x, axis=1, keepdims=True), T.max(x, axis=1, keepdims=True)
    y = T.exp((x - low) / (1 + abs(high)))
    flag = y > b
    return [T.prod(y, axis=1), T.sum(y, axis=1), T.any(flag, axis=1), T.all(flag, axis=1),
            T.argmax(y, axis=1), T.argmin(y - b, axis=1), y - T.sum(y, axis=1, keepdims=True),
            T.tanh(T.sum(T.cast(flag, x.dtype) * y, axis=1))]


def chosen(x, b, k):  # an index that a part of the kernel computes
    y = T.exp(x - T.max(x, axis=1, keepdims=True))
    best = T.argmin(y + b, axis=1)
    return [y / T.sum(y, axis=1, keepdims=True), T.log(x[T.arange(x.shape[0]), best] ** 2 + 1)]


GRAPHS = {f.__name__: f for f in (softmax, log_sum, normal, length, cost, every, chosen)}
FAILS = {"log_sum": ShapeError, "every": ShapeError, "chosen": ShapeError,
         "cost": IndexingError}  # for rows without elements; others have values


def inputs(dtype, columns=None):
    return [T.tensor(dtype, (None, columns), "x"), T.tensor(dtype, (columns,), "b"),
            T.lvector("k")]


def arrays(n, m, dtype, seed=0, odd=False):
    rng = np.random.default_rng((seed, n, m))
    x = rng.normal(size=(n, m)).astype(dtype) * 3
    if odd:
        for value, share in ((np.nan, 0.02), (np.inf, 0.02), (-np.inf, 0.05), (1.0, 0.2)):
            x[rng.random(x.shape) < share] = value
    return [x, rng.normal(size=m).astype(dtype), rng.integers(-m, max(m, 1), n)]


def made(name, dtype, columns=None, **options):
    given = inputs(dtype, columns)
    outputs = GRAPHS[name](*given)
    return given, outputs, sg.function(given, outputs, backend="llvm", on_unused_input="ignore",
                                       **options)


def compared(given, outputs, f, values, note=None):
    with np.errstate(all="ignore"):
        want = run(outputs, dict(zip(given, values, strict=True)))
    for k, (got, w) in enumerate(zip(f(*values), want, strict=True)):
        assert got.dtype == w.dtype and got.shape == w.shape, (note, k)
        close = 2e-5 if values[0].dtype == "float32" else 1e-11
        np.testing.assert_allclose(got, w, rtol=close, atol=close, err_msg=f"{note}, {k}")


@pytest.fixture(params=LANES, ids=str)
def lanes(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(engine, "lanes", lambda: request.param)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", GRAPHS)
def test_every_number_of_rows_and_columns(name, dtype, lanes):
    given, outputs, f = made(name, dtype)
    assert "in blocks" in str(f.report)
    for n in ROWS:
        for m in COLUMNS:
            if not m and name in FAILS and (n or FAILS[name] is ShapeError):
                with pytest.raises(FAILS[name]):
                    f(*arrays(n, m, dtype))
            elif not m and name == "softmax":  # the maximum, which has no value, is left out
                assert f(*arrays(n, m, dtype))[0].shape == (n, 0)
            else:
                compared(given, outputs, f, arrays(n, m, dtype), (n, m))


@pytest.mark.parametrize("columns", [2, 3, 10, 33])
@pytest.mark.parametrize("name", GRAPHS)
def test_known_lengths(name, columns):
    given, outputs, f = made(name, "float32", columns)
    assert "in blocks" in str(f.report)
    for n in ROWS:
        compared(given, outputs, f, arrays(n, columns, "float32"), n)


@pytest.mark.parametrize("columns", [120, 1000, 2033, 2048, 2049, 5000])
@pytest.mark.parametrize("name", GRAPHS)
def test_long_rows(name, columns):
    """Rows of which few make a block, and rows that are too long for the stack."""
    given, outputs, f = made(name, "float64")
    for n in (1, 5):
        compared(given, outputs, f, arrays(n, columns, "float64"), (n, columns))


@pytest.mark.parametrize("name", GRAPHS)
def test_nan_and_infinity(name, lanes):
    given, outputs, f = made(name, "float64")
    for seed in range(6):
        compared(given, outputs, f, arrays(37, 11, "float64", seed, odd=True), seed)


@pytest.mark.parametrize("name", GRAPHS)
def test_rows_with_gaps(name):
    given, outputs, f = made(name, "float32")
    x, b, k = arrays(40, 21, "float32")
    for view in (x[::2], x[::-1], x[:, 3:9], x[3:, ::2], np.asfortranarray(x),
                 np.broadcast_to(x[0], x.shape)):
        n, m = view.shape
        compared(given, outputs, f, [view, b[:m], k[:n] % m], view.strides)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["softmax", "log_sum", "normal", "length", "every", "chosen"])
def test_a_row_has_the_same_values_in_any_company(name, dtype):
    _, _, f = made(name, dtype)
    for m in (3, 10, 20, 70):
        x, b, k = arrays(67, m, dtype)
        whole = f(x, b, k)
        for first, last in ((0, 1), (5, 6), (30, 37), (31, 66)):
            for part, all_of_it in zip(f(x[first:last], b, k[first:last]), whole, strict=True):
                np.testing.assert_array_equal(part, all_of_it[first:last])


def test_an_index_that_is_out_of_range_in_a_later_block():
    _, _, f = made("cost", "float64")
    x, b, k = arrays(80, 6, "float64")
    for row, index in ((0, 6), (31, -7), (32, 9), (79, 6)):
        wrong = k.copy()
        wrong[row] = index
        with pytest.raises(IndexingError, match=str(index)):
            f(x, b, wrong)
    assert np.isfinite(f(x, b, k)[0])


def test_loops_around_the_rows():
    x = T.dtensor3("x")
    e = T.exp(x - T.max(x, axis=2, keepdims=True))
    outputs = [e / T.sum(e, axis=2, keepdims=True), T.sum(e, axis=2)]
    f = sg.function([x], outputs, backend="llvm")
    assert "in blocks" in str(f.report)
    for shape in ((0, 3, 2), (3, 1, 5), (2, 33, 3), (4, 70, 17)):
        compared([x], outputs, f, [np.random.default_rng(1).normal(size=shape)], shape)


def test_a_variable_that_is_updated_in_place():
    start = np.random.default_rng(2).normal(size=(75, 9))
    w = sg.shared(start, name="w")
    e = T.exp(w - T.max(w, axis=1, keepdims=True))
    new = e / T.sum(e, axis=1, keepdims=True) + w
    (want,) = run([new], {w: start})
    f = sg.function([], [], updates=[(w, new)], backend="llvm")
    assert "in blocks" in str(f.report)
    f()
    np.testing.assert_allclose(w.get_value(), want, rtol=1e-12)


@pytest.mark.parametrize("name", GRAPHS)
def test_watched(name):
    given, outputs, f = made(name, "float64", mode="debug")
    for n, m in ((1, 1), (33, 5), (70, 20), (3, 2100)):
        compared(given, outputs, f, arrays(n, m, "float64"), (n, m))


def test_several_threads(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 4)
    monkeypatch.setattr(threads, "LEAST", 0)
    for name in GRAPHS:
        _, _, one = made(name, "float64")
        _, _, many = made(name, "float64", threads=4)
        given = arrays(517, 10, "float64")
        for a, b in zip(one(*given), many(*given), strict=True):
            np.testing.assert_array_equal(a, b)


def test_many_numbers_of_a_row():
    """A hundred sums that all parts share: too many to keep, and right nevertheless."""
    x = T.dmatrix("x")
    e = T.exp(x - T.max(x, axis=1, keepdims=True))
    for count in (3, 20, 100):
        sums = [T.log(T.sum(e * (k + 1) + x, axis=1) ** 2 + k) for k in range(count)]
        y = sum([e / s[:, None] for s in sums[1:]], e / sums[0][:, None])
        f = sg.function([x], [y], backend="llvm")
        assert ("in blocks" in str(f.report)) == (count < 100)
        compared([x], [y], f, [np.random.default_rng(3).normal(size=(37, 5))], count)


def test_what_goes_row_by_row():
    """Little to wait for, or a few rows that are known."""
    x, few = T.dmatrix("x"), T.tensor("float64", (blocks.FEW - 1, None), "x")
    for given, y in ((x, x / T.sum(x, axis=1, keepdims=True)), (x, T.max(x, axis=1)),
                     (few, softmax(few, None, None)[0])):
        f = sg.function([given], y, backend="llvm")
        assert "kernel" in str(f.report) and "in blocks" not in str(f.report)


def test_parts_that_share_more_than_rows():
    """A loop is no block if one pass may read, or add to, what a part of another pass makes."""
    i, j, n = Axis("i"), Axis("j"), 100
    t, total = Local("t", "float64"), Local("total", "float64")

    def loop(shared):
        """for i: for j: t += x[i, j]; shared += log(t); for j: y[i, j] = shared"""
        log = Apply("log", (t,), "float64")
        return For("i", n, [
            Assign(t, Lit(0.0, "float64")),
            For("j", n, [Fold(t, "sum", Load("x", (i, j), "float64"), "free")]),
            Fold(shared, "sum", log, "free"),
            For("j", n, [Assign(Load("y", (i, j), "float64"), shared)])])

    def found(shared):
        return blocks.block(loop(shared), {})

    assert found(Load("s", (i,), "float64")).numbers == {t: "t of rows"}
    assert found(Load("s", (i, 0), "float64")) is not None
    for shared in (total, Load("s", (), "float64"), Load("s", (0,), "float64")):
        assert found(shared) is None
