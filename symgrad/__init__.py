"""symgrad: symbolic graphs, their derivatives, and fused functions made of them.

>>> import symgrad as sg, symgrad.tensor as T
>>> x = T.dvector("x")
>>> f = sg.function([x], sg.grad((x ** 2).sum(), x))
>>> f([1.0, 2.0])
array([2., 4.])
"""

from __future__ import annotations

from symgrad import datasets, errors, families, interpret, node, random, tensor, updates
from symgrad.compile.backends import BACKENDS, find
from symgrad.compile.callable import Function as _Function
from symgrad.compile.function import function
from symgrad.compile.program import In, Out
from symgrad.config import config, options
from symgrad.grad import Lop, Rop, grad, hessian, hessian_vector, jacobian, jvp, vjp
from symgrad.graph import to_networkx
from symgrad.loops import foldl, foldr, map, reduce, scan, scan_checkpoints, until
from symgrad.node import Constant, constant
from symgrad.node import Node as Variable
from symgrad.op import Op
from symgrad.ops.ifelse import ifelse
from symgrad.shared import shared
from symgrad.show import debugprint, pprint
from symgrad.tools.ablate import ablate
from symgrad.tools.draw import draw
from symgrad.tools.explain import explain as _explain
from symgrad.tools.why import why as _why
from symgrad.tools.why_not import why_not as _why_not
from symgrad.types import Dim, Type

# the methods that need an upper room
node.Node.eval = interpret.evaluate
_Function.explain, _Function.why, _Function.why_not = _explain, _why, _why_not
if config.backend in ("auto", *BACKENDS):
    find(config.backend)  # loaded here, so that the first compilation need not wait for it

__version__ = "0.1.0"
__all__ = [
    "Constant",
    "Dim",
    "In",
    "Lop",
    "Op",
    "Out",
    "Rop",
    "Type",
    "Variable",
    "ablate",
    "config",
    "constant",
    "datasets",
    "debugprint",
    "draw",
    "errors",
    "families",
    "foldl",
    "foldr",
    "function",
    "grad",
    "hessian",
    "hessian_vector",
    "ifelse",
    "jacobian",
    "jvp",
    "map",
    "options",
    "pprint",
    "random",
    "reduce",
    "scan",
    "scan_checkpoints",
    "shared",
    "tensor",
    "to_networkx",
    "until",
    "updates",
    "vjp",
]
