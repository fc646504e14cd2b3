"""The CPython entry of a program: a builtin made of `native.call`, so that a call costs about a
tenth of a microsecond more than its work.

Each `Entry` belongs to one function: its `words` hold a state of the program, the cells of the
shared variables and what an argument must be.  `holds` says whether this interpreter keeps objects
as `objects` reads them; where it does not, there is no entry and `Program.run` does the work.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
import threading
import time
from contextlib import nullcontext
from functools import cache

import numpy as np

from symgrad.compile.backends.llvm import engine, native, objects
from symgrad.compile.backends.llvm.control import STATE
from symgrad.compile.backends.llvm.objects import FORMS, FUNCTIONS, KIND, LAST, LEAF, WORD

# NumPy's flags of an array, and places in its table of functions.
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
ARRAY_TYPE, NEW_FROM_DESCR = 2, 94
FASTCALL_KEYWORDS = 0x82
ADDRESS = ctypes.c_void_p
CLOCK = time.perf_counter
CODE = "call", "loop", "make", "place", "grow", "free_make", "free_grow"  # of `native`


class Method(ctypes.Structure):
    """CPython's description of a builtin; CPython keeps its address."""

    _fields_ = [("name", ctypes.c_char_p), ("code", ADDRESS), ("flags", ctypes.c_int),
                ("doc", ctypes.c_char_p)]


class Words(np.ndarray):
    """A builtin's ``self``: machine code reads its elements, and its attributes keep alive what
    they point to."""


class Steps:
    """The steps that Python runs, called by native code.  `numbers`: {node: its place among what
    native code returns}; `made`: the words there."""

    def __init__(self, state):
        self.state, self.numbers, self.made = state, {}, None
        self.hook = type(state.hooks[1])(self.call)

    def call(self, address, number, words):
        status = self.state.call(address, number, words)
        if not status:
            for node in self.state.program.python[number].outputs:
                if node in self.numbers:
                    array = self.state.made[node]
                    ctypes.pythonapi.Py_IncRef(ctypes.py_object(array))
                    self.made[self.numbers[node]] = id(array)
        return status

    def fail(self):
        """Raise what a step has raised."""
        error, self.state.error = self.state.error, None
        raise error from None


class Block:
    """Gives the arena back that native code made."""

    def __init__(self, words):
        self.words = words

    def __del__(self):
        for name in ("block", "old"):
            address = int(self.words[WORD[name]])
            if address:
                ctypes.pythonapi.Py_DecRef(ADDRESS(address))


# -- whether objects are as the code reads them


@cache
def holds():
    """Whether this interpreter and this NumPy keep the fields of objects where `objects` has
    them; compared for a few objects, once."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    if ctypes.sizeof(ADDRESS) != 8 or not all(hasattr(ctypes.pythonapi, f) for f in FUNCTIONS):
        return False
    try:
        return arrays_hold() and others_hold() and makes_arrays()
    except (AttributeError, TypeError, ValueError):
        return False


def arrays_hold():
    """Whether arrays are laid out as `objects` says."""
    wide = np.arange(24.0).reshape(2, 3, 4)
    for a in (wide, wide[::-1, 1:], np.array(3, np.int16), np.ones((2, 0), bool),
              np.asfortranarray(wide[0]), np.broadcast_to(np.float32(1), (3, 2))):
        at, ndim = id(a), a.ndim
        fields = {objects.TYPE: id(np.ndarray), objects.DATA: a.__array_interface__["data"][0],
                  objects.DTYPE: id(a.dtype)}
        if any(word(at + k) != value for k, value in fields.items()):
            return False
        if half(at + objects.NDIM) != ndim or half(at + objects.FLAGS) & 0xFFFF != a.flags.num:
            return False
        for k, row in ((objects.LENGTHS, a.shape), (objects.STRIDES, a.strides)):
            if ndim and [word(pointer(at + k) + 8 * j) for j in range(ndim)] != list(row):
                return False
    return True


def others_hold():
    """Whether lists and numbers are laid out as `objects` says."""
    items = ["one", "two"]
    at = id(items)
    if word(at + objects.SIZE) != 2 or word(at + objects.TYPE) != id(list):
        return False
    if [word(pointer(at + objects.ITEMS) + 8 * k) for k in (0, 1)] != [id(x) for x in items]:
        return False
    for x in (1.25, np.float64(-0.1), np.float32(2.5), np.int64(-7), np.int8(5), np.bool_(True),
              np.uint16(65535), np.float16(0.5), np.complex128(1 + 2j), np.complex64(3j)):
        raw = (ctypes.c_char * np.asarray(x).itemsize).from_address(id(x) + objects.NUMBER).raw
        if raw != np.asarray(x).tobytes() or word(id(x) + objects.TYPE) != id(type(x)):
            return False
    return True


def makes_arrays():
    """Whether NumPy's table of functions has what is taken from it."""
    if api(ARRAY_TYPE) != id(np.ndarray):
        return False
    dtype, lengths = np.dtype(np.float32), (ctypes.c_int64 * 2)(2, 3)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ADDRESS, ADDRESS, ctypes.c_int, ADDRESS, ADDRESS,
                             ADDRESS, ctypes.c_int, ADDRESS)(api(NEW_FROM_DESCR))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(dtype))
    a = make(id(np.ndarray), id(dtype), 2, ctypes.addressof(lengths), None, None, 0, None)
    return type(a) is np.ndarray and a.shape == (2, 3) and a.dtype is dtype and a.flags.carray


def word(address):
    return ctypes.c_int64.from_address(address).value


def pointer(address):
    """A word that must be an address; ValueError if it surely is none."""
    value = word(address)
    if value % 8 or not 1 << 16 <= value < 1 << 56:
        raise ValueError("not an address")
    return value


def half(address):
    return ctypes.c_int32.from_address(address).value


@cache
def table():
    """The address of NumPy's table of functions."""
    get = ctypes.PYFUNCTYPE(ADDRESS, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi))
    return get(np._core._multiarray_umath._ARRAY_API, None)


def api(number):
    return word(table() + 8 * number)


@cache
def fixed():
    """The words that are the same for all functions, {name: value}, and the code they are of."""
    code = engine.code([(native.text(), 2)], list(CODE))
    words = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ADDRESS).value
             for name in FUNCTIONS}
    words |= {"new_array": api(NEW_FROM_DESCR), "array": id(np.ndarray), "nothing": id(None),
              "bytes": id(np.dtype(np.uint8)), "clock": id(CLOCK)}
    return words | {name: code[name] for name in CODE if name in WORD}, code


# -- the entry of a function


class Entry:
    """`call`: the builtin.  `chunk`: many calls in a row, by another builtin."""

    def __init__(self, state, request, containers, python, flags, turns=None):
        """`state`: one of the program's; `request`: what the function was asked for; `containers`:
        of the plan's shared variables; `python`: what takes the calls that do not fit; `flags`:
        two words, not 0 while native, or Python, code is in the course of a call; `turns`: the
        lock that calls take which update."""
        program, (words, code) = state.program, fixed()
        plan, driver = program.plan, program.driver
        self.program, self.flags, self.lock = program, flags, threading.Lock()
        leaves = [leaf_words(leaf, known, plan, driver, strict) for leaf, known, strict in [
            *((a, b, i.strict) for a, b, i in zip(
                plan.inputs, request.leaves, request.inputs, strict=True)),
            *((s, plan.pool.source[s], True) for s in plan.shared)]]
        counts = [1 + 2 * leaf.type.ndim for leaf in program.leaves]
        self.rows = np.cumsum([0, *counts])
        places = {leaf: k for k, leaf in enumerate(plan.shared)}
        kinds = [(ndim, id(np.dtype(dtype)), 0) for _, dtype, ndim in driver.results]
        steps = Steps(state)
        for node in driver.returned:  # those that Python makes get numbers behind the others
            if not isinstance(node, int) and node not in plan.shared:
                steps.numbers[node] = len(kinds)
                kinds.append((0, 0, 0))
        returned = [steps.numbers.get(r, r) for r in driver.returned]
        self.outputs = outputs = returned[:len(plan.outputs)]
        self.turns, self.loops = turns, not steps.numbers
        swaps = [(id(containers[places[leaf]].cell), number) for (leaf, _), number in zip(
            plan.updates, returned[len(outputs):], strict=True)
            if isinstance(number, int)]
        written = [len(plan.inputs) + places[leaf] for leaf in driver.in_place]
        keys = request.form if isinstance(request.form, list) else []
        parts = {
            "leaves": [w for leaf in leaves for w in leaf], "table": [0] * int(self.rows[-1]),
            "cells": [id(c.cell) for c in containers], "kinds": [w for k in kinds for w in k],
            "made": [0] * len(kinds), "swaps": [w for s in swaps for w in s], "returns": outputs,
            "keys": [id(k) for k in keys], "writes": written, "spans": [0] * 2 * len(leaves),
            "held": [0] * len(containers),
        }
        self.starts, total = {}, LAST
        for name, part in parts.items():
            self.starts[name] = total
            total += len(part)
        self.words = raw = np.zeros(total + 1, np.int64)
        raw[:len(state.words)] = state.words
        for name, part in parts.items():
            start = self.starts[name]
            raw[start:start + len(part)] = part
            raw[WORD[name]] = raw.ctypes.data + 8 * start
        form = FORMS.index(request.form) if isinstance(request.form, str) else FORMS.index("dict")
        words = words | {
            "run": program.code["run"], "python": id(python), "flags": flags.ctypes.data,
            "inputs": len(plan.inputs), "shared": len(plan.shared), "results": len(kinds),
            "updates": len(swaps), "outputs": len(outputs), "written": len(written), "form": form}
        for name, value in words.items():
            raw[WORD[name]] = value
        raw[STATE.index("alloc")], raw[STATE.index("grow")] = code["make"], code["grow"]
        objects = {"fail": steps.fail}
        if turns is not None:
            objects |= {"acquire": turns.acquire, "release": turns.release}
        if program.python:
            steps.made, raw[WORD["steps"]] = raw[self.starts["made"]:], 1
            raw[STATE.index("call")] = ctypes.cast(steps.hook, ADDRESS).value
            objects["forget"] = state.made.clear
        for name, value in objects.items():
            raw[WORD[name]] = id(value)
        holder = raw.view(Words)
        holder.keep = (state, code, program, containers, python, flags, keys, Block(raw), objects,
                       steps)
        holder.methods = [Method(name, code[name.decode()], FASTCALL_KEYWORDS, None)
                          for name in (b"call", b"loop")]
        make = ctypes.PYFUNCTYPE(ctypes.py_object, ADDRESS, ctypes.py_object, ADDRESS)(
            ("PyCFunction_NewEx", ctypes.pythonapi))
        self.call, self._loop = [make(ctypes.addressof(m), holder, None) for m in holder.methods]


    # -- many calls

    def prepare(self, position, values):
        """Let argument `position` be one after another of `values`, a dense array of its dtype;
        with None, no argument changes."""
        raw = self.words
        self.values = values  # kept alive
        if position is None:
            at, address, size = len(raw) - 1, raw.ctypes.data, 0
        else:
            at, address = self.starts["table"] + int(self.rows[position]), values.ctypes.data
            size = values.itemsize
        raw[WORD["row"]] = raw.ctypes.data + 8 * at
        raw[WORD["values"]], raw[WORD["size"]] = address, size

    def chunk(self, args, start, stop, rows, turn, step):
        """Calls number `start` … `stop` - 1.  Outputs go to the arrays `rows`, from row `turn` on;
        with ``step=0`` all to that one.  Returns how many calls were done, and {number: array} of
        outputs of the last of them that are not like a row: it stops behind these, as it does
        before a call that is not for native code or would fail."""
        raw = self.words
        records = [np.array([a.ctypes.data + turn * a.strides[0], a.strides[0] * step,
                             *a.shape[1:]], np.int64) for a in rows]
        for number, record in zip(self.outputs, records, strict=True):
            raw[self.starts["kinds"] + len(KIND) * number + 2] = record.ctypes.data
        raw[WORD["start"]], raw[WORD["stop"]], raw[WORD["turn"]] = start, stop, 0
        with self.turns or nullcontext():
            done = max(self._loop(*args), 0)
        strays = {}
        if raw[WORD["strayed"]] and done:
            for k, number in enumerate(self.outputs):
                at = self.starts["made"] + number
                address, raw[at] = int(raw[at]), 0
                if address:
                    strays[k] = ctypes.cast(address, ctypes.py_object).value
                    ctypes.pythonapi.Py_DecRef(ADDRESS(address))
        return done, strays

    @property
    def reached(self):
        """How far the last `chunk` came, also where it was interrupted."""
        return int(self.words[WORD["start"]])


def leaf_words(leaf, known, plan, driver, strict):
    """The record of an input or shared variable (`objects.LEAF`); `known` has its declared type."""
    dtype, ndim = np.dtype(leaf.type.dtype), leaf.type.ndim
    flags = ALIGNED
    if leaf in driver.in_place:
        flags |= CONTIGUOUS | WRITEABLE
    words = dict.fromkeys(LEAF, 0) | {"ndim": ndim, "dtype": id(dtype), "flags": flags,
                                      "itemsize": dtype.itemsize}
    if ndim == 0 and leaf in plan.inputs:
        words["number"] = id(dtype.type)
        if dtype.kind in "iu" and not strict:
            info = np.iinfo(dtype)
            words |= {"int": id(int), "low": int(info.min), "high": min(int(info.max), 2**63 - 1)}
        words["float"] = id(float) if dtype == np.float64 and not strict else 0
    return [*words.values(), *[d if isinstance(d, int) else -1 for d in known.type.shape]]
