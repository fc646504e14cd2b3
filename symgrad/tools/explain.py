"""``f.explain()``: what each pass of the compiler did to a function, rule by rule.

The function is compiled once more, without its machine code, and everything is written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten

from symgrad import origin
from symgrad.compile.function import planned
from symgrad.compile.passes import BY_NAME, PIPELINE, Trace, select
from symgrad.compile.report import Report
from symgrad.node import toposort
from symgrad.show import pprint
from symgrad.tools.rules import meaning, members

LONG, DEEP = 76, 6  # characters and levels of an expression
CASES = 2  # firings of a rule that are shown in full
PLACES = 3  # the user's lines that are named


@dataclass
class Case:
    """One firing, or several that look alike: the expressions, the user's lines, how often."""

    before: str
    after: str
    lines: tuple
    count: int = 1


@dataclass
class Fired:
    """What one rule did in one pass; `refused`: how often its result had another type."""

    name: str
    meaning: str
    count: int
    refused: int
    cases: list


@dataclass
class Part:
    """What one pass did to one graph; `within` says which step of a loop that is, ``""`` for the
    function itself.  `before` and `after` count nodes."""

    name: str
    doc: str
    within: str
    before: int
    after: int
    seconds: float
    rules: list


class Explanation:
    """What ``f.explain()`` returns: `parts` in the order in which they ran; print it to read it."""

    def __init__(self, name, parts, off):
        self.name, self.parts, self.off = name, parts, off

    def __repr__(self):
        return "\n".join(self.lines())

    def lines(self):
        own = [p for p in self.parts if not p.within]
        yield (f"{self.name or 'function'}: {own[0].before} nodes became {own[-1].after}; "
               f"{sum([bool(p.rules) for p in own])} of {len(own)} passes changed something")
        idle, within = [], ""
        for p in self.parts:
            if p.within != within:
                yield from _nothing(idle, within)
                idle, within = [], p.within
                yield f"\n{within}:" if within else "\nthe function itself again:"
            if not p.rules:
                idle.append(p.name)
                continue
            yield from _indented([f"\n{p.name}: {p.doc}; {p.before} -> {p.after} nodes, "
                                  f"{p.seconds * 1e3:.2f} ms", *_rules(p)], within)
        yield from _nothing(idle, within)
        if self.off:
            yield f"\nleft out: {', '.join(self.off)}"


def explain(function):
    """What the compiler did to this function: for each pass the rules that fired, the expressions
    before and after, and the lines of the program that made them.  The steps of its loops come
    where they were rewritten.  An `Explanation`, to be printed.

    >>> x = T.dvector("x")
    >>> print(sg.function([x], T.log(1 + T.exp(x))).explain())           # doctest: +SKIP
    function: 4 nodes became 10; 3 of 12 passes changed something
    stabilise: forms nearer the true value; 4 -> 2 nodes, 0.09 ms
      log1p, 1 time: log(1 + x) becomes log1p(x)
          log((exp(x) + 1.0))
       -> log1p(exp(x))
          train.py:4   y = T.log(1 + T.exp(x))

    What ``T.grad`` did to a cost before it took the derivative is part of the expression that the
    function was given, and is not told.
    """
    stages = retraced(function)[1]
    selection = select(function.recipe["options"][1])
    parts = [_part(stage, words) for stage, words in zip(stages, _where(stages), strict=True)]
    off = [p.name for p in PIPELINE if p.name not in selection]
    off += [f"{p}.{rule}" for p, rule in sorted(selection.rules_off)]
    return Explanation(function.name, parts, off)


def retraced(function):
    """The plan of a function made again, and the `Stage` of each pass."""
    request, passes, *_ = function.recipe["options"]
    trace = Trace()
    plan = planned(request.roots, request.leaves, request.updated, select(passes),
                   Report(request.name, "", trace=trace), True)
    return plan, trace.stages


def _part(stage, within):
    p, log = BY_NAME[stage.name], stage.log
    known, cases = dict(members(p)), {}
    for name, old, new in log.history:
        cases.setdefault(name, []).append((old, new))
    rules = [Fired(name, meaning(p, known.get(name, name)), log.fired.get(name, 0),
                   log.refused.get(name, 0), _cases(cases.get(name, ())))
             for name in dict.fromkeys([*cases, *log.fired, *log.refused])]
    counts = [len(toposort(g)) for g in (stage.before, stage.after)]
    return Part(stage.name, p.doc, within, *counts, stage.seconds, rules)


def _cases(pairs):
    found = {}
    for old, new in pairs:
        before, after = short(old), short(new) if new is not None else ""
        case = found.get((before, after))
        if case is None:
            found[before, after] = Case(before, after, places(old, new))
        else:
            case.count += 1
    return list(found.values())


def _where(stages):
    """For each stage, in which loop's step it was: ``""`` for the function itself."""
    found, after = [], None
    for stage in reversed(stages):  # the next pass of what is around tells when it was
        if not stage.within:
            after = stage.name
        loops = " in ".join([named(n) for n in reversed(stage.within)])
        when = f", before {after}" if after else ", when it is compiled"
        found.append(f"the step of {loops}{when}" if stage.within else "")
    return found[::-1]


def named(node):
    """A loop (or conditional) in words: its name or op, and the user's line."""
    at = f" ({origin.where(node.origin)})" if node.origin else ""
    return f"{node.name or node.op.name}{at}"


def short(node):
    """An expression on one line that is not long."""
    line = pprint(node, LONG, DEEP)
    line = line[1:-1] if line.startswith("(") and _closed(line) else line
    return line if len(line) <= LONG + 24 else line[: LONG + 23] + "…"


def _closed(line):
    """Whether the first parenthesis is closed by the last character."""
    depth = 0
    for k, c in enumerate(line):
        depth += (c == "(") - (c == ")")
        if not depth:
            return k == len(line) - 1
    return False


def places(old, new=None):
    """The user's lines of a node, and of the nodes below it that are gone in `new`."""
    kept = set(_near(new, 5)) if new is not None else set()
    found = [n.origin for n in (old, *_near(old, 3)) if n.origin and n.op.kind != "leaf"
             and (n is old or n not in kept)]
    return tuple(dict.fromkeys(found))[:PLACES]


def _near(node, levels):
    """The nodes a few levels below one, itself among them."""
    found, level = {node: None}, [node]
    for _ in range(levels):
        level = [i for n in level for i in n.inputs if i not in found]
        found.update(dict.fromkeys(level))
    return found


# -- text


def _rules(part):
    for r in part.rules:
        times = "1 time" if r.count == 1 else f"{r.count} times"
        refused = f", refused {r.refused} times: its result had another type" if r.refused else ""
        yield f"  {r.name}, {times}{refused}: {r.meaning}".rstrip(": ")
        for case in r.cases[:CASES]:
            yield f"      {case.before}" + (f"   ({case.count} times)" if case.count > 1 else "")
            if case.after:
                yield f"   -> {case.after}"
            yield from [f"      {shorten(origin.line(at), LONG + 24, placeholder=' …')}"
                        for at in case.lines]
        if rest := r.cases[CASES:]:
            lines = list(dict.fromkeys([origin.where(at) for c in rest for at in c.lines[:1]]))
            at = ", ".join(lines[:8]) + (" …" if len(lines) > 8 else "")
            yield f"      and {sum([c.count for c in rest])} more{', at ' if at else ''}{at}"


def _nothing(idle, within):
    if idle:
        yield from _indented([f"\nnothing to do: {', '.join(dict.fromkeys(idle))}"], within)


def _indented(lines, within):
    for line in lines:
        yield "\n".join([f"    {row}" if row and within else row for row in line.split("\n")])


