"""Derivatives, both modes: dispatch over the record.  Ops are found by name, so that any op module
may use this.

Reverse mode: `vjp` gives the cotangents of one node's inputs, `backward` carries them through a
graph. Forward mode: `jvp` and `forward`.  A cotangent is a node, or 0 (connected, but no slope),
or None (no dependence).

Complex numbers: the cotangent of z is dL/dRe(z) + i dL/dIm(z), the direction of steepest ascent of
a real cost.
"""

from __future__ import annotations

from typing import NamedTuple

from symgrad import origin
from symgrad.config import config
from symgrad.errors import NoDerivative, SymgradError
from symgrad.node import TABLE, Node, rebuild, toposort, variable
from symgrad.op import cast_node, remake, weak_numbers
from symgrad.types import Tuple, is_complex, is_float


def vjp(node, g, strong=False):
    """Cotangents of a node's inputs from the cotangent `g` of its value, by whichever rule its op
    carries."""
    return [whole(c, x) if type(c) is Side else c
            for c, x in zip(pull(node, g, strong), node.inputs, strict=True)]


def pull(node, g, strong=False):
    """As `vjp`, but there may be a `Part` or a `Side` among them."""
    op = node.op
    with weak_numbers(), origin.made_for(node.origin):
        if op.vjp_rule:
            found = op.vjp_rule(g, node, *node.inputs, *node.attrs)
        elif op.slopes:
            slopes = op.slopes(*node.inputs, node, **dict(zip(op.params, node.attrs, strict=True)))
            found = [times(g, s, strong) for s in slopes]
        elif op.expand:
            found = backward([expansion(node)], [g], node.inputs, closed=True)
        elif not is_float(node.type.dtype):
            found = [0] * len(node.inputs)
        else:
            raise NoDerivative(f"{op.name} has no derivative\n  {origin.describe(node)}")
        return [fit(c, x) for c, x in zip(found, node.inputs, strict=True)]


def times(g, slope, strong=False):
    """g times a slope, which may be a plain number.  `strong`: 0 * inf and 0 * nan are 0."""
    if slope is None or (not isinstance(slope, Node) and slope == 0):
        return slope
    if isinstance(slope, int | float):
        return g if slope == 1 else -g if slope == -1 else g * slope
    if is_complex(slope.type.dtype):
        slope = TABLE["conj"](slope)
    return TABLE["strong_mul"](g, slope) if strong else g * slope


def fit(g, x):
    """A cotangent in the shape and dtype of the input it belongs to."""
    if not isinstance(g, Node):
        return g
    if not is_float(x.type.dtype):
        return 0
    if is_complex(g.type.dtype) and not is_complex(x.type.dtype):
        g = TABLE["real"](g)
    return cast_node(unbroadcast(g, x), x.type.dtype)


def unbroadcast(g, x):
    """Sum g over the axes along which x was stretched."""
    have, want = g.type.shape, x.type.shape
    lead = len(have) - len(want)
    if lead > 0:
        g = TABLE["sum"].of(g, axis=tuple(range(lead)))
    thin = tuple([i for i, d in enumerate(want) if d == 1 and g.type.shape[i] != 1])
    if thin:
        g = TABLE["unsqueeze"](TABLE["sum"].of(g, axis=thin), axes=thin)
    return g


def expansion(node):
    """A composite's definition, applied to the node's own inputs."""
    with weak_numbers():
        return node.op.expand(*node.inputs, **dict(zip(node.op.params, node.attrs, strict=True)))


def backward(outputs, cotangents, wrt, constant=(), strong=None, closed=False):
    """Cotangents of `wrt`, given those of `outputs`.

    Only nodes between `wrt` and the outputs are visited.  Through nodes in `constant` nothing
    flows.  An entry is a node; zeros if connected without a slope; or None if nothing connects it.
    `strong` (default ``config.strong_zeros``): below the branch of a ``where``, zero cotangents
    stay zero whatever they are multiplied with, so a NaN in the branch not taken does not reach
    the gradient. `closed`: `wrt` are independent even where one is computed from another, and
    nothing below them is looked at.
    """
    strong = config.strong_zeros if strong is None else strong
    order = toposort(outputs, stop=frozenset([*constant, *wrt] if closed else constant))
    live = set(wrt)
    for n in order:
        if n not in live and any(i in live for i in n.inputs):
            live.add(n)
    arrived, connected, masked = {}, set(), set()  # arrived: node -> pairs (sides, cotangent)
    for o, g in zip(outputs, cotangents, strict=True):
        if o in live:
            connected.add(o)
            if g is not None:
                arrived.setdefault(o, []).append(((), g))
    flow, wanted = {}, set(wrt)
    for n in reversed(order):
        if n not in connected:
            continue
        sides, g = together(n, arrived.pop(n, ()))
        if n in wanted:
            flow[n] = inside(sides, g, n)
        if not n.inputs:
            continue
        if g is None:
            connected.update(
                i
                for i, dependent in zip(n.inputs, depends(n), strict=True)
                if dependent and i in live
            )
            continue
        mask = strong and (n in masked or n.op.masks)
        for x, gx in zip(n.inputs, pull(n, g, mask), strict=True):
            if gx is None or x not in live:
                continue
            connected.add(x)
            where = sides
            if type(gx) is Side:
                where, gx = beyond(sides, gx), gx.g
            if where is not None and isinstance(gx, Node | Part):
                arrived.setdefault(x, []).append((where, gx))
                if mask and n.op.kind not in ("contract", "opaque", "loop"):
                    masked.add(x)
    flow.update((x, inside(*together(x, arrived.pop(x)), x))
                for x in dict.fromkeys(wrt) if x in arrived)
    return [
        flow.get(x) if flow.get(x) is not None else zeros(x) if x in connected else None
        for x in wrt
    ]


def depends(n):
    """Which inputs a node's value depends on at all, for connectedness where no cotangent
    arrives."""
    if n.op.slopes:
        with weak_numbers():
            slopes = n.op.slopes(*n.inputs, n, **dict(zip(n.op.params, n.attrs, strict=True)))
        return [s is not None for s in slopes]
    if n.op.vjp_rule and type(n.type) is not Tuple:
        try:
            return [c is not None for c in vjp(n, variable(n.type))]
        except SymgradError:  # the rule is not made for this dtype
            pass
    return [True] * len(n.inputs)


def reachable(outputs, constant=()):
    """Everything that `outputs` depend on, through nodes that are not in `constant`."""
    reached = set(outputs)
    for n in reversed(toposort(outputs, stop=frozenset(constant))):
        if n in reached and n.inputs:
            reached.update(i for i, d in zip(n.inputs, depends(n), strict=True) if d)
    return reached


class Part(NamedTuple):
    """The cotangent of the k-th result of an op that has several."""

    k: int
    g: object


class Side(NamedTuple):
    """A cotangent that comes through one side of a conditional: g where `condition` is `taken`,
    else zero.

    A derivative is linear, so that below here only g is carried on, and all that is made of it
    belongs to that side, too.  Where it meets other cotangents it becomes a conditional again.
    """

    condition: object
    taken: bool
    g: object


def beyond(sides, new):
    """The sides that a cotangent has come through, with a new one: pairs (condition, bool).  None
    if it came through the other side before: then it is never taken."""
    if (new.condition, not new.taken) in sides:
        return None
    pair = new.condition, new.taken
    return sides if pair in sides else (*sides, pair)


def inside(sides, g, x):
    """A cotangent of x that came through these sides, as a node."""
    for condition, taken in reversed(sides):
        g = whole(Side(condition, taken, g), x)
    return g


def whole(side, x, other=None):
    """The cotangent of x that is what the `Side` says, and `other` (zeros) elsewhere."""
    rest = zeros(x) if other is None else other
    both = (side.g, rest) if side.taken else (rest, side.g)
    return TABLE["ifelse"].of(side.condition, *both)


def together(node, arrived):
    """(sides, g) for all that arrived at a node: the sides that they have in common, and their sum
    there; where it has several results, that of each of them."""
    if not arrived:
        return (), None
    common = arrived[0][0]
    for sides, _ in arrived:
        if common and sides is not common:
            there = set(sides)
            common = tuple([pair for pair in common if pair in there])
    if type(node.type) is not Tuple:
        return common, gathered(arrived, common, node)
    parts = []
    for k in range(len(node.type.items)):
        mine = [(sides, p.g) for sides, p in arrived if p.k == k]
        parts.append(gathered(mine, common, node, k) if mine else None)
    return common, parts


def gathered(arrived, common, x, part=None):
    """The sum of pairs (sides, g) in order of arrival, as it is inside of the sides `common`.  x:
    what they are cotangents of; of its results, number `part`."""
    sums = {}
    there = set(common)
    for sides, g in arrived:
        sides = (*common, *[pair for pair in sides if pair not in there])
        sums[sides] = sums[sides] + g if sides in sums else g
    if len(sums) > 1 or common not in sums:
        x = x if part is None else TABLE["item"].of(x, k=part)
    while len(sums) > 1 or common not in sums:
        *outer, (condition, taken) = sides = max(sums, key=len)
        other = sums.pop((*outer, (condition, not taken)), None)
        g, outer = whole(Side(condition, taken, sums.pop(sides)), x, other), tuple(outer)
        sums[outer] = sums[outer] + g if outer in sums else g
    return sums[common]


def total(cotangents):
    """Their sum, in order of arrival; None if there are none."""
    out = None
    for g in cotangents:
        out = g if out is None else out + g
    return out


def zeros(x):
    """Zeros like x, in a float dtype."""
    z = TABLE["zeros_like"](x)
    return z if is_float(z.type.dtype) else cast_node(z, config.floatX)


def jvp(node, tangents):
    """The tangent of a node's value from those of its inputs (None: zero).  None if it is zero."""
    op, inputs = node.op, node.inputs
    if type(inputs[0].type) is Tuple:  # one of several results
        return tangents[0] and tangents[0][node.attrs[0]]
    given = [t if is_float(x.type.dtype) else None for t, x in zip(tangents, inputs, strict=True)]
    several = type(node.type) is Tuple
    if all(t is None for t in given) or not (several or is_float(node.type.dtype)):
        return None
    with weak_numbers(), origin.made_for(node.origin):
        if op.jvp_rule:
            out = op.jvp_rule(given, node, *inputs, *node.attrs)
            if several:  # a list of the results' tangents
                return out
        elif op.slopes:
            slopes = op.slopes(*inputs, node, **dict(zip(op.params, node.attrs, strict=True)))
            parts = [
                _push(t, s)
                for t, s in zip(given, slopes, strict=True)
                if t is not None and s is not None
            ]
            out = total([p for p in parts if p is not None])
        elif op.linear == "jointly":
            moved = [x if not is_float(x.type.dtype) else zeros(x) if t is None else t
                     for t, x in zip(given, inputs, strict=True)]
            out = op.of(*moved, **dict(zip(op.params, node.attrs, strict=True)))
        elif op.linear == "each":
            attrs = dict(zip(op.params, node.attrs, strict=True))
            out = total(
                [
                    op.of(*inputs[:k], t, *inputs[k + 1 :], **attrs)
                    for k, t in enumerate(given)
                    if t is not None
                ]
            )
        elif op.expand and not op.vjp_rule:
            out = forward(
                [expansion(node)],
                [x for x, t in zip(inputs, given, strict=True) if t is not None],
                [t for t in given if t is not None],
                stop=inputs,
            )[0]
        else:
            out = _twice_transposed(node, given)
        if out is None:
            return None
        if is_complex(out.type.dtype) and not is_complex(node.type.dtype):
            out = TABLE["real"](out)
        return cast_node(spread(out, node), node.type.dtype)


def _push(tangent, slope):
    if not isinstance(slope, Node):
        return None if slope == 0 else times(tangent, slope)
    return tangent * slope


def _twice_transposed(node, tangents):
    """Forward mode from reverse mode alone: the vjp is linear in g, and its transpose is the
    jvp."""
    g = variable(node.type)
    pairs = [
        (c, t)
        for c, t in zip(vjp(node, g), tangents, strict=True)
        if isinstance(c, Node) and t is not None
    ]
    if not pairs:
        return None
    below = (node, *node.inputs)
    out = backward([c for c, _ in pairs], [t for _, t in pairs], [g], below, strong=False)[0]
    if out is None:
        return None
    # g can be left only where its shape is read, and the node has that shape, too
    ends = {n: n for n in (*below, *[t for _, t in pairs])}
    return rebuild([out], {g: node, **ends}, remake)[0]


def forward(outputs, wrt, tangents, stop=()):
    """Tangents of `outputs` when `wrt` move along `tangents`; None where an output does not move.

    Nothing below `stop` is looked at.
    """
    moving = dict(zip(wrt, tangents, strict=True))
    for n in toposort(outputs, stop=frozenset(stop)):
        if n not in moving and n.inputs and any(i in moving for i in n.inputs):
            t = jvp(n, [moving.get(i) for i in n.inputs])
            if t is not None:
                moving[n] = t
    return [moving.get(o) for o in outputs]


def spread(x, like):
    """x stretched to the shape of another node (a no-op where the shapes are known to agree
    already)."""
    if x.type.ndim == like.type.ndim and all((a == 1) == (b == 1) for a, b in
                                             zip(x.type.shape, like.type.shape, strict=True)):
        return x
    return TABLE["broadcast_to"].of(
        x, *[TABLE["length"](like, axis=i) for i in range(like.type.ndim)]
    )
