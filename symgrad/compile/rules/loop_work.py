"""A loop while it is rewritten: what its step computes is made of the pool's nodes, over leaves of
the step's own.  So equal expressions are one node, and lengths are told as outside.

Bodies of finished loops are graphs of users' nodes (`leave`).
"""

from __future__ import annotations

from types import SimpleNamespace

from symgrad.compile.pool import Interned
from symgrad.compile.rules.loop_lengths import Lengths
from symgrad.node import CONST, INPUT, Constant, toposort, variable
from symgrad.op import infer, make
from symgrad.ops.body import Body
from symgrad.ops.draft import Draft
from symgrad.ops.scan import item, loop
from symgrad.types import Tuple, Type


class House(Lengths):
    """What all forms share: the pool, the log, which forms are off."""

    def __init__(self, pool, log, off):
        super().__init__(pool)
        self.log, self.off = log, off
        self.pieces = {}  # a node -> its rows, where they are known one by one

    def note(self, name, old, new):
        self.log.note(name, old, new)

    # -- steps

    def leaf(self, type, name=None, origin=None):
        """A new variable of a step."""
        made = Interned(INPUT, (), (), type, origin, name)
        made.serial = len(self.pool.members)
        self.pool.members.add(made)
        return made

    def enter(self, body, inputs):
        """The `Draft` of a loop over these operands, its step made of the pool's nodes."""
        d = Draft.of(SimpleNamespace(inputs=inputs, attrs=(body,)))
        new = {}

        def entered(v, operand, lost):
            new[v] = self.leaf(Type(v.type.dtype, operand.type.shape[lost:]), v.name, v.origin)
            return new[v]

        old = [*[s.next for s in d.states], *[m.value for m in d.maps], d.until]
        d.seqs = {entered(v, x, 1): x for v, x in d.seqs.items()}
        for s in d.states:
            s.reads = [entered(v, s.init, 1) for v in s.reads]
        d.fixed = {entered(v, x, 0): x for v, x in d.fixed.items()}
        for n in toposort([o for o in old if o is not None]):
            if n not in new:
                new[n] = self.pool.constant(n.data, n.name) if n.op is CONST else self.pool.make(
                    n.op, tuple([new[i] for i in n.inputs]), n.attrs, n.origin, None, n.name)
        self.put(d, [new.get(o) for o in old])
        return d

    @staticmethod
    def outputs(d):
        """What a step makes: next rows, mapped values, and the end, if there is one."""
        out = [*[s.next for s in d.states], *[m.value for m in d.maps]]
        return out if d.until is None else [*out, d.until]

    @staticmethod
    def put(d, outputs):
        """Give a draft other outputs, as many as it has."""
        outputs = iter(outputs)
        for s in d.states:
            s.next = next(outputs)
        for m in d.maps:
            m.value = next(outputs)
        if d.until is not None:
            d.until = next(outputs)

    def substitute(self, d, new):
        """Other nodes in place of some of a step's."""
        self.put(d, self.mapped(self.outputs(d), new))

    def mapped(self, nodes, new):
        """Nodes of a step with others in place of some."""
        new = dict(new)
        for n in toposort(nodes, stop=frozenset(new)):
            inputs = tuple([new.get(i, i) for i in n.inputs])
            if inputs != n.inputs:
                new[n] = self.pool.make(n.op, inputs, n.attrs, n.origin, None, n.name)
        return [new.get(o, o) for o in nodes]

    def leave(self, d, told, origin=None):
        """The results of the finished loop: nodes of the pool.  `told`: {state or mapped value:
        what is known of its result's type}."""
        new = {}
        for v in [*d.seqs, *[v for s in d.states for v in s.reads], *d.fixed]:
            shape = tuple([k if isinstance(k, int) else None for k in v.type.shape])
            new[v] = variable(Type(v.type.dtype, shape), v.name)
            new[v].origin = v.origin
        inputs = list(new.values())
        for n in toposort(self.outputs(d)):
            if n in new:
                continue
            new[n] = Constant(CONST, (), n.attrs, n.type, n.origin, n.name) if n.op is CONST else (
                make(n.op, tuple([new[i] for i in n.inputs]), n.attrs, n.origin))
            new[n].name = n.name
        body = Body(inputs, [new[o] for o in self.outputs(d)], len(d.seqs),
                    [s.kind for s in d.states], [m.keep for m in d.maps], d.until is not None,
                    d.reverse, d.save)
        operands = d.operands()
        types = []
        for k, t in enumerate(infer(loop, operands, (body,)).items):
            if k < len(d.states):
                s = d.states[k]
                t = t.with_shape((self.span(d.n, s.depth) if s.keep else s.depth, *t.shape[1:]))
            elif k < len(d.states) + len(d.maps) and d.maps[k - len(d.states)].keep:
                t = t.with_shape((self.span(d.n), *t.shape[1:]))
            known = told.get(([*d.states, *d.maps] + [None])[k])
            if known is not None:
                t = known.with_shape([self.pool.find(a if b is None else b) for a, b in
                                      zip(known.shape, t.shape, strict=True)])
            types.append(self.pool._named(t, (k,)))
        whole = self.pool.make(loop, operands, (body,), origin, Tuple(tuple(types)))
        return [self.pool.make(item, (whole,), (k,), origin) for k in range(len(types))]


def prune(d):
    """Drop the sequences and fixed operands that no step reads; whether there were any."""
    used = set(toposort(House.outputs(d)))
    count = len(d.seqs) + len(d.fixed)
    d.seqs = {v: x for v, x in d.seqs.items() if v in used}
    d.fixed = {v: x for v, x in d.fixed.items() if v in used}
    return len(d.seqs) + len(d.fixed) < count
