"""`RandomStream`: its generator, its distributions, its states; the same numbers everywhere."""

import copy
import doctest
import pickle

import numpy as np
import pytest
import scipy.stats as st
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.ops import random as raw
from symgrad.random import RandomStream, mrg, numpy_state, stream

N = 4000
STATE = np.array([5, 0, 9], "uint64")

# Random123's known answers of philox4x32 with ten rounds: counter, key, what comes out.
KNOWN = (
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
)


def joined(words):
    """Words, the lowest first, as numbers of 64 bits."""
    words = [int(w, 16) for w in words.split()]
    return [low | high << 32 for low, high in zip(words[::2], words[1::2], strict=True)]


@pytest.mark.parametrize("backend", ["eval", *BACKENDS])
@pytest.mark.parametrize("counter, key, answer", KNOWN)
def test_known_answers(backend, counter, key, answer):
    state = sg.shared(np.array(joined(key) + joined(counter), "uint64"))
    halves = [raw.philox(state, 0, half=k) for k in (0, 1)]
    if backend == "eval":
        found = [h.eval() for h in halves]
    else:
        with sg.options(backend=backend):
            found = sg.function([], halves)()
    assert [int(n) for n in found] == joined(answer)
    assert list(raw.rounds(*joined(key), *joined(counter))) == joined(answer)


# -- distributions: a draw, and the law of one of its numbers

REAL = {
    "uniform": (lambda r, n, s: r.uniform(n, 2.0, 5.0, state=s), st.uniform(2, 3)),
    "normal": (lambda r, n, s: r.normal(n, 1.0, 2.0, state=s), st.norm(1, 2)),
    "single": (lambda r, n, s: r.normal(n, dtype="float32", state=s), st.norm()),
    "laplace": (lambda r, n, s: r.laplace(n, 1.0, 2.0, state=s), st.laplace(1, 2)),
    "gumbel": (lambda r, n, s: r.gumbel(n, 1.0, 2.0, state=s), st.gumbel_r(1, 2)),
    "exponential": (lambda r, n, s: r.exponential(n, 3.0, state=s), st.expon(0, 3)),
    "truncated": (lambda r, n, s: r.truncated_normal(n, 1.0, 2.0, 0.0, 5.0, state=s),
                  st.truncnorm(-0.5, 2, 1, 2)),
    "tail": (lambda r, n, s: r.truncated_normal(n, low=9.0, high=np.inf, state=s),
             st.truncnorm(9, np.inf)),
    "gamma": (lambda r, n, s: r.gamma(n, 2.5, 3.0, state=s), st.gamma(2.5, scale=3)),
    "small gamma": (lambda r, n, s: r.gamma(n, 0.05, state=s), st.gamma(0.05)),
    "beta": (lambda r, n, s: r.beta(n, 2.0, 0.5, state=s), st.beta(2, 0.5)),
    "student_t": (lambda r, n, s: r.student_t(n, 3.0, 1.0, 2.0, state=s), st.t(3, 1, 2)),
    "standard_t": (lambda r, n, s: r.standard_t(n, 9.0, state=s), st.t(9)),
    "dirichlet": (lambda r, n, s: r.dirichlet(n, [1.0, 2.0, 3.0], state=s)[:, 1], st.beta(2, 4)),
    "multivariate_normal": (lambda r, n, s: r.multivariate_normal(
        n, [1.0, 2.0], cov=[[2.0, 1.0], [1.0, 2.0]], state=s)[:, 1], st.norm(2, np.sqrt(2))),
}
WHOLE = {
    "integers": (lambda r, n, s: r.integers(n, -3, 9, state=s), st.randint(-3, 9)),
    "bernoulli": (lambda r, n, s: r.bernoulli(n, 0.3, state=s), st.bernoulli(0.3)),
    "binomial": (lambda r, n, s: r.binomial(n, 10, 0.3, state=s), st.binom(10, 0.3)),
    "poisson": (lambda r, n, s: r.poisson(n, 4.0, state=s), st.poisson(4)),
    "large poisson": (lambda r, n, s: r.poisson(n, 400.0, state=s) // 20, None),
    "categorical": (lambda r, n, s: r.categorical(n, [0.1, 0.2, 0.7], state=s),
                    st.rv_discrete(values=([0, 1, 2], [0.1, 0.2, 0.7]))),
    "multinomial": (lambda r, n, s: r.multinomial(n, 10, [0.1, 0.2, 0.7], state=s)[:, 1],
                    st.binom(10, 0.2)),
    "permutation": (lambda r, n, s: r.permutation(n, 5, state=s)[:, 2], st.randint(0, 5)),
    "choice": (lambda r, n, s: r.choice(n, 5, state=s), st.randint(0, 5)),
    "weighted choice": (lambda r, n, s: r.choice(n, [3, 7], p=[0.9, 0.1], state=s),
                        st.rv_discrete(values=([3, 7], [0.9, 0.1]))),
}
ALL = {name: draw for name, (draw, _) in (REAL | WHOLE).items()}


@pytest.mark.parametrize("name", REAL)
def test_real_draws_follow_their_law(name):
    draw, law = REAL[name]
    x = draw(RandomStream(11), N, None).eval()
    assert x.shape == (N,)
    assert st.kstest(x.astype("float64"), law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", [n for n in WHOLE if WHOLE[n][1]])
def test_whole_draws_follow_their_law(name):
    draw, law = WHOLE[name]
    x = draw(RandomStream(11), N, None).eval()
    values, counts = np.unique(x, return_counts=True)
    expected = law.pmf(values) * N
    assert expected.sum() > 0.999 * N
    often = expected > 5
    rest = N - counts[often].sum(), N - expected[often].sum()
    pairs = [[*counts[often], rest[0]], [*expected[often], rest[1]]] if rest[1] > 1 else \
        [counts[often], expected[often] * counts[often].sum() / expected[often].sum()]
    assert st.chisquare(*pairs).pvalue > 1e-3


def test_choice_without_replacement():
    rs = RandomStream(5)
    x = np.array([rs.choice(3, 6, replace=False).eval() for _ in range(300)])
    assert all(len(set(row)) == 3 for row in x)
    assert st.chisquare(np.bincount(x[:, 1], minlength=6)).pvalue > 1e-3
    first = rs.choice(1, 3, replace=False, p=[0.7, 0.3, 0.0])
    f = sg.function([], first)
    counts = np.bincount(np.concatenate([f() for _ in range(1000)]), minlength=3)
    assert counts[2] == 0 and st.binomtest(int(counts[0]), 1000, 0.7).pvalue > 1e-3
    assert np.array_equal(np.sort(rs.permutation(n=np.arange(5.0)).eval()), np.arange(5.0))
    assert sorted(rs.choice((2, 3), np.arange(6.0), replace=False).eval().ravel()) == list(range(6))


def test_numbers_are_not_correlated():
    """Of one draw with the next of its state, of neighbours, and of two draws of a stream."""
    rs = RandomStream(2)
    x, y = rs.uniform(N), rs.uniform(N)
    f = sg.function([], [x, y])
    (a, b), (c, d) = f(), f()
    for p, q in ((a, b), (a, c), (b, d), (a[1:], a[:-1]), (a, d)):
        assert abs(np.corrcoef(p, q)[0, 1]) < 0.06
    assert len(np.unique(np.concatenate([a, b, c, d]))) == 4 * N


def test_large_ranges_and_ends():
    rs = RandomStream(3)
    x = rs.integers(N, 0, 2**62).eval()
    assert st.kstest(x / 2.0**62, st.uniform.cdf).pvalue > 1e-3
    high = T.lscalar("high")
    few = sg.function([high], rs.integers(N, 0, high))(6)
    assert st.chisquare(np.bincount(few, minlength=6)).pvalue > 1e-3
    for dtype in ("float16", "float32", "float64"):
        x = rs.uniform(N, dtype=dtype).eval()
        assert x.dtype == dtype and x.min() >= 0 and x.max() < 1
    assert rs.binomial(5, [0, 1, 5, 5, 5], [0.5, 1.0, 0.0, 1.0, 1.0]).eval().tolist() == [
        0, 1, 0, 5, 5]
    assert rs.poisson(2, 0.0).eval().tolist() == [0, 0]
    assert np.array_equal(rs.multinomial((), 7, [0.0, 1.0, 0.0]).eval(), [0, 7, 0])


@pytest.mark.parametrize("value", [0.0, 0.3, 4.0, 400.0])
def test_counts_by_table_are_those_by_guess(value):
    """One rate for many draws is looked up; a rate for each is not."""
    rs, many = RandomStream(1), np.full(N, value)
    state = sg.constant(STATE)
    assert np.array_equal(rs.poisson(N, value, state=state).eval(),
                          rs.poisson(None, many, state=state).eval())
    p = min(value, 1.0)
    assert np.array_equal(rs.binomial(N, 50, p, state=state).eval(),
                          rs.binomial(N, 50, np.full(N, p), state=state).eval())


# -- the same numbers everywhere

EXACT = {"uniform", *WHOLE}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ALL)
def test_backends_draw_the_same(backend, name):
    x = ALL[name](RandomStream(1), 20, sg.shared(STATE))
    want = x.eval()
    with sg.options(backend=backend):
        got = sg.function([], x)()
    assert got.dtype == want.dtype
    if name in EXACT:
        assert np.array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=1e-12 if want.dtype == "float64" else 2e-6,
                                   atol=1e-12 if want.dtype == "float64" else 1e-6)


@pytest.mark.parametrize("size", [(), 3, (2, 3), (0, 2), "symbolic", "vector", None], ids=str)
def test_sizes(size):
    rs, n, v = RandomStream(1), T.lscalar("n"), T.lvector("v")
    if size == "symbolic":
        assert sg.function([n], rs.normal((n, 2)))(3).shape == (3, 2)
        assert sg.function([n], rs.permutation(n=n))(4).shape == (4,)
    elif size == "vector":
        assert sg.function([v], rs.normal(v, ndim=2))([3, 2]).shape == (3, 2)
        m = T.matrix("m")
        assert sg.function([m], rs.bernoulli(m.shape, 0.5))(np.ones((2, 3))).shape == (2, 3)
    elif size is None:
        m = T.matrix("m")
        x = rs.normal(loc=m, scale=T.ones((1, 3)))
        assert sg.function([m], x)(np.ones((2, 3))).shape == (2, 3)
        assert rs.dirichlet(alpha=np.ones((4, 3))).eval().shape == (4, 3)
        assert rs.categorical(p=np.ones((4, 3))).eval().shape == (4,)
    else:
        shape = (size,) if isinstance(size, int) else size
        for name in ("normal", "integers", "gamma", "poisson"):
            assert getattr(rs, name)(size).eval().shape == shape
        assert rs.multinomial(size, 3).eval().shape == (*shape, 2)
        assert rs.permutation(size, 4).eval().shape == (*shape, 4)


# -- gradients through parameters

SMOOTH = {
    "uniform": (1.0, 2.0), "normal": (1.0, 2.0), "laplace": (1.0, 2.0), "gumbel": (1.0, 2.0),
    "exponential": (2.0,), "gamma": (1.5, 2.0), "beta": (1.5, 2.0), "student_t": (5.0, 2.0, 3.0),
    "truncated_normal": (0.5, 2.0, -1.0, 3.0),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_the_numbers(name):
    values = SMOOTH[name]
    inputs = [T.dscalar(f"p{k}") for k in range(len(values))]
    x = getattr(RandomStream(1), name)(50, *inputs, state=sg.constant(STATE))
    cost = (x**2).sum()
    f = sg.function(inputs, [cost, *sg.grad(cost, inputs)])
    found = f(*values)[1:]
    for k, slope in enumerate(found):
        up, down = list(values), list(values)
        up[k] += 1e-5
        down[k] -= 1e-5
        want = (f(*up)[0] - f(*down)[0]) / 2e-5
        assert abs(slope - want) < 1e-7 * max(1, abs(want))


def test_the_mean_gradient_is_that_of_the_mean():
    """d E[x^2] / d shape of a gamma distribution with scale 1: 2 shape + 1."""
    a = T.dscalar("a")
    x = RandomStream(4).gamma(40_000, a)
    slope = sg.function([a], sg.grad((x**2).mean(), a))(2.0)
    assert abs(slope - 5) < 0.15


# -- states


def test_calls_move_on_and_seeds_come_back():
    rs = RandomStream(1)
    f = sg.function([], rs.normal(5))
    first, second = f(), f()
    assert not np.array_equal(first, second)
    rs.seed()
    assert np.array_equal(f(), first)
    rs.seed(2)
    assert not np.array_equal(f(), first)
    assert np.array_equal(sg.function([], RandomStream(1).normal(5))(), first)
    rs.seed(1)
    rs.skip(5)
    assert np.array_equal(f(), second)
    x = RandomStream(1).normal(5)
    np.testing.assert_allclose([x.eval(), x.eval()], [first, second], rtol=1e-12)


def test_skipping_is_drawing_and_longer_draws_begin_alike():
    rs = RandomStream(1)
    x = rs.uniform(10)
    a = x.eval()
    rs.seed()
    rs.skip(4)
    assert np.array_equal(x.eval()[:6], a[4:])
    assert np.array_equal(RandomStream(1).uniform(4).eval(), a[:4])


def test_splits_differ_and_are_repeatable():
    one, two = RandomStream(1), RandomStream(1)
    streams = [one, *one.split(3), *one.split(2)]
    again = [two, *two.split(3), *two.split(2)]
    drawn = [s.uniform(8).eval() for s in streams]
    assert len(np.unique(drawn)) == 8 * len(streams)
    assert np.array_equal(drawn, [s.uniform(8).eval() for s in again])
    streams[1].seed()
    nested = [s.uniform(8).eval() for s in streams[1].split(2)]
    assert len(np.unique([*drawn, *nested])) == 8 * (len(streams) + 2)
    assert not np.array_equal(RandomStream(None).uniform(4).eval(),
                              RandomStream(None).uniform(4).eval())


def test_an_explicit_state_makes_a_pure_function():
    s = T.vector("s", dtype="uint64")
    x = RandomStream(1).student_t(6, 3.0, state=s)
    assert x.tag.update[0] is s
    f = sg.function([s], [x, x.tag.update[1]])
    a, after = f(STATE)
    assert np.array_equal(f(STATE)[0], a) and not np.array_equal(f(after)[0], a)
    assert after.tolist() == [5, 12, 9]  # two blocks a number


def test_states_are_marked_listed_and_off_with_defaults():
    rs = RandomStream(1)
    x = rs.normal(3)
    (state, following), = rs.updates()
    assert state.tag.is_rng and state.default_update is following and x.tag.update[0] is state
    f = sg.function([], x, no_default_updates=True)
    assert np.array_equal(f(), f())
    g = sg.function([], x, updates=[(state, following)], no_default_updates=True)
    assert not np.array_equal(g(), g())


def test_streams_and_functions_can_be_copied():
    rs = RandomStream(1)
    x = rs.normal(3)
    f = sg.function([], x)
    g = pickle.loads(pickle.dumps(f))
    assert np.array_equal(f(), g()) and np.array_equal(f(), g())
    other, y = copy.deepcopy((rs, x))
    a = x.eval()
    assert np.array_equal(y.eval(), a)
    other.seed()
    rs.seed()
    assert np.array_equal(x.eval(), y.eval())


# -- errors

WRONG = (
    ("normal(-1)", ShapeError, "negative"),
    ("normal((2, -3))", ShapeError, "negative"),
    ("normal(2.5)", DtypeError, "integer"),
    ("normal((2, 3), np.zeros(4))", ShapeError, "stretch"),
    ("normal(3, np.zeros((2, 3)))", ShapeError, "more dimensions"),
    ("normal(3, scale=-1.0)", ArgumentError, "scale must be at least 0, not -1.0"),
    ("normal(3, 1j)", DtypeError, "real"),
    ("normal(3, dtype='int32')", DtypeError, "must be a float"),
    ("normal(3, dtype='foo')", DtypeError, "unknown dtype"),
    ("normal(3, std=1)", ArgumentError, "unexpected keyword argument 'std'\n  normal(size=None"),
    ("normal(T.lvector())", ArgumentError, "ndim="),
    ("normal(3, state=np.zeros(3))", DtypeError, "three uint64"),
    ("uniform(3, 2.0, 1.0)", ArgumentError, "above high"),
    ("truncated_normal(3, low=1.0, high=0.0)", ArgumentError, "not below"),
    ("bernoulli(3, 1.5)", ArgumentError, "at most 1, not 1.5"),
    ("bernoulli(3, np.nan)", ArgumentError, "not nan"),
    ("binomial(3, 2, [0.5, 0.5, -2.0])", ArgumentError, "not -2.0"),
    ("binomial(3, 2, T.constant(0.5) * 4).eval()", ArgumentError, "between 0 and 1"),
    ("poisson(3, -1)", ArgumentError, "rate must be at least 0"),
    ("gamma(3, 0.0)", ArgumentError, "shape must be above 0"),
    ("integers(3, 5, 5)", ArgumentError, "not below"),
    ("integers(3, 0.5, 2)", DtypeError, "integers"),
    ("categorical(2, 0.5)", ShapeError, "one dimension or more"),
    ("multinomial(2, -1)", ArgumentError, "n must be at least 0"),
    ("permutation(n=2.5)", DtypeError, "integer or a tensor"),
    ("choice(5, 3, replace=False)", ArgumentError, "cannot take 5 of 3"),
    ("choice(2, 3, p=[0.5, 0.5])", ShapeError, "3 things"),
    ("multivariate_normal(3, [0.0, 0.0])", ArgumentError, "either cov= or factor="),
    ("multivariate_normal(3, [0.0, 0.0], cov=[[1.0, 2.0], [2.0, 1.0]])", ArgumentError, "factor"),
    ("split(0)", ArgumentError, "positive"),
    ("skip(-1)", ArgumentError, "from 0 up"),
    ("seed(-1)", ArgumentError, "between 0 and"),
)


@pytest.mark.parametrize("call, kind, says", WRONG, ids=[w[0] for w in WRONG])
def test_errors(call, kind, says):
    with pytest.raises(kind) as caught:
        eval(f"rs.{call}", {"rs": RandomStream(1), "T": T, "np": np})
    assert says in str(caught.value)


@pytest.mark.parametrize("module", [stream, mrg, numpy_state, sg.random], ids=lambda m: m.__name__)
def test_examples_in_docstrings(module):
    names = {"sg": sg, "T": T, "np": np}
    found = doctest.DocTestFinder(exclude_empty=True).find(module, globs=names)
    runner = doctest.DocTestRunner()
    for example in found:
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("op", [o for o in vars(raw).values() if getattr(o, "module", "") ==
                                raw.__name__], ids=lambda o: o.name)
def test_examples_of_the_ops(op):
    example = doctest.DocTestParser().get_doctest(op.doc, {"T": T, "np": np}, op.name, None, 0)
    assert example.examples and not doctest.DocTestRunner().run(example).failed
