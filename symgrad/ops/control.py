'''Steering derivatives: identities whose gradient is another one, and ops of the user's own.

An op of one's own is a function of arrays with a way to infer its type and, if it is to be
differentiated, its derivative: for each input the cotangent, given that of the result.

>>> from symgrad.families import define
>>> @define("opaque", infer=lambda types: types[0])
... def erf(x):
...     """The error function (``scipy.special.erf``)."""
...     from scipy.special import erf
...     return erf(x)
>>> @erf.vjp
... def _(g, out, x):
...     return [g * 2 / np.sqrt(np.pi) * TABLE["exp"](-x * x)]
>>> erf([0.5, 1.0]).eval()
array([0.5204999, 0.8427008], dtype=float32)

The derivative is made of symbolic expressions, so it can be differentiated again.  If the function
can be written with existing ops, `composite` wants no more than that, and a vjp only where the
derivative shall be another one than that of the expression:

>>> from symgrad.families import composite
>>> @composite()
... def hard_step(x):
...     """1 where x is positive, with the slope of a sigmoid."""
...     return TABLE["where"](x > 0, 1, 0 * x)
>>> @hard_step.vjp
... def _(g, out, x):
...     s = TABLE["sigmoid"](x)
...     return [g * s * (1 - s)]
'''

from __future__ import annotations

from numbers import Real

import numpy as np

from symgrad.errors import ArgumentError, DtypeError, NoDerivative, ShapeError
from symgrad.families import elementwise, ordered, record
from symgrad.node import TABLE, Node
from symgrad.op import cast_node
from symgrad.types import Type, promote


def identity(s, x, **attrs):
    return x


def whole(rng):
    """Samples of integers, since the derivatives here are not those of the identity."""
    return [((rng.integers(-9, 9, (3, 4)),), {})]


@elementwise(scalar=identity, slopes=lambda x, out: (None,), samples=whole, domain=None)
def stop_gradient(x):
    """x, but no derivative flows through it, as if it were a constant.

    `grad` with respect to what is only reached through it raises DisconnectedInputError (see also
    `zero_grad`).

    >>> stop_gradient([1, 2]).eval()
    array([1, 2])
    """
    return np.array(x)


def disconnected_grad(x):
    """Theano's name of `stop_gradient`."""
    return stop_gradient(x)


@elementwise(scalar=identity, slopes=lambda x, out: (0,), samples=whole, domain=None)
def zero_grad(x):
    """x, but its derivative is zero (and connected: no error is raised).

    >>> zero_grad([1, 2]).eval()
    array([1, 2])
    """
    return np.array(x)


def consider_constant(x):
    """Theano's old name of `zero_grad`."""
    return zero_grad(x)


@elementwise(scalar=identity, samples=whole, domain=None)
def undefined_grad(x):
    """x, but asking for its derivative is an error, `NoDerivative`."""
    return np.array(x)


def _undefined(*args):
    raise NoDerivative("undefined_grad: the derivative through this expression is undefined")


undefined_grad.vjp(_undefined)
undefined_grad.jvp(_undefined)


def _number(value, what):
    if isinstance(value, Real):
        return float(value)
    raise ArgumentError(f"{what} must be a number, not {value!r:.60}")


def _bounds(types, lower_bound, upper_bound):
    low, high = _number(lower_bound, "lower_bound"), _number(upper_bound, "upper_bound")
    if not low <= high:
        raise ArgumentError(f"the lower bound {low} must not exceed the upper bound {high}")
    return low, high


@elementwise(scalar=identity, tidy=_bounds, dtype=ordered,
             samples=lambda rng: [((rng.normal(size=3),), {"lower_bound": -9, "upper_bound": 9})])
def grad_clip(x, *, lower_bound, upper_bound):
    """x, but the gradient that flows back through it is clipped, element by element.

    >>> grad_clip([1, 2], -1, 1).eval()
    array([1, 2])
    """
    return np.array(x)


@grad_clip.vjp
def _(g, out, x, lower_bound, upper_bound):
    return [TABLE["clip"](g, lower_bound, upper_bound)]


@grad_clip.jvp
def _(tangents, out, x, lower_bound, upper_bound):
    return tangents[0]


@elementwise(scalar=identity, slopes=lambda x, out, multiplier: (multiplier,),
             tidy=lambda types, multiplier: (_number(multiplier, "multiplier"),),
             samples=lambda rng: [((rng.normal(size=(3, 4)),), {"multiplier": 1.0})])
def grad_scale(x, *, multiplier):
    """x, but its derivative is multiplied by a number: -1 turns the direction of learning round.

    >>> grad_scale([1, 2], -1).eval()
    array([1, 2])
    """
    return np.array(x)


# -- Python functions as ops


def wrap(itypes, otypes, infer_shape=None):
    """Decorator: a function of arrays as an op (Theano's ``as_op``), without a derivative.

    `itypes` and `otypes` are the types of its arguments and of its one result: variables, or
    `Type`s.  Inputs may have a narrower dtype, never a wider one (DtypeError) or another rank
    (ShapeError).  `infer_shape` is accepted for Theano's programs and ignored.  The op's ``vjp``
    decorator adds a derivative.

    >>> vector = Type("float64", (None,))
    >>> @wrap(itypes=[vector], otypes=[vector])
    ... def spectrum(x):
    ...     return np.abs(np.fft.rfft(x))
    >>> spectrum([1.0, 0.0, 0.0]).eval()
    array([1., 1.])
    """
    takes = [_as_type(t) for t in (itypes if isinstance(itypes, list | tuple) else [itypes])]
    gives = [_as_type(t) for t in (otypes if isinstance(otypes, list | tuple) else [otypes])]
    if len(gives) != 1:
        raise ArgumentError(f"wrap: an op has one result, not {len(gives)}; stack or split them")

    def prepare(inputs):
        if len(inputs) != len(takes):
            raise ArgumentError(f"takes {len(takes)} inputs, got {len(inputs)}")
        return [_fitting(x, t) for x, t in zip(inputs, takes, strict=True)]

    def decorate(function):
        def checked(*arrays):
            value = np.asarray(function(*arrays))
            if value.dtype != gives[0].dtype or value.ndim != gives[0].ndim:
                raise DtypeError(f"it returned {value.dtype} with {value.ndim} "
                                 f"axes, but its otypes say {gives[0]!r}")
            return value

        return record("opaque", function, infer=lambda types: gives[0], prepare=prepare,
                      numpy=checked)

    return decorate


def _as_type(t):
    if isinstance(t, Type):
        return t
    if isinstance(t, Node):
        return t.type
    if callable(t):  # a constructor such as T.fmatrix
        return _as_type(t())
    raise ArgumentError(f"wrap: {t!r} is no type; pass a variable, its .type, or T.fmatrix")


def _fitting(x, wanted):
    if x.type.ndim != wanted.ndim:
        raise ShapeError(f"wants {wanted!r}, got {x.type!r}")
    if promote(x.type.dtype, wanted.dtype) != wanted.dtype:
        raise DtypeError(f"wants {wanted!r}, got {x.type!r}, which has a wider dtype")
    return cast_node(x, wanted.dtype)


FUNCTIONS = (disconnected_grad, consider_constant, wrap)
