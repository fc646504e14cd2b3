"""The results as a picture: what each framework took, work by work."""
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

COLOURS = {"symgrad": "black", "symgrad-numpy": "grey", "symgrad-python": "lightgrey"}


@dataclass(frozen=True)
class Scale:
    """What an axis shows: `value(row, name)` of a framework, `text` of symgrad's own figure,
    `label` of the axis, `unit` of its ticks, `line`: where a line stands."""

    value: Callable[[dict, str], float]
    text: Callable[[float], str]
    label: str
    unit: str
    line: float


TIMES = Scale(lambda row, name: (row["figures"][name]["median"]
                                 / row["figures"]["symgrad"]["median"]), "{:.3g}".format,
              "time over symgrad's: to the right symgrad is faster, to the left slower", "x", 1)


def draw(told: dict, path: Path, scale: Scale = TIMES) -> str:
    """Write a PNG; returns what to print about it."""
    if importlib.util.find_spec("matplotlib") is None:
        return "; no plot: matplotlib is missing"
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    rows = [row for row in told["works"] if "symgrad" in row["figures"]][::-1]
    if not rows:
        return "; no plot: symgrad has no figure"
    figure, axes = pyplot.subplots(figsize=(9, 1.6 + 0.42 * len(rows)), layout="constrained")
    peers = [name for name in told["frameworks"] if name not in COLOURS]
    for name, title in told["frameworks"].items():
        points = [(scale.value(row, name), place)
                  for place, row in enumerate(rows) if name in row["figures"]]
        if points:
            axes.scatter(*zip(*points, strict=True), s=42, label=title, zorder=3,
                         color=COLOURS.get(name) or f"C{peers.index(name)}",
                         marker="D" if name in COLOURS else "o")
    axes.axvline(scale.line, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}{scale.unit}"))
    axes.set_yticks(range(len(rows)), [label(row, scale) for row in rows])
    axes.grid(axis="both", linewidth=0.3)
    axes.set_xlabel(scale.label)
    facts = told["machine"]
    axes.set_title(f"{facts['processor']}, one core, {facts['date'][:10]}", fontsize=9)
    axes.legend(fontsize=8, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.06), frameon=False)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return f" and {path}"


def label(row: dict, scale: Scale) -> str:
    return f"{row['name']}  ({scale.text(row['figures']['symgrad']['median'])} {row['unit']})"
