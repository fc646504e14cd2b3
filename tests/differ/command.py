"""The command: runs a range of seeds, and tells what came of it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .drawn import drawn
from .minimise import written
from .runner import Summary, outcomes


def parsed(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m tests.differ", description="Random programs, compiled with each rule and "
        "each pass off and on each backend: they compute the same.")
    parser.add_argument("--seeds", type=_seeds, default=range(300), metavar="FROM:TO",
                        help="which programs (default 0:300), or one seed")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary there")
    parser.add_argument("--table", action="store_true", help="tell how often each rule fired")
    parser.add_argument("--show", action="store_true", help="only print the programs")
    parser.add_argument("--minimise", type=int, default=0, metavar="N",
                        help="write tests for the first N findings, one a program, made small")
    return parser.parse_args(arguments)


def _seeds(text):
    first, colon, last = text.partition(":")
    return range(int(first or 0), int(last)) if colon else range(int(first), int(first) + 1)


def main(arguments=None):
    """Exit status 1 if something disagrees."""
    options = parsed(arguments)
    if options.show:
        for seed in options.seeds:
            print(drawn(seed).text())
        return 0
    summary, start, last = Summary(), time.monotonic(), 0.0
    try:
        for seed, outcome in outcomes(options.seeds, options.jobs):
            summary.add(seed, outcome)
            summary.seconds = time.monotonic() - start
            for f in outcome.findings[:2]:
                print(f"\rseed {seed}: {str(f)[:200]}".replace("\n", " "), flush=True)
            if time.monotonic() - last > 0.5:
                last = time.monotonic()
                _bar(summary, len(options.seeds))
                if options.json:
                    options.json.write_text(summary.json())
    except KeyboardInterrupt:
        print("\nstopped by hand", file=sys.stderr)
    print(f"\r{summary}")
    if options.table:
        print(summary.table())
    if options.json:
        options.json.write_text(summary.json())
    seen = set()
    for seed, finding in summary.findings:
        if len(seen) < options.minimise and seed not in seen and finding.kind not in (
                "draw", "crash", "hang"):
            seen.add(seed)
            print(f"wrote {written(drawn(seed), finding)}", flush=True)
    return 1 if summary.findings else 0


def _bar(summary, total):
    """A line that tells how far it is."""
    if not sys.stderr.isatty():
        return
    done, width = summary.programs, 30
    full = width * done // total
    left = summary.seconds / max(done, 1) * (total - done)
    print(f"\r[{'#' * full}{'.' * (width - full)}] {done}/{total}, {len(summary.findings)} "
          f"findings, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
