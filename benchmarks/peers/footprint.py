"""Run in a process of its own: what an import, a first result and a call take of memory.

    python -m peers.footprint MODULE IMPORTS [WORK first|call]

IMPORTS are module names with commas between.  Prints bytes as JSON.

* Without a WORK: `bare` (Python and NumPy), `import` (what the process holds after the imports).
* `first`: also `level` (imports, data and initial values), `peak` (the most that it held from
  there to the first result), `children` (the most that one process which it waited for held).
* `call`: `results` of the first calls, as `worker.py` has them; `grown`, what the process holds
  more after them than before the function was built; `predicted`, where the function tells;
  `calls`: what each of some later calls took (`one_call`).
"""
import gc
import json
import os
import sys
from dataclasses import replace
from importlib import import_module

from resident import forget_peak, forget_touched, resident, touched

try:
    import resource
except ImportError:
    resource = None

CALLS = 7       # that are looked at
CHECKED = 3     # first calls, at most, that are made and compared before


def main() -> None:
    module, names, *more = sys.argv[1:]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                           # what a framework prints is no reply

    import numpy  # noqa: F401, ICN001
    told = {"bare": resident("VmRSS")}
    for name in names.split(","):
        import_module(name)
    told["import"] = resident("VmRSS")
    if more:
        told |= {"first": first, "call": calls}[more[1]](import_module(module), more[0])
    print(json.dumps(told), file=replies, flush=True)


def first(framework, name: str) -> dict:
    """From the expression to the first result of a work."""
    from peers import works

    work = works.BY_NAME[name]
    given = getattr(framework, "given", lambda array: array)
    batch, start = [given(array) for array in work.batches()[0]], work.start()
    told = {"level": resident("VmRSS")}
    forget_peak()
    result = getattr(framework, work.model)(work.size, *start)(*batch)
    getattr(framework, "finish", float)(result)
    told["peak"] = resident("VmHWM")
    if resource:
        told["children"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return told


def calls(framework, name: str) -> dict:
    """Some calls of a work, when all that is done once is done."""
    from peers import worker, works

    work = works.BY_NAME[name]
    work = replace(work, checked=min(work.checked, CHECKED))
    before = resident("VmRSS")
    function, batches, finish, results = worker.begin(work, framework)
    batch = batches[0]
    known = sum(array.nbytes for array in (*batch, *work.start()))
    told = {"results": results, "grown": resident("VmRSS") - before, "known": known,
            "calls": [one_call(function, batch, finish, known) for _ in range(CALLS)]}
    if hasattr(function, "memory"):
        told["predicted"] = function.memory(batch).total
    return told


def one_call(function, batch, finish, known: int) -> int:
    """Bytes that a call takes, beyond its arguments and the parameters.

    Of the pages that are there after the call, those which it touched (so memory kept from call to
    call counts, and what compiling left does not); and the peak above what is there after it.
    """
    gc.collect()
    gc.disable()                            # it touches every object there is
    idle = watched(lambda *_: None, batch, lambda _: None)
    kept, passing = watched(function, batch, finish)
    gc.enable()
    return max(0, kept - known - idle[0]) + max(0, passing - idle[1])


def watched(function, batch, finish) -> tuple[int, int]:
    """Bytes touched in a call that are there after it, and the peak above what is there then."""
    forget_touched()
    forget_peak()
    result = function(*batch)
    finish(result)
    peak, after = resident("VmHWM"), resident("VmRSS")
    return touched(), peak - after


if __name__ == "__main__":
    main()
