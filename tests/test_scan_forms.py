"""`sg.scan` takes its arguments and what a step returns in all the forms that Theano knows."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T

X = np.arange(1.0, 7.0)
x = T.dvector("x")


def value(outputs, **given):
    return sg.function([x], outputs, backend="numpy", on_unused_input="ignore", **given)(X)


@pytest.fixture
def s():
    return sg.shared(np.float64(1), "s")


# -- what a step returns


@pytest.mark.parametrize(("step", "form"), [
    (lambda a: a, 1), (lambda a: [a], 1), (lambda a: (a,), 1), (lambda a: [a, 2 * a], 2),
    (lambda a: (a, 2 * a), 2), (lambda a: [], 0), (lambda a: ([], {}), 0), (lambda a: {}, 0),
    (lambda a: (a, {}), 1), (lambda a: ([a], []), 1), (lambda a: ([a, a], {}), 2),
    (lambda a: [a, 1.0], 2), (lambda a: np.float64(2), 1), (lambda a: 1, 1),
])
def test_outputs(step, form):
    outputs, updates = sg.scan(step, x)
    assert not updates and isinstance(updates, dict)
    if form == 0:
        assert outputs is None and sg.scan(step, x, return_list=True)[0] is None
        return
    if form == 1:
        assert isinstance(outputs, sg.Variable)
        outputs, _ = sg.scan(step, x, return_list=True)
    assert type(outputs) is list and len(outputs) == form
    assert all(len(v) == 6 for v in value(outputs))


@pytest.mark.parametrize("parts", list(itertools.permutations("ouc")), ids="".join)
@pytest.mark.parametrize("pairs", [dict, list, tuple])
def test_outputs_updates_and_condition_in_any_order(parts, pairs, s):
    def step(a):
        known = {"o": [a, 2 * a], "u": pairs([(s, s + a)]), "c": sg.until(a > 2)}
        return tuple([known[p] for p in parts])

    (o, twice), updates = sg.scan(step, x)
    assert list(updates) == [s]
    f = sg.function([x], [o, twice], updates=updates)
    got = f(X)
    np.testing.assert_array_equal(got, [[1, 2, 3], [2, 4, 6]])
    assert s.get_value() == 7


@pytest.mark.parametrize("step", [
    lambda a, s: {s: s + a}, lambda a, s: [(s, s + a)], lambda a, s: ((s, s + a),),
    lambda a, s: ([], {s: s + a}), lambda a, s: ({s: s + a}, sg.until(a > 9)),
    lambda a, s: (sg.until(a > 9), {s: s + a})])
def test_updates_alone(step, s):
    outputs, updates = sg.scan(step, x, non_sequences=s)
    assert outputs is None
    sg.function([x], updates=updates)(X)
    assert s.get_value() == 22


def test_a_condition_alone_and_outputs_beside_it():
    assert sg.scan(lambda a: sg.until(a > 2), x)[0] is None
    (a, b), _ = sg.scan(lambda a: (a, -a, sg.until(a > 2)), x)
    np.testing.assert_array_equal(value([a, b]), [[1, 2, 3], [-1, -2, -3]])
    condition, _ = sg.scan(lambda a: (a, sg.until(a - 3)), x)  # no bool: stops unless zero
    assert value(condition).tolist() == [1]


def test_without_updates():
    assert isinstance(sg.scan(lambda a: a, x, return_updates=False), sg.Variable)
    assert type(sg.scan(lambda a: a, x, return_list=True, return_updates=False)) is list


def test_updates_are_a_dictionary(s):
    _, updates = sg.scan(lambda a: {s: s + a}, x)
    other = sg.shared(0.0)
    updates[other] = other + 1
    updates.update({other: other + 2})
    assert updates and list(updates) == [s, other]
    assert list(updates + {other: updates[other]}) == [s, other]
    with pytest.raises(sg.errors.ArgumentError, match="two updates"):
        updates + {other: other + 3}
    with pytest.raises(sg.errors.ArgumentError, match="shared variables only"):
        updates[x] = x


# -- sequences


@pytest.mark.parametrize("given", [x, [x], (x,), {"input": x}, [{"input": x, "taps": [0]}],
                                   {"input": x, "taps": 0}, {"input": x, "taps": None}, X])
def test_sequences(given):
    np.testing.assert_array_equal(value(sg.scan(lambda a: 2 * a, given)[0]), 2 * X)


@pytest.mark.parametrize("taps", [[-2], [2], [1, 2], [-2, 1], [1, -1, 0], [0, -3], [5], [-5]])
@pytest.mark.parametrize("backwards", [False, True])
def test_taps_of_sequences(taps, backwards):
    """Step t reads row t + k of what is left when no tap may leave the sequence."""
    seen = []

    def step(*rows):
        seen.extend(r.name for r in rows)
        return T.stack(rows)

    o, _ = sg.scan(step, {"input": x, "taps": taps}, go_backwards=backwards)
    low, high = min(0, *taps), max(0, *taps)
    want = [[X[t + k] for k in taps] for t in range(-low, len(X) - high)]
    got = value(o)
    np.testing.assert_array_equal(got, want[::-1] if backwards else want)
    assert seen == [f"x[t{k:+d}]" if k else "x[t]" for k in taps]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("n_steps", [None, 3])
def test_the_shortest_sequence_counts(backwards, n_steps):
    y = T.dvector("y")
    o, _ = sg.scan(lambda a, b: T.stack([a, b]), [x, y], n_steps=n_steps, go_backwards=backwards)
    f = sg.function([x, y], o)
    for n in (3, 4, 9):
        Y = np.arange(10.0, 10 + n)
        order = slice(None, None, -1 if backwards else 1)
        want = list(zip(X[order], Y[order], strict=False))[:n_steps]
        np.testing.assert_array_equal(f(X, Y), want)


def test_the_number_of_steps_is_known_where_it_can_be():
    fixed = T.tensor("float64", (5,), name="fixed")
    length = T.lscalar("n")
    assert sg.scan(lambda a: a, fixed)[0].type.shape == (5,)
    assert sg.scan(lambda a, b: a, [fixed, np.zeros(3)])[0].type.shape == (3,)
    assert sg.scan(lambda a, b: a, {"input": fixed, "taps": [-1, 2]})[0].type.shape == (2,)
    assert sg.scan(lambda b: b + 1, outputs_info=0.0, n_steps=np.int32(4))[0].type.shape == (4,)
    assert sg.scan(lambda b: b + 1, outputs_info=0.0, n_steps=T.constant(4))[0].type.shape == (4,)
    assert sg.scan(lambda b: b + 1, outputs_info=0.0, n_steps=length)[0].type.shape == (None,)
    loop = sg.scan(lambda a: a, x)[0].owner.inputs[0]
    assert loop.owner.inputs[0].op.name == "length"
    loop = sg.scan(lambda a, b: a + b, [x, x])[0].owner.inputs[0]
    assert loop.owner.inputs[0].op.name == "length"


@pytest.mark.parametrize("n", [0, 1, 2, 6])
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_any_number_of_steps(n, symbolic, backend):
    k = T.lscalar("k")
    (o, m), _ = sg.scan(lambda a, b: [a + b, a * b], x, [1.0, None],
                        n_steps=k if symbolic else n)
    f = sg.function([x, k], [o, m, o.shape[0]], on_unused_input="ignore", backend=backend)
    o, m, length = f(X, n)
    sums = 1 + np.cumsum(X[:n])
    np.testing.assert_array_equal(o, sums)
    np.testing.assert_array_equal(m, X[:n] * np.concatenate([[1], sums])[:n])
    assert length == n


# -- outputs_info


@pytest.mark.parametrize("given", [
    T.constant(np.float64(0)), [np.float64(0)], {"initial": np.float64(0)}, 0.0, 0, [0.0],
    {"initial": 0.0, "taps": [-1]}, {"initial": 0, "taps": -1}, T.constant(0.0), T.constant(0),
    {"initial": 0.0, "taps": None}, np.float32(0), False])
def test_initial_values(given):
    """Constants take the dtype of what the step makes of them."""
    o, _ = sg.scan(lambda a, b: a + b, x, given)
    got = value(o)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, np.cumsum(X))


def test_constants_take_the_dtype_of_the_step():
    f = T.fvector("f")
    for begin, seq, dtype in ((0.0, f, "float32"), (0.5, f, "float32"), (0.1, x, "float64"),
                              (np.float64(0.1), x, "float64"), (0, T.ivector(), "int32"),
                              (1j, x, "complex128")):
        assert sg.scan(lambda a, b: a + b, seq, begin)[0].dtype == dtype
    step = sg.scan(lambda a, b: (a + b).astype("float32"), x, np.float64(0))[0]
    assert step.dtype == "float32"
    count = sg.scan(lambda b: b + 1, outputs_info=0, n_steps=200)[0]
    assert count.dtype == "int64" and count.eval()[-1] == 200
    count = sg.scan(lambda b: (b + 1).astype("int16"), outputs_info=0, n_steps=2)[0]
    assert count.dtype == "int16"
    assert sg.scan(lambda b: b + 1, outputs_info=np.int8(0), n_steps=2)[0].dtype == "int8"
    (a, b), _ = sg.scan(lambda a, b: [a + b, a * 0.5], outputs_info=[1, 0], n_steps=3)
    assert a.dtype == b.dtype == "float32"
    np.testing.assert_array_equal(a.eval(), [1, 1.5, 2])


@pytest.mark.parametrize("taps", [[-1], [-2], [-1, -2], [-2, -1], [-3, -1], [-1, -4, -2]])
def test_taps_of_outputs(taps):
    depth, seen = -min(taps), []
    rows = T.dmatrix("rows")

    def step(a, *earlier):
        seen.extend(e.name for e in earlier)
        return a + sum((k + 2) * e for k, e in enumerate(earlier))

    begin = rows[0] if taps == [-1] else rows
    o, _ = sg.scan(step, x, {"initial": begin, "taps": taps})
    start = np.random.default_rng(0).normal(size=(depth + 1, 2))  # one more than is read
    want = [*start[:depth]]
    for a in X:
        want.append(a + sum((k + 2) * want[len(want) + t] for k, t in enumerate(taps)))
    got = sg.function([x, rows], o)(X, start)
    np.testing.assert_allclose(got, want[depth:])
    assert seen == [begin.name and f"rows[t{t}]" for t in taps]


def test_none_is_no_state():
    for given in (None, [], [None], [{}], None):
        np.testing.assert_array_equal(value(sg.scan(lambda a: a, x, given)[0]), X)


def test_arguments_come_in_order():
    """Rows of sequences, earlier rows of outputs, then the others."""
    names, y, h, g, w = [], T.dvector("y"), T.dmatrix("h"), T.dscalar("g"), T.dscalar("w")

    def step(*arguments):
        names.extend(a.name for a in arguments)
        return [arguments[4], arguments[5], arguments[0]]

    sg.scan(step, [{"input": x, "taps": [1, -1]}, y],
            [{"initial": h[:, 0], "taps": [-1, -3]}, g, None], [w, 2.0])
    assert names == ["x[t+1]", "x[t-1]", "y[t]", None, None, "g[t-1]", "w", None]


# -- the raw output, copies


def test_the_first_values_stand_in_the_buffer():
    o, _ = sg.scan(lambda a, b: a + b, x, np.float64(5))
    assert o.owner.op.name == "subtensor"
    assert value(o.owner.inputs[0]).tolist() == [5, *(5 + np.cumsum(X))]
    o, _ = sg.scan(lambda a, b, c: a + b * c, x, {"initial": x, "taps": [-2, -1]})
    assert value([o.owner.inputs[0][:2]])[0].tolist() == [1, 2]


def test_a_loop_is_pickled_and_copied(s):
    o, updates = sg.scan(lambda a, b: (a * s + b, {s: s + 1}), x, 0.0)
    want = value([o, updates[s]])
    again, last, y = pickle.loads(pickle.dumps((o, updates[s], x)))
    np.testing.assert_array_equal(sg.function([y], again)(X), want[0])
    f = copy.deepcopy(sg.function([x], [o, updates[s]]))
    for a, b in zip(f(X), want, strict=True):
        np.testing.assert_array_equal(a, b)


def test_relatives():
    y = T.dvector("y")
    f = sg.function([x, y], [sg.map(lambda a, b, c: a * b + c, [x, y], [2.0])[0],
                             sg.map(lambda a: -a, x, go_backwards=True)[0],
                             *sg.reduce(lambda a, b, c: [a + b, c * 2], x, [0.0, 1.0])[0],
                             sg.reduce(lambda a, b: 2 * b + a, x, 0.0, go_backwards=True)[0],
                             sg.foldl(lambda a, b, c: c * b + a, x, 0.0, [10.0])[0],
                             sg.foldr(lambda a, b: 10 * b + a, x, 0.0)[0]])
    got = f(X, X + 1)
    np.testing.assert_array_equal(got[0], X * (X + 1) + 2)
    np.testing.assert_array_equal(got[1], -X[::-1])
    assert [float(v) for v in got[2:]] == [
        21, 64, sum(2 ** k * a for k, a in enumerate(X)), 123456, 654321]


@pytest.mark.parametrize("name", ["mode", "profile", "allow_gc", "name"])
def test_what_old_programs_pass(name):
    given = {"mode": "FAST_RUN", "profile": True, "allow_gc": False, "name": "loop"}
    assert value(sg.scan(lambda a: a, x, **{name: given[name]})[0]).tolist() == X.tolist()


def test_strict_wants_shared_variables_declared(s):
    assert value(sg.scan(lambda a, k: a * k, x, non_sequences=[s], strict=True)[0]).tolist() == \
        X.tolist()
    sg.scan(lambda a: a * x.sum(), x, strict=True)  # only of shared variables
    sg.scan(lambda a: (a * s, {s: s + a}), x, strict=True)  # what is updated is a state
