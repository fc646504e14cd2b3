"""Loops and branches of the numpy and python backends: a Python function around the programs of
their bodies."""

from __future__ import annotations

import itertools
import linecache
from functools import partial

import numpy as np

from symgrad.errors import ShapeError
from symgrad.ops.body import check_steps
from symgrad.types import Type

_serial = itertools.count()


def around(node, programs, name):
    """The function called `name` that runs a node with bodies on its inputs, and the texts of it
    and of the bodies; `programs` are theirs.  Without them it is the op's NumPy meaning."""
    if not programs:
        return partial(node.op.numpy, **dict(zip(node.op.params, node.attrs, strict=True))), []
    words = ("step",) if node.op.kind == "loop" else ("then", "other")
    function, text = FORMS[node.op.name](node, *[p.run for p in programs])
    text, texts = text.replace(f"def {node.op.name}(", f"def {name}("), []
    for word, p in zip(words, programs, strict=True):
        text = text.replace(f" {word}(", f" {name}_{word}(")
        texts.append(p.source.replace("def program(", f"def {name}_{word}("))
    return function, [*texts, text]


def makes_an_array(node, inner):
    """Whether the op's NumPy meaning makes an array; a view is none, and what is in `inner` makes
    its results together."""
    return type(node.type) is Type and node.op.kind != "view" and (
        node.op.name != "item" or node.inputs[0] not in inner)


def branched(node, then, other):
    """(the function that runs a `branch` node on ``(condition, *operands)``, its text); `then` and
    `other` are the programs of its sides."""
    text = ("def branch(condition, *operands):\n"
            "    outputs, _ = then(*operands) if condition else other(*operands)\n"
            "    return outputs\n")
    return executed("branch", text, {"then": then, "other": other}), text


def executed(name, text, scope):
    """A function from its text."""
    file = f"<symgrad-{name}-{next(_serial)}>"
    linecache.cache[file] = len(text), None, text.splitlines(True), file
    exec(compile(text, file, "exec"), scope)
    return scope[name]


def looped(node, step):
    """(the function that runs a `loop` node on ``(n, *operands)``, its text); ``step(*rows)`` gives
    the outputs of one step and no updates."""
    body = node.attrs[0]
    seqs = [f"x{k}" for k in range(body.seqs)]
    states = [f"s{j}" for j in range(len(body.states))]
    fixed = [f"w{k}" for k in range(body.fixed)]
    maps = [f"y{k}" for k in range(len(body.maps))]
    outs = [f"{v}_t" for v in (*states, *maps)] + ["last"] * body.until
    given = ", ".join([*seqs, *[f"{s}_first" for s in states], *fixed])
    lines = [f"def loop(n, {given}):" if given else "def loop(n):",
             f"    n = int(n)\n    check_steps(n, [{', '.join(f'len({x})' for x in seqs)}])"]
    for s, name in zip(body.states, states, strict=True):
        part = "n:" if body.reverse else f":{s.depth}"
        lines.append(f"    if len({name}_first) != {s.depth}: begins({name}_first, {s.depth})")
        if s.keep:
            lines += [f"    {name} = np.zeros((n + {s.depth}, *{name}_first.shape[1:]), "
                      f"{name}_first.dtype)",
                      f"    {name}[{part}] = {name}_first"]
        else:  # no more than the rows that a step can look back to
            lines.append(f"    {name} = [*{name}_first]")
    lines += [f"    {y} = None" for y in maps]
    if body.until:
        lines.append("    count = n")
    lines.append(f"    for t in {'range(n - 1, -1, -1)' if body.reverse else 'range(n)'}:")
    rows = [f"{x}[t]" for x in seqs]
    for s, name in zip(body.states, states, strict=True):
        rows += [f"{name}[t + {k if body.reverse else s.depth - k}]" if s.keep else
                 f"{name}[{k - 1 if body.reverse else s.depth - k}]" for k in s.taps]
    lines.append(f"        ({''.join(f'{o}, ' for o in outs)}), _ = step("
                 f"{', '.join([*rows, *fixed])})")
    for s, name in zip(body.states, states, strict=True):
        lines.append(f"        if {name}_t.shape != {name}_first.shape[1:]: "
                     f"differ({name}_first, {name}_t, t)")
        lines.append(f"        {name}[t{'' if body.reverse else f' + {s.depth}'}] = {name}_t"
                     if s.keep else
                     f"        {name} = [{name}_t, *{name}[:-1]]" if body.reverse else
                     f"        {name} = [*{name}[1:], {name}_t]")
    for keep, y in zip(body.maps, maps, strict=True):
        if keep:
            lines += [f"        if {y} is None: {y} = np.zeros((n, *{y}_t.shape), {y}_t.dtype)",
                      f"        {y}[t] = {y}_t"]
        else:
            lines.append(f"        {y} = {y}_t[None]")
    if body.until:
        lines += ["        if last:", "            count = t + 1", "            break"]
    if maps:
        lines.append(f"    if not n: {', '.join(maps)}, = empty({given})")
    results = [name if s.keep else f"np.stack({name})"
               for s, name in zip(body.states, states, strict=True)]
    results += [*maps, *["np.int64(count)"] * body.until]
    lines.append(f"    return {''.join(f'{r}, ' for r in results)}")
    text = "\n".join(lines) + "\n"
    scope = {"np": np, "step": step, "check_steps": check_steps, "differ": _differ,
             "begins": _begins, "empty": body.empty}
    return executed("loop", text, scope), text


def _begins(first, depth):
    raise ShapeError(f"loop: a state needs {depth} rows to begin with, not {len(first)}")


def _differ(first, value, t):
    raise ShapeError(f"loop: a state begins with the shape {first.shape[1:]}, and step {t} makes "
                     f"{value.shape} of it")


FORMS = {"loop": looped, "branch": branched}
