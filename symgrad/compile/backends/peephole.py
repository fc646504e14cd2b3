"""Small shortcuts that the numpy backend takes where it sees several statements at once."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from symgrad.compile.backends.quick import BLAS_DTYPES
from symgrad.node import CONST


def sums_of_squares(memory, users, roots, loose):
    """sum(sqr(W)) of a whole input or shared variable, as ``{sum: W, its square: W}``: one dot
    product instead of two passes.  Not where W is overwritten first (`memory`), nor for values that
    are wanted themselves (`roots`) or computed in blocks (`loose`)."""
    found, at = {}, {n: k for k, n in enumerate(memory.order)}
    written = {h.what: at[n] for n, h in memory.homes.items() if h.kind == "leaf"}
    for n in memory.order:
        q = n.inputs[0] if n.op.name == "sum" and n.type.ndim == 0 else None
        if q is None or q.op.name != "sqr" or users[q] != [n] or q in roots:
            continue
        x = q.inputs[0]
        if (
            n not in loose
            and q not in loose
            and x.op.kind == "leaf"
            and x.op is not CONST
            and n.type.dtype in BLAS_DTYPES
            and written.get(x, len(at)) > at[n]
        ):
            found[n] = found[q] = x
    return found


class Axpy(NamedTuple):
    """``y += factor * x`` for vectors, or ``factor * sum(x, axis=0)`` of a matrix x; `minus`: the
    factor is to be negated."""

    x: object
    factor: object
    minus: bool
    skipped: tuple  # nodes that need not be computed


def additions(memory, users, roots, loose):
    """Vectors to which a scaled vector, or the scaled sum of a matrix's rows, is added in their own
    memory, as ``{sum: Axpy}``: one BLAS call instead of two or three statements."""
    found, at, writes = {}, {n: k for k, n in enumerate(memory.order)}, {}
    for n in memory.order:
        home = memory.homes[n]
        for slot in (*memory.temps.get(n, ()), *([home.what] if home.kind == "slot" else ())):
            writes.setdefault(slot, []).append(at[n])

    def alone(n, user):
        return users.get(n) == [user] and n not in roots and n not in loose

    def there(n, user):
        """Whether the value of n is still in its buffer when its user's user comes."""
        home = memory.homes.get(n)
        if home is None or home.kind != "slot" or n in loose or home.what in memory.late:
            return False
        times = writes[home.what]
        return bisect_right(times, at[user]) == bisect_right(times, at[n])

    for n in memory.order:
        if n.op.name not in ("add", "sub") or n.type.ndim != 1 or n.type.dtype not in BLAS_DTYPES:
            continue
        for k in (1, 0) if n.op.name == "add" else (1,):
            y, scaled = n.inputs[1 - k], n.inputs[k]
            if scaled.op.name != "mul" or not alone(scaled, n) or n in loose or not _onto(
                    n, y, memory) or scaled.type is not n.type:
                continue
            x, factor = scaled.inputs if scaled.inputs[0].type.ndim else scaled.inputs[::-1]
            if factor.type.ndim or factor.op is CONST and not _plain(factor.data):
                continue
            minus, rows = n.op.name == "sub", x.op.name == "sum" and x.attrs[0] == (0,)
            if rows and x.inputs[0].type.ndim == 2 and alone(x, scaled) and there(x.inputs[0], n):
                found[n] = Axpy(x.inputs[0], factor, minus, (scaled, x))
            elif x.type is n.type and x is not y and _readable(x, n, scaled, memory, there):
                found[n] = Axpy(x, factor, minus, (scaled,))
            else:
                continue
            break
    return found


def _onto(n, y, memory):
    """Whether n is computed in the memory of its operand y."""
    home, other = memory.homes[n], memory.homes.get(y)
    if home.kind == "leaf":
        return home.what is y
    return home.kind == "slot" and other is not None and other == home


def _readable(x, n, scaled, memory, there):
    if there(x, n):
        return True
    own = memory.homes.get(x)  # or it is to be scaled in its own buffer, which is then left alone
    return own is not None and own.kind == "slot" and own == memory.homes[scaled]


def _plain(value):
    return bool(np.isfinite(value)) and value != 0
