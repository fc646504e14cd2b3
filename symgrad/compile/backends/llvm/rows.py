"""The scalar vocabulary in LLVM IR: its column of `symgrad.scalars.ROWS`, and the casts."""

from __future__ import annotations

from symgrad.compile.backends.llvm import explog, floats, powers, trig, whole
from symgrad.compile.backends.llvm.ir import REGISTER
from symgrad.compile.backends.llvm.vector import Value

FLOATS = {"float16": "half", "float32": "float", "float64": "double"}
REAL = {**floats.ROWS, **explog.ROWS, **trig.ROWS, **powers.ROWS}
MOVES = ("where", "conj", "real", "imag")  # they compute nothing: halves stay halves


def table(dtype):
    """The rows of a dtype, {name: function of `Value`}."""
    if dtype == "bool":
        return whole.BOOLS
    return REAL if dtype in FLOATS else whole.ROWS if dtype in REGISTER else {}


def supports(row, dtype):
    """Whether `apply` knows a row for operands of a dtype.

    A power of integers is refused unless the caller knows that the exponent is not negative.
    """
    if row == "where":
        return dtype in REGISTER
    if row == "pow" and dtype in ("int8", "int16", "int32", "int64"):
        return False
    return row in table(dtype)


def apply(w, row, dtype, out, width, args):
    """The text of ``row(*args)`` in the function that `w` writes.

    `dtype`: of the operands (of ``where``: of its branches); `out`: of the result; `width`: how
    many lanes each has.  float16 is computed in float32 and rounded, as NumPy does.
    """
    scalar, signed = REGISTER[dtype], dtype[0] != "u"
    if row == "where":
        condition = Value(w, width, "i1", args[0])
        return condition.choose(*[Value(w, width, scalar, a) for a in args[1:]]).text
    values = [Value(w, width, scalar, a, signed) for a in args]
    if dtype != "float16" or row in MOVES:
        return table(dtype)[row](*values).text
    result = table(dtype)[row](*[single(v) for v in values])
    return (result.convert("fptrunc", "half") if out == "float16" else result).text


def single(half):
    """A half as a float."""
    if half.literal is not None:
        return half.like("", "float").constant(half.literal)
    return half.convert("fpext", "float")


# -- casts


def cast(w, value, source, target, width):
    """The text of a value in another dtype, as ``astype``.

    What a float is that an integer cannot hold is what the compilers of x86 make of it: a
    conversion to the next larger of int32 and int64, whose low bits are taken.
    """
    if source == target:
        return value
    x = Value(w, width, REGISTER[source], value, source[0] != "u")
    to = REGISTER[target]
    if target == "bool":
        return x.differs(0).text
    if source in FLOATS:
        if source == "float16" and target != "float16":
            x = single(x)
        return (_between if target in FLOATS else _whole)(x, target, to).text
    unsigned = source == "bool" or source[0] == "u"
    if target in FLOATS:
        word = "uitofp" if unsigned else "sitofp"
        if target == "float16":  # by way of float32, as NumPy
            return x.convert(word, "float").convert("fptrunc", "half").text
        return x.convert(word, to).text
    have, want = int(x.scalar[1:]), int(to[1:])
    if have == want:
        return value
    return x.convert("trunc" if want < have else "zext" if unsigned else "sext", to).text


def _between(x, target, to):
    """A float or double as another float."""
    if x.scalar == to:
        return x
    if x.scalar == "float":
        return x.convert("fpext" if to == "double" else "fptrunc", to)
    if to == "float":
        return x.convert("fptrunc", to)
    # To half by way of float, rounded once: the float is made odd where it is not exact.
    single = x.convert("fptrunc", "float")
    back = single.convert("fpext", "double")
    odd = _ones(back.differs(x)) & 1
    bits = single.bits() + _ones(abs(back) > abs(x))  # -1 where it was rounded away from 0
    return (bits | odd).floats().convert("fptrunc", "half")


def _ones(truth):
    return truth.convert("sext", "i32")


def _whole(x, target, to):
    """A float or double as an integer."""
    if target == "uint64":
        limit = 2.0**63
        low = frozen(x.convert("fptosi", "i64"))
        high = frozen((x - limit).convert("fptosi", "i64")) ^ (-1 << 63)
        return (x >= limit).choose(high, low)
    wide = "i64" if target in ("int64", "uint32") else "i32"
    whole_ = frozen(x.convert("fptosi", wide))
    return whole_ if wide == to else whole_.convert("trunc", to)


def frozen(x):
    """Some value, where it was none."""
    return x.op("freeze")
