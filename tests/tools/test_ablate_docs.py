"""`python benchmarks/run.py ablation`: the tables of docs/ablation.md."""

import json
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def row(function, name, kind, **given):
    whole = {"low": 1.0, "median": 1.0, "high": 1.0}
    plain = {"used": True, "effect": "no effect seen", "ms": whole, "ratio": whole, "error": 1e-7,
             "bytes": 10, "memory": 10, "steps": 2, "kernels": 1, "compile_effect": ""}
    return {"function": function, "name": name, "kind": kind} | plain | given


def slower(factor):
    return {"effect": "slower", "ratio": {"low": factor, "median": factor, "high": factor}}


def report():
    rows = []
    for model in ("mlp", "lstm", "vae"):
        rows += [row(model, "full", "full"), row(model, "full, again", "again", noise=1.02),
                 row(model, "none", "all", **slower(3.0), error="inf"),
                 row(model, "-fuse", "pass", **slower(2.0), bytes=20),
                 row(model, "-stabilise.a", "rule", error="inf" if model == "vae" else 1e-7),
                 row(model, "-shapes.b", "rule"),
                 row(model, "-shapes.c", "rule", effect="same program"),
                 row(model, "-loops.d", "rule", **slower(1.5)),
                 row(model, "-loops.e", "rule", used=False)]
    machine = {"date": "2026-01-02 03:04", "processor": "P", "load": 1.0, "rounds": 15,
               "versions": {"numpy": "2"}}
    return {"rows": rows, "machine": machine}


@pytest.fixture
def ablation(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return import_module("ablation")


def test_the_tables(ablation):
    text = ablation.section(report())
    assert "| mlp | 1,000 us | ±2.0 % | **3.00x** | **2.00x** | – | – | 1e-07 | inf |" in text
    assert "| `-fuse` | 3 | 3 |  | 2.00x | **2.00x** mlp | 0, 0 | 3 |  |" in text
    assert "| `-loops.d` | 3 | 3 |  | 1.50x |" in text
    assert "| `-shapes.b`" not in text  # nothing is seen of it
    assert "no right digit: `-stabilise.a` (vae)." in text
    assert "models): `-loops.d`." in text
    assert "steps, kernels and error: `shapes.b`.\n" in text
    assert "always the same without:** `shapes.c` (" in text


def test_they_are_written_between_markers(ablation, tmp_path, capsys):
    file, page = tmp_path / "a.json", tmp_path / "page.md"
    file.write_text(json.dumps(report()))
    words = [f"--from={file}", f"--page={page}"]
    page.write_text("no marks\n")
    assert ablation.main(words) == 1
    assert "needs the lines <!-- ablation: begin -->" in capsys.readouterr().out
    page.write_text("head\n<!-- ablation: begin -->\nold\n<!-- ablation: end -->\ntail\n")
    assert ablation.main(words) == 0
    text = page.read_text()
    assert text.startswith("head\n") and text.endswith("tail\n") and "old" not in text
    assert "| vae |" in text


def test_the_page_has_the_markers(ablation):
    text = (ROOT / "docs" / "ablation.md").read_text()
    assert text.count(ablation.BEGIN) == text.count(ablation.END) == 1
