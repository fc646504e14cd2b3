"""Products with scaling and addition: which calls there are, and what they are called."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pool import absorb, export
from symgrad.compile.rewrite import Log
from symgrad.compile.rules import blas
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops import OPS

A, B, C, V, W, S = (T.dmatrix("A"), T.dmatrix("B"), T.dmatrix("C"), T.dvector("v"), T.dvector("w"),
                    T.dscalar("s"))
R, K, ONE = T.row("r", "float64"), T.col("k", "float64"), T.tensor("float64", (1,), name="one")
X = T.dtensor3("x")
RNG = np.random.default_rng(0)
VALUES = {n: RNG.uniform(0.5, 1.5, [d or 3 for d in n.type.shape])
          for n in (A, B, C, V, W, S, R, K, ONE, X)}
IDLE = OPS["transpose"].of(A, axes=(0, 1))
COLUMN, FLAT = V.dimshuffle(0, "x"), V.dimshuffle("x", 0)


def rewritten(*outputs):
    pool, old = absorb(outputs)
    new = export(blas.run(old, pool, Log()), pool)
    return new, [n.op.name for n in toposort(new) if n.op.name in (
        "dot", "gemm", "gemv", "ger", "transpose")]


@pytest.mark.parametrize("make,calls", [
    (lambda: C - S * T.dot(A, B), ["gemm"]), (lambda: T.dot(A, B) * S - C, ["gemm"]),
    (lambda: -(C + T.dot(A, B) / S), ["gemm"]), (lambda: C / S + T.dot(A, B), ["gemm"]),
    (lambda: S * (C - T.dot(A, B) * 2.0), ["gemm"]), (lambda: C + C + T.dot(A, B), ["gemm"]),
    (lambda: C - C * S - T.dot(A, B), ["gemm"]), (lambda: -C - (-T.dot(A, B)), ["gemm"]),
    (lambda: T.dot(A, B) - T.dot(B, C), ["dot", "gemm"]),
    (lambda: T.dot(A, B) + T.dot(B, C) + C, ["gemm", "gemm"]),
    (lambda: V - S * T.dot(A, W), ["gemv"]), (lambda: V + T.dot(W, A), ["transpose", "gemv"]),
    (lambda: V - T.dot(A, V) - T.dot(B, W), ["gemv", "gemv"]),
    (lambda: C + S * T.outer(V, W), ["ger"]), (lambda: C - T.outer(V, W) / S, ["ger"]),
    (lambda: T.outer(V, W) * S - C, []), (lambda: T.outer(V, W) - T.outer(W, V), []),
    (lambda: C + T.outer(V, W) + T.outer(W, V), ["ger", "ger"]),
    (lambda: S * C + T.outer(V, W), []), (lambda: T.tanh(C) + T.dot(A, B), ["dot"]),
    (lambda: C + A + T.dot(A, B), ["dot"]), (lambda: C * T.dot(A, B), ["dot"]),
    (lambda: T.dot(A, B).T, ["transpose", "transpose", "dot"]),
    (lambda: T.dot(A.T, B.T).T, ["dot"]), (lambda: C + T.dot(A, B)[0], ["dot"]),
    (lambda: C + T.tanh(T.dot(A, B)), ["dot"]),
    (lambda: (C + T.dot(A, B)).sum(axis=0), ["dot"]),
    (lambda: C + COLUMN * R, ["ger"]), (lambda: C + R * COLUMN, ["ger"]),
    (lambda: FLAT * T.exp(W.dimshuffle("x", 0)) + R, []), (lambda: COLUMN * ONE + K, []),
    (lambda: COLUMN * S.dimshuffle("x") + K, []), (lambda: FLAT * COLUMN + C, ["ger"]),
    (lambda: COLUMN * S.dimshuffle("x", "x") + K, ["ger"]), (lambda: C * R + C * COLUMN, []),
    (lambda: C + T.dot(R, A), ["dot"]), (lambda: T.dot(A, B) + R * S, ["dot"]),
    (lambda: T.dot(A, B) + (R + R * S), ["dot"]), (lambda: T.dot(A, B) - (S + S), ["dot"]),
    (lambda: C + T.dot(K, R), ["ger"]), (lambda: C + T.dot(A, K) * S, ["dot"]),
    (lambda: T.dot(C + T.dot(A, B), A), ["gemm", "dot"]),
    (lambda: T.tanh(T.dot(A, B).T), ["transpose", "transpose", "dot"]),
    (lambda: OPS["transpose"].of(T.dot(A, B), axes=(0, 1)), ["transpose", "dot"]),
    (lambda: T.dot(IDLE, B).T, ["transpose", "transpose", "transpose", "dot"]),
    (lambda: S + T.dot(V, W), ["dot"]), (lambda: X + C.dimshuffle(0, "x", 1) * R, []),
])
def test_which_calls_there_are(make, calls):
    out = make()
    new, made = rewritten(out)
    assert sorted(made) == sorted(calls)
    np.testing.assert_allclose(run(new, VALUES)[0], run([out], VALUES)[0], rtol=1e-12)


@pytest.mark.parametrize("make,ops", [
    (lambda: C - C * S, "gemm sub"), (lambda: C * S - C, "add gemm"),
    (lambda: C * S - C / S, "add gemm true_div"), (lambda: C - S * C - C, "add gemm sub"),
    (lambda: C / S - C * S, "gemm sub true_div"), (lambda: -(C / S), "gemm true_div"),
    (lambda: S * (C / S), "gemm true_div"), (lambda: -(S * C), "gemm neg"),
    (lambda: C * 2.0 * S, "gemm mul"), (lambda: -(C * 2.0) - C, "add gemm"),
    (lambda: -(C * -S), "gemm"),
])
def test_factors_are_numbers_before(make, ops):
    """How the factor of C comes to be."""
    out = make() + T.dot(A, B)
    new, _ = rewritten(out)
    assert sorted([n.op.name for n in toposort(new) if n.inputs]) == ops.split()
    np.testing.assert_allclose(run(new, VALUES)[0], run([out], VALUES)[0], rtol=1e-12)


def test_the_first_of_two_products_is_made_alone():
    (new,), _ = rewritten(T.dot(A, B) - T.dot(B, C))
    assert new.inputs[0].inputs == (A, B) and [i.data for i in new.inputs[3:]] == [-1, 1]


def test_factors_that_are_equal_are_made_once():
    new, _ = rewritten(C * S - C + T.dot(A, B), B * S - B + T.dot(A, C))
    assert [n.op.name for n in toposort(new) if n.inputs] == ["add", "gemm", "gemm"]


def test_a_term_that_occurs_twice_has_a_factor_of_its_own_dtype():
    """Whatever else there is in the graph."""
    x = T.fmatrix("x")
    for last in (T.argmax(V), T.gt(S, 0), S):
        (new, _), _ = rewritten(x + x + T.dot(x, x), last)
        assert new.inputs[4].data == 2 and {i.type.dtype for i in new.inputs} == {"float32"}


def test_a_product_that_others_read_is_made_once():
    product = T.dot(A, B)
    new, made = rewritten(C + product, T.tanh(product))
    assert made == ["dot"]
    total = C + T.dot(A, B)
    assert rewritten(total, T.tanh(total))[1] == ["gemm"]
    scaled = T.dot(A, B) * S
    assert rewritten(C + scaled, T.tanh(scaled))[1] == ["dot"]
    assert rewritten(product.T, product)[1] == ["dot", "transpose"]


def test_vectors_of_an_outer_product():
    """A row that is not made of a vector is made one."""
    for row, ops in ((FLAT, ["ger"]), (R, ["ger", "squeeze"])):
        (new,), _ = rewritten(C + W.dimshuffle(0, "x") * row)
        assert sorted([n.op.name for n in toposort([new]) if n.inputs]) == ops


def test_calls_that_are_off():
    pool, old = absorb([C + T.dot(A, B), V + T.dot(A, W)])
    new = blas.run(old, pool, Log(), ("gemm",))
    assert [n.op.name for n in new] == ["add", "gemv"]


def test_names_stay():
    """What a user has named bears its name in the program; what is new takes the user's."""
    out, product = C - T.dot(A, B), T.dot(B, A)
    out.name, product.name = "out", "product"
    new, _ = rewritten(out, product.T, product)
    assert [n.name for n in new] == ["out", None, "product"]
    twice = T.dot(B.T, A.T)
    twice.name = "twice"
    turned = T.dot(A, B).T
    turned.name = "turned"
    new, _ = rewritten(twice, turned)
    assert new[0] is new[1] and new[0].name == "twice"


@pytest.mark.parametrize("dtype", ["int64", "complex128"])
def test_other_dtypes_are_left_alone(dtype):
    x, y = T.matrix("x", dtype), T.matrix("y", dtype)
    f = sg.function([x, y], x + T.dot(x, y))
    assert not [k for k in f.report.fired if k.startswith("blas.ge")] or dtype in blas.DTYPES
