"""A rule of the compiler at one node, step by step: how far it comes, and what stops it."""

from __future__ import annotations

import ast
import itertools
import sys
from dataclasses import dataclass
from textwrap import shorten
from types import SimpleNamespace

from symgrad.compile.pattern import _orders, attempt, same_constant
from symgrad.compile.rewrite import _compatible
from symgrad.op import Pattern, weak_numbers
from symgrad.tools.explain import short
from symgrad.tools.rules import condition, lambda_of, lines_of

FIRED, TAKEN, REFUSED, DECLINED, WHERE, PATTERN, NOWHERE = range(7)  # how near a miss was


@dataclass
class Miss:
    """What became of a rule at one node: how near it was, the sentence, the node."""

    rank: int
    matched: float  # share of the pattern's ops, or how far its function came
    words: str
    node: object = None

    @property
    def order(self):
        return self.rank, -self.matched


class _Stop(Exception):
    """Where a pattern stopped: how many ops had matched, and the sentence."""


def missed(rule, node, pool):
    """What keeps a rule from firing at a node, as a `Miss`; of rank FIRED if nothing does."""
    if rule.lhs is not None:
        total = len(_ops(rule.lhs))
        stops = []
        for swaps in itertools.product((False, True), repeat=_orders(rule.lhs)):
            try:
                holes = _matched(rule.lhs, node, iter(swaps))
            except _Stop as stop:
                stops.append(stop.args)
                continue
            found = SimpleNamespace(**holes, node=node)
            if rule.where is not None and not rule.where(found):
                return Miss(WHERE, 1, f"the pattern matched; then its condition failed: "
                            f"{failing(rule.where, found, holes)}", node)
            break
        else:
            count, words = max(stops, key=lambda s: s[0])
            return Miss(PATTERN, count / total, f"{count} of {total} ops matched; then {words}",
                        node)
    with weak_numbers():
        new = attempt(rule, node, pool)
    if new is None:
        function = rule.apply or rule.rhs
        given = (node, pool) if rule.apply else None
        said = declined(function, given) if given else "its right side declined"
        return Miss(DECLINED, 1, said, node)
    if new.type is not node.type and not _compatible(new.type, node.type):
        return Miss(REFUSED, 1, f"its result was refused: it is {new.type!r}, the node "
                    f"{node.type!r}", node)
    if new is node:
        return Miss(DECLINED, 1, "it makes the same node again", node)
    return Miss(FIRED, 1, "", node)


def _ops(p):
    """The ops of a pattern."""
    if not isinstance(p, Pattern) or p.op is None:
        return []
    return [p.op, *[op for a in p.args for op in _ops(a)]]


def _matched(lhs, node, swap):
    """The holes of a pattern at a node; raises `_Stop`."""
    holes, count = {}, 0

    def bind(name, value, what):
        if name in holes and holes[name] is not value and holes[name] != value:
            raise _Stop(count, f"{name} would have to be both {what(holes[name])} and "
                               f"{what(value)}")
        holes[name] = value

    def visit(p, n):
        nonlocal count
        if not isinstance(p, Pattern):
            if not same_constant(n, p):
                raise _Stop(count, f"the constant {p!r} was wanted, and there is {short(n)}")
            return
        if p.hole:
            bind(p.hole, n, short)
            return
        if n.op is not p.op:
            more = f": {short(n)}" if n.op.kind != "leaf" else f" {short(n)}"
            raise _Stop(count, f"{p.op.name} was wanted, and there is {n.op.name}{more}")
        args = list(p.args)
        if p.op.arity is None and len(n.inputs) != len(args):
            raise _Stop(count, f"{p.op.name} of {len(args)} operands was wanted, not of "
                               f"{len(n.inputs)}")
        for name, value, have in zip(p.op.params, p.attrs, n.attrs, strict=False):
            default = p.op.defaults[p.op.params.index(name)]
            if isinstance(value, Pattern):
                bind(value.hole, have, lambda v, name=name: f"{name}={v!r}")
            elif (value is not default or value is not None) and have != value:
                raise _Stop(count, f"{p.op.name} with {name}={value!r} was wanted, and it has "
                                   f"{name}={have!r}")
        count += 1
        if "commutative" in p.op.facts and len(args) == 2:
            if not isinstance(args[0], Pattern):
                args.reverse()
            elif isinstance(args[1], Pattern) and next(swap):
                args.reverse()
        pairs = list(zip(args, n.inputs, strict=True))
        for a, i in sorted(pairs, key=lambda pair: isinstance(pair[0], Pattern) and
                           bool(pair[0].hole)):
            visit(a, i)

    visit(lhs, node)
    return holes


def failing(where, found, holes):
    """The part of a condition that does not hold, with what its holes stand for."""
    words, tree = condition(where), lambda_of(where)
    if not hasattr(where, "says") and tree is not None:
        parts = tree.body.values if isinstance(tree.body, ast.BoolOp) and isinstance(
            tree.body.op, ast.And) else [tree.body]
        scope = dict(where.__globals__)
        closed = where.__closure__ or ()
        scope |= {name: c.cell_contents
                  for name, c in zip(where.__code__.co_freevars, closed, strict=True)}
        scope[tree.args.args[0].arg] = found
        for part in parts:
            words = ast.unparse(part)
            if not eval(compile(ast.Expression(part), "<condition>", "eval"), scope):
                break
    said = [f"{name} is {short(v)} of type {v.type!r}" if hasattr(v, "type") else f"{name} is {v!r}"
            for name, v in holes.items()]
    return f"{words}, where {', '.join(said)}"


def declined(function, given):
    """The line of a rule that is a function at which it gave up, in words."""
    last, outer = [None], sys.gettrace()

    def trace(frame, event, argument):
        if frame.f_code is not function.__code__:
            return None
        last[0] = frame.f_lineno
        return trace

    sys.settrace(trace)
    try:
        with weak_numbers():
            function(*given)
    finally:
        sys.settrace(outer)
    return gave_up(function, last[0])


def gave_up(function, at):
    """The sentence that a function declined at this line of its file."""
    lines = lines_of(function)
    if at not in lines:
        return "it declined"
    words = " ".join(lines[at].split())
    indent = len(lines[at]) - len(lines[at].lstrip())
    for k in range(at - 1, min(lines), -1):
        text_ = lines[k]
        if text_.strip() and len(text_) - len(text_.lstrip()) < indent:
            if text_.lstrip().startswith(("if ", "for ", "else", "elif ", "while ", "except")):
                whole = " ".join(" ".join([lines[j] for j in range(k, at)]).split())
                words = f"{whole} {words}"
            break
    return f"it declined, at the line {shorten(words, 160, placeholder=' …')}"


