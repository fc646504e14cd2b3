"""Forms of passes that look at the whole graph: each fires on its samples, keeps values, and can be
off."""

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
    drawn,
    huge_and_tiny,
    in_single,
    near,
    values,
)
from hypothesis import given
from hypothesis import strategies as st
from test_rules import evaluate

from symgrad.compile.passes import PIPELINE, Pass, complete
from symgrad.compile.pattern import KINDS, exact, rounding
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.errors import ArgumentError, IndexingError
from symgrad.types import is_complex

# Forms that do not keep all of their promise there.
AT_INFINITY = {"blas.gemm": "a factor of a sum is one of each term: an infinite one of a term that "
                            "is zero makes NaN of it"}
FORMS = {f"{p.name}.{form}": (p, form) for p in PIPELINE for form in p.kinds}


def made(p, form):
    """(pool, outputs) for each sample."""
    for graph in p.samples[form]():
        yield absorb(graph if isinstance(graph, list) else [graph])


@cache
def rewritten(name):
    """Pairs (outputs, what the form makes of them) for each sample, and for those of doubles in
    floats that can be had."""
    p, form = FORMS[name]
    graphs = [g if isinstance(g, list) else [g] for g in p.samples[form]()]
    single = [[in_single(o) for o in g] for g in graphs if len(g) == 1]
    found = []
    for g in (*graphs, *[g for g in single if None not in g]):
        pool, old = absorb(g)
        found.append((old, p.run(old, pool, Log(), ())))
    return found


def sides(data, name, pool, lengths=SOME, **more):
    """(array, the other's, kind) of all outputs of a sample; nothing where it is an error before,
    which it then stays if it is of an index."""
    old, new = data.draw(st.sampled_from(rewritten(name)))
    inputs = data.draw(values([*old, *new], pool, lengths, **more))
    want, have = evaluate(old, inputs), evaluate(new, inputs)
    if isinstance(want, type):
        assert want is not IndexingError or want is have, "an index is not checked any more"
        return
    assert not isinstance(have, type), f"fails where it did not before: {have}"
    p, form = FORMS[name]
    for a, b in zip(want, have, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        yield a, b, rounding if len(old) > 1 else p.kinds[form]


def agree(a, b, kind):
    if kind is exact:
        np.testing.assert_array_equal(a, b)
    else:
        near(a, b)


@pytest.mark.parametrize("name", FORMS)
def test_it_fires_unless_it_is_off(name):
    p, form = FORMS[name]
    assert p.kinds[form] in KINDS
    samples = list(made(p, form))
    assert samples
    for pool, old in samples:
        log = Log(history=[])
        p.run(old, pool, log, ())
        assert log.fired.get(form), f"{name} does not fire on its sample: {log.fired}"
        assert form in [own for own, *_ in log.history]
        log = Log()
        p.run(old, pool, log, (form,))
        assert form not in log.fired


@pytest.mark.parametrize("name", FORMS)
@drawn(20)
@given(st.data())
def test_values_stay(name, data):
    """Also of no rows, and of integers of which sums wrap around."""
    for found in sides(data, name, (*ORDINARY, 0.0), ANY, wrapping=data.draw(st.booleans())):
        agree(*found)


@pytest.mark.parametrize("name", FORMS)
@drawn(12)
@given(st.data())
def test_nan_stays_nan(name, data):
    for a, b, _ in sides(data, name, (*ORDINARY, *NAN)):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))


@pytest.mark.parametrize("name", [k for k in FORMS if k not in AT_INFINITY])
@drawn(20)
@given(st.data())
def test_infinities_stay_and_make_no_nan(name, data):
    for a, b, kind in sides(data, name, (*ORDINARY, *ENDLESS), ANY):
        known = ~np.isnan(a)  # else the form may know better
        agree(a[known], b[known], kind)


@pytest.mark.parametrize("name", [k for k, (p, f) in FORMS.items() if p.kinds[f] is exact])
@drawn(20)
@given(st.data())
def test_exact_forms_change_nothing(name, data):
    def pool(dtype):
        return ALL if is_complex(dtype) else (*ALL, *huge_and_tiny(dtype))

    for found in sides(data, name, pool, ANY, wrapping=True):
        agree(*found)


@pytest.mark.parametrize("name", FORMS)
@drawn(12)
@given(st.data())
def test_indices_out_of_range_are_still_noticed(name, data):
    for _ in sides(data, name, ORDINARY, indices=st.integers(-4, 4)):
        pass


def test_a_form_without_samples_is_not_registered():
    with pytest.raises(ArgumentError, match="mine: the form odd has no samples"):
        complete([Pass("mine", "", run=lambda *_: None, kinds={"odd": exact})])
