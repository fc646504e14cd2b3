"""What a loop adds up: a sum that is taken after the loop is no state of it any more.

In each expression h (3) is a state, x (3), m (2, 3), i, ids (2) and s () change from step to step;
w (3, 4), t (3), l (2), e (5, 3) do not.
"""

import itertools

import numpy as np
import pytest
from loops_rewritten import RNG, f64, numbers, rewritten, same

import symgrad.tensor as T
from symgrad.errors import IndexingError
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops import OPS
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.types import Type

MOVING = {"x": ("float64", (3,)), "m": ("float64", (2, 3)), "i": ("int64", ()),
          "ids": ("int64", (2,)), "s": ("float64", ())}
FIXED = {"w": ("float64", (3, 4)), "t": ("float64", (3,)), "l": ("int64", (2,)),
         "e": ("float64", (5, 3)), "f": ("float64", (5, 3, 2))}
SUNK = {  # and what is done of it after the loop
    "x": "sum", "x * t": "sum mul", "s": "sum", "T.outer(h, x)": "transpose dot",
    "T.outer(x, h) * s": "mul transpose dot", "T.outer(h, h)": "transpose dot",
    "-T.outer(h, x)": "transpose dot neg", "T.outer(h, x).T": "transpose dot transpose",
    "T.outer(h, x) + T.outer(x, h)": "transpose dot transpose dot",
    "T.outer(h, x) - T.outer(x, h)": "transpose dot transpose dot neg",
    "T.outer(h, x) / t": "transpose dot true_div", "t * T.outer(h, x)": "transpose dot mul",
    "T.outer(h, x).sum(axis=0)": "transpose dot sum",
    "T.outer(h, x).sum(axis=1)": "transpose dot sum",
    "T.outer(h, x).reshape((9,))": "transpose dot reshape",
    "T.outer(h, x).dimshuffle('x', 0, 1)": "transpose dot",
    "T.dot(T.outer(h, x), w)": "transpose dot dot",
    "T.dot(w.T, T.outer(h, x))": "transpose transpose dot dot",
    "T.dot(T.outer(h, x), t)": "transpose dot dot", "T.dot(t, T.outer(h, x))": "transpose dot dot",
    "T.dot(h.dimshuffle(0, 'x'), x.dimshuffle('x', 0))": "transpose reshape reshape dot",
    "T.dot(m.T, T.outer(s * T.ones((2,)), h))": "mul reshape transpose mul reshape dot",
    "T.dot(m.T, m)": "mul reshape transpose dot", "T.dot(x, w)": "dot sum",
    "T.dot(m, w)": "mul reshape dot reshape sum", "T.dot(m, t)": "mul reshape dot reshape sum",
    "T.dot(m.T, m * h)": "mul reshape transpose mul reshape dot",
    "T.dot((m * h).T, m)": "mul reshape transpose mul reshape dot",
    "T.dot((m * h).T, m * h)": "mul reshape transpose dot",
    "T.tensordot(m, m * h, axes=((0,), (0,)))": "tensordot",
    "T.tensordot(m * h, m, axes=((0,), (0,)))": "tensordot", "T.exp(x).sum()": "exp sum sum",
    "T.tanh(x) * 2.0": "tanh sum mul", "T.set_subtensor(x[0], 1.0)": "inc_subtensor sum",
    "T.inc_subtensor(T.zeros_like(e)[i], h)": "inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[i], x)": "inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[ids], m * h)": "inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[1], T.dot(T.outer(h, x), t))":
        "transpose dot dot inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[ids, l], (m * h)[:, 0])": "inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[l, ids], (m * h)[:, 0])": "inc_subtensor",
    "s / t": "sum true_div", "T.dot(m, x)": "transpose mul reshape mul reshape dot",
    "T.dot(x, m.T)": "mul reshape transpose mul reshape dot",
    "T.dot(m * h, x)": "transpose mul reshape mul reshape dot",
    "T.dot(m, h)": "transpose mul reshape mul reshape dot",
    "T.dot(h, m.T)": "mul reshape transpose mul reshape dot",
    "T.inc_subtensor(T.zeros_like(t)[i], s * h.sum())": "inc_subtensor",
    "T.inc_subtensor(T.zeros_like(t)[i], s)": "inc_subtensor",
    "T.tensordot(T.outer(h, x)[None], T.outer(x, h)[None], axes=((0, 1), (0, 2)))": "tensordot",
    "T.inc_subtensor(T.zeros_like(f)[i], h.dimshuffle(0, 'x') * m.T)": "inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[:2], T.outer(h[:2], x))": "transpose dot inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[l], T.outer(h[:2], x))": "transpose dot inc_subtensor",
    "(T.outer(h, x) + T.outer(x, h)) / t": "transpose dot transpose dot true_div",
    "(T.outer(h, x) - T.sin(x)) / t": "transpose dot sin sum sub true_div",
    "((m * h)[:1] * x[:, None]) / t": "transpose dot true_div",
    "x[:, None] * (m * h)[:1]": "transpose dot", "(m * h)[:, :1] * (m * h)[:1]": "transpose dot",
    "T.dot(m, (m * h).T)": "transpose mul reshape transpose mul reshape dot", "t": "cast mul",
    "T.exp(x) * t": "exp sum mul",
    "T.dot(T.outer(h, x).T, m.T)": "mul reshape transpose transpose mul reshape dot",
    "T.outer(x, t)": "sum mul", "s * t": "sum mul", "T.outer(s * t, h)": "mul transpose dot",
    "T.inc_subtensor(T.zeros_like(e)[ids], h)": "inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[ids], t)": "inc_subtensor sum",
    "T.inc_subtensor(T.zeros_like(e)[i], h[:1])": "inc_subtensor",
    "T.inc_subtensor(T.zeros_like(e)[ids, ids[::-1]], h[0] * m[:, 0])": "inc_subtensor",
}
SEEN = {k for what in SUNK.values() for k in what.split()}
KEPT = [
    "x + h", "T.outer(t, h)", "T.outer(h, t)", "T.inc_subtensor(T.zeros_like(e)[l], m * h)",
    "h * s", "T.tanh(h)", "h * h", "m * h", "T.set_subtensor(T.zeros_like(e)[i], h)",
    "T.inc_subtensor(e[i], h)", "T.inc_subtensor(T.zeros_like(e)[:, i], s * h.sum() * e[:, 0])",
    "T.outer(h, x) / x", "T.dot(h, x)", "T.outer(h, x) * h", "T.cast(i, 'float64') * h",
    "T.inc_subtensor(T.zeros_like(e)[i], h.sum())",
    "T.inc_subtensor(T.zeros_like(e)[i, 0], s * h[0])",
    "T.tanh(h) * t", "t * T.tanh(h)", "T.tanh(h) / t", "-T.tanh(h)", "T.dot(w.T, T.tanh(h))",
    "T.dot(T.tanh(h), w)", "T.tanh(m * h).sum(axis=0)", "T.tanh(h) + x",
    "T.inc_subtensor(T.zeros_like(e)[1], T.tanh(h))",
    "T.tensordot(m * h, f[:2, :, 0] * 1, axes=((0, 1), (0, 1)))",
    "T.tensordot(f, m * h, axes=((2,), (0,)))", "T.tensordot(m * h, f, axes=((0,), (2,)))",
    "T.inc_subtensor(T.zeros_like(e)[T.cast(h[0] > 0, 'int64')], t)",
    "T.inc_subtensor(T.zeros_like(e)[i:], s * h[0])",
    "T.inc_subtensor(T.zeros_like(e)[i, 1:], s * h[1:])",
    "T.inc_subtensor(T.zeros_like(f)[i, :, 1:], (h * x)[:, None])",
    "T.inc_subtensor(T.zeros_like(e)[ids, i:], s * h[0])",
    "T.inc_subtensor(T.zeros_like(e)[ids, :1 + abs(l[0])], s * h[0])",
    "T.inc_subtensor(T.zeros_like(e)[ids, l[:, None]], T.outer(h, x)[:2, :2])",
    "T.inc_subtensor(T.zeros_like(e)[:, ids], (h[0] * s * e)[:, :2])",
    "T.inc_subtensor(T.zeros_like(t)[ids], s * h[0])",
    "T.inc_subtensor(T.zeros((5 + T.cast(s * 0, 'int64'), 3))[1], h)",
    "T.cumsum(x)", "T.dot(h, h)", "(m * h)[:, :1] * h", "(T.outer(h, x) + T.tanh(h)) / t",
    "T.inc_subtensor(T.zeros_like(e)[ids, i], h[0] * m[:, 0])",
    "T.inc_subtensor(T.zeros_like(e)[l, i], h[0] * m[:, 0])",
]


def summed(text, rows, sign="+"):
    """The last row of a sum of an expression, the last of h, and values for what they read."""
    scope = {"T": T, "OPS": OPS, "h": Type("float64", (3,))("h")}
    given, seqs, fixed = {}, {}, {}
    for name, (dtype, shape) in {**MOVING, **FIXED}.items():
        inside = scope[name] = Type(dtype, shape)(name)
        moving = name in MOVING
        outside = Type(dtype, (None, *shape) if moving else shape)(name.upper())
        (seqs if moving else fixed)[inside] = outside
        size = (rows, *shape) if moving else shape
        given[outside] = RNG.integers(0, 2, size) if dtype == "int64" else numbers(*size)
    value, h = eval(text, scope), scope["h"]
    shape = [d or 5 for d in value.type.shape]
    total = value.type.with_shape(shape)("total")
    init = T.zeros((1, *shape), "float64") + 0.5
    states = [Rows([h], (1,), T.zeros((1, 3), "float64"), T.tanh(h + scope["x"])),
              Rows([total], (1,), init, total + value if sign == "+" else total - value)]
    made = Draft(seqs[scope["x"]].shape[0], seqs, states, fixed).build()
    return [made[1][-1], made[0][-1]], given


@pytest.mark.parametrize("text", SUNK)
def test_a_sum_is_taken_after_the_loop(text):
    for rows, sign in ((4, "+"), (1, "-"), (0, "+")):
        outputs, given = summed(text, rows, sign)
        left, = same(outputs, given, "sink")
        assert len(left.attrs[0].states) == 1
    new, _ = rewritten(outputs)  # of the last
    assert " ".join([n.op.name for n in toposort(new) if n.op.name in SEEN]) == SUNK[text]


@pytest.mark.parametrize("text", KEPT)
def test_a_sum_that_costs_as_much_after_the_loop_stays_in_it(text):
    left, = same(*summed(text, 4))
    assert [s.keep for s in left.attrs[0].states] == [False, False] and not left.attrs[0].maps


def terms(count):
    return "".join([f" + T.outer(h, T.sin(x * {k}.0))" for k in range(2, 2 + count)])


@pytest.mark.parametrize("text,left", [
    ("(total + p) + q", 1), ("(total - p) + q", 1), ("q + (total + p)", 1), ("(p + total) - q", 1),
    ("total + (p - q)", 1), ("total - (p - q)", 1), ("total + (p + T.tanh(q))", 2),
    ("(T.tanh(q) + total) - p", 2), ("p - total", 2), ("total + total + p", 2),
    ("total * 0.5 + p", 2), ("p + q", 2), ("(total - T.tanh(q)) + p", 2),
    (f"total{terms(8)}", 1), (f"total{terms(9)}", 2), (f"(p{terms(20)}) + total", 1),
    (f"total + (p{terms(20)})", 1),
])
def test_terms_of_a_sum(text, left):
    """Each that can be is summed after the loop, with its sign; the others stay."""
    x, h, total = Type("float64", (3,))("x"), Type("float64", (3,))("h"), Type(
        "float64", (3, 3))("total")
    X = Type("float64", (None, 3))("X")
    scope = {"T": T, "total": total, "h": h, "x": x, "p": T.outer(h, x), "q": T.outer(x, h * 2.0)}
    made = Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), T.ones((1, 3), "float64"), T.tanh(h + x)),
        Rows([total], (1,), T.ones((1, 3, 3), "float64") * 0.5, eval(text, scope))]).build()
    loop, = same([made[1][-1], made[0]], {X: numbers(5, 3)})
    assert len(loop.attrs[0].states) == left


@pytest.mark.parametrize("new,other,left,after,off", [
    ("total + p", "p", [1, 1], "transpose dot", ""), ("total + p", "total + p", [0, 1], "", ""),
    ("total + p", "total * 2.0", [0, 0, 1], "", ""),
    ("total + (p + T.tanh(q))", "q", [1, 0, 1], "transpose dot", ""),
    ("total + (p + T.tanh(q))", "p + T.tanh(q)", [1, 1], "sum", ""),
    ("total + (p + T.tanh(q))", "T.exp(p + T.tanh(q))", [0, 0, 1], "", ""),
    ("total + T.tanh(q)", "T.tanh(q)", [0, 1], "sum", ""),
    ("total + T.outer(T.exp(x), h)", "T.exp(x)", [1, 1], "transpose dot", "-loops.hoist"),
    ("total + T.sum(T.tanh(q), axis=0)", "T.tanh(q)", [0, 1], "sum sum", ""),
])
def test_what_else_is_read_of_a_sum_and_its_terms(new, other, left, after, off):
    """What is kept in the loop of states and mapped values, and what is done after it."""
    x, h, total = f64(3)("x"), f64(3)("h"), f64(3, 3)("total")
    X = f64(None, 3)("X")
    scope = {"T": T, "total": total, "h": h, "x": x, "p": T.outer(h, x), "q": T.outer(x, h * 2.0)}
    made = Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), T.ones((1, 3), "float64"), T.tanh(h + x)),
        Rows([total], (1,), T.ones((1, 3, 3), "float64") * 0.5, eval(new, scope))], {},
        [Mapped(eval(other, scope))]).build()
    outputs = [made[0][-1], made[1][-1], made[2]]
    loop, = same(outputs, {X: numbers(5, 3)}, passes=off)
    assert [*[s.keep for s in loop.attrs[0].states], *loop.attrs[0].maps] == left
    outside = [n.op.name for n in toposort(rewritten(outputs, off)[0])]
    assert " ".join([k for k in outside if k in SEEN]) == after


X, H = f64(None, 3)("X"), f64(3)("h")


def state(step, init=None, v=H, taps=(1,), **more):
    init = T.ones((1, *v.type.shape), v.dtype) * 0 if init is None else init
    return Rows([v], taps, init, step, **more)


@pytest.mark.parametrize("how", ["plain", "save", "until", "taps", "keep", "read"])
def test_sums_that_stay_in_the_loop(how):
    """Those of loops that may end or save memory, of several rows, and of which states are made."""
    x, b = f64(3)("x"), f64(3, 3)("b")
    depth = 2 if how == "taps" else 1
    made = Draft(X.shape[0], {x: X}, [
        state(T.tanh(H + x + (b[0] if how == "read" else 0.0))),
        state(b + T.outer(x, H), T.ones((depth, 3, 3), "float64"), b, taps=(depth,),
              keep=how != "keep")], {}, [],
        T.gt(T.sum(H), 0.5) if how == "until" else None, save=how != "save").build()
    outputs = [made[0], made[1][made[2] if how == "until" else -1]]
    for rows in (1, 5):
        left, = same(outputs, {X: numbers(rows, 3)})
        assert len(left.attrs[0].states) == 1 + (how != "plain")


@pytest.mark.parametrize("order", list(itertools.permutations("hab")))
def test_sums_of_sums_in_any_order(order):
    """What another's sum reads row by row stays a state."""
    x, a, b = f64(3)("x"), f64(3)("a"), f64(3, 3)("b")
    new = a + T.dot(T.outer(H, x), x * 0 + 2.0)
    states = {"h": state(T.tanh(H + x)), "a": state(new, v=a), "b": state(b + T.outer(new, H), v=b)}
    made = Draft(X.shape[0], {x: X}, [states[k] for k in order]).build()
    left, = same([r[-1] for r in made], {X: numbers(4, 3)}, "sink")
    assert len(left.attrs[0].states) == 2


@pytest.mark.parametrize("read", ["b[-1]", "b[1:][-1]", "b[-1, 0]", "b[-1, :2]", "b[-1, J]",
                                  "b[n, J]", "b[1:][-1, J]", "b[-1:]", "b[n:, J]"])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_what_is_read_of_a_sum(read, rows):
    x, b, n, J = f64(3)("x"), f64(3, 3)("b"), X.shape[0], Type("int64")("J")
    made = Draft(n, {x: X}, [state(T.tanh(H + x)), state(b + T.outer(x, H), v=b)]).build()
    outputs = [eval(read, {"b": made[1], "n": n, "J": J}), made[0]]
    given = {X: numbers(rows, 3), J: np.array(1)}
    if not rows and "b[1:]" in read:
        with pytest.raises(IndexingError):
            run(rewritten(outputs)[0], given)
    else:
        left, = same(outputs, given, "sink")
        assert len(left.attrs[0].states) == 1


def test_rows_that_are_there_are_summed():
    """Those of a state that another sum reads, or of a mapped value; in the dtype of the sum."""
    x, a, b = f64(3)("x"), f64(3)("a"), f64(3, 3)("b")
    made = Draft(X.shape[0], {x: X}, [state(T.tanh(H + x)), state(a + H, v=a),
                                      state(b + T.outer(x, H), v=b)]).build()
    left, = same([made[1][-1], made[2][-1]], {X: numbers(4, 3)}, "sink")
    assert len(left.attrs[0].states) == 1
    for dtype, many in (("float64", 1), ("float32", 1), ("int64", 1), ("int32", 2), ("int8", 2)):
        k, total = Type(dtype, (3,))("k"), Type(dtype, (3,))("total")
        y = Type(dtype, (3,))("y")
        Y = Type(dtype, (None, 3))("Y")
        value = k * k * y
        made = Draft(Y.shape[0], {y: Y}, [state(k + y, v=k), state(total + value, v=total)], {},
                     [Mapped(value)]).build()
        given = {Y: RNG.integers(0, 9, (4, 3)).astype(dtype)}
        left, = same([made[1][-1], made[2]], given)
        assert len(left.attrs[0].states) == many, dtype


@pytest.mark.parametrize("value,start,adds", [
    ("thin", 0.0, 1), ("thin", 0.5, 1), ("thick", 0.0, 0), ("thick", 0.5, 1),
    ("thin + thick", 0.0, 1), ("thick + thin", 0.0, 1), ("thick - thin", 0.0, 1),
    ("thin + thick", 0.5, 2),
])
def test_a_start_of_zeros_is_left_out_unless_it_stretches_the_sum(value, start, adds):
    x, m, b, M = f64(3)("x"), f64(2, 3)("m"), f64(2, 3)("b"), f64(None, 2, 3)("M")
    value = eval(value, {"thin": x.dimshuffle("x", 0), "thick": m})
    made = Draft(X.shape[0], {x: X, m: M}, [
        state(b + value, T.zeros((1, 2, 3), "float64") + start, b)]).build()
    for rows in (0, 3):
        given = {X: numbers(rows, 3), M: numbers(rows, 2, 3)}
        assert not same(made[0][-1], given, "sink")
    names = [n.op.name for n in toposort(rewritten(made[0][-1])[0])]
    assert (names.count("add"), names.count("loop")) == (adds, 0)


@pytest.mark.parametrize("dtype,left", [("float64", 0), ("float32", 0), ("int64", 1), ("int16", 1),
                                        ("complex128", 0)])
def test_sums_of_sequences(dtype, left):
    y, total = Type(dtype, (3,))("y"), Type(dtype, (3,))("total")
    Y = Type(dtype, (None, 3))("Y")
    made = Draft(Y.shape[0], {y: Y}, [state(total + y, v=total)]).build()
    given = {Y: RNG.integers(0, 2, (4, 3)).astype(dtype)}
    assert len(same(made[0][-1], given)) == left


@pytest.mark.parametrize("steps,left", [("X.shape[0]", 0), ("n", 1), ("T.minimum(n, 9)", 1)])
def test_what_is_the_same_in_all_steps_is_multiplied_if_they_can_be_counted(steps, left):
    n, v, V = Type("int64")("n"), f64(3)("v"), f64(3)("V")
    made = Draft(eval(steps, {"T": T, "X": X, "n": n}), {}, [state(H + v)], {v: V}).build()
    given = {X: numbers(4, 3), V: numbers(3), n: np.array(4)}
    assert len(same(made[0][-1], given)) == left


def test_rows_that_only_seem_to_change():
    """A length of a sequence's row, where nobody has told that it is the same in all steps."""
    x, b, Z = f64(None)("x"), f64(5, 3)("b"), f64(None, None)("Z")
    at = T.shape(x)[0] - 1
    value = T.inc_subtensor(T.zeros_like(b)[at], H)
    made = Draft(Z.shape[0], {x: Z}, [state(T.tanh(H + x.sum())), state(b + value, v=b)]).build()
    for off in ("", "-loops.invariant", "-loops.invariant -loops.steady"):
        left, = same([made[0], made[1][-1]], {Z: numbers(4, 3)}, "sink", passes=off)
        assert len(left.attrs[0].states) == 1


@pytest.mark.parametrize("of", ["H", "T.tanh(H + x)", "x", "H * x"])
def test_rows_of_which_only_the_last_is_kept_are_made_again(of):
    x, b, r = f64(3)("x"), f64(3, 3)("b"), f64(3)("r")
    value = eval(of, {"T": T, "H": H, "x": x})
    states = [state(T.tanh(H + x), keep=False), state(value, v=r, keep=False),
              state(b + T.outer(value, T.sin(H)), v=b)]
    for keep in (False, True):
        states[1].keep = keep
        made = Draft(X.shape[0], {x: X}, states, {}, [Mapped(value, keep=keep)]).build()
        left, = same([made[0], made[1], made[2][-1], made[3]], {X: numbers(4, 3)}, "sink")
        assert len(left.attrs[0].states) <= 2
