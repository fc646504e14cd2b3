"""Kernels to loop nests, most of them written by hand, run as plain Python."""

import numpy as np
import pytest
from helpers import BACKENDS
from test_kernel import classifier, only_kernel

import symgrad.tensor as T
from symgrad.compile.backends.python import executable
from symgrad.compile.kernel import Affine, Apply, Axis, Index, Kernel, Lit, Load, Param, Size, Stage
from symgrad.compile.loops import loops
from symgrad.compile.nest import For, Nest, show
from symgrad.errors import IndexingError, ShapeError
from symgrad.types import Dim, Type

N, K, P, Q = Dim("n"), Dim("k"), Dim("l"), Dim("m")
i, j, p, q = map(Axis, "ijpq")
F8 = "float64"


BACKWARD = Affine(((1, N), (-1, "i")), -1)


def load(name, *at, dtype=F8):
    return Load(name, at, dtype)


def row(name, *args, dtype=F8):
    return Apply(name, args, dtype)


def param(name, *shape, dtype=F8):
    return Param(name, Type(dtype, shape))


def total(target, at, expr, *over):
    return Stage(target, at, expr, F8, "sum", over, Lit(0.0, F8), "pairwise")


@pytest.fixture(params=BACKENDS[::2])
def run(request):
    """``run(kernel, *arrays, **lengths)``: the results of a kernel, as plain Python or native."""
    if request.param == "llvm":
        from natively import native
    else:
        def native(kernel):
            return executable(kernel)[0]

    def run(kernel, *arrays, **lengths):
        shapes = [[lengths[d.name] if isinstance(d, Dim) else d for d in r.type.shape]
                  for r in kernel.results]
        made = [np.full(shape, 77).astype(r.type.dtype)
                for shape, r in zip(shapes, kernel.results, strict=True)]
        arrays = [np.asarray(a) for a in arrays]
        with np.errstate(all="ignore"):
            native(kernel)(*arrays, *made, **{d.name: lengths[d.name] for d in kernel.lengths})
        return made[0] if len(made) == 1 else made

    return run


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_loss_and_its_gradient_as_loops(planned):
    inputs, *outputs = classifier()
    kernel = only_kernel(planned(inputs, outputs), ["loss", "gz", "gb"])
    assert show(loops(kernel)) == """\
def k_loss(t0, b, y, loss, gz, gb, *, d0, d1):
    t5 = empty((d1,), 'float64')
    nonempty('max', (d1,))
    loss[()] = 0.0
    for j in range(d1):
        gb[j] = 0.0
    for i in range(d0):
        t2 = -inf
        t6 = 0.0
        for j in range(d1):
            t2 = max(t2, t0[i,j] + b[j])
        for j in range(d1):
            t5[j] = exp((t0[i,j] + b[j]) - t2)
            t6 += t5[j]
        at = index(y[i], d1)
        loss[()] += (t2 + log(t6)) - (t0[i,at] + b[at])
        for j in range(d1):
            gz[i,j] = (-1.0 if j == at else 0.0) + (t5[j] / t6)
            gb[j] += gz[i,j]"""


@pytest.mark.parametrize("stride, dilation", [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_shifted_reads_make_a_convolution(stride, dilation, run):
    """Two reduced axes in the middle of the nest, read at a*i + b*p."""
    x, w = normal(11, 12), normal(3, 2, seed=1)
    rows, columns = [1 + (n - dilation * (m - 1) - 1) // stride
                     for n, m in zip(x.shape, w.shape, strict=True)]
    cell = load("x", Affine(((stride, "i"), (dilation, "p"))),
                Affine(((stride, "j"), (dilation, "q"))))
    kernel = Kernel(
        "k_y", (param("x", 11, 12), param("w", P, Q)), (param("y", N, K),),
        (total("y", (i, j), row("mul", cell, load("w", p, q)), "p", "q"),),
        (("i", N), ("j", K), ("p", P), ("q", Q)))
    got = run(kernel, x, w, n=rows, k=columns, l=3, m=2)
    want = [[sum(x[stride * a + dilation * c, stride * b + dilation * d] * w[c, d]
                 for c in range(3) for d in range(2)) for b in range(columns)] for a in range(rows)]
    np.testing.assert_allclose(got, want)
    body = loops(kernel).body
    depth = 0
    while type(body[-1]) is For:
        body, depth = body[-1].body, depth + 1
    assert depth == 4


def test_a_sum_in_the_middle_axis_keeps_the_order_of_memory(run):
    kernel = Kernel("k", (param("x", N, K, P),), (param("y", N, P),),
                    (total("y", (i, p), load("x", i, j, p), "j"),), (("i", N), ("j", K), ("p", P)))
    x = normal(2, 3, 4)
    np.testing.assert_allclose(run(kernel, x, n=2, k=3, l=4), x.sum(1))
    assert show(loops(kernel)).splitlines()[-1] == "                y[i,p] += x[i,j,p]"


@pytest.mark.parametrize("rows", [[0, 2, 2, -1], []])
def test_a_scatter_adds_up_what_meets(rows, run):
    at = Index(load("y", q, dtype="int64"), N)
    kernel = Kernel(
        "k", (param("x", N, K), param("g", Q, K), param("y", Q, dtype="int64")),
        (param("out", N, K), param("top", N)),
        (Stage("out", (i, j), load("x", i, j), F8),
         Stage("out", (at, j), load("g", q, j), F8, "sum", ("q", "j"), onto=True),
         Stage("top", (i,), load("out", i, j), F8, "max", ("j",), None, "free")),
        (("i", N), ("j", K), ("q", Q)))
    x, g, rows = normal(3, 2), normal(len(rows), 2, seed=1), np.array(rows, int)
    want = x.copy()
    np.add.at(want, rows, g)
    out, top = run(kernel, x, g, rows, n=3, k=2, m=len(rows))
    np.testing.assert_allclose(out, want)
    np.testing.assert_allclose(top, want.max(1))


def test_a_scatter_that_stores_keeps_the_last(run):
    at = Index(load("y", q, dtype="int64"), N)
    kernel = Kernel(
        "k", (param("g", Q), param("y", Q, dtype="int64")), (param("out", N),),
        (Stage("out", (i,), Lit(0.0, F8), F8),
         Stage("out", (at,), load("g", q), F8, None, ("q",), onto=True)), (("i", N), ("q", Q)))
    assert run(kernel, np.arange(3.0) + 1, np.array([1, 0, 1]), n=3, m=3).tolist() == [2, 3, 0]


def test_what_a_loop_has_not_finished_is_not_read_in_it(run):
    """On a square matrix: rows of x plus columns of x, both sums read across."""
    kernel = Kernel(
        "k", (param("x", N, N),), (param("out", N, N),),
        (Stage("e", (i, j), row("exp", load("x", i, j)), F8),
         total("r", (i,), load("e", i, j), "j"), total("c", (j,), load("e", i, j), "i"),
         Stage("b", (i, j), row("add", load("e", j, i), load("r", j)), F8),
         Stage("out", (i, j), row("add", load("b", i, j), load("c", i)), F8)),
        (("i", N), ("j", N)))
    x = normal(3, 3)
    e = np.exp(x)
    np.testing.assert_allclose(run(kernel, x, n=3), e.T + e.sum(1)[None, :] + e.sum(0)[:, None])
    nest = loops(kernel)
    assert isinstance(nest, Nest) and {b.name: b.lengths for b in nest.buffers} == {
        "e": (N, N), "r": (N,), "c": (N,)}


def test_values_used_in_one_pass_are_locals(run):
    kernel = Kernel(
        "k", (param("x", N, K),), (param("out", N),),
        (Stage("e", (i, j), row("exp", load("x", i, j)), F8),
         total("s", (i,), row("mul", load("e", i, j), load("e", i, j)), "j"),
         Stage("out", (i,), row("sqrt", load("s", i)), F8)), (("i", N), ("j", K)))
    assert not loops(kernel).buffers
    x = normal(2, 3)
    np.testing.assert_allclose(run(kernel, x, n=2, k=3), np.sqrt((np.exp(x) ** 2).sum(1)))


def test_a_name_is_computed_once_in_a_body(run):
    kernel = Kernel(
        "k", (param("x", N),), (param("out", N),),
        (Stage("a", (i,), row("add", load("x", i), Lit(1.0, F8)), F8, inline=True),
         Stage("b", (i,), row("mul", load("a", i), load("a", i)), F8, inline=True),
         Stage("out", (i,), row("mul", load("b", i), load("b", BACKWARD)), F8)),
        (("i", N),))
    x = normal(4)
    np.testing.assert_allclose(run(kernel, x, n=4), ((x + 1) * (x + 1)[::-1]) ** 2)
    assert show(loops(kernel)).count("+ 1.0") == 2


NAN = float("nan")
EXTREMES = [[[1, 5, 5, 2], [7, 7, 0, 0]], [[NAN, 1, NAN], [1, NAN, NAN], [3, 2, 2]],
            [[-np.inf, -np.inf], [np.inf, np.inf]]]


@pytest.mark.parametrize("x", EXTREMES, ids=["ties", "nan", "infinite"])
@pytest.mark.parametrize("word", ["max", "min", "argmax", "argmin"])
@pytest.mark.parametrize("over", ["j", "i", "ij"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "bool"])
def test_extremes_are_numpys(x, word, over, dtype, run):
    with np.errstate(invalid="ignore"):
        x = np.array(x).astype(dtype)
    out = "int64" if word.startswith("arg") else dtype
    at = {"j": (i,), "i": (j,), "ij": ()}[over]
    axes = {"j": 1, "i": 0, "ij": None}[over]
    shape = [{"i": N, "j": K}[a.letter] for a in at]
    stage = Stage("y", at, load("x", i, j, dtype=dtype), out, word, tuple(over), None, "free")
    kernel = Kernel("k", (param("x", N, K, dtype=dtype),), (param("y", *shape, dtype=out),),
                    (stage,), (("i", N), ("j", K)))
    got = run(kernel, x, n=x.shape[0], k=x.shape[1])
    np.testing.assert_array_equal(got, getattr(np, word)(x, axis=axes))
    with pytest.raises(ShapeError, match=f"{word}: has no value over an axis of length 0"):
        run(kernel, x[:0, :0], n=0, k=0)


@pytest.mark.parametrize("word, start", [("sum", 0), ("prod", 1), ("and", True), ("or", False)])
def test_an_empty_reduction_is_its_start(word, start, run):
    dtype = "bool" if word in ("and", "or") else "int64"
    stage = Stage("y", (i,), load("x", i, j, dtype=dtype), dtype, word, ("j",), Lit(start, dtype),
                  "free")
    kernel = Kernel("k", (param("x", N, K, dtype=dtype),), (param("y", N, dtype=dtype),), (stage,),
                    (("i", N), ("j", K)))
    assert run(kernel, np.zeros((2, 0), dtype), n=2, k=0).tolist() == [start, start]
    x = np.array([[1, 0, 1], [1, 1, 1]], dtype)
    ufunc = {"sum": np.add, "prod": np.multiply, "and": np.logical_and, "or": np.logical_or}[word]
    np.testing.assert_array_equal(run(kernel, x, n=2, k=3), ufunc.reduce(x, 1))


@pytest.mark.parametrize("bad", [3, -4])
def test_an_index_out_of_range_is_an_error(bad, run):
    at = Index(load("y", i, dtype="int64"), K, 1, "pick")
    kernel = Kernel("k", (param("x", N, K), param("y", N, dtype="int64")), (param("out", N),),
                    (Stage("out", (i,), load("x", i, at), F8),), (("i", N),))
    x = normal(2, 3)
    np.testing.assert_array_equal(run(kernel, x, np.array([1, -1]), n=2, k=3), [x[0, 1], x[1, -1]])
    message = f"pick: index {bad} is out of range for axis 1 of length 3"
    with pytest.raises(IndexingError, match=message):
        run(kernel, x, np.array([0, bad]), n=2, k=3)


def test_axes_and_lengths_are_values(run):
    value = row("sub", Size(N), row("mul", Lit(2, "int64"), i, dtype="int64"), dtype="int64")
    kernel = Kernel("k", (), (param("out", N, dtype="int64"),),
                    (Stage("out", (i,), value, "int64"),), (("i", N),))
    assert run(kernel, n=3).tolist() == [3, 1, -1]


def test_ten_thousand_nodes_in_a_kernel(planned):
    x = T.vector("x")
    y = x
    for _ in range(5000):
        y = T.tanh(y) * y
    kernel = only_kernel(planned([x], [y], "none +fuse"))
    nest = loops(kernel)
    assert not nest.buffers and len(nest.body) == 1
