"""The pool: which expressions are one node, which lengths are one, what is taken for granted."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pool import Pool, absorb, expected, export, numbered
from symgrad.errors import ShapeError
from symgrad.node import CONST, INPUT, SHARED, toposort, variable
from symgrad.op import make
from symgrad.ops.body import Body, State
from symgrad.ops.index import FULL, Slice, nonzero
from symgrad.ops.math import add, exp, mul, sub
from symgrad.ops.scan import item, results
from symgrad.types import Dim, Type

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
        young = pool.make(exp, (first,))
        assert pool.make(op, (two, young)).inputs == pool.make(op, (young, two)).inputs == (
            young, two)
    assert pool.make(sub, (second, first)).inputs == (second, first)


def test_a_name_that_comes_later_is_kept_the_first_one_stays():
    x = variable(VECTOR)
    plain, named, again = exp(x), exp(x), exp(x)
    named.name, again.name = "h", "g"
    assert absorb([plain])[1][0].name is None
    assert absorb([plain, named, again])[1][0].name == "h"
    assert absorb([named, plain])[1][0].name == "h"


def test_a_node_of_another_type_is_another_one():
    pool, node = entered(exp(variable(VECTOR)))
    other = pool.retyped(node, VECTOR.with_shape((3,)))
    assert other is not node and other.type.shape == (3,) and other.inputs == node.inputs
    assert pool.retyped(node, other.type) is other and pool.retyped(other, node.type) is node
    assert pool.retyped(other, other.type) is other
    assert pool.make(exp, node.inputs) is node
    assert len(pool.members) == 3
    new = pool.make(mul, (node, node), type=other.type)  # there is none of the other type
    assert new.type is other.type and pool.make(mul, (node, node)) is new


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
    assert [pool.leaf[n].op for n in (x, s)] == [INPUT, SHARED]
    final, b = entered(a, prior=pool)
    assert final.source[final.leaf[x]] is x and final.leaf[x] is final.leaf[pool.leaf[x]]
    new, = export([b], final)
    assert x in toposort([new]) and s in toposort([new])
    assert not any([type(d) is not int and d is not None for n in toposort([new])
                    for d in n.type.shape])


def test_leaves_are_older_than_what_is_computed():
    x, y, s = variable(VECTOR), variable(VECTOR), sg.shared(np.zeros(3))
    for leaf in (y, s):
        pool, out = entered(exp(x) * leaf)
        assert out.inputs == (pool.leaf[leaf], pool.make(exp, (pool.leaf[x],)))


def test_what_rules_make_is_entered_as_of_one_line():
    x = variable(VECTOR)
    pool, node = entered(exp(x))
    made = mul(add(node, 1.0), node)
    new, same = pool.intern([made, node], ("file", 7))
    assert new.origin == new.inputs[1].origin == ("file", 7) != node.origin
    assert same is node and new.inputs[0] is node
    leaves = variable(VECTOR), sg.shared(np.zeros(3))
    assert pool.intern(leaves) == [pool.leaf[i] for i in leaves]
    plain, = pool.intern([sub(node, 1.0)])
    assert "test_pool" in plain.origin[0]


def test_an_index_is_spelled_by_the_lengths_that_are_found():
    """One that is then out of range is left for the call to refuse."""
    x, known = variable(VECTOR), variable(Type("float64", (3,)))
    for index, said in (((slice(0, 3),), (FULL,)), ((slice(1, 9),), (Slice(1, None, None),)),
                        ((-1,), (2,)), ((5,), (5,))):
        for value in (x[index], x[index] * 2.0):
            first = absorb([value, x + known])[1][0]
            node = first if first.op is not mul else first.inputs[0]
            assert node.attrs == (said,)
        assert absorb([x[index]])[1][0].attrs == x[index].attrs


# -- lengths


def test_lengths_that_only_a_run_tells_are_new_ones():
    x = variable(VECTOR, "x")
    pool, v, found, again = entered(x, nonzero.of(x), nonzero.of(x))
    assert found is again and [d.name for d in (*v.type.shape, found.type.shape[1])] == ["d0", "d1"]
    assert found.type.shape[0] == 1
    made = [pool.infer(nonzero, (v,), ()) for _ in range(2)]  # of nodes that are not the user's
    assert [t.shape[1].name for t in made] == ["d2", "d3"]
    other = pool.make(exp, (v,))
    assert pool.make(exp, (v,)) is other and other.type is v.type


def test_results_of_a_loop_have_lengths_of_their_own():
    s, w = T.dvector("s"), T.dvector("w")
    body = Body((s, w), (s * w, nonzero.of(s)[0]), 0, (State((1,)),), (True,))
    whole = results(T.lscalar("n"), [], [T.dmatrix("S")], [T.dvector("W")], body)[0].inputs[0]
    parts = [make(item, (whole,), (k,)) for k in (0, 1)]
    pool, a, b, rows = entered(*parts, T.dmatrix("x")[::2])
    assert [d.name for d in (*a.type.shape, *b.type.shape)] == ["d5", "d1", "d6", "d7"]
    for k, part in enumerate((a, b)):
        for axis in (0, 1):
            assert pool.named(part, axis) == (whole, k, axis)
    assert pool.named(rows, 0)[1] == 0 and pool.named(rows, 0)[0].op.name == "subtensor"
    assert a.inputs[0].type.items == (a.type, b.type) and a.inputs[0] is b.inputs[0]


@pytest.mark.parametrize("expect", [False, True])
def test_lengths_that_must_agree_if_they_are_asked_for(expect):
    """What a side of a condition needs is no matter of course, nor what nobody asks for."""
    x, y, z, c = T.dvector("x"), T.dvector("y"), T.dvector("z"), T.bscalar("c")
    side = sg.ifelse(c, (x + y).sum(), 0.0)
    inner = sg.ifelse(c, sg.ifelse(c, 0.0, (x + y).sum()), 1.0)
    for out in (side, inner):
        pool, a, b, d, *_ = entered(x, y, z, out, x * z, expect=expect)
        assert (a.type.shape[0] is b.type.shape[0]) is expect and a.type.shape == d.type.shape
        why = pool.reason((y, 0))
        assert (why and (why[0].op, why[1])) == ((add, True) if expect else None)
        why = pool.reason((z, 0))
        assert (why[0].op, why[1]) == (mul, expect)
    pool, *_ = entered(x + y, expect=expect)
    assert pool.reason((y, 0))[1] is False


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
    known, n = T.tensor("float64", (3, None)), Dim("n")
    assert shapes(x, x + known)[0][0] == 3
    (a,), (b,) = shapes(T.tensor("float64", (n,)), T.tensor("float32", (n,)))
    assert a is b and a.name == "d0"
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
    assert Pool().expect is False


def test_sides_of_a_condition_are_usually_as_long_as_one_another():
    x, y, c = T.dvector("x"), T.dvector("y"), T.bscalar("c")
    for expect in (True, False):
        (a,), (b,), _ = shapes(x, y, sg.ifelse(c, x, y), expect=expect)
        assert (a is b) is expect
    for side in (x[1:], T.tensor("float64", (3,))):  # computed lengths are their own, and numbers
        (a,), (b,), _ = shapes(side, y, sg.ifelse(c, side, y))
        assert a is not b and isinstance(b, Dim)
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
