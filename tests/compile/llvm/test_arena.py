"""Where values live: nothing is written over what is still to be read."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_random_graphs import graph, planned

import symgrad as sg
import symgrad.tensor as T

pytest.importorskip("llvmlite")
from symgrad.compile.backends import llvm  # noqa: E402
from symgrad.compile.backends.llvm.arena import LINE, alone  # noqa: E402
from symgrad.types import Dim  # noqa: E402


def lives(program):
    """{slot: [(first step, last step, value or None for a kernel's own buffer)]}."""
    arena, pieces, found = program.arena, program.driver.pieces, {}
    born, last = {}, {}
    for k, p in enumerate(pieces):
        born.update([(n, k) for n in p.step.outputs])
        last.update([(arena.base.get(n, n), k) for n in (*p.step.inputs, *p.step.outputs)])
        for slot in arena.buffers[k]:
            found.setdefault(slot, []).append((k, k, None))
    last.update([(arena.base.get(r, r), len(pieces)) for r in program.plan.roots])
    for n, home in arena.homes.items():
        if home.kind == "slot":
            found.setdefault(home.what, []).append((born[n], last[n], n))
    return found


def check_lives(program):
    pieces, base = program.driver.pieces, program.arena.base
    for slot, spans in lives(program).items():
        assert slot in program.arena.slots
        for (a, b, one), (c, _, two) in itertools.permutations(spans, 2):
            if a < c and b >= c or a == c:  # only where a step writes over what it has just read
                assert b == c and a < c and one is not None and two is not None
                assert alone(pieces[c], one, two, base)
        assert len({slot.shape, *[n.type.shape for *_, n in spans if n is not None]}) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["", "none +fuse", "none"]))
def test_random_graphs(seed, passes):
    inputs, outputs, *_ = graph(seed)
    program = llvm.compile(*planned(inputs, outputs, passes, expect=False))
    check_lives(program)
    lengths = {d: 3 for s in program.arena.slots for d in s.shape if isinstance(d, Dim)}
    assert program.arena.bytes(lengths) % LINE == 0


CHANGES = {  # of W, by x like W, c a column, r a row
    "step": lambda W, x, c, r: W - 0.5 * x,
    "turned": lambda W, x, c, r: W - 0.5 * x.T,
    "itself turned": lambda W, x, c, r: W + W.T * c.dimshuffle(0, "x"),
    "backwards": lambda W, x, c, r: W[::-1] + x,
    "product": lambda W, x, c, r: W - 0.5 * T.dot(x.T, x),
    "product of itself": lambda W, x, c, r: W - 0.1 * T.dot(W, x),
    "outer": lambda W, x, c, r: W - 0.5 * T.outer(c, r),
    "sums": lambda W, x, c, r: W - W.sum(axis=0) * x.sum(axis=1).dimshuffle(0, "x"),
    "rows": lambda W, x, c, r: T.inc_subtensor(W[T.cast(c > 0, "int64")], x),
    "rows of itself": lambda W, x, c, r: T.inc_subtensor(W[T.cast(c > 0, "int64")], W),
    "row": lambda W, x, c, r: T.set_subtensor(W[1], r + W[0]),
    "shifted": lambda W, x, c, r: T.set_subtensor(W[1:], W[:-1]),
    "softmax": lambda W, x, c, r: T.nnet.softmax(W) * x,
    "nothing": lambda W, x, c, r: W,
}
OUTPUTS = {
    "old": lambda W, V, x: [W, V[::-1], x], "view": lambda W, V, x: [W.T, x[0], V.reshape((-1,))],
    "sum": lambda W, V, x: [W.sum(), (V * x).sum(axis=0)], "none": lambda W, V, x: [],
}
MEMORY = {  # what x may be: its own, or that of a variable
    "own": lambda W, V: np.arange(9.0).reshape(3, 3) / 9, "W": lambda W, V: W, "V": lambda W, V: V,
    "W turned": lambda W, V: W.T, "W backwards": lambda W, V: W[::-1],
    "W again": lambda W, V: W[:, :],
}


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(CHANGES)), st.sampled_from(sorted(CHANGES)),
       st.sampled_from(sorted(OUTPUTS)), st.sampled_from(sorted(MEMORY)), st.booleans())
def test_variables_and_arguments_of_one_memory(one, two, outputs, memory, swapped):
    """In place or not, whatever memory the arguments have: the same values."""
    found = []
    for backend, passes in (("llvm", ""), ("llvm", "-inplace -reuse"), ("python", "none")):
        rng = np.random.default_rng(0)
        W, V = (sg.shared(rng.normal(size=(3, 3)), name) for name in "WV")
        x, c, r = T.dmatrix("x"), T.dvector("c"), T.dvector("r")
        a, b = (V, W) if swapped else (W, V)
        updates = [(W, CHANGES[one](a, x, c, r)), (V, CHANGES[two](b, x, c, r))]
        f = sg.function([x, c, r], OUTPUTS[outputs](W, V, x), updates=updates, backend=backend,
                        passes=passes, on_unused_input="ignore")
        values = []
        for _ in range(2):
            held = [s.get_value(borrow=True) for s in (W, V)]
            given = MEMORY[memory](*held)
            if backend == "python":  # what is meant, with memory of its own
                given = given.copy()
            values += [v.copy() for v in f(given, held[0][:, 1], held[1][2])]
        found.append([*values, W.get_value(), V.get_value()])
    for values in found[:2]:
        for got, want in zip(values, found[2], strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11)


def test_what_is_in_place():
    """Updates are written into their variable, dying values are handed on."""
    W, x, i = sg.shared(np.ones((4, 4))), T.dmatrix("x"), T.lvector("i")
    for new, inside in ((W - x, True), (W - x.T, True), (W.T - x, False), (W[::-1] - x, False),
                        (W - 0.1 * T.dot(x, x), True), (T.dot(W, x), False),
                        (T.inc_subtensor(W[2], x[0]), True),
                        (T.inc_subtensor(W[i], x), True), (T.set_subtensor(W[i], x), True),
                        (T.inc_subtensor(W[i], W), False), (T.inc_subtensor(x[i], W), False),
                        (T.inc_subtensor(W[::-1][i], x), False),
                        (T.inc_subtensor(W.T[i], x), False), (W + T.dot(x, W.T) * W.T, False),
                        (W - x.sum(axis=0), True), (W * W.sum(), True), (W - W.sum(axis=0), True),
                        (W * W[::-1], False), (T.cast(W, "float32") + 0.0 * x, True)):
        f = sg.function([x, i], [], updates=[(W, new)], backend="llvm", on_unused_input="ignore")
        assert bool(f.code.in_place) is inside, new
    z = sg.shared(np.ones((4, 4), complex))
    f = sg.function([x], [], updates=[(z, z - x)], backend="llvm")
    assert not f.code.in_place  # pairs of numbers
    chain = T.dot(T.tanh(T.dot(T.exp(T.dot(x, x)), x)), x)
    f = sg.function([x], chain.sum(), backend="llvm")
    assert len([s for s in f.code.arena.slots if s.shape]) == 2
