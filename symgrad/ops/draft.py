"""A loop taken apart, to be changed and put together again: what derivatives and rewrites of loops
work on."""

from __future__ import annotations

from dataclasses import dataclass, field

from symgrad.node import TABLE
from symgrad.op import make
from symgrad.ops.body import Body, State


@dataclass(eq=False)
class Rows:
    """A state: `reads` are its variables, one for each of `taps`; `init` its first rows; `next`
    what a step makes."""

    reads: list
    taps: tuple
    init: object
    next: object
    keep: bool = True

    @property
    def depth(self):
        return max(self.taps)

    @property
    def kind(self):
        return State(tuple(self.taps), self.keep)


@dataclass(eq=False)
class Mapped:
    """A value whose rows are stacked."""

    value: object
    keep: bool = True


@dataclass(eq=False)
class Draft:
    """A loop in parts.  `seqs`, `fixed`: {variable of the step: operand}; `until`: None or when to
    stop."""

    n: object
    seqs: dict = field(default_factory=dict)
    states: list = field(default_factory=list)
    fixed: dict = field(default_factory=dict)
    maps: list = field(default_factory=list)
    until: object = None
    reverse: bool = False
    save: bool = True

    @classmethod
    def of(cls, node):
        """The parts of a `loop`."""
        n, *operands = node.inputs
        body = node.attrs[0]
        variables = list(body.inputs)

        def take(count, source):
            taken = source[:count]
            del source[:count]
            return taken

        seqs = dict(zip(take(body.seqs, variables), take(body.seqs, operands), strict=True))
        inits = take(len(body.states), operands)
        outputs = list(body.outputs)
        states = [Rows(take(len(s.taps), variables), s.taps, init, outputs.pop(0), s.keep)
                  for s, init in zip(body.states, inits, strict=True)]
        maps = [Mapped(outputs.pop(0), keep) for keep in body.maps]
        return cls(n, seqs, states, dict(zip(variables, operands, strict=True)), maps,
                   outputs[0] if body.until else None, body.reverse, body.save)

    @property
    def body(self):
        inputs = [*self.seqs, *[v for s in self.states for v in s.reads], *self.fixed]
        outputs = [*[s.next for s in self.states], *[m.value for m in self.maps]]
        if self.until is not None:
            outputs.append(self.until)
        return Body(inputs, outputs, len(self.seqs), [s.kind for s in self.states],
                    [m.keep for m in self.maps], self.until is not None, self.reverse, self.save)

    @property
    def outputs(self):
        """All that a step makes."""
        return self.body.outputs

    def operands(self):
        return (self.n, *self.seqs.values(), *[s.init for s in self.states],
                *self.fixed.values())

    def build(self, make=make, origin=None):
        """The results: those of the states, of the mapped values, and the count of an until-loop.
        ``make(op, inputs, attrs, origin)`` makes the nodes."""
        whole = make(TABLE["loop"], self.operands(), (self.body,), origin)
        return [make(TABLE["item"], (whole,), (k,), origin) for k in range(len(whole.type.items))]
