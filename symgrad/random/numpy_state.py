"""`RandomStreams`: Theano's streams of NumPy's legacy generator, with NumPy's numbers."""

from __future__ import annotations

import numpy as np

from symgrad.config import config
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.node import TABLE, as_node, constant
from symgrad.op import cast_node
from symgrad.ops.lengths import known, lengths, make_vector, scalars
from symgrad.ops.randomstate import (
    randomstate_draw,
    randomstate_next,
    randomstate_value,
    to_array,
    to_generator,
)
from symgrad.random.state import named, size_of
from symgrad.shared import Shared, shared
from symgrad.types import named_dtype, promote


@named
class RandomStreams:
    """Draws with the numbers of Theano's ``tensor.shared_randomstreams.RandomStreams``, which are
    those of ``numpy.random.RandomState``.

    Every draw has a generator of its own, seeded by the stream's: a shared variable that holds the
    generator's state as an array, in ``x.tag.rng``.  ``stream[x.tag.rng]`` is the generator in that
    state, and may be assigned.  A size may have -1 where a parameter has the length.

    >>> stream = sg.random.RandomStreams(234)
    >>> f = sg.function([], stream.uniform((2,)))
    >>> seed = np.random.RandomState(234).randint(2**30)
    >>> np.array_equal(f(), np.random.RandomState(seed).uniform(size=2))
    True
    """

    def __init__(self, seed=None):
        self.state_updates, self.default_instance_seed = [], seed
        self.gen_seedgen = _generator(seed)

    def updates(self):
        """(state, next state) of every draw made so far."""
        return list(self.state_updates)

    def seed(self, seed=None):
        """Set the generator of every draw back, by a seed (by default, that of the stream)."""
        seeds = _generator(self.default_instance_seed if seed is None else seed)
        for state, _ in self.state_updates:
            state.set_value(to_array(np.random.RandomState(int(seeds.randint(2**30)))))

    def __getitem__(self, item):
        return to_generator(item.get_value())

    def __setitem__(self, item, generator):
        if not isinstance(item, Shared) or not isinstance(generator, np.random.RandomState):
            raise DtypeError(f"a draw's state takes a numpy RandomState, not {generator!r:.60}")
        item.set_value(to_array(generator))

    def gen(self, method, size, *given, ndim=None, dtype="int64", added=()):
        """A draw by a method of ``RandomState``: `size` are scalars, None that of the parameters;
        `added` lengths of further axes."""
        seed = int(self.gen_seedgen.randint(2**30))
        state = shared(to_array(np.random.RandomState(seed)), shape=(628,))
        state.tag.is_rng = True
        if size is None:
            shape, wanted = [known(n) for n in size_of(None, ndim, given)], []
        else:
            shape, wanted = [known(n) for n in size], size
        shape = [n if isinstance(n, int) else None for n in (*shape, *[known(n) for n in added])]
        dtype = named_dtype(dtype)
        packed = randomstate_draw.of(state, make_vector.of(*wanted), *given, method=method,
                                     dtype=dtype, ndim=len(shape))
        out = randomstate_value.of(packed, dtype=dtype, shape=tuple(shape))
        state.default_update = randomstate_next.of(packed)
        self.state_updates.append((state, state.default_update))
        out.tag.rng, out.tag.update = state, (state, state.default_update)
        return out

    def _real(self, method, size, first, second, ndim, dtype):
        first, second = as_node(first), as_node(second)
        dtype = dtype or promote(config.floatX, first.type.dtype, second.type.dtype)
        return self.gen(method, _size(size, ndim, first, second), first, second, ndim=ndim,
                        dtype=dtype)

    def uniform(self, size=None, low=0.0, high=1.0, ndim=None, dtype=None):
        """From `low` up to but not including `high`."""
        return self._real("uniform", size, low, high, ndim, dtype)

    def normal(self, size=None, avg=0.0, std=1.0, ndim=None, dtype=None):
        """Normal numbers with this mean and standard deviation."""
        return self._real("normal", size, avg, std, ndim, dtype)

    def binomial(self, size=None, n=1, p=0.5, ndim=None, dtype="int64", prob=None):
        """How many of n trials succeed; `prob` is an old name of p."""
        n, p = as_node(n), as_node(p if prob is None else prob)
        return self.gen("binomial", _size(size, ndim, n, p), n, p, ndim=ndim, dtype=dtype)

    def random_integers(self, size=None, low=0, high=1, ndim=None, dtype="int64"):
        """Whole numbers from `low` up to `high`, both included."""
        low, high = as_node(low), as_node(high)
        return self.gen("random_integers", _size(size, ndim, low, high), low, high, ndim=ndim,
                        dtype=dtype)

    def choice(self, size=None, a=2, replace=True, p=None, ndim=None, dtype="int64"):
        """Numbers below a, or entries of a vector a, by probabilities p (all alike without)."""
        p = constant(np.zeros(0)) if p is None else as_node(p)
        size = [] if size is None else _size(size, ndim)
        return self.gen("choice", size, as_node(a), as_node(replace), p, dtype=dtype)

    def poisson(self, size=None, lam=1.0, ndim=None, dtype="int64"):
        """How many events come where `lam` are expected."""
        lam = as_node(lam)
        return self.gen("poisson", _size(size, ndim, lam), lam, ndim=ndim, dtype=dtype)

    def permutation(self, size=None, n=1, ndim=None, dtype="int64"):
        """The numbers below n in random order, along a new last axis."""
        n = cast_node(as_node(n), "int64")
        size = [] if size is None else _size(size, ndim)
        return self.gen("permutation", size, n, dtype=dtype, added=[n])

    def multinomial(self, size=None, n=1, pvals=(0.5, 0.5), ndim=None, dtype="int64"):
        """How often each index into the last axis of `pvals` comes in n trials."""
        n, p = as_node(n), as_node(pvals)
        if not p.type.ndim:
            raise ShapeError(f"pvals must be a vector or more, not {p.type!r}")
        size = size_of(None, ndim, (n, p[..., 0])) if size is None else \
            _size(size, ndim, n, p[..., 0])
        return self.gen("multinomial", size, n, p, dtype=dtype, added=lengths(p)[-1:])

    def shuffle_row_elements(self, input):
        """`input` with every row along its last axis in an order of its own."""
        x = as_node(input)
        if not x.type.ndim:
            raise ShapeError("takes one dimension or more")
        order = self.permutation(lengths(x)[:-1], lengths(x)[-1])
        shape = lengths(x)
        rows, places = [TABLE["reshape"](v, make_vector.of(constant(-1), shape[-1]), 2)
                        for v in (x, order)]
        row = TABLE["arange"](TABLE["shape"](rows)[0])
        out = TABLE["reshape"](rows[TABLE["dimshuffle"](row, 0, "x"), places],
                               make_vector.of(*shape), len(shape))
        out.tag.rng, out.tag.update = order.tag.rng, order.tag.update
        return out


def _generator(seed):
    try:
        return np.random.RandomState(seed)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"seed: {error}, not {seed!r:.60}") from None


def _size(size, ndim, *given):
    """A size as scalars, -1 being the length of the parameter that has that axis; None if it is
    None."""
    if size is None:
        return None
    if isinstance(size, list | tuple) and any(isinstance(n, int) and n == -1 for n in size):
        size = list(size)
        for axis, n in enumerate(size):
            if isinstance(n, int) and n == -1:
                back = len(size) - axis
                have = [g for g in given if g.type.ndim >= back]
                if not have:
                    raise ArgumentError(f"size={tuple(size)}: no parameter has a length for -1")
                have = [g for g in have if g.type.shape[-back] != 1]
                size[axis] = lengths(have[0])[-back] if have else constant(1, dtype="int64")
    size = scalars(size, ndim)
    return size_of(make_vector.of(*size), len(size), given) if size else size
