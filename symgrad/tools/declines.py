"""Where the functions that decide about a form of a whole-graph pass said no.

They are watched while a function is compiled once more: rules need not tell anything themselves.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

from symgrad.compile.rewrite import Log
from symgrad.node import Node
from symgrad.tools.match import DECLINED, Miss, gave_up
from symgrad.tools.rules import lines_of

LEAVES = ("return", "continue")  # how a function leaves what it was looking at


class Declines:
    """`misses`: a `Miss` for each time that one of the functions looked at a node, or a loop, and
    made nothing of it.  `deciders`: pairs (function, class of which its `self` must be)."""

    def __init__(self, form, deciders):
        self.form, self.fired, self.misses = form, 0, []
        self.deciders = {}
        for function, owner in deciders:
            self.deciders.setdefault(function.__code__, []).append((function, owner))

    @contextmanager
    def watching(self):
        """Watch what is called in this thread inside."""
        outer = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield self
        finally:
            sys.settrace(outer)

    def _call(self, frame, event, argument):
        code, local = frame.f_code, frame.f_locals
        if code is Log.note.__code__:
            self.fired += local["name"] == self.form
            return None
        for function, owner in self.deciders.get(code, ()):
            given = [local[name] for name in code.co_varnames[:code.co_argcount]]
            if isinstance(given[0], owner):
                return _Watched(self, function, given).step
        return None


class _Watched:
    """One call of a function that decides."""

    def __init__(self, declines, function, given):
        self.declines, self.function, self.given = declines, function, given
        self.at, self.lines = None, lines_of(function)
        self.before, self.had = declines.fired, len(declines.misses)  # what it calls tells more

    def step(self, frame, event, result):
        if event == "line" and self.lines.get(frame.f_lineno, "").lstrip().startswith(LEAVES):
            self.at = frame.f_lineno
        elif event == "return" and self.declines.fired == self.before and (
                result is None or result is False or result is self.given[0]):
            node = _looked_at(self.given)
            misses = self.declines.misses
            if self.at and node is not None and node.inputs and len(misses) == self.had:
                done = (self.at - min(self.lines)) / len(self.lines)
                misses.append(Miss(DECLINED, done, gave_up(self.function, self.at), node))
        return self.step


def _looked_at(given):
    """The node that a call is about: an argument, the first of a list, or an attribute."""
    for x in given:
        found = getattr(x, "node", None) or getattr(x, "root", None) or x
        if isinstance(found, list | tuple) and found:
            found = found[0]
        if isinstance(found, Node):
            return found
    return None
