"""Products that are added to something in one call, with scaling: what BLAS calls gemm, gemv and
ger.

The compiler makes them (compile/rules/blas.py); the backend may compute them in the memory of c.
"""

from __future__ import annotations

import numpy as np

from symgrad.errors import ShapeError
from symgrad.families import casting, define, upcast
from symgrad.ops.linalg import column, dot, row
from symgrad.types import join_lengths


def updating(numpy, ranks, pairs, *shapes):
    """Decorator: c plus a product, of operands with these ranks and pairs of equal lengths; the
    function is the definition.  Samples have these shapes."""

    def infer(types):
        have = tuple([t.ndim for t in types])
        if have != ranks:
            raise ShapeError(f"takes operands with {ranks} axes, not {', '.join(map(repr, types))}")
        for (i, j), (k, m) in pairs:
            join_lengths(types[i].shape[j], types[k].shape[m])
        return types[0]

    def samples(rng):
        return [([rng.normal(size=s) for s in shape], {}) for shape in shapes]

    def family(function):
        return define(
            "contract",
            infer,
            prepare=casting(upcast),
            same=lambda types: pairs,
            numpy=numpy,
            expand=function,
            samples=samples,
        )(function)

    return family


def _gemm(c, a, b, alpha, beta):
    return np.asarray(beta * c + alpha * np.dot(a, b))


def _ger(c, x, y, alpha):
    return np.asarray(c + alpha * np.outer(x, y))


@updating(
    _gemm,
    (2, 2, 2, 0, 0),
    (((0, 0), (1, 0)), ((0, 1), (2, 1)), ((1, 1), (2, 0))),
    [(4, 5), (4, 3), (3, 5), (), ()],
    [(4, 5), (4, 0), (0, 5), (), ()],
)
def gemm(c, a, b, alpha, beta):
    """``beta c + alpha a @ b`` for matrices; alpha and beta are scalars (BLAS, Dongarra and others,
    ACM TOMS 16(1), 1990).  ShapeError if the lengths do not fit.

    >>> gemm(np.ones((2, 2)), np.eye(2), np.eye(2), 2.0, 1.0).eval()
    array([[3., 1.],
           [1., 3.]])
    """
    return beta * c + alpha * dot.of(a, b)


@updating(_gemm, (1, 2, 1, 0, 0), (((0, 0), (1, 0)), ((1, 1), (2, 0))), [4, (4, 3), 3, (), ()])
def gemv(c, a, x, alpha, beta):
    """``beta c + alpha a @ x`` for a matrix a and vectors c, x (BLAS).

    >>> gemv([1.0, 1.0], np.eye(2), [1.0, 2.0], 1.0, 0.5).eval()
    array([1.5, 2.5])
    """
    return beta * c + alpha * dot.of(a, x)


@updating(_ger, (2, 1, 1, 0), (((0, 0), (1, 0)), ((0, 1), (2, 0))), [(4, 3), 4, 3, ()])
def ger(c, x, y, alpha):
    """``c + alpha outer(x, y)`` for a matrix c and vectors x, y (BLAS).

    >>> ger(np.zeros((2, 2)), [1.0, 2.0], [3.0, 4.0], 1.0).eval()
    array([[3., 4.],
           [6., 8.]])
    """
    return c + alpha * (column(x) * row(y))
