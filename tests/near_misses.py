"""Near misses: graphs that differ in one thing from one at which a rule fires.

Where a rule has a condition, some of them ask for it: another dtype, an axis of length one, one
operand twice, or another one at one of two places, another number, another axis, another op, a
value that somebody else reads.
"""

import itertools
from collections import Counter

import numpy as np

from symgrad.errors import SymgradError
from symgrad.node import CONST, INPUT, constant, toposort, variable
from symgrad.op import make
from symgrad.ops import OPS
from symgrad.ops.index import FULL, Slice
from symgrad.types import Tuple, Type, is_float

MOST = 100  # of one rule
DTYPES = ("float32", "int64", "bool", "complex128", "uint8")
GROUPS = [[OPS[n] for n in names.split()] for names in (
    "exp log sqr sqrt abs neg tanh sigmoid", "add sub mul true_div maximum", "sum max prod mean",
    "argmax argmin", "softmax log_softmax", "gt ge lt le eq ne", "logical_and logical_or",
    "unsqueeze squeeze", "zeros_like ones_like")
    if all([n in OPS for n in names.split()])]  # fmt: skip


def near_misses(outputs, most=MOST):
    """(what is changed, graph) for a graph, as evenly over the kinds of changes as it goes."""
    kinds = [_graphs(outputs, kind(toposort(outputs))) for kind in KINDS]
    mixed = (c for row in itertools.zip_longest(*kinds) for c in row if c is not None)
    return [("itself", outputs), *itertools.islice(mixed, most - 1)]


def _graphs(outputs, changes):
    """Graphs after changes: {node: what stands for it, a node or a function of its inputs}."""
    for what, change, more in changes:
        new = {}
        try:
            for n in toposort(outputs):
                inputs = tuple([new[i] for i in n.inputs])
                other = change.get(n)
                if other is None:
                    new[n] = n if inputs == n.inputs else applied(n.op, inputs, n.attrs)
                else:
                    new[n] = other(*inputs) if callable(other) else other
        except (SymgradError, TypeError, ValueError, IndexError):
            continue  # no graph can be made in this way
        yield what, [new[o] for o in (*outputs, *more)]


def applied(op, inputs, attrs):
    """An op on other inputs, checked as if a user had called it."""
    if op.kind in ("loop", "branch", "item"):
        return make(op, inputs, attrs)
    return op.of(*inputs, **dict(zip(op.params, attrs, strict=True)))


def dtypes(order):
    leaves = [n for n in order if n.op is INPUT]
    for dtype in DTYPES:
        yield dtype, {n: variable(Type(dtype, n.type.shape)) for n in leaves
                      if is_float(n.type.dtype)}, ()
    for n in leaves if len(leaves) > 1 else ():
        for dtype in DTYPES[:2]:
            yield f"one {dtype}", {n: variable(Type(dtype, n.type.shape))}, ()


def shapes(order):
    for n in [n for n in order if n.op is INPUT]:
        for k, d in enumerate(n.type.shape):
            shape = (*n.type.shape[:k], 1 if d != 1 else None, *n.type.shape[k + 1:])
            yield f"axis {k} of {d}", {n: variable(n.type.with_shape(shape))}, ()
        if n.type.ndim:
            yield "a number", {n: variable(n.type.with_shape(()))}, ()


def repeated(order):
    leaves = [n for n in order if n.op is INPUT]
    for a, b in itertools.combinations(leaves, 2):
        if a.type is b.type:
            yield "one twice", {b: a}, ()


def numbers(order):
    for n in [n for n in order if n.op is CONST and n.type.dtype != "bool"]:
        for other in (0, 1, -1, 2, 0.5, 3, 100):
            value = np.full(n.data.shape, other).astype(n.type.dtype)
            if (value != n.data).any():
                yield f"{n.data} -> {other}", {n: constant(value)}, ()
        yield f"{n.data} -> x", {n: variable(n.type)}, ()
        if n.data.size > 1:
            for last in (-0.0, 7):
                value = np.array(n.data)
                value.flat[-1] = last
                yield f"the last one {last}", {n: constant(value)}, ()


def attributes(order):
    for n in order:
        for k, a in enumerate(n.attrs):
            for other in _others(a):
                attrs = (*n.attrs[:k], other, *n.attrs[k + 1:])
                yield f"{n.op.name} {a} -> {other}", {
                    n: lambda *inputs, n=n, attrs=attrs: applied(n.op, inputs, attrs)}, ()


def _others(a):
    if isinstance(a, bool):
        yield not a
    elif isinstance(a, str) and a in ("float64", "float32", "int64", "int32"):
        yield from ("float32", "int64", "complex128")
    elif isinstance(a, tuple) and a and all([isinstance(e, int) for e in a]):
        yield from [o for o in ((0,), (1,), (0, 1), (1, 0), a[::-1]) if o != a]
    elif isinstance(a, tuple):
        for j, e in enumerate(a):
            for other in {FULL: (Slice(1), Slice(None, None, -1), Slice(None, None, 2), 0)}.get(
                    e, (FULL, Slice(0, 1), 1)) if isinstance(e, Slice | int) else ():
                yield (*a[:j], other, *a[j + 1:])


def operators(order):
    for n in order:
        for group in GROUPS:
            if n.op in group:
                at = group.index(n.op)
                for op in (group[at - 1], group[(at + 1) % len(group)]):
                    yield f"{n.op.name} -> {op.name}", {
                        n: lambda *inputs, n=n, op=op: applied(op, inputs, n.attrs)}, ()
        if len(n.inputs) > 1 and n.inputs[0] is not n.inputs[1]:
            yield f"{n.op.name} turned", {
                n: lambda a, b, *rest, n=n: applied(
                    n.op, (b, a, *rest), n.attrs)}, ()


def uses(order):
    """A value that is read more than once is another one at one of the places."""
    count = Counter([i for n in order for i in n.inputs])
    for n in order:
        for k, i in enumerate(n.inputs):
            if count[i] > 1 and type(i.type) is not Tuple:
                other = (constant(np.full(i.data.shape, 7).astype(i.type.dtype)) if i.op is CONST
                         else variable(i.type))
                yield f"{n.op.name} reads another", {
                    n: lambda *inputs, n=n, k=k, other=other: applied(
                        n.op, (*inputs[:k], other, *inputs[k + 1:]), n.attrs)}, ()


def cuts(order):
    for n in order[:-1]:
        if n.inputs and type(n.type) is not Tuple:
            yield f"{n.op.name} -> x", {n: variable(n.type)}, ()


def read_again(order):
    for n in order[:-1]:
        if n.inputs and type(n.type) is not Tuple:
            yield f"{n.op.name} read", {}, (n,)


def steps(order):
    """Changes in the step of a loop, and of what is kept of it."""
    for n in [n for n in order if n.op.kind == "loop"]:
        body, rest = n.attrs[0], n.attrs[1:]
        for what, new in _bodies(body):
            yield f"in a step: {what}", {
                n: lambda *inputs, n=n, new=new, rest=rest: applied(n.op, inputs,
                                                                    (new, *rest))}, ()


def _bodies(body):
    kinds = [_within(body, kind) for kind in (repeated, numbers, attributes, operators)]
    kinds += [_ends(body), _kept(body)]
    return (c for row in itertools.zip_longest(*kinds) for c in row if c is not None)


def _within(body, kind):
    """Steps with another graph of the same variables."""
    for what, outputs in _graphs(list(body.outputs), kind(toposort(body.outputs))):
        if {n for n in toposort(outputs) if n.op is INPUT} <= set(body.inputs):
            yield what, body.with_outputs(outputs)


def _ends(body):
    """A step that makes one thing twice, or leaves a state as it was."""
    for k, o in enumerate(body.outputs):
        for other in (*body.outputs, *body.inputs):
            if other is not o and other.type is o.type:
                yield f"output {k} is {other}", body.with_outputs(
                    [*body.outputs[:k], other, *body.outputs[k + 1:]])


def _kept(body):
    if not body.until:
        yield "turned", body.with_outputs(body.outputs, reverse=not body.reverse)
    yield "save", body.with_outputs(body.outputs, save=not body.save)
    for j, s in enumerate(body.states):
        states = [*body.states[:j], s._replace(keep=not s.keep), *body.states[j + 1:]]
        yield f"state {j} is kept", body.with_outputs(body.outputs, states=states)
    for j, m in enumerate(body.maps):
        yield f"map {j} is kept", body.with_outputs(
            body.outputs, maps=[*body.maps[:j], not m, *body.maps[j + 1:]])


KINDS = (dtypes, shapes, repeated, numbers, attributes, operators, uses, cuts, read_again, steps)
