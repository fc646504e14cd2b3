"""Lines that random programs are grown of, by families.

A form tells what values it takes and what line it makes of them.  ``f2`` is a matrix of floats,
``f1+`` has one axis or more, ``f`` any number; ``i``, ``b``, ``c``: whole numbers, bools, complex
numbers; ``g`` a float without axes; ``w`` a float input or shared variable.  In the line {0}, {1},
… are the values, {k} is an axis of the first one, {c} a number, {j} a seed and {F} the dtype that
most floats of the program have.
"""

FORMS = {
    "elementwise": [
        ("f f", "T.tanh({0} + {1})"), ("f f", "{0} - {1}"), ("f f", "{0} * {1}"),
        ("f f", "{0} / (1 + T.sqr({1}))"), ("f", "-{0}"), ("f", "{0} * {c}"), ("f", "{c} - {0}"),
        ("f f f", "{0} * {1} + {2}"), ("f f", "{0} * {1} - {0} * {c}"), ("f", "{0} ** 2"),
        ("f", "abs({0}) ** 0.5"), ("f", "T.exp(-abs({0}))"), ("f", "T.log(1 + T.exp({0}))"),
        ("f", "T.log1p(abs({0}))"), ("f", "1 / (1 + T.exp(-{0}))"), ("f", "T.log(T.sigmoid({0}))"),
        ("f", "T.sqrt(T.sqr({0}) + {c} ** 2)"), ("f f", "T.maximum({0}, {1})"),
        ("f f", "T.minimum({0}, {1}) - T.maximum({0}, {1})"), ("f", "T.clip({0}, -0.5, {c})"),
        ("f", "T.cast(T.cast({0}, 'float32'), '{F}')"), ("f", "T.cast({0}, 'float32')"),
        ("f", "T.cast({0}, 'float64') * {c}"), ("f", "T.zeros_like({0}) + {c}"),
        ("f", "T.nnet.relu({0}, 0.1)"), ("f", "T.nnet.elu({0})"), ("f", "T.nnet.gelu({0})"),
        ("f f", "T.arctan2({0}, {1})"), ("f", "(1 - T.sigmoid({0})) * T.sigmoid({0})"),
    ],
    "choice": [
        ("f f", "T.switch({0} < {c}, {0}, {1} / 2)"), ("b f f", "T.switch({0}, {1}, {2})"),
        ("f f f", "T.where(({0} > {c}) & ({1} < 0.5), {2}, {0})"), ("f", "{0} * ({0} > 0)"),
        ("g f f", "sg.ifelse({0} > {c}, {1} + {2}, {1} - {2})"),
        ("g f f", "sg.ifelse(T.lt({0}, {c}), T.tanh({1}), {2} * {1})"),
        ("g f1+", "sg.ifelse({0} > {c}, {1}[:1].sum(), {1}.sum())"),
        ("g f", "sg.ifelse({0} > {c}, [{1} * 2, T.exp({1})], [{1}, {1} ** 2])[1]"),
    ],
    "reduction": [
        ("f1+", "{0}.sum(axis={k})"), ("f1+", "{0}.max(axis={k}, keepdims=True)"),
        ("f1+", "{0}.min(axis={k})"), ("f1+", "{0}.mean(axis={k}, keepdims=True)"),
        ("f1+", "{0}.sum()"), ("f1+", "T.tanh({0}.prod(axis={k}))"), ("f1+", "{0}.var(axis={k})"),
        ("f1+", "T.sqrt((T.sqr({0})).sum(axis={k}) + 0.1)"), ("f2", "{0}.sum(axis=(0, 1))"),
        ("f1+ f1+", "({0} * {1}).sum(axis=0)"), ("f1+", "{0} - {0}.mean(axis={k}, keepdims=True)"),
        ("f1+", "abs({0}).max()"), ("f1+", "T.any({0} > {c}, axis={k})"),
        ("f1+", "T.all({0} < {c}, axis={k})"), ("i1+", "{0}.sum(axis={k})"), ("i1+", "{0}.max()"),
        ("b1+", "{0}.sum(axis={k})"), ("f1+", "T.cumsum({0}, axis={k}) / 3"),
        ("f1+", "T.cumprod({0}, axis={k})"), ("f1+", "{0}.norm(2)"),
    ],
    "softmax": [
        ("f1+", "T.softmax({0}, axis={k})"), ("f1+", "T.log(T.softmax({0}, axis={k}))"),
        ("f1+", "T.logsumexp({0}, axis={k})"), ("f1+", "T.log_softmax({0}, axis={k})"),
        ("f1+", "T.log(T.exp({0}).sum(axis={k}))"), ("f2", "T.softmax({0}, axis=(0, 1))"),
        ("f1+", "T.exp({0}) / T.exp({0}).sum(axis={k}, keepdims=True)"),
        ("f1+", "T.exp({0} - {0}.max(axis={k}, keepdims=True))"),
        ("f2", "-T.log(T.softmax({0}))[T.arange(y.shape[0]), y].mean()"),
        ("f2", "T.nnet.categorical_crossentropy(T.nnet.softmax({0}), y)"),
        ("f1+ f1+", "T.nnet.binary_crossentropy(T.sigmoid({0}), T.sigmoid({1})).mean()"),
        ("f1+", "T.argmax(T.softmax({0}, axis={k}), axis={k})"),
    ],
    "shape": [
        ("f1+", "{0}[::-1]"), ("f1+", "{0}[1:]"), ("f1+", "{0}[:-1]"), ("f1+", "{0}[::2]"),
        ("f1+", "{0}[-2:]"), ("f1+", "{0}[1]"), ("f1+", "{0}[{0}.shape[0] - 1]"), ("f2", "{0}.T"),
        ("f2", "{0}[:, ::-1]"), ("f2", "{0}[::-1, 1:]"), ("f2", "{0} + {0}.T"),
        ("f2", "{0}.reshape((-1,))"), ("f2", "{0}.reshape(({0}.shape[1], {0}.shape[0]))"),
        ("f2", "{0}.flatten()[:3]"), ("f1", "{0}.dimshuffle('x', 0)"),
        ("f1", "{0}.dimshuffle(0, 'x')"), ("f2", "{0}.dimshuffle(1, 'x', 0)"),
        ("f3", "{0}.dimshuffle(2, 0, 1)"), ("f3", "{0}[:, 0]"),
        ("f3", "{0}.reshape(({0}.shape[0], -1))"), ("f3", "{0}.sum(axis=1)"),
        ("f1+ f1+", "T.join(0, {0}, {1})"), ("f1+", "T.join(0, {0}, {0})[1:4]"),
        ("f2", "T.concatenate([{0}, {0} * 2], axis=1)"), ("f1+", "T.stack([{0}, -{0}])"),
        ("f1+", "T.concatenate([{0}[1:], {0}[:1]])"), ("f2", "T.tril({0})"),
        ("f2", "T.triu({0}, 1)"), ("f2", "T.diag({0})"), ("f1", "T.diag({0})"),
        ("f1+", "T.tile({0}, 2)"), ("f1+", "T.repeat({0}, 2, axis=0)"), ("f1+", "T.roll({0}, 1)"),
        ("f1+", "{0} + T.arange({0}.shape[0])[0]"), ("f1+", "T.cast({0}.shape[0], '{F}') * {0}"),
        ("g f1+", "T.alloc({0}, {1}.shape[0], 2)"),
        ("f1+", "T.split({0}, [1, {0}.shape[0] - 1], 2)[1]"), ("f f", "T.ones_like({0}) * {1}"),
        ("f1 f2", "T.broadcast_to({0}, {1}.shape)"), ("f2", "T.trace({0})"),
        ("f1+", "T.shape_padleft({0})"),
    ],
    "index": [
        ("f1+", "{0}[y]"), ("f2", "{0}[:, y]"), ("f2", "{0}[T.arange(y.shape[0]), y]"),
        ("f2", "{0}[y, ::-1]"), ("f1+", "{0}[[0, -1]]"), ("f1+ i0", "{0}[{1} % {0}.shape[0]]"),
        ("f1+", "{0}[{0} > {c}].sum()"), ("f1", "{0}[{0} > {c}]"),
        ("f1+", "T.tanh({0}[{0} > {c}]).sum()"), ("f1+ f", "T.set_subtensor({0}[0], {c})"),
        ("f1+", "T.inc_subtensor({0}[1:], {c})"), ("f1+ g", "T.inc_subtensor({0}[y], {1} * 0.1)"),
        ("f1+", "T.set_subtensor({0}[::-1], {0})"), ("f2 f1", "T.inc_subtensor({0}[:, 0], {1})"),
        ("f2 f1", "T.set_subtensor({0}[-1], {1})"),
        ("f2", "T.set_subtensor({0}[T.arange(y.shape[0]), y], {c})"),
        ("f2 f2", "T.inc_subtensor({0}[y], {1}[y])"),
        ("f1+ g", "T.set_subtensor({0}[{0} > {c}], {1})"),
        ("f2", "T.inc_subtensor({0}[::2, 1:], {c})"), ("f1", "T.nonzero({0} > {c})[0]"),
        ("f1 i1", "{0}[T.minimum({1}, {0}.shape[0] - 1) % 2]"),
        ("f1", "T.to_one_hot(y, 4).sum(axis=0)"), ("f2", "T.choose(y % 2, [{0}[0], {0}[1]])"),
    ],
    "sort": [
        ("f1+", "T.argmax({0}, axis={k})"), ("f1+", "T.argmin({0}, axis={k})"),
        ("f1+", "T.max_and_argmax({0}, axis={k})[0]"), ("f2", "T.argmax({0}, axis={k}) * 0.3"),
        ("f1+", "{0} * T.argmax({0}[:2], axis=0)"), ("f1+", "T.ptp({0}, axis={k})"),
        ("f1+", "T.nonzero_values({0}).sum()"),
        ("f1+", "T.eq({0}, {0}.max(axis={k}, keepdims=True)) * {0}"),
    ],
    "product": [
        ("f2 f2", "T.tanh(T.dot({0}, {1}))"), ("f2 f1", "T.tanh(T.dot({0}, {1}))"),
        ("f1 f2", "T.dot({0}, {1}) * 0.3"), ("f1 f1", "T.dot({0}, {1})"),
        ("f1 f1", "T.outer({0}, {1})"), ("f2 f2", "T.dot({0}.T, {1})"),
        ("f2 f2", "T.dot({0}, {1}.T)"), ("f2 f2 f2", "T.dot({0}, {1}) * {c} + {2}"),
        ("f2 f1 f1", "T.dot({0}, {1}) + {2} * {c}"), ("f2 f1 f1", "{0} - {c} * T.outer({1}, {2})"),
        ("f2", "T.dot(T.tanh({0}), {0}.T)"), ("f2 f2", "T.tensordot({0}, {1}, axes=[[1], [0]])"),
        ("f2 f2", "T.tensordot({0}, {1}, axes=2)"),
        ("f3 f2", "T.tensordot({0}, {1}, axes=[[1], [0]])"),
        ("f3 f3", "T.batched_dot({0}, {1}.dimshuffle(0, 2, 1))"),
        ("f2 f2", "(({0}.dimshuffle(0, 1, 'x') * {1}.dimshuffle('x', 0, 1)).sum(axis=1))"),
        ("f1 f2 f1", "T.dot(T.dot({0}, {1}), {2})"),
        ("f2 f2", "({0} * T.dot({0}, T.dot({1}.T, {1}))).sum()"), ("c1 c1", "T.dot({0}, {1})"),
    ],
    "whole": [
        ("i i", "{0} + {1}"), ("i i", "{0} * {1} - {0}"), ("i", "{0} // 2"), ("i", "{0} % 3"),
        ("i", "abs({0}) ** 2"), ("i i", "T.maximum({0}, {1})"), ("i", "{0} << 1"),
        ("i i", "{0} & {1}"), ("i", "-{0}"), ("i", "T.cast({0}, 'int8')"),
        ("i", "T.cast({0}, '{F}') * {c}"), ("i f", "{0} * {1}"),
        ("f", "T.cast(T.floor({0} * 3), 'int64')"), ("f", "T.cast({0}, 'int32')"),
        ("i i", "T.eq({0}, {1})"), ("f", "{0} > {c}"), ("f f", "T.lt({0}, {1})"),
        ("b b", "{0} & ~{1}"), ("b b", "{0} ^ {1}"), ("b", "T.cast({0}, '{F}') * {c}"),
        ("b f", "{0} * {1}"), ("i", "T.sgn({0})"), ("i f", "T.switch({0} > 0, {1}, -{1})"),
        ("b", "T.invert({0})"), ("i", "T.cast({0}, 'uint8') + 3"),
        ("i1+", "T.cumsum({0}, axis={k})"), ("i1+", "T.argmax({0}, axis={k})"),
        ("i1+", "{0}[::-1]"), ("i", "T.bitwise_xor({0}, 5)"), ("i", "{0} >> 1"),
        ("i", "T.cast({0}, 'float32')"),
    ],
    "complex": [
        ("c", "T.real({0} * T.conj({0}))"), ("c c", "{0} * {1}"), ("c", "abs({0})"),
        ("c", "T.exp({0} * 0.5)"), ("c", "T.imag({0}) + T.real({0})"), ("c f", "{0} * {1}"),
        ("c1+", "{0}.sum()"), ("f f", "T.complex({0}, {1})"), ("c", "T.angle({0})"),
        ("c1+", "{0}[::-1]"), ("c", "T.real({0})"), ("c", "T.imag(-{0})"),
    ],
    "gradient": [
        ("f w", "sg.grad({0}.sum(), {1}, disconnected_inputs='ignore')"),
        ("f w", "sg.grad({0}.mean(), {1}, disconnected_inputs='ignore')"),
        ("f f w", "sg.grad(({0} * {1}).sum(), {2}, disconnected_inputs='ignore')"),
        ("f w", "sg.grad(T.sqr(sg.grad(T.tanh({0}).sum(), {1}, "
         "disconnected_inputs='ignore')).sum(), {1}, disconnected_inputs='ignore')"),
        ("f w", "T.Rop({0}, {1}, T.ones_like({1}) * {c}, disconnected_outputs='ignore')"),
        ("f w", "T.grad(T.tanh({0}).sum(), [{1}], disconnected_inputs='ignore', "
         "consider_constant=[{0}])[0]"),
    ],
    "loop": [
        ("f1+", "sg.scan(lambda x, s: T.tanh(x + s * {c}), {0}, T.zeros_like({0}.sum(axis=0)))[0]"),
        ("f1+ w", "sg.scan(lambda x, s, w: s * {c} + x * w.sum(), {0}, "
         "T.zeros_like({0}.sum(axis=0)), {1})[0]"),
        ("f2 w2", "sg.scan(lambda x, s, w: T.tanh(x + T.dot(s, w)), {0}, "
         "T.zeros_like({0}.sum(axis=0)), {1})[0]"),
        ("f1+", "sg.scan(lambda x, a, b: a * {c} + b * x, {0}, "
         "dict(initial=T.stack([T.zeros_like({0}.sum(axis=0)) + 1] * 2), taps=[-2, -1]))[0]"),
        ("f1+", "sg.scan(lambda x, s: (T.tanh(x - s), sg.until((x * x).sum() > {c})), {0}, "
         "T.zeros_like({0}.sum(axis=0)))[0]"),
        ("f1+", "sg.map(lambda x: T.sqr(x).sum() * {c}, {0})[0]"),
        ("f1+", "sg.reduce(lambda x, s: s + T.tanh(x), {0}, T.zeros_like({0}.sum(axis=0)))[0]"),
        ("f2", "sg.scan(lambda x: sg.scan(lambda y, s: s * {c} + y, x, "
         "T.zeros_like(x.sum()))[0], {0})[0]"),
        ("f1+ f1+", "sg.scan(lambda x, y, s, r: [s + x.sum() * {c}, T.tanh(r * s) + y.sum()], "
         "[{0}, {1}], [T.zeros_like({0}.sum()), T.zeros_like({1}.sum())])[0][1]"),
        ("f", "sg.scan(lambda s: T.tanh(s * 1.1) - {c} * s, outputs_info={0}, n_steps=3)[0][-1]"),
        ("f1+", "sg.scan(lambda x, z, s: s + x * z, dict(input={0}, taps=[-1, 0]), "
         "T.zeros_like({0}.sum(axis=0)), go_backwards=True)[0]"),
        ("f1+ f1", "sg.map(lambda i: {0}[i] * {c}, T.arange({0}.shape[0]))[0]"),
        ("f1+ w", "sg.grad(sg.scan(lambda x, s, w: T.tanh(x.sum() + s * w.sum()), {0}, "
         "T.zeros_like({0}.sum()), {1})[0].sum(), {1})"),
        ("f1+ g", "sg.scan(lambda x, s: sg.ifelse(x.sum() > {c}, s + x, s * 0.5), {0}, "
         "T.zeros_like({0}.sum(axis=0)))[0]"),
    ],
    "random": [
        ("", "sg.random.RandomStream(seed={j}).normal((m,), dtype='{F}') * {c}"),
        ("", "sg.random.RandomStream(seed={j}).uniform((3,), dtype='{F}')"),
        ("f1+", "{0} * sg.random.RandomStream(seed={j}).bernoulli({0}.shape, p=0.6, dtype='{F}', "
         "ndim={0}.ndim)"),
        ("", "sg.random.RandomStream(seed={j}).integers((m,), 0, 7)"),
        ("f1", "{0}[sg.random.RandomStream(seed={j}).permutation(n={0}.shape[0])]"),
        ("", "sg.random.MRG_RandomStreams({j}).uniform((m,), dtype='{F}')"),
        ("", "sg.random.RandomStream(seed={j}).normal((m,), dtype='{F}', "
         "state=sg.shared(np.array([{j}, 0, 9], 'uint64'), shape=(3,)))"),
    ],
}
# How often each family is drawn, beside the ops of the table and the samples of rules.
WEIGHTS = {"elementwise": 8, "choice": 3, "reduction": 5, "softmax": 3, "shape": 6, "index": 5,
           "sort": 1.5, "product": 4, "whole": 3, "complex": 0.7, "gradient": 3, "loop": 1.2,
           "random": 0.5, "table": 5, "sample": 1.5, "rule": 4}
# New values of a shared variable {0}, made with others of its rank
UPDATES = [
    ("f", "T.tanh({1})"), ("f", "{0} - 0.1 * {1}"), ("f", "{1} * {c} + {0}"), ("f", "{0} * 0.9"),
    ("f1+", "T.inc_subtensor({0}[0], {c})"), ("f1+", "{0}[::-1]"),
    ("f1+", "T.set_subtensor({0}[1:], {1}[1:])"), ("f", "T.maximum({0}, {1}) * 0.5"),
    ("f2", "{0} - {c} * T.outer({0}.sum(axis=1), {1}.sum(axis=0))"),
    ("f", "sg.ifelse({1}.sum() > {c}, {0} * 0.5, {0} + {1})"),
    ("f1+", "T.cumsum({0}, axis=0) * 0.5"),
]
