"""Moves of indices and sums, one by one: where each fires, and where it must not."""

import itertools

import numpy as np
import pytest

from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log, _step
from symgrad.compile.rules import parts, shapes
from symgrad.compile.rules.common import mat, num, sizes, var, vec
from symgrad.interpret import run
from symgrad.node import INPUT, constant, toposort
from symgrad.op import weak_numbers
from symgrad.ops.index import FULL, Slice, gather, slice_length, subtensor, tidy_index, tidy_slice
from symgrad.ops.join import join
from symgrad.ops.lengths import make_vector
from symgrad.ops.logic import cast
from symgrad.ops.reduce import any_, max_, sum_
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import broadcast_to, unsqueeze
from symgrad.ops.source import arange
from symgrad.types import Dim

M, V, N, AT, TO = mat(), vec(), num(), num("int64"), num("int64")
TWO, FIVE = var("float64", 2), var("float64", 5)


def moved(rule, graph):
    """A graph and what a rule makes of it; None where it does not fire."""
    pool, (node,) = absorb([graph])
    log = Log()
    with weak_numbers():
        hit = _step(node, [rule], pool, log)
    assert not log.refused
    return (node, hit[0]) if hit else None


def values(graph, length):
    """Numbers for the inputs of a graph; unknown lengths are `length`, integers 1."""
    leaves = [n for n in toposort([graph]) if n.op is INPUT]
    out = {}
    for n in leaves:
        shape = [length if isinstance(d, Dim) else d for d in n.type.shape]
        out[n] = np.asarray(1 if n.type.dtype == "int64" and not shape else
                            np.arange(np.prod(shape)).reshape(shape) + 1, n.type.dtype)
    return out


def check(rule, graph, fires, lengths=(0, 1, 3, 7)):
    found = moved(rule, graph)
    assert (found is not None) is fires
    for length in lengths if fires else ():
        old, new = run(found, values(found[0], length))
        np.testing.assert_array_equal(new, old, strict=True)


# -- entries of an index


SLICES = [Slice(*s) for s in itertools.product((None, 1, 2, -2), (None, 0, 2, -1), (None, 2, -1))]


CUBE = var("float64", None, None, None)


def words(value):
    """A parameter in the name of a test; a Rule says where its functions are."""
    return getattr(value, "name", None) or repr(value)


@pytest.mark.parametrize("inner", SLICES, ids=str)
def test_an_entry_after_an_entry(inner):
    inner = tidy_slice(inner, None)
    plain = inner == FULL or min(inner.start or 0, inner.step or 1) >= 0 and inner.stop is None
    for outer in (0, 2, -1, *(tidy_slice(s, None) for s in SLICES)):
        made = parts.compose(outer, inner, None)
        forward = outer >= 0 if isinstance(outer, int) else min(
            outer.start or 0, outer.stop or 0, outer.step or 1) >= 0
        assert (made is not None) is (FULL in (outer, inner) or plain and forward)
        for n in range(7):
            x = np.arange(n)[slice(*inner)]
            if isinstance(outer, int):
                if made is not None and -len(x) <= outer < len(x):
                    assert np.arange(n)[made] == x[outer]
            elif made is not None:
                assert list(np.arange(n)[slice(*made)]) == list(x[slice(*outer)])


@pytest.mark.parametrize("inner", SLICES, ids=str)
def test_an_entry_after_an_entry_of_known_length(inner):
    for n in range(1, 7):
        own = tidy_slice(inner, n)
        x = np.arange(n)[_key(own)]
        for outer in range(len(x)):
            assert np.arange(n)[parts.compose(outer, own, n)] == x[outer]
        for outer in (tidy_slice(s, slice_length(own, n)) for s in SLICES):
            made = parts.compose(outer, own, n)
            assert list(np.arange(n)[_key(made)]) == list(x[_key(outer)])


def _key(entry):
    return slice(*entry) if isinstance(entry, Slice) else entry


@pytest.mark.parametrize("outer,inner", [
    ("@", Slice(1)), (Slice("@"), Slice(1)), (0, Slice("@")), (Slice(1), Slice(None, "@"))])
def test_entries_that_are_not_known(outer, inner):
    assert parts.compose(outer, inner, 5) is None and parts.compose(outer, inner, None) is None


BIG = [int("1000"), int("1000")]  # equal, but not one object


@pytest.mark.parametrize("read,write,yes", [
    (Slice(None, 2), Slice(2), True), (Slice(2), Slice(None, 2), True), (1, Slice(2), True),
    (2, Slice(2), False), (0, Slice(1), True), (Slice(2), 1, True),
    (Slice(None, 0), Slice(2), True),
    (Slice(None, 3), Slice(2), False), (Slice(None, BIG[0]), Slice(BIG[1]), True),
    (Slice(None, -2), Slice(2), False), (Slice(None, -3), Slice(-2), False), (-1, Slice(2), False),
    (Slice(None, 2, -1), Slice(2), False), (Slice(None, 2), Slice(2, None, -1), False),
    (Slice(None, 2), Slice(2, 4), False), (Slice(1, 2), Slice(2), False), (FULL, Slice(2), False),
    (Slice(None, "n"), Slice("n"), True), (Slice(None, "n"), Slice("m"), False),
    (Slice(None, "n"), Slice(2), False), (Slice(None, 2), Slice("n"), False),
    ("n", Slice(2), False), (0, 1, False)], ids=str)
def test_apart(read, write, yes):
    assert parts.apart(read, write) is yes


# -- rows that are counted


@pytest.mark.parametrize("n,yes", [
    (constant(np.arange(3)), True), (constant(np.arange(3, dtype="int8")), True),
    (constant(np.array([0, 2, 1])), False), (constant(np.array([0, 1, 3])), False),
    (constant(np.arange(4)), False), (constant(np.array(0)), False),
    (constant(np.tile(np.arange(3), (3, 1))), False), (arange.of(0, 3, 1), True),
    (arange.of(1, 4, 1), False), (arange.of(0, 6, 2), False), (arange.of(AT, 3, 1), False),
    (cast.of(arange.of(0, 3, 1, dtype="int32"), dtype="int64"), True),
    (make_vector.of(constant(0), AT, constant(1)), False),
    (arange.of(0, 3, TO), False), (arange.of(0, 3, 1, dtype="uint8"), False),
    (cast.of(arange.of(0, 3, 1), dtype="int8"), False), (var("int64", 3), False)], ids=words)
def test_counts(n, yes):
    assert parts.counts(n, 3) is yes


def test_rows_counted_in_few_bits():
    x, rows = var("float64", 300), cast.of(arange.of(0, 300, 1), dtype="uint8")
    check(parts.ALL_ROWS, gather.of(x, rows, idx=("#",)), False)


@pytest.mark.parametrize("graph,fires", [
    (gather.of(var("float64", 3, 2), constant(np.arange(3)), idx=("#", FULL)), True),
    (gather.of(var("float64", 3, 2), constant(np.arange(2)), idx=(FULL, "#")), True),
    (gather.of(var("float64", 3, 2), constant(np.arange(3)), idx=("#", Slice(1))), False),
], ids=words)
def test_all_rows(graph, fires):
    check(parts.ALL_ROWS, graph, fires)


# -- joined tensors


def columns(x, *ends):
    """A join of x cut at some columns."""
    return join.of(*[subtensor.of(x, idx=(FULL, Slice(a, b)))
                     for a, b in itertools.pairwise((None, *ends, None))], axis=1)


@pytest.mark.parametrize("graph,fires", [
    (columns(M, 2), True), (columns(M, 2, 2), False), (columns(M, 0, 2), False),
    (columns(M, 5, 2), False), (columns(M, 2, -1), False), (columns(M, -3, -1), False),
    (join.of(M[0], M[1], axis=0), False), (join.of(M[:2], M[3:], axis=0), False),
    (join.of(M[:2], M[2::2], axis=0), False), (join.of(M[:2], M[2:5], axis=0), False),
    (join.of(M[:2], mat()[2:], axis=0), False), (join.of(M[:2, 1:], M[2:, 1:], axis=0), False),
    (join.of(CUBE[:2, :, 1:], CUBE[2:, :, 1:], axis=0), False),
    (join.of(CUBE[:2], CUBE[2:], axis=0), True),
    (join.of(M[:AT], M[AT:], axis=0), False), (join.of(V, V[2:], axis=0), False)], ids=words)
def test_join_of_parts(graph, fires):
    check(parts.JOIN_OF_PARTS, graph, fires)


@pytest.mark.parametrize("graph,fires", [
    (join.of(join.of(M, M, axis=1), M, axis=1), True),
    (join.of(join.of(M, M, axis=0), join.of(M, M, axis=0), axis=1), False),
    (join.of(M, M, axis=0), False), (join.of(M, axis=0), True)], ids=words)
def test_join_of_joined(graph, fires):
    check(parts.JOIN_OF_JOINED, graph, fires)


KNOWN, OPEN = join.of(TWO, FIVE, axis=0), join.of(TWO, V, axis=0)


@pytest.mark.parametrize("joined,key,fires", [
    (KNOWN, 1, True), (KNOWN, 2, True), (KNOWN, Slice(0, 2), True), (KNOWN, Slice(2), True),
    (KNOWN, Slice(2, 6, 2), True), (KNOWN, Slice(1, 3), False), (KNOWN, FULL, False),
    (KNOWN, Slice(4, 1, -1), False), (KNOWN, Slice(None, None, -1), False),
    (KNOWN, Slice(1, None, -1), False), (OPEN, 0, True), (OPEN, 2, False), (OPEN, -1, False),
    (OPEN, Slice(None, 2), True), (OPEN, Slice(1, 0), True), (OPEN, Slice(1), False),
    (OPEN, Slice(None, -1), False), (OPEN, Slice(1, -1), False), (OPEN, Slice(-2, 2), False),
    (OPEN, Slice(1, 3), False), (OPEN, FULL, False), (OPEN, AT, False),
    (join.of(V, TWO, axis=0), 0, False), (join.of(TWO, FIVE, V, axis=0), Slice(3, 6), True)],
    ids=words)
def test_part_of_joined(joined, key, fires):
    graph = subtensor.of(joined, AT, idx=("@",)) if key is AT else subtensor.of(joined, idx=(key,))
    check(parts.PART_OF_JOINED, graph, fires)


# -- writing


THREE = var("float64", 3, None)


def write(x, y, *scalars, idx, set=False):
    return inc_subtensor.of(x, y, *scalars, idx=tidy_index([x.type], idx)[0], set=set)


@pytest.mark.parametrize("rule,graph,fires", [
    (parts.IDLE_WRITE, write(THREE, 0.0, idx=(0,)), True),
    (parts.IDLE_WRITE, write(THREE, 0.0, idx=(0,), set=True), False),
    (parts.IDLE_WRITE, write(THREE, 1.0, idx=(0,)), False),
    (parts.IDLE_WRITE, write(M, 0.0, idx=(0,)), False),
    (parts.IDLE_WRITE, write(THREE, constant(np.zeros(2)), idx=(0,)), True),
    (parts.READ_OF_WRITE, write(M, V, AT, idx=("@",))[AT], True),
    (parts.READ_OF_WRITE, write(M, V, AT, idx=("@",))[TO], False),
    (parts.READ_OF_WRITE, write(M, V, AT, idx=("@",), set=True)[AT], False),
    (parts.READ_OF_WRITE, write(THREE, V, idx=(0,))[1], False),
    (parts.WRITE_OVER_WRITE,
     write(write(M, N, AT, idx=("@",)), V, AT, idx=("@",), set=True), True),
    (parts.WRITE_OVER_WRITE,
     write(write(M, N, TO, idx=("@",)), V, AT, idx=("@",), set=True), False),
    (parts.WRITE_OVER_WRITE, write(write(M, N, AT, idx=("@",)), V, AT, idx=("@",)), False),
    (parts.WRITE_OVER_WRITE, write(write(M, N, idx=(0,)), V, idx=(1,), set=True), False),
], ids=words)
def test_writes(rule, graph, fires):
    check(rule, graph, fires, lengths=(2, 3))


# -- reductions


def wide(x, *shape):
    return broadcast_to.of(x, *shape)


@pytest.mark.parametrize("rule,graph,fires", [
    (shapes.FOLD_OF_NOTHING, sum_.of(unsqueeze.of(vec("bool"), axes=(0,)), axis=(0,)), True),
    (shapes.FOLD_OF_NOTHING, sum_.of(var("float64", None, 1, 3, 1, 2), axis=(0, 1, 3, 4)), True),
    (shapes.FOLD_OF_NOTHING, sum_.of(var("float64", 1, 3, 2), axis=(0, 2)), True),
    (shapes.FOLD_OF_NOTHING, sum_.of(M, axis=(0,)), False),
    (shapes.FOLD_OF_STRETCHED, sum_.of(wide(var("float64", 3, 1, 2), 3, 4, 2), axis=(1,)), True),
    (shapes.FOLD_OF_STRETCHED, sum_.of(wide(var("float64", 1, 3, 2), 5, 4, 3, 2), axis=(1, 2)),
     True),
    (shapes.FOLD_OF_STRETCHED, sum_.of(wide(var("float64", 1, 3), 4, 3), axis=(1,)), False),
    (shapes.FOLD_OF_STRETCHED, max_.of(wide(N, 4), axis=(0,)), True),
    (shapes.FOLD_OF_STRETCHED, max_.of(wide(N, *sizes(V)), axis=(0,)), False),
    (shapes.FOLD_OF_STRETCHED, any_.of(wide(num("bool"), 0), axis=(0,)), False),
    (shapes.SUM_OF_SCALED, sum_.of(mat("float16") * num("float16"), axis=(0,)), False),
    (shapes.SUM_OF_SCALED, sum_.of(N * V, axis=(0,)), True),
    (shapes.SUM_OF_SCALED, sum_.of(V * N, axis=(0,)), True),
    (shapes.SUM_OF_SCALED, sum_.of(N / V, axis=(0,)), False),
    (shapes.SUM_OF_SCALED, sum_.of(V / constant(np.asarray(2.0)), axis=(0,)), True)], ids=words)
def test_sums(rule, graph, fires):
    check(rule, graph, fires)


@pytest.mark.parametrize("factor", [np.nan, np.inf, 2.0])
@pytest.mark.parametrize("x", [var("float64", 0), V, TWO], ids=str)
def test_a_sum_of_nothing_is_zero(x, factor):
    found = moved(shapes.SUM_OF_SCALED, sum_.of(x * N, axis=(0,)))
    given = values(found[0], 0)
    given = {n: a if a.ndim else np.asarray(factor) for n, a in given.items()}
    old, new = run(found, given)
    np.testing.assert_array_equal(new, old)
