"""What rules do next to where they fire: they keep values, and they fire where they did.

The table tests/data/near_misses.txt says of each rule its kind, at how many ops it looks, and for
each near miss how often it fires and how many nodes there are then.  A line that changes is a
decision that changes: nothing else may notice that a rule that only saves work is not there any
more.  `python tests/test_near_misses.py` writes the table anew.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from near_misses import MOST, near_misses
from test_rules import RULES, agree, arrays, close, evaluate, plain, samples

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile.passes import PIPELINE
from symgrad.compile.pattern import RuleSet
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log, rewrite
from symgrad.errors import SymgradError
from symgrad.node import toposort
from symgrad.types import Tuple

TABLE = Path(__file__).parent / "data" / "near_misses.txt"
MOST_OF_FORMS = 300
FORMS = {f"{p.name}.{form}": (p, form) for p in PIPELINE if p.name != "regroup"
         for form in p.kinds}


def graphs(name):
    """The near misses of a rule's or form's samples."""
    if name in RULES:
        found, most = [[g] for g in samples(RULES[name])], MOST
    else:
        (p, form), most = FORMS[name], MOST_OF_FORMS
        found = [g if isinstance(g, list) else [g] for g in p.samples[form]()]
    each = -(-most // max(len(found), 1))
    return [g for outputs in found for g in near_misses(outputs, each)][:most]


def changed(name, outputs):
    """(old, new, log) in a pool."""
    pool, old = absorb(outputs)
    log = Log()
    if name in RULES:
        new = rewrite(old, RuleSet("one", (RULES[name],)), pool, log)
    else:
        new = FORMS[name][0].run(old, pool, log, ())
    return old, new, log


def count(outputs):
    """Nodes of a graph, and of the bodies of its loops with what goes in and is kept."""
    order = toposort(outputs)
    bodies = [a for n in order if n.op.kind in ("loop", "branch") for a in n.attrs[:2]
              if hasattr(a, "outputs")]
    kept = [k for b in bodies if hasattr(b, "states") for k in (*[s.keep for s in b.states],
                                                                *b.maps)]
    return len(order) + sum([count(b.outputs) + len(b.inputs) for b in bodies]) + sum(kept)


def words(name, found):
    """What a rule does at graphs."""
    own = name.partition(".")[2]
    words = []
    for _, outputs in found:
        try:
            _, new, log = changed(name, outputs)
        except SymgradError as error:  # lengths that cannot be, told while rewriting
            words.append(type(error).__name__)
            continue
        words.append(f"{log.fired[own]}/{count(new)}" if log.fired.get(own) else ".")
    return words


def title(name):
    """Its name, what it promises, and at how many ops it looks."""
    if name in RULES:
        return f"{name}, {RULES[name].kind}, {len(RULES[name].ops)}"
    return f"{name}, {FORMS[name][0].kinds[name.partition('.')[2]]}"


@cache
def table():
    return dict([row.partition(": ")[::2] for row in TABLE.read_text().splitlines()])


@pytest.mark.parametrize("name", [*RULES, *FORMS])
def test_it_fires_where_it_did(name):
    found = graphs(name)
    known, now = table().get(title(name), "").split(), words(name, found)
    what = [w for w, _ in found]
    different = [f"{what[k]}: {b}, it was {a}" for k, (a, b) in enumerate(zip(known, now,
                                                                             strict=False))
                 if a != b]
    assert known == now, f"{different[:5]}; if it is meant, run python tests/test_near_misses.py"


def test_there_are_the_rules_that_there_were():
    assert list(table()) == [title(name) for name in (*RULES, *FORMS)]


# Rules that move a number across zero or a cut there, and why they are none the less right.
OFF = {
    "log1p_minus": "of complex numbers whose imaginary part is 0 or -0, which side of the cut",
    "over_reciprocal": "one over a complex zero",
    "sum_of_scaled": "divided by zero, infinite terms of either sign, or their sum",
}


@pytest.mark.parametrize("name", [k for k, r in RULES.items()
                                  if r.kind != "assumes" and r.name not in OFF])
def test_values_stay_where_it_fires(name):
    rule = RULES[name]
    for what, outputs in graphs(name):
        old, new, log = changed(name, outputs)
        if not log.fired:
            continue
        values = arrays([*old, *new], plain(0, -3))
        want, have = evaluate(old, values), evaluate(new, values)
        if isinstance(want, type):
            continue
        assert not isinstance(have, type), f"{what}: fails where it did not: {have}"
        for a, b in zip(want, have, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape, what
            agree(rule, a, b)


@pytest.mark.parametrize("name", FORMS)
def test_values_stay_where_a_form_fires(name):
    for what, outputs in graphs(name):
        try:
            old, new, log = changed(name, outputs)
        except SymgradError:
            continue
        if not log.fired:
            continue
        values = arrays([*old, *new], plain(0, -1, 1))
        want, have = evaluate(old, values), evaluate(new, values)
        if isinstance(want, type):
            continue
        assert not isinstance(have, type), f"{what}: fails where it did not: {have}"
        dtypes = {n.type.dtype for n in toposort(old) if type(n.type) is not Tuple}
        single = not dtypes.isdisjoint(("float32", "complex64", "float16"))
        for a, b in zip(want, have, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape, what
            close(a.astype("float32") if single and a.dtype == "float64" else a,
                  b.astype("float32") if single and a.dtype == "float64" else b)


@pytest.mark.parametrize("update", [lambda z, xy: z - xy, lambda z, xy: xy], ids=["gemm", "dot"])
def test_a_column_meets_rows_of_unknown_number(on_compiled_code, update):
    """Its one column says that there is one row: that is checked, not taken for known."""
    c, y, z = T.col("c", "float64"), T.dmatrix("y"), T.dmatrix("z")
    f = sg.function([c, y, z], update(z, T.dot(c, y)), on_unused_input="ignore")
    values = np.ones((2, 1)), np.full((1, 3), 2.0), np.zeros((2, 3))
    np.testing.assert_array_equal(np.abs(f(*values)), np.full((2, 3), 2.0))
    with pytest.raises(sg.errors.ShapeError, match="axis 0 of y is 2, the other 1"):
        f(values[0], np.ones((2, 3)), values[2])


def test_a_column_over_a_softmax():
    """h / s stretches h, so that its sum has h once for each element of a row."""
    h, x = T.col("h", "float64"), T.dmatrix("x")
    s = T.softmax(x, axis=1)
    slope = (h / s - (h / s * s).sum(axis=1, keepdims=True)) * s
    values = {h: np.array([[1.0], [2.0]]), x: np.arange(6.0).reshape(2, 3)}
    np.testing.assert_allclose(sg.function([h, x], slope)(*values.values()), slope.eval(values))


if __name__ == "__main__":
    TABLE.write_text("\n".join([f"{title(name)}: {' '.join(words(name, graphs(name)))}"
                                for name in (*RULES, *FORMS)]) + "\n")
    sys.exit()
