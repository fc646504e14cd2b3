"""How machine code sees Python's objects: arguments and shared variables become rows of a program's
table, and results arrays.  See `native`.

Words are 8 bytes each; `WORD` says where a function's `Words` have what.
"""

from __future__ import annotations

from symgrad.compile.backends.llvm.arena import LINE
from symgrad.compile.backends.llvm.control import STATE

# Where CPython and NumPy keep what is read here (`entry.holds` compares).
TYPE, SIZE, ITEMS = 8, 16, 24  # of any object; of a list
DATA, NDIM, LENGTHS, STRIDES, DTYPE, FLAGS = 16, 24, 32, 40, 56, 64  # of an array
NUMBER = 16  # of a float or a NumPy number

FIRST = 24  # words that belong to `run`
assert len(STATE) + 3 <= FIRST
FUNCTIONS = ("Py_IncRef", "Py_DecRef", "PyObject_Vectorcall", "PyList_New", "PyDict_New",
             "PyDict_SetItem", "PyLong_AsLongLongAndOverflow", "PyLong_FromLongLong",
             "PyEval_SaveThread", "PyEval_RestoreThread", "PyObject_CallNoArgs",
             "PyFloat_AsDouble", "PyErr_Occurred", "PyErr_Fetch", "PyErr_Restore")
WORDS = (
    *FUNCTIONS, "new_array", "array", "bytes", "nothing",  # the last: None
    "run", "make", "place",  # code
    "python", "flags",  # flags: is native code, is Python code in the course of a call
    "inputs", "shared", "results", "updates", "outputs", "written", "form",  # counts; FORMS
    "leaves", "cells", "table", "kinds", "made", "swaps", "returns", "keys", "writes", "spans",
    "block", "old", "settled",
    "values", "size", "row", "start", "stop", "turn", "strayed", "status",  # of `loop`
    "free_make", "free_grow", "maker", "grower", "thread", "held",  # of calls without the GIL
    "acquire", "release", "clock", "slow", "turns", "steps", "fail", "forget",
)  # fmt: skip
WORD = {name: FIRST + k for k, name in enumerate(WORDS)}
LAST = FIRST + len(WORDS)
FORMS = ("none", "single", "list", "dict")
# Words of a leaf's record; its known lengths come behind, -1 for those that are not.
LEAF = ("ndim", "dtype", "itemsize", "flags", "number", "int", "low", "high", "float", "slot")
KIND = ("ndim", "dtype", "output")  # of a result's record
REFUSED = -3  # a status like those of `run`: this call is not for native code


class Writing:
    """A function of the module; its first argument is the words, or the object that has them."""

    def __init__(self, module, name, args, gives="ptr", linkage="internal "):
        self.name = name
        self.w = module.function(f"define {linkage}{gives} @{name}({args})")
        self.gives = gives

    def end(self, value):
        self.w.do(f"ret {self.gives} {value}" if self.gives != "void" else "ret void")
        self.w.module.add(self.name, self.w)

    def leave(self, wrong, value):
        """Give `value` back where `wrong` holds."""
        w = self.w
        out, on = w.label("out"), w.label("on")
        w.branch(wrong, out, on)
        w.block(out)
        w.do(f"ret {self.gives} {value}")
        w.block(on)

    def at(self, pointer, offset, kind="ptr"):
        """What is `offset` bytes behind a pointer."""
        return self.w.let(f"load {kind}, ptr {self.w.cell('i8', pointer, offset)}")

    def item(self, pointer, index, kind="i64"):
        """A word of an array of words."""
        return self.w.let(f"load {kind}, ptr {self.w.cell('i64', pointer, index)}")

    def store(self, value, pointer, index="0", kind="i64"):
        self.w.do(f"store {kind} {value}, ptr {self.w.cell('i64', pointer, index)}")

    def get(self, name, kind="i64"):
        return self.item("%state", WORD[name], kind)

    def put(self, name, value, kind="i64"):
        self.store(value, "%state", WORD[name], kind)

    def same(self, a, b, kind="ptr"):
        return self.w.let(f"icmp eq {kind} {a}, {b}")

    def differ(self, a, b, kind="i64"):
        return self.w.let(f"icmp ne {kind} {a}, {b}")

    def both(self, *conditions):
        first, *rest = conditions
        for c in rest:
            first = self.w.let(f"and i1 {first}, {c}")
        return first

    def either(self, *conditions):
        first, *rest = conditions
        for c in rest:
            first = self.w.let(f"or i1 {first}, {c}")
        return first

    def api(self, name, gives, *args):
        """Call a function of Python whose address is a word."""
        line = f"call {gives} {self.get(name, 'ptr')}({', '.join(args)})"
        return self.w.do(line) if gives == "void" else self.w.let(line)

    def decref(self, pointer):
        """Give up a reference, if there is one."""
        with self.w.when(self.differ(pointer, "null", "ptr")):
            self.api("Py_DecRef", "void", f"ptr {pointer}")


# -- what `run` calls


def make(module):
    """A new array for a result; its address is kept among the words `made`.  In a step of a loop
    it takes the place of that of the step before."""
    f = Writing(module, "make", "ptr %state, i64 %number, ptr %lengths", linkage="")
    w = f.w
    record = w.cell("i64", f.get("kinds", "ptr"), w.let(f"mul i64 %number, {len(KIND)}"))
    dtype = f.item(record, 1, "ptr")
    array = new_array(f, dtype, w.let(f"trunc i64 {f.item(record, 0)} to i32"), "%lengths")
    made = f.get("made", "ptr")
    before = f.item(made, "%number", "ptr")
    f.store(array, made, "%number", "ptr")
    f.decref(before)
    f.end(f.at(array, DATA))


def new_array(f, dtype, ndim, lengths):
    f.api("Py_IncRef", "void", f"ptr {dtype}")  # the call takes one
    array = f.api("new_array", "ptr", f"ptr {f.get('array', 'ptr')}", f"ptr {dtype}",
                  f"i32 {ndim}", f"ptr {lengths}", "ptr null", "ptr null", "i32 0", "ptr null")
    f.leave(f.same(array, "null"), "null")
    return array


def place(module):
    """A row of the array in which the results of many calls are collected; an array of its own
    where the result is not an output, or of other lengths than the row."""
    f = Writing(module, "place", "ptr %state, i64 %number, ptr %lengths", linkage="")
    w = f.w
    record = w.cell("i64", f.get("kinds", "ptr"), w.let(f"mul i64 %number, {len(KIND)}"))
    out, ndim = f.item(record, 2, "ptr"), f.item(record, 0)
    mine, other = w.label("mine"), w.label("other")
    w.branch(f.same(out, "null"), other, mine)
    w.block(other)
    w.do(f"ret ptr {w.let('call ptr @make(ptr %state, i64 %number, ptr %lengths)')}")
    w.block(mine)
    with w.loop(ndim, carried=[("i64", "0")]) as axis:
        want = f.item(w.cell("i64", out, 2), axis.index)
        differ = w.let(f"xor i64 {want}, {f.item('%lengths', axis.index)}")
        axis.next = [w.let(f"or i64 {axis.values[0]}, {differ}")]
    with w.when(f.differ(axis.out[0], "0")):
        f.put("strayed", "1")
        w.jump(other)
        w.block(w.label("never"))
    f.end(w.cell("i8", f.item(out, 0, "ptr"),
                 w.let(f"mul i64 {f.get('turn')}, {f.item(out, 1)}")))


def grow(module):
    """A larger arena; what is in the present one stays where it is until the call is over."""
    f = Writing(module, "grow", "ptr %state, i64 %size", linkage="")
    w = f.w
    length = w.alloca("i64")
    w.do(f"store i64 {w.let(f'add i64 %size, {LINE}')}, ptr {length}")
    array = new_array(f, f.get("bytes", "ptr"), "1", length)
    f.put("old", f.get("block"))
    f.put("block", array, "ptr")
    start = w.let(f"add i64 {f.at(array, DATA, 'i64')}, {LINE - 1}")
    start = w.let(f"and i64 {start}, -{LINE}")
    f.store(start, "%state", STATE.index("arena"))
    f.store("%size", "%state", STATE.index("room"))
    f.end(w.let(f"inttoptr i64 {start} to ptr"))


def free(module):
    """`make`, `place` and `grow` for a program that runs without the GIL: they take it."""
    for name, word in (("free_make", "maker"), ("free_grow", "grower")):
        args = "i64 %number, ptr %lengths" if word == "maker" else "i64 %size"
        f = Writing(module, name, f"ptr %state, {args}", linkage="")
        f.api("PyEval_RestoreThread", "void", f"ptr {f.get('thread', 'ptr')}")
        got = f.w.let(f"call ptr {f.get(word, 'ptr')}(ptr %state, {args})")
        f.put("thread", f.api("PyEval_SaveThread", "ptr"), "ptr")
        f.end(got)


# -- arguments and shared variables


def leaf(module):
    """Write an object's row of the table: 0 if it is not just what `record` says, 1 if the row was
    as it is, 2 if not."""
    f = Writing(module, "leaf", "ptr %state, ptr %object, ptr %record, ptr %row", "i64")
    w = f.w
    of = {name: k for k, name in enumerate(LEAF)}
    kind = f.at("%object", TYPE)
    array, number, whole, other = (w.label(x) for x in ("array", "number", "whole", "other"))
    w.branch(f.same(kind, f.get("array", "ptr")), array, other)
    w.block(other)
    found = [f.same(kind, f.item("%record", of[x], "ptr")) for x in ("number", "float")]
    more = w.label("more")
    w.branch(f.either(*found), number, more)
    w.block(number)
    f.store(w.cell("i8", "%object", NUMBER), "%row", kind="ptr")
    w.do("ret i64 1")
    w.block(more)
    f.leave(f.differ(kind, f.item("%record", of["int"], "ptr"), "ptr"), "0")
    w.jump(whole)
    w.block(whole)
    over = w.alloca("i32")
    value = f.api("PyLong_AsLongLongAndOverflow", "i64", "ptr %object", f"ptr {over}")
    f.leave(f.differ(w.let(f"load i32, ptr {over}"), "0", "i32"), "0")
    f.leave(f.either(w.let(f"icmp slt i64 {value}, {f.item('%record', of['low'])}"),
                     w.let(f"icmp sgt i64 {value}, {f.item('%record', of['high'])}")), "0")
    slot = w.cell("i64", "%record", of["slot"])  # the first bytes of it are a narrower integer
    w.do(f"store i64 {value}, ptr {slot}")
    f.store(slot, "%row", kind="ptr")
    w.do("ret i64 1")

    w.block(array)
    ndim, itemsize = f.item("%record", of["ndim"]), f.item("%record", of["itemsize"])
    want = w.let(f"trunc i64 {f.item('%record', of['flags'])} to i32")
    flags = w.let(f"and i32 {f.at('%object', FLAGS, 'i32')}, {want}")
    f.leave(w.let("xor i1 true, " + f.both(
        f.same(f.at("%object", NDIM, "i32"), w.let(f"trunc i64 {ndim} to i32"), "i32"),
        f.same(f.at("%object", DTYPE), f.item("%record", of["dtype"], "ptr")),
        f.same(flags, want, "i32"))), "0")
    data = f.at("%object", DATA, "i64")
    changed = w.let(f"xor i64 {data}, {f.item('%row', 0)}")
    f.store(data, "%row")
    lengths, strides = f.at("%object", LENGTHS), f.at("%object", STRIDES)
    known, low = w.cell("i64", "%record", len(LEAF)), w.let(f"sub i64 {itemsize}, 1")
    last = w.let(f"sub i64 {ndim}, 1")
    second = w.cell("i64", w.cell("i64", "%row", 1), ndim)
    with w.loop(ndim, carried=[("i64", changed), ("i1", "false")]) as axis:
        k, (new, bad) = axis.index, axis.values
        n, s, declared = f.item(lengths, k), f.item(strides, k), f.item(known, k)
        gaps = f.both(f.same(k, last, "i64"), f.differ(s, itemsize),
                      w.let(f"icmp sgt i64 {n}, 1"))
        bad = f.either(bad, gaps, f.differ(w.let(f"and i64 {s}, {low}"), "0"), f.both(
            f.differ(declared, "-1"), f.differ(declared, n)))
        for block, k0, value in (("%row", w.let(f"add i64 {k}, 1"), n), (second, k, s)):
            differ = w.let(f"xor i64 {value}, {f.item(block, k0)}")
            new = w.let(f"or i64 {new}, {differ}")
            f.store(value, block, k0)
        axis.next = [new, bad]
    f.leave(axis.out[1], "0")
    f.end(w.select(f.differ(axis.out[0], "0"), "i64", "2", "1"))


def span(module):
    """The first address of an operand's memory and the one behind it; both may be too wide."""
    f = Writing(module, "span", "ptr %record, ptr %row, ptr %out", "void")
    w = f.w
    ndim, data = f.item("%record", 0), f.item("%row", 0)
    end = w.let(f"add i64 {data}, {f.item('%record', LEAF.index('itemsize'))}")
    lengths = w.cell("i64", "%row", 1)
    strides = w.cell("i64", lengths, ndim)
    with w.loop(ndim, carried=[("i64", data), ("i64", end)]) as axis:
        n = w.let(f"sub i64 {f.item(lengths, axis.index)}, 1")
        reach = w.let(f"mul i64 {n}, {f.item(strides, axis.index)}")
        axis.next = [w.let(f"add i64 {v}, {w.intrinsic(word, 'i64', reach, '0')}")
                     for v, word in zip(axis.values, ("smin", "smax"), strict=True)]
    f.store(axis.out[0], "%out")
    f.store(axis.out[1], "%out", 1)
    f.end("")


def meets(module):
    """Whether a leaf's span meets that of a variable that is written in place, itself apart."""
    f = Writing(module, "meets", "ptr %state, i64 %leaf", "i1")
    w = f.w
    spans, writes = f.get("spans", "ptr"), f.get("writes", "ptr")
    mine = w.cell("i64", spans, w.let("shl i64 %leaf, 1"))
    low, high = f.item(mine, 0), f.item(mine, 1)
    with w.loop(f.get("written"), carried=[("i1", "false")]) as one:
        other = f.item(writes, one.index)
        theirs = w.cell("i64", spans, w.let(f"shl i64 {other}, 1"))
        met = f.both(w.let(f"icmp ult i64 {low}, {f.item(theirs, 1)}"),
                     w.let(f"icmp ult i64 {f.item(theirs, 0)}, {high}"),
                     f.differ(other, "%leaf"))
        one.next = [f.either(one.values[0], met)]
    f.end(one.out[0])


def each(f, start, stop, inside, carried=()):
    """Go through leaves: ``inside(k, record, row, values) -> values``; (the values, record, row
    behind the last)."""
    w = f.w
    record, row = start
    with w.loop(*stop, carried=[("ptr", record), ("ptr", row), *carried]) as one:
        record, row, *values = one.values
        ndim = f.item(record, 0)
        values = inside(one.index, record, row, values)
        words = w.let(f"add i64 {ndim}, {len(LEAF)}")
        length = w.let(f"add i64 {w.let(f'shl i64 {ndim}, 1')}, 1")
        one.next = [w.cell("i64", record, words), w.cell("i64", row, length), *values]
    return one.out[2:], one.out[0], one.out[1]


def settle(module):
    """Whether no memory that is written belongs to two: spans of leaves from `first` on, each
    against all that are written."""
    f = Writing(module, "settle",
                "ptr %state, ptr %record, ptr %row, i64 %first, i64 %stop", "i1")
    w = f.w

    def one(k, record, row, values):
        out = w.cell("i64", f.get("spans", "ptr"), w.let(f"shl i64 {k}, 1"))
        w.do(f"call void @span(ptr {record}, ptr {row}, ptr {out})")
        return []

    each(f, ("%record", "%row"), ("%stop", "%first"), one)
    with w.loop("%stop", "%first", carried=[("i1", "true")]) as leaf:
        met = w.let(f"call i1 @meets(ptr %state, i64 {leaf.index})")
        leaf.next = [f.both(leaf.values[0], w.let(f"xor i1 {met}, true"))]
    f.end(leaf.out[0])
