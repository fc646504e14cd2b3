"""The pool: which expressions are one node, which lengths are one, what is taken for granted."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pool import Pool, absorb, expected, export, numbered
from symgrad.errors import ShapeError
from symgrad.node import CONST, toposort, variable
from symgrad.op import make
from symgrad.ops.math import add, exp, mul, sub
from symgrad.types import Type

VECTOR = Type("float64", (None,))


def entered(*outputs, **options):
    pool, nodes = absorb(outputs, **options)
    return (pool, *nodes)


def shapes(*outputs, **options):
    return [n.type.shape for n in absorb(outputs, **options)[1]]


# -- nodes


def test_equal_expressions_are_one_node():
    x, y = variable(VECTOR), variable(VECTOR)
    pool, a, b, c, d = entered(exp(x) * y, exp(x) * y, exp(x) * 2.0, exp(y) * y)
    assert a is b and len({a, c, d}) == 3
    assert c.inputs[1] is pool.constant(np.array(2.0))
    assert pool.constant(np.array(2.0)) is not pool.constant(np.array(2.0, "float32"))
    assert pool.constant(np.array(0.0)) is not pool.constant(np.array(-0.0))
    assert pool.members == set(toposort([a, b, c, d])) | {
        pool.constant(np.array(2.0, "float32")), pool.constant(np.array(0.0)),
        pool.constant(np.array(-0.0))}
    assert a.inputs[0] in pool.members and x not in pool.members


def test_commutative_operands_are_in_the_order_of_their_age_constants_last():
    x, y = variable(VECTOR), variable(VECTOR)
    pool, first, second = entered(x, y)
    two, three = (pool.constant(np.array(k)) for k in (2.0, 3.0))
    assert first.serial < second.serial < two.serial
    for op in (add, mul):
        for inputs, want in (((first, second), (first, second)), ((second, first), (first, second)),
                             ((two, second), (second, two)), ((second, two), (second, two)),
                             ((three, two), (three, two)), ((first, first), (first, first))):
            assert pool.make(op, inputs).inputs == want
        assert pool.make(op, (two, pool.make(exp, (first,)))).inputs[1] is two
    assert pool.make(sub, (second, first)).inputs == (second, first)


def test_a_name_that_comes_later_is_kept_the_first_one_stays():
    x = variable(VECTOR)
    plain, named, again = exp(x), exp(x), exp(x)
    named.name, again.name = "h", "g"
    assert absorb([plain])[1][0].name is None
    assert absorb([plain, named, again])[1][0].name == "h"


def test_a_node_of_another_type_is_another_one():
    pool, node = entered(exp(variable(VECTOR)))
    other = pool.retyped(node, VECTOR.with_shape((3,)))
    assert other is not node and other.type.shape == (3,) and other.inputs == node.inputs
    assert pool.retyped(node, other.type) is other and pool.retyped(other, node.type) is node
    assert pool.retyped(other, other.type) is other
    assert pool.make(exp, node.inputs) is node
    assert len(pool.members) == 3


def test_what_is_cut_off_is_a_leaf():
    x = variable(VECTOR, "x")
    inner = exp(x)
    outer = inner * inner + 1.0
    pool, new = entered(outer, cut=[inner])
    assert toposort([new])[0].op.kind == "leaf" and exp not in [n.op for n in toposort([new])]
    assert pool.source[pool.leaf[inner]] is inner
    pool, new, same = entered(inner, outer, cut=[inner])
    assert new is pool.leaf[inner] and new in toposort([same])
    pool, new = entered(inner, cut=[inner])
    assert new.op.kind == "leaf" and new.type.ndim == 1
    pool, new = entered(x, cut=[x])
    assert new is pool.leaf[x] and len(pool.members) == 1


def test_a_leaf_is_entered_once():
    x, s = variable(VECTOR, "x"), sg.shared(np.zeros(3), "s")
    pool, a = entered(exp(x) + s)
    assert pool.enter_leaf(x) is pool.leaf[x] and pool.enter_leaf(s) is pool.leaf[s]
    assert {n.op.name for n in pool.source} == {"input", "shared"}
    final, b = entered(a, prior=pool)
    assert final.source[final.leaf[x]] is x and final.leaf[x] is final.leaf[pool.leaf[x]]
    new, = export([b], final)
    assert x in toposort([new]) and s in toposort([new])
    assert not any([type(d) is not int and d is not None for n in toposort([new])
                    for d in n.type.shape])


# -- lengths


def test_two_lengths_are_one_the_older_stands_for_both():
    old, young, node = numbered(0), numbered(11), object()
    for pair in ((old, young), (young, old)):
        pool = Pool()
        assert pool.unite(*pair, node, False) and pool.find(young) is old is pool.find(old)
        assert not pool.unite(*pair, node, False) and not pool.unite(young, young, node, False)
        assert not pool._unsure
    for pair in ((3, young), (young, 3), (3, old), (old, 3)):
        pool = Pool()
        assert pool.unite(*pair, node, False)
        assert {pool.find(d) for d in pair} == {3}
        assert not pool.unite(*pair, node, False)
    pool = Pool()
    assert not pool.unite(3, 4, node, False) and not pool.unite(3, 3, node, False)
    assert pool.find(3) == 3 and not pool._same
    nine, ten = numbered(9), numbered(10)  # their names are compared as numbers
    pool.unite(ten, nine, node, False)
    assert pool.find(ten) is nine


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_why_two_lengths_are_one(first, second):
    """What is equal to a length that was united softly may be so for that reason alone."""
    pool, one, two = Pool(), object(), object()
    a, b, c = (pool.dim(k) for k in "abc")
    assert pool.reason("a") is None is pool.reason("nobody")
    pool.unite(a, b, one, first)
    pool.unite(b, c, two, second)
    assert pool.reason("a") is None
    assert pool.reason("b") == (one, first) and pool.reason("c") == (two, first or second)
    pool.unite(c, pool.dim("d"), two, False)
    assert pool.reason("d") == (two, first or second)
    assert pool.dim("c") is a


def test_operands_have_the_same_lengths():
    x, y = T.dmatrix("x"), T.dmatrix("y")
    (a, b), (c, d), _ = shapes(x, y, x + y)
    assert a is c and b is d and a is not b
    (a, b), (c, d), (e, f) = shapes(x, y, T.dot(x, y))
    assert b is c and e is a and f is d and len({a, b, d}) == 3
    (a, b), (c, d), _ = shapes(x, T.dvector("v").dimshuffle("x", 0), T.dvector("v") + x)
    assert c == 1 and d is not b
    row = T.drow("row")
    (_, a), (one, b), _ = shapes(x, row, x + row)
    assert one == 1 and a is b
    known = T.tensor("float64", (3, None))
    assert shapes(x, x + known)[0][0] == 3
    with pytest.raises(ShapeError):
        absorb([T.tensor("float64", (3,)) + T.tensor("float64", (4,))])


def test_what_is_usually_equal():
    """Rows in ``x[arange(len(y)), y]``, of which NumPy asks no such thing."""
    x, y, cube = T.dmatrix("x"), T.lvector("y"), T.dtensor3("cube")
    rows = T.arange(y.shape[0])
    for picked, equal in ((x[rows, y], True), (x[rows, y + 1], True), (cube[rows, y], True),
                          (cube[:, rows, y], False), (cube[rows, :, y], True), (x[y, rows], False),
                          (x[rows], False), (cube[1:, rows, y], False)):
        base = cube if cube in toposort([picked]) else x
        for expect in (True, False):
            pool, a, b, n = entered(base, y, picked, expect=expect)
            assert (a.type.shape[0] is b.type.shape[0]) is (equal and expect), picked
            if equal and expect:
                reasons = [pool.reason((v, 0)) for v in (base, y)]
                assert sum([r is not None and r[1] for r in reasons]) == 1
    known = T.tensor("float64", (10, 3))
    assert shapes(known[T.arange(4), T.tensor("int64", (4,), "k")])[0] == (4,)
    single = T.tensor("float64", (1, 3))
    assert not isinstance(shapes(y, single[rows, y])[0][0], int)  # a length of one may stretch
    assert not list(expected(absorb([exp(x)])[1][0], {}))


def test_sides_of_a_condition_are_usually_as_long_as_one_another():
    x, y, c = T.dvector("x"), T.dvector("y"), T.bscalar("c")
    for expect in (True, False):
        (a,), (b,), _ = shapes(x, y, sg.ifelse(c, x, y), expect=expect)
        assert (a is b) is expect
    (a,), (b,), _ = shapes(x, y, sg.ifelse(c, x[1:], y))  # computed lengths are their own
    assert a is not b
    (a,), (b,), _ = shapes(x, y, sg.ifelse(c, exp(x + y), x * 2.0), expect=True)
    assert a is b
    (a,), (b,), _ = shapes(x, y, sg.ifelse(c, exp(x + y), x * 2.0), expect=False)
    assert a is not b  # it may never be added


def test_constants_leave_as_they_came():
    x = variable(VECTOR, "x")
    pool, new = entered(exp(x) * 3.0)
    new.name = "out"
    made, = export([new], pool)
    assert made.name == "out" and made.type.shape == (None,) and type(made) is not type(new)
    assert [n.op is CONST for n in made.inputs] == [False, True]
    assert make(exp, (x,)).op is made.inputs[0].op
