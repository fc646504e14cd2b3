"""``python -m symgrad`` is the `symgrad` command."""

import sys

from symgrad.tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
