"""autograd: NumPy as it is written, differentiated while it runs."""
import autograd.numpy as np
from autograd import value_and_grad

from peers import works
from peers.works import L2, LAYERS_RATE, LSTM_RATE, MLP_RATE


def descent(loss, start, rate):
    """The training function of a loss: plain gradient descent, in place."""
    params = list(start)
    both = value_and_grad(loss)

    def train(x, y):
        value, slopes = both(params, x, y)
        for p, g in zip(params, slopes, strict=True):
            p -= rate * g
        return value

    return train


def cross_entropy(logits, y):
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    total = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(total - shifted[np.arange(len(y)), y])


def logistic(size, *start):
    def loss(params, x, y):
        W, b = params
        return cross_entropy(np.dot(x, W) + b, y)
    return descent(loss, start, works.rate(size))


def example(size, *start):
    def loss(params, x, y):
        W, b = params
        logits = np.dot(x, W) + b
        shifted = logits - np.max(logits)
        return np.log(np.sum(np.exp(shifted))) - shifted[y]
    return descent(loss, start, works.rate(1))


def epoch(size, *start):
    step = example(1, *start)

    def train(images, labels):
        return sum(step(x, y) for x, y in zip(images, labels, strict=True)) / size

    return train


def mlp(size, *start):
    def loss(params, x, y):
        W1, b1, W2, b2 = params
        hidden = np.tanh(np.dot(x, W1) + b1)
        weights = np.sum(W1 * W1) + np.sum(W2 * W2)
        return cross_entropy(np.dot(hidden, W2) + b2, y) + L2 * weights
    return descent(loss, start, MLP_RATE)


def formula(x, y):
    sigmoid = 1 / (1 + np.exp(y - x))
    return np.tanh(x * y + 1) * np.exp(-x * x) + np.log1p(np.abs(y)) * sigmoid


def chain(size):
    return formula


def chain_gradients(size):
    both = value_and_grad(lambda x, y: np.sum(formula(x, y)), argnum=(0, 1))

    def value(x, y):
        total, slopes = both(x, y)
        return total, *slopes

    return value


def layers(size, *start):
    def loss(params, x, target):
        for W, b in zip(params[::2], params[1::2], strict=True):
            x = np.tanh(np.dot(x, W) + b)
        return np.mean((x - target) ** 2)
    return descent(loss, start, LAYERS_RATE)


def sigmoid(z):
    return 0.5 * np.tanh(0.5 * z) + 0.5


def lstm(size, *start):
    def loss(params, x, y):
        W, U, b, V, c = params
        units = len(U)
        h = cell = np.zeros((size, units), np.float32)
        total = 0
        for inputs in x:        # x @ W at once would cost an array of all steps' slopes a step
            z = np.dot(inputs, W) + np.dot(h, U) + b
            gates = sigmoid(z[:, :3 * units])
            candidate = np.tanh(z[:, 3 * units:])
            cell = gates[:, 2 * units:] * cell + gates[:, units:2 * units] * candidate
            h = gates[:, :units] * np.tanh(cell)
            total = total + h
        return cross_entropy(np.dot(total / len(x), V) + c, y)
    return descent(loss, start, LSTM_RATE)


def recurrence(size):
    def cost(A, b, h):
        total = 0
        for _ in range(size):
            h = np.tanh(np.dot(A, h) + b)
            total = total + np.dot(h, h)
        return total

    both = value_and_grad(cost, argnum=(0, 1, 2))

    def value(A, b, h):
        total, slopes = both(A, b, h)
        return total, *slopes

    return value


def call(size):
    return lambda x: x + 1
