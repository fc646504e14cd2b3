"""Probes: which mutants a test would notice *at the place of the change*.

A test that never makes the changed expression say anything else cannot catch the mutant (weak
mutation: W. E. Howden, IEEE Trans. Softw. Eng. 8, 1982).  So a recording run works out each
expression twice: as it is, and as each of its mutants would have it; a test *tells* the mutants
that differed.  What is changed may be part of a condition that comes out the same: the widest
expression around it is compared, as long as that has no effects.
"""

from __future__ import annotations

import ast
import copy
import signal

import numpy as np

from .places import FUNCTIONS

PROBE = "__probe__"
WHICH = "__which__"
# Calls that change nothing and make no node: only these are made twice.
QUESTIONS = set("""
    _may_fail abs all all_rows allclose alone any argwhere array_equal bool bytes can_cast
    cheap claims connected costs_nothing count counts dict dim discrete divides doubtless
    endswith enumerate exponent find finite fits float fromkeys frozenset fusible get getattr
    hasattr heavy holds holds_all index inexact int is_complex is_constant is_discrete is_float
    isdigit isdisjoint isfinite isidentifier isinstance iskeyword isnan issubset issuperset
    item items kind_of known leading len light list max may may_fail measure min moves needs
    nonnegative on outside range rank_up reads real repr reversed rows_only same same_rows
    scalar_value set signbit sizes slice sorted span startswith static_length str stretched sum
    toposort tuple type uniform values varies want wanted zip
""".split())
MOST = 400  # times that an expression is worked out twice in one test
SECONDS = 0.3  # of the processor, for all mutants of an expression
PLAIN = (bool, int, float, complex, str, bytes, type(None), np.dtype, np.generic)


class Group:
    """An expression and what its mutants would have there: [(number, the expression or None for
    one that is not to be tried, but differs for certain)]."""

    def __init__(self, node, truth):
        self.node, self.truth, self.others = node, truth, []


def put_probes(tree, found, number, groups):
    """Put probes into a module's `tree`, for all its mutants that are found there.  Appends to
    `groups` for each probe: (compared as truths?, [(``number(mutant)``, is it tried?)])."""
    above = {child: (parent, field, at) for parent in ast.walk(tree)
             for field, value in ast.iter_fields(parent)
             for at, child in enumerate(value if isinstance(value, list) else [value])
             if isinstance(child, ast.AST)}
    here = {}
    for m in found:
        if m.operator == "answer":
            _at_returns(m, here, above, number)
            continue
        node, tried = _around(m, above)
        if node is None:
            continue
        group = here.setdefault(node, Group(node, above[node][1] in ("test", "ifs")))
        group.others.append((number(m), _with(m, node) if tried else None))
    order = {node: k for k, node in enumerate(ast.walk(tree))}
    for node in sorted(here, key=order.get, reverse=True):  # from the inside out
        _wrap(here[node], above, groups)
    return ast.fix_missing_locations(tree)


def _at_returns(m, here, above, number):
    """A function that always answers the same: its returns differ where they do."""
    waiting = list(m.parent.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            group = here.setdefault(node.value, Group(node.value, False))
            first = m.new[0]
            said = copy.deepcopy(first.value) if len(m.new) == 1 else None
            group.others.append((number(m), said))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
            group = here.setdefault(node.value, Group(node.value, False))
            group.others.append((number(m), None))
        if not isinstance(node, (*FUNCTIONS, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _around(m, above):
    """(The expression in which a mutant is compared, whether it is tried); None if there is none
    in a function."""
    chain, node = [], getattr(m.parent, m.field)
    node = node if m.at is None else node[m.at]
    while node in above:
        if isinstance(node, ast.stmt | ast.arguments | ast.match_case | ast.pattern):
            break
        chain.append(node)
        if isinstance(node, ast.Lambda):
            break
        node = above[node][0]
    statement = node
    lambdas = [k for k, n in enumerate(chain) if isinstance(n, ast.Lambda)]
    chain = chain[:lambdas[0]] if lambdas else chain
    if not lambdas and (getattr(statement, "scope", "<module>") == "<module>" or isinstance(
            statement, (*FUNCTIONS, ast.ClassDef))):
        return None, False
    if isinstance(statement, ast.AugAssign) and not chain:
        return statement.value, False
    able = [n for n in chain if _able(n, above)]
    if not able:
        return None, False
    if isinstance(statement, ast.Expr):
        return able[0], False
    quiet = [n for n in able if not _effects(_with(m, n))]
    return (quiet[-1], True) if quiet else (able[0], False)


def _able(node, above):
    """Whether an expression may be the argument of a call instead."""
    if not isinstance(node, ast.expr) or isinstance(
            node, ast.Starred | ast.Slice | ast.Lambda):
        return False
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return False
    if isinstance(node, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.elts):
        return False
    parent, field, _ = above[node]
    return not (field == "func" or isinstance(parent, ast.JoinedStr | ast.FormattedValue))


def _effects(node):
    for n in ast.walk(node):
        if isinstance(n, ast.Yield | ast.YieldFrom | ast.Await):
            return True
        if isinstance(n, ast.Call):
            name = getattr(n.func, "attr", getattr(n.func, "id", ""))
            if name not in QUESTIONS:
                return True
    return False


def _with(m, node):
    """A copy of an expression in which there is a mutant."""
    owner = getattr(m.parent, m.field)
    old = owner if m.at is None else owner[m.at]
    if old is node:
        return copy.deepcopy(m.new)
    m._put(m.new)
    try:
        return copy.deepcopy(node)
    finally:
        m._put(old)


def _wrap(group, above, groups):
    """``e`` becomes ``PROBE(number, e, lambda WHICH: mutant 0 if WHICH == 0 else …)``."""
    tried = [(k, e) for k, e in group.others if e is not None]
    chosen = ast.Constant(None)
    for at, (_, e) in reversed(list(enumerate(tried))):
        test = ast.Compare(ast.Name(WHICH, ast.Load()), [ast.Eq()], [ast.Constant(at)])
        chosen = ast.IfExp(test, e, chosen)
    arguments = ast.arguments([], [ast.arg(WHICH)], None, [], [], None, [])
    parent, field, at = above[group.node]
    call = ast.Call(ast.Name(PROBE, ast.Load()), [
        ast.Constant(len(groups)), group.node, ast.Lambda(arguments, chosen)], [])
    if isinstance(getattr(parent, field), list):
        getattr(parent, field)[at] = call
    else:
        setattr(parent, field, call)
    groups.append((group.truth, [k for k, _ in tried],
                   [k for k, e in group.others if e is None]))


class Probes:
    """What is called by the probes: `told` has the numbers of mutants that differed."""

    def __init__(self, groups):
        self.groups, self.told, self.left, self.busy = groups, set(), {}, False
        self.endless = set()
        signal.signal(signal.SIGVTALRM, _too_long)

    def clear(self):
        self.told.clear()
        self.left.clear()

    def __call__(self, which, value, other):
        if self.busy:
            return value
        left = self.left.get(which)
        if left is None:
            _, tried, certain = self.groups[which]
            self.told.update(certain)
            left = self.left[which] = [MOST, *enumerate(tried)]
        if len(left) == 1 or not left[0]:
            return value
        left[0] -= 1
        self.busy = True
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS, SECONDS)
        try:
            for at, number in left[1:]:
                if number in self.endless or not self.alike(which, value, other, at, number):
                    self.told.add(number)
                    left.remove((at, number))
        except TimeoutError:
            pass  # it came between two of them
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self.busy = False
        return value

    def alike(self, which, value, other, at, number):
        try:
            return alike(value, other(at), self.groups[which][0])
        except TimeoutError:
            self.endless.add(number)
        except Exception:
            pass
        return False


def _too_long(*_):
    raise TimeoutError


def alike(a, b, truth=False):
    """Whether two values are the same for what goes on; in doubt they are not."""
    if a is b:
        return True
    if truth:
        return bool(a) == bool(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, PLAIN):
        return bool(a == b) or a != a and b != b
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all([alike(x, y) for x, y in zip(a, b, strict=True)])
    if isinstance(a, set | frozenset):
        return a == b
    if isinstance(a, dict):
        return list(a) == list(b) and all([alike(a[k], b[k]) for k in a])
    return False
