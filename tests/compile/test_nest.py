"""The loop nest: its statements, the expressions they read, its text in both forms."""

import pytest

from symgrad.compile.kernel import Affine, Apply, Axis, Index, Lit, Load, Param, Size
from symgrad.compile.nest import (
    Assign,
    Buffer,
    Fold,
    For,
    Local,
    Nest,
    Nonempty,
    expressions,
    show,
    statements,
)
from symgrad.types import Dim, Type

N, K, F8 = Dim("n"), Dim("k"), "float64"
i, j = Axis("i"), Axis("j")
R, BEST, AT = Local("r", F8), Local("best", F8), Local("at", "int64")


def load(name, *at, dtype=F8):
    return Load(name, at, dtype)


def row(name, *args, dtype=F8):
    return Apply(name, args, dtype)


X, OUT = load("x", i, j), load("out", i)


def nest(*body, lengths=(), results=(), buffers=()):
    return Nest("k", (Param("x", Type(F8, (N, K))),), results, lengths, buffers, list(body))


def test_statements_are_those_that_are_no_loops():
    a, b, c = Assign(R, X), Nonempty("max", (N,)), Fold(R, "sum", X, "free")
    assert list(statements([For("i", N, [a, For("j", K, [b])]), c])) == [a, b, c]


def test_what_a_statement_reads_and_writes():
    assert expressions(Nonempty("max", (N,))) == ()
    assert expressions(Assign(OUT, X)) == (OUT, X)
    assert expressions(Fold(R, "sum", X, "free")) == (R, X)
    assert expressions(Fold(AT, "argmax", X, "free", BEST, j)) == (AT, X, BEST, j)


def test_the_text_of_a_nest():
    x = Param("x", Type(F8, (N, K)))
    body = [Nonempty("max", (N,)), Nonempty("max", (N, K)), Assign(load("out"), Lit(0.0, F8)),
            For("i", N, [Assign(R, X), For("j", 3, [Assign(load("e", j), R)])]),
            Assign(load("out", 0), R)]
    out = Param("out", Type(F8, ()))
    assert show(Nest("k", (x,), (out,), (N, K), (Buffer("e", F8, (K,)),), body)) == """\
def k(x, out, *, n, k):
    e = empty((k,), 'float64')
    nonempty('max', (n,))
    nonempty('max', (n, k))
    out[()] = 0.0
    for i in range(n):
        r = x[i,j]
        for j in range(3):
            e[j] = r
    out[0] = r"""
    assert show(Nest("k", (x,), (out,), (), (), body[:1])).splitlines()[0] == "def k(x, out):"


@pytest.mark.parametrize("statement, want", [
    (Fold(R, "sum", X, "free"), "r += x[i,j]"), (Fold(R, "prod", X, "free"), "r *= x[i,j]"),
    (Fold(R, "max", X, "free"), "r = max(r, x[i,j])"),
    (Fold(OUT, "min", X, "free"), "out[i] = min(out[i], x[i,j])"),
    (Fold(R, "and", X, "free"), "r = r and x[i,j]"),
    (Fold(R, "or", row("lt", X, X), "free"), "r = r or (x[i,j] < x[i,j])"),
    (Fold(AT, "argmax", X, "free", BEST, j), "at, best = argmax(at, best, x[i,j], j)"),
    (Fold(AT, "argmin", X, "free", BEST, Affine(((2, "i"),), 1)),
     "at, best = argmin(at, best, x[i,j], 2*i+1)")],
    ids=lambda s: getattr(s, "combine", ""))
def test_folds_as_text(statement, want):
    assert show(nest(statement)).splitlines()[1] == "    " + want


COMPUTED = load("y", i, dtype="int64")


@pytest.mark.parametrize("expr, plain, typed", [
    (Lit(0.1, "float32"), "0.1", "float32(0.1)"), (Lit(True, "bool"), "True", "bool_(True)"),
    (R, "r", "r"), (X, "x[i,j]", "x[i,j]"), (load("x", AT, 0), "x[at,0]", "x[at,0]"),
    (load("x", Affine(((2, "i"), (-1, N)), -1), 1), "x[2*i-n-1,1]", "x[2*i-n-1,1]"),
    (Size(N), "n", "int64(n)"), (Size(3), "3", "int64(3)"), (i, "i", "int64(i)"),
    (Index(COMPUTED, K, 1, "pick"), "index(y[i], k)", "index(y[i], k, 1, 'pick')"),
    (Index(row("add", COMPUTED, Lit(1, "int64"), dtype="int64"), None), "y[i] + 1",
     "y[i] + int64(1)"),
    (Index(row("cast", X, dtype="int64"), None), "i64(x[i,j])", "(x[i,j]).astype(int64)"),
    (row("and", row("lt", X, R, dtype="bool"), Local("q", "bool"), dtype="bool"), "(x[i,j] < r) "
     "and q", "logical_and(x[i,j] < r, q)")],
    ids=["float", "bool", "local", "load", "local index", "affine", "length", "number", "axis",
         "index", "computed", "cast", "and"])
def test_expressions_as_text(expr, plain, typed):
    for chosen, want in ((False, plain), (True, typed)):
        assert show(nest(Assign(R, expr)), chosen).splitlines()[1] == f"    r = {want}"
    assert show(nest(Assign(R, expr))) == show(nest(Assign(R, expr)), False)
