"""A loop's step among the pool's nodes, and what the finished loop is said to be."""

import pytest
from loops_rewritten import f64

import symgrad.tensor as T
from symgrad.compile.passes import apply, select
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules.loop_results import Work
from symgrad.compile.rules.loop_work import House, prune
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.scan import item, loop
from symgrad.types import Dim, Type

X, W, K = f64(None, 3)("X"), f64(None, None)("W"), Type("int64")("K")
FIVE = T.constant(5, dtype="int64")


def entered(steps, keep=True):
    """(a loop on its way through the rewrites, its results as they were)."""
    x, s, r, w, k = f64(3)("x"), f64(3)("s"), f64(None)("r"), f64(None, None)("w"), K.type("k")
    made = Draft(steps, {x: X}, [Rows([s], (1,), X[:1], T.tanh(s + x), keep),
                                 Rows([r], (2,), W[:2], T.tanh(r), keep)], {w: W, k: K},
                 [Mapped(s * 2, keep), Mapped(T.arange(k), keep), Mapped(T.exp(w), keep)]).build()
    pool, graph = absorb(made)
    node = graph[0].inputs[0]
    return Work(House(pool, Log(), frozenset()), node, node.inputs), node.type.items


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("steps", [X.shape[0], K, FIVE], ids=["X", "K", "5"])
def test_what_a_finished_loop_is_said_to_be(steps, keep, told):
    """As long as its steps, else as what was known of its results, else as its step tells."""
    work, old = entered(steps)
    house, d = work.house, work.d
    kept = [*[keep] * 4, not keep]
    for r, k in zip((*d.states, *d.maps), kept, strict=True):
        r.keep = k
    rows, columns = d.fixed[next(iter(d.fixed))].type.shape
    given = {r: t.with_shape((house.pool.dim("rows"), *t.shape[1:])) for r, t in work.told.items()}
    a, b, c, e, f = house.leave(d, given if told else {})
    assert all([x.op is item and x.attrs == (k,) for k, x in enumerate((a, b, c, e, f))])
    assert {x.inputs[0] for x in (a, b, c, e, f)} == {a.inputs[0]}
    for x, k, more in zip((a, b, c, e, f), kept, (1, 2, 0, 0, 0), strict=True):
        many = x.type.shape[0]
        if k:
            assert many == house.span(d.n, more)
        elif more or steps is FIVE:
            assert many == max(more, 1)
        else:
            assert type(many) is Dim and many is not house.span(d.n)
    assert [x.type.shape[1:] for x in (a, b, c, f)] == [(3,), (columns,), (3,), (rows, columns)]
    assert (e.type.shape[1] is old[3].shape[1]) is told and type(e.type.shape[1]) is Dim


def test_what_is_told_of_a_result_does_not_hide_what_its_step_tells():
    work, _ = entered(X.shape[0])
    d, house = work.d, work.house
    told = {d.maps[0]: Type("float64", (house.span(d.n), house.pool.dim("one")))}
    assert house.leave(d, told)[2].type.shape == (house.span(d.n), 3)


def test_a_finished_loops_step_is_a_users_graph():
    """Its variables have lengths that are numbers, and none that only the pool knows."""
    work, _ = entered(X.shape[0])
    body = work.house.leave(work.d, work.told)[0].inputs[0].attrs[0]
    assert [i.type for i in body.inputs] == [
        f64(3), f64(3), f64(None), f64(None, None), Type("int64")]
    assert [i.name for i in body.inputs] == ["x", "s", "r", "w", "k"]
    assert not any([n in work.house.pool.members for n in toposort(body.outputs)])


def test_operands_that_no_step_reads():
    work, _ = entered(X.shape[0])
    d = work.d
    assert not prune(d) and (len(d.seqs), len(d.fixed)) == (1, 2)
    del d.maps[1]
    assert prune(d) and [v.name for v in d.fixed] == ["w"] and not prune(d)
    del d.states[0], d.maps[0]
    assert prune(d) and not d.seqs and [v.name for v in d.fixed] == ["w"]


def test_results_of_loops_that_stay_are_told_in_one_way():
    x, h = f64(3)("x"), f64(3)("h")
    made = Draft(K, {x: X}, [Rows([h], (1,), X[:1], T.tanh(h + x))], {},
                 [Mapped(T.cumsum(h * k, axis=0)) for k in (1, 2)]).build()
    pool, graph = absorb(made)
    assert graph[1].type.shape[0] is not graph[2].type.shape[0]
    graph = apply(["loops"], graph, pool, select(""))
    only, = [n for n in toposort(graph) if n.op is loop]
    assert only.type.items[1].shape[0] is only.type.items[2].shape[0]


@pytest.mark.parametrize("reads", ["h[:1] * 0", "h[0]"])
@pytest.mark.parametrize("steps", [X.shape[0], T.constant(2, dtype="int64")], ids=["any", "2"])
def test_a_loop_of_which_nothing_is_left_is_not_made(steps, reads):
    x, h = f64(3)("x"), f64(3)("h")
    made = Draft(steps, {x: X}, [Rows([h], (1,), X[:1], T.tanh(h + x))]).build()
    pool, graph = absorb([eval(reads, {"h": made[0]})])
    apply(["loops"], graph, pool, select(""))
    assert all([n.type.items for n in pool.members if n.op is loop])
