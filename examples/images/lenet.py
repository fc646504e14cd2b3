"""A convolutional network for digits, LeNet: what it looks for, it looks for everywhere.

    for each layer:
        h = tanh(the largest of every 2 x 2 of (h * filters) + b)
    p = softmax(tanh(h W + b) V + c)

`T.nnet.conv2d` and `T.signal.pool.pool_2d` are called as in the Deep Learning Tutorial; the lengths
of images and filters are told, so that all but the number of images is known when the program is
compiled.

    python examples/images/lenet.py [--quick]

LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86 (1998).  The tutorial reports a test error of 0.92 % with 20 and 50
filters, 200 epochs in minibatches of 500.
"""

import argparse

import numpy as np

import symgrad as sg
import symgrad.tensor as T
from symgrad.tools.models import Model
from symgrad.tools.train import Settings, train


def convolved(h, filters, cells, rng, name, params):
    """A layer of so many filters of `cells` times `cells`, with pooling."""
    channels = h.type.shape[1]
    bound = np.sqrt(6 / (cells**2 * (channels + filters / 4)))
    shape = (filters, channels, cells, cells)
    W = sg.shared(rng.uniform(-bound, bound, shape).astype("float32"), name=f"W{name}")
    b = sg.shared(np.zeros(filters, "float32"), name=f"b{name}")
    params |= {W.name: W, b.name: b}
    h = T.nnet.conv2d(h, W, input_shape=h.type.shape, filter_shape=shape)
    h = T.signal.pool.pool_2d(h, ws=(2, 2), ignore_border=True)
    return T.tanh(h + b.dimshuffle("x", 0, "x", "x"))


def lenet(side, filters, cells, n_hidden, n_out, rng):
    x, y, params = T.fmatrix("x"), T.ivector("y"), {}
    h = x.reshape((x.shape[0], 1, side, side))
    for k, (many, size) in enumerate(zip(filters, cells, strict=True)):
        h = convolved(h, many, size, rng, k, params)
    h = h.flatten(2)
    bound = np.sqrt(6 / (h.type.shape[1] + n_hidden))
    W = rng.uniform(-bound, bound, (h.type.shape[1], n_hidden)).astype("float32")
    for name, value in {"W": W, "b": np.zeros(n_hidden, "float32"),
                        "V": np.zeros((n_hidden, n_out), "float32"),
                        "c": np.zeros(n_out, "float32")}.items():
        params[name] = sg.shared(value, name=name)
    h = T.tanh(T.dot(h, params["W"]) + params["b"])
    p = T.nnet.softmax(T.dot(h, params["V"]) + params["c"])
    nll = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    errors = T.mean(T.neq(T.argmax(p, axis=1), y))
    return Model(x, y, nll, errors, params, filters="W")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small digits, a few epochs")
    parser.add_argument("--epochs", type=int, default=20, help="at most")
    options = parser.parse_args()
    small = options.quick or sg.datasets.find_mnist() is None
    data = sg.datasets.digits() if small else sg.datasets.mnist()
    side = int(np.sqrt(data.train.x.shape[1]))
    filters, cells, n_hidden = ((10, 20), (3, 2), 50) if small else ((20, 50), (5, 5), 500)
    batch, epochs = (20, 20) if options.quick else (100, options.epochs)
    print(f"LeNet, {filters[0]} and {filters[1]} filters, on {len(data.train.x)} digits:")
    model = lenet(side, filters, cells, n_hidden, 10, np.random.default_rng(23455))
    done = train(model, data, Settings(learning_rate=0.1, batch_size=batch, epochs=epochs))
    print(f"Stopped after {done.epochs} epochs, {done.seconds:.1f} s: "
          f"test error {100 * done.test:.2f} %")


if __name__ == "__main__":
    main()
