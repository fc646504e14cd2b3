"""Objects into memory without LLVM: the same as by its linker, and nothing that is not known."""

import ctypes
import gc
import os
import struct
import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

from house import REPO  # noqa: E402

from symgrad.compile.backends.llvm import engine, loader  # noqa: E402
from symgrad.compile.backends.llvm.loader import Image, Unknown  # noqa: E402

here = pytest.mark.skipif(not loader.works(), reason="not a machine for this loader")
WORD = ctypes.c_int64

ONE = """
@table = private constant [4 x i64] [i64 3, i64 5, i64 7, i64 11]
declare i64 @labs(i64)
declare i64 @second(i64)
define i64 @first(i64 %k) noinline {
  %m = and i64 %k, 3
  %p = getelementptr i64, ptr @table, i64 %m
  %x = load i64, ptr %p
  %y = call i64 @labs(i64 %k)
  %z = add i64 %x, %y
  ret i64 %z
}
define i64 @both(i64 %k) {
  %x = call i64 @first(i64 %k)
  %y = call i64 @second(i64 %x)
  ret i64 %y
}
"""
TWO = """
declare i64 @first(i64)
declare ptr @memset(ptr, i32, i64)
define i64 @second(i64 %k) {
  %p = alloca i64
  %q = call ptr @memset(ptr %p, i32 1, i64 8)
  %x = load i64, ptr %p
  %y = mul i64 %x, %k
  ret i64 %y
}
define i64 @pick(i64 %k) {
  switch i64 %k, label %d [i64 0, label %a i64 1, label %b i64 2, label %c i64 3, label %e
                           i64 4, label %f]
a: ret i64 10
b: %x = call i64 @first(i64 2)
   ret i64 %x
c: ret i64 -7
e: ret i64 1000
f: %y = call i64 @second(i64 3)
   ret i64 %y
d: ret i64 0
}
"""


def call(code, name):
    return ctypes.CFUNCTYPE(WORD, WORD)(code[name])


@here
@pytest.mark.parametrize("effort", [0, 2])
def test_the_same_as_by_llvms_linker(effort):
    images = [engine.assemble(text, effort) for text in (ONE, TWO)]
    mine, theirs = Image(images), engine.Code(images, ["first", "second", "both", "pick"])
    for name in ("first", "second", "both", "pick"):
        for k in range(-3, 9):
            assert call(mine, name)(k) == call(theirs, name)(k)


@here
def test_the_probe_is_what_llvm_makes():
    assert loader.works.__wrapped__()


@here
def test_memory_is_never_writable_and_executable():
    image = Image([engine.assemble(ONE), engine.assemble(TWO)])
    rights = {}
    with open("/proc/self/maps") as maps:
        for row in maps:
            span, how = row.split()[:2]
            start, end = [int(x, 16) for x in span.split("-")]
            if start < image.base + image.size and image.base < end:
                rights[how] = rights.get(how, 0) + end - start
    assert "r-xp" in rights and all("w" not in how for how in rights), rights


@here
def test_memory_is_freed():
    images = [engine.assemble(ONE), engine.assemble(TWO)]

    def mapped():
        gc.collect()
        with open("/proc/self/maps") as maps:
            return len(maps.readlines())

    Image(images)
    before = mapped()
    for _ in range(50):
        Image(images)
    assert mapped() - before < 10


@here
def test_forked_children_can_run_it():
    code = Image([engine.assemble(ONE), engine.assemble(TWO)])
    child = os.fork()
    if not child:
        os._exit(0 if call(code, "first")(2) == 9 else 1)
    assert os.waitpid(child, 0)[1] == 0


# -- what it does not know


@here
@pytest.mark.parametrize("text", [
    "@x = global i64 3\ndefine ptr @f() { ret ptr @x }",
    "@x = thread_local global i64 3\ndefine i64 @f() {\n%v = load i64, ptr @x\nret i64 %v }",
    "@x = global i64 0\ndefine ptr @f() { ret ptr @x }",
    "declare void @no_such()\ndefine void @f() {\ncall void @no_such()\nret void }",
    "@x = external global i64\ndefine ptr @f() { ret ptr @x }",
    "@x = common global i64 0\ndefine ptr @f() { ret ptr @x }",
    "@p = constant ptr @f\ndefine ptr @f() {\n%v = load ptr, ptr @p\nret ptr %v }",
])
def test_what_is_unknown_is_left_to_llvm(text):
    image = engine.assemble(text)
    with pytest.raises(Unknown):
        Image([image])


@here
def test_two_functions_of_one_name():
    image = engine.assemble(ONE)
    with pytest.raises(Unknown):
        Image([image, image])


@here
def test_damaged_objects_are_unknown_or_whole():
    """Cut or changed anywhere in its tables, an object is refused; nothing else happens."""
    image = engine.assemble(ONE)
    for size in range(0, len(image), 7):
        with pytest.raises(Unknown):
            Image([image[:size], engine.assemble(TWO)])
    start, = struct.unpack_from("<Q", image, 40)
    for place in (*range(64), *range(start, len(image))):
        bad = bytearray(image)
        bad[place] ^= 0xFF
        try:
            Image([bytes(bad), engine.assemble(TWO)])
        except Unknown:
            pass


def test_other_machines_use_llvms_linker(monkeypatch):
    monkeypatch.setattr(sys, "platform", "plan9")
    assert not loader.works.__wrapped__()
    monkeypatch.setattr(loader, "works", lambda: False)
    code = engine.code([(ONE, 2), (TWO, 0)], ["both"])
    assert type(code) is engine.Code and call(code, "both")(2) == 9 * 0x0101010101010101


@here
def test_memory_that_must_not_be_executed(monkeypatch):
    class Forbidden:
        argtypes = ()

        def __call__(self, *args):
            return -1

    class Library:
        mprotect = Forbidden()

        def __init__(self, *args, **more):
            pass

        def __getitem__(self, name):
            return ctypes.pythonapi[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctypes, "CDLL", Library)
        assert not loader.works.__wrapped__()


@here
def test_a_warm_process_needs_no_llvm(tmp_path):
    code = """if True:
    import sys, numpy as np, symgrad as sg, symgrad.tensor as T
    x, W = T.fmatrix("x"), sg.shared(np.ones((3, 2), np.float32))
    loss = T.tanh(x @ W).sum()
    f = sg.function([x], loss, updates=[(W, W - sg.grad(loss, W))], backend="llvm")
    print(f(np.ones((4, 3), np.float32)), f.code.in_place != [], "llvmlite" in sys.modules)
    """
    environment = {**os.environ, "SYMGRAD_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(REPO)}
    outs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True,
                           env={**environment, "PYTHONHASHSEED": str(seed)}).stdout
            for seed in range(4)]
    assert outs[0].split()[-1] == "True"
    assert {out.split()[-1] for out in outs[1:]} == {"False"}
    assert len({out.split()[0] for out in outs}) == 1
