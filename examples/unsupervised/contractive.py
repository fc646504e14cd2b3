"""A contractive autoencoder: the code is to change little when the picture changes a little.

    code   = sigmoid(x W + b)
    cost   = cross-entropy of decode(code) and x  +  0.1 * |d code / d x| ** 2

The derivatives of the code, a matrix for each example, are those of a sigmoid, so that their
squares can be summed without making the matrix; `sg.jacobian` makes it, and agrees.  Gradients of
this penalty are second derivatives, which take nothing special.

    python examples/unsupervised/contractive.py [--quick]

Rifai, Vincent, Muller, Glorot and Bengio, "Contractive auto-encoders: explicit invariance during
feature extraction", ICML 2011.
"""

import argparse
import time

import numpy as np
from denoising import Autoencoder, distance, epochs

import symgrad as sg
import symgrad.tensor as T
from symgrad.tools.weights import draw_tiles


def contraction(code, W):
    """The squares of d code[j] / d x[i] = code[j] * (1 - code[j]) * W[i, j], summed over i and j;
    the mean over examples."""
    slope = code * (1 - code)
    return T.mean(T.dot(slope**2, T.sum(W**2, axis=0)))


def by_jacobian(layer, example):
    """The same of one example by way of the whole matrix."""
    x = T.fvector("x")
    matrix = sg.jacobian(layer.code(x), x)
    return sg.function([x], T.sum(matrix**2))(example)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small digits, a few epochs")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    small = options.quick or sg.datasets.find_mnist() is None
    train, _, test = sg.datasets.digits() if small else sg.datasets.mnist()
    n_epochs = 5 if options.quick else options.epochs
    n_hidden = 100 if small else 500
    print(f"Contractive autoencoders of {n_hidden} hidden units on {len(train.x)} digits, "
          f"{n_epochs} epochs:")
    data = sg.shared(train.x, name="data", borrow=True)
    x = T.fmatrix("x")
    filters = {}
    for level in (0.0, 0.1):
        layer = Autoencoder(train.x.shape[1], n_hidden, np.random.default_rng(123))
        code = layer.code(x)
        told, moved = distance(layer.decode(code), x), contraction(code, layer.W)
        epoch = epochs(told + np.float32(level) * moved, layer.params, x, data, batch_size=10,
                       learning_rate=0.01)
        measure = sg.function([x], [told, moved])
        seconds = time.perf_counter()
        for k in range(1, n_epochs + 1):
            loss = epoch()
            if k in (1, 2, n_epochs) or k % 5 == 0:
                print(f"  penalty x {level}, epoch {k:2d}: cost {loss:.2f}")
        seconds = time.perf_counter() - seconds
        told, moved = measure(test.x)
        print(f"penalty x {level}, {seconds:.1f} s: unseen digits cost {told:.2f}, "
              f"the derivatives' squares sum to {moved:.2f}")
        filters[f"penalty x {level}"] = layer.W.get_value().T[:100]
    one = measure(test.x[:1])[1], by_jacobian(layer, test.x[0])
    print(f"Of one example {one[0]:.4f}, by its whole Jacobian {one[1]:.4f}")
    assert np.isclose(*one, rtol=1e-4)
    print(f"Wrote {draw_tiles('contractive.png', filters, kind='filters')}")


if __name__ == "__main__":
    main()
