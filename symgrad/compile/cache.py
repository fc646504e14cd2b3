"""Results of slow work, kept on disk from one process to the next.

A result is found by its *recipe*: the bytes that decide it, all of them.  The file is named by the
recipe's hash and holds the recipe itself, which is compared when the file is read: two recipes
with one hash miss, they never mix.  A digest of the whole file tells whether a byte has changed.
There are no locks: files are written under another name and then renamed, so that a reader sees a
whole one or none, whoever is killed.  Whatever is wrong with a file or the folder, there is no
entry.

``config.cache`` switches it off, ``config.cache_dir`` says where, ``config.cache_mb`` how much.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
import time
from pathlib import Path

from symgrad.config import config

try:
    from _blake2 import blake2b  # hashlib would load OpenSSL, for 2 ms
except ImportError:
    from hashlib import blake2b

MAGIC = b"symgrad\x01"
HEAD = struct.Struct("<8sQQ")  # magic, length of the recipe, length of the result
DIGEST = 32
SUFFIX, WRITING = ".entry", ".writing"
ABANDONED = 3600  # seconds after which a file that is still being written is nobody's
TOUCH = 86400  # seconds after which a use is noted


def folder():
    """Where entries are, whether or not it exists; None if there can be no cache."""
    if config.cache_dir:
        return Path(config.cache_dir)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / "symgrad" / "cache"
    if sys.platform == "darwin":
        return home / "Library/Caches/symgrad"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else home / ".cache") / "symgrad"


def refusal(path):
    """Why a folder is not used, as a phrase; None if it is.  What is in it gets executed, so nobody
    else may be able to write there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        return str(error)
    if not stat.S_ISDIR(found.st_mode):
        return "it is no folder"
    if hasattr(os, "geteuid"):
        if found.st_uid not in (os.geteuid(), 0):
            return "it belongs to another user"
        if found.st_mode & stat.S_IWOTH:
            return "everybody may write to it"
    return None


def file_of(recipe):
    """The file of a recipe (bytes), whether or not it exists; None if there is no cache."""
    path = folder() if config.cache else None
    name = blake2b(recipe, digest_size=20, person=b"symgrad").hexdigest()
    return None if path is None else os.path.join(path, name + SUFFIX)


def load(recipe):
    """The result of a recipe, both bytes; None if there is none, or none that is sound."""
    path = file_of(recipe)
    if path is None or refusal(os.path.dirname(path)):
        return None
    try:
        # a pipe that somebody made there must not stop us
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
                     | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        return None
    try:
        with open(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size > config.cache_mb << 20:
                return None
            data = file.read()
        result = result_in(data, recipe)
        if result is not None and time.time() - found.st_mtime > TOUCH:
            os.utime(path)
        return result
    except OSError:
        return None


def result_in(data, recipe):
    """The result in the bytes of an entry; None unless it is whole and of this recipe."""
    if len(data) < HEAD.size + DIGEST:
        return None
    magic, mine, theirs = HEAD.unpack_from(data)
    if magic != MAGIC or HEAD.size + mine + theirs + DIGEST != len(data) or mine != len(recipe):
        return None
    if digest(memoryview(data)[:-DIGEST]) != data[-DIGEST:]:
        return None
    end = HEAD.size + mine
    return data[end:-DIGEST] if data[HEAD.size:end] == recipe else None


def digest(data):
    return blake2b(data, digest_size=DIGEST, person=b"symgrad").digest()


def save(recipe, result):
    """Keep the result of a recipe, if that is possible; whether it was."""
    path = file_of(recipe)
    if path is None or len(recipe) + len(result) > config.cache_mb << 18:  # a quarter of the room
        return False
    where = os.path.dirname(path)
    try:
        os.makedirs(where, 0o700, exist_ok=True)
        if refusal(where):
            return False
        data = HEAD.pack(MAGIC, len(recipe), len(result)) + recipe + result
        write(path, data + digest(data))
        prune(where, config.cache_mb << 20)
    except (OSError, ValueError):
        return False
    return True


def write(path, data):
    """Put bytes in a file all at once."""
    draft = f"{path}.{os.getpid()}.{os.urandom(8).hex()}{WRITING}"
    try:
        with open(draft, "xb", opener=private) as file:
            file.write(data)
        os.replace(draft, path)
    except BaseException:
        forget(draft)
        raise


def private(path, flags):
    return os.open(path, flags, 0o600)


def forget(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def entries(where):
    """(when last used, bytes, path) of each file of ours in a folder, the oldest first."""
    found = []
    with os.scandir(where) as files:
        for e in files:
            if e.name.endswith((SUFFIX, WRITING)):
                try:
                    info = e.stat(follow_symlinks=False)
                except OSError:
                    continue  # somebody else has just deleted it
                found.append((info.st_mtime, info.st_size, e.path))
    return sorted(found)


def prune(where, most):
    """Delete drafts that nobody finishes, and the oldest entries while they have too many bytes."""
    files, now = entries(where), time.time()
    total = sum([size for _, size, _ in files])
    for when, size, path in files:
        if total > most or path.endswith(WRITING) and now - when > ABANDONED:
            forget(path)
            total -= size


def clear():
    """Delete all entries; how many there were."""
    where = folder()
    if where is None or not where.is_dir():
        return 0
    files = entries(where)
    for _, _, path in files:
        forget(path)
    return len(files)
