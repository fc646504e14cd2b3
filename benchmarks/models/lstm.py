"""A training step of an LSTM over 20 steps: 16 sequences, 8 inputs, 24 units, one result.

The gates are one product; the step is `sg.scan`'s, the gradient goes through all steps.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T

UNITS = 24


def build():
    rng = np.random.default_rng(0)
    x, y = T.ftensor3("x"), T.fvector("y")
    W = sg.shared(rng.normal(scale=0.2, size=(8, 4 * UNITS)).astype("float32"), name="W")
    R = sg.shared(rng.normal(scale=0.2, size=(UNITS, 4 * UNITS)).astype("float32"), name="R")
    b = sg.shared(np.zeros(4 * UNITS, "float32"), name="b")
    w = sg.shared(rng.normal(scale=0.2, size=UNITS).astype("float32"), name="w")

    def step(row, h, c, W, R, b):
        gates = T.dot(row, W) + T.dot(h, R) + b
        i, f, o = (T.nnet.sigmoid(gates[:, k * UNITS:(k + 1) * UNITS]) for k in range(3))
        c = f * c + i * T.tanh(gates[:, 3 * UNITS:])
        return o * T.tanh(c), c

    first = T.zeros((x.shape[1], UNITS), dtype="float32")
    (h, _), _ = sg.scan(step, sequences=x, outputs_info=[first, first], non_sequences=[W, R, b])
    cost = T.mean((T.dot(h[-1], w) - y) ** 2)
    updates = sg.updates.sgd(cost, [W, R, b, w], learning_rate=0.01)
    values = [rng.normal(size=(20, 16, 8)).astype("float32"), rng.normal(size=16).astype("float32")]
    return {"inputs": [x, y], "outputs": cost, "updates": updates}, values
