"""Random numbers as pure functions of a state: the generator Philox4x32-10, and what turns its bits
into numbers where a formula of other ops will not do.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.  Number k of
a draw is a function of the state and of k alone: nothing is sequential, every backend computes the
same bits, and two draws of one state are one draw.
"""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError, DtypeError, NoDerivative, ShapeError
from symgrad.extras import need
from symgrad.families import composite, define, elementwise
from symgrad.node import TABLE
from symgrad.op import cast_node, weak_numbers
from symgrad.ops.logic import isinf, where
from symgrad.ops.math import exp
from symgrad.types import Type, is_complex, join_lengths, kind_of

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85  # what is added to the two words of the key in each round
LOW = 0xFFFFFFFF
OPEN = 52  # bits of a float64 strictly between 0 and 1


def rounds(key, low, high):
    """Two numbers of 64 bits made of a key and the two halves of a counter, 64 bits each: of
    Python's integers, of arrays and of nodes of uint64 alike.

    >>> [hex(n) for n in rounds(0, 0, 0)]
    ['0xe169c58d6627e8d5', '0x9b00dbd8bc57ac4c']
    """
    k0, k1 = key & LOW, key >> 32
    c0, c1, c2, c3 = low & LOW, low >> 32, high & LOW, high >> 32
    for turn in range(ROUNDS):
        if turn:
            k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
        p, q = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (q >> 32) ^ (c1 ^ k0), q & LOW, (p >> 32) ^ (c3 ^ k1), p & LOW
    return c0 | (c1 << 32), c2 | (c3 << 32)


def _state_and_index(inputs):
    state, index = inputs
    if state.type.dtype != "uint64" or state.type.ndim != 1 or state.type.shape[0] not in (None, 3):
        raise DtypeError("a state is a vector of three uint64 (a key, the low and the high half of "
                         f"a counter), not {state.type!r}")
    if kind_of(index.type.dtype) not in "iu":
        raise DtypeError(f"takes integers as indices, not {index.type!r}")
    return [state, cast_node(index, "uint64")]


def _one_half(types, half):
    if half not in (0, 1):
        raise ArgumentError(f"half must be 0 or 1, not {half!r}")
    return (int(half),)


@composite(dtype=None, prepare=_state_and_index, tidy=_one_half, infer=lambda types, *_: types[1],
           samples=lambda rng: [((rng.integers(0, 2**62, 3, "uint64"),
                                  np.arange(5, dtype="uint64")), {"half": k}) for k in (0, 1)])
def philox(state, index, *, half=0):
    """64 random bits for every index: half of the 128 that Philox4x32-10 makes of a counter.

    `state` is three uint64: the key, and the low and the high half of the counter.  The index is
    added to the low half.  Of the four words, ``half=0`` gives the first two (the first is the
    lower one), ``half=1`` the others.

    >>> hex(T.philox(np.zeros(3, "uint64"), 0).eval())
    '0xe169c58d6627e8d5'
    """
    key, low, high = [TABLE["getitem"](state, k) for k in range(3)]
    return rounds(key, low + index, high)[half]


@philox.vjp
def _(g, out, state, index, half):
    return [None, None]


# -- bits into numbers: always in double precision


def bits_and_floats(dtype):
    """A dtype rule: uint64 and then float64 in, `dtype` out."""

    def rule(bits, *others):
        if bits != "uint64":
            raise DtypeError(f"takes random bits as uint64, not {bits}")
        if any(is_complex(d) for d in others):
            raise DtypeError("is not defined for complex numbers")
        return (bits, *["float64"] * len(others)), dtype

    return rule


def _sampled(*others):
    """Samples of bits and of parameters between two numbers each."""

    def samples(rng):
        bits = rng.integers(0, 2**63, (3, 4), "uint64") * np.uint64(2)
        return [((bits, *[rng.uniform(low, high, (3, 4)) for low, high in others]), {})]

    return samples


def open_unit(bits):
    """A float64 strictly between 0 and 1 of the upper bits of a uint64, of arrays or of nodes."""
    with weak_numbers():
        whole = bits >> (64 - OPEN)
        whole = whole.astype("int64").astype("float64")
        return (whole + 0.5) * 2.0**-OPEN


def _whole_order(types, order):
    if order not in (0, 1, 2):
        raise NoDerivative("has two derivatives by its parameter, not more")
    return (int(order),)


# How often differences of the quantiles at a + j h, j = -3 … 3, are taken: error of sixth order.
STENCILS = {1: np.array([-1, 9, -45, 0, 45, -9, 1]) / 60,
            2: np.array([2, -27, 270, -490, 270, -27, 2]) / 180}


@elementwise(dtype=bits_and_floats("float64"), tidy=_whole_order, samples=_sampled((0.5, 9)),
             slopes=lambda bits, a, out, *, order: (None, gamma_quantile.of(bits, a,
                                                                            order=order + 1)))
def gamma_quantile(bits, a, *, order=0):
    """A number of the gamma distribution with shape a for every uint64 of random bits.

    It is the quantile that the bits say (``scipy.special.gammaincinv``), or its first or second
    derivative by a: the reparameterised gradient of a draw (Figurnov, Mohamed and Mnih,
    arXiv:1805.08498), here by differences.

    >>> T.gamma_quantile(np.uint64(2**63), 1.0).eval()
    array(0.69314718)
    """
    special, u = need("scipy.special"), open_unit(bits)
    if order == 0:
        return np.asarray(special.gammaincinv(a, u), "float64")
    h = a * (1e-3, 2e-2)[order - 1]
    parts = [w * special.gammaincinv(a + j * h, u)
             for j, w in zip(range(-3, 4), STENCILS[order], strict=True)]
    return np.asarray(sum(parts) / h**order, "float64")


def _whole_quantile(u, guess, cumulated, *parameters):
    """The smallest k with ``cumulated(k) >= u``; ``guess(u)`` is real and off by rounding.  For one
    set of parameters all sums are looked up in a table."""
    if u.size > 9 and all(np.size(p) == 1 for p in parameters):
        top = np.ceil(np.nan_to_num(guess(u.max()))).max() + 2
        if top < u.size:
            steps = cumulated(np.arange(top)).reshape(-1)
            return np.minimum(np.searchsorted(steps, u), top - 1)
    k = np.ceil(np.nan_to_num(guess(u)))
    below = np.maximum(k - 1, 0)
    k = np.where(cumulated(below) >= u, below, k)
    return np.where(cumulated(k) < u, k + 1, k)


@elementwise(dtype=bits_and_floats("int64"), samples=_sampled((0, 9)))
def poisson_quantile(bits, rate):
    """A number of the Poisson distribution with this rate for every uint64 of random bits: the
    quantile that the bits say.

    >>> T.poisson_quantile(np.uint64(2**63), [0.0, 4.0]).eval()
    array([0, 4])
    """
    special, u = need("scipy.special"), open_unit(bits)
    if np.any(~(rate >= 0)):
        raise ArgumentError(f"poisson: a rate must not be negative, got {np.min(rate)}")
    k = _whole_quantile(u, lambda u: special.pdtrik(u, rate), lambda k: special.pdtr(k, rate), rate)
    return np.where(rate > 0, k, 0).astype("int64")


@elementwise(dtype=bits_and_floats("int64"), samples=lambda rng: [
    ((rng.integers(0, 2**63, 6, "uint64"), np.arange(6.0), np.linspace(0, 1, 6)), {})])
def binomial_quantile(bits, n, p):
    """How many of n trials succeed, each with probability p, for every uint64 of random bits: the
    quantile that the bits say.

    >>> T.binomial_quantile(np.uint64(2**63), 10, [0.0, 0.5, 1.0]).eval()
    array([ 0,  5, 10])
    """
    return _binomial(open_unit(bits), n, p)


def _binomial(u, n, p):
    special = need("scipy.special")
    if np.any(~((p >= 0) & (p <= 1))):
        raise ArgumentError("binomial: a probability must be between 0 and 1, "
                            f"got {np.min(p)} to {np.max(p)}")
    if np.any(~(n >= 0)):
        raise ArgumentError(f"binomial: the number of trials must not be negative, got {np.min(n)}")
    inner = (p > 0) & (p < 1) & (n > 0)
    m, q = np.where(inner, n, 1.0), np.where(inner, p, 0.5)

    def cumulated(k):
        return np.where(k < m, special.betainc(np.maximum(m - k, 1), k + 1, 1 - q), 1.0)

    k = _whole_quantile(u, lambda u: special.bdtrik(u, m, q), cumulated, m, q)
    return np.where(inner, np.clip(k, 0, m), np.where(p >= 1, n, 0)).astype("int64")


def _truncated_slopes(bits, low, high, out):
    u = open_unit(bits)
    low, high = [where(isinf(x), 0, exp((out * out - x * x) / 2)) for x in (low, high)]
    return None, (1 - u) * low, u * high


@elementwise(dtype=bits_and_floats("float64"), samples=_sampled((-2, 0), (0.5, 2)),
             slopes=_truncated_slopes)
def truncated_normal_quantile(bits, low, high):
    """A number of the standard normal distribution between two bounds for every uint64 of random
    bits: the quantile that the bits say, accurate in the tails, too.

    >>> T.truncated_normal_quantile(np.uint64(2**63), [-1.0, 0.0], np.inf).eval().round(6)
    array([0.200174, 0.67449 ])
    """
    special, u = need("scipy.special"), open_unit(bits)
    flipped = low > 0  # the upper tail is the lower one, turned round
    a, b = np.where(flipped, -high, low), np.where(flipped, -low, high)
    u = np.where(flipped, 1 - u, u)
    left, right = special.log_ndtr(a), special.log_ndtr(b)
    z = special.ndtri_exp(np.logaddexp(left + np.log1p(-u), right + np.log(u)))
    return np.clip(np.where(flipped, -z, z), low, high)


def _counts_type(types):
    bits, n, p = types
    if is_complex(p.dtype) or kind_of(bits.dtype) != "u" or kind_of(n.dtype) not in "biu":
        raise DtypeError(f"takes bits, integers and real numbers, not {bits!r}, {n!r} and {p!r}")
    if n.ndim != bits.ndim - 1 or p.ndim != bits.ndim:
        raise ShapeError(f"bits {bits!r}, trials {n!r} and probabilities {p!r} do not fit")
    shape = [join_lengths(a, b) for a, b in zip(bits.shape, p.shape, strict=True)]
    return Type("int64", tuple(shape))


def _counts_lengths(types):
    ndim = types[0].ndim
    return [((0, k), (2, k)) for k in range(ndim)] + [((0, k), (1, k)) for k in range(ndim - 1)]


@define("opaque", infer=_counts_type, same=_counts_lengths, samples=lambda rng: [
    ((rng.integers(0, 2**63, (3, 4), "uint64"), np.array([0, 5, 9]),
      np.array([[0.1, 0.2, 0.3, 0.4]] * 3)), {})])
def multinomial_counts(bits, n, p):
    """How often each outcome of the last axis comes in n trials, by probabilities p that are
    scaled to sum to one: one uint64 of random bits an outcome.

    Every count is binomial, given those before it.

    >>> T.multinomial_counts(np.array([2**63, 2**62], "uint64"), 7, [0.5, 0.5]).eval()
    array([4, 3])
    """
    if np.any(~(p >= 0)):
        raise ArgumentError(f"multinomial: a probability must not be negative, got {np.min(p)}")
    u, p = open_unit(bits), np.asarray(p, "float64")
    rest = np.flip(np.cumsum(np.flip(p, -1), -1), -1)
    out, left = np.zeros(bits.shape, "int64"), np.asarray(n, "int64")
    for k in range(bits.shape[-1]):
        share = p[..., k] / np.where(rest[..., k] > 0, rest[..., k], 1)
        last = k == bits.shape[-1] - 1
        out[..., k] = left if last else _binomial(u[..., k], left * 1.0, np.minimum(share, 1))
        left = left - out[..., k]
    return out


def _order_type(types):
    if not types[0].ndim:
        raise ShapeError("takes one dimension or more, not a scalar")
    return types[0].with_dtype("int64")


@define("opaque", infer=_order_type, samples=lambda rng: [((rng.integers(0, 9, (3, 4)),), {})])
def order(x):
    """The indices that put the last axis of x in order; equal ones stay as they stand.

    >>> T.order([3, 1, 1, 0]).eval()
    array([3, 1, 2, 0])
    """
    return np.argsort(x, -1, kind="stable").astype("int64", copy=False)


@order.vjp
def _(g, out, x):
    return [0]
