"""`python benchmarks/run.py readme`: the README's performance table, from results/peers.json."""
import argparse
import json
from pathlib import Path

from report import figure

from peers.compare import RESULTS
from peers.table import SCALE

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"
ROOT = Path(__file__).resolve().parent.parent.parent


def main(arguments=None) -> int:
    """Write the table between the two markers; returns the exit status."""
    options = parser().parse_args(arguments)
    told = json.loads(Path(options.results, "peers.json").read_text())
    path = Path(options.file)
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        print(f"{path} needs the lines {BEGIN} and {END}, once each and in that order")
        return 1
    before, rest = text.split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{section(told)}\n{END}{rest.split(END)[1]}")
    print(f"wrote the table into {path}")
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
    made = argparse.ArgumentParser(prog="run.py readme", description="Write the performance table.")
    made.add_argument("--file", default=str(ROOT / "README.md"), help="where to (README.md)")
    made.add_argument("--results", default=str(RESULTS), metavar="FOLDER",
                      help="where peers.json is (benchmarks/results)")
    return made
