"""The families of ops: decorators that turn a function into an `Op` record, and the dtype rules
they use.

The function's name, arguments and docstring are the op's, its keyword-only arguments are the
attributes, its body is the NumPy meaning (for `composite`: the definition in other ops).
"""

from __future__ import annotations

import inspect

from symgrad.domains import anything
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.node import TABLE, as_node
from symgrad.op import Op, cast_node, weak_numbers
from symgrad.types import Type, broadcast, is_complex, is_discrete, plain_axes, promote, to_float

# -- dtype rules: dtypes in -> (dtypes computed in, dtype out)


def upcast(*dtypes):
    """NumPy's common dtype, in and out."""
    d = promote(*dtypes)
    return (d,) * len(dtypes), d


def floating(*dtypes):
    """The common dtype, integers becoming floats (Theano's upgrade_to_float)."""
    d = to_float(promote(*dtypes))
    return (d,) * len(dtypes), d


def comparing(*dtypes):
    """The common dtype in, bool out."""
    return (promote(*dtypes),) * len(dtypes), "bool"


def logical(*dtypes):
    """bool in, bool out."""
    return ("bool",) * len(dtypes), "bool"


def arithmetic(*dtypes):
    """As `upcast`, but bool counts as int8 (there is no negative, difference or product of
    truths)."""
    d = promote(*dtypes)
    d = "int8" if d == "bool" else d
    return (d,) * len(dtypes), d


def integral(*dtypes):
    """Integers or bools only."""
    d = promote(*dtypes)
    if not is_discrete(d):
        raise DtypeError(f"takes integers or bools, not {' and '.join(dtypes)}")
    return (d,) * len(dtypes), d


def ordered(*dtypes):
    """As `upcast`, but refuses complex numbers."""
    d = promote(*dtypes)
    if is_complex(d):
        raise DtypeError("complex numbers have no order")
    return (d,) * len(dtypes), d


def counting(*dtypes):
    """As `arithmetic`, but refuses complex numbers."""
    ordered(*dtypes)
    return arithmetic(*dtypes)


def real_floating(*dtypes):
    """As `floating`, but refuses complex numbers."""
    d = to_float(promote(*dtypes))
    if is_complex(d):
        raise DtypeError("is not defined for complex numbers")
    return (d,) * len(dtypes), d


# -- families


def record(kind, function, **row):
    """An `Op` from a function and the family's fields."""
    code = function.__code__  # 155 signatures of `inspect` would be a tenth of the import
    count, defaults = code.co_argcount, function.__kwdefaults__ or {}
    attrs = code.co_varnames[count:count + code.co_kwonlyargcount]
    variadic = code.co_flags & inspect.CO_VARARGS
    row.setdefault("numpy", function)
    facts = row.pop("facts", {})
    return Op(function.__name__.rstrip("_"), kind, None if variadic else count, attrs,
              tuple([defaults.get(a, inspect.Parameter.empty) for a in attrs]), facts=facts,
              doc=inspect.getdoc(function) or "", module=function.__module__, **row)


def define(kind, infer=None, infer_from=None, **row):
    """Decorator for an op that belongs to no closer family: `kind`, and how its type is
    inferred."""
    return lambda function: record(kind, function, infer=infer, infer_from=infer_from, **row)


def casting(dtype):
    """A `prepare` that casts inputs as a dtype rule says."""

    def prepare(inputs):
        wanted, _ = dtype(*[i.type.dtype for i in inputs])
        return [cast_node(i, d) for i, d in zip(inputs, wanted, strict=True)]

    return prepare


def aligned(types, *_):
    """Axes of broadcast operands that must be equally long, as pairs with the first operand that
    has the axis."""
    ndim = max(t.ndim for t in types)
    for axis in range(ndim):
        first = None
        for k, t in enumerate(types):
            at = axis - ndim + t.ndim
            if at >= 0 and t.shape[at] != 1:
                if first is None:
                    first = k, at
                else:
                    yield first, (k, at)


def elementwise(
    scalar=None,
    slopes=None,
    dtype=upcast,
    domain=anything,
    masks=False,
    infer=None,
    tidy=None,
    samples=None,
    **facts,
):
    """Decorator: an op computed element by element on broadcast operands.

    `scalar`: its element in the vocabulary; `slopes`: ``(*inputs, out, **attrs)`` -> partial
    derivatives (nodes, numbers; 0 = no slope, None = no dependence); `dtype`: a dtype rule;
    `domain`: one for all inputs or a tuple.
    """

    def family(function):
        def infer_type(types, *attrs):
            _, out = dtype(*[t.dtype for t in types])
            return Type(out, broadcast([t.shape for t in types]))

        return record(
            "elementwise",
            function,
            prepare=casting(dtype),
            infer=infer or infer_type,
            scalar=scalar,
            tidy=tidy,
            samples=samples,
            slopes=slopes,
            same=aligned,
            domain=domain,
            masks=masks,
            facts=facts,
        )

    return family


def reduced(types, axis, *_):
    """The type of a reduction that keeps its dtype."""
    t = types[0]
    return t.with_shape([d for i, d in enumerate(t.shape) if i not in axis])


def reduction(
    scalar, identity=None, dtype=None, domain=anything, prepare=None, infer=reduced, **row
):
    """Decorator: an op that combines the elements along ``axis`` (all by default).

    `scalar`: the row that combines two; `identity`: its neutral element as a function of the dtype
    (None: an empty reduction is an error); `dtype`: dtype in -> dtype computed in and out.  The
    public signature gains ``keepdims``.
    """

    def cast(inputs):
        return [cast_node(inputs[0], dtype(inputs[0].type.dtype))] if dtype else inputs

    def checked(types, axis):
        if identity is None and any(types[0].shape[a] == 0 for a in axis):
            raise ShapeError(f"has no value over an axis of length 0, {types[0]!r}")
        return infer(types, axis)

    def family(function):
        op = record("reduction", function, scalar=scalar, identity=identity, domain=domain,
                    prepare=prepare or cast, infer=checked, tidy=axis_attr, **row)

        def public(x, axis=None, keepdims=False, out=None):
            no_out(out)
            x = as_node(x)
            return kept(op.of(x, axis=axis), x, axis, keepdims)

        public.__name__, public.__doc__ = op.name, op.doc
        op.front = public
        return op

    return family


def kept(y, x, axis, keepdims=True):
    """A reduction y of x; with `keepdims`, the axes that it lost are put back with length one."""
    axes = plain_axes(axis, x.type.ndim)
    return TABLE["unsqueeze"].of(y, axes=axes) if keepdims and axes else y


def no_out(out):
    """NumPy's functions hand ``out`` on to the methods of what they are given."""
    if out is not None:
        raise ArgumentError("out= has no meaning for a symbolic expression")


def composite(dtype=floating, infer=None, domain=anything, **row):
    """Decorator: an op defined by other ops.  Rules may know it by name; the compiler expands it
    after they had their turn.  Its type is that of its definition unless `infer` says it."""

    def family(function):
        def infer_type(types, *attrs):
            with weak_numbers():
                given = dict(zip(op.params, attrs, strict=True))
                return function(*[Type.variable(t, None) for t in types], **given).type

        row.setdefault("prepare", casting(dtype) if dtype else None)
        op = record("composite", function, numpy=None, expand=function, infer=infer or infer_type,
                    domain=domain, **row)
        return op

    return family


def axis_attr(types, axis, *rest):
    """A `tidy` for ops with one ``axis`` (or several) as their first attribute."""
    return (plain_axes(axis, types[0].ndim), *rest)
