"""The gradient of a restricted Boltzmann machine's free energy between data and given chains.

50 rows of 784 visible units, 100 hidden ones; the softplus is written log(1 + exp).
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    v, chains = T.fmatrix("v"), T.fmatrix("chains")
    W = sg.shared(rng.normal(scale=0.1, size=(784, 100)).astype("float32"), name="W")
    a = sg.shared(np.zeros(784, "float32"), name="a")
    b = sg.shared(np.zeros(100, "float32"), name="b")

    def free_energy(x):
        return -T.dot(x, a) - T.sum(T.log(1 + T.exp(T.dot(x, W) + b)), axis=1)

    cost = T.mean(free_energy(v)) - T.mean(free_energy(chains))
    updates = sg.updates.sgd(cost, [W, a, b], learning_rate=0.01)
    values = [(rng.random((50, 784)) < p).astype("float32") for p in (0.3, 0.5)]
    return {"inputs": [v, chains], "outputs": cost, "updates": updates}, values
