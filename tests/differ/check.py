"""A program compiled in many ways, each compared with what the interpreter and long doubles say."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field

import numpy as np

import symgrad as sg
from symgrad.compile.function import compiled, planned
from symgrad.compile.passes import firings, select
from symgrad.compile.report import Report
from symgrad.errors import ShapeError, SymgradError
from symgrad.node import SHARED, toposort

from .truth import LIMITS, expected
from .variants import chosen, rebuilds


@dataclass
class Finding:
    """A variant that disagrees: what kind of fault, where, and a sentence."""

    variant: str
    passes: str
    backend: str
    kind: str  # 'build', 'compile', 'value', 'error', 'no error', 'argument', 'kept', 'state'
    what: str
    call: int = 0
    place: int = 0

    @property
    def key(self):
        return self.variant, self.kind

    def __str__(self):
        return f"{self.variant}: {self.kind}: {self.what}"


@dataclass
class Outcome:
    """What came of a program: findings; how many variants and comparisons; which rules fired."""

    findings: list = field(default_factory=list)
    variants: int = 0
    comparisons: int = 0
    free: int = 0  # arrays in which nothing is compared, since rounding decides about them
    failed: int = 0  # calls that raise as the interpreter does
    spared: int = 0  # calls that do not, though lengths differ: of values that nobody reads
    fired: dict = field(default_factory=dict)
    worst: float = 0.0  # the greatest error, in units of what is allowed


def same(a, b):
    """Whether arrays are equal, NaN being equal to NaN."""
    return np.array_equal(a, b, equal_nan=b.dtype.kind in "fc")


def copies(calls):
    """The arrays of calls, so that nobody else has them."""
    return [[np.array(a) for a in arrays] for arrays in calls]


def values_of(request):
    """{shared variable: its value} of all that a request reads or changes."""
    return {s: np.array(s.container.cell[0])
            for s in toposort([*request.roots, *request.updated]) if s.op is SHARED}


def excused(bound, own, place, array):
    """Whether a result is what the gradients of a variant come to that were built with fewer rules:
    the same number, or one that the missing rules would have saved."""
    if isinstance(own, Exception) or own[place].wrong(array):
        return False
    lost = ~np.isfinite(own[place].true)
    near = bound.off(own[place].true.astype(bound.dtype)) <= bound.tolerance
    return bool(np.all(lost | near | ~own[place].compared))


class Subject:
    """A program, built, with the arrays of its calls and what it must compute."""

    def __init__(self, program):
        self.program = program
        self.scope, self.request = program.build()
        self.calls = program.calls(self.scope)
        self.before = copies(self.calls)
        self.held = values_of(self.request)
        self.bounds = expected(self.request, copies(self.calls), self.held)
        self.names = [*program.outputs, *[s.name or f"state {k}" for k, s in
                                          enumerate(self.request.updated)]]

    def prepared(self, passes):
        """The request for a variant, shared variables having their first values, and the calls."""
        if self.program.lent or passes and rebuilds(passes) and not self.program.fixed:
            scope, request = self.program.build(passes)
            return request, self.program.calls(scope) if self.program.lent else self.calls
        for s, value in self.held.items():
            s.set_value(value.copy(), borrow=False)
        return self.request, self.calls

    def run(self, name, passes, backend, outcome):
        """A `Finding`, or None."""
        def finding(kind, what, call=0, place=0):
            return Finding(name, passes, backend, kind, what, call, place)

        try:
            request, calls = self.prepared(passes)
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            return finding("build", traceback.format_exc(limit=-3))
        try:
            with sg.options(cache=False):
                f = compiled(request, passes, backend)
        except Exception:  # noqa: BLE001
            return finding("compile", traceback.format_exc(limit=-3))
        held = values_of(request)
        kept, own = [], None  # own: what is to be expected of the variant's own gradients
        for call, (arrays, bounds) in enumerate(zip(calls, self.bounds, strict=True)):
            state = [np.array(s.container.cell[0]) for s in request.updated]
            try:
                made = f(*arrays)
            except SymgradError as error:
                if not isinstance(bounds, Exception):
                    return finding("error", f"call {call}: {type(error).__name__}: {error}", call)
                for s, old in zip(request.updated, state, strict=True):
                    if not same(s.container.cell[0], old):
                        return finding("state", f"call {call} failed and changed {s!r}", call)
                outcome.failed += 1
                continue
            except Exception:  # noqa: BLE001
                return finding("error", traceback.format_exc(limit=-3), call)
            if isinstance(bounds, Exception):
                if isinstance(bounds, ShapeError):  # of a value that nobody reads: it was left out
                    outcome.spared += 1
                    break
                why = str(bounds).partition("\n")[0]
                return finding("no error", f"call {call}: the interpreter raises "
                               f"{type(bounds).__name__}: {why}", call)
            made = [*made, *[s.container.cell[0] for s in request.updated]]
            for place, (a, bound) in enumerate(zip(made, bounds, strict=True)):
                outcome.comparisons += 1
                outcome.free += not bound.settled or bool(bound.compared.size
                                                          and not bound.compared.any())
                times = LIMITS.loops if backend == "python" else 1.0
                if wrong := bound.wrong(a, passes != "none", times):
                    if request is not self.request and own is None:
                        own = expected(request, copies(calls), held)
                    if own is None or not excused(bound, own[call], place, a):
                        return finding("value", f"call {call}, {self.names[place]}: {wrong}", call,
                                       place)
                else:
                    outcome.worst = max(outcome.worst, bound.ratio(a) / times)
            kept += [(a, np.array(a)) for a in made[:len(request.outputs)]]
            if not self.program.lent:
                for i, a, b in zip(self.program.inputs, arrays, self.before[call], strict=True):
                    if not same(a, b):
                        return finding("argument", f"call {call} changed its argument {i}", call)
        for a, b in kept:
            if not same(a, b):
                return finding("kept", "a later call changed what an earlier one returned")
        return None


def firing(program):
    """A program's `Subject`, and {'pass.rule': times} of its building and compiling."""
    with firings() as fired:
        subject = Subject(program)
        try:
            planned(subject.request.roots, subject.request.leaves, subject.request.updated,
                    select(""), Report(None, ""), True)
        except Exception:  # noqa: BLE001 - it will be found again, and told
            pass
    return subject, dict(fired)


def check(program, seed=0, only=None, **how):
    """The `Outcome` of a program.  `only`: names of variants, else those that `chosen` gives for
    the seed, `how` being further arguments of it."""
    outcome = Outcome()
    try:
        subject, outcome.fired = firing(program)
    except Exception:  # noqa: BLE001
        outcome.findings.append(Finding("full", "", "", "build", traceback.format_exc(limit=-3)))
        return outcome
    for name, passes, backend in chosen(outcome.fired, seed, **how):
        if only is not None and name not in only:
            continue
        outcome.variants += 1
        if found := subject.run(name, passes, backend, outcome):
            outcome.findings.append(found)
    return outcome
