"""Compile time grows with the graph and no faster.

The bounds are generous, since a test machine is busy and the figures are the benchmark's business
(`python benchmarks/run.py compile`); a pass that is quadratic breaks them all the same.
"""
import gc
import runpy
import time
from pathlib import Path

import pytest

import symgrad as sg

GRAPHS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "works" / "graphs.py"))
KINDS = sorted(GRAPHS["MAKERS"])

MOST = 1e-3          # seconds a node, expression to first result
GROWTH = 3.0         # of the seconds a node, from one size to the next


def seconds_a_node(kind: str, size: int, runs: int) -> float:
    """The best of some runs: processor time for expression, gradient, function and first call."""
    units = GRAPHS["units_for"](kind, size)
    best = float("inf")
    for _ in range(runs):
        gc.collect()
        start = time.process_time()
        inputs, results, arguments = GRAPHS["MAKERS"][kind](units)
        sg.function(inputs, results)(*arguments)
        best = min(best, time.process_time() - start)
    nodes = GRAPHS["count"](results)
    assert 0.8 * size < nodes < 1.2 * size      # else the sizes are not what they are called
    return best / nodes


def check(kind: str, small: int, large: int) -> None:
    few = seconds_a_node(kind, small, runs=3)
    many = seconds_a_node(kind, large, runs=1)
    assert many < MOST, f"{kind}: {many * 1e6:.0f} us a node at {large:,}"
    assert many < GROWTH * few, (
        f"{kind}: {few * 1e6:.0f} us a node at {small:,}, {many * 1e6:.0f} us at {large:,}"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_nodes(kind):
    check(kind, 1_000, 10_000)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_fifty_thousand_nodes(kind):
    check(kind, 10_000, 50_000)


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_adds_the_same_number_of_nodes(kind):
    """The sizes above are reckoned from two small graphs."""
    sizes = [GRAPHS["count"](GRAPHS["MAKERS"][kind](units)[1]) for units in (16, 32, 48)]
    assert sizes[2] - sizes[1] == pytest.approx(sizes[1] - sizes[0], abs=4)
