"""The arguments of loops in their many forms, each brought into one: sequences, outputs, the number
of steps, what a step returns."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from functools import wraps

import numpy as np

from symgrad import origin
from symgrad.errors import ArgumentError, DtypeError, ShapeError, SymgradError, near
from symgrad.node import CONST, TABLE, Node, as_node, constant
from symgrad.op import cast_node
from symgrad.ops.lengths import known, length
from symgrad.records import dataclass
from symgrad.shared import Shared
from symgrad.types import kind_of


class until:
    """``until(condition)``, returned last by a step: the step in which it is true is the last one.

    >>> x = T.dvector("x")
    >>> sums, _ = sg.scan(lambda a, s: (s + a, sg.until(s + a > 2)), x, 0.0)
    >>> sums.eval({x: [1.0, 1.0, 1.0, 1.0]})
    array([1., 2., 3.])
    """

    def __init__(self, condition):
        self.condition = as_node(condition)
        if self.condition.type.ndim:
            raise ShapeError(told("until", "the condition must be a scalar, not "
                                  f"{self.condition.type!r}", [self.condition],
                                  "T.all or T.any makes one of many"))


class Updates(OrderedDict):
    """{shared variable: its value after the loop}, for ``sg.function(updates=…)``; falsy if empty.

    Two of them can be added if they do not disagree.
    """

    def __setitem__(self, variable, value):
        if not isinstance(variable, Shared):
            raise ArgumentError(f"updates change shared variables only, not {variable!r:.60}")
        super().__setitem__(variable, value)

    def __add__(self, other):
        total = type(self)(self)
        for s, value in other.items():
            if s in total and total[s] is not value:
                raise ArgumentError(f"updates: {s!r} has two updates")
            total[s] = value
        return total


def told(who, sentence, nodes=(), hint=None):
    """A message in the house's form, with the line of the user's program."""
    return origin.report(f"{who}: {sentence}", nodes, origin.caller(), hint)


def named(function):
    """Decorator for a public function: arguments that do not fit are an `ArgumentError`."""
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args, **kwargs):
        try:
            signature.bind(*args, **kwargs)
        except TypeError as wrong:
            unknown = [k for k in kwargs if k not in signature.parameters]
            hint = near(unknown[0], signature.parameters) if unknown else None
            raise ArgumentError(told(function.__name__, wrong, (), hint)) from None
        return function(*args, **kwargs)

    return call


def listed(given):
    """None, one thing or a list or tuple of them, as a list."""
    return [] if given is None else list(given) if isinstance(given, list | tuple) else [given]


@dataclass
class Sequence:
    """What steps read row by row: step t reads row t + k for each k of `taps`, in that order."""

    input: Node
    taps: list

    @property
    def low(self):
        return min(*self.taps, 0)

    @property
    def span(self):
        return max(*self.taps, 0) - self.low

    def cut(self, tap, backwards):
        """The rows that a tap reads, first the one of step 0."""
        start, end = tap - self.low, self.span + self.low - tap
        rows = self.input
        if start or end:
            rows = rows[start:-end] if end else rows[start:]
        return rows[::-1] if backwards else rows


@dataclass(eq=False)
class Output:
    """What a step makes.  `initial`: None, or how a state begins; `taps`: how far back a step
    reads, in the order of its arguments.  With the one tap 1, `initial` is one row, else the rows
    before the first step, oldest first.  `weak`: its dtype may follow the step's; `number`: it is a
    Python integer."""

    initial: Node | None = None
    taps: tuple = ()
    weak: bool = False
    number: bool = False

    def row(self):
        """The type of a row."""
        t = self.initial.type
        return t if self.taps == (1,) else t.with_shape(t.shape[1:])

    def rows(self):
        """The first rows."""
        if self.taps == (1,):
            return TABLE["unsqueeze"].of(self.initial, axes=(0,))
        depth = max(self.taps)
        return self.initial if self.initial.type.shape[0] == depth else self.initial[:depth]


def _operand(who, what, value):
    try:
        return as_node(value)
    except SymgradError as error:
        raise DtypeError(told(who, f"{what}: {error}")) from None


def _integers(who, what, taps):
    taps = listed(taps)
    for k in taps:
        if isinstance(k, bool) or not isinstance(k, int | np.integer):
            raise ArgumentError(told(who, f"{what} has the tap {k!r:.40}; taps are integers"))
    if len(set(taps)) < len(taps):
        raise ArgumentError(told(who, f"{what} has a tap twice: {taps}"))
    return [int(k) for k in taps]


def _keys(who, what, given, allowed):
    for key in given:
        if key not in allowed:
            raise ArgumentError(told(who, f"{what} has no entry {key!r:.40}: "
                                     f"{near(key, allowed)}"))


def read_sequences(who, given):
    """`Sequence`s of the argument."""
    found = []
    for i, entry in enumerate(listed(given)):
        what, taps = f"sequences[{i}]", [0]
        if isinstance(entry, dict):
            _keys(who, what, entry, ("input", "taps"))
            if entry.get("input") is None:
                raise ArgumentError(told(who, f"{what} has no 'input'", (),
                                         "dict(input=x, taps=[-1, 0])"))
            if entry.get("taps") is not None:
                taps = _integers(who, what, entry["taps"])
            entry = entry["input"]
        x = _operand(who, what, entry)
        if not x.type.ndim:
            numbers = isinstance(given, list | tuple) and not isinstance(entry, Node)
            raise ShapeError(told(
                who, f"{what} is a scalar; steps read rows of a sequence", [] if numbers else [x],
                "a list is one of several sequences; for one of numbers, pass an array" if numbers
                else "what is the same in all steps goes to non_sequences"))
        if not taps:
            raise ArgumentError(told(who, f"{what} has no taps; leave them out for [0]"))
        found.append(Sequence(x, taps))
    return found


def read_outputs(who, given):
    """`Output`s of the argument; None if it says nothing of any."""
    found = []
    for i, entry in enumerate(listed(given)):
        what, taps = f"outputs_info[{i}]", (1,)
        if isinstance(entry, dict):
            _keys(who, what, entry, ("initial", "taps"))
            taps = entry.get("taps")
            taps = (1,) if taps is None else tuple([-k for k in _integers(who, what, taps)])
            if entry.get("initial") is None and entry.get("taps") is not None:
                raise ArgumentError(told(who, f"{what} has taps, but no 'initial' rows", (),
                                         "dict(initial=rows, taps=[-2, -1])"))
            entry = entry.get("initial")
        if entry is None:
            found.append(Output())
            continue
        x = _operand(who, what, entry)
        if not taps or min(taps) < 1:  # taps are distances from here on
            raise ArgumentError(told(
                who, f"{what} has the taps {[-k for k in taps]}; a step reads what earlier ones "
                "made, so they are -1, -2 and so on", [x]))
        if taps != (1,):
            depth, have = max(taps), x.type.shape[0] if x.type.ndim else 0
            if isinstance(have, int) and have < depth:
                raise ShapeError(told(
                    who, f"{what} reads {depth} rows back, but its initial value has "
                    f"{have or 'no'} rows", [x],
                    f"give the {depth} rows before the first step, oldest first"))
        found.append(Output(x, taps, x.op is CONST, type(entry) is int))
    return found or None


def count_steps(who, n_steps, sequences, cuts):
    """The number of steps, an int64 scalar; `cuts`: the rows of each sequence that its taps read,
    of any one tap."""
    given = _steps(who, n_steps)
    rows = [_rows(s, c) for s, c in zip(sequences, cuts, strict=True)]
    if given is None:
        if not rows:
            raise ArgumentError(told(who, "how many steps?", (),
                                     "pass n_steps=, or a sequence"))
        return _least(rows)
    n = known(given)
    if isinstance(n, int):
        for i, r in enumerate(rows):
            have = known(r)
            if isinstance(have, int) and have < n:
                s = sequences[i]
                extra = f", of which taps {s.taps} leave {have}" if s.span else ""
                raise ShapeError(told(who, f"n_steps is {n}, but sequences[{i}] has "
                                      f"{s.input.type.shape[0]} rows{extra}", [s.input]))
    return given


def _rows(sequence, cut):
    """How many steps a sequence is long."""
    total = sequence.input.type.shape[0]
    if isinstance(total, int):
        return constant(max(total - sequence.span, 0), dtype="int64")
    return length.of(cut, axis=0)


def _steps(who, n_steps):
    if n_steps is None:
        return None
    if isinstance(n_steps, bool | float | str) or isinstance(n_steps, list | tuple | dict):
        raise ArgumentError(told(who, f"n_steps must be an integer, not {n_steps!r:.40}"))
    n = _operand(who, "n_steps", n_steps)
    if kind_of(n.type.dtype) not in "iu":
        raise DtypeError(told(who, f"n_steps must be an integer, not {n.type!r}", [n],
                              "cast it with .astype('int64')"))
    if n.type.ndim:
        raise ShapeError(told(who, f"n_steps must be a scalar, not {n.type!r}", [n]))
    value = known(n)
    if isinstance(value, int):
        if value < 0:
            raise ShapeError(told(who, f"n_steps is negative: {value}", (),
                                  "to go through sequences from their end, go_backwards=True"))
        return constant(value, dtype="int64")
    return cast_node(n, "int64")


def _least(rows):
    """The least of these lengths.  Those known to be equal are compared once."""
    numbers = [known(r) for r in rows]
    ints = [n for n in numbers if isinstance(n, int)]
    kinds = {}
    for r, n in zip(rows, numbers, strict=True):
        if not isinstance(n, int):
            kinds.setdefault(r.inputs[0] if n is None else n, r)
    least = list(kinds.values())
    if ints:
        least.append(constant(min(ints), dtype="int64"))
    out = least[0]
    for r in least[1:]:
        out = TABLE["minimum"](out, r)
    return out


# -- what a step returns


def read_returned(who, returned):
    """(outputs, updates, condition) of what a step returned, in whatever order."""
    if returned is None:
        raise ArgumentError(told(who, "the step returned None", (),
                                 "it must return what it made: an expression, a list of them, "
                                 "updates, or (outputs, updates, until(condition))"))
    outputs, updates, conditions = [], [], []
    if isinstance(returned, list | tuple) and not _plain(returned) and not _pairs(returned):
        parts = list(returned)
    else:
        parts = [returned]
    for part in parts:
        if isinstance(part, until):
            conditions.append(part.condition)
        elif isinstance(part, dict):
            updates.append(list(part.items()))
        elif isinstance(part, list | tuple) and part and _pairs(part):
            updates.append(list(part))
        elif isinstance(part, list | tuple):
            outputs.append(part)
        else:
            outputs.append([part])
    for what, found in (("updates", updates), ("conditions", conditions)):
        if len(found) > 1:
            raise ArgumentError(told(who, f"the step returned {len(found)} {what}"))
    named = Updates()
    for s, value in updates[0] if updates else ():
        if not isinstance(s, Shared):
            raise ArgumentError(told(
                who, f"the step returned an update of {s!r:.60}, which is not shared",
                [s] if isinstance(s, Node) else [],
                "a value that changes from step to step is an output with an initial value in "
                "outputs_info, or a shared variable (sg.shared)"))
        if s in named:
            raise ArgumentError(told(who, f"the step updates {s!r} twice", [s]))
        named[s] = as_node(value)
    flat = [_operand(who, f"output {k} of the step", o)
            for k, o in enumerate([o for part in outputs for o in part])]
    return flat, named, conditions[0] if conditions else None


def _plain(parts):
    return not any(isinstance(p, list | tuple | dict | until) for p in parts)


def _pairs(parts):
    return bool(parts) and all(isinstance(p, list | tuple) and len(p) == 2 for p in parts) and all(
        isinstance(p[0], Node) for p in parts)
