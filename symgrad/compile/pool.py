"""The pool: equal expressions become one node, for one compilation; unknown lengths become
numbered Dims.

Nodes of users keep their identity; `Pool.intern` copies them.  In a pool every length is an int or
a `Dim`, and axes that must be equally long (operands of ``+``, the inner lengths of a product …)
carry the same Dim, so that later layers may compare lengths by identity.  What was taken for
granted is checked when the program runs.
"""

from __future__ import annotations

from symgrad.errors import SymgradError
from symgrad.node import CONST, INPUT, SHARED, Constant, Node, Value, toposort
from symgrad.op import explain, infer, make
from symgrad.ops.ifelse import ifelse, needs
from symgrad.types import Dim, Tuple, Type

_NUMBERED = []  # Dims are shared between compilations: types and inference caches stay small


def numbered(k):
    """The k-th anonymous Dim."""
    while k >= len(_NUMBERED):
        _NUMBERED.append(Dim(f"d{len(_NUMBERED)}"))
    return _NUMBERED[k]


class Interned(Node):
    """A node of a pool; `serial` is its age, which orders the operands of commutative ops."""

    __slots__ = ("serial",)

    @property
    def data(self):
        return self.attrs[0].array


class Pool:
    """Hash-consing for one compilation.  `expect` allows equalities that are usual but not certain
    (see `expected`)."""

    def __init__(self, expect=False):
        self.table, self.members = {}, set()
        self.leaf, self.source = {}, {}  # a user's leaf -> ours, and back
        # Dim -> (our leaf, axis) where its length can be read before anything is computed
        self.home = {}
        self.expect = expect
        self._dims, self._same, self._why, self._count = {}, {}, {}, 0
        self._unsure = set()  # lengths that stand for others which NumPy would not insist on
        self.prior, self._user = None, {}
        self._entering = None  # the user's node whose lengths are being named

    # -- making nodes

    def make(self, op, inputs, attrs=(), origin=None, type=None, name=None):
        """The pool's node for an application; `type` if it is known already."""
        if "commutative" in op.facts:
            a, b = inputs
            if a.op is CONST:
                if b.op is not CONST:
                    inputs = b, a
            elif b.op is not CONST and a.serial > b.serial:
                inputs = b, a
        key = op, inputs, attrs
        node = self.table.get(key)
        if node is not None and type is not None and node.type is not type:
            key = (*key, type)
            node = self.table.get(key)
        if node is None:
            type = type or self.infer(op, inputs, attrs, origin)
            node = self.table[key] = self._member(op, inputs, attrs, type, origin, name)
        node.name = node.name or name
        return node

    def _member(self, *parts):
        node = Interned(*parts)
        node.serial = len(self.members)
        self.members.add(node)
        return node

    def infer(self, op, inputs, attrs, origin=None):
        """The type of an application, Dims standing for lengths that only running it will tell."""
        try:
            type = infer(op, inputs, attrs)
        except SymgradError as error:
            raise explain(error, op, inputs, origin) from None
        if type.__class__ is Tuple:
            return Tuple(tuple([self._named(t, k) for k, t in enumerate(type.items)]))
        return self._named(type)

    def _named(self, type, *part):
        """The type with Dims for its unknown lengths; `part`: which of several results it is."""
        if None not in type.shape:
            return type
        return type.with_shape([self._fresh(*part, axis) if d is None else d
                                for axis, d in enumerate(type.shape)])

    def _fresh(self, *place):
        return self._new() if self._entering is None else self.dim((self._entering, *place))

    def _new(self):
        self._count += 1
        return numbered(self._count - 1)

    def constant(self, array, name=None):
        """The pool's constant with exactly these bits."""
        value = Value(array)
        key = CONST, (), (value,)
        if key not in self.table:
            type = Type(array.dtype.name, array.shape)
            self.table[key] = self._member(*key, type, None, name)
        return self.table[key]

    def retyped(self, node, type):
        """The same application said to have another type: its Dims are claimed, and checked at run
        time."""
        return self.make(node.op, node.inputs, node.attrs, node.origin, type, node.name)

    # -- copying a user's graph in

    def intern(self, outputs, origin=None):
        """The pool's own copy of `outputs`; nodes already ours are not walked again.  `origin`:
        the place in user code that all of them are to be ascribed to."""
        new = {}
        for n in toposort(outputs, stop=self.members):
            if origin is not None:
                n.origin = origin
            new[n] = self._enter(n, [new.get(i, i) for i in n.inputs])
        return [new.get(o, o) for o in outputs]

    def _enter(self, n, inputs):
        if n.op is CONST:
            return self.constant(n.attrs[0].array, n.name)
        if n.op is INPUT or n.op is SHARED:
            return self.enter_leaf(n)
        self._entering = n
        node = self.make(n.op, tuple(inputs), _tidied(n, inputs), n.origin, None, n.name)
        self._entering = None
        self._user.setdefault(node, n)
        return node

    def named(self, node, axis):
        """The key under which a fresh length of `node` is known."""
        if node.op.name == "item":
            return self._user[node.inputs[0]], node.attrs[0], axis
        return self._user[node], axis

    def enter_leaf(self, n):
        """Our leaf for a user's input, shared variable, or a node that is to be treated as one."""
        if n in self.leaf:
            return self.leaf[n]
        user = self.prior.source.get(n, n) if self.prior else n
        shape = tuple(
            [
                d if isinstance(d, int) else self.dim(d if isinstance(d, Dim) else (user, axis))
                for axis, d in enumerate(user.type.shape)
            ]
        )
        op = SHARED if n.op is SHARED else INPUT
        node = self._member(op, (), (), user.type.with_shape(shape), n.origin, n.name)
        self.leaf[n] = self.leaf[user] = node
        self.source[node] = user
        for axis, d in enumerate(shape):
            if isinstance(d, Dim):
                self.home.setdefault(d, (node, axis))
        return node

    def dim(self, key):
        """The representative length of a place: (node, axis), of one of several results (node,
        which, axis), or a Dim the user named."""
        d = self._dims.get(key)
        if d is None:
            d = self._dims[key] = self._new()
        return self.find(d)

    def find(self, d):
        while d in self._same:
            d = self._same[d]
        return d

    def unite(self, a, b, node, soft):
        """Take two lengths for equal from now on, because of `node`; True if that is news.  The
        older Dim stands for both; `soft`: NumPy would not insist.  What is equal to a length that
        was united softly may be so for that reason alone."""
        a, b = self.find(a), self.find(b)
        if a is b or not (isinstance(a, Dim) or isinstance(b, Dim)):
            return False
        if isinstance(a, Dim) and (isinstance(b, int) or int(b.name[1:]) < int(a.name[1:])):
            a, b = b, a
        soft = soft or a in self._unsure or b in self._unsure
        if soft:
            self._unsure.add(a)
        self._same[b] = a
        self._why[b] = node, soft
        return True

    def reason(self, key):
        """Why the place `key` has the length it shares: (node, soft), or None if it has its own."""
        d, found, soft = self._dims.get(key), None, False
        while d in self._same:
            found = self._why[d][0]
            soft |= self._why[d][1]
            d = self._same[d]
        return None if found is None else (found, soft)


def _tidied(n, inputs):
    """Attributes of an application to inputs of which more is known: an index is spelled by the
    lengths of its axes.  One that is out of range is left for the call to refuse."""
    if n.op.params[:1] != ("idx",):
        return n.attrs
    try:
        return n.op.tidy([i.type for i in inputs], *n.attrs)
    except SymgradError:
        return n.attrs


def expected(node, home):
    """Lengths that are usually equal, though NumPy does not ask it: the rows in
    ``x[arange(len(y)), y]``.  `home`: lengths that are known before anything is computed."""
    name, inputs = node.op.name, node.inputs
    if (
        name == "gather"
        and len(inputs) > 2
        and node.attrs[0][0] == "#"
        and inputs[1].op.name == "arange"
    ):
        yield inputs[0].type.shape[0], inputs[1].type.shape[0]
    elif name == "pick":
        yield inputs[0].type.shape[0], inputs[1].type.shape[0]
    elif name == "place" and inputs[2].op.name == "length":
        yield inputs[2].inputs[0].type.shape[inputs[2].attrs[0]], inputs[0].type.shape[0]
    elif node.op is ifelse:
        yield from [(a, b) for a, b in zip(inputs[1].type.shape, inputs[2].type.shape, strict=True)
                    if a in home and b in home]


def absorb(outputs, expect=True, cut=(), prior=None):
    """A new pool and its copy of `outputs`, lengths united wherever two axes must be (or are
    expected to be) equal.

    Each walk learns equalities and the last one, which learns nothing new, makes the nodes.  `cut`
    are nodes to be treated as leaves; `prior` is a pool that `outputs` come from, whose equalities
    of leaves are kept.
    """
    cut = frozenset(cut)
    order = toposort(outputs, stop=cut)
    asked = needs(outputs, order)
    scout = prior or Pool()
    while True:
        pool = Pool(expect)
        pool.prior = prior
        pool._dims, pool._same, pool._why, pool._count, pool._unsure = (
            scout._dims,
            scout._same,
            scout._why,
            scout._count,
            scout._unsure,
        )
        news = False
        new = {n: pool.enter_leaf(n) for n in order if n.op is INPUT or n.op is SHARED}
        new |= {n: pool.enter_leaf(n) for n in outputs if n in cut}
        for n in order:
            if n in new:
                continue
            for i in n.inputs:
                if i not in new:  # it is cut off
                    new[i] = pool.enter_leaf(i)
            node = new[n] = pool._enter(n, [new[i] for i in n.inputs])
            if n.inputs:
                news |= _learn(pool, node, asked is not None and asked.get(n) != ())
        scout = pool
        if not news:
            return pool, [new[o] for o in outputs]


def _learn(pool, node, soft):
    """Unite the lengths that `node` needs to be equal; True if any was news.  `soft`: if it is
    computed at all, being in the branch of a conditional."""
    news = False
    if node.op.same and (pool.expect or not soft):
        for (k, i), (m, j) in node.op.same([i.type for i in node.inputs], *node.attrs):
            a, b = node.inputs[k].type.shape[i], node.inputs[m].type.shape[j]
            if a is not b:  # an op that stretches a length of 1 does not ask for it to be equal
                news |= pool.unite(a, b, node, soft)
    if pool.expect:
        for a, b in expected(node, pool.home):
            if 1 not in (a, b):
                news |= pool.unite(a, b, node, True)
    return news


def export(nodes, pool):
    """The pool's nodes as a user's graph: leaves become the user's own, types are inferred without
    Dims."""
    new = {}
    for n in toposort(nodes):
        if n in pool.source:
            new[n] = pool.source[n]
        elif n.op is CONST:
            new[n] = Constant(CONST, (), n.attrs, n.type, n.origin, n.name)
        else:
            new[n] = make(n.op, tuple([new[i] for i in n.inputs]), n.attrs, n.origin)
            new[n].name = n.name
    return [new[n] for n in nodes]
