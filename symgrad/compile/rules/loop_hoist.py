"""What is computed before a loop: what is the same in all steps, once; and products and rows of
tables that need no states, for all steps at once."""

from __future__ import annotations

from symgrad.compile.rules.loop_batch import Batch
from symgrad.compile.rules.loop_work import prune
from symgrad.ops.ifelse import ifelse
from symgrad.ops.scan_grad import cheap
from symgrad.types import is_float

# -- once


def invariant(work):
    """What depends on fixed operands alone is computed before the loop."""
    d, house = work.d, work.house
    if "invariant" in house.off:
        return
    level = work.levels()
    batch = Batch(house, d.n, {v: (x, False) for v, x in d.fixed.items()})
    taken, needed = {}, set(house.outputs(d))
    for n in reversed(work.order()):
        if n not in needed:
            continue
        if not level[n] and worth(n) and (found := batch(n)) is not None:
            taken[n] = work.fix(found[0], n.name)
            work.note("invariant", found[0])
        else:
            needed.update(always(n))
    if taken:
        house.substitute(d, taken)
        prune(d)
    if d.until is None:
        for m in list(d.maps):
            if m.value in d.fixed and m.keep:
                work.become(m, house.stretched(d.fixed[m.value], d.n))
                work.note("invariant", m.value)


def always(n):
    """The operands that are computed whatever happens: what only a side of a conditional needs
    stays in it."""
    return n.inputs[:1] if n.op is ifelse else n.inputs


def worth(n):
    """Whether a value is worth computing once: not what is a view, nor what is cheap and larger
    than what it is made of, nor lengths."""
    if n.op.kind in ("leaf", "view", "source"):
        return False
    if cheap(n):
        if not n.type.ndim and not is_float(n.type.dtype):
            return False
        return any([i.type.shape == n.type.shape and i.op.kind != "view" for i in n.inputs])
    return True


# -- for all steps


def hoisted(work):
    """Products and rows of tables that need sequences but no states are computed for all steps at
    once; so is what is mapped and needs no states at all."""
    d, house = work.d, work.house
    if "hoist" in house.off or d.until is not None or not d.save:
        return
    level = work.levels()
    given = work.outside()
    batch = Batch(house, d.n, given)
    for m in list(d.maps):
        if level[m.value] < 2 and m.keep and (found := batch(m.value)) is not None:
            rows = found[0] if found[1] else house.stretched(found[0], d.n)
            work.become(m, rows)
            work.note("hoist", rows)
    taken, needed = {}, set(house.outputs(d))
    for n in reversed(work.order()):
        if n not in needed:
            continue
        found = batch(n) if level[n] == 1 and heavy(n, level) else None
        if found is not None and found[1]:
            taken[n] = house.leaf(n.type, n.name, n.origin)
            d.seqs[taken[n]] = found[0]
            work.note("hoist", found[0])
        else:
            needed.update(always(n))
    if taken:
        house.substitute(d, taken)
        prune(d)


def heavy(n, level):
    """Whether a value is a product with, or rows of, what is the same in all steps."""
    if n.op.kind == "contract":
        return any([not level[i] for i in n.inputs])
    return n.op.kind == "gather" and not level[n.inputs[0]]
