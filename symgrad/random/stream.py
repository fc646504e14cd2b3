"""`RandomStream`: distributions over counter-based draws."""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.node import CONST, TABLE, as_node, constant
from symgrad.op import cast_node, weak_numbers
from symgrad.ops.lengths import known, lengths, make_vector
from symgrad.ops.logic import lt
from symgrad.ops.random import (
    binomial_quantile,
    gamma_quantile,
    multinomial_counts,
    order,
    poisson_quantile,
    truncated_normal_quantile,
)
from symgrad.ops.shape import broadcast_to, reshape
from symgrad.random.state import (
    SPLIT,
    Draw,
    advanced,
    affine,
    array,
    checked,
    child,
    factor_of,
    front_of,
    named,
    real_dtype,
    root,
    rows_of,
    size_of,
    whole_dtype,
)
from symgrad.shared import shared
from symgrad.types import kind_of


@named
class RandomStream:
    """Draws from distributions, as symbolic expressions.

    Every draw has a state of its own, a shared variable that follows from `seed` and from how many
    draws were made before.  Each call of a function that reads the draw moves the state on; the
    shared variable's ``default_update`` says how.  With ``state=`` a draw is a pure function of the
    three uint64 that are given; ``x.tag.update`` holds that state and the one after the draw.

    Sizes come first: None (the shape of the parameters), an int, a list of ints and symbolic
    scalars, or an integer vector (of unknown length: with `ndim`).  Integers and uniform numbers
    are the same bit for bit on every backend, others up to how it rounds ``log`` and ``cos``.
    The generator is Philox4x32-10 (Salmon and others, SC 2011).

    >>> stream = sg.random.RandomStream(seed=1)
    >>> x = stream.normal((2, 3)); f = sg.function([], x)
    >>> np.array_equal(f(), f())
    False
    >>> stream.seed(1); a = f(); stream.seed(1); np.array_equal(a, f())
    True
    """

    def __init__(self, seed=None):
        self._root, self._draws, self._splits = root(seed), [], 0
        self._first = self._root

    # -- the stream itself

    def seed(self, seed=None):
        """Set all draws made so far, and those to come, back to a seed: by default, to that with
        which the stream was made."""
        self._root = self._first if seed is None else root(seed)
        self._splits = 0
        for number, state in enumerate(self._draws):
            state.set_value(array(child(self._root, number)))

    def split(self, n=2):
        """`n` new streams, independent of this one and of one another.

        >>> a, b = sg.random.RandomStream(seed=1).split(2)
        """
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise ArgumentError(f"n must be a positive integer, not {n!r:.60}")
        made = []
        for _ in range(n):
            new = type(self)(0)
            new._root = new._first = child(self._root, SPLIT + self._splits)
            self._splits += 1
            made.append(new)
        return made

    def skip(self, n):
        """Move every draw made so far on by `n` numbers, which are left out."""
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise ArgumentError(f"n must be an integer from 0 up, not {n!r:.60}")
        for state in self._draws:
            value = state.get_value()
            value[1] += np.uint64(n)
            state.set_value(value)

    def updates(self):
        """(state, its next value) for every draw made so far."""
        return [(s, s.default_update) for s in self._draws]

    def _draw(self, state, shape, blocks=1):
        if state is None:
            value = array(child(self._root, len(self._draws)))
            state = shared(value, name=f"rng{len(self._draws)}", shape=(3,))
            state.tag.is_rng = True
            self._draws.append(state)
            draw = Draw(state, shape, blocks)
            state.default_update = advanced(state, draw.spent)
            return draw
        return Draw(as_node(state), shape, blocks)

    @staticmethod
    def _done(draw, x, dtype=None):
        out = x if dtype is None else cast_node(x, dtype)
        state = draw.state
        following = getattr(state, "default_update", None)
        out.tag.update = state, advanced(state, draw.spent) if following is None else following
        return out

    def _real(self, variate, size, loc, scale, ndim, dtype, state):
        """loc + scale times a standard variate, the method of `Draw` with that name."""
        loc, scale = checked("loc", loc), checked("scale", scale, 0)
        shape = size_of(size, ndim, (loc, scale))
        dtype = real_dtype(dtype, loc, scale)
        draw = self._draw(state, shape)
        x = draw.shaped(getattr(draw, variate)(dtype))
        return self._done(draw, affine(x, loc, scale, dtype))

    # -- real numbers

    def uniform(self, size=None, low=0.0, high=1.0, ndim=None, dtype=None, state=None):
        """From `low` up to but not including `high`; gradients flow to both.

        >>> sg.random.RandomStream(3).uniform(3, dtype="float32").eval()
        array([0.01567918, 0.2192601 , 0.42112207], dtype=float32)
        """
        low, high = checked("low", low), checked("high", high)
        if low.op is CONST and high.op is CONST and np.any(low.data > high.data):
            raise ArgumentError(f"low={low!r} is above high={high!r}")
        shape, dtype = size_of(size, ndim, (low, high)), real_dtype(dtype, low, high)
        draw = self._draw(state, shape)
        low, high = cast_node(low, dtype), cast_node(high, dtype)
        return self._done(draw, affine(draw.shaped(draw.unit(dtype)), low, high - low, dtype))

    def normal(self, size=None, loc=0.0, scale=1.0, ndim=None, dtype=None, state=None):
        """Gaussian, with mean `loc` and standard deviation `scale`; gradients flow to both."""
        return self._real("normal", size, loc, scale, ndim, dtype, state)

    def laplace(self, size=None, loc=0.0, scale=1.0, ndim=None, dtype=None, state=None):
        """Laplace's double exponential about `loc`; gradients flow to both parameters."""
        return self._real("laplace", size, loc, scale, ndim, dtype, state)

    def gumbel(self, size=None, loc=0.0, scale=1.0, ndim=None, dtype=None, state=None):
        """Gumbel's distribution of maxima; gradients flow to both parameters."""
        return self._real("gumbel", size, loc, scale, ndim, dtype, state)

    def exponential(self, size=None, scale=1.0, ndim=None, dtype=None, state=None):
        """Exponential with mean `scale`; gradients flow to it."""
        return self._real("exponential", size, constant(0), scale, ndim, dtype, state)

    def truncated_normal(self, size=None, loc=0.0, scale=1.0, low=-2.0, high=2.0, ndim=None,
                         dtype=None, state=None):
        """Gaussian as `normal`, but only what lies between `low` and `high`; gradients flow to all
        four."""
        loc, scale = checked("loc", loc), checked("scale", scale, 0, above=True)
        low, high = checked("low", low), checked("high", high)
        if low.op is CONST and high.op is CONST and np.any(low.data >= high.data):
            raise ArgumentError(f"low={low!r} is not below high={high!r}")
        shape = size_of(size, ndim, (loc, scale, low, high))
        dtype = real_dtype(dtype, loc, scale, low, high)
        draw = self._draw(state, shape)
        m, s, a, b = [cast_node(x, "float64") for x in (loc, scale, low, high)]
        z = truncated_normal_quantile.of(draw.bits(), (a - m) / s, (b - m) / s)
        return self._done(draw, m + s * z, dtype)

    def gamma(self, size=None, shape=1.0, scale=1.0, ndim=None, dtype=None, state=None):
        """The gamma distribution with this shape and scale; gradients flow to both (that to the
        shape is implicit: Figurnov and others, arXiv:1805.08498)."""
        a, scale = checked("shape", shape, 0, above=True), checked("scale", scale, 0)
        draw = self._draw(state, size_of(size, ndim, (a, scale)))
        z = gamma_quantile.of(draw.bits(), cast_node(a, "float64"))
        dtype = real_dtype(dtype, a, scale)
        return self._done(draw, affine(cast_node(z, dtype), constant(0), scale, dtype))

    def beta(self, size=None, a=1.0, b=1.0, ndim=None, dtype=None, state=None):
        """The beta distribution with these shapes, for values from 0.01 up; gradients flow to
        both."""
        a, b = checked("a", a, 0, above=True), checked("b", b, 0, above=True)
        draw = self._draw(state, size_of(size, ndim, (a, b)))
        x, y = [gamma_quantile.of(draw.bits(half), cast_node(p, "float64"))
                for half, p in enumerate((a, b))]
        return self._done(draw, x / (x + y), real_dtype(dtype, a, b))

    def student_t(self, size=None, df=1.0, loc=0.0, scale=1.0, ndim=None, dtype=None, state=None):
        """Student's t with `df` degrees of freedom; gradients flow to all three parameters."""
        df, loc, scale = checked("df", df, 0, above=True), checked("loc", loc), \
            checked("scale", scale, 0)
        dtype = real_dtype(dtype, df, loc, scale)
        draw = self._draw(state, size_of(size, ndim, (df, loc, scale)), blocks=2)
        half = cast_node(df, "float64") * constant(0.5, dtype="float64")
        chi = gamma_quantile.of(draw.bits(block=1), half) / half
        z = draw.shaped(draw.normal("float64")) / TABLE["sqrt"](chi)
        return self._done(draw, affine(cast_node(z, dtype), loc, scale, dtype))

    def standard_t(self, size=None, df=1.0, ndim=None, dtype=None, state=None):
        """Student's t about 0 with scale 1, under NumPy's name."""
        return self.student_t(size, df, ndim=ndim, dtype=dtype, state=state)

    # -- real vectors

    def dirichlet(self, size=None, alpha=(1.0, 1.0), ndim=None, dtype=None, state=None):
        """Vectors of shares that sum to one, along a new last axis: that of `alpha`; gradients
        flow to it."""
        alpha = rows_of("alpha", checked("alpha", alpha, 0, above=True))
        *front, count = front_of(size, ndim, alpha)
        dtype = real_dtype(dtype, alpha)
        draw = self._draw(state, [*front, count])
        g = gamma_quantile.of(draw.bits(), cast_node(alpha, "float64"))
        return self._done(draw, g / TABLE["sum"](g, axis=-1, keepdims=True), dtype)

    def multivariate_normal(self, size=None, mean=(0.0, 0.0), cov=None, factor=None, ndim=None,
                            dtype=None, state=None):
        """Gaussian vectors, along a new last axis, with covariance `cov`, or ``factor @ factor.T``;
        gradients flow to the mean and the factor."""
        mean = as_node(mean)
        if mean.type.ndim != 1 or (cov is None) == (factor is None):
            raise ArgumentError("takes a vector as the mean, "
                                "and either cov= or factor=")
        factor = factor_of(cov) if factor is None else as_node(factor)
        if factor.type.ndim != 2:
            raise ShapeError(f"takes a matrix, not {factor.type!r}")
        dtype = real_dtype(dtype, mean, factor)
        front = size_of(size if size is not None else (), ndim, ())
        draw = self._draw(state, [*front, lengths(factor)[1]])
        z = draw.shaped(draw.normal(dtype))
        product = TABLE["dot"](z, TABLE["transpose"](cast_node(factor, dtype)))
        return self._done(draw, product + cast_node(mean, dtype))

    # -- whole numbers

    def integers(self, size=None, low=0, high=2, ndim=None, dtype="int64", state=None):
        """Whole numbers from `low` up to but not including `high`, all alike likely (to one in
        2**64 over their number).

        >>> sg.random.RandomStream(3).integers(6, 1, 7).eval()
        array([1, 2, 3, 5, 5, 5])
        """
        low, high = checked("low", low), checked("high", high)
        for x in (low, high):
            if kind_of(x.type.dtype) not in "iu":
                raise DtypeError(f"its ends must be integers, not {x.type!r}")
        if low.op is CONST and high.op is CONST and np.any(low.data >= high.data):
            raise ArgumentError(f"low={low!r} is not below high={high!r}")
        dtype = whole_dtype(dtype)
        draw = self._draw(state, size_of(size, ndim, (low, high)))
        low, high = cast_node(low, "int64"), cast_node(high, "int64")
        n = cast_node(high - low, "uint64")
        few = low.op is CONST and high.op is CONST and bool(np.all(high.data - low.data < 2**32))
        bits = draw.bits()
        with weak_numbers():
            if few:  # the upper 64 bits of the product of 96
                bits = ((bits >> 32) * n + ((bits & 0xFFFFFFFF) * n >> 32)) >> 32
            else:
                bits = bits % n
        return self._done(draw, low + cast_node(bits, "int64"), dtype)

    def bernoulli(self, size=None, p=0.5, ndim=None, dtype="int64", state=None):
        """1 with probability p, else 0."""
        p = checked("p", p, 0, 1)
        dtype = whole_dtype(dtype)
        draw = self._draw(state, size_of(size, ndim, (p,)))
        unit = draw.unit("float64" if p.type.dtype == "float64" and p.op is not CONST
                         else "float32")
        hit = lt(unit, p) if not p.type.ndim else lt(draw.shaped(unit), p)
        return self._done(draw, cast_node(hit if p.type.ndim else draw.shaped(hit), dtype))

    def binomial(self, size=None, n=1, p=0.5, ndim=None, dtype="int64", state=None):
        """How many of n trials succeed, each with probability p."""
        n, p = checked("n", n, 0), checked("p", p, 0, 1)
        dtype = whole_dtype(dtype)
        draw = self._draw(state, size_of(size, ndim, (n, p)))
        found = binomial_quantile.of(draw.bits(), cast_node(n, "float64"), cast_node(p, "float64"))
        return self._done(draw, found, dtype)

    def poisson(self, size=None, rate=1.0, ndim=None, dtype="int64", state=None):
        """How many events come where `rate` are expected."""
        rate = checked("rate", rate, 0)
        dtype = whole_dtype(dtype)
        draw = self._draw(state, size_of(size, ndim, (rate,)))
        found = poisson_quantile.of(draw.bits(), cast_node(rate, "float64"))
        return self._done(draw, found, dtype)

    def categorical(self, size=None, p=(0.5, 0.5), ndim=None, dtype="int64", state=None):
        """Indices into the last axis of p, by the probabilities there (scaled to sum to one)."""
        p = rows_of("p", checked("p", p, 0))
        *front, _ = front_of(size, ndim, p)
        dtype = whole_dtype(dtype)
        draw = self._draw(state, front)
        steps = TABLE["cumsum"](cast_node(p, "float64"), axis=-1)
        u = TABLE["shape_padright"](draw.shaped(draw.unit("float64"))) * steps[..., -1:]
        return self._done(draw, TABLE["sum"](TABLE["ge"](u, steps[..., :-1]), axis=-1), dtype)

    def multinomial(self, size=None, n=1, p=(0.5, 0.5), ndim=None, dtype="int64", state=None):
        """How often each index into the last axis of p comes in n trials, along a new last
        axis."""
        n, p = checked("n", n, 0), rows_of("p", checked("p", p, 0))
        if kind_of(n.type.dtype) not in "iu":
            raise DtypeError(f"n must be an integer, not {n.type!r}")
        *front, count = front_of(size, ndim, p, n)
        dtype = whole_dtype(dtype)
        draw = self._draw(state, [*front, count])
        n = broadcast_to.of(cast_node(n, "int64"), *front) if front else n
        p = broadcast_to.of(p, *front, count) if front else p
        return self._done(draw, multinomial_counts.of(draw.bits(), n, p), dtype)

    # -- orders and choices

    def permutation(self, size=None, n=1, ndim=None, dtype="int64", state=None):
        """The numbers below n in random order, along a new last axis; or, of a tensor n, its
        entries along the first axis in random order.

        >>> sg.random.RandomStream(4).permutation(n=6).eval()
        array([2, 3, 0, 5, 1, 4])
        """
        n = as_node(n)
        if n.type.ndim and size is not None:
            raise ArgumentError("of a tensor there is one; size must be None")
        if not n.type.ndim and kind_of(n.type.dtype) not in "iu":
            raise DtypeError(f"n must be an integer or a tensor, not {n.type!r}")
        many = lengths(n)[0] if n.type.ndim else n
        front = size_of(size if size is not None else (), ndim, ())
        draw = self._draw(state, size_of([*front, many], None, ()))
        indices = order.of(draw.bits())
        if n.type.ndim:
            return self._done(draw, TABLE["take"](n, indices, axis=0))
        return self._done(draw, indices, whole_dtype(dtype))

    def choice(self, size=None, a=2, replace=True, p=None, ndim=None, dtype="int64", state=None):
        """Numbers below a (or entries of a tensor a along its first axis), with or without
        replacement, all alike likely or by probabilities p."""
        a = as_node(a)
        if not a.type.ndim and kind_of(a.type.dtype) not in "iu":
            raise DtypeError(f"a must be an integer or a tensor, not {a.type!r}")
        many = lengths(a)[0] if a.type.ndim else a
        new = size_of(size if size is not None else (), ndim, ())
        if p is not None:
            p = rows_of("p", checked("p", p, 0))
            if p.type.ndim != 1 or not {known(many), p.type.shape[0]} >= {p.type.shape[0]}:
                raise ShapeError(f"p must be a vector, not {p.type!r}")
            if isinstance(known(many), int) and p.type.shape[0] not in (None, known(many)):
                raise ShapeError(f"{known(many)} things, but p of type {p.type!r}")
        if replace:
            size = make_vector.of(*new) if new else ()
            indices = self.integers(size, 0, many, len(new), state=state) if p is None else \
                self.categorical(size, p, len(new), state=state)
            update = indices.tag.update
        else:
            indices, update = self._without(new, many, p, state)
        out = TABLE["take"](a, indices, axis=0) if a.type.ndim else \
            cast_node(indices, whole_dtype(dtype))
        out.tag.update = update
        return out

    def _without(self, new, many, p, state):
        """Distinct indices below `many`: the first of a random order, by p that of log p plus
        Gumbel's numbers."""
        draw = self._draw(state, size_of([many], None, ()))
        count = TABLE["prod"](make_vector.of(*new)) if new else constant(1, dtype="int64")
        if all(isinstance(known(x), int) for x in [*new, many]):
            wanted = int(np.prod([known(x) for x in new], dtype="int64"))
            if wanted > known(many):
                raise ArgumentError(f"cannot take {wanted} of {known(many)} without "
                                    "replacement")
        key = draw.flat() if p is None else -(TABLE["log"](cast_node(p, "float64"))
                                              + draw.gumbel("float64"))
        taken = self._done(draw, reshape.of(order.of(key)[:count], *new))
        return taken, taken.tag.update
