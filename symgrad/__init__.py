"""symgrad: symbolic graphs, their derivatives, and fused functions made of them.

>>> import symgrad as sg, symgrad.tensor as T
>>> x = T.dvector("x")
>>> f = sg.function([x], sg.grad((x ** 2).sum(), x))
>>> f([1.0, 2.0])
array([2., 4.])
"""

from __future__ import annotations

from importlib import import_module

from symgrad import errors, families, interpret, node, tensor
from symgrad.compile.backends import BACKENDS, find
from symgrad.compile.callable import Function as _Function
from symgrad.compile.function import function
from symgrad.compile.program import In, Out
from symgrad.config import config, options
from symgrad.grad import Lop, Rop, grad, hessian, hessian_vector, jacobian, jvp, vjp
from symgrad.graph import to_networkx
from symgrad.node import Constant, constant
from symgrad.node import Node as Variable
from symgrad.op import Op
from symgrad.ops.ifelse import ifelse
from symgrad.shared import shared
from symgrad.show import debugprint, pprint
from symgrad.types import Dim, Type

# What most programs do without is imported when it is first asked for: name -> its module, or None
# for a module itself.
_LATER = {
    **dict.fromkeys(("datasets", "random", "updates")),
    **dict.fromkeys(("foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "until"),
                    "loops"),
    "ablate": "tools.ablate", "draw": "tools.draw",
}  # fmt: skip


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module 'symgrad' has no attribute {name!r}")
    found = import_module(f"symgrad.{_LATER[name] or name}")
    globals()[name] = found = getattr(found, name) if _LATER[name] else found
    return found


def __dir__():
    return sorted({*globals(), *_LATER})


class _Later:
    """A method of `Function` that is a tool's: imported when it is first asked for."""

    def __init__(self, name):
        self.name = name

    def __get__(self, function, cls):
        found = getattr(import_module(f"symgrad.tools.{self.name}"), self.name)
        setattr(cls, self.name, found)
        return found if function is None else found.__get__(function, cls)


# the methods that need an upper room
node.Node.eval = interpret.evaluate
for _name in ("explain", "why", "why_not"):
    setattr(_Function, _name, _Later(_name))
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
