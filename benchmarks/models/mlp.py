"""A training step of a perceptron with one layer of 100 tanh units, L2 penalty and momentum.

100 examples of 784 features, 10 classes.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    x, y = T.fmatrix("x"), T.ivector("y")
    V = sg.shared(rng.uniform(-0.2, 0.2, (784, 100)).astype("float32"), name="V")
    c = sg.shared(np.zeros(100, "float32"), name="c")
    W = sg.shared(rng.uniform(-0.2, 0.2, (100, 10)).astype("float32"), name="W")
    b = sg.shared(np.zeros(10, "float32"), name="b")
    hidden = T.tanh(T.dot(x, V) + c)
    p = T.nnet.softmax(T.dot(hidden, W) + b)
    cost = T.nnet.categorical_crossentropy(p, y).mean()
    cost += np.float32(1e-4) * ((V ** 2).sum() + (W ** 2).sum())
    updates = sg.updates.momentum(cost, [V, c, W, b], learning_rate=0.01, momentum=0.9)
    values = [rng.random((100, 784), "float32"), rng.integers(0, 10, 100, "int32")]
    return {"inputs": [x, y], "outputs": cost, "updates": updates}, values
