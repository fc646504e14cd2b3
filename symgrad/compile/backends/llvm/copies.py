"""Steps of a native program that copy: joins, parts that are written, ranges."""

from __future__ import annotations

from dataclasses import replace

from symgrad.compile.backends.llvm.control import Control
from symgrad.compile.backends.llvm.ir import MEMORY
from symgrad.compile.backends.llvm.values import Value, part, slid
from symgrad.compile.kernel import Apply, Axis, Kernel, Load, Param, Stage, affine, as_value
from symgrad.compile.loops import loops
from symgrad.errors import ShapeError
from symgrad.op import explain
from symgrad.ops.lengths import known
from symgrad.types import Dim, Type, is_complex, real_of


class Copies(Control):
    """What a driver does for steps that bring numbers where they belong."""

    def copy(self, x, out, add=False):
        """Elements of one value into another of the same lengths; or added to what is there."""
        x, out = self.plain(x), self.plain(out)
        letters = "ijklmpqrs"[:len(x.lengths)]
        dims = tuple([Dim(c) for c in letters])
        at = tuple([Axis(c) for c in letters])
        kind = Type(x.dtype, dims)
        e = Load("x", at, x.dtype)
        e = Apply("add", (Load("z", at, x.dtype), e), x.dtype) if add else e
        params = (Param("x", kind), *[Param("z", kind)] * add)
        kernel = Kernel("copy", params, (Param("y", kind),), (Stage("y", at, e, x.dtype),),
                        tuple(zip(letters, dims, strict=True)))
        for d, n in zip(dims, x.lengths, strict=True):
            self.lengths.of[d] = n
        self.call_kernel(kernel, loops(kernel), [x, *[out] * add, out], [])

    def store(self, node):
        """Store or add into a part of an array."""
        base, y = (self.value(i) for i in node.inputs[:2])
        out = self.home(node)
        if base.pointer != out.pointer:
            self.copy(base, out)
        self.values[node] = out
        if node.op.name == "windows_add":
            at = node.attrs[2]
            place = self.slid(node, out, y.lengths[at:at + 2])
            for have, want in zip(y.lengths, place.lengths, strict=True):
                self.refuse(self.w.let(f"icmp ne i64 {have}, {want}"), lambda bad: explain(
                    ShapeError(f"an axis of the windows has length {bad[0]}, not {bad[1]}"),
                    node.op, node.inputs, node.origin), have, want)
            self.copy(y, place, add=True)
            return
        scalars = iter([self.integer(i) for i in node.inputs[2:]])
        place = part(self.lengths, out, node.attrs[0], scalars,
                     lambda wrong, k, axis, n: self.outside(node, wrong, k, axis, n))
        if not y.lengths:
            y = replace(y, strides=("0",) * len(place.lengths), lengths=place.lengths)
        for axis, (have, want) in enumerate(zip(y.lengths, place.lengths, strict=True)):
            self.refuse(self.w.let(f"icmp ne i64 {have}, {want}"), lambda bad, a=axis: explain(
                ShapeError(f"axis {a} of the value has length {bad[0]}, the part that it is "
                           f"stored in {bad[1]}"), node.op, node.inputs, node.origin), have, want)
        self.copy(y, place, add=not node.attrs[1])

    def windows(self, node):
        """The windows of an array."""
        there = self.slid(node, self.value(node.inputs[0]),
                          [self.integer(n) for n in node.inputs[1:]])
        self.bind(node, there.lengths)
        out = self.values[node] = self.home(node)
        self.copy(there, out)

    def slid(self, node, x, size):
        """The windows of x as a view; none may be empty."""
        for n in size:
            self.refuse(self.w.let(f"icmp slt i64 {n}, 1"), lambda bad: explain(
                ShapeError(f"a window must be 1 long at least, not {bad[0]}"),
                node.op, node.inputs, node.origin), n)
        return slid(self.lengths, x, size, *node.attrs)

    def range(self, node):
        """Whole numbers in equal steps."""
        self.count_range(node)
        out = self.values[node] = self.home(node)
        start, step = (known(n) for n in (node.inputs[0], node.inputs[2]))
        d = Dim("i")
        self.lengths.of[d] = out.lengths[0]
        e = Apply("cast", (as_value(affine([(step, Axis("i"))], start)),), node.type.dtype)
        stage = Stage("y", (Axis("i"),), e, node.type.dtype)
        kernel = Kernel("range", (), (Param("y", Type(node.type.dtype, (d,))),), (stage,),
                        (("i", d),))
        self.call_kernel(kernel, loops(kernel), [out], [])

    def count_range(self, node):
        """Bind how many numbers there are."""
        if node in self.counted:
            return
        w, (start, stop, step) = self.w, node.inputs
        start, step, stop = known(start), known(step), self.integer(stop)
        span = self.lengths.binary("sub", stop, str(start))
        if step != 1:
            span = self.lengths.add(span, str(step - (1 if step > 0 else -1)))
            span = w.let(f"sdiv i64 {span}, {step}")
        self.counted[node] = count = self.lengths.binary("smax", span, "0")
        self.bind(node, (count,))

    def join(self, node):
        """Parts copied side by side: arrays along an axis, or scalars."""
        if node.op.name == "windows":
            self.windows(node)
            return
        w, add = self.w, self.lengths.add
        kind, parts = MEMORY[node.type.dtype], [self.value(i) for i in node.inputs]
        if node.op.name == "make_vector":
            out = self.values[node] = self.home(node)
            for k, x in enumerate(parts):
                value = w.let(f"load {kind}, ptr {x.pointer}")
                w.do(f"store {kind} {value}, ptr {w.cell(kind, out.pointer, k)}")
            return
        axis, ends = node.attrs[0], ["0"]
        for x in parts:
            ends.append(add(ends[-1], x.lengths[axis]))
        lengths = list(parts[0].lengths)
        lengths[axis] = ends[-1]
        self.bind(node, lengths)
        out = self.values[node] = self.home(node)
        for start, x in zip(ends, parts, strict=False):
            offset = self.lengths.mul(start, out.strides[axis])
            self.copy(x, Value(w.cell(kind, out.pointer, offset), x.dtype, out.strides, x.lengths))

    def plain(self, x):
        """Complex numbers as pairs of real ones."""
        if not is_complex(x.dtype):
            return x
        strides = tuple([self.lengths.mul(s, "2") for s in x.strides])
        return Value(x.pointer, real_of(x.dtype), (*strides, "1"), (*x.lengths, "2"))
