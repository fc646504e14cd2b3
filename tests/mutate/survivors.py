"""Mutants that no test can catch, and why: what they change makes no difference to anybody.

Keys are those that ``python -m tests.mutate --list`` prints; one that names no mutant any more is
an error of tests/test_mutate.py.
"""

EQUIVALENT = {
    "rules/stabilise.py::relu_log1p::where::on(real, 'x') -> None":
        "relu takes no complex numbers",
    # blas, canonicalise, collect, common, facts, specialise, stabilise
    "rules/collect.py::Product.leaf::compare::power > 0 -> power >= 0":
        "no factor has the power 0",
    "rules/collect.py::Sum.build::compare::c > 0 -> c >= 0":
        "coefficients that share a size are not zero",
    "rules/collect.py::Tree.grouped::compare::n.op is CONST -> n.op is not CONST":
        "it tells two groups apart, whichever is called which",
    "rules/facts.py::undoing::swap::np.allclose(far, EXTREMES) -> np.allclose(EXTREMES, "
    "far)":
        "of which of two numbers a tolerance is a part",
    "rules/facts.py::undoing::swap::np.allclose(once[held], PROBES[held]) -> np.allclose("
    "PROBES[held], once[held])":
        "of which of two numbers a tolerance is a part",
    "rules/specialise.py::_signed::compare::k > 0 -> k >= 0":
        "whole exponents are of size 2 at least, others are halves: none is 0",
    "rules/blas.py::_Walk.plus::swap::self.make(add, (a, b)) -> (b, a)":
        "the pool puts operands in order",
    "rules/blas.py::_Walk.times::swap::self.make(mul, (c, s)) -> (s, c)":
        "the pool puts operands in order",
    "rules/facts.py::_exactly::constant::400.0 in np.arange(400.0) -> 800.0":
        "of some of the first hundred roots the reciprocal's reciprocal is another number",
    "rules/facts.py::absorbing::swap::op.of(x, y) -> op.of(y, x)":
        "ops in which one operand decides alone are commutative: either order matches",
    "rules/facts.py::_others::swap::op.of(x, y) -> op.of(y, x) #2":
        "associative ops that are idempotent are commutative: the pool puts operands in order",
    # loop_reads, loop_results, loop_sink, loop_trim, loop_unroll, loop_work, loops
    "rules/loop_reads.py::Reads.replace::condition::a is not b -> True":
        "what a changed loop's results become are other nodes; it keeps `rebuilt` from waiting for "
        "itself if one is not",
    "rules/loop_trim.py::postponed::condition::not later -> False":
        "it saves a look at loops from which nothing is to be made later",
    "rules/loop_results.py::Work.levels::constant::2 in dict.fromkeys([v for s in self.d.states "
    "for v in s.reads], 2) -> 3":
        "levels are compared with 0, 1 and 2 alone: any above 1 will do",
    "rules/loop_reads.py::Reads.rebuilt::condition::n in done -> False":
        "a node that is done would be made once more, and the pool gives the same one",
    # loop_lengths, loop_merge
    "rules/loop_lengths.py::Lengths.steps::swap::self.pool.make(add, (n, self.number(more))) -> "
    "(self.number(more), n)":
        "the pool puts operands in order",
    "rules/loop_merge.py::merged::constant::0 in default=0 -> 1":
        "all depths are one more",
    # fuse, plan, memory, need, nest, pool, lower, pattern, rewrite, compare, over, arena …
    "compare.py::<module>::constant::32001 in {'float16': 32001, 'float…1, 'float64': "
    "9220239174948290561} -> 32002":
        "any signalling NaN will do",
    "compare.py::<module>::constant::2141241071 in {'float16': 32001, '…1, 'float64': "
    "9220239174948290561} -> 2141241072":
        "any signalling NaN will do",
    "compare.py::<module>::constant::9220239174948290561 in {'float16':…1, 'float64': "
    "9220239174948290561} -> 9220239174948290562":
        "any signalling NaN will do",
    "compare.py::shaken::arithmetic::1 + unit * rng.uniform(-1, 1, value.shape) -> 1 - unit * "
    "rng.uniform(-1, 1, value.shape)":
        "numbers that are drawn of either sign",
    "compare.py::wrong::swap::have - want -> want - have":
        "only the size of the difference counts",
    "compare.py::doubtless::swap::run.astype(complex) - want -> want - run.astype(complex)":
        "only the size of the difference counts",
    "pool.py::Pool.make::compare::a.serial > b.serial -> a.serial >= b.serial":
        "nodes of one age are one",
    "pool.py::Pool._named::condition::None not in type.shape -> False":
        "it saves work: a type with the lengths that it has is itself",
    "pool.py::_learn::condition::a is not b -> True":
        "it saves a call, in which nothing is united",
    "pool.py::Pool.unite::compare::int(b.name[1:]) < int(a.name[1:]) -> int(b.name[1:]) <= "
    "int(a.name[1:])":
        "two Dims that are not one have two numbers",
    "pattern.py::same_constant::drop::array.size == 1 or bool((array == value).all()) -> "
    "without array.size == 1":
        "it saves a comparison: the one element was compared before",
    "rewrite.py::<module>::constant::10 in (10, 1000) -> 11":
        "a budget that no rule of symgrad's comes near",
    "rewrite.py::<module>::constant::1000 in (10, 1000) -> 1001":
        "a budget that no rule of symgrad's comes near",
    "rewrite.py::<module>::constant::50 in (50, 10000) -> 51":
        "a budget that no rule of symgrad's comes near",
    "rewrite.py::<module>::constant::10000 in (50, 10000) -> 10001":
        "a budget that no rule of symgrad's comes near",
    "rewrite.py::_step::condition::new.type is not node.type -> True":
        "it saves work: a node said to have its own type is itself",
    "rewrite.py::_step::swap::_compatible(new.type, node.type) -> _compatible(node.type, "
    "new.type)":
        "neither of two types is the first",
    "rewrite.py::_step::condition::log.times is None -> False":
        "it saves looking at the clock",
    "pattern.py::<module>::constant::50 -> 51":
        "some number of looks, of which nothing but time depends",
    "need.py::_follow::constant::0 in values[0] -> 1":
        "joined arrays are equally long but along their axis, or the join fails",
    "over.py::_Run.go::constant::1e-09 in max(each, 1e-09) -> 2e-09":
        "any small number will do that is no zero",
    # rules/parts, sides, backends/llvm/copies
    "rules/sides.py::_Sides.run::constant::0 in default=0 -> 1":
        "levels are only compared with one another",
    "rules/sides.py::_Sides.run::constant::1 -> 2":
        "levels are only compared with one another",
    "backends/llvm/copies.py::Copies.count_range::compare::step > 0 -> step >= 0":
        "no range has steps of 0",
    "backends/llvm/copies.py::Copies.count_range::constant::0 in step > 0 -> 1":
        "it is not asked of steps of 1",
    "rules/parts.py::backward::constant::0 in entry.step or 0 -> 1":
        "any number that is not below zero will do for a step that is not said",
    # rules/views, shapes
    "rules/shapes.py::sum_of_scaled::constant::1 in np.asarray(1, factor.type.dtype) -> 2":
        "the sum of nothing is multiplied with it, or divided by it: any number but zero will do",
    # rules/written
    "rules/written.py::fills::drop::i not in seen and d in getattr(i.type, 'shape', ()) -> "
    "without d in getattr(i.type, 'shape', ())":
        "it saves going where no such length is",
}
