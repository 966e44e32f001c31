"""Addresses of an application that are for us only: where its state is read, where it is reset."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .answers import answer_page

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_DECODINGS = 3
"""So often an encoded path is decoded at most: a server that decodes twice must not be asked by one encoded twice."""


def closed_to_pages(asgi: ASGIApp, paths: Iterable[str | None]) -> ASGIApp:
    """Return the application without some of its paths, and what is beneath them: to pages they are not there.

    Args:
        asgi: the application.
        paths: such as "/_state"; None stands for none.
    """
    closed = frozenset(_plain(path.partition("?")[0]) for path in paths if path is not None)
    if not closed:
        return asgi

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or b""
        if any(_is_in(path, closed) for path in _readings(scope["path"], raw.decode("latin-1"))):
            await answer_page(send, 404, "Not found", "There is no such page here.")
        else:
            await asgi(scope, receive, send)

    return guarded


def _readings(*paths: str) -> Iterable[str]:
    """Yield a path as servers may understand it."""
    for path in paths:
        for _ in range(_DECODINGS + 1):
            yield _plain(path)
            path = unquote(path)


def _plain(path: str) -> str:
    """Return a path with one slash between its parts, no dots, no parameters, in lower case."""
    parts = (part.partition(";")[0] for part in path.replace("\\", "/").split("/"))
    return posixpath.normpath("/" + "/".join(part for part in parts if part)).casefold()


def _is_in(path: str, closed: frozenset[str]) -> bool:
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in closed)


__all__ = ["closed_to_pages"]
