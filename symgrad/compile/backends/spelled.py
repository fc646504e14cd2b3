"""Ops that the numpy backend spells in a way of its own: op name -> (what it wants, how it is
printed)."""

from __future__ import annotations

from symgrad.compile.backends.quick import add_product, blas
from symgrad.compile.memory import Want
from symgrad.node import CONST


def _dot_want(node):
    if node.type.ndim == 0:
        return Want("scalar")
    return Want("out") if all(i.type.ndim in (1, 2) for i in node.inputs) else Want("made")


def _dot(p, node, out, name):
    a, b = (p.operand(i, name) for i in node.inputs)
    if node.type.ndim == 0:
        return [f"{out} = np.dot({a}, {b})"]
    return [f"np.dot({a}, {b}, out={out})"]


def _scaled_want(node):
    return Want("out", (0,))


def _onto(spell):
    """The spelling of an op that adds to its first input: in BLAS's dtypes `spell` adds to `out`,
    which holds that input already or gets a copy of it; in others the op's NumPy meaning is run."""

    def lines(p, node, out, name):
        if node.type.dtype not in ("float32", "float64"):
            return [*p.call(node, "_r", name), f"np.copyto({out}, _r)"]
        start = p.operand(node.inputs[0], name)
        copied = [] if start == out else [f"np.copyto({out}, {start})"]
        return [*copied, spell(p, node, out, name)]

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
    p.env["gemm"], p.env["add_product"] = blas("gemm", node.type.dtype), add_product
    alpha, beta = p.operand(alpha, name), p.operand(beta, name)
    return f"add_product({out}, {ta}, {tb}, {alpha}, {beta}, {fa}, {fb}, gemm)"


def _ger(p, node, out, name):
    _, x, y, alpha = node.inputs
    p.env["gemm"] = blas("gemm", node.type.dtype)
    x, y, alpha = p.array(x, name), p.array(y, name), p.operand(alpha, name)
    # as a product of matrices it takes half the time of BLAS's own ger
    return (
        f"gemm({alpha}, {y}[None], {x}[:, None], 1.0, {out}.T, overwrite_c=1, "
        "trans_a=1, trans_b=1)"
    )


def _gemv(p, node, out, name):
    _, a, x, alpha, beta = node.inputs
    p.env["gemv"] = blas("gemv", node.type.dtype)
    text, flag = _turned(p, a, name)
    x, alpha, beta = (p.operand(i, name) for i in (x, alpha, beta))
    return f"gemv({alpha}, {text}, {x}, {beta}, {out}, overwrite_y=1, trans={1 - flag})"


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


def _place(p, node, out, name):
    g, y = node.inputs[:2]
    return [
        f"{out}.fill(0)",
        f"{out}[{p.rows(y, name)}, {p.array(y, name)}] = {p.operand(g, name)}",
    ]


SPELLED = {
    "dot": (_dot_want, _dot),
    "gemm": (_scaled_want, _onto(_gemm)),
    "ger": (_scaled_want, _onto(_ger)),
    "gemv": (_scaled_want, _onto(_gemv)),
    "unsqueeze": _view(_unsqueeze),
    "squeeze": _view(_squeeze),
    "transpose": _view(_transpose),
    "place": (lambda node: Want("out"), _place),
    "pick": (lambda node: Want("made"), _pick),
    "broadcast_to": (_stretched_want, lambda p, node, out, name: p.call(node, out, name)),
}
