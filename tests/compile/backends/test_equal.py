"""What a user sees is the same on every backend: values, errors, hints."""

import itertools

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import IndexingError, ShapeError
from symgrad.ops.pick import to_one_hot

pytestmark = pytest.mark.parametrize("backend", BACKENDS)


def compiled(backend, inputs, outputs, **options):
    return sg.function(inputs, outputs, backend=backend, on_unused_input="ignore", **options)


def test_sums_over_any_axes(backend):
    x = T.tensor4("x", dtype="float64")
    some = [axes for k in (1, 2, 3, 4) for axes in itertools.combinations(range(4), k)]
    f = compiled(backend, [x], [T.sum(x * 2, axis=axes) for axes in some] +
                 [T.max(x, axis=axes) for axes in some] + [T.argmin(x, axis=a) for a in range(4)])
    a = np.random.default_rng(0).normal(size=(2, 3, 1, 4))
    want = [2 * a.sum(axis=axes) for axes in some] + [a.max(axis=axes) for axes in some]
    for got, value in zip(f(a), want + [a.argmin(axis=k) for k in range(4)], strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-13)


@pytest.mark.parametrize("one, two", [("float32", "float64"), ("float64", "float32")])
def test_updates_of_two_dtypes(one, two, backend):
    """Each product and sum by the BLAS routine of its own dtype."""
    kinds = one, two
    xs = [T.matrix(dtype=d) for d in kinds]
    rng = np.random.default_rng(0)
    W, b = ([sg.shared(np.ones(shape, d)) for d in kinds] for shape in ((3, 3), 3))
    updates = [(s, s - np.asarray(0.5, d) * T.dot(x.T, x)) for s, x, d in zip(
        W, xs, kinds, strict=True)]
    updates += [(s, s - np.asarray(0.5, d) * T.sum(x, axis=0)) for s, x, d in zip(
        b, xs, kinds, strict=True)]
    f = compiled(backend, xs, [T.dot(x, w) for x, w in zip(xs, W, strict=True)], updates=updates)
    arrays = [rng.normal(size=(4, 3)).astype(d) for d in kinds]
    for got, a in zip(f(*arrays), arrays, strict=True):
        np.testing.assert_allclose(got, a @ np.ones((3, 3)), rtol=1e-5, atol=1e-6)
    for s, v, a in zip(W, b, arrays, strict=True):
        np.testing.assert_allclose(s.get_value(), 1 - 0.5 * a.T @ a, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(v.get_value(), 1 - 0.5 * a.sum(0), rtol=1e-5, atol=1e-5)


def test_parts_of_complex_numbers(backend):
    z, i = T.zmatrix("z"), T.lscalar("i")
    a = np.array([[1 + 2j, 3], [-1j, -2 + 1j]])
    f = compiled(backend, [z, i], [T.real(z), T.imag(z) * 2, T.angle(z), abs(z[i]), z[:, ::-1].T])
    for got, want in zip(f(a, 1), [a.real, 2 * a.imag, np.angle(a), abs(a[1]), a[:, ::-1].T],
                         strict=True):
        np.testing.assert_allclose(got, want)


def test_labels_to_a_number_of_columns_that_is_an_argument(backend):
    y, n = T.lvector("y"), T.lscalar("n")
    f = compiled(backend, [y, n], to_one_hot(y, n, dtype="float64"))
    np.testing.assert_array_equal(f([2, 0], 4), [[0, 0, 1, 0], [1, 0, 0, 0]])
    with pytest.raises(IndexingError):
        f([2, 0], 2)


# -- errors: the op, both sides, the user's lines, a hint


def message(f, *arguments):
    with pytest.raises((IndexingError, ShapeError)) as error:
        f(*arguments)
    text = str(error.value)
    assert "test_equal.py" in text, text
    return text


def test_an_empty_axis_has_no_largest_element(backend):
    x = T.dmatrix("x")
    for value, op in ((T.max(x, axis=0), "max"), (T.exp(x).min(), "min"),
                      (T.argmax(x, 1), "argmax")):
        text = message(compiled(backend, [x], value), np.zeros((0, 0)))
        assert text.startswith(f"{op}: ") and "f64[" in text
        assert compiled(backend, [x], T.max(x, axis=1))(np.zeros((0, 2))).shape == (0,)


def test_lengths_that_differ(backend):
    x, y = T.dvector("x"), T.dmatrix("y")
    f = compiled(backend, [x, y], T.exp(y) * x)
    text = message(f, np.ones(3), np.ones((4, 5)))
    assert text.startswith("mul: lengths differ") and "3" in text and "5" in text
    assert "does not broadcast" in message(f, np.ones(1), np.ones((4, 5)))
    text = message(compiled(backend, [x, y], T.dot(y, x)), np.ones(3), np.ones((4, 5)))
    assert text.startswith("dot: ") and "3" in text and "5" in text


def test_indices_out_of_range(backend):
    x, y, i = T.dmatrix("x"), T.lvector("y"), T.lscalar("i")
    picked = T.exp(x)[T.arange(y.shape[0]), y]
    a = np.ones((3, 4))
    for outputs, arguments, op, wrong in (
            (picked.sum(), (a, [0, 4, 1], 0), "", "4"),
            (picked.sum(), (a, [0, -5, 1], 0), "", "-5"),
            (x[y] * 2, (a, [0, 3], 0), "gather", "3"),
            (x[:, y] + 1, (a, [0, -7], 0), "gather", "-7"),
            (x[i], (a, [0], 3), "subtensor", "3"),
            (x[1:][:, i], (a, [0], -5), "subtensor", "-5"),
            (T.inc_subtensor(x[y], 1.0), (a, [0, 9], 0), "", "9"),
            (T.set_subtensor(x[i], 1.0), (a, [0, 0], -4), "", "-4"),
    ):
        text = message(compiled(backend, [x, y, i], outputs), *arguments)
        assert f"index {wrong} is out of" in text and text.startswith(op), text


def test_a_call_that_fails_leaves_variables_alone(backend):
    x, y = T.dmatrix("x"), T.lvector("y")
    W, s = sg.shared(np.ones((3, 4))), sg.shared(0.0)
    f = compiled(backend, [x, y], (W * x).sum(), updates=[
        (W, T.inc_subtensor(W[y], x[y])), (s, s + T.exp(x)[T.arange(y.shape[0]), y].sum())])
    for arguments in ((np.ones((3, 4)), [0, 3]), (np.ones((3, 4)), [0, 0, -9]),
                      (np.ones((2, 4)), [0, 1])):
        message(f, *arguments)
        assert s.get_value() == 0 and (W.get_value() == 1).all()
    f(np.ones((3, 4)), [0, 0, 1])
    assert W.get_value().tolist() == [[3] * 4, [2] * 4, [1] * 4]


def test_fewer_labels_than_rows_are_taken_too(backend):
    x, y = T.dmatrix("x"), T.lvector("y")
    picked = T.log(T.nnet.softmax(x))[T.arange(y.shape[0]), y].sum()
    f, g = compiled(backend, [x, y], picked), compiled(backend, [y, x], picked)
    a = np.random.default_rng(0).normal(size=(5, 3))
    p = np.log(np.exp(a) / np.exp(a).sum(1, keepdims=True))
    assert np.isclose(f(a, [0, 1, 2, 0, 1]), p[range(5), [0, 1, 2, 0, 1]].sum())
    assert np.isclose(f(a, [2, 1]), p[[0, 1], [2, 1]].sum())
    assert g([2, 1], a) == f(a, [2, 1])
    message(f, a, [0, 1, 2, 0, 1, 2])
    message(f, a, [0, 3])


@pytest.mark.parametrize("k", [-1, -4, 3, 4, -5])
def test_an_index_into_an_axis_whose_length_another_operand_tells(k, backend):
    """It is spelled as that length asks, or refused in the call: no row before or behind is met."""
    x, v, c = T.dmatrix("x"), T.dvector("v"), T.constant(np.ones(4))
    whole = np.zeros((12, 3))
    for make in (lambda: x[k] * 2, lambda: x[k], lambda: T.set_subtensor(x[k], 1.0),
                 lambda: T.inc_subtensor(x[k], x[k])):
        f = compiled(backend, [x, v], [make(), T.dot(v, x), v + c])
        if -4 <= k < 4:
            want = make().eval({x: whole[4:8] + 1})
            np.testing.assert_array_equal(f(whole[4:8] + 1, np.ones(4))[0], want)
        else:
            with pytest.raises(IndexingError, match=f"index {k} is out of range for axis 0 of "
                                                    "length 4"):
                f(whole[4:8], np.ones(4))
    assert not whole.any()


def test_numbers_that_lengths_are_made_of(backend):
    """What is computed of constants alone may be needed before there is a workspace."""
    want = sg.random.MRG_RandomStreams(23).uniform((2,)).eval()
    for passes in ("", "none", "-canonicalise -tidy"):
        draw = sg.random.MRG_RandomStreams(23).uniform((2,))
        np.testing.assert_array_equal(compiled(backend, [], draw, passes=passes)(), want)


def test_a_loop_over_a_part_whose_length_the_call_tells(backend):
    x, s = T.dmatrix("x"), T.dscalar("s")
    v = (s - x)[:-1]
    rows = sg.scan(lambda r, t: sg.ifelse(r.sum() > 0, t + r, t * 0.5), v,
                   T.zeros_like(v.sum(axis=0)))[0]
    a = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(compiled(backend, [s, x], rows)(4.5, a), [[4.5, 3.5], [7, 5]])


@pytest.mark.parametrize("dtype", ["float32", "int8", "complex64"])
def test_constants_that_are_not_folded_keep_their_dtype(dtype, backend):
    c = T.constant(np.asarray(1, dtype))
    f = compiled(backend, [], [-c, T.sqr(-c), -c + c, T.exp(-c)], passes="none")
    for got, want in zip(f(), [-c, T.sqr(-c), -c + c, T.exp(-c)], strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want.eval(), rtol=1e-6)


def test_the_diagonal_of_a_tall_matrix_beside_a_vector(backend):
    """It is taken to be as long as the matrix, and the vector with it, only until a call."""
    x, w = T.dmatrix("x"), T.dvector("w")
    f = compiled(backend, [x, w], T.diag(x) + w)
    for shape in ((3, 3), (4, 2), (2, 4), (2, 1)):
        a = np.arange(8.0 if shape[0] != 3 else 9.0)[:shape[0] * shape[1]].reshape(shape)
        np.testing.assert_array_equal(f(a, np.ones(min(shape))), np.diag(a) + 1)
    with pytest.raises(ShapeError, match="add: lengths differ"):
        f(np.ones((4, 2)), np.ones(4))


@pytest.mark.parametrize("part", [lambda x: x[::-1], lambda x: x, lambda x: x[1:]])
def test_an_argument_that_is_a_variables_memory_is_returned_as_it_was(part, backend):
    """Results are copied after the updates; the argument may have changed by then."""
    held = np.arange(3.0)
    w, x = sg.shared(held, borrow=True), T.dvector("x")
    f = compiled(backend, [x], part(x), updates=[(w, w * 2)])
    np.testing.assert_array_equal(f(held), part(np.arange(3.0)))
    np.testing.assert_array_equal(w.get_value(), [0, 2, 4])


@pytest.mark.parametrize("n, k", [(0, 3), (3, 0), (0, 0)])
def test_products_of_nothing_that_are_added(n, k, backend):
    A, x, y = T.dmatrix("A"), T.dvector("x"), T.dvector("y")
    f = compiled(backend, [A, x, y], [T.dot(A, x) + y * -1.0, y + 2 * T.dot(A, x)])
    for got, want in zip(f(np.ones((n, k)), np.ones(k), np.ones(n)), (-1, 1), strict=True):
        np.testing.assert_array_equal(got, np.full(n, want))


def test_results_of_one_loop_that_must_be_equally_long(backend):
    """One tells the length, the other must have it: both are known when the loop is."""
    x = T.dmatrix("x")
    (a, b), _ = sg.scan(lambda v, p, q: (p + T.tanh(v * p), v - q), sequences=x,
                        outputs_info=[x[0], x[0]])
    whole = [o.owner.inputs[0] for o in (a, b)]  # with the first rows: their number is told
    f = compiled(backend, [x], T.maximum(whole[0] ** 2, whole[1]))
    for rows in (1, 4):
        p = q = np.arange(3.0) + 1
        value = np.arange(rows * 3.0).reshape(rows, 3) + 1
        want = [np.maximum(p ** 2, q)]
        for v in value:
            p, q = p + np.tanh(v * p), v - q
            want.append(np.maximum(p ** 2, q))
        np.testing.assert_allclose(f(value), want, rtol=1e-12)


def test_one_element_at_a_computed_place_is_stored(backend):
    """The copy around it is a loop over two axes; the index, of one known element, has one."""
    x, k = T.tensor("float64", (2, 2), "x"), T.tensor("int64", (1,), "k")
    f = compiled(backend, [x, k], T.set_subtensor(x[T.arange(k.shape[0]), k], 1.0))
    for order in "CF":
        value = np.array([[2.0, 3.0], [4.0, 5.0]], order=order)
        np.testing.assert_array_equal(f(value, np.array([1])), [[2, 1], [4, 5]])
