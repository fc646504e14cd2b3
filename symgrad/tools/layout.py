"""Where the boxes of a layered drawing go: rows, their order, coordinates.  Vertices are 0, 1, 2, …

After K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system
structures", IEEE Trans. SMC 11 (1981): rows by depth, an order with few crossings, then places near
the neighbours.  Every phase is linear in vertices and edges (but for sorting rows).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

BENDS = 20_000  # most points that long edges are led through, over all edges
SWEEPS = 12  # up and down, towards the neighbours on one side
SETTLE = 8  # towards those on both


@dataclass
class Layout:
    """Centres of the boxes, the bends of the edges, and the size of all."""

    x: list = field(default_factory=list)
    row: list = field(default_factory=list)
    bends: dict = field(default_factory=dict)  # (u, v) -> [(x, row), …] between them
    width: float = 0.0
    rows: int = 0


def layout(widths, edges, gap=26.0):
    """Place boxes of the given widths; `edges` are distinct pairs, each from an earlier vertex."""
    rows_of = _ranks(len(widths), edges)
    widths, rank = list(widths), list(rows_of)
    chains, links = _bend(edges, rank, widths)
    above = [[] for _ in rank]
    below = [[] for _ in rank]
    for u, v in links:
        below[u].append(v)
        above[v].append(u)
    rows = [[] for _ in range(max(rank, default=-1) + 1)]
    for v in _walk(below, above):
        rows[rank[v]].append(v)
    rows = _order(rows, above, below)
    x = _places(rows, above, below, widths, gap, real=len(rows_of))
    left = min([at - width / 2 for at, width in zip(x, widths, strict=True)], default=0.0)
    x = [at - left for at in x]
    right = max([at + width / 2 for at, width in zip(x, widths, strict=True)], default=0.0)
    bends = {edge: [(x[b], rank[b]) for b in chain] for edge, chain in chains.items()}
    return Layout(x[: len(rows_of)], rows_of, bends, right, len(rows))


def _ranks(n, edges):
    """A row for each vertex: the longest way from a leaf; what leads to one place sinks to it."""
    inputs, users = [[] for _ in range(n)], [[] for _ in range(n)]
    for u, v in edges:
        inputs[v].append(u)
        users[u].append(v)
    rank = [0] * n
    private = [True] * n  # nothing else hangs on what leads here, so it may move
    for v in range(n):
        rank[v] = max([rank[u] + 1 for u in inputs[v]], default=0)
        private[v] = all([private[u] and len(users[u]) == 1 for u in inputs[v]])
    for v in reversed(range(n)):
        if private[v] and users[v]:
            rank[v] = min([rank[u] for u in users[v]]) - 1
    return rank


def _bend(edges, rank, widths):
    """Put a point on every row that an edge crosses, short edges first while `BENDS` lasts."""
    chains, links, budget = {}, [], BENDS
    for u, v in sorted(edges, key=lambda edge: rank[edge[1]] - rank[edge[0]]):
        crossed = range(rank[u] + 1, rank[v])
        if len(crossed) > budget:
            chains[u, v] = []
            continue
        budget -= len(crossed)
        chain = range(len(rank), len(rank) + len(crossed))
        chains[u, v] = list(chain)
        rank.extend(crossed)
        widths.extend([4.0] * len(crossed))
        whole = [u, *chain, v]
        links.extend(zip(whole[:-1], whole[1:], strict=True))
    return chains, links


def _walk(below, above):
    """All vertices, neighbours near one another: depth first from those without inputs."""
    seen, order = set(), []
    stack = [v for v in reversed(range(len(above))) if not above[v]]
    while stack:
        v = stack.pop()
        if v not in seen:
            seen.add(v)
            order.append(v)
            stack.extend(reversed(below[v]))
    return order


def _order(rows, above, below):
    """Sort rows by the mean place of their neighbours, up and down; keep the best order seen."""
    place = {}
    for row in rows:
        place.update({v: k for k, v in enumerate(row)})
    best, fewest = [list(row) for row in rows], _crossings(rows, below, place)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else reversed(rows):
            mean = {
                v: sum([place[u] for u in near[v]]) / len(near[v]) if near[v] else place[v]
                for v in row
            }
            row.sort(key=mean.__getitem__)
            place.update({v: k for k, v in enumerate(row)})
        crossings = _crossings(rows, below, place)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
        if not fewest:
            break
    return best


def _crossings(rows, below, place):
    """How many pairs of edges cross."""
    total = 0
    for row in rows:
        ends = []
        for v in row:
            for at in sorted([place[u] for u in below[v]]):
                total += len(ends) - bisect_left(ends, at + 1)
                insort(ends, at)
    return total


def _places(rows, above, below, widths, gap, real):
    """x of every vertex: rows move towards their neighbours, without changing order or touching."""
    x = [0.0] * len(above)
    for row in rows:
        at = 0.0
        for v in row:
            x[v] = at + widths[v] / 2
            at += widths[v] + gap
        for v in row:
            x[v] -= at / 2
    for sweep in range(SWEEPS + SETTLE):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else reversed(rows):
            wanted, weights = [], []
            for v in row:
                around = near[v] if sweep < SWEEPS else above[v] + below[v]
                pulls = [(1 if u < real else 2) * (1 if v < real else 4) for u in around]
                total = sum(pulls)
                wanted.append(
                    sum([p * x[u] for p, u in zip(pulls, around, strict=True)]) / total
                    if total
                    else x[v]
                )
                weights.append(total or 0.2)
            steps = [0.0]
            for a, b in zip(row[:-1], row[1:], strict=True):
                between = gap if a < real or b < real else gap / 2
                steps.append(steps[-1] + (widths[a] + widths[b]) / 2 + between)
            free = _rising([w - s for w, s in zip(wanted, steps, strict=True)], weights)
            for v, at, s in zip(row, free, steps, strict=True):
                x[v] = at + s
    return x


def _rising(values, weights):
    """The nearest sequence that never falls (weighted least squares, pool adjacent violators)."""
    blocks = []  # [mean, weight, count]
    for value, weight in zip(values, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, w, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * w) / (last[1] + w)
            last[1] += w
            last[2] += count
    return [mean for mean, _, count in blocks for _ in range(count)]
