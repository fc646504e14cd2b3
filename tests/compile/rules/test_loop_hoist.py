"""What is worth computing before a loop, and what is not."""

import numpy as np
import pytest
from loops_rewritten import RNG, f64, numbers, ops, rewritten, same

import symgrad.tensor as T
from symgrad.ops.draft import Draft, Mapped, Rows
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
    passes = "-loops.sink -loops.trim"
    same(made, {outside[k]: GIVEN[k] for k in outside}, passes=passes)
    assert bool(rewritten(made, passes)[1].get("invariant")) is ONCE[text]


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
    assert bool(rewritten(made)[1].get("hoist")) is ALL_STEPS[text]
    if not ALL_STEPS[text] and "arange" in text:
        assert "dot" in ops(left)


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
