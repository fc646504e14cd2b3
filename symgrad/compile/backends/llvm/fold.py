"""Reductions in registers: what combines two values, and how lanes become one."""

from __future__ import annotations

from symgrad.compile.backends.llvm import rows
from symgrad.compile.backends.llvm.ir import REGISTER, constant, overload, wide
from symgrad.compile.loops import extreme

ROW_OF = {"sum": "add", "prod": "mul", "max": "max", "min": "min", "and": "and", "or": "or"}
LARGEST = (1 << 63) - 1


def neutral(combine, dtype):
    """What a reduction starts with; of a sum of floats -0, which changes nothing."""
    return -0.0 if combine == "sum" and dtype[:5] == "float" else extreme(combine, dtype).value


def combined(w, fold, a, b, width):
    """Two values of a fold as one."""
    return rows.apply(w, ROW_OF[fold.combine], fold.expr.dtype, fold.cell.dtype, width, [a, b])


def beats(w, combine, dtype, value, best, width):
    """Whether a value replaces the best of an argmax or argmin: NaN beats all but NaN."""
    word = "gt" if combine == "argmax" else "lt"
    better = rows.apply(w, word, dtype, "bool", width, [value, best])
    if dtype[:5] != "float":
        return better
    kind = wide("i1", width)
    odd = rows.apply(w, "ne", dtype, "bool", width, [value, value])
    plain = rows.apply(w, "eq", dtype, "bool", width, [best, best])
    return w.op("or", kind, better, w.op("and", kind, odd, plain))


def to_one(w, fold, values, width):
    """The lanes of an accumulator as one: its value, and for argmax and argmin its index."""
    dtype, scalar = fold.expr.dtype, REGISTER[fold.expr.dtype]
    if fold.index is None:
        return across(w, fold, values[0], width), None
    word = {"argmax": "max", "argmin": "min"}[fold.combine]
    best = halves(w, word, dtype, values[0], width)
    kind, bits, many = wide(scalar, width), wide("i1", width), wide("i64", width)
    every = w.splat(best, scalar, width)
    if scalar in ("half", "float", "double"):
        same = w.let(f"fcmp oeq {kind} {values[0]}, {every}")
        both = w.let(f"fcmp uno {kind} {values[0]}, {every}")
        odd = w.let(f"fcmp uno {kind} {values[0]}, {values[0]}")
        same = w.op("or", bits, same, w.op("and", bits, both, odd))
    else:
        same = w.let(f"icmp eq {kind} {values[0]}, {every}")
    places = w.select(same, many, values[1], constant(LARGEST, "i64", width), width)
    return best, reduced(w, "smin", "i64", places, width)


def across(w, fold, value, width):
    """All lanes of a plain fold combined."""
    dtype, scalar = fold.expr.dtype, REGISTER[fold.expr.dtype]
    floating = scalar in ("half", "float", "double")
    if fold.combine in ("sum", "prod") and floating and scalar != "half":
        name, start = ("fadd", -0.0) if fold.combine == "sum" else ("fmul", 1.0)
        return reduced(w, name, scalar, value, width, constant(start, scalar))
    if fold.combine in ("and", "or") or not floating and fold.combine in ("sum", "prod") and (
            dtype != "bool"):
        word = {"sum": "add", "prod": "mul"}.get(fold.combine, fold.combine)
        return reduced(w, word, scalar, value, width)
    if floating and scalar != "half" and width > 1:
        return extreme_of(w, fold.combine, scalar, value, width)
    return halves(w, ROW_OF[fold.combine], dtype, value, width)


def extreme_of(w, combine, scalar, value, width):
    """The largest or smallest lane, NaN if one of them is: compared without regard to NaN, which
    is one instruction, and NaN asked for once."""
    kind, word = wide(scalar, width), "ogt" if combine == "max" else "olt"
    odd = w.let(f"fcmp uno {kind} {value}, {value}")
    some = reduced(w, "or", "i1", odd, width)

    def better(kind, a, b, width):
        return w.select(w.let(f"fcmp {word} {kind} {a}, {b}"), kind, a, b, width)

    best = halved(w, scalar, value, width, better)
    return w.select(some, scalar, constant(float("nan"), scalar), best)


def reduced(w, name, scalar, value, width, start=None):
    """LLVM's own reduction of a vector; of floats in any order, after `start`."""
    kind = wide(scalar, width)
    first = f"{scalar} {start}, " if start else ""
    loose = "reassoc " if start else ""
    heads = f"{scalar}, " if start else ""
    w.module.declare(f"declare {scalar} @llvm.vector.reduce.{name}.{overload(kind)}({heads}{kind})")
    return w.let(f"call {loose}{scalar} @llvm.vector.reduce.{name}.{overload(kind)}"
                 f"({first}{kind} {value})")


def halves(w, row, dtype, value, width):
    """All lanes combined by a row of the vocabulary."""
    return halved(w, REGISTER[dtype], value, width,
                  lambda kind, a, b, width: rows.apply(w, row, dtype, dtype, width, [a, b]))


def halved(w, scalar, value, width, combine):
    """Combine the upper half of the lanes with the lower until one is left."""
    while width > 1:
        half, kind, parts = width // 2, wide(scalar, width), []
        for first in (0, half):
            places = ", ".join([f"i32 {first + k}" for k in range(half)])
            if half == 1:
                parts.append(w.let(f"extractelement {kind} {value}, i64 {first}"))
            else:
                parts.append(w.let(f"shufflevector {kind} {value}, {kind} poison, "
                                   f"<{half} x i32> <{places}>"))
        value, width = combine(wide(scalar, half), *parts, half), half
    return value
