"""What is known of lengths by numbers of steps: small tables of what the `House` of a pool says."""

import pytest

import symgrad.tensor as T
from symgrad.compile.pool import absorb
from symgrad.compile.rewrite import Log
from symgrad.compile.rules.loop_lengths import bounds, counts, rank_up
from symgrad.compile.rules.loop_work import House
from symgrad.ops.index import FULL, Slice
from symgrad.types import Tuple, Type

n, m = Type("int64")("n"), Type("int64")("m")
X, Y = Type("float64", (None, 3))("X"), Type("float64", (None, None))("Y")
ANY, FIVE = Type("float64", (None, 2))("A"), Type("float64", (5, 2))("F")
NAMES = {"T": T, "n": n, "m": m, "X": X, "Y": Y, "N": X.shape[0], "M": Y.shape[1]}


def pooled(*nodes):
    """A `House`, and nodes in its pool."""
    pool, found = absorb([n, m, ANY, FIVE, *nodes])
    return House(pool, Log(), frozenset()), *found


def said(text):
    """An expression in a pool, with n and m: (house, n, m, it)."""
    house, n, m, _, _, found = pooled(T.as_tensor_variable(eval(text, NAMES)))
    return house, n, m, found


def told(house, n, more, *rest):
    """A value as long as n and more."""
    return house.leaf(Type("float64", (house.span(n, more), *rest)))


@pytest.mark.parametrize("text, want", [
    ("n", 0), ("n + 2", 2), ("n - 2", -2), ("(n + 2) - 5", -3), ("(n - 1) + 1", 0), ("2 + n", 2),
    ("m", None), ("m + 2", None), ("n + m", None), ("m + n", None), ("n - m", None),
    ("2 - n", None), ("n * 2", None), ("T.maximum(n, 2)", None), ("T.constant(3)", None),
    ("T.constant(3) + 2", None), ("(n + m) + 2", None)])
def test_how_far_a_number_is_from_the_steps(text, want):
    house, n, _, found = said(text)
    assert house.offset(found, n) == want


@pytest.mark.parametrize("text, want", [
    ("T.constant(3)", []), ("T.constant(0)", []), ("T.constant(-1)", None), ("n", None),
    ("N", ["N"]), ("T.minimum(N, 3)", ["N"]), ("T.minimum(3, N)", ["N"]),
    ("T.minimum(N, M)", ["N", "M"]), ("T.minimum(T.minimum(4, M), N)", ["M", "N"]),
    ("T.minimum(N, n)", None), ("T.minimum(n, N)", None), ("T.minimum(N, -1)", None),
    ("T.minimum(-1, N)", None), ("T.maximum(N, 3)", None), ("N + 1", None), ("N - M", None)])
def test_what_a_number_does_not_surpass(text, want):
    house, _, _, _, _, x, y, found = pooled(X, Y, T.as_tensor_variable(eval(text, NAMES)))
    dims = {"N": x.type.shape[0], "M": y.type.shape[1]}
    assert bounds(found) == (None if want is None else [dims[k] for k in want])
    assert counts(found) is (want is not None)


PARTS = [  # (part, number, what is left of n + 2 rows): a string is n and so many
    (Slice(None, "@"), "n", "0"), (Slice(None, "@"), "n + 1", "1"),
    (Slice(None, "@"), "n + 2", "2"),
    (Slice(0, "@"), "n", "0"), (Slice(None, "@"), "n + 3", None), (Slice(None, "@"), "n - 1", None),
    (Slice(None, "@"), "m", None), (Slice(1, "@"), "n", None), (Slice("@", None), "n", None),
    (Slice("@", "@"), "n", None), (Slice(None, "@", 2), "n", None), (FULL, None, "2"),
    (Slice(0), None, "2"), (Slice(1), None, "1"), (Slice(2), None, "0"), (Slice(3), None, None),
    (Slice(-1), None, None), (Slice(None, None, 2), None, None), (Slice(None, -1), None, None),
    (Slice(None, 0), None, 0), (Slice(None, 1), None, 1), (Slice(None, 2), None, 2),
    (Slice(1, 2), None, 1), (Slice(1, 1), None, 0), (Slice(2, 2), None, 0),
    (Slice(2, 1), None, None),
    (Slice(None, 3), None, None), (Slice(1, 3), None, None), (Slice(-1, 2), None, None),
    (Slice(3, 3), None, None)]


@pytest.mark.parametrize("part, number, want", PARTS)
def test_how_long_a_part_is(part, number, want):
    house, n, _, scalar = said(number or "n")
    x = told(house, n, 2)
    inputs = (x, scalar) if number else (x,)
    expected = house.span(n, int(want)) if isinstance(want, str) else want
    assert house.cut(inputs, part, True) == expected
    assert house.cut(inputs, part) == (None if isinstance(want, int) else expected)
    other = house.leaf(Type("float64", (house.pool._fresh(0),)))
    assert house.cut((other, *inputs[1:]), part, True) is None


def test_by_how_much_a_length_surpasses_the_steps():
    house, n, m, a, five, x, steps, three = pooled(X, X.shape[0], T.constant(3))
    d = house.span(n, 2)
    assert house.span(n, 2) is d and house.span(m, 2) is not d and house.span(n) is not d
    assert [house.beyond(house.span(n, k), n) for k in (0, 1, 2)] == [0, 1, 2]
    assert [house.beyond(k, three) for k in (2, 3, 5)] == [-1, 0, 2]
    assert house.span(three, 2) == 5 and house.span(steps) is x.type.shape[0]
    assert house.beyond(x.type.shape[0], steps) == 0
    assert house.beyond(house.span(steps, 1), steps) == 1 and house.span(steps, 1) is not steps
    for length in (d, a.type.shape[0], 5):
        assert house.beyond(length, m) is None
    assert house.beyond(a.type.shape[0], n) is None and house.beyond(d, three) is None


ROWS = {  # the number of rows, and of what; what they are: the value, a part of it or a checked one
    "steps": ("n", lambda h, n: told(h, n, 0, 2), "leaf"),
    "more": ("n", lambda h, n: told(h, n, 2, 2), "subtensor"),
    "one more": ("n", lambda h, n: told(h, n, 1, 2), "subtensor"),
    "unknown": ("n", "ANY", "specify_shape"), "numbered": ("n", "FIVE", "specify_shape"),
    "three of five": ("T.constant(3)", "FIVE", "subtensor"),
    "five of five": ("T.constant(5)", "FIVE", "input"),
    "six of five": ("T.constant(6)", "FIVE", "specify_shape"),
    "three of any": ("T.constant(3)", "ANY", "specify_shape"),
    "its own": ("N", "X", "input"), "another's": ("N", "ANY", "specify_shape"),
    "at most its own": ("T.minimum(N, 3)", "X", "subtensor"),
    "at most its own, too": ("T.minimum(M, T.minimum(3, N))", "X", "subtensor"),
    "maybe fewer than none": ("T.minimum(N, m)", "X", "specify_shape"),
    "at most another's": ("T.minimum(N, 3)", "ANY", "specify_shape"),
    "at least its own": ("T.maximum(N, 3)", "X", "specify_shape"),
}


@pytest.mark.parametrize("how", ROWS)
def test_the_first_rows(how):
    """They are checked unless it is evident that there are enough."""
    text, of, want = ROWS[how]
    house, n, _, a, five, x, count = pooled(X, T.as_tensor_variable(eval(text, NAMES)))
    base = of(house, n) if callable(of) else {"ANY": a, "FIVE": five, "X": x}[of]
    rows = house.rows(base, count)
    assert (rows is base) is (want in ("leaf", "input"))
    if rows is not base:
        assert rows.op.name == want and rows.type.shape[1:] == base.type.shape[1:]
        cut = rows.inputs[0] if want == "specify_shape" else rows
        assert cut.op.name == "subtensor" and cut.inputs[0] is base
        assert cut.attrs[0][0].start is None and cut.attrs[0][1] == FULL
        assert house.beyond(rows.type.shape[0], count) == 0 or want == "subtensor"
        if want == "specify_shape":
            assert rows.inputs[1] is count and len(rows.inputs) == 3
            assert house.beyond(cut.type.shape[0], count) != 0


@pytest.mark.parametrize("more, start, want", [
    (2, 0, [(None, "@")]), (2, 2, [(2, None)]), (2, 1, [(1, None), (None, "@")]), (0, 0, []),
    (1, 1, [(1, None)])])
def test_rows_of_a_buffer(more, start, want):
    house, n, *_ = pooled()
    x = told(house, n, more, 2)
    part, found = house.part(x, n, start), []
    assert house.beyond(part.type.shape[0], n) == 0 and part.type.shape[1:] == x.type.shape[1:]
    while part is not x:
        if part.op.name == "subtensor":
            assert part.attrs[0][1:] == (FULL,)
            found.append(tuple(part.attrs[0][0][:2]))
        part = part.inputs[0]
    assert found[::-1] == want


def test_which_rows_of_a_buffer_steps_write_and_read():
    house, n, *_ = pooled()
    buffer = told(house, n, 3, 2)
    for reverse, start in ((False, 3), (True, 0)):
        assert house.written(buffer, n, 3, reverse) is house.part(buffer, n, start)
    for tap in (1, 2, 3):
        assert house.read(buffer, n, 3, tap, False) is house.part(buffer, n, 3 - tap)
        assert house.read(buffer, n, 3, tap, True) is house.part(buffer, n, tap)


def test_steps_and_more_as_a_number():
    house, n, *_, three = pooled(T.constant(3))
    assert house.steps(n) is n and house.offset(house.steps(n, 2), n) == 2
    assert [int(house.steps(three, k).data) for k in (0, 2)] == [3, 5]


def test_rows_that_are_all_the_same():
    house, n, _, a, five = pooled()
    assert house.beyond(house.stretched(a, n).type.shape[0], n) == 0
    made = house.stretched(a, n, 1)
    assert house.beyond(made.type.shape[0], n) == 1 and made.type.shape[1:] == a.type.shape
    assert made.inputs[0] is a and house.offset(made.inputs[1], n) == 1
    sizes = house.sizes(five)
    assert [int(s.data) for s in sizes] == [5, 2] and house.sizes(a)[0].op.name == "length"


@pytest.mark.parametrize("rank, shape", [(1, (5, 2)), (2, (5, 1, 2)), (3, (5, 1, 1, 2))])
def test_rows_align_with_those_of_a_larger_rank(rank, shape):
    house, *_, five = pooled()
    made = rank_up(house, five, rank)
    assert made.type.shape == shape and (made is five) is (rank == 1)


def test_lengths_that_are_said_to_be_the_same():
    house, n, _, a, five, y = pooled(Y)
    d, e = house.span(n, 2), a.type.shape[0]
    left, right = a.type.with_shape((e, d)), a.type.with_shape((d, d))
    for old, new in ((left, right), (right, right)):
        house.unite(old, new, a)
    assert house.pool.find(d) is house.pool.find(e) is e
    assert house.beyond(e, n) == house.beyond(d, n) == 2 and house.span(n, 2) is e
    assert house.settled(right).shape == (e, e) and house.settled(left) is house.settled(right)
    both = house.settled(Tuple((right, a.type)))
    assert both.items == (house.settled(right), a.type)
    p, q = y.type.shape
    house.unite(y.type.with_shape((p,)), y.type.with_shape((7,)), y)
    assert house.pool.find(p) == 7
    for other in (five.type.with_shape((house.pool._fresh(0),)),
                  y.type.with_shape((house.span(n, 1),))):
        house.unite(y.type.with_shape((q,)), other, y)
    assert house.beyond(q, n) == 1


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("younger", [False, True])
def test_what_is_told_of_a_length_is_told_of_those_that_it_is_equal_to(younger, turned):
    """Whichever of them stands for both, and whatever was equal before."""
    house, n, *_ = pooled()

    def equal(*pair):
        house.unite(*[Type("float64", (d,)) for d in pair], n)

    old, older = house.pool._fresh(None), house.pool._fresh(None)
    d = house.span(n, 2)
    e, f = (house.pool._fresh(None), house.pool._fresh(None)) if younger else (old, older)
    equal(e, f)
    equal(*((d, f) if turned else (f, d)))
    assert [house.beyond(k, n) for k in (d, e, f)] == [2, 2, 2]
    assert not house.pool._unsure


def test_steps_that_are_as_many_as_others_and_more():
    house, n, *_, x, steps = pooled(X, X.shape[0])
    d = x.type.shape[0]
    house.unite(x.type.with_shape((house.span(n, 2),)), x.type.with_shape((d,)), x)
    assert house.beyond(d, n) == 2 and house.beyond(d, steps) == 0
    assert house.span(n) not in (None, d) and house.span(steps) is d


def test_nodes_on_other_inputs_keep_what_is_known_of_their_lengths():
    house, n, _, a, five, whole, part, row, total, scalar = pooled(
        T.exp(ANY), ANY[1:], ANY[0], ANY.sum(), T.exp(FIVE.sum())[()])
    for node in (whole, part, row, total, scalar):
        assert house.remade(node, node.inputs) is node
    x = told(house, n, 2, 2)
    assert house.remade(row, (x,)).type.shape == (2,)
    assert house.remade(whole, (five,)).type.shape == (5, 2)
    rows = house.remade(part, (x,))
    assert rows.op is part.op and rows.inputs == (x,)
    assert house.beyond(rows.type.shape[0], n) == 1 and rows.type.shape[1:] == (2,)
    assert house.pool.find(part.type.shape[0]) is house.pool.find(rows.type.shape[0])
    across, = house.pool.intern([Y[:, 1:]])
    assert house.remade(across, across.inputs) is across


def test_rows_whose_number_is_known_are_told_by_it():
    house, n, *_ , part, every = pooled(ANY[1:], ANY[::2])
    x = told(house, n, 2, 2)
    assert house.beyond(house.remade(part, (x,)).type.shape[0], n) == 1
    assert house.beyond(house.remade(every, (x,)).type.shape[0], n) is None
