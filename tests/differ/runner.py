"""Many programs, in processes of their own, and what they came to."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import traceback
from collections import Counter
from multiprocessing.connection import wait

from .check import Finding, Outcome, check
from .drawn import drawn
from .spelled import entries

PATIENCE = 180.0  # seconds for one program before its process is given up


def outcome_of(seed):
    """The `Outcome` of a seed's program; what cannot be drawn is a finding, too."""
    try:
        program = drawn(seed)
    except Exception:  # noqa: BLE001
        fault = Finding("draw", "", "", "draw", traceback.format_exc(limit=-4))
        return Outcome([fault])
    return check(program, seed)


def _work(seeds, pipe):
    """A process: takes seeds, gives outcomes."""
    for seed in seeds:
        pipe.send((seed, None))
        pipe.send((seed, outcome_of(seed)))
    pipe.close()
    os._exit(0)


class _Worker:
    """A process with seeds that it is to do one after another."""

    def __init__(self, seeds):
        self.left, self.now, self.since = list(seeds), None, time.monotonic()
        context = multiprocessing.get_context("fork")
        self.pipe, there = context.Pipe(False)
        self.process = context.Process(target=_work, args=(list(seeds), there), daemon=True)
        self.process.start()
        there.close()

    def end(self):
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def outcomes(seeds, jobs=1):
    """Pairs (seed, `Outcome`) as they come, by `jobs` processes.  A process that dies or hangs
    leaves a finding 'crash' or 'hang', and another one goes on."""
    seeds, size = list(seeds), 25
    chunks = [seeds[k:k + size] for k in range(0, len(seeds), size)]
    workers = []
    while chunks or workers:
        while chunks and len(workers) < jobs:
            workers.append(_Worker(chunks.pop(0)))
        ready = wait([w.pipe for w in workers], timeout=5.0)
        for w in list(workers):
            end = None
            if w.pipe in ready:
                try:
                    seed, outcome = w.pipe.recv()
                    if outcome is None:
                        w.now, w.since = seed, time.monotonic()
                    else:
                        w.left.remove(seed)
                        w.now, w.since = None, time.monotonic()
                        yield seed, outcome
                except (EOFError, OSError):
                    end = "crash"
            elif time.monotonic() - w.since > PATIENCE:
                end = "hang"
            if end:
                w.end()
                workers.remove(w)
                if w.left:  # it did not come to its end
                    seed = w.left[0] if w.now is None else w.now
                    w.left.remove(seed)
                    yield seed, Outcome([Finding(end, "", "", end, f"the process: {end}")])
                    if w.left:
                        chunks.insert(0, w.left)


class Summary:
    """What many outcomes come to."""

    def __init__(self):
        self.programs = self.variants = self.comparisons = self.free = self.failed = 0
        self.spared = 0
        self.seconds, self.findings, self.fired, self.worst = 0.0, [], Counter(), []

    def add(self, seed, outcome):
        self.programs += 1
        for word in ("variants", "comparisons", "free", "failed", "spared"):
            setattr(self, word, getattr(self, word) + getattr(outcome, word))
        self.findings += [(seed, f) for f in outcome.findings]
        self.fired.update({rule: 1 for rule in outcome.fired})
        self.worst = sorted([*self.worst, (outcome.worst, seed)])[-20:]

    def never(self):
        """'pass.rule' of rules that fired in no program (under no pass that has them)."""
        bare = {rule.partition(".")[2] for rule in self.fired}
        return [f"{where}.{name}" for where, name in entries() if name not in bare]

    def __str__(self):
        lines = [f"{self.programs:,} programs, {self.variants:,} variants, {self.comparisons:,} "
                 f"arrays compared ({self.free:,} of them decided by rounding), {self.failed:,} "
                 f"calls that fail as they must ({self.spared:,} do not, of values that nobody "
                 f"reads), {self.seconds:,.0f} s"]
        if self.worst:
            ratio, seed = self.worst[-1]
            lines.append(f"the greatest error is {ratio:.3g} of what is allowed (seed {seed})")
        never = self.never()
        lines.append(f"rules that never fired ({len(never)}): {', '.join(never) or 'none'}")
        lines += [f"seed {seed}: {str(f)[:400]}" for seed, f in self.findings]
        seeds = {seed for seed, _ in self.findings}
        lines.append(f"{len(self.findings)} findings in {len(seeds)} programs")
        return "\n".join(lines)

    def table(self):
        """How many programs each rule fired in."""
        width = max([len(r) for r in self.fired], default=0)
        return "\n".join([f"{rule:{width}} {count:6}" for rule, count in self.fired.most_common()])

    def json(self):
        return json.dumps({
            "programs": self.programs, "variants": self.variants, "comparisons": self.comparisons,
            "free": self.free, "failed": self.failed, "spared": self.spared,
            "seconds": self.seconds,
            "fired": dict(self.fired.most_common()), "never": self.never(), "worst": self.worst,
            "findings": [{"seed": s, **vars(f)} for s, f in self.findings]}, indent=1)
