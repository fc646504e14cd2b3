"""JAX: `jit` of the whole step, parameters donated, loops a `lax.scan`, data on the device.

Of `unroll` the quickest is taken: it pays only where there is no gradient.
"""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from peers import works
from peers.works import L2, LAYERS_RATE, LENET_RATE, LSTM_RATE, MLP_RATE, POOL


def given(array):
    """An argument as JAX would have it (its integers have 32 bits)."""
    return jax.device_put(np.asarray(array))


def finish(result):
    jax.block_until_ready(result)


def stepping(step, start):
    """A function that keeps the parameters between calls of `step`, which may reuse memory."""
    step = jax.jit(step, donate_argnums=0)
    params = [given(value) for value in start]

    def train(x, y):
        nonlocal params
        params, loss = step(params, x, y)
        return loss

    return train


def descent(loss, rate):
    """A step of plain gradient descent."""
    def step(params, x, y):
        value, slopes = jax.value_and_grad(loss)(params, x, y)
        return [p - rate * g for p, g in zip(params, slopes, strict=True)], value
    return step


def cross_entropy(logits, y):
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
    return -jnp.mean(chosen)


def logistic(size, *start):
    def loss(params, x, y):
        W, b = params
        return cross_entropy(x @ W + b, y)
    return stepping(descent(loss, works.rate(size)), start)


def one(params, x, y):
    W, b = params
    return -jax.nn.log_softmax(x @ W + b)[y]


def example(size, *start):
    return stepping(descent(one, works.rate(1)), start)


def epoch(size, *start):
    step = descent(one, works.rate(1))

    def run(params, images, labels):
        params, losses = lax.scan(lambda p, xy: step(p, *xy), params, (images, labels))
        return params, jnp.mean(losses)

    return stepping(run, start)


def mlp(size, *start):
    def loss(params, x, y):
        W1, b1, W2, b2 = params
        hidden = jnp.tanh(x @ W1 + b1)
        weights = jnp.sum(W1 * W1) + jnp.sum(W2 * W2)
        return cross_entropy(hidden @ W2 + b2, y) + L2 * weights
    return stepping(descent(loss, MLP_RATE), start)


def lenet(size, *start):
    def loss(params, x, y):
        *layers, W3, b3, W4, b4 = params
        h, window = x.reshape(size, 1, 28, 28), (1, 1, POOL, POOL)
        for W, b in zip(layers[::2], layers[1::2], strict=True):
            h = lax.conv(h, W, (1, 1), "VALID")
            h = lax.reduce_window(h, -jnp.inf, lax.max, window, window, "VALID")
            h = jnp.tanh(h + b[:, None, None])
        h = jnp.tanh(h.reshape(size, -1) @ W3 + b3)
        return cross_entropy(h @ W4 + b4, y)
    return stepping(descent(loss, LENET_RATE), start)


def formula(x, y):
    return jnp.tanh(x * y + 1) * jnp.exp(-x * x) + jnp.log1p(jnp.abs(y)) * jax.nn.sigmoid(x - y)


def chain(size):
    return jax.jit(formula)


def chain_gradients(size):
    both = jax.value_and_grad(lambda x, y: jnp.sum(formula(x, y)), argnums=(0, 1))

    def value(x, y):
        total, slopes = both(x, y)
        return total, *slopes

    return jax.jit(value)


def layers(size, *start):
    def loss(params, x, target):
        for W, b in zip(params[::2], params[1::2], strict=True):
            x = jnp.tanh(x @ W + b)
        return jnp.mean((x - target) ** 2)
    return stepping(descent(loss, LAYERS_RATE), start)


def lstm(size, *start):
    def loss(params, x, y):
        W, U, b, V, c = params
        first = jnp.zeros((size, len(U)), jnp.float32)

        def step(state, xW):
            h, cell = state
            o, i, f, g = jnp.split(xW + h @ U, 4, axis=1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (h, cell), h

        _, states = lax.scan(step, (first, first), x @ W + b)
        return cross_entropy(jnp.mean(states, axis=0) @ V + c, y)
    return stepping(descent(loss, LSTM_RATE), start)


def recurrence(size):
    jax.config.update("jax_enable_x64", True)

    def cost(A, b, h):
        def step(h, _):
            h = jnp.tanh(A @ h + b)
            return h, h
        _, states = lax.scan(step, h, None, length=size)
        return jnp.sum(states * states)

    both = jax.value_and_grad(cost, argnums=(0, 1, 2))

    def value(A, b, h):
        total, slopes = both(A, b, h)
        return total, *slopes

    return jax.jit(value)


def steps(size):
    jax.config.update("jax_enable_x64", True)
    return jax.jit(lambda x, a, b: lax.fori_loop(0, size, lambda _, x: a * x + b, x,
                                                 unroll=50))


def call(size):
    return jax.jit(lambda x: x + 1)
