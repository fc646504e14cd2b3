"""Thirteen elementwise operations on four million float32, against NumPy as anybody writes it.

NumPy makes an array of 16 MB for each operation; one pass in blocks that fit the cache need not.
"""
import numpy as np
from side_by_side import Work

import symgrad as sg
import symgrad.tensor as T

LENGTH = 4_000_000


def numbers():
    rng = np.random.default_rng(13)
    yield tuple(rng.standard_normal(LENGTH, dtype=np.float32) for _ in range(2))


def by_hand():
    def chain(x, y):
        sigmoid = 1 / (1 + np.exp(-(x - y)))
        return np.tanh(x * y + 1) * np.exp(-x * x) + np.log1p(np.abs(y)) * sigmoid
    return chain


def with_symgrad():
    x, y = T.fvector("x"), T.fvector("y")
    value = T.tanh(x * y + 1) * T.exp(-x * x) + T.log1p(abs(y)) * T.nnet.sigmoid(x - y)
    return sg.function([x, y], value)


WORKS = (
    Work("chain-4M", "tanh(x*y+1) * exp(-x*x) + log1p(|y|) * sigmoid(x-y), 4 M float32",
         numbers, by_hand, with_symgrad, at_most=0.8, unit="ms"),
)
