"""Cheaper forms: one element of each row without index arrays, powers as products, division as
multiplication."""

from __future__ import annotations

import numpy as np

from symgrad.compile.pattern import exact, holes, rounding, rule, rule_on, ruleset, stable
from symgrad.compile.rules.canonicalise import SIGNS, minus
from symgrad.compile.rules.collect import power, scalar_value
from symgrad.compile.rules.common import (
    finite,
    given,
    inexact,
    is_constant,
    mat,
    negated,
    num,
    on,
    orders,
    real,
    rooted,
    var,
    vec,
    zeros,
)
from symgrad.compile.rules.parts import counts
from symgrad.compile.rules.written import WRITES_AS_JOIN
from symgrad.node import constant
from symgrad.ops.index import FULL, Slice, gather, subtensor
from symgrad.ops.lengths import length, lengths, product
from symgrad.ops.linalg import dot, tensordot
from symgrad.ops.logic import cast, eq, gt, where
from symgrad.ops.math import (
    add,
    exp,
    exp2,
    log,
    mul,
    neg,
    pow_,
    sqr,
    sqrt,
    strong_mul,
    sub,
    true_div,
)
from symgrad.ops.nn import log_softmax, softmax
from symgrad.ops.pick import pick, place
from symgrad.ops.reduce import argmax, argmin, sum_, supremum
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import broadcast_to, reshape, transpose, unsqueeze
from symgrad.ops.source import arange, zeros_like
from symgrad.types import is_complex

x, y, z, c, g, n, m = holes("x y z c g n m")
a, = holes("a")

# -- one element of each row


def _rows(y):
    return arange.of(0, length.of(y, axis=0), 1)


def one_per_row(node, first):
    """Whether a node's index arrays are ``arange(len(y)), y``."""
    if node.attrs[0] != ("#", "#"):
        return False
    rows, y = node.inputs[first:]
    return y.type.ndim == 1 and counts(rows, y.type.shape[0])


@rule_on("row_lookup", gather, kind=exact, samples=lambda: [
    given(vec("int64"), lambda y: gather.of(mat(), _rows(y), y, idx=("#", "#")))])
def ROW_LOOKUP(node, pool):
    """x[arange(len(y)), y] is pick(x, y)."""
    if not one_per_row(node, 1):
        return None
    return pool.make(pick, (node.inputs[0], node.inputs[2]), (), node.origin)


@rule_on("row_store", inc_subtensor, kind=rounding, samples=lambda: [
    given((mat(), vec("int64")), lambda p: inc_subtensor.of(zeros_like(p[0]), vec(), _rows(p[1]),
                                                            p[1], idx=("#", "#"))),
    given((mat(), vec("int64")), lambda p: inc_subtensor.of(zeros_like(p[0]), num(), _rows(p[1]),
                                                            p[1], idx=("#", "#")))])
def ROW_STORE(node, pool):
    """Zeros with g stored at [arange(len(y)), y] are place(g, y, …)."""
    zero, value = node.inputs[:2]
    if not zeros(zero) or not one_per_row(node, 2):
        return None
    y = node.inputs[3]
    if not value.type.ndim:
        value = broadcast_to.of(value, *lengths(y))
    return place.of(value, y, *zero.inputs[1:])


@rule_on("pick_log_softmax", pick, kind=exact, samples=lambda: [pick.of(log_softmax(mat(),
                                                                                    axis=(1,)),
                                                                                    vec("int64"))])
def PICK_LOG_SOFTMAX(node, pool):
    """Of the log_softmax only one element of each row is needed: what is left of the rest is a
    sum."""
    inner, y = node.inputs
    if (inner.op is not log_softmax or inner.attrs[0] != (1,)
            or inner.type.shape[0] != y.type.shape[0]):
        return None
    logits = inner.inputs[0]
    top = supremum.of(logits, axis=(1,))
    total = sum_.of(exp(logits - unsqueeze.of(top, axes=(1,))), axis=(1,))
    return pick.of(logits, y) - top - log(total)


@rule_on("cell_of_shifted", subtensor, kind=exact, samples=lambda: [
    subtensor.of(vec() - num(), num("int64"), idx=("@",)), subtensor.of(num() / mat(), idx=(1, 0))])
def CELL_OF_SHIFTED(node, pool):
    """One element of what is shifted or scaled by a number is that of the original, shifted."""
    inner = node.inputs[0]
    if node.type.ndim or inner.op not in (add, sub, mul, true_div):
        return None
    scalars = [not i.type.ndim for i in inner.inputs]
    if sum(scalars) != 1:
        return None
    parts = [i if scalar else subtensor.of(i, *node.inputs[1:], idx=node.attrs[0])
             for i, scalar in zip(inner.inputs, scalars, strict=True)]
    return pool.make(inner.op, tuple(pool.intern(parts, node.origin)), (), node.origin)


@rule_on("softmax_of_all", softmax, log_softmax, kind=exact, samples=lambda: [
    softmax(vec(), axis=(0,)), log_softmax(vec("float32"), axis=(0,)), softmax(mat(), axis=(0, 1))])
def SOFTMAX_OF_ALL(node, pool):
    """A softmax along all axes has one greatest element and one sum: numbers, no axes to keep."""
    x, axes = node.inputs[0], node.attrs[0]
    if len(axes) < x.type.ndim:
        return None
    shifted = x - supremum.of(x, axis=axes)
    e = exp(shifted)
    total = sum_.of(e, axis=axes)
    return e / total if node.op is softmax else shifted - log(total)


@rule_on("one_hot_slope", sub, kind=rounding, samples=lambda: [
    _one_hot_slope(num("int64"), 1.0, ("@",), vec()),
    _one_hot_slope(vec("int64"), 2.5, ("@", 0), mat(), True)])
def ONE_HOT_SLOPE(node, pool):
    """h - sum(h) s, what log_softmax's derivative makes of one element h, is v stored in -v s."""
    h, product = node.inputs
    if (h.op is not inc_subtensor or product.op is not mul
            or "#" in h.attrs[0] or any(isinstance(e, Slice) for e in h.attrs[0])
            or not zeros(h.inputs[0])):
        return None
    for total, s in orders(product):
        total = total.inputs[0] if total.op is unsqueeze else total
        if total.op is sum_ and total.inputs[0] is h and not total.type.ndim and s.type is h.type:
            v = h.inputs[1]
            return inc_subtensor.of(mul.of(s, negated(v)), v, *h.inputs[2:], idx=h.attrs[0])
    return None


def _one_hot_slope(y, v, idx, s, kept=False):
    y = y if not y.type.ndim else y[0]
    h = inc_subtensor.of(zeros_like(s), v, y, idx=idx)
    axes = tuple(range(s.type.ndim))
    total = sum_.of(h, axis=axes)
    return sub.of(h, mul.of(s, unsqueeze.of(total, axes=axes) if kept else total))


@rule_on("sum_of_place", sum_, kind=rounding, samples=lambda: [
    given((vec(), vec("int64")), lambda p: sum_.of(place.of(*p, length.of(p[0], axis=0), 5),
                                                   axis=(1,)))])
def SUM_OF_PLACE(node, pool):
    """One element of each row is the sum of the row."""
    inner = node.inputs[0]
    if inner.op is not place or node.attrs[0] != (1,):
        return None
    g = inner.inputs[0]
    return g if g.type.shape == node.type.shape else None


@rule_on("scaled_place", mul, true_div, kind=rounding, samples=lambda: [
    given((vec(), vec("int64")), lambda p: place.of(*p, length.of(p[0], axis=0), 5) * 3.0),
    given(mat(), lambda p: inc_subtensor.of(zeros_like(p), vec(), idx=(0, FULL)) * 3.0)])
def SCALED_PLACE(node, pool):
    """A number scales what is placed, not the zeros around it."""
    for inner, factor in orders(node):
        if factor.type.ndim or not finite(factor):
            continue
        if inner.op is place:
            return place.of(node.op.of(inner.inputs[0], factor), *inner.inputs[1:])
        if inner.op is inc_subtensor and zeros(inner.inputs[0]):
            value = node.op.of(inner.inputs[1], factor)
            return inc_subtensor.of(inner.inputs[0], value, *inner.inputs[2:], idx=inner.attrs[0],
                                    set=inner.attrs[1])
    return None


@rule_on("add_into", add, sub, kind=rounding, samples=lambda: [
    given(mat(), lambda p: p + inc_subtensor.of(zeros_like(p), vec(), idx=(0, FULL))),
    given(mat(), lambda p: p - inc_subtensor.of(zeros_like(p), vec(), idx=(0, FULL)))])
def ADD_INTO(node, pool):
    """x plus zeros of its shape in which something was written is x in which it is added."""
    for other, part in orders(node):
        if part.op is not inc_subtensor or part.attrs[1] or other.type is not node.type:
            continue
        if part.type.shape == node.type.shape and zeros(part.inputs[0]):
            value = part.inputs[1] if node.op is add else neg.of(part.inputs[1])
            return inc_subtensor.of(other, value, *part.inputs[2:], idx=part.attrs[0])
    return None


# -- order and truth

ORDER = (
    rule("argmax_softmax", argmax.of(softmax(x, axis=a), axis=a), argmax.of(x, axis=a),
         kind=stable),
    rule("argmax_log_softmax", argmax.of(log_softmax(x, axis=a), axis=a), argmax.of(x, axis=a),
         kind=stable),
    rule("argmin_softmax", argmin.of(softmax(x, axis=a), axis=a), argmin.of(x, axis=a),
         kind=stable),
)


STRONG = (
    rule("strong_by_finite", strong_mul.of(x, y), lambda x, y: mul.of(x, y), lambda f: finite(f.y),
         rounding,
         lambda: [strong_mul.of(mat(), cast(gt(mat(), 0), "float64")), strong_mul.of(mat(), 3.0),
                  strong_mul.of(mat(), cast(mat("int32"), "float64"))]),
)

# -- powers, quotients


def _whole(c, most=32):
    """The whole number, of size 2 at least, that a scalar constant is; None for anything else."""
    k = scalar_value(c)
    fine = k is not None and not isinstance(k, complex) and 2 <= abs(k) <= most and k == int(k)
    return int(k) if fine else None


def _half(c):
    """A real scalar constant that is a whole number and a half; None for anything else."""
    k = scalar_value(c)
    return k if k is not None and abs(k) <= 8.5 and k % 1 == 0.5 else None


def _signed(p, k):
    """A power, given that with the exponent abs(k)."""
    return p if k > 0 else true_div.of(1, p)


def _as_products(x, c, node):
    k = scalar_value(c)
    return _signed(power(x, abs(int(k)), sqr.of, mul.of), k)


def _as_root(x, c, node):
    k = scalar_value(c)
    if not rooted(x):
        infinite = constant(np.asarray(np.inf, x.type.dtype))
        x = where.of(eq.of(x, minus(infinite)), infinite, x)
    whole = power(x, int(abs(k) - 0.5), sqr.of, mul.of)
    return _signed(sqrt.of(x) if whole is None else mul.of(whole, sqrt.of(x)), k)


def _inverted(c):
    """1 / c, for a constant c."""
    with np.errstate(all="ignore"):
        return constant(np.asarray(1 / c.data, c.type.dtype))


def _inverts(c, exactly):
    """Whether a constant has a reciprocal that is an ordinary number: bit for bit, or not."""
    if not is_constant(c) or is_complex(c.type.dtype):
        return False
    both = np.abs([c.data, _inverted(c).data])
    if not (np.isfinite(both) & (both >= np.finfo(c.type.dtype).tiny)).all():
        return False
    return bool((np.frexp(np.abs(c.data))[0] == 0.5).all()) == exactly


POWERS = (
    rule("power_as_products", pow_.of(x, c), _as_products,
         lambda f: _whole(f.c), rounding,
         lambda: [mat() ** 3.0, mat() ** -4.0, mat("int64") ** 5, mat("float32") ** 7.0]),
    rule("power_as_root", pow_.of(x, c), _as_root,
         lambda f: real(f.x) and _half(f.c) is not None,
         rounding, lambda: [mat() ** 1.5, mat() ** -2.5, sqr(mat()) ** 1.5]),
    rule("power_of_two", pow_.of(2, x), exp2(x),
         on(lambda x: real(x) and inexact(x), "x"), rounding),
    rule("over_power_of_two", true_div.of(x, c), lambda x, c: mul.of(x, _inverted(c)),
         lambda f: _inverts(f.c, True), exact,
         lambda: [mat() / 4.0, vec("float32") / np.asarray([0.5, -8, 1], "float32")]),
    rule("over_constant", true_div.of(x, c), lambda x, c: mul.of(x, _inverted(c)),
         lambda f: _inverts(f.c, False), rounding, lambda: [mat() / 3.0, mat("float32") / -10.0]),
)

# -- products


@rule_on("tensordot_as_dot", tensordot, kind=rounding, samples=lambda: [
    tensordot.of(mat(), mat(), axes=((1,), (0,))), tensordot.of(mat(), mat(), axes=((0,), (0,))),
    tensordot.of(mat(), mat(), axes=((1,), (1,))), tensordot.of(vec(), mat(), axes=((0,), (1,)))])
def TENSORDOT(node, pool):
    """A tensordot of matrices and vectors over one axis is a dot, transposed where needed."""
    first, second = node.inputs
    mine, theirs = node.attrs[0]
    if len(mine) != 1 or max(first.type.ndim, second.type.ndim) > 2:
        return None
    first = transpose.of(first) if first.type.ndim == 2 and mine == (0,) else first
    second = transpose.of(second) if theirs == (1,) else second
    return dot.of(first, second)


def _as_matrix(x, summed, first):
    """A tensor as a matrix: the axes that are summed over are its rows, or its columns (`first`: it
    is the first factor)."""
    others = tuple([k for k in range(x.type.ndim) if k not in summed])
    order, flipped = (*others, *summed), (*summed, *others)
    if not first:
        order, flipped = flipped, order
    plain = tuple(range(x.type.ndim))
    turn = flipped == plain  # a transposed matrix is a view, a tensor is not
    if order != plain and not turn:
        x = transpose.of(x, axes=order)
    sizes = lengths(x)
    if not others:
        return x if x.type.ndim == 1 else reshape.of(x, product(sizes))
    count = len(others) if first != turn else len(summed)
    made = x if x.type.ndim == 2 else reshape.of(x, product(sizes[:count]), product(sizes[count:]))
    return transpose.of(made) if turn else made


@rule_on("tensordot_as_product", tensordot, kind=rounding, samples=lambda: [
    tensordot.of(var("float64", None, None, None), mat(), axes=((2,), (0,))),
    tensordot.of(var("float64", None, None, 3), var("float64", None, None, 4),
                 axes=((0, 1), (0, 1))),
    tensordot.of(mat(), var("float64", 2, None, None), axes=((1,), (1,))),
    tensordot.of(var("float64", None, 3, None), var("float64", 3, None, None),
                 axes=((1, 2), (0, 2))),
    tensordot.of(var("float64", None, None, None), vec(), axes=((2,), (0,))),
    tensordot.of(var("float64", 2, 3), var("float64", 3, 2, None), axes=((0, 1), (1, 0)))])
def PRODUCT(node, pool):
    """A tensordot of larger tensors is a dot of matrices with the same elements."""
    a, b = node.inputs
    mine, theirs = node.attrs[0]
    if not mine or max(a.type.ndim, b.type.ndim) < 3:
        return None
    made = dot.of(_as_matrix(a, mine, True), _as_matrix(b, theirs, False))
    sizes = [lengths(a)[k] for k in range(a.type.ndim) if k not in mine]
    sizes += [lengths(b)[k] for k in range(b.type.ndim) if k not in theirs]
    return made if len(sizes) == made.type.ndim else reshape.of(made, *sizes)


RULES = ruleset("specialise", ROW_LOOKUP, ROW_STORE, PICK_LOG_SOFTMAX, CELL_OF_SHIFTED,
                SUM_OF_PLACE, SCALED_PLACE, ONE_HOT_SLOPE, ADD_INTO, WRITES_AS_JOIN, *ORDER,
                SOFTMAX_OF_ALL, *STRONG, *POWERS, TENSORDOT, PRODUCT, *SIGNS)
