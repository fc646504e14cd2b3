"""The kernel IR: its text, and sameness up to names."""

import pytest

import symgrad.tensor as T
from symgrad.compile.kernel import (
    Affine,
    Apply,
    Axis,
    Index,
    Kernel,
    Lit,
    Load,
    Param,
    Size,
    Stage,
    affine,
    as_value,
    body_key,
    show,
    substitute,
    text,
)
from symgrad.compile.lower import lower, name_nodes
from symgrad.ops import OPS
from symgrad.types import Dim, Type

AXIS, OTHER = Axis("i"), Axis("j")
N = Dim("n")


def classifier():
    """The loss of a softmax classifier, its slope for the logits, and for the biases."""
    z, b, y = T.matrix("t0"), T.vector("b"), T.lvector("y")
    logits = z + b
    top = T.max(logits, axis=1)
    e = T.exp(logits - top.dimshuffle(0, "x"))
    s = T.sum(e, axis=1)
    loss = T.sum((top + T.log(s)) - OPS["pick"](logits, y))
    ones = T.full(y.shape, -1.0, "float64")
    slope = OPS["place"](ones, y, z.shape[0], z.shape[1]) + e / s.dimshuffle(0, "x")
    return [z, b, y], loss, slope, slope.sum(axis=0)


def only_kernel(plan, names=()):
    """The kernel of more than scalars; nodes get the names in order of the plan's outputs."""
    for node, name in zip(plan.outputs, names, strict=False):
        node.name = name
    step, = [s for s in plan.steps if any([n.type.ndim for n in s.body])]
    known = [n for n in step.inputs if n.name]
    return lower(step, name_nodes(dict.fromkeys([*known, *step.body, *step.inputs])))


def test_the_loss_of_a_classifier(planned):
    inputs, loss, _, _ = classifier()
    kernel = only_kernel(planned(inputs, [loss]), ["loss"])
    assert show(kernel) == """\
kernel k_loss(t0: f64[d0,d1], b: f64[d1], y: i64[d0]) -> loss: f64[]
  axes i<d0  j<d1
  t1[i,j]   := t0[i,j] + b[j]
  t2[i]      = max j: t1[i,j]
  t6[i]      = sum j: exp(t1[i,j] - t2[i])
  loss       = sum i: (t2[i] + log(t6[i])) - t1[i,y[i]]"""


def test_the_loss_and_its_gradient(planned):
    inputs, *outputs = classifier()
    kernel = only_kernel(planned(inputs, outputs), ["loss", "gz", "gb"])
    assert show(kernel) == """\
kernel k_loss(t0: f64[d0,d1], b: f64[d1], y: i64[d0]) -> loss: f64[], gz: f64[d0,d1], gb: f64[d1]
  axes i<d0  j<d1
  t1[i,j]   := t0[i,j] + b[j]
  t2[i]      = max j: t1[i,j]
  t5[i,j]    = exp(t1[i,j] - t2[i])
  t6[i]      = sum j: t5[i,j]
  loss       = sum i: (t2[i] + log(t6[i])) - t1[i,y[i]]
  gz[i,j]    = (-1.0 if j == y[i] else 0.0) + (t5[i,j] / t6[i])
  gb[j]      = sum i: gz[i,j]"""


def load(name, *at, dtype="float64"):
    return Load(name, at, dtype)


@pytest.mark.parametrize("expr, want", [
    (Apply("neg", (Apply("add", (load("x"), load("y")), "float64"),), "float64"), "-(x + y)"),
    (Apply("exp", (Apply("neg", (load("x", AXIS),), "float64"),), "float64"), "exp(-x[i])"),
    (Apply("where", (Apply("lt", (load("x"), load("y")), "bool"), load("x"), load("y")), "float64"),
     "x if x < y else y"),
    (Apply("cast", (load("x"),), "float32"), "f32(x)"),
    (Lit(0.1, "float32"), "0.1"), (Lit(float("-inf"), "float64"), "-inf"),
    (Lit(True, "bool"), "True"),
    (Size(N), "n"), (load("x", 0, AXIS), "x[0,i]"),
    (load("x", Affine(((2, "i"), (1, "p")), -1)), "x[2*i+p-1]"),
    (load("x", affine([(1, N), (-1, AXIS)], -1)), "x[n-i-1]"),
    (load("x", Index(load("y", AXIS, dtype="int64"), N)), "x[y[i]]"),
])
def test_text_of_expressions(expr, want):
    kernel = Kernel("k", (), (), (Stage("t", (), expr, "float64"),), ())
    assert show(kernel).splitlines()[-1].split("= ", 1)[1] == want


def test_affine_forms_have_one_spelling():
    assert affine([(1, AXIS)]) == AXIS
    assert affine([(2, AXIS), (-2, AXIS)], 3) == 3
    assert affine([(2, affine([(1, AXIS)], 1)), (1, OTHER)]) == Affine(((2, "i"), (1, "j")), 2)
    backward = Affine(((1, N), (-1, "i")), -1)
    assert substitute(backward, {"i": affine([(1, N), (-1, OTHER)], -1)}) == OTHER
    computed = substitute(Affine(((2, "i"),), 1), {"i": Index(load("y", OTHER, dtype="int64"), N)})
    assert type(computed) is Index and computed.length is None
    assert text(as_value(Affine(((2, "i"),), 1)), str).count("*") == 1


def kernel(a="a", r="r", i="i", n=N, lit=2.0, order="pairwise", dtype="float64"):
    x = Param(a, Type(dtype, (n,)))
    value = Apply("mul", (Load(a, (Axis(i),), dtype), Lit(lit, dtype)), dtype)
    stage = Stage(r, (), value, dtype, "sum", (i,), Lit(0.0, dtype), order)
    return Kernel("k_" + r, (x,), (Param(r, Type(dtype, ())),), (stage,), ((i, n),))


def test_kernels_that_differ_in_names_alone_have_one_key():
    assert body_key(kernel()) == body_key(kernel("b", "s", "j", Dim("m")))


@pytest.mark.parametrize("change", [
    {"lit": 3.0}, {"lit": -2.0}, {"n": 7}, {"order": "free"}, {"dtype": "float32"}])
def test_kernels_that_differ_in_more_do_not(change):
    assert body_key(kernel()) != body_key(kernel(**change))


def test_literals_are_told_apart_by_their_bits():
    assert Lit(0.0, "float64") != Lit(-0.0, "float64") and Lit(1, "int64") != Lit(1.0, "int64")
    assert Lit(float("nan"), "float64") == Lit(float("nan"), "float64")


def test_lengths_and_checks():
    index = Index(load("y", AXIS, dtype="int64"), Dim("k"), 1, "pick")
    x = Param("x", Type("float64", (N, index.length)))
    stage = Stage("t", (AXIS,), load("x", AXIS, index), "float64")
    k = Kernel("k", (x,), (), (stage,), (("i", N),))
    assert k.lengths == (N, index.length) and k.checks == (index,)
