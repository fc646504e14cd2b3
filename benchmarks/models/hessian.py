"""The gradient and the Hessian of logistic regression with two classes and 30 features.

1000 examples; a loop over the rows of the gradient, as `sg.hessian` makes it.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    w, x, y = T.dvector("w"), T.dmatrix("x"), T.dvector("y")
    p = 1 / (1 + T.exp(-T.dot(x, w)))
    cost = -T.mean(y * T.log(p) + (1 - y) * T.log(1 - p)) + 0.01 * T.sum(w ** 2)
    outputs = [cost, sg.grad(cost, w), sg.hessian(cost, w)]
    values = [rng.normal(size=30), rng.normal(size=(1000, 30)),
              rng.integers(0, 2, 1000).astype("float64")]
    return {"inputs": [w, x, y], "outputs": outputs}, values
