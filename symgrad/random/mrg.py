"""`MRG_RandomStreams`: Theano's streams of the generator MRG31k3p, with Theano's numbers."""

from __future__ import annotations

import warnings

import numpy as np

from symgrad.config import config
from symgrad.errors import ArgumentError, ShapeError
from symgrad.node import TABLE, Node, as_node, constant
from symgrad.op import cast_node
from symgrad.ops.lengths import make_vector, scalars
from symgrad.ops.mrg import (
    M1,
    M2,
    counts_by_uniform,
    moved,
    mrg_next,
    mrg_uniform,
    picks_by_uniform,
)
from symgrad.random.state import named
from symgrad.shared import shared
from symgrad.types import named_dtype, promote

MOST_STREAMS = 60 * 256  # and as many where the size is not known when the graph is built
STREAM, SUBSTREAM = 2**134, 2**72  # how far apart states of draws and of their streams are
NORMAL_2 = 0.87962566103423978  # the standard deviation of a normal distribution cut off at 2


@named
class MRG_RandomStreams:
    """Draws with the numbers of Theano 1.0.5's ``sandbox.rng_mrg.MRG_RandomStreams``: the same for
    the same seed, in the same order of draws, with the same sizes.

    Every draw has a matrix of states, one row a stream, and moves it on with each call
    (``default_update``); ``x.tag.rstate`` and ``x.tag.update`` hold it.  `seed`: an integer from 1
    up to 2147462578, or six of them.  Uniform numbers, and what is counted or chosen by them, are
    Theano's bit for bit (in float32: as its compiled code draws them); normal ones up to how
    ``log``, ``cos`` and ``sin`` are rounded.

    >>> stream = sg.random.MRG_RandomStreams(1234)
    >>> stream.uniform((3,), dtype="float64").eval().round(8)
    array([0.37257111, 0.65768584, 0.59250678])
    """

    def __init__(self, seed=12345):
        self.state_updates, self.default_instance_seed = [], seed
        self.set_rstate(seed)

    def updates(self):
        """(state, next state, size, nstreams) of every draw made so far."""
        return list(self.state_updates)

    def set_rstate(self, seed):
        """The state from which the next draw takes its own."""
        plain = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        values = [seed] * 6 if plain else list(np.asarray(seed).tolist()) if np.ndim(seed) else []
        if len(values) != 6 or not all(isinstance(v, int | np.integer) for v in values):
            raise ArgumentError(f"seed must be an integer or six of them, not {seed!r:.60}")
        for part, top in ((values[:3], M2 if plain else M1), (values[3:], M2)):
            if not any(part):
                raise ArgumentError(f"seed must not be 0, nor three in a row of six: {seed!r:.60}")
            if min(part) < 0 or max(part) >= top:
                raise ArgumentError(f"seed must be from 0 up to {top - 1}, not {seed!r:.60}")
        self.rstate = np.array(values, "int32")

    def seed(self, seed=None):
        """Set every draw back as if the stream were made with this seed (by default, its own)."""
        self.set_rstate(self.default_instance_seed if seed is None else seed)
        for state, _, size, nstreams in self.state_updates:
            state.set_value(self.get_substream_rstates(nstreams or self.n_streams(size)))

    def inc_rstate(self):
        """Move on by 2**134 steps, to where the next draw starts."""
        self.rstate = moved(self.rstate[None], STREAM)[0]

    def get_substream_rstates(self, n_streams, dtype=None, inc_rstate=True):
        """A matrix whose rows are states 2**72 steps apart, from where the stream stands."""
        if isinstance(n_streams, bool) or not isinstance(n_streams, int | np.integer) \
                or n_streams < 1:
            raise ArgumentError(f"nstreams must be a positive integer, not {n_streams!r:.60}")
        rows = self.rstate[None]
        while len(rows) < n_streams:
            rows = np.concatenate([rows, moved(rows, SUBSTREAM * len(rows))])
        if inc_rstate:
            self.inc_rstate()
        return np.ascontiguousarray(rows[:n_streams])

    def n_streams(self, size):
        """Theano's guess of how many streams a size is worth."""
        if isinstance(size, list | tuple) and all(isinstance(n, int) for n in size):
            count = int(np.prod(size, dtype="int64"))
            return min(count // 6 if count > 6 else count, MOST_STREAMS)
        return MOST_STREAMS

    # -- draws

    def uniform(self, size, low=0.0, high=1.0, ndim=None, dtype=None, nstreams=None):
        """Between `low` and `high`, both excluded; in floatX, or what `low` and `high` need."""
        low, high = as_node(low), as_node(high)
        dtype = named_dtype(dtype or promote(config.floatX, low.type.dtype, high.type.dtype))
        low, high = [TABLE["undefined_grad"](cast_node(x, dtype)) for x in (low, high)]
        lengths = _lengths(size, ndim)
        rstates = self.get_substream_rstates(nstreams or self.n_streams(size))
        state = shared(rstates, shape=rstates.shape)
        state.tag.is_rng = True
        u = mrg_uniform.of(state, *lengths, dtype=dtype)
        following = mrg_next.of(state, *lengths)
        self.state_updates.append((state, following, size, nstreams))
        state.default_update = following
        out = u * (high - low) + low
        if out.type.ndim != u.type.ndim:
            raise ShapeError(f"low and high have more dimensions than the size, {u.type.ndim}")
        for x in (u, out):
            x.tag.rstate, x.tag.update = state, (state, following)
        return out

    def binomial(self, size=None, n=1, p=0.5, ndim=None, dtype="int64", nstreams=None):
        """1 with probability p, else 0; Theano has no other n than 1."""
        if n != 1:
            raise ArgumentError(f"n must be 1, not {n!r:.60}; "
                                "RandomStream.binomial takes others")
        p = TABLE["undefined_grad"](as_node(p))
        u = self.uniform(size, ndim=ndim, nstreams=nstreams)
        return _with_update(cast_node(u < p, named_dtype(dtype)), u)

    def multinomial(self, size=None, n=1, pvals=None, ndim=None, dtype="int64", nstreams=None):
        """How often each column comes in n trials, for every row of the matrix `pvals`."""
        if size is not None or ndim is not None:
            raise ArgumentError("takes its size from pvals; size and ndim must be "
                                "None")
        return self._by_rows(counts_by_uniform, n, pvals, dtype, nstreams)

    def choice(self, size=1, a=None, replace=True, p=None, ndim=None, dtype="int64",
               nstreams=None):
        """`size` different columns for every row of the matrix p; only without replacement."""
        if replace or a is not None or ndim is not None:
            raise ArgumentError("replace must be False, a and ndim must be None; "
                                "RandomStream.choice takes more")
        return self._by_rows(picks_by_uniform, size, p, dtype, nstreams)

    def multinomial_wo_replacement(self, size=None, n=1, pvals=None, ndim=None, dtype="int64",
                                   nstreams=None):
        """An old name of `choice`."""
        warnings.warn("multinomial_wo_replacement is an old name of choice", DeprecationWarning,
                      stacklevel=2)
        if size is not None:
            raise ArgumentError("size must be None")
        return self.choice(n, None, False, pvals, ndim, dtype, nstreams)

    def _by_rows(self, op, n, p, dtype, nstreams):
        if p is None:
            raise ArgumentError("needs the probabilities")
        p = TABLE["undefined_grad"](as_node(p))
        if p.type.ndim != 2:
            raise ShapeError(f"takes a matrix of probabilities, not {p.type!r}")
        n = cast_node(as_node(n), "int64")
        u = self.uniform(make_vector.of(TABLE["shape"](p)[0] * n), ndim=1, nstreams=nstreams)
        return _with_update(op.of(p, u, n, dtype=dtype), u)

    def normal(self, size, avg=0.0, std=1.0, ndim=None, dtype=None, nstreams=None,
               truncate=False):
        """Normal numbers, by Box and Muller's transformation of two halves of uniform ones.

        With `truncate` only those within 2 standard deviations: others are drawn again, with
        their angle kept.
        """
        avg, std = [TABLE["undefined_grad"](as_node(x)) for x in (avg, std)]
        dtype = named_dtype(dtype or promote(config.floatX, avg.type.dtype, std.type.dtype))
        avg, std = cast_node(avg, dtype), cast_node(std, dtype)
        lengths = _lengths([size] if isinstance(size, int | np.integer) or (
            isinstance(size, Node) and not size.type.ndim) else size, ndim)
        count = TABLE["prod"](make_vector.of(*lengths)) if lengths else constant(1, dtype="int64")
        even = count + count % 2
        u = self.uniform((even,), ndim=1, dtype=dtype, nstreams=nstreams)
        half = even // 2
        # -2 and 2 pi in the dtype of the draw
        radius = TABLE["sqrt"](constant(-2.0, dtype=dtype) * TABLE["log"](u[:half]))
        theta = constant(2 * np.pi, dtype=dtype) * u[half:]
        turned = TABLE["cos"](theta), TABLE["sin"](theta)
        z = [radius * t for t in turned]
        z = self._again(z, turned, dtype, nstreams) if truncate else z
        out = TABLE["reshape"](TABLE["join"](0, *z)[:count], make_vector.of(*lengths),
                               len(lengths))
        return _with_update(out * std + avg, u)

    def _again(self, z, turned, dtype, nstreams):
        two = constant(2.0, dtype=dtype)
        out = [(x < -two) | (x > two) for x in z]
        keep, fix = [[TABLE["flatnonzero"](m) for m in masks]
                     for masks in ([TABLE["logical_not"](m) for m in out], out)]
        first, second = [TABLE["shape"](f)[0] for f in fix]
        low = constant(1.0 / np.e**2, dtype=dtype)
        u = self.uniform((first + second,), low, 1.0, ndim=1, dtype=dtype, nstreams=nstreams)
        radius = TABLE["sqrt"](constant(-2.0, dtype=dtype) * TABLE["log"](u))
        parts = []
        for x, t, k, f, r in zip(z, turned, keep, fix, (radius[:first], radius[first:]),
                                 strict=True):
            parts += [x[k], r * t[f]]
        return parts

    def truncated_normal(self, size, avg=0.0, std=1.0, ndim=None, dtype=None, nstreams=None):
        """Normal numbers cut off at 2 standard deviations, scaled so that `std` is theirs."""
        return self.normal(size, avg, as_node(std) / constant(NORMAL_2), ndim, dtype, nstreams,
                           truncate=True)


def _lengths(size, ndim):
    """A size as scalars; lengths that are known must be positive, as Theano wants it."""
    if not isinstance(size, list | tuple) and not (isinstance(size, Node) and size.type.ndim == 1):
        raise ArgumentError(f"size must be a tuple or an integer vector, not {size!r:.60}")
    if isinstance(size, list | tuple):
        for n in size:
            if isinstance(n, int | np.integer) and n <= 0:
                raise ShapeError(f"a length must be positive, not {n}: size={size}")
    return scalars(size, ndim)


def _with_update(out, u):
    out.tag.rstate, out.tag.update = u.tag.rstate, u.tag.update
    return out
