"""One spelling for one meaning: which casts lose nothing, and graphs next to those at which rules
fire."""

import warnings

import numpy as np
import pytest
from test_rules import RULES, fires

from symgrad.compile.rules.canonicalise import holds_all
from symgrad.node import variable
from symgrad.ops import OPS
from symgrad.types import DTYPES, Type, is_complex, is_float


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


M, V, Z = (variable(Type(d, s)) for d, s in (("float64", (3, 3)), ("float64", (3,)),
                                             ("complex128", (3,))))


@pytest.mark.parametrize("rule,graph,yes", [
    ("times_reciprocal", OPS["mul"].of(V, OPS["true_div"].of(1, V)), True),
    ("times_reciprocal", OPS["mul"].of(V, OPS["true_div"].of(1, M)), True),
    ("times_reciprocal", OPS["mul"].of(M, OPS["true_div"].of(1, V)), False),  # fewer quotients
    ("real_real", OPS["real"].of(V), True), ("real_real", OPS["real"].of(Z), False),
    ("imag_real", OPS["imag"].of(V), True), ("imag_real", OPS["imag"].of(Z), False),
    ("conj_real", OPS["conj"].of(V), True), ("conj_real", OPS["conj"].of(Z), False),
])
def test_where_rules_fire(rule, graph, yes):
    assert (fires(RULES[f"canonicalise.{rule}"], graph) is not None) is yes
