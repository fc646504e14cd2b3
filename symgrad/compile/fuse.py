"""Nodes to steps: which nodes are computed together, in one kernel.

A group is all nodes of one level and one domain, the length of the axis they loop over first.  An
edge may stay inside a group if row r of the user needs only row r of the operand; every other edge
raises the level.  So groups cannot form a cycle, whatever the graph: one pass, linear in edges.

Three refinements.  Scalars stand between levels: they are computed before the arrays of their
level, and raise nothing.  Views that a library call (or the user) reads are calls of their own
between levels, too.  A node whose operands are stored anyway moves down to the level of its users,
so that it need not be stored itself.  At last a group falls into the parts that share no row.
"""

from __future__ import annotations

from typing import NamedTuple

from symgrad.compile.spell import domain, fusible, read_inputs, row_inputs
from symgrad.node import CONST, toposort

SCALAR, VIEW, ARRAY, VIEW_AFTER = range(4)  # the order within a level


class Step(NamedTuple):
    """Nodes computed together: one kernel, or a single library call.

    `inputs`: what is read from outside, but for scalar constants; `outputs`: what others read.
    """

    body: tuple
    inputs: tuple
    outputs: tuple
    kind: str  # kernel | call


def fuse(roots, fresh=(), fusing=True):
    """The steps that compute `roots`, in order.  Nodes in `fresh` decide a length: always calls."""
    order = [n for n in toposort(roots) if n.op.kind != "leaf"]
    roots = frozenset(roots)
    can = {n: n not in fresh and fusible(n) for n in order}
    if not fusing:
        kinds = {n: "kernel" if can[n] and n.op.kind != "view" else "call" for n in order}
        return [Step((n,), _read([n]), (n,), kinds[n]) for n in order]
    return _Fuser(order, roots, can, fresh).steps()


def _read(body):
    inside = set(body)
    return tuple(dict.fromkeys([i for n in body for i in n.inputs if i not in inside
                                and not (i.op is CONST and i.attrs[0].array.size == 1)]))


class _Fuser:
    def __init__(self, order, roots, can, fresh):
        self.order, self.roots, self.can = order, roots, can
        self.users = {n: [] for n in order}
        for n in order:
            for i in dict.fromkeys(n.inputs):
                if i in self.users:
                    self.users[i].append(n)
        self.scalar, self.after, self.level = {}, {}, {}
        for n in order:
            self.scalar[n] = can[n] and n.type.ndim == 0 and n.op.kind != "reduction"
            called = n in roots or any([not can[u] for u in self.users[n]])
            self.after[n] = n.op.kind == "view" and n not in fresh and (called or not can[n])
            if self.after[n]:
                self.scalar[n] = can[n] = False

    def steps(self):
        for n in self.order:
            self.level[n] = self.first_level(n)
        self.sink()
        groups, key = {}, {}
        for k, n in enumerate(self.order):
            phase = SCALAR if self.scalar[n] else VIEW_AFTER if self.after[n] else ARRAY
            alone = not self.can[n]
            key[n] = self.level[n], phase, k if alone else -1, None if alone else domain(n)
            groups.setdefault(key[n], []).append(n)
        found = []
        for (level, phase, _, _), body in groups.items():
            if not self.can[body[0]]:
                found.append((level, phase, body, "call"))
                continue
            parts = [body] if phase == SCALAR else self.parts(body)
            for part in parts:
                found += [(level, *step) for step in self.peel(part, phase)]
        found.sort(key=lambda step: step[:2])  # stable: else in order of their first nodes
        of = {n: k for k, (_, _, body, _) in enumerate(found) for n in body}
        steps = []
        for k, (_, _, body, kind) in enumerate(found):
            outputs = [n for n in body
                       if n in self.roots or any([of[u] != k for u in self.users[n]])]
            steps.append(Step(tuple(body), _read(body), tuple(outputs), kind))
        return steps

    # -- levels

    def first_level(self, n):
        """The lowest level a node can have."""
        inputs = [i for i in n.inputs if i in self.level]
        if self.after[n]:
            return max([self.level[i] for i in inputs], default=-1)
        return max([self.level[i] + self.rise(i, n) for i in inputs], default=0)

    def rise(self, i, n):
        """1 if n must have a higher level than its operand i, 0 if they may share one."""
        if self.scalar[i]:
            return 0
        if self.scalar[n] or not (self.can[i] and self.can[n]) or domain(i) != domain(n):
            return 1
        if i.op.kind == "reduction" and 0 in i.attrs[0]:
            return 1  # complete only after the loop
        rows = row_inputs(n)
        return int(any([n.inputs[k] is i and k not in rows for k in range(len(n.inputs))]))

    def sink(self):
        """Move nodes down to their users, where that saves storing them.

        Those fed by leaves and scalars alone may move freely.  Others move if every operand is kept
        anyway: read by another group, a result, or the work of a library call.
        """
        late = set()
        for n in self.order:
            if self.can[n] and not self.scalar[n] and all(
                    [i in late or i not in self.level or self.scalar[i] for i in n.inputs]):
                late.add(n)
        away = {}  # how many users have another level or domain
        for n in self.order:
            away[n] = sum([not self.together(n, u) for u in self.users[n]])
        for n in reversed(self.order):
            if not self.can[n] or self.scalar[n] or n in self.roots or not self.users[n]:
                continue
            rises = [(self.level[u] - self.rise(n, u), u) for u in self.users[n]]
            target = min([level for level, _ in rises])
            if target <= self.level[n]:
                continue
            if n not in late and not (self.spreads(n) and self.kept(n, away) and any(
                    [level == target and self.level[u] == target for level, u in rises])):
                continue
            before = [i for i in n.inputs if i in self.level and self.together(i, n)]
            self.level[n] = target
            for i in dict.fromkeys(before):
                away[i] += 1
            away[n] = sum([not self.together(n, u) for u in self.users[n]])

    def together(self, a, b):
        return (self.level[a] == self.level[b] and self.can[a] and self.can[b]
                and domain(a) == domain(b) and self.scalar[a] == self.scalar[b])

    def spreads(self, n):
        """Whether a node is no smaller than its operands."""
        return n.op.kind != "reduction" and all(
            [i.type.ndim <= n.type.ndim for i in n.inputs]) and n.op.kind != "gather"

    def kept(self, n, away):
        return all([i not in self.level or self.scalar[i] or not self.can[i] or i in self.roots
                    or away[i] > 0 for i in n.inputs])

    # -- groups to steps

    def parts(self, body):
        """The parts of a group that share neither an edge nor an operand they read row by row."""
        leader = {}

        def find(x):
            while leader.setdefault(x, x) is not x:
                leader[x] = x = leader[leader[x]]
            return x

        for n in body:
            rows = row_inputs(n)
            for k in dict.fromkeys(read_inputs(n)):
                i = n.inputs[k]
                if i.type.ndim and i.op is not CONST and k in rows and i.type.shape[0] == domain(n):
                    leader[find(i)] = find(n)
        inside, parts = set(body), {}
        for n in body:
            for i in n.inputs:
                if i in inside:
                    leader[find(i)] = find(n)
        for n in body:
            parts.setdefault(find(n), []).append(n)
        return list(parts.values())

    def peel(self, body, phase):
        """A part as steps: views of what is stored anyway are calls, if others need them."""
        inside, calls, rest = set(body), [], []
        for n in body:
            called = n.op.kind == "view" and n.inputs[0] not in inside and any(
                [u not in inside for u in self.users[n]])
            if called and not self.scalar[n]:
                calls.append((VIEW, [n], "call"))
                inside.discard(n)
            else:
                rest.append(n)
        return calls + ([(phase, rest, "kernel")] if rest else [])

