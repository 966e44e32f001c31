"""One episode of an application, over plain HTTP without a browser."""

import re
import sqlite3
from html.parser import HTMLParser

import numpy as np
from starlette.testclient import TestClient

from milepost.envs.apps import get_app


class Site:
    """A seeded database behind the application's own ASGI app, served to an HTTP client."""

    def __init__(self, name, parameters, seed=0):
        self.app = get_app(name)
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA foreign_keys = ON")
        self.app.create_schema(self.db)
        self.app.seed(self.db, np.random.default_rng(seed), parameters)
        asgi = self.app.asgi()

        async def with_database(scope, receive, send):
            scope["state"] = {"db": self.db}
            await asgi(scope, receive, send)

        self.client = TestClient(with_database, base_url=f"http://episode.{name}.localhost")

    @property
    def state(self):
        return self.app.state(self.db)

    def get(self, path):
        return self.client.get(path)

    def dump(self):
        return "\n".join(self.db.iterdump())


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self._href = [], None

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self._href = dict(attrs)["href"]

    def handle_data(self, data):
        if self._href is not None:
            self.links.append((data, self._href))
            self._href = None


def links(response):
    """Return the page's links as a list of (text, address)."""
    parser = _Links()
    parser.feed(response.text)
    return parser.links


def heading(response):
    found = re.search(r"<h1>(.*?)</h1>", response.text)
    assert found is not None
    return found[1]
