"""``T.signal.pool``."""

from symgrad.ops.pool import pool_2d  # noqa: F401
