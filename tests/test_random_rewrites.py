"""No rewrite merges draws of different states, or moves, doubles or drops a draw with an effect.

A draw is a pure function of its state, so equal draws of one state are one draw.  Every pass is run
alone and together on graphs in which rules fire, and what comes out is compared with the
interpreter's value for the same states.
"""

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.passes import PIPELINE
from symgrad.compile.pool import Pool
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.random import philox
from symgrad.random import MRG_RandomStreams, RandomStream, RandomStreams

A, B = [sg.shared(np.array([5, 0, k], "uint64"), shape=(3,)) for k in (9, 10)]  # not folded away
RS = RandomStream(0)


def draws(x, y):
    """Graphs with two draws of one shape in which every family of rules has something to do."""
    m = T.constant(np.arange(12.0).reshape(4, 3))
    return {
        "sum": x + y, "difference": x - y, "quotient": x / y, "products": x * y + x * 2 + y * 2,
        "powers": x * x * y / x, "choice": T.switch(x > 0, x, y), "extremes": T.maximum(x, y),
        "logarithm": T.log(1 + T.exp(x)) + T.exp(T.log(y * y)), "softmax": T.log(T.softmax(x + y)),
        "shapes": T.reshape(x.T, (3, 4)) + y.reshape((4, 3)).T, "slices": x[1:] - y[:-1],
        "slice of a sum": (x + y)[1, ::2], "joined": T.concatenate([x, y])[2:6],
        "product": T.dot(x, m.T) + T.dot(y, m.T), "gram": T.dot(x, x.T) - T.dot(y, y.T),
        "sums": x.sum(0) * y.mean(1).sum() + (x * 2).sum(), "largest": x.max(1) - y.argmax(1),
        "picked": x[T.arange(4), [0, 1, 2, 0]] * y[0, 0], "stretched": x[:, :1] + y[:1],
        "zero": x * 0 + y, "cast": x.astype("float32").astype("float64") + y,
        "distance": T.sqrt(T.sqr(x - y).sum()), "cumulated": T.cumsum(x, 0) - T.cumsum(y, 0),
    }


VARIATES = {
    "normal": lambda s: RS.normal((4, 3), state=s), "gamma": lambda s: RS.gamma((4, 3), 2.0,
                                                                             state=s),
    "bernoulli": lambda s: RS.bernoulli((4, 3), 0.5, dtype="float64", state=s) + 0.5,
}
NAMES = [p.name for p in PIPELINE if not p.required]


@pytest.mark.parametrize("graph", draws(VARIATES["normal"](A), VARIATES["normal"](B)))
@pytest.mark.parametrize("backend", BACKENDS)
def test_values_stay_whatever_is_rewritten(graph, backend):
    for make in VARIATES.values():
        out = draws(make(A), make(B))[graph]
        want = run([out])[0]
        with sg.options(backend=backend):
            np.testing.assert_allclose(sg.function([], out)(), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_values_stay_without_each_pass_and_with_it_alone(name):
    others = ",".join(f"-{n}" for n in NAMES if n != name)
    outs = list(draws(VARIATES["normal"](A), VARIATES["normal"](B)).values())
    want = run(outs)
    for passes in (f"-{name}", others):
        found = sg.function([], outs, mode=passes)()
        for got, value in zip(found, want, strict=True):
            np.testing.assert_allclose(got, value, rtol=1e-9, atol=1e-9)


def test_the_pool_merges_draws_of_one_state_only():
    same = [RS.normal((4, 3), state=A), RS.normal((4, 3), state=A)]
    one, two = Pool().intern(same)
    assert one is two
    shared = [RandomStream(1).normal((4, 3)) for _ in range(2)]  # equal values, two variables
    one, two = Pool().intern(shared)
    assert one is not two
    stream = RandomStream(1)
    one, two = Pool().intern([stream.normal(3), stream.normal(3)])
    assert one is not two


@pytest.mark.parametrize("kind", [RandomStream, MRG_RandomStreams, RandomStreams])
def test_draws_of_a_stream_stay_apart(kind):
    """Even where a rule would make of x - y nothing, of x / y one, of x + y twice x."""
    r = kind(3)
    x, y = r.uniform((6,), dtype="float64"), r.uniform((6,), dtype="float64")
    f = sg.function([], [x - y, x / y, x + y, x - x])
    r.seed(3)
    difference, quotient, total, nothing = f()
    r.seed(3)
    a, b = sg.function([], [x, y])()
    assert not np.any(a == b) and not np.any(nothing)
    np.testing.assert_allclose([difference, quotient, total], [a - b, a / b, a + b], rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [RandomStream, MRG_RandomStreams, RandomStreams])
def test_a_draw_read_twice_is_drawn_once_a_call(kind, backend):
    """In two kernels, in a branch, below a gradient, in an update: it is one draw, and its state
    moves on by one draw."""
    r = kind(3)
    x = r.normal((4, 3), dtype="float64")
    state, following = x.tag.update
    w, p = sg.shared(np.zeros((4, 3)), "w"), T.dscalar("p")
    cost = (T.dot(x, x.T) * p).sum() + x.max()
    outs = [x, x.sum(0), T.dot(x.T, x), T.switch(p > 0, x, -x), sg.grad(cost, p), x[1:], 2 * x]
    with sg.options(backend=backend):
        f = sg.function([p], outs, updates=[(w, w + x)])
    start = state.get_value()
    total = 0.0
    for _ in range(2):
        after = run([following])[0]
        a, columns, gram, branch, slope, rows, double = f(2.0)
        assert np.array_equal(state.get_value(), after)
        total = total + a
        np.testing.assert_allclose(columns, a.sum(0), rtol=1e-12)
        np.testing.assert_allclose(gram, a.T @ a, rtol=1e-12)
        np.testing.assert_allclose(slope, (a @ a.T).sum(), rtol=1e-9)
        for got, want in ((branch, a), (rows, a[1:]), (double, 2 * a), (w.get_value(), total)):
            np.testing.assert_allclose(got, want, rtol=1e-12)
    assert not np.array_equal(state.get_value(), start)


@pytest.mark.parametrize("kind", [RandomStream, MRG_RandomStreams, RandomStreams])
def test_the_state_moves_even_where_the_draw_cancels(kind):
    """Default updates are read off the graph that the user wrote: 0 * x still draws (B9)."""
    r = kind(3)
    x = r.uniform((3,))
    state = x.tag.update[0]
    before = state.get_value()
    f = sg.function([], [x - x, 0 * x])
    f()
    once = state.get_value()
    f()
    assert not np.array_equal(before, once) and not np.array_equal(once, state.get_value())
    assert not np.any(f()[0])


def test_a_draw_that_nothing_reads_leaves_its_state():
    r = RandomStream(3)
    x, y = r.uniform(3), r.uniform(3)
    f = sg.function([], y)
    before = x.tag.update[0].get_value()
    f()
    assert np.array_equal(before, x.tag.update[0].get_value())


def test_the_bits_of_a_draw_are_computed_in_one_kernel():
    """Words of one counter share their rounds: a normal number needs both halves, drawn once."""
    x = RS.normal((4, 3), state=A)
    both = [n for n in toposort([x]) if n.op is philox]
    assert len(both) == 2
    n = T.lscalar("n")
    s = T.vector("s", dtype="uint64")
    once = sg.function([s, n], RS.normal((n,), state=s))
    twice = sg.function([s, n], [RS.normal((n,), state=s), RS.normal((n,), state=s) * 2])
    text = once.source.count("3528531795"), twice.source.count("3528531795")
    assert text[0] == text[1] > 0


def test_givens_put_another_state_in():
    x = RandomStream(3).normal(4)
    f = sg.function([], x, givens={x.tag.update[0]: A}, no_default_updates=True)
    np.testing.assert_allclose(f(), RS.normal(4, state=A).eval(), rtol=1e-12)


def test_a_draw_inside_a_gradient_is_the_forward_one():
    """d/dw of sum((x w)^2): the x of the backward pass is that of the forward pass."""
    r, w = RandomStream(3), T.dvector("w")
    mask = r.bernoulli((5,), 0.5, dtype="float64")
    cost = ((w * mask) ** 2).sum()
    f = sg.function([w], [mask, sg.grad(cost, w)])
    for _ in range(4):
        m, g = f(np.arange(1.0, 6.0))
        np.testing.assert_allclose(g, 2 * np.arange(1.0, 6.0) * m)
