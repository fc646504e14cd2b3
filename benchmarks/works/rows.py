"""Kernels over short rows: softmax, its logarithm of a sum, normalised rows, a cost with gradient.

Each beside NumPy by hand and, under the name with `-fuse`, beside symgrad without fusion: fusion
must not make short rows slower.
"""
from functools import partial

import numpy as np
from side_by_side import Work

import symgrad as sg
import symgrad.tensor as T

ROWS = 1000


def matrix(columns: int, dtype: str):
    """One call's arguments: rows of numbers, and a class for each."""
    rng = np.random.default_rng(columns)
    x = rng.standard_normal((ROWS, columns)).astype(dtype)
    yield x, rng.integers(0, columns, ROWS)


# -- by hand


def softmax_by_hand(columns, dtype):
    e = np.empty((ROWS, columns), dtype)

    def softmax(x, y):
        np.subtract(x, x.max(axis=1, keepdims=True), out=e)
        np.exp(e, out=e)
        return e / e.sum(axis=1, keepdims=True)
    return softmax


def logsumexp_by_hand(columns, dtype):
    e = np.empty((ROWS, columns), dtype)

    def logsumexp(x, y):
        top = x.max(axis=1)
        np.subtract(x, top[:, None], out=e)
        np.exp(e, out=e)
        total = e.sum(axis=1)
        np.log(total, out=total)
        total += top
        return total
    return logsumexp


def normal_by_hand(columns, dtype):
    squares = np.empty((ROWS, columns), dtype)

    def normal(x, y):
        d = x - x.mean(axis=1, keepdims=True)
        np.multiply(d, d, out=squares)
        d /= np.sqrt(squares.mean(axis=1, keepdims=True) + dtype(1e-5))
        return d
    return normal


def cost_by_hand(columns, dtype):
    every = np.arange(ROWS)

    def cost(x, y):
        e = x - x.max(axis=1, keepdims=True)
        picked = e[every, y]
        np.exp(e, out=e)
        total = e.sum(axis=1)
        loss = (np.log(total) - picked).mean()
        e /= total[:, None]
        e[every, y] -= 1
        e /= ROWS
        return loss, e
    return cost


# -- with symgrad


def softmax(x, y):
    return T.nnet.softmax(x)


def logsumexp(x, y):
    return T.log(T.sum(T.exp(x), axis=1))  # made stable by symgrad


def normal(x, y):
    d = x - T.mean(x, axis=1, keepdims=True, dtype=x.dtype)
    variance = T.mean(d * d, axis=1, keepdims=True, dtype=x.dtype)
    return d / T.sqrt(variance + np.dtype(x.dtype).type(1e-5))


def cost(x, y):
    loss = -T.mean(T.log(T.nnet.softmax(x))[T.arange(y.shape[0]), y])
    return [loss, sg.grad(loss, x)]


def compiled(build, dtype, passes):
    x, y = T.matrix("x", dtype=dtype), T.lvector("y")
    return sg.function([x, y], build(x, y), passes=passes, on_unused_input="ignore")


def works():
    for build, by_hand in ((softmax, softmax_by_hand), (logsumexp, logsumexp_by_hand),
                           (normal, normal_by_hand), (cost, cost_by_hand)):
        for columns, dtype in ((3, np.float64), (10, np.float32), (20, np.float64)):
            name = f"{build.__name__}-{columns}"
            title = f"{build.__name__} of {ROWS:,} rows of {columns} {dtype.__name__}"
            batches = partial(matrix, columns, dtype)
            whole, plain = [partial(compiled, build, dtype.__name__, passes)
                            for passes in ("", "-fuse")]
            yield Work(name, title, batches, partial(by_hand, columns, dtype), whole, at_most=0.6)
            yield Work(f"{name}-fuse", f"{title}, beside symgrad without fusion", batches, plain,
                       whole, at_most=1.0)


WORKS = tuple(works())
