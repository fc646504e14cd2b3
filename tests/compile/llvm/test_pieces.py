"""Steps that share a kernel: the code is the one that kernels of their own would give."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import symgrad as sg  # noqa: E402
import symgrad.tensor as T  # noqa: E402
from symgrad.compile.backends.llvm import driver, pieces  # noqa: E402


def layers(count):
    """A perceptron whose layers have lengths of their own, with its gradient and updates."""
    x, weights, h = T.fmatrix("x"), [], None
    for k in range(count):
        W = sg.shared(np.full((3 + k, 4 + k), 0.1 * (k + 1), np.float32), f"W{k}")
        b = sg.shared(np.full(4 + k, 0.01 * k, np.float32), f"b{k}")
        weights += [W, b]
        h = T.tanh(T.dot(x if h is None else h, W) + b)
    loss = (h ** 2).mean()
    slopes = sg.grad(loss, weights)
    steps = [(w, w - np.float32(0.1) * g) for w, g in zip(weights, slopes, strict=True)]
    return [x], loss, steps


def twins():
    """The same sums of arrays of several shapes, dtypes, orders of lengths, and with one operand
    twice."""
    a, b, c, d = T.matrix("a"), T.matrix("b"), T.matrix("c"), T.fmatrix("d")
    e = T.matrix("e")
    outs = [T.exp(a).sum(axis=0), T.exp(b).sum(axis=0), T.exp(c).sum(axis=1), T.exp(d).sum(axis=0),
            (e * e.T).sum(axis=0)]
    return [a, b, c, d, e], outs, []


GRAPHS = {"layers": lambda: layers(5), "twins": twins}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_code_is_the_same(name, monkeypatch):
    inputs, outputs, updates = GRAPHS[name]()
    count, real = [], pieces.shared
    monkeypatch.setattr(pieces, "shared", lambda *args: count.append(1) or real(*args))
    first = sg.function(inputs, outputs, updates=updates, backend="llvm")
    assert count
    monkeypatch.setattr(driver.Driver, "shares", False)
    count.clear()
    second = sg.function(inputs, outputs, updates=updates, backend="llvm")
    assert not count and first.code.ir == second.code.ir


def test_lengths_are_those_of_the_step():
    inputs, outputs, _ = twins()
    f = sg.function(inputs, outputs, backend="llvm")
    g = sg.function(inputs, outputs, backend="numpy")
    rng = np.random.default_rng(0)
    for shape, other in (((2, 3), (7, 5)), ((1, 4), (3, 1)), ((5, 2), (2, 9))):
        a, b, c = rng.random(shape), rng.random(other), rng.random(shape)
        d, e = rng.random((other[1], shape[0])).astype(np.float32), rng.random((4, 4))
        for x, y in zip(f(a, b, c, d, e), g(a, b, c, d, e), strict=True):
            np.testing.assert_allclose(x, y, 1e-6)


def test_what_looks_outside_of_its_step_is_not_shared():
    """A row picked by an index that is surely inside, and by one that is not."""
    x, k = T.matrix("x"), T.lvector("k")
    f = sg.function([x, k], [x[T.arange(x.shape[0])] * 2, x[k] * 2], backend="llvm")
    with pytest.raises(sg.errors.IndexingError):
        f(np.ones((2, 2)), [5])


def test_errors_name_their_own_step():
    x, y = T.matrix("x"), T.matrix("y")
    with pytest.raises(sg.errors.ShapeError, match="max") as caught:
        sg.function([x, y], [x.max(axis=0), y.max(axis=0)], backend="llvm")(
            np.ones((1, 2)), np.ones((0, 2)))
    assert "y" in str(caught.value)


def test_an_update_may_be_written_by_a_shared_kernel_that_does_not_read_the_variable():
    W = sg.shared(np.eye(3, k=1) + 1, name="W")
    h = sg.shared(np.arange(6.0).reshape(2, 3), name="h")
    x, last = h, []
    for _ in range(3):
        x = T.tanh(T.dot(x, W))
        last.append(x)
    f = sg.function([], last[:2], updates=[(h, x)], backend="llvm")
    expected = np.arange(6.0).reshape(2, 3)
    for _ in range(2):
        got = f()
        for value in got:
            expected = np.tanh(expected @ W.get_value())
            np.testing.assert_allclose(value, expected, rtol=1e-12)
        expected = np.tanh(expected @ W.get_value())
        np.testing.assert_allclose(h.get_value(), expected, rtol=1e-12)
