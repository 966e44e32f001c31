from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from milepost.sandbox.chromium import find_chromium


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser of the annotator's, which has nothing to do with those that episodes run in.

    One of its names leads to this machine, as that of an attacker's domain may. It lives for a module and no longer:
    Playwright's event loop counts as running on this thread until then.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_chromium().path), args=["--host-resolver-rules=MAP evil.example 127.0.0.1"]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()
