"""Derivatives of loops: another loop.

Backwards it runs over the same steps the other way round.  What one step needs of the steps before,
the rows of states, is there: it was a result.  What else a step computed is handed over as
sequences, if it was dear (a product, an exponential), or computed again, if it was cheap or the
body says so.
"""

from __future__ import annotations

from symgrad.derive import backward, forward, reachable
from symgrad.node import CONST, TABLE, constant, leaves, rebuild, toposort
from symgrad.op import make, remake
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.ops.ifelse import ifelse, needs
from symgrad.ops.lengths import length
from symgrad.ops.shape import unsqueeze
from symgrad.ops.source import zeros_like
from symgrad.records import replace
from symgrad.scalars import Apply, expression, parts
from symgrad.types import is_float


def pulled(out, gs):
    """Cotangents of the operands of a `loop`; `gs`: those of its results, or None."""
    d = Draft.of(out)
    n = d.n if d.until is None else make(TABLE["item"], (out,), (len(out.type.items) - 1,))
    return _Backwards(d, out, n, gs).cotangents()


class _Backwards:
    """The loop that carries cotangents from the results of `d` to its operands."""

    def __init__(self, d, out, n, gs):
        self.d, self.out, self.n, self.gs = d, out, n, gs
        count = len(d.states)
        self.maps = {k: g for k, g in enumerate(gs[count:]) if g is not None}
        self.live = self.moved()
        self._measures = None
        self.new = Draft(n, reverse=not d.reverse, save=d.save)
        self.given = {j: gs[j] for j in self.live if gs[j] is not None}
        self.pending = {j: [self.row_of(j)(f"pending{k}") for k in range(d.states[j].depth)]
                        for j in self.live}

    def row_of(self, j):
        return self.d.states[j].reads[0].type

    def moved(self):
        """The states that a cotangent comes to."""
        d = self.d
        live = {j: None for j, s in enumerate(d.states)
                if self.gs[j] is not None and is_float(s.next.type.dtype)}
        while True:
            reached = reachable([*[d.states[j].next for j in live],
                                 *[d.maps[k].value for k in self.maps]])
            more = [j for j, s in enumerate(d.states) if j not in live
                    and is_float(s.next.type.dtype) and any(r in reached for r in s.reads)]
            if not more:
                return sorted(live)
            live.update(dict.fromkeys(more))

    # -- one step

    def step(self):
        """{variable of the forward step: its cotangent}, in terms of these, of cotangents that came
        and of what was computed."""
        d, new = self.d, self.new
        outputs, arriving = [], []
        for j in self.live:
            g = self.pending[j][0]
            if j in self.given:
                row = self.row_of(j)("g")
                new.seqs[row] = self.written(j, self.given[j])
                g = g + row
            outputs.append(d.states[j].next)
            arriving.append(g)
        for k, g in self.maps.items():
            row = d.maps[k].value.type("g")
            new.seqs[row] = g
            outputs.append(d.maps[k].value)
            arriving.append(row)
        wrt = [v for v in d.body.inputs if is_float(v.type.dtype)]
        return dict(zip(wrt, backward(outputs, arriving, wrt), strict=True))

    def written(self, j, buffer):
        """The rows of a state's buffer that steps wrote, one a step."""
        return buffer if self.d.reverse else buffer[self.d.states[j].depth:]

    def read(self, j, tap):
        """The rows that steps read by a tap."""
        start = tap if self.d.reverse else self.d.states[j].depth - tap
        whole = self.result(j)
        return whole[start:] if start else whole

    def result(self, k):
        return make(TABLE["item"], (self.out,), (k,))

    # -- the whole

    def cotangents(self):
        d, new = self.d, self.new
        g = self.step()
        for j in self.live:
            s, pend = d.states[j], self.pending[j]
            came = {t: g.get(r) for t, r in zip(s.taps, s.reads, strict=True)}
            first = zeros_like(s.init[:1])
            for k, v in enumerate(pend):
                later = pend[k + 1] if k + 1 < len(pend) else None
                now = came.get(k + 1)
                total = later if now is None else now if later is None else later + now
                total = zeros_like(v) if total is None else total
                new.states.append(Rows([v], (1,), first, total))
        totals = {}
        for v, w in d.fixed.items():
            if g.get(v) is not None:
                sum_ = v.type("sum")
                totals[v] = len(new.states)
                new.states.append(Rows([sum_], (1,), unsqueeze.of(zeros_like(w), axes=(0,)),
                                       sum_ + g[v]))
        mapped = [v for v in d.seqs if g.get(v) is not None]
        new.maps = [Mapped(g[v]) for v in mapped]
        self.supply()
        found = new.build()
        rows = dict(zip(mapped, found[len(new.states):], strict=True))
        return [None, *[self.padded(rows[v], x) if v in rows else None for v, x in d.seqs.items()],
                *self.firsts(found), *[self.last(found[totals[v]]) if v in totals else None
                                       for v in d.fixed]]

    def last(self, buffer):
        """The row that the last step of the new loop wrote."""
        return buffer[0] if self.new.reverse else buffer[-1]

    def firsts(self, found):
        """The cotangents of the first rows of states."""
        at = 0
        for j, s in enumerate(self.d.states):
            if j not in self.pending:
                yield None
                continue
            ends = [self.last(b) for b in found[at:at + s.depth]]
            at += s.depth
            if not self.d.reverse:
                ends = ends[::-1]
            g = unsqueeze.of(ends[0], axes=(0,)) if s.depth == 1 else TABLE["stack"](ends)
            if j in self.given:
                own = self.given[j]
                g = g + (own[self.n:][:s.depth] if self.d.reverse else own[:s.depth])
            yield g

    def padded(self, rows, x):
        """The cotangent of a whole sequence, from those of the rows that steps read."""
        n = self.d.n
        if self.d.until is None and n.op is length and n.inputs[0] is x and n.attrs == (0,):
            return rows
        return TABLE["set_subtensor"](zeros_like(x)[:self.n], rows)

    def supply(self):
        """Give the new steps what they need of the old ones."""
        d, new = self.d, self.new
        outputs = self.measured([*[s.next for s in new.states], *[m.value for m in new.maps]])
        have = {}  # {value of the old step: what makes the array of its rows}
        for j, s in enumerate(d.states):
            have.setdefault(s.next, lambda j=j: self.written(j, self.result(j)))
        for k, m in enumerate(d.maps):
            have.setdefault(m.value, lambda k=k: self.result(len(d.states) + k))
        stored = self.stored(outputs, have) if d.save else []
        extra = [x for x in stored if x not in have]
        if extra:
            asked = needs(outputs) or {}
            kept = self.measured([sided(x, [w for w in asked.get(x, ()) if self.old(w[0])])
                                  for x in extra])
            more = replace(d, maps=[*d.maps, *map(Mapped, kept)])
            found = more.build(origin=self.out.origin)
            self.out = found[0].inputs[0]
            at = len(d.states) + len(d.maps)
            for k, x in enumerate(extra):
                have[x] = lambda k=k: found[at + k]
        known = {x: x.type("kept") for x in stored}
        for x, v in known.items():
            new.seqs[v] = have[x]()
        outputs = iter(rebuild(outputs, known, remake))
        for s in new.states:
            s.next = next(outputs)
        for m in new.maps:
            m.value = next(outputs)
        used = {x for x in toposort(new.outputs) if not x.inputs}
        new.seqs = {v: x for v, x in new.seqs.items() if v in used}
        for v, x in d.seqs.items():
            if v in used:
                new.seqs[v] = x
        for j, s in enumerate(d.states):
            for tap, v in zip(s.taps, s.reads, strict=True):
                if v in used:
                    new.seqs[v] = self.read(j, tap)
        new.fixed.update({v: w for v, w in d.fixed.items() if v in used})

    def old(self, x):
        """Whether the old step can compute a value."""
        there = set(self.d.body.inputs)
        return all(i in there or i.op is CONST for i in leaves([x]))

    @property
    def measures(self):
        """Lengths of the old step's values, see `Body.measures`."""
        if self._measures is None:
            types = tuple([x.type for x in self.d.operands()[1:]])
            self._measures = self.d.body.measures(types)
        return self._measures

    def measured(self, outputs):
        """The outputs with lengths read off what is there in any case."""
        change = {}
        for x in toposort(outputs):
            if x.op is length and x.inputs[0].inputs:
                n = self.measures.get((x.inputs[0], x.attrs[0]))
                if n is not None:
                    change[x] = constant(n, dtype="int64") if isinstance(n, int) else length.of(
                        n[0], axis=n[1])
        return rebuild(outputs, change, remake) if change else outputs

    def steady(self, x):
        """Whether a value evidently has the same shape in each step, so that its rows can be
        stacked."""
        return all((x, axis) in self.measures for axis in range(x.type.ndim))

    def stored(self, outputs, have):
        """The values of the old step that are kept for the new one: those it needs, but for what is
        cheap to make of others that are there.  What `have` has is there.  What has another shape
        in each step is computed again."""
        mixed = {*self.new.seqs, *[v for s in self.new.states for v in s.reads]}
        order = toposort(outputs)
        for x in order:
            if any(i in mixed for i in x.inputs):
                mixed.add(x)
        needed = {x for x in outputs if x not in mixed}
        needed.update([i for x in order if x in mixed for i in x.inputs if i not in mixed])
        kept, there = {}, set()
        for x in order:
            if x in mixed:
                continue
            if not x.inputs:
                there.add(x)
            elif x in have:
                kept[x] = None
                there.add(x)
            elif cheap(x) and all(i in there for i in x.inputs):
                there.add(x)
            elif x in needed and self.steady(x):
                kept[x] = None
                there.add(x)
        return list(kept)


def sided(x, when):
    """A value where these conditions hold, else zeros: what only a side of a conditional made is
    kept where that was taken."""
    whole = x
    for condition, taken in reversed(when):
        both = whole, zeros_like(x)
        whole = ifelse.of(condition, *(both if taken else both[::-1]))
    return whole


def cheap(x):
    """Whether a value is made of its operands by no more than moves and a few instructions."""
    kind = x.op.kind
    if kind == "elementwise":
        attrs = dict(zip(x.op.params, x.attrs, strict=True))
        return x.op.scalar is not None and all(
            [e.row.quick for e in parts(expression(x.op.scalar, len(x.inputs), **attrs))
             if isinstance(e, Apply)])
    return kind in ("view", "source")


def pushed(out, tangents):
    """The tangents of a loop's results, or None for those that do not move; `tangents`: those of
    its operands."""
    d = Draft.of(out)
    seqs, inits, fixed = _split(d, tangents[1:])
    moving = {j for j, t in enumerate(inits) if t is not None}
    steady = {v: v.type("moves") for v, t in [*zip(d.seqs, seqs, strict=True),
                                              *zip(d.fixed, fixed, strict=True)] if t is not None}
    rows = {v: v.type("moves") for s in d.states for v in s.reads}
    values = [*[s.next for s in d.states], *[m.value for m in d.maps]]
    while True:
        wrt = [*steady, *[v for j in sorted(moving) for v in d.states[j].reads]]
        found = forward(values, wrt, [{**rows, **steady}[v] for v in wrt])
        more = {j for j in range(len(d.states)) if found[j] is not None} - moving
        if not more:
            break
        moving |= more
    new = replace(d, seqs=dict(d.seqs), states=list(d.states), fixed=dict(d.fixed),
                  maps=list(d.maps))
    new.seqs.update({steady[v]: t for v, t in zip(d.seqs, seqs, strict=True) if t is not None})
    new.fixed.update({steady[v]: t for v, t in zip(d.fixed, fixed, strict=True) if t is not None})
    place = {}
    for j in sorted(moving):
        s, t = d.states[j], inits[j]
        place[j] = len(new.states)
        step = found[j] if found[j] is not None else zeros_like(s.next)
        new.states.append(Rows([rows[v] for v in s.reads], s.taps,
                               zeros_like(s.init) if t is None else t, step))
    mapped = [k for k, t in enumerate(found[len(d.states):]) if t is not None]
    new.maps += [Mapped(found[len(d.states) + k]) for k in mapped]
    made = new.build()
    at = len(new.states) + len(d.maps)
    result = [made[place[j]] if j in place else None for j in range(len(d.states))]
    result += [made[at + mapped.index(k)] if k in mapped else None for k in range(len(d.maps))]
    return result + [None] * (d.until is not None)


def _split(d, operands):
    """Sequences', states' and fixed operands' entries of a list over operands."""
    a, b = len(d.seqs), len(d.seqs) + len(d.states)
    return operands[:a], operands[a:b], operands[b:]
