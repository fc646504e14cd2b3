"""In which order the steps of a plan run, on plans that are written by hand."""

from types import SimpleNamespace

from symgrad.compile.memory import Want, schedule
from symgrad.compile.plan import Place
from symgrad.ops.index import Slice
from symgrad.types import Dim, Type

M, N = Dim("m"), Dim("n")
PART = Slice(None, 2, 1)


class Some(SimpleNamespace):
    """Whatever has these attributes; one that is only itself."""

    __eq__, __hash__ = object.__eq__, object.__hash__


def node(*inputs, how="out", over=(), temps=(), shape=(4, 4), dtype="float64", kind="call",
         name="op"):
    """A node with what a backend wants for it."""
    return Some(op=Some(kind=kind, name=name, identity=0), inputs=inputs, type=Type(dtype, shape),
                want=Want(how, over, temps), attrs=())


def leaf(*shape):
    return node(kind="leaf", shape=shape or (4, 4))


def plan(*steps, inputs=(), shared=(), outputs=(), updates=(), places=()):
    steps = [Some(body=s if isinstance(s, tuple) else (s,)) for s in steps]
    places = {n: [Place(n, 0, d, binds, None) for d, binds in found] for n, found in places}
    return Some(steps=steps, inputs=inputs, shared=shared, outputs=outputs, updates=updates,
                places=places, roots=(*outputs, *[v for _, v in updates]))


def want(n):
    return n.want


def ordered(p, *args, **options):
    """(the numbers of the steps in order, how many come first, the updates in place)."""
    steps, front, candidates = schedule(p, want, *args, **options)
    updates = [v for _, v in p.updates]
    return "".join([str(p.steps.index(s)) for s in steps]), front, [
        updates.index(v) for v in candidates]


# -- what comes last


def test_updates_in_place_come_last():
    w, v, x = leaf(), leaf(), leaf()
    a, b = node(w, x, over=(0,)), node(x, v, over=(0, 1))
    c = node(x)
    updates = (w, a), (v, b)
    assert ordered(plan(a, b, c, updates=updates)) == ("201", 0, [0, 1])
    assert ordered(plan(a, b, c, updates=updates), False) == ("012", 0, [])
    assert ordered(plan(a, b, c, updates=updates, outputs=(a,))) == ("021", 0, [1])
    assert ordered(plan(c, updates=((w, x), (v, v))), may=lambda n, v: True) == ("0", 0, [])
    other = node(w, over=(0,), dtype="float32")
    assert ordered(plan(other, b, c, updates=((w, other), (v, b)))) == ("021", 0, [1])
    for over, found in (((), []), ((1,), []), ((0,), [0]), ((1, 0), [0])):
        a = node(w, x, over=over)
        assert ordered(plan(a, c, updates=((w, a),))) == ("10" if found else "01", 0, found)
        assert ordered(plan(a, c, updates=((w, a),)), may=lambda n, v: v is w) == ("10", 0, [0])
        assert ordered(plan(a, c, updates=((w, a),)), may=lambda *pair: False) == ("01", 0, [])


def test_what_may_fail_comes_before_a_variable_is_written():
    w, v, x = leaf(), leaf(), leaf()
    a, b = node(w, over=(0,)), node(v, over=(0,))
    after, then, bad, free = node(a), None, None, node(x)
    then = node(after, a)
    bad = node(then)
    risk = [(bad, [(N, True)])]
    updates = (w, a), (v, b)
    for places, front, found in ((risk, "01234", []), ([], "40123", [0])):
        p = plan(a, after, then, bad, free, updates=updates[:1], places=places)
        assert ordered(p) == (front, 0, found)
    p = plan(a, after, then, bad, b, free, updates=updates, places=risk)
    assert ordered(p) == ("012354", 0, [1])
    assert ordered(p, sure=lambda s: s.body[0] is bad) == ("501234", 0, [0, 1])
    assert ordered(p, sure=lambda s: s.body[0] is not bad) == ("012354", 0, [1])
    together = node(a, b)  # reads both
    p = plan(a, b, together, node(together), free, updates=updates)
    assert ordered(p) == ("40123", 0, [0, 1])
    p = plan(a, b, together, bad := node(together), free, updates=updates,
             places=[(bad, [(4, False)])])
    assert ordered(p) == ("01234", 0, [])
    inside = node(a)  # in one step with a
    p = plan((a, inside), bad := node(inside), free, updates=updates[:1],
             places=[(bad, [(4, False)])])
    assert ordered(p) == ("012", 0, [])
    p = plan((a, inside), free, updates=updates[:1], places=[(inside, [(4, False)])])
    assert ordered(p) == ("01", 0, [])


# -- what comes first


def light(*inputs, **options):
    return node(*inputs, **{"how": "made"} | options)


def front(*steps, places=(), **options):
    p = plan(*steps, places=[(n, [(N, True)]) if isinstance(n, Some) else n for n in places],
             **options)
    order, count, _ = ordered(p)
    return order[:count]


def test_steps_that_tell_lengths_come_first():
    x, k = leaf(), leaf(1)
    heavy, part, number = node(x), light(x), light(k, how="scalar", shape=())
    assert front(heavy, part, places=[part]) == "1"
    assert front(heavy, part) == front(heavy, part, number, places=[heavy]) == ""
    cut = light(x, number)
    assert front(heavy, number, cut, places=[cut]) == "12"
    cut = light(heavy)
    assert front(heavy, cut, places=[cut]) == front(heavy, cut, light(cut), places=[cut]) == ""
    loop = light(k, x, kind="loop")
    assert front(loop, heavy, places=[loop]) == ""
    assert front(number, (part, node(part)), places=[part]) == ""
    assert front(number, (part, light(part)), places=[part]) == "1"
    mixed = light(heavy, part)
    assert front(heavy, part, mixed, places=[mixed]) == ""


def test_numbers_that_count_rows_come_first():
    x, k = leaf(), leaf(1)
    half, number = [node(k, how="scalar", shape=()) for _ in range(2)]
    number.inputs = (half,)
    rows = node(k, number, k, name="arange")
    x1 = node(x)
    assert front(x1, (half, number), rows) == "1"
    assert front(x1, half, number, rows) == "12"
    assert front(x1, half, number, node(number, x, kind="loop")) == "12"
    assert front(x1, half, number, node(x, number, kind="loop")) == ""
    assert front(x1, half, number, node(x, number, x)) == ""
    assert front(x1, half, number, node(number, x, x, name="arange")) == ""


def test_lengths_that_are_compared_must_be_there():
    x, y = leaf(), leaf()
    part, other, third, heavy = light(x), light(y), light(x), node(x)
    cut = light(part)
    told, asked, known = (N, True), (N, False), (4, False)
    assert front(heavy, part, places=[(part, [known])]) == "1"
    assert front(heavy, part, places=[(part, [asked])]) == ""
    assert front(heavy, part, places=[(heavy, [told]), (part, [asked])]) == ""
    assert front(heavy, part, places=[(heavy, [told]), (part, [(M, True), asked])]) == ""
    assert front(heavy, part, places=[(part, [told, asked])]) == "1"
    assert front(heavy, part, inputs=(y,), places=[(y, [told]), (part, [asked])]) == "1"
    assert front(heavy, part, shared=(y,), places=[(y, [told]), (part, [asked])]) == "1"
    assert front(heavy, part, places=[(y, [told]), (part, [asked])]) == ""
    assert front(heavy, part, other, places=[(part, [told]), (other, [asked])]) == "12"
    assert front(heavy, part, other, third, places=[
        (part, [told]), (other, [(M, True)]), (third, [(M, False), asked])]) == "123"
    assert front(heavy, part, cut, places=[(part, [told]), (cut, [asked])]) == "12"
    assert front(heavy, part, cut, places=[(part, [asked]), (cut, [told])]) == "12"


def test_parts_that_are_there_for_sure():
    """An update is in place where what is made of it cannot fail."""
    for part, shape, sure in [
            ((3, 0), (4, 4), True), ((4, 0), (4, 4), False), ((0, 4), (4, 4), False),
            ((-1, 0), (4, 4), False), ((2, N), (4, 4), False), ((0, 0), (4, N), False),
            (("@", 0), (4, 4), False), ((0, "@"), (4, 4), False),
            ((PART, 0), (4, N), False), ((PART, 0), (N, 4), True), ((0, PART), (4, N), True)]:
        w = leaf(*shape)
        a = node(w, over=(0,), shape=shape)
        cut = node(a, name="subtensor")
        cut.attrs = (part, None)
        assert ordered(plan(a, cut, updates=((w, a),)))[2] == [0] * sure, (part, shape)
    other = node(a, kind="reduction")
    other.op.identity = None
    assert ordered(plan(a, other, updates=((w, a),)))[2] == []
