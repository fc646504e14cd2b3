"""The bundled models: each is built, and runs on every backend as in the interpreter."""

import ast

import numpy as np
import pytest

import symgrad as sg
from symgrad.compile.backends import BACKENDS
from symgrad.interpret import run
from symgrad.tools.ablate_command import MODELS, functions_of, models
from symgrad.tools.ablate_subject import Subject, source_of

NAMES = ("attention", "autoencoder", "extreme_softmax", "factorisation", "hessian", "kalman",
         "logistic", "lstm", "mixture_density", "mlp", "physics", "rbm_free_energy", "vae")


def test_these_are_the_models():
    assert tuple(models()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_told_of_in_two_lines(name):
    text = ast.get_docstring(ast.parse((MODELS / f"{name}.py").read_text()))
    first, second = text.split("\n\n")
    assert first.endswith(".") and second.endswith(".") and "\n" not in first + second


@pytest.mark.parametrize("name", NAMES)
def test_a_model_gives_the_same_everywhere(name):
    (build, inputs), = functions_of(name)
    request, values = build()
    f = sg.function(**request, backend="numpy")
    want = run(f.program.roots, dict(zip(f.program.leaves, values, strict=True)))
    assert all(np.isfinite(a).all() for a in want) or name == "extreme_softmax"
    source = source_of(build, inputs)
    for backend in BACKENDS:
        have = Subject(source, backend=backend).results()
        for k, (a, b) in enumerate(zip(have, want, strict=True)):
            if not np.isfinite(b).all():  # as it is written it has no value; compiled it has
                assert np.isfinite(a).all()
                continue
            loose = 2e-3 if name == "vae" else 2e-4
            scale = np.abs(b).max(initial=1e-30)
            single = b.dtype == np.float32
            np.testing.assert_allclose(a, b, rtol=0, atol=scale * (loose if single else 1e-11),
                                       err_msg=f"{backend}, result {k}")


def test_a_model_is_the_same_each_time():
    (build, inputs), = functions_of("autoencoder")
    one, other = (Subject(source_of(build, inputs)).results() for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
