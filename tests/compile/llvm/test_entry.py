"""The native entry: it takes what fits exactly, hands on the rest, and counts its references."""

import contextlib
import copy
import gc
import itertools
import pickle
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, IndexingError, ShapeError

pytest.importorskip("llvmlite")
from symgrad.compile.backends.llvm import entry, objects  # noqa: E402

pytestmark = pytest.mark.skipif(not entry.holds(), reason="not the CPython and NumPy it is for")


def function(*args, **kwargs):
    """A function that is native from its first call on; ``f.handed`` counts those that native code
    hands to Python."""
    f = sg.function(*args, backend="llvm", **kwargs)
    f.handed, python = 0, f._python

    def counted(*args, **kwargs):
        f.handed += 1
        return python(*args, **kwargs)

    f._python = counted
    assert f._enter() is not None and type(f.__call__).__name__ == "builtin_function_or_method"
    return f


def plus_one(dtype="float64", shape=(None,)):
    x = T.tensor(dtype, shape, "x")
    return function([x], x + np.array(1, dtype))


def test_what_is_native_and_what_is_not():
    f = plus_one()
    for x in (np.arange(4.0), np.arange(8.0)[2:5], np.zeros(0), np.ones(1), np.arange(9.0)[4:5:7]):
        np.testing.assert_array_equal(f(x), x + 1)
    assert f.handed == 0
    swapped = np.arange(4.0).astype(">f8")
    unaligned = np.zeros(33, np.uint8)[1:].view(float)
    other = np.arange(4.0).view(type("Mine", (np.ndarray,), {}))
    for k, x in enumerate((np.arange(8.0)[::2], np.arange(4.0)[::-1], [1, 2], swapped, unaligned,
                           np.arange(3, dtype=np.float32), other, np.arange(3), range(3))):
        np.testing.assert_array_equal(f(x), np.asarray(x) + 1)
        assert f.handed == k + 1
    np.testing.assert_array_equal(f(x=np.ones(2)), [2, 2])
    assert f.handed == k + 2
    for wrong, error in ((np.ones((2, 2)), ShapeError), (1.0, ShapeError), (None, DtypeError),
                         (np.ones(2, complex), DtypeError)):
        with pytest.raises(error, match="x: "):
            f(wrong)
    with pytest.raises(ArgumentError, match="missing argument 0, x"):
        f()
    with pytest.raises(ArgumentError, match="takes 1 argument, got 2"):
        f(np.ones(2), np.ones(2))


DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "float32", "float64", "complex64", "complex128")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype):
    x, k = T.tensor(dtype, (None, None), "x"), T.tensor(dtype, (), "k")
    f = function([x, k], [x.T, k])
    value, number = np.array([[0, 1], [1, 0], [1, 1]], dtype), np.ones((), dtype)[()]
    for k in (number, np.asarray(number)):
        one, two = f(value, k)
        assert one.dtype == two.dtype == dtype and two.shape == () and two == k and f.handed == 0
        np.testing.assert_array_equal(one, value.T)


def test_numbers():
    i, a = T.lscalar("i"), T.dscalar("a")
    f = function([i, a], [i * 2, a * 2])
    for k in (3, -(1 << 62), np.int64(4), np.array(5)):
        for v in (0.25, np.float64(-1), np.array(2.5), float("nan")):
            one, two = f(k, v)
            assert one.dtype == np.int64 and one.shape == () and one == k * 2
            assert two.dtype == np.float64 and np.array_equal(two, v * 2, equal_nan=True)
    assert f.handed == 0
    assert f(True, 1)[0] == 2 and f(np.int8(3), np.float32(0.5))[1] == 1
    assert f.handed == 2
    with pytest.raises((DtypeError, OverflowError)):
        f(1 << 63, 1.0)
    with pytest.raises(DtypeError):
        f(1.5, 1.0)
    strict = function([sg.In(i, strict=True)], i + 1)
    assert strict(np.int64(3)) == 4
    with pytest.raises(DtypeError):
        strict(3)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if "int" in d])
def test_whole_numbers_of_python_fit_every_integer(dtype):
    k, info = T.tensor(dtype, (), "k"), np.iinfo(dtype)
    f = function([k], [k, k | k])
    for v in (0, 1, 100, min(int(info.max), 2**63 - 1), int(info.min)):
        assert [(x.dtype, x) for x in f(v)] == [(dtype, v)] * 2
    assert f.handed == 0
    for v in (int(info.max) + 1, int(info.min) - 1, 1 << 70):
        with pytest.raises(DtypeError, match="k: "):
            f(v)
    wraps = function([sg.In(k, allow_downcast=True)], k)
    if info.bits < 64:
        assert wraps(int(info.max) + 2) == info.min + 1 and wraps.handed == 1


def test_declared_lengths():
    f = plus_one(shape=(2, 3))
    np.testing.assert_array_equal(f(np.ones((2, 3))), np.full((2, 3), 2.0))
    np.testing.assert_array_equal(f(np.ones((3, 2, 3)).swapaxes(0, 1)[:, 1]), np.full((2, 3), 2.0))
    assert f.handed == 0
    with pytest.raises(ShapeError, match="wants"):
        f(np.ones((3, 3)))


def test_forms():
    x = T.dvector("x")
    a = np.arange(3.0)
    one, many = (function([x], out) for out in (x + 1, [x + 1, x.sum()]))
    none = function([x], [], on_unused_input="ignore")
    named = function([x], {"sum": x.sum(), 7: x})
    assert isinstance(one(a), np.ndarray) and none(a) == []
    got = many(a)
    assert type(got) is list and got[1] == 3 and got[1].shape == () and got[1].flags.owndata
    got = named(a)
    assert type(got) is dict and list(got) == ["sum", 7] and got[7] is not a
    np.testing.assert_array_equal(got[7], a)
    s = sg.shared(0)
    assert function([], updates=[(s, s + 1)])() is None and s.get_value() == 1
    assert not any(f.handed for f in (one, many, none, named))


def counter():
    W, v = sg.shared(np.zeros((3, 3)), name="W"), sg.shared(np.zeros(2), name="v")
    x = T.dmatrix("x")
    f = function([x], [x.sum(), W.sum()], updates=[
        (W, W + T.dot(x.T, x)), (v, v[::-1] + x[0, 0])])
    return f, W, v


def references(objects):
    gc.collect()
    return [sys.getrefcount(o) for o in objects]


def test_references():
    f, W, v = counter()
    x, dtype = np.ones((2, 3)), np.dtype(np.float64)
    f(x)
    old, held = v.get_value(borrow=True), W.get_value(borrow=True)
    watched = [x, old, held, dtype, None, np.ndarray, np.dtype(np.int64), f]
    before = references(watched)
    for _ in range(1000):
        f(x)
    after = references(watched)
    assert max(abs(b - a) for a, b in zip(before, after, strict=True)) <= 3
    assert sys.getrefcount(old) == 3  # the cell gave it up; here and in the list it is held
    out = f(x)
    counts = references(out)
    assert max(counts) <= 3
    count = sys.getrefcount(v.container.cell[0])  # in an assert, pytest holds it too
    assert count <= 2
    before = references(watched)
    for _ in range(1000):
        for wrong in (x[0], "x"):  # np.ones itself keeps a reference to its dtype
            with contextlib.suppress(ShapeError, DtypeError):
                f(wrong)
    assert max(abs(b - a) for a, b in zip(before, references(watched), strict=True)) <= 3
    assert f.handed == 2000


def growth(work, times=400):
    work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        start = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow():
    f, W, v = counter()
    s, i = sg.shared(np.zeros(100)), T.lscalar("i")
    g = function([i], {"a": s[i], "b": s * 2}, updates=[(s, s[::-1] + i)])
    lengths = itertools.cycle(np.ones((n, 3)) for n in (2, 5, 300, 1))

    def work():
        f(next(lengths)), f([[1, 2, 3]]), g(3)
        for wrong in (100, -200, None):
            with pytest.raises(Exception):  # noqa: B017
                g(wrong)

    assert growth(work) < 60_000


def test_a_function_and_its_arrays_go_when_nobody_has_them():
    f, W, v = counter()
    f(np.ones((300, 3)))
    gone = weakref.ref(f), weakref.ref(v.get_value(borrow=True))
    builtin = f.__call__
    del f, W, v
    gc.collect()
    assert gone[0]() is not None and builtin(np.ones((1, 3)))[0] == 3
    del builtin
    gc.collect()
    assert gone[0]() is None and gone[1]() is None

    def make():
        for _ in range(3):
            plus_one()(np.ones(4))

    assert growth(make, 20) < 200_000


def test_a_call_that_fails_changes_nothing():
    s, v, i = sg.shared(np.zeros(3)), sg.shared(np.zeros(3)), T.lscalar("i")
    f = function([i], v[i], updates=[(s, s + 1), (v, v[::-1] + s[0])])
    f(0)
    for _ in range(3):
        with pytest.raises(IndexingError, match="5 is out of range for axis 0"):
            f(5)
    np.testing.assert_array_equal(s.get_value(), [1, 1, 1])
    assert f.handed == 3 and f(-1) == 0 and f.handed == 3


def test_lengths_that_do_not_agree_go_to_the_general_program():
    x, y = T.dmatrix("x"), T.lvector("y")
    s = sg.shared(0.0)
    f = function([x, y], x[T.arange(y.shape[0]), y].sum(), updates=[(s, s + 1)])
    X = np.arange(6.0).reshape(3, 2)
    assert f(X, np.array([0, 1, 0])) == 7 and f.handed == 0
    assert f(X, np.array([1, 1])) == 4 and f.handed == 1 and s.get_value() == 2


def test_memory_that_two_have_is_never_written_natively():
    W, V = sg.shared(np.zeros((2, 2)), name="W"), sg.shared(np.zeros((2, 2)), name="V")
    x = T.dmatrix("x")
    f = function([x], updates=[(W, W + T.dot(x, x)), (V, V + T.dot(x, x) * 2)])
    f(np.eye(2))
    assert f.handed == 0
    both = np.ones((3, 2))
    W.set_value(both[:2], borrow=True)
    V.set_value(both[1:], borrow=True)
    f(np.eye(2))
    assert f.handed == 1
    np.testing.assert_array_equal(W.get_value(), np.ones((2, 2)) + np.eye(2))
    np.testing.assert_array_equal(V.get_value(), np.ones((2, 2)) + 2 * np.eye(2))
    f(np.eye(2))
    assert f.handed == 1
    f(W.get_value(borrow=True))
    assert f.handed == 2
    f(V.get_value(borrow=True)[::-1])
    assert f.handed == 3
    frozen = np.zeros((2, 2))
    frozen.flags.writeable = False
    W.set_value(frozen, borrow=True)
    f(np.eye(2))
    assert f.handed == 4 and not frozen.any() and W.get_value()[0, 0] == 1
    W.container.storage[0] = np.zeros((2, 2), np.float32)
    f(np.eye(2))
    assert f.handed == 5 and W.get_value().dtype == np.float64


def test_pickles_and_copies():
    f, W, v = counter()
    x = np.ones((2, 3))
    f(x)
    V = sg.shared(np.zeros((3, 3)))
    g, h, p = f.copy(swap={W: V}), copy.deepcopy(f), pickle.loads(pickle.dumps(f))
    bare = f.copy(delete_updates=True)
    for other in (g, h, p, bare):
        for _ in range(3):
            assert other(x)[0] == 6
        assert type(other.__call__).__name__ == "builtin_function_or_method"
        assert isinstance(other, type(f))
    np.testing.assert_array_equal(W.get_value(), np.full((3, 3), 2.0))
    np.testing.assert_array_equal(V.get_value(), np.full((3, 3), 6.0))
    assert f._native is not g._native and f._flags is g._flags


def test_profiles_count():
    x = T.dvector("x")
    f = sg.function([x], x + 1, backend="llvm", profile=True)
    for _ in range(4):
        f(np.ones(3))
    assert f.profile.calls == 4


@pytest.mark.parametrize("fits", [True, False])
def test_threads(fits):
    f, W, v = counter()
    x = np.ones((2, 3)) if fits else [[1, 1, 1], [1, 1, 1]]
    y = [[1, 1, 1], [1, 1, 1]]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=lambda a=a: [f(a) for _ in range(300)])
                   for a in (x, y, x, x)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    np.testing.assert_array_equal(W.get_value(), np.full((3, 3), 2400.0))


@pytest.mark.parametrize("field", ["DATA", "NDIM", "LENGTHS", "STRIDES", "DTYPE", "FLAGS", "ITEMS",
                                   "NUMBER", "TYPE"])
def test_another_layout_of_objects_is_seen(field, monkeypatch):
    monkeypatch.setattr(objects, field, getattr(objects, field) + 8)
    assert not entry.holds.__wrapped__()


@pytest.mark.parametrize("why", ["another layout", "another interpreter", "no function"])
def test_where_objects_are_laid_out_otherwise_python_calls(why, monkeypatch):
    if why == "another layout":
        monkeypatch.setattr(objects, "DATA", 24)
    elif why == "another interpreter":
        monkeypatch.setattr(sys.implementation, "name", "pypy")
    else:
        monkeypatch.setattr(entry, "FUNCTIONS", ("PyNo_Such",))
    monkeypatch.setattr(entry, "holds", entry.holds.__wrapped__)
    x = T.dvector("x")
    s = sg.shared(0.0)
    f = sg.function([x], x + s, updates=[(s, s + 1)], backend="llvm")
    for k in range(4):
        np.testing.assert_array_equal(f(np.ones(2)), [1.0 + k] * 2)
    assert f.__call__ is f._python and s.get_value() == 4


def test_an_error_in_making_a_result_is_raised():
    f = plus_one(shape=(None, None))
    huge = np.broadcast_to(np.ones((1, 1)), (1 << 50, 1))
    for _ in range(3):
        with pytest.raises(MemoryError):
            f(huge)
    assert f.handed == 0 and f(np.ones((2, 1))).shape == (2, 1)


def test_steps_of_a_loop_lose_no_memory():
    """What a step makes anew takes the place of what the step before has made."""
    x, n, part = T.fmatrix("x"), T.lscalar("n"), slice(3, 50)

    def step(h):
        sums = T.cumsum(h[:, part], axis=1).astype("float32")
        return T.set_subtensor(h[:, part], sums * np.float32(0.1))

    hs, _ = sg.scan(step, outputs_info=x, n_steps=n)
    f, value = sg.function([x, n], hs[-1].sum(), backend="llvm"), np.ones((100, 100), "float32")
    f(value, 5)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            f(value, 5)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 5 * value.nbytes
