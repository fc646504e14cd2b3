"""Random programs: `drawn(seed)` grows one of forms, ops of the table and samples of rules."""

from __future__ import annotations

from functools import lru_cache

import loops_drawn
import numpy as np
from helpers import OPS, cases, sampled

import symgrad as sg
from symgrad.errors import SymgradError
from symgrad.interpret import run
from symgrad.types import is_complex, is_float

from .forms import FORMS, UPDATES, WEIGHTS
from .leaves import Begun
from .program import Program
from .spelled import array, entries, samples, settled, spelled

LARGEST = 50.0  # values do not grow beyond this
LETTERS = {"float64": "f", "float32": "f", "float16": "h", "int64": "i", "int32": "i", "bool": "b",
           "complex128": "c", "complex64": "c"}
LOOPS = 0.08  # the share of programs that are loops all through, as loops_drawn grows them
RULES = entries()


@lru_cache
def _table():
    """Ops that a line can apply, by how."""
    plain = [op for op in OPS.values() if op.domain and not op.samples and op.arity
             and op.kind in ("elementwise", "reduction", "composite")]
    return plain, [op for op in OPS.values() if op.samples and sampled(op)]


class Grown(Begun):
    """Values made of values, until there are enough."""

    # -- growing

    def fits(self, word):
        """Names of values that a word of a form takes."""
        letter, rank = word[0], word[1:]
        found = []
        for name in self.names:
            t = self.scope[name].type
            if letter == "w":
                if name not in (*self.inputs, *self.shared) or not t.dtype.startswith("float"):
                    continue
            elif letter == "g":
                if LETTERS.get(t.dtype) != "f" or t.ndim:
                    continue
            elif LETTERS.get(t.dtype) != letter:
                continue
            if letter != "g" and rank and not (
                    t.ndim >= int(rank[0]) if "+" in rank else t.ndim == int(rank)):
                continue
            found.append(name)
        return found

    def operand(self, word):
        """A value for a word, often one of the last; None if there is none."""
        found = self.fits(word)
        if not found:
            return None
        return self.pick(found[-6:] if self.chance(0.6) else found)

    def grow(self):
        families = list(WEIGHTS)
        weights = np.array([WEIGHTS[f] for f in families], float)
        family = families[self.rng.choice(len(families), p=weights / weights.sum())]
        if family == "gradient":
            self.grads += 1
            if self.grads > 3:
                return
        made = {"table": self._table, "sample": self._sample, "rule": self._rule}.get(family)
        if made:
            made()
            return
        words, form = self.pick(FORMS[family])
        self.form(words, form)

    def form(self, words, form):
        operands = [self.operand(w) for w in words.split()]
        if None in operands:
            return
        rank = self.scope[operands[0]].type.ndim if operands else 0
        self.add(form.format(*operands, k=self.rng.integers(max(rank, 1)), c=self.number(),
                             F=self.float, j=self.rng.integers(100)), operands)

    def _table(self):
        """An op of the table on values that are in its domain, or are brought there."""
        op = self.pick(_table()[0])
        domains = op.domain if type(op.domain) is tuple else (op.domain,) * op.arity
        letter = self.rng.choice([*"fibc"], p=[.8, .12, .05, .03])
        texts, operands = [], []
        for d in domains:
            name = self.operand(letter + ("1+" if op.kind == "reduction" else ""))
            if name is None:
                return
            operands.append(name)
            texts.append(self._inside(name, d))
        attrs = ""
        if "axis" in op.params:
            ndim = self.scope[operands[0]].type.ndim
            attrs = f", axis=({self.rng.integers(ndim)},)" if ndim and self.chance(0.8) else ""
        self.add(f"OPS[{op.name!r}].of({', '.join(texts)}{attrs})", operands)

    def _inside(self, name, domain):
        """A value within the domain of an op."""
        if domain is None:
            return name
        node = self.scope[name]
        arrays = [v[node] for v in self.values if node in v]
        low, high = max(domain.low, -20), min(domain.high, 20)
        kind = np.dtype(node.type.dtype).kind
        if kind in "bc" or all([((a >= low) & (a <= high)).all() for a in arrays]) and not (
                domain.whole and kind == "f"):
            return name
        if kind in "iu":
            return f"T.clip({name}, {int(np.ceil(low))}, {int(high)})"
        text = f"({low} + {high - low} * T.sigmoid({name}))"
        return f"T.floor({text})" if domain.whole else text

    def _sample(self):
        """An op of the table on a sample of its own."""
        op = self.pick(_table()[1])
        found = cases(op, self.pick(["float64", self.float]), seed=int(self.rng.integers(50)))
        case = found[self.rng.integers(len(found))]
        texts = [array(a) for a in case.arrays]
        if None in texts:
            return
        names = []
        for a, text in zip(case.arrays, texts, strict=True):
            if self.chance(0.15):
                names.append(f"constant({text})")
                continue
            name = self.fresh("p")
            shape = tuple([d if self.known or d == 1 else None for d in a.shape])
            self.run(f"{name} = Type({a.dtype.name!r}, {shape})({name!r})")
            self.data.append(f"{name}_ = {text}")
            self._enter(name)
            names.append(name)
        attrs = "".join([f", {k}={v!r}" for k, v in case.attrs.items()])
        self.add(f"OPS[{op.name!r}].of({', '.join(names)}{attrs})",
                 [n for n in names if n in self.names])

    def _rule(self):
        """A sample of a rule, its inputs being values that there are, or new ones."""
        where, name = RULES[int(self.rng.integers(len(RULES)))]
        found = _settled(where, name)
        which = int(self.rng.integers(len(found)))
        outputs, inputs = found[which]
        operands = [self._bound(i, outputs) for i in inputs]
        if None in operands:
            return
        prefix = self.fresh("r") + "_"
        text = spelled(outputs, dict(zip(inputs, operands, strict=True)), prefix)
        if text is None:
            names = [f"{prefix}{k}" for k in range(len(outputs))]
            lines = [f"{', '.join(names)}{',' * (len(names) == 1)} = planted({where!r}, {name!r}, "
                     f"{which}, {', '.join(operands)})"]
        else:
            lines, names = text
        self.adopt(lines, names, operands)

    def _bound(self, i, outputs):
        """The name of a value for an input of a sample."""
        t = i.type
        index = not is_float(t.dtype)
        if not index and self.chance(0.6):
            fits = [n for n in self.names if (v := self.scope[n].type).ndim == t.ndim
                    and (v.dtype == t.dtype or v.dtype == self.float and t.dtype == "float64")
                    and all([(a == 1) == (b == 1) and not (isinstance(b, int) and b != a)
                             for a, b in zip(v.shape, t.shape, strict=True)])]
            if fits:
                return self.pick(fits[-8:])
        name = self.fresh("p")
        lengths, known = [], []
        for d in t.shape:
            lengths.append(str(d) if isinstance(d, int) else self._length(d))
            known.append(lengths[-1] if isinstance(d, int) or self.known else "None")
        self.run(f"{name} = Type({t.dtype!r}, ({''.join([d + ', ' for d in known])}))({name!r})")
        low, high = ("0", "2") if index else ("-1.0", "1.0")
        shape = "".join([f"{d}, " for d in lengths])
        text = (f"draw({self.rng.integers(10**6)} + call, {shape}low={low}, high={high}, "
                f"dtype={t.dtype!r})")
        self.data.append(f"{name}_ = {text}")
        self._enter(name)
        return name

    def _length(self, d):
        """One of n, m, k for a length that is not known: the same for the same Dim."""
        if d not in self.dims:
            self.dims[d] = self.pick(["m", "k", "n", "3"])
        return self.dims[d]

    def fresh(self, stem):
        self.count += 1
        return f"{stem}{self.count}"

    # -- taking a line in

    def add(self, text, operands):
        """A value; it is left out if it fails for the arrays of a call, and kept small."""
        name = self.fresh("v")
        for line in (f"{name} = {text}", f"{name} = T.tanh({text})"):
            verdict = self.attempt([line], [name])
            if verdict == "large":
                continue
            if verdict == "good":
                self.take([line], [name], operands)
            return

    def adopt(self, lines, names, operands):
        if self.attempt(lines, names) == "good":
            self.take(lines, names, operands)

    def take(self, lines, names, operands):
        self.lines += lines
        self.names += [n for n in names if LETTERS.get(self.scope[n].type.dtype)]
        self.used.update(operands)

    def attempt(self, lines, names):
        """'good', 'large' or 'bad'."""
        try:
            with sg.options(passes=""):
                exec("\n".join(lines), self.scope)
            nodes = [self.scope[n] for n in names]
            if any([n.type.dtype == "tuple" or n.type.ndim > 4 for n in nodes]):
                return "bad"
            large = False
            for values in self.values:
                found = run(nodes, values)
                for node, a in zip(nodes, found, strict=True):
                    if a.size > 4000:
                        return "bad"
                    if is_float(node.type.dtype) and a.size:
                        finite = np.isfinite(a)
                        if not finite.all() and not self.odd and self.rng.random() < 0.9:
                            return "bad"
                        large |= bool(np.abs(a[finite]).max(initial=0) > LARGEST)
                    elif a.size and node.type.dtype != "bool":
                        large |= bool(np.abs(a.astype("float64")).max() > 1e6)
                values.update(zip(nodes, found, strict=True))
        except (SymgradError, ArithmeticError, ValueError, TypeError, IndexError, AttributeError):
            return "bad"
        if large and len(names) == 1 and is_float(nodes[0].type.dtype) and not is_complex(
                nodes[0].type.dtype):
            return "large"
        return "bad" if large else "good"

    # -- the end

    def finished(self):
        while self.count < 60 and len(self.names) < 10 + self.rng.integers(6, 16):
            self.grow()
        leaves = {*self.inputs, *self.shared}
        sinks = [n for n in self.names if n not in self.used and n not in leaves]
        outputs = sinks[-4:] + [n for n in sinks[:-4] if self.chance(0.3)]
        floats = [n for n in sinks if self.scope[n].type.dtype == self.float]
        if floats and self.chance(0.5):
            wrt = [n for n in (*self.inputs, *self.shared)
                   if self.scope[n].type.dtype == self.float]
            chosen = self.pick(floats)
            for w in sorted({self.pick(wrt) for _ in range(3)}):
                g = self.fresh("g")
                if self.attempt([line := f"{g} = sg.grad(T.tanh({chosen}).sum(), {w}, "
                                 "disconnected_inputs='ignore')"], [g]) == "good":
                    self.lines.append(line)
                    outputs.append(g)
        updates = []
        for s in self.shared:
            if self.chance(0.7) and (update := self._update(s)):
                updates.append((s, update))
        if not outputs and not updates:
            outputs = [self.names[-1]]
        made = Program(self.sizes, tuple(self.lines), tuple(self.data), tuple(self.inputs),
                       tuple(outputs), tuple(updates), self.lent, f"seed {self.seed}")
        return made.pruned()

    def _update(self, s):
        ndim = self.scope[s].type.ndim
        for _ in range(5):
            words, form = self.pick(UPDATES)
            if "1+" in words and not ndim or "2" in words and ndim != 2:
                continue
            others = [n for n in self.names if self.scope[n].type.dtype == self.float
                      and self.scope[n].type.ndim == ndim]
            other = self.pick(others[-6:])
            shape = [v.get(self.scope[other]) for v in self.values]
            mine = self.scope[s].container.cell[0].shape
            if any([a is not None and a.shape != mine for a in shape]):
                continue
            text = form.format(s, other, c=self.number())
            name = self.fresh("t")
            if self.attempt([f"{name} = {text}"], [name]) == "good" and (
                    self.scope[name].type.dtype == self.float):
                return text
        return None


@lru_cache(None)
def _settled(where, name):
    return [settled(g) for g in samples(where, name)]


def drawn(seed):
    """The program of a seed."""
    rng = np.random.default_rng([seed, 1])
    if rng.random() < LOOPS:
        return looped(seed)
    return Grown(seed).finished()


def looped(seed):
    """A program of loops and their gradients, which has rows for all its steps if one is found."""
    for k in range(6):
        p = loops_drawn.grown(seed + k * 10**6)
        try:
            run([p.scope["total"]], dict(zip(p.inputs, p.arrays, strict=True)))
            break
        except SymgradError:
            continue
    names = list(loops_drawn.SHAPES)
    data = [f"{n}_ = {array(a) or repr(a.tolist())}" for n, a in zip(names, p.arrays, strict=True)]
    outputs = ["total", *[f"grads[{k}]" for k in range(len(p.scope["grads"]))]]
    return Program(((3, 3, 3),), tuple(p.lines), tuple(data), tuple(names), tuple(outputs),
                   title=f"seed {seed}, a loop").pruned()

