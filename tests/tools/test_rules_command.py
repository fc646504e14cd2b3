"""`symgrad rules` lists every rule."""

import pytest

from symgrad.compile.passes import PIPELINE
from symgrad.compile.pattern import KINDS, holes
from symgrad.ops.math import add, exp, log
from symgrad.ops.reduce import sum_
from symgrad.tools import rules
from symgrad.tools.cli import main

x, a = holes("x a")


def test_all_passes_and_rules_are_listed(capsys):
    assert main(["rules"]) == 0
    out = capsys.readouterr().out
    for p in PIPELINE:
        assert f"{p.name}: {p.doc}" in out
        for name, _ in rules.members(p):
            assert f"  {name} " in out
    assert "  the rules of canonicalise" in out


def test_one_pass_or_one_rule(capsys):
    assert main(["rules", "stabilise"]) == 0
    out = capsys.readouterr().out
    assert "log(softmax(x, axis=a)) becomes log_softmax(x, axis=a)" in out
    assert "where real(x)" in out and "canonicalise:" not in out
    assert main(["rules", "log_softmax"]) == 0
    out = capsys.readouterr().out
    assert out.count("becomes") == 1 and "stable" in out
    assert main(["rules", "log_softmacks"]) == 1
    assert "did you mean log_softmax" in capsys.readouterr().err


@pytest.mark.parametrize("p", [p for p in PIPELINE if p.rules or p.run], ids=lambda p: p.name)
def test_every_rule_has_words(p):
    for name, rule in rules.members(p):
        assert rules.meaning(p, rule), f"{p.name}.{name} says nothing of itself"
        assert (rule.kind if hasattr(rule, "kind") else p.kinds[rule]) in KINDS


def test_patterns_as_text():
    assert rules.text(log(1 + x)) == "log(1 + x)"
    assert rules.text(add.of(x, exp(x)) * 2) == "(x + exp(x)) * 2"
    assert rules.text(sum_.of(x, axis=a)) == "sum(x, axis=a)"


def test_the_text_of_a_condition():
    assert rules.condition(lambda m: m.x is m.node) == "m.x is m.node"
    both = (lambda m: m.x, lambda m: m.y)
    assert [rules.body(f) for f in both] == ["m.x", "m.y"]
    assert rules.body(test_patterns_as_text) == "test_patterns_as_text(…)"
