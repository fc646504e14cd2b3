"""Update rules for gradient descent, bounds on norms, and learning-rate schedules; see `rules`."""

from symgrad.updates import schedules
from symgrad.updates.clip import norm_constraint, total_norm_constraint
from symgrad.updates.common import counter
from symgrad.updates.rules import (
    adadelta,
    adagrad,
    adam,
    adamax,
    adamw,
    amsgrad,
    apply_momentum,
    apply_nesterov_momentum,
    momentum,
    nesterov,
    nesterov_momentum,
    rmsprop,
    sgd,
)

__all__ = [
    "adadelta", "adagrad", "adam", "adamax", "adamw", "amsgrad", "apply_momentum",
    "apply_nesterov_momentum", "counter", "momentum", "nesterov", "nesterov_momentum",
    "norm_constraint", "rmsprop", "schedules", "sgd", "total_norm_constraint",
]
