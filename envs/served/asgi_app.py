"""An ASGI application of the task's author, run within this process.

It is named as `module:attribute`, or `./file.py:attribute`, and the attribute may be:

1. an `App` (sandbox/app_server.py), or a subclass of it: then it says itself how it is seeded and what its state is;
2. an ASGI application. All episodes share it, so what belongs to one must be kept in that episode's database, which
   its handlers find as `request.state.db` (an empty SQLite database in memory);
3. with `()` behind it, a function that makes an ASGI application for each episode. It is called with those of the
   keyword arguments `parameters`, `rng` and `db` that it takes.

ASGI's lifespan is not run: an application that needs its start-up code is served by a command instead.
"""

from __future__ import annotations

import inspect
import re
import sqlite3
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...sandbox.app_server import App, Served
from ...sandbox.errors import AppServerError, TaskError
from ..python_files import load_module
from .closed_paths import closed_to_pages
from .state_answer import read_state
from .stateless import StatelessApp

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

REFERENCE = re.compile(r"(?P<module>[^:]+):(?P<attribute>[A-Za-z_][\w.]*)(?P<call>\(\))?")
"""`module:attribute`, `module:factory()`, or the same with the path of a .py file before the colon."""
_OFFERED = ("parameters", "rng", "db")


def app_from(reference: str, state: str | None = None) -> App:
    """Return the application that a reference names; its module is imported.

    Args:
        reference: as REFERENCE; a file's path is absolute.
        state: path at which an ASGI application answers with its server-side state as JSON; pages cannot reach it.

    Raises:
        TaskError: there is none, or it is none.
    """
    found, is_factory = _load(reference)
    if is_factory:
        if not callable(found):
            raise TaskError(
                f"{reference!r} is not a function; take the () away, or name one that makes the application"
            )
        return _EpisodeApps(reference, found, state)
    if isinstance(found, App):
        return found
    if inspect.isclass(found) and issubclass(found, App):
        return found()
    if not callable(found) or inspect.isclass(found):
        raise TaskError(
            f"expected an ASGI application at {reference!r}, got {type(found).__name__}; name the object that your "
            "server would be started with, or put () behind a function that makes it"
        )
    return _SharedApp(reference, cast("ASGIApp", found), state)


class _SharedApp(StatelessApp):
    """One ASGI application for all episodes, each with a database."""

    name = "app"

    def __init__(self, reference: str, asgi: ASGIApp, state: str | None) -> None:
        self._reference = reference
        self._asgi = asgi
        self._state = state
        self.has_state = state is not None

    def asgi(self) -> ASGIApp:
        """Return the application without its state's path."""
        return closed_to_pages(self._asgi, [self._state])

    def serve(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> Served | None:
        """Return how the state is read, if it has one."""
        return None if self._state is None else _served(self._reference, self._asgi, self._state, db)


class _EpisodeApps(StatelessApp):
    """An ASGI application made for each episode."""

    name = "app"

    def __init__(self, reference: str, factory: Callable[..., Any], state: str | None) -> None:
        self._reference = reference
        self._factory = factory
        self._state = state
        self.has_state = state is not None

    def asgi(self) -> ASGIApp:
        """Return nothing that is used: every episode has its own."""
        return _nothing

    def serve(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> Served | None:
        """Make the episode's application."""
        offered = {"parameters": parameters, "rng": rng, "db": db}
        made = self._factory(**{name: offered[name] for name in _wanted(self._reference, self._factory)})
        if not callable(made):
            raise TaskError(
                f"expected an ASGI application from {self._reference!r}, got {type(made).__name__}; return it"
            )
        return _served(self._reference, made, self._state, db)


def _served(reference: str, asgi: ASGIApp, state: str | None, db: sqlite3.Connection) -> Served:
    async def read() -> dict[str, Any]:
        if state is None:
            return {}
        where = f"{reference} at {state}"
        try:
            status, body = await _get(asgi, state, db)
        except Exception as error:  # whatever the application raises is its failure
            raise AppServerError(f"{where} failed: {type(error).__name__}: {error}") from error
        return read_state(where, status, body)

    return Served(asgi=closed_to_pages(asgi, [state]), state=read, close=_close_nothing)


async def _get(asgi: ASGIApp, path: str, db: sqlite3.Connection) -> tuple[int, bytes]:
    """Ask an ASGI application for a path, within this process."""
    plain, _, query = path.partition("?")
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"milepost")],
        "client": None,
        "server": None,
        "state": {"db": db},
    }
    status, parts = 500, list[bytes]()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await asgi(scope, receive, send)
    return status, b"".join(parts)


def _wanted(reference: str, factory: Callable[..., Any]) -> list[str]:
    """Return which of the offered arguments a function takes."""
    parameters = inspect.signature(factory).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return list(_OFFERED)
    for p in parameters:
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL and p.name not in _OFFERED:
            raise TaskError(
                f"{reference!r} needs the argument {p.name!r}; offered are {', '.join(_OFFERED)}: rename it"
            )
    return [p.name for p in parameters if p.name in _OFFERED]


def _load(reference: str) -> tuple[Any, bool]:
    """Return what a reference names, and whether it is to be called for each episode."""
    match = REFERENCE.fullmatch(reference)
    if match is None:
        raise TaskError(f"expected module:attribute or ./file.py:attribute, got {reference!r}; name the application so")
    found: Any = load_module(match["module"], reference)
    for name in match["attribute"].split("."):
        if not hasattr(found, name):
            close = get_close_matches(name, [n for n in dir(found) if not n.startswith("_")], n=1)
            cure = f"did you mean {close[0]!r}?" if close else "define it there"
            raise TaskError(f"{match['module']} has no {name!r}, which {reference!r} names; {cure}")
        found = getattr(found, name)
    return found, match["call"] is not None


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AppServerError("this application is made anew for each episode")


def _close_nothing() -> None:
    pass


__all__ = ["REFERENCE", "app_from"]
