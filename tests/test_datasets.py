"""The digit sets: their splits, where MNIST is looked for, and what is said when it is missing."""

import gzip
import hashlib
import http.server
import struct
import threading

import numpy as np
import pooch
import pytest

from symgrad import datasets
from symgrad.errors import DataError, MissingPackage
from symgrad.extras import need

LENGTHS = {"train": 12, "t10k": 3}


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.astype("uint8").tobytes())


def fake_mnist():
    """The four files with 12 and 3 images of 2 x 2 pixels: {name: bytes}."""
    files = {}
    for part, n in LENGTHS.items():
        files[f"{part}-images-idx3-ubyte.gz"] = idx(np.arange(n * 4).reshape(n, 2, 2))
        files[f"{part}-labels-idx1-ubyte.gz"] = idx(np.arange(n) % 10)
    return files


def write(directory, files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No data set of this machine, no network: a cache of our own and mirrors that refuse."""
    monkeypatch.delenv("SYMGRAD_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(datasets, "MIRRORS", ("http://127.0.0.1:9/",))


@pytest.fixture
def mirror(monkeypatch):
    """A local mirror: the dict of files it serves."""
    files = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = files.get(self.path[1:])
            self.send_response(404 if data is None else 200)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(datasets, "MIRRORS", ("http://127.0.0.1:9/", address))
    yield files
    server.shutdown()
    server.server_close()


def check_fake(data):
    assert [len(s.x) for s in data] == [10, 2, 3]
    assert data.train.x.shape == (10, 4)
    np.testing.assert_array_equal(data.train.x.ravel(), np.arange(40, dtype="float32") / 256)
    np.testing.assert_array_equal(data.valid.x.ravel(), np.arange(40, 48, dtype="float32") / 256)
    np.testing.assert_array_equal(data.valid.y, [0, 1])
    assert {s.x.dtype.name for s in data} == {"float32"}
    assert {s.y.dtype.name for s in data} == {"int32"}


def test_digits():
    data = datasets.digits()
    assert [s.x.shape for s in data] == [(1197, 64), (300, 64), (300, 64)]
    for x, y in data:
        assert (x.dtype, y.dtype) == ("float32", "int32")
        assert x.min() == 0 and 0.9 < x.max() < 1
        assert sorted(set(y.tolist())) == list(range(10))
    again, other = datasets.digits(), datasets.digits(seed=1)
    np.testing.assert_array_equal(data.test.x, again.test.x)
    assert (data.test.y != other.test.y).any()


@pytest.mark.parametrize("inside", [".", "mnist"])
def test_mnist_is_found_under_symgrad_data(tmp_path, monkeypatch, inside):
    write(tmp_path / inside, fake_mnist())
    monkeypatch.setenv("SYMGRAD_DATA", str(tmp_path))
    assert datasets.find_mnist() == tmp_path / inside
    check_fake(datasets.mnist())


def test_mnist_from_a_named_directory(tmp_path):
    write(tmp_path / "here", fake_mnist())
    check_fake(datasets.mnist(tmp_path / "here"))
    with pytest.raises(DataError, match="there has no train-images-idx3-ubyte.gz, train-labels"):
        datasets.mnist(tmp_path / "there")


def test_offline_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("SYMGRAD_DATA", str(tmp_path))
    assert datasets.find_mnist() is None
    with pytest.raises(DataError) as error:
        datasets.mnist()
    text = str(error.value)
    assert "train-images-idx3-ubyte.gz is not on this machine and could not be downloaded" in text
    assert "http://127.0.0.1:9/" in text
    assert f"SYMGRAD_DATA={tmp_path}: the four files are neither there nor in mnist/" in text
    assert "set SYMGRAD_DATA to it" in text and "--data digits" in text


def test_download_from_the_second_mirror_then_from_the_cache(mirror, monkeypatch):
    mirror.update(fake_mnist())
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in mirror.items()}
    monkeypatch.setattr(datasets, "SUMS", {name: sums[name] for name in datasets.SUMS})
    check_fake(datasets.mnist())
    mirror.clear()
    check_fake(datasets.mnist())


def test_a_download_with_another_checksum_is_refused(mirror):
    mirror.update(fake_mnist())  # the sums are those of the real files
    with pytest.raises(DataError, match="SHA256 hash of downloaded file"):
        datasets.mnist()


@pytest.mark.parametrize("damage, message", [
    (lambda data: data[:-20], "damaged or not a gzip file"),
    (lambda data: b"hello", "damaged or not a gzip file"),
    (lambda data: gzip.compress(b""), "not a whole IDX file"),
    (lambda data: gzip.compress(gzip.decompress(data)[:-1]), "not a whole IDX file"),
    (lambda data: gzip.compress(b"\1" + gzip.decompress(data)[1:]), "first bytes are not 0, 0, 8"),
    (lambda data: idx(np.zeros((5, 2, 2))), r"train files do not match: images \(5, 2, 2\)"),
])
def test_damaged_files(tmp_path, damage, message):
    files = fake_mnist()
    name = "train-images-idx3-ubyte.gz"
    files[name] = damage(files[name])
    write(tmp_path, files)
    with pytest.raises(DataError, match=message):
        datasets.mnist(tmp_path)


def test_a_missing_package_is_named():
    with pytest.raises(MissingPackage, match=r"no_such_package.* pip install 'symgrad\[train\]'"):
        need("no_such_package.part")
