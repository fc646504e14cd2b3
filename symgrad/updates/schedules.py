"""Learning rates that change with the number of updates made.

Each schedule takes a rate and a `counter`, a shared int64 that starts at 0, and returns a float64
scalar expression.  The update rules find the counter in the rate they are given and add its tick
to the updates:

    step = sg.updates.counter()
    rate = sg.updates.schedules.cosine(0.1, step, steps=10_000)
    updates = sg.updates.momentum(cost, params, learning_rate=rate)    # updates[step] is step + 1

The rate may itself be a schedule: ``warmup(cosine(0.1, step, 10_000), step, 500)``.  The first
update uses the rate at step 0.  Any integer or float scalar may stand in for the counter; then
counting is the caller's.
"""

from __future__ import annotations

import numpy as np

import symgrad.tensor as T
from symgrad.errors import ArgumentError
from symgrad.updates.common import in_dtype, scalars


def constant(rate, step):
    """The same rate at every step; `step` is counted all the same.

    >>> step = sg.updates.counter()
    >>> float(constant(0.1, step).eval())
    0.1
    """
    rate, step = _scalars("constant", rate=rate, step=step)
    return rate + 0.0 * step


def step_decay(rate, step, every, factor=0.1):
    """``rate * factor^floor(step / every)``."""
    rate, step, every, factor = _scalars(
        "step_decay", rate=rate, step=step, every=every, factor=factor)
    return rate * factor ** T.floor(step / every)


def exponential(rate, step, steps, factor=0.1):
    """``rate * factor^(step / steps)``: the rate has fallen by `factor` after `steps` steps."""
    rate, step, steps, factor = _scalars(
        "exponential", rate=rate, step=step, steps=steps, factor=factor)
    return rate * factor ** (step / steps)


def inverse_time(rate, step, steps):
    """``rate / (1 + step / steps)``: half the rate after `steps` steps.

    Its sum diverges and the sum of its squares does not, the condition of Robbins and Monro (1951).
    """
    rate, step, steps = _scalars("inverse_time", rate=rate, step=step, steps=steps)
    return rate / (1.0 + step / steps)


def cosine(rate, step, steps, final=0.0):
    """Half a cosine wave from `rate` down to `final` over `steps` steps, then `final`.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, one
    period.
    """
    rate, step, steps, final = _scalars("cosine", rate=rate, step=step, steps=steps, final=final)
    done = T.minimum(step / steps, 1.0)
    return final + (rate - final) * (0.5 + 0.5 * T.cos(np.pi * done))


def warmup(rate, step, steps):
    """``rate * min(1, (step + 1) / steps)``: linear growth over the first `steps` steps.

    Goyal et al., "Accurate, Large Minibatch SGD", arXiv:1706.02677 (2017).
    """
    rate, step, steps = _scalars("warmup", rate=rate, step=step, steps=steps)
    return rate * T.minimum((step + 1.0) / steps, 1.0)


def piecewise(rates, step, boundaries):
    """``rates[0]`` before step ``boundaries[0]``, ``rates[1]`` from there to ``boundaries[1]``, ….

    Raises `ArgumentError` unless there is one rate more than boundaries and the boundaries
    increase.
    """
    rates, boundaries = list(rates), list(boundaries)
    if len(rates) != len(boundaries) + 1:
        raise ArgumentError(
            f"piecewise: {len(rates)} rates for {len(boundaries)} boundaries; "
            f"give one rate more than boundaries"
        )
    if any(b <= a for a, b in zip(boundaries, boundaries[1:], strict=False)):
        raise ArgumentError(f"piecewise: the boundaries {boundaries} do not increase")
    value, step = _scalars("piecewise", rate=rates[0], step=step)
    for boundary, rate in zip(boundaries, rates[1:], strict=True):
        (rate,) = _scalars("piecewise", rate=rate)
        value = T.switch(step < float(boundary), value, rate)
    return value


def _scalars(rule, **given):
    """The arguments as float64 scalars."""
    scalars(rule, **given)
    return [in_dtype(x, "float64") for x in given.values()]
