"""SGD and its relatives: each rule turns a cost and its parameters into the updates of one step.

    updates = sg.updates.adam(cost, params, learning_rate=1e-3)
    step = sg.function([x, y], cost, updates=updates)

The first argument is a scalar cost or a list with one gradient for each parameter.
Hyperparameters are numbers, scalar shared variables or scalar expressions such as
`symgrad.updates.schedules` make.  Names, defaults and formulas are Lasagne's, so programs carry
over.  Every rule raises `ArgumentError` for parameters that are not shared, come twice or do not
match the gradients, and `DtypeError` for parameters that are not real floats.

In the formulas p is a parameter and g its gradient; what a rule remembers (v, m, s, …) starts at
zero.
"""

from __future__ import annotations

from collections import OrderedDict

import symgrad.tensor as T
from symgrad.errors import ArgumentError
from symgrad.updates.common import (
    checked,
    counter,
    decay,
    in_dtype,
    is_kept,
    label,
    pairs,
    scalars,
    state,
    ticking,
)


def sgd(loss_or_grads, params, learning_rate):
    """Gradient descent: ``p - learning_rate * g``.

    Robbins and Monro, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22
    (1951).

    >>> w = sg.shared(np.float32(3), name="w")
    >>> step = sg.function([], [], updates=sg.updates.sgd(w ** 2, [w], learning_rate=0.25))
    >>> step(), float(w.get_value())
    ([], 1.5)
    """
    scalars("sgd", learning_rate=learning_rate)
    updates = OrderedDict()
    for p, g in pairs("sgd", loss_or_grads, params):
        updates[p] = p - in_dtype(learning_rate, p.dtype) * g
    return ticking(updates, learning_rate)


def momentum(loss_or_grads, params, learning_rate, momentum=0.9):
    """Gradient descent with momentum: ``v = momentum * v - learning_rate * g``, then ``p + v``.

    Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
    Mathematics and Mathematical Physics 4 (1964).
    """
    scalars("momentum", learning_rate=learning_rate, momentum=momentum)
    updates = OrderedDict()
    for p, g in pairs("momentum", loss_or_grads, params):
        v = state(p, "velocity")
        updates[v] = in_dtype(momentum, p.dtype) * v - in_dtype(learning_rate, p.dtype) * g
        updates[p] = p + updates[v]
    return ticking(updates, learning_rate, momentum)


def nesterov_momentum(loss_or_grads, params, learning_rate, momentum=0.9):
    """Momentum that looks ahead: ``step = learning_rate * g``, ``v = momentum * v - step``, then
    ``p + momentum * v - step``.

    Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)",
    Soviet Mathematics Doklady 27 (1983); in this form Sutskever, Martens, Dahl and Hinton, "On the
    importance of initialization and momentum in deep learning", ICML 2013, with the gradient taken
    at the stored parameters.
    """
    scalars("nesterov_momentum", learning_rate=learning_rate, momentum=momentum)
    updates = OrderedDict()
    for p, g in pairs("nesterov_momentum", loss_or_grads, params):
        v, kept = state(p, "velocity"), in_dtype(momentum, p.dtype)
        step = in_dtype(learning_rate, p.dtype) * g
        updates[v] = kept * v - step
        updates[p] = p + kept * updates[v] - step
    return ticking(updates, learning_rate, momentum)


nesterov = nesterov_momentum


def apply_momentum(updates, params=None, momentum=0.9):
    """`updates` (a dict or pairs) with momentum added to the steps they take.

    `params` are the ones whose steps change; when None, all but what other rules keep.  Returns a
    new OrderedDict.  Polyak (1964), as `momentum`.
    """
    scalars("apply_momentum", momentum=momentum)
    updates = OrderedDict(updates)
    for p in _moving("apply_momentum", updates, params):
        v = state(p, "velocity")
        moved = in_dtype(momentum, p.dtype) * v + updates[p]
        updates[v] = moved - p
        updates[p] = moved
    return ticking(updates, momentum)


def apply_nesterov_momentum(updates, params=None, momentum=0.9):
    """`updates` (a dict or pairs) with Nesterov's momentum added to the steps they take.

    Arguments as `apply_momentum`; the form is that of Sutskever et al. (2013), as
    `nesterov_momentum`.
    """
    scalars("apply_nesterov_momentum", momentum=momentum)
    updates = OrderedDict(updates)
    for p in _moving("apply_nesterov_momentum", updates, params):
        v, kept = state(p, "velocity"), in_dtype(momentum, p.dtype)
        updates[v] = kept * v + updates[p] - p
        updates[p] = kept * updates[v] + updates[p]
    return ticking(updates, momentum)


def _moving(rule, updates, params):
    """The checked keys of `updates` that get momentum."""
    if params is None:
        params = [p for p in updates if not is_kept(p)]
    params = checked(rule, params)
    for i, p in enumerate(params):
        if p not in updates:
            raise ArgumentError(f"{rule}: parameter {label(p, i)} has no entry in the updates")
    return params


def adagrad(loss_or_grads, params, learning_rate=1.0, epsilon=1e-6):
    """Steps scaled by all past gradients: ``s = s + g²``, then ``p - learning_rate * g / sqrt(s +
    epsilon)``.

    Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", JMLR 12 (2011).
    """
    scalars("adagrad", learning_rate=learning_rate, epsilon=epsilon)
    updates = OrderedDict()
    for p, g in pairs("adagrad", loss_or_grads, params):
        s = state(p, "squares")
        updates[s] = s + g ** 2
        scale = T.sqrt(updates[s] + in_dtype(epsilon, p.dtype))
        updates[p] = p - in_dtype(learning_rate, p.dtype) * g / scale
    return ticking(updates, learning_rate)


def rmsprop(loss_or_grads, params, learning_rate=1.0, rho=0.9, epsilon=1e-6):
    """Steps scaled by recent gradients: ``s = rho * s + (1 - rho) * g²``, then
    ``p - learning_rate * g / sqrt(s + epsilon)``.

    Tieleman and Hinton, "Lecture 6.5: rmsprop", Coursera: Neural Networks for Machine Learning
    (2012).
    """
    scalars("rmsprop", learning_rate=learning_rate, rho=rho, epsilon=epsilon)
    updates = OrderedDict()
    for p, g in pairs("rmsprop", loss_or_grads, params):
        s = state(p, "squares")
        updates[s] = decay(rho, s, g ** 2)
        scale = T.sqrt(updates[s] + in_dtype(epsilon, p.dtype))
        updates[p] = p - in_dtype(learning_rate, p.dtype) * g / scale
    return ticking(updates, learning_rate, rho)


def adadelta(loss_or_grads, params, learning_rate=1.0, rho=0.95, epsilon=1e-6):
    """Steps scaled by recent gradients and recent steps, so that they have the parameter's unit:
    ``s = rho * s + (1 - rho) * g²``, ``step = g * sqrt(d + epsilon) / sqrt(s + epsilon)``,
    ``d = rho * d + (1 - rho) * step²``, then ``p - learning_rate * step``.

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701 (2012), where the
    learning rate is 1.
    """
    scalars("adadelta", learning_rate=learning_rate, rho=rho, epsilon=epsilon)
    updates = OrderedDict()
    for p, g in pairs("adadelta", loss_or_grads, params):
        s, d = state(p, "squares"), state(p, "steps")
        tiny = in_dtype(epsilon, p.dtype)
        updates[s] = decay(rho, s, g ** 2)
        step = g * T.sqrt(d + tiny) / T.sqrt(updates[s] + tiny)
        updates[d] = decay(rho, d, step ** 2)
        updates[p] = p - in_dtype(learning_rate, p.dtype) * step
    return ticking(updates, learning_rate, rho)


def adam(loss_or_grads, params, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Momentum over scaled gradients, with the bias of the zero start removed: ``t = t + 1``, ``m
    = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g²``, then ``p - rate * m /
    (sqrt(v) + epsilon)`` with ``rate = learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t)``.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980 (2014), in the
    order of computation of its section 2 (epsilon is that section's epsilon-hat).  float16
    parameters need a larger epsilon: 1e-8 is zero in their dtype.
    """
    return _adam("adam", loss_or_grads, params, learning_rate, beta1, beta2, epsilon)


def amsgrad(loss_or_grads, params, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """`adam` with steps scaled by the largest v so far: ``u = max(u, v)``, then
    ``p - rate * m / (sqrt(u) + epsilon)``.

    Reddi, Kale and Kumar, "On the Convergence of Adam and Beyond", ICLR 2018.
    """
    return _adam("amsgrad", loss_or_grads, params, learning_rate, beta1, beta2, epsilon,
                 largest=True)


def adamw(loss_or_grads, params, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8,
          weight_decay=0.01):
    """`adam` with decay of the weights apart from the gradient: adam's step is taken from
    ``p - learning_rate * weight_decay * p``.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, whose schedule
    multiplier and alpha are here the one `learning_rate`.
    """
    return _adam("adamw", loss_or_grads, params, learning_rate, beta1, beta2, epsilon,
                 weight_decay=weight_decay)


def _adam(rule, loss_or_grads, params, learning_rate, beta1, beta2, epsilon, largest=False,
          weight_decay=0.0):
    scalars(rule, learning_rate=learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon,
            weight_decay=weight_decay)
    t = counter(f"{rule}_step")
    mean_bias, square_bias = _bias(beta1, t), _bias(beta2, t)
    rate = _wide(learning_rate) * T.sqrt(square_bias) / mean_bias
    updates = OrderedDict()
    for p, g in pairs(rule, loss_or_grads, params):
        m, v = state(p, "mean"), state(p, "squares")
        updates[m] = decay(beta1, m, g)
        updates[v] = scale = decay(beta2, v, g ** 2)
        if largest:
            u = state(p, "largest")
            updates[u] = scale = T.maximum(u, scale)
        step = in_dtype(rate, p.dtype) * updates[m] / (T.sqrt(scale) + in_dtype(epsilon, p.dtype))
        start = p
        if not (isinstance(weight_decay, float | int) and weight_decay == 0):
            start = p - in_dtype(_wide(learning_rate) * _wide(weight_decay), p.dtype) * p
        updates[p] = start - step
    return ticking(updates, rate, weight_decay)


def adamax(loss_or_grads, params, learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """`adam` with the largest recent gradient in place of the root of the squares: ``t = t + 1``,
    ``m = beta1 * m + (1 - beta1) * g``, ``u = max(beta2 * u, |g|)``, then
    ``p - learning_rate / (1 - beta1^t) * m / (u + epsilon)``.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980 (2014), section
    7.1.
    """
    scalars("adamax", learning_rate=learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon)
    t = counter("adamax_step")
    rate = _wide(learning_rate) / _bias(beta1, t)
    updates = OrderedDict()
    for p, g in pairs("adamax", loss_or_grads, params):
        m, u = state(p, "mean"), state(p, "largest")
        updates[m] = decay(beta1, m, g)
        updates[u] = T.maximum(in_dtype(beta2, p.dtype) * u, abs(g))
        scale = updates[u] + in_dtype(epsilon, p.dtype)
        updates[p] = p - in_dtype(rate, p.dtype) * updates[m] / scale
    return ticking(updates, rate)


def _wide(x):
    return in_dtype(x, "float64")


def _bias(beta, t):
    """``1 - beta^(t + 1)``, in float64: float32 would lose four of its digits."""
    return 1.0 - _wide(beta) ** (_wide(t) + 1.0)
