"""Mutation: breaks the rules and the planner one decision at a time, and sees whether the fast
tests notice.  ``python -m tests.mutate --help``; docs/mutation.md says what came of it."""
