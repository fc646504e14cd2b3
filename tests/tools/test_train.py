"""`symgrad train`: its report, files and messages; early stopping; MNIST as published."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pooch
import pytest

from symgrad import datasets
from symgrad.errors import SymgradError
from symgrad.extras import need
from symgrad.tools import cli, models
from symgrad.tools.train import Patience, Settings, train
from symgrad.tools.weights import draw_tiles, draw_weights, load_weights, save_weights

ROOT = Path(__file__).resolve().parents[2]
LAST = re.compile(r"best validation (\d+\.\d{6}) %, test (\d+\.\d{6}) %")


def run(capsys, *arguments):
    code = cli.main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out.splitlines(), out.err


def test_logistic_on_digits(tmp_path, capsys):
    code, lines, _ = run(
        capsys, "train", "logistic", "--data", "digits", "--epochs", 3, "--out", tmp_path)
    assert code == 0
    assert lines[0].startswith("logistic on digits: 1197 examples to train on, 300 to validate")
    assert [line.split(",")[0] for line in lines[1:4]] == ["epoch 1", "epoch 2", "epoch 3"]
    assert "minibatch 59/59: validation error" in lines[1]
    validation, test = map(float, LAST.fullmatch(lines[-1]).groups())
    assert validation < 15 and test < 15
    weights = load_weights(next(tmp_path.glob("model.*")))
    assert {k: (v.shape, v.dtype.name) for k, v in weights.items()} == {
        "W": ((64, 10), "float32"), "b": ((10,), "float32")}
    data = datasets.digits()
    scores = data.valid.x @ weights["W"] + weights["b"]
    error = np.mean(scores.argmax(1) != data.valid.y)
    np.testing.assert_allclose(error * 100, validation, atol=1e-5)
    assert (tmp_path / "weights.png").read_bytes()[1:4] == b"PNG"


def test_mlp_on_digits(tmp_path, capsys):
    code, lines, _ = run(
        capsys, "train", "mlp", "--data", "digits", "--epochs", 5, "--hidden", 20, "--l1", "1e-5",
        "--l2", "1e-4", "--seed", 7, "--batch-size", 10, "--learning-rate", 0.1, "--out", tmp_path)
    assert code == 0 and float(LAST.fullmatch(lines[-1])[1]) < 15
    weights = load_weights(next(tmp_path.glob("model.*")))
    assert weights["W_hidden"].shape == (64, 20) and weights["W"].shape == (20, 10)


def test_default_output_directory(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYMGRAD_DATA", raising=False)
    assert run(capsys, "train", "logistic", "--epochs", 1)[0] == 0
    assert (tmp_path / "runs" / "logistic-digits" / "weights.png").is_file()


def test_python_dash_m():
    done = subprocess.run(
        [sys.executable, "-m", "symgrad", "train", "logistic", "--help"], cwd=ROOT, text=True,
        capture_output=True, timeout=60)
    assert done.returncode == 0 and "--learning-rate" in done.stdout


@pytest.mark.parametrize("arguments, message", [
    ([], "required: COMMAND"),
    (["fly"], "invalid choice: 'fly'"),
    (["train"], "required: MODEL"),
    (["train", "forest"], "invalid choice: 'forest'"),
    (["train", "logistic", "--data", "cats"], "invalid choice: 'cats'"),
    (["train", "logistic", "--epochs", "0"], "invalid positive int value: '0'"),
    (["train", "logistic", "--batch-size", "2.5"], "invalid positive int value: '2.5'"),
    (["train", "logistic", "--learning-rate", "nan"], "invalid positive float value: 'nan'"),
    (["train", "logistic", "--learning-rate", "inf"], "invalid positive float value: 'inf'"),
    (["train", "mlp", "--l2", "-1"], "--l2"),
    (["train", "logistic", "--hidden", "5"], "unrecognized arguments: --hidden"),
])
def test_bad_arguments(capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_minibatch_larger_than_a_split(tmp_path, capsys):
    code, _, err = run(capsys, "train", "logistic", "--data", "digits", "--batch-size", 301,
                       "--out", tmp_path)
    assert code == 1
    assert err == "symgrad: batch size 301 is larger than the valid set, 300 examples\n"


def test_an_output_directory_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").touch()
    code, _, err = run(capsys, "train", "logistic", "--data", "digits", "--out", tmp_path / "file")
    assert code == 1 and err.startswith("symgrad: ") and "exists" in err


def test_mnist_offline(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.setattr(datasets, "MIRRORS", ("http://127.0.0.1:9/",))
    monkeypatch.setenv("SYMGRAD_DATA", str(tmp_path))
    code, _, err = run(capsys, "train", "logistic", "--data", "mnist", "--out", tmp_path)
    assert code == 1 and "could not be downloaded" in err and "set SYMGRAD_DATA" in err


def test_a_cost_that_runs_away_is_an_error():
    data = datasets.digits()
    # The product of huge weights overflows; the softmax of infinities is not a number.
    model = models.mlp(64, 10, 10, l2=1e30)
    with pytest.raises(SymgradError, match="epoch .: the cost is .*; use a smaller learning rate"):
        train(model, data, Settings(batch_size=20, learning_rate=1e30, epochs=9), say=list)


def test_ctrl_c_keeps_the_best_so_far():
    def say(line):
        if line.startswith("epoch 3"):
            raise KeyboardInterrupt
    result = train(models.logistic(64, 10), datasets.digits(), Settings(batch_size=20), say=say)
    assert result.epochs == 3 and set(result.weights) == {"W", "b"}


def test_patience_is_the_tutorial_s():
    stopping = Patience(100, increase=2, threshold=0.995)
    assert stopping.improved(0.5, 10) and stopping.patience == 100  # 2 * 10 is less
    assert stopping.improved(0.499, 80) and stopping.patience == 100  # too little to extend
    assert not stopping.improved(0.499, 90)
    assert stopping.improved(0.4, 95) and stopping.patience == 190
    assert not stopping.improved(float("nan"), 99) and stopping.best == 0.4


def test_training_stops_when_patience_runs_out():
    settings = Settings(batch_size=20, patience=100, learning_rate=1e-9)
    lines = []
    result = train(models.logistic(64, 10), datasets.digits(), settings, say=lines.append)
    # Measured every 50 minibatches; the first improvement is at 49, so 101 minibatches are run.
    assert result.epochs == 2
    assert [line.split(":")[0] for line in lines] == [
        "epoch 1, minibatch 50/59", "epoch 2, minibatch 41/59"]


def test_npz_when_safetensors_is_missing(tmp_path, monkeypatch):
    weights = {"W": np.arange(6, dtype="float32").reshape(2, 3).T}
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.delitem(sys.modules, "safetensors.numpy", raising=False)
    path = save_weights(tmp_path, weights)
    assert path.name == "model.npz"
    np.testing.assert_array_equal(load_weights(path)["W"], weights["W"])


def test_only_square_pictures(tmp_path):
    with pytest.raises(SymgradError, match="63 inputs do not make a square picture"):
        draw_weights(tmp_path / "w.png", np.zeros((63, 10)))
    draw_weights(tmp_path / "w.png", np.zeros((64, 300), "float32"))
    assert (tmp_path / "w.png").is_file()


@pytest.mark.parametrize("kind", ["weights", "filters", "images"])
def test_tiles_are_drawn_pixel_by_pixel(tmp_path, kind):
    """Two panels of 2 x 3 tiles of 2 x 2 pixels: all of one colour but the gaps."""
    images = np.ones((6, 4))
    images[3] *= 0.5
    panels = {"a": images, "b": images.reshape(6, 2, 2)[:3]}
    path = draw_tiles(tmp_path / "t.png", panels, columns=3, kind=kind)
    picture = (need("matplotlib.image").imread(path)[..., :3] * 255).round().astype(int)
    high, half = {"images": (255, 128), "weights": (103, 228), "filters": (103, 103)}[kind]
    dots = 600 // 2 // 8
    row = picture[12 + 22 + dots, 12 + dots // 2 :: dots, 0][:8]  # through a's first tiles
    assert row.tolist() == [high, high, 255] * 2 + [high, high]
    row = picture[12 + 22 + 4 * dots, 12 + dots // 2 :: dots, 0][:5]
    assert np.abs(row - [half, half, 255, high, high]).max() <= 3
    b = picture[12 + 22 + dots, 24 + 8 * dots + dots // 2, 0]
    assert b == high


@pytest.mark.slow
def test_mnist_logistic_is_the_published_result(tmp_path, capsys, monkeypatch):
    given = os.environ.get("SYMGRAD_DATA")
    monkeypatch.setenv("SYMGRAD_DATA", given or str(ROOT.parent / "shared" / "data"))
    if datasets.find_mnist() is None:
        pytest.skip("MNIST is not under $SYMGRAD_DATA")
    code, lines, _ = run(capsys, "train", "logistic", "--out", tmp_path)
    assert code == 0
    assert lines[0].startswith("logistic on mnist: 50000 examples to train on, 10000 to validate")
    assert lines[1].endswith("error 12.458333 %, test error of the best model 12.375000 %")
    assert lines[-3].startswith("epoch 73, minibatch 83/83")  # patience ends within epoch 74
    assert lines[-2].startswith("74 epochs in ")
    assert lines[-1] == "best validation 7.500000 %, test 7.489583 %"
