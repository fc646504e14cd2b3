"""`python benchmarks/run.py peers`: measure, print the table, write results and plot."""
import argparse
import fnmatch
import json
from pathlib import Path

import report
import timing

from peers import frameworks, plot, rounds, table, works

RESULTS = Path(__file__).resolve().parent.parent / "results"


def main(arguments=None) -> int:
    """Returns the exit status: 1 when symgrad could not do a work or gave other numbers."""
    options = parser().parse_args(arguments)
    core = timing.one_core(options.core)
    options.known = works.WORKS
    asked, columns = chosen(options, works.WORKS, frameworks.FRAMEWORKS)
    if options.backend:
        frameworks.BY_NAME["symgrad"].settings["SYMGRAD_BACKEND"] = options.backend

    facts = report.machine(options.clock, core)
    facts["versions"] = frameworks.versions(columns)
    facts["backend"] = frameworks.BY_NAME["symgrad"].settings["SYMGRAD_BACKEND"]
    print(f"{report.headline(facts)}\nsymgrad's backend: {facts['backend']}\n")
    print(table.head(columns), flush=True)
    every_column = len(columns) == len(frameworks.FRAMEWORKS)
    everything = len(asked) == len(works.WORKS) and every_column
    folder = options.results or (RESULTS if everything or options.again else None)
    earlier = before(Path(folder), facts, every_column) if options.again else []
    rows = []
    try:
        for work in asked:
            measure = rounds.measure_fresh if work.fresh else rounds.measure
            rows.append(table.row(work, measure(work, columns, options)))
            print(table.line(rows[-1], columns), flush=True)
    except KeyboardInterrupt:
        print("interrupted: what follows is about the works above")
        folder = options.results
    print("\n" + table.legend(rows, columns))
    if folder:
        save(Path(folder), facts, columns, merged(earlier, rows))
    else:
        print("\nnot saved: only a run of everything is; --results FOLDER saves this one there")
    failed = [row["name"] for row in rows if "symgrad" in row["notes"]]
    return 1 if failed else 0


def chosen(options, known, columns) -> tuple[list, list]:
    """The works and the columns that were asked for."""
    without = named(options.without, columns) if options.without else ()
    return (named(options.only, known),
            [f for f in named(options.frameworks, columns) if f not in without])


def named(patterns: str, things) -> list:
    """The things whose name matches one of several shell patterns with commas between."""
    wanted = patterns.split(",")
    for pattern in wanted:
        if not any(fnmatch.fnmatchcase(thing.name, pattern) for thing in things):
            known = ", ".join(thing.name for thing in things)
            raise SystemExit(f"nothing is called {pattern!r}; there are {known}")
    return [t for t in things if any(fnmatch.fnmatchcase(t.name, p) for p in wanted)]


def before(folder: Path, facts: dict, every_column: bool, name: str = "peers") -> list[dict]:
    """The rows of an earlier run of the same processor, Python, versions and columns."""
    told = json.loads((folder / f"{name}.json").read_text())
    for word in ("processor", "python", "clock", "versions", "backend"):
        if told["machine"][word] != facts[word]:
            raise SystemExit(f"--again: {folder} is of another {word}: {told['machine'][word]}")
    if not every_column:
        raise SystemExit("--again: every column is needed")
    return told["works"]


def merged(earlier: list[dict], rows: list[dict]) -> list[dict]:
    """New rows in the place of those of the same works, in the works' order."""
    known = {row["name"]: row for row in [*earlier, *rows]}
    return [known[work.name] for work in works.WORKS if work.name in known]


def save(folder: Path, facts: dict, columns, rows: list[dict], scale=plot.TIMES,
         name: str = "peers") -> None:
    """Write `peers.json` (what was measured) and `peers.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"machine": facts, "frameworks": {f.name: f.title for f in columns}, "works": rows}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(f"\nwrote {path}" + plot.draw(told, path.with_suffix(".png"), scale))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="run.py peers", description="Time symgrad beside NumPy by hand, JAX, torch, "
        "torch.compile, PyTensor and autograd (pip install -e '.[bench]').")
    made.add_argument("--only", default="*", metavar="WORK,...",
                      help="works whose name matches one of these, as in 'logistic*,chain'")
    made.add_argument("--frameworks", default="*", metavar="NAME,...",
                      help="columns: " + ", ".join(frameworks.BY_NAME))
    made.add_argument("--without", metavar="NAME,...",
                      help="columns to leave out, as in torch.compile, which is slow to compile")
    made.add_argument("--rounds", type=int, default=15, help="rounds at least (15)")
    made.add_argument("--seconds", type=float, default=10.0,
                      help="time for the rounds of a work, all frameworks together (10)")
    made.add_argument("--round-ms", type=float, default=20.0,
                      help="a framework's turn in a round, at least (20 ms)")
    made.add_argument("--fresh", type=int, default=5,
                      help="fresh processes for each first result and import (5)")
    made.add_argument("--patience", type=float, default=150.0,
                      help="seconds for a framework to get ready; then it is left out (150)")
    made.add_argument("--clock", choices=sorted(timing.CLOCKS), default="cpu",
                      help="processor time (default) or wall time")
    made.add_argument("--core", type=int, help="the core to run on (default: the highest)")
    made.add_argument("--backend", metavar="NAME", help="symgrad's backend (its own choice)")
    made.add_argument("--again", action="store_true",
                      help="put these works' rows among those of an earlier run of everything, "
                      "with the same processor and versions")
    made.add_argument("--results", metavar="FOLDER",
                      help="where results go (benchmarks/results, for a run of everything)")
    return made
