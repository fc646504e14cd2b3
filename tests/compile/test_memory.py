"""Where values live in a program of the numpy backend: what is written over what, and when."""

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import SymgradError

X, Y, N = T.dmatrix("x"), T.dmatrix("y"), T.lscalar("n")
EYE = np.eye(4)


def updated(new, outputs=(), variables=1, **options):
    """(function, variables): `new` makes the first variable's new value of all of them."""
    made = [sg.shared(EYE + k, name) for k, name in zip(range(variables), "WVU", strict=False)]
    news = new(*made)
    news = news if isinstance(news, list) else [news]
    f = sg.function([X, Y, N], outputs(*made, *news) if callable(outputs) else list(outputs),
                    updates=list(zip(made, news, strict=False)), on_unused_input="ignore",
                    **({"backend": "numpy"} | options))
    return f, made


def in_place(new, outputs=(), **options):
    f, made = updated(new, outputs, **options)
    names = "".join([leaf.name for leaf in f.code.in_place])
    with np.errstate(all="ignore"):
        values = f(EYE + 1, EYE + 2, 2)
    g, others = updated(new, outputs, **options | {"backend": "python", "passes": "none"})
    for a, b in zip([*values, *[v.get_value() for v in made]],
                    [*g(EYE + 1, EYE + 2, 2), *[v.get_value() for v in others]], strict=True):
        np.testing.assert_allclose(a, b)
    return names


# -- variables


@pytest.mark.parametrize("new, where", [
    (lambda W: W - X, "W"), (lambda W: X - W, "W"), (lambda W: T.tanh(W), "W"),
    (lambda W: W * W, "W"), (lambda W: (W - X) * Y, ""), (lambda W: W * W.sum(), "W"),
    (lambda W: W - W.T, ""), (lambda W: X - Y, ""),
    (lambda W: T.dot(W, X), ""), (lambda W: W - 0.1 * T.dot(X, Y), "W"), (lambda W: W.T, ""),
    (lambda W: W.T - X, ""), (lambda W: T.cast(W, "float32") * X, ""),
    (lambda W: T.set_subtensor(W[1, 2], 3.0), ""), (lambda W: W + X[0], "W"),
])
def test_an_update_is_written_over_its_variable(new, where):
    assert in_place(new) == where


@pytest.mark.parametrize("new, outputs, where", [
    (lambda W, V: [W - X, V - X], lambda *all: [], "WV"),
    (lambda W, V: [V - X, W - X], lambda *all: [], ""),
    (lambda W, V: [W - X, W - V], lambda *all: [], "V"),
    (lambda W, V: [W - X, V * X], lambda W, V, *news: [W + V], "WV"),
    (lambda W, V: [W - X, V * X], lambda W, V, *news: [W], "V"),
    (lambda W, V: [W - X, V * X], lambda W, V, w, v: [w], "V"),
    (lambda W, V: [W - X, V * X], lambda W, V, w, v: [w.sum(), v + w], "WV"),
    (lambda W, V: [W - X, V * X], lambda W, V, w, v: [w.max()], ""),
    (lambda W, V: [W - X, V * X], lambda W, V, w, v: [W[::-1]], "V"),
    (lambda W, V: [W - V, V * W], lambda *all: [], "V"),
])
def test_old_values_that_are_wanted_later_stay(new, outputs, where):
    names = in_place(new, outputs, variables=2)
    assert names == where, names


def test_without_the_pass_nothing_is_in_place():
    assert in_place(lambda W: W - X, passes="-inplace") == ""


MAY_FAIL = {  # of a new value, at 99: does it
    "a total": (lambda w: w.sum(), False), "a product": (lambda w: T.dot(w, w), False),
    "turned": (lambda w: w[::-1].T * 2, False), "a cell": (lambda w: w[N], True),
    "a known cell": (lambda w: w[7], True), "computed from a cell": (lambda w: w[1, N] * 2, True),
    "cells": (lambda w: w[T.stack([N, N])], True), "rows": (lambda w: w[:N] + w[1:], True),
    "reshaped": (lambda w: w.reshape((N, -1)), True),
}


@pytest.mark.parametrize("what", MAY_FAIL)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_that_fails_leaves_variables_as_they_were(what, backend):
    build, fails = MAY_FAIL[what]
    f, (W,) = updated(lambda W: W - X, lambda W, w: [build(w)], backend=backend)
    if fails:
        with pytest.raises(SymgradError):
            f(EYE, EYE, 99)
        np.testing.assert_array_equal(W.get_value(), EYE)
    if backend == "numpy":
        assert bool(f.code.in_place) is not fails


def test_what_cannot_fail_may_come_after_a_variable_is_written():
    """A part that is there for sure, of an array of a known shape."""
    for shape, cell, inside in (((4, 4), (3, 0), True), ((4, 4), (-1, 0), True),
                                ((None, 4), (3, 0), False), ((None, 4), (0, 3), False)):
        x = T.tensor("float64", shape, "x")
        W = sg.shared(EYE, "W", shape=shape) if shape[0] else sg.shared(EYE, "W")
        f = sg.function([x], (W - x)[cell] * 2, updates=[(W, W - x)], backend="numpy")
        assert bool(f.code.in_place) is inside, (shape, cell)


@pytest.mark.parametrize("new, outputs, pairs", [
    (lambda W: W - X, [], "xW"),  # at the same moment
    (lambda W: W - X, [Y * 2], "xW"),
    (lambda W: W - X, [Y], "xW yW"),  # a copy is made at the end
    (lambda W: W - X, [Y[::-1]], "xW yW"),
    (lambda W: W - X.sum(), [], ""),  # it is read before
    (lambda W: W - T.exp(T.dot(X, Y)), [], ""),
    (lambda W: W - T.dot(X, Y), [], "xW yW"),  # one call of a library
    (lambda W: W - N, [], ""),  # a number has no memory
    (lambda W: W - X.T, [], "xW"),
])
def test_what_must_not_be_one_memory(new, outputs, pairs):
    f, _ = updated(new, outputs)
    assert f.code.in_place
    found = sorted({f"{f.plan.inputs[k].name}{f.plan.shared[j].name}" for k, j in f.code.overlaps})
    assert " ".join(found) == pairs
    for k in (0, 1):  # and the values are right where it is
        g, (V,) = updated(new, outputs, backend="python", passes="none")
        f, (W,) = updated(new, outputs)
        arrays = [EYE + 1, EYE + 2]
        want = g(*arrays[:k], V.get_value(), *arrays[k + 1:], 2)
        have = f(*arrays[:k], W.get_value(borrow=True), *arrays[k + 1:], 2)
        for a, b in zip([*want, V.get_value()], [*have, W.get_value()], strict=True):
            np.testing.assert_allclose(a, b)


def test_two_variables_of_one_memory():
    """Both written: that is nothing the planner can help.  One only read: it is told."""
    f, _ = updated(lambda W, V: [W - V, V * 2], variables=2)
    assert not list(f.code.memory.overlaps(f.plan))
    f, _ = updated(lambda W, V: [W - V], variables=2)
    assert [(a.name, b.name) for a, b in f.code.memory.overlaps(f.plan)] == [("W", "V")]


# -- buffers


def buffers(build, passes=""):
    f = sg.function([X, Y, N], build, backend="numpy", on_unused_input="ignore",
                    passes=f"-block {passes}")
    arrays = EYE + 1, EYE + 2, 2
    want = sg.function([X, Y, N], build, backend="python", on_unused_input="ignore",
                       passes="none")(*arrays)
    for a, b in zip(f(*arrays), want, strict=True):
        np.testing.assert_allclose(a, b)
    return len(f.code.memory.slots) + len(f.code.memory.late)


def chain(steps, x=X):
    for _ in range(steps):
        x = T.dot(x, Y)
    return x


@pytest.mark.parametrize("build, slots", [
    ([chain(1)], 0), ([chain(2)], 1), ([chain(3)], 2), ([chain(6)], 2),
    ([chain(3).sum()], 2), ([chain(2), chain(2).T + 1], 1),
    ([T.exp(X).sum()], 1), ([T.exp(T.tanh(X)).sum()], 1), ([(T.exp(X) * T.tanh(X)).sum()], 2),
    ([(T.exp(X) * T.exp(X).T).sum()], 2), ([T.dot(T.exp(X).T, T.exp(X))], 1),
    ([T.dot(T.exp(X)[::-1], Y).sum(), T.tanh(Y).sum()], 3),
])
def test_how_many_buffers_there_are(build, slots):
    assert buffers(build) == slots


def test_buffers_without_the_passes():
    assert [buffers([chain(6)], passes) for passes in ("", "-reuse", "-inplace")] == [2, 5, 2]
    deep = T.exp(T.tanh(T.exp(T.tanh(X)))).sum()
    assert buffers([deep]) == 1
    assert buffers([deep], "-inplace -reuse") == 4
    assert buffers([deep], "-inplace") == 2


def test_lengths_that_are_only_told_later():
    """What compares a length cannot run before the step that tells it."""
    v, w = T.dvector("v"), T.dvector("w")
    late = T.nonzero_values(T.tanh(T.exp(v) - 2))
    for backend in ("numpy", "python"):
        f = sg.function([v, w, N], [late * T.exp(w[N:]), T.exp(w[N:]) + w.sum()], backend=backend)
        a, b = np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])
        part = np.tanh(np.exp(a) - 2)
        with pytest.raises(SymgradError):
            f(a, b, 1)
        have = f(a, b, 0)
        np.testing.assert_allclose(have[0], part * np.exp(b))
        np.testing.assert_allclose(have[1], np.exp(b) + 6)
