"""Nodes to stages."""

import numpy as np
import pytest

import symgrad.tensor as T
from symgrad.compile.kernel import Apply, Index, Lit, Load, body_key, show, walk
from symgrad.compile.lower import lower, name_nodes
from symgrad.compile.spell import LOWERED, fusible
from symgrad.interpret import run
from symgrad.node import variable
from symgrad.ops import OPS
from symgrad.types import Type


@pytest.fixture
def kernels(planned):
    """``kernels(inputs, outputs)``: those of all fused steps, with their names."""

    def make(inputs, *outputs):
        plan = planned(inputs, outputs)
        names = name_nodes(dict.fromkeys([*plan.inputs, *plan.nodes]))
        return [lower(s, names) for s in plan.steps if s.kind == "kernel"]

    return make


def lines(kernel):
    return [line.strip() for line in show(kernel).splitlines()[1:] if "axes" not in line]


def test_the_table_knows_no_op_that_is_not_there():
    assert set(LOWERED) <= set(OPS)
    assert all(OPS[name].kind not in ("elementwise", "reduction") for name in LOWERED)


@pytest.mark.parametrize("build, want", [
    (lambda x, v, y: T.exp(x) + v, "t1[i,j]    = v[j] + exp(x[i,j])"),
    (lambda x, v, y: x.T * 2.0, "t1[i,j]    = x[j,i] * 2.0"),
    (lambda x, v, y: -x[::-1], "t1[i,j]    = -x[d0-i-1,j]"),
    (lambda x, v, y: -v.dimshuffle("x", 0, "x"), "t1[0,i,0]  = -v[i]"),
    (lambda x, v, y: T.zeros_like(x) + 1.5, "t3[i,j]    = 0.0 + 1.5"),
    (lambda x, v, y: x[:, y] ** 2, "t1[i,j]    = x[i,y[j]] ** 2.0"),
    (lambda x, v, y: -x[y, y], "t1[i]      = -x[y[i],y[i]]"),
    (lambda x, v, y: T.arange(v.shape[0]) + y[0], "t3[i]      = i + t1"),
    (lambda x, v, y: OPS["pick"](T.exp(x), y), "t1[i]      = exp(x[i,y[i]])"),
    (lambda x, v, y: T.switch(v > 0, v, 0.5), "t1[i]      = v[i] if v[i] > 0.0 else 0.5"),
    (lambda x, v, y: T.cast(v, "float32") * np.float32(0.1), "t1[i]      = f32(v[i]) * 0.1"),
])
def test_how_ops_are_written(kernels, build, want):
    x, v, y = T.matrix("x"), T.vector("v"), T.lvector("y")
    assert lines(kernels([x, v, y], build(x, v, y))[-1])[-1] == want


def test_literals_have_the_dtype_of_what_they_meet(kernels):
    x = T.fvector("x")
    kernel, = kernels([x], T.softplus(x) * np.float32(0.1))
    found = [e for s in kernel.stages for e in walk(s.expr)]
    assert {e.dtype for e in found} - {"int64"} == {"float32"}
    assert [e for e in found if isinstance(e, Lit)]


def test_what_an_inner_loop_would_repeat_is_a_stage(kernels):
    x, v = T.matrix("x"), T.vector("v")
    kernel, = kernels([x, v], x / T.sqrt(v + 1).dimshuffle(0, "x"))
    assert lines(kernel)[0].endswith("[i,0]    = sqrt(v[i] + 1.0)") and len(lines(kernel)) == 2
    kernel = kernels([x, v], x * v)[0]
    assert len(kernel.stages) == 1


def test_cheap_values_are_names_and_dear_ones_are_kept(kernels):
    x = T.matrix("x")
    shifted = x - 1
    kernel, = kernels([x], T.exp(shifted) * shifted)
    assert [s.inline for s in kernel.stages] == [True, False]
    kernel, = kernels([x], T.exp(x) * T.sum(T.exp(x), axis=1, keepdims=True))
    assert [s.inline for s in kernel.stages] == [False, False, False]


def test_text_does_not_grow_exponentially(kernels):
    x = T.vector("x")
    y = x
    for _ in range(60):
        y = y * y + y
    kernel, = kernels([x], y)
    assert len(show(kernel)) < 60 * 60


def test_long_chains_are_cut(kernels):
    x = T.vector("x")
    y, z = x, x
    for _ in range(3000):
        y, z = T.exp(y), z.dimshuffle("x", 0)[0]
    kernel, = kernels([x], y)
    assert 100 < len(kernel.stages) < 1500
    assert max([text.count("(") for text in lines(kernel)]) <= 12
    assert len(kernels([x], T.exp(z))) == 1


def chain(x, k, op=T.exp):
    for _ in range(k):
        x = op(x)
    return x


def one_more(x):
    return x + 1


def twice(s):
    return T.exp(s) * s


A, B, V, K = T.matrix("A"), T.matrix("B"), T.vector("v"), T.lscalar("k")
E, F, ROOT = T.exp(A), T.exp(B), T.sqrt(V + 1)
NAME = chain(A, 2, one_more)
DECIDED = {  # outputs; their stages: target, `:` behind a mere name, operations, what is read
    "10": ([chain(V, 10)], "t9 10 v"),
    "11": ([chain(V, 11)], "t9 10 v; t10 1 t9"),
    "23": ([chain(V, 23)], "t9 10 v; t19 10 t9; t22 3 t19"),
    "two": ([chain(V, 7) + chain(V, 11, T.tanh)], "t16 10 v; t18 9 t16,v"),
    "moved": ([T.exp(chain(A, 10).T)], "t9 10 A; t11 1 t9"),
    "4": ([twice(chain(A, 4, one_more))], "t3: 4 A; t5 2 t3"),
    "5": ([twice(chain(A, 5, one_more))], "t4 5 A; t6 2 t4"),
    "4 of 3": ([twice(twice(A * B + 1) + 1)], "t1: 2 A,B; t4 3 t1; t6 2 t4"),
    "name of name": ([twice(NAME) + twice(chain(NAME, 2, one_more))],
                     "t1: 2 A; t5: 2 t1; t8 5 t1,t5"),
    "dear name of name": ([twice(NAME) + twice(chain(NAME, 3, one_more))],
                          "t1: 2 A; t6 3 t1; t9 5 t1,t6"),
    "one whole": ([E, twice(E + 1)], "t0 1 A; t1: 1 t0; t3 2 t1"),
    "two whole": ([E, F, twice(E + F)], "t0 1 A; t1 1 B; t2 1 t0,t1; t4 2 t2"),
    "whole, row": ([E, twice(E + E.sum(0))], "t0 1 A; t1 0 t0; t2: 1 t0,t1; t4 2 t2"),
    "column": ([E, twice(E + E.sum(1, keepdims=True))], "t0 1 A; t1 0 t0; t3: 1 t0,t1; t5 2 t3"),
    "not kept": ([twice((A + 1) * (B + 1))], "t2: 3 A,B; t4 2 t2"),
    "names": ([twice(A + 1) + twice(B + 1) + twice((A + 1) * (B + 1))],
              "t0: 1 A; t3: 1 B; t7: 1 t0,t3; t10 8 t0,t3,t7"),
    "kept, 4": ([E, twice(chain(E, 4, one_more))], "t0 1 A; t4: 4 t0; t6 2 t4"),
    "row, 4": ([twice(chain(A * ROOT.dimshuffle(0, "x"), 3, one_more))],
               "t2 2 v; t6: 4 A,t2; t8 2 t6"),
    "deeper": ([chain(chain(V, 3) + chain(V, 7, T.tanh), 4)], "t12 13 v; t14 2 t12"),
    "result": ([A + 1, twice(A + 1)], "t0 1 A; t2 2 t0"),
    "wide": ([A / ROOT.dimshuffle(0, "x")], "t2 2 v; t3 1 A,t2"),
    "moved row": ([A * V.dimshuffle(0, "x")], "t1 1 A,v"),
    "moved twice": ([ROOT, A / ROOT.dimshuffle(0, "x")], "t1 2 v; t3 1 A,t1"),
    "mover twice": ([twice(A.T)], "t2 2 A"),
    "reduced": ([(A * V).sum(0)], "t1 1 A,v"),
    "rows": ([(A * ROOT).sum(1)], "t1 2 v; t3 1 A,t1"),
    "picked": ([T.exp(B) + T.exp(A)[K + 1]], "t0 1 k; t1 1 A; t4 2 B,t2"),
}


@pytest.mark.parametrize("which", DECIDED)
def test_what_is_a_stage(kernels, which):
    outputs, want = DECIDED[which]
    made = kernels([A, B, V, K], *outputs)
    found = [(s, list(walk(s.expr))) for kernel in made for s in kernel.stages]
    said = [f"{s.target}{':' * s.inline} {sum([type(e) is Apply for e in parts])} "
            f"{','.join(sorted({e.source for e in parts if type(e) is Load}))}"
            for s, parts in found]
    assert "; ".join(said) == want


def test_there_are_letters_for_any_number_of_axes(kernels):
    x = T.tensor("float64", (None,) * 13, "x")
    kernel, = kernels([x], T.exp(x))
    assert [letter for letter, _ in kernel.axes] == [*"ijklmpqrsuvw", "i1"]


def test_half_floats_are_added_in_single(kernels):
    x = T.tensor("float16", (None, None), "x")
    kernel, = kernels([x], x.sum(axis=1))
    assert [s.dtype for s in kernel.stages] == ["float32", "float16"]
    assert kernel.stages[0].order == "pairwise"


@pytest.mark.parametrize("dtype, reduce, order", [
    ("float64", "sum", "pairwise"), ("int32", "sum", "free"), ("float64", "max", "free"),
    ("complex64", "sum", "pairwise")])
def test_the_order_of_a_sum(kernels, dtype, reduce, order):
    x = T.tensor(dtype, (None,), "x")
    kernel = kernels([x], getattr(x, reduce)())[-1]
    assert [s.order for s in kernel.stages if s.combine] == [order]


def test_only_what_is_read_is_a_parameter(kernels):
    x, y = T.matrix("x"), T.vector("y")
    kernel = kernels([x, y], T.alloc(y, x.shape[0], y.shape[0]) * 2)[-1]
    assert [p.name for p in kernel.params] == ["y"]


def test_names_that_users_choose_do_no_harm(planned):
    names = ["i", "exp", "d0", "class", "x y", "max", "t0", "t0", "", "index", "int64", "ö"]
    xs = [T.matrix(name) for name in names]
    total = T.exp(xs[0]).max(axis=1)
    for x in xs:
        total = total + T.exp(x).sum(axis=1)
    plan = planned(xs, [total])
    given = name_nodes(dict.fromkeys([*plan.inputs, *plan.nodes]))
    assert len(set(given.values())) == len(given)
    kernel = lower(plan.steps[-1], given)
    letters = {letter for letter, _ in kernel.axes}
    assert not letters & set(given.values()) and given[plan.inputs[-1]] == "ö"


def test_layers_share_one_body(planned):
    x = T.matrix("x")
    h, inputs = x, [x]
    for k in range(5):
        w, b = T.matrix(f"W{k}"), T.vector(f"b{k}")
        inputs += [w, b]
        h = T.tanh(T.dot(h, w) + b)
    plan = planned(inputs, [h])
    names = name_nodes(dict.fromkeys([*plan.inputs, *plan.nodes]))
    made = [lower(s, names) for s in plan.steps if s.kind == "kernel"]
    assert len(made) == 5 and len({body_key(k) for k in made}) == 1


def test_an_index_into_an_axis_of_length_one_is_checked(kernels):
    x, y = T.tensor("float64", (1, None), "x"), T.lvector("y")
    kernel = kernels([x, y], -x[y])[-1]
    load = next(e for e in walk(kernel.stages[-1].expr) if isinstance(e, Load) and e.source == "x")
    assert isinstance(load.at[0], Index) and load.at[0].length == 1


def test_every_elementwise_op_and_reduction_can_be_fused():
    """All that have a scalar; those that have none are listed, so that a new one is a decision."""
    cannot = []
    for name, op in OPS.items():
        if op.kind not in ("elementwise", "reduction"):
            continue
        x = [variable(Type("float64", (3, 4))) for _ in range(op.arity or 1)]
        try:
            node = op.of(*x)
        except (TypeError, ValueError):
            x = [variable(Type("int64", (3, 4))) for _ in x]
            try:
                node = op.of(*x)
            except (TypeError, ValueError):
                continue
        if not fusible(node):
            cannot.append(name)
    assert len(cannot) <= 6, cannot
    assert run([T.exp(0.0)])[0] == 1


def test_a_place_in_an_axis_of_length_one_is_checked(kernels):
    x, y = T.tensor("float64", (1, None), "x"), T.lvector("y")
    kernel = kernels([x, y], T.inc_subtensor(x[y], 1.0))[-1]
    written = [s.at[0] for s in kernel.stages if s.onto]
    assert [type(at) for at in written] == [Index] and written[0].length == 1


@pytest.mark.parametrize("name,ours", [
    ("x1", True), ("dx", True), ("d", True), ("learning_rate", True), ("d1", False), ("d10", False),
    ("", False), (None, False), ("a b", False), ("lambda", False), ("range", False), ("t0", True),
])  # fmt: skip
def test_a_users_name_is_kept_if_it_can_be_one(name, ours):
    """Lengths are d0, d1, … in kernels."""
    n = variable(Type("float64", (None,)), name)
    assert name_nodes([n])[n] == (name if ours else "t0")


def test_names_are_not_given_twice():
    nodes = [variable(Type("float64", ()), name) for name in ("t0", "x", "x", None, "y")]
    assert list(name_nodes(nodes, reserved=("y",)).values()) == ["t0", "x", "t1", "t2", "t3"]
