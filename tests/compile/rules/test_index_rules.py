"""At which graphs the rules of parts.py fire: pairs of neighbours, where one condition differs."""

import numpy as np
import pytest
from test_rules import arrays, fires, plain

from symgrad.compile.pattern import attempt
from symgrad.compile.pool import absorb
from symgrad.compile.rules import parts
from symgrad.compile.rules.common import given, mat, num, var, vec
from symgrad.interpret import run
from symgrad.node import constant, toposort
from symgrad.ops import OPS
from symgrad.ops.index import FULL, Slice, gather, subtensor
from symgrad.ops.join import join
from symgrad.ops.lengths import length
from symgrad.ops.logic import cast
from symgrad.ops.math import neg
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import transpose
from symgrad.ops.source import arange, zeros_like


def joined(*bounds, like=None):
    like = mat() if like is None else like
    return join.of(*[subtensor.of(like, idx=(Slice(*b), FULL)) for b in bounds], axis=0)


def write(x, y, *scalars, idx, set=False):
    return inc_subtensor.of(x, y, *scalars, idx=idx, set=set)


def at(i, j, graph):
    return given((num("int64"), num("int64")), lambda p: graph(p[i], p[j]))


TWO, THREE = var("float64", 2), var("float64", 3)
FIVE = join.of(TWO, THREE, axis=0)
MORE = join.of(TWO, THREE, vec(), axis=0)
ONE, VEC = constant(np.zeros(3)), vec()

CASES = [
    ("WHOLE", mat()[:, ::-1], False), ("WHOLE", mat()[::-1, :], False),
    ("WHOLE", subtensor.of(num(), idx=()), True),
    ("PART_OF_PART", mat()[:, 1:][num("int64")], True),
    ("PART_OF_PART", mat()[1:, 1:][num("int64")], False),
    ("ALL_ROWS", given(mat(), lambda m: gather.of(m, arange(length.of(m, axis=0)),
                                                  idx=("#", FULL))), True),
    ("ALL_ROWS", given(mat(), lambda m: gather.of(m, arange(length.of(m, axis=1)),
                                                  idx=(FULL, "#"))), True),
    ("ALL_ROWS", given(mat(), lambda m: gather.of(m, arange(length.of(m, axis=1)),
                                                  idx=("#", FULL))), False),
    ("ALL_ROWS", given(mat(), lambda m: gather.of(m, arange(length.of(m, axis=0)),
                                                  idx=("#", Slice(1)))), False),
    ("ALL_ROWS", given(mat(), lambda m: gather.of(m, arange(length.of(m, axis=0)), num("int64"),
                                                  idx=("#", Slice("@")))), False),
    ("ALL_ROWS", given(mat(), lambda m: gather.of(
        m, cast.of(arange(length.of(m, axis=0)), dtype="int8"), idx=("#", FULL))), False),
    ("PART_OF_TRANSPOSED", transpose.of(mat())[num("int64")], False),
    ("JOIN_OF_JOINED", join.of(join.of(mat(), mat(), axis=0), mat(), axis=1), False),
    ("JOIN_OF_JOINED", join.of(join.of(mat(), mat(), axis=0), mat(), axis=0), True),
    ("JOIN_OF_JOINED", join.of(mat(), mat(), axis=0), False),
    ("JOIN_OF_JOINED", join.of(  # its attribute is no axis
        OPS["grad_scale"].of(mat(), multiplier=0), mat(), axis=0), False),
    ("JOIN_OF_PARTS", joined((None, 1), (1, None)), True),
    ("JOIN_OF_PARTS", given(mat(), lambda m: join.of(neg(m), m[2:], axis=0)), False),
    ("JOIN_OF_PARTS", joined((None, 2), (2, 3), (3, None)), True),
    ("JOIN_OF_PARTS", joined((None, 2), (3, None)), False),
    ("JOIN_OF_PARTS", joined((1, 2), (2, None)), False),
    ("JOIN_OF_PARTS", joined((None, 2), (2, None, 2)), False),
    ("JOIN_OF_PARTS", joined((None, 2), (2, 3)), False),
    ("JOIN_OF_PARTS", joined((None, 2), (2, 2), (2, None)), False),
    ("JOIN_OF_PARTS", joined((None, 3), (3, 1), (1, None)), False),
    ("JOIN_OF_PARTS", joined((None, 2), (2, -1), (-1, None)), False),
    ("JOIN_OF_PARTS", joined((None, -1), (-1, None)), False),
    ("JOIN_OF_PARTS", given(mat(), lambda m: join.of(m[0], m[1], axis=0)), False),
    ("JOIN_OF_PARTS", join.of(mat()[:2], mat()[2:], axis=0), False),
    ("JOIN_OF_PARTS", given(mat(), lambda m: join.of(m[:2, 1:], m[2:, 1:], axis=0)), False),
    ("JOIN_OF_PARTS", given((mat(), num("int64")), lambda p: join.of(
        p[0][:p[1]], p[0][p[1]:], axis=0)), False),
    ("PART_OF_JOINED", FIVE[1], True), ("PART_OF_JOINED", FIVE[2], True),
    ("PART_OF_JOINED", FIVE[3], True), ("PART_OF_JOINED", MORE[5], False),
    ("PART_OF_JOINED", join.of(TWO, vec(), THREE, axis=0)[2:], False),
    ("PART_OF_JOINED", MORE[-1], False), ("PART_OF_JOINED", MORE[2:], False),
    ("PART_OF_JOINED", FIVE[2:], True), ("PART_OF_JOINED", FIVE[1:], False),
    ("PART_OF_JOINED", MORE[2:5], True), ("PART_OF_JOINED", MORE[2:6], False),
    ("PART_OF_JOINED", MORE[1:3], False), ("PART_OF_JOINED", MORE[1:-1], False),
    ("PART_OF_JOINED", MORE[-1:1], False), ("PART_OF_JOINED", MORE[:-1], False),
    ("PART_OF_JOINED", MORE[2:5:2], True), ("PART_OF_JOINED", MORE[1::-1], False),
    ("PART_OF_JOINED", FIVE[1:0:-1], True), ("PART_OF_JOINED", FIVE[4:1:-1], False),
    ("PART_OF_JOINED", MORE[num("int64")], False), ("PART_OF_JOINED", MORE[:num("int64")], False),
    ("PART_OF_JOINED", join.of(vec(), TWO, axis=0)[1], False),
    ("PART_OF_JOINED", join.of(mat(), mat(), axis=1)[0], False),
    ("IDLE_WRITE", write(var("float64", 3), constant(0.0), idx=(0,)), True),
    ("IDLE_WRITE", write(var("float64", 3), constant(1.0), idx=(0,)), False),
    ("IDLE_WRITE", write(var("float64", 3), num(), idx=(0,)), False),
    ("IDLE_WRITE", write(mat(), num(), num("int64"), idx=("@", FULL)), False),
    ("IDLE_WRITE", write(vec(), constant(0.0), idx=(0,)), False),
    ("IDLE_WRITE", write(var("float64", 3), constant(0.0), idx=(0,), set=True), False),
    ("IDLE_WRITE", write(var("float64", 3, 3), ONE, idx=(0, FULL)), True),
    ("IDLE_WRITE", write(var("float64", 3, 3), constant(np.arange(3.0)), idx=(0, FULL)), False),
    ("WRITE_INTO_THIN", write(var("float64", 1, None), vec(), idx=(0, FULL)), True),
    ("WRITE_INTO_THIN", write(var("float64", 1, None), mat(), idx=(FULL, Slice(1))), False),
    ("WRITE_INTO_THIN", write(var("float64", 1, None), num(), idx=(FULL, Slice(1))), True),
    ("WRITE_INTO_THIN", write(var("float64", None, 2), num(), idx=(0, 0)), False),
    ("WRITE_INTO_THIN", write(var("float64", 1, None), vec(), vec("int64"), idx=(0, "#")), False),
    ("READ_OF_WRITE", at(0, 0, lambda i, j: write(mat(), vec(), i, idx=("@", FULL))[j]), True),
    ("READ_OF_WRITE", at(0, 1, lambda i, j: write(mat(), vec(), i, idx=("@", FULL))[j]), False),
    ("READ_OF_WRITE", write(mat(), vec(), idx=(0, FULL))[1], False),
    ("READ_OF_WRITE", write(mat(), vec(), idx=(0, FULL), set=True)[0], False),
    ("READ_OF_WRITE", vec()[1:][1:], False), ("READ_BESIDE_WRITE", vec()[:1][1:], False),
    ("READ_BESIDE_WRITE", write(mat(), vec(), idx=(2, FULL))[:2], False),
    ("READ_BESIDE_WRITE", write(vec(), num(), idx=(0,))[1:], False),  # it may be out of range
    ("READ_BESIDE_WRITE", write(THREE, num(), idx=(0,))[1:], True),
    ("READ_BESIDE_WRITE", write(THREE, num(), idx=(1,))[1:], False),
    ("READ_BESIDE_WRITE", at(0, 1, lambda i, j: write(
        mat(), num(), j, idx=(FULL, Slice(None, "@")))[i, j:]), True),
    ("READ_BESIDE_WRITE", at(0, 1, lambda i, j: write(
        mat(), num(), i, idx=(FULL, Slice(None, "@")))[i, j:]), False),
    ("PART_OF_WRITES", given(mat(), lambda m: write(zeros_like(m), num(), idx=(0, FULL)) + m)[:2],
     True),
    ("PART_OF_WRITES", given(mat(), lambda m: write(
        zeros_like(m), num(), idx=(0, FULL)) + m)[num("int64"):], True),
    ("PART_OF_WRITES", given(mat(), lambda m: write(zeros_like(m), num(), idx=(0, FULL)) + m[0])[
        :2], False),
    ("READ_BESIDE_WRITE", write(mat(), mat(), vec("int64"), idx=("#", FULL))[:2], False),
    ("READ_BESIDE_WRITE", write(mat(), mat(), idx=(Slice(2), FULL))[:3], False),
    ("READ_BESIDE_WRITE", given(mat(), lambda m: write(m, m[2:], idx=(Slice(2), FULL))[:2, 1:]),
     True),
    ("WRITE_OVER_WRITE", at(0, 0, lambda i, j: write(
        write(mat(), num(), i, idx=("@", FULL)), vec(), j, idx=("@", FULL), set=True)), True),
    ("WRITE_OVER_WRITE", at(0, 1, lambda i, j: write(
        write(mat(), num(), i, idx=("@", FULL)), vec(), j, idx=("@", FULL), set=True)), False),
    ("WRITE_OVER_WRITE", at(0, 0, lambda i, j: write(
        write(mat(), num(), i, idx=("@", FULL)), vec(), j, idx=("@", FULL))), False),
    ("WRITE_OVER_WRITE", given((mat(), vec("int64")), lambda p: write(
        write(p[0], num(), p[1], idx=("#", FULL)), num(), p[1], idx=("#", FULL), set=True)), False),
]


@pytest.mark.parametrize("rule,graph,yes", CASES, ids=[f"{k}-{c[0]}" for k, c in enumerate(CASES)])
def test_it_fires(rule, graph, yes):
    hit = fires(getattr(parts, rule), graph)
    assert (hit is not None) is yes
    if hit and len(toposort([graph])) < 50:
        values = arrays(hit, plain(0))
        want, have = run(list(hit), values)
        np.testing.assert_allclose(have, want, rtol=1e-12)


def test_the_whole_of_what_has_a_less_known_length():
    pool, (x,) = absorb([vec()])
    assert attempt(parts.WHOLE, pool.make(subtensor, (x,), ((FULL,),)), pool) is x
    three = pool.make(subtensor, (x,), ((FULL,),), type=THREE.type)
    assert attempt(parts.WHOLE, three, pool) is None
