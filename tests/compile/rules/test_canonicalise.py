"""One spelling for one meaning: which casts lose nothing."""

import warnings

import numpy as np
import pytest

from symgrad.compile.rules.canonicalise import holds_all
from symgrad.types import DTYPES, is_complex, is_float


def extremes(dtype):
    """The numbers of a dtype that need most digits, or are largest or smallest."""
    if dtype == "bool":
        return np.array([False, True])
    if not is_float(dtype):
        info = np.iinfo(dtype)
        return np.array([info.min, info.min + 1, info.max - 1, info.max], dtype)
    info = np.finfo(dtype)
    found = [info.min, info.max, info.tiny, np.nextafter(info.dtype.type(1), 2)]
    return np.array([*found, 1 + 2j] if is_complex(dtype) else found, dtype)


@pytest.mark.parametrize("wide", DTYPES)
@pytest.mark.parametrize("narrow", DTYPES)
def test_what_a_dtype_holds(narrow, wide):
    values = extremes(narrow)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is imaginary is lost
        cast = values.astype(wide)
        same = (cast.astype(narrow) == values).all() and (cast == values).all()
    assert holds_all(narrow, wide) == same
