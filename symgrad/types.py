"""What a value may be: its dtype and its shape; promotion of dtypes; broadcasting of shapes.

A length is an ``int`` (known), a `Dim` (unknown, but equal wherever the same Dim stands) or
``None`` (unknown). Types are interned: equal types are the same object.
"""

from __future__ import annotations

from threading import Lock
from weakref import WeakValueDictionary

import numpy as np

from symgrad.config import config
from symgrad.errors import DtypeError, ShapeError, near

SHORT = {
    "bool": "b1",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
    "float16": "f16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "c64",
    "complex128": "c128",
}
DTYPES = tuple(SHORT)
BYTES = {d: np.dtype(d).itemsize for d in DTYPES}


class Dim:
    """A named length that is not known until call time; two axes with the same Dim are equally
    long.

    >>> n = Dim("n"); Type("float32", (n, 784))
    f32[n,784]
    """

    __slots__ = ("name", "__weakref__")

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


class Type:
    """dtype and shape of a tensor, interned.  Calling it makes a variable, as in Theano:
    ``x.type("y")``."""

    __slots__ = ("dtype", "shape", "ndim", "__weakref__")
    _all = WeakValueDictionary()  # a type goes, and the Dims in it, when nothing is of that type
    _kept = []  # noqa: RUF012  # those without lengths of their own are few, and stay
    _making = Lock()
    variable = None  # set by the one wire (ops/__init__.py): Type -> new input variable

    def __new__(cls, dtype, shape=()):
        key = dtype, shape
        known = cls._all.data.get(key)  # as _all.get, in half the time
        self = known and known()
        if self is None:
            if dtype not in SHORT:
                raise DtypeError(f"unknown dtype {dtype!r}: {near(dtype, DTYPES)}")
            self = object.__new__(cls)
            self.dtype, self.shape, self.ndim = dtype, shape, len(shape)
            with cls._making:
                self = cls._all.setdefault(key, self)
                if all(d is None or d == 1 for d in shape):
                    cls._kept.append(self)
        return self

    def __reduce__(self):
        return Type, (self.dtype, self.shape)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __call__(self, name=None):
        return Type.variable(self, name)

    def __repr__(self):
        return f"{SHORT[self.dtype]}[{','.join('?' if d is None else str(d) for d in self.shape)}]"

    @property
    def broadcastable(self):
        """Theano's view of the shape: which axes are known to have length 1."""
        return tuple(d == 1 for d in self.shape)

    def with_shape(self, shape):
        return Type(self.dtype, tuple(shape))

    def with_dtype(self, dtype):
        return Type(dtype, self.shape)


class Tuple:
    """The type of an op with several results, `items` being theirs; interned.  Only `item` takes a
    value of it: to everything else it looks like a scalar of no dtype that there is."""

    __slots__ = ("items", "__weakref__")
    _all = WeakValueDictionary()
    dtype, shape, ndim, broadcastable = "tuple", (), 0, ()

    def __new__(cls, items):
        self = cls._all.get(items)
        if self is None:
            self = object.__new__(cls)
            self.items = items
            self = cls._all.setdefault(items, self)
        return self

    def __reduce__(self):
        return Tuple, (self.items,)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"({', '.join(map(repr, self.items))})"


def named_dtype(dtype, default=None):
    """Any spelling of a dtype as its canonical name; ``'floatX'`` is `config.floatX`, and None is
    `default` if there is one.

    >>> named_dtype(np.float32), named_dtype("int"), named_dtype(float)
    ('float32', 'int64', 'float64')
    """
    if dtype is None:
        dtype = default
    if isinstance(dtype, str):
        if dtype in SHORT:
            return dtype
        if dtype == "floatX":
            return config.floatX
    try:
        name = np.dtype(dtype).name
    except (TypeError, ValueError):
        raise DtypeError(f"unknown dtype {dtype!r:.60}: {near(dtype, DTYPES)}") from None
    if name not in SHORT:
        raise DtypeError(f"dtype {name} is not supported; supported: {', '.join(DTYPES)}")
    return name


def kind_of(dtype):
    """``b``, ``i``, ``u``, ``f`` or ``c``."""
    return np.dtype(dtype).kind


def is_float(dtype):
    return dtype.startswith("float") or dtype.startswith("complex")


def is_complex(dtype):
    return dtype.startswith("complex")


def is_discrete(dtype):
    return not is_float(dtype)


_PROMOTED = {}


def promote(*dtypes):
    """NumPy's common dtype of arrays (``np.promote_types``), which is also Theano's ``upcast``.

    >>> promote("int32", "float32")
    'float64'
    """
    out = dtypes[0]
    for d in dtypes[1:]:
        if d != out:
            key = out, d
            out = _PROMOTED.get(key)
            if out is None:
                out = _PROMOTED[key] = np.promote_types(*key).name
    return out


def to_float(dtype):
    """The dtype in which a floating function of `dtype` is computed: Theano's upgrade_to_float.

    Floats stay; bool and integers of up to 16 bits become float32, larger ones float64.
    """
    if is_float(dtype):
        return dtype
    return "float32" if BYTES[dtype] <= 2 else "float64"


def real_of(dtype):
    """The dtype of the parts of a complex number; other dtypes stay."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def wider_int(dtype):
    """Theano's dtype of a sum or product over integers: 64 bits of the same signedness."""
    kind = kind_of(dtype)
    return {"b": "int64", "i": "int64", "u": "uint64"}.get(kind, dtype)


def _holds(dtype, value):
    info = np.iinfo(dtype)
    return info.min <= value <= info.max


def autocast(value, weak_for=None):
    """An ndarray for a Python number or array-like, with Theano's choice of dtype.

    Python ints take the smallest signed type that holds them; Python floats float32 when that is
    exact or when ``floatX`` is float32, else float64; arrays and NumPy scalars keep theirs.  With
    `weak_for` (a dtype), Python numbers take that dtype instead where it can hold their kind:
    symgrad's own derivatives use this.
    """
    if type(value) in (bool, np.bool_):
        return np.asarray(value)
    if type(value) is int:
        if weak_for and weak_for != "bool" and (is_float(weak_for) or _holds(weak_for, value)):
            return np.asarray(value, weak_for)
        for d in ("int8", "int16", "int32", "int64", "uint64"):
            if _holds(d, value):
                return np.asarray(value, d)
        raise DtypeError(f"the integer {value} does not fit any integer dtype; write it as a float")
    if type(value) is float:
        if weak_for and is_float(weak_for):
            return np.asarray(value, weak_for)
        with np.errstate(over="ignore"):
            if config.floatX != "float64":
                return np.asarray(value, config.floatX)
            single = np.float32(value)
        return np.asarray(single if float(single) == value or value != value else value)
    if type(value) is complex and weak_for and is_complex(weak_for):
        return np.asarray(value, weak_for)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(
            f"cannot make a tensor of {value!r:.60}: its rows differ in length"
        ) from None
    if array.dtype.name not in SHORT:
        if array.dtype.kind in "OUSVMm":
            raise DtypeError(
                f"cannot make a tensor of {type(value).__name__} {value!r:.60} "
                f"(dtype {array.dtype})"
            )
        wide = {"g": "float64", "G": "complex128"}.get(array.dtype.char)
        array = array.astype(wide or named_dtype(array.dtype))
    return array


def clash(a, b):
    """Whether two lengths are known to differ."""
    return isinstance(a, int) and isinstance(b, int) and a != b


def join_lengths(a, b):
    """What is known of a length that is said to be both `a` and `b`; None-safe; raises ShapeError
    on a clash."""
    if a is b or b is None:
        return a
    if a is None:
        return b
    if clash(a, b):
        raise ShapeError(f"lengths {a} and {b} differ")
    return a if isinstance(a, int) else b if isinstance(b, int) else a


def broadcast(shapes):
    """The shape that shapes stretch to: right-aligned, length-one axes stretch.  Raises ShapeError
    on a clash.

    >>> broadcast([(3, 1), (None,)])
    (3, None)
    """
    ndim = max(map(len, shapes), default=0)
    out = []
    for axis in range(ndim):
        length = 1
        for s in shapes:
            at = axis - ndim + len(s)
            if at >= 0 and s[at] != 1:
                length = join_lengths(s[at], length) if length != 1 else s[at]
        out.append(length)
    return tuple(out)


def plain_int(value, what):
    """An int or a NumPy integer as an int; DtypeError for anything else, such as a variable."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise DtypeError(f"{what} must be an integer known when the graph is built, not {value!r:.60}")


def plain_axis(axis, ndim, what="axis"):
    """One axis as a non-negative int; raises ShapeError when out of range."""
    if isinstance(axis, np.ndarray | np.integer) and np.ndim(axis) == 0:
        axis = int(axis)
    if not isinstance(axis, int) or isinstance(axis, bool):
        raise ShapeError(f"{what} must be an int, not {axis!r}")
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{what} {axis} is out of range for {ndim} dimension{'s' * (ndim != 1)}")
    return axis % ndim


def plain_axes(axis, ndim):
    """Axes as a sorted tuple of distinct non-negative ints; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, tuple | list):
        axes = tuple(sorted(plain_axis(a, ndim) for a in axis))
        if len(set(axes)) != len(axes):
            raise ShapeError(f"axis {axis} names one axis twice")
        return axes
    return (plain_axis(axis, ndim),)
