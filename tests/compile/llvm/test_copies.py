"""Parts that are written, and ranges, in machine code."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.backends.llvm.copies import Copies
from symgrad.errors import IndexingError, ShapeError

pytest.importorskip("llvmlite")

X, x, i, j = T.dmatrix("X"), T.dvector("x"), T.lscalar("i"), T.lscalar("j")


def compiled(out, inputs=(X, x, i, j)):
    f = sg.function(list(inputs), out, backend="llvm", on_unused_input="ignore")
    return f, [p.kind for p in f.code.driver.pieces]


@pytest.mark.parametrize("step", [1, 2, 3, -1, -2, -3])
@pytest.mark.parametrize("start", [0, 4])
def test_ranges(step, start):
    f, kinds = compiled([T.arange(start, j, step), T.exp(T.arange(start, j, step))], [j])
    assert "range" in kinds
    for stop in range(-7, 12):
        want = np.arange(start, stop, step)
        for have, value in zip(f(stop), (want, np.exp(want)), strict=True):
            np.testing.assert_allclose(have, value)


@pytest.mark.parametrize("step, divided", [(1, 0), (2, 1), (-3, 1)])
def test_a_range_is_counted_once(step, divided):
    f, kinds = compiled([T.arange(0, j, step), T.arange(0, j, step, dtype="int16")], [j])
    assert kinds.count("range") == 2 and f.ir.count("sdiv i64") == 2 * divided
    for have, dtype in zip(f(7), ("int64", "int16"), strict=True):
        assert have.dtype == dtype and have.tolist() == list(range(0, 7, step))


def test_what_is_written_in_place_is_not_copied(monkeypatch):
    made, copy = [], Copies.copy
    monkeypatch.setattr(Copies, "copy", lambda *args, **how: made.append(how) or copy(*args, **how))
    f = sg.function([x, i], T.exp(T.inc_subtensor(T.exp(x)[i:], x[0])).sum(), backend="llvm")
    assert made == [{"add": True}]
    assert f([0.0, 1.0], 1) == pytest.approx(np.exp(1) + np.exp(np.e))


def write(a, y, change, index):
    a = a.copy()
    if change is T.set_subtensor:
        a[index] = y
    else:
        a[index] += y
    return a


@pytest.mark.parametrize("change", [T.set_subtensor, T.inc_subtensor])
def test_parts_that_are_written(change):
    a, v = np.arange(12.0).reshape(3, 4), np.array([5.0, 6.0, 7.0, 8.0])
    for part, index, value, array in (
            (X[j, i:], (1, slice(2, None)), x[0], v[0]),
            (X[j, i:], (1, slice(2, None)), x[i:], v[2:]),
            (X[i:, :j], (slice(2, None), slice(1)), x[0], v[0]),
            (X[::-1, i:], (slice(None, None, -1), slice(2, None)), x[0], v[0]),
            (X[i:, j], (slice(2, None), 1), x[j:i], v[1:2])):
        f, kinds = compiled(change(part, value))
        assert "write" in kinds
        np.testing.assert_array_equal(f(a, v, 2, 1), write(a, array, change, index))
    f, kinds = compiled([change(T.exp(X)[j, i:], x[0])])
    want = write(np.exp(a), v[0], change, (1, slice(2, None)))
    np.testing.assert_allclose(f(a, v, 2, 1)[0], want)
    assert "write" in kinds


def test_what_cannot_be_written():
    f, kinds = compiled(T.set_subtensor(X[j, i:], x[0]))
    assert "write" in kinds
    with pytest.raises(IndexingError, match="inc_subtensor: index 3 is out of range for axis 0 of "
                                            "length 2"):
        f(np.ones((2, 4)), [1.0], 1, 3)
    f, kinds = compiled(T.set_subtensor(X[i:, j], x))
    with pytest.raises(IndexingError, match="index 7 is out of range for axis 1 of length 4"):
        f(np.ones((2, 4)), [1.0], 1, 7)
    with pytest.raises(ShapeError, match="axis 0 of the value has length 3, the part that it is "
                                         "stored in 1"):
        f(np.ones((2, 4)), [1.0, 2.0, 3.0], 1, 3)
