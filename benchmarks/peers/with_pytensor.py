"""PyTensor in its numba mode, inputs trusted and outputs lent."""
import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor.special import log_softmax

from peers import works
from peers.works import L2, LAYERS_RATE, LSTM_RATE, MLP_RATE


def function(inputs, outputs, updates=None):
    def lent(out):
        return pytensor.Out(out, borrow=True)

    outputs = [lent(out) for out in outputs] if isinstance(outputs, list) else lent(outputs)
    made = pytensor.function([pytensor.In(v, borrow=True) for v in inputs], outputs,
                             updates=updates, mode="NUMBA")
    made.trust_input = True
    return made


def given(array):
    """Trusted inputs must be arrays."""
    return np.asarray(array)


def trainer(inputs, loss, params, rate):
    rate = np.float32(rate)
    slopes = pytensor.grad(loss, params)
    return function(inputs, loss, [(p, p - rate * g) for p, g in zip(params, slopes, strict=True)])


def shared(values):
    return [pytensor.shared(value) for value in values]


def cross_entropy(logits, y):
    return -pt.mean(log_softmax(logits, axis=1)[pt.arange(y.shape[0]), y])


def logistic(size, *start):
    x, y = pt.fmatrix("x"), pt.lvector("y")
    W, b = shared(start)
    return trainer([x, y], cross_entropy(x @ W + b, y), [W, b], works.rate(size))


def example(size, *start):
    x, y = pt.fvector("x"), pt.lscalar("y")
    W, b = shared(start)
    return trainer([x, y], -log_softmax(x @ W + b, axis=0)[y], [W, b], works.rate(1))


def epoch(size, *start):
    step = example(1, *start)

    def train(images, labels):
        return sum(step(x, np.asarray(y)) for x, y in zip(images, labels, strict=True)) / size

    return train


def mlp(size, *start):
    x, y = pt.fmatrix("x"), pt.lvector("y")
    params = W1, b1, W2, b2 = shared(start)
    hidden = pt.tanh(x @ W1 + b1)
    loss = cross_entropy(hidden @ W2 + b2, y)
    loss = loss + np.float32(L2) * ((W1**2).sum() + (W2**2).sum())
    return trainer([x, y], loss, params, MLP_RATE)


def formula():
    x, y = pt.fvector("x"), pt.fvector("y")
    return x, y, pt.tanh(x * y + 1) * pt.exp(-x * x) + pt.log1p(abs(y)) * pt.sigmoid(x - y)


def chain(size):
    x, y, value = formula()
    return function([x, y], value)


def chain_gradients(size):
    x, y, value = formula()
    total = value.sum()
    return function([x, y], [total, *pytensor.grad(total, [x, y])])


def layers(size, *start):
    x, target = pt.fmatrix("x"), pt.fmatrix("target")
    params, h = shared(start), x
    for W, b in zip(params[::2], params[1::2], strict=True):
        h = pt.tanh(h @ W + b)
    return trainer([x, target], ((h - target) ** 2).mean(), params, LAYERS_RATE)


def lstm(size, *start):
    x, y = pt.ftensor3("x"), pt.lvector("y")
    params = W, U, b, V, c = shared(start)
    units = len(start[1])
    zeros = pt.zeros((size, units), dtype="float32")

    def step(xW, h, cell, U):
        z = xW + h @ U
        gates = pt.sigmoid(z[:, :3 * units])
        candidate = pt.tanh(z[:, 3 * units:])
        cell = gates[:, 2 * units:] * cell + gates[:, units:2 * units] * candidate
        return gates[:, :units] * pt.tanh(cell), cell

    states, _ = pytensor.scan(step, sequences=x @ W + b, outputs_info=[zeros, zeros],
                              non_sequences=U, return_updates=False)
    return trainer([x, y], cross_entropy(states.mean(axis=0) @ V + c, y), params, LSTM_RATE)


def recurrence(size):
    A, b, start = pt.dmatrix("A"), pt.dvector("b"), pt.dvector("start")
    states = pytensor.scan(lambda h, A, b: pt.tanh(A @ h + b), outputs_info=start,
                           non_sequences=[A, b], n_steps=size, return_updates=False)
    cost = (states * states).sum()
    return function([A, b, start], [cost, *pytensor.grad(cost, [A, b, start])])


def steps(size):
    x, a, b = pt.dscalars("x", "a", "b")
    values = pytensor.scan(lambda x, a, b: a * x + b, outputs_info=x, non_sequences=[a, b],
                           n_steps=size, return_updates=False)
    return function([x, a, b], values[-1])


def call(size):
    x = pt.dvector("x")
    return function([x], x + 1)
