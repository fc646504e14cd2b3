"""A block of scaled dot-product attention with its gradient: 8 sequences of 32 rows of 32 numbers.

The softmax is written out, with its maximum taken away; the result is added to the input.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    x, target = T.ftensor3("x"), T.ftensor3("target")
    weights = [sg.shared(rng.normal(scale=0.25, size=(32, 32)).astype("float32"), name=name)
               for name in ("Q", "K", "V", "O")]
    q, k, v = (T.dot(x, w) for w in weights[:3])
    scores = T.batched_dot(q, k.dimshuffle(0, 2, 1)) / np.float32(32 ** 0.5)
    e = T.exp(scores - T.max(scores, axis=-1, keepdims=True))
    mixed = T.batched_dot(e / T.sum(e, axis=-1, keepdims=True), v)
    out = x + T.dot(mixed, weights[3])
    cost = T.mean((out - target) ** 2)
    values = [rng.normal(size=(8, 32, 32)).astype("float32") for _ in range(2)]
    return {"inputs": [x, target], "outputs": [cost, *sg.grad(cost, weights)]}, values
