"""The `symgrad` command: one subcommand for each tool in `COMMANDS`."""

from __future__ import annotations

import argparse
import sys

from symgrad.errors import SymgradError
from symgrad.tools import ablate_command, accuracy, cached, rules, train

# Modules with register(commands), which sets `run` to a function of the options.
COMMANDS = (train, cached, accuracy, ablate_command, rules)


def main(arguments=None):
    """Run the command line; returns the exit code.

    0: done; 1: it failed, and the reason is on stderr; 2: bad arguments (argparse exits with it).
    """
    parser = argparse.ArgumentParser(prog="symgrad", description="Symbolic autodiff: tools.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.register(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (SymgradError, OSError) as error:
        print(f"symgrad: {error}", file=sys.stderr)
        return 1
