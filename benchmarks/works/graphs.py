"""Graphs of any size to compile: a deep chain, a wide tree, a deep perceptron, each with gradients.

A maker takes a number of units (links, leaves, layers) and returns the inputs, the results and
arguments for a call; every unit adds the same number of nodes.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T

WIDTH, EXAMPLES = 8, 4


def deep(units: int):
    """h = tanh(h * w + c), over and over: nothing but elementwise operations, one after another."""
    x, w = T.dvector("x"), T.dvector("w")
    h = x
    for i in range(units):
        h = T.tanh(h * w + float(i % 7))
    cost = T.sum(h)
    return [x, w], [cost, *sg.grad(cost, [x, w])], [np.linspace(-1, 1, WIDTH), np.ones(WIDTH)]


def wide(units: int):
    """A balanced sum of many terms of one scalar, whose gradient has as many contributions."""
    x, s = T.dvector("x"), T.dscalar("s")
    terms = [T.exp(x * s + 1.0 / (i + 1)) for i in range(max(units, 2))]
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(terms) & ~1:]
    cost = T.sum(terms[0])
    return [x, s], [cost, *sg.grad(cost, [x, s])], [np.linspace(-1, 1, WIDTH), np.float64(0.5)]


def layers(units: int):
    """A perceptron with many layers and the cross-entropy of its last one."""
    x, y = T.dmatrix("x"), T.lvector("y")
    h, weights = x, []
    for _ in range(units):
        W, b = T.dmatrix("W"), T.dvector("b")
        weights += [W, b]
        h = T.tanh(T.dot(h, W) + b)
    cost = -T.mean(T.log(T.nnet.softmax(h))[T.arange(y.shape[0]), y])
    values = [np.eye(WIDTH), np.zeros(WIDTH)] * units
    data = [np.ones((EXAMPLES, WIDTH)), np.arange(EXAMPLES)]
    return [x, y, *weights], [cost, *sg.grad(cost, weights)], data + values


MAKERS = {"deep": deep, "wide": wide, "layers": layers}


def count(results) -> int:
    """How many nodes lead to the results, themselves and leaves included."""
    seen, waiting = set(results), list(results)
    while waiting:
        for i in waiting.pop().inputs:
            if i not in seen:
                seen.add(i)
                waiting.append(i)
    return len(seen)


def units_for(name: str, nodes: int) -> int:
    """How many units give about so many nodes, from two small graphs."""
    few, more = (count(MAKERS[name](n)[1]) for n in (8, 24))
    return max(1, round((nodes - few) / ((more - few) / 16)) + 8)
