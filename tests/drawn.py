"""Strategies of hypothesis for values of graphs: short lengths, and numbers from a pool.  What
fails shrinks to the shortest arrays and the plainest numbers."""

from __future__ import annotations

import os

import numpy as np
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from symgrad.errors import SymgradError
from symgrad.node import CONST, INPUT, constant, toposort, variable
from symgrad.op import weak_numbers
from symgrad.types import Dim, Type, is_complex, is_float

ORDINARY = (1.0, -2.5, 3.0, 0.25, -0.75)
ZEROS = (0.0, -0.0)
ENDLESS = (np.inf, -np.inf)
NAN = (np.nan,)
ALL = (*ORDINARY, *ZEROS, *ENDLESS, *NAN)
WHOLE = (1, 2, 0, 3, -1, -2, -5)
SOME = st.integers(1, 3)
ANY = st.integers(0, 3)  # also no rows
FIRST = st.integers(0, 1)  # places that most arrays have
TIMES = int(os.environ.get("TEST_EXAMPLES", 1))  # that many times more of them, to search


def drawn(examples):
    """The same examples in every run, so that what passes here passes there."""
    return settings(derandomize=True, max_examples=examples * TIMES, deadline=None, database=None,
                    suppress_health_check=list(HealthCheck))


def huge_and_tiny(dtype):
    """Where products and sums overflow or vanish."""
    info = np.finfo(dtype)
    found = [info.max, info.max / 2, info.max ** 0.5, info.max ** 0.4, info.tiny,
             info.smallest_subnormal, info.tiny ** 0.5, info.tiny ** 0.4]
    return tuple([float(sign * v) for v in found for sign in (1, -1)])


def elements(dtype, pool, wrapping):
    """Numbers of a dtype: floats from the pool, which may be a function of the dtype; integers, if
    `wrapping` up to their ends, so that sums wrap around."""
    if dtype == "bool":
        return st.booleans()
    if not is_float(dtype):
        info = np.iinfo(dtype)
        found = (*WHOLE, info.max, info.min) if wrapping else WHOLE
        return st.sampled_from([v for v in found if v >= info.min])
    pool = pool(dtype) if callable(pool) else pool
    if is_complex(dtype):
        return st.builds(complex, st.sampled_from(pool), st.sampled_from(pool))
    return st.sampled_from(pool)


@st.composite
def values(draw, nodes, pool, lengths, indices=FIRST, wrapping=False, unique=False):
    """Arrays for the inputs below nodes: {input: array}.  `indices`: what integers are drawn that
    index something; `unique`: no number twice in an array."""
    order = toposort(nodes)
    at = {i for n in order if n.op.kind in ("gather", "scatter", "view") for i in n.inputs[1:]}
    inputs = [n for n in order if n.op is INPUT]
    dims = dict.fromkeys([d for n in inputs for d in n.type.shape if isinstance(d, Dim)])
    known = {d: draw(lengths) for d in dims}
    for n in order:
        if n.op.name == "continued":  # it says of itself that it has such rows
            rows = [known.get(d, d) for d in (n.inputs[0].type.shape[0], n.inputs[1].type.shape[0])]
            assume(rows[1] or not rows[0])
    found = {}
    for n in inputs:
        dtype = n.type.dtype
        index = n in at and not is_float(dtype)
        own = indices if index else elements(dtype, pool, wrapping)
        shape = tuple([known.get(d, d) for d in n.type.shape])
        found[n] = draw(arrays(dtype, shape, elements=own, fill=st.nothing(),
                               unique=unique and is_float(dtype)))
    return found


def in_single(graph):
    """A graph of doubles with floats in their place; None where there are none, or it has loops."""
    new, changed = {}, False
    for n in toposort([graph]):
        double = n.type.dtype == "float64"
        if n.op is INPUT:
            shape = tuple([d if isinstance(d, int) else None for d in n.type.shape])
            new[n] = variable(Type("float32" if double else n.type.dtype, shape))
            changed |= double
        elif n.op is CONST:
            new[n] = constant(np.asarray(n.data, "float32")) if double else n
        elif n.op.kind in ("loop", "branch", "item"):
            return None
        else:
            try:
                with weak_numbers():
                    new[n] = n.op.of(*[new[i] for i in n.inputs],
                                     **dict(zip(n.op.params, n.attrs, strict=True)))
            except SymgradError:
                return None
    return new[graph] if changed else None


def near(a, b, factor=200):
    """Whether they are the same but for rounding."""
    if a.dtype.kind not in "fc":
        return np.testing.assert_array_equal(a, b)
    tol = factor * float(np.finfo(a.dtype).eps)
    scale = max(1.0, np.abs(a[np.isfinite(a)]).max(initial=0.0))
    np.testing.assert_allclose(b, a, rtol=tol, atol=tol * scale)
