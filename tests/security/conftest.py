"""Hostile pages on a real Chromium, and an application that counts what it is asked."""

import threading

import pytest

from ..sandbox.conftest import Computer
from .hostile_app import HostileApp
from .listener import Listener


@pytest.fixture(scope="session")
def hostile_app():
    return HostileApp()


@pytest.fixture
def hostile(hostile_app):
    """Return a function that opens a hostile page: body, other pages, quota of its workspace."""
    opened = []

    def open_page(html, others=None, quota_bytes=10_000):
        opened.append(Computer(hostile_app, html, others or {}, quota_bytes))
        return opened[-1]

    yield open_page
    for each in opened:
        each.close()


@pytest.fixture
def listener():
    before = threading.active_count()
    made = Listener()
    yield made
    made.close()
    assert threading.active_count() <= before
