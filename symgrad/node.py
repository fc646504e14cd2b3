"""The one node class: inputs, constants, shared variables and applications of ops; operators by
name; toposort.

A node is immutable and knows its op, its inputs, its attributes and its type.  `name`, `tag` and
`origin` are notes. Two nodes are the same only if they are one object; equal expressions are
merged by the compiler's pool.

This module knows ops by name only.  `bind` is the one wire through which ``ops/__init__.py`` hands
it the table.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np

from symgrad import origin as _origin
from symgrad.errors import ArgumentError, DtypeError, near
from symgrad.operators import METHODS, TABLE, UFUNCS, Protocols
from symgrad.types import Type, autocast


def bind(table, ufuncs):
    """The one wire: operators and methods look their op up here; `ufuncs` has the ops of NumPy's
    functions."""
    TABLE.clear()
    TABLE.update(table)
    UFUNCS.clear()
    UFUNCS.update(ufuncs)
    Type.variable = staticmethod(variable)


class Leaf:
    """The op of a node without inputs: an input, a constant, a shared variable."""

    kind = "leaf"
    params = defaults = ()
    masks = False
    doc = ""
    composite = vjp_rule = slopes = transpose = expand = numpy = scalar = None

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name

    def __reduce__(self):
        return _leaf, (self.name,)


def _leaf(name):
    return {"input": INPUT, "const": CONST, "shared": SHARED}[name]


INPUT, CONST, SHARED = Leaf("input"), Leaf("const"), Leaf("shared")


_OWN = ("dtype", "ndim", "shape", "size", "broadcastable", "tag", "owner", "T", "real", "imag",
        "type", "name", "op", "inputs", "eval")


class Node(Protocols):
    """One value in a graph: the result of applying `op` to `inputs` with `attrs`.

    ``x + y``, ``x[1:]``, ``x.sum(axis=0)`` … build new nodes.  ``==`` and ``hash`` are by identity
    (B2 of the behaviours old programs rely on), so nodes may be dictionary keys; elementwise
    equality is ``T.eq``.
    """

    __slots__ = ("op", "inputs", "attrs", "type", "origin", "name", "height", "_tag", "__weakref__")

    def __init__(self, op, inputs, attrs, type, origin=None, name=None):
        self.op, self.inputs, self.attrs, self.type = op, inputs, attrs, type
        self.origin, self.name = origin, name
        height = 0
        for i in inputs:
            if i.height >= height:
                height = i.height + 1
        self.height = height

    # -- what Theano programs read

    @property
    def dtype(self):
        return self.type.dtype

    @property
    def ndim(self):
        return self.type.ndim

    @property
    def broadcastable(self):
        return self.type.broadcastable

    @property
    def tag(self):
        try:
            return self._tag
        except AttributeError:
            self._tag = SimpleNamespace()
            return self._tag

    @property
    def owner(self):
        """Theano's Apply: ``owner.op``, ``owner.inputs``, ``owner.outputs``; None for a leaf."""
        if self.op.kind == "leaf":
            return None
        return SimpleNamespace(op=self.op, inputs=list(self.inputs), outputs=[self])

    @property
    def shape(self):
        """The lengths as a symbolic int64 vector; it can be unpacked, indexed, sliced and
        iterated."""
        return TABLE["shape"](self)

    @property
    def size(self):
        return TABLE["size"](self)

    @property
    def T(self):
        return TABLE["transpose"](self)

    @property
    def real(self):
        return TABLE["real"](self)

    @property
    def imag(self):
        return TABLE["imag"](self)

    def __getattr__(self, name):
        if name.startswith("_") or name not in TABLE and name in _OWN:
            raise AttributeError(name)
        hint = f"it is T.{name}(x)" if name in TABLE else near(name, [*METHODS, *_OWN])
        raise AttributeError(f"a variable has no attribute {name!r}: {hint}")

    def __repr__(self):
        return self.name or f"{self.op.name}:{self.type!r}"

    __str__ = __repr__

    def __copy__(self):
        return type(self)(self.op, self.inputs, self.attrs, self.type, self.origin, self.name)

    def __deepcopy__(self, memo):
        for n in toposort([self]):
            if id(n) not in memo:
                memo[id(n)] = n._copied(tuple([memo[id(i)] for i in n.inputs]), memo)
                memo.setdefault(id(memo), []).append(n)  # keeps n alive as long as its id is a key
        return memo[id(self)]

    def _copied(self, inputs, memo):
        if self.op is CONST:
            return self
        new = Node(self.op, inputs, self.attrs, self.type, self.origin, self.name)
        if hasattr(self, "_tag"):
            new._tag = SimpleNamespace(**vars(self._tag))
        return new

    def __reduce__(self):
        return _restore, (
            type(self),
            _below(self),
            self.op,
            self.inputs,
            self.attrs,
            self.type,
            self.origin,
            self.name,
            getattr(self, "_tag", None),
        )


def _method(op_name):
    def method(self, *args, **kwargs):
        if op_name not in TABLE:
            raise AttributeError(f"{op_name} is not built yet")
        return TABLE[op_name](self, *args, **kwargs)

    method.__name__ = op_name
    return method


for _name, _op in METHODS.items():
    setattr(Node, _name, _method(_op))

# Pickling walks inputs recursively, which would overflow the stack on deep graphs.  So the first
# node of a dump carries a list of its ancestors at every 40th level, lowest first: each is then
# reached within 40 levels.
_LEVELS = 40
_covered = threading.local()


def _below(node):
    covered = _covered.__dict__.setdefault("ids", set())
    if id(node) in covered:
        covered.discard(id(node))
        return ()
    if node.height < _LEVELS:
        return ()
    order = toposort([node])[:-1]
    covered.update(id(n) for n in order if n.height)  # leaves never come back to be discarded
    return [n for n in order if n.height and n.height % _LEVELS == 0]


def _restore(cls, below, op, inputs, attrs, type, origin, name, tag):
    node = cls(op, inputs, attrs, type, origin, name)
    if tag is not None:
        node._tag = tag
    return node


class Value:
    """A constant's payload, hashed by its exact bits: 0.0 is not -0.0, nan is nan, 1 is not 1.0."""

    __slots__ = ("array", "_key")

    def __init__(self, array):
        if array.flags.writeable:
            array = array.copy()
            array.flags.writeable = False
        self.array = array
        self._key = None

    @property
    def key(self):
        if self._key is None:
            self._key = self.array.dtype.str, self.array.shape, self.array.tobytes()
        return self._key

    def __eq__(self, other):
        return type(other) is Value and self.key == other.key

    def __hash__(self):
        return hash(self.key)

    def __repr__(self):
        return (
            repr(self.array.item())
            if self.array.ndim == 0
            else np.array2string(self.array, threshold=6)
        )

    def __reduce__(self):
        return Value, (self.array,)


class Constant(Node):
    """A node whose value is known: ``.data`` is the read-only array."""

    __slots__ = ()

    @property
    def data(self):
        return self.attrs[0].array

    value = data

    def __index__(self):
        whole = self.ndim == 0 and self.dtype.startswith(("int", "uint"))
        return int(self.data) if whole else super().__index__()

    def __repr__(self):
        return self.name or repr(self.attrs[0])


def constant(value, name=None, dtype=None, weak_for=None):
    """A constant node.  Python numbers take Theano's autocast dtype, arrays keep theirs.

    >>> constant(2).dtype, constant(0.5).dtype, constant(np.zeros(3)).type
    ('int8', 'float32', f64[3])
    """
    if isinstance(value, Node):
        return value
    array = np.asarray(value, dtype) if dtype else autocast(value, weak_for)
    if (
        dtype is None
        and weak_for is None
        and isinstance(value, list | tuple)
        and array.dtype == np.float64
    ):
        single = array.astype("float32")
        if np.array_equal(single, array):
            array = single
    return Constant(CONST, (), (Value(array),), Type(array.dtype.name, array.shape), None, name)


def variable(type, name=None):
    """A new input variable of a type."""
    if name is not None and not isinstance(name, str):
        raise ArgumentError(f"a variable's name must be a string, not {name!r}")
    return Node(INPUT, (), (), type, _origin.caller(), name)


def as_node(value, weak_for=None):
    """A node for anything that can stand for a tensor: nodes, numbers, arrays, (nested) lists with
    nodes in them."""
    if isinstance(value, Node):
        return value
    if isinstance(value, list | tuple) and any(isinstance(v, Node | list | tuple) for v in value):
        flat = list(value)
        while flat:
            v = flat.pop()
            if isinstance(v, Node):
                return TABLE["stack"](list(value))
            if isinstance(v, list | tuple):
                flat.extend(v)
    if value is None or isinstance(value, str | dict | set) or callable(value):
        hint = f" ({near(value, TABLE)})" if isinstance(value, str) else ""
        raise DtypeError(
            f"cannot use {type(value).__name__} {value!r:.60} in a symbolic expression{hint}"
        )
    return constant(value, weak_for=weak_for)


def toposort(outputs, stop=frozenset()):
    """Every node once, inputs before users, not looking below `stop`.  No recursion, no set order:
    repeatable."""
    order, seen, stack = [], set(), list(reversed(outputs))
    pop, push, more, add, put = stack.pop, stack.append, stack.extend, seen.add, order.append
    while stack:
        node = pop()
        if node is None:  # all that the node below this mark needs is in order
            node = pop()
            add(node)
            put(node)
        elif node in seen or node in stop:
            continue
        elif node.inputs:
            push(node)
            push(None)
            more(node.inputs[::-1])
        else:
            add(node)
            put(node)
    return order


def leaves(outputs):
    """Inputs, constants and shared variables below `outputs`, in order of first use."""
    return [n for n in toposort(outputs) if n.op.kind == "leaf"]


def rebuild(outputs, replace, remake):
    """Copies of `outputs` in which each key of `replace` is its value; untouched parts are kept as
    they are.

    ``remake(node, inputs)`` applies a node's op to new inputs (types are inferred afresh).
    """
    new = dict(replace)
    for n in toposort(outputs, stop=frozenset(replace)):
        inputs = tuple([new.get(i, i) for i in n.inputs])
        if inputs != n.inputs:
            new[n] = remake(n, inputs)
    return [new.get(o, o) for o in outputs]
