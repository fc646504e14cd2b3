"""Which tests come to which places, and how long they take: kept below .pytest_cache.

One instrumented child for each test file.  What is kept of a file holds as long as its text does;
after changes of symgrad, ``--record`` makes all of it anew.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import sys
import time
from collections import deque

import pytest

from .children import Child, Hook, abreast, pytest_run, run_chosen
from .operators import mutants_of
from .places import REACH, instrument
from .probes import PROBE, Probes, put_probes
from .targets import REPO, parsed, targets

KEPT = REPO / ".pytest_cache" / "mutate.json.gz"
SECONDS = 1500  # for one file


class Recorder:
    """A plugin of pytest: notes for each test its seconds and the places it came to."""

    def __init__(self, reached, probes):
        self.reached, self.probes, self.tests, self.failed = reached, probes, {}, []
        self.at_import, self.told_at_import, self.passed = [], "0", False

    def pytest_collection_finish(self):
        self.at_import = sorted(self.reached, key=str)
        self.told_at_import = bits(self.probes.told)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.reached.clear()
        self.probes.clear()
        self.passed, start = False, time.perf_counter()
        result = yield
        if self.passed:
            spent = time.perf_counter() - start
            self.tests[item.nodeid] = [round(spent, 3), sorted(self.reached, key=str),
                                       bits(self.probes.told)]
        return result

    def pytest_runtest_logreport(self, report):
        self.passed |= report.when == "call" and not report.skipped
        if report.failed:
            self.failed.append(report.nodeid)


def bits(numbers):
    """A set of numbers as one, in hexadecimal digits."""
    return f"{sum([1 << n for n in numbers]):x}"


def instrumented(keys):
    """({file: code} of all targets, names of the places by number, groups of probes).  `keys` are
    numbers of mutants by key; mutants that have none get one."""
    names, codes, groups = {}, {}, []
    for file in targets():
        def probes(tree, file=file):
            put_probes(tree, mutants_of(file, tree),
                       lambda m: keys.setdefault(m.key, len(keys)), groups)

        tree = instrument(parsed(file), file, lambda p: names.setdefault(p, len(names)), probes)
        codes[file] = compile(tree, file, "exec", dont_inherit=True)
    return codes, list(names), groups


def observed(codes, groups, file, temporary):
    """What a child notes of one test file."""
    reached, made_by, probes = set(), {}, Probes(groups)

    def made(name, module):
        if name.endswith(".pattern"):
            _watch_rules(module, reached, made_by, probes)

    sys.meta_path.insert(0, Hook(codes, {REACH: reached.add, PROBE: probes}, made))
    recorder = Recorder(reached, probes)
    pytest_run([file], recorder, temporary, stop=False)
    return {"tests": recorder.tests, "failed": sorted(set(recorder.failed)),
            "import": recorder.at_import, "told": recorder.told_at_import, "made": made_by}


def _watch_rules(module, reached, made_by, probes):
    """A rule is a place, where a test comes when the rule makes something of a node; so is its
    condition, when it is asked.  The functions that were at work when it was made are noted."""
    attempt, init = module.attempt, module.Rule.__init__

    def noting(rule, node, pool):
        new = attempt(rule, node, pool)
        if new is not None and new is not node:
            reached.add(f"rule:{rule.name}")
        return new

    def asked(name, where):
        @functools.wraps(where)
        def noting(found):
            reached.add(f"asked:{name}")
            return where(found)

        return noting

    def from_where(self, name, *args, **kwargs):
        init(self, name, *args, **kwargs)
        if probes.busy:
            return  # a mutant's rule
        if self.where is not None:
            object.__setattr__(self, "where", asked(name, self.where))
        frame, by = sys._getframe(1), made_by.setdefault(name, [])
        while frame is not None:
            code = frame.f_code
            if code.co_name != "<module>" and code.co_filename.startswith("rules/"):
                by.append(f"{code.co_filename}::{code.co_qualname}")
            frame = frame.f_back

    module.attempt, module.Rule.__init__ = noting, from_where


def digest(file):
    """What the record of a test file depends on, but for symgrad."""
    shared = [REPO / "tests/conftest.py", REPO / "tests/helpers.py", REPO / file]
    return hashlib.sha256(b"\0".join([p.read_bytes() for p in shared])).hexdigest()[:16]


def test_files():
    return sorted([str(p.relative_to(REPO)) for p in (REPO / "tests").rglob("test_*.py")
                   if p.name != "test_mutate.py"])


def load():
    """({test file: what is known of it}, {key of a mutant: its number})."""
    if not KEPT.exists():
        return {}, {}
    with gzip.open(KEPT, "rt") as file:
        kept = json.load(file)
    if "mutants" not in kept:
        return {}, {}
    return kept["files"], {k: n for n, k in enumerate(kept["mutants"])}


def record(jobs, anew=False, only=None):
    """What is known of every test file, and the mutants' numbers: made where it is missing, and
    kept."""
    from tqdm import tqdm

    kept, keys = ({}, {}) if anew else load()
    files = [f for f in only or test_files() if kept.get(f, {}).get("digest") != digest(f)]
    kept = {f: k for f, k in kept.items() if f in test_files()}
    if not files:
        return kept, keys
    codes, names, groups = instrumented(keys)
    starts = [(f, lambda f=f: Child(lambda t: observed(codes, groups, f, t), SECONDS))
              for f in files]
    again = {}
    with tqdm(total=len(files), desc="recording") as bar:
        for file, ended in abreast(deque(starts), jobs):
            bar.update()
            said = ended.said
            if said is None:
                bar.write(f"{file}: no record ({ended.how})")
                continue
            for t in said["tests"].values():
                t[1] = [names[p] if isinstance(p, int) else p for p in t[1]]
            said["import"] = [names[p] if isinstance(p, int) else p for p in said["import"]]
            kept[file] = said | {"digest": digest(file), "known": len(keys)}
            if said["failed"]:
                again[file] = said["failed"]
            bar.set_postfix_str(f"{file} {ended.seconds:.0f} s", refresh=False)
    # Tests that count calls see the instruments: what fails without them is left out.
    starts = [(f, lambda f=f, t=t: Child(lambda at: run_chosen(Hook({}), t, at, False), SECONDS))
              for f, t in again.items()]
    for file, ended in abreast(deque(starts), jobs):
        bad = again[file] if ended.said is None else ended.said["failed"]
        for test in bad:
            print(f"{test}: fails without any mutant; left out")
            kept[file]["tests"].pop(test, None)
    keep(kept, keys)
    return kept, keys


def keep(kept, keys):
    KEPT.parent.mkdir(exist_ok=True)
    with gzip.open(KEPT, "wt", compresslevel=3) as file:
        json.dump({"files": kept, "mutants": list(keys)}, file)
