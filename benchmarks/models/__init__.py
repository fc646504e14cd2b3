"""Small models of the kinds that people train, for `symgrad ablate` and for tests.

Each module has ``build()``, which makes everything anew and returns ``(request, values)``: the
arguments of `sg.function` as a dict, and values of its inputs, always the same.
"""
