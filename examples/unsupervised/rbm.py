"""A restricted Boltzmann machine, trained by persistent contrastive divergence.

    p(v, h) is proportional to exp(v W h + a v + b h)       # v: pixels, h: hidden units, of 0 and 1

The gradient of log p(v) pulls the free energy down at the data and up where the machine itself
would be.  To know that, 20 chains of Gibbs sampling are kept running: each step of training moves
them on by 15 sweeps, v -> h -> v, which are one `sg.scan`.  The random numbers of the sweeps come
from a stream whose state the scan hands back among its updates.

How it goes is measured by the pseudo-likelihood: how well a pixel, another one with each minibatch,
is told by all others.  In the end filters and samples of the machine are drawn.

    python examples/unsupervised/rbm.py [--quick]

Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient",
ICML 2008.  The Deep Learning Tutorial, whose settings these are, reports a pseudo-likelihood of
-90.65, -81.24 and -74.91 after the first three epochs and -62.76 after fifteen.
"""

import argparse
import time

import numpy as np

import symgrad as sg
import symgrad.tensor as T
from symgrad.tools.weights import draw_tiles


class RBM:
    """`W` and `b` (of the hidden units) may be those of another layer, which is then trained too.
    """

    def __init__(self, n_visible, n_hidden, rng, stream, W=None, b=None):
        bound = 4 * np.sqrt(6 / (n_visible + n_hidden))
        first = rng.uniform(-bound, bound, (n_visible, n_hidden)).astype("float32")
        self.n_visible, self.n_hidden, self.stream = n_visible, n_hidden, stream
        self.W = sg.shared(first, name="W") if W is None else W
        self.b = sg.shared(np.zeros(n_hidden, "float32"), name="b") if b is None else b
        self.a = sg.shared(np.zeros(n_visible, "float32"), name="a")
        self.params = [self.W, self.b, self.a]

    def free_energy(self, v):
        """-log of the sum over h of exp(v W h + a v + b h), for each row of v."""
        return -T.dot(v, self.a) - T.sum(T.nnet.softplus(T.dot(v, self.W) + self.b), axis=1)

    def draw(self, z):
        """Units that are 1 with the probability sigmoid(z)."""
        return self.stream.bernoulli(z.shape, p=T.nnet.sigmoid(z), dtype="float32")

    def hidden(self, v):
        return self.draw(T.dot(v, self.W) + self.b)

    def sweeps(self, h, n):
        """`n` sweeps of Gibbs sampling from h: for each of them the logits of the pixels, the
        pixels and the hidden units; and the updates of the stream."""

        def sweep(h):
            z = T.dot(h, self.W.T) + self.a
            v = self.draw(z)
            return [z, v, self.hidden(v)]

        return sg.scan(sweep, outputs_info=[None, None, h], n_steps=n)

    def step(self, x, learning_rate, k, chains=None):
        """The logits at the end of the chain, and the updates of one step of CD-k; of PCD-k, where
        `chains` is a shared variable with the hidden units of chains that go on."""
        start = self.hidden(x) if chains is None else chains
        (z, v, h), updates = self.sweeps(start, k)
        end = v[-1]
        cost = T.mean(self.free_energy(x)) - T.mean(self.free_energy(end))
        slopes = sg.grad(cost, self.params, consider_constant=[end])
        updates.update([(q, q - np.float32(learning_rate) * s)
                        for q, s in zip(self.params, slopes, strict=True)])
        if chains is not None:
            updates[chains] = h[-1]
        return z[-1], updates

    def pseudo_likelihood(self, x, pixel):
        """n log p(pixel | all others), n pixels, by the free energies with and without it."""
        v = T.round(x)
        flipped = T.set_subtensor(v[:, pixel], 1 - v[:, pixel])
        rise = self.free_energy(flipped) - self.free_energy(v)
        return T.mean(np.float32(self.n_visible) * T.log(T.nnet.sigmoid(rise)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small digits, a few epochs")
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()
    small = options.quick or sg.datasets.find_mnist() is None
    train, _, test = sg.datasets.digits() if small else sg.datasets.mnist()
    n_epochs = 3 if options.quick else options.epochs
    n_visible, n_hidden = train.x.shape[1], 100 if small else 500
    batch_size, n_chains = 20, 20
    print(f"A restricted Boltzmann machine of {n_visible} and {n_hidden} units on {len(train.x)} "
          f"digits, PCD-15:")

    rng, stream = np.random.default_rng(123), sg.random.RandomStream(seed=7)
    rbm = RBM(n_visible, n_hidden, rng, stream)
    chains = sg.shared(np.zeros((batch_size, n_hidden), "float32"), name="chains")
    data = sg.shared(train.x, name="data", borrow=True)
    x, index = T.fmatrix("x"), T.lscalar("index")
    _, updates = rbm.step(x, learning_rate=0.1, k=15, chains=chains)
    pixel = sg.shared(np.int64(0), name="pixel")  # one after another, whatever epoch it is
    updates[pixel] = (pixel + 1) % n_visible
    rows = slice(index * batch_size, (index + 1) * batch_size)
    step = sg.function([index], rbm.pseudo_likelihood(x, pixel), updates=updates,
                       givens={x: data[rows]})

    filters, seconds = {}, time.perf_counter()
    for epoch in range(1, n_epochs + 1):
        likelihood = step.run(np.arange(len(train.x) // batch_size)).mean()
        print(f"  epoch {epoch:2d}: pseudo-likelihood {likelihood:.4f} "
              f"({time.perf_counter() - seconds:.1f} s)")
        if epoch in (1, n_epochs):
            filters[f"filters, epoch {epoch}"] = rbm.W.get_value().T[:100]
    draw_tiles("rbm-filters.png", filters, kind="filters")

    # Chains that start at test digits; a row of the picture for every 1,000 sweeps of all of them.
    h = sg.shared(np.zeros((n_chains, n_hidden), "float32"), name="h")
    sg.function([x], [], updates=[(h, rbm.hidden(x))])(test.x[:n_chains])
    (z, _, last), updates = rbm.sweeps(h, 20 if options.quick else 1000)
    updates[h] = last[-1]
    sample = sg.function([], T.nnet.sigmoid(z[-1]), updates=updates)
    samples = np.concatenate([test.x[:n_chains], *[sample() for _ in range(9)]])
    draw_tiles("rbm-samples.png", {"digits, and what the chains made of them": samples},
               columns=n_chains, kind="images")
    print("Wrote rbm-filters.png and rbm-samples.png")


if __name__ == "__main__":
    main()
