"""Ops that the numpy backend spells in a way of its own: op name -> (what it wants, how it is
printed)."""

from __future__ import annotations

from symgrad.compile.backends.quick import BLAS_DTYPES, LONG, SMALL, add_product, routine
from symgrad.compile.memory import Want
from symgrad.node import CONST
from symgrad.ops.lengths import known


def _dot_want(node):
    if node.type.ndim == 0:
        return Want("scalar")
    return Want("out") if all(i.type.ndim in (1, 2) for i in node.inputs) else Want("made")


def _dot(p, node, out, name):
    a, b = (p.operand(i, name) for i in node.inputs)
    if node.type.ndim == 0:
        return [f"{out} = {a}.dot({b})"]
    if max(i.type.ndim for i in node.inputs) > 2:
        return [f"{out} = np.dot({a}, {b})"]
    return [f"{a}.dot({b}, {out})"]


def _scaled_want(node):
    return Want("out", (0,))


def _onto(spell):
    """The spelling of an op that adds to its first input: in BLAS's dtypes `spell` adds to `out`,
    which holds that input already or gets a copy of it; in others the op's NumPy meaning is run."""

    def lines(p, node, out, name):
        if node.type.dtype not in BLAS_DTYPES:
            return [*p.call(node, "_r", name), f"np.copyto({out}, _r)"]
        start = p.operand(node.inputs[0], name)
        copied = [] if start == out else [f"{out}[...] = {start}"]
        return [*copied, *spell(p, node, out, name)]

    return lines


def _turned(p, node, name):
    """(text, flag) such that BLAS, which thinks in columns, gets the node transposed without a
    copy."""
    if node.op.name == "transpose" and node.attrs[0] == (1, 0):
        return p.operand(node.inputs[0], name) + ".T", 1
    return p.operand(node, name) + ".T", 0


def _gemm(p, node, out, name):
    _, a, b, alpha, beta = node.inputs
    (ta, fa), (tb, fb) = _turned(p, a, name), _turned(p, b, name)
    gemm = routine(p.env, "gemm", node.type.dtype)
    p.env["add_product"] = add_product
    alpha, beta = p.operand(alpha, name), p.operand(beta, name)
    careful = f"add_product({out}, {ta}, {tb}, {alpha}, {beta}, {fa}, {fb}, {gemm})"
    plain = f"{gemm}({alpha}, {tb}, {ta}, {beta}, {out}.T, {fb}, {fa}, 1)"
    (n, k), m = (p.early(d) for d in a.type.shape), p.early(b.type.shape[1])
    if None in (n, k, m):
        return [careful]
    far = p.once("long", f"{k} > {LONG} and {n} * {m} <= {SMALL} or not {n} * {k} * {m}")
    return [f"if {far}: {careful}", f"else: {plain}"]


def _ger(p, node, out, name):
    _, x, y, alpha = node.inputs
    gemm = routine(p.env, "gemm", node.type.dtype)
    row, column = f"{p.array(y, name)}[None]", f"{p.array(x, name)}[:, None]"
    row = p.once("row", row) if p.steady(y) else row
    column = p.once("column", column) if p.steady(x) else column
    # as a product of matrices it takes half the time of BLAS's own ger
    alpha = p.operand(alpha, name)
    return [f"if {out}.size: {gemm}({alpha}, {row}, {column}, 1.0, {out}.T, 1, 1, 1)"]


def _gemv(p, node, out, name):
    _, a, x, alpha, beta = node.inputs
    gemv = routine(p.env, "gemv", node.type.dtype)
    text, flag = _turned(p, a, name)
    x, alpha, beta = (p.operand(i, name) for i in (x, alpha, beta))
    line = (f"if len({x}) and len({out}): "
            f"{gemv}({alpha}, {text}, {x}, {beta}, {out}, 0, 1, 0, 1, {1 - flag}, 1)")
    return [line] if beta == "1.0" else [line, f"else: {out} *= {beta}"]


def _view(text):
    # NumPy gives the number itself, no view of it, where no axis is left
    return lambda node: Want("view" if node.type.ndim else "scalar"), lambda p, node, out, name: [
        f"{out} = {text(p, node, name)}"
    ]


def _unsqueeze(p, node, name):
    keys = ["None" if k in node.attrs[0] else ":" for k in range(node.type.ndim)]
    return f"{p.array(node.inputs[0], name)}[{', '.join(keys)}]"


def _squeeze(p, node, name):
    keys = ["0" if k in node.attrs[0] else ":" for k in range(node.inputs[0].type.ndim)]
    return f"{p.array(node.inputs[0], name)}[{', '.join(keys)}]"


def _transpose(p, node, name):
    x = p.array(node.inputs[0], name)
    return (
        f"{x}.T"
        if node.attrs[0] == tuple(range(node.type.ndim))[::-1]
        else f"{x}.transpose({node.attrs[0]})"
    )


def _stretched_want(node):
    return Want("view" if node.type.ndim else "scalar")


def _pick(p, node, out, name):
    x, y = node.inputs
    if x.op is CONST or y.op is CONST:
        return p.call(node, out, name)
    return [f"{out} = {name(x)}[{p.rows(y, name)}, {name(y)}]"]


def _measured(node):
    """Whether the lengths of a `place` are known before it is run."""
    return all(known(n) == d for n, d in zip(node.inputs[2:], node.type.shape, strict=True))


def _place(p, node, out, name):
    g, y, *lengths = node.inputs
    if not _measured(node):
        p.env["_place"] = node.op.numpy
        made = f"np.asarray({p.operand(g, name)}, '{g.type.dtype}')"
        args = [made, p.array(y, name), *[p.operand(n, name) for n in lengths]]
        return [f"{out} = _place({', '.join(args)})"]
    return [
        f"{out}.fill(0)",
        f"{out}[{p.rows(y, name)}, {p.array(y, name)}] = {p.operand(g, name)}",
    ]


def _entries(p, node, idx, scalars, name):
    """The text of an index; None where that is better left to the op."""
    scalars = iter(scalars)

    def part(entry):
        if entry is None:
            return ""
        return p.operand(next(scalars), name) if entry == "@" else str(entry)

    entries = []
    for e in idx:
        if not isinstance(e, tuple):
            entries.append(part(e))
        elif e[2] == "@":
            return None  # it may be zero
        else:
            parts = [part(v) for v in e]
            entries.append(":".join(parts[: 3 if parts[2] else 2]))
    return ", ".join(entries)


def _subtensor(p, node, out, name):
    x, *scalars = node.inputs
    key = _entries(p, node, node.attrs[0], scalars, name) if x.type.ndim else None
    return [f"{out} = {p.array(x, name)}[{key}]"] if key else p.call(node, out, name)


def writes_a_cell(node):
    """Whether it adds to, or stores, a single element."""
    return bool(node.attrs[0]) and not node.inputs[1].type.ndim and all(
        isinstance(e, int) or e == "@" for e in node.attrs[0])


def _inc_subtensor(p, node, out, name):
    if not writes_a_cell(node):
        return p.call(node, out, name)
    x, y, *scalars = node.inputs
    start, y = p.operand(x, name), p.operand(y, name)
    key = _entries(p, node, node.attrs[0], scalars, name)
    copied = [] if start == out else [f"{out}[...] = {start}"]
    return [*copied, f"{out}[{key}] {'=' if node.attrs[1] else '+='} {y}"]


def _around(p, node, out, name):
    number, *operands = node.inputs
    args = [p.operand(number, name), *[p.array(i, name) for i in operands]]
    return [f"{out} = {p.around(node)}({', '.join(args)})"]


SPELLED = {
    "loop": (lambda node: Want("made"), _around),
    "branch": (lambda node: Want("made"), _around),
    "item": (lambda node: Want("made" if node.type.ndim else "scalar"),
             lambda p, node, out, name: [f"{out} = {name(node.inputs[0])}[{node.attrs[0]}]"
                                         f"{'' if node.type.ndim else '[()]'}"]),
    "subtensor": (lambda node: Want("made" if node.type.ndim else "scalar"), _subtensor),
    "inc_subtensor": (lambda node: Want("out", (0,)) if writes_a_cell(node) else Want("made"),
                      _inc_subtensor),
    "dot": (_dot_want, _dot),
    "gemm": (_scaled_want, _onto(_gemm)),
    "ger": (_scaled_want, _onto(_ger)),
    "gemv": (_scaled_want, _onto(_gemv)),
    "unsqueeze": _view(_unsqueeze),
    "squeeze": _view(_squeeze),
    "transpose": _view(_transpose),
    "place": (lambda node: Want("out" if _measured(node) else "made"), _place),
    "pick": (lambda node: Want("made"), _pick),
    "broadcast_to": (_stretched_want, lambda p, node, out, name: p.call(node, out, name)),
}
