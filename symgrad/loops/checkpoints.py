"""Loops that keep the states of every c-th step only, and compute what lies between again when a
derivative asks for it: a loop over chunks, whose step is a loop over the c steps of one.

Of n steps, (n - 1) // c whole chunks come first; the 1 to c steps that are left are a loop of the
usual kind, so that the last row of every result is one of its.
"""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError
from symgrad.loops.forms import told
from symgrad.loops.runs import join, maximum, plain
from symgrad.node import CONST, TABLE, Node, constant, toposort
from symgrad.op import cast_node, weak_numbers
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.join import continued
from symgrad.ops.lengths import known, lengths
from symgrad.ops.scan_grad import cheap
from symgrad.ops.shape import reshape, unsqueeze
from symgrad.records import replace
from symgrad.types import BYTES, kind_of


def chunked(draft, every, ends=False, name=None):
    """The loop in chunks of `every` steps, as `Chunked`, or as it is if there is no whole one.
    `ends`: only the last row of each chunk is a result."""
    n = known(draft.n)
    if not ends and isinstance(n, int) and isinstance(known(every), int) and n <= known(every):
        return plain(draft, name)
    return Chunked(draft, every, ends, name)


def exactly(x):
    """An integer scalar, as a constant if it is known."""
    n = known(x)
    return constant(n, dtype="int64") if isinstance(n, int) else x


class Chunked:
    """As `Done`, of a loop in chunks: `outer` is the loop over them, `rest` what is left: one
    step or more, if there are any, but for loops that may stop."""

    def __init__(self, draft, every, ends=False, name=None):
        self.draft, self.every, self.ends_only = draft, every, ends
        with weak_numbers():
            self.whole = exactly(maximum(draft.n - 1, 0) // every)
            self.steps = exactly(self.whole * every)
            left = exactly(draft.n - self.steps)
        self.outer = plain(self.over_chunks(), name and f"{name}, chunks")
        states = len(draft.states)
        if draft.until is not None:
            self.stopped, self.counts = self.outer.maps[-2:]
            left = TABLE["where"](TABLE["any"](self.stopped), constant(0, dtype="int64"), left)
        inits = [self.outer.last(j) for j in range(states)]
        self.rest = plain(replace(
            draft, n=left, seqs={v: x[self.steps:] for v, x in draft.seqs.items()},
            states=[replace(s, init=x) for s, x in zip(draft.states, inits, strict=True)]), name)

    def over_chunks(self):
        """The loop over chunks.  Its states are all the rows that a step may read; its mapped
        values are the rows of one chunk."""
        draft, outer = self.draft, Draft(self.whole, save=False)

        def fixed(x):
            if x.op is CONST:
                return x
            outer.fixed[x.type(x.name)] = x
            return list(outer.fixed)[-1]

        inner = replace(draft, n=fixed(self.every), seqs={}, fixed={}, states=[],
                        maps=list(draft.maps))
        for v, x in draft.seqs.items():
            rows = reshape.of(x[:self.steps], self.whole, self.every, *lengths(x)[1:])
            inner.seqs[v] = chunk = rows.type.with_shape(rows.type.shape[1:])(v.name)
            outer.seqs[chunk] = rows
        begins = [s.init.type() for s in draft.states]
        inner.states = [replace(s, init=b) for s, b in zip(draft.states, begins, strict=True)]
        inner.fixed = {v: x if x.op is CONST else fixed(x) for v, x in draft.fixed.items()}
        if draft.until is not None:
            inner.maps.append(Mapped(draft.until))
        done = plain(inner)
        for j, (s, b) in enumerate(zip(draft.states, begins, strict=True)):
            outer.states.append(Rows([b], (1,), unsqueeze.of(s.init, axes=(0,)), done.ends(j)))
        kept = [done.last(j) if self.ends_only else done.buffers[j][s.depth:]
                for j, s in enumerate(draft.states)]
        kept += [done.mapped(k)[-1] if self.ends_only else done.maps[k]
                 for k in range(len(draft.maps))]
        outer.maps = [Mapped(x) for x in kept]
        if draft.until is not None:
            outer.until = TABLE["any"](done.maps[-1])
            outer.maps += [Mapped(outer.until), Mapped(done.count)]
        return outer

    def joined(self, k, after):
        """Rows of all chunks, then those of what is left."""
        if self.ends_only:
            x, after = self.outer.mapped(k), after[-1:]
        else:
            x = self.outer.maps[k]
            x = reshape.of(x, self.steps, *lengths(x)[2:])
        if self.draft.until is None:
            return continued.of(x, after)
        if not self.ends_only:
            x = x[:TABLE["sum"](self.counts)]
        return join(x, after)  # where it stopped in a chunk, nothing is left

    def rows(self, j):
        return self.joined(j, self.rest.rows(j))

    def mapped(self, k):
        return self.joined(len(self.draft.states) + k, self.rest.mapped(k))

    def last(self, j):
        return self.rest.last(j)


# -- how many steps a chunk has


def chunk_size(who, draft, every, memory):
    """The number of steps from one state that is kept to the next; None: all are kept."""
    if every is not None and memory is not None:
        raise ArgumentError(told(who, "checkpoint_every and memory are two ways to say one thing"))
    if memory is not None:
        return _within(who, draft, memory)
    if every is None or every is False:
        return None
    if every is True or isinstance(every, str) and every == "sqrt":
        n = known(draft.n)
        if isinstance(n, int):
            return constant(max(int(np.ceil(np.sqrt(n))), 1), dtype="int64")
        root = TABLE["ceil"](TABLE["sqrt"](cast_node(draft.n, "float64")))
        return maximum(cast_node(root, "int64"), 1)
    return steps(who, "checkpoint_every", every)


def steps(who, what, given, also='True or "sqrt" for the root of their number'):
    """A positive number of steps, an int64 scalar."""
    if isinstance(given, Node) and not given.type.ndim and kind_of(given.type.dtype) in "iu" \
            and given.op is not CONST:
        return maximum(cast_node(given, "int64"), 1)
    value = given.data.item() if isinstance(given, Node) and given.op is CONST else given
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ArgumentError(told(who, f"{what} must be a number of steps from 1 up, not "
                                 f"{given!r:.40}", (), also))
    return constant(int(value), dtype="int64")


def _bytes(who, x):
    """How many bytes a value takes, by its type."""
    size = BYTES[x.type.dtype]
    for axis, d in enumerate(x.type.shape):
        if not isinstance(d, int):
            raise ArgumentError(told(
                who, f"memory= needs to know how large a step is, but axis {axis} of {x!r} has no "
                "known length", [x], "give it one (T.specify_shape, T.tensor(dtype, shape), "
                "sg.shared(…, shape=…)), or say checkpoint_every="))
        size *= d
    return size


def _within(who, draft, memory):
    """The longest chunks with which states and one chunk's values stay within so many bytes."""
    if isinstance(memory, bool) or not isinstance(memory, int | float | np.number) or memory <= 0:
        raise ArgumentError(told(who, f"memory is a number of bytes, not {memory!r:.40}"))
    n = known(draft.n)
    if not isinstance(n, int):
        raise ArgumentError(told(who, "memory= needs to know the number of steps", [draft.n],
                                 'n_steps=1000, or checkpoint_every="sqrt"'))
    rows = sum([s.depth * _bytes(who, s.reads[0]) for s in draft.states])
    step = sum([_bytes(who, x) for x in toposort(draft.outputs) if x.inputs and not cheap(x)
                and x.type.dtype.startswith(("float", "complex"))])
    step += sum([_bytes(who, s.next) for s in draft.states])
    if n * step <= memory:
        return None
    every = np.arange(1, n + 1)
    needed = ((n - 1) // every + 1) * rows + every * step
    fitting = every[needed <= memory]
    if not len(fitting):
        best = int(np.argmin(needed))
        raise ArgumentError(told(
            who, f"{n} steps do not fit into {memory} bytes", (),
            f"{needed[best]} bytes are the least, with checkpoint_every={every[best]}"))
    return constant(int(fitting[-1]), dtype="int64")
