"""Identities that steer derivatives, and ops of the user's own."""

import pickle

import numpy as np
import pytest
from differences import check_derivatives

import symgrad.tensor as T
from symgrad.derive import backward, forward
from symgrad.errors import ArgumentError, DtypeError, NoDerivative, ShapeError
from symgrad.families import composite, define
from symgrad.node import leaves
from symgrad.ops.control import wrap

A = np.array([0.5, -2.0, 3.0])


def gradient(build):
    """The gradient of the sum of ``build(x)`` at A, or None where x is not connected."""
    x = T.dvector("x")
    y = build(x)
    g = backward([y], [T.ones_like(y)], [x])[0]
    return None if g is None else g.eval({x: A} if x in leaves([g]) else {})


IDENTITIES = [T.stop_gradient, T.disconnected_grad, T.zero_grad, T.consider_constant,
              T.undefined_grad, lambda x: T.grad_scale(x, 3), lambda x: T.grad_clip(x, -1, 1)]


@pytest.mark.parametrize("op", IDENTITIES)
@pytest.mark.parametrize("dtype", ["float32", "int8", "bool", "complex64"])
def test_values_are_those_of_the_input(op, dtype):
    if op is IDENTITIES[-1] and dtype == "complex64":
        pytest.skip("complex numbers cannot be clipped")
    x = T.tensor(dtype, (None, None))
    a = np.array([[0, 1], [1, 0]], dtype)
    y = op(x)
    found = y.eval({x: a})
    assert y.type is x.type and found.dtype == a.dtype and found is not a
    np.testing.assert_array_equal(found, a)


def test_gradients():
    assert gradient(T.stop_gradient) is None
    np.testing.assert_array_equal(gradient(lambda x: x * T.disconnected_grad(x)), A)
    np.testing.assert_array_equal(gradient(T.zero_grad), [0, 0, 0])
    np.testing.assert_array_equal(gradient(lambda x: x * T.consider_constant(x)), A)
    np.testing.assert_array_equal(gradient(lambda x: T.grad_scale(x, -0.5) ** 2), -A)
    found = gradient(lambda x: T.grad_clip(x, -1, 2) ** 2)
    np.testing.assert_array_equal(found, np.clip(2 * A, -1, 2))
    with pytest.raises(NoDerivative, match="undefined_grad"):
        gradient(lambda x: T.undefined_grad(x) ** 2)


def test_forward_mode():
    x, t = T.dvector(), T.dvector()

    def tangent(build):
        moved = forward([build(x)], [x], [t])[0]
        return None if moved is None else moved.eval({t: A})

    assert tangent(T.stop_gradient) is None and tangent(T.zero_grad) is None
    np.testing.assert_array_equal(tangent(lambda x: T.grad_clip(x, -1, 1)), A)
    np.testing.assert_array_equal(tangent(lambda x: T.grad_scale(x, 2)), 2 * A)


def test_gradient_of_a_clipped_gradient():
    check_derivatives(lambda x: T.grad_clip(x, -99, 99) ** 3, A)


def test_bounds():
    with pytest.raises(ArgumentError, match="grad_clip: the lower bound 1.0 must not exceed"):
        T.grad_clip(T.vector(), 1, -1)


# -- ops of one's own


@define("opaque", infer=lambda types: types[0], samples=lambda rng: [((rng.normal(size=3),), {})])
def my_erf(x):
    """The error function, from scipy."""
    from scipy.special import erf

    return erf(x)


@my_erf.vjp
def _(g, out, x):
    return [g * 2 / np.sqrt(np.pi) * T.exp(-x * x)]


@composite()
def hard_step(x):
    """A step with the slope of a sigmoid."""
    return T.where(x > 0, 1, 0 * x)


@hard_step.vjp
def _(g, out, x):
    s = T.sigmoid(x)
    return [g * s * (1 - s)]


def test_an_op_from_scipy():
    check_derivatives(lambda x: my_erf(x) ** 2, A)
    x = T.dvector("x")
    y = pickle.loads(pickle.dumps(my_erf(x)))
    assert y.op is my_erf
    np.testing.assert_allclose(my_erf(x).eval({x: [0.5]}), [0.5204998778])


def test_an_op_without_a_derivative_says_so():
    @define("opaque", infer=lambda types: types[0])
    def ranked(x):
        return np.argsort(np.argsort(x)).astype(x.dtype)

    np.testing.assert_array_equal(ranked(A).eval(), [1, 0, 2])
    with pytest.raises(NoDerivative, match="ranked has no derivative") as caught:
        gradient(ranked)
    assert "test_control.py" in str(caught.value)


def test_an_expression_with_another_derivative():
    np.testing.assert_array_equal(hard_step(A).eval(), [1, 0, 1])
    s = 1 / (1 + np.exp(-A))
    np.testing.assert_allclose(gradient(hard_step), s * (1 - s))


def test_wrap():
    @wrap(itypes=[T.dvector, T.lscalar()], otypes=[T.dvector().type])
    def rolled(x, k):
        """x, k places on."""
        return np.roll(x, k)

    @rolled.vjp
    def _(g, out, x, k):
        return [rolled(g, -k), None]

    x, k = T.fvector("x"), T.iscalar("k")
    y = rolled(x, k)
    assert y.type is T.dvector().type and rolled.__doc__ == "x, k places on."
    np.testing.assert_array_equal(y.eval({x: np.arange(3, dtype="float32"), k: 1}), [2, 0, 1])
    check_derivatives(lambda x, k: rolled(x ** 2, k), A, fixed=(1,))


def test_wrap_refuses():
    @wrap([T.fvector], T.fvector)
    def wrong(x):
        return x.astype("float64")

    with pytest.raises(DtypeError, match="wrong: it returned float64 with 1 axes"):
        wrong(np.ones(3, "float32")).eval()
    with pytest.raises(DtypeError, match=r"wrong: wants f32\[\?\], got f64"):
        wrong(T.dvector())
    with pytest.raises(ShapeError, match=r"wrong: wants f32\[\?\], got f32\[\?,\?\]"):
        wrong(T.fmatrix())
    with pytest.raises(ArgumentError, match="wrong: takes 1"):
        wrong()
    with pytest.raises(ArgumentError, match="one result, not 2"):
        wrap([T.fvector], [T.fvector, T.fvector])
    with pytest.raises(ArgumentError, match="'f' is no type"):
        wrap(["f"], T.fvector)
