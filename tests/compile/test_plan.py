"""Where each unknown length is bound or checked, and why; what is said of lengths that differ."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.plan import Unexpected, build, fresh_axes, mismatch
from symgrad.compile.pool import absorb
from symgrad.errors import ShapeError
from symgrad.node import constant
from symgrad.ops.body import Body, State
from symgrad.ops.scan import results
from symgrad.types import Dim

X, Y, M, K = T.dvector("x"), T.dvector("y"), T.dmatrix("m"), T.lvector("k")
KNOWN, DIM = T.tensor("float64", (3,), "c"), Dim("n")
A, B = T.tensor("float64", (DIM,), "a"), T.tensor("float64", (DIM, 3), "b")
PICKED = M[T.arange(K.shape[0]), K]
BOTH = [M[:, 0] * X, PICKED]  # m and x must be equally long, m and k usually are
FOUND = T.nonzero_values(X)
N, S, W = T.lscalar("N"), T.dmatrix("S"), T.dvector("W")


def looped(step):
    """A loop whose state S becomes ``step(s, w)``, w being W."""
    s, w = T.dvector("s"), T.dvector("w")
    return results(N, [], [S], [W], Body((s, w), (step(s, w),), 0, (State((1,)),)))[0]


# A place as "name axis op": '+' binds its length, '?' that of an equality that is not certain
@pytest.mark.parametrize("inputs, outputs, want", [
    ([X, Y], [X + Y], "+x0 | y0 add"), ([Y, X], [X + Y], "+y0 add | x0 add"),
    ([Y, X, K], [X + Y + K], "+y0 add | x0 add | k0 add"),
    ([X, A], [X + A], "+x0 | a0 add"), ([A, X], [X + A], "+a0 add | x0 add"),
    ([M, K], [PICKED], "+m0 | +m1 | k0 gather?"),
    ([K, M], [PICKED], "+k0 gather? | m0 gather? | +m1"),
    ([M, X, K], BOTH, "+m0 | +m1 | x0 mul | k0 gather?"),
    ([K, X, M], BOTH, "+k0 gather? | x0 mul? | m0 gather? | +m1"),
    ([X, K, M], BOTH, "+x0 mul | k0 gather? | m0 mul | +m1"),
    ([X, KNOWN], [X + KNOWN], "x0 add"), ([A, B], [A * 2, B * 2], "+a0 | b0"),
    ([A, B, X], [A * 2, B[:, 0] + X], "+a0 | b0 | x0 add"),
    ([X], [FOUND], "+x0 | +nonzero1"), ([X, Y], [FOUND + Y], "+x0 | +y0 | nonzero1 add"),
    ([M], list(T.nonzero(M)), "+m0 | +m1 | +nonzero1"),
    ([N, S, W], [looped(lambda s, w: w)], "+S0 | +S1 | W0 loop | +item0"),
])
def test_places(planned, inputs, outputs, want):
    said = []
    for node, places in planned(inputs, outputs).places.items():
        for p in places:
            assert p.node is node and p.length is node.type.shape[p.axis]
            why = f" {p.reason[0].op.name}{'?' * p.reason[1]}" if p.reason else ""
            said.append(f"{'+' * p.binds}{node.name or node.op.name}{p.axis}{why}")
    assert " | ".join(said) == want


def test_axes_whose_lengths_a_node_decides():
    pool, (loop, found, plain, cut) = absorb([looped(lambda s, w: w), FOUND, X + Y, M[1:, :2]])
    assert fresh_axes(loop) == (0,) and fresh_axes(plain) == () == fresh_axes(constant(1.0))
    assert fresh_axes(found.inputs[0]) == () and fresh_axes(cut) == (0, 1)


def test_what_a_plan_has():
    read, kept = (sg.shared(np.zeros(3), name) for name in "rk")
    pool, (x, r, out, new) = absorb([X, read, T.exp(X) * read, X + 1.0])
    held = pool.enter_leaf(kept)
    p = build(pool, [X], [out], [(held, new)])
    assert p.pool is pool and p.inputs == (x,) and p.shared == (r, held) and p.outputs == (out,)
    assert p.updates == ((held, new),) and p.roots == (out, new)
    assert {n.op.name for n in p.nodes} == {"exp", "mul", "add"} and len(p.steps) == 1
    assert len(build(pool, [X], [out], [(held, new)], False).steps) == 3


# -- lengths that differ


def told(planned, inputs, outputs, have, want):
    """The lines of the error for the last of the inputs, at its first place."""
    p = planned(inputs, outputs, "none")
    error = mismatch(p.places[p.inputs[-1]][0], have, want)
    assert type(error) is ShapeError and error.explained
    return str(error).splitlines()


@pytest.mark.parametrize("have, want, hint", [
    (3, 4, False), (1, 4, True), (4, 1, True), (2, 4, False), (4, 2, False)])
def test_a_length_of_one_does_not_stretch(planned, have, want, hint):
    lines = told(planned, [X, Y], [X + Y], have, want)
    assert lines[0] == f"add: lengths differ, axis 0 of y is {have}, the other {want}"
    assert [line.split()[0] for line in lines[1:]] == ["x", "y", "here", "hint:"][:3 + hint]
    assert "test_plan.py" in lines[3]
    assert not hint or lines[4].endswith(
        "declare it as 1 with T.row, T.col or T.tensor(dtype, shape)")


def test_a_length_that_was_declared(planned):
    lines = told(planned, [B, A], [A * 2, B * 2], 3, 1)
    assert lines[0] == "a: axis 0 has length 3, but 1 was declared or needed"
    assert len(lines) == 2 and lines[1].split()[:2] == ["a", "f64[d0]"]


@pytest.mark.parametrize("step, inside", [
    (lambda s, w: w, None), (lambda s, w: s * w, "mul"), (lambda s, w: 2.0 * (w + s), "add")])
def test_lengths_that_differ_in_a_loop(planned, step, inside):
    """The node of the step that wants them equal is named, and shown with its operands."""
    lines = told(planned, [N, S, W], [looped(step)], 3, 4)
    more = f"; {inside} in its step wants them equal" if inside else ""
    assert lines[0] == f"loop: lengths differ, axis 0 of W is 3, the other 4{more}"
    names = [line.split()[0] for line in lines[1:]]
    assert sorted(names) == sorted(["s", "w", "·", "here"] if inside else ["N", "S", "W", "here"])


def test_only_what_the_length_meets_in_a_loop_is_named(planned):
    s, w, u, v = (T.dvector(name) for name in "swuv")
    U, V = T.dvector("U"), T.dvector("V")
    body = Body((s, w, u, v), (T.exp(u + v).sum() + s * w,), 0, (State((1,)),))
    loop, = results(N, [], [S], [W, U, V], body)
    assert "; add in its step" in told(planned, [N, S, W, U, V], [loop], 3, 4)[0]
    assert "; mul in its step" in told(planned, [N, S, U, V, W], [loop], 3, 4)[0]


def test_a_length_that_is_usually_equal(planned):
    p = planned([M, K], [PICKED])
    place, = p.places[p.inputs[1]]
    error = mismatch(place, 3, 4)
    assert type(error) is Unexpected and not str(error)
    node, soft = place.reason
    assert soft and type(mismatch(place._replace(reason=(node, False)), 3, 4)) is ShapeError
