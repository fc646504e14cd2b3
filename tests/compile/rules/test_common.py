"""What rules ask of nodes: each word with nodes of which it is true, and others."""

import numpy as np
import pytest

from symgrad.compile.rules.common import (
    discrete,
    finite,
    inexact,
    known,
    measure,
    negated,
    nonnegative,
    real,
    rooted,
    signed,
    spread,
    uniform,
    zeros,
)
from symgrad.node import CONST, constant, variable
from symgrad.ops import OPS
from symgrad.ops.source import zeros_like
from symgrad.types import Dim, Type


def var(dtype="float64", *shape):
    return variable(Type(dtype, shape))


F, Z, U, B, C = (var(d, None) for d in ("float64", "int64", "uint8", "bool", "complex128"))
SQUARE, ROOT = OPS["sqr"].of(F), OPS["sqrt"].of(F)


@pytest.mark.parametrize("word,true,false", [
    (discrete, [Z, U, B], [F, C]), (inexact, [F, C], [Z, U, B]), (real, [F, Z, U, B], [C]),
    (signed, [F, C, Z], [U, B]),
])
def test_words_for_types(word, true, false):
    assert all([word(n) for n in true]) and not any([word(n) for n in false])
    assert word(*true) and not word(true[0], false[0]) and not word(false[0], true[0])


@pytest.mark.parametrize("n,yes", [
    (constant(np.array([0.0, 1.0])), True), (constant(np.array([0.0, -1.0])), False),
    (constant(np.array(2j)), False), (F, False), (SQUARE, True), (OPS["sqr"].of(C), False),
    (ROOT, True), (OPS["sqrt"].of(C), False), (OPS["exp"].of(F), True),
    (OPS["exp"].of(C), False), (OPS["abs"].of(F), True), (OPS["add"].of(SQUARE, ROOT), True),
    (OPS["add"].of(SQUARE, F), False), (OPS["add"].of(F, SQUARE), False),
    (OPS["mul"].of(SQUARE, ROOT), True), (OPS["sub"].of(SQUARE, ROOT), False),
    (OPS["sum"].of(SQUARE, axis=(0,)), True), (OPS["sum"].of(F, axis=(0,)), False),
    (OPS["mean"].of(SQUARE, axis=(0,)), True), (OPS["unsqueeze"].of(SQUARE, axes=(0,)), True),
    (OPS["broadcast_to"].of(SQUARE, var("int64"), var("int64")), True),
    (OPS["broadcast_to"].of(F, var("int64"), var("int64")), False),
    (OPS["sum"].of(OPS["sqr"].of(Z), axis=(0,)), False),  # whole numbers wrap round
], ids=repr)
def test_nonnegative(n, yes):
    assert nonnegative(n) is yes


def test_nonnegative_looks_no_deeper_than_it_says():
    """A long sum takes no longer to be looked at than a short one."""
    n = SQUARE
    for _ in range(6):
        n = OPS["add"].of(n, ROOT)
    assert nonnegative(n) and not nonnegative(OPS["add"].of(n, ROOT))
    for _ in range(60):
        n = OPS["add"].of(n, n)
    assert not nonnegative(n)


WHOLE = OPS["cast"].of(Z, dtype="float64")


@pytest.mark.parametrize("n,yes", [
    (Z, True), (B, True), (F, False), (C, False), (constant(np.array([1.0, 2.0])), True),
    (constant(np.array([1.0, np.inf])), False), (constant(np.nan), False), (WHOLE, True),
    (OPS["cast"].of(F, dtype="float32"), False), (OPS["cast"].of(Z, dtype="float16"), False),
    (OPS["neg"].of(WHOLE), True), (OPS["neg"].of(F), False), (OPS["exp"].of(WHOLE), False),
    (OPS["broadcast_to"].of(WHOLE, var("int64"), var("int64")), True),
    (OPS["transpose"].of(OPS["unsqueeze"].of(WHOLE, axes=(0,))), True),
], ids=repr)
def test_finite(n, yes):
    assert finite(n) is yes


def test_finite_looks_no_deeper_than_it_says():
    n = WHOLE
    for _ in range(5):
        n = OPS["neg"].of(n)
    assert finite(n) and not finite(OPS["neg"].of(n))


def test_rooted():
    assert rooted(C) and rooted(SQUARE)
    assert not rooted(F) and not rooted(Z) and not rooted(OPS["sqr"].of(Z))


@pytest.mark.parametrize("array,value", [
    (np.array(3.0), 3.0), (np.full((2, 3), 3.0), 3.0), (np.array([1.0, 2.0]), None),
    (np.array([0.0, -0.0]), None), (np.array([-0.0, -0.0]), -0.0), (np.zeros((0, 2)), None),
    (np.array([np.nan, np.nan]), None), (np.array([0j, 0j]), 0j), (np.array([True, True]), True),
    (np.array([0, 0]), 0), (np.array([-0j, 0j]), None), (np.array([1j, complex(-0.0, 1)]), None),
    (np.array([-1 + 0j, complex(-1, -0.0)]), None), (np.array([1 + 2j, 1 + 2j]), 1 + 2j),
    (np.array([[0.5, 0.5], [0.5, 0.25]]).T, None), (np.array([np.inf, np.inf]), np.inf),
], ids=repr)
def test_a_constant_that_is_the_same_everywhere(array, value):
    found = uniform(constant(array))
    assert (found is None) == (value is None) and known(constant(array)) == value
    if value is not None:
        assert found.shape == () and found.dtype == array.dtype
        assert np.signbit(found.real) == np.signbit(np.real(value))
    assert uniform(F) is None and known(F) is None


def test_zeros():
    n, stretched = var("int64"), OPS["broadcast_to"].of
    assert zeros(stretched(constant(0.0), n)) and zeros(OPS["alloc"].of(constant(0), n))
    assert zeros(stretched(constant(0j), n)) and zeros(zeros_like(F))
    for other in (stretched(constant(-0.0), n), stretched(constant(1.0), n), stretched(var(), n),
                  stretched(constant(np.zeros(1)), n), constant(np.zeros(3)), F,
                  stretched(F, n, n)):
        assert not zeros(other), other


def test_lengths_are_read_where_they_are_said():
    assert [n.data for n in measure((5, 3))] == [5, 3]
    rows = Dim("rows")
    a, b = var("float64", 2, rows), var("float64", rows)
    two, found = measure((2, rows), a, b)
    assert two.data == 2 and found.inputs[0] is a and found.attrs[0] == 1
    assert measure((rows,), b)[0].inputs[0] is b
    assert measure((rows, Dim("columns")), a) is None and measure((rows,)) is None
    assert spread(a, a) is a and spread(var(), var("float64", Dim("columns")), a) is None
    assert spread(var(), b, b).op.name == "broadcast_to"


def test_a_minus_is_taken_away_or_put():
    assert negated(OPS["neg"].of(F)) is F and negated(F).op.name == "neg"
    assert negated(constant(2.0)).data == -2.0 and negated(constant(2.0)).op is CONST
    assert negated(constant(True)).op.name == "neg"
