"""Operators and methods of expressions, by name: no import of any op module, so no cycle.

`TABLE` is filled by the one wire (``ops/__init__.py`` through `node.bind`).
"""

from __future__ import annotations

TABLE = {}  # public name -> op record or function; filled by `bind`

BINARY = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "true_div",
    "floordiv": "int_div",
    "mod": "mod",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
COMPARE = {"lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
UNARY = {"neg": "neg", "abs": "abs", "invert": "invert"}
METHODS = {
    m: m
    for m in (
        "sum prod mean var std max min argmax argmin any all reshape flatten ravel dimshuffle "
        "transpose squeeze clip dot nonzero nonzero_values conj round diagonal trace swapaxes take "
        "repeat sort argsort cumsum cumprod fill "
        "copy zeros_like ones_like norm ptp choose compress"
    ).split()
}
METHODS["astype"] = "cast"
METHODS["get_scalar_constant_value"] = "constant_value"


class Arithmetic:
    """Operators by name, for nodes and for the patterns of rules: no import of any op module, so
    no cycle."""

    __slots__ = ()
    __array_priority__ = 1000
    __array_ufunc__ = None  # ndarray + node is left to the node


def _operator(name, reflected=False):
    if reflected:
        return lambda self, other: TABLE[name](other, self)
    return lambda self, other: TABLE[name](self, other)


for _dunder, _name in BINARY.items():
    setattr(Arithmetic, f"__{_dunder}__", _operator(_name))
    setattr(Arithmetic, f"__r{_dunder}__", _operator(_name, reflected=True))
for _dunder, _name in COMPARE.items():
    setattr(Arithmetic, f"__{_dunder}__", _operator(_name))
for _dunder, _name in UNARY.items():
    setattr(Arithmetic, f"__{_dunder}__", lambda self, _name=_name: TABLE[_name](self))
Arithmetic.__divmod__ = lambda a, b: (a // b, a % b)
