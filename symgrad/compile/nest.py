"""The loop nest: the form in which all kernel backends get a kernel.  A tree, printed as Python.

::

    nest      = (name, params, results, lengths, buffers, body)
    body      = statement, ...
    statement = For(letter, length, body)
              | Assign(cell, expr)
              | Fold(cell, combine, expr, order, best, index)  cell = combine(cell, expr)
              | Nonempty(op, over)                             an error if one of the lengths is 0
    cell      = Local(name)  |  Load(array, at)
    at        = 0  |  axis  |  affine  |  Local
    expr      = the kernel's expressions, with Local for names and for computed indices
"""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.compile.kernel import (
    Affine,
    Axis,
    Index,
    Lit,
    Load,
    Size,
    affine_text,
    number,
    open_ended,
    text,
    type_name,
)

# -- the tree


@dataclass(frozen=True, slots=True)
class Local:
    """A scalar variable."""

    name: str
    dtype: str


@dataclass(slots=True)
class For:
    """The body for letter = 0 … length - 1."""

    letter: str
    length: object
    body: list


@dataclass(slots=True)
class Assign:
    cell: object
    expr: object


@dataclass(slots=True)
class Fold:
    """``cell = combine(cell, expr)``.  For argmax and argmin: where `expr` beats `best`, it becomes
    the best and the cell becomes `index`; the first of equals wins, a NaN beats everything."""

    cell: object
    combine: str
    expr: object
    order: str
    best: object = None
    index: object = None


@dataclass(slots=True)
class Nonempty:
    """An error if there is nothing to take: one of the lengths `over` is 0."""

    op: str
    over: tuple
    node: object = None


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory for the values of a stage that outlive a pass through the loops."""

    name: str
    dtype: str
    lengths: tuple


@dataclass(slots=True)
class Nest:
    """A whole kernel."""

    name: str
    params: tuple
    results: tuple
    lengths: tuple  # the Dims it must be told
    buffers: tuple
    body: list


# -- walking


def statements(body):
    """Every statement that is no loop."""
    for s in body:
        if type(s) is For:
            yield from statements(s.body)
        else:
            yield s


def expressions(s):
    """The expressions a statement reads; cells that it writes are expressions too."""
    if type(s) is Nonempty:
        return ()
    if type(s) is Assign:
        return s.cell, s.expr
    return tuple([e for e in (s.cell, s.expr, s.best, s.index) if e is not None])


# -- text


def show(nest, typed=False):
    """The nest as a Python function; `typed`: such that NumPy's scalars compute it bit for bit."""
    arrays = ", ".join([*[p.name for p in nest.params], *[r.name for r in nest.results]])
    lengths = ", ".join([str(d) for d in nest.lengths])
    lines = [f"def {nest.name}({arrays}{', *, ' + lengths if lengths else ''}):"]
    lines += [f"    {b.name} = empty({_tuple(b.lengths)}, {b.dtype!r})" for b in nest.buffers]
    stack = [(s, 1) for s in reversed(nest.body)]
    while stack:
        s, level = stack.pop()
        if type(s) is For:
            line = f"for {s.letter} in range({s.length}):"
            stack += [(inner, level + 1) for inner in reversed(s.body)]
        else:
            line = _line(s, _typed if typed else _plain, typed)
        lines.append("    " * level + line)
    return "\n".join(lines)


def _tuple(items):
    return f"({', '.join([str(i) for i in items])}{',' * (len(items) == 1)})"


def _line(s, leaf, typed):
    if type(s) is Nonempty:
        return f"nonempty({s.op!r}, {_tuple(s.over)})"
    target, value = _target(s.cell), text(s.expr, leaf, typed)
    if type(s) is Assign:
        return f"{target} = {value}"
    if s.combine in ("sum", "prod"):
        return f"{target} {'+' if s.combine == 'sum' else '*'}= {value}"
    if s.combine in ("max", "min"):
        return f"{target} = {s.combine}({target}, {value})"
    if s.combine in ("and", "or"):
        return f"{target} = {target} {s.combine} {f'({value})' if open_ended(s.expr) else value}"
    best = _target(s.best)
    index = text(s.index, leaf, typed)
    return f"{target}, {best} = {s.combine}({target}, {best}, {value}, {index})"


def _target(c):
    return c.name if type(c) is Local else f"{c.source}[{','.join(map(_at, c.at)) or '()'}]"


def _at(a):
    """An index inside brackets: plain whole numbers."""
    if type(a) is Axis:
        return a.letter
    if type(a) is Local:
        return a.name
    return affine_text(a, str) if type(a) is Affine else str(a)


def _plain(e):
    kind = type(e)
    if kind is Lit:
        return number(e)
    if kind is Index:
        inner = text(e.expr, _plain)
        if e.length is None:
            return inner
        return f"index({inner}, {e.length})"
    if kind is Load:
        return _target(e)
    return str(e.length) if kind is Size else _at(e)


def _typed(e):
    kind = type(e)
    if kind is Lit:
        return f"{type_name(e.dtype)}({number(e)})"
    if kind is Index:
        inner = text(e.expr, _typed, True)
        if e.length is None:
            return inner
        return f"index({inner}, {e.length}, {e.axis}, {e.op!r})"
    if kind is Local or kind is Load:
        return _target(e)
    return f"int64({e.length if kind is Size else _at(e)})"
