"""NumPy by hand, by a person who cares.

Large arrays are made once, every pass writes where its result is wanted, softmax is shifted by its
greatest logit, the learning rate and the mean join the softmax's own division, long chains go in
blocks that fit the cache, updates happen in place.  It stays plain NumPy: no BLAS routine is called
by name, and sums are sums.
"""
import numpy as np

from peers import works
from peers.works import L2, MLP_RATE

BLOCK = 16_384      # numbers of a chain's block: 64 kB


def logistic(size, W, b, rate=None):
    rate = np.float32((works.rate(size) if rate is None else rate) / size)
    classes = len(b)
    z = np.empty((size, classes), np.float32)
    column = np.empty((size, 1), np.float32)
    step_W, step_b = np.empty_like(W), np.empty_like(b)
    rows = np.arange(size)

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


def example(size, W, b, rate=None):
    """One example: a vector and a number."""
    rate = works.rate(1) if rate is None else np.float32(rate)
    z = np.empty(len(b), np.float32)
    row = z[None, :]
    step_W = np.empty_like(W)

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


def epoch(size, W, b):
    step = example(1, W, b)

    def train(images, labels):
        return sum(step(x, y) for x, y in zip(images, labels, strict=True)) / size

    return train


def mlp(size, W1, b1, W2, b2):
    hidden = np.empty((size, len(b1)), np.float32)
    delta = np.empty_like(hidden)
    z = np.empty((size, len(b2)), np.float32)
    column = np.empty((size, 1), np.float32)
    step_W1, step_b1, step_W2, step_b2 = (np.empty_like(p) for p in (W1, b1, W2, b2))
    flat1, flat2 = W1.reshape(-1), W2.reshape(-1)
    rows = np.arange(size)
    rate, kept = np.float32(MLP_RATE / size), np.float32(1 - 2 * MLP_RATE * L2)

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


def chain(size):
    p, q = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)

    def value(x, y):
        result = np.empty_like(x)
        for at in range(0, size, BLOCK):
            block = slice(at, at + BLOCK)
            u, v, out = x[block], y[block], result[block]
            a, b = p[:len(u)], q[:len(u)]
            np.multiply(u, v, out=a)
            np.add(a, 1, out=a)
            np.tanh(a, out=a)
            np.multiply(u, u, out=b)
            np.negative(b, out=b)
            np.exp(b, out=b)
            np.multiply(a, b, out=out)
            np.subtract(v, u, out=a)
            np.exp(a, out=a)
            np.add(a, 1, out=a)
            np.abs(v, out=b)
            np.log1p(b, out=b)
            np.divide(b, a, out=b)              # by 1 + exp(y - x): times the sigmoid
            np.add(out, b, out=out)
        return result

    return value


def chain_gradients(size):
    scratch = [np.empty(BLOCK, np.float32) for _ in range(5)]

    def value(x, y):
        by_x, by_y, total = np.empty_like(x), np.empty_like(y), 0.0
        for at in range(0, size, BLOCK):
            block = slice(at, at + BLOCK)
            u, v, gu, gv = x[block], y[block], by_x[block], by_y[block]
            t, e, s, g, a = (array[:len(u)] for array in scratch)
            np.multiply(u, v, out=t)
            np.add(t, 1, out=t)
            np.tanh(t, out=t)
            np.multiply(u, u, out=e)
            np.negative(e, out=e)
            np.exp(e, out=e)
            np.subtract(v, u, out=s)
            np.exp(s, out=s)
            np.add(s, 1, out=s)
            np.reciprocal(s, out=s)
            np.abs(v, out=a)
            np.log1p(a, out=g)
            np.multiply(t, e, out=gu)           # the left product
            np.multiply(g, s, out=gv)           # the right one
            total += float(np.add.reduce(gu)) + float(np.add.reduce(gv))
            np.add(a, 1, out=a)
            np.divide(s, a, out=a)
            np.copysign(a, v, out=a)            # sigmoid * sign(y) / (1 + |y|)
            np.subtract(1, s, out=s)
            np.multiply(gv, s, out=s)           # log1p(|y|) * sigmoid'
            np.multiply(t, t, out=t)
            np.subtract(1, t, out=t)
            np.multiply(t, e, out=t)            # tanh' * exp(-x*x)
            np.multiply(gu, u, out=gu)
            np.multiply(gu, -2, out=gu)
            np.add(gu, s, out=gu)
            np.subtract(a, s, out=gv)
            np.multiply(t, v, out=e)
            np.add(gu, e, out=gu)
            np.multiply(t, u, out=e)
            np.add(gv, e, out=gv)
        return total, by_x, by_y

    return value


def layers(size, *params):
    weights, biases = params[::2], params[1::2]
    depth, width = len(weights), len(biases[0])
    outs = np.empty((depth + 1, size, width), np.float32)
    delta, step_W = np.empty_like(outs[0]), np.empty((width, width), np.float32)
    back, step_b = np.empty_like(delta), np.empty(width, np.float32)
    rate = np.float32(works.LAYERS_RATE)

    def train(x, target):
        outs[0] = x
        for W, b, h, out in zip(weights, biases, outs, outs[1:], strict=False):
            np.dot(h, W, out=out)
            np.add(out, b, out=out)
            np.tanh(out, out=out)
        np.subtract(outs[-1], target, out=delta)
        loss = np.vdot(delta, delta) / delta.size
        np.multiply(delta, 2 * rate / delta.size, out=delta)
        for k in range(depth - 1, -1, -1):
            np.multiply(outs[k + 1], outs[k + 1], out=back)
            np.subtract(1, back, out=back)
            np.multiply(delta, back, out=back)
            if k:
                np.dot(back, weights[k].T, out=delta)
            np.dot(outs[k].T, back, out=step_W)
            np.subtract(weights[k], step_W, out=weights[k])
            np.add.reduce(back, axis=0, out=step_b)
            np.subtract(biases[k], step_b, out=biases[k])
        return loss

    return train


def call(size):
    return lambda x: x + 1
