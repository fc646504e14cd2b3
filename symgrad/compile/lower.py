"""Nodes to stages: a step of the plan as a `Kernel`.

Reductions, results, values with several users and values that an inner loop would compute again
become stages; the rest is written where it is read (`spell.py` says how).
"""

from __future__ import annotations

import itertools
import keyword

from symgrad.compile.kernel import Axis, Index, Kernel, Lit, Load, Param, Stage, walk
from symgrad.compile.spell import (
    LOWERED,
    cast,
    combine,
    domain,
    literal,
    moves,
    price,
    read_inputs,
    space,
    tree,
    typed,
)
from symgrad.node import CONST
from symgrad.scalars import ROWS
from symgrad.types import is_discrete

DEEPEST = 10  # nodes in one another: longer chains are cut into stages
CHEAPEST = 4  # rows that may be computed again in every loop that reads them
LETTERS = "ijklmpqrsuvw"


def lower(step, names):
    """The kernel of a step.  `names`: {node: name} of every node in it and every one it reads."""
    return _Writer(step, names).kernel()


def name_nodes(nodes, reserved=()):
    """Names for nodes: the user's own where they can be one, else t0, t1, …"""
    taken = {*ROWS, *[r.numpy for r in ROWS.values()], *RESERVED, *reserved}
    names, count = {}, itertools.count()
    for n in nodes:
        name = n.name
        if not name or not name.isidentifier() or keyword.iskeyword(name) or name in taken or (
                name[0] == "d" and name[1:].isdigit()):
            name = next(t for k in count if (t := f"t{k}") not in taken)
        taken.add(name)
        names[n] = name
    return names


RESERVED = ("range", "empty", "inf", "nan", "index", "nonempty", "int64")


class _Writer:
    """One step on its way to a kernel."""

    def __init__(self, step, names):
        self.step, self.names = step, names
        self.body, self.results = set(step.body), set(step.outputs)
        self.taken = {names[n] for n in (*step.body, *step.inputs)}
        letters = (c + (str(k) if k else "") for k in itertools.count() for c in LETTERS)
        self.fresh = (x for x in letters if x not in self.taken)
        self.axes, self.kin = {}, {}  # letter -> length, length -> its letters
        self.stored, self.inline, self.stages = set(), set(), []

    def kernel(self):
        self.bind((domain(self.step.body[0]),))
        self.choose()
        for n in self.step.body:
            if n in self.stored:
                self.write(n)
        loaded = {e.source for s in self.stages for e in walk(s.expr, *s.at) if type(e) is Load}
        params = [Param(self.names[i], i.type) for i in self.step.inputs if self.names[i] in loaded]
        results = [Param(self.names[n], n.type) for n in self.step.outputs]
        name = f"k_{self.names[self.step.outputs[0]]}"
        return Kernel(name, tuple(params), tuple(results), tuple(self.stages),
                      tuple(self.axes.items()))

    # -- which nodes become stages: two passes over the body, no recursion

    def choose(self):
        uses = {}
        for n in reversed(self.step.body):
            mine = uses.get(n)  # None: a result that no other node reads
            if n in self.results or n.op.kind == "reduction" or mine > 1 and not moves(n):
                self.stored.add(n)
                mine = 1
            for i in self.below(n):
                uses[i] = uses.get(i, 0) + mine
        depth, works, cost = {}, {}, {}

        def store(i):
            self.stored.add(i)
            depth[i], works[i], cost[i] = 0, False, 0

        for n in self.step.body:
            below = list(dict.fromkeys(self.below(n)))
            wide = space(n)
            for i in below:
                if works[i] and space(i) < wide or depth[i] >= DEEPEST:
                    store(i)
            spent = sum([cost[i] for i in below]) + price(n)
            if n in self.stored:
                whole = [i for i in below if i in self.stored and i not in self.inline
                         and space(i) == wide]
                if n not in self.results and spent <= CHEAPEST and len(whole) <= 1:
                    self.inline.add(n)
                store(n)
                cost[n] = spent if n in self.inline else 0
            else:
                depth[n] = 1 + max([depth[i] for i in below], default=0)
                works[n] = not moves(n) or any([works[i] for i in below])
                cost[n] = spent

    def below(self, n):
        """Nodes of this step that a node reads, as often as it reads them."""
        return [n.inputs[k] for k in read_inputs(n) if n.inputs[k] in self.body]

    # -- letters

    def bind(self, shape):
        """Letters for the axes of a shape, none twice; an axis of length one is at 0."""
        at, seen = [], {}
        for d in shape:
            if d == 1:
                at.append(0)
                continue
            kin = self.kin.setdefault(d, [])
            k = seen[d] = seen.get(d, -1) + 1
            if k == len(kin):
                kin.append(next(self.fresh))
                self.axes[kin[-1]] = d
            at.append(Axis(kin[k]))
        return tuple(at)

    # -- stages

    def write(self, n):
        """The stages of a node."""
        name, dtype = self.names[n], n.type.dtype
        if n.op.kind == "reduction":
            self.reduction(n, name, dtype)
            return
        at = self.bind(n.type.shape)
        if n.op.kind == "scatter" and LOWERED[n.op.name].part:
            self.put(name, at, self.read(n.inputs[0], at), dtype, node=n)
            self.scatter(n, name, dtype)
        else:
            self.put(name, at, self.spell(n, at), dtype, inline=n in self.inline, node=n)

    def scatter(self, n, name, dtype):
        """What is written into the copy of the first input."""
        row = LOWERED[n.op.name]
        inner = self.bind(row.part(n))
        cells, value = row.spell(n, inner, lambda k, at: self.read(n.inputs[k], at))
        cells = tuple([0 if d == 1 and not isinstance(c, Index) else c
                       for c, d in zip(cells, n.type.shape, strict=True)])
        over = tuple([a.letter for a in inner if isinstance(a, Axis)])
        sets = dict(zip(n.op.params, n.attrs, strict=True)).get("set")
        word = None if sets else "or" if dtype == "bool" else "sum"
        self.put(name, cells, cast(value, dtype), dtype, word, over, onto=True, node=n)

    def reduction(self, n, name, dtype):
        x, axes, word = n.inputs[0], n.attrs[0], combine(n)
        inner = self.bind(x.type.shape)
        at = tuple([a for k, a in enumerate(inner) if k not in axes])
        over = tuple([inner[k].letter for k in axes if isinstance(inner[k], Axis)])
        value = self.read(x, inner)
        if word in ("and", "or"):
            value = cast(value, "bool")
        if not over:  # nothing to combine
            value = Lit(0, dtype) if word[:3] == "arg" else cast(value, dtype)
            self.put(name, at, value, dtype, node=n)
            return
        start = n.op.identity(dtype) if n.op.identity else None
        start = None if start is None else literal(start, dtype)
        order = "pairwise" if word == "sum" and not is_discrete(dtype) else "free"
        if dtype == "float16" and word in ("sum", "prod"):  # added up in single precision
            wide = next(t for k in itertools.count(1) if (t := f"{name}_{k}") not in self.taken)
            self.taken.add(wide)
            self.put(wide, at, cast(value, "float32"), "float32", word, over,
                     start and Lit(start.value, "float32"), order, node=n)
            self.put(name, at, cast(Load(wide, at, "float32"), dtype), dtype, node=n)
            return
        if word in ("sum", "prod"):
            value = cast(value, dtype)
        self.put(name, at, value, dtype, word, over, start, order, node=n)

    def put(self, *args, **kwargs):
        self.stages.append(Stage(*args, **kwargs))

    # -- expressions; recursion goes no deeper than DEEPEST nodes

    def read(self, i, at):
        """An element of a node at an index."""
        if i.op is CONST and i.attrs[0].array.size == 1:
            return literal(i.attrs[0].array.item(), i.type.dtype)
        at = tuple([0 if d == 1 and getattr(a, "length", 0) != 1 else a
                    for d, a in zip(i.type.shape, at, strict=True)])
        if i in self.body and i not in self.stored:
            return self.spell(i, at)
        return Load(self.names[i], at, i.type.dtype)

    def spell(self, n, at):
        """The element at an index of a node that is no reduction."""

        def read(k, at):
            return self.read(n.inputs[k], at)

        if n.op.kind != "elementwise":
            return cast(LOWERED[n.op.name].spell(n, list(at), read), n.type.dtype)
        args = {k: read(k, at[len(at) - n.inputs[k].type.ndim:])
                for k in dict.fromkeys(read_inputs(n))}
        return typed(tree(n), args, n.type.dtype)
