"""What the rules are for: classifiers whose logits are far out, in single precision."""

import numpy as np
import pytest
from test_rules import RULES, fires

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.passes import REWRITES, apply, select
from symgrad.compile.pattern import RuleSet
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import rewrite
from symgrad.compile.rules import stabilise
from symgrad.node import toposort

LOGITS = np.array([[1000, -1000, 0], [-1000, 1000, 5], [3, 2, 1], [-1000, -1000, -999]], "float32")
LABELS = np.array([1, 1, 0, 2], "int32")


def true_loss(z, y):
    z = z.astype("float64")
    shifted = z - z.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    hit = np.eye(z.shape[1])[y]
    return -(log_p * hit).sum(), np.exp(log_p) - hit


def written_out(z, y):
    p = T.exp(z) / T.exp(z).sum(axis=1, keepdims=True)
    return -T.sum(T.log(p[T.arange(y.shape[0]), y]))


WAYS = {
    "tutorial": lambda z, y: -T.sum(T.log(T.softmax(z, axis=1))[T.arange(y.shape[0]), y]),
    "picked first": lambda z, y: -T.sum(T.log(T.softmax(z, axis=1)[T.arange(y.shape[0]), y])),
    "categorical_crossentropy": lambda z, y: T.nnet.categorical_crossentropy(
        T.nnet.softmax(z), y).sum(),
    "one-hot": lambda z, y: -T.sum(T.eye(3, dtype="float32")[y] * T.log(T.softmax(z, axis=1))),
    "written out": written_out,
    "logsumexp": lambda z, y: T.sum(
        T.log(T.sum(T.exp(z), axis=1)) - z[T.arange(y.shape[0]), y]),
}


@pytest.mark.parametrize("way", WAYS)
def test_cross_entropy_is_right_for_logits_of_a_thousand(way):
    z, y = T.fmatrix("z"), T.ivector("y")
    loss = WAYS[way](z, y)
    f = sg.function([z, y], [loss, sg.grad(loss, z)])
    value, slope = f(LOGITS, LABELS)
    want, want_slope = true_loss(LOGITS, LABELS)
    assert value.dtype == slope.dtype == "float32"
    np.testing.assert_allclose(value, want, rtol=1e-6)
    np.testing.assert_allclose(slope, want_slope, atol=1e-6)


@pytest.mark.parametrize("before,after,loss_right,slope_right", [
    ("", "", True, True),
    ("", "-stabilise", False, True),
    ("none", "", True, True),  # the rule cross_entropy_slope
    ("none", "none", False, False),
])
def test_two_independent_nets(before, after, loss_right, slope_right):
    """The stable form before `grad`, and the stabilise pass of the function: either saves the
    gradient."""
    z, y = T.fmatrix("z"), T.ivector("y")
    loss = WAYS["tutorial"](z, y)
    f = sg.function([z, y], [loss, sg.grad(loss, z, passes=before)], passes=after)
    value, slope = f(LOGITS, LABELS)
    want, want_slope = true_loss(LOGITS, LABELS)
    assert np.isclose(value, want) == loss_right
    assert np.allclose(slope, want_slope, atol=1e-6) == slope_right


@pytest.mark.parametrize("way", ["sigmoid", "written out", "function"])
def test_binary_cross_entropy_is_right_for_logits_of_a_thousand(way):
    z, t = T.fvector("z"), T.fvector("t")
    if way == "function":
        loss = T.nnet.binary_crossentropy(T.nnet.sigmoid(z), t).sum()
    else:
        p = T.nnet.sigmoid(z) if way == "sigmoid" else 1 / (1 + T.exp(-z))
        loss = -T.sum(t * T.log(p) + (1 - t) * T.log(1 - p))
    f = sg.function([z, t], [loss, sg.grad(loss, z)])
    logits = np.array([1000, -1000, 1000, -1000, 0.5], "float32")
    truth = np.array([1, 0, 0, 1, 1], "float32")
    value, slope = f(logits, truth)
    np.testing.assert_allclose(value, 2000 + np.log1p(np.exp(-0.5)), rtol=1e-6)
    np.testing.assert_allclose(slope, [0, 0, 1, -1, 1 / (1 + np.exp(-0.5)) - 1], atol=1e-6)
    names = {n.op.name for n in toposort(rewritten([z, t], [loss]))}
    assert "sigmoid_binary_crossentropy" in names and "log" not in names


def rewritten(inputs, outputs, passes=""):
    pool, graph = absorb(outputs)
    return apply(REWRITES, graph, pool, select(passes))


def test_the_training_step_is_two_products_and_one_group():
    """DESIGN's example: x @ W, elementwise work and sums over rows, x.T @ slope into W."""
    x, y, W, b = T.matrix("x"), T.ivector("y"), T.matrix("W"), T.vector("b")
    loss = -T.mean(T.log(T.nnet.softmax(T.dot(x, W) + b))[T.arange(y.shape[0]), y])
    gW, gb = sg.grad(loss, [W, b])
    order = toposort(rewritten([x, y, W, b], [loss, W - 0.1 * gW, b - 0.1 * gb]))
    count = {}
    for n in order:
        count[n.op.name] = count.get(n.op.name, 0) + 1
    assert count["dot"] == count["gemm"] == count["pick"] == count["place"] == 1
    assert count["exp"] == count["log"] == count["supremum"] == 1
    assert not {"gather", "arange", "inc_subtensor", "softmax", "log_softmax"} & set(count)
    large = [n for n in order if n.type.ndim == 2 and n.op.kind in ("elementwise", "scatter")
             and 1 not in n.type.shape]
    assert sorted(n.op.name for n in large) == ["add", "exp", "mul", "place", "sub", "sub"]


def test_prediction_needs_no_softmax():
    z = T.matrix("z")
    found = rewritten([z], [T.argmax(T.nnet.softmax(z), axis=1)])
    assert [n.op.name for n in toposort(found)][1:] == ["argmax"]


def test_ops_for_derivatives_only_are_left_out_of_functions_but_not_of_gradients():
    x = T.dvector("x")
    (kept,) = rewritten([x], [sg.grad(T.sum(T.sqr(T.grad_clip(x, -1, 1))), x)])
    assert "clip" in {n.op.name for n in toposort([kept])}
    assert rewritten([x], [T.stop_gradient(T.zero_grad(x))])[0].op.name == "input"


def test_a_product_in_a_sum_is_drawn_in_only_where_it_saves_a_pass():
    W, x, d = T.matrix("W"), T.matrix("x"), T.matrix("d")
    product = T.dot(x.T, d)
    step = W - 0.1 * (product + 0.01 * W)
    (new,) = rewritten([W, x, d], [step])
    assert new.op.name == "gemm" and new.inputs[4].data == pytest.approx(0.999)
    names = {n.op.name for n in toposort(rewritten([W, x, d], [step, product]))}
    assert "gemm" not in names  # the product is needed by itself
    names = {n.op.name for n in toposort(rewritten([W, x, d], [T.tanh(step)]))}
    assert "gemm" not in names  # the sum is fused with tanh
    assert "gemm" not in {n.op.name for n in toposort(rewritten([W, x, d], [step], "-blas.gemm"))}


@pytest.mark.parametrize("op", ["softmax", "sigmoid"])
def test_a_logarithm_looks_through_eight_moves(op):
    x, rules = T.dmatrix("x"), RuleSet("one", (stabilise.LOG_OF_PART,))
    moved = T.softmax(x, axis=0) if op == "softmax" else T.sigmoid(x)
    for k in range(10):
        pool, old = absorb([T.log(moved)])
        names = [n.op.name for n in toposort(rewrite(old, rules, pool))]
        assert ("log" in names) == (k in (0, 9)), k
        moved = moved.T


X, M = T.dvector("x"), T.dmatrix("M")
TOP = T.max(X, axis=0, keepdims=True)
LOSS = "{t} * T.softplus(-X) + (1 - {t}) * T.softplus(X)"


@pytest.mark.parametrize("rule,graph,yes", [
    ("softmax_shift", T.softmax(X - TOP, axis=0), True),
    ("softmax_shift", T.softmax(X + TOP, axis=0), False),
    ("log_softmax_shift", T.log_softmax(X - TOP, axis=0), True),
    ("log_softmax_shift", T.log_softmax(X + TOP, axis=0), False),
    ("crossentropy_of_logits", eval(LOSS.format(t="T.sqr(X)")), True),
    ("crossentropy_of_logits", eval(LOSS.format(t="M")), False),  # X is stretched
])
def test_where_rules_fire(rule, graph, yes):
    assert (fires(RULES[f"stabilise.{rule}"], graph) is not None) is yes
