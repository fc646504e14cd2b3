"""Graphs evaluated with as many digits as it takes: the truth for rules that claim to be nearer
it."""

from __future__ import annotations

import mpmath
import numpy as np

from symgrad.derive import expansion
from symgrad.node import CONST, toposort
from symgrad.types import is_discrete

DIGITS = 950


class Number:
    """A number with very many digits, for NumPy arrays of objects."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value.value if isinstance(value, Number) else mpmath.mpf(value)

    def __float__(self):
        return float(self.value)

    def __bool__(self):
        return bool(self.value)

    def __neg__(self):
        return Number(-self.value)

    def __abs__(self):
        return Number(abs(self.value))

    def __hash__(self):
        return hash(self.value)


def _binary(name):
    def method(self, other):
        if not isinstance(other, Number | int | float | np.number):
            return NotImplemented
        try:
            found = getattr(self.value, name)(mpmath.mpf(Number(_plain(other)).value))
        except ZeroDivisionError:
            found = mpmath.nan
        if isinstance(found, mpmath.mpc):  # the power of a negative number
            found = mpmath.nan
        return found if isinstance(found, bool) else Number(found)

    return method


def _plain(other):
    return other if isinstance(other, Number) else float(other)


for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "pow",
    "radd",
    "rsub",
    "rmul",
    "rtruediv",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
):
    setattr(Number, f"__{_name}__", _binary(f"__{_name}__"))


def _unary(name):
    def method(self):
        found = (
            getattr(mpmath, name)(self.value) if self.value or name != "log" else mpmath.mpf("-inf")
        )
        return Number(mpmath.nan if isinstance(found, mpmath.mpc) else found)

    return method


for _name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "sinh", "cosh"):
    setattr(Number, _name, _unary(_name))
for _name, _theirs in {"arcsinh": "asinh", "arctanh": "atanh", "arcsin": "asin", "arctan": "atan",
                       "tan": "tan", "deg2rad": "radians", "rad2deg": "degrees",
                       "rint": "nint"}.items():
    setattr(Number, _name, _unary(_theirs))
Number.cbrt = lambda self: Number(mpmath.sign(self.value) * mpmath.cbrt(abs(self.value)))
Number.__trunc__ = lambda self: Number(
    mpmath.floor(self.value) if self.value > 0 else mpmath.ceil(self.value))
Number.exp2 = lambda self: Number(mpmath.mpf(2) ** self.value)
Number.log2 = lambda self: Number(mpmath.log(self.value, 2))


def reference(output, values):
    """The true value of a graph as an object array of mpmath numbers; None where there is none."""
    with mpmath.workdps(DIGITS):
        store = {n: _exact(a) for n, a in values.items()}
        (found,) = _run([output], store)
        out = np.empty(np.shape(found), object)
        for k in np.ndindex(out.shape):
            v = found[k]
            v = v.value if isinstance(v, Number) else mpmath.mpf(float(v))
            out[k] = v if mpmath.isfinite(v) else None
        return out


def _exact(a):
    a = np.asarray(a)
    if is_discrete(a.dtype.name):
        return a
    out = np.empty(a.shape, object)
    for k in np.ndindex(a.shape):
        out[k] = Number(float(a[k]))
    return out


def _run(outputs, store):
    for n in toposort(outputs, stop=store):
        if n.op is CONST:
            store[n] = _exact(n.data)
        elif n.op.numpy is None:
            body = expansion(n)
            store[n] = _run([body], store)[0]
        elif n.op.name == "cast":
            store[n] = (
                _exact(store[n.inputs[0]].astype(n.attrs[0]))
                if is_discrete(n.inputs[0].type.dtype)
                else store[n.inputs[0]]
            )
        elif n.op.name == "logaddexp":
            x, y = [store[i] for i in n.inputs]
            store[n] = np.log(np.exp(x) + np.exp(y))
        elif n.op.name in ("argmax", "argmin"):
            store[n] = n.op.numpy(np.asarray(store[n.inputs[0]]), axis=n.attrs[0])
        elif n.op.name == "isinf":
            store[n] = np.zeros(np.shape(store[n.inputs[0]]), bool)
        else:
            given = dict(zip(n.op.params, n.attrs, strict=True))
            store[n] = np.asarray(
                n.op.numpy(*[store[i] for i in n.inputs], **given),
                object if not is_discrete(n.type.dtype) else None,
            )
    return [store[o] for o in outputs]
