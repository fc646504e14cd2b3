"""Real digits to train on: a small set that comes with scikit-learn, and MNIST.

Each function returns ``(train, valid, test)``, three pairs of arrays (x, y): x float32 with one
image in each row and pixels in [0, 1), y int32 labels.

    (train_x, train_y), (valid_x, valid_y), (test_x, test_y) = sg.datasets.digits()
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np

from symgrad.errors import DataError
from symgrad.extras import need

Split = namedtuple("Split", "x y")
Splits = namedtuple("Splits", "train valid test")

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# SHA-256 of the files as the mirrors have them; copies that were packed anew have other sums.
SUMS = {
    "train-images-idx3-ubyte.gz":
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz":
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz":
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz":
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def digits(seed=0):
    """1,797 digits of 8 x 8 pixels: 1,197 to train on, 300 to validate and 300 to test, shuffled
    by `seed`.

    Pixels have 17 grey levels, 0/17 to 16/17.  Needs scikit-learn (`MissingPackage` without it)
    and no network.

    Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits" (test part), UCI Machine
    Learning Repository (1998); `sklearn.datasets.load_digits`.

    >>> [s.x.shape for s in digits()]
    [(1197, 64), (300, 64), (300, 64)]
    """
    x, y = need("sklearn.datasets").load_digits(return_X_y=True)
    order = np.random.RandomState(seed).permutation(len(x))
    x, y = (x[order] / 17).astype("float32"), y[order].astype("int32")
    cuts = (slice(0, 1197), slice(1197, 1497), slice(1497, None))
    return Splits(*(Split(x[c], y[c]) for c in cuts))


def mnist(directory=None):
    """MNIST: 50,000 digits of 28 x 28 pixels to train on, 10,000 to validate and 10,000 to test,
    in file order.

    Pixels have 256 grey levels, 0/256 to 255/256.  The four ``.gz`` files are looked for in
    `directory`, or else in ``$SYMGRAD_DATA/mnist``, in ``$SYMGRAD_DATA`` and in pooch's cache;
    then they are downloaded to that cache and their SHA-256 sums are checked.  Files in your own
    directories are taken as they are.  The last sixth of the training file is the validation set.

    Raises `DataError` when the files are nowhere and no mirror can be reached, or when a file is
    damaged.

    LeCun, Cortes and Burges, "The MNIST database of handwritten digits" (1998).
    """
    place = Path(directory) if directory is not None else find_mnist()
    if place is None:
        paths = {name: _download(name) for name in SUMS}
    elif _has_mnist(place):
        paths = {name: place / name for name in SUMS}
    else:
        missing = [name for name in SUMS if not (place / name).is_file()]
        raise DataError(f"mnist: {place} has no {', '.join(missing)}")
    images, labels, test_images, test_labels = (_read_idx(path) for path in paths.values())
    for name, x, y in (("train", images, labels), ("t10k", test_images, test_labels)):
        if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
            raise DataError(
                f"mnist: the {name} files do not match: images {x.shape}, labels {y.shape}"
            )
    cut = len(images) - len(images) // 6
    return Splits(
        Split(_pixels(images[:cut]), labels[:cut].astype("int32")),
        Split(_pixels(images[cut:]), labels[cut:].astype("int32")),
        Split(_pixels(test_images), test_labels.astype("int32")),
    )


def find_mnist():
    """The directory under ``$SYMGRAD_DATA`` that holds the four MNIST files, or None."""
    root = os.environ.get("SYMGRAD_DATA")
    if not root:
        return None
    root = Path(root).expanduser()
    for place in (root / "mnist", root):
        if _has_mnist(place):
            return place
    return None


def _has_mnist(place):
    return all((place / name).is_file() for name in SUMS)


def _pixels(images):
    return images.reshape(len(images), -1).astype("float32") / np.float32(256)


def _download(name):
    """The path of one file in pooch's cache, downloaded if it is not there."""
    pooch = need("pooch")
    cache = Path(pooch.os_cache("symgrad")) / "mnist"
    troubles = []
    if root := os.environ.get("SYMGRAD_DATA"):
        troubles.append(f"  SYMGRAD_DATA={root}: the four files are neither there nor in mnist/")
    for mirror in MIRRORS:
        try:
            return pooch.retrieve(mirror + name, "sha256:" + SUMS[name], fname=name, path=cache)
        except (OSError, ValueError) as error:  # no network; a file with another SHA-256
            troubles.append(f"  {mirror}: {_short(error)}")
    raise DataError(
        "\n".join([f"mnist: {name} is not on this machine and could not be downloaded:", *troubles])
        + f"\n  hint: put {', '.join(SUMS)} into a directory and set SYMGRAD_DATA to it; "
        f"the small data set (--data digits) needs no network"
    )


def _short(error, width=160):
    text = " ".join(str(error).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def _read_idx(path):
    """The array of unsigned bytes in a gzipped IDX file: 0, 0, 8, rank, big-endian lengths, then
    the data."""
    try:
        with gzip.open(path) as file:
            data = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"mnist: {path} is damaged or not a gzip file: {error}") from error
    try:
        zeros, kind, rank = struct.unpack_from(">HBB", data)
        if (zeros, kind) != (0, 8):
            raise ValueError("its first bytes are not 0, 0, 8")
        lengths = struct.unpack_from(f">{rank}I", data, 4)
        return np.frombuffer(data, "uint8", offset=4 + 4 * rank).reshape(lengths)
    except (struct.error, ValueError) as error:
        raise DataError(f"mnist: {path} is not a whole IDX file of bytes: {error}") from error
