"""Sums over all steps that are computed after the loop: of products, one product over the rows of
all steps.  So the gradient of a weight matrix is one large product and not a small one a step."""

from __future__ import annotations

from symgrad.compile.rules.common import zeros
from symgrad.compile.rules.loop_batch import Batch, flat
from symgrad.compile.rules.loop_lengths import counts
from symgrad.op import weak_numbers
from symgrad.ops.index import FULL, layout
from symgrad.ops.lengths import length, product
from symgrad.ops.linalg import dot, tensordot
from symgrad.ops.logic import cast
from symgrad.ops.math import add, mul, neg, sub
from symgrad.ops.reduce import sum_
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import reshape, squeeze, transpose, unsqueeze
from symgrad.types import is_float


def summed(work, reads):
    """States that only add something up, of which only the last row is read: what they add is
    summed after the loop, where that is one product, or a sum of rows that are there."""
    d, house = work.d, work.house
    if "sink" in house.off or d.until is not None or not d.save:
        return
    waiting = [s for s in d.states if s.taps == (1,)]
    for _ in range(2):  # products first: what they stack may be summed as well
        for s in list(waiting):
            read = s in [r for _, (r, _) in work.stacks.values()]  # by another's sum
            terms = None if read else added(work, s)
            found = reads.of(work, work.results.index(s)) if terms else None
            if not found:
                waiting.remove(s)
                continue
            totals, left = [], []
            with weak_numbers():
                sums = Sums(work)
                for x, sign in terms:
                    kept = dict(work.stacks), list(d.maps)
                    total = sums(x)
                    if total is None:
                        work.stacks, d.maps = kept  # nobody reads the rows of its parts
                        left.append((x, sign))
                    else:
                        totals.append(total if sign == 1 else neg(total))
            if not totals:
                continue
            waiting.remove(s)
            if left:
                s.next = house.build(chained, s.reads[0], left)
                start = house.leaf(s.init.type)
                work.stacks[s] = start, (s, None)
                s.keep = False
            else:
                start = s.init
                d.states.remove(s)
            full = any([thin(t) == thin(s.reads[0]) for t in totals])
            start = None if full and zeros(start) else start[0]
            total = house.build(chained, start, [(t, 1) for t in totals])
            work.finals[s] = found, house.build(lambda t=total: unsqueeze.of(t, axes=(0,)))
            work.note("sink", total)


def thin(x):
    """Which axes have length one: where two nodes agree in it neither is stretched."""
    return [d == 1 for d in x.type.shape]


def chained(x, terms):
    for t, sign in terms:
        x = t if x is None else add.of(x, t) if sign == 1 else sub.of(x, t)
    return x


def added(work, s):
    """[(term, sign)] of what a step adds to a state that nothing else reads, or None."""
    users, own = {}, s.reads[0]
    for n in work.order():
        for i in n.inputs:
            users[i] = users.get(i, 0) + 1
    for o in work.house.outputs(work.d):
        users[o] = users.get(o, 0) + 1
    x, terms = s.next, []
    while x is not own:
        if x.op not in (add, sub) or users[x] > 1:
            return None
        a, b = x.inputs
        below = [a, b] if x.op is add else [a]
        path = next((i for i in below if holds(i, own)), None)
        if path is None:
            return None
        other = b if path is a else a
        terms.append((other, 1 if x.op is add else -1))
        x = path
    if users[own] != 1:
        return None
    flat, waiting = [], terms[::-1]
    while waiting:
        x, sign = waiting.pop()
        if x.op in (add, sub) and users[x] == 1:
            a, b = x.inputs
            waiting += [(b, sign if x.op is add else -sign), (a, sign)]
        else:
            flat.append((x, sign))
    return flat


def holds(x, own):
    """Whether a chain of sums has a variable among its first few terms."""
    waiting = [x]
    for _ in range(16):
        if not waiting:
            return False
        x = waiting.pop()
        if x is own:
            return True
        if x.op is add or x.op is sub:
            waiting += x.inputs
    return False


class Sums:
    """The sums of a step's values over all steps, as nodes for use after the loop; None where that
    is no better than adding them up."""

    def __init__(self, work):
        self.work, self.house, self.n = work, work.house, work.d.n
        self.level = work.levels()
        self.fixed = Batch(work.house, work.d.n, {v: (x, False) for v, x in work.d.fixed.items()})
        self.before = Batch(work.house, work.d.n, work.outside())

    def __call__(self, x):
        early = self.level[x] < 2
        if early and not is_float(x.type.dtype):
            return None
        form = getattr(self, f"_{x.op.name}", None)
        found = form(x, *x.inputs) if form is not None else None
        if found is None and early:
            found = self.of_sequences(x)
        elif found is None and self.work.stacked(x):
            found = sum_.of(self.rows(x), axis=(0,))
        return found if found is not None and found.type.dtype == x.type.dtype else None

    def varies(self, x):
        return self.level[x] > 0

    def rows(self, x):
        found = None
        if not self.work.stacked(x):
            found = self.before(x)
        return found[0] if found is not None and found[1] else self.work.stack(x)

    def same(self, x):
        """The node outside of what is the same in all steps."""
        return self.fixed(x)[0]

    def of_sequences(self, x):
        """The sum of what needs no states."""
        found = self.before(x)
        if found is None:
            return None
        rows, varies = found
        if varies:
            return sum_.of(rows, axis=(0,))
        return mul.of(rows, cast(self.n, x.type.dtype)) if counts(self.n) else None

    # -- what goes through a sum

    def _both(self, x, a, b):
        totals = self(a), self(b)
        return None if None in totals else x.op.of(*totals)

    _add = _sub = _both

    def _through(self, x, *inputs):
        if any([self.varies(i) for i in inputs[1:]]):
            return None
        total = self(inputs[0])
        return None if total is None else x.op.of(
            total, *[self.same(i) for i in inputs[1:]], *x.attrs)

    _neg = _transpose = _unsqueeze = _squeeze = _reshape = _true_div = _through

    def _sum(self, x, inner):
        total = self(inner)
        return None if total is None else sum_.of(total, axis=x.attrs[0])

    # -- products

    def _dot(self, x, a, b):
        ranks = a.type.ndim, b.type.ndim
        if not self.varies(a) or not self.varies(b):
            fixed, moving = (a, b) if self.varies(b) else (b, a)
            total, same = self(moving), self.same(fixed)
            if total is None:
                return None
            return dot.of(same, total) if fixed is a else dot.of(total, same)
        if ranks == (1, 1):
            return None
        return dot.of(self.left(a), self.right(b))

    def left(self, a):
        """(p, k) of each step as (p, n k)."""
        if a.type.ndim == 1:
            return flat(self.rows(a))
        if a.op is transpose:
            return transpose.of(flat(self.rows(a.inputs[0])))
        rows = transpose.of(self.rows(a), axes=(1, 0, 2))
        return reshape.of(rows, length.of(rows, axis=0), product(
            [length.of(rows, axis=k) for k in (1, 2)]))

    def right(self, b):
        """(k, q) of each step as (n k, q)."""
        if b.op is transpose:
            return flat(transpose.of(self.rows(b.inputs[0]), axes=(0, 2, 1)))
        return flat(self.rows(b))

    def _mul(self, x, a, b):
        for same, other in ((a, b), (b, a)):
            if not self.varies(same):
                total = self(other)
                return None if total is None else mul.of(total, self.same(same))
        axes = [thin(a), thin(b)]
        if axes == [[False, True], [True, False]]:
            a, b = b, a
        elif axes != [[True, False], [False, True]]:
            return None
        # a row of step t times a column of step t
        row, column = [self.rows(unthin(i)) for i in (a, b)]
        row, column = [squeeze.of(r, axes=(k,)) if r.type.ndim == 3 else r
                       for r, k in ((row, 1), (column, 2))]
        return dot.of(transpose.of(column), row)

    def _tensordot(self, x, a, b):
        if not (self.varies(a) and self.varies(b)):
            return None
        mine, theirs = [(0, *[k + 1 for k in axes]) for axes in x.attrs[0]]
        return tensordot.of(self.rows(a), self.rows(b), axes=(mine, theirs))

    # -- places

    def _inc_subtensor(self, x, base, y, *indices):
        idx, set = x.attrs
        if set or not zeros(base) or self.varies(base):
            return None
        base_out = self.same(base)
        if not any([self.varies(i) for i in indices]):
            total = self(y)
            return None if total is None else inc_subtensor.of(
                base_out, total, *[self.same(i) for i in indices], idx=idx)
        if not self.varies(y) or not y.type.ndim and x.type.ndim > 1:
            return None
        if idx[0] == "@" and all([e == FULL for e in idx[1:]]):
            return inc_subtensor.of(base_out, self.rows(y), self.rows(indices[0]),
                                    idx=("#", *idx[1:]))
        if "@" in str(idx):
            return None
        width = max([i.type.ndim for i in indices])
        if layout(idx, width)[0] != ("#", 0) or not y.type.ndim:
            return None
        arrays = []
        for i in indices:
            if self.varies(i):
                if i.type.ndim != width:
                    return None
                arrays.append(self.rows(i))
            else:
                arrays.append(self.same(i))
        return inc_subtensor.of(base_out, self.rows(y), *arrays, idx=idx)


def unthin(x):
    """A value before it was given an axis of length one."""
    return x.inputs[0] if x.op is unsqueeze else x

