"""Which reads of a loop's rows leave but its last ones: a table, a letter for each kind of loop.

"k": all rows are kept; "-": only the last, of which the read takes its own; "?": the same, out of
range if there are too few steps; "!": an error when it is written.  The first five letters are for
a state that reads one row, the next for one that reads the last three, then for a mapped value;
each in the ways below.  N is the number of steps, M ten.
"""

import numpy as np
import pytest
from loops_rewritten import agree, f64, numbers, rewritten, same

import symgrad.tensor as T
from symgrad.compile.passes import apply, select
from symgrad.compile.pool import absorb, export
from symgrad.compile.rewrite import Log
from symgrad.compile.rules.loop_reads import Span, steps
from symgrad.compile.rules.loop_work import House
from symgrad.compile.rules.loops import after
from symgrad.errors import SymgradError
from symgrad.interpret import run
from symgrad.node import toposort
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.scan import loop
from symgrad.types import Type

X, J = f64(None, 3)("X"), Type("int64")("J")
M = T.constant(5, dtype="int64") - T.constant(-5, dtype="int64")
RESULTS = {"state": (1,), "deep": (1, 3), "map": ()}
WAYS = [("on", False), ("back", True), ("five on", False), ("five back", True), ("until", False)]


def made(result, way, reverse):
    """(the rows, the number of steps)."""
    n = T.constant(5, dtype="int64") if "five" in way else X.shape[0]
    x, s, taps = f64(3)("x"), f64(3)("s"), RESULTS[result] or (1,)
    reads = [s, f64(3)("r")][:len(taps)]
    new = T.tanh(reads[-1] * 0.5 + s + x)
    found = Draft(n, {x: X}, [Rows(reads, taps, T.as_tensor(numbers(max(taps), 3)), new)], {},
                  [Mapped(s * x)], T.gt(T.sum(s), 0.5) if way == "until" else None,
                  reverse).build()
    return found[result == "map"], found[2] if way == "until" else 5 if "five" in way else n


def letter(text, result, way, reverse):
    h, n = made(result, way, reverse)
    try:
        value = eval(text, {"h": h, "N": n, "J": J, "M": M})
    except SymgradError:
        return "!"
    pool, graph = absorb([value])
    new = export(apply(["loops"], graph, pool, select("-loops.unroll -loops.hoist")), pool)
    body, = [m.attrs[0] for m in toposort(new) if m.op is loop]
    kept = body.maps[0] if result == "map" else body.states[0].keep
    for many in () if kept else (0, 1, 2, 6):
        given = {X: numbers(many, 3), J: np.array(1)}
        try:
            want = run([value], given)
        except SymgradError:
            with pytest.raises(SymgradError):
                run(new, given)
        else:
            agree(want, run(new, given))
    return "k" if kept else "?" if [m for m in toposort(new) if m.op.name == "where"] else "-"


READS = {
    "h": "kkkkk kkkkk kkkkk", "h[-1]": "-k-kk -k-kk -k-kk", "h[0]": "k-k-k k-k-k k-k-k",
    "h[1]": "kkkkk k-k-k kkkkk", "h[2]": "kkkkk k-k-k kkkkk", "h[3]": "kkkkk kkkkk kkkkk",
    "h[4]": "kkkkk kkkkk kk-kk", "h[5]": "kk-kk kk-kk kk!!k", "h[-2]": "kkkkk -k-kk kkkkk",
    "h[-3]": "kkkkk -k-kk kkkkk", "h[-4]": "kkkkk kkkkk kkkkk", "h[J]": "kkkkk kkkkk kkkkk",
    "h[N]": "-k-k- -k-k- kk!!k", "h[N-1]": "kkkkk kkkkk -k-k-", "h[N+1]": "kk!!k -k-k- kk!!k",
    "h[N+2]": "kk!!k -k-k- kk!!k", "h[N-2]": "kkkkk kkkkk kkkkk", "h[-1,J]": "-k-kk -k-kk -k-kk",
    "h[-1,1:]": "-k-kk -k-kk -k-kk", "h[N,J]": "-k-k- -k-k- kk!!k",
    "h[N+2,1:]": "kk!!k -k-k- kk!!k", "h[-1:]": "-k-kk -k-kk kkkkk", "h[-2:]": "kkkkk -k-kk kkkkk",
    "h[-3:]": "kkkkk -k-kk kkkkk", "h[-4:]": "kkkkk kkkkk kkkkk", "h[:1]": "k-k-k k-k-k kkkkk",
    "h[:2]": "kkkkk k-k-k kkkkk", "h[:3]": "kkkkk k-k-k kkkkk", "h[:4]": "kkkkk kkkkk kkkkk",
    "h[:-1]": "kkkkk kkkkk kkkkk", "h[3:]": "kkkkk kkkkk kkkkk", "h[5:]": "kk-kk kk-kk kkkkk",
    "h[6:]": "kkk-k kk-kk kkkkk", "h[5:6]": "kk-kk kk-kk kkkkk", "h[4:6]": "kkkkk kkkkk kkkkk",
    "h[N:]": "-k-kk -k-kk kkkkk", "h[N-1:]": "kkkkk kkkkk kkkkk", "h[N+1:]": "-kk-k -k-kk kkkkk",
    "h[:N]": "kkkkk kkkkk kkkkk", "h[:N+1]": "kkkkk kkkkk kkkkk", "h[N:N+1]": "-k-k- -k-k- kkkkk",
    "h[N:N+2]": "-k-kk -k-k- kkkkk", "h[N+1:N+2]": "-kk-k -k-k- kkkkk",
    "h[N+1:N+4]": "-kk-k -k-kk kkkkk", "h[N+2:N+1]": "kkk-k kkk-k kkkkk",
    "h[1:N+1]": "kkkkk kkkkk kkkkk", "h[-2:-1]": "kkkkk -k-kk kkkkk",
    "h[-3:-1]": "kkkkk -k-kk kkkkk", "h[-3:-2]": "kkkkk -k-kk kkkkk",
    "h[-2:,1:]": "kkkkk -k-kk kkkkk", "h[N:,J]": "-k-kk -k-kk kkkkk",
    "h[::2]": "kkkkk kkkkk kkkkk", "h[J:]": "kkkkk kkkkk kkkkk", "h[2:1]": "kkk-k kkk-k kkkkk",
    "h[1:][-1]": "?k-kk -k-kk ?k-kk", "h[1:][0]": "kkkkk k-k-k kkkkk",
    "h[2:][-1]": "?k-kk -k-kk ?k-kk", "h[3:][-1]": "?k-kk ?k-kk ?k-kk",
    "h[4:][-1]": "?k-kk ?k-kk ?k-kk", "h[:-1][-1]": "kkkkk -k-kk kkkkk",
    "h[:-2][-1]": "kkkkk -k-kk kkkkk", "h[:-1][0]": "k?k-k k-k-k k?k-k",
    "h[:-2][0]": "k?k-k k-k-k k?k-k", "h[:-3][0]": "k?k-k k?k-k k?k-k",
    "h[:-3][2]": "kkkkk k?k-k kk!!k", "h[-2:][0]": "kkkkk -k-kk kkkkk",
    "h[-2:][1]": "kk-kk -k-kk kk-kk", "h[-1:][0]": "-k-kk -k-kk kk-kk",
    "h[-2:][-1]": "-k-kk -k-kk -k-kk", "h[-2:][N]": "kk!!k -k!!k kk!!k",
    "h[-2:][N-1]": "kk!!k -k!!k kk!!k", "h[-3:][0]": "kkkkk -k-kk kkkkk",
    "h[-3:][1:]": "kkkkk -k-kk kkkkk", "h[-4:][-1]": "-k-kk -k-kk -k-kk",
    "h[:N][0]": "k?k-k k?k-k k-k-k", "h[:N][-1]": "kkkkk kkkkk -k-k-",
    "h[:N+1][-1]": "-k-k- -k-k- -k-kk", "h[N:][0]": "-k-k- -k-k- kk!!k",
    "h[N:][1]": "-k!!k -k-k- kk!!k", "h[N:][-1]": "-k-kk -k-kk kk!!k",
    "h[N-1:][0]": "kkkkk kkkkk kk-kk", "h[N-1:][1]": "kk-kk kk-kk kk!!k",
    "h[1:][:1]": "kkkkk k-k-k kkkkk", "h[1:][-2:]": "kkkkk -k-kk kkkkk",
    "h[2:][-2:]": "kkkkk kk-kk kkkkk", "h[3:][-2:]": "kkkkk kk-kk kkkkk",
    "h[1:][N:]": "-kk-k -k-kk kkkkk", "h[1:][N]": "kk!!k -k-k- kk!!k",
    "h[1:][:-1][-1]": "kkkkk -k-kk kkkkk", "h[:-1][-2:]": "kkkkk -k-kk kkkkk",
    "h[:-1][:1]": "kkk-k k-k-k kkkkk", "h[:-1][:2]": "kkkkk k-k-k kkkkk",
    "h[:2][1:]": "kkkkk k-k-k kkkkk", "h[:2][-1:]": "kkkkk k-k-k kkkkk",
    "h[:2][-1]": "kkkkk k-k-k kkkkk", "h[J:][-1]": "kkkkk kkkkk kkkkk",
    "h[:J][0]": "kkkkk kkkkk kkkkk", "h[-3:][:-1]": "kkkkk -k-kk kkkkk",
    "h[1:][1:][-1]": "?k-kk -k-kk ?k-kk", "h[4:][-2:]": "kkkkk kk-kk kkkkk",
    "h[5:][-1:]": "kk-kk kk-kk kkkkk", "h[:-1][2:][-1]": "kkkkk ?k-kk kkkkk",
    "h[:4][-2]": "kkkkk kkk-k kkkkk", "h[:5][-3]": "kkkkk kkk-k kkkkk",
    "h[:4][-2:-1]": "kkkkk kkk-k kkkkk", "h[:2][:5][-1]": "kkkkk k-k-k kkkkk",
    "h[:2][:5]": "kkkkk k-k-k kkkkk", "h[2:][-2:][0]": "kkkkk kk-kk kkkkk",
    "h[1:][N-1:]": "kk-kk kk-kk kkkkk", "h[1:][N-1:][0]": "kk-kk kk-kk kk!!k",
    "h[1:][N-1]": "?k-k? kk-kk kk!!k", "h[2:][N-2]": "kk-kk kk-kk kk!!k",
    "h[2:][N-1]": "kk!!k kk-kk kk!!k", "h[3:][N-1]": "kk!!k ?k-k? kk!!k",
    "h[1:][N-2]": "kkkkk kkkkk kk-kk", "h[2:][N-3]": "kkkkk kkkkk kk-kk",
    "h[:-1][N]": "kk!!k -k-kk kk!!k", "h[:3][N]": "kk!!k k-!!k kk!!k",
    "h[:N][N-1]": "kkkkk kkkkk -k-k-", "h[1:][:N-1][-1]": "kkkkk kkkkk kk-kk",
    "h[:N-1][-1]": "kkkkk kkkkk kkkkk", "h[N+1:][-1]": "-k!!k -k-kk kk!!k",
    "h[N+3:][-1]": "kk!!k -k!!k kk!!k", "h[1:][:N][-1]": "?k-k? ?k-k? ?k-kk",
    "h[1:][:N]": "kkkkk kkkkk kkkkk", "h[3:][:N-1][-1]": "kk-kk ?k-k? kk-kk",
    "h[3:][:N]": "kkkkk kkkkk kkkkk", "h[3:][:N+1]": "kkkkk kkkkk kkkkk",
    "h[:2][0]": "k-k-k k-k-k k-k-k", "h[:3][:2][-1:]": "kkkkk k-k-k kkkkk",
    "h[:3][1:][:1]": "kkkkk k-k-k kkkkk", "h[-2:][:1]": "kkkkk -k-kk kkkkk",
    "h[M:]": "kkkkk kkkkk kkkkk", "h[M]": "kkkkk kkkkk kkkkk", "h[:M]": "kkkkk kkkkk kkkkk",
    "h[N:][N]": "-k!!k -k!!k kk!!k",
    "h[N:][N-1]": "-k!!k -k!!k kk!!k", "h[N+1:][N]": "-k!!k -k!!k kk!!k",
}


@pytest.mark.parametrize("text", READS)
def test_which_rows_are_kept(text):
    assert READS[text] == " ".join(["".join([letter(text, result, *way) for way in WAYS])
                                    for result in RESULTS])


def test_what_is_read_of_a_loop_that_only_another_reads_as_a_whole():
    """If nobody reads that of the other, its last row is enough; what comes of the other is."""
    x, y, z, s, a, b, r = (f64(3)(k) for k in "xyzsabr")
    n, zero = X.shape[0], T.zeros((1, 3), "float64")
    first = Draft(n, {x: X}, [Rows([s], (1,), zero, T.tanh(s + x)),
                              Rows([r], (1,), zero, T.tanh(r + s))], {}, [Mapped(r * x)]).build()
    second = Draft(n, {y: first[0][1:]}, [Rows([a], (1,), zero, T.tanh(a * y))]).build()[0]
    third = Draft(n, {x: X, z: T.exp(second[1:])}, [Rows([b], (1,), zero, T.sin(b + x))], {},
                  [Mapped(z * b)]).build()
    left = same([first[0][-1], third[0][-1]], {X: numbers(4, 3)}, "trim")
    assert not any([k.keep for m in left for k in m.attrs[0].states])
    m = f64(3, 3)("m")
    total = Draft(n, {y: first[0][1:], x: X}, [
        Rows([m], (1,), T.zeros((1, 3, 3), "float64"), m + T.outer(y, x))]).build()[0]
    left, = same(total[-1], {X: numbers(4, 3)}, "sink", "trim", passes="-loops.hoist")
    assert (len(left.attrs[0].states), len(left.attrs[0].maps)) == (1, 0)


PLACES = [(number, counted) for number in range(-2, 3) for counted in (False, True)]


def at(place, n):
    return place[0] + n * place[1]


def from_when_on(holds):
    """From how many steps on something is so, for any greater number of them; else None."""
    found = [holds(n) for n in range(20)]
    return None if not found[-1] else 20 - found[::-1].index(False) if False in found else 0


@pytest.mark.parametrize("p", PLACES)
def test_which_of_two_places_is_behind(p):
    for q in PLACES:
        assert steps(p, q) == from_when_on(lambda n, q=q: at(p, n) >= at(q, n))


@pytest.mark.parametrize("bounds", [
    [(0, False)], [(0, False), (1, False)], [(1, False), (0, False)], [(0, False), (1, True)],
    [(2, False), (0, True)], [(-1, True), (0, True), (0, False)], [],
    [(2, False), (1, True), (2, True)],
])
def test_rows_between_places(bounds):
    """The last of places to begin, the first to end, and from when on a place is between them."""
    def evident(better):
        return next((p for p in bounds if all([from_when_on(
            lambda n, p=p, q=q: better(at(p, n), at(q, n))) == 0 for q in bounds])), None)

    assert Span(bounds, []).first == evident(lambda a, b: a >= b)
    assert Span([], bounds).end == evident(lambda a, b: a <= b)
    for p in PLACES if bounds else ():
        assert Span(bounds, []).least(p) == from_when_on(
            lambda n, p=p: all([at(p, n) >= at(q, n) for q in bounds]))
        assert Span([], bounds).least(p) == from_when_on(
            lambda n, p=p: all([at(p, n) < at(q, n) for q in bounds]))


@pytest.mark.parametrize("shape", [(), (3,), (3, 2)])
def test_the_last_row_of_a_sum_is_the_sum(shape):
    rows, v, s = f64(None, *shape)("rows"), f64(*shape)("v"), f64(*shape)("s")
    total = Draft(rows.shape[0], {v: rows}, [
        Rows([s], (1,), T.zeros((1, *shape), "float64"), s + v)]).build()[0]
    new, _ = rewritten(total[-1])
    assert [n.op.name for n in toposort(new)] == ["input", "sum"]


def test_a_loop_of_which_all_is_read_is_left_alone():
    x, s = f64(3)("x"), f64(3)("s")
    made = Draft(X.shape[0], {x: X}, [Rows([s], (1,), X[:1], T.tanh(s + x))], {},
                 [Mapped(s * x)]).build()
    pool, graph = absorb(made)
    assert [a is b for a, b in zip(after(House(pool, Log(), frozenset()), graph), graph,
                                   strict=True)] == [True, True]


def test_what_is_made_after_a_loop_is_gone_through_once():
    """However many ways lead through it."""
    x, h, w = f64(3)("x"), f64(3)("h"), f64(3, 3)("w")
    value = T.dot(h, w)
    for _ in range(30):
        value = T.tanh(value) * T.sin(value)
    W = f64(3, 3)("W")
    made = Draft(X.shape[0], {x: X}, [Rows([h], (1,), X[:1], T.tanh(h + x))], {w: W},
                 [Mapped(value)]).build()
    same(made, {X: numbers(4, 3), W: numbers(3, 3)}, "sink")


@pytest.mark.parametrize("keep", [False, True])
def test_what_keeps_its_last_rows_only_goes_if_nobody_reads_it(keep):
    x, h, r = f64(3)("x"), f64(3)("h"), f64(3)("r")
    made = Draft(X.shape[0], {x: X}, [
        Rows([h], (1,), X[:1], T.tanh(h + x)), Rows([r], (1,), X[:1], T.sin(r + x), keep)], {},
        [Mapped(h * r, keep)]).build()
    left, = same(made[0], {X: numbers(4, 3)}, "trim")
    assert (len(left.attrs[0].states), len(left.attrs[0].maps)) == (1, 0)


def test_what_only_another_loop_read_goes_with_what_read_it():
    x, s, r, b, z = (f64(3)(k) for k in "xsrbz")
    n = X.shape[0]
    one = Draft(n, {x: X}, [Rows([s], (1,), X[:1], T.tanh(s + x)),
                            Rows([r], (1,), X[:1], T.sin(r + x))]).build()
    two = Draft(n, {x: X, z: T.exp(one[1])[::-1]}, [Rows([b], (1,), X[:1], T.sin(b * x))], {},
                [Mapped(z * b)]).build()
    both = Draft(n, {x: X, z: two[1]}, [Rows([s], (1,), X[:1], T.cos(s + x))], {},
                 [Mapped(z * s)]).build()
    left = same([one[0][-1], two[0][-1], both[0][-1]], {X: numbers(4, 3)}, "trim")
    assert sum([len(m.attrs[0].states) for m in left]) == 3
