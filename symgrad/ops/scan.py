"""``loop``: so many steps of one `Body`, the op that `sg.scan` and every other loop is made of, and
its derivatives.

>>> x, s = Type("float64")("x"), Type("float64")("s")
>>> body = Body((x, s), (s + x,), seqs=1, states=(State((1,)),))
>>> total, = results(3, [np.array([1.0, 2.0, 3.0])], [np.array([0.0])], [], body)
>>> total.eval()
array([0., 1., 3., 6.])
"""

from __future__ import annotations

import numpy as np

from symgrad.derive import Part
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.families import define
from symgrad.node import Node, as_node, rebuild, variable
from symgrad.op import cast_node, make, remake
from symgrad.ops.body import Body, State, run
from symgrad.ops.draft import Draft, Mapped, outside
from symgrad.ops.lengths import scalars, static_length
from symgrad.ops.scan_grad import pulled, pushed
from symgrad.ops.source import arange
from symgrad.types import Tuple, Type, clash, kind_of


def _infer(inputs, body):
    n, operands = inputs[0], inputs[1:]
    if len(operands) != body.seqs + len(body.states) + body.fixed:
        raise ArgumentError(f"its step reads {body.seqs} sequences, {len(body.states)} states and "
                            f"{body.fixed} fixed operands, not {len(operands)} operands in all")
    for k, i in body.reads():
        have, lost = operands[k].type, body.inner(k)
        if have.dtype != i.type.dtype or have.ndim - lost != i.type.ndim:
            raise DtypeError(f"its step is over {i.type!r}, a row of {have!r} is another thing")
    steps = static_length(n, "the number of steps")
    types, _ = body.shapes(tuple([o.type for o in operands]))
    made = []
    for s, init, t in zip(body.states, operands[body.seqs:], types, strict=False):
        if t.dtype != init.type.dtype or t.ndim != init.type.ndim - 1:
            raise DtypeError(f"a state begins as {init.type!r} and a step makes {t!r} of it")
        if clash(init.type.shape[0], s.depth):
            raise ShapeError(f"a state needs {s.depth} rows to begin with, not "
                             f"{init.type.shape[0]}")
        rows = (steps + s.depth if isinstance(steps, int) else None) if s.keep else s.depth
        made.append(Type(t.dtype, (rows, *init.type.shape[1:])))
    for keep, t in zip(body.maps, types[len(body.states):], strict=False):
        rows = steps if keep else min(steps, 1) if isinstance(steps, int) else None
        made.append(Type(t.dtype, (rows, *t.shape)))
    if body.until:
        made.append(Type("int64", ()))
    return Tuple(tuple(made))


def _same(types, body):
    _, pairs = body.shapes(tuple(types[1:]))
    return [((a + 1, i), (b + 1, j)) for (a, i), (b, j) in pairs]


def _counted(inputs):
    n = as_node(inputs[0])
    if kind_of(n.type.dtype) not in "iu" or n.type.ndim:
        raise DtypeError(f"the number of steps must be an integer, not {n.type!r}")
    return [cast_node(n, "int64"), *inputs[1:]]


@define("loop", infer_from=_infer, prepare=_counted, same=_same)
def loop(n, *operands, body=None):
    """The results of n steps of a `Body`: its states' buffers, its mapped values, and with
    ``until`` how many steps there were.

    operands : the sequences, of n rows or more; the first rows of each state; the fixed operands.
    Its type is a `Tuple`; `results` gives the parts.
    """
    return run(int(n), operands, body, body.step)


@loop.vjp
def _(g, out, *rest):
    return pulled(out, g)


@loop.jvp
def _(tangents, out, *rest):
    return pushed(out, tangents)


def _item_type(inputs, k):
    return inputs[0].type.items[k]


@define("item", infer_from=_item_type)
def item(whole, *, k=0):
    """One of several results of an op."""
    return np.asarray(whole[k])


@item.vjp
def _(g, out, whole, k):
    return [Part(k, g)]


def results(n, seqs, inits, fixed, body):
    """The results of a `loop`, each an ordinary variable."""
    whole = loop.of(n, *seqs, *inits, *fixed, body=body)
    return [make(item, (whole,), (k,), whole.origin) for k in range(len(whole.type.items))]


def map_rows(function, n):
    """``function(i)`` for i = 0 … n - 1, stacked; n is an integer or a symbolic one.  None if the
    function gives None.  ArgumentError if it is no function.

    It is the smallest loop there is: no state goes from one row to the next.

    >>> x = T.dvector("x"); map_rows(lambda i: x[i] * x, x.shape[0]).eval({x: [1., 2.]})
    array([[1., 2.],
           [2., 4.]])
    """
    if isinstance(function, Node) or not callable(function):
        raise ArgumentError(f"the first argument must be a function of an index, "
                            f"not {function!r:.60}")
    n, = scalars([n], what="n")
    static_length(n, "n")
    index = variable(Type("int64", ()))
    output = function(index)
    if output is None:
        return None
    output = as_node(output)
    fixed = {x: variable(x.type, x.name) for x in outside([output], [index])}
    row, = rebuild([output], fixed, remake)
    return Draft(n, seqs={index: arange.of(0, n, 1)}, maps=[Mapped(row)],
                 fixed={v: x for x, v in fixed.items()}).build()[0]


FUNCTIONS = (map_rows,)
__all__ = ["Body", "State", "item", "loop", "map_rows", "results"]
