"""Dtypes, promotion, autocast, shapes: symgrad/types.py against NumPy and Theano 1.0.5."""

import copy
import gc
import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import symgrad.tensor as T
from symgrad import op
from symgrad.config import options
from symgrad.errors import DtypeError, ShapeError
from symgrad.ops import OPS
from symgrad.shared import shared
from symgrad.types import (
    DTYPES,
    Dim,
    Type,
    autocast,
    broadcast,
    is_discrete,
    is_float,
    join_lengths,
    kind_of,
    named_dtype,
    plain_axes,
    plain_axis,
    promote,
    real_of,
    to_float,
    wider_int,
)

# -- dtypes


@pytest.mark.parametrize("a, b", list(itertools.product(DTYPES, DTYPES)))
def test_promotion_is_numpys(a, b):
    assert promote(a, b) == np.promote_types(a, b).name == promote(b, a)


def test_promotion_of_several():
    """From left to right, as Theano's upcast."""
    assert promote("int8", "uint8", "float32") == "float32"
    assert promote("int8", "uint8", "float16") == "float32"
    assert promote("int8") == "int8"


@pytest.mark.parametrize("spelling, name", [
    ("float32", "float32"), (np.float32, "float32"), (np.dtype("f4"), "float32"), ("f4", "float32"),
    (float, "float64"), (int, "int64"), ("int", "int64"), (bool, "bool"), (np.bool_, "bool"),
    (complex, "complex128"), (">f8", "float64"), ("uint16", "uint16"), ("floatX", "float64")])
def test_any_spelling_of_a_dtype(spelling, name):
    assert named_dtype(spelling) == name


def test_floatx_follows_the_option():
    with options(floatX="float32"):
        assert named_dtype("floatX") == "float32"
    assert named_dtype("floatX") == "float64"


@pytest.mark.parametrize("bad, words", [
    ("flaot32", "unknown dtype 'flaot32': did you mean float32"), ("U5", "not supported"),
    (object, "dtype object is not supported"), ("datetime64[s]", "not supported")])
def test_unknown_dtypes(bad, words):
    with pytest.raises(DtypeError, match=words):
        named_dtype(bad)


def test_kinds():
    assert [kind_of(d) for d in ("bool", "int8", "uint8", "float16", "complex64")] == list("biufc")
    assert [d for d in DTYPES if is_float(d)] == [d for d in DTYPES if not is_discrete(d)]
    assert real_of("complex64") == "float32" and real_of("int8") == "int8"


@pytest.mark.parametrize("dtype, want", [
    ("bool", "float32"), ("int8", "float32"), ("uint16", "float32"), ("int32", "float64"),
    ("uint64", "float64"), ("float16", "float16"), ("complex64", "complex64")])
def test_upgrade_to_float_is_theanos(dtype, want):
    assert to_float(dtype) == want


def test_wide_integers_of_reductions():
    """B5: sums of bools and integers are int64."""
    assert [wider_int(d) for d in ("bool", "int8", "uint8", "uint32", "float16")] == [
        "int64", "int64", "uint64", "uint64", "float16"]


# -- autocast (B4)


@pytest.mark.parametrize("value, dtype", [
    (0, "int8"), (127, "int8"), (128, "int16"), (-128, "int8"), (-129, "int16"), (32768, "int32"),
    (2**31, "int64"), (2**63, "uint64"), (True, "bool"), (0.5, "float32"), (0.1, "float64"),
    (1e300, "float64"), (1e-320, "float64"), (float("inf"), "float32"), (float("nan"), "float32"),
    (1j, "complex128"), (np.float64(0.5), "float64"), (np.int16(3), "int16"),
    (np.zeros(2, "float32"), "float32"), (np.zeros(2, ">f8"), "float64"), ([1, 2], "int64")])
def test_autocast_of_python_numbers(value, dtype):
    array = autocast(value)
    assert array.dtype.name == dtype
    np.testing.assert_array_equal(array, value)


def test_autocast_follows_floatx():
    with options(floatX="float32"):
        assert autocast(0.1).dtype == "float32" and autocast(1e300).dtype == "float32"
    with options(floatX="float16"):
        assert autocast(0.1).dtype == "float16"


def test_weak_numbers_take_the_dtype_they_meet():
    assert autocast(0.1, "float32").dtype == "float32" and autocast(3, "float16").dtype == "float16"
    assert autocast(300, "complex64").dtype == "complex64"
    assert autocast(0.5, "int8").dtype == "float32"
    assert autocast(1j, "complex64").dtype == "complex64"


def test_what_cannot_be_a_tensor():
    with pytest.raises(DtypeError, match="does not fit any integer dtype"):
        autocast(2**64)
    with pytest.raises(DtypeError, match="cannot make a tensor of str 'a'"):
        autocast("a")
    with pytest.raises(DtypeError, match="object"):
        autocast([object()])


def test_longdouble_is_narrowed():
    assert autocast(np.longdouble(1)).dtype == "float64"


# -- types


def test_types_are_interned():
    n = Dim("n")
    assert Type("float32", (3, None)) is Type("float32", (3, None))
    assert Type("float32", (n, 2)) is Type("float32", (n, 2))
    assert Type("float32", (n,)) is not Type("float32", (Dim("n"),))
    assert Type("float32", (3,)) is not Type("float64", (3,))


def test_types_survive_copies_and_pickles():
    n = Dim("n")
    t = Type("int8", (n, None, 3))
    assert copy.copy(t) is copy.deepcopy(t) is t
    assert pickle.loads(pickle.dumps(Type("int8", (2, None)))) is Type("int8", (2, None))
    a, b = pickle.loads(pickle.dumps((t, Type("int64", (n,)))))
    assert a.shape[0] is b.shape[0] and repr(a) == "i8[n,?,3]"


def test_what_a_type_says():
    t = Type("float64", (1, None, 3))
    assert t.broadcastable == (True, False, False) and t.ndim == 3 and repr(t) == "f64[1,?,3]"
    assert t.with_dtype("bool").shape == t.shape and t.with_shape([2]).shape == (2,)
    with pytest.raises(DtypeError, match="unknown dtype 'real'"):
        Type("real", ())


# -- shapes


@pytest.mark.parametrize("shapes, want", [
    ([(3, 1), (1, 4)], (3, 4)), ([(), (2,)], (2,)), ([(5, 3), (3,)], (5, 3)), ([()], ()), ([], ()),
    ([(1,), (1,)], (1,)), ([(0,), (1,)], (0,)), ([(None,), (1,)], (None,)), ([(None,), (3,)], (3,)),
    ([(3, 1), (None,)], (3, None)), ([(2, 1, 3), (4, 1), (1,)], (2, 4, 3))])
def test_broadcasting(shapes, want):
    assert broadcast(shapes) == want == broadcast(shapes[::-1])


def test_named_lengths_broadcast():
    n, m = Dim("n"), Dim("m")
    assert broadcast([(n,), (1,)]) == (n,) and broadcast([(n,), (3,)]) == (3,)
    assert broadcast([(n,), (m,)])[0] in (n, m) and broadcast([(n,), (None,)]) == (n,)


def test_lengths_that_clash():
    with pytest.raises(ShapeError, match="lengths 3 and 4 differ"):
        broadcast([(4,), (3,)])
    with pytest.raises(ShapeError):
        join_lengths(0, 1)
    assert join_lengths(None, 3) == 3 == join_lengths(3, None)


def test_axes():
    assert plain_axis(-1, 3) == 2 == plain_axis(np.int8(2), 3)
    assert plain_axes(None, 2) == (0, 1) and plain_axes((-1, 0), 2) == (0, 1)
    assert plain_axes(1, 2) == (1,)
    with pytest.raises(ShapeError, match="axis 2 is out of range for 2 dimensions"):
        plain_axis(2, 2)
    with pytest.raises(ShapeError, match="out of range for 1 dimension$"):
        plain_axis(-2, 1)
    with pytest.raises(ShapeError, match="names one axis twice"):
        plain_axes((0, -2), 2)
    with pytest.raises(ShapeError, match="must be an int"):
        plain_axis(1.0, 2)


def test_types_do_not_pile_up(monkeypatch):
    """Types that nothing has any more go, and the user's Dims with them; ops remember a few."""
    before = len(Type._all)
    monkeypatch.setattr(op, "REMEMBERED", 10)
    for k in range(100):
        x = Type("float64", (Dim(f"n{k}"), 3))("x")
        T.exp(x + 1).sum(axis=0)
    del x
    gc.collect()
    assert len(OPS["exp"].cache) <= 10 and len(Type._all) - before <= 40


def test_types_made_by_many_threads_are_one():
    shapes = [(k, Dim("n")) for k in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: [Type("int8", s) for s in shapes], range(8)))
    assert all(a is b for row in found for a, b in zip(row, found[0], strict=True))


def test_what_is_no_array_is_refused_by_name():
    x = T.matrix("x")
    with pytest.raises(ShapeError, match=r"^exp: cannot make a tensor of .*: its rows differ"):
        T.exp([[1, 2], [3]])
    with pytest.raises(DtypeError, match="^cast: unknown dtype x"):
        T.cast(x, x)
    with pytest.raises(DtypeError, match="^full: unknown dtype"):
        T.full((2,), 1, np.zeros(3))


@pytest.mark.parametrize("wrong, words", [
    (lambda x: T.diag(x, "1"), "^diag: k must be an integer known"),
    (lambda x: T.trace(x, 0.5), "^trace: offset must be an integer"),
    (lambda x: T.diagonal(x, T.lscalar("k")), "^diagonal: offset must be an integer .*, not k"),
    (lambda x: T.shape_padleft(x, 1.0), "^shape_padleft: n_ones must be an integer"),
    (lambda x: T.shape_padright(x, None), "^shape_padright: n_ones must be an integer"),
    (lambda x: T.patternbroadcast(x, 3), "^patternbroadcast: the pattern must be a list"),
    (lambda x: T.grad_clip(x, "1", 2), "^grad_clip: lower_bound must be a number, not '1'"),
    (lambda x: T.grad_scale(x, 1j), "^grad_scale: multiplier must be a number"),
    (lambda x: T.transpose(x, 0.5), "^transpose: axes must be a list"),
    (lambda x: T.norm(x, "fro"), "^norm: ord must be a number"),
    (lambda x: T.var(x, ddof=[]), "^var: ddof must be a number"),
    (lambda x: T.std(x, 0, "x"), "^std: ddof must be a number"),
    (lambda x: T.ones_like(x, dtpye="int8"), "dtpye"),
    (lambda x: T.nnet.crossentropy_softmax_1hot(x, [0], axes=1), "axes"),
    (lambda x: shared(np.zeros(2), nmae="w"), "nmae"),
])
def test_wrong_arguments_are_named(wrong, words):
    with pytest.raises(TypeError, match=f"(?s){words}"):
        wrong(T.matrix("x"))


def test_ranges_are_finite():
    for bad in (np.nan, np.inf):
        with pytest.raises(TypeError, match="arange: its ends and its step must be finite"):
            T.arange(bad)
    assert T.norm(T.fvector(), np.float32(2)).ndim == T.norm(T.fvector(), np.int64(1)).ndim == 0


def test_a_name_of_two_inputs_is_no_key():
    x, y = T.dscalar("x"), T.dscalar("x")
    with pytest.raises(TypeError, match="eval: several inputs are called 'x'"):
        (x + y).eval({"x": 1.0})
