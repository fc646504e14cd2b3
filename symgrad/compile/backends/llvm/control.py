"""What all parts of a native function do: end it when something is wrong, call Python, ask for
memory, learn lengths."""

from __future__ import annotations

from symgrad.compile.backends.llvm.arena import LINE
from symgrad.compile.plan import mismatch
from symgrad.types import BYTES

# The words of a state, 8 bytes each.
STATE = ("arena", "room", "blas", "constants", "alloc", "call", "grow", "bad", "wrong", "limit")
WORD = {name: k for k, name in enumerate(STATE)}
FAILED = -2  # what a program returns when Python holds an exception


class Control:
    """Needs of a driver: `w`, the function that is written; `bad`, words for errors; `lengths`; and
    lists: `errors`, `calls`, `results`."""

    def word(self, name):
        p = self.w.let(f"getelementptr i64, ptr %state, i64 {WORD[name]}")
        return self.w.let(f"load ptr, ptr {p}")

    def refuse(self, wrong, error, *words):
        """End the run where `wrong` holds: ``error(words)`` makes the exception."""
        w = self.w
        self.errors.append(error)
        bad, fine = w.label("bad"), w.label("fine")
        w.branch(wrong, bad, fine)
        w.block(bad)
        for k, word in enumerate(words):
            p = w.let(f"getelementptr i64, ptr {self.bad}, i64 {k}")
            w.do(f"store i64 {word}, ptr {p}")
        w.do(f"ret i64 {len(self.errors)}")
        w.block(fine)

    def bind(self, node, lengths):
        """Learn and check the lengths of a value that decides them.  Steps may come in another
        order than the plan's: the first one to have a length is the one that is believed."""
        of, before = self.lengths.of, self.lengths.before
        for place in self.plan.places.get(node, ()):
            have, want = lengths[place.axis], place.length
            if place.binds and want not in before:
                of[want] = have
                continue
            if not place.binds and not isinstance(want, int) and want not in of:
                of[want], before[want] = have, place
                continue
            if place.binds:  # the other one knows why they should be equal
                have, want, place = of[want], have, before[want]
            else:
                want = self.lengths.length(want)
            if have != want:
                self.refuse(self.w.let(f"icmp ne i64 {have}, {want}"),
                            lambda bad, p=place: mismatch(p, bad[0], bad[1]), have, want)

    def made(self, node, dtype, lengths):
        """Memory of an array of these lengths that is made in this call; `node`: if it is its."""
        return self.allocate(self.reserve(node, dtype, len(lengths)), lengths)

    def reserve(self, node, dtype, ndim):
        """The number of an array that is made in this call."""
        self.results.append((node, dtype, ndim))
        return len(self.results) - 1

    def allocate(self, number, lengths):
        """Memory of an array that has a number."""
        got = self.w.let(f"call ptr {self.word('alloc')}(ptr %state, i64 {number}, "
                         f"ptr {self.block(lengths)})")
        self.unless_null(got)
        return got

    def unless_null(self, got):
        self.failed(self.w.let(f"icmp eq ptr {got}, null"))

    def failed(self, wrong):
        """End the run where `wrong` holds: Python has the exception."""
        w = self.w
        bad, fine = w.label("bad"), w.label("fine")
        w.branch(wrong, bad, fine)
        w.block(bad)
        w.do(f"ret i64 {FAILED}")
        w.block(fine)

    def block(self, words):
        """The words, in memory."""
        w = self.w
        block = w.alloca(f"[{max(len(words), 1)} x i64]")
        for k, word in enumerate(words):
            w.do(f"store i64 {word}, ptr {w.cell('i64', block, k)}")
        return block

    def ask(self, what, block):
        """Call Python, which finds `what` in `calls`, with a block of words it may change."""
        w = self.w
        self.calls.append(what)
        status = w.let(f"call i64 {self.word('call')}(ptr %state, i64 {len(self.calls) - 1}, "
                       f"ptr {block})")
        self.failed(w.let(f"icmp ne i64 {status}, 0"))

    def apart(self, slot):
        """Memory for a slot that is no part of the arena; kernels use whole vectors of it."""
        more = LINE // BYTES[slot.dtype]
        size = self.lengths.product([self.lengths.length(d) for d in slot.shape])
        return self.made(None, slot.dtype, (self.lengths.add(size, str(more)),))
