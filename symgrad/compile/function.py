"""``function()``: from a graph to something callable, as a short story."""

from __future__ import annotations

import gc
import time

from symgrad.compile.backends import checking, threaded
from symgrad.compile.callable import Function
from symgrad.compile.passes import REWRITES, apply, select
from symgrad.compile.plan import build
from symgrad.compile.pool import absorb
from symgrad.compile.program import Program
from symgrad.compile.report import Report
from symgrad.config import config
from symgrad.errors import ArgumentError
from symgrad.node import CONST, INPUT, Node, constant, rebuild
from symgrad.op import remake
from symgrad.ops.body import Body
from symgrad.types import Type

# Theano's modes, as changes to the pipeline; and those that check what a program does.
MODES = {"FAST_RUN": "", "Mode": "", "FAST_COMPILE": "-collect -shapes -specialise -block"}
CHECKS = {"debug": "debug", "DebugMode": "debug", "DEBUG_MODE": "debug",
          "nan": "nan", "NanGuardMode": "nan"}


def function(
    inputs=(),
    outputs=None,
    mode=None,
    updates=None,
    givens=None,
    no_default_updates=False,
    accept_inplace=False,
    name=None,
    rebuild_strict=True,
    allow_input_downcast=None,
    profile=None,
    on_unused_input=None,
    passes=None,
    backend=None,
    threads=None,
):
    """Compile a graph to a `Function`.

    Parameters
    ----------
    inputs : list of variables or `In`; an `In` may carry a name, a default ``value`` …
    outputs : a variable, a list, a dict of them, or None; what a call returns has the same form
    updates : list of ``(shared, expression)`` pairs or a dict; applied after the outputs are
        computed, all or none
    givens : list of pairs or a dict ``{variable: replacement}``, substituted before anything else
    passes, mode : changes to the pipeline (see `compile/passes.py`); Theano's mode names are
        accepted.  ``mode="debug"`` compares every step with the interpreter, and watches memory,
        indices and borders of arrays (backends/llvm/checked.py); on the numpy and python backends
        it compares the results only.  ``mode="nan"`` raises where an op makes NaN or infinity of
        finite numbers; ``"debug nan"`` does both.  Slow, for finding faults
    backend : 'llvm', 'numpy', 'python' or 'auto', the first of these that there is (default
        ``config.backend``)
    threads : how many threads a kernel with much work may use (default ``config.threads``, 1), on
        the llvm backend; results are the same for any number.  No more than processors that the
        process may use; `mode` "debug" uses one
    on_unused_input : 'raise' (default), 'warn' or 'ignore'
    allow_input_downcast : True casts wider arrays; None only Python numbers to floatX; False
        nothing
    profile : True counts calls and their time in ``f.profile``, and the time of each rule of the
        compiler in ``f.report`` (default ``config.profile``)
    no_default_updates : True, or a list of shared variables whose default updates are left out

    >>> x = T.dvector("x"); f = function([x], (x ** 2).sum()); f([1, 2, 3])
    array(14.)
    """
    mode = config.mode if mode is None else mode
    named = mode.split() if isinstance(mode, str) else []
    base = " ".join([MODES.get(word, word) for word in named if word not in CHECKS])
    checks = {CHECKS[word] for word in named if word in CHECKS}
    if config.check_nan:
        checks.add("nan")
    words = f"{base} {config.passes if passes is None else passes}"
    request = Program.of(inputs, outputs, updates, givens, no_default_updates,
                         on_unused_input or config.on_unused_input, allow_input_downcast, name)
    return compiled(
        request,
        words.strip(),
        backend or config.backend,
        config.profile if profile is None else profile,
        tuple(sorted(checks)),
        config.threads if threads is None else threads,
    )


def compiled(request, passes="", backend="auto", profile=False, checks=(), threads=1):
    """The `Function` for a checked request.  `checks`: 'debug', 'nan'."""
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ArgumentError(f"function: threads={threads!r} must be a positive whole number")
    start = time.perf_counter()
    selection = select(passes)
    chosen = checking(backend, checks) if checks else threaded(backend, threads)
    report = Report(request.name, chosen.name, timing=bool(profile))
    collecting = gc.isenabled()
    gc.disable()  # a quarter of the time on large graphs, and nothing here makes garbage cycles
    try:
        code = translate(request, selection, chosen, report)
    finally:
        if collecting:
            gc.enable()
    report.total = time.perf_counter() - start
    report.plan, report.memory, report.code = code.plan, getattr(code, "memory", None), code
    made = Function(
        request,
        code,
        report,
        lambda: translate(request, selection, chosen, Report(request.name, ""), False),
        profile,
    )
    made.recipe = {
        "make": remade,
        "options": (request, passes, backend, checks, threads),
        "compile": _without_updates,
    }
    return made


def remade(options, name):
    """A function from its pickle: compiled anew."""
    request, passes, backend, checks, threads = options
    made = compiled(request, passes, backend, checks=checks, threads=threads)
    made.name = name
    return made


def _without_updates(recipe, name, swap):
    request, passes, backend, checks, threads = recipe["options"]
    bare = Program(
        request.inputs,
        request.leaves,
        request.outputs,
        request.form,
        [],
        [],
        request.expression,
        request.allow_downcast,
        name,
    )
    made = compiled(bare, passes, backend, checks=checks, threads=threads)
    return made.copy(swap={s: swap[s.container] for s in made.get_shared() if s.container in swap})


def translate(request, selection, backend, report, expect=True):
    """Intern, rewrite, plan, print.  With ``expect=False`` no lengths are taken for equal that
    NumPy would not insist on."""
    plan = planned(request.roots, request.leaves, request.updated, selection, report, expect)
    start = time.perf_counter()
    code = backend.compile(plan, selection)
    report.timed("code", start)
    return code


def planned(roots, leaves, updated, selection, report, expect, done=False):
    """The plan of a graph, and in it those of the bodies of its loops and branches.  The last of
    `roots` are the new values of the shared variables `updated`; `done`: the graph is in its final
    form."""
    clock = time.perf_counter
    start = clock()
    final, graph = absorb(roots, expect)
    report.timed("intern", start)
    if not done:
        graph = apply(REWRITES, graph, final, selection, report.rows, timed=report.timing,
                      trace=report.trace)
        start = clock()
        final, graph = absorb(graph, expect, prior=final)
        report.timed("settle", start)
    start = clock()
    count = len(roots) - len(updated)
    updates = [(final.enter_leaf(s), v) for s, v in zip(updated, graph[count:], strict=True)]
    plan = build(final, leaves, graph[:count], updates, "fuse" in selection)
    report.timed("fuse", start)
    known = {}
    for node in plan.nodes:
        bodies = [a for a in node.attrs if type(a) is Body]
        if bodies:
            start = clock()
            trace = report.trace and report.trace.inside(node)
            done = node.op.kind == "branch"  # its sides were rewritten with the whole
            plan.inner[node] = tuple([inside(b, node.inputs[1:], selection, expect, known, done,
                                             trace)
                                      for b in bodies])
            report.timed(node.op.name, start)
    return plan


def inside(body, operands, selection, expect, known, done, trace=None):
    """The plan of a body, its lengths being those of the operands, and its numbers those that are
    known; `known`: plans made before."""
    reads = body.reads()
    types = [Type(i.type.dtype, operands[k].type.shape[body.inner(k):]) for k, i in reads]
    numbers = {i: operands[k] for k, i in reads
               if operands[k].op is CONST and not operands[k].type.ndim and not body.inner(k)}
    key = body, tuple(types), tuple([(i, n.attrs) for i, n in numbers.items()])
    if key not in known:
        leaves = [Node(INPUT, (), (), t, i.origin, i.name)
                  for t, i in zip(types, body.inputs, strict=True)]
        given = dict(zip(body.inputs, leaves, strict=True)) | {
            i: constant(n.data, i.name) for i, n in numbers.items()}
        roots = rebuild(body.outputs, given, remake)
        known[key] = planned(roots, leaves, (), selection, Report(None, "", trace=trace), expect,
                             done)
    return known[key]
