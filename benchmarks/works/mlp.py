"""A perceptron 784-500-10 with tanh and L2 on both matrices: one training call on 20 examples."""
import numpy as np
from peers import with_numpy
from peers.works import L2, MLP_RATE, perceptron
from side_by_side import Work

import symgrad as sg
import symgrad.tensor as T
from works.logistic import batches


def by_hand(size: int):
    return with_numpy.mlp(size, *perceptron())


def with_symgrad():
    x, y = T.fmatrix("x"), T.lvector("y")
    names = ("W1", "b1", "W2", "b2")
    params = [sg.shared(value, name=name) for value, name in zip(perceptron(), names, strict=True)]
    W1, b1, W2, b2 = params
    hidden = T.tanh(T.dot(x, W1) + b1)
    p_y_given_x = T.nnet.softmax(T.dot(hidden, W2) + b2)
    nll = -T.mean(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
    loss = nll + np.float32(L2) * (T.sum(W1**2) + T.sum(W2**2))
    rate = np.float32(MLP_RATE)
    updates = [(p, p - rate * g) for p, g in zip(params, sg.grad(loss, params), strict=True)]
    return sg.function([x, y], loss, updates=updates)


WORKS = (
    Work("mlp-20", "perceptron 784-500-10 with tanh and L2, minibatch of 20",
         lambda: batches(20, 20), lambda: by_hand(20), with_symgrad, at_most=1.1),
)
