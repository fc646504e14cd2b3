"""ifelse computes one side: values and gradients, on every backend."""

import pickle

import numpy as np
import pytest
from helpers import BACKENDS
from lazily import Counted, X, made, said

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.node import toposort

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

@pytest.fixture
def calls():
    return []


@pytest.fixture
def sides(calls):
    return Counted("then", 2.0, calls), Counted("else", 3.0, calls)


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
        f = made([x, c], sg.ifelse(c, T.exp(x), x.astype("int64")), backend)
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


@pytest.mark.parametrize("many", [4, 13])  # the longer one becomes a tree
def test_a_chain_computes_one_of_many(backend, calls, many):
    x, k = T.dvector("x"), T.lscalar("k")
    ws = [sg.shared(np.full(3, j + 1.0)) for j in range(many)]
    ops = [Counted(f"op{j:02}", float(j + 1), calls) for j in range(many + 1)]
    y = T.tanh(ops[many](x))
    for j in range(many):
        y = sg.ifelse(T.eq(k, j), ops[j](x) * ws[j], y)
    f = made([x, k], [y, *sg.grad(y.sum(), [x, ws[2], ws[3]])], backend)
    for j in range(many + 1):
        y, g, *others = f(X, j)
        last, c = j == many, j + 1.0
        np.testing.assert_allclose(y, np.tanh(c * X) if last else c * c * X)
        np.testing.assert_allclose(g, c - c * np.tanh(c * X) ** 2 if last else np.full(3, c * c))
        for v, got in zip((2, 3), others, strict=True):
            np.testing.assert_allclose(got, c * X if v == j else 0 * X)
        assert set(said(calls)) == {f"op{j:02}", f"op{j:02}'"}


def test_a_long_chain(backend):
    x, k = T.dvector("x"), T.lscalar("k")
    y = x
    for j in range(200):
        y = sg.ifelse(T.eq(k, j), T.exp(x * (j / 200)), y)
    f = made([x, k], y, backend)
    for j in (0, 7, 100, 199):
        np.testing.assert_allclose(f(X, j), np.exp(X * (j / 200)))
    np.testing.assert_array_equal(f(X, 200), X)


def test_chains_that_are_no_trees(backend, calls):
    """A condition that is dear, or asked for elsewhere, too, is asked in its turn."""
    x, k = T.dvector("x"), T.lscalar("k")
    op = Counted("op", 2.0, calls)
    conditions = [T.eq(k, j) for j in range(13)]
    conditions[6] = op(x)[0] > 0
    y = x
    for j in range(13):
        y = sg.ifelse(conditions[j], T.exp(x) * j, y)
    f = made([x, k], y, backend)
    np.testing.assert_allclose(f(X, 9), np.exp(X) * 9)
    assert said(calls) == []
    np.testing.assert_allclose(f(X, 3), np.exp(X) * 6)
    assert said(calls) == ["op"]
    conditions[6] = T.eq(k, 6)
    y = z = x
    for j in range(13):
        y = sg.ifelse(conditions[j], T.exp(x) * j, y)
        z = sg.ifelse(conditions[12 - j], op(x) if j == 4 else T.exp(x) * j, z)
    f = made([x, k], y + z, backend)
    np.testing.assert_allclose(f(X, 9), np.exp(X) * 12)
    assert said(calls) == []


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


# -- what is compiled


def test_no_python_in_a_native_branch(backend):
    if backend != "llvm":
        pytest.skip("of machine code")
    x, c = T.dvector("x"), T.bscalar("c")
    m = T.dmatrix("m")
    y = sg.ifelse(c, T.dot(m, T.tanh(x)), T.exp(x))
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


# -- modes


@pytest.mark.parametrize("options", [
    {"mode": "debug"}, {"mode": "nan"}, {"mode": "debug nan"}, {"passes": "none"},
    {"passes": "-fuse"}, {"passes": "-reuse -inplace"}, {"passes": "exact"}])
def test_modes(backend, options):
    x, m, c, d = T.dvector("x"), T.dmatrix("m"), T.bscalar("c"), T.bscalar("d")
    inner = sg.ifelse(d, T.log(x[T.nonzero(x > 0)[0]]).sum(), x.prod())
    y = sg.ifelse(c, T.tanh(T.dot(m, x)) * inner, T.exp(x) * 2)
    outs = [y, *sg.grad((y * y).sum(), [x, m])]
    f, plain = made([x, m, c, d], outs, backend, **options), sg.function([x, m, c, d], outs)
    for k in range(4):
        for got, want in zip(f(X, np.eye(3), k & 1, k >> 1), plain(X, np.eye(3), k & 1, k >> 1),
                             strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)


def test_one_value_for_two_results(backend):
    """One has a length that is known before the branch, and memory that is kept; the other has
    not."""
    x, c = T.dvector("x"), T.bscalar("c")
    t = T.tanh(x)
    a, b = sg.ifelse(c, [t, t], [x * 2, x[T.nonzero(x > 0)[0]]])
    a = T.exp(T.cumsum(T.exp(T.cumsum(a))))
    for mode in ("debug", "FAST_RUN"):
        f = made([x, c], [a.sum(), b.sum()], backend, mode=mode)
        for flag in (1, 0):
            first, second = (np.tanh(X), np.tanh(X)) if flag else (X * 2, X[X > 0])
            got = f(X, flag)
            np.testing.assert_allclose(got[0], np.exp(np.exp(first.cumsum()).cumsum()).sum())
            np.testing.assert_allclose(got[1], second.sum())


def test_nan_mode_looks_into_the_side_that_is_taken(backend):
    x, c = T.dvector("x"), T.bscalar("c")
    f = made([x, c], sg.ifelse(c, T.log(x * 0), T.exp(x)), backend, mode="nan")
    f(X, 0)
    with pytest.raises(sg.errors.NonFiniteError, match="log: -inf"):
        f(X, 1)


def test_a_function_with_a_branch_tells_of_itself(backend):
    x, c = T.dvector("x"), T.bscalar("c")
    f = made([x, c], sg.ifelse(c, T.exp(x), x.sum() + x * 2), backend)
    if backend == "llvm":
        assert "branch" in str(f.report)
    same = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(same(X, 1), f(X, 1))
    assert f.memory([(3,), ()]).total > 0
    r = sg.ifelse(c, T.exp(x), T.concatenate([x, x]))
    f = made([x, c], [r, r * 2], backend)
    assert f.memory([(3,), np.int8(0)]).total > f.memory([(3,), np.int8(1)]).total > 0
