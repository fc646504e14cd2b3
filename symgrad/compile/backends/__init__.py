"""Backends by name, imported on use."""

from __future__ import annotations

from importlib import import_module

from symgrad.errors import UnknownName, near

BACKENDS = {"numpy": "symgrad.compile.backends.numpy", "python": "symgrad.compile.backends.python"}


def find(name):
    """The backend of a name; 'auto' is the fastest there is.  Raises `UnknownName`."""
    name = "numpy" if name == "auto" else name
    if name not in BACKENDS:
        raise UnknownName(f"no backend {name!r}: {near(name, ['auto', *BACKENDS])}")
    return import_module(BACKENDS[name])
