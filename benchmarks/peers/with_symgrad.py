"""symgrad, as a user would write it: its own updates, no borrowing, all checks on."""
import numpy as np

import symgrad as sg
import symgrad.tensor as T
from peers import works
from peers.works import L2, LAYERS_RATE, LENET_RATE, LSTM_RATE, MLP_RATE, POOL


def trainer(inputs, loss, params, rate, **more):
    """The training function of a loss: plain gradient descent."""
    rate = np.float32(rate)
    slopes = sg.grad(loss, params)
    updates = [(p, p - rate * g) for p, g in zip(params, slopes, strict=True)]
    return sg.function(inputs, loss, updates=updates, **more)


def shared(values):
    return [sg.shared(value) for value in values]


def negative_log_likelihood(p_y_given_x, y):
    return -T.mean(T.log(p_y_given_x)[T.arange(y.shape[0]), y])


def logistic(size, *start):
    x, y = T.fmatrix("x"), T.lvector("y")
    W, b = shared(start)
    loss = negative_log_likelihood(T.nnet.softmax(T.dot(x, W) + b), y)
    return trainer([x, y], loss, [W, b], works.rate(size))


def one(x, y, W, b):
    """The loss of one example: a vector and a number."""
    return -T.log(T.nnet.softmax(T.dot(x, W) + b))[0, y]


def example(size, *start):
    x, y = T.fvector("x"), T.lscalar("y")
    W, b = shared(start)
    return trainer([x, y], one(x, y, W, b), [W, b], works.rate(1))


def epoch(size, *start):
    i, images, labels = T.lscalar("i"), T.fmatrix("images"), T.lvector("labels")
    W, b = shared(start)
    train = trainer([i, images, labels], one(images[i], labels[i], W, b), [W, b], works.rate(1))
    return lambda x, y: train.over(i=range(size), images=x, labels=y, reduce="mean")


def mlp(size, *start):
    x, y = T.fmatrix("x"), T.lvector("y")
    params = W1, b1, W2, b2 = shared(start)
    hidden = T.tanh(T.dot(x, W1) + b1)
    loss = negative_log_likelihood(T.nnet.softmax(T.dot(hidden, W2) + b2), y)
    loss = loss + np.float32(L2) * (T.sum(W1**2) + T.sum(W2**2))
    return trainer([x, y], loss, params, MLP_RATE)


def lenet(size, *start):
    """The tutorial's: convolutions turn their filters about, so these begin turned."""
    x, y = T.fmatrix("x"), T.lvector("y")
    start = [v[:, :, ::-1, ::-1].copy() if v.ndim == 4 else v for v in start]
    *layers, W3, b3, W4, b4 = params = shared(start)
    h, shape = x.reshape((size, 1, 28, 28)), (size, 1, 28, 28)
    for W, b, value in zip(layers[::2], layers[1::2], start[::2], strict=False):
        h = T.nnet.conv2d(h, W, input_shape=shape, filter_shape=value.shape)
        h = T.signal.pool.pool_2d(h, ws=(POOL, POOL), ignore_border=True)
        h = T.tanh(h + b.dimshuffle("x", 0, "x", "x"))
        shape = h.type.shape
    h = T.tanh(T.dot(h.flatten(2), W3) + b3)
    loss = negative_log_likelihood(T.nnet.softmax(T.dot(h, W4) + b4), y)
    return trainer([x, y], loss, params, LENET_RATE)


def formula():
    x, y = T.fvector("x"), T.fvector("y")
    return x, y, T.tanh(x * y + 1) * T.exp(-x * x) + T.log1p(abs(y)) * T.nnet.sigmoid(x - y)


def chain(size):
    x, y, value = formula()
    return sg.function([x, y], value)


def chain_gradients(size):
    x, y, value = formula()
    total = T.sum(value)
    return sg.function([x, y], [total, *sg.grad(total, [x, y])])


def layers(size, *start):
    x, target = T.fmatrix("x"), T.fmatrix("target")
    params, h = shared(start), x
    for W, b in zip(params[::2], params[1::2], strict=True):
        h = T.tanh(T.dot(h, W) + b)
    return trainer([x, target], T.mean((h - target) ** 2), params, LAYERS_RATE)


def lstm(size, *start):
    x, y = T.ftensor3("x"), T.lvector("y")
    params = W, U, b, V, c = shared(start)
    units = len(start[1])
    zeros = T.zeros((size, units), "float32")

    def step(xW, h, cell, U):
        z = xW + T.dot(h, U)
        o, i, f = (T.nnet.sigmoid(z[:, k * units:(k + 1) * units]) for k in range(3))
        cell = f * cell + i * T.tanh(z[:, 3 * units:])
        return o * T.tanh(cell), cell

    (states, _), _ = sg.scan(step, sequences=T.dot(x, W) + b, outputs_info=[zeros, zeros],
                             non_sequences=U)
    p_y_given_x = T.nnet.softmax(T.dot(T.mean(states, axis=0), V) + c)
    return trainer([x, y], negative_log_likelihood(p_y_given_x, y), params, LSTM_RATE)


def recurrence(size):
    A, b, start = T.dmatrix("A"), T.dvector("b"), T.dvector("start")
    states, _ = sg.scan(lambda h, A, b: T.tanh(T.dot(A, h) + b), outputs_info=start,
                        non_sequences=[A, b], n_steps=size)
    cost = T.sum(states**2)
    return sg.function([A, b, start], [cost, *sg.grad(cost, [A, b, start])])


def steps(size):
    x, a, b = T.dscalars("x", "a", "b")
    values, _ = sg.scan(lambda x, a, b: a * x + b, outputs_info=x, non_sequences=[a, b],
                        n_steps=size)
    return sg.function([x, a, b], values[-1])


def call(size):
    x = T.dvector("x")
    return sg.function([x], x + 1)
