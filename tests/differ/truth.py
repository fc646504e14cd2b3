"""What a program is to compute, and how near a compiled one must come.

The graph is run as it is written: by the interpreter; with long doubles, which is taken for the
truth; and a few times with every number that was rounded moved by a unit in the last place, up or
down at random.  How far the moved runs come from the truth tells how much rounding matters in this
program, and a compiled program may be some times as far away (`LIMITS`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symgrad.interpret import run
from symgrad.node import CONST
from symgrad.op import apply
from symgrad.ops.body import run as run_loop
from symgrad.tools.ablate_truth import compute, truth
from symgrad.types import Tuple


class Limits(NamedTuple):
    """The declared distances from the truth."""

    moved: float = 8.0  # times the greatest error of a moved run in the array
    ulps: float = 4.0  # more units in the last place of the array's greatest number
    # an element that moved runs change by more than this power of its dtype's eps, relative to the
    # array's greatest number, is decided by rounding (a tie, a jump), and not compared
    wild: float = 0.4
    runs: int = 3  # moved runs
    # `python` adds numbers one after another, where NumPy and machine code add parts of them
    loops: float = 4.0  # times what the others are allowed


LIMITS = Limits()

# -- runs


def moved(array, rng):
    """The array with every number of many digits moved by a unit in the last place; numbers of few
    digits (half of those that there are), which nothing can have rounded, stay."""
    if array.dtype.kind == "c":
        out = np.empty_like(array)
        out.real, out.imag = moved(array.real, rng), moved(array.imag, rng)
        return out
    if array.dtype.kind != "f" or not array.size:
        return array
    info = np.finfo(array.dtype)
    with np.errstate(all="ignore"):
        digits = np.frexp(array)[0] * array.dtype.type(2 ** (info.nmant // 2 + 1))
        step = np.where(digits == np.floor(digits), 0, info.eps).astype(array.dtype)
        return np.asarray(array * (1 + step * rng.choice([-1, 1], array.shape))).astype(array.dtype)


def run_moved(outputs, values, rng):
    """`symgrad.interpret.run` with each value moved as soon as it is made."""
    def leaf(n, array):
        return array if n.op is CONST else moved(array, rng)

    def applied(n, arrays):
        if n.op.kind == "loop":
            return run_loop(int(arrays[0]), arrays[1:], n.attrs[0], stepper(n.attrs[0]))
        value = apply(n, arrays)
        return value if type(n.type) is Tuple or n.op.kind == "view" else moved(value, rng)

    def run(outputs, store):
        compute(outputs, store, leaf, applied)
        return [store[o] for o in outputs]

    def stepper(body):
        return lambda rows: run(body.outputs, dict(zip(body.inputs, rows, strict=True)))

    return run(outputs, {n: moved(np.asarray(a), rng) for n, a in values.items()})


def chain(request, calls, how, held):
    """For each call the arrays of outputs and new values of shared variables, or the error; `held`:
    the first values of shared variables."""
    state, found = dict(held), []
    for arrays in calls:
        values = dict(zip(request.leaves, arrays, strict=True)) | state
        try:
            made = how(request.roots, values)
        except Exception as error:  # noqa: BLE001 - whatever it is: others must fail, too
            found.append(error)
            continue
        state.update(zip(request.updated, made[len(request.outputs):], strict=True))
        found.append(made)
    return found


# -- bounds


class Bound:
    """What an array must be: dtype, shape, and values within `tolerance` of `true` where `compared`
    holds.  Without a truth, only the dtype is known; where rounding decides about lengths, too."""

    def __init__(self, plain, true, runs):
        self.plain, self.true, self.runs = np.asarray(plain), np.asarray(true), runs
        self.dtype, self.shape = self.plain.dtype, self.plain.shape
        self.settled = true is not None and all(
            [r.shape == self.shape for r in (self.true, *runs)])
        self.tolerance, self.scale = 0.0, 0.0
        self.compared = self.nan = np.zeros(self.shape, bool)
        if self.settled:
            self._set()

    def _set(self):
        with np.errstate(all="ignore"):
            if self.dtype.kind not in "fc":
                self.compared = np.all([r == self.plain for r in (self.true, *self.runs)], axis=0)
                return
            info = np.finfo(self.dtype)
            samples = np.array([self.plain, *self.runs], self.true.dtype)
            finite = np.isfinite(self.true) & np.isfinite(samples).all(axis=0)
            off = np.where(finite, np.abs(samples - self.true).max(axis=0), 0)
            self.scale = float(np.abs(self.true[finite]).max(initial=0))
            floor = max(self.scale, float(info.tiny))
            calm = finite & (off <= float(info.eps) ** LIMITS.wild * floor)
            self.tolerance = float(LIMITS.moved * off[calm].max(initial=0)
                                   + LIMITS.ulps * float(info.eps) * floor)
            # what is infinite or no number in all runs is to be just that; see `wrong`
            same = ~np.isfinite(self.true)
            for r in samples:
                same &= (r == self.true) | np.isnan(r) & np.isnan(self.true)
            self.nan = same & np.isnan(self.true)
            self.compared = calm | same

    def wrong(self, got, ruled=True, times=1.0):
        """What is wrong with an array, or ''.  `ruled`: whether rules were at work on it.  They may
        leave out an inf - inf, or do one more in an array that has another already.  `times`: how
        much more than others it may be off."""
        got = np.asarray(got)
        if got.dtype != self.dtype:
            return f"dtype {got.dtype}, not {self.dtype}"
        if not self.settled:
            return ""
        if got.shape != self.shape:
            return f"shape {got.shape}, not {self.shape}"
        off = self.off(got)
        bad = self.compared & ~(off <= self.tolerance * times)
        if ruled and self.nan.any():
            bad &= ~(self.nan | np.isnan(got))
        if not bad.any():
            return ""
        at = tuple([int(i) for i in np.unravel_index(np.argmax(bad), bad.shape)])
        with np.errstate(all="ignore"):
            share = float(off[at]) / self.tolerance if self.tolerance else np.inf
        return (f"{got[at]!r} at {list(at)}, not {self.true[at]!r}: {share:.3g} times what is "
                f"allowed ({self.tolerance:.3g}), at {int(bad.sum())} of {bad.size} places")

    def off(self, got):
        """How far each element is from what it should be."""
        with np.errstate(all="ignore"):
            if self.dtype.kind not in "fc":
                return np.where(got == self.plain, 0.0, np.inf)
            true = self.true
            off = np.abs(got.astype(true.dtype) - true)
            same = (got == true) | np.isnan(got) & np.isnan(true)
            return np.where(same, 0, np.where(np.isfinite(true) & np.isfinite(got), off, np.inf))

    def ratio(self, got):
        """The greatest error, in units of what is allowed."""
        if not self.settled or not self.tolerance:
            return 0.0
        off = self.off(np.asarray(got))[self.compared]
        return float(off[np.isfinite(off)].max(initial=0) / self.tolerance)


def expected(request, calls, held, seed=0):
    """For each call a list of `Bound`, or the error that the interpreter raises."""
    plain = chain(request, calls, run, held)
    try:
        true = chain(request, calls, truth, held)
    except Exception:  # noqa: BLE001 - an op that takes no long doubles
        true = plain
    rng = np.random.default_rng(seed)
    runs = [chain(request, calls, lambda o, v: run_moved(o, v, rng), held)
            for _ in range(LIMITS.runs)]
    found = []
    for k, mine in enumerate(plain):
        if isinstance(mine, Exception):
            found.append(mine)
            continue
        others = [r[k] for r in (true, *runs)]
        if any([isinstance(r, Exception) for r in others[1:]]):
            found.append([Bound(a, None, []) for a in mine])  # rounding decides if it fails
            continue
        wide = mine if isinstance(others[0], Exception) else others[0]
        found.append([Bound(a, t, list(r)) for a, t, *r in zip(mine, wide, *others[1:],
                                                               strict=True)])
    return found
