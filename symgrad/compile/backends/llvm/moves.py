"""The steps of a native program, as calls: kernels, views, products, Python."""

from __future__ import annotations

from dataclasses import replace

from symgrad.compile.backends.llvm import flat, kernels, pairs, products
from symgrad.compile.backends.llvm.arena import without_copy
from symgrad.compile.backends.llvm.copies import Copies
from symgrad.compile.backends.llvm.ir import MEMORY
from symgrad.compile.backends.llvm.ir import constant as literal
from symgrad.compile.backends.llvm.values import (
    Value,
    asked,
    part,
    repeated,
    reshaped,
    same_count,
    squeezed,
    stretched,
    transposed,
    unsqueezed,
)
from symgrad.compile.kernel import body_key
from symgrad.compile.nest import Nonempty
from symgrad.errors import IndexingError, ShapeError
from symgrad.node import CONST
from symgrad.op import explain
from symgrad.ops.index import outside

UNREAD = Value("null", "int8", (), ())  # an array that a guard does not look at


class Moves(Copies):
    """What a driver does for each kind of step.  `values` has where every node is."""

    columns = {}  # noqa: RUF012  {product: (i1, where its matrix lies by columns if that holds)}

    def step(self, p, buffers):
        if p.kind == "kernel":
            self.kernel(p, buffers)
        elif p.kind == "view":
            self.view(p.step.body[0])
        elif p.kind == "product":
            self.product(p.step.body[0])
        elif p.kind == "join":
            self.join(p.step.body[0])
        elif p.kind == "write":
            self.store(p.step.body[0])
        elif p.kind == "range":
            self.range(p.step.body[0])
        elif p.kind == "loop":
            self.loop(p, buffers)
        elif p.kind == "branch":
            self.branch(p, buffers)
        else:
            self.python(p.step)

    def value(self, node):
        """Where an operand is; constants are arrays of the program."""
        if node not in self.values:
            array = node.attrs[0].array
            self.constants.append(array)
            p = self.w.cell("ptr", self.word("constants"), len(self.constants) - 1)
            lengths = tuple([str(n) for n in array.shape])
            self.values[node] = Value(self.w.let(f"load ptr, ptr {p}"), node.type.dtype,
                                      self.lengths.dense(lengths), lengths)
        return self.values[node]

    def array(self, inside, param):
        """Where an array of a nest is; `inside`: {name: node}."""
        value = self.value(inside[pairs.owner(param.name)])
        return pairs.half(self.lengths, value, param.name)

    def kernel(self, p, buffers, guard=None):
        """A step that is a kernel; or no more than its `guard`."""
        inside = {p.names[n]: n for n in (*p.step.inputs, *p.step.outputs)}
        if guard is not None:
            values = [self.array(inside, a) if inside[pairs.owner(a.name)].op.kind == "leaf" else
                      UNREAD for a in (*guard.params, *guard.results)]
            self.call_kernel(p.kernel, guard, values, [], "guard")
            return
        for s in p.nest.body:
            if type(s) is Nonempty:
                for d in s.over:
                    if not isinstance(d, int) or not d:
                        self.nonempty(s, d)
        made = [self.home(n) for n in p.step.outputs]
        for n, value in zip(p.step.outputs, made, strict=True):
            self.values[n] = value
        params = [self.array(inside, a) for a in p.nest.params]
        outs = [self.array(inside, a) for a in p.nest.results]
        nest, kind = p.nest, ""
        for n in p.step.outputs:
            for i in p.step.inputs:
                if i.type is n.type and i in self.values and (
                        self.values[i].pointer == self.values[n].pointer):
                    less = without_copy(nest, p.names[i], p.names[n])
                    nest, kind = (less, kind + f"{p.names[n]} ") if less else (nest, kind)
        self.call_kernel(p.kernel, nest, [*params, *outs], [self.address(b) for b in buffers], kind,
                         p.first)

    def call_kernel(self, kernel, nest, values, buffers, kind="", first=None):
        """`kind`: what of the kernel the nest is, if not all of it; `first`: see `Piece`."""
        w = self.w
        key = _, layouts, *_ = self.kernel_key(kernel, values, kind)
        emitted = self.emitted.get(key)
        if emitted is None:
            name = f"kernel{len(self.emitted)}"  # no names of the user: they may be in any script
            own = replace(nest, lengths=first.lengths, buffers=first.buffers) if first else nest
            emitted = self.emitted[key] = kernels.emit(self.module, own, name, layouts,
                                                       self.inlined)
        args = [f"ptr {self.bad}"]
        for v in values:
            args += [f"ptr {v.pointer}", *[f"i64 {s}" for s in v.strides if s != "1"]]
        args += [f"ptr {b}" for b in buffers]
        args += [f"i64 {self.lengths.length(d)}" for d in nest.lengths]
        status = w.let(f"call i64 @{emitted.name}({', '.join(args)})")
        if not kernels.checks(nest):
            return
        first = len(self.errors)
        self.errors += [lambda bad, e=e: out_of_range(e, *bad[:2]) for e in kernels.checks(nest)]
        wrong, fine = w.label("wrong"), w.label("fine")
        w.branch(w.let(f"icmp ne i64 {status}, 0"), wrong, fine)
        w.block(wrong)
        w.do(f"ret i64 {w.let(f'add i64 {status}, {first}')}")
        w.block(fine)

    def kernel_key(self, kernel, values, kind):
        """What decides the function of a kernel."""
        layouts = tuple([tuple([s == "1" for s in v.strides]) for v in values])
        return body_key(kernel), layouts, kind, self.inlined

    def nonempty(self, s, d):
        n = self.lengths.length(d)

        def error(bad):
            problem = ShapeError(f"{s.op}: has no value over an axis of length 0")
            return explain(problem, s.node.op, s.node.inputs, s.node.origin)

        self.refuse(self.w.let(f"icmp eq i64 {n}, 0"), error)

    def view(self, node):
        x, name = self.value(node.inputs[0]), node.op.name
        if name == "transpose":
            made = transposed(x, node.attrs[0])
        elif name == "unsqueeze":
            made = unsqueezed(x, node.attrs[0], node.type.ndim)
        elif name == "squeeze":
            made = squeezed(x, node.attrs[0])
        elif name in ("broadcast_to", "specify_shape"):
            asked(self, node)
            made = stretched(x, node, self.lengths.shape(node.type))
        elif name == "reshape":
            lengths = (self.lengths.shape(node.type) if same_count(node) else
                       reshaped(self, node, x))
            made = Value(self.packed(x), x.dtype, self.lengths.dense(lengths), lengths)
        elif name == "subtensor":
            scalars = iter([self.integer(i) for i in node.inputs[1:]])
            made = part(self.lengths, x, node.attrs[0], scalars,
                        lambda wrong, k, axis, n: self.outside(node, wrong, k, axis, n))
        else:
            made = x
        self.values[node] = made
        self.bind(node, made.lengths)
        if name in ("subtensor", "reshape"):  # known lengths are better than computed ones
            known = tuple([self.lengths.length(d) for d in node.type.shape])
            self.values[node] = Value(made.pointer, made.dtype, made.strides, known)

    def outside(self, node, wrong, k, axis, n):
        def error(bad):
            problem = IndexingError(f"{node.op.name}: {outside(bad[0], axis, bad[1])}")
            return explain(problem, node.op, node.inputs, node.origin)

        self.refuse(wrong, error, k, n)

    def integer(self, node):
        """The value of an integer scalar, as an i64."""
        if node.op is CONST:
            return str(int(node.attrs[0].array))
        kind = MEMORY[node.type.dtype]
        value = self.w.let(f"load {kind}, ptr {self.value(node).pointer}")
        if kind == "i64":
            return value
        word = "zext" if node.type.dtype[0] in "ub" else "sext"
        return self.w.let(f"{word} {kind} {value} to i64")

    def packed(self, x):
        """The address of the elements of x without gaps: a copy, if there are any."""
        w, dense = self.w, self.lengths.dense(x.lengths)
        if dense == x.strides:
            return x.pointer
        gaps = "false"
        for s, d, n in zip(x.strides, dense, x.lengths, strict=True):
            if s != d:
                long = w.let(f"icmp sgt i64 {n}, 1")
                apart = w.let(f"icmp ne i64 {s}, {d}")
                gaps = w.let(f"or i1 {gaps}, {w.let(f'and i1 {long}, {apart}')}")
        before, copy, after = w.at, w.label("copy"), w.label("packed")
        w.branch(gaps, copy, after)
        w.block(copy)
        memo = dict(self.lengths.memo)
        got = self.made(None, x.dtype, x.lengths)
        self.copy(x, Value(got, x.dtype, dense, x.lengths))
        end = w.at
        w.jump(after)
        w.block(after)
        self.lengths.memo = memo
        return w.let(f"phi ptr [{x.pointer}, %{before}], [{got}, %{end}]")

    # -- products

    def product(self, node):
        name, kind = node.op.name, MEMORY[node.type.dtype]
        out = self.home(node)
        alpha, beta = literal(1, kind), literal(0, kind)
        operands = node.inputs
        if name in ("gemm", "gemv", "ger"):
            c, operands = self.value(operands[0]), operands[1:]
            alpha = self.number(operands[2], kind)
            beta = self.number(operands[3], kind) if name != "ger" else literal(1, kind)
            if c is not out and c.pointer != out.pointer and beta != literal(0, kind):
                self.copy(c, out)
        a, b = (self.value(i) for i in operands[:2])
        self.values[node] = out
        if name == "ger":
            a = unsqueezed(a, (1,), 2)
            b = unsqueezed(b, (0,), 2)
            self.multiply(node, out, a, b, alpha, beta)
        elif name == "batched_dot":
            a, b = (repeated(v) if i.type.shape[0] == 1 else v
                    for v, i in zip((a, b), operands, strict=True))
            self.multiply(node, out, a, b, alpha, beta, batched=True)
        else:
            wide = out
            if len(a.lengths) == 1:
                a = unsqueezed(a, (0,), 2)
                wide = unsqueezed(wide, (0,), len(wide.lengths) + 1)
            if len(b.lengths) == 1:
                b = unsqueezed(b, (1,), 2)
                wide = unsqueezed(wide, (len(wide.lengths),), len(wide.lengths) + 1)
            self.multiply(node, wide, a, b, alpha, beta)

    def multiply(self, node, c, a, b, alpha, beta, batched=False):
        w, dtype = self.w, node.type.dtype
        kind = MEMORY[dtype]
        if not batched and c.lengths[1] == "1":  # a column is a row of the transposed product
            c, a, b = (transposed(v, (1, 0)) for v in (c, b, a))
        args = [f"ptr {self.blas}"]
        if batched:
            args.append(f"i64 {c.lengths[0]}")
        for v in (c, a, b):
            args += [f"ptr {v.pointer}", *[f"i64 {s}" for s in v.strides]]
        quick = None if batched else products.quick(self, dtype, c, a, b, self.columns.get(node))
        if quick:
            short, long, after = w.label("short"), w.label("long"), w.label("after")
            w.branch(quick[0], short, long)
            w.block(short)
            w.do(f"call void {quick[1]}({quick[2]}, {kind} {alpha}, {kind} {beta})")
            w.jump(after)
            w.block(long)
        m, n, k = c.lengths[-2], c.lengths[-1], a.lengths[-1]
        args += [f"i64 {m}", f"i64 {n}", f"i64 {k}", f"{kind} {alpha}", f"{kind} {beta}"]
        usual = int(n) if n[0] != "%" else self.usual.get(n)
        if batched:
            name = products.batched(self.module, dtype)
        elif usual is not None:
            name = flat.narrow(self.module, dtype, usual)
        else:
            name = products.gemm(self.module, dtype)
        w.do(f"call void {name}({', '.join(args)})")
        if quick:
            w.jump(after)
            w.block(after)

    def number(self, node, kind):
        """The value of a scalar operand."""
        if node.op is CONST:
            return literal(node.attrs[0].array.item(), kind)
        return self.w.let(f"load {kind}, ptr {self.value(node).pointer}")

    # -- steps in Python

    def python(self, step):
        """Operands' addresses, lengths and strides go out in a block of words; those of the
        outputs come back in it."""
        w, words = self.w, []
        for i in step.inputs:
            if i.op is CONST:
                continue
            v = self.value(i)
            words += [w.let(f"ptrtoint ptr {v.pointer} to i64"), *v.lengths, *v.strides]
        start = len(words)
        back = sum([1 + 2 * n.type.ndim for n in step.outputs])
        block = self.block(words + ["0"] * back)
        self.ask(step, block)
        at = start
        for n in step.outputs:
            read = []
            for k in range(1 + 2 * n.type.ndim):
                p = w.cell("i64", block, at + k)
                read.append(w.let(f"load {'i64' if k else 'ptr'}, ptr {p}"))
            at += len(read)
            lengths, strides = read[1:1 + n.type.ndim], read[1 + n.type.ndim:]
            strides[-1:] = ["1"] * bool(strides)
            self.values[n] = Value(read[0], n.type.dtype, tuple(strides), tuple(lengths))
            self.bind(n, lengths)


def out_of_range(e, k, n):
    problem = IndexingError(f"{e.op}: {outside(k, e.axis, n)}")
    return explain(problem, e.node.op, e.node.inputs, e.node.origin) if e.node else problem
