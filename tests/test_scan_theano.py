"""Loops compute what Theano 1.0.5's compute (`theano_scan.py` says how), values and gradients."""

from pathlib import Path

import numpy as np
import pytest
import theano_scan
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.interpret import run

DATA = Path(__file__).parent / "data" / "theano_scan.npz"
with np.load(DATA) as found:
    NAMES = sorted({name.rpartition(" ")[0] for name in found})


@pytest.fixture(scope="module")
def reference():
    with np.load(DATA) as found:
        return dict(found)


@pytest.fixture(scope="module")
def scans():
    return theano_scan.scans(sg, T, sg.until)


def compare(name, got, reference):
    assert f"{name} {len(got)}" not in reference
    for k, value in enumerate(got):
        want = reference[f"{name} {k}"]
        assert value.dtype == want.dtype and value.shape == want.shape
        np.testing.assert_allclose(value, want, rtol=1e-10, atol=1e-12)


def test_there_are_no_others(scans):
    assert sorted(scans) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_interpreted(scans, reference, name):
    inputs, outputs, values = scans[name]
    given = {i: np.asarray(v, i.type.dtype) for i, v in zip(inputs, values, strict=True)}
    compare(name, run(outputs, given), reference)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled(scans, reference, name, backend):
    inputs, outputs, values = scans[name]
    f = sg.function(inputs, outputs, on_unused_input="ignore", backend=backend)
    compare(name, f(*values), reference)
    compare(name, f(*values), reference)  # nothing is left of the first call
