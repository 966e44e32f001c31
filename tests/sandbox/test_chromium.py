"""Finding a Chromium: the order, and what is said when there is none."""

import pytest

from milepost.sandbox.chromium import find_chromium
from milepost.sandbox.errors import BrowserNotFoundError


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without any Chromium."""
    monkeypatch.delenv("MILEPOST_CHROMIUM", raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "browsers"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_none_at_all_names_every_cure(bare):
    with pytest.raises(BrowserNotFoundError) as caught:
        find_chromium()
    for cure in ("playwright install", "apt-get install", "MILEPOST_CHROMIUM"):
        assert cure in str(caught.value)


def test_the_order_is_variable_then_playwright_then_system(bare, monkeypatch):
    system = executable(bare / "bin/chromium")
    assert (find_chromium().source, find_chromium().path) == ("system", system)
    better = executable(bare / "bin/chromium-headless-shell")
    assert find_chromium().path == better
    executable(bare / "browsers/chromium_headless_shell-99/chrome-headless-shell-linux64/chrome-headless-shell")
    own = executable(bare / "browsers/chromium_headless_shell-1200/chrome-headless-shell-linux64/chrome-headless-shell")
    assert (find_chromium().source, find_chromium().path, find_chromium().version) == ("playwright", own, "r1200")
    named = executable(bare / "mine")
    monkeypatch.setenv("MILEPOST_CHROMIUM", str(named))
    assert (find_chromium().source, find_chromium().path) == ("env", named)


def test_a_variable_that_names_nothing_is_not_passed_over(bare, monkeypatch):
    executable(bare / "bin/chromium")
    monkeypatch.setenv("MILEPOST_CHROMIUM", str(bare / "missing"))
    with pytest.raises(BrowserNotFoundError, match="missing"):
        find_chromium()
