"""The two classifiers of `symgrad train`, as expressions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import symgrad.tensor as T
from symgrad.node import Node
from symgrad.shared import shared


@dataclass(eq=False)
class Model:
    """A classifier: its inputs, what to minimise, what to report, and what to keep."""

    x: Node  # float32 matrix, one example in each row
    y: Node  # int32 vector of labels
    cost: Node
    errors: Node  # the fraction of examples that are misclassified
    params: dict = field(default_factory=dict)  # name -> shared variable
    filters: str = "W"  # the parameter whose columns are pictures of the input


def logistic(n_in, n_out):
    """Logistic regression: ``softmax(x W + b)``, negative log-likelihood, weights that start at
    zero.

    Deep Learning Tutorial, "Classifying MNIST digits using Logistic Regression".
    """
    x, y = T.fmatrix("x"), T.ivector("y")
    params = {
        "W": shared(np.zeros((n_in, n_out), "float32"), name="W"),
        "b": shared(np.zeros(n_out, "float32"), name="b"),
    }
    nll, errors = _softmax_layer(x, y, params["W"], params["b"])
    return Model(x, y, nll, errors, params)


def mlp(n_in, n_hidden, n_out, l1=0.0, l2=1e-4, seed=1234):
    """One layer of tanh units under a logistic regression, with L1 and L2 penalties on both weight
    matrices.

    The first weights are uniform in ±sqrt(6 / (n_in + n_hidden)) (Glorot and Bengio, AISTATS
    2010), drawn from `seed`; the others start at zero.  Deep Learning Tutorial, "Multilayer
    Perceptron".
    """
    x, y = T.fmatrix("x"), T.ivector("y")
    bound = np.sqrt(6.0 / (n_in + n_hidden))
    first = np.random.RandomState(seed).uniform(-bound, bound, (n_in, n_hidden))
    params = {
        "W_hidden": shared(first.astype("float32"), name="W_hidden"),
        "b_hidden": shared(np.zeros(n_hidden, "float32"), name="b_hidden"),
        "W": shared(np.zeros((n_hidden, n_out), "float32"), name="W"),
        "b": shared(np.zeros(n_out, "float32"), name="b"),
    }
    hidden = T.tanh(T.dot(x, params["W_hidden"]) + params["b_hidden"])
    cost, errors = _softmax_layer(hidden, y, params["W"], params["b"])
    weights = (params["W_hidden"], params["W"])
    if l1:
        cost = cost + np.float32(l1) * sum(abs(w).sum() for w in weights)
    if l2:
        cost = cost + np.float32(l2) * sum((w ** 2).sum() for w in weights)
    return Model(x, y, cost, errors, params, filters="W_hidden")


def _softmax_layer(x, y, W, b):
    """The mean negative log-likelihood and the error rate."""
    p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)
    nll = -T.mean(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
    return nll, T.mean(T.neq(T.argmax(p_y_given_x, axis=1), y))
