"""`symgrad accuracy`: the table, what it measures, and its messages."""

import mpmath
import numpy as np
import pytest

from symgrad.errors import ArgumentError
from symgrad.tools import accuracy, cli


def test_the_table(capsys):
    assert cli.main(["accuracy", "--function", "exp", "--function", "atan2", "--dtype", "float32",
                     "--samples", "60"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("function") and "greatest" in head
    assert {tuple(line.split()[:3]) for line in lines} >= {
        ("exp", "float32", "numpy"), ("atan2", "float32", "numpy")}
    for line in lines:
        shares = [float(word) for word in line.split()[3:11:2]]
        assert abs(sum(shares) - 100) < 0.1


def test_an_error_is_counted_in_units_of_the_last_place():
    have = np.array([1 + 3 * 2.0**-52, 2.0, np.inf, 5.0])
    with mpmath.workdps(30):
        true = [mpmath.mpf(1), mpmath.mpf(2) + mpmath.mpf(2) ** -53, mpmath.mpf(3), None]
    np.testing.assert_array_equal(accuracy.compare(have, true), [3.0, 0.25, np.inf, 0.0])


def test_the_truth_has_all_digits():
    value = accuracy.truth("sin", [np.array([1e300])])[0]
    with mpmath.workdps(400):
        assert abs(value - mpmath.sin(mpmath.mpf(1e300))) < 1e-20
    assert accuracy.truth("log", [np.array([-1.0, np.nan])]) == [None, None]


def test_an_unknown_function_is_named(capsys):
    with pytest.raises(ArgumentError, match="'floor' is not one of .*exp"):
        accuracy.accuracy(["floor"], ["float32"], 10)
    assert cli.main(["accuracy", "--function", "gamma"]) == 1
    assert "'gamma' is not one of" in capsys.readouterr().err
