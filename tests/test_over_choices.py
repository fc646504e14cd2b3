"""`f.run` and `f.over`: which input takes the indices, what no calls give, what callbacks see."""

import sys
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
    with pytest.raises(ArgumentError, match=r"3 calls .* a value of i; run\(range\(3\)\) gives"):
        compiled([sg.In(j, value=5), i], i + j).run(3)
    with pytest.raises(ArgumentError, match="a value of the index; "):
        compiled([unnamed], unnamed * 2).run(3)
    with pytest.raises(ArgumentError, match="not 0 of them; the function has i, j$"):
        compiled([i, x, unnamed, j, v], i + j).over(i=3)
    with pytest.raises(ArgumentError, match="not 0 of them; the function has none$"):
        compiled([x], x * 2).over(x=[1.0])
    same(compiled([sg.In(i, strict=True)], i * 2).run(n), n * 2)
    same(compiled([v, sg.In(i, strict=True)], v[i]).run(n, v=[7, 8, 9]), n + 7)
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
            results = over._Results([node], 7, reduce)
            results.put([np.ones((0, 3))])  # of nothing there is room for any number
            assert len(results.rows[0]) == (1 if reduce == "last" else 7)
    monkeypatch.undo()
    results = over._Results([node], 1 << 20, "sum")
    results.put([np.ones((), "f8")])
    assert len(results.rows[0]) == 1 << 17
    results = over._Results([], 7, "mean")
    assert results.room() == 7
    results.put([])
    assert results.room() == 6


def chunks(monkeypatch, seconds, count=400, most=400, **options):
    """How many calls each chunk has where call k takes ``seconds(k)``; `most`: that it makes."""
    now, seen = [50.0], []

    def chunk(run, stop):
        seen.append(stop - run.done)
        for _ in range(min(most, stop - run.done)):
            now[0] += seconds(run.done)
            run.done += 1

    monkeypatch.setattr(over, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(over._Run, "_chunk", chunk)
    s = sg.shared(0)
    sg.function([], updates=[(s, s + 1)], backend="numpy").run(count, **options)
    return seen


@pytest.mark.parametrize("seconds, options, want", [
    (lambda k: 0.0, {}, [1, 4, 16, 64, 256, 59]),  # four times as many, if they take no time
    (lambda k: 0.00098, {}, [1, 4, 16, *[51] * 7, 22]),  # as many as take a twentieth of a second
    (lambda k: 0.0195, {"count": 7}, [1, 2, 2, 2]),
    (lambda k: 0.5, {"count": 3}, [1, 1, 1]),
    (lambda k: 0.0 if k < 85 else 0.0098, {"count": 348}, [1, 4, 16, 64, 256, 5, 2]),
    (lambda k: 0.00098, {"count": 60, "most": 10}, [1, 4, 16, 45, 35, 25, 15, 5]),
    (lambda k: 0.00098, {"count": 100, "every": 30}, [1, 4, 16, 9, 30, 30, 10]),
    (lambda k: 0.00098, {"count": 5, "callback": lambda *_: None}, [1] * 5)])
def test_how_many_calls_a_chunk_has(seconds, options, want, monkeypatch):
    assert chunks(monkeypatch, seconds, **options) == want


def test_there_is_no_bar_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    i = T.lscalar("i")
    f = sg.function([i], i * 2, backend="numpy")
    same(f.run(range(3)), f.over(i=range(3)))
    with pytest.raises(ImportError):
        f.over(i=range(3), progress=True)


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


# -- in machine code


def counted(f, monkeypatch):
    """A list that gets how many calls each native chunk makes."""
    native, made = f._enter(), []
    chunk = type(native).chunk
    monkeypatch.setattr(type(native), "chunk", lambda *a: made.append(chunk(*a)) or made[-1])
    return made


def test_all_calls_but_the_first_are_native(monkeypatch):
    pytest.importorskip("llvmlite")
    monkeypatch.setattr(over, "BLOCK", 64)
    i, v, s = T.lscalar("i"), T.lvector("v"), sg.shared(0)
    f = sg.function([v, i], v[i] * 2, updates=[(s, s + 1)], backend="llvm")
    made = counted(f, monkeypatch)
    for reduce in over.REDUCE:
        made.clear()
        f.over(v=[1, 2, 3], i=[0, 1, 2] * 10, reduce=reduce)
        assert sum([done for done, _ in made]) == 29 and all([done for done, _ in made])
        made.clear()
        f.run(10, v=[1, 2, 3], i=2, reduce=reduce)
        assert sum([done for done, _ in made]) == 9
    assert s.get_value() == 160 and f.run([], v=[1]).shape == (0,)


def test_results_that_python_makes_come_one_by_one(monkeypatch):
    pytest.importorskip("llvmlite")
    i, x = T.lscalar("i"), sg.shared(np.arange(12.0).reshape(4, 3))
    f = sg.function([i], [T.cumsum(x[i]), x[i] * 2], backend="llvm")
    made = counted(f, monkeypatch)
    sums, doubled = f.run(range(4))
    same(sums, np.cumsum(x.get_value(), 1))
    same(doubled, x.get_value() * 2)
    assert not made


def test_a_run_within_a_run_does_not_count(monkeypatch):
    pytest.importorskip("llvmlite")
    i, s = T.lscalar("i"), sg.shared(0)
    f = sg.function([i], i * 2, updates=[(s, s + 1)], backend="llvm")

    def callback(done, result):
        same(f.run(range(30)), np.arange(30) * 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        f.run(range(20), every=10, callback=callback)
    assert "in call 11 of 20, i=10; the updates of the 10 before it stand" in (
        caught.value.__notes__[0])
