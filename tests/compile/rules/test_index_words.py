"""What rules say of entries of an index: evident cases are right, and they are those that were."""

import itertools

import numpy as np
import pytest

from symgrad.compile.pool import Pool
from symgrad.compile.rules.parts import apart, backward, compose, counts, sure
from symgrad.compile.rules.views import _behind
from symgrad.node import constant, variable
from symgrad.ops.index import FULL, Slice, tidy_slice
from symgrad.ops.logic import cast
from symgrad.ops.math import exp
from symgrad.ops.source import arange
from symgrad.types import Dim, Type

BOUNDS = (None, 0, 1, 2, 4, -1, -2)
SLICES = [Slice(*s) for s in itertools.product(BOUNDS, BOUNDS, (None, 2, -1, -2))]
ENTRIES = [*SLICES, 0, 1, -1, -2]


def read(rows, entry):
    """The rows that an entry reads; None where it is out of range."""
    try:
        return rows[slice(*entry)] if isinstance(entry, Slice) else [rows[entry]]
    except IndexError:
        return None


def right(rows, entry, want):
    return list(read(rows, entry) or ()) == list(want)


def test_compose():
    """Of an unknown length, what is evident does not depend on it."""
    evident = 0
    for inner, outer in itertools.product(SLICES, ENTRIES):
        entry = compose(outer, inner, None)
        if entry is None:
            continue
        evident += 1
        for rows in map(range, range(7)):
            want = read(read(rows, inner), outer)
            assert want is None or right(rows, entry, want), (inner, outer, entry)
    assert evident == 854


@pytest.mark.parametrize("n", [0, 1, 5])
def test_compose_where_the_length_is_known(n):
    """All is evident."""
    for inner in {tidy_slice(s, n) for s in SLICES}:
        cells = range(n)[slice(*inner)]
        for outer in (*{tidy_slice(s, len(cells)) for s in SLICES}, *range(len(cells))):
            entry = compose(outer, inner, n)
            assert right(range(n), entry, read(cells, outer)), (inner, outer, entry)


@pytest.mark.parametrize("outer,inner,n,entry", [
    ("@", Slice(1), None, None), ("@", Slice(1), 5, None), (1, Slice("@"), 5, None),
    (Slice("@"), Slice(1), 5, None), (Slice(1), Slice(None, "@"), None, None),
    ("@", FULL, None, "@"), (FULL, Slice("@"), None, Slice("@")),
    (2, Slice(1, None, 3), None, 7), (0, Slice(1, None, 3), None, 1), (-1, Slice(1), None, None),
    (1, Slice(-2), None, None), (1, Slice(None, None, -1), None, None),
    (1, Slice(1, 3), None, None), (1, Slice(None, None, 2), None, 2),
    (Slice(2, 3, 4), Slice(1, None, 5), None, Slice(11, 16, 20)),
    (Slice(None, 0), Slice(3), None, Slice(3, 3, 1)),
    (Slice(None, 1), Slice(3), None, Slice(3, 4, 1)),
    (Slice(1), Slice(3), None, Slice(4, None, 1)), (Slice(None, -1), Slice(3), None, None),
    (Slice(-1), Slice(3), None, None), (Slice(None, None, -1), Slice(3), None, None),
    (Slice(None, None, -1), Slice(1, 4), 5, Slice(3, 0, -1)),
    (Slice(None, None, -1), Slice(None, 4), 5, Slice(3, None, -1)),
])
def test_composed_entries(outer, inner, n, entry):
    assert compose(outer, inner, n) == entry


def test_behind():
    """The rows of `rest` are those behind `first`; it has one at least, if any are read."""
    evident = 0
    for entry, first, rest in itertools.product(ENTRIES, (0, 1, 2, None), (1, 2, 3, None)):
        made = _behind(entry, first, rest)
        evident += made is not None
        for a, b in itertools.product((0, 1, 2) if first is None else (first,),
                                      (1, 2, 3) if rest is None else (rest,)):
            want = read(range(a + b), entry)
            if made is not None and want is not None:
                assert right(range(a, a + b), made, want), (entry, a, b, made)
    assert evident == 484


@pytest.mark.parametrize("entry,first,rest,made", [
    ("@", 2, 3, None), (Slice("@"), 2, 3, None), (Slice(2, "@"), 2, 3, None), (FULL, 2, 3, None),
    (-1, None, None, -1), (-2, None, None, None), (-3, None, 3, -3), (-4, None, 3, None),
    (2, 2, 3, 0), (4, 2, 3, 2), (1, 2, 3, None), (2, None, 3, None),
    (Slice(-1), None, None, Slice(-1)), (Slice(-2), None, None, None),
    (Slice(-3), None, 3, Slice(-3)), (Slice(-4), None, 3, None),
    (Slice(-3, -1), 2, 3, Slice(-3, -1)), (Slice(-3, 0), 2, 3, None), (Slice(-3, 4), 2, 3, None),
    (Slice(-3, None, 2), 2, 3, Slice(-3, None, 2)), (Slice(-1, None, -1), 2, 3, None),
    (Slice(0, 0), 0, 3, Slice(0, 0)), (Slice(2), 2, 3, Slice(0)), (Slice(1), 2, 3, None),
    (Slice(3, 5), 2, 3, Slice(1, 3)), (Slice(2, 2), 2, 3, Slice(0, 0)),
    (Slice(3, 1), 2, 3, None), (Slice(3, -1), 2, 3, None), (Slice(3), None, 3, None),
    (Slice(3, None, 2), 2, 3, Slice(1, None, 2)), (Slice(3, 2, -1), 2, 3, None),
])
def test_entries_behind(entry, first, rest, made):
    assert _behind(entry, first, rest) == made


SCALAR, OTHER = variable(Type("int64", ()), "i"), variable(Type("int64", ()), "j")


@pytest.mark.parametrize("low,high,yes", [
    (Slice(None, 2), Slice(2), True), (Slice(None, 2), Slice(3), True),
    (Slice(None, 3), Slice(2), False), (Slice(None, 0), Slice(2), True),
    (Slice(None, 0), FULL, False), (Slice(None, -2), Slice(-2), True),
    (Slice(None, -3), Slice(2), False), (1, Slice(2), True), (2, Slice(2), False),
    (0, Slice(1), True), (-1, Slice(2), False), (0, 1, False), (SCALAR, Slice(2), False),
    (Slice(None, SCALAR), Slice(SCALAR), True), (Slice(None, SCALAR), Slice(OTHER), False),
    (Slice(None, SCALAR), Slice(2), False), (Slice(None, 2), Slice(SCALAR), False),
    (Slice(1, 2), Slice(2), False), (Slice(None, 2, 2), Slice(2), False),
    (Slice(None, 2, -1), Slice(2), False), (Slice(None, 2), Slice(2, None, -1), False),
    (Slice(None, 2), Slice(2, None, 2), False), (Slice(None, 2), Slice(2, 4), False),
    (Slice(2), Slice(2), False), (FULL, Slice(2), False),
], ids=repr)
def test_apart(low, high, yes):
    assert apart(low, high) is yes and apart(high, low) is yes


def test_backward():
    assert [backward(Slice(step=s)) for s in (None, 1, 2, -1, -2)] == [False] * 3 + [True] * 2


def test_sure():
    rows = Dim("rows")
    assert sure((0, FULL, Slice("@")), (1, rows, rows)) and sure((2,), (3,)) and sure((), ())
    for entry, d in ((0, rows), ("@", 3), ("#", 3), (3, 3), (-1, 3)):
        assert not sure((FULL, entry), (rows, d))


ROWS = Dim("rows")
POOL = Pool()


def steps(start=0, step=1, dtype="int64"):
    """A range of ROWS numbers."""
    inputs = [POOL.constant(np.asarray(v)) for v in (start, 7, step)]
    return POOL.make(arange, tuple(inputs), (dtype,), type=Type(dtype, (ROWS,)))


def turned(n, *dtypes):
    for d in dtypes:
        n = POOL.make(cast, (n,), (d,))
    return n


@pytest.mark.parametrize("n,d,yes", [
    (constant(np.arange(3)), 3, True), (constant(np.arange(3)), 4, False),
    (constant(np.array([0, 2, 1])), 3, False), (constant(np.array([0, 1, 3])), 3, False),
    (constant(np.array([[0]])), 1, False), (constant(np.array(0)), 1, False),
    (constant(np.array([0])), 1, True), (constant(np.arange(3)), ROWS, False),
    (steps(), ROWS, True), (steps(), Dim("rows"), False), (steps(), 7, False),
    (steps(1), ROWS, False), (steps(0, 2), ROWS, False), (steps(1, 0), ROWS, False),
    (turned(steps(), "int32"), ROWS, True), (turned(steps(), "int32", "uint64"), ROWS, True),
    (turned(steps(dtype="int32"), "int64"), ROWS, True),
    (turned(steps(), "int8"), ROWS, False), (turned(steps(), "uint8", "int64"), ROWS, False),
    (turned(steps(dtype="int16"), "int64"), ROWS, False), (steps(dtype="int16"), ROWS, False),
    (variable(Type("int64", (ROWS,))), ROWS, False),
    (POOL.make(exp, (turned(steps(), "float64"),)), ROWS, False),
], ids=repr)
def test_counts(n, d, yes):
    assert counts(n, d) is yes
