"""A step function called once, with variables in place of rows, and what it made taken apart: a
`Draft` of the loop."""

from __future__ import annotations

import inspect

import numpy as np

from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.loops.forms import Updates, listed, read_returned, told
from symgrad.node import CONST, SHARED, TABLE, Node, as_node, rebuild, toposort, variable
from symgrad.op import cast_node, remake
from symgrad.ops.draft import Draft, Mapped, Rows, outside
from symgrad.records import dataclass, field
from symgrad.shared import births
from symgrad.types import clash, kind_of


@dataclass(eq=False)
class Traced:
    """`draft`: the loop; `order`: for each output ('state', j) or ('map', k); `moved`: {shared
    variable: its state}; `born`: those made by the step itself."""

    draft: Draft
    order: list
    moved: dict
    born: list = field(default_factory=list)


def trace(who, fn, sequences, outputs, non_sequences, n, backwards, strict):
    """The loop of a step function, as `Traced`."""
    if isinstance(fn, Node) or not callable(fn):
        raise ArgumentError(told(who, f"the first argument must be a function, not {fn!r:.60}"))
    seqs = {}
    for s in sequences:
        for tap in s.taps:
            row = variable(s.input.type.with_shape(s.input.type.shape[1:]), _at(s.input, tap))
            seqs[row] = s.cut(tap, backwards)
    others = [as_node(o) for o in listed(non_sequences)]
    reads = [[variable(o.row(), _at(o.initial, -k)) for k in o.taps] for o in outputs or ()]
    arguments = [*seqs, *[v for vs in reads for v in vs], *others]
    _check_arguments(who, fn, arguments)
    with births() as born:
        returned = fn(*arguments)
    made, updates, condition = read_returned(who, returned)
    if outputs is not None and len(made) != len(outputs):
        raise ArgumentError(told(
            who, f"the step returned {_many(len(made), 'output')}, but outputs_info has "
            f"{_many(len(outputs), 'entry', 'entries')}", made,
            "an entry for each output: None for one that is not fed back into the next step"))
    step = _Step(who, seqs, outputs or [None] * len(made), reads, made, updates, condition)
    step.find_shared(born)
    step.settle_weak()
    step.check_states()
    if strict:
        step.check_strict(others)
    return step.drafted(n, others)


def _again(node, inputs):
    """`remake`, without casts that have become idle."""
    idle = node.op.name == "cast" and inputs[0].type.dtype == node.type.dtype
    return inputs[0] if idle else remake(node, inputs)


def _many(n, one, more=None):
    return f"{n} {one if n == 1 else more or one + 's'}"


def _at(x, tap):
    """``x[t-1]``: the name of a row."""
    return x.name and f"{x.name}[t{tap:+d}]" if tap else x.name and f"{x.name}[t]"


def _check_arguments(who, fn, arguments):
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # a built-in function
        return
    try:
        signature.bind(*arguments)
    except TypeError as wrong:
        given = ", ".join([a.name or repr(a.type) for a in arguments]) or "none"
        raise ArgumentError(told(
            who, f"the step does not take the {_many(len(arguments), 'argument')} it gets: {wrong}",
            (), f"it gets {given}: the rows of sequences, those of outputs_info by their taps, "
            "then non_sequences")) from None


class _Step:
    """What a step made: `values`, the next rows of outputs, then of shared variables, then the
    condition."""

    def __init__(self, who, seqs, outputs, reads, made, updates, condition):
        self.who, self.seqs, self.outputs, self.reads = who, seqs, outputs, reads
        self.made, self.condition = made, condition
        self.moved = {s: variable(s.type, s.name and f"{s.name}[t]") for s in updates}
        self.updates, self.born = Updates(updates), []

    def roots(self):
        return [*self.made, *self.updates.values(),
                *([] if self.condition is None else [self.condition])]

    def replace(self, old_to_new):
        found = iter(rebuild(self.roots(), old_to_new, _again))
        self.made = [next(found) for _ in self.made]
        self.updates = Updates((s, next(found)) for s in list(self.updates))
        if self.condition is not None:
            self.condition = next(found)

    # -- shared variables

    def find_shared(self, born):
        """Shared variables that the step made and that move, random draws', are states like those
        that it updates."""
        drawing = dict.fromkeys([s for s in born if s.default_update is not None])
        while True:
            more = [x for x in toposort(self.roots())
                    if x.op is SHARED and x in drawing and x not in self.updates]
            if not more:
                break
            for s in more:
                self.updates[s] = as_node(s.default_update)
        self.born = [s for s in self.updates if s in drawing]
        self.moved = {s: variable(s.type, s.name and f"{s.name}[t]") for s in self.updates}
        for s, value in self.updates.items():
            if value.op is CONST and value.type.dtype != s.type.dtype and \
                    holds(value.data, s.type.dtype):
                self.updates[s] = cast_node(value, s.type.dtype)
        self.replace(self.moved)

    # -- types

    def states(self):
        """(output, its rows, its next value, its number among the outputs) of each state."""
        return [(o, vs, x, k) for k, (o, vs, x) in enumerate(
            zip(self.outputs, self.reads or [[]] * len(self.made), self.made, strict=True))
            if o is not None and o.initial is not None]

    def settle_weak(self):
        """Constant initial values take the dtype of what the step makes of them, if it can hold
        them: the step is then built again upon that."""
        self.written = self.made, self.updates, self.condition, list(self.reads)
        for _ in range(8):  # each time dtypes get wider, or one gets what the step casts it to
            wanted = {o: x.type.dtype for o, _, x, _ in self.states()
                      if x.type.dtype != o.initial.type.dtype and o.weak
                      and holds(o.initial.data, x.type.dtype)}
            if not wanted:
                break
            self.retype(wanted)
        for o, _, x, _ in self.states():
            if o.number and x.type.dtype == o.initial.type.dtype != "int64" and \
                    kind_of(x.type.dtype) == "i":
                self.widen(o)

    def retype(self, wanted):
        """Other dtypes for initial values: {output: dtype}.  It begins with the step as written,
        where casts still say what was meant."""
        self.made, self.updates, self.condition, reads = self.written
        change = {}
        for k, vs in enumerate(reads):
            o = self.outputs[k]
            if o in wanted:
                o.initial = cast_node(o.initial, wanted[o])
            self.reads[k] = vs
            if vs and vs[0].type.dtype != o.initial.type.dtype:
                self.reads[k] = [variable(v.type.with_dtype(o.initial.type.dtype), v.name)
                                 for v in vs]
                change.update(zip(vs, self.reads[k], strict=True))
        self.replace(change)

    def widen(self, output):
        """A Python integer counts in 64 bits, if the step does not say otherwise."""
        k = self.outputs.index(output)
        before = output.initial, list(self.reads), self.made, self.updates, self.condition
        self.retype({output: "int64"})
        if self.made[k].type.dtype != "int64":
            output.initial, self.reads, self.made, self.updates, self.condition = before

    def check_states(self):
        """A state stays what it was."""
        for o, vs, x, k in self.states():
            self.made[k] = self.same(f"outputs_info[{k}]", vs[0].type, x, o.initial)
        for s, x in self.updates.items():
            self.updates[s] = self.same("a shared variable", s.type, x, s)
        if self.condition is not None and self.condition.type.dtype != "bool":
            self.condition = TABLE["neq"](self.condition, 0)

    def same(self, what, row, x, begin):
        """The next value of a state, whose type must be that of its rows."""
        have, name = x.type, f"{begin.name} ({what})" if begin.name else what

        def wrong(kind, hint):
            return kind(told(self.who, f"the state {name} changes its type: it begins as {row!r}, "
                             f"and the step makes {have!r} of it",
                             [n for n in (begin, x) if n.op is not CONST], hint))

        if have.dtype != row.dtype:
            other = "" if begin.op is SHARED else \
                f", or begin with a value of dtype {have.dtype}"
            raise wrong(DtypeError, f"cast what the step returns: .astype({row.dtype!r}){other}")
        if have.ndim != row.ndim:
            raise wrong(ShapeError, "begin with a value of as many dimensions: T.zeros(shape), "
                        "T.zeros_like(x)" if have.ndim > row.ndim else
                        f"return a value with {_many(row.ndim, 'dimension')} from the step")
        for axis, (a, b) in enumerate(zip(row.shape, have.shape, strict=True)):
            if clash(a, b) or a == 1 != b:
                raise wrong(ShapeError, "its lengths must be the same in every step; begin with a "
                            f"value that has the step's length along axis {axis}")
            if b == 1 != a:
                x = TABLE["unbroadcast"].of(x, axes=(axis,))
        return x

    def check_strict(self, declared):
        stop = frozenset(declared)
        found = [x for x in toposort(self.roots(), stop=stop) if x.op is SHARED and x not in stop]
        if found:
            names = ", ".join([x.name or "a shared variable" for x in found])
            raise ArgumentError(told(self.who, f"strict=True, but the step reads {names} without "
                                     "having it from non_sequences", found,
                                     f"non_sequences=[{names}], and an argument of the step"))

    # -- the whole

    def drafted(self, n, given):
        tops = [v for vs in self.reads for v in vs]
        variables = {*self.seqs, *tops, *self.moved.values()}
        fixed = {old: variable(old.type, old.name)
                 for old in outside(self.roots(), variables, given)}
        self.replace(fixed)
        draft, order = Draft(n, seqs=dict(self.seqs), until=self.condition), []
        for k, x in enumerate(self.made):
            o = self.outputs[k]
            if o is None or o.initial is None:
                order.append(("map", len(draft.maps)))
                draft.maps.append(Mapped(x))
            else:
                order.append(("state", len(draft.states)))
                pairs = sorted(zip(o.taps, self.reads[k], strict=True), key=lambda p: p[0])
                taps, reads = zip(*pairs, strict=True)
                draft.states.append(Rows(list(reads), tuple(taps), o.rows(), x))
        moved = {}
        for s, x in self.updates.items():
            moved[s] = len(draft.states)
            draft.states.append(Rows([self.moved[s]], (1,), TABLE["unsqueeze"].of(s, axes=(0,)), x))
        draft.fixed.update({v: old for old, v in fixed.items()})
        return Traced(draft, order, moved, self.born)


def holds(array, dtype):
    """Whether a dtype holds a constant: exactly, or as the nearest float to one number."""
    if array.ndim == 0 and array.dtype.kind == np.dtype(dtype).kind == "f":
        return True
    if array.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        return False
    with np.errstate(all="ignore"):
        return np.array_equal(array.astype(dtype), array)
