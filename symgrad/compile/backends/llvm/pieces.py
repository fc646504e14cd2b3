"""What each step of a plan becomes in a native program."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace

from symgrad.compile.backends.llvm import kernels, pairs
from symgrad.compile.backends.llvm.ir import MEMORY, REGISTER
from symgrad.compile.backends.llvm.values import viewable
from symgrad.compile.kernel import Apply, Axis, Index, Load, walk
from symgrad.compile.loops import loops
from symgrad.compile.lower import lower
from symgrad.compile.memory import Want
from symgrad.compile.nest import Assign, Buffer, Fold, For, Local, Nonempty, statements
from symgrad.op import infer
from symgrad.ops.index import Slice
from symgrad.ops.lengths import known
from symgrad.types import is_complex

# `guard`: the nest's checks of indices alone, where they can be made before anything is computed.
# `first`: the nest of the first step of its pattern, whose lengths the loops of this one name.
# `inner`: of a loop, its body (`steps.Inner`); of a branch, its sides (`choose.Fork`).
Piece = namedtuple("Piece", "kind step nest kernel names guard first inner",
                   defaults=(None, None, None))


def pieces_of(plan, names, share=True):
    """What each step becomes.  `share`: steps that differ in names and in which lengths they have
    get one kernel, that of the first of them; only the nests' tables of arrays are their own."""
    made = {}  # {what decides a kernel: (its first step, the lengths in it, its piece)}
    for step in plan.steps:
        if step.kind == "kernel":
            key, dims = pattern(step) if share else (None, ())
            if key in made:
                yield shared(step, dims, *made[key], names)
                continue
            kernel = lower(step, names)
            nest = pairs.paired(loops(kernel))
            nest = nest and privately(nest)
            if nest and kernels.able(nest):
                piece = Piece("kernel", step, nest, kernel, names, guard(nest, step, names))
                errors = kernels.checks(nest) or any(type(s) is Nonempty for s in nest.body)
                if key and not errors and set(nest.lengths) <= set(dims):  # errors name their nodes
                    made[key] = step, dims, piece
                yield piece
                continue
        elif step.body[0].op.kind in ("loop", "branch"):
            has = step.body[0] in plan.inner
            yield Piece(step.body[0].op.kind if has else "python", step, None, None, names)
            continue
        elif viewable(step.body[0]):
            yield Piece("view", step, None, None, names)
            continue
        elif multiplies(step.body[0]):
            yield Piece("product", step, None, None, names)
            continue
        elif joins(step.body[0]):
            yield Piece("join", step, None, None, names)
            continue
        elif writes(step.body[0]):
            yield Piece("write", step, None, None, names)
            continue
        elif ranges(step.body[0]):
            yield Piece("range", step, None, None, names)
            continue
        yield Piece("python", step, None, None, names)


def pattern(step):
    """(what decides the kernel of a step up to names and lengths, its lengths in order of use).
    (None, ()) where something outside of the step has a say in it."""
    for n in step.body:
        kind = n.op.kind
        if kind != "elementwise" and kind != "reduction" and (kind != "view" or len(n.inputs) > 1):
            return None, ()
        if any(is_complex(i.type.dtype) for i in (n, *n.inputs)):  # two arrays of a nest each
            return None, ()
    dims = {}

    def plain(type):
        return type.dtype, tuple([d if isinstance(d, int) else (dims.setdefault(d, len(dims)),)
                                  for d in type.shape])

    number = {n: k for k, n in enumerate((*step.inputs, *step.body))}
    entered = tuple([plain(i.type) for i in step.inputs])
    body = tuple([(n.op, n.attrs, plain(n.type), tuple([number.get(i, i) for i in n.inputs]))
                  for n in step.body])
    return (entered, body, tuple([number[n] for n in step.outputs])), tuple(dims)


def shared(step, dims, first, theirs, piece, names):
    """The piece of a step that has the pattern of another, `first`."""
    mine = dict(zip(theirs, dims, strict=True))
    nodes = dict(zip((*first.inputs, *first.body), (*step.inputs, *step.body), strict=True))
    types = {names[other]: n.type for other, n in nodes.items()}
    nest = piece.nest
    nest = replace(
        nest, lengths=tuple([mine[d] for d in nest.lengths]),
        params=tuple([p._replace(type=types[p.name]) for p in nest.params]),
        results=tuple([r._replace(type=types[r.name]) for r in nest.results]),
        buffers=tuple([replace(b, lengths=tuple([mine.get(d, d) for d in b.lengths]))
                       for b in nest.buffers]))
    return piece._replace(step=step, nest=nest, first=piece.nest,
                          names={n: names[other] for other, n in nodes.items()})


def privately(nest):
    """The nest with sums along the columns of a matrix kept in a buffer until they are complete:
    a buffer has room for whole vectors, so that no mask stands between two additions."""
    found = {}
    for top in nest.body:
        inner = [s for s in top.body if type(s) is For] if type(top) is For else ()
        for s in statements(inner):
            if type(s) is Fold and s.combine in ("sum", "max", "min") and column(s.cell):
                if s.cell.at[0].letter != top.letter:
                    found[s.cell.source] = True
    results = [r for r in nest.results if r.name in found]
    if not results:
        return nest
    names = {r.name: f"{r.name}_columns" for r in results}
    body, extra = [renamed(s, names) for s in nest.body], []
    for k, r in enumerate(results):
        cell = Load(r.name, (Axis(f"c{k}"),), r.type.dtype)
        copy = Assign(cell, replace(cell, source=names[r.name]))
        body.append(For(f"c{k}", r.type.shape[0], [copy]))
        extra.append(Buffer(names[r.name], r.type.dtype, r.type.shape))
    return replace(nest, body=body, buffers=(*nest.buffers, *extra))


def column(cell):
    return type(cell) is Load and len(cell.at) == 1 and type(cell.at[0]) is Axis


def renamed(e, names):
    """A statement or an expression with other names for arrays."""
    kind = type(e)
    if kind is For:
        return For(e.letter, e.length, [renamed(s, names) for s in e.body])
    if kind in (Assign, Fold):
        parts = {f: renamed(getattr(e, f), names) for f in ("cell", "expr", "best", "index")
                 if getattr(e, f, None) is not None}
        return replace(e, **parts)
    if kind is Load:
        at = tuple([renamed(a, names) for a in e.at])
        return Load(names.get(e.source, e.source), at, e.dtype)
    if kind is Apply:
        return replace(e, args=tuple([renamed(a, names) for a in e.args]))
    return Index(renamed(e.expr, names), e.length, e.axis, e.op, e.node) if kind is Index else e


def guard(nest, step, names):
    """The loops of a nest with nothing in them but its checks of indices; None if there are none,
    or if they need what other steps compute."""
    if not kernels.checks(nest):
        return None
    needed, given = set(), {names[i] for i in step.inputs if i.op.kind == "leaf"}
    for s in reversed(list(statements(nest.body))):
        reads = [e for e in getattr(s, "expr", None) and walk(s.expr) or ()]
        if type(s) is Assign and (s.cell in needed or any(
                type(e) is Index and e.length is not None for e in reads)):
            needed.update([e for e in reads if type(e) is Local])
            if any(type(e) is Load and e.source not in given for e in reads):
                return None
        elif type(s) is Fold and s.cell in needed:
            return None
    return replace(nest, body=_only(nest.body, needed), buffers=())


def _only(body, needed):
    """Assignments to locals that are needed, or that check an index, and the loops around them."""
    kept = []
    for s in body:
        if type(s) is For:
            inner = _only(s.body, needed)
            kept += [For(s.letter, s.length, inner)] if inner else []
        elif type(s) is Assign and type(s.cell) is Local and (s.cell in needed or any(
                type(e) is Index and e.length is not None for e in walk(s.expr))):
            kept.append(s)
    return kept


def sure(piece, places):
    """Whether only an index can be wrong in a step, and all of them can be checked before."""
    if piece.kind == "join":
        return piece.step.body[0] not in places
    return piece.guard is not None and all(
        n not in places and n.op.kind in ("gather", "scatter", "elementwise", "view")
        for n in piece.step.body)


PRODUCTS = ("dot", "gemm", "gemv", "ger", "batched_dot")


def multiplies(node):
    """Whether a call is a product that `products` can do."""
    name, dtype = node.op.name, node.type.dtype
    return (name in PRODUCTS and dtype in REGISTER and dtype != "bool"
            and (name == "batched_dot" or all(i.type.ndim < 3 for i in node.inputs))
            and all(i.type.dtype == dtype for i in node.inputs))


MOST = 8  # axes of an array that `moves.Moves.copy` has letters for


def joins(node):
    """Whether a node is parts side by side in memory, which agree in all axes but that one; or the
    windows of an array."""
    name, shape = node.op.name, node.type.shape
    if name == "windows":
        return node.type.dtype in MEMORY and len(shape) <= MOST
    if name not in ("join", "make_vector") or node.type.dtype not in MEMORY or len(shape) > MOST:
        return False
    if any(i.type.dtype != node.type.dtype for i in node.inputs):
        return False
    axis = node.attrs[0] if name == "join" else 0
    total = infer(node.op, node.inputs, node.attrs).shape[axis]
    return total in (None, shape[axis]) and (name == "make_vector" or all(
        i.type.shape[k] == d for i in node.inputs for k, d in enumerate(shape) if k != axis))


def writes(node):
    """Whether a node is an array with something stored, or added, in a part that is a view."""
    dtype = node.type.dtype
    if node.op.name == "windows_add":
        return dtype in MEMORY and dtype != "bool" and node.inputs[1].type.ndim <= MOST
    return (node.op.name == "inc_subtensor" and "#" not in node.attrs[0] and dtype in MEMORY
            and (dtype != "bool" or node.attrs[1]) and node.type.ndim <= MOST
            and all([not isinstance(e, Slice) or e.step != "@" for e in node.attrs[0]]))


def ranges(node):
    """Whether a node counts from a number that is known, by steps that are known."""
    if node.op.name != "arange" or node.type.dtype[0] not in "iu":
        return False
    start, stop, step = node.inputs
    return isinstance(known(start), int) and isinstance(known(step), int) and known(step) != 0 and (
        stop.type.dtype[0] in "iu")


def wanted(node, piece):
    """What `memory.schedule` asks of a node: whether it can be run before there is an arena."""
    if piece.kind in ("python", "join"):
        return Want("made")
    if piece.kind in ("loop", "branch"):
        return Want("out")
    if piece.kind == "view":
        return Want("made" if node.op.name == "reshape" else "view")
    if piece.kind == "kernel" and not piece.nest.buffers and all(
            n.type.ndim == 0 for n in piece.step.outputs):
        return Want("scalar")
    return Want("out")
