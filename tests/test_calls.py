"""What a call does to memory: arrays lent, layouts, fallbacks, copies, threads, profiles."""

import copy
import pickle
import threading

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, IndexingError, ShapeError

pytestmark = pytest.mark.usefixtures("on_compiled_code")


def step(W):
    """A function that reads its argument after W was overwritten: W + x.T x, and x itself."""
    x = T.dmatrix("x")
    return sg.function([x], x * 2, updates=[(W, W - 0.5 * T.dot(x.T, x))])


def lend(W):
    return W.get_value(borrow=True)


def install(W):
    value = np.eye(3) + 1
    W.set_value(value, borrow=True)
    return value


@pytest.mark.parametrize(
    "memory",
    [lend, install, lambda W: lend(W)[:], lambda W: lend(W).T, lambda W: W.container.data,
     lambda W: W.container.storage[0], lambda W: lend(copy.copy(W)),
     lambda W: lend(copy.deepcopy([W, lend(W)])[0])],
)  # fmt: skip
def test_an_argument_may_be_the_memory_that_is_written(memory):
    W = sg.shared(np.eye(3) + 2, name="W")
    f = step(W)
    f(np.zeros((2, 3)))
    x = memory(W)
    old = x.copy()
    want = W.get_value() - 0.5 * old.T @ old
    np.testing.assert_array_equal(f(x), old * 2)
    np.testing.assert_allclose(W.get_value(), want)


def test_who_may_hold_the_memory():
    class Wrapped:
        def __init__(self, array):
            self.array = array

        def __array__(self, dtype=None, copy=None):
            return self.array

    a = np.ones(3)
    for lent, value, borrow in (
        (False, a, False), (True, a, True), (False, a[::2], False), (False, [1.0, 2.0], False),
        (True, memoryview(a), False), (True, Wrapped(a), False), (False, 3.0, False),
    ):  # fmt: skip
        if lent is False or borrow:
            assert sg.shared(value, borrow=borrow).container.lent is lent
        W = sg.shared(np.ones(3) if np.ndim(value) else 1.0)
        W.set_value(value, borrow=borrow)
        assert W.container.lent is lent
    W = sg.shared(a)
    W.get_value()
    assert not W.container.lent and not pickle.loads(pickle.dumps(W)).container.lent
    W.get_value(borrow=True)
    assert W.container.lent and copy.deepcopy(W).container.lent
    W.set_value(a)
    assert not W.container.lent


@pytest.mark.parametrize("layout", ["fortran", "turned", "read-only", "strided", "unaligned"])
def test_a_lent_array_of_any_layout_is_updated(layout):
    start = np.arange(12.0).reshape(4, 3)
    raw = np.zeros(12 * 8 + 1, "uint8")[1:].view("float64").reshape(4, 3)
    raw[...] = start
    value = {
        "fortran": np.asfortranarray(start),
        "turned": start.T.copy().T,
        "read-only": start.copy(),
        "strided": np.repeat(start, 2, 0)[::2],
        "unaligned": raw,
    }[layout]
    value.flags.writeable = layout != "read-only"
    W, b = sg.shared(value, borrow=True, name="W"), sg.shared(np.zeros(3)[::-1], borrow=True)
    x, y = T.dmatrix("x"), T.dmatrix("y")
    f = sg.function(
        [x, y], updates=[(W, W - 0.5 * T.dot(x.T, y)), (b, b - 0.25 * T.sum(y, axis=0))]
    )
    X, Y = np.arange(8.0).reshape(2, 4), np.arange(6.0).reshape(2, 3)
    for k in (1, 2):
        f(X, Y)
        np.testing.assert_allclose(W.get_value(), start - k * 0.5 * X.T @ Y)
        np.testing.assert_allclose(b.get_value(), -k * 0.25 * Y.sum(0))
    if layout == "read-only":
        np.testing.assert_array_equal(value, start)


def picking(W):
    """Compiled for as many labels as rows; the general program takes fewer."""
    x, y = T.dmatrix("x"), T.lvector("y")
    value = x[T.arange(y.shape[0]), y].sum()
    return sg.function([x, y], value, updates=[(W, W + value)])


def test_the_general_program_updates_too():
    W, V = sg.shared(np.zeros(2), name="W"), sg.shared(np.ones(2), name="V")
    f = picking(W)
    X = np.arange(6.0).reshape(3, 2)
    assert f(X, [0, 1, 0]) == 7 and f(X, [1, 1]) == 4 and f(X, [0, 0]) == 2
    np.testing.assert_array_equal(W.get_value(), [13, 13])
    g = f.copy(swap={W: V})
    assert g(X, [1, 1]) == 4 and g(X, [0, 1, 0]) == 7
    np.testing.assert_array_equal(V.get_value(), [12, 12])
    np.testing.assert_array_equal(W.get_value(), [13, 13])
    with pytest.raises(IndexingError):
        g(X, [2, 0])
    with pytest.raises(IndexingError):
        g(X, [2, 0, 0])
    np.testing.assert_array_equal(V.get_value(), [12, 12])


def test_errors_of_threads_do_not_lock_the_others_out():
    s = sg.shared(np.zeros(3), name="s")
    i = T.lscalar("i")
    f = sg.function([i], s[i], updates=[(s, s + 1)])
    failed = []

    def work():
        for k in range(50):
            try:
                f(k % 5)
            except IndexingError:
                failed.append(k)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(failed) == 80
    np.testing.assert_array_equal(s.get_value(), np.full(3, 120.0))


def test_numpy_stays_quiet_inside_and_loud_outside():
    x = T.dvector("x")
    s = sg.shared(0.0)
    with np.errstate(all="raise"):
        for f in (sg.function([x], T.log(x)), sg.function([x], T.log(x), updates=[(s, s + 1)])):
            np.testing.assert_array_equal(f([0.0, -1.0]), [-np.inf, np.nan])
            with pytest.raises(FloatingPointError):
                np.log(np.zeros(1))


def test_scalar_arguments():
    a, b = T.dscalar("a"), T.lscalar("b")
    f = sg.function([a, b], [a * 2, b + 1])
    for x, y in ((1.5, 2), (np.float64(1.5), np.int64(2)), (np.array(1.5), np.array(2)),
                 (np.float32(1.5), np.int8(2))):  # fmt: skip
        one, two = f(x, y)
        assert one == 3 and two == 3 and one.dtype == np.float64 and two.dtype == np.int64
        assert isinstance(one, np.ndarray) and one.shape == ()
    assert f(1, True)[0] == 2 and f(1, True)[1] == 2
    with pytest.raises((DtypeError, OverflowError)):
        f(1.0, 2**63)
    assert f(1.0, -(2**63))[1] == -(2**63) + 1
    with pytest.raises(DtypeError):
        f(1.0, 2.5)
    strict = sg.function([sg.In(a, strict=True)], a * 2)
    with pytest.raises(DtypeError, match="strict"):
        strict(1.5)
    assert strict(np.array(1.5)) == 3


def test_known_lengths_and_other_arrays():
    z = T.tensor("float64", (None, 3), name="z")
    f = sg.function([z], z + 1)
    assert f(np.zeros((2, 3))).shape == (2, 3)
    with pytest.raises(ShapeError, match=r"shape \(2, 4\)"):
        f(np.zeros((2, 4)))
    np.testing.assert_array_equal(f(np.zeros((1, 3), ">f8")), np.ones((1, 3)))
    np.testing.assert_array_equal(f(np.zeros((1, 3)).view(np.recarray)), np.ones((1, 3)))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_arrays_of_other_classes_are_plain_arrays():
    x = T.dmatrix("x")
    a = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    W = sg.shared(a)
    V = sg.shared(np.zeros((2, 2)))
    V.set_value(a)
    f = sg.function([x], [x * x, T.dot(x, W) * V, x[0]])
    for got, want in zip(f(a), [a.A * a.A, (a.A @ a.A) * a.A, a.A[0]], strict=True):
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, want)
    assert type(W.get_value()) is type(V.get_value()) is np.ndarray


def test_wrong_calls():
    x, y = T.dvector("x"), T.dvector("y")
    f = sg.function([x, sg.In(y, value=np.ones(2))], x + y, name="f")
    np.testing.assert_array_equal(f(np.ones(2)), [2, 2])
    np.testing.assert_array_equal(f(np.ones(2), np.zeros(2)), [1, 1])
    np.testing.assert_array_equal(f(x=np.ones(2)), [2, 2])
    np.testing.assert_array_equal(f(np.ones(2), y=np.zeros(2)), [1, 1])
    with pytest.raises(ArgumentError, match="takes 2 arguments, got 3"):
        f(1, 2, 3)
    with pytest.raises(ArgumentError, match="takes 2 arguments, got 3"):
        f(1, 2, 3, x=4)
    with pytest.raises(ArgumentError, match="missing argument 0, x"):
        f(y=np.ones(2))
    with pytest.raises(ArgumentError, match="takes 0 arguments, got 1"):
        sg.function([], T.constant(1.0))(1)


def test_a_profile_counts_calls():
    x = T.dvector("x")
    f = sg.function([x], x + 1, profile=True)
    for _ in range(3):
        f(np.ones(2))
    assert f.profile.calls == 3 and f.profile.seconds > 0
    assert sg.function([x], x + 1).profile is None


def test_threads_without_updates_have_workspaces_of_their_own():
    x = T.dmatrix("x")
    f = sg.function([x], [T.softmax(x, axis=1), T.sum(T.tanh(x) * 2, axis=0)])
    xs = [np.random.default_rng(k).normal(size=(3 + k % 3, 40)) for k in range(60)]
    want, got = [f(v) for v in xs], [None] * 60

    def work(part):
        for _ in range(5):
            for k in part:
                got[k] = f(xs[k])

    threads = [threading.Thread(target=work, args=(range(k, 60, 4),)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for a, b in zip(got, want, strict=True):
        for one, two in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, two)
