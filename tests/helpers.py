"""For tests made from the op table: samples, difference quotients, programs that reproduce."""

from __future__ import annotations

import contextlib
import gc
import sys
from importlib.util import find_spec
from typing import NamedTuple

import mpmath
import numpy as np
import pytest

from symgrad.compile.backends import BACKENDS as NAMES
from symgrad.derive import backward
from symgrad.errors import SymgradError
from symgrad.interpret import run
from symgrad.node import variable
from symgrad.op import Op, Pattern, constant, weak_numbers
from symgrad.ops import OPS, TABLE
from symgrad.scalars import Arg, Lit
from symgrad.types import Type, is_complex, is_float

NEEDS = {"llvm": "llvmlite"}  # packages that a backend cannot do without
# Every backend, to parametrise by; those that cannot be had here are skipped.
BACKENDS = [pytest.param(b, marks=pytest.mark.skipif(
    b in NEEDS and not find_spec(NEEDS[b]), reason=f"needs {NEEDS.get(b)}")) for b in NAMES]


class Case(NamedTuple):
    """An op, arrays for its inputs, and attributes."""

    op: Op
    arrays: list
    attrs: dict

    def nodes(self, known=True):
        """Fresh input variables; with `known`, their lengths are part of their types.

        A length of one is always known, since it does not stretch otherwise.
        """
        shapes = [tuple([n if known or n == 1 else None for n in a.shape]) for a in self.arrays]
        return [variable(Type(a.dtype.name, s), f"x{k}")
                for k, (a, s) in enumerate(zip(self.arrays, shapes, strict=True))]

    def still(self):
        """For each input whether it cannot be moved a little, being of whole numbers."""
        domain = None if self.op.samples else self.op.domain
        domains = domain if type(domain) is tuple else (domain,) * len(self.arrays)
        return [not is_float(a.dtype.name) or bool(d and d.whole)
                for a, d in zip(self.arrays, domains, strict=True)]

    def program(self):
        """Source text that makes the op's value from the same numbers."""
        lines = ["import numpy as np", "from symgrad.interpret import run",
                 "from symgrad.node import constant", "from symgrad.ops import OPS", ""]
        for k, a in enumerate(self.arrays):
            values = np.array2string(a, separator=", ", threshold=10**6, floatmode="unique")
            values = values.replace("nan", "np.nan").replace("inf", "np.inf")
            lines.append(f"x{k} = np.array({values}, '{a.dtype}').reshape({a.shape})")
        names = ", ".join(f"constant(x{k})" for k in range(len(self.arrays)))
        attrs = "".join(f", {k}={v!r}" for k, v in self.attrs.items())
        lines.append(f"print(run([OPS[{self.op.name!r}].of({names}{attrs})]))")
        return "\n".join(lines)


@contextlib.contextmanager
def reproducing(case):
    """Adds the program that reproduces it to whatever goes wrong inside."""
    try:
        yield
    except Exception as error:
        error.add_note(f"reproduce with:\n\n{case.program()}\n")
        raise


def sampled(op):
    """Whether generated tests can make inputs for an op.  Ops with bodies and their results have
    tests of their own: tests/ops/test_loop.py, tests/ops/test_branch.py."""
    return bool(op.samples or op.domain) and op.kind not in ("loop", "branch", "item")


def cases(op, dtype=None, shape=(3, 4), seed=0):
    """Samples of an op: floats are made in `dtype`; by a domain, all inputs are.

    By default float64, or int64 if the op refuses floats.
    """
    if dtype is None:
        found = cases(op, "float64", shape, seed)
        return found if op.samples or built(found[0]) else cases(op, "int64", shape, seed)
    rng = np.random.default_rng(seed)
    if op.samples:
        found = [([np.asarray(a) for a in arrays], attrs) for arrays, attrs in op.samples(rng)]
        if dtype == "float64":
            return [Case(op, *f) for f in found]
        return [Case(op, [a.astype(dtype) if a.dtype == np.float64 else a for a in arrays], attrs)
                for arrays, attrs in found]
    arity = 2 if op.arity is None else op.arity
    domains = op.domain if type(op.domain) is tuple else (op.domain,) * arity
    arrays = [d.sample(rng, shape, dtype) for d in domains]
    choices = [{}]
    if "axis" in op.params and op.defaults[op.params.index("axis")] is None and len(shape) == 2:
        choices = [{}, {"axis": 0}, {"axis": (-1,)}]
    return [Case(op, arrays, attrs) for attrs in choices]


def built(case, known=True):
    """(inputs, output), or None where the op does not take these dtypes or ranks."""
    inputs = case.nodes(known)
    try:
        return inputs, case.op.of(*inputs, **case.attrs)
    except SymgradError:
        return None


def value(op, *arrays, **attrs):
    """The array an op (or a function on nodes) gives for arrays, by the interpreter."""
    arrays = [np.asarray(a) for a in arrays]
    inputs = [variable(Type(a.dtype.name, a.shape)) for a in arrays]
    function = op.of if isinstance(op, Op) else op
    return run([function(*inputs, **attrs)], dict(zip(inputs, arrays, strict=True)))[0]


def inner(a, b):
    """Re <a, b>, in float64."""
    return float(np.sum(np.real(np.conj(a.astype("complex128")) * b)))


def direction(rng, like, still=False):
    """A random array of the shape and kind of another one; zeros if that stands still."""
    if still or not is_float(like.dtype.name):
        return np.zeros(like.shape)
    d = rng.normal(size=like.shape)
    return d + 1j * rng.normal(size=like.shape) if is_complex(like.dtype.name) else d


def quotient(function, arrays, along, step=1e-6):
    """The central difference of a real function of arrays, along directions."""
    up, down = (function([(a + s * step * d).astype(a.dtype) if np.any(d) else a
                          for a, d in zip(arrays, along, strict=True)]) for s in (1, -1))
    return (up - down) / (2 * step)


def slope_graph(out, inputs, weight):
    """Gradients of Re <weight, out>, as nodes; None where nothing connects."""
    return backward([out], [weight], inputs)


def compute(tree, arrays):
    """A scalar expression on arrays, with the NumPy function of each row."""
    if isinstance(tree, Arg):
        return arrays[tree.k]
    if isinstance(tree, Lit):
        return tree.value
    args = [compute(a, arrays) for a in tree.args]
    if tree.dtype:
        return np.asarray(args[0]).astype(tree.dtype)
    return getattr(np, tree.row.numpy)(*args)


def _mp(name):
    special = {
        "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
        "div": lambda x, y: x / y, "pow": lambda x, y: x**y, "neg": lambda x: -x, "abs": abs,
        "floordiv": lambda x, y: mpmath.floor(x / y),
        "mod": lambda x, y: x - y * mpmath.floor(x / y),
        "lt": lambda x, y: x < y, "le": lambda x, y: x <= y, "gt": lambda x, y: x > y,
        "ge": lambda x, y: x >= y, "eq": lambda x, y: x == y, "ne": lambda x, y: x != y,
        "where": lambda c, x, y: x if c else y, "square": lambda x: x * x,
        "reciprocal": lambda x: 1 / x, "exp2": lambda x: mpmath.mpf(2) ** x,
        "log2": lambda x: mpmath.log(x) / mpmath.log(2), "deg2rad": mpmath.radians,
        "rad2deg": mpmath.degrees, "rint": mpmath.nint, "conj": mpmath.conj, "real": mpmath.re,
        "imag": mpmath.im, "angle": mpmath.arg, "max": max, "min": min, "fmax": max, "fmin": min,
        "trunc": lambda x: mpmath.floor(x) if x > 0 else mpmath.ceil(x),
        "copysign": lambda x, y: abs(x) if y >= 0 else -abs(x),
        "logaddexp": lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y)),
    }
    return special.get(name) or getattr(mpmath, name)


def exact(tree, numbers):
    """A scalar expression on mpmath numbers."""
    if isinstance(tree, Arg):
        return numbers[tree.k]
    if isinstance(tree, Lit):
        return mpmath.mpf(tree.value)
    return _mp(tree.row.name)(*[exact(a, numbers) for a in tree.args])


def exact_slope(tree, numbers, k):
    """The slope of a scalar expression along its k-th operand, to about half the digits in use."""
    step = (abs(numbers[k]) or 1) * mpmath.mpf(10) ** (-mpmath.mp.dps // 4)
    up, down = (exact(tree, [*numbers[:k], numbers[k] + s, *numbers[k + 1:]])
                for s in (step, -step))
    return (up - down) / (2 * step)


def calls(function):
    """How many calls of functions a call makes, as Python's profiler sees them: work that is
    counted is the same in every run."""
    total, collecting, before = 0, gc.isenabled(), sys.getprofile()

    def count(frame, event, argument):
        nonlocal total
        total += event == "call" or event == "c_call"

    gc.disable()  # its callbacks are calls, too
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()
    return total


__all__ = [n for n in globals() if not n.startswith("_")] + ["OPS", "TABLE"]


# -- left sides of rules


def filled(lhs, dtypes):
    """Graphs of a rule's left side with variables in its holes: matrices and numbers of each dtype
    that its ops take."""
    found = []
    with weak_numbers():
        for dtype in dtypes:
            for shape in ((None, None), ()):
                try:
                    found.append(_fill(lhs, {}, Type(dtype, shape)))
                except SymgradError:
                    pass  # the op does not take this dtype, or no number
    return found


def _fill(p, env, type, attribute=False):
    if not isinstance(p, Pattern):
        return constant(p)
    if p.hole:
        return env.setdefault(p.hole, (1,) if attribute else variable(type))
    attrs = [_fill(a, env, type, True) if isinstance(a, Pattern) else a for a in p.attrs]
    inputs = [_fill(a, env, type) if isinstance(a, Pattern) else a for a in p.args]
    return p.op.of(*inputs, **dict(zip(p.op.params, attrs, strict=True)))
