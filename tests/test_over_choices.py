"""`f.run` and `f.over`: which input takes the indices, what no calls give, what callbacks see."""

import types

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile import over
from symgrad.errors import ArgumentError, IndexingError


def same(a, b):
    assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_array_equal(a, b)


def test_which_input_takes_the_indices():
    i, j, v, unnamed = T.lscalar("i"), T.lscalar("j"), T.lvector("v"), T.lscalar()
    x, n = T.dscalar("x"), np.arange(3)

    def compiled(inputs, output):
        return sg.function(inputs, output, backend="numpy", on_unused_input="ignore")

    same(compiled([i, sg.In(j, value=5)], i + j).run(n), n + 5)
    same(compiled([sg.In(i, value=5)], i * 2).run(n), n * 2)
    same(compiled([v, i], v[i]).over(i=n, v=[7, 8, 9]), n + 7)
    same(compiled([v, i], v[i]).run(n, v=[7, 8, 9]), n + 7)
    same(compiled([x, i], i * 2).run(n, x=1.0), n * 2)
    same(compiled([unnamed, x], unnamed * 2).run(n, x=1.0), n * 2)
    for inputs, match in (([x, unnamed], "needs a name"), ([x], "0 inputs could take"),
                          ([T.bscalar("b"), i], "2 inputs")):
        given = {"x": 1.0} if x in inputs else {}
        with pytest.raises(ArgumentError, match=match):
            compiled(inputs, T.constant(2.0)).run(n, **given)
    same(compiled([x], x * 2).run(np.int64(2), x=1.0), np.array([2.0, 2.0]))
    with pytest.raises(TypeError):
        compiled([x], x * 2).run(True, x=1.0)  # a flag is no number of calls
    for every in (True, 0, -1):
        with pytest.raises(ArgumentError, match="must be a positive number of calls"):
            compiled([i], i).run(n, every=every)
    for every in (1, 2, np.int64(1)):
        seen = []
        compiled([i], i).run(n, every=every, callback=lambda done, _, seen=seen: seen.append(done))
        assert seen == ([2, 3] if every == 2 else [1, 2, 3])


def test_what_no_calls_give():
    i, x = T.lscalar("i"), T.tensor("int8", (None, 2), "x")
    f = sg.function([x], [x * 2, x.sum() > 0, T.cast(x, "float32"), T.cast(x, "uint16"),
                          T.cast(x, "complex64")], backend="numpy")
    rows = np.ones((3, 2), np.int8)
    for k, dtype in enumerate(["int8", "bool", "float32", "uint16", "complex64"]):
        shape = () if k == 1 else (0, 2)
        same(f.run(0, x=rows)[k], np.empty((0, *shape), dtype))
        wide = {"int8": "int64", "bool": "int64", "uint16": "uint64"}.get(dtype, dtype)
        same(f.run(0, x=rows, reduce="sum")[k], np.zeros(shape, wide))
        assert f.run(2, x=rows, reduce="sum")[k].dtype == wide
    with pytest.raises(ArgumentError, match="no last of their results"):
        f.run(0, x=rows, reduce="last")
    s = sg.shared(0)
    g = sg.function([i], updates=[(s, s + i)], backend="numpy")
    for reduce in over.REDUCE:
        assert g.run([], reduce=reduce) is None
        assert g.run([1, 2], reduce=reduce, callback=lambda done, now: None) is None
    assert s.get_value() == 12


def test_callbacks_see_the_last_results(monkeypatch):
    i = T.lscalar("i")
    order = [1, 2, 2, 3, 1]
    f = sg.function([i], [T.arange(i) + i, i * 1.5], backend="numpy")
    for reduce in (None, "last"):
        seen = []
        f.run(order, reduce=reduce, callback=lambda done, now, seen=seen: seen.append(now))
        for k, (part, number) in zip(order, seen, strict=True):
            same(part, np.arange(k) + k)
            assert number == k * 1.5
    g = sg.function([i], i * 1.5, backend="numpy")
    for block in (1, 8, 16, 1 << 20):
        monkeypatch.setattr(over, "BLOCK", block)
        for reduce in ("mean", "sum"):
            seen = []
            g.run(order, reduce=reduce, callback=lambda done, now, seen=seen: seen.append(now))
            assert seen == [1.5 * k for k in order]


def test_how_many_results_are_summed_at_a_time(monkeypatch):
    monkeypatch.setattr(over, "BLOCK", 64)
    for shape, dtype, count, free in (((), "f8", 60, 8), ((), "f8", 5, 5), ((3,), "f8", 60, 2),
                                      ((9,), "f8", 60, 1), ((0,), "f8", 60, 60), ((), "i1", 90, 64),
                                      ((8,), "f8", 60, 1)):
        made = np.ones(shape, dtype)
        for reduce in over.REDUCE:
            node = types.SimpleNamespace(type=None)
            results = over._Results([node, node], count, reduce)
            results.put([np.ones((), "i1"), made])
            want = {"last": 1, None: count}.get(reduce, free)
            assert [len(r) for r in results.rows] == [want, want]
            assert results.room() == (count if reduce == "last" else want - results.turn)
    results = over._Results([], 7, "mean")
    assert results.room() == 7
    results.put([])
    assert results.room() == 6


def test_an_error_names_the_function_and_the_call():
    i, j, s = T.lscalar("i"), T.lscalar(), sg.shared(np.arange(3))

    def noted(f, *args, **named):
        with pytest.raises((IndexingError, ZeroDivisionError)) as caught:
            f.run(*args, **named)
        return caught.value.__notes__[0]

    named = sg.function([i], s[i], name="f", backend="numpy")
    assert noted(named, [0, 9]).startswith("f: in call 2 of 2, i=9; the updates of the 1 before")
    f = sg.function([j], s[j], backend="numpy")
    assert noted(f, [9]).startswith("function: in call 1 of 1, index=9; the updates of the 0 bef")
    last = noted(f, [0, 1], every=2, callback=lambda done, now: 1 // 0)
    assert last.startswith("function: in call 2 of 2; the updates of the 2 before it stand")
    f = sg.function([i], s[i], backend="numpy")
    assert noted(f, 2, i=9).startswith("function: in call 1 of 2; the updates of the 0 before")


def test_arguments_that_native_code_takes_are_not_copied():
    """A loop over one column of a large matrix does not copy it, if it is one column wide."""
    x = np.arange(12.0).reshape(3, 4)
    for taken in (x, x[1:], x[:, 1:], x[:, :1], x[:, ::4], x[::-1], x[0, 3:], x[:0], x[0, ::4],
                  np.array(3.0), x.T[:, :1], np.ones((2, 3, 4))[:, ::2]):
        assert over._dense(taken) is taken
    unaligned = np.frombuffer(bytes(range(25)), np.uint8)[1:].view(float)
    for copied in (x.T, x[:, ::2], x[:, ::-1], x[:, 0], unaligned, np.ones((3, 2, 4))[:, 0].T):
        made = over._dense(copied)
        assert not np.shares_memory(made, copied) and made.strides[-1] == made.itemsize
        np.testing.assert_array_equal(made, copied)
