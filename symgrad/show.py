"""Text of graphs: an indented tree with ids, types and the user's lines; a line of mathematics."""

from __future__ import annotations

import sys

from symgrad.errors import ArgumentError
from symgrad.graph import (
    attributes,
    brief,
    is_function,
    label,
    outputs_of,
    place,
    steps_of,
    updates_of,
)
from symgrad.node import Node
from symgrad.ops.body import Body
from symgrad.scalars import ROWS

IDS = ("char", "int", "id", "")
DEEPEST = 32  # levels drawn as a tree; deeper rows begin with the number of their level
COLUMN = 56  # where the user's lines start, unless a row is longer


def debugprint(obj, file=None, depth=None, ids="char", print_type=True, lines=True):
    """Print the graph below a variable, a list of variables or a compiled function, as a tree.

    A row is an op with its attributes, an id, its type, its name and the user's line that made it.
    A sub-graph with several users is printed once; after that its row ends in ``···``.  For a
    compiled function it is the rewritten graph; ``#3`` says that step 3 of the plan computes the
    row, ``→ W`` that it is the new value of the shared variable W.

    What one step of a loop computes comes below the tree.

    `file`: an open file, None for standard output, or ``"str"`` to get the text back.
    `depth`: how many levels to print.  `ids`: ``"char"`` (A, B, … AA), ``"int"``, ``"id"``
    (Python's ``id``) or ``""``.  `print_type`, `lines`: whether to print types and lines.
    Returns the text if ``file="str"``, else the file.  Raises `ArgumentError` for other objects.

    The form is that of Theano's ``debugprint``.

    >>> x = T.dvector("x"); _ = debugprint(T.exp(x) + 1, lines=False)      # doctest: +SKIP
    add [id A] f64[?]
    ├─ exp [id B] f64[?]
    │  └─ x [id C] f64[?]
    └─ 1.0 [id D] f64[]
    """
    rows = list(_rows(obj, depth, _names(ids), print_type))
    text = "\n".join(_with_lines(rows) if lines else [row for row, _ in rows]) + "\n"
    if file == "str":
        return text
    (sys.stdout if file is None else file).write(text)
    return file


def _rows(obj, depth, name_of, print_type):
    """Pairs (text, origin), one for each row."""
    stage = "rewritten" if is_function(obj) else "expression"
    roots, updates = outputs_of(obj, stage), updates_of(obj, stage)
    steps = steps_of(obj) if is_function(obj) else ()
    step_of = {n: k for k, step in enumerate(steps) for n in (*step.body, *step.outputs)}
    opened = set()
    stack = [(root, "", "", 0) for root in reversed(roots)]
    bodies, whose = [], None
    while stack or bodies:
        if not stack:  # what stands in attributes comes when the rest has been told
            whose, word, body = bodies.pop(0)
            yield "", None
            yield f"{whose.op.name} [id {name_of(whose)}], {word}:", whose.origin
            stack = [(root, "", "", 0) for root in reversed(body.outputs)]
            continue
        node, before, below, level = stack.pop()
        deep = depth is not None and level + 1 >= depth
        closed = bool(node.inputs) and (deep or node in opened)
        row = _row(node, name_of(node), step_of.get(node), print_type)
        if whose is None and not level and node in updates:
            row += f" → {updates[node]}"
        if node not in opened:
            bodies += [(node, word, a) for word, a in zip(node.op.params, node.attrs, strict=False)
                       if isinstance(a, Body)]
        yield before + row + " ···" * closed, node.origin
        if closed:
            continue
        opened.add(node)
        level += 1
        last = len(node.inputs) - 1
        for k in range(last, -1, -1):
            if level > DEEPEST:
                stack.append((node.inputs[k], f"⋮{level:>6}  ", "", level))
            else:
                branch, rest = ("└─ ", "   ") if k == last else ("├─ ", "│  ")
                stack.append((node.inputs[k], below + branch, below + rest, level))


def _row(node, name, step, print_type):
    text = label(node)
    if name:
        text += f" [id {name}]"
    if print_type:
        text += f" {node.type!r}"
    if node.op.kind != "leaf" and node.name:
        text += f" '{node.name}'"
    elif node.op.name == "shared":
        text += " shared"
    return text if step is None else f"{text} #{step}"


def _with_lines(rows):
    """Rows with the place in a column of its own; the text of a line only where it is met first."""
    known, told = {}, set()
    for text, origin in rows:
        where, code = place(origin, known)
        if code and origin not in told:
            told.add(origin)
            where += f"   {code}"
        yield f"{text:{COLUMN}}  {where}".rstrip()


def _names(ids):
    """A function from nodes to short names, the same in every run (but for ``ids="id"``)."""
    kind = ids.lower() if isinstance(ids, str) else ids
    if kind not in IDS:
        raise ArgumentError(f"debugprint: ids={ids!r} is none of {', '.join(map(repr, IDS))}")
    given = {}

    def name_of(node):
        if node not in given:
            given[node] = _NAMERS[kind](len(given), node)
        return given[node]

    return name_of


def letters(number):
    """A, B, … Z, AA, AB, …

    >>> letters(0), letters(25), letters(26)
    ('A', 'Z', 'AA')
    """
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(ord("A") + digit) + text
    return text


_NAMERS = {
    "char": lambda number, node: letters(number),
    "int": lambda number, node: str(number),
    "id": lambda number, node: f"{id(node):#x}",
    "": lambda number, node: "",
}


# -- one line


def pprint(obj, limit=1000, depth=60):
    """A variable as one line of mathematics; a list as several, between brackets.

    What would make the line longer than about `limit` characters, and what lies more than `depth`
    levels deep, is ``…``: a graph with much sharing has an endless line.

    >>> x = T.dvector("x"); pprint((x + 2) * T.exp(-x))                    # doctest: +SKIP
    '((x + 2) * exp(-x))'
    """
    outputs = outputs_of(obj)
    if isinstance(obj, Node):
        return _line(outputs[0], limit, depth)
    return f"[{', '.join([_line(o, limit, depth) for o in outputs])}]"


def _line(node, limit, depth):
    parts, length = [], 0
    stack = [(node, 0, False)]
    while stack:
        item, level, bare = stack.pop()
        if not isinstance(item, str):
            if length < limit and level <= depth:
                inner, infix = _parts(item)
                if infix and not bare:
                    inner = ["(", *inner, ")"]
                stack.extend([(part, level + 1, not infix) for part in reversed(inner)])
                continue
            item = "…"
        parts.append(item)
        length += len(item)
    return "".join(parts)


def _parts(node):
    """What a node's line is made of, text and nodes, and whether that is an infix expression."""
    op = node.op
    if op.kind == "leaf":
        return [label(node)], False
    row = ROWS.get(op.scalar) if op.kind == "elementwise" and isinstance(op.scalar, str) else None
    if row is not None and row.arity == len(node.inputs) < 3 and "(" not in row.text:
        pieces = row.text.split("{}")
        inner = [part for pair in zip(pieces, node.inputs, strict=False) for part in pair]
        return [*inner, pieces[-1]], True
    inner = [part for i in node.inputs for part in (", ", i)]
    inner += [part for k, v in attributes(node).items() for part in (", ", f"{k}={brief(v)}")]
    return [op.name, "(", *inner[1:], ")"], False
