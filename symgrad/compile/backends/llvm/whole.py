"""Rows of whole numbers and of bools: NumPy's answers where C has none, and nothing that traps."""

from __future__ import annotations

from symgrad.compile.backends.llvm.vector import Value

ROWS, BOOLS = {}, {}  # {name of a row: function of `Value`}


def row(function):
    ROWS[function.__name__.rstrip("_")] = function
    return function


def truth(function):
    BOOLS[function.__name__.rstrip("_")] = function
    return function


def width_of(x):
    """The number of bits of one of these numbers."""
    return int(x.scalar[1:])


def lowest(x):
    """The lowest number of a signed type."""
    return -1 << width_of(x) - 1


def false(x):
    return x.like("false" if x.width == 1 else "zeroinitializer", "i1")


def true(x):
    return x.like("true" if x.width == 1 else "splat (i1 true)", "i1")


for _name in ("add", "sub", "mul"):
    ROWS[_name] = lambda x, y, _word=_name: x.op(_word, y)
for _name in ("and", "or", "xor"):
    ROWS[f"bit{_name}"] = BOOLS[f"bit{_name}"] = BOOLS[_name] = (
        lambda x, y, _word=_name: x.op(_word, y))
for _name in ("lt", "le", "gt", "ge"):
    ROWS[_name] = lambda x, y, _how=_name: x.compare(("s" if x.signed else "u") + _how, y)
    BOOLS[_name] = lambda x, y, _how=_name: x.compare("u" + _how, y)
for _name in ("eq", "ne"):
    ROWS[_name] = BOOLS[_name] = lambda x, y, _how=_name: x.compare(_how, y)
for _name, _word in {"add": "or", "mul": "and", "max": "or", "fmax": "or",
                     "min": "and", "fmin": "and"}.items():
    BOOLS[_name] = lambda x, y, _word=_word: x.op(_word, y)
for _name in ("max", "min"):
    ROWS[_name] = ROWS["f" + _name] = (
        lambda x, y, _name=_name: x.call(("s" if x.signed else "u") + _name, y))
for _name in ("floor", "ceil", "trunc", "conj", "real"):
    ROWS[_name] = BOOLS[_name] = lambda x: x
del BOOLS["conj"]  # NumPy makes it an int8
for _name in ("isnan", "isinf"):
    ROWS[_name] = BOOLS[_name] = false
ROWS["isfinite"] = BOOLS["isfinite"] = true
BOOLS["abs"] = lambda x: x
BOOLS["imag"] = false
BOOLS["invert"] = BOOLS["not"] = lambda x: ~x


@row
def neg(x):
    return -x


@row
def invert(x):
    return ~x


@row
def square(x):
    return x * x


@row
def imag(x):
    return x.constant(0)


@row
def signbit(x):
    return x < 0 if x.signed else false(x)


@row
def abs_(x):
    if not x.signed:
        return x
    return Value(x.w, x.width, x.scalar, x.w.let(
        f"call {x.kind} @llvm.abs.{suffix(x)}({x.kind} {x.text}, i1 false)"))


def suffix(x):
    """How the name of an intrinsic spells the type; declares ``llvm.abs`` of it."""
    name = x.scalar if x.width == 1 else f"v{x.width}{x.scalar}"
    x.w.module.declare(f"declare {x.kind} @llvm.abs.{name}({x.kind}, i1)")
    return name


@row
def sign(x):
    if not x.signed:
        return x.call("umin", 1)
    return x.call("smax", -1).call("smin", 1)


# -- shifts: NumPy shifts out everything when the count is negative or too large


@row
def shl(x, y):
    if y.literal is not None:
        return x << y if 0 <= y.literal < width_of(x) else x.constant(0)
    return y.compare("ult", width_of(x)).choose(x << safe_count(x, y), 0)


@row
def shr(x, y):
    if y.literal is not None and 0 <= y.literal < width_of(x):
        return x >> y
    if x.signed:
        return x >> y.call("umin", width_of(x) - 1)
    return y.compare("ult", width_of(x)).choose(x >> safe_count(x, y), 0)


def safe_count(x, y):
    """The count, such that the shift is defined."""
    return y & width_of(x) - 1


# -- division: by 0 it gives 0; the lowest number by -1 gives itself


@row
def floordiv(x, y):
    quotient, rest = divided(x, y)
    if not x.signed:
        return quotient
    low = rest.differs(0) & ((rest ^ y) < 0)
    return quotient + low.like(low.w.let(f"sext {low.kind} {low.text} to {x.kind}"), x.scalar)


@row
def mod(x, y):
    _, rest = divided(x, y)
    if not x.signed:
        return rest
    return (rest.differs(0) & ((rest ^ y) < 0)).choose(rest + y, rest)


def divided(x, y):
    """The quotient, rounded towards 0, and the rest; both 0 where y is 0."""
    known = y.literal
    if known is not None and known not in (0, -1):
        quotient = x.op("sdiv" if x.signed else "udiv", y)
        return quotient, x - quotient * y
    zero = y.equals(0)
    if width_of(x) > 32:
        bad = zero | (x.equals(lowest(x)) & y.equals(-1)) if x.signed else zero
        divisor = bad.choose(1, y)  # the lowest number by 1 is what it should be by -1
        quotient = x.op("sdiv" if x.signed else "udiv", divisor)
    else:
        # There are no vectors of integer divisions.  A float with twice the bits divides exactly
        # enough: a quotient that is not whole is further from the next one than it is rounded.
        scalar, sign = "double" if width_of(x) == 32 else "float", "s" if x.signed else "u"
        over = zero.choose(1, y).convert(f"{sign}itofp", scalar)
        quotient = x.convert(f"{sign}itofp", scalar) / over
        wide = "i64" if width_of(x) == 32 else "i32"  # holds 2**31 and 2**32 - 1, too
        quotient = quotient.convert("fptosi", wide).convert("trunc", x.scalar)
    quotient = zero.choose(0, quotient)
    return quotient, zero.choose(0, x - quotient * y)


# -- powers


@row
def pow_(x, y):
    """By squaring.  A negative exponent is not for here: it must raise an error."""
    one = x.constant(1)
    if (known := y.literal) is not None and known >= 0:
        out = None
        while known:
            if known & 1:
                out = x if out is None else out * x
            known >>= 1
            x = x * x if known else x
        return out or one
    x, y = [Value(v.w, v.width, v.scalar, v.text, False) for v in (x, y)]  # y >> 1 ends at 0
    return x.repeat(
        lambda base, left, out: left.differs(0),
        lambda base, left, out: (base * base, left >> 1,
                                 (left & 1).differs(0).choose(out * base, out)),
        x, y, one)[2]
