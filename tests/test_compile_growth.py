"""Twice the layers cost at most 2.3 times the compilation.

Work is counted, not timed: calls of functions, as Python's profiler sees them, and firings of
rules.  Both are the same in every run.  (`python benchmarks/run.py compile` has the times.)
"""

import runpy
from pathlib import Path

import pytest
from helpers import calls

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile import function
from symgrad.compile.passes import firings
from symgrad.node import toposort

GRAPHS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "works" / "graphs.py"))
MOST = 2.3


def steps(units):
    """A loop with a long step, and its gradient."""
    x = T.dmatrix("x")

    def step(a, h):
        for k in range(units):
            h = T.tanh(h * a + float(k % 7))
        return h

    rows, _ = sg.scan(step, sequences=x, outputs_info=[x[0]])
    cost = T.sum(rows[-1])
    return [x], [cost, sg.grad(cost, x)], None


def loops(units):
    """Many loops, one after another."""
    h = x = T.dmatrix("x")
    for k in range(units):
        h, _ = sg.scan(lambda a, s, k=k: T.tanh(s + a * float(k + 2)), sequences=h,
                       outputs_info=[h[0]])
    return [x], T.sum(h), None


MAKERS = {**GRAPHS["MAKERS"], "steps": steps, "loops": loops}
UNITS = {"deep": 60, "wide": 40, "layers": 15, "steps": 20, "loops": 4}


def work(kind, units, backend="numpy"):
    """(calls, firings) of a compilation."""
    inputs, results, _ = MAKERS[kind](units)
    with firings() as fired, sg.options(cache="off"):
        made = calls(lambda: sg.function(inputs, results, backend=backend))
    return made, sum(fired.values())


def check(kind, units, backend="numpy"):
    work(kind, units, backend)  # matchers of rules are made when they are first needed
    calls, fired = work(kind, units, backend)
    more_calls, more_fired = work(kind, 2 * units, backend)
    assert more_calls <= MOST * calls, f"{kind}: {calls:,} calls, {more_calls:,} for twice as much"
    assert more_fired <= MOST * fired + 4, f"{kind}: {fired:,} firings, then {more_fired:,}"


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("kind", MAKERS)
def test_twice_the_layers_are_twice_the_work(kind, backend):
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    check(kind, UNITS[kind], backend)


@pytest.mark.slow
@pytest.mark.parametrize("kind", GRAPHS["MAKERS"])
def test_twice_the_layers_are_twice_the_work_up_to_twenty_thousand_nodes(kind):
    check(kind, GRAPHS["units_for"](kind, 10_000))


def test_work_that_is_quadratic_is_seen(monkeypatch):
    """What this file counts does grow if a pass looks at all that is below each node."""
    plain = function.build

    def slow(pool, inputs, outputs, *rest):
        for n in toposort(outputs):
            for m in toposort([n]):
                len(m.inputs)
        return plain(pool, inputs, outputs, *rest)

    monkeypatch.setattr(function, "build", slow)
    with pytest.raises(AssertionError, match="calls"):
        check("deep", UNITS["deep"])
