"""Cross-entropy of a softmax written out, with logits from -1000 to 1000: it must stay finite.

500 rows of 20 classes; the cost, its gradient, and the probabilities.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    logits, y = T.dmatrix("logits"), T.lvector("y")
    e = T.exp(logits)
    p = e / T.sum(e, axis=1, keepdims=True)
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    values = [rng.uniform(-1000, 1000, (500, 20)), rng.integers(0, 20, 500)]
    return {"inputs": [logits, y], "outputs": [cost, sg.grad(cost, logits)]}, values
