"""Every example runs as it stands, in a process of its own, and says what it does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import BACKENDS

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*/*.py"))
LAST_LINE = {
    "gradient_descent": r"Stopped after \d+ steps, loss [\d.]+: test error ([\d.]+) %",
    "stochastic_gradient_descent": r"Stopped after \d+ steps: test error ([\d.]+) %",
    "epochs_in_one_call": r"Stopped after \d+ steps: test error ([\d.]+) %",
    "minibatch_sgd": r"Stopped after \d+ minibatches: best validation error ([\d.]+) %",
    "lenet": r"Stopped after \d+ epochs, [\d.]+ s: test error ([\d.]+) %",
    "stacked": r" *pre-trained .* \| ([\d.]+) % \| .*",
    "dbn": r" *pre-trained .* \| ([\d.]+) % \| .*",
}
PICTURES = {
    "denoising": ["denoising.png"],
    "contractive": ["contractive.png"],
    "rbm": ["rbm-filters.png", "rbm-samples.png"],
    "rnn_rbm": ["rnn_rbm.png"],
}


def accuracies(lines):
    return [float(line.split("|")[3].rstrip("% ")) for line in lines[2:]]


def numbers(lines, pattern):
    return [float(n) for line in lines for n in re.findall(pattern, line)]


# What an example is to reach, told by the lines it prints.
REACHED = {
    "denoising": lambda lines: (found := numbers(lines, r"cost ([\d.]+)$"))[-1] < found[3] - 1,
    "contractive": lambda lines: (found := numbers(lines, r"sum to ([\d.]+)$"))[1] < found[0] - 5,
    "rbm": lambda lines: (found := numbers(lines, r"likelihood (\S+)"))[-1] > found[0] + 5,
    "classify": lambda lines: min(accuracies(lines)) > 60,
    "rnn_rbm": lambda lines: numbers(lines, r"([\d.]+) % of")[1] > 75,
    "hmc": lambda lines: abs(float(lines[-1].split()[-1]) - 0.9) < 0.1,
}


def run(script, backend, folder, *arguments):
    """The lines that an example prints; products stay on one core, as tests run side by side."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error",
                   "SYMGRAD_BACKEND": backend, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(script), *arguments], cwd=folder, env=environment,
                          text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 3 and lines[0].endswith(":")
    return lines


@pytest.mark.parametrize("backend", BACKENDS[:-1])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example(script, backend, tmp_path):
    quick = [] if script.parent.name == "getting_started" else ["--quick"]
    lines = run(script, backend, tmp_path, *quick)
    if script.stem in LAST_LINE:
        assert float(re.fullmatch(LAST_LINE[script.stem], lines[-1])[1]) < 10
    if script.stem in REACHED:
        assert REACHED[script.stem](lines), "\n".join(lines)
    assert sorted([p.name for p in tmp_path.iterdir()]) == PICTURES.get(script.stem, [])
    for name in PICTURES.get(script.stem, ()):
        assert (tmp_path / name).read_bytes()[1:4] == b"PNG"


def test_hamiltonian_monte_carlo_ends_as_published(tmp_path):
    """2,000 draws of 20 steps; the Deep Learning Tutorial prints these numbers."""
    lines = run(ROOT / "examples" / "sampling" / "hmc.py", "numpy", tmp_path)
    assert lines[-1] == "step size 0.460446628091, acceptance 0.922502043428"
    assert numbers(lines[2:3], r"[\d.]+") == [6.9416, 2.8153, 2.263, 5.4654, 7.1941]


def test_the_readme_prints_what_it_says(capsys):
    code, printed = re.search(
        r"```python\n(.*?)```\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.S).groups()
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed
