"""What `ablate` found: rows that can be printed, saved, read again and compared."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

from symgrad.errors import ArgumentError
from symgrad.tools import ablate_page
from symgrad.tools.ablate_compare import regressions
from symgrad.tools.ablate_stats import SURE
from symgrad.tools.ablate_table import table

FORMAT = "symgrad ablation 1"
COLUMNS = (
    "function", "name", "kind", "passes", "backend", "used", "fired", "effect", "same",
    "ms.median", "ms.low", "ms.high", "ratio.median", "ratio.low", "ratio.high", "rounds",
    "compile_ms.median", "compile_ms.low", "compile_ms.high",
    "compile_ratio.median", "compile_ratio.low", "compile_ratio.high", "compile_effect",
    "nodes", "steps", "kernels", "bytes", "bytes_by", "memory", "error", "error_at", "error_ulp",
    "truth", "why",
)  # fmt: skip


@dataclass
class Ablation:
    """`rows`: one dict a variant; `machine`: where and when; `regressions`: sentences, None if it
    was not compared with an earlier report."""

    rows: list
    machine: dict
    regressions: list | None = None
    compared: dict = field(default_factory=dict)  # the machine of the earlier report

    def __str__(self):
        return table(self)

    def __add__(self, other):
        """Several functions in one report."""
        lists = [r for r in (self.regressions, other.regressions) if r is not None]
        return Ablation([*self.rows, *other.rows], self.machine,
                        [s for some in lists for s in some] if lists else None,
                        self.compared or other.compared)

    def row(self, name, function=None):
        """The row of a variant, by its name: ``a.row("-fuse")["effect"]``; KeyError if there is
        none."""
        for row in self.rows:
            if row["name"] == name and function in (None, row["function"]):
                return row
        raise KeyError(name)

    def compare(self, earlier):
        """Fill `regressions` from an earlier report, or its JSON file; returns them."""
        earlier = earlier if isinstance(earlier, Ablation) else read(earlier)
        self.regressions, self.compared = regressions(self.rows, earlier.rows), earlier.machine
        return self.regressions

    # -- files

    def to_json(self):
        """An object whose `rows` has one entry a variant, each on a line."""
        told = {"format": FORMAT, "machine": self.machine}
        if self.regressions is not None:
            told |= {"regressions": self.regressions, "compared": self.compared}
        text = json.dumps(_plain(told), indent=1, ensure_ascii=False).removesuffix("\n}")
        rows = ",\n  ".join([json.dumps(_plain(r), ensure_ascii=False) for r in self.rows])
        return f'{text},\n "rows": [\n  {rows}\n ]\n}}\n'

    def to_csv(self):
        """A line a variant; a spread is three columns."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            flat = dict(row)
            for key, value in row.items():
                if isinstance(value, dict):
                    flat |= {f"{key}.{word}": v for word, v in value.items()}
            writer.writerow(["" if flat.get(c) is None else flat[c] for c in COLUMNS])
        return text.getvalue()

    def to_html(self):
        """A page that needs nothing else."""
        return ablate_page.html(self)

    def save(self, file):
        """Write it as the file's ending says: .json, .csv, .html, .txt, or .png (which needs
        matplotlib).  Returns the path."""
        path = Path(file)
        texts = {".json": self.to_json, ".csv": self.to_csv, ".html": self.to_html,
                 ".txt": lambda: f"{self}\n"}
        if path.suffix == ".png":
            ablate_page.png(self, path)
        elif path.suffix in texts:
            path.write_text(texts[path.suffix](), encoding="utf-8")
        else:
            raise ArgumentError(f"ablate: the file {str(file)!r} must end in one of "
                                f"{', '.join([*texts, '.png'])}")
        return path


def read(file):
    """The `Ablation` in a JSON file; ArgumentError if there is none."""
    try:
        told = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ArgumentError(f"ablate: cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise ArgumentError(f"ablate: {file} is no report: {error}") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ArgumentError(f"ablate: {file} is no report of symgrad ablate "
                            f"(its 'format' must be {FORMAT!r})")
    rows = [{k: float(v) if v in ("inf", "nan", "-inf") else v for k, v in row.items()}
            for row in told["rows"]]
    return Ablation(rows, told["machine"], told.get("regressions"), told.get("compared", {}))


def _plain(value):
    """JSON has no infinity: it is written as a word."""
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


# -- the machine


def machine(core, rounds):
    """What a reader must know to compare figures with another run's."""
    packages = ("symgrad", "numpy", "scipy", "llvmlite")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "processor": _processor(),
        "core": core,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS") or "as the library likes",
        "clock": "processor time of the process",
        "rounds": rounds,
        "interval": f"holds the true median with {SURE:.0%} (8 rounds or more)",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.machine()
