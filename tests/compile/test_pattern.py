"""Patterns match what they say, in every order of commutative operands, and build what they say."""

import itertools

import numpy as np
import pytest

from symgrad.compile import pattern
from symgrad.compile.pattern import (
    _matcher_text,
    _orders,
    attempt,
    compile_lhs,
    exact,
    holes,
    rule,
    rule_on,
    ruleset,
    same_constant,
)
from symgrad.compile.pool import Pool, absorb
from symgrad.errors import ArgumentError
from symgrad.node import constant, variable
from symgrad.op import weak_numbers
from symgrad.ops.lengths import make_vector
from symgrad.ops.logic import gt
from symgrad.ops.math import add, exp, log, mul, neg, sqr, sub
from symgrad.ops.nn import softmax
from symgrad.ops.reduce import sum_
from symgrad.types import Type

MATRIX = Type("float64", (None, None))
x, y, z = holes("x y z")
(a,) = holes("a")


def inputs(*names, type=MATRIX):
    return [variable(type, n) for n in names]


def made(chosen, graph):
    """What a rule makes of a graph, as (new node, pool's node)."""
    pool, (node,) = absorb([graph])
    with weak_numbers():
        return attempt(chosen, node, pool), node


def test_a_hole_that_stands_twice_must_be_one_node():
    twice = rule("twice", add.of(x, x), mul.of(x, 2))
    p, q = inputs("p", "q")
    new, _ = made(twice, p + p)
    assert new.op is mul and new.inputs[1].data == 2
    assert made(twice, p + q)[0] is None


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("inner", [False, True])
def test_commutative_operands_match_in_either_order(swap, inner):
    chosen = rule("factor", add.of(mul.of(x, y), exp(z)), mul.of(x, z))
    p, q, r = inputs("p", "q", "r")
    product = q * p if inner else p * q
    new, _ = made(chosen, exp(r) + product if swap else product + exp(r))
    assert new is not None


def test_every_order_is_tried_where_holes_are_shared():
    chosen = rule("common", add.of(mul.of(x, y), mul.of(x, z)), mul.of(x, add.of(y, z)))
    p, q, r = inputs("p", "q", "r")
    for graph in (p * q + p * r, q * p + p * r, p * q + r * p, q * p + r * p):
        new, _ = made(chosen, graph)
        assert new.op is mul and add in [i.op for i in new.inputs]
    assert made(chosen, p * q + exp(r))[0] is None


def test_numbers_match_constants_of_any_dtype_and_shape():
    chosen = rule("log1p", log(1 + x), neg(x))
    (p,) = inputs("p")
    for one in (1, 1.0, np.ones((1, 1)), np.float32(1)):
        assert made(chosen, log(p + one))[0] is not None
    assert made(chosen, log(p + 2))[0] is None
    assert made(chosen, log(p + np.array([[1.0], [2.0]])))[0] is None
    assert made(chosen, log(variable(Type("int32", (None,))) + 1.0))[0] is not None


def test_same_constant():
    assert same_constant(constant(np.ones(3)), 1) and same_constant(constant(1.0), 1)
    assert not same_constant(constant(np.array([1.0, 2.0])), 1)
    assert not same_constant(constant(2.0), 1)
    assert not same_constant(constant(np.ones(0)), 1)
    assert not same_constant(constant(np.array([1.0, np.nan])), 1)
    assert not same_constant(variable(MATRIX), 1)


def test_holes_for_attributes():
    chosen = rule("keep", sum_.of(softmax.of(x, axis=a), axis=a), lambda x, a: sum_.of(x, axis=a))
    (p,) = inputs("p")
    assert made(chosen, sum_.of(softmax.of(p, axis=1), axis=1))[0].attrs == ((1,),)
    assert made(chosen, sum_.of(softmax.of(p, axis=0), axis=1))[0] is None
    chosen = rule("kept", exp(softmax.of(x, axis=a)), sum_.of(x, axis=a))
    assert made(chosen, exp(softmax.of(p, axis=0)))[0].attrs == ((0,),)


def test_attributes_that_are_written_out_must_be_equal():
    chosen = rule("rows", sum_.of(x, axis=(0,)), x)
    (p,) = inputs("p")
    assert made(chosen, sum_.of(p, axis=0))[0] is not None
    assert made(chosen, sum_.of(p, axis=1))[0] is None


def test_an_attribute_that_is_left_out_may_be_anything():
    chosen = rule("any", sum_.of(x), x)
    (p,) = inputs("p")
    for axis in (0, 1, (0, 1)):
        assert made(chosen, sum_.of(p, axis=axis))[0] is not None


def test_as_many_operands_as_are_written():
    p, q, r = inputs("p", "q", "r", type=Type("float64", ()))
    for written in (1, 2, 3):
        chosen = rule("vector", make_vector.of(*[x, y, z][:written]), x)
        for k in (1, 2, 3):
            new = made(chosen, make_vector.of(*[p, q, r][:k]))[0]
            assert (new is not None) is (k == written)


def test_what_right_sides_are_made_of():
    """Other ops with attributes, and numbers that take the dtype of what they meet."""
    p, q = inputs("p", "q", type=Type("float32", (None, None)))
    new, _ = made(rule("sum", exp(x), sum_.of(x, axis=(0,))), exp(p))
    assert new.op is sum_ and new.attrs == ((0,),)
    new, _ = made(rule("sign", gt(x, y), gt(sub(x, y), 0)), gt(p, q))
    assert new.type.dtype == "bool" and new.inputs[1].type.dtype == "float32"
    new, node = made(rule("turned", gt(x, y), sub(0, x)), gt(p, q))
    assert [i.type.dtype for i in new.inputs] == ["float32", "float32"] and node.op is gt
    new, _ = made(rule("one", exp(x), 1), exp(variable(Type("float32", ()))))
    assert new.type is Type("float32", ()) and new.data == 1


def test_a_rule_waits_until_its_left_side_may_match(monkeypatch):
    """Its matchers are made when the operands have the ops they must have, or after many looks."""
    monkeypatch.setattr(pattern, "PATIENCE", 3)
    p, q = inputs("p", "q")
    for looks in (1, 3):
        chosen = rule("wait", add.of(exp(x), log(y)), x)
        for _ in range(looks):
            assert made(chosen, exp(p) + exp(q))[0] is None
            assert chosen not in pattern._MATCHERS
        assert made(chosen, log(q) + exp(p))[0] is not None and chosen in pattern._MATCHERS
    chosen = rule("wait", add.of(exp(x), 1), x)
    for _ in range(4):
        assert chosen not in pattern._MATCHERS
        assert made(chosen, exp(p) + exp(q))[0] is None
    assert chosen in pattern._MATCHERS
    assert made(chosen, exp(p) + 1.0)[0] is not None


def test_a_condition_sees_holes_and_the_node():
    seen = []
    chosen = rule("watch", exp(x), x, lambda m: seen.append((m.x, m.node)) or False)
    new, node = made(chosen, exp(inputs("p")[0]))
    assert new is None and seen == [(node.inputs[0], node)]


def test_a_function_on_the_right_may_take_the_node_and_decline():
    chosen = rule("decline", exp(x), lambda x, node: sqr(x) if node.type.ndim == 2 else None)
    assert made(chosen, exp(inputs("p")[0]))[0].op is sqr
    assert made(chosen, exp(variable(Type("float64", (None,)))))[0] is None


def test_new_nodes_come_from_the_line_of_the_old_one():
    chosen = rule("origin", exp(x), lambda x: sqr(sqr(x)))
    new, node = made(chosen, exp(inputs("p")[0]))
    assert new.origin == new.inputs[0].origin == node.origin


def test_numbers_on_the_right_take_the_dtype_of_their_neighbour():
    new, _ = made(rule("half", sqr(x), 0.5 * x), sqr(variable(Type("float32", (None,)))))
    assert new.type.dtype == "float32" and new.inputs[1].type.dtype == "float32"


def test_orders_that_say_the_same_are_compiled_once():
    assert len(compile_lhs(add.of(x, x))) == 1
    assert len(compile_lhs(add.of(x, exp(y)))) == 2
    assert len(compile_lhs(1 + x)) == 1
    assert len(compile_lhs(add.of(exp(x), log(y)))) == 2
    assert len(compile_lhs(add.of(mul.of(x, exp(y)), mul.of(z, log(y))))) == 8
    assert len(compile_lhs(sub.of(exp(x), y))) == 1
    # and, but for holes that stand twice, none is written twice
    for lhs in (x, 1 + x, exp(1 + x), add.of(x, exp(y)), sub.of(exp(x), y), sub.of(1, x),
                add.of(mul.of(x, exp(y)), mul.of(z, log(y))), mul.of(exp(x + 1), neg(y + z))):
        texts = [_matcher_text(lhs, iter(swaps))[0]
                 for swaps in itertools.product((False, True), repeat=_orders(lhs))]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("lhs, want", [
    (add.of(x, mul.of(y, exp(z))), """
  if n.op is not op0: return None
  n1 = n.inputs[1]
  if n1.op is not op2: return None
  n3 = n1.inputs[1]
  if n3.op is not op4: return None
  v0 = n3.inputs[0]
  v1 = n1.inputs[0]
  v2 = n.inputs[0]
  return dict(z=v0, y=v1, x=v2)"""),
    (sub.of(add.of(exp(x), 2), log(y)), """
  if n.op is not op0: return None
  n1 = n.inputs[0]
  n2 = n.inputs[1]
  if n2.op is not op3: return None
  v0 = n2.inputs[0]
  if n1.op is not op4: return None
  n5 = n1.inputs[0]
  n6 = n1.inputs[1]
  if not same_constant(n6, 2): return None
  if n5.op is not op7: return None
  v1 = n5.inputs[0]
  return dict(y=v0, x=v1)"""),
    (make_vector.of(x, x), """
  if n.op is not op0: return None
  if len(n.inputs) != 2: return None
  v0 = n.inputs[0]
  if n.inputs[1] is not v0 and n.inputs[1] != v0: return None
  return dict(x=v0)"""),
    (sum_.of(softmax.of(x, axis=a), axis=(0,)), """
  if n.op is not op0: return None
  if n.attrs[0] != (0,): return None
  n1 = n.inputs[0]
  if n1.op is not op2: return None
  v0 = n1.attrs[0]
  v1 = n1.inputs[0]
  return dict(a=v0, x=v1)"""),
], ids=["holes last", "literals first", "number of operands", "attributes"])
def test_a_matcher_asks_what_it_must(lhs, want):
    """Each thing once, and what is not a hole first: that is where most nodes do not match."""
    assert _matcher_text(lhs, itertools.repeat(False))[0] == "def match(n):" + want


def test_matchers_are_made_once():
    chosen = rule("once", exp(x), sqr(x))
    assert made(chosen, exp(inputs("p")[0]))[0].op is sqr
    matchers = pattern._MATCHERS[chosen]
    assert made(chosen, exp(inputs("p")[0]))[0].op is sqr
    assert pattern._MATCHERS[chosen] is matchers


def test_a_rule_set_knows_its_rules_by_op_and_may_leave_some_out():
    first, second = rule("a", exp(x), x, kind=exact), rule("b", exp(neg(x)), x)
    rules = ruleset("set", first, second)
    assert rules.by_op[exp] == [first, second]
    fewer = rules.without(["a"])
    assert fewer.rules == (second,) and fewer.by_op[exp] == [second]
    assert rules.without(["a"]) is fewer and rules.without([]) is rules
    assert rules.open_ended is False
    with pytest.raises(AssertionError, match="used twice"):
        ruleset("set", first, rule("a", log(x), x))


def test_a_function_as_a_rule(monkeypatch):
    """It gets the node and the pool; a node of the pool is taken as it is, others are entered."""
    @rule_on("own", exp, kind=exact)
    def own(node, pool):
        """ What it does. """
        return pool.make(sqr, node.inputs)

    new, node = made(own, exp(inputs("p")[0]))
    assert new.op is sqr and new.inputs == node.inputs and own.doc == "What it does."
    bare = rule_on("bare", exp)(lambda node, pool: exp(node) if pool else None)
    new, node = made(bare, exp(inputs("p")[0]))
    assert new.inputs == (node,) and hasattr(new, "serial") and bare.doc == ""
    monkeypatch.setattr(Pool, "intern", None)
    pool, (node,) = absorb([exp(inputs("p")[0])])
    assert attempt(own, node, pool).op is sqr


def test_a_rule_without_samples_is_not_registered():
    """Its name is in the message, which comes when the set is imported."""
    bare = rule_on("bare", exp)(lambda node, pool: None)
    with pytest.raises(ArgumentError, match="mine: the rule bare has no samples"):
        ruleset("mine", bare)
    ruleset("mine", rule_on("fed", exp, samples=lambda: [exp(variable(MATRIX))])(bare.apply))
    ruleset("mine", rule("a left side is one", exp(x), x))


def test_a_kind_must_be_one_that_is_tested():
    with pytest.raises(ArgumentError, match="the rule odd has the kind 'nearly', which is none of"):
        ruleset("mine", rule("odd", exp(x), x, kind="nearly"))
