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


V, R = variable(Type("float64", (3,))), variable(Type("float64", (1, 3)))
A, B, S = (variable(Type("float64", s)) for s in ((2, 3), (2, 3), ()))
P, Q, N = matrix("complex128"), matrix("complex128"), variable(Type("int64", ()))
THREE = constant(np.array(3))
VALUES = {A: np.linspace(0.5, 1.2, 6).reshape(2, 3), B: np.full((2, 3), 0.7), S: np.array(3.0),
          P: np.full((2, 3), 1 + 2j), Q: np.full((2, 3), 2 - 1j), N: np.array(5)}


def to(x, exponent):
    return POW.of(x, constant(exponent))


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


@pytest.mark.parametrize("make,ops", [
    (lambda: SUB.of(SUB.of(A, A), SUB.of(B, B)), "add mul mul"),  # reads less
    (lambda: ADD.of(MUL.of(P, constant(2j)), MUL.of(Q, constant(2.0))), "add mul mul"),
    (lambda: ADD.of(ADD.of(MUL.of(MUL.of(P, constant(1j)), constant(1j)), Q), Q), "mul sub"),
    (lambda: ADD.of(ADD.of(A, constant(1e308)), constant(1e308)), "add add"),
    (lambda: MUL.of(NEG.of(MUL.of(A, constant(1e200))), constant(1e200)), "mul mul neg"),
    (lambda: MUL.of(to(A, 31), to(A, 33)), "sqr sqr sqr sqr sqr sqr"),
    (lambda: MUL.of(to(A, 31), to(A, 34)), "mul pow pow"),
    (lambda: MUL.of(MUL.of(to(A, 31), to(A, 34)), B), "mul mul pow pow"),
    (lambda: DIV.of(B, MUL.of(to(A, 31), to(A, 34))), "mul pow pow true_div"),
    (lambda: DIV.of(B, MUL.of(to(A, 31), to(A, 33))), "sqr sqr sqr sqr sqr sqr true_div"),
    (lambda: MUL.of(to(P, 2j), P), "mul pow"),
    (lambda: MUL.of(MUL.of(DIV.of(A, S), constant(2.0)), constant(-0.5)), "neg true_div"),
    (lambda: MUL.of(DIV.of(A, S), constant(-1.0)), "mul true_div"),  # as dear as with a minus
    (lambda: MUL.of(N, to(THREE, 64)), "mul"),
    (lambda: MUL.of(N, SQR.of(to(THREE, 32))), "mul"),
    (lambda: MUL.of(N, SQR.of(to(THREE, 33))), "mul pow sqr"),
    (lambda: MUL.of(S, SQR.of(constant(1e300))), "mul sqr"),
    (lambda: DIV.of(MUL.of(S, S), constant(0.0)), "mul true_div"),
    (lambda: DIV.of(MUL.of(P, P), constant(0j)), "mul true_div"),
    (lambda: ADD.of(ADD.of(MUL.of(A, constant(0.5)), B), B), "add mul mul"),
    (lambda: MUL.of(MUL.of(A, constant(1e200)), constant(1e200)), "mul mul"),
    (lambda: DIV.of(DIV.of(A, B), OPS["exp"].of(A)), "exp true_div true_div"),
])
def test_what_a_tree_becomes(make, ops):
    old, new, _ = collected(make())
    assert names(new[0]) == ops.split()
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(run(new, VALUES), run(old, VALUES), rtol=1e-12)


@pytest.mark.parametrize("value,whole", [
    (2.0, 2), (64.0, 64), (-2.0, -2), (-64.0, -64), (1.0, None), (-1.0, None), (0.0, None),
    (65.0, None), (-65.0, None), (2.5, None), (2j, None), (np.inf, None)])
def test_whole_exponents(value, whole):
    assert collect.exponent(to(A, value)) == whole
    assert collect.exponent(POW.of(A, B)) is None


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_numbers_that_can_be_factors(dtype):
    info = np.finfo(dtype)
    tiny, most = float(info.tiny), float(info.max)
    for value in (0, tiny, -tiny, most, -most, 1j * tiny):
        assert collect.fits(value, dtype)
    for value in (tiny / 2, np.nextafter(tiny, 0), 2 * most, np.inf, np.nan):
        assert not collect.fits(value, dtype) and collect.fits(value, "int8")


@pytest.mark.parametrize("make,before,after", [
    (lambda: MUL.of(MUL.of(A, constant(2.0)), constant(3.0)), 203, "103 mul20"),
    (lambda: MUL.of(MUL.of(A, S), S), 209, "107 sqr0 mul20"),
    (lambda: MUL.of(DIV.of(A, S), S), 259, "110.5 true_div00 mul20"),
    (lambda: MUL.of(MUL.of(A, V), MUL.of(A, V)), 106, "103 mul21 sqr2"),
    (lambda: MUL.of(to(A, 3), A), 506, "203 sqr2 sqr2"), (lambda: MUL.of(SQR.of(A), A), 206, None),
    (lambda: DIV.of(DIV.of(A, V), S), 309, None),
    (lambda: MUL.of(A, MUL.of(S, S)), 106, "103 sqr0 mul20"),  # the product of numbers by itself
    (lambda: ADD.of(ADD.of(ADD.of(ADD.of(V, A), R), S), S), 415, "313 add22 add12 mul00 add20"),
    (lambda: DIV.of(DIV.of(A, S), S), 309, "157 sqr0 true_div20"),
    (lambda: MUL.of(MUL.of(MUL.of(A, S), V), S), 312, "120 sqr0 mul10 mul21"),
    (lambda: DIV.of(MUL.of(DIV.of(A, S), B), S), 412, "260 mul22 sqr0 true_div20"),
    (lambda: ADD.of(ADD.of(ADD.of(A, S), V), S), 312, "210 add21 mul00 add20"),
    (lambda: SUB.of(SUB.of(SUB.of(S, A), V), ADD.of(B, V)), 415, "322 add22 mul10 add21 sub02"),
    (lambda: SUB.of(MUL.of(A, constant(2.0)), MUL.of(B, constant(2.0))), 306, "206 sub22 mul20"),
    (lambda: MUL.of(MUL.of(MUL.of(A, constant(np.full(3, 2.0))), constant(2.0)), A), 306,
     "213 sqr2 mul10 mul21"),
])
def test_what_forms_cost(make, before, after, monkeypatch):
    """Prices, and the ops with the axes of what they read, of the first form that is tried."""
    prices, better = [], collect.Tree.better

    def noting(tree):
        old, made = tree.price, better(tree)
        prices.append((old, f"{tree.price:g}" if made is not None else None))
        return made

    monkeypatch.setattr(collect.Tree, "better", noting)
    _, new, _ = collected(make())
    assert prices[0] == (before, after and after.split()[0])
    ops = [n.op.name + "".join([str(i.type.ndim) for i in n.inputs])
           for n in toposort(new) if n.inputs]
    assert after is None or ops == after.split()[1:]


def test_what_does_not_change_is_not_walked_again(monkeypatch):
    walks, walk = [], collect.walked
    monkeypatch.setattr(collect, "walked", lambda outputs: walks.append(outputs) or walk(outputs))
    monkeypatch.setattr(collect, "_copy", None)
    collected(OPS["tanh"].of(MUL.of(A, B)))
    assert len(walks) == 1
    monkeypatch.undo()
    inner = MUL.of(A, B)
    root, new = MUL.of(inner, S), {n: n for n in (A, B, S)}
    assert collect._copy(root, {inner}, new, None) is root and new[inner] is inner


def test_it_ends_though_something_fires_each_time(monkeypatch):
    sweeps = []

    def firing(outputs, order, uses, pool, log, name, form):
        sweeps.append(name)
        assert len(sweeps) < 20
        log.note(name, None, None)
        return outputs

    monkeypatch.setattr(collect, "_sweep", firing)
    collected(matrix())
    assert sweeps == 8 * list(collect.FORMS)


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
    pool, outputs = absorb([OPS["tanh"].of(matrix())])
    collect.run(outputs, pool, Log(), off=("merge_factors",))
    assert sweeps == ["merge_terms"]
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
    own = variable(a.type, "own")
    same = MUL.of(MUL.of(own, constant(2.0)), constant(0.5))
    same.name = "same"
    assert collected(same)[1] == [own] and own.name == "own"
    pool, old = absorb([same])
    (new,) = collect.run(old, pool, Log())
    assert new.op.kind == "leaf" and new.name == pool.enter_leaf(own).name != "same"


def test_the_time_of_each_form_is_told():
    pool, outputs = absorb([MUL.of(matrix(), constant(2.0))])
    log = Log.full()
    collect.run(outputs, pool, log)
    assert set(log.times) == set(collect.FORMS)
    assert all(0 < seconds < 60 for seconds in log.times.values())
