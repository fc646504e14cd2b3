"""`sg.ablate`: what it measures and tells, its files, and that it changes nothing."""

import csv
import io
import json
import sys

import numpy as np
import pytest
from house import python

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.passes import PIPELINE, firings
from symgrad.errors import ArgumentError, MissingInputError, UnknownName
from symgrad.tools import ablate_report, ablate_truth
from symgrad.tools.ablate_run import variants
from symgrad.tools.ablate_stats import Spread, effect
from symgrad.tools.ablate_truth import distance, truth, worst

QUICK = {"rounds": 2, "compiles": 1}


def softplus():
    """A function with an update, whose value is infinite without one rule."""
    rng = np.random.default_rng(0)
    w = sg.shared(rng.normal(size=4), name="w")
    x = T.dmatrix("x")
    cost = T.log(1 + T.exp(T.dot(x, w))).sum()
    updates = [(w, w - 0.01 * sg.grad(cost, w))]
    return sg.function([x], cost, updates=updates, name="soft"), w


LARGE = np.full((3, 4), 900.0) * np.array([[1], [0.1], [-1]])


def builder():
    x = T.dvector("x")
    cost = T.log(1 + T.exp(x)).sum()
    return {"inputs": [x], "outputs": [cost, sg.grad(cost, x)]}, [np.array([-1.0, 1000.0])]


@pytest.fixture(scope="module")
def found():
    f, w = softplus()
    w.set_value(np.ones(4))
    return sg.ablate(f, [LARGE], only=["stabilise*", "fuse", "numpy", "python", "loops*"], **QUICK)


def test_a_row_for_each_variant(found):
    names = [row["name"] for row in found.rows]
    assert len(set(names)) == len(names)
    assert names[:2] == ["full", "full, again"]
    kinds = {row["name"]: row["kind"] for row in found.rows}
    assert kinds["-fuse"] == "pass" and kinds["-stabilise.softplus"] == "rule"
    assert kinds["numpy"] == "backend"
    for row in found.rows:
        if row["used"]:
            assert row["nodes"] > 0 and row["steps"] > 0 and row["memory"] > 0, row
            assert row["compile_ms"]["median"] > 0 and row["bytes"] > 0
        if row.get("ratio"):
            assert 0 < row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"]


def test_a_rule_that_never_fired_is_not_used(found):
    assert found.row("-stabilise.log_softmax")["effect"] == "not used here"
    assert not found.row("-loops")["used"]
    assert "not used here" in str(found)
    assert found.row("-stabilise")["used"]


def test_the_error_of_a_form_that_overflows():
    found = sg.ablate(builder, only="stabilise", **QUICK)
    assert found.row("full")["error"] < 1e-15
    assert found.row("-stabilise")["error"] == float("inf")


def test_a_builder_builds_gradients_with_the_passes_of_the_variant():
    def slope():
        request, values = builder()
        return request | {"outputs": request["outputs"][1]}, values

    built = sg.ablate(slope, only="stabilise", **QUICK).row("-stabilise")
    request, values = slope()
    given = sg.ablate(sg.function(**request), values, only="stabilise", **QUICK).row("-stabilise")
    assert built["error"] == np.inf and not given["used"]


def test_nothing_is_changed():
    f, w = softplus()
    x = np.random.default_rng(1).normal(size=(3, 4))
    before, array = x.copy(), w.get_value()
    first = w.get_value(borrow=True)
    sg.ablate(f, [x], only=["inplace", "numpy"], **QUICK)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(w.get_value(), array)
    assert w.get_value(borrow=True) is first
    want = np.log1p(np.exp(x @ array)).sum()
    np.testing.assert_allclose(f(x), want)


def test_a_double_among_the_shared_stays_one():
    with sg.options(floatX="float32"):
        s = sg.shared(np.array(0.1), name="s")
        f = sg.function([], s * 3, updates=[(s, s + 1)])
        found = sg.ablate(f, only=["fuse", "numpy"], **QUICK)
    assert found.row("full")["error"] < 1e-15
    assert s.get_value() == 0.1


def test_default_updates_and_draws_begin_with_the_same_state():
    stream = sg.random.RandomStreams(seed=3)
    u = stream.uniform((50,))
    f = sg.function([], (u * 2).sum())
    states = [s.get_value() for s in f.get_shared()]
    found = sg.ablate(f, only=["fuse", "numpy"], **QUICK)
    assert all(row["error"] < 1e-14 for row in found.rows if row["used"])
    for s, value in zip(f.get_shared(), states, strict=True):
        np.testing.assert_array_equal(s.get_value(), value)


def test_loops_are_counted_and_their_rules_found():
    x = T.dmatrix("x")
    a = T.dvector("a")
    total, _ = sg.scan(lambda row, s, a: s + row * T.exp(a) * 1.0, x, T.zeros(3), [a])
    f = sg.function([x, a], total[-1])
    found = sg.ablate(f, [np.ones((20, 3)), np.ones(3)], only=["loops*", "numpy"], **QUICK)
    assert found.row("-loops")["used"]
    assert any(r["used"] for r in found.rows if r["name"].startswith("-loops."))
    assert found.row("full")["bytes"] > 20 * 3 * 8
    assert found.row("full")["error"] < 1e-14


def test_a_variant_that_fails_is_a_row_and_no_end(monkeypatch):
    from symgrad.compile.backends import numpy as backend

    f, _ = softplus()

    def broken(plan, selection=None):
        raise RuntimeError("out of order\nand more")

    monkeypatch.setattr(backend, "compile", broken)
    found = sg.ablate(f, [LARGE / 900], only=["numpy", "fuse"], **QUICK)
    assert found.row("numpy")["effect"] == "failed"
    assert found.row("numpy")["why"] == "RuntimeError: out of order"
    assert "failed: RuntimeError" in str(found)
    assert "ms" in found.row("-fuse") or found.row("-fuse")["same"]


# -- files


def test_json_has_rows_and_the_machine(found, tmp_path):
    path = found.save(tmp_path / "a.json")
    told = json.loads(path.read_text())
    assert len(told["rows"]) == len(found.rows)
    assert {"processor", "date", "versions", "rounds"} <= set(told["machine"])
    assert told["machine"]["versions"]["numpy"] == np.__version__
    again = ablate_report.read(path)
    assert again.rows == found.rows and str(again) == str(found)


def test_an_infinite_error_goes_through_json(tmp_path):
    found = sg.ablate(builder, only="stabilise", **QUICK)
    path = found.save(tmp_path / "a.json")
    assert "Infinity" not in path.read_text()
    assert ablate_report.read(path).row("-stabilise")["error"] == float("inf")


def test_csv_has_a_line_for_each_row(found):
    lines = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [line["name"] for line in lines] == [row["name"] for row in found.rows]
    assert float(lines[0]["ms.median"]) == found.rows[0]["ms"]["median"]


def test_the_page_needs_nothing_else(found):
    text = found.to_html()
    assert "http" not in text and "src=" not in text
    assert all(row["name"] in text for row in found.rows)
    assert text.count("<tr") == len(found.rows) + 1


def test_the_picture(found, tmp_path):
    pytest.importorskip("matplotlib")
    path = found.save(tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    rows = [row | {"function": f"f{k}"} for k in range(6) for row in found.rows]
    grid = ablate_report.Ablation(rows, found.machine).save(tmp_path / "b.png")
    assert grid.read_bytes().startswith(b"\x89PNG")


def test_another_ending_is_refused(found, tmp_path):
    with pytest.raises(ArgumentError, match=r"'.*a.doc' must end in one of .json"):
        found.save(tmp_path / "a.doc")


# -- comparison


def changed(found, name, **values):
    rows = [row | values if row["name"] == name else row for row in found.rows]
    return ablate_report.Ablation(rows, found.machine)


def test_nothing_is_worse_than_itself(found):
    assert changed(found, "").compare(found) == []


@pytest.mark.parametrize("values, text", [
    ({"nodes": 99}, "full: nodes 99, before"),
    ({"memory": 10**9}, "full: memory 1,000,000,000, before"),
    ({"error": 0.5}, r"full: error 5.0e-01, before"),
    ({"ms": {"low": 9e3, "median": 9e3, "high": 9e3}}, "full: a call takes 9000 ms"),
])  # fmt: skip
def test_what_is_worse_is_told(found, values, text):
    worse = changed(found, "full", **values)
    sentences = worse.compare(found)
    assert len(sentences) == 1 and text in sentences[0]
    assert sentences[0] in str(worse) and sentences[0] in worse.to_html()


def test_a_rule_whose_use_has_gone_is_told(found, tmp_path):
    useful = {"effect": "slower", "ratio": {"low": 1.4, "median": 1.5, "high": 1.6}}
    before = changed(found, "-fuse", **useful)
    path = before.save(tmp_path / "before.json")
    now = changed(found, "-fuse", effect="no effect seen")
    assert now.compare(path) == [
        "soft, -fuse: leaving it out took 1.50 times as long, now it has no effect that is seen"]
    assert changed(found, "-fuse", **useful).compare(path) == []


def test_a_file_that_is_no_report(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1]")
    with pytest.raises(ArgumentError, match="is no report of symgrad ablate"):
        ablate_report.read(path)
    path.write_text("{")
    with pytest.raises(ArgumentError, match="is no report: "):
        ablate_report.read(path)
    with pytest.raises(ArgumentError, match=r"cannot read .*b\.json: No such file"):
        ablate_report.read(tmp_path / "b.json")


# -- messages


def test_inputs_that_are_not_given():
    f, _ = softplus()
    with pytest.raises(ArgumentError, match="soft: missing argument 0, x"):
        sg.ablate(f)
    with pytest.raises(ArgumentError, match="takes 1 argument, got 2"):
        sg.ablate(f, [LARGE, LARGE])
    with pytest.raises(ArgumentError, match="unknown keyword 'z'"):
        sg.ablate(f, {"z": LARGE})


@pytest.mark.parametrize("f, text", [
    (3, "wants a compiled function, or a function that builds"),
    (lambda: 4, "a builder must return"),
    (lambda: ({"inputs": [], "outputs": T.constant(1.0), "backend": "numpy"}, []),
     "says backend=, which is for ablate to choose"),
])  # fmt: skip
def test_what_cannot_be_ablated(f, text):
    with pytest.raises(ArgumentError, match=text):
        sg.ablate(f)


def test_a_builder_that_forgets_an_input():
    def build():
        return {"inputs": [], "outputs": T.dvector("x").sum()}, []

    with pytest.raises(MissingInputError, match="x"):
        sg.ablate(build)


def test_a_pattern_that_matches_nothing():
    f, _ = softplus()
    with pytest.raises(UnknownName, match="nothing is called 'stabilize': did you mean stabil"):
        sg.ablate(f, [LARGE], only="stabilize")


@pytest.mark.parametrize("options", [{"rounds": 0}, {"rounds": 2.5}, {"compiles": True}])
def test_counts_are_positive(options):
    f, _ = softplus()
    with pytest.raises(ArgumentError, match="must be a positive whole number"):
        sg.ablate(f, [LARGE], **options)


# -- its parts


def test_variants_are_all_that_can_be_left_out():
    names = {v.name for v in variants("llvm")}
    for p in PIPELINE:
        assert p.required or f"-{p.name}" in names
    assert {"-canonicalise -tidy", "-collect -regroup", "none", "numpy", "python"} <= names
    one = next(v for v in variants("llvm") if v.name == "-canonicalise.fold")
    assert one.passes == "-canonicalise.fold -tidy.fold"
    sign = next(v for v in variants("llvm") if v.name == "-canonicalise.neg_over")
    assert sign.rules == tuple([f"{p.name}.neg_over" for p in PIPELINE
                                if p.rules and "neg_over" in [r.name for r in p.rules.rules]])
    assert len(sign.rules) == 6 and "-stabilise.neg_over" not in names


def test_firings_are_also_those_of_gradients_and_bodies():
    x = T.dvector("x")
    with firings() as fired:
        cost = T.log(1 + T.exp(x)).sum()
        sg.grad(cost, x)
    assert fired["stabilise.softplus"] == 1
    with firings() as fired:
        out, _ = sg.scan(lambda v: T.log(1 + T.exp(v)), x)
        sg.function([x], out)
    assert "stabilise.softplus" in fired


def test_the_interval_of_a_median():
    assert Spread.of([5.0]) == (5.0, 5.0, 5.0)
    assert Spread.of(range(8)) == (0, 3.5, 7)  # 1 - 2 / 2**8 is 99.2 %
    assert Spread.of(range(15)) == (2, 7, 12)
    assert Spread.of([1, 2, 3]).size == pytest.approx(np.log(2))


def test_an_effect_is_beyond_doubt_or_none():
    assert effect(Spread(1.05, 1.1, 1.2), 0.02, 15) == "slower"
    assert effect(Spread(1.05, 1.1, 1.2), 0.06, 15) == "no effect seen"
    assert effect(Spread(0.98, 1.1, 1.2), 0.0, 15) == "no effect seen"
    assert effect(Spread(0.5, 0.6, 0.7), 0.02, 15) == "faster"
    assert effect(Spread(1.2, 1.3, 1.4), 0.0, 3) == "no effect seen"  # three rounds prove little
    assert effect(Spread(50.0, 60.0, 70.0), 0.0, 1) == "slower"


def test_the_truth_has_more_digits():
    x = T.fvector("x")
    total, = truth([x.sum()], {x: np.array([1e8, 1.0, -1e8], "float32")})
    assert total == 1 and total.dtype == np.longdouble
    low, = truth([T.cast(x, "float16")], {x: np.array([1.0001], "float32")})
    assert low.dtype == np.longdouble and low[0] != 1


def test_the_truth_of_loops_and_conditions():
    x, n = T.dvector("x"), T.lscalar("n")
    powers, _ = sg.scan(lambda s, v: s * v, None, T.ones_like(x), [x], n_steps=n)
    side = sg.ifelse(n > 2, powers[-1], T.log(-x))
    solved = T.nnet.softmax(x)
    values = {x: np.array([1.5, 2.0]), n: np.int64(3)}
    have = truth([side, solved], values)
    want = [v.eval(dict(list(values.items())[:k])) for v, k in ((side, 2), (solved, 1))]
    for a, b in zip(have, want, strict=True):
        assert a.dtype == np.longdouble
        np.testing.assert_allclose(a.astype("float64"), b, rtol=1e-15)


def test_an_op_that_knows_no_long_doubles_is_run_in_double(monkeypatch):
    def picky(node, arrays):
        if any(a.dtype == np.longdouble for a in arrays):
            raise TypeError("array type float128 is unsupported")
        return apply(node, arrays)

    apply = ablate_truth.apply
    monkeypatch.setattr(ablate_truth, "apply", picky)
    x = T.dvector("x")
    have, = truth([T.exp(x)], {x: np.ones(1)})
    assert have.dtype == np.longdouble and have[0] == np.exp(1.0)


def test_distances():
    assert distance(np.array([1.0, np.inf]), np.array([1.0, np.inf])) == 0
    assert distance(np.array([1.0, np.inf]), np.array([1.0, 2.0])) == np.inf
    assert distance(np.array([np.nan]), np.array([np.nan])) == 0
    assert distance(np.zeros(2), np.zeros(3)) == np.inf
    assert distance(np.array([], "float32"), np.array([])) == 0
    assert distance(np.array([3 + 4j]), np.array([3 + 4j])) == 0
    assert distance(np.array([True]), np.array([False])) == 1
    error, name, ulps = worst(["a", "b"], [np.ones(2, "float32"), np.array([1.5])],
                              [np.ones(2), np.array([1.0])])
    assert (error, name, ulps) == (0.5, "b", 0.5 / np.finfo("float64").eps)


LIMITED = """
import resource
import numpy as np
import symgrad as sg
import symgrad.tensor as T

resource.setrlimit(resource.RLIMIT_CPU, (500, 500))
x = T.dvector("x")
f = sg.function([x], T.log(1 + T.exp(x)), backend="numpy")
found = sg.ablate(f, [np.ones(3)], only=["stabilise"], rounds=2, compiles=1)
print([r["effect"] in ("", "noise", "slower", "faster", "no effect seen") for r in found.rows])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_under_a_limit_of_seconds_the_clock_of_the_wall_is_read():
    """A process's own clock only ticks there."""
    assert python(LIMITED) == "[True, True, True]\n"
