"""The ways in which a program is compiled: whole on each backend, with all passes off, with each
pass that did something and each rule that fired off."""

from __future__ import annotations

from functools import lru_cache

from symgrad.compile.backends import BACKENDS
from symgrad.compile.passes import STABLE_FORM
from symgrad.tools.ablate_run import Variant, variants

CHEAP = ("numpy", "python")  # backends that rules and passes take in turns
NATIVE = "llvm"  # compiling for it takes ten times as long: so many variants of a program do
NATIVES = 1


@lru_cache
def ways():
    """All variants, as `ablate` has them, and what they are to be compared on."""
    found = [v for v in variants() if v.kind not in ("full", "again", "backend")]
    return [*found, Variant("exact", "all", "exact")]


def there():
    """The backends that there are."""
    found = [v.backend for v in variants("no other") if v.kind == "backend"]
    return [b for b in BACKENDS if b in found]


def chosen(fired, seed=0, every=False):
    """(name, passes, backend) of a program in which these rules fired: the backends take turns, by
    the seed, or each variant is made on `every` one."""
    backends = there()
    found = [(b, "", b) for b in backends]
    used = [v for v in ways() if v.used(fired)]
    if every:
        return found + [(f"{v.name} on {b}", v.passes, b) for v in used for b in backends]
    cheap = [b for b in CHEAP if b in backends]
    rest = [(f"{v.name} on {b}", v.passes, b) for k, v in enumerate(used)
            for b in [cheap[(k + seed) % len(cheap)]]]
    natives = [used[(seed * 7 + j) % len(used)] for j in range(NATIVES)] if NATIVE in backends else []
    return found + rest + [(f"{v.name} on {NATIVE}", v.passes, NATIVE) for v in natives]


def rebuilds(passes):
    """Whether gradients are built otherwise with these passes."""
    return any([word.lstrip("-").partition(".")[0] in (*STABLE_FORM, "none", "exact")
                for word in passes.split()])
