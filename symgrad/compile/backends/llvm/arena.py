"""Where the values of a plan live in a native program: one arena of slots kept between calls,
results in arrays of their own, updates in their variable's memory.

A step is one move: what dies at a step may be taken by a later one, and by a result of its own
where the kernel reads each element before it writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from symgrad.compile.kernel import Load, walk
from symgrad.compile.memory import counter
from symgrad.compile.nest import Assign, For, expressions, statements
from symgrad.ops.lengths import known
from symgrad.types import BYTES, is_complex

LATE = None  # no number: a slot that is no part of the arena, as its lengths are not known then
LINE = 64  # bytes: slots start at the start of a cache line


class Home(NamedTuple):
    """kind: 'slot' (of the arena), 'fresh' (an array made in the call), 'leaf' (a shared
    variable's memory), 'view' (of a base), 'made' (by a call back into Python)."""

    kind: str
    what: object = None


@dataclass(eq=False)
class Slot:
    """A piece of the arena."""

    number: int
    dtype: str
    shape: tuple

    def bytes(self, lengths):
        """Its size, given ``{Dim: length}``."""
        size = BYTES[self.dtype]
        for d in self.shape:
            size *= d if isinstance(d, int) else lengths[d]
        return -(-size // LINE) * LINE


@dataclass
class Arena:
    """The decisions: `homes` of nodes, `buffers` of each step's kernel, all `slots`."""

    homes: dict = field(default_factory=dict)
    buffers: list = field(default_factory=list)
    slots: list = field(default_factory=list)
    base: dict = field(default_factory=dict)

    def bytes(self, lengths):
        """Predicted size of the arena, given ``{Dim: length}``; exact."""
        return sum([s.bytes(lengths) for s in self.slots])

    def overlaps(self, plan, pieces):
        """(place of an input, place of a shared variable) that must not be one memory: the input
        is read when the variable is written, or later."""
        written, read = {}, {}
        for k, p in enumerate(pieces):
            for n in p.step.outputs:
                if self.homes[n].kind == "leaf":
                    written[self.homes[n].what] = k
            read.update([(self.base.get(i, i), k) for i in p.step.inputs])
        read.update([(self.base.get(r, r), len(pieces)) for r in plan.roots])
        return [(plan.inputs.index(x), plan.shared.index(leaf)) for leaf, k in written.items()
                for x in plan.inputs if x in read and read[x] >= k]


def assign(plan, pieces, candidates, late, reuse=True, inplace=True, front=0):
    """Homes for all that the steps store.  `pieces`: one a step, with `kind` ('kernel', 'product',
    'join', 'range', 'write', 'view', 'loop', 'python'), `step` and `nest`; `candidates`: {update
    value: its leaf}; `late`: lengths not known when the arena is taken; `front`: how many pieces
    run before that."""
    arena, free = Arena(), {}
    base, homes = arena.base, arena.homes
    for p in pieces:
        for n in p.step.outputs:
            base[n] = base.get(n.inputs[0], n.inputs[0]) if p.kind == "view" else n
    last = {}
    for k, p in enumerate(pieces):
        for n in (*p.step.inputs, *p.step.outputs):
            last[base.get(n, n)] = k
    for r in plan.roots:
        last[base.get(r, r)] = len(pieces)
    kept = set(plan.roots)

    def take(dtype, shape):
        if any(getattr(d, "base", d) in late for d in shape):
            return Slot(LATE, dtype, shape)
        stock = free.get((BYTES[dtype], shape))
        if stock and reuse:
            return stock.pop()
        slot = Slot(len(arena.slots), dtype, shape)
        arena.slots.append(slot)
        return slot

    for k, p in enumerate(pieces):
        dying = {b: homes[b].what for b in dict.fromkeys([base.get(i, i) for i in p.step.inputs])
                 if last[b] == k and b in homes and homes[b].kind == "slot"}
        mine = [take(b.dtype, b.lengths) for b in (p.nest or p.inner).buffers
                ] if p.nest or p.inner else []
        arena.buffers.append(mine)
        for n in p.step.outputs:
            leaf = candidates.get(n)
            if p.kind == "view":
                homes[n] = Home("view", base[n])
            elif p.kind == "python":
                homes[n] = Home("made")
            elif leaf is not None and last.get(leaf, k) <= k and alone(p, leaf, n, base):
                homes[n] = Home("leaf", leaf)
            elif n in kept or any(d in late for d in n.type.shape) or (
                    p.kind == "join" and k < front):
                homes[n] = Home("fresh")
            else:
                over = next((i for i in dying if inplace and i.type is n.type
                             and alone(p, i, n, base)), None)
                homes[n] = Home("slot", take(n.type.dtype, n.type.shape) if over is None
                                else dying.pop(over))  # nodes have no truth value
        for slot in (*mine, *dying.values()):
            free.setdefault((BYTES[slot.dtype], slot.shape), []).append(slot)
    return arena


def alone(piece, operand, result, base):
    """Whether a step may write a result over an operand: it reads each element of it, under that
    name alone, no later than it writes the same element."""
    step = piece.step
    if any(base.get(i, i) is operand and i is not operand for i in step.inputs):
        return False
    if piece.kind in ("product", "write"):
        (n,) = step.body
        return n.op.name in ONTO and n.inputs[0] is operand and operand not in n.inputs[1:]
    if piece.kind != "kernel" or is_complex(operand.type.dtype):
        return False
    # A kernel that is shared has names for what the step reads, which need not be the operand.
    source, target = piece.names.get(operand), piece.names[result]
    reads, writes = [], []  # (body, place in it, at)
    stack = [piece.nest.body]
    while stack:
        body = stack.pop()
        for k, s in enumerate(body):
            if type(s) is For:
                stack.append(s.body)
                continue
            cell = getattr(s, "cell", None)
            if type(cell) is Load and cell.source == target:
                writes.append((body, k, cell.at))
            reads += [(body, k, x.at) for x in walk(*expressions(s))
                      if type(x) is Load and x.source == source]
    if len(writes) != 1:
        return without_copy(piece.nest, source, target) is not None
    (body, place, at), = writes
    return all(b is body and a == at and k <= place for b, k, a in reads)


def without_copy(nest, source, target):
    """The nest of a scatter without the loops that copy `source` to `target`; None if it reads the
    source elsewhere, or has no such loops."""
    body, copies = [], 0
    for s in nest.body:
        inner = s
        while type(inner) is For and len(inner.body) == 1:
            inner = inner.body[0]
        if type(inner) is Assign and type(inner.cell) is Load and inner.cell.source == target and (
                inner.expr == replace(inner.cell, source=source)):
            copies += 1
        else:
            body.append(s)
    if copies != 1 or any(type(x) is Load and x.source == source for s in statements(body)
                          for x in walk(*expressions(s))):
        return None
    return replace(nest, body=body)


ONTO = ("gemm", "gemv", "ger", "inc_subtensor", "windows_add")


def late_lengths(plan, pieces, front=()):
    """Lengths that are bound in the course of the pieces; `front`: pieces before them.  Those of a
    loop's results are known as soon as its number of steps is."""
    found, there = set(), {n for p in front for n in p.step.outputs}
    for p in pieces:
        if p.kind in ("loop", "range") and early(counter(p.step.body[0]), there) and not any(
                d in found for d in met(p, plan)):
            continue
        for n in p.step.body:
            found.update([x.length for x in plan.places.get(n, ()) if x.binds])
    return found


def met(p, plan):
    """The lengths that must be known before those of a loop's results can be told; not those that
    one result tells and another must have."""
    count = known(counter(p.step.body[0]))
    if count is not None:
        yield count
    for n in p.step.outputs:
        yield from n.type.shape[1:]
    places = [x for n in p.step.outputs for x in plan.places.get(n, ())]
    own = [x.length for x in places if x.binds]
    yield from [x.length for x in places if x.length not in own]


def early(n, there):
    """Whether a scalar is known before the arena is taken; `there`: what is computed before."""
    return n.op.kind == "leaf" or n in there or known(n) is not None
