"""`symgrad train`: minibatch SGD with early stopping, as in the Deep Learning Tutorial."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import symgrad.tensor as T
from symgrad import datasets
from symgrad.compile.function import function
from symgrad.errors import ArgumentError, SymgradError
from symgrad.extras import need
from symgrad.shared import shared
from symgrad.tools import models
from symgrad.tools.weights import draw_weights, save_weights
from symgrad.updates import sgd


@dataclass(frozen=True)
class Settings:
    """What may be chosen about a run; the defaults are the tutorial's for logistic regression."""

    learning_rate: float = 0.13
    batch_size: int = 600
    epochs: int = 1000
    patience: int = 5000  # minibatches to look at, however little improves
    hidden: int = 500
    l1: float = 0.0
    l2: float = 1e-4
    seed: int = 1234


SETTINGS = {
    ("logistic", "mnist"): Settings(),
    ("logistic", "digits"): Settings(learning_rate=0.3, batch_size=20),
    ("mlp", "mnist"): Settings(learning_rate=0.01, batch_size=20, patience=10000),
    ("mlp", "digits"): Settings(learning_rate=0.1, batch_size=20, patience=10000, hidden=100),
}

KINDS = {"logistic": "logistic regression", "mlp": "one hidden layer of tanh units"}


class Patience:
    """Early stopping: an improvement at minibatch i is a reason to look at `increase * i` of them.

    Improvements of less than ``1 - threshold`` of the loss are kept but do not extend the patience.
    """

    def __init__(self, patience, increase=2, threshold=0.995):
        self.patience, self.increase, self.threshold = patience, increase, threshold
        self.best = np.inf

    def improved(self, loss, iteration):
        """Whether `loss`, measured after minibatch `iteration`, is the best so far."""
        if not loss < self.best:
            return False
        if loss < self.best * self.threshold:
            self.patience = max(self.patience, iteration * self.increase)
        self.best = loss
        return True


@dataclass
class Result:
    """How a run ended; `weights` are those of the best validation error, errors are fractions."""

    epochs: int = 0
    validation: float = np.inf
    test: float = np.nan
    seconds: float = 0.0
    weights: dict | None = None


def train(model, data, settings, say=print, progress=None):
    """Train `model` on `data` (see `symgrad.datasets`) until patience or epochs run out, or Ctrl-C.

    After every epoch (or every ``patience / 2`` minibatches, if that is sooner) the validation
    error is measured, and after each improvement the test error, both over whole minibatches only.
    `say` takes each line of the report; `progress` is called with minibatches done and minibatches
    in sight.

    Raises `ArgumentError` when a split is smaller than one minibatch, `SymgradError` when the cost
    is no longer finite.
    """
    size = settings.batch_size
    counts = {name: len(split.x) // size for name, split in data._asdict().items()}
    for name, split in data._asdict().items():
        if counts[name] == 0:
            raise ArgumentError(
                f"batch size {size} is larger than the {name} set, {len(split.x)} examples"
            )
    step, validate, test = _functions(model, data, settings)
    n_batches = counts["train"]
    every = min(n_batches, settings.patience // 2) or 1
    stopping, result = Patience(settings.patience), Result()
    start = time.perf_counter()
    try:
        for iteration in range(settings.epochs * n_batches):
            epoch, batch = divmod(iteration, n_batches)
            cost = step(batch)
            result.epochs = epoch + 1
            if (iteration + 1) % every == 0:
                if not np.isfinite(cost):
                    raise SymgradError(
                        f"epoch {epoch + 1}: the cost is {cost}; use a smaller learning rate"
                    )
                loss = np.mean([validate(i) for i in range(counts["valid"])])
                if stopping.improved(loss, iteration):
                    result.test = np.mean([test(i) for i in range(counts["test"])])
                    result.weights = {k: p.get_value() for k, p in model.params.items()}
                say(f"epoch {epoch + 1}, minibatch {batch + 1}/{n_batches}: validation error "
                    f"{percent(loss)}, test error of the best model {percent(result.test)}")
                if progress:
                    in_sight = min(stopping.patience + 1, settings.epochs * n_batches)
                    progress(iteration + 1, in_sight)
            if stopping.patience <= iteration:
                break
    except KeyboardInterrupt:
        say("stopped by hand")
    result.validation, result.seconds = stopping.best, time.perf_counter() - start
    return result


def percent(fraction):
    """`fraction` as the tutorial prints it.

    >>> percent(0.075)
    '7.500000 %'
    """
    return f"{fraction * 100:.6f} %"


def _functions(model, data, settings):
    """One training and two measuring functions of the number of a minibatch of shared data."""
    index = T.lscalar("index")
    rows = slice(index * settings.batch_size, (index + 1) * settings.batch_size)

    def batch_of(split, name):
        x = shared(split.x, name=f"{name}_x", borrow=True)
        y = shared(split.y, name=f"{name}_y", borrow=True)
        return {model.x: x[rows], model.y: y[rows]}

    updates = sgd(model.cost, list(model.params.values()), settings.learning_rate)
    return (
        function([index], model.cost, updates=updates, givens=batch_of(data.train, "train")),
        function([index], model.errors, givens=batch_of(data.valid, "valid")),
        function([index], model.errors, givens=batch_of(data.test, "test")),
    )


def register(commands):
    """Add ``train logistic`` and ``train mlp`` to the command line."""
    parser = commands.add_parser("train", help="train a classifier of digits")
    kinds = parser.add_subparsers(dest="model", required=True, metavar="MODEL")
    for model, text in KINDS.items():
        kind = kinds.add_parser(
            model,
            help=text,
            description=f"Train {text} on digits: minibatch SGD with early stopping.",
            epilog="Defaults depend on the data; for mnist they are the Deep Learning Tutorial's.",
        )
        _add_options(kind.add_argument, model)
    parser.set_defaults(run=run)


def _add_options(add, model):
    add("--data", choices=("digits", "mnist"),
        help="default: mnist if $SYMGRAD_DATA has it, else the small digits of scikit-learn")
    add("--epochs", type=_positive(int), metavar="N", help="at most this many")
    add("--batch-size", type=_positive(int), metavar="N", help="examples in a minibatch")
    add("--learning-rate", type=_positive(float), metavar="X", help="of plain SGD")
    add("--patience", type=_positive(int), metavar="N", help="least number of minibatches")
    add("--out", type=Path, metavar="DIR", help="where to write; default: runs/MODEL-DATA")
    if model == "mlp":
        add("--hidden", type=_positive(int), metavar="N", help="hidden units")
        add("--l1", type=_positive(float, zero=True), metavar="X", help="weight of the L1 penalty")
        add("--l2", type=_positive(float, zero=True), metavar="X", help="weight of the L2 penalty")
        add("--seed", type=int, metavar="N", help="of the first weights")


def _positive(kind, zero=False):
    def number(text):
        value = kind(text)
        if not (value > 0 or zero and value == 0) or value == float("inf"):
            raise ValueError(text)
        return value

    # argparse prints the name: "invalid positive int value: '0'"
    number.__name__ = ("non-negative " if zero else "positive ") + kind.__name__
    return number


def run(options):
    """The ``train`` command: loads, trains, writes weights and picture; returns the exit code."""
    tqdm = need("tqdm")
    need("matplotlib")
    name = options.data or ("mnist" if datasets.find_mnist() else "digits")
    chosen = {key: value for key, value in vars(options).items()
              if key in Settings.__dataclass_fields__ and value is not None}
    settings = replace(SETTINGS[options.model, name], **chosen)
    data = getattr(datasets, name)()
    n_in, n_out = data.train.x.shape[1], int(data.train.y.max()) + 1
    if options.model == "mlp":
        model = models.mlp(n_in, settings.hidden, n_out, settings.l1, settings.l2, settings.seed)
    else:
        model = models.logistic(n_in, n_out)
    out = options.out or Path("runs", f"{options.model}-{name}")
    out.mkdir(parents=True, exist_ok=True)
    print(f"{options.model} on {name}: {len(data.train.x)} examples to train on, "
          f"{len(data.valid.x)} to validate, {len(data.test.x)} to test; "
          f"minibatches of {settings.batch_size}, learning rate {settings.learning_rate:g}")
    # disable=None: no bar unless stderr is a terminal.
    with tqdm.tqdm(unit=" minibatches", disable=None, leave=False) as bar:
        def progress(done, in_sight):
            bar.total = in_sight
            bar.update(done - bar.n)

        result = train(model, data, settings, say=bar.write, progress=progress)
    if result.weights is None:
        print("nothing was measured, nothing is saved")
        return 1
    saved, filters = save_weights(out, result.weights), result.weights[model.filters]
    drawn = draw_weights(out / "weights.png", filters, labelled=options.model == "logistic")
    print(f"{result.epochs} epochs in {result.seconds:.1f} s "
          f"({result.epochs / result.seconds:.1f} a second); wrote {saved} and {drawn}")
    print(f"best validation {percent(result.validation)}, test {percent(result.test)}")
    return 0
