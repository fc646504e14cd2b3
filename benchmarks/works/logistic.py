"""Logistic regression 784-10: one training call, from one example to minibatches of 600.

The NumPy side is what a person who cares would write: large arrays are made once, every pass writes
where its result is wanted, softmax is shifted by its greatest logit, the learning rate and the mean
join the softmax's own division.  It stays plain NumPy: no BLAS routine is called by name.
"""
import numpy as np
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


def minibatch_by_hand(size: int):
    W = np.zeros((PIXELS, CLASSES), np.float32)
    b = np.zeros(CLASSES, np.float32)
    z = np.empty((size, CLASSES), np.float32)
    column = np.empty((size, 1), np.float32)
    step_W, step_b = np.empty_like(W), np.empty_like(b)
    rows = np.arange(size)
    rate = np.float32(RATE / size)

    def train(x, y):
        np.dot(x, W, out=z)
        np.add(z, b, out=z)
        np.maximum.reduce(z, axis=1, keepdims=True, out=column)
        np.subtract(z, column, out=z)
        chosen = np.add.reduce(z[rows, y])
        np.exp(z, out=z)
        np.add.reduce(z, axis=1, keepdims=True, out=column)
        scale = rate / column
        np.multiply(z, scale, out=z)
        z[rows, y] -= rate
        loss = (np.add.reduce(np.log(column, out=column), axis=None) - chosen) / size
        np.dot(x.T, z, out=step_W)
        np.subtract(W, step_W, out=W)
        np.add.reduce(z, axis=0, out=step_b)
        np.subtract(b, step_b, out=b)
        return loss

    return train


def example_by_hand():
    W = np.zeros((PIXELS, CLASSES), np.float32)
    b = np.zeros(CLASSES, np.float32)
    z = np.empty(CLASSES, np.float32)
    row = z[None, :]
    step_W = np.empty_like(W)
    rate = np.float32(RATE)

    def train(x, y):
        np.dot(x, W, out=z)
        np.add(z, b, out=z)
        np.subtract(z, np.maximum.reduce(z), out=z)
        chosen = z[y]
        np.exp(z, out=z)
        total = np.add.reduce(z)
        np.multiply(z, rate / total, out=z)
        z[y] -= rate
        np.dot(x[:, None], row, out=step_W)     # a third of np.outer's time, and of matmul's
        np.subtract(W, step_W, out=W)
        np.subtract(b, z, out=b)
        return np.log(total) - chosen

    return train


def parameters():
    W = sg.shared(np.zeros((PIXELS, CLASSES), np.float32), name="W")
    b = sg.shared(np.zeros(CLASSES, np.float32), name="b")
    return W, b


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
