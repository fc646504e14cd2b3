"""What only results need: which mapped values are made after a loop, and what is left in it."""

import numpy as np
import pytest
from loops_rewritten import f64, numbers, ops, rewritten, same

import symgrad.tensor as T
from symgrad.compile.passes import apply, select
from symgrad.compile.pool import absorb
from symgrad.node import toposort
from symgrad.ops.body import State
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.scan import loop

X, W = f64(None, 3)("X"), f64(3, 3)("W")
GIVEN = {X: numbers(4, 3), W: numbers(3, 3)}


def scope():
    """u, v and p are what states need of a step; p and q are rows of one loop in it."""
    x, h, w, s = f64(3)("x"), f64(3)("h"), f64(3, 3)("w"), f64(3)("s")
    p, q = Draft(T.constant(5, dtype="int64"), {}, [
        Rows([s], (1,), h[None], T.tanh(s))], {}, [Mapped(T.sin(s))]).build()
    return {"T": T, "x": x, "h": h, "w": w, "y": f64(3)("y"), "u": T.exp(h), "v": T.sin(h),
            "p": p[-1], "q": q[-1], "next": T.tanh(h + x)}


STEP = "T.tanh(u + v + x)"
SAME = "-loops.invariant -loops.steady -loops.hoist"


@pytest.mark.parametrize("step,maps,dots,off", [
    (STEP, ["T.dot(h * 2, w)"], 0, ""), (STEP, ["T.dot(u, w)"], 0, ""),
    (STEP, ["T.dot(u * v, w)"], 1, ""), (STEP, ["T.dot(u * v * h * x, w)"], 1, ""),
    (STEP, ["T.dot(u * h * x, w)"], 0, ""), (STEP, ["T.dot(u * v, w)", "u"], 0, ""),
    (STEP, ["T.dot(u * v, w)", "u", "v"], 0, ""), (STEP, ["T.dot(h, v) * h"], 1, ""),
    (STEP, ["h * T.dot(w, w)[0]"], 1, SAME), (STEP, ["h * T.dot(w, w)[0]"], 0, ""),
    ("next", ["T.dot(next, w)"], 0, ""), ("T.dot(h, w) + x", ["T.dot(h, w)"], 1, ""),
    ("T.tanh(p + x)", ["T.dot(q * h, w)"], 1, ""), ("T.tanh(p + x)", ["T.dot(p * h, w)"], 0, ""),
    ("next", ["T.dot(T.dot(h, w), w)"], 0, ""), ("next", ["T.cumsum(T.dot(h, w))"], 1, ""),
    ("next", ["T.dot(w, h)", "T.dot(w, T.dot(w, h))"], 0, ""),
])
def test_products_that_are_made_after_the_loop(step, maps, dots, off):
    names = scope()
    made = Draft(X.shape[0], {names["x"]: X}, [
        Rows([names["h"]], (1,), T.ones((1, 3), "float64"), eval(step, names))], {names["w"]: W},
        [Mapped(eval(m, names)) for m in maps]).build()
    left = [n for n in same(made, GIVEN, passes=off) if n.attrs[0].seqs]
    assert sum([ops(n).count("dot") for n in left]) == dots


@pytest.mark.parametrize("maps,read,left,dots,how", [
    (["T.dot(h * 2, w)"], "m0 h", (), 0, {}), (["T.dot(h * 2, w)"], "m0", (), 0, {}),
    (["T.dot(h * 2, w)"], "m0 h", (True,), 1, {"until": True}),
    (["T.dot(h * 2, w)"], "m0 h", (True,), 1, {"save": False}),
    (["T.dot(h * 2, w)"], "m0 h", (True,), 1, {"off": "-loops.sink"}),
    (["T.dot(h * 2, w)"], "m0[-1] h", (False,), 1, {}),
    (["T.dot(h * 2, w)", "v"], "m1 h", (True,), 0, {}),
    # what a value needs that nobody reads is not there; of one that stays it is
    (["T.dot(T.cos(h) * 2, w)", "T.cos(h)"], "m0 h", (), 0, {}),
    (["T.dot(T.cos(h) * 2, w)", "T.cos(h)"], "m0 m1[-1] h", (True,), 0, {}),
    # one result in place of another, not two
    (["T.dot(h * 2, w)"], "m0", (True,), 0, {"keep": False}),
    (["T.dot(h * u, w)"], "m0", (True,), 1, {"keep": False}),
    (["T.dot(h * u, w)"], "m0", (True,), 0, {}), (["T.dot(h * y, w)"], "m0", (), 0, {}),
    (["T.dot(next * u, w)"], "m0", (True,), 0, {}),
    (["T.dot(next * u, w)"], "m0", (True,), 1, {"keep": False}),
])
def test_which_mapped_values_are_made_after_the_loop(maps, read, left, dots, how):
    """`left`: those of the loop, and whether their rows are kept; `dots`: products in it."""
    names = scope()
    names["next"] = eval(STEP, names)
    r, h = f64(3)("r"), names["h"]
    made = Draft(X.shape[0], {names["x"]: X, names["y"]: X * 2}, [
        Rows([r], (1,), T.ones((1, 3), "float64"), T.tanh(r * names["x"])),
        Rows([h], (1,), T.ones((1, 3), "float64"), names["next"], how.get("keep", True))],
        {names["w"]: W}, [Mapped(eval(m, names)) for m in maps],
        T.gt(T.sum(h), 1e9) if "until" in how else None, save=how.get("save", True)).build()
    results = dict(zip(["r", "h", "m0", "m1"], made, strict=False))
    only, = same([eval(n, results) for n in ("r", *read.split())], GIVEN,
                 passes=how.get("off", ""))
    assert (only.attrs[0].maps, ops(only).count("dot")) == (left, dots)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("read,states", [
    ("m0", "hr"), ("m0 s", "shr"), ("m1", "r"), ("h", "hr"), ("r", "r"), ("m0 m1[-1]", "hr"),
    ("s", "s"), ("s[-1] m1", "sr"), ("m2", "pqr"), ("p", "pqr"), ("q", "qr"),
    ("t", "t"), ("m0 t", "hrt")])
def test_states_that_others_need(read, states, keep):
    """h needs r, which p needs by way of q only; of what nobody reads nothing is kept."""
    x, (p, q, r, s, h, g, t) = f64(3)("x"), [f64(3)(k) for k in "pqrshgt"]
    steps = {"p": ([p], T.tanh(p + q)), "s": ([s], T.sin(s + x)), "h": (
        [h, g], T.tanh(h * g + x * r)), "q": ([q], T.tanh(q * r)), "r": ([r], T.cos(r + x)),
        "t": ([t], x[::-1])}
    begin = T.as_tensor(numbers(2, 3))
    made = Draft(X.shape[0], {x: X}, [
        Rows(reads, (1, 2)[:len(reads)], begin[:len(reads)], new, keep)
        for reads, new in steps.values()], {},
        [Mapped(T.cumsum(h, axis=0)), Mapped(T.exp(r) * x), Mapped(p * 2)]).build()
    results = dict(zip([*steps, "m0", "m1", "m2"], made, strict=True))
    outputs = [eval(n, results) for n in read.split()]
    only, = same(outputs, GIVEN, "trim")
    assert only.attrs[0].states == tuple([
        State((1, 2)[:len(steps[k][0])], keep and k in read.split()) for k in steps if k in states])


def test_a_product_that_only_seems_to_change():
    """It reads a length of the state, where nobody has told that it is the same in all steps."""
    x, h, w = f64(None)("x"), f64(None)("h"), f64(None, None)("w")
    Z, V = f64(None, None)("Z"), f64(None, None)("V")
    made = Draft(Z.shape[0], {x: Z}, [Rows([h], (1,), Z[:1], T.tanh(h + x))], {w: V},
                 [Mapped(T.dot(T.arange(T.shape(h)[0]) * 1.0, w))]).build()
    for off in ("", SAME):
        same(made, {Z: numbers(4, 3), V: numbers(3, 2)}, passes=off)


@pytest.mark.parametrize("keep", [(True, False, True), (False, True, False), (False, False, True)])
@pytest.mark.parametrize("states", [0, 1, 2])
@pytest.mark.parametrize("steps", ["X.shape[0]", "T.constant(5, dtype='int64')"])
def test_results_are_as_long_as_what_is_kept(keep, states, steps):
    """Of some states and mapped values there are all rows, of others the last ones."""
    x, n = f64(3)("x"), eval(steps)
    reads = [f64(3)(f"s{k}") for k in range(states)]
    made = Draft(n, {x: X}, [Rows([s], (1,), X[:1], T.tanh(s * (k + 2) + x))
                             for k, s in enumerate(reads)], {},
                 [Mapped(T.cumsum(T.sin(x * (k + 2)), axis=0)) for k in range(3)]).build()
    outputs = [r if k else r[-1] for k, r in zip((*[True] * states, *keep), made, strict=True)]
    off = "-loops.hoist -loops.unroll"
    left, = same(outputs, {X: numbers(5, 3)}, "trim", passes=off)
    assert left.attrs[0].maps == keep
    many = [t.shape[0] for t in left.type.items]
    assert [k == 1 for k in many] == [False] * states + [
        not k and n.op.name == "const" for k in keep]
    whole = [k for k, m in enumerate(many) if k < states or keep[k - states]]
    assert len({many[k] for k in whole[(states > 0) * states:]}) == 1


def test_a_last_row_is_not_as_long_as_all_rows():
    x, h = f64(3)("x"), f64(3)("h")
    made = Draft(X.shape[0], {x: X}, [Rows([h], (1,), X[:1], T.tanh(h + x))], {},
                 [Mapped(T.cumsum(h * k, axis=0)) for k in (1, 2)]).build()
    pool, graph = absorb([made[0][-1], made[1][-1], made[2]])
    whole, = [n for n in toposort(apply(["loops"], graph, pool, select(""))) if n.op is loop]
    lengths = [t.shape[0] for t in whole.type.items]
    assert lengths[0] == 1 and lengths[1] is not lengths[2]


def test_rows_that_a_sum_asks_for_are_made_after_the_loop():
    x, h, s, w = f64(3)("x"), f64(3)("h"), f64(3, 3)("s"), f64(3, 3)("w")
    made = Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), X[:1], T.tanh(h + x)), Rows([s], (1,), T.zeros((1, 3, 3), "float64"), (
            s + T.outer(T.dot(h * 2, w), T.sin(h))))], {w: W}).build()
    only, = same([made[0], made[1][-1]], GIVEN, "sink")
    assert "dot" not in ops(only) and only.attrs[0].maps == (True,)


def test_only_the_count_of_an_until_loop():
    x, h = f64(3)("x"), f64(3)("h")
    made = Draft(X.shape[0], {x: X}, [Rows([h], (1,), T.ones((1, 3), "float64"), T.tanh(h + x))],
                 {}, [Mapped(x * h)], T.gt(T.sum(x), 0.5)).build()
    for rows in (0, 1, 6):
        left, = same(made[2], {X: numbers(rows, 3)}, "trim")
        assert not left.attrs[0].states and not left.attrs[0].maps
    left, = same([made[2], made[0][-1]], {X: numbers(6, 3)})
    assert len(left.attrs[0].states) == 1
    made = Draft(X.shape[0], {x: X}, [Rows([h], (1,), T.ones((1, 3), "float64"), T.cos(h + x))],
                 {}, [Mapped(x * h)], T.gt(T.sum(h), 0.5)).build()
    left, = same(made[2], {X: numbers(6, 3)}, "trim")
    assert [s.keep for s in left.attrs[0].states] == [False] and not left.attrs[0].maps


def test_nothing_is_left_of_a_loop_that_nobody_reads():
    x, h = f64(3)("x"), f64(3)("h")
    made = Draft(X.shape[0], {x: X}, [Rows([h], (1,), X[:1], T.tanh(h + x))]).build()
    new, _ = rewritten([T.zeros_like(made[0])])
    assert not [n for n in toposort(new) if n.op is loop]


@pytest.mark.parametrize("again", [False, True])
def test_what_is_trimmed_stays_so(again):
    """Loops that keep their last rows only are trimmed no further, and counted as they are."""
    x, h, r = f64(3)("x"), f64(3)("h"), f64(3)("r")
    made = Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), X[:1], T.tanh(h + x), keep=False),
        Rows([r], (1,), X[:1], T.tanh(r + h), keep=again)], {},
        [Mapped(h * r, keep=False)]).build()
    _, fired = rewritten(made)
    assert "trim" not in fired
    _, fired = rewritten(Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), X[:1], T.tanh(h + x), keep=False),
        Rows([r], (1,), X[:1], T.tanh(r + h), keep=again)]).build()[1])
    assert "trim" not in fired
    left, = same([made[0], made[1][-1], made[2][0]], {X: numbers(5, 3)}, *["trim"] * again)
    assert not any([s.keep for s in left.attrs[0].states]) and not any(left.attrs[0].maps)
    assert np.all([n.type.shape[0] == 1 for n in made[:1]])
