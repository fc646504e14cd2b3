"""The body of a loop: one step, a small graph of its own, and how often it runs.

There are four kinds of variables in it.  A *sequence* gives its row t to step t.  A *state* is a
buffer of rows: a step reads rows that earlier ones wrote (`State.taps` tells which) and writes one;
its first ``depth`` rows are given.  A *fixed* operand is the same in all steps.  The step makes the
next row of each state, and *mapped* values, whose rows are stacked.
"""

from __future__ import annotations

from operator import add
from typing import NamedTuple

import numpy as np

from symgrad.derive import expansion
from symgrad.errors import ArgumentError, ShapeError
from symgrad.node import CONST, Node, rebuild, toposort, variable
from symgrad.op import apply, make, remake
from symgrad.ops.ifelse import needs, wanted
from symgrad.types import Dim, Tuple, Type, clash


class State(NamedTuple):
    """A recurrent value.  `taps`: how far back a step reads, ascending: (1,) is the row before;
    `keep`: whether every row is a result, else only the last `depth` of them."""

    taps: tuple
    keep: bool = True

    @property
    def depth(self):
        return max(self.taps)


class Body:
    """One step: `outputs`, a graph over `inputs` alone; equal to another of the same structure.

    inputs : variables: a row of each sequence; for each state one for each tap; the fixed operands
    outputs : the next row of each state, each mapped value, and with `until` a bool: true says that
        this step is the last
    seqs, states, maps : how many sequences; a `State` each; for each mapped value whether all rows
        are kept, else only the last
    reverse : steps go from t = n - 1 down to 0.  The given rows of a state are its last ones then,
        a tap k reads row t + k, and step t writes row t
    save : whether a derivative may keep what a step computed; else it computes it again
    """

    __slots__ = ("inputs", "outputs", "seqs", "states", "maps", "until", "reverse", "save",
                 "_key", "_hash", "_order", "_asked", "_known", "__weakref__")

    def __init__(self, inputs, outputs, seqs=0, states=(), maps=(), until=False, reverse=False,
                 save=True):
        if until and reverse:
            raise ArgumentError("a loop that may stop early goes upwards: until with reverse")
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.seqs, self.states, self.maps = seqs, tuple(states), tuple(maps)
        self.until, self.reverse, self.save = until, reverse, save
        self._key = self._hash = self._order = self._asked = None
        self._known = {}

    @property
    def taps(self):
        """How many inputs are rows of states."""
        return sum([len(s.taps) for s in self.states])

    @property
    def fixed(self):
        """How many fixed operands there are."""
        return len(self.inputs) - self.seqs - self.taps

    @property
    def shape(self):
        """What there is besides the graph."""
        return (self.seqs, self.states, self.maps, self.until, self.reverse, self.save)

    def reads(self):
        """Pairs (place among the operands, input) in order; a state is read by each tap."""
        place, at = [], 0
        for k in range(self.seqs):
            place.append(k)
        for j, s in enumerate(self.states):
            place += [self.seqs + j] * len(s.taps)
        at = self.seqs + len(self.states)
        place += range(at, at + self.fixed)
        return list(zip(place, self.inputs, strict=True))

    def inner(self, k):
        """How many leading axes of operand k a step does not see."""
        return int(k < self.seqs + len(self.states))

    def with_outputs(self, outputs, **changes):
        """The same step with other outputs."""
        names = ("seqs", "states", "maps", "until", "reverse", "save")
        given = {n: getattr(self, n) for n in names} | changes
        return Body(changes.pop("inputs", self.inputs), outputs,
                    **{n: given[n] for n in names})

    def rows(self, k, n, plus=add, least=min):
        """How many rows result k has after n steps; `plus` and `least` do the arithmetic."""
        if k < len(self.states):
            s = self.states[k]
            return plus(n, s.depth) if s.keep else s.depth
        return n if self.maps[k - len(self.states)] else least(n, 1)

    # -- structure

    @property
    def key(self):
        if self._key is None:
            number, rows = {i: k for k, i in enumerate(self.inputs)}, []
            for n in toposort(self.outputs):
                if n not in number:
                    number[n] = len(number)
                    rows.append((n.op, n.attrs, n.type, tuple([number[i] for i in n.inputs])))
            self._key = (self.shape, tuple([i.type for i in self.inputs]), tuple(rows),
                         tuple([number[o] for o in self.outputs]))
        return self._key

    def __hash__(self):
        if self._hash is None:
            self._hash = hash(self.key)
        return self._hash

    def __eq__(self, other):
        return self is other or type(other) is Body and self.key == other.key

    def __repr__(self):
        return f"{len(self.key[2])} nodes"

    def __reduce__(self):
        return Body, (self.inputs, self.outputs, *self.shape)

    # -- types

    def shapes(self, types):
        """(types of the outputs, lengths that must be equal) for operands of these types.

        Lengths are told in those of the operands where they can be, else they are None.  Of the
        operands' axes, pairs ((operand, axis), (operand, axis)) must be equally long.
        """
        found = self._known.get(types)
        if found is None:
            found = self._known[types] = _Shapes(self, types).result()
        return found

    def claims(self, places):
        """The nodes of a step for which axes of operands, pairs (operand, axis), must be as long
        as others."""
        types = {k: Type(i.type.dtype, (None,) * (i.type.ndim + self.inner(k)))
                 for k, i in self.reads()}
        walked = _Shapes(self, [types[k] for k in sorted(types)])
        walked.result()
        found = {}
        for k, axis in places:
            if axis >= self.inner(k):
                d = walked.entered[k].shape[axis]
                found.update([(n, None) for a, b, n in walked.why if n is not None and d in (a, b)])
        return list(found)

    def measures(self, types):
        """{(node, axis): the int that is its length, or (an input, axis) of the same length}, as
        far as that can be told, for operands of these types."""
        walked = _Shapes(self, types)
        walked.result()
        first, found = {}, {}
        for i in self.inputs:
            for axis, d in enumerate(walked.new[i].type.shape):
                first.setdefault(walked.find(d), (i, axis))
        for n, made in walked.new.items():
            for axis, d in enumerate(made.type.shape):
                d = walked.find(d)
                if isinstance(d, int) or d in first:
                    found[n, axis] = d if isinstance(d, int) else first[d]
        return found

    # -- meaning

    def empty(self, *operands):
        """The mapped values of no steps, for arrays of operands."""
        types, _ = self.shapes(tuple([Type(o.dtype.name, o.shape) for o in operands]))
        return [np.zeros((0, *[d if isinstance(d, int) else 0 for d in t.shape]), t.dtype)
                for t in types[len(self.states):len(self.states) + len(self.maps)]]

    def order(self):
        """The graph's nodes, operands first, composites replaced by what they stand for; and the
        outputs."""
        if self._order is None:
            outputs = self.outputs
            while composite := [n for n in toposort(outputs) if n.op.numpy is None and n.op.expand]:
                outputs = rebuild(outputs, {n: expansion(n) for n in composite}, remake)
            self._order = [n for n in toposort(outputs) if n not in self.inputs], outputs
        return self._order

    def step(self, rows):
        """The values of the outputs for arrays in place of the inputs, node by node."""
        order, outputs = self.order()
        if self._asked is None:
            self._asked = needs(outputs, order) or {}
        store = dict(zip(self.inputs, rows, strict=True))
        for n in order:
            if self._asked and not wanted(self._asked.get(n), store):
                continue
            store[n] = n.data if n.op is CONST else apply(n, [store.get(i) for i in n.inputs])
        return [store[o] for o in outputs]


class _Shapes:
    """Lengths through a body: a walk with the operands' lengths, again until no more are found to
    be equal."""

    def __init__(self, body, types):
        self.body, self.same, self.made = body, {}, {}
        self.probes = set()  # stand for lengths that are not known
        self.why = []  # (length, another, the node of the step that wants them equal, or None)
        self.inside = {}  # (node, axis) -> that of a length which is made in the step
        self.entered = []
        for k, t in enumerate(types):
            fresh = {axis: Dim(f"?{k}.{axis}") for axis, d in enumerate(t.shape) if d is None}
            self.probes.update(fresh.values())
            self.entered.append(t.with_shape([fresh.get(a, d) for a, d in enumerate(t.shape)]))

    def probe(self, node, axis):
        """What stands for a length that an op makes."""
        found = self.made.get((node, axis))
        if found is None:
            found = self.made[node, axis] = Dim(f"?{len(self.made)}")
            self.probes.add(found)
        return self.find(found)

    def find(self, d):
        while d in self.same:
            d = self.same[d]
        return d

    def unite(self, a, b, node=None):
        """Take two lengths for equal; True if that is news.  A number stands for the others, then
        a length of an operand."""
        if a is None or b is None or 1 in (a, b):
            return False
        a, b = sorted((self.find(a), self.find(b)), key=self.rank)
        if a == b:
            return False
        if clash(a, b):
            raise ShapeError(f"lengths {a} and {b} differ")
        self.same[b] = a
        self.why.append((a, b, node))
        return True

    def rank(self, d):
        return 0 if isinstance(d, int) else 2 if d in self.probes else 1

    def named(self, type, *place):
        """The type with what stands for lengths that only the step will tell."""
        if type.__class__ is Tuple:
            return Tuple(tuple([self.named(t, *place, k) for k, t in enumerate(type.items)]))
        if not type.shape:
            return type
        shape = []
        for axis, d in enumerate(type.shape):
            if d is None:
                d = self.inside.get((*place, axis))
                if d is None:
                    d = self.inside[(*place, axis)] = Dim("?")
                    self.probes.add(d)
            shape.append(self.find(d))
        return type.with_shape(shape)

    def walk(self):
        """The nodes of one walk, and whether it learned something."""
        body, news, new = self.body, False, {}
        self.new = new
        for k, i in body.reads():
            t = self.entered[k]
            shape = [self.find(d) for d in t.shape[body.inner(k):]]
            new[i] = variable(Type(i.type.dtype, tuple(shape)), i.name)
        for n in toposort(body.outputs):
            if n in new or not n.inputs:
                continue
            inputs = tuple([new.get(i, i) for i in n.inputs])
            made = make(n.op, inputs, n.attrs, n.origin)
            new[n] = Node(n.op, inputs, n.attrs, self.named(made.type, n), n.origin)
            same = n.op.same([x.type for x in inputs], *n.attrs) if n.op.same else ()
            for (p, i), (q, j) in same:
                news |= self.unite(inputs[p].type.shape[i], inputs[q].type.shape[j], n)
        made = [new.get(o, o) for o in body.outputs]
        for j, value in enumerate(made[:len(body.states)]):
            for a, b in zip(value.type.shape, self.entered[body.seqs + j].shape[1:], strict=True):
                if a is not None:
                    news |= self.unite(a, b)
        return made, news

    def result(self):
        while True:
            made, news = self.walk()
            if not news:
                break
        groups = {}
        for k, t in enumerate(self.entered):
            for axis in range(self.body.inner(k), t.ndim):
                groups.setdefault(self.find(t.shape[axis]), []).append((k, axis))
        pairs = []
        for places in groups.values():
            first = min(places, key=lambda p: self.rank(self.entered[p[0]].shape[p[1]]))
            length = self.entered[first[0]].shape[first[1]]
            pairs += [(first, (k, axis)) for k, axis in places
                      if (k, axis) != first and self.entered[k].shape[axis] != length]

        def told(d):
            d = d if d is None else self.find(d)
            return None if d in self.probes else d

        types = [m.type.with_shape([told(d) for d in m.type.shape]) for m in made]
        return tuple(types), tuple(pairs)


def run(n, operands, body, step):
    """The loop, with ``step(rows)`` for what the body makes of its inputs."""
    check_steps(n, [len(s) for s in operands[:body.seqs]])
    count = len(body.states)
    seqs, inits = operands[:body.seqs], operands[body.seqs:body.seqs + count]
    fixed = operands[body.seqs + count:]
    buffers = []
    for s, init in zip(body.states, inits, strict=True):
        if len(init) != s.depth:
            raise ShapeError(f"a state needs {s.depth} rows to begin with, not {len(init)}")
        made = np.zeros((n + s.depth, *init.shape[1:]), init.dtype)
        made[slice(n, None) if body.reverse else slice(None, s.depth)] = init
        buffers.append(made)
    maps, done = [None] * len(body.maps), n
    for t in range(n - 1, -1, -1) if body.reverse else range(n):
        rows = [s[t] for s in seqs]
        for s, b in zip(body.states, buffers, strict=True):
            rows += [b[t + k] if body.reverse else b[t + s.depth - k] for k in s.taps]
        values = [np.asarray(v) for v in step([*rows, *fixed])]
        for s, b, v in zip(body.states, buffers, values, strict=False):
            if v.shape != b.shape[1:]:
                raise ShapeError(f"a state begins with the shape {b.shape[1:]}, and step {t} makes "
                                 f"{v.shape} of it")
            b[t if body.reverse else t + s.depth] = v
        for k in range(len(maps)):
            v = values[count + k]
            if maps[k] is None:
                maps[k] = np.zeros((n, *v.shape), v.dtype)
            if v.shape != maps[k].shape[1:]:
                raise ShapeError(f"its step made a value of shape {maps[k].shape[1:]} first and of "
                                 f"shape {v.shape} in step {t}")
            maps[k][t] = v
        if body.until and values[-1]:
            done = t + 1
            break
    if not n:
        maps = body.empty(*operands)
    return (*[b if s.keep else b[:s.depth] if body.reverse else b[done:done + s.depth]
              for s, b in zip(body.states, buffers, strict=True)],
            *[m if keep else m[:1] if body.reverse else m[max(done - 1, 0):done]
              for keep, m in zip(body.maps, maps, strict=True)],
            *[np.int64(done)] * body.until)


def check_steps(n, lengths):
    """That there are rows for n steps."""
    if n < 0:
        raise ShapeError(f"the number of steps is negative: {n}")
    for k, rows in enumerate(lengths):
        if rows < n:
            raise ShapeError(f"sequence {k} has {rows} rows, too few for {n} steps")
