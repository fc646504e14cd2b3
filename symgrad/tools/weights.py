"""Saving trained weights, and drawing weights and images as tiles of one picture."""

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
    pictures = squares(weights.T[:most])
    if not labelled:
        return draw_tiles(path, {"": pictures})
    return draw_tiles(path, {str(i): pictures[i : i + 1] for i in range(len(pictures))}, across=5)


def draw_tiles(path, panels, columns=None, across=None, kind="weights"):
    """Draw {title: images} as panels beside one another, `across` of them in a row (by default,
    all); in each of them images are tiles, `columns` in a row (by default, as many as rows).

    Images are an array (n, height, width), or (n, pixels) of square ones.  What `kind` they are
    says how they are coloured: "weights", red above zero and blue below, on one scale for all;
    "filters", the same, but each on a scale of its own; "images", from 0, black, to 1, white.
    Returns the path.
    """
    need("matplotlib.backends.backend_agg")
    figure_class = need("matplotlib.figure").Figure  # without pyplot: no window, no global state
    panels = {title: np.asarray(images, "float64") for title, images in panels.items()}
    panels = {t: squares(x) if x.ndim == 2 else x for t, x in panels.items()}
    if kind == "filters":
        panels = {t: x / np.abs(x).max(axis=(1, 2), keepdims=True).clip(1e-30)
                  for t, x in panels.items()}
    limit = max([float(np.abs(x).max()) for x in panels.values() if x.size], default=0.0) or 1.0
    low, high, colours = (0.0, 1.0, "gray") if kind == "images" else (-limit, limit, "RdBu_r")
    pictures = {title: tiled(images, columns) for title, images in panels.items()}
    across = min(across or len(pictures), len(pictures))
    tall, wide = np.max([p.shape for p in pictures.values()], axis=0)
    dots = max(1, round(600 / across / wide))  # whole, so that every pixel is drawn alike
    title = 22 if any(pictures) else 0
    step = wide * dots + 12, tall * dots + 12 + title
    size = 12 + across * step[0], 12 + ceil(len(pictures) / across) * step[1]
    figure = figure_class(figsize=(size[0] / 100, size[1] / 100), dpi=100)
    for i, (text, picture) in enumerate(pictures.items()):
        row, column = divmod(i, across)
        left = 12 + column * step[0]
        bottom = size[1] - (row + 1) * step[1] + (tall - picture.shape[0]) * dots
        place = left, bottom, picture.shape[1] * dots, picture.shape[0] * dots
        axes = figure.add_axes([n / size[k % 2] for k, n in enumerate(place)])
        axes.set_axis_off()
        axes.imshow(picture, cmap=colours, vmin=low, vmax=high, interpolation="nearest",
                    aspect="auto")
        axes.set_title(text, fontsize=9, pad=4)
    figure.savefig(path)
    return path


def tiled(images, columns=None, gap=1):
    """One large picture of many small ones (n, height, width), row by row, `gap` pixels of NaN
    (which are drawn as nothing) between them.

    >>> tiled(np.arange(3.0).reshape(3, 1, 1), columns=2)
    array([[ 0., nan,  1.],
           [nan, nan, nan],
           [ 2., nan, nan]])
    """
    count, height, width = images.shape
    columns = columns or ceil(count**0.5) or 1
    rows = ceil(count / columns)
    out = np.full((rows, columns, height + gap, width + gap), np.nan)
    out.reshape(-1, height + gap, width + gap)[:count, :height, :width] = images
    out = out.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap))
    return out[: len(out) - gap, : out.shape[1] - gap]


def squares(rows):
    """(n, side, side) of a matrix (n, side * side); `ShapeError` when its rows are no squares."""
    side = isqrt(rows.shape[1])
    if side * side != rows.shape[1]:
        raise ShapeError(f"{rows.shape[1]} inputs do not make a square picture")
    return rows.reshape(-1, side, side)
