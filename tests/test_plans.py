"""Plans of random programs are what they were: steps, what is computed together, bytes.

Values say nothing about work that is done twice, or memory that is kept too long.  The table
tests/data/plans.txt has each program's steps, as the ops of each (k a kernel, c a call of a
library), the buffers and bytes of a NumPy program; `python tests/test_plans.py` writes it anew, and
its diff says which decisions have changed.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from loops_drawn import program
from test_random_graphs import graph

import symgrad as sg
from symgrad.compile.need import Need
from symgrad.errors import ShapeError

TABLE = Path(__file__).parent / "data" / "plans.txt"
PROGRAMS = {"graph": (graph, range(40)), "loop": (program, range(100))}


def steps(plan):
    """The steps of a plan in words; those of bodies in brackets."""
    words = []
    for s in plan.steps:
        body = Counter([n.op.name for n in s.body])
        ops = ",".join([op if k == 1 else f"{k}{op}" for op, k in body.items()])
        inner = "".join([f"[{steps(p)}]" for n in s.body for p in plan.inner.get(n, ())])
        words.append(f"{s.kind[0]}:{ops}{inner}")
    return " ".join(words)


def line(kind, seed):
    inputs, outputs, arrays, *_ = PROGRAMS[kind][0](seed)
    f = sg.function(inputs, outputs, backend="numpy", on_unused_input="ignore")
    memory = f.code.memory
    try:
        need = f.memory(arrays)
    except ShapeError:  # its steps want more rows than there are
        need = Need(0, 0)
    return (f"{len(memory.slots)} slots, {len(memory.late)} late, {need.arena}+{need.fresh} bytes, "
            f"{sum(f.report.fired.values())} firings: {steps(f.plan)}")


def table():
    return dict([row.partition(" = ")[::2] for row in TABLE.read_text().splitlines()])


@pytest.mark.parametrize("kind,seed", [(k, seed) for k, (_, seeds) in PROGRAMS.items()
                                       for seed in seeds])
def test_the_plan_is_what_it_was(kind, seed):
    assert table()[f"{kind} {seed}"] == line(kind, seed), (
        "if it is meant, run python tests/test_plans.py")


if __name__ == "__main__":
    TABLE.write_text("\n".join([f"{kind} {seed} = {line(kind, seed)}" for kind in PROGRAMS
                                for seed in PROGRAMS[kind][1]]) + "\n")
