"""States of counter-based draws, and one draw: so many bits of a state, in a shape."""

from __future__ import annotations

import inspect
from functools import cache, wraps

import numpy as np

from symgrad import origin
from symgrad.config import config
from symgrad.errors import ArgumentError, DtypeError, ShapeError, SymgradError
from symgrad.node import CONST, TABLE, Node, as_node, constant
from symgrad.op import cast_node, explain, weak_numbers
from symgrad.ops.lengths import (
    known,
    length,
    lengths,
    make_vector,
    product,
    scalars,
    static_length,
)
from symgrad.ops.random import open_unit, philox, rounds
from symgrad.ops.shape import reshape
from symgrad.ops.source import arange
from symgrad.types import is_complex, is_float, named_dtype

FULL = (1 << 64) - 1
SPLIT = 1 << 63  # counters from here on give the keys of split streams, below those of draws


def root(seed):
    """The three numbers of a state for a seed: None (from the system), an integer from 0 up to
    2**128."""
    if seed is None:
        seed = np.random.SeedSequence().entropy % 2**128
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ArgumentError(f"seed must be an integer or None, not {seed!r:.60}")
    if not 0 <= seed < 1 << 128:
        raise ArgumentError(f"seed must be between 0 and 2**128 - 1, not {seed}")
    return int(seed) & FULL, 0, int(seed) >> 64


def child(state, number):
    """The state of the number-th draw of a stream with the state of its own, or from `SPLIT` on
    that of a stream split off; their counters start in different places of different sequences."""
    key, _, high = state
    key, high = rounds(key, number, high)
    return key, 0, high


def array(state):
    return np.array(state, "uint64")


def advanced(state, n):
    """A state, `n` numbers on: the counter's low half plus n."""
    key, low, high = [TABLE["getitem"](state, k) for k in range(3)]
    return make_vector.of(key, low + cast_node(as_node(n), "uint64"), high)


# -- arguments


def named(stream):
    """Decorator for a class of streams: errors of its public methods name the method, and the
    user's line; arguments that do not fit are an `ArgumentError` with the signature."""
    for name, method in list(vars(stream).items()):
        if not name.startswith("_") and inspect.isfunction(method):
            setattr(stream, name, _named(method))
    return stream


_signature = cache(inspect.signature)  # of the methods that are called: it takes its time


def _named(method):
    @wraps(method)
    def call(self, *args, **kwargs):
        try:
            _signature(method).bind(self, *args, **kwargs)
        except TypeError as wrong:
            signature = _signature(method)
            own = [p for p in signature.parameters.values()][1:]
            raise ArgumentError(f"{method.__name__}: {wrong}\n  {method.__name__}"
                                f"{signature.replace(parameters=own)}") from None
        try:
            return method(self, *args, **kwargs)
        except SymgradError as error:
            inputs = [a for a in (*args, *kwargs.values()) if isinstance(a, Node)]
            raise explain(error, call, inputs, origin.caller()) from None

    call.name = method.__name__
    return call


def size_of(size, ndim, parameters):
    """The lengths that a size argument means; without one, those of the parameters together."""
    if size is not None:
        new = scalars(size, ndim)
        for n in new:
            static_length(n)
        for p in parameters:
            _check_stretch(p, new)
        return new
    rank = max([p.type.ndim for p in parameters], default=0)
    if ndim not in (None, rank):
        raise ShapeError(f"the parameters have {rank} dimensions, but ndim is {ndim}")
    found = []
    for back in range(rank, 0, -1):
        have = [p for p in parameters if p.type.ndim >= back and p.type.shape[-back] != 1]
        found.append(length.of(have[0], axis=have[0].type.ndim - back) if have
                     else constant(1, dtype="int64"))
    return scalars(found)


def _check_stretch(p, new):
    if p.type.ndim > len(new):
        raise ShapeError(f"a parameter of type {p.type!r} has more dimensions than the size, "
                         f"{len(new)}")
    for d, n in zip(p.type.shape[::-1], new[::-1], strict=False):
        n = known(n)
        if isinstance(d, int) and isinstance(n, int) and d not in (1, n):
            raise ShapeError(f"a parameter of type {p.type!r} does not stretch to the size")


def real_dtype(dtype, *parameters):
    """The dtype of real draws: as asked for, else that of the parameters and ``floatX``."""
    if dtype is None:
        given = [p.type.dtype for p in parameters if p.op is not CONST and is_float(p.type.dtype)]
        dtype = given[0] if given and len(set(given)) == 1 else config.floatX
    dtype = named_dtype(dtype)
    if not is_float(dtype) or is_complex(dtype):
        raise DtypeError(f"draws real numbers; dtype must be a float, not {dtype}")
    return dtype


def whole_dtype(dtype, parameters=()):
    """The dtype of whole draws: any but complex."""
    dtype = named_dtype(dtype)
    if is_complex(dtype):
        raise DtypeError(f"draws whole numbers; dtype must not be {dtype}")
    return dtype


def checked(name, x, low=None, high=None, above=False):
    """A parameter as a node, whose value must not be below `low` (`above`: or at it) or above
    `high` where it is known."""
    x = as_node(x)
    if is_complex(x.type.dtype):
        raise DtypeError(f"{name} must be real, not {x.type.dtype}")
    if x.op is CONST and x.data.size:
        values = x.data
        bad = np.isnan(values)
        bad |= (values <= low if above else values < low) if low is not None else False
        bad |= values > high if high is not None else False
        if np.any(bad):
            limits = [f"{'above' if above else 'at least'} {low}"] if low is not None else []
            limits += [f"at most {high}"] if high is not None else []
            raise ArgumentError(f"{name} must be {' and '.join(limits) or 'a number'}, "
                                f"not {values[bad].flat[0]}")
    return x


def affine(x, loc, scale, dtype):
    """loc + scale x in a dtype, left out where they are plainly 0 and 1."""
    loc, scale = cast_node(loc, dtype), cast_node(scale, dtype)
    if not (scale.op is CONST and not scale.type.ndim and scale.data == 1):
        x = x * scale
    if not (loc.op is CONST and not loc.type.ndim and loc.data == 0):
        x = x + loc
    return x


def rows_of(name, p):
    if not p.type.ndim:
        raise ShapeError(f"{name} must have one dimension or more, not {p.type!r}")
    return p


def front_of(size, ndim, rows, *others):
    """The lengths of the result: those of the size, or else of all axes of `rows` but the last;
    and that of its last axis."""
    first = rows[..., 0]
    return [*size_of(size, ndim, (first, *others)), lengths(rows)[-1]]


def factor_of(cov):
    cov = as_node(cov)
    if cov.op is CONST:
        try:
            return constant(np.linalg.cholesky(cov.data))
        except np.linalg.LinAlgError as error:
            raise ArgumentError(f"multivariate_normal: cov= has no factor: {error}") from None
    if "cholesky" not in TABLE:
        raise ArgumentError("multivariate_normal: give factor= instead of a symbolic cov=")
    return TABLE["cholesky"](cov)


# -- a draw


class Draw:
    """Numbers of a state in a shape.  `blocks`: how many times 128 bits each number may use.

    Standard variates are made flat and then given their shape, so that they are one loop.
    """

    def __init__(self, state, shape, blocks=1):
        self.state, self.shape, self.blocks = state, shape, blocks
        self.count = product(shape)
        self.index = cast_node(arange.of(0, self.count, 1), "uint64")

    @property
    def spent(self):
        """How far the state is to be moved on."""
        return self.count * constant(self.blocks, dtype="int64") if self.blocks > 1 else self.count

    def flat(self, half=0, block=0):
        """64 bits a number."""
        index = self.index
        if block:
            with weak_numbers():
                index = index + cast_node(self.count, "uint64") * block
        return philox.of(self.state, index, half=half)

    def shaped(self, flat):
        return reshape.of(flat, *self.shape)

    def bits(self, half=0, block=0):
        return self.shaped(self.flat(half, block))

    # -- flat standard variates, in a float dtype

    def unit(self, dtype, half=0, block=0):
        """From 0 up to but not including 1, all multiples of a power of two alike likely."""
        places, whole = {"float64": (53, "int64"), "float32": (24, "int32"),
                         "float16": (11, "int32")}[dtype]
        with weak_numbers():
            bits = self.flat(half, block) >> (64 - places)
            if dtype == "float16":
                return ((bits.astype(whole).astype("float32")) * 2.0**-places).astype(dtype)
            return bits.astype(whole).astype(dtype) * 2.0**-places

    def positive(self, dtype, half=0, block=0):
        """Above 0 and at most 1, finer near 0: what a logarithm takes."""
        flat = self.flat(half, block)
        if dtype == "float64":
            return open_unit(flat)
        with weak_numbers():
            whole = (flat >> 33).astype("int32").astype("float32")
            return (whole + 0.5) * 2.0**-31

    def exponential(self, dtype, half=0, block=0):
        wide = "float64" if dtype == "float64" else "float32"
        with weak_numbers():
            return cast_node(-TABLE["log"](self.positive(wide, half, block)), dtype)

    def normal(self, dtype, block=0):
        """Box and Muller's transformation: the radius of one half of the bits, the angle of the
        other."""
        wide = "float64" if dtype == "float64" else "float32"
        with weak_numbers():
            radius = TABLE["sqrt"](-2.0 * TABLE["log"](self.positive(wide, 0, block)))
            angle = self.unit(wide, 1, block) * (2 * np.pi)
            return cast_node(radius * TABLE["cos"](angle), dtype)

    def gumbel(self, dtype):
        """-log(E), E exponential; the half of it below log 2 and that above are equally fine."""
        wide = "float64" if dtype == "float64" else "float32"
        with weak_numbers():
            half = self.positive(wide) * 0.5
            e = TABLE["where"](self.flat(1) >> 63, -TABLE["log"](half), -TABLE["log1p"](-half))
            return cast_node(-TABLE["log"](e), dtype)

    def laplace(self, dtype):
        e, bit = self.exponential(dtype), self.flat(1)
        with weak_numbers():
            return TABLE["where"](bit >> 63, e, -e)
