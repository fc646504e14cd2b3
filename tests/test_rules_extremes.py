"""What each rule's `kind` promises where numbers are not ordinary: NaN, infinities, zeros of both
signs, and magnitudes at which intermediate values overflow or vanish."""

from __future__ import annotations

import numpy as np
import pytest
from exactly import reference
from test_rules import EPS, RULES, arrays, distance, evaluate, firings, plain

from symgrad.compile.pattern import rounding, stable
from symgrad.types import is_complex, is_float

FLOATS = ("float32", "float64")


def drawing(pool, seed):
    """Elements of a pool of numbers, for floats."""
    rng = np.random.default_rng(seed)

    def draw(shape, dtype):
        if not is_float(dtype) or is_complex(dtype):
            return plain(seed)(shape, dtype)
        return rng.choice(np.array(pool, dtype), shape)

    return draw


ORDINARY = [1.0, -2.5, 3.0, 0.25, -0.75]
ZEROS = [0.0, -0.0]
ENDLESS = [np.inf, -np.inf]

# Rules that do not keep all of their promise there, and why they are none the less what they are.
AT_INFINITY = {
    "sum_of_scaled": "the sum of products with an infinite factor is NaN where signs differ",
    "tan_arctan": "arctan(inf) is rounded, and its tangent is large and not infinite",
    "softmax": "with an infinite element all of the row is NaN, not that element alone",
    "minus_logsumexp": "with an infinite element all of the row is NaN, not that element alone",
    "crossentropy_of_logits": "infinite logits: the stable form takes inf from inf",
}
AT_ZERO = {"sum_of_scaled": "one over zero is infinite, and its signs may differ"}
OVERFLOW = {"fold_of_fold": "sums in another order overflow, or do not, at other places"}


def but_for(exceptions, *kinds):
    """The rules of these kinds without the exceptions."""
    return [k for k, r in RULES.items() if r.kind in kinds and r.name not in exceptions]


def pairs(name, draw, sizes=(3, 4, 5, 2, 6, 7)):
    """(old, new, values, its array, the other's) for samples of real floats."""
    for old, new in firings(RULES[name]):
        if old.type.dtype not in FLOATS:
            continue
        values = arrays([old, new], draw, sizes)
        a, b = evaluate([old], values), evaluate([new], values)
        if not isinstance(a, type):
            assert not isinstance(b, type), f"fails where the left side does not: {b}"
            yield old, new, values, a[0], b[0]


@pytest.mark.parametrize("name", but_for((), rounding, stable))
def test_nan_stays_nan(name):
    """What NaN leads to before, it leads to afterwards; and nothing else becomes NaN."""
    for seed in range(3):
        for old, _, values, a, b in pairs(name, drawing([*ORDINARY, np.nan], seed)):
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=f"{old!r} {values}")


@pytest.mark.parametrize("name", but_for(AT_INFINITY, rounding, stable))
def test_infinities_stay_and_make_no_nan(name):
    kind = RULES[name].kind
    for seed in range(4):
        for old, _, values, a, b in pairs(name, drawing([*ORDINARY, *ENDLESS], seed)):
            known = ~np.isnan(a)  # else the right side may know better
            assert not np.isnan(b[known]).any(), f"{old!r} {values}"
            if kind is rounding:
                tol = 200 * EPS[a.dtype.name]
                np.testing.assert_allclose(b[known], a[known], rtol=tol, atol=tol * 100)


@pytest.mark.parametrize("name", but_for(AT_ZERO, rounding))
def test_rounding_keeps_values_at_zeros(name):
    """But for the sign of zero, and of what is one over it."""
    for seed in range(3):
        for old, _, values, a, b in pairs(name, drawing([*ORDINARY, *ZEROS], seed)):
            tol = 200 * EPS[a.dtype.name]
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=f"{old!r} {values}")
            np.testing.assert_allclose(abs(b), abs(a), rtol=tol, atol=tol * 100)


@pytest.mark.parametrize("name", but_for(OVERFLOW, rounding, stable))
@pytest.mark.parametrize("scale", ["large", "small", "mixed"])
def test_extreme_magnitudes(name, scale):
    """Never farther from the true value than before, but for rounding."""
    def draw(shape, dtype):
        if not is_float(dtype) or is_complex(dtype):
            return plain(1)(shape, dtype)
        info, rng = np.finfo(dtype), np.random.default_rng(len(shape))
        large = [info.max, info.max / 2, info.max ** 0.5, info.max ** 0.4]
        small = [info.tiny, info.smallest_subnormal, info.tiny ** 0.5, info.tiny ** 0.4]
        pool = {"large": large, "small": small, "mixed": large + small}[scale]
        return (rng.choice(np.array(pool, dtype), shape) * rng.choice([-1, 1], shape)).astype(dtype)

    for old, _, values, a, b in pairs(name, draw, (2, 3, 2)):
        if any([v.dtype.kind == "c" for v in values.values()]):
            continue  # the truth is told of real numbers
        true = reference(old, values)
        was, now = distance(a, true), distance(b, true)
        assert (now <= np.maximum(was, 200)).all(), (old, a, b, true)


def test_exceptions_are_rules_that_need_them():
    """An entry whose rule is gone goes too."""
    names = {r.name for r in RULES.values()}
    assert {*AT_INFINITY, *AT_ZERO, *OVERFLOW} <= names
