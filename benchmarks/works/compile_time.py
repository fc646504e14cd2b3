"""How long compiling takes: import, first result of a small model, a node of a large one."""
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from report import Row
from timing import CLOCKS, Spread

import symgrad as sg
from works import graphs

SCRIPT = Path(__file__).with_name("first_result.py")
SIZES = (1_000, 10_000, 50_000)
DOUBLED = (2_500, 5_000, 10_000, 20_000)
STAGES = ("graph and gradient", "function", "first call")
REPEATS = {1_000: 5, 10_000: 2, 50_000: 1}


@cache
def fresh_runs(clock: str, model: str = "logistic", cold: bool = False, runs: int = 9) -> list:
    """The stages of `first_result.py` in processes of their own.

    Modules come from bytecode, as those of an installed package do: a first process, which is left
    out, writes it to a folder of its own.  Compiled code comes from the process before, unless
    `cold`.
    """
    command = [sys.executable, str(SCRIPT), clock, model]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        environment["PYTHONPYCACHEPREFIX"] = folder
        texts = []
        for k in range(runs + 1):
            environment["SYMGRAD_CACHE_DIR"] = os.path.join(folder, f"code{k * cold}")
            texts.append(subprocess.run(command, check=True, capture_output=True, text=True,
                                        env=environment).stdout)
    return [json.loads(text) for text in texts[1:]]


@dataclass(frozen=True)
class Fresh:
    """A sum of stages of a fresh process, in milliseconds."""

    name: str
    title: str
    stages: tuple[str, ...]
    at_most: float | None
    model: str = "logistic"
    cold: bool = False

    def measure(self, seconds: float, clock: str) -> Iterator[Row]:
        runs = fresh_runs(clock, self.model, self.cold)
        sums = [1e3 * sum(run[s] for s in self.stages) for run in runs]
        yield Row(self.name, "ms", Spread.of(sums), at_most=self.at_most)


@dataclass(frozen=True)
class Growth:
    """Microseconds a node, from the expression to the first result, for graphs of growing size."""

    name: str
    title: str
    graph: str
    at_most: float = 100.0
    growth: float = 2.0            # time a node at the largest size over that at the middle one

    def measure(self, seconds: float, clock: str) -> Iterator[Row]:
        medians = []
        for size in SIZES:
            units = graphs.units_for(self.graph, size)
            runs = [stages(self.graph, units, clock) for _ in range(REPEATS[size])]
            nodes = runs[0][0]
            per_node = [[1e6 * s / nodes for s in run[1:]] for run in runs]
            whole = Spread.of([sum(p) for p in per_node])
            medians.append(whole.median)
            parts = (Spread.of(p).median for p in zip(*per_node, strict=True))
            text = ", ".join(f"{name} {part:.1f}" for name, part in zip(STAGES, parts, strict=True))
            yield Row(f"{self.name}-{size // 1000}k", "us", whole, at_most=self.at_most,
                      note=f"{nodes:,} nodes: {text}")
        grown = medians[-1] / medians[-2]
        yield Row(f"{self.name}-growth", "x", Spread(grown, grown, grown), at_most=self.growth,
                  note="a node at 50 k over a node at 10 k")


@dataclass(frozen=True)
class Doubling:
    """How much longer `function` takes for twice the nodes, up to 20,000."""

    name: str
    title: str
    graph: str
    at_most: float = 2.3

    def measure(self, seconds: float, clock: str) -> Iterator[Row]:
        best = {}
        for size in DOUBLED:
            units = graphs.units_for(self.graph, size)
            best[size] = min(stages(self.graph, units, clock)[2] for _ in range(3))
        for size, twice in zip(DOUBLED, DOUBLED[1:], strict=False):
            ratio = best[twice] / best[size]
            yield Row(f"{self.name}-{twice // 1000}k", "x", Spread(ratio, ratio, ratio),
                      at_most=self.at_most, note=f"{1e3 * best[size]:.0f} ms and "
                      f"{1e3 * best[twice]:.0f} ms")


def stages(graph: str, units: int, clock: str) -> tuple[int, float, float, float]:
    """Nodes, and the seconds of each of `STAGES`."""
    now = CLOCKS[clock]
    gc.collect()
    marks = [now()]
    inputs, results, arguments = graphs.MAKERS[graph](units)
    marks.append(now())
    nodes = graphs.count(results)
    counted = now() - marks[-1]
    function = sg.function(inputs, results)
    marks.append(now() - counted)
    function(*arguments)
    marks.append(now() - counted)
    seconds = [(b - a) * 1e-9 for a, b in zip(marks, marks[1:], strict=False)]
    return nodes, *seconds


WORKS = (
    Fresh("import", "import symgrad and its tensor module, NumPy's import not counted",
          ("symgrad",), 120.0),
    Fresh("logistic-first", "from sg.function( to the first result of the logistic training call",
          ("first",), 60.0),
    Fresh("logistic-again", "the same a second time in the process", ("again",), None),
    Fresh("logistic-all", "the same with both imports, the expression and its gradient",
          ("numpy", "symgrad", "graph", "first"), None),
    Fresh("logistic-cold", "expression, gradient, function, first result; no compiled code kept",
          ("graph", "first"), 100.0, cold=True),
    Fresh("logistic-warm", "the same when an earlier process has compiled it",
          ("graph", "first"), 20.0),
    Fresh("layers-cold", "the same for 200 layers of 32, cold", ("graph", "first"), 500.0,
          "layers", True),
    Fresh("layers-warm", "the same, warm", ("graph", "first"), 500.0, "layers"),
    Growth("deep", "a deep elementwise chain, microseconds a node", "deep"),
    Growth("wide", "a wide tree, microseconds a node", "wide"),
    Growth("layers", "a deep perceptron, microseconds a node", "layers"),
    Doubling("layers-twice", "a perceptron with twice the layers, times as long", "layers"),
    Doubling("deep-twice", "a chain twice as long, times as long to compile", "deep"),
)
