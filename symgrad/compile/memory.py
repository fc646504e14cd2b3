"""Where every value of a plan lives: buffers kept between calls, in place, views, the memory of
shared variables.

In-place computation is decided here and nowhere else; no graph ever says "in place".  The plan's
nodes are walked once.  A view extends the life of what it looks at; a dying buffer of equal type
is handed to an elementwise result (`inplace`) or to a later value (`reuse`).  Inputs, shared
values and outputs are never handed over, except a shared value to its own update at its last read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from symgrad.ops.ifelse import may_fail
from symgrad.ops.index import Slice, inside
from symgrad.types import BYTES


class Want(NamedTuple):
    """What a backend says of one node.

    `how`: 'out' (writes into memory it is given), 'made' (allocates by itself, or passes an input
    on), 'view' (looks at its first input), 'scalar' (a number, no memory).  `over`: inputs whose
    memory it may write its result over. `temps`: dtypes of scratch values of the same shape.
    """

    how: str
    over: tuple = ()
    temps: tuple = ()


class Home(NamedTuple):
    """Where a value lives: kind 'slot', 'fresh' (a new array each call), 'leaf' (a shared
    variable's own memory), 'made', 'view', 'scalar'; and which slot or leaf."""

    kind: str
    what: object = None


@dataclass(eq=False)
class Slot:
    """A buffer kept between calls.  A shape may start with a `Rows`: a block of rows, not the
    whole axis."""

    number: int
    dtype: str
    shape: tuple


@dataclass(frozen=True)
class Rows:
    """The rows of a cache-sized block of an axis: at most ``block_bytes`` of a value with `inner`
    other lengths."""

    length: object
    inner: tuple
    itemsize: int


@dataclass
class Memory:
    """The decisions: statement order, homes, scratch slots of each node, and all slots."""

    order: tuple = ()
    homes: dict = field(default_factory=dict)
    temps: dict = field(default_factory=dict)
    slots: list = field(default_factory=list)
    late: list = field(default_factory=list)  # slots that can only be made in the course of a call
    base: dict = field(default_factory=dict)

    def overlaps(self, plan):
        """(updated in place, read at that moment or later): arrays of a caller that must not be
        one memory."""
        written, read = {}, {}
        for k, n in enumerate(self.order):
            home = self.homes[n]
            if home.kind == "leaf":
                written[home.what] = k
            for i in n.inputs:
                read[self.source(i)] = k
        # of results copies are made at the end
        read.update([(self.source(r), len(self.order)) for r in plan.roots])
        for leaf, k in written.items():
            for other in (*plan.inputs, *plan.shared):
                if other.type.ndim and other not in written and other in read and read[other] >= k:
                    yield leaf, other

    def source(self, n):
        """The value whose memory a view is of, also where only the call tells that it is one."""
        while (n := self.base.get(n, n)).op.kind == "view":
            n = n.inputs[0]
        return n

    def bytes(self, lengths):
        """Bytes of all slots, given ``{Dim: length}``; KeyError for a length that is not there."""
        total = 0
        for slot in self.slots:
            size = BYTES[slot.dtype]
            for d in slot.shape:
                size *= d if isinstance(d, int) else lengths[d]
            total += size
        return total


def schedule(plan, want, inplace=True, may=None, sure=lambda step: False):
    """Steps in order of execution, how many of them come before the workspace is taken, and the
    updates that may be computed in their variable's own memory.

    First come the steps that tell lengths (slices of a data set …) and need no buffers, so that
    the buffers can be sized.  Last come those that write into a shared variable, after all that
    may fail, so that a call that fails leaves every shared variable as it was.

    ``may(value, leaf)``: whether the step of an update's value can write it over the leaf; without
    it, whether `want` names the leaf among what the value may overwrite.  ``sure(step)``: whether
    the backend makes certain beforehand that a step cannot fail.
    """
    may = may or (lambda value, leaf: any(value.inputs[k] is leaf for k in want(value).over))
    step_of = {n: k for k, s in enumerate(plan.steps) for n in s.body}
    outputs = set(plan.outputs)
    candidates = {}
    for leaf, value in plan.updates if inplace else ():
        good = (
            value in step_of
            and value not in outputs
            and value.type is leaf.type
            and may(value, leaf)
        )
        if good:
            candidates[value] = leaf
    users = [[] for _ in plan.steps]
    for k, step in enumerate(plan.steps):
        for i in dict.fromkeys(step_of[i] for n in step.body for i in n.inputs if i in step_of):
            users[i].append(k)
    risky = [_may_fail(s, plan.places) and not sure(s) for s in plan.steps]
    tail = set()
    for value in list(candidates):
        reach, stack = set(), [step_of[value]]
        while stack:
            k = stack.pop()
            if k not in reach:
                reach.add(k)
                stack.extend(users[k])
        if any(risky[k] for k in reach):
            del candidates[value]
        else:
            tail |= reach
    front = _front(plan, step_of, want)
    order = sorted(range(len(plan.steps)), key=lambda k: (k not in front, k in tail))
    return [plan.steps[k] for k in order], len(front), candidates


def counter(node):
    """The scalar that decides how many rows a node has, if that is all that does."""
    if node.op.kind == "loop":
        return node.inputs[0]
    return node.inputs[1] if node.op.name == "arange" else None


def _front(plan, step_of, want):
    """Steps that decide a length and can run before there are buffers, with what they need.  Those
    that compare a length which is only decided later are not among them."""
    light, front = set(), set()
    for k, s in enumerate(plan.steps):
        if s.body[0].op.kind != "loop" and all(want(n).how != "out" for n in s.body) and all(
            step_of[i] in light
            for n in s.body
            for i in n.inputs
            if i in step_of and step_of[i] != k
        ):
            light.add(k)
    counts = {counter(s.body[0]) for s in plan.steps}
    known = {p.length for leaf in (*plan.inputs, *plan.shared) for p in plan.places.get(leaf, ())}
    for k in sorted(light):
        if not any(n in plan.places or n in counts for n in plan.steps[k].body):
            continue
        needed, stack = set(), [k]
        while stack:
            j = stack.pop()
            if j not in needed:
                needed.add(j)
                stack += [step_of[i] for n in plan.steps[j].body for i in n.inputs if i in step_of]
        places = [p for j in needed for n in plan.steps[j].body for p in plan.places.get(n, ())]
        bound = {p.length for p in places if p.binds}
        if all(p.length in bound or p.length in known for p in places
               if not isinstance(p.length, int)):
            front |= needed
            known |= bound
    return front


def _may_fail(step, places):
    return any(n in places or may_fail(n) and not _in_range(n) for n in step.body)


def _in_range(n):
    """Whether a node is a part of an array that is there for sure."""
    return n.op.name == "subtensor" and all(
        [isinstance(e, Slice) or inside(e, d)
         for e, d in zip(n.attrs[0], n.inputs[0].type.shape, strict=True)])


def assign(plan, steps, candidates, want, reuse=True, inplace=True, rows=(), late=()):
    """Homes for all nodes of `steps`.  `rows`: node -> `Rows` for values that live only inside a
    blocked step; `late`: lengths that are not known yet when the workspace is taken."""
    order = tuple([n for s in steps for n in s.body])
    memory = Memory(order)
    base, wants = memory.base, {n: want(n) for n in order}
    for n in order:
        base[n] = base.get(n.inputs[0], n.inputs[0]) if wants[n].how == "view" else n
    last = {base.get(r, r): len(order) for r in plan.roots}
    for k, n in reversed([*enumerate(order)]):
        until = last.get(n, k) if wants[n].how == "made" else k
        for i in n.inputs:
            b = base.get(i, i)
            last[b] = max(last.get(b, until), until)
    kept = {base.get(r, r) for r in plan.roots}
    free = {}

    def take(dtype, shape):
        stock = free.get((dtype, shape))
        if stock and reuse:
            return stock.pop()
        slot = Slot(len(memory.slots) + len(memory.late), dtype, shape)
        (memory.late if any(d in late for d in shape) else memory.slots).append(slot)
        return slot

    def shape_of(n):
        return (rows[n], *n.type.shape[1:]) if n in rows else n.type.shape

    for k, n in enumerate(order):
        w = wants[n]
        dying = [b for b in dict.fromkeys(base.get(i, i) for i in n.inputs)
                 if last.get(b) == k and memory.homes.get(b, Home("")).kind == "slot"]
        memory.temps[n] = [take(d, shape_of(n)) for d in w.temps]
        if w.how != "out":
            memory.homes[n] = Home(w.how)
        elif (
            n in candidates and last.get(candidates[n]) == k and _only_plain(n, candidates[n], base)
        ):
            memory.homes[n] = Home("leaf", candidates[n])
        elif n in kept:
            memory.homes[n] = Home("fresh")
        else:
            memory.homes[n] = _slot(n, w, dying, memory, inplace, take, shape_of, base)
        handed = memory.homes[n].what
        for b in dying:
            slot = memory.homes[b].what
            if slot is not handed:
                free.setdefault((slot.dtype, slot.shape), []).append(slot)
        for slot in memory.temps[n]:
            free.setdefault((slot.dtype, slot.shape), []).append(slot)
    return memory


def _slot(n, w, dying, memory, inplace, take, shape_of, base):
    if inplace:
        for k in w.over:
            i = n.inputs[k]
            slot = memory.homes[i].what if i in dying else None
            if (
                slot
                and slot.dtype == n.type.dtype
                and slot.shape == shape_of(n)
                and _only_plain(n, i, base)
            ):
                return Home("slot", slot)
    return Home("slot", take(n.type.dtype, shape_of(n)))


def _only_plain(n, owner, base):
    """True if `n` reads the memory of `owner` only as `owner` itself, not through a view laid out
    differently."""
    return all(i is owner for i in n.inputs if base.get(i, i) is owner)
