"""Where generated tests sample an op's inputs, and where they look hardest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symgrad.types import is_complex, is_float, real_of


class Domain(NamedTuple):
    """An interval to sample reals from (integers: rounded), points to look at closely, and what to
    keep away from."""

    low: float
    high: float
    near: tuple = ()
    avoid: tuple = ()  # points where the derivative jumps: samples stay 0.05 away
    spread: bool = False  # all values well apart (for max, sort …)
    whole: bool = False  # whole numbers, whatever the dtype

    def sample(self, rng, shape, dtype="float64"):
        """An array of `shape` and `dtype`."""
        if dtype == "bool":
            return rng.random(shape) < 0.5
        low, high = self.low, self.high
        if not is_float(dtype):
            info = np.iinfo(dtype)
            low, high = max(low, info.min), min(high, info.max)
            low = int(np.ceil(low))
            return rng.integers(low, max(low, int(np.floor(high))) + 1, shape).astype(dtype)
        if self.whole:
            x = rng.integers(int(low), int(high) + 1, shape).astype(real_of(dtype))
        elif self.spread:
            size = int(np.prod(shape))
            x = low + (high - low) * (rng.permutation(size) + 0.5).reshape(shape) / max(size, 1)
        else:
            x = rng.uniform(low, high, shape)
        for point in self.avoid:
            close = np.abs(x - point) < 0.05
            x = np.where(close, point + np.where(x < point, -0.1, 0.1) * (1 + rng.random(shape)), x)
        if is_complex(dtype):
            x = x + 1j * rng.uniform(low, high, shape).astype(real_of(dtype))
        return np.asarray(x, dtype)


def real(low, high, near=(), avoid=()):
    """Reals between `low` and `high`; tests also sample at and around the points `near`, never
    within 0.05 of `avoid` when they check derivatives."""
    return Domain(low, high, tuple(near), tuple(avoid))


def distinct(low, high):
    """Reals that are all well apart, for ops that pick by comparison."""
    return Domain(low, high, spread=True)


def integer(low, high):
    """Whole numbers from `low` to `high` inclusive."""
    return Domain(low, high, whole=True)


anything = real(-3, 3)
positive = real(0.1, 9, near=(0.0,))
unit = real(-0.95, 0.95, near=(0.0,))
truth = integer(0, 1)
