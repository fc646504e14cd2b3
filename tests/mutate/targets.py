"""What is mutated: every rule, and the modules that decide what a plan is and where it lives."""

from __future__ import annotations

import ast
from pathlib import Path

REPO = Path(__file__).parents[2]
ROOT = REPO / "symgrad" / "compile"
# Of the LLVM backend: the arena, copies and what is shared by the sides of a branch.  The rest
# writes machine code; its decisions are numbers of cycles.
PLANNER = """fuse plan memory need nest pool lower pattern rewrite compare over
    backends/llvm/arena backends/llvm/copies backends/llvm/choose""".split()


def targets():
    """Paths below symgrad/compile, as ``rules/blas.py``."""
    rules = sorted(p.stem for p in (ROOT / "rules").glob("*.py")
                   if p.stem not in ("__init__", "loop_samples"))
    return [f"{name}.py" for name in (*[f"rules/{r}" for r in rules], *PLANNER)]


def module_of(file):
    """``rules/blas.py`` -> ``symgrad.compile.rules.blas``."""
    return "symgrad.compile." + file.removesuffix(".py").replace("/", ".")


def parsed(file):
    return ast.parse((ROOT / file).read_text())
