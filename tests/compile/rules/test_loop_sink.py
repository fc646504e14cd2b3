"""What a loop adds up: a sum that is taken after the loop is no state of it any more.

In each expression h (3) is a state, x (3), m (2, 3), i, ids (2) and s () change from step to step;
w (3, 4), t (3), l (2), e (5, 3) do not.
"""

import pytest
from loops_rewritten import RNG, numbers, same

import symgrad.tensor as T
from symgrad.ops import OPS
from symgrad.ops.draft import Draft, Rows
from symgrad.types import Type

MOVING = {"x": ("float64", (3,)), "m": ("float64", (2, 3)), "i": ("int64", ()),
          "ids": ("int64", (2,)), "s": ("float64", ())}
FIXED = {"w": ("float64", (3, 4)), "t": ("float64", (3,)), "l": ("int64", (2,)),
         "e": ("float64", (5, 3))}
SUNK = [
    "x", "x * t", "s", "T.outer(h, x)", "T.outer(x, h) * s",
    "T.outer(h, h)", "-T.outer(h, x)", "T.outer(h, x).T",
    "T.outer(h, x) + T.outer(x, h)", "T.outer(h, x) - T.outer(x, h)", "T.outer(h, x) / t",
    "t * T.outer(h, x)", "T.outer(h, x).sum(axis=0)", "T.outer(h, x).sum(axis=1)",
    "T.outer(h, x).reshape((9,))", "T.outer(h, x).dimshuffle('x', 0, 1)",
    "T.dot(T.outer(h, x), w)", "T.dot(w.T, T.outer(h, x))", "T.dot(T.outer(h, x), t)",
    "T.dot(t, T.outer(h, x))", "T.dot(h.dimshuffle(0, 'x'), x.dimshuffle('x', 0))",
    "T.dot(m.T, T.outer(s * T.ones((2,)), h))", "T.dot(m.T, m)", "T.dot(x, w)", "T.dot(m, w)",
    "T.dot(m, t)", "T.dot(m.T, m * h)", "T.dot((m * h).T, m)", "T.dot((m * h).T, m * h)",
    "T.tensordot(m, m * h, axes=((0,), (0,)))", "T.tensordot(m * h, m, axes=((0,), (0,)))",
    "T.exp(x).sum()", "T.tanh(x) * 2.0", "T.set_subtensor(x[0], 1.0)",
    "T.inc_subtensor(T.zeros_like(e)[i], h)", "T.inc_subtensor(T.zeros_like(e)[i], x)",
    "T.inc_subtensor(T.zeros_like(e)[ids], m * h)",
    "T.inc_subtensor(T.zeros_like(e)[1], T.dot(T.outer(h, x), t))",
    "T.inc_subtensor(T.zeros_like(e)[ids, l], (m * h)[:, 0])",
    "T.inc_subtensor(T.zeros_like(e)[l, ids], (m * h)[:, 0])",
]
KEPT = [
    "x + h", "T.outer(t, h)", "T.outer(h, t)", "T.inc_subtensor(T.zeros_like(e)[l], m * h)",
    "h * s", "T.tanh(h)", "h * h", "m * h", "T.set_subtensor(T.zeros_like(e)[i], h)",
    "T.inc_subtensor(e[i], h)", "T.inc_subtensor(T.zeros_like(e)[:, i], s * h.sum() * e[:, 0])",
    "T.outer(h, x) / x", "T.dot(h, x)", "T.outer(h, x) * h", "T.cast(i, 'float64') * h",
    "T.inc_subtensor(T.zeros_like(e)[i], h.sum())",
    "T.inc_subtensor(T.zeros_like(e)[i, 0], s * h[0])",
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
    total = value.type("total")
    init = T.zeros((1, *value.type.shape), "float64") + 0.5
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


@pytest.mark.parametrize("text", KEPT)
def test_a_sum_that_costs_as_much_after_the_loop_stays_in_it(text):
    left, = same(*summed(text, 4))
    assert len(left.attrs[0].states) == 2


@pytest.mark.parametrize("text,left", [
    ("(total + p) + q", 1), ("(total - p) + q", 1), ("q + (total + p)", 1), ("(p + total) - q", 1),
    ("total + (p - q)", 1), ("total - (p - q)", 1), ("total + (p + T.tanh(q))", 2),
    ("(T.tanh(q) + total) - p", 2), ("p - total", 2), ("total + total + p", 2),
    ("total * 0.5 + p", 2), ("p + q", 2),
])
def test_terms_of_a_sum(text, left):
    """Each that can be is summed after the loop, with its sign; the others stay."""
    x, h, total = Type("float64", (3,))("x"), Type("float64", (3,))("h"), Type(
        "float64", (3, 3))("total")
    X = Type("float64", (None, 3))("X")
    scope = {"T": T, "total": total, "p": T.outer(h, x), "q": T.outer(x, h * 2.0)}
    made = Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), T.ones((1, 3), "float64"), T.tanh(h + x)),
        Rows([total], (1,), T.ones((1, 3, 3), "float64") * 0.5, eval(text, scope))]).build()
    loop, = same([made[1][-1], made[0]], {X: numbers(5, 3)})
    assert len(loop.attrs[0].states) == left
