"""What a compiled function and a shared variable accept as the value of a type (Theano's rules,
B21)."""

from __future__ import annotations

import numpy as np

from symgrad.config import config
from symgrad.errors import DtypeError, ShapeError
from symgrad.node import Node
from symgrad.origin import line
from symgrad.types import BYTES


def accept(value, type, name="argument", strict=False, downcast=None, origin=None):
    """`value` as an ndarray of `type`, or a clear error.

    An array of the same dtype is returned as it is; one of a narrower dtype is cast; one of a
    wider dtype is refused unless `downcast`.  Python numbers and lists are taken if they lose
    nothing; a Python float is taken for a floatX variable always (``downcast=None``).  Lengths
    known in the type are checked.
    """
    dtype = type.dtype
    if isinstance(value, np.ndarray) and value.dtype == dtype:
        array = value if value.dtype.isnative else value.astype(dtype)
    elif strict:
        raise DtypeError(_say(name, type, value, origin, "and is strict"))
    elif isinstance(value, Node):
        raise DtypeError(f"{name}: wants an array, got the symbolic variable {value!r}; "
                         "evaluate it with .eval() or pass it through givens=")
    else:
        array = _converted(value, type, name, downcast, origin)
    if array.ndim != type.ndim:
        raise ShapeError(
            f"{name}: got {array.ndim} dimension{'s' * (array.ndim != 1)} (shape {array.shape}), "
            f"wants {type!r} with {type.ndim}{_made(origin)}"
        )
    for have, want in zip(array.shape, type.shape, strict=True):
        if isinstance(want, int) and have != want:
            raise ShapeError(f"{name}: got shape {array.shape}, wants {type!r}{_made(origin)}")
    return array


def _converted(value, type, name, downcast, origin):
    dtype = np.dtype(type.dtype)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(
            f"{name}: cannot make an array of {value!r:.60} (ragged?), wants {type!r}"
        ) from None
    if array.dtype.kind not in "biufc":
        raise DtypeError(_say(name, type, value, origin))
    if array.dtype == dtype:
        return array
    typed = isinstance(value, np.ndarray | np.generic)
    if (
        downcast
        or np.can_cast(array.dtype, dtype, "safe")
        or (typed and _widens(array.dtype.name, dtype.name))
    ):
        return array.astype(dtype)
    if downcast is None and not typed:
        if array.dtype.kind == "f" and dtype.name == config.floatX and array.ndim == 0:
            return array.astype(dtype)
        if not array.size:
            return array.astype(dtype)
        if array.dtype.kind in "biuf" and dtype.kind in "biufc":
            with np.errstate(all="ignore"):
                cast = array.astype(dtype)
            if np.array_equal(cast, array, equal_nan=array.dtype.kind == "f"):
                return cast
        raise DtypeError(_say(name, type, value, origin, "would lose precision or range"))
    raise DtypeError(_say(name, type, value, origin))


def _widens(have, want):
    return np.promote_types(have, want).name == want and BYTES[have] <= BYTES[want]


def _say(name, type, value, origin, extra=""):
    array = np.asarray(value)
    if array.dtype.kind in "biufc":
        got = (
            f"{array.dtype.name}{list(array.shape)}"
            if isinstance(value, np.ndarray)
            else f"{value!r:.50}"
        )
    else:
        got = f"{value.__class__.__name__} {value!r:.50}"
    return (
        f"{name}: got {got}, wants {type!r}{' ' + extra if extra else ''}{_made(origin)}\n"
        f"  hint: cast it with np.asarray(value, dtype='{type.dtype}'), "
        "or pass allow_input_downcast=True"
    )


def _made(origin):
    return f"\n  made at {line(origin)}" if origin else ""


