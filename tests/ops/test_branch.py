"""ifelse as an op: its types, what is asked for when, its errors; and the branch made of it."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.passes import REWRITES, apply, select
from symgrad.compile.pool import absorb
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.node import toposort
from symgrad.op import make
from symgrad.ops.body import Body
from symgrad.ops.branch import Told, branch
from symgrad.ops.ifelse import ifelse, needs
from symgrad.ops.scan import item
from symgrad.types import Dim, Tuple, Type

X = np.array([1.0, 2.0])


def compiled(*outputs):
    """The graph as it is when steps are made of it."""
    pool, graph = absorb(list(outputs))
    return apply(REWRITES, graph, pool, select(""))


def names(graph):
    return [n.op.name for n in toposort(graph)]


# -- types


def test_types_of_both_sides_meet():
    c = T.bscalar()
    assert ifelse(c, T.fmatrix(), T.imatrix()).type == Type("float64", (None, None))
    a, b = Type("float32", (3, 4))(), Type("float32", (3, 5))()
    assert ifelse(c, a, b).type == Type("float32", (3, None))
    assert ifelse(c, 1, 2.5).dtype == "float32"
    assert T.ifelse is sg.ifelse


def test_the_condition_is_made_a_bool_once():
    c = T.dscalar("c")
    one, two = ifelse(c, [T.dvector(), T.dvector()], [T.dvector(), T.dvector()])
    assert one.inputs[0] is two.inputs[0] and one.inputs[0].dtype == "bool"
    flag = T.gt(c, 0)
    assert ifelse(flag, 1, 2).inputs[0] is flag


# -- what is asked for when


def test_needs():
    x, y, c, d = T.dvector("x"), T.dvector("y"), T.scalar("c", "bool"), T.scalar("d", "bool")
    a, b, shared = T.exp(x), T.log(y), T.sin(x)
    inner = ifelse(d, a + shared, b)
    out = ifelse(c, inner, shared)
    when = needs([out])
    assert when[out] == when[c] == when[shared] == when[x] == ()
    assert when[inner] == when[d] == ((c, True),)
    assert when[a] == ((c, True), (d, True)) and when[b] == ((c, True), (d, False))
    assert needs([a, b]) is None
    never = T.tan(x)
    when = needs([ifelse(c, T.exp(ifelse(c, a, never)), b)])
    assert never not in when and when[a] == ((c, True),)


# -- errors


@pytest.mark.parametrize("call, kind, words", [
    (lambda x, m, c: ifelse(x, x, x), ShapeError, "condition must be a scalar, not f64[?]"),
    (lambda x, m, c: ifelse(c, x, m), ShapeError,
     "different ranks, f64[?] if true and f64[?,?] if false"),
    (lambda x, m, c: ifelse(c, [x, m], [x]), ArgumentError,
     "2 results if the condition holds and 1 if not"),
    (lambda x, m, c: ifelse(c, [x, m], x), ArgumentError, "2 results"),
    (lambda x, m, c: ifelse(c, lambda: x, lambda: m), ArgumentError, "not functions"),
    (lambda x, m, c: ifelse(c, x, None), DtypeError, "NoneType"),
    (lambda x, m, c: ifelse(c, x), ArgumentError, "else_branch"),
    (lambda x, m, c: ifelse(c, x, els=x), ArgumentError, "els"),
    (lambda x, m, c: ifelse("c", x, x), DtypeError, "str"),
])
def test_errors(call, kind, words):
    x, m, c = T.dvector("x"), T.dmatrix("m"), T.bscalar("c")
    with pytest.raises(kind) as caught:
        call(x, m, c)
    assert words in str(caught.value) and str(caught.value).startswith("ifelse: ")


def test_an_error_names_the_line_and_the_cure():
    with pytest.raises(ShapeError) as caught:
        ifelse(T.bscalar("c"), T.dvector("x"), T.dmatrix("m"))
    text = str(caught.value)
    assert "test_branch.py" in text and "x " in text and "m " in text and "hint: a side" in text
    with pytest.raises(ShapeError, match="any"):
        ifelse(T.dvector("x") > 0, 1, 2)


# -- derivatives


def test_a_condition_has_no_derivative():
    c, x = T.dscalar("c"), T.dscalar("x")
    with pytest.raises(ValueError, match="does not depend on"):
        sg.grad(ifelse(c, x, x * 2), c)


def test_cotangents_stay_in_their_side():
    x, w, c = T.dvector("x"), T.dvector("w"), T.scalar("c", "bool")
    cost = ifelse(c, T.tanh(x * w), x).sum() + (w * w).sum()
    g = sg.grad(cost, [x, w])
    when = needs(g)
    outside = {n.op.name for n in when if not when[n]}
    assert "tanh" not in outside
    for flag in (True, False):
        got = [v.eval({x: X, w: X, c: flag}) for v in g]
        s = 1 - np.tanh(X * X) ** 2
        np.testing.assert_allclose(got[0], X * s if flag else np.ones(2))
        np.testing.assert_allclose(got[1], 2 * X + (X * s if flag else 0))


# -- the pass


def test_conditionals_on_one_condition_are_one_branch():
    x, c = T.dvector("x"), T.bscalar("c")
    graph = compiled(*ifelse(c, [T.exp(x), T.exp(x).sum()], [T.log(x), T.log(x).prod()]))
    assert names(graph).count("branch") == 1 and "exp" not in names(graph)
    whole = graph[0].inputs[0]
    assert [len(side.outputs) for side in whole.attrs[:2]] == [2, 2]
    assert whole.attrs[3] == ()


def test_what_is_handed_over_is_idle_in_the_other_side():
    x, c = T.dvector("x"), T.bscalar("c")
    y = ifelse(c, T.exp(x).sum(), x.prod())
    graph = compiled(T.sqr(y) * 0.5, sg.grad(T.sqr(y) * 0.5, x))
    whole = [n for n in toposort(graph) if n.op is branch]
    assert len(whole) == 2 and whole[0].attrs[3] == ((1, 1),)


def test_what_is_there_anyway_is_chosen_by_where():
    a, b, x, c = T.dscalar("a"), T.dscalar("b"), T.dvector("x"), T.bscalar("c")
    assert "branch" not in names(compiled(ifelse(c, a * b + 1, a - b)))
    y = T.exp(x)
    assert "branch" not in names(compiled(ifelse(c, x, y), y.sum()))
    assert "branch" in names(compiled(ifelse(c, T.exp(a), b)))
    assert "branch" in names(compiled(ifelse(c, x * 2, x)))
    pool, graph = absorb([ifelse(c, a * b + 1, a - b)])
    assert "branch" in names(apply(REWRITES, graph, pool, select("-sides.where")))


@pytest.mark.parametrize("make, want", [
    (lambda c, x, y: ifelse(True, x, T.exp(y)), "x"),
    (lambda c, x, y: ifelse(0, T.exp(y), x), "x"),
    (lambda c, x, y: ifelse(c, x, x), "x"),
])
def test_resolved(make, want):
    x = T.dvector("x")
    (out,) = compiled(make(T.bscalar("c"), x, T.dvector("y")))
    assert out.name == want


# -- the op


def test_branch():
    x, y = Type("float64", (None,))("x"), Type("float64", (None,))("y")
    then, other = Body((x,), (x * 2, x.sum())), Body((y,), (y + 1, y.prod()))
    c, v = T.scalar("c", "bool"), T.dvector("v")
    types = [y.type, Type("float64")]
    told = tuple([Told.of(t, [y]) for t in types])
    assert told[0].lengths == (None,)  # an unknown length is no length of an operand
    whole = make(branch, (c, v), (then, other, told, ()))
    assert type(whole.type) is Tuple and whole.type.items == tuple(types)
    parts = [make(item, (whole,), (k,)) for k in range(2)]
    got = [p.eval({c: True, v: X}) for p in parts]
    np.testing.assert_allclose(got[0], 2 * X)
    assert parts[1].eval({c: False, v: X}) == 2.0
    n = Dim("n")
    rows = Told.of(Type("float64", (n, 3)), [y, Type("int8", (2, n))("m")])
    assert rows.lengths == ((1, 1), 3)
    assert rows.type([y.type, Type("int8", (2, 5))]) == Type("float64", (5, 3))


def test_a_long_chain_is_a_tree():
    x, k = T.dvector("x"), T.lscalar("k")
    y = x
    for j in range(40):
        y = ifelse(T.eq(k, j), T.exp(x * j), y)

    def depth(graph):
        return max([1 + max(map(depth, [s.outputs for s in n.attrs[:2]]))
                    for n in toposort(graph) if n.op is branch], default=0)

    assert depth(compiled(y)) == 6
    pool, graph = absorb([y])
    assert depth(apply(REWRITES, graph, pool, select("-sides.tree"))) == 40
