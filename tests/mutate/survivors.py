"""Mutants that no test can catch, and why: what they change makes no difference to anybody.

Keys are those that ``python -m tests.mutate --list`` prints; one that names no mutant any more is
an error of tests/test_mutate.py.
"""

EQUIVALENT = {
}
