"""The backends by name.  A backend is a module, imported when it is first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from symgrad.errors import UnknownName, near

BACKENDS = {"llvm": "symgrad.compile.backends.llvm", "numpy": "symgrad.compile.backends.numpy",
            "python": "symgrad.compile.backends.python"}


class Backend(Protocol):
    """What a backend's module has."""

    name: str

    def compile(self, plan, selection=None):
        """Something with ``run(*arrays) -> (outputs, values of the updates)``.

        The arrays belong to the plan's inputs and then its shared variables.  None but those of
        shared variables is written to, and those only where the update's value may live in them.
        Raises ShapeError for lengths that differ, `plan.Unexpected` where the general program of
        the same graph would do.
        """

    def missing(self, plan):
        """Nodes of the plan it cannot run."""


@cache
def best():
    """What ``'auto'`` means here: machine code wherever there is LLVM to make it."""
    return "llvm" if find_spec("llvmlite") is not None else "numpy"


def find(name):
    """The backend of a name; ``'auto'`` is the best that there is.  UnknownName for any other."""
    name = best() if name == "auto" else name
    if name not in BACKENDS:
        raise UnknownName(f"no backend {name!r}: {near(name, ('auto', *BACKENDS))}")
    return import_module(BACKENDS[name])


PARTS = {("llvm", "checked"): "symgrad.compile.backends.llvm.checked",
         ("llvm", "account"): "symgrad.compile.backends.llvm.account",
         ("llvm", "threads"): "symgrad.compile.backends.llvm.threads"}


def part(name, what):
    """A module that only some backends have, imported when it is asked for; else None: 'checked'
    watches each step of a program, 'account' tells what there is to see of one, 'threads' makes
    one that uses several."""
    module = PARTS.get((name, what))
    return module and import_module(module)


def threaded(name, count):
    """The backend of a name with up to `count` threads, where it can have several."""
    backend = find(name)
    threads = part(backend.name, "threads") if count > 1 else None
    return threads.Backend(count) if threads else backend


def checking(name, checks):
    """The backend of a name as one whose programs check themselves (`compared.py`); for ``'auto'``
    one that can watch each step, if it is there.  UnknownName as `find`."""
    backend = find(name)
    compared = import_module("symgrad.compile.backends.compared")
    return compared.Checking(backend, part(backend.name, "checked"), frozenset(checks))
