"""What a call costs when there is next to nothing to compute."""
import numpy as np
from side_by_side import Work

import symgrad as sg
import symgrad.tensor as T

REPEATS = 500       # calls a round: the arguments are the same each time


def same(*args):
    """Batches for calls that all take the same arguments."""
    return lambda: [args] * REPEATS


def ten():
    return np.arange(10.0)


def add_one():
    x = T.dvector("x")
    return sg.function([x], x + 1)


def add_one_borrowed():
    x = T.dvector("x")
    return sg.function([sg.In(x, borrow=True)], sg.Out(x + 1, borrow=True))


def two_numbers():
    a, b = T.dscalars("a", "b")
    return sg.function([a, b], a * b + 1)


def by_keyword():
    x = T.dvector("x")
    f = sg.function([x], x + 1)
    return lambda x: f(x=x)


def from_list():
    x = T.dvector("x")
    return sg.function([x], x + 1)


def three_results():
    x = T.dvector("x")
    return sg.function([x], [x + 1, x * 2, T.sum(x)])


def counter():
    """An update and nothing else; what it returns is not looked at."""
    state = sg.shared(0, name="state")
    return sg.function([], [], updates=[(state, state + 1)])


def counter_by_hand():
    state = np.zeros((), np.int64)

    def count():
        np.add(state, 1, out=state)
    return count


def hand(function):
    """A by-hand side without state."""
    return lambda: function


WORKS = (
    Work("call-x+1", "x + 1 on ten numbers", same(ten()), hand(lambda x: x + 1), add_one, None),
    Work("call-x+1-borrow", "the same, result lent", same(ten()), hand(lambda x: x + 1),
         add_one_borrowed, None),
    Work("call-keyword", "the same, the argument by its name", same(ten()),
         hand(lambda x: x + 1), by_keyword, None),
    Work("call-list", "the same, a list for the array", same(ten().tolist()),
         hand(lambda x: np.asarray(x) + 1), from_list, None),
    Work("call-scalars", "a * b + 1 on two Python numbers", same(2.0, 3.0),
         hand(lambda a, b: np.float64(a) * b + 1), two_numbers, None),
    Work("call-3-results", "x + 1, x * 2 and sum(x)", same(ten()),
         hand(lambda x: [x + 1, x * 2, np.add.reduce(x)]), three_results, None),
    Work("call-update", "no argument, no result: a counter's update", same(), counter_by_hand,
         counter, None),
)
