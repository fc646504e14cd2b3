"""Rows that are exact, and casts, against NumPy: every row, dtype and width, on special values."""

import itertools

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from symgrad.compile.backends.llvm import floats, probe, rows  # noqa: E402
from symgrad.scalars import ROWS  # noqa: E402

INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
REAL = ("bool", *INTS, *FLOATS)
EXACT = {*floats.ROWS, "where"}


def specials(dtype, seed=0):
    """Numbers of a dtype at which things go wrong, and some others."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return np.array([True, False])
    if dtype in INTS:
        info = np.iinfo(dtype)
        near = [0, 1, 2, 3, 5, 7, 10, 31, 32, 63, 64, 100, info.max, info.max - 1, info.max // 2,
                info.min, info.min + 1, -1 % (info.max + 1) if info.min == 0 else -1]
        near += [-2, -3, -7, -64] if info.min else []
        wild = rng.integers(info.min, info.max, 16, dtype, endpoint=True)
        return np.concatenate([np.array([n for n in near if n <= info.max], dtype), wild])
    info = np.finfo(dtype)
    near = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 0.1, 0.3, info.max, info.tiny,
            info.smallest_subnormal, 3 * info.smallest_subnormal, np.inf, info.eps, 1 + info.eps]
    wild = rng.integers(0, 2 ** info.bits, 12, f"uint{info.bits}").view(dtype)
    wild = np.concatenate([wild, rng.normal(size=8).astype(dtype)])
    return np.concatenate([np.array([*near, *[-n for n in near], np.nan], dtype), wild])


def operands(row, dtype):
    """All pairs of special values."""
    if row.name == "where":
        found = list(itertools.product([True, False], *[specials(dtype)] * 2))
        return [np.array(a, d) for a, d in zip(zip(*found, strict=True), ("bool", dtype, dtype),
                                               strict=True)]
    if row.arity == 1:
        return [specials(dtype)]
    x, y = specials(dtype), specials(dtype, 1)
    return [np.repeat(x, len(y)), np.tile(y, len(x))]


@np.errstate(all="ignore")
def wanted(row, arrays):
    """NumPy's answer, computed one scalar at a time as the python backend does."""
    function = getattr(np, row.numpy)
    out = [function(*scalars) for scalars in zip(*arrays, strict=True)]
    return np.array(out)


def same(have, want):
    """Bit for bit, but for what a NaN says beyond being one."""
    have, want = np.asarray(have), np.asarray(want)
    assert have.dtype == want.dtype
    if have.dtype.kind != "f":
        return have == want
    bits = f"u{have.itemsize}"
    return (have.view(bits) == want.view(bits)) | (np.isnan(have) & np.isnan(want))


CASES = [(name, dtype) for name in ROWS for dtype in REAL
         if (name in EXACT if dtype in FLOATS else True) and rows.supports(name, dtype)]


@pytest.fixture(scope="module", params=[1, 16])
def compiled(request):
    """{(row, dtype): its function, NumPy's answer and the operands}."""
    found, answers = {}, {}
    for name, dtype in CASES:
        row = ROWS[name]
        arrays = operands(row, dtype)
        want = wanted(row, arrays)
        found[f"{name}_{dtype}"] = probe.row(name, dtype, want.dtype.name, request.param, row.arity)
        answers[name, dtype] = arrays, want
    probe.link(found)
    return {case: (found["_".join(case)], *answers[case]) for case in CASES}


@pytest.mark.parametrize("name, dtype", CASES)
def test_a_row_is_numpys(compiled, name, dtype):
    function, arrays, want = compiled[name, dtype]
    have = function(*arrays)
    right = same(have, want)
    if name in ("max", "min", "fmax", "fmin"):  # NumPy itself takes now one zero, now the other
        right |= have == want
    wrong = np.flatnonzero(~right)
    assert not len(wrong), [(*[a[k] for a in arrays], have[k], want[k]) for k in wrong[:5]]


PAIRS = list(itertools.product(REAL, REAL))


@pytest.fixture(scope="module", params=[1, 16])
def casts(request):
    found = {f"{s}_{t}": probe.cast(s, t, request.param) for s, t in PAIRS}
    probe.link(found)
    return found


@pytest.mark.parametrize("source, target", PAIRS)
@np.errstate(all="ignore")
def test_a_cast_is_numpys(casts, source, target):
    x = specials(source)
    have = casts[f"{source}_{target}"](x)
    want = np.array([v.astype(target) for v in x])
    wrong = np.flatnonzero(~same(have, want))
    assert not len(wrong), [(x[k], have[k], want[k]) for k in wrong[:5]]
