"""Softmax, cross-entropies and activations: values at the extremes, derivatives, Theano's names."""

import numpy as np
import pytest
from differences import check_derivatives
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.derive import backward
from symgrad.errors import IndexingError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 3))


def gradient(build, *arrays):
    """The gradient of the sum, by reverse mode on the graph as it is written."""
    xs = [T.tensor(a.dtype.name, (None,) * a.ndim) for a in arrays]
    y = build(*xs)
    g = backward([y], [T.ones_like(y)], [xs[0]])[0]
    return g.eval(dict(zip(xs, arrays, strict=True)))


def longdouble_softmax(x, axis):
    e = np.exp(x.astype("longdouble") - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# -- softmax


@pytest.mark.parametrize("axis", [-1, 0, 1, (0, 2), None])
def test_softmax(axis):
    wanted = longdouble_softmax(X, axis)
    np.testing.assert_allclose(T.softmax(T.constant(X), axis).eval(), wanted.astype("float64"))
    logs = T.log_softmax(T.constant(X), axis=axis).eval()
    np.testing.assert_allclose(logs, np.log(wanted).astype("float64"))
    check_derivatives(lambda x: T.softmax(x, axis=axis), X)
    check_derivatives(lambda x: T.log_softmax(x, axis=axis), X)


def test_logits_of_a_thousand():
    x = np.array([[1000, -1000, 0], [-1000, -1000, -1000], [1000, 1000, -1000]], "float32")
    third = np.float32(1 / 3)
    np.testing.assert_array_equal(T.softmax(x).eval(), [[1, 0, 0], [third] * 3, [0.5, 0.5, 0]])
    logs = T.log_softmax(x).eval()
    assert logs.dtype == "float32"
    wanted = [[0, -2000, -1000], [-np.log(3)] * 3, [-np.log(2)] * 2 + [-2000 - np.log(2)]]
    np.testing.assert_allclose(logs, wanted, rtol=1e-6)
    for f in (T.softmax, T.log_softmax):
        assert np.isfinite(gradient(lambda x, f=f: f(x) ** 2, x)).all()


def test_infinite_logits():
    x = np.array([[0, -np.inf, 0], [-np.inf, 5, -np.inf]])
    np.testing.assert_array_equal(T.softmax(x).eval(), [[0.5, 0, 0.5], [0, 1, 0]])
    with np.errstate(divide="ignore"):
        wanted = np.log([[0.5, 0, 0.5], [0, 1, 0]])
    np.testing.assert_array_equal(T.log_softmax(x).eval(), wanted)
    assert np.isfinite(gradient(lambda x: T.softmax(x) ** 2, x)).all()
    assert np.isnan(T.softmax(np.full(3, -np.inf)).eval()).all()


def test_no_logits():
    """Of no columns there is a softmax, which is empty; the sum of no exponentials is 0."""
    x = T.dmatrix("x")
    for empty in (np.zeros((2, 0)), np.zeros((0, 0))):
        for op in (T.softmax, T.log_softmax):
            assert op(x, axis=1).eval({x: empty}).shape == empty.shape
        np.testing.assert_array_equal(T.logsumexp(x, axis=1).eval({x: empty}),
                                      np.full(len(empty), -np.inf))


def test_softmax_types():
    assert T.softmax(T.ivector()).dtype == "float64"
    assert T.softmax(T.bmatrix()).dtype == "float32"
    assert T.log_softmax(T.tensor("float16", (2, 3))).type.shape == (2, 3)
    with pytest.raises(ShapeError, match="softmax: axis -1 is out of range"):
        T.softmax(T.scalar())


def test_theanos_softmax():
    v, m = T.dvector(), T.dmatrix()
    assert T.nnet.softmax(v).type.shape == (1, None)
    assert T.nnet.softmax(v).broadcastable == (True, False)
    assert T.nnet.logsoftmax(v).ndim == 2 and T.softmax(v).ndim == 1
    a = X[0]
    wanted = longdouble_softmax(a, 1).astype("float64")
    np.testing.assert_allclose(T.nnet.softmax(m).eval({m: a}), wanted)
    np.testing.assert_allclose(T.nnet.softmax(v).eval({v: a[0]})[0], T.softmax(v).eval({v: a[0]}))


# -- cross-entropies


def test_categorical_crossentropy():
    p = longdouble_softmax(X[0], 1).astype("float64")
    y, q = np.array([0, 2, 1, 1, 0], "int32"), longdouble_softmax(X[1], 1).astype("float64")
    x, t, u = T.dmatrix("p"), T.ivector("y"), T.dmatrix("q")
    found = T.categorical_crossentropy(x, t).eval({x: p, t: y})
    np.testing.assert_allclose(found, -np.log(p[np.arange(5), y]))
    found = T.categorical_crossentropy(x, u).eval({x: p, u: q})
    np.testing.assert_allclose(found, -(q * np.log(p)).sum(1))
    check_derivatives(T.categorical_crossentropy, p, fixed=(y,))
    check_derivatives(T.categorical_crossentropy, p, q)
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(gradient(T.categorical_crossentropy, sure, np.array([0, 1])),
                                  [[-1, 0], [0, -1]])
    with pytest.raises(ShapeError, match="lengths differ"):
        T.categorical_crossentropy(x, t).eval({x: p, t: y[:3]})
    with pytest.raises(IndexingError, match="index 3 is out of range for axis 1 of length 3"):
        T.categorical_crossentropy(x, t).eval({x: p, t: y + 1})
    with pytest.raises(ShapeError, match="categorical_crossentropy: .* must be probabilities"):
        T.categorical_crossentropy(x, T.dvector())


def test_labels_do_not_widen():
    x, t = T.fmatrix(), T.imatrix()
    for f in (T.binary_crossentropy, T.sigmoid_binary_crossentropy):
        assert f(x, t).dtype == "float32"
        assert f(x, 0.3).dtype == f(x, T.fscalar()).dtype == "float32"


def test_binary_crossentropy():
    p, t = RNG.uniform(0.05, 0.95, (3, 4)), RNG.uniform(size=(3, 4))
    wanted = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    np.testing.assert_allclose(T.binary_crossentropy(p, t).eval(), wanted)
    check_derivatives(T.binary_crossentropy, p, t)
    logits = np.log(p / (1 - p))
    np.testing.assert_allclose(T.sigmoid_binary_crossentropy(logits, t).eval(), wanted)
    check_derivatives(T.sigmoid_binary_crossentropy, logits, t)
    far = np.array([1000, -1000, 1000, -1000, 0], "float32")
    labels = np.array([1, 0, 0, 1, 1], "float32")
    np.testing.assert_allclose(T.sigmoid_binary_crossentropy(far, labels).eval(),
                               [0, 0, 1000, 1000, np.log(2)], rtol=1e-6)
    found = gradient(T.sigmoid_binary_crossentropy, far, labels)
    np.testing.assert_allclose(found, [0, 0, 1, -1, -0.5])


@pytest.mark.parametrize("backend", BACKENDS)
def test_crossentropy_of_infinite_logits(backend):
    """It is infinite unless the label is the one that is certain; nothing is taken from inf."""
    x, t = T.dvector("x"), T.dvector("t")
    cost = T.nnet.sigmoid_binary_crossentropy(x, t)
    f = sg.function([x, t], [cost, sg.grad(cost.sum(), x)], backend=backend)
    value, slope = f([np.inf, -np.inf, np.inf, -np.inf, 1e300, -800], [0.5, 0.5, 0, 1, 1, 1])
    np.testing.assert_array_equal(value, [np.inf, np.inf, np.inf, np.inf, 0, 800])
    np.testing.assert_array_equal(slope, [0.5, -0.5, 1, -1, 0, -1])
    near = np.nextafter(1.0, 0)  # a label that is nearly certain: 1 - t is not lost beside x
    assert f([30.0], [near])[0] == pytest.approx(30 * (1 - near) + np.exp(-30), rel=1e-14)


def test_crossentropy_softmax_1hot():
    x, b, y = T.fmatrix("x"), T.fvector("b"), T.ivector("y")
    logits = np.array([[1000, 0, 0], [0, -1000, 0]], "float32")
    at = {x: logits, b: np.zeros(3, "float32"), y: [1, 1]}
    loss, p, best = T.nnet.crossentropy_softmax_argmax_1hot_with_bias(x, b, y)
    np.testing.assert_allclose(loss.eval(at), [1000, 1000 + np.log(2)], rtol=1e-6)
    del at[y]
    np.testing.assert_allclose(p.eval(at), [[1, 0, 0], [0.5, 0, 0.5]])
    np.testing.assert_array_equal(best.eval(at), [0, 0])
    del at[b]
    _, p, top, best = T.nnet.crossentropy_softmax_max_and_argmax_1hot(x, y)
    np.testing.assert_allclose(top.eval(at), [1, 0.5])
    assert len(T.nnet.crossentropy_softmax_max_and_argmax_1hot_with_bias(x, b, y)) == 4
    assert len(T.nnet.crossentropy_softmax_1hot_with_bias(x, b, y)) == 2
    assert T.nnet.crossentropy_categorical_1hot(p, y).ndim == 1
    labels = [0, 2, 1, 0, 2]
    check_derivatives(lambda x, y: T.nnet.crossentropy_softmax_1hot(x, y)[0], X[0], fixed=(labels,))
    with pytest.raises(ShapeError, match="a matrix of logits and a vector of labels"):
        T.nnet.crossentropy_softmax_1hot(x, x)


# -- activations


def relu(x, a=0.0):
    return np.where(x > 0, x, a * x)


S, A = 1.0507009873554805, 1.6732632423543772
ACTIVATIONS = [
    (T.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    (lambda x: T.elu(x, 0.3), lambda x: np.where(x > 0, x, 0.3 * np.expm1(np.minimum(x, 0)))),
    (T.selu, lambda x: S * np.where(x > 0, x, A * np.expm1(np.minimum(x, 0)))),
    (T.softsign, lambda x: x / (1 + abs(x))), (T.silu, lambda x: x / (1 + np.exp(-x))),
    (T.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    (T.gelu, lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    (T.leaky_relu, lambda x: relu(x, 0.01)),
    (lambda x: T.leaky_relu(x, 0.3), lambda x: relu(x, 0.3)),
    (T.nnet.relu, relu), (lambda x: T.nnet.relu(x, 0.2), lambda x: relu(x, 0.2)),
    (T.nnet.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    (T.nnet.softplus, lambda x: np.logaddexp(x, 0)),
]


@pytest.mark.parametrize("build, wanted", ACTIVATIONS)
def test_activations(build, wanted):
    x = np.linspace(-4, 4, 24)
    np.testing.assert_allclose(build(T.constant(x)).eval(), wanted(x), rtol=1e-12)
    check_derivatives(build, x)
    assert build(T.fvector()).dtype == "float32"
    far = build(T.constant(np.array([-1e4, 1e4, np.nan], "float32"))).eval()
    assert np.isfinite(far[:2]).all() and np.isnan(far[2])
    assert np.isfinite(gradient(build, np.array([-1e4, 0, 1e4], "float32"))).all()


def test_ultra_fast_sigmoid():
    x = np.linspace(-20, 20, 999)
    found = T.nnet.ultra_fast_sigmoid(T.constant(x)).eval()
    assert abs(found - 1 / (1 + np.exp(-x))).max() < 0.028
    assert T.nnet.ultra_fast_sigmoid(T.fvector()).dtype == "float32"
