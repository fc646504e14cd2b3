"""`symgrad ablate`: scripts, models, files, exit codes and messages."""

import json
import os
import subprocess
import sys

import pytest

from symgrad.errors import UnknownName
from symgrad.tools import ablate_command, cli

SCRIPT = """
import sys
import numpy as np
import symgrad as sg, symgrad.tensor as T
x, k = T.dvector("x"), T.dscalar("k")
w = sg.shared(np.ones(3), name="w")
f = sg.function([x, sg.In(k, name="k", value=2.0)], (T.exp(x) * k).sum(), updates=[(w, w + x)])
g = sg.function([x], x * 2, name="twice")
never = sg.function([x], x * 3)
for step in range(5):
    f(np.full(3, float(step)), k=3.0)
    g(np.zeros(2 + step))
seen = sys.argv[1:]
"""


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """With the number of BLAS threads chosen, the command starts no process of its own."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def functions(path):
    return {getattr(f, "name", None): (f, inputs)
            for f, inputs in ablate_command.functions_of(str(path))}


def test_functions_that_a_script_called_with_their_last_arguments(script):
    found = functions(script)
    assert set(found) == {"f", "twice"}
    f, inputs = found["f"]
    assert [list(inputs[0]), inputs[1]] == [[4.0] * 3, 3.0]
    assert len(found["twice"][1][0]) == 6
    assert type(f.__call__).__name__ != "_Recorder"
    f([1.0, 2.0, 3.0])  # as before


def test_a_script_may_say_what_and_may_exit(tmp_path):
    path = tmp_path / "said.py"
    path.write_text(SCRIPT + "ablate = (never, [np.ones(2)])\nsys.exit(0)\n")
    assert list(functions(path)) == [None]
    path.write_text(SCRIPT + "ablate = [(f, [np.ones(3)]), (never, [np.ones(2)])]\n")
    assert len(ablate_command.functions_of(str(path))) == 2


def test_functions_that_are_nowhere_else(tmp_path):
    path = tmp_path / "main.py"
    lines = SCRIPT.strip().split("\n")
    body = "\n".join([f"    {line}" for line in lines])
    path.write_text(f"def main():\n{body}\nif __name__ == '__main__':\n    main()\n")
    assert set(functions(path)) == {"function 0", "twice"}


def test_a_script_with_a_builder(tmp_path, capsys):
    path = tmp_path / "small.py"
    path.write_text("import numpy as np, symgrad.tensor as T\n"
                    "def build():\n    x = T.dvector('x')\n"
                    "    return {'inputs': [x], 'outputs': T.exp(x) * 2 + 1}, [np.ones(5)]\n")
    files = {word: tmp_path / f"a.{word}" for word in ("json", "csv", "html", "png")}
    words = [f"--{word}={file}" for word, file in files.items()]
    assert cli.main(["ablate", str(path), "--rounds", "1", "--compiles", "1", "--only", "fuse",
                     *words]) == 0
    out = capsys.readouterr().out
    assert "\nsmall\n" in out and "-fuse" in out and f"wrote {files['png']}" in out
    assert all(file.stat().st_size > 200 for file in files.values())
    told = json.loads(files["json"].read_text())
    assert [row["name"] for row in told["rows"]] == ["full", "full, again", "-fuse"]
    assert {row["function"] for row in told["rows"]} == {"small"}
    again = ["ablate", str(path), "--rounds=1", "--compiles=1", "--only=fuse",
             f"--compare={files['json']}"]
    told["rows"][0]["nodes"] = 1
    files["json"].write_text(json.dumps(told))
    assert cli.main(again) == 1
    assert "small, full: nodes " in capsys.readouterr().out


def test_what_was_measured_before_ctrl_c_is_told(script, monkeypatch, capsys, tmp_path):
    def ablate(f, inputs, **options):
        if f.name == "twice":
            raise KeyboardInterrupt
        return real(f, inputs, **options)

    real = ablate_command.ablate
    monkeypatch.setattr(ablate_command, "ablate", ablate)
    words = ["ablate", str(script), "--rounds=1", "--compiles=1", "--only=fuse"]
    assert cli.main([*words, f"--json={tmp_path / 'a.json'}"]) == 0
    told = capsys.readouterr()
    assert "stopped by hand" in told.err and "\nf\n" in told.out and "twice" not in told.out
    assert (tmp_path / "a.json").exists()


def test_arguments_of_the_script(script):
    with ablate_command.watched():
        found = ablate_command._executed(script, ["--quick", "two words"])
    assert found["seen"] == ["--quick", "two words"]


def test_the_modules_of_a_script_are_found_and_its_main_goes(script):
    (script.parent / "beside_it.py").write_text("VALUE = 3\n")
    main, path = sys.modules["__main__"], list(sys.path)
    script.write_text(f"import beside_it\n{SCRIPT}\nassert __name__ == '__main__'\n")
    functions(script)
    assert sys.modules["__main__"] is main and sys.path == path


@pytest.mark.parametrize("text, message", [
    ("x = 1\n", "bad.py: it calls no compiled function; define build()"),
    ("import symgrad as sg\nf = sg.function([], sg.constant(1.0))\n", "f: none of them was called"),
    ("import sys\nsys.exit(3)\n", "ended with exit status 3"),
    ("ablate = 3\n", "ablate must be (f, inputs) or a list of such pairs, not 3"),
])  # fmt: skip
def test_scripts_with_nothing_to_ablate(tmp_path, capsys, text, message):
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert cli.main(["ablate", str(path)]) == 1
    assert message in capsys.readouterr().err


def test_a_script_that_is_not_there(capsys):
    assert cli.main(["ablate", "nowhere/train.py"]) == 1
    assert "there is no script nowhere/train.py" in capsys.readouterr().err


def test_an_unknown_model_has_near_names(capsys, monkeypatch, tmp_path):
    assert cli.main(["ablate", "logistik"]) == 1
    assert "no model is called 'logistik': did you mean logistic" in capsys.readouterr().err
    monkeypatch.setattr(ablate_command, "MODELS", tmp_path / "none")
    with pytest.raises(UnknownName, match="the models are in benchmarks/models of a checkout"):
        ablate_command.functions_of("logistic")


def test_an_earlier_report_that_is_not_there(capsys, tmp_path):
    assert cli.main(["ablate", "logistic", "--compare", str(tmp_path / "no.json")]) == 1
    assert "no.json" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--rounds", "few"], []])
def test_bad_arguments(words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["ablate", *(["logistic"] if words else []), *words])
    assert end.value.code == 2


def test_without_a_choice_of_threads_it_runs_in_a_process_with_one(monkeypatch):
    for word in ablate_command.THREADS:
        monkeypatch.delenv(word, raising=False)
    ran = []

    class Child:
        def __init__(self, words, env):
            ran.append((words, env))

        def wait(self):
            if len(ran) == 1:  # Ctrl-C is the child's business
                ran.append(None)
                raise KeyboardInterrupt
            return 7

    monkeypatch.setattr(subprocess, "Popen", Child)
    assert cli.main(["ablate", "mlp", "--only=fuse", "--only=a b", "--rounds=3"]) == 7
    words, env = ran[0]
    assert words[1:5] == ["-m", "symgrad", "ablate", "mlp"] and "--only=a b" in words
    assert "--rounds=3" in words and env["OPENBLAS_NUM_THREADS"] == "1"
    assert env["PYTHONPATH"].split(os.pathsep)[0] == str(ablate_command.PACKAGE.parent)


@pytest.mark.parametrize("option, word", [
    ("--json={}/nowhere/a.json", "there is no folder"), ("--png={}/a.html", "must end in .png"),
    ("--html={}/folder.html", "it is a folder")])
def test_a_report_that_cannot_be_written_is_said_at_once(script, tmp_path, capsys, option, word):
    """Before the script runs, let alone is measured."""
    (tmp_path / "folder.html").mkdir()
    script.write_text("print('it runs')")
    assert cli.main(["ablate", str(script), option.format(tmp_path)]) == 1
    printed, said = capsys.readouterr()
    assert "cannot write" in said and word in said and "it runs" not in printed
