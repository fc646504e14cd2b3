"""``T.nnet``: Theano's names for neural networks.

Where Theano's meaning differs from that of the same name in ``T``, as for `softmax` of a vector,
this namespace has Theano's.
"""

from __future__ import annotations

from symgrad.errors import ShapeError, near
from symgrad.node import as_node
from symgrad.op import weak_numbers
from symgrad.ops import nn
from symgrad.ops.conv import conv2d  # noqa: F401
from symgrad.ops.keys import getitem
from symgrad.ops.lengths import length
from symgrad.ops.logic import relu, where  # noqa: F401
from symgrad.ops.math import add, neg, sigmoid, softplus  # noqa: F401
from symgrad.ops.nn import (  # noqa: F401
    binary_crossentropy,
    categorical_crossentropy,
    elu,
    gelu,
    hard_sigmoid,
    leaky_relu,
    selu,
    sigmoid_binary_crossentropy,
    silu,
    softsign,
)
from symgrad.ops.reduce import argmax, max_
from symgrad.ops.shape import unsqueeze
from symgrad.ops.source import arange

# -- softmax


def _rows(c):
    """A matrix of logits; a vector is a matrix with one row."""
    c = as_node(c)
    return unsqueeze.of(c, axes=(0,)) if c.type.ndim == 1 else c


def softmax(c):
    """The softmax of each row of a matrix.  As in Theano, a vector gives a matrix with one row.

    With more than two axes it goes along the last one; see ``T.softmax`` for the others.

    >>> softmax([0.0, 0.0]).eval()
    array([[0.5, 0.5]], dtype=float32)
    """
    return nn.softmax(_rows(c))


def logsoftmax(c):
    """The logarithm of `softmax`, accurate where that underflows.

    >>> logsoftmax([1000.0, 0.0]).eval()
    array([[    0., -1000.]], dtype=float32)
    """
    return nn.log_softmax(_rows(c))


log_softmax = logsoftmax
swish = silu

# -- cheap sigmoids


def ultra_fast_sigmoid(x):
    """A sigmoid of fractions and straight lines, at most 0.028 off (Theano's).

    >>> ultra_fast_sigmoid([0.0, 10.0]).eval()
    array([0.5       , 0.99752736], dtype=float32)
    """
    with weak_numbers():
        x = 0.5 * nn.floating_node(x)
        size = abs(x)
        line = 0.935409070603099 + 0.0458812946797165 * (size - 1.7)
        bent = where(size < 1.7, 1.5 * size / (1 + size), where(size < 3, line, 0.99505475368673))
        return 0.5 * (where(x < 0, neg(bent), bent) + 1)


# -- cross-entropy of integer labels


def crossentropy_categorical_1hot(coding_dist, true_one_of_n):
    """``-log(coding_dist[i, label of i])``: `categorical_crossentropy` with labels."""
    return categorical_crossentropy(coding_dist, true_one_of_n)


def crossentropy_softmax_1hot(x, y_idx):
    """The cross-entropy of the softmax of the logits x with the labels `y_idx`, and that softmax.

    >>> loss, p = crossentropy_softmax_1hot([[0.0, 1000.0]], [0])
    >>> loss.eval(), p.eval()
    (array([1000.], dtype=float32), array([[0., 1.]], dtype=float32))
    """
    x, y = _rows(x), as_node(y_idx)
    if x.type.ndim != 2 or y.type.ndim != 1:
        raise ShapeError(f"crossentropy_softmax_1hot: takes a matrix of logits and a vector of "
                         f"labels, not {x.type!r} and {y.type!r}")
    loss = neg(getitem(nn.log_softmax(x), (arange(length.of(x, axis=0)), y)))
    return loss, nn.softmax(x)


def crossentropy_softmax_1hot_with_bias(x, b, y_idx):
    """`crossentropy_softmax_1hot` of x + b."""
    return crossentropy_softmax_1hot(add(x, b), y_idx)


def crossentropy_softmax_argmax_1hot_with_bias(x, b, y_idx):
    """The cross-entropy, the softmax and the likeliest label of each row of x + b."""
    loss, p = crossentropy_softmax_1hot_with_bias(x, b, y_idx)
    return loss, p, argmax(p, axis=-1)


def crossentropy_softmax_max_and_argmax_1hot(x, y_idx):
    """The cross-entropy, the softmax, its largest value and its place, of each row of x."""
    loss, p = crossentropy_softmax_1hot(x, y_idx)
    return loss, p, max_(p, axis=-1), argmax(p, axis=-1)


def crossentropy_softmax_max_and_argmax_1hot_with_bias(x, b, y_idx):
    """`crossentropy_softmax_max_and_argmax_1hot` of x + b."""
    return crossentropy_softmax_max_and_argmax_1hot(add(x, b), y_idx)


def __getattr__(name):
    known = [n for n in globals() if not n.startswith("_")]
    raise AttributeError(f"T.nnet has no {name!r}: {near(name, known)}")
