"""A loop taken apart, to be changed and put together again: what derivatives and rewrites of loops
work on."""

from __future__ import annotations

from symgrad.node import CONST, TABLE, toposort
from symgrad.op import make
from symgrad.ops.body import Body, State
from symgrad.ops.ifelse import held
from symgrad.records import dataclass, field


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


def outside(roots, variables, given=()):
    """What a step needs of the world around it: expressions that do not depend on its variables.

    Constants belong to the step, and so do arrays that are made of a few numbers alone (zeros, a
    range), which are sooner made than read; and what may fail and only a side of a conditional asks
    for, if it is not `given`.
    """
    inside, made = set(variables), set(held(roots, given))
    order = toposort(roots)
    for x in order:
        if any(i in inside for i in x.inputs):
            inside.add(x)
        elif x.op is CONST or x.inputs and _made_of_numbers(x, made):
            made.add(x)
    found, waiting, seen = {}, list(roots), set()
    waiting += [i for x in order if x in inside for i in x.inputs]
    for x in waiting:
        if x in seen or x in inside:
            continue
        seen.add(x)
        if x not in made:
            found[x] = None
        else:
            waiting.extend(x.inputs)
    return list(found)


def _made_of_numbers(x, made):
    if x.op.kind == "source":
        return all(i in made or not i.type.ndim for i in x.inputs)
    return x.op.kind in ("elementwise", "view") and x.type.ndim and all(
        i in made or not i.type.ndim for i in x.inputs) and any(i.op is not CONST and i in made
                                                                for i in x.inputs)
