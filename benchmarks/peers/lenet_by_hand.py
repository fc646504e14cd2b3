"""LeNet in plain NumPy by hand: a convolution is one product of its filters with all windows.

Channels come first, then the batch, so that no product needs anything transposed; windows are laid
out in arrays that are made once.
"""
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from peers.works import LENET_RATE, POOL


class Layer:
    """A convolution, a pooling, tanh; arrays are [channels, batch, rows, columns]."""

    def __init__(self, W, b, size, side, first):
        self.W, self.b, self.first = W, b, first
        filters, channels, self.cells, _ = W.shape
        self.side, self.out = side, side - self.cells + 1
        self.columns = np.empty((channels, self.cells, self.cells, size, self.out, self.out),
                                np.float32)
        self.matrix = self.columns.reshape(W[0].size, -1)
        self.y = np.empty((filters, size, self.out, self.out), np.float32)
        self.back, self.dy = np.empty_like(self.columns), np.empty_like(self.y)
        self.dx = np.empty((channels, size, side, side), np.float32)
        self.step = np.empty((filters, W[0].size), np.float32)
        half = self.out // POOL
        self.h = np.empty((filters, size, half, half), np.float32)
        self.top, self.hit = np.empty_like(self.h), np.empty(self.h.shape, bool)

    def parts(self, y):
        """The cells of each place in a pool."""
        return [y[:, :, i::POOL, j::POOL] for i in range(POOL) for j in range(POOL)]

    def forward(self, x):
        windows = sliding_window_view(x, (self.cells, self.cells), axis=(2, 3))
        self.columns[...] = windows.transpose(0, 4, 5, 1, 2, 3)
        np.dot(self.W.reshape(len(self.W), -1), self.matrix, out=self.y.reshape(len(self.W), -1))
        first, *others = self.parts(self.y)
        self.top[...] = first
        for part in others:
            np.maximum(self.top, part, out=self.top)
        np.add(self.top, self.b[:, None, None, None], out=self.h)
        return np.tanh(self.h, out=self.h)

    def backward(self, g):
        """Update from the slope g of the result, which is written over; that of the input."""
        np.multiply(self.h, self.h, out=self.h)
        np.subtract(1, self.h, out=self.h)
        np.multiply(g, self.h, out=g)
        for part, to in zip(self.parts(self.y), self.parts(self.dy), strict=True):
            np.equal(part, self.top, out=self.hit)
            np.multiply(g, self.hit, out=to)
        flat, W = self.dy.reshape(len(self.W), -1), self.W.reshape(len(self.W), -1)
        np.dot(flat, self.matrix.T, out=self.step)
        if not self.first:
            np.dot(W.T, flat, out=self.back.reshape(self.matrix.shape))
            self.dx.fill(0)
            for i in range(self.cells):
                for j in range(self.cells):
                    self.dx[:, :, i:i + self.out, j:j + self.out] += self.back[:, i, j]
        np.subtract(W, np.multiply(self.step, np.float32(LENET_RATE), out=self.step), out=W)
        self.b -= np.float32(LENET_RATE) * np.add.reduce(g, axis=(1, 2, 3))
        return self.dx


def lenet(size, *start):
    W1, b1, W2, b2, W3, b3, W4, b4 = start
    one = Layer(W1, b1, size, 28, True)
    two = Layer(W2, b2, size, one.out // POOL, False)
    inner = np.empty((size, len(W3)), np.float32)
    images = inner.reshape(size, *(two.h.shape[k] for k in (0, 2, 3)))
    hidden = np.empty((size, len(b3)), np.float32)
    delta, z = np.empty_like(hidden), np.empty((size, len(b4)), np.float32)
    column, rows = np.empty((size, 1), np.float32), np.arange(size)
    step_W3, step_W4 = np.empty_like(W3), np.empty_like(W4)
    rate = np.float32(LENET_RATE)

    def train(x, y):
        h = two.forward(one.forward(x.reshape(1, size, 28, 28)))
        images[...] = h.transpose(1, 0, 2, 3)
        np.dot(inner, W3, out=hidden)
        np.add(hidden, b3, out=hidden)
        np.tanh(hidden, out=hidden)
        np.dot(hidden, W4, out=z)
        np.add(z, b4, out=z)
        np.maximum.reduce(z, axis=1, keepdims=True, out=column)
        np.subtract(z, column, out=z)
        chosen = np.add.reduce(z[rows, y])
        np.exp(z, out=z)
        np.add.reduce(z, axis=1, keepdims=True, out=column)
        np.multiply(z, 1 / (size * column), out=z)
        z[rows, y] -= np.float32(1 / size)
        loss = (np.add.reduce(np.log(column, out=column), axis=None) - chosen) / size
        np.dot(z, W4.T, out=delta)
        np.dot(hidden.T, z, out=step_W4)
        np.multiply(hidden, hidden, out=hidden)
        np.subtract(1, hidden, out=hidden)
        np.multiply(delta, hidden, out=delta)
        np.dot(inner.T, delta, out=step_W3)
        np.dot(delta, W3.T, out=inner)
        one.backward(two.backward(np.ascontiguousarray(images.transpose(1, 0, 2, 3))))
        for W, step in ((W3, step_W3), (W4, step_W4)):
            np.subtract(W, np.multiply(step, rate, out=step), out=W)
        for b, slope in ((b3, delta), (b4, z)):
            np.subtract(b, rate * np.add.reduce(slope, axis=0), out=b)
        return loss

    return train
