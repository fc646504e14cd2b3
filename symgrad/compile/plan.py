"""The plan: steps in order, and where each unknown length is bound or checked.  Every backend
compiles a `Plan`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from symgrad import origin
from symgrad.compile.fuse import fuse
from symgrad.errors import ShapeError
from symgrad.node import SHARED, toposort
from symgrad.op import infer
from symgrad.types import Dim


class Place(NamedTuple):
    """An axis whose length only a run can tell.  The first place of a Dim binds it, the others are
    checked.

    `reason` is (node that needs the equality, soft): a soft one does not fail, it sends the call
    to the general program.
    """

    node: object
    axis: int
    length: object  # Dim or int
    binds: bool
    reason: tuple | None


@dataclass
class Plan:
    """What is to be run: `inputs` (leaves in call order), `steps`, `outputs`, and `updates` of
    shared leaves."""

    pool: object
    inputs: tuple
    shared: tuple
    outputs: tuple
    updates: tuple  # ((shared leaf, node), …)
    steps: tuple
    places: dict = field(default_factory=dict)  # node -> [Place]
    # node -> the plans of its bodies, whose inputs are the bodies'
    inner: dict = field(default_factory=dict)

    @property
    def roots(self):
        return (*self.outputs, *(value for _, value in self.updates))

    @property
    def nodes(self):
        """Every computed node in the order of the steps."""
        return [n for s in self.steps for n in s.body]


def fresh_axes(node):
    """Axes whose lengths the node's own computation decides."""
    if node.op.kind == "leaf":
        return ()
    if node.op.name == "item":  # its type is read off the whole's, which names all lengths
        whole = node.inputs[0]
        shape = infer(whole.op, whole.inputs, whole.attrs).items[node.attrs[0]].shape
    else:
        shape = infer(node.op, node.inputs, node.attrs).shape
    return tuple([axis for axis, d in enumerate(shape) if d is None])


def build(pool, inputs, outputs, updates, fusing=True):
    """The plan of a graph in its final form.  `inputs` are the user's leaves, `outputs` and
    `updates` the pool's."""
    roots = (*outputs, *(value for _, value in updates))
    order = toposort(roots)
    fresh = {n: axes for n in order if (axes := fresh_axes(n))}
    entered = [pool.enter_leaf(i) for i in inputs]
    held = dict.fromkeys([n for n in order if n.op is SHARED] + [s for s, _ in updates])
    steps = tuple(fuse(roots, fresh, fusing))
    places, bound = {}, {}

    def put(node, axis, key):
        length, reason = node.type.shape[axis], pool.reason(key)
        binds = isinstance(length, Dim) and length not in bound
        if binds:
            bound[length] = reason
        elif other := bound.get(length):  # why the place that binds it is equal to this one
            reason = (reason or other)[0], other[1] or bool(reason and reason[1])
        places.setdefault(node, []).append(Place(node, axis, length, binds, reason))

    for leaf in (*entered, *held):
        user = pool.source[leaf]
        for axis, d in enumerate(user.type.shape):
            if not isinstance(d, int):
                put(leaf, axis, (user, axis) if d is None else d)
    for step in steps:
        for n in step.body:
            for axis in fresh.get(n, ()):
                put(n, axis, pool.named(n, axis))
    return Plan(pool, tuple(entered), tuple(held), tuple(outputs), tuple(updates), steps, places)


class Unexpected(Exception):
    """Lengths that usually agree do not in this call: the general program must run it."""


def mismatch(place, have, want):
    """The error for an axis of length `have` that should have `want`: `Unexpected` if NumPy would
    not insist."""
    node, axis, reason = place.node, place.axis, place.reason
    if reason and reason[1]:
        return Unexpected()
    name = repr(node)
    if reason is None:
        text = f"{name}: axis {axis} has length {have}, but {want} was declared or needed"
        return _explained(origin.report(text, [node]))
    user = reason[0]
    hint = (
        (
            "a length that is not known when the graph is built does not broadcast; "
            "declare it as 1 with "
            "T.row, T.col or T.tensor(dtype, shape)"
        )
        if 1 in (have, want)
        else None
    )
    text = f"{user.op.name}: lengths differ, axis {axis} of {name} is {have}, the other {want}"
    inputs = list(user.inputs)
    if user.op.kind == "loop" and (inside := _meeting(user, place.length)):
        text += f"; {inside.op.name} in its step wants them equal"
        inputs = [*inside.inputs, inside]
    return _explained(origin.report(text, inputs, user.origin, hint))


def _meeting(loop, length):
    """The node of a loop's step in which this length meets another; None if there is none."""
    body, operands = loop.attrs[0], loop.inputs[1:]
    found = body.claims([(k, axis) for k, x in enumerate(operands)
                         for axis, d in enumerate(x.type.shape) if d == length])
    return found[0] if found else None


def _explained(text):
    error = ShapeError(text)
    error.explained = True
    return error
