"""Wrong loops: the message says what is wrong, with what, and what would mend it."""

import re

import numpy as np
import pytest
from helpers import BACKENDS

import symgrad as sg
import symgrad.tensor as T
from symgrad.errors import ArgumentError, DtypeError, IndexingError, ShapeError

x, f, m, n = T.dvector("x"), T.fvector("f"), T.dmatrix("m"), T.lscalar("n")
s, count = sg.shared(np.float64(1), "s"), sg.shared(np.int64(0), "count")
three = T.tensor("float64", (3,), name="three")


def wrong(error, sentence, *more, sequences=x, fn=lambda a: a, op=sg.scan, **given):
    """The call fails with this message: its first line, and what the others must have."""
    with pytest.raises(error) as caught:
        op(fn, sequences, **given)
    first, *rest = str(caught.value).split("\n")
    assert first == f"{op.__name__}: {sentence}"
    rest = "\n".join(rest)
    assert re.search(r"here .*test_scan_errors\.py:\d+ ", rest)
    for part in more:
        assert part in rest, rest


def test_the_step():
    wrong(ArgumentError, "the first argument must be a function, not x", fn=x)
    wrong(ArgumentError, "the step does not take the 2 arguments it gets: too many positional "
          "arguments", "x[t], f64[?]", outputs_info=[T.dvector()])
    wrong(ArgumentError, "the step does not take the 1 argument it gets: missing a required "
          "argument: 'b'", "it gets x[t]", fn=lambda a, b: a)
    wrong(ArgumentError, "the step returned None", "it must return", fn=lambda a: None)
    with pytest.raises(DtypeError, match="scan: output 1 of the step: cannot use str 'b'"):
        sg.scan(lambda a: [a, "b"], x)
    wrong(ArgumentError, "the step returned 2 updates", fn=lambda a: ({s: s + 1}, {s: s + 2}))
    wrong(ArgumentError, "the step returned 2 conditions",
          fn=lambda a: (a, sg.until(a > 1), sg.until(a > 2)))
    wrong(ArgumentError, "the step updates s twice", "s    f64[]",
          fn=lambda a: (a, [(s, s + 1), (s, s + 2)]))


def test_a_fault_in_the_step_is_told_as_elsewhere():
    with pytest.raises(ShapeError, match="^dot: inner lengths differ"):
        sg.scan(lambda a: T.dot(T.ones((2, 3)), T.ones((4, 5))), x)
    with pytest.raises(ZeroDivisionError):
        sg.scan(lambda a: 1 / 0, x)


def test_the_number_of_outputs():
    wrong(ArgumentError, "the step returned 2 outputs, but outputs_info has 1 entry",
          "None for one that is not fed back", fn=lambda a, b: [a, b], outputs_info=[0.0])
    wrong(ArgumentError, "the step returned 1 output, but outputs_info has 2 entries",
          fn=lambda a, b: a + b, outputs_info=[0.0, None])


def test_states_that_change_their_type():
    wrong(DtypeError, "the state first (outputs_info[0]) changes its type: it begins as f32[], and "
          "the step makes f64[] of it", "first f32[]",
          "cast what the step returns: .astype('float32'), or begin with a value of dtype float64",
          fn=lambda a, b: a + b, outputs_info=T.fscalar("first"))
    wrong(DtypeError, "the state outputs_info[1] changes its type: it begins as f32[?], and the "
          "step makes f64[?] of it", fn=lambda a, b, c: [a + b, c + x],
          outputs_info=[0.0, T.fvector()])
    wrong(ShapeError, "the state outputs_info[0] changes its type: it begins as f64[], and the "
          "step makes f64[?] of it", "T.zeros_like(x)", fn=lambda a, b: a + b, sequences=m,
          outputs_info=0.0)
    wrong(ShapeError, "the state x (outputs_info[0]) changes its type: it begins as f64[?], and "
          "the step makes f64[] of it", "return a value with 1 dimension", fn=lambda b: b.sum(),
          sequences=None, outputs_info=x, n_steps=3)
    wrong(ShapeError, "the state three (outputs_info[0]) changes its type: it begins as f64[3], "
          "and the step makes f64[6] of it", "along axis 0", fn=lambda b: T.concatenate([b, b]),
          sequences=None, outputs_info=three, n_steps=3)
    wrong(ShapeError, "the state outputs_info[0] changes its type: it begins as f64[1], and the "
          "step makes f64[?] of it", fn=lambda b: b + x, sequences=None, n_steps=3,
          outputs_info=T.zeros((1,)))
    wrong(DtypeError, "the state outputs_info[0] changes its type: it begins as c128[], and the "
          "step makes f64[] of it", fn=lambda b: abs(b), sequences=None, outputs_info=1j, n_steps=2)


def test_updates():
    wrong(ArgumentError, "the step returned an update of x, which is not shared", "x    f64[?]",
          "an output with an initial value in outputs_info, or a shared variable",
          fn=lambda a: (a, {x: x + 1}))
    wrong(DtypeError, "the state count (a shared variable) changes its type: it begins as i64[], "
          "and the step makes f64[] of it", "cast what the step returns: .astype('int64')",
          fn=lambda a: {count: count + a})
    wrong(ShapeError, "the state s (a shared variable) changes its type: it begins as f64[], and "
          "the step makes f64[?,?] of it", fn=lambda a: {s: s + m})
    sg.scan(lambda a: {count: 7}, x)  # a constant that it can hold


def test_the_number_of_steps():
    wrong(ShapeError, "n_steps is negative: -2", "go_backwards=True", n_steps=-2)
    wrong(ShapeError, "n_steps is negative: -1", n_steps=T.constant(-1))
    for steps in (2.0, True, "2", [2]):
        wrong(ArgumentError, f"n_steps must be an integer, not {steps!r}", n_steps=steps)
    wrong(DtypeError, "n_steps must be an integer, not f64[]", "cast it with .astype('int64')",
          n_steps=x.sum())
    wrong(ShapeError, "n_steps must be a scalar, not i64[1]", n_steps=x.shape)
    wrong(ArgumentError, "how many steps?", "pass n_steps=, or a sequence", sequences=None,
          fn=lambda a: a, outputs_info=0.0)
    wrong(ShapeError, "n_steps is 5, but sequences[0] has 3 rows", "three f64[3]", sequences=three,
          n_steps=5)
    wrong(ShapeError, "n_steps is 3, but sequences[1] has 3 rows, of which taps [0, 1] leave 2",
          sequences=[x, {"input": three, "taps": [0, 1]}], n_steps=3, fn=lambda a, b, c: a)


@pytest.mark.parametrize("backend", [None, *BACKENDS])
def test_what_is_known_when_it_runs(backend):
    def fails(sentence, outputs, *given):
        inputs = [i for i in (x, n, m) if i in sg.node.leaves([outputs])]
        with pytest.raises(ShapeError, match=sentence or None):
            if backend is None:
                outputs.eval(dict(zip(inputs, given, strict=True)))
            else:
                sg.function(inputs, outputs, backend=backend)(*given)

    sums, _ = sg.scan(lambda a, b: a + b, x, 0.0, n_steps=n)
    fails("the number of steps is negative: -1", sums, [1.0, 2.0], -1)
    fails("has 2 rows, too few for 3 steps", sums, [1.0, 2.0], 3)
    late, _ = sg.scan(lambda a, b: a + b, x, {"initial": x, "taps": [-3]})
    fails("needs 3 rows to begin with, not 2", late, [1.0, 2.0])
    grows, _ = sg.scan(lambda b: T.concatenate([b, b]), outputs_info=x, n_steps=3)
    fails("", grows, [1.0, 2.0])
    clash, _ = sg.scan(lambda a, b: a + b, m, x)
    fails("", clash, [1.0, 2.0], np.ones((2, 3)))


def test_no_steps():
    empty, _ = sg.scan(lambda a, b: a + b, np.zeros(0), 0.0)
    assert empty.eval().shape == (0,)
    with pytest.raises(IndexingError, match="index -1 is out of range for axis 0 of length 0"):
        empty[-1]
    sums, _ = sg.scan(lambda a, b: a + b, x, 0.0)
    for backend in ("numpy", "python"):
        g = sg.function([x], [sums[-1], sums.sum()], backend=backend)
        assert g([2.0])[0] == 2
        with pytest.raises(IndexingError, match="out of range for axis 0 of length 0"):
            g(np.zeros(0))
    total, _ = sg.reduce(lambda a, b: a + b, x, 7.0)  # a fold of nothing is what it begins with
    assert total.eval({x: np.zeros(0)}) == 7


def test_sequences():
    wrong(ArgumentError, "sequences[0] has no entry 'inputs': did you mean input?",
          sequences={"inputs": x})
    wrong(ArgumentError, "sequences[0] has no 'input'", sequences={"taps": [0]})
    wrong(ArgumentError, "sequences[1] has the tap 0.5; taps are integers",
          sequences=[x, {"input": x, "taps": [0.5]}])
    wrong(ArgumentError, "sequences[0] has a tap twice: [1, 1]",
          sequences={"input": x, "taps": [1, 1]})
    wrong(ArgumentError, "sequences[0] has no taps; leave them out for [0]",
          sequences={"input": x, "taps": []})
    wrong(ShapeError, "sequences[0] is a scalar; steps read rows of a sequence", "non_sequences",
          sequences=x.sum())
    wrong(ShapeError, "sequences[0] is a scalar; steps read rows of a sequence", "pass an array",
          sequences=[1.0, 2.0])


def test_outputs_info():
    wrong(ArgumentError, "outputs_info[0] has no entry 'inital': did you mean initial?",
          outputs_info={"inital": x})
    wrong(ArgumentError, "outputs_info[0] has taps, but no 'initial' rows",
          outputs_info={"taps": [-1]})
    for taps in ([0], [1], [-1, 2]):
        wrong(ArgumentError, f"outputs_info[0] has the taps {taps}; a step reads what earlier ones "
              "made, so they are -1, -2 and so on", outputs_info={"initial": x, "taps": taps})
    wrong(ArgumentError, "outputs_info[0] has the tap -1.5; taps are integers",
          outputs_info={"initial": x, "taps": [-1.5]})
    wrong(ArgumentError, "outputs_info[0] has a tap twice: [-1, -1]",
          outputs_info={"initial": x, "taps": [-1, -1]})
    wrong(ShapeError, "outputs_info[0] reads 5 rows back, but its initial value has 3 rows",
          "oldest first", outputs_info={"initial": three, "taps": [-5]})
    wrong(ShapeError, "outputs_info[0] reads 2 rows back, but its initial value has no rows",
          outputs_info={"initial": 0.0, "taps": [-2]})


def test_strict():
    wrong(ArgumentError, "strict=True, but the step reads s without having it from non_sequences",
          "s    f64[]", "non_sequences=[s]", fn=lambda a: a * s, strict=True)


def test_until():
    with pytest.raises(ShapeError, match=r"^until: the condition must be a scalar, not b1\[\?\]"):
        sg.until(x > 1)
    with pytest.raises(DtypeError):
        sg.until("stop")


def test_gradients_cut_off_and_checkpoints():
    for last in (0, -2, 1.5, True, "all"):
        wrong(ArgumentError, "truncate_gradient must be a number of steps from 1 up, or -1 for all "
              f"of them, not {last!r}", truncate_gradient=last)
    for every in (0, -1, 2.5, "root", x):
        wrong(ArgumentError, f"checkpoint_every must be a number of steps from 1 up, not {every!r}",
              '"sqrt"', checkpoint_every=every)
    wrong(ArgumentError, "save_every_N must be a number of steps from 1 up, not 0",
          op=sg.scan_checkpoints, save_every_N=0)
    wrong(ArgumentError, "checkpoint_every and memory are two ways to say one thing", memory=1e6,
          checkpoint_every=3)
    wrong(ArgumentError, "memory is a number of bytes, not 'much'", memory="much")
    wrong(ArgumentError, "memory= needs to know the number of steps", memory=1e6)
    wrong(ArgumentError, "memory= needs to know how large a step is, but axis 0 of x[t-1] has no "
          "known length", "T.specify_shape", fn=lambda b: b * 2, sequences=None, outputs_info=x,
          n_steps=9, memory=1e6)
    wrong(ArgumentError, "100 steps do not fit into 100 bytes", "696 bytes are the least",
          fn=lambda b: T.tanh(b), sequences=None, outputs_info=three, n_steps=100, memory=100)


@pytest.mark.parametrize("op", [sg.reduce, sg.foldl, sg.foldr, sg.scan_checkpoints])
def test_relatives_say_their_own_name(op):
    wrong(DtypeError, "the state outputs_info[0] changes its type: it begins as f32[], and the "
          "step makes f64[] of it", fn=lambda a, b: a + b, op=op, outputs_info=f[0])


@pytest.mark.parametrize("op", [sg.scan, sg.map, sg.reduce, sg.foldl, sg.foldr])
def test_arguments_that_do_not_fit(op):
    given = {} if op in (sg.scan, sg.map) else {"outputs_info": 0.0}
    wrong(ArgumentError, "got an unexpected keyword argument 'non_sequence'",
          "did you mean non_sequences", op=op, non_sequence=x, **given)
    with pytest.raises(ArgumentError, match=f"^{op.__name__}: missing a required argument: 'fn'"):
        op()


def test_map_says_its_own_name():
    wrong(ArgumentError, "the step returned None", fn=lambda a: None, op=sg.map)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("steps", [1, 3, 9])
def test_a_state_that_grows_or_shrinks(backend, steps):
    """Also where the loop is so short that it is written out."""
    x = T.dvector("x")
    for step in (lambda b: b[:2] * b[0], lambda b: T.concatenate([b, b])):
        rows, _ = sg.scan(step, outputs_info=x, n_steps=steps)
        with pytest.raises(sg.errors.ShapeError, match="loop: (axis 0 of what a|a state begins)"):
            sg.function([x], rows, backend=backend)(np.ones(3))
