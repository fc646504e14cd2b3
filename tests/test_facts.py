"""What ops claim of themselves (commutative, inverse, monotone …), checked by number."""

import numpy as np
import pytest
from helpers import OPS, sampled, value

from symgrad.errors import SymgradError


def samples_for(op, count, dtype, seed=0):
    """Sample arrays from the first domain of an op."""
    rng = np.random.default_rng(seed)
    domain = op.domain[0] if type(op.domain) is tuple else op.domain
    return [domain.sample(rng, (3, 4), dtype) for _ in range(count)]


def same(got, want):
    tight = {"float64": 1e-12, "float32": 1e-5}.get(np.asarray(want).dtype.name, 0)
    np.testing.assert_allclose(got, want, rtol=tight, atol=tight)


def commutative(op, fact, dtype):
    x, y = samples_for(op, 2, dtype)
    same(value(op, x, y), value(op, y, x))


def associative(op, fact, dtype):
    x, y, z = samples_for(op, 3, dtype)
    same(value(op, value(op, x, y), z), value(op, x, value(op, y, z)))


def identity(op, fact, dtype):
    right_identity(op, fact, dtype)
    x, = samples_for(op, 1, dtype)
    want = value(op, x, x)
    same(value(op, np.asarray(fact, x.dtype), x), x.astype(want.dtype))


def right_identity(op, fact, dtype):
    x, = samples_for(op, 1, dtype)
    same(value(op, x, np.asarray(fact, x.dtype)), x.astype(value(op, x, x).dtype))


def zero(op, fact, dtype):
    x, = samples_for(op, 1, dtype)
    z = np.asarray(fact, x.dtype)
    same(value(op, x, z), np.full(x.shape, fact))
    same(value(op, z, x), np.full(x.shape, fact))


def undone_by(op, fact, dtype):
    x, = samples_for(op, 1, dtype)
    y = value(op, x)
    back = value(OPS[fact], y)
    same(back, x.astype(back.dtype))


def inverse(op, fact, dtype):
    undone_by(op, fact, dtype)
    undone_by(OPS[fact], op.name, dtype)


def monotone(op, fact, dtype):
    x, = samples_for(op, 1, dtype)
    y = value(op, np.sort(x.ravel()))
    assert np.all(fact * np.diff(y.astype("float64")) >= 0)


def idempotent(op, fact, dtype):
    x, = samples_for(op, 1, dtype)
    if op.arity == 2:
        same(value(op, x, x), x.astype(value(op, x, x).dtype))
    else:
        same(value(op, value(op, x)), value(op, x))


def odd(op, fact, dtype):
    x, = samples_for(op, 1, dtype)
    same(value(op, -x), -value(op, x))


def nonnegative(op, fact, dtype):
    x, = samples_for(op, 1, dtype)
    assert (value(op, x).real >= 0).all()


def even(op, fact, dtype):
    x, = samples_for(op, 1, dtype)
    same(value(op, -x), value(op, x))


FACTS = {f.__name__: f for f in (
    commutative, associative, identity, right_identity, zero, undone_by, inverse, monotone,
    idempotent, odd, even, nonnegative)}


@pytest.mark.parametrize("op, fact", [
    pytest.param(op, f, id=f"{op.name}-{f}")
    for op in OPS.values() if sampled(op) for f in op.facts])
def test_facts_hold(op, fact):
    taken = 0
    for dtype in ("float64", "float32", "int64", "bool"):
        if dtype == "bool" and fact in ("odd", "even", "undone_by", "monotone"):
            continue  # domains do not hold for bools
        try:
            FACTS[fact](op, op.facts[fact], dtype)
            taken += 1
        except SymgradError:
            continue
    assert taken
