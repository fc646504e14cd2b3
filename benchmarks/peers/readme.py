"""`python benchmarks/run.py readme`: the README's tables of time and memory, from the results."""
import argparse
import json
from pathlib import Path

from report import figure

from peers import memory
from peers.compare import RESULTS
from peers.table import SCALE

ROOT = Path(__file__).resolve().parent.parent.parent


def main(arguments=None) -> int:
    """Write each table between its two markers; returns the exit status."""
    options = parser().parse_args(arguments)
    path = Path(options.file)
    text = path.read_text()
    for name, made in {"peers": section, "memory": memory.section}.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            print(f"{path} needs the lines {begin} and {end}, once each and in that order")
            return 1
        told = json.loads(Path(options.results, f"{name}.json").read_text())
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{made(told)}\n{end}{rest.split(end)[1]}"
    path.write_text(text)
    print(f"wrote the tables into {path}")
    return 0


def section(told: dict) -> str:
    """The table, who wins where symgrad does not, and on what it was measured."""
    titles = {name: title for name, title in told["frameworks"].items() if name != "symgrad-numpy"}
    rows = [row for row in told["works"] if "symgrad" in row["figures"]]
    lines = [f"| | {' | '.join(titles.values())} |", "|---|" + "---:|" * len(titles)]
    lines += [f"| {row['title'].replace('|', '&#124;')} | "
              f"{' | '.join(cell(row, name) for name in titles)} |" for row in rows]
    facts = told["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return "\n".join([*lines, "", losses(rows, titles), "",
                      f"Medians on one core of an {facts['processor']}, {facts['date'][:10]}, "
                      f"Python {facts['python']}, {packages}. The fastest is bold; a dash: not "
                      "run, or there is nothing like it (`python benchmarks/run.py peers`)."])


def cell(row: dict, name: str) -> str:
    """A time with its unit, bold for the fastest of the row."""
    told = row["figures"].get(name)
    if told is None:
        return "–"
    shown = [n for n in row["figures"] if n != "symgrad-numpy"]
    text = duration(told["median"] / SCALE[row["unit"]])
    least = min(shown, key=lambda n: row["figures"][n]["median"])
    return f"**{text}**" if name == least else text


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    unit = "us" if seconds < 1e-3 else "ms" if seconds < 1 else "s"
    return f"{figure(seconds * SCALE[unit])} {unit}"


def losses(rows: list[dict], titles: dict[str, str]) -> str:
    """A line on every work in which somebody is faster than symgrad."""
    told = []
    for row in rows:
        ours = row["figures"]["symgrad"]["median"]
        faster = {n: ours / row["figures"][n]["median"] for n in titles if n in row["figures"]}
        winners = [f"{titles[n]} {times(faster[n])}"
                   for n in sorted(faster, key=faster.get, reverse=True) if faster[n] > 1]
        told += [f"* {row['title']}: {', '.join(winners)}"] if winners else []
    if not told:
        return "No peer is faster than symgrad at any of these."
    return "Where a peer is faster than symgrad, and how many times as fast:\n\n" + "\n".join(told)


def times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="run.py readme", description="Write the README's tables.")
    made.add_argument("--file", default=str(ROOT / "README.md"), help="where to (README.md)")
    made.add_argument("--results", default=str(RESULTS), metavar="FOLDER",
                      help="where peers.json and memory.json are (benchmarks/results)")
    return made
