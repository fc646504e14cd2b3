"""What the kernel says of this process's memory (Linux): how much it holds, has held at most, and
has touched."""
import mmap
from pathlib import Path

SELF = Path("/proc/self")
FLUSHED = 256 * mmap.PAGESIZE       # a mapping whose end makes the kernel flush all translations


def able() -> bool:
    """Whether this system tells and lets the marks be set back."""
    return (SELF / "clear_refs").exists() and (SELF / "smaps").exists()


def resident(word: str) -> int:
    """A number of the process's status, in bytes: VmRSS (now) or VmHWM (the most)."""
    line, = (text for text in (SELF / "status").read_text().splitlines() if text.startswith(word))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Set VmHWM back to what is held now."""
    (SELF / "clear_refs").write_text("5")


def forget_touched() -> None:
    """Set back which pages were touched.

    The processor notes a page when it looks its address up; what it has at hand it does not look
    up again, so it must forget that, too.
    """
    (SELF / "clear_refs").write_text("1")
    with mmap.mmap(-1, FLUSHED) as region:
        for at in range(0, FLUSHED, mmap.PAGESIZE):
            region[at] = 1


def touched() -> int:
    """Bytes of the process's data (of no file, no machine code) that were touched since."""
    total, own = 0, False
    with open(SELF / "smaps", "rb") as lines:
        for line in lines:
            if line.startswith(b"Referenced:"):
                total += own * int(line.split()[1])
            elif not line[:1].isupper():
                words = line.split()
                own = b"w" in words[1] and (len(words) < 6 or words[5].startswith(b"["))
    return total * 1024
