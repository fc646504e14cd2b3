"""What a function is asked to compute, checked: inputs, outputs, updates, givens, default
updates."""

from __future__ import annotations

import warnings

import numpy as np

from symgrad import origin
from symgrad.errors import (
    ArgumentError,
    DtypeError,
    MissingInputError,
    ShapeError,
    UnusedInputError,
    near,
)
from symgrad.node import CONST, INPUT, SHARED, Node, as_node, rebuild, toposort, variable
from symgrad.op import cast_node, remake
from symgrad.records import dataclass
from symgrad.shared import Shared
from symgrad.types import clash


class In:
    """An input with options: ``In(x, name="x", value=0.1)``.

    `value`: the default (an array, a number or a shared variable's container); `name`: the
    keyword; `mutable`, `borrow`: accepted (symgrad never writes into its arguments);
    `allow_downcast`, `strict`: as in `function`.
    """

    def __init__(self, variable, name=None, value=None, update=None, mutable=None, strict=False,
                 allow_downcast=None, borrow=None, autoname=True, implicit=None):
        self.variable, self.value, self.update = variable, value, update
        self.name = name or getattr(variable, "name", None)
        self.mutable, self.strict, self.allow_downcast, self.borrow = (
            mutable,
            strict,
            allow_downcast,
            borrow,
        )


class Out:
    """An output with options, as in Theano: ``Out(expression, borrow=True)``; what is returned is
    always fresh."""

    def __init__(self, variable, borrow=False):
        self.variable, self.borrow = variable, borrow


@dataclass
class Program:
    """The request in its final form: graphs in which givens are substituted."""

    inputs: list  # [In]
    leaves: list  # the leaf each input is bound to
    outputs: list
    form: object  # 'none' | 'single' | 'list' | 'tuple' | [keys]
    updated: list  # shared variables
    values: list  # their new values
    expression: list  # the outputs as the user wrote them
    allow_downcast: object
    name: str | None

    @property
    def roots(self):
        return [*self.outputs, *self.values]

    @classmethod
    def of(
        cls,
        inputs,
        outputs,
        updates,
        givens,
        no_default_updates,
        on_unused_input,
        allow_downcast,
        name,
    ):
        ins = [_as_in(i) for i in _sequence("inputs", inputs)]
        form, outs = _outputs(outputs)
        pairs = _updates(updates) + [(i.value_owner, i.update) for i in ins if i.update is not None
                                     and hasattr(i, "value_owner")]
        replace, leaves, seen = {}, [], set()
        for i in ins:
            v = i.variable
            if v in seen:
                raise ArgumentError(
                    f"function: {v!r} is twice among the inputs\n  {origin.describe(v)}"
                )
            seen.add(v)
            if v.op is SHARED or v.op is CONST:
                kind = "shared variable" if v.op is SHARED else "constant"
                raise ArgumentError(
                    f"function: the {kind} {v!r} cannot be an input; use updates= or givens="
                )
            if v.op is not INPUT:
                replace[v] = variable(v.type, v.name)
            leaves.append(replace.get(v, v))
        replace |= _givens(givens)
        sources = rebuild([*outs, *(e for _, e in pairs)], replace, remake)
        outs, values = sources[:len(outs)], sources[len(outs):]
        pairs = [(s, _fits(s, v)) for (s, _), v in zip(pairs, values, strict=True)]
        pairs += _defaults(outs, pairs, replace, no_default_updates)
        program = cls(
            ins,
            leaves,
            outs,
            form,
            [s for s, _ in pairs],
            [v for _, v in pairs],
            list(outs),
            allow_downcast,
            name,
        )
        program.check_inputs(on_unused_input)
        return program

    def check_inputs(self, on_unused_input):
        """Every needed variable is an input, and every input is needed."""
        reached = [n for n in toposort(self.roots) if n.op is INPUT]
        known = set(self.leaves)
        for n in reached:
            if n not in known:
                names = [i.name for i in self.inputs if i.name]
                hint = (
                    f"add it to the inputs, or give it a value with givens= ({near(n.name, names)})"
                    if (n.name and names)
                    else "add it to the inputs, or give it a value with givens="
                )
                raise MissingInputError(
                    origin.report(
                        f"function: an output depends on {n!r}, which is not an input",
                        [n],
                        origin.caller(),
                        hint,
                    )
                )
        used = set(reached)
        for i, leaf in zip(self.inputs, self.leaves, strict=True):
            if leaf not in used and on_unused_input != "ignore":
                message = origin.report(
                    f"function: the input {i.variable!r} is not used by any output or update",
                    [i.variable],
                    origin.caller(),
                    "drop it, or pass on_unused_input='ignore'",
                )
                if on_unused_input == "raise":
                    raise UnusedInputError(message)
                warnings.warn(message, stacklevel=4)


def _sequence(what, value):
    if isinstance(value, Node | In):
        raise ArgumentError(f"function: {what} must be a list, as in [{value!r}]")
    return list(value)


def _as_in(i):
    if isinstance(i, tuple | list) and len(i) == 2 and isinstance(i[0], Node):
        i = In(i[0], value=i[1])
    i = i if isinstance(i, In) else In(i)
    if not isinstance(i.variable, Node):
        raise ArgumentError(
            "function: inputs must be symbolic variables, not "
            f"{type(i.variable).__name__} {i.variable!r:.40}"
        )
    return i


def _outputs(outputs):
    def node(o):
        return as_node(o.variable if isinstance(o, Out) else o)

    if outputs is None:
        return "none", []
    if isinstance(outputs, dict):
        return list(outputs), [node(outputs[k]) for k in outputs]
    if isinstance(outputs, list | tuple):
        return "list", [node(o) for o in outputs]
    return "single", [node(outputs)]


def _pairs(what, given):
    if not given:
        return []
    pairs = list(given.items()) if hasattr(given, "items") else list(given)
    for p in pairs:
        if not isinstance(p, tuple | list) or len(p) != 2:
            raise ArgumentError(
                f"function: {what} must be (variable, expression) pairs or a dict, not {p!r:.60}"
            )
    return pairs


def _updates(updates):
    pairs, seen = [], set()
    for s, value in _pairs("updates", updates):
        if not isinstance(s, Shared):
            raise ArgumentError(f"function: updates change shared variables only, not {s!r:.60}")
        if s in seen:
            raise ArgumentError(f"function: {s!r} is updated twice\n  {origin.describe(s)}")
        seen.add(s)
        pairs.append((s, as_node(value)))
    return pairs


def _fits(target, value, what="the update of", kind="the shared variable"):
    """`value` in the type of the variable that it is for, or the error that says what to cast."""
    want, have = target.type, value.type
    if value.op is CONST and _holds(value.data, want.dtype):
        value = cast_node(value, want.dtype)
        have = value.type

    def told(sentence, hint=None):
        said = f"function: {what} {target!r} has {sentence}"
        return origin.report(said, [target, value], origin.caller(), hint)

    if have.dtype != want.dtype:
        hint = (f"cast it with .astype('{want.dtype}'), or look for a float64 constant, array or "
                "floatX in it")
        raise DtypeError(told(f"dtype {have.dtype}, {kind} {want.dtype}", hint))
    if have.ndim != want.ndim:
        raise ShapeError(told(f"{have.ndim} dimensions, {kind} {want.ndim}"))
    if any(map(clash, have.shape, want.shape)):
        raise ShapeError(told(f"shape {have!r}, {kind} {want!r}"))
    return value


def _holds(array, dtype):
    """Whether a dtype holds a constant: exactly, or as the nearest float to one number."""
    if array.ndim == 0 and array.dtype.kind == np.dtype(dtype).kind == "f":
        return True
    with np.errstate(all="ignore"):
        return np.array_equal(array.astype(dtype), array)


def _givens(givens):
    out = {}
    for old, new in _pairs("givens", givens):
        if not isinstance(old, Node):
            raise ArgumentError(f"function: givens replace symbolic variables, not {old!r:.60}")
        out[old] = _fits(old, as_node(new), "what is given for", "the variable")
    return out


def _defaults(outputs, pairs, replace, switched_off):
    """Default updates of every shared variable reached, and of those that these reach in turn."""
    if switched_off is True:
        return []
    off = set(switched_off or ()) | {s for s, _ in pairs}
    found, roots = [], [*outputs, *(v for _, v in pairs)]
    while roots:
        fresh = [
            n
            for n in toposort(roots)
            if n.op is SHARED and n not in off and n.default_update is not None
        ]
        off.update(fresh)
        new = [
            (s, _fits(s, rebuild([as_node(s.default_update)], replace, remake)[0])) for s in fresh
        ]
        found += new
        roots = [v for _, v in new]
    return found
