"""How a random program begins: its sizes, inputs and shared variables, and arrays for its calls,
which may be views, overlap, or be one array for two inputs."""

from __future__ import annotations

import numpy as np

from .program import SCOPE


class Begun:
    """A program in the making: its lines, the scope they have run in, values for each call."""

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng(seed)
        self.seed = seed
        self.float = "float32" if rng.random() < 0.2 else "float64"
        self.known, self.odd = rng.random() < 0.35, rng.random() < 0.04
        self.lines, self.data, self.names, self.inputs, self.shared = [], [], [], [], []
        self.used, self.count, self.grads, self.dims = set(), 0, 0, {}
        self.lent = False
        self.sizes = self._sizes()
        self.scope = dict(SCOPE) | dict(zip("nmk", self.sizes[0], strict=True))
        self.values = [{} for _ in self.sizes]  # of each call: {node: array}
        self._leaves()

    def _sizes(self):
        rng = self.rng
        calls = int(rng.choice([1, 2, 3], p=[.3, .5, .2]))
        if rng.random() < 0.35:
            return ((3, 3, 3),) * calls
        n = int(rng.choice([0, 1, 2, 3, 4, 5, 8, 17, 40],
                           p=[.06, .1, .1, .15, .2, .14, .1, .1, .05]))
        m, k = (int(d) for d in rng.choice([1, 2, 3, 4, 5, 9], 2, p=[.1, .2, .2, .2, .2, .1]))
        rows = [n, *[int(rng.choice([n, n, 1, 2, 3, 6])) for _ in range(calls - 1)]]
        return tuple([(n if self.known else r, m, k) for r in rows])

    def pick(self, some):
        return some[self.rng.integers(len(some))]

    def chance(self, p):
        return self.rng.random() < p

    def number(self):
        return self.pick(["0.5", "2.0", "-1.0", "0.0", "1.0"]) if self.chance(0.25) else (
            f"{self.rng.uniform(-1, 1):.2f}")

    def run(self, line):
        exec(line, self.scope)
        self.lines.append(line)

    # -- what there is from the start

    def _leaves(self):
        F = self.float
        leaves = [("A", F, "nm"), ("B", F, "nm"), ("C", F, "mk"), ("u", F, "m"), ("v", F, "n"),
                  ("s", F, ""), ("y", "int64", "n"), ("j", "int64", "")]
        extra = [("p", "bool", "nm"), ("z", "complex128", "n"), ("h", "float32", "m"),
                 ("D", F, "nmk"), ("d", "float64", "m"), ("q", "int32", "nm")]
        leaves += [leaf for leaf in extra if self.chance(0.25)]
        for name, dtype, axes in leaves:
            self._input(name, dtype, axes)
        for name, axes in (("W", "mk"), ("w", "m"), ("a", "")):
            if self.chance(0.55):
                self._shared(name, axes)
        self._alias()

    def _input(self, name, dtype, axes):
        lengths = ", ".join([d if self.known or self.chance(0.1) and d != "n" else "None"
                             for d in axes])
        self.run(f"{name} = Type({dtype!r}, ({lengths}{',' * (len(axes) == 1)}))({name!r})")
        low, high = ("0", "m") if name == "y" else ("-2", "5") if dtype[0] in "iu" else (
            "-1.0", "1.0")
        if name == "y" and self.chance(0.2):
            low = "-m"
        self._given(name, dtype, axes, f"low={low}, high={high}, dtype={dtype!r}")

    def _given(self, name, dtype, axes, how):
        """The line that makes the array of an input, laid out in some way."""
        odd = ", odd=True" if self.odd and dtype.startswith("float") and self.chance(0.5) else ""
        seed = f"{self.rng.integers(10**6)} + call"
        shape = [*axes]
        text = f"draw({seed}, {{}}{how}{odd})"
        layout = self.rng.random()

        def drawn(lengths):
            return text.format("".join([f"{d}, " for d in lengths]))

        line = drawn(shape)
        if shape and layout < 0.07:
            line = f"{line}[::-1]"
        elif shape and layout < 0.14:
            line = f"{drawn([f'2 * {shape[0]}', *shape[1:]])}[::2]"
        elif len(shape) > 1 and layout < 0.21:
            line = f"{drawn(shape[::-1])}.T"
        elif len(shape) > 1 and layout < 0.25:
            line = f"np.asfortranarray({line})"
        elif len(shape) > 1 and layout < 0.28:
            line = f"{drawn([*shape[:-1], f'{shape[-1]} + 1'])}[..., 1:]"
        elif shape and layout < 0.31:
            line = f"np.broadcast_to({drawn(shape[1:])}, ({', '.join(shape)},))"
        self.data.append(f"{name}_ = {line}")
        if layout > 0.93:
            self.data.append(f"{name}_.flags.writeable = False")
        self._enter(name)

    def _enter(self, name):
        """An input, and its arrays."""
        self.inputs.append(name)
        self._evaluate_data()
        self.names.append(name)

    def _evaluate_data(self):
        for call, sizes in enumerate(self.sizes):
            mine = dict(self.scope) | dict(zip("nmk", sizes, strict=True)) | {"call": call}
            exec("\n".join(self.data), mine)
            for i in self.inputs:
                self.values[call][self.scope[i]] = np.asarray(mine[f"{i}_"])

    def _shared(self, name, axes):
        shape = "".join([f"{d}, " for d in axes])
        fixed = f", shape=({shape})" if self.known else ""
        value = f"draw({self.rng.integers(10**6)}, {shape}dtype={self.float!r})"
        if axes == "mk" and self.chance(0.2):
            value = f"np.asfortranarray({value})"
        if axes and self.chance(0.15):  # an array that others hold, too
            self.run(f"{name}0 = {value}")
            self.run(f"{name} = sg.shared({name}0, borrow=True{fixed})")
            if axes == "m":
                self.data.append(f"if call == 0: u_ = {name}0")
                self.lent = True
        else:
            self.run(f"{name} = sg.shared({value}{fixed})")
        self.names.append(name)
        self.shared.append(name)

    def _alias(self):
        """One array for two inputs, or arrays that overlap."""
        if not self.chance(0.2):
            return
        how = self.pick(["B_ = A_", "B_ = A_[::-1]", "A_ = draw(5 + call, n + 1, m, dtype={F!r}); "
                         "B_ = A_[1:]; A_ = A_[:-1]", "u_ = C_[:, 0]", "v_ = A_[:, 0]"])
        self.data += how.replace("{F!r}", repr(self.float)).split("; ")
        self._evaluate_data()
