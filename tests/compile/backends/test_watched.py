"""Every op as machine code that is watched: borders, indices, poison, the interpreter."""

import numpy as np
import pytest
from test_every_op import SAMPLED, apart, general, made

pytest.importorskip("llvmlite")
from symgrad.compile.backends.llvm.checked import watched  # noqa: E402


@pytest.mark.slow
def test_no_op_is_at_fault():
    """Every op in every dtype and layout, watched."""
    for op in SAMPLED:
        found, _ = made(op)
        program = watched(general([i for inputs, _, _ in found for i in inputs],
                                  [out for _, out, _ in found]), None, {"debug"})
        for k in range(max([len(runs) for _, _, runs in found])):
            now = [runs[min(k, len(runs) - 1)] for _, _, runs in found]
            for layout in (np.asarray, apart):
                program.run(*[layout(a) for case, _ in now for a in case.arrays])
