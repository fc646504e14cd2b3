"""`python benchmarks/run.py ablation`: ablate the bundled models, and write the tables of
docs/ablation.md.

`--from FILE` writes them from a report that there is, and runs nothing.
"""
import argparse
import ast
import json
import math
import sys
from pathlib import Path

from report import figure

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- ablation: begin -->", "<!-- ablation: end -->"
SEEN = ("slower", "faster")
COUNTED = ("bytes", "memory", "kernels", "steps")
MANY = 3  # models that must use a rule before one says that it does nothing


def main(arguments=None) -> int:
    """Run it, or read a report; returns the exit status."""
    options = parser().parse_args(arguments)
    file = options.source
    if file is None:
        sys.path.insert(1, str(ROOT))
        from symgrad.tools import cli
        file = options.results / "ablation.json"
        words = ["ablate", *options.models, f"--rounds={options.rounds}", f"--json={file}",
                 f"--png={options.picture}"]
        if cli.main(words):
            return 1
        from symgrad.tools.ablate_report import read
        report = read(file)  # what a model does not use is left out: it is most of the rows
        report.rows = [row for row in report.rows if row["used"]]
        report.save(file)
    told = json.loads(file.read_text())
    text = options.page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        print(f"{options.page} needs the lines {BEGIN} and {END}, once each and in that order")
        return 1
    before, rest = text.split(BEGIN)
    options.page.write_text(f"{before}{BEGIN}\n{section(told)}\n{END}{rest.split(END)[1]}")
    print(f"wrote the tables into {options.page}")
    return 0


def section(told: dict) -> str:
    """All tables."""
    rows, facts = told["rows"], told["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return "\n\n".join([
        f"{facts['date']}, {facts['processor']}, one core, load {facts['load']}; {packages}; "
        f"{facts['rounds']} rounds.",
        models(rows), units(rows, ("all", "family", "pass"), "pass or family"),
        units(rows, ("rule",), "rule", only_seen=True), saviours(rows), ranking(rows)])


# -- tables


def models(rows: list) -> str:
    """A line a model: the whole, and what the great choices do."""
    lines = ["| model | a call | noise | all off | no fusion | numpy | python | error | all off |",
             "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for name in names(rows):
        own = {row["name"]: row for row in rows if row["function"] == name}
        full, none = own["full"], own["none"]
        ratios = [ratio(own.get(key)) for key in ("none", "-fuse", "numpy", "python")]
        lines.append(f"| {name} | {figure(full['ms']['median'] * 1e3)} us | "
                     f"±{100 * (own['full, again']['noise'] - 1):.1f} % | {' | '.join(ratios)} | "
                     f"{error(full)} | {error(none)} |")
    return "\n".join([*lines, "", "\n".join(f"* **{n}**: {title(n)}" for n in names(rows))])


def units(rows: list, kinds: tuple, head: str, only_seen=False) -> str:
    """A line a pass or rule: how many models use it, what leaving it out does to their time, and
    what else it does."""
    lines = [f"| {head} | used in | slower without | faster without | mean ratio | greatest | "
             "compiles slower, faster without | saves bytes | saves memory |",
             "|---|---:|---:|---:|---:|---|---:|---:|---:|"]
    found = []
    for name in dict.fromkeys(row["name"] for row in rows if row["kind"] in kinds):
        own = [row for row in rows if row["name"] == name and row["used"]]
        if not own or only_seen and not any(row["effect"] in SEEN for row in own):
            continue
        counts = [sum(row["effect"] == word for row in own) for word in SEEN]
        compiles = [sum(row.get("compile_effect") == word for row in own) for word in SEEN]
        saves = [sum(more(row, whole(rows, row), key) for row in own) for key in COUNTED[:2]]
        seen = [row for row in own if row["effect"] in SEEN]
        best = max(seen, key=lambda row: abs(log_ratio(row)), default=None)
        greatest = f"{ratio(best)} {best['function']}" if best else ""
        found.append((-value(own), f"| `{name}` | {len(own)} | {counts[0] or ''} | "
                      f"{counts[1] or ''} | {math.exp(mean(own)):.2f}x | {greatest} | "
                      f"{compiles[0]}, {compiles[1]} | {saves[0] or ''} | {saves[1] or ''} |"))
    order = sorted(found, key=lambda pair: pair[0]) if only_seen else found
    return "\n".join([*lines, *(text for _, text in order)])


def saviours(rows: list) -> str:
    """Rules without which a value is lost."""
    lost = {}
    for row in rows:
        if row["kind"] == "rule" and row["used"] and wrong(row) and not wrong(whole(rows, row)):
            lost.setdefault(row["name"], []).append(row["function"])
    if not lost:
        return "No rule alone saves a value."
    items = [f"`{name}` ({', '.join(some)})" for name, some in lost.items()]
    return f"Without one of these a value is infinite, not a number, or has no right digit: " \
           f"{'; '.join(items)}."


def ranking(rows: list) -> str:
    """The rules that are worth most, and those that fire often and do nothing that is seen."""
    useful, idle, same = [], [], []
    for name in dict.fromkeys(row["name"] for row in rows if row["kind"] == "rule"):
        own = [row for row in rows if row["name"] == name and row["used"]]
        if value(own) > 0:
            useful.append((value(own), name))
        if len(own) < MANY:
            continue
        if all(row["effect"] == "same program" for row in own):
            same.append(name)
        elif not any(matters(row, whole(rows, row)) for row in own):
            idle.append(name)
    best = ", ".join(f"`{name}`" for _, name in sorted(useful, reverse=True)[:3])
    return (f"**Most useful** (time, over all models): {best}.\n\n"
            f"**Used by {MANY} models or more, and nothing seen in any** of time, compile time, "
            f"bytes, memory, steps, kernels and error: {listed(idle)}.\n\n"
            f"**Used by {MANY} models or more, and the program is always the same without:** "
            f"{listed(same)} (others do their work, or it is undone later).")


# -- figures


def names(rows: list) -> list:
    return list(dict.fromkeys(row["function"] for row in rows))


def title(name: str) -> str:
    """The first line of a model's docstring."""
    file = ROOT / "benchmarks" / "models" / f"{name}.py"
    return ast.get_docstring(ast.parse(file.read_text())).split("\n")[0] if file.exists() else ""


def whole(rows: list, row: dict) -> dict:
    return next(r for r in rows if r["function"] == row["function"] and r["kind"] == "full")


def log_ratio(row: dict) -> float:
    return math.log(row["ratio"]["median"]) if row.get("ratio") else 0.0


def mean(own: list) -> float:
    return sum(map(log_ratio, own)) / len(own)


def value(own: list) -> float:
    """The sum of the effects that are seen, in logarithms."""
    return sum(log_ratio(row) for row in own if row["effect"] in SEEN)


def ratio(row: dict | None) -> str:
    if row is None or not row.get("ratio"):
        return "failed" if row and row.get("why") else "same" if row and row["used"] else "–"
    middle = row["ratio"]["median"]
    text = f"{middle:,.0f}x" if middle >= 10 else f"{middle:.2f}x"
    return f"**{text}**" if row["effect"] in SEEN else text


def error(row: dict) -> str:
    found = float(row.get("error", "nan"))
    return f"{found:.0e}" if found else "0"


def wrong(row: dict) -> bool:
    return not float(row.get("error", 0.0)) < 0.1


def more(row: dict, full: dict, key: str) -> bool:
    return (row.get(key) or 0) > (full.get(key) or 0)


def matters(row: dict, full: dict) -> bool:
    """Whether anything at all is worse without it."""
    if row["effect"] == "slower" or row.get("compile_effect") == "slower" or row.get("why"):
        return True
    return any(more(row, full, key) for key in COUNTED) or (
        float(row.get("error", 0.0)) > 2 * float(full.get("error", 0.0)))


def listed(items: list) -> str:
    return ", ".join(f"`{name.lstrip('-')}`" for name in items) or "none"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="run.py ablation", description=__doc__)
    made.add_argument("models", nargs="*", default=["all"], metavar="MODEL", help="default: all")
    made.add_argument("--from", dest="source", type=Path, metavar="FILE",
                      help="write the tables from this report, run nothing")
    made.add_argument("--rounds", type=int, default=15)
    made.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results",
                      metavar="FOLDER")
    made.add_argument("--picture", type=Path, default=ROOT / "docs" / "images" / "ablation.png",
                      metavar="FILE")
    made.add_argument("--page", type=Path, default=ROOT / "docs" / "ablation.md", metavar="FILE")
    return made
