"""Loops as users write them: `scan` and its relatives, over the op ``loop``."""

from symgrad.loops.forms import Updates, until
from symgrad.loops.scan import foldl, foldr, map, reduce, scan, scan_checkpoints

__all__ = ["Updates", "foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "until"]
