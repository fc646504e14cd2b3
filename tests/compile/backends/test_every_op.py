"""Every op and every rule on every backend: values are those of the interpreter, errors too.

All graphs of an op, for every dtype, are one function: what is the same code is compiled once.  The
python backend, which takes its time, does only some of it here (test_python.py has more).
"""

from functools import lru_cache

import numpy as np
import pytest
from helpers import BACKENDS, OPS, built, cases, reproducing, sampled
from test_rules import RULES, arrays, evaluate, firings, plain, special

from symgrad.compile import plan
from symgrad.compile.backends import find
from symgrad.compile.passes import REWRITES, apply, select
from symgrad.compile.pattern import exact
from symgrad.compile.pool import absorb
from symgrad.errors import SymgradError
from symgrad.interpret import run
from symgrad.node import INPUT, toposort

SAMPLED = [op for op in OPS.values() if sampled(op) and op.kind != "composite"]
DTYPES = ("float64", "float32", "float16", "int8", "int64", "uint8", "bool", "complex128")
SHAPES = [(2, 17), (0, 2), (3, 4), (1, 5), (35,), ()]
ULP = {"float16": 4e-3, "float32": 2e-6, "complex64": 2e-6}


def general(inputs, outputs):
    """A plan that takes no lengths for equal that need not be."""
    pool, nodes = absorb(outputs, False)
    return plan.build(pool, inputs, nodes, ())


@pytest.fixture(scope="module")
def graphs():
    """``graphs(op)``: what `made` says, made once."""
    return lru_cache(None)(made)


def made(op):
    """{type and attributes: [inputs, output, cases]}: all graphs of an op, each once; and the cases
    that fail, one by one."""
    found, bad = {}, []
    for dtype in DTYPES:  # all forms in doubles; of the others, what vectors make of them
        shapes = [(3, 4)] if op.samples else SHAPES if dtype == "float64" else SHAPES[:3]
        for shape in shapes:
            for case in cases(op, dtype, shape):
                for known in (False, True) if dtype == "float64" and len(shape) == 2 else (False,):
                    graph = built(case, known)
                    if graph is None:
                        continue
                    inputs, out = graph
                    key = *(i.type for i in inputs), str(case.attrs)
                    try:
                        want, = run([out], dict(zip(inputs, case.arrays, strict=True)))
                    except (SymgradError, ValueError):
                        bad.append((inputs, out, case))
                        continue
                    found.setdefault(key, (inputs, out, []))[2].append((case, want))
    return list(found.values()), bad


def apart(a):
    """The same values in memory that is full of gaps, from the last axis but one backwards."""
    buffer = np.full([2 * n + 3 for n in a.shape[:-1]] + [n + 3 for n in a.shape[-1:]], 99).astype(
        a.dtype)
    view = buffer[(..., *[slice(2 * n, 0, -2) for n in a.shape[:-1]],
                   *[slice(1, n + 1) for n in a.shape[-1:]])]
    view[...] = a
    return view


@pytest.mark.parametrize("backend", BACKENDS[:-1])
@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_an_op_computes_its_numpy_meaning(op, backend, graphs):
    found, _ = graphs(op)
    program = find(backend).compile(general([i for inputs, _, _ in found for i in inputs],
                                   [out for _, out, _ in found]))
    for k in range(max([len(runs) for _, _, runs in found])):
        now = [runs[min(k, len(runs) - 1)] for _, _, runs in found]
        for layout in (np.asarray, apart):
            arrays = [layout(a) for case, _ in now for a in case.arrays]
            before = [a.copy() for a in arrays]
            outputs, _ = program.run(*arrays)
            for (case, want), got in zip(now, outputs, strict=True):
                with reproducing(case):
                    assert got.dtype == want.dtype and got.shape == want.shape
                    close = ULP.get(want.dtype.name, 1e-12)
                    np.testing.assert_allclose(got, want, rtol=close, atol=close)
            for a, b in zip(arrays, before, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_an_op_fails_as_its_numpy_meaning(op, backend, graphs):
    for inputs, out, case in graphs(op)[1][:6]:
        program = find(backend).compile(general(inputs, [out]))
        with reproducing(case), pytest.raises((SymgradError, ValueError)) as error:
            program.run(*case.arrays)
        # a NumPy program's own errors are explained by the function that runs it
        assert backend == "numpy" or str(error.value).startswith(f"{op.name}:")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", RULES)
def test_both_sides_of_a_rule_are_computed(name, backend):
    nodes = [n for pair in firings(RULES[name]) for n in pair]
    drawn = [arrays(nodes, draw) for draw in (plain(0), special(1))]
    nodes = [n for n in nodes  # those whose lengths fit
             if all([type(evaluate([n], values)) is list for values in drawn])]
    inputs = [n for n in toposort(nodes) if n.op is INPUT]
    selection = select("none +fuse")
    pool, wanted = absorb(nodes, False)
    wanted = apply(REWRITES, wanted, pool, selection)
    pool, wanted = absorb(wanted, False, prior=pool)
    program = find(backend).compile(plan.build(pool, inputs, wanted, ()), selection)
    # what is inexact may overflow earlier
    hard = RULES[name].kind is exact and backend != "python"
    for values in drawn if hard else drawn[:1]:
        outputs, _ = program.run(*[values[i] for i in inputs])
        for got, n in zip(outputs, nodes, strict=True):
            want, = run([n], values)
            close = ULP.get(want.dtype.name, 1e-12)
            np.testing.assert_allclose(got, want, rtol=close, atol=close)
