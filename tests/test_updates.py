"""Every update rule against its formula in NumPy, step by step; norms, schedules, bad input."""

from collections import OrderedDict

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.config import options
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.updates import schedules

pytestmark = pytest.mark.usefixtures("on_compiled_code")

U = sg.updates
STEPS = 6


# The rules in plain NumPy: (parameter, state, gradient, number of the step from 1) -> parameter.
def sgd(p, s, g, t, lr=0.1):
    return p - lr * g


def momentum(p, s, g, t, lr=0.1, mu=0.8):
    s["v"] = mu * s.get("v", 0) - lr * g
    return p + s["v"]


def nesterov(p, s, g, t, lr=0.1, mu=0.8):
    s["v"] = mu * s.get("v", 0) - lr * g
    return p + mu * s["v"] - lr * g


def adagrad(p, s, g, t, lr=1.0, eps=1e-6):
    s["s"] = s.get("s", 0) + g ** 2
    return p - lr * g / np.sqrt(s["s"] + eps)


def rmsprop(p, s, g, t, lr=0.05, rho=0.7, eps=1e-6):
    s["s"] = rho * s.get("s", 0) + (1 - rho) * g ** 2
    return p - lr * g / np.sqrt(s["s"] + eps)


def adadelta(p, s, g, t, lr=1.0, rho=0.95, eps=1e-6):
    s["s"] = rho * s.get("s", 0) + (1 - rho) * g ** 2
    d = s.get("d", 0)
    step = g * np.sqrt(d + eps) / np.sqrt(s["s"] + eps)
    s["d"] = rho * d + (1 - rho) * step ** 2
    return p - lr * step


def _moments(s, g, b1=0.9, b2=0.999):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g ** 2
    return s["m"], s["v"]


def _rate(lr, t, b1=0.9, b2=0.999):
    return lr * np.sqrt(1 - b2 ** t) / (1 - b1 ** t)


def adam(p, s, g, t, lr=0.001, eps=1e-8):
    m, v = _moments(s, g)
    return p - _rate(lr, t) * m / (np.sqrt(v) + eps)


def adamw(p, s, g, t, lr=0.001, eps=1e-8, wd=0.1):
    return adam(p, s, g, t, lr, eps) - lr * wd * p


def amsgrad(p, s, g, t, lr=0.001, eps=1e-8):
    m, v = _moments(s, g)
    s["u"] = np.maximum(s.get("u", 0), v)
    return p - _rate(lr, t) * m / (np.sqrt(s["u"]) + eps)


def adamax(p, s, g, t, lr=0.002, b1=0.9, b2=0.999, eps=1e-8):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["u"] = np.maximum(b2 * s.get("u", 0), np.abs(g))
    return p - lr / (1 - b1 ** t) * s["m"] / (s["u"] + eps)


TABLE = {
    "sgd": (lambda c, p: U.sgd(c, p, 0.1), sgd),
    "momentum": (lambda c, p: U.momentum(c, p, 0.1, momentum=0.8), momentum),
    "nesterov": (lambda c, p: U.nesterov_momentum(c, p, 0.1, momentum=0.8), nesterov),
    "sgd + momentum": (lambda c, p: U.apply_momentum(U.sgd(c, p, 0.1), momentum=0.8), momentum),
    "sgd + nesterov": (
        lambda c, p: U.apply_nesterov_momentum(U.sgd(c, p, 0.1), p, momentum=0.8), nesterov),
    "adagrad": (lambda c, p: U.adagrad(c, p), adagrad),
    "rmsprop": (lambda c, p: U.rmsprop(c, p, 0.05, rho=0.7), rmsprop),
    "adadelta": (lambda c, p: U.adadelta(c, p), adadelta),
    "adam": (lambda c, p: U.adam(c, p), adam),
    "adamw": (lambda c, p: U.adamw(c, p, weight_decay=0.1), adamw),
    "amsgrad": (lambda c, p: U.amsgrad(c, p), amsgrad),
    "adamax": (lambda c, p: U.adamax(c, p), adamax),
}
# Rules that take a learning rate as the third argument and need nothing else.
RATED = [U.sgd, U.momentum, U.nesterov, U.adagrad, U.rmsprop, U.adadelta, U.adam, U.adamw,
         U.amsgrad, U.adamax]


def problem(dtype):
    """Two parameters, their cost, and the cost's gradient in NumPy."""
    rng = np.random.default_rng(3)
    values = [rng.normal(size=(3, 2)).astype(dtype), rng.normal(size=4).astype(dtype)]
    scale = rng.uniform(0.5, 2, size=(3, 2)).astype(dtype)
    W, b = (sg.shared(v, name=n) for v, n in zip(values, "Wb", strict=True))
    cost = T.sum(T.constant(scale) * W ** 2) + T.sum(T.sin(b))
    return [W, b], values, cost, lambda w, b: (2 * scale * w, np.cos(b))


def expected(rule, values, gradient):
    values, states = [v.astype("float64") for v in values], [{} for _ in values]
    for t in range(1, STEPS + 1):
        grads = gradient(*values)
        values = [rule(p, s, g, t) for p, s, g in zip(values, states, grads, strict=True)]
    return values


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TABLE)
def test_steps_are_the_formula(name, dtype, floatX):
    make, rule = TABLE[name]
    with options(floatX=floatX):
        params, values, cost, gradient = problem(dtype)
        updates = make(cost, params)
        assert isinstance(updates, OrderedDict)
        for target, new in updates.items():
            assert new.dtype == target.dtype
        step = sg.function([], cost, updates=updates)
    for _ in range(STEPS):
        step()
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    for p, want in zip(params, expected(rule, values, gradient), strict=True):
        assert p.get_value().dtype == dtype
        np.testing.assert_allclose(p.get_value(), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rule", RATED)
def test_gradients_in_place_of_a_cost(rule):
    results = []
    for as_list in (False, True):
        params, _, cost, _ = problem("float64")
        first = T.grad(cost, params) if as_list else cost
        step = sg.function([], [], updates=rule(first, params, 0.1))
        step(), step()
        results.append([p.get_value() for p in params])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


@pytest.mark.parametrize("rule", RATED)
def test_symbolic_rate_equals_a_number(rule):
    results = []
    for kind in ("number", "shared", "input"):
        params, _, cost, _ = problem("float32")
        rate = {"number": 0.05, "shared": sg.shared(np.float64(0.05)),
                "input": T.dscalar("rate")}[kind]
        updates = rule(cost, params, rate)
        assert all(new.dtype == target.dtype for target, new in updates.items())
        if kind == "input":
            sg.function([rate], [], updates=updates)(0.05)
        else:
            sg.function([], [], updates=updates)()
        results.append([p.get_value() for p in params])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_float64_gradient_does_not_widen_a_float32_parameter():
    w = sg.shared(np.float32(2), name="w")
    updates = U.sgd([T.constant(np.float64(0.5))], [w], 0.1)
    assert updates[w].dtype == "float32"
    sg.function([], [], updates=updates)()
    assert w.get_value() == np.float32(2) - np.float32(0.1) * np.float32(0.5)


def test_one_parameter_without_a_list():
    w = sg.shared(3.0, name="w")
    sg.function([], [], updates=U.sgd(w ** 2, w, 0.25))()
    assert w.get_value() == 1.5


def test_apply_momentum_leaves_its_argument_and_the_states_of_rules_alone():
    params, _, cost, _ = problem("float64")
    plain = U.adam(cost, params)
    before = OrderedDict(plain)
    moved = U.apply_momentum(plain)
    assert list(plain.items()) == list(before.items())
    assert len(moved) == len(plain) + len(params)
    changed = [k for k in plain if moved[k] is not plain[k]]
    assert changed == params


def test_apply_momentum_needs_an_update():
    params, _, cost, _ = problem("float64")
    with pytest.raises(ArgumentError, match="apply_momentum: parameter b has no entry"):
        U.apply_momentum(U.sgd(cost, params[:1], 0.1), params)


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RATED)
def test_bad_parameters(rule):
    name = rule.__name__
    x = sg.shared(1.0, name="x")
    with pytest.raises(ArgumentError, match=rf"{name}: parameter 1, .*not a shared variable"):
        rule([x, x], [x, x + 1], 0.1)
    with pytest.raises(ArgumentError, match=rf"{name}: parameter x is listed twice, at 0 and at 1"):
        rule([x, x], [x, x], 0.1)
    with pytest.raises(ArgumentError, match=rf"{name}: 1 gradients for 2 parameters"):
        rule([x], [x, sg.shared(2.0)], 0.1)
    for value in (3, np.complex128(1j), True):
        with pytest.raises(DtypeError, match=rf"{name}: parameter n has dtype .*float32"):
            rule([x], [sg.shared(value, name="n")], 0.1)
    with pytest.raises(ArgumentError, match=rf"{name}: the gradient of x is None"):
        rule([None], [x], 0.1)
    with pytest.raises(ShapeError, match=rf"{name}: the gradient of x has rank 1, the parameter 0"):
        rule([T.constant(np.zeros(2))], [x], 0.1)
    for bad in ("fast", T.vector("rates"), np.zeros(2), None):
        with pytest.raises(ArgumentError, match=rf"{name}: learning_rate must be a number"):
            rule([x], [x], bad)


# --- norms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape, axes, reduced", [
    ((5, 3), None, (0,)), ((4, 3, 2), None, (1, 2)), ((4, 3, 2, 2), None, (1, 2, 3)),
    ((4, 3, 2, 2, 2), None, (1, 2, 3, 4)), ((5,), (0,), (0,)), ((3, 4), (1,), (1,)),
])
def test_norm_constraint(shape, axes, reduced, dtype):
    value = np.random.default_rng(0).normal(size=shape).astype(dtype)
    out = U.norm_constraint(sg.shared(value), 1.5, norm_axes=axes)
    assert out.dtype == dtype
    norms = np.sqrt((value.astype("float64") ** 2).sum(axis=reduced, keepdims=True))
    want = value * np.minimum(norms, 1.5) / (1e-7 + norms)
    np.testing.assert_allclose(out.eval(), want, rtol=1e-5 if dtype == "float32" else 1e-12)


def test_norm_constraint_needs_axes_for_a_vector():
    with pytest.raises(ShapeError, match="norm_constraint: no default axes for 1 dimensions"):
        U.norm_constraint(T.vector(), 1.0)


@pytest.mark.parametrize("max_norm, factor", [(5.0, 5 / 13), (20.0, 1.0)])
def test_total_norm_constraint(max_norm, factor):
    a, b = np.float32([3, 4]), np.float64([[12]])
    clipped, norm = U.total_norm_constraint(
        [T.constant(a), T.constant(b)], max_norm, return_norm=True)
    assert [c.dtype for c in clipped] == ["float32", "float64"]
    np.testing.assert_allclose(norm.eval(), 13, rtol=1e-6)
    np.testing.assert_allclose(clipped[0].eval(), a * factor, rtol=1e-6)
    np.testing.assert_allclose(clipped[1].eval(), b * factor, rtol=1e-6)
    assert isinstance(U.total_norm_constraint([T.constant(a)], 1.0), list)


def test_total_norm_constraint_bad_input():
    with pytest.raises(ArgumentError, match="total_norm_constraint: the list of tensors is empty"):
        U.total_norm_constraint([], 1.0)
    with pytest.raises(DtypeError, match="total_norm_constraint: the tensors have dtype int64"):
        U.total_norm_constraint([T.lvector()], 1.0)


# --- schedules -------------------------------------------------------------------------------

SCHEDULES = {
    "constant": (lambda s: schedules.constant(0.5, s), lambda t: 0.5),
    "step_decay": (lambda s: schedules.step_decay(0.5, s, 3, 0.1), lambda t: 0.5 * 0.1 ** (t // 3)),
    "exponential": (
        lambda s: schedules.exponential(0.5, s, 4, 0.1), lambda t: 0.5 * 0.1 ** (t / 4)),
    "inverse_time": (lambda s: schedules.inverse_time(0.5, s, 4), lambda t: 0.5 / (1 + t / 4)),
    "cosine": (
        lambda s: schedules.cosine(0.5, s, 5, final=0.1),
        lambda t: 0.1 + 0.4 * (1 + np.cos(np.pi * min(t / 5, 1))) / 2),
    "warmup": (lambda s: schedules.warmup(0.5, s, 4), lambda t: 0.5 * min(1, (t + 1) / 4)),
    "piecewise": (
        lambda s: schedules.piecewise([0.5, 0.2, 0.1], s, [2, 5]),
        lambda t: 0.5 if t < 2 else 0.2 if t < 5 else 0.1),
    "composed": (
        lambda s: schedules.warmup(schedules.inverse_time(sg.shared(0.5), s, 4), s, 4),
        lambda t: 0.5 / (1 + t / 4) * min(1, (t + 1) / 4)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_and_its_counter(name):
    make, formula = SCHEDULES[name]
    step = U.counter()
    rate = make(step)
    assert (rate.ndim, rate.dtype) == (0, "float64")
    w = sg.shared(np.float32(0), name="w")
    updates = U.sgd([T.constant(np.float32(-1))], [w], rate)
    assert list(updates) == [w, step]
    train = sg.function([], rate, updates=updates)
    rates = [float(train()) for _ in range(9)]
    np.testing.assert_allclose(rates, [formula(t) for t in range(9)], rtol=1e-12)
    assert step.get_value() == 9
    np.testing.assert_allclose(w.get_value(), sum(rates), rtol=1e-6)
    rate.eval()
    assert step.get_value() == 9  # looking at a rate does not count


@pytest.mark.parametrize("rule", RATED)
def test_every_rule_ticks_the_counter_of_its_rate(rule):
    step = U.counter()
    w = sg.shared(1.0, name="w")
    updates = rule(w ** 2, [w], schedules.exponential(0.1, step, 10))
    train = sg.function([], [], updates=updates)
    train(), train()
    assert step.get_value() == 2


def test_bad_schedules():
    step = U.counter()
    with pytest.raises(ArgumentError, match="piecewise: 2 rates for 2 boundaries"):
        schedules.piecewise([1, 2], step, [3, 4])
    with pytest.raises(ArgumentError, match="piecewise: the boundaries .* do not increase"):
        schedules.piecewise([1, 2, 3], step, [4, 4])
    with pytest.raises(ArgumentError, match="cosine: step must be a number or a scalar variable"):
        schedules.cosine(0.1, T.vector(), 10)
