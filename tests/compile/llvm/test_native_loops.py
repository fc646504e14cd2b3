"""Loops in machine code: where states live, what is laid out before, what the report tells, how
much memory a call takes; and the steps that loops brought with them."""

import re

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import symgrad as sg  # noqa: E402
import symgrad.tensor as T  # noqa: E402
from symgrad.errors import IndexingError, NonFiniteError, ShapeError  # noqa: E402

RNG = np.random.default_rng(0)


def native(inputs, outputs, **options):
    return sg.function(inputs, outputs, backend="llvm", **options)


def only_loop(f):
    """The piece of the one loop of a function."""
    found, = [p for p in f.code.driver.pieces if p.kind == "loop"]
    return found


def never_python(f):
    assert not f.report.account.python, f.report.account.python


# -- states


def test_a_state_that_is_no_result_is_written_over():
    x, n = T.dvector("x"), T.lscalar("n")
    rows, _ = sg.scan(lambda v: v * 0.5 + 1, outputs_info=x, n_steps=n)
    f = native([x, n], rows[-1])
    inner = only_loop(f).inner
    assert inner.over == [True] and inner.filled == [False]
    v = RNG.normal(size=5)
    want = v
    for _ in range(7):
        want = want * 0.5 + 1
    np.testing.assert_array_equal(f(v, 7), want)
    assert f.memory([v.shape, np.asarray(10)]).total == f.memory([v.shape, np.asarray(9999)]).total
    never_python(f)


def test_states_that_a_step_cannot_write_over_go_round():
    x, n = T.dvector("x"), T.lscalar("n")
    rows, _ = sg.scan(lambda v: v[::-1] * 0.5 + v, outputs_info=x, n_steps=n)
    f = native([x, n], rows[-1])
    assert only_loop(f).inner.over == [False]
    v = RNG.normal(size=6)
    for steps in (1, 2, 5):
        want = v
        for _ in range(steps):
            want = want[::-1] * 0.5 + want
        np.testing.assert_allclose(f(v, steps), want, rtol=1e-12)
    with pytest.raises(IndexingError):  # there is no last row of none, but that it began with
        f(v, 0)


NUMBERS = {  # steps of nothing but numbers: (first rows of each state, step, result)
    "one": ([[1.0]], lambda s, x: [0.5 * s[0][-1] + x]),
    "two that change places": ([[1.0], [2.0]], lambda s, x: [s[1][-1], s[0][-1] * 0.3 + x]),
    "two back": ([[1.0, 2.0]], lambda s, x: [s[0][-1] * 0.5 - s[0][-2] * 0.25 + x]),
    "three back, and one": ([[1.0, 2.0, 3.0], [0.5]],
                            lambda s, x: [s[0][-3] * 0.5 + s[1][-1], s[0][-1] * 0.1 - x]),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3, 9])
@pytest.mark.parametrize("which", NUMBERS)
def test_states_that_are_numbers_stay_in_registers(which, steps, kept, backwards):
    starts, step = NUMBERS[which]
    taps = [list(range(-len(s), 0)) for s in starts]

    def symbolic(x, *flat):
        flat = iter(flat)
        return step([[next(flat) for _ in t] for t in taps], x)

    x, firsts = T.dvector("x"), [T.dvector(f"s{k}") for k in range(len(starts))]
    outs, _ = sg.scan(symbolic, sequences=x, go_backwards=backwards, outputs_info=[
        {"initial": first if t[1:] else first[0], "taps": t}
        for first, t in zip(firsts, taps, strict=True)])
    outs = outs if isinstance(outs, list) else [outs]
    f = native([x, *firsts], [o if kept else o[-1] for o in outs])
    assert only_loop(f).inner.numbers_only
    v = RNG.normal(size=steps)
    want = [list(s) for s in starts]
    for e in v[::-1] if backwards else v:
        for s, new in zip(want, step(want, e), strict=True):
            s.append(new)
    for have, s, first in zip(f(v, *[np.array(s) for s in starts]), want, starts, strict=True):
        np.testing.assert_allclose(have, s[len(first):] if kept else s[-1], rtol=1e-14)


def test_a_step_of_numbers_stores_nothing():
    x, a, n = T.dscalar("x"), T.dscalar("a"), T.lscalar("n")
    rows, _ = sg.scan(lambda v: a * v + 1, outputs_info=x, n_steps=n)
    f = native([x, a, n], rows[-1])
    assert f.asm.count("mulsd") == 1
    before, _, after = f.asm.partition("mulsd")
    loop = before.rpartition(":")[2] + after.partition("\tj")[0]
    assert not [line for line in loop.splitlines() if "mov" in line], loop
    until, _ = sg.scan(lambda v: (a * v + 1, sg.until(v > 50)), outputs_info=x, n_steps=n)
    f = native([x, a, n], until)
    np.testing.assert_array_equal(f(1.0, 3.0, 100), [4.0, 13.0, 40.0, 121.0, 364.0])
    np.testing.assert_array_equal(f(1.0, 3.0, 2), [4.0, 13.0])


@pytest.mark.parametrize("shape", [(6, 6), (9, 3), (3, 40), (1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", [1, 8, 20])
def test_matrices_that_are_laid_out_before_the_loop(shape, dtype, steps):
    """Transposed ones, and those of few rows by columns: whether or not it pays."""
    A, B = (T.tensor(dtype, (None, None), name=n) for n in "AB")
    x, Z = T.tensor(dtype, (None, None), name="x"), T.tensor(dtype, (None, None), name="Z")
    (rows, mats), _ = sg.scan(lambda v, z, m: (T.tanh(T.dot(A, v)), T.tanh(T.dot(z, B.T))),
                              sequences=x, outputs_info=[None, Z], non_sequences=T.ones((1,)))
    f = native([A, B, x, Z], [rows, mats[-1]])
    a, b = RNG.normal(size=shape).astype(dtype), RNG.normal(size=(4, 4)).astype(dtype)
    v, z = (RNG.normal(size=s).astype(dtype) for s in ((steps, shape[1]), (3, 4)))
    have, last = f(a, b, v, z)
    for _ in range(steps):
        z = np.tanh(z @ b.T)
    near = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(have, np.tanh(v @ a.T), rtol=near, atol=near)
    np.testing.assert_allclose(last, z, rtol=near, atol=near)
    again, _ = f(a[:, ::-1][:, ::-1], np.asfortranarray(b), v, np.asfortranarray(z))
    np.testing.assert_allclose(again, have, rtol=near, atol=near)


def test_a_recurrence_with_its_gradient_never_calls_python():
    A, b, x = T.dmatrix("A"), T.dvector("b"), T.dvector("x")
    rows, _ = sg.scan(lambda v: T.tanh(T.dot(A, v) + b), outputs_info=x, n_steps=50)
    cost = (rows ** 2).sum()
    f = native([A, b, x], [cost, *sg.grad(cost, [A, b, x])])
    never_python(f)
    assert [p.kind for p in f.code.driver.pieces].count("loop") == 2


def test_gates_cut_out_of_a_matrix_and_their_gradient_never_call_python():
    n = 8
    x, W, U = T.ftensor3("x"), T.fmatrix("W"), T.fmatrix("U")

    def step(row, h, c):
        z = T.dot(row, W) + T.dot(h, U)
        i, f, o, g = [z[:, k * n:(k + 1) * n] for k in range(4)]
        c = T.nnet.sigmoid(f) * c + T.nnet.sigmoid(i) * T.tanh(g)
        return T.nnet.sigmoid(o) * T.tanh(c), c

    zero = T.zeros((x.shape[1], n), dtype="float32")
    (rows, _), _ = sg.scan(step, sequences=x, outputs_info=[zero, zero])
    cost = (rows ** 2).sum()
    wanted = [cost, *sg.grad(cost, [x, W, U])]
    f = native([x, W, U], wanted)
    never_python(f)
    values = [RNG.normal(size=s).astype("float32") * 0.3 for s in ((5, 3, 6), (6, 32), (8, 32))]
    for have, want in zip(f(*values), sg.function([x, W, U], wanted, backend="numpy")(*values),
                          strict=True):
        np.testing.assert_allclose(have, want, rtol=2e-4, atol=1e-5)
    with pytest.raises(ShapeError):
        f(values[0], values[1][:, :-1], values[2][:, :-1])


def test_draws_in_steps_never_call_python():
    stream = sg.random.RandomStream(seed=3)
    x = T.fmatrix("x")

    def step(v):
        p = T.nnet.sigmoid(v)
        noise = stream.normal(p.shape, dtype="float32") * np.float32(0.1)
        return stream.bernoulli(size=p.shape, p=p, dtype="float32") - noise

    rows, updates = sg.scan(step, outputs_info=x, n_steps=4)
    f = native([x], rows[-1], updates=updates)
    inside = [s for line in f.report.account.steps if line.kind == "loop" for s in line.inside]
    assert inside and not [s.name for s in inside if s.kind == "python"]
    v = RNG.normal(size=(3, 5)).astype("float32")
    assert not np.array_equal(f(v), f(v))


# -- what there is to see


def test_the_report_and_the_memory_of_a_loop():
    x, h, W = T.dmatrix("x"), T.dvector("h"), T.dmatrix("W")
    rows, _ = sg.scan(lambda row, v: T.tanh(T.dot(v, W) + row), sequences=x, outputs_info=h)
    cost = (rows ** 2).sum()
    f = native([x, h, W], [cost, *sg.grad(cost, [x, h, W])])
    text = str(f.report)
    assert re.search(r"loop .*: loop, item.*; \d+ steps inside\n +0 ", text)
    small, large = (f.memory([(n, 3), (3,), (3, 3)]) for n in (10, 1000))
    assert 990 * 3 * 8 * 2 <= large.total - small.total <= 990 * 3 * 8 * 6
    f(np.ones((1000, 3)), np.ones(3), np.ones((3, 3)))
    state = f.code.state()
    state.run([np.ones((1000, 3)), np.ones(3), np.ones((3, 3))])
    assert len(state.keep[-1]) == large.arena


@pytest.mark.parametrize("mode", ["debug", "nan", "debug nan"])
def test_loops_are_watched(mode):
    x, h = T.dmatrix("x"), T.dvector("h")
    rows, _ = sg.scan(lambda row, v: T.log(row) * v, sequences=x, outputs_info=h)
    f = native([x, h], [rows, sg.grad(rows.sum(), h)], mode=mode)
    values = np.full((4, 2), 3.0), np.ones(2)
    want = np.log(3.0) ** np.arange(1, 5)[:, None] * np.ones(2)
    np.testing.assert_allclose(f(*values)[0], want)
    if "nan" in mode:
        values[0][2, 1] = 0
        with pytest.raises(NonFiniteError, match=r"log: -inf at \[1\] from finite values"):
            f(*values)


def test_two_threads_make_the_same():
    x, h, W = T.dmatrix("x"), T.dvector("h"), T.dmatrix("W")
    rows, _ = sg.scan(lambda row, v: T.tanh(T.dot(v, W) + row), sequences=x, outputs_info=h)
    values = [RNG.normal(size=s) for s in ((9, 70), (70,), (70, 70))]
    one, two = (native([x, h, W], sg.grad(rows.sum(), W), threads=k) for k in (1, 2))
    np.testing.assert_array_equal(one(*values), two(*values))


# -- steps that came with loops: parts that are written, shapes that only the call tells


@pytest.mark.parametrize("set_", [False, True])
@pytest.mark.parametrize("key", [
    (slice(1, None),), (slice(None, 2),), (slice(None), slice(1, 3)), (-1,),
    (slice(None, None, 2),),
    (slice(None, None, -1), 1), ("n",), (slice("n", None),), (slice(None, "n"), slice(1, None))])
def test_writing_into_a_part(key, set_):
    x, y, n = T.dmatrix("x"), T.dscalar("y"), T.lscalar("n")

    def at(number):
        return tuple([slice(*[number if p == "n" else p for p in (e.start, e.stop, e.step)])
                      if isinstance(e, slice) else number if e == "n" else e for e in key])

    part = x[at(n)]
    write = T.set_subtensor if set_ else T.inc_subtensor
    out = [write(part, y), write(part, part * 2 + y), x]
    f = native([x, y, n], out, on_unused_input="ignore")
    never_python(f)
    for value in (RNG.normal(size=(5, 4)), RNG.normal(size=(4, 5)).T):
        first, second, same = f(value, 0.5, 2)
        want, other = value.copy(), value.copy()
        if set_:
            want[at(2)] = 0.5
            other[at(2)] = value[at(2)] * 2 + 0.5
        else:
            want[at(2)] += 0.5
            other[at(2)] += value[at(2)] * 2 + 0.5
        np.testing.assert_array_equal(first, want)
        np.testing.assert_allclose(second, other, rtol=1e-14)
        np.testing.assert_array_equal(same, value)


def test_a_part_of_another_length():
    x, y = T.dmatrix("x"), T.dmatrix("y")
    f = native([x, y], T.set_subtensor(x[1:], y))
    f(np.ones((4, 2)), np.zeros((3, 2)))
    with pytest.raises(ShapeError, match="lengths? .*(3|2)"):
        f(np.ones((4, 2)), np.zeros((2, 2)))


@pytest.mark.parametrize("asked, fits", [((6, 2), True), ((4, 3), True), ((-1, 2), True),
                                         ((3, -1), True), ((5, 2), False), ((-1, 5), False),
                                         ((-1, -1), False), ((-2, -6), False), ((0, 12), False)])
def test_a_reshape_that_only_the_call_tells(asked, fits):
    x, m, n = T.dmatrix("x"), T.lscalar("m"), T.lscalar("n")
    f = native([x, m, n], T.reshape(x, (m, n)) + 1)
    never_python(f)
    for value in (np.arange(12.0).reshape(3, 4), np.arange(24.0).reshape(3, 8)[:, ::2]):
        if fits:
            np.testing.assert_array_equal(f(value, *asked), value.reshape(asked) + 1)
        else:
            with pytest.raises(ShapeError, match="reshape: cannot reshape 12 elements"):
                f(value, *asked)


def test_stretching_to_lengths_that_only_the_call_tells():
    x, m, n = T.row("x"), T.lscalar("m"), T.lscalar("n")
    f = native([x, m, n], T.broadcast_to(x, (m, n)) * 2)
    never_python(f)
    x = np.arange(3.0).reshape(1, 3)
    np.testing.assert_array_equal(f(x, 2, 3), np.broadcast_to(x, (2, 3)) * 2)
    for m, n, message in ((2, 4, "4 does not fit one of 3|4, the other 3|length"), (-1, 3, "-1")):
        with pytest.raises(ShapeError, match=message):
            f(x, m, n)


@pytest.mark.parametrize("start, step, dtype", [(0, 1, "int64"), (3, 2, "int32"), (5, -2, "int64"),
                                                (-4, 3, "int16")])
def test_ranges_whose_end_only_the_call_tells(start, step, dtype):
    n = T.lscalar("n")
    f = native([n], [T.arange(start, n, step, dtype=dtype), T.arange(start, n, step) * 2])
    never_python(f)
    for end in (-7, 0, 3, 4, 5, 6, 20):
        plain, doubled = f(end)
        np.testing.assert_array_equal(plain, np.arange(start, end, step, dtype))
        np.testing.assert_array_equal(doubled, np.arange(start, end, step) * 2)
        assert plain.dtype == dtype


def test_theanos_draws_in_steps_never_call_python():
    x = T.fmatrix("x")

    def chain(backend):
        stream = sg.random.MRG_RandomStreams(7)

        def step(v):
            u = stream.binomial(v.shape, p=T.nnet.sigmoid(v), dtype="float32")
            return u + stream.normal(v.shape, dtype="float32")

        rows, updates = sg.scan(step, outputs_info=x, n_steps=3)
        return sg.function([x], rows, updates=updates, backend=backend)

    f, g = chain("llvm"), chain("numpy")
    never_python(f)
    v = RNG.normal(size=(4, 6)).astype("float32")
    for _ in range(2):
        np.testing.assert_allclose(f(v), g(v), rtol=1e-4, atol=1e-5)
