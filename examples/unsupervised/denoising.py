"""A denoising autoencoder: to mend a spoilt picture, one has to know what digits look like.

    spoilt = x with some pixels set to 0
    code   = sigmoid(spoilt W + b)
    mended = sigmoid(code W' + b')           # W' is W transposed
    cost   = cross-entropy of mended and x

It is trained twice, on whole pictures and on pictures of which 30 % is lost, and the columns of W
are drawn: the second time they are strokes of a pen and dots rather than noise.

    python examples/unsupervised/denoising.py [--quick]

Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features with denoising
autoencoders", ICML 2008; settings as in the Deep Learning Tutorial.
"""

import argparse
import time

import numpy as np

import symgrad as sg
import symgrad.tensor as T
from symgrad.tools.weights import draw_tiles


class Autoencoder:
    """One layer of sigmoid units that is run both ways, by the same weights.

    `W` and `b` may be those of another layer, which is then trained too.
    """

    def __init__(self, n_visible, n_hidden, rng, W=None, b=None):
        bound = 4 * np.sqrt(6 / (n_visible + n_hidden))
        first = rng.uniform(-bound, bound, (n_visible, n_hidden)).astype("float32")
        self.W = sg.shared(first, name="W") if W is None else W
        self.b = sg.shared(np.zeros(n_hidden, "float32"), name="b") if b is None else b
        self.b_back = sg.shared(np.zeros(n_visible, "float32"), name="b_back")
        self.params = [self.W, self.b, self.b_back]

    def code(self, x):
        return T.nnet.sigmoid(T.dot(x, self.W) + self.b)

    def decode(self, code):
        return T.nnet.sigmoid(T.dot(code, self.W.T) + self.b_back)

    def cost(self, x, corruption, stream):
        """The mean over examples of what it costs to tell x by what was made of the spoilt x."""
        kept = stream.bernoulli(x.shape, p=1 - corruption, dtype=x.dtype)
        return distance(self.decode(self.code(x * kept)), x)


def distance(p, x):
    return T.mean(T.sum(T.nnet.binary_crossentropy(p, x), axis=1))


def epochs(cost, params, x, data, batch_size, learning_rate):
    """A function that trains for one epoch, all in one call, and gives the mean cost."""
    index = T.lscalar("index")
    rows = slice(index * batch_size, (index + 1) * batch_size)
    step = sg.function([index], cost, updates=sg.updates.sgd(cost, params, learning_rate),
                       givens={x: data[rows]})
    n_batches = len(data.get_value(borrow=True)) // batch_size
    return lambda: step.run(np.arange(n_batches)).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small digits, a few epochs")
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()
    small = options.quick or sg.datasets.find_mnist() is None
    train, _, test = sg.datasets.digits() if small else sg.datasets.mnist()
    n_epochs = 5 if options.quick else options.epochs
    n_hidden = 100 if small else 500
    print(f"Denoising autoencoders of {n_hidden} hidden units on {len(train.x)} digits, "
          f"{n_epochs} epochs:")
    data = sg.shared(train.x, name="data", borrow=True)
    x = T.fmatrix("x")
    filters = {}
    for corruption in (0.0, 0.3):
        rng, stream = np.random.default_rng(123), sg.random.RandomStream(seed=7)
        layer = Autoencoder(train.x.shape[1], n_hidden, rng)
        cost = layer.cost(x, corruption, stream)
        epoch = epochs(cost, layer.params, x, data, batch_size=20, learning_rate=0.1)
        # How well an unseen picture is told by one of which 30 % is lost, whatever was trained.
        mended = sg.function([x], layer.cost(x, 0.3, stream))
        title, seconds = f"{100 * corruption:2.0f} % lost", time.perf_counter()
        for k in range(1, n_epochs + 1):
            loss = epoch()
            if k in (1, 2, n_epochs) or k % 5 == 0:
                print(f"  {title}, epoch {k:2d}: cost {loss:.2f}")
        seconds = time.perf_counter() - seconds
        filters[title] = layer.W.get_value().T[:100]
        print(f"{title}, {seconds:.1f} s: unseen digits of which 30 % is lost cost "
              f"{mended(test.x):.2f}")
    print(f"Wrote {draw_tiles('denoising.png', filters, kind='filters')}")


if __name__ == "__main__":
    main()
