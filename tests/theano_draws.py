"""Draws of Theano's two random classes: one program for Theano and for symgrad.

``data/theano_random.npz`` holds what Theano 1.0.5 drew (Python 3.8, NumPy 1.19.5, g++, default
options): the output of ``python theano_draws.py data/theano_random.npz`` there.
"""

import sys

import numpy as np

P = np.array([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]])
SEEDS = {"one": 1234, "six": [1, 2, 3, 4, 5, 6]}


def mrg(make, function, vector, floating):
    """{name: arrays} by ``make(seed)``; ``floating(dtype)`` is a context that sets floatX."""
    found = {}

    def add(name, x, *given):
        f = function(list(given[:1]), x)
        found[name] = [f(*v) for v in given[1]] if given else [f(), f()]

    for which, seed in SEEDS.items():
        for dtype in ("float16", "float32", "float64"):
            r, name = make(seed), f"{which} {dtype} "
            add(name + "uniform", r.uniform((5, 7), dtype=dtype))
            add(name + "between", r.uniform((2,), low=-1, high=3, dtype=dtype))
            add(name + "four streams", r.uniform((11,), dtype=dtype, nstreams=4))
            if dtype != "float16":
                add(name + "normal", r.normal((3, 5), dtype=dtype))
                add(name + "odd normal", r.normal((7,), avg=2, std=3, dtype=dtype, nstreams=2))
                add(name + "truncated normal",
                    r.truncated_normal((31,), avg=1, std=2, dtype=dtype, nstreams=3))
                with floating(dtype):
                    add(name + "binomial", r.binomial((20,), p=0.3))
                    add(name + "multinomial", r.multinomial(pvals=P.astype(dtype), n=5))
                    add(name + "choice", r.choice(size=3, replace=False, p=P.astype(dtype)))
            v = vector()
            add(name + "symbolic", make(seed).uniform(v, ndim=2, dtype=dtype), v,
                [([3, 2],), ([2, 5],)])
            r.seed(99)
            add(name + "after a seed", r.uniform((4,), dtype=dtype))
    return found


def numpy_state(make, function, constant):
    """{name: arrays} by ``make(seed)``."""
    r, found = make(234), {}

    def add(name, x):
        f = function([], x)
        found[name] = [f(), f()]

    add("uniform", r.uniform((3, 4)))
    add("normal", r.normal((5,), 2, 3))
    add("single normal", r.normal((5,), dtype="float32"))
    add("binomial", r.binomial((6,), n=10, p=0.3))
    add("random_integers", r.random_integers((4,), 1, 6))
    add("choice", r.choice((3,), a=7, replace=False))
    add("poisson", r.poisson((4,), lam=4.0))
    add("permutation", r.permutation((2,), n=5))
    add("one permutation", r.permutation(n=4))
    add("multinomial", r.multinomial((3,), n=6, pvals=[0.2, 0.3, 0.5]))
    add("size with -1", r.uniform((2, -1), low=np.array([[0.0, 1.0, 2.0]])))
    add("size of parameters", r.uniform(low=np.array([0.0, 1.0, 2.0]), high=5))
    add("rows", r.shuffle_row_elements(constant(np.arange(8.0).reshape(2, 4))))
    r.seed(5)
    add("after a seed", r.uniform((2,)))
    return found


if __name__ == "__main__":
    import theano
    import theano.tensor as T
    from theano.sandbox.rng_mrg import MRG_RandomStreams
    from theano.tensor.shared_randomstreams import RandomStreams

    drawn = {"mrg": mrg(MRG_RandomStreams, theano.function, T.lvector,
                        lambda dtype: theano.change_flags(floatX=dtype)),
             "numpy": numpy_state(RandomStreams, theano.function, T.constant)}
    np.savez_compressed(sys.argv[1], **{f"{kind} {name} {k}": a for kind, all_ in drawn.items()
                                        for name, arrays in all_.items()
                                        for k, a in enumerate(arrays)})
