"""``branch``: what the compiler makes of `ifelse`: the graphs of two sides, of which one is run.

Each side is a `Body` over the same operands, in its final form; both have equally many results, and
a value that only one side makes is paired with something of its type that nobody reads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symgrad.families import define
from symgrad.types import Tuple, Type


class Told(NamedTuple):
    """The type of a result: its lengths are numbers, (number of an operand, axis), or None where
    only the side that is run can tell."""

    dtype: str
    lengths: tuple

    @classmethod
    def of(cls, type, operands):
        """`type` told by nodes, of which the branch is over `operands`."""
        found = {d: (k, axis) for k, n in reversed(list(enumerate(operands)))
                 for axis, d in enumerate(n.type.shape)}
        return cls(type.dtype, tuple([d if isinstance(d, int) else d and found.get(d)
                                      for d in type.shape]))

    def type(self, operands):
        """The same for operands of these types."""
        return Type(self.dtype, tuple([operands[d[0]].shape[d[1]] if isinstance(d, tuple) else d
                                       for d in self.lengths]))


def _infer(types, then, other, told, idle):
    return Tuple(tuple([t.type(types[1:]) for t in told]))


@define("branch", infer=_infer)
def branch(condition, *operands, then=None, other=None, told=(), idle=()):
    """The results of the body `then` on the operands if the condition holds, else of `other`.

    told : for each result its `Told`
    idle : pairs (0 for `then`, 1 for `other`; number of a result) of what nobody reads
    """
    found = (then if condition else other).step(operands)
    return tuple([np.asarray(x) for x in found])
