"""A physics-informed loss: a network u(x, t) is to solve the heat equation, by second derivatives.

32 hidden units, 500 points inside and 100 on the border; the gradient is taken of all that.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    x, t, border, value = T.dvector("x"), T.dvector("t"), T.dmatrix("border"), T.dvector("value")
    V = sg.shared(rng.normal(size=(2, 32)), name="V")
    b = sg.shared(rng.normal(size=32), name="b")
    w = sg.shared(rng.normal(scale=0.3, size=32), name="w")

    def u(x, t):
        hidden = T.tanh(x.dimshuffle(0, "x") * V[0] + t.dimshuffle(0, "x") * V[1] + b)
        return T.dot(hidden, w)

    inside = u(x, t)
    u_x, u_t = sg.grad(T.sum(inside), [x, t])
    u_xx = sg.grad(T.sum(u_x), x)
    cost = T.mean((u_t - 0.1 * u_xx) ** 2) + T.mean((u(border[:, 0], border[:, 1]) - value) ** 2)
    updates = sg.updates.sgd(cost, [V, b, w], learning_rate=0.001)
    values = [rng.random(500), rng.random(500), rng.random((100, 2)), rng.normal(size=100)]
    return {"inputs": [x, t, border, value], "outputs": cost, "updates": updates}, values
