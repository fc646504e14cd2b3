"""Draws of NumPy's legacy generator ``RandomState``, as ops: pure functions of a state that is an
array.

A state is 628 numbers of 32 bits: the 624 of the Mersenne twister, the place in them, and whether a
normal number waits, with its two halves.  What a draw changes and what it gives come packed in one
vector of bytes, so that it is computed once.
"""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.families import define
from symgrad.types import Type, is_complex, named_dtype

WORDS = 628
BYTES = 4 * WORDS


def to_array(generator):
    """The state of a ``RandomState`` as an array.

    >>> to_array(np.random.RandomState(1))[:3]
    array([         1, 1812433254, 3713160357], dtype=uint32)
    """
    _, keys, place, waits, normal = generator.get_state()
    rest = np.array([place, waits, *np.array([normal]).view("uint32")], "uint32")
    return np.concatenate([np.asarray(keys, "uint32"), rest])


def to_generator(array):
    """A ``RandomState`` in the state that an array holds."""
    generator = np.random.RandomState()
    normal = np.ascontiguousarray(array[626:628]).view("float64")[0]
    generator.set_state(("MT19937", array[:624], int(array[624]), int(array[625]), float(normal)))
    return generator


# -- what is drawn: ``(generator, size or None, *parameters)``


def _plain(method):
    return lambda generator, size, *given: getattr(generator, method)(*given, size)


def _each(size, *given):
    """Parameters stretched to the size, or to one another; and that size."""
    size = np.broadcast_shapes(*[np.shape(g) for g in given]) if size is None else size
    return size, [np.broadcast_to(g, size) for g in given]


def _random_integers(generator, size, low, high):
    size, (low, high) = _each(size, low, high)
    out = np.empty(size)
    for at in np.ndindex(*size):
        out[at] = generator.randint(low[at], high[at] + 1)
    return out


def _choice(generator, size, a, replace, p):
    a = a.item() if not a.ndim else a
    return generator.choice(a, size, bool(replace), p if p.size else None)


def _permutation(generator, size, n):
    size = size or ()
    out = np.empty((*size, int(n)), int)
    for at in np.ndindex(*size):
        out[at] = generator.permutation(int(n))
    return out


def _multinomial(generator, size, n, p):
    if size is None:
        size = np.broadcast_shapes(n.shape, p.shape[:-1])
    n, p = np.broadcast_to(n, size), np.broadcast_to(p, (*size, p.shape[-1]))
    out = np.empty(p.shape)
    for at in np.ndindex(*size):
        row = p[at]
        if 1.0 < row.sum() < 1.0 + 1e-5 or row[-1] < 5e-5:
            row = row * (1.0 - 5e-5)  # as Theano: rounding must not make it more than one
        out[at] = generator.multinomial(n[at], row.astype("float64"))
    return out


METHODS = {
    "uniform": _plain("uniform"), "normal": _plain("normal"), "binomial": _plain("binomial"),
    "poisson": _plain("poisson"), "random_integers": _random_integers, "choice": _choice,
    "permutation": _permutation, "multinomial": _multinomial,
}


def _draw_attrs(types, method, dtype, ndim):
    if method not in METHODS:
        raise ArgumentError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    return method, named_dtype(dtype), None if ndim is None else int(ndim)


def _draw_inputs(inputs):
    state, size, *given = inputs
    if state.type.dtype != "uint32" or state.type.ndim != 1:
        raise DtypeError(f"a state is a vector of {WORDS} uint32, not {state.type!r}")
    if size.type.ndim != 1:
        raise ShapeError(f"a size is an integer vector, not {size.type!r}")
    for x in given:
        if is_complex(x.type.dtype):
            raise DtypeError("is not defined for complex numbers")
    return [state, size, *given]


def _draw_samples(rng):
    state = to_array(np.random.RandomState(3))
    size = np.array([2, 3])
    return [((state, size, 0.0, 1.0), {"method": "normal", "dtype": "float64", "ndim": 2}),
            ((state, size, np.int64(4)), {"method": "permutation", "dtype": "int64", "ndim": 3})]


@define("opaque", infer=lambda types, *_: Type("uint8", (None,)), prepare=_draw_inputs,
        tidy=_draw_attrs, samples=_draw_samples)
def randomstate_draw(state, size, *given, method="uniform", dtype="float64", ndim=None):
    """A draw of ``RandomState``, and the state after it, packed into bytes.

    An empty `size` means that of the parameters.  ``randomstate_next`` and ``randomstate_value``
    unpack it.
    """
    generator = to_generator(state)
    shape = tuple([int(n) for n in size]) if len(size) else None
    try:
        value = METHODS[method](generator, shape, *given)
    except ValueError as error:
        raise ArgumentError(f"{method}: {error}") from None
    value = np.asarray(value).astype(dtype)
    if value.ndim == 0 and shape is None and ndim:
        value = value.reshape((1,) * ndim)
    if ndim is not None and value.ndim != ndim:
        raise ShapeError(f"{method}: drew {value.ndim} dimensions, not {ndim}")
    parts = to_array(generator), np.array(value.shape, "int64"), np.ascontiguousarray(value)
    return np.concatenate([p.reshape(-1).view("uint8") for p in parts])


@randomstate_draw.vjp
def _(g, out, *rest):
    return [None] * len(out.inputs)


def _packed_samples(*attrs):
    def samples(rng):
        state, size = to_array(np.random.RandomState(3)), np.array([2, 3])
        packed = randomstate_draw.numpy(state, size, 0.0, 1.0, method="normal", ndim=2)
        return [((packed,), a) for a in attrs]

    return samples


@define("opaque", infer=lambda types: Type("uint32", (WORDS,)), samples=_packed_samples({}))
def randomstate_next(packed):
    """The state after a `randomstate_draw`."""
    return packed[:BYTES].copy().view("uint32")


def _value_attrs(types, dtype, shape):
    return named_dtype(dtype), tuple(shape)


@define("opaque", infer=lambda types, dtype, shape: Type(dtype, shape), tidy=_value_attrs,
        samples=_packed_samples({"dtype": "float64", "shape": (2, None)}))
def randomstate_value(packed, *, dtype="float64", shape=()):
    """What a `randomstate_draw` drew; `shape`: its lengths, None where they are not known."""
    start = BYTES + 8 * len(shape)
    lengths = packed[BYTES:start].copy().view("int64")
    if any(d not in (None, n) for d, n in zip(shape, lengths, strict=True)):
        raise ShapeError(f"drew shape {tuple(lengths)}, not {shape}")
    return packed[start:].copy().view(dtype).reshape(lengths)


@randomstate_value.vjp
def _(g, out, packed, dtype, shape):
    return [None]
