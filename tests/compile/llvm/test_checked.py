"""Debug mode finds every fault that is planted, and none where there is none."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_random_graphs import graph

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.backends import find
from symgrad.config import options
from symgrad.errors import CheckError, IndexingError, NonFiniteError

pytest.importorskip("llvmlite")
from symgrad.compile import spell  # noqa: E402
from symgrad.compile.backends.llvm import driver, kernels, lanes, moves, steps  # noqa: E402
from symgrad.compile.kernel import Index  # noqa: E402

X = np.linspace(-2, 2, 35).reshape(5, 7)


def debug(inputs, outputs, **options):
    return sg.function(inputs, outputs, mode="debug", backend="llvm", **options)


def run(expression=lambda x: x * x * 1.5 + 1, array=X, **options):
    x = T.dmatrix("x")
    return debug([x], expression(x), **options)(array)


def refused(*words):
    return pytest.raises(CheckError, match="(?s)" + ".*".join(words))


# -- no faults


def test_a_training_step_runs_as_without(tmp_path):
    rng = np.random.default_rng(0)
    x, y = T.dmatrix("x"), T.lvector("y")
    arrays = rng.normal(size=(20, 30)), rng.integers(0, 10, 20)
    results = []
    for mode in ("", "debug nan"):
        w, b = sg.shared(np.zeros((30, 10)), "w"), sg.shared(np.zeros(10), "b")
        p = T.nnet.softmax(T.dot(x, w) + b)
        loss = -T.log(p)[T.arange(y.shape[0]), y].mean()
        updates = [(v, v - 0.1 * g) for v, g in zip((w, b), sg.grad(loss, [w, b]), strict=True)]
        f = sg.function([x, y], loss, updates=updates, mode=mode, backend="llvm")
        results.append([f(*arrays) for _ in range(5)] + [w.get_value(), b.get_value()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=40, deadline=None)
@given(st.integers(1000, 10**6))
@example(8494)  # a comparison's memory taken over by another one
def test_random_graphs_pass(seed):
    inputs, outputs, arrays, expected, program = graph(seed)
    found = debug(inputs, outputs, on_unused_input="ignore")(*arrays)
    for have, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9, err_msg=program)


def test_sums_with_cancellation_pass():
    rng = np.random.default_rng(1)
    x = T.fvector("x")
    for n in (10, 1000, 100_000):
        a = rng.normal(size=n).astype("f")
        debug([x], [x.sum(), (x * x - x).mean(), T.exp(x).sum()])(a - a.mean())


def test_all_layouts_pass():
    f = debug([x := T.dmatrix("x")], [T.exp(x).sum(axis=0), x.T + 1])
    for a in (X.T.copy().T, X[::-1], X[::2, :5], np.broadcast_to(X[0], (3, 7)), X[:, :0], X[:0]):
        f(a)


# -- faults


def longer(by):
    def write(kernel, loop):
        n = kernel.extent[loop.letter]
        kernel.extent[loop.letter] = kernel.w.let(f"add i64 {n}, {by}")
        vectors(kernel, loop)

    vectors = kernels.vectors
    return write


def test_one_element_too_many(monkeypatch):
    monkeypatch.setattr(kernels, "vectors", longer(1))
    with refused("step 0 wrote 0 bytes behind", "mul", "test_checked.py"):
        run()


def test_the_last_element_is_left_out(monkeypatch):
    monkeypatch.setattr(kernels, "vectors", longer(-1))
    with refused(r"step 0, .*\[4, 6\], the interpreter has .*7.0", "1 of 35", "never written",
                 "test_checked.py"):
        run()


def test_a_wrong_constant(monkeypatch):
    def wrong(value, kind, width=1):
        return right(value * 1.0001 if kind == "double" else value, kind, width)

    right = lanes.constant
    monkeypatch.setattr(lanes, "constant", wrong)
    with refused("step 0, mul .*the interpreter has", r"34 of 35"):
        run(lambda x: x * 1.5)


def test_a_wrong_row(monkeypatch):
    rows = kernels.rows

    def wrong(w, row, *args):
        return apply(w, "sub" if row == "add" else row, *args)

    apply = rows.apply
    monkeypatch.setattr(rows, "apply", wrong)
    with refused("the interpreter has"):
        run(lambda x: x + x.T, X[:, :5])


def test_a_buffer_that_is_reused_too_early(monkeypatch):
    def wrong(*args):
        arena = assign(*args)
        slots = [n for n, home in arena.homes.items() if home.kind == "slot"]
        _, first, second = slots[:3]  # |x|, its root over it, what rounds x down
        arena.homes[second] = arena.homes[first]
        return arena

    assign = steps.assign
    monkeypatch.setattr(steps, "assign", wrong)
    with refused(r"early \(sqrt\) was overwritten in step 2 before step 3 reads it",
                 r"given to late"):
        def expression(x):
            a, b = T.sqrt(abs(x)), T.floor(x)
            a.name, b.name = "early", "late"
            return a * b - a

        run(expression, passes="-fuse")


def test_a_step_that_is_left_out(monkeypatch):
    monkeypatch.setattr(moves.Moves, "multiply", lambda self, *args, **more: None)
    with refused("dot", "never written"):
        run(lambda x: T.dot(x, x.T))


def test_a_wrong_view(monkeypatch):
    monkeypatch.setattr(moves, "transposed", lambda x, axes: x)
    with refused("transpose", "the interpreter has"):
        run(lambda x: T.dot(x.T, x), X[:, :5])


def test_an_input_that_is_written(monkeypatch):
    def wrong(self, node):
        slot = self.arena.homes[node].kind == "slot"
        return self.values[self.plan.inputs[0]] if slot else home(self, node)

    home = driver.Driver.home
    monkeypatch.setattr(driver.Driver, "home", wrong)
    with refused("x, which is only read, was written"):
        run(passes="-fuse")
    with refused(r"x \(input\) was overwritten in step 0 before step 1 reads it"):
        run(lambda x: x * x + x, passes="-fuse")


def test_an_index_that_the_plan_takes_for_proven(monkeypatch):
    monkeypatch.setattr(spell, "checked", lambda n, e, axis: Index(e, None, axis, n.op.name, n))
    x, i = T.dvector("x"), T.lvector("i")
    f = debug([x, i], x[i] * 2)
    np.testing.assert_array_equal(f([1, 2, 3], [0, 2]), [2, 6])
    with pytest.raises(IndexingError, match="index 3 is out of range"):
        f([1, 2, 3], [0, 3])


def test_a_failing_check_changes_no_variable(monkeypatch):
    monkeypatch.setattr(kernels, "vectors", longer(1))
    w = sg.shared(X.copy(), "w")
    f = debug([], None, updates=[(w, w * 2)])
    with pytest.raises(CheckError):
        f()
    np.testing.assert_array_equal(w.get_value(), X)


# -- NaN and infinity


@pytest.mark.parametrize("backend", ["llvm", "numpy", "python"])
@pytest.mark.parametrize("name", ["nan", "NanGuardMode", "debug nan", "check_nan"])
def test_nan_from_finite_numbers(backend, name):
    x = T.dvector("x")
    with options(check_nan=name == "check_nan"):
        f = sg.function([x], T.log(x).sum() * 2, mode="" if name == "check_nan" else name,
                        backend=backend)
    assert np.isfinite(f([1, 2]))
    with pytest.raises(NonFiniteError, match=r"log: nan at \[1\] .*-1.0(.|\n)*test_checked.py"):
        f([1, -1])
    assert f([1, np.inf]) == np.inf  # it was there before


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_results_of_other_backends_are_compared(backend, monkeypatch):
    x = T.dvector("x")
    assert sg.function([x], T.exp(x), mode="debug", backend=backend)([0.0])[0] == 1
    module = find(backend)

    class Wrong(module.Program):
        def __init__(self, *args):
            super().__init__(*args)
            right = self.run
            self.run = lambda *a: ([v * 1.001 for v in right(*a)[0]], right(*a)[1])

    monkeypatch.setattr(module, "Program", Wrong)
    f = sg.function([x], T.exp(x), mode="debug", backend=backend)
    with pytest.raises(CheckError, match="exp: .*1.001.* the interpreter has .*1.0"):
        f([0.0])
