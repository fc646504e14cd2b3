"""Rows of figures, the table they are printed in, and the facts about the machine."""
import importlib.metadata
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from timing import Spread


@dataclass(frozen=True)
class Row:
    """One figure: what symgrad took, what the reference took (if any), and what is asked.

    `at_most` bounds the ratio where there is a reference, else the figure; None asks nothing.
    """

    work: str
    unit: str
    symgrad: Spread
    reference: Spread | None = None
    ratio: Spread | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the median keeps its bound; None where there is no bound."""
        judged = self.ratio or self.symgrad
        return None if self.at_most is None else judged.median <= self.at_most

    def as_dict(self) -> dict:
        return asdict(self) | {"met": self.met}


HEAD = (f"{'work':16} {'symgrad':>8} {'quartiles':>15} {'by hand':>8}  {'':3}"
        f"{'ratio':>6} {'quartiles':>11} {'at most':>8}  result")


def line(row: Row) -> str:
    """A row as a line of the table."""
    reference = figure(row.reference.median) if row.reference else ""
    ratio = f"{row.ratio.median:.2f}" if row.ratio else ""
    around = f"{row.ratio.low:.2f}..{row.ratio.high:.2f}" if row.ratio else ""
    bound = "" if row.at_most is None else (f"{row.at_most:.2f} x" if row.ratio else
                                            f"{row.at_most:g} {row.unit}")
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    spread = f"{figure(row.symgrad.low)}..{figure(row.symgrad.high)}"
    text = (f"{row.work:16} {figure(row.symgrad.median):>8} {spread:>15} {reference:>8}  "
            f"{row.unit:3}{ratio:>6} {around:>11} {bound:>8}  {verdict}").rstrip()
    return text + (f"  ({row.note})" if row.note else "")


def figure(value: float) -> str:
    """Three digits or more, without an exponent."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def machine(clock: str, core: int | None) -> dict:
    """What a reader must know to compare figures with another run's."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "processor": _processor(),
        "core": core,
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "clock": clock,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("symgrad", "numpy", "scipy", "llvmlite")},
    }


def headline(facts: dict) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items() if v)
    pinned = "not pinned" if facts["core"] is None else f"core {facts['core']}"
    load = f", load {facts['load'][0]:.1f}" if facts["load"] else ""
    return (f"{facts['date']}  {facts['processor']}, {pinned}{load}\n"
            f"Python {facts['python']}, {versions}; one thread, {facts['clock']} time, medians")


def save(path: str, facts: dict, rows: dict[str, list[Row]]) -> None:
    """Write everything to a JSON file: `machine`, and `rows` with one entry a row and its suite."""
    flat = [{"suite": suite, **row.as_dict()} for suite, some in rows.items() for row in some]
    Path(path).write_text(json.dumps({"machine": facts, "rows": flat}, indent=1) + "\n")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.machine()
