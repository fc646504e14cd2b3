"""`sg.scan`: values, derivatives, conditions, loops in loops, updates, against Python loops."""

import numpy as np
import pytest
from helpers import BACKENDS, quotient

import symgrad as sg
import symgrad.tensor as T
from symgrad.interpret import run

RNG = np.random.default_rng(3)
ROWS, W, H = RNG.normal(size=(6, 3)), RNG.normal(size=(3, 3)) * 0.6, RNG.normal(size=3)
rows, w, h = T.dmatrix("rows"), T.dmatrix("w"), T.dvector("h")


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


def rnn(r, s, w):
    return T.tanh(r + T.dot(s, w))


def by_hand(rows, h, w):
    out = []
    for r in rows:
        h = np.tanh(r + h @ w)
        out.append(h)
    return np.array(out).reshape(-1, 3)


def check_gradient(outputs, inputs, arrays, backend=None, along=None):
    """The gradient of a random sum of the outputs, against difference quotients."""
    rng = np.random.default_rng(0)
    cost = sum((o * T.sin(o + k)).sum() for k, o in enumerate(outputs))
    g = sg.function(inputs, sg.grad(cost, inputs), backend=backend)
    f = sg.function(inputs, cost, backend=backend)
    slopes = g(*arrays)
    for k, a in enumerate(arrays):
        for _ in range(2):
            d = [np.zeros(b.shape) for b in arrays]
            d[k] = rng.normal(size=a.shape)
            found = quotient(lambda args: f(*args), arrays, d)
            np.testing.assert_allclose(np.sum(slopes[k] * d[k]), found, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_recurrence(backend):
    o, _ = sg.scan(rnn, rows, h, w)
    f = sg.function([rows, h, w], [o, o[-1], sg.grad(o[-1].sum(), w)], backend=backend)
    every, last, _ = f(ROWS, H, W)
    close(every, by_hand(ROWS, H, W))
    close(last, every[-1])
    close(f(ROWS[:2], H, W)[0], every[:2])
    check_gradient([o], [rows, h, w], [ROWS, H, W], backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_closed_over(backend):
    """Constants, inputs, expressions and shared variables from outside, also of a dtype alone."""
    s = sg.shared(2.0, "s")
    big = T.exp(w).sum(axis=0)
    o, _ = sg.scan(lambda r, b: [r * big + s * b + T.zeros((3,)) + T.arange(3), r.sum()],
                   rows, [h, None])
    f = sg.function([rows, h, w], [*o, sg.grad(o[0].sum(), s)], backend=backend)
    want, b, slope = [], H, 0
    for r in ROWS:
        slope = b + 2 * slope if len(want) else b
        b = r * np.exp(W).sum(axis=0) + 2 * b + np.arange(3)
        want.append(b)
    got = f(ROWS, H, W)
    close(got[0], want)
    close(got[1], ROWS.sum(axis=1))
    check_gradient(o, [rows, h, w], [ROWS, H, W], backend)
    s.set_value(0.0)
    close(f(ROWS, H, W)[0], ROWS * np.exp(W).sum(axis=0) + np.arange(3))


@pytest.mark.parametrize("backend", BACKENDS)
def test_second_order_and_forward_mode(backend):
    o, _ = sg.scan(rnn, rows, h, w)
    cost = (o[-1] ** 2).sum()
    g = sg.grad(cost, h)
    hess = sg.hessian(cost, h)
    v = T.dvector("v")
    moved = sg.Rop(o, h, v)
    f = sg.function([rows, h, w, v], [g, hess, moved, T.dot(hess, v), sg.grad((g * v).sum(), h)],
                    backend=backend)
    V = RNG.normal(size=3)
    slope, matrix, tangent, times, again = f(ROWS, H, W, V)
    value = sg.function([rows, h, w], [cost, g, o], backend=backend)
    e = 1e-6
    up, down = value(ROWS, H + e * V, W), value(ROWS, H - e * V, W)
    np.testing.assert_allclose(slope @ V, (up[0] - down[0]) / (2 * e), rtol=1e-6)
    np.testing.assert_allclose(times, (up[1] - down[1]) / (2 * e), rtol=1e-5)
    np.testing.assert_allclose(tangent, (up[2] - down[2]) / (2 * e), rtol=1e-5, atol=1e-9)
    close(matrix, matrix.T)
    close(again, times)


# -- until


@pytest.mark.parametrize("backend", BACKENDS)
def test_until(backend):
    """The row of the step that stops is the last one; gradients know how many steps there were."""
    x, most, a = T.dvector("x"), T.dscalar("most"), T.dscalar("a")
    (sums, twice), _ = sg.scan(lambda e, s: ([s * a + e, 2 * s], sg.until(s * a + e >= most)), x,
                               [1.0, None])
    f = sg.function([x, most, a], [sums, twice, sums[-1], sums.shape[0],
                                   *sg.grad((sums ** 2).sum() + twice.sum(), [x, a])],
                    backend=backend)
    X = np.arange(1.0, 7.0)
    for limit, steps in ((0, 1), (3, 2), (10, 4), (1e9, 6)):
        s, want, slope, slopes = 1.0, [], 0.0, np.zeros(6)
        total_a, total_x, dx = 0.0, np.zeros(6), np.zeros(6)
        both = []
        for k, e in enumerate(X):
            both.append(2 * s)
            total_a += 2 * slope
            total_x += 2 * dx
            slope, dx = s + slope * 1.0, dx.copy()
            dx[k] += 1
            s = s + e
            want.append(s)
            total_a += 2 * s * slope
            total_x += 2 * s * dx
            if s >= limit:
                break
        got = f(X, limit, 1.0)
        assert len(want) == steps == got[3]
        close(got[0], want)
        close(got[1], both)
        assert got[2] == want[-1]
        close(got[4], total_x)
        close(got[5], total_a)
    assert not slopes.any()


def test_a_loop_that_looks_for_a_root():
    """While loops: how many steps they take depends on the data; the gradient is that of the steps
    that were taken."""
    a = T.dscalar("a")
    x, _ = sg.scan(lambda x: ((x + a / x) / 2, sg.until(abs(x * x - a) < 1e-12)),
                   outputs_info=T.ones_like(a), n_steps=100)
    f = sg.function([a], [x[-1], x.shape[0], sg.grad(x[-1], a)])
    for v in (0.01, 2.0, 1e6):
        root, steps, slope = f(v)
        np.testing.assert_allclose([root, slope], [np.sqrt(v), 0.5 / np.sqrt(v)], rtol=1e-9)
        assert 5 <= steps < 30


# -- loops in loops


@pytest.mark.parametrize("backend", BACKENDS)
def test_nested(backend):
    def outer(row, total):
        def inner(e, acc):
            return acc * 0.5 + e * w[0] + total.sum()

        acc, _ = sg.scan(inner, row, T.zeros_like(row))
        return total + acc[-1]

    o, _ = sg.scan(outer, rows, h)
    total, want = H, []
    for r in ROWS:
        acc = np.zeros(3)
        for e in r:
            acc = acc * 0.5 + e * W[0] + total.sum()
        total = total + acc
        want.append(total)
    close(sg.function([rows, h, w], o, backend=backend)(ROWS, H, W), want)
    check_gradient([o[-1] * 1e-3], [rows, h, w], [ROWS * 0.1, H * 0.1, W], backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_that_stops_in_one_that_stops(backend):
    x, y = T.dvector("x"), T.dvector("y")

    def outer(a, last):
        inner, _ = sg.scan(lambda b, s: (s + a * b, sg.until(s + a * b > 10)), y, last)
        return (inner[-1] / 2, sg.until(inner[-1] > 20))

    o, _ = sg.scan(outer, x, np.float64(0))
    X, Y = np.arange(1.0, 8.0), np.array([1.0, 2.0, 3.0])
    last, want = 0.0, []
    for a in X:
        s = last
        for b in Y:
            s += a * b
            if s > 10:
                break
        want.append(s / 2)
        last = s / 2
        if s > 20:
            break
    close(sg.function([x, y], o, backend=backend)(X, Y), want)
    check_gradient([o], [x, y], [X + 0.1, Y], backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gradient_in_the_step(backend):
    """Descent, and a leapfrog step, and the gradient through all of it."""
    def leap(q, p):
        energy = (T.sqr(T.sqr(q)) / 4 + T.cos(q)).sum()
        half = p - 0.05 * sg.grad(energy, q)
        q = q + 0.1 * half
        energy = (T.sqr(T.sqr(q)) / 4 + T.cos(q)).sum()
        return [q, half - 0.05 * sg.grad(energy, q)]

    p0 = T.dvector("p")
    (q, p), updates = sg.scan(leap, outputs_info=[h, p0], n_steps=5)
    assert not updates

    def force(q):
        return q ** 3 - np.sin(q)

    Q, P, want = H, ROWS[0], []
    for _ in range(5):
        half = P - 0.05 * force(Q)
        Q = Q + 0.1 * half
        P = half - 0.05 * force(Q)
        want.append(Q)
    close(sg.function([h, p0], q, backend=backend)(H, ROWS[0]), want)
    check_gradient([q, p], [h, p0], [H, ROWS[0]], backend)


# -- shared variables that move


@pytest.mark.parametrize("backend", BACKENDS)
def test_updates_of_shared_variables(backend):
    s = sg.shared(np.float64(1), "s")
    doubled = s * 2  # an expression of what moves moves with it
    x = T.dvector("x")
    o, updates = sg.scan(lambda a: (a * s + doubled, {s: s + a}), x)
    f = sg.function([x], o, updates=updates, backend=backend)
    X = np.arange(1.0, 4.0)
    close(f(X), [1 + 2, 2 * 2 + 4, 3 * 4 + 8])
    assert s.get_value() == 7
    g = sg.function([x], sg.grad(o.sum() + updates[s], [x, s]), backend=backend)
    close(g(X)[1], sum(a + 2 for a in X) + 1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_updates_pass_outwards(backend):
    s = sg.shared(np.float64(0), "s")

    def outer(a):
        inner, updates = sg.scan(lambda: (s, {s: s + a}), n_steps=3)
        return inner.sum(), updates

    x = T.dvector("x")
    o, updates = sg.scan(outer, x)
    f = sg.function([x], o, updates=updates, backend=backend)
    close(f([1.0, 10.0]), [0 + 1 + 2, 3 + 13 + 23])
    assert s.get_value() == 33

    def forgets(a):
        inner, _ = sg.scan(lambda: (s, {s: s + a}), n_steps=3)
        return inner.sum()

    o, updates = sg.scan(forgets, x)  # then each begins where the outer loop did
    assert not updates
    close(sg.function([x], o, backend=backend)([1.0, 10.0]), [99 + 3, 99 + 30])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("backend", BACKENDS[:-1])
def test_random_loops_in_loops(seed, backend):
    """Chunks, cut-off gradients, conditions and updates inside one another, as interpreted."""
    choose = np.random.default_rng(seed + 10).random(8) < 0.4
    s = sg.shared(np.ones(3), "s")

    def outer(row, last):
        y = T.tanh(T.dot(row, w))

        def inner(e, acc):
            v = T.sin(acc * 0.7 + e * y + last * 0.3 + (s if choose[0] else 0))
            made = [v, (v * row).sum()]
            return (made, sg.until(made[1] > 0.8)) if choose[1] else made

        (a, b), _ = sg.scan(inner, row, [last if choose[2] else T.zeros_like(row), None],
                            checkpoint_every=2 if choose[3] else None)
        new = last * 0.4 + a[-1]
        return [new, b.sum()], {s: s * 0.5 + new} if choose[4] else {}

    (o, p), updates = sg.scan(outer, rows, [h, None], go_backwards=bool(choose[5]),
                              checkpoint_every=3 if choose[6] else None,
                              truncate_gradient=4 if choose[7] else -1)
    outputs = [o, p, *sg.grad((o ** 2).sum() + p.sum(), [rows, w, h]), *updates.values()]
    want = run(outputs, {rows: ROWS, w: W, h: H})
    got = sg.function([rows, w, h], outputs, backend=backend, on_unused_input="ignore")(ROWS, W, H)
    for a, b in zip(got, want, strict=True):
        close(a, b)
