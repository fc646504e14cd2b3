"""Rows of the circular functions and their inverses, in float and double.

Arguments are reduced to |r| <= pi / 4 by three parts of pi / 2 with fmas, which leave the first
difference exact.  Where a lane is too large for that, a function of the module reduces it with as
many digits of 2 / pi as it takes; it is called for such lanes only.
"""

from __future__ import annotations

from math import pi

from symgrad.compile.backends.llvm.explog import fit, rounded, through
from symgrad.compile.backends.llvm.vector import INTEGER, Value

ROWS = {}
# pi / 2 in parts, each all digits of the type; and up to where they are enough
PARTS = {"float": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
         "double": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)}
FARTHEST = {"float": 2.0**17, "double": 2.0**30}
# 2 / pi in words of 64 bits, after one of zeros
WORDS = (
    0x0, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484,
    0xE99C7026B45F7E41, 0x3991D639835339F4, 0x9C845F8BBDF9283B, 0x1FF897FFDE05980F,
    0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7, 0x4F463F669E5FEA2D, 0x7527BAC7EBE5F17B,
    0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB, 0xF0CFBC209AF4361D)


def row(function):
    ROWS[function.__name__.rstrip("_")] = function
    return function


def reduced(x):
    """(n, r, low): x = n pi / 2 + r + low; n as the low bits of an integer."""
    first, second, third = PARTS[x.scalar]
    n, bits = rounded(x, 2 / pi)
    d = n.fma(-first, x)
    product = n * second
    lost = n.fma(second, -product)
    r = d - product
    low = n.fma(-third, ((d - r) - product) - lost)
    w = x.w
    far = abs(x) >= FARTHEST[x.scalar]
    before, slow, after = w.at, w.label("far"), w.label("near")
    w.branch(far.any(), slow, after)
    w.block(slow)
    declare(w.module)
    near = bits, r, low
    exact = each(x, far, near) if x.width > 1 else one(x)
    slow = w.at
    w.jump(after)
    w.block(after)
    return [a.like(w.let(f"phi {a.kind} [{a.text}, %{before}], [{b.text}, %{slow}]"))
            for a, b in zip(near, exact, strict=True)]


def each(x, far, near):
    """The same three, where `far` from `one`, one lane after the other."""
    w = x.w
    with w.loop(str(x.width), carried=[(v.kind, v.text) for v in near]) as loop:
        k, now = loop.index, [v.like(t) for v, t in zip(near, loop.values, strict=True)]
        hit = lane(far, k)
        loop.next = []
        for v, found in zip(now, one(lane(x, k)), strict=True):
            new = hit.choose(found, lane(v, k))
            loop.next.append(w.let(
                f"insertelement {v.kind} {v.text}, {v.scalar} {new.text}, i64 {k}"))
    return [v.like(t) for v, t in zip(near, loop.out, strict=True)]


def lane(x, k):
    """One of the numbers."""
    return Value(x.w, 1, x.scalar, x.w.let(f"extractelement {x.kind} {x.text}, i64 {k}"))


def one(x):
    """(n, r, low) of one number, by the function of the module."""
    w = x.w
    wide = x if x.scalar == "double" else x.convert("fpext", "double")
    found = w.let(f"call {RESULT} @symgrad_reduce(double {wide.text})")
    r, low, n = [wide.like(w.let(f"extractvalue {RESULT} {found}, {k}"), scalar)
                 for k, scalar in enumerate(("double", "double", "i64"))]
    if x.scalar == "double":
        return n, r, low
    single = r.convert("fptrunc", "float")
    low = r - single.convert("fpext", "double")
    return n.convert("trunc", INTEGER["float"]), single, low.convert("fptrunc", "float")


RESULT = "{double, double, i64}"
REDUCE = """\
define internal {double, double, i64} @symgrad_reduce(double %x) noinline {
entry:
  %bits = bitcast double %x to i64
  %e0 = lshr i64 %bits, 52
  %e1 = and i64 %e0, 2047
  %special = icmp eq i64 %e1, 2047
  %low = and i64 %bits, 4503599627370495
  %m = or i64 %low, 4503599627370496
  %place0 = sub i64 %e1, 1013
  %place1 = call i64 @llvm.smax.i64(i64 %place0, i64 0)
  %place = call i64 @llvm.smin.i64(i64 %place1, i64 1088)
  %k = lshr i64 %place, 6
  %p0 = getelementptr i64, ptr @symgrad_two_over_pi, i64 %k
  %p1 = getelementptr i64, ptr %p0, i64 1
  %p2 = getelementptr i64, ptr %p0, i64 2
  %p3 = getelementptr i64, ptr %p0, i64 3
  %t0 = load i64, ptr %p0, align 8
  %t1 = load i64, ptr %p1, align 8
  %t2 = load i64, ptr %p2, align 8
  %t3 = load i64, ptr %p3, align 8
  %w0 = call i64 @llvm.fshl.i64(i64 %t0, i64 %t1, i64 %place)
  %w1 = call i64 @llvm.fshl.i64(i64 %t1, i64 %t2, i64 %place)
  %w2 = call i64 @llvm.fshl.i64(i64 %t2, i64 %t3, i64 %place)
  %mw = zext i64 %m to i128
  %a0 = mul i64 %m, %w0
  %a1 = zext i64 %a0 to i128
  %a = shl i128 %a1, 64
  %b0 = zext i64 %w1 to i128
  %b = mul i128 %mw, %b0
  %c0 = zext i64 %w2 to i128
  %c1 = mul i128 %mw, %c0
  %c = lshr i128 %c1, 64
  %ab = add i128 %a, %b
  %q = add i128 %ab, %c
  %half = shl i128 1, 125
  %n0 = add i128 %q, %half
  %n1 = lshr i128 %n0, 126
  %n = trunc i128 %n1 to i64
  %f0 = shl i128 %n1, 126
  %f = sub i128 %q, %f0
  %minus = icmp slt i128 %f, 0
  %f1 = sub i128 0, %f
  %f2 = select i1 %minus, i128 %f1, i128 %f
  %z = call i128 @llvm.ctlz.i128(i128 %f2, i1 false)
  %zc = call i128 @llvm.umin.i128(i128 %z, i128 100)
  %f3 = shl i128 %f2, %zc
  %f4 = lshr i128 %f3, 64
  %g0 = mul i128 %f4, 14488038916154245684
  %g1 = lshr i128 %g0, 65
  %g = trunc i128 %g1 to i64
  %r0 = sitofp i64 %g to double
  %z1 = trunc i128 %zc to i64
  %s0 = sub i64 963, %z1
  %s1 = shl i64 %s0, 52
  %scale = bitcast i64 %s1 to double
  %r1 = fmul double %r0, %scale
  %l0 = fptosi double %r0 to i64
  %l1 = sub i64 %g, %l0
  %l2 = sitofp i64 %l1 to double
  %l3 = fmul double %l2, %scale
  %xm = icmp slt i64 %bits, 0
  %flip = xor i1 %minus, %xm
  %r2 = fneg double %r1
  %r3 = select i1 %flip, double %r2, double %r1
  %r = select i1 %special, double 0x7FF8000000000000, double %r3
  %l4 = fneg double %l3
  %l5 = select i1 %flip, double %l4, double %l3
  %l = select i1 %special, double 0.0, double %l5
  %nn = sub i64 0, %n
  %nr = select i1 %xm, i64 %nn, i64 %n
  %o0 = insertvalue {double, double, i64} poison, double %r, 0
  %o1 = insertvalue {double, double, i64} %o0, double %l, 1
  %o = insertvalue {double, double, i64} %o1, i64 %nr, 2
  ret {double, double, i64} %o
}
"""


class Text:
    """A function that is written already."""

    def __init__(self, text):
        self.body, self.head = text, text.partition(" {\n")[0]

    def text(self):
        return self.body


def declare(module):
    """Put `REDUCE` into a module, once."""
    words = ", ".join([f"i64 {v - (1 << 64) if v >> 63 else v}" for v in WORDS])
    module.declare(f"@symgrad_two_over_pi = internal constant [{len(WORDS)} x i64] [{words}]")
    for name, kind, count in (("smax", "i64", 2), ("smin", "i64", 2), ("fshl", "i64", 3),
                              ("umin", "i128", 2)):
        module.declare(f"declare {kind} @llvm.{name}.{kind}({', '.join([kind] * count)})")
    module.declare("declare i128 @llvm.ctlz.i128(i128, i1)")
    module.add("symgrad_reduce", Text(REDUCE))


def wave(x, ahead):
    """sin(x + ahead pi / 2)."""
    n, r, low = reduced(x)
    z = r * r
    sin = (r * z).fma(z.polynomial(fit("sin", r)), low) + r
    cos = z.fma(z.polynomial(fit("cos", r)), z.constant(-0.5))
    cos = r.fma(-low, cos * z) + 1.0
    n = n + ahead if ahead else n
    odd = (n & 1).differs(0)
    sign = (n & 2) << (30 if x.scalar == "float" else 62)
    return (odd.choose(cos, sin).bits() ^ sign).floats()


@row
def sin(x):
    return x.equals(0.0).choose(x, wave(x, 0))


@row
def cos(x):
    return wave(x, 1)


@row
def tan(x):
    """Of what is left, or minus one over it."""
    n, r, low = reduced(x)
    z = r * r
    low = z.fma(low, low)  # the slope of tan is about 1 + z
    t = (r * z).fma(z.polynomial(fit("tan", r)), low) + r
    odd = (n & 1).differs(0)
    out = odd.choose(t.constant(-1.0), t) / odd.choose(t, t.constant(1.0))
    return x.equals(0.0).choose(x, out)


# -- inverses

HALF = {"float": (1.5707963705062866, -4.371138828673793e-08),
        "double": (1.5707963267948966, 6.123233995736766e-17)}


def inner(t, short=False):
    """atan of |t| <= 1."""
    z = t * t
    return (t * z).fma(z.polynomial(fit("atan", t, short)), t)


@row
def atan(x):
    a, (half, rest) = abs(x), HALF[x.scalar]
    far = a > 1.0
    one = x.constant(1.0)
    t = far.choose(-one, a) / far.choose(a, one)
    z = t * t
    out = (t * z).fma(z.polynomial(fit("atan", t)), far.choose(x.constant(rest), 0.0)) + t
    return (far.choose(x.constant(half), 0.0) + out).copysign(x)


@row
def atan2(y, x):
    if x.scalar == "float":
        return through(atan2, y, x)
    a, b, (half, rest) = abs(x), abs(y), HALF["double"]
    steep = b > a
    num, den = steep.choose(a, b), steep.choose(b, a)
    t = num / den
    t = num.equals(den).choose(x.constant(1.0), t)  # both may be infinite
    t = den.equals(0.0).choose(x.constant(0.0), t)
    t = x.isnan().choose(x, y.isnan().choose(y, t))
    left = x.bits() < 0
    # steep: pi/2 - t, or pi/2 + t on the left; flat: t, or pi - t
    t = (steep ^ left).choose(-t, t)
    base = steep.choose(x.constant(half), left.choose(x.constant(2 * half), 0.0))
    low = steep.choose(x.constant(rest), left.choose(x.constant(2 * rest), 0.0))
    z = t * t
    out = base + ((t * z).fma(z.polynomial(fit("atan", t)), low) + t)
    return out.copysign(y)


def arc(x, near):
    """(far, s, p) such that asin(s) is s + p: s is `near`, and sqrt((1 - |x|) / 2) where |x| > 1/2,
    that is `far`."""
    a = abs(x)
    far = a > 0.5
    z = far.choose(0.5 - 0.5 * a, a * a)
    s = far.choose(z.sqrt(), near)
    return far, s, (s * z) * z.polynomial(fit("asin", x))


@row
def asin(x):
    """From the polynomial, or for |x| > 1/2 from that of sqrt((1 - |x|) / 2)."""
    half, rest = HALF[x.scalar]
    far, s, p = arc(x, abs(x))
    out = far.choose(half - (2.0 * s + (2.0 * p - rest)), s + p)
    return out.copysign(x)


@row
def acos(x):
    half, rest = HALF[x.scalar]
    far, s, p = arc(x, x)
    near = half - (s + (p - rest))
    twice = 2.0 * (s + p)
    return far.choose((x < 0.0).choose(2 * half - (twice - 2 * rest), twice), near)


