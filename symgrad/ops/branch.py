"""``branch``: what the compiler makes of `ifelse`: the graphs of two sides, of which one is run.

Each side is a `Body` over the same operands; both have equally many results, and a value that
only one side makes is paired with something of its type that nobody reads.
"""

from __future__ import annotations

import numpy as np

from symgrad.errors import DtypeError
from symgrad.families import define
from symgrad.types import Tuple


def _infer(types, then, other, idle):
    sides = [side.shapes(types[1:])[0] for side in (then, other)]
    made = []
    for a, b in zip(*sides, strict=True):
        if a.dtype != b.dtype or a.ndim != b.ndim:
            raise DtypeError(f"one side makes {a!r}, the other {b!r}")
        made.append(a.with_shape([d if d is e or d == e else None
                                  for d, e in zip(a.shape, b.shape, strict=True)]))
    return Tuple(tuple(made))


@define("branch", infer=_infer)
def branch(condition, *operands, then=None, other=None, idle=()):
    """The results of the body `then` on the operands if the condition holds, else of `other`.

    idle : pairs (0 for `then`, 1 for `other`; number of a result) of what nobody reads
    """
    found = (then if condition else other).step(operands)
    return tuple([np.asarray(x) for x in found])
