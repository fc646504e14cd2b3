"""Every error class of symgrad.  A class's docstring is its manual page: a failing program and its
repair."""

from __future__ import annotations

from difflib import get_close_matches


class SymgradError(Exception):
    """The root of all errors that symgrad raises on purpose."""


class ShapeError(SymgradError, ValueError):
    """Lengths or ranks that cannot work together.

    >>> T.dot(T.tensor("float64", (3, 4)), T.tensor("float64", (5, 6)))     # doctest: +SKIP
    ShapeError: dot: inner lengths differ, f64[3,4] and f64[5,6]

    Lengths known when a graph is built are checked there; the others when the function is called.
    A length that is unknown when the graph is built never broadcasts: say that it is 1 with
    ``T.row``, ``T.col``, ``T.tensor(dtype, (1, None))`` or ``x.dimshuffle('x', 0)``.
    """


class DtypeError(SymgradError, TypeError):
    """A dtype that an op does not take, or a value that would lose something when stored in
    another dtype.

    >>> f = sg.function([T.fvector("x")], x + 1); f(np.zeros(3))            # doctest: +SKIP
    DtypeError: x: got float64[3], wants float32[?]; cast the array or pass
    allow_input_downcast=True
    """


class ArgumentError(SymgradError, TypeError):
    """A missing, unknown or ill-typed argument of one of symgrad's functions."""


class IndexingError(SymgradError, IndexError):
    """An index out of range, or an indexing expression that makes no sense.

    >>> f = sg.function([x, y], x[T.arange(y.shape[0]), y]); f(np.eye(3), [7, 0, 1])   # doctest:
    +SKIP IndexingError: pick: index 7 is out of range for an axis of length 3
    """


class DisconnectedInputError(SymgradError, ValueError):
    """A gradient was asked for with respect to something the cost does not depend on.

    >>> sg.grad((x ** 2).sum(), wrt=y)                                       # doctest: +SKIP

    Check that ``y`` is the variable the cost was built from and not a copy; or pass
    ``disconnected_inputs='ignore'`` to get zeros.
    """


class UnusedInputError(SymgradError, ValueError):
    """An input of ``sg.function`` that no output or update needs; pass
    ``on_unused_input='ignore'``."""


class MissingInputError(SymgradError, ValueError):
    """An output depends on a variable that is not among the inputs of ``sg.function``."""


class NoDerivative(SymgradError, NotImplementedError):
    """An op on the way from the cost to ``wrt`` has no derivative."""


class RewriteLoop(SymgradError, RuntimeError):
    """Two or more rules undo one another; the message names them."""


class UnknownName(SymgradError, KeyError):
    """An unknown pass, rule, backend, option or keyword; the message lists names that are near."""

    def __str__(self):
        return str(self.args[0]) if self.args else ""


class MissingPackage(SymgradError, ImportError):
    """An optional package is needed and not installed; the message has the pip command."""


class DataError(SymgradError, OSError):
    """A data set is not on this machine and cannot be fetched, or its files are damaged."""


class CheckError(SymgradError, AssertionError):
    """A function compiled with ``mode="debug"`` computed what its graph does not say: a fault of
    symgrad, not of the program.  The message names the step, the ops, the user's lines and the
    first element that differs; please report it.
    """


class NonFiniteError(SymgradError, FloatingPointError):
    """An op made NaN or infinity of finite numbers, in a function compiled with ``mode="nan"``.

    >>> f = sg.function([x], T.log(x), mode="nan"); f(-1.0)                  # doctest: +SKIP
    NonFiniteError: log: nan from finite values; its operand is -1.0
    """


def near(name, known):
    """A hint that lists the known names closest to a mistyped one.

    >>> near("stabilize", ["stabilise", "fuse"])
    'did you mean stabilise?'
    """


    known = [str(k) for k in known]
    found = get_close_matches(str(name), known, n=3, cutoff=0.5)
    if found:
        return f"did you mean {' or '.join(found)}?"
    return f"known: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}"
