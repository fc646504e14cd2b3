"""Which machine code is taken from the cache: that of this text, these options, this processor and
this LLVM, and no other."""

import ctypes
import multiprocessing

import pytest

pytest.importorskip("llvmlite")

from symgrad.compile import cache  # noqa: E402
from symgrad.compile.backends.llvm import engine  # noqa: E402
from symgrad.config import options  # noqa: E402
from symgrad.errors import MissingPackage  # noqa: E402

TEXT = "define i64 @f(i64 %k) {\n  %x = add i64 %k, 5\n  ret i64 %x\n}\n"
MEMORIES = engine.remembered, engine.asked, engine.build


def forget():
    """As in a new process, but that LLVM is there."""
    for memory in MEMORIES:
        memory.cache_clear()


@pytest.fixture(autouse=True)
def where(tmp_path):
    with options(cache=True, cache_dir=str(tmp_path)):
        forget()
        yield tmp_path
    forget()


@pytest.fixture
def made(monkeypatch):
    """The texts that LLVM had to compile."""
    found, real = [], engine.assemble

    def assemble(text, effort=2):
        found.append(text)
        return real(text, effort)

    monkeypatch.setattr(engine, "assemble", assemble)
    return found


def run(code):
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code["f"])(37)


def test_the_second_time_nothing_is_compiled(made):
    for _ in range(3):
        assert run(engine.code([(TEXT, 2)], ["f"])) == 42
    assert len(made) == 1


def test_other_text_and_other_options_are_other_code(made):
    first = engine.kept(TEXT, 2)
    assert engine.kept(TEXT.replace("5", "6"), 2) != first
    engine.kept(TEXT, 0)
    assert len(made) == 3
    assert engine.kept(TEXT, 2) == first and len(made) == 3


def test_other_features_are_other_code(made, monkeypatch):
    """A processor that lost or won a feature, or is another one, finds nothing."""
    name, features = engine.host()
    engine.kept(TEXT)
    assert "," in features
    flipped = features.translate(str.maketrans("+-", "-+"), ).split(",")
    others = [",".join([*features.split(",")[:k], flipped[k], *features.split(",")[k + 1:]])
              for k in range(0, len(flipped), 9)]
    hosts = [("generic", features), *[(name, other) for other in others]]
    recipes = {engine.recipe(TEXT, 2)}
    for host in hosts:
        monkeypatch.setattr(engine, "host", lambda host=host: host)
        assert engine.recipe(TEXT, 2) not in recipes
        assert cache.load(engine.recipe(TEXT, 2)) is None
        recipes.add(engine.recipe(TEXT, 2))


def test_another_llvm_is_other_code(made, monkeypatch):
    engine.kept(TEXT)
    monkeypatch.setattr(engine, "build", lambda: "another")
    assert cache.load(engine.recipe(TEXT, 2)) is None


def test_a_processor_remembered_wrongly_is_put_right(made, monkeypatch):
    """What an earlier process kept does not count when LLVM is there; a process that only has the
    memory can find no more than what was compiled for just that processor."""
    true = engine.host()
    image = engine.kept(TEXT)
    facts = engine.processor()
    if facts is None:
        pytest.skip("the system does not tell of its processor")
    cache.save(facts, b"other\n+feature")
    forget()
    assert engine.remembered() == ("other", "+feature")
    assert engine.host() == true  # LLVM has been loaded in this process
    monkeypatch.setattr(engine, "host", engine.remembered)  # as if it had not
    assert cache.load(engine.recipe(TEXT, 2)) is None
    monkeypatch.undo()
    assert engine.kept(TEXT) == image
    forget()
    engine.asked()
    assert engine.remembered() == true


def test_facts_of_the_processor(monkeypatch):
    facts = engine.processor()
    if facts is None:
        pytest.skip("the system does not tell of its processor")
    assert b"flags=" in facts and engine.build().encode() in facts
    real = open

    def changed(old, new, path):
        def opened(name, *args, **more):
            file = real(name, *args, **more)
            if name != path:
                return file

            class Changed:
                def __enter__(self):
                    return self

                def __exit__(self, *error):
                    file.close()

                def read(self, size=-1):
                    return file.read(size).replace(old, new)

            return Changed()

        return opened

    for old, new, path in ((b" sse2 ", b" ", "/proc/cpuinfo"), (b"-", b"+", BOOT),
                           (b"flags", b"other", "/proc/cpuinfo")):
        monkeypatch.setattr(engine, "open", changed(old, new, path), raising=False)
        assert engine.processor() != facts
    monkeypatch.setattr(engine, "open", changed(b"", b"", "/no"), raising=False)
    assert engine.processor() == facts

    def nothing(name, *args, **more):
        raise FileNotFoundError(name)

    monkeypatch.setattr(engine, "open", nothing, raising=False)
    assert engine.processor() is None
    assert engine.remembered() == engine.asked()


BOOT = "/proc/sys/kernel/random/boot_id"


def test_damaged_entries_are_compiled_anew(made, where):
    good = engine.kept(TEXT)
    file = cache.file_of(engine.recipe(TEXT, 2))
    data = open(file, "rb").read()
    for place in range(0, len(data), 61):
        with open(file, "wb") as f:
            f.write(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
        made.clear()
        assert engine.kept(TEXT) == good and len(made) == 1
        assert engine.kept(TEXT) == good and len(made) == 1
    with open(file, "wb") as f:
        f.write(data[:len(data) // 2])
    assert engine.kept(TEXT) == good and len(made) == 2


@pytest.mark.parametrize("body", [
    "%p = inttoptr i64 4096 to ptr\n  %x = ptrtoint ptr %p to i64",
    "%x = ptrtoint ptr inttoptr (i64 -4096 to ptr) to i64"])
def test_code_with_addresses_of_this_process_is_not_kept(made, where, body):
    text = TEXT.replace("%x = add i64 %k, 5", body)
    before = len(list(where.iterdir()))
    assert engine.kept(text) == engine.kept(text)
    assert len(made) == 2 and len(list(where.iterdir())) == before


def test_no_llvm(monkeypatch):
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match="pip install llvmlite"):
        engine.build()


def test_without_a_cache(made):
    with options(cache=False):
        assert run(engine.code([(TEXT, 2)], ["f"])) == 42
        assert run(engine.code([(TEXT, 2)], ["f"])) == 42
    assert len(made) == 2


def compile_many(folder, seed):
    with options(cache=True, cache_dir=folder):
        order = [(seed + 3 * k) % 8 for k in range(8)] * 2
        return all(run(engine.code([(TEXT.replace("5", str(k)), 2)], ["f"])) == 37 + k
                   for k in order)


@pytest.mark.parametrize("method", [
    m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_processes_that_compile_the_same_and_other_programs(where, method):
    compile_many(str(where), 1)
    with multiprocessing.get_context(method).Pool(3) as pool:
        jobs = [pool.apply_async(compile_many, (str(where), seed)) for seed in range(6)]
        assert all(job.get(60) for job in jobs)
