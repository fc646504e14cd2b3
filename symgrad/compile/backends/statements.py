"""How the numpy backend spells one node: what memory it wants, and the statement that computes it.

A node of kind elementwise is printed from its scalar expression, one ufunc a row of the
vocabulary, ``out=`` everywhere; a few ops have a spelling of their own in `SPELLED`; everything
else calls the op's NumPy meaning.
"""

from __future__ import annotations

import numpy as np

from symgrad.compile.backends.quick import (
    BLAS_DTYPES,
    max_along,
    maximising,
    sum_along,
    sum_of,
    summing,
    suprema,
    supremum_along,
)
from symgrad.compile.backends.spelled import SPELLED
from symgrad.compile.memory import Want
from symgrad.node import CONST
from symgrad.scalars import Apply, Arg, Lit, expression
from symgrad.types import is_complex, real_of

_TREES = {}


def tree(node):
    """The node's scalar expression as a flat list of (row, operands, dtype) in evaluation order."""
    key = node.op, node.attrs, node.type.dtype, tuple([i.type.dtype for i in node.inputs])
    found = _TREES.get(key)
    if found is None:
        attrs = dict(zip(node.op.params, node.attrs, strict=True))
        root = expression(node.op.scalar, len(node.inputs), **attrs)
        found = _TREES[key] = _flatten(root, [i.type.dtype for i in node.inputs], node.type.dtype)
    return found


def _flatten(root, dtypes, out_dtype):
    """Post-order list of instructions; an operand is ('arg', k), ('lit', value) or ('temp',
    instruction)."""
    code, memo = [], {}

    def dtype_of(operand):
        kind, what = operand
        return dtypes[what] if kind == "arg" else code[what][2] if kind == "temp" else None

    def visit(e):
        if isinstance(e, Arg):
            return "arg", e.k
        if isinstance(e, Lit):
            return "lit", e.value
        if id(e) in memo:
            return memo[id(e)]
        operands = [visit(a) for a in e.args]
        if e.row.name == "cast":
            dtype = e.dtype
        elif e.row.boolean:
            dtype = "bool"
        else:
            known = [d for d in map(dtype_of, operands[e.row.name == "where":]) if d] or [out_dtype]
            dtype = (
                real_of(known[0]) if e.row.name in ("abs", "real", "imag", "angle") else known[0]
            )
        code.append((e.row, operands, dtype))
        memo[id(e)] = "temp", len(code) - 1
        return memo[id(e)]

    assert isinstance(root, (Apply, Arg, Lit))
    last = visit(root)
    if last[0] != "temp" or last[1] != len(code) - 1 or code[-1][2] != out_dtype:
        code.append((None, [last], out_dtype))  # a copy or a cast at the end
    return code


def want(node):
    """What the numpy backend asks of the memory planner for a node."""
    kind, name = node.op.kind, node.op.name
    if name in SPELLED:
        return SPELLED[name][0](node)
    if node.op.kind == "view":
        return Want("made")
    if node.type.ndim == 0:
        return Want("scalar")
    if kind == "elementwise" and node.op.scalar is not None:
        code = tree(node)
        temps = tuple([d for _, _, d in code[:-1]])
        over = tuple([k for k, i in enumerate(node.inputs) if i.type is node.type])
        if code[-1][0] is not None and code[-1][0].name == "where":
            over = ()
        return Want("out", over, _registers(code)[1] if temps else ())
    if (
        kind == "reduction"
        and name in UFUNC_REDUCE
        and node.type.dtype == node.inputs[0].type.dtype
    ):
        return Want("out")
    return Want("made")


UFUNC_REDUCE = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "supremum": "maximum",
    "min": "minimum",
    "all": "logical_and",
    "any": "logical_or",
}  # reductions that are a ufunc's reduce


def _registers(code):
    """Scratch for intermediate results: ([register of each instruction], [dtype of each
    register])."""
    last = {}
    for k, (_, operands, _) in enumerate(code):
        for kind, what in operands:
            if kind == "temp":
                last[what] = k
    where, dtypes, free = [], [], []
    for k, (row, operands, dtype) in enumerate(code[:-1]):
        dying = [where[w] for kind, w in dict.fromkeys(operands) if kind == "temp" and last[w] == k]
        # a choice writes its last operand first, and reads the others afterwards
        read = operands[:2] if row is not None and row.name == "where" else ()
        held = [where[w] for kind, w in read if kind == "temp"]
        usable = [r for r in (*dying, *free) if dtypes[r] == dtype and r not in held]
        if usable:
            r = usable[0]
            free = [f for f in (*free, *dying) if f != r]
        else:
            dtypes.append(dtype)
            r = len(dtypes) - 1
            free += dying
        where.append(r)
    return where, tuple(dtypes)


class Printer:
    """Prints statements; `name(node)` says how an operand is read, `number(value, dtype)` spells a
    constant.

    What can be prepared is prepared with the workspace: ``once(prefix, expression)`` names it.
    `steady` says which values have a buffer of the workspace, `settled` which numbers depend on
    lengths alone, `early` is the text of a length known then.
    """

    def __init__(self, env):
        self.env = env
        self.names, self.counts = {}, {}  # id of a value -> its name; prefix -> how many
        # what a program around the statements may offer; see `Text`
        self.once = self.early = lambda *_: None
        self.steady = self.settled = lambda node: False

    def literal(self, value, dtype):
        """A constant as text: a plain Python number where that is exact, else a name bound to a
        typed one."""
        if isinstance(value, bool | np.bool_):
            return repr(bool(value))
        typed = np.asarray(value, dtype)
        item = typed.item()
        if isinstance(item, int) or (isinstance(item, float) and np.isfinite(item)):
            return repr(item)
        return self.bind(typed[()], "c")

    def bind(self, value, prefix):
        """The name of a value in the program's namespace."""
        if not self.names:
            self.names = {id(v): k for k, v in reversed(self.env.items())}
        name = self.names.get(id(value))
        if name is not None and self.env.get(name) is value:
            return name
        count = self.counts.get(prefix, 0)
        while (name := f"{prefix}{count}") in self.env:
            count += 1
        self.counts[prefix] = count + 1
        self.env[name], self.names[id(value)] = value, name
        return name

    def dtype(self, name):
        """The name of a dtype object: NumPy need not look up the text at each call."""
        self.env[f"_{name}"] = np.dtype(name)
        return f"_{name}"

    def constant(self, node):
        array = node.attrs[0].array
        if array.ndim == 0:
            return self.literal(
                array.item() if not is_complex(node.type.dtype) else array[()], node.type.dtype
            )
        return self.bind(array, "c")

    def array(self, node, name):
        """An operand that must be an array, for indexing: 0-d values are plain numbers
        otherwise."""
        if node.op is CONST:
            return self.bind(node.attrs[0].array, "c")
        return (
            f"np.asarray({name(node)}, '{node.type.dtype}')" if node.type.ndim == 0 else name(node)
        )

    def operand(self, node, name):
        return self.constant(node) if node.op is CONST else name(node)

    def rows(self, y, name):
        """0, 1, … len(y) - 1."""
        return f"np.arange(len({self.array(y, name)}))"

    # -- statements

    def statements(self, node, out, temps, name):
        """Lines that compute `node` into `out` (a name); `temps` are names of scratch arrays."""
        op = node.op
        if op.name in SPELLED:
            return SPELLED[op.name][1](self, node, out, name)
        if op.kind == "elementwise" and op.scalar is not None:
            if all(i.op is CONST for i in node.inputs) or node.type.ndim == 0:
                return (
                    self.scalar(node, out, name)
                    if node.type.ndim == 0
                    else self.call(node, out, name)
                )
            return self.elementwise(node, out, temps, name)
        if (
            op.kind == "reduction"
            and op.name in UFUNC_REDUCE
            and node.type.dtype == node.inputs[0].type.dtype
        ):
            return self.reduction(node, out, name)
        return self.call(node, out, name)

    def elementwise(self, node, out, temps, name):
        code = tree(node)
        where, _ = _registers(code)
        # a number is read twice as fast from a 0-d array as from a Python float
        arg = {k: self.array(i, name) if i.op is CONST
               else self.once("n", f"np.asarray({name(i)})") if self.settled(i) else name(i)
               for k, i in enumerate(node.inputs)}
        spell = {"arg": arg.__getitem__, "lit": lambda v: repr(v),
                 "temp": lambda k: temps[where[k]]}
        lines = []
        for k, (row, operands, _) in enumerate(code):
            target = out if k == len(code) - 1 else temps[where[k]]
            args = [spell[kind](what) for kind, what in operands]
            if row is None or row.name == "cast":
                lines.append(f"np.copyto({target}, {args[0]}, casting='unsafe')")
            elif row.name == "where":
                lines += [f"np.copyto({target}, {args[2]}, casting='unsafe')",
                          f"np.copyto({target}, {args[1]}, where={args[0]}, casting='unsafe')"]
            elif not hasattr(getattr(np, row.numpy), "at"):  # real, imag, angle are no ufuncs
                lines.append(f"np.copyto({target}, np.{row.numpy}({args[0]}))")
            else:
                lines.append(f"np.{row.numpy}({', '.join(args)}, out={target})")
        return lines

    def scalar(self, node, out, name):
        """0-d values are NumPy scalars: plain operators are the fastest way to compute with
        them."""
        op = node.op
        args = [self.operand(i, name) for i in node.inputs]
        symbol = {"add": "+", "sub": "-", "mul": "*"}.get(op.name)
        if op.name == "cast":
            return [f"{out} = np.{_scalar_type(node.type.dtype)}({args[0]})"]
        if symbol and node.type.dtype != "bool" and any(i.op is not CONST for i in node.inputs):
            return [f"{out} = {args[0]} {symbol} {args[1]}"]
        if op.name == "neg" and node.inputs[0].op is not CONST:
            return [f"{out} = -{args[0]}"]
        if op.name == "true_div" and any(i.op is not CONST for i in node.inputs):
            return [f"{out} = {args[0]} / {args[1]}"]
        code = tree(node)
        if len(code) == 1 and code[0][0] is not None and all(
                i.type.dtype == node.type.dtype and i.op is not CONST for i in node.inputs):
            row, operands, _ = code[0]
            if row.name not in ("cast", "where") and all(kind == "arg" for kind, _ in operands):
                return [f"{out} = np.{row.numpy}({', '.join(args[k] for _, k in operands)})"]
        return self.call(node, out, name)

    def reduction(self, node, out, name):
        x = node.inputs[0]
        axes = node.attrs[0]
        ufunc = f"np.{UFUNC_REDUCE[node.op.name]}.reduce"
        start = ", initial=-np.inf" if node.op.name == "supremum" else ""
        arg = self.operand(x, name)
        if node.type.ndim == 0:
            if node.op.name == "sum" and x.type.ndim == 1 and node.type.dtype in BLAS_DTYPES:
                if self.steady(x):
                    self.env["summing"] = summing
                    return [f"{out} = {self.once('sum', f'summing({arg})')}()"]
                self.env["sum_of"] = sum_of
                return [f"{out} = sum_of({arg})"]
            if node.op.name in ARG_REDUCE and x.type.ndim == 1 and x.op is not CONST:
                found = f"{arg}[{arg}.{ARG_REDUCE[node.op.name]}()]"
                if start:
                    found += f" if len({arg}) else np.{node.type.dtype}(-np.inf)"
                return [f"{out} = {found}"]
            return [f"{out} = {ufunc}({arg}, axis={_axis(axes, x)}{start})"]
        quick = QUICK.get((node.op.name, axes))
        if quick and x.type.ndim == 2 and node.type.dtype in BLAS_DTYPES:
            if self.steady(x) and self.steady(node):
                quick = PREPARED[quick]
                self.env[quick.__name__] = quick
                ready = self.once(node.op.name, f"{quick.__name__}({arg}, {axes[0]}, {out})")
                return [f"{ready}()  # {out} = {arg}.{node.op.name}({axes[0]})"]
            self.env[quick.__name__] = quick
            return [f"{quick.__name__}({arg}, {axes[0]}, {out})"]
        return [f"{ufunc}({arg}, axis={_axis(axes, x)}, out={out}{start})"]

    def call(self, node, out, name):
        """The op's own NumPy meaning, bound under the op's name."""
        op = node.op
        function = f"_{op.name}"
        if self.env.get(function, op.numpy) is not op.numpy:
            function = self.bind(op.numpy, f"_{op.name}_")
        self.env[function] = op.numpy
        args = [
            f"np.{_scalar_type(i.type.dtype)}({self.operand(i, name)})"
            if i.op is CONST and i.type.ndim == 0
            else self.operand(i, name)
            for i in node.inputs
        ]
        for p, v in zip(op.params, node.attrs, strict=True):
            plain = isinstance(v, str | int | float | bool | type(None)) or (
                isinstance(v, tuple) and all(isinstance(e, int | str | type(None)) for e in v))
            args.append(f"{p}={v!r}" if plain else f"{p}={self.bind(v, 'a')}")
        return [f"{out} = {function}({', '.join(args)})"]


QUICK = {("sum", (0,)): sum_along, ("sum", (1,)): sum_along, ("max", (1,)): max_along,
         ("supremum", (1,)): supremum_along}
PREPARED = {sum_along: summing, max_along: maximising, supremum_along: suprema}
# finding the place takes a quarter of the time
ARG_REDUCE = {"max": "argmax", "supremum": "argmax", "min": "argmin"}


def _axis(axes, x):
    return axes[0] if len(axes) == 1 else "None" if len(axes) == x.type.ndim else axes


def _scalar_type(dtype):
    return "bool_" if dtype == "bool" else dtype
