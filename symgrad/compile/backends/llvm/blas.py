"""Addresses of BLAS routines, for machine code to call.

They are those that SciPy hands to other compiled code (``scipy.linalg.cython_blas``): Fortran's
calling convention, every argument by reference, lengths of 32 bits, matrices by columns.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np

ROUTINES = ("sgemm", "dgemm", "cgemm", "zgemm")
_NAME = "scipy.linalg.cython_blas"


@cache
def addresses():
    """The addresses of `ROUTINES`, int64[len(ROUTINES)]; zeros where there is no SciPy.

    The array is made once and lives as long as the process: code may keep the address of its data.
    """
    capsules = getattr(_cython_blas(), "__pyx_capi__", {})
    return np.array([_address(capsules.get(name)) for name in ROUTINES], np.int64)


def _cython_blas():
    """SciPy's module of addresses, or None.

    Its file is loaded by itself where that works: 12 ms, against 150 for all of ``scipy.linalg``.
    """
    if _NAME in sys.modules:
        return sys.modules[_NAME]
    found = importlib.util.find_spec("scipy")
    folder = Path(found.origin).parent / "linalg" if found and found.origin else Path()
    for file in [*folder.glob("cython_blas*.so"), *folder.glob("cython_blas*.pyd")]:
        try:
            spec = importlib.util.spec_from_file_location(_NAME, file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        except ImportError:
            break
        return module
    if not found:
        return None
    from scipy.linalg import cython_blas

    return cython_blas


def _address(capsule):
    if capsule is None:
        return 0
    api = ctypes.pythonapi
    name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", api))
    return pointer(capsule, name(capsule))
