"""Logistic regression 784-10: one training call, from one example to minibatches of 600.

The NumPy side is what a person who cares would write (`peers/with_numpy.py`).
"""
import numpy as np
from peers import with_numpy
from side_by_side import Work

import symgrad as sg
import symgrad.tensor as T

PIXELS, CLASSES, RATE = 784, 10, 0.13


def batches(size: int, count: int):
    """Digit-like data: a fifth of the pixels is inked; classes at random."""
    rng = np.random.default_rng(20)
    for _ in range(count):
        ink = rng.random((size, PIXELS), dtype=np.float32)
        x = ink * (rng.random((size, PIXELS)) < 0.2)
        yield np.ascontiguousarray(x, dtype=np.float32), rng.integers(0, CLASSES, size)


def examples(count: int):
    """The same, one example a call: a vector and a class."""
    for x, y in batches(1, count):
        yield x[0], y[0]


def zeros():
    return np.zeros((PIXELS, CLASSES), np.float32), np.zeros(CLASSES, np.float32)


def minibatch_by_hand(size: int):
    return with_numpy.logistic(size, *zeros(), rate=RATE)


def example_by_hand():
    return with_numpy.example(1, *zeros(), rate=RATE)


def parameters():
    return [sg.shared(value, name=name) for value, name in zip(zeros(), "Wb", strict=True)]


def trainer(x, y, loss, W, b):
    """The training function of a loss: plain gradient descent."""
    gW, gb = sg.grad(loss, [W, b])
    rate = np.float32(RATE)
    return sg.function([x, y], loss, updates=[(W, W - rate * gW), (b, b - rate * gb)])


def minibatch_symgrad():
    x, y = T.fmatrix("x"), T.lvector("y")
    W, b = parameters()
    p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)
    loss = -T.mean(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
    return trainer(x, y, loss, W, b)


def example_symgrad():
    x, y = T.fvector("x"), T.lscalar("y")
    W, b = parameters()
    p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)     # of a vector: one row, as in Theano
    loss = -T.log(p_y_given_x)[0, y]
    return trainer(x, y, loss, W, b)


WORKS = (
    Work("sgd-vector", "logistic, one example a call: x a vector, y a number, on both sides",
         lambda: examples(100), example_by_hand, example_symgrad, at_most=1.0),
    Work("sgd-matrix", "logistic, one example a call through the minibatch code, on both sides",
         lambda: batches(1, 100), lambda: minibatch_by_hand(1), minibatch_symgrad, at_most=1.0),
    Work("logistic-20", "logistic, minibatch of 20",
         lambda: batches(20, 50), lambda: minibatch_by_hand(20), minibatch_symgrad, at_most=1.1),
    Work("logistic-600", "logistic, minibatch of 600",
         lambda: batches(600, 8), lambda: minibatch_by_hand(600), minibatch_symgrad, at_most=1.1),
)
