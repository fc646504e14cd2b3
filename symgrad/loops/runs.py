"""Loops put together: plain ones, ones whose gradient is cut off, ones that keep few of their
states.

Each gives `Done`: the rows of every state and mapped value, and the states at the end.
"""

from __future__ import annotations

from symgrad.node import TABLE, constant
from symgrad.op import weak_numbers
from symgrad.ops.join import continued
from symgrad.ops.lengths import known
from symgrad.records import dataclass, replace
from symgrad.types import is_float


@dataclass
class Done:
    """`buffers`: of each state its first rows and those of all steps; `depths`: how many are first;
    `maps`: the mapped values' rows; `count`: None, or how many steps there were."""

    buffers: list
    depths: list
    maps: list
    count: object = None

    def rows(self, j):
        """A state's rows, one a step."""
        first = self.depths[j]
        if self.count is None:
            return self.buffers[j][first:]
        return self.buffers[j][first:first + self.count]

    def ends(self, j):
        """The rows of a state that a further step would read."""
        depth = self.depths[j]
        if self.count is None:
            return many(self.buffers[j][-depth:], depth)
        return many(self.buffers[j][self.count:self.count + depth], depth)

    def last(self, j):
        """The last row of a state; its first value, if there were no steps."""
        if self.count is None:
            return self.buffers[j][-1]
        return self.buffers[j][self.count + self.depths[j] - 1]

    def mapped(self, k):
        return self.maps[k] if self.count is None else self.maps[k][:self.count]


def plain(draft, name=None):
    """The loop as it is."""
    found = draft.build()
    if found and name:
        found[0].inputs[0].name = name
    count = found.pop() if draft.until is not None else None
    states = len(draft.states)
    return Done(found[:states], [s.depth for s in draft.states], found[states:], count)


def join(first, second):
    return TABLE["join"].of(first, second, axis=0)


def many(x, rows):
    """x, of which it is known how many rows there are."""
    if x.type.shape[0] == rows:
        return x
    return TABLE["specify_shape"](x, [rows, *[None] * (x.type.ndim - 1)])


def maximum(a, b):
    with weak_numbers():
        return TABLE["maximum"](a, b)


# -- truncated gradients


def cut_off(draft, steps, run=plain, name=None):
    """The loop whose gradient comes from the last `steps` steps: those before are a loop of their
    own, through which nothing flows (though it is connected).  `run` puts the last ones
    together."""
    if draft.until is not None:  # how many steps there are is known when they have been run
        found = draft.build()
        draft = replace(draft, n=found[-1], until=None)
    n, k = known(draft.n), known(steps)
    if isinstance(n, int) and isinstance(k, int) and n <= k:
        return run(draft)
    with weak_numbers():
        before = constant(n - k, dtype="int64") if isinstance(n, int) and isinstance(k, int) else \
            maximum(draft.n - steps, 0)
        after = draft.n - before
    first = plain(replace(draft, n=before), name)
    states = []
    for j, s in enumerate(draft.states):  # the last steps may read rows of the very beginning
        found = still(first.rows(j)[-s.depth:])
        if not (isinstance(known(before), int) and known(before) >= s.depth):
            found = many(join(s.init[before:], found), s.depth)
        states.append(replace(s, init=found))
    rest = run(replace(draft, n=after, states=states,
                       seqs={v: x[before:] for v, x in draft.seqs.items()}))
    return CutOff(first, rest)


@dataclass
class CutOff:
    """As `Done`, of a loop in two parts; `rest` has one step or more, if there are any."""

    first: Done
    rest: object

    def rows(self, j):
        return continued.of(still(self.first.rows(j)), self.rest.rows(j))

    def mapped(self, k):
        return continued.of(still(self.first.mapped(k)), self.rest.mapped(k))

    def last(self, j):
        return self.rest.last(j)


def still(x):
    """x, with a derivative of zero."""
    return TABLE["zero_grad"](x) if is_float(x.type.dtype) else x
