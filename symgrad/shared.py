"""Shared variables: nodes with a value of their own that functions read and update."""

from __future__ import annotations

import copy
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from symgrad import origin
from symgrad.errors import DtypeError
from symgrad.filters import accept
from symgrad.node import SHARED, Node
from symgrad.types import SHORT, Type, autocast


class Container:
    """Where a shared variable's array lives; clones of the variable hold the same container.

    `cell` is a list with the array.  `lent`: whether others may hold the array, or a view of it, so
    that an argument of a function may be the memory that the function writes.
    """

    __slots__ = ("cell", "type", "lent", "__weakref__")

    def __init__(self, type, array, lent=True):
        self.type, self.cell, self.lent = type, [array], lent

    @property
    def storage(self):
        self.lent = True
        return self.cell

    @property
    def data(self):
        return self.storage[0]

    @data.setter
    def data(self, value):
        self.storage[0] = value

    value = data

    def keep(self, array, value, borrow):
        """Hold an array that was made of what a user gave, or is just that."""
        self.cell[0] = array = np.asarray(array)
        self.lent = bool(borrow) or array.base is not None or not isinstance(value, OWN)

    def __copy__(self):
        return Container(self.type, self.data)

    def __reduce__(self):
        return Container, (self.type, self.cell[0], self.lent)


OWN = np.ndarray, np.generic, list, tuple, int, float, complex  # what is copied if not lent


class Shared(Node):
    """A variable with a value: ``get_value``, ``set_value``, and what ``updates=`` of `function`
    changes.

    `default_update`, if set, is applied by every function that reads the variable (unless it
    updates it itself or says ``no_default_updates``).
    """

    __slots__ = ("container", "default_update")

    def __init__(self, op, inputs, attrs, type, origin=None, name=None, container=None):
        super().__init__(op, inputs, attrs, type, origin, name)
        self.container, self.default_update = container, None

    def get_value(self, borrow=False, return_internal_type=False):
        """A copy of the value, or with ``borrow=True`` the very array that functions read."""
        return self.container.data if borrow else self.container.cell[0].copy()

    def set_value(self, value, borrow=False):
        """Replace the value.  Its dtype must not be wider than the variable's, its rank and known
        lengths must fit (`DtypeError`, `ShapeError`); with ``borrow=True`` an array that fits is
        kept without a copy."""
        array = accept(value, self.type, self.name or "shared variable", origin=self.origin)
        if not borrow and isinstance(value, np.ndarray) and np.shares_memory(array, value):
            array = array.copy()
        self.container.keep(array, value, borrow)

    def clone(self, **kwargs):
        """A new variable on the same container."""
        new = Shared(SHARED, (), (), self.type, self.origin, self.name, self.container)
        new.default_update = self.default_update
        return new

    def __copy__(self):
        return self.clone()

    def _copied(self, inputs, memo):
        new = Shared(
            SHARED, (), (), self.type, self.origin, self.name, copy.deepcopy(self.container, memo)
        )
        memo[id(self)] = new
        new.default_update = copy.deepcopy(self.default_update, memo)
        if hasattr(self, "_tag"):
            new._tag = SimpleNamespace(**vars(self._tag))
        return new

    def __reduce__(self):
        return (_restore, (self.type, self.origin, self.name, self.container),
                (self.default_update, getattr(self, "_tag", None)))

    def __setstate__(self, state):
        self.default_update = state[0]
        if state[1] is not None:
            self._tag = state[1]


def _restore(type, origin, name, container):
    return Shared(SHARED, (), (), type, origin, name, container)


_births = threading.local()


@contextmanager
def births():
    """A list of the shared variables that this thread makes inside: a random draw makes one, and a
    loop must know those of its step."""
    before = getattr(_births, "made", None)
    _births.made = made = []
    try:
        yield made
    finally:
        _births.made = before
        if before is not None:
            before.extend(made)


def shared(
    value,
    name=None,
    strict=False,
    allow_downcast=None,
    borrow=False,
    broadcastable=None,
    shape=None,
    target=None,
):
    """A shared variable holding `value` (copied unless ``borrow=True``).

    Its dtype is the value's (Python numbers: int64 and float64, as Theano), its rank the value's;
    its lengths may change with `set_value` unless `shape` fixes them or `broadcastable` says which
    are 1.

    >>> w = shared(np.zeros((2, 3), "float32"), name="w"); w.type
    f32[?,?]
    """
    if isinstance(value, Node):
        raise DtypeError(
            f"a shared variable needs a value, not the symbolic {value!r}; use value.eval()"
        )
    array = np.asarray(value) if isinstance(value, int | float | complex) else autocast(value)
    if array.dtype.name not in SHORT:
        raise DtypeError(f"a shared variable cannot hold dtype {array.dtype}")
    if (
        isinstance(value, np.ndarray)
        and not borrow
        and array is value
        or array.base is not None
        and not borrow
    ):
        array = array.copy()
    if shape is None:
        shape = (
            tuple(1 if b else None for b in broadcastable)
            if broadcastable
            else (None,) * array.ndim
        )
    type = Type(array.dtype.name, tuple(shape))
    array = accept(array, type, name or "shared variable")
    container = Container(type, array)
    container.keep(array, value, borrow)
    new = Shared(SHARED, (), (), type, origin.caller(), name, container)
    made = getattr(_births, "made", None)
    if made is not None:
        made.append(new)
    return new
