"""``f.why(step)``: the chain of rules from a step back to what the user wrote."""

import pickle

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.passes import PIPELINE
from symgrad.errors import UnknownName
from symgrad.node import INPUT, toposort
from symgrad.tools.rules import members
from symgrad.tools.why import steps


@pytest.fixture(params=["numpy", "llvm"])
def backend(request):
    if request.param == "llvm":
        pytest.importorskip("llvmlite")
    return request.param


def chains(reason):
    return {tuple(rule for rule, _ in g.chain) for g in reason.groups}


def test_rules_lead_back_to_the_expression_as_it_was_written(backend):
    x = T.dvector("x")
    y = T.log(1 + T.exp(x))
    f = sg.function([x], y, backend=backend)
    (group,) = f.why(0).groups
    assert [rule for rule, _ in group.chain] == ["stabilise.softplus", "stabilise.log1p"]
    assert group.chain[-1][1] == "log(exp(x) + 1.0)"
    assert group.line == y.origin
    assert "stabilise.log1p              of log(exp(x) + 1.0)" in str(f.why(0))
    m = T.dmatrix("m")
    f = sg.function([m], T.nnet.softmax(m), backend=backend)
    assert chains(f.why(0)) == {("expand.composite",)}


def test_what_no_rule_touched_is_as_it_was_written():
    x = T.dvector("x")
    reason = sg.function([x], T.tanh(x) * x).why(0)
    assert chains(reason) == {()} and "as it was written" in str(reason)


def test_steps_are_found_by_number_and_by_name(backend):
    x, W = T.dmatrix("x"), sg.shared(np.ones((3, 2)), name="W")
    h = T.tanh(T.dot(x, W) + 1.0)
    h.name = "hidden"
    f = sg.function([x], h, backend=backend)
    found = steps(f)
    for number, (step, _, names) in found.items():
        for word in (number, f"#{number}", names[0], f"k_{names[0]}"):
            assert str(f.why(word)) == str(f.why(number))
        assert sum([len(g.ops) for g in f.why(number).groups]) == len(step.body)
    assert "tanh" in str(f.why("hidden"))
    with pytest.raises(UnknownName, match="why: no step 'hiden': did you mean hidden"):
        f.why("hiden")
    with pytest.raises(UnknownName, match="no step 77"):
        f.why(77)


def test_passes_over_the_whole_graph_are_in_the_chain():
    x, W = T.dmatrix("x"), sg.shared(np.ones((3, 2)), name="W")
    y = T.dmatrix("y")
    update = W - 0.1 * T.dot(x.T, y)
    f = sg.function([x, y], updates=[(W, update)])
    reasons = [f.why(k) for k in steps(f)]
    assert any(("blas.gemm",) in chains(r) for r in reasons)
    group = next(g for r in reasons for g in r.groups if g.chain)
    assert group.line == update.origin


def test_every_step_of_a_gradient_can_be_told(backend):
    x, y = T.dmatrix("x"), T.lvector("y")
    W = sg.shared(np.zeros((4, 3)), name="W")
    p = T.nnet.softmax(T.dot(x, W))
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    f = sg.function([x, y], cost, updates=[(W, W - 0.1 * T.grad(cost, W))], backend=backend)
    rules = {rule for k in steps(f) for chain in chains(f.why(k)) for rule in chain}
    assert {"specialise.pick_log_softmax", "blas.gemm", "shapes.mean"} <= rules
    for k in steps(f):
        assert "test_why.py" in str(f.why(k))


def test_a_step_of_a_loop_leads_back_through_the_loop(backend):
    x = T.dvector("x")
    rows, _ = sg.scan(lambda a, s: T.tanh(s + T.log(1 + T.exp(a))), sequences=x,
                      outputs_info=[T.constant(0.0)])
    f = sg.function([x], rows[-1], backend=backend)
    inner = [k for k in steps(f) if "." in k]
    assert inner
    texts = [str(f.why(k)) for k in inner]
    assert all("in the step of loop (test_why.py" in t for t in texts)
    assert any("stabilise.log1p" in t for t in texts)
    outer = next(k for k, (step, *_) in steps(f).items()
                 if any([n.op.name == "loop" for n in step.body]))
    assert "loops.trim" in str(f.why(outer))


@pytest.mark.parametrize("options", [
    {"mode": "debug"}, {"mode": "nan"}, {"mode": "debug", "backend": "numpy"},
    {"backend": "python"}, {"passes": "-fuse"}, {"passes": "none"}, {"mode": "FAST_COMPILE"}],
    ids=str)
def test_all_kinds_of_functions_can_be_asked(options):
    x, W = T.dvector("x"), sg.shared(np.ones(3), name="W")
    f = sg.function([x], (T.log(1 + T.exp(x)) * W).sum(), updates=[(W, W + 1)], **options)
    for made in (f, pickle.loads(pickle.dumps(f)), f.copy(), f.copy(delete_updates=True)):
        assert "became" in str(made.explain()) and "softplus" in str(made.why_not("softplus"))
        for k, (step, *_) in steps(made).items():
            assert sum([len(g.ops) for g in made.why(k).groups]) == len(step.body)


@pytest.mark.slow
@pytest.mark.parametrize("p", [p for p in PIPELINE if p.rules or p.run], ids=lambda p: p.name)
def test_every_rule_can_be_asked_for(p):
    """On its samples: there is an answer."""
    fired = []
    for name, rule in members(p):
        made = rule.samples if p.rules else p.samples[name]
        for graph in made() if made else ():
            outputs = graph if isinstance(graph, list) else [graph]
            inputs = [n for n in toposort(outputs) if n.op is INPUT]
            f = sg.function(inputs, outputs, passes="+assumes", backend="numpy")
            assert str(f.explain())
            for k in steps(f):
                assert str(f.why(k))
            verdict = f.why_not(f"{p.name}.{name}")
            assert name in str(verdict)
            fired.append(verdict.fired)
    assert any(fired) or p.name in ("tidy", "regroup", "moves")  # others came before
