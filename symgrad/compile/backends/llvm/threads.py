"""Kernels on several threads: ``function(..., threads=k)``.

A kernel whose outermost loop writes rows that no two of its passes share is cut into pieces of
rows, if it has work enough (`LEAST`).  The pieces depend on the lengths alone, and nothing is added
up across them, so results are the same, bit for bit, for any number of threads.  Kernels that fold
over their outermost loop, or check indices, run on one.

Workers are Python threads that sleep until there is work; machine code runs without the lock of
the interpreter.  They are started by the first call that has work for them, and anew after a fork.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from queue import SimpleQueue

from symgrad.compile.backends.llvm import kernels
from symgrad.compile.backends.llvm.driver import Driver
from symgrad.compile.backends.llvm.ir import MEMORY
from symgrad.compile.backends.llvm.program import Program, State
from symgrad.compile.kernel import Affine, Apply, Axis, Index, Load, Size, walk
from symgrad.compile.nest import Assign, Fold, For, Local, expressions, statements
from symgrad.types import Dim

PIECES = 16  # into how many a kernel is cut
ROUND = 64  # rows of a piece are a multiple of it where rows are single numbers
LEAST = 400_000  # operations, about, that are worth waking a thread
_PIECE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Backend:
    """The llvm backend with programs that use up to `count` threads."""

    name = "llvm"

    def __init__(self, count):
        self.count = count

    def missing(self, plan):
        return []

    def compile(self, plan, selection=None):
        program = Threaded(plan, selection)
        program.count = self.count
        return program


def available():
    """How many threads can run at once: processors that this process may use, and what its control
    groups allow it of them."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (
        os.cpu_count() or 1)
    return min(count, allowed())


@cache
def allowed():
    """The least of the limits of the control groups; looked up once."""
    return min(granted(), default=1 << 30)


def granted(root="/sys/fs/cgroup", own="/proc/self/cgroup"):
    """Limits of this process's control groups, in whole processors."""
    try:
        with open(own) as file:
            paths = [line.strip().split(":", 2) for line in file]
    except OSError:
        return
    for _, controllers, path in [p for p in paths if len(p) == 3]:
        folder = f"{root}/{controllers}" if controllers else root
        parts = path.strip("/").split("/") if path.strip("/") else []
        for k in range(len(parts) + 1):
            limit = _limit("/".join([folder, *parts[:k]]))
            if limit is not None:
                yield max(1, int(limit))


def _limit(folder):
    try:
        if os.path.exists(f"{folder}/cpu.max"):
            with open(f"{folder}/cpu.max") as file:
                quota, period = file.read().split()
        else:
            with open(f"{folder}/cpu.cfs_quota_us") as file, open(
                    f"{folder}/cpu.cfs_period_us") as other:
                quota, period = file.read().strip(), other.read().strip()
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None


# -- workers


class Workers:
    """Threads that wait for jobs, started when the first comes."""

    def __init__(self):
        self.forget()

    def forget(self):
        """After a fork no thread is left; locks may be held by those that were."""
        self.jobs, self.count, self.lock = SimpleQueue(), 0, threading.Lock()

    def start(self, count):
        with self.lock:
            while self.count < count:
                self.count += 1
                threading.Thread(target=self.work, args=(self.jobs,), daemon=True,
                                 name=f"symgrad-{self.count}").start()

    def work(self, jobs):
        while True:
            job = jobs.get()
            job()

    def run(self, job, count):
        """Run ``job()`` on this thread and on `count` - 1 others; it takes what is left to do, and
        so may come too late for all of it."""
        self.start(count - 1)
        done = SimpleQueue()

        def helped():
            try:
                job()
            finally:
                done.put(None)

        for _ in range(count - 1):
            self.jobs.put(helped)
        error, waiting = None, count - 1
        try:
            job()
        except BaseException as raised:  # noqa: BLE001
            error = raised
        while waiting:  # others still write into the arrays of this call, whatever happens here
            try:
                done.get()
                waiting -= 1
            except BaseException as raised:  # noqa: BLE001
                error = raised
        if error is not None:
            raise error


workers = Workers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=workers.forget)


def spread(piece, block, n, rows, count):
    """Call ``piece(block, first row, rows)`` for all rows, on `count` threads."""
    left, lock = iter(range(0, n, rows)), threading.Lock()

    def job():
        while True:
            with lock:
                at = next(left, None)
            if at is None:
                return
            piece(block, at, min(rows, n - at))

    workers.run(job, min(count, -(-n // rows)))


# -- what is compiled


class Split:
    """What `Driver.calls` has for a call back that runs a kernel in pieces.  Its words: the address
    of a function, how many rows there are, how many a piece has, and what the function reads."""

    outputs = ()  # of a step: none


class ThreadedDriver(Driver):
    """A driver that hands kernels with work enough to several threads."""

    def call_kernel(self, kernel, nest, values, buffers, kind="", *more):
        d = None if buffers else rows_of(nest)
        if d is None:
            super().call_kernel(kernel, nest, values, buffers, kind, *more)
            return
        w, lengths = self.w, self.lengths
        n, around = lengths.length(d), widest(nest)
        work = lengths.mul(n, str(cost(nest)))
        for e in around:
            work = lengths.mul(work, lengths.length(e))
        memo = dict(lengths.memo)  # what is computed on one way is not there on the other
        many, one, after = w.label("many"), w.label("one"), w.label("after")
        w.branch(w.let(f"icmp sgt i64 {work}, {LEAST}"), many, one)
        w.block(one)
        super().call_kernel(kernel, nest, values, buffers, kind, *more)
        emitted = self.emitted[self.kernel_key(kernel, values, kind)]
        w.jump(after)
        w.block(many)
        lengths.memo = dict(memo)
        rows = ROUND if not around else 1
        share = w.let(f"sdiv i64 {lengths.add(n, str(PIECES * rows - 1))}, {PIECES * rows}")
        self.split(emitted, nest, d, values, n, lengths.mul(share, str(rows)))
        w.jump(after)
        w.block(after)
        lengths.memo = memo

    def split(self, emitted, nest, d, values, n, share):
        """Call back for `n` rows of a kernel in pieces of `share` rows."""
        w, name = self.w, f"{emitted.name}_piece"
        words = [w.let(f"ptrtoint ptr @{name} to i64"), n, share,
                 w.let(f"ptrtoint ptr {self.bad} to i64")]
        for v in values:
            words.append(w.let(f"ptrtoint ptr {v.pointer} to i64"))
            words += [s for s in v.strides if s != "1"]
        words += [self.lengths.length(e) for e in nest.lengths]
        if name not in self.module.functions:
            self.piece(name, emitted, nest, d, values)
        block = self.block(words)
        self.ask(Split(), block)

    def piece(self, name, emitted, nest, d, values):
        """``void piece(words, first, rows)``: the kernel on some rows of all."""
        w = self.module.function(f"define internal void @{name}(ptr %words, i64 %first, i64 %rows)")
        at = iter(range(3, 1 << 30))

        def word(kind):
            p = w.let(f"getelementptr i64, ptr %words, i64 {next(at)}")
            return w.let(f"load {kind}, ptr {p}")

        args = [f"ptr {word('ptr')}"]
        for v, array in zip(values, (*nest.params, *nest.results), strict=True):
            pointer = word("ptr")
            steps = [s if s == "1" else word("i64") for s in v.strides]
            if array.type.shape[:1] == (d,):
                far = w.let(f"mul nsw i64 %first, {steps[0]}")
                pointer = w.cell(MEMORY[array.type.dtype], pointer, far)
            args += [f"ptr {pointer}", *[f"i64 {s}" for s in steps if s != "1"]]
        for e in nest.lengths:
            read = word("i64")
            args.append(f"i64 {'%rows' if e is d else read}")
        w.let(f"call i64 @{emitted.name}({', '.join(args)})")
        w.do("ret void")
        self.module.add(name, w)


def rows_of(nest):
    """The length of the outermost loop of a nest if its passes share nothing; else None.

    A piece of rows is then the same nest with arrays that start later and are shorter: the length
    must stand for nothing else, and the letter for nothing but the first index.
    """
    if len(nest.body) != 1 or type(nest.body[0]) is not For or kernels.checks(nest):
        return None
    loop, arrays = nest.body[0], (*nest.params, *nest.results)
    d, letter = loop.length, loop.letter
    if not isinstance(d, Dim) or any(d in a.type.shape[1:] for a in arrays):
        return None
    lead = {a.name for a in arrays if a.type.shape[:1] == (d,)}
    stack = list(loop.body)
    while stack:
        s = stack.pop()
        if type(s) is For:
            if s.length is d:
                return None
            stack.extend(s.body)
            continue
        if type(s) not in (Assign, Fold):
            return None
        cell = s.cell
        if type(cell) is not Local and not (cell.source in lead and cell.at[0] == Axis(letter)):
            return None
        for e in expressions(s):
            if not apart(e, letter, d, lead):
                return None
    return d


def apart(e, letter, d, lead):
    """Whether an expression means the letter only as the first index of arrays with that many
    rows, and the length not at all."""
    kind = type(e)
    if kind is Axis:
        return e.letter != letter
    if kind is Size:
        return e.length is not d
    if kind is Affine:
        return all(x != letter and x is not d for _, x in e.terms)
    if kind is Load:
        rest = e.at
        if e.source in lead:
            if not e.at or e.at[0] != Axis(letter):
                return False
            rest = e.at[1:]
        return all(apart(a, letter, d, lead) for a in rest)
    if kind is Apply:
        return all(apart(a, letter, d, lead) for a in e.args)
    return kind is not Index or apart(e.expr, letter, d, lead)


def widest(nest):
    """The lengths of the loops inside the outermost one, down the deepest way."""
    body, found = nest.body[0].body, []
    while inner := [s for s in body if type(s) is For]:
        found.append(inner[0].length)
        body = inner[0].body
    return found


def cost(nest):
    """Operations in a pass of the innermost loops, about."""
    count = 0
    for s in statements(nest.body):
        for e in expressions(s):
            count += sum([8 if x.row in HEAVY else 1 for x in walk(e) if type(x) is Apply])
    return max(count, 1)


HEAVY = {"exp", "log", "log1p", "tanh", "sigmoid", "pow", "erf"}


# -- what runs


class Threaded(Program):
    """A program with `count` threads at most."""

    writer, count = ThreadedDriver, 1

    def state(self):
        return ThreadedState(self)


class ThreadedState(State):
    def call(self, state, number, words):
        if type(self.program.python[number]) is not Split:
            return super().call(state, number, words)
        try:
            spread(_PIECE(words[0]), ctypes.addressof(words.contents), words[1], words[2],
                   min(self.program.count, available()))
            return 0
        except BaseException as error:  # noqa: BLE001
            self.error = error
            return 1
