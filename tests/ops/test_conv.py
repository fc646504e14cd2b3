"""Windows, convolution and pooling: against loops, SciPy and difference quotients."""

import itertools

import numpy as np
import pytest
from helpers import BACKENDS, value
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d, correlate2d

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.ops.conv import count, windows, windows_add

pool_2d, conv2d = T.signal.pool.pool_2d, T.nnet.conv2d
RNG = np.random.default_rng(5)


# -- by plain loops


def slid(x, size, step, dilation, at):
    """What `windows` means, cell by cell."""
    counts = [count(n, k, s, d) for n, k, s, d in
              zip(x.shape[-2:], size, step, dilation, strict=True)]
    out = np.zeros((*x.shape[:-2], *size, *counts), x.dtype)
    for a, b, i, j in itertools.product(*[range(n) for n in (*size, *counts)]):
        out[..., a, b, i, j] = x[..., i * step[0] + a * dilation[0], j * step[1] + b * dilation[1]]
    return np.moveaxis(out, (-4, -3), (at, at + 1))


def convolved(x, w, borders=((0, 0), (0, 0)), step=(1, 1), dilation=(1, 1), groups=1, flip=True):
    """Of images with filters, each pair by SciPy."""
    x = np.pad(x, ((0, 0), (0, 0), *borders))
    wide = np.zeros((*w.shape[:2], *[(n - 1) * d + 1 for n, d in
                                     zip(w.shape[2:], dilation, strict=True)]))
    wide[:, :, ::dilation[0], ::dilation[1]] = w
    each, filters = w.shape[1], w.shape[0] // groups
    both = convolve2d if flip else correlate2d
    rows = [[sum(both(x[n, f // filters * each + c], wide[f, c], "valid") for c in range(each))
             for f in range(len(w))] for n in range(len(x))]
    return np.array(rows)[:, :, ::step[0], ::step[1]]


def pooled(x, size, step, cut, pad, mode):
    """Theano's pooling of a matrix, window by window; `cut`: the border is ignored."""
    fill = -np.inf if mode == "max" else 0
    wide = np.pad(x, [(p, p) for p in pad], constant_values=fill)
    counted = np.pad(np.ones_like(x), [(p, p) for p in pad])

    def starts(n, k, s):
        if cut:
            return range(0, n - k + 1, s)
        return range(0, n, s) if k <= s else range(0, max(n - k, 0) + s, s)

    out = []
    for i in starts(len(wide), size[0], step[0]):
        out.append([])
        for j in starts(wide.shape[1], size[1], step[1]):
            part = wide[i:i + size[0], j:j + size[1]]
            real = counted[i:i + size[0], j:j + size[1]].sum()
            out[-1].append({"max": part.max(), "sum": part.sum(),
                            "average_inc_pad": part.mean(),
                            "average_exc_pad": part.sum() / real}[mode])
    return np.array(out)


# -- windows


@st.composite
def slides(draw, lead=2):
    """An array and the attributes of its windows."""
    rows = draw(st.integers(0, lead))
    shape = draw(st.tuples(*[st.integers(0, 3)] * rows, *[st.integers(0, 7)] * 2))
    size, step, dilation = [draw(st.tuples(*[st.integers(1, 3)] * 2)) for _ in range(3)]
    attrs = {"step": step, "dilation": dilation, "at": draw(st.integers(0, rows))}
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape), size, attrs


@settings(max_examples=150, deadline=None)
@given(slides())
def test_windows_and_their_transpose(slide):
    x, size, attrs = slide
    want = slid(x, size, **attrs)
    got = value(windows, x, *size, **attrs)
    np.testing.assert_array_equal(got, want)
    y = RNG.normal(size=want.shape)
    added = value(windows_add, x, y, **attrs)  # <A x, y> = <x, A' y>
    np.testing.assert_allclose(np.vdot(added - x, x), np.vdot(want, y), atol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_windows_on_every_backend(backend, known):
    """Of all steps, dilations and places, in one program."""
    x, cases = RNG.normal(size=(2, 3, 7, 6)).astype("float32"), []
    for step, dilation, at in itertools.product((1, 2, 3), (1, 2), (0, 1, 2)):
        cases.append(((3, 2), {"step": (step, 1), "dilation": (1, dilation), "at": at}))
        cases.append(((2, 2), {"step": (2, step), "dilation": (dilation, 1), "at": at}))
    v, w = [T.tensor("float32", s if known else (None,) * len(s)) for s in (x.shape, (3, 2))]
    made = []
    for size, attrs in cases:
        size = size if known or size == (2, 2) else (w.shape[0], w.shape[1])
        made.append(windows.of(v, *size, **attrs))
        made.append(windows_add.of(v, 2 * made[-1], **attrs))
    f = sg.function([v, w], made, backend=backend, on_unused_input="ignore")
    for a in (x, x[:1, :, 1:, 1:]) if not known else (x,):
        got = iter(f(a, np.zeros((3, 2), "float32")))
        for size, attrs in cases:
            want = slid(a, size, **attrs)
            np.testing.assert_array_equal(next(got), want)
            np.testing.assert_allclose(next(got), value(windows_add, a, 2 * want, **attrs), 1e-6)


def test_windows_know_their_shape():
    x = T.tensor("float32", (None, 3, 28, None))
    assert windows(x, 5, 5).type.shape == (None, 3, 5, 5, 24, None)
    assert windows(x, 5, 5, step=2, at=0).type.shape == (5, 5, None, 3, 12, None)
    assert windows(x, 30, 1).type.shape[-2] == 0
    assert windows(x, T.lscalar(), 1).type.shape == (None, 3, None, 1, None, None)


@pytest.mark.parametrize("backend", BACKENDS)
def test_windows_that_do_not_fit_are_refused_when_run(backend):
    x, y, n = T.matrix("x"), T.tensor4("y"), T.lscalar("n")
    f = sg.function([x, n], windows(x, n, 1), backend=backend)
    assert f(np.ones((2, 2)), 5).shape == (5, 1, 0, 2)
    with pytest.raises(ShapeError, match="windows: a window must be 1 long"):
        f(np.ones((2, 2)), 0)
    g = sg.function([x, y], windows_add(x, y), backend=backend)
    with pytest.raises(ShapeError, match="windows_add: "):
        g(np.ones((3, 3)), np.ones((2, 2, 3, 3)))


def test_errors_of_windows():
    x = T.tensor("float64", (None, 5, 5))
    for wrong, error, words in [
        (lambda: windows(T.vector(), 1, 1), ShapeError, "two axes"),
        (lambda: windows(x, 0, 1), ShapeError, "1 long"),
        (lambda: windows(x, -1, 1), ShapeError, "negative"),
        (lambda: windows(x, 1.5, 1), DtypeError, "must be an integer"),
        (lambda: windows(x, 2, 2, step=0), ArgumentError, "step must be 1 at least"),
        (lambda: windows(x, 2, 2, step=(1, 2, 3)), ArgumentError, "last two axes"),
        (lambda: windows(x, 2, 2, dilation=-1), ArgumentError, "dilation must be 1 at least"),
        (lambda: windows(x, 2, 2, at=2), ShapeError, "axis 2"),
        (lambda: windows_add(x, x), ShapeError, "have 5 axes"),
        (lambda: windows_add(x, T.tensor("float64", (None, 2, 2, 5, 4))), ShapeError, "those are"),
    ]:
        with pytest.raises(error, match=words):
            wrong()


# -- convolution

BORDERS = {"valid": ((0, 0), (0, 0)), "full": ((2, 2), (1, 1)), "half": ((1, 1), (1, 1)),
           2: ((2, 2), (2, 2)), (1, 0): ((1, 1), (0, 0)), ((1, 0), (0, 2)): ((1, 0), (0, 2))}


@pytest.mark.parametrize("mode", BORDERS, ids=str)
@pytest.mark.parametrize("flip", [True, False], ids=["flip", "plain"])
def test_a_convolution_is_that_of_scipy(mode, flip):
    x, w = RNG.normal(size=(2, 4, 6, 7)), RNG.normal(size=(6, 2, 3, 2))
    for step, groups in itertools.product([(1, 1), (2, 3)], [1, 2]):
        a = x[:, :2 * groups]
        got = conv2d(a, w, border_mode=mode, subsample=step, filter_flip=flip, num_groups=groups)
        want = convolved(a, w, BORDERS[mode], step, (1, 1), groups, flip)
        assert got.type.shape == want.shape
        np.testing.assert_allclose(got.eval(), want, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_convolution(data):
    def draw(low, high, count=2):
        return data.draw(st.tuples(*[st.integers(low, high)] * count))

    (batch, each), (groups, per), size = draw(1, 3), draw(1, 2), draw(1, 3)
    step, dilation, pad = draw(1, 3), draw(1, 2), draw(0, 2)
    extent = [(n - 1) * d + 1 for n, d in zip(size, dilation, strict=True)]
    x = RNG.normal(size=(batch, each * groups, *[n + m for n, m in
                                                 zip(extent, draw(0, 3), strict=True)]))
    w = RNG.normal(size=(groups * per, each, *size))
    got = conv2d(x, w, border_mode=pad, subsample=step, filter_dilation=dilation,
                 num_groups=groups).eval()
    borders = [(p, p) for p in pad]
    np.testing.assert_allclose(got, convolved(x, w, borders, step, dilation, groups), atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slopes_of_a_network_on_every_backend(backend, dtype):
    """With lengths that are known, of which only the batch's is not, and that are not: as the
    interpreter says, for several batches, of which one is empty."""
    rng = np.random.default_rng(6)
    start = [rng.normal(size=s).astype(dtype) for s in [(3, 2, 3, 2), (3,)]]
    images = rng.normal(size=(3, 2, 8, 7)).astype(dtype)
    found = []
    for shapes in ((None, None), ((None, 2, 8, 7), (3, 2, 3, 2))):
        x = T.tensor(dtype, (None,) * 4)
        W, b = [sg.shared(v) for v in start]
        y = conv2d(x, W, *shapes, border_mode="half")
        z = T.tanh(pool_2d(y, (2, 2), ignore_border=False) + b.dimshuffle("x", 0, "x", "x"))
        cost = T.sum(z ** 2)
        slopes = sg.grad(cost, [x, W, b])
        f = sg.function([x], [cost, *slopes], backend=backend)
        close = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {
            "rtol": 1e-10, "atol": 1e-13}  # sums cancel
        for batch in (images, images[:0], images[:1]):
            found.append(f(batch))
            want = sg.interpret.run([cost, *slopes], {x: batch})
            for a, c in zip(found[-1], want, strict=True):
                assert a.shape == c.shape and a.dtype == dtype
                np.testing.assert_allclose(a, c, **close)


def test_second_derivatives():
    """Of a product with each slope, against a difference quotient."""
    x0, w0 = RNG.normal(size=(2, 2, 5, 5)), RNG.normal(size=(3, 2, 2, 3))
    x, w = T.tensor4("x"), T.tensor4("w")
    y = pool_2d(conv2d(x, w, border_mode=1, subsample=(1, 2)), (2, 1), False, stride=(1, 1))
    cost = T.sum(T.tanh(y) ** 2)
    gx, gw = sg.grad(cost, [x, w])
    ex, ew = RNG.normal(size=x0.shape), RNG.normal(size=w0.shape)
    along = T.sum(gx * ex) + T.sum(gw * ew)
    f = sg.function([x, w], [along, *sg.grad(along, [x, w])])
    h = 1e-6
    _, hx, hw = f(x0, w0)
    above, below = f(x0 + h * ex, w0 + h * ew)[0], f(x0 - h * ex, w0 - h * ew)[0]
    np.testing.assert_allclose(np.vdot(hx, ex) + np.vdot(hw, ew), (above - below) / (2 * h), 1e-5)
    forward = sg.Rop(cost, [x, w], [T.as_tensor(ex), T.as_tensor(ew)])
    np.testing.assert_allclose(forward.eval({x: x0, w: w0}), along.eval({x: x0, w: w0}), 1e-10)


def test_a_convolution_says_what_is_wrong():
    x, w = T.tensor("float32", (None, 3, 8, 8)), np.ones((4, 3, 5, 5), "float32")
    for wrong, error, words in [
        (lambda: conv2d(T.fmatrix(), w), ShapeError, r"conv2d: takes images .* not f32\[\?,\?\]"),
        (lambda: conv2d(x, w[0]), ShapeError, "takes images"),
        (lambda: conv2d(x, w[:, :2]), ShapeError, "have 3 channels, the filters .* want 2"),
        (lambda: conv2d(x, w, num_groups=2), ShapeError, "want 2 groups of 3"),
        (lambda: conv2d(x, w[:3, :1], num_groups=2), ShapeError, "want 2 groups of 1"),
        (lambda: conv2d(x[:, :2], w[:3, :1], num_groups=2), ShapeError, "equal groups"),
        (lambda: conv2d(x[:, :, :4], w), ShapeError, "no filter .* fits"),
        (lambda: conv2d(x, w, input_shape=(2, 3)), ShapeError, "input_shape must have a length"),
        (lambda: conv2d(x, w, input_shape=(2, 3, 9, 8)), ShapeError, "9"),
        (lambda: conv2d(x, w, (2, 3, 8, 8), image_shape=(2, 3, 8, 8)), ArgumentError, "old name"),
        (lambda: conv2d(x, w, border_mode="same"), ArgumentError, "border_mode 'same'"),
        (lambda: conv2d(x, w, border_mode=-1), ArgumentError, "0 at least"),
        (lambda: conv2d(x, w, subsample=0), ArgumentError, "subsample must be 1 at least"),
        (lambda: conv2d(x, w, unshared=True), ArgumentError, "unshared"),
    ]:
        with pytest.raises(error, match=words) as told:
            wrong()
        assert "test_conv.py" in str(told.value) and "conv2d(x" in str(told.value) or (
            "fmatrix" in str(told.value))


@pytest.mark.parametrize("backend", BACKENDS)
def test_channels_are_compared_when_run(backend):
    x, w = T.tensor4("x"), T.tensor4("w")
    f = sg.function([x, w], conv2d(x, w), backend=backend)
    assert f(np.ones((1, 2, 3, 3)), np.ones((1, 2, 2, 2))).item(0) == 8
    with pytest.raises(ShapeError, match="correlate2d"):
        f(np.ones((1, 3, 3, 3)), np.ones((1, 2, 2, 2)))


# -- pooling

MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pooling_window_by_window(data):
    def draw(low, high):
        return data.draw(st.tuples(*[st.integers(low, high)] * 2))

    mode, cut, (rows, columns) = data.draw(st.sampled_from(MODES)), data.draw(
        st.booleans()), draw(1, 7)
    size, step = draw(1, 3), draw(1, 4)
    pad = tuple(min(p, n - 1) for p, n in zip(draw(0, 2), size, strict=True)) if cut else (0, 0)
    x = RNG.normal(size=(rows, columns))
    want = pooled(x, size, step, cut, pad, mode)
    v = T.matrix()
    got = pool_2d(v, size, cut, step, pad, mode).eval({v: x})
    again = pool_2d(x, size, cut, step, pad, mode)
    assert again.type.shape == got.shape
    np.testing.assert_array_equal(again.eval(), got)
    if want.size:
        np.testing.assert_allclose(got, want, 1e-12)
    else:
        assert not got.size


def test_old_names_of_pooling():
    x = T.tensor("float32", (None, 3, 7, 7))
    new = pool_2d(x, ws=(3, 2), stride=(2, 2), pad=(1, 0), ignore_border=True)
    old = pool_2d(input=x, ds=(3, 2), st=(2, 2), padding=(1, 0), ignore_border=True)
    a = np.asarray(RNG.normal(size=(2, 3, 7, 7)), "float32")
    np.testing.assert_array_equal(new.eval({x: a}), old.eval({x: a}))


def test_all_that_are_the_largest_have_the_slope():
    """As in Theano 1.0.5, whose numbers these are."""
    x = T.matrix()
    slope = sg.grad(T.sum(pool_2d(x, (2, 2), ignore_border=True)), x)
    a = [[1, 1, 2, 2], [1, 1, 2, 0], [3, 0, 5, 5], [0, 3, 5, 1]]
    np.testing.assert_array_equal(slope.eval({x: np.array(a, "float64")}), [
        [1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 1, 0]])


def test_pooling_of_whole_numbers():
    a = np.arange(9).reshape(3, 3)
    assert pool_2d(a, 2).eval().tolist() == [[4, 5], [7, 8]]
    assert pool_2d(-a, 2).eval().tolist() == [[0, -2], [-6, -8]]
    total, mean = [pool_2d(a, 2, mode=m) for m in ("sum", "average_exc_pad")]
    assert total.dtype == a.dtype and total.eval().tolist() == [[8, 7], [13, 8]]
    assert mean.eval().tolist() == [[2, 3.5], [6.5, 8]]


def test_errors_of_pooling():
    x = T.matrix()
    for wrong, error, words in [
        (lambda: pool_2d(x), ArgumentError, "ws, .* is missing"),
        (lambda: pool_2d(x, 2, ds=2), ArgumentError, "ds is an old name of ws"),
        (lambda: pool_2d(x, 2, stride=2, st=2), ArgumentError, "st is an old name"),
        (lambda: pool_2d(x, 2, pad=1, padding=1), ArgumentError, "padding is an old name"),
        (lambda: pool_2d(x, 2, mode="mean"), ArgumentError, "mode 'mean'"),
        (lambda: pool_2d(x, 2, pad=1), ArgumentError, "wants ignore_border=True"),
        (lambda: pool_2d(x, 2, True, pad=2), ArgumentError, "less than the window"),
        (lambda: pool_2d(T.vector(), 2), ShapeError, "two axes"),
        (lambda: pool_2d(T.zmatrix(), 2), DtypeError, "order"),
        (lambda: pool_2d(x, T.lscalar()), DtypeError, "integer known"),
    ]:
        with pytest.raises(error, match=f"pool_2d: .*{words}|max_pool: .*{words}"):
            wrong()


@pytest.mark.parametrize("backend", BACKENDS)
def test_memory_is_told_where_lengths_are_not_known(backend):
    x, w = T.tensor4("x"), sg.shared(RNG.normal(size=(4, 2, 3, 3)))
    y = pool_2d(conv2d(x, w, border_mode="half"), (2, 2), ignore_border=True)
    f = sg.function([x], [y, sg.grad(T.sum(y ** 2), w)], backend=backend)
    said = f.memory([(3, 2, 9, 8)])
    f(RNG.normal(size=(3, 2, 9, 8)))
    assert said.total == f.memory([RNG.normal(size=(3, 2, 9, 8))]).total > 3 * 2 * 9 * 8 * 8
