"""What is kept on disk: never a wrong hit, never a hang, whatever happens to the files."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from house import REPO

from symgrad.compile import cache
from symgrad.config import config, options
from symgrad.tools import cli

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX's files")
RECIPE, RESULT = b"recipe " * 9, bytes(range(256)) * 3


@pytest.fixture
def where(tmp_path):
    with options(cache=True, cache_dir=str(tmp_path / "c")):
        yield tmp_path / "c"


def started(code, where, *arguments):
    """A process of its own that works in this cache."""
    environment = {**os.environ, "SYMGRAD_CACHE_DIR": str(where), "PYTHONPATH": str(REPO)}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
                            env=environment, stdout=subprocess.PIPE, text=True)


def test_what_is_saved_is_loaded(where):
    assert cache.load(RECIPE) is None
    assert cache.save(RECIPE, RESULT)
    assert cache.load(RECIPE) == RESULT
    assert cache.save(RECIPE, b"") and cache.load(RECIPE) == b""  # an empty result is one
    assert cache.load(RECIPE + b"x") is None and cache.load(RECIPE[:-1]) is None


def test_two_recipes_with_one_hash_never_mix(where, monkeypatch):
    cache.save(RECIPE, RESULT)
    file = cache.file_of(RECIPE)
    monkeypatch.setattr(cache, "file_of", lambda recipe: file)
    assert cache.load(b"x" * len(RECIPE)) is None
    assert cache.load(RECIPE[:-1] + b"!") is None
    cache.save(b"other", b"result of the other")
    assert cache.load(RECIPE) is None and cache.load(b"other") == b"result of the other"


def test_a_flipped_bit_anywhere_is_noticed_and_mended(where):
    cache.save(RECIPE, RESULT)
    file = cache.file_of(RECIPE)
    good = open(file, "rb").read()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        assert cache.result_in(bytes(bad), RECIPE) is None
    for place in range(0, len(good), 97):  # and through the file system
        with open(file, "wb") as f:
            f.write(good[:place] + bytes([good[place] ^ 255]) + good[place + 1:])
        assert cache.load(RECIPE) is None
        assert cache.save(RECIPE, RESULT) and cache.load(RECIPE) == RESULT


def test_files_that_are_too_short_or_too_long_are_no_entries(where):
    cache.save(RECIPE, RESULT)
    file = cache.file_of(RECIPE)
    good = open(file, "rb").read()
    for size in range(len(good)):
        assert cache.result_in(good[:size], RECIPE) is None
    assert cache.result_in(good + b"\0", RECIPE) is None
    assert cache.result_in(good + good, RECIPE) is None
    assert cache.result_in(b"", RECIPE) is None
    swapped = cache.HEAD.pack(cache.MAGIC, len(RECIPE) + 1, len(RESULT) - 1)
    assert cache.result_in(swapped + good[cache.HEAD.size:], RECIPE) is None
    huge = cache.HEAD.pack(cache.MAGIC, 2**64 - 1, 2**64 - 1)
    assert cache.result_in(huge + good[cache.HEAD.size:], RECIPE) is None


def test_it_can_be_switched_off(where):
    cache.save(RECIPE, RESULT)
    with options(cache=False):
        assert cache.load(RECIPE) is None and not cache.save(b"new", RESULT)
    assert cache.load(RECIPE) == RESULT and cache.load(b"new") is None


# -- folders that are not as they should be


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "file" / "below", "\0", tmp_path / ("n" * 300)):
        with options(cache_dir=str(bad)):
            assert not cache.save(RECIPE, RESULT) and cache.load(RECIPE) is None


@posix
def test_a_folder_that_cannot_be_written(where, monkeypatch):
    cache.save(RECIPE, RESULT)
    where.chmod(0o500)
    if os.geteuid() == 0:  # whom permissions do not stop

        def refused(*args, **more):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(cache, "write", refused)
    assert not cache.save(b"new", RESULT)
    assert cache.load(RECIPE) == RESULT
    where.chmod(0o700)


def test_a_full_disk_leaves_nothing(where, monkeypatch):
    cache.save(RECIPE, RESULT)
    before = sorted(os.listdir(where))

    def full(old, new):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert not cache.save(b"new", RESULT)
    assert sorted(os.listdir(where)) == before


@posix
def test_a_folder_that_others_may_write_to_is_not_trusted(where, monkeypatch):
    cache.save(RECIPE, RESULT)
    where.chmod(0o777)
    assert cache.load(RECIPE) is None and not cache.save(b"new", RESULT)
    where.chmod(0o700)
    assert cache.load(RECIPE) == RESULT
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if os.stat(where).st_uid:
        assert cache.load(RECIPE) is None


@posix
def test_what_is_no_file_is_no_entry_and_stops_nobody(where):
    cache.save(RECIPE, RESULT)
    file = cache.file_of(RECIPE)
    os.unlink(file)
    os.mkfifo(file)  # nobody writes to it: a careless reader would wait for ever
    assert cache.load(RECIPE) is None
    assert cache.save(RECIPE, RESULT) and cache.load(RECIPE) == RESULT
    os.unlink(file)
    os.mkdir(file)
    assert cache.load(RECIPE) is None and not cache.save(RECIPE, RESULT)


# -- how much is kept


def test_the_oldest_go_when_there_are_too_many(where):
    with options(cache_mb=1):
        for k in range(40):
            cache.save(b"%d" % k, random.randbytes(50_000))
            os.utime(cache.file_of(b"%d" % k), (k, k))
        kept = [k for k in range(40) if cache.load(b"%d" % k)]
        assert kept == list(range(40 - len(kept), 40)) and 15 <= len(kept) <= 21
        assert not cache.save(b"huge", bytes(2**19))  # half of the room for one


def test_drafts_that_nobody_finishes_go(where):
    cache.save(RECIPE, RESULT)
    old, new = where / f"a{cache.WRITING}", where / f"b{cache.WRITING}"
    for file in (old, new, where / "somebody's.txt"):
        file.write_text("half")
    os.utime(old, (1, 1))
    cache.save(b"new", RESULT)
    assert not old.exists() and new.exists() and (where / "somebody's.txt").exists()
    assert cache.clear() == 3 and os.listdir(where) == ["somebody's.txt"]


def test_a_use_is_noted(where):
    cache.save(RECIPE, RESULT)
    os.utime(cache.file_of(RECIPE), (1, 1))
    cache.load(RECIPE)
    assert time.time() - os.stat(cache.file_of(RECIPE)).st_mtime < 100


# -- where


def test_the_folder(monkeypatch, tmp_path):
    with options(cache_dir=""):
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", "")
        assert cache.folder() == tmp_path / ".cache" / "symgrad"
        monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
        assert cache.folder() == tmp_path / ".cache" / "symgrad"
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
        assert cache.folder() == tmp_path / "x" / "symgrad"

        def homeless():
            raise RuntimeError

        monkeypatch.setattr(cache.Path, "home", homeless)
        assert cache.folder() is None
        assert cache.load(RECIPE) is None and not cache.save(RECIPE, RESULT) and not cache.clear()
    with options(cache_dir=str(tmp_path / "y")):
        assert cache.folder() == tmp_path / "y"


def test_environment(tmp_path):
    code = "from symgrad.config import config; print(config.cache, config.cache_dir)"
    for value, wanted in (("0", "False"), ("1", "True")):
        environment = {**os.environ, "SYMGRAD_CACHE": value, "SYMGRAD_CACHE_DIR": "there",
                       "PYTHONPATH": str(REPO)}
        out = subprocess.run([sys.executable, "-c", code], env=environment, check=True,
                             capture_output=True, text=True).stdout
        assert out.split() == [wanted, "there"]


def test_the_command(where, capsys):
    assert cli.main(["cache"]) == 0 and "not made yet" in capsys.readouterr().out
    cache.save(RECIPE, RESULT)
    assert cli.main(["cache"]) == 0
    out = capsys.readouterr().out
    assert str(where) in out and "in use" in out and "1 files" in out
    with options(cache=False):
        cli.main(["cache"])
        assert "switched off" in capsys.readouterr().out
    assert cli.main(["cache", "--clear"]) == 0
    assert "1 file deleted" in capsys.readouterr().out and cache.load(RECIPE) is None


# -- many processes

WORK = """
import random, sys
from symgrad.compile import cache
seed, seconds = int(sys.argv[1]), float(sys.argv[2])
import time
print("go", flush=True)
rng, end, hits = random.Random(seed), time.time() + seconds, 0
result = lambda k: random.Random(k).randbytes(20_000 + 1000 * k)
while time.time() < end:
    k = rng.randrange(12)
    found = cache.load(b"recipe %d" % k)
    if found is not None:
        assert found == result(k), k
        hits += 1
    if found is None or rng.random() < .3:
        cache.save(b"recipe %d" % k, result(k))
    if rng.random() < .01:
        cache.clear()
print(hits)
"""


def test_many_processes_at_once(where):
    workers = [started(WORK, where, seed, 1.5) for seed in range(6)]
    outs = [w.communicate(timeout=60)[0] for w in workers]
    assert all(w.returncode == 0 for w in workers)
    assert all(int(out.split()[1]) > 10 for out in outs)


@posix
def test_processes_killed_while_they_write(where):
    """Whoever is killed, others find whole results or none."""
    rng = random.Random(3)
    for round in range(12):
        worker = started(WORK.replace("< .3", "< 1"), where, round, 60)
        worker.stdout.readline()
        time.sleep(0.05 * rng.random())
        worker.send_signal(signal.SIGKILL)
        worker.communicate(timeout=60)
        for k in range(12):
            found = cache.load(b"recipe %d" % k)
            assert found in (None, random.Random(k).randbytes(20_000 + 1000 * k))
    checker = started(WORK, where, 99, 0.5)
    assert int(checker.communicate(timeout=60)[0].split()[1]) > 0 and checker.returncode == 0


@posix
def test_killed_between_any_two_system_calls(where):
    """The file is there at once or not at all: a process that ends before the rename leaves only a
    draft, which no reader takes."""
    code = """
    import os
    from symgrad.compile import cache
    real = os.replace
    os.replace = lambda *names: os.kill(os.getpid(), 9)
    cache.save(b"recipe", b"result")
    """
    worker = started(code, where)
    worker.communicate(timeout=60)
    assert worker.returncode == -signal.SIGKILL
    assert [name.endswith(cache.WRITING) for name in os.listdir(where)] == [True]
    assert cache.load(b"recipe") is None
    assert cache.save(b"recipe", b"result") and cache.load(b"recipe") == b"result"


def answer(k, where, queue):
    with options(cache=True, cache_dir=where):
        found = cache.load(b"shared") or b"nothing"
        cache.save(b"of %d" % k, found)
        queue.put((k, found))


@pytest.mark.parametrize("method", [
    m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_children(where, method):
    cache.save(b"shared", b"by the parent")
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=answer, args=(k, str(where), queue)) for k in range(3)]
    for c in children:
        c.start()
    got = dict(queue.get(timeout=60) for _ in children)
    for c in children:
        c.join(60)
    assert got == dict.fromkeys(range(3), b"by the parent")
    assert all(cache.load(b"of %d" % k) == b"by the parent" for k in range(3))


def test_options_are_listed():
    for name in ("cache", "cache_dir", "cache_mb"):
        assert name in repr(config)
