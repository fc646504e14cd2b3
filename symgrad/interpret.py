"""Running a graph node by node with NumPy: what ``x.eval()`` does, and the oracle of faster ways.

Nothing is rewritten, fused or reused, and every value is checked against the type of its node.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from symgrad import origin
from symgrad.config import config
from symgrad.derive import expansion
from symgrad.errors import (
    ArgumentError,
    MissingInputError,
    ShapeError,
    SymgradError,
    UnusedInputError,
    near,
)
from symgrad.filters import accept
from symgrad.node import CONST, INPUT, SHARED, Node, as_node, leaves, toposort
from symgrad.op import apply, explain
from symgrad.ops.ifelse import needs, wanted
from symgrad.types import Dim, Tuple

_expansions = WeakKeyDictionary()  # composite node -> its definition on the same inputs


def run(outputs, values=None):
    """The arrays of `outputs`, given those of inputs or of any nodes on the way: ``{node: array}``.

    Shared variables are read from their containers.  Raises `MissingInputError` for an input
    without a value, `ShapeError` for lengths that must agree and do not, and what NumPy raises;
    the messages have the user's lines.
    """
    store = {n: np.asarray(a) for n, a in (values or {}).items()}
    lengths = {}
    for n, array in store.items():
        _check(n, array, lengths)
    _compute(outputs, store, lengths)
    return [store[o] for o in outputs]


def _compute(outputs, store, lengths):
    order = toposort(outputs, stop=store)
    asked = needs(outputs, order)
    for n in order:
        if asked and not wanted(asked.get(n), store):
            continue
        op = n.op
        if op is CONST:
            value = n.data
        elif op is SHARED:
            value = n.container.data
        elif op is INPUT:
            raise MissingInputError(origin.report(f"{n!r}: no value is given for this input", [n]))
        elif op.numpy is None:
            _agree(n, [store[i] for i in n.inputs])
            body = _expansions.get(n)
            if body is None:
                body = _expansions[n] = expansion(n)
            _compute([body], store, lengths)
            value = store[body]
        else:
            arrays = [store.get(i) for i in n.inputs]  # of an `ifelse` one side may be missing
            _agree(n, arrays)
            value = apply(n, arrays)
        store[n] = value
        _check(n, value, lengths)


def _agree(node, arrays):
    """That the lengths are equal which the op says must be."""
    op = node.op
    for (i, a), (j, b) in op.same([i.type for i in node.inputs], *node.attrs) if op.same else ():
        if arrays[i].shape[a] != arrays[j].shape[b]:
            shapes = " and ".join(str(arrays[k].shape) for k in (i, j))
            error = ShapeError(f"lengths differ, {shapes}")
            if 1 in (arrays[i].shape[a], arrays[j].shape[b]):
                error.hint = ("a length of 1 stretches only if known when the graph is built: "
                              "T.row, T.col, T.tensor(dtype, (1, None)) or x.dimshuffle")
            raise explain(error, op, node.inputs, node.origin)


def _check(node, array, lengths):
    """That a value is of its node's type, and that one Dim is one length."""
    t = node.type
    if type(t) is Tuple:
        return
    if array.dtype.name != t.dtype or array.ndim != t.ndim:
        raise SymgradError(f"{node.op.name}: got {array.dtype}{list(array.shape)} as the value of "
                           f"a node of type {t!r}\n  {origin.describe(node)}")
    for have, want in zip(array.shape, t.shape, strict=True):
        if isinstance(want, Dim):
            want = lengths.setdefault(want, have)
        if want is not None and have != want:
            raise ShapeError(f"{node.op.name}: shape {array.shape} does not fit the type {t!r}"
                             f"\n  {origin.describe(node)}")


def evaluate(variable, inputs_to_values=None, **options):
    """The value of a variable (or of a list of them): what ``variable.eval({x: 3})`` gives.

    Keys are variables or names of inputs; values are accepted as by a compiled function, with
    ``allow_input_downcast``, too.  Shared variables that are reached and have a ``default_update``
    take their next value.  The result is an array of the caller's own.

    Raises `ArgumentError` for an unknown name or option, `MissingInputError` for an input without a
    value, `UnusedInputError` for a value without a use (see ``config.on_unused_input``).
    """
    outputs = list(variable) if isinstance(variable, list | tuple) else [variable]
    updates = default_updates(outputs)
    order = toposort([*outputs, *updates.values()])
    values = _given(inputs_to_values or {}, order, **options)
    found = run([*outputs, *updates.values()], values)
    lent = {id(a) for a in values.values()}
    lent |= {id(n.container.data) for n in order if n.op is SHARED}
    own = [a.copy() if a.base is not None or not a.flags.writeable or id(a) in lent else a
           for a in found]
    for s, value in zip(updates, own[len(outputs):], strict=True):
        s.set_value(value, borrow=True)
    return own[:len(outputs)] if isinstance(variable, list | tuple) else own[0]


def default_updates(outputs, given=()):
    """``{shared: next value}`` for the ``default_update`` of all shared variables reached."""
    updates, pending = {}, list(outputs)
    while pending:
        reached, pending = leaves(pending), []
        for s in reached:
            if s.op is SHARED and s not in updates and s not in given:
                if s.default_update is not None:
                    updates[s] = as_node(s.default_update)
                    pending.append(updates[s])
    return updates


def _given(inputs_to_values, order, allow_input_downcast=None, **unknown):
    for name in unknown:
        hint = near(name, ["allow_input_downcast"])
        raise ArgumentError(f"eval: unknown option {name!r}: {hint}")
    named = {n.name: n for n in order if n.name and not n.inputs}
    reached, values = set(order), {}
    for key, value in inputs_to_values.items():
        if not isinstance(key, Node) and sum(n.name == key for n in order if not n.inputs) > 1:
            raise ArgumentError(f"eval: several inputs are called {key!r}; use the variables")
        node = key if isinstance(key, Node) else named.get(key)
        if node is None:
            raise ArgumentError(f"eval: no input is called {key!r}: {near(key, named)}")
        if node not in reached and config.on_unused_input == "raise":
            raise UnusedInputError(f"eval: the value does not depend on {origin.describe(node)}")
        values[node] = accept(value, node.type, node.name or "argument", origin=node.origin,
                              downcast=allow_input_downcast)
    return values
