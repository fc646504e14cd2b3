"""Sums and products in one normal form: random trees keep their values and get no dearer."""

import numpy as np
import pytest

from symgrad.compile.pool import absorb, export
from symgrad.compile.rewrite import Log
from symgrad.compile.rules import collect
from symgrad.interpret import run
from symgrad.node import CONST, constant, toposort, variable
from symgrad.ops import OPS
from symgrad.types import Type

ADD, SUB, MUL, DIV, NEG, SQR, POW = (OPS[n] for n in "add sub mul true_div neg sqr pow".split())
NUMBERS = (-1.0, 1.0, 2.0, -0.5, 3.0, -2.0, 0.25, 0.0)


def matrix(dtype="float64"):
    return variable(Type(dtype, (2, 3)))


def collected(*outputs):
    """(what was, what is there now, the log), as a user's graphs."""
    pool, old = absorb(outputs)
    log = Log()
    return export(old, pool), export(collect.run(old, pool, log), pool), log


def tree(seed, ops):
    """A tree of few leaves, so that many are equal, and the leaves' arrays."""
    rng = np.random.default_rng(seed)
    a, b, s = matrix(), matrix(), variable(Type("float64", ()))
    leaves = [a, b, s, OPS["exp"].of(s), OPS["tanh"].of(a)]
    grown = [*leaves]
    for _ in range(rng.integers(3, 9)):
        op = ops[rng.integers(len(ops))]
        x, y = (grown[-1 - rng.integers(min(4, len(grown)))], grown[rng.integers(len(grown))])
        if rng.random() < 0.4:
            y = constant(NUMBERS[rng.integers(len(NUMBERS))])
        if op is DIV and y is not a and (y.op is CONST or not y.inputs):
            y = b
        if op is POW:
            y = constant(float(rng.integers(-3, 5)))
        grown.append(op.of(*(x, y)[:op.arity] if rng.random() < 0.8 or op in (POW, DIV)
                           else (y, x)[:op.arity]))
    values = {n: rng.uniform(0.5, 1.5, n.type.shape) for n in (a, b, s)}
    return [grown[-1], *[grown[-3]] * (seed % 3 == 0)], values


@pytest.mark.parametrize("ops", [(MUL, DIV, SQR, NEG, POW), (ADD, SUB, NEG, MUL),
                                 (ADD, SUB, MUL, DIV, NEG, SQR, POW)], ids=["products", "sums",
                                                                           "both"])
@pytest.mark.parametrize("block", range(5))
def test_random_trees(block, ops):
    for seed in range(30 * block, 30 * block + 30):
        outputs, values = tree(seed, ops)
        old, new, _ = collected(*outputs)
        with np.errstate(all="ignore"):
            want, have = run(outputs, values), run(new, values)
        for a, b in zip(want, have, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9, err_msg=f"seed {seed}")
        assert len(toposort(new)) <= len(toposort(old)) + 3, f"seed {seed}"


def names(n):
    return sorted([x.op.name for x in toposort([n]) if x.inputs])


def test_a_minus_stands_before_the_product():
    a = matrix()
    for product in (MUL.of(MUL.of(a, constant(-1.0)), a), MUL.of(MUL.of(constant(2.0), a),
                                                                 MUL.of(constant(-0.5), a))):
        _, (new,), log = collected(product)
        assert log.fired == {"merge_factors": 1} and names(new) == ["neg", "sqr"]


def test_numbers_alone_are_left_to_folding():
    one, two = constant(2.0), constant(-0.5)
    for product in (MUL.of(one, two), MUL.of(MUL.of(one, two), constant(1.0)),
                    MUL.of(MUL.of(one, two), MUL.of(one, two))):
        old, new, _ = collected(product)
        assert run(new)[0] == run(old)[0] and len(toposort(new)) <= len(toposort(old))


def test_it_ends_when_nothing_changes(monkeypatch):
    """A graph without sums and products is walked through once for each form."""
    sweeps = []
    sweep = collect._sweep

    def counting(*args):
        sweeps.append(args[5])
        return sweep(*args)

    monkeypatch.setattr(collect, "_sweep", counting)
    collected(OPS["tanh"].of(matrix()))
    assert sweeps == list(collect.FORMS)
    sweeps.clear()
    a = matrix()
    collected(MUL.of(a, MUL.of(a, a)))
    assert len(sweeps) == len(collect.FORMS) + 1


def test_names_stay():
    """What a user has named bears its name in the program."""
    a, b = matrix(), matrix()
    out = MUL.of(MUL.of(a, b), a)
    out.name = "out"
    _, (new,), _ = collected(out)
    assert new.name == "out"
