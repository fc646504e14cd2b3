"""Plans of random programs are what they were: steps, what is computed together, bytes.

Values say nothing about work that is done twice, or memory that is kept too long.  The table
tests/data/plans.txt has each program's steps, as the ops of each (k a kernel, c a call of a
library), the buffers and bytes of a NumPy program, and where each value lives, in the order in
which they are computed; of some, the pieces of a native program and where what they store lives.
`python tests/test_plans.py` writes it anew, and its diff says which decisions have changed.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from loops_drawn import program
from test_random_graphs import graph
from updates_drawn import Drawn

import symgrad as sg
import symgrad.tensor as T
from symgrad.interpret import run
from symgrad.ops.draft import Draft, Rows

TABLE = Path(__file__).parent / "data" / "plans.txt"
READS = [  # of h, whose first row is how the state began
    "h[-1]", "h[1:]", "h", "h[:-1]", "h[0]", "h[1]", "h[-2]", "h[-2:]", "h[-1:]", "h[::-1]",
    "h[::-1][0]", "h[1:][::-1]", "h[1:][-1]", "h[-1, 1:]", "h[-1][::-1]", "h[-1] + h[1:].sum(0)",
    "h[-1] * h[-2]", "h[T.shape(h)[0] - 1]", "h[1:].sum(0)", "h[1:].max(0)", "h[2:]", "h[1:-1]",
    "h[-1].sum() + h[0]", "T.dot(h[1:], W)", "T.dot(h[-1], W)", "h[-X.shape[0]:] * X", "h[1::2]",
    "T.set_subtensor(h[0], 1.0)", "T.inc_subtensor(h[-1], 1.0)", "h[J]",
]
STEPS = ["T.tanh(T.dot(a, W) + x)", "a * 0.5 + x", "T.tanh(a) * b + x * W[0]"]


def read(seed):
    """A loop whose rows are read in one of many ways, with gradients or without."""
    text, step = READS[seed % len(READS)], STEPS[seed // (2 * len(READS))]
    X, W, J = T.dmatrix("X"), T.dmatrix("W"), T.lscalar("J")
    x, a, b, w = T.dvector("x"), T.dvector("a"), T.dvector("b"), T.dmatrix("w")
    two = "b" in step
    new = eval(step, {"T": T, "W": w, "x": x, "a": a, "b": b})
    init = T.stack([X[0], X[1]]) if two else X[:1]
    taps, reads = ((1, 2), [a, b]) if two else ((1,), [a])
    h = Draft(X.shape[0], {x: X}, [Rows(reads, taps, init, new)], {w: W}).build()[0]
    value = eval(text, {"T": T, "h": h, "X": X, "W": W, "J": J})
    cost = T.tanh(value).sum()
    arrays = [np.arange(12.0).reshape(4, 3) / 12, np.arange(9.0).reshape(3, 3) / 9, np.int64(2)]
    return [X, W, J], [value, *(sg.grad(cost, [X, W]) if seed // len(READS) % 2 else [])], arrays


def updated(seed):
    """Random updates of matrices, vectors and columns, in place where they can be."""
    drawn = Drawn(seed)
    outputs = [drawn.pick(kind) for kind in (drawn.matrices, drawn.vectors, drawn.scalars)]
    arrays = [drawn.numbers(drawn.n, drawn.m), drawn.numbers(drawn.m), drawn.numbers(drawn.n),
              np.asarray(0.3, drawn.dtype), 0]
    return drawn.inputs, outputs, arrays, list(drawn.updates())


# Seeds beyond the first ones are at where no other test makes a difference to some decision.
PROGRAMS = {"graph": (graph, [*range(40), 131, 233, 396]),
            "loop": (program, [*range(60), 61, 62, 74, 83, 106, 126, 137, 149, 213, 278, 301, 316,
                               481]),
            "read": (read, [k for k in range(2 * len(READS) * len(STEPS)) if k % 2 or k < 60]),
            "update": (updated, range(40))}


def carried(loop):
    """What goes into the steps of a loop and what is kept: sequences, the taps of each state, fixed
    operands, mapped values; a + where all rows are."""
    if loop.op.kind != "loop":
        return ""
    b = loop.attrs[0]
    states = " ".join(["".join(map(str, s.taps)) + "+" * s.keep for s in b.states])
    maps = "".join(["m" + "+" * m for m in b.maps])
    return f"{b.seqs}s ({states}) {b.fixed}f {maps}{' until' * b.until}{' back' * b.reverse}: "


def steps(plan):
    """The steps of a plan in words; those of bodies in brackets."""
    words = []
    for s in plan.steps:
        body = Counter([n.op.name for n in s.body])
        ops = ",".join([op if k == 1 else f"{k}{op}" for op, k in body.items()])
        inner = "".join([f"[{carried(n)}{steps(p)}]" for n in s.body
                         for p in plan.inner.get(n, ())])
        words.append(f"{s.kind[0]}:{ops}{inner}")
    return " ".join(words)


HOMES = {"fresh": "f", "leaf": "=", "made": "m", "view": "v", "scalar": "."}


def homes(order, known):
    """Where values live, in the order in which they are computed: a slot's number, or a letter."""
    words = [str(known[n].what.number) if known[n].kind == "slot" else HOMES[known[n].kind]
             for n in order if n in known]
    return " ".join(words)


def line(kind, seed):
    inputs, outputs, arrays, *more = PROGRAMS[kind][0](seed)
    f = sg.function(inputs, outputs, updates=more[0] if kind == "update" else (),
                    backend="numpy", on_unused_input="ignore")
    memory = f.code.memory
    need = f.memory(arrays)
    return (f"{len(memory.slots)} slots, {len(memory.late)} late, {need.arena}+{need.fresh} bytes, "
            f"{sum(f.report.fired.values())} firings: {steps(f.plan)}; "
            f"{homes(memory.order, memory.homes)}")


NATIVE = [(kind, seed) for kind in ("graph", "loop", "update") for seed in range(25)]


def native_line(kind, seed):
    """The pieces of a native program with the homes of what they store and, behind a colon, of
    their own buffers; the slots."""
    inputs, outputs, _, *more = PROGRAMS[kind][0](seed)
    f = sg.function(inputs, outputs, updates=more[0] if kind == "update" else (),
                    backend="llvm", on_unused_input="ignore")
    arena, words = f.code.arena, []
    for p, own in zip(f.code.driver.pieces, arena.buffers, strict=True):
        buffers = ":" + " ".join([str(s.number) for s in own]) if own else ""
        words.append(f"{p.kind}({homes(p.step.outputs, arena.homes)}{buffers})")
    names = {}
    sizes = [s.dtype + "x".join(["", *[str(d) if isinstance(d, int) else names.setdefault(
        d, f"n{len(names)}") for d in s.shape]]) for s in arena.slots]
    return f"{' '.join(words)}; {' '.join(sizes)}"


@cache
def table():
    return dict([row.partition(" = ")[::2] for row in TABLE.read_text().splitlines()])


@pytest.mark.parametrize("kind,seed", [(k, seed) for k, (_, seeds) in PROGRAMS.items()
                                       for seed in seeds])
def test_the_plan_is_what_it_was(kind, seed):
    assert table()[f"{kind} {seed}"] == line(kind, seed), (
        "if it is meant, run python tests/test_plans.py")


@pytest.mark.parametrize("kind,seed", NATIVE)
def test_what_is_stored_lives_where_it_did(kind, seed):
    pytest.importorskip("llvmlite")
    assert table()[f"native {kind} {seed}"] == native_line(kind, seed), (
        "if it is meant, run python tests/test_plans.py")


@pytest.mark.parametrize("seed", PROGRAMS["read"][1])
def test_what_is_read_of_a_loop_has_its_values(seed):
    inputs, outputs, arrays = read(seed)
    f = sg.function(inputs, outputs, backend="numpy", on_unused_input="ignore")
    want = run(outputs, dict(zip(inputs, map(np.asarray, arrays), strict=True)))
    for a, b in zip(want, f(*arrays), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)


if __name__ == "__main__":
    lines = [f"{kind} {seed} = {line(kind, seed)}" for kind in PROGRAMS
             for seed in PROGRAMS[kind][1]]
    lines += [f"native {kind} {seed} = {native_line(kind, seed)}" for kind, seed in NATIVE]
    TABLE.write_text("\n".join(lines) + "\n")
