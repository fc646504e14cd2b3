"""`python benchmarks/run.py memory`: what calls, first results and imports take of memory, beside
the peers; table, results and plot."""
import argparse
import tempfile
from pathlib import Path

import report
import resident
import timing

from peers import compare, frameworks, plot, rounds, works
from peers.frameworks import Framework

# Memory that is let go goes back to the system at once, so that it shows when it is taken again;
# and pages are small.
LET_GO = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536",
          "NUMPY_MADVISE_HUGEPAGE": "0"}
MB = 1e6
SEEN = 1.0      # MB: a call that takes less is not told from one that takes nothing
SCALE = plot.Scale(lambda row, name: max(row["figures"][name]["median"], SEEN),
                   lambda value: amount(value),
                   f"MB; what stands at {SEEN:g} takes that or less", "", SEEN)
WORKS = tuple(work for work in works.WORKS if not (work.fresh and work.warm))
COLUMNS = list(frameworks.FRAMEWORKS)
COLUMNS.insert(2, Framework("symgrad-python", "its python", "with_symgrad", frameworks.SYMGRAD, (),
                            frameworks.SYMGRAD_CACHES, {"SYMGRAD_BACKEND": "python"}, ours=True))


def main(arguments=None) -> int:
    """Returns the exit status: 1 when symgrad could not do a work or gave other numbers."""
    options = parser().parse_args(arguments)
    if not resident.able():
        print("this suite reads /proc/self/smaps and clear_refs, which only Linux has")
        return 1
    options.known = WORKS
    core = timing.one_core(options.core)
    asked, columns = compare.chosen(options, WORKS, COLUMNS)

    facts = report.machine("none", core)
    facts["versions"] = frameworks.versions(COLUMNS)
    facts["backend"] = frameworks.BY_NAME["symgrad"].settings["SYMGRAD_BACKEND"]
    print(f"{facts['date']}  {facts['processor']}, Python {facts['python']}; MB, and in brackets "
          f"what f.memory says\n\n{head(columns)}", flush=True)
    everything = len(columns) == len(COLUMNS) and len(asked) == len(WORKS)
    folder = options.results or (compare.RESULTS if options.again or everything else None)
    earlier = compare.before(Path(folder), facts, True, "memory") if options.again else []
    rows = []
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as kept:
            for work in asked:
                rows.append(measure(work, columns, kept, options))
                print(line(rows[-1], columns), flush=True)
    except KeyboardInterrupt:
        print("interrupted: what follows is about the works above")
        folder = options.results
    print("\n" + legend(rows, columns))
    if folder:
        rows = [added(row, earlier) for row in rows]
        shown = COLUMNS if options.again else columns
        compare.save(Path(folder), facts, shown, compare.merged(earlier, rows), SCALE, "memory")
    else:
        print("\nnot saved: only a run of everything is; --results FOLDER saves this one there")
    return 1 if any("symgrad" in row["notes"] for row in rows) else 0


def measure(work, columns, kept: str, options) -> dict:
    """All frameworks' figures for a work, in MB, and notes on those that have none.

    The disk caches in the folder `kept` serve all calls; a first result has one that is empty.
    """
    told, figures, results = rounds.Measured(), {}, {}
    model = next((w.model for w in WORKS if w.name == work.of), None) if work.fresh else work.model
    for framework in columns:
        if not rounds.present(framework, model, told):
            continue
        try:
            figures[framework.name] = (fresh if work.fresh else calls)(
                work, framework, f"{kept}/{framework.name}", options, results)
        except rounds.Failed as failure:
            told.notes[framework.name] = str(failure)
    rounds.compare(results, told)
    for name in told.wrong:
        del figures[name]
    return {"name": work.name, "title": title(work), "unit": "MB", "fresh": work.fresh,
            "figures": figures, "notes": told.notes}


def title(work) -> str:
    """What the figures are, where they are not those of a call."""
    if not work.fresh:
        return work.title
    if work.of is None:
        return "a process that has imported it"
    return f"a process up to the first result of {work.of}"


def calls(work, framework, folder, options, results) -> dict:
    """The spread of what calls took, beyond arguments and parameters."""
    told = rounds.ask("peers.footprint", [",".join(framework.imports), work.name, "call"],
                      framework, folder, options.patience, **LET_GO)
    results[framework.name] = told["results"]
    spread = timing.Spread.of(told["calls"]).scaled(1 / MB)
    made = {"low": spread.low, "median": spread.median, "high": spread.high,
            "grown": told["grown"] / MB}
    if "predicted" in told:
        made["predicted"] = told["predicted"] / MB
    return made


def fresh(work, framework, folder, options, results) -> dict:
    """The most that a process holds up to its first result, or what it holds after the import."""
    found = []
    for _ in range(options.fresh):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
            words = [",".join(framework.imports), *([work.of, "first"] if work.of else [])]
            told = rounds.ask("peers.footprint", words, framework, empty, options.patience)
        found.append({word: value / MB for word, value in told.items()})
    spread = timing.Spread.of([one["peak" if work.of else "import"] for one in found])
    return {"low": spread.low, "median": spread.median, "high": spread.high,
            **{word: found[-1][word] for word in found[-1] if word != "peak"}}


def added(row: dict, earlier: list[dict]) -> dict:
    """A row with an earlier one's figures and notes for the frameworks that had no turn now."""
    old = next((e for e in earlier if e["name"] == row["name"]), {"figures": {}, "notes": {}})
    now = {*row["figures"], *row["notes"]}
    return row | {word: {k: v for k, v in old[word].items() if k not in now} | row[word]
                  for word in ("figures", "notes")}


# -- the table


def head(columns) -> str:
    return f"{'work':16}" + "".join(f"{f.title:>16}" for f in columns) + "  least"


def line(row: dict, columns) -> str:
    titles = {f.name: f.title for f in columns}
    cells = "".join(f"{cell(row, f.name):>16}" for f in columns)
    return f"{row['name']:16}{cells}  {titles.get(least(row), '')}".rstrip()


def cell(row: dict, name: str) -> str:
    """`17.8 (16)`"""
    told = row["figures"].get(name)
    if told is None:
        return "-"
    text = amount(told["median"])
    return f"{text} ({told['predicted']:.3g})" if "predicted" in told else text


def amount(value: float) -> str:
    return f"< {SEEN:g}" if value < SEEN else report.figure(value)


def least(row: dict) -> str | None:
    """Who takes least, if that is seen; symgrad's other backends do not take part."""
    shown = {name: told["median"] for name, told in row["figures"].items()
             if name == "symgrad" or not known(name).ours}
    low = sorted(shown, key=shown.get)[:2]
    return None if not low or shown[low[-1]] < SEEN else low[0]


def known(name: str) -> Framework:
    return next(f for f in COLUMNS if f.name == name)


def legend(rows: list[dict], columns) -> str:
    """What the works are, why there are dashes, and where a peer takes less."""
    titles = {f.name: f.title for f in columns}
    lines = [f"  {row['name']:16} {row['title']}" for row in rows] + [""]
    lines += [f"  - {titles[name]}, {row['name']}: {note}"
              for row in rows for name, note in row["notes"].items()]
    lost = [f"{row['name']} ({', '.join(titles[n] for n in better(row))})" for row in rows
            if better(row)]
    return "\n".join([*lines, "", "a peer takes less: " + (", ".join(lost) or "nowhere")])


def better(row: dict) -> dict[str, float]:
    """Peers that take less than symgrad, and how many times as much symgrad takes."""
    ours = row["figures"].get("symgrad", {}).get("median", 0)
    found = {name: ours / max(told["median"], SEEN) for name, told in row["figures"].items()
             if not known(name).ours}
    return {n: found[n] for n in sorted(found, key=found.get, reverse=True) if found[n] > 1}


def section(told: dict) -> str:
    """The README's table: what symgrad and the peers take, who takes less than symgrad, and on
    what it was measured."""
    titles = {n: t for n, t in told["frameworks"].items() if n == "symgrad" or not known(n).ours}
    rows = [row for row in told["works"] if "symgrad" in row["figures"]]
    seen = [row for row in rows
            if any(row["figures"][n]["median"] >= SEEN for n in titles if n in row["figures"])]
    lines = [f"| MB | {' | '.join(titles.values())} |", "|---|" + "---:|" * len(titles)]
    for row in seen:
        cells = [bold(row, name) for name in titles]
        lines.append(f"| {row['title'].replace('|', '&#124;')} | {' | '.join(cells)} |")
    lost = [f"* {row['title']}: " + ", ".join(f"{titles[n]} {times:.2g}"
                                              for n, times in better(row).items())
            for row in rows if better(row)]
    lines += ["", "Where a peer takes less than symgrad, and how many times as much symgrad takes:",
              "", *lost] if lost else ["", "No peer takes less than symgrad at any of these."]
    facts = told["machine"]
    return "\n".join([*lines, "", f"{facts['processor']}, {facts['date'][:10]}; versions as above. "
                      "The least is bold; a dash: not run, or there is nothing like it "
                      "(`python benchmarks/run.py memory`)."])


def bold(row: dict, name: str) -> str:
    if name not in row["figures"]:
        return "–"
    text = amount(row["figures"][name]["median"])
    return f"**{text}**" if name == least(row) else text


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="run.py memory", description="What calls, first results and imports take of memory "
        "(Linux): symgrad on each backend, NumPy by hand, JAX, torch, torch.compile, PyTensor and "
        "autograd.")
    made.add_argument("--only", default="*", metavar="WORK,...",
                      help="works whose name matches one of these, as in 'logistic*,chain'")
    made.add_argument("--frameworks", default="*", metavar="NAME,...",
                      help="columns: " + ", ".join(f.name for f in COLUMNS))
    made.add_argument("--without", metavar="NAME,...", help="columns to leave out")
    made.add_argument("--fresh", type=int, default=1,
                      help="fresh processes for each first result and import (1)")
    made.add_argument("--patience", type=float, default=150.0,
                      help="seconds for a process; then it is left out (150)")
    made.add_argument("--core", type=int, help="the core to run on (default: the highest)")
    made.add_argument("--again", action="store_true",
                      help="put these works and columns among those of an earlier run of "
                      "everything, with the same processor and versions")
    made.add_argument("--results", metavar="FOLDER",
                      help="where results go (benchmarks/results, for a run of everything)")
    return made
