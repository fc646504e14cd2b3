"""Loops of Theano: one program for Theano and for symgrad.

``data/theano_scan.npz`` holds what Theano 1.0.5 computed (Python 3.8, NumPy 1.19.5, g++, default
options): the output of ``python theano_scan.py data/theano_scan.npz`` there.
"""

import sys

import numpy as np

RNG = np.random.RandomState(7)
X, ROWS = RNG.uniform(-1, 1, 7), RNG.uniform(-1, 1, (6, 3))
W, U = RNG.uniform(-1, 1, (3, 3)), RNG.uniform(-1, 1, (3, 3))
H, PAST = RNG.uniform(-1, 1, 3), RNG.uniform(-1, 1, (3, 3))


def scans(lib, T, until):
    """{name: (inputs, outputs, the inputs' values)}; `lib` has scan, map, … and grad."""
    x, rows, w, u = T.dvector("x"), T.dmatrix("rows"), T.dmatrix("w"), T.dmatrix("u")
    h, past, a, n = T.dvector("h"), T.dmatrix("past"), T.dscalar("a"), T.lscalar("n")
    values = {x: X, rows: ROWS, w: W, u: U, h: H, past: PAST, a: 0.7, n: 4}
    one, zero = (T.constant(np.float64(v)) for v in (1, 0))
    found = {}

    def add(name, outputs, *inputs, wrt=(), cost=None):
        outputs = list(outputs) if type(outputs) in (list, tuple) else [outputs]
        if wrt:
            if cost is None:
                cost = sum(((k + 1) * o ** 2).sum() for k, o in enumerate(outputs))
            outputs += lib.grad(cost, list(wrt))
        found[name] = list(inputs), outputs, [values[i] for i in inputs]

    def rnn(r, s, w, u):
        return T.tanh(T.dot(r, w) + T.dot(s, u))

    def grow(b, c):
        return b * a + c

    given = {"sequences": rows, "outputs_info": h, "non_sequences": [w, u]}
    o, _ = lib.scan(rnn, **given)
    add("rnn", o, rows, h, w, u, wrt=(rows, h, w, u))
    add("last state", o[-1], rows, h, w, u, wrt=(rows, h, w, u))
    add("second order", [], rows, h, w, u, wrt=(w, h),
        cost=(lib.grad(o[-1].sum(), h) ** 2).sum())
    o, _ = lib.scan(lambda r, s: rnn(r, s, w, u), rows, h, go_backwards=True)
    add("backwards, closed over", o, rows, h, w, u, wrt=(rows, h, w, u))
    o, _ = lib.scan(rnn, n_steps=n, **given)
    add("symbolic steps", o, rows, h, w, u, n, wrt=(rows, h, w, u))
    o, _ = lib.scan(rnn, n_steps=3, go_backwards=True, **given)
    add("backwards, few steps", o, rows, h, w, u, wrt=(rows, h, w, u))
    for k in (1, 2, 5, 6, 9):
        o, _ = lib.scan(rnn, truncate_gradient=k, **given)
        add(f"truncated after {k}", o, rows, h, w, u, wrt=(rows, h, w, u))
    o, _ = lib.scan(rnn, truncate_gradient=2, n_steps=n, go_backwards=True, **given)
    add("truncated, symbolic, backwards", o, rows, h, w, u, n, wrt=(rows, h, w, u))

    def both(after, before, here, third, last):
        return T.tanh(after * a - before + here * third + last)

    taps = {"sequences": [{"input": rows, "taps": [1, -1, 0]}],
            "outputs_info": [{"initial": past, "taps": [-3, -1]}]}
    o, _ = lib.scan(both, **taps)
    add("taps", o, rows, past, a, wrt=(rows, past, a))
    o, _ = lib.scan(both, go_backwards=True, **taps)
    add("taps, backwards", o, rows, past, a, wrt=(rows, past, a))
    for k in (2, 3):
        o, _ = lib.scan(both, truncate_gradient=k, **taps)
        add(f"taps, truncated after {k}", o, rows, past, a, wrt=(rows, past, a))
    o, _ = lib.scan(lambda p, q: p * q, [{"input": x, "taps": [-2, 1]}])
    add("a map of taps", o, x, wrt=(x,))
    o, _ = lib.scan(lambda p: p, [{"input": x, "taps": [2]}], go_backwards=True, n_steps=3)
    add("a future tap, backwards, few steps", o, x, wrt=(x,))
    o, _ = lib.scan(lambda p: p * a, outputs_info=[{"initial": past, "taps": [-2]}], n_steps=5)
    add("the second last alone, with rows to spare", o, past, a, wrt=(past, a))

    o, _ = lib.scan(lambda p, q, s: [s * p + q, p * q, s - q], [x, x[:5] * a], [one, None, None])
    add("a state and two maps, of two lengths", o, x, a, wrt=(x, a))
    o, _ = lib.scan(lambda p, q: p - q, [x, x[:4]], go_backwards=True)
    add("two lengths, backwards", o, x, wrt=(x,))
    o, _ = lib.scan(lambda f, g: [f + g, f], outputs_info=[one, a * 0 + 1], n_steps=8)
    add("two states", o, a)
    o, _ = lib.scan(lambda k, c: k * c, T.arange(1, 6), T.constant(np.int64(1)))
    add("whole numbers", o)
    o, _ = lib.scan(lambda r: (r * a).sum(), rows)
    add("a map of rows", o, rows, a, wrt=(rows, a))
    o, _ = lib.scan(lambda p, c: (grow(p, c), until(c > 0.2)), x, zero)
    add("until", [o, o.shape[0]], x, a)
    o, _ = lib.scan(lambda p: (p * a, until(p < 0)), x)
    add("until, a map", o, x, a)
    o, _ = lib.scan(lambda p, c: (grow(p, c), until(c > 100)), x, zero)
    add("until, to the end", o, x, a)

    def table(r):
        inner, _ = lib.scan(lambda e, c: e * a + c * c, r, zero)
        return inner

    o, _ = lib.scan(table, rows)
    add("nested", o, rows, a, wrt=(rows, a))
    s = lib.shared(np.float64(2.0), "s")
    o, updates = lib.scan(lambda p: (p * s, {s: s + p}), x)
    add("a shared variable moves", [o, updates[s]], x, wrt=(x,), cost=o.sum() + updates[s])

    def outer(p):
        o, updates = lib.scan(lambda q: (q * s, {s: s + 1}), x)
        return o.sum() + p, updates

    o, updates = lib.scan(outer, x)
    add("updates pass outwards", [o, updates[s]], x)

    def leap(p):
        return p - 0.1 * lib.grad((p ** 4).sum() * a, p)

    o, _ = lib.scan(leap, outputs_info=h, n_steps=4)
    add("a gradient in the step", o, h, a, wrt=(h, a))

    add("map", lib.map(lambda p, q: p * q, [x], [a])[0], x, a, wrt=(x, a))
    add("reduce", lib.reduce(lambda p, c: c * p + 1, x, one)[0], x, wrt=(x,))
    add("foldl", lib.foldl(lambda p, c: c - p * a, x, one)[0], x, a, wrt=(x, a))
    add("foldr", lib.foldr(lambda p, c: c / 2 - p, x, one)[0], x, wrt=(x,))
    add("reduce to two", lib.reduce(lambda p, b, c: [b + p, c * b], x, [zero, one])[0], x)
    return found


if __name__ == "__main__":
    import theano
    import theano.tensor

    theano.grad = theano.tensor.grad
    arrays = {}
    for name, (inputs, outputs, values) in scans(
            theano, theano.tensor, theano.scan_module.until).items():
        f = theano.function(inputs, outputs, on_unused_input="ignore")
        arrays.update((f"{name} {k}", v) for k, v in enumerate(f(*values)))
    np.savez_compressed(sys.argv[1], **arrays)
