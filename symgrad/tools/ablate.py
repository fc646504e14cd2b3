"""`ablate`: what each rule, each family of rules, each pass and each backend does for a function.

It is compiled again and again, each time with one of them off, and what comes out is measured
beside the whole: time, compile time, size, memory, error.  `symgrad ablate` is the same from the
command line (`ablate_command.py`).
"""

from __future__ import annotations

from symgrad.extras import need

ROUNDS, COMPILES = 15, 3


def ablate(f, inputs=None, *, only=None, rounds=ROUNDS, compiles=COMPILES, compare=None,
           progress=False):
    """Compile `f` with each rule, each family, each pass off, and on each backend; measure all.

    Parameters
    ----------
    f : a compiled function; or a builder, a function without arguments that returns
        ``(request, values)``: the arguments of `sg.function` in a dict, and values of its inputs.
        Gradients in a compiled function stay as they were built; a builder builds them with the
        passes of the variant
    inputs : the arguments of a call: a list, or a dict by name.  They are copied, and so are
        shared variables: nothing is changed
    only : a shell pattern, or several: variants whose name matches (without the '-'), as in
        ``"stabilise*"``; the whole is measured in any case
    rounds : of each comparison; a round is one turn of the whole and one of the variant
    compiles : how often each variant is compiled
    compare : an earlier report (an `Ablation`, or the name of its JSON file); `regressions` of what
        is returned then tells what has become worse
    progress : True shows a bar (needs tqdm)

    Returns an `Ablation`: print it, or ``save`` it as .json, .csv, .html or .png.

    A variant whose program is the same as the whole's is not timed.  An effect on time is one only
    if it is beyond doubt (see `ablate_stats.effect`).  Errors are those of the results, each
    relative to its greatest value, against a run in long double precision of the graph as written.

    >>> x = T.dvector("x"); f = sg.function([x], T.log(1 + T.exp(x)).sum())    # doctest: +SKIP
    >>> print(sg.ablate(f, [np.linspace(-50, 50, 1000)]))                      # doctest: +SKIP
    """
    # what it is made of takes a while to import, and few programs ask for it
    run = need("symgrad.tools.ablate_run")
    return run.ablated(f, inputs, only, rounds, compiles, compare, progress)
