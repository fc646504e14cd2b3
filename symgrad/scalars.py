"""The scalar vocabulary: what one element of a kernel can compute, one row a function, one column
a backend.

An op's ``scalar`` is a row's name, or an expression in rows: ``lambda s, x: 1 / (1 + s.exp(-x))``.
"""

from __future__ import annotations

from typing import NamedTuple


class Scalar(NamedTuple):
    """One row.  `text` is how IR prints it; `numpy` the ufunc (or helper) that computes it for
    whole arrays."""

    name: str
    arity: int
    text: str
    numpy: str
    boolean: bool = False  # gives a bool whatever it takes

    @property
    def quick(self):
        """Whether it is about one instruction: operators but for divisions, casts, choices."""
        if f"{self.name}(" in self.text:
            return self.name in ("max", "min", "abs", "square")
        return self.name not in ("div", "floordiv", "mod", "pow")


def _rows():
    infix = {
        "add": "+",
        "sub": "-",
        "mul": "*",
        "div": "/",
        "floordiv": "//",
        "mod": "%",
        "pow": "**",
        "bitand": "&",
        "bitor": "|",
        "bitxor": "^",
        "shl": "<<",
        "shr": ">>",
    }
    ufunc = {
        "add": "add",
        "sub": "subtract",
        "mul": "multiply",
        "div": "true_divide",
        "floordiv": "floor_divide",
        "mod": "remainder",
        "pow": "power",
        "bitand": "bitwise_and",
        "bitor": "bitwise_or",
        "bitxor": "bitwise_xor",
        "shl": "left_shift",
        "shr": "right_shift",
    }
    for name, symbol in infix.items():
        yield Scalar(name, 2, f"{{}} {symbol} {{}}", ufunc[name])
    compare = {
        "lt": ("<", "less"),
        "le": ("<=", "less_equal"),
        "gt": (">", "greater"),
        "ge": (">=", "greater_equal"),
        "eq": ("==", "equal"),
        "ne": ("!=", "not_equal"),
    }
    for name, (symbol, function) in compare.items():
        yield Scalar(name, 2, f"{{}} {symbol} {{}}", function, True)
    for name, symbol in {"and": "and", "or": "or", "xor": "xor"}.items():
        yield Scalar(name, 2, f"{{}} {symbol} {{}}", f"logical_{name}", True)
    yield Scalar("not", 1, "not {}", "logical_not", True)
    yield Scalar("neg", 1, "-{}", "negative")
    yield Scalar("invert", 1, "~{}", "invert")
    yield Scalar("where", 3, "{1} if {0} else {2}", "where")
    for name in ("isnan", "isinf", "isfinite", "signbit"):
        yield Scalar(name, 1, f"{name}({{}})", name, True)
    for name in (
        "abs sign floor ceil trunc rint sqrt cbrt square exp exp2 expm1 log log2 log10 log1p "
        "sin cos tan sinh cosh tanh "
        "deg2rad rad2deg conj real imag angle reciprocal"
    ).split():
        yield Scalar(name, 1, f"{name}({{}})", {"abs": "absolute"}.get(name, name))
    for name in "asin acos atan asinh acosh atanh".split():
        yield Scalar(name, 1, f"{name}({{}})", "arc" + name[1:])
    two = {
        "atan2": "arctan2",
        "hypot": "hypot",
        "max": "maximum",
        "min": "minimum",
        "fmax": "fmax",
        "fmin": "fmin",
        "copysign": "copysign",
        "logaddexp": "logaddexp",
    }
    for name, function in two.items():
        yield Scalar(name, 2, f"{name}({{}}, {{}})", function)


ROWS = {row.name: row for row in _rows()}


class Expr:
    """A scalar expression, built with Python's operators."""

    __slots__ = ()

    def __lt__(self, other):
        return apply("lt", self, other)

    def __le__(self, other):
        return apply("le", self, other)

    def __gt__(self, other):
        return apply("gt", self, other)

    def __ge__(self, other):
        return apply("ge", self, other)


class Lit(Expr):
    """A literal.  It takes the dtype of what it meets."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Arg(Expr):
    """The k-th operand of an op's scalar expression."""

    __slots__ = ("k",)

    def __init__(self, k):
        self.k = k


class Apply(Expr):
    """A row of the vocabulary applied to expressions.  `dtype` is set when the row is a cast."""

    __slots__ = ("row", "args", "dtype")

    def __init__(self, row, args, dtype=None):
        self.row, self.args, self.dtype = row, args, dtype


def apply(name, *args):
    """The row `name` on expressions; Python numbers become literals."""
    row = ROWS[name]
    return Apply(row, tuple([a if isinstance(a, Expr) else Lit(a) for a in args]))


def cast(expr, dtype):
    """The value of an expression in another dtype, as NumPy's astype."""
    return Apply(Scalar("cast", 1, f"{dtype}({{}})", "cast"), (expr,), dtype)


for _dunder, _name in {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "div",
    "floordiv": "floordiv",
    "mod": "mod",
    "pow": "pow",
    "and": "and",
    "or": "or",
}.items():
    setattr(Expr, f"__{_dunder}__", lambda a, b, _n=_name: apply(_n, a, b))
    setattr(Expr, f"__r{_dunder}__", lambda a, b, _n=_name: apply(_n, b, a))
Expr.__neg__ = lambda a: apply("neg", a)


class Vocabulary:
    """``s.exp(x)``: the rows as functions on expressions; names that are Python keywords end in
    ``_``."""

    def __getattr__(self, name):
        name = name.rstrip("_")
        if name not in ROWS:
            raise AttributeError(f"no scalar row {name!r}; rows: {', '.join(ROWS)}")
        return lambda *args: apply(name, *args)


def expression(scalar, arity, **attrs):
    """The expression tree of an op's ``scalar`` field, in terms of `Arg`."""
    args = [Arg(k) for k in range(arity)]
    if isinstance(scalar, str):
        return apply(scalar, *args)
    tree = scalar(Vocabulary(), *args, **attrs)
    return tree if isinstance(tree, Expr) else Lit(tree)


def parts(expr):
    """An expression and everything in it, as often as it stands there."""
    stack = [expr]
    while stack:
        e = stack.pop()
        yield e
        if isinstance(e, Apply):
            stack.extend(e.args[::-1])
