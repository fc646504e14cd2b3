"""Run works in the frameworks' processes: check their results, then time them round by round."""
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from peers.frameworks import Framework
from peers.works import Fresh, Work

HERE = Path(__file__).resolve().parent.parent       # benchmarks/
LONG = 5.0          # a fresh process that takes longer, in seconds, is run once
DIGITS = 5          # to which results agree


class Failed(Exception):
    """A framework cannot do a work; the message is the note in the table."""


@dataclass
class Measured:
    """A work's figures: seconds of each round by framework, or a note on why there are none."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)      # frameworks whose results differ


def environment(framework: Framework, folder: str | None = None) -> dict[str, str]:
    """That of a process: bytecode is kept, as where packages are installed."""
    paths = [str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    known = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return known | {"PYTHONPATH": os.pathsep.join(paths)} | framework.environment(folder)


class Worker:
    """A process that runs one work in one framework (`worker.py`)."""

    def __init__(self, framework: Framework, work: Work, clock: str):
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "peers.worker", f"peers.{framework.module}", work.name, clock],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env=environment(framework))
        self.lines: queue.Queue = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def reply(self, patience: float) -> dict:
        """The next line of the process.  Raises Failed when there is none."""
        try:
            line = self.lines.get(timeout=patience)
        except queue.Empty:
            raise Failed(f"not ready after {patience:.0f} s") from None
        if line is None:
            raise Failed(last_words(self.errors))
        return json.loads(line)

    def round(self, passes: int, patience: float) -> float:
        """Seconds a call, over so many passes."""
        self.process.stdin.write(f"{passes}\n")
        self.process.stdin.flush()
        return self.reply(patience)["seconds"]

    def close(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            stream.close()


def last_words(errors) -> str:
    """The last line that a process wrote to its standard error."""
    errors.seek(0)
    lines = [line.strip() for line in errors.read().splitlines() if line.strip()]
    found = [line for line in lines if "Error" in line.partition(":")[0]]
    return (found or lines or ["it ended without a word"])[-1][:200]


def measure(work: Work, frameworks, options) -> Measured:
    """Build a work in each framework, compare the first results, then take turns."""
    told, workers, results = Measured(), {}, {}
    try:
        for framework in frameworks:
            if not present(framework, work.model, told):
                continue
            worker = Worker(framework, work, options.clock)
            try:
                results[framework.name] = worker.reply(options.patience)["results"]
                workers[framework.name] = worker
            except Failed as failure:
                told.notes[framework.name] = str(failure)
                worker.close()
        compare(results, told)
        for name in told.wrong:
            workers.pop(name).close()
        take_turns(workers, work, told, options)
    finally:
        for worker in workers.values():
            worker.close()
    return told


def present(framework: Framework, model: str | None, told: Measured) -> bool:
    """Whether a framework is installed and has a model; else a note says so."""
    if not framework.present:
        told.notes[framework.name] = "not installed"
    elif model and f"\ndef {model}(" not in source(framework):
        told.notes[framework.name] = "not written for it"
    else:
        return True
    return False


def source(framework: Framework) -> str:
    return Path(__file__).with_name(f"{framework.module}.py").read_text()


def compare(results: dict[str, list], told: Measured) -> None:
    """Note frameworks whose first results differ from those of NumPy by hand (or the first)."""
    if not results:
        return
    norm = "numpy" if "numpy" in results else next(iter(results))
    for name, calls in results.items():
        for number, (mine, right) in enumerate(zip(calls, results[norm], strict=True), 1):
            if len(mine) != len(right) or not max(map(apart, mine, right)) < 10.0**-DIGITS:
                told.notes[name] = f"call {number} gives {mine[0][0]:.7g}, {norm} {right[0][0]:.7g}"
                told.wrong.append(name)
                break


def apart(mine: list[float], right: list[float]) -> float:
    """The greatest distance of two digests, against the size of what they tell of."""
    scale = max(map(abs, right), default=0) or 1.0
    return max(abs(a - b) for a, b in zip(mine, right, strict=True)) / scale


def take_turns(workers: dict[str, Worker], work: Work, told: Measured, options) -> None:
    """Rounds in which each framework has its turn, every round beginning with another one."""
    passes, calls, order = {}, len(work.batches()), list(workers)

    def turn(name: str, times: int) -> float | None:
        """Seconds a call; None, and no more turns, for a process that is gone or stuck."""
        try:
            return workers[name].round(times, options.patience)
        except (Failed, OSError) as failure:
            told.notes[name] = str(failure)
            told.seconds.pop(name, None)
            order.remove(name)
            return None

    for name in workers:
        once = [turn(name, 1) for _ in range(2) if name in order]
        passes[name] = max(1, round(options.round_ms * 1e-3 / max(calls * (once[-1] or 0), 1e-6)))
    end, done = time.perf_counter() + options.seconds, 0
    while order and (done < options.rounds or time.perf_counter() < end):
        for name in list(order):
            seconds = turn(name, passes[name])
            if seconds is not None:
                told.seconds.setdefault(name, []).append(seconds)
        order[:] = order[1:] + order[:1]
        done += 1


def measure_fresh(work: Fresh, frameworks, options) -> Measured:
    """Processes of their own, the frameworks taking turns; the first of each is left out.

    The one left out writes bytecode, and for a warm run what the framework keeps on disk.
    """
    told = Measured()
    model = next((w.model for w in options.known if w.name == work.of), None)
    able = [f for f in frameworks if present(f, model, told)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as kept:
        for number in range(options.fresh + 1):
            for framework in list(able):
                seconds = told.seconds.setdefault(framework.name, [])
                if seconds and seconds[0] > LONG:
                    continue
                try:
                    first = fresh(work, framework, kept, options)
                except Failed as failure:
                    told.notes[framework.name] = str(failure)
                    told.seconds.pop(framework.name)
                    able.remove(framework)
                    continue
                if number or (not work.warm and first > LONG):
                    seconds.append(first)
    return told


def fresh(work: Fresh, framework: Framework, kept: str, options) -> float:
    """Seconds of one fresh process."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        folder = os.path.join(kept, framework.name) if work.warm else empty
        words = [",".join(framework.imports), *([work.of] if work.of else [])]
        told = ask("peers.fresh", words, framework, folder, options.patience)
    return told["first" if work.of else "import"][options.clock]


def ask(program: str, words, framework: Framework, folder: str, patience: float, **more) -> dict:
    """What a process of a framework's own prints; its disk cache is in the folder, and `more` is
    in its environment.  Raises Failed."""
    os.makedirs(folder, exist_ok=True)
    command = [sys.executable, "-m", program, f"peers.{framework.module}", *words]
    with tempfile.TemporaryFile(mode="w+") as errors:
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True,
                                  env=environment(framework, folder) | more, check=True,
                                  timeout=patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"not ready after {patience:.0f} s") from None
        except subprocess.CalledProcessError:
            raise Failed(last_words(errors)) from None
    return json.loads(done.stdout)
