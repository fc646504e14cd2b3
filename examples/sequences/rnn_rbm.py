"""A recurrent network that composes: at each moment it tells a Boltzmann machine what to expect.

    v[t]: the keys that are down, drawn from a restricted Boltzmann machine with biases
          a[t] = a + u[t-1] A        b[t] = b + u[t-1] B
    u[t] = tanh(v[t] V + u[t-1] U + c)

In training v is given, so the recurrence is one scan, and the machines of all moments are trained
at once by CD-15, which is another.  In composing v[t] has to be drawn by 25 sweeps of Gibbs
sampling before u[t] is known: a scan inside a scan, and the state of the random stream goes
through both.

The music is made up: four chords in some key, with a melody of their notes.  In the end there is a
picture of a piece from it and of what was composed, and how many of its notes are in the chord that
is played, as all are in the data.

    python examples/sequences/rnn_rbm.py [--quick]

Boulanger-Lewandowski, Bengio and Vincent, "Modeling temporal dependencies in high-dimensional
sequences", ICML 2012.
"""

import argparse
import time

import numpy as np

import symgrad as sg
import symgrad.tensor as T
from symgrad.tools.weights import draw_tiles

CHORDS = ((0, 4, 7), (7, 11, 14), (9, 12, 16), (5, 9, 12))  # I, V, vi, IV above the key
BEAT = 8  # how long a chord is held


def piece(rng, n_keys, length):
    """A piano roll, 1.0 where a key is down: chords below, a melody an octave above."""
    roll = np.zeros((length, n_keys), "float32")
    key, first = rng.integers(0, 5), rng.integers(0, len(CHORDS))
    for t in range(length):
        chord = CHORDS[(first + t // BEAT) % len(CHORDS)]
        roll[t, [key + note for note in chord]] = 1
        roll[t, key + 12 + chord[t // 2 % 3]] = 1
    return roll


class RnnRbm:
    def __init__(self, n_visible, n_hidden, n_recurrent, rng, stream):
        def some(*shape):
            return sg.shared(rng.normal(0, 0.01, shape).astype("float32"))

        def zeros(n):
            return sg.shared(np.zeros(n, "float32"))

        self.n_visible, self.n_recurrent, self.stream = n_visible, n_recurrent, stream
        self.W, self.a, self.b = some(n_visible, n_hidden), zeros(n_visible), zeros(n_hidden)
        self.A, self.B = some(n_recurrent, n_visible), some(n_recurrent, n_hidden)
        self.V, self.U = some(n_visible, n_recurrent), some(n_recurrent, n_recurrent)
        self.c = zeros(n_recurrent)
        self.params = [self.W, self.a, self.b, self.A, self.B, self.V, self.U, self.c]

    def biases(self, u):
        return self.a + T.dot(u, self.A), self.b + T.dot(u, self.B)

    def following(self, v, u):
        return T.tanh(T.dot(v, self.V) + T.dot(u, self.U) + self.c)

    def gibbs(self, v, a, b, n):
        """v after n sweeps, the logits it was drawn by, and the updates of the stream."""

        def draw(z):
            return self.stream.bernoulli(z.shape, p=T.nnet.sigmoid(z), dtype="float32")

        def sweep(v):
            h = draw(T.dot(v, self.W) + b)
            z = T.dot(h, self.W.T) + a
            return [draw(z), z]

        (vs, zs), updates = sg.scan(sweep, outputs_info=[v, None], n_steps=n)
        return vs[-1], zs[-1], updates

    def trainer(self, learning_rate):
        """A function of a piece that trains on it, and gives the mean cross-entropy of its moments
        and what the machine makes of them."""
        roll = T.fmatrix("roll")
        silence = T.zeros((self.n_recurrent,), dtype="float32")

        def step(v, u):
            a, b = self.biases(u)
            return [self.following(v, u), a, b]

        (_, a, b), updates = sg.scan(step, sequences=roll, outputs_info=[silence, None, None])
        v, z, drawn = self.gibbs(roll, a, b, n=15)

        def free_energy(v):
            return -T.sum(v * a) - T.sum(T.nnet.softplus(T.dot(v, self.W) + b))

        cost = (free_energy(roll) - free_energy(v)) / T.cast(roll.shape[0], "float32")
        told = T.mean(T.sum(T.nnet.sigmoid_binary_crossentropy(z, roll), axis=1))
        slopes = sg.grad(cost, self.params, consider_constant=[v])
        updates.update(drawn)
        updates.update(sg.updates.adam(slopes, self.params, learning_rate))
        return sg.function([roll], told, updates=updates)

    def composer(self, length):
        """A function that makes a piano roll."""
        silence = T.zeros((self.n_recurrent,), dtype="float32")

        def step(u):
            a, b = self.biases(u)
            v, _, updates = self.gibbs(T.zeros((self.n_visible,), dtype="float32"), a, b, n=25)
            return [v, self.following(v, u)], updates

        (roll, _), updates = sg.scan(step, outputs_info=[None, silence], n_steps=length)
        return sg.function([], roll, updates=updates)


def in_harmony(roll):
    """The share of notes that are in the chord, of any key, that fits most of the notes that are
    down with them."""
    hit = all_notes = 0
    for keys in roll:
        notes = np.flatnonzero(keys) % 12
        chords = [{(key + note) % 12 for note in chord} for key in range(12) for chord in CHORDS]
        hit += max((sum(n in chord for n in notes.tolist()) for chord in chords), default=0)
        all_notes += len(notes)
    return hit / max(all_notes, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a smaller network, a few pieces")
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    n_epochs, n_pieces, units = (15, 20, 40) if options.quick else (options.epochs, 100, 100)
    learning_rate = 0.01 if options.quick else 0.002
    n_keys, length = 36, 64
    rng, stream = np.random.default_rng(3), sg.random.RandomStream(seed=5)
    pieces = [piece(rng, n_keys, length) for _ in range(n_pieces)]
    print(f"A recurrent network of {units} units and a Boltzmann machine of {units} hidden ones, "
          f"{n_pieces} pieces of {length} moments:")
    model = RnnRbm(n_keys, units, units, rng, stream)
    train, compose = model.trainer(learning_rate), model.composer(2 * length)
    seconds = time.perf_counter()
    for epoch in range(1, n_epochs + 1):
        told = np.mean([train(pieces[i]) for i in rng.permutation(n_pieces)])
        if epoch == 1 or epoch % max(1, n_epochs // 5) == 0:
            print(f"  epoch {epoch:2d}: cross-entropy {told:.3f} "
                  f"({time.perf_counter() - seconds:.1f} s)")
    composed = compose()
    print(f"Notes in harmony: {100 * in_harmony(pieces[0]):.1f} % of a piece, "
          f"{100 * in_harmony(composed):.1f} % of what was composed, "
          f"{100 * in_harmony(rng.random(composed.shape) < 4 / n_keys):.1f} % of noise")
    rolls = {"a piece of the data": piece(rng, n_keys, 2 * length), "composed": composed}
    pictures = {title: roll.T[None, ::-1] for title, roll in rolls.items()}
    print(f"Wrote {draw_tiles('rnn_rbm.png', pictures, across=1, kind='images')}")


if __name__ == "__main__":
    main()
