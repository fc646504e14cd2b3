"""Places: the blocks of a module, each with a name that does not depend on line numbers.

A recording run notes which places a test comes to; a mutant is tried by the tests that come to its
place.  A place is ``file::function::number of the block in it``; a rule that is data is a place by
itself, ``rule:name``, where a test comes when the rule makes something of a node; the rest of a
module is ``file::<module>``, where every import comes.
"""

from __future__ import annotations

import ast

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
REACH = "__reach__"


def annotate(tree, file):
    """Give every node of a module `place`, `scope` (the function that it is in) and `rule` (the
    name of the rule that it belongs to); returns the blocks: [(place, list of statements or
    lambda)]."""
    blocks, count = [], {}

    def block(scope, what):
        number = count[scope] = count.get(scope, -1) + 1
        place = f"{file}::{scope}::{number}"
        blocks.append((place, what))
        return place

    def visit(node, scope, place, rule):
        node.scope, node.place, node.rule = scope, place, rule
        at = scope, place, rule
        if isinstance(node, FUNCTIONS):
            name = next((n for d in node.decorator_list if (n := rule_name(d))), rule)
            for part in (*node.decorator_list, node.args):
                visit(part, *at)
            inner = node.name if scope == "<module>" else f"{scope}.{node.name}"
            within = block(inner, node.body)
            node.inner = inner
            for part in node.body:
                visit(part, inner, within, name)
        elif isinstance(node, ast.ClassDef):
            inner = node.name if scope == "<module>" else f"{scope}.{node.name}"
            for part in (*node.decorator_list, *node.bases, *node.keywords, *node.body):
                visit(part, inner, place, rule)
        elif isinstance(node, ast.Lambda):
            visit(node.args, *at)
            visit(node.body, scope, block(scope, node), rule)
        elif isinstance(node, ast.If | ast.While | ast.For):
            for name, part in ast.iter_fields(node):
                if name in ("body", "orelse"):
                    within = block(scope, part) if part else place
                    for statement in part:
                        visit(statement, scope, within, rule)
                elif isinstance(part, ast.AST):
                    visit(part, *at)
        elif isinstance(node, ast.ExceptHandler):
            within = block(scope, node.body)
            for statement in node.body:
                visit(statement, scope, within, rule)
        else:
            if name := rule_name(node):
                rule = node.rule = name
                if place.endswith("<module>"):
                    place = node.place = f"rule:{name}"
            for child in ast.iter_child_nodes(node):
                visit(child, scope, place, rule)

    visit(tree, "<module>", f"{file}::<module>", None)
    return blocks


def rule_name(node):
    """The name of the rule that a call makes; None for anything else."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("rule", "rule_on"):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return first.value
    return None


def instrument(tree, file, number, between=None):
    """The module with a call of `REACH` in each block; ``number(place)`` is what it is told.
    ``between(tree)`` may change expressions before the calls are put in."""
    blocks = annotate(tree, file)
    if between is not None:
        between(tree)
    for place, what in blocks:
        call = ast.Call(ast.Name(REACH, ast.Load()), [ast.Constant(number(place))], [])
        if isinstance(what, ast.Lambda):  # the call returns None
            what.body = ast.BoolOp(ast.Or(), [call, what.body])
        else:
            first = what[0]
            said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            what.insert(int(said), ast.Expr(call))
    return ast.fix_missing_locations(tree)
