"""Loops in chunks give what plain ones give, for any number of steps; and budgets of memory."""

import numpy as np
import pytest
from helpers import BACKENDS
from hypothesis import given, settings
from hypothesis import strategies as st

import symgrad as sg
import symgrad.tensor as T
from symgrad.interpret import run

RNG = np.random.default_rng(5)
x, w, h, past, n = (T.dmatrix("x"), T.dmatrix("w"), T.dvector("h"), T.dmatrix("past"),
                    T.lscalar("n"))
GIVEN = {w: RNG.normal(size=(3, 3)) * 0.5, h: RNG.normal(size=3), past: RNG.normal(size=(2, 3))}
KINDS = ("plain", "taps", "until", "cut off", "symbolic")


def made(kind, every):
    """Two outputs and some gradients of a loop."""
    def step(a, *earlier):
        new = T.tanh(a + earlier[-1] @ w - (earlier[0] if kind == "taps" else 0))
        outputs = [new, (new * a).sum()]
        return (outputs, sg.until(new.sum() > 1.2)) if kind == "until" else outputs

    begin, options = h, {}
    if kind == "taps":
        begin = {"initial": past, "taps": [-2, -1]}
    if kind == "cut off":
        options["truncate_gradient"] = 3
    if kind == "symbolic":
        options["n_steps"] = n
    (o, m), _ = sg.scan(step, x, [begin, None], checkpoint_every=every, **options)
    cost = (o ** 2).sum() + 2 * m.sum()
    return [o, m, *sg.grad(cost, [x, w, past if kind == "taps" else h]),
            sg.grad(o[-1].sum() if kind != "until" else o[0].sum(), w)]


def same(got, want):
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("every", [1, 2, 3, 4, True, 100])
def test_interpreted(kind, every):
    plain, chunked = made(kind, None), made(kind, every)
    for steps in (1, 2, 5, 6, 7, 12):
        values = {**GIVEN, x: RNG.normal(size=(steps, 3)), n: np.int64(steps)}
        same(run(chunked, values), run(plain, values))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(kind, backend):
    inputs = [x, w, h, past, n]
    plain, *chunked = [sg.function(inputs, made(kind, every), backend=backend,
                                   on_unused_input="ignore") for every in (None, 3, "sqrt")]
    for steps in (1, 3, 4, 7, 9):
        values = {**GIVEN, x: RNG.normal(size=(steps, 3)), n: steps}
        values = [values[i] for i in inputs]
        want = plain(*values)
        for f in chunked:
            same(f(*values), want)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_steps(backend):
    o, _ = sg.scan(lambda a, s: a + s, x, h, checkpoint_every=2)
    f = sg.function([x, h], [o, sg.grad(o.sum(), h)], backend=backend)
    got = f(np.zeros((0, 3)), np.ones(3))
    assert got[0].shape == (0, 3) and not got[1].any()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 12), st.sampled_from(["known", "symbolic"]))
def test_any_number_of_steps_in_chunks_of_any_size(steps, every, how):
    a, k = T.dscalar("a"), T.lscalar("k")
    count, size = (steps, every) if how == "known" else (n, k)
    o, _ = sg.scan(lambda s: T.sin(a * s + 1), outputs_info=a, n_steps=count,
                   checkpoint_every=size)
    plain, _ = sg.scan(lambda s: T.sin(a * s + 1), outputs_info=a, n_steps=count)
    outputs = [o, sg.grad(o[-1], a), sg.grad(o.sum(), a)]
    want = [plain, sg.grad(plain[-1], a), sg.grad(plain.sum(), a)]
    values = {a: np.float64(0.8), n: np.int64(steps), k: np.int64(every)}
    same(run(outputs, values), run(want, values))


def test_shared_variables_and_draws_go_on_through_chunks():
    s = sg.shared(np.float64(0), "s")
    stream = sg.random.RandomStream(3)
    (a, b), updates = sg.scan(lambda e: ([e + s, stream.uniform(())], {s: s + 1}), h,
                              checkpoint_every=2)
    f = sg.function([h], [a, b], updates=updates)
    first, second = f(np.zeros(5)), f(np.zeros(5))
    np.testing.assert_array_equal(first[0], np.arange(5))
    np.testing.assert_array_equal(second[0], np.arange(5, 10))
    assert len({*first[1], *second[1]}) == 10
    again = sg.random.RandomStream(3)
    plain, _ = sg.scan(lambda e: again.uniform(()) + 0 * e, h)
    np.testing.assert_array_equal(sg.function([h], plain)(np.zeros(10)), [*first[1], *second[1]])


def test_few_states_are_kept():
    """The loop over chunks has one state a chunk, and forgets what its steps computed."""
    o, _ = sg.scan(lambda s: T.tanh(s @ w), outputs_info=h, n_steps=100, checkpoint_every=10)
    chunks, rest = [i for i in sg.node.toposort([o]) if i.op.name == "loop"]
    assert chunks.attrs[0].save is False and rest.attrs[0].save is True
    assert chunks.type.items[0].shape[:2] == (10, 1)  # nine, and the first
    assert rest.type.items[0].shape[0] == 11


def test_a_budget_of_memory():
    start, m = T.tensor("float64", (64,), name="start"), T.tensor("float64", (64, 64), name="m")

    def loop(memory):
        o, _ = sg.scan(lambda s: T.tanh(s @ m), outputs_info=start, n_steps=10_000, memory=memory)
        return [i for i in sg.node.toposort([o]) if i.op.name == "loop"]

    assert len(loop(10**9)) == 1  # all of it fits
    row = 64 * 8
    for budget in (3e6, 1e6, 400 * row):
        chunks, rest = loop(budget)
        kept, size = chunks.type.items[0].shape[0], rest.type.items[0].shape[0] - 1
        assert kept * row + size * row <= budget
    with pytest.raises(sg.errors.ArgumentError, match="10000 steps do not fit into 50000 bytes"):
        loop(50_000)


def test_scan_checkpoints():
    """The rows of every N-th step, and of the last one, as Theano's; gradients are those of the
    whole."""
    for steps in (1, 4, 5, 6):
        X = RNG.normal(size=(steps, 3))
        plain, _ = sg.scan(lambda a, s, k: T.tanh(a * k + s), x, h, 2.0)
        (few, total), updates = sg.scan_checkpoints(
            lambda a, s, k: [T.tanh(a * k + s), a.sum()], [x], [h, None], [2.0], save_every_N=2,
            padding=False)
        assert not updates
        picked = sorted({*range(1, steps, 2), steps - 1})
        want = run([plain, sg.grad(plain[-1].sum(), h)], {**GIVEN, x: X})
        got = run([few, sg.grad(few[-1].sum(), h), total], {**GIVEN, x: X})
        same(got, [want[0][picked], want[1], X.sum(axis=1)[picked]])
    few, _ = sg.scan_checkpoints(lambda a, s: a + s, x, [h], n_steps=4, save_every_N=3)
    assert run([few], {**GIVEN, x: RNG.normal(size=(6, 3))})[0].shape == (2, 3)
