"""``f.why_not(rule)``: which condition kept a rule of the compiler from firing.

The function is compiled once more with probes in front of the rule: they tell at which nodes it was
tried, and which nodes other rules took before it.  At each of them the rule is tried again, step
by step; the nearest miss is told.
"""

from __future__ import annotations

from contextlib import nullcontext
from textwrap import shorten

from symgrad import origin
from symgrad.compile.function import planned
from symgrad.compile.passes import Selection, Trace, select
from symgrad.compile.pattern import Rule, RuleSet, assumes
from symgrad.compile.report import Report
from symgrad.node import toposort
from symgrad.tools.declines import Declines
from symgrad.tools.explain import LONG, short
from symgrad.tools.match import DECLINED, FIRED, NOWHERE, PATTERN, TAKEN, Miss, missed
from symgrad.tools.rules import called, find, meaning


class Verdict:
    """What ``f.why_not(rule)`` returns; `fired` says whether it did fire after all; print it to
    read it."""

    def __init__(self, title, fired, rows):
        self.title, self.fired, self.rows = title, fired, rows

    def __repr__(self):
        return "\n".join([self.title, *self.rows])


def why_not(function, rule, line=None):
    """Why a rule of the compiler did not fire in this function, at a line of the program if one is
    given (``12``, or ``"train.py:12"``): the condition that failed at the node where it came
    nearest.  Rules are called ``"log_softmax"`` or ``"stabilise.log_softmax"``; ``symgrad rules``
    lists them.  Raises `UnknownName` with near names.

    >>> x = T.dmatrix("x"); f = sg.function([x], T.log(T.nnet.softmax(x) + 1e-9))
    >>> print(f.why_not("log_softmax"))                                  # doctest: +SKIP
    stabilise.log_softmax did not fire: log(softmax(x, axis=a)) becomes log_softmax(x, axis=a)
      nearest at log(softmax(x, axis=(1,)) + 1e-09)
      train.py:1   x = T.dmatrix("x"); f = …
      1 of 2 ops matched; then softmax was wanted, and there is add: softmax(x, axis=(1,)) + 1e-09
    """
    request, passes, *_ = function.recipe["options"]
    chosen = find(rule)
    selection, rows, fired, best = select(passes), [], False, []
    for p, r in chosen:
        off = _switched_off(p, r, selection)
        probe = _Probe.of(selection, p.name, r)
        trace, declines = Trace(), Declines(called(r), p.deciders.get(r, ()))
        with declines.watching() if declines.deciders else nullcontext():
            planned(request.roots, request.leaves, request.updated, probe,
                    Report(None, "", trace=trace), True)
        found = _Tried(p, r, probe, trace.stages, line, declines.misses)
        if off:
            rows.append(f"{p.name}.{called(r)} is switched off: {off}")
        else:
            best.append((p, r, found.nearest()))
            fired |= best[-1][2].rank == FIRED
    for p, r, miss in sorted(best, key=lambda b: b[2].order)[:1]:
        rows = ([] if fired else rows) + _told(p, r, miss)
    at = f" at line {line}" if line is not None else ""
    return Verdict(f"{'why' if fired else 'why not'} {rule}{at}:", fired, rows)


def _told(p, r, miss):
    what = meaning(p, r)
    yes = "fired" if miss.rank == FIRED else "did not fire"
    rows = [f"{p.name}.{called(r)} {yes}{': ' if what else ''}{what}"]
    if miss.node is not None:
        rows.append(f"  {'' if miss.rank == FIRED else 'nearest '}at {short(miss.node)}")
        if miss.node.origin:
            line = shorten(origin.line(miss.node.origin), LONG + 24, placeholder=" …")
            rows.append(f"  {line}")
    return [*rows, f"  {miss.words}"]


def _switched_off(p, r, selection):
    """Why a rule does not run at all, in words; None if it does."""
    kind = r.kind if isinstance(r, Rule) else p.kinds[r]
    if p.name not in selection:
        return f"the pass {p.name} is left out"
    if (p.name, called(r)) in selection.rules_off:
        return f"passes='-{p.name}.{called(r)}'"
    if kind not in selection.kinds:
        return ("it is right only under an assumption; passes='+assumes' admits it"
                if kind is assumes else f"passes='exact' leaves out rules of the kind {kind}")
    return None


# -- where it was tried


class _Probe(Selection):
    """A `Selection` whose rule sets tell at which nodes they look: `came` to any rule, `tried` the
    rule in question."""

    @classmethod
    def of(cls, selection, name, rule):
        made = cls(selection.off, selection.rules_off, selection.kinds)
        object.__setattr__(made, "at", (name, rule, {}, {}))
        return made

    def rules(self, chosen):
        plain = super().rules(chosen)
        name, rule, came, tried = self.at
        if chosen.name != name or not isinstance(rule, Rule) or not isinstance(plain.by_op, dict):
            return plain
        probed = RuleSet(plain.name, plain.rules, plain.open_ended)
        for op in rule.ops:
            rules = list(probed.by_op.get(op, ()))
            if rule in rules:
                rules.insert(rules.index(rule), _watch("tried", rule, tried))
            probed.by_op[op] = [_watch("came", rule, came), *rules]
        return probed


def _watch(name, rule, seen):
    return Rule(name, heads=rule.ops, apply=lambda node, pool: seen.setdefault(node, pool) and None)


class _Tried:
    """The nodes at which a rule was tried in a compilation, or could have been."""

    def __init__(self, p, rule, probe, stages, line, declined):
        self.p, self.rule, self.line, self.declined = p, rule, line, declined
        self.came, self.tried = probe.at[2:]
        self.stages = [s for s in stages if s.name == p.name]
        self.all = stages

    def here(self, node):
        """Whether a node is of the line in question."""
        if self.line is None:
            return True
        if not node.origin:
            return False
        file, _, number = str(self.line).rpartition(":")
        return str(node.origin[1]) == number and node.origin[0].endswith(file)

    def firings(self):
        """Pairs (old, new) of nodes at which it fired."""
        name = called(self.rule)
        return [(old, new) for s in self.stages for own, old, new in s.log.history if own == name]

    def nearest(self):
        """The `Miss` that was nearest to a firing; of rank FIRED if there was one.  What was made
        at the line counts first, then what reads something that was."""
        for near in (0, 3):
            found = [(old, new) for old, new in self.firings() if self.around(old, near)]
            if found:
                more = f"; and {len(found) - 1} times more" if len(found) > 1 else ""
                old, new = found[0]
                became = short(new) if new is not None else "another"
                return Miss(FIRED, 1, f"it became {became}{more}", old)
            misses = [self.tell(n, pool) for n, pool in self.came.items() if self.around(n, near)]
            misses += [m for m in self.declined if self.around(m.node, near)]
            best = min(misses, key=lambda m: m.order, default=None)
            if misses or near:
                before = self.written(near) if best is None or best.rank > TAKEN else None
                return before or best or self.nowhere()

    def around(self, node, levels):
        """Whether a node, or one so many levels below it, is of the line in question."""
        return any(map(self.here, _below(node, levels)))

    def tell(self, node, pool):
        """What became of the rule at a node."""
        miss = missed(self.rule, node, pool)
        if miss.rank == FIRED or node not in self.tried:
            taker = next(((own, new) for s in self.stages for own, old, new in s.log.history
                          if old is node), None)
            if taker and miss.rank in (FIRED, DECLINED):
                return Miss(TAKEN, 1, f"the rule {taker[0]}, which comes before it, took the node: "
                            f"it became {short(taker[1])}", node)
            if taker and miss.rank == PATTERN:
                miss.words += f"; the rule {taker[0]} made {short(taker[1])} of it"
        if miss.rank == FIRED:
            return Miss(TAKEN, 1, "it would fire, and did not get the node", node)
        return miss

    def written(self, near):
        """The case that the pattern is in the graph as it came, and gone before the pass."""
        if not isinstance(self.rule, Rule) or self.rule.lhs is None:
            return None
        for s in self.all:
            if s.name != self.all[0].name:
                continue
            for node in toposort(s.before):
                if node.op is not self.rule.lhs.op or not self.around(node, near):
                    continue
                if missed(self.rule, node, s.pool).rank != FIRED:
                    continue
                parts = dict.fromkeys(_below(node, 3))
                lines = {n.origin for n in parts}
                for stage in self.all[:self.all.index(self.stages[0])] if self.stages else ():
                    if stage.within != s.within:
                        continue
                    for own, old, new in stage.log.history:
                        if new is not None and (old in parts or old.origin in lines and
                                                old.op is node.op):
                            return Miss(TAKEN, 1, f"{stage.name}.{own}, which comes before it, "
                                        f"changed {short(old)} to {short(new)}", node)
        return None

    def nowhere(self):
        """Nothing of the kind was there."""
        if not self.stages:
            return Miss(NOWHERE, 0, f"the pass {self.p.name} did not run: nothing called for it")
        if not isinstance(self.rule, Rule):
            where = "at this line" if self.line is not None else "in the graph"
            return Miss(NOWHERE, 0, f"it is a form of the pass {self.p.name}, which looks at the "
                        f"whole graph, and found nothing {where} that it could be of use to")
        heads = [op.name for op in self.rule.ops]
        wanted = " or ".join(heads[:4]) + (" …" if len(heads) > 4 else "")
        graphs = [n for s in self.stages for n in toposort(s.before)]
        here = dict.fromkeys([n.op.name for n in graphs if self.here(n) and n.op.kind != "leaf"])
        if self.line is None or here:
            at = "at this line" if self.line is not None else "in the graph"
            there = f"; there are {', '.join(list(here)[:12])}" if here else ""
            return Miss(NOWHERE, 0, f"it looks at {wanted}, and there is none {at} when the pass "
                        f"{self.p.name} runs{there}")
        lines = dict.fromkeys([origin.where(n.origin) for n in graphs if n.origin])
        return Miss(NOWHERE, 0, f"nothing of this line is in the graph when the pass {self.p.name} "
                    f"runs; its nodes are of {', '.join(sorted(lines)[:12])}")


def _below(node, levels):
    found, level = [node], [node]
    for _ in range(levels):
        level = [i for n in level for i in n.inputs]
        found += level
    return found
