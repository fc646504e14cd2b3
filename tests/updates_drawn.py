"""Random graphs with updates of vectors and matrices, for tests."""

import numpy as np

import symgrad as sg
import symgrad.tensor as T


class Drawn:
    """A random graph over matrices [n, m], vectors [m], columns [n] and numbers."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.dtype = "float32" if seed % 5 == 0 else "float64"
        self.n, self.m = (int(k) for k in self.rng.choice([1, 2, 3, 17, 120], 2))
        X, x, y, r = (kind(dtype=self.dtype) for kind in (T.matrix, T.vector, T.vector, T.scalar))
        self.inputs = [X, x, y, r, T.lscalar()]
        shapes = [(self.n, self.m), (self.m,), (self.n,)]
        self.shared = [sg.shared(self.numbers(*s)) for s in shapes for _ in (0, 1)]
        a, b, u, v, c, d = self.shared
        self.matrices, self.vectors, self.columns, self.scalars = [a, b, X], [u, v, x], [c, d, y], [
            r]
        for _ in range(14):
            self.grow()

    def numbers(self, *shape):
        return self.rng.normal(size=shape).astype(self.dtype)

    def pick(self, some):
        return some[self.rng.integers(len(some))]

    @property
    def factor(self):
        r = self.inputs[3]
        half = np.asarray(0.5, self.dtype)
        return self.pick([half, r, -r, -half, T.tanh(self.pick(self.scalars))])

    def grow(self):
        i, f, rows = self.inputs[4], self.factor, T.tanh(self.pick(self.matrices))
        v, w, c = self.pick(self.vectors), self.pick(self.vectors), self.pick(self.columns)
        kind, make = self.pick([
            (self.matrices, lambda: T.tanh(rows + v)),
            (self.matrices, lambda: T.tanh(rows - f * T.outer(c, v))),
            (self.matrices, lambda: T.softmax(rows, axis=1)),
            (self.vectors, lambda: v - f * w),
            (self.vectors, lambda: T.tanh(v) + f * T.sum(rows, axis=0)),
            (self.vectors, lambda: T.softmax(v)),
            (self.vectors, lambda: T.inc_subtensor(T.tanh(v)[i], f)),
            (self.vectors, lambda: T.tanh(T.dot(c, rows)) - f * T.exp(T.tanh(v))),
            (self.columns, lambda: T.tanh(T.dot(rows, v)) - f * c),
            (self.columns, lambda: T.max(rows, axis=1) + f),
            (self.scalars, lambda: T.tanh(v[i] * f + T.max(c))),
            (self.scalars, lambda: T.log(T.softmax(T.tanh(v)))[i]),
        ])  # fmt: skip
        kind.append(make())

    def updates(self):
        for k, s in enumerate(self.shared):
            e = T.tanh(self.pick([self.matrices, self.vectors, self.columns][k // 2]))
            rows = T.tanh(self.pick(self.matrices))
            change = [T.outer(T.tanh(self.pick(self.columns)), T.tanh(self.pick(self.vectors))),
                      T.sum(rows, axis=0), T.dot(rows, self.pick(self.vectors))][k // 2]
            yield from [[], [(s, e)], [(s, s - self.factor * e)], [(s, self.factor * e + s)],
                        [(s, s - self.factor * change)]][self.rng.integers(5)]  # fmt: skip

    def trained(self, passes):
        outputs = [self.pick(kind) for kind in (self.matrices, self.vectors, self.scalars)]
        f = sg.function(self.inputs, outputs, updates=list(self.updates()), passes=passes,
                        on_unused_input="ignore")
        found = []
        for _ in range(3):
            found += f(self.numbers(self.n, self.m), self.numbers(self.m), self.numbers(self.n),
                       np.asarray(0.3, self.dtype), int(self.rng.integers(-self.m, self.m)))
        return [*found, *(s.get_value() for s in self.shared)]
