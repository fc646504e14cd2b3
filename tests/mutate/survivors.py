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
    # rules/parts, sides
    "rules/sides.py::run::constant::True in strict=True -> False":
        "a graph has as many outputs afterwards: `strict` is an assertion",
    "rules/parts.py::backward::constant::1 in entry.step or 1 -> 2":
        "any number above zero will do for a step that is not said",
}
