"""What the tests of loops' rewrites share: graphs after the pass, and the comparison of values."""

import numpy as np

import symgrad.tensor as T
from symgrad.compile.passes import REWRITES, apply, select
from symgrad.compile.pool import absorb, export
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Rows
from symgrad.ops.scan import loop
from symgrad.types import Type

BEFORE = REWRITES[:REWRITES.index("merge")]
OURS = REWRITES[REWRITES.index("merge"):REWRITES.index("loops") + 1]
RNG = np.random.default_rng(0)


def rewritten(outputs, passes=""):
    """(the graph after the pass, as a user's; {form: firings})."""
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    pool, graph = absorb(outputs)
    selection, rows = select(passes), []
    graph = apply(BEFORE, graph, pool, selection)
    graph = apply(OURS, graph, pool, selection, rows)
    fired = {}
    for row in rows:
        fired |= row.fired if row.name != "shapes" else {}
    return export(graph, pool), fired


def same(outputs, values, *forms, passes=""):
    """Values stay; the forms fire, and not when they are off.  Gives the loops that are left."""
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    new, fired = rewritten(outputs, passes)
    for form in forms:
        assert fired.get(form), f"{form} did not fire: {fired}"
        off = "-merge -loops.merge" if form == "merge" else f"-loops.{form}"
        without, others = rewritten(outputs, f"{passes} {off}")
        assert form not in others
        agree(run(outputs, values), run(without, values))
    agree(run(outputs, values), run(new, values))
    return [n for n in toposort(new) if n.op is loop]


def agree(want, have):
    for a, b in zip(want, have, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-10)


def ops(node):
    """The names of the ops in the step of a loop."""
    return [n.op.name for n in toposort(node.attrs[0].outputs)]


def f64(*shape):
    return Type("float64", shape)


def numbers(*shape):
    return RNG.uniform(-1, 1, shape)


X, W, U, B = f64(None, None)("X"), f64(None, None)("W"), f64(None, None)("U"), f64(None)("B")
GIVEN = {X: numbers(5, 3), W: numbers(3, 4), U: numbers(4, 4), B: numbers(4)}


def recurrent(**changes):
    """h = tanh(x W + h U + b); (rows of h, the loop's parts)."""
    x, h = f64(None)("x"), f64(None)("h")
    w, u, b = f64(None, None)("w"), f64(None, None)("u"), f64(None)("b")
    given = {"n": X.shape[0], "seqs": {x: X}, "fixed": {w: W, u: U, b: B},
             "states": [Rows([h], (1,), T.zeros((1, 4), "float64"),
                             T.tanh(T.dot(x, w) + T.dot(h, u) + b))]} | changes
    return Draft(**given).build()[0]
