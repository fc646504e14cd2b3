"""Kernels to loop nests (`nest.py`).

A stage becomes a job: a statement and the letters of the loops around it; a reduction two, its
start and its fold.  Neighbours with the same next letter share its loop, unless one reads of
another what that loop has not finished.  A value lives in a `Local` if one pass through the loops
that hold all its uses needs one of it, else in a buffer with the axes that are left.  Starts, and
checks of computed indices, stand in the outermost loop that binds their letters.
"""

from __future__ import annotations

import itertools
from collections import deque

import numpy as np

from symgrad.compile.kernel import Affine, Apply, Axis, Index, Lit, Load, Size, substitute, walk
from symgrad.compile.nest import Assign, Buffer, Fold, For, Local, Nest, Nonempty

ARG = ("argmax", "argmin")
WINDOW = 64  # how many jobs that must wait are looked past for one that may share a loop


def loops(kernel):
    """The loop nest of a kernel."""
    return _Nester(kernel).nest()


# -- jobs


class _Job:
    """A statement to be: the stage, what of it ('start', 'set' or 'fold'), its loops' letters."""

    __slots__ = ("stage", "what", "letters", "depth", "reads", "path")

    def __init__(self, stage, what, letters, reads=()):
        self.stage, self.what, self.letters, self.reads = stage, what, letters, reads
        self.depth, self.path = 0, ()

    @property
    def next(self):
        """The letter of the next loop around it, None if all are there."""
        return self.letters[self.depth] if self.depth < len(self.letters) else None


class _Loop:
    __slots__ = ("letter", "body")

    def __init__(self, letter, body):
        self.letter, self.body = letter, body


class _Nester:
    def __init__(self, kernel):
        self.kernel, self.length = kernel, dict(kernel.axes)
        self.rank = {letter: k for k, (letter, _) in enumerate(kernel.axes)}
        self.inline = {s.target: s for s in kernel.stages if s.inline}
        self.own = {s.target for s in kernel.stages if not s.inline}
        self.results = {r.name for r in kernel.results}
        self.names = {p.name for p in (*kernel.params, *kernel.results)} | set(self.length)
        self.names |= self.own | {str(d) for d in kernel.lengths}
        self.extra, self.homes, self.best, self.buffers = {}, {}, {}, []

    def nest(self):
        k = self.kernel
        tree = self.sequence(self.jobs(), ())
        self.place(tree)
        body = []
        for s in k.stages:
            if s.combine and s.start is None and s.over and not s.onto:
                over = tuple([self.length[x] for x in s.over])
                body.append(Nonempty(s.node.op.name if s.node else s.combine, over, s.node))
        body += self.write(tree, [], frozenset())
        return Nest(k.name, k.params, k.results, k.lengths, tuple(self.buffers), body)

    def lengths(self, at):
        return tuple([self.length[a.letter] for a in at if type(a) is Axis])

    def jobs(self):
        jobs = []
        for s in self.kernel.stages:
            if s.inline:
                continue
            outer = tuple([a.letter for a in s.at if type(a) is Axis])
            reads = self.reads(s)
            if s.onto:
                loop = s.over or outer
            else:
                loop = outer
                if s.over:
                    jobs.append(_Job(s, "start", outer))
                    loop = tuple(sorted((*outer, *s.over), key=self.rank.__getitem__))
                    if s.combine in ARG and not self.in_order(s.over):
                        loop = (*outer, *s.over)  # to meet the first of equals first
            jobs.append(_Job(s, "fold" if s.combine else "set", loop, reads))
        return jobs

    def in_order(self, letters):
        ranks = [self.rank[x] for x in letters]
        return ranks == sorted(ranks)

    def reads(self, stage):
        """(target, at) for what a stage reads of stored stages, also through names."""
        found, stack = {}, [stage.expr, *[a for a in stage.at if type(a) is Index]]
        while stack:
            for e in walk(stack.pop()):
                if type(e) is Load and (e.source, e.at) not in found:
                    found[e.source, e.at] = True
                    if e.source in self.inline:
                        stack.append(self.expanded(e))
        return [(source, at) for source, at in found if source in self.own]

    def expanded(self, load):
        """What a name stands for, at the index where it is read."""
        s = self.inline[load.source]
        at = {a.letter: b for a, b in zip(s.at, load.at, strict=True) if type(a) is Axis}
        return substitute(s.expr, at)

    # -- which jobs share loops

    def sequence(self, jobs, bound):
        """Loops and jobs in order, all inside the loops over `bound`."""
        partner = {j.stage.target: j.next for j in jobs if j.what == "fold"}
        early, rest = [], []
        for j in jobs:
            alone = j.what == "start" and (
                j.next is None or j.next != partner.get(j.stage.target))
            (early if alone else rest).append(j)
        return self.runs(early, bound) + self.runs(rest, bound)

    def runs(self, jobs, bound):
        out, waiting = [], deque(jobs)
        while waiting:
            letter = waiting[0].next
            if letter is None:
                out.append(waiting.popleft())
                continue
            run, skipped = self.run(waiting, letter)
            waiting.extendleft(reversed(skipped))
            for j in run:
                j.depth += 1
            out.append(_Loop(letter, self.sequence(run, (*bound, letter))))
        return out

    def run(self, waiting, letter):
        """The jobs, from the first on, that may share a loop over a letter; and those passed by."""
        run, skipped = [], []
        inside, outside, seen = {}, set(), set()  # written in the run; written, read by others
        while waiting and len(skipped) < WINDOW:
            j = waiting.popleft()
            if j.next == letter and self.joins(j, letter, inside, outside, seen):
                run.append(j)
                inside.setdefault(j.stage.target, []).append(j)
            else:
                skipped.append(j)
                outside.add(j.stage.target)
                seen.update([source for source, _ in j.reads])
        return run, skipped

    def joins(self, j, letter, inside, outside, seen):
        target = j.stage.target
        if target in outside or j.stage.onto and target in seen:
            return False
        if any([source in outside for source, _ in j.reads]):
            return False
        touched = list(j.reads) + ([(target, j.stage.at)] if j.stage.onto else [])
        return all([self.same_pass(w, at, letter)
                    for source, at in touched for w in inside.get(source, ())])

    def same_pass(self, writer, at, letter):
        """Whether one pass of a loop over `letter` has written all that is read of it at `at`."""
        mine = Axis(letter)
        if writer.what == "fold" and letter in writer.stage.over:
            return False
        return any([a == mine == b for a, b in zip(writer.stage.at, at, strict=True)])

    # -- where values live

    def place(self, tree):
        """A `Local` or a buffer for every stage that is no result."""
        paths, stack = {}, [(tree, ())]
        first = {s.target: s for s in reversed(self.kernel.stages) if s.target in self.own}

        def meet(target, path):
            known = paths.get(target)
            if known is None:
                paths[target] = path
            else:
                pairs = zip(known, path, strict=False)
                shared = itertools.takewhile(lambda pair: pair[0] is pair[1], pairs)
                paths[target] = tuple([a for a, _ in shared])

        while stack:
            body, path = stack.pop()
            for item in body:
                if type(item) is _Loop:
                    stack.append((item.body, (*path, item)))
                    continue
                meet(item.stage.target, path)
                for source, _ in item.reads:
                    meet(source, path)
        for target, path in paths.items():
            bound = {loop.letter for loop in path}
            s = first[target]
            left = [k for k, a in enumerate(s.at) if type(a) is Axis and a.letter not in bound]
            if target not in self.results:
                self.homes[target] = self.home(target, s, left)
            if s.combine in ARG:
                name = self.another(f"{target}_best")
                self.best[target] = self.home(name, s, left, s.expr.dtype)

    def home(self, name, stage, left, dtype=None):
        dtype = dtype or stage.dtype
        if not left:
            return Local(name, dtype), None
        lengths = self.lengths([stage.at[k] for k in left])
        self.buffers.append(Buffer(name, dtype, lengths))
        return Load(name, (), dtype), left

    # -- jobs to statements

    def write(self, tree, outside, bound):
        """Statements for jobs and loops inside the loops over `bound`; `outside`: their frames."""
        frame = _Frame(bound, self.tally(tree))
        frames = [*outside, frame]
        for item in tree:
            if type(item) is _Loop:
                body = self.write(item.body, frames, bound | {item.letter})
                frame.out.append(For(item.letter, self.length[item.letter], body))
            else:
                frame.out.extend(self.statement(item, frames))
        return frame.out

    def tally(self, tree):
        """How often the jobs of a body read each name at each index."""
        counts = {}
        stack = [j.stage.expr for j in tree if type(j) is _Job and j.what != "start"]
        while stack:
            for e in walk(stack.pop()):
                if type(e) is Load and e.source in self.inline:
                    key = e.source, e.at
                    counts[key] = counts.get(key, 0) + 1
                    if counts[key] == 1:
                        stack.append(self.expanded(e))
        return counts

    def statement(self, job, frames):
        s, arg = job.stage, job.stage.combine in ARG
        target = self.cell(self.homes.get(s.target), s.target, s.at, s.dtype, frames)
        best = self.cell(self.best[s.target], None, s.at, None, frames) if arg else None
        if job.what == "start":
            if arg:
                return Assign(target, Lit(0, s.dtype)), Assign(best, extreme(s.combine, best.dtype))
            return (Assign(target, s.start or extreme(s.combine, s.dtype)),)
        expr = self.convert(s.expr, frames)
        if job.what == "set":
            return (Assign(target, expr),)
        return (Fold(target, s.combine, expr, s.order, best, self.flat(s.over) if arg else None),)

    def flat(self, over):
        """The place of an element among those that are reduced, in row-major order."""
        total = Axis(over[0])
        for letter in over[1:]:
            n = self.length[letter]
            n = Lit(n, "int64") if isinstance(n, int) else Size(n)
            row = Apply("mul", (total, n), "int64")
            total = Apply("add", (row, Axis(letter)), "int64")
        return total

    def cell(self, home, array, at, dtype, frames):
        """Where a value is: a local, a cell of its buffer, or of an array."""
        if home is None:
            return Load(array, tuple([self.convert(a, frames) for a in at]), dtype)
        what, left = home
        if left is None:
            return what
        return Load(what.source, tuple([self.convert(at[k], frames) for k in left]), what.dtype)

    def convert(self, e, frames):
        """An expression with names put in, stages read where they live, and indices computed."""
        kind = type(e)
        if kind is Apply:
            return Apply(e.row, tuple([self.convert(a, frames) for a in e.args]), e.dtype)
        if kind is Load:
            if e.source in self.inline:
                return self.named(e, frames)
            return self.cell(self.homes.get(e.source), e.source, e.at, e.dtype, frames)
        if kind is Index:
            return self.indexed(e, frames)
        return e

    def named(self, e, frames):
        """A name: its expression, or a local if this body reads it more than once."""
        frame, key = frames[-1], (e.source, e.at)
        if key not in frame.made:
            expr = self.convert(self.expanded(e), frames)
            if frame.counts.get(key, 0) < 2:
                return expr
            frame.made[key] = self.local(e.source, e.dtype, expr, frame)
        return frame.made[key]

    def indexed(self, e, frames):
        """A computed index, as a local of the outermost body that has its letters."""
        letters = {x.letter for x in walk(e.expr) if type(x) is Axis}
        letters |= {y for x in walk(e.expr) if type(x) is Affine for _, y in x.terms}
        letters &= set(self.length)
        depth = next(k for k, f in enumerate(frames) if letters <= f.bound)
        frame = frames[depth]
        if e not in frame.made:
            inner = self.convert(e.expr, frames[:depth + 1])
            index = Index(inner, e.length, e.axis, e.op, e.node)
            frame.made[e] = self.local("at", "int64", index, frame)
        return frame.made[e]

    def local(self, name, dtype, expr, frame):
        made = Local(self.another(name), dtype)
        frame.out.append(Assign(made, expr))
        return made

    def another(self, name):
        """This name, or the like, if somebody has it."""
        for k in itertools.count(self.extra.get(name, 0)):
            found = f"{name}_{k}" if k else name
            if found not in self.names:
                self.extra[name] = k
                self.names.add(found)
                return found


class _Frame:
    """A body being written: its letters, its statements, and locals made for it."""

    __slots__ = ("bound", "counts", "made", "out")

    def __init__(self, bound, counts):
        self.bound, self.counts, self.made, self.out = bound, counts, {}, []


def extreme(combine, dtype):
    """What every value replaces or leaves as it is: where a reduction starts."""
    if combine in ("sum", "or"):
        value = 0
    elif combine in ("prod", "and"):
        value = 1
    elif dtype == "bool":
        value = combine in ("min", "argmin")
    elif np.dtype(dtype).kind == "f":
        value = float("-inf" if combine in ("max", "argmax") else "inf")
    else:
        info = np.iinfo(dtype)
        value = info.min if combine in ("max", "argmax") else info.max
    return Lit(np.asarray(value).astype(dtype).item(), dtype)
