"""A training step of a denoising autoencoder with tied weights, 784 inputs, 100 hidden units.

50 rows; corruption is drawn in the graph; the cost is the cross-entropy of sigmoids, written out.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    x = T.fmatrix("x")
    W = sg.shared(rng.uniform(-0.2, 0.2, (784, 100)).astype("float32"), name="W")
    b = sg.shared(np.zeros(100, "float32"), name="b")
    c = sg.shared(np.zeros(784, "float32"), name="c")
    stream = sg.random.RandomStreams(7)
    kept = stream.binomial(size=x.shape, n=1, p=0.7, dtype="float32")
    hidden = T.nnet.sigmoid(T.dot(x * kept, W) + b)
    z = T.nnet.sigmoid(T.dot(hidden, W.T) + c)
    cost = -T.mean(T.sum(x * T.log(z) + (1 - x) * T.log(1 - z), axis=1))
    updates = sg.updates.sgd(cost, [W, b, c], learning_rate=0.01)
    values = [(rng.random((50, 784)) < 0.3).astype("float32")]
    return {"inputs": [x], "outputs": cost, "updates": updates}, values
