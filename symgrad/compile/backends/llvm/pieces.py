"""What each step of a plan becomes in a native program."""

from __future__ import annotations

from collections import namedtuple

from symgrad.compile.backends.llvm import kernels
from symgrad.compile.backends.llvm.ir import REGISTER
from symgrad.compile.backends.llvm.values import viewable
from symgrad.compile.loops import loops
from symgrad.compile.lower import lower
from symgrad.compile.memory import Want

Piece = namedtuple("Piece", "kind step nest kernel names")


def pieces_of(plan, names):
    """What each step becomes."""
    for step in plan.steps:
        if step.kind == "kernel":
            kernel = lower(step, names)
            nest = loops(kernel)
            if kernels.able(nest):
                yield Piece("kernel", step, nest, kernel, names)
                continue
        elif viewable(step.body[0]):
            yield Piece("view", step, None, None, names)
            continue
        elif multiplies(step.body[0]):
            yield Piece("product", step, None, None, names)
            continue
        yield Piece("python", step, None, None, names)


PRODUCTS = ("dot", "gemm", "gemv", "ger", "batched_dot")


def multiplies(node):
    """Whether a call is a product that `products` can do."""
    name, dtype = node.op.name, node.type.dtype
    return (name in PRODUCTS and dtype in REGISTER and dtype != "bool"
            and (name == "batched_dot" or all(i.type.ndim < 3 for i in node.inputs))
            and all(i.type.dtype == dtype for i in node.inputs))


def wanted(node, piece):
    """What `memory.schedule` asks of a node: whether it can be run before there is an arena."""
    if piece.kind == "python":
        return Want("made")
    if piece.kind == "view":
        return Want("made" if node.op.name == "reshape" else "view")
    if piece.kind == "kernel" and not piece.nest.buffers and all(
            n.type.ndim == 0 for n in piece.step.outputs):
        return Want("scalar")
    return Want("out")
