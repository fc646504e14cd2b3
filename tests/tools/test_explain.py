"""``f.explain()`` tells what every pass did, with expressions and lines; steps of loops too."""

import re
import runpy

import numpy as np
import pytest
from house import REPO

import symgrad as sg
import symgrad.tensor as T


def softmax_of(x):
    p = T.nnet.softmax(x)
    return T.log(p)


def part(found, name, within=""):
    return next(p for p in found.parts if p.name == name and within in p.within
                and bool(p.within) == bool(within))


def test_it_tells_which_rule_fired_where_and_what_became_of_it():
    x = T.dmatrix("x")
    found = sg.function([x], softmax_of(x)).explain()
    rule, = part(found, "stabilise").rules
    assert (rule.name, rule.count) == ("log_softmax", 1)
    assert rule.meaning == "log(softmax(x, axis=a)) becomes log_softmax(x, axis=a)"
    case, = rule.cases
    assert case.before == "log(softmax(x, axis=(1,)))"
    assert case.after == "log_softmax(x, axis=(1,))"
    first = softmax_of.__code__.co_firstlineno
    assert [line for _, line in case.lines] == [first + 2, first + 1]
    text = str(found)
    assert text.startswith("function: 3 nodes became ")
    assert "test_explain.py" in text and "return T.log(p)" in text
    assert "nothing to do: forward" in text


def test_firings_that_look_alike_are_told_once():
    x = T.dvector("x")
    several = [T.log(1 + x), *[T.log(1 + k * x) for k in range(2, 9)]]
    found = sg.function([x], several).explain()
    rule = next(r for r in part(found, "stabilise").rules if r.name == "log1p")
    assert rule.count == 8 and len(rule.cases) == 8
    text = str(found)
    assert "log1p, 8 times" in text and "and 6 more, at test_explain.py:" in text
    assert text.count("-> log1p(") <= 2
    assert max(map(len, text.splitlines())) < 160


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_steps_of_loops_are_told(backend):
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    x = T.dvector("x")
    rows, _ = sg.scan(lambda a, s: T.tanh(s + T.log(1 + T.exp(a))), sequences=x,
                      outputs_info=[T.constant(0.0)])
    found = sg.function([x], rows[-1], backend=backend).explain()
    inner = part(found, "stabilise", "before")
    assert [r.name for r in inner.rules] == ["log1p", "softplus"]
    assert "test_explain.py" in inner.within
    assert "trim" in [r.name for r in part(found, "loops").rules]
    assert "the step of loop (test_explain.py" in str(found)
    assert "when it is compiled" in str(found)


def test_whole_graph_passes_and_conditionals_are_told():
    x, c = T.dmatrix("x"), T.scalar("c", dtype="bool")
    W = sg.shared(np.ones((3, 3)), name="W")
    value = sg.ifelse(c, T.dot(x, W), x)
    f = sg.function([x, c], value, updates=[(W, W - 0.1 * T.dot(x.T, x))])
    found = f.explain()
    assert "gemm" in [r.name for r in part(found, "blas").rules]
    assert [r.name for r in part(found, "sides").rules] == ["branch"]


def test_what_is_left_out_is_said():
    x = T.dvector("x")
    found = sg.function([x], T.log(1 + x), passes="-shapes -stabilise.log1p").explain()
    assert str(found).endswith("left out: shapes, stabilise.log1p")
    assert not part(found, "stabilise").rules


def test_it_changes_nothing():
    x = T.dvector("x")
    f = sg.function([x], T.log(1 + x))
    before = f.source
    f.explain(), f.why(0), f.why_not("log1p")
    assert f.source == before and f.report.times == {}
    np.testing.assert_allclose(f([1.0]), np.log(2))


def test_the_report_of_a_profiled_function_has_the_times_of_rules():
    x = T.dmatrix("x")
    f = sg.function([x], softmax_of(x), profile=True)
    times = f.report.times
    assert times["stabilise.log_softmax"] > 0 and "collect.merge_terms" in times
    assert list(times.values()) == sorted(times.values(), reverse=True)
    assert times["blas"] > 0 and times["sides"] > 0, "their forms work together"
    assert "rules took" in str(f.report)
    assert sum(times.values()) < f.report.total


def test_the_page_shows_what_is_printed(tmp_path, capsys):
    """But for the times."""
    page = (REPO / "docs" / "explain.md").read_text()
    program, *shown = re.findall(r"^```(?:python|text)\n(.*?)^```", page, re.M | re.S)
    file = tmp_path / "train.py"
    file.write_text(program)
    names = runpy.run_path(str(file))
    assert len(shown) == 6
    for call, text in zip(shown[::2], shown[1::2], strict=True):
        exec(call, names)
        printed = capsys.readouterr().out
        assert [re.sub(r"[\d.]+ ms", "ms", t) for t in (printed.rstrip(), text.rstrip())] == [
            re.sub(r"[\d.]+ ms", "ms", text.rstrip())] * 2
