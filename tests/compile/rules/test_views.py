"""Ops that move no elements: what is made of each form, and of those that only look like it."""

import numpy as np
import pytest

from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log, _step
from symgrad.compile.rules import views
from symgrad.interpret import run
from symgrad.node import INPUT, constant, toposort, variable
from symgrad.op import weak_numbers
from symgrad.ops import OPS
from symgrad.ops.index import Slice, subtensor
from symgrad.ops.join import continued
from symgrad.types import Dim, Type


def var(*shape, dtype="float64"):
    return variable(Type(dtype, shape))


def changed(rule, graph):
    """What a rule makes of the last op of a graph, or None; its values stay."""
    pool, (node,) = absorb([graph])
    with weak_numbers():
        hit = _step(node, [rule], pool, Log())
    if not hit:
        return None
    for length in (3, 4, 9):
        values, rng = {}, np.random.default_rng(0)
        for n in toposort([node, hit[0]]):
            if n.op is INPUT:
                shape = [length if isinstance(d, Dim) else d for d in n.type.shape]
                values[n] = rng.integers(-5, 5, shape).astype(n.type.dtype)
        old, new = run([node, hit[0]], values)
        assert old.dtype == new.dtype
        np.testing.assert_array_equal(old, new)
    return hit[0]


# -- parts of rows in two


@pytest.mark.parametrize("first,rest,entry,found", [
    # a row counted from the end
    (None, 4, -1, -1), (None, 4, -4, -4), (None, 4, -5, None), (None, None, -1, -1),
    (None, None, -2, None), (3, None, -1, -1), (3, None, -2, None), (None, 1, -2, None),
    # … and from the front
    (3, None, 2, None), (3, None, 3, 0), (3, None, 5, 2), (3, 4, 3, 0), (3, 4, 2, None),
    (None, 4, 3, None), (3, 4, -1, 3), (3, 4, -5, None), (0, 2, 0, 0), (3, None, "@", None),
    # rows up to the end
    (None, 4, Slice(-4), Slice(-4)), (None, 4, Slice(-5), None), (None, None, Slice(-1), Slice(-1)),
    (None, None, Slice(-2), None), (None, 4, Slice(-3, -1), Slice(-3, -1)),
    (None, 4, Slice(-3, 9), None), (None, 4, Slice(-3, 0), None), (None, 4, Slice(-3, 1), None),
    (None, 4, Slice(-4, None, 2), Slice(-4, None, 2)),
    (None, 4, Slice(-4, -1, 2), Slice(-4, -1, 2)),
    (None, 4, Slice(-2, None, -1), None), (3, None, Slice(5, 3, -1), None),
    (None, 4, Slice(-1, None, -1), None), (None, 4, Slice(-1, -3, -1), None),
    (None, 4, Slice(-4, None, "@"), None), (None, 4, Slice("@"), None),
    (None, 4, Slice(-2, "@"), None), (None, None, Slice(), None), (None, 4, Slice(None, -1), None),
    # rows behind those of the first part
    (None, 4, Slice(2), None), (None, None, Slice(1, 3), None), (3, None, Slice(2), None),
    (3, None, Slice(3), Slice(0)), (3, None, Slice(5), Slice(2)),
    (3, None, Slice(3, 5), Slice(0, 2)), (3, None, Slice(4, 8, 3), Slice(1, 5, 3)),
    (3, None, Slice(4, 3), Slice(1, 0)), (3, None, Slice(4, 2), None),
    (3, None, Slice(4, -1), None), (3, None, Slice(4, 2, -1), None), (3, None, Slice(), None),
    (3, None, Slice(4, "@"), None), (3, 4, Slice(3, 6), Slice(0, 3)),
    (0, 2, Slice(0, 0), Slice(0, 0)), (0, None, Slice(1, 3), Slice(1, 3)),
    (3, None, Slice(None, None, 2), None),
])
@pytest.mark.parametrize("more", [(), (Slice(1), "@")], ids=["alone", "of many"])
def test_rows_of_one_part_are_read_of_that_part(first, rest, entry, found, more):
    shape = (3, 2)[:len(more)]
    whole = continued.of(var(first, *shape), var(rest, *shape))
    idx = (entry, *more)
    marks = sum([p == "@" for e in idx for p in (e if isinstance(e, Slice) else (e,))])
    graph = subtensor.of(whole, *[constant(1)] * marks, idx=idx)
    new = changed(views.PART_OF_CONTINUED, graph)
    if found is None:
        assert new is None
    else:
        same = subtensor.of(whole.inputs[1], *graph.inputs[1:], idx=(found, *more))
        assert new.inputs[0].op is INPUT and new.attrs == same.attrs


def test_a_part_of_other_rows_stays():
    assert changed(views.PART_OF_CONTINUED, var(None)[-1]) is None


# -- axes, reshapes, vectors, stretched operands


@pytest.mark.parametrize("inner,left", [
    (lambda x: OPS["squeeze"].of(x, axes=(1,)), True),
    (lambda x: OPS["unsqueeze"].of(x, axes=(0,)), True),
    (lambda x: OPS["reshape"].of(x, 4, 3), True), (lambda x: OPS["exp"].of(x), False),
    (lambda x: OPS["transpose"].of(x, axes=(2, 1, 0)), False)])
def test_a_reshape_reads_what_others_only_fold(inner, left):
    new = changed(views.RESHAPE, OPS["reshape"].of(inner(var(3, 1, 4)), 2, 6))
    assert (new is not None and new.inputs[0].op is INPUT) is left


def test_many_shuffles_are_one_of_each():
    x = y = var(2, 3)
    for _ in range(4):
        y = OPS["squeeze"].of(OPS["transpose"].of(OPS["unsqueeze"].of(y, axes=(2,)),
                                                  axes=(2, 1, 0)), axes=(0,))
    assert changed(views.AXES, y).type.shape == x.type.shape
    new = changed(views.AXES, OPS["unsqueeze"].of(OPS["transpose"].of(y), axes=(0,)))
    assert [n.op.name for n in toposort([new])] == ["input", "transpose", "unsqueeze"]


@pytest.mark.parametrize("idx", [("@",), (Slice("@"),), (Slice("@", "@"),), (Slice(1, 3, "@"),)])
def test_parts_of_vectors_that_are_not_known(idx):
    vector = OPS["make_vector"].of(var(), var(), var())
    marks = [constant(1), constant(2)][:str(idx).count("@")]
    assert changed(views.VECTOR_PART, subtensor.of(vector, *marks, idx=idx)) is None


def stretched(*shape):
    return OPS["broadcast_to"].of(var(*shape), 3, 4)


@pytest.mark.parametrize("operands,found", [
    ([stretched()], "mul broadcast_to"), ([stretched(), stretched()], "mul broadcast_to"),
    ([stretched(), var()], "mul broadcast_to"), ([stretched(4), var()], "mul broadcast_to"),
    ([stretched(4), stretched(1, 4)], "mul broadcast_to"), ([stretched(3, 1), stretched(4)], "mul"),
    ([stretched(3, 1), stretched(1, 4)], "mul"), ([stretched(), var(3, 4)], "mul"),
    ([var(3, 4), stretched(4)], "mul"), ([stretched(), var(3, 1)], None),
    ([var(3, 4), var()], None)])
def test_what_stretches_by_itself_is_not_stretched_before(operands, found):
    x = OPS["mul"].of(*operands) if len(operands) > 1 else OPS["exp"].of(*operands)
    new = changed(views.STRETCHED, x)
    want = found and found.replace("mul", x.op.name)
    assert (new and " ".join([n.op.name for n in toposort([new]) if n.inputs])) == want
