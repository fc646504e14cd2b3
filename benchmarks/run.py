"""Time symgrad: `python benchmarks/run.py numpy`, or several suites; see README.md here.

`run.py peers`, `memory`, `ablation` and `readme` have options of their own (`run.py peers --help`).

A missed bound is printed as MISSED and changes nothing else: the exit status is 1 only when a work
could not run or gave wrong numbers.
"""
import argparse
import fnmatch
import importlib
import os
import sys
import traceback
from pathlib import Path

import report
import timing

# Suites by name: what the suite is, and the modules whose WORKS it runs.  They are imported on use,
# so that the core is pinned and BLAS told its threads before NumPy is loaded.
SUITES = {
    "numpy": ("training steps and a long chain, beside NumPy by hand",
              ("works.logistic", "works.mlp", "works.lenet", "works.chain")),
    "calls": ("calls with next to nothing to compute, beside NumPy by hand", ("works.calls",)),
    "rows": ("kernels over short rows, beside NumPy by hand and beside symgrad without fusion",
             ("works.rows",)),
    "compile": ("import, first result, time a node up to 50 k nodes", ("works.compile_time",)),
    "loops": ("scans: compile time, a step, memory with checkpoints", ("works.loops",)),
}

# Commands by name: each has a `main(arguments)` of its own.
COMMANDS = {
    "peers": ("the same works in NumPy, JAX, torch, PyTensor and autograd", "peers.compare"),
    "memory": ("peak memory of calls, first results and imports, beside the same", "peers.memory"),
    "ablation": ("what each rule is worth: the tables of docs/ablation.md", "ablation"),
    "readme": ("write the README's table from the peers' results", "peers.readme"),
}


def main(arguments=None) -> int:
    """Run the suites asked for, or a command; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        return importlib.import_module(COMMANDS[arguments[0]][1]).main(arguments[1:])
    options = parser().parse_args(arguments)
    core = timing.one_core(options.core)
    use_this_checkout()
    if options.backend:
        os.environ["SYMGRAD_BACKEND"] = options.backend

    facts = report.machine(options.clock, core)
    print(report.headline(facts))
    rows, broken = {}, []
    for suite in options.suites or SUITES:
        works = chosen(suite, options.only)
        if not works:
            continue
        print(f"\n{suite}: {SUITES[suite][0]}\n\n{report.HEAD}", flush=True)
        rows[suite] = []
        for work in works:
            try:
                for row in work.measure(options.seconds, options.clock):
                    rows[suite].append(row)
                    print(report.line(row), flush=True)
            except Exception:
                broken.append(work.name)
                print(f"{work.name:16} FAILED", flush=True)
                traceback.print_exc()
        print("\n" + "\n".join(f"  {work.name:16} {work.title}" for work in works))
    if options.json:
        report.save(options.json, facts, rows)
    print("\n" + summary(rows, broken))
    return 1 if broken else 0


def chosen(suite: str, pattern: str) -> list:
    """The suite's works whose name matches a shell pattern."""
    works = [w for name in SUITES[suite][1] for w in importlib.import_module(name).WORKS]
    return [w for w in works if fnmatch.fnmatch(w.name, pattern)]


def use_this_checkout() -> None:
    """Measure the symgrad beside this folder, in this process and in its children."""
    root = str(Path(__file__).resolve().parent.parent)
    sys.path.insert(1, root)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def summary(rows: dict, broken: list[str]) -> str:
    judged = [row for some in rows.values() for row in some if row.met is not None]
    missed = [row.work for row in judged if not row.met]
    text = f"{len(judged) - len(missed)} of {len(judged)} bounds met"
    text += f"; missed: {', '.join(missed)}" if missed else ""
    return text + (f"; failed: {', '.join(broken)}" if broken else "")


def known_suite(name: str) -> str:
    if name not in SUITES:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(SUITES)}")
    return name


def parser() -> argparse.ArgumentParser:
    suites = "\n".join(f"  {name:10} {what}" for name, (what, _) in SUITES.items())
    commands = "\n".join(f"  {name:10} {what}" for name, (what, _) in COMMANDS.items())
    made = argparse.ArgumentParser(description="Time symgrad.", epilog=f"suites:\n{suites}\n\n"
                                   f"alone, with options of their own:\n{commands}",
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("suites", nargs="*", type=known_suite, metavar="SUITE",
                      help="which suites (all of them if none is named)")
    made.add_argument("--only", default="*", metavar="NAME",
                      help="works whose name matches this shell pattern, as in 'logistic*'")
    made.add_argument("--seconds", type=float, default=1.5, help="time for each work (1.5)")
    made.add_argument("--clock", choices=sorted(timing.CLOCKS), default="cpu",
                      help="processor time (default) or wall time")
    made.add_argument("--core", type=int, help="the core to run on (default: the highest)")
    made.add_argument("--backend", metavar="NAME", help="symgrad's backend (its own choice)")
    made.add_argument("--json", metavar="FILE", help="also write the rows to a JSON file")
    return made


if __name__ == "__main__":
    sys.exit(main())
