"""`scan`, and what is a scan under another name."""

from __future__ import annotations

import numpy as np

from symgrad.errors import ArgumentError
from symgrad.loops.checkpoints import chunk_size, chunked, steps
from symgrad.loops.forms import (
    Updates,
    count_steps,
    named,
    read_outputs,
    read_sequences,
    told,
)
from symgrad.loops.runs import cut_off, maximum, plain
from symgrad.loops.step import trace
from symgrad.node import Node, constant
from symgrad.op import cast_node
from symgrad.types import kind_of


@named
def scan(fn, sequences=None, outputs_info=None, non_sequences=None, n_steps=None,
         truncate_gradient=-1, go_backwards=False, mode=None, name=None, profile=False,
         allow_gc=None, strict=False, return_list=False, return_updates=True,
         checkpoint_every=None, memory=None):
    """A loop: `fn` is called once, with variables, and what it returns is one step.

    Parameters
    ----------
    fn : its arguments are the rows of `sequences` (of each, by its taps), then earlier rows of the
        outputs (by their taps), then `non_sequences`.  It returns outputs (a variable or a list),
        updates of shared variables (a dict, or pairs), and ``until(condition)``, or a tuple of
        these in any order.  It may read anything from outside
    sequences : one or a list of tensors, or ``dict(input=x, taps=[-1, 0, 2])``, where a step reads
        the rows before, at and two after its own.  Of different lengths, the shortest counts
    outputs_info : for each output how it begins: a first row; ``dict(initial=rows, taps=[-3, -1])``
        with the rows before the first step, oldest first; or None if steps do not read it.  The
        dtype of a constant follows that of the step
    non_sequences : further arguments, the same in all steps
    n_steps : an integer or a symbolic one; by default, as many as the sequences have rows
    truncate_gradient : through how many of the last steps gradients flow; -1 is all of them
    go_backwards : whether sequences are read from their end
    strict : whether shared variables that `fn` reads must be among `non_sequences`
    return_list : whether a single output comes in a list, too
    return_updates : whether the result is a pair with the updates
    checkpoint_every : a number of steps, or True for the root of all: only states so far apart are
        kept for the gradient, what lies between is computed again
    memory : a number of bytes that states and values kept for the gradient may take: chooses
        `checkpoint_every`
    name : of the loop, in printouts
    mode, profile, allow_gc : of no effect, there for old programs

    Returns
    -------
    (outputs, updates): None, one variable or a list of them, whose row t is what step t made; and
    {shared variable: its value after the loop} for ``sg.function(updates=…)``.  Draws that the step
    makes of random streams need no updates; they move with every call.

    >>> x = T.dvector("x")
    >>> sums, _ = sg.scan(lambda a, s: s + a, sequences=x, outputs_info=0.0)
    >>> sg.function([x], [sums, sg.grad(sums[-1], x)])([1.0, 2.0, 3.0])
    [array([1., 3., 6.]), array([1., 1., 1.])]
    """
    loop = _Loop("scan", fn, sequences, outputs_info, non_sequences, n_steps, go_backwards, strict,
                 truncate_gradient, checkpoint_every, memory, name)
    return loop.result(return_list, return_updates)


class _Loop:
    """A loop from the arguments of `scan`, put together."""

    def __init__(self, who, fn, sequences, outputs_info, non_sequences, n_steps=None,
                 go_backwards=False, strict=False, truncate_gradient=-1, checkpoint_every=None,
                 memory=None, name=None, ends=None):
        sequences = read_sequences(who, sequences)
        outputs = read_outputs(who, outputs_info)
        n = count_steps(who, n_steps, sequences, [s.cut(s.taps[0], False) for s in sequences])
        last = _truncation(who, truncate_gradient)
        self.traced = trace(who, fn, sequences, outputs, non_sequences, n, go_backwards, strict)
        draft = self.traced.draft
        every = ends or chunk_size(who, draft, checkpoint_every, memory)

        def run(draft):
            if every is None:
                return plain(draft, name)
            return chunked(draft, every, ends is not None, name)

        self.done = run(draft) if last is None else cut_off(draft, last, run, name)
        for s in self.traced.born:
            s.default_update = self.done.last(self.traced.moved[s])

    def outputs(self):
        return [self.done.rows(k) if kind == "state" else self.done.mapped(k)
                for kind, k in self.traced.order]

    def ends(self):
        """The last row of each output; of a state its first value, if there were no steps."""
        return [self.done.last(k) if kind == "state" else self.done.mapped(k)[-1]
                for kind, k in self.traced.order]

    def updates(self):
        return Updates((s, self.done.last(j)) for s, j in self.traced.moved.items())

    def result(self, return_list=False, return_updates=True):
        outputs = self.outputs() or None
        if outputs and len(outputs) == 1 and not return_list:
            outputs = outputs[0]
        return (outputs, self.updates()) if return_updates else outputs


def _truncation(who, last):
    """None, or how many of the last steps a gradient goes through, an int64 scalar."""
    if last is None or isinstance(last, int | np.integer) and last == -1:
        return None
    if isinstance(last, Node) and not last.type.ndim and kind_of(last.type.dtype) in "iu":
        return maximum(cast_node(last, "int64"), 1)
    if isinstance(last, bool) or not isinstance(last, int | np.integer) or last < 1:
        raise ArgumentError(told(who, f"truncate_gradient must be a number of steps from 1 up, or "
                                 f"-1 for all of them, not {last!r:.40}"))
    return constant(int(last), dtype="int64")


@named
def map(fn, sequences, non_sequences=None, truncate_gradient=-1, go_backwards=False, mode=None,
        name=None):
    """``fn`` of every row of `sequences`, stacked; a pair with the updates, as `scan` gives.

    >>> x = T.dmatrix("x"); norms, _ = sg.map(lambda row: T.sqrt((row ** 2).sum()), x)
    >>> norms.eval({x: [[3.0, 4.0], [6.0, 8.0]]})
    array([ 5., 10.])
    """
    return _Loop("map", fn, sequences, None, non_sequences, None, go_backwards, False,
                 truncate_gradient, name=name).result()


@named
def reduce(fn, sequences, outputs_info, non_sequences=None, go_backwards=False, mode=None,
           name=None):
    """The last row of each output of a `scan`, or how it began if there are no steps; a pair with
    the updates.

    >>> x = T.dvector("x"); value, _ = sg.reduce(lambda a, v: 10 * v + a, x, 0.0)
    >>> value.eval({x: [1.0, 2.0, 3.0]})
    array(123.)
    """
    return _reduced("reduce", fn, sequences, outputs_info, non_sequences, go_backwards, name)


@named
def foldl(fn, sequences, outputs_info, non_sequences=None, mode=None, name=None):
    """`reduce` from the first row to the last.

    >>> x = T.dvector("x"); value, _ = sg.foldl(lambda a, v: v / a, x, 60.0)
    >>> value.eval({x: [2.0, 3.0, 5.0]})
    array(2.)
    """
    return _reduced("foldl", fn, sequences, outputs_info, non_sequences, False, name)


@named
def foldr(fn, sequences, outputs_info, non_sequences=None, mode=None, name=None):
    """`reduce` from the last row to the first.

    >>> x = T.dvector("x"); value, _ = sg.foldr(lambda a, v: 10 * v + a, x, 0.0)
    >>> value.eval({x: [1.0, 2.0, 3.0]})
    array(321.)
    """
    return _reduced("foldr", fn, sequences, outputs_info, non_sequences, True, name)


def _reduced(who, fn, sequences, outputs_info, non_sequences, go_backwards, name):
    loop = _Loop(who, fn, sequences, outputs_info, non_sequences, None, go_backwards, name=name)
    ends = loop.ends()
    return (ends[0] if len(ends) == 1 else ends or None), loop.updates()


@named
def scan_checkpoints(fn, sequences=(), outputs_info=None, non_sequences=(),
                     name="checkpointscan_fn", n_steps=None, save_every_N=10, padding=True):
    """A `scan` whose outputs are those of every N-th step, and of the last one; what lies between
    is computed again when a gradient asks for it.

    ``scan(…, checkpoint_every=N)`` gives the rows of all steps.  `padding` is of no effect: any
    number of steps will do.

    >>> x = T.dvector("x")
    >>> sums, _ = sg.scan_checkpoints(lambda a, s: s + a, x, [0.0], save_every_N=2)
    >>> sums.eval({x: [1.0, 2.0, 3.0, 4.0, 5.0]})
    array([ 3., 10., 15.])
    """
    who = "scan_checkpoints"
    return _Loop(who, fn, sequences, outputs_info, non_sequences, n_steps, name=name,
                 ends=steps(who, "save_every_N", save_every_N, None)).result()
