"""Mutants that no test can catch, and why: what they change makes no difference to anybody.

Keys are those that ``python -m tests.mutate --list`` prints; one that names no mutant any more is
an error of tests/test_mutate.py.
"""

EQUIVALENT = {
    "rules/facts.py::<module>::drop::op.kind == 'elementwise' and op.arity and (op.arity "
    "> 1) -> without op.arity":
        "no elementwise op takes any number of operands, so that all arities are numbers",
    "rules/stabilise.py::relu_log1p::where::on(real, 'x') -> None":
        "relu takes no complex numbers",
    # blas, canonicalise, collect, common, facts, specialise, stabilise
    "rules/collect.py::Product.leaf::compare::power > 0 -> power >= 0":
        "no factor has the power 0",
    "rules/collect.py::Sum.build::compare::c > 0 -> c >= 0":
        "coefficients that share a size are not zero",
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
    # loop_lengths, loop_merge
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
    "pool.py::Pool.unite::compare::int(b.name[1:]) < int(a.name[1:]) -> int(b.name[1:]) <= "
    "int(a.name[1:])":
        "two Dims that are not one have two numbers",
    "pattern.py::same_constant::drop::array.size == 1 or bool((array == value).all()) -> "
    "without array.size == 1":
        "it saves a comparison: the one element was compared before",
    "need.py::_follow::constant::0 in values[0] -> 1":
        "joined arrays are equally long but along their axis, or the join fails",
    "over.py::_Run.go::constant::1e-09 in max(each, 1e-09) -> 2e-09":
        "any small number will do that is no zero",
    # rules/parts, sides
    "rules/parts.py::backward::constant::1 in entry.step or 1 -> 2":
        "any number above zero will do for a step that is not said",
}
