"""The machine code between Python and a program's `run`: one module for all programs.

It reads what it needs to know of a program (types of the arguments, cells of shared variables, what
becomes of results) from the words of a `Words`, see `entry`; so it is compiled once, holds no
address, and its object file serves every process.

    ptr call(self, args, nargs, kwnames)    a call of the function, as METH_FASTCALL | METH_KEYWORDS
    ptr loop(self, args, nargs, kwnames)    many calls in a row; a Python int: how many were done

What does not fit exactly goes to the Python function in the word ``python``, before anything was
changed.
"""

from __future__ import annotations

from symgrad.compile.backends.llvm.control import FAILED, STATE
from symgrad.compile.backends.llvm.ir import Module, constant
from symgrad.compile.backends.llvm.objects import (
    DATA,
    FORMS,
    ITEMS,
    KIND,
    REFUSED,
    SIZE,
    Writing,
    each,
    free,
    grow,
    leaf,
    make,
    meets,
    place,
    settle,
    span,
)

LONG = 20e-6  # seconds; a call that takes longer lets go of the GIL
OFTEN = 32  # it is looked at in one of so many calls


def text():
    """The module."""
    module = Module()
    for write in (make, place, grow, free, leaf, span, meets, settle, hold, work, step, drop,
                  attempt, call, loop):
        write(module)
    return module.text


def hold(module):
    """Keep the arrays of the shared variables while others may replace them; or give them up."""
    f = Writing(module, "hold", "ptr %state, i1 %keep", "void")
    w = f.w
    cells, held = f.get("cells", "ptr"), f.get("held", "ptr")
    with w.loop(f.get("shared")) as one:
        before = f.item(held, one.index, "ptr")
        f.store("null", held, one.index, "ptr")
        f.decref(before)
        with w.when("%keep"):
            array = f.at(f.at(f.item(cells, one.index, "ptr"), ITEMS), 0)
            f.api("Py_IncRef", "void", f"ptr {array}")
            f.store(array, held, one.index, "ptr")
    f.end("")


def work(module):
    """Run the program; without the GIL, if it took longer than `LONG` when that was last looked
    at."""
    f = Writing(module, "work", "ptr %state, ptr %table", "i64")
    w = f.w
    alloc, grows = (w.cell("i64", "%state", STATE.index(x)) for x in ("alloc", "grow"))
    turns, start = f.get("turns"), w.alloca("double")
    f.put("turns", w.let(f"add i64 {turns}, 1"))
    timed = f.same(w.let(f"and i64 {turns}, {OFTEN - 1}"), "0", "i64")
    with w.when(timed):
        w.do(f"store double {now(f)}, ptr {start}")
    run = f.get("run", "ptr")
    keep, leave, go, done = (w.label(x) for x in ("keep", "leave", "go", "done"))
    w.branch(f.same(f.get("slow"), "0", "i64"), keep, leave)
    w.block(keep)
    mine = w.let(f"call i64 {run}(ptr %state, ptr %table)")
    w.jump(done)
    w.block(leave)
    w.do("call void @hold(ptr %state, i1 true)")
    maker, grower = (w.let(f"load ptr, ptr {p}") for p in (alloc, grows))
    f.put("maker", maker, "ptr")
    f.put("grower", grower, "ptr")
    w.do(f"store ptr {f.get('free_make', 'ptr')}, ptr {alloc}")
    w.do(f"store ptr {f.get('free_grow', 'ptr')}, ptr {grows}")
    f.put("thread", f.api("PyEval_SaveThread", "ptr"), "ptr")
    w.jump(go)
    w.block(go)
    theirs = w.let(f"call i64 {run}(ptr %state, ptr %table)")
    f.api("PyEval_RestoreThread", "void", f"ptr {f.get('thread', 'ptr')}")
    w.do(f"store ptr {maker}, ptr {alloc}")
    w.do(f"store ptr {grower}, ptr {grows}")
    w.jump(done)
    w.block(done)
    status = w.let(f"phi i64 [{mine}, %{keep}], [{theirs}, %{go}]")
    with w.when(f.both(timed, f.same(status, "0", "i64"))):
        took = w.let(f"fsub double {now(f)}, {w.let(f'load double, ptr {start}')}")
        slow = w.let(f"fcmp ogt double {took}, {constant(LONG, 'double')}")
        f.put("slow", w.let(f"zext i1 {slow} to i64"))
    f.end(status)


def now(f):
    """Seconds, by Python's own clock."""
    number = f.api("PyObject_CallNoArgs", "ptr", f"ptr {f.get('clock', 'ptr')}")
    value = f.api("PyFloat_AsDouble", "double", f"ptr {number}")
    f.decref(number)
    return value


def step(module):
    """One call, its arguments being in the table: 0, or a status.  Then nothing was changed."""
    f = Writing(module, "step", "ptr %state, ptr %record, ptr %row", "i64")
    w = f.w
    cells = f.get("cells", "ptr")

    def one(k, record, row, values):
        cell = f.item(cells, k, "ptr")
        f.leave(f.differ(f.at(cell, SIZE, "i64"), "1"), str(REFUSED))
        held = f.at(f.at(cell, ITEMS), 0)
        state = w.let(f"call i64 @leaf(ptr %state, ptr {held}, ptr {record}, ptr {row})")
        f.leave(f.same(state, "0", "i64"), str(REFUSED))
        return [w.let(f"or i64 {values[0]}, {state}")]

    found, _, _ = each(f, ("%record", "%row"), (f.get("shared"),), one, [("i64", "0")])
    inputs, leaves, table = f.get("inputs"), f.get("leaves", "ptr"), f.get("table", "ptr")
    with w.when(f.differ(f.get("written"), "0")):
        changed = w.let(f"icmp ugt i64 {found[0]}, 1")
        with w.when(f.either(changed, f.same(f.get("settled"), "0", "i64"))):
            total = w.let(f"add i64 {inputs}, {f.get('shared')}")
            good = w.let(f"call i1 @settle(ptr %state, ptr %record, ptr %row, i64 {inputs}, "
                         f"i64 {total})")
            f.put("settled", w.let(f"zext i1 {good} to i64"))
            f.leave(w.let(f"xor i1 {good}, true"), str(REFUSED))
        good = w.let(f"call i1 @settle(ptr %state, ptr {leaves}, ptr {table}, i64 0, "
                     f"i64 {inputs})")
        f.leave(w.let(f"xor i1 {good}, true"), str(REFUSED))
    status = w.let(f"call i64 @work(ptr %state, ptr {table})")
    f.leave(f.differ(status, "0"), status)
    made, swaps = f.get("made", "ptr"), f.get("swaps", "ptr")
    with w.loop(f.get("updates")) as update:  # new arrays go into cells, old ones among `made`
        pair = w.cell("i64", swaps, w.let(f"shl i64 {update.index}, 1"))
        items = f.at(f.item(pair, 0, "ptr"), ITEMS)
        number = f.item(pair, 1)
        new, old = f.item(made, number, "ptr"), f.at(items, 0)
        w.do(f"store ptr {new}, ptr {items}")
        f.store(old, made, number, "ptr")
    f.end("0")


def drop(module):
    """Give up all arrays that were made and not taken; those of outputs only if `all` is set."""
    f = Writing(module, "drop", "ptr %state, i1 %all", "void")
    w = f.w
    made, kinds = f.get("made", "ptr"), f.get("kinds", "ptr")
    with w.loop(f.get("results")) as one:
        record = w.cell("i64", kinds, w.let(f"mul i64 {one.index}, {len(KIND)}"))
        with w.when(f.either("%all", f.same(f.item(record, 2, "ptr"), "null"))):
            array = f.item(made, one.index, "ptr")
            f.store("null", made, one.index, "ptr")
            f.decref(array)
    old = f.get("old", "ptr")
    with w.when(f.differ(old, "null", "ptr")):
        f.put("old", "null", "ptr")
        f.decref(old)
    with w.when(f.differ(f.get("thread", "ptr"), "null", "ptr")):
        f.put("thread", "null", "ptr")
        w.do("call void @hold(ptr %state, i1 false)")
    forget = f.get("forget", "ptr")
    with w.when(f.differ(forget, "null", "ptr")):
        error = fetch(f)
        f.decref(f.api("PyObject_CallNoArgs", "ptr", f"ptr {forget}"))
        f.api("PyErr_Restore", "void", *[f"ptr {x}" for x in error])
    f.end("")


def fetch(f):
    """The exception that is set, as three values for PyErr_Restore."""
    places = [f.w.alloca("ptr") for _ in range(3)]
    f.api("PyErr_Fetch", "void", *[f"ptr {p}" for p in places])
    return [f.w.let(f"load ptr, ptr {p}") for p in places]


def fail(f):
    """Set the exception that a step in Python has kept, if none is set."""
    w = f.w
    with w.when(f.same(f.api("PyErr_Occurred", "ptr"), "null")):
        f.decref(f.api("PyObject_CallNoArgs", "ptr", f"ptr {f.get('fail', 'ptr')}"))


# -- entries


def state_of(f):
    f.w.do(f"%state = load ptr, ptr {f.w.cell('i8', '%self', DATA)}")


def enter(f, refuse):
    """The flags; to `refuse` where the arguments or the state will not do."""
    w = f.w
    flags = f.get("flags", "ptr")
    fine = f.both(f.same("%names", "null"), f.same("%count", f.get("inputs"), "i64"),
                  f.same(f.item(flags, 0), "0", "i64"), f.same(f.item(flags, 1), "0", "i64"))
    on = w.label("on")
    w.branch(fine, on, refuse)
    w.block(on)
    return flags


def arguments(f, refuse):
    """Rows of the arguments; (record, row) of the first shared variable."""
    w = f.w

    def one(k, record, row, values):
        state = w.let(f"call i64 @leaf(ptr %state, ptr {f.item('%args', k, 'ptr')}, "
                      f"ptr {record}, ptr {row})")
        on = w.label("on")
        w.branch(f.same(state, "0", "i64"), refuse, on)
        w.block(on)
        return []

    start = f.get("leaves", "ptr"), f.get("table", "ptr")
    return each(f, start, (f.get("inputs"),), one)[1:]


def call(module):
    """The entry.  Calls that let others run in between take turns, if they update."""
    f = Writing(module, "call", "ptr %self, ptr %args, i64 %count, ptr %names", linkage="")
    w = f.w
    state_of(f)
    short, long, python = w.label("short"), w.label("long"), w.label("python")
    careful = f.both(f.differ(f.get("acquire", "ptr"), "null", "ptr"), f.differ(
        w.let(f"or i64 {f.get('slow')}, {f.get('steps')}"), "0"))
    w.branch(careful, long, short)
    try_it = "call ptr @attempt(ptr %state, ptr %args, i64 %count, ptr %names)"

    def tried(got):
        back = w.label("back")
        w.branch(f.same(got, "%state"), python, back)
        w.block(back)
        w.do(f"ret ptr {got}")

    w.block(short)
    tried(w.let(try_it))
    w.block(long)
    turn = f.api("PyObject_CallNoArgs", "ptr", f"ptr {f.get('acquire', 'ptr')}")
    f.leave(f.same(turn, "null"), "null")
    f.decref(turn)
    got = w.let(try_it)
    error = fetch(f)
    f.decref(f.api("PyObject_CallNoArgs", "ptr", f"ptr {f.get('release', 'ptr')}"))
    f.api("PyErr_Restore", "void", *[f"ptr {x}" for x in error])
    tried(got)
    w.block(python)
    f.end(f.api("PyObject_Vectorcall", "ptr", f"ptr {f.get('python', 'ptr')}", "ptr %args",
                "i64 %count", "ptr %names"))


def attempt(module):
    """A call; `state` itself where it is not for native code."""
    f = Writing(module, "attempt", "ptr %state, ptr %args, i64 %count, ptr %names")
    w = f.w
    python, refused, back = w.label("python"), w.label("refused"), w.label("back")
    flags = enter(f, python)
    # Made first: making a list may collect garbage, which may run anything.
    form, outputs = f.get("form"), f.get("outputs")
    holder = w.alloca("ptr")
    w.do(f"store ptr null, ptr {holder}")
    with w.when(w.let(f"icmp ugt i64 {form}, 1")):
        many, pairs, ready = w.label("many"), w.label("pairs"), w.label("ready")
        w.branch(f.same(form, "2", "i64"), many, pairs)
        w.block(many)
        w.do(f"store ptr {f.api('PyList_New', 'ptr', f'i64 {outputs}')}, ptr {holder}")
        w.jump(ready)
        w.block(pairs)
        w.do(f"store ptr {f.api('PyDict_New', 'ptr')}, ptr {holder}")
        w.jump(ready)
        w.block(ready)
        f.leave(f.same(w.let(f"load ptr, ptr {holder}"), "null"), "null")
    f.store("1", flags)
    record, row = arguments(f, refused)
    status = w.let(f"call i64 @step(ptr %state, ptr {record}, ptr {row})")
    done = w.label("done")
    w.branch(f.same(status, "0", "i64"), done, back)

    w.block(back)  # nothing was changed
    failed, away = w.label("failed"), w.label("away")
    w.branch(f.same(status, str(FAILED), "i64"), failed, away)
    w.block(away)
    w.do("call void @drop(ptr %state, i1 true)")
    w.jump(refused)
    w.block(failed)
    fail(f)
    w.do("call void @drop(ptr %state, i1 true)")
    f.store("0", flags)
    f.decref(w.let(f"load ptr, ptr {holder}"))
    w.do("ret ptr null")
    w.block(refused)
    f.store("0", flags)
    f.decref(w.let(f"load ptr, ptr {holder}"))
    w.jump(python)
    w.block(python)
    w.do("ret ptr %state")

    w.block(done)
    made, returns = f.get("made", "ptr"), f.get("returns", "ptr")
    kinds = [w.label(form) for form in FORMS]
    w.do(f"switch i64 {form}, label %{kinds[0]} [" + " ".join(
        f"i64 {k}, label %{kind}" for k, kind in enumerate(kinds) if k) + "]")
    finish = w.label("finish")

    def take(k):
        number = f.item(returns, k)
        array = f.item(made, number, "ptr")
        f.store("null", made, number, "ptr")
        return array

    w.block(kinds[0])
    f.api("Py_IncRef", "void", f"ptr {f.get('nothing', 'ptr')}")
    w.do(f"store ptr {f.get('nothing', 'ptr')}, ptr {holder}")
    w.jump(finish)
    w.block(kinds[1])
    w.do(f"store ptr {take('0')}, ptr {holder}")
    w.jump(finish)
    w.block(kinds[2])
    result = w.let(f"load ptr, ptr {holder}")
    items = f.at(result, ITEMS)
    with w.loop(outputs) as one:
        f.store(take(one.index), items, one.index, "ptr")
    w.jump(finish)
    w.block(kinds[3])
    result, keys = w.let(f"load ptr, ptr {holder}"), f.get("keys", "ptr")
    with w.loop(outputs, carried=[("i32", "0")]) as one:
        value = take(one.index)
        error = f.api("PyDict_SetItem", "i32", f"ptr {result}",
                      f"ptr {f.item(keys, one.index, 'ptr')}", f"ptr {value}")
        f.api("Py_DecRef", "void", f"ptr {value}")
        one.next = [w.let(f"or i32 {one.values[0]}, {error}")]
    with w.when(f.differ(one.out[0], "0", "i32")):
        f.decref(result)
        w.do(f"store ptr null, ptr {holder}")
    w.jump(finish)
    w.block(finish)
    w.do("call void @drop(ptr %state, i1 true)")
    f.store("0", flags)
    f.end(w.let(f"load ptr, ptr {holder}"))


def loop(module):
    f = Writing(module, "loop", "ptr %self, ptr %args, i64 %count, ptr %names", linkage="")
    w = f.w
    state_of(f)
    none, refused = w.label("none"), w.label("refused")
    flags = enter(f, none)
    f.store("1", flags)
    record, row = arguments(f, refused)
    alloc = w.cell("i64", "%state", STATE.index("alloc"))
    f.put("strayed", "0")
    f.put("status", "0")
    w.do(f"store ptr {f.get('place', 'ptr')}, ptr {alloc}")
    values, size, at = f.get("values", "ptr"), f.get("size"), f.get("row", "ptr")
    head, body, more, over = (w.label(x) for x in ("head", "body", "more", "over"))
    start, stop = f.get("start"), f.get("stop")
    w.jump(head)
    w.block(head)
    k = f.get("start")
    w.branch(w.let(f"icmp slt i64 {k}, {stop}"), body, over)
    w.block(body)
    value = w.cell("i8", values, w.let(f"mul i64 {k}, {size}"))
    w.do(f"store ptr {value}, ptr {at}")
    status = w.let(f"call i64 @step(ptr %state, ptr {record}, ptr {row})")
    good = f.same(status, "0", "i64")
    with w.when(f.same(status, str(FAILED), "i64")):
        fail(f)
    w.do(f"call void @drop(ptr %state, i1 {w.let(f'xor i1 {good}, true')})")
    wrong = w.label("wrong")
    w.branch(good, more, wrong)
    w.block(wrong)
    f.put("status", status)
    w.jump(over)
    w.block(more)
    f.put("turn", w.let(f"add i64 {f.get('turn')}, 1"))
    f.put("start", w.let(f"add i64 {k}, 1"))
    w.branch(f.same(f.get("strayed"), "0", "i64"), head, over)
    w.block(over)
    w.do(f"store ptr {f.get('make', 'ptr')}, ptr {alloc}")
    f.store("0", flags)
    f.leave(f.same(f.get("status"), str(FAILED), "i64"), "null")
    done = w.let(f"sub i64 {f.get('start')}, {start}")
    w.do(f"ret ptr {f.api('PyLong_FromLongLong', 'ptr', f'i64 {done}')}")
    w.block(refused)
    f.store("0", flags)
    w.jump(none)
    w.block(none)
    f.end(f.api("PyLong_FromLongLong", "ptr", "i64 -1"))
