"""The op table: an explicit list of modules.  Here, and only here, the table is handed to
`node.py` (the one wire)."""

from __future__ import annotations

import numpy as np

from symgrad import node
from symgrad.op import Op, explained
from symgrad.ops import (
    axes,
    blas,
    body,
    branch,
    control,
    conv,
    cumulative,
    draft,
    ifelse,
    index,
    join,
    keys,
    lengths,
    linalg,
    logic,
    math,
    mrg,
    nn,
    pick,
    pool,
    random,
    randomstate,
    reduce,
    scan,
    scan_grad,
    scatter,
    select,
    shape,
    source,
    stats,
    trig,
)
from symgrad.scalars import ROWS

MODULES = (logic, math, trig, control, lengths, shape, axes, source, join, cumulative, reduce,
           stats, index, keys, scatter, pick, select, linalg, blas, conv, pool, nn, ifelse, body,
           draft, scan_grad, scan, branch, random, mrg, randomstate)


def collect(*modules):
    """Public names of the modules: their op records, and the functions they list in
    ``FUNCTIONS``."""
    table = {}
    for module in modules:
        rows = [
            v for v in vars(module).values() if isinstance(v, Op) and v.module == module.__name__
        ]
        for value in (*dict.fromkeys(rows), *getattr(module, "FUNCTIONS", ())):
            name = value.name if isinstance(value, Op) else value.__name__.rstrip("_")
            if name in table:
                raise ValueError(
                    f"{module.__name__}: the name {name!r} is taken by {table[name]!r}"
                )
            table[name] = value if isinstance(value, Op) else explained(value)
    return table


TABLE = collect(*MODULES)
OPS = {name: value for name, value in TABLE.items() if isinstance(value, Op)}
# NumPy's functions by what scalar function they compute; matmul computes none.
UFUNCS = {getattr(np, ROWS[op.scalar].numpy): name
          for name, op in OPS.items() if op.kind == "elementwise" and isinstance(op.scalar, str)}
UFUNCS[np.matmul] = "matmul"
node.bind(TABLE, UFUNCS)
