"""The lengths of what loops read and make, told by their numbers of steps; and the views that they
are for."""

from __future__ import annotations

import numpy as np

from symgrad.node import CONST
from symgrad.op import infer, weak_numbers
from symgrad.ops.index import FULL, Slice, subtensor
from symgrad.ops.lengths import length, static_length
from symgrad.ops.logic import minimum
from symgrad.ops.math import add, sub
from symgrad.ops.shape import broadcast_to, specify_shape, unsqueeze
from symgrad.types import Tuple, Type


class Lengths:
    """The pool, and which lengths in it are numbers of steps."""

    def __init__(self, pool):
        self.pool = pool
        self.spans = {}  # (number of steps, more) -> the length
        self.told = {}  # a length -> (number of steps, more)

    # -- making nodes

    def intern(self, node, origin=None):
        return self.pool.intern([node], origin)[0]

    def build(self, function, *args):
        """What a function makes of nodes, in the pool."""
        with weak_numbers():
            return self.intern(function(*args))

    def number(self, value):
        return self.pool.constant(np.asarray(value, "int64"))

    def zero(self, dtype):
        return self.pool.constant(np.zeros((), dtype))

    # -- lengths

    def span(self, n, more=0):
        """The length n + more, as it is told in types."""
        steps = static_length(n)
        if isinstance(steps, int):
            return steps + more
        key = n, more
        d = self.spans.get(key)
        if d is None:
            d = self.pool._new() if steps is None or more else steps
            self.spans[key] = d
            self.told.setdefault(d, key)
        return self.pool.find(d)

    def beyond(self, d, n):
        """By how much a length surpasses n, if that is known."""
        steps, d = static_length(n), self.pool.find(d)
        if isinstance(steps, int) and isinstance(d, int):
            return d - steps
        if d is self.span(n):
            return 0
        told = self.told.get(d)
        return told[1] if told is not None and told[0] is n else None

    def steps(self, n, more=0):
        """The number n + more as a scalar."""
        if n.op is CONST:
            return self.number(int(n.data) + more)
        return self.pool.make(add, (n, self.number(more))) if more else n

    def offset(self, scalar, n):
        """c, if a scalar is evidently n + c; else None."""
        if scalar is n:
            return 0
        if scalar.op in (add, sub) and scalar.inputs[1].op is CONST:
            inner = self.offset(scalar.inputs[0], n)
            c = int(scalar.inputs[1].data)
            return None if inner is None else inner + (c if scalar.op is add else -c)
        return None

    def unite(self, old, new, node):
        """Lengths of two types of one value are the same."""
        for a, b in zip(old.shape, new.shape, strict=True):
            told = self.told.get(a) or self.told.get(b)
            self.pool.unite(a, b, node, False)
            if told is not None:
                self.told.setdefault(self.pool.find(a), told)

    def settled(self, t):
        """A type with each length told in one way."""
        if type(t) is Tuple:
            return Tuple(tuple([self.settled(i) for i in t.items]))
        return t.with_shape([self.pool.find(d) for d in t.shape])

    def remade(self, n, inputs):
        """A node on other inputs, its lengths told as well as they are known."""
        t = self.settled(n.type)
        if type(t) is not Tuple:
            t = self.joined(n, t, infer(n.op, inputs, n.attrs))
            if n.op is subtensor and n.attrs[0] and isinstance(n.attrs[0][0], Slice):
                rows = self.cut(inputs, n.attrs[0][0])
                t = self.joined(n, t, t.with_shape((rows, *t.shape[1:])))
            first = self.pool.make(n.op, inputs, n.attrs, n.origin, None, n.name)
            t = self.joined(n, t, first.type)  # the same with other names for its lengths
        return self.pool.make(n.op, inputs, n.attrs, n.origin, t, n.name)

    def joined(self, n, t, found):
        shape = [a if b is None else b for a, b in zip(t.shape, found.shape, strict=True)]
        found = t.with_shape(shape)
        self.unite(t, found, n)
        return self.settled(found)

    def cut(self, inputs, entry, numbers=False):
        """The length of x[entry], if x is as long as a number of steps and more; else None.
        `numbers`: also where it is a number, which a type must not say that only we know."""
        told = self.told.get(self.pool.find(inputs[0].type.shape[0]))
        if told is None or entry.step is not None:
            return None
        n, more = told
        start, stop = entry.start or 0, entry.stop
        if stop == "@" and start == 0:
            stop = self.offset(inputs[1], n)
            return None if stop is None or not 0 <= stop <= more else self.span(n, stop)
        if not isinstance(start, int) or start < 0 or more < start:
            return None
        if isinstance(stop, int) and start <= stop <= more and numbers:
            return stop - start
        return self.span(n, more - start) if stop is None else None

    # -- views

    def rows(self, x, n, origin=None):
        """The first n rows of a sequence; that there are so many is checked where it is not
        evident."""
        t, d = x.type, self.span(n)
        more = self.beyond(t.shape[0], n)
        if more == 0:
            return x
        fitted = t.with_shape((d, *t.shape[1:]))
        rest = (FULL,) * (t.ndim - 1)
        if n.op is CONST:
            made = self.pool.make(subtensor, (x,), ((Slice(None, int(n.data)), *rest),),
                                  origin)
        else:
            made = self.pool.make(subtensor, (x, n), ((Slice(None, "@"), *rest),), origin,
                                  fitted if more else None)
        if (more or 0) > 0 or t.shape[0] in map(self.pool.find, bounds(n) or ()):
            return made
        sizes = [n, *[self.pool.make(length, (x,), (k,)) for k in range(1, t.ndim)]]
        return self.pool.make(specify_shape, (made, *sizes), (), origin, fitted)

    def part(self, x, n, start):
        """n rows of a buffer from one on."""
        rest = (FULL,) * (x.type.ndim - 1)
        if not start:
            return self.rows(x, n)
        if self.beyond(x.type.shape[0], n) != start:
            x = self.pool.make(subtensor, (x,), ((Slice(start), *rest),))
            return self.rows(x, n)
        t = x.type.with_shape((self.span(n), *x.type.shape[1:]))
        return self.pool.make(subtensor, (x,), ((Slice(start), *rest),), None, t)

    def written(self, buffer, n, depth, reverse):
        """The rows of a state's buffer that steps wrote."""
        return self.part(buffer, n, 0 if reverse else depth)

    def read(self, buffer, n, depth, tap, reverse):
        """The rows of a state's buffer that steps read by a tap."""
        return self.part(buffer, n, tap if reverse else depth - tap)

    def stretched(self, x, n, more=0):
        """n + more rows, all of them x."""
        t = Type(x.type.dtype, (self.span(n, more), *x.type.shape))
        sizes = [self.steps(n, more), *self.sizes(x)]
        return self.pool.make(broadcast_to, (x, *sizes), (), None, t)

    def sizes(self, x):
        return [self.number(d) if isinstance(d, int) else self.pool.make(length, (x,), (k,))
                for k, d in enumerate(x.type.shape)]


def bounds(n):
    """Lengths that a number evidently does not surpass; None if it may be negative."""
    if n.op is CONST:
        return [] if int(n.data) >= 0 else None
    if n.op is length:
        return [n.inputs[0].type.shape[n.attrs[0]]]
    found = [bounds(i) for i in n.inputs] if n.op is minimum else [None]
    return None if None in found else sum(found, [])


def counts(n):
    """Whether a number is evidently not negative."""
    return bounds(n) is not None


def rank_up(lengths, x, rank):
    """Rows of a smaller rank with new axes behind the first, so that they align with others."""
    more = rank - (x.type.ndim - 1)
    return lengths.pool.make(unsqueeze, (x,), (tuple(range(1, 1 + more)),)) if more else x
