"""Products with scaling and addition in one call.

``W - lr * dot(x, d)`` is ``gemm(W, x, d, -lr, 1)``.

A walk over the finished graph, since it depends on users: a product is drawn into the sum around it
only if nothing else needs it, and only where the sum would be stored anyway (otherwise it is fused
with what reads it).
"""

from __future__ import annotations

import numpy as np

from symgrad.compile.pattern import rounding
from symgrad.compile.rules.collect import walked
from symgrad.compile.rules.common import mat, num, var, vec
from symgrad.node import CONST
from symgrad.ops.blas import gemm, gemv, ger
from symgrad.ops.linalg import dot
from symgrad.ops.math import add, mul, neg, sub, true_div
from symgrad.ops.shape import squeeze, transpose, unsqueeze

DTYPES = ("float32", "float64")
DOCS = {"transposed_dot": "the transpose of a product is the product of transposes",
        "gemm": "a product of matrices is added to what it is added to, with its factor",
        "gemv": "the same for a matrix and a vector",
        "ger": "the same for the outer product of two vectors"}
NAMES = tuple(DOCS)
KINDS = dict.fromkeys(NAMES, rounding)


def run(outputs, pool, log, off=()):
    """`outputs` with products drawn into the sums around them."""
    if "transposed_dot" not in off:
        outputs = _Walk(outputs, pool, log, off).replace(_Walk.turned)
    return _Walk(outputs, pool, log, off).replace(_Walk.updated)


def _splits(n):
    """Whether a node is part of a linear combination: its inputs are terms, or a term and a
    scalar."""
    if n.op is add or n.op is sub or n.op is neg:
        return True
    scaled = [i.type.ndim == 0 for i in n.inputs]
    return n.op is mul and any(scaled) or n.op is true_div and scaled[1]


class _Walk:
    """One walk over a graph, with use counts."""

    def __init__(self, outputs, pool, log, off):
        self.outputs, self.pool, self.log, self.off = outputs, pool, log, off
        self.order, self.uses = walked(outputs)
        self.stored = set(outputs)  # what is not only read by neighbouring elementwise ops
        for n in self.order:
            if n.op.kind not in ("elementwise", "reduction"):
                self.stored.update(n.inputs)
        self.new = {}

    def replace(self, form):
        for n in self.order:
            inputs = tuple([self.new[i] for i in n.inputs])
            made = None
            if n.type.dtype in DTYPES and n.type.ndim in (1, 2):
                made = form(self, n)
            if made is None:
                made = n if inputs == n.inputs else self.pool.make(n.op, inputs, n.attrs, n.origin,
                                                                   n.type)
            if not made.name:
                made.name = n.name
            self.new[n] = made
        return [self.new[o] for o in self.outputs]

    def note(self, name, old, made):
        self.log.note(name, old, made)
        return made

    # -- (a @ b).T

    def turned(self, n):
        product = n.inputs[0] if n.op is transpose else None
        if product is None or product.op is not dot or self.uses[product] > 1:
            return None
        a, b = [self.new[i] for i in product.inputs]
        if n.attrs[0] != (1, 0):
            return None
        return self.note("transposed_dot", n, self.make(dot, (self.flipped(b), self.flipped(a)),
                                                        n.origin, n.type))

    def flipped(self, x):
        if x.op is transpose and x.attrs[0] == (1, 0):
            return x.inputs[0]
        return self.pool.make(transpose, (x,), ((1, 0),), x.origin)

    def make(self, op, inputs, origin=None, type=None):
        return self.pool.make(op, inputs, (), origin, type)

    # -- c + alpha a @ b

    def updated(self, n):
        if n not in self.stored:
            return None
        terms, products = self.taken(n)
        if len(terms) > 1 or len(terms) + len(products) < 2:
            return None
        if terms:
            (base, beta), = terms.items()
            if base.type is not n.type or base.op.kind == "elementwise":
                return None
            base = self.new[base]
        else:
            name, (a, b), beta, _ = products.pop(0)
            if name == "ger":
                return None
            base = self.make(dot, (a, b), n.origin, n.type)
        for name, (a, b), alpha, _ in products:
            alpha, beta = self.scalar(alpha, n), self.scalar(beta, n)
            if name == "ger":
                if not (beta.op is CONST and beta.data == 1):
                    return None
                inputs = base, a, b, alpha
            else:
                inputs = base, a, b, alpha, beta
            base, beta = self.make({"gemm": gemm, "gemv": gemv, "ger": ger}[name], inputs, n.origin,
                                   n.type), 1
        for name, *_ in products:
            self.note(name, n, base)
        return base

    def taken(self, root):
        """The linear combination below a node: ``{term: factor}`` and a list of products with
        factors."""
        terms, products, stack = {}, [], [(root, 1)]
        while stack:
            n, c = stack.pop()
            if (n is root or self.uses[n] == 1) and _splits(n):
                if n.op is add:
                    stack += [(n.inputs[1], c), (n.inputs[0], c)]
                elif n.op is sub:
                    stack += [(n.inputs[1], self.minus(c)), (n.inputs[0], c)]
                elif n.op is neg:
                    stack.append((n.inputs[0], self.minus(c)))
                else:
                    x, s = n.inputs[::-1] if n.inputs[1].type.ndim else n.inputs
                    stack.append((x, self.times(c, self.new[s], n.op)))
                continue
            found = self.product(n, c) if self.uses[n] == 1 and n.type is root.type else None
            if found is not None and found[0] not in self.off:
                products.append(found)
            else:
                terms[n] = self.plus(terms[n], c) if n in terms else c
        return terms, products

    def product(self, n, c):
        """(name, operands, factor, node) of a product (of one or two axes) that BLAS can add to
        something; None for anything else."""
        if n.op is dot:
            (a, b), c = [self.new[i] for i in n.inputs], c
            if a.type.ndim == 2 and b.type.ndim == 2:
                if a.type.shape[1] == b.type.shape[0] == 1:
                    thin = [self.pool.make(squeeze, (x,), ((k,),), n.origin) for x, k in ((a, 1),
                                                                                          (b, 0))]
                    return "ger", thin, c, n
                return "gemm", (a, b), c, n
            if a.type.ndim == 1:
                a, b = self.flipped(b), a
            return "gemv", (a, b), c, n
        if n.op is mul:
            column, row = [self.new[i] for i in n.inputs]
            if row.op is unsqueeze and row.attrs[0] == (1,):
                column, row = row, column
            if (column.op is unsqueeze and column.attrs[0] == (1,)
                    and row.type.ndim == 2 and row.type.shape[0] == 1):
                flat = row.op is unsqueeze and row.attrs[0] == (0,)
                row = row.inputs[0] if flat else self.pool.make(squeeze, (row,), ((0,),), n.origin)
                return "ger", (column.inputs[0], row), c, n
        return None

    # -- factors: 1, -1 or scalar nodes; of a term that occurs again any whole number

    def scalar(self, c, like):
        return self.pool.constant(np.asarray(c, like.type.dtype)) if isinstance(c, int) else c

    def minus(self, c):
        if isinstance(c, int):
            return -c
        if c.op is CONST:
            return self.pool.constant(np.negative(c.data))
        return c.inputs[0] if c.op is neg else self.make(neg, (c,))

    def times(self, c, s, op):
        if op is true_div:
            return self.make(true_div, (self.scalar(c, s), s))
        if isinstance(c, int):
            return s if c == 1 else self.minus(s)
        return self.make(mul, (c, s))

    def plus(self, a, b):
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        a, b = [self.scalar(x, b if isinstance(a, int) else a) for x in (a, b)]
        return self.make(sub, (a, b.inputs[0])) if b.op is neg else self.make(add, (a, b))


def _outer(x, y):
    return unsqueeze.of(x, axes=(1,)) * unsqueeze.of(y, axes=(0,))


def _descent(dtype):
    """A step of gradient descent with decay."""
    w, lr = mat(dtype), num(dtype)
    return w - lr * (dot.of(mat(dtype), mat(dtype)) + num(dtype) * w)


SAMPLES = {
    "transposed_dot": lambda: [
        transpose.of(dot.of(mat(), mat())), transpose.of(dot.of(transpose.of(mat()), mat()))],
    "gemm": lambda: [
        mat() - num() * dot.of(mat(), mat()), mat() + dot.of(mat(), transpose.of(mat())),
        dot.of(mat(), mat()) - mat() / 3.0, _descent("float32"),
        dot.of(mat(), mat()) + dot.of(mat(), mat())],
    "gemv": lambda: [vec() - 0.5 * dot.of(mat(), vec()), -(vec() + dot.of(vec(), mat()))],
    "ger": lambda: [
        mat() - num() * _outer(vec(), vec()),
        mat() - num() * dot.of(var("float64", None, 1), var("float64", 1, None))],
}
DECIDERS = dict.fromkeys(NAMES, ((_Walk.updated, _Walk),))
DECIDERS["transposed_dot"] = (_Walk.turned, _Walk),
