"""LLVM IR as text: types, constants, and a `Writer` that names values, blocks and loops.

Values are strings ("%v3", "1.0", "zeroinitializer"); whoever asks for an operation knows its type.
Vectors are written as vectors: nothing hangs on the loop vectoriser, and no optimisation pass need
run (but for loops over a few numbers, see `repeat.py`).  A width of 1 means a scalar.  Booleans are
``i1`` in registers and bytes in memory.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager

import numpy as np

REGISTER = {
    "bool": "i1", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64",
    "float16": "half", "float32": "float", "float64": "double",
}  # fmt: skip
MEMORY = {**REGISTER, "bool": "i8", "complex64": "{ float, float }",
          "complex128": "{ double, double }"}
SUFFIX = {"i1": "i1", "i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64",
          "half": "f16", "float": "f32", "double": "f64"}  # fmt: skip


INLINED = "alwaysinline"  # at the end of a function's head: it becomes a part of what calls it


def wide(scalar, width):
    """The type of `width` values: ``float`` or ``<16 x float>``."""
    return scalar if width == 1 else f"<{width} x {scalar}>"


def vector(dtype, width):
    """The register type of a dtype."""
    return wide(REGISTER[dtype], width)


def number(value, scalar):
    """A literal of a scalar LLVM type; floats by their exact bits."""
    if scalar == "i1":
        return "true" if value else "false"
    if scalar[0] == "i":
        bits = int(scalar[1:])
        return str((int(value) + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1))
    if scalar == "half":
        return f"0xH{np.float16(value).view(np.uint16):04X}"
    value = float(np.float32(value)) if scalar == "float" else float(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def constant(value, scalar, width=1):
    """A literal, in every lane."""
    text = number(value, scalar)
    return text if width == 1 else f"splat ({scalar} {text})"


def count(scalar, width):
    """0, 1, 2, … in the lanes of a vector."""
    return "0" if width == 1 else f"<{', '.join([f'{scalar} {k}' for k in range(width)])}>"


class Writer:
    """One function on its way: `let` names a value, `block` starts a block, `loop` counts."""

    def __init__(self, module, head):
        self.module, self.head, self.count = module, head, 0
        self.stack, self.lines, self.at = [], [], "entry"

    def text(self):
        body = "\n".join(self.stack + self.lines)
        return f"{self.head} {{\nentry:\n{body}\n}}\n"

    def let(self, text):
        """The name of the value that `text` computes."""
        self.count += 1
        name = f"%v{self.count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text):
        self.lines.append("  " + text)

    def alloca(self, kind):
        """Memory on the stack, for as long as the function runs."""
        self.count += 1
        self.stack.append(f"  %s{self.count} = alloca {kind}")
        return f"%s{self.count}"

    # -- control

    def label(self, word="b"):
        self.count += 1
        return f"{word}{self.count}"

    def block(self, label):
        """Start a block; the last one must have ended."""
        self.lines.append(f"{label}:")
        self.at = label

    def jump(self, label):
        self.do(f"br label %{label}")

    def branch(self, condition, yes, no):
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")

    @contextmanager
    def when(self, condition):
        """The inside runs only where an ``i1`` holds."""
        yes, after = self.label("then"), self.label("after")
        self.branch(condition, yes, after)
        self.block(yes)
        yield
        self.jump(after)
        self.block(after)

    @contextmanager
    def loop(self, stop, start="0", step="1", carried=(), early=False):
        """A counted loop, not entered when start >= stop.  With `early` the inside may set
        ``loop.stop`` to an index before which the loop is to end.

        Yields a `Loop`: its `index`, and `values`: the phis of `carried`, pairs (type, first
        value).  The inside sets ``loop.next`` to their next values; after the loop ``loop.out``
        holds the last ones, and ``loop.end`` where the index stopped.
        """
        head, body, after = self.label("head"), self.label("body"), self.label("done")
        before = self.at
        self.jump(head)
        self.block(head)
        spot = len(self.lines)
        if early:
            carried = (*carried, ("i64", stop))
        names = [self.label("%p") for _ in range(1 + len(carried))]
        loop = Loop(names[0], names[1:len(names) - early])
        if early:
            loop.stop = stop = names[-1]
        inside = self.let(f"icmp slt i64 {loop.index}, {stop}")
        self.branch(inside, body, after)
        self.block(body)
        yield loop
        index = self.let(f"add nsw i64 {loop.index}, {step}")
        latch = self.at
        self.jump(head)
        phis = [f"  {loop.index} = phi i64 [{start}, %{before}], [{index}, %{latch}]"]
        nexts = [*loop.next, *[loop.stop] * early]
        for (kind, first), name, following in zip(carried, names[1:], nexts, strict=True):
            phis.append(f"  {name} = phi {kind} [{first}, %{before}], [{following}, %{latch}]")
        self.lines[spot:spot] = phis
        self.block(after)
        loop.out, loop.end = loop.values, loop.index

    @contextmanager
    def pieces(self, start, stop, length):
        """A loop over pieces of a range, at least one of them; yields (start, stop) of each."""
        head, after, before = self.label("piece"), self.label("done"), self.at
        self.jump(head)
        self.block(head)
        spot, index = len(self.lines), self.label("%p")
        far = self.let(f"add nsw i64 {index}, {length}")
        yield index, self.intrinsic("smin", "i64", far, stop)
        latch = self.at
        self.branch(self.let(f"icmp slt i64 {far}, {stop}"), head, after)
        self.lines.insert(spot, f"  {index} = phi i64 [{start}, %{before}], [{far}, %{latch}]")
        self.block(after)

    # -- values

    def op(self, word, kind, *args):
        """``fadd <16 x float> a, b``."""
        return self.let(f"{word} {kind} {', '.join(args)}")

    def intrinsic(self, name, kind, *args):
        """A call of ``llvm.name`` whose operands and result all have one type."""
        suffix = overload(kind)
        kinds = ", ".join([kind] * len(args))
        self.module.declare(f"declare {kind} @llvm.{name}.{suffix}({kinds})")
        inner = ", ".join([f"{kind} {a}" for a in args])
        return self.let(f"call {kind} @llvm.{name}.{suffix}({inner})")

    def splat(self, value, scalar, width):
        """A scalar in every lane."""
        if width == 1:
            return value
        if value[0] != "%":
            return f"splat ({scalar} {value})"
        kind = wide(scalar, width)
        one = self.let(f"insertelement {kind} poison, {scalar} {value}, i64 0")
        zeros = f"<{width} x i32> zeroinitializer"
        return self.let(f"shufflevector {kind} {one}, {kind} poison, {zeros}")

    def select(self, mask, kind, yes, no, width=1):
        """`yes` where the mask holds, else `no`, lane by lane."""
        return self.let(f"select {wide('i1', width)} {mask}, {kind} {yes}, {kind} {no}")

    # -- memory; a mask of None means all lanes

    def load(self, scalar, pointer, width, mask, align):
        """`width` elements in a row; those not in the mask are not touched and come as zeros."""
        kind, bits = wide(scalar, width), wide("i1", width)
        if mask is None:
            return self.let(f"load {kind}, ptr {pointer}, align {align}")
        name = f"@llvm.masked.load.{overload(kind)}.p0"
        self.module.declare(f"declare {kind} {name}(ptr, i32, {bits}, {kind})")
        return self.let(f"call {kind} {name}(ptr {pointer}, i32 {align}, {bits} {mask}, "
                        f"{kind} zeroinitializer)")

    def store(self, scalar, value, pointer, width, mask, align):
        kind, bits = wide(scalar, width), wide("i1", width)
        if mask is None:
            self.do(f"store {kind} {value}, ptr {pointer}, align {align}")
            return
        name = f"@llvm.masked.store.{overload(kind)}.p0"
        self.module.declare(f"declare void {name}({kind}, ptr, i32, {bits})")
        self.do(f"call void {name}({kind} {value}, ptr {pointer}, i32 {align}, {bits} {mask})")

    def gather(self, scalar, pointers, width, mask, align):
        """Elements from a vector of addresses."""
        kind, bits, many = wide(scalar, width), wide("i1", width), wide("ptr", width)
        name = f"@llvm.masked.gather.{overload(kind)}.v{width}p0"
        self.module.declare(f"declare {kind} {name}({many}, i32, {bits}, {kind})")
        return self.let(f"call {kind} {name}({many} {pointers}, i32 {align}, "
                        f"{bits} {mask or constant(1, 'i1', width)}, {kind} zeroinitializer)")

    def scatter(self, scalar, value, pointers, width, mask, align):
        kind, bits, many = wide(scalar, width), wide("i1", width), wide("ptr", width)
        name = f"@llvm.masked.scatter.{overload(kind)}.v{width}p0"
        self.module.declare(f"declare void {name}({kind}, {many}, i32, {bits})")
        self.do(f"call void {name}({kind} {value}, {many} {pointers}, i32 {align}, "
                f"{bits} {mask or constant(1, 'i1', width)})")

    def every(self, step, width, mask):
        """For vectors that are `step` times as long: which of their elements are every `step`-th
        one (those in the mask), where in them these are, and how to make such a vector of them."""
        bits = wide("i1", width)
        spread = ", ".join([f"i32 {k // step if k % step == 0 else width}"
                            for k in range(step * width)])
        narrow = ", ".join([f"i32 {k * step}" for k in range(width)])
        wider = f"<{step * width} x i32> <{spread}>"
        mask = self.let(f"shufflevector {bits} {mask or constant(1, 'i1', width)}, "
                        f"{bits} zeroinitializer, {wider}")
        return mask, f"<{width} x i32> <{narrow}>", wider

    def load_every(self, scalar, pointer, step, width, mask, align):
        """`width` elements, each `step` (a few) after the one before: no slower than so many rows,
        where a gather takes its time for each element."""
        mask, narrow, _ = self.every(step, width, mask)
        row, kind = self.load(scalar, pointer, step * width, mask, align), wide(scalar,
                                                                                step * width)
        return self.let(f"shufflevector {kind} {row}, {kind} poison, {narrow}")

    def store_every(self, scalar, value, pointer, step, width, mask, align):
        mask, _, wider = self.every(step, width, mask)
        kind = wide(scalar, width)
        row = self.let(f"shufflevector {kind} {value}, {kind} poison, {wider}")
        self.store(scalar, row, pointer, step * width, mask, align)

    def apart(self, scalar, pointer, step, width):
        """Addresses of `width` elements, each `step` of them after the one before."""
        kind = wide("i64", width)
        offsets = self.op("mul", kind, count("i64", width), self.splat(step, "i64", width))
        return self.let(f"getelementptr {scalar}, ptr {pointer}, {kind} {offsets}")

    def cell(self, scalar, pointer, index):
        """The address of element `index` (an i64) of an array of a scalar memory type."""
        return self.let(f"getelementptr {scalar}, ptr {pointer}, i64 {index}")


class Loop:
    """A loop being written, see `Writer.loop`."""

    __slots__ = ("index", "values", "next", "out", "end", "stop")

    def __init__(self, index, values):
        self.index, self.values, self.next = index, values, values
        self.out, self.end, self.stop = (), None, None


def overload(kind):
    """How the name of an intrinsic spells a type: ``v16f32``."""
    if kind[0] != "<":
        return SUFFIX[kind]
    width, _, scalar = kind[1:-1].partition(" x ")
    return f"v{width}{SUFFIX[scalar]}"


class Module:
    """Functions and declarations, each once; `text` is what LLVM parses."""

    # Characters of one function that are too many for careful code generation: of a driver, which
    # has little to do itself, and of a kernel.  LLVM's work grows faster than they do.
    LONG, HUGE = 16_000, 1_000_000

    def __init__(self):
        self.declared, self.heads, self.functions = {}, {}, {}
        self.parts, self.effort, self.lent = {}, 2, {}

    def part(self, name, effort=2):
        """The module of that name that is compiled, and kept, by itself: other programs have the
        same."""
        if name not in self.parts:
            self.parts[name] = Module()
            self.parts[name].effort = effort
        return self.parts[name]

    def borrow(self, other, name):
        """Declare a function of another module of the same program; its name."""
        if other is not self:
            other.lent[name] = True
            self.declare(other.heads[name].replace("define internal", "declare"))
        return name

    def declare(self, line):
        self.declared[line] = True

    def function(self, head):
        """A `Writer`; it must be handed to `add` when it is finished."""
        return Writer(self, head)

    def add(self, name, writer):
        self.heads[name], self.functions[name] = writer.head, writer.text()

    @property
    def text(self):
        functions = [f.replace("define internal", "define", 1) if name in self.lent else f
                     for name, f in self.functions.items()]
        return "\n".join([*self.declared, "", *functions])

    def units(self, main):
        """(text, effort) of each module to compile: this one and its parts.  Where the function
        `main` is so long that LLVM would take minutes over it, the others with care and it with
        less."""
        parts = [(part.text, part.effort) for part in self.parts.values()]
        others = [f for name, f in self.functions.items() if name != main]
        effort = 2 if max([len(f) for f in others], default=0) < self.HUGE else 0
        if len(self.functions[main]) < self.LONG:
            return [(self.text, effort), *parts]
        heads = [h.replace("define internal", "declare") for name, h in self.heads.items()
                 if name != main]
        visible = "\n".join([*self.declared, "", *others]).replace("define internal", "define")
        long = "\n".join([*self.declared, *heads, "", self.functions[main]])
        return [(visible, effort), (long, 0), *parts]
