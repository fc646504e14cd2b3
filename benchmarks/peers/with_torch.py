"""torch, eager: its own fused cross-entropy, gradients by `autograd.grad`, updates in place.

Its LSTM is its own too, which takes half the time of a loop over cells.
"""
import torch
from torch.nn.functional import conv2d, cross_entropy, max_pool2d

from peers import works
from peers.works import L2, LAYERS_RATE, LENET_RATE, LSTM_RATE, MLP_RATE, POOL

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


def lenet_loss(params, x, y):
    *layers, W3, b3, W4, b4 = params
    h = x.reshape(len(x), 1, 28, 28)
    for W, b in zip(layers[::2], layers[1::2], strict=True):
        h = torch.tanh(max_pool2d(conv2d(h, W), POOL) + b[:, None, None])
    h = torch.tanh(torch.addmm(b3, h.flatten(1), W3))
    return cross_entropy(torch.addmm(b4, h, W4), y)


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


def lenet(size, *start):
    return descent(lenet_loss, start, LENET_RATE)


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


def cells_loss(params, x, y):
    """A loop over the cells, one node of torch's graph for each operation."""
    W, U, b, V, c = params
    steps, size, _ = x.shape
    h = cell = torch.zeros(size, len(U))
    states = []
    for z in torch.addmm(b, x.flatten(0, 1), W).view(steps, size, -1).unbind(0):
        z = torch.addmm(z, h, U)
        o, i, f = z[:, :3 * len(U)].sigmoid().chunk(3, 1)
        cell = f * cell + i * z[:, 3 * len(U):].tanh()
        h = o * cell.tanh()
        states.append(h)
    return cross_entropy(torch.addmm(c, torch.stack(states).mean(0), V), y)


def lstm(size, *start):
    """`nn.LSTM` wants each gate's rows together, in the order input, forget, candidate, output."""
    W, U, b, V, c = map(torch.as_tensor, start)
    layer = torch.nn.LSTM(len(W), len(U))
    o, i, f, g = torch.vstack((W, U, b)).chunk(4, 1)
    rows = torch.hstack((i, f, g, o)).T
    with torch.no_grad():
        layer.weight_ih_l0.copy_(rows[:, :len(W)])
        layer.weight_hh_l0.copy_(rows[:, len(W):-1])
        layer.bias_ih_l0.copy_(rows[:, -1])
        layer.bias_hh_l0.zero_()
    layer.bias_hh_l0.requires_grad_(False)      # one bias, as everywhere
    theirs = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0

    def loss(params, x, y):
        states, _ = layer(x)
        V, c = params[3:]
        return cross_entropy(torch.addmm(c, states.mean(0), V), y)

    return descent(loss, (*theirs, V, c), LSTM_RATE)


def recurrence(size):
    def value(*given):
        A, b, h = start = [v.detach().requires_grad_() for v in given]
        states = []
        for _ in range(size):
            h = torch.addmv(b, A, h).tanh()
            states.append(h)
        cost = torch.stack(states).square().sum()
        return cost.detach(), *torch.autograd.grad(cost, start)

    return value


def steps(size):
    def value(x, a, b):
        x, step = x.clone(), torch.addcmul
        for _ in range(size):
            step(b, a, x, out=x)
        return x

    return value


def call(size):
    return lambda x: x + 1
