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
    "rules/loop_batch.py::Batch._sized::drop::not varies or any([v for _, v in sizes]) ->"
    " without not varies":
        "where nothing varies `made` has answered before, so that with a fixed operand a "
        "size varies",
    "rules/stabilise.py::relu_log1p::where::on(real, 'x') -> None":
        "relu takes no complex numbers",
    "need.py::lengths::condition::missing -> True":
        "where no length is missing nothing is run, and nothing is bound",
}
