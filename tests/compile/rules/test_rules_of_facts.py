"""Rules read off the op table: what is folded, what is a number, what undoes what."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_rules import RULES, fires

from symgrad.compile.rules import facts
from symgrad.compile.rules.facts import positive_zero, undoing
from symgrad.node import constant, variable
from symgrad.ops import OPS
from symgrad.ops.index import Slice
from symgrad.types import Type

FOLD, SCALAR = RULES["canonicalise.fold"], RULES["canonicalise.scalar_constant"]
M = variable(Type("float64", (None, None)))


def ones(*shape):
    return constant(np.ones(shape))


@pytest.mark.parametrize("graph,folded", [
    (OPS["mul"].of(ones(64, 1), ones(1, 64)), True),
    (OPS["mul"].of(ones(241, 1), ones(1, 17)), False),  # 4,097 elements of 258
    (OPS["make_vector"].of(), False),  # nothing tells NumPy of which dtype
    (OPS["exp"].of(ones(5000)), True), (OPS["mul"].of(ones(5000), M), False),
    (OPS["subtensor"].of(ones(5), constant(2), idx=(Slice(None, "@"),)), False),  # of what length?
    (OPS["subtensor"].of(ones(5, 4), constant(2), idx=(Slice(None, "@"), Slice())), False),
    (OPS["subtensor"].of(ones(5), constant(7), idx=("@",)), False),  # the call is to refuse it
    (OPS["subtensor"].of(ones(5), constant(2), idx=("@",)), True),
], ids=repr)
def test_what_is_folded(graph, folded):
    found = fires(FOLD, graph)
    assert (found is not None) == folded
    if folded:
        np.testing.assert_array_equal(found[1].data, graph.eval(), strict=True)


@pytest.mark.parametrize("shaped", [(0, 1, 2), (0,), (1,), (2,)])
@pytest.mark.parametrize("place", range(3))
def test_constants_that_are_numbers(place, shaped):
    """Wherever it stands, and only there; others (those that are `shaped`) give the shape."""
    inputs = [variable(Type(d, (None, None) if k in shaped else ()))
              for k, d in enumerate(("bool", "float64", "float64"))]
    inputs[place] = constant(np.full((1, 1), 2.0 if place else True))
    found = fires(SCALAR, OPS["where"].of(*inputs))
    if shaped == (place,):
        assert found is None
        return
    old, new = found
    assert new.inputs[place].type.ndim == 0
    assert [i for k, i in enumerate(new.inputs) if k != place] == [
        i for k, i in enumerate(old.inputs) if k != place]


@pytest.mark.parametrize("graph", [
    OPS["mul"].of(variable(Type("float64", ())), ones(2, 2)),  # who else says that it is 2 by 2?
    OPS["mul"].of(M, constant(np.array([[1.0, 2.0]]))), OPS["mul"].of(M, constant(2.0))], ids=repr)
def test_constants_that_are_no_numbers(graph):
    assert fires(SCALAR, graph) is None


def test_numbers_are_numbers_already(monkeypatch):
    monkeypatch.setattr(facts, "uniform", lambda n: None if n.type.ndim else pytest.fail("asked"))
    assert fires(SCALAR, OPS["mul"].of(M, constant(2.0))) is None


@pytest.mark.parametrize("array,yes", [
    (0.0, True), (-0.0, False), (1.0, False), (0, True), (np.zeros(2), True),
    (np.array([0.0, -0.0]), False), (np.array([-0.0, -0.0]), False), (0j, True),
    (np.zeros(0), False)], ids=repr)
def test_zero_with_its_sign(array, yes):
    assert bool(positive_zero(constant(array))) is yes
    assert not positive_zero(M)


@pytest.mark.parametrize("outer,inner,kind", [
    ("log", "exp", "stable"), ("exp", "log", "assumes"), ("neg", "neg", "exact"),
    ("reciprocal", "reciprocal", "rounding"), ("sinh", "arcsinh", "rounding"),
    ("sqrt", "sqr", None), ("exp", "exp", None), ("arcsin", "cosh", None),  # that is NaN everywhere
    ("logical_not", "logical_not", "exact"), ("invert", "invert", "exact")])
def test_what_undoes_what(outer, inner, kind):
    rule = undoing(OPS[outer], OPS[inner])
    assert (rule and rule.kind) == kind
    if kind in ("stable", "assumes", "rounding") and inner != "arcsinh":
        for dtype, yes in (("float64", True), ("complex128", False)):
            x = variable(Type(dtype, (3,)))
            assert (fires(rule, OPS[outer].of(OPS[inner].of(x))) is not None) == yes


def test_which_ops_are_folded():
    heads = {op.name for op in FOLD.heads}
    assert {"exp", "sum", "transpose", "gather", "inc_subtensor", "dot", "make_vector"} <= heads
    assert not {"broadcast_to", "arange", "loop", "ifelse", "alloc", "join"} & heads
    heads = {op.name for op in SCALAR.heads}
    assert {"add", "where"} <= heads and not {"exp", "sum", "dot", "neg"} & heads


def test_whether_a_second_time_changes_bits():
    """Either zero may be the larger; of bits and truths there is one zero."""
    for rule in RULES.values():
        op, _, what = rule.name.rpartition("_")
        if what == "again" and op in OPS and OPS[op].kind == "elementwise" and op != "where":
            assert rule.kind == ("rounding" if op in ("maximum", "minimum", "fmax", "fmin")
                                 else "exact"), rule.name


def test_ops_that_give_back_the_very_bits():
    def exactly(numpy):
        return facts._exactly(SimpleNamespace(numpy=numpy))

    assert exactly(np.negative) and exactly(np.conj)
    assert not exactly(lambda x: 0.0 - x)  # of -0.0 that is 0.0
    assert not exactly(np.reciprocal) and not exactly(np.abs)
