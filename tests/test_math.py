"""Elementwise ops at zeros, infinities, NaN and ties, and by the names that users call."""

import numpy as np
import pytest
from helpers import BACKENDS, TABLE, value

import symgrad as sg
import symgrad.tensor as T
from symgrad.derive import backward
from symgrad.errors import ArgumentError, DtypeError
from symgrad.interpret import evaluate, run
from symgrad.node import constant, variable
from symgrad.types import Type


def slopes(function, *points, dtype="float64"):
    """d sum(function) / d each argument, at points."""
    arrays = [np.asarray(p, dtype) for p in points]
    inputs = [variable(Type(dtype, a.shape)) for a in arrays]
    out = function(*inputs)
    grads = backward([out], [constant(np.ones((), out.dtype))], inputs)
    return [g if g is None else run([g], dict(zip(inputs, arrays, strict=True)))[0] for g in grads]


@pytest.mark.parametrize("exponent, at_zero", [
    (0.0, 0.0), (1.0, 1.0), (2.0, 0.0), (3.0, 0.0), (1.5, 0.0)])
def test_slope_of_pow_along_the_base_at_zero(exponent, at_zero):
    assert slopes(lambda x: x**exponent, 0.0) == [at_zero]
    assert slopes(lambda x, y: x**y, 0.0, exponent) == [at_zero, 0.0]


def test_second_slopes_of_pow_at_zero():
    def first(x, y):
        return backward([x**y], [constant(1.0)], [x])[0]

    assert slopes(first, 0.0, 2.0)[0] == 2.0
    assert slopes(first, 0.0, 1.0)[0] == 0.0
    assert slopes(first, 0.0, 3.0)[0] == 0.0
    assert slopes(lambda x: first(x, constant(2)), 0.0) == [2.0]


def test_pow_keeps_float32_and_negative_bases():
    got = slopes(lambda x: x**2, -3.0, dtype="float32")[0]
    assert got.dtype == np.float32 and got == -6
    assert slopes(lambda x: x**3, -2.0) == [12.0]


@pytest.mark.parametrize("backend", [None, *BACKENDS])
def test_an_integer_to_a_negative_integer_is_refused_everywhere(backend):
    x, y = T.ivector("x"), T.lvector("y")
    words = r"an integer cannot be raised to the negative integer -1"
    with pytest.raises(DtypeError, match=rf"(?s)^pow: {words}.*x  .*hint: cast the base"):
        x ** -1
    with pytest.raises(DtypeError, match=words):
        x ** [2, -1]
    assert evaluate(x ** 2, {x: [3]}) == 9 and evaluate(x ** y.astype("uint8"), {x: [3], y: [2]}
                                                        ) == 9
    assert (T.fvector() ** -1).dtype == "float32" and (T.bvector() ** True).dtype == "int8"
    for z in (x ** y, T.sum(x ** y)):
        with pytest.raises(DtypeError, match=rf"(?s)^int_pow: {words}\n.*test_math.py"):
            if backend:
                sg.function([x, y], z, backend=backend)([2, 3], [2, -1])
            else:
                evaluate(z, {x: [2, 3], y: [2, -1]})
    if backend:
        f = sg.function([x, y], x ** y, backend=backend)
        with pytest.raises(DtypeError, match="hint: cast the base"):
            f([2, 3], [2, -1])
        np.testing.assert_array_equal(f([2, 3], [2, 0]), [4, 1])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("x", [
    -np.inf, -1000.0, -89.0, -12.0, -1.0, 0.0, 1.0, 17.0, 89.0, 1000.0, np.inf])
def test_sigmoid_and_softplus_far_out(dtype, x):
    x = np.asarray(x, dtype)
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        wide = np.asarray(x, "longdouble")
        sigmoid, softplus = 1 / (1 + np.exp(-wide)), np.logaddexp(wide, np.longdouble(0))
    got = value(TABLE["sigmoid"], x)
    np.testing.assert_allclose(got, sigmoid, rtol=8 * info.eps, atol=1 / info.max)
    got = value(TABLE["softplus"], x)
    np.testing.assert_allclose(got, softplus, rtol=8 * info.eps, atol=info.tiny)
    for name in ("sigmoid", "softplus"):
        slope = slopes(TABLE[name], x, dtype=dtype)[0]
        assert np.isfinite(slope) and slope.dtype == dtype


def test_slopes_where_a_formula_would_give_zero_over_zero():
    assert slopes(TABLE["abs"], 0.0) == [0.0]
    assert slopes(TABLE["hypot"], 0.0, 0.0) == [0.0, 0.0]
    assert slopes(TABLE["atan2"], 0.0, 0.0) == [0.0, 0.0]
    assert slopes(TABLE["atan2"], 1e-200, 1e-200)[0] == pytest.approx(5e199)
    assert slopes(TABLE["arcsinh"], 1e200)[0] == pytest.approx(1e-200)
    assert slopes(TABLE["cbrt"], 0.0) == [np.inf] and slopes(TABLE["sqrt"], 0.0) == [np.inf]
    assert slopes(TABLE["hypot"], 1e200, 1e200)[0] == pytest.approx(2**-0.5)
    z = np.zeros(2, complex)
    assert not slopes(TABLE["abs"], z, dtype="complex128")[0].any()
    assert not slopes(TABLE["angle"], z, dtype="complex128")[0].any()


def test_slopes_at_ties():
    assert slopes(TABLE["maximum"], 1.0, 1.0) == [1.0, 0.0]
    assert slopes(TABLE["minimum"], 1.0, 1.0) == [1.0, 0.0]
    assert slopes(TABLE["fmax"], 1.0, 1.0) == [1.0, 0.0]
    assert slopes(TABLE["relu"], 0.0) == [0.0]
    assert slopes(lambda x: TABLE["relu"](x, 0.25), 0.0) == [0.25]
    points = [-1.0, 0.0, 0.5, 1.0, 2.0]
    assert slopes(TABLE["clip"], points, 0.0, 1.0)[0].tolist() == [0, 1, 1, 1, 0]
    assert [float(s) for s in slopes(TABLE["clip"], 0.5, 2.0, 1.0)] == [0.0, 0.0, 1.0]


def test_nan_goes_where_numpy_lets_it():
    x, y = np.array([np.nan, 1.0, np.nan]), np.array([1.0, np.nan, np.nan])
    for op, function in ((T.maximum, np.maximum), (T.minimum, np.minimum), (T.fmax, np.fmax),
                         (T.fmin, np.fmin), (T.lt, np.less), (T.neq, np.not_equal)):
        np.testing.assert_array_equal(value(op, x, y), function(x, y))
    assert np.isnan(value(TABLE["relu"], x)).tolist() == [True, False, True]
    assert np.isnan(value(TABLE["clip"], x, 0.0, 1.0)).tolist() == [True, False, True]
    assert slopes(TABLE["fmax"], x[:2], y[:2])[0].tolist() == [0.0, 1.0]


def test_floor_division_has_a_zero_gradient():
    """B6 of the behaviours old programs rely on: a gradient, and no error."""
    assert slopes(lambda x, y: x // y, 7.5, 2.0) == [0.0, 0.0]


@pytest.mark.parametrize("mode, want", [
    (None, [-2, -2, 0, 0, 0, 2, 2, 0]), ("half_to_even", [-2, -2, 0, 0, 0, 2, 2, 0]),
    ("half_away_from_zero", [-3, -2, -1, 0, 1, 2, 3, 0])])
def test_round_modes(mode, want):
    x = [-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 0.49999999999999994]
    assert evaluate(T.round(np.array(x), mode)).tolist() == want
    with pytest.raises(ArgumentError, match="half_to_even"):
        T.round(np.array(x), "up")


def test_integers_are_whole_already():
    i = variable(Type("int8", (None,)), "i")
    for name in ("floor", "ceil", "trunc", "round"):
        assert TABLE[name](i) is i
    assert T.conj(i) is i and T.real(i) is i and T.cast(i, "int8") is i
    assert T.imag(i).dtype == "int8"


def test_cast_spellings():
    x = variable(Type("float32", (None,)), "x")
    assert T.cast(x, float).dtype == x.astype(np.float64).dtype == "float64"
    assert T.cast(x, "floatX").dtype == "float64" and x.astype(bool).dtype == "bool"
    assert T.cast(x, np.dtype("int16")).dtype == "int16" and T.cast(1.5, "int8").data == 1
    with pytest.raises(DtypeError, match="unknown dtype 'flot32'.*did you mean float32"):
        x.astype("flot32")


def test_complex_is_not_cast_to_real_silently():
    z = variable(Type("complex64", (None,)), "z")
    with pytest.raises(DtypeError, match=r"(?s)cast: .*T.real, T.imag or abs.*test_math.py"):
        z.astype("float32")
    with pytest.raises(DtypeError, match="T.real"):
        TABLE["cast"].of(z, dtype="int8")
    assert z.astype("bool").dtype == "bool" and z.astype("complex128").dtype == "complex128"


def test_relu_with_a_slope_and_clip_with_open_bounds():
    x = variable(Type("float32", (None,)), "x")
    leaky = T.relu(x, 0.1)
    assert leaky.dtype == "float32"
    np.testing.assert_allclose(evaluate(leaky, {x: [-2.0, 3.0]}), [-0.2, 3.0], rtol=1e-6)
    assert evaluate(T.relu(x, np.float32([2, 3])), {x: [-2.0, -1.0]}).tolist() == [-4.0, -3.0]
    values = np.float32([-2, 0.5, 2])
    for low, high in ((0, None), (None, 1), (0, 1)):
        got = evaluate(T.clip(x, low, high), {x: values})
        np.testing.assert_array_equal(got, np.clip(values, low, high))
    assert x.clip(a_min=0, a_max=1).op.name == "clip" and T.clip(x, None, None) is x


def test_associative_ops_take_many_operands():
    x, y, z = (variable(Type("float64", ()), n) for n in "xyz")
    given = {x: 1.0, y: 2.0, z: 4.0}
    assert evaluate(T.add(x, y, z), given) == 7 and evaluate(T.mul(x, y, z), given) == 8
    assert evaluate(T.maximum(x, y, z), given) == 4
    with pytest.raises(ArgumentError, match="sub: takes 2 inputs"):
        T.sub(x, y, z)


def test_where_and_switch():
    c, x = np.array([True, False]), np.array([1.0, 2.0])
    assert T.switch(c, x, 0).op is TABLE["where"]
    assert evaluate(T.where(c, x, -x)).tolist() == [1.0, -2.0]
    assert evaluate(T.where([[1], [0]], x, 0.0)).tolist() == [[1.0, 2.0], [0.0, 0.0]]


def test_gradients_of_where_ignore_the_dead_branch():
    x = np.array([0.0, 4.0])

    def root(v):
        return T.where(v > 0, T.sqrt(v), 0)

    assert slopes(root, x)[0].tolist() == [0.0, 0.25]

    def first(v):
        return backward([root(v)], [constant(np.ones(2))], [v])[0]

    assert slopes(first, x)[0].tolist() == [0.0, -1 / 32]

    def second(v):
        return backward([first(v)], [constant(np.ones(2))], [v])[0]

    np.testing.assert_allclose(slopes(second, x)[0], [0.0, 3 / 8 * 4**-2.5])


def test_isclose_follows_numpy():
    a = np.array([1.0, 1.0, np.inf, np.inf, np.nan, 1.0, 0.0])
    b = np.array([1.00001, 1.1, np.inf, -np.inf, np.nan, np.inf, 1e-9])
    for equal_nan in (False, True):
        got = evaluate(T.isclose(a, b, equal_nan=equal_nan))
        np.testing.assert_array_equal(got, np.isclose(a, b, equal_nan=equal_nan))
    assert not evaluate(T.allclose(a, b)) and evaluate(T.allclose(a[:1], b[:1]))
    assert evaluate(T.isclose(np.uint8([1]), np.uint8([2]), atol=1.0)).all()


def test_bits_and_logic():
    i, b = np.int8([5, -1]), np.array([True, False])
    assert evaluate(~constant(i)).tolist() == [-6, 0]
    assert evaluate(~constant(b)).tolist() == [False, True]
    assert evaluate(constant(i) & 3).tolist() == [1, 3]
    assert evaluate(1 << constant(i[:1])).tolist() == [32]
    assert evaluate(constant(b) | True).tolist() == [True, True]
    assert evaluate(T.logical_not([0.5, 0.0])).tolist() == [False, True]
    with pytest.raises(DtypeError, match="bitwise_and: takes integers or bools, not float64"):
        constant(0.1) & 1


def test_int_division_and_dtypes_of_quotients():
    assert evaluate(T.true_div(np.int32(7), np.int32(2))) == 3.5
    assert (constant(np.int32(7)) / constant(np.int8(2))).dtype == "float64"
    assert evaluate(constant(-7) // 2) == -4 and evaluate(constant(-7) % 3) == 2


def test_complex_parts():
    z = np.array([3 + 4j, -1j])
    assert evaluate(T.abs(z)).tolist() == [5, 1] and evaluate(T.conj(z)).tolist() == [3 - 4j, 1j]
    assert evaluate(constant(z).real).tolist() == [3, 0]
    assert evaluate(constant(z).imag).tolist() == [4, -1]
    assert evaluate(T.complex(z.real, z.imag)).tolist() == z.tolist()
    np.testing.assert_allclose(evaluate(T.angle(z)), np.angle(z))
    (squared,) = slopes(lambda v: T.real(v * T.conj(v)), z, dtype="complex128")
    assert squared.tolist() == [6 + 8j, -2j]


def test_strong_mul_in_each_mode():
    assert value(TABLE["strong_mul"], [0.0, 2.0], [np.nan, 3.0]).tolist() == [0.0, 6.0]
    got = slopes(TABLE["strong_mul"], [0.0, 2.0], [np.inf, 3.0])
    assert got[1].tolist() == [0.0, 2.0] and got[0][1] == 3.0


def test_names_that_numpy_and_theano_have():
    x = T.dvector("x")
    assert T.iround(x).dtype == "int64" and T.iround(T.fvector()).dtype == "int64"
    assert evaluate(T.iround([0.5, 1.5, -1.6])).tolist() == [0, 2, -2]
    assert evaluate(T.iround([0.5], mode="half_away_from_zero")).tolist() == [1]
    assert T.degrees is T.rad2deg and T.radians is T.deg2rad
    assert evaluate(T.rint([0.5, 1.6])).tolist() == [0, 2]
    assert evaluate(T.fix([-1.6, 1.6])).tolist() == [-1, 1]
