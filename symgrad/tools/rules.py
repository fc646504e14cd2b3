"""`symgrad rules [PASS]`: every rule with its kind, both sides where they are patterns, and what it
is for."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from textwrap import shorten

from symgrad.compile.passes import BY_NAME, PIPELINE
from symgrad.compile.pattern import Rule
from symgrad.errors import UnknownName, near
from symgrad.op import Pattern
from symgrad.scalars import ROWS

WIDTH = 96


def register(commands):
    command = commands.add_parser("rules", help="list the rules of the compiler's passes")
    command.add_argument("name", nargs="?", metavar="PASS",
                         help="a pass, or a rule: stabilise, log_softmax, stabilise.log_softmax")
    command.set_defaults(run=run)


def run(options):
    """Print the table; the exit code."""
    print("\n".join(table(options.name)))
    return 0


def table(name=None):
    """Lines that list the rules of a pass, of all passes, or those of a name."""
    if name is None or name in BY_NAME:
        chosen = [p for p in PIPELINE if name in (None, p.name)]
        rules = {p.name: [rule for _, rule in members(p)] for p in chosen}
    else:
        rules = {}
        for p, rule in find(name):
            rules.setdefault(p.name, []).append(rule)
    first = {}  # where a set of rules was listed: two passes may have the same
    for title, listed in rules.items():
        p = BY_NAME[title]
        yield f"{title}: {p.doc}"
        same = first.setdefault(tuple([called(r) for r in listed]), title)
        if listed and same != title and not name:
            yield f"  the rules of {same}"
        else:
            for rule in listed:
                yield from lines(p, rule, WIDTH if name is None or name in BY_NAME else 10_000)
        yield ""


def lines(p, rule, width=WIDTH):
    """What to say of one rule, in lines of about this width."""
    kind = rule.kind if isinstance(rule, Rule) else p.kinds[rule]
    words = shorten(meaning(p, rule), width, placeholder=" …")
    yield f"  {called(rule):28} {kind:9} {words}".rstrip()
    if isinstance(rule, Rule) and rule.lhs is not None and rule.where is not None:
        yield f"  {'':38} where {shorten(condition(rule.where), width, placeholder=' …')}"


def members(p):
    """Pairs (name, `Rule`) of a pass; the name of a form in the place of a rule where the pass has
    no rule set."""
    if p.rules is not None:
        return [(r.name, r) for r in p.rules.rules]
    return [(name, name) for name in p.kinds]


def called(rule):
    return rule.name if isinstance(rule, Rule) else rule


def find(name):
    """Pairs (pass, rule) for ``log_softmax`` or ``stabilise.log_softmax``, in the order in which
    they run; raises `UnknownName` with near names."""
    first, dot, last = name.rpartition(".")
    if dot and first not in BY_NAME:
        raise UnknownName(f"no pass {first!r} in {name!r}: {near(first, BY_NAME)}")
    chosen = [BY_NAME[first]] if dot else PIPELINE
    found = [(p, rule) for p in chosen for own, rule in members(p) if own == last]
    if not found:
        known = dict.fromkeys([own for p in chosen for own, _ in members(p)])
        raise UnknownName(f"no rule {name!r}: {near(last, known)}")
    return found


def meaning(p, rule):
    """What a rule does: ``log(softmax(x, axis=a)) becomes log_softmax(x, axis=a)``, or its
    docstring."""
    if not isinstance(rule, Rule):
        return p.docs.get(rule, "")
    if rule.lhs is None:
        return " ".join(rule.doc.split())
    right = text(rule.rhs) if not callable(rule.rhs) else body(rule.rhs)
    said = f": {rule.doc}" if rule.doc else ""
    return f"{text(rule.lhs)} becomes {right}{said}"


# -- text of patterns and of functions


def text(p, bare=True):
    """A pattern as one line of mathematics."""
    if not isinstance(p, Pattern):
        return repr(p)
    if p.hole:
        return p.hole
    row = ROWS.get(p.op.scalar) if isinstance(p.op.scalar, str) else None
    if row is not None and row.arity == len(p.args) < 3 and "(" not in row.text:
        inner = row.text.format(*[text(a, False) for a in p.args])
        return inner if bare else f"({inner})"
    given = [text(a) for a in p.args]
    given += [f"{name}={text(value)}" for name, default, value
              in zip(p.op.params, p.op.defaults, p.attrs, strict=False) if value is not default]
    return f"{p.op.name}({', '.join(given)})"


def condition(where):
    """A rule's `where` in words, or as its text."""
    return getattr(where, "says", None) or body(where)


def body(function):
    """The text of what a lambda returns; the name of another function."""
    found = lambda_of(function)
    return ast.unparse(found.body) if found is not None else f"{function.__name__}(…)"


def lambda_of(function):
    """The `ast.Lambda` that a function was written as; None for others, or without the source."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_name != "<lambda>":
        return None
    spots = [(line, column) for line, _, column, _ in code.co_positions() if column]
    found = [node for node in _lambdas(code.co_filename)
             if node.lineno == code.co_firstlineno and spots and all(
                 (node.body.lineno, node.body.col_offset) <= spot
                 <= (node.body.end_lineno, node.body.end_col_offset) for spot in spots)]
    return min(found, key=lambda node: len(ast.unparse(node)), default=None)


@cache
def _lambdas(file):
    try:
        with open(file, encoding="utf-8") as source:
            return [n for n in ast.walk(ast.parse(source.read())) if isinstance(n, ast.Lambda)]
    except (OSError, SyntaxError):
        return []


def lines_of(function):
    """The source of a function as {number: line}; empty if there is none."""
    try:
        source, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return {}
    return dict(enumerate(source, first))
