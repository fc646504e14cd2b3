"""NumPy by hand, by a person who cares.

Large arrays are made once, every pass writes where its result is wanted, softmax is shifted by its
greatest logit, the learning rate and the mean join the softmax's own division, long chains go in
blocks that fit the cache, updates happen in place.  It stays plain NumPy: no BLAS routine is called
by name, and sums are sums.
"""
import math

import numpy as np

from peers import works
from peers.lenet_by_hand import lenet as lenet_by_hand
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


def lenet(size, *start):
    return lenet_by_hand(size, *start)


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


def lstm(size, W, U, b, V, c):
    """The gates output, input, forget, candidate lie side by side in a step's `a`.

    All steps' x @ W at once; sigmoid(z) is (1 + tanh(z / 2)) / 2, so that one tanh serves the four
    gates; each slope goes where its gate was, and the weights' slopes are one product after the
    loop.
    """
    units, rate = len(U), np.float32(works.LSTM_RATE / size)
    half = np.repeat(np.float32([0.5, 0.5, 0.5, 1]), units)     # the candidate is a tanh itself
    shift = 1 - half
    blocks = [slice(k * units, (k + 1) * units) for k in range(4)]
    z, slopes = np.empty((2, size, 4 * units), np.float32)
    new, dh, dc, kept = np.empty((4, size, units), np.float32)
    so, si, sf, sg = (slopes[:, part] for part in blocks)
    by_cell, wide_dc = slopes[:, units:].reshape(size, 3, units), dc[:, None]
    back = np.empty(U.T.shape, np.float32)
    params = W, U, b, V, c
    step_W, step_U, step_b, step_V, step_c = steps_of = [np.empty_like(p) for p in params]
    each, rooms = np.arange(size), {}

    def room(steps):
        """Arrays for so many steps, and a tuple of views for each."""
        gates = np.empty((steps, size, 4 * units), np.float32)
        h, cells = np.zeros((2, steps + 1, size, units), np.float32)
        bent = np.empty((steps, size, units), np.float32)
        views = zip(gates, *(gates[:, :, part] for part in blocks),
                    gates[:, :, units:].reshape(steps, size, 3, units),
                    h, h[1:], cells, cells[1:], bent, strict=False)
        return gates.reshape(steps * size, -1), h, list(views)

    def train(x, y):
        steps = len(x)
        if steps not in rooms:
            rooms[steps] = room(steps)
        flat, h, views = rooms[steps]
        inputs = x.reshape(steps * size, -1)
        np.dot(inputs, W, out=flat)
        np.add(flat, b, out=flat)
        for a, o, i, f, g, _, before, after, old, cell, t in views:
            np.dot(before, U, out=z)
            np.add(a, z, out=a)
            np.multiply(a, half, out=a)
            np.tanh(a, out=a)
            np.multiply(a, half, out=a)
            np.add(a, shift, out=a)
            np.multiply(i, g, out=new)
            np.multiply(f, old, out=cell)
            np.add(cell, new, out=cell)
            np.tanh(cell, out=t)
            np.multiply(o, t, out=after)
        mean = np.add.reduce(h[1:], axis=0)
        np.divide(mean, steps, out=mean)
        p = mean @ V + c
        p -= np.maximum.reduce(p, axis=1, keepdims=True)
        chosen = np.add.reduce(p[each, y])
        np.exp(p, out=p)
        total = np.add.reduce(p, axis=1, keepdims=True)
        p *= rate / total
        p[each, y] -= rate
        loss = (np.add.reduce(np.log(total), axis=None) - chosen) / size
        np.dot(mean.T, p, out=step_V)
        np.add.reduce(p, axis=0, out=step_c)
        by_mean = p @ V.T
        by_mean /= steps
        np.copyto(dh, by_mean)
        np.copyto(back, U.T)            # laid out once, it multiplies more quickly
        dc.fill(0)
        for a, o, i, f, g, ifg, _, _, old, _, t in reversed(views):
            np.copyto(kept, f)
            np.subtract(1, a, out=slopes)
            np.multiply(slopes, a, out=slopes)      # of the sigmoids
            np.multiply(so, t, out=so)
            np.multiply(si, g, out=si)
            np.multiply(sf, old, out=sf)
            np.multiply(g, g, out=sg)
            np.subtract(1, sg, out=sg)
            np.multiply(sg, i, out=sg)
            np.multiply(t, t, out=t)
            np.subtract(1, t, out=t)
            np.multiply(t, o, out=t)
            np.multiply(t, dh, out=t)
            np.add(dc, t, out=dc)
            np.multiply(so, dh, out=o)
            np.multiply(by_cell, wide_dc, out=ifg)
            np.multiply(dc, kept, out=dc)
            np.dot(a, back, out=dh)
            np.add(dh, by_mean, out=dh)
        np.dot(inputs.T, flat, out=step_W)
        np.dot(h[:-1].reshape(steps * size, -1).T, flat, out=step_U)
        np.add.reduce(flat, axis=0, out=step_b)
        for param, step in zip(params, steps_of, strict=True):
            np.subtract(param, step, out=param)
        return loss

    return train


def recurrence(size):
    """Three numbers a step: Python's own are twice as quick as arrays of three."""
    def value(A, b, start):
        (a, d, g), (k, e, i), (m, j, f) = A.tolist()
        (p, q, r), (x, y, z), tanh = b.tolist(), start.tolist(), math.tanh
        states = [(x, y, z)]
        for _ in range(size):
            x, y, z = (tanh(a * x + d * y + g * z + p), tanh(k * x + e * y + i * z + q),
                       tanh(m * x + j * y + f * z + r))
            states.append((x, y, z))
        u = v = w = 0.0
        slopes = []
        for x, y, z in states[:0:-1]:
            s, t, o = ((u + 2 * x) * (1 - x * x), (v + 2 * y) * (1 - y * y),
                       (w + 2 * z) * (1 - z * z))
            slopes.append((s, t, o))
            u, v, w = a * s + k * t + m * o, d * s + e * t + j * o, g * s + i * t + f * o
        h, back = np.array(states), np.array(slopes)[::-1]
        cost = np.vdot(h[1:], h[1:])
        return cost, back.T @ h[:-1], np.add.reduce(back, axis=0), np.array((u, v, w))

    return value


def steps(size):
    def value(x, a, b):
        x, a, b = float(x), float(a), float(b)      # quicker than NumPy's numbers
        for _ in range(size):
            x = a * x + b
        return x

    return value


def call(size):
    return lambda x: x + 1
