"""A perceptron 784-500-10 with tanh and L2 on both matrices: one training call on 20 examples."""
import numpy as np
from side_by_side import Work

import symgrad as sg
import symgrad.tensor as T
from works.logistic import CLASSES, PIXELS, batches

HIDDEN, RATE, L2 = 500, 0.01, 0.0001


def initial():
    """Hidden weights uniform within sqrt(6 / (fan_in + fan_out)), for tanh; the rest 0."""
    bound = np.sqrt(6.0 / (PIXELS + HIDDEN))
    W1 = np.random.default_rng(1234).uniform(-bound, bound, (PIXELS, HIDDEN)).astype(np.float32)
    zeros = [np.zeros(shape, np.float32) for shape in (HIDDEN, (HIDDEN, CLASSES), CLASSES)]
    return W1, *zeros


def by_hand(size: int):
    W1, b1, W2, b2 = initial()
    hidden = np.empty((size, HIDDEN), np.float32)
    delta = np.empty_like(hidden)
    z = np.empty((size, CLASSES), np.float32)
    column = np.empty((size, 1), np.float32)
    step_W1, step_b1, step_W2, step_b2 = (np.empty_like(p) for p in (W1, b1, W2, b2))
    flat1, flat2 = W1.reshape(-1), W2.reshape(-1)
    rows = np.arange(size)
    rate, kept = np.float32(RATE / size), np.float32(1 - 2 * RATE * L2)

    def train(x, y):
        np.dot(x, W1, out=hidden)
        np.add(hidden, b1, out=hidden)
        np.tanh(hidden, out=hidden)
        np.dot(hidden, W2, out=z)
        np.add(z, b2, out=z)
        np.maximum.reduce(z, axis=1, keepdims=True, out=column)
        np.subtract(z, column, out=z)
        chosen = np.add.reduce(z[rows, y])
        np.exp(z, out=z)
        np.add.reduce(z, axis=1, keepdims=True, out=column)
        scale = rate / column
        np.multiply(z, scale, out=z)
        z[rows, y] -= rate
        loss = (np.add.reduce(np.log(column, out=column), axis=None) - chosen) / size
        loss += L2 * (np.dot(flat1, flat1) + np.dot(flat2, flat2))
        np.dot(z, W2.T, out=delta)
        np.dot(hidden.T, z, out=step_W2)
        np.multiply(hidden, hidden, out=hidden)
        np.subtract(1, hidden, out=hidden)
        np.multiply(delta, hidden, out=delta)
        np.dot(x.T, delta, out=step_W1)
        np.multiply(W1, kept, out=W1)               # W - rate * (step + 2 * L2 * W)
        np.subtract(W1, step_W1, out=W1)
        np.multiply(W2, kept, out=W2)
        np.subtract(W2, step_W2, out=W2)
        np.add.reduce(delta, axis=0, out=step_b1)
        np.subtract(b1, step_b1, out=b1)
        np.add.reduce(z, axis=0, out=step_b2)
        np.subtract(b2, step_b2, out=b2)
        return loss

    return train


def with_symgrad():
    x, y = T.fmatrix("x"), T.lvector("y")
    names = ("W1", "b1", "W2", "b2")
    params = [sg.shared(value, name=name) for value, name in zip(initial(), names, strict=True)]
    W1, b1, W2, b2 = params
    hidden = T.tanh(T.dot(x, W1) + b1)
    p_y_given_x = T.nnet.softmax(T.dot(hidden, W2) + b2)
    nll = -T.mean(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
    loss = nll + np.float32(L2) * (T.sum(W1**2) + T.sum(W2**2))
    rate = np.float32(RATE)
    updates = [(p, p - rate * g) for p, g in zip(params, sg.grad(loss, params), strict=True)]
    return sg.function([x, y], loss, updates=updates)


WORKS = (
    Work("mlp-20", "perceptron 784-500-10 with tanh and L2, minibatch of 20",
         lambda: batches(20, 20), lambda: by_hand(20), with_symgrad, at_most=1.1),
)
