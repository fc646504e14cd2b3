"""Hamiltonian Monte Carlo: sampling by letting particles roll over the surface of an energy.

A particle gets a random velocity and follows the equations of motion for 20 steps of leapfrog, one
`sg.scan` whose step takes the gradient of the energy at each new position.  Energy would be kept if
steps were infinitely small; as they are not, the new position is accepted with probability
exp(energy before - energy after).  The step size grows while more than 90 % are accepted, and
shrinks while fewer are.

Sampled is a Gaussian in five dimensions, by three particles at a time.  The Deep Learning Tutorial
reports for it a step size of 0.460446628091 and an acceptance of 0.922502043428 in the end; with
its random numbers, those of NumPy's RandomState, this ends there too.  `sg.random.RandomStream`
would draw them in machine code, others but as good.

    python examples/sampling/hmc.py [--quick]

Neal, "MCMC using Hamiltonian dynamics", Handbook of Markov Chain Monte Carlo (2011).
"""

import argparse
import time

import numpy as np

import symgrad as sg
import symgrad.tensor as T

TARGET = 0.9  # what acceptance to aim at
GROW, SHRINK, SMALLEST, LARGEST = 1.02, 0.98, 0.001, 0.5  # of the step size
MEMORY = 0.9  # how slowly the average acceptance follows


def leapfrog(energy, position, velocity, size, n_steps):
    """Position and velocity after `n_steps` of that size; both at the same time at both ends."""

    def force(q):
        return -sg.grad(T.sum(energy(q)), q)

    def step(q, v):  # v is half a step ahead of q
        v = v + size * force(q)
        return [q + size * v, v]

    velocity = velocity + size / 2 * force(position)
    position = position + size * velocity
    (qs, vs), updates = sg.scan(step, outputs_info=[position, velocity], n_steps=n_steps - 1)
    assert not updates  # nothing is drawn in a step
    return qs[-1], vs[-1] + size / 2 * force(qs[-1])


def sampler(energy, particles, stream, n_steps=20):
    """A function that moves the particles on; and the shared variables of the step size and the
    average acceptance."""
    size = sg.shared(1e-3, name="size")
    average = sg.shared(TARGET, name="average")

    def total(q, v):
        return energy(q) + T.sum(v**2, axis=1) / 2

    velocity = stream.normal(particles.shape)
    q, v = leapfrog(energy, particles, velocity, size, n_steps)
    chance = T.exp(total(particles, velocity) - total(q, v))
    accept = stream.uniform(chance.shape) <= chance
    following = size * T.where(average > TARGET, GROW, SHRINK)
    updates = {
        particles: T.where(accept[:, None], q, particles),
        average: MEMORY * average + (1 - MEMORY) * T.mean(accept, dtype="float64"),
        size: T.clip(following, SMALLEST, LARGEST),
    }
    return sg.function([], [], updates=updates), size, average


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer draws")
    options = parser.parse_args()
    n_burn_in, n_samples = (400, 200) if options.quick else (1000, 1000)

    rng = np.random.RandomState(123)
    n_particles, n = 3, 5
    mean, cov = 10 * rng.rand(n), rng.rand(n, n)
    cov = (cov + cov.T) / 2
    np.fill_diagonal(cov, 1)
    precision = np.linalg.inv(cov)

    def gaussian(x):
        return T.sum(T.dot(x - mean, precision) * (x - mean), axis=1) / 2

    particles = sg.shared(rng.randn(n_particles, n), name="particles")
    stream = sg.random.RandomStreams(seed=12345)
    draw, size, average = sampler(gaussian, particles, stream)
    print(f"Hamiltonian Monte Carlo in {n} dimensions, {n_particles} particles, {n_burn_in} draws "
          f"to burn in and {n_samples} to keep:")
    seconds = time.perf_counter()
    draws = []
    for _ in range(n_burn_in + n_samples):
        draw()
        draws.append(particles.get_value())
    seconds = time.perf_counter() - seconds
    kept = np.array(draws[n_burn_in:]).reshape(-1, n)

    with np.printoptions(precision=4, suppress=True):
        print(f"mean, target:    {mean}")
        print(f"mean, empirical: {kept.mean(axis=0)}")
        print("covariance, target and empirical:")
        for row, found in zip(cov, np.cov(kept, rowvar=False), strict=True):
            print(f"  {row}   {found}")
    print(f"took {seconds:.2f} s, {1e6 * seconds / (n_burn_in + n_samples):.0f} us a draw")
    print(f"step size {size.get_value():.12f}, acceptance {average.get_value():.12f}")


if __name__ == "__main__":
    main()
