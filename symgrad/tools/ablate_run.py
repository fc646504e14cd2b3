"""How `ablate` does it: all variants of a function are compiled, and measured beside the whole."""

from __future__ import annotations

import fnmatch
import gc
import math
import os
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from symgrad.compile.backends import BACKENDS, best, find
from symgrad.compile.passes import PIPELINE
from symgrad.errors import ArgumentError, MissingPackage, UnknownName, near
from symgrad.extras import need
from symgrad.tools.ablate_report import Ablation, machine
from symgrad.tools.ablate_stats import FAILED, SAME, UNUSED, Spread, effect, ratios
from symgrad.tools.ablate_subject import Subject, clock, paired, source_of
from symgrad.tools.ablate_truth import name_of_wide, truth, worst

LEAST = 0.004  # seconds of one turn of a round
AGAIN = 3  # times that the whole is compiled again to learn what noise is
PATIENCE = 3.0  # seconds that the turns of a slow variant may take together


@dataclass(frozen=True)
class Variant:
    """One way to compile: `kind` is 'full', 'again', 'all', 'family', 'pass', 'rule' or
    'backend'."""

    name: str
    kind: str
    passes: str = ""
    backend: str = ""
    rules: tuple = ()  # 'pass.rule', each; used if one of them fires

    def used(self, fired):
        """Whether what it leaves out does anything at all; True where that cannot be told."""
        return not self.rules or any(r in fired for r in self.rules)


def variants(backend="auto"):
    """All the ways there are: the whole; the same compiled again, which tells what noise is;
    everything off; families, passes, rules; other backends.

    A rule that stands in several passes (`canonicalise` and `tidy` have the same ones; the rules
    about signs are in four more) is left out of all of them; a family is a set of rules that two
    passes share.
    """
    chosen = best() if backend == "auto" else backend
    found = [Variant("full", "full"), Variant("full, again", "again"),
             Variant("none", "all", "none")]
    groups, homes = {}, {}  # the passes that share their rules; where each rule is
    for p in PIPELINE:
        if p.required:
            continue
        key = id(p.rules) if p.rules else (id(p.kinds) if p.kinds else p.name)
        groups.setdefault(key, []).append(p)
        for r in p.rules.rules if p.rules else p.kinds:
            homes.setdefault(r if p.rules else (key, r), []).append((p.name, r.name if p.rules
                                                                     else r))
    for group in groups.values():
        every = {p.name: tuple([f"{p.name}.{r.name if p.rules else r}"
                                for r in (p.rules.rules if p.rules else p.kinds)]) for p in group}
        if len(group) > 1:
            found.append(Variant(" ".join([f"-{n}" for n in every]), "family",
                                 " ".join([f"-{n}" for n in every]),
                                 rules=tuple([r for own in every.values() for r in own])))
        found += [Variant(f"-{n}", "pass", f"-{n}", rules=own) for n, own in every.items()]
    rules = []
    for spots in homes.values():
        names = [f"{p}.{r}" for p, r in spots]
        rules.append(Variant(f"-{names[0]}", "rule", " ".join([f"-{n}" for n in names]),
                             rules=tuple(names)))
    others = [Variant(b, "backend", backend=b) for b in BACKENDS if b != chosen and _there(b)]
    return found + rules + others


def _there(backend):
    try:
        find(backend)
    except ImportError:
        return False
    return True


def ablated(f, inputs, only, rounds, compiles, compare, progress):
    """The `Ablation`; see `ablate.ablate`."""
    for word, count in (("rounds", rounds), ("compiles", compiles)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ArgumentError(f"ablate: {word}={count!r} must be a positive whole number")
    source = source_of(f, inputs)
    whole = Subject(source, compiles=1)  # the first one in a process takes longer
    chosen = _chosen(variants(whole.function.report.backend), only)
    used = [v for v in chosen if v.used(whole.fired)]
    bar = _bar(len(used), source.name) if progress else nullcontext()
    rows = []
    with one_core() as core, quiet(), bar:
        run = _Run(source, rounds, compiles)
        for v in chosen:
            if not v.used(whole.fired):
                rows.append(run.row(v) | {"used": False, "effect": UNUSED})
                continue
            rows.append(run.measured(v))
            if progress:
                bar.update()
    made = Ablation(rows, machine(core, rounds))
    if compare is not None:
        made.compare(compare)
    return made


def _chosen(found, only):
    """The variants whose names match; raises for patterns that match none."""
    if only is None:
        return found
    patterns = [only] if isinstance(only, str) else list(only)
    kept = set()
    for pattern in patterns:
        hits = [v for v in found[2:] if fnmatch.fnmatch(v.name.lstrip("-"), pattern.lstrip("-"))]
        if not hits:
            names = [v.name.lstrip("-") for v in found[2:]]
            raise UnknownName(f"ablate: nothing is called {pattern!r}: {near(pattern, names)}")
        kept.update(hits)
    return [v for v in found if v in kept or v in found[:2]]


def _bar(total, name):
    try:
        return need("tqdm").tqdm(total=total, desc=name, unit=" variants", leave=False)
    except MissingPackage as error:
        raise MissingPackage(f"ablate: progress=True: {error}") from None


class _Run:
    """The measuring of all variants of one request."""

    def __init__(self, source, rounds, compiles):
        self.source, self.rounds, self.compiles = source, rounds, compiles
        self.full = Subject(source, compiles=compiles)
        self.firings = self.full.fired
        self.identity = self.full.identity()
        self.names = self.full.names()
        self.results = self.full.results()
        request = self.full.request
        given = dict(zip(request.leaves, self.full.arrays, strict=True))
        self.truth = truth(request.roots, given)
        self.noise = self.compile_noise = 0.0

    def row(self, variant):
        """What is known of a variant before it is compiled."""
        fired = sum([self.firings.get(r, 0) for r in variant.rules])
        return {"function": self.source.name, "name": variant.name, "kind": variant.kind,
                "passes": variant.passes, "backend": variant.backend or
                self.full.function.report.backend, "used": True, "fired": fired}

    def measured(self, variant):
        """The row of a variant."""
        row = self.row(variant)
        if variant.kind == "full":
            times, _ = paired(self.full, self.full, self._rounds(self.full), LEAST)
            return row | self._facts(self.full, self.results) | {
                "effect": "", "ms": _ms(Spread.of(times)), "rounds": len(times)}
        if variant.kind == "again":
            return row | self._again()
        try:
            subject = Subject(self.source, variant.passes, variant.backend, self.compiles, True)
            results = subject.results()
        except Exception as error:  # noqa: BLE001 - the others are to be measured all the same
            why = str(error).partition("\n")[0]
            return row | {"effect": FAILED, "why": f"{type(error).__name__}: {why}"}
        row |= self._facts(subject, results)
        compiling = ratios(subject.seconds, subject.beside)
        row["compile_ratio"] = compiling._asdict()
        row["compile_effect"] = effect(compiling, self.compile_noise)
        row["same"] = self._same(subject, results)
        if row["same"]:
            return row | {"effect": SAME}
        rounds = self._rounds(subject)
        mine, whole = paired(subject, self.full, rounds, LEAST)
        ratio = ratios(mine, whole)
        return row | {"effect": effect(ratio, self.noise, rounds), "ms": _ms(Spread.of(mine)),
                      "ratio": ratio._asdict(), "rounds": rounds}

    def _again(self):
        """The whole compiled again, a few times: what differs is noise, that of the places in
        memory where code and buffers come to lie included."""
        found, times, compiling = [], [], []
        for _ in range(AGAIN):
            subject = Subject(self.source, compiles=self.compiles, beside=True)
            compiling.append(ratios(subject.seconds, subject.beside))
            mine, whole = paired(subject, self.full, self._rounds(subject), LEAST)
            found.append(ratios(mine, whole))
            times += mine
        self.noise = max([r.size for r in found])
        self.compile_noise = max([r.size for r in compiling])
        results = subject.results()
        return self._facts(subject, results) | {
            "effect": "noise", "noise": math.exp(self.noise), "same": self._same(subject, results),
            "ms": _ms(Spread.of(times)),
            "ratio": _all_of(found)._asdict(), "rounds": len(times),
            "compile_ratio": _all_of(compiling)._asdict(), "compile_effect": "noise"}

    def _facts(self, subject, results):
        """What needs no clock but that of the compilation."""
        moved, counted = subject.moved()
        return {**subject.counts(), "bytes": moved, "bytes_by": counted,
                "memory": subject.memory(), "compile_ms": _ms(Spread.of(subject.seconds)),
                **self._error(results)}

    def _same(self, subject, results):
        """Whether it is the same program as the whole, and gives the same to the last bit."""
        return subject.identity() == self.identity and all(
            [a.tobytes() == b.tobytes() for a, b in zip(results, self.results, strict=True)])

    def _error(self, results):
        if len(results) != len(self.truth):
            raise ArgumentError(f"ablate: {self.source.name} has {len(self.truth)} results at one "
                                f"time and {len(results)} at another")
        error, at, places = worst(self.names, results, self.truth)
        return {"error": error, "error_at": at, "error_ulp": places, "truth": name_of_wide()}

    def _rounds(self, subject):
        """Fewer rounds for what takes seconds."""
        subject.reset()
        subject.call()
        now = clock()
        start = now()
        subject.call()
        once = (now() - start) * 1e-9
        return max(1, min(self.rounds, int(PATIENCE / max(once, 1e-9))))


def _all_of(spreads):
    """One that holds several."""
    middle = sorted([s.median for s in spreads])[len(spreads) // 2]
    return Spread(min([s.low for s in spreads]), middle, max([s.high for s in spreads]))


def _ms(spread):
    return {word: value * 1e3 for word, value in spread._asdict().items()}


@contextmanager
def one_core():
    """Keep this thread on one core, the highest that it may use; gives its number, or None where
    the system cannot do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield max(before)
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def quiet():
    """The garbage collector rests."""
    on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
