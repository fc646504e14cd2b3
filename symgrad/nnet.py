"""``T.nnet``: Theano's names for neural networks.

Where Theano's meaning differs from the op of the same name in ``T``, as with `softmax` of a vector,
this namespace has Theano's.
"""

from __future__ import annotations

from symgrad.errors import ShapeError
from symgrad.node import as_node
from symgrad.op import weak_numbers
from symgrad.ops.keys import getitem
from symgrad.ops.logic import relu, where
from symgrad.ops.math import sigmoid, softplus
from symgrad.ops.nn import (binary_crossentropy, categorical_crossentropy, elu, gelu, hard_sigmoid,
                            leaky_relu, log_softmax, selu, sigmoid_binary_crossentropy, silu,
                            softsign)
from symgrad.ops.nn import softmax as _softmax
from symgrad.ops.reduce import argmax, max_
from symgrad.ops.shape import length, unsqueeze
from symgrad.ops.source import arange

__all__ = """softmax logsoftmax log_softmax sigmoid ultra_fast_sigmoid hard_sigmoid relu leaky_relu elu
selu gelu silu swish softplus softsign categorical_crossentropy binary_crossentropy
sigmoid_binary_crossentropy crossentropy_softmax_1hot crossentropy_softmax_1hot_with_bias
crossentropy_softmax_argmax_1hot_with_bias crossentropy_softmax_max_and_argmax_1hot
crossentropy_softmax_max_and_argmax_1hot_with_bias crossentropy_categorical_1hot""".split()
