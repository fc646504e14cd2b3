"""A process that runs one work in one framework, a round at a time, as its parent asks.

    python -m peers.worker MODULE WORK CLOCK

prints a line of JSON for each step: `results` once the work is built and its first calls are made,
then `seconds` a call for each line of input, which says how many passes over the batches to make.
"""
import gc
import importlib
import json
import os
import sys

import numpy as np
from timing import CLOCKS

from peers import works

SOME = 7        # numbers of a large result that are compared, beside its means


def main() -> None:
    module, name, clock = sys.argv[1:]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                           # what a framework prints is no reply

    def reply(**what):
        print(json.dumps(what), file=replies, flush=True)

    work, framework, now = works.BY_NAME[name], importlib.import_module(module), CLOCKS[clock]
    function, batches, finish, results = begin(work, framework)
    reply(results=results)
    gc.collect()
    gc.disable()
    for line in sys.stdin:
        passes = int(line)
        start = now()
        result = run(function, batches, passes)
        finish(result)
        reply(seconds=(now() - start) * 1e-9 / (passes * len(batches)))


def begin(work, framework):
    """Build the work and make its first calls: the function, its batches, how to wait, results."""
    given = getattr(framework, "given", lambda array: array)
    finish = getattr(framework, "finish", lambda result: None)
    function = getattr(framework, work.model)(work.size, *work.start())
    batches = [tuple(given(array) for array in batch) for batch in work.batches()]
    results = [digest(function(*batch)) for batch in batches[:work.checked]]
    return function, batches, finish, results


def run(function, batches, passes):
    """Call a function with each batch, as often as asked; a call costs what a user's loop costs."""
    result = None
    if len(batches[0]) == 1:
        for _ in range(passes):
            for x, in batches:
                result = function(x)
    elif len(batches[0]) == 2:
        for _ in range(passes):
            for x, y in batches:
                result = function(x, y)
    else:
        for _ in range(passes):
            for x, y, z in batches:
                result = function(x, y, z)
    return result


def digest(result) -> list[list[float]]:
    """Each part of a result in a few numbers: a loss itself; of an array, means and elements."""
    told = []
    for part in result if isinstance(result, (list, tuple)) else [result]:
        array = np.asarray(part, dtype=np.float64).ravel()
        some = array[np.linspace(0, array.size - 1, SOME).astype(int)]
        means = [array.mean(), np.abs(array).mean()]
        told.append([float(v) for v in ([array[0]] if array.size == 1 else [*means, *some])])
    return told


if __name__ == "__main__":
    main()
