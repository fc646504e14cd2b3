"""Rows in blocks: the parts of a loop over rows, each for some rows before the next part.

A loop over rows that has several loops along a row in it (a maximum, a sum of exponentials, what
is divided by it) makes each of them wait for the one before, which short rows make felt, and does
what stands between them with single numbers.  So each part goes through a block of rows at once:
its passes do not wait for one another, and what stands between loops is a loop over rows itself,
of vectors.  What a part makes for another is kept for each row of the block, on the stack.  Long
rows are blocks of their own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from symgrad.compile.backends.llvm.inner import CHEAP, vectors
from symgrad.compile.backends.llvm.ir import MEMORY
from symgrad.compile.backends.llvm.lanes import Array
from symgrad.compile.kernel import Apply, Axis, Index, Lit, Load, walk
from symgrad.compile.nest import Assign, Fold, For, Local, expressions, statements

LEAST = 3  # loops along a row, from which on they are worth a block whatever they compute
ROWS = 32  # of a block, at most
ROOM = 2048  # elements of all buffers that are kept for a block, about
FEW = 8  # passes, if their number is known, that make no block
MOST = 64  # locals and buffers that are kept for each row
WHOLE = 16  # rows in buffers begin at multiples of it: the lanes of the widest vector of floats


@dataclass
class Block:
    """What is kept for each row of a block: locals, {local: name of an array}, and buffers, {name:
    length}; and the lengths of the loops along a row."""

    numbers: dict
    buffers: dict
    lengths: tuple


def uses(nest):
    """{name of a buffer: (its lengths, how often the nest touches it)}."""
    if not nest.buffers:
        return {}
    count = Counter([x.source for x in touched(nest.body) if type(x) is Load])
    return {b.name: (b.lengths, count[b.name]) for b in nest.buffers}


def block(loop, buffers):
    """How a loop is cut into parts, in a nest whose `uses` are given; None if it is not."""
    inner, parts = [s for s in loop.body if type(s) is For], cut(loop.body)
    if not inner or any(type(s) not in (Assign, Fold) for f in inner for s in f.body):
        return None
    if isinstance(loop.length, int) and loop.length < FEW or len(inner) < LEAST and not any(
            dear(s) for part in parts if part[-1] is not inner[-1] for s in statements(part)):
        return None  # little to wait for
    where, places = {}, {}  # of locals and arrays by name: parts that touch them, indices
    for k, part in enumerate(parts):
        for x in touched(part):
            name = x if type(x) is Local else x.source
            where.setdefault(name, {})[k] = True
            if type(x) is Load:
                places.setdefault(name, []).append(x.at)
    numbers = {s.cell: f"{s.cell.name} of rows" for s in loop.body if type(s) is Assign
               and type(s.cell) is Local and len(where[s.cell]) > 1}
    made = {s.cell.source: True for s in statements(loop.body)
            if type(s) is Assign and type(s.cell) is Load}
    anew = {name: buffers[name][0] for name in made if name in buffers and len(where[name]) > 1
            and len(places[name]) == buffers[name][1]}  # in each pass, and used nowhere else
    if len(numbers) + len(anew) > MOST or any(len(shape) != 1 for shape in anew.values()):
        return None
    for c in written(loop.body):
        name = c if type(c) is Local else c.source
        if len(where[name]) > 1 and name not in numbers and name not in anew and (
                not apart(places.get(name, ()), loop.letter)):
            return None
    anew = {name: length for name, (length,) in anew.items()}
    lengths = dict.fromkeys([*[f.length for f in inner], *anew.values()])
    return Block(numbers, anew, tuple(lengths))


def cut(body):
    """The statements of a body in parts: each loop by itself, but for the start of its sum; what
    stands between them together."""
    parts = []
    for s in body:
        begun = parts and type(parts[-1][-1]) is not For
        if begun and (type(s) is not For or all(type(x.expr) is Lit for x in parts[-1])):
            parts[-1].append(s)
        else:
            parts.append([s])
    return parts


def dear(s):
    return any(type(x) is Apply and x.row not in CHEAP for x in walk(s.expr))


def touched(body):
    """Every local and every element that a body reads or writes."""
    for s in statements(body):
        for e in expressions(s):
            yield from [x for x in walk(e) if type(x) in (Local, Load)]


def written(body):
    """The cells that a body writes."""
    for s in statements(body):
        yield from [c for c in (s.cell, getattr(s, "best", None)) if c is not None]


def apart(places, letter):
    """Whether each pass of a loop has elements of an array for itself, of these indices."""
    mine = [{k for k, a in enumerate(at) if a == Axis(letter)} for at in places]
    return bool(mine and set.intersection(*mine))


# -- writing


def write(kernel, loop, found):
    """Write a loop of a kernel (a `kernels.Body`) in blocks."""
    w, letter, outer, stop = kernel.w, loop.letter, kernel.arrays, kernel.extent[loop.letter]
    share = max(ROOM // max(len(found.buffers), 1) // WHOLE, 1) * WHOLE
    step = "1"
    for d in found.lengths:
        step = w.intrinsic("smax", "i64", kernel.length(d), step)
    step = w.let(f"and i64 {w.let(f'add i64 {step}, {WHOLE - 1}')}, -{WHOLE}")
    short = w.let(f"icmp ule i64 {step}, {share}")
    size = w.let(f"trunc i64 {w.intrinsic('smin', 'i64', step, str(share))} to i32")
    count = w.let(f"zext i32 {w.let(f'udiv i32 {share}, {size}')} to i64")
    count = w.intrinsic("smin", "i64", count, str(ROWS))
    kept = [(name, c.dtype, w.alloca(f"[{ROWS} x {MEMORY[c.dtype]}], align 64"), ("1",))
            for c, name in found.numbers.items()]
    for name in found.buffers:
        dtype = outer[name].dtype
        own = w.alloca(f"[{share} x {MEMORY[dtype]}], align 64")
        pointer = w.let(f"select i1 {short}, ptr {own}, ptr {outer[name].pointer}")
        kept.append((name, dtype, pointer, (step, "1")))
    kernel.roomy |= set(found.numbers.values())
    parts = cut([_kept(s, kernel, letter, found) for s in loop.body])
    with w.loop(stop, step=count) as rows:
        end = w.intrinsic("smin", "i64", w.let(f"add nsw i64 {rows.index}, {count}"), stop)
        kernel.arrays, back = dict(outer), w.let(f"sub nsw i64 0, {rows.index}")
        for name, dtype, pointer, steps in kept:
            first = kernel.times(back, steps[0])
            kernel.arrays[name] = Array(w.cell(MEMORY[dtype], pointer, first), dtype, steps)
        kernel.start[letter], kernel.extent[letter] = rows.index, end
        for part in parts:
            one = For(letter, loop.length, part)
            if type(part[-1]) is For:
                kernel.passes(one)
            else:
                vectors(kernel, one)
    kernel.arrays, kernel.extent[letter] = outer, stop
    del kernel.start[letter]


def _kept(e, kernel, letter, found):
    """A statement or an expression with what is kept for each row where it is kept."""
    kind = type(e)

    def again(x):
        return _kept(x, kernel, letter, found)

    if kind is For:
        return For(e.letter, e.length, [again(s) for s in e.body])
    if kind in (Assign, Fold):
        return replace(e, **{f: again(x) for f in ("cell", "expr", "best", "index")
                             if (x := getattr(e, f, None)) is not None})
    if kind is Local and e in found.numbers:
        return Load(found.numbers[e], (Axis(letter),), e.dtype)
    if kind is Load:
        at = tuple([again(a) for a in e.at])
        return replace(e, at=(Axis(letter), *at) if e.source in found.buffers else at)
    if kind is Apply:
        return replace(e, args=tuple([again(a) for a in e.args]))
    if kind is Index:
        return kernel.check(e, again(e.expr))
    return e
