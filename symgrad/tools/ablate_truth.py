"""What a graph's values are, computed with more digits than its dtypes have; how far off others
are."""

from __future__ import annotations

import numpy as np

from symgrad import origin
from symgrad.derive import expansion
from symgrad.errors import MissingInputError
from symgrad.node import CONST, INPUT, SHARED, toposort
from symgrad.op import apply
from symgrad.ops.body import run as run_loop
from symgrad.ops.ifelse import needs, wanted
from symgrad.types import Tuple

WIDE = np.longdouble, np.clongdouble
DOUBLE = np.float64, np.complex128


def name_of_wide():
    """The dtype of the reference, as a report names it."""
    bits = np.finfo(WIDE[0]).nmant + 1
    return f"longdouble ({bits} bits)" if bits > 53 else "float64"


def wider(array, dtypes=WIDE):
    """A float or complex array in one of the wide dtypes; any other as it is."""
    kind = array.dtype.kind
    return array.astype(dtypes[kind == "c"]) if kind in "fc" else array


def truth(outputs, values):
    """The arrays of `outputs` in long double precision: ``{leaf: array}`` are `values`; shared
    variables are read from their containers.  The graph is run as it is written, node by node.

    >>> x = Type("float32", (None,))("x")
    >>> truth([x.sum()], {x: np.array([1e8, 1.0, -1e8], "float32")})
    [np.longdouble('1.0')]
    """
    store = {n: wider(np.asarray(a)) for n, a in values.items()}
    compute(outputs, store, lambda n, array: wider(array), _applied)
    return [store[o] for o in outputs]


def compute(outputs, store, leaf, applied):
    """Put the values of a graph, as it is written, into `store`, ``{node: array}``: of constants
    and shared variables ``leaf(node, array)``, of others ``applied(node, arrays)``."""
    order = toposort(outputs, stop=store)
    asked = needs(outputs, order)
    for n in order:
        if asked and not wanted(asked.get(n), store):
            continue
        if n.op is INPUT:
            raise MissingInputError(origin.report(f"{n!r}: no value is given for this input", [n]))
        if n.op is CONST or n.op is SHARED:
            store[n] = leaf(n, n.data if n.op is CONST else n.container.cell[0])
        elif n.op.numpy is None:
            body = expansion(n)
            compute([body], store, leaf, applied)
            store[n] = store[body]
        else:
            store[n] = applied(n, [store.get(i) for i in n.inputs])


def _applied(node, arrays):
    if node.op.kind == "loop":
        body = node.attrs[0]
        found = run_loop(int(arrays[0]), arrays[1:], body, _stepper(body))
    elif node.op.name == "cast" and np.dtype(node.type.dtype).kind in "fc":
        return arrays[0].astype(WIDE[node.type.dtype.startswith("complex")])
    else:
        found = _willing(node, arrays)
    if type(node.type) is Tuple:
        return tuple([wider(np.asarray(a)) for a in found])
    return wider(found)


def _willing(node, arrays):
    """The op on long doubles; on doubles where it has no code for them (LAPACK, a user's op), and
    else on the dtypes that it was built for."""
    if node.op.kind == "item":  # of what may be no array
        return apply(node, arrays)
    tries = (lambda a, i: a, lambda a, i: wider(a, DOUBLE), lambda a, i: a.astype(i.type.dtype))
    pairs = list(zip(arrays, node.inputs, strict=True))
    for last, change in enumerate(tries, 1):
        try:
            with np.errstate(all="ignore"):
                return apply(node, [None if a is None else change(a, i) for a, i in pairs])
        except Exception:  # noqa: BLE001 - whatever a user's op says; the last one is told
            if last == len(tries):
                raise
    return None


def _stepper(body):
    """``step(rows)`` of a loop, made once for all steps."""
    order, outputs = body.order()
    asked = needs(outputs, order) or {}
    constants = {n: wider(n.data) for n in order if n.op is CONST}
    order = [n for n in order if n not in constants]

    def step(rows):
        store = {**constants, **dict(zip(body.inputs, rows, strict=True))}
        for n in order:
            if not asked or wanted(asked.get(n), store):
                store[n] = _applied(n, [store.get(i) for i in n.inputs])
        return [store[o] for o in outputs]

    return step


def distance(have, true):
    """The greatest error of an array, relative to the greatest true value in it; infinite where one
    of the two is not finite and the other is not the same.

    >>> distance(np.array([1.0, 2.5]), np.array([1.0, 2.0]))
    0.25
    >>> distance(np.array([np.nan]), np.array([1.0]))
    inf
    """
    have, true = np.asarray(have), np.asarray(true)
    if have.shape != true.shape:
        return float("inf")
    if not have.size:
        return 0.0
    wide = WIDE[have.dtype.kind == "c" or true.dtype.kind == "c"]
    have, true = have.astype(wide), true.astype(wide)
    with np.errstate(all="ignore"):
        same = (have == true) | (np.isnan(have) & np.isnan(true))
        finite = np.isfinite(have) & np.isfinite(true)
        if not np.all(same | finite):
            return float("inf")
        scale = np.abs(true[finite]).max(initial=0)
        return float(np.abs(have[finite] - true[finite]).max(initial=0) / (scale or 1))


def worst(names, have, true):
    """(greatest `distance`, the name of the result that has it, the same in units of the last
    place of that result's dtype or None); results are compared one by one."""
    found = 0.0, names[0] if names else "", 0.0
    for name, mine, right in zip(names, have, true, strict=True):
        error = distance(mine, right)
        if error > found[0]:
            floating = mine.dtype.kind in "fc"
            found = error, name, error / float(np.finfo(mine.dtype).eps) if floating else None
    return found
