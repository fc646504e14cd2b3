"""Loops and branches of a plan, in machine code: the steps of the body's own plan, inside a loop of
the function that runs the whole; of branches, see `choose.py`.

What a step makes goes where it belongs at once: into the row of a result, or into that of a state.
A state that is no result lives in a ring of rows, one more than a step looks back; in a single row
where a step may write it over the one before.  Lengths do not change from step to step, so they are
bound and compared once, before the loop.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace

from symgrad.compile.backends.llvm import products
from symgrad.compile.backends.llvm.arena import (
    LATE,
    alone,
    assign,
    early,
    late_lengths,
    met,
)
from symgrad.compile.backends.llvm.choose import Chosen, Fork
from symgrad.compile.backends.llvm.moves import Moves
from symgrad.compile.backends.llvm.pieces import pieces_of, sure, wanted
from symgrad.compile.backends.llvm.repeat import Repeated
from symgrad.compile.backends.llvm.values import Lengths, Plus, Value, plus, transposed
from symgrad.compile.lower import name_nodes
from symgrad.compile.memory import counter, schedule
from symgrad.compile.nest import For
from symgrad.errors import ShapeError
from symgrad.node import CONST
from symgrad.op import explain, infer
from symgrad.ops.lengths import known
from symgrad.types import Dim, is_complex

MANY = 8  # steps for which it pays to lay out a matrix anew
Room = namedtuple("Room", "dtype lengths")  # memory that a loop needs, in lengths of the outside


class Loops:
    """What a driver does for loops; and where the values of its plan live."""

    shares = True  # kernels among steps of one pattern
    complete = False  # whether results that nobody reads are written all the same
    inlined = False  # whether kernels become a part of what calls them

    def lay_out(self, plan, on, inside=False, late=()):
        """Pieces in order, and the arena.  `inside` a loop nothing is lost if a step fails; `late`:
        lengths that are not known yet, besides those that steps bind."""
        self.on = on
        leaves = (*plan.inputs, *plan.shared)
        nodes = [n for s in plan.steps for n in (*s.inputs, *s.body)]
        self.names = name_nodes(dict.fromkeys((*leaves, *nodes)))
        found = {p.step: self.with_body(p, plan) for p in pieces_of(plan, self.names, self.shares)}
        kinds = {n: p for s, p in found.items() for n in s.body}  # a step's hash takes long
        steps, self.front, candidates = schedule(
            plan, lambda n: wanted(n, kinds[n]), on("inplace"),
            lambda value, leaf: value in kinds[value].step.outputs and alone(
                kinds[value], leaf, value, {}),
            lambda step: inside or sure(found[step], plan.places))
        self.pieces = [found[s] for s in steps]
        first = 0 if inside else self.front
        late = self.decided_late(plan, first).union(late)
        self.arena = assign(plan, self.pieces, candidates, late, on("reuse"), on("inplace"), first)

    def decided_late(self, plan, first):
        """Lengths that are not known when the arena is taken."""
        return late_lengths(plan, self.pieces[first:], self.pieces[:first])

    def with_body(self, p, plan):
        """The piece of a loop or branch with what is inside; as a step in Python if there is no
        native form."""
        if p.kind == "loop":
            inner = Inner(p.step, plan.inner[p.step.body[0]][0], self.on)
            return p._replace(inner=inner) if inner.able else p._replace(kind="python")
        if p.kind == "branch":
            late = {x.length for n, places in plan.places.items() if n.op.kind != "leaf"
                    for x in places if x.binds}
            return p._replace(inner=Fork([Side(p.step, k, side, self.on, late) for k, side in
                                          enumerate(plan.inner[p.step.body[0]])]))
        return p

    # -- how many steps

    def expect(self, pieces):
        """Bind the lengths of loops' results where the number of steps is known by now."""
        self.counted = {}
        for p in pieces:
            if p.kind in ("loop", "range") and early(counter(p.step.body[0]), self.values) and all(
                    isinstance(d, int) or d in self.lengths.of for d in met(p, self.plan)):
                self.count(p) if p.kind == "loop" else self.count_range(p.step.body[0])

    def count(self, p):
        """The number of steps of a loop, checked; the lengths of its results are bound."""
        node = p.step.body[0]
        n, body = node.inputs[0], node.attrs[0]
        if node in self.counted:
            return self.counted[node]
        have = known(n)
        count = self.integer(n) if have is None else self.lengths.length(have)
        if have is None:
            self.refuse(self.w.let(f"icmp slt i64 {count}, 0"), lambda bad: explain(
                ShapeError(f"the number of steps is negative: {bad[0]}"), node.op, node.inputs,
                node.origin), count)
        self.counted[node] = count
        for i in p.step.outputs:
            if i.type.ndim:
                rows = body.rows(i.attrs[0], count, lambda n, d: self.lengths.add(n, str(d)),
                                 lambda n, d: self.lengths.binary("smin", n, str(d)))
                self.bind(i, (str(rows), *[self.lengths.length(d) for d in i.type.shape[1:]]))
        return count

    # -- a loop

    def loop(self, p, buffers):
        n = self.count(p)
        node = p.step.body[0]
        operands = [self.value(i) for i in node.inputs[1:]]
        for i in p.step.outputs:
            self.values[i] = self.home(i)
        Repeated(self, p, n, operands, [self.address(b) for b in buffers]).write()

    # -- a branch

    def branch(self, p, buffers):
        operands = [self.value(i) for i in p.step.body[0].inputs[1:]]
        Chosen(self, p, operands, [self.address(b) for b in buffers]).write()


class Within(Loops, Moves):
    """A body in a function that is being written; `roots`: its outputs."""

    def named_outside(self, plan):
        """{length in the body: what it is outside}."""
        found = {}
        for (k, _), leaf in zip(self.body.reads(), plan.inputs, strict=True):
            have = self.node.inputs[1 + k].type.shape[self.body.inner(k):]
            for d, o in zip(leaf.type.shape, have, strict=True):
                found.setdefault(d, o)
        return found

    def decided_late(self, plan, first):
        """Lengths that steps decide, but for those of loops over so many steps as the outside
        knows: these are told to it."""
        found = set()
        for p in self.pieces:
            steps = known(p.step.body[0].inputs[0]) if p.kind == "loop" else None
            for n in p.step.body:
                for x in plan.places.get(n, ()):
                    if not x.binds or isinstance(x.length, int):
                        continue
                    if not x.axis and isinstance(steps, Dim) and steps in self.lengths_outside:
                        self.lengths_outside[x.length] = p.step.body[0].attrs[0].rows(
                            n.attrs[0], self.lengths_outside[steps], plus, lambda n, one: None)
                    if self.lengths_outside.get(x.length) is None:
                        self.lengths_outside.pop(x.length, None)
                        found.add(x.length)
        return found

    def slots(self):
        """What memory the steps need."""
        return [Room(s.dtype, tuple([self.outward(d) for d in s.shape])) for s in self.arena.slots]

    def outward(self, d):
        """What a length of the body is outside."""
        if type(d) is Plus:
            return plus(self.lengths_outside.get(d.base, d.base), d.more)
        return self.lengths_outside.get(d, d)

    def begin(self, outer, operands, addresses):
        """Become part of a function: lengths are bound and checked here."""
        self.outer = outer
        for name in ("w", "module", "blas", "bad", "errors", "calls", "constants", "results",
                     "emitted", "usual", "complete"):
            setattr(self, name, getattr(outer, name))
        self.lengths, self.values, self.counted, self.targets = Lengths(self.w), {}, {}, {}
        self.numbers = {}  # of arrays that are a result of the outside
        self.place = dict(zip(self.arena.slots, addresses, strict=False))
        for (k, _), leaf in zip(self.body.reads(), self.plan.inputs, strict=True):
            self.bind(leaf, operands[k].lengths[self.body.inner(k):])
        for p in self.pieces:
            for i in p.step.inputs:
                if i.op is CONST:
                    self.value(i)

    def address(self, slot):
        return self.apart(slot) if slot.number == LATE else self.place[slot]

    def reserve(self, node, dtype, ndim):
        if node in self.numbers:
            return self.numbers[node]
        return self.outer.reserve(None, dtype, ndim)

    def home(self, node):
        """The `Value` that a step shall write a node into."""
        home = self.arena.homes[node]
        if home.kind == "leaf":
            return self.values[home.what]
        lengths = self.lengths.shape(node.type)
        target = self.targets.get(node)
        if home.kind == "fresh" and target is not None:
            self.fits(node, lengths, target)
            return Value(target.pointer, target.dtype, target.strides, lengths)
        pointer = (self.address(home.what) if home.kind == "slot" else
                   self.allocate(self.numbers[node], lengths) if node in self.numbers else
                   self.made(None, node.type.dtype, lengths))
        return Value(pointer, node.type.dtype, self.lengths.dense(lengths), lengths)


def _number(node):
    return not node.type.ndim and not is_complex(node.type.dtype)


def _straight(p):
    """Whether a step is a kernel without a loop."""
    return p.kind == "kernel" and not any(type(s) is For for s in p.nest.body)


class Side(Within):
    """One side of a branch.  `late`: lengths of the outside that steps there bind."""

    def __init__(self, step, k, plan, on, late):
        self.node = step.body[0]
        self.body, self.roots, self.plan = self.node.attrs[k], plan.outputs, plan
        self.lengths_outside = self.named_outside(plan)
        late = {d for d, o in self.lengths_outside.items() if o in late}
        self.lay_out(plan, on, True, late)

    def enter(self, outer, operands, addresses):
        """Become part of a function, behind the jump."""
        self.begin(outer, operands, addresses)
        for leaf, v in zip(self.plan.inputs, operands, strict=True):
            self.values[leaf] = replace(v, lengths=self.lengths.shape(leaf.type))

    def fits(self, node, lengths, target):
        for axis, (have, want) in enumerate(zip(lengths, target.lengths, strict=True)):
            if have != want:
                self.refuse(self.w.let(f"icmp ne i64 {have}, {want}"), lambda bad, a=axis: explain(
                    ShapeError(f"axis {a} of what a side makes has length {bad[0]}, not {bad[1]}"),
                    self.node.op, self.node.inputs, self.node.origin), have, want)


class Inner(Within):
    """The body of a loop in a function that is being written.  `buffers`: what memory it needs;
    `able`: whether it has a native form."""

    def __init__(self, step, plan, on):
        self.step_, self.node = step, step.body[0]
        self.body = body = self.node.attrs[0]
        self.roots = plan.outputs
        results = {i.attrs[0] for i in step.outputs}
        # which results are rows of an array that the loop fills
        self.filled = [s.keep and j in results for j, s in enumerate(body.states)]
        leaves = dict(zip(body.inputs, plan.inputs, strict=True))
        at, pairs = body.seqs, []
        for j, s in enumerate(body.states):
            leaf = leaves[body.inputs[at]]
            if s.taps == (1,) and not self.filled[j] and self.roots.count(self.roots[j]) == 1:
                pairs.append((leaf, self.roots[j]))
            at += len(s.taps)
        updated = {v for _, v in pairs}
        plan = replace(plan, updates=tuple(pairs),
                       outputs=tuple([r for r in self.roots if r not in updated]))
        self.plan = plan
        self.lengths_outside = self.named_outside(plan)
        self.lay_out(plan, on, inside=True)
        homes = self.arena.homes
        self.over = [not self.filled[j] and self.roots[j] in updated and homes.get(
            self.roots[j]) is not None and homes[self.roots[j]].kind == "leaf"
            for j in range(len(body.states))]
        self.numbers_only = self.inlined = all(map(_number, (
            *self.roots, *self.arena.homes))) and all(map(_straight, self.pieces))
        self.turned, self.narrow = self.turned_matrices(), self.narrow_matrices()
        self.able = self.measured()
        self.buffers = self.rooms() if self.able else []

    @property
    def fixed(self):
        """The leaves that are the same in all steps."""
        return set(self.plan.inputs[len(self.plan.inputs) - self.body.fixed:])

    def turned_matrices(self):
        """Transposed fixed operands of products of matrices: {node: its leaf}.  They are laid out
        row by row once, before the loop, since BLAS takes twice as long for the others."""
        fixed, found = self.fixed, {}
        for p in self.pieces:
            for x in p.step.inputs if p.kind == "product" and p.step.body[0].type.ndim == 2 else ():
                if x.op.name == "transpose" and x.inputs[0] in fixed and x.type.ndim == 2:
                    found[x] = x.inputs[0]
        return found

    def narrow_matrices(self):
        """Fixed matrices that a step multiplies a vector by, if it must be from the left: {product:
        leaf}.  Those of few rows are laid out column by column, too: a vector of sums is quicker
        than sums one by one."""
        fixed, found = self.fixed, {}
        for p in self.pieces:
            n = p.step.body[0]
            dtype = n.type.dtype
            if p.kind == "product" and n.op.name == "dot" and n.inputs[0] in fixed and (
                    n.type.ndim == 1 and n.inputs[0].type.ndim == 2 and dtype in products.REAL
                    and products.Shape.of(dtype).maskable):
                found[n] = n.inputs[0]
        return found

    def measured(self):
        """Whether all lengths are known before the loop."""
        slots = all(isinstance(base, int) or base in self.lengths_outside
                    for s in self.arena.slots for d in s.shape
                    for base in [d.base if type(d) is Plus else d])
        whole = infer(self.node.op, self.node.inputs, self.node.attrs)
        return slots and all(None not in t.shape[1:] for t in whole.items)

    def rooms(self):
        """Slots of a step first, then the rows of states and values that are not kept."""
        found = self.slots()
        types, body = self.node.type.items, self.body
        for j, s in enumerate(body.states):
            if not self.filled[j]:
                many = () if self.over[j] else (s.depth + 1,)
                found.append(Room(types[j].dtype, (*many, *types[j].shape[1:])))
        results = {i.attrs[0] for i in self.step_.outputs}
        for k in range(len(body.states), len(body.states) + len(body.maps)):
            if k not in results:
                found.append(Room(types[k].dtype, types[k].shape[1:]))
        if body.until:
            found.append(Room("bool", ()))
        found += [Room(x.type.dtype, tuple([self.outward(d) for d in x.type.shape]))
                  for x in self.turned]
        for leaf in self.narrow.values():
            d, dtype = leaf.type.shape[1], leaf.type.dtype
            lanes = products.Shape.of(dtype).lanes
            found.append(Room(dtype, (lanes, self.outward(d))))
        return found

    def enter(self, outer, n, operands, addresses, rooms):
        """Become part of a function, before the loop."""
        self.begin(outer, operands, addresses)
        for (k, _), leaf in zip(self.body.reads(), self.plan.inputs, strict=True):
            if leaf in self.turned.values() or leaf in self.narrow.values():
                self.values[leaf] = replace(operands[k], lengths=self.lengths.shape(leaf.type))
        rooms, self.columns = iter(rooms), {}
        for x, room in zip(self.turned, rooms, strict=False):
            self.values[x] = self.turn(n, transposed(self.values[x.inputs[0]], (1, 0)), room)
        for product, leaf in self.narrow.items():
            self.columns[product] = self.by_columns(self.values[leaf], next(rooms))

    def by_columns(self, x, room):
        """A matrix column by column, if it has few rows: (whether it has, where it is)."""
        w, turned_ = self.w, transposed(x, (1, 0))
        few = w.let(f"icmp sle i64 {x.lengths[0]}, {products.Shape.of(x.dtype).lanes}")
        known = dict(self.lengths.memo)
        with w.when(few):
            dense = self.lengths.dense(turned_.lengths)
            self.copy(turned_, Value(room, x.dtype, dense, turned_.lengths))
        self.lengths.memo = known
        return few, room

    def turn(self, n, x, room):
        """A matrix laid out row by row, if there are steps enough to make up for it."""
        w, dense = self.w, self.lengths.dense(x.lengths)
        many = w.let(f"icmp sge i64 {n}, {MANY}")
        known = dict(self.lengths.memo)
        with w.when(many):
            self.copy(x, Value(room, x.dtype, dense, x.lengths))
        self.lengths.memo = known
        strides = [w.select(many, "i64", new, old)
                   for new, old in zip(dense, x.strides, strict=True)]
        return Value(w.select(many, "ptr", room, x.pointer), x.dtype, tuple(strides), x.lengths)

    def step(self, p, buffers):
        if p.kind != "view" or p.step.body[0] not in self.turned:
            super().step(p, buffers)

    def fits(self, node, lengths, target):
        """That a value has the lengths of the place it is for."""
        for axis, (have, want) in enumerate(zip(lengths, target.lengths, strict=True)):
            if have != want:
                self.refuse(self.w.let(f"icmp ne i64 {have}, {want}"), lambda bad, a=axis: explain(
                    ShapeError(f"axis {a} of what a step makes has length {bad[0]}, {bad[1]} in "
                               "the step before or at the start"),
                    self.node.op, self.node.inputs, self.node.origin), have, want)
