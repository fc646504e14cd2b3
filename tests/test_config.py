"""Options: where they are read from, and bad ones (symgrad/config.py)."""

import sys
from pathlib import Path

import pytest
from house import python

from symgrad.config import OPTIONS, Config, load, options
from symgrad.errors import OptionError, SymgradError, UnknownName

module = sys.modules["symgrad.config"]  # sg.config is the options themselves
FLAGS = [name for name, option in OPTIONS.items() if type(option.default) is bool]
COUNTS = [name for name, option in OPTIONS.items() if type(option.default) is int]


@pytest.fixture
def config(monkeypatch):
    """Options of their own, which `load` fills."""
    monkeypatch.setattr(module, "config", Config())
    return module.config


def test_a_file_gives_way_to_flags_and_flags_to_variables(config, tmp_path):
    (tmp_path / ".symgradrc").write_text(
        "[symgrad]\ncache = no\ncache_mb = 1\nfloatX = float16\ncache_dir = a%b\ndevice = gpu\n")
    load({"SYMGRAD_FLAGS": "cache_mb=2, floatX=float32,device=cpu", "SYMGRAD_CACHE_MB": "3"},
         tmp_path)
    assert (config.cache, config.cache_mb, config.floatX, config.cache_dir) == (
        False, 3, "float32", "a%b")
    load({}, tmp_path / "nowhere")
    assert config.cache_mb == 3


@pytest.mark.parametrize("name", FLAGS)
def test_words_for_flags(name, config):
    for word in ("1", "true", "Yes", "ON", True, 1):
        setattr(config, name, word)
        assert getattr(config, name) is True
    for word in ("0", "FALSE", "no", "off", False, 0):
        load({f"SYMGRAD_{name.upper()}": str(word)}, "nowhere")
        assert getattr(config, name) is False


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("bad", ["flase", "", "2", 2, -1, None, 1.0, [], "nein"], ids=repr)
def test_bad_flags_are_refused(name, bad, config):
    before = getattr(config, name)
    with pytest.raises(OptionError) as error:
        setattr(config, name, bad)
    assert str(error.value) == (
        f"config.{name}: {bad!r} is not one of 1, true, yes, on, 0, false, no, off")
    assert getattr(config, name) is before and isinstance(error.value, ValueError)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("bad", ["lots", "1.5", "", "-1", -1, 1.5, None, True, "1e3"], ids=repr)
def test_bad_integers_are_refused(name, bad, config):
    with pytest.raises(OptionError) as error:
        setattr(config, name, bad)
    assert str(error.value) == f"config.{name}: {bad!r} is not an integer, 0 or more"
    assert getattr(config, name) == OPTIONS[name].default


def test_bad_strings_and_choices(config):
    with pytest.raises(OptionError, match="config.passes: 3 is not a string"):
        config.passes = 3
    with pytest.raises(OptionError, match="'float128' is not one of 'float16', 'float32'"):
        config.floatX = "float128"
    config.cache_dir = Path("a") / "b"
    assert config.cache_dir == str(Path("a") / "b")


@pytest.mark.parametrize(
    "environ, says",
    [
        ({"SYMGRAD_CACHE": "flase"}, "config.cache: 'flase' (in the environment's SYMGRAD_CACHE)"),
        ({"SYMGRAD_FLAGS": "profile=maybe"},
         "config.profile: 'maybe' (in the environment's SYMGRAD_FLAGS)"),
        ({"SYMGRAD_FLAGS": "cache"}, "config.cache: '' (in the environment's SYMGRAD_FLAGS)"),
        ({"SYMGRAD_CACHE_MB": "lots"},
         "config.cache_mb: 'lots' (in the environment's SYMGRAD_CACHE_MB) is not an integer"),
        ({"SYMGRAD_FLAGS": "cash=1"},
         "config has no option 'cash' (in the environment's SYMGRAD_FLAGS): did you mean cache"),
    ],
)
def test_a_message_says_where_the_value_stands(environ, says, config, tmp_path):
    with pytest.raises(SymgradError) as error:
        load(environ, tmp_path)
    assert str(error.value).startswith(says)


@pytest.mark.parametrize(
    "text, says",
    [
        ("[symgrad]\ncache = maybe\n", "config.cache: 'maybe' (in {file}) is not one of 1, true"),
        ("[symgrad]\ncache_mb = x\n", "config.cache_mb: 'x' (in {file}) is not an integer"),
        ("cache = 1\n", "config: cannot read {file}: "),
        ("[symgrad\n", "config: cannot read {file}: "),
    ],
)
def test_a_bad_file(text, says, config, tmp_path):
    file = tmp_path / ".symgradrc"
    file.write_text(text)
    with pytest.raises(OptionError) as error:
        load({}, tmp_path)
    assert str(error.value).startswith(says.format(file=file))


def test_a_bad_environment_stops_the_import():
    with pytest.raises(AssertionError, match="OptionError: config.cache: 'flase' .in the env"):
        python("import symgrad", SYMGRAD_CACHE="flase")


def test_unknown_names(config):
    with pytest.raises(UnknownName, match="no option 'flaotX': did you mean floatX"):
        config.flaotX = "float32"
    with pytest.raises(AttributeError, match="did you mean floatX"):
        config.flaotX  # noqa: B018
    with pytest.raises(UnknownName, match="did you mean floatX"), options(floatx="float32"):
        pass
    config.device = "gpu"
    config.warn.round = False
    assert config.device is None


def test_options_hold_inside_the_block():
    before = module.config.floatX
    with options(floatX="float16"), options(cache="off"):
        assert module.config.floatX == "float16" and module.config.cache is False
    assert module.config.floatX == before
    with pytest.raises(OptionError, match="config.cache"), options(cache="maybe"):
        pass
