"""What each rule's `kind` promises for values that hypothesis draws: no rows at all, NaN,
infinities, zeros of both signs, integers that wrap around, and magnitudes at which intermediate
values overflow or vanish."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from drawn import (
    ALL,
    ANY,
    ENDLESS,
    NAN,
    ORDINARY,
    SOME,
    ZEROS,
    drawn,
    huge_and_tiny,
    in_single,
    near,
    values,
)
from exactly import reference
from helpers import BACKENDS
from hypothesis import given
from hypothesis import strategies as st
from test_rules import (
    RULES,
    distance,
    evaluate,
    fires,
    firings,
    same_bits,
    samples,
)

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pattern import KINDS, assumes, exact, rounding, stable
from symgrad.derive import backward
from symgrad.errors import IndexingError
from symgrad.interpret import run
from symgrad.node import constant, toposort
from symgrad.types import is_complex

FLOATS = ("float32", "float64")

# Rules that do not keep all of their promise there, and why they are none the less what they are.
AT_INFINITY = {
    "softmax": "all of a row with an infinite element is NaN, as it is in SciPy and JAX",
    "minus_logsumexp": "all of a row with an infinite element is NaN, as it is in JAX",
}
OVERFLOW = {
    "fold_of_fold": "sums in another order overflow at other places; so do NumPy's own, whose "
                    "order depends on how the array lies in memory",
    "sum_of_scaled": "what is scaled after the sum may overflow in it, or no longer",
}


@cache
def fired(name):
    """Pairs (node, what the rule makes of it): its samples, and those of doubles in floats."""
    rule = RULES[name]
    single = [in_single(graph) for graph in samples(rule)] if rule.samples else []
    return (*firings(rule), *filter(None, [fires(rule, g) for g in single if g is not None]))


def but_for(exceptions, *kinds):
    """The rules of these kinds without the exceptions."""
    return [k for k, r in RULES.items() if r.kind in kinds and r.name not in exceptions]


def of_floats(name):
    return [pair for pair in fired(name) if pair[0].type.dtype in FLOATS]


def sides(data, pairs, pool, lengths=SOME, **more):
    """(values, array, the other's) of one of the pairs (old, new) of nodes; None where the old one
    is an error."""
    if not pairs:
        return None
    old, new = data.draw(st.sampled_from(pairs))
    inputs = data.draw(values([old, new], pool, lengths, **more))
    a, b = evaluate([old], inputs), evaluate([new], inputs)
    if isinstance(a, type):
        assert a is not IndexingError or a is b, "an index out of range is not noticed any more"
        return None
    assert not isinstance(b, type), f"fails where the left side does not: {b}"
    assert a[0].dtype == b[0].dtype and a[0].shape == b[0].shape
    return inputs, a[0], b[0]


@pytest.mark.parametrize("name", but_for((), exact))
@drawn(25)
@given(st.data())
def test_exact_rules_change_no_bit(name, data):
    def pool(dtype):
        return ALL if is_complex(dtype) else (*ALL, *huge_and_tiny(dtype))

    found = sides(data, fired(name), pool, ANY, wrapping=True)
    if found:
        same_bits(*found[1:])


@pytest.mark.parametrize("name", but_for((), rounding, stable))
@drawn(12)
@given(st.data())
def test_ordinary_numbers_and_no_rows(name, data):
    """Also integers of which sums wrap around."""
    rounds = RULES[name].kind is rounding
    found = sides(data, fired(name), ORDINARY, ANY, wrapping=rounds)
    if found:
        near(*found[1:])


@pytest.mark.parametrize("name", but_for((), rounding, stable))
@drawn(12)
@given(st.data())
def test_nan_stays_nan(name, data):
    """What NaN leads to before, it leads to afterwards; and nothing else becomes NaN."""
    found = sides(data, of_floats(name), (*ORDINARY, *NAN))
    if found:
        np.testing.assert_array_equal(*map(np.isnan, found[1:]))


@pytest.mark.parametrize("name", but_for(AT_INFINITY, rounding, stable))
@drawn(20)
@given(st.data())
def test_infinities_stay_and_make_no_nan(name, data):
    """Nor do those that are multiplied by nothing, of which no rows are summed."""
    found = sides(data, of_floats(name), (*ORDINARY, *ENDLESS), ANY)
    if found:
        _, a, b = found
        known = ~np.isnan(a)  # else the right side may know better
        assert not np.isnan(b[known]).any()
        if RULES[name].kind is rounding:
            near(a[known], b[known])


@pytest.mark.parametrize("name", but_for((), rounding))
@drawn(12)
@given(st.data())
def test_rounding_keeps_values_at_zeros(name, data):
    """But for the sign of zero, and of what is one over it."""
    found = sides(data, of_floats(name), (*ORDINARY, *ZEROS))
    if found:
        _, a, b = found
        known = ~np.isnan(a)
        near(abs(a[known]), abs(b[known]))


@pytest.mark.parametrize("name", but_for(OVERFLOW, rounding, stable))
@drawn(8)
@given(st.data())
def test_extreme_magnitudes(name, data):
    """Never farther from the true value than before, but for rounding."""
    pairs = [pair for pair in of_floats(name)  # the truth is told of real numbers
             if not any(is_complex(n.type.dtype) for n in toposort(pair))]
    if not pairs:
        return
    old, new = data.draw(st.sampled_from(pairs))
    found = sides(data, [(old, new)], huge_and_tiny, st.integers(1, 2))
    if found:
        inputs, a, b = found
        true = reference(old, inputs)
        assert (distance(b, true) <= np.maximum(distance(a, true), 200)).all(), (a, b, true)


INDEXED = ("gather", "scatter", "view")


@pytest.mark.parametrize("name", but_for((), *KINDS))
@drawn(12)
@given(st.data())
def test_indices_out_of_range_are_still_noticed(name, data):
    pairs = [pair for pair in fired(name) if any(
        n.op.kind in INDEXED and (len(n.inputs) > 1 or n.attrs) for n in toposort(pair[:1]))]
    sides(data, pairs, ORDINARY, st.integers(0, 2), indices=st.integers(-3, 3))


@pytest.mark.parametrize("name", [k for k in but_for((), *KINDS) if not k.startswith("forward.")])
@drawn(5)
@given(st.data())
def test_both_sides_have_the_same_gradient(name, data):
    """What is differentiated is the stable form; and what later passes make can be, too.  Where two
    numbers are the largest, either may have the gradient."""
    pairs = [pair for pair in of_floats(name)
             if any(n.type.dtype in FLOATS and not n.inputs for n in toposort(pair))]
    if not pairs:
        return
    old, new = data.draw(st.sampled_from(pairs))
    found = sides(data, [(old, new)], DISTINCT, ANY, unique=True)
    if not found:
        return
    values_, a, _ = found
    inputs = [n for n in values_ if n.type.dtype in FLOATS]
    shifted = {n: v * SCALES[inputs.index(n) % len(SCALES)] if n in inputs else v
               for n, v in values_.items()}
    shifted = {n: v.astype(n.type.dtype) for n, v in shifted.items()}
    weight = constant(np.linspace(0.5, 1.5, a.size).reshape(a.shape).astype(a.dtype))
    slopes = []
    for side in (old, new):
        slope = backward([side], [weight], inputs)
        slopes.append(run([g if g is not None else constant(0.0) for g in slope], shifted))
    for a, b in zip(*slopes, strict=True):
        known = ~np.isnan(a)
        if RULES[name].kind is not assumes:
            assert known.all()
        near(a[known], np.broadcast_to(b, a.shape).astype(a.dtype)[known], factor=10_000)


DISTINCT = tuple([k / 200 for k in range(40, 160)])
SCALES = 1.0, 1.0137, 0.9871, 1.0291


def test_exceptions_are_rules_that_need_them():
    """An entry whose rule is gone goes too."""
    names = {r.name for r in RULES.values()}
    assert {*AT_INFINITY, *OVERFLOW} <= names


def test_the_order_of_numpys_sums_depends_on_memory():
    """The reason that `OVERFLOW` gives."""
    big = np.finfo("float64").max
    a = np.array([[big, big], [-big, -big]])
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.sum(a) != np.sum(np.asfortranarray(a))


@pytest.mark.parametrize("passes", ["", "none"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_sum_of_no_rows_is_zero_whatever_they_would_be(backend, passes):
    x, n, v = T.dscalar("x"), T.lscalar("n"), T.dvector("v")
    sums = [T.full((n,), x).sum(), (v * x).sum(), (v / x).sum(), T.zeros((n, 3)).sum(axis=0) * x]
    f = sg.function([x, n, v], sums, backend=backend, passes=passes)
    for value, zeros in ((np.inf, np.full(3, np.nan)), (0.0, np.zeros(3)), (np.nan, None)):
        *numbers, row = f(value, 0, np.zeros(0))
        assert numbers == [0, 0, 0]
        if zeros is not None:
            np.testing.assert_array_equal(row, zeros)
    assert f(2.0, 3, np.ones(2))[:3] == [6, 4, 1]
