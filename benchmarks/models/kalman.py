"""A Kalman filter over 50 steps with a state of two numbers: log-likelihood and its gradient.

The gradient is taken in the logarithms of both noises; one number is seen at each step.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    seen, log_noise = T.dvector("seen"), T.dvector("log_noise")
    A = T.constant(np.array([[1.0, 1.0], [0.0, 1.0]]))
    moving, seeing = T.exp(log_noise[0]) * T.eye(2), T.exp(log_noise[1])

    def step(z, m, P, moving, seeing):
        m, P = T.dot(A, m), T.dot(T.dot(A, P), A.T) + moving
        spread, off = P[0, 0] + seeing, z - m[0]
        gain = P[:, 0] / spread
        likelihood = -0.5 * (T.log(2 * np.pi * spread) + off ** 2 / spread)
        return m + gain * off, P - T.outer(gain, P[0]), likelihood

    first = [T.zeros(2), 10.0 * T.eye(2), None]
    (means, _, likelihood), _ = sg.scan(step, sequences=seen, outputs_info=first,
                                        non_sequences=[moving, seeing])
    cost = -T.sum(likelihood)
    values = [np.cumsum(rng.normal(size=50)), np.array([-2.0, 0.0])]
    outputs = [cost, sg.grad(cost, log_noise), means[-1]]
    return {"inputs": [seen, log_noise], "outputs": outputs}, values
