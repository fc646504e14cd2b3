"""What was measured as rows: who is fastest, what was asked, and the table on the terminal."""
from dataclasses import asdict

from report import figure
from timing import Spread, ratios

from peers import frameworks
from peers.rounds import Measured

SCALE = {"us": 1e6, "ms": 1e3, "s": 1.0}


def row(work, measured: Measured) -> dict:
    """Everything about one work, as it is saved.  Times are in its unit."""
    figures = {name: asdict(Spread.of(seconds).scaled(SCALE[work.unit]))
               | {"rounds": len(seconds)} for name, seconds in measured.seconds.items()}
    made = {"name": work.name, "title": work.title, "unit": work.unit, "figures": figures,
            "notes": measured.notes, "faster": work.faster, "at_most": work.at_most,
            "best": best(work, figures), "times_as_fast": None}
    if made["best"] and "symgrad" in figures:
        made["times_as_fast"] = asdict(advantage(
            measured.seconds[made["best"]], measured.seconds["symgrad"]))
    return made


def best(work, figures: dict) -> str | None:
    """The fastest peer, of those that count here."""
    peers = [name for name in figures
             if not frameworks.BY_NAME[name].ours and name not in work.apart]
    return min(peers, key=lambda name: figures[name]["median"], default=None)


def advantage(peer: list[float], ours: list[float]) -> Spread:
    """How many times as fast we are: round by round where both had the same rounds."""
    if len(peer) == len(ours):
        return ratios(peer, ours)
    return Spread.of([Spread.of(peer).median / Spread.of(ours).median])


def head(columns) -> str:
    cells = "".join(f"{f.title:>15}" for f in columns)
    return f"{'work':16}{cells}    {'symgrad beside the best peer':30}  {'at most':>8}"


def line(row: dict, columns) -> str:
    """A row as a line of the table; ± is half the distance between the quartiles."""
    cells = "".join(f"{cell(row, f.name):>15}" for f in columns)
    return f"{row['name']:16}{cells} {row['unit']:2} {beside(row):30}  {bound(row)}".rstrip()


def cell(row: dict, name: str) -> str:
    told = row["figures"].get(name)
    if told is None:
        return "-"
    around = 50 * (told["high"] - told["low"]) / told["median"]
    return f"{figure(told['median'])} ±{around:.0f}%"


def beside(row: dict) -> str:
    """`2.1x (2.0..2.2) of 4x  MISSED`"""
    told, wanted = row["times_as_fast"], row["faster"]
    if told is None:
        return ""
    text = f"{told['median']:.2f}x ({told['low']:.2f}..{told['high']:.2f})"
    if wanted is None:
        return text
    return f"{text} of {wanted:g}x {'met' if told['median'] >= wanted else 'MISSED'}"


def bound(row: dict) -> str:
    """`4  met`"""
    ours = row["figures"].get("symgrad")
    text = f"{row['at_most']:>8g}"
    return text if ours is None else (
        f"{text} {'met' if ours['median'] <= row['at_most'] else 'MISSED'}")


def legend(rows: list[dict], columns) -> str:
    """What the works are, why there are dashes, and what was missed."""
    lines = [f"  {row['name']:16} {row['title']}" for row in rows]
    notes: dict[tuple[str, str], list[str]] = {}
    for told in rows:
        for name, note in told["notes"].items():
            notes.setdefault((name, note), []).append(told["name"])
    titles = {f.name: f.title for f in columns}
    lines += ["", *(f"  - {titles[name]}, {', '.join(where)}: {note}"
                    for (name, note), where in notes.items())] if notes else []
    lost = [f"{row['name']} ({titles[row['best']]})" for row in rows
            if row["times_as_fast"] and row["times_as_fast"]["median"] < 1]
    lines += ["", "a peer wins: " + (", ".join(lost) or "nowhere")]
    return "\n".join(lines)
