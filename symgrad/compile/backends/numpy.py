"""The numpy backend: a whole plan as one generated Python program of NumPy and BLAS calls.

The program reads lengths, takes a workspace of buffers kept between calls, and runs one statement
after another with ``out=`` everywhere.  Steps whose values are large run in blocks of rows that
stay in cache.
"""

from __future__ import annotations

import itertools
import linecache

import numpy as np

from symgrad.compile.backends.looped import makes_an_array
from symgrad.compile.backends.quick import apart
from symgrad.compile.backends.statements import want
from symgrad.compile.backends.text import Text
from symgrad.compile.memory import Rows, assign, schedule
from symgrad.config import config
from symgrad.types import BYTES

_serial = itertools.count()
name = "numpy"


def missing(plan):
    """Nodes this backend cannot run: none, since every op has a NumPy meaning."""
    return []


def compile(plan, selection=None):
    """A `Program` for the plan: ``program(arrays) -> (outputs, values of the updates)``."""
    return Program(plan, selection)


class Program:
    """The generated program: `source`, `lines` (line number -> node), `memory` and the compiled
    function `run`.  For who counts bytes: `makes`, the nodes that get an array in each call;
    `copied`, what is copied at the end; `inner`, the programs of a loop or a branch."""

    def __init__(self, plan, selection=None):
        on = (lambda n: True) if selection is None else selection.__contains__
        self.plan = plan
        steps, front, candidates = schedule(plan, want, on("inplace"))
        late = {
            p.length
            for s in steps[front:]
            for n in s.body
            for p in plan.places.get(n, ())
            if p.binds
        }
        blocks = {k: lead for k, s in enumerate(steps) if on("block") and (lead := blockable(s))
                  and not any(d in late for n in s.body for d in n.type.shape)}
        rows = {}
        for k in blocks:
            for n in steps[k].body:
                if n not in steps[k].outputs and n.type.ndim:
                    rows[n] = Rows(n.type.shape[0], n.type.shape[1:], BYTES[n.type.dtype])
        self.memory = assign(plan, steps, candidates, want, on("reuse"), on("inplace"), rows, late)
        self.in_place = [
            leaf
            for leaf in plan.shared
            if any(h.kind == "leaf" and h.what is leaf for h in self.memory.homes.values())
        ]
        self.overlaps = [  # (input, variable) that must not be one memory
            (plan.inputs.index(other), plan.shared.index(leaf))
            for leaf, other in self.memory.overlaps(plan)
            if other in plan.inputs
        ]
        text = Text(plan, steps, front, self.memory, blocks, self.in_place,
                    lambda inner: Program(inner, selection))
        own = text.program()
        self.source = "\n\n".join([*text.loops, own])
        self.memory.slots = text.kept.slots  # those that the statements read
        self.late = [slot for slot in self.memory.late if slot.number in text.made]
        self.inner, self.copied = text.programs, text.copied
        self.makes = frozenset([n for n, home in self.memory.homes.items() if home.kind == "fresh"
                                or home.kind == "made" and makes_an_array(n, self.inner)])
        self.lines = text.lines
        self.file = f"<symgrad-{next(_serial)}>"
        code = __builtins__["compile"] if isinstance(__builtins__, dict) else __builtins__.compile
        linecache.cache[self.file] = (
            len(own),
            None,
            own.splitlines(True),
            self.file,
        )
        exec(code(own, self.file, "exec"), text.env)
        self.run = text.env["program"]

    def buffers(self, lengths):
        """Bytes kept between calls, given ``{Dim: length}``."""
        return self.memory.bytes(lengths)

    def passing(self, node, lengths):
        """Bytes of what only the statement of a node needs, as far as that is known."""
        return apart(node, lengths)

    def __call__(self, *arrays):
        return self.run(*arrays)

    def node_at(self, line):
        """The node that a line of the program computes, for error messages."""
        return self.lines.get(line)


def blockable(step):
    """The common leading length of a step that may run in blocks of rows; None if it may not."""
    if step.kind != "kernel" or len(step.body) < 3:
        return None
    deep = [n for n in step.body if n.type.ndim]
    if not deep or any(n.type.ndim == 0 for n in step.body):
        return None
    ndim, lead = max(n.type.ndim for n in deep), deep[0].type.shape[0]
    for n in step.body:
        if (
            n.type.ndim != ndim
            or n.type.shape[0] is not lead
            or n.op.kind != "elementwise"
            or n.op.scalar is None
        ):
            return None
        for i in n.inputs:
            if i.type.ndim == ndim and i.type.shape[0] is not lead and i.type.shape[0] != 1:
                return None
    lengths = deep[0].type.shape
    if all(isinstance(d, int) for d in lengths):
        return lead if int(np.prod(lengths)) * 4 > config.block_bytes else None
    return lead
