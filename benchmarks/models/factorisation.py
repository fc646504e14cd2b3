"""Matrix factorisation with embeddings: 2000 users, 1000 items, 16 numbers, biases; 256 ratings.

Only rows that are looked up have a gradient; the updates are written as if all had.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    user, item, rating = T.lvector("user"), T.lvector("item"), T.fvector("rating")
    U = sg.shared(rng.normal(scale=0.1, size=(2000, 16)).astype("float32"), name="U")
    V = sg.shared(rng.normal(scale=0.1, size=(1000, 16)).astype("float32"), name="V")
    b = sg.shared(np.zeros(2000, "float32"), name="b")
    c = sg.shared(np.zeros(1000, "float32"), name="c")
    guess = T.sum(U[user] * V[item], axis=1) + b[user] + c[item]
    cost = T.mean((guess - rating) ** 2)
    cost += np.float32(0.01) * (T.sum(U[user] ** 2) + T.sum(V[item] ** 2))
    updates = sg.updates.sgd(cost, [U, V, b, c], learning_rate=0.01)
    values = [rng.integers(0, 2000, 256), rng.integers(0, 1000, 256),
              rng.integers(1, 6, 256).astype("float32")]
    return {"inputs": [user, item, rating], "outputs": cost, "updates": updates}, values
