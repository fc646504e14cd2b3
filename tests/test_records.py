"""`symgrad.records`: classes of fields behave as those of `dataclasses`."""

import copy
import dataclasses
import pickle

import pytest

from symgrad import records


@records.dataclass(frozen=True, slots=True)
class Place:
    """One that can be pickled by name."""

    row: int
    column: int = 3
    note: str = records.field(default="", compare=False, repr=False)


def both(**options):
    """The same class made by `records` and by `dataclasses`."""

    def made(module):
        @module.dataclass(**options)
        class Thing:
            a: int
            b: str = "x"
            c: list = module.field(default_factory=list)
            d: int = module.field(default=7, compare=False)
            e: float = module.field(default=0.5, repr=False)
            kind = "no field"

            @property
            def twice(self):
                return self.a * 2

        return Thing

    return made(records), made(dataclasses)


OPTIONS = [{}, {"slots": True}, {"frozen": True}, {"frozen": True, "slots": True}, {"eq": False},
           {"eq": False, "repr": False, "slots": True}]
CALLS = [(1,), (1, "y"), (1, "x", [2]), (1, "x", [], 8), (2, "x", [], 7, 1.5)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_as_dataclasses_do(options):
    mine, theirs = both(**options)
    for one in CALLS:
        a, b = mine(*one), theirs(*one)
        assert [getattr(a, n) for n in "abcde"] == [getattr(b, n) for n in "abcde"]
        assert a.twice == b.twice and a.kind == b.kind
        if options.get("repr", True):
            assert repr(a) == repr(b)
        for two in CALLS:
            assert (a == mine(*two)) == (b == theirs(*two))
        assert a != b and mine.__eq__(a, 3) is NotImplemented
        assert hasattr(a, "__dict__") == hasattr(b, "__dict__")
    assert mine.__match_args__ == theirs.__match_args__
    assert mine(1).c is not mine(1).c
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        mine()
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        mine(1, z=2)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_assigning_and_hashing(options):
    mine, theirs = both(**options)
    for cls in (mine, theirs):
        thing = cls(1)
        if options.get("frozen"):
            with pytest.raises(AttributeError, match="cannot assign to field 'a'"):
                thing.a = 2
            with pytest.raises(AttributeError, match="cannot delete field 'a'"):
                del thing.a
            assert hash(cls(1, c=())) == hash(cls(1, c=(), d=8))
            assert hash(cls(1, c=())) == hash((1, "x", (), 0.5))
        else:
            thing.a = 2
            assert thing.a == 2
        hashable = options.get("frozen") or not options.get("eq", True)
        assert (cls.__hash__ is not None) == bool(hashable)


def test_what_the_class_says_itself_stays():
    @records.dataclass(frozen=True)
    class Own:
        x: int
        y: int = records.field(default=0)

        def __post_init__(self):
            object.__setattr__(self, "y", self.x + 1)

        def __repr__(self):
            return "mine"

    assert repr(Own(1)) == "mine" and Own(1).y == 2 and Own(1, 9) == Own(1)


def test_a_copy_with_changes_and_pickles():
    a = Place(1, note="here")
    b = records.replace(a, column=5)
    assert (b.row, b.column, b.note) == (1, 5, "here")
    for same in (pickle.loads(pickle.dumps(a)), copy.copy(a), copy.deepcopy(a)):
        assert same == a and same.note == "here"
    with pytest.raises(TypeError, match="unexpected keyword"):
        records.replace(a, place=1)


def test_a_record_inside_of_itself_can_be_shown():
    mine, _ = both()
    a = mine(1)
    a.c.append(a)
    assert repr(a).count("a=1") == 1 and "..." in repr(a)


def test_errors_name_the_class():
    assert Place.__init__.__qualname__ == "Place.__init__" and Place.__module__ == __name__
