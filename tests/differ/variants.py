"""The ways in which a program is compiled: whole on each backend, with all passes off, with each
pass that did something and each rule that fired off."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from symgrad.compile.backends import BACKENDS
from symgrad.compile.passes import STABLE_FORM
from symgrad.tools.ablate_run import Variant, variants

CHEAP = ("numpy", "python")  # backends that rules and passes take in turns
NATIVE = "llvm"  # compiling for it takes ten times as long: one of so many programs has a variant
NATIVES = 3
# Of a program so many rules, and so many of the rest, take their turn: the next seed takes others.
RULES, PASSES = 6, 3


@lru_cache
def ways():
    """All variants, as `ablate` has them, and what they are to be compared on."""
    found = [v for v in variants() if v.kind not in ("full", "again", "backend")]
    return [*found, Variant("exact", "all", "exact")]


def there():
    """The backends that there are."""
    found = [v.backend for v in variants("no other") if v.kind == "backend"]
    return [b for b in BACKENDS if b in found]


def chosen(fired, seed=0, every=False, cheap=CHEAP, many=(RULES, PASSES)):
    """(name, passes, backend) of a program in which these rules fired: variants and backends take
    turns, by the seed; or each variant is made on `every` backend.  `many`: at most so many rules
    and so many others; `cheap`: the backends that they are made on in turns."""
    backends = there()
    found = [(b, "", b) for b in backends]
    used = [v for v in ways() if v.used(fired)]
    if every:
        return found + [(f"{v.name} on {b}", v.passes, b) for v in used for b in backends]
    rules = [v for v in used if v.kind == "rule"]
    turns = _turn([v for v in used if v.kind != "rule"], many[1], seed)
    turns += _turn(rules, many[0], seed)
    cheap = [b for b in cheap if b in backends]
    found += [(f"{v.name} on {b}", v.passes, b)
              for k, v in enumerate(turns) for b in [cheap[(k + seed) % len(cheap)]]]
    if NATIVE in backends and seed % NATIVES == 0:
        v = used[seed // NATIVES % len(used)]
        found.append((f"{v.name} on {NATIVE}", v.passes, NATIVE))
    return found


def _turn(some, many, seed):
    """So many of them, others for other seeds."""
    if len(some) <= many:
        return some
    rng = np.random.default_rng([seed, 2])
    return [some[k] for k in sorted(rng.choice(len(some), many, replace=False))]


def rebuilds(passes):
    """Whether gradients are built otherwise with these passes."""
    return any([word.lstrip("-").partition(".")[0] in (*STABLE_FORM, "none", "exact")
                for word in passes.split()])
