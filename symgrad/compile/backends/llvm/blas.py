"""Addresses of BLAS routines, for machine code to call.

They are those of the OpenBLAS that NumPy has loaded already, or else those that SciPy hands to
other compiled code (``scipy.linalg.cython_blas``), which takes 12 ms and brings threads of its own.
Fortran's calling convention: every argument by reference, matrices by columns.  Lengths are written
as 64 bits, of which a BLAS with integers of 32 reads the lower half.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np

ROUTINES = {"sgemm": np.float32, "dgemm": np.float64, "cgemm": np.complex64,
            "zgemm": np.complex128}  # fmt: skip
INTEGER = "i64" if sys.byteorder == "little" else "i32"
_NAME = "scipy.linalg.cython_blas"


@cache
def addresses():
    """The addresses of `ROUTINES`, int64[len(ROUTINES)]; zeros where there is no BLAS.

    The array is made once and lives as long as the process: code may keep the address of its data.
    """
    found = _numpys()
    if found is None:
        capsules = getattr(_cython_blas(), "__pyx_capi__", {})
        found = [_address(capsules.get(name)) for name in ROUTINES]
    return np.array(found, np.int64)


def _numpys():
    """Addresses in NumPy's own OpenBLAS, each tried with a small product; None if there is none."""
    if INTEGER != "i64":
        return None
    try:
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (AttributeError, OSError):
        return None
    for pattern in ("scipy_{}_64_", "scipy_{}_"):
        try:
            found = [ctypes.cast(library[pattern.format(name)], ctypes.c_void_p).value
                     for name in ROUTINES]
        except AttributeError:
            continue
        if all(map(_works, found, ROUTINES.values())):
            return found
    return None


def _works(address, dtype):
    """Whether a routine sets ``c = 3 c + 2 a b'`` for small matrices inside larger ones."""
    a, b, c = [np.arange(n, dtype=dtype).reshape(shape, order="F")
               for n, shape in ((15, (5, 3)), (12, (4, 3)), (21, (7, 3)))]
    want = c.copy()
    want[:2] = 3 * c[:2] + 2 * (a[:2, :, None] * b.T[None, :, :3]).sum(1)
    alpha, beta = np.array([2, 3], dtype).reshape(2, 1)
    m, n, k, *leading = [ctypes.byref(ctypes.c_int64(x)) for x in (2, 3, 3, 5, 4, 7)]
    x, y, z, two, three = [ctypes.c_void_p(v.ctypes.data) for v in (a, b, c, alpha, beta)]
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(address)(
        ctypes.c_char_p(b"N"), ctypes.c_char_p(b"T"), m, n, k, two, x, leading[0], y, leading[1],
        three, z, leading[2])
    return np.array_equal(c, want)


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
