"""Rules are data: a left side, a right side, a condition and what the rule may change.

Both sides are expressions over holes, written with the library's own operators.  Left sides
compile to straight-line Python.  What does not fit a pattern is a function of the node, in the
same list (`rule_on`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from symgrad.errors import ArgumentError
from symgrad.node import CONST, Node
from symgrad.op import Pattern

exact = "exact"  # bit for bit the same
rounding = "rounding"  # the same up to rounding, or the sign of a zero
stable = "stable"  # nearer the true value, or finite where the left side is not
assumes = "assumes"  # right only under an assumption; off unless asked for
KINDS = (exact, rounding, stable, assumes)


@dataclass(frozen=True, eq=False)
class Rule:
    """`lhs` becomes `rhs` wherever `where` holds.

    `rhs` is a pattern, or a function of the holes (by name, and of `node` itself if it has such an
    argument) that builds a graph or returns None; `where` gets all of them as one argument's
    attributes.  A rule without `lhs` has `heads` (the ops it looks at) and `apply`: ``(node, pool)
    -> node or None``.  `samples` makes graphs on which the generated tests try the rule: a
    function ``() -> [variables' graph]``.  A left side is a sample itself, with variables in its
    holes: other samples are needed where holes are restricted.  No rule is without.
    """

    name: str
    lhs: Pattern | None = None
    rhs: object = None
    where: object = None
    kind: str = rounding
    heads: tuple = ()
    apply: object = None
    samples: object = None
    doc: str = ""

    @property
    def wants_node(self):
        return "node" in self.rhs.__code__.co_varnames[:self.rhs.__code__.co_argcount]

    @property
    def ops(self):
        """The ops at whose nodes the rule is tried."""
        return (self.lhs.op,) if self.lhs is not None else self.heads


def holes(names):
    """Named holes: ``x, y = holes("x y")``.  A hole stands for a node, or for an attribute where
    one is expected."""
    return [Pattern(hole=n) for n in names.split()]


def rule(name, lhs, rhs, where=None, kind=rounding, samples=None, doc=""):
    """A rule between two expressions; see `Rule`."""
    return Rule(name, lhs, rhs, where, kind, samples=samples, doc=doc)


def rule_on(name, *heads, kind=rounding, samples=None):
    """Decorator: a function ``(node, pool) -> node or None`` as a rule for nodes of the ops
    `heads`."""
    return lambda function: Rule(
        name, None, None, None, kind, heads, function, samples, (function.__doc__ or "").strip()
    )


@dataclass(eq=False)
class RuleSet:
    """Rules in order, indexed by the op at which they look.  `open_ended`: how many nodes they make
    is not theirs to say, they put in what users defined."""

    name: str
    rules: tuple
    open_ended: bool = False
    by_op: dict = field(default_factory=dict)
    _fewer: dict = field(default_factory=dict)

    def __post_init__(self):
        assert len({r.name for r in self.rules}) == len(self.rules), (
            f"{self.name}: a rule's name is used twice"
        )
        for r in self.rules:
            if r.samples is None and not isinstance(r.lhs, Pattern):
                raise ArgumentError(
                    f"{self.name}: the rule {r.name} has no samples; give it samples=lambda: [...] "
                    "with graphs at which it fires, so that what its kind promises can be tested")
            if r.kind not in KINDS:
                raise ArgumentError(
                    f"{self.name}: the rule {r.name} has the kind {r.kind!r}, which is none of "
                    f"{', '.join(KINDS)}")
            for op in r.ops:
                self.by_op.setdefault(op, []).append(r)

    def without(self, names):
        """The same rules but for some, by name."""
        names = frozenset(names)
        if not names:
            return self
        if names not in self._fewer:
            kept = tuple([r for r in self.rules if r.name not in names])
            self._fewer[names] = RuleSet(self.name, kept)
        return self._fewer[names]


def ruleset(name, *rules):
    return RuleSet(name, tuple(rules))


_MATCHERS = {}  # Rule -> list of functions node -> dict of holes, or None
_WAITING = {}  # Rule without matchers -> [ops its operands must have, how often it was looked at]
PATIENCE = 50  # looks at operands after which the matchers, which are faster, are made


def attempt(rule, node, pool):
    """What the rule makes of a node, in the pool; None if it does not match.  To be called inside
    `weak_numbers`."""
    if rule.apply:
        return _pooled(rule.apply(node, pool), pool, node)
    matchers = _MATCHERS.get(rule)
    if matchers is None:
        if not _likely(rule, node):
            return None
        matchers = _MATCHERS[rule] = compile_lhs(rule.lhs)
    for match in matchers:
        found = match(node)
        if found is not None and (
            rule.where is None or rule.where(SimpleNamespace(**found, node=node))
        ):
            if not callable(rule.rhs):
                return instantiate(rule.rhs, found, pool, node)
            if rule.wants_node:
                found["node"] = node
            return _pooled(rule.rhs(**found), pool, node)
    return None


def _likely(rule, node):
    """Whether it is time to make the matchers of a rule: its left side may match, or has been
    looked at often.  Most rules do not come so far in a small program, and making them takes longer
    than all the rest of its rewriting."""
    waiting = _WAITING.get(rule)
    if waiting is None:
        inner = [a.op if isinstance(a, Pattern) else CONST for a in rule.lhs.args
                 if not (isinstance(a, Pattern) and a.hole)]
        waiting = _WAITING[rule] = [inner, 0]
    waiting[1] += 1
    ops = [i.op for i in node.inputs]
    return waiting[1] > PATIENCE or all([op in ops for op in waiting[0]])


def _pooled(new, pool, node):
    if new is None or new in pool.members:
        return new
    return pool.intern([new], node.origin)[0]


def same_constant(node, value):
    """True if a constant has `value` everywhere (bit for bit but for dtype and the sign of
    zero)."""
    if node.op is not CONST:
        return False
    array = node.attrs[0].array
    return (
        array.size > 0
        and array.flat[0] == value
        and (array.size == 1 or bool((array == value).all()))
    )


def compile_lhs(lhs):
    """Matchers for a left side, one for each order of commutative operands: ``node -> {hole: node}
    | None``."""
    matchers, seen_text = [], set()
    for swaps in itertools.product((False, True), repeat=_orders(lhs)):
        text, scope = _matcher_text(lhs, iter(swaps))
        if text not in seen_text:
            seen_text.add(text)
            exec(text, scope)
            matchers.append(scope["match"])
    return matchers


def _matcher_text(lhs, swap):
    scope, lines, seen = {"same_constant": same_constant}, [], {}
    fresh = itertools.count()

    def bind(name, expr):
        if name in seen:
            lines.append(f"if {expr} is not {seen[name]} and {expr} != {seen[name]}: return None")
        else:
            seen[name] = f"v{len(seen)}"
            lines.append(f"{seen[name]} = {expr}")

    def visit(p, at):
        if not isinstance(p, Pattern):
            lines.append(f"if not same_constant({at}, {p!r}): return None")
            return
        if p.hole:
            bind(p.hole, at)
            return
        me = f"op{next(fresh)}"
        scope[me] = p.op
        lines.append(f"if {at}.op is not {me}: return None")
        args = list(p.args)
        if p.op.arity is None:
            lines.append(f"if len({at}.inputs) != {len(args)}: return None")
        for k, value in enumerate(p.attrs):
            if isinstance(value, Pattern):
                bind(value.hole, f"{at}.attrs[{k}]")
            elif value is not None:  # else it is left out: any will do
                lines.append(f"if {at}.attrs[{k}] != {value!r}: return None")
        if "commutative" in p.op.facts:
            if not isinstance(args[0], Pattern):
                args.reverse()
            elif isinstance(args[1], Pattern) and next(swap):
                args.reverse()
        deep = []
        for k, a in enumerate(args):
            if isinstance(a, Pattern) and a.hole:
                deep.append((a, f"{at}.inputs[{k}]"))
            else:
                inner = f"n{next(fresh)}"
                lines.append(f"{inner} = {at}.inputs[{k}]")
                deep.insert(0, (a, inner))
        for a, inner in deep:
            visit(a, inner)

    visit(lhs, "n")
    body = "\n  ".join(lines)
    return (
        f"def match(n):\n  {body}\n  return dict({', '.join(f'{k}={v}' for k, v in seen.items())})",
        scope,
    )


def _orders(p):
    if not isinstance(p, Pattern) or p.op is None:
        return 0
    own = int("commutative" in p.op.facts and all(isinstance(a, Pattern) for a in p.args))
    return own + sum(map(_orders, p.args))


def instantiate(p, found, pool, model):
    """The right side with its holes filled; numbers take the dtype of the operand they meet, or
    that of the `model`."""
    if not isinstance(p, Pattern):
        return pool.constant(np.asarray(p, model.type.dtype))
    if p.hole:
        return found[p.hole]
    attrs = tuple([found[a.hole] if isinstance(a, Pattern) else a for a in p.attrs])
    inputs = [instantiate(a, found, pool, model) if isinstance(a, Pattern) else a for a in p.args]
    first = next((i for i in inputs if isinstance(i, Node)), model)
    inputs = [i if isinstance(i, Node) else instantiate(i, found, pool, first) for i in inputs]
    return pool.make(p.op, tuple(inputs), attrs, model.origin)
