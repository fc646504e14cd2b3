"""Run in a process of its own: what an import and a first result take.

    python -m peers.fresh MODULE IMPORTS [WORK]

IMPORTS are module names with commas between.  Prints seconds as JSON: `numpy` and `import` (which
has NumPy's part in it); with a WORK also `first`, from its expression to its first result.  Each
has `cpu`, processor time with that of the processes it waited for, and `wall`.
"""
import json
import os
import sys
import time
from importlib import import_module

try:
    import resource
except ImportError:             # not on Windows: children's time is left out
    resource = None


def spent() -> tuple[float, float]:
    """Processor and wall time until now."""
    seconds = time.process_time()
    if resource:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds += children.ru_utime + children.ru_stime
    return seconds, time.perf_counter()


def main() -> None:
    module, names, *work = sys.argv[1:]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    marks = [spent()]
    import numpy  # noqa: F401, ICN001
    marks.append(spent())
    for name in names.split(","):
        import_module(name)
    marks.append(spent())
    told = {"numpy": between(marks[0], marks[1]), "import": between(marks[0], marks[2])}
    if work:
        told["first"] = first(import_module(module), work[0])
    print(json.dumps(told), file=replies, flush=True)


def first(framework, name: str) -> dict:
    """From the expression to the first result of a work; data and initial values are at hand."""
    from peers import works

    work = works.BY_NAME[name]
    given = getattr(framework, "given", lambda array: array)
    batch, start = [given(array) for array in work.batches()[0]], work.start()
    before = spent()
    result = getattr(framework, work.model)(work.size, *start)(*batch)
    getattr(framework, "finish", float)(result)
    return between(before, spent())


def between(start, end) -> dict:
    return {"cpu": end[0] - start[0], "wall": end[1] - start[1]}


if __name__ == "__main__":
    main()
