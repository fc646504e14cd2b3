"""The engine: rewrite a graph to a normal form in one memoised innermost walk.

Whether a rule matches at a node depends only on what is below the node, and that never changes:
when a node is done its inputs are in normal form and no rule matched it, and both stay true.  So
one walk is the fixpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from symgrad.compile.pattern import attempt
from symgrad.errors import RewriteLoop
from symgrad.op import weak_numbers
from symgrad.types import Dim


@dataclass
class Log:
    """What a pass did: firings and refusals by rule, and (if asked for) each firing."""

    fired: dict = field(default_factory=dict)
    refused: dict = field(default_factory=dict)
    history: list | None = None


def rewrite(outputs, rules, pool, log=None):
    """The normal form of `outputs` under a `RuleSet`.  Raises `RewriteLoop` if rules undo one
    another."""
    with weak_numbers():
        return _rewrite(outputs, rules, pool, Log() if log is None else log)


def _rewrite(outputs, rules, pool, log):
    done, becomes, why = {}, {}, {}
    stack = list(reversed(outputs))
    by_op = rules.by_op
    while stack:
        n = stack[-1]
        if n in done:
            stack.pop()
            continue
        target = becomes.get(n)
        if target is not None:  # n was replaced: its normal form is its successor's
            if target in done:
                done[n] = new = done[target]
                if n.name and not new.name:
                    new.name = n.name
                stack.pop()
            elif target in becomes:
                raise _loop(stack, target, why)
            else:
                stack.append(target)
            continue
        waiting = [i for i in n.inputs if i not in done]
        if waiting:
            for i in waiting:
                if i in becomes:
                    raise _loop(stack, i, why)
            waiting.reverse()
            stack.extend(waiting)
            continue
        inputs = tuple([done[i] for i in n.inputs])
        if inputs != n.inputs:
            m = pool.make(n.op, inputs, n.attrs, n.origin, n.type, n.name)
            if m is not n:
                becomes[n] = m
                continue
        candidates = by_op.get(n.op)
        hit = candidates and _step(n, candidates, pool, log)
        if hit:
            becomes[n], why[n] = hit
        else:
            done[n] = n
            stack.pop()
    return [done[o] for o in outputs]


def _step(node, candidates, pool, log):
    """The first rule that changes the node, as (new node, rule name); None if none does."""
    for rule in candidates:
        new = attempt(rule, node, pool)
        if new is None or new is node:
            continue
        if new.type is not node.type:
            if not _compatible(new.type, node.type):
                log.refused[rule.name] = log.refused.get(rule.name, 0) + 1
                continue
            if new.op.kind != "leaf":
                new = pool.retyped(new, node.type)
            if new is node:
                continue
        log.fired[rule.name] = log.fired.get(rule.name, 0) + 1
        if log.history is not None:
            log.history.append((rule.name, node, new))
        return new, rule.name
    return None


def _compatible(a, b):
    """Types that differ at most in how unknown lengths are named."""
    return a.dtype == b.dtype and a.ndim == b.ndim and all(
        p is q or (isinstance(p, Dim) or isinstance(q, Dim)) and 1 not in (p, q) or p == q
        for p, q in zip(a.shape, b.shape, strict=True))


def _loop(stack, start, why):
    """A node came back to itself: say which rules it passed through."""
    names = [why[n] for n in stack[stack.index(start) if start in stack else 0:] if why.get(n)]
    chain = " -> ".join(dict.fromkeys(names))
    return RewriteLoop(
        f"rules undo one another at {start!r}: {chain}; switch one off with passes='-pass.rule'"
    )
