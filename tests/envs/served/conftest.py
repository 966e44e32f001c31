"""An application served to an HTTP client as one episode's browser would see it."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message

import numpy as np
import pytest

from milepost.sandbox.app_server import App, AppInstance, AppServer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names do not mind their case."""

    status_code: int
    headers: Message
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self):
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Browser:
    """A client that sends what a browser would, to an episode's origin."""

    instance: AppInstance

    def ask(self, path: str, method: str = "GET", *, headers: dict[str, str] | None = None, content=b"") -> Answer:
        """Send a request whose path stands as it is written: nothing is normalised on the way."""
        connection = http.client.HTTPConnection("127.0.0.1", AppServer.shared().port, timeout=30)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"host": self.instance.host, **(headers or {})}.items():
                connection.putheader(name, value)
            if content:
                connection.putheader("content-length", str(len(content)))
            connection.endheaders(content or None)
            came = connection.getresponse()
            return Answer(came.status, came.headers, came.read())

    def state(self):
        return self.instance.state()


@pytest.fixture
def serve() -> Iterator[Callable[..., Browser]]:
    opened: list[AppInstance] = []

    def open_episode(app: App, *, seed: int = 0, beside: Browser | None = None, **parameters) -> Browser:
        instance = AppServer.shared().open(
            app,
            rng=np.random.default_rng(seed),
            parameters=parameters,
            beside=None if beside is None else beside.instance,
        )
        opened.append(instance)
        return Browser(instance)

    yield open_episode
    for each in opened:
        each.close()
