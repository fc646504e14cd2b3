"""Tests nobody writes by hand: what each rule's `kind` promises, on the rule's own samples."""

from __future__ import annotations

import numpy as np
import pytest
from exactly import reference
from helpers import filled

from symgrad.compile.passes import PIPELINE
from symgrad.compile.pattern import assumes, exact, rounding, stable
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log, _step, rewrite
from symgrad.compile.rules import blas, canonicalise, collect
from symgrad.errors import SymgradError
from symgrad.interpret import run
from symgrad.node import INPUT, toposort, variable
from symgrad.op import weak_numbers
from symgrad.types import Dim, Type, is_complex, is_float

SETS = {p.name: p.rules for p in PIPELINE if p.rules and p.name != "expand"}
SETS.setdefault("forward", canonicalise.FORWARD)
RULES = {}
for _name, _set in SETS.items():
    for _rule in _set.rules:
        if _rule not in RULES.values():
            RULES[f"{_name}.{_rule.name}"] = _rule
DTYPES = ("float64", "float32", "int64", "uint8", "complex128", "bool")
LENGTHS = (3, 4, 5, 2, 6, 7)
EPS = {
    "float16": 1e-3,
    "float32": 1.2e-7,
    "float64": 2.3e-16,
    "complex64": 1.2e-7,
    "complex128": 2.3e-16,
}

# -- graphs on which a rule fires


def samples(rule):
    """Graphs for a rule: its own, or its left side with variables in the holes."""
    if rule.samples:
        return list(rule.samples())
    return filled(rule.lhs, DTYPES)


def firings(rule):
    """(node, what the rule makes of it) for each sample on which it fires."""
    found = []
    for graph in samples(rule):
        hit = fires(rule, graph)
        if hit:
            found.append(hit)
        else:
            assert rule.samples is None, f"{rule.name} does not fire on its sample {graph!r}"
    return found


def fires(rule, graph):
    """(node, what the rule makes of it); None if it does not fire."""
    pool, (node,) = absorb([graph])
    log = Log()
    with weak_numbers():
        hit = _step(node, [rule], pool, log)
    assert not log.refused, f"{rule.name}: its result has another type"
    return (node, hit[0]) if hit else None


# -- values


def arrays(nodes, draw, sizes=LENGTHS):
    """Values for the inputs below nodes, unknown lengths chosen from `sizes`."""
    order, lengths, values = toposort(nodes), {}, {}
    indices = {i for n in order if n.op.kind in ("gather", "scatter", "view") for i in n.inputs[1:]}
    for n in order:
        if n.op is INPUT:
            for d in n.type.shape:
                if isinstance(d, Dim):
                    lengths.setdefault(d, sizes[len(lengths) % len(sizes)])
            shape = [lengths.get(d, d) for d in n.type.shape]
            how = small if n in indices and not is_float(n.type.dtype) else draw
            values[n] = np.asarray(how(shape, n.type.dtype))
    return values


def small(shape, dtype):
    return np.random.default_rng(1).integers(0, 2, shape).astype(dtype)


def plain(seed, low=-3, high=3):
    rng = np.random.default_rng(seed)

    def draw(shape, dtype):
        if dtype == "bool":
            return rng.random(shape) < 0.5
        if not is_float(dtype):
            return rng.integers(max(low, 0) if dtype.startswith("u") else low, high, shape).astype(
                dtype
            )
        x = rng.uniform(low, high, shape)
        return (x + 1j * rng.uniform(low, high, shape) if is_complex(dtype) else x).astype(dtype)

    return draw


def special(seed):
    """NaN, infinities, zeros of both signs, the smallest and largest numbers."""
    rng = np.random.default_rng(seed)

    def draw(shape, dtype):
        if not is_float(dtype) or is_complex(dtype):
            return plain(seed)(shape, dtype)
        info = np.finfo(dtype)
        pool = np.array(
            [
                np.nan,
                np.inf,
                -np.inf,
                0.0,
                -0.0,
                1.0,
                -2.5,
                info.max,
                info.tiny,
                info.smallest_subnormal,
            ],
            dtype,
        )
        return rng.choice(pool, shape)

    return draw


def evaluate(nodes, values):
    """Their arrays, or the class of the error."""
    try:
        return run(nodes, {n: a for n, a in values.items()})
    except SymgradError as error:
        return type(error)


def both(old, new, values):
    a, b = evaluate([old], values), evaluate([new], values)
    if isinstance(a, type):
        return None
    assert not isinstance(b, type), f"fails where the left side does not: {b}"
    (a,), (b,) = a, b
    assert a.dtype == b.dtype and a.shape == b.shape
    return a, b


def same_bits(a, b):
    nan = np.isnan(a) if a.dtype.kind in "fc" else np.zeros(a.shape, bool)
    np.testing.assert_array_equal(a, b)
    if a.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(a)[~nan], np.signbit(b)[~nan])


def close(a, b, factor=200):
    if a.dtype.kind in "fc":
        tol = factor * EPS[a.dtype.name]
        np.testing.assert_allclose(b, a, rtol=tol, atol=tol * max(1.0, _largest(a)))
    else:
        np.testing.assert_array_equal(a, b)


def _largest(a):
    a = np.abs(a[np.isfinite(a)])
    return float(a.max(initial=0.0))


def agree(rule, a, b):
    if rule.kind is exact:
        return same_bits(a, b)
    if rule.kind is assumes and a.dtype.kind in "fc":
        assumed = ~np.isnan(a)
        a, b = a[assumed], b[assumed]
    return close(a, b)


# -- the tests


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    rule = RULES[name]
    fired = firings(rule)
    assert fired, f"{name} has no samples and does not fire on its left side: give it samples"
    for old, new in fired:
        assert old.type.dtype == new.type.dtype and old.type.ndim == new.type.ndim
        for seed, low in enumerate((-3, 0.2)):
            pair = both(old, new, arrays([old, new], plain(seed, low)))
            if pair is not None:
                agree(rule, *pair)
        for sizes in ((0, 3, 4, 5), (1,)):
            pair = both(old, new, arrays([old, new], plain(3, 0.2), sizes))
            if pair is not None:
                agree(rule, *pair)


@pytest.mark.parametrize("name", [k for k, r in RULES.items() if r.kind is exact])
def test_exact_rule_on_special_values(name):
    for old, new in firings(RULES[name]):
        for seed in range(4):
            pair = both(old, new, arrays([old, new], special(seed)))
            if pair is not None:
                same_bits(*pair)


@pytest.mark.parametrize("name", [k for k, r in RULES.items() if r.kind is stable])
def test_stable_rule_is_nearer_the_true_value(name):
    for old, new in firings(RULES[name]):
        if old.type.dtype not in ("float32", "float64"):
            continue
        for scale in (1e-30, 1e-9, 1e-3, 1.0, 30.0, 200.0, 1000.0):
            for sign in (1, -1, 0):
                rng = np.random.default_rng(7)

                def draw(shape, dtype, rng=rng, scale=scale, sign=sign):
                    x = rng.uniform(0.5, 1, shape) * scale
                    if not is_float(dtype):
                        return plain(2)(shape, dtype)
                    return (x * (sign or rng.choice([-1, 1], shape))).astype(dtype)

                values = arrays([old, new], draw, (2, 3, 2))
                true = reference(old, values)
                (a,), (b,) = run([old], values), run([new], values)
                was, now = distance(a, true), distance(b, true)
                assert (now <= np.maximum(was, 16)).all(), (scale, sign, a, b, true)


def distance(a, true):
    """How far from the true value, in units of the last place of the larger of 1 and it; inf if
    that is a number and a is none."""
    out = np.zeros(a.shape)
    biggest = float(np.finfo(a.dtype).max)
    for k in np.ndindex(a.shape):
        t = true[k]
        if t is None or abs(t) > biggest:
            continue  # not a number, or not representable
        error = abs(float(a[k]) - t) if np.isfinite(a[k]) else np.inf
        out[k] = float(error / (max(1.0, abs(float(t))) * EPS[a.dtype.name]))
    return out


# -- passes over whole graphs

WALKS = {"collect": collect, "blas": blas}


@pytest.mark.parametrize("which,name", [(w, n) for w, m in WALKS.items() for n in m.NAMES])
def test_walk(which, name):
    module = WALKS[which]
    off = [n for n in module.NAMES if n != name]
    graphs = module.SAMPLES[name]()
    for k, graph in enumerate(graphs):
        pool, old = absorb([graph])
        log = Log()
        new = module.run(old, pool, log, off)
        assert log.fired.get(name), f"{name} does not fire on its sample {k}: {graph!r}"
        assert module.run(new, pool, Log(), off) == new, "a second run changes something"
        assert module.run(old, pool, Log(), module.NAMES) == old
        for seed in range(2):
            pair = both(old[0], new[0], arrays([old[0], new[0]], plain(seed)))
            close(*pair)


def test_names_are_used_once():
    for rules in SETS.values():
        assert len({r.name for r in rules.rules}) == len(rules.rules)
    assert {r.kind for r in RULES.values()} <= {exact, rounding, stable, assumes}


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs_keep_their_value_and_settle(seed):
    """A sum of random ops: every pass keeps the value, and changes nothing when it runs again."""
    graph = random_graph(seed)
    pool, outputs = absorb([graph])
    values = arrays(outputs, plain(seed, -1, 1))
    want = run(outputs, values)[0]
    for chosen in PIPELINE:
        for _ in range(2):
            before = outputs
            if chosen.rules is not None:
                outputs = rewrite(
                    outputs,
                    chosen.rules.without({r.name for r in chosen.rules.rules if r.kind is assumes})
                    if chosen.name != "expand"
                    else chosen.rules,
                    pool,
                )
            elif chosen.run is not None:
                outputs = chosen.run(outputs, pool, Log())
        assert outputs == before, f"{chosen.name} does not settle"
        np.testing.assert_allclose(
            run(outputs, values)[0], want, rtol=1e-9, atol=1e-11, err_msg=chosen.name
        )


@pytest.mark.parametrize("seed", range(20))
def test_exact_rules_change_no_bit_of_a_random_graph(seed):
    pool, outputs = absorb([random_graph(seed)])
    new = outputs
    for rules in SETS.values():
        others = [r.name for r in rules.rules if r.kind is not exact]
        new = rewrite(new, rules.without(others), pool)
    for draw in (plain(seed, -1, 1), special(seed)):
        values = arrays([*outputs, *new], draw)
        same_bits(*run([*outputs, *new], values))


def random_graph(seed):
    from symgrad.ops import TABLE as T

    rng = np.random.default_rng(seed)
    shapes = [Type("float64", (None, None)), Type("float64", ()), Type("float64", (1, None))]
    nodes = [variable(shapes[k]) for k in (0, 0, 1, 1, 2)]
    unary = [
        T["tanh"],
        T["neg"],
        T["sqr"],
        T["sigmoid"],
        T["abs"],
        lambda v: v * 2.0,
        lambda v: v + 1.0,
        lambda v: v - 0.5,
        lambda v: v / 3.0,
        lambda v: 1.0 - v,
        lambda v: T["sum"](v, axis=v.ndim - 1, keepdims=True) if v.ndim else v,
        lambda v: T["softmax"](v, axis=1) if v.ndim == 2 else v,
        lambda v: T["exp"](T["tanh"](v)),
        lambda v: T["log"](1.0 + T["exp"](v)),
        lambda v: v**3.0,
        lambda v: T["transpose"](T["transpose"](v)),
        lambda v: T["mean"](v),
    ]
    binary = [
        T["add"],
        T["sub"],
        T["mul"],
        T["maximum"],
        lambda a, b: a / (2.0 + T["sqr"](b)),
        lambda a, b: T["where"](T["gt"](a, b), a, b),
    ]
    for _ in range(25):
        a, b = (nodes[k] for k in rng.integers(0, len(nodes), 2))
        grown = (
            unary[rng.integers(len(unary))](a)
            if rng.random() < 0.5
            else (binary[rng.integers(len(binary))](a, b))
        )
        nodes.append(T["tanh"](grown) if rng.random() < 0.3 else grown)
    return T["sum"](T["tanh"](nodes[-1])) + T["sum"](T["tanh"](nodes[-2])) + T["sum"](nodes[-3])

