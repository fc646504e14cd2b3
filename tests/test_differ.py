"""Random programs, and the examples, compute the same with each rule and each pass off, on each
backend and uncompiled; and rules that are broken on purpose are found.  See docs/differ.md."""

import os
from pathlib import Path

import pytest
from differ.check import check, firing
from differ.drawn import drawn
from differ.minimise import Minimiser, guarded, written
from differ.runner import Summary, outcome_of
from differ.taken import taken

import symgrad.tensor as T
from symgrad.compile import rewrite

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*/*.py"))
QUICK = ("gradient_descent", "hmc")  # examples that take a second or two


def agreed(seeds):
    """Runs the programs of some seeds; a failure names a test that was written for it."""
    summary = Summary()
    for seed in seeds:
        summary.add(seed, outcome_of(seed))
    told(summary.findings, lambda seed: drawn(seed))


def told(findings, program_of):
    lines, seen = [], set()
    for seed, finding in findings:
        lines.append(f"{program_of(seed).title}: {finding}")
        if seed not in seen and len(seen) < 3 and finding.kind != "draw":
            seen.add(seed)
            lines.append(f"  a small test that fails so: {written(program_of(seed), finding)}")
    assert not findings, "\n".join(lines)


@pytest.mark.parametrize("block", range(4))
def test_random_programs(block):
    agreed(range(8 * block, 8 * block + 8))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(12))
def test_more_random_programs(block):
    agreed(range(32 + block, 300, 12))


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(200))
def test_ten_thousand_random_programs(block):
    agreed(range(50 * block, 50 * block + 50))


@pytest.mark.parametrize("script", [
    pytest.param(s, marks=[] if s.stem in QUICK else pytest.mark.slow) for s in EXAMPLES],
    ids=lambda path: path.stem)
def test_example(script, tmp_path):
    """Every function that it called: its last arguments, in two calls."""
    found = []
    for f in taken(script, tmp_path):
        outcome = check(f, len(f.title), cheap=("numpy",), many=(1000, 1000))
        assert outcome.variants > 10 and outcome.comparisons >= 2 * outcome.variants
        found += [f"{f.title}: {finding}" for finding in outcome.findings]
    assert not found, "\n".join(found)


# -- rules that are broken on purpose


def twice(new):
    return new * 2


def single(new):
    return T.cast(T.cast(new, "float32"), new.type.dtype)


def nudged(new):
    """Wrong by a few times ten units in the last place."""
    return new * (1 + 1e-13) if new.type.dtype == "float64" else new


def turned(new):
    return new[::-1] if new.type.ndim else -new


BROKEN = [("mul_1", nudged), ("pow_two", twice), ("one_minus_sigmoid", turned),
          ("over_constant", single)]


@pytest.fixture(params=BROKEN, ids=lambda b: f"{b[0]}-{b[1].__name__}")
def broken(request, monkeypatch):
    """The name of a rule that makes something else than it should."""
    name, change = request.param
    sound = rewrite.attempt

    def attempt(rule, node, pool):
        new = sound(rule, node, pool)
        if new is None or rule.name != name or not new.type.dtype.startswith("float"):
            return new
        return pool.intern([change(new)], node.origin)[0]

    monkeypatch.setattr(rewrite, "attempt", attempt)
    return name


def test_a_broken_rule_is_found_and_its_program_made_small(broken):
    for seed in range(200):
        program = drawn(seed)
        if not any([rule.endswith(f".{broken}") for rule in firing(program)[1]]):
            continue
        findings = check(program, seed, only=("numpy",)).findings
        if findings:
            break
    else:
        pytest.fail(f"no program shows that {broken} is broken")
    small = Minimiser(program, findings[0]).run()
    assert len(small.lines) <= 6, small.text()
    assert len(small.outputs) + len(small.updates) == 1
    assert check(small, seed, only=("numpy",)).findings


def test_a_process_that_dies_or_raises_is_told_from_one_that_answers():
    def dies():
        os._exit(1)

    assert guarded(dies) == "crash"
    assert guarded(lambda: 1 / 0) is None
    assert guarded(lambda: "fine") == "fine"
