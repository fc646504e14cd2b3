"""What one side of a conditional makes for a later conditional on the same condition."""

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T

RNG = np.random.default_rng(0)


def handed_out(c, x, w, many):
    """Products that either side makes, read by two conditionals one after the other."""
    p, q, r = T.exp(T.dot(x, w)), T.tanh(T.dot(x, w + 1.0)), T.sin(T.dot(w, x))
    first = sg.ifelse(c, p.sum(axis=0), q.max(axis=0))
    scale = T.sqr(first).sum()
    return {"both": sg.ifelse(c, p * scale, q - scale),
            "then": sg.ifelse(c, p * scale, x * scale), "other": sg.ifelse(c, x * scale, q - scale),
            "more": sg.ifelse(c, T.dot(p, p) * scale + r, T.dot(q, q) - scale * r)}[many] + first


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("many", ["both", "then", "other", "more"])
def test_values_go_from_one_branch_to_a_later_one(many, backend):
    c, x, w = T.bscalar("c"), T.dmatrix("x"), T.dmatrix("w")
    condition = T.gt(c, 0)
    out = handed_out(condition, x, w, many)
    f = sg.function([c, x, w], [out, *sg.grad(out.sum(), [x, w])], backend=backend)
    a, b = RNG.uniform(0.5, 1, (3, 3)), RNG.uniform(0.5, 1, (3, 3))
    for value in (1, 0, 1):
        values = {c: np.int8(value), x: a, w: b}
        np.testing.assert_allclose(f(value, a, b)[0], out.eval(values), rtol=1e-10)
        for got, wrt in zip(f(value, a, b)[1:], (x, w), strict=True):
            want = sg.grad(out.sum(), wrt).eval(values)
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


def test_what_is_handed_out_is_computed_once():
    """The later branch reads the product, it does not make it again."""
    c, x, w = T.bscalar("c"), T.dmatrix("x"), T.dmatrix("w")
    f = sg.function([c, x, w], handed_out(T.gt(c, 0), x, w, "both"), backend="numpy")
    names = [n.op.name for p in f.plan.inner.values() for side in p for n in side.nodes]
    assert names.count("dot") == 2
