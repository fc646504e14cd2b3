"""`sg.function`: arguments, forms of output, updates, givens, copies, pickles, threads, and every
message."""

import copy
import pickle
import threading

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import (
    ArgumentError,
    DisconnectedInputError,
    DtypeError,
    IndexingError,
    MissingInputError,
    ShapeError,
    UnknownName,
    UnusedInputError,
)

pytestmark = pytest.mark.usefixtures("on_compiled_code")


def logistic(dtype="float32", batch=None):
    x, y = T.matrix("x", dtype=dtype), T.lvector("y")
    W = sg.shared(np.zeros((6, 3), dtype), name="W")
    b = sg.shared(np.zeros(3, dtype), name="b")
    p = T.nnet.softmax(T.dot(x, W) + b)
    loss = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    return x, y, W, b, p, loss


def data(n=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6)).astype("float32"), rng.integers(0, 3, n)


def reference(X, Y, W, b, lr):
    z = X @ W + b
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(Y)), Y]).mean()
    d = p.copy()
    d[np.arange(len(Y)), Y] -= 1
    d /= len(Y)
    return loss, W - lr * X.T @ d, b - lr * d.sum(0)


@pytest.mark.parametrize(
    "passes", ["", "-fuse", "-inplace", "-reuse -inplace", "-block", "none", "exact"]
)
def test_training_steps_equal_numpy(passes):
    x, y, W, b, _, loss = logistic()
    gW, gb = sg.grad(loss, [W, b])
    f = sg.function([x, y], loss, updates=[(W, W - 0.5 * gW), (b, b - 0.5 * gb)], passes=passes)
    Wn, bn = W.get_value(), b.get_value()
    for k in range(5):
        X, Y = data(8 if k < 3 else 5, k)
        want, Wn, bn = reference(X, Y, Wn, bn, np.float32(0.5))
        np.testing.assert_allclose(f(X, Y), want, rtol=2e-5)
        np.testing.assert_allclose(W.get_value(), Wn, rtol=2e-4, atol=1e-6)
        np.testing.assert_allclose(b.get_value(), bn, rtol=2e-4, atol=1e-6)


def test_extreme_logits_stay_finite():
    x, y = T.fmatrix("x"), T.lvector("y")
    loss = -T.sum(T.log(T.nnet.softmax(x))[T.arange(y.shape[0]), y])
    f = sg.function([x, y], [loss, sg.grad(loss, x)])
    value, g = f(np.array([[1000, -1000, 0], [-1000, 1000, 1000]], "float32"), np.array([1, 0]))
    assert value == pytest.approx(4000 + np.log(2), rel=1e-6)
    np.testing.assert_allclose(g, [[1, -1, 0], [-1, 0.5, 0.5]], atol=1e-6)


def test_forms_of_outputs():
    x = T.dvector("x")
    assert isinstance(sg.function([x], x * 2)([1, 2]), np.ndarray)
    assert isinstance(sg.function([x], [x * 2])([1, 2]), list)
    assert list(sg.function([x], {"a": x, "b": x.sum()})([1, 2])) == ["a", "b"]
    s = sg.shared(1.0)
    assert sg.function([], updates={s: s + 1})() is None
    assert s.get_value() == 2.0
    out = sg.function([x], x.sum())([1.0, 2.0])
    assert isinstance(out, np.ndarray) and out.shape == () and out.dtype == np.float64


def test_outputs_belong_to_the_caller():
    x = T.dvector("x")
    s = sg.shared(np.ones(2), name="s")
    f = sg.function([x], [x, x.T, s, x + 1, x[:1], T.constant(np.zeros(2))])
    X = np.array([1.0, 2.0])
    first = f(X)
    kept = [o.copy() for o in first]
    for o in f(X):
        o += 100
    for o, k in zip(first, kept, strict=True):
        np.testing.assert_array_equal(o, k)
    np.testing.assert_array_equal(X, [1, 2])
    np.testing.assert_array_equal(s.get_value(), [1, 1])


def test_keywords_defaults_and_scalars():
    x, lr = T.dvector("x"), T.dscalar("lr")
    f = sg.function([x, sg.In(lr, value=0.5)], x * lr, name="scaled")
    np.testing.assert_array_equal(f([2.0]), [1.0])
    np.testing.assert_array_equal(f(lr=2, x=[2.0]), [4.0])
    with pytest.raises(ArgumentError, match="unknown keyword 'ls'.*did you mean lr"):
        f([2.0], ls=1)
    with pytest.raises(ArgumentError, match="missing argument 0, x"):
        f()
    with pytest.raises(ArgumentError, match="'x' was given twice"):
        f([1.0], x=[2.0])
    with pytest.raises(ArgumentError, match="takes 2 arguments, got 3"):
        f([1.0], 1, 2)


def test_filter_of_arguments():
    f = sg.function([T.fvector("x")], T.fvector("x") if False else 1, on_unused_input="ignore")
    x = T.fvector("x")
    f = sg.function([x], x * 2)
    assert f([1, 2]).dtype == np.float32
    assert f(np.array([1, 2], "int8")).dtype == np.float32
    with pytest.raises(DtypeError, match="float64.*wants f32"):
        f(np.zeros(2))
    with pytest.raises(ShapeError, match="2 dimensions"):
        f(np.zeros((2, 2), "float32"))
    assert sg.function([x], x, allow_input_downcast=True)(np.zeros(2)).dtype == np.float32
    with pytest.raises(DtypeError, match="symbolic"):
        f(x)
    z = T.tensor("float32", (3,), name="z")
    with pytest.raises(ShapeError, match=r"shape \(2,\)"):
        sg.function([z], z)(np.zeros(2, "float32"))


def test_updates_are_simultaneous():
    a, b = sg.shared(np.array([1.0, 2.0]), name="a"), sg.shared(np.array([3.0, 4.0]), name="b")
    f = sg.function([], updates=[(a, b), (b, a)])
    f()
    np.testing.assert_array_equal(a.get_value(), [3, 4])
    np.testing.assert_array_equal(b.get_value(), [1, 2])
    g = sg.function([], [a, a + b], updates=[(a, a + b), (b, a - b)])
    old, total = g()
    np.testing.assert_array_equal(old, [3, 4])
    np.testing.assert_array_equal(total, [4, 6])
    np.testing.assert_array_equal(a.get_value(), [4, 6])
    np.testing.assert_array_equal(b.get_value(), [2, 2])


def test_inputs_that_alias_a_shared_variable():
    W = sg.shared(np.eye(3), name="W")
    x = T.dmatrix("x")
    f = sg.function([x], updates=[(W, W - 2.0 * T.dot(x.T, x))])
    held = W.get_value(borrow=True)
    want = held - 2.0 * held.T @ held
    f(held)
    np.testing.assert_allclose(W.get_value(), want)


def test_a_failing_call_changes_nothing():
    x, i = T.dvector("x"), T.lvector("i")
    s, r = sg.shared(np.zeros(3), name="s"), sg.shared(np.ones((3, 3)), name="r")
    f = sg.function([x, i], x[i], updates=[(s, s + x), (r, r - 0.1 * T.outer(x, x))])
    with pytest.raises(IndexingError, match="index 7 is out of"):
        f(np.arange(3.0), [0, 7])
    np.testing.assert_array_equal(s.get_value(), np.zeros(3))
    np.testing.assert_array_equal(r.get_value(), np.ones((3, 3)))
    with pytest.raises(ShapeError, match="add: lengths differ"):
        f(np.arange(4.0), [0])
    np.testing.assert_array_equal(s.get_value(), np.zeros(3))


def test_default_updates():
    n = sg.shared(0, name="n")
    n.default_update = n + 1
    f = sg.function([], n * 2)
    assert f() == 0 and f() == 2 and n.get_value() == 2
    assert sg.function([], n, no_default_updates=True)() == 2
    assert n.get_value() == 2
    assert (n * 1).eval() == 2 and n.get_value() == 3


def test_givens_with_a_symbolic_index():
    X, Y = data(12)
    sx, sy = sg.shared(X, borrow=True), T.cast(sg.shared(Y.astype("float32")), "int32")
    x, y, i = T.fmatrix("x"), T.ivector("y"), T.lscalar("i")
    f = sg.function([i], [x.sum(), y], givens={x: sx[i * 4:(i + 1) * 4], y: sy[i * 4:(i + 1) * 4]})
    total, labels = f(1)
    np.testing.assert_allclose(total, X[4:8].sum(), rtol=1e-5)
    np.testing.assert_array_equal(labels, Y[4:8])


def test_fewer_labels_than_rows_is_numpys_business():
    """The usual case (as many labels as rows) is compiled for; the unusual one is still right."""
    x, y = T.dmatrix("x"), T.lvector("y")
    f = sg.function([x, y], T.log(T.nnet.softmax(x))[T.arange(y.shape[0]), y].sum())
    X = np.arange(12.0).reshape(4, 3)
    z = X - np.log(np.exp(X).sum(1, keepdims=True))
    np.testing.assert_allclose(f(X, [0, 1, 2, 0]), z[np.arange(4), [0, 1, 2, 0]].sum())
    np.testing.assert_allclose(f(X, [0, 1]), z[np.arange(2), [0, 1]].sum())
    with pytest.raises(IndexingError, match="pick: index 4 is out of range for axis 0 of length 4"):
        f(X, [0, 1, 2, 0, 1])


def test_copy_and_swap():
    s, t = sg.shared(1.0, name="s"), sg.shared(10.0, name="t")
    f = sg.function([], s * 2, updates={s: s + 1})
    g = f.copy(swap={s: t})
    assert g() == 20 and t.get_value() == 11 and s.get_value() == 1
    h = f.copy(delete_updates=True)
    assert h() == 2 and s.get_value() == 1


@pytest.mark.parametrize(
    "way", [lambda o: pickle.loads(pickle.dumps(o)), copy.deepcopy], ids=["pickle", "deepcopy"]
)
def test_pickle_keeps_shared_variables_linked(way):
    x, y, W, b, p, loss = logistic()
    f = sg.function([x, y], loss, updates=[(W, W - np.float32(0.1) * sg.grad(loss, W))])
    f2, W2, p2 = way((f, W, p))
    X, Y = data()
    np.testing.assert_array_equal(f2(X, Y), f(X, Y))
    np.testing.assert_array_equal(W2.get_value(), W.get_value())
    W2.set_value(W2.get_value() * 0 + 1)
    before = f2(X, Y)
    assert not np.array_equal(before, f(X, Y))
    assert p2.type is p.type


def test_two_threads_may_call_one_function():
    x = T.dmatrix("x")
    s = sg.shared(0.0)
    f = sg.function([x], T.tanh(x @ x + 1).sum(), updates={s: s + 1})
    xs = [np.random.default_rng(k).normal(size=(20 + k % 3, 20 + k % 3)) for k in range(40)]
    want = [np.tanh(v @ v + 1).sum() for v in xs]
    got = [None] * 40

    def work(part):
        for k in part:
            got[k] = f(xs[k])

    threads = [threading.Thread(target=work, args=(range(k, 40, 4),)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_allclose(got, want)
    assert s.get_value() == 40


def test_empty_batch_and_nan():
    x, y, W, b, _, loss = logistic()
    f = sg.function([x, y], [T.dot(x, W) + b, loss])
    z, value = f(np.zeros((0, 6), "float32"), np.zeros(0, "int64"))
    assert z.shape == (0, 3) and np.isnan(value)
    X, Y = data()
    X[0, 0] = np.nan
    assert np.isnan(f(X, Y)[1])


def test_noncontiguous_arguments():
    x = T.dmatrix("x")
    f = sg.function([x], [x.T @ x, T.exp(x).sum(axis=0)])
    X = np.random.default_rng(0).normal(size=(8, 12))[::2, ::-3]
    for got, want in zip(f(X), [X.T @ X, np.exp(X).sum(0)], strict=True):
        np.testing.assert_allclose(got, want)


class TestBadRequests:
    def test_a_missing_input_is_named_with_its_line(self):
        x, y = T.dvector("x"), T.dvector("y")
        with pytest.raises(MissingInputError, match="depends on y.*not an input") as error:
            sg.function([x], x + y)
        assert "test_function.py" in str(error.value)

    def test_unused(self):
        x, y = T.dvector("x"), T.dvector("y")
        with pytest.raises(UnusedInputError, match="input y is not used"):
            sg.function([x, y], x)
        with pytest.warns(UserWarning, match="not used"):
            sg.function([x, y], x, on_unused_input="warn")
        sg.function([x, y], x, on_unused_input="ignore")

    def test_twice(self):
        x = T.dvector("x")
        with pytest.raises(ArgumentError, match="twice"):
            sg.function([x, x], x)

    def test_dtype_of_an_update(self):
        W = sg.shared(np.zeros(3, "float32"), name="W")
        with pytest.raises(
            DtypeError, match="update of W has dtype float64, the shared variable float32"
        ):
            sg.function([], updates=[(W, W * np.float64(0.1))])

    def test_rank_of_an_update(self):
        W = sg.shared(np.zeros(3), name="W")
        with pytest.raises(ShapeError, match="0 dimensions"):
            sg.function([], updates=[(W, W.sum())])

    def test_updated_twice(self):
        W = sg.shared(np.zeros(3), name="W")
        with pytest.raises(ArgumentError, match="updated twice"):
            sg.function([], updates=[(W, W + 1), (W, W + 2)])

    def test_update_of_something_else(self):
        x = T.dvector("x")
        with pytest.raises(ArgumentError, match="shared variables only"):
            sg.function([x], updates=[(x, x)])

    def test_unknown_pass_and_backend(self):
        x = T.dvector("x")
        with pytest.raises(UnknownName, match="did you mean stabilise"):
            sg.function([x], x, passes="-stabilize")
        with pytest.raises(UnknownName, match="no backend"):
            sg.function([x], x, backend="nunpy")

    def test_given_of_another_type(self):
        x, k, r = T.fvector("x"), T.iscalar("k"), T.tensor("float32", (3,), "r")
        for v, given, kind, says in (
            (x, np.zeros((2, 2), "float32"), ShapeError, "x has 2 dimensions, the variable 1"),
            (x, T.dvector("y"), DtypeError, "x has dtype float64, the variable float32"),
            (x, np.full(2, 0.1), DtypeError, "x has dtype float64"),
            (k, 2.5, DtypeError, "k has dtype float32, the variable int32"),
            (k, 1 << 40, DtypeError, "k has dtype int64"),
            (r, np.zeros(4, "float32"), ShapeError, r"r has shape f32\[4\], the variable f32\[3\]"),
        ):
            with pytest.raises(kind, match=f"function: what is given for {says}"):
                sg.function([], v * 2, givens={v: given}, on_unused_input="ignore")

    def test_givens_that_lose_nothing_are_cast(self):
        x, k = T.fscalar("x"), T.iscalar("k")
        f = sg.function([], [x * 2, k + 1], givens={x: 0.1, k: 3.0})
        assert f()[0] == np.float32(0.1) * 2 and f()[1] == 4

    def test_shape_of_an_update(self):
        W = sg.shared(np.zeros(3), name="W", shape=(3,))
        with pytest.raises(ShapeError, match=r"W has shape f64\[4\], the shared variable f64\[3\]"):
            sg.function([], updates=[(W, T.zeros(4))])

    def test_inner_lengths(self):
        a, b = T.tensor("float64", (3, 4), name="a"), T.tensor("float64", (5, 6), name="b")
        with pytest.raises(ShapeError, match="dot.*4.*5") as error:
            T.dot(a, b)
        assert "test_function.py" in str(error.value)
        x, W = T.dmatrix("x"), sg.shared(np.zeros((4, 2)), name="W")
        with pytest.raises(ShapeError, match="dot: lengths differ"):
            sg.function([x], T.dot(x, W))(np.zeros((3, 5)))

    def test_no_broadcast_of_lengths_unknown_when_built(self):
        x, y = T.dmatrix("x"), T.dmatrix("y")
        with pytest.raises(ShapeError, match="add: lengths differ.*(?s:.*)T.row"):
            sg.function([x, y], x + y)(np.zeros((1, 3)), np.zeros((2, 3)))

    def test_gradients(self):
        x, y = T.dvector("x"), T.dvector("y")
        with pytest.raises(DisconnectedInputError, match="does not depend on y"):
            sg.grad(x.sum(), y)
        with pytest.raises(ShapeError, match="must be a scalar"):
            sg.grad(x, x)
        with pytest.raises(DtypeError, match="must be a float"):
            sg.grad(T.lvector("k").sum(), x)


def test_a_gradient_that_rewriting_loses_is_zero():
    """Connection is a matter of the cost as it is written, not of its simplified form."""
    x, y = T.dvector("x"), T.dvector("y")
    cost = T.switch(T.constant(True), x, y).sum()
    np.testing.assert_array_equal(sg.grad(cost, y).eval({y: [1.0, 2.0]}), [0, 0])


def test_variables_lent_the_same_array_are_updated_as_written():
    a = np.ones(3)
    s, t = sg.shared(a, borrow=True, name="s"), sg.shared(a, borrow=True, name="t")
    f = sg.function([], updates=[(s, s + 1), (t, t * 3)])
    for k in range(1, 4):
        f()
        np.testing.assert_array_equal(s.get_value(), np.full(3, 1.0 + k))
        np.testing.assert_array_equal(t.get_value(), np.full(3, 3.0**k))


def test_variables_updated_to_one_value_stay_apart():
    x = T.dvector("x")
    s, t = sg.shared(np.ones(3), name="s"), sg.shared(np.ones(3), name="t")
    f = sg.function([], updates=[(t, T.tanh(s)), (s, T.tanh(s))])
    g = sg.function([x], updates=[(s, s + x)])
    for _ in range(2):
        f()
    g(np.ones(3))
    np.testing.assert_allclose(t.get_value(), np.tanh(np.tanh(np.ones(3))))
    np.testing.assert_allclose(s.get_value(), np.tanh(np.tanh(np.ones(3))) + 1)


def test_a_product_added_to_a_constant():
    x, A = T.dvector("x"), T.dmatrix("A")
    ones = T.constant(np.ones(3))
    f = sg.function([A, x], T.dot(A, x) + ones)
    for _ in range(2):
        np.testing.assert_allclose(f(np.eye(3), np.arange(3.0)), [1, 2, 3])
