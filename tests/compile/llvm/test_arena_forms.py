"""What the arena asks, on nests and pieces that are written by hand: no native code is made."""

from types import SimpleNamespace

import pytest

import symgrad.tensor as T
from symgrad.compile.backends.llvm.arena import alone, without_copy
from symgrad.compile.kernel import Apply, Axis, Index, Load
from symgrad.compile.nest import Assign, Fold, For, Local, Nest, Nonempty


class Some(SimpleNamespace):
    """Whatever has these attributes; one that is only itself."""

    __eq__, __hash__ = object.__eq__, object.__hash__


H, J, F = Axis("i"), Axis("j"), "float64"


def load(source, *at):
    return Load(source, at or (H, J), F)


def nest(*body, buffers=()):
    return Nest("f", (), (), (), buffers, list(body))


def loops(*body, letters="ij"):
    for letter in reversed(letters):
        body = (For(letter, 4, list(body)),)
    return body[0]


def twice(e):
    return Apply("add", (e, e), F)


BY = Index(load("k", H), 4)  # a computed index
CHECK = Nonempty("max", (4,))
COPY = loops(Assign(load("t"), load("s")))
SCATTER = loops(Fold(load("t", BY, J), "sum", load("x"), "any"))
READING = loops(Fold(load("t", BY, J), "sum", load("s"), "any"))

ALONE = [  # (body of a kernel that makes t, whether it may write t over s)
    ([loops(Assign(load("t"), twice(load("s"))))], True),
    ([loops(Assign(load("t"), load("x")))], True),
    ([loops(Assign(load("t"), load("s", J, H)))], False),
    ([loops(Assign(load("t"), load("s", BY, J)))], False),
    ([loops(Assign(load("t", BY, J), load("s", BY, J)))], True),
    ([loops(Assign(load("t", BY, J), load("s")))], False),
    ([loops(Assign(load("t", Index(load("s"), 4), J), load("x")))], False),
    ([loops(Assign(Local("a", F), load("s")), Assign(load("t"), Local("a", F)))], True),
    ([loops(Assign(load("t"), load("x")), Assign(Local("a", F), load("s")))], False),
    ([loops(Assign(load("t"), load("x")), Assign(load("u"), load("s")))], False),
    ([loops(Assign(load("u"), load("s")), Assign(load("t"), load("x")))], True),
    ([loops(Assign(load("u"), load("s"))), loops(Assign(load("t"), load("x")))], False),
    ([loops(Assign(Local("a", F), load("s")), loops(Assign(load("t"), load("x")), letters="j"),
            letters="i")], False),
    ([CHECK, loops(Assign(load("t"), load("s")))], True),
    ([loops(Fold(Local("a", "int64"), "argmax", load("x"), "any", Local("b", F), load("s")),
            Assign(load("t"), load("s")))], True),
    ([loops(Fold(Local("a", "int64"), "argmax", load("x"), "any", Local("b", F), load("s", J, H)),
            Assign(load("t"), load("x")))], False),
    ([COPY, SCATTER], True), ([COPY, READING], False), ([COPY, COPY], False),
    ([loops(Assign(load("t"), load("s"))), loops(Assign(load("t"), load("s", J, H)))], False),
]


@pytest.mark.parametrize("body, said", ALONE)
def test_whether_a_kernel_may_write_over_what_it_reads(body, said):
    s, t, k = T.dmatrix("s"), T.dmatrix("t"), T.lvector("k")
    names = {s: "s", t: "t", k: "k"}
    piece = Some(kind="kernel", step=Some(inputs=(s, k)), names=names, nest=nest(*body))
    assert alone(piece, s, t, {}) is said
    part = s[1:]
    seen = Some(kind="kernel", step=Some(inputs=(s, part)), names=names, nest=nest(*body))
    assert not alone(seen, s, t, {part: s})
    assert alone(seen, s, t, {part: k}) is said
    for kind in ("python", "join", "range", "loop"):
        assert not alone(Some(kind=kind, step=piece.step, names=names, nest=piece.nest), s, t, {})
    z = T.zmatrix("z")
    pairs = Some(kind="kernel", step=Some(inputs=(z,)), names={z: "s", t: "t"}, nest=piece.nest)
    assert not alone(pairs, z, t, {})


X, Y, V = T.dmatrix("x"), T.dmatrix("y"), T.lvector("v")


@pytest.mark.parametrize("kind, node, over, said", [
    ("write", T.inc_subtensor(X[1], Y[0]), X, True),
    ("write", T.inc_subtensor(X[1], Y[0]), Y, False),
    ("product", T.dot(X, Y), X, False), ("product", T.dot(X, Y), Y, False),
])
def test_whether_a_call_may_write_over_an_operand(kind, node, over, said):
    piece = Some(kind=kind, step=Some(inputs=node.inputs, body=(node,)))
    assert alone(piece, over, node, {}) is said


def test_a_call_does_not_write_over_what_it_reads_twice():
    for inputs, over, said in [((X, Y, X), X, False), ((X, X, Y), X, False), ((X, Y, Y), X, True),
                               ((X, Y, Y), Y, False), ((Y, X, Y), X, False)]:
        node = Some(op=Some(name="gemm"), inputs=inputs)
        piece = Some(kind="product", step=Some(inputs=inputs, body=(node,)))
        assert alone(piece, over, node, {}) is said


OTHER = Assign(load("t"), load("x"))
COPIES = [  # (body, which of its statements are left without copies)
    ([COPY, SCATTER], [1]), ([SCATTER, COPY], [0]), ([COPY], []), ([CHECK, COPY, SCATTER], [0, 2]),
    ([Assign(load("t", 0), load("s", 0)), SCATTER], [1]),
    ([loops(Assign(load("t", BY), load("s", BY)), letters="i"), SCATTER], [1]),
    ([SCATTER], None), ([COPY, COPY, SCATTER], None), ([COPY, READING], None),
    ([COPY, loops(Assign(load("u"), twice(load("s"))))], None),
    ([COPY, loops(Fold(load("t", Index(load("s"), 4)), "sum", load("x"), "any"))], None),
    ([loops(Assign(load("t"), load("s", J, H))), SCATTER], None),
    ([loops(Assign(load("t"), load("x"))), SCATTER], None),
    ([loops(Assign(load("u"), load("s"))), SCATTER], None),
    ([loops(Assign(load("t"), twice(load("s")))), SCATTER], None),
    ([loops(Assign(Local("a", F), load("s"))), SCATTER], None),
    ([loops(Fold(load("t"), "sum", load("s"), "any")), SCATTER], None),
    ([loops(Assign(load("t"), load("s")), OTHER), SCATTER], None),
]


@pytest.mark.parametrize("body, left", COPIES)
def test_a_scatter_without_its_copy(body, left):
    whole = nest(*body)
    less = without_copy(whole, "s", "t")
    assert (less and less.body) == (left if left is None else [body[k] for k in left])
    assert whole.body == body
