"""The mutation script: what it changes and what it leaves alone, and that it tells what is caught
from what is not."""

import ast

import numpy as np
import pytest
from house import python
from mutate.choose import Choice
from mutate.operators import mutants, mutants_of
from mutate.places import annotate, instrument
from mutate.probes import PROBE, Probes, alike, put_probes
from mutate.report import score, table
from mutate.survivors import EQUIVALENT
from mutate.targets import ROOT, targets

MODULE = '''
"""A module."""

def near(a, b):
    """Whether two lengths are."""
    if a is not b and not (a < 1):
        raise ValueError(f"{a + 1} and {b}")
    return any([a - b == 3 for _ in b])

def half(n: 2):
    """Half of it; None for anything else."""
    return n // 2 if n % 2 == 0 else None

RULE = rule("twice", x + x, y - x, on(real, "x"), exact, lambda: [1 + 2])
SAMPLES = {1: 2}
'''


def found(text=MODULE):
    return mutants("rules/m.py", ast.parse(text))


def test_each_operator_makes_its_mutants():
    made = {m.key.removeprefix("rules/m.py::") for m in found()}
    assert made >= {
        "near::answer::near -> True", "near::answer::near -> False", "half::answer::half -> None",
        "near::drop::a is not b and (not a < 1) -> without a is not b",
        "near::condition::a is not b and (not a < 1) -> True",
        "near::condition::not a < 1 -> a < 1", "near::compare::a < 1 -> a <= 1",
        "near::compare::a - b == 3 -> a - b != 3", "near::swap::a - b -> b - a",
        "near::quantifier::any([a - b == 3 for _ in b]) -> all",
        "near::arithmetic::a - b -> a + b", "near::constant::3 in a - b == 3 -> 4",
        "half::condition::n % 2 == 0 -> not n % 2 == 0", "half::swap::n // 2 -> 2 // n",
        "twice::where::on(real, 'x') -> None", "twice::swap::y - x -> x - y",
    }  # fmt: skip


def test_what_decides_nothing_is_left_alone():
    for m in found():
        assert "a + 1" not in m.before and "1 + 2" not in m.before and m.line != 16, m.key
    assert not found('def __repr__(self):\n    return "a" if self.a else "b"')
    assert not found("assert a < b\nx: 3")


def test_a_mutant_differs_in_one_place_and_compiles():
    plain = ast.dump(ast.parse(MODULE))
    for m in found():
        assert m.code() is not None, m.key
        assert ast.dump(m.tree) == plain, "the tree is as it was before"
    scope = {}
    plain = found(MODULE.partition("RULE")[0])
    exec(next(m for m in plain if m.key.endswith("n // 2 -> 2 // n")).code(), scope)
    assert scope["half"](6) == 0 and scope["half"](3) is None


def test_keys_do_not_depend_on_numbers_of_lines():
    assert [m.key for m in found("\n\n# more\n" + MODULE)] == [m.key for m in found()]
    twice = found("def f(a):\n    return a - a.b, a - a.b")
    assert [m.key.partition(" #")[2] for m in twice] == ["", "", "2", "2"]


def test_a_test_is_noted_where_it_comes():
    text = "def f(a):\n    if a:\n        return 1\n    return [g() for g in (lambda: a,)]"
    names, reached, scope = [], set(), {}

    def number(place):
        names.append(place)
        return len(names) - 1

    tree = instrument(ast.parse(text), "m.py", number)
    scope["__reach__"] = reached.add
    exec(compile(tree, "m.py", "exec"), scope)
    assert scope["f"](0) == [0] and [names[k] for k in sorted(reached)] == ["m.py::f::0",
                                                                            "m.py::f::2"]
    reached.clear()
    assert scope["f"](3) == 1 and [names[k] for k in sorted(reached)] == ["m.py::f::0",
                                                                          "m.py::f::1"]


def test_every_place_of_symgrad_has_one_name():
    for file in targets():
        places = [p for p, _ in annotate(ast.parse((ROOT / file).read_text()), file)]
        assert len(set(places)) == len(places)


PROBED = """
class Tree:
    def deep(self, n):
        return max([self.deep(m) for m in n], default=0) + 1

def near(a, b, seen):
    if a > 0 and b != 3:
        seen.append(a)
    return any([b - x == 1 for x in seen])

def steps(n):
    for k in range(n):
        if k % 2:
            yield k

def found(a):
    if (x := a.get("x")) and x > 1:
        return x
    return None
"""


def probed():
    """``told(call)``: what a call says of the functions of PROBED, and the mutants it tells."""
    keys, groups, tree = {}, [], ast.parse(PROBED)
    annotate(tree, "m.py")
    put_probes(tree, mutants_of("m.py", tree), lambda m: keys.setdefault(m.key, len(keys)), groups)
    probes, names = Probes(groups), list(keys)
    scope = {PROBE: probes}
    exec(compile(tree, "m.py", "exec"), scope)

    def told(call):
        probes.clear()
        value = call(scope)
        return value, {names[k].removeprefix("m.py::") for k in probes.told}

    return told


def test_a_test_tells_the_mutants_that_differ_where_they_are():
    told = probed()
    seen = []
    value, first = told(lambda s: s["near"](1, 3, seen))
    assert value is False and seen == []
    assert "near::drop::a > 0 and b != 3 -> without b != 3" in first
    assert "near::drop::a > 0 and b != 3 -> without a > 0" not in first, "it decides nothing"
    assert "near::condition::a > 0 and b != 3 -> True" in first
    assert "near::condition::a > 0 and b != 3 -> False" not in first
    assert "near::quantifier::any([b - x == 1 for x in seen]) -> all" in first, "all of nothing"
    assert "near::swap::b - x -> x - b" not in first, "there was none"
    value, second = told(lambda s: s["near"](2, 1, seen))
    assert seen == [2], "what has effects is done once"
    assert "near::swap::b - x -> x - b" in second and value is False
    assert "near::compare::a > 0 -> a >= 0" in told(lambda s: s["near"](0, 1, []))[1]


def test_probes_leave_methods_generators_and_walruses_as_they_are():
    told = probed()
    value, tree = told(lambda s: s["Tree"]().deep([[], [[]]]))
    assert value == 3
    assert {k for k in tree if "quantifier" in k} == {
        "Tree.deep::quantifier::max([self.deep(m) for m in n], default=0) -> min"}
    value, odd = told(lambda s: list(s["steps"](4)))
    assert value == [1, 3] and "steps::answer::steps -> nothing" in odd
    value, x = told(lambda s: s["found"]({"x": 2}))
    assert value == 2 and "found::answer::found -> None" in x
    assert "found::compare::x > 1 -> x >= 1" not in x
    assert "found::answer::found -> None" not in told(lambda s: s["found"]({"x": 1}))[1]


def test_what_is_alike():
    assert alike((1, [2.0], {"a": None}), (1, [2.0], {"a": None})) and alike(np.nan, float("nan"))
    assert not alike(1, True) and not alike([1], (1,)) and not alike(object(), object())
    assert alike(3, True, truth=True) and not alike({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_nearly_every_mutant_in_a_function_has_a_probe():
    keys, groups = {}, []
    found = []
    for file in targets():
        tree = ast.parse((ROOT / file).read_text())
        annotate(tree, file)
        of_file = mutants_of(file, tree)
        found += [m for m in of_file if m.scope != "<module>"]
        put_probes(tree, of_file, lambda m: keys.setdefault(m.key, len(keys)), groups)
    without = [m.key for m in found if m.key not in keys]
    assert len(without) < len(found) / 50, without


def test_the_tests_of_a_rule_come_first():
    places = {m.operator: m.place for m in found()}
    by_place = {m.place: m for m in found()}
    near = by_place["rules/m.py::near::0"]
    kept = {"tests/test_m.py": {"made": {}, "import": [], "told": "0", "known": 9, "tests": {
        "tests/test_m.py::test_slow": [9.0, ["rules/m.py::near::0"], "5"],
        "tests/test_m.py::test_wide": [0.1, ["rules/m.py::near::0", "rules/m.py::half::0"], "7"]}},
        "tests/test_rules.py": {"made": {}, "import": [], "told": "0", "known": 9, "tests": {
            "tests/test_rules.py::test_rule[a.twice]": [0.2, ["rule:twice"], "0"],
            "tests/test_rules.py::test_rule[a.near]": [0.2, ["rules/m.py::near::0",
                                                             "rule:twice"], "6"]}}}
    choice = Choice(kept, {"another": 0, near.key: 1, "one more": 2})
    assert places["where"] == "rule:twice"
    assert choice.telling(by_place["rule:twice"])[0].endswith("test_rule[a.twice]")
    assert [t.rpartition("::")[2] for t in choice.telling(near)] == [
        "test_rule[a.near]", "test_wide"], "not what comes there, but tells nothing"
    choice.numbers.clear()
    assert [t.rpartition("::")[2] for t in choice.telling(near)] == [
        "test_rule[a.near]", "test_slow", "test_wide"]
    assert choice.some(choice.telling(near), 2, 1.0)[0] == [
        "tests/test_rules.py::test_rule[a.near]", "tests/test_m.py::test_wide"]


def test_the_score_leaves_out_what_makes_no_difference():
    rows = [("a.py", "drop", "caught"), ("a.py", "drop", "caught"), ("b.py", "swap", "survived"),
            ("b.py", "swap", "equivalent"), ("b.py", "drop", "caught")]
    assert score(rows) == (3, 1, 1, 75.0)
    assert table(rows).splitlines()[1].split() == ["a.py", "2/2", ".", "2/2"]
    assert table(rows).splitlines()[-1].split() == ["all", "3/3", "0/1", "3/4"]


def test_every_explained_survivor_is_a_mutant():
    keys = {m.key for file in targets() for m in mutants(file)}
    assert not EQUIVALENT.keys() - keys, "no such mutants any more"
    assert all([why.strip() for why in EQUIVALENT.values()])


TRIAL = """
from tests.mutate import children, trial
from tests.mutate.choose import Choice
from tests.mutate.operators import mutants

children.prepare()
tests = {"tests/test_rules.py::test_rule[canonicalise.add_neg]": [0.1, ["rule:add_neg"], "0"]}
found = [m for m in mutants("rules/canonicalise.py") if m.rule in ("add_neg", "sub_neg")
         and m.operator == "swap"]
choice = Choice({"tests/test_rules.py": {"made": {}, "import": [], "told": "0", "known": 0,
                                         "tests": tests}}, {})
for v in trial.attempts(found, choice, 2):
    print(v.key.split("::")[1:], v.how, v.by)
found = [m for m in found if m.rule == "add_neg"]
for m in found:  # the same without its change
    m.new = m.parent.args[m.at]
print([v.how for v in trial.attempts(found, choice, 1)])
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="children are forked")
def test_a_trial_tells_caught_from_survived():
    lines = python(TRIAL).splitlines()
    test = "tests/test_rules.py::test_rule[canonicalise.add_neg]"
    assert lines == ["['sub_neg', 'swap', 'x - neg(y) -> neg(y) - x'] untold ",
                     f"['add_neg', 'swap', 'x - y -> y - x'] caught {test}", "['survived']"]
