"""Run in a process of its own: what `import symgrad` and the first logistic training call take.

    python benchmarks/works/first_result.py [cpu | wall] [logistic | layers]

prints seconds as JSON: `numpy` and `symgrad` (the imports), `graph` (the expression and its
gradient), `first` (from `sg.function(` to the first result), `again` (the same once more).
`layers`: 200 of 32 units for a batch of 16, with gradient and update, instead of the logistic one.
"""
# ruff: noqa: E402, I001  (the imports are what is measured)
import json
import sys
import time

now = {"cpu": time.process_time, "wall": time.perf_counter}[(sys.argv[1:] or ["cpu"])[0]]
marks = [now()]
import numpy as np

marks.append(now())
import symgrad as sg
import symgrad.tensor as T

marks.append(now())


def logistic():
    x, y = T.fmatrix("x"), T.lvector("y")
    W = sg.shared(np.zeros((784, 10), np.float32), name="W")
    b = sg.shared(np.zeros(10, np.float32), name="b")
    p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)
    loss = -T.mean(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
    gW, gb = sg.grad(loss, [W, b])
    return [x, y], loss, [(W, W - np.float32(0.13) * gW), (b, b - np.float32(0.13) * gb)]


def layers(count=200, units=32):
    x, y = T.fmatrix("x"), T.fmatrix("y")
    weights, h = [], x
    for k in range(count):
        W = sg.shared(np.eye(units, dtype=np.float32), name=f"W{k}")
        b = sg.shared(np.zeros(units, np.float32), name=f"b{k}")
        weights, h = [*weights, W, b], T.tanh(T.dot(h, W) + b)
    loss = T.sqr(h - y).mean()
    slopes = sg.grad(loss, weights)
    return [x, y], loss, [(w, w - np.float32(0.01) * g)
                          for w, g in zip(weights, slopes, strict=True)]


def first_call(inputs, loss, updates):
    train = sg.function(inputs, loss, updates=updates)
    return train(*arguments)


if "layers" in sys.argv:
    expression, arguments, wanted = layers, [np.zeros((16, 32), np.float32)] * 2, 0.0
else:
    expression, wanted = logistic, np.log(10)
    arguments = np.zeros((20, 784), np.float32), np.arange(20) % 10
marks[-1] = now()
parts = expression()
marks.append(now())
value = first_call(*parts)
marks.append(now())
assert abs(float(value) - wanted) < 1e-5, value
parts = expression()
again = now()
first_call(*parts)
marks.append(marks[-1] + now() - again)
stages = ("numpy", "symgrad", "graph", "first", "again")
print(json.dumps({name: b - a for name, a, b in zip(stages, marks, marks[1:], strict=False)}))
