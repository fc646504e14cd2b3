"""Steps that have no native form: run in Python, called from inside the native program."""

from __future__ import annotations

import ctypes

import numpy as np

from symgrad.node import CONST
from symgrad.op import apply
from symgrad.types import Tuple


def array_at(address, shape, strides, dtype):
    """An array on memory that somebody else owns; `strides` in elements."""
    dtype = np.dtype(dtype)
    if not all(shape):
        return np.empty(shape, dtype)
    low = sum([(n - 1) * s for n, s in zip(shape, strides, strict=True) if s < 0])
    high = sum([(n - 1) * s for n, s in zip(shape, strides, strict=True) if s > 0])
    size = dtype.itemsize
    block = (ctypes.c_char * ((high - low + 1) * size)).from_address(address + low * size)
    return np.ndarray(shape, dtype, block, -low * size, [s * size for s in strides])


def run_nodes(step, arrays):
    """The outputs of a step, node by node by the ops' NumPy meanings; `arrays`: {input: array}."""
    values = dict(arrays)
    for n in step.body:
        args = [i.attrs[0].array if i.op is CONST else values[i] for i in n.inputs]
        value = apply(n, args)
        values[n] = value if type(n.type) is Tuple else np.asarray(value, n.type.dtype)
    return [values[n] for n in step.outputs]
