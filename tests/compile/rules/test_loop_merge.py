"""Which loops become one, and what in a loop is taken for the same."""

import numpy as np
import pytest
from loops_rewritten import f64, numbers, rewritten, same

import symgrad.tensor as T
from symgrad.compile.rules.loop_merge import several
from symgrad.ops.draft import Draft, Mapped, Rows

X, Y, A, B = f64(None, 3)("X"), f64(None, 3)("Y"), f64(3)("A"), f64(3)("B")
R, Q, C = f64(1, 3)("R"), f64(1, 3)("Q"), f64()("C")
K = T.constant(np.array([0.5, 0.25, 2.0]))
N = X.shape[0]
GIVEN = {X: numbers(5, 3), Y: numbers(5, 3), A: numbers(3), B: numbers(3), R: numbers(1, 3),
         Q: numbers(1, 3), C: np.array(0.5)}


def loop(seq=X, init=R, fixed=A, step="T.tanh(s * w + x)", end=None, n=N, value="T.sin(new * s)",
         **more):
    """The results of a loop with one state and a map."""
    x, s, w = f64(3)("x"), f64(3)("s"), fixed.type("w")
    new = eval(step, {"T": T, "x": x, "s": s, "w": w})
    scope = {"T": T, "x": x, "s": s, "w": w, "new": new}
    until = None if end is None else eval(end, scope)
    return Draft(n, {x: seq}, [Rows([s], (1,), init, new)], {w: fixed},
                 [Mapped(eval(value, scope))], until, **more).build()


def left(loops):
    """How many loops there are after `merge`."""
    return len(same([r for made in loops for r in made[:2]], GIVEN, passes="-loops"))


OTHER = {"step": "s - T.sin(x * w)"}
PAIRS = {  # what is another in the second loop, and how many there are then
    "the step": ({}, 1), "the sequence": ({"seq": Y}, 1), "the fixed operand": ({"fixed": B}, 1),
    "how it begins": ({"init": Q}, 1), "both operands": ({"seq": Y, "fixed": B}, 2),
    "the number of steps": ({"n": Y.shape[0]}, 2), "the direction": ({"reverse": True}, 2),
    "what it saves": ({"save": False}, 2), "that it may end": ({"end": "T.gt(new.sum(), 99.0)"}, 2),
}


@pytest.mark.parametrize("what", PAIRS)
def test_loops_with_something_in_common_are_one(what):
    changes, count = PAIRS[what]
    assert left([loop(), loop(**OTHER | changes)]) == count
    assert left([loop(**OTHER | changes), loop()]) == count


def test_where_there_are_several_loops_over_the_same_steps():
    one, two, other = loop()[0], loop(**OTHER)[0], loop(n=Y.shape[0])[0]
    for outputs, said in (([one, two], True), ([one + two], True), ([one, one * 2.0], False),
                          ([one, other], False), ([one, other, two], True), ([X, A], False)):
        assert several(outputs) is said


BODIES = {  # another in the second loop: sequences, states, fixed operands, maps of the one loop
    "the step": (1, 2, 1, 2), "the sequence": (2, 2, 1, 2), "the fixed operand": (1, 2, 2, 2),
    "how it begins": (1, 2, 1, 2),
}


@pytest.mark.parametrize("what", BODIES)
def test_what_is_in_both_loops_is_once_in_the_one(what):
    made = [*loop(), *loop(**OTHER | PAIRS[what][0])]
    found, = same(made, GIVEN, "merge", passes="-loops")
    body = found.attrs[0]
    assert (body.seqs, len(body.states), body.fixed, len(body.maps)) == BODIES[what]
    same(made, GIVEN, "merge", passes="-merge -loops.duplicates")
    found, = same([*loop(), *loop(value="T.cos(new)")], GIVEN, passes="-loops")
    assert (len(found.attrs[0].states), len(found.attrs[0].maps)) == (1, 2)


@pytest.mark.parametrize("fixed", [C, K])
def test_a_number_or_a_constant_in_common_is_nothing(fixed):
    assert left([loop(fixed=fixed), loop(Y, fixed=fixed, **OTHER)]) == 2
    assert left([loop(fixed=fixed), loop(fixed=fixed, **OTHER)]) == 1


def test_all_operands_in_common_are_enough_without_sequences():
    def counted(factor, init=R):
        s, w = f64(3)("s"), f64()("w")
        return Draft(N, {}, [Rows([s], (1,), init, T.tanh(s * w) * factor)], {w: C}).build()

    assert left([counted(2.0), counted(3.0)]) == 1
    assert left([counted(2.0), counted(3.0, Q)]) == 2


def test_loops_are_one_through_a_third():
    first, second, third = loop(fixed=B), loop(Y, Q), loop(Y, R, B, **OTHER)
    assert left([first, second, third]) == 1
    assert left([first, second]) == 2
    assert left([loop(reverse=True), loop(reverse=True, **OTHER), first]) == 2


def test_a_loop_behind_another_is_not_merged_with_it():
    first = loop()
    behind = loop(init=first[0][-1:], **OTHER)
    assert left([first, behind]) == 2
    assert left([first, behind, loop(Y), loop(init=loop(Y)[0][-1:])]) == 2


ENDS = {  # what is another in the second loop, and how many there are then
    "the map": ({"value": "T.cos(new)"}, 1), "the limit": ({"end": "T.gt(new.sum(), 1.75)"}, 2),
    "how it begins": ({"init": Q}, 2), "the fixed operand": ({"fixed": B}, 2),
    "a sequence": ({"seq": Y}, 2), "the step": (OTHER, 2),
}


@pytest.mark.parametrize("what", ENDS)
def test_loops_that_may_end_are_one_if_their_ends_are_the_same(what):
    changes, count = ENDS[what]
    first = {"end": "T.gt(new.sum(), 1.5)", "step": "s + abs(x * w)"}
    one, two = loop(**first), loop(**first | changes)
    found = same([one[0], one[2], two[1], two[2]], GIVEN, passes="-loops")
    assert len(found) == count


def states(nexts, inits=None, taps=None, keeps=None):
    """The number of states of one loop after `duplicates`; their next ones are of s, t, … and x."""
    names, x = "stuvwz"[:len(nexts)], f64(3)("x")
    taps = taps or [(1,)] * len(nexts)
    scope = {name: f64(3)(name) for name in names}
    rows = [Rows([scope[name], *[f64(3)("more") for _ in t[1:]]], t, init, eval(
        text, scope | {"T": T, "x": x}), keep) for name, text, t, init, keep in zip(
            names, nexts, taps, inits or [R] * len(nexts), keeps or [True] * len(nexts),
            strict=True)]
    made = Draft(N, {x: X}, rows).build()
    found, = same(made, GIVEN)
    return len(found.attrs[0].states)


@pytest.mark.parametrize("nexts, count", [
    (["T.tanh(s + x)", "T.tanh(t + x)"], 1), (["T.tanh(s + x)", "T.tanh(s + x)"], 1),
    (["T.tanh(t + x)", "T.tanh(s + x)"], 1), (["T.tanh(s + x)", "T.sin(t + x)"], 2),
    (["T.tanh(t + x)", "T.tanh(u + x)", "T.tanh(s + x)"], 1),
    (["T.tanh(s + x)", "T.sin(t + x)", "T.tanh(u + x)"], 2),
    (["T.tanh(s + x)", "T.sin(t + s)", "T.tanh(u + x)", "T.sin(v + u)"], 2),
    (["T.tanh(t + x)", "T.tanh(u + x)", "T.sin(u + x)"], 3),
    (["T.tanh(s + x)", "T.tanh(s * x)", "T.tanh(t + x)"], 3),
])
def test_states_that_begin_and_go_on_alike_are_one(nexts, count):
    assert states(nexts) == count


def test_states_that_differ_in_how_they_begin_or_are_kept_are_two():
    alike = ["T.tanh(s + x)", "T.tanh(t + x)"]
    two = T.join(0, R, Q)
    assert states(alike, [R, Q]) == 2
    assert states(alike, [two, two], [(2,), (2,)]) == 1
    assert states(alike, [two, two], [(2,), (1, 2)]) == 2
    assert states(alike, keeps=[True, False]) == 2
    assert states(alike, keeps=[False, False]) == 1


def chained(count):
    """How many states are left of two chains in which each state goes on as the next one says."""
    x, rows = f64(3)("x"), []
    for _ in range(2):
        chain = [f64(3)("s") for _ in range(count)]
        rows += [Rows([s], (1,), R, T.tanh(after + x)) for s, after in
                 zip(chain, [*chain[1:], x], strict=True)]
    made = Draft(N, {x: X}, rows).build()
    found, = same(made, GIVEN)
    return len(found.attrs[0].states)


def test_long_chains_of_states_are_not_told_apart_to_their_ends():
    assert [chained(k) for k in (1, 2, 8, 9)] == [1, 2, 8, 18]


MAPS = {  # two maps, which of them keep all rows, and how many there are then
    "the same": ("v", "v", True, True, 1), "others": ("v", "v * s", True, True, 2),
    "a last row": ("v", "v", True, False, 2), "a last row first": ("v", "v", False, True, 2),
    "two last rows": ("v", "v", False, False, 2),
    "what is written": ("n", "v", True, True, 1),
    "what is written last": ("n", "v", False, True, 2),
    "a row": ("x * s", "x * s", True, True, 1),
}


@pytest.mark.parametrize("what", MAPS)
def test_maps_of_one_value_are_one(what):
    *texts, one, two, count = MAPS[what]
    x, s = f64(3)("x"), f64(3)("s")
    scope = {"x": x, "s": s, "n": T.tanh(s + x), "v": T.sin(s * x)}
    for init, keep in ((R, True), (Q, False)):
        made = Draft(N, {x: X}, [Rows([s], (1,), init, scope["n"], keep)], {}, [
            Mapped(eval(t, scope), k) for t, k in zip(texts, (one, two), strict=True)]).build()
        found, = same(made, GIVEN, passes="-loops.sink -loops.trim")
        more = "n" in texts and one and not keep
        assert len(found.attrs[0].maps) == count + more


def test_a_map_of_a_sequence_is_not_what_a_state_writes():
    x, s = f64(3)("x"), f64(3)("s")
    made = Draft(N, {x: X}, [Rows([s], (1,), R, x)], {}, [Mapped(x), Mapped(s * x)]).build()
    found, = same(made, GIVEN, passes="-loops.hoist -loops.sink -loops.trim")
    assert len(found.attrs[0].maps) == 2


def test_of_two_states_that_write_the_same_one_has_the_rows_of_a_map():
    x, s, t = f64(3)("x"), f64(3)("s"), f64(3)("t")
    new = T.tanh(s + x)
    made = Draft(N, {x: X}, [Rows([s], (1,), R, new), Rows([t], (1,), Q, new)], {},
                 [Mapped(new), Mapped(t * s)]).build()
    found, = same(made, GIVEN)
    assert len(found.attrs[0].states) == 2 and len(found.attrs[0].maps) == 1


@pytest.mark.parametrize("twice", ["x", "w"])
def test_operands_that_are_there_twice_are_there_once(twice):
    x, y, w, v, s = (f64(3)(k) for k in "xywvs")
    made = Draft(N, {x: X, y: X if twice == "x" else Y}, [Rows([s], (1,), R, T.tanh(
        s * w + x) + y * v)], {w: A, v: A if twice == "w" else B}).build()
    found, = same(made, GIVEN, "duplicates", passes="-loops.trim")
    body = found.attrs[0]
    assert (body.seqs, body.fixed) == ((1, 2) if twice == "x" else (2, 1))
    assert rewritten(made)[1]["duplicates"] == 1
