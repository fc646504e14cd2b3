"""The pages of docs/: their programs run, and what they point to is there."""

import re

import pytest
from house import PACKAGE, REPO, ROOMS

import symgrad as sg

PAGES = sorted((REPO / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
SETUP = """
import numpy as np
import symgrad as sg
import symgrad.tensor as T
x, W = T.fmatrix("x"), sg.shared(np.ones((3, 2), "float32"), name="W")
y, params = T.fmatrix("y"), [W]
cost = T.sqr(T.dot(x, W) - y).mean()
"""
ids = [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_programs_run(page, capsys):
    blocks = [b for b in BLOCK.findall(page.read_text()) if not b.startswith(">>>")]
    if "llvm" in "".join(blocks):
        pytest.importorskip("llvmlite")
    names = {"__name__": "page"}
    exec(SETUP, names)  # what a page begins with the middle of
    for block in blocks:
        exec(compile(block, page.name, "exec"), names)
    assert sg.config.floatX == "float64"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_the_page_of_the_native_backend_names_all_its_files():
    text = (REPO / "docs" / "native.md").read_text()
    known = {p.name for p in (PACKAGE / "compile/backends/llvm").glob("*.py")} - {"__init__.py"}
    named = set(re.findall(r"`(?:[\w/]+/)?(\w+\.py)`", text))
    everywhere = {p.name for p in PACKAGE.rglob("*.py")}
    assert not known - named and not named - everywhere


def test_the_index_names_all_rooms():
    text = (REPO / "docs" / "index.md").read_text().partition("## The rooms")[2]
    for row in ROOMS.values():
        for module in row.replace(".*", "").replace("__init__ __main__", "").split():
            assert module.rpartition(".")[2] in text, module
