"""A real site that a task's author allows, behind each episode's own origin.

The browser never connects to it: this process fetches what the page asks for, from that one host, and writes the real
addresses in texts as the episode's. So a page cannot leave the allowed hosts, whatever it tries, and two episodes share
neither cookies nor storage. What the site itself remembers, it remembers for all.

What does not work through it: WebSockets, service workers, streams without end, scripts that put the site's address
together from pieces or check it, and sign-in by another site that is not among the hosts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from ...sandbox.app_server import Served
from ...sandbox.errors import AppServerError
from .forward import Forwarder
from .stateless import StatelessApp

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope


class RealSite(StatelessApp):
    """One allowed host.

    Args:
        origin: "https://example.org" or "http://127.0.0.1:8000".
    """

    name = "site"

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def asgi(self) -> ASGIApp:
        """Return nothing that is used: every episode has its own way."""
        return _nothing

    def serve(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> Served | None:
        """Return the episode's way to the site."""
        way = Forwarder(self.origin, names=_names, trust_env=not _is_here(self.origin), problem=self._problem)
        return Served(asgi=way, state=_no_state, close=way.close)

    def _problem(self, what: str) -> AppServerError:
        return AppServerError(f"the site {self.origin} {what}")


def _names(scope: Scope) -> dict[str, str]:
    """Return the real origins of the episode's sites, each with the episode's own."""
    hosts = scope["state"]["hosts"].items()
    return {app.origin: f"http://{host}" for host, app in hosts if isinstance(app, RealSite)}


def _is_here(origin: str) -> bool:
    host = urlsplit(origin).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"


async def _no_state() -> dict[str, Any]:
    return {}


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AppServerError("a real site is reached by each episode's own way")


__all__ = ["RealSite"]
