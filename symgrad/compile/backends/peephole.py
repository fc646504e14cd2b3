"""Small shortcuts that the numpy backend takes where it sees several statements at once."""

from __future__ import annotations

from symgrad.node import CONST


def sums_of_squares(memory, users, roots, loose):
    """sum(sqr(W)) of a whole input or shared variable, as ``{sum: W, its square: W}``: one dot
    product instead of two passes.  Not where W is overwritten first (`memory`), nor for values that
    are wanted themselves (`roots`) or computed in blocks (`loose`)."""
    found, at = {}, {n: k for k, n in enumerate(memory.order)}
    written = {h.what: at[n] for n, h in memory.homes.items() if h.kind == "leaf"}
    for n in memory.order:
        q = n.inputs[0] if n.op.name == "sum" and n.type.ndim == 0 else None
        if q is None or q.op.name != "sqr" or users[q] != [n] or q in roots:
            continue
        x = q.inputs[0]
        if (
            n not in loose
            and q not in loose
            and x.op.kind == "leaf"
            and x.op is not CONST
            and n.type.dtype in ("float32", "float64")
            and written.get(x, len(at)) > at[n]
        ):
            found[n] = found[q] = x
    return found
