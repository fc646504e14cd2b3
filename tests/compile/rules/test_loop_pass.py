"""The pass `loops` over whole graphs: loops in steps of loops, what is needed of which loop, and
lengths and parts of rows that loops made."""

import numpy as np
import pytest
from loops_rewritten import f64, numbers, ops, same

import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules import loops
from symgrad.compile.rules.loop_work import House
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.index import subtensor
from symgrad.ops.scan import loop
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import broadcast_to
from symgrad.types import Type

X, N, M, C = f64(None, 3)("X"), Type("int64")("N"), Type("int64")("M"), f64()("C")
ROW, CUBE = f64(1, 3)("ROW"), f64(None, 3, 2)("CUBE")


def recurrent(x=X, **changes):
    """Rows of a state, and of two values of it."""
    v, h = f64(3)("v"), f64(3)("h")
    given = {"n": X.shape[0], "seqs": {v: x}, "states": [Rows([h], (1,), X[:1], T.tanh(h + v))],
             "maps": [Mapped(T.cumsum(h, axis=0)), Mapped(T.cumsum(h * v, axis=0))]} | changes
    return Draft(**given).build()


# -- loops in steps of loops


def test_what_a_loops_step_is_rewritten_for():
    """For a loop in it, and nothing else: a step that says a thing twice stays as it is."""
    v, h = f64(3)("v"), f64(3)("h")
    twice = T.tanh(h + v) * T.tanh(h + v)
    pool, graph = absorb(recurrent(states=[Rows([h], (1,), X[:1], twice)], maps=[], seqs={v: X}))
    assert loops.within(graph, pool, Log(), ()) == graph
    outer = Draft(N, {}, [Rows([v], (1,), X[:1], recurrent(X * 1)[0][0])], {X.type("x"): X})
    x = next(iter(outer.fixed))
    inner = Draft(x.shape[0], {f64(3)("w"): x}, [Rows([h], (1,), x[:1], T.tanh(h + T.sqr(h)))])
    outer.states[0].next = v + inner.build()[0][-1]
    pool, graph = absorb(outer.build())
    changed, = loops.within(graph, pool, log := Log(), ())
    assert changed is not graph[0] and log.fired["trim"] == 1
    same(outer.build(), {X: numbers(4, 3), N: np.array(2)})


def test_a_step_takes_no_lengths_for_equal_that_may_differ():
    """One row for each label is what x[arange(n), y] reads mostly; here there are more."""
    x, y, a, s = f64(None, 3)("x"), Type("int64", (None,))("y"), f64(3)("a"), f64()("s")
    w, v = f64(3, 3)("w"), f64(3, 3)("v")
    rows = Draft(y.shape[0], {a: x}, [], {v: w}, [Mapped(T.dot(a, v))]).build()[0]
    picked = x[T.arange(y.shape[0]), y]
    step = s + T.sum(rows) + T.sum(picked)
    Y, W = y.type("Y"), w.type("W")
    made = Draft(N, {}, [Rows([s], (1,), T.zeros((1,), "float64"), step)], {x: X, y: Y, w: W})
    same(made.build(), {X: numbers(5, 3), Y: np.array([1, 0]), W: numbers(3, 3), N: np.array(2)})


# -- users before operands


def test_what_a_loop_reads_for_nobody_is_not_made_by_others():
    """The second loop does not need the first one's values but two; those between them go, too."""
    first = recurrent()
    v, u, g = f64(3)("v"), f64(3)("u"), f64(3)("g")
    second = Draft(X.shape[0], {v: T.exp(T.sin(first[1])), u: first[2]}, [
        Rows([g], (1,), X[:1], T.tanh(g * u))], {}, [Mapped(g * v)]).build()
    a, b = same(second[0], {X: numbers(4, 3)}, "trim")
    assert a.attrs[0].maps == (True,) and not b.attrs[0].maps and ops(a).count("cumsum") == 1
    assert len(same([second[0], second[1]], {X: numbers(4, 3)})[0].attrs[0].maps) == 2


# -- operands before users


@pytest.mark.parametrize("text", ["h.shape[0]", "m.shape[0]", "m.shape[1]", "m[:K].shape[0] + 1",
                                  "last.shape[0]"])
@pytest.mark.parametrize("n", [X.shape[0], N], ids=["X", "N"])
def test_lengths_of_rows_do_not_ask_for_them(text, n):
    h, m, _ = recurrent(n=n)
    s = f64(3)("s")
    last = recurrent(n=n, states=[Rows([s], (1,), X[:1], s * 2, False)], maps=[])[0]
    pool, graph = absorb([eval(text, {"h": h, "m": m, "last": last, "K": n})])
    graph = loops.run(graph, pool, Log())
    assert not [x for x in toposort(graph) if x.op is loop]


def test_a_graph_without_loops_is_left_alone():
    pool, graph = absorb([T.exp(X), X[:1]])
    assert loops.run(graph, pool, Log()) is graph


def house_with(*nodes):
    pool, found = absorb([N, M, C, ROW, X, CUBE, *nodes])
    return House(pool, Log(), frozenset()), found


STRETCHED = {"c": ("c", 0, ()), "c1": ("c", 1, ()), "c2": ("c", 1, (3,)), "row": ("row", 1, ())}


@pytest.mark.parametrize("x,idx,want", [
    ("c", "[1:]", None), ("c1", "[1:]", "n"), ("c1", "[0:1]", 1), ("c1", "[:1]", 1),
    ("c1", "[::2]", None), ("c1", "[0]", None), ("c1", "[2:]", None), ("c2", "[1:]", "n"),
    ("c2", "[1:, :2]", None), ("c2", "[:, 1:]", None), ("row", "[1:]", None), ("c2", "[:1]", 1),
])
def test_some_rows_of_a_number_that_is_stretched(x, idx, want):
    house, (n, _, c, row, *_) = house_with()
    base, more, sizes = STRETCHED[x]
    if base == "row":
        rows = house.pool.make(broadcast_to, (row, house.steps(n, 1), house.number(3)), (), None,
                               Type("float64", (house.span(n, 1), 3)))
    else:
        rows = house.pool.make(broadcast_to, (c, house.steps(n, more), *map(house.number, sizes)),
                               (), None, Type("float64", (house.span(n, more), *sizes)))
    part = house.intern(eval(f"rows{idx}", {"rows": rows}))
    found = loops.looked_through(house, part, part.inputs)
    if want is None:
        assert found is None
    else:
        assert found.op is broadcast_to and found.inputs == (
            c, n if want == "n" else house.number(want), *map(house.number, sizes))


def test_an_index_into_a_number():
    house, (n, _, c, *_) = house_with()
    number = house.pool.make(broadcast_to, (c,), (), None, Type("float64"))
    part = house.pool.make(subtensor, (number,), ((),))
    assert loops.looked_through(house, part, part.inputs) is None


@pytest.mark.parametrize("more,text,whole", [
    (0, "x[:n]", True), (0, "x[:(n + 1) - 1]", True), (0, "x[:m]", False), (0, "x[:n - 1]", False),
    (0, "x[:n + 1]", False), (1, "x[:n]", False), (None, "x[:n]", False), (0, "x[:n:2]", False),
    (0, "x[1:n]", False), (0, "x[n]", False), (0, "x[:2]", False), (0, "x[:n, 1:]", False),
    (0, "x[:n, :, 1:]", False), (0, "x[:n, 1:, :]", False), (0, "x[:n, 1:, 1:]", False),
    (0, "T.exp(x)", False)])
def test_all_rows_as_a_part_of_them(more, text, whole):
    """Of as many rows as steps, and more; of None nothing is known."""
    house, (n, m, _, _, _, x) = house_with()
    if more is not None:
        x = house.leaf(x.type.with_shape((house.span(n, more), 3, 2)))
    part = house.build(lambda: eval(text, {"x": x, "n": n, "m": m, "T": T}))
    found = loops.looked_through(house, part, part.inputs)
    assert found is (x if whole else None)


@pytest.mark.parametrize("more,set_,rows,idx,taken", [
    (0, True, 0, "[:n]", True), (0, False, 0, "[:n]", False), (1, True, 0, "[:n]", False),
    (0, True, 1, "[:n]", False), (0, True, None, "[:n]", False), (0, True, "one", "[:n]", False),
    (0, True, 0, "[:m]", False), (0, True, 0, "[:n, :2]", False), (0, True, 0, "[1:]", False)])
def test_all_rows_set_to_others(more, set_, rows, idx, taken):
    house, (n, m, c, *_) = house_with()
    x = house.leaf(Type("float64", (house.span(n, more), 3)))
    y = c if rows is None else house.leaf(Type("float64", (
        1 if rows == "one" else house.span(n, rows), 3)))
    part = eval(f"x{idx}", {"x": x, "n": n, "m": m})
    made = house.pool.make(inc_subtensor, (x, y, *part.inputs[1:]), (part.attrs[0], set_), None,
                           x.type)
    found = loops.looked_through(house, made, made.inputs)
    assert found is (y if taken else None)
