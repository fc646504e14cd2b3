"""Where values of a native program live and which lengths are late, on pieces written by hand."""

from test_arena_forms import F, H, J, Some, load, loops, nest

import symgrad.tensor as T
from symgrad.compile.backends.llvm.arena import (
    LATE,
    LINE,
    Arena,
    Slot,
    assign,
    late_lengths,
    met,
)
from symgrad.compile.kernel import Apply
from symgrad.compile.nest import Assign, Buffer
from symgrad.compile.plan import Place
from symgrad.types import Dim, Type

M, N, K, V = Dim("m"), Dim("n"), Dim("k"), T.lvector("v")


def value(name="", *shape, dtype=F):
    """A node that is no leaf."""
    return Some(op=Some(kind="call", name=name), type=Type(dtype, shape or (4, 4)), inputs=())


def leaf(*shape):
    return Some(op=Some(kind="leaf", name="input"), type=Type(F, shape or (4, 4)), inputs=())


def piece(kind, made, *read, over=(), buffers=(), inner=None):
    """A step that reads operands turned, but for those of `over`."""
    made.inputs = read
    names = {i: f"s{k}" for k, i in enumerate(read)} | {made: "t"}
    loads = [load(names[i]) if i in over else load(names[i], J, H) for i in read]
    own = nest(loops(Assign(load("t"), Apply("add", tuple(loads), F))), buffers=buffers)
    return Some(kind=kind, step=Some(inputs=read, outputs=(made,), body=(made,)), names=names,
                nest=own if kind == "kernel" else None, inner=inner)


def lives(pieces, roots=(), candidates=(), late=(), **options):
    """Where results and, in brackets, buffers live; how many slots there are."""
    arena = assign(Some(roots=roots), pieces, dict(candidates), late, **options)
    words = []
    for p, own in zip(pieces, arena.buffers, strict=True):
        for n in p.step.outputs:
            home = arena.homes[n]
            words.append(str(home.what.number) if home.kind == "slot" else home.kind[0])
        words += [f"({' '.join([str(s.number) for s in own])})"] * bool(own)
    return f"{' '.join(words)}; {len(arena.slots)}"


ROOM, WIDE = Buffer("b", F, (4, 4)), Buffer("b", F, (4,))


def test_where_values_live():
    x, a, b, c, d, e = leaf(), *[value() for _ in range(5)]
    chain = [piece("kernel", n, m) for n, m in ((a, x), (b, a), (c, b), (d, c))]
    assert lives(chain, [d]) == "0 1 0 f; 2"
    assert lives(chain, [d], reuse=False) == "0 1 2 f; 3"
    assert lives(chain, [b, d]) == "0 f 0 f; 1"
    assert lives(chain) == "0 1 0 1; 2"
    over = [piece("kernel", n, m, over=[m]) for n, m in ((a, x), (b, a), (c, b), (d, c))]
    assert lives(over, [d]) == "0 0 0 f; 1"
    assert lives(over, [d], inplace=False) == "0 1 0 f; 2"
    assert lives(over, [a, d]) == "f 0 0 f; 1"
    later = [*over[:2], piece("kernel", c, b, a, over=[a, b]), piece("kernel", d, c, over=[c]),
             piece("kernel", e, d, over=[d])]
    assert lives(later, [e]) == "0 1 1 1 f; 2"
    assert lives(later[:3]) == "0 1 1; 2"
    two = piece("kernel", b, a, over=[a])
    two.step.outputs, two.names[c] = (b, c), "t"
    assert lives([over[0], two]) == "0 0 1; 2"
    for kind, word in (("view", "v"), ("python", "m"), ("range", "1"), ("join", "1")):
        assert lives([over[0], piece(kind, b, a), piece("kernel", c, b, over=[b])], [c]) == (
            f"0 {word} f; {1 + word.isdigit()}")


def test_values_of_another_type_get_memory_of_their_own():
    x, a = leaf(), value()
    for b, own in ((value(), False), (value("", 4), True), (value(dtype="int64"), True)):
        steps = [piece("kernel", a, x), piece("kernel", b, a, over=[a]), piece("python", c := value(
            ), b), piece("kernel", value(), c)]
        first, second, *_ = lives(steps).partition(";")[0].split()
        assert (first != second) is own
    # but slots of numbers of one size are one
    i, j = value(dtype="int64"), value()
    steps = [piece("kernel", i, x), piece("python", a, i), piece("kernel", j, a)]
    assert lives(steps) == "0 m 0; 1"


def test_views_keep_what_they_show():
    x, a, b, c, d, e = leaf(), *[value() for _ in range(5)]
    steps = [piece("kernel", a, x), piece("view", b, a), piece("view", c, b),
             piece("kernel", d, c, over=[c]), piece("kernel", e, d)]
    assert lives(steps) == "0 v v 1 0; 2"
    assert lives(steps, [c]) == "0 v v 1 2; 3"
    arena = assign(Some(roots=()), steps, {}, ())
    assert [arena.base[n] for n in (a, b, c, d)] == [a, a, a, d]
    steps = [piece("kernel", a, x), piece("view", b, a), piece("kernel", d, a, b, over=[a, b])]
    assert lives(steps) == "0 v 1; 2"


def test_buffers_of_kernels():
    x, a, b, c = leaf(), value(), value(), value()
    steps = [piece("kernel", a, x, buffers=[ROOM, ROOM]), piece("kernel", b, a, buffers=[WIDE]),
             piece("loop", c, b, inner=Some(buffers=[ROOM, WIDE]))]
    assert lives(steps) == "2 (0 1) 1 (3) 0 (2 3); 4"
    assert lives(steps, reuse=False) == "2 (0 1) 4 (3) 7 (5 6); 8"


def test_updates_are_written_over_their_variable():
    w, a, b = leaf(), value(), value()
    over, apart = piece("kernel", a, w, over=[w]), piece("kernel", a, w)
    after, new = piece("kernel", b, w, a), piece("kernel", a, leaf())
    for steps, words in [([over], "l; 0"), ([apart], "f; 0"), ([over, after], "f 0; 1"), (
            [new], "l; 0"), ([new, after], "f 0; 1"), ([piece("python", a, w)], "m; 0"),
            ([piece("view", a, w)], "v; 0"), ([piece("kernel", b, w), over], "0 l; 1")]:
        assert lives(steps, [a], {a: w}) == words
    assert lives([over], [a, w], {a: w}) == "f; 0"
    assert lives([over], [a], {b: w}) == "f; 0"


def test_lengths_that_are_known_too_late_for_the_arena():
    x, a, b, c = leaf(), value("", N, 4), value("", 4), value("", M, 4)
    rows, more = Buffer("b", F, (N, 4)), Buffer("b", F, (Some(base=N), 4))
    steps = [piece("kernel", a, x), piece("kernel", b, a, buffers=[rows, more, WIDE]),
             piece("kernel", c, b)]
    assert lives(steps, late={N}) == f"f 1 ({LATE} {LATE} 0) 2; 3"
    assert lives(steps, late={M}) == "0 4 (1 2 3) f; 5"


def test_a_join_before_there_is_an_arena():
    x, a, b, c = leaf(), value(), value(), value()
    steps = [piece("join", a, x), piece("join", b, a), piece("kernel", c, b)]
    assert lives(steps) == lives(steps, front=0)
    assert [lives(steps, front=k) for k in (0, 1, 2, 3)] == [
        "0 1 0; 2", "f 0 1; 2", "f f 0; 1", "f f 0; 1"]


def test_what_must_not_be_one_memory():
    w, v, x, y, z, unread = [leaf() for _ in range(6)]
    a, b, c = value(), value(), value()
    steps = [piece("kernel", c, x), piece("kernel", a, w, y, over=[w]),
             piece("kernel", b, v, c, z, over=[v])]
    plan = Some(roots=(a, b), inputs=(x, y, z, unread), shared=(v, w))
    arena = assign(plan, steps, {a: w, b: v}, ())
    assert sorted(arena.overlaps(plan, steps)) == [(1, 1), (2, 0), (2, 1)]
    plan = Some(roots=(a, b, x), inputs=(x, y, z, unread), shared=(v, w))
    assert sorted(arena.overlaps(plan, steps)) == [(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)]
    assert not assign(plan, steps, {}, ()).overlaps(plan, steps)


def test_bytes():
    slots = [Slot(0, F, (N, 3)), Slot(1, "int8", ()), Slot(2, "float32", (16,)),
             Slot(3, "float32", (17,))]
    assert [s.bytes({N: 5}) for s in slots] == [2 * LINE, LINE, LINE, 2 * LINE]
    assert Arena(slots=slots).bytes({N: 0}) == 4 * LINE
    assert LINE == 64


# -- lengths


def number(known=None):
    """A number that is computed, or one that is known: a constant, or a length."""
    return T.sum(V) if known is None else T.constant(known, "int64") if isinstance(
        known, int) else T.shape(T.tensor(F, (known,), "l"))[0]


def place(length, binds):
    return Place(None, 0, length, binds, None)


def test_which_lengths_are_late():
    count, x = number(), value()
    for kind, own, front, late in [
            ("python", None, (), {M, N}), ("kernel", 3, (), {M, N}), ("loop", None, (), {M, N}),
            ("loop", 3, (), {M}), ("loop", K, (), {M}), ("loop", M, (), {M, N}),
            ("loop", None, (count,), {M}), ("range", None, (), {M, N}), ("range", 3, (), {M}),
            ("range", None, (count,), {M}), ("range", M, (), {M, N})]:
        n = count if own is None else number(own)
        loop = value("", N, 4)
        loop.op = Some(kind=kind if kind == "loop" else "call", name="arange")
        loop.inputs = (n, n)
        first = Some(kind="python", step=Some(body=(x,), outputs=(x,)))
        then = Some(kind=kind, step=Some(body=(loop,), outputs=(loop,)))
        plan = Some(places={x: [place(M, True), place(K, False)], loop: [place(N, True)]})
        before = [Some(step=Some(outputs=(f,))) for f in front]
        assert late_lengths(plan, [first, then], before) == late, (kind, own)
    entered = value("", N)
    entered.op, entered.inputs = Some(kind="loop", name="loop"), (T.lscalar("n"),)
    then = Some(kind="loop", step=Some(body=(entered,), outputs=(entered,)))
    assert not late_lengths(Some(places={entered: [place(N, True)]}), [then])


def test_what_must_be_known_before_a_loop():
    loop, one, two = value(), value("", N, M, 3), value("", N, 5)
    loop.op = Some(kind="loop", name="loop")
    p = Some(step=Some(body=(loop,), outputs=(one, two)))
    for n, first in ((None, []), (3, [3]), (K, [K])):
        loop.inputs = (number(n),)
        assert list(met(p, Some(places={}))) == [*first, M, 3, 5]
    places = {one: [place(N, True), place(M, False)], two: [place(N, False)],
              loop: [place(K, False)]}
    assert list(met(p, Some(places=places))) == [K, M, 3, 5, M]
