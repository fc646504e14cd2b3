"""Arguments that make no sense are refused by the function's name, with what it takes instead."""

import numpy as np
import pytest

import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, ShapeError

x, v, s, i = T.matrix("x"), T.vector("v"), T.scalar("s"), T.iscalar("i")

BAD = [
    (lambda: T.roll(x, 1.5), DtypeError, "roll: a shift must be an integer, not f32"),
    (lambda: T.roll(x, v), DtypeError, "roll: a shift must be an integer"),
    (lambda: T.roll(x, T.ivector()), ShapeError, "roll: a shift must be a scalar, not i32"),
    (lambda: T.roll(x, None), DtypeError, "roll: cannot use NoneType None"),
    (lambda: T.roll(x, [1, 2], [0, 1, 0]), ArgumentError, "roll: 2 shifts do not fit 3 axes"),
    (lambda: T.roll(x, 1, 1.5), ShapeError, "roll: axis must be an int, not 1.5"),
    (lambda: T.roll(x, 1, 2), ShapeError, "roll: axis 2 is out of range"),
    (lambda: T.tile(x, -1), ShapeError, "tile: a number of repetitions cannot be negative: -1"),
    (lambda: T.tile(x, (2, -3)), ShapeError, "tile: a number .* negative: -3"),
    (lambda: T.tile(x, 1.5), DtypeError, "tile: a number of repetitions must be an integer"),
    (lambda: T.tile(x, "ab"), DtypeError, "tile: cannot use str 'ab'"),
    (lambda: T.tile(x, 2, ndim="a"), DtypeError, "tile: ndim must be an integer .* not 'a'"),
    (lambda: T.tile(x, 2, ndim=2.5), DtypeError, "tile: ndim must be an integer .* not 2.5"),
    (lambda: T.tile(x, (1, 2, 3), ndim=2), ShapeError, "tile: ndim is 2, .* has 3 dimensions"),
    (lambda: T.tile(x, T.ivector("r")), ArgumentError, "tile: .* not known; pass ndim="),
    (lambda: T.repeat(x, 1.5), DtypeError, "repeat: a number of repetitions must be an integer"),
    (lambda: T.map_rows(x, 3), ArgumentError, "map_rows: the first argument must be a function"),
    (lambda: T.map_rows(3, 3), ArgumentError, "map_rows: .* of an index, not 3"),
    (lambda: T.map_rows(abs, s), DtypeError, "map_rows: n must be an integer, not f64"),
    (lambda: T.map_rows(abs, T.ivector()), ShapeError, "map_rows: n must be a scalar"),
    (lambda: T.map_rows(abs, -1), ShapeError, "map_rows: n cannot be negative: -1"),
    (lambda: T.map_rows(lambda k: "a", 3), DtypeError, "map_rows: cannot use str 'a'"),
    (lambda: T.linspace(0, 1, -1), ShapeError, "linspace: num cannot be negative: -1"),
    (lambda: T.linspace(0, 1, 1.5), DtypeError, "linspace: num must be an integer"),
    (lambda: T.linspace(0, 1, (3, 4)), ShapeError, "linspace: num must be a scalar"),
    (lambda: T.linspace(0, 1, None), DtypeError, "linspace: cannot use NoneType None"),
    (lambda: T.linspace(v, 1), ShapeError, "linspace: its ends are scalars, not f64"),
    (lambda: T.linspace("a", 1), DtypeError, "linspace: cannot use str 'a'"),
    (lambda: T.eye(-1), ShapeError, "eye: a length cannot be negative: -1"),
    (lambda: T.tri(2, -1), ShapeError, "tri: a length cannot be negative: -1"),
    (lambda: x.dimshuffle("y", 0, 1), ArgumentError, "dimshuffle: .* or 'x' for a new one.*'y'"),
    (lambda: x.dimshuffle(1.5, 0), ArgumentError, "dimshuffle: an entry .* not 1.5"),
    (lambda: x.dimshuffle(True, 0), ArgumentError, "dimshuffle: an entry .* not True"),
    (lambda: x.dimshuffle(None), ArgumentError, "dimshuffle: an entry .* not None"),
    (lambda: x.dimshuffle(i, 0), ArgumentError, "dimshuffle: an entry .* not i"),
    (lambda: x.dimshuffle([0, [1]]), ArgumentError, r"dimshuffle: an entry .* not \[1\]"),
    (lambda: x.dimshuffle(0, 0), ShapeError, "dimshuffle: pattern .* names an axis twice"),
    (lambda: x.dimshuffle(5, 0), ShapeError, "dimshuffle: axis 5 is out of range"),
    (lambda: x.dimshuffle(0), ShapeError, r"dimshuffle: pattern \(0,\) leaves out axis 1 of f64"),
]


@pytest.mark.parametrize("make, kind, says", BAD)
def test_senseless_arguments_are_refused(make, kind, says):
    with pytest.raises(kind, match=f"^{says}"):
        make()


DTYPED = {
    "zeros": lambda d: T.zeros((2, 3), d),
    "ones": lambda d: T.ones(2, d),
    "full": lambda d: T.full(2, 1, d),
    "zeros_like": lambda d: T.zeros_like(x, d),
    "ones_like": lambda d: T.ones_like(x, d),
    "full_like": lambda d: T.full_like(x, 1, d),
    "eye": lambda d: T.eye(3, dtype=d),
    "tri": lambda d: T.tri(3, dtype=d),
    "identity_like": lambda d: T.identity_like(x, dtype=d),
    "arange": lambda d: T.arange(3, dtype=d),
    "linspace": lambda d: T.linspace(0, 1, 3, dtype=d),
    "sum": lambda d: T.sum(x, dtype=d),
    "mean": lambda d: T.mean(x, acc_dtype=d),
    "cast": lambda d: T.cast(x, d),
    "": lambda d: T.matrix("m", dtype=d),
    "tensor": lambda d: T.tensor(d, (2,)),
}


@pytest.mark.parametrize("bad", [np.ones(3), np.zeros(0), x, 0, "flota32", [1]], ids=repr)
@pytest.mark.parametrize("name", DTYPED)
def test_what_is_no_dtype_is_refused(name, bad):
    said = "" if name == "tensor" else f"{name}: " if name else ""
    with pytest.raises(DtypeError, match=f"^{said}unknown dtype"):
        DTYPED[name](bad)


def test_what_makes_sense_is_taken():
    value = np.arange(12.0).reshape(3, 4)
    for shift, axis in ((1, None), ((1, 2), None), ((1, 2), 0), (1, (0, 1)), ((1, -2), (0, 1)),
                        ([], [])):
        got = T.roll(x, shift, axis).eval({x: value})
        np.testing.assert_array_equal(got, np.roll(value, shift, axis))
    r = T.ivector("r")
    got = T.tile(x, r, ndim=2).eval({x: value, r: [2, 1]})
    np.testing.assert_array_equal(got, np.tile(value, (2, 1)))
    assert T.tile(x, 2, ndim=3).type.ndim == 3
    assert x.dimshuffle(np.array([1, 0])).type.ndim == x.dimshuffle(np.int64(1), 0).type.ndim == 2
    assert T.map_rows(lambda k: (k, 2 * k), 3).eval().tolist() == [[0, 0], [1, 2], [2, 4]]
    assert T.zeros(3, None).dtype == "float64" and T.zeros_like(i, None).dtype == "int32"
