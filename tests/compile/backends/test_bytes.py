"""What `f.memory` says of the numpy and python backends, beside what tracemalloc sees in a call."""

import gc
import tracemalloc

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T

BACKENDS = ["numpy", "python"]
WIDE = 10_000  # numbers in a row: what Python's own objects take is little beside it


def measured(f, *arrays):
    """The most that the call takes, with workspaces that it makes itself."""
    f(*arrays)
    waiting = [f.code]
    while waiting:
        code = waiting.pop()
        waiting += [p for programs in code.inner.values() for p in programs]
        getattr(code.run, "__globals__", {}).get("_free", []).clear()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = f(*arrays)
        peak = tracemalloc.get_traced_memory()[1] - before
        del result
    finally:
        tracemalloc.stop()
    return peak


def close(f, *arrays, within=0.05):
    said, seen = f.memory(arrays).total, measured(f, *arrays)
    assert seen > 150_000
    assert said == pytest.approx(seen, rel=within)
    return said


def wide(*names):
    return [np.full(WIDE, 0.1 * (k + 1)) for k, _ in enumerate(names)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("part", [slice(None), -1], ids=["all", "last"])
def test_a_loop(backend, part):
    x, a = T.dvectors("x", "a")
    values, _ = sg.scan(lambda x, a: T.tanh(a * x + 1), outputs_info=x, non_sequences=a, n_steps=6)
    f = sg.function([x, a], values[part] * 2, backend=backend)
    close(f, *wide("x", "a"))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("every", [None, 3])
def test_a_loop_and_its_gradient(backend, every):
    x, a = T.dvectors("x", "a")
    values, _ = sg.scan(lambda x, a: T.tanh(a * x + 1), outputs_info=x, non_sequences=a,
                        n_steps=9, checkpoint_every=every)
    cost = T.sum(values[-1] ** 2)
    f = sg.function([x, a], [cost, *sg.grad(cost, [x, a])], backend=backend)
    close(f, *wide("x", "a"))


def test_checkpoints_spare_memory():
    """On the numpy backend, too, for a state of which only the last row is wanted has no more."""
    x, a = T.dvectors("x", "a")

    def made(every):
        values, _ = sg.scan(lambda x, a: T.tanh(a * x + 1), outputs_info=x, non_sequences=a,
                            n_steps=100, checkpoint_every=every)
        cost = T.sum(values[-1] ** 2)
        return sg.function([x, a], [cost, *sg.grad(cost, [x, a])], backend="numpy")

    arrays = wide("x", "a")
    assert close(made(10), *arrays) < 0.4 * close(made(None), *arrays)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_of_no_use_are_not_kept(backend):
    x, a = T.dvectors("x", "a")

    def made(steps):
        values, _ = sg.scan(lambda x, a: T.tanh(a * x + 1), outputs_info=x, non_sequences=a,
                            n_steps=steps)
        return sg.function([x, a], values[-1], backend=backend)

    few, many = (close(made(n), *wide("x", "a")) for n in (8, 16))
    assert few == many


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_in_a_loop(backend):
    x, a = T.dvectors("x", "a")

    def outer(x, a):
        inner, _ = sg.scan(lambda x, a: T.cos(a * x), outputs_info=x, non_sequences=a, n_steps=5)
        return inner.sum(axis=0)

    values, _ = sg.scan(outer, outputs_info=x, non_sequences=a, n_steps=3)
    close(sg.function([x, a], values, backend=backend), *wide("x", "a"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_branch(backend):
    x, c = T.dvector("x"), T.bscalar("c")
    sides = T.exp(x), T.concatenate([x, x, x])
    f = sg.function([x, c], sg.ifelse(c, *sides), backend=backend)
    close(f, np.ones(5 * WIDE), np.int8(0))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("units", [200, 300])
def test_a_perceptron_without_loops(backend, units):
    """On the numpy backend a small product is made apart before it is added, a large one not."""
    x, W = T.dmatrix("x"), sg.shared(np.full((300, units), 0.01), "W")
    cost = T.mean(T.nnet.softmax(T.tanh(T.dot(x, W))) ** 2)
    f = sg.function([x], [cost, T.tanh(x).T], updates=[(W, W - 0.1 * sg.grad(cost, W))],
                    backend=backend)
    close(f, np.ones((150, 300)))


def test_a_checked_program_tells_as_the_program():
    x = T.dvector("x")
    values, _ = sg.scan(lambda x: T.tanh(x), outputs_info=x, n_steps=6)
    plain, checked = (sg.function([x], values, backend="numpy", mode=mode)
                      for mode in (None, "debug"))
    assert plain.memory([(10,)]) == checked.memory([(10,)])
