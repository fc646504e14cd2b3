"""What the compiler did for one function: passes with times and firings, steps, memory.

``print(f.report)`` shows it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from textwrap import shorten

from symgrad.compile.backends import part
from symgrad.compile.passes import BY_NAME, Row
from symgrad.graph import metrics

SLOWEST = 6  # rules that are named with their time


@dataclass
class Report:
    """`rows` has one `Row` a stage, `total` seconds for the whole compilation."""

    name: str | None
    backend: str
    rows: list = field(default_factory=list)
    total: float = 0.0
    plan: object = None
    memory: object = None
    code: object = None
    timing: bool = False  # whether the clock is looked at for each rule
    trace: object = None  # a `passes.Trace` to fill, for who wants to know all

    def timed(self, name, start):
        self.rows.append(Row(name, time.perf_counter() - start))

    @property
    def fired(self):
        """How often each rule fired, as ``{'pass.rule': count}``."""
        return {f"{row.name}.{rule}": n for row in self.rows for rule, n in row.fired.items()}

    @property
    def times(self):
        """How many seconds each rule took, whether it fired or not, as ``{'pass.rule': seconds}``,
        slowest first; empty unless the function was made with ``profile=True``.  The forms of
        `merge`, `loops`, `blas` and `sides` work together: their time is that of their pass, under
        its name."""
        found = {f"{row.name}.{rule}": t for row in self.rows for rule, t in row.times.items()}
        if self.timing:
            found |= {row.name: row.seconds for row in self.rows if not row.times
                      and row.name in BY_NAME and BY_NAME[row.name].run is not None}
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))

    @property
    def measures(self):
        """Depth, width and longest path of the rewritten graph (`symgrad.graph.Metrics`)."""
        return metrics(list(self.plan.roots))

    @property
    def account(self):
        """What the steps do in machine code (`backends/llvm/account.py`); None without any."""
        module = part(getattr(self.code, "backend", None), "account")
        return module and module.account(self.code)

    def _bytes(self):
        """How much memory the buffers take, if it does not depend on the call."""
        if not self.memory or not self.memory.slots:
            return ""
        try:
            return f" of {self.memory.bytes({}):,} bytes together"
        except KeyError:  # a length that a call decides
            return ""

    def __str__(self):
        lines = [
            f"{self.name or 'function'}: compiled for {self.backend} in {self.total * 1e3:.1f} ms"
        ]
        lines.append(f"  {'stage':14} {'ms':>7} {'nodes':>12}  rules fired")
        for r in self.rows:
            nodes = f"{r.before} -> {r.after}" if r.before else ""
            fired = ", ".join(f"{k} {n}" for k, n in sorted(r.fired.items(), key=lambda kv: -kv[1]))
            refused = f"  (refused: {', '.join(r.refused)})" if r.refused else ""
            lines.append(f"  {r.name:14} {r.seconds * 1e3:7.2f} {nodes:>12}  {fired}{refused}")
        if self.times:
            slow = ", ".join([f"{k} {t * 1e3:.2f}" for k, t in list(self.times.items())[:SLOWEST]])
            whole = sum(self.times.values()) * 1e3
            lines.append(f"  rules took {whole:.2f} ms, the slowest: {slow}")
        if self.plan is not None:
            kernels = sum(s.kind == "kernel" for s in self.plan.steps)
            memory = self.memory or getattr(self.code, "arena", None)
            buffers = len(memory.slots) if memory else 0
            lines.append(
                f"  {len(self.plan.steps)} steps, {kernels} of them fused kernels, "
                f"{len(self.plan.nodes)} nodes, {buffers} buffers{self._bytes()}"
            )
            found = self.measures
            path = shorten(" ".join([n.op.name for n in found.path]), 76, placeholder=" …")
            lines.append(f"  graph: {found}")
            lines.append(f"  longest path: {path}")
        if (account := self.account) is not None:
            lines.append(str(account))
        return "\n".join(lines)
