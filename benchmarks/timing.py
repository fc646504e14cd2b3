"""Timing that can be trusted on a busy machine: one core, one thread, interleaved rounds, medians.

Only the standard library is imported here, so that `one_core` can be called before NumPy is: its
BLAS reads the number of threads once, when it is loaded.
"""
import gc
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS",
                    "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# Clocks by name.  The processor's own time leaves out the slices given to other programs; with one
# thread on one core it is what a wall clock would show on a machine of our own.
CLOCKS = {"cpu": time.process_time_ns, "wall": time.perf_counter_ns}


def one_core(core: int | None = None) -> int | None:
    """Keep this process and its children on one core, with one BLAS thread.

    `core` None takes the highest core this process may use (the lowest serves most interrupts).
    Returns the core, or None where the system cannot pin (macOS, Windows).
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {core})
    return core


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values) -> "Spread":
        values = sorted(values)
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(low, median, high)

    def scaled(self, factor: float) -> "Spread":
        return Spread(self.low * factor, self.median * factor, self.high * factor)


def interleave(sides: dict[str, Callable], *, calls: int, seconds: float, clock: str = "cpu",
               rounds: int = 7, least_ms: float = 5.0) -> dict[str, list[float]]:
    """Seconds a call of each side, one figure a round, the sides taking turns within each round.

    A side is a function of no arguments that makes `calls` calls.  It is repeated within a round
    until the round lasts `least_ms`, so that the clock's own step does not show.  At least `rounds`
    rounds are run, more while `seconds` last.  Each round starts with another side, since what runs
    second may find its memory warmer.  The garbage collector rests meanwhile.
    """
    now = CLOCKS[clock]
    repeats = {name: _repeats(side, now, least_ms) for name, side in sides.items()}
    figures: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    gc.collect()
    resting = gc.isenabled()
    gc.disable()
    try:
        end = time.perf_counter() + seconds
        done = 0
        while done < rounds or time.perf_counter() < end:
            for name in order:
                side, times = sides[name], repeats[name]
                start = now()
                for _ in range(times):
                    side()
                figures[name].append((now() - start) * 1e-9 / (times * calls))
            order.append(order.pop(0))
            done += 1
    finally:
        if resting:
            gc.enable()
    return figures


def _repeats(side: Callable, now: Callable, least_ms: float) -> int:
    """How often to repeat a side for a round of `least_ms`; its runs also warm caches up."""
    side()
    start = now()
    side()
    once = max(now() - start, 1000)
    return max(1, round(least_ms * 1e6 / once))


def ratios(measured: list[float], reference: list[float]) -> Spread:
    """The ratio of two sides, round by round, so that slow spells of the machine cancel."""
    return Spread.of([a / b for a, b in zip(measured, reference, strict=True)])
