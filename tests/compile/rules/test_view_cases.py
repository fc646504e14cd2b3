"""At which graphs the rules of views.py and shapes.py fire, and what they make of them."""

import numpy as np
import pytest
from test_rules import arrays, fires, plain

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.rules import shapes, views
from symgrad.compile.rules.common import given, mat, num, sizes, var, vec
from symgrad.interpret import run
from symgrad.node import CONST, INPUT, constant, toposort
from symgrad.ops.ifelse import ifelse
from symgrad.ops.index import Slice, subtensor
from symgrad.ops.join import continued
from symgrad.ops.lengths import length, make_vector
from symgrad.ops.logic import cast
from symgrad.ops.math import exp, mul
from symgrad.ops.reduce import any_, max_, sum_
from symgrad.ops.shape import broadcast_to, reshape, specify_shape, squeeze, transpose, unsqueeze
from symgrad.ops.source import alloc

NUMBERS = make_vector.of(num(), num(), num())
FILL = broadcast_to.of(num(), 3, 4)
WIDE = given(mat(), lambda m: broadcast_to.of(num(), *sizes(m)))
CONTINUED = continued.of(var("float64", None, 3), var("float64", None, 3))


def stretched(shape, *to):
    return broadcast_to.of(var("float64", *shape), *to)


M, BASE, R, C = mat(), mat(), num("int64"), num("int64")
FLAT = reshape.of(BASE, mul.of(*sizes(BASE)))
# lengths of a fill, those of its reshape, what is made of it: both evidently multiply to the same
RESHAPED = [
    ((3, 4), (2, 6), "broadcast_to"), ((3, 4), (2, R), None), ((3, 4), (-1, 6), None),
    ((3, 4), (-1, R), None), ((3, 4), (R, C), None), ((R, C), (C, R), "broadcast_to"),
    ((R, R), (R, C), None), ((R, C), (R,), None), ((R, 1), (R,), "broadcast_to"),
    ((R, 6), (2, R, 3), "broadcast_to"), ((R, 6), (2, R, 2), None), ((R, 0), (C, 0), None),
    ((0, R), (-1, R), None), ((R, C), (mul.of(R, C),), "mul broadcast_to"),
    (sizes(M), sizes(transpose.of(M)), "transpose length length broadcast_to"),
    (sizes(M), (R, C), None), (sizes(M), (mul.of(*sizes(M)),), "length length mul broadcast_to"),
    (sizes(FLAT), sizes(BASE), "length length broadcast_to"),
    (sizes(BASE), sizes(FLAT), "length length mul reshape length broadcast_to"),
    (sizes(FLAT), sizes(M), None), (sizes(exp(FLAT)), sizes(BASE), None),
    ((*sizes(FLAT), 2), (*sizes(BASE), 2), None),
]

# rule, graph, the ops above the leaves of what is made of it (None: it does not fire)
CASES = [
    ("AXES", transpose.of(unsqueeze.of(mat(), axes=(0,)), axes=(1, 2, 0)), "unsqueeze"),
    ("AXES", transpose.of(unsqueeze.of(transpose.of(squeeze.of(
        var("float64", 1, 2, 3), axes=(0,))), axes=(0,)), axes=(2, 1, 0)),
     "squeeze unsqueeze"),
    ("AXES", transpose.of(transpose.of(transpose.of(var("float64", 3, 3)))), "transpose"),
    ("RESHAPE", reshape.of(reshape.of(var("float64", 3, 1, 4), 12), 3, 1, 4), ""),
    ("RESHAPE", reshape.of(squeeze.of(var("float64", 1, 3, 4), axes=(0,)), 12), "reshape"),
    ("RESHAPE", reshape.of(unsqueeze.of(var("float64", 3, 4), axes=(0,)), 12), "reshape"),
    ("RESHAPE", reshape.of(reshape.of(var("float64", 3, 4), 2, 6), 12), "reshape"),
    ("RESHAPE", reshape.of(var("float64", 3, 4), 12), None),
    ("RESHAPE", reshape.of(exp(var("float64", 3, 4)), 12), None),
    ("RESHAPE", reshape.of(var("float64", 3, 4), 1, 3, 4), "unsqueeze"),
    ("RESHAPE", reshape.of(var("float64", 3, 1, 4), 3, 4), "squeeze"),
    ("LENGTH", length.of(broadcast_to.of(num(), num("int64"), num("int64")), axis=1), ""),
    ("LENGTH", length.of(exp(vec()[1:]), axis=0), "subtensor length"),
    ("LENGTH", length.of(exp(mat()[1:, 1:]), axis=1), "subtensor length"),
    ("LENGTH", length.of(vec()[1:], axis=0), None), ("LENGTH", length.of(vec(), axis=0), None),
    ("LENGTH", given(vec()[1:], lambda x: length.of(  # only one side is to be computed
        ifelse.of(num("bool"), exp(x), x), axis=0)), None),
    ("SPECIFY", specify_shape.of(var("float64", 3, 4), 3, 4), ""),
    ("SPECIFY", specify_shape.of(mat(), 3, 4), None),
    ("VECTOR_PART", subtensor.of(NUMBERS, idx=(1,)), ""),
    ("VECTOR_PART", subtensor.of(NUMBERS, idx=(Slice(1),)), "make_vector"),
    ("VECTOR_PART", NUMBERS[num("int64")], None), ("VECTOR_PART", NUMBERS[num("int64"):], None),
    ("VIEW_OF_FILL", FILL[1], "broadcast_to"), ("VIEW_OF_FILL", FILL[:, :2], "broadcast_to"),
    ("VIEW_OF_FILL", FILL[num("int64")], None),  # it may be out of range
    ("VIEW_OF_FILL", WIDE[0], None), ("VIEW_OF_FILL", WIDE[:, 1:], None),
    ("VIEW_OF_FILL", given(num("int64"), lambda n: broadcast_to.of(num(), n, 4)[:, 1:]),
     "length broadcast_to broadcast_to"),
    ("VIEW_OF_FILL", WIDE[1:], None), ("VIEW_OF_FILL", transpose.of(stretched((4,), 3, 4)), None),
    *[("VIEW_OF_FILL", reshape.of(broadcast_to.of(num(), *old), *new), made)
      for old, new, made in RESHAPED],
    ("STRETCH", broadcast_to.of(unsqueeze.of(var("float64", 3), axes=(1,)), 3, 3), None),
    ("STRETCH", broadcast_to.of(unsqueeze.of(var("float64", 3), axes=(0,)), 3, 3), "broadcast_to"),
    ("STRETCH", broadcast_to.of(constant(np.ones(3)), 2, 3), "broadcast_to"),
    ("STRETCH", broadcast_to.of(constant(np.ones(())), 2, 3), None),
    ("STRETCH", broadcast_to.of(constant(np.arange(3.0)), 2, 3), None),
    ("STRETCHED", num() + num(), None), ("STRETCHED", mat() + num(), None),
    ("STRETCHED", stretched((3, 1), 3, 4) + stretched((1, 4), 3, 4), "add"),
    ("STRETCHED", stretched((4,), 3, 4) + stretched((4,), 3, 4), "add broadcast_to"),
    ("STRETCHED", stretched((4,), 3, 4) + num(), "add broadcast_to"),
    ("STRETCHED", stretched((4,), 3, 4) + var("float64", 3, 4), "add"),
    ("STRETCHED", stretched((4,), 3, 4) + var("float64", 3, 1), "add"),
    ("PART_OF_CONTINUED", CONTINUED[-1], "subtensor"),
    ("PART_OF_CONTINUED", CONTINUED[-1, num("int64")], "subtensor"),
    ("PART_OF_CONTINUED", CONTINUED[-1, 1:], "subtensor"),
    ("PART_OF_CONTINUED", CONTINUED[num("int64")], None), ("PART_OF_CONTINUED", CONTINUED[0], None),
    ("FOLD_OF_NOTHING", sum_.of(mat(), axis=(0,)), None),
    ("FOLD_OF_NOTHING", sum_.of(mat(), axis=()), ""),
    ("FOLD_OF_NOTHING", sum_.of(var("float64", 1, 3, 1, 4), axis=(0, 1, 2)), "squeeze sum"),
    ("FOLD_OF_NOTHING", sum_.of(var("float64", 1, 3, 1, 4), axis=(2, 3)), "squeeze sum"),
    ("FOLD_OF_NOTHING", sum_.of(var("float64", 1, 3, 1, 4), axis=(0, 2)), "squeeze"),
    ("NEG_THROUGH_VIEW", (-mat())[num("int64")], "subtensor neg"),
    ("NEG_THROUGH_VIEW", reshape.of(-var("float64", 3, 4), 2, 6), "reshape neg"),
    ("FOLD_OF_MOVED", sum_.of(reshape.of(var("float64", 3, 4), 2, 6), axis=(0,)), None),
    ("FOLD_OF_MOVED", sum_.of(reshape.of(var("float64", 3, 4), 2, 6), axis=(0, 1)), "sum"),
    ("FOLD_OF_STRETCHED", sum_.of(stretched((3, 1, 4), 3, 5, 4), axis=(1,)),
     "squeeze mul broadcast_to"),
    ("FOLD_OF_STRETCHED", sum_.of(stretched((3, 1, 4), 2, 3, 5, 4), axis=(2,)),
     "squeeze mul broadcast_to"),
    ("FOLD_OF_STRETCHED", sum_.of(stretched((3, 1, 4), 2, 3, 5, 4), axis=(1,)), None),
    ("FOLD_OF_STRETCHED", sum_.of(stretched((3, 1, 4), 3, 1, 4), axis=(1,)), None),
    ("FOLD_OF_STRETCHED", sum_.of(broadcast_to.of(num(), 4), axis=(0,)), "mul"),
    ("FOLD_OF_STRETCHED", sum_.of(broadcast_to.of(num(), 0), axis=(0,)), "strong_mul"),
    ("FOLD_OF_STRETCHED", sum_.of(broadcast_to.of(constant(np.nan), 0), axis=(0,)), "strong_mul"),
    ("FOLD_OF_STRETCHED", sum_.of(WIDE, axis=(0, 1)), "length length mul cast strong_mul"),
    ("FOLD_OF_STRETCHED", given(vec(), lambda v: sum_.of(
        broadcast_to.of(num("int64"), *sizes(v)), axis=(0,))), "length mul"),
    ("FOLD_OF_STRETCHED", max_.of(broadcast_to.of(num(), 2, 4), axis=(0,)), "broadcast_to"),
    ("FOLD_OF_STRETCHED", max_.of(broadcast_to.of(num(), 0, 4), axis=(1,)), "broadcast_to"),
    ("FOLD_OF_STRETCHED", max_.of(WIDE, axis=(0,)), None),
    ("FOLD_OF_STRETCHED", any_.of(broadcast_to.of(num("bool"), 0, 4), axis=(0,)), None),
    ("SUM_OF_SCALED", sum_.of(mat("float16") * num("float16"), axis=(0, 1)), None),
    ("SUM_OF_SCALED", sum_.of(mat("float16") / num("float16"), axis=(0, 1)), None),
    ("SUM_OF_SCALED", sum_.of(mat() + num(), axis=(0, 1)), None),
    ("SUM_OF_SCALED", sum_.of(num() / mat(), axis=(0, 1)), None),
    ("SUM_OF_SCALED", sum_.of(var("float64", 2, 3) * num(), axis=(0,)), "sum mul"),
    ("SUM_OF_SCALED", sum_.of(num() * var("float64", 2, 3), axis=(0,)), "sum mul"),
    ("SUM_OF_SCALED", sum_.of(var("float64", 0, 3) * num(), axis=(0,)), "eq where sum mul"),
    ("SUM_OF_SCALED", sum_.of(var("float64", 0, 3) / num(), axis=(0,)), "eq where sum true_div"),
    ("SUM_OF_SCALED", sum_.of(mat() * 2.0, axis=(0,)), "sum mul"),
    ("SUM_OF_SCALED", sum_.of(mat() / 2.0, axis=(0,)), "sum true_div"),
    ("SUM_OF_SCALED", sum_.of(mat() / constant(0.0), axis=(0,)), "length eq where sum true_div"),
    ("SUM_OF_SCALED", sum_.of(mat() * constant(np.inf), axis=(0,)), "length eq where sum mul"),
    ("SUM_OF_SCALED", sum_.of(mat() * constant(0.0), axis=(0,)), "sum mul"),
    ("SUM_OF_SCALED", sum_.of(mat("int64") * num("int64"), axis=(0,)), "sum mul"),
    ("SUM_OF_SCALED", sum_.of(mat() / cast.of(num("int64"), dtype="float64"), axis=(0,)),
     "cast length eq where sum true_div"),
    ("SUM_OF_SCALED", sum_.of(var("float64", 2, 3) * var("float64", 2, 1), axis=(0, 1)), None),
    ("SUM_OF_SCALED", sum_.of(var("float64", 2, 5, 5) * var("float64", 5, 1), axis=(1,)), None),
    ("SUM_OF_SCALED", sum_.of(mat() * vec(), axis=(1,)), None),
    ("SUM_OF_SCALED", sum_.of(mat() * var("float64", None, 1), axis=(0,)), None),
    ("SUM_OF_SCALED", sum_.of(var("float64", 2, 3) * var("float64", 2, 1), axis=(1,)),
     "squeeze sum mul"),
]


@pytest.mark.parametrize("rule,graph,made", CASES,
                         ids=[f"{k}-{c[0]}" for k, c in enumerate(CASES)])
def test_it_makes(rule, graph, made):
    hit = fires(getattr(views, rule, None) or getattr(shapes, rule), graph)
    assert (hit is None) is (made is None)
    if hit:
        names = [n.op.name for n in toposort([hit[1]]) if n.op not in (CONST, INPUT)]
        assert sorted(names) == sorted(made.split())
        want, have = run(list(hit), arrays(hit, plain(0)))
        if np.isfinite(want).all():  # infinite terms of either sign have another sum
            np.testing.assert_allclose(have, want, rtol=1e-12)


def test_a_fill_is_a_stretched_number():
    assert fires(views.ALLOC, alloc.of(num(), 3, 4))[1].op is broadcast_to


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_beyond_a_fill_is_told(index):
    i = T.lscalar("i")
    with pytest.raises(sg.errors.IndexingError):
        sg.function([i], T.zeros(3)[i], backend="numpy")(index)


def test_part_of_a_fill_by_a_slice():
    assert fires(views.VIEW_OF_FILL, subtensor.of(FILL, idx=(Slice(1), 2)))[1].type.shape == (2,)


def test_a_length_that_the_other_side_of_a_conditional_wants_is_not_taken_for_granted():
    """There two lengths meet that here may differ."""
    x, c = T.dmatrix("x"), T.bscalar("c")
    zeros = T.zeros_like(x)
    out = sg.ifelse(c, T.tanh(zeros[:, 1:]), zeros * zeros[:, 1:])
    assert sg.function([x, c], out, backend="numpy")(np.ones((2, 5)), 1).shape == (2, 4)
