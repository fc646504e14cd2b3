"""What neural networks add: softmax, cross-entropies, activations."""

from __future__ import annotations

import numpy as np

from symgrad.domains import real
from symgrad.errors import ShapeError
from symgrad.families import axis_attr, casting, composite, elementwise, real_floating
from symgrad.node import as_node
from symgrad.op import cast_node, weak_numbers
from symgrad.ops.keys import getitem
from symgrad.ops.lengths import length
from symgrad.ops.logic import clip, gt, relu, where
from symgrad.ops.math import exp, expm1, log, log1p, neg, sigmoid
from symgrad.ops.reduce import sum_, supremum
from symgrad.ops.shape import unsqueeze
from symgrad.ops.source import arange
from symgrad.ops.trig import tanh
from symgrad.types import is_discrete, kind_of


def floating_node(x):
    """x as a node of a real floating dtype."""
    return casting(real_floating)([as_node(x)])[0]


def keep(reduce, x, axis):
    """A reduction that keeps its axes, with length 1."""
    return unsqueeze.of(reduce.of(x, axis=axis), axes=axis)


def _same_type(types, axis):
    return types[0]


# -- softmax


@composite(dtype=real_floating, infer=_same_type, tidy=axis_attr, domain=real(-30, 30),
           facts={"nonnegative": True})
def softmax(x, *, axis=-1):
    """exp(x), scaled to sum to one along an axis (or several; None: all).

    It does not overflow.  -inf counts as a weight of zero; where all elements are -inf (or one is
    +inf) there is no answer, and the result is NaN.  The namespace ``T.nnet`` has Theano's softmax,
    which makes a matrix of a vector.

    >>> softmax([1000.0, 1000.0, -np.inf]).eval()
    array([0.5, 0.5, 0. ], dtype=float32)
    """
    e = exp(x - keep(supremum, x, axis))
    return e / keep(sum_, e, axis)


@softmax.vjp
def _(g, out, x, axis):
    return [(g - keep(sum_, g * out, axis)) * out]


@softmax.jvp
def _(tangents, out, x, axis):
    t = tangents[0]
    return (t - keep(sum_, t * out, axis)) * out


@composite(dtype=real_floating, infer=_same_type, tidy=axis_attr, domain=real(-30, 30))
def log_softmax(x, *, axis=-1):
    """The logarithm of `softmax`, accurate where the softmax underflows: x - log(sum(exp(x))).

    >>> log_softmax([1000.0, 0.0]).eval()
    array([    0., -1000.], dtype=float32)
    """
    shifted = x - keep(supremum, x, axis)
    return shifted - log(keep(sum_, exp(shifted), axis))


@log_softmax.vjp
def _(g, out, x, axis):
    return [g - exp(out) * keep(sum_, g, axis)]


@log_softmax.jvp
def _(tangents, out, x, axis):
    t = tangents[0]
    return t - keep(sum_, exp(out) * t, axis)


# -- cross-entropies


def categorical_crossentropy(coding_dist, true_dist):
    """The cross-entropy of each row of `coding_dist`, probabilities, with what is true: a vector.

    `true_dist` is a vector with the label of each row, or a matrix of probabilities.  IndexingError
    for a label that has no column, ShapeError for labels that are not as many as the rows.

    >>> categorical_crossentropy([[0.25, 0.75], [1.0, 0.0]], [1, 0]).eval()
    array([ 0.2876821, -0.       ], dtype=float32)
    """
    p, true = as_node(coding_dist), as_node(true_dist)
    with weak_numbers():
        if true.type.ndim == p.type.ndim:
            return neg(sum_(true * log(p), axis=p.type.ndim - 1))
        if p.type.ndim == 2 and true.type.ndim == 1 and kind_of(true.type.dtype) in "iu":
            # Only the probabilities picked go through the logarithm: the others may be zero.
            return neg(log(getitem(p, (arange(length.of(p, axis=0)), true))))
    raise ShapeError(f"categorical_crossentropy: {true.type!r} must be probabilities like "
                     f"{p.type!r}, or a vector of integer labels for the rows of a matrix")


def _labelled(output, target):
    """Both as nodes; labels that are integers, bools or numbers in the dtype of the output."""
    output = floating_node(output)
    target = as_node(target, weak_for=output.dtype)
    return output, cast_node(target, output.dtype) if is_discrete(target.dtype) else target


def binary_crossentropy(output, target):
    """``-(target log(output) + (1 - target) log(1 - output))``, element by element.

    `output` are probabilities; for logits see `sigmoid_binary_crossentropy`.

    >>> binary_crossentropy([0.5, 0.75], [1, 0]).eval()
    array([0.6931472, 1.3862944], dtype=float32)
    """
    output, target = _labelled(output, target)
    with weak_numbers():
        return neg(target * log(output) + (1 - target) * log1p(neg(output)))


@elementwise(scalar=lambda s, x, t: (s.abs(x) * s.where(x >= 0, 1 - t, t)
                                     + s.log1p(s.exp(-s.abs(x)))),
             slopes=lambda x, t, out: (sigmoid(x) - t, neg(x)), dtype=real_floating,
             domain=(real(-30, 30, near=(0.0,)), real(0, 1)))
def sigmoid_binary_crossentropy(output, target):
    """``binary_crossentropy(sigmoid(output), target)`` from the logits, finite for all of them.

    >>> sigmoid_binary_crossentropy([-1000.0, 1000.0], [1, 1]).eval()
    array([1000.,    0.], dtype=float32)
    """
    size = np.abs(output)  # and not max(x, 0) - x t, which takes inf from inf
    return size * np.where(output >= 0, 1 - target, target) + np.log1p(np.exp(-size))


@sigmoid_binary_crossentropy.public
def _(output, target):
    return sigmoid_binary_crossentropy.of(*_labelled(output, target))


# -- activations


@elementwise(scalar=lambda s, x, a: s.where(x > 0, x, a * s.expm1(s.min(x, 0))),
             slopes=lambda x, a, out: (where(gt(x, 0), 1, out + a),
                                       where(gt(x, 0), 0, expm1(where(gt(x, 0), 0, x)))),
             dtype=real_floating, domain=(real(-3, 3, avoid=(0.0,)), real(0.5, 2)))
def elu(x, alpha):
    """x where it is positive, else ``alpha (exp(x) - 1)``: Clevert and others, arXiv:1511.07289.

    >>> elu([1.0, -1.0, -np.inf]).eval()
    array([ 1.        , -0.63212055, -1.        ], dtype=float32)
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@elu.public
def _(x, alpha=1):
    with weak_numbers():
        return elu.of(floating_node(x), alpha)


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@elementwise(scalar=lambda s, x: s.where(x > 0, SELU_SCALE * x,
                                         SELU_SCALE * SELU_ALPHA * s.expm1(s.min(x, 0))),
             slopes=lambda x, out: (where(gt(x, 0), SELU_SCALE, out + SELU_SCALE * SELU_ALPHA),),
             dtype=real_floating, domain=real(-3, 3, avoid=(0.0,)), monotone=1)
def selu(x):
    """The scaled exponential linear unit: Klambauer and others, arXiv:1706.02515.

    >>> selu([1.0, -np.inf]).eval()
    array([ 1.050701 , -1.7580993], dtype=float32)
    """
    low = SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(x, 0))
    return np.where(x > 0, SELU_SCALE * x, low)


@elementwise(scalar=lambda s, x: x / (1 + s.abs(x)), slopes=lambda x, out: ((1 - abs(out)) ** 2,),
             dtype=real_floating, domain=real(-9, 9, near=(0.0,)), monotone=1)
def softsign(x):
    """``x / (1 + |x|)``, between -1 and 1.

    >>> softsign([1.0, -3.0]).eval()
    array([ 0.5 , -0.75], dtype=float32)
    """
    return x / (1 + np.abs(x))


def hard_sigmoid(x):
    """``clip(0.2 x + 0.5, 0, 1)``: a sigmoid in straight lines.

    >>> hard_sigmoid([-5.0, 0.0, 1.0]).eval()
    array([0. , 0.5, 0.7], dtype=float32)
    """
    x = floating_node(x)
    with weak_numbers():
        return clip.of(0.2 * x + 0.5, 0, 1)


def gelu(x):
    """The Gaussian error linear unit in its form with tanh: Hendrycks and Gimpel, arXiv:1606.08415.

    ``x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3)))``

    >>> gelu([1.0, -1.0]).eval()
    array([ 0.841192, -0.158808], dtype=float32)
    """
    x = floating_node(x)
    with weak_numbers():
        return 0.5 * x * (1 + tanh(np.sqrt(2 / np.pi).item() * (x + 0.044715 * x * x * x)))


def silu(x):
    """``x sigmoid(x)``, also called swish: Ramachandran and others, arXiv:1710.05941.

    >>> silu([0.0, 1.0]).eval()
    array([0.       , 0.7310586], dtype=float32)
    """
    x = floating_node(x)
    return x * sigmoid(x)


def leaky_relu(x, alpha=0.01):
    """x where it is positive, else ``alpha x``.

    >>> leaky_relu([2.0, -2.0]).eval()
    array([ 2.  , -0.02], dtype=float32)
    """
    return relu(floating_node(x), alpha)


FUNCTIONS = (categorical_crossentropy, binary_crossentropy, hard_sigmoid, gelu, silu, leaky_relu)
