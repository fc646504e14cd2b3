"""Options: ``symgrad.config.floatX`` and its like, from ``SYMGRAD_FLAGS``, ``.symgradrc`` or
``with options(...)``.

Each option is one row of `OPTIONS`.  Values are read when they are used, so they may be assigned
at run time.
"""

from __future__ import annotations

import contextlib
import operator
import os
import threading
from pathlib import Path
from typing import NamedTuple

from symgrad.errors import OptionError, UnknownName, near


class Option(NamedTuple):
    """One row: default, accepted values (None = any of the default's type), and what it does."""

    default: object
    accepts: tuple | None
    doc: str


OPTIONS = {
    "floatX": Option(
        "float64",
        ("float16", "float32", "float64"),
        "dtype of T.matrix() and its like, and of Python floats that meet integers",
    ),
    "backend": Option("auto", None, "what compiled functions run on: auto, llvm, numpy, python"),
    "passes": Option(
        "", None, "changes to the pipeline, as in '-fuse -stabilise.log1p' (SYMGRAD_PASSES)"
    ),
    "mode": Option("", None, "default of function(mode=): '', 'debug', 'nan' or a passes string"),
    "threads": Option(1, None, "default of function(threads=): for kernels with much work"),
    "check_nan": Option(
        False, None, "functions raise where NaN or infinity is made of finite numbers (mode='nan')"
    ),
    "on_unused_input": Option(
        "raise", ("raise", "warn", "ignore"), "default of function(on_unused_input=)"
    ),
    "strong_zeros": Option(
        True, None, "gradients of where/switch ignore NaN and infinity of the dead branch"
    ),
    "profile": Option(False, None, "default of function(profile=)"),
    "block_bytes": Option(
        262144, None, "bytes of one operand that a blocked kernel handles at a time"
    ),
    "cache": Option(True, None, "keep compiled code on disk for later processes"),
    "cache_dir": Option("", None, "folder for it; empty: the system's folder for caches"),
    "cache_mb": Option(256, None, "megabytes of it to keep; the oldest goes first"),
}

# Theano's names for settings that have no meaning here; old programs assign them.
_ACCEPTED = {
    "compute_test_value",
    "device",
    "optimizer",
    "exception_verbosity",
    "warn_float64",
    "openmp",
}


class _Quiet:
    """``config.warn.anything = value`` is accepted and forgotten, as old programs expect."""


class Config:
    """The options as attributes; assignment checks the name and the value.

    >>> config.floatX
    'float64'
    >>> config.flaotX = "float32"
    Traceback (most recent call last):
    symgrad.errors.UnknownName: config has no option 'flaotX': did you mean floatX?
    """

    def __init__(self):
        object.__setattr__(self, "_values", {k: o.default for k, o in OPTIONS.items()})
        object.__setattr__(self, "_local", threading.local())
        object.__setattr__(self, "warn", _Quiet())

    def __getattr__(self, name):
        local = getattr(object.__getattribute__(self, "_local"), "values", None)
        if local and name in local:
            return local[name]
        try:
            return object.__getattribute__(self, "_values")[name]
        except KeyError:
            if name in _ACCEPTED:
                return None
            raise AttributeError(f"config has no option {name!r}: {near(name, OPTIONS)}") from None

    def __setattr__(self, name, value):
        if name in _ACCEPTED:
            return
        self._values[name] = check(name, value)

    def __repr__(self):
        return "\n".join(f"{k} = {getattr(self, k)!r}   # {o.doc}" for k, o in OPTIONS.items())


WORDS = {"1": True, "true": True, "yes": True, "on": True,
         "0": False, "false": False, "no": False, "off": False}


def check(name, value, source=""):
    """The value in the option's own type.

    Raises `UnknownName` for a bad name and `OptionError` for a bad value; `source` says in the
    message where it stands.

    >>> check("cache", "off"), check("cache_mb", "64")
    (False, 64)
    """
    stands = f" (in {source})" if source else ""
    option = OPTIONS.get(name)
    if option is None:
        raise UnknownName(f"config has no option {name!r}{stands}: {near(name, OPTIONS)}")
    read, wants = _READERS[type(option.default)]
    try:
        found = read(value)
    except (KeyError, TypeError, ValueError):
        raise OptionError(f"config.{name}: {value!r}{stands} is not {wants}") from None
    if option.accepts and found not in option.accepts:
        wants = ", ".join(map(repr, option.accepts))
        raise OptionError(f"config.{name}: {value!r}{stands} is not one of {wants}")
    return found


def _flag(value):
    word = value.lower() if isinstance(value, str) else str(int(operator.index(value)))
    return WORDS[word]


def _count(value):
    number = int(value) if isinstance(value, str) else operator.index(value)
    if isinstance(value, bool) or number < 0:
        raise ValueError
    return number


_READERS = {bool: (_flag, f"one of {', '.join(WORDS)}"), int: (_count, "an integer, 0 or more"),
            str: (os.fspath, "a string")}


config = Config()


@contextlib.contextmanager
def options(**given):
    """Options for this thread, inside a ``with`` block.

    >>> with options(floatX="float32"):
    ...     config.floatX
    'float32'
    """
    local = config._local
    before = getattr(local, "values", None)
    local.values = {**(before or {}), **{k: check(k, v) for k, v in given.items()}}
    try:
        yield config
    finally:
        local.values = before


def load(environ=os.environ, home=None):
    """Read ``.symgradrc`` (section ``[symgrad]``), then ``SYMGRAD_FLAGS=a=b,c=d``, then
    ``SYMGRAD_<OPTION>``."""
    file = Path(home or Path.home()) / ".symgradrc"
    if file.is_file():
        import configparser  # most have no such file

        parser = configparser.ConfigParser(interpolation=None)
        parser.optionxform = str
        try:
            parser.read(file, "utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise OptionError(f"config: cannot read {file}: {error}") from None
        for name, value in parser["symgrad"].items() if parser.has_section("symgrad") else ():
            _set(name, value, file)
    for pair in filter(None, environ.get("SYMGRAD_FLAGS", "").split(",")):
        name, _, value = pair.partition("=")
        _set(name.strip(), value.strip(), "the environment's SYMGRAD_FLAGS")
    for name in OPTIONS:
        variable = f"SYMGRAD_{name.upper()}"
        if (value := environ.get(variable)) is not None:
            _set(name, value, f"the environment's {variable}")


def _set(name, value, source):
    if name not in _ACCEPTED:
        config._values[name] = check(name, value, source)


load()
