"""The benchmark beside the peers: its works are right, and its tables say who is faster."""

import ast
import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import house
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
MODULES = ("compare footprint frameworks memory readme rounds table with_numpy with_symgrad worker "
           "works").split()
QUICK = ["sgd", "sgd-vector", "logistic-20", "mlp-20", "recurrence", "steps", "call"]


@pytest.fixture
def peers(monkeypatch):
    """The benchmark's modules."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return SimpleNamespace(**{name: import_module(f"peers.{name}") for name in MODULES})


@pytest.mark.parametrize("name", QUICK)
def test_symgrad_and_numpy_by_hand_agree(peers, name):
    work = peers.works.BY_NAME[name]
    ours, hand = (peers.worker.begin(work, m)[3] for m in (peers.with_symgrad, peers.with_numpy))
    told = peers.rounds.Measured()
    peers.rounds.compare({"numpy": hand, "symgrad": ours}, told)
    assert len(ours) == work.checked and not told.notes


def test_gradients_by_hand_are_right(peers):
    """Of the chain, in several blocks, and of the layers."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 40_000), dtype=np.float32)
    for model, args in (("chain", (x, y)), ("chain_gradients", (x, y))):
        ours, hand = (getattr(m, model)(len(x))(*args)
                      for m in (peers.with_symgrad, peers.with_numpy))
        for a, b in zip(ours, hand, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    start = [rng.standard_normal((8, 8), np.float32), np.zeros(8, np.float32)] * 3
    batch = rng.standard_normal((2, 4, 8), dtype=np.float32)
    steps = [m.layers(4, *map(np.copy, start)) for m in (peers.with_symgrad, peers.with_numpy)]
    for _ in range(5):
        np.testing.assert_allclose(steps[0](*batch), steps[1](*batch), rtol=1e-5)


def test_an_lstm_by_hand_is_right(peers):
    """Its losses after updates of all parameters, also of more steps than before."""
    rng = np.random.default_rng(4)
    start = [rng.standard_normal(shape, np.float32) / 2
             for shape in [(3, 20), (5, 20), 20, (5, 4), 4]]
    ours, hand = (m.lstm(6, *map(np.copy, start)) for m in (peers.with_symgrad, peers.with_numpy))
    for steps in (7, 7, 9, 7, 1):
        batch = rng.standard_normal((steps, 6, 3), np.float32), rng.integers(0, 4, 6)
        np.testing.assert_allclose(ours(*batch), hand(*batch), rtol=1e-5)


def test_loops_are_those_in_python(peers):
    loops = import_module("works.loops")
    for work in loops.WORKS:
        if isinstance(work, loops.Steps):
            work.begin()        # raises where the two sides differ


def test_other_numbers_are_noticed(peers):
    told = peers.rounds.Measured()
    peers.rounds.compare({"numpy": [[[1.0]]], "jax": [[[1.000001]]], "torch": [[[1.0001]]]}, told)
    assert told.wrong == ["torch"] and "1.0001" in told.notes["torch"]


def test_each_framework_spells_models_that_exist(peers):
    models = {work.model for work in peers.works.WORKS if not work.fresh}
    for framework in peers.frameworks.FRAMEWORKS:
        tree = ast.parse(peers.rounds.source(framework))
        taking_size = {f.name for f in tree.body if isinstance(f, ast.FunctionDef)
                       and [a.arg for a in f.args.args[:1]] == ["size"]}
        assert taking_size <= models and {"logistic", "mlp", "layers"} <= taking_size


def test_the_best_peer_and_the_readme(peers):
    work = peers.works.BY_NAME["logistic-20"]
    seconds = {"symgrad": [2e-5, 2e-5], "numpy": [3e-5, 3e-5], "jax": [1e-5, 1e-5]}
    row = peers.table.row(work, peers.rounds.Measured(seconds, {"torch": "not installed"}))
    assert row["best"] == "jax" and row["times_as_fast"]["median"] == pytest.approx(0.5)
    assert "0.50x (0.50..0.50) of 2x MISSED" in peers.table.beside(row)
    facts = {"processor": "P", "date": "2026-01-02 03:04", "python": "3", "versions": {"jax": "1"}}
    titles = {"symgrad": "symgrad", "numpy": "by hand", "jax": "JAX", "torch": "torch"}
    text = peers.readme.section({"machine": facts, "frameworks": titles, "works": [row]})
    assert "| 20 us | 30 us | **10 us** | – |" in text
    assert f"* {work.title}: JAX 2.00" in text


def test_works_are_measured_again(peers, tmp_path):
    """New rows take the old ones' places; another machine's are not mixed with them."""
    facts = dict(processor="P", python="3", clock="cpu", versions={}, backend="auto")
    rows = [{"name": name, "unit": "us", "figures": {}, "from": 1} for name in ("sgd", "call")]
    peers.compare.save(tmp_path, facts, [], rows)
    earlier = peers.compare.before(tmp_path, facts, True)
    new = [{"name": name, "from": 2} for name in ("call", "lstm")]
    told = [(row["name"], row["from"]) for row in peers.compare.merged(earlier, new)]
    assert told == [("sgd", 1), ("lstm", 2), ("call", 2)]
    with pytest.raises(SystemExit, match="another processor: P"):
        peers.compare.before(tmp_path, facts | {"processor": "Q"}, True)


# -- memory


CALL = """
    import sys
    sys.path.insert(0, sys.argv[1])
    import numpy as np
    from peers import footprint
    kept, size = np.ones(3_000_000, np.uint8), 2_000_000

    def call(x):
        kept[:] += x
        for _ in range(3):
            x = np.full(size, 2, np.uint8)      # two at once, when the next is made
        return float(x[0])

    for known in (0, 0, 0, kept.nbytes):
        print(footprint.one_call(call, (np.uint8(1),), lambda _: None, known))
"""


def test_memory_of_a_call_is_what_it_keeps_and_what_comes_and_goes(peers):
    if not peers.memory.resident.able():
        pytest.skip("the kernel does not tell")
    told = house.python(CALL, str(BENCHMARKS), **peers.memory.LET_GO)
    *whole, less = map(int, told.split())
    assert np.median(whole) == pytest.approx(7_000_000, rel=0.1)
    assert less == pytest.approx(4_000_000, rel=0.2), "less what is known"


def test_memory_of_symgrad_is_foretold(peers, tmp_path):
    """In a process of its own, as the suite measures it."""
    if not peers.memory.resident.able():
        pytest.skip("the kernel does not tell")
    work, ours = peers.works.BY_NAME["chain"], peers.frameworks.BY_NAME["symgrad"]
    options = SimpleNamespace(patience=300)
    told = peers.memory.measure(work, [ours], str(tmp_path), options)["figures"]["symgrad"]
    assert told["predicted"] >= 16 and told["median"] == pytest.approx(told["predicted"], rel=0.1)


def memory_row(**figures):
    return {"name": "mlp", "title": "a | b", "unit": "MB", "fresh": False, "notes": {},
            "figures": {n: {"low": v, "median": v, "high": v} for n, v in figures.items()}}


def test_who_takes_least(peers):
    row = memory_row(symgrad=4.0, numpy=2.0, jax=6.0, **{"symgrad-numpy": 1.5})
    assert peers.memory.least(row) == "numpy" and peers.memory.better(row) == {"numpy": 2.0}
    nothing = memory_row(symgrad=0.2, numpy=0.1, jax=6.0)
    assert peers.memory.least(nothing) is None and not peers.memory.better(nothing)
    assert peers.memory.least(memory_row(symgrad=0.2, numpy=2.0)) == "symgrad"
    titles = {"symgrad": "symgrad", "symgrad-numpy": "its numpy", "numpy": "by hand", "torch": "t"}
    told = {"frameworks": titles, "works": [row], "machine": {"processor": "P", "date": "2026-1-2"}}
    text = peers.memory.section(told)
    assert "| a &#124; b | 4 | **2** | – |" in text and "* a | b: by hand 2" in text
    row["figures"]["symgrad"]["predicted"] = 3.9
    assert peers.memory.cell(row, "symgrad") == "4 (3.9)"
    assert peers.memory.cell(nothing, "numpy") == "< 1"


def test_columns_are_measured_again(peers):
    old = memory_row(symgrad=4.0, numpy=2.0) | {"notes": {"jax": "not ready"}}
    new = memory_row(symgrad=3.0, jax=5.0)
    merged = peers.memory.added(new, [old])
    assert {n: f["median"] for n, f in merged["figures"].items()} == {
        "symgrad": 3.0, "numpy": 2.0, "jax": 5.0}
    assert merged["notes"] == {}


def test_both_tables_go_into_the_readme(peers, tmp_path, capsys):
    facts = {"processor": "P", "date": "2026-01-02", "python": "3", "versions": {}}
    told = {"machine": facts, "frameworks": {"symgrad": "symgrad"}, "works": []}
    for name in ("peers", "memory"):
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    page, words = tmp_path / "README.md", ["--file", str(tmp_path / "README.md"), "--results",
                                           str(tmp_path)]
    page.write_text("".join(f"<!-- {n}: begin -->\nold\n<!-- {n}: end -->\n"
                            for n in ("peers", "memory")))
    assert peers.readme.main(words) == 0
    assert "\nold\n" not in page.read_text() and page.read_text().count("No peer") == 2
    page.write_text("<!-- peers: begin -->\n<!-- peers: end -->\n")
    assert peers.readme.main(words) == 1 and "memory: begin" in capsys.readouterr().out
