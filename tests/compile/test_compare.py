"""What counts as a wrong value, and where NaN comes from."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile import compare
from symgrad.compile.compare import (
    SHAKEN,
    difference,
    doubtless,
    evaluate,
    finite,
    fits,
    introduced,
    non_finite,
    poison,
    poisoned,
    shaken,
    wrong,
)
from symgrad.errors import ShapeError
from symgrad.node import toposort
from symgrad.types import BYTES

X = T.dvector("x")
A = np.linspace(0.3, 2.7, 7)


def rng():
    return np.random.default_rng(0)


def computed(*outputs):
    return [n for n in toposort(outputs) if n.op.kind != "leaf"]


def chosen(condition, then, other):
    """A loop of one step, in which only one side of a condition is computed."""
    values, _ = sg.scan(lambda x: sg.ifelse(condition(x), then(x), other(x)), sequences=X)
    return computed(values)


# -- rounding that is replaced


@pytest.mark.parametrize("kept", [T.floor, T.ceil, T.trunc, T.sgn, T.neg, lambda x: x[::-1],
                                  lambda x: T.cast(x, "float32"), lambda x: x > 1,
                                  lambda x: T.maximum(x, 1.0), lambda x: T.stack([x, x])])
def test_what_rounds_nothing_is_not_shaken(kept):
    nodes = computed(kept(X))
    plain, other = (evaluate(nodes, {X: A}, shake)[nodes[-1]] for shake in (None, rng()))
    np.testing.assert_array_equal(plain, other)


@pytest.mark.parametrize("moved", [T.exp, lambda x: x * 3.0, lambda x: x.sum(),
                                   lambda x: T.dot(x, x), lambda x: x.max()])
def test_what_rounds_is_shaken_by_some_units(moved):
    nodes = computed(moved(X))
    plain, other = (evaluate(nodes, {X: A}, shake)[nodes[-1]] for shake in (None, rng()))
    assert (plain != other).all() and other.dtype == plain.dtype
    np.testing.assert_allclose(other, plain, rtol=1e-14)


@pytest.mark.parametrize("total", [T.sum, lambda x: T.dot(x, T.ones_like(x))])
def test_what_is_added_up_is_shaken_before(total):
    """What is left of large numbers differs by much more than its own last place."""
    nodes, large = computed(total(X)), np.array([1e8, 1.0, -1e8])
    found = [evaluate(nodes, {X: large}, np.random.default_rng(k))[nodes[-1]] for k in range(3)]
    assert evaluate(nodes, {X: large})[nodes[-1]] == 1 and max(np.abs(np.array(found) - 1)) > 1e-9


@pytest.mark.parametrize("number", [0, 1])
def test_loops_and_branches_as_compiled(number):
    c = T.bscalar("c")
    rows, _ = sg.scan(lambda x: (x * 2, T.constant(3.0)), sequences=X)
    sides = T.exp(X), T.concatenate([X, X])
    f = sg.function([X, c], [sg.ifelse(c, *sides), *rows], backend="numpy")
    assert any(n.op.kind == "branch" for n in f.plan.nodes)
    values = evaluate(f.plan.nodes, dict(zip(f.plan.inputs, [A, np.int8(number)], strict=True)))
    want = np.exp(A) if number else np.concatenate([A, A])
    np.testing.assert_array_equal(values[f.plan.outputs[0]], want)
    found = evaluate(computed(*rows), {X: A})
    np.testing.assert_array_equal(found[rows[0]], A * 2)
    np.testing.assert_array_equal(found[rows[1]], np.full(7, 3.0))


def test_elements_that_a_source_has_are_not_shaken():
    value = np.array([[1.0, 2, 3], [1, 5, 3]])
    for source, still in (([1.0, 2, 3], [[1, 1, 1], [1, 0, 1]]), ([[1.0], [5]], [[1, 0, 0],
                          [0, 1, 0]]), (3.0, [[0, 0, 1], [0, 0, 1]]), (np.zeros((1, 1, 3)), 0),
                          (np.arange(1, 4), 0), (np.ones(2), 0), (np.float32(3), 0)):
        made = shaken(value, rng(), [np.asarray(source)])
        np.testing.assert_array_equal(made == value, np.broadcast_to(still, value.shape))
    many = np.ones(1000)
    apart = np.abs(shaken(many, rng()) - many) / np.finfo(float).eps
    assert 3.5 < apart.max() <= 4 and apart.min() < 0.5
    for exact in (np.arange(3), np.array([True]), np.array([np.inf, np.nan])):
        np.testing.assert_array_equal(shaken(exact, rng()), exact)
    for dtype in ("float16", "float32", "complex64", "complex128"):
        assert shaken(A.astype(dtype), rng()).dtype == dtype


def test_shapes_that_stretch():
    for shape, other, answer in (((), (3,), True), ((1,), (3,), True), ((3,), (2, 3), True),
                                 ((2,), (2, 3), False), ((2, 1), (2, 3), True),
                                 ((1, 2, 3), (2, 3), False), ((3,), (1,), False),
                                 ((3, 2), (2, 2), False), ((2, 3), (5, 3), False)):
        assert fits(shape, other) is answer


# -- what is wrong


def test_wrong_values():
    have = np.array([1.0, 1 + 1e-14, 1 + 1e-9, np.nan, np.nan, np.inf, -np.inf, np.inf, 5, np.nan])
    want = np.array([1.0, 1.0, 1.0, np.nan, 0.0, np.inf, np.inf, 1.0, np.inf, np.inf])
    assert wrong(have, want).tolist() == [0, 0, 1, 0, 1, 0, 1, 1, 1, 1]
    with np.errstate(invalid="ignore"):
        have, want = have + 0j, want + 0j
    have[5] = 1j * np.inf  # of complex numbers there are many that are infinite
    assert wrong(have, want).tolist() == [0, 0, 1, 0, 1, 0, 0, 1, 1, 0]
    have, want = have.real, want.real
    assert wrong(have[:3], want[:3], 1e-8).tolist() == [0, 0, 0]
    for dtype, near, far in (("float16", 3.9e-3, 4.9e-3), ("float32", 3.8e-6, 4.2e-6),
                             ("float64", 9.6e-14, 1.05e-13), ("complex64", 3.8e-6, 4.2e-6)):
        for sign in (1, -1):
            have = np.array([-1 + near * sign, -1 + far * sign], dtype)
            assert wrong(have, np.array([-1, -1], dtype)).tolist() == [False, True]
    assert wrong(np.array([1, 2]), np.array([1, 3])).tolist() == [False, True]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_rounding_may_do_what_it_did_in_the_runs(dtype):
    want = np.array([1, 1, 1, 1, np.inf, 1, np.nan, 1, np.inf, np.inf, np.nan, np.inf, 0, 0], dtype)
    have = np.array([1.155, 1.17, 0.5, 1.2, 5, np.inf, 5, 1.01, 5, 5, 5, 5, 0, 0], dtype)
    have[-2:] = np.array([8, 9]) * np.finfo(dtype).smallest_subnormal
    runs = [want.copy() for _ in range(3)]
    runs[1][:2] = 1.02  # eight times as far is all right
    runs[2][2:4] = 1.05, np.inf
    runs[0][4], runs[0][5], runs[2][6] = 7, 1.5, 3
    runs[1][8], runs[1][11] = -np.inf, np.nan
    assert doubtless(have, want, runs).tolist() == [0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1]
    if dtype[:1] == "c":
        runs[0][7] += 0.5j  # the imaginary part counts, too
        assert not doubtless(have, want, runs)[7]


def test_whole_numbers_are_wrong_but_where_runs_differ():
    want, have = np.array([1, 2, 3, 4]), np.array([1, 5, 5, 4])
    runs = [np.array(r) for r in ([1, 2, 3, 4], [1, 2, 4, 9])]
    assert doubtless(have, want, runs).tolist() == [False, True, False, False]
    assert doubtless(have > 2, want > 2, [r > 2 for r in runs]).tolist() == [0, 1, 0, 0]


def test_the_first_element_that_is_wrong(monkeypatch):
    row, matrix, number = T.exp(X), T.outer(X, X), X.sum()
    nodes = computed(row, matrix, number)
    truth = evaluate(nodes, {X: A})
    results = {n: truth[n].copy() for n in (row, matrix, number)}
    assert difference(nodes, {X: A}, results) is None
    results[matrix][2, 3] += 1
    results[matrix][5, 1] += 1
    found = difference(nodes, {X: A}, results)
    assert found.node is matrix and found.at == (2, 3) and found.count == 2 and found.size == 49
    assert found.have == results[matrix][2, 3] and found.want == truth[matrix][2, 3]
    assert str(found).endswith("(2 of 49 elements are wrong)") and " at [2, 3]" in str(found)
    found = difference(nodes, {X: A}, {number: truth[number] + 1})
    assert found.at == () and "at [" not in str(found) and "elements" not in str(found)
    with pytest.raises(ShapeError, match=r"shape \(3,\), the interpreter has \(7,\)"):
        difference(nodes, {X: A}, {row: truth[row][:3]})
    half = T.vector("half", dtype="float16")
    moved, want = half[::-1], np.array([1247 / 1024], np.float16)
    have = want + np.float16(5 / 1024)  # 4e-3 of it are less than 5 / 1024, though not of this one
    assert difference([moved], {half: want}, {moved: have}).have == have[0]
    count, right = [], compare.evaluate
    monkeypatch.setattr(compare, "evaluate", lambda *a: count.append(a) or right(*a))
    less = T.exp(X) * 1e8 + 1 - T.exp(X) * 1e8  # what is left of the digits
    nodes = computed(less, less * 2)
    truth = right(nodes, {X: A})
    assert difference(nodes, {X: A}, {n: truth[n] + 1e-9 for n in nodes[-2:]}) is None
    assert len(count) == 1 + SHAKEN  # the runs are for all of them
    count.clear()
    assert difference(nodes, {X: A}, {nodes[-1]: truth[nodes[-1]]}) is None and len(count) == 1


# -- NaN and infinity


def test_finite():
    for array, answer in (([1.0, np.nan], False), ([np.inf], False), ([1j * np.inf], False),
                          ([1.0], True), ([3], True), ([True], True), ([], True)):
        assert finite(np.array(array)) is answer


def test_where_nan_comes_from():
    s = T.dscalar("s")
    nodes = computed(T.exp(X) + (X - 1) / s, X.sum() * 1e308)
    n, at, value, met = introduced(nodes, {X: A, s: np.array(0.0)})
    assert n.op.name == "true_div" and at == (0,) and value == -np.inf
    assert met == [A[0] - 1, 0.0]
    said = non_finite((n, at, value, met))
    assert "true_div: -inf at [0] from finite values; its operands there are -0.7, 0.0" in said
    met = introduced(computed((X - 1) / T.constant(0.0)), {X: A})[-1]
    assert met == [A[0] - 1, 0.0]
    big = np.full(3, 1e200)
    n, at, value, met = introduced(computed(T.dot(X, X) + 1), {X: big})
    assert n.op.name == "dot" and at == () and met == []
    assert "dot: inf from finite values\n" in non_finite((n, at, value, met)) + "\n"
    assert introduced(computed(T.log(X) + 1), {X: np.array([1.0, np.inf])}) is None


def test_nan_in_a_loop_is_told_of_its_first_step():
    values, _ = sg.scan(lambda x: T.log(x) * 2, sequences=X)
    n, at, value, met = introduced(computed(values + 1), {X: np.array([1.0, 2, -1])})
    assert n.op.name == "log" and at == () and met == [-1.0]
    assert introduced(computed(values + 1), {X: np.array([np.inf, 1])}) is None
    several, _ = sg.scan(lambda x, y: [x * 2, y * x], sequences=X, non_sequences=X)
    nodes = computed(*several)
    assert introduced(nodes, {X: np.array([np.inf, 1])}) is None
    assert introduced(nodes, {X: np.array([1e200, 1])})[0].op.name == "mul"


def test_the_side_of_a_condition_that_is_not_taken_makes_no_nan():
    for condition, answer in ((lambda x: x > 0, None), (lambda x: x < 0, "log")):
        nodes = chosen(condition, lambda x: T.sqrt(x), lambda x: T.log(-x))
        found = introduced(nodes, {X: np.array([1.0, 2.0])})
        assert (found and found[0].op.name) == answer
        for shake in (None, rng()):
            evaluate(nodes, {X: np.array([1.0, 2.0])}, shake)
    assert introduced(chosen(lambda x: x > 0, lambda x: x, lambda x: T.log(-x)),
                      {X: np.array([np.inf])}) is None


def test_a_side_that_is_not_taken_is_not_computed():
    """It would fail."""
    nodes = chosen(lambda x: x > 0, lambda x: x, lambda x: T.arange(3)[T.cast(x, "int64")] + x)
    assert introduced(nodes, {X: np.array([5.0])}) is None


# -- patterns


@pytest.mark.parametrize("dtype", sorted(BYTES))
def test_poison(dtype):
    size = BYTES[dtype]
    raw = np.zeros(3 * size, np.uint8)
    poison(raw, dtype)
    if dtype.startswith(("float", "complex")):
        assert np.isnan(raw.view(dtype)).all()
        assert np.isnan(raw.view(dtype).imag).all() == dtype.startswith("complex")
    else:
        assert (raw == 0xA5).all()
    assert poisoned(raw[:size].tobytes(), dtype) and not poisoned(bytes(size), dtype)
