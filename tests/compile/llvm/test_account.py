"""What a native function tells of itself: its memory to the byte, its code, its steps."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_random_graphs import graph

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, ShapeError
from symgrad.types import Dim

pytest.importorskip("llvmlite")
from symgrad.compile.backends.llvm.account import Terms  # noqa: E402
from symgrad.compile.backends.llvm.control import WORD  # noqa: E402
from symgrad.compile.backends.llvm.program import State  # noqa: E402
from symgrad.compile.plan import Unexpected  # noqa: E402


def measured(f, *arrays, general=False):
    """(bytes of the arena, bytes of the arrays made) of a call with a state of its own."""
    code, containers = f._unhurried() if general else (f.code, f._shared)
    state, leaves = State(code), len(code.leaves)
    arrays = [np.asarray(a, i.type.dtype) for a, i in zip(arrays, code.plan.inputs, strict=True)]
    try:
        state.run([*arrays, *[c.cell[0].copy() for c in containers]])
    except Unexpected:
        return measured(f, *arrays, general=True)
    made = list(state.made.values())[:-leaves] if leaves else list(state.made.values())
    return state.words[WORD["room"]], sum([a.nbytes for a in made])


def exact(f, *arrays):
    need = f.memory([np.shape(a) for a in arrays])
    assert (need.arena, need.fresh) == measured(f, *arrays)
    assert need == f.memory(arrays)
    return need


def logistic():
    x, y = T.dmatrix("x"), T.lvector("y")
    w, b = sg.shared(np.zeros((30, 10)), "w"), sg.shared(np.zeros(10), "b")
    p = T.nnet.softmax(T.dot(x, w) + b)
    loss = -T.log(p)[T.arange(y.shape[0]), y].mean()
    updates = [(v, v - 0.1 * g) for v, g in zip((w, b), sg.grad(loss, [w, b]), strict=True)]
    return sg.function([x, y], loss, updates=updates, backend="llvm")


# -- memory


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 300))
def test_the_predicted_arena_is_the_actual_one(n):
    exact(logistic_function, np.ones((n, 30)), np.zeros(n, int))


logistic_function = logistic()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 10**6))
def test_for_all_shapes(n, m, seed):
    x, y, v = T.fmatrix("x"), T.dmatrix("y"), T.dvector("v")
    outputs = [T.sqrt(abs(x)).sum(axis=0), T.dot(y, y.T), (T.dot(x, x.T) * y[:, 0]).max(axis=0),
               T.outer(v, v) + T.floor(v), T.cumsum(v), T.argmax(x, axis=1) * 2, x.T]
    keep = [o for k, o in enumerate(outputs) if seed >> k & 1] or outputs
    f = sg.function([x, y, v], keep, backend="llvm", on_unused_input="ignore")
    exact(f, np.ones((n, m), "f"), np.ones((n, 7)), np.ones(m))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
@example(47359)  # lengths that differ: the general program runs
def test_for_random_graphs(seed):
    inputs, outputs, arrays, _, _ = graph(seed)
    f = sg.function(inputs, outputs, backend="llvm", on_unused_input="ignore")
    need = f.memory(arrays)
    arena, fresh = measured(f, *arrays)
    assert need.arena == arena
    assert need.fresh <= fresh  # reshaping what has gaps copies it


def test_shapes_by_name_position_and_variable():
    x, y = T.dmatrix("x"), T.dvector("y")
    f = sg.function([x, y], x * y, backend="llvm")
    want = f.memory([(3, 4), (4,)])
    assert want.fresh == 96 and want.total == want.arena + 96
    assert want == f.memory(x=(3, 4), y=(4,)) == f.memory({"x": (3, 4), 1: [4]})
    assert want == f.memory({x: np.ones((3, 4)), y: (4,)}) == f.memory([(3, 4)], y=np.ones(4))
    assert "96 made anew" in str(want)


def test_what_is_wrong_is_said():
    x, y = T.dmatrix("x"), T.dvector("y")
    f = sg.function([x, y], x * y, backend="llvm")
    for call, word in [(lambda: f.memory([(3, 4)]), "shape of y is missing"),
                       (lambda: f.memory(x=(3, 4), z=(4,)), "no input 'z'"),
                       (lambda: f.memory([(3, 4), (4,), (5,)]), "3 shapes for 2 inputs")]:
        with pytest.raises(ArgumentError, match=word):
            call()
    with pytest.raises(ShapeError, match="2 axes, not 1"):
        f.memory([(3,), (4,)])
    with pytest.raises(ShapeError):
        f.memory([(3, 4), (5,)])


def test_lengths_that_depend_on_values_want_arrays():
    data, i = sg.shared(np.ones((100, 8)), "data"), T.lscalar("i")
    f = sg.function([i], T.sqrt(abs(data[i * 20:(i + 1) * 20])).sum(axis=0).max(),
                    backend="llvm")
    assert f.memory([3]).arena == measured(f, 3)[0]
    with pytest.raises(ArgumentError, match="depends on values"):
        f.memory()
    v = T.dvector("v")
    g = sg.function([v], v[v > 0] * 2, backend="llvm")
    assert g.memory([np.array([1.0, -1, 2])]).fresh >= 16


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_other_backends_estimate(backend):
    x = T.dmatrix("x")
    f = sg.function([x], T.dot(T.tanh(T.dot(x, x) + 1), x) * 2, backend=backend)
    need = f.memory([(50, 50)])
    assert need.total >= 2 * 50 * 50 * 8
    with pytest.raises(AttributeError, match="no machine code, it was compiled for"):
        print(f.ir)
    assert not hasattr(f, "asm")


# -- code and steps


def test_code_can_be_read():
    f = logistic_function
    assert "define i64 @run(" in f.ir
    assert "run:" in f.asm


def test_the_report_tells_what_each_step_does():
    f = logistic_function
    text = str(f.report)
    for word in ("distinct kernels", "ir ", "object ", "link ", "product", "kernel", "flops",
                 "vectors of", "memory kept between calls", "test_account.py:"):
        assert word in text, text
    steps = f.report.account.steps
    products = [s for s in steps if s.kind == "product"]
    n = {d: 20 for d in f.plan.inputs[0].type.shape if isinstance(d, Dim)}
    lengths = {d: 30 if k else 20 for k, d in enumerate(f.plan.inputs[0].type.shape)}
    assert n and len(products) == 2
    d = [d for d in products[0].flops for d in d if d not in lengths]
    assert products[0].flops.value({**lengths, **dict.fromkeys(d, 10)}) == 2 * 20 * 30 * 10


def test_work_of_a_kernel():
    a = T.fmatrix("a")
    f = sg.function([a], (a * 2 + 1).sum(axis=1), backend="llvm")
    (step,) = f.report.account.steps
    assert str(step.flops) == "3*d0*d1" and str(step.read) == "4*d0*d1"
    assert str(step.written) == "4*d0"
    assert step.loops == "i<d0(j<d1)" and "x float" in step.vector


def test_equal_kernels_are_counted_once():
    x, y = T.dvector("x"), T.dvector("y")
    f = sg.function([x, y], [x * 2 + 1, y * 2 + 1], backend="llvm", passes="-fuse")
    account = f.report.account
    assert sum(s.kind == "kernel" for s in account.steps) == 4 and account.bodies == 2


def test_python_steps_say_why():
    x, c = T.dvector("x"), T.zvector("c")
    f = sg.function([x, c], [T.cumsum(x), T.exp(c * c)], backend="llvm")
    python = f.report.account.python
    assert any("cumsum has no native form" in why for why in python.values())
    assert any("exp of complex128" in why for why in python.values())
    assert "runs in Python" in str(f.report)


def test_terms():
    n = Dim("n")
    t = Terms.of(3, (n, 4)) + Terms.of(2, (n, n)) + Terms.of(5)
    assert str(t) == "2*n*n + 12*n + 5" and t.value({n: 10}) == 325
    assert str(Terms()) == "0" and str(Terms.of(2, (0, n))) == "0"
