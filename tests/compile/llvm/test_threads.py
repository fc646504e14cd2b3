"""Several threads: the same results for any number, few where there is little work, none after a
fork that were before it."""

import os
import pickle
import threading
import time

import numpy as np
import pytest
from house import python
from test_random_graphs import graph

import symgrad as sg
import symgrad.tensor as T
from symgrad.config import options
from symgrad.errors import ArgumentError

pytest.importorskip("llvmlite")
from symgrad.compile.backends.llvm import threads  # noqa: E402

RNG = np.random.default_rng(0)


@pytest.fixture
def many(monkeypatch):
    """Pretend that there are processors enough, and that all work is worth it."""
    monkeypatch.setattr(threads, "available", lambda: 8)
    monkeypatch.setattr(threads, "LEAST", 0)


@pytest.fixture
def counted(monkeypatch):
    """How many threads each kernel was spread over."""
    found = []

    def run(self, job, count):
        found.append(count)
        original(self, job, count)

    original = threads.Workers.run
    monkeypatch.setattr(threads.Workers, "run", run)
    return found


def chain():
    x, y = T.fmatrix("x"), T.fmatrix("y")
    z = T.tanh(x * y + 1) * T.exp(-x * x)
    return [x, y], [z, z.sum(axis=1), (z * 2).max(axis=1), T.sqrt(abs(x)) + y[0], z.sum(),
                    x.sum(axis=0), T.argmax(z, axis=1), T.nnet.softmax(z)]


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (64, 33), (1000, 7), (3, 5000), (257, 129)])
def test_results_do_not_depend_on_the_count(shape, many, counted):
    inputs, outputs = chain()
    arrays = [RNG.normal(size=shape).astype("f") for _ in inputs]
    arrays[1] = np.asfortranarray(arrays[1])
    want = sg.function(inputs, outputs, backend="llvm")(*arrays)
    for k in (1, 2, 3, 4):
        f = sg.function(inputs, outputs, backend="llvm", threads=k)
        for _ in range(3):  # the first call, and the native entry
            for a, b in zip(want, f(*arrays), strict=True):
                np.testing.assert_array_equal(a, b)
    if shape[0] > 500:
        assert {2, 3, 4} <= set(counted)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1000, 100_003])
def test_vectors_are_cut_between_registers(n, many):
    x = T.dvector("x")
    outputs = [T.exp(x) * 2 + 1, T.floor(x), x[::-1] * 2, x > 0, x + T.arange(x.shape[0])]
    a = RNG.normal(size=n)
    want = sg.function([x], outputs, backend="llvm")(a)
    for k in (2, 3):
        found = sg.function([x], outputs, backend="llvm", threads=k)(a)
        for one, other in zip(want, found, strict=True):
            np.testing.assert_array_equal(one, other)


def test_random_graphs(many):
    for seed in range(5000, 5040):
        inputs, outputs, arrays, _, program = graph(seed)
        want = sg.function(inputs, outputs, backend="llvm", on_unused_input="ignore")(*arrays)
        f = sg.function(inputs, outputs, backend="llvm", on_unused_input="ignore", threads=3)
        for a, b in zip(want, f(*arrays), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=program)


def test_updates_in_place(many, counted):
    values = []
    for k in (1, 4):
        w, x = sg.shared(np.linspace(-1, 1, 6000).reshape(2000, 3), "w"), T.dmatrix("x")
        f = sg.function([x], (w * x).sum(axis=1), updates=[(w, w - 0.1 * T.tanh(w * x))],
                        backend="llvm", threads=k)
        values.append([*[f(np.ones((2000, 3))) for _ in range(4)], w.get_value()])
    for a, b in zip(*values, strict=True):
        np.testing.assert_array_equal(a, b)
    assert 4 in counted


def test_little_work_is_not_split(counted, monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 8)
    x = T.dvector("x")
    f = sg.function([x], T.exp(x) * 2, backend="llvm", threads=4)
    f(np.ones(1000))
    assert not counted
    f(np.ones(10**6))
    assert counted == [4]


def test_no_more_threads_than_processors(counted, monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 2)
    x = T.dvector("x")
    f = sg.function([x], T.exp(x) * 2, backend="llvm", threads=64)
    f(np.ones(10**6))
    assert counted == [2]


def test_control_groups_are_obeyed(tmp_path):
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "a" / "cpu.max").write_text("350000 100000\n")
    (tmp_path / "a" / "b" / "cpu.max").write_text("50000 100000\n")
    assert list(threads.granted(str(tmp_path), str(own))) == [3, 1]
    own.write_text("4:cpu,cpuacct:/c\n1:name=x:/\n")
    (tmp_path / "cpu,cpuacct" / "c").mkdir(parents=True)
    (tmp_path / "cpu,cpuacct" / "c" / "cpu.cfs_quota_us").write_text("200000\n")
    (tmp_path / "cpu,cpuacct" / "c" / "cpu.cfs_period_us").write_text("100000\n")
    assert 2 in threads.granted(str(tmp_path), str(own))
    assert list(threads.granted(str(tmp_path), str(tmp_path / "none"))) == []
    assert 1 <= threads.available() <= (os.cpu_count() or 1)


def test_many_callers_at_once(many):
    inputs, outputs = chain()
    f = sg.function(inputs, outputs, backend="llvm", threads=3)
    arrays = [RNG.normal(size=(300, 40)).astype("f") for _ in inputs]
    want, wrong = f(*arrays), []

    def call():
        for _ in range(20):
            wrong.extend([not np.array_equal(a, b)
                          for a, b in zip(want, f(*arrays), strict=True)])

    callers = [threading.Thread(target=call) for _ in range(4)]
    for c in callers:
        c.start()
    for c in callers:
        c.join(60)
    assert len(wrong) == 4 * 20 * len(want) and not any(wrong)


FORK = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
import numpy as np
import symgrad as sg, symgrad.tensor as T
from symgrad.compile.backends.llvm import threads
threads.available = lambda: 4
x = T.dvector("x")
f = sg.function([x], T.exp(x) * 2, backend="llvm", threads=3)
before = threading.active_count()
early = os.fork()
if early == 0:
    ok = f(np.zeros(10**6)).sum() == 2e6 and threads.workers.count == 2
    os._exit(0 if ok else 1)
assert threading.active_count() == before
assert f(np.zeros(10**6)).sum() == 2e6 and threads.workers.count == 2
late = os.fork()
if late == 0:
    ok = threads.workers.count == 0 and f(np.zeros(10**6)).sum() == 2e6
    os._exit(0 if ok and threads.workers.count == 2 else 1)
codes = [os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in (early, late)]
print(codes, f(np.zeros(10**6)).sum() == 2e6)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_workers_are_started_after_a_fork():
    assert python(FORK).strip() == "[0, 0] True"


def test_workers_sleep(many):
    x = T.dvector("x")
    sg.function([x], T.exp(x) * 2, backend="llvm", threads=4)(np.ones(10**5))
    start = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - start < 0.1


def test_an_interrupted_job_waits_for_the_others():
    order, go = [], threading.Event()

    def job():
        if threading.current_thread() is threading.main_thread():
            threading.Timer(0.1, go.set).start()
            raise KeyboardInterrupt
        go.wait(10)
        order.append("helped")

    with pytest.raises(KeyboardInterrupt):
        threads.Workers().run(job, 2)
    assert order == ["helped"]


def test_options():
    x = T.dvector("x")
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(ArgumentError, match="threads="):
            sg.function([x], x, threads=wrong)
    with options(threads=2):
        f = sg.function([x], x * 2, backend="llvm")
    assert f.code.count == 2 and pickle.loads(pickle.dumps(f)).code.count == 2
    assert sg.function([x], x * 2, backend="numpy", threads=2)([1.0]) == [2.0]
