"""What `ablate` compiles: one request, again and again, each time with shared variables of its own
that begin with the same values."""

from __future__ import annotations

import time

import numpy as np

from symgrad.compile.backends import part
from symgrad.compile.callable import Function
from symgrad.compile.function import compiled, function
from symgrad.compile.need import given, lengths
from symgrad.compile.passes import firings
from symgrad.compile.plan import Unexpected
from symgrad.config import config, options
from symgrad.errors import ArgumentError, ShapeError
from symgrad.interpret import run
from symgrad.node import SHARED
from symgrad.shared import Container, Shared
from symgrad.types import Tuple


class Given:
    """The request of a compiled function; its gradients are already part of it."""

    def __init__(self, f, inputs):
        if f.recipe is None:
            raise ArgumentError(f"ablate: {f!r} does not tell what it was compiled from")
        self.request, self.passes, self.backend, self.checks, self.threads = f.recipe["options"]
        self.name = f.name or "function"
        named = isinstance(inputs, dict)
        values = f._bound([] if named else list(inputs), inputs if named else {})
        self.arrays = [np.array(f._accepted(k, v)) for k, v in enumerate(values)]

    def make(self, passes, backend):
        """The function with changes to its pipeline, and seconds of this process for compiling."""
        words = f"{self.passes} {passes}".strip()
        now = clock()
        start = now()
        made = compiled(self.request, words, backend or self.backend, checks=self.checks,
                        threads=self.threads)
        return made, (now() - start) * 1e-9


class Built:
    """The request that a builder gives: it builds with the passes that it is compiled with, so that
    gradients obey, too."""

    def __init__(self, build, inputs=None):
        self.build = build
        self.name = getattr(build, "title", None) or getattr(build, "__name__", "function")
        self.passes, self.backend = config.passes, config.backend
        request, values = self.asked()
        self.name = request.get("name") or self.name
        with options(backend="numpy"):  # looks at the arguments, whatever runs them
            looked = Given(function(**request), values if inputs is None else inputs)
        self.arrays = looked.arrays

    def asked(self):
        """What the builder gives, checked for its form."""
        found = self.build()
        if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], dict)):
            raise ArgumentError(
                "ablate: a builder must return ({'inputs': …, 'outputs': …}, [value, …]): the "
                f"arguments of sg.function, and values of the inputs; {self.name} returned "
                f"{found!r:.60}")
        for word in ("passes", "backend", "mode"):
            if word in found[0]:
                raise ArgumentError(f"ablate: the request of {self.name} says {word}=, which is "
                                    "for ablate to choose; leave it out")
        return found

    def make(self, passes, backend):
        """The function, built and compiled with changes to the pipeline, and seconds of this
        process for compiling."""
        with options(passes=f"{self.passes} {passes}".strip()):
            request, _ = self.asked()
            now = clock()
            start = now()
            made = function(**request, backend=backend or self.backend)
            return made, (now() - start) * 1e-9


def source_of(obj, inputs):
    """`Given` for a compiled function, `Built` for a builder."""
    if isinstance(obj, Function):
        if inputs is None:
            inputs = []
        return Given(obj, inputs)
    if callable(obj) and not hasattr(obj, "plan"):
        return Built(obj, inputs)
    raise ArgumentError(f"ablate: wants a compiled function, or a function that builds a request, "
                        f"not {obj!r:.60}")


class Subject:
    """One variant, compiled: what it is, what it gives, and a call that can be timed.

    Its shared variables are copies; `reset` gives them their first values again.
    """

    def __init__(self, source, passes="", backend="", compiles=1, beside=False):
        self.source, self.passes, self.backend = source, passes, backend
        # of each compilation; of the whole's that were made between them
        self.seconds, self.beside = [], []
        for _ in range(compiles):
            with options(cache=False):
                if beside:
                    self.beside.append(source.make("", "")[1])
                with firings() as self.fired:
                    made, seconds = source.make(passes, backend)
            self.seconds.append(seconds)
        self.request = made.program
        mine = [(s, _copied(s)) for s in made.get_shared()]
        self.first = [(new.container, new.container.cell[0].copy()) for _, new in mine]
        self.function = made.copy(swap=dict(mine))
        self.arrays = [a.copy() for a in source.arrays]

    def reset(self):
        """Give the shared variables their first values."""
        for container, value in self.first:
            held = container.cell[0]
            if held.shape == value.shape and held.flags.writeable and held.flags.owndata:
                np.copyto(held, value)  # what is written in place stays where it is
            else:
                container.cell[0] = value.copy()

    def call(self, times=1):
        """Call it so often."""
        f, arrays = self.function, self.arrays
        for _ in range(times):
            f(*arrays)

    def results(self):
        """Copies of all that one call makes: the outputs, and the new values of shared
        variables."""
        self.reset()
        form, made = self.request.form, self.function(*self.arrays)
        if form == "none":
            made = []
        elif form == "single":
            made = [made]
        elif isinstance(form, list):
            made = [made[key] for key in form]
        made = [np.array(a) for a in made]
        made += [np.array(c.cell[0]) for c in self.function._updated]
        self.reset()
        return made

    def names(self):
        """The names of `results`."""
        request = self.request
        form = request.form
        keys = form if isinstance(form, list) else [None] * len(request.outputs)
        found = [str(key or o.name or f"output {k}") for k, (key, o) in enumerate(
            zip(keys, request.outputs, strict=True))]
        return found + [s.name or f"shared {k}" for k, s in enumerate(request.updated)]

    # -- what there is to count

    def counts(self):
        """``{'nodes', 'steps', 'kernels'}``: steps are what is run one after another, fused kernels
        among them; those inside of loops are counted once."""
        nodes = steps = kernels = 0
        waiting = [self.function.plan]
        while waiting:
            plan = waiting.pop()
            nodes += len(plan.nodes)
            steps += len(plan.steps)
            kernels += sum([s.kind == "kernel" for s in plan.steps])
            waiting += [inner for plans in plan.inner.values() for inner in plans]
        return {"nodes": nodes, "steps": steps, "kernels": kernels}

    def memory(self):
        """Bytes that a call takes (`f.memory`), or None where it cannot be told."""
        try:
            return self.function.memory(self.arrays).total
        except (ArgumentError, ShapeError, KeyError):
            return None

    def moved(self):
        """(bytes that the steps read and write in a call, who says so), or (None, ''): of machine
        code by the loops that it has, else by what goes into each step and comes out."""
        code = self.function.code
        held = [c.cell[0] for c in self.function._shared]
        account = part(getattr(code, "backend", None), "account")
        try:
            said = given([(i.name, i.variable) for i in self.request.inputs], self.arrays, {})
            known = lengths(code.plan, said, held)
            if account is None:
                return _passed(code.plan, known, self._trips), "steps"
            lines = account.account(code).steps
            return _told(lines, code.driver.pieces, known, self._trips), "machine code"
        except (ArgumentError, ShapeError, KeyError, TypeError, Unexpected):
            return None, ""

    def _trips(self, node):
        """How many steps a loop of the plan has, if its number depends on nothing but leaves."""
        plan = self.function.plan
        held = [c.cell[0] for c in self.function._shared]
        values = dict(zip((*plan.inputs, *plan.shared), (*self.arrays, *held), strict=True))
        return int(run([node.inputs[0]], values)[0])

    def identity(self):
        """What tells two variants apart: equal ones run the same machine code, or program."""
        code = self.function.code
        text = code.ir if hasattr(code, "ir") else self.function.source
        places = [code.plan.shared.index(leaf) for leaf in getattr(code, "in_place", ())]
        overlaps = [tuple(pair) for pair in getattr(code, "overlaps", ())]
        return text, places, overlaps, self.memory(), tuple(self.counts().values())


def _copied(s):
    """A shared variable of the same type with a value of its own."""
    held = Container(s.type, np.array(s.container.cell[0]), lent=False)
    return Shared(SHARED, (), (), s.type, None, s.name, held)


def _passed(plan, known, trips):
    total = 0
    for s in plan.steps:
        node = s.body[0]
        if node.op.kind == "loop":
            total += trips(node) * sum([_passed(p, known, trips) for p in plan.inner[node]])
        elif len(s.body) > 1 or node.op.kind != "view":
            total += sum([known.bytes(n.type) for n in (*s.inputs, *s.outputs)
                          if type(n.type) is not Tuple])
    return total


def _told(lines, pieces, known, trips):
    total = 0
    for line, piece in zip(lines, pieces, strict=True):
        node = piece.step.body[0]
        if line.kind == "loop":
            total += trips(node) * _told(line.inside, piece.inner.pieces, known, trips)
        elif line.kind == "branch":  # either side: the one that moves more
            at, sides = 0, []
            for side in piece.inner.sides:
                own = line.inside[at:at + len(side.pieces)]
                sides.append(_told(own, side.pieces, known, trips))
                at += len(own)
            total += max(sides, default=0)
        elif line.kind == "python":
            total += sum([known.bytes(n.type) for n in (*piece.step.inputs, *piece.step.outputs)
                          if type(n.type) is not Tuple])
        elif line.read is not None:
            total += _value(line.read, known) + _value(line.written, known)
    return total


def _value(terms, known):
    return terms.value({d: known.of(d) for dims in terms for d in dims})


# -- time


def clock():
    """Nanoseconds of this process; those of the wall where a process's own only tick, as on Linux
    under a limit of its seconds (``ulimit -t``)."""
    own, wall = time.process_time_ns, time.perf_counter_ns
    start, end = own(), wall() + 20_000
    while wall() < end:
        pass
    return own if own() > start else wall


def paired(one, other, rounds, least):
    """Seconds a call of two subjects, a pair a round: they take turns, and rounds begin with either
    in turn.  A turn lasts at least `least` seconds of this process's own time, and begins with the
    first values of the shared variables and one call that is not counted."""
    now = clock()
    sides = [(s, _times(s, now, least)) for s in (one, other)]
    found = {id(s): [] for s in (one, other)}
    for k in range(rounds):
        for side, times in sides if k % 2 else sides[::-1]:
            side.reset()
            side.call()
            start = now()
            side.call(times)
            found[id(side)].append((now() - start) * 1e-9 / times)
    one.reset()
    other.reset()
    return found[id(one)], found[id(other)]


def _times(subject, now, least):
    """How many calls last `least` seconds."""
    subject.reset()
    subject.call()
    subject.call()  # the second call makes the native entry
    times, spent = 1, 0.0
    while spent < least / 4:
        start = now()
        subject.call(times)
        spent = (now() - start) * 1e-9
        if spent < least / 4:
            times *= 2
    return max(1, round(times * least / max(spent, 1e-9)))


