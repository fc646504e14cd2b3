"""Kernels as plain loops: every op, odd shapes, lengths, errors."""

import numpy as np
import pytest
from helpers import OPS, built, cases, reproducing, sampled

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile import plan
from symgrad.compile.backends import BACKENDS, find, python
from symgrad.compile.pool import absorb
from symgrad.errors import IndexingError, ShapeError, UnknownName
from symgrad.interpret import run

SAMPLED = [op for op in OPS.values() if sampled(op) and op.kind != "composite"]
TOLERANCE = {"float16": 4e-3, "float32": 2e-6, "complex64": 2e-6}


def same(got, want):
    assert got.dtype == want.dtype and got.shape == want.shape
    tolerance = TOLERANCE.get(want.dtype.name, 1e-12)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def general(inputs, outputs):
    """A plan that takes no lengths for equal that need not be."""
    pool, nodes = absorb(outputs, False)
    return plan.build(pool, inputs, nodes, ())


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool"])
@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_an_op_as_loops_is_its_numpy_meaning(op, dtype):
    for shape in ((3, 4), (0, 2), (1, 5)) if not op.samples else ((3, 4),):
        for case in cases(op, dtype, shape):
            for known in (True, False):
                made = built(case, known)
                if made is None:
                    continue
                inputs, output = made
                with reproducing(case):
                    try:
                        want, = run([output], dict(zip(inputs, case.arrays, strict=True)))
                    except ShapeError:  # the largest of nothing
                        continue
                    program = python.compile(general(inputs, [output]))
                    (got,), _ = program.run(*case.arrays)
                    same(got, want)


def test_arrays_of_any_layout(planned):
    x, v = T.matrix("x"), T.vector("v")
    outputs = [T.exp(x).sum(axis=0) + v, x.T * 2, T.softmax(x, axis=1)]
    program = python.compile(planned([x, v], outputs))
    rng = np.random.default_rng(0)
    for a in (rng.normal(size=(6, 8))[::2, ::-2], rng.normal(size=(4, 3)).T, np.zeros((1, 4)),
              np.broadcast_to(rng.normal(size=4), (5, 4)), np.zeros((0, 4))):
        b = np.arange(8.0)[::2]
        for got, want in zip(program.run(a, b)[0], run(outputs, {x: a, v: b}), strict=True):
            same(got, want)


def test_results_are_the_callers_own(planned):
    x = T.matrix("x")
    program = python.compile(planned([x], [x, x.T, x, T.as_tensor_variable(np.ones(2))]))
    a = np.eye(2)
    outputs, _ = program.run(a)
    for out in outputs:
        out[...] = 7
    assert a.tolist() == [[1, 0], [0, 1]] and program.run(a)[0][3].tolist() == [1, 1]


def test_lengths_that_differ(planned):
    x, y = T.vector("x"), T.vector("y")
    program = python.compile(planned([x, y], [x * y]))
    assert program.run(np.ones(2), np.ones(2))[0][0].tolist() == [1, 1]
    with pytest.raises(ShapeError, match="mul: lengths differ"):
        program.run(np.ones(2), np.ones(3))


def test_lengths_that_usually_agree_are_left_to_the_general_program(planned):
    x, y = T.matrix("x"), T.lvector("y")
    output = x[T.arange(y.shape[0]), y]
    program = python.compile(planned([x, y], [output]))
    with pytest.raises(plan.Unexpected):
        program.run(np.ones((3, 2)), np.array([1, 0]))
    program = python.compile(general([x, y], [output]))
    assert program.run(np.eye(3, 2), np.array([0, 0]))[0][0].tolist() == [1, 0]
    with pytest.raises(IndexingError):
        program.run(np.ones((1, 2)), np.array([0, 0]))


def test_an_index_out_of_range_names_the_op_and_the_line(planned):
    x, y = T.matrix("x"), T.lvector("y")
    program = python.compile(planned([x, y], [T.exp(x)[:, y]]))
    with pytest.raises(IndexingError, match="gather: index 5 .* length 2") as error:
        program.run(np.ones((3, 2)), np.array([0, 5]))
    assert "test_python.py" in str(error.value) and "[:, y]" in str(error.value)


def test_a_failing_call_names_the_op_and_the_line(planned):
    x = T.matrix("x")
    program = python.compile(planned([x], [T.exp(x).reshape((2, 3))]))
    with pytest.raises(ShapeError, match=r"(?s)reshape: .*test_python\.py"):
        program.run(np.ones((2, 2)))


def test_the_source_is_there_to_read(planned):
    x = T.matrix("x")
    source = python.compile(planned([x], [T.exp(x).sum()])).source
    assert "for i in range(d0):" in source and "exp(x[i,j])" in source


def test_a_function_runs_on_it():
    x, w = T.matrix("x"), sg.shared(np.ones((2, 3)), "w")
    cost = T.sqr(T.dot(x, w)).sum()
    step = sg.function([x], cost, updates=[(w, w - 0.1 * sg.grad(cost, w))], backend="python")
    a = np.eye(2)
    assert step(a) == 6 and np.allclose(w.get_value(), 0.8) and np.isclose(step(a), 6 * 0.64)


def test_backends_by_name():
    assert find("python") is python and find("auto").name in BACKENDS
    for name in BACKENDS:
        assert find(name).name == name
    with pytest.raises(UnknownName, match="did you mean python"):
        find("pyton")


def test_nothing_is_missing(planned):
    x = T.matrix("x")
    assert python.missing(planned([x], [T.exp(x)])) == []
