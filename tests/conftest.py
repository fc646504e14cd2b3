"""Compiled code of the tests goes to a folder of their own."""

import os

import pytest

from symgrad.config import config


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory):
    where = str(tmp_path_factory.getbasetemp() / "cache")
    config.cache_dir = os.environ["SYMGRAD_CACHE_DIR"] = where  # also of processes tests start
