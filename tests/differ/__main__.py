"""`python -m tests.differ --seeds 0:10000 --jobs 2`: see docs/differ.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from differ.command import main  # noqa: E402 - found there

if __name__ == "__main__":
    sys.exit(main())
