"""Mutants that no test can catch, and why: what they change makes no difference to anybody.

Keys are those that ``python -m tests.mutate --list`` prints; one that names no mutant any more is
an error of tests/test_mutate.py.
"""

EQUIVALENT = {
    "rules/blas.py::_Walk.replace::drop::n.name and (not made.name) -> without n.name":
        "a node without a name leaves another one without a name",
    "rules/facts.py::<module>::drop::op.kind == 'elementwise' and op.arity and (op.arity "
    "> 1) -> without op.arity":
        "no elementwise op takes any number of operands, so that all arities are numbers",
    "rules/facts.py::<module>::constant::2000.0 in -2000.0 -> 4000.0":
        "any number will do at which exp, sinh and their like are not finite",
    "rules/loop_batch.py::Batch._sized::drop::not varies or any([v for _, v in sizes]) ->"
    " without not varies":
        "where nothing varies `made` has answered before, so that with a fixed operand a "
        "size varies",
    "rules/stabilise.py::relu_log1p::where::on(real, 'x') -> None":
        "relu takes no complex numbers",
    "rules/loop_lengths.py::Lengths.joined::constant::True in strict=True -> False":
        "types of one rank have as many lengths: `strict` is an assertion",
    "compare.py::_inside.step::constant::True in strict=True -> False":
        "a body gets as many rows as it has inputs: `strict` is an assertion",
    "backends/llvm/copies.py::Copies.copy::constant::True in strict=True -> False":
        "there are as many letters as lengths: `strict` is an assertion",
    "backends/llvm/choose.py::Chosen.meet.phi::constant::True in strict=True -> False":
        "there are two words and two ends: `strict` is an assertion",
    "need.py::lengths::condition::missing -> True":
        "where no length is missing nothing is run, and nothing is bound",
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
    "compare.py::wrong::swap::have - want -> want - have":
        "only the size of the difference counts",
    "compare.py::doubtless::swap::run.astype(complex) - want -> want - run.astype(complex)":
        "only the size of the difference counts",
    "pool.py::Pool.unite::compare::int(b.name[1:]) < int(a.name[1:]) -> int(b.name[1:]) <= "
    "int(a.name[1:])":
        "two Dims that are not one have two numbers",
    "pool.py::_learn::swap::pool.unite(a, b, node, bool(soft)) -> pool.unite(b, a, node, "
    "bool(soft))":
        "`unite` puts the two lengths in order itself",
    "pool.py::_learn::swap::pool.unite(a, b, node, True) -> pool.unite(b, a, node, True)":
        "`unite` puts the two lengths in order itself",
    "pattern.py::same_constant::drop::array.size == 1 or bool((array == value).all()) -> "
    "without array.size == 1":
        "it saves a comparison: the one element was compared before",
    "rewrite.py::_compatible::constant::True in strict=True -> False":
        "ranks were compared before: `strict` is an assertion",
    "lower.py::_Writer.scatter::constant::True in strict=True -> False":
        "there is a cell for each axis: `strict` is an assertion",
    "lower.py::_Writer.read::constant::True in strict=True -> False":
        "an index has a place for each axis: `strict` is an assertion",
    "over.py::_Run._form::constant::True in strict=True -> False":
        "a form has as many keys as there are results: `strict` is an assertion",
    "over.py::_Run.go::constant::1e-09 in max(each, 1e-09) -> 2e-09":
        "any small number will do that is no zero",
}
