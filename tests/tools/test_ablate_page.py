"""The page of an ablation, as a browser reads it."""

from html.parser import HTMLParser

import numpy as np

import symgrad as sg
import symgrad.tensor as T


class Outline(HTMLParser):
    """How many cells each row has; what is not closed, or has no name for who cannot see it."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.wrong = [], [], []
        self.feed(text)
        self.wrong += self.open

    def handle_starttag(self, tag, attrs):
        self.cells += [0] * (tag == "tr")
        if tag in ("td", "th"):
            self.cells[-1] += 1
        if tag == "svg" and not dict(attrs).get("aria-label"):
            self.wrong.append("a picture without words")
        self.open += [tag] * (tag not in ("meta", "input"))

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_well_formed():
    x = T.dvector("x")
    f = sg.function([x], T.log(1 + T.exp(x)).sum(), name="a < b & c")
    found = sg.ablate(f, [np.ones(3)], only=["fuse", "stabilise.log1p"], rounds=2, compiles=1)
    page = Outline(found.to_html())
    assert not page.wrong and len(page.cells) == len(found.rows) + 1
    assert len(set(page.cells)) == 1, "a head for each column"
