"""Compiled code of the tests goes to a folder of their own."""

import os

import pytest
from helpers import BACKENDS

from symgrad.config import config, options


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory):
    where = str(tmp_path_factory.getbasetemp() / "cache")
    config.cache_dir = os.environ["SYMGRAD_CACHE_DIR"] = where  # also of processes tests start


@pytest.fixture(params=BACKENDS[:-1])
def on_compiled_code(request):
    """The test runs once on each backend that is not only for comparison."""
    with options(backend=request.param):
        yield request.param
