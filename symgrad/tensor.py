"""The vocabulary ``T``: constructors of variables, and every op under NumPy's and Theano's names.

Nothing is defined here, since names such as ``sum`` and ``all`` are the ops' in this module.
"""

from __future__ import annotations

from symgrad import nnet, signal
from symgrad.constructors import MAKERS
from symgrad.errors import near
from symgrad.grad import Lop, Rop, grad, hessian, hessian_vector, jacobian, jvp, vjp
from symgrad.node import Constant, Node, as_node, constant
from symgrad.ops import TABLE
from symgrad.shared import Shared
from symgrad.types import Dim

# Other spellings of the same op, from Theano and NumPy.
ALIASES = {
    "abs_": "abs",
    "sgn": "sign",
    "inv": "reciprocal",
    "power": "pow",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "true_div",
    "true_divide": "true_div",
    "floor_div": "int_div",
    "floor_divide": "int_div",
    "negative": "neg",
    "absolute": "abs",
    "equal": "eq",
    "not_equal": "neq",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "switch": "where",
    "square": "sqr",
    "sin_": "sin",
    "mod_check": "mod",
    "remainder": "mod",
    "bitwise_not": "invert",
    "and_": "bitwise_and",
    "or_": "bitwise_or",
    "xor": "bitwise_xor",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "arctan2": "atan2",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "conjugate": "conj",
    "round_half_to_even": "round",
    "rint": "round",
    "fix": "trunc",
    "degrees": "rad2deg",
    "radians": "deg2rad",
    "sum_": "sum",
    "max_": "max",
    "min_": "min",
    "all_": "all",
    "any_": "any",
    "amax": "max",
    "amin": "min",
    "join_": "join",
    "tensor_copy": "copy",
    "astype": "cast",
    "disconnected_grad": "disconnected_grad",
    "shape_": "shape",
    "largest": "maximum",
    "smallest": "minimum",
}

as_tensor_variable = as_tensor = as_node
TensorVariable, TensorConstant, TensorSharedVariable = Node, Constant, Shared
__all__ = [
    "Constant",
    "Dim",
    "Lop",
    "Rop",
    "grad",
    "hessian",
    "hessian_vector",
    "jacobian",
    "jvp",
    "vjp",
    "Node",
    "Shared",
    "TensorConstant",
    "TensorSharedVariable",
    "TensorVariable",
    "as_tensor",
    "as_tensor_variable",
    "constant",
    "nnet",
    "signal",
    *TABLE,
    *MAKERS,
    *ALIASES,
]
globals().update(
    TABLE
    | MAKERS
    | {
        alias: TABLE[name]
        for alias, name in ALIASES.items()
        if name in TABLE and alias not in TABLE
    }
)
__all__ = [name for name in __all__ if name in globals()]  # noqa: PLE0604


def __getattr__(name):
    raise AttributeError(f"symgrad.tensor has no {name!r}: {near(name, __all__)}")
