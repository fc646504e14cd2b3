"""Values of a plan as a driver sees them: where they lie, their strides and lengths, and views of
them, which cost no more than a little arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from symgrad.compile.backends.llvm.ir import MEMORY
from symgrad.errors import ShapeError
from symgrad.op import explain
from symgrad.ops.index import FULL, Slice
from symgrad.ops.lengths import known


@dataclass
class Value:
    """Elements in memory: the address of the first, strides in elements, lengths; all are texts
    of i64 values, numbers where they are known."""

    pointer: str
    dtype: str
    strides: tuple
    lengths: tuple


class Plus(NamedTuple):
    """A length, and some more."""

    base: object
    more: int

    def __str__(self):
        return f"({self.base} + {self.more})"


def plus(d, more):
    """A length that is longer by a number."""
    if type(d) is Plus:
        return Plus(d.base, d.more + more)
    return d + more if isinstance(d, int) else Plus(d, more)


class Lengths:
    """Arithmetic with lengths; what was computed once is not computed again.  `before`: lengths
    learnt from a value that was to be checked by another one."""

    def __init__(self, w):
        self.w, self.of, self.memo, self.before = w, {}, {}, {}

    def length(self, d):
        if type(d) is Plus:
            return self.add(self.length(d.base), str(d.more))
        return str(d) if isinstance(d, int) else self.of[d]

    def shape(self, type):
        return tuple([self.length(d) for d in type.shape])

    def binary(self, word, a, b):
        """``add``, ``sub``, ``mul``, ``smax`` or ``smin`` of two i64."""
        if constant(a) and constant(b):
            return str(FOLD[word](int(a), int(b)))
        if word == "mul" and "0" in (a, b):
            return "0"
        if (word, b) in (("add", "0"), ("sub", "0"), ("mul", "1")):
            return a
        if (word, a) in (("add", "0"), ("mul", "1")):
            return b
        key = word, a, b
        if key not in self.memo:
            if word in ("smax", "smin"):
                made = self.w.intrinsic(word, "i64", a, b)
            else:
                made = self.w.let(f"{word} nsw i64 {a}, {b}")
            self.memo[key] = made
        return self.memo[key]

    def mul(self, a, b):
        return self.binary("mul", a, b)

    def add(self, a, b):
        return self.binary("add", a, b)

    def product(self, lengths):
        total = "1"
        for n in lengths:
            total = self.mul(total, n)
        return total

    def dense(self, lengths):
        """Strides of memory without gaps."""
        strides, step = [], "1"
        for n in reversed(lengths):
            strides.append(step)
            step = self.mul(step, n)
        return tuple(strides[::-1])


FOLD = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
        "smax": max, "smin": min}


def constant(text):
    return text[0] != "%"


# -- views


def viewable(node):
    """Whether a view needs no more than arithmetic, and cannot fail (but for an index)."""
    check = VIEWS.get(node.op.name)
    return check is not None and check(node)


def _ones(node):
    return all(node.inputs[0].type.shape[a] == 1 for a in node.attrs[0])


def _fits(node):
    x = node.inputs[0].type.shape
    lead = node.type.ndim - len(x)
    return all(d == 1 or d == node.type.shape[lead + k] for k, d in enumerate(x))


def same_count(node):
    """Whether a reshape surely keeps the number of elements: the same lengths but for ones, or the
    same product of them."""
    def factors(shape):
        number, dims = 1, []
        for d in shape:
            if isinstance(d, int):
                number *= d
            else:
                dims.append(id(d))
        return number, sorted(dims)

    shape = node.type.shape
    if any(known(w) != d for w, d in zip(node.inputs[1:], shape, strict=True)):
        return False
    return factors(shape) == factors(node.inputs[0].type.shape)


def _steps_known(node):
    return all(not isinstance(e, Slice) or e.step != "@" for e in node.attrs[0])


VIEWS = {
    "transpose": lambda n: True,
    "unsqueeze": lambda n: True,
    "unbroadcast": lambda n: True,
    "squeeze": _ones,
    "broadcast_to": _fits,
    "specify_shape": _fits,
    "reshape": lambda n: True,
    "subtensor": _steps_known,
}


def asked(driver, node):
    """Learn and check the lengths that a node's scalars ask for."""
    w, found = driver.w, []
    for n, d in zip(node.inputs[1:], node.type.shape, strict=True):
        found.append(driver.lengths.length(d) if known(n) == d else driver.integer(n))

    def error(bad):
        problem = ShapeError(f"a length of {bad[0]} does not fit one of {bad[1]}"
                             if bad[0] >= 0 else f"a length is negative: {bad[0]}")
        return explain(problem, node.op, node.inputs, node.origin)

    for n in found:
        if not constant(n):
            driver.refuse(w.let(f"icmp slt i64 {n}, 0"), error, n, "0")
    driver.bind(node, found)
    for n, d in zip(found, node.type.shape, strict=True):
        want = driver.lengths.length(d)
        if n != want:
            driver.refuse(w.let(f"icmp ne i64 {n}, {want}"), error, n, want)


def transposed(x, axes):
    return Value(x.pointer, x.dtype, tuple([x.strides[a] for a in axes]),
                 tuple([x.lengths[a] for a in axes]))


def unsqueezed(x, axes, ndim):
    rest = iter(zip(x.strides, x.lengths, strict=True))
    pairs = [("0", "1") if k in axes else next(rest) for k in range(ndim)]
    return Value(x.pointer, x.dtype, tuple([s for s, _ in pairs]), tuple([n for _, n in pairs]))


def squeezed(x, axes):
    kept = [k for k in range(len(x.lengths)) if k not in axes]
    return transposed(x, kept)


def stretched(x, node, lengths):
    """broadcast_to: axes of length one have stride 0."""
    lead = node.type.ndim - len(x.lengths)
    shape = node.inputs[0].type.shape
    strides = ["0"] * lead + [
        "0" if d == 1 and node.type.shape[lead + k] != 1 else s
        for k, (d, s) in enumerate(zip(shape, x.strides, strict=True))]
    return Value(x.pointer, x.dtype, tuple(strides), lengths)


def repeated(x):
    """A stack of one, to be read as one of any length."""
    return Value(x.pointer, x.dtype, ("0", *x.strides[1:]), x.lengths)


def part(lengths, x, idx, scalars, refuse):
    """x[idx] of integers and slices; `scalars` gives the values of its ``"@"`` in turn;
    ``refuse(wrong, k, axis, n)`` ends the run if an integer is out of range."""
    w, offset, strides, kept = lengths.w, "0", [], []

    def bound(p, default):
        return default if p is None else next(scalars) if p == "@" else str(p)

    for axis, (entry, stride, n) in enumerate(zip(idx, x.strides, x.lengths, strict=True)):
        if entry == FULL:
            strides.append(stride)
            kept.append(n)
            continue
        if not isinstance(entry, Slice):
            k = bound(entry, None)
            place = from_front(lengths, k, n)
            if not (constant(place) and constant(n) and 0 <= int(place) < int(n)):
                refuse(w.let(f"icmp uge i64 {place}, {n}"), k, axis, n)
            offset = lengths.add(offset, lengths.mul(place, stride))
            continue
        step = entry.step or 1
        start, count = reach(lengths, bound(entry.start, None), bound(entry.stop, None), step, n)
        # an empty slice may start one past the end
        offset = lengths.add(offset, lengths.mul(start, stride))
        strides.append(lengths.mul(stride, str(step)))
        kept.append(count)
    pointer = x.pointer if offset == "0" else w.cell(MEMORY[x.dtype], x.pointer, offset)
    return Value(pointer, x.dtype, tuple(strides), tuple(kept))


def slid(lengths, x, size, step, dilation, at):
    """The windows of x, as `ops/conv.py` lays them out: they overlap."""
    inner, outer, counts = [], [], []
    for n, k, stride, s, d in zip(x.lengths[-2:], size, x.strides[-2:], step, dilation,
                                  strict=True):
        reach = lengths.mul(lengths.binary("sub", k, "1"), str(d))
        room = lengths.binary("sub", lengths.add(n, str(s - 1)), reach)
        room = lengths.binary("smax", room, "0")
        counts.append(str(int(room) // s) if constant(room) else room if s == 1 else
                      lengths.w.let(f"sdiv i64 {room}, {s}"))
        inner.append(lengths.mul(stride, str(d)))
        outer.append(lengths.mul(stride, str(s)))
    strides, lead = x.strides[:-2], x.lengths[:-2]
    return Value(x.pointer, x.dtype, (*strides[:at], *inner, *strides[at:], *outer),
                 (*lead[:at], *size, *lead[at:], *counts))


def from_front(lengths, k, n):
    """An index that may count from the end, from the front."""
    if constant(k):
        return k if int(k) >= 0 else lengths.add(n, k)
    w = lengths.w
    negative = w.let(f"icmp slt i64 {k}, 0")
    return w.select(negative, "i64", lengths.add(k, n), k)


def reach(lengths, start, stop, step, n):
    """(first index, how many) of a slice along an axis of length n, as Python counts them."""
    low, high = ("0", n) if step > 0 else ("-1", lengths.binary("sub", n, "1"))

    def clipped(p, default):
        if p is None:
            return default
        inside = lengths.binary("smin", from_front(lengths, p, n), high)
        return lengths.binary("smax", inside, low)

    first = clipped(start, low if step > 0 else high)
    last = clipped(stop, high if step > 0 else low)
    span = lengths.binary("sub", last, first) if step > 0 else lengths.binary("sub", first, last)
    if abs(step) > 1:
        span = lengths.add(span, str(abs(step) - 1))
        span = lengths.binary("smax", span, "0")
        if constant(span):
            return first, str(int(span) // abs(step))
        return first, lengths.w.let(f"sdiv i64 {span}, {abs(step)}")
    return first, lengths.binary("smax", span, "0")


def reshaped(driver, node, x):
    """The lengths of a reshape that only the call tells; it ends if they are not for as many
    elements as there are."""
    lengths, w = driver.lengths, driver.w
    asked = [d if (d := known(i)) is not None else driver.integer(i) for i in node.inputs[1:]]
    asked = [d if isinstance(d, str) else lengths.length(d) for d in asked]
    count, product = lengths.product(x.lengths), lengths.product(asked)
    unsure = [k for k, i in enumerate(node.inputs[1:]) if (d := known(i)) is None or d == -1]
    if unsure:  # one of them may be -1: what is left
        rest = w.let(f"sub i64 0, {product}")
        rest = lengths.binary("smax", rest, "1")
        rest = w.let(f"sdiv i64 {count}, {rest}")
        for k in unsure:
            open_ = w.let(f"icmp eq i64 {asked[k]}, -1")
            asked[k] = w.select(open_, "i64", rest, asked[k])
        product = "1"
        for n in asked:
            product = w.let(f"mul i64 {product}, {n}")
    wrong = w.let(f"icmp ne i64 {product}, {count}")
    for k in unsure:
        wrong = w.let(f"or i1 {wrong}, {w.let(f'icmp slt i64 {asked[k]}, 0')}")

    def error(bad):
        problem = ShapeError(f"cannot reshape {bad[0]} elements to {bad[1]}")
        return explain(problem, node.op, node.inputs, node.origin)

    driver.refuse(wrong, error, count, product)
    return tuple(asked)
