"""ifelse in and around loops, in updates, and random graphs of it."""

import numpy as np
import pytest
from helpers import BACKENDS
from lazily import Counted, X, made, said

import symgrad as sg
import symgrad.tensor as T
from symgrad.interpret import run

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture
def calls():
    return []


@pytest.fixture
def sides(calls):
    return Counted("then", 2.0, calls), Counted("else", 3.0, calls)


# -- with loops, updates, draws


def test_in_a_step_of_a_loop(backend, calls, sides):
    x, n = T.dvector("x"), T.lscalar("n")
    then, other = sides
    out, _ = sg.scan(lambda t, s: sg.ifelse(T.eq(t % 3, 0), then(s) / 2, other(s) / 3 + 1),
                     sequences=T.arange(n), outputs_info=x)
    f = made([x, n], out, backend)
    want, s = [], X
    for t in range(4):
        s = s if t % 3 == 0 else s + 1
        want.append(s)
    np.testing.assert_allclose(f(X, 4), want)
    assert said(calls) == ["else", "else", "then", "then"]


def test_the_gradient_of_a_loop_with_conditionals(backend):
    x, w = T.dvector("x"), T.dscalar("w")
    out, _ = sg.scan(lambda t, s, w: sg.ifelse(T.eq(t % 2, 0), T.tanh(s * w), T.sqr(s) * w),
                     sequences=T.arange(5), outputs_info=x, non_sequences=w)
    cost = out[-1].sum()
    f = made([x, w], sg.grad(cost, [x, w]), backend)
    gx, gw = f(X, 0.7)

    def value(x, w):
        for t in range(5):
            x = np.tanh(x * w) if t % 2 == 0 else x * x * w
        return x.sum()

    h = 1e-6
    assert np.isclose(gw, (value(X, 0.7 + h) - value(X, 0.7 - h)) / (2 * h))
    for k in range(3):
        e = np.eye(3)[k] * h
        assert np.isclose(gx[k], (value(X + e, 0.7) - value(X - e, 0.7)) / (2 * h))


def test_around_a_loop(backend, calls, sides):
    x, c = T.dvector("x"), T.bscalar("c")
    then, _ = sides
    out, _ = sg.scan(lambda s: then(s) + 1, outputs_info=x, n_steps=3)
    y = sg.ifelse(c, out[-1], x)
    f = made([x, c], [y, sg.grad(y.sum(), x)], backend)
    y, g = f(X, 1)
    np.testing.assert_allclose(y, 8 * X + 7)
    np.testing.assert_allclose(g, np.full(3, 8.0))
    assert said(calls) == ["then"] * 3 + ["then'"] * 3
    y, g = f(X, 0)
    np.testing.assert_allclose(g, np.ones(3))
    assert said(calls) == []


def test_a_while_loop_that_chooses(backend):
    n = T.lscalar("n")

    def step(k, count):
        next_ = sg.ifelse(T.eq(k % 2, 0), k // 2, 3 * k + 1)
        return [next_, count + 1], {}, sg.until(T.eq(next_, 1))

    (_, count), _ = sg.scan(step, outputs_info=[n, T.constant(0, dtype="int64")], n_steps=1000)
    f = made([n], count[-1], backend)
    assert f(27) == 111 and f(6) == 8


def test_updates_of_shared_variables(backend, calls, sides):
    w, count = sg.shared(X.copy(), "w"), sg.shared(0, "count")
    c = T.bscalar("c")
    then, _ = sides
    f = made([c], [], backend, updates=[(w, sg.ifelse(c, then(w) - 1, w)),
                                        (count, sg.ifelse(c, count + 1, count))])
    f(0)
    np.testing.assert_array_equal(w.get_value(), X)
    assert said(calls) == [] and count.get_value() == 0
    f(1)
    np.testing.assert_array_equal(w.get_value(), 2 * X - 1)
    assert said(calls) == ["then"] and count.get_value() == 1


def test_a_failed_side_changes_nothing(backend):
    w, x, k = sg.shared(X.copy(), "w"), T.dvector("x"), T.lvector("k")
    f = made([x, k], sg.ifelse(x[0] > 0, x[k].sum(), 0.0), backend, updates=[(w, w * 2)])
    with pytest.raises(IndexError):
        f(X, [99])
    np.testing.assert_array_equal(w.get_value(), X)
    f(-X, [99])
    np.testing.assert_array_equal(w.get_value(), 2 * X)


def test_draws_in_a_side(backend):
    stream = sg.random.RandomStream(3)
    c = T.bscalar("c")
    f = made([c], sg.ifelse(c, stream.normal(4), stream.uniform(4)), backend)
    a, b, c = f(1), f(0), f(1)
    assert not np.array_equal(a, c) and (b >= 0).all() and (b < 1).all()


# -- what stays in its side


def test_what_may_fail_does_not_leave_its_side(backend, calls, sides):
    x, w, n, k = T.dvector("x"), T.dvector("w"), T.lscalar("n"), T.lscalar("k")
    then, _ = sides
    out, _ = sg.scan(lambda t, s: sg.ifelse(T.eq(t, 2), then(w), s * 2), sequences=T.arange(n),
                     outputs_info=x)
    f = made([x, w, n], out[-1], backend)
    f(X, X, 2)
    assert said(calls) == []
    np.testing.assert_allclose(f(X, X, 4), 4 * X)
    assert said(calls) == ["then"]
    out, _ = sg.scan(lambda s, w: sg.ifelse(T.lt(k, 3), w[k] * s, s * 2), outputs_info=x,
                     non_sequences=w, n_steps=n)
    f = made([x, w, n, k], out[-1], backend)
    np.testing.assert_allclose(f(X, X, 2, 5), 4 * X)
    np.testing.assert_allclose(f(X, X, 2, 2), 4 * X)
    given = then(w)  # a named argument is computed once, before the loop
    out, _ = sg.scan(lambda s, v: sg.ifelse(T.lt(k, 3), v + s, s * 2), outputs_info=x,
                     non_sequences=given, n_steps=n)
    made([x, w, n, k], out[-1], backend)(X, X, 3, 5)
    assert said(calls) == ["then"]


def test_a_gradient_keeps_only_what_was_computed(backend, calls, sides):
    x, w, n = T.dvector("x"), T.dvector("w"), T.lscalar("n")
    then, _ = sides
    out, _ = sg.scan(lambda t, s: sg.ifelse(T.eq(t, 2), T.exp(then(s * w)), s * 2),
                     sequences=T.arange(n), outputs_info=x)
    f = made([x, w, n], sg.grad(out[-1].sum(), [x, w]), backend)
    gx, gw = f(X, X, 2)
    np.testing.assert_allclose(gx, np.full(3, 4.0))
    np.testing.assert_allclose(gw, np.zeros(3))
    assert said(calls) == []
    gx, gw = f(X, X, 3)
    e = np.exp(8 * X * X)
    np.testing.assert_allclose(gx, e * 2 * X * 4)
    np.testing.assert_allclose(gw, e * 8 * X)
    assert set(said(calls)) == {"then", "then'"}


def test_rows_that_are_not_there_are_not_read(backend):
    w, rows = T.dvector("w"), T.lvector("rows")
    out, _ = sg.map(lambda r: sg.ifelse(r < 3, T.exp(w[r]), -1.0), sequences=rows)
    f = made([w, rows], [out, sg.grad(out.sum(), w)], backend)
    e = np.exp(X)
    value, g = f(X, [0, 7, 1, 7])
    np.testing.assert_allclose(value, [e[0], -1, e[1], -1])
    np.testing.assert_allclose(g, [e[0], e[1], 0])


# -- against `where`


def random_graph(rng, conditions, x, m, choose):
    """Nested choices with shared parts, by `choose` (ifelse or where)."""
    pool = [x, x * 2, T.dot(m, x), T.tanh(x), T.constant(rng.normal(size=3))]
    for _ in range(10):
        a, b = (pool[k] for k in rng.integers(0, len(pool), 2))
        kind = rng.integers(0, 8)
        if kind < 3:
            made = choose(conditions[rng.integers(0, len(conditions))], a, b)
        elif kind == 3:
            made = T.dot(m, a) * 0.5
        elif kind == 4:
            made = a * b * 0.3
        elif kind == 5:
            made = T.sin(a) + b
        elif kind == 6:
            made = a.sum() * 0.1 + T.sqr(b) * 0.1
        else:
            made = T.exp(-T.sqr(a))
        pool.append(made)
    return pool[-1] + choose(conditions[0], pool[-2], pool[-3])


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs_are_those_of_where(backend, seed):
    x, m = T.dvector("x"), T.dmatrix("m")
    flags = [T.bscalar(f"c{k}") for k in range(2)]
    conditions = [*[T.neq(c, 0) for c in flags], x[0] > 0]

    def graph(choose):
        y = random_graph(np.random.default_rng(seed), conditions, x, m, choose)
        return [y, *sg.grad((y * y).sum(), [x, m], disconnected_inputs="ignore")]

    lazy, eager = graph(sg.ifelse), graph(T.where)
    f = made([x, m, *flags], lazy, backend, on_unused_input="ignore")
    rng = np.random.default_rng(seed)
    for c in range(4):
        values = [rng.normal(size=3), rng.normal(size=(3, 3)) * 0.5, c & 1, c >> 1]
        given = dict(zip([x, m, *flags], [np.asarray(v) for v in values[:2]]
                         + [np.asarray(v, "int8") for v in values[2:]], strict=True))
        for got, want, plain in zip(f(*values), run(eager, given), run(lazy, given), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(plain, want, rtol=1e-9, atol=1e-12)
