"""Derivatives for users: the stable form of the cost, then `derive`.

``grad``, ``Lop`` (vector-Jacobian product), ``Rop``/``jvp`` (Jacobian-vector product),
``jacobian``, ``hessian`` and ``hessian_vector``.  All return graphs, which can be compiled,
printed and differentiated again.
"""

from __future__ import annotations

import warnings

from symgrad import origin
from symgrad.compile.passes import STABLE_FORM, apply, normal, select, within
from symgrad.compile.pool import absorb, export
from symgrad.derive import backward, forward, reachable
from symgrad.derive import zeros as _zeros
from symgrad.errors import ArgumentError, DisconnectedInputError, DtypeError, ShapeError
from symgrad.node import TABLE, Node, as_node
from symgrad.op import cast_node
from symgrad.types import is_complex, is_float


def stable_form(outputs, wrt, passes=None):
    """`outputs` after the passes canonicalise and stabilise, with `wrt` untouched: what is
    differentiated.

    Differentiating ``log(softmax(x))`` as written divides by probabilities that underflow; the
    derivative of ``log_softmax(x)``, which it becomes here, does not.
    """
    wrt = [w for w in wrt if w.op.kind != "leaf"]
    pool, graph = absorb(outputs, expect=False, cut=wrt)
    chosen = select(passes)
    graph = within(graph, pool, lambda loop: normal(loop, STABLE_FORM, chosen))
    return export(apply(STABLE_FORM, graph, pool, chosen), pool)


def grad(
    cost,
    wrt,
    consider_constant=None,
    disconnected_inputs="raise",
    add_names=True,
    known_grads=None,
    return_disconnected="zero",
    null_gradients="raise",
    passes=None,
    strong_zeros=None,
):
    """The gradient of a scalar `cost` with respect to `wrt`.

    Parameters
    ----------
    cost : scalar float variable, or None if `known_grads` is given
    wrt : variable, or list or tuple of variables (the result is a variable, list or tuple
        accordingly)
    consider_constant : list of variables through which nothing flows
    disconnected_inputs : 'raise' (`DisconnectedInputError`), 'warn' or 'ignore', for a `wrt` the
        cost does not reach
    known_grads : dict of intermediate variable -> its gradient, to continue a gradient computed
        elsewhere
    return_disconnected : 'zero' (zeros), 'none' (None) or 'disconnected' (None), for such a `wrt`
    strong_zeros : whether NaN and infinity in the branch a ``where`` did not take are kept out
        (default: config)

    >>> x = T.dscalar("x"); grad(x ** 2, x).eval({x: 3.0})
    array(6.)
    """
    many = isinstance(wrt, list | tuple)
    targets = list(wrt) if many else [wrt]
    _variables("grad: wrt", targets)
    disconnected_inputs = _choice("grad", "disconnected_inputs", disconnected_inputs)
    return_disconnected = _choice("grad", "return_disconnected", return_disconnected)
    constants = _listed(consider_constant)
    _variables("grad: consider_constant", constants)
    _variables("grad: the keys of known_grads", known_grads or ())
    outputs, cotangents = _starts(cost, known_grads)
    outputs = stable_form(outputs, [*targets, *constants], passes)
    found = backward(outputs, cotangents, targets, constants, strong_zeros)
    result = []
    reached = None
    for w, g in zip(targets, found, strict=True):
        if g is None and reached is None:
            starts = [] if cost is None else [cost]
            reached = reachable([*starts, *(known_grads or ())], constants)
        if g is None and w in reached:  # the stable form lost it on the way, so its slope is zero
            g = _zeros(w)
        if g is None:
            _disconnected(w, cost, disconnected_inputs)
            g = _zeros(w) if return_disconnected == "zero" else None
        elif (
            add_names
            and g.name is None
            and w.name
            and cost is not None
            and cost.name
            and g.op.kind != "leaf"
        ):
            g.name = f"(d{cost.name}/d{w.name})"
        result.append(g)
    return (
        type(wrt)(result) if many and type(wrt) in (list, tuple) else result if many else result[0]
    )


_CHOICES = {
    "disconnected_inputs": ("raise", "warn", "ignore"),
    "disconnected_outputs": ("raise", "warn", "ignore"),
    "return_disconnected": ("zero", "none", "disconnected"),
}


def _variables(name, nodes):
    for n in nodes:
        if not isinstance(n, Node):
            raise ArgumentError(
                f"{name} must be symbolic variables, not {type(n).__name__} {n!r:.40}"
            )


def _choice(function, name, value):
    """One of the words that an argument takes, in lower case."""
    if isinstance(value, str) and value.lower() in _CHOICES[name]:
        return value.lower()
    words = ", ".join(_CHOICES[name])
    raise ArgumentError(f"{function}: {name} must be one of {words}, not {value!r}")


def _listed(value):
    return (
        []
        if value is None
        else list(value)
        if isinstance(value, list | tuple | set | dict)
        else [value]
    )


def _starts(cost, known_grads):
    outputs, cotangents = [], []
    if cost is not None:
        if not isinstance(cost, Node):
            raise ArgumentError(
                "grad: the cost must be a symbolic variable, not "
                f"{type(cost).__name__} {cost!r:.40}"
            )
        if cost.ndim != 0:
            raise ShapeError(
                origin.report(
                    "grad: the cost must be a scalar",
                    [cost],
                    origin.caller(),
                    "take its .sum() or .mean(), or use jacobian",
                )
            )
        if not is_float(cost.dtype):
            raise DtypeError(
                origin.report(
                    f"grad: the cost must be a float, not {cost.dtype}",
                    [cost],
                    origin.caller(),
                    "cast it with .astype('floatX')",
                )
            )
        if is_complex(cost.dtype):
            raise DtypeError(
                origin.report(
                    "grad: the cost must be real", [cost], origin.caller(), "take abs or .real"
                )
            )
        outputs.append(cost)
        cotangents.append(TABLE["ones_like"](cost))
    for node, g in (known_grads or {}).items():
        g = as_node(g)
        if g.ndim != node.ndim:
            raise ShapeError(
                origin.report(
                    "grad: a known gradient has another rank than its variable",
                    [node, g],
                    origin.caller(),
                )
            )
        outputs.append(node)
        cotangents.append(cast_node(g, node.dtype))
    if not outputs:
        raise ArgumentError("grad: needs a cost or known_grads")
    return outputs, cotangents


def _disconnected(w, cost, action):
    if action == "ignore":
        return
    message = origin.report(
        f"grad: the cost does not depend on {w!r}, or only through ops without a derivative",
        [w] + ([cost] if cost is not None else []),
        origin.caller(),
        "check that it is the very variable the cost was built from, or pass "
        "disconnected_inputs='ignore'",
    )
    if action == "raise":
        raise DisconnectedInputError(message)
    warnings.warn(message, stacklevel=3)


def _paired(name, f, wrt, points):
    outputs, targets, given = _listed(f), _listed(wrt), _listed(points)
    _variables(f"{name}: what is differentiated and wrt", [*outputs, *targets])
    if len(targets if name == "Rop" else outputs) != len(given):
        raise ArgumentError(
            f"{name}: got {len(given)} directions for "
            f"{len(targets if name == 'Rop' else outputs)} variables"
        )
    along = targets if name == "Rop" else outputs
    for node, p in zip(along, given, strict=True):
        if as_node(p).ndim != node.ndim:
            raise ShapeError(
                origin.report(
                    f"{name}: a direction must have the rank of its variable",
                    [node, as_node(p)],
                    origin.caller(),
                )
            )
    return (
        outputs,
        targets,
        [cast_node(as_node(p), n.dtype) for p, n in zip(given, along, strict=True)],
    )


def Rop(f, wrt, eval_points, disconnected_outputs="raise", return_disconnected="zero"):
    """The Jacobian of `f` times `eval_points` (forward mode): how `f` moves when `wrt` move along
    the points.

    `f` and `wrt` may be variables or lists; the result is as `f`.
    """
    disconnected_outputs = _choice("Rop", "disconnected_outputs", disconnected_outputs)
    return_disconnected = _choice("Rop", "return_disconnected", return_disconnected)
    outputs, targets, points = _paired("Rop", f, wrt, eval_points)
    moved = forward(stable_form(outputs, targets), targets, points)
    for o, t in zip(outputs, moved, strict=True):
        if t is None:
            _disconnected(o, None, disconnected_outputs)
    moved = [
        _zeros(o) if t is None and return_disconnected == "zero" else t
        for o, t in zip(outputs, moved, strict=True)
    ]
    return type(f)(moved) if isinstance(f, list | tuple) else moved[0]


jvp = Rop


def Lop(f, wrt, eval_points, consider_constant=None, disconnected_inputs="raise"):
    """`eval_points` times the Jacobian of `f` (reverse mode); the result is as `wrt`."""
    outputs, _, points = _paired("Lop", f, wrt, eval_points)
    return grad(
        None,
        wrt,
        consider_constant,
        disconnected_inputs,
        known_grads=dict(zip(outputs, points, strict=True)),
    )


vjp = Lop


def jacobian(expression, wrt, consider_constant=None, disconnected_inputs="raise"):
    """The derivatives of a scalar or vector `expression` with respect to `wrt`: shape
    ``(len(expression), *wrt.shape)``; for a scalar, the gradient.  A list of `wrt` gives a list.

    >>> x = T.dvector("x"); jacobian(x ** 2, x).eval({x: [1., 2.]})
    array([[2., 0.],
           [0., 4.]])
    """
    disconnected_inputs = _choice("jacobian", "disconnected_inputs", disconnected_inputs)
    _variables("jacobian: the expression and wrt", [expression, *_listed(wrt)])
    if expression.ndim == 0:
        return grad(expression, wrt, consider_constant, disconnected_inputs)
    if expression.ndim > 1:
        raise ShapeError(
            origin.report(
                "jacobian: wants a scalar or a vector",
                [expression],
                origin.caller(),
                "flatten() it",
            )
        )
    targets, constants = _listed(wrt), _listed(consider_constant)
    stable = stable_form([expression], [*targets, *constants])[0]
    found = []
    for w in targets:
        rows = TABLE["map_rows"](
            lambda i, w=w: backward([stable[i]], [TABLE["ones_like"](stable[i])], [w], constants)[
                0
            ],
            TABLE["length"](expression, axis=0),
        )
        if rows is None:
            _disconnected(w, expression, disconnected_inputs)
            rows = TABLE["alloc"](as_node(0).astype(w.dtype), expression.shape[0], *w.shape)
        found.append(rows)
    return type(wrt)(found) if isinstance(wrt, list | tuple) else found[0]


def hessian(cost, wrt, consider_constant=None, disconnected_inputs="raise"):
    """The matrix of second derivatives of a scalar `cost` with respect to each vector in `wrt`."""
    targets = _listed(wrt)
    _variables("hessian: the cost and wrt", [cost, *targets])
    for w in targets:
        if w.ndim != 1:
            raise ShapeError(
                origin.report(
                    "hessian: wants vectors",
                    [w],
                    origin.caller(),
                    "flatten() it, or use hessian_vector",
                )
            )
    gradients = [grad(cost, w, consider_constant, disconnected_inputs) for w in targets]
    out = [
        jacobian(g, w, consider_constant, "ignore") for g, w in zip(gradients, targets, strict=True)
    ]
    return type(wrt)(out) if isinstance(wrt, list | tuple) else out[0]


def hessian_vector(cost, wrt, vector):
    """The Hessian of a scalar `cost` times `vector`, at the price of about two gradients (forward
    over reverse)."""
    targets = _listed(wrt)
    moved = Rop(grad(cost, targets), targets, _listed(vector), disconnected_outputs="ignore")
    return type(wrt)(moved) if isinstance(wrt, list | tuple) else moved[0]


__all__ = [
    "Lop",
    "Rop",
    "grad",
    "hessian",
    "hessian_vector",
    "jacobian",
    "jvp",
    "stable_form",
    "vjp",
]
