"""``python -m tests.mutate``: break symgrad's compiler one decision at a time; do the fast tests
notice?"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

from . import report
from .operators import mutants
from .survivors import EQUIVALENT
from .targets import targets


def arguments(argv):
    p = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    what = p.add_mutually_exclusive_group()
    what.add_argument("--sample", type=int, default=400, metavar="N",
                      help="so many mutants, drawn evenly over files and operators (400)")
    what.add_argument("--all", action="store_true", help="every mutant")
    what.add_argument("--only", nargs="+", metavar="KEY", help="these mutants")
    what.add_argument("--again", metavar="FILE", help="those that survived in a --json file")
    p.add_argument("--seed", type=int, default=0, help="of the sample (0)")
    p.add_argument("--files", metavar="TEXT", help="only files whose path has this text")
    p.add_argument("--list", action="store_true", help="print the keys, try nothing")
    p.add_argument("--record", action="store_true",
                   help="note anew which tests come where (minutes; done at first, too)")
    p.add_argument("--jobs", type=int, default=2, help="processes (2)")
    p.add_argument("--most-tests", type=int, default=150, metavar="N",
                   help="that a mutant is tried by, at the most (150)")
    p.add_argument("--most-seconds", type=float, default=40.0, metavar="S",
                   help="that these tests may take (40)")
    p.add_argument("--minutes", type=float, default=float("inf"), metavar="M",
                   help="begin no mutant later than that")
    p.add_argument("--json", metavar="FILE", help="write all verdicts there")
    p.add_argument("--loud", action="store_true", help="show what pytest says")
    return p.parse_args(argv)


def drawn(found, count, seed):
    """A sample, as evenly over files and operators as it goes; in the order of `found`."""
    cells, rng = defaultdict(list), random.Random(seed)
    for m in found:
        cells[m.file, m.operator].append(m)
    for members in cells.values():
        rng.shuffle(members)
    order = list(cells)
    chosen = set()
    while len(chosen) < count and any(cells.values()):
        rng.shuffle(order)
        for cell in order:
            if cells[cell] and len(chosen) < count:
                chosen.add(cells[cell].pop().key)
    return [m for m in found if m.key in chosen]


def wanted(a):
    found = [m for file in targets() if not a.files or a.files in file for m in mutants(file)]
    if a.only or a.again:
        keys = a.only or [v["key"] for v in json.loads(Path(a.again).read_text())["verdicts"]
                          if v["how"] in ("survived", "untold")]
        by_key = {m.key: m for m in found}
        if missing := [k for k in keys if k not in by_key]:
            sys.exit("no such mutant: " + "\n".join(missing))
        return [by_key[k] for k in keys]
    return found if a.all else drawn(found, a.sample, a.seed)


def main(argv=None):
    a = arguments(argv)
    chosen = wanted(a)
    if a.list:
        print("\n".join([m.key for m in chosen]))
        return 0
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tqdm import tqdm

    from . import children, trial
    from .choose import Choice
    from .record import record

    children.prepare()
    choice = Choice(*record(a.jobs, a.record))
    known = [m for m in chosen if m.key in EQUIVALENT and not a.only]
    tried = [m for m in chosen if a.only or m.key not in EQUIVALENT]
    able = [m for m in tried if m.code() is not None]
    stages = (*trial.STAGES[:1], (a.most_tests, a.most_seconds))
    verdicts, by_key = [], {m.key: m for m in chosen}
    with tqdm(total=len(able), desc="mutants", disable=a.loud) as bar:
        random.Random(a.seed).shuffle(able)  # so that a part of them is a fair sample, too
        for v in trial.attempts(able, choice, a.jobs, stages, a.loud, a.minutes):
            verdicts.append(v)
            if not v.caught:
                bar.write(report.described(by_key[v.key], v))
            bar.update()
            bar.set_postfix(survived=sum([not v.caught for v in verdicts]), refresh=False)
    doubts = trial.doubtful(verdicts)
    rows = [(m.file, m.operator, "equivalent") for m in known]
    for v in verdicts:
        if v.key in doubts:
            v.how = "survived"
            print(f"{v.key}\n    doubtful: {v.by} fails without it, too")
        m = by_key[v.key]
        rows.append((m.file, m.operator, "caught" if v.caught else "survived"))
    if len(verdicts) < len(able):
        print(f"{len(able) - len(verdicts)} of {len(able)} were not tried")
    verdicts.sort(key=lambda v: (v.how, v.key))
    for v in verdicts if a.only else ():
        print(f"{v.key}\n    {v.how} {v.by} ({v.seconds:.1f} s)")
    print(report.table(rows))
    caught, survived, equivalent, percent = report.score(rows)
    how = Counter([v.how for v in verdicts])
    print(f"{caught} of {caught + survived} caught, {percent:.1f} % ({how['caught']} by a test "
          f"that fails, {how['import']} at import, {how['crash']} by a crash, {how['time']} by "
          f"time); {survived} survived; {equivalent} more are known to make no difference")
    if a.json:
        Path(a.json).write_text(json.dumps({
            "seed": a.seed, "caught": caught, "survived": survived, "equivalent": equivalent,
            "verdicts": [v.json() for v in verdicts]}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
