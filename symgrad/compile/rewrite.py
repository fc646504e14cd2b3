"""The engine: rewrite a graph to a normal form in one memoised innermost walk.

Whether a rule matches at a node depends only on what is below the node, and that never changes:
when a node is done its inputs are in normal form and no rule matched it, and both stay true.  So
one walk is the fixpoint.

Rules that undo one another are found at once (`RewriteLoop`).  A rule that never comes to an end in
another way, or makes more and more of a graph that grows, has a budget: so many firings, and so
many new nodes, for each node that there was (`RewriteGrowth`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from symgrad.compile.pattern import attempt
from symgrad.errors import RewriteGrowth, RewriteLoop
from symgrad.op import weak_numbers
from symgrad.origin import report
from symgrad.types import Dim

# What a rule may do for each node of the graph, and in any case.  In large graphs no rule of
# symgrad's own was seen to fire, or to make a node, as often as once for each that there was.
FIRINGS, ANYWAY = 10, 1_000
MADE, MADE_ANYWAY = 50, 10_000


@dataclass
class Log:
    """What a pass did: firings and refusals by rule, and (if asked for) each firing as (rule, old,
    new), which nodes are others on new inputs, and the seconds that each rule took."""

    fired: dict = field(default_factory=dict)
    refused: dict = field(default_factory=dict)
    history: list | None = None
    moved: dict | None = None
    times: dict | None = None

    @classmethod
    def full(cls):
        """One that is told everything."""
        return cls(history=[], moved={}, times={})

    def note(self, name, old, new):
        """A rule has fired."""
        self.fired[name] = self.fired.get(name, 0) + 1
        if self.history is not None:
            self.history.append((name, old, new))

    def spend(self, name, start):
        """A rule was at work since `start`."""
        if self.times is not None:
            self.times[name] = self.times.get(name, 0.0) + time.perf_counter() - start


def rewrite(outputs, rules, pool, log=None):
    """The normal form of `outputs` under a `RuleSet`.  Raises `RewriteLoop` if rules undo one
    another, `RewriteGrowth` if one does not come to an end."""
    with weak_numbers():
        return _rewrite(outputs, rules, pool, Log() if log is None else log)


def _rewrite(outputs, rules, pool, log):
    done, becomes, why, spent = {}, {}, {}, {}
    stack = list(reversed(outputs))
    by_op, members = rules.by_op, pool.members
    size = len(members)
    most = ANYWAY + FIRINGS * size, MADE_ANYWAY + MADE * size
    while stack:
        n = stack[-1]
        if n in done:
            stack.pop()
            continue
        target = becomes.get(n)
        if target is not None:  # n was replaced: its normal form is its successor's
            if target in done:
                done[n] = new = done[target]
                new.name = new.name or n.name
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
            m = becomes[n] = pool.make(n.op, inputs, n.attrs, n.origin, n.type, n.name)
            if log.moved is not None:
                log.moved.setdefault(m, n)
            continue
        candidates = by_op.get(n.op)
        had = len(members)
        hit = candidates and _step(n, candidates, pool, log)
        if hit:
            becomes[n], why[n] = hit
            fired, made = spent.get(hit[1], (0, 0))
            spent[hit[1]] = fired, made = fired + 1, made + len(members) - had
            if fired > most[0] or made > most[1] and not rules.open_ended:
                raise _growth(rules, hit[1], n, fired, made, size)
        else:
            done[n] = n
            stack.pop()
    return [done[o] for o in outputs]


def _step(node, candidates, pool, log):
    """The first rule that changes the node, as (new node, rule name); None if none does."""
    for rule in candidates:
        if log.times is None:
            new = attempt(rule, node, pool)
        else:
            start = time.perf_counter()
            new = attempt(rule, node, pool)
            log.spend(rule.name, start)
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
        log.note(rule.name, node, new)
        return new, rule.name
    return None


def _compatible(a, b):
    """Types that differ at most in how unknown lengths are named."""
    return a.dtype == b.dtype and a.ndim == b.ndim and all(
        p == q or (isinstance(p, Dim) or isinstance(q, Dim)) and 1 not in (p, q)
        for p, q in zip(a.shape, b.shape, strict=True))


def _loop(stack, start, why):
    """A node came back to itself: say which rules it passed through."""
    names = [why[n] for n in stack[stack.index(start):] if n in why]
    chain = " -> ".join(dict.fromkeys(names))
    return RewriteLoop(
        f"rules undo one another at {start!r}: {chain}; switch one off with passes='-pass.rule'"
    )


def _growth(rules, name, node, fired, made, size):
    """A rule has done more than the graph can have asked for: say which, and where it last was."""
    return RewriteGrowth(report(
        f"rule {name} of {rules.name} fired {fired:,} times and made {made:,} nodes, of a graph of "
        f"{size:,}: it does not come to an end, or its work grows faster than the graph",
        [], node.origin, f"it is a fault of the rule; leave it out with passes='-{rules.name}."
        f"{name}'"))
