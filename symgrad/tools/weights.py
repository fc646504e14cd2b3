"""Saving trained weights and drawing them as pictures of the input."""

from __future__ import annotations

from math import ceil, isqrt

import numpy as np

from symgrad.errors import MissingPackage, ShapeError
from symgrad.extras import need


def save_weights(directory, weights):
    """Write {name: array} to ``model.safetensors``, or to ``model.npz`` without safetensors;
    returns the path."""
    weights = {name: np.ascontiguousarray(value) for name, value in weights.items()}
    try:
        path = directory / "model.safetensors"
        need("safetensors.numpy").save_file(weights, path)
    except MissingPackage:
        path = directory / "model.npz"
        np.savez(path, **weights)
    return path


def load_weights(path):
    """{name: array} from a file that `save_weights` wrote."""
    if str(path).endswith(".npz"):
        with np.load(path) as file:
            return dict(file)
    return need("safetensors.numpy").load_file(path)


def draw_weights(path, weights, labelled=False, most=100):
    """Draw the columns of an (inputs, units) matrix as square pictures, the first `most` of them.

    Red is a positive weight, blue a negative one, on one scale for all; `labelled` numbers the
    units.  Raises `ShapeError` when the number of inputs is no square.  Returns the path.
    """
    side = isqrt(len(weights))
    if side * side != len(weights):
        raise ShapeError(f"draw_weights: {len(weights)} inputs do not make a square picture")
    need("matplotlib.backends.backend_agg")
    figure_class = need("matplotlib.figure").Figure  # without pyplot: no window, no global state
    pictures = weights.T[:most].reshape(-1, side, side)
    columns = 5 if len(pictures) <= 10 else ceil(len(pictures) ** 0.5)
    rows = ceil(len(pictures) / columns)
    inch = 1.3 if labelled else 0.6
    figure = figure_class(figsize=(columns * inch, rows * inch), layout="tight")
    limit = float(np.abs(pictures).max()) or 1.0
    for i, axes in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        axes.set_axis_off()
        if i < len(pictures):
            axes.imshow(pictures[i], cmap="RdBu_r", vmin=-limit, vmax=limit)
            if labelled:
                axes.set_title(str(i), fontsize=9)
    figure.savefig(path, dpi=100)
    return path
