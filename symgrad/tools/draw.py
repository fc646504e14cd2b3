"""Pictures of graphs: rows by depth, coloured by kind; SVG is written here, PNG by matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from symgrad.errors import ArgumentError
from symgrad.extras import need
from symgrad.graph import metrics, to_networkx
from symgrad.node import Node
from symgrad.tools.layout import layout

# kind of node or step -> fill, border
COLOURS = {
    "input": ("#dbeafe", "#2563eb"),
    "shared": ("#e0e7ff", "#4338ca"),
    "const": ("#f3f4f6", "#6b7280"),
    "elementwise": ("#dcfce7", "#15803d"),
    "reduction": ("#fef3c7", "#b45309"),
    "contract": ("#fee2e2", "#b91c1c"),
    "view": ("#fafaf9", "#a8a29e"),
    "gather": ("#ccfbf1", "#0f766e"),
    "scatter": ("#fae8ff", "#a21caf"),
    "composite": ("#ede9fe", "#6d28d9"),
    "source": ("#cffafe", "#0e7490"),
    "kernel": ("#dcfce7", "#15803d"),
}
OTHER = ("#e5e7eb", "#374151")
INK, FAINT, LINE = "#111827", "#6b7280", "#94a3b8"
SIZES = (12.5, 10.5, 10.5)  # of the lines of text in a box
LETTER = 0.6  # mean width of a letter, of its size
LONGEST = 40  # letters in a box
MARGIN, TOP, GAP = 24.0, 64.0, 44.0
LEAN = 10.0  # how far a line may stray while it passes a row: it must not touch the boxes beside it
WIDEST_PNG = 12_000  # pixels; larger pictures are scaled down


def draw(obj, file="graph.svg", stage="expression"):
    """Draw a variable, a list of variables, a compiled function or a graph from `to_networkx`.

    Data flows downwards.  A box shows name and op (with the numbers among its inputs) and the type;
    its colour is the kind; results have thick borders.  Arrows enter in the order of the operands,
    where that matters.  In the SVG, a box under the pointer tells the user's line.

    `file`: a path ending in ``.svg`` or ``.png`` (which needs matplotlib), or None.
    `stage`: ``"expression"``, ``"rewritten"`` or ``"plan"``; the last two need a function.
    Returns the path, or with ``file=None`` the SVG's text.  Raises `ArgumentError` for another
    ending, `MissingPackage` without matplotlib, and what `to_networkx` raises.

    >>> x = T.dvector("x"); draw(T.sum(T.exp(x) * 2), "exp.svg").name      # doctest: +SKIP
    'exp.svg'
    """
    path = None if file is None else Path(file)
    suffix = ".svg" if path is None else path.suffix.lower()
    if suffix not in (".svg", ".png"):
        raise ArgumentError(f"draw: the file {str(file)!r} must end in .svg or .png")
    graph = obj if hasattr(obj, "pred") else to_networkx(obj, stage)
    picture = Picture.of(graph)
    if path is None:
        return to_svg(picture)
    if suffix == ".png":
        to_png(picture, path)
    else:
        path.write_text(to_svg(picture), encoding="utf-8")
    return path


# -- what is to be drawn


@dataclass
class Box:
    """A rectangle with lines of text; `x`, `y` is its centre."""

    lines: tuple
    kind: str
    output: bool
    leaf: bool
    tooltip: str
    ordered: bool  # whether the order of the operands matters
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0

    @property
    def colours(self):
        return COLOURS.get(self.kind, OTHER)


@dataclass
class Picture:
    """Boxes, and lines that bend smoothly and end in an arrow: sequences of (x, y, dx / dy)."""

    title: str
    boxes: list
    lines: list
    width: float
    height: float

    @classmethod
    def of(cls, graph):
        """The picture of a graph with the attributes that `to_networkx` gives."""
        measures = metrics(graph)
        order = _inputs_first(graph)
        numbers = {v: _number(graph, v) for v in order}
        shown = [v for v in order if numbers[v] is None]
        at = {v: k for k, v in enumerate(shown)}
        edges = [(at[u], at[v]) for v in shown for u in _inputs(graph, v) if u in at]
        boxes = [_box(graph, v, [numbers[u] for u in _inputs(graph, v)]) for v in shown]
        places = layout([box.width for box in boxes], edges)
        rows = [0.0] * places.rows
        for box, row in zip(boxes, places.row, strict=True):
            rows[row] = max(rows[row], box.height)
        middles, y = [], TOP + MARGIN
        for height in rows:
            middles.append(y + height / 2)
            y += height + GAP
        legend = sum([swatch for _, swatch in _legend(boxes)]) + 2 * MARGIN
        title = f"{graph.graph.get('stage', 'graph')}: {measures}"
        width = max(places.width + 2 * MARGIN, legend, len(title) * 14 * LETTER + 2 * MARGIN)
        shift = (width - places.width) / 2
        for box, x, row in zip(boxes, places.x, places.row, strict=True):
            box.x, box.y = x + shift, middles[row]
        lines = _lines(boxes, edges, places.bends, middles, rows, shift)
        return cls(title, boxes, lines, width, y - GAP + MARGIN)


def _inputs(graph, v):
    return sorted(graph.pred[v], key=lambda u: graph.edges[u, v]["index"])


def _inputs_first(graph):
    """Vertices after their inputs, in the graph's own order where that will do."""
    order, seen = [], set()
    for root in graph:
        stack = [root]
        while stack:
            v = stack[-1]
            waiting = [u for u in _inputs(graph, v) if u not in seen] if v not in seen else []
            if waiting:
                stack.extend(reversed(waiting))
            else:
                stack.pop()
                if v not in seen:
                    seen.add(v)
                    order.append(v)
    return order


def _number(graph, v):
    """The text of a scalar constant, which is shown inside its users' boxes; else None."""
    row = graph.nodes[v]
    if row["kind"] != "const" or row["output"] or not isinstance(v, Node) or v.type.ndim:
        return None
    return row["label"]


def _box(graph, v, numbers):
    row = graph.nodes[v]
    leaf = not graph.pred[v] and row["kind"] in ("input", "const", "shared")
    first = row["kernel"] if "kernel" in row else row["label"]
    if any(numbers):
        first += f"({', '.join([text or '·' for text in numbers])})"
    if row["name"] and not leaf:
        first = f"{row['name']} = {first}"
    if row["updates"]:
        first = f"{row['updates']} ← {first}"
    lines = [first, row["type"]]
    if "kernel" in row and row["label"] not in first:
        lines.insert(1, row["label"])
    tooltip = [first, row["type"], row["kind"], f"{row['line']}   {row['code']}".strip()]
    if "kernel" in row:
        tooltip.insert(1, row["op"])
    lines = tuple([text if len(text) <= LONGEST else text[: LONGEST - 1] + "…" for text in lines])
    letters = [len(text) * size * LETTER for text, size in zip(lines, SIZES, strict=False)]
    height = 12.0 + sum([1.35 * size for _, size in zip(lines, SIZES, strict=False)])
    ordered = not leaf and isinstance(v, Node) and not v.op.facts.get("commutative")
    return Box(
        lines, row["kind"], row["output"], leaf, "\n".join([t for t in tooltip if t]), ordered,
        width=max(56.0, max(letters) + 22), height=height,
    )  # fmt: skip


def _lines(boxes, edges, bends, middles, heights, shift):
    """For each edge its line; where lines enter a box, they keep apart."""
    arriving = [[] for _ in boxes]
    for u, v in edges:
        bend = bends[u, v]
        arriving[v].append((bend[-1][0] + shift if bend else boxes[u].x, u))
    lines = []
    for v, comes in enumerate(arriving):
        box, room = boxes[v], boxes[v].width * 0.6
        for k, (_, u) in enumerate(comes if box.ordered else sorted(comes)):
            start = boxes[u].x, boxes[u].y + boxes[u].height / 2
            end = box.x + room * ((k + 0.5) / len(comes) - 0.5), box.y - box.height / 2
            around = [start, *[(x + shift, middles[row]) for x, row in bends[u, v]], end]
            line = [(*start, 0.0)]
            for j, (x, row) in enumerate(bends[u, v], 1):
                half = heights[row] / 2
                lean = half * _slope(*around[j - 1 : j + 2])
                lean = max(-LEAN, min(LEAN, lean))
                line.append((x + shift - lean, middles[row] - half, lean / half))
                line.append((x + shift + lean, middles[row] + half, lean / half))
            lines.append([*line, (*end, 0.0)])
    return lines


def _slope(a, b, c):
    """dx / dy at the middle one of three points: the lesser of both sides, none where they turn."""
    up, down = ((q[0] - p[0]) / (q[1] - p[1]) for p, q in ((a, b), (b, c)))
    return min(up, down, key=abs) if up * down > 0 else 0.0


def _legend(boxes):
    """(kind, width of its entry) for the kinds in a picture, in the order of `COLOURS`."""
    kinds = dict.fromkeys([k for k in COLOURS if any(b.kind == k for b in boxes)])
    kinds |= dict.fromkeys([b.kind for b in boxes])
    return [(kind, 34 + len(kind) * 11 * LETTER) for kind in kinds]


def _swatches(boxes):
    x = MARGIN
    for kind, width in _legend(boxes):
        yield kind, x, COLOURS.get(kind, OTHER)
        x += width


def _curve(points):
    """The control points of a line, three for each of its parts."""
    for (ax, ay, leaves), (bx, by, enters) in zip(points[:-1], points[1:], strict=True):
        reach = 0.45 * (by - ay)
        yield (ax + leaves * reach, ay + reach), (bx - enters * reach, by - reach), (bx, by)


# -- SVG


def to_svg(picture):
    """The picture as the text of an SVG file."""
    w, h = f"{picture.width:.0f}", f"{picture.height:.0f}"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
        'font-family="Helvetica, Arial, sans-serif">',
        f'<defs><marker id="arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" '
        f'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0,0.8 L8,4 L0,7.2 z" fill="{LINE}"/></marker></defs>',
        f'<rect width="{w}" height="{h}" fill="white"/>',
        _text(MARGIN, 30, 14, picture.title, INK, anchor="start", weight="bold"),
    ]
    for kind, x, (fill, border) in _swatches(picture.boxes):
        out.append(
            f'<rect x="{x:.1f}" y="45" width="14" height="14" rx="3" '
            f'fill="{fill}" stroke="{border}"/>'
        )
        out.append(_text(x + 20, 56, 11, kind, INK, anchor="start"))
    out.append(f'<g fill="none" stroke="{LINE}" stroke-width="1.3" marker-end="url(#arrow)">')
    for points in picture.lines:
        curves = [
            "C" + " ".join([f"{x:.1f},{y:.1f}" for x, y in three]) for three in _curve(points)
        ]
        out.append(f'<path d="M{points[0][0]:.1f},{points[0][1]:.1f}{"".join(curves)}"/>')
    out.append("</g>")
    out.extend([_svg_box(box) for box in picture.boxes])
    return "\n".join([*out, "</svg>", ""])


def _svg_box(box):
    fill, border = box.colours
    radius = box.height / 2 if box.leaf else 6
    parts = [
        f"<g><title>{escape(box.tooltip)}</title>",
        f'<rect x="{box.x - box.width / 2:.1f}" y="{box.y - box.height / 2:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.1f}" fill="{fill}" '
        f'stroke="{border}" stroke-width="{2.6 if box.output else 1.1}"/>',
    ]
    for text, size, y, bold in _text_rows(box):
        colour = INK if bold else FAINT
        parts.append(_text(box.x, y, size, text, colour, weight="bold" if bold else "normal"))
    return "".join(parts) + "</g>"


def _text_rows(box):
    """(text, size, baseline, bold) for the lines of a box."""
    y = box.y - box.height / 2 + 6
    for k, (text, size) in enumerate(zip(box.lines, SIZES, strict=False)):
        y += 1.35 * size
        yield text, size, y - 0.3 * size, k == 0


def _text(x, y, size, text, colour, anchor="middle", weight="normal"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{colour}">{escape(text)}</text>'
    )


# -- PNG


def to_png(picture, path):
    """Write the picture as a PNG file with matplotlib, twice as large as the SVG says."""
    figures = need("matplotlib.figure")
    collections = need("matplotlib.collections")
    patches = need("matplotlib.patches")
    paths = need("matplotlib.path")
    scale = min(2.0, WIDEST_PNG / max(picture.width, picture.height))
    figure = figures.Figure((picture.width / 100, picture.height / 100), dpi=100 * scale)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, picture.width), ylim=(picture.height, 0))
    axes.set_axis_off()
    points = 0.72  # points in a unit of the picture, a hundredth of an inch

    def write(x, y, size, text, colour, weight="normal", side="center"):
        axes.text(
            x, y, text, fontsize=size * points * 0.92, color=colour, weight=weight, ha=side,
            va="baseline", parse_math=False,
        )  # fmt: skip

    def fancy(x, y, width, height, radius, colours, thick):
        fill, border = colours
        shape = patches.BoxStyle("round", pad=0, rounding_size=radius)
        return patches.FancyBboxPatch(
            (x, y), width, height, boxstyle=shape, facecolor=fill, edgecolor=border,
            linewidth=thick * points,
        )  # fmt: skip

    write(MARGIN, 30, 14, picture.title, INK, "bold", "left")
    shapes = []
    for kind, x, colours in _swatches(picture.boxes):
        shapes.append(fancy(x, 45, 14, 14, 3, colours, 1))
        write(x + 20, 56, 11, kind, INK, side="left")
    codes = paths.Path
    curves, heads = [], []
    for line in picture.lines:
        corners = [line[0][:2], *[p for three in _curve(line) for p in three]]
        kinds = [codes.MOVETO] + [codes.CURVE4] * (len(corners) - 1)
        curves.append(paths.Path(corners, kinds))
        x, y, _ = line[-1]
        heads.append([(x - 3.2, y - 8), (x + 3.2, y - 8), (x, y)])
    for box in picture.boxes:
        radius = box.height / 2 if box.leaf else 6
        thick = 2.6 if box.output else 1.1
        corner = box.x - box.width / 2, box.y - box.height / 2
        shapes.append(fancy(*corner, box.width, box.height, radius, box.colours, thick))
        for text, size, y, bold in _text_rows(box):
            write(box.x, y, size, text, INK if bold else FAINT, "bold" if bold else "normal")
    axes.add_collection(
        collections.PathCollection(curves, facecolors="none", edgecolors=LINE, linewidths=0.95)
    )
    axes.add_collection(collections.PolyCollection(heads, facecolors=LINE))
    axes.add_collection(collections.PatchCollection(shapes, match_original=True, zorder=2))
    figure.savefig(path)
