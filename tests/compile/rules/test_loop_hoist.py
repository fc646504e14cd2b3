"""What is worth computing before a loop, and what is not."""

import numpy as np
import pytest
from loops_rewritten import RNG, f64, numbers, ops, rewritten, same

import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules.loop_hoist import hoisted, invariant
from symgrad.compile.rules.loop_results import Work
from symgrad.compile.rules.loop_work import House
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.ifelse import ifelse
from symgrad.types import Type, is_float

INT = Type("int64")
OPERANDS = {"w": f64(None, None), "v": f64(None), "a": f64(), "k": INT, "l": Type("int64", (None,))}
GIVEN = {"w": numbers(3, 3) + 2, "v": numbers(3), "a": np.array(0.5), "k": np.array(1),
         "l": np.array([0, 2])}
ONCE = {  # of fixed operands: whether it is computed before the loop
    "T.exp(w)": True, "w + 1.0": True, "w * a": True, "a * 2.0": True, "T.exp(a)": True,
    "T.exp(k)": True, "w.sum(0)": True, "w.sum()": True, "T.dot(w, v)": True, "w[l]": True,
    "T.dot(w.T, v)": True, "T.exp(v.dimshuffle('x', 0))": True, "T.cumsum(v, axis=0)": True,
    "T.inc_subtensor(v[1], a)": True, "T.join(0, v, v)": True, "T.cast(v, 'float32')": True,
    "l + 1": True, "T.gt(v, 0.0)": True,
    "k + 1": False, "T.gt(a, 0.0)": False, "w.T": False, "w[0]": False, "w[k]": False,
    "T.outer(v, v)": False, "w.T + v.dimshuffle(0, 'x')": False, "v.dimshuffle('x', 0)": False,
    "v.shape[0]": False, "v.shape[0] * 2": False, "T.zeros_like(w)": False, "v": False,
    "T.broadcast_to(v, (3, 3))": False, "w.T * 2.0": False, "T.arange(k)": False,
}


@pytest.mark.parametrize("text", ONCE)
def test_what_is_worth_computing_once(text):
    inside = {name: t(name) for name, t in OPERANDS.items()}
    outside = {name: t(name.upper()) for name, t in OPERANDS.items()}
    value = eval(text, inside | {"T": T})
    dtype = "float64" if is_float(value.type.dtype) else "int64"
    s = Type(dtype)("s")
    made = Draft(T.constant(9, dtype="int64"), {}, [
        Rows([s], (1,), T.ones((1,), dtype), s - T.sgn(s))],
        {inside[k]: outside[k] for k in inside}, [Mapped(T.maximum(value, s))]).build()
    passes = "-loops.hoist -loops.sink -loops.trim"
    left, = same(made, {outside[k]: GIVEN[k] for k in outside}, passes=passes)
    assert rewritten(made, passes)[1].get("invariant", 0) == ONCE[text]
    assert not ONCE[text] or value.op.name not in ops(left)


ALL_STEPS = {  # of sequences and fixed operands: whether it is computed for all steps at once
    "T.dot(x, w)": True, "T.dot(w, x)": True, "T.dot(m, w)": True, "w[i]": True,
    "T.tensordot(m, w, axes=((1,), (0,)))": True,
    "T.dot(x, x)": False, "T.dot(m, x)": False, "m[:, l]": False, "m[i]": False, "x * v": False,
    "T.exp(x)": False, "x.sum()": False, "T.dot(T.arange(x.shape[0]) * 1.5, w)": False,
}


@pytest.mark.parametrize("text", ALL_STEPS)
def test_what_is_computed_for_all_steps(text):
    scope = {name: t(name) for name, t in OPERANDS.items()}
    X, M, ids = f64(None, None)("X"), f64(None, 2, 3)("M"), Type("int64", (None, 2))("I")
    seqs = {f64(None)("x"): X, f64(2, 3)("m"): M, Type("int64", (2,))("i"): ids}
    fixed = {v: v.type(name.upper()) for name, v in scope.items()}
    s = f64()("s")
    value = eval(text, scope | {v.name: v for v in seqs} | {"T": T})
    made = Draft(X.shape[0], seqs, [Rows([s], (1,), T.ones((1,), "float64"),
                                         T.tanh(s + (value * s).sum()))], fixed).build()
    given = {X: numbers(4, 3), M: numbers(4, 2, 3), ids: RNG.integers(0, 2, (4, 2))}
    left, = same(made, given | {x: GIVEN[v.name] for v, x in fixed.items()})
    assert rewritten(made)[1].get("hoist", 0) == ALL_STEPS[text]
    assert (value.op.name in ops(left)) is not ALL_STEPS[text]


@pytest.mark.parametrize("text", ["u", "T.exp(x)", "T.exp(u)"])
def test_the_last_row_of_a_map_is_no_rows(text):
    """A map that keeps but its last row is left in the loop."""
    x, u, X, U = f64(3)("x"), f64(3)("u"), f64(None, 3)("X"), f64(3)("U")
    s = f64(3)("s")
    value = eval(text, {"T": T, "x": x, "u": u})
    made = Draft(X.shape[0], {x: X}, [Rows([s], (1,), X[:1], T.tanh(s + x))], {u: U},
                 [Mapped(value, keep=False), Mapped(value)]).build()
    left, = same(made, {X: numbers(4, 3), U: numbers(3)})
    assert left.attrs[0].maps == (False,)


SIDES = {  # a step that makes a choice: what is computed before it, and for all steps at once
    "ifelse(s.sum() > 0.0, T.exp(w), s)": (0, 0), "ifelse(s.sum() > 0.0, s, T.exp(w))": (0, 0),
    "ifelse(s.sum() > 0.0, T.exp(w), T.exp(w) + s)": (0, 0),
    "ifelse(T.exp(w).sum() > s.sum(), s, w)": (1, 0),
    "ifelse(s.sum() > 0.0, T.exp(w), s) * T.exp(w)": (1, 0),
    "ifelse(s.sum() > 0.0, T.dot(m, x), s)": (0, 0),
    "ifelse(s.sum() > 0.0, s, T.dot(m, x))": (0, 0),
    "ifelse(T.dot(w, x) > s.sum(), s, w)": (0, 1), "T.dot(m, T.dot(m, x)) * s": (0, 1),
    "T.exp(T.exp(w)) * s": (1, 0),
}


@pytest.mark.parametrize("text", SIDES)
def test_what_a_side_of_a_conditional_needs_stays_in_it(text):
    x, s, w, m = f64(3)("x"), f64(3)("s"), f64(3)("w"), f64(3, 3)("m")
    X, U, M = f64(None, 3)("X"), f64(3)("U"), f64(3, 3)("M")
    new = eval(text, {"T": T, "ifelse": ifelse, "x": x, "s": s, "w": w, "m": m})
    made = Draft(X.shape[0], {x: X}, [Rows([s], (1,), X[:1], T.tanh(new))], {w: U, m: M}).build()
    same(made, {X: numbers(4, 3), U: numbers(3), M: numbers(3, 3)})
    fired = rewritten(made)[1]
    assert (fired.get("invariant", 0), fired.get("hoist", 0)) == SIDES[text]


def maps(text, passes="", **more):
    """(firings, the step's ops if the loop is left) of a map of x, u, w or a state s."""
    x, u, s, w, X, U, W = (f64(*shape)(name) for name, shape in {
        "x": (3,), "u": (3,), "s": (3,), "w": (3, 3), "X": (None, 3), "U": (3,), "W": (3, 3),
        }.items())
    scope = {"T": T, "x": x, "u": u, "s": s, "w": w}
    more = {k: eval(v, scope) if k == "until" else v for k, v in more.items()}
    states = [Rows([s], (1,), X[:1], abs(s) + u)] if "s" in text or "until" in more else []
    made = Draft(X.shape[0], {x: X}, states, {u: U, w: W}, [Mapped(eval(text, scope))],
                 **more).build()[len(states):]
    given = {X: numbers(4, 3), U: numbers(3) + 2, W: numbers(3, 3)}
    left = same(made, given, passes=passes)
    return rewritten(made, passes)[1], [name for n in left for name in ops(n)]


@pytest.mark.parametrize("text", ["u", "u[::-1]", "T.exp(u)", "T.exp(u)[::-1]", "w.T", "x",
                                  "T.exp(x)", "x.shape[0] * 2", "T.dot(x, w)", "u[:2].shape[0]"])
def test_maps_that_need_no_states_need_no_loop(text):
    assert not maps(text)[1]
    fixed = text in ("u", "T.exp(u)")
    assert (not maps(text, "-loops.hoist -loops.sink -loops.trim")[1]) is fixed
    assert not maps(text, "-loops.invariant")[1]
    for name in ("hoist", "invariant"):
        assert name not in maps(text, f"-loops.{name}")[0]


@pytest.mark.parametrize("text", ["u", "T.exp(u)", "T.exp(x)", "T.dot(x, w)"])
def test_of_a_loop_that_may_end_it_is_not_known_how_many_rows_there_are(text):
    fired, left = maps(text, until="T.gt(s.sum(), 8.0)")
    assert left and "hoist" not in fired
    assert ("exp" in left) is (text == "T.exp(x)")


@pytest.mark.parametrize("text", ["T.exp(x)", "T.dot(x, w)", "T.dot(x, w) * s"])
def test_what_a_loop_may_not_save_is_not_made_for_all_steps(text):
    fired, left = maps(text, save=False)
    assert left and "hoist" not in fired
    assert maps(text)[0]["hoist"] == 1


@pytest.mark.parametrize("value", ["T.exp(x) * s", "T.dot(s * T.exp(x), w)", "T.dot(s, w.T)"])
def test_nothing_is_made_in_vain(value):
    """Of what needs states no part is made for all steps, or before them."""
    x, s, w = (f64(*shape)(k) for k, shape in (("x", (3,)), ("s", (3,)), ("w", (3, 3))))
    X, W = f64(5, 3)("X"), f64(3, 3)("W")
    new = eval(value, {"T": T, "x": x, "s": s, "w": w})
    made = Draft(T.constant(5), {x: X}, [Rows([s], (1,), X[:1], s + new)], {w: W}, [Mapped(new)])
    pool, graph = absorb(made.build())
    house = House(pool, Log(), frozenset())
    node = graph[0].inputs[0]
    work = Work(house, node, node.inputs)
    known = set(pool.members)
    for form in (invariant, hoisted):
        form(work)
        assert {n.op.name for n in pool.members - known} <= {"const"}
