"""Any stage of a graph as a networkx graph, and its measures: size, depth, width, longest paths.

The stages are ``expression`` (what the user wrote), ``rewritten`` (what the compiler made of it)
and ``plan`` (one vertex a step).  networkx is imported when a graph is asked for; compiling needs
none.
"""

from __future__ import annotations

from typing import NamedTuple

from symgrad import origin
from symgrad.costs import Costs
from symgrad.errors import ArgumentError, UnknownName, near
from symgrad.node import Node, toposort

STAGES = ("expression", "rewritten", "plan")


# -- what a variable, a list of them or a compiled function has at each stage


def is_function(obj):
    """Whether `obj` is a compiled function (anything with a plan)."""
    return hasattr(obj, "plan")


def outputs_of(obj, stage="expression"):
    """The output nodes of a variable, of a (nested) list or dict of variables, or of a function at
    a stage; the new values of its shared variables are among a function's."""
    if stage not in STAGES:
        raise UnknownName(f"no stage {stage!r}: {near(stage, STAGES)}")
    if is_function(obj):
        return list((obj.program if stage == "expression" else obj.plan).roots)
    if stage != "expression":
        raise ArgumentError(
            f"an expression has no stage {stage!r}; compile it with sg.function, pass the function"
        )
    found, waiting = [], [obj]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Node):
            found.append(item)
        elif isinstance(item, list | tuple):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            waiting.extend(reversed(item.values()))
        else:
            raise ArgumentError(
                f"wants a variable, a list of variables or a compiled function, not {item!r:.60}"
            )
    return found


def updates_of(obj, stage="expression"):
    """``{node: 'W'}``: which shared variables a function's nodes are the new values of."""
    if not is_function(obj):
        return {}
    program = obj.program
    pairs = zip(program.updated, program.values, strict=True)
    found = {}
    for variable, value in pairs if stage == "expression" else obj.plan.updates:
        name = variable.name or "shared"
        found[value] = f"{found[value]}, {name}" if value in found else name
    return found


def steps_of(function):
    """The steps of a compiled function's plan, in the order in which they run."""
    return list(function.plan.steps)


def kind_of(node):
    """The node's family; ``input``, ``const`` or ``shared`` for a leaf."""
    return node.op.name if node.op.kind == "leaf" else node.op.kind


def attributes(node):
    """``{'axis': (0,)}``: the attributes of a node that say more than their defaults."""
    op = node.op
    if op.kind == "leaf":
        return {}
    pairs = zip(op.params, op.defaults, node.attrs, strict=True)
    return {name: value for name, default, value in pairs if value is not default}


def label(node):
    """``sum{axis=(0,)}``; the value of a constant, the name of an input or shared variable."""
    if node.op.kind == "leaf":
        if node.name or not node.attrs:
            return node.name or node.op.name
        array = node.attrs[0].array
        return brief(node.attrs[0]) if array.ndim else str(array[()])  # 0.1, also in float32
    given = ", ".join([f"{k}={brief(v)}" for k, v in attributes(node).items()])
    return f"{node.op.name}{{{given}}}" if given else node.op.name


def brief(value, most=48):
    """``repr(value)`` on one line, and not a long one."""
    text = " ".join(repr(value).split())
    return text if len(text) <= most else text[: most - 1] + "…"


# -- networkx


def to_networkx(obj, stage="expression", unknown=None):
    """A ``networkx.DiGraph`` of a variable, a list of variables or a compiled function.

    `stage`: ``"expression"`` as written, ``"rewritten"`` after the compiler's passes, or
    ``"plan"``, the steps that run.  Vertices are the nodes themselves; in a plan they are the
    numbers of the steps, and nodes for what the steps read from outside.  Each vertex has

    - ``op``, ``label`` (with attributes), ``kind``, ``type``, ``name``, and ``line`` and ``code``,
      the user's line that made it;
    - ``output``: whether it is (or, in a plan, computes) a result or an update, and ``updates``,
      the names of the shared variables whose new value that is;
    - ``flops`` and ``bytes``, estimates; absent where they depend on a length that is not known,
      unless `unknown` is a length to assume for these;
    - in a plan: ``step``, ``kernel`` (the step's name) and ``nodes`` (how many it computes).

    An edge leads from an input to its user; ``index`` is its (first) place there, ``count`` how
    often it is read.  Values are plain, so after ``nx.convert_node_labels_to_integers`` the graph
    can be written to a file.  Raises `UnknownName` for an unknown stage, `ArgumentError` for an
    object that is no graph.

    >>> x = T.dvector("x"); g = to_networkx(T.sum(x * x))            # doctest: +SKIP
    >>> [g.nodes[n]["op"] for n in g]                                # doctest: +SKIP
    ['input', 'mul', 'sum']
    """
    import networkx

    outputs = outputs_of(obj, stage)
    graph = networkx.DiGraph(stage=stage)
    results = dict.fromkeys(outputs, "") | updates_of(obj, stage)
    if stage == "plan":
        _add_plan(graph, steps_of(obj), results, Costs(unknown), {})
    else:
        _add_nodes(graph, toposort(outputs), results, Costs(unknown), {})
    return graph


def _add_nodes(graph, nodes, results, costs, lines, edges=True):
    for n in nodes:
        line, code = place(n.origin, lines)
        graph.add_node(
            n, op=n.op.name, label=label(n), kind=kind_of(n), type=repr(n.type), name=n.name or "",
            line=line, code=code, output=n in results, updates=results.get(n, ""),
            **_known(flops=costs.flops(n), bytes=costs.traffic(n)),
        )  # fmt: skip
        for index, i in enumerate(n.inputs if edges else ()):
            _add_edge(graph, i, n, index)


def _add_plan(graph, steps, results, costs, lines):
    maker = {n: number for number, step in enumerate(steps) for n in step.outputs}
    read = [n for s in steps for n in s.inputs]
    outside = [n for n in dict.fromkeys([*read, *results]) if n not in maker]
    _add_nodes(graph, outside, results, costs, lines, edges=False)
    for number, step in enumerate(steps):
        body, made = list(step.body), list(step.outputs)
        single = step.kind == "call" and len(body) == 1
        line, code = place(made[0].origin, lines)
        flops = [costs.flops(n) for n in body]
        ops = " ".join(dict.fromkeys([n.op.name for n in body]))
        graph.add_node(
            number, op=ops, label=label(body[0]) if len(body) == 1 else f"{len(body)} nodes: {ops}",
            kind=body[0].op.kind if single else str(step.kind),
            type=", ".join([repr(n.type) for n in made]),
            name=", ".join([n.name for n in made if n.name]), line=line, code=code,
            output=any(n in results for n in made),
            updates=", ".join([results[n] for n in made if results.get(n)]),
            step=number, kernel=f"step {number}", nodes=len(body),
            **_known(
                flops=None if None in flops else sum(flops),
                bytes=costs.traffic(body[0]) if single else costs.bytes([*step.inputs, *made]),
            ),
        )  # fmt: skip
        for index, i in enumerate(step.inputs):
            _add_edge(graph, maker.get(i, i), number, index)


def _known(**given):
    return {name: value for name, value in given.items() if value is not None}


def _add_edge(graph, source, target, index):
    if graph.has_edge(source, target):
        graph.edges[source, target]["count"] += 1
    else:
        graph.add_edge(source, target, index=index, count=1)


def place(at, lines):
    """``("train.py:12", "y = x + 1")`` for an origin; `lines` remembers what was looked up."""
    found = lines.get(at)
    if found is None:
        name, _, code = origin.line(at).partition("   ") if at else ("", "", "")
        found = lines[at] = name, code
    return found


# -- measures


class Metrics(NamedTuple):
    """What `metrics` finds.  Depth, width and paths count what is computed: leaves are free."""

    nodes: int
    edges: int
    leaves: int
    depth: int  # vertices on the longest path
    width: int  # most vertices at one depth
    path: tuple  # a longest path
    flops: int | None  # of the whole graph; None if lengths are unknown
    bytes: int | None
    cost: int | None  # of the costliest path, where a vertex costs max(flops, bytes)
    costly_path: tuple  # that path; empty if lengths are unknown

    def __str__(self):
        text = (
            f"{self.nodes} nodes ({self.leaves} leaves), {self.edges} edges, "
            f"depth {self.depth}, width {self.width}"
        )
        if self.flops is not None:
            text += f", {self.flops:,} flops, {self.bytes:,} bytes"
        return text


def metrics(obj, stage="expression", unknown=None):
    """`Metrics` of a graph from `to_networkx`, or of anything that `to_networkx` takes.

    >>> x = T.dvector("x"); metrics(T.sum(T.exp(x) * x)).depth       # doctest: +SKIP
    3
    """
    import networkx

    graph = obj if isinstance(obj, networkx.DiGraph) else to_networkx(obj, stage, unknown)
    order = list(networkx.topological_sort(graph))
    inner = [v for v in order if graph.in_degree(v) or graph.nodes[v]["kind"] not in _LEAVES]
    path, depths = _longest(graph, order, dict.fromkeys(inner, 1))
    row = {}
    for v in inner:
        row[depths[v]] = row.get(depths[v], 0) + 1
    flops, bytes = (_total(graph, inner, key) for key in ("flops", "bytes"))
    cost, costly = None, ()
    if flops is not None and bytes is not None:
        costs = {v: max(graph.nodes[v]["flops"], graph.nodes[v]["bytes"]) for v in inner}
        costly, ends = _longest(graph, order, costs)
        cost = ends[costly[-1]] if costly else 0
    return Metrics(
        len(order), graph.number_of_edges(), len(order) - len(inner), len(path),
        max(row.values(), default=0), path, flops, bytes, cost, costly,
    )  # fmt: skip


_LEAVES = ("input", "const", "shared")


def _total(graph, vertices, key):
    values = [graph.nodes[v].get(key) for v in vertices]
    return None if None in values else sum(values)


def _longest(graph, order, weight):
    """The heaviest path, without vertices that have no weight (leaves), and for each vertex the
    weight of the heaviest path to it."""
    ends, before, last = {}, {}, None
    for v in order:
        best = None
        for u in graph.pred[v]:
            if best is None or ends[u] > ends[best]:
                best = u
        ends[v] = weight.get(v, 0) + (ends[best] if best is not None else 0)
        before[v] = best
        if last is None or ends[v] > ends[last]:
            last = v
    path = []
    while last is not None:
        if last in weight:
            path.append(last)
        last = before[last]
    return tuple(reversed(path)), ends
