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

from symgrad.compile.backends.llvm.driver import STATE
from symgrad.compile.backends.llvm.ir import Module
from symgrad.compile.backends.llvm.moves import FAILED
from symgrad.compile.backends.llvm.objects import (
    DATA,
    FORMS,
    ITEMS,
    KIND,
    REFUSED,
    SIZE,
    Writing,
    each,
    grow,
    leaf,
    make,
    meets,
    place,
    settle,
    span,
)


def text():
    """The module."""
    module = Module()
    for write in (make, place, grow, leaf, span, meets, settle, step, drop, call, loop):
        write(module)
    return module.text


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
    status = w.let(f"call i64 {f.get('run', 'ptr')}(ptr %state, ptr {table})")
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
    f.end("")


# -- entries


def enter(f, refuse):
    """The state and its flags; to `refuse` where the arguments or the state will not do."""
    w = f.w
    w.do(f"%state = load ptr, ptr {w.cell('i8', '%self', DATA)}")
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
    f = Writing(module, "call", "ptr %self, ptr %args, i64 %count, ptr %names", linkage="")
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
    w.do("call void @drop(ptr %state, i1 true)")
    failed = w.label("failed")
    w.branch(f.same(status, str(FAILED), "i64"), failed, refused)
    w.block(failed)
    f.store("0", flags)
    f.decref(w.let(f"load ptr, ptr {holder}"))
    w.do("ret ptr null")
    w.block(refused)
    f.store("0", flags)
    f.decref(w.let(f"load ptr, ptr {holder}"))
    w.jump(python)
    w.block(python)
    given = f.api("PyObject_Vectorcall", "ptr", f"ptr {f.get('python', 'ptr')}", "ptr %args",
                  "i64 %count", "ptr %names")
    w.do(f"ret ptr {given}")

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
    nothing = f.get("nothing", "ptr")
    f.api("Py_IncRef", "void", f"ptr {nothing}")
    w.do(f"store ptr {nothing}, ptr {holder}")
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
