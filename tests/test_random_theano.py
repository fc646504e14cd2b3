"""Theano's two random classes draw what Theano 1.0.5 drew (`theano_draws.py` says how)."""

from pathlib import Path

import numpy as np
import pytest
import theano_draws
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.ops import mrg
from symgrad.random import MRG_RandomStreams, RandomStreams

DATA = Path(__file__).parent / "data" / "theano_random.npz"


@pytest.fixture(scope="module")
def reference():
    with np.load(DATA) as found:
        return dict(found)


def compare(kind, found, reference):
    names = {n for n in reference if n.startswith(kind)}
    for name, arrays in found.items():
        for k, got in enumerate(arrays):
            full = f"{kind} {name} {k}"
            want = reference[full]
            names.discard(full)
            assert got.dtype == want.dtype and got.shape == want.shape, full
            if "normal" in name and kind == "mrg":  # up to how log, cos and sin are rounded
                tight = 2e-6 if want.dtype == "float32" else 1e-14
                np.testing.assert_allclose(got, want, rtol=tight, atol=tight, err_msg=full)
            else:
                np.testing.assert_array_equal(got, want, err_msg=full)
    assert not names


@pytest.mark.parametrize("backend", BACKENDS)
def test_mrg_is_theanos(reference, backend):
    with sg.options(backend=backend):
        compare("mrg", theano_draws.mrg(MRG_RandomStreams, sg.function, T.lvector,
                                        lambda dtype: sg.options(floatX=dtype)), reference)


@pytest.mark.parametrize("backend", BACKENDS)
def test_randomstreams_are_theanos(reference, backend):
    with sg.options(backend=backend):
        compare("numpy", theano_draws.numpy_state(RandomStreams, sg.function, T.constant),
                reference)


def test_jumps_of_mrg_are_those_of_the_paper():
    """2**72 and 2**134 steps (L'Ecuyer and others, Operations Research 50, 2002), and one step
    after another."""
    assert mrg.power(2**72)[0].tolist() == [
        [1516919229, 758510237, 499121365], [1884998244, 1516919229, 335398200],
        [601897748, 1884998244, 358115744]]
    assert mrg.power(2**134)[1].tolist() == [
        [796789021, 1464208080, 607337906], [1241679051, 1431130166, 1464208080],
        [1401213391, 1178684362, 1431130166]]
    states = np.random.default_rng(0).integers(1, mrg.M2, (3, 6)).astype("int32")
    one = states
    for n in range(8):
        assert np.array_equal(mrg.moved(states, n), one)
        one = mrg.moved(one, 1)


@pytest.mark.parametrize("count", [0, 1, 6, 7, 23])
def test_the_state_follows_what_is_drawn(count):
    """Two draws in a row are one draw of both, where streams come in turn."""
    states = np.random.default_rng(1).integers(1, mrg.M2, (4, 6)).astype("int32")
    after = mrg.mrg_next(states, count).eval()
    whole = mrg.mrg_uniform(states, 4 * 8, dtype="float64").eval()
    for stream in range(4):
        taken = len(range(stream, count, 4))
        want = whole.reshape(8, 4)[taken, stream]
        assert mrg.mrg_uniform(after[stream:stream + 1], 1, dtype="float64").eval() == want


def test_sizes_streams_and_marks_of_mrg():
    r, x = MRG_RandomStreams(1), T.matrix("x")
    u = r.uniform(x.shape, dtype="float32")
    assert u.tag.rstate.tag.is_rng and u.tag.update[0] is u.tag.rstate
    assert u.tag.rstate.get_value().shape == (15360, 6)  # as Theano guesses
    assert sg.function([x], u)(np.ones((2, 3))).shape == (2, 3)
    assert r.normal(()).eval().shape == ()
    assert r.uniform((3,)).tag.rstate.get_value().shape == (3, 6)
    assert r.uniform((100, 7)).tag.rstate.get_value().shape == (116, 6)
    assert r.uniform((9,), nstreams=2).tag.rstate.get_value().shape == (2, 6)
    assert len(r.updates()) == 5
    p = T.dscalar("p")
    f = sg.function([p], r.binomial((50,), p=p, dtype="int32"))
    assert f(1.0).sum() == 50 and f(0.0).sum() == 0 and f(0.5).dtype == "int32"


def test_equal_seeds_equal_numbers():
    for kind in (MRG_RandomStreams, RandomStreams):
        a, b = kind(7).uniform((5,)), kind(7).uniform((5,))
        f, g = sg.function([], a), sg.function([], b)
        assert np.array_equal(f(), g()) and np.array_equal(f(), g())
        assert not np.array_equal(a.eval(), a.eval())


def test_generators_of_randomstreams_can_be_read_and_set():
    r = RandomStreams(3)
    x = r.normal((3,), dtype="float64")
    state = x.tag.rng
    assert np.array_equal(x.eval(), _normals(r, state, drawn=3))
    r[state] = np.random.RandomState(12)
    assert np.array_equal(x.eval(), np.random.RandomState(12).normal(size=3))
    r.seed(8)
    seed = np.random.RandomState(8).randint(2**30)
    assert np.array_equal(x.eval(), np.random.RandomState(seed).normal(size=3))
    assert len(r.updates()) == 1 and state.tag.is_rng


def _normals(r, state, drawn):
    """What the first draw of the stream was, whose state has moved on since."""
    after = r[state].get_state()
    seed = int(np.random.RandomState(3).randint(2**30))
    generator = np.random.RandomState(seed)
    values = generator.normal(size=drawn)
    assert np.array_equal(generator.get_state()[1], after[1])
    assert generator.get_state()[2:] == after[2:]
    return values


WRONG = (
    ("MRG_RandomStreams(0)", ArgumentError, "must not be 0"),
    ("MRG_RandomStreams([0, 0, 0, 1, 2, 3])", ArgumentError, "three in a row"),
    ("MRG_RandomStreams([1, 2])", ArgumentError, "six"),
    ("MRG_RandomStreams(2**31)", ArgumentError, "2147462578"),
    ("MRG_RandomStreams(1).uniform(3)", ArgumentError, "tuple"),
    ("MRG_RandomStreams(1).uniform((0,))", ShapeError, "positive"),
    ("MRG_RandomStreams(1).uniform((2,), nstreams=0.5)", ArgumentError, "nstreams"),
    ("MRG_RandomStreams(1).uniform((2,), dtype='int32')", DtypeError, "float"),
    ("MRG_RandomStreams(1).uniform((2,), size_=1)", ArgumentError, "size_"),
    ("MRG_RandomStreams(1).binomial((2,), n=3)", ArgumentError, "n must be 1"),
    ("MRG_RandomStreams(1).multinomial((2,), pvals=[[1.0]])", ArgumentError, "size"),
    ("MRG_RandomStreams(1).multinomial(pvals=[1.0])", ShapeError, "matrix"),
    ("MRG_RandomStreams(1).choice(p=[[1.0]])", ArgumentError, "replace"),
    ("MRG_RandomStreams(1).choice(2, replace=False, p=[[1.0]]).eval()", ArgumentError, "2 of 1"),
    ("RandomStreams('a')", ArgumentError, "seed"),
    ("RandomStreams(1).uniform((-2,))", ShapeError, "negative"),
    ("RandomStreams(1).uniform((2,), foo=1)", ArgumentError, "foo"),
    ("RandomStreams(1).binomial((2,), p=2.0).eval()", ArgumentError, "p > 1"),
    ("RandomStreams(1).poisson((-1, 2))", ArgumentError, "-1"),
)


@pytest.mark.parametrize("call, kind, says", WRONG, ids=[w[0] for w in WRONG])
def test_errors(call, kind, says):
    with pytest.raises(kind) as caught:
        eval(call)
    assert says in str(caught.value)
