"""Where in user code a node was born.

A node keeps ``(file name, line)`` of the nearest frame outside symgrad; it costs well under a
microsecond, so it is always on.  Text is made only when an error, a printout or a report asks for
it.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_INSIDE = {}  # file name -> whether it is symgrad's own
_local = threading.local()


def caller():
    """The nearest frame outside symgrad as ``(file name, line)``, or the origin set by
    `made_for`."""
    forced = getattr(_local, "origin", None)
    if forced is not None:
        return forced
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        inside = _INSIDE.get(name)
        if inside is None:
            inside = _INSIDE[name] = name.startswith(HERE) or name == "<symgrad>"
        if not inside:
            return name, frame.f_lineno
        frame = frame.f_back
    return None


@contextlib.contextmanager
def made_for(origin):
    """Nodes made inside are said to come from `origin`: derivatives point at the line they
    derive."""
    before = getattr(_local, "origin", None)
    _local.origin = origin
    try:
        yield
    finally:
        _local.origin = before


def where(origin):
    """``file.py:12`` for an origin.

    >>> where(("/home/me/train.py", 12))
    'train.py:12'
    """
    if not origin:
        return "?"
    return f"{os.path.basename(origin[0])}:{origin[1]}"


def line(origin):
    """``train.py:12   x = T.matrix("x")``: the place and the text of the user's line."""
    if not origin:
        return "(unknown place)"
    text = linecache.getline(*origin).strip()
    return f"{where(origin)}   {text}".rstrip()


def describe(node, width=14):
    """One line of an error: the node's name, type and the user's line that made it."""
    name = node.name or "·"
    return f"{name:4} {node.type!r:{width}} made at {line(node.origin)}"


def report(sentence, inputs=(), origin=None, hint=None):
    """The one form every message has: the sentence, the inputs with their lines, the line here,
    the cure."""
    rows = [sentence]
    rows += [f"  {describe(n)}" for n in inputs]
    if origin:
        rows.append(f"  here {'':14} {'':7} {line(origin)}")
    if hint:
        rows.append(f"  hint: {hint}")
    return "\n".join(rows)
