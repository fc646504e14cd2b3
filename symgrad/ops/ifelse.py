"""``ifelse``: one of two values, and only that one is computed.

`needs` tells, for every node of a graph, under which conditions it is asked for; the interpreter,
the compiler and derivatives of loops go by it.
"""

from __future__ import annotations

from symgrad.derive import Side, zeros
from symgrad.errors import ArgumentError, ShapeError
from symgrad.families import define
from symgrad.node import TABLE, as_node, constant, toposort
from symgrad.op import cast_node
from symgrad.types import promote


def truth(condition):
    """A scalar as a bool: whether it is not zero."""
    c = as_node(condition)
    if c.type.ndim:
        error = ShapeError(f"the condition must be a scalar, not {c.type!r}")
        error.hint = "take .any() or .all() of it; T.where chooses element by element"
        raise error
    return c if c.type.dtype == "bool" else TABLE["neq"](c, constant(0, dtype=c.type.dtype))


def _prepared(inputs):
    c, a, b = inputs
    if a.type.ndim != b.type.ndim:
        error = ShapeError(f"its sides have different ranks, {a.type!r} if true and {b.type!r} "
                           "if false")
        error.hint = ("a side is taken whole, nothing is stretched: add axes with "
                      "x.dimshuffle or T.expand_dims, or take T.where")
        raise error
    dtype = promote(a.type.dtype, b.type.dtype)
    return [truth(c), cast_node(a, dtype), cast_node(b, dtype)]


def _type(types):
    _, a, b = types
    return a.with_shape([d if d == e else None for d, e in zip(a.shape, b.shape, strict=True)])


@define("opaque", infer=_type, prepare=_prepared, samples=lambda rng: [
    ((True, rng.normal(size=3), rng.normal(size=3)), {}),
    ((False, rng.normal(size=(2, 3)), rng.normal(size=(4, 3))), {})])
def ifelse(condition, then_branch, else_branch):
    """`then_branch` if the condition holds, else `else_branch`; the other is not computed.

    condition : a scalar; what is not zero holds
    then_branch, else_branch : one value each, or as many in a list or a tuple, which is then what
        is returned.  Dtypes are promoted as by ``where``; ranks must agree, lengths need not
    name : of the result; those of several are numbered

    What other expressions need, too, or both sides, is computed in any case.  Gradients are lazy in
    the same way.  For a choice element by element there is `where` (``switch``).

    >>> x = T.dvector("x")
    >>> ifelse(x.sum() > 0, T.log(x), x * 0).eval({x: [1.0, 1.0]})
    array([0., 0.])
    >>> low, high = ifelse(x[0] < x[1], [x[0], x[1]], [x[1], x[0]])
    """
    return (then_branch if condition else else_branch).copy()


@ifelse.public
def _public(condition, then_branch, else_branch, name=None):
    several = next((type(s) for s in (then_branch, else_branch) if isinstance(s, list | tuple)),
                   None)
    sides = [list(s) if isinstance(s, list | tuple) else [s] for s in (then_branch, else_branch)]
    for side in sides:
        for value in side:
            if callable(value):
                raise ArgumentError("its sides are expressions, not functions that make them; the "
                                    "one not taken is not computed all the same")
    thens, elses = sides
    if len(thens) != len(elses):
        raise ArgumentError(f"it has {len(thens)} results if the condition holds and {len(elses)} "
                            "if not; both sides must have as many")
    condition = truth(condition)
    made = [ifelse.of(condition, a, b) for a, b in zip(thens, elses, strict=True)]
    if name is not None:
        for k, node in enumerate(made):
            node.name = name if several is None else f"{name}{k}"
    return made[0] if several is None else made if several is list else several(made)


@ifelse.vjp
def _(g, out, condition, then_branch, else_branch):
    return [None, Side(condition, True, g), Side(condition, False, g)]


@ifelse.jvp
def _(tangents, out, condition, then_branch, else_branch):
    sides = [zeros(x) if t is None else t
             for t, x in zip(tangents[1:], (then_branch, else_branch), strict=True)]
    return ifelse.of(condition, *sides)


def needs(outputs, order=None):
    """{node: pairs (condition, bool)}: a value is asked for only where all of these hold.

    What several ask for is asked for under the conditions that they have in common.  What nobody
    ever asks for (a side inside the other side of the same condition) is left out.  None where
    nothing is conditional.  `order`: the nodes below `outputs`, operands first, if they are known.
    """
    order = toposort(outputs) if order is None else order
    if not any([n.op is ifelse for n in order]):
        return None
    found = dict.fromkeys(outputs, ())

    def ask(n, when):
        have = found.get(n)
        if have is None:
            found[n] = when
        elif have and have is not when:
            there = set(when)
            found[n] = tuple([w for w in have if w in there])

    for n in reversed(order):
        when = found.get(n)
        if when is None:
            continue
        if n.op is not ifelse:
            for i in n.inputs:
                ask(i, when)
            continue
        condition, *sides = n.inputs
        ask(condition, when)
        for taken, side in zip((True, False), sides, strict=True):
            if (condition, taken) in when:
                ask(side, when)
            elif (condition, not taken) not in when:
                ask(side, (*when, (condition, taken)))
    return found


# Kinds of ops that may fail on values of the right types.
RISKY = ("gather", "scatter", "opaque", "source", "loop", "branch")


def held(outputs, keep=()):
    """Nodes that must not be moved out of the side of a conditional: what only a side asks for and
    may fail, but for those in `keep`, and what is made of it."""
    order = toposort(outputs)
    asked, found = needs(outputs, order), set()
    for n in order if asked is not None else ():
        if n.inputs and asked.get(n) != () and n not in keep:
            if may_fail(n) or any([i in found for i in n.inputs]):
                found.add(n)
    return found


def may_fail(n):
    """Whether an op may fail on values of the right types and lengths."""
    op = n.op
    return (op.kind in RISKY or op.name == "subtensor"
            or op.kind == "reduction" and op.identity is None)


def wanted(when, values):
    """Whether a value that is asked for `when` is needed; `values`: {node: array}."""
    return when is not None and all([bool(values.get(c, not taken)) is taken for c, taken in when])
