"""Where the values of a plan live, on plans that are written by hand."""

import pytest
from test_memory_order import M, N, leaf, node, plan, want

from symgrad.compile.memory import Home, Memory, Rows, Slot, assign


def lives(steps, candidates=(), **options):
    """Where values live and, in brackets, their scratch values; how many slots there are."""
    p = steps if hasattr(steps, "steps") else plan(*steps)
    memory = assign(p, p.steps, dict(candidates), want, **options)
    words = []
    for n in memory.order:
        home = memory.homes[n]
        words.append(str(home.what.number) if home.kind == "slot" else home.kind[0])
        words += [f"({' '.join([str(s.number) for s in memory.temps[n]])})"] * bool(memory.temps[n])
    return f"{' '.join(words)}; {len(memory.slots)}+{len(memory.late)}"


def chain(over=(), count=4):
    found = [leaf()]
    for _ in range(count):
        found.append(node(found[-1], over=over))
    return found[1:]


def test_buffers_are_taken_when_their_values_are_dead():
    steps = chain()
    assert lives(steps) == "0 1 0 1; 2+0"
    assert lives(steps, reuse=False) == "0 1 2 3; 4+0"
    assert lives(plan(*steps, outputs=steps[-1:])) == "0 1 0 f; 2+0"
    assert lives(plan(*steps, outputs=steps[1:2])) == "0 f 0 1; 2+0"
    steps = chain((0,))
    assert lives(steps) == "0 0 0 0; 1+0"
    assert lives(steps, inplace=False) == "0 1 0 1; 2+0"
    a, b, c, d = steps
    assert lives([a, b, c, d, node(a, over=(0,))]) == "0 1 1 1 0; 2+0"
    assert lives([a, node(leaf(), a, over=(1,))]) == "0 0; 1+0"
    assert lives([a, b, node(a, b, over=(1, 0))]) == "0 1 1; 2+0"
    assert lives([a, node(a, a, over=(0, 1)), node(leaf())]) == "0 0 1; 2+0"


@pytest.mark.parametrize("shape, dtype, own", [
    ((4, 4), "float64", False), ((4, 4), "int64", True), ((4,), "float64", True),
    ((4, 1), "float64", True), ((4, 4), "float32", True)])
def test_values_of_another_type_get_memory_of_their_own(shape, dtype, own):
    a = node(leaf())
    b = node(a, over=(0,), shape=shape, dtype=dtype)
    assert lives([a, b]) == ("0 1; 2+0" if own else "0 0; 1+0")
    c, d = node(b, how="scalar", shape=()), node(leaf())
    assert lives([a, b, c, d]) == ("0 1 s 0; 2+0" if own else "0 0 s 0; 1+0")


def test_views_and_what_is_passed_on_keep_what_they_show():
    a = node(leaf())
    for how, word in (("view", "v"), ("made", "m"), ("scalar", "s")):
        b = node(a, how=how)
        c, new = node(b, how=how), node(leaf())
        last = node(c, new, over=(0,))
        held = how != "scalar"
        assert lives([a, b, c, new, last]) == (
            f"0 {word} {word} 1 2; 3+0" if held else "0 s s 0 1; 2+0")
        last = node(b, new, over=(0,))
        assert lives([a, b, new, last]) == f"0 {word} {int(held)} {1 + held}; {2 + held}+0"
        p = plan(a, b, new, node(new), outputs=(b,))
        assert lives(p) == ("f v 0 1; 2+0" if how == "view" else
                            f"0 {word} {int(held)} {1 + held}; {2 + held}+0")
    b = node(a, how="view")
    assert lives([a, b, node(b), node(leaf())]) == "0 v 1 0; 2+0"  # it dies with its view
    assert lives([a, b, node(a, b, over=(0,))]) == "0 v 1; 2+0"
    assert lives([a, b, node(a, a, over=(0,)), node(b)]) == "0 v 1 2; 3+0"
    memory = assign(p := plan(a, b, c := node(b, how="view"), node(c)), p.steps, {}, want)
    assert [memory.base[n] for n in (a, b, c)] == [a, a, a]


def test_updates_are_written_over_their_variable():
    w, x = leaf(), leaf()
    a, seen = node(w, x), node(w, how="view")
    b, plain = node(w, x), node(a)
    for steps, updates, word in [
            ([a], {a: w}, "="), ([a], {}, "f"), ([a, b], {a: w}, "f 0"), ([b, a], {a: w}, "0 ="),
            ([a, plain], {a: w}, "= 0"), ([a], {b: w}, "f"), ([a, plain], {plain: w}, "f 0"),
            ([seen, node(w, seen)], {}, "v 0")]:
        p = plan(*steps, updates=((w, a),))
        assert lives(p, updates).replace("l", "=").partition(";")[0] == word
    both = node(w, seen)
    p = plan(seen, both, updates=((w, both),))
    assert lives(p, {both: w}) == "v f; 0+0"
    assert lives(plan(a, updates=((w, a),), outputs=(w,)), {a: w}) == "f; 0+0"


def test_scratch_values_and_blocks_of_rows():
    a = node(leaf(), temps=("float64", "int64"))
    b = node(a, temps=("float64",))
    assert lives([a, b]) == "2 (0 1) 3 (0); 4+0"
    assert lives([a, b], reuse=False) == "2 (0 1) 4 (3); 5+0"
    assert lives([node(leaf()), node(leaf(), how="made", temps=("int8",))]) == "0 m (1); 2+0"
    rows = Rows(4, (4,), 8)
    a, b = node(leaf()), None
    b = node(a, over=(0,), temps=("float64",))
    c = node(b, over=(0,))
    assert lives([a, b, c], rows={a: rows, b: rows}) == "0 0 (1) 2; 3+0"
    assert lives([a, b, c], rows={a: rows}) == "0 2 (1) 2; 3+0"
    p = plan(a, b)
    slots = assign(p, p.steps, {}, want, rows={a: rows, b: rows}).slots
    assert [s.shape for s in slots] == [(rows, 4), (rows, 4)]


def test_buffers_of_lengths_that_are_told_late():
    steps = [node(leaf(), shape=s) for s in ((M, N), (4, 4), (4, M), (M, M), (N, 4), (4, N))]
    assert lives(steps, late={M}) == "0 1 2 3 4 5; 3+3"
    assert lives(steps, late={M, N}) == "0 1 2 3 4 5; 1+5"
    assert lives(steps) == "0 1 2 3 4 5; 6+0"
    p = plan(a := node(leaf(), shape=(M,)), node(a, over=(0,), shape=(M,)), node(leaf()))
    assert lives(p, late={M}) == "0 0 1; 1+1"


# -- what a program tells of them


def test_the_value_whose_memory_a_view_is_of():
    x = leaf()
    part = node(x, leaf(), how="view", kind="view")
    passed = node(part, leaf(), kind="view")  # where only the call tells whether it is a view
    seen = node(passed, how="view", kind="view")
    a = node(seen)
    memory = Memory(base={part: x, seen: passed})
    assert [memory.source(n) for n in (x, part, passed, seen, a)] == [x, x, x, x, a]


def test_what_must_not_be_one_memory():
    w, v, x, y, number, unread = leaf(), leaf(), leaf(), leaf(), node(kind="leaf", shape=()), leaf()
    first, a = node(x), node(w, y, number)
    then, b = node(v, x), None
    b = node(v, w)
    p = plan(first, a, then, b, inputs=(x, y, number, unread), shared=(w, v),
             updates=((w, a), (v, b)))
    names = {w: "w", v: "v", x: "x", y: "y", number: "n"}

    def found(p, **leaves):
        memory = Memory((first, a, then, b), {n: Home("slot", Slot(0, "int8", ())) for n in (
            first, a, then, b)} | {{"a": a, "b": b}[k]: Home("leaf", w) if k == "a" else
                                   Home("leaf", v) for k in leaves})
        return " ".join(sorted([names[i] + names[k] for i, k in memory.overlaps(p)]))

    assert found(p, a=1, b=1) == "wx wy"
    assert found(p, a=1) == "wv wx wy"
    assert found(p, b=1) == "vw"
    assert found(p) == ""
    assert found(plan(first, outputs=(x,), inputs=(x, y, unread), shared=(w, v)), b=1) == "vw vx"


def test_bytes():
    slots = [Slot(0, "float64", (N, 3)), Slot(1, "int8", (5,)), Slot(2, "float32", ())]
    assert Memory(slots=slots).bytes({N: 2}) == 48 + 5 + 4
    with pytest.raises(KeyError):
        Memory(slots=slots).bytes({M: 2})
