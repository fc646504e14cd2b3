"""Nodes -> steps."""

from __future__ import annotations

from typing import NamedTuple

from symgrad.node import CONST, toposort


class Step(NamedTuple):
    """Nodes computed together: one kernel, or a single library call."""

    body: tuple
    inputs: tuple
    outputs: tuple
    kind: str


def fuse(roots, fresh=(), fusing=True):
    """One step a node."""
    steps = []
    for n in toposort(roots):
        if n.op.kind != "leaf":
            reads = tuple(dict.fromkeys(i for i in n.inputs if i.op is not CONST))
            steps.append(Step((n,), reads, (n,), "call"))
    return steps
