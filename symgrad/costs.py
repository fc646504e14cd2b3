"""What a node costs, estimated from its record and its types: scalar operations and bytes moved."""

from __future__ import annotations

from math import isqrt

from symgrad.derive import expansion
from symgrad.node import toposort
from symgrad.ops.lengths import known
from symgrad.ops.scan import item, loop
from symgrad.scalars import Apply, expression
from symgrad.types import BYTES, Tuple


class Costs:
    """Estimates of floating-point operations and of bytes read and written.

    `unknown` stands for every length that is not known; without it, what depends on one is None.
    """

    def __init__(self, unknown=None):
        self.unknown = unknown
        self._scalars, self._composites = {}, {}

    def size(self, type):
        """How many elements a value has, or None."""
        total = 1
        for length in type.shape:
            if not isinstance(length, int):
                length = self.unknown
            if length is None:
                return None
            total *= length
        return total

    def bytes(self, nodes):
        """How many bytes the values of nodes take together, or None."""
        types = [t for n in nodes
                 for t in (n.type.items if type(n.type) is Tuple else (n.type,))]
        sizes = [self.size(t) for t in types]
        if None in sizes:
            return None
        return sum([s * BYTES[t.dtype] for s, t in zip(sizes, types, strict=True)])

    def traffic(self, node):
        """Bytes that a node reads and writes; a view moves none."""
        idle = node.op.kind in ("leaf", "view") or node.op is item
        return 0 if idle else self.bytes([*node.inputs, node])

    def flops(self, node):
        """Scalar operations of a node, or None."""
        kind = node.op.kind
        if kind in ("leaf", "view") or node.op is item:
            return 0
        if kind == "composite":
            return self._composite(node)
        if node.op is loop:
            return self._loop(node)
        sizes = [self.size(n.type) for n in (*node.inputs, node)]
        if None in sizes:
            return None
        if kind == "elementwise":
            return sizes[-1] * self._scalar(node)
        if kind == "reduction":
            return sizes[0]
        if kind == "contract" and len(node.inputs) == 2:
            return _products(sizes, _batch(node, sizes[-1]))
        return sizes[-1]

    def _loop(self, node):
        """The steps of a loop, times what one computes."""
        steps = known(node.inputs[0])
        steps = steps if isinstance(steps, int) else self.unknown
        parts = [self.flops(x) for x in toposort(node.attrs[0].outputs)]
        return None if steps is None or None in parts else steps * sum(parts)

    def _scalar(self, node):
        """How many rows of the scalar vocabulary make one element."""
        op, key = node.op, (node.op, node.attrs)
        count = self._scalars.get(key)
        if count is None:
            attrs = dict(zip(op.params, node.attrs, strict=True))
            waiting = [expression(op.scalar, len(node.inputs), **attrs)] if op.scalar else []
            count = 0
            while waiting:
                part = waiting.pop()
                if isinstance(part, Apply):
                    count += 1
                    waiting.extend(part.args)
            count = self._scalars[key] = max(count, 1)
        return count

    def _composite(self, node):
        key = node.op, tuple([i.type for i in node.inputs]), node.attrs
        if key not in self._composites:
            body = toposort([expansion(node)], stop=frozenset(node.inputs))
            parts = [self.flops(n) for n in body]
            self._composites[key] = None if None in parts else sum(parts)
        return self._composites[key]


def _batch(node, total):
    """How many products of matrices a batched product is made of."""
    a, b, out = node.inputs[0].type.shape, node.inputs[1].type.shape, node.type.shape
    same = len(out) > 2 and a[:-2] == out[:-2] == b[:-2]
    inner = [d if isinstance(d, int) else None for d in out[-2:]]
    return total // (inner[0] * inner[1]) if same and None not in inner and all(inner) else 1


def _products(sizes, batch):
    """Multiplications and additions of (m,k) @ (k,n): 2 m k n, from the root of the product of the
    three sizes."""
    a, b, out = [s // batch for s in sizes]
    return 2 * batch * isqrt(a * b * out)
