"""Run in a process of its own: what `import symgrad` and the first logistic training call take.

    python benchmarks/works/first_result.py [cpu | wall]

prints seconds as JSON: `numpy` and `symgrad` (the imports), `graph` (the expression and its
gradient), `first` (from `sg.function(` to the first result), `again` (the same once more).
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


def expression():
    x, y = T.fmatrix("x"), T.lvector("y")
    W = sg.shared(np.zeros((784, 10), np.float32), name="W")
    b = sg.shared(np.zeros(10, np.float32), name="b")
    p_y_given_x = T.nnet.softmax(T.dot(x, W) + b)
    loss = -T.mean(T.log(p_y_given_x)[T.arange(y.shape[0]), y])
    gW, gb = sg.grad(loss, [W, b])
    return [x, y], loss, [(W, W - np.float32(0.13) * gW), (b, b - np.float32(0.13) * gb)]


def first_call(inputs, loss, updates):
    train = sg.function(inputs, loss, updates=updates)
    return train(np.zeros((20, 784), np.float32), np.arange(20) % 10)


parts = expression()
marks.append(now())
value = first_call(*parts)
marks.append(now())
assert abs(float(value) - np.log(10)) < 1e-5, value
parts = expression()
again = now()
first_call(*parts)
marks.append(marks[-1] + now() - again)
stages = ("numpy", "symgrad", "graph", "first", "again")
print(json.dumps({name: b - a for name, a, b in zip(stages, marks, marks[1:], strict=False)}))
