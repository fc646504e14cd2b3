"""An `Ablation` as a page that needs nothing else, and as a picture."""

from __future__ import annotations

import math
from html import escape

from symgrad.extras import need
from symgrad.tools.ablate_stats import SAME
from symgrad.tools.ablate_table import (
    COLUMNS,
    USE,
    amount,
    figure,
    functions,
    headline,
    rank,
    told,
)

COLOURS = {"slower": "#15803d", "faster": "#b91c1c"}  # a rule that is of use; one that harms
TICKS = (0.5, 0.7, 1, 1.5, 2, 3, 4, 6)  # of the picture: what is beyond is cut off there
MANY = 4  # functions that a picture has bars for
FAINT, INK = "#9ca3af", "#111827"
STYLE = """\
body{font:14px/1.4 Helvetica,Arial,sans-serif;color:#111827;margin:2em auto;max-width:1600px;
padding:0 1em}
table{border-collapse:collapse;font-size:13px}
th,td{padding:3px 9px;text-align:right;border-bottom:1px solid #e5e7eb;white-space:nowrap}
th{cursor:pointer;border-bottom:2px solid #111827}
td:first-child,th:first-child,.l{text-align:left}
.m{text-align:center}
div{overflow-x:auto}
tr.full{font-weight:bold;background:#f3f4f6}
tr.idle{color:#9ca3af}
p.f{color:#6b7280;white-space:pre-line}
ul.worse{color:#b91c1c}
svg{vertical-align:middle}
label{margin-right:1.5em}
"""
COMPILING = """\
compiling: the same of the time for compiling; in: the result that has the error."""
# Columns are sorted by what `data-v` says; the boxes hide what does nothing.
SCRIPT = """\
document.querySelectorAll('th').forEach(function(th){th.onclick=function(){
 var t=th.closest('table'),k=th.cellIndex,b=t.tBodies[0],down=th.dataset.down!=='1';
 th.dataset.down=down?'1':'0';
 var v=function(r){var x=r.cells[k].dataset.v;return x===undefined?r.cells[k].textContent:+x};
 Array.from(b.rows).sort(function(p,q){var x=v(p),y=v(q);
  return (x<y?-1:x>y?1:0)*(down?-1:1)}).forEach(function(r){b.appendChild(r)})}});
var box=document.getElementById('idle');
box.onchange=function(){document.querySelectorAll('tr.idle').forEach(function(r){
 r.style.display=box.checked?'':'none'})};
box.onchange();
"""
HEADS = (("without", ""), ("kind", "l"), ("us a call", ""), ("ratio", ""), ("0.5x … 1x … 2x", "m"),
         ("effect on time", "l"), ("compile ms", ""), ("compiling", "l"), ("nodes", ""),
         ("steps", ""), ("kernels", ""), ("moved", ""), ("memory", ""), ("error", ""), ("in", "l"))


def html(found):
    """The text of the page."""
    parts = ["<!doctype html><html lang='en'><head><meta charset='utf-8'>"
             "<meta name='viewport' content='width=device-width'><title>symgrad ablate"
             f"</title><style>{STYLE}</style></head><body><h1>symgrad ablate</h1>",
             f"<p class='f'>{escape(headline(found.machine))}</p>",
             f"<p class='f'>{_flowing(USE)}\n{_flowing(COMPILING)} {_flowing(COLUMNS)}</p>",
             "<p><label><input type='checkbox' id='idle'> show also what is not used, and what "
             "leaves the program as it is</label> A click on a head sorts.</p>"]
    if found.regressions is not None:
        items = "".join([f"<li>{escape(s)}</li>" for s in found.regressions])
        when = escape(str(found.compared.get("date", "an earlier report")))
        parts.append(f"<h2>Beside {when}</h2><ul class='worse'>{items}</ul>"
                     + ("" if items else "<p>Nothing is worse.</p>"))
    for name in functions(found.rows):
        rows = sorted([r for r in found.rows if r["function"] == name], key=rank)
        whole = next(r for r in rows if r["kind"] == "full")
        heads = "".join([f"<th scope='col' class='{side}'>{escape(h)}</th>" for h, side in HEADS])
        parts.append(f"<h2>{escape(name)}</h2><div><table><thead><tr>{heads}</tr></thead><tbody>")
        parts += [_html_row(row, whole) for row in rows]
        parts.append("</tbody></table></div>")
    return "\n".join([*parts, f"<script>{SCRIPT}</script></body></html>", ""])


def _flowing(text):
    return escape(text.replace("\n", " "))


def _html_row(row, whole):
    ms, ratio, compiling = row.get("ms"), row.get("ratio"), row.get("compile_ms")
    cells = [_cell(row["name"]), _cell(row["kind"], left=True),
             _cell(figure(ms["median"] * 1e3) if ms else "", ms and ms["median"]),
             _cell(f"{ratio['median']:.2f}" if ratio else "", ratio and ratio["median"]),
             f"<td data-v='{ratio['median'] if ratio else 0}'>{_bar(row)}</td>",
             _cell(row.get("why") or row["effect"], left=True),
             _cell(figure(compiling["median"]) if compiling else "",
                   compiling and compiling["median"]),
             _cell(row.get("compile_effect", ""), left=True)]
    for key in ("nodes", "steps", "kernels", "bytes", "memory", "error"):
        cells.append(_cell(told(row, whole, key) if compiling else "", row.get(key)))
    cells.append(_cell(row.get("error_at", "") if row.get("error") else "", left=True))
    idle = not row["used"] or row["effect"] == SAME
    kind = "idle" if idle else row["kind"]
    return f"<tr class='{kind}'>{''.join(cells)}</tr>"


def _cell(text, value=None, left=False):
    data = f" data-v='{value}'" if isinstance(value, int | float) else ""
    return f"<td{' class=l' if left else ''}{data}>{escape(str(text))}</td>"


def _bar(row):
    """The interval of the ratio from a half to twice, as a small picture."""
    if not row.get("ratio"):
        return ""
    width, middle = 160, 80
    at = {word: middle + middle * max(-1.0, min(1.0, _log2(v)))
          for word, v in row["ratio"].items()}
    colour = COLOURS.get(row["effect"], FAINT)
    left, right = sorted((middle, at["median"]))
    label = "{median:.2f}, from {low:.2f} to {high:.2f}".format(**row["ratio"])
    return (f"<svg width='{width}' height='12' role='img' aria-label='{label}'>"
            f"<rect x='{left:.1f}' y='2' height='8' width='{max(right - left, 1):.1f}' "
            f"fill='{colour}' fill-opacity='.45'/>"
            f"<line x1='{at['low']:.1f}' x2='{at['high']:.1f}' y1='6' y2='6' stroke='{colour}' "
            f"stroke-width='2'/><line x1='{middle}' x2='{middle}' y1='0' y2='12' "
            f"stroke='{INK}' stroke-width='.7'/></svg>")


def _log2(value):
    return math.log2(value) if value > 0 else -1.0


# -- PNG


def png(found, path):
    """A bar for each variant that was timed, beside the whole; functions under one another.  Of
    many functions a grid: variants by functions, those that have an effect on any."""
    figures = need("matplotlib.figure")
    if len(functions(found.rows)) > MANY:
        return _grid(found, path, figures)
    groups = {}
    for row in sorted(found.rows, key=rank):
        timed = row.get("ratio") and row["kind"] != "again"
        groups.setdefault(row["function"], []).extend([row] if timed else [])
    heights = [1.2 + 0.24 * len(rows) for rows in groups.values()]
    picture = figures.Figure((10, 0.8 + sum(heights)), dpi=100, layout="constrained")
    panels = picture.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (name, rows) in zip(panels, groups.items(), strict=True):
        whole = next(r for r in found.rows if r["function"] == name and r["kind"] == "full")
        again = next((r for r in found.rows if r["function"] == name and r["kind"] == "again"), {})
        for place, row in enumerate(rows):
            ratio, colour = row["ratio"], COLOURS.get(row["effect"], FAINT)
            low, middle, high = (min(max(ratio[word], TICKS[0]), TICKS[-1])
                                 for word in ("low", "median", "high"))
            axes.barh(place, middle - 1, left=1, color=colour, alpha=0.5, height=0.6)
            axes.plot((low, high), (place, place), color=colour, linewidth=2)
            axes.annotate(f" {ratio['median']:.2f}", (max(high, 1), place), va="center",
                          fontsize=7, color=INK, annotation_clip=False)
        if again.get("noise"):
            axes.axvspan(1 / again["noise"], again["noise"], color=FAINT, alpha=0.3)
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xlim(TICKS[0], TICKS[-1] * 1.15)
        axes.set_xticks(TICKS, [f"{x:g}x" for x in TICKS])
        axes.set_xticks([], minor=True)
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=8)
        axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
        axes.grid(axis="x", linewidth=0.3)
        axes.set_title(f"{name}: {figure(whole['ms']['median'] * 1e3)} us a call, "
                       f"{amount(whole['memory'] or 0)}", fontsize=9, loc="left")
    panels[-1].set_xlabel("time of a call without it, over the whole's (grey band: the whole "
                          "compiled again; grey bar: no effect seen)", fontsize=8)
    facts = found.machine
    picture.suptitle(f"symgrad ablate, {facts['processor']}, one core, {facts['date'][:10]}",
                     fontsize=9)
    picture.savefig(path)
    return path


def _grid(found, path, figures):
    columns = functions(found.rows)
    timed = [row for row in sorted(found.rows, key=rank) if row.get("ratio")]
    names = list(dict.fromkeys([row["name"] for row in timed if row["effect"] in COLOURS]))
    order = {name: place for place, name in enumerate(names)}
    picture = figures.Figure((2.6 + 0.62 * len(columns), 1.5 + 0.24 * len(names)), dpi=100,
                             layout="constrained")
    axes = picture.subplots()
    shades = [[float("nan")] * len(columns) for _ in names]
    for row in timed:
        if row["name"] not in order:
            continue
        place, column = order[row["name"]], columns.index(row["function"])
        middle, seen = row["ratio"]["median"], row["effect"] in COLOURS
        shades[place][column] = max(-1.0, min(1.0, _log2(middle))) if seen else 0.0
        text = f"{middle:,.0f}" if middle >= 10 else f"{middle:.2f}"
        axes.text(column, place, text, ha="center", va="center", fontsize=6.5,
                  color=INK if seen else FAINT, weight="bold" if seen else "normal")
    axes.imshow(shades, cmap="PiYG", vmin=-1.6, vmax=1.6, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="left", fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(length=0)
    facts = found.machine
    axes.set_xlabel("time of a call without it, over the whole's: bold where that is beyond doubt\n"
                    "(green: of use; red: faster without); white: not used, or the same program\n"
                    f"{facts['processor']}, one core, {facts['date'][:10]}", fontsize=8)
    picture.savefig(path)
    return path
