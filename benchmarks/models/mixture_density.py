"""A mixture density network: 5 normal densities of one number from 4 inputs by 20 hidden units.

The likelihood of 2000 examples is written as it stands in books, a logarithm of a sum of products.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    x, y = T.dmatrix("x"), T.dvector("y")
    V = sg.shared(rng.normal(scale=0.3, size=(4, 20)), name="V")
    heads = [sg.shared(rng.normal(scale=0.3, size=(20, 5)), name=name) for name in ("P", "M", "S")]
    hidden = T.tanh(T.dot(x, V))
    weights = T.nnet.softmax(T.dot(hidden, heads[0]))
    means, deviations = T.dot(hidden, heads[1]), T.exp(T.dot(hidden, heads[2]))
    scaled = (y.dimshuffle(0, "x") - means) / deviations
    density = T.exp(-scaled ** 2 / 2) / (deviations * np.sqrt(2 * np.pi))
    cost = -T.mean(T.log(T.sum(weights * density, axis=1)))
    updates = sg.updates.sgd(cost, [V, *heads], learning_rate=0.01)
    values = [rng.normal(size=(2000, 4)), rng.normal(size=2000)]
    return {"inputs": [x, y], "outputs": cost, "updates": updates}, values
