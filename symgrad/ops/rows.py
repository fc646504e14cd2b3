"""``rows``: one expression evaluated for every index 0 … n - 1 and stacked; what `jacobian` is
made of.

It is the smallest loop there is: no state goes from one row to the next.  What does not depend on
the index is computed once, outside.
"""

from __future__ import annotations

import numpy as np

from symgrad.derive import backward, expansion
from symgrad.errors import ArgumentError, DtypeError
from symgrad.families import define
from symgrad.node import CONST, TABLE, Node, as_node, rebuild, toposort, variable
from symgrad.op import remake
from symgrad.ops.lengths import scalars, static_length
from symgrad.types import Type


class Row:
    """The expression of one row: `output`, a graph over the variables `index` and `inputs`."""

    __slots__ = ("index", "inputs", "output", "_order")

    def __init__(self, index, inputs, output):
        self.index, self.inputs, self.output, self._order = index, inputs, output, None

    def at(self, index, inputs):
        """The expression with other nodes for the index and the inputs."""
        return rebuild(
            [self.output],
            {self.index: index, **dict(zip(self.inputs, inputs, strict=True))},
            remake,
        )[0]

    def value(self, index, arrays):
        """The expression's value, node by node with NumPy."""
        if self._order is None:
            self._order = toposort([_expanded(self.output)])
        store = {
            self.index: np.asarray(index, "int64"),
            **dict(zip(self.inputs, arrays, strict=True)),
        }
        for n in self._order:
            if n.op is CONST:
                store[n] = n.data
            elif n not in store:
                store[n] = n.op.numpy(
                    *[store[i] for i in n.inputs], **dict(zip(n.op.params, n.attrs, strict=True))
                )
        return store[self._order[-1]]

    def __reduce__(self):
        return Row, (self.index, self.inputs, self.output)


def _expanded(output):
    """The graph without composites."""
    while composite := [n for n in toposort([output]) if n.op.numpy is None and n.op.expand]:
        output = rebuild([output], {n: expansion(n) for n in composite}, remake)[0]
    return output


def _infer(inputs, row):
    for have, want in zip(inputs[1:], row.inputs, strict=True):
        if have.dtype != want.dtype:
            raise DtypeError(f"its expression is over {want.type!r}, not {have.type!r}")
    out = row.output.type
    inner = [d if isinstance(d, int) else None for d in out.shape]
    return Type(out.dtype, (static_length(inputs[0], "n"), *inner))


def _samples(rng):
    i, x = variable(Type("int64", ())), variable(Type("float64", (None, None)))
    return [
        ((np.asarray(3), rng.normal(size=(3, 4))), {"row": Row(i, (x,), TABLE["sin"](x[i] * x))})
    ]


@define("opaque", infer_from=_infer, samples=_samples)
def rows(n, *inputs, row=None):
    """The values of a `Row` for every index below n, stacked along a new first axis."""
    values = [row.value(i, inputs) for i in range(int(n))]
    if values:
        return np.stack(values)
    shape = [d if isinstance(d, int) else 0 for d in row.output.type.shape]
    return np.zeros((0, *shape), row.output.type.dtype)


@rows.vjp
def _(g, out, n, *rest):
    *inputs, row = rest

    def pulled(k):
        def one(i):
            return backward([row.at(i, inputs)], [g[i]], [inputs[k]])[0]

        return map_rows(one, n)

    parts = [
        pulled(k) if x.type.dtype.startswith(("float", "complex")) else 0
        for k, x in enumerate(inputs)
    ]
    return [0, *(TABLE["sum"].of(p, axis=(0,)) if isinstance(p, Node) else p for p in parts)]


def map_rows(function, n):
    """``function(i)`` for i = 0 … n - 1, stacked; n is an integer or a symbolic one.  None if the
    function gives None.  ArgumentError if it is no function.

    >>> x = T.dvector("x"); map_rows(lambda i: x[i] * x, x.shape[0]).eval({x: [1., 2.]})
    array([[1., 2.],
           [2., 4.]])
    """
    if isinstance(function, Node) or not callable(function):
        raise ArgumentError(f"the first argument must be a function of an index, "
                            f"not {function!r:.60}")
    n, = scalars([n], what="n")
    index = variable(Type("int64", ()))
    output = function(index)
    if output is None:
        return None
    output = as_node(output)
    inside, outer = {index}, {}
    for node in toposort([output]):
        if any(i in inside for i in node.inputs):
            inside.add(node)
            outer.update(
                dict.fromkeys(i for i in node.inputs if i not in inside and i.op is not CONST)
            )
    if output not in inside:
        outer[output] = None
    fresh = {o: variable(o.type, o.name) for o in outer}
    row = Row(index, tuple(fresh.values()), rebuild([output], fresh, remake)[0])
    return rows.of(n, *outer, row=row)


FUNCTIONS = (map_rows,)
