"""A training step of logistic regression with softmax: 600 examples of 784 features, 10 classes.

The log-likelihood is written as the logarithm of the softmax, as tutorials do.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    x, y = T.fmatrix("x"), T.ivector("y")
    W = sg.shared(rng.normal(size=(784, 10)).astype("float32") * np.float32(0.1), name="W")
    b = sg.shared(np.zeros(10, "float32"), name="b")
    p = T.nnet.softmax(T.dot(x, W) + b)
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    updates = [(w, w - np.float32(0.01) * g) for w, g in zip((W, b), sg.grad(cost, [W, b]),
                                                             strict=True)]
    values = [rng.random((600, 784), "float32"), rng.integers(0, 10, 600, "int32")]
    return {"inputs": [x, y], "outputs": cost, "updates": updates}, values
