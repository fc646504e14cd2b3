"""Tests in processes of their own, forked from one that has imported everything but symgrad.

A child gets its modules by an import hook: one of them mutated, or all of them instrumented.  It
answers with what it has to say as JSON, and its limit is in seconds of the processor, so that a
busy machine does not look like a mutant that never ends.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass

import pytest

from .targets import REPO, ROOT, module_of

HEAVY = """numpy numpy.testing scipy.linalg scipy.special scipy.signal scipy.stats mpmath hypothesis
    llvmlite.binding llvmlite.ir networkx concurrent.futures""".split()
PATIENCE = 8  # a child may wait this many times as long as it may compute
ROOM = 12 << 30  # bytes of addresses


def prepare():
    """Import what every child needs, and nothing of symgrad."""
    sys.path.insert(0, str(REPO))
    sys.path.insert(1, str(REPO / "tests"))
    for name in HEAVY:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # tests that need it are skipped
    from hypothesis import settings

    settings.register_profile("mutate", database=None, derandomize=True, deadline=None)
    settings.load_profile("mutate")
    # A child compiles what it imports; once is enough for all of them.
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(REPO / ".pytest_cache" / "bytecode")
    assert "symgrad" not in sys.modules


class Hook:
    """Finds the modules in `codes`, {file: code}, and makes them of that.  `names` go into each;
    ``made(name, module)`` is told of each that is there."""

    def __init__(self, codes, names=None, made=None):
        self.codes = {module_of(file): (str(ROOT / file), code) for file, code in codes.items()}
        self.names, self.made = names or {}, made

    def find_spec(self, name, path=None, target=None):
        if name not in self.codes:
            return None
        path, code = self.codes[name]
        return importlib.util.spec_from_file_location(name, path, loader=_Loader(
            name, path, code, self))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name, path, code, hook):
        super().__init__(name, path)
        self.code, self.hook = code, hook

    def get_code(self, fullname):
        return self.code

    def exec_module(self, module):
        module.__dict__.update(self.hook.names)
        super().exec_module(module)
        if self.hook.made:
            self.hook.made(module.__name__, module)


class Chosen:
    """A plugin of pytest: runs the chosen tests in their order, and keeps what failed."""

    def __init__(self, tests):
        self.place = {t: k for k, t in enumerate(tests)}
        self.failed, self.ran, self.missing = [], 0, len(tests)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = sorted([i for i in items if i.nodeid in self.place],
                          key=lambda i: self.place[i.nodeid])
        self.missing -= len(items)

    def pytest_runtest_logreport(self, report):
        self.ran += report.when == "call"
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.failed.append(f"import of {report.nodeid}")


def pytest_run(files, plugin, temporary, stop=True):
    """Run pytest on files with a plugin; its exit status."""
    return pytest.main([*["-x"] * stop, "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
                        "-p", "no:unraisableexception", "--rootdir", str(REPO),
                        "--basetemp", os.path.join(temporary, "t"), *files], plugins=[plugin])


def run_chosen(hook, tests, temporary, stop=True):
    """What a child does: the chosen tests with the modules of a hook."""
    sys.meta_path.insert(0, hook)
    chosen = Chosen(tests)
    files = list(dict.fromkeys(t.partition("::")[0] for t in tests))
    status = pytest_run(files, chosen, temporary, stop)
    failed = chosen.failed or ([f"pytest: {status!s}"] if status not in (0, 1, 5) else [])
    return {"failed": failed, "ran": chosen.ran, "missing": chosen.missing}


@dataclass
class Ended:
    """How a child ended: `said`, what it answered, or None and `how` it died: 'time', 'crash'."""

    said: dict | None
    how: str
    seconds: float


class Child:
    """A running child; ``work(temporary)`` makes its answer."""

    def __init__(self, work, seconds, loud=False):
        self.temporary = tempfile.mkdtemp(prefix="mutate")
        self.answer = os.path.join(self.temporary, "answer")
        self.start, self.most = time.monotonic(), seconds * PATIENCE
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            self._live(work, seconds, loud)

    def _live(self, work, seconds, loud):
        status = 1
        try:
            os.setpgid(0, 0)
            os.chdir(REPO)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
            spent = int(sum(os.times()[:2]))
            resource.setrlimit(resource.RLIMIT_CPU, (spent + int(seconds) + 1,) * 2)
            if not loud:
                for number in (1, 2):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            found = work(self.temporary)
            with open(self.answer + ".part", "w") as file:
                json.dump(found, file)
            os.rename(self.answer + ".part", self.answer)
            status = 0
        except BaseException:
            if loud:
                import traceback

                traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)

    def ended(self):
        """How it ended; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        seconds = time.monotonic() - self.start
        if not pid and seconds < self.most:
            return None
        late = not pid
        try:
            os.killpg(self.pid, signal.SIGKILL)  # also what its tests have started
        except ProcessLookupError:
            pass
        if late:
            os.waitpid(self.pid, 0)
        said = None
        if os.path.exists(self.answer):
            with open(self.answer) as file:
                said = json.load(file)
        shutil.rmtree(self.temporary, ignore_errors=True)
        timed = late or os.WIFSIGNALED(status) and os.WTERMSIG(status) in (
            signal.SIGXCPU, signal.SIGKILL)
        return Ended(said, "said" if said is not None else "time" if timed else "crash", seconds)


def abreast(waiting, jobs):
    """Run ``(name, () -> Child)`` of a deque some at a time: yields (name, Ended) as they end.
    More may be put into the deque meanwhile."""
    running = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name, start = waiting.popleft()
                running[name] = start()
            for name, child in list(running.items()):
                ended = child.ended()
                if ended is not None:
                    del running[name]
                    yield name, ended
            time.sleep(0.02)
    finally:
        for child in running.values():
            child.most = 0
            child.ended()
