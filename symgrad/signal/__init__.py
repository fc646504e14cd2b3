"""``T.signal``: Theano's names for signals, of which there is pooling."""

from symgrad.signal import pool  # noqa: F401
