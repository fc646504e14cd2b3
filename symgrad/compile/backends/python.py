"""The python backend: every kernel as plain Python loops, one NumPy scalar at a time.

It is slow and says exactly what a loop nest means; the tests compare other backends with it, and
`Program.source` is what there is to read.
"""

from __future__ import annotations

import builtins
import linecache
from zlib import crc32

import numpy as np

from symgrad.compile.backends.looped import FORMS, makes_an_array
from symgrad.compile.loops import loops
from symgrad.compile.lower import lower, name_nodes
from symgrad.compile.nest import show
from symgrad.compile.plan import mismatch
from symgrad.errors import IndexingError, ShapeError, SymgradError
from symgrad.node import CONST
from symgrad.op import apply, explain
from symgrad.scalars import ROWS
from symgrad.types import DTYPES, Dim

name = "python"


def missing(plan):
    """Nodes this backend cannot run: none, since every op has a NumPy meaning."""
    return []


def compile(plan, selection=None):
    """A `Program` for the plan."""
    return Program(plan)


class Program:
    """A plan as something to run: ``run(*arrays) -> (outputs, values of the updates)``.

    `kernels` and `source`: the kernels of the plan's steps, and all of them as Python.  For who
    counts bytes: `makes`, the nodes that get an array; `copied`, what is copied at the end;
    `inner`, the programs of a loop or a branch.
    """

    late = ()

    def __init__(self, plan):
        self.plan = plan
        leaves = (*plan.inputs, *plan.shared)
        nodes = [n for s in plan.steps for n in (*s.inputs, *s.body)]
        names = name_nodes(dict.fromkeys((*leaves, *nodes)))
        self.kernels, self.functions, texts = [], [], []
        for step in plan.steps:
            kernel = lower(step, names) if step.kind == "kernel" else None
            self.kernels.append(kernel)
            if kernel is None:
                self.functions.append(None)
                continue
            function, text = executable(kernel)
            texts.append(text)
            self.functions.append(function)
        self.loops, self.inner = {}, {}
        for node, inner in plan.inner.items():
            programs = self.inner[node] = [Program(p) for p in inner]
            form = FORMS[node.op.name]
            self.loops[node], text = form(node, *[p.run for p in programs])
            texts += [*[p.source for p in programs], text]
        self.source = "\n\n\n".join(texts)
        self.names = names
        self.makes = frozenset([n for s in plan.steps
                                for n in (s.outputs if s.kind == "kernel" else s.body)
                                if s.kind == "kernel" or makes_an_array(n, self.inner)])
        self.copied = plan.roots

    def buffers(self, lengths):
        """Bytes kept between calls: none."""
        return 0

    def passing(self, node, lengths):
        """Bytes of what an op's NumPy meaning needs beside its result: of ``beta c + alpha a @ b``
        a summand and the product."""
        return 2 * lengths.bytes(node.type) if node.op.name == "gemm" else 0

    def run(self, *arrays):
        """One array for each input and shared variable of the plan."""
        leaves = (*self.plan.inputs, *self.plan.shared)
        store = dict(zip(leaves, [np.asarray(a) for a in arrays], strict=True))
        lengths = {}
        with np.errstate(all="ignore"):
            for leaf in leaves:
                self.bind(leaf, store[leaf], lengths)
            for step, kernel, function in zip(self.plan.steps, self.kernels, self.functions,
                                              strict=True):
                if kernel is None:
                    for n in step.body:
                        self.call(n, store, lengths)
                else:
                    self.loop(step, kernel, function, store, lengths)
        results = [np.array(_value(n, store)) for n in self.plan.roots]
        count = len(self.plan.outputs)
        return results[:count], results[count:]

    def bind(self, node, array, lengths):
        """Learn and check the lengths of a value that decides them."""
        for place in self.plan.places.get(node, ()):
            have = array.shape[place.axis]
            want = place.length
            if place.binds:
                lengths[want] = have
            elif have != (want := lengths[want] if isinstance(want, Dim) else want):
                raise mismatch(place, have, want)

    def call(self, node, store, lengths):
        """A node that is no kernel: its NumPy meaning, that of a loop with the program of a
        step."""
        arrays = [_value(i, store) for i in node.inputs]
        if node in self.loops:
            try:
                store[node] = self.loops[node](*arrays)
            except SymgradError as error:
                raise explain(error, node.op, node.inputs, node.origin) from None
        else:
            store[node] = apply(node, arrays)
        self.bind(node, store[node], lengths)

    def loop(self, step, kernel, function, store, lengths):
        """A step that is a kernel."""
        by_name = {self.names[n]: n for n in (*step.inputs, *step.outputs)}
        for n in step.outputs:
            shape = [lengths[d] if isinstance(d, Dim) else d for d in n.type.shape]
            store[n] = np.empty(shape, n.type.dtype)
        arrays = [_value(by_name[p.name], store) for p in (*kernel.params, *kernel.results)]
        try:
            function(*arrays, **{str(d): lengths[d] for d in kernel.lengths})
        except SymgradError as error:
            guilty = str(error).partition(":")[0]
            node = next((n for n in step.body if n.op.name == guilty), step.body[0])
            raise explain(error, node.op, node.inputs, node.origin) from None


def _value(node, store):
    return node.attrs[0].array if node.op is CONST else store[node]


def executable(kernel):
    """A kernel as a Python function ``(*params, *results, **lengths)``, and its text."""
    text = show(loops(kernel), typed=True)
    file = f"<symgrad-loops-{kernel.name}-{crc32(text.encode()):x}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    scope = dict(MEANING)
    exec(builtins.compile(text, file, "exec"), scope)
    return scope[kernel.name], text


# -- what the words of a printed nest mean


def index(k, n, axis, op):
    """k counted from the front of an axis of length n, if it is inside."""
    if not -n <= k < n:
        raise IndexingError(f"{op}: index {k} is out of range for axis {axis} of length {n}")
    return k + n if k < 0 else k


def nonempty(op, lengths):
    if 0 in lengths:
        raise ShapeError(f"{op}: has no value over an axis of length 0")


def argmax(at, best, value, index):
    """The index and the value of the larger of two; the first of equals; NaN is the largest."""
    return (index, value) if value > best or value != value and best == best else (at, best)


def argmin(at, best, value, index):
    return (index, value) if value < best or value != value and best == best else (at, best)


MEANING = {
    **{row.name: getattr(np, row.numpy) for row in ROWS.values()},
    **{row.numpy: getattr(np, row.numpy) for row in ROWS.values()},
    **{d: getattr(np, d) for d in DTYPES if d != "bool"},
    "bool_": np.bool_, "empty": np.empty, "inf": np.inf, "nan": np.nan, "range": range,
    "index": index, "nonempty": nonempty, "argmax": argmax, "argmin": argmin,
}  # fmt: skip
