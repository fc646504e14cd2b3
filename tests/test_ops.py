"""Tests nobody writes by hand: one per (op, property), read off the op table."""

import itertools

import mpmath
import numpy as np
import pytest
from helpers import (
    OPS,
    built,
    cases,
    compute,
    direction,
    exact,
    exact_slope,
    inner,
    quotient,
    reproducing,
    sampled,
    slope_graph,
)

from symgrad.derive import backward, jvp, vjp
from symgrad.errors import SymgradError
from symgrad.interpret import run
from symgrad.node import Node, constant, toposort, variable
from symgrad.scalars import expression
from symgrad.types import Type, is_complex, is_float, real_of

DTYPES = ("bool", "int8", "int32", "int64", "uint8", "float16", "float32", "float64", "complex64",
          "complex128")
SAMPLED = [op for op in OPS.values() if sampled(op)]
ELEMENTWISE = [op for op in SAMPLED if op.kind == "elementwise"]


def names(ops):
    return {"argvalues": ops, "ids": [op.name for op in ops]}


@pytest.mark.parametrize("op", **names([op for op in OPS.values()
                                        if op.kind not in ("loop", "branch", "item")]))
def test_an_op_can_be_sampled_and_has_a_page(op):
    assert op.doc.strip(), f"{op.name} has no docstring"
    assert sampled(op), f"{op.name} has neither domain nor samples"
    found = cases(op)
    assert found
    for case in found:
        with reproducing(case):
            assert built(case) is not None


@pytest.mark.parametrize("op", **names(SAMPLED))
def test_values_have_the_type_that_infer_says(op):
    """The interpreter checks dtype, rank and lengths of every value against its node's type."""
    taken = 0
    for dtype in DTYPES:
        for case in cases(op, dtype):
            for known in (True, False):
                graph = built(case, known)
                if graph is None:
                    continue
                taken += 1
                with reproducing(case):
                    inputs, out = graph
                    run([out], dict(zip(inputs, case.arrays, strict=True)))
    assert taken


@pytest.mark.parametrize("op", **names([op for op in SAMPLED if not op.samples]))
@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (), (1,), (2, 3, 4)], ids=str)
def test_shapes_empty_scalar_and_single(op, shape):
    for dtype in ("float32", "int64"):
        for case in cases(op, dtype, shape):
            graph = built(case)
            if graph is None:
                continue
            with reproducing(case):
                inputs, out = graph
                try:
                    run([out], dict(zip(inputs, case.arrays, strict=True)))
                except (SymgradError, ValueError):
                    if 0 not in shape or (op.kind == "reduction" and op.identity is not None):
                        raise


def strided(array):
    """The same values, not contiguous: every second element of a larger buffer, backwards."""
    buffer = np.zeros([2 * n + 1 for n in array.shape], array.dtype)
    view = buffer[tuple(slice(2 * n - 1 if n else 0, None, -2) for n in array.shape)]
    view = view[tuple(slice(0, n) for n in array.shape)]
    view[...] = array
    return view


@pytest.mark.parametrize("op", **names(SAMPLED))
def test_arrays_that_are_not_contiguous(op):
    for case in cases(op):
        with reproducing(case):
            inputs, out = built(case)
            want = run([out], dict(zip(inputs, case.arrays, strict=True)))[0]
            views = [strided(a) if a.ndim else a for a in case.arrays]
            got = run([out], dict(zip(inputs, views, strict=True)))[0]
            np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("op", **names([op for op in ELEMENTWISE if op.scalar]))
def test_the_scalar_expression_is_the_numpy_meaning(op):
    for dtype in DTYPES:
        for case in cases(op, dtype):
            graph = built(case)
            if graph is None:
                continue
            with reproducing(case), np.errstate(all="ignore"):
                _, out = graph
                arrays = [a.astype(i.dtype) for a, i in zip(case.arrays, out.inputs, strict=True)]
                attrs = dict(zip(op.params, out.attrs, strict=True))
                tree = expression(op.scalar, len(arrays), **attrs)
                got, want = compute(tree, arrays), op.numpy(*arrays, **case.attrs)
                assert got.dtype == np.asarray(want).dtype == out.dtype
                tight = {"float16": 2e-3, "float32": 1e-6, "complex64": 1e-6}.get(out.dtype, 1e-14)
                np.testing.assert_allclose(got, want, rtol=tight, atol=tight)


# -- derivatives


def double_cases(op, dtype="float64", choices=(True, False)):
    """Cases with their graph, where something moves and all that does is of double precision."""
    for case, known in itertools.product(cases(op, dtype), choices):
        graph = built(case, known)
        if graph and is_float(graph[1].dtype) and not all(case.still()):
            used = {n.dtype for n in (*graph[0], graph[1]) if is_float(n.dtype)}
            if used <= {"float64", "complex128"}:
                yield case, *graph


def check_slopes(case, inputs, out, rtol):
    """Reverse mode against a difference quotient of Re <w, out>."""
    rng = np.random.default_rng(7)
    given = dict(zip(inputs, case.arrays, strict=True))
    w = direction(rng, run([out], given)[0])
    slopes = slope_graph(out, inputs, constant(w.astype(out.dtype)))
    values = [np.zeros(a.shape) if s is None else run([s], given)[0]
              for s, a in zip(slopes, case.arrays, strict=True)]
    for s, v, i in zip(slopes, values, inputs, strict=True):
        assert np.all(np.isfinite(v)), v
        if s is not None:
            assert all(a == b or None in (a, b)
                       for a, b in zip(s.type.shape, i.type.shape, strict=True))
            assert not is_float(i.dtype) or s.dtype == i.dtype, (s.type, i.type)
    along = [direction(rng, a, s) for a, s in zip(case.arrays, case.still(), strict=True)]

    def height(arrays):
        return inner(w, run([out], dict(zip(inputs, arrays, strict=True)))[0])

    want = quotient(height, case.arrays, along)
    got = sum(inner(v, d) for v, d in zip(values, along, strict=True))
    scale = sum(np.sum(np.abs(v) * np.abs(d)) for v, d in zip(values, along, strict=True))
    assert abs(got - want) <= rtol * max(abs(want), scale, 1e-2), (got, want)


@pytest.mark.parametrize("op", **names(SAMPLED))
def test_slopes_agree_with_a_difference_quotient(op):
    for case, inputs, out in double_cases(op):
        with reproducing(case):
            check_slopes(case, inputs, out, 1e-6)


@pytest.mark.parametrize("op", **names(SAMPLED))
def test_slopes_of_slopes_agree_with_a_difference_quotient(op):
    for case, inputs, out in double_cases(op):
        with reproducing(case):
            rng = np.random.default_rng(8)
            given = dict(zip(inputs, case.arrays, strict=True))
            w = constant(direction(rng, run([out], given)[0]).astype(out.dtype))
            for slope in slope_graph(out, inputs, w):
                if slope is not None and is_float(slope.dtype) and slope.inputs:
                    check_slopes(case, inputs, slope, 1e-5)


@pytest.mark.parametrize("op", **names(SAMPLED))
def test_forward_and_reverse_mode_are_transposes(op):
    """Re <w, J t> = Re <J^T w, t>, to rounding; also where lengths are not known."""
    for known in (True, False):
        for case in cases(op):
            graph = built(case, known)
            if graph is None or not is_float(graph[1].dtype):
                continue
            inputs, out = graph
            with reproducing(case):
                rng = np.random.default_rng(9)
                given = dict(zip(inputs, case.arrays, strict=True))
                w = direction(rng, run([out], given)[0]).astype(out.dtype)
                along = [direction(rng, a, s).astype(a.dtype)
                         for a, s in zip(case.arrays, case.still(), strict=True)]
                weight = variable(out.type)
                tangents = [variable(i.type) if is_float(i.dtype) else None for i in inputs]
                pushed = jvp(out, tangents_of_inputs(out, inputs, tangents))
                pulled = backward([out], [weight], inputs)
                given |= {weight: w}
                given |= {t: a for t, a in zip(tangents, along, strict=True) if t is not None}
                left = 0.0 if pushed is None else inner(w, run([pushed], given)[0])
                right = sum(inner(run([p], given)[0], d) for p, d in zip(pulled, along, strict=True)
                            if p is not None)
                if pushed is not None:
                    assert pushed.dtype == out.dtype and pushed.ndim == out.ndim
                scale = np.sum(np.abs(w)) + sum(np.sum(np.abs(d)) for d in along)
                tight = 1e-10 if out.dtype in ("float64", "complex128") else 1e-5
                assert abs(left - right) <= tight * max(1, abs(left), scale), (left, right)


def tangents_of_inputs(out, inputs, tangents):
    """Tangents of an op's own inputs, which `prepare` may have cast."""
    moved = dict(zip(inputs, tangents, strict=True))
    return [moved[i] if i in moved else jvp(i, [moved.get(j) for j in i.inputs]) if i.inputs
            else None for i in out.inputs]


@pytest.mark.parametrize("op", **names(SAMPLED))
def test_complex_slopes_agree_with_a_difference_quotient(op):
    """The cotangent of z is dL/dRe z + i dL/dIm z, for a real L."""
    for case, inputs, out in double_cases(op, "complex128"):
        if any(is_complex(a.dtype.name) for a in case.arrays):
            with reproducing(case):
                check_slopes(case, inputs, out, 1e-5)


def near_points(op):
    domains = op.domain if type(op.domain) is tuple else (op.domain,) * op.arity
    rng = np.random.default_rng(3)
    for k, d in enumerate(domains):
        middle = [float(e.sample(rng, ())) for e in domains]
        for point in d.near:
            for step in (0, 1e-3, -1e-3, 1e-8, -1e-8, 1e-30, -1e-30):
                if d.low <= point + step <= d.high or step > 0:
                    yield [point + step if j == k else m for j, m in enumerate(middle)]
    for _ in range(6):
        yield [float(e.sample(rng, ())) for e in domains]


@pytest.mark.parametrize("op", **names([
    op for op in ELEMENTWISE
    if op.scalar and op.slopes and not op.samples and op.name not in ("angle", "real")]))
def test_values_and_slopes_are_accurate_near_the_edges(op):
    """Against 120 digits, at random points and at and around the points `near` of the domain."""
    tree = expression(op.scalar, op.arity)
    for point in near_points(op):
        inputs = [variable(Type("float64")) for _ in point]
        out = op.of(*inputs)
        given = dict(zip(inputs, map(np.asarray, point), strict=True))
        with mpmath.workdps(120):
            numbers = [mpmath.mpf(p) for p in point]
            for k, slope in enumerate([None, *vjp(out, constant(np.asarray(1.0)))]):
                try:
                    want = exact_slope(tree, numbers, k - 1) if k else exact(tree, numbers)
                except (ZeroDivisionError, ValueError):  # a pole, or outside the domain
                    continue
                if not mpmath.isfinite(want) or mpmath.im(want):
                    continue
                node = slope if k else out
                got = run([node], given)[0] if isinstance(node, Node) else 0.0
                tight = 1e-13 if k else 4e-15
                assert abs(got - want) <= tight * max(abs(want), 1e-30), (op, k, point, got, want)


# -- dtypes, as Theano 1.0.5 and NumPy have them


@pytest.mark.parametrize("name, dtypes, want", [
    ("add", "int8 float32", "float32"), ("add", "int32 float32", "float64"),
    ("add", "uint8 int8", "int16"), ("add", "bool bool", "bool"), ("mul", "bool int8", "int8"),
    ("add", "float16 float32", "float32"), ("mul", "complex64 float64", "complex128"),
    ("sub", "bool bool", "int8"), ("neg", "bool", "int8"), ("true_div", "int8 int8", "float64"),
    ("true_div", "int64 float32", "float64"), ("int_div", "int8 int16", "int16"),
    ("int_div", "float32 int8", "float32"), ("mod", "uint8 uint8", "uint8"),
    ("pow", "float32 int8", "float32"), ("pow", "bool bool", "int8"), ("exp", "int8", "float32"),
    ("exp", "bool", "float32"), ("exp", "int32", "float64"), ("exp", "float16", "float16"),
    ("exp", "complex64", "complex64"), ("abs", "complex64", "float32"), ("abs", "int8", "int8"),
    ("sqrt", "int16", "float32"), ("lt", "int8 float64", "bool"), ("eq", "bool bool", "bool"),
    ("logical_and", "float32 int8", "bool"), ("bitwise_and", "int8 int32", "int32"),
    ("invert", "bool", "bool"), ("invert", "int8", "int8"), ("where", "float32 int8 float32",
    "float32"), ("maximum", "int8 uint8", "int16"), ("reciprocal", "int32", "float64"),
    ("relu", "int8", "int8"), ("sign", "int8", "int8"), ("complex", "float32 float32",
    "complex64"), ("complex", "int64 float32", "complex128"), ("angle", "complex64", "float32"),
    ("isnan", "int8", "bool"), ("left_shift", "bool bool", "int8"), ("atan2", "int8 int8",
    "float32"), ("floor", "int8", "int8"), ("round", "int32", "int32"), ("real", "complex128",
    "float64"), ("imag", "float32", "float32"), ("conj", "int8", "int8"),
])
def test_dtype_rules(name, dtypes, want):
    kinds = [constant(np.ones(3, d)).type for d in dtypes.split()]
    assert OPS[name](*[variable(t) for t in kinds]).dtype == want


@pytest.mark.parametrize("name, dtypes, words", [
    ("lt", "complex64 float32", "no order"), ("maximum", "complex64 complex64", "no order"),
    ("bitwise_and", "float32 int8", "takes integers or bools, not float32 and int8"),
    ("invert", "float64", "takes integers or bools"), ("atan2", "complex64 complex64", "complex"),
    ("floor", "complex64", "complex"), ("complex", "complex64 float32", "parts"),
    ("cbrt", "complex64", "not defined for complex"),
])
def test_refused_dtypes(name, dtypes, words):
    with pytest.raises(TypeError, match=words) as caught:
        OPS[name](*[variable(constant(np.ones(3, d)).type, f"v{d}") for d in dtypes.split()])
    text = str(caught.value)
    assert text.startswith(f"{name}: ") and "vcomplex64" in text + "vcomplex64" * ("vc" not in text)
    assert "test_ops.py" in text


@pytest.mark.parametrize("op", **names([op for op in ELEMENTWISE if not op.samples]))
def test_python_numbers_in_derivatives_do_not_widen(op):
    for dtype in ("float16", "float32", "complex64"):
        inputs, out = built(cases(op, dtype)[0]) or (None, None)
        if inputs is None or out.dtype != dtype:
            continue
        slopes = [s for s in vjp(out, variable(out.type)) if isinstance(s, Node)]
        wide = [n for n in toposort(slopes, stop={*inputs, out}) if is_float(n.dtype)
                and real_of(n.dtype) != real_of(dtype)]
        assert not wide, wide
