"""Writes the program of the numpy backend: lengths, the workspace, statements, blocks of rows,
what is returned."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np

from symgrad.compile.backends import quick
from symgrad.compile.backends.looped import around
from symgrad.compile.backends.names import users_name
from symgrad.compile.backends.peephole import additions, sums_of_squares
from symgrad.compile.backends.spelled import writes_a_cell
from symgrad.compile.backends.statements import Printer
from symgrad.compile.backends.workspace import WORD, Workspace
from symgrad.compile.memory import Rows
from symgrad.compile.plan import Unexpected, mismatch
from symgrad.node import CONST
from symgrad.types import BYTES


def _owned(array, *leaves):
    """An array that nobody else holds: what a function hands to its user."""
    if (
        not isinstance(array, np.ndarray)
        or array.base is not None
        or any(array is leaf for leaf in leaves)
    ):
        return np.array(array)
    return array


class Text:
    """Writes the program."""

    def __init__(self, plan, steps, front, memory, blocks, in_place, inner=None):
        self.inner = inner  # plan -> program
        self.front = front
        self.late, self.made = {s.number for s in memory.late}, set()
        self.plan, self.steps, self.memory = plan, steps, memory
        self.blocks, self.in_place = blocks, in_place
        self.env = {
            "np": np,
            "_owned": _owned,
            "_mismatch": mismatch,
            "Unexpected": Unexpected,
            "_free": [],
        }
        self.users = {}
        for n in memory.order:
            for i in n.inputs:
                self.users.setdefault(i, []).append(n)
        self.loose = {n for k in blocks for n in steps[k].body}
        self.names, self.dims, self.lines, self.body, self.rows = {}, {}, {}, [], {}
        self.roots, self.early = frozenset(plan.roots), frozenset()
        self.squares = sums_of_squares(memory, self.users, self.roots, self.loose)
        self.additions = additions(memory, self.users, self.roots, self.loose)
        self.skipped = {n for a in self.additions.values() for n in a.skipped}
        self.settled = set()  # numbers that depend on lengths alone
        self.static = set()  # values in buffers of the workspace, and their views
        self.taken_already = False  # whether the workspace is, where the program is written now
        self.kept = Workspace(self)
        self.printer = printer = Printer(self.env)
        printer.rows, printer.once = self.row_numbers, self.kept.once
        printer.early = self.early_text
        printer.steady = self.static.__contains__
        printer.around, self.loops, self.programs = self.around, [], {}
        self.copied = []  # what `leave` copies
        printer.settled = lambda n: n in self.settled and n.op.kind == "elementwise"

    # -- names

    def name(self, node):
        return self.names[node]

    def length(self, d):
        return str(d) if isinstance(d, int) else self.dims[d]

    def put(self, text, node=None, indent=1):
        self.body.append(("    " * indent + text, node))

    def fresh_names(self):
        taken = self.kept.taken
        for k, leaf in enumerate((*self.plan.inputs, *self.plan.shared)):
            text = users_name(leaf.name)
            text = f"in{k}" if text is None or text in taken else text
            taken.add(text)
            self.names[leaf] = text
        count = itertools.count()
        for n in self.memory.order:
            text = users_name(n.name)
            while text is None or text in taken:
                text = f"t{next(count)}"
            taken.add(text)
            self.names[n] = text

    # -- the program

    def program(self):
        self.fresh_names()
        self.entry()
        mark = "take the workspace", None  # where, until it is known what is in it
        for k, step in enumerate(self.steps):
            if k == self.front:
                self.body.append(mark)
                self.early, self.taken_already = frozenset(self.dims), True
            if k in self.blocks:
                self.blocked(step, self.blocks[k])
            else:
                for n in step.body:
                    self.statement(n)
        self.drop_unread()
        at = self.body.index(mark) if mark in self.body else len(self.body)
        returned = self.leave()
        self.kept.settle({w for row in (*self.body, (returned, None)) if row is not mark
                          for w in WORD.findall(row[0])})
        self.body[at : at + 1] = self.kept.take()
        if not self.kept.empty:
            self.put("_free.append(ws)")
        self.put(returned)
        args = ", ".join(self.names[i] for i in (*self.plan.inputs, *self.plan.shared))
        head = [(line, None) for line in self.kept.function()] + [(f"def program({args}):", None)]
        numbers = [f"# {k} = {v}" for k, v in self.env.items()
                   if isinstance(v, np.ndarray) and v.ndim == 0]
        head = [(line, None) for line in numbers] + head
        rows = [*head, *self.body]
        self.lines = {k + 1: node for k, (_, node) in enumerate(rows) if node is not None}
        return "\n".join(line for line, _ in rows) + "\n"

    def entry(self):
        self.env["_places"] = places = []
        for leaf in (*self.plan.inputs, *self.plan.shared):
            self.lengths_of(leaf, self.plan.places.get(leaf, ()), places)
        for leaf in (*self.plan.inputs, *self.plan.shared):
            if leaf.type.ndim == 0 and leaf not in self.in_place:
                self.put(f"{self.names[leaf]} = {self.names[leaf]}[()]")

    def lengths_of(self, leaf, own, places):
        """Bind or check the lengths of an argument: all at once where that can be."""
        x, kinds = self.names[leaf], {p.binds for p in own}
        if len(own) < 2 or len(own) < leaf.type.ndim or len(kinds) > 1:
            for place in own:
                self.place(place, f"{x}.shape[{place.axis}]", places)
        elif True in kinds:
            for place in own:
                self.dims[place.length] = f"d{len(self.dims)}"
            self.put(f"{', '.join(self.dims[p.length] for p in own)} = {x}.shape", leaf)
        else:
            self.put(f"if {x}.shape != ({', '.join(self.length(p.length) for p in own)}):", leaf)
            for place in own:
                self.place(place, f"{x}.shape[{place.axis}]", places, 2)

    def place(self, place, have, places, indent=1):
        if not isinstance(place.length, int) and place.length not in self.dims:
            # the first that is come to, which need not be the first of the plan
            self.dims[place.length] = text = f"d{len(self.dims)}"
            self.put(f"{text} = {have}", place.node, indent)
        else:
            places.append(place)
            self.put(
                f"if {have} != {self.length(place.length)}: "
                f"raise _mismatch(_places[{len(places) - 1}], {have}, {self.length(place.length)})",
                place.node,
                indent,
            )

    def statement(self, n, indent=1, names=None):
        if n in self.squares:
            leaf = self.name(self.squares[n])
            if n.type.ndim == 0:
                self.put(f"{self.name(n)} = np.vdot({leaf}, {leaf})", n, indent)
            return
        if n in self.skipped:
            return
        home = self.memory.homes[n]
        lookup = names.__getitem__ if names else self.name
        out = lookup(n)
        if n.op.name == "broadcast_to" and names is None and self.stretches(n):
            self.names[n] = self.printer.operand(n.inputs[0], lookup)
            return
        if n.op.name == "length":
            d = n.inputs[0].type.shape[n.attrs[0]]
            self.names[n] = self.length(d)
            if d in self.early:
                self.settled.add(n)
            return
        if home.kind == "leaf":
            self.names[n] = out = self.names[home.what]
        elif home.kind == "slot":
            self.names[n] = out = f"w{home.what.number}" if names is None else out
            if home.what.number in self.late:
                self.make_late(home.what, n, indent)
            else:
                self.static.add(n)
        elif home.kind == "fresh":
            dtype = self.printer.dtype(n.type.dtype)
            self.put(f"{out} = np.empty({self.shape(n.type.shape)}, {dtype})", n, indent)
        temps = [
            f"w{s.number}" if names is None else f"v{s.number}"
            for s in self.memory.temps.get(n, ())
        ]
        for slot in self.memory.temps.get(n, ()):
            if slot.number in self.late:
                self.make_late(slot, n, indent)
        if n in self.additions:
            lines = self.addition(self.additions[n], n, out)
        else:
            lines = self.printer.statements(n, out, temps, lookup)
        plain = home.kind == "view" and len(n.inputs) == 1 and n.inputs[0] in self.static
        number = (self.taken_already  # what comes before may be for lengths that it is taken for
                  and home.kind == "scalar" and n.op.kind == "elementwise" and n not in self.roots
                  and all(i.op is CONST or i in self.settled for i in n.inputs))
        if (plain or number) and names is None and len(lines) == 1:
            (self.static if plain else self.settled).add(n)
            self.kept.hold(out, lines[0])
        else:
            for line in lines:
                self.put(line, n, indent)
        for place in self.plan.places.get(n, ()):
            self.place(place, f"{out}.shape[{place.axis}]", self.env["_places"])

    def around(self, node):
        """The name of the function that runs a loop or a branch."""
        name = f"{node.op.name}{len(self.loops)}"
        programs = [self.inner(plan) for plan in self.plan.inner.get(node, ())]
        self.programs |= {node: programs} if programs else {}
        self.env[name], texts = around(node, programs, name)
        self.loops += texts
        return name

    def addition(self, a, n, out):
        """``out += factor * x`` in one BLAS call."""
        x = self.name(a.x)
        factor = self.printer.operand(a.factor, self.name)
        if a.minus:
            factor = factor[1:] if factor[0] == "-" else f"-{factor}"
        if a.x.type.ndim == 2:
            self.env["adding_rows"] = quick.adding_rows
            gemv = quick.routine(self.env, "gemv", n.type.dtype)
            return [f"{self.kept.once('add', f'adding_rows({x}, {gemv})')}({out}, {factor})"]
        axpy = quick.routine(self.env, "axpy", n.type.dtype)
        count = self.length(n.type.shape[0])
        return [f"if {count}: {axpy}({x}, {out}, {count}, {factor})"]

    def early_text(self, d):
        """The text of a length that is known when the workspace is taken; else None."""
        known = d in self.early or isinstance(d, int) and self.taken_already
        return self.length(d) if known else None

    def stretches(self, n):
        """True if every user of a stretched value stretches its operands by itself, as ufuncs
        do."""
        roots = self.roots
        return n not in roots and n not in self.plan.places and all(
            u not in self.loose and (n is u.inputs[0] and u.op.name == "place"
                                     or n is u.inputs[0] and u.op.name == "inc_subtensor"
                                     and writes_a_cell(u) or u.type.ndim
                                     and u.op.kind == "elementwise" and u.op.scalar is not None
                                     and self.memory.homes[u].kind in ("slot", "fresh", "leaf"))
            for u in self.users.get(n, ()))

    def row_numbers(self, y, lookup):
        """0, 1, … len(y) - 1, made once with the workspace where its length is known then."""
        text = f"np.arange({self.length(y.type.shape[0])})"
        return text if self.early_text(y.type.shape[0]) is None else self.kept.once("rows", text)

    def make_late(self, slot, n, indent):
        """A buffer that could not be made with the workspace, the first time it is written."""
        if slot.number not in self.made:
            self.made.add(slot.number)
            self.put(f"w{slot.number} = np.empty({self.shape(slot.shape)}, '{slot.dtype}')", n,
                     indent)

    def shape(self, shape):
        return (
            "("
            + "".join(f"{self.rows[d] if isinstance(d, Rows) else self.length(d)}, " for d in shape)
            + ")"
        )

    def drop_unread(self):
        """Leave out views and lengths that no statement reads (BLAS takes what is transposed as it
        is)."""
        words = [WORD.findall(line) for line, _ in self.body]
        count = Counter(w for row in words for w in row)
        count.update(w for _, line in self.kept.hoisted for w in WORD.findall(line))
        count.update(self.names[r] for r in self.roots if r in self.names)
        count.update(self.dims[d] for s in self.kept.slots for d in s.shape if d in self.dims)
        for k in range(len(self.body) - 1, -1, -1):
            line, node = self.body[k]
            idle = node is not None and node.op.kind != "leaf" and (
                node.op.name == "length" or self.memory.homes[node].kind == "view")
            if idle and len(words[k]) > 1 and count[words[k][0]] == 1 and line.strip().startswith(
                    f"{words[k][0]} = "):
                count.subtract(words[k])
                self.body[k] = None
        self.body = [row for row in self.body if row is not None]

    # -- blocks of rows

    def block_rows(self, step):
        """The name of the number of rows in a block of this step."""
        widest = max(step.body, key=lambda n: BYTES[n.type.dtype])
        key = Rows(widest.type.shape[0], widest.type.shape[1:], BYTES[widest.type.dtype])
        for n in step.body:
            mine = Rows(n.type.shape[0], n.type.shape[1:], BYTES[n.type.dtype])
            self.rows.setdefault(mine, f"r{len(self.rows)}")
        return self.rows[key]

    def blocked(self, step, lead):
        """All rows at once where they fit a block, else a loop over blocks."""
        block, n = self.block_rows(step), self.length(lead)
        for node in step.body:
            if self.memory.homes[node].kind == "fresh":
                self.put(
                    f"{self.names[node]} = np.empty({self.shape(node.type.shape)}, "
                    f"{self.printer.dtype(node.type.dtype)})",
                    node,
                )
            elif self.memory.homes[node].kind == "leaf":
                self.names[node] = self.names[self.memory.homes[node].what]
            else:
                self.names[node] = f"w{self.memory.homes[node].what.number}"
        self.put(f"if {n} <= {block}:")
        for node in step.body:
            self.inside(node, self.names, 2, "w")
        self.put("else:")
        self.put(f"for lo in range(0, {n}, {block}):", indent=2)
        self.put(f"hi = min(lo + {block}, {n})", indent=3)
        local, cut = {}, set()
        ndim = step.body[0].type.ndim
        inner = set(step.body) - set(step.outputs)
        for node in step.body:
            for i in node.inputs:
                if i.op is CONST and i.type.ndim == 0 or i in local or i in step.body:
                    continue
                if i.type.ndim == ndim and i.type.shape[0] is lead:
                    text = self.names[i] if i.op is not CONST else self.printer.constant(i)
                    local[i] = f"b_{self.names.get(i, text)}"
                    self.put(f"{local[i]} = {text}[lo:hi]", node, 3)
                elif i.op is not CONST:
                    local[i] = self.names[i]
        local_names = set(local.values())
        for node in step.body:
            if node in inner:
                slot = self.memory.homes[node].what
                local[node] = f"v{slot.number}"
                cut.add(slot.number)
            else:
                local[node] = f"b_{self.names[node]}"
                if local[node] not in local_names:
                    self.put(f"{local[node]} = {self.names[node]}[lo:hi]", node, 3)
            cut |= {s.number for s in self.memory.temps.get(node, ())}
        for number in sorted(cut):
            self.put(f"v{number} = w{number}[:hi - lo]", step.body[0], 3)
        for node in step.body:
            self.inside(node, local, 3, "v")
        self.static |= {
            n for n in step.body if self.memory.homes[n].kind == "slot" and n not in inner
        }

    def inside(self, node, names, indent, prefix):
        temps = [f"{prefix}{s.number}" for s in self.memory.temps.get(node, ())]
        for line in self.printer.statements(node, names[node], temps, names.__getitem__):
            self.put(line, node, indent)

    # -- results

    def leave(self):
        """The last line: it returns fresh arrays, never a buffer, a variable's memory or an
        input."""
        kept = set()
        leaves = "".join(
            f", {self.names[i]}" for i in (*self.plan.inputs, *self.plan.shared) if i.type.ndim
        )

        def text(node, leaf=None):
            home, name = self.memory.homes.get(node), self.names.get(node)
            kind = home and home.kind
            if kind == "leaf" and home.what is leaf:
                return name
            if kind in ("fresh", "made") and node.type.ndim and node not in kept:
                kept.add(node)
                self.copied += [node] * (node.op.kind == "view")
                return name if kind == "fresh" else f"_owned({name}{leaves})"
            self.copied.append(node)
            if node.op is CONST:
                return f"np.array({self.printer.bind(node.attrs[0].array, 'c')})"
            dtype = "" if node.type.ndim else f", {self.printer.dtype(node.type.dtype)}"
            return f"np.array({name}{dtype})"

        outputs = "".join(f"{text(n)}, " for n in self.plan.outputs)
        updates = "".join(f"{text(n, leaf)}, " for leaf, n in self.plan.updates)
        return f"return ({outputs}), ({updates})"


