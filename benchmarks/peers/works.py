"""The works: data, initial values, what is asked of symgrad.  NumPy only; every process reads this.

A framework's module has a function for each `model` it can do, named after it.  It takes the
number of examples a call and the initial values, and returns the function to call with a batch.
A work that a framework does not have is a dash in the table.  A new work is a row of `WORKS` and a
function in each `with_*.py`.
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PIXELS, CLASSES, HIDDEN = 784, 10, 500
RATE = 0.13             # of the minibatches
SGD_RATE = 0.01         # of one example at a time: 0.13 would not settle
MLP_RATE, L2 = 0.01, 0.0001
DEPTH, WIDTH, LAYERS_RATE = 200, 32, 0.01
EPOCH, LENGTH = 2000, 4_000_000
FILTERS, CELLS, POOL = (20, 50), 5, 2               # of LeNet: of both layers, rows and columns
LENET_RATE = 0.1
TIME, UNITS, LSTM_RATE = 100, 128, 0.3      # of the LSTM: steps, inputs and hidden units


@dataclass(frozen=True)
class Work:
    """A function that is called over and over.

    `faster` is how many times as fast as the best peer symgrad shall be (None: no matter),
    `at_most` the time it shall take, in the work's unit.  `apart` names frameworks that do not
    count as peers here.
    """

    name: str
    title: str
    model: str
    size: int                           # examples a call
    batches: Callable[[], list]         # the calls' arguments, the same in every process
    start: Callable[[], tuple]          # initial values, the same in every process
    faster: float
    at_most: float
    unit: str = "us"
    checked: int = 20                   # calls whose results are compared
    apart: tuple[str, ...] = ()

    @property
    def fresh(self) -> bool:
        return False


@dataclass(frozen=True)
class Fresh:
    """Seconds in a process of its own: to import, or from the expression to the first result.

    The first result is that of the named work, without the import.  `warm`: the process finds
    what an earlier one left on disk; else the disk cache is empty.
    """

    name: str
    title: str
    of: str | None
    warm: bool
    at_most: float
    faster: float | None = None
    unit: str = "s"
    apart: tuple[str, ...] = ("numpy", "torch", "autograd")     # nothing to compile there

    @property
    def fresh(self) -> bool:
        return True


def digits(size: int, count: int) -> list:
    """Digit-like data: a fifth of the pixels is inked; classes at random."""
    rng = np.random.default_rng(20)
    made = []
    for _ in range(count):
        ink = rng.random((size, PIXELS), dtype=np.float32)
        x = np.where(rng.random((size, PIXELS)) < 0.2, ink, np.float32(0))
        made.append((x, rng.integers(0, CLASSES, size)))
    return made


def vectors(count: int) -> list:
    """One example a call: a vector and a number."""
    return [(x[0], y[0]) for x, y in digits(1, count)]


def rate(size: int) -> np.float32:
    """The learning rate of logistic regression with so many examples a call."""
    return np.float32(SGD_RATE if size == 1 else RATE)


def flat() -> tuple:
    return np.zeros((PIXELS, CLASSES), np.float32), np.zeros(CLASSES, np.float32)


def perceptron() -> tuple:
    """Hidden weights uniform within sqrt(6 / (fan_in + fan_out)), for tanh; the rest 0."""
    bound = np.sqrt(6.0 / (PIXELS + HIDDEN))
    W1 = np.random.default_rng(1234).uniform(-bound, bound, (PIXELS, HIDDEN)).astype(np.float32)
    zeros = [np.zeros(shape, np.float32) for shape in (HIDDEN, (HIDDEN, CLASSES), CLASSES)]
    return W1, *zeros


def convolutional() -> tuple:
    """W and b of LeNet's layers: filters, hidden units and the classifier.

    Uniform within sqrt(6 / (fan_in + fan_out)), pooling taken into account, as in the tutorial;
    biases and the classifier 0.
    """
    rng, made, channels = np.random.default_rng(23455), [], 1
    for filters in FILTERS:
        bound = np.sqrt(6 / (CELLS**2 * (channels + filters / POOL**2)))
        W = rng.uniform(-bound, bound, (filters, channels, CELLS, CELLS)).astype(np.float32)
        made += [W, np.zeros(filters, np.float32)]
        channels = filters
    inner = channels * 4 * 4
    bound = np.sqrt(6 / (inner + HIDDEN))
    made += [rng.uniform(-bound, bound, (inner, HIDDEN)).astype(np.float32)]
    made += [np.zeros(shape, np.float32) for shape in (HIDDEN, (HIDDEN, CLASSES), CLASSES)]
    return tuple(made)


def numbers() -> list:
    rng = np.random.default_rng(13)
    return [tuple(rng.standard_normal(LENGTH, dtype=np.float32) for _ in range(2))]


def deep() -> tuple:
    """W and b of each layer.  Orthogonal matrices, or nothing would come through 200 of them."""
    rng = np.random.default_rng(200)
    square = [np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0] for _ in range(DEPTH)]
    return tuple(v for W in square for v in (W.astype(np.float32), np.zeros(WIDTH, np.float32)))


def pairs() -> list:
    rng = np.random.default_rng(16)
    return [tuple(rng.standard_normal((16, WIDTH), dtype=np.float32) for _ in range(2))
            for _ in range(5)]


def sequences() -> list:
    """Sequences (steps, examples, inputs) to classify: noise around a pattern of their class."""
    rng = np.random.default_rng(9)
    patterns = rng.standard_normal((CLASSES, UNITS), dtype=np.float32)
    made = []
    for _ in range(5):
        y = rng.integers(0, CLASSES, 16)
        noise = rng.standard_normal((TIME, 16, UNITS), dtype=np.float32)
        made.append((noise + np.float32(0.3) * patterns[y], y))
    return made


def cell() -> tuple:
    """W (of the input), U (of the state) and b of an LSTM's gates; V and c of the classifier.

    The gates lie side by side in the order output, input, forget, candidate: the three sigmoids
    are one block, and so are the three that the cell's slope goes to.
    """
    rng = np.random.default_rng(1997)
    square = [np.linalg.qr(rng.standard_normal((UNITS, UNITS)))[0] for _ in range(8)]
    W, U = (np.hstack(some).astype(np.float32) for some in (square[:4], square[4:]))
    b = np.zeros(4 * UNITS, np.float32)
    b[2 * UNITS:3 * UNITS] = 1          # remember at first
    V = rng.uniform(-0.2, 0.2, (UNITS, CLASSES)).astype(np.float32)
    return W, U, b, V, np.zeros(CLASSES, np.float32)


def systems() -> list:
    """A (of spectral radius 0.9), b and the first state of small recurrences."""
    rng = np.random.default_rng(3)
    made = []
    for _ in range(20):
        A = rng.standard_normal((3, 3))
        A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
        made.append((A, 0.3 * rng.standard_normal(3), rng.standard_normal(3)))
    return made


def scalars() -> list:
    """x, a and b of x = a * x + b; as arrays, as every framework has its scalars."""
    return [tuple(map(np.array, (0.5, 0.999, 0.001 * k))) for k in range(1, 6)]


def ten() -> list:
    return [(np.arange(10.0),)] * 500


CHAIN = "tanh(x*y+1) * exp(-x*x) + log1p(|y|) * sigmoid(x-y)"

WORKS = (
    Work("sgd", "logistic 784-10, minibatches of one example", "logistic", 1,
         lambda: digits(1, 200), flat, 4, 4),
    Work("sgd-vector", "logistic 784-10, one example a call: a vector and a number", "example", 1,
         lambda: vectors(200), flat, 4, 4),
    Work("logistic-20", "logistic 784-10, minibatch of 20", "logistic", 20,
         lambda: digits(20, 50), flat, 2, 16),
    Work("logistic-600", "logistic 784-10, minibatch of 600", "logistic", 600,
         lambda: digits(600, 8), flat, 1.3, 400, checked=8),
    Work("epoch", "an epoch of pure SGD: 2,000 examples, in one call where there is a way", "epoch",
         EPOCH, lambda: digits(EPOCH, 1), flat, 2, 6, "ms", checked=1),
    Work("mlp-20", "perceptron 784-500-10 with tanh and L2, minibatch of 20", "mlp", 20,
         lambda: digits(20, 20), perceptron, 1.25, 430),
    Work("mlp-128", "perceptron 784-500-10 with tanh and L2, minibatch of 128", "mlp", 128,
         lambda: digits(128, 8), perceptron, 1.1, 2150, checked=8),
    Work("lenet", "LeNet: 20 and 50 filters of 5x5, pools of 2x2, 500 hidden units, tanh; "
         "minibatch of 100", "lenet", 100, lambda: digits(100, 5), convolutional, 1.1, 24, "ms",
         checked=5),
    Work("chain", f"{CHAIN}, 4 M float32", "chain", LENGTH, numbers, tuple, 2.5, 5, "ms",
         checked=1),
    Work("chain-gradients", "the sum of that chain and both gradients", "chain_gradients", LENGTH,
         numbers, tuple, 2.5, 11, "ms", checked=1),
    Work("layers-200", "200 tanh layers of 32, squared error, 16 examples: gradient and update",
         "layers", 16, pairs, deep, 1.7, 700, checked=5),
    Work("lstm", "LSTM of 128 units over 100 steps, softmax of its mean state, 16 examples: "
         "gradient and update", "lstm", 16, sequences, cell, 1, 15, "ms", checked=5),
    Work("recurrence", "h = tanh(A h + b), 3 float64 states, 1,000 steps: sum of all h**2 and its "
         "gradients by A, b and the first h", "recurrence", 1000, systems, tuple, 1.25, 80),
    Work("steps", "x = a x + b, float64 numbers, 100,000 steps in one call, no gradient", "steps",
         100_000, scalars, tuple, None, 3, "ms", checked=5),
    Work("call", "an empty-handed call: x + 1 on 10 numbers (NumPy's own + is no peer here)",
         "call", 10, ten, tuple, 10, 0.25, checked=1, apart=("numpy", "autograd")),
    Fresh("first-cold", "first result of logistic-20, nothing on disk", "logistic-20", False, 0.10),
    Fresh("first-warm", "first result of logistic-20, after an earlier process", "logistic-20",
          True, 0.02),
    Fresh("first-200", "first result of layers-200, nothing on disk", "layers-200", False, 0.5),
    Fresh("first-lstm", "first result of lstm, nothing on disk", "lstm", False, 0.3),
    Fresh("import", "import, NumPy's included", None, False, 0.12, apart=("numpy",)),
)
BY_NAME = {work.name: work for work in WORKS}
