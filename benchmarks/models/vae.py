"""A training step of a variational autoencoder, 784 inputs, 100 hidden units, 10 latent.

50 rows; reparametrised draws, Bernoulli likelihood of logits, divergence in closed form, Adam.
"""
import numpy as np

import symgrad as sg
import symgrad.tensor as T


def build():
    rng = np.random.default_rng(0)
    x = T.fmatrix("x")

    def matrix(name, *shape):
        return sg.shared(rng.normal(scale=0.1, size=shape).astype("float32"), name=name)

    A, M, S = matrix("A", 784, 100), matrix("M", 100, 10), matrix("S", 100, 10)
    B, C = matrix("B", 10, 100), matrix("C", 100, 784)
    hidden = T.tanh(T.dot(x, A))
    mean, log_variance = T.dot(hidden, M), T.dot(hidden, S)
    stream = sg.random.RandomStreams(7)
    noise = stream.normal(size=mean.shape, dtype="float32")
    z = mean + T.exp(np.float32(0.5) * log_variance) * noise
    logits = T.dot(T.tanh(T.dot(z, B)), C)
    likelihood = T.sum(x * logits - T.log(1 + T.exp(logits)), axis=1)
    divergence = np.float32(0.5) * T.sum(
        T.exp(log_variance) + mean ** 2 - 1 - log_variance, axis=1)
    cost = T.mean(divergence - likelihood)
    updates = sg.updates.adam(cost, [A, M, S, B, C], learning_rate=0.001)
    values = [(rng.random((50, 784)) < 0.3).astype("float32")]
    return {"inputs": [x], "outputs": cost, "updates": updates}, values
