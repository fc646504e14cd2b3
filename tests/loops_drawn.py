"""Random programs with loops, for tests: lines of Python, which a failing test prints."""

import numpy as np

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import SymgradError
from symgrad.ops.draft import Draft, Mapped, Rows
from symgrad.types import Type

N = 3
SHAPES = {"x": ("t", N), "X": ("t", N, N), "s": ("t",), "i": ("t",), "W": (N, N), "v": (N,),
          "E": (5, N), "a": ()}
FORMS = [  # as in test_random_graphs: lines by the ranks they need; {0}, {1} are values
    ("", "T.tanh({0} + {1})"), ("", "{0} * {1}"), ("", "T.sigmoid({0})"), ("", "{0} - {1}"),
    ("", "{0} * {c}"), ("", "T.maximum({0}, {1})"), ("", "T.switch({0} < {c}, {0}, {1} / 2)"),
    ("", "{0} / (1 + T.sqr({1}))"), ("1", "{0}.sum(axis={k})"), ("1", "T.softmax({0}, axis={k})"),
    ("1", "{0}.max(axis={k}, keepdims=True)"), ("1", "{0}[::-1]"), ("1", "{0}[1]"),
    ("1", "T.set_subtensor({0}[0], {c})"), ("1", "T.inc_subtensor({0}[1:], {1}.sum() * 0.1)"),
    ("1", "T.join(0, {0}, {0})[1:4]"), ("2", "{0}.T"), ("2", "T.dot({0}, W)"),
    ("2", "T.dot(W, {0})"),
    ("2", "T.dot({0}, v)"), ("1", "T.dot(v, {0})"), ("1", "E[T.cast(i, 'int64')] * {0}"),
    ("11", "T.outer({0}, {1})"), ("22", "T.tanh(T.dot({0}, {1}))"),
    ("21", "T.tanh(T.dot({0}, {1}))"),
    ("22", "T.dot({0}.T, {1})"), ("11", "T.dot({0}, {1}) * 0.3"), ("1", "T.dot({0}, W)"),
    ("", "T.exp(-abs(a)) * {0}"), ("2", "T.dot(T.tanh(W), {0})"),
    ("2", "{0}.dimshuffle('x', 0, 1)[0]"),
    ("1", "{0} + T.zeros_like({0})"), ("2", "{0}.reshape((-1,))[:3]"),
]
READS = ["T.tanh({0}).sum()", "T.tanh({0}[-1]).sum()", "T.tanh({0}[{d}:]).sum()",
         "({0} * T.arange({0}.size, dtype='float64').reshape({0}.shape)).sum() * 0.01",
         "T.tanh({0}[{d}:] * {c}).mean()", "({0}[0] * {c}).sum()"]


class Program:
    """Lines, the scope they run in, and arrays for the inputs."""

    def __init__(self, seed):
        self.rng, self.lines = np.random.default_rng(seed), []
        self.scope = {"np": np, "sg": sg, "T": T, "Type": Type, "Draft": Draft, "Rows": Rows,
                      "Mapped": Mapped}
        self.known = self.rng.random() < 0.3
        self.rows = int(self.rng.choice([0, 1, 2, 3, 5, 6], p=[.1, .1, .15, .2, .25, .2]))
        for name, shape in SHAPES.items():
            dtype = "int64" if name == "i" else "float64"
            told = tuple([(d if self.known else None) if d != "t" else None for d in shape])
            self.add(f"{name} = Type({dtype!r}, {told})({name!r})")
        self.inputs = [self.scope[n] for n in SHAPES]
        self.arrays = [np.asarray(self.rng.integers(0, 5, self.rows)) if n == "i" else
                       self.rng.uniform(-1, 1, [self.rows if d == "t" else d for d in shape])
                       for n, shape in SHAPES.items()]
        self.costs, self.count = [], 0

    def add(self, line):
        exec(line, self.scope)
        self.lines.append(line)

    def name(self, stem="u"):
        self.count += 1
        return f"{stem}{self.count}"

    def pick(self, names):
        return names[self.rng.integers(len(names))]

    def ndim(self, name):
        return self.scope[name].type.ndim

    def grow(self, values, inside, most=8):
        """More values, made of those there are.  `inside`: what outer names mean here."""
        for _ in range(most):
            ranks, form = FORMS[self.rng.integers(len(FORMS))]
            a, b = self.pick(values), self.pick(values[-5:])
            if len(ranks) == 1 and self.ndim(b) < int(ranks) or ranks == "2" and self.ndim(b) != 2:
                continue
            if len(ranks) == 2 and (self.ndim(b), self.ndim(a)) != tuple(map(int, ranks)):
                continue
            if any([f"{w}" in form.replace("T.", "") for w in ("E[",)]) and "i" not in inside:
                continue
            text = form.format(b, a, k=self.rng.integers(max(self.ndim(b), 1)),
                               c=round(float(self.rng.uniform(-1, 1)), 2))
            for old, new in inside.items():
                text = replaced(text, old, new)
            name = self.name()
            try:
                self.add(f"{name} = {text}")
            except SymgradError:
                continue
            t = self.scope[name].type
            if t.ndim < 3 and t.dtype == "float64" and 1 not in t.shape:
                values.append(name)
        return values

    def loop(self, sources, steps=None, around=None):
        """A random loop, maybe in a step of another, where `around` tells what outer names mean;
        (names of results, how many first rows each has)."""
        rng, seqs, fixed, inside = self.rng, {}, {}, {}
        nested, around = around is not None, around or {w: w for w in "WvEa"}
        for name in sources:
            if rng.random() < 0.6:
                seqs[self.name("q")] = name
        if "i" in sources:
            inside["i"] = self.name("q")
            seqs[inside["i"]] = "i"
        for w in around:
            inside[w] = self.name("w")
            fixed[inside[w]] = around[w]
        n = steps or self.pick(["x.shape[0]", "x.shape[0]", "T.minimum(s.shape[0], 4)",
                                str(min(self.rows, 3))])
        for v, x in seqs.items():
            self.add(f"{v} = Type({x}.dtype, {x}.type.shape[1:])({v!r})")
        for v, w in fixed.items():
            self.add(f"{v} = {w}.type({v!r})")
        states = []
        for _ in range(int(rng.integers(0 if seqs else 1, 4))):
            taps, rank = self.pick([(1,), (1,), (1,), (2,), (1, 2), (1, 3)]), int(rng.integers(3))
            rows = f"{N}" if self.known else "None"
            reads = [self.name("s") for _ in taps]
            for v in reads:
                self.add(f"{v} = Type('float64', ({', '.join([rows] * rank)}{',' * (rank == 1)}))"
                         f"({v!r})")
            init, like = self.name("init"), around["avW"[rank]]
            start = self.pick([f"T.stack([{like} * {{}}] * {max(taps)})",
                               f"T.zeros_like(T.stack([{like}] * {max(taps)}))"])
            self.add(f"{init} = {start.format(round(float(rng.uniform(-1, 1)), 2))}")
            states.append((taps, rank, reads, init))
        values = [v for v in [*seqs, *[r for s in states for r in s[2]]]
                  if self.scope[v].dtype == "float64"]
        values += [inside["v"], inside["W"], inside["a"]]
        values = self.grow(values, inside, int(rng.integers(4, 12)))
        if not nested and rng.random() < 0.2:
            outer = {w: inside[w] for w in "WvEa"}
            for r, _ in self.loop([], str(int(rng.integers(1, 4))), outer):
                name = self.name()
                self.add(f"{name} = {r}[-1]")
                values.append(name)
            values = self.grow(values, inside, 3)
        nexts = []
        for _, rank, reads, _ in states:
            fits = [u for u in values if self.ndim(u) == rank]
            new = self.pick(fits)
            name = self.name("next")
            how = rng.random()
            text = (f"T.tanh({new})" if how < .5 else f"{self.pick(reads)} + {new} * 0.1"
                    if how < .8 else f"{reads[0]}" if how < .85
                    else f"{reads[0]} + T.tanh({new}) - {reads[-1]} / 2")
            self.add(f"{name} = {text}")
            nexts.append(name)
        maps = [self.pick(values) for _ in range(int(rng.integers(0 if states else 1, 3)))]
        if rng.random() < 0.2 and nexts:
            maps.append(nexts[0])
        until = "None"
        if rng.random() < 0.15 and not nested:
            until = f"T.gt(T.sum({self.pick(values)}), {round(float(rng.uniform(0, 2)), 2)})"
        backwards = rng.random() < .25 and until == "None"  # only gradients go backwards
        name = self.name("loop")
        rows = ", ".join([f"Rows([{', '.join(r)}], {t}, {i}, {x})"
                          for (t, _, r, i), x in zip(states, nexts, strict=True)])
        self.add(f"{name} = Draft(T.cast({n}, 'int64'), "
                 f"{{{', '.join(f'{v}: {x}' for v, x in seqs.items())}}}, [{rows}], "
                 f"{{{', '.join(f'{v}: {w}' for v, w in fixed.items())}}}, "
                 f"[{', '.join(f'Mapped({m})' for m in maps)}], {until}, "
                 f"{backwards}).build()")
        out = []
        for k in range(len(states) + len(maps)):
            r = self.name("r")
            self.add(f"{r} = {name}[{k}]")
            out.append((r, max(states[k][0]) if k < len(states) else 0))
        return out


def replaced(text, old, new):
    """The text with one name in place of another."""
    words = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
    out, at = "", 0
    while at < len(text):
        if text.startswith(old, at) and (not at or text[at - 1] not in words) and (
                at + len(old) == len(text) or text[at + len(old)] not in words.replace(".", "")):
            out, at = out + new, at + len(old)
        else:
            out, at = out + text[at], at + 1
    return out


def grown(seed):
    """The `Program` of a seed: a cost and its gradients, and some rows."""
    p = Program(seed)
    found = p.loop(["x", "X", "s", "i"])
    if p.rng.random() < 0.5:
        again = [r for r, d in found if not d or p.rng.random() < 0.5]
        found += p.loop([*[r for r in again if p.ndim(r)], "x", "i"][:3])
    costs = []
    for r, d in found:
        for _ in range(int(p.rng.integers(0, 3))):
            cost = p.name("cost")
            text = p.pick(READS).format(r, d=d, c=round(float(p.rng.uniform(-1, 1)), 2))
            try:
                p.add(f"{cost} = {text}")
            except SymgradError:  # there are no rows
                continue
            costs.append(cost)
    if not costs:
        p.add(f"cost = T.tanh({found[0][0]}).sum()")
        costs = ["cost"]
    p.add(f"total = {' + '.join(costs)}")
    p.add("wrt = [x, X, s, W, v, E, a]")
    p.add("grads = sg.grad(total, wrt, disconnected_inputs='ignore')")
    p.add("outputs = [total, *grads]")
    return p


def program(seed):
    """(inputs, outputs, arrays, text) of a seed."""
    p = grown(seed)
    given = [f"{n} = np.array({a.tolist()}, {a.dtype.name!r}).reshape({a.shape})"
             for n, a in zip(SHAPES, p.arrays, strict=True)]
    head = ["import numpy as np", "import symgrad as sg", "import symgrad.tensor as T",
            "from symgrad.ops.draft import Draft, Mapped, Rows", "from symgrad.types import Type"]
    text = "\n".join([*head, *p.lines, "f = sg.function([" + ", ".join(SHAPES) + "], outputs, "
                      "on_unused_input='ignore')", *given, f"print(f({', '.join(SHAPES)}))"])
    return p.inputs, p.scope["outputs"], p.arrays, text
