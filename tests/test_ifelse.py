"""ifelse computes one side: values and gradients, on every backend, in and around loops."""

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.interpret import run
from symgrad.node import toposort

pytestmark = pytest.mark.parametrize("backend", BACKENDS)
X = np.array([0.5, -1.5, 2.0])


class Counted:
    """An op that counts its calls: ``factor * x``; `back` is its derivative's."""

    def __init__(self, name, factor, calls):
        vector = T.dvector

        @T.wrap(itypes=[vector], otypes=[vector])
        def forth(x):
            calls.append(name)
            return factor * x

        @T.wrap(itypes=[vector], otypes=[vector])
        def back(g):
            calls.append(f"{name}'")
            return factor * g

        forth.vjp(lambda g, out, x: [back(g)])
        self.op = forth

    def __call__(self, x):
        return self.op(x)


@pytest.fixture
def calls():
    return []


@pytest.fixture
def sides(calls):
    return Counted("then", 2.0, calls), Counted("else", 3.0, calls)


def made(inputs, outputs, backend, **options):
    return sg.function(inputs, outputs, backend=backend, **options)


def said(calls):
    """The calls since the last time."""
    found = sorted(calls)
    calls.clear()
    return found


# -- laziness


def test_only_one_side_is_computed(backend, calls, sides):
    x, c = T.dvector("x"), T.bscalar("c")
    then, other = sides
    f = made([x, c], T.exp(sg.ifelse(c, then(x) + 1, other(x) - 1)), backend)
    for _ in range(2):
        np.testing.assert_allclose(f(X, 1), np.exp(2 * X + 1))
        assert said(calls) == ["then"]
        np.testing.assert_allclose(f(X, 0), np.exp(3 * X - 1))
        assert said(calls) == ["else"]


def test_gradients_are_lazy(backend, calls, sides):
    x, c = T.dvector("x"), T.bscalar("c")
    then, other = sides
    y = sg.ifelse(c, T.tanh(then(x)), T.sqr(other(x)))
    f = made([x, c], [y, sg.grad((y * y).sum(), x)], backend)
    y, g = f(X, 1)
    t = np.tanh(2 * X)
    np.testing.assert_allclose(y, t)
    np.testing.assert_allclose(g, 2 * t * (1 - t * t) * 2)
    assert said(calls) == ["then", "then'"]
    y, g = f(X, 0)
    np.testing.assert_allclose(g, 4 * (3 * X) ** 3 * 3)
    assert said(calls) == ["else", "else'"]


def test_what_one_side_made_is_not_made_again_for_its_derivative(backend, calls):
    x, c = T.dvector("x"), T.bscalar("c")
    inner, outer = Counted("inner", 2.0, calls), Counted("outer", 0.5, calls)
    y = sg.ifelse(c, T.exp(outer(T.exp(inner(x)))), x)
    f = made([x, c], [y.sum(), sg.grad(y.sum(), x)], backend)
    y, g = f(X, 1)
    e = np.exp(2 * X)
    np.testing.assert_allclose(g, np.exp(0.5 * e) * 0.5 * e * 2)
    assert said(calls) == ["inner", "inner'", "outer", "outer'"]
    np.testing.assert_allclose(f(X, 0)[1], np.ones(3))
    assert said(calls) == []


def test_a_side_that_would_fail_is_left_alone(backend):
    x, k, m = T.dvector("x"), T.lscalar("k"), T.dmatrix("m")
    inside = T.lt(k, x.shape[0])
    f = made([x, k], sg.ifelse(inside, x[k] * 2, -1.0), backend)
    assert f(X, 1) == -3.0 and f(X, 7) == -1.0
    rows = T.lvector("rows")
    f = made([x, k, rows], sg.ifelse(inside, x[rows].sum(), x.sum()), backend)
    assert f(X, 1, [0, 0]) == 1.0 and f(X, 7, [50]) == 1.0
    with pytest.raises(IndexError):
        f(X, 1, [50])
    f = made([m], sg.ifelse(m.shape[0] > 0, m.max(axis=0), m.sum(axis=0)), backend)
    np.testing.assert_allclose(f(np.eye(2)), np.ones(2))
    np.testing.assert_allclose(f(np.zeros((0, 2))), np.zeros(2))  # no maximum of no rows


def test_lengths_need_agree_only_where_a_side_is_taken(backend):
    x, y, c = T.dvector("x"), T.dvector("y"), T.bscalar("c")
    f = made([x, y, c], sg.ifelse(c, x + y, x), backend)
    np.testing.assert_allclose(f(X, X, 1), 2 * X)
    np.testing.assert_allclose(f(X, [1.0], 0), X)
    np.testing.assert_allclose(f(X, X, 0), X)
    with pytest.raises(ValueError, match="lengths differ"):
        f(X, [1.0, 2.0], 1)


def test_values_in_the_other_side_do_not_spoil_a_gradient(backend):
    x, c = T.dvector("x"), T.bscalar("c")
    y = sg.ifelse(c, T.log(x), x * 3)
    f = made([x, c], sg.grad(y.sum(), x), backend)
    np.testing.assert_array_equal(f(np.zeros(2), 0), [3.0, 3.0])
    np.testing.assert_array_equal(f(np.ones(2), 1), [1.0, 1.0])
    np.testing.assert_array_equal(sg.grad(y.sum(), x).eval({x: np.zeros(2), c: 0}), [3.0, 3.0])


def test_what_is_needed_elsewhere_is_computed_in_any_case(backend, calls, sides):
    x, c = T.dvector("x"), T.bscalar("c")
    then, other = sides
    shared = then(x)
    f = made([x, c], [sg.ifelse(c, shared + 1, other(x)), shared.sum()], backend)
    f(X, 0)
    assert said(calls) == ["else", "then"]
    f = made([x, c], sg.ifelse(c, shared + 1, shared * 2), backend)  # by both sides: once
    np.testing.assert_allclose(f(X, 0), 4 * X)
    assert said(calls) == ["then"]


# -- forms


def test_several_results_and_their_kinds(backend, calls, sides):
    x, c = T.dvector("x"), T.bscalar("c")
    then, other = sides
    a = then(x)
    pair = sg.ifelse(c, [a, a.sum()], [other(x), x[0]], name="r")
    assert type(pair) is list and [r.name for r in pair] == ["r0", "r1"]
    assert type(sg.ifelse(c, (x, x), (x, x))) is tuple
    assert sg.ifelse(c, x, -x, name="r").name == "r"
    f = made([x, c], pair, backend)
    y, s = f(X, 1)
    np.testing.assert_allclose(y, 2 * X)
    assert np.isclose(s, 2 * X.sum()) and said(calls) == ["then"]
    y, s = f(X, 0)
    np.testing.assert_allclose(y, 3 * X)
    assert s == X[0] and said(calls) == ["else"]


def test_dtypes_are_promoted_and_any_number_is_a_condition(backend):
    x = T.fvector("x")
    for make, true, false in ((T.lscalar, 2, 0), (T.dscalar, -0.5, 0.0), (T.zscalar, 1j, 0),
                              (T.scalar, np.float32(np.nan), 0)):
        c = make("c")
        out = sg.ifelse(c, x, T.lvector("k"))
        assert out.dtype == "float64"
        f = made([x, c], sg.ifelse(c, x, 2), backend) if False else made(
            [x, c], sg.ifelse(c, T.exp(x), x.astype("int64")), backend)
        np.testing.assert_allclose(f(np.ones(2, "float32"), true), np.full(2, np.e), rtol=1e-6)
        np.testing.assert_allclose(f(np.ones(2, "float32"), false), np.ones(2))


def test_lengths_may_differ(backend):
    x, y, c = T.dvector("x"), T.dvector("y"), T.bscalar("c")
    r = sg.ifelse(c, T.exp(x), y)
    f = made([x, y, c], [r, r.shape[0], r * 2, r.sum()], backend)
    for a, b in ((X, X), (X, np.ones(5)), (np.ones(0), X), (X, X)):
        for flag in (1, 0):
            want = np.exp(a) if flag else b
            got = f(a, b, flag)
            for g, w in zip(got, (want, len(want), want * 2, want.sum()), strict=True):
                np.testing.assert_allclose(g, w)
    g = made([x, y, c], [sg.grad((r * r).sum(), v) for v in (x, y)], backend)
    for flag in (1, 0):
        gx, gy = g(X, np.ones(5), flag)
        np.testing.assert_allclose(gx, 2 * np.exp(2 * X) * flag)
        np.testing.assert_allclose(gy, 2 * np.ones(5) * (1 - flag))


def test_a_side_may_decide_a_length_of_its_own(backend):
    x, c = T.dvector("x"), T.bscalar("c")
    r = sg.ifelse(c, x[T.nonzero(x > 0)[0]], x[:1] * 3)
    f = made([x, c], [r, T.exp(r).sum(), r.shape[0]], backend)
    for _ in range(2):
        got = f(X, 1)
        np.testing.assert_allclose(got[0], [0.5, 2.0])
        assert np.isclose(got[1], np.exp([0.5, 2.0]).sum()) and got[2] == 2
        got = f(X, 0)
        np.testing.assert_allclose(got[0], [1.5])
        assert got[2] == 1


# -- nested


def test_a_chain_computes_one_of_many(backend, calls):
    x, k = T.dvector("x"), T.lscalar("k")
    ops = [Counted(f"op{j}", float(j + 1), calls) for j in range(5)]
    y = T.tanh(ops[4](x))
    for j in range(4):
        y = sg.ifelse(T.eq(k, j), ops[j](x), y)
    f = made([x, k], [y, sg.grad(y.sum(), x)], backend)
    for j in range(5):
        y, g = f(X, j)
        np.testing.assert_allclose(y, np.tanh(5 * X) if j == 4 else (j + 1) * X)
        np.testing.assert_allclose(g, 5 - 5 * np.tanh(5 * X) ** 2 if j == 4 else
                                   np.full(3, j + 1.0))
        assert said(calls) == [f"op{j}", f"op{j}'"]


def test_one_condition_inside_itself(backend, calls, sides):
    x, c = T.dvector("x"), T.bscalar("c")
    then, other = sides
    inner = sg.ifelse(c, T.exp(x), other(x))
    f = made([x, c], sg.ifelse(c, then(inner) * 2, x), backend)
    np.testing.assert_allclose(f(X, 1), 4 * np.exp(X))
    assert said(calls) == ["then"]
    np.testing.assert_allclose(f(X, 0), X)
    assert said(calls) == []


def test_crossed_conditions(backend, calls):
    x, c, d = T.dvector("x"), T.bscalar("c"), T.bscalar("d")
    op = Counted("n", 2.0, calls)
    n = op(x)
    f1 = sg.ifelse(c, sg.ifelse(d, x, n * 2), x - 1)
    f2 = sg.ifelse(d, x + 1, sg.ifelse(c, n + 1, x * 3))
    f = made([x, c, d], [f1, f2, sg.grad((f1 * f2).sum(), x)], backend)
    for a in (0, 1):
        for b in (0, 1):
            u = (X if b else 4 * X) if a else X - 1
            v = X + 1 if b else 2 * X + 1 if a else X * 3
            du, dv = ((1 if b else 4) if a else 1), (1 if b else 2 if a else 3)
            got = f(X, a, b)
            np.testing.assert_allclose(got[0], u)
            np.testing.assert_allclose(got[1], v)
            np.testing.assert_allclose(got[2], u * dv + v * du)
            want = ["n", "n'"] if a and not b else []
            assert said(calls)[:2] == want


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


# -- derivatives of other kinds


def test_second_derivatives_and_forward_mode(backend):
    x, c = T.dvector("x"), T.bscalar("c")
    y = sg.ifelse(c, T.exp(x) * x, T.sin(x)).sum()
    g = sg.grad(y, x)
    h = sg.grad((g * T.arange(1, 4)).sum(), x)
    v = T.dvector("v")
    f = made([x, v, c], [h, sg.Rop(g, x, v)], backend)
    k = np.arange(1, 4)
    for flag in (1, 0):
        want = np.exp(X) * (X + 2) if flag else -np.sin(X)
        got = f(X, k.astype(float), flag)
        np.testing.assert_allclose(got[0], want * k)
        np.testing.assert_allclose(got[1], want * k)


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


# -- what is compiled


def test_no_python_in_a_native_branch(backend):
    if backend != "llvm":
        pytest.skip("of machine code")
    x, c = T.dvector("x"), T.bscalar("c")
    m = T.dmatrix("m")
    y = sg.ifelse(c, T.dot(m, T.tanh(x)), T.sort(x) if False else T.exp(x))
    f = made([x, m, c], [y, *sg.grad(y.sum(), [x, m])], backend)
    f(X, np.eye(3), 1)
    assert not f.report.code.python


def test_numbers_that_cost_nothing_need_no_jump(backend):
    a, b, c = T.dscalar("a"), T.dscalar("b"), T.bscalar("c")
    f = made([a, b, c], sg.ifelse(c, a * b, a + b), backend)
    assert f(2.0, 5.0, 1) == 10.0 and f(2.0, 5.0, 0) == 7.0
    assert "branch" not in f.source
    _, (g,) = absorb([sg.ifelse(c, a, b)])
    assert "ifelse" in {n.op.name for n in toposort([g])}
