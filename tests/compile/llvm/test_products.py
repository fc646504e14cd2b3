"""Products of matrices in machine code, against NumPy in double precision."""

import ctypes
import itertools

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

pytest.importorskip("llvmlite")

import symgrad as sg  # noqa: E402
import symgrad.tensor as T  # noqa: E402
from symgrad.compile.backends.llvm import along, blas, engine, products  # noqa: E402
from symgrad.compile.backends.llvm.ir import Module  # noqa: E402

TYPES = {"float": ctypes.c_float, "double": ctypes.c_double, "i1": ctypes.c_bool,
         "i64": ctypes.c_int64, "i32": ctypes.c_int32, "i16": ctypes.c_int16, "i8": ctypes.c_int8,
         "ptr": ctypes.c_void_p}  # fmt: skip
REALS = "float32", "float64"
LANES = None, (32, False), (16, False)  # of this machine; without masks
OTHERS = "complex64", "complex128", "int8", "uint16", "int32", "int64", "bool"
SIZES = 0, 1, 2, 5, 15, 16, 17, 33, 70


class Product:
    """A compiled `gemm`, to be called with arrays."""

    def __init__(self, dtype, batch=False, lanes=None):
        module = Module()
        with pytest.MonkeyPatch.context() as patch:
            if lanes:
                patch.setattr(engine, "lanes", lambda: lanes)
            name = (products.batched if batch else products.gemm)(module, dtype)
        signature = products.signature(dtype, batch)
        w = module.function(f"define void @go({signature})")
        w.do(f"call void {name}({signature})")
        w.do("ret void")
        module.add("@go", w)
        self.dtype = np.dtype(dtype)
        images = [engine.assemble(*unit) for unit in module.units("@go")]
        self.code = engine.Code(images, ["go"])
        kinds = [TYPES[word.split()[0]] for word in signature.split(", ")]
        self.call = ctypes.CFUNCTYPE(None, *kinds)(self.code["go"])

    def __call__(self, c, a, b, alpha=1, beta=0, routines=None):
        words = [(blas.addresses() if routines is None else routines).ctypes.data]
        words += [len(c)] * (c.ndim == 3)
        for x in (c, a, b):
            words += [x.ctypes.data, *[s // x.itemsize for s in x.strides]]
        words += [c.shape[-2], c.shape[-1], a.shape[-1]]
        numbers = [np.array(x, self.dtype) for x in (alpha, beta)]
        if self.dtype.kind == "c":
            words += [x.ctypes.data for x in numbers]
        else:
            words += [x.item() for x in numbers]
        self.call(*words)


@pytest.fixture(scope="module")
def compiled():
    made = {}

    def get(*key):
        if key not in made:
            made[key] = Product(*key)
        return made[key]

    return get


def draw(rng, shape, dtype, step=(1, 1), flipped=False, backward=False):
    """A matrix whose elements lie `step` apart, in memory by columns if `flipped`."""
    shape = shape[::-1] if flipped else shape
    full = [max(1, n * s) for n, s in zip(shape, step, strict=True)]
    if np.dtype(dtype).kind in "fc":
        x = rng.normal(size=full).astype(dtype)
        if np.dtype(dtype).kind == "c":
            x += (1j * rng.normal(size=full)).astype(dtype)
    else:
        x = rng.integers(0, 2 if dtype == "bool" else 7, full).astype(dtype)
    x = x[::step[0], ::step[1]][:shape[0], :shape[1]]
    if backward:
        x = x[::-1, ::-1]
    return x.T if flipped else x


def check(product, c, a, b, alpha=1, beta=0, **more):
    """The product is near what NumPy finds in double precision, and nothing else is changed."""
    exact = {"c": np.complex128, "f": np.float64}.get(c.dtype.kind, c.dtype.type)
    x, y, old, scale, keep = [np.asarray(z).astype(exact) for z in (a, b, c, alpha, beta)]
    expected = scale * np.matmul(x, y)
    bound = np.abs(scale) * np.matmul(np.abs(x), np.abs(y))
    if beta:
        expected = expected + keep * old
        bound = bound + np.abs(keep * old)
    whole = c
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    at = (c.ctypes.data - whole.ctypes.data) // c.itemsize
    surroundings = whole.copy()
    product(c, a, b, alpha, beta, **more)
    if c.dtype.kind in "fc":
        bound = 4 * np.sqrt(a.shape[-1] + 4) * np.finfo(c.dtype).eps * bound
        assert (np.abs(c - expected) <= bound).all()
    else:
        np.testing.assert_array_equal(c, expected)
    if c.size:
        as_strided(surroundings.reshape(-1)[at:], c.shape, c.strides)[...] = c
    np.testing.assert_array_equal(whole, surroundings)


LAYOUTS = [{}, {"flipped": True}, {"step": (2, 1)}, {"step": (1, 3)}, {"backward": True},
           {"step": (3, 2), "flipped": True}]  # fmt: skip


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("has_blas", [True, False])
def test_sizes(compiled, dtype, lanes, has_blas):
    product = compiled(dtype, False, lanes)
    routines = None if has_blas else np.zeros(len(blas.ROUTINES), np.int64)
    rng = np.random.default_rng(1)
    for m, n, k in itertools.product(SIZES, repeat=3):
        for alpha, beta in ((1, 0), (-0.5, 1), (1, 0.25)):
            flips = rng.integers(0, 2, 3)
            c, a, b = [draw(rng, s, dtype, flipped=f)
                       for s, f in zip(((m, n), (m, k), (k, n)), flips, strict=True)]
            if beta == 0:
                c.fill(np.nan)
            check(product, c, a, b, alpha, beta, routines=routines)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("lanes", LANES)
def test_layouts(compiled, dtype, lanes):
    product = compiled(dtype, False, lanes)
    rng = np.random.default_rng(2)
    for m, n, k in ((1, 1, 40), (1, 37, 20), (37, 1, 20), (37, 20, 1), (20, 37, 50), (3, 130, 5)):
        for ways in itertools.product(LAYOUTS, repeat=3):
            c, a, b = [draw(rng, s, dtype, **way)
                       for s, way in zip(((m, n), (m, k), (k, n)), ways, strict=True)]
            check(product, c, a, b, 2, float(rng.integers(0, 3)))


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("has_blas", [True, False])
def test_large(compiled, dtype, lanes, has_blas):
    product = compiled(dtype, False, lanes)
    routines = None if has_blas else np.zeros(len(blas.ROUTINES), np.int64)
    rng = np.random.default_rng(3)
    for m, n, k in ((20, 300, 784), (400, 300, 20), (300, 10, 600), (300, 10, 784), (70, 157, 301),
                    (1, 500, 300), (500, 1, 300), (1, 1, 100_000), (300, 301, 1)):
        for flips in rng.integers(0, 2, (3, 3)):
            c, a, b = [draw(rng, s, dtype, flipped=f)
                       for s, f in zip(((m, n), (m, k), (k, n)), flips, strict=True)]
            check(product, c, a, b, 1, 1, routines=routines)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("lanes", LANES)
def test_broadcast_operands(compiled, dtype, lanes):
    """Strides of 0, as views of one row or one number have them."""
    product = compiled(dtype, False, lanes)
    rng = np.random.default_rng(4)
    for m, n, k in ((7, 5, 33), (1, 20, 40), (20, 1, 40), (20, 30, 1), (40, 40, 40)):
        for x, y in itertools.product(((1, 1), (1, 0), (0, 1)), repeat=2):
            a = np.broadcast_to(rng.normal(size=(m if x[0] else 1, k if x[1] else 1)), (m, k))
            b = np.broadcast_to(rng.normal(size=(k if y[0] else 1, n if y[1] else 1)), (k, n))
            a, b = [np.broadcast_to(z.astype(dtype)[:1], z.shape) if 0 in z.strides
                    else z.astype(dtype) for z in (a, b)]
            check(product, draw(rng, (m, n), dtype), a, b, 1, 0.5)


@pytest.mark.parametrize("dtype", OTHERS)
def test_other_dtypes(compiled, dtype):
    product = compiled(dtype)
    rng = np.random.default_rng(5)
    for m, n, k in ((0, 3, 2), (1, 1, 1), (5, 4, 0), (3, 20, 17), (20, 3, 1)):
        for alpha, beta in ((1, 0), (1, 1), (0, 1), (2, 3)):
            if dtype == "bool":
                alpha, beta = bool(alpha), bool(beta)
            for ways in itertools.product(LAYOUTS[:4], repeat=3):
                c, a, b = [draw(rng, s, dtype, **way)
                           for s, way in zip(((m, n), (m, k), (k, n)), ways, strict=True)]
                check(product, c, a, b, alpha, beta)


@pytest.mark.parametrize("dtype", [*REALS, "complex64", "complex128", "int32"])
def test_batches(compiled, dtype):
    product = compiled(dtype, True)
    rng = np.random.default_rng(6)
    for batch, m, n, k in ((0, 2, 3, 4), (3, 4, 5, 6), (5, 1, 20, 7), (2, 20, 20, 20)):
        a, b, c = [np.stack([draw(rng, s, dtype) for _ in range(batch)]) if batch
                   else np.zeros((0, *s), dtype) for s in ((m, k), (k, n), (m, n))]
        check(product, c, a, b, 1, 1)
        check(product, c, np.broadcast_to(a[:1], a.shape), b.transpose(0, 2, 1).copy()
              .transpose(0, 2, 1), 1, 0)


def test_half_precision():
    module = Module()
    assert products.gemm(module, "float16") == products.gemm(module, "float16") == "@gemm_f16"
    assert all(engine.assemble(part.text) for part in module.parts.values())


def test_addresses_are_found_once():
    assert blas.addresses().shape == (len(blas.ROUTINES),)
    assert blas.addresses() is blas.addresses()


@pytest.mark.parametrize("dtype", REALS)
def test_products_whose_terms_lie_together(dtype):
    """All remainders of tiles and of vectors, several pieces of k, and c by itself where it is
    wide."""
    if not engine.lanes()[1]:
        pytest.skip("lanes cannot be masked here")
    module = Module()
    name, number = along.along(module, dtype), "float" if dtype == "float32" else "double"
    words = ("ptr %c, i64 %c0, ptr %a, i64 %a0, ptr %b, i64 %b1, i64 %m, i64 %n, i64 %k, "
             f"{number} %alpha, {number} %beta")
    w = module.function(f"define void @go({words})")
    w.do(f"call void {name}({words})")
    w.do("ret void")
    module.add("@go", w)
    code = engine.Code([engine.assemble(*unit) for unit in module.units("@go")], ["go"])
    kinds = [TYPES[word.split()[0]] for word in words.split(", ")]
    call, rng = ctypes.CFUNCTYPE(None, *kinds)(code["go"]), np.random.default_rng(1)
    sizes = (1, 5, 6, 7, 13), (1, 3, 4, 5, 9), (1, 7, 8, 16, 17, 1025, 2100)
    for m, n, k in itertools.product(*sizes):
        a, b = [rng.normal(size=(x, k + 3)).astype(dtype)[:, :k] for x in (m, n)]
        c = rng.normal(size=(m, n + 2)).astype(dtype)
        for alpha, beta in ((1, 0), (0.5, -2)):
            old = c[:, :n].astype("float64")
            c[:, :n] = c[:, :n] if beta else np.nan
            edge = c[:, n:].copy()
            call(c.ctypes.data, n + 2, a.ctypes.data, k + 3, b.ctypes.data, k + 3, m, n, k,
                 alpha, beta)
            want = alpha * (a.astype("float64") @ b.T.astype("float64"))
            want = want + beta * old if beta else want
            close = 1e-4 if dtype == "float32" else 1e-11
            np.testing.assert_allclose(c[:, :n], want, rtol=close, atol=close)
            np.testing.assert_array_equal(c[:, n:], edge)


@pytest.mark.parametrize("dtype", REALS)
def test_programs_have_them_where_they_may_need_them(dtype):
    x, y = T.matrix("x", dtype), T.matrix("y", dtype)
    outs = [T.dot(x, y.T), T.dot(y, x.T), T.dot(x, y.T) + T.dot(x, y.T) * 2]
    f = sg.function([x, y], outs, backend="llvm")
    assert "gemm_along" in f.ir or not engine.lanes()[1]
    rng = np.random.default_rng(2)
    for m, n, k in ((5, 50, 5000), (50, 5, 5000), (7, 9, 100), (1, 50, 500), (600, 500, 200)):
        a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(n, k)).astype(dtype)
        want = a.astype("float64") @ b.T.astype("float64")
        close = 3e-3 if dtype == "float32" else 1e-10
        for got, value in zip(f(a, b), (want, want.T, 3 * want), strict=True):
            np.testing.assert_allclose(got, value, rtol=close, atol=close)
