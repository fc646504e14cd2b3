"""The native backend: a whole plan as one function of machine code, made by LLVM."""

from symgrad.compile.backends.llvm.program import compile, missing, name

__all__ = ["compile", "missing", "name"]
