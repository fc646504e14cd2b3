"""Trigonometric and hyperbolic functions, their inverses, angles, the parts of complex numbers."""

from __future__ import annotations

import math

import numpy as np

from symgrad.domains import anything, real, unit
from symgrad.errors import DtypeError
from symgrad.families import arithmetic, elementwise, floating, real_floating
from symgrad.node import TABLE, as_node
from symgrad.ops.logic import eq, where
from symgrad.ops.math import hypot, magnitude, sign, sqr, sqrt
from symgrad.types import is_complex, promote, real_of, to_float

DEGREE = math.pi / 180


@elementwise(scalar="sin", slopes=lambda x, out: (cos(x),), dtype=floating, odd=True)
def sin(x):
    """The sine of x, in radians (``np.sin``)."""
    return np.sin(x)


@elementwise(scalar="cos", slopes=lambda x, out: (-sin(x),), dtype=floating, even=True)
def cos(x):
    """The cosine of x, in radians (``np.cos``)."""
    return np.cos(x)


@elementwise(scalar="tan", slopes=lambda x, out: (1 + sqr(out),), dtype=floating,
             domain=real(-1.4, 1.4), odd=True)
def tan(x):
    """The tangent of x, in radians (``np.tan``)."""
    return np.tan(x)


@elementwise(scalar="asin", slopes=lambda x, out: (1 / sqrt((1 - x) * (1 + x)),), dtype=floating,
             domain=unit, odd=True, undone_by="sin")
def arcsin(x):
    """The angle between -π/2 and π/2 whose sine is x (``np.arcsin``); NaN outside [-1, 1]."""
    return np.arcsin(x)


@elementwise(scalar="acos", slopes=lambda x, out: (-1 / sqrt((1 - x) * (1 + x)),), dtype=floating,
             domain=unit, undone_by="cos")
def arccos(x):
    """The angle between 0 and π whose cosine is x (``np.arccos``); NaN outside [-1, 1]."""
    return np.arccos(x)


@elementwise(scalar="atan", slopes=lambda x, out: (1 / (1 + sqr(x)),), dtype=floating, odd=True,
             undone_by="tan", monotone=1)
def arctan(x):
    """The angle between -π/2 and π/2 whose tangent is x (``np.arctan``)."""
    return np.arctan(x)


@elementwise(scalar="sinh", slopes=lambda x, out: (cosh(x),), dtype=floating, odd=True,
             inverse="arcsinh", monotone=1)
def sinh(x):
    """The hyperbolic sine (``np.sinh``)."""
    return np.sinh(x)


@elementwise(scalar="cosh", slopes=lambda x, out: (sinh(x),), dtype=floating, even=True,
             nonnegative=True)
def cosh(x):
    """The hyperbolic cosine (``np.cosh``)."""
    return np.cosh(x)


@elementwise(scalar="tanh", slopes=lambda x, out: (1 - sqr(out),), dtype=floating, odd=True,
             inverse="arctanh", monotone=1)
def tanh(x):
    """The hyperbolic tangent, between -1 and 1 (``np.tanh``)."""
    return np.tanh(x)


def _arcsinh_slope(x, out):
    return (1 / (sqrt(1 + sqr(x)) if is_complex(x.dtype) else hypot(x, 1)),)


@elementwise(scalar="asinh", slopes=_arcsinh_slope, dtype=floating, odd=True, inverse="sinh",
             monotone=1)
def arcsinh(x):
    """The number whose hyperbolic sine is x (``np.arcsinh``)."""
    return np.arcsinh(x)


@elementwise(scalar="acosh", slopes=lambda x, out: (1 / (sqrt(x - 1) * sqrt(x + 1)),),
             dtype=floating, domain=real(1.1, 9), undone_by="cosh", monotone=1)
def arccosh(x):
    """The number, at least 0, whose hyperbolic cosine is x (``np.arccosh``); NaN below 1."""
    return np.arccosh(x)


@elementwise(scalar="atanh", slopes=lambda x, out: (1 / ((1 - x) * (1 + x)),), dtype=floating,
             domain=unit, odd=True, inverse="tanh", monotone=1)
def arctanh(x):
    """The number whose hyperbolic tangent is x (``np.arctanh``); NaN outside [-1, 1]."""
    return np.arctanh(x)


# -- angles and signs


def _atan2_slopes(y, x, out):
    """x/r² and -y/r², divided by r twice so that r² need not exist; 0 at the origin."""
    r = hypot(x, y)
    r = where(eq(r, 0), 1, r)
    return x / r / r, -(y / r) / r


@elementwise(scalar="atan2", slopes=_atan2_slopes, dtype=real_floating,
             domain=(real(0.1, 3), anything))
def atan2(y, x):
    """The angle of the point (x, y), between -π and π (``np.arctan2``); slopes 0 at the origin."""
    return np.arctan2(y, x)


@elementwise(scalar="copysign", slopes=lambda x, y, out: (sign(x) * copysign(1, y), 0),
             dtype=real_floating, domain=real(-3, 3, avoid=(0.0,)))
def copysign(x, y):
    """The magnitude of x with the sign of y, that of -0.0 included (``np.copysign``)."""
    return np.copysign(x, y)


@elementwise(scalar="deg2rad", slopes=lambda x, out: (DEGREE,), dtype=real_floating, odd=True,
             inverse="rad2deg", monotone=1)
def deg2rad(x):
    """Degrees in radians (``np.deg2rad``)."""
    return np.deg2rad(x)


@elementwise(scalar="rad2deg", slopes=lambda x, out: (1 / DEGREE,), dtype=real_floating, odd=True,
             inverse="deg2rad", monotone=1)
def rad2deg(x):
    """Radians in degrees (``np.rad2deg``)."""
    return np.rad2deg(x)


# -- complex numbers.  The cotangent of z is dL/dRe(z) + i dL/dIm(z); a real-valued op with the
# slope s moves by Re(s dz).


@elementwise(scalar="conj", dtype=arithmetic, inverse="conj")
def conj(x):
    """The complex conjugate (``np.conj``); real numbers are given back as they are."""
    return np.conjugate(x)


@conj.public
def _(x):
    x = as_node(x)
    return conj.of(x) if is_complex(x.dtype) else x


@conj.vjp
def _(g, out, x):
    return [conj(g)]


@conj.jvp
def _(tangents, out, x):
    return conj(tangents[0])


@elementwise(scalar="real", slopes=lambda x, out: (1,), dtype=magnitude)
def real_(x):
    """The real part (``np.real``); real numbers are given back as they are."""
    return np.array(np.real(x))


@real_.public
def _(x):
    x = as_node(x)
    return real_.of(x) if is_complex(x.dtype) else x


@elementwise(scalar="imag", dtype=magnitude)
def imag(x):
    """The imaginary part (``np.imag``); 0 for real numbers."""
    return np.array(np.imag(x))


@imag.public
def _(x):
    x = as_node(x)
    return imag.of(x) if is_complex(x.dtype) else TABLE["zeros_like"](x)


@imag.vjp
def _(g, out, x):
    return [complex_(0, g) if is_complex(x.dtype) else 0]


@imag.jvp
def _(tangents, out, x):
    return imag(tangents[0])


def argument(dtype):
    """Floats in, the dtype of their real part out."""
    d = to_float(dtype)
    return (d,), real_of(d)


def _angle_slope(x, out):
    return (where(eq(x, 0), 0, -1j / x) if is_complex(x.dtype) else 0,)


@elementwise(scalar="angle", slopes=_angle_slope, dtype=argument,
             domain=real(0.2, 3))
def angle(z):
    """The argument of z, between -π and π: 0 or π for real numbers (``np.angle``)."""
    return np.angle(z)


def joining(*dtypes):
    """Two real numbers in, a complex one out."""
    d = promote("float32", *dtypes)
    if is_complex(d):
        raise DtypeError("its parts are real numbers; one of them is complex")
    return (d, d), {"float32": "complex64", "float64": "complex128"}[d]


@elementwise(dtype=joining)
def complex_(real, imag):
    """real + i imag, a complex number from its parts.

    >>> complex_(1, 2).eval()
    array(1.+2.j, dtype=complex64)
    """
    shape = np.broadcast_shapes(np.shape(real), np.shape(imag))
    z = np.empty(shape, np.result_type(real, np.complex64))
    z.real, z.imag = real, imag
    return z


@complex_.vjp
def _(g, out, real, imag):
    return [TABLE["real"](g), TABLE["imag"](g)]


@complex_.jvp
def _(tangents, out, real, imag):
    return complex_(*[0 if t is None else t for t in tangents])
