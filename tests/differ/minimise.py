"""Makes a program that fails smaller, as long as the same variant fails in the same way, and writes
it as a test that stands alone."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from pathlib import Path

import numpy as np

from symgrad.interpret import run

from .check import Outcome, Subject
from .program import IMPORTS, Program, helpers_of
from .spelled import array

PATIENCE = 30.0  # seconds that one attempt may take
ATTEMPTS = 600


def folder():
    """Where tests go that are written for failures: ``SYMGRAD_FAILURES``, or a folder for temporary
    files."""
    named = os.environ.get("SYMGRAD_FAILURES")
    where = Path(named or Path(tempfile.gettempdir()) / "symgrad-differ")
    where.mkdir(parents=True, exist_ok=True)
    return where


def guarded(function, *args):
    """What a function returns in a process of its own: 'crash' if that dies, 'hang' if it takes too
    long, None if it raises."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(False)

    def child():
        try:
            there.send(function(*args))
        except BaseException:  # noqa: BLE001
            there.send(None)
        there.close()
        os._exit(0)

    process = context.Process(target=child)
    process.start()
    there.close()
    try:
        if not here.poll(PATIENCE):
            process.kill()
            return "hang"
        return here.recv()
    except EOFError:
        return "crash"
    finally:
        process.join()


def verdict(program, passes, backend):
    """The kind of fault that a variant of a program shows, or '' (in this process)."""
    found = Subject(program).run("", passes, backend, Outcome())
    return found.kind if found else ""


class Minimiser:
    """Smaller and smaller programs in which one variant fails in one way."""

    def __init__(self, program, finding, isolate=True):
        self.best, self.finding, self.isolate = program, finding, isolate
        self.attempts, self.seen = 0, set()

    def fails(self, program):
        """Whether it does so still."""
        if program in self.seen or self.attempts >= ATTEMPTS:
            return False
        self.seen.add(program)
        self.attempts += 1
        args = program, self.finding.passes, self.finding.backend
        if self.isolate:
            return guarded(verdict, *args) == self.finding.kind
        try:
            return verdict(*args) == self.finding.kind
        except Exception:  # noqa: BLE001 - it is no program any more
            return False

    def try_(self, **changes):
        new = self.best.less(**changes)
        if new != self.best and self.fails(new):
            self.best = new
            return True
        return False

    def run(self):
        """The smallest that was found."""
        while True:
            before = self.best
            for step in (self.roots, self.calls, self.cuts, self.lines, self.lengths, self.arrays):
                step()
            if self.best == before or self.attempts >= ATTEMPTS:
                return self.best

    # -- ways to make it smaller

    def roots(self):
        """Fewer outputs and updates, first only one of them."""
        p = self.best
        for o in p.outputs:
            if self.try_(outputs=(o,), updates=()):
                return
        for u in p.updates:
            if self.try_(outputs=(), updates=(u,)):
                return
        for o in p.outputs:
            self.try_(outputs=tuple([x for x in self.best.outputs if x != o]))
        for u in p.updates:
            self.try_(updates=tuple([x for x in self.best.updates if x != u]))

    def calls(self):
        for k in range(len(self.best.sizes)):
            if len(self.best.sizes) > 1 and self.try_(sizes=(self.best.sizes[k],)):
                return
        while len(self.best.sizes) > 1 and self.try_(sizes=self.best.sizes[:-1]):
            pass

    def cuts(self):
        """A value becomes an input: what made it is not needed any more."""
        for line in reversed(self.best.lines):
            name, _, text = line.partition(" = ")
            if line not in self.best.lines or not name.isidentifier() or text.startswith("Type("):
                continue
            made = self.as_input(name)
            if made is not None:
                self.try_(**made)

    def as_input(self, name):
        """The changes that make a value an input with an array of its shape."""
        p = self.best
        try:
            scope, request = p.build()
            calls = p.calls(scope)
            node = scope[name]
            shape = run([node], dict(zip(request.leaves, calls[0], strict=True)))[0].shape
        except Exception:  # noqa: BLE001 - it is not among what can be cut
            return None
        dtype = node.type.dtype
        if name in p.inputs or dtype == "tuple" or node.op.name == "shared":
            return None
        lengths = {d: w for w, d in zip("kmn", reversed(p.sizes[0]), strict=True)}
        told = "".join([f"{lengths.get(d, d)}, " for d in shape])
        types = tuple([d if isinstance(d, int) else None for d in node.type.shape])
        low = ", low=0, high=3" if np.dtype(dtype).kind in "iu" else ""
        lines = tuple([f"{name} = Type({dtype!r}, {types})({name!r})"
                       if line.startswith(f"{name} = ") else line for line in p.lines])
        data = (*p.data, f"{name}_ = draw({len(p.data)}, {told}dtype={dtype!r}{low})")
        return {"lines": lines, "data": data, "inputs": (*p.inputs, name)}

    def lines(self):
        """A value becomes one of its operands."""
        for line in reversed(self.best.lines):
            name, _, text = line.partition(" = ")
            if not name.isidentifier() or line not in self.best.lines:
                continue
            known = [head for head in [x.partition(" = ")[0] for x in self.best.lines]
                     if head.isidentifier() and head != name]
            for other in [w for w in known if w in Program.words(text)]:
                if text != other and self.try_(lines=tuple([
                        f"{name} = {other}" if x == line else x for x in self.best.lines])):
                    break

    def lengths(self):
        for at in range(3):
            for small in (1, 2, 3, 4):
                sizes = tuple([(*s[:at], min(small, s[at]), *s[at + 1:]) for s in self.best.sizes])
                if sizes != self.best.sizes and self.try_(sizes=sizes):
                    break

    def arrays(self):
        """Arrays laid out row by row, of few digits."""
        try:
            scope, _ = self.best.build()
            calls = self.best.calls(scope)
        except Exception:  # noqa: BLE001
            return
        for name, a in zip(self.best.inputs, calls[0], strict=True):
            a = np.asarray(a)
            mine = [d for d in self.best.data if d.startswith(f"{name}_")]
            others = tuple([d for d in self.best.data if d not in mine])
            plain = [d for d in mine if d.startswith(f"{name}_ = draw(") and d.endswith(")")]
            if mine == plain and len(mine) == 1:
                continue
            for b in (np.round(a * 4) / 4 if a.dtype.kind in "fc" else a, a):
                text = array(np.ascontiguousarray(b).astype(a.dtype))
                if text and self.try_(data=(*others, f"{name}_ = {text}")):
                    break


def minimised(program, finding, isolate=True):
    """The smallest program that was found in which the variant of a finding fails in its way."""
    return Minimiser(program, finding, isolate).run()


# -- a test that stands alone


def test_text(program, finding):
    """A test file that fails as the finding says: it needs NumPy, pytest and symgrad."""
    p = program
    args = ", ".join([f"{i}_" for i in p.inputs])
    options = f"passes={finding.passes!r}, floatX={p.floatX!r}, cache=False"
    body = [f"sizes = {p.sizes!r}", "n, m, k = sizes[0]", f"with sg.options({options}):",
            *[f"    {line}" for line in p.lines],
            f"    {p.function(f', backend={finding.backend!r}')}",
            "for call, (n, m, k) in enumerate(sizes):", *[f"    {d}" for d in p.data]]
    try:
        bounds = Subject(p).bounds
    except Exception:  # noqa: BLE001 - it cannot be built: the lines fail by themselves
        bounds = []
    head, wants = [], []
    for call, mine in enumerate(bounds):
        if isinstance(mine, Exception):
            body += [f"    if call == {call}:", "        with pytest.raises(SymgradError):",
                     f"            f({args})", "        continue"]
    body += [f"    got = list(f({args}))"]
    states = [f"{s}.get_value()" for s, _ in p.updates]
    if states:
        body += [f"    got += [{', '.join(states)}]"]
    for mine in bounds:
        wants.append([] if isinstance(mine, Exception) else [_want(b) for b in mine])
    head += ["WANT = [  # of each call: (array, how far off it may be), or None"]
    head += [f"    [{', '.join([w or 'None' for w in mine])}]," for mine in wants] + ["]"]
    body += ["    for g, want in zip(got, WANT[call]):", "        if want is not None:",
             "            array, far = want", "            assert g.dtype == array.dtype",
             "            np.testing.assert_allclose(g, array, rtol=0, atol=far)"]
    note = [f'"""{p.title}, {finding.variant or "whole"}: {finding.kind}."""', ""]
    return "\n".join([*note, "import pytest", IMPORTS.rstrip(),
                      "from symgrad.errors import SymgradError", "", *head, "", *helpers_of(p), "",
                      "def test_it():",
                      *[f"    {line}" for line in body], ""])


def _want(bound):
    text = array(bound.true.astype(bound.dtype)) if bound.settled and bound.compared.all() else None
    return text and f"({text}, {bound.tolerance:.3g})"


def written(program, finding, isolate=True):
    """The path of the test that was written for a failure, after it was made small."""
    small = minimised(program, finding, isolate)
    name = "".join([c if c.isalnum() else "_" for c in f"{program.title}_{finding.variant}"])
    path = folder() / f"test_{name}.py"
    path.write_text(test_text(small, finding))
    return path

