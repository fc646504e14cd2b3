"""`Function`: what `function()` returns.  Checks arguments, runs the program, applies updates all
or none."""

from __future__ import annotations

import contextvars
import operator
import threading
import time
from types import SimpleNamespace

import numpy as np

from symgrad import origin
from symgrad.compile.plan import Unexpected
from symgrad.errors import ArgumentError, DtypeError, IndexingError, ShapeError, SymgradError, near
from symgrad.filters import accept
from symgrad.shared import Container, Shared
from symgrad.types import DTYPES

_MISSING = object()
_LIKE = ((IndexError, IndexingError), (TypeError, DtypeError), (ValueError, ShapeError))
# What may be passed on as it is: arrays, and NumPy scalars where a 0-d array is wanted.
_PLAIN = frozenset([np.ndarray, *(np.dtype(d).type for d in DTYPES)])
# Contexts in which NumPy warns of nothing: entering one is ten times as fast as errstate.
_contexts = []


def _quietly(run, arrays):
    context = _contexts.pop() if _contexts else None
    if context is None:
        context = contextvars.Context()
        context.run(np.seterr, all="ignore")
    try:
        return context.run(run, *arrays)
    finally:
        _contexts.append(context)


class Function:
    """A compiled graph.  Call it with arrays by position or keyword.

    ``f.source`` is the generated program, ``f.report`` what the compiler did, ``f.graph`` the
    rewritten outputs, ``f.plan`` the steps.  A call that fails leaves every shared variable as it
    was.  Any number of threads may call.
    """

    def __init__(self, program, code, report, general, recipe=None, profile=False):
        self.program, self.code, self.report, self._general, self.recipe = (
            program,
            code,
            report,
            general,
            recipe,
        )
        self.name = program.name
        self.trust_input = False
        plan = code.plan
        self._shared = [plan.pool.source[s].container for s in plan.shared]
        self._updated = [plan.pool.source[s].container for s, _ in plan.updates]
        self._lock = threading.Lock() if self._updated else None
        self._in_place = [plan.shared.index(leaf) for leaf in getattr(code, "in_place", ())]
        self._seen = [None] * len(self._shared)
        self._slow = None  # the general program, compiled when a call first needs it
        self._checks = [
            (
                np.dtype(leaf.type.dtype),
                leaf.type.ndim,
                any(isinstance(d, int) for d in leaf.type.shape),
            )
            for leaf in program.leaves
        ]
        self._arity = len(program.leaves)
        self.profile = SimpleNamespace(calls=0, seconds=0.0) if profile else None

    # -- calling

    def __call__(self, *args, **kwargs):
        if kwargs or len(args) != self._arity:
            args = self._bound(args, kwargs)
        arrays = []
        for value, (dtype, ndim, sized) in zip(args, self._checks, strict=True):
            if type(value) in _PLAIN and value.dtype is dtype and value.ndim == ndim and not sized:
                arrays.append(value)
            else:
                arrays.append(self._accepted(len(arrays), value))
        if self.profile is not None:
            start = time.perf_counter()
            out = self._run(arrays)
            self.profile.calls += 1
            self.profile.seconds += time.perf_counter() - start
            return out
        return self._run(arrays)

    def _run(self, arrays):
        if self._lock is None:
            outputs = self._evaluate(arrays)[0]
        else:
            with self._lock:
                outputs, values = self._evaluate(arrays)
                for container, value in zip(self._updated, values, strict=True):
                    container.storage[0] = value
        form = self.program.form
        if form == "single":
            return outputs[0]
        return (
            None
            if form == "none"
            else list(outputs)
            if form == "list"
            else dict(zip(form, outputs, strict=True))
        )

    def _untangle(self, held):
        """Give each variable that is written in place an array of its own: two of them may have
        been lent the same one (``borrow=True``).  Done again only when an array was replaced."""
        for k in self._in_place:
            if any(j != k and np.may_share_memory(held[k], other) for j, other in enumerate(held)):
                held[k] = self._shared[k].storage[0] = held[k].copy()
        self._seen = held

    def _evaluate(self, arrays):
        held = [c.storage[0] for c in self._shared]
        if self._in_place and any(map(operator.is_not, held, self._seen)):
            self._untangle(held)
        code = self.code
        try:
            return _quietly(code.run, (*arrays, *held))
        except Unexpected:
            if self._slow is None:
                self._slow = self._general()
            code = self._slow
            order = {c: k for k, c in enumerate(self._shared)}
            held = [
                held[order[code.plan.pool.source[s].container]]
                if code.plan.pool.source[s].container in order
                else code.plan.pool.source[s].container.storage[0]
                for s in code.plan.shared
            ]
            try:
                return _quietly(code.run, (*arrays, *held))
            except Exception as error:  # noqa: BLE001
                raise self._explained(error, code) from None
        except Exception as error:  # noqa: BLE001
            raise self._explained(error, code) from None

    def _explained(self, error, code):
        """The error with the op and the user's lines, found by the line of the program that raised
        it."""
        if isinstance(error, SymgradError) and getattr(error, "explained", False):
            return error
        line, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == getattr(code, "file", None):
                line = trace.tb_lineno
            trace = trace.tb_next
        node = code.node_at(line) if line is not None else None
        if node is None or isinstance(error, MemoryError):
            return error
        cls = type(error) if isinstance(error, SymgradError) else next(
            (new for old, new in _LIKE if isinstance(error, old)), None)
        if cls is None:
            return error
        text = str(error)
        return cls(
            origin.report(
                text if text.startswith(f"{node.op.name}:") else f"{node.op.name}: {text}",
                [i for i in node.inputs if i.origin],
                node.origin,
            )
        )

    # -- arguments

    def _accepted(self, k, value):
        i, leaf = self.program.inputs[k], self.program.leaves[k]
        downcast = self.program.allow_downcast if i.allow_downcast is None else i.allow_downcast
        name = i.name or f"argument {k}"
        return accept(
            value,
            leaf.type,
            f"{self.name or 'function'}: {name}",
            i.strict,
            downcast,
            i.variable.origin,
        )

    def _bound(self, args, kwargs):
        ins = self.program.inputs
        label = self.name or "function"
        names = [i.name for i in ins]
        if len(args) > len(ins):
            raise ArgumentError(
                f"{label}: takes {len(ins)} argument{'s' * (len(ins) != 1)}, got {len(args)}"
            )
        values = list(args) + [_MISSING] * (len(ins) - len(args))
        for key, value in kwargs.items():
            if key not in names:
                raise ArgumentError(
                    f"{label}: unknown keyword {key!r}: {near(key, filter(None, names))}"
                )
            k = names.index(key)
            if values[k] is not _MISSING:
                raise ArgumentError(f"{label}: {key!r} was given twice")
            values[k] = value
        for k, (i, value) in enumerate(zip(ins, values, strict=True)):
            if value is _MISSING:
                if i.value is None:
                    raise ArgumentError(
                        origin.report(
                            f"{label}: missing argument {k}, {i.name or repr(i.variable)}",
                            [i.variable],
                        )
                    )
                held = i.value
                values[k] = (
                    held.data
                    if isinstance(held, Container)
                    else held.get_value(borrow=True)
                    if isinstance(held, Shared)
                    else held
                )
        return values

    # -- looking at it

    @property
    def source(self):
        """The fused NumPy program of this function."""
        return self.code.source

    @property
    def plan(self):
        return self.code.plan

    @property
    def graph(self):
        return list(self.plan.outputs)

    @property
    def expression(self):
        return self.program.expression

    def get_shared(self):
        """The shared variables that the function reads."""
        return [self.plan.pool.source[s] for s in self.plan.shared]

    def __repr__(self):
        ins = ", ".join(i.name or repr(i.variable.type) for i in self.program.inputs)
        return f"<symgrad function {self.name or ''}({ins}), {len(self.plan.steps)} steps>"

    # -- copies

    def copy(self, share_memory=False, swap=None, delete_updates=False, name=None):
        """Another function with the same code.  `swap` maps shared variables to those the copy
        shall use instead; `delete_updates` drops all updates.  Buffers are never shared between
        calls that overlap."""
        swap = {old.container: new for old, new in (swap or {}).items()}
        known = {c for c in (*self._shared, *self._updated)}
        for container, new in swap.items():
            if container not in known:
                raise ArgumentError(
                    f"copy: the function does not use the variable that {new!r} is to replace"
                )
            if (
                new.container.type.dtype != container.type.dtype
                or new.container.type.ndim != container.type.ndim
            ):
                raise DtypeError(
                    f"copy: {new!r} is {new.type!r}, the variable it replaces {container.type!r}"
                )
        if delete_updates and self.program.updated:
            options = dict(self.recipe)
            options["updates"] = None
            return self.recipe["compile"](options, name or self.name, swap)
        new = object.__new__(Function)
        new.__dict__.update(self.__dict__)
        new._shared = [swap[c].container if c in swap else c for c in self._shared]
        new._updated = [swap[c].container if c in swap else c for c in self._updated]
        new.name = name or self.name
        return new

    def __reduce__(self):
        return self.recipe["make"], (self.recipe["options"], self.name)
