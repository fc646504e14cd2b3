"""Programs that are checked while they run: ``mode="debug"`` and ``mode="nan"``.

A backend that can watch its own steps has a module with ``watched(plan, selection, checks)``
(`backends.PARTS`).  For others the results of the whole program are compared with the
interpreter's, within what rounding can do (`compare.py`).
"""

from __future__ import annotations

import numpy as np

from symgrad import origin
from symgrad.compile import compare
from symgrad.errors import CheckError, NonFiniteError
from symgrad.node import CONST


class Checking:
    """A backend whose programs check themselves; `checks` has 'debug', 'nan' or both."""

    def __init__(self, backend, watcher, checks):
        self.backend, self.watcher, self.checks = backend, watcher, checks
        self.name = f"{backend.name}, checked"

    def missing(self, plan):
        return self.backend.missing(plan)

    def compile(self, plan, selection=None):
        if self.watcher is not None:
            return self.watcher.watched(plan, selection, self.checks)
        return Compared(self.backend.compile(plan, selection), self.checks)


class Compared:
    """A program of any backend, whose results are compared with the interpreter's."""

    in_place = overlaps = ()

    def __init__(self, code, checks):
        self.code, self.checks = code, checks
        self.plan, self.source = code.plan, code.source
        self.file, self.memory = getattr(code, "file", None), getattr(code, "memory", None)

    def node_at(self, line):
        return self.code.node_at(line)

    def run(self, *arrays):
        plan = self.plan
        leaves = (*plan.inputs, *plan.shared)
        # the program may write into what it is given, and return it
        outputs, updates = self.code.run(*[np.array(a) for a in arrays])
        values = dict(zip(leaves, [np.asarray(a) for a in arrays], strict=True))
        results = {r: np.asarray(a) for r, a in zip(plan.roots, (*outputs, *updates), strict=True)
                   if r.op is not CONST and r not in values}
        if "nan" in self.checks and not all([compare.finite(a) for a in results.values()]):
            found = compare.introduced(plan.nodes, values)
            if found is not None:
                raise NonFiniteError(compare.non_finite(found))
        found = compare.difference(plan.nodes, values, results) if "debug" in self.checks else None
        if found is not None:
            n = found.node
            raise CheckError(origin.report(f"debug mode: {n.name or n.op.name}: {found}",
                                           n.inputs, n.origin))
        return outputs, updates
