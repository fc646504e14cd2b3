"""Which conditionals become trees, and which need no jump."""

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules import sides
from symgrad.compile.rules.sides import FEW
from symgrad.compile.rules.switches import LONG


def chain(x, k, many, scale):
    y = x
    for j in range(many):
        y = sg.ifelse(T.eq(k, j), T.exp(x * scale) * j, y)
    return y


@pytest.mark.parametrize("lengths,trees", [((LONG,), 1), ((LONG - 1,), 0), ((LONG, 3), 1),
                                           ((3, LONG), 1), ((3, 3), 0)])
def test_a_long_chain_is_a_tree_whatever_others_are(lengths, trees):
    x = T.dvector("x")
    ks = [T.lscalar(f"k{j}") for j in range(len(lengths))]
    ys = [chain(x, k, many, 0.5 + j)
          for j, (k, many) in enumerate(zip(ks, lengths, strict=True))]
    f = sg.function([x, *ks], [T.tanh(y) for y in ys], backend="numpy")
    assert f.report.fired.get("sides.tree", 0) == trees, f.report.fired
    values = {x: np.array([0.1, 0.2]), **{k: np.int64(2) for k in ks}}
    for y, k, got in zip(ys, ks, f(*values.values()), strict=True):
        np.testing.assert_allclose(got, np.tanh(y.eval({x: values[x], k: values[k]})))


@pytest.mark.parametrize("many,form", [(FEW, "where"), (FEW + 1, "branch")])
def test_few_numbers_need_no_jump(many, form):
    x, c = T.dscalar("x"), T.scalar("c", "bool")
    y = x
    for _ in range(many):
        y = T.add(y, x)
    pool, old = absorb([sg.ifelse(c, y, x)])
    log = Log()
    new = sides.run(old, pool, log)
    assert list(log.fired) == [form] and (new[0].op.name == "where") is (form == "where")


def test_a_conditional_in_a_side_may_need_no_jump_either():
    x, c, d = T.dscalar("x"), T.scalar("c", "bool"), T.scalar("d", "bool")
    log = Log()
    pool, old = absorb([sg.ifelse(c, sg.ifelse(d, x + 1.0, x) * 2.0, x)])
    sides.run(old, pool, log)
    assert log.fired == {"where": 2}
