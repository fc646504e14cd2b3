"""The manual pages of the errors (symgrad/errors.py): their programs fail and are repaired as they
say."""

import doctest
import inspect

import numpy as np
import pytest

import symgrad as sg
import symgrad.tensor as T
from symgrad import errors

KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
# Those that no short program raises; their pages say what to do in words.
RARE = {errors.SymgradError, errors.RewriteLoop, errors.RewriteGrowth, errors.MissingPackage,
        errors.DataError, errors.CheckError}


class Page(doctest.OutputChecker):
    """Of an error, its name and the beginning of its message are compared."""

    def check_output(self, want, got, optionflags):
        if got.startswith("symgrad.errors."):
            return got.removeprefix("symgrad.errors.").startswith(want.rstrip("\n"))
        return super().check_output(want, got, optionflags)


def programs(kind):
    names = {"sg": sg, "T": T, "np": np}
    return doctest.DocTestFinder(recurse=False).find(kind, kind.__name__, globs=names)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_a_page_is_true(kind, capsys):
    for program in programs(kind):
        runner = doctest.DocTestRunner(checker=Page(), verbose=False)
        assert not runner.run(program).failed, capsys.readouterr().out


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in RARE], ids=lambda k: k.__name__)
def test_a_page_has_a_failing_program_and_its_repair(kind):
    program, = programs(kind)
    fails = [bool(e.exc_msg) for e in program.examples]
    assert True in fails and not fails[-1]
    assert any((e.exc_msg or "").startswith(f"{kind.__name__}: ") for e in program.examples)


def test_a_wrong_page_is_caught():
    class Wrong:
        """It says

        >>> T.dot(T.tensor("float64", (3, 4)), T.tensor("float64", (5, 6)))
        Traceback (most recent call last):
        ShapeError: dot: lengths differ
        """

    program, = programs(Wrong)
    said = []
    assert doctest.DocTestRunner(checker=Page()).run(program, out=said.append).failed


def test_near_names():
    assert errors.near("stabilize", ["stabilise", "fuse"]) == "did you mean stabilise?"
    assert errors.near("zzz", range(20)).endswith("10, 11, …")
