"""Every error class of symgrad.  A class's docstring is its manual page: a failing program and its
repair."""

from __future__ import annotations


class SymgradError(Exception):
    """The root of all errors that symgrad raises on purpose.

    >>> try:
    ...     T.dot(T.matrix("x"), T.tensor3("y")).eval()
    ... except sg.errors.SymgradError as error:
    ...     print(type(error).__name__)
    MissingInputError

    Each kind is also the built-in error that fits it, so ``except ValueError`` catches a
    `ShapeError`.  The first line of a message says what is wrong; the lines below show the
    variables and where in the program they were made; a hint, if there is one, is the repair.
    """


class ShapeError(SymgradError, ValueError):
    """Lengths or ranks that cannot work together.

    >>> T.dot(T.tensor("float64", (3, 4)), T.tensor("float64", (5, 6)))
    Traceback (most recent call last):
    ShapeError: dot: inner lengths differ, f64[3,4] and f64[5,6]

    The repair is where a variable got its shape:

    >>> T.dot(T.tensor("float64", (3, 4)), T.tensor("float64", (4, 6)))
    dot:f64[3,6]

    Lengths known when a graph is built are checked there; the others when the function is called.
    A length that is unknown when the graph is built never broadcasts:

    >>> x, m = T.matrix("x"), T.matrix("m")
    >>> f = sg.function([x, m], x + m); f(np.ones((1, 3)), np.ones((2, 3)))
    Traceback (most recent call last):
    ShapeError: add: lengths differ, axis 0 of m is 2, the other 1

    Say that it is 1 with ``T.row``, ``T.col``, ``T.tensor(dtype, (1, None))`` or
    ``T.addbroadcast(x, 0)``:

    >>> f = sg.function([x, m], T.addbroadcast(x, 0) + m)
    >>> f(np.ones((1, 3)), np.ones((2, 3))).shape
    (2, 3)
    """


class DtypeError(SymgradError, TypeError):
    """A dtype that an op does not take, or a value that would lose something when stored in
    another dtype.

    >>> x = T.fvector("x"); f = sg.function([x], x + 1); f(np.zeros(3))
    Traceback (most recent call last):
    DtypeError: function: x: got float64[3], wants f32[?]

    Cast the array, or let the function do it:

    >>> f(np.zeros(3, "float32"))
    array([1., 1., 1.], dtype=float32)
    >>> sg.function([x], x + 1, allow_input_downcast=True)(np.zeros(3))
    array([1., 1., 1.], dtype=float32)

    An update must have its variable's dtype.  A float64 array, or an integer divided, is often
    the reason why it has not:

    >>> W = sg.shared(np.zeros(3, "float32"), name="W")
    >>> sg.function([], updates=[(W, W + np.ones(3))])
    Traceback (most recent call last):
    DtypeError: function: the update of W has dtype float64, the shared variable float32
    >>> f = sg.function([], updates=[(W, W + np.ones(3, "float32"))])
    """


class ArgumentError(SymgradError, TypeError):
    """A missing, unknown or ill-typed argument; or Python or NumPy asks a variable for what only
    a value has.

    >>> T.sum(T.matrix("x"), axes=0)
    Traceback (most recent call last):
    ArgumentError: sum: got an unexpected keyword argument 'axes'
    >>> T.sum(T.matrix("x"), axis=0)
    sum:f64[?]

    A variable cannot be changed; an expression can differ from it in a part:

    >>> x = T.vector("x"); x[0] = 1
    Traceback (most recent call last):
    ArgumentError: x[0] = 1: a variable cannot be changed
    >>> y = T.set_subtensor(x[0], 1); y.eval({x: [5.0, 6.0]})
    array([1., 6.])
    """


class IndexingError(SymgradError, IndexError):
    """An index out of range, or an indexing expression that makes no sense.

    >>> x, y = T.matrix("x"), T.lvector("y")
    >>> f = sg.function([x, y], x[T.arange(y.shape[0]), y]); f(np.eye(3), [7, 0, 1])
    Traceback (most recent call last):
    IndexingError: pick: index 7 is out of range for axis 1 of length 3

    Here a label is no class of the matrix: labels go from 0 to 2, for it has 3 columns.

    >>> f(np.eye(3), [0, 0, 1])
    array([1., 0., 0.])
    """


class DisconnectedInputError(SymgradError, ValueError):
    """A gradient was asked for with respect to something the cost does not depend on.

    >>> x, y = T.vector("x"), T.vector("y"); sg.grad((x ** 2).sum(), wrt=y)
    Traceback (most recent call last):
    DisconnectedInputError: grad: the cost does not depend on y

    Check that ``y`` is the variable the cost was built from and not a copy; or ask for zeros:

    >>> g = sg.grad((x ** 2).sum(), wrt=y, disconnected_inputs="ignore")
    """


class UnusedInputError(SymgradError, ValueError):
    """An input of ``sg.function`` that no output or update needs.

    >>> x, y = T.scalar("x"), T.scalar("y"); f = sg.function([x, y], x ** 2)
    Traceback (most recent call last):
    UnusedInputError: function: the input y is not used by any output or update

    It is often a sign of an expression over another variable of that name.  If not:

    >>> f = sg.function([x, y], x ** 2, on_unused_input="ignore"); f(3, 0)
    array(9.)
    """


class MissingInputError(SymgradError, ValueError):
    """An output depends on a variable that is not among the inputs of ``sg.function``.

    >>> x, y = T.scalar("x"), T.scalar("y"); f = sg.function([x], x * y)
    Traceback (most recent call last):
    MissingInputError: function: an output depends on y, which is not an input

    Add it to the inputs, or say what stands in its place:

    >>> f = sg.function([x], x * y, givens={y: x + 1}); f(3)
    array(12.)
    """


class NoDerivative(SymgradError, NotImplementedError):
    """An op on the way from the cost to ``wrt`` has no derivative.

    >>> x = T.vector("x"); sg.grad(T.undefined_grad(x).sum(), x)
    Traceback (most recent call last):
    NoDerivative: undefined_grad: the derivative through this expression is undefined

    Let no derivative flow through it, if that is what you mean; give an op of your own one with
    its ``vjp`` decorator (see ``symgrad/ops/control.py``):

    >>> g = sg.grad((x * T.stop_gradient(T.floor(x))).sum(), x)
    """


class RewriteLoop(SymgradError, RuntimeError):
    """Two or more rules undo one another; the message names them.

    It is a fault of the rules, not of the program.  Until they are mended, leave one out, here
    the rule ``log1p`` of the pass ``stabilise``:

    >>> x = T.scalar("x"); f = sg.function([x], T.log(1 + x), passes="-stabilise.log1p")
    """


class RewriteGrowth(SymgradError, RuntimeError):
    """A rule was stopped, since its work grows faster than the graph, or never ends; the message
    names it.

    It is a fault of the rule, not of the program.  Such a rule makes something at which it fires
    again, ``exp(x)`` of ``exp(x + 1)``, or copies more the longer a chain is.  Until it is mended,
    leave it out, as here the rule ``log1p`` of the pass ``stabilise``:

    >>> x = T.scalar("x"); f = sg.function([x], T.log(1 + x), passes="-stabilise.log1p")
    """


class OptionError(SymgradError, ValueError):
    """An option has a value that it cannot have; the message says where that stands.

    >>> sg.config.cache = "maybe"
    Traceback (most recent call last):
    OptionError: config.cache: 'maybe' is not one of 1, true, yes, on, 0, false, no, off
    >>> with sg.options(cache="off"):
    ...     pass
    """


class UnknownName(SymgradError, KeyError):
    """An unknown pass, rule, backend, option or keyword; the message lists names that are near.

    >>> x = T.scalar("x"); f = sg.function([x], x + 1, passes="-fuze")
    Traceback (most recent call last):
    UnknownName: no pass 'fuze' in passes='-fuze': did you mean fuse?
    >>> f = sg.function([x], x + 1, passes="-fuse")
    """

    def __str__(self):
        return str(self.args[0]) if self.args else ""


class MissingPackage(SymgradError, ImportError):
    """An optional package is needed and not installed; the message has the command that installs
    it.

    ``sg.draw(f, "plan.png")`` where there is no matplotlib says ``pip install 'symgrad[train]'``.
    ``sg.draw(f, "plan.svg")`` needs none.
    """


class DataError(SymgradError, OSError):
    """A data set is not on this machine and cannot be fetched, or its files are damaged.

    ``symgrad train logistic --data mnist`` looks in the folder ``$SYMGRAD_DATA``, then among
    files fetched before, then asks public mirrors.  Without a network, set SYMGRAD_DATA to the
    folder that has the files; or take ``--data digits``, which needs none.
    """


class CheckError(SymgradError, AssertionError):
    """A function compiled with ``mode="debug"`` computed what its graph does not say: a fault of
    symgrad, not of the program.

    The message names the step, the ops, the user's lines and the first element that differs;
    please report it.  Without the pass or on the backend that is at fault the program may run:

    >>> x = T.vector("x"); f = sg.function([x], T.exp(x), mode="debug", backend="numpy")
    """


class NonFiniteError(SymgradError, FloatingPointError):
    """An op made NaN or infinity of finite numbers, in a function compiled with ``mode="nan"``.

    >>> x = T.scalar("x"); f = sg.function([x], T.log(x), mode="nan"); f(-1.0)
    Traceback (most recent call last):
    NonFiniteError: log: nan from finite values; its operands there are -1.0

    The message has the line that made the op.  Keep its operand where it has a value:

    >>> f = sg.function([x], T.log(T.maximum(x, 1e-30)), mode="nan")
    >>> float(f(-1.0)) < -69
    True
    """


def near(name, known):
    """A hint that lists the known names closest to a mistyped one.

    >>> near("stabilize", ["stabilise", "fuse"])
    'did you mean stabilise?'
    """
    known = [str(k) for k in known]
    from difflib import get_close_matches  # a program without errors does without it

    found = get_close_matches(str(name), known, n=3, cutoff=0.5)
    if found:
        return f"did you mean {' or '.join(found)}?"
    return f"known: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}"
