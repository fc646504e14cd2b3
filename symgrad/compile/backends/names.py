"""How a numpy program calls what its user has named."""

from __future__ import annotations

import keyword
import re

from symgrad.compile.backends import quick

# What names of the program look like: a user's own gets an underscore behind it.
_OURS = re.compile(
    r"_.*|b_.*|(a|add|c|column|d|in|long|max|min|n|r|row|rows|sum|t|v|w)\d+"
    r"|np|ws|lo|hi|len|min|range|program|workspace|Unexpected|[sd](gem[mv]|axpy)"
)


def users_name(name):
    """How a program calls what its user gave a name; None if that cannot be a name."""
    if not name or not name.isidentifier():
        return None
    ours = _OURS.fullmatch(name) or keyword.iskeyword(name) or hasattr(quick, name)
    return f"{name}_" if ours else name
