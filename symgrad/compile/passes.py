"""Passes have names, and so has every rule in them; both can be switched off by name.

``passes="-fuse"`` leaves a pass out, ``"-stabilise.log1p"`` one rule, ``"+assumes"`` admits rules
that hold only under an assumption, ``"exact"`` keeps only rules that are bit for bit right or
nearer the true value.  Several changes are separated by spaces or commas; ``SYMGRAD_PASSES`` and
``config.passes`` hold the default.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from symgrad.compile.pattern import RuleSet, assumes, exact, rounding, rule_on, stable
from symgrad.compile.pool import absorb, export
from symgrad.compile.rewrite import Log, rewrite
from symgrad.compile.rules import (
    blas,
    canonicalise,
    collect,
    loop_merge,
    loop_samples,
    loops,
    shapes,
    sides,
    specialise,
    stabilise,
)
from symgrad.compile.rules.common import mat
from symgrad.config import config
from symgrad.derive import expansion
from symgrad.errors import ArgumentError, UnknownName, near
from symgrad.node import toposort
from symgrad.ops.nn import softmax


class Pass(NamedTuple):
    """One entry of the pipeline: a rule set, or a function over the whole graph, or only a name
    other rooms ask for."""

    name: str
    doc: str
    rules: RuleSet | None = None
    run: object = None  # (outputs, pool, log, off) -> outputs
    # name -> kind of the forms of a `run` pass, name -> what it does
    kinds: dict = {}  # noqa: RUF012
    docs: dict = {}  # noqa: RUF012
    # name -> function that makes graphs (or lists of outputs) at which the form fires
    samples: dict = {}  # noqa: RUF012
    # name -> pairs (function that may decline it, class of its first argument), for `f.why_not`
    deciders: dict = {}  # noqa: RUF012
    required: bool = False
    # names of passes that the bodies of loops are put through before this one
    bodies: tuple = ()
    when: object = None  # outputs -> whether the pass may find anything
    after: str = ""  # the pass that must have changed something for this one to run


class _Composites:
    """An index that answers for every composite op, also a user's own."""

    def get(self, op):
        return (EXPAND,) if op.kind == "composite" else None


@rule_on("composite", kind=exact, samples=lambda: [softmax(mat(), axis=(1,))])
def EXPAND(node, pool):
    """An op that is a name for an expression becomes that expression."""
    return expansion(node)


_expand = RuleSet("expand", (EXPAND,), open_ended=True)
_expand.by_op = _Composites()

PIPELINE = (
    Pass("forward", "ops that only derivatives notice are left out", canonicalise.FORWARD),
    Pass("canonicalise", "one spelling for one meaning", canonicalise.RULES),
    Pass("collect", "sums and products in one normal form", run=collect.run,
         kinds=collect.KINDS, docs=collect.DOCS, samples=collect.SAMPLES,
         deciders=collect.DECIDERS),
    Pass("stabilise", "forms nearer the true value", stabilise.RULES),
    Pass("merge", "loops over the same steps become one", run=loop_merge.run,
         kinds=loop_merge.KINDS, docs=loop_merge.DOCS, samples=loop_samples.MERGE,
         deciders=loop_merge.DECIDERS,
         when=loop_merge.several, bodies=("forward", "canonicalise", "stabilise", "canonicalise")),
    Pass("shapes", "moves of shape ops", shapes.RULES),
    Pass("loops", "work moves out of loops, and what nobody reads is left out", run=loops.run,
         kinds=loops.KINDS, docs=loops.DOCS, samples=loop_samples.LOOPS,
         deciders=loops.DECIDERS,
         bodies=("forward", "canonicalise", "collect", "stabilise", "shapes")),
    Pass("moves", "shapes once more, where loops have changed", shapes.RULES, after="loops"),
    Pass("specialise", "cheaper forms", specialise.RULES),
    Pass("expand", "composites become their definitions", _expand, required=True),
    Pass("tidy", "canonicalise once more", canonicalise.RULES),
    Pass("regroup", "collect once more", run=collect.run,
         kinds=collect.KINDS, docs=collect.DOCS, samples=collect.SAMPLES,
         deciders=collect.DECIDERS),
    Pass("blas", "products with scaling and addition in one call", run=blas.run,
         kinds=blas.KINDS, docs=blas.DOCS, samples=blas.SAMPLES,
         deciders=blas.DECIDERS),
    Pass("sides", "what only one side of a conditional needs moves into it", run=sides.run,
         kinds=sides.KINDS, docs=sides.DOCS, samples=loop_samples.SIDES,
         deciders=sides.DECIDERS, required=True),
    Pass("fuse", "neighbouring ops become one kernel; off: one step a node"),
    Pass("reuse", "buffers are handed on; off: every value has its own"),
    Pass("inplace", "results take a dying operand's memory, updates their variable's"),
    Pass("block", "large kernels run in cache-sized blocks"),
)
BY_NAME = {p.name: p for p in PIPELINE}


def complete(pipeline):
    """The passes, if each form of each has samples, as each rule of a `RuleSet` has."""
    for p in pipeline:
        for form in p.kinds:
            if form not in p.samples:
                raise ArgumentError(f"{p.name}: the form {form} has no samples; give the pass "
                                    f"samples={{{form!r}: lambda: [...]}} with graphs at which it "
                                    "fires, so that what its kind promises can be tested")
    return pipeline


complete(PIPELINE)
# what `grad` does to a cost before it is differentiated
STABLE_FORM = ("canonicalise", "stabilise")


@dataclass(frozen=True)
class Selection:
    """Which passes and rules run."""

    off: frozenset = frozenset()
    rules_off: frozenset = frozenset()  # (pass, rule)
    kinds: frozenset = frozenset((exact, rounding, stable))

    def __contains__(self, name):
        return name not in self.off

    def rules(self, chosen):
        """A pass's rules without those that are switched off."""
        names = {
            r.name
            for r in chosen.rules.rules
            if r.kind not in self.kinds or (chosen.name, r.name) in self.rules_off
        }
        return chosen.rules.without(names)


_SELECTIONS = {}


def select(passes=None):
    """The `Selection` for a string; raises `UnknownName` with near names.  None:
    ``config.passes``."""
    text = config.passes if passes is None else passes
    found = _SELECTIONS.get(text)
    if found is None:
        found = _SELECTIONS[text] = _parse(text)
    return found


def _parse(text):
    off, rules_off, kinds = set(), set(), {exact, rounding, stable}
    for word in text.replace(",", " ").split():
        if word == "exact":
            kinds.discard(rounding)
        elif word == "none":
            off.update(p.name for p in PIPELINE if not p.required)
        elif word == "+assumes":
            kinds.add(assumes)
        elif word[0] in "+-":
            name, _, rule = word[1:].partition(".")
            chosen = BY_NAME.get(name)
            if chosen is None:
                raise UnknownName(f"no pass {name!r} in passes={text!r}: {near(name, BY_NAME)}")
            known = [r.name for r in chosen.rules.rules] if chosen.rules else list(chosen.kinds)
            if rule and rule not in known:
                raise UnknownName(
                    f"pass {name} has no rule {rule!r}: {near(rule, known or ['none'])}"
                )
            if not rule and chosen.required and word[0] == "-":
                raise UnknownName(f"pass {name} cannot be left out")
            target, entry = (rules_off, (name, rule)) if rule else (off, name)
            (target.add if word[0] == "-" else target.discard)(entry)
        else:
            raise UnknownName(
                f"passes={text!r}: expected -pass, -pass.rule, +pass, +assumes, exact or none, "
                f"not {word!r}"
            )
    return Selection(frozenset(off), frozenset(rules_off), frozenset(kinds))


class Stage(NamedTuple):
    """What a pass did, in full: `f.explain()` tells of it."""

    name: str
    log: Log
    before: list  # outputs
    after: list
    pool: object
    within: tuple  # the loops (or conditionals) whose body this graph is, from the outermost
    seconds: float


@dataclass
class Trace:
    """A `Stage` for each pass of a compilation, in order; those for bodies of loops among them."""

    stages: list = field(default_factory=list)
    within: tuple = ()

    def inside(self, node):
        """What to hand to the compilation of a body of this node."""
        return Trace(self.stages, (*self.within, node))


@dataclass
class Row:
    """What one pass did: `f.report` prints these.  `times`: seconds by rule, if they were asked
    for."""

    name: str
    seconds: float
    before: int = 0
    after: int = 0
    fired: dict = field(default_factory=dict)
    refused: dict = field(default_factory=dict)
    times: dict = field(default_factory=dict)


_watching = threading.local()


@contextmanager
def firings():
    """A dict ``{'pass.rule': times}`` of all rules that fire in this thread inside: also those of
    gradients that are built, and of bodies of loops, which no function's report has.

    >>> with firings() as fired:
    ...     f = sg.function([x], T.log(1 + T.exp(x)))                   # doctest: +SKIP
    >>> fired                                                           # doctest: +SKIP
    {'stabilise.log1p': 1, 'stabilise.softplus': 1}
    """
    before = getattr(_watching, "fired", None)
    _watching.fired = found = {}
    try:
        yield found
    finally:
        _watching.fired = before
        if before is not None:
            _count(before, found)


def _count(total, fired):
    for rule, times in fired.items():
        total[rule] = total.get(rule, 0) + times


def apply(names, outputs, pool, selection, rows=None, hook=None, timed=False, trace=None):
    """Run rewriting passes by name; `rows` collects what each did, ``hook(name, before, after)``
    is called between.  `timed`: look at the clock for each rule; `trace`: a `Trace` to fill."""
    count, changed = 0 if rows is None else len(toposort(outputs)), set()
    for name in names:
        chosen = BY_NAME[name]
        if chosen.rules is None and chosen.run is None or name not in selection:
            continue
        if chosen.when is not None and not chosen.when(outputs):
            continue
        if chosen.after and chosen.after not in changed:
            continue
        log = Log.full() if trace is not None else Log(times={} if timed else None)
        start, before = time.perf_counter(), outputs
        if chosen.bodies:
            change = partial(normal, names=chosen.bodies, selection=selection, trace=trace)
            outputs = within(outputs, pool, change)
        if chosen.rules is not None:
            outputs = rewrite(outputs, selection.rules(chosen), pool, log)
        else:
            off = {
                r
                for r, kind in chosen.kinds.items()
                if kind not in selection.kinds or (name, r) in selection.rules_off
            }
            outputs = chosen.run(outputs, pool, log, off)
        if outputs != before:
            changed.add(name)
        watched = getattr(_watching, "fired", None)
        if watched is not None:
            _count(watched, {f"{name}.{rule}": times for rule, times in log.fired.items()})
        if rows is not None:
            seconds, had = time.perf_counter() - start, count
            count = len(toposort(outputs)) if name in changed else had
            rows.append(Row(name, seconds, had, count, log.fired, log.refused, log.times or {}))
        if trace is not None:
            seconds = time.perf_counter() - start
            trace.stages.append(Stage(name, log, before, outputs, pool, trace.within, seconds))
        if hook:
            hook(name, before, outputs)
    return outputs


def within(outputs, pool, change):
    """The graph with the body of each loop changed: ``change(loop)`` gives the new one."""
    bodies = {n: change(n) for n in toposort(outputs) if n.op.kind == "loop"}
    if all(n.attrs[0] is body for n, body in bodies.items()):
        return outputs

    def remade(n, inputs):
        attrs = (bodies[n],) if n in bodies else n.attrs
        return pool.make(n.op, inputs, attrs, n.origin, n.type, n.name)

    new = {}
    for n in toposort(outputs):
        inputs = tuple([new[i] for i in n.inputs])
        new[n] = n if inputs == n.inputs and n not in bodies else remade(n, inputs)
    return [new[o] for o in outputs]


def normal(loop, names, selection, trace=None):
    """A loop's body after these passes."""
    body, trace = loop.attrs[0], trace and trace.inside(loop)
    pool, graph = absorb(body.outputs, expect=False)
    graph = within(graph, pool, lambda inner: normal(inner, names, selection, trace))
    return body.with_outputs(export(apply(names, graph, pool, selection, trace=trace), pool))


REWRITES = tuple(p.name for p in PIPELINE if p.rules is not None or p.run is not None)
