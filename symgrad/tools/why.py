"""``f.why(kernel)``: by which rules, and from which lines of the user, a step came to be.

Each node has a parent: the node at which a rule fired that made it, or the node that it is on other
inputs.  The chain of parents ends at a node of the user.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from textwrap import shorten

from symgrad import origin
from symgrad.compile.lower import name_nodes
from symgrad.errors import UnknownName, near
from symgrad.node import toposort
from symgrad.tools.explain import LONG, named, retraced, short


@dataclass
class Group:
    """Nodes of a step that came to be in the same way: `ops`, the rules from the last to the first
    as (``pass.rule``, the expression at which it fired), what the user wrote, and where."""

    ops: tuple
    chain: tuple
    written: str
    line: tuple | None


class Reason:
    """What ``f.why(kernel)`` returns: a `Group` for each way in which nodes of the step came to be;
    print it to read it."""

    def __init__(self, title, groups):
        self.title, self.groups = title, groups

    def __repr__(self):
        rows, line = [self.title], ()
        for g in self.groups:
            if g.line != line:
                line = g.line
                at = origin.line(line) if line else "made by the compiler"
                rows.append(f"  {shorten(at, LONG + 24, placeholder=' …')}")
            counted = [f"{op} {n}" if n > 1 else op for op, n in Counter(g.ops).items()]
            rows.append(f"    {', '.join(counted)}" + ("" if g.chain else ": as it was written"))
            rows += [f"        {rule:28}{' of ' if text else ''}{text}" for rule, text in g.chain]
            if g.chain and g.written not in ("", g.chain[-1][1]):
                rows.append(f"        {'':28} written as {g.written}")
        return "\n".join(rows)


def why(function, kernel):
    """How a step of this function came to be: which nodes are computed in it, by which rules of the
    compiler, and from which lines of the program.  `kernel`: the step's number or name as in
    ``f.report`` (``3``, ``"t15"``; ``"2.1"`` in a loop), or that of its code, as ``"k_t15"``.
    Raises `UnknownName`.

    >>> x = T.dvector("x"); y = T.log(1 + T.exp(x))
    >>> print(sg.function([x], y * 2).why(0))                            # doctest: +SKIP
    step 0, kernel t1: 8 nodes
      train.py:1   x = T.dvector("x"); y = T.log(1 + T.exp(x))
        relu, abs, neg, exp, log1p, add
            expand.composite             of softplus(x)
            stabilise.softplus           of log1p(exp(x))
            stabilise.log1p              of log(exp(x) + 1.0)
      …
    """
    found = steps(function)
    number, step = _chosen(found, kernel)
    plan, stages = retraced(function)
    new = dict(_same(function.plan, plan))
    known, rows = {}, {}
    for n in step.body:
        mine, pool, within = new[n]
        if within not in known:
            known[within] = Ancestry(stages, within, pool)
        rows.setdefault(known[within].history(mine), []).append(n.op.name)
    groups = [Group(tuple(ops), *key) for key, ops in rows.items()]
    groups.sort(key=lambda g: g.line or ("", 0))
    kind, names = found[number][1:]
    inside = new[step.body[0]][2]
    where = f" in the step of {' in '.join([named(n) for n in reversed(inside)])}" if inside else ""
    title = f"step {number}, {kind} {', '.join(names)}{where}: {_many(step.body)}"
    return Reason(title, groups)


def _many(nodes):
    return f"{len(nodes)} node{'s' * (len(nodes) != 1)}"


# -- which step is meant


def steps(function):
    """``{"2.1": (step, kind, names)}`` for every step of a function, also those in loops, numbered
    as in its report."""
    driver = getattr(function.code, "driver", None)
    if driver is not None:
        return dict(_driven(driver, ""))
    return dict(_planned(function.plan, ""))


def _driven(driver, before):
    for k, p in enumerate(driver.pieces):
        yield f"{before}{k}", (p.step, p.kind, [driver.names[n] for n in p.step.outputs])
        inner = getattr(p, "inner", None)
        sides = getattr(inner, "sides", (inner,)) if inner is not None else ()
        for j, side in enumerate(sides):
            word = f"{before}{k}." if len(sides) == 1 else f"{before}{k}.{'ab'[j]}"
            yield from _driven(side, word)


def _planned(plan, before):
    names = name_nodes(dict.fromkeys((*plan.inputs, *plan.shared, *plan.nodes)))
    for k, step in enumerate(plan.steps):
        yield f"{before}{k}", (step, step.kind, [names[n] for n in step.outputs])
        for n in step.body:
            inner = plan.inner.get(n, ())
            for j, own in enumerate(inner):
                word = f"{before}{k}." if len(inner) == 1 else f"{before}{k}.{'ab'[j]}"
                yield from _planned(own, word)


def _chosen(found, kernel):
    """(number, step) for what a user says of a step."""
    key = str(kernel).strip().removeprefix("#").removeprefix("k_")
    if key in found:
        return key, found[key][0]
    for number, (step, _, names) in found.items():
        if key in names or ", ".join(names) == key or key in [n.name for n in step.body if n.name]:
            return number, step
    known = [*found, *[name for _, _, names in found.values() for name in names]]
    raise UnknownName(f"why: no step {kernel!r}: {near(key, known)}")


def _same(old, new, within=()):
    """Pairs (node, (the same node of a plan made again, its pool, the loops it is in))."""
    for a, b in zip(old.nodes, new.nodes, strict=True):
        yield a, (b, new.pool, within)
        for mine, other in zip(old.inner.get(a, ()), new.inner.get(b, ()), strict=True):
            yield from _same(mine, other, (*within, b))


# -- where a node comes from


class Family:
    """The parents of all nodes of one graph, through all passes of one pool."""

    def __init__(self, stages):
        self.parent = {}  # node -> (pass.rule or None, node)
        self.touched = {}  # (op, line) -> rules that changed such a node in itself, as loops are
        self.known = set(toposort(stages[0].before))
        self.last = {}  # (op, line) -> node of the final graph
        for stage in stages:
            self.follow(stage)
        for n in toposort(stages[-1].after):
            self.last.setdefault((n.op, n.origin), n)

    def follow(self, stage):
        moved = stage.log.moved or {}
        for rule, old, new in stage.log.history:
            self.settle([old], moved)
            if new is None:
                self.touched.setdefault((old.op, old.origin), []).append(f"{stage.name}.{rule}")
            else:
                self.settle([new], moved, f"{stage.name}.{rule}", old)
        for new, old in moved.items():
            if new not in self.known:
                self.put(new, None, old)
        waiting, seen = list(zip(stage.before, stage.after, strict=True)), set()
        while waiting:  # whole-graph passes make again what is above a change
            old, new = waiting.pop()
            if new in seen or old is new:
                continue
            seen.add(new)
            if new not in self.known:
                self.put(new, None if old.op is new.op else stage.name, old)
            if old.op is new.op and len(old.inputs) == len(new.inputs):
                waiting += zip(old.inputs, new.inputs, strict=True)
        same = {(old.op, old.origin): old for old in toposort(stage.before)}
        for n in toposort(stage.after):
            if n not in self.known:
                old = same.get((n.op, n.origin))
                self.put(n, None if old is not None else stage.name, old)

    def settle(self, nodes, moved, rule=None, old=None):
        """Say of nodes that are not known where they come from."""
        for n in toposort(nodes, stop=self.known):
            if n in self.known:
                continue
            if n in moved and moved[n] is not n:
                self.put(n, None, moved[n])
            elif rule is not None and n is not old:
                self.put(n, rule, old)

    def put(self, node, rule, parent):
        self.known.add(node)
        self.parent[node] = rule, parent

    def up(self, node, chain):
        """The first ancestor of a node; the rules on the way are added to the chain."""
        seen = set()
        while node is not None and node not in seen:
            seen.add(node)
            rules = self.touched.get((node.op, node.origin), ())
            told = [rule for rule, _ in chain]
            chain += [(rule, short(node)) for rule in dict.fromkeys(rules) if rule not in told]
            if node not in self.parent:
                break
            rule, node = self.parent[node]
            if rule is not None:
                chain.append((rule, short(node) if node is not None else ""))
        return node


class Ancestry:
    """Where the nodes of a plan come from; `within`: the loops whose step it is.  Such a step was
    rewritten before, with the loop: there its nodes are found by op and line."""

    def __init__(self, stages, within, pool):
        self.pool, pools = pool, {}
        for stage in stages:
            if _lines(stage.within) == _lines(within):
                pools.setdefault(stage.pool, []).append(stage)
        self.families = [Family(own) for own in reversed(pools.values())]

    def history(self, node):
        """(chain of (rule, text), what the user wrote, line) of a node of the plan."""
        chain, n = [], self.pool._user.get(node, node)
        for k, family in enumerate(self.families):
            if k:
                n = family.last.get((n.op, n.origin))
            found = family.up(n, chain) if n is not None else None
            if found is None:
                break
            n = written = found
        if n is None and not chain or not self.families:
            return (), short(node), node.origin
        if found is None and k == 0:
            return tuple(chain), "", None
        return tuple(dict.fromkeys(chain)), short(written), written.origin


def _lines(within):
    """Loops, in a way that holds for all stages of their rewriting."""
    return tuple([n.origin for n in within])
