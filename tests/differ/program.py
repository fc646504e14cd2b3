"""A program as lines of Python: what builds a graph, and what makes the arrays of each call."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

import symgrad as sg
from symgrad.compile.passes import BY_NAME
from symgrad.compile.program import Program as Request
from symgrad.node import INPUT, rebuild, toposort
from symgrad.op import remake

WORD = re.compile(r"[A-Za-z_]\w*")
IMPORTS = """\
import numpy as np
import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.passes import BY_NAME
from symgrad.node import INPUT, constant, rebuild, toposort
from symgrad.op import remake
from symgrad.ops import OPS
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.index import Slice
from symgrad.types import Type
"""


def draw(seed, *shape, low=-1.0, high=1.0, dtype="float64", odd=False):
    """Numbers from `low` to `high` (whole ones: below it); odd: NaN, infinities and zeros, too."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype).kind
    if kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if kind in "iu":
        return np.asarray(rng.integers(low, high, shape)).astype(dtype)
    x = rng.uniform(low, high, shape)
    if kind == "c":
        x = x + 1j * rng.uniform(low, high, shape)
    if odd:
        some = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], shape)
        x = np.where(rng.random(shape) < 0.25, some, x)
    return np.asarray(x).astype(dtype)


def planted(rules, name, k, *operands):
    """The k-th sample of a rule or of a form of a pass, with operands in place of its inputs."""
    entry = BY_NAME[rules]
    named = {r.name: r.samples for r in entry.rules.rules} if entry.rules else entry.samples
    found = list(named[name]())[k]
    found = found if isinstance(found, list) else [found]
    inputs = [n for n in toposort(found) if n.op is INPUT]
    return rebuild(found, dict(zip(inputs, operands, strict=True)), remake)


HELPERS = {f.__name__: f for f in (draw, planted)}


def _scope():
    scope = {}
    exec(IMPORTS, scope)
    return scope | HELPERS


SCOPE = _scope()


@dataclass(frozen=True)
class Program:
    """`lines` make inputs, shared variables and values.  For each call, where ``call`` is its
    number and ``n``, ``m``, ``k`` are the `sizes` of that call, the lines `data` make arrays: that
    of the input x is called ``x_``.  (`lines` know the sizes of the first call.)

    lent: whether arrays of a call may be the memory of a shared variable
    """

    sizes: tuple = ((3, 3, 3),)
    lines: tuple = ()
    data: tuple = ()
    inputs: tuple = ()
    outputs: tuple = ()
    updates: tuple = ()  # (name of a shared variable, expression)
    lent: bool = False
    title: str = ""
    floatX: str = "float64"
    fixed = False  # whether it is always built in the same way

    def build(self, passes=""):
        """The scope in which the lines have run, and the request; gradients are built with
        `passes`."""
        scope = dict(SCOPE)
        scope.update(zip("nmk", self.sizes[0], strict=True))
        with sg.options(passes=passes, floatX=self.floatX):
            exec(_code("\n".join(self.lines)), scope)
            outputs = [eval(_code(o, "eval"), scope) for o in self.outputs]
            updates = [(scope[s], eval(_code(e, "eval"), scope)) for s, e in self.updates]
            request = Request.of([scope[i] for i in self.inputs], outputs, updates, None, False,
                                 "ignore", None, None)
        return scope, request

    def calls(self, scope):
        """The arrays of each call."""
        found = []
        for call, sizes in enumerate(self.sizes):
            mine = dict(scope) | dict(zip("nmk", sizes, strict=True)) | {"call": call}
            exec(_code("\n".join(self.data)), mine)
            found.append([mine[f"{i}_"] for i in self.inputs])
        return found

    def less(self, **changes):
        """Another program with some fields changed, without lines that nothing needs."""
        return replace(self, **changes).pruned()

    def pruned(self):
        """Without lines whose names nothing needs."""
        needed = set(WORD.findall(" ".join([*self.outputs, *[w for u in self.updates for w in u]])))
        lines = _needed(self.lines, needed)
        inputs = tuple([i for i in self.inputs if i in needed])
        wanted = {f"{i}_" for i in inputs}
        data = _needed(self.data, wanted)
        if self.lent:
            lines = _needed(self.lines, needed | set(WORD.findall(" ".join(data))))
        return replace(self, lines=lines, data=data, inputs=inputs)

    def text(self):
        """A script that runs it, compiled as `sg.function` does by default."""
        args = ", ".join([f"{i}_" for i in self.inputs])
        body = [f"sizes = {self.sizes!r}", "n, m, k = sizes[0]", *self.lines, "", self.function(""),
                "for call, (n, m, k) in enumerate(sizes):",
                *[f"    {line}" for line in self.data], f"    print(f({args}))"]
        option = [] if self.floatX == "float64" else [f"sg.config.floatX = {self.floatX!r}"]
        return "\n".join([IMPORTS, *option, *helpers_of(self), *body, ""])

    @staticmethod
    def words(text):
        """The names in it."""
        return WORD.findall(text)

    def function(self, arguments):
        """The call of `sg.function`, with more arguments if any are given."""
        updates = ", ".join([f"({s}, {e})" for s, e in self.updates])
        more = f", updates=[{updates}]" if updates else ""
        return (f"f = sg.function([{', '.join(self.inputs)}], [{', '.join(self.outputs)}]{more}, "
                f"on_unused_input='ignore'{arguments})")


def helpers_of(program):
    """The source text of the functions that its lines call."""
    return [inspect.getsource(f) for name, f in HELPERS.items()
            if any(f"{name}(" in line for line in (*program.lines, *program.data))]


@lru_cache(64)
def _code(text, mode="exec"):
    return compile(text, "<program>", mode)


def _needed(lines, needed):
    """Lines that make a name in the set, which grows by what they need."""
    kept = []
    for line in reversed(lines):
        head, _, rest = line.partition(" = ")
        made = WORD.findall(head)
        if needed.intersection(made) or not rest:
            kept.append(line)
            needed.update(WORD.findall(rest or line))
    return tuple(reversed(kept))
