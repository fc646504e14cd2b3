"""Mutants: what may go wrong in a decision, one change of the syntax tree each.

====================  ==========================================================
`drop`                one operand of ``and`` or ``or`` is gone
`condition`           a condition is always true, never true, or turned round
`compare`             ``==`` for ``!=``, ``<`` for ``<=``, ``is``, ``in``, …
`quantifier`          ``any`` for ``all``, ``min`` for ``max``, and back
`constant`            one more, twice as much; True for False
`arithmetic`          ``+`` for ``-``, ``|`` for ``&``, and back
`swap`                the first two arguments, or operands, change places
`where`               a rule that is data loses its condition
`answer`              a function always says yes, no, or that there is nothing
====================  ==========================================================

Left alone is what decides nothing: messages of errors, texts, annotations, samples of rules and the
numbers at which functions are tried, and ``strict=`` of `zip`, which is an assertion.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass

from .places import FUNCTIONS, annotate
from .targets import parsed

OPPOSITE = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}
PAIRS = {"any": "all", "all": "any", "min": "max", "max": "min"}
ONE_SIDED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
# Calls whose first two arguments may change places without a difference, or not at all.
EITHER = {"isinstance", "issubclass", "getattr", "hasattr", "max", "min", "rule", "rule_on",
          "ruleset", "add.of", "mul.of", "maximum.of", "minimum.of", "eq.of", "ne.of", "holes",
          "np.maximum", "np.minimum", "np.array_equal", "field", "zip", "dict.fromkeys", "add",
          "self.lengths.add", "self.lengths.mul", "self.same", "unite", "self.unite",
          "pool.unite", "self.pool.unite", "house.unite", "self.house.unite"}
TEXTS = ("__repr__", "__str__", "__doc__")
LONGEST = 70  # characters of a side in a key


@dataclass(eq=False)
class Mutant:
    """One change: ``parent.field`` (or an element of it) becomes `new`.  `key` names it whatever
    the numbers of lines are."""

    file: str
    scope: str
    operator: str
    before: str
    after: str
    line: int
    place: str
    rule: str | None
    parent: ast.AST
    field: str
    at: int | None
    new: object
    tree: ast.AST
    key: str = ""

    def code(self):
        """The mutated module, compiled; None if it does not compile."""
        owner = getattr(self.parent, self.field)
        old = owner if self.at is None else owner[self.at]
        self._put(self.new)
        try:
            tree = ast.fix_missing_locations(copy.deepcopy(self.tree))
            return compile(tree, self.file, "exec", dont_inherit=True)
        except (SyntaxError, TypeError, ValueError):
            return None
        finally:
            self._put(old)

    def _put(self, value):
        if self.at is None:
            setattr(self.parent, self.field, value)
        else:
            getattr(self.parent, self.field)[self.at] = value


def mutants(file, tree=None):
    """All mutants of a target, in the order of its text."""
    tree = parsed(file) if tree is None else tree
    annotate(tree, file)
    return mutants_of(file, tree)


def mutants_of(file, tree):
    """The same of a tree that is annotated."""
    found, seen = _Finder(file, tree).all(), {}
    for m in found:
        key = f"{file}::{m.rule or m.scope}::{m.operator}::{_short(m.before)} -> {_short(m.after)}"
        seen[key] = number = seen.get(key, 0) + 1
        m.key = key if number == 1 else f"{key} #{number}"
    return found


def _short(text):
    text = " ".join(text.split())
    half = LONGEST // 2 - 1
    return text if len(text) <= LONGEST else f"{text[:half]}…{text[-half:]}"


class _Finder:
    def __init__(self, file, tree):
        self.file, self.tree, self.found = file, tree, []
        self.idle = _only_for_samples(tree)

    def all(self):
        self.walk(self.tree, None)
        return self.found

    def put(self, operator, node, parent, field, at, new, before=None, after=None):
        self.found.append(Mutant(
            self.file, node.scope, operator,
            ast.unparse(node) if before is None else before,
            (ast.unparse(new) if isinstance(new, ast.AST) else str(new)) if after is None
            else after,
            node.lineno, node.place, node.rule, parent, field, at, new, self.tree))

    def walk(self, parent, above):
        for field, value in ast.iter_fields(parent):
            for at, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or not hasattr(node, "place"):
                    continue
                if self.left_alone(node, parent, field, at):
                    continue
                self.visit(node, parent, field, at)
                self.walk(node, parent)

    def left_alone(self, node, parent, field, at):
        if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
            return True
        if field in ("annotation", "returns", "targets", "target"):
            return True
        if field == "decorator_list" and "dataclass" in ast.unparse(node):
            return True
        if isinstance(node, FUNCTIONS) and (node.name in TEXTS or node.name in self.idle):
            return True
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in (
                "SAMPLES", "PROBES", "EXTREMES", "__slots__"):
            return True
        if isinstance(node, ast.keyword) and node.arg in ("samples", "doc", "strict"):
            return True
        if isinstance(node, ast.Call) and _name(node.func).endswith(
                ("Error", "explain", "report", "Unexpected", ".note", "said")) and (
                    _name(node.func) != "said"):
            return True
        return _is_rule(parent) and field == "args" and at == 5  # samples by position

    def visit(self, node, parent, field, at):
        here = parent, field, at
        kind = type(node)
        if kind is ast.BoolOp:
            for k, operand in enumerate(node.values):
                rest = [v for j, v in enumerate(node.values) if j != k]
                new = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
                self.put("drop", node, *here, new, after=f"without {ast.unparse(operand)}")
        test = field == "test" or field == "ifs"
        if test and not isinstance(node, ast.Constant):
            if not isinstance(parent, ast.While):
                self.put("condition", node, *here, ast.Constant(True))
            self.put("condition", node, *here, ast.Constant(False))
        if test or kind is ast.UnaryOp and isinstance(node.op, ast.Not):
            new = node.operand if kind is ast.UnaryOp and isinstance(node.op, ast.Not) else (
                ast.UnaryOp(ast.Not(), node))
            self.put("condition", node, *here, new)
        if kind is ast.Compare:
            for k, op in enumerate(node.ops):
                if type(op) in OPPOSITE and not (test and len(node.ops) == 1 and isinstance(
                        op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn)):
                    ops = [OPPOSITE[type(o)]() if j == k else o for j, o in enumerate(node.ops)]
                    self.put("compare", node, *here, ast.Compare(node.left, ops, node.comparators))
        if kind is ast.Name and node.id in PAIRS and isinstance(parent, ast.Call) and (
                field == "func"):
            self.put("quantifier", parent, *here, ast.Name(PAIRS[node.id], ast.Load()),
                     after=PAIRS[node.id])
        if kind is ast.Constant and field != "value" or kind is ast.Constant and not isinstance(
                parent, ast.Expr):
            self.constant(node, here)
        if kind is ast.BinOp:
            self.arithmetic(node, here)
        if kind is ast.AugAssign and type(node.op) in ARITHMETIC and not _text(node.value):
            new = ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value)
            self.put("arithmetic", node, *here, new)
        if kind is ast.Call:
            self.call(node, here)
        if kind in FUNCTIONS:
            self.answer(node)

    def constant(self, node, here):
        value, parent = node.value, here[0]
        if isinstance(value, bool):
            new = not value
        elif isinstance(value, int):
            new = value + 1
        elif isinstance(value, float):
            new = value * 2 or 1.0
        else:
            return
        if _is_rule(parent) and here[1] == "args" and here[2] == 0:
            return
        around = parent if isinstance(parent, ast.expr | ast.keyword) else node
        self.put("constant", node, *here, ast.Constant(new), before=f"{value} in "
                 f"{ast.unparse(around)}" if around is not node else str(value), after=str(new))

    def arithmetic(self, node, here):
        if type(node.op) in ARITHMETIC and not _text(node.left) and not _text(node.right):
            self.put("arithmetic", node, *here,
                     ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right))
        if isinstance(node.op, ONE_SIDED) and not _text(node.left) and (
                ast.dump(node.left) != ast.dump(node.right)):
            self.put("swap", node, *here, ast.BinOp(node.right, node.op, node.left))

    def call(self, node, here):
        name = _name(node.func)
        if _is_rule(node):
            if name == "rule" and len(node.args) > 3 and not _is_none(node.args[3]):
                args = [*node.args[:3], ast.Constant(None), *node.args[4:]]
                self.put("where", node, *here, ast.Call(node.func, args, node.keywords),
                         before=ast.unparse(node.args[3]), after="None")
            return
        if name.endswith(".make") and len(node.args) > 1 and isinstance(node.args[1], ast.Tuple):
            pair = node.args[1]
            if len(pair.elts) > 1 and not isinstance(pair.elts[0], ast.Starred) and not isinstance(
                    pair.elts[1], ast.Starred):
                new = ast.Tuple([pair.elts[1], pair.elts[0], *pair.elts[2:]], ast.Load())
                self.put("swap", node, node, "args", 1, new, after=ast.unparse(new))
            return
        first = node.args[:2]
        if len(first) == 2 and name not in EITHER and not name.endswith(".get") and not any(
                isinstance(a, ast.Starred) or _text(a) for a in first) and (
                ast.dump(first[0]) != ast.dump(first[1])):
            self.put("swap", node, *here,
                     ast.Call(node.func, [first[1], first[0], *node.args[2:]], node.keywords))

    def answer(self, node):
        said = ast.get_docstring(node) or ""
        body = node.body[1:] if said else node.body
        inner = [n for statement in body for n in _own(statement)]
        returns = [n.value for n in inner if isinstance(n, ast.Return)]
        if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in inner):
            answers = ["nothing"]
        elif said.startswith(("Whether", "True if")) or returns and all(map(_is_answer, returns)):
            answers = [True, False]
        elif any(r is None or _is_none(r) for r in returns) and not all(
                r is None or _is_none(r) for r in returns) or said.endswith(
                    ("else None.", "None for\n    anything else.", "None for anything else.")):
            answers = [None]
        else:
            return
        for a in answers:
            if a == "nothing":
                new = [ast.Return(None), ast.Expr(ast.Yield(None))]
            else:
                new = [ast.Return(ast.Constant(a))]
            if len(body) == 1 and ast.dump(body[0]) == ast.dump(new[0]):
                continue
            first = body[0]
            self.found.append(Mutant(
                self.file, node.inner, "answer", node.name, str(a), node.lineno, first.place,
                first.rule, node, "body", None, new, self.tree))


def _own(node):
    """What is below a statement, but for functions in it."""
    yield node
    if not isinstance(node, (*FUNCTIONS, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _own(child)


def _is_answer(e):
    if isinstance(e, ast.BoolOp):
        return all(map(_is_answer, e.values))
    if isinstance(e, ast.Call):
        return _name(e.func) in ("any", "all", "bool", "isinstance")
    return isinstance(e, ast.Compare) or isinstance(e, ast.UnaryOp) and isinstance(
        e.op, ast.Not) or isinstance(e, ast.Constant) and isinstance(e.value, bool)


def _is_none(e):
    return isinstance(e, ast.Constant) and e.value is None


def _is_rule(node):
    return isinstance(node, ast.Call) and _name(node.func) in ("rule", "rule_on", "ruleset")


def _name(function):
    return ast.unparse(function) if isinstance(function, ast.Name | ast.Attribute) else ""


def _text(e):
    """Whether an operand is evidently no number: texts, lists and tuples are put together."""
    return isinstance(e, ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp | ast.Dict) or (
        isinstance(e, ast.Constant) and isinstance(e.value, str))


def _only_for_samples(tree):
    """Private functions of a module that nothing but samples of rules uses."""
    private = {n.name: n for n in tree.body if isinstance(n, FUNCTIONS) and n.name[0] == "_"}
    live, waiting = set(), [n for n in tree.body if n not in private.values()]
    while waiting:
        for n in _live(waiting.pop()):
            name = getattr(n, "id", "")
            if name in private and name not in live:
                live.add(name)
                waiting.append(private[name])
    return set(private) - live


def _live(node):
    if isinstance(node, ast.keyword) and node.arg == "samples" or isinstance(
            node, ast.Assign) and getattr(node.targets[0], "id", "") == "SAMPLES":
        return
    yield node
    for field, value in ast.iter_fields(node):
        for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not (_is_rule(node) and field == "args"
                                                   and at == 5):
                yield from _live(child)
