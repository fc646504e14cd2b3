"""A function called many times in a row, in one call: `Loops`, which `Function` is.

A native program runs the calls by itself, in chunks of about `CHUNK` seconds, so that Ctrl-C, a
progress bar and callbacks have their turn; any other runs them one by one.  The numbers are the
same, bit for bit.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext

import numpy as np

from symgrad.compile.entered import Entered
from symgrad.errors import ArgumentError, DtypeError, ShapeError
from symgrad.extras import need

CHUNK = 0.05  # seconds
BLOCK = 1 << 20  # bytes of results that are summed at a time
REDUCE = None, "mean", "sum", "last"


class Loops(Entered):
    """What a function has for loops."""

    __slots__ = ()

    def run(self, indices, *, every=None, callback=None, progress=False, reduce=None, **fixed):
        """Call the function for each of `indices` (a range, list or integer array), given to its
        one integer scalar input; or, with a number, so many times with the same arguments.

        `fixed` has the other inputs by name; the rest is as in `over`.

        >>> s = sg.shared(0.0); f = sg.function([], s * s, updates=[(s, s + 1)]); f.run(4)
        array([0., 1., 4., 9.])
        >>> i = T.lscalar("i"); x = sg.shared(np.arange(5.0)); sg.function([i], x[i]).run([3, 1, 1])
        array([3., 1., 1.])
        """
        open_ = [i for i in self.program.inputs if _indexes(i) and i.name not in fixed]
        if isinstance(indices, int | np.integer) and not isinstance(indices, bool):
            if indices < 0:
                raise ArgumentError(f"run: a function cannot be called {indices} times")
            missing = [i.name or "the index" for i in open_ if i.value is None]
            if missing:
                raise ArgumentError(f"run: {indices} calls with the same arguments need a value of "
                                    f"{missing[0]}; run(range({indices})) gives it one after "
                                    "another")
            return _Run(self, None, range(int(indices)), fixed, every, callback, progress, reduce
                        ).go()
        if len(open_) > 1:
            open_ = [i for i in open_ if i.value is None]
        if len(open_) != 1:
            raise ArgumentError(f"run: {len(open_)} inputs could take the indices; "
                                "say which with over(name=indices)")
        at = self.program.inputs.index(open_[0])
        return _Run(self, at, indices, fixed, every, callback, progress, reduce).go()

    def over(self, *, every=None, callback=None, progress=False, reduce=None, **given):
        """Call the function for each value of one integer scalar input; the others are fixed.

        Parameters
        ----------
        given : the inputs by name; the one that changes is given a range, a list or an integer
            array (shuffled, if you like)
        reduce : None stacks the results, ``(count, …)``; 'mean' and 'sum' (made in double
            precision), 'last'; results that change their shape come as a list
        callback : called as ``callback(done, results)`` after every `every` calls (1) with the
            results of the last of them; the loop ends where it returns False
        progress : True shows a bar (needs tqdm)

        Returns what a call returns, stacked or reduced.  An error, or Ctrl-C, says at which call
        it came; the updates of all calls before it stand.

        >>> i, k = T.lscalar("i"), T.dscalar("k"); x = sg.shared(np.arange(5.0))
        >>> f = sg.function([i, k], [x[i] * k, x[:i]], name="f")
        >>> f.over(i=range(3), k=10.0)
        [array([ 0., 10., 20.]), [array([], dtype=float64), array([0.]), array([0., 1.])]]
        >>> sg.function([i], x[i]).over(i=[1, 2, 3], reduce="mean")
        array(2.)
        """
        found = [k for k, i in enumerate(self.program.inputs)
                 if _indexes(i) and i.name in given and np.ndim(given[i.name]) == 1]
        if len(found) != 1:
            names = [i.name for i in self.program.inputs if _indexes(i) and i.name]
            raise ArgumentError(
                "over: one integer scalar input must be given a range, list or array of values, "
                f"not {len(found)} of them; the function has {', '.join(names) or 'none'}")
        values = given.pop(self.program.inputs[found[0]].name)
        return _Run(self, found[0], values, given, every, callback, progress, reduce).go()


def _indexes(i):
    return i.variable.type.ndim == 0 and i.variable.type.dtype[0] in "iu"


class _Run:
    """One loop: `values` are those of argument number `at`."""

    def __init__(self, f, at, values, fixed, every, callback, progress, reduce):
        if reduce not in REDUCE:
            words = ", ".join(map(repr, REDUCE))
            raise ArgumentError(f"over: reduce={reduce!r} is none of {words}")
        if every is not None and (isinstance(every, bool) or every < 1):
            raise ArgumentError(f"over: every={every!r} must be a positive number of calls")
        self.f, self.at, self.count, self.done = f, at, len(values), 0
        self.every = every or (1 if callback else None)
        self.callback, self.progress = callback, progress
        if at is None:
            self.values, args = None, f._bound([], fixed)
        else:
            i = f.program.inputs[at]
            self.values = _values(values, i)
            if at and i.name is None:
                raise ArgumentError("run: the input that takes the indices needs a name")
            args = f._bound([], {**fixed, i.name: None})  # the first may go by no name
        self.args = [a if k == at else _dense(f._accepted(k, a)) for k, a in enumerate(args)]
        self.results = _Results(f.plan.outputs, self.count, reduce)
        self.native = f._enter()
        self.chunks = self.native is not None and self.native.loops

    def go(self):
        with self._noted(), self._bar() as bar:
            limit, clock = 1, time.perf_counter
            while self.done < self.count:
                stop = min(self.count, self.done + limit)
                if self.every:
                    stop = min(stop, (self.done // self.every + 1) * self.every)
                before, start = self.done, clock()
                self._chunk(stop)
                each = (clock() - start) / (self.done - before)
                limit = max(1, min(4 * limit, int(CHUNK / max(each, 1e-9))))
                if bar is not None:
                    bar.update(self.done - before)
                if self.callback and (self.done % self.every == 0 or self.done == self.count):
                    if self.callback(self.done, self._form(self.results.latest())) is False:
                        break
        return self._form(self.results.all(self.done))

    def _chunk(self, stop):
        """Calls up to `stop`, or fewer; at least one."""
        f, results, native = self.f, self.results, self.native
        args = list(self.args)
        if self.at is not None:
            args[self.at] = self.values[self.done]
        if self.chunks and results.rows is not None and not results.lists:
            stop = min(stop, self.done + results.room())
            with native.lock:
                native.prepare(self.at, self.values)
                self.running = True
                done, strays = native.chunk(args, self.done, stop, results.rows, results.turn,
                                            results.step)
                self.done, self.running = self.done + done, False
            results.took(done, strays)
            if done:
                return
        made = f(*args)
        self.done += 1
        form = f.program.form
        results.put([made] if form == "single" else [] if form == "none" else
                    list(made.values()) if isinstance(made, dict) else made)

    def _form(self, results):
        form = self.f.program.form
        if form == "single":
            return results[0]
        return None if form == "none" else results if form == "list" else dict(
            zip(form, results, strict=True))

    def _bar(self):
        if not self.progress:
            return nullcontext()
        return need("tqdm").tqdm(total=self.count, desc=self.f.name)

    @contextmanager
    def _noted(self):
        """An error says at which call it came."""
        self.running = False
        try:
            yield
        except BaseException as error:
            done = max(self.done, self.native.reached) if self.running else self.done
            name = self.f.name or "function"
            at = "" if self.at is None or done >= self.count else (
                f", {self.f.program.inputs[self.at].name or 'index'}={self.values[done]}")
            error.add_note(f"{name}: in call {min(done + 1, self.count)} of {self.count}{at}; "
                           f"the updates of the {done} before it stand")
            raise


class _Results:
    """What the calls return: `rows`, an array for each output with room for some calls (None before
    the first call, and where an output changes its shape)."""

    def __init__(self, outputs, count, reduce):
        self.types = [o.type for o in outputs]
        self.count, self.reduce, self.turn = count, reduce, 0
        self.rows, self.lists, self.totals = None if outputs else [], {}, None
        self.step = 0 if reduce == "last" else 1
        self.free = count  # until the first results say how large they are

    def room(self):
        """How many more calls the rows have room for."""
        return self.free - self.turn

    def put(self, made):
        """The results of one call."""
        if self.rows is None:
            self._start(made)
        strays = {k: m for k, m in enumerate(made)
                  if k in self.lists or m.shape != self.rows[k].shape[1:]}
        for k, m in enumerate(made):
            if k not in strays:
                self.rows[k][self.turn] = m
        self.took(1, strays)

    def _start(self, made):
        if self.reduce in ("mean", "sum"):
            large = max([m.nbytes for m in made])
            self.free = min(self.count, max(1, BLOCK // max(1, large)))
        size = 1 if self.reduce == "last" else self.free
        self.rows = [np.empty((size, *m.shape), m.dtype) for m in made]

    def took(self, done, strays):
        """`done` calls have written their rows; `strays` of the last of them are not in theirs."""
        if strays and self.reduce in ("mean", "sum"):
            raise ShapeError(f"over: results change their shape, so there is no {self.reduce} of "
                             "them; take reduce=None for a list")
        for k, array in strays.items():
            if self.reduce == "last":
                self.rows[k] = array[None]
            else:
                if k not in self.lists:
                    self.lists[k] = [np.array(r) for r in self.rows[k][:self.turn + done - 1]]
                self.lists[k].append(array)
        self.turn += done * self.step
        if self.reduce in ("mean", "sum") and self.turn == self.free:
            self._add()

    def _add(self):
        """Sum up the rows.  How many there are at a time depends on their size alone."""
        sums = [r[:self.turn].sum(0, dtype=_wide(r.dtype)) for r in self.rows]
        self.totals = sums if self.totals is None else [
            a + b for a, b in zip(self.totals, sums, strict=True)]
        self.turn = 0

    def latest(self):
        """The results of the last call: the row before `turn`, the last one where that is 0."""
        return [self.lists[k][-1] if k in self.lists else np.array(r[self.turn - 1])
                for k, r in enumerate(self.rows)]

    def all(self, done):
        """The results of all calls."""
        if not done:
            return self._nothing()
        if self.reduce == "last":
            return [np.array(r[0]) for r in self.rows]
        if self.reduce is None:
            return [self.lists[k] if k in self.lists else r[:done]
                    for k, r in enumerate(self.rows)]
        if self.turn:
            self._add()
        return [_narrow(t / done if self.reduce == "mean" else t, r.dtype)
                for t, r in zip(self.totals, self.rows, strict=True)]

    def _nothing(self):
        shapes = [tuple([n if isinstance(n, int) else 0 for n in t.shape]) for t in self.types]
        if self.reduce is None:
            return [np.empty((0, *s), t.dtype) for s, t in zip(shapes, self.types, strict=True)]
        if self.reduce == "sum":
            return [np.zeros(s, _wide(np.dtype(t.dtype)) if t.dtype[0] in "biu" else t.dtype)
                    for s, t in zip(shapes, self.types, strict=True)]
        if self.types:
            raise ArgumentError(f"over: no calls, so there is no {self.reduce} of their results")
        return []


def _wide(dtype):
    """What results are summed in."""
    return {"b": np.int64, "i": np.int64, "u": np.uint64, "f": np.float64}.get(
        dtype.kind, np.complex128)


def _narrow(total, dtype):
    return np.asarray(total, dtype if dtype.kind in "fc" else None)


def _values(values, i):
    """The values of an integer input, as a dense array of its dtype."""
    dtype = np.dtype(i.variable.type.dtype)
    array = np.asarray(values)
    if array.ndim != 1:
        raise ShapeError(f"over: {i.name or 'the index'} needs a row of values, not {array.ndim} "
                         "dimensions")
    if array.dtype.kind not in "iu" and array.size:
        raise DtypeError(f"over: {i.name or 'the index'} is {dtype}, its values {array.dtype}")
    with np.errstate(all="ignore"):
        cast = np.ascontiguousarray(array, dtype)
    if not np.array_equal(cast, array):
        raise DtypeError(f"over: values of {i.name or 'the index'} are outside {dtype}")
    return cast


def _dense(array):
    """An array that native code takes as it is; copied only if it would not be."""
    good = not array.ndim or array.strides[-1] == array.itemsize or array.shape[-1] < 2
    return array if good and array.flags.aligned else np.require(array, requirements="CA")
