"""How much memory a call needs, told from the shapes of its arguments: ``f.memory(shapes)``; and
``f.ir``, ``f.asm``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from symgrad import origin
from symgrad.compile.backends import part
from symgrad.compile.memory import Rows
from symgrad.compile.plan import Unexpected, mismatch
from symgrad.config import config
from symgrad.errors import ArgumentError, MissingInputError, ShapeError, near
from symgrad.interpret import run
from symgrad.node import CONST
from symgrad.op import apply
from symgrad.ops.conv import shape_of_windows
from symgrad.types import BYTES, Dim, Type


@dataclass(frozen=True)
class Need:
    """Bytes that a call takes: `arena`, kept from call to call and enough for all that is alive at
    once; `fresh`, in arrays that the call makes (what it returns, what Python computes)."""

    arena: int
    fresh: int

    @property
    def total(self):
        return self.arena + self.fresh

    def __str__(self):
        return f"{self.total:,} bytes: {self.arena:,} kept between calls, {self.fresh:,} made anew"


class Native:
    """What a `Function` tells of its machine code and of its memory."""

    __slots__ = ()

    @property
    def ir(self):
        """The LLVM IR of a function of the llvm backend; AttributeError for another."""
        return self._machine("ir")

    @property
    def asm(self):
        """The same in the machine's language."""
        return self._machine("asm")

    def _machine(self, word):
        if not hasattr(self.code, word):
            raise AttributeError(f"{self.name or 'function'}.{word}: there is no machine code, it "
                                 f"was compiled for {self.report.backend}; say backend='llvm'")
        return getattr(self.code, word)

    def memory(self, shapes=(), **named):
        """How many bytes a call takes, as a `Need`.  Shapes by position, name or variable; an array
        or a number in place of a shape where lengths depend on values.

        >>> f = sg.function([x], T.exp(x).sum(), backend="llvm")               # doctest: +SKIP
        >>> print(f.memory([(1000, 1000)]))                                    # doctest: +SKIP
        72 bytes: 64 kept between calls, 8 made anew
        """
        said = given([(i.name, i.variable) for i in self.program.inputs], shapes, named)
        try:
            return need(self.code, said, self._shared)
        except (Unexpected, ShapeError):  # what fits nobody is said by the general program
            code, containers = self._unhurried()
            return need(code, said, containers)


class Lengths(dict):
    """``{Dim: length}``, also for the rows of a cache-sized block."""

    def __missing__(self, key):
        if hasattr(key, "more"):  # a length, and some more
            return self.of(key.base) + key.more
        if type(key) is not Rows:
            raise KeyError(key)
        inner = key.itemsize * int(np.prod([self.of(d) for d in key.inner], dtype=np.int64))
        return min(self.of(key.length), max(1, config.block_bytes // max(1, inner)))

    def of(self, d):
        return d if isinstance(d, int) else self[d]

    def bytes(self, type):
        """The size of a value."""
        return BYTES[type.dtype] * int(np.prod([self.of(d) for d in type.shape], dtype=np.int64))


def given(inputs, shapes, named):
    """What was said of each input: a shape, an array or None; `inputs`: pairs (name, variable)."""
    found = [None] * len(inputs)
    names = [name for name, _ in inputs]
    if isinstance(shapes, dict):
        named = {**shapes, **named}
        shapes = ()
    if len(shapes) > len(inputs):
        raise ArgumentError(f"memory: {len(shapes)} shapes for {len(inputs)} inputs")
    found[:len(shapes)] = shapes
    for key, value in named.items():
        at = key if isinstance(key, int) and 0 <= key < len(inputs) else next(
            (k for k, (name, v) in enumerate(inputs) if key is v or name == key and name), None)
        if at is None:
            raise ArgumentError(f"memory: no input {key!r}: {near(key, filter(None, names))}")
        found[at] = value
    return found


def lengths(plan, said, held):
    """The `Lengths` of a plan for shapes or arrays of its inputs, and arrays of its shared
    variables.  Lengths that depend on values are computed, where arrays say enough.

    Raises ArgumentError for what is missing, ShapeError for lengths that do not agree, and
    `plan.Unexpected` where the general program would run.
    """
    known, arrays = Lengths(), {}
    for leaf, what in zip((*plan.inputs, *plan.shared), (*said, *held), strict=True):
        shape = what
        if not isinstance(what, tuple | list) and what is not None:
            arrays[leaf] = np.asarray(what, leaf.type.dtype)
            shape = arrays[leaf].shape
        elif what is None and not leaf.type.ndim:
            shape = ()
        _bind(plan, leaf, shape, known)
    _follow(plan, arrays, known)
    later = [n for n in plan.nodes if n in plan.places]
    missing = [n for n in later if any(isinstance(p.length, Dim) and p.length not in known
                                       for p in plan.places[n])]
    if len(arrays) == len(said) + len(held):
        missing = later  # lengths that are only compared may differ, too
    try:
        values = run(missing, arrays)
    except MissingInputError:
        n = missing[0]
        raise ArgumentError(origin.report(
            f"memory: a length of {n.op.name} depends on values: give arrays of the inputs "
            "instead of shapes", n.inputs, n.origin)) from None
    for n, value in zip(missing, values, strict=True):
        _bind(plan, n, value.shape, known)
    return known


def _follow(plan, arrays, known):
    """Bind the lengths that views, windows, joins and loops make of other lengths: what can be told
    without the elements of any array."""
    exact = dict(arrays)

    def value(n):
        """A scalar's value, or an array of the right shape; None where neither is known."""
        if n.op is CONST:
            return n.data
        if not n.type.ndim:
            return exact.get(n)
        try:
            return np.broadcast_to(np.zeros((), n.type.dtype), [known.of(d) for d in n.type.shape])
        except KeyError:
            return None

    for n in plan.nodes:
        if n.op.kind == "item" and n in plan.places:
            whole = n.inputs[0]
            steps = value(whole.inputs[0])
            if steps is None:
                continue
            if whole.op.kind == "branch":
                operands = [Type(i.type.dtype, tuple([known.get(d, d) for d in i.type.shape]))
                            for i in whole.inputs[1:]]
                side = whole.attrs[0 if steps else 1].shapes(tuple(operands))[0]
                shape = side[n.attrs[0]].shape
            else:
                rows = whole.attrs[0].rows(n.attrs[0], int(steps))
                shape = (rows, *[known.get(d, d) for d in n.type.shape[1:]])
            if all(isinstance(d, int) for d in shape):
                _bind(plan, n, shape, known)
            continue
        scalar = not n.type.ndim and n.op.kind in ("elementwise", "source")
        if not scalar and n not in plan.places:
            continue
        values = [value(i) for i in n.inputs]
        if any(v is None for v in values):
            continue
        if scalar:
            exact[n] = apply(n, values)
        elif n.op.name == "join":
            axis, shape = n.attrs[0], list(values[0].shape)
            shape[axis] = sum([v.shape[axis] for v in values])
            _bind(plan, n, shape, known)
        elif n.op.name == "reshape":
            sizes = [int(v) for v in values[1:]]
            if -1 in sizes:  # as many as are left
                sizes[sizes.index(-1)] = values[0].size // max(-int(np.prod(sizes)), 1)
            _bind(plan, n, sizes, known)
        elif n.op.name == "windows":
            size = [int(v) for v in values[1:]]
            _bind(plan, n, shape_of_windows(values[0].shape, size, *n.attrs), known)
        elif n.op.kind == "view":
            _bind(plan, n, apply(n, values).shape, known)


def _bind(plan, node, shape, known):
    name = repr(node)
    if shape is None:
        raise ArgumentError(f"memory: the shape of {name} is missing")
    if len(shape) != node.type.ndim:
        raise ShapeError(f"memory: {name} has {node.type.ndim} axes, not {len(shape)}")
    for n, want in zip(shape, plan.pool.source.get(node, node).type.shape, strict=True):
        if isinstance(want, int) and n != want:
            raise ShapeError(f"memory: {name} is {node.type!r}, not {tuple(shape)}")
    for place in plan.places.get(node, ()):
        have = int(shape[place.axis])
        if isinstance(place.length, Dim) and place.length not in known:
            known[place.length] = have  # maybe before the place that binds it in a call
        elif have != known.of(place.length):
            raise mismatch(place, have, known.of(place.length))


def need(code, said, containers):
    """The `Need` of a compiled program, for what was said of its inputs (`given`): exact for llvm;
    an estimate for the others, whose temporaries inside of a single op are NumPy's.  Raises as
    `lengths`."""
    known = lengths(code.plan, said, [c.cell[0] for c in containers])
    account = part(getattr(code, "backend", None), "account")
    return Need(*account.needs(code, known) if account else held(code, known))


def held(code, known):
    """(bytes kept between calls, bytes made anew and there at once) of a program of the numpy or
    the python backend, whose values last until the call ends."""
    code = getattr(code, "code", code)  # of a program that is checked, the program
    kept, alive, peak = code.buffers(known), sum([known.bytes(s) for s in code.late]), 0
    parts = {}  # results of loops and branches
    for n in code.plan.nodes:
        if n.op.name == "item":
            whole = n.inputs[0]
            parts[whole] = parts.get(whole, 0) + known.bytes(n.type)
    for n in code.plan.nodes:
        if n in code.makes:
            alive += known.bytes(n.type)
        peak = max(peak, alive + code.passing(n, known))
        programs = code.inner.get(n, ())
        if programs:
            insides = [entered(p.plan, n, known) for p in programs]
            needs = [held(p, inside) for p, inside in zip(programs, insides, strict=True)]
            kept += max([k for k, _ in needs])
            beside = 0
            if n.op.kind == "loop":  # its results are there before the first step
                beside = parts[n] + _before(n.attrs[0], programs[0].plan, insides[0])
            peak = max(peak, alive + beside + max([fresh for _, fresh in needs]))
            alive += parts[n]
    return kept, max(peak, alive + sum([known.bytes(n.type) for n in code.copied]))


def _before(body, plan, inside):
    """Bytes that are there in a step of what the step before made: rows that are kept, and are
    copied (of others they are the result)."""
    keeps = [*[s.keep for s in body.states], *body.maps]
    return sum([inside.bytes(o.type) for o, keep in zip(plan.outputs, keeps, strict=False) if keep])


def entered(plan, node, known):
    """The lengths in a body of a loop or a branch, given those around it, whose names mean others;
    what only a step can tell counts as nothing."""
    body, operands, inside = node.attrs[0], node.inputs[1:], Lengths()
    for leaf, (k, _) in zip(plan.inputs, body.reads(), strict=True):
        shape = operands[k].type.shape[body.inner(k):]
        _bind(plan, leaf, [known.of(d) for d in shape], inside)
    _follow(plan, {}, inside)
    for n in plan.nodes:
        for place in plan.places.get(n, ()):
            inside.setdefault(place.length, 0)
    return inside
