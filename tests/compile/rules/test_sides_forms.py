"""What becomes of conditionals, written out: branches, their operands, and what each side makes."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules import sides
from symgrad.compile.rules.switches import LONG
from symgrad.errors import ShapeError
from symgrad.interpret import run
from symgrad.node import CONST, toposort
from symgrad.ops.branch import branch
from symgrad.ops.scan import item

C, D = T.scalar("c", "bool"), T.scalar("d", "bool")
A, B, V, W, M = T.dscalar("a"), T.dscalar("b"), T.dvector("v"), T.dvector("w"), T.dmatrix("m")
IF, K = sg.ifelse, T.lscalar("k")
VALUES = {"a": 0.5, "b": 2.0, "v": np.array([0.5, -1.0, 2.0]), "w": np.array([1.0, 3.0, 2.0]),
          "m": np.arange(9.0).reshape(3, 3)}
E = T.exp(V)
DEAD = IF(C, V, T.dot(IF(C, T.tanh(E), V), M))  # its tanh is never asked for
ROWS = sg.scan(lambda v, s, t: [s * 0.5 + v, t + v * s], sequences=[V], outputs_info=[A, B],
               return_updates=False)


def said(n, branches):
    """A node as a term."""
    if n.op is CONST:
        return str(n.data)
    if n.op is item and n.inputs[0] in branches:
        return f"{branches[n.inputs[0]]}.{n.attrs[0]}"
    if n.op.kind == "leaf":
        return n.name or "_"
    attrs = n.attrs if n.op is item or n.op.name == "length" else ()
    return f"{n.op.name}({', '.join([*[said(i, branches) for i in n.inputs], *map(str, attrs)])})"


def passed(outputs):
    pool, old = absorb(outputs)
    return sides.run(old, pool, Log())


def form(outputs):
    return written(passed(outputs))


def written(outputs, before=""):
    """The branches, innermost first, and then the outputs."""
    branches, lines = {}, []
    for n in toposort(outputs):
        if n.op is branch:
            branches[n] = name = f"{before}{len(branches)}"
            bodies = [written(body.outputs, name + mark)
                      for body, mark in zip(n.attrs[:2], "+-", strict=True)]
            for *inner, _ in bodies:
                lines += inner
            operands = ", ".join([said(i, branches) for i in n.inputs])
            then, other = (body[-1] for body in bodies)
            lines.append(f"{name}: {operands} ? {then} : {other} {n.attrs[3] or ''}".strip())
    return [*lines, ", ".join([said(o, branches) for o in outputs])]


DEAR = T.dot(M, V)
FIRST = IF(C, DEAR.sum(), B)
TWICE = IF(C, (DEAR * 2).sum(), B)
OTHER = IF(C, B, DEAR.sum())
AGAIN = IF(C, T.exp(IF(D, E, V)).sum(), B)
TWO = IF(C, B, E.sum() + DEAR.sum())
BOTH = IF(C, DEAR.sum(), E.sum())
FIRST_ROWS = IF(C, ROWS[0].sum(), B)
GUARDED = IF(C, IF(D, DEAR.sum(), A * 2), B)
GUARDED_NOT = IF(C, B, IF(D, A * 2, DEAR.sum()))
FIVE = T.exp(T.stack([A, B, A, B, A]))
FIXED = IF(C, FIVE.sum(), B)
AT = T.nonzero(V > 0)[0]
LATE = IF(C, AT.max(), 3)
N = T.nonzero(E > 1)[0].shape[0]
COUNT = IF(C, N * E.sum(), B)
CASES = {
    "nested, the same": ([IF(C, T.exp(IF(C, E, W)).sum(), T.exp(IF(C, V, E)).max())], [
        "0: c, exp(v), w, v ? sum(exp(where(True, _, w))) : max(exp(where(False, v, _)))",
        "0.0"]),
    "nested, another": ([IF(C, T.exp(IF(D, E, W)).sum(), B)], [
        "0+0: d, v, w ? exp(v) : w",
        "0: c, d, v, w, b ? sum(exp(0+0.0)) : b",
        "0.0"]),
    "crossed": ([IF(C, T.exp(IF(D, T.tanh(IF(C, E, W)), V)), V)], [
        "0+0: d, v, w ? tanh(where(True, exp(v), w)) : v",
        "0: c, d, v, w ? exp(0+0.0) : v",
        "0.0"]),
    "two after one another": ([IF(D, IF(C, E, V), V + IF(C, E, V)), IF(C, V.sum(), B)], [
        "0: c, v, b ? exp(v), sum(v) : v, b",
        "1: d, 0.0, v ? _ : add(v, _)",
        "1.0, 0.1"]),
    "three levels": ([IF(C, IF(D, T.exp(IF(C, V, W)).sum(), B) * E, V) + 1], [
        "0+0: d, v, w, b ? sum(exp(where(True, v, w))) : b",
        "0: c, v, d, w, b ? mul(exp(v), 0+0.0) : v",
        "add(0.0, 1.0)"]),
    "dead": ([DEAD], [
        "0: c, v, m ? v : dot(v, m)",
        "0.0"]),
    "dead reader": ([IF(C, E.sum(), T.dot(IF(C, T.tanh(E), V), V))], [
        "0: c, v ? sum(exp(v)) : dot(v, v)",
        "0.0"]),
    "dead numbers": ([IF(C, A, T.exp(IF(C, IF(D, A, B), B)))], [
        "0: c, a, b ? a : exp(b)",
        "0.0"]),
    "dead loop": ([IF(C, A, T.exp(IF(C, ROWS[0].sum(), B)))], [
        "0: c, a, b ? a : exp(b)",
        "0.0"]),
    "condition is read": ([IF(C, T.cast(C, "float64") * E, V)], [
        "0: c, v ? mul(exp(v), cast(True)) : v",
        "0.0"]),
    "numbers are no operands": ([IF(C, E * 3.0, V)], [
        "0: c, v ? mul(exp(v), 3.0) : v",
        "0.0"]),
    "length": ([IF(C, E * V.shape[0], V), V.shape[0]], [
        "0: c, v ? mul(exp(v), cast(length(v, 0))) : v",
        "0.0, length(v, 0)"]),
    "loop, one result inside": ([IF(C, ROWS[0].sum(), B), ROWS[1]], [
        "0: c, item(loop(length(v, 0), v, unsqueeze(a), unsqueeze(b)), 0), b ? "
        "sum(subtensor(_)) : b",
        "0.0, subtensor(item(loop(length(v, 0), v, unsqueeze(a), unsqueeze(b)), 1))"]),
    "loop, handed out": ([FIRST_ROWS, IF(C, ROWS[1] * FIRST_ROWS, V)], [
        "0: c, v, a, b ? sum(subtensor(item(loop(length(v, 0), v, unsqueeze(a), "
        "unsqueeze(b)), 0))), item(loop(length(v, 0), v, unsqueeze(a), unsqueeze(b)), 0), "
        "item(loop(length(v, 0), v, unsqueeze(a), unsqueeze(b)), 1) : b, broadcast_to(0.0, "
        "0), broadcast_to(0.0, 0) ((1, 1), (1, 2))",
        "1: c, 0.0, 0.2, v ? mul(_, subtensor(_)) : v",
        "0.0, 1.0"]),
    "there anyway": ([IF(C, E.sum(), B), E.sum()], [
        "where(c, sum(exp(v)), b), sum(exp(v))"]),
    "cheap": ([FIRST, IF(C, DEAR * 2 + (1 - DEAR) * FIRST, V)], [
        "0: c, m, v, b ? sum(dot(m, v)), dot(m, v) : b, broadcast_to(0.0, length(m, 0)) ((1, "
        "1),)",
        "1: c, 0.1, 0.0, v ? add(mul(_, 2.0), mul(_, sub(1.0, _))) : v",
        "0.0, 1.0"]),
    "cheap, read before": ([TWICE, IF(C, DEAR * 2 * TWICE, V)], [
        "0: c, m, v, b ? sum(mul(dot(m, v), 2.0)), dot(m, v) : b, broadcast_to(0.0, "
        "length(m, 0)) ((1, 1),)",
        "1: c, 0.1, 0.0, v ? mul(mul(_, 2.0), _) : v",
        "0.0, 1.0"]),
    "not handed out": ([AGAIN, IF(D, E * AGAIN, V)], [  # it may not be there
        "0+0: d, v ? exp(v) : v",
        "0: c, d, v, b ? sum(exp(0+0.0)) : b",
        "1: d, v, 0.0 ? mul(exp(v), _) : v",
        "0.0, 1.0"]),
    "handed out": ([FIRST, IF(C, DEAR * FIRST, V)], [
        "0: c, m, v, b ? sum(dot(m, v)), dot(m, v) : b, broadcast_to(0.0, length(m, 0)) ((1, "
        "1),)",
        "1: c, 0.1, 0.0, v ? mul(_, _) : v",
        "0.0, 1.0"]),
    "handed out of other": ([OTHER, IF(C, V, DEAR * OTHER)], [
        "0: c, b, m, v ? b, broadcast_to(0.0, length(m, 0)) : sum(dot(m, v)), dot(m, v) ((0, "
        "1),)",
        "1: c, v, 0.1, 0.0 ? v : mul(_, _)",
        "0.0, 1.0"]),
    "two handed out of other": ([TWO, IF(C, V, E * TWO - DEAR)], [
        "0: c, b, v, m ? b, broadcast_to(0.0, length(v, 0)), broadcast_to(0.0, length(v, 0)) "
        ": add(sum(exp(v)), sum(dot(m, v))), exp(v), dot(m, v) ((0, 1), (0, 2))",
        "1: c, v, 0.1, 0.0, 0.2 ? v : sub(mul(_, _), _)",
        "0.0, 1.0"]),
    "handed out anyway": ([IF(C, DEAR, V), IF(C, DEAR * IF(C, DEAR, V).sum(), V)], [
        "0: c, m, v ? dot(m, v) : v",
        "1: c, 0.0, 0.0, v ? mul(_, sum(_)) : v",
        "0.0, 1.0"]),
    "both": ([BOTH, IF(C, DEAR * BOTH, E * BOTH)], [
        "0: c, m, v ? sum(dot(m, v)), dot(m, v), broadcast_to(0.0, length(m, 0)) : "
        "sum(exp(v)), broadcast_to(0.0, length(m, 0)), exp(v) ((1, 1), (0, 2))",
        "1: c, 0.1, 0.0, 0.2 ? mul(_, _) : mul(_, _)",
        "0.0, 1.0"]),
    "fixed": ([FIXED, IF(C, FIVE * FIXED, V)], [
        "0: c, a, b ? sum(exp(make_vector(a, b, a, b, a))), exp(make_vector(a, b, a, b, a)) "
        ": b, broadcast_to(0.0, 5) ((1, 1),)",
        "1: c, 0.1, 0.0, v ? mul(_, _) : v",
        "0.0, 1.0"]),
    "guarded": ([GUARDED, IF(C, IF(D, DEAR * GUARDED, V), W)], [
        "0+0: d, m, v, a, broadcast_to(0.0, length(m, 0)) ? sum(dot(m, v)), dot(m, v) : "
        "mul(a, 2.0), _",
        "0: c, d, m, v, a, b ? 0+0.0, 0+0.1 : b, broadcast_to(0.0, length(m, 0)) ((1, 1),)",
        "1+0: d, _, _, v ? mul(_, _) : v",
        "1: c, d, 0.1, 0.0, v, w ? 1+0.0 : w",
        "0.0, 1.0"]),
    "guarded by not": ([GUARDED_NOT, IF(C, W, IF(D, V, DEAR * GUARDED_NOT))], [
        "0-0: d, a, broadcast_to(0.0, length(m, 0)), m, v ? mul(a, 2.0), _ : sum(dot(m, v)), "
        "dot(m, v)",
        "0: c, b, m, d, a, v ? b, broadcast_to(0.0, length(m, 0)) : 0-0.0, 0-0.1 ((0, 1),)",
        "1-0: d, v, _, _ ? v : mul(_, _)",
        "1: c, w, d, v, 0.1, 0.0 ? w : 1-0.0",
        "0.0, 1.0"]),
    "late": ([LATE, IF(C, LATE * AT, T.cast(V, "int64"))], [
        "0: c, v ? max(subtensor(nonzero(gt(v, 0.0)))), nonzero(gt(v, 0.0)) : 3, "
        "broadcast_to(0, 1, 0) ((1, 1),)",
        "1: c, 0.1, 0.0, v ? mul(subtensor(_), _) : cast(v)",
        "0.0, 1.0"]),
    "late length": ([COUNT, IF(C, COUNT * N * V, V)], [
        "0: c, v, b ? mul(cast(length(subtensor(nonzero(gt(exp(v), 1.0))), 0)), "
        "sum(exp(v))), length(subtensor(nonzero(gt(exp(v), 1.0))), 0) : b, 0 ((1, 1),)",
        "1: c, v, 0.1, 0.0 ? mul(v, mul(cast(_), _)) : v",
        "0.0, 1.0"]),
    "other lengths": ([IF(C, V, V[1:]), V[1:]], [
        "0: c, v, subtensor(v) ? v : _",
        "0.0, subtensor(v)"]),
    "length of one": ([IF(C, V, V[1:]) + V, V[1:]], [
        "0: c, v, subtensor(v) ? v : _",
        "add(v, 0.0), subtensor(v)"]),
    "length of other": ([IF(C, V[1:], V) + V, V[1:]], [
        "0: c, subtensor(v), v ? _ : v",
        "add(v, 0.0), subtensor(v)"]),
    "where and branch": ([IF(C, A + 1, B), IF(D, E.sum(), B)], [
        "0: d, v, b ? sum(exp(v)) : b",
        "where(c, add(a, 1.0), b), 0.0"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_conditionals(name):
    outputs, want = CASES[name]
    pool, old = absorb(outputs)
    new = sides.run(old, pool, Log())
    assert written(new) == want
    leaves = {n.name: n for n in toposort(old) if n.op.kind == "leaf"}
    for c, d in ((True, True), (True, False), (False, True), (False, False)):
        values = {**VALUES, "c": c, "d": d}
        values = {n: np.asarray(values[name]) for name, n in leaves.items() if name}
        try:
            right = run(old, values)
        except ShapeError:  # a sum of what has not the same length
            continue
        for have, want in zip(run(new, values), right, strict=True):
            np.testing.assert_allclose(have, want)


def tree(x, dear=False):
    y = x
    for k in range(LONG):
        y = IF(T.gt(T.exp(W + k).sum(), k) if dear else T.eq(K, k), W * k, y)
    return y


@pytest.mark.parametrize("outputs, fired", [
    ([tree(V)], {"tree": 1, "branch": LONG}), ([tree(V, True)], {"branch": LONG}),
    ([IF(C, V, T.dot(IF(C, tree(V), V), M))], {"branch": 1}),
    ([V * 2, IF(C, A, B), tree(V)], {"where": 1, "tree": 1, "branch": LONG}),
], ids=["cheap", "dear", "dead", "others"])
def test_which_chains_are_trees(outputs, fired):
    log = Log.full()
    pool, old = absorb(outputs)
    sides.run(old, pool, log)
    assert log.fired == fired
    assert all([a is not b for rule, a, b in log.history if rule == "tree"])


@pytest.mark.parametrize("off", [(), ("where",), ("tree",), ("where", "tree")])
def test_rules_may_be_off(off):
    log = Log()
    pool, old = absorb([IF(C, A, B), tree(V)])
    sides.run(old, pool, log, off=off)
    assert ("where" in log.fired, "tree" in log.fired) == ("where" not in off, "tree" not in off)


def test_what_is_asked_for_is_asked_anew():
    """After a `where`, and after a tree: what only one side needs stays in it."""
    for more, want in ((IF(C, A, B), "0: d, v, b ? sum(exp(v)) : b"), (tree(V), None)):
        made = form([IF(D, E.sum(), B), more])
        assert made[0] == (want or made[0]) and "0: d, v, b ? sum(exp(v)) : b" in made


def test_nothing_is_looked_at_without_conditionals(monkeypatch):
    monkeypatch.setattr(sides, "_chosen", None)
    pool, old = absorb([E, V + 1])
    assert sides.run(old, pool, Log()) is old


def test_a_side_is_walked_once():
    """In time that is not doubled by every value that is read twice."""
    y = V
    for k in range(40):
        y = T.tanh(y) + y * k
    assert "branch" in [n.inputs[0].op.name for n in passed([IF(C, y, V)])]


def test_a_body_has_lengths_of_its_own():
    """But for those that are numbers."""
    fixed = T.tensor("float64", (3, None), name="fixed")
    made, = passed([IF(C, T.dot(fixed, V), fixed[:, 0])])
    for body in made.inputs[0].attrs[:2]:
        assert [i.type.shape for i in body.inputs] == [(3, None), (None,)]
