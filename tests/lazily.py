"""For tests of `ifelse`: ops that count their calls."""

import numpy as np

import symgrad as sg
import symgrad.tensor as T

X = np.array([0.5, -1.5, 2.0])


class Counted:
    """An op that counts its calls: ``factor * x``; its derivative does so, too, under its name with
    a stroke."""

    def __init__(self, name, factor, calls):
        vector = T.dvector

        @T.wrap(itypes=[vector], otypes=[vector])
        def forth(x):
            calls.append(name)
            return factor * x

        @T.wrap(itypes=[vector], otypes=[vector])
        def back(g):
            calls.append(f"{name}'")
            return factor * g

        forth.vjp(lambda g, out, x: [back(g)])
        self.op = forth

    def __call__(self, x):
        return self.op(x)


def made(inputs, outputs, backend, **options):
    return sg.function(inputs, outputs, backend=backend, **options)


def said(calls):
    """The calls since the last time."""
    found = sorted(calls)
    calls.clear()
    return found
