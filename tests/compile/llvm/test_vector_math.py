"""Rows that are not exact: at most 2 ULP from the truth, and NumPy's answers at the edges."""

import mpmath
import numpy as np
import pytest

pytest.importorskip("llvmlite")

from symgrad.compile.backends.llvm import explog, powers, probe, rows, trig  # noqa: E402
from symgrad.compile.backends.llvm.ir import constant  # noqa: E402
from symgrad.scalars import ROWS  # noqa: E402
from symgrad.tools import accuracy  # noqa: E402

NAMES = [n for n in ROWS if n in {**explog.ROWS, **trig.ROWS, **powers.ROWS}]
WIDTHS = {"float16": 16, "float32": 16, "float64": 8}
MOST = 2.0
LONG = np.finfo(np.longdouble).nmant >= 63  # else there is nothing quick to compare doubles with


def compiled(width=None):
    found = {f"{n}_{d}": probe.row(n, d, d, width or w, ROWS[n].arity)
             for n in NAMES for d, w in WIDTHS.items()}
    probe.link(found)
    return found


@pytest.fixture(scope="module")
def vectors():
    return compiled()


@pytest.fixture(scope="module")
def scalars():
    return compiled(1)


def edges(dtype):
    info = np.finfo(dtype)
    found = np.array([0.0, info.smallest_subnormal, info.tiny, info.eps, 0.5, 0.55, 1.0, 1.5, 2.0,
                      3.0, 10.0, 100.0, 1000.0, info.max, np.inf], dtype)
    found = np.concatenate([np.nextafter(found, dtype(0)), found, np.nextafter(found, dtype(9))])
    return np.concatenate([found, -found, np.array([np.nan], dtype)])


def spread(dtype, arity, count):
    """Operands over the whole line, near 1, and at the edges, each with each."""
    out = []
    for k in range(arity):
        rng = np.random.default_rng(k)
        x = accuracy.samples(dtype, count, k)
        far = (rng.uniform(-800, 800, count // 4) / (8 if dtype == "float32" else 1)).astype(dtype)
        near = (1 + rng.normal(size=count // 4) * 0.1).astype(dtype)
        special = edges(np.dtype(dtype).type)
        special = np.repeat(special, len(special)) if k else (
            np.tile(special, len(special)) if arity == 2 else special)
        out.append(np.concatenate([x, far, near, special]))
    return out


@np.errstate(all="ignore")
def errors(have, true, scale=None):
    """In ULP; infinite where a NaN, an infinity or the sign of a zero is wrong."""
    want = true.astype(have.dtype)
    exact = (want == have) & (np.signbit(want) == np.signbit(have))
    exact |= np.isnan(want) & np.isnan(have)
    step = np.spacing(np.maximum(np.abs(want), np.abs(have if scale is None else scale)))
    off = np.abs(have.astype(true.dtype) - true) / step.astype(true.dtype)
    off = np.where(np.isfinite(want) & np.isfinite(have), off, np.inf)
    off[(want == 0) & (have == 0)] = np.inf
    return np.where(exact, np.where(np.isfinite(want) & (want != 0), off, 0), off)


@np.errstate(all="ignore")
def worst(name, dtype, function, arrays, true_dtype):
    have = function(*arrays)
    true = getattr(np, ROWS[name].numpy)(*[a.astype(true_dtype) for a in arrays])
    scale = None
    if name == "logaddexp":  # it is a sum, and right as one: near its zeros NumPy's is as wrong
        scale = np.maximum(*[np.where(np.isfinite(a), np.abs(a), 0) for a in arrays])
        scale = np.maximum(scale, scale.dtype.type(0.5))
    off = errors(have, true, scale)
    if name == "logaddexp":
        off[true == 0] = 0
    k = int(off.argmax())
    return off[k], [a[k] for a in arrays], have[k], true[k]


@pytest.mark.parametrize("name", NAMES)
def test_floats(name, vectors):
    arrays = spread("float32", ROWS[name].arity, 200_000)
    found = worst(name, "float32", vectors[f"{name}_float32"], arrays, "float64")
    assert found[0] <= MOST, found


@pytest.mark.skipif(not LONG, reason="long double is double")
@pytest.mark.parametrize("name", NAMES)
def test_doubles(name, vectors):
    arrays = spread("float64", ROWS[name].arity, 40_000)
    found = worst(name, "float64", vectors[f"{name}_float64"], arrays, "longdouble")
    assert found[0] <= MOST, found


@pytest.mark.parametrize("name", ["sin", "tan", "exp", "log1p", "pow", "atan2", "tanh"])
def test_doubles_against_mpmath(name):
    (found,) = accuracy.measure(name, "float64", 300, ("llvm",))
    assert found.worst <= MOST, found.line()


@pytest.mark.parametrize("name", NAMES)
@np.errstate(all="ignore")
def test_halves(name, vectors):
    """As float32, rounded."""
    arrays = spread("float16", ROWS[name].arity, 20_000)
    arrays = [a.astype("float16") for a in arrays]
    have = vectors[f"{name}_float16"](*arrays)
    want = vectors[f"{name}_float32"](*[a.astype("float32") for a in arrays]).astype("float16")
    np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_one_lane_is_as_many(name, dtype, vectors, scalars):
    arrays = spread(dtype, ROWS[name].arity, 2000)
    have = [f[f"{name}_{dtype}"](*arrays) for f in (vectors, scalars)]
    np.testing.assert_array_equal(*have)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("power", [-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 2.5, np.inf])
@np.errstate(all="ignore")
def test_known_exponents(dtype, power):
    def function(w, width, texts):
        scalar = rows.REGISTER[dtype]
        return rows.apply(w, "pow", dtype, dtype, width,
                          [texts[0], constant(power, scalar, width)])

    known = probe.Row(function, [dtype], dtype, WIDTHS[dtype])
    probe.link({"f": known})
    (x,) = spread(dtype, 1, 2000)
    off = errors(known(x), np.power(x.astype("longdouble"), np.longdouble(power)))
    assert off.max() <= MOST


def test_the_words_of_two_over_pi():
    with mpmath.workdps(500):
        left, words = mpmath.mpf(2) / mpmath.pi, [0]
        while len(words) < len(trig.WORDS):
            left *= 2**64
            words.append(int(left))
            left -= words[-1]
    assert tuple(words) == trig.WORDS


@pytest.mark.nightly
@pytest.mark.parametrize("name", [n for n in NAMES if ROWS[n].arity == 1])
def test_every_float(name, vectors):
    step = 1 << 20
    for start in range(0, 1 << 32, step):
        x = np.arange(start, start + step, dtype="uint64").astype("uint32").view("float32")
        found = worst(name, "float32", vectors[f"{name}_float32"], [x], "float64")
        assert found[0] <= MOST, found
