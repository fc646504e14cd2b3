"""A plan as machine code: `Program.run(*arrays)`, and what there is to see of it."""

from __future__ import annotations

import ctypes
import time
from functools import cached_property

import numpy as np

from symgrad.compile.backends import find
from symgrad.compile.backends.llvm import blas, engine, entry
from symgrad.compile.backends.llvm.arena import LINE
from symgrad.compile.backends.llvm.calls import array_at, run_nodes
from symgrad.compile.backends.llvm.control import FAILED, STATE, WORD
from symgrad.compile.backends.llvm.driver import Driver
from symgrad.node import CONST

name = "llvm"
WORDS = ctypes.c_int64
_RUN = ctypes.PYFUNCTYPE(WORDS, ctypes.c_void_p, ctypes.c_void_p)
_ALLOC = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, WORDS, ctypes.POINTER(WORDS))
_GROW = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, WORDS)


def missing(plan):
    """Nodes that no backend could run: none; those without a native form run in Python."""
    return []


def compile(plan, selection=None):
    """A `Program` for the plan."""
    return Program(plan, selection)


class Program:
    """A compiled plan.  `ir` and `asm`: its code as text; `source`: the same plan as a NumPy
    program, to be read; `python`: the steps that are called back into Python."""

    backend, writer = "llvm", Driver

    def __init__(self, plan, selection=None):
        self.plan, self.selection = plan, selection
        on = (lambda n: True) if selection is None else selection.__contains__
        start = time.perf_counter()
        driver = self.driver = self.writer(plan, on)
        self.ir = driver.module.text
        self.times = {"ir": time.perf_counter() - start}  # seconds: IR, object files, linking
        self.code = engine.code(driver.module.units("run"), ["run"], self.times)
        self.entry = _RUN(self.code["run"])
        self.arena, self.in_place, self.python = driver.arena, driver.in_place, driver.calls
        self.overlaps = driver.arena.overlaps(plan, driver.pieces)
        self.constants = [np.ascontiguousarray(a) for a in driver.constants]
        self.leaves = (*plan.inputs, *plan.shared)
        self.idle = []  # states of calls that are over

    @cached_property
    def asm(self):
        return engine.assembly(self.ir)

    @cached_property
    def _printed(self):
        return find("numpy").compile(self.plan, self.selection)

    @property
    def source(self):
        return self._printed.source

    def node_at(self, line):
        return None

    def enter(self, *args):
        """The `entry.Entry` of a function, or None if objects are not as it must find them."""
        return entry.Entry(self.state(), *args) if entry.holds() else None

    def state(self):
        """What one call at a time needs."""
        return State(self)

    def run(self, *arrays):
        """One array for each input and shared variable of the plan: (outputs, values of the
        updates)."""
        try:
            state = self.idle.pop()
        except IndexError:
            state = self.state()
        try:
            return state.run(arrays)
        finally:
            state.forget()
            self.idle.append(state)


class State:
    """What one call at a time needs: the words that native code reads, its arena, its arrays."""

    def __init__(self, program):
        self.program, self.made, self.error = program, {}, None
        self.words = np.zeros(len(STATE) + 3, np.int64)
        small = LINE * max(1, sum(not s.shape for s in program.arena.slots))
        self.keep = [self.blocks(small)]
        self.addresses = np.array([c.ctypes.data for c in program.constants] or [0], np.int64)
        self.hooks = _ALLOC(self.alloc), _ALLOC(self.call), _GROW(self.grow)
        pointers = [ctypes.cast(h, ctypes.c_void_p).value for h in self.hooks]
        for key, value in zip(("alloc", "call", "grow"), pointers, strict=True):
            self.words[WORD[key]] = value
        self.words[WORD["blas"]] = blas.addresses().ctypes.data
        self.words[WORD["constants"]] = self.addresses.ctypes.data
        self.words[WORD["arena"]] = self.keep[0].ctypes.data
        self.words[WORD["room"]] = small

    def blocks(self, size):
        """Memory of at least `size` bytes that starts at the start of a cache line."""
        raw = np.empty(size + LINE, np.uint8)
        shift = -raw.ctypes.data % LINE
        return raw[shift:shift + size]

    def run(self, arrays):
        program = self.program
        held = [fit(a, leaf.type.dtype) for a, leaf in zip(arrays, program.leaves, strict=True)]
        table = []
        for a in held:
            table += [a.ctypes.data, *a.shape, *a.strides]
        table = np.array(table or [0], np.int64)
        status = program.entry(self.words.ctypes.data, table.ctypes.data)
        if status:
            raise self.problem(status)
        self.made.update(zip(program.leaves, held, strict=True))
        found = [self.made[r] for r in program.driver.returned]
        count = len(program.plan.outputs)
        return found[:count], found[count:]

    def problem(self, status):
        if status == FAILED:
            error, self.error = self.error, None
            return error
        return self.program.driver.errors[status - 1](self.words[WORD["bad"]:].tolist())

    def forget(self):
        self.made, self.error = {}, None
        del self.keep[:-1]

    # -- called by native code; an exception is kept, and a null given back

    def alloc(self, _, number, lengths):
        try:
            _, dtype, ndim = self.program.driver.results[number]
            array = self.made[number] = np.empty(lengths[:ndim], dtype)
            return array.ctypes.data
        except BaseException as error:  # noqa: BLE001
            self.error = error
            return None

    def grow(self, _, size):
        try:
            block = self.blocks(size)
            self.keep.append(block)
            self.words[WORD["arena"]], self.words[WORD["room"]] = block.ctypes.data, size
            return block.ctypes.data
        except BaseException as error:  # noqa: BLE001
            self.error = error
            return None

    def call(self, _, number, words):
        try:
            step, at, arrays = self.program.python[number], 0, {}
            for i in step.inputs:
                if i.op is CONST:
                    continue
                ndim = i.type.ndim
                read = words[at:at + 1 + 2 * ndim]
                at += len(read)
                arrays[i] = array_at(read[0], read[1:1 + ndim], read[1 + ndim:], i.type.dtype)
            for k, value in enumerate(run_nodes(step, arrays)):
                value = self.made[step.outputs[k]] = own(value, arrays.values())
                steps = [s // value.itemsize for s in value.strides]
                for word in (value.ctypes.data, *value.shape, *steps):
                    words[at] = word
                    at += 1
            return 0
        except BaseException as error:  # noqa: BLE001
            self.error = error
            return 1


def own(array, operands):
    """An array that native code can read and the caller may keep."""
    array = fit(array, array.dtype)
    kept = array.base is not None or any(array is x for x in operands)
    return array.copy() if kept else array


def fit(array, dtype):
    """An array that native code can read: aligned, its last axis dense; copied only if not."""
    array = np.asarray(array)
    size = array.itemsize
    if array.dtype == dtype and array.dtype.isnative and array.flags.aligned and (
            not array.ndim or array.strides[-1] == size or array.shape[-1] < 2) and not any(
            [s % size for s in array.strides]):
        return array
    return np.array(array, dtype, order="C")
