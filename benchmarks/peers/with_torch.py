"""torch, eager: its own fused cross-entropy, gradients by `autograd.grad`, updates in place."""
import torch
from torch.nn.functional import cross_entropy

from peers import works
from peers.works import L2, LAYERS_RATE, MLP_RATE

torch.set_num_threads(1)


def given(array):
    return torch.as_tensor(array)


def parameters(start):
    return [torch.as_tensor(value).requires_grad_() for value in start]


def descent(loss, start, rate):
    """The training function of a loss: plain gradient descent."""
    params, down = parameters(start), -float(rate)

    def train(x, y):
        value = loss(params, x, y)
        slopes = torch.autograd.grad(value, params)
        with torch.no_grad():
            for p, g in zip(params, slopes, strict=True):
                p.add_(g, alpha=down)
        return value.detach()

    return train


def linear_loss(params, x, y):
    """Of a batch, or of a vector and its class."""
    W, b = params
    return cross_entropy(x @ W + b, y)


def mlp_loss(params, x, y):
    W1, b1, W2, b2 = params
    hidden = torch.tanh(torch.addmm(b1, x, W1))
    weights = (W1 * W1).sum() + (W2 * W2).sum()
    return cross_entropy(torch.addmm(b2, hidden, W2), y) + L2 * weights


def layers_loss(params, x, target):
    for W, b in zip(params[::2], params[1::2], strict=True):
        x = torch.tanh(torch.addmm(b, x, W))
    return ((x - target) ** 2).mean()


def formula(x, y):
    left = torch.tanh(x * y + 1) * torch.exp(-x * x)
    return left + torch.log1p(abs(y)) * torch.sigmoid(x - y)


def logistic(size, *start):
    return descent(linear_loss, start, works.rate(size))


def example(size, *start):
    return descent(linear_loss, start, works.rate(1))


def epoch(size, *start):
    step = example(1, *start)

    def train(images, labels):
        return sum(step(x, y) for x, y in zip(images, labels, strict=True)) / size

    return train


def mlp(size, *start):
    return descent(mlp_loss, start, MLP_RATE)


def chain(size):
    return formula


def chain_gradients(size):
    def value(x, y):
        x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
        total = formula(x, y).sum()
        return total.detach(), *torch.autograd.grad(total, (x, y))
    return value


def layers(size, *start):
    return descent(layers_loss, start, LAYERS_RATE)


def call(size):
    return lambda x: x + 1
