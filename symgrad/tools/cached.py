"""`symgrad cache`: what compiled code is kept on disk; ``--clear`` deletes it."""

from __future__ import annotations

import time

from symgrad.compile import cache
from symgrad.config import config


def register(commands):
    command = commands.add_parser("cache", help="show or clear the compiled code kept on disk")
    command.add_argument("--clear", action="store_true", help="delete all of it")
    command.set_defaults(run=run)


def run(options):
    """Print where the cache is, whether it is used and how much is in it; the exit code."""
    if options.clear:
        count = cache.clear()
        print(f"{count} file{'s' * (count != 1)} deleted")
        return 0
    where = cache.folder()
    if where is None:
        print("no cache: there is no home folder; set SYMGRAD_CACHE_DIR")
        return 0
    print(f"{where} ({state(where)})")
    files = cache.entries(where) if where.is_dir() else []
    size = sum([size for _, size, _ in files]) / 2**20
    print(f"{len(files)} files, {size:.1f} of {config.cache_mb} MB")
    if files:
        days = (time.time() - files[0][0]) / 86400
        print(f"the oldest was last used {days:.1f} days ago")
    return 0


def state(where):
    """Whether a folder is used as the cache, as a phrase."""
    if not config.cache:
        return "switched off by config.cache"
    if not where.exists():
        return "not made yet"
    why = cache.refusal(where)
    return f"not used: {why}" if why else "in use"
