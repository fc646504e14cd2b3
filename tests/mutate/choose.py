"""Which tests a mutant is tried by, and in which order.

Those that tell it (`mutate.probes`); of mutants without a probe, of those that imports tell, and of
those that are younger than some of the records, all that come to its place.  First the generated
tests of its own rule, those of the file that mirrors its module, and the tables that say what each
rule and plan was; then those that tell few mutants, since they look closely; quick ones first.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePath

import numpy as np

TABLES = ("test_near_misses.py", "test_plans.py")


class Choice:
    """The records of all test files, turned round: from places and mutants to tests.  `numbers`
    are those of the mutants that have probes, by key."""

    def __init__(self, records, numbers):
        self.seconds, self.width, self.numbers = {}, {}, numbers
        self.at, self.of_file = defaultdict(list), defaultdict(set)
        self.made_in = defaultdict(set)  # a function that made a rule -> the rule's name
        self.at_import = set()  # places that are passed when modules are imported
        self.wholes = []  # tests that look at what there is after imports, not at one rule or plan
        told, self.told_at_import, self.known = [], 0, len(numbers)
        for file, kept in records.items():
            self.at_import.update(kept["import"])
            self.told_at_import |= int(kept["told"], 16)
            self.known = min(self.known, kept["known"])
            if PurePath(file).name in TABLES:
                self.wholes += [t for t in kept["tests"] if "[" not in t]
            for test, (seconds, places, bits) in kept["tests"].items():
                told.append(int(bits, 16))
                self.seconds[test], self.width[test] = seconds, told[-1].bit_count()
                for place in places:
                    self.at[place].append(test)
                    self.of_file[place.partition("::")[0]].add(test)
            for rule, functions in kept["made"].items():
                for function in functions:
                    self.made_in[function].add(rule)
        size = len(numbers) // 8 + 1
        self.tests = list(self.seconds)
        self.told = np.frombuffer(b"".join([n.to_bytes(size, "little") for n in told]),
                                  np.uint8).reshape(len(told), size)

    def telling(self, mutant):
        """All tests that might catch a mutant, in the order in which they are tried."""
        number, found = self.numbers.get(mutant.key), {}
        if number is not None:
            rows = np.flatnonzero(self.told[:, number // 8] >> number % 8 & 1)
            found = dict.fromkeys([self.tests[k] for k in rows])
        if number is None or number >= self.known or self.told_at_import >> number & 1:
            found |= dict.fromkeys(self.reaching(mutant))
        return self.in_order(found, mutant)

    def in_order(self, tests, mutant):
        return sorted(tests, key=lambda t: (self.rank(t, mutant), self.width[t], self.seconds[t],
                                            t))

    def reaching(self, mutant):
        """All tests that come to a mutant's place."""
        place = mutant.place
        found = dict.fromkeys(self.at.get(place, ()))
        if place.startswith("rule:"):
            found |= dict.fromkeys(self.at.get(f"asked:{mutant.rule}", ()))
        elif place.endswith("<module>") or place in self.at_import and not found:
            rules = sorted(self.made_in.get(place.rpartition("::")[0], ()))
            for rule in rules:
                for what in (f"rule:{rule}", f"asked:{rule}"):
                    found |= dict.fromkeys(self.at.get(what, ()))
            if not rules:
                found |= dict.fromkeys(sorted(self.of_file.get(mutant.file, ())))
            found |= dict.fromkeys(self.wholes)
        return list(found)

    @staticmethod
    def rank(test, mutant):
        """0 for the generated tests of a mutant's own rule, 1 for those of its module, 2 for those
        of the modules beside it and the tables of decisions."""
        if mutant.rule and test.endswith((f".{mutant.rule}]", f"-{mutant.rule}]")):
            return 0
        path, own = PurePath(test.partition("::")[0]), PurePath(mutant.file)
        beside = path.parts[2:-1] == own.parts[:-1]
        if beside and path.stem == f"test_{own.stem}":
            return 1
        return 2 if path.name in TABLES or beside and path.parts[1] == "compile" else 3

    def some(self, tests, most, seconds, skip=()):
        """As many of the tests, in their order, as the limits allow; without those of `skip`."""
        chosen, spent, skip = [], 0.0, set(skip)
        for t in tests:
            if len(chosen) == most:
                break
            if t not in skip and spent + self.seconds[t] <= seconds:
                chosen.append(t)
                spent += self.seconds[t]
        return chosen, spent
