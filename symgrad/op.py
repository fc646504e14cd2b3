"""Op: one record an operation.  Everything any layer wants to know of an op is a field here (see
families.py)."""

from __future__ import annotations

import importlib
import inspect
import sys
import threading
from contextlib import contextmanager
from functools import reduce, wraps

import numpy as np

from symgrad import origin as _origin
from symgrad.errors import (
    ArgumentError,
    DtypeError,
    IndexingError,
    ShapeError,
    SymgradError,
    near,
)
from symgrad.node import CONST, TABLE, Node, as_node, constant
from symgrad.operators import Arithmetic
from symgrad.records import dataclass, field
from symgrad.types import Tuple, is_complex, promote

REMEMBERED = 5000  # applications whose type an op remembers
_weak = threading.local()


@contextmanager
def weak_numbers():
    """Inside, Python numbers take the dtype of the tensor they meet (symgrad's own rules; users
    get autocast)."""
    before = getattr(_weak, "on", False)
    _weak.on = True
    try:
        yield
    finally:
        _weak.on = before


class Pattern(Arithmetic):
    """One side of a rewrite rule: an op on patterns, or a hole.  Written with the same operators
    as a graph."""

    __slots__ = ("op", "args", "attrs", "hole")

    def __init__(self, op=None, args=(), attrs=(), hole=None):
        self.op, self.args, self.attrs, self.hole = op, args, attrs, hole


@dataclass(eq=False, slots=True, repr=False)
class Op:
    """One row of the op table.  A field an op lacks is None, and the layer that needs it says
    so."""

    name: str
    # elementwise | reduction | view | gather | scatter | contract | source | composite | opaque
    kind: str
    arity: int | None = None  # None: any number of inputs
    params: tuple = ()  # attribute names, in order
    defaults: tuple = ()
    prepare: object = None  # [nodes] -> [nodes]: casts inputs to the dtypes that the op computes in
    tidy: object = None  # (types, *attrs) -> attrs in their one spelling
    infer: object = None  # (types, *attrs) -> Type
    infer_from: object = (
        None  # (inputs, *attrs) -> Type, where a length depends on an input's value
    )
    # (types, *attrs) -> pairs ((input, axis), (input, axis)) of lengths that must be equal
    same: object = None
    numpy: object = None  # (*arrays, **attrs) -> array
    # elementwise: a row of scalars.py or an expression; reduction: how two values combine
    scalar: object = None
    identity: object = None  # reduction: (dtype) -> the value of an empty one, or None
    slopes: object = None  # elementwise: (*inputs, out, **attrs) -> d out / d input for each input
    linear: str | None = None  # 'jointly' or 'each': forward mode applies the op to tangents
    vjp_rule: object = None  # (g, out, *inputs, *attrs) -> cotangents
    jvp_rule: object = None  # (tangents, out, *inputs, *attrs) -> tangent
    expand: object = None  # composite: the definition
    # commutative, associative, identity, zero, inverse, monotone …
    facts: dict = field(default_factory=dict)
    masks: bool = False  # its vjp may zero cotangents: strong zeros start here
    samples: object = None  # (rng) -> [(arrays, attrs)] for generated tests
    domain: object = None
    front: object = None  # the public signature, where it is richer than (inputs, attributes)
    doc: str = ""
    module: str = ""
    cache: dict = field(default_factory=dict)

    def __call__(self, *args, **kwargs):
        if self.front is not None and not _any_pattern(args, kwargs):
            try:
                return self.front(*args, **kwargs)
            except SymgradError as error:
                raise explain(error, self, _nodes(args), _origin.caller()) from None
            except TypeError as error:
                raise self.misused(error, args, kwargs) from None
        return self.of(*args, **kwargs)

    def misused(self, error, args, kwargs):
        """The error for arguments that do not fit the public signature; any other TypeError as it
        is."""
        try:
            inspect.signature(self.front).bind(*args, **kwargs)
        except TypeError as wrong:
            return ArgumentError(f"{self.name}: {wrong}\n  {signature(self)}")
        return error

    def of(self, *args, **given):
        """The plain signature: inputs, then attributes by position or keyword.  Also builds
        patterns."""
        args = list(args)
        if self.arity is not None and len(args) > self.arity:
            extra = args[self.arity:]
            del args[self.arity:]
            if len(extra) > len(self.params):
                if self.facts.get("associative"):
                    return reduce(self.of, (*args, *extra))
                raise ArgumentError(
                    f"{self.name}: takes {self.arity} inputs and {len(self.params)} attributes, "
                    f"got {self.arity + len(extra)}"
                )
            given = {**dict(zip(self.params, extra, strict=False)), **given}
        if self.arity is not None and len(args) < self.arity:
            raise ArgumentError(
                f"{self.name}: takes {self.arity} inputs, got {len(args)}\n  {signature(self)}"
            )
        for name in given:
            if name not in self.params:
                raise ArgumentError(
                    f"{self.name}: unknown argument {name!r}: "
                    f"{near(name, self.params or ('none',))}\n"
                    f"  {signature(self)}"
                )
        attrs = tuple([given.get(p, d) for p, d in zip(self.params, self.defaults, strict=True)])
        if _any_pattern(args, given):
            return Pattern(self, tuple(args), attrs)
        inputs = _nodes(args)
        try:
            inputs = as_nodes(args)
            if self.prepare:
                inputs = self.prepare(inputs)
            if self.tidy:
                attrs = self.tidy([i.type for i in inputs], *attrs)
        except SymgradError as error:
            raise explain(error, self, inputs, _origin.caller()) from None
        return make(self, tuple(inputs), attrs)

    def vjp(self, rule):
        """Decorator: ``rule(g, out, *inputs, *attrs)`` gives the cotangents of the inputs (None:
        no dependence)."""
        self.vjp_rule = rule
        return self

    def jvp(self, rule):
        """Decorator: ``rule(tangents, out, *inputs, *attrs)``; only for ops where the derived one
        is not enough."""
        self.jvp_rule = rule
        return self

    def public(self, function):
        """Decorator: the signature users call."""
        self.front = function
        self.doc = function.__doc__ or self.doc
        return self

    @property
    def __doc__(self):
        return self.doc

    @property
    def __name__(self):
        return self.name

    def __repr__(self):
        return self.name

    def __reduce__(self):
        return _find, (self.module, self.name)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def _find(module, name):
    if module.startswith("symgrad.") and isinstance(TABLE.get(name), Op):
        return TABLE[name]
    scope = vars(sys.modules.get(module) or importlib.import_module(module))
    for value in scope.values():
        if isinstance(value, Op) and value.name == name:
            return value
    raise LookupError(f"op {name} is not defined in {module} any more")


def _any_pattern(args, given):
    for a in args:
        if type(a) is Pattern:
            return True
    for a in given.values():
        if type(a) is Pattern:
            return True
    return False


def explained(function):
    """Decorator for a public function made of ops: an error names it, its operands and the user's
    line."""

    @wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except SymgradError as error:
            raise explain(error, call, _nodes(args), _origin.caller()) from None

    call.name = function.__name__.rstrip("_")
    return call


def _nodes(args):
    return [a for a in args if isinstance(a, Node)]


def signature(op):
    """``sum(x, *, axis=None)``: for messages and the manual."""
    try:
        return f"{op.name}{inspect.signature(op.front or op.expand or op.numpy)}"
    except (TypeError, ValueError):
        return op.name


def as_nodes(args):
    """Nodes for all arguments; Python numbers by autocast, or weakly inside `weak_numbers`."""
    weak = None
    if getattr(_weak, "on", False):
        known = [a.type.dtype for a in args if isinstance(a, Node)]
        weak = promote(*known) if known else None
    return [as_node(a, weak) for a in args]


def infer(op, inputs, attrs):
    """The type of an application; cached on the record where it depends on types and attributes
    alone."""
    if op.infer_from:
        return op.infer_from(inputs, *attrs)
    types = tuple([i.type for i in inputs])
    key = types, attrs
    type = op.cache.get(key)
    if type is None:
        type = op.infer(types, *attrs)
        if len(op.cache) >= REMEMBERED:  # types, and the Dims in them, must not pile up
            op.cache.clear()
        op.cache[key] = type
    return type


def make(op, inputs, attrs=(), origin=None):
    """A node, its type inferred; a failure names the op, the operands and the user's lines."""
    origin = origin or _origin.caller()
    try:
        return Node(op, inputs, attrs, infer(op, inputs, attrs), origin)
    except SymgradError as error:
        raise explain(error, op, inputs, origin) from None


def remake(node, inputs):
    """The same application to other inputs."""
    new = make(node.op, tuple(inputs), node.attrs, node.origin)
    new.name = node.name
    return new


def explain(error, op, inputs, origin):
    """The error with the op's name, its operands and the user's lines added, once."""
    message = str(error)
    if getattr(error, "explained", False) or "\n" in message:
        return error
    if not message.startswith(f"{op.name}: "):
        message = f"{op.name}: {message}"
    hint = getattr(error, "hint", None)
    new = type(error)(_origin.report(message, inputs, origin, hint))
    new.explained = True
    return new


def apply(node, arrays):
    """One op on arrays, by its NumPy meaning; an error names the op and the user's lines."""
    op = node.op
    try:
        with np.errstate(all="ignore"):
            found = op.numpy(*arrays, **dict(zip(op.params, node.attrs, strict=True)))
        return found if type(node.type) is Tuple else np.asarray(found)
    except SymgradError as error:
        raise explain(error, op, node.inputs, node.origin) from None
    except (ValueError, IndexError, TypeError, ArithmeticError) as error:
        cls = {IndexError: IndexingError, ValueError: ShapeError}.get(type(error), type(error))
        operands = ", ".join(f"{a.dtype}{list(a.shape)}" for a in arrays)
        text = f"{op.name}: {error} (operands {operands})"
        raise cls(_origin.report(text, node.inputs, node.origin)) from error


def cast_node(x, dtype):
    """x in another dtype; constants are made anew."""
    if x.type.dtype == dtype:
        return x
    if is_complex(x.type.dtype) and not is_complex(dtype) and dtype != "bool":
        raise DtypeError(
            f"cannot cast {x!r} from {x.type.dtype} to {dtype}; take T.real, T.imag or abs first"
        )
    if x.op is CONST:
        with np.errstate(all="ignore"):
            return constant(x.data.astype(dtype), x.name)
    return TABLE["cast"].of(x, dtype=dtype)
