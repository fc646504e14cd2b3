"""The scalar vocabulary: rows, expressions, and that every op's expression uses it well."""

import string

import numpy as np
import pytest
from helpers import OPS, compute

from symgrad import scalars
from symgrad.scalars import ROWS, Apply, Arg, Lit, expression


def parts(tree):
    stack = [tree]
    while stack:
        part = stack.pop()
        yield part
        if isinstance(part, Apply):
            stack.extend(part.args)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_has_a_text_and_a_numpy_function_of_its_arity(row):
    holes = [field for _, field, _, _ in string.Formatter().parse(row.text) if field is not None]
    assert len(holes) == row.arity
    assert callable(getattr(np, row.numpy))
    ufunc = getattr(np, row.numpy)
    if isinstance(ufunc, np.ufunc):
        assert ufunc.nin == row.arity
        if row.boolean:
            assert all(signature.endswith("?") for signature in ufunc.types if "O" not in signature)


def test_expressions_are_built_with_operators():
    tree = expression(lambda s, x, y: s.where(x < 0, -x, 1 / (y + 2) ** 2), 2)
    x, y = np.array([-3.0, 1.0]), np.array([0.0, 2.0])
    np.testing.assert_allclose(compute(tree, [x, y]), [3.0, 1 / 16])
    assert tree.row.name == "where" and tree.args[0].row.name == "lt"
    assert isinstance(expression("exp", 1).args[0], Arg)
    assert isinstance(expression(lambda s, x: 3, 1), Lit)


def test_python_keywords_are_spelled_with_an_underscore():
    tree = expression(lambda s, x, y: s.and_(s.not_(x), s.or_(x, y)), 2)
    assert tree.row.name == "and"


def test_literals_take_the_dtype_of_what_they_meet():
    tree = expression(lambda s, x: 0.5 * x + 1, 1)
    for dtype in ("float16", "float32", "float64", "complex64"):
        assert compute(tree, [np.ones(2, dtype)]).dtype == dtype


def test_casts_and_attributes():
    tree = expression(lambda s, x, dtype: scalars.cast(x, dtype), 1, dtype="int8")
    assert tree.dtype == "int8" and compute(tree, [np.array([1.7])]).tolist() == [1]
    assert compute(tree, [np.array([1.7])]).dtype == "int8"


def test_an_unknown_row_is_named():
    with pytest.raises(AttributeError, match="no scalar row 'expo'"):
        expression(lambda s, x: s.expo(x), 1)


FUSIBLE = [op for op in OPS.values() if op.kind == "elementwise" and op.scalar]


@pytest.mark.parametrize("op", FUSIBLE, ids=lambda op: op.name)
def test_an_op_uses_rows_of_the_vocabulary_and_only_its_operands(op):
    attrs = {p: "float32" for p in op.params}
    used = list(parts(expression(op.scalar, op.arity, **attrs)))
    assert {a.k for a in used if isinstance(a, Arg)} == set(range(op.arity))
    for part in used:
        if isinstance(part, Apply):
            assert part.dtype or ROWS[part.row.name] is part.row
            assert len(part.args) == part.row.arity
