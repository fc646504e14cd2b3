"""A plan as machine code that is watched: ``mode="debug"`` and ``mode="nan"``.

The kernels are those of the fast program; the driver calls `Watch.step` after each step.  All
arrays that it may touch lie between borders, which must stay as they are; memory is filled with
signalling NaN before a value's first and after its last use; values must keep until their last use
what they were; computed indices are all checked, also those that the plan proves; and what a step
stores is compared with the interpreter (`compare.py` has the tolerance).  Inputs and shared
variables are copied in, and new values of shared variables out, so that a call that fails changes
nothing.  Those above `LARGE` bytes that no step writes are read where they are.

Steps that Python runs are not compared: they are the interpreter's own.
"""

from __future__ import annotations

import ctypes

import numpy as np

from symgrad import origin
from symgrad.compile import compare
from symgrad.compile.backends.llvm import engine
from symgrad.compile.backends.llvm.arena import LINE
from symgrad.compile.backends.llvm.calls import array_at
from symgrad.compile.backends.llvm.hooks import Done, Slots, WatchedDriver, uses
from symgrad.compile.backends.llvm.program import WORDS, Program, State, fit
from symgrad.compile.kernel import Affine, Axis, Load, walk
from symgrad.errors import CheckError, NonFiniteError, SymgradError
from symgrad.node import CONST
from symgrad.types import BYTES, Dim

BORDER, SIGN = 128, 0xB7  # bytes around each array, and what is in them
LARGE = 16 << 20
_RUN = ctypes.PYFUNCTYPE(WORDS, ctypes.c_void_p, ctypes.c_void_p)


def watched(plan, selection, checks):
    """A program like `program.compile`'s that is watched; `checks` has 'debug', 'nan' or both."""
    return Checked(plan, selection, checks)


class Checked:
    """A watched plan.  ``run(*arrays)`` raises `CheckError` for what is not as it should be, and
    `NonFiniteError` where 'nan' is among the checks."""

    backend = "llvm"
    in_place = ()  # variables get arrays of their own

    def __init__(self, plan, selection, checks):
        self.plan, self.selection, self.checks = plan, selection, frozenset(checks)
        on = (lambda n: True) if selection is None else selection.__contains__
        driver = self.driver = WatchedDriver(plan, on)
        self.ir = driver.module.text
        self.code = engine.code(driver.module.units("run"), ["run"])
        self.entry = _RUN(self.code["run"])
        self.arena, self.python = driver.arena, driver.calls
        self.constants = [np.ascontiguousarray(a) for a in driver.constants]
        self.leaves = (*plan.inputs, *plan.shared)
        self.uses = uses(driver)

    asm, source, _printed = Program.asm, Program.source, Program._printed

    def node_at(self, line):
        return None

    def run(self, *arrays):
        return Watch(self).run(arrays)


# -- what is watched in a call


class Memory:
    """Bytes between two borders."""

    __slots__ = ("raw", "start", "size", "address", "label")

    def __init__(self, size, label):
        self.raw = np.full(size + 2 * BORDER + LINE, SIGN, np.uint8)
        self.start = BORDER + -(self.raw.ctypes.data + BORDER) % LINE
        self.size, self.label = size, label
        self.address = self.raw.ctypes.data + self.start

    @property
    def bytes(self):
        return self.raw[self.start:self.start + self.size]

    @property
    def padding(self):
        """What is left of its last cache line: kernels may use it of their own buffers."""
        end = self.start + self.size
        return self.raw[end:end + -self.size % LINE]

    def broken(self):
        """How far from it, in bytes, something was written next to it (negative: before); or
        None."""
        before = self.raw[self.start - BORDER:self.start]
        behind = self.raw[self.start + self.size:self.start + self.size + BORDER]
        if before.tobytes() != CLEAN:
            return int(np.flatnonzero(before != SIGN)[-1]) - BORDER
        return int(np.flatnonzero(behind != SIGN)[0]) if behind.tobytes() != CLEAN else None


CLEAN = bytes([SIGN]) * BORDER


class Watch(State):
    """One call.  `values`: {node: (its memory as an array, what it is, or None if not known)}."""

    def __init__(self, program):
        super().__init__(program)
        self.values, self.memory, self.slots, self.holders = {}, [], {}, {}
        self.full = "debug" in program.checks

    def memory_of(self, size, dtype, label):
        made = Memory(size, label)
        compare.poison(made.bytes, dtype)
        self.memory.append(made)
        return made

    def run(self, arrays):
        program = self.program
        held = [fit(a, leaf.type.dtype) for a, leaf in zip(arrays, program.leaves, strict=True)]
        written = {leaf for leaf in program.driver.in_place}
        mine = [self.copied(a, leaf, leaf in written)
                for a, leaf in zip(held, program.leaves, strict=True)]
        outputs, updates = super().run(mine)
        self.borders("the call", ())
        for leaf, a, copy in zip(program.leaves, held, mine, strict=True):
            if copy is not a and leaf not in written and not same(copy, a):
                raise CheckError(f"the memory of {name_of(leaf)}, which is only read, was written")
        return [np.array(a) for a in outputs], [np.array(a) for a in updates]

    def copied(self, array, leaf, written):
        """An array between borders with the same strides."""
        ends = [(n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)]
        if not array.size or array.nbytes > LARGE and not written:
            self.values[leaf] = array, None
            return array
        low = sum([e for e in ends if e < 0])
        memory = self.memory_of(sum([abs(e) for e in ends]) + array.itemsize, leaf.type.dtype,
                                f"the array of {name_of(leaf)}")
        copy = np.ndarray(array.shape, array.dtype, memory.bytes, -low, array.strides)
        copy[...] = array
        self.values[leaf] = copy, array
        return copy

    # -- called by native code

    def alloc(self, _, number, lengths):
        try:
            node, dtype, ndim = self.program.driver.results[number]
            shape = tuple(lengths[:ndim])
            size = int(np.prod(shape, dtype=np.int64)) * BYTES[dtype]
            memory = self.memory_of(size, dtype, f"the array of {name_of(node)}")
            self.made[number] = np.ndarray(shape, dtype, memory.bytes)
            return memory.address
        except BaseException as error:  # noqa: BLE001
            self.error = error
            return None

    def call(self, state, number, words):
        what = self.program.python[number]
        try:
            if type(what) is Slots:
                for k, slot in enumerate(what.slots):
                    made = self.memory_of(words[k], slot.dtype, f"slot {slot.number}")
                    self.slots[slot], words[k] = made, made.address
                return 0
            if type(what) is Done:
                self.after(what, words)
                return 0
        except BaseException as error:  # noqa: BLE001
            self.error = error
            return 1
        return super().call(state, number, words)

    # -- the checks

    def after(self, done, words):
        p, outputs, at = done.piece, {}, 0
        for slot in done.buffers:
            self.slots[slot].padding[:] = SIGN
        self.borders(f"step {done.number}", (p,))
        for n in p.step.outputs:
            ndim = n.type.ndim
            read = words[at:at + 1 + 2 * ndim]
            at += len(read)
            outputs[n] = array_at(read[0], read[1:1 + ndim], read[1 + ndim:], n.type.dtype)
        dims = dict(zip(done.dims, words[at:at + len(done.dims)], strict=True))
        if self.full:
            if p.kind == "kernel":
                self.inside(done, dims)
            if p.kind != "python":
                self.right(done, outputs)
        if "nan" in self.program.checks:
            self.finite(done, outputs)
        for n, array in outputs.items():
            self.values[n] = array, array.copy()
        self.poison(done)
        self.unchanged(done.number + 1)

    def borders(self, when, pieces):
        for m in self.memory:
            far = m.broken()
            if far is not None:
                where = f"{far} bytes behind" if far >= 0 else f"{-far} bytes before"
                raise CheckError(self.blame(f"{when} wrote {where} {m.label}", pieces))

    def inside(self, done, dims):
        """That no cell with a plain index is outside of its array."""
        kernel = done.piece.kernel
        shapes = {a.name: a.type.shape for a in (*kernel.params, *kernel.results)}
        far = {letter: dims[d] if isinstance(d, Dim) else d for letter, d in kernel.axes}
        if not all(far.values()):
            return
        for s in kernel.stages:
            cells = [e for e in walk(s.expr, *s.at) if type(e) is Load and e.source in shapes]
            for e in [*cells, *[Load(s.target, s.at, s.dtype)] * (s.target in shapes)]:
                for axis, (a, d) in enumerate(zip(e.at, shapes[e.source], strict=True)):
                    low, high = reach(a, far, dims)
                    n = dims[d] if isinstance(d, Dim) else d
                    if low < 0 or high >= n:
                        raise CheckError(self.blame(
                            f"step {done.number} reaches from {low} to {high} on axis {axis} of "
                            f"{e.source}, whose length is {n}", (done.piece,)))

    def right(self, done, outputs):
        """That the step made what the interpreter makes of the same operands."""
        p = done.piece
        for n, have in outputs.items():
            if have.dtype == bool and have.view(np.uint8).max(initial=0) > 1:
                raise CheckError(self.blame(f"step {done.number}: {n.op.name} made bytes that are "
                                            "neither true nor false", (p,)))
        try:
            found = compare.difference(p.step.body, self.operands(p), outputs)
        except SymgradError as error:
            raise CheckError(self.blame(f"step {done.number} ran, but the interpreter says: "
                                        f"{str(error).splitlines()[0]}", (p,))) from error
        if found is None:
            return
        n = found.node
        raw = np.ascontiguousarray(outputs[n]).reshape(outputs[n].shape)[found.at].tobytes()
        never = "; it was never written" if compare.poisoned(raw, n.type.dtype) else ""
        raise CheckError(self.blame(f"step {done.number}, {name_of(n)} ({n.op.name}): "
                                    f"{found}{never}", (p,), n))

    def operands(self, p):
        found = {}
        for i in p.step.inputs:
            if i.op is not CONST:
                array, copy = self.values[i]
                found[i] = array if copy is None else copy
        return found

    def finite(self, done, outputs):
        p = done.piece
        if all([compare.finite(a) for a in outputs.values()]):
            return
        operands = self.operands(p)
        found = compare.introduced(p.step.body, operands)
        if found is not None:
            raise NonFiniteError(compare.non_finite(found))

    def poison(self, done):
        """Make unreadable what nobody reads any more."""
        uses, homes, k = self.program.uses, self.program.arena.homes, done.number
        for slot in done.buffers:
            self.holders[slot] = None
            compare.poison(self.slots[slot].bytes, slot.dtype)
        for n in done.piece.step.outputs:
            if homes[n].kind == "slot":
                self.holders[homes[n].what] = n
        for n in [n for n in self.values if uses[n][1] <= k]:
            home = homes.get(n)
            if home is not None and home.kind == "slot" and self.holders.get(home.what) is n:
                compare.poison(self.slots[home.what].bytes, home.what.dtype)
                self.holders[home.what] = None
            del self.values[n]

    def unchanged(self, number):
        """That the operands of the next step still are what they were."""
        pieces = self.program.driver.pieces
        needed = pieces[number].step.inputs if number < len(pieces) else [
            r for r in self.program.plan.roots if r in self.values]
        for i in needed:
            array, copy = self.values.get(i, (None, None))
            if copy is None or same(array, copy):
                continue
            home = self.program.arena.homes.get(i)
            holder = self.holders.get(home.what) if home is not None else None
            given = f"; its memory was given to {name_of(holder)}" if holder not in (
                None, i) else ""
            reader = (f"step {number} reads it" if number < len(pieces) else "it is returned")
            raise CheckError(self.blame(
                f"{name_of(i)} ({i.op.name}) was overwritten in step {number - 1} before {reader}"
                f"{given}", (pieces[number - 1],), i))

    def blame(self, sentence, pieces, node=None):
        """A sentence, the step's kernel and ops, and the lines of its user."""
        nodes = [n for p in pieces for n in p.step.body]
        rows = [f"debug mode: {sentence}"]
        for p in pieces:
            what = p.kernel.name if p.kernel else p.kind
            rows.append(f"  {what}: {', '.join(dict.fromkeys([n.op.name for n in p.step.body]))}")
        lines = dict.fromkeys([n.origin for n in ([node] if node is not None else nodes)])
        rows += [f"  made at {origin.line(o)}" for o in list(lines)[:8] if o]
        return "\n".join(rows)


def reach(form, far, dims):
    """The least and the greatest value of an index form; computed ones are checked elsewhere."""
    if isinstance(form, int):
        return form, form
    if type(form) is Axis:
        return 0, far[form.letter] - 1
    if type(form) is not Affine:
        return 0, -1
    low = high = form.offset
    for factor, x in form.terms:
        ends = (0, far[x] - 1) if isinstance(x, str) else (dims[x], dims[x])
        ends = sorted([factor * e for e in ends])
        low, high = low + ends[0], high + ends[1]
    return low, high


def same(a, b):
    """Whether two arrays are equal bit for bit."""
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def name_of(node):
    """The user's name of a node, or its op."""
    return "a result" if node is None else node.name or node.op.name
