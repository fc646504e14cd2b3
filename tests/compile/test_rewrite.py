"""The engine: one walk to a normal form, loops found at once, no recursion, a log of what fired."""

import time

import numpy as np
import pytest

from symgrad.compile import rewrite as rewriting
from symgrad.compile.passes import PIPELINE
from symgrad.compile.pattern import holes, rounding, rule, rule_on, ruleset
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log, rewrite
from symgrad.compile.rules import canonicalise, collect
from symgrad.errors import RewriteGrowth, RewriteLoop
from symgrad.node import toposort, variable
from symgrad.ops.math import add, exp, log, mul, neg, sqr, sub
from symgrad.ops.shape import transpose
from symgrad.ops.trig import tanh
from symgrad.types import Dim, Type

VECTOR = Type("float64", (None,))
x, y = holes("x y")


def pooled(graph):
    pool, (node,) = absorb([graph])
    return pool, node


def test_a_loop_names_the_rules_that_undo_one_another():
    rules = ruleset(
        "bad",
        rule("swap", sub.of(x, y), neg(sub.of(y, x))),
        rule("swap back", neg(sub.of(x, y)), sub.of(y, x)),
    )
    pool, node = pooled(variable(VECTOR) - variable(VECTOR))
    with pytest.raises(RewriteLoop, match="swap"):
        rewrite([node], rules, pool)


@pytest.mark.parametrize("wrapped", [neg(exp(x)), log(exp(exp(x)))])
def test_a_rule_that_wraps_what_it_finds_is_a_loop(wrapped):
    pool, node = pooled(exp(variable(VECTOR)))
    with pytest.raises(RewriteLoop, match="wrap"):
        rewrite([node], ruleset("bad", rule("wrap", exp(x), wrapped)), pool)


def test_a_node_that_comes_back_as_itself_is_a_loop():
    """Also where no other node stands between."""
    rules = ruleset("bad", rule("there", exp(x), sqr(x)), rule("back", sqr(x), exp(x)))
    pool, node = pooled(log(exp(variable(VECTOR))))
    with pytest.raises(RewriteLoop, match="undo one another at .*: there -> back;"):
        rewrite([node], rules, pool)


def test_only_the_rules_of_a_loop_are_named():
    rules = ruleset("bad", rule("before", log(x), neg(x)), rule("wrap", exp(x), exp(exp(x))))
    pool, node = pooled(log(exp(variable(VECTOR))))
    with pytest.raises(RewriteLoop, match=": wrap;"):
        rewrite([node], rules, pool)
    rules = ruleset("bad", rule("first", log(x), sqr(exp(x))), rule("wrap", exp(x), log(x)))
    pool, node = pooled(neg(log(variable(VECTOR))))
    with pytest.raises(RewriteLoop, match=": first -> wrap;"):
        rewrite([node], rules, pool)


@pytest.mark.parametrize("before, after, taken", [
    ((None, 3), (None, 3), True), ((None, 3), (None, 4), False), ((None, 3), (5, 3), True),
    ((5, 3), (None, 3), True), ((None, 3), (1, 3), False), ((1, 3), (None, 3), False),
    ((500, 3), (500, 3), True), ((None, 3), (3,), False), ((None, 1), (None, 1), True),
    ((None, 1), (None, None), False)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_replaces_a_node_has_its_type(before, after, taken, dtype):
    """But for what its unknown lengths are called; one of 1 may stretch, an unknown one not."""
    v, w = variable(Type("float64", before)), variable(Type(dtype, after))
    pool, (node, other) = absorb([exp(v), sqr(w)])
    rules = ruleset("r", rule_on("other", exp, samples=list)(lambda n, pool: other))
    log_ = Log()
    (new,) = rewrite([node], rules, pool, log_)
    taken = taken and dtype == "float64"
    assert (new.op is sqr) is taken and new.type is node.type
    assert log_.fired == ({"other": 1} if taken else {})
    assert log_.refused == ({} if taken else {"other": 1})


def test_a_rule_that_gives_a_node_back_has_not_fired():
    """Itself, or with its lengths called something else."""
    v = variable(VECTOR)
    pool, node = pooled(exp(v))
    for given in (node, pool.retyped(node, VECTOR.with_shape((Dim("n"),)))):
        log_ = Log()
        rules = ruleset("r", rule_on("same", exp, samples=list)(lambda n, pool, new=given: new))
        assert rewrite([node], rules, pool, log_) == [node] and not log_.fired and not log_.refused


def test_a_leaf_keeps_its_own_lengths():
    v = variable(VECTOR)
    pool, node = pooled(exp(v))
    other = pool.retyped(node, VECTOR.with_shape((Dim("n"),)))
    rules = ruleset("r", rule("same", exp(x), x), rule("more", neg(x), sqr(x)))
    assert rewrite([other], rules, pool) == [pool.leaf[v]]
    other = pool.retyped(pool.make(neg, (pool.leaf[v],)), other.type)
    assert rewrite([other], rules, pool)[0].type is other.type


def test_inputs_are_in_normal_form_before_a_node_is_tried():
    rules = ruleset("r", rule("inner", neg(neg(x)), x), rule("outer", exp(log(x)), x))
    v = variable(VECTOR)
    pool, node = pooled(exp(neg(neg(log(v)))))
    (new,) = rewrite([node], rules, pool)
    assert new is pool.leaf[v]


def test_the_log_counts_firings_and_refusals_and_keeps_history_if_asked():
    rules = ruleset(
        "r",
        rule("ok", exp(x), sqr(x)),
        rule_on("wrong", tanh, kind=rounding, samples=lambda: [tanh(variable(VECTOR))])(
            lambda n, pool: transpose.of(variable(Type("float32", (2, 3))))
        ),
    )
    pool, node = pooled(tanh(exp(variable(VECTOR))) + exp(variable(VECTOR)))
    log_ = Log(history=[])
    rewrite([node], rules, pool, log_)
    assert log_.fired == {"ok": 2} and log_.refused == {"wrong": 1}
    assert [name for name, *_ in log_.history] == ["ok", "ok"]


def test_names_move_to_what_replaces_a_node():
    v = variable(VECTOR)
    named = exp(v)
    named.name = "h"
    pool, node = pooled(named)
    (new,) = rewrite([node], ruleset("r", rule("ok", exp(x), sqr(x))), pool)
    assert new.op is sqr and new.name == "h"
    rules = ruleset("r", rule("twice", neg(neg(x)), x))
    for inner, outer, want in ((None, None, None), (None, "h", "h"), ("v", "h", "v"),
                               ("v", None, "v")):
        v = variable(VECTOR, inner)
        named = neg(neg(v))
        named.name = outer
        pool, node = pooled(named)
        assert rewrite([node], rules, pool)[0].name == want


def test_shared_nodes_are_rewritten_once():
    v = variable(VECTOR)
    shared = exp(v)
    pool, node = pooled(shared * shared - shared)
    log_ = Log()
    rewrite([node], ruleset("r", rule("ok", exp(x), sqr(x))), pool, log_)
    assert log_.fired == {"ok": 1}
    seen = []
    rewrite([node], ruleset("r", rule_on("see", exp, samples=list)(
        lambda n, pool: seen.append(n))), pool)
    assert len(seen) == 1


@pytest.mark.parametrize("chosen", [p for p in PIPELINE if p.rules or p.run], ids=lambda p: p.name)
def test_a_deep_chain_needs_no_recursion_and_settles(chosen):
    h = variable(VECTOR)
    for k in range(50_000):
        h = [tanh, neg, sqr][k % 3](h) if k % 5 else h + 1.0
    pool, (node,) = absorb([h])
    walk = chosen.run or (lambda o, pool, log: rewrite(o, chosen.rules, pool, log))
    once = walk([node], pool, Log())
    assert walk(once, pool, Log()) == once


@pytest.mark.parametrize("kind", ["left", "right", "tree", "products"])
def test_long_sums_take_linear_time(kind):
    """The time for four times as many terms is about four times as long, not sixteen."""

    def seconds(n):
        terms = [tanh(variable(VECTOR)) * 2.0 for _ in range(n)]
        if kind == "tree":
            while len(terms) > 1:
                terms = [
                    add.of(*terms[k : k + 2]) if k + 1 < len(terms) else terms[k]
                    for k in range(0, len(terms), 2)
                ]
            total = terms[0]
        else:
            total = terms[0]
            for t in terms[1:]:
                total = {
                    "left": lambda a, b: a + b,
                    "right": lambda a, b: b - a,
                    "products": mul.of,
                }[kind](total, t)
        pool, outputs = absorb([total])
        best = np.inf
        for _ in range(3):
            start = time.perf_counter()
            rewrite(outputs, canonicalise.RULES, pool)
            collect.run(outputs, pool, Log())
            best = min(best, time.perf_counter() - start)
        return best

    seconds(200)
    assert seconds(4000) < 9 * seconds(1000)


def test_a_term_with_several_users_is_not_computed_twice():
    v, w = variable(VECTOR), variable(VECTOR)
    shared = v + w
    pool, outputs = absorb([tanh(shared), shared + v, shared - w])
    new = collect.run(outputs, pool, Log())
    assert len(toposort(new)) <= len(toposort(outputs))
    assert new == outputs


# -- budgets


def endless():
    """exp(x) becomes exp(x + 1), which becomes exp(x + 1 + 1) …"""
    return ruleset("bad", rule("endless", exp(x), exp(add.of(x, 1))))


def test_a_rule_without_end_is_stopped_and_named():
    pool, node = pooled(exp(variable(VECTOR)))
    with pytest.raises(RewriteGrowth, match=r"(?s)rule endless of bad fired 1,0.*-bad\.endless"):
        rewrite([node], endless(), pool)


@pytest.mark.parametrize("firings, nodes, stops", [
    (10, 99, False), (9, 99, True), (99, 20, False), (99, 19, True), (10, 20, False)])
@pytest.mark.parametrize("each", [0, 1])
def test_the_budget(monkeypatch, firings, nodes, stops, each):
    """A chain of ten: each link fires once and makes two nodes.  `each`: what a node of the graph
    (of 11, with the variable) adds to the budget."""
    for name, much in (("ANYWAY", firings), ("MADE_ANYWAY", nodes)):
        monkeypatch.setattr(rewriting, name, much - 11 * each)
    monkeypatch.setattr(rewriting, "FIRINGS", each)
    monkeypatch.setattr(rewriting, "MADE", each)
    rules = ruleset("r", rule("ok", tanh(x), neg(exp(x))), rule("other", sqr(x), neg(x)))
    for open_ended in (False, True):
        rules.open_ended = open_ended
        h = variable(VECTOR)
        for _ in range(10):
            h = tanh(h)
        pool, node = pooled(h)
        if stops and (firings < 10 or not open_ended):
            with pytest.raises(RewriteGrowth, match="rule ok of r fired"):
                rewrite([node], rules, pool)
        else:
            log_ = Log()
            rewrite([node], rules, pool, log_)
            assert log_.fired == {"ok": 10}


def test_budgets_are_by_rule(monkeypatch):
    monkeypatch.setattr(rewriting, "ANYWAY", 2)
    monkeypatch.setattr(rewriting, "FIRINGS", 0)
    rules = ruleset("r", rule("a", tanh(x), neg(x)), rule("b", exp(x), sqr(x)))
    pool, node = pooled(tanh(exp(tanh(exp(variable(VECTOR))))))
    log_ = Log()
    rewrite([node], rules, pool, log_)
    assert log_.fired == {"a": 2, "b": 2}


def test_a_rule_whose_work_grows_faster_than_the_graph_is_stopped_and_named():
    """It comes to an end, in a time that is quadratic."""
    def chain(length):
        h = variable(VECTOR)
        for k in range(length):
            h = tanh(h + float(k))
        return pooled(h)

    def copied(node, pool):
        """Each link again, with another number."""
        links, n = [], node
        while n.op in (tanh, sqr):
            links.append(n)
            n = n.inputs[0].inputs[0]
        for _ in links:
            n = sqr(add.of(n, float(len(links))))
        return n

    bad = ruleset("bad", rule_on("copying", tanh, kind=rounding, samples=list)(copied))
    pool, node = chain(40)
    rewrite([node], bad, pool)
    pool, node = chain(2_000)
    start = time.process_time()
    with pytest.raises(RewriteGrowth, match="copying of bad"):
        rewrite([node], bad, pool)
    assert time.process_time() - start < 30


def test_what_users_define_may_be_large():
    """One op that stands for thousands of nodes is no rule's fault."""
    def unfolded(node, pool):
        n = node.inputs[0]
        for _ in range(12_000):
            n = tanh(n)
        return n

    rules = ruleset("r", rule_on("unfold", sqr, samples=list)(unfolded))
    pool, node = pooled(sqr(variable(VECTOR)))
    with pytest.raises(RewriteGrowth, match="unfold"):
        rewrite([node], rules, pool)
    rules.open_ended = True
    pool, node = pooled(sqr(variable(VECTOR)))
    rewrite([node], rules, pool)


def test_a_full_log_has_moves_and_times():
    v = variable(VECTOR)
    pool, node = pooled(tanh(neg(neg(v))))
    log_, start = Log.full(), time.perf_counter()
    (new,) = rewrite([node], ruleset("r", rule("twice", neg(neg(x)), x)), pool, log_)
    assert log_.moved == {new: node}
    assert 0 < log_.times["twice"] <= time.perf_counter() - start
    assert Log().times is None and Log().moved is None
