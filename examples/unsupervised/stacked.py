"""Stacked denoising autoencoders: layers are trained one by one without labels, then all with them.

    for each layer:                        # pre-training
        train it to mend what the layers below make of x
    put a softmax on top, train everything to tell the labels        # fine-tuning

A denoising autoencoder and a layer of the classifier have their weights in common, so fine-tuning
begins where pre-training ended.  The same classifier is fine-tuned from random weights as well,
and a table says which was better.

    python examples/unsupervised/stacked.py [--quick]

Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders", JMLR 11 (2010).
The Deep Learning Tutorial reports a test error of 1.3 % with three layers of 1,000 units, 15 epochs
of pre-training and 36 of fine-tuning, one example a step.
"""

import argparse
import time

import numpy as np
from denoising import Autoencoder, epochs

import symgrad as sg
import symgrad.tensor as T
from symgrad.tools.models import Model
from symgrad.tools.train import Settings, train


def deep_classifier(sizes, n_out, rng):
    """Sigmoid layers under a softmax: the model, and for each layer its input and its parameters.
    """
    x, y = T.fmatrix("x"), T.ivector("y")
    params, layers, below = {}, [], x
    for k, (n_in, n) in enumerate(zip(sizes, sizes[1:], strict=False)):
        bound = 4 * np.sqrt(6 / (n_in + n))
        W = sg.shared(rng.uniform(-bound, bound, (n_in, n)).astype("float32"), name=f"W{k}")
        b = sg.shared(np.zeros(n, "float32"), name=f"b{k}")
        params |= {W.name: W, b.name: b}
        layers.append((below, W, b))
        below = T.nnet.sigmoid(T.dot(below, W) + b)
    W = sg.shared(np.zeros((sizes[-1], n_out), "float32"), name="W_out")
    b = sg.shared(np.zeros(n_out, "float32"), name="b_out")
    p = T.nnet.softmax(T.dot(below, W) + b)
    nll = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    errors = T.mean(T.neq(T.argmax(p, axis=1), y))
    return Model(x, y, nll, errors, params | {"W_out": W, "b_out": b}, filters="W0"), layers


def arguments(description, pretraining):
    """Options of a script that pre-trains and fine-tunes, the data, and whether they are small."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small digits, a few epochs")
    parser.add_argument("--pretraining", type=int, metavar="EPOCHS", default=pretraining)
    parser.add_argument("--epochs", type=int, default=30, help="at most, of fine-tuning")
    parser.add_argument("--hidden", type=int, nargs="+", metavar="N", help="units of each layer")
    options = parser.parse_args()
    small = options.quick or sg.datasets.find_mnist() is None
    data = sg.datasets.digits() if small else sg.datasets.mnist()
    options.hidden = options.hidden or ([100, 100] if small else [500, 500, 500])
    if options.quick:
        options.pretraining, options.epochs = 5, 20
    return options, data, small


def fine_tuned(model, data, options):
    """A row of the table: minibatches of 20 at a learning rate of 0.1, with early stopping."""
    settings = Settings(learning_rate=0.1, batch_size=20, epochs=options.epochs,
                        patience=10 * (len(data.train.x) // 20))
    done = train(model, data, settings, say=lambda line: None)
    return done.epochs, 100 * done.validation, 100 * done.test, done.seconds


def table(rows):
    print(f"{'first weights':>14} | epochs | validation |   test | fine-tuning")
    for name, (n, validation, test, seconds) in rows.items():
        print(f"{name:>14} | {n:6d} | {validation:8.2f} % | {test:4.2f} % | {seconds:9.1f} s")


def main():
    options, data, small = arguments("stacked denoising autoencoders", pretraining=15)
    sizes = [data.train.x.shape[1], *options.hidden]
    print(f"Stacked denoising autoencoders, {'-'.join(map(str, sizes))}-10, "
          f"on {len(data.train.x)} digits:")
    rows, stream = {}, sg.random.RandomStream(seed=7)
    for name in ("random", "pre-trained"):
        rng = np.random.default_rng(123)
        model, layers = deep_classifier(sizes, 10, rng)
        if name == "pre-trained":
            images = sg.shared(data.train.x, name="images", borrow=True)
            for k, (below, W, b) in enumerate(layers):
                corruption = (0.1, 0.2, 0.3)[min(k, 2)]
                layer = Autoencoder(*W.get_value().shape, rng, W=W, b=b)
                cost = layer.cost(below, corruption, stream)
                rate = 0.1 if small else 0.02
                epoch = epochs(cost, layer.params, model.x, images, 20, learning_rate=rate)
                seconds = time.perf_counter()
                losses = [epoch() for _ in range(options.pretraining)]
                seconds = time.perf_counter() - seconds
                print(f"  layer {k + 1}, {100 * corruption:.0f} % lost: cost {losses[0]:.2f} "
                      f"in epoch 1, {losses[-1]:.2f} in epoch {len(losses)}; {seconds:.1f} s")
        rows[name] = fine_tuned(model, data, options)
    table(rows)


if __name__ == "__main__":
    main()
