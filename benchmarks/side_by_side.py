"""A work done twice, by hand in NumPy and by symgrad: the same numbers, then the same clock."""
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from report import Row
from timing import Spread, interleave, ratios


class Disagreement(AssertionError):
    """The two sides of a work gave different numbers, so their times mean nothing."""


@dataclass(frozen=True)
class Work:
    """One thing to time.

    `batches()` makes the calls' arguments, in order, the same on every run.  `by_hand()` and
    `symgrad()` each start from the same initial values and return the function to call with them.
    Timing goes round and round the batches, so parameters move on as in training.
    """

    name: str
    title: str
    batches: Callable[[], Sequence[tuple]]
    by_hand: Callable[[], Callable]
    symgrad: Callable[[], Callable]
    at_most: float | None          # of the ratio symgrad / by hand
    unit: str = "us"
    digits: int = 5                # to which results agree

    def measure(self, seconds: float, clock: str) -> Iterator[Row]:
        """Check that both sides agree, then time them.  Yields one row; raises Disagreement."""
        batches = list(self.batches())
        hand, ours = self.by_hand(), self.symgrad()
        for number, batch in enumerate(batches):
            agree(self, number, hand(*batch), ours(*batch))
        times = interleave({"hand": runner(hand, batches), "symgrad": runner(ours, batches)},
                           calls=len(batches), seconds=seconds, clock=clock)
        scale = {"us": 1e6, "ms": 1e3}[self.unit]
        yield Row(self.name, self.unit, Spread.of(times["symgrad"]).scaled(scale),
                  Spread.of(times["hand"]).scaled(scale), ratios(times["symgrad"], times["hand"]),
                  self.at_most)


def runner(function: Callable, batches: list[tuple]) -> Callable:
    """A function that calls `function` once with each batch."""
    def run():
        for batch in batches:
            function(*batch)
    return run


def agree(work: Work, number: int, hand, ours) -> None:
    """Raise Disagreement unless two results are equal to the work's digits, against their scale."""
    if hand is None and not ours:      # a call made for its updates alone
        return
    for a, b in zip(_results(hand), _results(ours), strict=True):
        scale = max(float(np.max(np.abs(a))), 1e-30)
        apart = float(np.max(np.abs(a - b))) / scale if a.shape == b.shape else np.inf
        if not apart < 10.0 ** -work.digits:
            raise Disagreement(
                f"{work.name}, call {number}: by hand {a.ravel()[:3]} {a.dtype}{list(a.shape)}, "
                f"symgrad {b.ravel()[:3]} {b.dtype}{list(b.shape)}, {apart:.1e} apart"
            )


def _results(value) -> list[np.ndarray]:
    return [np.asarray(v) for v in (value if isinstance(value, (list, tuple)) else [value])]
