"""The results as a picture: each peer's time over symgrad's, work by work."""
import importlib.util
from pathlib import Path

COLOURS = {"symgrad": "black", "symgrad-numpy": "grey"}


def draw(told: dict, path: Path) -> str:
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
    for number, (name, title) in enumerate(told["frameworks"].items()):
        points = [(row["figures"][name]["median"] / row["figures"]["symgrad"]["median"], place)
                  for place, row in enumerate(rows) if name in row["figures"]]
        if points:
            axes.scatter(*zip(*points, strict=True), s=42, label=title, zorder=3,
                         color=COLOURS.get(name, f"C{number}"),
                         marker="D" if name in COLOURS else "o")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}x"))
    axes.set_yticks(range(len(rows)), [label(row) for row in rows])
    axes.grid(axis="both", linewidth=0.3)
    axes.set_xlabel("time over symgrad's: to the right symgrad is faster, to the left slower")
    facts = told["machine"]
    axes.set_title(f"{facts['processor']}, one core, {facts['date'][:10]}", fontsize=9)
    axes.legend(fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.06), frameon=False)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return f" and {path}"


def label(row: dict) -> str:
    return f"{row['name']}  ({row['figures']['symgrad']['median']:.3g} {row['unit']})"
