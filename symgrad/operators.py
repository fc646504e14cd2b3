"""Operators and methods of expressions, by name, and what Python's and NumPy's protocols get from
a variable: no import of any op module, so no cycle.

`TABLE` and `UFUNCS` are filled by the one wire (``ops/__init__.py`` through `node.bind`).
"""

from __future__ import annotations

from symgrad.errors import ArgumentError, near

TABLE = {}  # public name -> op record or function; filled by `bind`
UFUNCS = {}  # NumPy's function -> the op that computes its scalar function; filled by `bind`

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
    __array_ufunc__ = None  # ndarray + pattern is left to the pattern


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
Arithmetic.__rdivmod__ = lambda a, b: (b // a, b % a)


class Protocols(Arithmetic):
    """What Python and NumPy ask of a variable: an expression is the answer where there is one, else
    an error that says what to write instead."""

    __slots__ = ()

    def __getitem__(self, key):
        return TABLE["getitem"](self, key)

    def __setitem__(self, key, value):
        part = f"{self!r}[{_written(key)}]"
        raise ArgumentError(
            f"{part} = {value!r:.40}: a variable cannot be changed\n"
            f"  hint: T.set_subtensor({part}, {value!r:.40}) is {self!r} with that part replaced; "
            "T.inc_subtensor adds to it"
        )

    def __iter__(self):
        if not self.ndim:
            raise ArgumentError(f"{self!r}: a scalar cannot be iterated")
        length = self.type.shape[0]
        if not isinstance(length, int):
            raise ArgumentError(
                f"{self!r}: cannot iterate, its length is not known when the graph is built; "
                "use sg.scan, or declare the length with T.tensor(dtype, shape)"
            )
        return iter([self[i] for i in range(length)])

    def __len__(self):
        raise ArgumentError(f"{self!r} has no len(); use x.shape[0], a symbolic integer")

    def __bool__(self):
        if self.op.name in COMPARE:
            raise ArgumentError(
                f"the truth of {self!r} is not known when the graph is built; use T.switch"
            )
        return True

    def __contains__(self, item):
        raise ArgumentError(f"'in' is not defined for {self!r}; use T.any(T.eq(x, item))")

    def __index__(self):
        raise self._no("a Python integer", "T.cast(x, 'int64') is symbolic")

    def __int__(self):
        return self.__index__()

    def __float__(self):
        raise self._no("a Python float", "T.cast(x, 'float64') is symbolic")

    def __complex__(self):
        raise self._no("a Python complex", "T.cast(x, 'complex128') is symbolic")

    def __array__(self, dtype=None, copy=None):
        raise self._no("an array", "the functions of symgrad.tensor take it as it is; "
                       "T.stack makes a tensor of several")

    def _no(self, what, else_):
        return ArgumentError(f"{self!r} is symbolic and cannot be {what}; its value is "
                             f"x.eval({{input: array}}); {else_}")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        """``np.exp(x)`` is ``T.exp(x)``, and ``array + x`` is ``T.add(array, x)``."""
        op = UFUNCS.get(ufunc)
        said = f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method}"
        if op is None or method != "__call__":
            raise ArgumentError(f"{said} takes no variable: {near(ufunc.__name__, TABLE)}")
        if options:
            raise ArgumentError(f"{said} of a variable takes no {', '.join(options)}; an array "
                                "cannot hold what is symbolic: write a = a + x for a += x")
        if op in ("eq", "neq"):  # of `array == x`, too, where x == array compares identities
            raise ArgumentError(f"{said}: == and != of variables compare identities; "
                                f"elementwise it is T.{op}(a, x)")
        return TABLE[op](*inputs)


def _written(key):
    """A key as it is written between brackets."""
    if isinstance(key, tuple):
        return ", ".join(map(_written, key)) or "()"
    if isinstance(key, slice):
        parts = ["" if p is None else repr(p) for p in (key.start, key.stop, key.step)]
        return ":".join(parts[:2] + parts[2:] * (key.step is not None))
    return "..." if key is Ellipsis else f"{key!r:.40}"
