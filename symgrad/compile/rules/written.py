"""Zeros in which parts are written one behind the other: the cotangent of a tensor that is read in
parts.  A rule of the pass `specialise`."""

from __future__ import annotations

from symgrad.compile.pattern import rounding, rule_on
from symgrad.compile.rules.common import mat, var, zeros
from symgrad.ops.index import FULL, Slice, subtensor
from symgrad.ops.join import join
from symgrad.ops.math import neg
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.source import zeros_like

MOST_PARTS = 64  # of a tensor, that are written one by one


def _slopes_of_parts(m):
    """The cotangent of a matrix that is read in three parts."""
    whole = zeros_like(m)
    for a, b in ((3, None), (0, 1), (1, 3)):
        whole = inc_subtensor.of(whole, neg(m[:, a:b]), idx=(FULL, Slice(a or None, b)))
    return whole


@rule_on("writes_as_join", inc_subtensor, kind=rounding, samples=lambda: [
    _slopes_of_parts(mat()), _slopes_of_parts(var("float64", None, 5))])
def WRITES_AS_JOIN(node, pool):
    """Zeros in which parts are written one behind the other, up to the end, are the parts,
    joined."""
    chain, base = [], node
    while base.op is inc_subtensor and len(base.inputs) == 2 and len(chain) < MOST_PARTS:
        chain.append(base)
        base = base.inputs[0]
    cut = {k for n in chain for k, e in enumerate(n.attrs[0]) if e != FULL}
    if len(cut) != 1 or not zeros(base):
        return None
    axis, = cut
    parts = {}
    for n in chain:
        entry, y = n.attrs[0][axis], n.inputs[1]
        if not isinstance(entry, Slice) or entry.step is not None or y.type.ndim != n.type.ndim:
            return None
        parts[entry.start or 0] = entry, y
    starts = sorted(parts)
    if len(starts) != len(chain) or [*starts, None] != [0, *[parts[k][0].stop for k in starts]]:
        return None  # they overlap, or there is something between them
    parts = [parts[k] for k in starts]
    if not all([fills(y, axis, entry, node.type.shape[axis]) for entry, y in parts[:-1]]):
        return None
    return join.of(*[y for _, y in parts], axis=axis)


def fills(y, axis, entry, whole):
    """Whether what is written into a range of an axis of length `whole` evidently has its length:
    that as a number, or that of such a range of an axis as long.  Else the call has to see, and
    refuse."""
    d, stack, seen = y.type.shape[axis], [y], {y}
    if isinstance(d, int):
        return d == entry.stop - (entry.start or 0)
    while stack:
        n = stack.pop()
        if n.op is subtensor:
            ranges = [k for k, e in enumerate(n.attrs[0]) if isinstance(e, Slice)]
            if (d, entry, whole) in [(n.type.shape[j], n.attrs[0][k], n.inputs[0].type.shape[k])
                                     for j, k in enumerate(ranges)]:
                return True
        fresh = [i for i in n.inputs if i not in seen and d in getattr(i.type, "shape", ())]
        stack += fresh
        seen.update(fresh)
    return False
