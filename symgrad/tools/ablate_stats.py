"""Medians, how far they can be trusted, and what counts as an effect."""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

SURE = 0.99  # how often the interval of a median holds the true one


class Spread(NamedTuple):
    """A median, and an interval that holds the true one with `SURE`; of few values it is their
    whole range."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values):
        """From the values of all rounds, by their order: no distribution is assumed.

        >>> Spread.of([3, 1, 2])
        Spread(low=1, median=2, high=3)
        """
        values = sorted(values)
        n, at, outside = len(values), 0, 0.0
        for k in range(n // 2):
            outside += 2 * math.comb(n, k) / 2**n  # the true median is beyond value k, or its twin
            if outside > 1 - SURE:
                break
            at = k
        return cls(values[at], statistics.median(values), values[n - 1 - at])

    @property
    def size(self):
        """How far a ratio's median is from 1, as a logarithm."""
        return abs(math.log(self.median))


def ratios(measured, reference):
    """The `Spread` of a ratio, taken round by round, so that slow spells of the machine cancel."""
    return Spread.of([a / b for a, b in zip(measured, reference, strict=True)])


ENOUGH, PLAIN = 8, 1.5
NOTHING, SAME = "no effect seen", "same program"
UNUSED, FAILED = "not used here", "failed"


def effect(ratio, noise, rounds=ENOUGH):
    """``slower`` or ``faster`` where a ratio is beyond doubt: its interval lies on one side of 1,
    wholly farther away than `noise`, which is what recompiling the same thing does (a logarithm).
    Few rounds make no interval to trust: then it must be farther than a factor of `PLAIN`.

    >>> effect(Spread(1.1, 1.2, 1.3), 0.02, 15), effect(Spread(0.98, 1.01, 1.02), 0.0, 15)
    ('slower', 'no effect seen')
    """
    least = noise if rounds >= ENOUGH else max(noise, math.log(PLAIN))
    if math.log(ratio.low) > least:
        return "slower"
    return "faster" if math.log(ratio.high) < -least else NOTHING
