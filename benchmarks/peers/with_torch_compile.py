"""torch.compile of the whole step (of LeNet, its loss): loss, gradients and updates in one graph.

Needs a C++ compiler.  The epoch and the small loops are missing: a Python loop in a
compiled function is unrolled, 1,000 times and more.
"""
import torch

from peers import with_torch, works
from peers.with_torch import formula, given  # noqa: F401  (given is this module's too)
from peers.works import LAYERS_RATE, LENET_RATE, LSTM_RATE, MLP_RATE


def compiled(function):
    return torch.compile(function, fullgraph=True, dynamic=False)


def descent(loss, start, rate):
    params, rate = [torch.as_tensor(value) for value in start], float(rate)
    both = torch.func.grad_and_value(loss)

    def step(params, x, y):
        slopes, value = both(params, x, y)
        for p, g in zip(params, slopes, strict=True):
            p.sub_(rate * g)    # add_(g, alpha=-rate) gave wrong numbers here in torch 2.13
        return value

    step = compiled(step)

    def train(x, y):
        with torch.no_grad():
            return step(params, x, y)

    return train


def logistic(size, *start):
    return descent(with_torch.linear_loss, start, works.rate(size))


def example(size, *start):
    return descent(with_torch.linear_loss, start, works.rate(1))


def mlp(size, *start):
    return descent(with_torch.mlp_loss, start, MLP_RATE)


def lenet(size, *start):
    """Only the loss, with its gradient by autograd: the whole step takes half as long again."""
    return with_torch.descent(compiled(with_torch.lenet_loss), start, LENET_RATE)


def chain(size):
    return compiled(formula)


def chain_gradients(size):
    both = torch.func.grad_and_value(lambda x, y: formula(x, y).sum(), argnums=(0, 1))

    def value(x, y):
        slopes, total = both(x, y)
        return total, *slopes

    return compiled(value)


def layers(size, *start):
    return descent(with_torch.layers_loss, start, LAYERS_RATE)


def lstm(size, *start):
    """Over cells: `nn.LSTM` is not compiled."""
    return descent(with_torch.cells_loss, start, LSTM_RATE)


def call(size):
    return compiled(lambda x: x + 1)
