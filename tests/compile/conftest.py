"""From a user's graph to a plan, without `function`."""

import pytest

from symgrad.compile import plan
from symgrad.compile.passes import REWRITES, apply, select
from symgrad.compile.pool import absorb


@pytest.fixture
def planned():
    """``planned(inputs, outputs, passes="none +fuse")`` -> `Plan`."""

    def make(inputs, outputs, passes="none +fuse"):
        selection = select(passes)
        pool, nodes = absorb(outputs)
        nodes = apply(REWRITES, nodes, pool, selection)
        final, nodes = absorb(nodes, prior=pool)
        return plan.build(final, inputs, nodes, (), "fuse" in selection)

    return make
