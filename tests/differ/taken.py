"""The functions of a script as subjects: what it compiled and called, with the arguments of the
last call of each."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from symgrad.tools.ablate_command import functions_of

CALLS = 2  # shared variables move on, and the second call sees it


class Taken:
    """A compiled function in the place of a `Program`: its gradients are part of its request."""

    lent, fixed, lines = False, True, ()

    def __init__(self, f, values, title):
        self.request = replace(f.recipe["options"][0], form="list")
        self.title = f"{title}, {f.name}"
        self.arrays = [np.array(f._accepted(k, v)) for k, v in enumerate(values)]
        self.inputs = [i.name or f"input {k}" for k, i in enumerate(self.request.inputs)]
        self.outputs = [o.name or f"output {k}" for k, o in enumerate(self.request.outputs)]

    def build(self, passes=""):
        return {}, self.request

    def calls(self, scope):
        return [self.arrays] * CALLS

    @property
    def size(self):
        """How many numbers it reads."""
        held = [s.container.cell[0] for s in self.request.updated]
        return sum([a.size for a in (*self.arrays, *held)])


def taken(script, folder):
    """The functions of an example, run small in a folder."""
    script = Path(script)
    quick = [] if script.parent.name == "getting_started" else ["--quick"]
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            pairs = functions_of(script, quick)
    finally:
        os.chdir(before)
    return [Taken(f, values, script.stem) for f, values in pairs]
