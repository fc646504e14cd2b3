"""A step's values for all steps at once: each op along a new first axis.

A value is known as a pair: the node outside, and whether it has a row for each step or is the same
in all of them.  What has no form for all steps is None.
"""

from __future__ import annotations

from symgrad.compile.rules.loop_lengths import rank_up
from symgrad.derive import expansion
from symgrad.node import CONST, toposort
from symgrad.op import cast_node, weak_numbers
from symgrad.ops.index import FULL, gather, layout
from symgrad.ops.join import join
from symgrad.ops.lengths import length, product
from symgrad.ops.linalg import batched_dot, dot, tensordot
from symgrad.ops.math import mul
from symgrad.ops.reduce import sum_
from symgrad.ops.shape import broadcast_to, reshape, transpose, unsqueeze
from symgrad.ops.source import arange


class Batch:
    """What nodes of a step are, for all n steps; `given`: {leaf or node: (node outside, whether it
    has rows)}."""

    def __init__(self, house, n, given):
        self.house, self.n, self.found = house, n, dict(given)

    def __call__(self, node):
        """(node outside, whether it has rows), or None."""
        for x in toposort([node], stop=frozenset(self.found)):
            self.found[x] = self.made(x)
        return self.found[node]

    def made(self, x):
        if x.op is CONST:
            return x, False
        inputs = [self.found[i] for i in x.inputs]
        if not inputs or any([i is None for i in inputs]):
            return None
        pool, nodes = self.house.pool, tuple([i[0] for i in inputs])
        if not any([varies for _, varies in inputs]):
            return pool.make(x.op, nodes, x.attrs, x.origin), False
        if x.op is length:
            return pool.make(length, nodes, (x.attrs[0] + 1,), x.origin), False
        form = getattr(self, f"_{x.op.name}", None) or getattr(self, f"_{x.op.kind}", None)
        with weak_numbers():
            found = form(x, inputs) if form is not None else None
        if found is None:
            return None
        return self.house.intern(found, x.origin), True

    def all_rows(self, pair, rank):
        """Rows of a value, whether it has them or not, with axes for a rank."""
        x, varies = pair
        if not varies:
            x = broadcast_to.of(x, self.n, *self.house.sizes(x))
        return rank_up(self.house, self.house.intern(x), rank)

    # -- by family

    def _elementwise(self, x, inputs):
        rank = x.type.ndim
        nodes = [rank_up(self.house, i, rank) if varies else i for i, varies in inputs]
        return self.house.pool.make(x.op, tuple(nodes), x.attrs, x.origin)

    def _reduction(self, x, inputs):
        axes = tuple([a + 1 for a in x.attrs[0]])
        return self.house.pool.make(x.op, (inputs[0][0],), (axes,), x.origin)

    def _composite(self, x, inputs):
        if x.op.params == ("axis",) and type(x.attrs[0]) is tuple and len(inputs) == 1:
            return self._reduction(x, inputs)
        return self.spelled(x, expansion(x))

    def _pick(self, x, inputs):
        rows, y = x.inputs
        return self.spelled(x, gather.of(rows, arange(length.of(y, axis=0)), y, idx=("#", "#")))

    def spelled(self, x, whole):
        """Rows of a value that is spelled in other ops."""
        found = self(self.house.intern(whole, x.origin))
        return None if found is None else self.all_rows(found, x.type.ndim)

    # -- views

    def _moved(self, x, inputs):
        return x.op.of(inputs[0][0], axes=tuple([a + 1 for a in x.attrs[0]]))

    _unsqueeze = _squeeze = _unbroadcast = _moved

    def _transpose(self, x, inputs):
        return transpose.of(inputs[0][0], axes=(0, *[a + 1 for a in x.attrs[0]]))

    def _subtensor(self, x, inputs):
        (base, varies), *scalars = inputs
        idx = x.attrs[0]
        if not varies and idx == ("@", *(FULL,) * (len(idx) - 1)):
            return gather.of(base, scalars[0][0], idx=("#",))
        if any([v for _, v in scalars]):
            return None
        return x.op.of(base, *[i for i, _ in scalars], idx=(FULL, *idx))

    def _sized(self, x, inputs):
        (base, _), *sizes = inputs
        if any([v for _, v in sizes]):
            return None
        if x.op is not reshape:
            base = rank_up(self.house, base, x.type.ndim)
        return x.op.of(base, self.n, *[i for i, _ in sizes])

    _reshape = _broadcast_to = _specify_shape = _alloc = _sized

    def _join(self, x, inputs):
        rank = x.type.ndim
        return join.of(*[self.all_rows(i, rank) for i in inputs], axis=x.attrs[0] + 1)

    def _make_vector(self, x, inputs):
        return join.of(*[unsqueeze.of(self.all_rows(i, 0), axes=(1,)) for i in inputs], axis=1)

    # -- products

    def _dot(self, x, inputs):
        (a, a_varies), (b, b_varies) = inputs
        ranks = x.inputs[0].type.ndim, x.inputs[1].type.ndim
        if a_varies and b_varies:
            if ranks == (1, 1):
                return cast_node(sum_.of(mul.of(a, b), axis=(1,)), x.type.dtype)
            a = a if ranks[0] == 2 else unsqueeze.of(a, axes=(1,))
            b = b if ranks[1] == 2 else unsqueeze.of(b, axes=(2,))
            return reshape.of(batched_dot.of(a, b), self.n, *self.outer(x, inputs))
        if a_varies:
            return dot.of(a, b) if ranks[0] == 1 else reshape.of(
                dot.of(flat(a), b), self.n, *self.outer(x, inputs))
        if ranks[1] == 1:
            return dot.of(b, transpose.of(a)) if ranks[0] == 2 else dot.of(b, a)
        return None  # a product for each step as well, from the left

    def outer(self, x, inputs):
        """The lengths of a product."""
        (a, a_varies), (b, b_varies) = inputs
        sizes = []
        if x.inputs[0].type.ndim == 2:
            sizes.append(self.house.sizes(a)[int(a_varies)])
        if x.inputs[1].type.ndim == 2:
            sizes.append(self.house.sizes(b)[-1])
        return sizes

    def _tensordot(self, x, inputs):
        (a, _), (b, b_varies) = inputs
        mine, theirs = x.attrs[0]
        if b_varies:
            return None
        return tensordot.of(a, b, axes=(tuple([k + 1 for k in mine]), theirs))

    def _batched_dot(self, x, inputs):
        (a, a_varies), (b, b_varies) = inputs
        if not (a_varies and b_varies):
            return None
        found = batched_dot.of(*[reshape.of(z, product(self.house.sizes(z)[:2]),
                                            *self.house.sizes(z)[2:]) for z in (a, b)])
        return reshape.of(found, self.n, *self.house.sizes(a)[1:3], self.house.sizes(b)[3])

    # -- places

    def _gather(self, x, inputs):
        (base, varies), *indices = inputs
        idx = x.attrs[0]
        width = max([i.type.ndim for i in x.inputs[1:]])
        if not any([v for _, v in indices]):
            return x.op.of(base, *[i for i, _ in indices], idx=(FULL, *idx)) if in_front(
                idx, width) else None
        if layout(idx, width)[0] != ("#", 0) or any([v and i.type.ndim == 1 for i, v in indices]):
            return None
        arrays = [rank_up(self.house, i, width) if v else i for i, v in indices]
        if not varies:
            return x.op.of(base, *arrays, idx=idx)
        steps = rank_up(self.house, self.house.intern(arange(self.n)), width)
        return x.op.of(base, steps, *arrays, idx=("#", *idx))

    def _inc_subtensor(self, x, inputs):
        base, (y, y_varies), *indices = inputs
        idx, set = x.attrs
        if y_varies and not x.inputs[1].type.ndim and layout(idx, x.type.ndim):
            return None
        if any([v for _, v in indices]):
            return self.written(x, base, (y, y_varies), indices)
        if not in_front(idx, x.type.ndim):
            return None
        if x.inputs[1].type.ndim:
            y = self.all_rows((y, y_varies), x.inputs[1].type.ndim)
        return x.op.of(self.all_rows(base, x.type.ndim), y, *[i for i, _ in indices],
                       idx=(FULL, *idx), set=set)

    def written(self, x, base, y, indices):
        """A write at indices that differ from step to step: to the places of each step's row."""
        idx, set = x.attrs
        kinds = [e for e in idx if e != FULL]
        if idx[:len(kinds)] != tuple(kinds) or kinds not in (["@"], ["#"] * len(kinds)):
            return None
        width = max([i.type.ndim for i in x.inputs[2:]])
        arrays = [self.all_rows(i, width) for i in indices]
        steps = rank_up(self.house, self.house.intern(arange(self.n)), width)
        rank = x.inputs[1].type.ndim
        value = self.all_rows(y, rank) if rank else y[0]
        return x.op.of(self.all_rows(base, x.type.ndim), value, steps, *arrays,
                       idx=("#", *["#"] * len(kinds), *idx[len(kinds):]), set=set)


def in_front(idx, width):
    """Whether rows stay in front where their axes are indexed: the arrays stand together."""
    return layout((FULL, *idx), width)[0] == ("x", 0)


def flat(x):
    """The rows of all steps one below the other: (n, k, …) as (n k, …)."""
    return reshape.of(x, product([length.of(x, axis=0), length.of(x, axis=1)]),
                      *[length.of(x, axis=k) for k in range(2, x.type.ndim)])
