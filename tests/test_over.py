"""`f.run` and `f.over`: many calls in one, with the numbers of a Python loop."""

import signal
import sys
import threading
import types

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, IndexingError, MissingPackage, ShapeError


@pytest.fixture(params=["numpy", "python", "llvm"])
def backend(request):
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return request.param


def trainer(backend, dtype="float32", form=lambda loss, p: loss):
    """Logistic regression, one example a step: (function, its parameters)."""
    rng = np.random.default_rng(5)
    X = sg.shared(rng.normal(size=(60, 7)).astype(dtype), name="X")
    Y = sg.shared(rng.integers(0, 3, 60), name="Y")
    W, b = sg.shared(np.zeros((7, 3), dtype), name="W"), sg.shared(np.zeros(3, dtype), name="b")
    i, rate = T.lscalar("i"), T.scalar("rate", dtype=dtype)
    p = T.nnet.softmax(T.dot(X[i], W) + b)
    loss = -T.log(p)[0, Y[i]]
    gW, gb = sg.grad(loss, [W, b])
    f = sg.function([i, sg.In(rate, value=np.array(0.1, dtype))], form(loss, p),
                    updates=[(W, W - rate * gW), (b, b[:] - rate * gb)], backend=backend)
    return f, W, b


def same(a, b):
    assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_array_equal(a, b)


FORMS = {
    "single": lambda loss, p: loss,
    "list": lambda loss, p: [loss, p[0]],
    "dict": lambda loss, p: {"loss": loss, 5: p},
    "none": lambda loss, p: None,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_numbers_are_those_of_a_loop(backend, form, dtype):
    order = np.random.default_rng(1).permutation(60)
    f, W, b = trainer(backend, dtype, FORMS[form])
    g, V, c = trainer(backend, dtype, FORMS[form])
    got = f.over(i=order, rate=np.array(0.2, dtype))
    each = [g(k, np.array(0.2, dtype)) for k in order.tolist()]
    same(W.get_value(), V.get_value())
    same(b.get_value(), c.get_value())
    if form == "none":
        assert got is None
    elif form == "single":
        same(got, np.array(each))
    elif form == "list":
        assert type(got) is list
        for k in (0, 1):
            same(got[k], np.array([e[k] for e in each]))
    else:
        assert list(got) == ["loss", 5]
        for k in got:
            same(got[k], np.array([e[k] for e in each]))


@pytest.mark.parametrize("indices", [range(60), range(59, -1, -3), [4, 4, 4, 1],
                                     np.arange(60, dtype=np.int8), np.arange(60)[::2],
                                     np.arange(5, dtype=np.uint64), range(-1, -60, -1), (3,)])
def test_indices_of_every_kind(backend, indices):
    f, W, b = trainer(backend)
    g, V, c = trainer(backend)
    same(f.run(indices), np.array([g(int(k)) for k in indices]))
    same(W.get_value(), V.get_value())


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint32"])
def test_inputs_of_every_integer_dtype(backend, dtype):
    i = T.scalar("i", dtype=dtype)
    s = sg.shared(np.arange(100.0))
    f = sg.function([i], s[i] * 2, backend=backend)
    same(f.run(range(100)), np.arange(100.0) * 2)
    with pytest.raises(DtypeError, match="outside|float64"):
        f.run([1.5])
    if dtype == "int8":
        with pytest.raises(DtypeError, match="values of i are outside int8"):
            f.run([1, 200])


def test_a_number_of_calls(backend):
    s = sg.shared(0.0)
    x = T.dscalar("x")
    f = sg.function([x], s * x, updates=[(s, s + x)], backend=backend)
    same(f.run(5, x=2.0), np.array([0.0, 4.0, 8.0, 12.0, 16.0]))
    assert s.get_value() == 10
    assert f.run(0, x=2.0).shape == (0,) and s.get_value() == 10
    with pytest.raises(ArgumentError, match="missing argument 0, x"):
        f.run(3)
    with pytest.raises(ArgumentError, match="cannot be called -1 times"):
        f.run(-1, x=1.0)
    assert sg.function([], updates=[(s, s + 1)], backend=backend).run(7) is None
    assert s.get_value() == 17


def test_no_calls_at_all(backend):
    f, W, b = trainer(backend, form=FORMS["list"])
    loss, p = f.run([])
    assert loss.shape == (0,) and loss.dtype == np.float32 and p.shape[0] == 0 and p.ndim == 2
    assert not W.get_value().any()
    loss, p = f.run(range(0), reduce="sum")
    assert loss == 0 and loss.dtype == np.float32
    with pytest.raises(ArgumentError, match="no mean of their results"):
        f.run([], reduce="mean")


def test_results_are_reduced(backend, monkeypatch):
    for block in (1 << 20, 64, 1):
        monkeypatch.setattr("symgrad.compile.over.BLOCK", block)
        for reduce in ("mean", "sum", "last"):
            f, W, b = trainer(backend, form=FORMS["list"])
            g, V, c = trainer(backend, form=FORMS["list"])
            got = f.run(range(60), reduce=reduce)
            each = [g(k) for k in range(60)]
            for k in (0, 1):
                rows = np.array([e[k] for e in each])
                want = {"mean": rows.mean(0, dtype=float), "sum": rows.sum(0, dtype=float),
                        "last": rows[-1]}[reduce]
                assert got[k].dtype == np.float32 and got[k].shape == want.shape
                np.testing.assert_allclose(got[k], want, rtol=1e-6)
            same(W.get_value(), V.get_value())
    i = T.lscalar("i")
    f = sg.function([i], [i, T.eq(i % 2, 0)], backend=backend)
    total, even = f.run(range(10), reduce="sum")
    assert total == 45 and total.dtype == np.int64 and even == 5
    assert f.run(range(10), reduce="mean")[0] == 4.5


def test_a_mean_does_not_depend_on_the_chunks(backend, monkeypatch):
    found = set()
    for chunk in (0, 1e-5, 10):
        monkeypatch.setattr("symgrad.compile.over.CHUNK", chunk)
        f, W, b = trainer(backend)
        found.add(f.run(list(range(60)) * 5, reduce="mean").item())
    assert len(found) == 1


def test_results_that_change_their_shape(backend):
    i = T.lscalar("i")
    s, n = sg.shared(np.arange(6.0)), sg.shared(0)
    f = sg.function([i], [s[:i], s[i] + 0.0], updates=[(n, n + 1)], backend=backend)
    order = [2, 2, 2, 3, 2, 0, 5, 5]
    parts, whole = f.run(order)
    same(whole, np.array(order, float))
    assert type(parts) is list and len(parts) == 8 and n.get_value() == 8
    for part, k in zip(parts, order, strict=True):
        same(part, np.arange(float(k)))
    assert f.run(order, reduce="last")[0].shape == (5,) and n.get_value() == 16
    with pytest.raises(ShapeError, match="no mean"):
        f.run(order, reduce="mean")
    assert n.get_value() == 20


def test_an_update_that_grows(backend):
    s = sg.shared(np.zeros(1))
    f = sg.function([], s, updates=[(s, T.concatenate([s, s + 1]))], backend=backend)
    got = f.run(4)
    assert [len(a) for a in got] == [1, 2, 4, 8] and s.get_value().shape == (16,)


def test_an_error_in_the_middle(backend):
    f, W, b = trainer(backend)
    g, V, c = trainer(backend)
    for k in (3, 2, 59):
        g(k)
    with pytest.raises(IndexingError, match="60 is out of range") as caught:
        f.run([3, 2, 59, 60, 1])
    assert caught.value.__notes__ == [
        "function: in call 4 of 5, i=60; the updates of the 3 before it stand"]
    same(W.get_value(), V.get_value())
    same(f(5), g(5))


def test_wrong_words(backend):
    f, W, b = trainer(backend)
    i, j = T.lscalars("i", "j")
    two = sg.function([i, j], i + j, backend=backend)
    for call, message in (
        (lambda: f.run(range(3), nobody=1), "unknown keyword 'nobody'"),
        (lambda: f.run(range(3), reduce="median"), "reduce='median' is none of"),
        (lambda: f.run(range(3), every=0), "every=0 must be a positive number"),
        (lambda: f.over(rate=0.5), "one integer scalar input must be given"),
        (lambda: f.over(i=3), "one integer scalar input must be given"),
        (lambda: f.run(3), r"need a value of i; run\(range\(3\)\) gives"),
        (lambda: two.run(range(3)), "2 inputs could take the indices"),
        (lambda: two.over(i=[1], j=[2]), "not 2 of them; the function has i, j"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
    same(two.run(range(3), j=10), np.arange(10, 13))
    same(two.over(j=range(3), i=10), np.arange(10, 13))
    with pytest.raises(ShapeError, match="a row of values, not 2"):
        f.run(np.zeros((2, 2), int))
    with pytest.raises(DtypeError):
        two.over(i=[1, 2], j=2.5)
    unnamed = T.lscalar()
    same(sg.function([unnamed], unnamed * 2, backend=backend).run([3, 4]), np.array([6, 8]))


def test_callbacks(backend):
    f, W, b = trainer(backend)
    g, V, c = trainer(backend)
    want = [g(k) for k in range(60)]
    seen = []
    f.run(range(60), every=25, callback=lambda done, loss: seen.append((done, loss)))
    assert [d for d, _ in seen] == [25, 50, 60]
    for done, loss in seen:
        same(loss, want[done - 1])
    for reduce in (None, "mean", "last"):
        f, W, b = trainer(backend, form=FORMS["dict"])
        seen = []
        got = f.run(range(60), reduce=reduce,
                    callback=lambda done, now, seen=seen: seen.append(now["loss"]) or done < 7)
        assert len(seen) == 7
        same(seen[-1], want[6])
        if reduce is None:
            same(got["loss"], np.array(want[:7]))
    with pytest.raises(ZeroDivisionError) as caught:
        f.run(range(60), every=10, callback=lambda done, now: 1 // 0)
    assert "the updates of the 10 before it stand" in caught.value.__notes__[0]


def test_a_callback_may_change_the_variables(backend):
    f, W, b = trainer(backend)
    g, V, c = trainer(backend)

    def decay(W):
        W.set_value(W.get_value() * np.float32(0.5))

    f.run(range(40), every=10, callback=lambda done, loss: decay(W))
    for k in range(40):
        g(k)
        if k % 10 == 9:
            decay(V)
    same(W.get_value(), V.get_value())


def test_a_bar(backend, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, total, desc):
            self.total, self.n = total, 0
            bars.append(self)

        def update(self, n):
            self.n += n

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.closed = True

    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar))
    f, W, b = trainer(backend)
    f.run(range(60), progress=True)
    assert bars[0].n == bars[0].total == 60 and bars[0].closed
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises((MissingPackage, ImportError)):
        f.run(range(60), progress=True)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
def test_ctrl_c(backend, monkeypatch, request):
    # a shell that starts tests in the background tells them to ignore it
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, old))
    monkeypatch.setattr("symgrad.compile.over.CHUNK", 0.002)
    s = sg.shared(0)
    f = sg.function([], updates=[(s, s + 1)], backend=backend)
    me = threading.get_ident()
    timer = threading.Timer(0.2, lambda: signal.pthread_kill(me, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as caught:
        timer.start()
        f.run(10**9)
    done = s.get_value()
    assert done > 10
    said = int(caught.value.__notes__[0].split(" of the ")[1].split()[0])
    assert abs(said - done) <= 1
    f.run(5)
    assert s.get_value() == done + 5


def test_an_argument_that_is_the_memory_written(backend):
    W = sg.shared(np.ones((2, 2)))
    x, i = T.dmatrix("x"), T.lscalar("i")
    f = sg.function([x, i], W[0, i], updates=[(W, W + T.dot(x, x))], backend=backend)
    V = sg.shared(np.ones((2, 2)))
    g = f.copy(swap={W: V})
    got = f.over(i=[0, 1, 0], x=W.get_value(borrow=True))
    x = V.get_value(borrow=True)
    want = [g(x, k) for k in (0, 1, 0)]
    same(got, np.array(want))
    same(W.get_value(), V.get_value())


def test_threads_and_copies(backend):
    s = sg.shared(np.zeros(3))
    f = sg.function([], updates=[(s, s + 1)], backend=backend)
    g = f.copy()
    threads = [threading.Thread(target=lambda h=h: h.run(500)) for h in (f, f, g)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(s.get_value(), np.full(3, 1500.0))


def test_a_profile_counts_each_call(backend):
    s = sg.shared(0)
    f = sg.function([], s, updates=[(s, s + 1)], backend=backend, profile=True)
    same(f.run(6), np.arange(6))
    assert f.profile.calls == 6
