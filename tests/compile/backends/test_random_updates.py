"""Random updates of vectors and matrices: in place, in BLAS calls and blocks, or one by one, they
are the same."""

import numpy as np
import pytest
from updates_drawn import Drawn


@pytest.mark.usefixtures("on_compiled_code")
@pytest.mark.parametrize("seed", range(60))
def test_random_updates(seed):
    digits = 1e-9 if seed % 5 else 2e-3
    for one, two in zip(Drawn(seed).trained(""), Drawn(seed).trained("none"), strict=True):
        np.testing.assert_allclose(one, two, rtol=digits, atol=digits)
