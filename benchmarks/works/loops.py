"""Scans: compile time against the number of steps, a trivial step, memory with checkpoints.

Beside JAX and the others there are the works `lstm`, `recurrence` and `steps` of `run.py peers`.
"""
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from report import Row
from side_by_side import Disagreement
from timing import CLOCKS, Spread, interleave

import symgrad as sg
import symgrad.tensor as T

STEPS = 10_000                  # of a loop whose steps are timed
INNER = 100                     # of them in each step of a nested loop's outer one
LENGTHS = (10, 1_000, 100_000)  # numbers of steps that are compiled for
HERE = Path(__file__).resolve().parent.parent     # benchmarks/


@dataclass(frozen=True)
class Compiling:
    """Milliseconds from the expression of a loop and its gradient to the compiled function.

    Each time is that of the expression, `sg.function` and the first call, less a later call's;
    nothing is read from a disk cache.
    """

    name: str
    title: str
    growth: float               # time for the most steps over that for a hundred times fewer
    runs: int = 7

    def measure(self, seconds: float, clock: str) -> Iterator[Row]:
        with sg.options(cache=False):
            compiled(LENGTHS[0], clock)         # the first one of a process does more
            times = [[compiled(n, clock) for n in LENGTHS] for _ in range(self.runs)]
        columns = list(zip(*times, strict=True))
        for n, column in zip(LENGTHS, columns, strict=True):
            yield Row(f"{self.name}-{n}", "ms", Spread.of(column).scaled(1e3))
        grown = Spread.of([row[-1] / row[-2] for row in times])
        yield Row(f"{self.name}-growth", "x", grown, at_most=self.growth,
                  note=f"{LENGTHS[-1]:,} steps over {LENGTHS[-2]:,}")


def compiled(steps: int, clock: str) -> float:
    """Seconds for h = tanh(A h + b), its last state's squares and their gradients."""
    now = CLOCKS[clock]
    gc.collect()
    begin = now()
    A, b, start = T.dmatrix("A"), T.dvector("b"), T.dvector("start")
    states, _ = sg.scan(lambda h, A, b: T.tanh(T.dot(A, h) + b), outputs_info=start,
                        non_sequences=[A, b], n_steps=steps)
    cost = T.sum(states[-1]**2)
    function = sg.function([A, b, start], [cost, *sg.grad(cost, [A, b, start])])
    arguments = 0.5 * np.eye(3), np.full(3, 0.1), np.ones(3)
    function(*arguments)
    marks = [now()]
    for _ in range(3):
        function(*arguments)
        marks.append(now())
    call = median(b - a for a, b in zip(marks, marks[1:], strict=False))
    return (marks[0] - begin - call) * 1e-9


@dataclass(frozen=True)
class Steps:
    """Nanoseconds a step of a loop, beside the same loop in Python, over NumPy's arrays where
    there are arrays.

    Both sides take the same arguments and must agree; `at_most` bounds symgrad's figure.
    """

    name: str
    title: str
    arguments: Callable[[], tuple]
    by_hand: Callable
    symgrad: Callable[[], Callable]
    at_most: float | None = None

    def begin(self) -> tuple[Callable, tuple]:
        """The compiled function and its arguments; raises Disagreement when the sides differ."""
        arguments, ours = self.arguments(), self.symgrad()
        hand, mine = self.by_hand(*arguments), ours(*arguments)
        if not np.allclose(hand, mine, rtol=1e-9, atol=0):
            raise Disagreement(f"{self.name}: by hand {hand}, symgrad {mine}")
        return ours, arguments

    def measure(self, seconds: float, clock: str) -> Iterator[Row]:
        ours, arguments = self.begin()
        sides = {"hand": lambda: self.by_hand(*arguments), "symgrad": lambda: ours(*arguments)}
        times = interleave(sides, calls=STEPS, seconds=seconds, clock=clock)
        hand, ours = (Spread.of(times[side]).scaled(1e9) for side in ("hand", "symgrad"))
        yield Row(self.name, "ns", ours, hand, at_most=self.at_most,
                  note=f"{hand.median / ours.median:,.0f} times as fast")


def last(step, start, **more):
    """The last value of a state."""
    values, _ = sg.scan(step, outputs_info=start, **{"n_steps": STEPS, **more})
    return values[-1]


def number():
    x, a, b = T.dscalars("x", "a", "b")
    return sg.function([x, a, b], last(lambda x, a, b: a * x + b, x, non_sequences=[a, b]))


def number_by_hand(x, a, b):
    for _ in range(STEPS):
        x = a * x + b
    return x


def vector():
    x, a, b = T.dvectors("x", "a", "b")
    return sg.function([x, a, b], last(lambda x, a, b: a * x + b, x, non_sequences=[a, b]))


def vector_by_hand(x, a, b):
    x = x.copy()
    for _ in range(STEPS):
        np.multiply(a, x, out=x)
        np.add(x, b, out=x)
    return x


def product():
    x, A = T.dmatrices("x", "A")
    return sg.function([x, A], last(lambda x, A: T.dot(A, x), x, non_sequences=A))


def product_by_hand(x, A):
    x, y = x.copy(), np.empty_like(x)
    for _ in range(STEPS):
        np.dot(A, x, out=y)
        x, y = y, x
    return x


def sequence():
    s, x, a = T.dvector("s"), T.dscalar("x"), T.dscalar("a")
    return sg.function([s, x, a], last(lambda s, x, a: a * x + s, x, sequences=s,
                                       non_sequences=a, n_steps=None))


def sequence_by_hand(s, x, a):
    for v in s.tolist():
        x = a * x + v
    return x


def output():
    s, x, a = T.dvector("s"), T.dscalar("x"), T.dscalar("a")
    (_, seen), _ = sg.scan(lambda s, x, a: (a * x + s, s - x), sequences=s,
                           outputs_info=[x, None], non_sequences=a)
    return sg.function([s, x, a], seen)


def output_by_hand(s, x, a):
    seen = np.empty_like(s)
    for t, v in enumerate(s.tolist()):
        seen[t] = v - x
        x = a * x + v
    return seen


def until():
    x, a, least = T.dscalars("x", "a", "least")

    def step(x, a, least):
        x = a * x
        return x, sg.until(x < least)

    return sg.function([x, a, least], last(step, x, non_sequences=[a, least], n_steps=2 * STEPS))


def until_by_hand(x, a, least):
    while x >= least:
        x = a * x
    return x


def nested():
    x, a, b = T.dscalars("x", "a", "b")

    def outer(x, a, b):
        return last(lambda x, a, b: a * x + b, x, non_sequences=[a, b], n_steps=INNER)

    return sg.function([x, a, b], last(outer, x, non_sequences=[a, b], n_steps=STEPS // INNER))


def numbers():
    return 0.5, 0.999, 0.001


def tens():
    return np.linspace(0, 1, 10), np.linspace(0.9, 0.99, 10), np.linspace(0, 1, 10)


def turn():
    """A matrix that keeps lengths, so that nothing runs away."""
    return np.eye(3), np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]


def series():
    return np.random.default_rng(4).standard_normal(STEPS), 0.5, 0.99


def falling():
    """x = a * x comes below the least after STEPS steps."""
    a = 1 - 1 / STEPS
    return 1.0, a, a ** (STEPS - 0.5)


@dataclass(frozen=True)
class Memory:
    """Peak memory of a call in a fresh process, beside what `f.memory` says of it, in MB."""

    name: str
    title: str
    at_most: float

    def measure(self, seconds: float, clock: str) -> Iterator[Row]:
        done = subprocess.run([sys.executable, "-m", "works.loop_memory"], check=True,
                              capture_output=True, cwd=HERE)
        told = json.loads(done.stdout)
        used, said = told["peak"] / 1e6, told["predicted"] / 1e6
        yield Row(self.name, "MB", Spread.of([used]), Spread.of([said]), Spread.of([used / said]),
                  at_most=self.at_most, note=f"by hand: what f.memory says; all states would be "
                  f"{told['all']:,.0f} MB; {told['seconds']:.1f} s")


def trivial(name, title, arguments, by_hand, symgrad):
    return Steps(f"step-{name}", title, arguments, by_hand, symgrad, at_most=30.0)


WORKS = (
    Compiling("loop", "compiling a scan of so many steps with its gradient", growth=1.2),
    trivial("number", "x = a x + b, the last x", numbers, number_by_hand, number),
    trivial("vector", "x = a x + b of ten numbers, the last x", tens, vector_by_hand, vector),
    trivial("product", "X = A X, 3 x 3, the last X", turn, product_by_hand, product),
    trivial("sequence", "x = a x + s[t], the last x", series, sequence_by_hand, sequence),
    trivial("output", "the same, and all of s[t] - x", series, output_by_hand, output),
    trivial("until", "x = a x until x is small", falling, until_by_hand, until),
    trivial("nested", f"x = a x + b, {INNER} steps in each of {STEPS // INNER}", numbers,
            number_by_hand, nested),
    Memory("memory", "a scan of 10,000 steps with gradient, checkpoint_every=100: peak of a call",
           at_most=1.2),
)
