"""Bounds on the norm of weights and of gradients."""

from __future__ import annotations

import numpy as np

import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.types import is_float, promote
from symgrad.updates.common import in_dtype, scalars


def norm_constraint(tensor_var, max_norm, norm_axes=None, epsilon=1e-7):
    """`tensor_var` with every unit's weights scaled down to a Euclidean norm of at most `max_norm`.

    The norm is taken over `norm_axes`; by default over axis 0 of a matrix (inputs, units) and over
    all but axis 0 of a tensor with three to five axes (units, channels, …), as in Lasagne.  Dtype
    and shape stay.  Raises `ShapeError` for other ranks without `norm_axes`.

    Srebro and Shraibman, "Rank, Trace-Norm and Max-Norm", COLT 2005; for networks: Srivastava et
    al., "Dropout", JMLR 15 (2014).

    >>> w = T.constant(np.array([[3.0, 0.3], [4.0, 0.4]]))
    >>> sg.updates.norm_constraint(w, 1.0, epsilon=0).eval().round(3).tolist()
    [[0.6, 0.3], [0.8, 0.4]]
    """
    scalars("norm_constraint", max_norm=max_norm, epsilon=epsilon)
    tensor_var = T.as_tensor_variable(tensor_var)
    if norm_axes is None:
        if not 2 <= tensor_var.ndim <= 5:
            raise ShapeError(
                f"norm_constraint: no default axes for {tensor_var.ndim} dimensions; pass norm_axes"
            )
        norm_axes = 0 if tensor_var.ndim == 2 else tuple(range(1, tensor_var.ndim))
    dtype = tensor_var.dtype
    norms = T.sqrt(T.sum(tensor_var ** 2, axis=norm_axes, keepdims=True))
    allowed = T.minimum(norms, in_dtype(max_norm, dtype))
    return tensor_var * (allowed / (in_dtype(epsilon, dtype) + norms))


def total_norm_constraint(tensor_vars, max_norm, epsilon=1e-7, return_norm=False):
    """`tensor_vars`, usually gradients, scaled together to a joint Euclidean norm of at most
    `max_norm`.

    Returns a list with the same dtypes; with `return_norm` also the norm before scaling.  Raises
    `ArgumentError` for an empty list.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML
    2013 (after Mikolov's thesis); as in Sutskever, Vinyals and Le, "Sequence to sequence
    learning", NIPS 2014.

    >>> gradients = [T.constant(np.array([6.0, 8.0]))]
    >>> sg.updates.total_norm_constraint(gradients, 5.0, epsilon=0)[0].eval().tolist()
    [3.0, 4.0]
    """
    scalars("total_norm_constraint", max_norm=max_norm, epsilon=epsilon)
    tensor_vars = [T.as_tensor_variable(t) for t in tensor_vars]
    if not tensor_vars:
        raise ArgumentError("total_norm_constraint: the list of tensors is empty")
    dtype = promote(*[t.dtype for t in tensor_vars])
    if not is_float(dtype):
        raise DtypeError(f"total_norm_constraint: the tensors have dtype {dtype}, not a float")
    total = in_dtype(np.asarray(0), dtype)
    for t in tensor_vars:
        total = total + in_dtype(T.sum(t ** 2), dtype)
    norm = T.sqrt(total)
    factor = T.minimum(norm, in_dtype(max_norm, dtype)) / (in_dtype(epsilon, dtype) + norm)
    scaled = [t * in_dtype(factor, t.dtype) for t in tensor_vars]
    return (scaled, norm) if return_norm else scaled
