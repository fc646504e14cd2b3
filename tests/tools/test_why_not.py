"""``f.why_not(rule)``: the condition that failed, at the node where the rule came nearest."""

import sys

import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile import passes
from symgrad.compile.passes import PIPELINE
from symgrad.compile.pattern import rounding, rule_on, ruleset
from symgrad.errors import UnknownName
from symgrad.ops.trig import tanh
from symgrad.tools import why_not as tool


@pytest.fixture
def x():
    return T.dmatrix("x")


def asked(inputs, output, rule, line=None, **options):
    return sg.function(inputs, output, **options).why_not(rule, line)


def test_the_op_that_stopped_the_pattern(x):
    verdict = asked([x], T.log(T.nnet.softmax(x) + 1e-9), "log_softmax")
    assert not verdict.fired
    text = str(verdict)
    assert "1 of 2 ops matched; then softmax was wanted, and there is add" in text
    assert "nearest at log(softmax(x, axis=(1,)) + 1e-09)" in text
    assert "test_why_not.py" in text


def test_the_constant_that_stopped_it(x):
    assert "the constant 1 was wanted, and there is 2.0" in str(
        asked([x], T.log(2 + T.sqr(x)), "log1p"))


def test_the_attribute_that_stopped_it(x):
    wrong = T.log_softmax(x - T.max(x, axis=0, keepdims=True))
    text = str(asked([x], wrong, "log_softmax_shift"))
    assert "a would have to be both axis=(1,) and axes=(0,)" in text or "axis=(0,)" in text


def test_the_part_of_the_condition_that_failed():
    z = T.zmatrix("z")
    text = str(asked([z], T.log(1 + T.exp(z)), "softplus"))
    assert "the pattern matched; then its condition failed: real(x), where x is z of type c128" in (
        text)
    x = T.scalar("x", dtype="bool")
    text = str(asked([x], T.mul(x, x), "square"))
    assert "condition failed: m.x.type.dtype != 'bool', where" in text


def test_the_line_of_a_function_that_gave_up(x):
    text = str(asked([x], T.log(T.tanh(x)[1:]), "log_of_part"))
    assert "it declined, at the line" in text and "n.op is not softmax" in text


def test_a_rule_that_comes_before(x):
    text = str(asked([x], T.sum(T.sum(x, axis=0), axis=0), "fold_of_stretched"))
    assert "the rule fold_of_fold, which comes before it, took the node" in text


def test_a_pass_that_comes_before(x):
    """Its pattern was in the expression as written."""
    verdict = asked([x], T.log(1 - (-x)), "log1p_minus")
    assert not verdict.fired
    assert "canonicalise.sub_neg, which comes before it, changed 1.0 - (-x) to" in str(verdict)


def test_rules_that_are_switched_off(x):
    y = T.log(T.nnet.softmax(x))
    for word, says in (("-stabilise", "the pass stabilise is left out"),
                       ("-stabilise.log_softmax", "passes='-stabilise.log_softmax'")):
        assert f"switched off: {says}" in str(asked([x], y, "log_softmax", passes=word))
    assert "passes='+assumes' admits it" in str(asked([x], x / x, "cancel"))
    assert asked([x], x / x, "cancel", passes="+assumes").fired
    folded = T.sum(T.sum(x, axis=0), axis=0)
    assert "passes='exact' leaves out" in str(asked([x], folded, "fold_of_fold", passes="exact"))


def test_a_line_may_be_given(x):
    def mark(y):
        return y, y.origin

    one, (_, here) = mark(T.log(T.nnet.softmax(x) * 2))
    two, (file, there) = mark(T.log(T.nnet.softmax(x)))
    f = sg.function([x], [one, two])
    assert not f.why_not("log_softmax", line=here).fired
    assert f.why_not("log_softmax", line=there).fired
    assert f.why_not("log_softmax", line=f"test_why_not.py:{there}").fired
    assert f.why_not("stabilise.log_softmax").fired
    text = str(f.why_not("log_softmax", line=f"other.py:{there}"))
    assert "nothing of this line is in the graph" in text
    assert "it looks at log1p, and there is none at this line" in str(f.why_not("softplus", here))


def test_forms_of_whole_graph_passes_say_where_they_gave_up(x):
    y, z = T.dmatrices("y", "z")
    f = sg.function([x], x * 2.0 + x * 3.0)
    assert f.why_not("merge_terms").fired
    assert "found nothing in the graph" in str(f.why_not("trim"))
    product = T.dot(x, y)
    for output, form, words in (
            (T.tanh(z) + product, "gemm", 'base.op.kind == "elementwise": return None'),
            (T.exp(x) + z, "gemm", "if not products or len(terms)"),
            (x * 2.0 + y * 3.0, "collect.merge_terms", "if self.price < old else None"),
            ([T.tanh(product).T, product], "transposed_dot", "product.op is not dot")):
        f = sg.function([x, y, z], output, on_unused_input="ignore")
        verdict = f.why_not(form)
        assert not verdict.fired and sys.gettrace() is None
        assert "it declined, at the line" in str(verdict) and words in str(verdict), verdict


def test_a_form_that_looked_at_a_line():
    x, y = T.dmatrices("x", "y")
    z = T.dmatrix("z")
    one = T.tanh(z) + T.dot(x, y)
    f = sg.function([x, y, z], [one, z + T.dot(y, x)])
    assert "base.op.kind" in str(f.why_not("gemm", line=one.origin[1]))
    assert f.why_not("gemm", line=one.origin[1] + 1).fired


def test_forms_of_loops_and_conditionals_say_where_they_gave_up():
    v, c = T.dvector("v"), T.bscalar("c")
    rows, _ = sg.scan(lambda a, b: T.tanh(a + b), sequences=[v],
                      outputs_info=[T.constant(0.0)])
    f = sg.function([v, c], [rows, sg.ifelse(c, T.exp(v), T.tanh(v))])
    for form, words in (("unroll", "d.n.op is not CONST"), ("sink", "if not found"),
                        ("where", "return False"), ("tree", "len(c) >= LONG")):
        assert words in str(f.why_not(form)), f.why_not(form)


def test_deciders_are_of_forms_that_there_are():
    for p in PIPELINE:
        assert p.deciders.keys() <= p.kinds.keys()


def test_a_pass_that_did_not_run(x):
    assert "the pass moves did not run" in str(asked([x], x + 1, "moves.fold_of_fold"))


def test_unknown_rules_have_near_names(x):
    f = sg.function([x], x + 1)
    with pytest.raises(UnknownName, match="no rule 'log_softmx': did you mean log_softmax"):
        f.why_not("log_softmx")
    with pytest.raises(UnknownName, match="no pass 'stabilize'"):
        f.why_not("stabilize.log_softmax")


def test_a_result_of_another_type_is_refused(x, monkeypatch):
    wrong = rule_on("wrong", tanh, kind=rounding, samples=lambda: [])(
        lambda node, pool: T.sum(node.inputs[0]))
    odd = passes.Pass("odd", "a bad one", ruleset("odd", wrong))
    monkeypatch.setattr(passes, "PIPELINE", (odd,))
    monkeypatch.setitem(passes.BY_NAME, "odd", odd)
    monkeypatch.setattr("symgrad.tools.rules.PIPELINE", (odd,))
    monkeypatch.setattr("symgrad.compile.function.REWRITES", ("odd",))
    verdict = tool.why_not(sg.function([x], T.tanh(x)), "wrong")
    assert "its result was refused: it is f64[], the node f64[" in str(verdict)
