"""The native entry of programs that take their time: they let go of the GIL, and some of their
steps are Python's."""

import sys
import threading

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import IndexingError, ShapeError

pytest.importorskip("llvmlite")
from test_entry import counter, function, growth  # noqa: E402

from symgrad.compile.backends.llvm import entry, objects  # noqa: E402

pytestmark = pytest.mark.skipif(not entry.holds(), reason="not the CPython and NumPy it is for")


def words(f):
    return f._native.words


def slowly(f):
    """Let all calls of a function run without the GIL."""
    raw = words(f)
    raw[objects.WORD["slow"]], raw[objects.WORD["turns"]] = 1, 1  # not looked at in 31 calls
    return f


def test_long_calls_let_go_of_the_gil():
    x = T.dmatrix("x")
    f = function([x], T.dot(T.tanh(x), x))
    f(np.ones((3, 3)))
    assert words(f)[objects.WORD["slow"]] == 0
    words(f)[objects.WORD["turns"]] = 0
    f(np.ones((600, 600)))
    assert words(f)[objects.WORD["slow"]] == 1
    f(np.ones((3, 3)))
    words(f)[objects.WORD["turns"]] = 0
    f(np.ones((3, 3)))
    assert words(f)[objects.WORD["slow"]] == 0
    big, beats, stop = np.ones((700, 700)), [], threading.Event()

    def beat():
        while not stop.is_set():
            beats.append(1)
            stop.wait(0.0005)

    other = threading.Thread(target=beat)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5)  # nobody takes the GIL from native code
    try:
        other.start()
        for _ in range(10):
            slowly(f)(big)
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        other.join()
    assert len(beats) > 3 and f.handed == 0


def test_without_the_gil_all_is_as_with_it():
    f, W, v = counter()
    g, V, u = counter()
    x = np.ones((2, 3))
    for k in range(40):
        slowly(f)
        for a, b in zip(f(x * k), g(x * k), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(W.get_value(), V.get_value())
    np.testing.assert_array_equal(v.get_value(), u.get_value())
    assert f.handed == 0
    old, held = v.get_value(borrow=True), W.get_value(borrow=True)
    for _ in range(100):
        slowly(f)(x)
    assert sys.getrefcount(old) == 2 and sys.getrefcount(held) == 3
    s, i = sg.shared(np.zeros(3)), T.lscalar("i")
    h = function([i], s[i], updates=[(s, s + 1)])
    for _ in range(3):
        with pytest.raises(IndexingError):
            slowly(h)(7)
        slowly(h)(1)
    np.testing.assert_array_equal(s.get_value(), [3, 3, 3])
    assert growth(lambda: slowly(f)(x)) < 20_000


def test_threads_without_the_gil():
    f, W, v = counter()
    x = T.dmatrix("x")
    pure = function([x], T.dot(x, x) + 1)
    wrong, a = [], np.random.default_rng(0).normal(size=(40, 40))
    want = a @ a + 1

    def work(k):
        for _ in range(200):
            slowly(f)(np.ones((2, 3)) if k else [[1, 1, 1], [1, 1, 1]])
            if not np.allclose(slowly(pure)(a), want):
                wrong.append(k)
            if k == 2:
                v.set_value(np.zeros(2))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    np.testing.assert_array_equal(W.get_value(), np.full((3, 3), 1600.0))


def test_steps_in_python():
    x, i = T.dvector("x"), T.lscalar("i")
    s, n = sg.shared(np.zeros(4)), sg.shared(0)
    joined = T.concatenate([x, s])
    f = function([x, i], [joined, joined[i] * 2, T.cumsum(x)], updates=[
        (s, T.cumsum(s + 1)), (n, n + 1)])
    assert f.code.python
    want = np.zeros(4)
    for k in range(50):
        a = np.arange(float(k % 7 + 1))
        one, two, three = f(a, k % 3)
        np.testing.assert_array_equal(one, np.concatenate([a, want]))
        assert two == one[k % 3] * 2
        np.testing.assert_array_equal(three, np.cumsum(a))
        counts = [sys.getrefcount(one), sys.getrefcount(two), sys.getrefcount(three)]
        assert counts == [2, 2, 2]
        want = np.cumsum(want + 1)
        np.testing.assert_array_equal(s.get_value(), want)
        s.set_value(want * 1e-3)
        want = want * 1e-3
    assert f.handed == 0 and n.get_value() == 50
    assert growth(lambda: f(np.ones(5), 2)) < 20_000
    for _ in range(5):
        with pytest.raises(IndexingError):
            f(np.ones(2), 100)
    assert n.get_value() > 50 and words(f)[objects.WORD["flags"]]
    assert not f._flags.any() and not f._lock.locked()


def test_an_error_of_a_step_in_python():
    x, y = T.dmatrix("x"), T.dmatrix("y")
    n = sg.shared(0)
    f = function([x, y], T.concatenate([x, y], axis=1), updates=[(n, n + 1)])
    assert f(np.ones((2, 1)), np.ones((2, 2))).shape == (2, 3)
    for _ in range(3):
        with pytest.raises(ShapeError):
            f(np.ones((2, 1)), np.ones((3, 2)))
    assert n.get_value() == 1 and not f._flags.any() and not f._lock.locked()
    square = function([x], sg.nlinalg.cholesky(x)) if hasattr(sg, "nlinalg") else None
    assert square is None or square(np.eye(2)).shape == (2, 2)
