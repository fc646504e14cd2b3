"""Classes of named fields, as those of `dataclasses`; their methods are compiled in one go.

symgrad has some fifty such classes.  Made by `dataclasses`, method by method, they took a quarter
of the time of ``import symgrad``.  What it does not need is not here: fields of base classes,
ordering, fields by keyword only.
"""

from __future__ import annotations

from functools import partial
from reprlib import recursive_repr

_MISSING = object()
_set = object.__setattr__


class _Field:
    """What is said of a field besides its name."""

    __slots__ = ("default", "factory", "compare", "repr")

    def __init__(self, default, factory=None, compare=True, repr=True):
        self.default, self.factory, self.compare, self.repr = default, factory, compare, repr


def field(*, default=_MISSING, default_factory=None, compare=True, repr=True):
    """In place of a default value: how it is made for each object (``default_factory=list``);
    whether the field counts in ``==`` and ``hash``, and whether it is shown."""
    return _Field(default, default_factory, compare, repr)


def dataclass(cls=None, /, *, eq=True, repr=True, frozen=False, slots=False):
    """Decorator: `cls` with an ``__init__`` that takes its annotated names in order.

    eq : two objects are equal if they are of the same class and their fields are
    repr : it is shown as ``Point(x=1, y=2)``
    frozen : fields cannot be assigned to; with `eq` it has a hash
    slots : objects have no ``__dict__``

    What the class defines itself stays; ``__post_init__`` is called last.

    >>> @dataclass(frozen=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(1, 0), replace(Point(1), y=5)
    (Point(x=1, y=0), True, Point(x=1, y=5))
    """
    if cls is None:
        return partial(dataclass, eq=eq, repr=repr, frozen=frozen, slots=slots)
    own = vars(cls)
    fields = {name: value if type(value) is _Field else _Field(value) for name, value in
              [(n, own.get(n, _MISSING)) for n in own.get("__annotations__", ())]}
    made = _compiled(cls, fields, eq, frozen)
    made["__match_args__"] = tuple(fields)
    if repr:
        shown = tuple([name for name, f in fields.items() if f.repr])
        made["__repr__"] = recursive_repr()(lambda self: _shown(self, shown))
    if eq and not frozen:
        made["__hash__"] = None  # what is equal now need not be later
    if frozen:
        made |= {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
    if frozen and slots:
        made |= {"__getstate__": _state, "__setstate__": _restore}
    made = {name: value for name, value in made.items() if name not in own}
    if slots:
        gone = {*fields, "__dict__", "__weakref__"}
        body = {name: value for name, value in own.items() if name not in gone}
        new = type(cls)(cls.__name__, cls.__bases__, body | made | {"__slots__": tuple(fields)})
        new.__qualname__ = cls.__qualname__
        return new
    for name, f in fields.items():
        if f.default is not _MISSING:
            setattr(cls, name, f.default)
        elif name in own:
            delattr(cls, name)
    for name, value in made.items():
        setattr(cls, name, value)
    return cls


def replace(record, /, **changes):
    """Another object with some fields changed."""
    return type(record)(**{n: getattr(record, n) for n in record.__match_args__} | changes)


def _compiled(cls, fields, eq, frozen):
    """``__init__`` and, for classes that are compared, ``__eq__`` and ``__hash__``."""
    scope, parameters, lines = {"MADE": _MISSING, "put": _set}, [], []
    for name, f in fields.items():
        value = name
        if f.factory is not None:
            scope[f"new_{name}"] = f.factory
            parameters.append(f"{name}=MADE")
            value = f"new_{name}() if {name} is MADE else {name}"
        elif f.default is not _MISSING:
            scope[f"or_{name}"] = f.default
            parameters.append(f"{name}=or_{name}")
        else:
            parameters.append(name)
        lines.append(f"  put(self, {name!r}, {value})" if frozen else f"  self.{name} = {value}")
    if "__post_init__" in vars(cls):
        lines.append("  self.__post_init__()")
    text = [f"def __init__({', '.join(['self', *parameters])}):", *lines, "  return None"]
    if eq:
        mine = "".join([f"self.{name}, " for name, f in fields.items() if f.compare])
        text += ["def __eq__(self, other):",
                 "  if other.__class__ is not self.__class__: return NotImplemented",
                 f"  return ({mine}) == ({mine.replace('self.', 'other.')})"]
        if frozen:
            text += ["def __hash__(self):", f"  return hash(({mine}))"]
    made = {}
    exec("\n".join(text), scope, made)
    for name, function in made.items():
        function.__module__, function.__qualname__ = cls.__module__, f"{cls.__qualname__}.{name}"
    return made


def _shown(record, names):
    parts = ", ".join([f"{name}={getattr(record, name)!r}" for name in names])
    return f"{type(record).__qualname__}({parts})"


def _refuse_set(record, name, value):
    raise AttributeError(f"cannot assign to field {name!r} of a {type(record).__name__}")


def _refuse_delete(record, name):
    raise AttributeError(f"cannot delete field {name!r} of a {type(record).__name__}")


def _state(record):
    return [getattr(record, name) for name in record.__match_args__]


def _restore(record, state):
    for name, value in zip(record.__match_args__, state, strict=True):
        _set(record, name, value)
