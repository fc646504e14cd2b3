"""Run in a process of its own: the peak memory of a long scan with gradient, and what is foretold.

    cd benchmarks; python -m works.loop_memory

x = tanh(a x + b) of WIDTH numbers for STEPS steps, a checkpoint every EVERY of them, and the
gradients of the last x's squares.  Prints JSON: `peak` (bytes above what the process held before
its first call), `predicted` (`f.memory`), `all` (MB of all states), `seconds`.  The peak is the
kernel's high-water mark, which Linux lets a process set back.
"""
import json
import time

import numpy as np
from resident import forget_peak, resident

import symgrad as sg
import symgrad.tensor as T

STEPS, EVERY, WIDTH = 10_000, 100, 20_000


def compiled():
    x, a, b = T.fvectors("x", "a", "b")
    values, _ = sg.scan(lambda x, a, b: T.tanh(a * x + b), outputs_info=x, non_sequences=[a, b],
                        n_steps=STEPS, checkpoint_every=EVERY)
    cost = T.sum(values[-1]**2)
    return sg.function([x, a, b], [cost, *sg.grad(cost, [x, a, b])])


def main() -> None:
    function = compiled()
    x, a, b = (np.full(WIDTH, v, np.float32) for v in (0.5, 0.9, 0.1))
    predicted = function.memory([v.shape for v in (x, a, b)]).total
    forget_peak()
    before, start = resident("VmRSS"), time.perf_counter()
    function(x, a, b)
    print(json.dumps({"peak": resident("VmHWM") - before, "predicted": predicted,
                      "all": STEPS * x.nbytes / 1e6, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
