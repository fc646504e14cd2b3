"""What a numpy program keeps between calls: buffers, views of them, numbers that depend on lengths
alone, and choices of the quicker of two ways."""

from __future__ import annotations

import itertools
import re

from symgrad.compile.memory import Rows
from symgrad.config import config

WORD = re.compile(r"[A-Za-z_]\w*")


class Workspace:
    """The function that makes a workspace for given lengths, and the lines that take one."""

    def __init__(self, text):
        self.text = text
        self.slots = text.memory.slots
        self.hoisted = []  # (name, line)
        self.prepared = {}  # expression -> its name
        self.taken = set()  # names in use
        self.read = set()  # what the statements read

    def hold(self, name, line):
        """Run a line, which makes `name`, with the workspace."""
        self.hoisted.append((name, line))

    def once(self, prefix, expression):
        """The name of a value that is made with the workspace."""
        name = self.prepared.get(expression)
        if name is None:
            count = itertools.count()
            while name is None or name in self.taken:
                name = f"{prefix}{next(count)}"
            self.taken.add(name)
            self.prepared[expression] = name
            self.hold(name, f"{name} = {expression}")
        return name

    def settle(self, read):
        """Leave out what nobody reads: `read` are the words of the program's statements."""
        self.read = read
        needed, kept = set(read), []
        for name, line in reversed(self.hoisted):
            if name in needed:
                needed.update(WORD.findall(line))
                kept.append((name, line))
        self.hoisted = kept[::-1]
        self.slots = [s for s in self.slots
                      if f"w{s.number}" in needed or f"v{s.number}" in needed]

    @property
    def empty(self):
        return not (self.slots or self.text.rows or self.hoisted)

    def key(self):
        """The names of the lengths that the workspace depends on."""
        shapes = [*(s.shape for s in self.slots), tuple(self.text.rows)]
        used = {d for shape in shapes for e in shape
                for d in ((e.length, *e.inner) if isinstance(e, Rows) else (e,))}
        words = {w for _, line in self.hoisted for w in WORD.findall(line)}
        return [text for d, text in self.text.dims.items() if d in used or text in words]

    def handed(self):
        """The names of what the statements read of it."""
        names = [f"w{s.number}" for s in self.slots] + list(self.text.rows.values())
        return [n for n in (*names, *(name for name, _ in self.hoisted)) if n in self.read]

    def take(self):
        """Lines of the program that take a workspace."""
        if self.empty:
            return []
        key, handed = self.key(), self.handed()
        same = "".join(f"{k}, " for k in key)
        lines = ["    ws = _free.pop() if _free else None"]
        if key:
            lines.append(
                f"    if ws is None or ws[0] != ({same}): ws = workspace({', '.join(key)})"
            )
        else:
            lines.append("    if ws is None: ws = workspace()")
        lines.append(f"    _, {', '.join(handed)} = ws" if handed else "    pass")
        return [(line, None) for line in lines]

    def function(self):
        """Lines of the function that makes a workspace."""
        if self.empty:
            return []
        key, length = self.key(), self.text.length
        lines = [f"def workspace({', '.join(key)}):"]
        for r, text in self.text.rows.items():
            size = " * ".join([str(r.itemsize), *(length(d) for d in r.inner)])
            lines.append(
                f"    {text} = min({length(r.length)}, "
                f"max(1, {config.block_bytes} // max(1, {size})))"
            )
        for s in self.slots:
            lines.append(f"    w{s.number} = np.empty({self.text.shape(s.shape)}, '{s.dtype}')")
        lines += [f"    {line}" for _, line in self.hoisted]
        lines.append(f"    return ({''.join(f'{n}, ' for n in key)}), "
                     + "".join(f"{n}, " for n in self.handed()))
        return [*lines, ""]
