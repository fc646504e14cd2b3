"""The numpy backend's own spellings: updates in one BLAS call, choices made with the workspace,
single cells, and what they must not break."""

import re

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import IndexingError, ShapeError
from symgrad.interpret import run

LENGTHS = (0, 1, 2, 15, 16, 20, 97, 130, 1100)


def compiled(inputs, outputs=None, **options):
    return sg.function(inputs, outputs, backend="numpy", on_unused_input="ignore", **options)


def agree(inputs, outputs, *calls, digits=6):
    """The program's results equal the interpreter's, call after call; returns the function."""
    f = compiled(inputs, outputs)
    for arrays in calls:
        want = run(outputs, dict(zip(inputs, map(np.asarray, arrays), strict=True)))
        for got, w in zip(f(*arrays), want, strict=True):
            assert got.dtype == w.dtype and got.shape == w.shape
            np.testing.assert_allclose(got, w, rtol=10.0**-digits, atol=10.0**-digits)
    return f


def drawn(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# -- sums and maxima


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_and_maxima_of_any_length(dtype):
    x = T.matrix("x", dtype=dtype)
    h = T.tanh(x)
    outputs = [T.sum(h * 2, axis=0), T.sum(h * 3, axis=1), T.sum(T.sum(h * h, axis=1) + 1),
               T.softmax(h, axis=1)]  # fmt: skip
    calls = [(drawn(n, m, dtype=dtype),) for n in LENGTHS for m in (1, 3, 70)]
    agree([x], outputs, *calls, digits=4 if dtype == "float32" else 9)


def test_nan_is_the_greatest_and_of_nothing_there_is_no_maximum():
    v, x = T.dvector("v"), T.dmatrix("x")
    f = compiled([v], [T.max(v), T.min(v), T.max(v + 1)])
    assert np.isnan(f([1, np.nan, 3, np.nan])).all()
    assert [float(r) for r in f([1, 3, 2])] == [3, 1, 4]
    g = compiled([x], T.max(x * 2, axis=1))
    for n in (1, 3, 20):
        a = drawn(n, 4)
        a[0, 2] = np.nan
        np.testing.assert_array_equal(g(a), np.max(a * 2, axis=1))
    for call in (lambda: f([]), lambda: g(np.zeros((1, 0))), lambda: g(np.zeros((20, 0)))):
        with pytest.raises(ShapeError):
            call()
    assert g(np.zeros((0, 3))).shape == (0,)


# -- additions in one BLAS call


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rate", ["constant", "argument", "negative"])
def test_updates_of_any_length(dtype, rate):
    """b - r sum(d, 0), c + r v, W - r x.T d: for lengths that BLAS takes and others."""
    x, d, v = T.matrix("x", dtype=dtype), T.matrix("d", dtype=dtype), T.vector("v", dtype=dtype)
    r = T.scalar("r", dtype=dtype)
    h = T.tanh(d)
    scale = {"constant": np.asarray(0.5, dtype), "argument": r, "negative": -r}[rate]
    digits = 4 if dtype == "float32" else 9
    for n in LENGTHS:
        for m in (0, 1, 5):
            W0, b0, c0 = (drawn(*s, seed=1, dtype=dtype) for s in ((4, m), (m,), (n,)))
            W, b, c = sg.shared(W0), sg.shared(b0), sg.shared(c0)
            f = compiled([x, d, v, r], updates=[
                (W, W - scale * T.dot(x.T, h)), (b, b - scale * T.sum(h, axis=0)),
                (c, c + scale * T.tanh(v))])  # fmt: skip
            X, D, V = drawn(n, 4, dtype=dtype), drawn(n, m, dtype=dtype), drawn(n, dtype=dtype)
            k = -0.5 if rate == "negative" else 0.5
            for call in (1, 2):
                f(X, D, V, np.asarray(0.5, dtype))
                for s, w in ((W, W0 - call * k * X.T @ np.tanh(D)), (c, c0 + call * k * np.tanh(V)),
                             (b, b0 - call * k * np.tanh(D).sum(0))):  # fmt: skip
                    np.testing.assert_allclose(s.get_value(), w, 10.0**-digits, 10.0**-digits)


def test_an_update_is_one_blas_call():
    x, y = T.fmatrix("x"), T.lvector("y")
    W, b = sg.shared(np.zeros((6, 3), "float32")), sg.shared(np.zeros(3, "float32"))
    loss = -T.mean(T.log(T.nnet.softmax(T.dot(x, W) + b))[T.arange(y.shape[0]), y])
    source = compiled([x, y], loss, updates=sg.updates.sgd(loss, [W, b], 0.1)).source
    assert re.search(r"add0\(in\d+, -0.1", source) and "np.subtract(in" not in source
    assert re.search(r"if d1: daxpy\(w\d+, b, d1, -0.5\)", example_step()[0].source)


@pytest.mark.parametrize("factor", [0.0, np.inf, np.nan])
def test_factors_that_blas_would_take_for_nothing(factor):
    v, s = T.dvector("v"), sg.shared(np.ones(3))
    f = compiled([v], updates=[(s, s + factor * T.exp(v))])
    f([np.inf, 0, np.nan])
    with np.errstate(all="ignore"):
        want = 1 + factor * np.array([np.inf, 1, np.nan])
    np.testing.assert_array_equal(s.get_value(), want)


def test_what_is_added_is_also_wanted_elsewhere():
    v, s, t = T.dvector("v"), sg.shared(np.ones(3), "s"), sg.shared(np.ones(3), "t")
    e = T.exp(v)
    f = compiled([v], [e, e * 0.5], updates=[(s, s - 0.5 * e), (t, t + 2 * T.sqr(e) + e)])
    for k in (1, 2):
        one, half = f([0.0, 1.0, 2.0])
        E = np.exp([0.0, 1.0, 2.0])
        np.testing.assert_allclose(one, E)
        np.testing.assert_allclose(half, E / 2)
        np.testing.assert_allclose(s.get_value(), 1 - k * E / 2)
        np.testing.assert_allclose(t.get_value(), 1 + k * (2 * E**2 + E))


@pytest.mark.parametrize("rule", ["sgd", "momentum", "nesterov_momentum", "adam", "rmsprop"])
@pytest.mark.parametrize("size", [1, 3, 120])
def test_training_is_the_same_with_and_without_shortcuts(rule, size):
    """Against each value by itself: no fusion, no reuse, nothing in place."""

    def trained(passes):
        rng = np.random.default_rng(0)
        x, y = T.dmatrix("x"), T.lvector("y")
        V, c, W, b = (sg.shared(rng.normal(size=s)) for s in ((5, 7), (7,), (7, 3), (3,)))
        p = T.nnet.softmax(T.dot(T.tanh(T.dot(x, V) + c), W) + b)
        loss = -T.mean(T.log(p)[T.arange(y.shape[0]), y]) + 0.01 * T.sum(W**2)
        make = getattr(sg.updates, rule)
        f = compiled([x, y], loss, updates=make(loss, [V, c, W, b], 0.05), passes=passes)
        losses = [f(drawn(size, 5, seed=k), np.arange(size) % 3) for k in range(4)]
        return [*losses, *(s.get_value() for s in (V, c, W, b))]

    for one, two in zip(trained(""), trained("none"), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-11)


def test_products_of_nothing():
    A, x, b = T.dmatrix("A"), T.dvector("x"), T.dvector("b")
    agree([A, x, b], [b + T.dot(A, x), 2 * b - T.dot(A, x), T.dot(A, x)],
          (np.ones((3, 2)), np.ones(2), np.ones(3)), (np.ones((3, 0)), np.ones(0), np.ones(3)),
          (np.ones((0, 2)), np.ones(2), np.ones(0)))  # fmt: skip
    B = T.dmatrix("B")
    agree([A, B], [A + T.dot(A, B), A - 0.5 * T.dot(A, B)], (np.ones((0, 0)), np.ones((0, 0))),
          (np.ones((2, 2)), np.eye(2)), (np.ones((0, 3)), np.eye(3)))  # fmt: skip


# -- one example


def example_step():
    x, y = T.dvector("x"), T.lscalar("y")
    W, b = sg.shared(np.zeros((4, 3)), "W"), sg.shared(np.zeros(3), "b")
    loss = -T.log(T.nnet.softmax(T.dot(x, W) + b))[0, y]
    return compiled([x, y], loss, updates=sg.updates.sgd(loss, [W, b], 0.5)), W, b


def test_a_step_for_one_example():
    f, W, b = example_step()
    Wn, bn = np.zeros((4, 3)), np.zeros(3)
    for k, y in enumerate((0, 2, -1, 1)):
        x = drawn(4, seed=k)
        z = x @ Wn + bn
        p = np.exp(z) / np.exp(z).sum()
        np.testing.assert_allclose(f(x, y), -np.log(p[y]))
        p[y] -= 1
        Wn, bn = Wn - 0.5 * np.outer(x, p), bn - 0.5 * p
        np.testing.assert_allclose(W.get_value(), Wn)
        np.testing.assert_allclose(b.get_value(), bn)
    for word in ("broadcast_to", "inc_subtensor", "subtensor(", "None, :"):
        assert word not in f.source


def test_extreme_logits_of_one_example():
    f, W, b = example_step()
    b.set_value([1000.0, -1000.0, 0.0])
    assert f(np.zeros(4), 1) == 2000
    np.testing.assert_allclose(b.get_value(), [999.5, -999.5, 0])


@pytest.mark.parametrize("bad", [3, -4, 2**40])
def test_a_bad_label_is_named_and_changes_nothing(bad):
    f, W, b = example_step()
    wanted = f"index {bad} is out of range for axis 0 of length 3"
    with pytest.raises(IndexingError, match=wanted) as error:
        f(np.ones(4), bad)
    assert "test_numpy.py" in str(error.value) and "[0, y]" in str(error.value)
    assert not W.get_value().any() and not b.get_value().any()


def test_bad_labels_of_rows_are_named():
    x, y = T.dmatrix("x"), T.lvector("y")
    f = compiled([x, y], T.log(T.nnet.softmax(x))[T.arange(y.shape[0]), y].sum())
    with pytest.raises(IndexingError, match="pick: index 7 is out of range for axis 1 of length 3"):
        f(np.ones((2, 3)), [0, 7])


# -- cells and parts


def test_cells_and_parts():
    x, i, j = T.dmatrix("x"), T.lscalar("i"), T.lscalar("j")
    e = T.exp(x)
    outputs = [
        e[i, j], x[i, j], e[0, j], e[i:], e[i:j], e[:, i:j], e[i, ::2], e[::-1, j], x[i:j, 1],
        T.inc_subtensor(e[i, j], 5), T.set_subtensor(e[i, 0], i * 2.0),
        T.inc_subtensor(T.zeros_like(x)[i, j], 2.5), T.set_subtensor(x[1, 1], 7),
        T.inc_subtensor(e[i], 1.0), T.zeros_like(x)[i, j], T.constant(np.arange(6.0))[i],
        T.inc_subtensor(T.constant(np.arange(6.0))[i], j * 1.0),
    ]  # fmt: skip
    f = agree([x, i, j], outputs, (drawn(3, 4), 1, 2), (drawn(5, 5), -1, 3), (drawn(4, 4), 0, -1))
    with pytest.raises(IndexingError, match="index 9 is out of range for axis 0 of length 3"):
        f(drawn(3, 4), 9, 0)
    g = compiled([x, i], x[::i])
    with pytest.raises(IndexingError, match="step cannot be zero"):
        g(drawn(2, 2), 0)
    a = drawn(3, 4)
    f(a, 1, 2)
    np.testing.assert_array_equal(a, drawn(3, 4))


def test_a_counter_of_cells_keeps_its_variable():
    s, i = sg.shared(np.zeros(4, "int64")), T.lscalar("i")
    f = compiled([i], s.sum(), updates=[(s, T.inc_subtensor(s[i], 1))])
    assert [int(f(k)) for k in (0, 1, 1, 3)] == [0, 1, 2, 3]
    with pytest.raises(IndexingError):
        f(4)
    np.testing.assert_array_equal(s.get_value(), [1, 2, 0, 1])


@pytest.mark.parametrize("name", """a0 add0 axpy b_x c0 d0 gemm in1 lambda len lo long0 max0 min n0
    np program r0 row0 rows0 sum0 sum_of summing t0 v0 w0 workspace ws Unexpected _float64 _free
    _exp x""".split())
def test_a_variable_of_any_name(name):
    x, A, s = T.dvector(name), T.dmatrix("A"), sg.shared(np.zeros(3))
    h = T.exp(x)
    h.name = name
    f = compiled([x, A], [x + 1, T.tanh(x) * 2 + h, T.sum(h * 2), T.dot(A, x) + x, T.max(h)],
                 updates=[(s, s - 0.5 * T.dot(A, x))])
    a = np.arange(3.0)
    for got, want in zip(f(a, np.eye(3)), [a + 1, np.tanh(a) * 2 + np.exp(a), 2 * np.exp(a).sum(),
                                           2 * a, np.exp(2)], strict=True):
        np.testing.assert_allclose(got, want)
    np.testing.assert_allclose(s.get_value(), -a / 2)


def test_lengths_of_arguments_are_all_checked():
    x, y = T.dmatrix("x"), T.dmatrix("y")
    f = compiled([x, y], x + y)
    np.testing.assert_array_equal(f(np.ones((2, 3)), np.ones((2, 3))), np.full((2, 3), 2.0))
    for shape in ((3, 3), (2, 2), (1, 3)):
        with pytest.raises(ShapeError, match="add: lengths differ"):
            f(np.ones((2, 3)), np.ones(shape))
