"""Numbers in registers, with operators: ``x * y + 1`` writes the instructions that compute it.

A `Value` is one number or a vector of them; Python numbers beside it become constants of its type.
Comparisons of floats are false where there is a NaN.
"""

from __future__ import annotations

import struct

from symgrad.compile.backends.llvm.ir import constant, wide

INTEGER = {"float": "i32", "double": "i64", "half": "i16"}
FLOAT = {"i32": "float", "i64": "double", "i16": "half"}


class Value:
    """`width` numbers of the LLVM type `scalar`, called `text` in the function that `w` writes."""

    __slots__ = ("w", "width", "scalar", "text", "signed")

    def __init__(self, w, width, scalar, text, signed=True):
        self.w, self.width, self.scalar, self.text = w, width, scalar, text
        self.signed = signed

    @property
    def kind(self):
        """The LLVM type, ``<16 x float>``."""
        return wide(self.scalar, self.width)

    @property
    def real(self):
        """Whether it is a float."""
        return self.scalar in INTEGER

    @property
    def literal(self):
        """The number in every lane if it is a constant, else None."""
        return literal(self.text)

    def like(self, text, scalar=None):
        """Another value of this width, and of this type unless another is given."""
        return Value(self.w, self.width, scalar or self.scalar, text, self.signed)

    def constant(self, number):
        """A constant of this type."""
        return self.like(constant(number, self.scalar, self.width))

    def operand(self, other):
        """The text of a value of the same type, or of a Python number."""
        if type(other) is Value:
            return other.text
        return constant(other, self.scalar, self.width)

    def op(self, word, *others):
        """``word <16 x float> self, other``."""
        inner = ", ".join([self.text, *[self.operand(o) for o in others]])
        return self.like(self.w.let(f"{word} {self.kind} {inner}"))

    def call(self, name, *others):
        """An intrinsic whose operands and result have this type."""
        return self.like(
            self.w.intrinsic(name, self.kind, self.text, *[self.operand(o) for o in others]))

    def compare(self, how, other):
        """``olt``, ``une``, ``ult`` …: bits."""
        word = "fcmp" if self.real else "icmp"
        text = self.w.let(f"{word} {how} {self.kind} {self.text}, {self.operand(other)}")
        return self.like(text, "i1")

    def convert(self, word, scalar):
        """``sitofp``, ``bitcast`` … to another type."""
        text = f"{word} {self.kind} {self.text} to {wide(scalar, self.width)}"
        return self.like(self.w.let(text), scalar)

    # -- arithmetic

    def __add__(self, other):
        return self.op("fadd" if self.real else "add", other)

    def __sub__(self, other):
        return self.op("fsub" if self.real else "sub", other)

    def __rsub__(self, other):
        return self.constant(other) - self

    def __mul__(self, other):
        return self.op("fmul" if self.real else "mul", other)

    def __truediv__(self, other):
        return self.op("fdiv", other)

    def __rtruediv__(self, other):
        return self.constant(other) / self

    def __neg__(self):
        return self.op("fneg") if self.real else self.constant(0) - self

    def __abs__(self):
        return self.call("fabs")

    __radd__, __rmul__ = __add__, __mul__

    # -- bits

    def __and__(self, other):
        return self.op("and", other)

    def __or__(self, other):
        return self.op("or", other)

    def __xor__(self, other):
        return self.op("xor", other)

    def __invert__(self):
        return self.op("xor", 1 if self.scalar == "i1" else -1)

    def __lshift__(self, other):
        return self.op("shl", other)

    def __rshift__(self, other):
        return self.op("ashr" if self.signed else "lshr", other)

    def bits(self):
        """The same bits as an integer."""
        return self.convert("bitcast", INTEGER[self.scalar])

    def floats(self):
        """The same bits as a float."""
        return self.convert("bitcast", FLOAT[self.scalar])

    # -- comparisons

    def _order(self, how, other):
        return self.compare(("o" if self.real else "s" if self.signed else "u") + how, other)

    def __lt__(self, other):
        return self._order("lt", other)

    def __le__(self, other):
        return self._order("le", other)

    def __gt__(self, other):
        return self._order("gt", other)

    def __ge__(self, other):
        return self._order("ge", other)

    def equals(self, other):
        return self.compare("oeq" if self.real else "eq", other)

    def differs(self, other):
        return self.compare("une" if self.real else "ne", other)

    def isnan(self):
        return self.compare("uno", self)

    def choose(self, yes, no):
        """`yes` where these bits are set, else `no`; one of the two may be a number."""
        like = yes if type(yes) is Value else no
        yes, no = like.operand(yes), like.operand(no)
        return like.like(self.w.let(
            f"select {self.kind} {self.text}, {like.kind} {yes}, {like.kind} {no}"))

    def any(self):
        """The text of an ``i1``: whether one of these bits is set."""
        if self.width == 1:
            return self.text
        name = f"llvm.vector.reduce.or.v{self.width}i1"
        self.w.module.declare(f"declare i1 @{name}({self.kind})")
        return self.w.let(f"call i1 @{name}({self.kind} {self.text})")

    # -- floats

    def fma(self, factor, addend):
        """self * factor + addend, rounded once."""
        return self.call("fma", factor, addend)

    def copysign(self, other):
        if self.width > 1:
            return self.call("copysign", other)
        # LLVM moves roundings into a single copysign, and asks for one from double to half then,
        # which few processors have and no library here
        sign = other.bits() & other.constant(-0.0).bits()
        return (abs(self).bits() | sign).floats()

    def sqrt(self):
        return self.call("sqrt")

    def at_most(self, limit):
        """The lesser of two; a NaN here stays, at the limit it does not."""
        limit = self.like(self.operand(limit))
        return (limit < self).choose(limit, self)

    def at_least(self, limit):
        """The greater of two; a NaN here stays, at the limit it does not."""
        limit = self.like(self.operand(limit))
        return (limit > self).choose(limit, self)

    def polynomial(self, coefficients):
        """c[0] + c[1] x + …, by Horner's rule."""
        *rest, last = coefficients
        out = self.constant(last)
        for c in rest[::-1]:
            out = out.fma(self, c)
        return out

    def quick_polynomial(self, coefficients):
        """The same as two polynomials in the square, which do not wait for each other: half the
        time where a step waits for the one before, a little less exact."""
        square = self * self
        return square.polynomial(coefficients[1::2]).fma(
            self, square.polynomial(coefficients[::2]))

    def repeat(self, going, following, *state):
        """Values that change together while one of the bits ``going(*state)`` is set.

        ``following(*state)`` gives the next ones.  Returns the last ones.
        """
        w = self.w
        before, head, body, after = w.at, w.label("head"), w.label("body"), w.label("done")
        w.jump(head)
        w.block(head)
        spot = len(w.lines)
        now = [s.like(w.label("%p")) for s in state]
        w.branch(going(*now).any(), body, after)
        w.block(body)
        then = following(*now)
        last = w.at
        w.jump(head)
        w.lines[spot:spot] = [
            f"  {n.text} = phi {n.kind} [{s.text}, %{before}], [{t.text}, %{last}]"
            for n, s, t in zip(now, state, then, strict=True)]
        w.block(after)
        return now


def literal(text):
    """The number that a constant's text stands for, in every lane; None if it is no constant."""
    if text[0] in "%<":
        return None
    if text.startswith("splat"):
        text = text[text.index(" ", 7) + 1 : -1]
    if text.startswith("0xH"):
        return struct.unpack("<e", int(text[3:], 16).to_bytes(2, "little"))[0]
    if text.startswith("0x"):
        return struct.unpack("<d", int(text, 16).to_bytes(8, "little"))[0]
    if text[0] in "tfzu":
        return {"true": True, "false": False, "zeroinitializer": 0}.get(text)
    return float(text) if "." in text else int(text)
