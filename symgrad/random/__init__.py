"""Random streams: draws as symbolic expressions, whose state every call of a function moves on.

`RandomStream` is the one to use: counter-based, the same numbers on every backend.  For programs
written for Theano there are `MRG_RandomStreams`, with its numbers, and `RandomStreams`, with those
of NumPy's `RandomState`.

>>> stream = sg.random.RandomStream(seed=42)
>>> f = sg.function([], stream.integers(4, 1, 7))
>>> f(), f()
(array([4, 2, 2, 4]), array([5, 5, 3, 5]))
"""

from __future__ import annotations

from symgrad.random.mrg import MRG_RandomStreams
from symgrad.random.numpy_state import RandomStreams
from symgrad.random.stream import RandomStream

__all__ = ["MRG_RandomStreams", "RandomStream", "RandomStreams"]
