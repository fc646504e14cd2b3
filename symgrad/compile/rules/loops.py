"""Rewrites of loops: work moves out of them, and what nobody reads is left out.

Loops over the same steps are one by now, for the most part (`loop_merge`).  First, operands before
users, each loop is made smaller from its operands' side: what is there twice goes, and what can be
computed before the loop is.  Then, users before operands, from the side of its results: what can be
computed after the loop is, and what nobody reads goes.
"""

from __future__ import annotations

from symgrad.compile.pattern import exact, rounding
from symgrad.compile.pool import absorb, export
from symgrad.compile.rules import (
    loop_ends,
    loop_hoist,
    loop_merge,
    loop_sink,
    loop_trim,
    loop_unroll,
)
from symgrad.compile.rules.loop_reads import Reads
from symgrad.compile.rules.loop_results import Work, measured
from symgrad.compile.rules.loop_work import House
from symgrad.node import toposort
from symgrad.ops.index import FULL, Slice, subtensor
from symgrad.ops.lengths import length
from symgrad.ops.scan import item, loop
from symgrad.ops.scatter import inc_subtensor
from symgrad.ops.shape import broadcast_to

FIRST = Slice(None, "@")
FORMS = {
    "merge": (exact, "loops over the same steps are one, if the pass `merge` has left any"),
    "duplicates": (exact, "what is there twice: operands, states, mapped values"),
    "steady": (exact, "states that never change, and rows that "
               "are all the same, are fixed operands"),
    "ends": (rounding, "a row that comes to a state in the first step is part of how it begins"),
    "invariant": (exact, "what is the same in all steps is computed before the loop"),
    "hoist": (rounding, "products and rows of tables that need no states: for all steps at once"),
    "unroll": (exact, "few steps: no loop"),
    "sink": (rounding, "sums of products, and products that only results need: after the loop"),
    "trim": (exact, "what nobody reads: results, states, operands, all rows but the last"),
}
KINDS = {name: kind for name, (kind, _) in FORMS.items()}
DOCS = {name: doc for name, (_, doc) in FORMS.items()}
DECIDERS = {name: tuple([(f, object) for f in functions]) for name, functions in {
    "ends": (loop_ends.folded,), "hoist": (loop_hoist.hoisted,), "unroll": (loop_unroll.unrolled,),
    "sink": (loop_sink.summed, loop_trim.postponed)}.items()} | loop_merge.DECIDERS
BEFORE = (loop_merge.duplicates, loop_ends.steady, loop_hoist.invariant,
          loop_hoist.hoisted, loop_unroll.unrolled)
AFTER = (loop_ends.folded, loop_sink.summed, loop_trim.postponed, loop_trim.trimmed)


def run(outputs, pool, log, off=()):
    """The graph with its loops rewritten; `off`: names of forms that are not wanted."""
    if not any([n.op is loop for n in toposort(outputs)]):
        return outputs
    house = House(pool, log, frozenset(off))
    outputs = within(outputs, pool, log, off)
    outputs = loop_merge.merged(house, outputs)
    outputs = before(house, outputs)
    return after(house, outputs)


def within(outputs, pool, log, off):
    """The graph with the loops in steps of loops rewritten: what they leave over may move on."""
    new = {}
    for n in toposort(outputs):
        inputs, attrs = tuple([new[i] for i in n.inputs]), n.attrs
        if n.op is loop and any([x.op is loop for x in toposort(attrs[0].outputs)]):
            own, graph = absorb(attrs[0].outputs, expect=False)
            attrs = (attrs[0].with_outputs(export(run(graph, own, log, off), own)),)
        new[n] = n if inputs == n.inputs and attrs is n.attrs else pool.make(
            n.op, inputs, attrs, n.origin, n.type, n.name)
    return [new[o] for o in outputs]


def before(house, outputs):
    """Operands before users: each loop over its new operands."""
    new = {}
    for n in toposort(outputs):
        inputs = tuple([new[i] for i in n.inputs])
        if n.op is loop:
            work = Work(house, n, inputs)
            for form in BEFORE:
                form(work)
            new[n] = work.emit()
        elif n.op is item:
            made = new[n.inputs[0]][n.attrs[0]]
            house.unite(n.type, made.type, made)
            new[n] = made
        elif n.op is length:
            new[n] = measured(house, n, inputs[0])
        else:
            new[n] = looked_through(house, n, inputs) or (house.remade(n, inputs) if inputs else n)
    return [new[o] for o in outputs]


def looked_through(house, n, inputs):
    """What an index into the rows of a loop is, if there is no need of it; else None."""
    if n.op is subtensor and inputs[0] in house.pieces:
        return loop_unroll.of_pieces(house, n, inputs[0])
    if n.op is subtensor and inputs[0].op is broadcast_to and inputs[0].type.ndim:
        return part_of_fill(house, n, inputs)
    if n.op is not subtensor and n.op is not inc_subtensor or n.attrs[0][:1] != (FIRST,):
        return None
    told = house.told.get(house.pool.find(inputs[0].type.shape[0]))
    if told is None or told[1] or house.offset(inputs[-1], told[0]) != 0 or any(
            [e != FULL for e in n.attrs[0][1:]]):
        return None
    if n.op is subtensor:
        return inputs[0]
    y = inputs[1]
    return y if n.attrs[1] and y.type.ndim and house.beyond(y.type.shape[0], told[0]) == 0 else None


def part_of_fill(house, n, inputs):
    """Some rows of a number that is stretched, if it is known how many."""
    base, _, *sizes = inputs[0].inputs
    if base.type.ndim or not loop_ends.rows_only(n):
        return None
    rows = house.cut(inputs, n.attrs[0][0], True)
    if rows is None:
        return None
    many = house.number(rows) if isinstance(rows, int) else house.steps(*house.told[rows])
    return house.pool.make(broadcast_to, (base, many, *sizes), (), n.origin)


def after(house, outputs):
    """Users before operands: each loop for the sake of what is read of it."""
    order = toposort(outputs)
    reads = Reads(house, order, outputs)
    for n in reversed(order):
        if not reads.needed(n):
            continue
        if n.op is loop:
            work = Work(house, n, n.inputs)
            for form in AFTER:
                form(work, reads)
            reads.replace(n, work)
        else:
            reads.need(n.inputs)
    return reads.rebuilt(outputs)
