"""Sums and products in one form: equal terms merged, constants together, scalars before matrices.

This pass looks at users, so it is a walk over the finished graph and not a list of rules.  A *tree*
is a maximal group of sums (or products) of one type whose inner nodes have no other user: each node
belongs to one tree, so the pass is linear, and nothing that someone else needs is computed twice.
A tree is rebuilt only if that saves operations; a second run therefore changes nothing.
"""

from __future__ import annotations

import time

import numpy as np

from symgrad.compile.pattern import rounding
from symgrad.compile.rules.common import given, mat, num, vec
from symgrad.node import CONST, toposort
from symgrad.ops.math import add, mul, neg, pow_, sqr, sub, true_div
from symgrad.ops.shape import unsqueeze
from symgrad.types import is_complex, is_float


def run(outputs, pool, log, off=()):
    """`outputs` with the forms in `NAMES` (but for those in `off`) applied to every tree, until
    neither makes anything of what the other has made."""
    forms, idle, turn, walk = [f for f in FORMS if f not in off], 0, 0, walked(outputs)
    while idle < len(forms) and turn < ROUNDS * len(forms):
        name = forms[turn % len(forms)]
        fired, start = log.fired.get(name, 0), time.perf_counter()
        made = _sweep(outputs, *walk, pool, log, name, FORMS[name])
        log.spend(name, start)
        if made != outputs:
            outputs, walk = made, walked(made)
        turn += 1
        idle = idle + 1 if log.fired.get(name, 0) == fired else 0
    return outputs


def walked(outputs):
    """The nodes in order, and how often each is read."""
    order = toposort(outputs)
    uses = dict.fromkeys(order, 0)
    for read in (outputs, *(n.inputs for n in order)):
        for i in read:
            uses[i] += 1
    return order, uses


def _sweep(outputs, order, uses, pool, log, name, form):
    inner = set()
    for n in order:
        if form.divides(n):
            inner.update(
                i for i in n.inputs if uses[i] == 1 and i.type is n.type and form.divides(i))
    new = {}
    for n in order:
        if n in inner:
            continue
        found = None
        if form.divides(n) and (n.inputs[0] is n.inputs[-1] or any(i in inner for i in n.inputs)):
            found = form(n, inner, new, pool).better()
            if found is not None:
                log.note(name, n, found)
        if found is None:
            for i in n.inputs:
                if new.get(i) is not i:
                    found = _copy(n, inner, new, pool)
                    break
            else:  # nothing below has changed, as for most
                found = n
        elif not found.name:
            found.name = n.name
        new[n] = found
    return [new[o] for o in outputs]


def _copy(root, inner, new, pool):
    """A node, and the inner nodes of its tree, on the new inputs."""
    stack = [root]
    while stack:
        n = stack[-1]
        waiting = [i for i in n.inputs if i not in new]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        inputs = tuple([new[i] for i in n.inputs])
        new[n] = n if inputs == n.inputs else pool.make(n.op, inputs, n.attrs, n.origin, n.type,
                                                        n.name)
    return new[root]


def scalar_value(n):
    """The Python number of a finite 0-d constant; None for anything else."""
    if n.op is not CONST or n.type.ndim:
        return None
    value = n.data.item()
    return value if np.isfinite(n.data) else None


def fits(value, dtype):
    """Whether a number can be a factor in `dtype`: no overflow to infinity, no underflow."""
    if not is_float(dtype):
        return True
    info = np.finfo(dtype)
    return value == 0 or float(info.tiny) <= abs(value) <= float(info.max)


MOST = 64  # the largest exponent that is taken for repeated multiplication
ROUNDS = 8  # each makes the graph cheaper; more than two are rare
READ = 3.0  # the price of an operand, which decides between forms with equally many operations


class Tree:
    """One tree taken apart (in `take`) and put together again (in `build`), with the price of
    both."""

    def __init__(self, root, inner, new, pool):
        self.root, self.pool, self.dtype = root, pool, root.type.dtype
        self.price = 0.0
        self.failed, self.built = False, set()
        stack = [(root, self.start)]
        while stack:
            n, state = stack.pop()
            if n is root or n in inner:
                self.price += self.cost(n)
                stack.extend(reversed(self.take(n, state)))
            else:
                self.price += READ * (n.op is not CONST)
                self.leaf(new[n], state)

    def weigh(self, type):
        """The price of an operation with a result of this type: what counts is passes over large
        arrays."""
        return 100.0 if type is self.root.type else 10.0 if type.ndim else 1.0

    def cost(self, n):
        return self.weigh(n.type)

    def better(self):
        """The new form of the tree, if it is cheaper than the old one; else None."""
        if self.failed:
            return None
        old, self.price = self.price, 0.0
        node = self.build()
        if node is None or node.type is not self.root.type:
            return None
        return node if self.price < old else None

    def apply(self, op, *inputs):
        node = self.pool.make(op, inputs, (), self.root.origin)
        self.price += self.cost(node) + READ * sum(
            [i not in self.built and i.op is not CONST for i in inputs])
        self.built.add(node)
        return node

    def number(self, value):
        """A 0-d constant of the tree's dtype; integers wrap around as their sums do."""
        if is_float(self.dtype):
            return self.pool.constant(np.asarray(value, self.dtype))
        bits = np.iinfo(self.dtype).bits
        return self.pool.constant(np.asarray(int(value) % (1 << bits),
                                             f"uint{bits}").astype(self.dtype))

    def grouped(self, nodes):
        """Nodes in groups of one type (constants apart), the tree's own type first, single numbers
        last."""
        groups = {}
        for n in nodes:
            groups.setdefault((n.type, n.op is CONST), []).append(n)
        own = self.root.type
        return [groups[k] for k in sorted(groups, key=lambda k: (k[0] is not own, not k[0].ndim))]


class Sum(Tree):
    """A sum as terms with constant coefficients, and one constant."""

    def __init__(self, *given):
        self.terms, self.constant, self.start = {}, 0, 1
        super().__init__(*given)

    @staticmethod
    def divides(n):
        if n.type.dtype == "bool" or n.op.kind != "elementwise":
            return False
        if n.op is add or n.op is sub or n.op is neg:
            return True
        return (n.op is mul or n.op is true_div) and scalar_value(n.inputs[1]) not in (None, 0)

    def take(self, n, c):
        if n.op is add:
            return [(n.inputs[0], c), (n.inputs[1], c)]
        if n.op is sub:
            return [(n.inputs[0], c), (n.inputs[1], -c)]
        if n.op is neg:
            return [(n.inputs[0], -c)]
        factor = scalar_value(n.inputs[1])
        return [(n.inputs[0], c * factor if n.op is mul else c / factor)]

    def leaf(self, n, c):
        value = scalar_value(n)
        if value is not None:
            self.constant += c * value
        else:
            self.terms[n] = self.terms.get(n, 0) + c

    def build(self):
        if not all(fits(c, self.dtype) for c in (*self.terms.values(), self.constant)):
            return None
        terms = self.terms
        if not is_float(self.dtype):  # 0 * x is 0, but x may be needed for the shape
            terms = {n: c for n, c in terms.items() if c}
            if self.root.type.shape not in [n.type.shape for n in terms]:
                terms = self.terms
        common = self.common(terms)
        if common != 1:
            terms = {n: 1 if c > 0 else -1 for n, c in terms.items()}
        total = negative = None
        for group in self.grouped(terms):
            part, minus = self.chain(group, terms)
            total, negative = (part, minus) if total is None else (
                self.join(total, negative, part, minus))
        if total is None:
            return None
        if self.constant:
            c = self.number(self.constant)
            return self.apply(sub, c, total) if negative else self.apply(add, total, c)
        if common != 1:
            return self.apply(mul, total, self.number(-common if negative else common))
        return self.apply(neg, total) if negative else total

    def common(self, terms):
        """The size that all coefficients share: ``2 x - 2 y`` is ``(x - y) * 2``."""
        sizes = {abs(c) for c in terms.values()}
        if len(sizes) != 1 or len(terms) == 1 or self.constant or is_complex(self.dtype):
            return 1
        return sizes.pop() or 1

    def chain(self, group, terms):
        """The sum of terms of one type, as (node, whether it is to be subtracted)."""
        first = next((n for n in group if self.plain(terms[n])), None)
        ordered = group if first is None else [first, *(n for n in group if n is not first)]
        total = negative = None
        for n in ordered:
            c = terms[n]
            minus = not self.plain(c)
            c = -c if minus else c
            part = n if c == 1 else self.apply(mul, n, self.number(c))
            total, negative = (part, minus) if total is None else self.join(total, negative, part,
                                                                            minus)
        return total, negative

    @staticmethod
    def plain(c):
        return c != -1 if isinstance(c, complex) else c >= 0

    def join(self, a, a_minus, b, b_minus):
        if a_minus == b_minus:
            return self.apply(add, a, b), a_minus
        return (self.apply(sub, b, a), False) if a_minus else (self.apply(sub, a, b), False)


class Product(Tree):
    """A product as factors with whole exponents over such factors, and one constant."""

    def __init__(self, *given):
        self.over, self.under, self.constant, self.start = {}, {}, 1, 1
        super().__init__(*given)

    @staticmethod
    def divides(n):
        if n.type.dtype == "bool":
            return False
        return n.op in (mul, true_div, sqr) or n.op is pow_ and exponent(n) is not None

    def cost(self, n):
        return self.weigh(n.type) * (4.0 if n.op is pow_ else 1.5 if n.op is true_div else 1.0)

    def take(self, n, power):
        if n.op is mul:
            return [(n.inputs[0], power), (n.inputs[1], power)]
        if n.op is true_div:
            return [(n.inputs[0], power), (n.inputs[1], -power)]
        return [(n.inputs[0], power * (2 if n.op is sqr else exponent(n)))]

    def leaf(self, n, power):
        value = scalar_value(n)
        if value is None:
            side = self.over if power > 0 else self.under
            side[n] = side.get(n, 0) + abs(power)
        elif abs(power) > MOST:
            self.failed = True
        else:
            try:
                self.constant *= value ** power
            except (OverflowError, ZeroDivisionError):
                self.failed = True

    def build(self):
        if not fits(self.constant, self.dtype) or self.constant == 0 and is_float(self.dtype):
            return None
        if sum(n.type is self.root.type for n in self.under) > 1:
            return None  # x / y / z is not x / (y * z), which may overflow
        if any([k > MOST for k in (*self.over.values(), *self.under.values())]):
            return None
        minus = self.constant == -1
        large = small = None
        waiting = []
        for type in sorted(dict.fromkeys(n.type for n in (*self.over, *self.under)),
                           key=lambda t: t.ndim):
            over = self.times([self.power(n, k) for n, k in self.over.items() if n.type is type])
            under = self.times([self.power(n, k) for n, k in self.under.items() if n.type is type])
            if type is self.root.type:
                large = over
                waiting += [under] if under is not None else []
                continue
            small = self.times([p for p in (small, over) if p is not None])
            if small is None and self.constant not in (1, -1):
                small, self.constant = self.number(self.constant), 1
            if under is not None and small is not None:
                small = self.apply(true_div, small, under)
            elif under is not None:
                waiting.append(under)
        if self.constant not in (1, -1):
            c = self.number(self.constant)
            if small is not None:
                small = self.apply(mul, small, c)
            elif large is not None:
                large = self.apply(mul, large, c)
            else:
                small = c
        total = self.times([p for p in (large, small) if p is not None])
        for under in waiting:
            total = self.apply(true_div, self.number(1) if total is None else total, under)
        return self.apply(neg, total) if minus and total is not None else total

    def times(self, factors):
        total = None
        for f in factors:
            total = f if total is None else self.apply(mul, total, f)
        return total

    def power(self, n, k):
        return power(n, k, lambda x: self.apply(sqr, x), lambda x, y: self.apply(mul, x, y))


def exponent(n):
    """The whole exponent (2 to 64, or -2 to -64) of a power with a constant one; None for anything
    else."""
    value = scalar_value(n.inputs[1])
    if value is None or isinstance(value, complex) or value != int(value):
        return None
    if not 1 < abs(value) <= MOST:
        return None
    return int(value)


def power(x, k, square, times):
    """x to the k-th power by squaring; None for k = 0."""
    out = None
    while k:
        if k & 1:
            out = x if out is None else times(out, x)
        k >>= 1
        if k:
            x = square(x)
    return out


SAMPLES = {
    "merge_factors": lambda: [
        (mat() * 2.0) * 3.0, (mat() * num()) * num(), (mat() / num()) * num() / 4.0,
        given(mat(), lambda x: x * x * x * x),
        given(mat(), lambda x: (x * 2.0) * (x * 3.0) * (x * x)),
        given(mat(), lambda x: (x / unsqueeze.of(vec(), axes=(1,))) * num()),
        (mat("int64") * 2) * 3, (mat() * vec()) * vec(), (mat("float32") / 2.0) / 3.0,
        2.0 * (num() / mat()) * num()],
    "merge_terms": lambda: [
        given(mat(), lambda x: x + x), given(mat(), lambda x: 3.0 * x - x), (mat() + 1.0) + 2.0,
        given((mat(), mat()), lambda p: 2.0 * p[0] + p[1] - (p[0] - p[1]) * 3.0 + 1.0 - 4.0),
        given(mat("int64"), lambda x: x + x - 3 * x + 1), (mat() + vec()) + vec(),
        (mat() + num()) - num(),
        given(vec("int8"), lambda x: x - x + vec("int8")), given(num(), lambda x: x + x + x + 2.0),
        given(mat("complex128"), lambda x: 2j * x + x), 2.0 * mat() + 2.0 * mat() - 2.0 * mat(),
        given((mat(), mat()), lambda p: -p[0] - p[1] - p[0])],
}
FORMS = {"merge_factors": Product, "merge_terms": Sum}
NAMES = tuple(FORMS)
KINDS = dict.fromkeys(NAMES, rounding)
DOCS = {"merge_factors": "equal factors are one power, constants one number",
        "merge_terms": "equal terms are one term with a coefficient, constants one number"}
DECIDERS = {name: ((tree.better, tree), (tree.build, tree)) for name, tree in FORMS.items()}
