"""Rule-off differential tests: random programs, and the examples, compiled in many ways, compute
the same.

`python -m tests.differ --seeds 0:10000 --jobs 2` runs a range of programs; docs/differ.md tells
what is compared and how.
"""
