"""Graphs with loops at which the forms of `merge`, `loops` and `sides` fire: each is a list of
outputs."""

from __future__ import annotations

from symgrad.compile.rules.common import mat, num, vec
from symgrad.compile.rules.switches import LONG
from symgrad.derive import backward
from symgrad.node import constant
from symgrad.ops.draft import Draft, Rows
from symgrad.ops.ifelse import ifelse
from symgrad.ops.lengths import length
from symgrad.ops.linalg import dot
from symgrad.ops.math import exp
from symgrad.ops.reduce import sum_
from symgrad.ops.trig import tanh


def _loop(step, xs, init, fixed=(), n=None):
    """The rows of one state; ``step(x, s, *fixed)`` makes its next one."""
    x, s = vec(), vec()
    own = [mat() if f.type.ndim == 2 else vec() for f in fixed]
    state = Rows([s], (1,), init, step(x, s, *own))
    return Draft(length.of(xs, axis=0) if n is None else n, {x: xs}, [state],
                 dict(zip(own, fixed, strict=True))).build()[0]


def _recurrent():
    """h = tanh(h U + x): its rows, and U."""
    xs, u = mat(), mat()
    return _loop(lambda x, h, u: tanh(dot.of(h, u) + x), xs, xs[:1], [u]), u


def _slope():
    """The last row of a loop, and what its matrix is to change by."""
    rows, u = _recurrent()
    cost = sum_.of(tanh(rows[-1]), axis=(0,))
    return [cost, *backward([cost], [constant(1.0)], [u])]


def _merged():
    xs = mat()
    return [_loop(lambda x, s: s + tanh(x * s), xs, xs[:1]),
            _loop(lambda x, s: s - x, xs, xs[:1])]


def _twice():
    xs, x, y, s = mat(), vec(), vec(), vec()
    state = Rows([s], (1,), xs[:1], tanh(s + x * y))
    return Draft(length.of(xs, axis=0), {x: xs, y: xs}, [state]).build()


def _steady():
    xs, x, s, r = mat(), vec(), vec(), vec()
    states = [Rows([s], (1,), tanh(xs[:1]), s), Rows([r], (1,), xs[:1], tanh(r + s * x))]
    return Draft(length.of(xs, axis=0), {x: xs}, states).build()


def _invariant():
    xs, w = mat(), vec()
    return [_loop(lambda x, s, w: tanh(s + x * exp(w)), xs, xs[:1], [w])]


def _hoisted():
    xs, w = mat(), mat()
    return [_loop(lambda x, s, w: tanh(s + dot.of(x, w)), xs, xs[:1], [w])]


def _unrolled():
    xs = mat()
    return [_loop(lambda x, s: tanh(s + x), xs, xs[:1], n=constant(2, dtype="int64"))]


def _last():
    return [_recurrent()[0][-1]]


LOOPS = {"merge": lambda: [_merged()], "duplicates": lambda: [_twice()],
         "steady": lambda: [_steady()], "ends": lambda: [_slope()],
         "invariant": lambda: [_invariant()], "hoist": lambda: [_hoisted()],
         "unroll": lambda: [_unrolled()], "sink": lambda: [_slope()], "trim": lambda: [_last()]}
MERGE = {"merge": LOOPS["merge"]}


def _cheap():
    return [ifelse.of(num("bool"), num(), num())]


def _switch():
    """The first of many conditions that holds says which expression it is."""
    x, key = mat(), num("int64")
    value = x
    for k in range(2 * LONG):
        value = ifelse.of(key < k, tanh(x * float(k)), value)
    return [value]


SIDES = {"where": lambda: [_cheap()], "tree": lambda: [_switch()]}
