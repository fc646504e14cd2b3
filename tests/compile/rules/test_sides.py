"""What one side of a conditional makes for a later conditional on the same condition."""

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules import sides
from symgrad.node import toposort
from symgrad.ops.branch import branch

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


# -- what needs no jump, and what a branch hands out


def passed(*outputs):
    """(the outputs after the pass, how often it fired)"""
    pool, mine = absorb(outputs)
    log = Log()
    return sides.run(mine, pool, log), log.fired


def many(x, count):
    for _ in range(count):
        x = T.abs(x)
    return x


C, D = T.gt(T.lscalar("k"), 0), T.gt(T.lscalar("l"), 0)
A, B, V = T.dscalar("a"), T.dscalar("b"), T.dvector("v")


@pytest.mark.parametrize("out,fired", [
    (sg.ifelse(C, many(A, 8), B), "where"), (sg.ifelse(C, many(A, 9), B), "branch"),
    (sg.ifelse(C, many(A, 4), many(B, 4)), "where"),
    (sg.ifelse(C, many(A, 4), many(B, 5)), "branch"),
    (sg.ifelse(C, V, many(B, 1) + V), "branch"), (sg.ifelse(C, V, V * 1.0), "branch"),
    (sg.ifelse(C, A, V[0]), "branch"), (sg.ifelse(C, A, T.exp(V).sum()), "branch"),
    (sg.ifelse(C, V.shape[0], 3), "where"),
    (sg.ifelse(C, T.exp(V).shape[0], 3), "where"),
    (sg.ifelse(C, sg.ifelse(D, A, B), B), "where where"),
    (sg.ifelse(C, sg.ifelse(D, V.sum(), B), B), "branch branch"),
], ids=lambda x: x if isinstance(x, str) else "out")
def test_a_few_operations_on_numbers_need_no_jump(out, fired):
    assert passed(out)[1] == {w: fired.split().count(w) for w in fired.split()}


def branches(outputs):
    return [n for n in toposort(outputs) if n.op is branch]


@pytest.mark.parametrize("taken", [1, 0])
def test_one_of_several_results_is_read_later(taken):
    """Those of a loop: the first conditional reads one, the second another one."""
    a, b = sg.scan(lambda v, s, t: [s * 0.5 + v, t + v * s], sequences=[V],
                   outputs_info=[A, B], return_updates=False)
    sums = sg.ifelse(C, a.sum(), B)
    later = sg.ifelse(C, b * T.exp(sums), V)
    k = C.inputs[0]
    f = sg.function([k, V, A, B], [sums, later], backend="numpy")
    loops = [n for p in f.plan.inner.values() for s in p for n in s.nodes if n.op.name == "loop"]
    assert len(loops) <= 1
    v = np.arange(1.0, 4.0)
    want = [o.eval({k: taken, V: v, A: 0.5, B: 2.0}) for o in (sums, later)]
    for got, w in zip(f(taken, v, 0.5, 2.0), want, strict=True):
        np.testing.assert_allclose(got, w)


@pytest.mark.parametrize("taken", [1, 0])
def test_nothing_has_the_lengths_of_what_stands_in_its_place(taken):
    """One known before, and one that only an operand can tell."""
    p = V[T.nonzero(V > 0)[0]]
    for x in (p, V):
        e = T.exp(T.cumsum(x))
        first = sg.ifelse(C, e.sum(), x.sum())
        out = [first, sg.ifelse(C, e * T.exp(first), x), p]
        made = branches(passed(*out)[0])[0]
        then, other = (body.outputs for body in made.attrs[:2])
        assert [o.op.name for o in other[1:]] == ["broadcast_to"]
        d = other[1].inputs[1]
        assert d.op.name == "length" and len(then) == 2
        k = C.inputs[0]
        f = sg.function([k, V], out, backend="numpy")
        v = np.array([0.5, -1.0, 0.25])
        for got, o in zip(f(taken, v)[:2], out[:2], strict=True):
            np.testing.assert_allclose(got, o.eval({k: taken, V: v}))
