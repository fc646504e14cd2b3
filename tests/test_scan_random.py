"""Random draws in loops; and random loops, against loops of NumPy."""

import numpy as np
import pytest
from helpers import BACKENDS
from hypothesis import given, settings
from hypothesis import strategies as st

import symgrad as sg
import symgrad.tensor as T
from symgrad.interpret import run

STREAMS = {
    "RandomStream": (sg.random.RandomStream, lambda r: r.uniform((2,))),
    "MRG": (sg.random.MRG_RandomStreams, lambda r: r.uniform((2,))),
    "NumPy": (sg.random.RandomStreams, lambda r: r.uniform((2,))),
    "normal": (sg.random.MRG_RandomStreams, lambda r: r.normal((3,))),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("passed", [False, True])
def test_steps_draw_what_calls_draw(name, backend, passed):
    """n steps give the numbers of n calls, and the next call goes on from there."""
    make, draw = STREAMS[name]
    calls = sg.function([], draw(make(7)), backend=backend)
    want = [calls() for _ in range(12)]
    stream = make(7)
    o, updates = sg.scan(lambda: draw(stream), n_steps=4)
    assert len(updates) == 1
    f = sg.function([], o, updates=updates if passed else None, backend=backend)
    np.testing.assert_array_equal(np.concatenate([f(), f(), f()]), want)


@pytest.mark.parametrize("backend", BACKENDS)
def test_draws_of_loops_in_loops(backend):
    """An inner loop's draws go on from one outer step to the next, with or without its updates."""
    def drawn(pass_on):
        stream = sg.random.RandomStream(5)

        def outer(a):
            inner, updates = sg.scan(lambda: stream.uniform(()), n_steps=3)
            return (inner + a, updates) if pass_on else inner + a

        o, updates = sg.scan(outer, np.zeros(4))
        assert len(updates) == 1
        f = sg.function([], o, updates=updates if pass_on else None, backend=backend)
        return np.concatenate([f().ravel(), f().ravel()])

    stream = sg.random.RandomStream(5)
    call = sg.function([], stream.uniform(()), backend=backend)
    want = [call() for _ in range(24)]
    np.testing.assert_array_equal(drawn(False), want)
    np.testing.assert_array_equal(drawn(True), want)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_draw_made_before_the_loop_is_one_draw(backend):
    stream = sg.random.RandomStream(2)
    noise = stream.uniform((3,))
    o, updates = sg.scan(lambda a: a + noise, np.zeros(4))
    assert not updates
    f = sg.function([], o, backend=backend)
    first, second = f(), f()
    assert np.all(first == first[0]) and not np.any(first == second)


def test_several_draws_and_seeds():
    stream = sg.random.RandomStream(9)
    (a, b), updates = sg.scan(lambda: [stream.uniform(()), stream.normal(())], n_steps=5)
    assert len(updates) == 2 and len(stream.updates()) == 2
    f = sg.function([], [a, b])
    first, second = f(), f()
    stream.seed()
    for got, want in zip(f(), first, strict=True):
        np.testing.assert_array_equal(got, want)
    assert not np.array_equal(first[0], second[0])


def test_gradients_flow_through_draws():
    """Of a random walk with drift m and scale s: d end / dm is the number of steps."""
    stream, m, s = sg.random.RandomStream(4), T.dscalar("m"), T.dscalar("s")
    walk, _ = sg.scan(lambda x: x + stream.normal((), m, s), outputs_info=np.float64(0), n_steps=9)
    f = sg.function([m, s], [walk[-1], *sg.grad(walk[-1], [m, s])])
    end, dm, ds = f(0.5, 2.0)
    assert dm == 9
    np.testing.assert_allclose(end, 9 * 0.5 + 2.0 * ds)


def test_the_same_step_twice_draws_twice():
    stream = sg.random.RandomStream(1)

    def step():
        return stream.uniform(())

    f = sg.function([], [sg.scan(step, n_steps=3)[0], sg.scan(step, n_steps=3)[0]])
    a, b = f()
    assert not np.any(a == b)


# -- random loops


def taps(low, high, least=1):
    return st.lists(st.integers(low, high), min_size=least, max_size=3, unique=True)


@settings(deadline=None, max_examples=40)
@given(taps(-3, 3), taps(1, 4), taps(1, 3, 0), st.integers(0, 9), st.booleans(), st.booleans(),
       st.integers(0, 2**32 - 1))
def test_random_recurrences(ahead, back, second, rows, backwards, bounded, seed):
    """Two states that read one another, with random taps and weights; values and gradients."""
    rng = np.random.default_rng(seed)
    rows += max(0, *ahead) - min(0, *ahead)
    X = rng.normal(size=rows)
    A, B, C = (rng.normal(size=len(t)) * 0.4 for t in (ahead, back, second))
    S, R = rng.normal(size=max(back)), rng.normal(size=max(second, default=1))
    bend, np_bend = (T.tanh, np.tanh) if bounded else (lambda v: v, lambda v: v)

    def loop(x, s, r):
        s, r, out, more = list(s), list(r), [], []
        order = range(-min(0, *ahead), len(x) - max(0, *ahead))
        for t in reversed(order) if backwards else order:
            v = sum(a * x[t + k] for a, k in zip(A, ahead, strict=True))
            u = sum(b * s[-k] for b, k in zip(B, back, strict=True))
            q = sum(c * r[-k] for c, k in zip(C, second, strict=True))
            new, other = np_bend(u + v * 0.5 + q), np_bend(v - u)
            s.append(new)
            out.append(new)
            if second:
                r.append(other)
            more.append(other)
        return np.array(out), np.array(more)

    x, s, r = T.dvector("x"), T.dvector("s"), T.dvector("r")

    def step(*given):
        xs, rest = given[:len(ahead)], given[len(ahead):]
        v = sum(a * e for a, e in zip(A, xs, strict=True))
        u = sum(b * e for b, e in zip(B, rest, strict=False))
        q = sum(c * e for c, e in zip(C, rest[len(back):], strict=True))
        return [bend(u + v * 0.5 + q), bend(v - u)]

    def first(init, taps):
        return init[0] if taps == [1] else init

    begin = [{"initial": first(s, back), "taps": [-k for k in back]},
             {"initial": first(r, second), "taps": [-k for k in second]} if second else None]
    (o, m), _ = sg.scan(step, {"input": x, "taps": ahead}, begin, go_backwards=backwards)
    given = {x: X, s: S, r: R}
    want = loop(X, S, R)
    for got, w in zip(run([o, m], given), want, strict=True):
        np.testing.assert_allclose(got, w, rtol=1e-9, atol=1e-12)
    cost = (o ** 2).sum() + (m * 3).sum()
    wrt = [x, s]
    f = sg.function([x, s, r], [o, *sg.grad(cost, wrt, disconnected_inputs="ignore")],
                    backend="numpy", on_unused_input="ignore")
    got = f(X, S, R)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-9, atol=1e-12)

    def value(x, s):
        o, m = loop(x, s, R)
        return (o ** 2).sum() + (m * 3).sum()

    e = 1e-6
    for k, arrays in enumerate((X, S)):
        d = rng.normal(size=arrays.shape)
        up, down = ([X, S], [X, S])
        up[k], down[k] = arrays + e * d, arrays - e * d
        np.testing.assert_allclose(np.sum(got[1 + k] * d), (value(*up) - value(*down)) / (2 * e),
                                   rtol=1e-5, atol=1e-6 * (1 + abs(value(X, S))))
