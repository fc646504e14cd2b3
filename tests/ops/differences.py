"""Derivatives against difference quotients, for the tests of this folder."""

import numpy as np

from symgrad.derive import backward, forward
from symgrad.interpret import run
from symgrad.node import variable
from symgrad.types import Type, is_complex


def variables(arrays):
    """Inputs of unknown lengths, but for those of one, which may stretch."""
    return [variable(Type(a.dtype.name, tuple([1 if n == 1 else None for n in a.shape])), f"v{k}")
            for k, a in enumerate(arrays)]


def direction(rng, like):
    d = rng.normal(size=like.shape)
    return d + 1j * rng.normal(size=like.shape) if is_complex(like.dtype.name) else d


def pairing(g, t):
    """The change of a real cost with cotangent g along t."""
    return np.sum(np.real(np.conj(g) * t))


def quotient(function, arrays, directions, h=1e-4):
    """The derivative of `function` along the directions, by differences of fourth order."""
    def at(s):
        return function([a + s * d for a, d in zip(arrays, directions, strict=True)])

    return (8 * (at(h) - at(-h)) - at(2 * h) + at(-2 * h)) / (12 * h)


def check_derivatives(build, *arrays, fixed=(), seed=0, rtol=1e-7, atol=1e-8, twice=True):
    """Reverse and forward mode, and reverse mode of reverse mode, along random directions.

    ``build(*variables)`` makes a graph of the float64 or complex128 `arrays` (and then `fixed`).
    """
    rng = np.random.default_rng(seed)
    arrays, fixed = [np.asarray(a) for a in arrays], [np.asarray(f) for f in fixed]
    xs, others = variables(arrays), variables(fixed)
    out = build(*xs, *others)

    def value_of(node):
        def value(at):
            return run([node], dict(zip([*xs, *others], [*at, *fixed], strict=True)))[0]
        return value

    def check(node):
        g = direction(rng, value_of(node)(arrays))
        towards = [direction(rng, a) for a in arrays]
        wanted = quotient(value_of(node), arrays, towards)
        given = variables([g])[0]
        found = backward([node], [given], xs)
        at = dict(zip([*xs, *others], [*arrays, *fixed], strict=True)) | {given: g}
        total = 0.0
        for x, c, t in zip(xs, found, towards, strict=True):
            if c is None:
                continue
            cotangent = run([c], at)[0]
            assert cotangent.shape == t.shape and cotangent.dtype == x.dtype
            total += pairing(cotangent, t)
        np.testing.assert_allclose(total, pairing(g, wanted), rtol=rtol, atol=atol)
        along = variables([t.astype(x.dtype) for t, x in zip(towards, xs, strict=True)])
        moved = forward([node], xs, along)[0]
        moved = np.zeros_like(wanted) if moved is None else run(
            [moved], at | dict(zip(along, towards, strict=True)))[0]
        np.testing.assert_allclose(moved, wanted, rtol=rtol, atol=atol)
        return [(c, given, g) for c in found if c is not None]

    for cotangent, given, g in check(out):
        if twice and cotangent is not None:
            xs.append(given)
            arrays.append(g)
            check(cotangent)
            xs.pop()
            arrays.pop()


def check_op(op, seed=0):
    """Type, value and derivatives of an op at each of its samples."""
    rng = np.random.default_rng(seed)
    for arrays, attrs in op.samples(rng):
        arrays = [np.asarray(a) for a in arrays]
        kinds = ["fixed" if a.dtype.kind in "biu" else "moving" for a in arrays]

        def build(*nodes, attrs=attrs, kinds=kinds):
            moving = [n for n in nodes if n.dtype.startswith(("float", "complex"))]
            others = [n for n in nodes if n not in moving]
            order = [(moving if k == "moving" else others).pop(0) for k in kinds]
            return op.of(*order, **attrs)

        moving = [a for a, k in zip(arrays, kinds, strict=True) if k == "moving"]
        fixed = [a for a, k in zip(arrays, kinds, strict=True) if k == "fixed"]
        if moving:
            check_derivatives(build, *moving, fixed=fixed)
