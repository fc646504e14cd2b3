"""Cheaper forms: graphs next to those at which they fire, and both sides of their limits."""

import numpy as np
import pytest
from test_rules import RULES, agree, arrays, both, fires, plain

from symgrad.node import CONST, constant, variable
from symgrad.ops import OPS
from symgrad.ops.index import FULL, Slice
from symgrad.ops.source import zeros_like
from symgrad.types import Type

INC, SUM, MUL, SUB, POW = (OPS[n].of for n in "inc_subtensor sum mul sub pow".split())


def var(dtype, *shape):
    return variable(Type(dtype, shape))


def checked(rule, graph, yes=True):
    """Whether a rule fires on a graph; its values are compared."""
    found = fires(RULES[f"specialise.{rule}"], graph)
    assert (found is not None) == yes, (rule, graph)
    if found:
        agree(RULES[f"specialise.{rule}"], *both(*found, arrays(found, plain(0, 0.5, 2))))


MATRIX, VECTOR, NUMBER, ROWS = (var("float64", *s) for s in ((3, 3), (3,), (), (None, None)))
COUNT, LABELS = OPS["arange"].of(0, 3, 1), var("int64", 3)


@pytest.mark.parametrize("y,yes", [(LABELS, True), (var("int64", 3, 3), False),
                                   (var("int64"), False), (var("int64", 1), False)], ids=repr)
def test_one_element_of_each_row(y, yes):
    at = OPS["gather"].of(MATRIX, COUNT, y, idx=("#", "#"))
    checked("row_lookup", at, yes)
    checked("row_store", INC(zeros_like(MATRIX), NUMBER, COUNT, y, idx=("#", "#")), yes)
    checked("row_lookup", OPS["gather"].of(MATRIX, y, COUNT, idx=("#", "#")), False)


def test_parts_that_are_not_one_of_each_row():
    for x, idx in ((MATRIX, ("#", FULL)), (MATRIX, (0, "#")),
                   (var("float64", 3, 3, 3), ("#", FULL, "#"))):
        inputs = [COUNT, LABELS][-idx.count("#"):]
        checked("row_lookup", OPS["gather"].of(x, *inputs, idx=idx), False)
        checked("row_store", INC(zeros_like(x), NUMBER, *inputs, idx=idx), False)
    placed = OPS["place"].of(VECTOR, LABELS, 3, 3)
    for axis in (0, 1):
        checked("sum_of_place", SUM(placed, axis=(axis,)), axis == 1)


@pytest.mark.parametrize("other,yes", [(NUMBER, True), (var("float64", 3), False)], ids=repr)
def test_one_element_of_what_is_shifted(other, yes):
    for shifted in (SUB(VECTOR, other), SUB(other, VECTOR), OPS["true_div"].of(VECTOR, other)):
        for part, cell in ((OPS["subtensor"].of(shifted, idx=(1,)), True),
                           (OPS["subtensor"].of(shifted, idx=(Slice(1),)), False)):
            checked("cell_of_shifted", part, yes and cell)


def test_numbers_that_scale_what_is_placed():
    """On whichever side the pool puts them."""
    placed, number = (INC(zeros_like(MATRIX), VECTOR, idx=(1, FULL)),
                      OPS["cast"].of(var("int64"), dtype="float64"))
    sides = set()
    for pair in ((placed, number), (number, placed)):
        checked("scaled_place", MUL(*pair))
        old, _ = fires(RULES["specialise.scaled_place"], MUL(*pair))
        sides.add(old.inputs[0].type.ndim)
    assert sides == {0, 2}
    fresh = var("float64", 3, 3)
    for pair in ((placed, fresh), (fresh, placed)):
        checked("add_into", OPS["add"].of(*pair))


@pytest.mark.parametrize("s,yes", [(MATRIX, True), (NUMBER, False), (VECTOR, False),
                                   (var("float64", 1, 3), False)], ids=repr)
def test_a_slope_of_one_element(s, yes):
    h = INC(zeros_like(MATRIX), NUMBER, var("int64"), idx=("@", 0))
    for product in (MUL(SUM(h, axis=(0, 1)), s), MUL(s, SUM(h, axis=(0, 1)))):
        checked("one_hot_slope", SUB(h, product), yes)
    checked("one_hot_slope", SUB(h, MUL(SUM(h, axis=(1,)), s)), False)
    rows = INC(zeros_like(MATRIX), NUMBER, LABELS, idx=("#", 0))
    checked("one_hot_slope", SUB(rows, MUL(SUM(rows, axis=(0, 1)), s)), False)


@pytest.mark.parametrize("exponent", [2.0, 5.0, 32.0, 33.0, 0.5, 1.5, 8.5, 9.5, 2.25])
@pytest.mark.parametrize("sign", [1, -1])
def test_which_powers_are_products(sign, exponent):
    power = POW(MATRIX, constant(sign * exponent))
    checked("power_as_products", power, exponent in (2, 5, 32))
    checked("power_as_root", power, exponent in (0.5, 1.5, 8.5))


def test_powers_of_other_numbers():
    checked("power_as_products", POW(var("int64", 3), constant(5)))
    for x, c in ((var("complex128", 3), 5 + 0j), (var("complex128", 3), 2j),
                 (VECTOR, np.array([2.0, 2.0, 2.0]))):
        checked("power_as_products", POW(x, constant(c)), False)
        checked("power_as_root", POW(x, constant(c)), False)
    checked("power_as_root", POW(var("complex128", 3), constant(1.5 + 0j)), False)


@pytest.mark.parametrize("divisor,exactly", [
    (np.zeros((0, 3)), True), (0.5, True), (-8.0, True), (3.0, False), (np.array([2.0, 3.0, 4.0]),
                                                                       False),
    (2.0**1022, True), (2.0**1023, None), (0.0, None), (np.inf, None),
    (1e-320, None), (1e308, None), (np.array([2.0, 0.0, 1.0]), None)])
def test_which_quotients_are_products(divisor, exactly):
    x = var("float64", 1, 3)
    quotient = OPS["true_div"].of(x, constant(divisor))
    checked("over_power_of_two", quotient, exactly is True)
    checked("over_constant", quotient, exactly is False)


@pytest.mark.parametrize("first,second,axes,rule", [
    (1, 1, 1, "dot"), (2, 1, 1, "dot"), (1, 2, 1, "dot"), (2, 2, 1, "dot"), (2, 2, 2, None),
    (3, 1, 1, "product"), (1, 3, 1, "product"), (2, 3, 1, "product"), (3, 2, 1, "product"),
    (3, 3, 1, "product"), (3, 2, 2, "product"), (3, 3, 3, "product"), (3, 2, 0, None),
    (1, 1, 0, None), (2, 2, 0, None)])
@pytest.mark.parametrize("last", [False, True])
def test_products_over_axes(first, second, axes, rule, last):
    """Over the first axes of each, or the last."""
    taken = [tuple(range(n - axes, n) if last else range(axes)) for n in (first, second)]
    product = OPS["tensordot"].of(*[var("float64", *[3] * n) for n in (first, second)],
                                  axes=tuple(taken))
    for name in ("dot", "product"):
        checked(f"tensordot_as_{name}", product, name == rule)


@pytest.mark.parametrize("shape,axes,yes", [
    ((), (), True), ((3,), (0,), True), ((3, 3), (0, 1), True), ((3, 3), (0,), False),
    ((3, 3), (), False)])
def test_a_softmax_along_all_axes(shape, axes, yes):
    for name in ("softmax", "log_softmax"):
        checked("softmax_of_all", OPS[name].of(var("float64", *shape), axis=axes), yes)


@pytest.mark.parametrize("op", ["mul", "true_div", "add", "sub"])
def test_zeros_around_what_is_scaled_or_added(op):
    """Which side the zeros may stand on, and what the other may be."""
    placed = INC(zeros_like(MATRIX), VECTOR, idx=(1, FULL))
    for other in (constant(2.0), NUMBER, MATRIX, VECTOR, constant(np.array([1.0, 2.0, 3.0]))):
        for k, graph in enumerate((OPS[op].of(placed, other), OPS[op].of(other, placed))):
            if op in ("mul", "true_div"):
                checked("scaled_place", graph, other.op is CONST and not other.type.ndim and (
                    op == "mul" or k == 0))
            else:
                checked("add_into", graph, other is MATRIX and (op == "add" or k == 1))
    somewhere = INC(zeros_like(MATRIX), VECTOR, var("int64"), idx=("@", FULL))
    checked("scaled_place" if op in ("mul", "true_div") else "add_into",
            OPS[op].of(*((somewhere, constant(2.0)) if op in ("mul", "true_div") else
                         (MATRIX, somewhere))))
    stored = INC(zeros_like(MATRIX), VECTOR, idx=(1, FULL), set=True)
    checked("add_into", OPS["add"].of(MATRIX, stored), False)


@pytest.mark.parametrize("shape,yes", [((3, 3), True), ((3,), False), ((1, 3), False),
                                       ((3, 1), False), ((), False)], ids=str)
def test_what_is_stretched_is_not_added_to_a_row_of_what_it_meets(shape, yes):
    x = var("float64", *shape)
    part = INC(zeros_like(x), NUMBER, idx=(0, *[FULL] * (len(shape) - 1)) if shape else ())
    checked("add_into", OPS["add"].of(MATRIX, part), yes)
    checked("add_into", SUB(MATRIX, part), yes)
    checked("add_into", OPS["add"].of(MATRIX, INC(x, NUMBER, *part.inputs[2:], idx=part.attrs[0])),
            False)
