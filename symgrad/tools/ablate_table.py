"""An `Ablation` as a table of text."""

from __future__ import annotations

import math

from symgrad.tools.ablate_stats import FAILED, NOTHING, SAME

HEAD = (f"{'without':34} {'us a call':>10} {'ratio':>7} {'interval':>13}  {'effect on time':18}"
        f"{'compile ms':>11} {'nodes':>6} {'steps':>6} {'kernels':>8} {'moved':>8} {'memory':>8} "
        f"{'error':>8}")
KINDS = {"full": "", "again": "", "all": "", "family": "families", "pass": "passes",
         "rule": "rules", "backend": "backends"}


def table(found):
    """All of it as text."""
    parts = [part(found.rows, name) for name in functions(found.rows)]
    return "\n\n".join([headline(found.machine), *parts, ending(found)])


def functions(rows):
    """The names of the functions that were looked at."""
    return list(dict.fromkeys([row["function"] for row in rows]))


def part(rows, name):
    """The rows of one function under one another.  What is equal to the whole's is a dot."""
    return "\n".join([name, HEAD, *_lines([row for row in rows if row["function"] == name])])


def ending(found):
    """How to read it, and what is worse than before."""
    if found.regressions is None:
        return LEGEND
    when = found.compared.get("date", "an earlier report")
    text = "\n".join([f"  {s}" for s in found.regressions]) or "  nothing is worse"
    return f"{LEGEND}\n\nbeside {when}:\n{text}"


USE = f"""\
A rule or pass that makes a call slower when it is left out is useful.  ratio: without it over the
whole, in turns; {NOTHING!r}: its interval is not wholly beyond what compiling the whole again
does ('full, again')."""
COLUMNS = """\
moved: bytes that the steps read and write in a call; memory: what it takes (f.memory);
error: the greatest of the results, relative, against long double.  A dot: as the whole."""
LEGEND = f"""\
{USE}  compile ms has a * where the same holds of the time for compiling.
{COLUMNS}"""


def headline(facts):
    """Two lines about machine and versions."""
    versions = ", ".join([f"{k} {v}" for k, v in facts["versions"].items() if v])
    core = "not pinned" if facts["core"] is None else f"core {facts['core']}"
    load = f", load {facts['load']}" if facts["load"] is not None else ""
    return (f"{facts['date']}  {facts['processor']}, {core}{load}\n"
            f"Python {facts['python']}, {versions}; {facts['clock']}, {facts['rounds']} rounds")


def _lines(rows):
    whole = next(row for row in rows if row["kind"] == "full")
    kind = "full"
    for row in sorted(rows, key=rank):
        if not row["used"] or row["effect"] == SAME:
            continue
        if KINDS[row["kind"]] != KINDS[kind]:
            yield f"  {KINDS[row['kind']]}"
        kind = row["kind"]
        yield line(row, whole)
    same = [row["name"].lstrip("-") for row in rows if row["effect"] == SAME]
    if same:
        yield from _wrapped(f"  same program without ({len(same)}): ", same)
    idle = [row for row in rows if not row["used"]]
    if idle:
        yield from _wrapped(f"  not used here ({len(idle)}): ", _idle(idle))


def _idle(rows):
    """Passes by name, rules by how many there are: a report as JSON, CSV or HTML names them."""
    found = [row["name"].lstrip("-") for row in rows if row["kind"] != "rule"]
    counts = {}
    for row in rows:
        if row["kind"] == "rule":
            first = row["name"].lstrip("-").partition(".")[0]
            counts[first] = counts.get(first, 0) + 1
    return [*found, *(f"{count} of {name}" for name, count in counts.items())]


def rank(row):
    """In order of kinds; rules by what they do, the greatest effect first."""
    kinds = list(KINDS)
    seen = row["effect"] in ("slower", "faster")
    ratio = row.get("ratio")
    size = -abs(math.log(ratio["median"])) if ratio and row["kind"] == "rule" else 0.0
    return kinds.index(row["kind"]), row["kind"] == "rule" and not seen, size


def line(row, whole):
    """One row; `whole` is the one that it is compared with."""
    name = row["name"]
    name = name if len(name) <= 34 else name[:33] + "…"
    if row["effect"] == FAILED:
        return f"{name:34} failed: {row['why']}"
    ms, ratio = row.get("ms"), row.get("ratio")
    time = figure(ms["median"] * 1e3) if ms else ""
    share = f"{ratio['median']:.2f}x" if ratio else ""
    around = f"{ratio['low']:.2f}..{ratio['high']:.2f}" if ratio else ""
    star = "*" if row.get("compile_effect") in ("slower", "faster") else " "
    cells = [f"{told(row, whole, key):>{width}}" for key, width in CELLS]
    return (f"{name:34} {time:>10} {share:>7} {around:>13}  {row['effect']:18}"
            f"{figure(row['compile_ms']['median']):>10}{star} {' '.join(cells)}").rstrip()


CELLS = (("nodes", 6), ("steps", 6), ("kernels", 8), ("bytes", 8), ("memory", 8), ("error", 8))


def told(row, whole, key):
    """A figure as text; a dot where it is the whole's."""
    value = row.get(key)
    if value is None:
        return "?"
    if row is not whole and value == whole.get(key):
        return "·"
    if key == "error":
        return f"{value:.0e}" if value else "0"
    return amount(value) if key in ("bytes", "memory") else str(value)


def figure(value):
    """Three digits or more, without an exponent."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def amount(value):
    """Bytes in a unit that leaves few digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 10_000 or unit == "GB":
            return f"{value:,.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return ""


def _wrapped(head, items, width=118):
    """Words on lines of some length, the first after `head`."""
    lines, indent = [head], " " * 6
    for word in ", ".join(items).split():
        if len(lines[-1]) + len(word) > width:
            lines.append(indent)
        lines[-1] += f"{word} "
    return [text.rstrip() for text in lines]
