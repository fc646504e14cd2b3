"""Checkers of the house's laws: each takes a tree and yields what is wrong in it, as sentences.

`test_house.py` applies them to symgrad, and plants violations in small trees to see them caught.
"""

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import networkx as nx

REPO = Path(__file__).parents[1]
PACKAGE = REPO / "symgrad"

# A module may import from earlier rooms, and in its own room from modules listed before it.
# Modules of a starred package may import one another (no cycles); those of ops/ in the order of
# MODULES there.
ROOMS = {
    "ground": "errors extras origin config",
    "words": "types",
    "grammar": "operators node scalars domains filters shared op families derive constructors",
    "ops": "ops.* ops nnet signal.pool signal",
    "meaning": "interpret costs graph show",
    "rewriting": "compile compile.pool compile.pattern compile.rewrite compile.rules.*",
    "lowering": "compile.kernel compile.spell compile.fuse compile.lower compile.nest "
    "compile.loops compile.plan compile.memory compile.cache compile.compare",
    "backends": "compile.backends.*",
    "front": "compile.passes compile.need compile.report compile.program compile.entered "
    "compile.over compile.callable compile.function grad loops.* tensor random.* updates.* "
    "datasets",
    "tools": "tools.*",
    "door": "__init__ __main__",
}
# Packages that cost time to import or may be missing; they are imported inside functions.
OPTIONAL = {
    "networkx", "scipy", "matplotlib", "tqdm", "pooch", "sklearn", "safetensors", "llvmlite", "jax",
    "configparser", "difflib",
}  # fmt: skip
REQUIRED = {"numpy"}  # what a module may import when it is imported itself
# Modules that import by a computed name: optional packages, unpickled ops, backends and tools on
# use.
IMPORTERS = {"extras", "op", "compile.backends.__init__", "__init__"}
# Modules outside ops/ with many names of ops: operators and methods by name; scalar functions;
# other spellings; how NumPy and BLAS spell a library call; which views are no more than arithmetic.
LISTERS = {"operators", "scalars", "tensor", "compile.backends.spelled",
           "compile.backends.llvm.values"}
# The one wire, and nothing else: who changes what when it is imported.
WIRE = {"ops: operators.TABLE", "ops: operators.UFUNCS", "ops: types.Type"}
MOST_LINES = 400
DOOR = ("__init__", "__main__")  # the package itself: imports everything


def modules(root):
    """``a.b`` -> path for every module of a package; a package itself is ``a.__init__``."""
    return {
        ".".join(p.relative_to(root).with_suffix("").parts): p for p in sorted(root.rglob("*.py"))
    }


def imports(root):
    """(importing module, imported name, inside a function, line) for every import in a package."""
    for name, path in modules(root).items():
        waiting = [(ast.parse(path.read_text()), False)]
        while waiting:
            node, inside = waiting.pop()
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                continue
            if isinstance(node, ast.Import):
                yield from [(name, a.name, inside, node.lineno) for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    around = (root.name, *name.split("."))[: -node.level]
                    base = ".".join((*around, base)).rstrip(".")
                yield from [(name, f"{base}.{a.name}", inside, node.lineno) for a in node.names]
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            waiting += [(child, inside or function) for child in ast.iter_child_nodes(node)]


def own_module(root, known, name):
    """The package's own module that an imported name means, or None."""
    top, _, inner = name.partition(".")
    if top != root.name:
        return None
    for candidate in (inner, f"{inner}.__init__", inner.rpartition(".")[0]):
        if candidate in known:
            return candidate
    return f"{inner.rpartition('.')[0]}.__init__".lstrip(".")


def import_graph(root):
    known = modules(root)
    graph = nx.DiGraph()
    graph.add_nodes_from(known)
    for name, imported, _, line in imports(root):
        target = own_module(root, known, imported)
        if target not in (None, name):
            graph.add_edge(name, target, line=line)
    return graph


def ops_order(root):
    """The modules of ops/ in the order of the tuple MODULES."""
    table = root / "ops" / "__init__.py"
    for node in ast.parse(table.read_text()).body if table.exists() else ():
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "MODULES":
            return [e.id for e in node.value.elts]
    return []


def places(root):
    """module -> (place in the order of `ROOMS`, place in a starred package's own order)."""
    listed = " ".join(ROOMS.values()).split()
    order = ops_order(root)
    found = {}
    for name in modules(root):
        plain = name.removesuffix(".__init__")
        for place, entry in enumerate(listed):
            stem = entry.removesuffix(".*")
            if plain == entry or entry != stem and plain.startswith(stem) and plain != "ops":
                last = plain.rpartition(".")[2]
                inner = order.index(last) if stem == "ops" and last in order else -1
                found[name] = place, inner
    return found


def wrong_rooms(root):
    place = places(root)
    listed = " ".join(ROOMS.values()).split()
    for name in modules(root):
        if name not in place:
            yield f"{name} has no room; give it one in ROOMS"
    for name, target, data in import_graph(root).edges(data=True):
        if name not in place or target not in place:
            continue
        (here, inner), (there, other) = place[name], place[target]
        free = here == there and listed[here].endswith(".*") and (other < inner or inner == other)
        if not (there < here or free):
            yield f"{name}:{data['line']} imports {target}, which is not above it"


def cycles(root):
    for knot in nx.strongly_connected_components(import_graph(root)):
        if len(knot) > 1:
            yield f"these import one another: {', '.join(sorted(knot))}"


def wrong_imports(root):
    known = modules(root)
    for name, imported, inside, line in imports(root):
        top = imported.partition(".")[0]
        if top == root.name:
            if inside:
                yield f"{name}:{line} imports {imported} inside a function"
            elif own_module(root, known, imported) not in known:
                yield f"{name}:{line} imports {imported}, which does not exist"
        elif top in OPTIONAL and not inside:
            yield f"{name}:{line} imports {top} at once; it must do so on first use"
        elif top not in sys.stdlib_module_names | OPTIONAL | REQUIRED:
            yield f"{name}:{line} imports {top}, which is not among the known packages"
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name not in IMPORTERS:
                called = ast.unparse(node.func).rpartition(".")[2]
                if called in ("import_module", "__import__"):
                    yield f"{name}:{node.lineno} imports by a computed name"


def too_large(root, columns):
    for path in sorted(root.rglob("*.py")):
        lines = path.read_text().splitlines()
        if len(lines) > MOST_LINES:
            yield f"{path.relative_to(root)} has {len(lines)} lines, {MOST_LINES} are allowed"
        for number, line in enumerate(lines, 1):
            if len(line) > columns:
                yield f"{path.relative_to(root)}:{number} has {len(line)} columns"


def second_lists(root, ops):
    """Literal collections outside ops/ with eight or more names of ops."""

    def word(e):
        text = e.value if isinstance(e, ast.Constant) else getattr(e, "id", getattr(e, "attr", ""))
        return text.rstrip("_") if isinstance(text, str) else ""

    for name, path in modules(root).items():
        if name in LISTERS or name.startswith("ops."):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                groups = [[word(k) for k in node.keys if k], [word(v) for v in node.values]]
            elif isinstance(node, ast.Tuple | ast.List | ast.Set):
                groups = [[word(e) for e in node.elts]]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("'.split"):
                groups = [node.func.value.value.split()]
            else:
                continue
            for group in groups:
                if len(met := sorted(ops.intersection(group))) >= 8:
                    yield f"{name}:{node.lineno} lists ops: {', '.join(met)}"


def set_loops(root):
    """Loops over what is plainly a set: their order depends on addresses and hash seeds."""

    def is_set(e, names):
        if isinstance(e, ast.Call):
            return isinstance(e.func, ast.Name) and e.func.id in ("set", "frozenset")
        return isinstance(e, ast.Set | ast.SetComp) or isinstance(e, ast.Name) and e.id in names

    for name, path in modules(root).items():
        tree = ast.parse(path.read_text())
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        for scope in functions:
            inside = list(ast.walk(scope))
            names = {
                t.id
                for n in inside
                if isinstance(n, ast.Assign) and is_set(n.value, ())
                for t in n.targets
                if isinstance(t, ast.Name)
            }
            for n in inside:
                looped = [n.iter] if isinstance(n, ast.For | ast.comprehension) else []
                if isinstance(n, ast.Call) and getattr(n.func, "id", "") in ("list", "tuple"):
                    looped = n.args[:1]
                for e in looped:
                    if is_set(e, names):
                        yield f"{name}:{e.lineno} walks through a set: {ast.unparse(e)}"


MACHINE = re.compile(r"/(work|root|mnt|workspace)/\w|/(home|Users)/(?!me/|you/)\w|[A-Z]:\\Users")
TEXT = {".py", ".md", ".toml", ".cfg", ".txt", ".json", ".csv", ".svg", ".html", ".yml", ""}
BUILT = {"venv", "build", "dist", "runs", "__pycache__"}  # and what begins with a dot, but for .ci


def machine_paths(root):
    waiting = [root]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if path.is_dir():
                hidden = path.name.startswith(".") and path.name != ".ci"
                if not hidden and path.name not in BUILT and path.suffix != ".egg-info":
                    waiting.append(path)
            elif path.suffix in TEXT:
                for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                    if found := MACHINE.search(line):
                        yield f"{path.relative_to(root)}:{number} has the path {found.group()}…"


# Run in a process of its own: imports modules one by one and tells what each changes in the others.
EFFECTS = r"""
import importlib, sys, types, warnings
root, name, order = sys.argv[1], sys.argv[2], sys.argv[3:]
mine = lambda value: getattr(value, "__module__", "").split(".")[0] == name

def stub(full, *parts):
    sys.modules[full] = package = types.ModuleType(full)
    package.__path__ = ["/".join((root, *parts))]

stub(name)
for m in order:
    if m.endswith(".__init__"):
        stub(f"{name}.{m[:-9]}", *m[:-9].split("."))

def parts(value):
    if isinstance(value, dict):
        return [x for pair in value.items() for x in pair]
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=id)
    return list(value) if isinstance(value, (list, tuple)) else []

def content(value):
    if isinstance(value, type) and mine(value):
        value = {k: v for k, v in vars(value).items() if not k.startswith("_abc")}
    elif mine(type(value)) and not isinstance(value, tuple):
        slots = [s for c in type(value).__mro__ for s in c.__dict__.get("__slots__", ())]
        fields = {s: getattr(value, s, None) for s in slots if s not in ("cache", "__weakref__")}
        fields |= getattr(value, "__dict__", {})
        return [x for pair in fields.items() for x in (*pair, *parts(pair[1]))]
    return parts(value)

def world():
    seen, state = set(), {"warnings.filters": list(warnings.filters),
                          "sys.recursionlimit": [sys.getrecursionlimit()]}
    for full, module in list(sys.modules.items()):
        if full.startswith(name + "."):
            for key, value in vars(module).items():
                if not key.startswith("__") and not isinstance(value, types.ModuleType):
                    inner = content(value) if id(value) not in seen else []
                    seen.add(id(value))  # one object has one home, where it was met first
                    state[full[len(name) + 1:] + "." + key] = [value, *inner]
    return state

import numpy
same = lambda a, b: len(a) == len(b) and all(
    x is y or type(x) in (int, str) and x == y for x, y in zip(a, b))
for m in order:
    before, plain = world(), m.removesuffix(".__init__")
    if m.endswith(".__init__"):
        del sys.modules[f"{name}.{plain}"]
    importlib.import_module(f"{name}.{plain}")
    after = world()
    for key, value in before.items():
        if not key.startswith(plain + ".") and not same(value, after.get(key, [])):
            print(f"{plain}: {key}")
"""


def python(code, *arguments, **environment):
    """What a program printed that ran in a process of its own."""
    path = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return done.stdout


def effects(root):
    """``b: a.ROWS``: importing b changes ROWS of a."""
    order = [m for m in nx.topological_sort(import_graph(root).reverse()) if m not in DOOR]
    return python(EFFECTS, str(root), root.name, *order).splitlines()
