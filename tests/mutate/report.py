"""What came of it, as text: a table, the score, the survivors."""

from __future__ import annotations

from collections import Counter

from .targets import ROOT


def table(rows):
    """``caught / tried`` by file and operator; `rows`: (file, operator, how) where how is 'caught',
    'survived' or 'equivalent'."""
    operators = sorted({o for _, o, _ in rows})
    files = list(dict.fromkeys(f for f, _, _ in sorted(rows)))
    cells = Counter()
    for file, operator, how in rows:
        for key in ((file, operator), (file, ""), ("all", operator), ("all", "")):
            cells[key, how] += 1
    width = max([len(f) for f in files], default=3)
    lines = ["  ".join([" " * width, *[f"{o:>10}" for o in (*operators, "all")]])]
    for file in (*files, "all"):
        words = [f"{_cell(cells, (file, o)):>10}" for o in (*operators, "")]
        lines.append("  ".join([f"{file:<{width}}", *words]))
    return "\n".join([line.rstrip() for line in lines])


def _cell(cells, key):
    caught, survived = cells[key, "caught"], cells[key, "survived"]
    return f"{caught}/{caught + survived}" if caught + survived else "."


def score(rows):
    """(caught, survived, equivalent, percent of those that are not equivalent)."""
    count = Counter(how for _, _, how in rows)
    tried = count["caught"] + count["survived"]
    return count["caught"], count["survived"], count["equivalent"], 100 * count["caught"] / max(
        tried, 1)


def described(mutant, verdict=None):
    """A mutant in some lines: its key, the source line, what it became."""
    line = (ROOT / mutant.file).read_text().splitlines()[mutant.line - 1].strip()
    lines = [mutant.key, f"    {mutant.file}:{mutant.line}: {line}",
             f"    {mutant.before}  =>  {mutant.after}"]
    if verdict is not None:
        lines.append(f"    {verdict.how} ({verdict.tests} tests, {verdict.seconds:.0f} s)")
    return "\n".join(lines)
