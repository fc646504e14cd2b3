"""Constructors of input variables: ``scalar`` … ``tensor7``, with dtype prefixes, and
``tensor(dtype, shape)``."""

from __future__ import annotations

from symgrad.errors import ArgumentError
from symgrad.node import variable
from symgrad.types import Dim, Type, named_dtype

PREFIXES = {
    "b": "int8",
    "w": "int16",
    "i": "int32",
    "l": "int64",
    "ub": "uint8",
    "uw": "uint16",
    "ui": "uint32",
    "ul": "uint64",
    "h": "float16",
    "f": "float32",
    "d": "float64",
    "c": "complex64",
    "z": "complex128",
}
SHAPES = {
    "scalar": (),
    "vector": (None,),
    "matrix": (None, None),
    "row": (1, None),
    "col": (None, 1),
    **{f"tensor{n}": (None,) * n for n in range(3, 8)},
}


def tensor(dtype=None, shape=(), name=None, broadcastable=None):
    """A new input variable of a dtype (default floatX) and a shape of ints, `Dim` and None
    (unknown).

    >>> n = Dim("n"); tensor("float32", (n, 784), name="x").type
    f32[n,784]
    """
    given = shape if broadcastable is None else broadcastable
    if isinstance(given, int):
        given = (given,)
    if given and all(isinstance(b, bool) for b in given):
        given = tuple(1 if b else None for b in given)
    for d in given:
        if not (d is None or isinstance(d, Dim) or (isinstance(d, int) and d >= 0)):
            raise ArgumentError(
                f"tensor: a length must be a non-negative int, a Dim or None, not {d!r}"
            )
    return variable(Type(named_dtype(dtype, "floatX"), tuple(given)), name)


def TensorType(dtype, broadcastable=(), name=None, shape=None):
    """Theano's type constructor: ``TensorType('float32', (False, True))('x')``."""
    given = broadcastable if shape is None else shape
    return Type(
        named_dtype(dtype), tuple(1 if b is True else None if b is False else b for b in given)
    )


def _maker(name, shape, dtype):
    def make(name=None, dtype=dtype):
        return variable(Type(named_dtype(dtype, "floatX"), shape), name)

    what = f"{dtype or 'floatX'} variable of shape {str(shape).replace('None', '?')}"
    make.__doc__ = (
        f"A new input {what}; ``name`` is shown in messages and is its keyword in functions."
    )
    make.__name__ = make.__qualname__ = name
    return make


def _plural(name, single):
    def make(*names, dtype=None):
        if len(names) == 1 and isinstance(names[0], int):
            names = (None,) * names[0]
        elif len(names) == 1 and isinstance(names[0], str):
            names = names[0].split() if " " in names[0] else names
        return [single(n) if dtype is None else single(n, dtype=dtype) for n in names]

    make.__doc__ = f"Several variables at once: ``{name}('a', 'b')``; see ``{single.__name__}``."
    make.__name__ = make.__qualname__ = name
    return make


def _all_makers():
    for shape, lengths in SHAPES.items():
        for prefix, dtype in (("", None), *PREFIXES.items()):
            single = _maker(prefix + shape, lengths, dtype)
            yield single
            yield _plural(prefix + {"matrix": "matrices"}.get(shape, shape + "s"), single)


MAKERS = {make.__name__: make for make in (tensor, TensorType, *_all_makers())}
