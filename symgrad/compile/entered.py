"""How a function comes to its native entry: `Entered`, which `Function` is."""

from __future__ import annotations


class Entered:
    """A function whose backend may have a native entry (`backends/llvm/entry.py`).  `_python` takes
    every call; ``__call__`` is what a call runs."""

    __slots__ = ()

    def _first(self):
        """What the first calls run: `_entry`.  From the second on it is the native entry, where
        the backend has one; a function that is called once is not kept waiting for it."""
        self._python, self._native, called = self._entry(), None, []
        if not hasattr(self.code, "enter") or self.profile is not None:
            return self._python

        def first(*args, **named):
            if called:
                self._enter()
                return self.__call__(*args, **named)
            called.append(True)
            return python(*args, **named)

        python = self._python
        return first

    def _enter(self):
        """The native entry (backends/llvm/entry.py), made when it is first asked for; None where
        there is none."""
        if self._native is None and hasattr(self.code, "enter") and self.profile is None:
            native = self.code.enter(self.program, self._shared, self._python, self._flags,
                                     self._lock)
            self.__call__ = self._python if native is None else native.call
            self._native = native
        return self._native
