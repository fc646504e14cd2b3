"""A deep belief network: restricted Boltzmann machines one on top of the other, then fine-tuning.

    for each layer:                        # pre-training, greedy
        train it as a machine whose pixels are the probabilities of the layer below, by CD-1
    put a softmax on top, train everything to tell the labels        # fine-tuning

As in stacked.py, which has the classifier, but for how layers are pre-trained; and the table again
has the same network fine-tuned from random weights.

    python examples/unsupervised/dbn.py [--quick]

Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18
(2006).  The Deep Learning Tutorial reports a test error of 1.34 % with three layers of 1,000 units,
100 epochs of pre-training, ten examples a step, and 46 of fine-tuning.
"""

import time

import numpy as np
from rbm import RBM
from stacked import arguments, deep_classifier, fine_tuned, table

import symgrad as sg
import symgrad.tensor as T


def pretrain(rbm, below, x, images, n_epochs, batch_size=20, learning_rate=0.02):
    """Train by CD-1 on what the layers below make of x; gives the mean cross-entropy of inputs and
    what one sweep makes of them, of each epoch."""
    index = T.lscalar("index")
    z, updates = rbm.step(below, learning_rate, k=1)
    told = T.mean(T.sum(T.nnet.sigmoid_binary_crossentropy(z, below), axis=1))
    step = sg.function([index], told, updates=updates,
                       givens={x: images[index * batch_size : (index + 1) * batch_size]})
    n_batches = len(images.get_value(borrow=True)) // batch_size
    return [step.run(np.arange(n_batches)).mean() for _ in range(n_epochs)]


def main():
    options, data, small = arguments("a deep belief network", pretraining=15)
    sizes = [data.train.x.shape[1], *options.hidden]
    print(f"Deep belief networks, {'-'.join(map(str, sizes))}-10, "
          f"on {len(data.train.x)} digits:")
    rows, stream = {}, sg.random.RandomStream(seed=7)
    images = sg.shared(data.train.x, name="images", borrow=True)
    for name in ("random", "pre-trained"):
        rng = np.random.default_rng(123)
        model, layers = deep_classifier(sizes, 10, rng)
        for k, (below, W, b) in enumerate(layers if name == "pre-trained" else ()):
            seconds = time.perf_counter()
            rbm = RBM(*W.get_value().shape, rng, stream, W=W, b=b)
            losses = pretrain(rbm, below, model.x, images, options.pretraining)
            seconds = time.perf_counter() - seconds
            print(f"  layer {k + 1}: cross-entropy {losses[0]:.2f} in epoch 1, "
                  f"{losses[-1]:.2f} in epoch {len(losses)}; {seconds:.1f} s")
        rows[name] = fine_tuned(model, data, options)
    table(rows)


if __name__ == "__main__":
    main()
