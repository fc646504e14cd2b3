"""A graph as lines of Python, one for each node; samples of ops and rules become lines so."""

from __future__ import annotations

import numpy as np
from helpers import filled

from symgrad.compile.passes import PIPELINE
from symgrad.compile.pool import absorb
from symgrad.node import CONST, INPUT, toposort
from symgrad.ops.index import Slice


def array(a):
    """An array as an expression; None if it would be long."""
    a = np.asarray(a)
    if a.size > 60:
        return None
    values = np.array2string(a.ravel(), separator=", ", threshold=10**6, floatmode="unique",
                             max_line_width=10**6)
    values = values.replace("nan", "np.nan").replace("inf", "np.inf")
    return f"np.array({values}, '{a.dtype}')" + (f".reshape({a.shape})" if a.ndim != 1 else "")


def spelled(outputs, names, prefix):
    """(lines, names of the outputs) for a graph whose inputs are called as `names` says; None where
    an attribute has no spelling, as the body of a loop has none."""
    names, lines = dict(names), []
    for n in toposort(outputs):
        if n in names:
            continue
        if n.op is CONST:
            text = array(n.data)
            if text is None:
                return None
            text = f"constant({text})"
        else:
            attrs = []
            for word, value, default in zip(n.op.params, n.attrs, n.op.defaults, strict=True):
                if value is default:
                    continue
                text = repr(value)
                try:
                    if eval(text, {"Slice": Slice, "np": np}) != value:
                        return None
                except Exception:  # noqa: BLE001 - what has no spelling may do what it likes
                    return None
                attrs.append(f", {word}={text}")
            inputs = ", ".join([names[i] for i in n.inputs])
            text = f"OPS[{n.op.name!r}].of({inputs}{''.join(attrs)})"
        names[n] = f"{prefix}{len(lines)}"
        lines.append(f"{names[n]} = {text}")
    return lines, [names[o] for o in outputs]


# -- what rules have for samples

DTYPES = ("float64", "float32", "int64", "bool", "complex128")


def entries():
    """(pass, rule) of all rules and forms, each once."""
    found, seen = [], set()
    for p in PIPELINE:
        key = id(p.rules) if p.rules else id(p.kinds)
        if key in seen or p.name == "forward":
            continue
        seen.add(key)
        names = [r.name for r in p.rules.rules] if p.rules else list(p.kinds)
        found += [(p.name, name) for name in names]
    return found


def samples(where, name):
    """Graphs (lists of outputs) at which a rule fires."""
    chosen = next(p for p in PIPELINE if p.name == where)
    if not chosen.rules:
        found = chosen.samples[name]()
    else:
        rule = next(r for r in chosen.rules.rules if r.name == name)
        found = rule.samples() if rule.samples else filled(rule.lhs, DTYPES)
    return [g if isinstance(g, list) else [g] for g in found]


def settled(graph):
    """The graph with lengths named that must be equal, and its inputs."""
    _, outputs = absorb(graph)
    return outputs, [n for n in toposort(outputs) if n.op is INPUT]

