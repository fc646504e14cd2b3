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

from symgrad.compile.spell import domain, fusible, row_inputs, whole
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
        parts = {n: [] for n in order}
        for n in order:
            if n.op.kind == "item":
                parts[n.inputs[0]].append(n)
        return [Step((n, *parts[n]), _read([n]), tuple(parts[n]) or (n,), kinds[n])
                for n in order if n.op.kind != "item"]
    return _Fuser(order, roots, can, fresh).steps()


def _read(body):
    inside = set(body)
    return tuple(dict.fromkeys([i for n in body for i in n.inputs if i not in inside
                                and not (i.op is CONST and i.attrs[0].array.size == 1)]))


class _Fuser:
    def __init__(self, order, roots, can, fresh):
        self.order, self.roots, self.can = order, roots, can
        self.users = users = {n: [] for n in order}
        for n in order:
            for i in dict.fromkeys(n.inputs):
                if i in users:
                    users[i].append(n)
        self.scalar, self.after, self.domain, self.rows, self.level = {}, {}, {}, {}, {}
        for n in reversed(order):
            self.after[n] = n.op.kind == "view" and n not in fresh and (
                not can[n] or n in roots or any([not can[u] for u in users[n]]))
            can[n] &= not self.after[n]
            self.scalar[n] = can[n] and n.type.ndim == 0 and n.op.kind != "reduction"
            if can[n] and not self.scalar[n]:
                self.domain[n], self.rows[n] = domain(n), row_inputs(n)
            else:
                self.domain[n] = n  # that of no other node
        for n in order:
            if n.op.kind == "item":  # computed with the op that it is a result of
                self.domain[n] = n.inputs[0]

    def steps(self):
        for n in self.order:
            self.level[n] = self.first_level(n)
        self.sink()
        groups = {}
        for n in self.order:
            phase = SCALAR if self.scalar[n] else VIEW_AFTER if self.after[n] else ARRAY
            alone = phase == SCALAR or self.domain[n]
            groups.setdefault((self.level[n], phase, alone), []).append(n)
        found = []
        for (level, phase, _), body in groups.items():
            if phase == SCALAR:
                found.append((level, phase, body, "kernel"))
            elif not self.can[body[0]]:
                found.append((level, phase, body, "call"))
            else:
                found += [(level, *step) for part in self.parts(body) for step in self.peel(part)]
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
        if n.op.kind == "item":
            return 0
        if self.domain[i] != self.domain[n]:
            return 1
        if whole(i):
            return 1
        rows = self.rows[n]
        for k, operand in enumerate(n.inputs):
            if operand is i and k not in rows:
                return 1
        return 0

    def sink(self):
        """Move nodes down to their users, where that saves storing them.

        Those fed by leaves and scalars alone may move freely.  Others move if every operand is kept
        anyway (read by another group, a result, or the work of a library call) or can move with
        them; and if they are no smaller than their operands.
        """
        level, late, light = self.level, set(), set()
        kept = {n for n in self.rows if n in self.roots or any(
            [level[u] != level[n] or self.domain[u] != self.domain[n] for u in self.users[n]])}
        for n in self.order:
            if n not in self.rows:
                continue
            if all([i in late or i not in level or self.scalar[i] for i in n.inputs]):
                late.add(n)
            elif n.op.kind != "gather" and all(
                    [i.type.ndim <= n.type.ndim and (
                        i not in self.rows or i in kept or i in light and len(self.users[i]) == 1)
                     for i in n.inputs]):
                light.add(n)
        for n in reversed(self.order):
            if n in self.roots or n not in late and n not in light:
                continue
            users = self.users[n]
            target = min([level[u] - self.rise(n, u) for u in users])
            if n in late or target in [level[u] for u in users]:
                level[n] = max(level[n], target)

    # -- groups to steps

    def parts(self, body):
        """The parts of a group that share neither an edge nor an operand they read row by row."""
        inside = {n: k for k, n in enumerate(body)}
        number, leader = dict(inside), list(range(len(body)))

        def find(k):
            while leader[k] != k:
                leader[k] = k = leader[leader[k]]
            return k

        for n, k in inside.items():
            for i in [n.inputs[j] for j in self.rows[n]]:
                if i.op is CONST or i.type.shape[0] != self.domain[n]:
                    continue
                if i not in number:
                    number[i] = len(leader)
                    leader.append(len(leader))
                leader[find(number[i])] = find(k)
        parts = {}
        for n, k in inside.items():
            parts.setdefault(find(k), []).append(n)
        return list(parts.values())

    def peel(self, body):
        """A part as steps: views of what is stored anyway are calls, if others need them."""
        inside, calls, rest = set(body), [], []
        for n in body:
            if n.op.kind == "view" and n.inputs[0] not in inside and any(
                    [u not in inside for u in self.users[n]]):
                calls.append((VIEW, [n], "call"))
                inside.discard(n)
            else:
                rest.append(n)
        return calls + ([(ARRAY, rest, "kernel")] if rest else [])
