"""What the update rules share: checked parameters and gradients, numbers in a parameter's dtype,
state.

Every rule computes in the dtype of the parameter it updates, whatever `config.floatX` says, so
that the update of a float32 shared variable is float32.
"""

from __future__ import annotations

from numbers import Number

import numpy as np

import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.grad import grad
from symgrad.shared import Shared, shared

_FLOATS = ("float16", "float32", "float64")


def checked(rule, params):
    """`params` as a list, if each is a shared variable of a real float dtype and none comes
    twice."""
    params = [params] if isinstance(params, Shared) else list(params)
    seen = {}
    for i, p in enumerate(params):
        if not isinstance(p, Shared):
            raise ArgumentError(
                f"{rule}: parameter {i}, {p!r}, is not a shared variable; only values made with "
                f"sg.shared(...) can be updated"
            )
        if p.dtype not in _FLOATS:
            raise DtypeError(
                f"{rule}: parameter {label(p, i)} has dtype {p.dtype}; gradient steps need one of "
                f"{', '.join(_FLOATS)}"
            )
        if p in seen:
            raise ArgumentError(
                f"{rule}: parameter {label(p, i)} is listed twice, at {seen[p]} and at {i}"
            )
        seen[p] = i
    return params


def pairs(rule, loss_or_grads, params):
    """(parameter, gradient in the parameter's dtype) of a cost, or of a list with one gradient for
    each."""
    params = checked(rule, params)
    if isinstance(loss_or_grads, list | tuple):
        grads = loss_or_grads
    else:
        grads = grad(loss_or_grads, params) if params else []
    if len(grads) != len(params):
        raise ArgumentError(
            f"{rule}: {len(grads)} gradients for {len(params)} parameters; give one for each"
        )
    both = zip(params, grads, strict=True)
    return [(p, _fitting(rule, g, p, i)) for i, (p, g) in enumerate(both)]


def _fitting(rule, g, p, i):
    if g is None:
        raise ArgumentError(
            f"{rule}: the gradient of {label(p, i)} is None; drop the parameter, or take the "
            f"gradient with disconnected_inputs='ignore' to get zeros"
        )
    g = T.as_tensor_variable(g)
    if g.ndim != p.ndim:
        raise ShapeError(
            f"{rule}: the gradient of {label(p, i)} has rank {g.ndim}, the parameter {p.ndim}"
        )
    return in_dtype(g, p.dtype)


def scalars(rule, **hyperparameters):
    """Raises `ArgumentError` unless every hyperparameter is a number or a scalar variable."""
    for name, x in hyperparameters.items():
        ndim = np.ndim(x) if isinstance(x, Number | np.ndarray) else getattr(x, "ndim", None)
        if ndim != 0:
            raise ArgumentError(f"{rule}: {name} must be a number or a scalar variable, not {x!r}")


def label(p, i):
    """The parameter's name, or its position when it has none."""
    return p.name or f"number {i}"


def in_dtype(x, dtype):
    """`x`, a number or a variable, as a variable of `dtype`."""
    if isinstance(x, Number | np.ndarray):
        return T.constant(np.asarray(x, dtype=dtype))
    return x if x.dtype == dtype else T.cast(x, dtype)


def decay(rho, mean, new):
    """The moving average ``rho * mean + (1 - rho) * new``, in the dtype of `mean`."""
    rest = 1.0 - (rho if isinstance(rho, Number) else in_dtype(rho, "float64"))
    return in_dtype(rho, mean.dtype) * mean + in_dtype(rest, mean.dtype) * new


def state(p, suffix):
    """A shared variable of zeros with the type and the present lengths of `p`."""
    zeros = np.zeros_like(p.get_value(borrow=True))
    kept = shared(zeros, name=f"{p.name or 'param'}_{suffix}", shape=p.type.shape, borrow=True)
    kept.tag.kept_by_rule = True
    return kept


def counter(name="step"):
    """A shared int64 that counts updates, from 0.

    Every update rule adds its tick, ``step + 1``, to the updates when a hyperparameter depends on
    it; see `symgrad.updates.schedules`.
    """
    step = shared(np.int64(0), name=name)
    step.tag.kept_by_rule = step.tag.counts_updates = True
    return step


def is_counter(x):
    """Whether `x` was made by `counter`."""
    return getattr(x.tag, "counts_updates", False)


def is_kept(x):
    """Whether `x` is a counter or the `state` of a rule, and not a parameter."""
    return getattr(x.tag, "kept_by_rule", False)


def ticking(updates, *hyperparameters):
    """`updates`, with one tick added for each counter that a hyperparameter depends on."""
    stack = [h for h in hyperparameters if hasattr(h, "inputs")]
    seen = dict.fromkeys(stack)
    while stack:
        node = stack.pop()
        if is_counter(node):
            updates[node] = node + np.int64(1)
        for i in node.inputs:
            if i not in seen:
                seen[i] = None
                stack.append(i)
    return updates
