"""`scan` and what is made of it."""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError
from symgrad.loops.forms import (
    Updates,
    count_steps,
    read_outputs,
    read_sequences,
    told,
)
from symgrad.loops.runs import cut_off, plain
from symgrad.loops.step import trace
from symgrad.node import Node, constant
from symgrad.op import cast_node
from symgrad.types import kind_of


def scan(fn, sequences=None, outputs_info=None, non_sequences=None, n_steps=None,
         truncate_gradient=-1, go_backwards=False, mode=None, name=None, profile=False,
         allow_gc=None, strict=False, return_list=False, return_updates=True,
         checkpoint_every=None, memory=None):
    """A loop."""
    loop = _Loop("scan", fn, sequences, outputs_info, non_sequences, n_steps, go_backwards, strict,
                 truncate_gradient, checkpoint_every, memory, name)
    outputs = loop.outputs()
    if not outputs:
        outputs = None
    elif len(outputs) == 1 and not return_list:
        outputs = outputs[0]
    return (outputs, loop.updates()) if return_updates else outputs


class _Loop:
    """A loop from the arguments of `scan`, built."""

    def __init__(self, who, fn, sequences, outputs_info, non_sequences, n_steps, go_backwards,
                 strict=False, truncate_gradient=-1, checkpoint_every=None, memory=None, name=None):
        self.who = who
        sequences = read_sequences(who, sequences)
        outputs = read_outputs(who, outputs_info)
        n = count_steps(who, n_steps, sequences, [s.cut(s.taps[0], False) for s in sequences])
        self.traced = trace(who, fn, sequences, outputs, non_sequences, n, go_backwards, strict)
        self.done = self.run(_truncation(who, truncate_gradient), checkpoint_every, memory)
        for s in self.traced.born:
            s.default_update = self.done.last(self.traced.moved[s])

    def run(self, steps, checkpoint_every, memory):
        draft = self.traced.draft
        if steps is not None:
            return cut_off(draft, steps)
        return plain(draft)

    def outputs(self):
        return [self.done.rows(k) if kind == "state" else self.done.mapped(k)
                for kind, k in self.traced.order]

    def ends(self):
        """The last row of each output."""
        return [self.done.last(k) if kind == "state" else self.done.mapped(k)[-1]
                for kind, k in self.traced.order]

    def updates(self):
        return Updates((s, self.done.last(j)) for s, j in self.traced.moved.items())


def _truncation(who, steps):
    """None, or after how many steps a gradient is cut off, an int64 scalar."""
    if steps is None or isinstance(steps, int | np.integer) and steps == -1:
        return None
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer | Node):
        raise ArgumentError(told(who, f"truncate_gradient must be an integer, not {steps!r:.40}"))
    if isinstance(steps, Node):
        if steps.type.ndim or kind_of(steps.type.dtype) not in "iu":
            raise ArgumentError(told(who, f"truncate_gradient must be an integer, not "
                                     f"{steps.type!r}", [steps]))
        return cast_node(steps, "int64")
    if steps < 1:
        raise ArgumentError(told(who, f"truncate_gradient is {steps}; it is how many of the last "
                                 "steps a gradient goes through, or -1 for all of them"))
    return constant(int(steps), dtype="int64")


def map(fn, sequences, non_sequences=None, truncate_gradient=-1, go_backwards=False, mode=None,
        name=None):
    """``fn`` of every row."""
    return scan(fn, sequences, None, non_sequences, None, truncate_gradient, go_backwards,
                name=name)


def reduce(fn, sequences, outputs_info, non_sequences=None, go_backwards=False, mode=None,
           name=None):
    return _reduced("reduce", fn, sequences, outputs_info, non_sequences, go_backwards, name)


def _reduced(who, fn, sequences, outputs_info, non_sequences, go_backwards, name):
    loop = _Loop(who, fn, sequences, outputs_info, non_sequences, None, go_backwards, name=name)
    ends = loop.ends()
    return (ends[0] if len(ends) == 1 else ends), loop.updates()


def foldl(fn, sequences, outputs_info, non_sequences=None, mode=None, name=None):
    return _reduced("foldl", fn, sequences, outputs_info, non_sequences, False, name)


def foldr(fn, sequences, outputs_info, non_sequences=None, mode=None, name=None):
    return _reduced("foldr", fn, sequences, outputs_info, non_sequences, True, name)


def scan_checkpoints(*a, **k):
    pass

