"""Roles and names agree with Chromium's own accessibility tree, on pages made to be hard and on real ones."""

import os
from pathlib import Path

import pytest

from bench.accessibility_agreement import BAR, HARD, app_pages, folder_pages, miniwob_folder, miniwob_pages
from bench.accessibility_compare import Agreement, compare
from milepost.sandbox.browser_thread import BrowserThread

pytestmark = pytest.mark.browser

# (page, kind, what Chromium says): where ours is meant to differ, beside what accessibility_compare.py lists.
MEANT = {
    ("inputs.html", "state", "Video 'Unable to play media.' ['disabled']"),  # a player that found nothing to play
    ("inputs.html", "state", "Audio 'Unable to play media.' ['disabled']"),
    ("mixed.html", "name", "button 'x y'"),  # a place where a word may be broken is not the end of a word
    ("mixed.html", "name", r"button '\xa0'"),  # a label of nothing but space: the content says more
    ("mixed.html", "name", "button ''"),  # a title says more than an empty value
    ("tables.html", "text", "X"),  # the author's label of the cell stands in the row's name
}


def found_on(pages) -> Agreement:
    total = Agreement()
    for name, channel in pages:
        found = BrowserThread.get().run(compare(channel), 60)
        assert found.nodes, f"nothing was compared on {name}"
        total += found
    return total


@pytest.mark.parametrize("page", sorted(path.name for path in HARD.glob("*.html")))
def test_hard_pages(page):
    found = found_on(folder_pages(HARD, [page]))
    unmeant = [d for d in found.differences if (page, d.kind, d.theirs) not in MEANT]
    assert unmeant == []


def test_the_bundled_applications_agree_throughout():
    found = found_on(app_pages(seeds=(0,)))
    assert found.differences == []
    assert found.nodes > 100
    assert found.texts > 50


@pytest.mark.slow
def test_every_miniwob_page():
    folder = miniwob_folder() if "MILEPOST_MINIWOB" not in os.environ else Path(os.environ["MILEPOST_MINIWOB"])
    if folder is None:
        pytest.skip("the miniwob package is not installed, and MILEPOST_MINIWOB names no folder of its pages")
    total, pages = Agreement(), 0
    for _, channel in miniwob_pages(folder):
        total += BrowserThread.get().run(compare(channel), 60)
        pages += 1
    assert pages == 130
    assert min(total.role_rate, total.name_rate, total.text_rate) >= BAR, total.differences[:20]


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        # Chromium knows of listeners, which cannot be seen from a page's script: the comparison must tell.
        ("<a>Listens</a><script>document.querySelector('a').addEventListener('click', () => 1)</script>", "missing"),
        ("<custom-box></custom-box><script>customElements.define('custom-box', class extends HTMLElement {"
         "constructor() { super(); const i = this.attachInternals(); i.role = 'button'; i.ariaLabel = 'Inner' } })"
         "</script>", "missing"),
    ],
)  # fmt: skip
def test_the_comparison_finds_what_differs(computer, html, kind):
    page = computer("<h1>Top</h1>" + html).page
    found = BrowserThread.get().run(compare(page._channel), 60)
    assert [d.kind for d in found.differences] == [kind]
    assert found.role_rate == found.name_rate == 0.5
