"""`symgrad accuracy`: how far scalar functions are from the truth, in units of the last place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from symgrad.errors import ArgumentError, MissingPackage
from symgrad.extras import need
from symgrad.scalars import ROWS

DTYPES = ("float32", "float64")
BINS = (0.5, 1.0, 2.0)
# The rows that have a function of mpmath: its name where that is another.
TRUTH = {"exp2": lambda mp, x: mp.mpf(2) ** x, "log2": lambda mp, x: mp.log(x) / mp.log(2),
         "cbrt": lambda mp, x: mp.sign(x) * mp.cbrt(abs(x)),
         "pow": lambda mp, x, y: x**y,
         "logaddexp": lambda mp, x, y: mp.log(mp.exp(x) + mp.exp(y))}
WIDTH = {"float32": 16, "float64": 8}


def functions():
    """Names of the rows that are not exact."""
    mp = need("mpmath", "test")
    exact = {"sign", "floor", "ceil", "conj", "sqrt"}
    return [n for n in ROWS if n in TRUTH or (
        n not in exact and ROWS[n].text.startswith(f"{n}(") and callable(getattr(mp, n, None))
        and not ROWS[n].boolean)]


def samples(dtype, count, seed=0):
    """Numbers of all magnitudes, half of them where functions have their shape."""
    rng = np.random.default_rng(seed)
    size = np.dtype(dtype).itemsize
    wild = rng.integers(0, 1 << 8 * size, count // 2, f"u{size}", endpoint=False).view(dtype)
    near = rng.normal(size=count - len(wild)) * rng.choice([0.1, 1.0, 10.0], count - len(wild))
    return np.concatenate([wild, near.astype(dtype)])


@dataclass
class Errors:
    """What was measured of one function, dtype and backend."""

    name: str
    dtype: str
    backend: str
    ulps: np.ndarray
    at: tuple

    def line(self):
        """One line of the table."""
        edges = [-1.0, *BINS, np.inf]
        shares = np.histogram(self.ulps, edges)[0] / max(len(self.ulps), 1)
        where = ", ".join([str(v) for v in self.at])
        return (f"{self.name:10}{self.dtype:9}{self.backend:7}"
                + "".join([f"{100 * s:9.3f} %" for s in shares])
                + f"{self.worst:10.3f}  at {where}")

    @property
    def worst(self):
        return float(self.ulps.max(initial=0.0))


HEAD = (f"{'function':10}{'dtype':9}{'by':7}{'<= 0.5':>11}{'<= 1':>11}{'<= 2':>11}{'> 2':>11}"
        f"{'greatest':>10}  ULP")


def truth(name, arguments):
    """The values as mpmath numbers, None where there is none or it is not finite."""
    mp = need("mpmath", "test")
    function = TRUTH.get(name) or (lambda mp, *x: getattr(mp, name)(*x))
    out = []
    for numbers in zip(*arguments, strict=True):
        exact = [mp.mpf(float(v)) for v in numbers]
        # digits for a reduction of the largest argument, or for the smallest beside 1
        large = max([abs(mp.log(abs(v), 10)) if v and mp.isfinite(v) else 0 for v in exact])
        with mp.workdps(30 + int(large if large < 400 else 400)):
            try:
                value = function(mp, *exact) if all(map(mp.isfinite, exact)) else mp.nan
            except (ZeroDivisionError, ValueError, OverflowError):
                value = mp.nan
            good = isinstance(value, mp.mpf) and mp.isfinite(value)
            out.append(value if good else None)
    return out


def compare(have, true):
    """The errors in ULP; infinite where a finite value should be and is not."""
    mp = need("mpmath", "test")
    top = float(np.finfo(have.dtype).max)
    errors = np.zeros(len(have))
    for k, (value, exact) in enumerate(zip(have, true, strict=True)):
        if exact is None:
            continue
        if abs(exact) >= top:
            errors[k] = 0.0 if abs(value) >= top * (1 - 2e-7) else np.inf
            continue
        step = float(np.spacing(abs(have.dtype.type(float(exact)))))
        good = np.isfinite(value)
        errors[k] = float(abs(mp.mpf(float(value)) - exact) / step) if good else np.inf
    return errors


def measure(name, dtype, count, backends=("llvm", "numpy")):
    """`Errors` of a function for each of the backends that there are."""
    row = ROWS[name]
    arguments = [samples(dtype, count, seed) for seed in range(row.arity)]
    true = truth(name, arguments)
    kept = [k for k, v in enumerate(true) if v is not None]
    arguments, true = [a[kept] for a in arguments], [true[k] for k in kept]
    for backend in backends:
        if (have := computed(row, dtype, backend, arguments)) is None:
            continue
        ulps = compare(have, true)
        worst = int(ulps.argmax()) if len(ulps) else None
        yield Errors(name, dtype, backend, ulps,
                     () if worst is None else tuple([a[worst] for a in arguments]))


def computed(row, dtype, backend, arguments):
    """What a backend makes of the arguments, None if it does not know the row."""
    if backend == "numpy":
        with np.errstate(all="ignore"):
            return getattr(np, row.numpy)(*arguments)
    try:
        probe = need("symgrad.compile.backends.llvm.probe", "native")
    except MissingPackage:
        return None
    if not probe.rows.supports(row.name, dtype):
        return None
    function = probe.row(row.name, dtype, dtype, WIDTH[dtype], row.arity)
    probe.link({"f": function})
    return function(*arguments)


def accuracy(names, dtypes, count, say=print):
    """Print the table for some functions and dtypes; returns all that was measured."""
    known = functions()
    for name in names:
        if name not in known:
            raise ArgumentError(f"accuracy: {name!r} is not one of {', '.join(known)}")
    work = [(n, d) for n in names or known for d in dtypes]
    try:
        work = need("tqdm").tqdm(work, leave=False)
    except MissingPackage:
        pass
    found = []
    for name, dtype in work:
        found += measure(name, dtype, count)
    say(HEAD)
    for errors in found:
        say(errors.line())
    return found


def register(commands):
    """Add the subcommand ``accuracy``."""
    parser = commands.add_parser("accuracy", help="measure the errors of scalar functions")
    parser.add_argument("--function", action="append", default=[], metavar="NAME",
                        help="only this one (may be given again)")
    parser.add_argument("--dtype", choices=DTYPES, action="append", help="only this one")
    parser.add_argument("--samples", type=int, default=2000, help="numbers for each function")
    parser.set_defaults(run=run)


def run(options):
    accuracy(options.function, options.dtype or DTYPES, options.samples)
    return 0
