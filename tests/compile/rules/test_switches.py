"""Long chains of conditionals: which become trees, of what shape, and of what value."""

import numpy as np
import pytest

import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules import sides
from symgrad.compile.rules.switches import LONG, treed
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.ifelse import ifelse

K, X = T.lscalar("k"), T.dvector("x")


def chain(conditions, first=0, last=None):
    y = X * -1.0 if last is None else last
    for j, c in reversed(list(enumerate(conditions))):
        y = ifelse(c, X + (first + j + 1.0), y)
    return y


def asked(*numbers):
    return [T.eq(K, j) for j in numbers]


def trees(*outputs, light=lambda i, n: True):
    """What `treed` makes of them; None if it leaves them alone.  Values stay."""
    pool, outputs = absorb(outputs)
    found = treed(outputs, toposort(outputs), pool, light)
    if found is outputs:
        return None
    ours = {n.name: n for n in toposort(outputs) if n.name in ("k", "x")}
    for k in range(-1, 40):
        values = {ours["k"]: np.int64(k), ours["x"]: np.arange(3.0)}
        for old, new in zip(run(outputs, values), run(found, values), strict=True):
            np.testing.assert_array_equal(old, new)
    return found


def depth(n):
    return 1 + max([depth(s) for s in n.inputs[1:]]) if n.op is ifelse else 0


def jumps(*outputs):
    return sum([n.op is ifelse for n in toposort(outputs)])


@pytest.mark.parametrize("many", [LONG, LONG + 1, 15, 16, 17, 31])
def test_a_long_chain_is_a_tree(many):
    new, = trees(chain(asked(*range(many))))
    assert depth(new) == int(np.ceil(np.log2(many + 1))) and jumps(new) == many
    firsts = [int(n.inputs[0].inputs[1].data) for n in toposort([new]) if n.op is ifelse]
    assert sorted(firsts) == list(range(1, many + 1))


def test_a_short_chain_is_none():
    assert LONG == 12 and trees(chain(asked(*range(LONG - 1)))) is None


def test_equal_neighbours_need_no_jump():
    y = X
    for j, c in enumerate(asked(*range(16))):
        y = ifelse(c, X + j // 2, y)
    new, = trees(y)
    assert jumps(new) == 8


def test_what_reads_a_tree_is_made_anew_and_others_stay():
    y = chain(asked(*range(13)))
    sinks = [T.exp(y) + y.sum(), y, T.tanh(X), ifelse(T.eq(K, 50), X, X * 2)]
    new = trees(*sinks)
    assert jumps(*new) == 14 and depth(new[0].inputs[0].inputs[0]) == 4
    assert depth(new[1]) == 4 and depth(new[3]) == 1
    assert new[0].op.name == "add" and new[0].inputs[0].op.name == "exp"


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("what,others,fit", [
    ("alike", [range(13)], True), ("shorter", [range(4)], True), ("one", [range(1)], True),
    ("longer", [range(20)], True), ("of 16", [range(16), range(12)], True),
    ("apart", [range(20, 22)], True), ("long and apart", [range(20, 39)], True),
    ("going another way", [[0, *range(20, 32)]], False), ("another at last", [[0, 1, 20]], False),
    ("shorter, going another way", [[0, 20]], False), ("one of it alone", [[5]], False),
    ("one of it first", [[5, 20]], False), ("one of it later", [[20, 5]], False),
    ("the other way round", [range(12, -1, -1)], False),
    ("long, reading one of it", [[*range(20, 33), 5]], False),
    ("one that goes and one that does not", [range(4), [0, 20]], False),
])
def test_chains_that_begin_alike_are_one_tree(what, others, fit, turn):
    """Or none, where a condition is asked for otherwise."""
    chains = [range(13), *others][::turn]
    new = trees(*[chain(asked(*c), 50.0 * k) for k, c in enumerate(chains)])
    if not fit:
        assert new is None
        return
    for n, c in zip(new, chains, strict=True):
        alike = [(m, o) for m, o in zip(new, chains, strict=True) if o[0] == c[0]]
        longest, whole = max(alike, key=lambda found: len(found[1]))
        assert n.inputs[0] is longest.inputs[0]  # the same question at first, and then
        assert questions(n) <= questions(longest) and jumps(longest) == len(whole)


def questions(n):
    return {m.inputs[0] for m in toposort([n]) if m.op is ifelse}


def test_a_shorter_chain_may_come_first_in_the_graph():
    """Its tree reads conditions that it did not ask for."""
    c = asked(*range(13))
    short, long = chain(c[:4]), chain(c)
    for outputs in ([short, long], [long, short], [chain(c, 9.0, short)], [chain(c, 9.0) + short]):
        assert trees(*outputs) is not None
    later = [*c[:12], T.gt(short[0], 0.0)]  # known when the shorter one is
    assert trees(short, chain(later)) is None
    later = [*c[:12], T.gt(ifelse(T.eq(K, 50), X, X * 2)[0], 0.0)]  # another's, known before it
    assert trees(short, chain(later)) is not None
    assert trees(chain(c), chain([T.gt(chain(c)[0], k) for k in range(13)])) is not None
    assert trees(short, chain(c), light=lambda i, n: not (
        i.inputs[1].data == 12 and n.inputs[0].inputs[1].data == 0)) is None


def test_chains_apart_are_judged_apart():
    """One that is no tree leaves another one alone."""
    odd = [chain(asked(0, *range(20, 32))), chain(asked(*range(13)), 50.0)]
    fine = chain(asked(*range(100, 113)), 100.0)
    new = trees(fine, *odd)
    assert [depth(n) for n in new] == [4, 13, 13]


def test_a_chain_ends_where_its_rest_is_read_or_a_condition_is_dear():
    rest = chain(asked(*range(13, 20)))
    assert trees(chain(asked(*range(8)), 50.0, rest), rest) is None
    assert trees(chain(asked(*range(13)), 50.0, rest), rest) is not None
    assert trees(chain(asked(*range(8)), 50.0, rest)) is not None
    dear = []

    def light(i, n):
        dear.append((i, n.inputs[0]))
        return i.inputs[1].data != 8

    assert trees(chain(asked(*range(16))), light=light) is None
    assert all([i is not c for i, c in dear])  # asked where the one before it is
    new, = trees(chain(asked(*range(4, 24))), light=light)
    assert depth(new) == 4 + 5  # the conditional on 8 begins a tree of its own
    in_then = ifelse(T.eq(K, 0), chain(asked(*range(1, 12))), X)
    assert trees(in_then) is None


def test_what_is_no_tree_is_none_that_fired():
    odd = [chain(asked(0, *range(20, 32))), chain(asked(*range(13)), 50.0)]
    for outputs, found in ((odd, False), (odd[:1], True), ([odd[0], odd[0] * 2, X], True)):
        log = Log()
        pool, mine = absorb(outputs)
        sides.run(mine, pool, log)
        assert ("tree" in log.fired) is found
        log = Log()
        sides.run(mine, pool, log, off=("tree",))
        assert "tree" not in log.fired
