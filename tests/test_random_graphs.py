"""Random graphs, compiled and not: fused loops compute what the interpreter computes.

Every axis has the same length on purpose, so that only indices tell rows from columns.  A graph is
grown as lines of Python, which a failing test prints: they reproduce it.  All arithmetic is in
double precision (singles are only cast to and from, or exact), so one tight tolerance fits all.
"""

import networkx as nx
import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.compile import plan
from symgrad.compile.backends import find
from symgrad.compile.passes import REWRITES, apply, select
from symgrad.compile.pool import absorb
from symgrad.errors import SymgradError
from symgrad.interpret import run
from symgrad.types import Type

N = 3
LEAVES = {"A": (None, None), "B": (None, None), "u": (None,), "v": (None,), "s": ()}
FORMS = [  # lines by the ranks they need; {0}, {1} are values, {k} an axis, {c} a number
    ("", "T.tanh({0} + {1})"), ("", "T.tanh({0} - {1})"), ("", "T.tanh({0} * {1})"),
    ("", "T.sigmoid({0})"), ("", "T.exp(-abs({0}))"), ("", "-{0}"), ("", "{0} * {c}"),
    ("", "T.maximum({0}, {1})"), ("", "T.switch({0} < {c}, {0}, {1} / 2)"),
    ("", "T.cast(T.cast({0}, 'float32'), 'float64')"), ("", "T.cast({0} > {c}, 'float64')"),
    ("", "T.log1p({0} ** 2)"), ("", "{0} / (1 + T.sqr({1}))"), ("", "T.zeros_like({0}) + {c}"),
    ("1", "T.tanh({0}.sum(axis={k}))"), ("1", "{0}.max(axis={k}, keepdims=True)"),
    ("1", "{0}.min(axis={k})"), ("1", "{0}.mean(axis={k}, keepdims=True)"), ("1", "{0}.sum()"),
    ("1", "T.cast(T.any({0} > {c}, axis={k}) * 0.5, 'float64')"), ("1", "T.softmax({0}, axis={k})"),
    ("1", "T.logsumexp({0}, axis={k})"), ("1", "{0}[::-1]"), ("1", "{0}[1]"),
    ("1", "{0}[{0}.shape[0] - 1]"), ("1", "{0}[y]"), ("1", "T.set_subtensor({0}[0], {c})"),
    ("1", "T.inc_subtensor({0}[y], {1}.sum() * 0.1)"), ("1", "T.cumsum({0}, axis={k}) / 3"),
    ("1", "T.tanh({0}.prod(axis={k}))"), ("1", "{0} + T.arange({0}.shape[0]) * 0.1"),
    ("1", "{0} * T.argmax({0}[:2], axis=0)"), ("2", "{0}.T"), ("2", "{0}[T.arange(y.shape[0]), y]"),
    ("2", "{0}[:, y]"), ("2", "{0}[:, ::-1]"), ("2", "{0}[y, ::-1]"), ("2", "{0} + {0}.T"),
    ("2", "T.softmax({0}, axis=(0, 1))"), ("2", "{0}.reshape((-1,))[:3]"),
    ("2", "T.join(0, {0}, {0})[1:4]"), ("2", "T.set_subtensor({0}[T.arange(3), y], {c})"),
    ("2", "T.tril({0})"), ("2", "T.argmax(A, axis={k}) * 0.3"), ("2", "T.diag({0})"),
    ("01", "{0}.dimshuffle('x', 0)"), ("01", "{0}.dimshuffle(0, 'x')"),
    ("22", "T.tanh(T.dot({0}, {1}))"), ("21", "T.tanh(T.dot({0}, {1}))"),
    ("11", "T.tanh(T.dot({0}, {1}))"), ("11", "T.outer({0}, {1})"),
    ("1", "T.tanh({0}[{0} > {c}]).sum()"), ("1", "({0}[{0} > {c}] * 0 + {0}.max()).sum() / 9"),
    ("1", "T.outer(T.nonzero_values({0}), u).sum(axis=0) / 9"),
    ("", "sg.grad({0}.sum(), u)"), ("", "sg.grad({0}.sum(), A)"), ("", "sg.grad({0}.mean(), s)"),
]


class Grown:
    """Lines that make values v0, v1, …, and the values."""

    def __init__(self, seed, known):
        self.rng = np.random.default_rng(seed)
        self.lines = []
        self.scope = {"sg": sg, "T": T, "Type": Type}
        length = N if known else None
        for name, shape in LEAVES.items():
            self.add(f"{name} = Type('float64', {tuple([length for _ in shape])})('{name}')")
        self.add(f"y = Type('int64', ({length},))('y')")
        self.values = [self.scope[name] for name in LEAVES]
        self.names = list(LEAVES)
        self.arrays = {v: self.rng.uniform(-1, 1, [N] * v.type.ndim) for v in self.values}
        self.arrays[self.scope["y"]] = self.rng.integers(0, N, N)

    def add(self, line):
        exec(line, self.scope)
        self.lines.append(line)

    def grow(self):
        rng = self.rng
        ranks, form = FORMS[rng.integers(len(FORMS))]
        a, b = rng.integers(len(self.values)), rng.integers(max(0, len(self.values) - 9),
                                                            len(self.values))
        ndim = self.values[b].type.ndim
        if len(ranks) == 1 and ndim < int(ranks) or ranks == "2" and ndim != 2:
            return
        if len(ranks) == 2 and ranks != "01" and (ndim, self.values[a].type.ndim) != tuple(
                map(int, ranks)) or ranks == "01" and ndim != 1:
            return
        text = form.format(self.names[b], self.names[a], k=rng.integers(max(ndim, 1)),
                           c=round(float(rng.uniform(-1, 1)), 2))
        name = f"v{len(self.values)}"
        try:
            exec(f"{name} = {text}", self.scope)
            value = self.scope[name]
            self.arrays[value], = run([value], self.arrays)
        except SymgradError:
            return  # lengths that do not fit
        self.lines.append(f"{name} = {text}")
        self.values.append(value)
        self.names.append(name)


def graph(seed):
    """(inputs, outputs, arrays for the inputs, those to expect, program) of the seed's graph."""
    grown = Grown(seed, known=seed % 3 == 0)
    while len(grown.values) < 26:
        grown.grow()
    names = (*LEAVES, "y")
    inputs = [grown.scope[name] for name in names]
    arrays = [grown.arrays[i] for i in inputs]
    last = [grown.names[k] for k in (-1, -2, -6, -11)]
    outputs = [grown.scope[name] for name in last]
    given = [f"{name} = np.array({a.tolist()})" for name, a in zip(names, arrays, strict=True)]
    program = ["import numpy as np", "import symgrad as sg", "import symgrad.tensor as T",
               "from symgrad.types import Type", *grown.lines,
               f"f = sg.function([{', '.join(names)}], [{', '.join(last)}])", *given,
               f"print(f({', '.join(names)}))"]
    return inputs, outputs, arrays, [grown.arrays[o] for o in outputs], "\n".join(program)


def planned(inputs, outputs, passes, expect=True):
    selection = select(passes)
    pool, nodes = absorb(outputs, expect)
    nodes = apply(REWRITES, nodes, pool, selection)
    final, nodes = absorb(nodes, expect, prior=pool)
    return plan.build(final, inputs, nodes, (), "fuse" in selection), selection


def in_order(made):
    """The steps as a graph: acyclic, every operand computed before it is read, nothing twice."""
    maker = {n: k for k, s in enumerate(made.steps) for n in s.body}
    assert len(maker) == sum([len(s.body) for s in made.steps])
    edges = nx.DiGraph()
    edges.add_nodes_from(range(len(made.steps)))
    edges.add_edges_from([(maker[i], maker[n]) for n in maker for i in n.inputs if i in maker
                          and maker[i] != maker[n]])
    assert nx.is_directed_acyclic_graph(edges)
    assert all([a < b for a, b in edges.edges])
    for s in made.steps:
        written = {i for n in s.body for i in n.inputs if i in maker and maker[i] != maker[n]}
        assert written <= set(s.inputs) and set(s.outputs) <= set(s.body)
    for n, k in maker.items():
        for i in n.inputs:
            assert maker.get(i, k) == k or i in made.steps[maker[i]].outputs


def check(seed, backend, passes):
    inputs, outputs, arrays, want, program = graph(seed)
    try:
        made, selection = planned(inputs, outputs, passes)
        in_order(made)
        before = [a.copy() for a in arrays]
        try:
            got, _ = find(backend).compile(made, selection).run(*arrays)
        except plan.Unexpected:  # fewer indices than rows
            made, selection = planned(inputs, outputs, passes, expect=False)
            got, _ = find(backend).compile(made, selection).run(*arrays)
        for g, w in zip(got, want, strict=True):
            assert g.dtype == w.dtype and g.shape == w.shape
            np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-10)
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b)
    except Exception as error:
        error.add_note(f"backend {backend}, passes {passes!r}; reproduce with:\n\n{program}\n")
        raise


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("passes", ["", "none", "none +fuse"])
@pytest.mark.parametrize("block", range(10))
def test_a_random_graph_computes_what_the_interpreter_does(block, passes, backend):
    for seed in range(10 * block, 10 * block + 10):
        check(seed, backend, passes)


@pytest.mark.parametrize("seed", [
    1681, 1687, 1993,  # a view of a buffer that is made in the course of a call
    2133, 2469, 3543, 3918,  # row numbers that are needed before the workspace is taken
])
@pytest.mark.parametrize("backend", BACKENDS[:-1])
def test_graphs_that_once_failed(seed, backend):
    check(seed, backend, "")


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", range(100))
def test_many_random_graphs(block, backend):
    for seed in range(1000 + 10 * block, 1010 + 10 * block):
        check(seed, backend, ("", "none +fuse")[seed % 2])
