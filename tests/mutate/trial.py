"""Trying mutants: a few tests first, then all that come to the place, as far as the limits go."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from functools import partial

from .children import Child, Hook, abreast, run_chosen

SPARE = 25  # seconds a child may compute besides its tests: imports, collection
SLOWER = 6  # how much slower than when they were recorded tests may be


@dataclass
class Verdict:
    """What became of a mutant.  `how`: 'caught', 'import' (its module cannot be imported), 'crash',
    'time', 'survived', 'untold' (no test makes a difference at its place)."""

    key: str
    how: str
    by: str = ""
    tests: int = 0
    seconds: float = 0.0
    tried: list = field(default_factory=list)

    @property
    def caught(self):
        return self.how in ("caught", "import", "crash", "time")

    def json(self):
        return asdict(self) | {"tried": []}


STAGES = ((12, 4.0), (150, 40.0))  # tests, their seconds


def attempts(found, choice, jobs, stages=STAGES, loud=False, minutes=float("inf")):
    """Try mutants: yields a `Verdict` for each as it comes.  None begins after so many minutes."""
    end = time.monotonic() + 60 * minutes
    tests = {m.key: choice.telling(m) for m in found}
    by_key = {m.key: m for m in found}
    tried, spent = {m.key: [] for m in found}, dict.fromkeys(tests, 0.0)
    stage = dict.fromkeys(tests, 0)
    waiting = deque()

    def enter(m):
        """The next trial of a mutant, if there is one; None if all have been."""
        while stage[m.key] < len(stages):
            most, seconds = stages[stage[m.key]]
            stage[m.key] += 1
            some, cost = choice.some(tests[m.key], most, seconds, tried[m.key])
            if some:
                tried[m.key] += some
                return m.key, partial(start, m, some, cost, loud)
        return None

    for m in found:
        if (trial := enter(m)) is not None:
            waiting.append(trial)
        else:
            yield Verdict(m.key, "untold")
    for key, ended in abreast(waiting, jobs):
        if time.monotonic() > end:
            waiting.clear()
        spent[key] += ended.seconds
        verdict = judged(by_key[key], ended, tried[key], spent[key])
        if verdict is None and (trial := enter(by_key[key])) is not None:
            waiting.appendleft(trial)
        else:
            yield verdict or Verdict(key, "survived", "", len(tried[key]), spent[key])


def start(mutant, tests, cost, loud=False):
    code = mutant.code()
    hook = Hook({mutant.file: code})
    return Child(lambda t: run_chosen(hook, tests, t), SPARE + SLOWER * cost, loud)


def judged(mutant, ended, tried, spent):
    """The verdict of a child; None if nothing failed."""
    said = ended.said
    if said is None:
        return Verdict(mutant.key, ended.how, "", 0, spent, tried)
    if not said["failed"]:
        return None
    by = said["failed"][0]
    how = "import" if by.startswith(("import of", "pytest:")) else "caught"
    ran = tried[:tried.index(by) + 1] if by in tried else tried
    return Verdict(mutant.key, how, by, said["ran"], spent, ran)


def doubtful(verdicts):
    """Keys of mutants whose catcher fails without them, too: all catchers are run once more."""
    killers = sorted({v.by for v in verdicts if v.how == "caught"})
    if not killers:
        return set()
    plain = "plain", lambda: Child(lambda t: run_chosen(Hook({}), killers, t, stop=False), 3600)
    (_, ended), = abreast(deque([plain]), 1)
    bad = set(killers if ended.said is None else ended.said["failed"])
    return {v.key for v in verdicts if v.by in bad}
