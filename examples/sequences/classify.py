"""Recurrent networks that read a sequence and tell what it was: a plain one and an LSTM.

    plain:  h' = tanh(x W + h U + b)
    LSTM:   c' = sigmoid(f) c + sigmoid(i) tanh(g)        # f, i, o, g: parts of x W + h U + b
            h' = sigmoid(o) tanh(c')

Each is one `sg.scan`; its gradient, through all steps, is taken by `sg.updates.adam` as that of
anything else.  There are two tasks: digits whose rows come one at a time, and symbols that have to
be recalled after a long noise.  The table has the accuracy on sequences that were not trained on.

    python examples/sequences/classify.py [--quick]

Elman, "Finding structure in time", Cognitive Science 14 (1990); Hochreiter and Schmidhuber, "Long
short-term memory", Neural Computation 9 (1997), with the forget gate of Gers, Schmidhuber and
Cummins (2000).
"""

import argparse
import time

import numpy as np

import symgrad as sg
import symgrad.tensor as T


class Plain:
    parts, states = 1, 1

    def __init__(self, n_in, n, rng):
        def some(rows, columns):
            scale = 1 / np.sqrt(rows)
            return sg.shared(rng.normal(0, scale, (rows, columns)).astype("float32"))

        self.n = n
        self.W, self.U = some(n_in, self.parts * n), some(n, self.parts * n)
        self.b = sg.shared(np.zeros(self.parts * n, "float32"))
        self.params = [self.W, self.U, self.b]

    def step(self, x, h):
        return [T.tanh(T.dot(x, self.W) + T.dot(h, self.U) + self.b)]

    def read(self, x):
        """The last state, of all examples, when x (time, example, number) was read."""
        start = T.zeros((x.shape[1], self.n), dtype="float32")
        states, _ = sg.scan(self.step, sequences=x, outputs_info=[start] * self.states,
                            return_list=True)
        return states[0][-1]


class LSTM(Plain):
    parts, states = 4, 2

    def __init__(self, n_in, n, rng):
        super().__init__(n_in, n, rng)
        self.b.set_value(np.repeat(np.float32([3, 0, 0, 0]), n))  # at first, forget little

    def step(self, x, h, c):
        gates = T.dot(x, self.W) + T.dot(h, self.U) + self.b
        f, i, o, g = [gates[:, k * self.n : (k + 1) * self.n] for k in range(4)]
        c = T.nnet.sigmoid(f) * c + T.nnet.sigmoid(i) * T.tanh(g)
        return [T.nnet.sigmoid(o) * T.tanh(c), c]


def classifier(cell, n_out, learning_rate=0.003):
    """A training step, which gives the cost, and a function that gives the accuracy."""
    x, y = T.ftensor3("x"), T.ivector("y")
    V = sg.shared(np.zeros((cell.n, n_out), "float32"))
    d = sg.shared(np.zeros(n_out, "float32"))
    log_p = T.nnet.logsoftmax(T.dot(cell.read(x), V) + d)
    cost = -T.mean(log_p[T.arange(y.shape[0]), y])
    params = [*cell.params, V, d]
    slopes = sg.updates.total_norm_constraint(sg.grad(cost, params), 1.0)
    step = sg.function([x, y], cost, updates=sg.updates.adam(slopes, params, learning_rate))
    return step, sg.function([x, y], T.mean(T.eq(T.argmax(log_p, axis=1), y)))


# Each task gives minibatches without end, examples to test on, and how many classes there are.


def rows_of_digits(data, rng, batch_size=50):
    """Digits, read from top to bottom."""
    side = int(np.sqrt(data.train.x.shape[1]))

    def rows(x):
        return np.ascontiguousarray(x.reshape(-1, side, side).swapaxes(0, 1))

    def batches():
        while True:
            order = rng.permutation(len(data.train.x))
            for start in range(0, len(order) - batch_size + 1, batch_size):
                some = order[start : start + batch_size]
                yield rows(data.train.x[some]), data.train.y[some]

    return batches(), (rows(data.test.x), data.test.y), 10


def recall(length, rng, symbols=8, batch_size=50):
    """A symbol, one of eight, and then noise."""

    def some(n):
        x = rng.normal(0, 0.3, (length, n, symbols)).astype("float32")
        y = rng.integers(0, symbols, n, dtype="int32")
        x[0] = np.arange(symbols) == y[:, None]
        return x, y

    return iter(lambda: some(batch_size), None), some(1000), symbols


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small digits, a few steps")
    parser.add_argument("--steps", type=int, default=2000, help="minibatches of 50 to train on")
    options = parser.parse_args()
    small = options.quick or sg.datasets.find_mnist() is None
    data = sg.datasets.digits() if small else sg.datasets.mnist()
    n_steps = 200 if options.quick else options.steps
    tasks = {"rows of digits": lambda rng: rows_of_digits(data, rng)}
    for length in (20,) if options.quick else (20, 50, 100):
        tasks[f"recall after {length - 1:3d}"] = lambda rng, n=length: recall(n, rng)
    print(f"Recurrent networks of 64 units, {n_steps} minibatches of 50 sequences:")
    print(f"{'task':>16} | {'network':>7} | steps | accuracy | {'training':>8} | a minibatch")
    for name, task in tasks.items():
        for kind in (Plain, LSTM):
            batches, (x, y), n_out = task(np.random.default_rng(1))
            step, accuracy = classifier(kind(x.shape[2], 64, np.random.default_rng(2)), n_out)
            seconds = time.perf_counter()
            for _, batch in zip(range(n_steps), batches, strict=False):
                step(*batch)
            seconds = time.perf_counter() - seconds
            right = 100 * accuracy(x, y)
            print(f"{name:>16} | {kind.__name__:>7} | {len(x):5d} | {right:6.2f} % | "
                  f"{seconds:6.1f} s | {1000 * seconds / n_steps:8.2f} ms")


if __name__ == "__main__":
    main()
