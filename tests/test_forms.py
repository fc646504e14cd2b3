"""Forms of passes that look at the whole graph: each fires on its samples, keeps values, and can be
off."""

import numpy as np
import pytest
from test_rules import EPS, arrays, evaluate, plain, special

from symgrad.compile.passes import PIPELINE, Pass, complete
from symgrad.compile.pattern import KINDS, exact
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.errors import ArgumentError
from symgrad.types import is_float

FORMS = {f"{p.name}.{form}": (p, form) for p in PIPELINE for form in p.kinds}


def made(p, form):
    """(pool, outputs) for each sample."""
    for graph in p.samples[form]():
        yield absorb(graph if isinstance(graph, list) else [graph])


def agree(kind, a, b, special=False):
    assert a.dtype == b.dtype and a.shape == b.shape
    if kind is exact or not is_float(a.dtype.name):
        return np.testing.assert_array_equal(a, b)
    if special:
        return np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    tol = 200 * EPS[a.dtype.name]
    finite = np.abs(a[np.isfinite(a)]).max(initial=1.0)
    np.testing.assert_allclose(b, a, rtol=tol, atol=tol * finite)


def compare(p, form, draw, sizes=(3, 4, 5, 2, 6, 7)):
    for pool, old in made(p, form):
        new = p.run(old, pool, Log(), ())
        values = arrays([*old, *new], draw, sizes)
        want, have = evaluate(old, values), evaluate(new, values)
        if not isinstance(want, type):
            assert not isinstance(have, type), f"fails where it did not before: {have}"
            for a, b in zip(want, have, strict=True):
                agree("rounding" if len(old) > 1 else p.kinds[form], a, b, draw is not ordinary)


def ordinary(shape, dtype):
    return plain(1, -1, 1)(shape, dtype)


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


@pytest.mark.parametrize("sizes", [(3, 4, 5, 2, 6, 7), (1,), (0, 3, 4), (2, 0)], ids=str)
@pytest.mark.parametrize("name", FORMS)
def test_values_stay(name, sizes):
    compare(*FORMS[name], ordinary, sizes)


@pytest.mark.parametrize("name", FORMS)
def test_nan_stays_nan(name):
    def draw(shape, dtype):
        x = ordinary(shape, dtype)
        if is_float(dtype):
            x = np.where(np.random.default_rng(2).random(shape) < 0.2, np.nan, x).astype(dtype)
        return x

    compare(*FORMS[name], draw)


@pytest.mark.parametrize("name", [k for k, (p, f) in FORMS.items() if p.kinds[f] is exact])
def test_exact_forms_at_special_values(name):
    for seed in range(3):
        compare(*FORMS[name], special(seed))


def test_a_form_without_samples_is_not_registered():
    with pytest.raises(ArgumentError, match="mine: the form odd has no samples"):
        complete([Pass("mine", "", run=lambda *_: None, kinds={"odd": exact})])
