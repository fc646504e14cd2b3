"""Nodes to stages: a step of the plan as a `Kernel`.

Reductions, results, values with several users and values that an inner loop would compute again become stages; the
rest is written where it is read (`spell.py` says how).
"""

from __future__ import annotations

import itertools
import keyword

from symgrad.compile.kernel import Apply, Axis, Kernel, Lit, Load, Param, Stage, walk
from symgrad.compile.spell import (CHEAPEST, LOWERED, cast, combine, domain, identity, literal, price, read_inputs,
                                   space, tree, typed)
from symgrad.node import CONST
from symgrad.scalars import ROWS
from symgrad.types import is_discrete

DEEPEST = 10  # nodes in one another: longer chains are cut into stages
LETTERS = "ijklmpqrsuvw"


# -- a step as a kernel


def lower(step, names):
    """The kernel of a step.  `names`: {node: name} for every node in it and every one it reads."""
    return _Writer(step, names).kernel()


class _Writer:
    def __init__(self, step, names):
        self.step, self.names = step, names
        self.body, self.results = set(step.body), set(step.outputs)
        taken = set(names[n] for n in (*step.body, *step.inputs))
        self.letters = (x for k in itertools.count() for c in LETTERS if (x := c + (str(k) if k else "")) not in taken)
        self.axes, self.kin = {}, {}
        self.stages, self.stored, self.inline, self.extra = [], set(), set(), taken

    def kernel(self):
        lead = domain(self.step.body[0])
        if lead != 1:
            self.bind((lead,))
        self.choose()
        for n in self.step.body:
            if n in self.stored:
                self.write(n)
        read = {e.source for s in self.stages for e in walk(s.expr) if type(e) is Load}
        params = [Param(self.names[i], i.type) for i in self.step.inputs if self.names[i] in read]
        results = [Param(self.names[n], n.type) for n in self.step.outputs]
        return Kernel(f"k_{self.names[self.step.outputs[0]]}", tuple(params), tuple(results), tuple(self.stages),
                      tuple(self.axes.items()))

    # -- which nodes become stages

    def choose(self):
        """Mark the nodes that are stages; two passes over the body, no recursion."""
        uses, step = {}, self.step
        for n in reversed(step.body):
            mine = uses.get(n, 0)
            if n in self.results or n.op.kind == "reduction" or mine > 1 and not self.transparent(n):
                self.stored.add(n)
                mine = 1
            for k in read_inputs(n):
                i = n.inputs[k]
                if i in self.body:
                    uses[i] = uses.get(i, 0) + max(mine, 1)
        depth, cost = {}, {}
        for n in step.body:
            below = list(dict.fromkeys([n.inputs[k] for k in read_inputs(n) if n.inputs[k] in self.body]))
            work = 0 if self.transparent(n) else 1
            wide = space(n.inputs[0] if n.op.kind == "reduction" else n)
            for i in below:
                if i not in self.stored and depth[i] and space(i) < wide:
                    self.stored.add(i)
                    depth[i] = 0
            tall = max([depth[i] for i in below], default=0)
            if tall >= DEEPEST:
                for i in below:
                    if depth[i] >= DEEPEST:
                        self.stored.add(i)
                        depth[i] = 0
                tall = max([depth[i] for i in below])
            spent = sum([cost[i] for i in below]) + self.price(n)
            full = [i for i in below if i in self.stored and i not in self.inline and space(i) == space(n)]
            if n in self.stored and n not in self.results and spent <= CHEAPEST and len(full) <= 1:
                self.inline.add(n)
            keep = n not in self.stored or n in self.inline
            depth[n] = 0 if n in self.stored else tall + max(work, int(tall > 0))
            cost[n] = spent if keep else 0

    def transparent(self, n):
        """Whether a node only says where to read."""
        if n.op.kind == "elementwise":
            return isinstance(_tree(n.op, n.attrs, len(n.inputs)), Arg)
        return n.op.kind == "view" or n.op.name == "length"

    def price(self, n):
        """The number of rows to compute an element anew, or many where one is dear."""
        if n.op.kind == "elementwise":
            return _price(n.op, n.attrs, len(n.inputs))
        return CHEAPEST + 1 if n.op.kind == "reduction" else int(not self.transparent(n))

    # -- letters

    def bind(self, shape):
        """Letters for the axes of a shape, none twice; axes of length one are at 0."""
        at, seen = [], {}
        for d in shape:
            if d == 1:
                at.append(0)
                continue
            kin = self.kin.setdefault(d, [])
            k = seen[d] = seen.get(d, -1) + 1
            if k == len(kin):
                kin.append(next(self.letters))
                self.axes[kin[-1]] = d
            at.append(Axis(kin[k]))
        return tuple(at)

    # -- stages

    def write(self, n):
        name, dtype = self.names[n], n.type.dtype
        if n.op.kind != "reduction":
            home = self.bind(n.type.shape)
            self.stages.append(Stage(name, home, self.spell(n, home), dtype, inline=n in self.inline, node=n))
            return
        x, axes, word = n.inputs[0], n.attrs[0], combine(n)
        inner = self.bind(x.type.shape)
        home = tuple([a for k, a in enumerate(inner) if k not in axes])
        over = tuple([a.letter for k, a in enumerate(inner) if k in axes and isinstance(a, Axis)])
        value = self.read(x, inner)
        if word in ("and", "or"):
            value = cast(value, "bool")
        elif word in ("sum", "prod"):
            value = cast(value, dtype)
        if not over:
            if word in ("argmax", "argmin"):
                value = Lit(0, dtype)
            self.stages.append(Stage(name, home, cast(value, dtype), dtype, node=n))
            return
        start = None
        if n.op.identity is not None and word not in ("argmax", "argmin"):
            start = n.op.identity(dtype)
            start = None if start is None else literal(start, dtype)
        order = "pairwise" if word == "sum" and not is_discrete(dtype) else "free"
        if dtype != "float16" or word not in ("sum", "prod"):
            self.stages.append(Stage(name, home, value, dtype, word, over, start, order, node=n))
            return
        wide = self.another(name)  # half floats are added in single precision, as NumPy does
        self.stages.append(Stage(wide, home, cast(value, "float32"), "float32", word, over, Lit(start.value, "float32"),
                                 order, node=n))
        self.stages.append(Stage(name, home, cast(Load(wide, home, "float32"), dtype), dtype, node=n))

    def another(self, name):
        for k in itertools.count(1):
            if f"{name}_{k}" not in self.extra:
                self.extra.add(f"{name}_{k}")
                return f"{name}_{k}"

    # -- expressions; recursion is bounded by DEEPEST

    def read(self, i, at):
        """An element of a node, at an index."""
        if i.op is CONST and i.attrs[0].array.size == 1:
            return literal(i.attrs[0].array.item(), i.type.dtype)
        at = tuple([0 if d == 1 else a for d, a in zip(i.type.shape, at, strict=True)])
        if i in self.body and i not in self.stored:
            return self.spell(i, at)
        return Load(self.names[i], at, i.type.dtype)

    def spell(self, n, at):
        """The expression of a node that is no reduction."""

        def below(k, at):
            return self.read(n.inputs[k], at)

        if n.op.kind != "elementwise":
            return cast(LOWERED[n.op.name].spell(n, list(at), below), n.type.dtype)
        args = {k: below(k, at[len(at) - n.inputs[k].type.ndim:]) for k in dict.fromkeys(read_inputs(n))}
        return typed(_tree(n.op, n.attrs, len(n.inputs)), args, n.type.dtype)


# -- names


def name_nodes(nodes, reserved=()):
    """Names for nodes: the user's where they can be one, else t0, t1, …"""
    taken = {*ROWS, *reserved, "range", "empty", "inf", "nan", "index", "nonempty", *(r.numpy for r in ROWS.values())}
    names, count = {}, itertools.count()
    for n in nodes:
        name = n.name
        if not (name and name.isidentifier() and not keyword.iskeyword(name)) or name in taken or name[0] == "d" and (
                name[1:].isdigit()):
            while (name := f"t{next(count)}") in taken:
                pass
        taken.add(name)
        names[n] = name
    return names
