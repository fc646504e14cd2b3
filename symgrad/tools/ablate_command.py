"""`symgrad ablate SCRIPT.py | MODEL`: what each rule and each pass does for a program's functions.

A script says what is to be looked at in one of three ways, the first that it has:

* a function ``build()`` that returns ``(request, values)``, as the bundled models have;
* ``ablate = (f, inputs)``, or a list of such pairs;
* nothing: then every compiled function that is among its globals when it ends and was called, with
  the arguments of its last call; if there is none, every one that was called at all.

The bundled models are the modules of `benchmarks/models/` in a checkout.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import contextmanager
from functools import reduce
from operator import add
from pathlib import Path
from types import ModuleType

from symgrad.compile.callable import Function
from symgrad.errors import ArgumentError, UnknownName, near
from symgrad.tools.ablate import COMPILES, ROUNDS, ablate
from symgrad.tools.ablate_report import read
from symgrad.tools.ablate_table import ending, functions, headline, part

PACKAGE = Path(__file__).parents[1]
MODELS = PACKAGE.parent / "benchmarks" / "models"
ALL = "all"
FORMS = ("json", "csv", "html", "png")  # of a report
# what BLAS libraries read when they are loaded
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS",
           "VECLIB_MAXIMUM_THREADS")


def register(commands):
    """Add the subcommand ``ablate``."""
    parser = commands.add_parser(
        "ablate", help="measure what each rule and pass does for a function",
        description="Compile functions with each rule, each family and each pass off, and on each "
        "backend, and measure what changes.",
        epilog=f"MODEL is one of {', '.join(models()) or 'none: they come with a checkout'}, or "
        f"{ALL}.  A script may define build(), or ablate = (f, inputs), or nothing: then all "
        "functions that it called are taken, with the arguments of their last call: those in its "
        "globals if there are any.")
    parser.add_argument("targets", nargs="+", metavar="SCRIPT.py|MODEL")
    for word in FORMS:
        parser.add_argument(f"--{word}", type=Path, metavar="FILE", help=f"write it as {word}, too")
    parser.add_argument("--compare", type=Path, metavar="FILE",
                        help="tell what is worse than in an earlier --json report (exit status 1)")
    parser.add_argument("--rounds", type=_count, default=ROUNDS, metavar="N",
                        help=f"of each comparison (default {ROUNDS}; 8 or more make an interval)")
    parser.add_argument("--compiles", type=_count, default=COMPILES, metavar="N",
                        help=f"how often each variant is compiled (default {COMPILES})")
    parser.add_argument("--only", action="append", metavar="PATTERN",
                        help="variants of these names, as in 'stabilise*' (may be given again)")
    parser.add_argument("--arguments", default="", metavar="ARGS",
                        help="what the script finds in sys.argv, in one string")
    parser.set_defaults(run=run)


def _count(text):
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


_count.__name__ = "positive int"  # argparse prints it


def models():
    """Names of the bundled models, sorted; none where there is no checkout."""
    return sorted([p.stem for p in MODELS.glob("*.py") if not p.stem.startswith("_")])


def run(options):
    """The command; returns the exit code: 1 if something is worse than in the earlier report."""
    if not any(os.environ.get(word) for word in THREADS):
        return _with_one_thread(options)
    for word in FORMS:
        if file := getattr(options, word):
            writable(file, f".{word}")
    earlier = options.compare and read(options.compare)
    pairs = [pair for target in options.targets
             for pair in functions_of(target, shlex.split(options.arguments))]
    found = []
    try:
        for f, inputs in pairs:
            found.append(ablate(f, inputs, only=options.only, rounds=options.rounds,
                                compiles=options.compiles, compare=earlier,
                                progress=sys.stderr.isatty()))
            if len(found) == 1:
                print(headline(found[0].machine))
            for name in functions(found[-1].rows):
                print(f"\n{part(found[-1].rows, name)}", flush=True)
    except KeyboardInterrupt:
        print("stopped by hand", file=sys.stderr)
        if not found:
            return 1
    report = reduce(add, found)
    print(f"\n{ending(report)}")
    for word in FORMS:
        if file := getattr(options, word):
            print(f"wrote {report.save(file)}")
    return 1 if report.regressions else 0


def writable(file, ending):
    """Raises ArgumentError where a report cannot be written: now, not when all is measured."""
    why = None
    if file.suffix != ending:
        why = f"its name must end in {ending}"
    elif not file.parent.is_dir():
        why = f"there is no folder {file.parent}"
    elif file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        why = "it is a folder" if file.is_dir() else "there is no right to"
    if why:
        raise ArgumentError(f"ablate: cannot write {file}: {why}")


def _with_one_thread(options):
    """The same command in a process whose BLAS has one thread: it reads that when it is loaded."""
    words = [sys.executable, "-m", "symgrad", "ablate", *options.targets]
    for name in (*FORMS, "compare", "rounds", "compiles", "arguments"):
        if value := getattr(options, name):
            words.append(f"--{name}={value}")
    words += [f"--only={pattern}" for pattern in options.only or ()]
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"),
                   "PYTHONPATH": os.pathsep.join(paths)}
    child = subprocess.Popen(words, env=environment)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # it has had it, too, and tells what it has
            continue


# -- what is to be looked at


def functions_of(target, arguments=()):
    """Pairs (function or builder, inputs) of a script or a model; ArgumentError if there are none,
    UnknownName if there is no such model."""
    path = Path(target)
    if path.suffix == ".py" or path.is_file():
        if not path.is_file():
            raise ArgumentError(f"ablate: there is no script {target}")
        return from_script(path, arguments)
    known = models()
    if target == ALL and known:
        return [pair for name in known for pair in functions_of(name)]
    if target not in known:
        where = near(target, [*known, ALL]) if known else (
            f"the models are in benchmarks/models of a checkout, and {MODELS} is not there")
        raise UnknownName(f"ablate: no model is called {target!r}: {where}; a script ends in .py")
    return from_script(MODELS / f"{target}.py", ())


def from_script(path, arguments):
    """What a script has for us (see the module), after it was run as the main program."""
    with watched() as calls:
        found = _executed(path, arguments)
    if callable(build := found.get("build")) and not isinstance(build, Function):
        return [(_titled(build, path.stem), None)]
    if "ablate" in found and not callable(found["ablate"]):
        return _pairs(found["ablate"], path)
    called = {key: r for key, r in calls.items() if r.last is not None}
    named = {id(f): name for name, f in found.items() if isinstance(f, Function)}
    chosen = [key for key in named if key in called] or list(called)
    if not chosen:
        names = ", ".join(named.values())
        why = f"{names}: none of them was called" if names else "it calls no compiled function"
        raise ArgumentError(f"ablate: {path}: {why}; define build(), or ablate = (f, inputs)")
    for number, key in enumerate(chosen):
        f = called[key].f
        f.name = f.name or named.get(key, f"function {number}")
    return [(called[key].f, called[key].values()) for key in chosen]


def _pairs(given, path):
    pairs = given if isinstance(given, list) else [given]
    for p in pairs:
        if not (isinstance(p, tuple) and len(p) == 2 and callable(p[0])):
            raise ArgumentError(f"ablate: {path}: ablate must be (f, inputs) or a list of such "
                                f"pairs, not {p!r:.60}")
    return pairs


def _titled(build, name):
    def builder():
        return build()

    builder.title = name
    return builder


def _executed(path, arguments):
    """The globals of a script; it may end with sys.exit() or sys.exit(0)."""
    source = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    module = ModuleType("__main__")
    module.__file__ = str(path)
    before, where, main = sys.argv, list(sys.path), sys.modules["__main__"]
    sys.argv, sys.path[:0] = [str(path), *arguments], [str(path.parent)]
    sys.modules["__main__"] = module
    try:
        exec(source, vars(module))
    except SystemExit as end:
        if end.code not in (None, 0):
            raise ArgumentError(f"ablate: {path} ended with exit status {end.code}") from None
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"] = before, where, main
    return vars(module)


class _Recorder:
    """What `f.__call__` is while a script runs: it keeps the arguments of the last call."""

    def __init__(self, f, inner):
        self.f, self.inner, self.last = f, inner, None

    def __call__(self, *args, **named):
        self.last = args, named
        return self.inner(*args, **named)

    def values(self):
        """The last arguments, in order, those that have defaults among them."""
        args, named = self.last
        return self.f._bound(list(args), named)


@contextmanager
def watched():
    """A dict {id of a function: its `_Recorder`} of functions that are made inside."""
    found, first, enter = {}, Function._first, Function._enter

    def watching(f):
        found[id(f)] = _Recorder(f, first(f))
        return found[id(f)]

    def entering(f):
        """A function sets its own `__call__` when it gets a native entry."""
        native, recorder = enter(f), found.get(id(f))
        if recorder is not None and f.__call__ is not recorder:
            recorder.inner, f.__call__ = f.__call__, recorder
        return native

    Function._first, Function._enter = watching, entering
    try:
        yield found
    finally:
        del Function._first, Function._enter
        for recorder in found.values():
            recorder.f.__call__ = recorder.f._first()
