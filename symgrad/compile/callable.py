"""`Function`: what `function()` returns.  Checks arguments, runs the program, applies updates all
or none."""

from __future__ import annotations

import contextvars
import re
import threading
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np

from symgrad import origin
from symgrad.compile.need import Native
from symgrad.compile.over import Loops
from symgrad.compile.plan import Unexpected
from symgrad.errors import ArgumentError, DtypeError, IndexingError, ShapeError, SymgradError, near
from symgrad.filters import accept
from symgrad.shared import Container, Shared

_MISSING = object()
_LIKE = ((IndexError, IndexingError), (TypeError, DtypeError), (ValueError, ShapeError))
# What NumPy says of a bad index; symgrad's own ops say it in their way.
_OUTSIDE = re.compile(r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)")
# Contexts in which NumPy warns of nothing: entering one is ten times as fast as errstate.
_contexts = []


def _quiet():
    """A context in which NumPy warns of nothing."""
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context


class Function(Native, Loops):
    """A compiled graph.  Call it with arrays by position or keyword.

    ``f.source`` is the generated program, ``f.report`` what the compiler did, ``f.graph`` the
    rewritten outputs, ``f.plan`` the steps.  A call that fails leaves every shared variable as it
    was.  Any number of threads may call.
    """

    __slots__ = ("__call__", "__dict__", "__weakref__")

    def __init__(self, program, code, report, general, profile=False, recipe=None):
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
        self._slow = None  # the general program, compiled when a call first needs it
        self.profile = SimpleNamespace(calls=0, seconds=0.0) if profile else None
        self._flags = np.zeros(2, np.int64)  # whether native code, and Python code, is in a call
        self.__call__ = self._first()

    # -- calling

    def _entry(self):
        """The function that a call runs, written for these inputs and variables: it checks the
        arguments, runs the program where NumPy is quiet and stores the updates, all or none."""
        leaves = self.program.leaves
        plan, code = self.code.plan, self.code
        xs = [f"x{k}" for k in range(len(leaves))]
        held = [f"s{k}" for k in range(len(self._shared))]
        outs = [f"t{k}" for k in range(len(plan.outputs))]
        values = [f"u{k}" for k in range(len(plan.updates))]
        changed = [self._shared.index(c) for c in self._updated]
        env = {"missing": _MISSING, "bound": self._bound, "accepted": self._accepted,
               "again": self._again, "program": code.run, "np": np,
               "may_share_memory": np.may_share_memory}
        env |= {f"S{k}": c.cell for k, c in enumerate(self._shared)}
        env |= {f"C{k}": c for k, c in enumerate(self._shared)}
        head = ", ".join([*(f"{x}=missing" for x in xs), *(["/"] if xs else []), "*more"])
        late = " or ".join([*(f"{x} is missing" for x in xs[-1:]), "more", "named"])
        lines = [f"def call({head}, **named):",
                 f"    if {late}: {_tuple(xs)} = bound({_tuple(xs)} + more, named)"]
        for k, leaf in enumerate(leaves):
            lines += [f"    {line}" for line in self._check(k, leaf.type, env)]
        body = [f"{s} = S{s[1:]}[0]" for s in held]
        in_place = [plan.shared.index(leaf) for leaf in getattr(code, "in_place", ())]
        if in_place:
            env["seen"] = [None] * len(held)
            env["ready"] = lambda found: self._ready(found, in_place, self._shared, env["seen"])
            new = " or ".join(f"s{k} is not seen[{k}]" for k in range(len(held)))
            body.append(f"if {new}: {_tuple(held)} = ready([{', '.join(held)}])")
        for k, j in getattr(code, "overlaps", ()):
            body.append(f"if C{j}.lent and may_share_memory(x{k}, s{j}): x{k} = x{k}.copy()")
        results = f"{_tuple(outs)}, {_tuple(values)}"
        body += ["try:",
                 f"    {results} = run({', '.join(['program', *xs, *held])})",
                 "except Exception as error:",
                 f"    {results} = again(error, {_tuple(xs)}, [{', '.join(held)}])"]
        for k, value in zip(changed, values, strict=True):
            known = f"seen[{k}] = " if in_place and k not in in_place else ""
            body.append(f"S{k}[0] = {known}{value}")
        if self._lock is None:
            env |= {"contexts": _contexts, "take": _contexts.pop, "leave": _contexts.append,
                    "quiet": _quiet}
            before = ["try: context = take()", "except IndexError: context = quiet()"]
            body, after = ["run = context.run", *body], "leave(context)"
        else:
            env |= {"run": _quiet().run, "lock": self._lock, "flags": self._flags}
            before, body, after = [], ["flags[1] = 1", *body], "flags[1] = 0"
        if self.profile is not None:
            env |= {"clock": time.perf_counter, "profile": self.profile}
            before.insert(0, "start = clock()")
        guarded = ["try:", *[f"    {line}" for line in body], "finally:", f"    {after}"]
        if self._lock is not None:  # no Ctrl-C comes between the lock and what gives it back
            guarded = ["with lock:", *[f"    {line}" for line in guarded]]
        lines += [f"    {line}" for line in [*before, *guarded]]
        if self.profile is not None:
            lines += ["    profile.calls += 1", "    profile.seconds += clock() - start"]
        form = self.program.form
        env["form"] = form
        many = f"[{', '.join(outs)}]"
        lines.append("    return " + {"single": "t0", "none": "None", "list": many}.get(
            form if isinstance(form, str) else "", f"dict(zip(form, {many}))"))
        exec("\n".join(lines), env)
        return env["call"]

    def _check(self, k, type, env):
        """Lines that let argument k pass as it is, or what `accept` makes of it."""
        x, dtype = f"x{k}", np.dtype(type.dtype)
        env |= {"ndarray": np.ndarray, f"_{dtype.name}": dtype, dtype.name: dtype.type}
        doubts = [f"type({x}) is not ndarray", f"{x}.dtype is not _{dtype.name}",
                  f"{x}.ndim != {type.ndim}"]
        doubts += [f"{x}.shape[{a}] != {n}" for a, n in enumerate(type.shape) if isinstance(n, int)]
        test = f"{' or '.join(doubts)}: {x} = accepted({k}, {x})"
        if type.ndim:
            return [f"if {test}"]
        lines = [f"if type({x}) is {dtype.name}: pass"]
        strict = self.program.inputs[k].strict
        if dtype.name == "float64" and not strict:
            lines.append(f"elif type({x}) is float: {x} = float64({x})")
        if dtype.name == "int64" and not strict:
            lines.append(f"elif type({x}) is int and -{1 << 63} <= {x} < {1 << 63}: "
                         f"{x} = int64({x})")
        return [*lines, f"elif {test}"]

    def _ready(self, held, in_place, containers, seen):
        """Give each variable that is written in place an array of its own, laid out row by row:
        one that was lent (``borrow=True``) may be another's too, read-only, or turned.  Done again
        only when an array was replaced."""
        # arrays that own their memory can only share it with those that do not
        times = Counter([id(x) for x in held])
        guests = [j for j, x in enumerate(held)
                  if not x.flags.owndata or times[id(x)] > 1]
        for k in in_place:
            mine = held[k]
            others = guests if mine.flags.owndata else range(len(held))
            if not mine.flags.carray or any(
                [j != k and np.may_share_memory(mine, held[j]) for j in others]
            ):
                held[k] = containers[k].cell[0] = mine.copy()
        seen[:] = held
        return held

    def _again(self, error, arrays, held):
        """The general program's results if lengths do not agree as usual in this call; for any
        other error, raise it with the op and the user's lines."""
        code = self.code
        if isinstance(error, Unexpected):
            code, containers = self._unhurried()
            plan = code.plan
            mine = [c.cell[0] for c in containers]
            in_place = [plan.shared.index(leaf) for leaf in getattr(code, "in_place", ())]
            mine = self._ready(mine, in_place, containers, [])
            arrays = [x.copy() if any(np.may_share_memory(x, mine[k]) for k in in_place) else x
                      for x in arrays]
            context = _quiet()
            try:
                return context.run(code.run, *arrays, *mine)
            except Exception as again:  # noqa: BLE001
                error = again
        raise self._explained(error, code) from None

    def _unhurried(self):
        """The general program, and the containers of the variables it reads."""
        plan = self.code.plan
        known = {plan.pool.source[s].container: k for k, s in enumerate(plan.shared)}
        if self._slow is None:
            self._slow = self._general()
        plan = self._slow.plan
        containers = [plan.pool.source[s].container for s in plan.shared]
        return self._slow, [self._shared[known[c]] if c in known else c for c in containers]

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
        text = _OUTSIDE.sub(r"index \1 is out of range for axis \2 of length \3", str(error))
        return cls(
            origin.report(
                text if text.startswith(f"{node.op.name}:") else f"{node.op.name}: {text}",
                [i for i in node.inputs if i.origin],
                node.origin,
                getattr(error, "hint", None),
            )
        )

    # -- arguments

    def _accepted(self, k, value):
        i, leaf = self.program.inputs[k], self.program.leaves[k]
        downcast = self.program.allow_downcast if i.allow_downcast is None else i.allow_downcast
        name = i.name or f"argument {k}"
        array = accept(
            value,
            leaf.type,
            f"{self.name or 'function'}: {name}",
            i.strict,
            downcast,
            i.variable.origin,
        )
        return np.asarray(array)  # a matrix or a memmap as what it is made of

    def _bound(self, args, kwargs):
        """The arguments in order: keywords and defaults where they belong."""
        ins = self.program.inputs
        label = self.name or "function"
        names = [i.name for i in ins]
        args = [a for a in args if a is not _MISSING]
        if len(args) > len(ins):
            raise ArgumentError(
                f"{label}: takes {len(ins)} argument{'s' * (len(ins) != 1)}, got {len(args)}"
            )
        values = args + [_MISSING] * (len(ins) - len(args))
        for key, value in kwargs.items():
            if key not in names:
                raise ArgumentError(
                    f"{label}: unknown keyword {key!r}: {near(key, filter(None, names))}"
                )
            k = names.index(key)
            if values[k] is not _MISSING:
                raise ArgumentError(f"{label}: {key!r} was given twice")
            values[k] = value
        for k, i in enumerate(ins):
            if values[k] is _MISSING:
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
        new.__call__ = new._first()
        return new

    def __reduce__(self):
        return self.recipe["make"], (self.recipe["options"], self.name)


def _tuple(names):
    return f"({''.join(f'{n}, ' for n in names)})"
